//! Proofs: the nodes from a root to a key, or to where its path ends.
//!
//! A verifier needs nothing but the root. It starts with the root's hash, takes the next node of the proof, which must have
//! the hash asked for, and follows the key through it to the next hash. It ends in a value or in a node that shows that the
//! path goes no further, and then no node may be left: a proof has one form.
//!
//! A multiproof is the set of nodes that prove many keys, each node once. Its order carries no meaning, so it is ascending.

use crate::{
    EMPTY_ROOT_HASH, NodeBag, NodeSource, Trie, TrieAccount, TrieError, key::Key, roots::slot_key, trie::walk,
};
use alloc::{collections::BTreeSet, vec::Vec};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use core::fmt;

/// The RLP of the empty trie, which some nodes send as the only node of its proofs.
const EMPTY_NODE: &[u8] = &[0x80];

/// Proof of a slot in an account's storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageProof {
    /// Slot number.
    pub slot: U256,
    /// The word in it, zero where there is none.
    pub word: U256,
    /// Nodes from the storage root down.
    pub proof: Vec<Bytes>,
}

/// Proof of an account and some of its slots, as `eth_getProof` answers (EIP-1186).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProof {
    /// The account's address.
    pub address: Address,
    /// The account, `None` where there is none.
    pub account: Option<TrieAccount>,
    /// Nodes from the state root down.
    pub proof: Vec<Bytes>,
    /// Proofs of slots.
    pub storage: Vec<StorageProof>,
}

/// Why a proof does not prove what it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProofError {
    /// The proof ends before the path does.
    TooShort {
        /// Nodes in the proof.
        nodes: usize,
        /// Hash of the node that should follow.
        hash: B256,
    },
    /// A node is not the one that the node before it (or the root) names.
    WrongNode {
        /// Position in the proof.
        index: usize,
        /// Hash that was named.
        expected: B256,
        /// Hash of the node that is there.
        found: B256,
    },
    /// Nodes follow after the path has ended.
    TooLong {
        /// Nodes in the proof.
        nodes: usize,
        /// Nodes that the path needs.
        used: usize,
    },
    /// The proof proves another value, or absence instead of a value, or the reverse.
    WrongValue {
        /// What should be proven.
        expected: Option<Bytes>,
        /// What is proven.
        found: Option<Bytes>,
    },
    /// A node is malformed, or absent from a multiproof.
    Trie(TrieError),
}

impl From<TrieError> for ProofError {
    fn from(error: TrieError) -> Self {
        Self::Trie(error)
    }
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let show =
            |value: &Option<Bytes>| value.as_ref().map_or_else(|| "absence".into(), |value| alloc::format!("{value}"));
        match self {
            Self::TooShort { nodes, hash } => {
                write!(f, "proof ends after {nodes} nodes, expected node {hash} to follow")
            }
            Self::WrongNode { index, expected, found } => {
                write!(f, "proof node {index} has hash {found}, expected {expected}")
            }
            Self::TooLong { nodes, used } => write!(f, "proof has {nodes} nodes, expected {used}"),
            Self::WrongValue { expected, found } => {
                write!(f, "proof shows {}, expected {}", show(found), show(expected))
            }
            Self::Trie(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ProofError {}

/// Checks that the trie with this root maps `key` to `expected`, or does not have it where that is `None`.
pub fn verify_proof(root: B256, key: &[u8], expected: Option<&[u8]>, proof: &[Bytes]) -> Result<(), ProofError> {
    let (found, used) = walk_proof(root, key, proof)?;
    if used != proof.len() {
        return Err(ProofError::TooLong { nodes: proof.len(), used });
    }
    compare(expected, found)
}

/// Checks that the trie with this root maps each key to its value, `None` for absence. Nodes may be in any order, and
/// nodes that no key needs do no harm.
pub fn verify_multiproof(root: B256, entries: &[(&[u8], Option<&[u8]>)], nodes: &[Bytes]) -> Result<(), ProofError> {
    let trie = Trie::from_root(root);
    let bag = NodeBag::new(nodes.iter().cloned());
    for (key, expected) in entries {
        compare(*expected, trie.get(key, &bag)?)?;
    }
    Ok(())
}

fn compare(expected: Option<&[u8]>, found: Option<Bytes>) -> Result<(), ProofError> {
    if expected == found.as_ref().map(|value| &value[..]) {
        return Ok(());
    }
    Err(ProofError::WrongValue { expected: expected.map(Bytes::copy_from_slice), found })
}

/// What a proof says about `key`, and how many of its nodes say it.
fn walk_proof(root: B256, key: &[u8], proof: &[Bytes]) -> Result<(Option<Bytes>, usize), ProofError> {
    let key = Key::new(key)?;
    if root == EMPTY_ROOT_HASH {
        return Ok((None, proof.iter().take(1).filter(|node| node[..] == *EMPTY_NODE).count()));
    }
    let mut used = 0;
    let mut failure = None;
    let result = walk(root, 0, &key, &mut |depth, hash| {
        let missing = TrieError::MissingNode { path: key.prefix(depth), hash: *hash };
        let Some(node) = proof.get(used) else {
            failure = Some(ProofError::TooShort { nodes: used, hash: *hash });
            return Err(missing);
        };
        let found = keccak256(node);
        if found != *hash {
            failure = Some(ProofError::WrongNode { index: used, expected: *hash, found });
            return Err(missing);
        }
        used += 1;
        Ok(node.clone())
    });
    match (result, failure) {
        (Ok(value), _) => Ok((value, used)),
        (Err(_), Some(failure)) => Err(failure),
        (Err(error), None) => Err(error.into()),
    }
}

impl AccountProof {
    /// Checks the account and all slots against a state root.
    pub fn verify(&self, state_root: B256) -> Result<(), ProofError> {
        let leaf = self.account.map(alloy_rlp::encode);
        verify_proof(state_root, keccak256(self.address).as_slice(), leaf.as_deref(), &self.proof)?;
        let root = self.account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        for StorageProof { slot, word, proof } in &self.storage {
            let leaf = (!word.is_zero()).then(|| alloy_rlp::encode(word));
            verify_proof(root, slot_key(slot).as_slice(), leaf.as_deref(), proof)?;
        }
        Ok(())
    }
}

impl Trie {
    /// The nodes that prove all of these keys, present or absent, each node once and ascending.
    pub fn prove_many<K: AsRef<[u8]>>(&mut self, keys: &[K], source: &dyn NodeSource) -> Result<Vec<Bytes>, TrieError> {
        let mut nodes = BTreeSet::new();
        for key in keys {
            nodes.extend(self.prove(key.as_ref(), source)?);
        }
        Ok(nodes.into_iter().collect())
    }
}
