//! Where blinded nodes come from.

use crate::TrieError;
use alloy_primitives::{B256, Bytes, keccak256, map::B256Map};
use nybbles::Nibbles;

/// Gives the RLP of a node of one trie. A database keyed by path uses `path`, one keyed by hash uses `hash`.
///
/// What it returns for a hash is trusted to have that hash; a source that reads from outside checks this on the way in, as
/// [`NodeBag`] does by hashing what it is given.
pub trait NodeSource {
    /// The RLP of the node with this hash at this path from the root of the trie, `None` where the source has no such node.
    fn node(&self, path: &Nibbles, hash: &B256) -> Result<Option<Bytes>, TrieError>;
}

/// Gives the RLP of the nodes of a whole state: the account trie and all storage tries.
pub trait StateNodeSource {
    /// The RLP of the node with this hash at this path: of the storage trie of `account` (the Keccak-256 of its address), or
    /// of the account trie where there is no `account`. `None` where the source has no such node.
    fn state_node(&self, account: Option<&B256>, path: &Nibbles, hash: &B256) -> Result<Option<Bytes>, TrieError>;

    /// Whether a node takes longer to read than to hash. A diff's values from before it are then tried first: where they hash
    /// to what the trie has, the leaf need not be read.
    fn is_slow(&self) -> bool {
        false
    }
}

/// The nodes of one of the tries of a state.
#[derive(Clone, Copy)]
pub struct OneTrie<'a> {
    /// All nodes.
    pub source: &'a dyn StateNodeSource,
    /// The account whose storage trie this is, `None` for the account trie.
    pub account: Option<B256>,
}

impl NodeSource for OneTrie<'_> {
    fn node(&self, path: &Nibbles, hash: &B256) -> Result<Option<Bytes>, TrieError> {
        self.source.state_node(self.account.as_ref(), path, hash)
    }
}

/// The source of a trie that is wholly in memory.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptySource;

impl NodeSource for EmptySource {
    fn node(&self, _: &Nibbles, _: &B256) -> Result<Option<Bytes>, TrieError> {
        Ok(None)
    }
}

impl StateNodeSource for EmptySource {
    fn state_node(&self, _: Option<&B256>, _: &Nibbles, _: &B256) -> Result<Option<Bytes>, TrieError> {
        Ok(None)
    }
}

/// Nodes of a witness or a proof, of any number of tries, by their hash.
#[derive(Clone, Debug, Default)]
pub struct NodeBag {
    nodes: B256Map<Bytes>,
}

impl NodeBag {
    /// Hashes and stores the nodes. Order and repetition do not matter; nothing is decoded yet.
    pub fn new(nodes: impl IntoIterator<Item = Bytes>) -> Self {
        Self { nodes: nodes.into_iter().map(|node| (keccak256(&node), node)).collect() }
    }

    /// Adds a node.
    pub fn insert(&mut self, node: Bytes) {
        self.nodes.insert(keccak256(&node), node);
    }

    /// The node with this hash.
    pub fn get(&self, hash: &B256) -> Option<&Bytes> {
        self.nodes.get(hash)
    }

    /// Number of distinct nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

impl NodeSource for NodeBag {
    fn node(&self, _: &Nibbles, hash: &B256) -> Result<Option<Bytes>, TrieError> {
        Ok(self.nodes.get(hash).cloned())
    }
}

impl StateNodeSource for NodeBag {
    fn state_node(&self, _: Option<&B256>, _: &Nibbles, hash: &B256) -> Result<Option<Bytes>, TrieError> {
        Ok(self.nodes.get(hash).cloned())
    }
}
