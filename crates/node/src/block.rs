//! A block of the chain with what is known of it besides its bytes.

use alloy_primitives::{Address, B256, U256};
use rialto_stf::Block;
use std::sync::Arc;

/// A valid block with what is known of it besides its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainBlock {
    /// Header and body.
    pub block: Block,
    /// The header's hash.
    pub hash: B256,
    /// Who sent the transactions, in their order.
    pub senders: Vec<Address>,
    /// The transactions' hashes, in their order.
    pub transaction_hashes: Vec<B256>,
    /// Sum of the difficulties up to it.
    pub total_difficulty: U256,
}

/// The canonical chain has another head.
#[derive(Clone, Debug)]
pub struct HeadChange {
    /// Blocks that are canonical no more, from the old head downwards.
    pub removed: Vec<Arc<ChainBlock>>,
    /// Blocks that are canonical now and were not, upwards to the new head.
    pub added: Vec<Arc<ChainBlock>>,
    /// The new head.
    pub head: Arc<ChainBlock>,
}
