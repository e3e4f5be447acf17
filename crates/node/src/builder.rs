//! Builds blocks.

use crate::PoolTransaction;
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_stf::{BlockAccessList, Receipt, Withdrawal};
use std::sync::Arc;

/// What a consensus client, or dev mode, says of the block to build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PayloadAttributes {
    /// Unix time, seconds; more than the parent's.
    pub timestamp: u64,
    /// Randomness (EIP-4399).
    pub prev_randao: B256,
    /// Recipient of fees.
    pub suggested_fee_recipient: Address,
    /// Withdrawals, since Shanghai.
    pub withdrawals: Option<Vec<Withdrawal>>,
    /// The parent's beacon block root, since Cancun.
    pub parent_beacon_block_root: Option<B256>,
    /// Slot number, since Amsterdam.
    pub slot_number: Option<u64>,
    /// Gas limit; `None` moves the parent's towards the node's target.
    pub gas_limit: Option<u64>,
    /// Extra data; `None` for the node's own.
    pub extra_data: Option<Bytes>,
    /// Base fee; `None` for the one that follows from the parent. Only in dev mode, where the next block may be off the rule.
    pub base_fee_per_gas: Option<u64>,
}

/// Where a block's transactions come from.
#[derive(Clone, Debug)]
pub enum TransactionSource {
    /// From the pool, by tip, as many as there is room for.
    Pool,
    /// These, in this order; one that is not valid is an error.
    Exactly(Vec<Arc<PoolTransaction>>),
    /// These as far as valid, in this order; invalid ones are skipped.
    AsFarAsValid(Vec<Arc<PoolTransaction>>),
}

/// A block that was built, with what consensus needs to know of it.
#[derive(Clone, Debug)]
pub struct BuiltBlock {
    /// The block.
    pub block: Arc<crate::ChainBlock>,
    /// Its receipts.
    pub receipts: Arc<Vec<Receipt>>,
    /// The pool's transactions in it, in their order, with their blobs.
    pub transactions: Vec<Arc<PoolTransaction>>,
    /// Sum of the tips, in wei.
    pub value: U256,
    /// Requests to the consensus layer, since Prague.
    pub requests: Option<Vec<Bytes>>,
    /// Block access list, since Amsterdam.
    pub block_access_list: Option<BlockAccessList>,
}
