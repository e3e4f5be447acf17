//! Why the node could not do what it was asked.

use crate::PoolError;
use alloy_primitives::B256;
use rialto_state::ReadError;
use rialto_stf::BlockError;
use rialto_store::StoreError;
use rialto_trie::TrieError;
use std::fmt;

/// Why the node could not do what it was asked.
#[derive(Debug)]
pub enum NodeError {
    /// The database failed.
    Store(StoreError),
    /// State could not be read.
    Read(ReadError),
    /// The tries could not be read or updated.
    Trie(TrieError),
    /// The genesis document is malformed.
    Genesis(String),
    /// There is no such block.
    UnknownBlock {
        /// What was asked for.
        block: String,
    },
    /// A block that the node itself built, or was told to build, is not valid.
    Build(Box<BlockError>),
    /// What was asked for is for dev mode only.
    NotDev,
    /// Something else is malformed.
    Invalid {
        /// What.
        field: &'static str,
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
}

/// Why a block was not imported.
#[derive(Debug)]
pub enum ImportError {
    /// Its parent is not known.
    UnknownParent {
        /// The parent's hash.
        parent_hash: B256,
    },
    /// It is not valid.
    Invalid {
        /// Why.
        error: Box<BlockError>,
    },
    /// It could not be found out.
    Node(NodeError),
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(error) => error.fmt(f),
            Self::Read(error) => error.fmt(f),
            Self::Trie(error) => error.fmt(f),
            Self::Genesis(message) => f.write_str(message),
            Self::UnknownBlock { block } => write!(f, "block {block}: expected one of this chain, found none"),
            Self::Build(error) => write!(f, "block under construction: {error}"),
            Self::NotDev => f.write_str("expected dev mode, which this node is not in"),
            Self::Invalid { field, expected, found } => write!(f, "{field}: expected {expected}, found {found}"),
        }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownParent { parent_hash } => {
                write!(f, "header.parent_hash: expected a known block, found {parent_hash}")
            }
            Self::Invalid { error } => error.fmt(f),
            Self::Node(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NodeError {}
impl std::error::Error for ImportError {}

impl From<StoreError> for NodeError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<ReadError> for NodeError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<TrieError> for NodeError {
    fn from(error: TrieError) -> Self {
        Self::Trie(error)
    }
}

impl From<NodeError> for ImportError {
    fn from(error: NodeError) -> Self {
        Self::Node(error)
    }
}

impl From<BlockError> for ImportError {
    fn from(error: BlockError) -> Self {
        match error {
            // Says nothing of the block.
            BlockError::Read(error) => Self::Node(NodeError::Read(error)),
            error => Self::Invalid { error: Box::new(error) },
        }
    }
}

impl From<StoreError> for ImportError {
    fn from(error: StoreError) -> Self {
        Self::Node(NodeError::Store(error))
    }
}

impl From<NodeError> for PoolError {
    fn from(error: NodeError) -> Self {
        Self::Node(error.to_string())
    }
}
