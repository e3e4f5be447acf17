//! Who runs which transaction when.
//!
//! # Shape
//! All threads do the same. Each takes the next transaction, runs it on what it can see from its place in the block, shows what came
//! out to those behind it, and then, if nobody else is at it, commits what is ready, in the order of the block. There is no
//! thread that only coordinates, and no lock is held while bytecode runs but the one for committing, and that only for a
//! transaction whose turn it is.
//!
//! # Why the outcome is that of one thread
//! Transactions are committed in their order. When it is a transaction's turn, all before it are committed, so the memory holds
//! exactly the state that a single thread would have. If what the transaction read still holds, then running it now would
//! do the same, and its changes are applied as they are. If not, it is run again, now, and what comes out needs no check.
//!
//! The check compares values, not versions, and no more of them than the transaction looked at: who adds to a balance does not
//! depend on it, and who takes from it depends on its being enough ([`rialto_state::AccountRead`]).
//!
//! # Running again
//! A thread that is far enough ahead looks at what was run and waits for its turn: what has become stale is run again before its
//! turn comes. While it is, what it wrote is an estimate: those behind it that need it wait. A transaction is run early at most
//! [`MAX_EARLY_RUNS`] times, and once in its turn, so a block costs a bounded number of runs. Where most transactions have to be run
//! again, nothing is gained by more threads, and the rest of the block is run by one, at the speed of one.
//!
//! # Errors
//! Whatever goes wrong here, the block is executed again by one thread from the beginning, whose error is the answer: an invalid block
//! is refused for the same reason whoever refuses it.

use crate::memory::{BlockMemory, Index};
use crate::pool::on_threads;
use crate::strategy::Strategy;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Ordering, lock, spin_loop, try_lock, yield_now};
use crate::view::View;
use alloy_primitives::{Address, U256, map::AddressMap};
use rialto_stf::{Block, BlockExecutor, ChainSpec, Outcome, TxEffects, TxRunner, set_balance_change};

/// How often a transaction is run before its turn.
const MAX_EARLY_RUNS: u8 = 3;
/// How far ahead of the last committed transaction others are run, for each thread.
const AHEAD_FOR_EACH_THREAD: usize = 6;
/// Of how many last committed transactions it is remembered whether they had to be run in their turn.
const REMEMBERED: u32 = 16;
/// With so many of them, one thread goes on alone.
const TOO_MANY_AGAIN: u32 = 11;
/// Looks for something to do before a thread lets others have the core.
const SPINS: usize = 64;

/// How a block was run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Transactions that were committed as they had been run before their turn.
    pub ahead: usize,
    /// Transactions that had to be run in their turn, since something that they had read was changed.
    pub again: usize,
    /// Runs before their turn that were for nothing.
    pub wasted: usize,
    /// Transactions that one thread ran alone.
    pub alone: usize,
    /// Transactions that were run by the block's access list.
    pub by_list: usize,
}

/// A transaction that was run.
struct Done {
    effects: Box<TxEffects>,
    /// Whether those behind it see what it did.
    is_published: bool,
    /// What was published when it was last known to be current.
    checked_at: usize,
}

/// A transaction's state.
enum State {
    /// Nobody has taken it.
    Open,
    /// Somebody is at it.
    Running,
    Done(Done),
    /// It needs what this one is going to write.
    Waiting(Index),
    /// It has to be run at its turn.
    Turn,
    Committed,
}

/// A transaction's state, and how often it was run.
struct Slot {
    state: State,
    runs: u8,
}

/// What only one thread at a time has.
#[derive(Default)]
struct Book {
    /// What the committed transactions did, in their order.
    effects: Vec<Box<TxEffects>>,
    counts: Counts,
    /// A bit for each of the last committed transactions: whether it had to be run in its turn. The last is the lowest.
    again: u32,
    /// What one thread would have stopped at.
    has_failed: bool,
}

/// A block under way.
struct Run<'a, 'r> {
    block: &'a Block,
    senders: &'a [Address],
    /// For each transaction the previous one of its sender.
    previous: Vec<Option<usize>>,
    memory: &'a BlockMemory<'r>,
    slots: Vec<Mutex<Slot>>,
    max_ahead: usize,
    /// The next transaction that nobody has taken.
    next: AtomicUsize,
    /// Transactions that are committed.
    committed: AtomicUsize,
    /// How often anything was shown to others.
    publications: AtomicUsize,
    /// Whether all should stop.
    is_over: AtomicBool,
    book: Mutex<Book>,
    /// Whether what changed is to be listed (EIP-7928).
    has_list: bool,
}

/// A thread's own things.
struct Worker<'v, 'm, 'r> {
    view: &'v View<'m, 'r>,
    runner: TxRunner<'v>,
}

/// Runs the block on several threads. `None` where something went wrong.
pub(crate) fn run(
    chain: &ChainSpec,
    block: &Block,
    senders: &[Address],
    memory: BlockMemory<'_>,
    strategy: &Strategy<'_>,
) -> Option<(Outcome, Counts)> {
    // A fee recipient that exists and is empty would be deleted by a tip of nothing (EIP-161), and here nothing is nothing.
    if memory.committed_account(&block.header.beneficiary).ok()?.is_some_and(|account| account.is_empty()) {
        return None;
    }
    let (mut outcome, counts) = run_on(chain, block, senders, &memory, strategy)?;
    if !memory.commit_diff(&outcome.diff) || memory.has_failed() {
        return None;
    }
    outcome.diff = memory.into_diff().ok()?;
    Some((outcome, counts))
}

fn run_on(
    chain: &ChainSpec,
    block: &Block,
    senders: &[Address],
    memory: &BlockMemory<'_>,
    strategy: &Strategy<'_>,
) -> Option<(Outcome, Counts)> {
    let after_all = View::new(memory);
    after_all.aim(Index::MAX, None);
    let mut executor = BlockExecutor::new(chain, &block.header, &after_all).with_tier(strategy.tier);
    executor.begin().ok()?;
    let has_list = executor.access_list().is_some();
    if !memory.commit_diff(&executor.take_diff()) {
        return None;
    }
    let run = Run::new(block, senders, memory, strategy, has_list);
    on_threads(strategy.threads, || {
        let view = View::new(memory);
        let runner =
            TxRunner::new(chain, &block.header, &view, HASH_SEED).with_tier(strategy.tier).with_changes(has_list);
        run.work(&mut Worker { view: &view, runner });
    });
    let Book { effects, mut counts, has_failed, .. } = std::mem::take(&mut *lock(&run.book));
    if has_failed {
        return None;
    }
    let committed = effects.len();
    for (transaction, effects) in block.transactions.iter().zip(effects) {
        if let Some(list) = executor.access_list() {
            list.access_account(&block.header.beneficiary);
            list.access_all_read(&effects);
            list.end_part(effects.changes);
        }
        executor.accept(transaction, effects.outcome).ok()?;
    }
    run.retract_all(committed);
    counts.alone = block.transactions.len() - committed;
    for (transaction, sender) in block.transactions.iter().zip(senders).skip(committed) {
        executor.transaction(transaction, *sender).ok()?;
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

fn index_of(position: usize) -> Index {
    Index::try_from(position).expect("a block has less than 2^32 transactions")
}

impl<'a, 'r> Run<'a, 'r> {
    fn new(
        block: &'a Block,
        senders: &'a [Address],
        memory: &'a BlockMemory<'r>,
        strategy: &Strategy<'_>,
        has_list: bool,
    ) -> Self {
        Self {
            block,
            senders,
            previous: previous_of_sender(senders),
            memory,
            slots: block.transactions.iter().map(|_| Mutex::new(Slot { state: State::Open, runs: 0 })).collect(),
            max_ahead: AHEAD_FOR_EACH_THREAD * strategy.threads.get(),
            next: AtomicUsize::new(0),
            committed: AtomicUsize::new(0),
            publications: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            book: Mutex::new(Book::default()),
            has_list,
        }
    }

    fn work(&self, worker: &mut Worker<'_, '_, 'r>) {
        let mut idle = 0;
        loop {
            let committed = self.committed.load(Ordering::Acquire);
            if committed == self.slots.len() || self.is_over.load(Ordering::Acquire) {
                return;
            }
            let has_run = self.run_next(worker, committed);
            let has_committed = self.commit_ready(worker);
            if has_run || has_committed || self.renew_one(worker) {
                idle = 0;
                continue;
            }
            idle += 1;
            if idle < SPINS { spin_loop() } else { yield_now() }
        }
    }

    fn slot(&self, position: usize) -> MutexGuard<'_, Slot> {
        lock(&self.slots[position])
    }

    /// Takes the next transaction, if there is one near enough, and runs it.
    fn run_next(&self, worker: &mut Worker<'_, '_, 'r>, committed: usize) -> bool {
        let end = self.slots.len().min(committed + self.max_ahead);
        let take = |next: usize| (next < end).then_some(next + 1);
        let Ok(position) = self.next.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) else { return false };
        {
            let mut slot = self.slot(position);
            slot.state = State::Running;
        }
        self.run_early(worker, position);
        true
    }

    /// Runs a transaction, which this thread has marked as running, on what it can see from its place.
    fn run_early(&self, worker: &mut Worker<'_, '_, 'r>, position: usize) {
        let publications = self.publications.load(Ordering::Acquire);
        let committed = self.committed.load(Ordering::Acquire);
        let waits = self.previous[position].is_some_and(|previous| previous >= committed);
        let foreseen = waits.then(|| (self.senders[position], self.block.transactions[position].nonce));
        worker.view.aim(index_of(position), foreseen);
        let state = match worker.runner.run(&self.block.transactions[position], self.senders[position]) {
            Ok(effects) => {
                let effects = Box::new(effects);
                // What is committed in a moment need not be shown before.
                let is_published = self.committed.load(Ordering::Acquire) != position;
                if is_published {
                    self.memory.publish(&effects.footprint, index_of(position));
                    self.publications.fetch_add(1, Ordering::AcqRel);
                }
                // Run in its turn, it can't have read anything that changes.
                let checked_at = if committed == position { usize::MAX } else { publications };
                State::Done(Done { effects, is_published, checked_at })
            }
            Err(_) => worker.view.awaited().map_or(State::Turn, State::Waiting),
        };
        let mut slot = self.slot(position);
        slot.runs += 1;
        slot.state = state;
    }

    /// Looks for a transaction that waits for its turn and has become stale, or can be run now, and runs it again.
    fn renew_one(&self, worker: &mut Worker<'_, '_, 'r>) -> bool {
        let committed = self.committed.load(Ordering::Acquire);
        let next = self.next.load(Ordering::Relaxed).min(self.slots.len());
        (committed + 1..next).any(|position| {
            let Some(slot) = try_lock(&self.slots[position]) else { return false };
            self.take_stale(slot, position) && {
                self.run_early(worker, position);
                true
            }
        })
    }

    /// Whether the transaction is to be run again; it is marked as running then.
    fn take_stale(&self, mut slot: MutexGuard<'_, Slot>, position: usize) -> bool {
        if slot.runs >= MAX_EARLY_RUNS {
            return false;
        }
        match &mut slot.state {
            State::Done(done) => {
                let publications = self.publications.load(Ordering::Acquire);
                if done.checked_at >= publications {
                    return false;
                }
                if self.memory.is_current(&done.effects.footprint, index_of(position)) {
                    done.checked_at = publications;
                    return false;
                }
                let State::Done(done) = std::mem::replace(&mut slot.state, State::Running) else { return false };
                drop(slot);
                self.take_back(&done, position);
                true
            }
            State::Waiting(by) => {
                let by = *by as usize;
                let is_there = by < self.committed.load(Ordering::Acquire)
                    || try_lock(&self.slots[by]).is_some_and(|other| matches!(other.state, State::Done(_)));
                if is_there {
                    slot.state = State::Running;
                }
                is_there
            }
            _ => false,
        }
    }

    /// Takes back what a transaction has shown, before it is run again. Those behind it see what was there before it.
    fn take_back(&self, done: &Done, position: usize) {
        if done.is_published {
            self.memory.retract(&done.effects.footprint, index_of(position));
        }
    }

    /// Takes back what was shown from this transaction on: one thread goes on from here.
    fn retract_all(&self, from: usize) {
        for position in from..self.slots.len() {
            if let State::Done(done) = &self.slot(position).state {
                self.take_back(done, position);
            }
        }
    }

    /// Commits what is ready, unless another thread is at it; whether anything was.
    fn commit_ready(&self, worker: &mut Worker<'_, '_, 'r>) -> bool {
        let mut has_committed = false;
        loop {
            // Whoever has the book looks again after giving it back.
            let Some(mut book) = try_lock(&self.book) else { return has_committed };
            while !self.is_over.load(Ordering::Acquire) && self.commit_next(&mut book, worker) {
                has_committed = true;
            }
            drop(book);
            let next = self.committed.load(Ordering::Acquire);
            if next == self.slots.len() || self.is_over.load(Ordering::Acquire) {
                return has_committed;
            }
            if matches!(self.slot(next).state, State::Open | State::Running) {
                return has_committed;
            }
        }
    }

    /// Commits the next transaction, if it is ready.
    fn commit_next(&self, book: &mut Book, worker: &mut Worker<'_, '_, 'r>) -> bool {
        let position = self.committed.load(Ordering::Relaxed);
        if position == self.slots.len() {
            return false;
        }
        let (state, runs) = {
            let mut slot = self.slot(position);
            if matches!(slot.state, State::Open | State::Running) {
                return false;
            }
            (std::mem::replace(&mut slot.state, State::Committed), slot.runs)
        };
        book.counts.wasted += usize::from(runs.saturating_sub(1));
        let effects = match state {
            State::Done(done)
                if done.checked_at == usize::MAX
                    || self.memory.is_current(&done.effects.footprint, index_of(position)) =>
            {
                book.counts.ahead += 1;
                book.again <<= 1;
                Some(done.effects)
            }
            state => {
                book.counts.again += 1;
                book.again = book.again << 1 | 1;
                self.run_in_turn(worker, state, position)
            }
        };
        let is_done = effects.is_some_and(|effects| self.commit(book, effects, position));
        book.has_failed |= !is_done;
        let is_hopeless = (book.again & ((1 << REMEMBERED) - 1)).count_ones() >= TOO_MANY_AGAIN;
        if !is_done || is_hopeless {
            self.is_over.store(true, Ordering::Release);
        }
        is_done
    }

    /// Runs a transaction when all before it are committed.
    fn run_in_turn(&self, worker: &mut Worker<'_, '_, 'r>, state: State, position: usize) -> Option<Box<TxEffects>> {
        let shown = match state {
            State::Done(done) if done.is_published => Some(done.effects),
            _ => None,
        };
        if let Some(effects) = &shown {
            self.memory.mark_estimates(&effects.footprint, index_of(position));
        }
        worker.view.aim(index_of(position), None);
        let effects = worker.runner.run(&self.block.transactions[position], self.senders[position]).ok().map(Box::new);
        if let Some(effects) = &shown {
            self.memory.retract(&effects.footprint, index_of(position));
        }
        effects
    }

    /// Makes what a transaction did the state.
    fn commit(&self, book: &mut Book, mut effects: Box<TxEffects>, position: usize) -> bool {
        let beneficiary = self.block.header.beneficiary;
        let before = if self.has_list { self.balances_of(&effects, beneficiary) } else { Vec::new() };
        let is_done = self.memory.commit(&effects.footprint, index_of(position))
            && self.memory.pay(&beneficiary, effects.outcome.tip);
        // The balances that the run knew may have moved since: the list says what they are now.
        for (address, before) in before {
            set_balance_change(&mut effects.changes, address, before, self.balance(&address));
        }
        book.effects.push(effects);
        self.publications.fetch_add(1, Ordering::AcqRel);
        self.committed.store(position + 1, Ordering::Release);
        is_done
    }

    /// The committed balances of all accounts whose balance the transaction may change.
    fn balances_of(&self, effects: &TxEffects, beneficiary: Address) -> Vec<(Address, U256)> {
        let others = effects
            .footprint
            .accounts
            .iter()
            .filter(|account| account.is_changed())
            .map(|account| account.read.address)
            .filter(|other| *other != beneficiary);
        std::iter::once(beneficiary).chain(others).map(|address| (address, self.balance(&address))).collect()
    }

    fn balance(&self, address: &Address) -> U256 {
        let account = self.memory.committed_account(address);
        account.ok().flatten().map_or(U256::ZERO, |account| account.balance)
    }
}
