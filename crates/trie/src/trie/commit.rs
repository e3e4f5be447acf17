//! Hashes and what a store has to write.

use super::{Link, Node, Seal, Target, Trie};
use crate::{
    EMPTY_ROOT_HASH, NodeSource, TrieError,
    key::Key,
    node::{NodeRef, write_branch, write_extension, write_leaf},
};
use alloc::vec::Vec;
use alloy_primitives::{B256, Bytes};
use nybbles::Nibbles;

/// What a commit changes in the store of one trie. Keyed by path and hash: a store keyed by path lets the added node replace
/// what lies at its path; a store keyed by hash alone has to count references, because equal subtrees share nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeChanges {
    /// New nodes with their RLP, ascending by path.
    pub added: Vec<(Nibbles, B256, Bytes)>,
    /// Nodes that are no longer part of the trie, ascending by path.
    pub removed: Vec<(Nibbles, B256)>,
}

impl NodeChanges {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }

    /// Changes whose added nodes ascend. A node that was changed and changed back is among both and is left out of both.
    pub(super) fn new(mut added: Vec<(Nibbles, B256, Bytes)>, mut removed: Vec<(Nibbles, B256)>) -> Self {
        debug_assert!(added.is_sorted_by(|a, b| a.0 < b.0), "a walk from the root down ascends");
        removed.sort_unstable();
        removed.dedup();
        let mut back = Vec::new();
        removed.retain(|(path, hash)| match added.binary_search_by(|(at, key, _)| (at, key).cmp(&(path, hash))) {
            Ok(index) => {
                back.push(index);
                false
            }
            Err(_) => true,
        });
        if !back.is_empty() {
            let mut index = 0;
            added.retain(|_| {
                index += 1;
                back.binary_search(&(index - 1)).is_err()
            });
        }
        Self { added, removed }
    }
}

/// Borrows a trie so that the hashing recursion can read nodes while it writes references.
struct Hasher<'a> {
    nodes: &'a [Node],
    seals: &'a mut [Seal],
    blinded: &'a [B256],
    buffer: &'a mut Vec<u8>,
}

impl Hasher<'_> {
    /// Makes the reference of a node and of all nodes below it known. At most 64 deep: every level consumes a nibble.
    fn seal(&mut self, id: u32, depth: usize) {
        let nodes = self.nodes;
        match &nodes[id as usize] {
            Node::Extension { path, child } => self.seal_child(*child, depth + path.len()),
            Node::Branch { children, .. } => children.iter().for_each(|child| self.seal_child(*child, depth + 1)),
            Node::Leaf { .. } | Node::Free => {}
        }
        write_node(nodes, self.seals, self.blinded, id, depth, self.buffer);
        self.seals[id as usize].reference = NodeRef::of(self.buffer);
    }

    fn seal_child(&mut self, child: Link, depth: usize) {
        if let Target::Node(id) = child.target()
            && self.seals[id as usize].reference.is_dirty()
        {
            self.seal(id, depth);
        }
    }
}

/// Writes the RLP of a node whose children have references over what the buffer holds.
fn write_node(nodes: &[Node], seals: &[Seal], blinded: &[B256], id: u32, depth: usize, buffer: &mut Vec<u8>) {
    match &nodes[id as usize] {
        Node::Leaf { key, value } => write_leaf(buffer, key, depth, value.as_slice()),
        Node::Extension { path, child } => {
            let mut hash = NodeRef::DIRTY;
            let item = match child.target() {
                Target::Node(id) => &seals[id as usize].reference,
                Target::Blinded(index) => {
                    hash = NodeRef::hash(&blinded[index as usize]);
                    &hash
                }
                Target::Empty => &hash,
            };
            write_extension(buffer, path, item.as_slice());
        }
        Node::Branch { children, value } => {
            let mut hashes = [NodeRef::DIRTY; 16];
            for (hash, child) in hashes.iter_mut().zip(children) {
                match child.target() {
                    Target::Node(id) => *hash = seals[id as usize].reference,
                    Target::Blinded(index) => *hash = NodeRef::hash(&blinded[index as usize]),
                    Target::Empty => {}
                }
            }
            let items = core::array::from_fn(|index| hashes[index].as_slice());
            write_branch(buffer, &items, value.as_deref().unwrap_or_default());
        }
        Node::Free => unreachable!("a link leads to a node in use"),
    }
}

impl Trie {
    /// The root hash. Hashes exactly the nodes that changed since it was last asked for.
    pub fn root(&mut self) -> B256 {
        match self.reference() {
            Some(reference) => reference.root_hash(),
            None => EMPTY_ROOT_HASH,
        }
    }

    /// Hashes the nodes that changed.
    pub(crate) fn seal(&mut self) {
        let _ = self.reference();
    }

    /// What the parent of the root would write, `None` for the empty trie. Hashes exactly the nodes that changed.
    pub(super) fn reference(&mut self) -> Option<NodeRef> {
        let id = match self.root.target() {
            Target::Empty => return None,
            Target::Blinded(index) => return Some(NodeRef::hash(&self.blinded[index as usize])),
            Target::Node(id) => id,
        };
        if self.seals[id as usize].reference.is_dirty() {
            let mut hasher =
                Hasher { nodes: &self.nodes, seals: &mut self.seals, blinded: &self.blinded, buffer: &mut self.buffer };
            hasher.seal(id, usize::from(self.base));
        }
        Some(self.seals[id as usize].reference)
    }

    /// What the parent of the root of a hashed trie writes.
    pub(super) fn sealed_reference(&self) -> NodeRef {
        match self.root.target() {
            Target::Empty => NodeRef::DIRTY,
            Target::Blinded(index) => NodeRef::hash(&self.blinded[index as usize]),
            Target::Node(id) => self.seals[id as usize].reference,
        }
    }

    /// Takes all nodes as stored and returns what the store has to write for that.
    pub fn commit(&mut self) -> NodeChanges {
        let (mut added, mut removed) = (Vec::new(), Vec::new());
        self.commit_into(Nibbles::new(), &mut added, &mut removed);
        NodeChanges::new(added, removed)
    }

    /// Commits a trie whose root has this path. What is added ascends.
    pub(super) fn commit_into(
        &mut self,
        path: Nibbles,
        added: &mut Vec<(Nibbles, B256, Bytes)>,
        removed: &mut Vec<(Nibbles, B256)>,
    ) {
        self.reference();
        self.collect(self.root, path, added);
        removed.append(&mut self.removed);
    }

    /// Collects nodes that are not stored. A stored node has only stored nodes below it.
    fn collect(&mut self, link: Link, path: Nibbles, added: &mut Vec<(Nibbles, B256, Bytes)>) {
        let Target::Node(id) = link.target() else { return };
        if self.seals[id as usize].stored {
            return;
        }
        self.seals[id as usize].stored = true;
        let reference = self.seals[id as usize].reference;
        let hash = if path.is_empty() { Some(reference.root_hash()) } else { reference.as_hash() };
        if let Some(hash) = hash {
            added.push((path, hash, self.rlp(id, path.len())));
        }
        match &self.nodes[id as usize] {
            Node::Extension { path: rest, child } => {
                let (child, below) = (*child, path.join(rest));
                self.collect(child, below, added);
            }
            Node::Branch { children, .. } => {
                for (nibble, child) in (*children).into_iter().enumerate() {
                    if let Target::Node(_) = child.target() {
                        let mut below = path;
                        below.push(nibble as u8);
                        self.collect(child, below, added);
                    }
                }
            }
            Node::Leaf { .. } | Node::Free => {}
        }
    }

    /// The RLP of a node whose children have references.
    fn rlp(&mut self, id: u32, depth: usize) -> Bytes {
        write_node(&self.nodes, &self.seals, &self.blinded, id, depth, &mut self.buffer);
        Bytes::copy_from_slice(&self.buffer)
    }

    /// The RLP of the loaded node with this path and hash. The root has been asked for since the last change.
    pub(crate) fn node_at(&self, path: &Nibbles, hash: &B256) -> Option<Bytes> {
        let mut link = self.root;
        let mut rest = path.slice(usize::from(self.base)..);
        loop {
            let Target::Node(id) = link.target() else { return None };
            if rest.is_empty() {
                let reference = &self.seals[id as usize].reference;
                if reference.is_dirty() || reference.root_hash() != *hash {
                    return None;
                }
                let mut buffer = Vec::new();
                write_node(&self.nodes, &self.seals, &self.blinded, id, path.len(), &mut buffer);
                return Some(buffer.into());
            }
            let step = match &self.nodes[id as usize] {
                Node::Extension { path, child } if rest.starts_with(path) => {
                    link = *child;
                    path.len()
                }
                Node::Branch { children, .. } => {
                    link = children[usize::from(rest.get(0).unwrap_or_default())];
                    1
                }
                _ => return None,
            };
            rest = rest.slice(step..);
        }
    }

    /// The RLP of all nodes from the root to `key`, or to where its path ends: an inclusion or an exclusion proof.
    /// Embedded nodes lie in the RLP of the node above them. The proof of the empty trie has no node.
    pub fn prove(&mut self, key: &[u8], source: &dyn NodeSource) -> Result<Vec<Bytes>, TrieError> {
        let key = Key::new(key)?;
        self.reference();
        let mut proof = Vec::new();
        let mut link = self.root;
        let mut depth = usize::from(self.base);
        loop {
            let id = match link.target() {
                Target::Empty => return Ok(proof),
                Target::Node(id) => id,
                Target::Blinded(index) => {
                    let hash = self.blinded[index as usize];
                    let mut fetch = super::load::from_source(source, &key);
                    super::load::walk(hash, depth, &key, &mut |depth, hash| {
                        let node = fetch(depth, hash)?;
                        proof.push(node.clone());
                        Ok(node)
                    })?;
                    return Ok(proof);
                }
            };
            if depth == 0 || self.seals[id as usize].reference.as_hash().is_some() {
                proof.push(self.rlp(id, depth));
            }
            match &self.nodes[id as usize] {
                Node::Extension { path, child } if key.matches(depth, path).is_ok() => {
                    depth += path.len();
                    link = *child;
                }
                Node::Branch { children, .. } if depth < key.nibbles() => {
                    link = children[usize::from(key.nibble(depth))];
                    depth += 1;
                }
                _ => return Ok(proof),
            }
        }
    }
}
