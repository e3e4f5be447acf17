//! Transactions that wait for a block.

use crate::{HeadChange, StateView};
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_stf::{ChainSpec, DecodeError, Header, Transaction, TxError};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The pool's limits.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Most transactions that could go into the next block.
    pub max_pending: usize,
    /// Most transactions that wait for a nonce, a balance or a lower base fee.
    pub max_queued: usize,
    /// Most transactions of one account.
    pub max_per_account: usize,
    /// By how many per cent a replacement has to raise both fees.
    pub price_bump_percent: u64,
    /// The same for blob transactions.
    pub blob_price_bump_percent: u64,
    /// Lowest priority fee taken in, wei per gas.
    pub min_priority_fee: u64,
    /// Most bytes of a transaction without blobs.
    pub max_transaction_bytes: usize,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            max_pending: 10_000,
            max_queued: 10_000,
            max_per_account: 64,
            price_bump_percent: 10,
            blob_price_bump_percent: 100,
            min_priority_fee: 0,
            max_transaction_bytes: 128 << 10,
        }
    }
}

/// The blobs of a transaction with their commitments and proofs: one proof a blob (EIP-4844), or one for each of a blob's
/// 128 cells (EIP-7594, `version` 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobSidecar {
    /// 0 for EIP-4844, 1 for EIP-7594.
    pub version: u8,
    /// Blobs of 131,072 bytes.
    pub blobs: Vec<Bytes>,
    /// Commitments of 48 bytes.
    pub commitments: Vec<Bytes>,
    /// Proofs of 48 bytes.
    pub proofs: Vec<Bytes>,
}

/// A transaction with what the pool knows of it.
#[derive(Clone, Debug)]
pub struct PoolTransaction {
    /// The transaction.
    pub transaction: Transaction,
    /// Its hash.
    pub hash: B256,
    /// Who sent it. In dev mode that need not be who signed it.
    pub sender: Address,
    /// Its blobs.
    pub sidecar: Option<Arc<BlobSidecar>>,
}

impl PoolTransaction {
    /// Decodes what `eth_sendRawTransaction` takes (for blob transactions the network form with blobs) and recovers the
    /// sender under the rules that hold after `head`.
    pub fn decode(_bytes: &[u8], _spec: &ChainSpec, _head: &Header) -> Result<Self, PoolError> {
        todo!()
    }
}

/// Why a transaction was not taken in.
#[derive(Debug)]
pub enum PoolError {
    /// It is malformed.
    Decode(DecodeError),
    /// It is not valid, now or ever.
    Invalid(TxError),
    /// It is there already.
    AlreadyKnown,
    /// A transaction with this nonce is there, and the fees are not enough to replace it.
    ReplacementUnderpriced,
    /// The pool is full of better ones, or the fees are below the lowest.
    Underpriced,
    /// The account has as many as it may have.
    AccountLimit {
        /// Most transactions of one account.
        limit: usize,
    },
    /// It is too long.
    Oversized {
        /// Most bytes.
        limit: usize,
        /// Bytes found.
        found: usize,
    },
    /// Its blobs are missing, or do not fit their commitments.
    Blobs(String),
    /// A block was given as a sender's limit, delegation or other rule of the pool says.
    Refused(String),
    /// It could not be found out.
    Node(String),
}

impl fmt::Display for PoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Decode(error) => error.fmt(f),
            Self::Invalid(error) => error.fmt(f),
            Self::AlreadyKnown => f.write_str("already known"),
            Self::ReplacementUnderpriced => f.write_str("replacement transaction underpriced"),
            Self::Underpriced => f.write_str("transaction underpriced"),
            Self::AccountLimit { limit } => write!(f, "account limit exceeded: expected at most {limit} transactions"),
            Self::Oversized { limit, found } => {
                write!(f, "oversized data: expected at most {limit} bytes, found {found}")
            }
            Self::Blobs(message) | Self::Refused(message) | Self::Node(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for PoolError {}

/// Transactions by sender and nonce.
#[derive(Clone, Debug, Default)]
pub struct PoolContent {
    /// Those that could go into the next block, by sender and nonce.
    pub pending: BTreeMap<Address, BTreeMap<u64, Arc<PoolTransaction>>>,
    /// Those that wait for something.
    pub queued: BTreeMap<Address, BTreeMap<u64, Arc<PoolTransaction>>>,
}

/// Pending transactions, best first; those of one sender in the order of their nonces.
pub struct BestTransactions {}

impl BestTransactions {
    /// Leaves out what else the sender of the transaction given last has.
    pub fn skip_sender(&mut self) {
        todo!()
    }
}

impl Iterator for BestTransactions {
    type Item = Arc<PoolTransaction>;

    fn next(&mut self) -> Option<Self::Item> {
        todo!()
    }
}

/// Transactions that wait for a block. `Send + Sync`, with a lock of its own inside.
pub struct Pool {}

impl Pool {
    /// An empty pool on this head.
    pub fn new(_config: PoolConfig, _spec: ChainSpec, _head: Header) -> Self {
        todo!()
    }

    /// Checks a transaction against the latest state and takes it in. Gives what it replaced.
    pub fn add(
        &self,
        _transaction: Arc<PoolTransaction>,
        _state: &StateView,
    ) -> Result<Option<Arc<PoolTransaction>>, PoolError> {
        todo!()
    }

    /// Follows a new head: drops what was mined or became impossible, takes back what was in removed blocks, sorts again by
    /// the next block's base fee. `state` is the head's.
    pub fn follow(&self, _change: &HeadChange, _state: &StateView) {
        todo!()
    }

    /// Pending transactions for a block with these fees (wei per gas), best first.
    pub fn best(&self, _base_fee: u64, _blob_base_fee: U256) -> BestTransactions {
        todo!()
    }

    /// The transaction with this hash.
    pub fn get(&self, _hash: &B256) -> Option<Arc<PoolTransaction>> {
        todo!()
    }

    /// The blob with this versioned hash, with its commitment and proofs (`engine_getBlobs`): the sidecar and its index there.
    pub fn blob(&self, _versioned_hash: &B256) -> Option<(Arc<BlobSidecar>, usize)> {
        todo!()
    }

    /// Numbers of pending and queued transactions.
    pub fn status(&self) -> (usize, usize) {
        todo!()
    }

    /// All transactions.
    pub fn content(&self) -> PoolContent {
        todo!()
    }

    /// The nonce after the sender's pending transactions, if it has any.
    pub fn next_nonce(&self, _sender: &Address) -> Option<u64> {
        todo!()
    }

    /// A number that changes whenever the pool does.
    pub fn version(&self) -> u64 {
        todo!()
    }

    /// Dev mode: drops a transaction.
    pub fn remove(&self, _hash: &B256) -> bool {
        todo!()
    }

    /// Dev mode: drops all.
    pub fn clear(&self) {
        todo!()
    }
}
