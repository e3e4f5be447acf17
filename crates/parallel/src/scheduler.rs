//! Who runs which transactions when.
//!
//! # Shape
//! A block is cut into units of one transaction, or of a few small ones in a row. All threads do the same (`worker`): each takes the
//! next unit, runs it on what it can see from its place in the block, and commits it when all before it are committed. There is
//! no thread that only coordinates, no lock that one holds while another wants it for long, and no table that two threads write to:
//! a thread learns what others did from their records (`record`) and keeps what it knows in a journal of its own.
//!
//! Units are taken in the order of the block, but for those that may use much of its gas: they come first, so that no thread
//! is left with a long one when the others are through. Where those to one contract are in each other's way, one thread takes
//! them all (`lanes`).
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
//! A unit is run a few times at most. Where most have to be run again in their turn, nothing is gained by more threads, and
//! the rest of the block is run by one, at the speed of one.
//!
//! # Errors
//! Whatever goes wrong here, the block is executed again by one thread from the beginning, whose error is the answer: an invalid block
//! is refused for the same reason whoever refuses it.

use crate::lanes::Lanes;
use crate::pool::beside;
use crate::record::Record;
use crate::strategy::Strategy;
use crate::sync::{
    AtomicBool, AtomicU32, AtomicUsize, Counted, Mutex, OnPanic, OnceLock, Ordering, lock, spin_loop, yield_now,
};
use crate::units::{order_of, units};
use crate::worker::Worker;
use alloy_primitives::{Address, Bloom, U256, map::AddressMap};
use rialto_state::{Changes, JournalReader, StateReader, TxChanges};
use rialto_stf::{Block, BlockExecutor, BlockRules, ChainSpec, Outcome, TxOutcome, TxRunner, validate_body};
use rialto_vm::Tier;
use std::ops::Range;

/// How far ahead of the last committed unit others are run, for each thread.
const AHEAD_FOR_EACH_THREAD: usize = 128;
/// Of how many last committed units it is remembered whether they had to be run in their turn.
const REMEMBERED: u32 = 16;
/// With so many of them, none is run ahead for a while.
const TOO_MANY_AGAIN: u32 = 8;
/// For so many units the first time, and four times as many each time after.
const FIRST_PAUSE: usize = 16;
/// So often. The next time, one thread goes on alone.
const MAX_PAUSES: usize = 2;
/// Looks for something to do before a thread lets others have the core.
const SPINS: usize = 200;

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
    /// What the transactions of a committed unit did, with the bloom filters of their logs.
    pub done: Mutex<Option<Vec<(TxOutcome, Bloom)>>>,
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
    /// In which units are taken.
    order: Vec<usize>,
    /// For each transaction the unit of the previous one of its sender, if that is another unit.
    pub previous: Vec<Option<usize>>,
    lanes: Lanes,
    /// The addresses of the chain's native modules.
    pub modules: Vec<Address>,
    pub log: Vec<Entry>,
    max_ahead: usize,
    /// Whether what changed is to be listed (EIP-7928).
    pub has_list: bool,
    /// The next place in the order that nobody has taken.
    next: Line<AtomicUsize>,
    /// Units that are committed.
    committed: Line<AtomicUsize>,
    tally: Line<Tally>,
    flags: Line<Flags>,
    /// Threads that have come.
    threads: Line<AtomicUsize>,
    /// Threads that are at work.
    working: Line<AtomicUsize>,
}

/// What threads write, on a cache line where nothing else is.
#[derive(Default)]
#[repr(align(128))]
struct Line<T>(T);

/// How units came to be committed. Only who has the turn writes it.
#[derive(Default)]
struct Tally {
    /// A bit for each of the last committed units: whether it had to be run again in its turn. The last is the lowest.
    last: AtomicU32,
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
    /// Units before this one are not run ahead any more.
    paused_until: AtomicUsize,
}

/// The receipts so far, which the caller's thread writes while others run transactions.
struct Receipts<'e> {
    executor: BlockExecutor<'e>,
    /// The next unit.
    next: usize,
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
    let modules = chain.modules_at(block.header.timestamp).iter().map(|module| module.address()).collect();
    let run = Run::new(block, senders, modules, strategy, rules.has_access_lists);
    let begun = OnceLock::default();
    let runner = || TxRunner::new(chain, &block.header, reader, HASH_SEED).with_tier(strategy.tier);
    let result = beside(
        strategy.threads,
        || {
            let _guard = OnPanic(|| run.fail());
            run.check_body(rules);
            let Some(begun) = run.wait_for_beginning(&begun) else { return };
            run.work(runner(), begun, None);
        },
        || {
            let _guard = OnPanic(|| run.fail());
            let mut executor = BlockExecutor::new(chain, &block.header, reader).with_tier(strategy.tier);
            if executor.begin().is_err() {
                run.fail();
                return None;
            }
            let _ = begun.set(Changes::from(&executor.take_diff()));
            executor.reserve(block.transactions.len());
            let mut receipts = Receipts { executor, next: 0 };
            let runner = run.work(runner(), begun.get()?, Some(&mut receipts))?;
            run.check_body(rules);
            run.finish(chain, strategy.tier, receipts, runner)
        },
    );
    if run.flags.0.has_failed.load(Ordering::Acquire) { None } else { result }
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
        let mut last = AddressMap::<usize>::default();
        let mut previous = Vec::with_capacity(senders.len());
        for (unit, range) in units.iter().enumerate() {
            for sender in &senders[range.clone()] {
                previous.push(last.insert(*sender, unit).filter(|other| *other != unit));
            }
        }
        Self {
            block,
            senders,
            previous,
            modules,
            lanes: Lanes::new(block, &units, strategy.threads.get()),
            log: units.iter().map(|_| Entry::default()).collect(),
            order: order_of(block, &units),
            units,
            max_ahead: AHEAD_FOR_EACH_THREAD * strategy.threads.get(),
            has_list,
            next: Line::default(),
            committed: Line::default(),
            tally: Line::default(),
            flags: Line(Flags { is_body_taken: AtomicBool::new(strategy.is_body_known), ..Flags::default() }),
            threads: Line::default(),
            working: Line::default(),
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
        let mut idle = 0;
        while !self.is_over() {
            let has_committed = worker.commit_own();
            if worker.applied == self.units.len() {
                break;
            }
            let has_run = match has_committed {
                Some(false) => worker.run_next(),
                other => other,
            };
            match has_run {
                None => self.fail(),
                Some(has_run) if has_run || worker.renew_one() => {
                    idle = 0;
                    continue;
                }
                Some(_) => (),
            }
            idle += 1;
            // There is nothing better to do.
            if let Some(receipts) = &mut receipts
                && self.write_receipts(receipts).is_none()
            {
                self.fail();
            }
            if idle < SPINS { spin_loop() } else { yield_now() }
        }
        drop(at_work);
        if self.is_over() {
            // Somebody may be about to commit his last; who comes to work from now on commits nothing.
            while self.working.0.load(Ordering::Acquire) > 0 {
                yield_now();
            }
        }
        worker.into_runner()
    }

    /// Units that are committed.
    pub fn committed(&self) -> usize {
        self.committed.0.load(Ordering::Acquire)
    }

    /// Commits the unit whose turn it is.
    pub fn commit(&self, unit: usize) {
        self.committed.0.store(unit + 1, Ordering::Release);
    }

    /// Whether nobody is to commit any more.
    pub fn is_over(&self) -> bool {
        self.flags.0.is_over.load(Ordering::Acquire)
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

    /// What came before the transactions. `None` where there is nothing left to do.
    fn wait_for_beginning<'b>(&self, begun: &'b OnceLock<Changes>) -> Option<&'b Changes> {
        loop {
            if self.committed() == self.units.len() || self.is_over() {
                return None;
            }
            match begun.get() {
                Some(begun) => return Some(begun),
                None => yield_now(),
            }
        }
    }

    /// Counts a unit, and ends the run of many threads where they are of no use.
    pub fn count(&self, unit: usize, thread: usize, is_ahead: bool, was_in_turn: bool) {
        self.lanes.count(unit, thread, !is_ahead);
        let transactions = self.units[unit].len();
        let tally = &self.tally.0;
        let add =
            |counter: &AtomicUsize| counter.store(counter.load(Ordering::Relaxed) + transactions, Ordering::Relaxed);
        add(if is_ahead && !was_in_turn { &tally.ahead } else { &tally.in_turn });
        if !is_ahead {
            add(&tally.again);
        }
        let again = tally.last.load(Ordering::Relaxed) << 1 | u32::from(!is_ahead);
        tally.last.store(again, Ordering::Relaxed);
        if (again & ((1 << REMEMBERED) - 1)).count_ones() >= TOO_MANY_AGAIN {
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
        self.flags.0.paused_until.store(unit + (FIRST_PAUSE << (2 * pauses)), Ordering::Relaxed);
    }

    /// Takes the next unit that may be run by a thread which has put in so many.
    pub fn take(&self, thread: usize, applied: usize) -> Option<usize> {
        let end = self.units.len().min(applied + self.max_ahead);
        let paused_until = self.flags.0.paused_until.load(Ordering::Relaxed);
        let take = |next: usize| {
            let may_run = next < end && (self.order[next] >= paused_until || self.order[next] <= self.committed());
            may_run.then_some(next + 1)
        };
        loop {
            let next = self.next.0.load(Ordering::Relaxed);
            let first = self.order.get(next).copied().unwrap_or(end).min(end);
            if let Some(unit) = self.lanes.take_own(thread, first) {
                return Some(unit);
            }
            let Ok(place) = self.next.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) else {
                // Nobody is to wait for the owner of a lane.
                let unit = self.committed();
                return self.lanes.take_any(unit).then_some(unit);
            };
            if !self.lanes.leave(self.order[place], thread) {
                return Some(self.order[place]);
            }
        }
    }

    /// Writes the receipts of units that are committed, as far as there are. `None` where the block has no room for a transaction.
    fn write_receipts(&self, receipts: &mut Receipts<'_>) -> Option<()> {
        while let Some(entry) = self.log.get(receipts.next) {
            let Some(done) = lock(&entry.done).take() else { break };
            for ((outcome, logs_bloom), position) in done.into_iter().zip(self.units[receipts.next].clone()) {
                let transaction = &self.block.transactions[position];
                receipts.executor.accept_with_bloom(transaction, outcome, logs_bloom).ok()?;
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
        runner: TxRunner<'r>,
    ) -> Option<(Outcome, Counts)> {
        if self.flags.0.has_failed.load(Ordering::Acquire) {
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
        let outcome = if self.has_list {
            self.list(&mut executor, committed)?;
            let settled = JournalReader(runner.journal());
            let mut outcome = self.end(executor.go_on_over(chain, &settled).with_tier(tier), rest)?;
            outcome.diff = runner.journal().diff().then(&outcome.diff);
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
