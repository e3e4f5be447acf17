//! A block on its parent's state: everything that is checked, and everything that comes out.

use crate::prefetch::ReadAhead;
use crate::tree::Layer;
use crate::{BlockId, ChainBlock, ChainView, ImportError, NodeError, StateView, codec};
use alloy_primitives::Address;
use rialto_parallel::{RootThreads, Strategy, execute};
use rialto_state::Diff;
use rialto_stf::{
    Block, BlockError, BlockRules, ChainSpec, Header, Outcome, Transaction, recover_sender, validate_header,
    validate_ommers, verify_outcome,
};
use rialto_store::CanonicalBlock;
use rialto_trie::StateTrie;
use std::num::NonZeroUsize;
use std::sync::Arc;

/// Ancestors that ommers are compared with.
const OMMER_ANCESTORS: usize = 8;
/// Transactions for which another thread is worth its start.
const SENDERS_PER_THREAD: usize = 16;

/// Recovers the senders of a block's transactions, on all cores.
pub(crate) fn recover_senders(spec: &ChainSpec, block: &Block) -> Result<Vec<Address>, BlockError> {
    let rules = spec.rules_at(block.header.number, block.header.timestamp);
    let transactions = &block.transactions;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(transactions.len().div_ceil(SENDERS_PER_THREAD)).max(1);
    let chunk = transactions.len().div_ceil(threads).max(1);
    let recover = |first: usize, part: &[Transaction]| -> Result<Vec<Address>, BlockError> {
        part.iter()
            .enumerate()
            .map(|(index, transaction)| one_sender(spec, rules, first + index, transaction))
            .collect()
    };
    let mut senders = Vec::with_capacity(transactions.len());
    std::thread::scope(|scope| {
        let mut parts = transactions.chunks(chunk).enumerate();
        let own = parts.next();
        let others: Vec<_> = parts.map(|(index, part)| scope.spawn(move || recover(index * chunk, part))).collect();
        if let Some((_, part)) = own {
            senders.extend(recover(0, part)?);
        }
        for other in others {
            senders.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(senders)
    })
}

fn one_sender(
    spec: &ChainSpec,
    rules: &BlockRules,
    index: usize,
    transaction: &Transaction,
) -> Result<Address, BlockError> {
    recover_sender(transaction, rules, spec.chain_id).map_err(|error| BlockError::of_transaction(index, error))
}

/// A block on its parent's state.
pub(crate) struct Task<'a> {
    pub spec: &'a ChainSpec,
    /// Where ancestors are.
    pub view: &'a ChainView,
    /// The state after the parent.
    pub state: &'a StateView,
    /// The parent's header.
    pub parent: &'a Header,
    /// How the block is run.
    pub strategy: Strategy<'a>,
}

impl Task<'_> {
    /// Checks the header, and the ommers if there are any.
    pub fn check_header(&self, block: &Block) -> Result<(), ImportError> {
        validate_header(self.spec, &block.header, self.parent)?;
        if block.ommers.is_empty() {
            return Ok(());
        }
        let mut ancestors = Vec::with_capacity(OMMER_ANCESTORS);
        let mut next = block.header.parent_hash;
        while ancestors.len() < OMMER_ANCESTORS {
            let Some(ancestor) = self.view.block(BlockId::Hash(next))? else { break };
            next = ancestor.block.header.parent_hash;
            ancestors.push(ancestor.block.clone());
        }
        Ok(validate_ommers(self.spec, block, &ancestors)?)
    }

    /// Executes the block and compares all but the state root with its header.
    pub fn outcome(&self, block: &Block, senders: &[Address]) -> Result<Outcome, ImportError> {
        let root_after = |diff: &Diff| {
            let mut trie = StateTrie::from_root(self.state.root());
            trie.apply_from(diff, self.state).map_err(|error| error.to_string())
        };
        let (spec, reader) = (self.spec, self.state);
        let outcome = execute(spec, block, Some(senders), reader, Some(&root_after), &self.strategy)?;
        verify_outcome(&block.header, &outcome)?;
        Ok(outcome)
    }

    /// As [`Task::outcome`], while other threads read ahead.
    fn outcome_with_read_ahead(&self, block: &Block, senders: &[Address]) -> Result<Outcome, ImportError> {
        if self.strategy.threads == NonZeroUsize::MIN {
            return self.outcome(block, senders);
        }
        let ahead = ReadAhead::of(block, senders, self.strategy.access_list);
        std::thread::scope(|scope| {
            ahead.begin(scope, self.state);
            let outcome = self.outcome(block, senders);
            ahead.end();
            outcome
        })
    }

    /// Everything: checks, execution, root. `trie` is that of the parent's state, and is that of the block's state afterwards.
    pub fn layer(
        &self,
        block: Block,
        senders: Option<Vec<Address>>,
        trie: &mut StateTrie,
    ) -> Result<Layer, ImportError> {
        self.check_header(&block)?;
        let senders = match senders {
            Some(senders) => senders,
            None => recover_senders(self.spec, &block)?,
        };
        let outcome = self.outcome_with_read_ahead(&block, &senders)?;
        let expected = block.header.state_root;
        let threads = RootThreads::new(self.strategy.threads);
        let found = threads.apply(trie, &outcome.diff, self.state).map_err(NodeError::Trie)?;
        if found != expected {
            return Err(BlockError::Root { field: "state_root", expected, found }.into());
        }
        let parent_difficulty = total_difficulty(self.view, &block.header)?;
        Ok(layer_of(seal(block, senders, parent_difficulty), outcome, trie))
    }
}

/// The sum of the difficulties up to the parent of `header`.
pub(crate) fn total_difficulty(view: &ChainView, header: &Header) -> Result<alloy_primitives::U256, ImportError> {
    let parent_hash = header.parent_hash;
    let parent = view.block(BlockId::Hash(parent_hash))?.ok_or(ImportError::UnknownParent { parent_hash })?;
    Ok(parent.total_difficulty)
}

/// The block with what is known of it.
pub(crate) fn seal(block: Block, senders: Vec<Address>, parent_difficulty: alloy_primitives::U256) -> Arc<ChainBlock> {
    Arc::new(ChainBlock {
        hash: block.hash(),
        senders,
        transaction_hashes: block.transactions.iter().map(Transaction::hash).collect(),
        total_difficulty: parent_difficulty.saturating_add(block.header.difficulty),
        block,
    })
}

/// The block's layer. `trie` has the outcome's diff applied; its changes are taken.
pub(crate) fn layer_of(block: Arc<ChainBlock>, outcome: Outcome, trie: &mut StateTrie) -> Layer {
    let commit = CanonicalBlock {
        block: Arc::new(codec::stored_block(&block)),
        receipts: codec::stored_receipts(&outcome.receipts),
        transaction_hashes: block.transaction_hashes.clone(),
        logs_bloom: outcome.logs_bloom,
        diff: outcome.diff,
        nodes: trie.commit(),
    };
    Layer {
        block,
        commit: Arc::new(commit),
        receipts: Arc::new(outcome.receipts),
        requests: outcome.requests,
        block_access_list: outcome.block_access_list,
    }
}
