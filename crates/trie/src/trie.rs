//! A Merkle Patricia trie whose nodes are in memory, in a store, or absent.
//!
//! Nodes lie in an arena and name their children by index, so a node costs no allocation of its own, cloning is a copy,
//! and dropping does not recurse. A child is a [`Link`]: nothing, a node of the arena, or a *blinded* node, of which only the
//! hash is known. An operation that has to see a blinded node asks the [`NodeSource`] it is given and keeps what it gets:
//!
//! | trie | how it starts | source |
//! |---|---|---|
//! | in memory | [`Trie::new`], then insertions | [`EmptySource`](crate::EmptySource) |
//! | of a witness or a proof | [`Trie::from_root`] | [`NodeBag`](crate::NodeBag) |
//! | of a database | [`Trie::from_root`] | the database |
//!
//! Loading on demand, and not everything reachable at once, is also what makes a hostile bag harmless: a few nodes that
//! refer to each other sixteen times span a tree of any size, but a lookup walks one path of at most 64 nibbles.
//!
//! **Hashes.** Beside each node lies its [`NodeRef`], the hash or embedded RLP that its parent writes. A change empties it
//! along the path to the root and nowhere else, and [`Trie::root`] recomputes exactly the empty ones. Invariant: the parent
//! of a node with an empty reference has an empty reference.
//!
//! **Errors change nothing.** An operation first walks down and loads all it needs, the sibling that a removal may have to
//! merge included, and changes nodes only after the last step that can fail. Loading itself does not change the trie's
//! content or root.
//!
//! **Order of updates.** A removal that leaves a branch with one child needs that child's node; an insertion never needs a
//! node beside its path. Whoever applies many changes to a partial trie inserts first and removes last, because a sibling
//! inserted before spares the merge and with it a node of the witness.

mod commit;
mod insert;
mod iter;
mod load;
mod remove;
mod split;

pub use commit::NodeChanges;
pub use iter::Iter;
pub(crate) use load::walk;
pub(crate) use split::{PARTS, SplitTrie};

use crate::{EMPTY_ROOT_HASH, NodeSource, TrieError, key::Key, node::NodeRef};
use alloc::{boxed::Box, vec::Vec};
use alloy_primitives::{B256, Bytes};
use nybbles::Nibbles;

/// A child: nothing, an index into the arena, or an index into the list of blinded hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Link(u32);

/// What a [`Link`] means.
enum Target {
    Empty,
    Node(u32),
    Blinded(u32),
}

impl Link {
    const EMPTY: Self = Self(u32::MAX);
    const BLINDED: u32 = 1 << 31;

    fn target(self) -> Target {
        if self == Self::EMPTY {
            Target::Empty
        } else if self.0 & Self::BLINDED != 0 {
            Target::Blinded(self.0 & !Self::BLINDED)
        } else {
            Target::Node(self.0)
        }
    }
}

/// Where a link is kept.
#[derive(Clone, Copy, Debug)]
enum Place {
    Root,
    /// The child of an extension.
    Extension(u32),
    /// A child of a branch.
    Branch(u32, u8),
}

/// Longest value kept inside its node: the RLP of a storage word has at most 33 bytes.
const INLINE_BYTES: usize = 38;

/// The value of a leaf, never empty.
#[derive(Clone, Debug)]
enum Value {
    Inline { len: u8, bytes: [u8; INLINE_BYTES] },
    Heap(Box<[u8]>),
}

impl Value {
    fn new(value: &[u8]) -> Self {
        let mut bytes = [0; INLINE_BYTES];
        match bytes.get_mut(..value.len()) {
            Some(target) => {
                target.copy_from_slice(value);
                Self::Inline { len: value.len() as u8, bytes }
            }
            None => Self::Heap(value.into()),
        }
    }

    /// Overwrites in place where the length allows it: an account keeps its length through most of its changes.
    fn set(&mut self, value: &[u8]) {
        match self {
            Self::Heap(old) if old.len() == value.len() => old.copy_from_slice(value),
            _ => *self = Self::new(value),
        }
    }

    fn as_slice(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Self::Heap(bytes) => bytes,
        }
    }
}

#[derive(Clone, Debug)]
enum Node {
    /// Keeps its whole key, see [`Key`].
    Leaf { key: Key, value: Value },
    /// A path of at least one nibble to a branch.
    Extension { path: Nibbles, child: Link },
    /// At least two entries, children and value together.
    Branch { children: [Link; 16], value: Option<Box<[u8]>> },
    /// A place in the arena that can be used again.
    Free,
}

/// What lies beside a node.
#[derive(Clone, Copy, Debug)]
struct Seal {
    reference: NodeRef,
    /// Whether the store has this node, so that changing it means to remove it there.
    stored: bool,
}

impl Seal {
    const OPEN: Self = Self { reference: NodeRef::DIRTY, stored: false };
}

/// A Merkle Patricia trie with keys of up to 32 bytes. See the module's comment.
#[derive(Clone, Debug)]
pub struct Trie {
    root: Link,
    /// Depth of the root: zero, or one in a part of a trie that is split (see [`split`]). All keys share so many nibbles.
    base: u8,
    nodes: Vec<Node>,
    /// One for each node.
    seals: Vec<Seal>,
    free: Vec<u32>,
    blinded: Vec<B256>,
    free_blinded: Vec<u32>,
    /// Stored nodes that were changed or removed since the last commit.
    removed: Vec<(Nibbles, B256)>,
    /// Nodes above the current one with their depths; only its memory outlives an operation.
    trail: Vec<(u32, u8)>,
    /// RLP of one node; only its memory outlives an operation.
    buffer: Vec<u8>,
}

/// The working memory of a trie, which many tries can share by taking turns.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    trail: Vec<(u32, u8)>,
    buffer: Vec<u8>,
}

impl Default for Trie {
    fn default() -> Self {
        Self::new()
    }
}

impl Trie {
    /// The empty trie.
    pub const fn new() -> Self {
        Self {
            root: Link::EMPTY,
            base: 0,
            nodes: Vec::new(),
            seals: Vec::new(),
            free: Vec::new(),
            blinded: Vec::new(),
            free_blinded: Vec::new(),
            removed: Vec::new(),
            trail: Vec::new(),
            buffer: Vec::new(),
        }
    }

    /// The trie with this root hash, none of whose nodes is loaded yet.
    pub fn from_root(root: B256) -> Self {
        let mut trie = Self::new();
        if root != EMPTY_ROOT_HASH {
            trie.root = trie.blind(root);
        }
        trie
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.root == Link::EMPTY
    }

    /// Number of nodes in memory.
    pub fn loaded_nodes(&self) -> usize {
        self.nodes.len() - self.free.len()
    }

    /// The value of `key`. Blinded nodes on the way are read from `source` and not kept.
    pub fn get(&self, key: &[u8], source: &dyn NodeSource) -> Result<Option<Bytes>, TrieError> {
        let key = Key::new(key)?;
        match self.descend(&key) {
            Descent::Found(value) => Ok(value.map(Bytes::copy_from_slice)),
            Descent::Blinded { depth, hash } => load::walk(hash, depth, &key, &mut load::from_source(source, &key)),
        }
    }

    /// The value of `key`, without a source: a blinded node on the way is an error.
    pub fn get_loaded(&self, key: &[u8]) -> Result<Option<&[u8]>, TrieError> {
        let key = Key::new(key)?;
        match self.descend(&key) {
            Descent::Found(value) => Ok(value),
            Descent::Blinded { depth, hash } => Err(TrieError::MissingNode { path: key.prefix(depth), hash }),
        }
    }

    fn descend(&self, key: &Key) -> Descent<'_> {
        let mut link = self.root;
        let mut depth = usize::from(self.base);
        loop {
            let id = match link.target() {
                Target::Empty => return Descent::Found(None),
                Target::Blinded(index) => return Descent::Blinded { depth, hash: self.blinded[index as usize] },
                Target::Node(id) => id,
            };
            match &self.nodes[id as usize] {
                Node::Leaf { key: found, value } => {
                    return Descent::Found((found == key).then(|| value.as_slice()));
                }
                Node::Extension { path, child } => {
                    if key.matches(depth, path).is_err() {
                        return Descent::Found(None);
                    }
                    depth += path.len();
                    link = *child;
                }
                Node::Branch { value, .. } if depth == key.nibbles() => return Descent::Found(value.as_deref()),
                Node::Branch { children, .. } => {
                    link = children[usize::from(key.nibble(depth))];
                    depth += 1;
                }
                Node::Free => unreachable!("a link leads to a node in use"),
            }
        }
    }

    /// Exchanges the working memory.
    pub(crate) fn swap_scratch(&mut self, scratch: &mut Scratch) {
        core::mem::swap(&mut self.trail, &mut scratch.trail);
        core::mem::swap(&mut self.buffer, &mut scratch.buffer);
    }

    // The arena.

    fn add(&mut self, node: Node) -> Link {
        if let Some(id) = self.free.pop() {
            self.nodes[id as usize] = node;
            self.seals[id as usize] = Seal::OPEN;
            return Link(id);
        }
        let id = self.nodes.len() as u32;
        assert!(id < Link::BLINDED, "a trie in memory has fewer than 2^31 nodes");
        self.nodes.push(node);
        self.seals.push(Seal::OPEN);
        Link(id)
    }

    fn add_leaf(&mut self, key: Key, value: &[u8]) -> Link {
        self.add(Node::Leaf { key, value: Value::new(value) })
    }

    fn blind(&mut self, hash: B256) -> Link {
        if let Some(index) = self.free_blinded.pop() {
            self.blinded[index as usize] = hash;
            return Link(index | Link::BLINDED);
        }
        let index = self.blinded.len() as u32;
        assert!(index < Link::BLINDED - 1, "a trie in memory knows fewer than 2^31 hashes");
        self.blinded.push(hash);
        Link(index | Link::BLINDED)
    }

    fn link(&self, place: Place) -> Link {
        match place {
            Place::Root => self.root,
            Place::Extension(id) => match &self.nodes[id as usize] {
                Node::Extension { child, .. } => *child,
                _ => unreachable!("the place is in an extension"),
            },
            Place::Branch(id, nibble) => match &self.nodes[id as usize] {
                Node::Branch { children, .. } => children[usize::from(nibble)],
                _ => unreachable!("the place is in a branch"),
            },
        }
    }

    fn set_link(&mut self, place: Place, link: Link) {
        match place {
            Place::Root => self.root = link,
            Place::Extension(id) => match &mut self.nodes[id as usize] {
                Node::Extension { child, .. } => *child = link,
                _ => unreachable!("the place is in an extension"),
            },
            Place::Branch(id, nibble) => match &mut self.nodes[id as usize] {
                Node::Branch { children, .. } => children[usize::from(nibble)] = link,
                _ => unreachable!("the place is in a branch"),
            },
        }
    }

    /// Forgets the reference of the node at the first `depth` nibbles of `key`, which is about to change or to go.
    fn open(&mut self, id: u32, key: &Key, depth: usize) {
        let seal = &mut self.seals[id as usize];
        if seal.stored {
            // An embedded node is stored inside its parent; only the root is stored whatever its size.
            let hash = if depth == 0 { Some(seal.reference.root_hash()) } else { seal.reference.as_hash() };
            if let Some(hash) = hash {
                self.removed.push((key.prefix(depth), hash));
            }
        }
        *seal = Seal::OPEN;
    }

    /// Opens all nodes above the current one.
    fn open_trail(&mut self, key: &Key) {
        while let Some((id, depth)) = self.trail.pop() {
            if self.seals[id as usize].reference.is_dirty() {
                // All nodes above a dirty one are dirty.
                break;
            }
            self.open(id, key, usize::from(depth));
        }
        self.trail.clear();
    }

    fn release(&mut self, id: u32) {
        debug_assert!(self.seals[id as usize].reference.is_dirty(), "a node is opened before it goes");
        self.nodes[id as usize] = Node::Free;
        self.free.push(id);
    }
}

/// Where a walk down the loaded nodes ends.
enum Descent<'a> {
    Found(Option<&'a [u8]>),
    Blinded { depth: usize, hash: B256 },
}
