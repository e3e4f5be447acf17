//! What a block's transactions cost one by one, and which of them need what which others did.
//!
//! Each transaction is run by itself on the state that its predecessors left, as the threads of the parallel executor run it,
//! and says what it read and what it changed. It depends on the last transaction before it without which it would have read
//! something that makes a difference: a slot that was written with the word it had makes none, and a balance only as far as it
//! was looked at.
//!
//! What is not running transactions is timed piece by piece, on the same rounds: what comes before the transactions and what a thread
//! needs to begin, the bloom filters, the receipts, the block's end, and the diff, whole and in shares.

use crate::BenchError;
use crate::block_engine::BlockCase;
use crate::turns::median_ns;
use alloy_primitives::map::{AddressMap, HashMap};
use alloy_primitives::{Address, B256, U256};
use rialto_state::{
    Account, AccountDiff, Changes, Code, Diff, Footprint, JournalReader, MemoryState, ReadError, Share, StateReader,
};
use rialto_stf::{BlockExecutor, LogHasher, Receipt, TxRunner};
use std::cell::{Cell, RefCell};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Runs of every block, of which the medians count.
const ROUNDS: usize = 7;
/// Keys the journal's hash tables. No result depends on it.
const HASH_SEED: u64 = 7;
/// Shares in which the diff is made to see what a share takes that has nearly nothing.
const SHARES: usize = 64;

/// A transaction by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TransactionProfile {
    /// Median time of running it, nanoseconds.
    pub run_ns: u64,
    /// Median time of putting its changes into a journal that did not make them, nanoseconds.
    pub apply_ns: u64,
    /// Median time of that where the places of what it changes are known, nanoseconds.
    pub again_ns: u64,
    /// Median time of making the bloom filter of its logs, nanoseconds.
    pub bloom_ns: u64,
    /// Median time of writing its receipt, nanoseconds.
    pub receipt_ns: u64,
    /// Earlier transactions whose changes it reads, ascending.
    pub reads_from: Vec<usize>,
    /// Gas that it may use.
    pub gas_limit: u64,
    pub sender: Address,
    /// Whom it calls or pays; `None` where it creates a contract.
    pub to: Option<Address>,
}

/// A block, transaction by transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockProfile {
    pub transactions: Vec<TransactionProfile>,
    pub pieces: Pieces,
}

/// What a block takes beside its transactions, median times in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pieces {
    /// What comes before the transactions.
    pub begin_ns: u64,
    /// Making a runner and its journal.
    pub runner_ns: u64,
    /// What comes after the transactions.
    pub end_ns: u64,
    /// Making a share of the diff that has next to nothing.
    pub share_ns: u64,
    /// Making the whole diff, beyond that.
    pub diff_ns: u64,
}

/// A state that changes while it is being read from.
struct Committed(RefCell<MemoryState>);

impl StateReader for Committed {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        self.0.borrow().account(address)
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        self.0.borrow().storage(address, slot)
    }

    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        self.0.borrow().has_storage(address)
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        self.0.borrow().code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.0.borrow().block_hash(number)
    }
}

impl Committed {
    /// Pays a tip; the change that it is.
    fn pay(&self, beneficiary: Address, tip: U256) -> Diff {
        if tip.is_zero() {
            return Diff::default();
        }
        let before = self.0.borrow().get(&beneficiary).map(|account| account.info);
        let account = before.unwrap_or_default();
        let after = Some(Account { balance: account.balance.saturating_add(tip), ..account });
        let change = AccountDiff { address: beneficiary, before, after, storage_wiped: false, storage: Vec::new() };
        let diff = Diff { accounts: vec![change], codes: Vec::new() };
        self.0.borrow_mut().apply(&diff);
        diff
    }
}

/// What a location held: at first, and after each transaction that changed it.
struct History<T> {
    first: T,
    changes: Vec<(usize, T)>,
}

impl<T> History<T> {
    /// The last transaction without which the location would not do.
    fn needed(&self, will_do: impl Fn(&T) -> bool) -> Option<usize> {
        let before = |position: usize| match position.checked_sub(1) {
            Some(previous) => &self.changes[previous].1,
            None => &self.first,
        };
        let needed = (0..self.changes.len()).rev().find(|position| !will_do(before(*position)));
        needed.map(|position| self.changes[position].0)
    }
}

/// Who changed what to what.
#[derive(Default)]
struct Writers {
    accounts: AddressMap<History<Option<Account>>>,
    slots: HashMap<(Address, U256), History<U256>>,
    /// Whoever last deleted an account.
    wiped: AddressMap<usize>,
}

impl Writers {
    fn note(&mut self, index: usize, diff: &Diff) {
        for change in &diff.accounts {
            if change.before != change.after {
                let new = || History { first: change.before, changes: Vec::new() };
                self.accounts.entry(change.address).or_insert_with(new).changes.push((index, change.after));
            }
            if change.storage_wiped {
                self.wiped.insert(change.address, index);
            }
            for slot in &change.storage {
                let new = || History { first: slot.before, changes: Vec::new() };
                self.slots.entry((change.address, slot.slot)).or_insert_with(new).changes.push((index, slot.after));
            }
        }
    }

    /// Without whose changes a transaction would have done something else. Its sender's nonce is told to whoever runs it.
    fn needed_by(&self, footprint: &Footprint, sender: Address) -> Vec<usize> {
        let accounts = footprint.account_reads().filter_map(|read| {
            let history = self.accounts.get(&read.address)?;
            let told = read.account.filter(|_| read.address == sender).map(|account| account.nonce);
            history.needed(|then| {
                let with_nonce = |then: &Account| Account { nonce: told.unwrap_or(then.nonce), ..*then };
                read.holds_for(then.as_ref().map(with_nonce).as_ref())
            })
        });
        let slots = footprint.slot_reads().filter_map(|(address, slot, word)| {
            let history = self.slots.get(&(*address, *slot));
            let needed = history.and_then(|history| history.needed(|then| then == word));
            needed.max(self.wiped.get(address).copied())
        });
        let mut writers: Vec<usize> = accounts.chain(slots).collect();
        writers.sort_unstable();
        writers.dedup();
        writers
    }
}

/// Times of one thing, a run of the block each.
type Times = Vec<Duration>;

/// Times of a transaction.
#[derive(Clone, Default)]
struct TransactionTimes {
    run: Times,
    apply: Times,
    again: Times,
    bloom: Times,
    receipt: Times,
}

/// Times of a block.
#[derive(Default)]
struct BlockTimes {
    transactions: Vec<TransactionTimes>,
    begin: Times,
    runner: Times,
    end: Times,
    share: Times,
    diff: Times,
}

/// Does something and notes how long it took.
fn timed<T>(times: &mut Times, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let done = work();
    times.push(start.elapsed());
    done
}

/// Profiles a block.
pub(crate) fn profile(block: &BlockCase) -> Result<BlockProfile, BenchError> {
    let transactions = vec![TransactionTimes::default(); block.senders.len()];
    let mut times = BlockTimes { transactions, ..BlockTimes::default() };
    let mut transactions = run_once(block, &mut times)?;
    for _ in 1..ROUNDS {
        run_once(block, &mut times)?;
    }
    for (transaction, times) in transactions.iter_mut().zip(times.transactions) {
        (transaction.run_ns, transaction.apply_ns) = (median_ns(times.run), median_ns(times.apply));
        transaction.again_ns = median_ns(times.again);
        (transaction.bloom_ns, transaction.receipt_ns) = (median_ns(times.bloom), median_ns(times.receipt));
    }
    let (share_ns, whole_ns) = (median_ns(times.share), median_ns(times.diff));
    // The share has its part of the diff, too: share = least + rest / SHARES, and whole = least + rest.
    let diff_ns = whole_ns.saturating_sub(share_ns) * SHARES as u64 / (SHARES as u64 - 1);
    let pieces = Pieces {
        begin_ns: median_ns(times.begin),
        runner_ns: median_ns(times.runner),
        end_ns: median_ns(times.end),
        share_ns: whole_ns - diff_ns.min(whole_ns),
        diff_ns: diff_ns.min(whole_ns),
    };
    Ok(BlockProfile { transactions, pieces })
}

/// Runs the block, adds to the times, and returns who needs whom.
fn run_once(block: &BlockCase, times: &mut BlockTimes) -> Result<Vec<TransactionProfile>, BenchError> {
    let refused = |reason: String| BenchError::Refused { case: block.name.clone(), reason };
    let state = Committed(RefCell::new(block.state.clone()));
    let header = &block.block.header;
    let (mut executor, begun) = timed(&mut times.begin, || {
        let mut executor = BlockExecutor::new(&block.chain, header, &state);
        executor.begin().map_err(|error| refused(error.to_string()))?;
        let begun = executor.take_diff();
        Ok((executor, begun))
    })?;
    state.0.borrow_mut().apply(&begun);
    executor.reserve_accepted(block.senders.len());

    let mut runner = TxRunner::new(&block.chain, header, &state, HASH_SEED);
    let mut told = timed(&mut times.runner, || {
        let mut told = TxRunner::new(&block.chain, header, &block.state, HASH_SEED);
        told.start_trials(&Changes::from(&begun)).map(|()| told)
    })
    .map_err(|error| refused(error.to_string()))?;
    let beneficiary = told.beneficiary();
    let (tips, mut log_hasher) = (Cell::new(U256::ZERO), LogHasher::default());
    let (mut writers, mut profiles) = (Writers::default(), Vec::new());
    for (index, (transaction, sender)) in block.block.transactions.iter().zip(&block.senders).enumerate() {
        let times = &mut times.transactions[index];
        let run = || runner.run_together(std::slice::from_ref(transaction), &[*sender], &tips);
        let effects = timed(&mut times.run, run).map_err(|error| refused(error.to_string()))?;
        profiles.push(TransactionProfile {
            reads_from: writers.needed_by(&effects.footprint, *sender),
            gas_limit: transaction.gas_limit,
            sender: *sender,
            to: transaction.to,
            ..TransactionProfile::default()
        });
        for outcome in effects.outcomes {
            let gas = runner.gas_of(transaction, &outcome);
            let receipt = timed(&mut times.bloom, || Receipt::of(transaction.tx_type, outcome, &mut log_hasher));
            let accepted = timed(&mut times.receipt, || executor.accept_receipt(&gas, receipt));
            accepted.map_err(|error| refused(error.to_string()))?;
        }
        let done = runner.journal().diff();
        let changes = Changes::from(&done);
        timed(&mut times.apply, || {
            told.journal_mut().put_changes(&changes, None);
            told.journal_mut().put_tip(beneficiary, tips.get());
        });
        let located = told.journal_mut().locate(&changes);
        timed(&mut times.again, || told.journal_mut().put_changes(&changes, Some(&located)));
        state.0.borrow_mut().apply(&done);
        writers.note(index, &done);
        writers.note(index, &state.pay(header.beneficiary, tips.get()));
    }
    drop(runner);
    time_end(block, executor, told, times).map_err(refused)?;
    Ok(profiles)
}

/// Ends the block over a journal that holds what was committed, and makes the diff: what follows the last transaction.
fn time_end(
    block: &BlockCase,
    executor: BlockExecutor<'_>,
    mut told: TxRunner<'_>,
    times: &mut BlockTimes,
) -> Result<(), String> {
    let withdrawals = block.block.withdrawals.as_deref().unwrap_or_default();
    let ended = timed(&mut times.end, || {
        let settled = JournalReader(told.journal());
        executor.go_on_over(&block.chain, &settled).finish(&block.block.ommers, withdrawals)
    });
    ended.map_err(|error| error.to_string())?;
    let told = told.journal_mut();
    // Sought among all accounts, found hardly any.
    let share = Share { number: SHARES / 2, of: SHARES };
    for (share, times) in [(share, &mut times.share), (Share::ALL, &mut times.diff)] {
        let made = timed(times, || told.stop_trials_for(share).map(|()| told.diff_of(share)));
        black_box(made.map_err(|error| error.to_string())?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_needs_the_last_change_that_makes_a_difference() {
        let history = |changes: &[(usize, u64)]| History { first: 5, changes: changes.to_vec() };
        type Changes = &'static [(usize, u64)];
        let rows: [(&str, Changes, u64, Option<usize>); 5] = [
            ("never changed", &[], 5, None),
            ("changed", &[(3, 6)], 6, Some(3)),
            ("changed twice", &[(3, 6), (4, 7)], 7, Some(4)),
            ("changed and changed back", &[(3, 6), (4, 5)], 5, Some(4)),
            ("written with the same word", &[(3, 6), (4, 6)], 6, Some(3)),
        ];
        for (name, changes, word, expected) in rows {
            assert_eq!(history(changes).needed(|then| *then == word), expected, "{name}");
        }
    }
}
