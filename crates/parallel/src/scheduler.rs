//! Who runs which transactions when.
//!
//! # Shape
//! A block is cut into units of one transaction, or of a few small ones in a row. All threads do the same: each takes the next unit, runs
//! it on what it can see from its place in the block, and commits it when all before it are committed. There is no thread that
//! only coordinates, no lock that one holds while another wants it for long, and no table that two threads write to: a thread learns what others committed from their records
//! (`record`) and keeps what it knows in a copy of its own (`replica`).
//!
//! # Why the outcome is that of one thread
//! Units are committed in their order, each by the thread that ran it. When it is a unit's turn, that thread has applied all
//! records before it, so its replica holds exactly the state that a single thread would have. If what the unit read still
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
//! A unit is run at most [`MAX_RUNS`] times. Where most have to be run again in their turn, nothing is gained by more threads, and
//! the rest of the block is run by one, at the speed of one.
//!
//! # Errors
//! Whatever goes wrong here, the block is executed again by one thread from the beginning, whose error is the answer: an invalid block
//! is refused for the same reason whoever refuses it.

use crate::pool::beside;
use crate::record::{Hasher, Record};
use crate::replica::Replica;
use crate::strategy::Strategy;
use crate::sync::{
    AtomicBool, AtomicU32, AtomicUsize, Counted, Mutex, OnPanic, OnceLock, Ordering, lock, spin_loop, yield_now,
};
use crate::units::units;
use crate::view::View;
use alloy_primitives::{Address, Bloom, U256, map::AddressMap};
use rialto_state::{AccountUse, Diff, Footprint, StateReader, TxChanges};
use rialto_stf::{
    Block, BlockExecutor, BlockRules, ChainSpec, LogHasher, Outcome, TxOutcome, TxRunner, UnitEffects,
    set_balance_change, validate_body,
};
use std::collections::VecDeque;
use std::ops::Range;

/// How often a unit is run at most, its turn included.
const MAX_RUNS: u8 = 4;
/// How far ahead of the last committed unit others are run, for each thread.
const AHEAD_FOR_EACH_THREAD: usize = 64;
/// How many of the units right before it, that are not committed, a unit sees.
const MAX_LAYERS: usize = 12;
/// Of how many last committed units it is remembered whether they had to be run in their turn.
const REMEMBERED: u32 = 16;
/// With so many of them, one thread goes on alone.
const TOO_MANY_AGAIN: u32 = 8;
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

/// A unit's place in the log that all threads read.
#[derive(Default)]
struct Entry {
    /// What the unit did when it was first run, if that was before its turn.
    estimate: OnceLock<Box<Record>>,
    /// What it did, if that is not what the estimate says.
    last: OnceLock<Box<Record>>,
    /// Where a list is made: what was read, and what each transaction changed.
    listed: Mutex<Option<(Footprint, Vec<TxChanges>)>>,
}

impl Entry {
    /// What the unit did. Of a committed one.
    fn record(&self) -> &Record {
        self.last.get().or_else(|| self.estimate.get()).expect("a committed unit has a record")
    }
}

/// What a transaction did, with the bloom filter of its logs.
type Done = Box<(TxOutcome, Bloom)>;

/// A block under way.
struct Run<'a> {
    block: &'a Block,
    senders: &'a [Address],
    units: Vec<Range<usize>>,
    /// For each transaction the unit of the previous one of its sender, if that is another unit.
    previous: Vec<Option<usize>>,
    log: Vec<Entry>,
    /// What the transactions of committed units did.
    outcomes: Vec<Mutex<Option<Done>>>,
    max_ahead: usize,
    /// Whether what changed is to be listed (EIP-7928).
    has_list: bool,
    /// The next unit that nobody has taken.
    next: Line<AtomicUsize>,
    /// Units that are committed.
    committed: Line<AtomicUsize>,
    tally: Line<Tally>,
    flags: Line<Flags>,
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
    ahead: AtomicUsize,
    in_turn: AtomicUsize,
    again: AtomicUsize,
}

/// What is seldom written.
#[derive(Default)]
struct Flags {
    /// Whether somebody compares the block's body with its header.
    is_body_taken: AtomicBool,
    /// Whether somebody puts the changes in order.
    is_diff_taken: AtomicBool,
    /// Whether one thread goes on alone.
    is_over: AtomicBool,
    /// Whether something went wrong.
    has_failed: AtomicBool,
}

/// A unit that was run and waits for its turn.
struct Waiting {
    unit: usize,
    /// `None` where it could not be run before its turn.
    effects: Option<UnitEffects>,
    /// Tips that are not in the footprint.
    tips: U256,
    has_guessed: bool,
    /// Units that were committed when it was last known to be current.
    checked_at: usize,
    runs: u8,
}

/// A thread's own things.
struct Worker<'v, 'l, 'r> {
    view: &'v View<'l, 'r>,
    runner: TxRunner<'v>,
    waiting: VecDeque<Waiting>,
    /// Units that are in the replica.
    applied: usize,
    log_hasher: LogHasher,
}

/// The receipts so far, which the caller's thread writes while others run transactions.
struct Receipts<'e> {
    executor: BlockExecutor<'e>,
    /// The next transaction.
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
    let beneficiary = block.header.beneficiary;
    // A fee recipient that exists and is empty would be deleted by a tip of nothing (EIP-161), and here nothing is nothing.
    if reader.account(&beneficiary).ok()?.is_some_and(|account| account.is_empty()) {
        return None;
    }
    let hasher = Hasher::default();
    let rules = chain.rules_at(block.header.number, block.header.timestamp);
    let run = Run::new(block, senders, strategy, rules.has_access_lists);
    let modules = chain.modules_at(block.header.timestamp);
    let modules: Vec<Address> = modules.iter().map(|module| module.address()).collect();
    let own = View::new(Replica::new(reader, hasher.clone(), beneficiary), beneficiary, modules.clone());
    let begun = OnceLock::default();
    let work = |begun: &Diff, receipts: Option<&mut Receipts<'_>>| {
        let mut replica = Replica::new(reader, hasher.clone(), beneficiary);
        replica.apply_diff(begun);
        let view = View::new(replica, beneficiary, modules.clone());
        let runner = TxRunner::new(chain, &block.header, &view, HASH_SEED);
        let runner = runner.with_tier(strategy.tier).with_changes(run.has_list);
        let worker =
            Worker { view: &view, runner, waiting: VecDeque::new(), applied: 0, log_hasher: LogHasher::default() };
        run.work(worker, receipts);
        view.replica.into_inner()
    };
    let diff = Mutex::new(None);
    let (mut outcome, counts) = beside(
        strategy.threads,
        || {
            let _guard = OnPanic(|| run.fail());
            run.check_body(rules);
            let Some(begun) = run.wait_for_beginning(&begun) else { return };
            // While the caller writes the receipts, somebody puts the changes in order.
            let replica = work(begun, None);
            if run.is_complete() && !run.flags.0.is_diff_taken.swap(true, Ordering::Relaxed) {
                *lock(&diff) = replica.into_diff().ok();
            }
        },
        || {
            let _guard = OnPanic(|| run.fail());
            let mut executor = BlockExecutor::new(chain, &block.header, &own).with_tier(strategy.tier);
            if executor.begin().is_err() {
                run.fail();
                return None;
            }
            let _ = begun.set(executor.take_diff());
            let mut receipts = Receipts { executor, next: 0 };
            own.replica.replace(work(begun.get()?, Some(&mut receipts)));
            run.check_body(rules);
            run.finish(receipts, &own)
        },
    )?;
    if run.flags.0.has_failed.load(Ordering::Acquire) {
        return None;
    }
    let ordered = lock(&diff).take();
    outcome.diff = whole_diff(ordered, own.replica.into_inner(), outcome.diff)?;
    Some((outcome, counts))
}

/// What the block changed: its transactions, put in order by a thread if one came to it, and then what ended it.
fn whole_diff(ordered: Option<Diff>, mut own: Replica<'_>, end: Diff) -> Option<Diff> {
    match ordered {
        Some(diff) if end.accounts.is_empty() => Some(diff),
        Some(diff) => Some(diff.then(&end)),
        None => {
            own.apply_diff(&end);
            own.into_diff().ok()
        }
    }
}

/// Keys the journals' hash tables. No result depends on it.
const HASH_SEED: u64 = 0x7061_7261_6c6c_656c;

impl<'a> Run<'a> {
    fn new(block: &'a Block, senders: &'a [Address], strategy: &Strategy<'_>, has_list: bool) -> Self {
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
            log: units.iter().map(|_| Entry::default()).collect(),
            outcomes: senders.iter().map(|_| Mutex::default()).collect(),
            units,
            max_ahead: AHEAD_FOR_EACH_THREAD * strategy.threads.get(),
            has_list,
            next: Line::default(),
            committed: Line::default(),
            tally: Line::default(),
            flags: Line(Flags { is_body_taken: AtomicBool::new(strategy.is_body_known), ..Flags::default() }),
            working: Line::default(),
        }
    }

    /// Runs and commits units until all are committed, and are in the replica, or one thread is to go on alone.
    fn work<'l>(&'l self, mut worker: Worker<'_, 'l, '_>, mut receipts: Option<&mut Receipts<'_>>) {
        let at_work = Counted::new(&self.working.0);
        let mut idle = 0;
        while !self.flags.0.is_over.load(Ordering::Acquire) {
            let has_committed = self.commit_own(&mut worker);
            if worker.applied == self.units.len() {
                break;
            }
            if has_committed || self.run_next(&mut worker) || self.renew_one(&mut worker) {
                idle = 0;
                continue;
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
        if self.flags.0.is_over.load(Ordering::Acquire) {
            // Somebody may be about to commit his last; who comes to work from now on commits nothing.
            while self.working.0.load(Ordering::Acquire) > 0 {
                yield_now();
            }
            self.catch_up(&mut worker);
        }
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
    fn wait_for_beginning<'b>(&self, begun: &'b OnceLock<Diff>) -> Option<&'b Diff> {
        loop {
            if self.is_complete() || self.flags.0.is_over.load(Ordering::Acquire) {
                return None;
            }
            match begun.get() {
                Some(begun) => return Some(begun),
                None => yield_now(),
            }
        }
    }

    /// Whether all is committed.
    fn is_complete(&self) -> bool {
        !self.flags.0.has_failed.load(Ordering::Acquire) && self.committed.0.load(Ordering::Acquire) == self.units.len()
    }

    /// Applies what others have committed.
    fn catch_up(&self, worker: &mut Worker<'_, '_, '_>) {
        let committed = self.committed.0.load(Ordering::Acquire);
        if worker.applied < committed {
            let mut replica = worker.view.replica.borrow_mut();
            self.log[worker.applied..committed].iter().for_each(|entry| replica.apply(entry.record()));
            worker.applied = committed;
        }
    }

    /// Takes the next unit, if there is one near enough, and runs it.
    fn run_next<'l>(&'l self, worker: &mut Worker<'_, 'l, '_>) -> bool {
        let end = self.units.len().min(worker.applied + self.max_ahead);
        let take = |next: usize| (next < end).then_some(next + 1);
        let Ok(unit) = self.next.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) else { return false };
        let waiting = self.run_unit(worker, unit, 0);
        // Whoever comes to its turn in a moment is not told of before.
        if let Some(effects) = &waiting.effects
            && self.committed.0.load(Ordering::Acquire) < unit
        {
            let hasher = &worker.view.replica.borrow().hasher;
            let _ = self.log[unit].estimate.set(Box::new(Record::guess(&effects.footprint, hasher, waiting.tips)));
        }
        worker.waiting.push_back(waiting);
        true
    }

    /// Runs a unit on what can be seen from its place.
    fn run_unit<'l>(&'l self, worker: &mut Worker<'_, 'l, '_>, unit: usize, runs: u8) -> Waiting {
        self.catch_up(worker);
        let applied = worker.applied;
        let range = self.units[unit].clone();
        self.aim(worker, unit);
        let (transactions, senders) = (&self.block.transactions[range.clone()], &self.senders[range]);
        let effects = worker.runner.run_together(transactions, senders, &worker.view.tips).ok();
        let has_guessed = worker.view.has_guessed();
        Waiting { unit, effects, tips: worker.view.tips.get(), has_guessed, checked_at: applied, runs: runs + 1 }
    }

    fn aim<'l>(&'l self, worker: &Worker<'_, 'l, '_>, unit: usize) {
        let applied = worker.applied;
        let first = applied.max(unit.saturating_sub(MAX_LAYERS));
        let layers = self.log[first..unit].iter().filter_map(|entry| entry.estimate.get().map(|record| &**record));
        let foreseen = self.units[unit].clone().filter_map(|position| {
            let previous = self.previous[position]?;
            (previous >= applied).then(|| (self.senders[position], self.block.transactions[position].nonce))
        });
        worker.view.aim(layers, foreseen);
    }

    /// Looks for a unit of this thread that waits and has become stale, and runs it again.
    fn renew_one<'l>(&'l self, worker: &mut Worker<'_, 'l, '_>) -> bool {
        self.catch_up(worker);
        for place in 1..worker.waiting.len() {
            let waiting = &worker.waiting[place];
            if waiting.checked_at == worker.applied || waiting.runs + 1 >= MAX_RUNS {
                continue;
            }
            let (unit, runs) = (waiting.unit, waiting.runs);
            self.aim(worker, unit);
            let is_current = waiting
                .effects
                .as_ref()
                .is_some_and(|effects| worker.view.is_current(&effects.footprint, waiting.tips));
            if !is_current {
                worker.waiting[place] = self.run_unit(worker, unit, runs);
                return true;
            }
            worker.waiting[place].checked_at = worker.applied;
        }
        false
    }

    /// Commits the units of this thread whose turn it is; whether there was one.
    fn commit_own<'l>(&'l self, worker: &mut Worker<'_, 'l, '_>) -> bool {
        let mut has_committed = false;
        loop {
            self.catch_up(worker);
            let is_turn = worker.waiting.front().is_some_and(|waiting| waiting.unit == worker.applied);
            if !is_turn || self.flags.0.is_over.load(Ordering::Acquire) {
                return has_committed;
            }
            let Some(waiting) = worker.waiting.pop_front() else { return has_committed };
            has_committed = true;
            if self.commit(worker, waiting).is_none() {
                self.fail();
            }
        }
    }

    /// Commits a unit when all before it are committed and applied. `None` where it can't be done.
    fn commit<'l>(&'l self, worker: &mut Worker<'_, 'l, '_>, waiting: Waiting) -> Option<()> {
        let unit = waiting.unit;
        let is_current = |waiting: &Waiting| {
            waiting.effects.as_ref().is_some_and(|effects| {
                waiting.checked_at == unit && !waiting.has_guessed || {
                    let replica = worker.view.replica.borrow();
                    replica.is_current(&effects.footprint, waiting.has_guessed, waiting.tips)
                }
            })
        };
        let is_ahead = is_current(&waiting);
        let was_in_turn = waiting.checked_at == unit;
        self.count(unit, is_ahead, was_in_turn);
        let Waiting { effects, tips, has_guessed, runs, .. } =
            if is_ahead { waiting } else { self.run_unit(worker, unit, waiting.runs) };
        let UnitEffects { outcomes, mut footprint, mut changes } = effects?;
        let beneficiary = self.block.header.beneficiary;
        let is_paid = |used: &AccountUse| used.read.address == beneficiary && used.is_changed();
        // Where the fee recipient's account itself was changed, what it was owed is in it.
        let tip = if footprint.accounts.iter().any(is_paid) { U256::ZERO } else { tips };
        let entry = &self.log[unit];
        let estimate = entry.estimate.get().filter(|estimate| {
            // What was estimated, by the first run, is what it is, to the last balance.
            is_ahead
                && runs == 1
                && !has_guessed
                && estimate.tip == tip
                && worker.view.replica.borrow().is_exact(&footprint)
        });
        let made = match estimate {
            Some(_) => None,
            None => Some(Box::new(worker.view.replica.borrow().record_of(&mut footprint, has_guessed, (tip, tips))?)),
        };
        let record = made.as_ref().or(estimate)?;
        if let Some(changes) = changes.first_mut() {
            self.correct_balances(worker, record, changes)?;
        }
        worker.view.replica.borrow_mut().apply(record);
        if let Some(made) = made {
            let _ = entry.last.set(made);
        }
        worker.applied = unit + 1;
        self.committed.0.store(unit + 1, Ordering::Release);
        // Others need not wait for this.
        if self.has_list {
            *lock(&entry.listed) = Some((footprint, changes));
        }
        for (position, outcome) in self.units[unit].clone().zip(outcomes) {
            let logs_bloom = worker.log_hasher.bloom(&outcome.logs);
            *lock(&self.outcomes[position]) = Some(Box::new((outcome, logs_bloom)));
        }
        Some(())
    }

    /// Counts a unit, and ends the run of many threads where they are of no use.
    fn count(&self, unit: usize, is_ahead: bool, was_in_turn: bool) {
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
            self.flags.0.is_over.store(true, Ordering::Release);
        }
    }

    /// The balances that a run knew may have moved since: the list says what they are now.
    fn correct_balances(&self, worker: &Worker<'_, '_, '_>, record: &Record, changes: &mut TxChanges) -> Option<()> {
        let replica = worker.view.replica.borrow();
        let beneficiary = self.block.header.beneficiary;
        let balance = |address: &Address| -> Option<U256> {
            let account = replica.account(replica.hasher.account(address), address).ok()?;
            Some(account.map_or(U256::ZERO, |account| account.balance))
        };
        for change in &record.accounts {
            let after = change.after.map_or(U256::ZERO, |account| account.balance);
            set_balance_change(changes, change.address, balance(&change.address)?, after);
        }
        if !record.tip.is_zero() {
            let before = balance(&beneficiary)?;
            set_balance_change(changes, beneficiary, before, before.saturating_add(record.tip));
        }
        Some(())
    }

    /// Writes the receipts of transactions that are committed, as far as there are. `None` where the block has no room for one.
    fn write_receipts(&self, receipts: &mut Receipts<'_>) -> Option<()> {
        while let Some(outcome) = self.outcomes.get(receipts.next) {
            let Some((outcome, logs_bloom)) = lock(outcome).take().map(|done| *done) else { break };
            let transaction = &self.block.transactions[receipts.next];
            receipts.executor.accept_with_bloom(transaction, outcome, logs_bloom).ok()?;
            receipts.next += 1;
        }
        Some(())
    }

    /// Takes what was committed to the executor, and runs what was not.
    fn finish(&self, mut receipts: Receipts<'_>, own: &View<'_, '_>) -> Option<(Outcome, Counts)> {
        if self.flags.0.has_failed.load(Ordering::Acquire) {
            return None;
        }
        own.aim(std::iter::empty(), std::iter::empty());
        let committed = self.committed.0.load(Ordering::Acquire);
        let rest = self.units.get(committed).map_or(self.senders.len(), |range| range.start);
        while receipts.next < rest {
            self.write_receipts(&mut receipts)?;
        }
        let mut executor = receipts.executor;
        if let Some(list) = executor.access_list() {
            for entry in &self.log[..committed] {
                let (footprint, changes) = self.wait_for(&entry.listed);
                list.access_account(&self.block.header.beneficiary);
                list.access_all_read(&footprint);
                changes.into_iter().for_each(|changes| list.end_part(changes));
            }
        }
        for (transaction, sender) in self.block.transactions.iter().zip(self.senders).skip(rest) {
            executor.transaction(transaction, *sender).ok()?;
        }
        let tally = &self.tally.0;
        let counts = Counts {
            ahead: tally.ahead.load(Ordering::Relaxed),
            in_turn: tally.in_turn.load(Ordering::Relaxed),
            again: tally.again.load(Ordering::Relaxed),
            alone: self.senders.len() - rest,
            by_list: 0,
        };
        let outcome =
            executor.finish(&self.block.ommers, self.block.withdrawals.as_deref().unwrap_or_default()).ok()?;
        Some((outcome, counts))
    }

    /// What is kept of a committed unit. Whoever committed it may still be at it.
    fn wait_for<T>(&self, kept: &Mutex<Option<T>>) -> T {
        loop {
            if let Some(kept) = lock(kept).take() {
                return kept;
            }
            yield_now();
        }
    }
}
