//! The chain at one instant.

use crate::{ChainBlock, NodeError, StateView};
use alloy_primitives::{B256, Bloom};
use rialto_stf::{Header, Receipt};
use std::sync::Arc;

/// Names a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockId {
    /// By hash, canonical or not.
    Hash(B256),
    /// By number, canonical.
    Number(u64),
    /// The genesis block.
    Earliest,
    /// The head.
    Latest,
    /// The last block that the consensus client called safe.
    Safe,
    /// The last block that the consensus client called finalized.
    Finalized,
}

/// A canonical transaction.
#[derive(Clone, Debug)]
pub struct TransactionInBlock {
    /// Its block.
    pub block: Arc<ChainBlock>,
    /// Its position in the block.
    pub index: usize,
}

/// The chain at one instant; what is committed meanwhile does not show. Cheap to make; `Send + Sync`.
pub struct ChainView {}

impl ChainView {
    /// The head.
    pub fn head(&self) -> &Arc<ChainBlock> {
        todo!()
    }

    /// Hash of the block, `None` where there is none (or where no block is safe or finalized yet).
    pub fn hash(&self, _id: BlockId) -> Result<Option<B256>, NodeError> {
        todo!()
    }

    /// The header.
    pub fn header(&self, _id: BlockId) -> Result<Option<Header>, NodeError> {
        todo!()
    }

    /// The block.
    pub fn block(&self, _id: BlockId) -> Result<Option<Arc<ChainBlock>>, NodeError> {
        todo!()
    }

    /// Whether the block is canonical.
    pub fn is_canonical(&self, _hash: &B256) -> Result<bool, NodeError> {
        todo!()
    }

    /// The receipts of the block.
    pub fn receipts(&self, _block: &ChainBlock) -> Result<Option<Arc<Vec<Receipt>>>, NodeError> {
        todo!()
    }

    /// The canonical transaction with this hash.
    pub fn transaction(&self, _hash: &B256) -> Result<Option<TransactionInBlock>, NodeError> {
        todo!()
    }

    /// The state after the block. `None` where there is no such block, an error where its state is pruned. For
    /// [`BlockId::Latest`] in dev mode it has the changes that were made outside of blocks.
    pub fn state(&self, _id: BlockId) -> Result<Option<StateView>, NodeError> {
        todo!()
    }

    /// Number and hash of the oldest block whose state can be read.
    pub fn oldest_state(&self) -> u64 {
        todo!()
    }

    /// Calls `visit` with number and bloom of the canonical blocks from `first` to `last` that have logs, ascending, until it
    /// returns false.
    pub fn blooms(
        &self,
        _first: u64,
        _last: u64,
        _visit: &mut dyn FnMut(u64, &Bloom) -> bool,
    ) -> Result<(), NodeError> {
        todo!()
    }
}
