//! The next block as the pool sees it, and what a transaction is worth there.
//!
//! A transaction that is taken in is meant for a block after the head, so it is judged by that block's rules: the fork that
//! holds a second after the head, the base fee that follows from it, its gas limit. Worth orders transactions of different
//! senders when the pool is full: a transaction that the next block could take is worth more than one whose fee cap is too
//! low, the former by tip, the latter by fee cap, since that decides when its time may come.

use alloy_primitives::U256;
use rialto_stf::{
    BlobParams, BlockRules, ChainSpec, Header, Transaction, TxType, blob_base_fee, next_base_fee, next_excess_blob_gas,
};

/// The base fee of the first block that has one (EIP-1559), in wei.
const INITIAL_BASE_FEE: u64 = 1_000_000_000;

/// What is known of the block after the head.
#[derive(Clone, Debug)]
pub(crate) struct NextBlock {
    /// Its number.
    pub(crate) number: u64,
    /// State root of the head: which state a reader has that belongs to this.
    pub(crate) parent_state_root: alloy_primitives::B256,
    pub(crate) rules: &'static BlockRules,
    pub(crate) gas_limit: u64,
    /// Wei per gas; zero before London.
    pub(crate) base_fee: U256,
    /// Wei per blob gas; zero before Cancun.
    pub(crate) blob_base_fee: U256,
    pub(crate) blob_params: Option<BlobParams>,
}

impl NextBlock {
    /// The block after `head`.
    pub(crate) fn after(spec: &ChainSpec, head: &Header) -> Self {
        let number = head.number.saturating_add(1);
        let fork = spec.fork_at(number, head.timestamp.saturating_add(1));
        let rules = BlockRules::of(fork);
        let base_fee = match head.base_fee_per_gas {
            Some(fee) => next_base_fee(head.gas_limit, head.gas_used, fee),
            None if rules.has_base_fee => INITIAL_BASE_FEE,
            None => 0,
        };
        let blob_params = spec.blob_params(fork).filter(|_| rules.has_blobs);
        let blob_fee = blob_params
            .map(|params| blob_base_fee(next_excess_blob_gas(head, &params, rules.has_blob_reserve_price), &params));
        Self {
            number,
            parent_state_root: head.state_root,
            rules,
            gas_limit: head.gas_limit,
            base_fee: U256::from(base_fee),
            blob_base_fee: blob_fee.unwrap_or(U256::ZERO),
            blob_params,
        }
    }

    /// Most blobs of a transaction.
    pub(crate) fn max_blobs(&self) -> u64 {
        let of_block = self.blob_params.map_or(0, |params| params.max);
        self.rules.max_blobs_per_tx.map_or(of_block, |of_transaction| of_transaction.min(of_block))
    }

    /// The version of sidecars that blocks take.
    pub(crate) fn sidecar_version(&self) -> u8 {
        // Cell proofs came with the fork that limits the blobs of a transaction (EIP-7594).
        u8::from(self.rules.max_blobs_per_tx.is_some())
    }
}

/// The tip per gas that a block with these fees leaves of the transaction's; `None` where its fee caps are below them.
pub(crate) fn effective_tip(transaction: &Transaction, base_fee: U256, blob_base_fee: U256) -> Option<U256> {
    if transaction.tx_type == TxType::Blob && transaction.max_fee_per_blob_gas < blob_base_fee {
        return None;
    }
    let room = transaction.gas_price.checked_sub(base_fee)?;
    Some(room.min(priority_fee(transaction)))
}

/// The most that a transaction gives as a tip; without one of its own, the gas price.
pub(crate) fn priority_fee(transaction: &Transaction) -> U256 {
    if transaction.tx_type.has_dynamic_fee() { transaction.max_priority_fee_per_gas } else { transaction.gas_price }
}

/// What a transaction is worth in the next block. More is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Worth {
    /// Its fee caps are below the block's fees; the fee cap.
    Later(U256),
    /// The tip.
    Now(U256),
}

impl Worth {
    pub(crate) const MOST: Self = Self::Now(U256::MAX);

    pub(crate) fn of(transaction: &Transaction, next: &NextBlock) -> Self {
        match effective_tip(transaction, next.base_fee, next.blob_base_fee) {
            Some(tip) => Self::Now(tip),
            None => Self::Later(transaction.gas_price),
        }
    }
}
