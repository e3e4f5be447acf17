//! The node.

use crate::{
    BuiltBlock, ChainView, HeadChange, ImportError, NodeConfig, NodeError, PayloadAttributes, Pool, PoolError,
    PoolTransaction, TransactionSource,
};
use alloy_primitives::B256;
use rialto_state::Diff;
use rialto_stf::{Block, BlockAccessList, ChainSpec};
use std::sync::Arc;
use tokio::sync::broadcast;

/// Names a payload that is being built.
pub type PayloadId = [u8; 8];

/// What became of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadStatus {
    /// It is valid.
    Valid,
    /// It is not; the nearest valid ancestor, zero where that is a block of proof of work.
    Invalid {
        /// The nearest valid ancestor.
        latest_valid_hash: Option<B256>,
        /// Why.
        error: String,
    },
    /// An ancestor is not known.
    Syncing,
}

/// What became of a new head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForkchoiceStatus {
    /// It is the head, or an ancestor of it.
    Valid,
    /// It is not known.
    Syncing,
    /// It is known not to be valid.
    Invalid {
        /// The nearest valid ancestor.
        latest_valid_hash: Option<B256>,
        /// Why.
        error: String,
    },
    /// `safe` or `finalized` is not an ancestor of the head.
    Inconsistent,
}

/// See the crate's documentation.
pub struct Node {}

impl Node {
    /// Opens or begins the chain.
    pub fn open(_config: NodeConfig) -> Result<Arc<Self>, NodeError> {
        todo!()
    }

    /// How it was set up.
    pub fn config(&self) -> &NodeConfig {
        todo!()
    }

    /// The chain's rules.
    pub fn spec(&self) -> &ChainSpec {
        todo!()
    }

    /// The `genesis.json` that the chain began with.
    pub fn genesis_document(&self) -> &[u8] {
        todo!()
    }

    /// The pool.
    pub fn pool(&self) -> &Pool {
        todo!()
    }

    /// The chain as it is now.
    pub fn view(&self) -> Result<ChainView, NodeError> {
        todo!()
    }

    /// Every change of the head, after the pool has followed it. A receiver that is too slow loses events and is told so.
    pub fn subscribe_heads(&self) -> broadcast::Receiver<Arc<HeadChange>> {
        todo!()
    }

    /// Every transaction that the pool takes in.
    pub fn subscribe_transactions(&self) -> broadcast::Receiver<Arc<PoolTransaction>> {
        todo!()
    }

    /// Checks a transaction and puts it into the pool.
    pub fn submit(&self, _transaction: PoolTransaction) -> Result<B256, PoolError> {
        todo!()
    }

    /// Executes a block and, if the fork choice rule says so (total difficulty; since Paris, a block that is imported is the
    /// head), makes it the head. For chains without a consensus client.
    pub fn import(&self, _block: Block) -> Result<(), ImportError> {
        todo!()
    }

    /// Executes and keeps a consensus client's block, without making it the head. It is on the disk when this returns.
    /// `block_access_list` is the payload's, since Amsterdam.
    pub fn insert_payload(
        &self,
        _block: Block,
        _block_access_list: Option<BlockAccessList>,
    ) -> Result<PayloadStatus, NodeError> {
        todo!()
    }

    /// Makes a known block the head, and notes which are safe and finalized (zero: none yet).
    pub fn set_forkchoice(&self, _head: B256, _safe: B256, _finalized: B256) -> Result<ForkchoiceStatus, NodeError> {
        todo!()
    }

    /// Unwinds or advances to a known block, whatever is finalized (`debug_setHead`, dev mode's snapshots).
    pub fn set_head(&self, _hash: B256) -> Result<(), NodeError> {
        todo!()
    }

    /// Begins to build a block on `parent`; the same input gives the same id.
    pub fn start_payload(
        self: &Arc<Self>,
        _parent: B256,
        _attributes: PayloadAttributes,
    ) -> Result<PayloadId, NodeError> {
        todo!()
    }

    /// The best block built so far for this id, `None` where there is none.
    pub fn payload(&self, _id: &PayloadId) -> Result<Option<Arc<BuiltBlock>>, NodeError> {
        todo!()
    }

    /// Builds a block on `parent`, without keeping it.
    pub fn build(
        &self,
        _parent: B256,
        _attributes: &PayloadAttributes,
        _source: &TransactionSource,
    ) -> Result<BuiltBlock, NodeError> {
        todo!()
    }

    /// The block that would be mined now on the head. Cached until head or pool change.
    pub fn pending(&self) -> Result<Arc<BuiltBlock>, NodeError> {
        todo!()
    }

    /// Dev mode: builds a block on the head, with the changes made outside of blocks, and makes it the head.
    pub fn mine(
        &self,
        _attributes: &PayloadAttributes,
        _source: &TransactionSource,
    ) -> Result<Arc<BuiltBlock>, NodeError> {
        todo!()
    }

    /// Dev mode: changes the state outside of blocks. It shows at once in the latest state and is on the disk when this returns;
    /// the next block that is mined has it.
    pub fn amend(&self, _change: Diff) -> Result<(), NodeError> {
        todo!()
    }

    /// Dev mode: what was changed outside of blocks since the head; empty if nothing.
    pub fn amendments(&self) -> Arc<Diff> {
        todo!()
    }

    /// Dev mode: replaces what was changed outside of blocks since the head (for a snapshot that is taken up again).
    pub fn set_amendments(&self, _diff: Diff) -> Result<(), NodeError> {
        todo!()
    }
}
