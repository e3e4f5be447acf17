//! What goes into the store with a block.

use alloy_primitives::{Address, B256, Bloom, Bytes, U256};
use rialto_state::Diff;
use rialto_trie::StateNodeChanges;
use std::sync::Arc;

/// A block, canonical or not, as bytes and the keys to find it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlock {
    /// Distance from the genesis block.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its parent's hash.
    pub parent_hash: B256,
    /// Sum of the difficulties up to it.
    pub total_difficulty: U256,
    /// Encoded header.
    pub header: Bytes,
    /// Encoded body.
    pub body: Bytes,
    /// Who sent the transactions, in their order.
    pub senders: Vec<Address>,
}

/// A block with what its execution gave, to become the head.
#[derive(Clone, Debug)]
pub struct CanonicalBlock {
    /// The block.
    pub block: Arc<StoredBlock>,
    /// Encoded receipts.
    pub receipts: Bytes,
    /// Hashes of the transactions, in their order.
    pub transaction_hashes: Vec<B256>,
    /// Bloom filter of all logs.
    pub logs_bloom: Bloom,
    /// What it changed in the state of its parent.
    pub diff: Diff,
    /// What it changed in the tries.
    pub nodes: StateNodeChanges,
}

/// What one transaction of the database does, in this order. Nothing of it happens unless all of it does.
#[derive(Clone, Debug, Default)]
pub struct Commit<'a> {
    /// Blocks to keep that are not canonical (yet).
    pub side_blocks: &'a [Arc<StoredBlock>],
    /// Canonical blocks above this number cease to be so: the state goes back, the blocks stay as side blocks.
    pub unwind_to: Option<u64>,
    /// Blocks that extend the canonical chain, in order.
    pub append: &'a [Arc<CanonicalBlock>],
    /// The safe block's hash; `None` leaves it.
    pub safe: Option<B256>,
    /// The finalized block's hash; `None` leaves it.
    pub finalized: Option<B256>,
    /// A note of the caller's own that replaces the last one (empty removes it); `None` leaves it.
    pub note: Option<&'a [u8]>,
}

/// Where a transaction is in the canonical chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLocation {
    /// The block's number.
    pub number: u64,
    /// The block's hash.
    pub hash: B256,
    /// The transaction's position in the block.
    pub index: usize,
}
