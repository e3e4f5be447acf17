//! A block of the chain, run again.

use super::Overlay;
use super::base::block_checks;
use crate::{RpcContext, RpcError};
use alloy_primitives::B256;
use rialto_node::{ChainBlock, ChainView, StateView};
use rialto_state::StateReader;
use rialto_stf::{BlockError, BlockExecutor, ChainSpec, Checks, Outcome, TxOutcome};
use std::sync::Arc;

/// A block of the chain, to run again on the state before it.
pub(crate) struct Replay {
    block: Arc<ChainBlock>,
    parent: StateView,
    checks: Checks,
}

impl Replay {
    /// Finds the state before the block.
    pub(crate) fn of(context: &RpcContext, view: &ChainView, block: Arc<ChainBlock>) -> Result<Self, RpcError> {
        let header = &block.block.header;
        if header.number == 0 {
            return Err(RpcError::server("genesis is not traceable"));
        }
        let missing = || RpcError::server(format!("parent block {} not found", header.parent_hash));
        let parent = view.state_before(&block)?.ok_or_else(missing)?;
        Ok(Self { block, parent, checks: block_checks(context) })
    }

    /// The block.
    pub(crate) fn block(&self) -> &Arc<ChainBlock> {
        &self.block
    }

    /// The state before the block.
    pub(crate) fn parent(&self) -> &StateView {
        &self.parent
    }

    /// Hash of a transaction.
    pub(crate) fn transaction_hash(&self, index: usize) -> B256 {
        self.block.transaction_hashes[index]
    }

    /// An executor that stands before the first transaction.
    pub(crate) fn begin<'r>(&'r self, spec: &ChainSpec) -> Result<BlockExecutor<'r>, RpcError> {
        let mut executor = BlockExecutor::new(spec, &self.block.block.header, &self.parent).with_checks(self.checks);
        executor.begin().map_err(|error| RpcError::server(error.to_string()))?;
        Ok(executor)
    }

    /// Runs the transaction at `index`, the next one.
    pub(crate) fn transaction(&self, executor: &mut BlockExecutor<'_>, index: usize) -> Result<TxOutcome, RpcError> {
        let (transaction, sender) = (&self.block.block.transactions[index], self.block.senders[index]);
        executor
            .transaction(transaction, sender)
            .map_err(|error| RpcError::server(format!("transaction {index} of the block: {error}")))
    }

    /// Runs the whole block on another reader of the state before it.
    pub(crate) fn run_on(&self, spec: &ChainSpec, reader: &dyn StateReader) -> Result<Outcome, RpcError> {
        let server = |error: BlockError| RpcError::server(error.to_string());
        let block = &self.block.block;
        let mut executor = BlockExecutor::new(spec, &block.header, reader).with_checks(self.checks);
        executor.begin().map_err(server)?;
        for index in 0..block.transactions.len() {
            self.transaction(&mut executor, index)?;
        }
        executor.finish(&block.ommers, block.withdrawals.as_deref().unwrap_or_default()).map_err(server)
    }

    /// An executor that stands before the transaction at `index`.
    pub(crate) fn begin_at<'r>(&'r self, spec: &ChainSpec, index: usize) -> Result<BlockExecutor<'r>, RpcError> {
        let mut executor = self.begin(spec)?;
        for earlier in 0..index {
            self.transaction(&mut executor, earlier)?;
        }
        Ok(executor)
    }

    /// The state before the transaction at `index`.
    pub(crate) fn state_before(&self, spec: &ChainSpec, index: usize) -> Result<Overlay<'_>, RpcError> {
        let diff = self.begin_at(spec, index)?.diff();
        let mut state = Overlay::new(&self.parent, self.block.block.header.number);
        state.apply(&diff);
        Ok(state)
    }
}
