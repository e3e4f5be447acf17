//! Removal: take an entry out of a branch, and merge nodes where the branch has one entry left.
//!
//! A branch with one entry is no node. If the value is left, the branch becomes a leaf. If a child is left, that child has
//! to be seen, because what it is decides the result: a leaf moves up; an extension grows by the branch's nibble; a branch
//! gets an extension above it. If an extension was above the removed branch, it merges with the result likewise. The
//! child is therefore loaded before anything is changed.

use super::{Link, Node, Place, Target, Trie};
use crate::{NodeSource, TrieError, key::Key};
use nybbles::Nibbles;

/// The only entry that a branch has left.
enum Left {
    Value,
    Child(u8),
}

impl Trie {
    /// Removes `key` and returns whether it was there.
    ///
    /// Needs from `source` the nodes on the path of the key and, where a branch is left with one child, that child.
    pub fn remove(&mut self, key: &[u8], source: &dyn NodeSource) -> Result<bool, TrieError> {
        self.remove_known(key, &[], source)
    }

    /// As [`Trie::remove`] of a key that is said to have the value `known` (empty where nobody says), which can spare a read.
    pub(crate) fn remove_known(
        &mut self,
        key: &[u8],
        known: &[u8],
        source: &dyn NodeSource,
    ) -> Result<bool, TrieError> {
        let key = Key::new(key)?;
        let Some((place, id, depth)) = self.find_entry(&key, known, source)? else { return Ok(false) };
        let (branch, branch_depth, taken) = match place {
            // The key ends at the branch itself.
            _ if matches!(self.nodes[id as usize], Node::Branch { .. }) => (id, depth, None),
            Place::Branch(branch, nibble) => (branch, depth - 1, Some(nibble)),
            Place::Root => {
                self.open(id, &key, depth);
                self.release(id);
                self.root = Link::EMPTY;
                return Ok(true);
            }
            Place::Extension(_) => unreachable!("below an extension is a branch"),
        };
        let left = self.left_over(branch, taken);
        if let Some(Left::Child(nibble)) = left {
            let path = || {
                let mut path = key.prefix(branch_depth);
                path.push(nibble);
                path
            };
            self.resolve(Place::Branch(branch, nibble), path, source)?;
        }
        // From here on nothing fails.
        if taken.is_some() {
            self.open(id, &key, depth);
            self.release(id);
            self.trail.pop();
        }
        self.open(branch, &key, branch_depth);
        if let Node::Branch { children, value } = &mut self.nodes[branch as usize] {
            match taken {
                Some(nibble) => children[usize::from(nibble)] = Link::EMPTY,
                None => *value = None,
            }
        }
        if let Some(left) = left {
            self.collapse(branch, branch_depth, left, &key);
        }
        self.open_trail(&key);
        Ok(true)
    }

    /// Replaces the root, a changed branch that has one child left, by what that child becomes.
    pub(super) fn collapse_root(&mut self, nibble: u8, source: &dyn NodeSource) -> Result<(), TrieError> {
        let Target::Node(branch) = self.root.target() else { unreachable!("the root is a branch in memory") };
        self.trail.clear();
        self.resolve(Place::Branch(branch, nibble), || Nibbles::from_nibbles([nibble]), source)?;
        self.collapse(branch, 0, Left::Child(nibble), &Key::from_array([0; 32]));
        Ok(())
    }

    /// The leaf with this key, or the branch that holds its value; `None` where the key is absent. The trail then holds
    /// all nodes above.
    fn find_entry(
        &mut self,
        key: &Key,
        known: &[u8],
        source: &dyn NodeSource,
    ) -> Result<Option<(Place, u32, usize)>, TrieError> {
        let mut place = Place::Root;
        let mut depth = usize::from(self.base);
        self.trail.clear();
        loop {
            let Some(id) = self.resolve_on_path(place, key, depth, known, source)? else { return Ok(None) };
            match &self.nodes[id as usize] {
                Node::Leaf { key: found, .. } => return Ok((found == key).then_some((place, id, depth))),
                Node::Extension { path, .. } => {
                    if key.matches(depth, path).is_err() {
                        return Ok(None);
                    }
                    self.trail.push((id, depth as u8));
                    depth += path.len();
                    place = Place::Extension(id);
                }
                Node::Branch { value, .. } if depth == key.nibbles() => {
                    return Ok(value.is_some().then_some((place, id, depth)));
                }
                Node::Branch { .. } => {
                    self.trail.push((id, depth as u8));
                    place = Place::Branch(id, key.nibble(depth));
                    depth += 1;
                }
                Node::Free => unreachable!("a link leads to a node in use"),
            }
        }
    }

    /// What a branch has left without one entry (`None`: without its value), if that is a single entry.
    fn left_over(&self, branch: u32, taken: Option<u8>) -> Option<Left> {
        let Node::Branch { children, value } = &self.nodes[branch as usize] else {
            unreachable!("entries are taken from a branch")
        };
        let mut left = (taken.is_some() && value.is_some()).then_some(Left::Value);
        for (nibble, child) in children.iter().enumerate() {
            if *child == Link::EMPTY || taken == Some(nibble as u8) {
                continue;
            }
            if left.is_some() {
                return None;
            }
            left = Some(Left::Child(nibble as u8));
        }
        left
    }

    /// Replaces a branch that has one entry left, and merges the result with an extension above.
    fn collapse(&mut self, branch: u32, depth: usize, left: Left, key: &Key) {
        let above = match self.trail.last() {
            Some(&(id, _)) if matches!(self.nodes[id as usize], Node::Extension { .. }) => self.trail.pop(),
            _ => None,
        };
        let result = match left {
            Left::Value => self.branch_to_leaf(branch, depth, key),
            Left::Child(nibble) => self.branch_to_child(branch, depth, nibble, key),
        };
        let Some((extension, extension_depth)) = above else {
            let place = self.place_below_trail(key);
            return self.set_link(place, result);
        };
        self.open(extension, key, usize::from(extension_depth));
        let Node::Extension { path: mut path_above, .. } = self.nodes[extension as usize] else {
            unreachable!("checked to be an extension")
        };
        let Target::Node(below) = result.target() else { unreachable!("a collapsed branch is a node") };
        let top = match &mut self.nodes[below as usize] {
            Node::Extension { path, .. } => {
                path_above.extend(path);
                *path = path_above;
                self.release(extension);
                result
            }
            Node::Leaf { .. } => {
                self.release(extension);
                result
            }
            _ => unreachable!("a branch collapses to a leaf or an extension"),
        };
        let place = self.place_below_trail(key);
        self.set_link(place, top);
    }

    /// The branch becomes a leaf whose key ends at it.
    fn branch_to_leaf(&mut self, branch: u32, depth: usize, key: &Key) -> Link {
        let node = core::mem::replace(&mut self.nodes[branch as usize], Node::Free);
        self.free.push(branch);
        let (Node::Branch { value: Some(value), .. }, Ok(leaf_key)) = (node, Key::new(&key.as_slice()[..depth / 2]))
        else {
            unreachable!("the branch has a value and lies on the path of the key")
        };
        self.add_leaf(leaf_key, &value)
    }

    /// The branch gives way to its last child, which was loaded before.
    fn branch_to_child(&mut self, branch: u32, depth: usize, nibble: u8, key: &Key) -> Link {
        let child = self.link(Place::Branch(branch, nibble));
        let Target::Node(id) = child.target() else { unreachable!("the last child was loaded") };
        let mut path = Nibbles::new();
        path.push(nibble);
        match &mut self.nodes[id as usize] {
            Node::Branch { .. } => {
                self.nodes[branch as usize] = Node::Extension { path, child };
                return Link(branch);
            }
            Node::Extension { path: rest, .. } => {
                path.extend(rest);
                *rest = path;
            }
            Node::Leaf { .. } => {}
            Node::Free => unreachable!("a link leads to a node in use"),
        }
        self.release(branch);
        self.open_sibling(id, key, depth, nibble);
        child
    }

    /// Opens the child of a branch that is not on the path of the key.
    fn open_sibling(&mut self, id: u32, key: &Key, depth: usize, nibble: u8) {
        let mut bytes = key.padded();
        let shift = if depth.is_multiple_of(2) { 4 } else { 0 };
        bytes[depth / 2] = bytes[depth / 2] & !(15 << shift) | nibble << shift;
        self.open(id, &Key::from_array(bytes), depth + 1);
    }

    /// The place below the last node of the trail.
    fn place_below_trail(&self, key: &Key) -> Place {
        match self.trail.last() {
            None => Place::Root,
            Some(&(id, depth)) => match self.nodes[id as usize] {
                Node::Branch { .. } => Place::Branch(id, key.nibble(usize::from(depth))),
                _ => Place::Extension(id),
            },
        }
    }
}
