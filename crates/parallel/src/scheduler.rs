//! Who runs which transactions when.
//!
//! # Shape
//! A block is cut into units of one transaction, or of a few small ones in a row. All threads do the same (`worker`): each takes the
//! next unit, runs it on what it can see from its place in the block, and commits it when all before it are committed. There is
//! no thread that only coordinates, no lock that one holds while another wants it for long, and no table that two threads write to:
//! a thread learns what others did from their records (`record`) and keeps what it knows in a journal of its own.
//!
//! Who takes which next is told in `queue`. What all threads do together at the end, when each has the whole state, in `shares`.
//!
//! # Why the outcome is that of one thread
//! Units are committed in their order, each by the thread that ran it. When it is a unit's turn, that thread has put in all
//! records before it, so its journal holds exactly the state that a single thread would have. If what the unit read still
//! holds, then running it now would do the same, and its changes are made the state. If not, it is run again, now, and what
//! comes out needs no check.
//!
//! The check compares values, not versions, and no more of them than the unit looked at: who adds to a balance does not
//! depend on it, and who takes from it depends on its being enough ([`rialto_state::AccountRead`]).
//!
//! # Seeing ahead
//! What a unit that waits for its turn has done is an estimate of what it will be found to have done: it lies in the log as a version
//! of its own, and units behind it read it in the stead of what is committed. A thread that is far enough ahead looks whether
//! its own units that wait have become stale, and runs them again before their turn.
//!
//! # Bounds
//! A unit is run a few times at most. Where most have to be run again in their turn, or one thread does all while the others have
//! nothing to do, nothing is gained by more threads, and the rest of the block is run by one, at the speed of one.
//!
//! # Errors
//! Whatever goes wrong here, the block is executed again by one thread from the beginning, whose error is the answer: an invalid block
//! is refused for the same reason whoever refuses it.

use crate::pool::beside;
use crate::queue::{Queue, Seeker};
use crate::record::Record;
use crate::shares::Shares;
use crate::strategy::Strategy;
use crate::sync::{
    AtomicBool, AtomicU32, AtomicUsize, Counted, Line, Mutex, OnEnd, OnPanic, OnceLock, Ordering, Patience, lock,
    yield_now,
};
use crate::units::units;
use crate::worker::Worker;
use alloy_primitives::{Address, U256};
use rialto_state::{Changes, JournalReader, StateReader, TxChanges};
use rialto_stf::{Block, BlockExecutor, BlockRules, ChainSpec, Outcome, Receipt, TxGas, TxRunner, validate_body};
use rialto_vm::Tier;
use std::ops::Range;

/// Of how many last committed units it is remembered whether they had to be run in their turn.
const REMEMBERED: u32 = 16;
/// With so many of them, none is run ahead for a while.
const TOO_MANY_AGAIN: u32 = 12;
/// With so many of them run by one thread while all others had nothing to do, that one goes on alone.
const TOO_MANY_LONE: u32 = 14;
/// For so many units the first time, and four times as many each time after.
const FIRST_PAUSE: usize = 16;
/// So often. The next time, one thread goes on alone.
const MAX_PAUSES: usize = 2;
/// After so many looks for something to do a thread counts as idle.
const IDLE: usize = 20;
/// After so many in which nobody has committed anything it takes what was left to others.
const IMPATIENT: usize = 400;

/// How a block was run, in transactions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that were committed as they had been run before their turn.
    pub ahead: usize,
    /// Those that were run, or run again, in their turn.
    pub in_turn: usize,
    /// Of these, those that had been run before, for nothing.
    pub again: usize,
    /// Those that one thread ran alone.
    pub alone: usize,
    /// Those that were run by the block's access list.
    pub by_list: usize,
}

/// Accounts and slots that a unit read, and what each of its transactions changed.
type Listed = (Vec<Address>, Vec<(Address, U256)>, Vec<TxChanges>);

/// A unit's place in the log that all threads read.
#[derive(Default)]
pub(crate) struct Entry {
    /// What the unit did when it was first run, if that was before its turn.
    estimate: OnceLock<Box<Record>>,
    /// What it did, if that is not what the estimate says.
    last: OnceLock<Box<Record>>,
    /// The receipts of a committed unit's transactions, but for the gas that the block has used.
    pub done: Mutex<Option<Vec<(TxGas, Receipt)>>>,
    /// Where a list is made.
    pub listed: Mutex<Option<Listed>>,
}

impl Entry {
    /// Tells what the unit seems to do.
    pub fn estimate(&self, record: Record) {
        let _ = self.estimate.set(Box::new(record));
    }

    /// What the unit seems to do.
    pub fn estimated(&self) -> Option<&Record> {
        self.estimate.get().map(|record| &**record)
    }

    /// Tells what the unit does, which is something else than what was estimated, or nothing was.
    pub fn correct(&self, record: Record) {
        let _ = self.last.set(Box::new(record));
    }

    /// Whether there is an estimate that was not corrected.
    pub fn is_as_estimated(&self) -> bool {
        self.last.get().is_none() && self.estimate.get().is_some()
    }

    /// What the unit did. Of a committed one.
    pub fn record(&self) -> &Record {
        self.last.get().or_else(|| self.estimate.get()).expect("a committed unit has a record")
    }
}

/// A block under way.
pub(crate) struct Run<'a> {
    pub block: &'a Block,
    pub senders: &'a [Address],
    pub units: Vec<Range<usize>>,
    pub queue: Queue,
    /// The addresses of the chain's native modules.
    pub modules: Vec<Address>,
    pub log: Vec<Entry>,
    /// Whether what changed is to be listed (EIP-7928).
    pub has_list: bool,
    /// Units that are committed.
    committed: Line<Committed>,
    tally: Line<Tally>,
    flags: Line<Flags>,
    /// Threads that there are, if all come.
    all_threads: usize,
    /// Threads that have come.
    threads: Line<AtomicUsize>,
    /// Of these, those that have had nothing to do for a while.
    idle: Line<AtomicUsize>,
    /// Threads that are at work.
    working: Line<AtomicUsize>,
    shares: Shares,
}

/// How far units are committed. Only who has the turn writes it.
#[derive(Default)]
struct Committed {
    units: AtomicUsize,
    /// The thread that committed the last one.
    last_by: AtomicUsize,
}

/// How units came to be committed. Only who has the turn writes it.
#[derive(Default)]
struct Tally {
    /// A bit for each of the last committed units: whether it had to be run again in its turn. The last is the lowest.
    last: AtomicU32,
    /// Likewise: whether it was run in its turn while no other thread had anything to do, though they might.
    lone: AtomicU32,
    pauses: AtomicUsize,
    ahead: AtomicUsize,
    in_turn: AtomicUsize,
    again: AtomicUsize,
}

/// What is seldom written.
#[derive(Default)]
struct Flags {
    /// Whether somebody compares the block's body with its header.
    is_body_taken: AtomicBool,
    /// Whether one thread goes on alone.
    is_over: AtomicBool,
    /// Whether something went wrong.
    has_failed: AtomicBool,
}

/// The receipts so far, which the caller's thread writes while others run transactions.
struct Receipts<'e> {
    executor: BlockExecutor<'e>,
    /// The next unit.
    next: usize,
}

/// How long a thread has had nothing to do.
#[derive(Default)]
struct Idle<'r> {
    /// Units that were settled when it last looked.
    applied: usize,
    /// Looks since somebody last committed something.
    looks: usize,
    /// Looks since it last did something: others may need the core, whatever is committed.
    patience: Patience,
    /// That it is among those who are idle.
    counted: Option<Counted<'r>>,
}

impl<'r> Idle<'r> {
    /// Notes how far all is settled.
    fn see(&mut self, applied: usize) {
        if std::mem::replace(&mut self.applied, applied) < applied {
            self.looks = 0;
        }
    }

    fn wait(&mut self, idle: &'r AtomicUsize) {
        self.looks += 1;
        self.patience.wait();
        if self.looks >= IDLE && self.counted.is_none() {
            self.counted = Some(Counted::new(idle));
        }
    }
}

/// Runs the block on several threads. `None` where something went wrong.
pub(crate) fn run(
    chain: &ChainSpec,
    block: &Block,
    senders: &[Address],
    reader: &(dyn StateReader + Sync),
    strategy: &Strategy<'_>,
) -> Option<(Outcome, Counts)> {
    // A fee recipient that exists and is empty would be deleted by a tip of nothing (EIP-161), and here nothing is nothing.
    if reader.account(&block.header.beneficiary).ok()?.is_some_and(|account| account.is_empty()) {
        return None;
    }
    let rules = chain.rules_at(block.header.number, block.header.timestamp);
    let beginning = Beginning::default();
    let runner = || TxRunner::new(chain, &block.header, reader, HASH_SEED).with_tier(strategy.tier);
    // Others take a while to wake up; what they need is made meanwhile.
    let result = beside(
        strategy.threads,
        || {
            let Some((run, begun)) = beginning.wait() else { return };
            let _guard = OnPanic(|| run.fail());
            run.check_body(rules);
            if let Some(runner) = run.work(runner(), begun, None) {
                run.share(runner);
            }
        },
        || {
            let _guard = OnEnd(|| beginning.is_over.store(true, Ordering::Release));
            let mut executor = BlockExecutor::new(chain, &block.header, reader).with_tier(strategy.tier);
            executor.begin().ok()?;
            let modules = chain.modules_at(block.header.timestamp).iter().map(|module| module.address()).collect();
            let run = Run::new(block, senders, modules, strategy, rules.has_access_lists);
            let _ = beginning.made.set((run, Changes::from(&executor.take_diff())));
            let (run, begun) = beginning.made.get()?;
            let _guard = OnPanic(|| run.fail());
            executor.reserve_accepted(block.transactions.len());
            let mut receipts = Receipts { executor, next: 0 };
            let runner = run.work(runner(), begun, Some(&mut receipts))?;
            run.check_body(rules);
            run.finish(chain, strategy.tier, receipts, runner)
        },
    );
    // Only now all are through, whoever compares the block's body with its header among them.
    let has_failed = beginning.made.get().is_none_or(|(run, _)| run.has_failed());
    if has_failed { None } else { result }
}

/// What all threads need before they can work.
#[derive(Default)]
struct Beginning<'a> {
    /// The run, and what the block did before its transactions.
    made: OnceLock<(Run<'a>, Changes)>,
    /// Whether the calling thread is through.
    is_over: AtomicBool,
}

impl<'a> Beginning<'a> {
    /// `None` where there is nothing left to do.
    fn wait(&self) -> Option<&(Run<'a>, Changes)> {
        let mut patience = Patience::default();
        loop {
            if let Some(made) = self.made.get() {
                let is_open = made.0.committed() < made.0.units.len() && !made.0.is_over();
                return is_open.then_some(made);
            }
            if self.is_over.load(Ordering::Acquire) {
                return None;
            }
            patience.wait();
        }
    }
}

/// Keys the journals' hash tables. No result depends on it.
const HASH_SEED: u64 = 0x7061_7261_6c6c_656c;

impl<'a> Run<'a> {
    fn new(
        block: &'a Block,
        senders: &'a [Address],
        modules: Vec<Address>,
        strategy: &Strategy<'_>,
        has_list: bool,
    ) -> Self {
        let units = units(block, strategy.threads.get(), has_list);
        Self {
            block,
            senders,
            modules,
            log: units.iter().map(|_| Entry::default()).collect(),
            queue: Queue::new(block, senders, &units, strategy.threads.get()),
            units,
            has_list,
            committed: Line::default(),
            tally: Line::default(),
            flags: Line(Flags { is_body_taken: AtomicBool::new(strategy.is_body_known), ..Flags::default() }),
            all_threads: strategy.threads.get(),
            threads: Line::default(),
            idle: Line::default(),
            working: Line::default(),
            shares: Shares::new(strategy.threads.get()),
        }
    }

    /// Runs and commits units until all are committed, and are in the runner's journal, or one thread is to go on alone.
    fn work<'r>(
        &self,
        runner: TxRunner<'r>,
        begun: &Changes,
        mut receipts: Option<&mut Receipts<'_>>,
    ) -> Option<TxRunner<'r>> {
        let mut runner = runner.with_changes(self.has_list);
        if runner.start_trials(begun).is_err() {
            self.fail();
            return None;
        }
        let thread = self.threads.0.fetch_add(1, Ordering::Relaxed);
        let mut worker = Worker::new(self, thread, runner);
        let at_work = Counted::new(&self.working.0);
        let mut idle = Idle::default();
        while !self.is_over() {
            idle.see(worker.applied);
            let has_committed = worker.commit_own();
            if worker.applied == self.units.len() {
                break;
            }
            let has_run = match has_committed {
                Some(false) => worker.run_next(idle.looks >= IMPATIENT),
                other => other,
            };
            match has_run {
                None => self.fail(),
                Some(has_run) if has_run || worker.renew_one() => {
                    idle = Idle { applied: worker.applied, ..Idle::default() };
                    continue;
                }
                Some(_) => (),
            }
            // There is nothing better to do.
            if let Some(receipts) = &mut receipts
                && self.write_receipts(receipts).is_none()
            {
                self.fail();
            }
            idle.wait(&self.idle.0);
        }
        drop((at_work, idle));
        if self.is_over() {
            // Somebody may be about to commit his last; who comes to work from now on commits nothing.
            while self.working.0.load(Ordering::Acquire) > 0 {
                yield_now();
            }
        }
        Some(worker.into_runner())
    }

    /// Whether all units are committed.
    fn is_complete(&self) -> bool {
        self.committed() == self.units.len()
    }

    /// Makes a part of the diff.
    fn share(&self, mut runner: TxRunner<'_>) {
        if !self.is_complete() {
            return;
        }
        if self.shares.make_last(&mut runner).is_err() {
            self.fail();
        }
    }

    /// Units that are committed.
    pub fn committed(&self) -> usize {
        self.committed.0.units.load(Ordering::Acquire)
    }

    /// Commits the unit whose turn it is.
    pub fn commit(&self, unit: usize, thread: usize) {
        self.committed.0.last_by.store(thread, Ordering::Relaxed);
        self.committed.0.units.store(unit + 1, Ordering::Release);
    }

    /// Whether nobody is to commit any more.
    pub fn is_over(&self) -> bool {
        self.flags.0.is_over.load(Ordering::Acquire)
    }

    fn has_failed(&self) -> bool {
        self.flags.0.has_failed.load(Ordering::Acquire)
    }

    /// Compares the block's body with its header, unless somebody else has, or it is known.
    fn check_body(&self, rules: &BlockRules) {
        let is_taken = self.flags.0.is_body_taken.swap(true, Ordering::Relaxed);
        if !is_taken && validate_body(rules, self.block).is_err() {
            self.flags.0.has_failed.store(true, Ordering::Release);
        }
    }

    /// Ends everything: something went wrong.
    fn fail(&self) {
        self.flags.0.has_failed.store(true, Ordering::Release);
        self.flags.0.is_over.store(true, Ordering::Release);
    }

    /// Counts a unit, and ends the run of many threads where they are of no use.
    pub fn count(&self, unit: usize, thread: usize, is_ahead: bool, was_in_turn: bool) {
        self.queue.lanes.count(unit, thread, !is_ahead);
        let transactions = self.units[unit].len();
        let tally = &self.tally.0;
        let add =
            |counter: &AtomicUsize| counter.store(counter.load(Ordering::Relaxed) + transactions, Ordering::Relaxed);
        add(if is_ahead && !was_in_turn { &tally.ahead } else { &tally.in_turn });
        if !is_ahead {
            add(&tally.again);
        }
        let is_many = |bits: u32, many: u32| (bits & ((1 << REMEMBERED) - 1)).count_ones() >= many;
        let again = tally.last.load(Ordering::Relaxed) << 1 | u32::from(!is_ahead);
        tally.last.store(again, Ordering::Relaxed);
        let is_lone = was_in_turn
            && unit >= self.queue.paused_until()
            && self.idle.0.load(Ordering::Relaxed) + 1 == self.all_threads;
        let lone = tally.lone.load(Ordering::Relaxed) << 1 | u32::from(is_lone);
        tally.lone.store(lone, Ordering::Relaxed);
        if is_many(lone, TOO_MANY_LONE) {
            self.flags.0.is_over.store(true, Ordering::Release);
        } else if is_many(again, TOO_MANY_AGAIN) {
            self.pause(unit);
        }
    }

    /// Lets no more units be run ahead for a while, or for the rest of the block.
    fn pause(&self, unit: usize) {
        let tally = &self.tally.0;
        let pauses = tally.pauses.load(Ordering::Relaxed);
        if pauses == MAX_PAUSES {
            self.flags.0.is_over.store(true, Ordering::Release);
            return;
        }
        tally.pauses.store(pauses + 1, Ordering::Relaxed);
        tally.last.store(0, Ordering::Relaxed);
        self.queue.pause_until(unit + (FIRST_PAUSE << (2 * pauses)));
    }

    /// Takes the next unit that may be run by a thread which has put in so many.
    pub fn take(&self, thread: usize, applied: usize, is_impatient: bool) -> Option<usize> {
        let committed = &self.committed.0;
        let has_turn = is_impatient || committed.last_by.load(Ordering::Relaxed) == thread;
        let seeker = Seeker { thread, applied, committed: || self.committed(), has_turn, is_impatient };
        self.queue.take(&seeker, |unit| self.log[unit].estimated().is_some())
    }

    /// Writes the receipts of units that are committed, as far as there are. `None` where the block has no room for a transaction.
    fn write_receipts(&self, receipts: &mut Receipts<'_>) -> Option<()> {
        while let Some(entry) = self.log.get(receipts.next) {
            let Some(done) = lock(&entry.done).take() else { break };
            for (gas, receipt) in done {
                receipts.executor.accept_receipt(&gas, receipt).ok()?;
            }
            receipts.next += 1;
        }
        Some(())
    }

    /// Takes what was committed to the executor, and runs what was not.
    fn finish<'r>(
        &self,
        chain: &ChainSpec,
        tier: Option<&'r dyn Tier>,
        mut receipts: Receipts<'r>,
        mut runner: TxRunner<'r>,
    ) -> Option<(Outcome, Counts)> {
        if self.has_failed() {
            return None;
        }
        let committed = self.committed();
        let rest = self.units.get(committed).map_or(self.senders.len(), |range| range.start);
        while receipts.next < committed {
            self.write_receipts(&mut receipts)?;
            if receipts.next < committed {
                // Whoever committed it is still at it.
                yield_now();
            }
        }
        let tally = &self.tally.0;
        let counts = Counts {
            ahead: tally.ahead.load(Ordering::Relaxed),
            in_turn: tally.in_turn.load(Ordering::Relaxed),
            again: tally.again.load(Ordering::Relaxed),
            alone: self.senders.len() - rest,
            by_list: 0,
        };
        let mut executor = receipts.executor;
        if self.has_list {
            self.list(&mut executor, committed)?;
        }
        if !self.is_complete() {
            runner.journal_mut().stop_trials().ok()?;
        }
        let outcome = if self.has_list || self.is_complete() {
            let settled = JournalReader(runner.journal());
            let mut outcome = self.end(executor.go_on_over(chain, &settled).with_tier(tier), rest)?;
            let mut diff = match self.is_complete() {
                true => self.shares.collect(&mut runner, || self.has_failed())?,
                false => runner.journal().diff(),
            };
            diff.add(outcome.diff);
            outcome.diff = diff;
            outcome
        } else {
            executor.go_on_from(runner);
            self.end(executor, rest)?
        };
        Some((outcome, counts))
    }

    /// Lists what committed units read and changed.
    fn list(&self, executor: &mut BlockExecutor<'_>, committed: usize) -> Option<()> {
        let list = executor.access_list()?;
        for entry in &self.log[..committed] {
            let (accounts, slots, changes) = lock(&entry.listed).take()?;
            list.access_account(&self.block.header.beneficiary);
            accounts.iter().for_each(|address| list.access_account(address));
            slots.into_iter().for_each(|(address, slot)| list.access_slot(&address, slot));
            changes.into_iter().for_each(|changes| list.end_part(changes));
        }
        Some(())
    }

    /// Runs the transactions from `rest` on, and what ends the block.
    fn end(&self, mut executor: BlockExecutor<'_>, rest: usize) -> Option<Outcome> {
        for (transaction, sender) in self.block.transactions.iter().zip(self.senders).skip(rest) {
            executor.transaction(transaction, *sender).ok()?;
        }
        executor.finish(&self.block.ommers, self.block.withdrawals.as_deref().unwrap_or_default()).ok()
    }
}
