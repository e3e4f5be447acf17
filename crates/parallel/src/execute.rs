//! The way in: which strategy a block is run by.

use crate::list;
use crate::pool;
use crate::scheduler::{self, Counts};
use crate::strategy::Strategy;
use alloy_primitives::Address;
use rialto_state::StateReader;
use rialto_stf::{
    Block, BlockError, BlockExecutor, BlockRules, ChainSpec, Outcome, RootAfter, TxError, recover_sender, validate_body,
};
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Executes `block` on the state of `reader` as `strategy` says; otherwise as [`rialto_stf::execute`].
pub fn execute<'r>(
    chain: &ChainSpec,
    block: &Block,
    senders: Option<&[Address]>,
    reader: &'r (dyn StateReader + Sync),
    root_after: Option<RootAfter<'r>>,
    strategy: &Strategy<'r>,
) -> Result<Outcome, BlockError> {
    execute_counted(chain, block, senders, reader, root_after, strategy).map(|(outcome, _)| outcome)
}

/// As [`execute`], and says how the block was run.
pub fn execute_counted<'r>(
    chain: &ChainSpec,
    block: &Block,
    senders: Option<&[Address]>,
    reader: &'r (dyn StateReader + Sync),
    root_after: Option<RootAfter<'r>>,
    strategy: &Strategy<'r>,
) -> Result<(Outcome, Counts), BlockError> {
    let (outcome, counts) = execute_unchecked(chain, block, senders, reader, root_after, strategy)?;
    // What was run by its list has done what that says.
    if let (Some(list), 0) = (strategy.access_list, counts.by_list) {
        list::check(block, list, &outcome)?;
    }
    Ok((outcome, counts))
}

/// Executes a block without saying what is wrong with its access list.
fn execute_unchecked<'r>(
    chain: &ChainSpec,
    block: &Block,
    senders: Option<&[Address]>,
    reader: &'r (dyn StateReader + Sync),
    root_after: Option<RootAfter<'r>>,
    strategy: &Strategy<'r>,
) -> Result<(Outcome, Counts), BlockError> {
    let rules = chain.rules_at(block.header.number, block.header.timestamp);
    let is_for_list = is_for_threads(rules, block, strategy, 1);
    let is_for_threads = is_for_threads(rules, block, strategy, 6);
    let recovered = match senders {
        Some(senders) => {
            assert_eq!(senders.len(), block.transactions.len(), "one sender for each transaction");
            Ok(Vec::new())
        }
        None => recover_senders(chain, rules, block, strategy.threads),
    };
    if let (true, Some(list), Ok(recovered)) = (is_for_list, strategy.access_list, &recovered) {
        let senders = senders.unwrap_or(recovered);
        let job = list::Job {
            chain,
            block,
            senders,
            reader,
            tier: strategy.tier,
            threads: strategy.threads,
            is_body_known: strategy.is_body_known,
        };
        if let Some(outcome) = list::run(&job, list) {
            return Ok((outcome, Counts { by_list: block.transactions.len(), ..Counts::default() }));
        }
    }
    if let (true, Ok(recovered)) = (is_for_threads, &recovered)
        && let Some(done) = scheduler::run(chain, block, senders.unwrap_or(recovered), reader, strategy)
    {
        return Ok(done);
    }
    if !strategy.is_body_known {
        validate_body(rules, block)?;
    }
    let recovered = recovered?;
    let senders = senders.unwrap_or(&recovered);
    let mut executor = BlockExecutor::new(chain, &block.header, reader).with_tier(strategy.tier);
    if let Some(root_after) = root_after {
        executor = executor.with_root_after(root_after);
    }
    let outcome = executor.run(block, senders)?;
    Ok((outcome, Counts { alone: block.transactions.len(), ..Counts::default() }))
}

/// Gas of a transfer.
const TRANSFER_GAS: u64 = 21_000;

/// Whether more threads than one can run the block, and would be faster if it takes them this many fifths of the least gas.
fn is_for_threads(rules: &BlockRules, block: &Block, strategy: &Strategy<'_>, fifths: u64) -> bool {
    let transfers = TRANSFER_GAS.saturating_mul(block.transactions.len() as u64);
    strategy.threads.get() > 1
        && block.transactions.len() >= strategy.min_transactions
        && block.header.gas_used.saturating_sub(transfers) >= strategy.min_gas.saturating_mul(fifths) / 5
        && rules.has_status_receipts
        && rules.vm.clears_empty_accounts
}

/// Who sent the transactions; if that can't be known of some, the error of the first of them.
fn recover_senders(
    chain: &ChainSpec,
    rules: &BlockRules,
    block: &Block,
    threads: NonZeroUsize,
) -> Result<Vec<Address>, BlockError> {
    let transactions = &block.transactions;
    let senders: Vec<OnceLock<Result<Address, TxError>>> = transactions.iter().map(|_| OnceLock::new()).collect();
    let next = AtomicUsize::new(0);
    pool::on_threads(threads, || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(transaction) = transactions.get(index) else { return };
            senders[index].get_or_init(|| recover_sender(transaction, rules, chain.chain_id));
        }
    });
    let sender = |(index, sender): (usize, OnceLock<Result<Address, TxError>>)| {
        sender.into_inner().expect("threads left none out").map_err(|error| BlockError::of_transaction(index, error))
    };
    senders.into_iter().enumerate().map(sender).collect()
}
