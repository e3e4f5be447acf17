//! The one interface through which state is read.
//!
//! Object-safe and by shared reference, so that a snapshot, a witness or a multi-version memory can stand behind a
//! `&dyn StateReader`, and so that readers can wrap readers. The journal caches, so a reader is asked once per item and
//! block; the virtual call is paid on a cold access only.

use crate::{Account, Code};
use alloc::string::String;
use alloy_primitives::{Address, B256, U256};

/// Read access to a world state and to recent block hashes.
pub trait StateReader {
    /// The account at `address`, `None` where there is none.
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError>;

    /// The word in `slot` of `address`; zero where nothing was stored.
    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError>;

    /// Whether `address` has any non-zero slot (EIP-7610 asks before a contract is created there).
    fn has_storage(&self, address: &Address) -> Result<bool, ReadError>;

    /// The code with this hash. Asked only for hashes that [`StateReader::account`] gave.
    fn code(&self, code_hash: &B256) -> Result<Code, ReadError>;

    /// The hash of the canonical block `number`, an ancestor of the block being executed.
    fn block_hash(&self, number: u64) -> Result<B256, ReadError>;
}

/// Why a reader could not answer. It never means "absent": absence is an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The reader holds part of the state, and this account is not in that part.
    MissingAccount {
        /// The account asked for.
        address: Address,
    },
    /// The reader holds part of the state, and this slot is not in that part.
    MissingSlot {
        /// The account asked for.
        address: Address,
        /// The slot asked for.
        slot: U256,
    },
    /// No code with this hash.
    MissingCode {
        /// The hash asked for.
        code_hash: B256,
    },
    /// No block with this number.
    MissingBlockHash {
        /// The number asked for.
        number: u64,
    },
    /// A trie node on the way to the answer is not in the witness.
    MissingNode {
        /// The account whose record or storage was asked for.
        address: Address,
        /// The slot asked for, if one was.
        slot: Option<U256>,
        /// Hash of the absent node.
        node_hash: B256,
    },
    /// What stands behind the reader failed or holds malformed data.
    Backend(String),
}

impl core::fmt::Display for ReadError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::MissingAccount { address } => {
                write!(f, "account {address}: expected in the pre-state, found nothing")
            }
            Self::MissingSlot { address, slot } => {
                write!(f, "slot {slot:#x} of account {address}: expected in the pre-state, found nothing")
            }
            Self::MissingCode { code_hash } => write!(f, "code {code_hash}: expected in the pre-state, found nothing"),
            Self::MissingBlockHash { number } => {
                write!(f, "hash of block {number}: expected among the block hashes, found nothing")
            }
            Self::MissingNode { address, slot: None, node_hash } => {
                write!(f, "account {address}: trie node {node_hash} expected in the witness, found nothing")
            }
            Self::MissingNode { address, slot: Some(slot), node_hash } => {
                write!(
                    f,
                    "slot {slot:#x} of account {address}: trie node {node_hash} expected in the witness, found nothing"
                )
            }
            Self::Backend(message) => f.write_str(message),
        }
    }
}

impl core::error::Error for ReadError {}
