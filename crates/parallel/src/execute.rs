//! The way in: which strategy a block is run by.

use crate::list;
use crate::pool;
use crate::scheduler::{self, Counts};
use crate::strategy::Strategy;
use crate::units::TRANSFER_GAS;
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
    let is_for_list = is_for_threads(rules, block, strategy, 1, false);
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
    if let Ok(recovered) = &recovered
        && is_for_threads(rules, block, strategy, 6, true)
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

/// Whether more threads than one can run the block, and would be faster if it takes them this many fifths of the least gas; where
/// they have to find out what conflicts, `finds_out`, and the block may well be one conflict, three times as much.
fn is_for_threads(rules: &BlockRules, block: &Block, strategy: &Strategy<'_>, fifths: u64, finds_out: bool) -> bool {
    let transfers = TRANSFER_GAS.saturating_mul(block.transactions.len() as u64);
    let gas = block.header.gas_used.saturating_sub(transfers);
    let least = strategy.min_gas.saturating_mul(fifths) / 5;
    strategy.threads.get() > 1
        && block.transactions.len() >= strategy.min_transactions
        && gas >= least
        && (!finds_out || gas >= least.saturating_mul(3) || !is_concentrated(block))
        && rules.has_status_receipts
        && rules.vm.clears_empty_accounts
}

/// Whether two thirds of the gas or more may be used by calls of two contracts: these are mostly tiny, or in each other's way.
/// Receivers are told apart by a byte, so some others may count with them.
fn is_concentrated(block: &Block) -> bool {
    let mut by_receiver = [0u64; 256];
    let mut all = 0u64;
    for transaction in block.transactions.iter().filter(|transaction| transaction.gas_limit > TRANSFER_GAS) {
        let receiver = transaction.to.map_or(0, |to| usize::from(to[19]));
        by_receiver[receiver] = by_receiver[receiver].saturating_add(transaction.gas_limit);
        all = all.saturating_add(transaction.gas_limit);
    }
    let [mut second, mut first] = [0; 2];
    for gas in by_receiver {
        (second, first) = (second.max(gas.min(first)), first.max(gas));
    }
    first.saturating_add(second) >= all / 3 * 2
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

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_stf::Transaction;

    #[test]
    fn a_block_may_be_about_a_few_contracts() {
        type Row = (&'static str, &'static [(u8, u64)], bool);
        let rows: [Row; 5] = [
            ("one", &[(1, 100_000), (1, 100_000)], true),
            ("two, and a third of it others", &[(1, 50_000), (2, 50_000), (3, 25_000), (4, 25_000)], true),
            ("three alike", &[(1, 50_000), (2, 50_000), (3, 50_000), (4, 50_000)], false),
            ("with transfers", &[(1, 50_000), (2, 50_000), (3, 50_000), (4, 50_000), (5, 21_000)], false),
            ("the larger come last", &[(3, 30_000), (2, 60_000), (1, 60_000)], true),
        ];
        for (name, rows, expected) in rows {
            let call = |(to, gas_limit): &(u8, u64)| Transaction {
                to: Some(Address::with_last_byte(*to)),
                gas_limit: *gas_limit,
                ..Transaction::default()
            };
            let block = Block { transactions: rows.iter().map(call).collect(), ..Block::default() };
            assert_eq!(is_concentrated(&block), expected, "{name}");
        }
    }
}
