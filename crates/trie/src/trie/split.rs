//! A trie in sixteen parts, so that many threads can change it at the same time.
//!
//! The part at a nibble is a [`Trie`] of its own with all keys that begin with the nibble; its root lies at depth one. Above
//! the parts is one branch, which has no place in an arena: what it is follows from the references of the parts. Parts share
//! nothing, so each can be given to another thread, and what they come to does not depend on which does what when.
//!
//! Only a trie whose root is a branch can be split. It stays split, from one block to the next, until a removal leaves fewer
//! than two parts with keys; then the parts are put together again and the branch gives way, as after any removal.
//! Keys have 32 bytes, so the branch above the parts never has a value and is never embedded.

use super::{Link, Node, NodeChanges, Place, Seal, Target, Trie};
use crate::{NodeSource, TrieError, node::NodeRef, node::write_branch, trie::Scratch};
use alloc::{boxed::Box, vec::Vec};
use alloy_primitives::{B256, Bytes, keccak256};
use nybbles::Nibbles;

/// Parts of a split trie.
pub(crate) const PARTS: usize = 16;

/// A trie with keys of 32 bytes, whole or in parts. See the module's comment.
#[derive(Clone, Debug)]
pub(crate) enum SplitTrie {
    Whole(Trie),
    Split(Box<Split>),
}

/// The parts of a trie and what is known of the branch above them.
#[derive(Clone, Debug)]
pub(crate) struct Split {
    parts: [Trie; PARTS],
    /// Hash of the branch in the store.
    stored: Option<B256>,
    /// Roots that the store still has and that were changed before the trie was split.
    removed: Vec<(Nibbles, B256)>,
}

impl Default for SplitTrie {
    fn default() -> Self {
        Self::Whole(Trie::new())
    }
}

impl SplitTrie {
    /// The trie with this root hash, none of whose nodes is loaded yet.
    pub(crate) fn from_root(root: B256) -> Self {
        Self::Whole(Trie::from_root(root))
    }

    /// Whether there is no key.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Whole(trie) => trie.is_empty(),
            Self::Split(split) => split.parts.iter().all(Trie::is_empty),
        }
    }

    /// Number of nodes in memory.
    pub(crate) fn loaded_nodes(&self) -> usize {
        match self {
            Self::Whole(trie) => trie.loaded_nodes(),
            Self::Split(split) => 1 + split.parts.iter().map(Trie::loaded_nodes).sum::<usize>(),
        }
    }

    /// The value of a key. Blinded nodes on the way are read from `source` and not kept.
    pub(crate) fn get(&self, key: &B256, source: &dyn NodeSource) -> Result<Option<Bytes>, TrieError> {
        match self {
            Self::Whole(trie) => trie.get(key.as_slice(), source),
            Self::Split(split) => split.parts[part_of(key)].get(key.as_slice(), source),
        }
    }

    /// Maps a key to a value.
    pub(crate) fn insert(&mut self, key: &B256, value: &[u8], source: &dyn NodeSource) -> Result<(), TrieError> {
        match self {
            Self::Whole(trie) => trie.insert(key.as_slice(), value, source),
            Self::Split(split) => split.parts[part_of(key)].insert(key.as_slice(), value, source),
        }
    }

    /// The root hash. Hashes the nodes that changed, and the branch above the parts.
    pub(crate) fn root(&mut self) -> B256 {
        match self {
            Self::Whole(trie) => trie.root(),
            Self::Split(split) => keccak256(split.rlp()),
        }
    }

    /// Takes all nodes as stored and returns what the store has to write for that.
    pub(crate) fn commit(&mut self) -> NodeChanges {
        match self {
            Self::Whole(trie) => trie.commit(),
            Self::Split(split) => split.commit(),
        }
    }

    /// The RLP of the loaded node with this path and hash. The root has been asked for since the last change.
    pub(crate) fn node_at(&self, path: &Nibbles, hash: &B256) -> Option<Bytes> {
        let split = match self {
            Self::Whole(trie) => return trie.node_at(path, hash),
            Self::Split(split) => split,
        };
        match path.get(0) {
            Some(nibble) => split.parts[usize::from(nibble)].node_at(path, hash),
            None => Some(split.sealed_rlp()).filter(|rlp| keccak256(rlp) == *hash),
        }
    }

    /// The RLP of all nodes from the root to `key`, or to where its path ends.
    pub(crate) fn prove(&mut self, key: &B256, source: &dyn NodeSource) -> Result<Vec<Bytes>, TrieError> {
        match self {
            Self::Whole(trie) => trie.prove(key.as_slice(), source),
            Self::Split(split) => {
                let mut proof = Vec::from([split.rlp()]);
                proof.append(&mut split.parts[part_of(key)].prove(key.as_slice(), source)?);
                Ok(proof)
            }
        }
    }

    /// Exchanges the working memory.
    pub(crate) fn swap_scratch(&mut self, scratch: &mut Scratch) {
        if let Self::Whole(trie) = self {
            trie.swap_scratch(scratch);
        }
    }

    /// Splits the trie, if its root is a branch.
    pub(crate) fn split(&mut self, source: &dyn NodeSource) -> Result<(), TrieError> {
        let Self::Whole(trie) = self else { return Ok(()) };
        let Some(root) = trie.resolve(Place::Root, Nibbles::new, source)? else { return Ok(()) };
        let Node::Branch { children, value: None } = trie.nodes[root as usize] else { return Ok(()) };
        let mut parts: [Trie; PARTS] = core::array::from_fn(|_| Trie { base: 1, ..Trie::new() });
        for (part, child) in parts.iter_mut().zip(children) {
            part.root = trie.transplant(child, part);
        }
        let Seal { reference, stored } = trie.seals[root as usize];
        let mut removed = Vec::new();
        for (path, hash) in trie.removed.drain(..) {
            match path.get(0) {
                Some(nibble) => parts[usize::from(nibble)].removed.push((path, hash)),
                None => removed.push((path, hash)),
            }
        }
        let stored = stored.then(|| reference.root_hash());
        *self = Self::Split(Box::new(Split { parts, stored, removed }));
        Ok(())
    }

    /// The parts, of which each holds the keys that begin with its nibble; the whole trie, with nibble zero, where it is not
    /// split. They have to be put back.
    pub(crate) fn take_parts(&mut self) -> Vec<Trie> {
        match self {
            Self::Whole(trie) => Vec::from([core::mem::take(trie)]),
            Self::Split(split) => split.parts.iter_mut().map(core::mem::take).collect(),
        }
    }

    /// Puts a part back.
    pub(crate) fn put_part(&mut self, part: usize, trie: Trie) {
        match self {
            Self::Whole(whole) => *whole = trie,
            Self::Split(split) => split.parts[part] = trie,
        }
    }

    /// Puts the parts together if fewer than two have keys. To be called after removals from parts.
    pub(crate) fn settle(&mut self, source: &dyn NodeSource) -> Result<(), TrieError> {
        let Self::Split(split) = self else { return Ok(()) };
        let mut parts = split.parts.iter().enumerate().filter(|(_, part)| !part.is_empty());
        let (first, second) = (parts.next().map(|(nibble, _)| nibble as u8), parts.next());
        if second.is_some() {
            return Ok(());
        }
        let mut trie = split.join();
        match first {
            None => {
                let Target::Node(root) = trie.root.target() else {
                    unreachable!("the joined trie begins with a branch")
                };
                trie.release(root);
                trie.root = Link::EMPTY;
            }
            Some(nibble) => trie.collapse_root(nibble, source)?,
        }
        *self = Self::Whole(trie);
        Ok(())
    }
}

/// The part that has a key.
fn part_of(key: &B256) -> usize {
    usize::from(key[0] >> 4)
}

impl Split {
    /// The RLP of the branch above the parts.
    fn rlp(&mut self) -> Bytes {
        self.parts.iter_mut().for_each(Trie::seal);
        self.sealed_rlp()
    }

    /// The RLP of the branch above parts that are hashed.
    fn sealed_rlp(&self) -> Bytes {
        let mut references = [NodeRef::DIRTY; PARTS];
        for (reference, part) in references.iter_mut().zip(&self.parts) {
            *reference = part.sealed_reference();
        }
        let mut rlp = Vec::new();
        write_branch(&mut rlp, &core::array::from_fn(|index| references[index].as_slice()), &[]);
        rlp.into()
    }

    fn commit(&mut self) -> NodeChanges {
        let rlp = self.rlp();
        let hash = keccak256(&rlp);
        let (mut added, mut removed) = (Vec::new(), core::mem::take(&mut self.removed));
        if self.stored != Some(hash) {
            removed.extend(self.stored.replace(hash).map(|old| (Nibbles::new(), old)));
            added.push((Nibbles::new(), hash, rlp));
        }
        for (nibble, part) in self.parts.iter_mut().enumerate() {
            part.commit_into(Nibbles::from_nibbles([nibble as u8]), &mut added, &mut removed);
        }
        NodeChanges::new(added, removed)
    }

    /// All parts below one branch, which counts as changed.
    fn join(&mut self) -> Trie {
        let mut trie = Trie::new();
        let mut children = [Link::EMPTY; PARTS];
        for (child, part) in children.iter_mut().zip(&mut self.parts) {
            *child = part.transplant(part.root, &mut trie);
            trie.removed.append(&mut part.removed);
        }
        trie.removed.append(&mut self.removed);
        trie.removed.extend(self.stored.take().map(|hash| (Nibbles::new(), hash)));
        trie.root = trie.add(Node::Branch { children, value: None });
        trie
    }
}

impl Trie {
    /// Moves a node and all below it to another trie. At most 64 deep: every level consumes a nibble.
    fn transplant(&mut self, link: Link, to: &mut Self) -> Link {
        let id = match link.target() {
            Target::Empty => return Link::EMPTY,
            Target::Blinded(index) => return to.blind(self.blinded[index as usize]),
            Target::Node(id) => id as usize,
        };
        let mut node = core::mem::replace(&mut self.nodes[id], Node::Free);
        match &mut node {
            Node::Branch { children, .. } => {
                children.iter_mut().for_each(|child| *child = self.transplant(*child, to));
            }
            Node::Extension { child, .. } => *child = self.transplant(*child, to),
            Node::Leaf { .. } | Node::Free => {}
        }
        let moved = to.add(node);
        to.seals[moved.0 as usize] = self.seals[id];
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EMPTY_ROOT_HASH, NodeBag};
    use alloc::collections::{BTreeMap, BTreeSet};
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// What is done to a trie.
    #[derive(Clone, Debug)]
    enum Step {
        /// A key gets a value; an empty one removes it.
        Write(u8, u8, u8),
        Split,
        Root,
        /// A commit, after which nodes are forgotten or kept.
        Commit(bool),
    }

    fn step() -> impl Strategy<Value = Step> {
        // Few keys, of which many share a first nibble, so that parts become empty often.
        let write = (prop_oneof![0..4_u8, 0x30..0x34_u8, Just(0xf0)], 0..3_u8, 0..4_u8);
        prop_oneof![
            12 => write.prop_map(|(first, last, value)| Step::Write(first, last, value)),
            2 => Just(Step::Split),
            1 => Just(Step::Root),
            2 => any::<bool>().prop_map(Step::Commit),
        ]
    }

    type Stored = BTreeMap<(Nibbles, B256), Bytes>;

    fn store(stored: &mut Stored, changes: NodeChanges) {
        for node in changes.removed {
            assert!(stored.remove(&node).is_some(), "removed node {node:?} was stored");
        }
        for (path, hash, rlp) in changes.added {
            assert!(stored.insert((path, hash), rlp).is_none(), "added node at {path:?} was not stored");
        }
    }

    /// Writes through the part, as the jobs of an update do.
    fn write(trie: &mut SplitTrie, key: &B256, value: &[u8], source: &NodeBag) {
        let mut parts = trie.take_parts();
        let part = if parts.len() == PARTS { part_of(key) } else { 0 };
        parts[part].insert(key.as_slice(), value, source).expect("all nodes are there");
        parts.into_iter().enumerate().for_each(|(part, trie_part)| trie.put_part(part, trie_part));
        trie.settle(source).expect("all nodes are there");
    }

    proptest! {
        #[test]
        fn a_split_trie_is_a_trie(steps in vec(step(), 0..60)) {
            let (mut split, mut whole) = (SplitTrie::default(), Trie::new());
            let (mut split_nodes, mut whole_nodes) = (Stored::new(), Stored::new());
            let mut keys = BTreeSet::new();
            for step in steps {
                let bag = NodeBag::new(split_nodes.values().cloned());
                match step {
                    Step::Write(first, last, value) => {
                        let mut key = B256::repeat_byte(0x11);
                        (key[0], key[31]) = (first, last);
                        let value = &[0x80 | value; 33][..usize::from(value) * 11];
                        write(&mut split, &key, value, &bag);
                        whole.insert(key.as_slice(), value, &bag).expect("all nodes are there");
                        keys.insert(key);
                    }
                    Step::Split => split.split(&bag).expect("all nodes are there"),
                    Step::Root => prop_assert_eq!(split.root(), whole.root()),
                    Step::Commit(forgets) => {
                        store(&mut split_nodes, split.commit());
                        store(&mut whole_nodes, whole.commit());
                        prop_assert_eq!(&split_nodes, &whole_nodes);
                        if forgets {
                            (split, whole) = (SplitTrie::from_root(split.root()), Trie::from_root(whole.root()));
                        }
                    }
                }
                prop_assert_eq!(split.is_empty(), whole.is_empty());
            }
            let bag = NodeBag::new(split_nodes.values().cloned());
            let root = split.root();
            prop_assert_eq!(root, whole.root());
            prop_assert!(split.is_empty() || split.node_at(&Nibbles::new(), &root).is_some() || split.loaded_nodes() == 0);
            for key in keys {
                prop_assert_eq!(split.get(&key, &bag), whole.get(key.as_slice(), &bag));
                prop_assert_eq!(split.prove(&key, &bag), whole.prove(key.as_slice(), &bag));
            }
            store(&mut split_nodes, split.commit());
            store(&mut whole_nodes, whole.commit());
            prop_assert_eq!(split_nodes, whole_nodes);
            prop_assert_eq!(root == EMPTY_ROOT_HASH, split.is_empty());
        }
    }
}
