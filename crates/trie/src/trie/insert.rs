//! Insertion: walk down to the first node that disagrees with the key, and put a branch there.

use super::{Link, Node, Place, Trie};
use crate::{NodeSource, TrieError, key::Key};
use nybbles::Nibbles;

/// Where the walk of an insertion ends.
enum End {
    /// Nothing is there.
    Vacant,
    /// A leaf with the same key.
    SameLeaf(u32),
    /// A leaf with another key; both share this many nibbles.
    OtherLeaf(u32, usize),
    /// An extension that agrees with the key for this many nibbles only.
    Extension(u32, usize),
    /// The key ends at this branch.
    BranchValue(u32),
}

impl Trie {
    /// Maps `key` to `value`. An empty value is absence (Yellow Paper, appendix D), so inserting one removes the key.
    ///
    /// Needs from `source` only nodes on the path of the key.
    pub fn insert(&mut self, key: &[u8], value: &[u8], source: &dyn NodeSource) -> Result<(), TrieError> {
        self.insert_known(key, &[], value, source)
    }

    /// As [`Trie::insert`] of a key that is said to have the value `known` (empty where nobody says), which can spare a read.
    pub(crate) fn insert_known(
        &mut self,
        key: &[u8],
        known: &[u8],
        value: &[u8],
        source: &dyn NodeSource,
    ) -> Result<(), TrieError> {
        if value.is_empty() {
            return self.remove_known(key, known, source).map(|_| ());
        }
        let key = Key::new(key)?;
        let (place, depth, end) = self.find_end(&key, known, source)?;
        match end {
            End::Vacant => {
                let leaf = self.add_leaf(key, value);
                self.set_link(place, leaf);
            }
            End::SameLeaf(id) => {
                if !self.set_leaf(id, value) {
                    return Ok(());
                }
                self.open(id, &key, depth);
            }
            End::OtherLeaf(id, fork) => self.split_leaf(place, id, depth, fork, key, value),
            End::Extension(id, agreeing) => self.split_extension(place, id, depth, agreeing, key, value),
            End::BranchValue(id) => {
                if let Node::Branch { value: old, .. } = &mut self.nodes[id as usize] {
                    if old.as_deref() == Some(value) {
                        return Ok(());
                    }
                    *old = Some(value.into());
                }
                self.open(id, &key, depth);
            }
        }
        self.open_trail(&key);
        Ok(())
    }

    /// The value of `key`. Unlike [`Trie::get`] this keeps the nodes on the way, for a key that will be changed next.
    /// `known` is the value that the key is said to have, or empty.
    pub(crate) fn load_value(
        &mut self,
        key: &[u8],
        known: &[u8],
        source: &dyn NodeSource,
    ) -> Result<Option<&[u8]>, TrieError> {
        let key = Key::new(key)?;
        let (_, _, end) = self.find_end(&key, known, source)?;
        self.trail.clear();
        let (End::SameLeaf(id) | End::BranchValue(id)) = end else { return Ok(None) };
        Ok(match &self.nodes[id as usize] {
            Node::Leaf { value, .. } => Some(value.as_slice()),
            Node::Branch { value, .. } => value.as_deref(),
            _ => None,
        })
    }

    /// Walks down and leaves the passed nodes in the trail.
    fn find_end(&mut self, key: &Key, known: &[u8], source: &dyn NodeSource) -> Result<(Place, usize, End), TrieError> {
        let mut place = Place::Root;
        let mut depth = usize::from(self.base);
        self.trail.clear();
        loop {
            let Some(id) = self.resolve_on_path(place, key, depth, known, source)? else {
                return Ok((place, depth, End::Vacant));
            };
            match &self.nodes[id as usize] {
                Node::Leaf { key: found, .. } => {
                    let end = if found == key {
                        End::SameLeaf(id)
                    } else {
                        End::OtherLeaf(id, found.common_prefix(key, depth))
                    };
                    return Ok((place, depth, end));
                }
                Node::Extension { path, .. } => {
                    if let Err(agreeing) = key.matches(depth, path) {
                        return Ok((place, depth, End::Extension(id, agreeing)));
                    }
                    self.trail.push((id, depth as u8));
                    depth += path.len();
                    place = Place::Extension(id);
                }
                Node::Branch { .. } => {
                    if depth == key.nibbles() {
                        return Ok((place, depth, End::BranchValue(id)));
                    }
                    self.trail.push((id, depth as u8));
                    place = Place::Branch(id, key.nibble(depth));
                    depth += 1;
                }
                Node::Free => unreachable!("a link leads to a node in use"),
            }
        }
    }

    /// Returns whether the leaf's value changed.
    fn set_leaf(&mut self, id: u32, new: &[u8]) -> bool {
        match &mut self.nodes[id as usize] {
            Node::Leaf { value, .. } if value.as_slice() != new => {
                value.set(new);
                true
            }
            _ => false,
        }
    }

    /// Replaces the leaf at `depth` by a branch at `fork` that holds it and a new leaf.
    fn split_leaf(&mut self, place: Place, id: u32, depth: usize, fork: usize, key: Key, value: &[u8]) {
        self.open(id, &key, depth);
        let mut children = [Link::EMPTY; 16];
        let mut branch_value = None;
        let Node::Leaf { key: old_key, value: old_value } = &self.nodes[id as usize] else {
            unreachable!("the walk ended at a leaf")
        };
        if old_key.nibbles() == fork {
            branch_value = Some(old_value.as_slice().into());
            self.release(id);
        } else {
            children[usize::from(old_key.nibble(fork))] = Link(id);
        }
        if key.nibbles() == fork {
            branch_value = Some(value.into());
        } else {
            children[usize::from(key.nibble(fork))] = self.add_leaf(key, value);
        }
        let branch = self.add(Node::Branch { children, value: branch_value });
        let top = self.extend(key.range(depth, fork), branch);
        self.set_link(place, top);
    }

    /// Puts a branch into the extension at `depth`, after the nibbles that agree with the key.
    fn split_extension(&mut self, place: Place, id: u32, depth: usize, agreeing: usize, key: Key, value: &[u8]) {
        self.open(id, &key, depth);
        let Node::Extension { path, child } = &mut self.nodes[id as usize] else {
            unreachable!("the walk ended at an extension")
        };
        let (path_above, nibble) = (path.slice(..agreeing), path.get(agreeing).unwrap_or_default());
        let (path_below, child) = (path.slice(agreeing + 1..), *child);
        let mut children = [Link::EMPTY; 16];
        let mut branch_value = None;
        if path_below.is_empty() {
            self.release(id);
            children[usize::from(nibble)] = child;
        } else {
            self.nodes[id as usize] = Node::Extension { path: path_below, child };
            children[usize::from(nibble)] = Link(id);
        }
        if key.nibbles() == depth + agreeing {
            branch_value = Some(value.into());
        } else {
            children[usize::from(key.nibble(depth + agreeing))] = self.add_leaf(key, value);
        }
        let branch = self.add(Node::Branch { children, value: branch_value });
        let top = self.extend(path_above, branch);
        self.set_link(place, top);
    }

    /// An extension to the branch, or the branch itself where there is no path.
    fn extend(&mut self, path: Nibbles, branch: Link) -> Link {
        if path.is_empty() { branch } else { self.add(Node::Extension { path, child: branch }) }
    }
}
