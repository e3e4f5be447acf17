//! What an execution knows of its block and its transaction.

use alloc::vec::Vec;
use alloy_primitives::{Address, B256, U256};

/// The block around an execution.
#[derive(Clone, Debug, Default)]
pub struct BlockContext {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// Block number.
    pub number: u64,
    /// Seconds since the epoch.
    pub timestamp_seconds: u64,
    /// COINBASE.
    pub beneficiary: Address,
    /// GASLIMIT.
    pub gas_limit: u64,
    /// DIFFICULTY, before the merge.
    pub difficulty: U256,
    /// PREVRANDAO, since the merge.
    pub prev_randao: B256,
    /// BASEFEE in wei; zero before EIP-1559.
    pub base_fee: U256,
    /// BLOBBASEFEE in wei.
    pub blob_base_fee: U256,
    /// SLOTNUM (EIP-7843).
    pub slot_number: u64,
}

/// The transaction around an execution.
#[derive(Clone, Debug, Default)]
pub struct TxContext {
    /// ORIGIN.
    pub origin: Address,
    /// GASPRICE: the effective price, in wei.
    pub gas_price: U256,
    /// BLOBHASH.
    pub blob_versioned_hashes: Vec<B256>,
}
