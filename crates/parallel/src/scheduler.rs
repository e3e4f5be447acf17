//! Who runs which transaction when.
//!
//! # Shape
//! All threads do the same. Each takes the next transaction, runs it on what is committed so far, puts what came out where the
//! others find it, and then, if nobody else is at it, commits what is ready, in the order of the block. There is no
//! thread that only coordinates, and none that waits for another while there is work.
//!
//! # Why the outcome is that of one thread
//! Transactions are committed in their order. When it is a transaction's turn, all before it are committed, so the memory holds
//! exactly the state that a single thread would have. If what the transaction read is still so, then running it now would read the
//! same and do the same, and its changes are applied as they are. If not, it is run again, now, and what comes out needs
//! no check. So a transaction is run at most twice, and the second time it can't be wrong: a block in which everything
//! conflicts costs what it costs one thread, plus work that other cores would not have done otherwise.
//!
//! The check compares values, not versions. A transaction that read a slot which was written with the same word, or a balance
//! that went down and up again, is not disturbed.
//!
//! # What is not run early
//! A transaction whose sender has an earlier one that is not committed would certainly fail its nonce check; it is left for its
//! turn. Blocks of a few transactions, of forks whose receipts have roots, and of forks with access lists are run by one thread.
//!
//! # Errors
//! Whatever goes wrong here, the block is executed again by one thread from the beginning, whose error is the answer: an invalid block
//! is refused for the same reason whoever refuses it.

use crate::memory::BlockMemory;
use crate::strategy::Strategy;
use alloy_primitives::{Address, map::AddressMap};
use rialto_state::StateReader;
use rialto_stf::{
    Block, BlockError, BlockExecutor, ChainSpec, Outcome, RootAfter, TxEffects, TxOutcome, TxRunner, recover_sender,
    validate_body,
};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError, TryLockError};

/// How far ahead of the last committed transaction others are run.
const MAX_AHEAD: usize = 256;

/// How a block was run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Transactions whose first run was committed.
    pub first_time: usize,
    /// Transactions that were run again because something that they had read was changed.
    pub again: usize,
    /// Transactions that waited for their turn.
    pub in_turn: usize,
}

/// A transaction's state.
enum Slot {
    /// Nobody has run it, or is still at it.
    Open,
    /// It was run when so many were committed.
    Done(Box<TxEffects>, usize),
    /// It has to be run at its turn.
    Turn,
    Committed,
}

/// What only one thread at a time has.
#[derive(Default)]
struct Book {
    /// What the committed transactions did, in their order.
    outcomes: Vec<TxOutcome>,
    counts: Counts,
    /// What one thread would have stopped at.
    has_failed: bool,
}

/// A block under way.
struct Run<'a, 'r> {
    block: &'a Block,
    senders: &'a [Address],
    /// For each transaction the previous one of its sender.
    previous: Vec<Option<usize>>,
    memory: &'r BlockMemory<'r>,
    slots: Vec<Mutex<Slot>>,
    /// The next transaction that nobody has taken.
    next: AtomicUsize,
    /// Transactions that are committed.
    committed: AtomicUsize,
    /// Whether all should stop.
    is_over: AtomicBool,
    book: Mutex<Book>,
}

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
    let rules = chain.rules_at(block.header.number, block.header.timestamp);
    let in_order = |senders: Option<&[Address]>| {
        let outcome = rialto_stf::execute(chain, block, senders, reader, root_after)?;
        Ok((outcome, Counts { in_turn: block.transactions.len(), ..Counts::default() }))
    };
    let threads = strategy.threads;
    let is_for_threads = threads.get() > 1
        && block.transactions.len() >= strategy.min_transactions
        && rules.has_status_receipts
        && rules.vm.clears_empty_accounts
        && !rules.has_access_lists;
    if !is_for_threads || validate_body(rules, block).is_err() {
        return in_order(senders);
    }
    let recovered: Vec<Address>;
    let senders = match senders {
        Some(senders) => senders,
        None => {
            let recover = |transaction| recover_sender(transaction, rules, chain.chain_id);
            let Ok(all) = block.transactions.iter().map(recover).collect() else { return in_order(None) };
            recovered = all;
            &recovered
        }
    };
    match run(chain, block, senders, reader, threads) {
        Some(result) => Ok(result),
        None => in_order(Some(senders)),
    }
}

/// `None` where something went wrong.
fn run(
    chain: &ChainSpec,
    block: &Block,
    senders: &[Address],
    reader: &(dyn StateReader + Sync),
    threads: NonZeroUsize,
) -> Option<(Outcome, Counts)> {
    let memory = BlockMemory::new(reader, block.header.beneficiary);
    // A fee recipient that exists and is empty would be deleted by a tip of nothing (EIP-161), and here nothing is nothing.
    if memory.account(&block.header.beneficiary).ok()?.is_some_and(|account| account.is_empty()) {
        return None;
    }
    let (mut outcome, counts) = run_on(chain, block, senders, &memory, threads)?;
    memory.commit(&outcome.diff);
    outcome.diff = memory.into_diff();
    Some((outcome, counts))
}

fn run_on(
    chain: &ChainSpec,
    block: &Block,
    senders: &[Address],
    memory: &BlockMemory<'_>,
    threads: NonZeroUsize,
) -> Option<(Outcome, Counts)> {
    let mut executor = BlockExecutor::new(chain, &block.header, memory);
    executor.begin().ok()?;
    memory.commit(&executor.take_diff());
    let run = Run {
        block,
        senders,
        previous: previous_of_sender(senders),
        memory,
        slots: block.transactions.iter().map(|_| Mutex::new(Slot::Open)).collect(),
        next: AtomicUsize::new(0),
        committed: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
        book: Mutex::default(),
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.get().min(block.transactions.len()) {
            scope.spawn(|| run.work(TxRunner::new(chain, &block.header, memory, HASH_SEED)));
        }
        run.work(TxRunner::new(chain, &block.header, memory, HASH_SEED));
    });
    let Book { outcomes, counts, has_failed } = run.book.into_inner().unwrap_or_else(PoisonError::into_inner);
    if has_failed {
        return None;
    }
    assert_eq!(outcomes.len(), block.transactions.len(), "all transactions are committed");
    for (transaction, outcome) in block.transactions.iter().zip(outcomes) {
        executor.accept(transaction, outcome).ok()?;
    }
    let outcome = executor.finish(&block.ommers, block.withdrawals.as_deref().unwrap_or_default()).ok()?;
    Some((outcome, counts))
}

/// Keys the journals' hash tables. No result depends on it.
const HASH_SEED: u64 = 0x7061_7261_6c6c_656c;

fn previous_of_sender(senders: &[Address]) -> Vec<Option<usize>> {
    let mut last = AddressMap::<usize>::default();
    senders.iter().enumerate().map(|(index, sender)| last.insert(*sender, index)).collect()
}

impl<'r> Run<'_, 'r> {
    fn work(&self, mut runner: TxRunner<'r>) {
        loop {
            let committed = self.committed.load(Ordering::Acquire);
            if committed == self.slots.len() || self.is_over.load(Ordering::Acquire) {
                return;
            }
            let index = self.next.load(Ordering::Relaxed);
            let may_take = index < self.slots.len() && index < committed + MAX_AHEAD;
            if may_take && self.next.compare_exchange(index, index + 1, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                let slot = self.run_early(&mut runner, index);
                *self.slot(index) = slot;
            } else if !may_take && index >= self.slots.len() {
                // What is left is somebody's who will commit it, or is ready and about to be.
                if !self.commit_ready(&mut runner) {
                    std::thread::yield_now();
                }
                continue;
            }
            self.commit_ready(&mut runner);
        }
    }

    fn slot(&self, index: usize) -> std::sync::MutexGuard<'_, Slot> {
        self.slots[index].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a transaction on what is committed so far.
    fn run_early(&self, runner: &mut TxRunner<'r>, index: usize) -> Slot {
        let committed = self.committed.load(Ordering::Acquire);
        if self.previous[index].is_some_and(|previous| previous >= committed) {
            return Slot::Turn;
        }
        match runner.run(&self.block.transactions[index], self.senders[index]) {
            Ok(effects) => Slot::Done(Box::new(effects), committed),
            Err(_) => Slot::Turn,
        }
    }

    /// Commits what is ready, unless another thread is at it; whether anything was.
    fn commit_ready(&self, runner: &mut TxRunner<'r>) -> bool {
        let mut has_committed = false;
        loop {
            let mut book = match self.book.try_lock() {
                Ok(book) => book,
                // Whoever has the book looks again after giving it back.
                Err(TryLockError::WouldBlock) => return has_committed,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            };
            while !book.has_failed && self.commit_next(&mut book, runner) {
                has_committed = true;
            }
            let is_over = book.has_failed;
            drop(book);
            if is_over {
                self.is_over.store(true, Ordering::Release);
                return has_committed;
            }
            let next = self.committed.load(Ordering::Acquire);
            if next == self.slots.len() || matches!(*self.slot(next), Slot::Open) {
                return has_committed;
            }
        }
    }

    /// Commits the next transaction, if it is ready.
    fn commit_next(&self, book: &mut Book, runner: &mut TxRunner<'r>) -> bool {
        let index = self.committed.load(Ordering::Relaxed);
        if index == self.slots.len() {
            return false;
        }
        let slot = {
            let mut slot = self.slot(index);
            if matches!(*slot, Slot::Open) {
                return false;
            }
            std::mem::replace(&mut *slot, Slot::Committed)
        };
        let effects = match slot {
            Slot::Done(effects, seen) if seen == index || self.memory.is_current(&effects) => {
                book.counts.first_time += 1;
                Ok(*effects)
            }
            slot => {
                *(if matches!(slot, Slot::Turn) { &mut book.counts.in_turn } else { &mut book.counts.again }) += 1;
                runner.run(&self.block.transactions[index], self.senders[index])
            }
        };
        let Ok(TxEffects { outcome, diff, .. }) = effects else {
            book.has_failed = true;
            return false;
        };
        self.memory.commit(&diff);
        self.memory.pay(outcome.tip);
        book.outcomes.push(outcome);
        self.committed.store(index + 1, Ordering::Release);
        true
    }
}
