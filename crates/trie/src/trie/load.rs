//! Turning bytes into nodes, one at a time.

use super::{Link, Node, Place, Seal, Target, Trie, Value};
use crate::{
    NodeError, NodeSource, TrieError,
    key::{Key, MAX_NIBBLES},
    node::{ChildView, HexPath, NodeRef, NodeView, write_leaf},
};
use alloy_primitives::{B256, Bytes};
use nybbles::Nibbles;

/// Children of a branch up to which they are taken for leaves.
const MAX_CHILDREN_AS_LEAVES: usize = 12;

/// Gives the node with a hash at a depth.
pub(crate) type Fetch<'a> = dyn FnMut(usize, &B256) -> Result<Bytes, TrieError> + 'a;

/// Fetches nodes on the path of `key` from a source.
pub(crate) fn from_source<'a>(
    source: &'a dyn NodeSource,
    key: &'a Key,
) -> impl FnMut(usize, &B256) -> Result<Bytes, TrieError> + 'a {
    move |depth, hash| {
        let path = key.prefix(depth);
        source.node(&path, hash)?.ok_or(TrieError::MissingNode { path, hash: *hash })
    }
}

/// The path of a leaf or extension below `above`, checked against the length of a key.
fn join(above: &Nibbles, path: HexPath<'_>) -> Result<Nibbles, NodeError> {
    let nibbles = above.len() + path.len();
    if nibbles > MAX_NIBBLES {
        return Err(NodeError::KeyLength { nibbles });
    }
    let mut joined = *above;
    joined.extend(&path.nibbles());
    Ok(joined)
}

fn leaf_key(above: &Nibbles, path: HexPath<'_>) -> Result<Key, NodeError> {
    let path = join(above, path)?;
    Key::from_nibbles(&path).ok_or(NodeError::KeyLength { nibbles: path.len() })
}

/// Checks what depends on where a branch is: a key that ends here has whole bytes, and no key is longer than 32 of them.
fn check_branch(depth: usize, children: &[ChildView<'_>; 16], value: &[u8]) -> Result<(), NodeError> {
    if !value.is_empty() && !depth.is_multiple_of(2) {
        return Err(NodeError::KeyLength { nibbles: depth });
    }
    if depth >= MAX_NIBBLES && children.iter().any(|child| !matches!(child, ChildView::Empty)) {
        return Err(NodeError::KeyLength { nibbles: depth + 1 });
    }
    Ok(())
}

/// One step of a walk over nodes that are only read.
enum Step<'a> {
    Done(Option<&'a [u8]>),
    Down { nibbles: usize, child: ChildView<'a>, extension: bool },
}

fn step<'a>(rlp: &'a [u8], depth: usize, key: &Key, below_extension: bool) -> Result<Step<'a>, NodeError> {
    let view = NodeView::decode(rlp)?;
    if below_extension && !matches!(view, NodeView::Branch { .. }) {
        return Err(NodeError::Extension);
    }
    Ok(match view {
        NodeView::Leaf { path, value } => {
            let found = leaf_key(&key.prefix(depth), path)?;
            Step::Done((found == *key).then_some(value))
        }
        NodeView::Extension { path, child } => {
            let above = key.prefix(depth);
            join(&above, path)?;
            let path = path.nibbles();
            match key.matches(depth, &path) {
                Ok(()) => Step::Down { nibbles: path.len(), child, extension: true },
                Err(_) => Step::Done(None),
            }
        }
        NodeView::Branch { children, value } => {
            check_branch(depth, &children, value)?;
            if depth == key.nibbles() {
                Step::Done((!value.is_empty()).then_some(value))
            } else {
                Step::Down { nibbles: 1, child: children[usize::from(key.nibble(depth))], extension: false }
            }
        }
    })
}

/// Looks `key` up below the node `hash` at `depth` by reading nodes only. Ends after at most 64 steps, because every step
/// down consumes a nibble of the key.
pub(crate) fn walk(
    mut hash: B256,
    mut depth: usize,
    key: &Key,
    fetch: &mut Fetch<'_>,
) -> Result<Option<Bytes>, TrieError> {
    let mut below_extension = false;
    let mut node = fetch(depth, &hash)?;
    loop {
        let malformed = |reason| TrieError::MalformedNode { path: key.prefix(depth), hash, reason };
        let (nibbles, child) = match step(&node, depth, key, below_extension).map_err(malformed)? {
            Step::Done(value) => return Ok(value.map(|value| node.slice_ref(value))),
            Step::Down { nibbles, child, extension } => {
                below_extension = extension;
                (nibbles, child)
            }
        };
        depth += nibbles;
        node = match child {
            ChildView::Empty => return Ok(None),
            ChildView::Embedded(rlp) => node.slice_ref(rlp),
            ChildView::Hash(child) => {
                hash = B256::from(*child);
                fetch(depth, &hash)?
            }
        };
    }
}

impl Trie {
    /// The node at a place, loaded if it was blinded; `path` is its path. `None` where there is nothing.
    pub(super) fn resolve(
        &mut self,
        place: Place,
        path: impl FnOnce() -> Nibbles,
        source: &dyn NodeSource,
    ) -> Result<Option<u32>, TrieError> {
        let index = match self.link(place).target() {
            Target::Empty => return Ok(None),
            Target::Node(id) => return Ok(Some(id)),
            Target::Blinded(index) => index,
        };
        let hash = self.blinded[index as usize];
        let path = path();
        let rlp = source.node(&path, &hash)?.ok_or(TrieError::MissingNode { path, hash })?;
        let below_extension = matches!(place, Place::Extension(_));
        let link = self.load(&rlp, &path, below_extension).map_err(|reason| TrieError::MalformedNode {
            path,
            hash,
            reason,
        })?;
        if rlp.len() >= 32 {
            self.seals[link.0 as usize].reference = NodeRef::hash(&hash);
        }
        self.free_blinded.push(index);
        self.set_link(place, link);
        Ok(Some(link.0))
    }

    /// The node at a place on the path of `key`, at `depth`, loaded if it was blinded.
    ///
    /// `known` is the value that the key is said to have, or empty. If the blinded node is a leaf with key and value, it is
    /// known without reading it: its hash says so. That costs a hash where it is not, and spares a read where it is.
    pub(super) fn resolve_on_path(
        &mut self,
        place: Place,
        key: &Key,
        depth: usize,
        known: &[u8],
        source: &dyn NodeSource,
    ) -> Result<Option<u32>, TrieError> {
        if !known.is_empty()
            && let Target::Blinded(index) = self.link(place).target()
            && self.has_leaves_below(place)
        {
            write_leaf(&mut self.buffer, key, depth, known);
            let reference = NodeRef::of(&self.buffer);
            if reference.as_hash() == Some(self.blinded[index as usize]) {
                let leaf = self.add_leaf(*key, known);
                self.seals[leaf.0 as usize] = Seal { reference, stored: true };
                self.free_blinded.push(index);
                self.set_link(place, leaf);
                return Ok(Some(leaf.0));
            }
        }
        self.resolve(place, || key.prefix(depth), source)
    }

    /// Whether the nodes beside a place are so few that they are probably leaves. Keys are hashes: of 13 keys or fewer that
    /// fall upon sixteen children, most fall alone.
    fn has_leaves_below(&self, place: Place) -> bool {
        let Place::Branch(branch, _) = place else { return false };
        let Node::Branch { children, .. } = &self.nodes[branch as usize] else { return false };
        children.iter().filter(|child| **child != Link::EMPTY).count() <= MAX_CHILDREN_AS_LEAVES
    }

    /// Adds the node with this RLP and the nodes embedded in it; all of them or, on an error, none.
    fn load(&mut self, rlp: &[u8], path: &Nibbles, below_extension: bool) -> Result<Link, NodeError> {
        let node = match NodeView::decode(rlp)? {
            NodeView::Branch { children, value } => self.load_branch(&children, value, path)?,
            _ if below_extension => return Err(NodeError::Extension),
            NodeView::Leaf { path: rest, value } => Node::Leaf { key: leaf_key(path, rest)?, value: Value::new(value) },
            NodeView::Extension { path: rest, child } => {
                let below = join(path, rest)?;
                Node::Extension { path: rest.nibbles(), child: self.load_child(child, &below, true)? }
            }
        };
        let link = self.add(node);
        // An embedded node is its own reference; whoever knows the hash of a longer one writes it over this.
        let reference = if rlp.len() < 32 { NodeRef::of(rlp) } else { NodeRef::DIRTY };
        self.seals[link.0 as usize] = Seal { reference, stored: true };
        Ok(link)
    }

    fn load_branch(&mut self, views: &[ChildView<'_>; 16], value: &[u8], path: &Nibbles) -> Result<Node, NodeError> {
        check_branch(path.len(), views, value)?;
        let mut children = [Link::EMPTY; 16];
        for (nibble, view) in views.iter().enumerate() {
            if matches!(view, ChildView::Empty) {
                continue;
            }
            let mut below = *path;
            below.push(nibble as u8);
            match self.load_child(*view, &below, false) {
                Ok(link) => children[nibble] = link,
                Err(error) => {
                    children.iter().for_each(|link| self.discard(*link));
                    return Err(error);
                }
            }
        }
        Ok(Node::Branch { children, value: (!value.is_empty()).then(|| value.into()) })
    }

    fn load_child(&mut self, child: ChildView<'_>, path: &Nibbles, below_extension: bool) -> Result<Link, NodeError> {
        match child {
            ChildView::Empty => Ok(Link::EMPTY),
            ChildView::Hash(hash) => Ok(self.blind(B256::from(*hash))),
            ChildView::Embedded(rlp) => self.load(rlp, path, below_extension),
        }
    }

    /// Loads a root node alone and hashes it and all nodes embedded in it anew, as if all had changed.
    pub(crate) fn rehash_root(rlp: &[u8]) -> Result<B256, NodeError> {
        let mut trie = Self::new();
        trie.root = trie.load(rlp, &Nibbles::new(), false)?;
        trie.seals.fill(Seal::OPEN);
        Ok(trie.root())
    }

    /// Frees what was loaded below a link and is not used after all.
    fn discard(&mut self, link: Link) {
        let id = match link.target() {
            Target::Empty => return,
            Target::Blinded(index) => return self.free_blinded.push(index),
            Target::Node(id) => id,
        };
        match core::mem::replace(&mut self.nodes[id as usize], Node::Free) {
            Node::Branch { children, .. } => children.iter().for_each(|child| self.discard(*child)),
            Node::Extension { child, .. } => self.discard(child),
            Node::Leaf { .. } | Node::Free => {}
        }
        self.free.push(id);
    }
}
