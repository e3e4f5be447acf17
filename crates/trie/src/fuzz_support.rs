//! Checks over arbitrary bytes, for property tests and fuzzers alike: the bytes are read as a run of operations, and the
//! incremental trie has to agree with a trie that is built from scratch.
//!
//! Keys are drawn from a small, skewed space, so that long shared prefixes, keys that are prefixes of other keys, embedded
//! nodes, overwrites and removals of what is there are the rule and not the exception.

use crate::{EmptySource, NodeBag, NodeChanges, Trie, key::Key, proof::verify_proof, roots::sorted_root};
use alloc::{collections::BTreeMap, vec, vec::Vec};
use alloy_primitives::{B256, Bytes, keccak256};
use nybbles::Nibbles;

/// At most this many operations of an input are carried out.
const MAX_OPERATIONS: usize = 512;

/// Reads arbitrary bytes; after the end it reads zeros.
struct Input<'a> {
    bytes: &'a [u8],
}

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                *first
            }
            None => 0,
        }
    }

    /// A key: of a fixed 32 bytes, which differ in up to four places, or of up to three bytes of few values.
    fn key(&mut self, fixed: bool) -> Vec<u8> {
        let choice = self.byte();
        if !fixed {
            return (0..choice % 4).map(|_| self.byte() & 0x31).collect();
        }
        let mut key = vec![0x11; 32];
        for _ in 0..choice % 4 {
            let place = self.byte();
            key[usize::from(place % 32)] = self.byte() & 0x13;
        }
        key
    }

    /// A value of 1 to 63 bytes, often short enough for an embedded node.
    fn value(&mut self) -> Vec<u8> {
        let length = self.byte() % 64;
        vec![self.byte(); usize::from(if length < 32 { length % 4 } else { length }).max(1)]
    }
}

/// The root of a trie built from scratch.
fn rebuilt_root(entries: &BTreeMap<Vec<u8>, Vec<u8>>) -> B256 {
    let items: Vec<_> =
        entries.iter().filter_map(|(key, value)| Some((Key::new(key).ok()?, value.as_slice()))).collect();
    sorted_root(&items)
}

/// Carries changes out on a store, which has to have exactly the nodes that a commit removes.
fn store(stored: &mut BTreeMap<(Nibbles, B256), Bytes>, changes: NodeChanges) {
    for (path, hash, _) in &changes.added {
        assert!(!changes.removed.contains(&(*path, *hash)), "node at {path:?} is either added or removed");
    }
    for node in changes.removed {
        assert!(stored.remove(&node).is_some(), "removed node {node:?} was stored");
    }
    for (path, hash, rlp) in changes.added {
        assert_eq!(keccak256(&rlp), hash, "hash of the node at {path:?}");
        assert!(stored.insert((path, hash), rlp).is_none(), "added node at {path:?} was not stored");
    }
}

/// Carries out the operations that the bytes spell on a trie, part of the time with its nodes in a store, and panics
/// unless root, values, proofs and stored nodes agree with a trie built from scratch.
pub fn check_against_rebuild(bytes: &[u8]) {
    let mut input = Input { bytes };
    let mut entries = BTreeMap::new();
    let mut stored = BTreeMap::new();
    let mut trie = Trie::new();
    let fixed = input.byte() & 1 == 1;
    for _ in 0..MAX_OPERATIONS {
        if input.bytes.is_empty() {
            break;
        }
        let bag = NodeBag::new(stored.values().cloned());
        match input.byte() % 8 {
            0..4 => {
                let (key, value) = (input.key(fixed), input.value());
                trie.insert(&key, &value, &bag).expect("all nodes are there");
                entries.insert(key, value);
            }
            4 | 5 => {
                let key = input.key(fixed);
                let removed = trie.remove(&key, &bag).expect("all nodes are there");
                assert_eq!(removed, entries.remove(&key).is_some(), "whether {key:?} was there");
            }
            6 => assert_eq!(trie.root(), rebuilt_root(&entries), "root in between"),
            _ => {
                store(&mut stored, trie.commit());
                if input.byte() & 1 == 1 {
                    trie = Trie::from_root(trie.root());
                }
            }
        }
    }
    let bag = NodeBag::new(stored.values().cloned());
    let root = trie.root();
    assert_eq!(root, rebuilt_root(&entries), "root at the end");
    for (key, value) in &entries {
        let found = trie.get(key, &bag).expect("all nodes are there");
        assert_eq!(found, Some(Bytes::copy_from_slice(value)), "value of {key:?}");
        let proof = trie.prove(key, &bag).expect("all nodes are there");
        assert_eq!(verify_proof(root, key, Some(value), &proof), Ok(()), "proof of {key:?}");
    }
    check_stored(trie, stored, &entries);
}

/// After a last commit the store has exactly the nodes of a trie that is built from scratch and committed once.
fn check_stored(mut trie: Trie, mut stored: BTreeMap<(Nibbles, B256), Bytes>, entries: &BTreeMap<Vec<u8>, Vec<u8>>) {
    store(&mut stored, trie.commit());
    let mut rebuilt = Trie::new();
    for (key, value) in entries {
        rebuilt.insert(key, value, &EmptySource).expect("the trie is in memory");
    }
    let mut expected = BTreeMap::new();
    store(&mut expected, rebuilt.commit());
    assert_eq!(stored, expected, "stored nodes");
}

/// Reads arbitrary bytes as a node. Panics if a node is accepted that would be written in another way, because its hash
/// would then not survive a change and its reversal.
pub fn check_node(bytes: &[u8]) {
    if let Ok(hash) = Trie::rehash_root(bytes) {
        assert_eq!(hash, keccak256(bytes), "hash of the node as it is written again");
    }
}
