//! Blocks by their access lists (EIP-7928).
//!
//! A list says of everything that a block touches what each transaction leaves there. Whoever has it knows the state before each
//! transaction without running those before it, so all of them can be run at once, on as many threads as there are; none waits for
//! another, none is run twice, and tips are paid where they are due, for the fee recipient's balance is in the list like any other.
//! A thread takes a few that follow each other at a time: the second finds what the first has read and changed where it left it.
//!
//! # Why the outcome is that of one thread
//! The list is believed of nobody. After each transaction what it changed is compared with what the list has at its index: it must
//! be that and no more. So, by induction from the state before the block, if every part of the block does what the list says when
//! it is run on what the list says of the parts before, then the list says what running them in order does. What is in the list
//! must also have been accessed, and what was accessed must be in it (see `view`), which says that the list is complete and
//! has nothing too much. The changes of the block then need no collecting: they are the list's, and are read from it even before
//! it is known to be right.
//!
//! # When it is wrong
//! Whatever goes wrong here, even an error of the reader, is no verdict: the block is then run in order, and what that gives is
//! the answer. Where the list is part of the consensus, it is then compared with the one that execution gives, and the
//! first difference refuses the block. Before Amsterdam it is a hint, and a wrong hint has only cost time.

mod cells;
mod view;

use crate::pool;
use alloy_primitives::{Address, Bloom};
use rialto_state::{Code, Diff, StateReader, TxChange, TxChanges};
use rialto_stf::{
    AccountChanges, Block, BlockAccessList, BlockError, BlockExecutor, BlockRules, ChainSpec, LogHasher, Outcome,
    Transaction, TxOutcome, TxRunner, validate_body,
};
use rialto_vm::Tier;
use std::cmp::Reverse;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use view::{ListReader, ListView};

/// Keys the journals' hash tables. No result depends on it.
const HASH_SEED: u64 = 0x6c69_7374;

/// About so many units are there for each thread.
const UNITS_PER_THREAD: u128 = 16;

/// Accounts of which a job makes the diff.
const ACCOUNTS_PER_JOB: usize = 64;

/// A block to be run.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub chain: &'a ChainSpec,
    pub block: &'a Block,
    pub senders: &'a [Address],
    pub reader: &'a (dyn StateReader + Sync),
    pub tier: Option<&'a dyn Tier>,
    pub threads: NonZeroUsize,
    pub is_body_known: bool,
}

impl Job<'_> {
    fn rules(&self) -> &'static BlockRules {
        self.chain.rules_at(self.block.header.number, self.block.header.timestamp)
    }
}

/// The index of what follows the transactions.
fn last_index(block: &Block) -> Option<u32> {
    u32::try_from(block.transactions.len()).ok()?.checked_add(1)
}

/// Runs a block by its list; `None` if anything is not as the list says, or the body not as the header says, or anything failed.
/// The fork must be one whose receipts have a status and whose empty accounts are cleared.
pub(crate) fn run(job: &Job<'_>, list: &BlockAccessList) -> Option<Outcome> {
    let last_index = last_index(job.block)?;
    let progress = Progress::default();
    let work: OnceLock<Work<'_>> = OnceLock::new();
    // Waking threads takes about as long as making ready what they need for the transactions; the body they can look at before.
    pool::beside(
        job.threads,
        || {
            progress.check_body(job);
            work.wait().run_jobs();
        },
        || {
            let work = work.get_or_init(|| Work::new(job, list, last_index, &progress));
            work.run_beginning();
            work.run_jobs();
            progress.check_body(job);
        },
    );
    work.into_inner()?.finish()
}

/// What is to be done, and what has come of it.
struct Work<'a> {
    job: &'a Job<'a>,
    list: &'a BlockAccessList,
    last_index: u32,
    view: ListView<'a>,
    /// Transactions in a row that are run together, in the order in which they are taken.
    units: Vec<Range<usize>>,
    /// What each did, with the bloom filter of its logs.
    outcomes: Vec<OnceLock<Box<(TxOutcome, Bloom)>>>,
    /// What the block changed, of so many accounts each.
    diffs: Vec<OnceLock<Diff>>,
    progress: &'a Progress,
}

/// What all threads write, on a cache line where nothing else is.
#[derive(Default)]
#[repr(align(128))]
struct Progress {
    /// The next job that nobody has taken: first the units, then parts of the diff.
    next: AtomicUsize,
    is_body_taken: AtomicBool,
    has_failed: AtomicBool,
}

impl Progress {
    fn expect(&self, is_right: bool) {
        if !is_right {
            self.has_failed.store(true, Ordering::Relaxed);
        }
    }

    /// Compares the block's body with its header, unless somebody else has.
    fn check_body(&self, job: &Job<'_>) {
        if !self.is_body_taken.swap(true, Ordering::Relaxed) {
            self.expect(job.is_body_known || validate_body(job.rules(), job.block).is_ok());
        }
    }
}

/// Transactions in a row to be run together: what one of them has read need not be read again for the next. A unit is as many as
/// may use a small share of the gas that all may, and is taken the earlier the more that is, so that no thread is left with
/// much when the others are through.
fn units_of(transactions: &[Transaction], threads: NonZeroUsize) -> Vec<Range<usize>> {
    let all: u128 = transactions.iter().map(|transaction| u128::from(transaction.gas_limit)).sum();
    let share = all / (UNITS_PER_THREAD * threads.get() as u128);
    let mut units: Vec<(u128, Range<usize>)> = Vec::new();
    for (position, transaction) in transactions.iter().enumerate() {
        let gas_limit = u128::from(transaction.gas_limit);
        match units.last_mut() {
            Some((gas, unit)) if *gas + gas_limit <= share => {
                *gas += gas_limit;
                unit.end = position + 1;
            }
            _ => units.push((gas_limit, position..position + 1)),
        }
    }
    units.sort_by_key(|(gas, _)| Reverse(*gas));
    units.into_iter().map(|(_, unit)| unit).collect()
}

impl<'a> Work<'a> {
    /// Of a list that is wrong in form there is nothing to be done, but whoever waits for this goes on.
    fn new(job: &'a Job<'a>, list: &'a BlockAccessList, last_index: u32, progress: &'a Progress) -> Self {
        progress.expect(list.validate(last_index).is_ok());
        let transactions = &job.block.transactions;
        Self {
            job,
            list,
            last_index,
            view: ListView::new(list, job.reader, last_index),
            units: units_of(transactions, job.threads),
            outcomes: transactions.iter().map(|_| OnceLock::new()).collect(),
            diffs: list.0.chunks(ACCOUNTS_PER_JOB).map(|_| OnceLock::new()).collect(),
            progress,
        }
    }

    /// Runs what comes before the transactions.
    fn run_beginning(&self) {
        let Job { chain, block, tier, .. } = *self.job;
        let reader = ListReader::new(&self.view);
        let mut executor = BlockExecutor::new(chain, &block.header, &reader).with_tier(tier).with_access_list();
        let has_begun = executor.begin().is_ok();
        let mut accesses = executor.access_list().map(std::mem::take).unwrap_or_default();
        accesses.access_all_of(executor.state());
        self.progress.expect(has_begun && is_part(&self.view, &reader, &accesses.finish(), 0));
    }

    /// Takes jobs until there are none left, or one fails.
    fn run_jobs(&self) {
        let Job { chain, block, tier, .. } = *self.job;
        let reader = ListReader::new(&self.view);
        let mut runner = TxRunner::new(chain, &block.header, &reader, HASH_SEED).with_tier(tier);
        let (mut changes, mut log_hasher) = (TxChanges::new(), LogHasher::default());
        while !self.progress.has_failed.load(Ordering::Relaxed) {
            let next = self.progress.next.fetch_add(1, Ordering::Relaxed);
            let is_done = if let Some(unit) = self.units.get(next) {
                self.run_unit(&reader, (&mut runner, &mut changes, &mut log_hasher), unit.clone())
            } else if let Some(part) = self.diffs.get(next - self.units.len()) {
                let first = (next - self.units.len()) * ACCOUNTS_PER_JOB;
                let last = self.list.0.len().min(first + ACCOUNTS_PER_JOB);
                self.view.diff(first..last).ok().and_then(|diff| part.set(diff).ok())
            } else {
                return;
            };
            self.progress.expect(is_done.is_some());
        }
    }

    /// Runs transactions in a row, the first on what the list says, the others on what those before them have left.
    fn run_unit(
        &self,
        reader: &ListReader<'_, '_>,
        (runner, changes, log_hasher): (&mut TxRunner<'_>, &mut TxChanges, &mut LogHasher),
        unit: Range<usize>,
    ) -> Option<()> {
        let index_of = |position: usize| u32::try_from(position + 1).ok();
        runner.forget();
        reader.set_index(index_of(unit.start)?);
        for position in unit {
            let transaction = &self.job.block.transactions[position];
            let outcome = runner.run_in_place(transaction, self.job.senders[position], changes).ok()?;
            if !self.view.has_just(index_of(position)?, changes, reader.lookups()) {
                return None;
            }
            let logs_bloom = log_hasher.bloom(&outcome.logs);
            self.outcomes[position].set(Box::new((outcome, logs_bloom))).ok()?;
        }
        self.view.note_unasked(runner.journal(), reader.lookups()).then_some(())
    }

    /// Writes the receipts, runs what comes after the transactions and puts the outcome together.
    fn finish(self) -> Option<Outcome> {
        let Self { job, list, last_index, view, outcomes, diffs, progress, .. } = self;
        if progress.has_failed.load(Ordering::Relaxed) {
            return None;
        }
        let reader = ListReader::new(&view);
        reader.set_index(last_index);
        let mut executor =
            BlockExecutor::new(job.chain, &job.block.header, &reader).with_tier(job.tier).with_access_list();
        for (transaction, outcome) in job.block.transactions.iter().zip(outcomes) {
            let (outcome, logs_bloom) = *outcome.into_inner()?;
            executor.accept_with_bloom(transaction, outcome, logs_bloom).ok()?;
        }
        let withdrawals = job.block.withdrawals.as_deref().unwrap_or_default();
        let mut outcome = executor.finish(&job.block.ommers, withdrawals).ok()?;
        let accesses = outcome.block_access_list.take()?;
        if !is_part(&view, &reader, &accesses, last_index) || !view.is_exhausted() {
            return None;
        }
        outcome.diff = Diff::default();
        for part in diffs {
            let part = part.into_inner()?;
            outcome.diff.accounts.extend(part.accounts);
            outcome.diff.codes.extend(part.codes);
        }
        outcome.diff.codes.sort_unstable_by_key(Code::hash);
        outcome.diff.codes.dedup_by_key(|code| code.hash());
        outcome.block_access_list = job.rules().has_access_lists.then(|| list.clone());
        Some(outcome)
    }
}

/// Whether a part of the block, which is not a transaction and accessed and, as its only part, changed this, is as the list says.
fn is_part(view: &ListView<'_>, reader: &ListReader<'_, '_>, accesses: &BlockAccessList, index: u32) -> bool {
    view.note_all_of(accesses, reader.lookups()) && view.has_just(index, &changes_at(accesses, 0), reader.lookups())
}

/// What a list has at an index.
fn changes_at(list: &BlockAccessList, index: u32) -> Vec<TxChange> {
    let mut changes = Vec::new();
    for AccountChanges { address, storage_changes, balance_changes, nonce_changes, code_changes, .. } in &list.0 {
        let address = *address;
        for slot in storage_changes {
            let at_index = slot.changes.iter().filter(|change| change.index == index);
            changes.extend(at_index.map(|change| TxChange::Slot(address, slot.slot, change.value)));
        }
        let balances = balance_changes.iter().filter(|change| change.index == index);
        changes.extend(balances.map(|change| TxChange::Balance(address, change.balance)));
        let nonces = nonce_changes.iter().filter(|change| change.index == index);
        changes.extend(nonces.map(|change| TxChange::Nonce(address, change.nonce)));
        let codes = code_changes.iter().filter(|change| change.index == index);
        changes.extend(codes.map(|change| TxChange::Code(address, Code::new(change.code.clone()))));
    }
    changes
}

/// Compares the list that came with a block with the one that executing it gave, where lists are part of the consensus.
pub(crate) fn check(block: &Block, list: &BlockAccessList, outcome: &Outcome) -> Result<(), BlockError> {
    let Some(expected) = &outcome.block_access_list else { return Ok(()) };
    if list == expected {
        return Ok(());
    }
    if let Some(hash) = block.header.block_access_list_hash {
        let found = list.hash();
        if found != hash {
            return Err(BlockError::BodyRoot { field: "block_access_list_hash", expected: hash, found });
        }
    }
    list.validate(last_index(block).unwrap_or(u32::MAX)).map_err(BlockError::AccessListForm)?;
    match list.first_difference(expected) {
        Some(difference) => Err(BlockError::AccessList(Box::new(difference))),
        None => Ok(()),
    }
}
