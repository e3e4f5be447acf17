//! What can go wrong in a trie. Absence of a key is never an error; absence of a *node* always is.

use alloc::string::String;
use alloy_primitives::B256;
use core::fmt;
use nybbles::Nibbles;

/// Why the bytes of a node are not a node (Yellow Paper, appendix D).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeError {
    /// Not canonical RLP, or bytes follow the node.
    Rlp,
    /// A list of neither 2 nor 17 items.
    ItemCount {
        /// Items found.
        found: usize,
    },
    /// The hex-prefix path is empty, has an unknown flag or a non-zero padding nibble.
    HexPrefix,
    /// The path leads below 64 nibbles, or a key ends in the middle of a byte.
    KeyLength {
        /// Nibbles from the root to the end of the key.
        nibbles: usize,
    },
    /// A child that is neither empty, nor a 32-byte hash, nor an embedded node below 32 bytes.
    Child,
    /// An extension without path, or one that does not lead to a branch.
    Extension,
    /// A branch with fewer than two entries.
    Branch {
        /// Entries found.
        found: usize,
    },
    /// A leaf without value, or a value that is not an RLP string.
    Value,
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rlp => f.write_str("expected one canonical RLP list and nothing after it"),
            Self::ItemCount { found } => write!(f, "has {found} items, expected 2 or 17"),
            Self::HexPrefix => f.write_str("path is not a hex-prefix encoding, expected flag 0 to 3 and zero padding"),
            Self::KeyLength { nibbles } => {
                write!(f, "path ends at nibble {nibbles}, expected at most 64 and a whole number of bytes for a key")
            }
            Self::Child => f.write_str("child is neither empty, nor a 32-byte hash, nor a node below 32 bytes"),
            Self::Extension => f.write_str("extension expected a path and a branch below it"),
            Self::Branch { found } => write!(f, "branch has {found} entries, expected at least 2"),
            Self::Value => f.write_str("value expected to be a non-empty RLP string"),
        }
    }
}

impl core::error::Error for NodeError {}

/// Why a trie operation could not be done. The trie is unchanged after any of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrieError {
    /// A node on the way (or the sibling that a removal has to merge) is blinded and the source does not have it.
    MissingNode {
        /// Path of the node from the root of its trie.
        path: Nibbles,
        /// Its hash.
        hash: B256,
    },
    /// The bytes of a node are not a node.
    MalformedNode {
        /// Path of the node from the root of its trie.
        path: Nibbles,
        /// Its hash, or of the node in which it is embedded.
        hash: B256,
        /// What is wrong with it.
        reason: NodeError,
    },
    /// A leaf of the account or storage trie holds something else than an account or a word.
    MalformedLeaf {
        /// Hashed key of the leaf.
        key: B256,
        /// What the leaf was expected to hold.
        expected: &'static str,
    },
    /// A key of more than 32 bytes.
    KeyTooLong {
        /// Length of the key.
        length_bytes: usize,
    },
    /// What stands behind the node source failed.
    Source {
        /// Hash of the node asked for.
        hash: B256,
        /// The source's own words.
        message: String,
    },
    /// The error happened in the storage trie of this account.
    InStorage {
        /// Keccak-256 of the account's address.
        hashed_address: B256,
        /// The error.
        error: alloc::boxed::Box<TrieError>,
    },
}

impl TrieError {
    /// The same error, said to be in the storage trie of an account.
    pub fn in_storage(self, hashed_address: B256) -> Self {
        Self::InStorage { hashed_address, error: alloc::boxed::Box::new(self) }
    }
}

/// A path as hexadecimal nibbles, or `root`.
struct Path<'a>(&'a Nibbles);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("root");
        }
        for nibble in self.0.iter() {
            write!(f, "{nibble:x}")?;
        }
        Ok(())
    }
}

impl fmt::Display for TrieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingNode { path, hash } => {
                write!(f, "trie node {hash} at path {}: expected among the nodes, found nothing", Path(path))
            }
            Self::MalformedNode { path, hash, reason } => {
                write!(f, "trie node {hash} at path {}: {reason}", Path(path))
            }
            Self::MalformedLeaf { key, expected } => write!(f, "trie leaf with key {key}: expected {expected}"),
            Self::KeyTooLong { length_bytes } => write!(f, "trie key has {length_bytes} bytes, expected at most 32"),
            Self::Source { hash, message } => write!(f, "trie node {hash}: reading it failed: {message}"),
            Self::InStorage { hashed_address, error } => {
                write!(f, "storage of hashed account {hashed_address}: {error}")
            }
        }
    }
}

impl core::error::Error for TrieError {}
