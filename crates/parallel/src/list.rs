//! Blocks by their access lists (EIP-7928).
//!
//! A list says of everything that a block touches what each transaction leaves there. Whoever has it knows the state before each
//! transaction without running those before it, so all of them can be run at once, on as many threads as there are; none waits for
//! another, none is run twice, and tips are paid where they are due, for the fee recipient's balance is in the list like any other.
//! A thread takes some that follow each other at a time (see `queue`): the second finds what the first has read and changed where it
//! left it.
//!
//! # Why the outcome is that of one thread
//! The list is believed of nobody. After each transaction what it changed is looked for in the list, at its index, and when all have
//! run the list must have no more changes than were found there: so at each index it has what its transaction changed, and no
//! more. So, by induction from the state before the block, if every part of the block does what the list says when
//! it is run on what the list says of the parts before, then the list says what running them in order does. What is in the list
//! must also have been accessed, and what was accessed must be in it (see `view`), which says that the list is complete and
//! has nothing too much. The changes of the block then need no collecting: they are the list's, and are read from it even before
//! it is known to be right. Its form is checked meanwhile, too.
//!
//! # What one thread does alone
//! Little, for that is what more threads do not make faster: before the transactions it indexes the addresses of the list and sees which
//! of them are long, and after them it adds up their gas. Receipts are written where they stay by whoever runs their transactions; the room
//! for them is made when other threads have already begun.
//!
//! # When it is wrong
//! Whatever goes wrong here, even an error of the reader, is no verdict: the block is then run in order, and what that gives is
//! the answer. Where the list is part of the consensus, it is then compared with the one that execution gives, and the
//! first difference refuses the block. Before Amsterdam it is a hint, and a wrong hint has only cost time.

mod cells;
mod index;
mod lookups;
mod plan;
mod queue;
mod view;

use crate::pool;
use crate::sync::lock;
use alloy_primitives::{Address, Bloom};
use queue::{Place, Queue};
use rialto_state::{Code, Diff, StateReader, TxChange, TxChangeRef};
use rialto_stf::{
    AccountChanges, Block, BlockAccessList, BlockError, BlockExecutor, BlockRules, ChainSpec, LogHasher, Outcome,
    Receipt, ReceiptStatus, TxGas, TxRunner, TxType, validate_body,
};
use rialto_vm::Tier;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use view::{ListReader, ListView};

/// Keys the journals' hash tables. No result depends on it.
const HASH_SEED: u64 = 0x6c69_7374;

/// How often a thread looks whether there is work before it sleeps, for some tens of microseconds.
const SPINS: usize = 2_000;

/// Accounts of the list that a job looks at.
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

/// The index of a transaction.
fn index_of(position: usize) -> Option<u32> {
    u32::try_from(position).ok()?.checked_add(1)
}

/// Runs a block by its list; `None` if anything is not as the list says, or the body not as the header says, or anything failed.
/// The fork must be one whose receipts have a status and whose empty accounts are cleared.
pub(crate) fn run(job: &Job<'_>, list: &BlockAccessList) -> Option<Outcome> {
    let last_index = last_index(job.block)?;
    let progress = Progress::default();
    let mut written = Written::default();
    let room = &mut written;
    let (view, work) = (OnceLock::new(), OnceLock::<Option<Work<'_, '_>>>::new());
    // Waking threads takes about as long as making ready what they need for the transactions; the body they can look at before.
    let reader = pool::beside(
        job.threads,
        || {
            progress.check_body(job);
            if let Some(work) = wait_for(&work) {
                work.run_jobs(&ListReader::new(work.view));
            }
        },
        || {
            let view = view.get_or_init(|| ListView::new(list, job.reader)).as_ref();
            let work = work.get_or_init(|| Some(Work::new(job, list, last_index, view?, &progress))).as_ref()?;
            work.make_rooms(room);
            let reader = ListReader::new(work.view);
            work.run_beginning(&reader);
            work.run_jobs(&reader);
            progress.check_body(job);
            Some(reader)
        },
    );
    work.into_inner()??.end()?.finish(&reader?, written)
}

/// What somebody else is about to make. It is waited for awake at first: to be woken would take longer than the making.
fn wait_for<T>(made: &OnceLock<T>) -> &T {
    for _ in 0..SPINS {
        if let Some(made) = made.get() {
            return made;
        }
        std::hint::spin_loop();
    }
    made.wait()
}

/// What is to be done, and what has come of it.
struct Work<'a, 'r> {
    job: &'a Job<'a>,
    list: &'a BlockAccessList,
    last_index: u32,
    view: &'a ListView<'a>,
    /// Transactions in a row that are run together, in the order of the block.
    units: Vec<Range<usize>>,
    /// Positions of units.
    queue: Queue,
    /// Where is written what each unit does, until somebody takes it.
    rooms: OnceLock<Mutex<Vec<Option<Room<'r>>>>>,
    /// What has come of the list, so many accounts each.
    parts: Vec<OnceLock<Part>>,
    progress: &'a Progress,
}

/// Where is written what transactions in a row do.
struct Room<'r> {
    receipts: &'r mut [Receipt],
    gas: &'r mut [TxGas],
}

/// What is written of each transaction by whoever runs it.
#[derive(Default)]
struct Written {
    /// Without the gas that the block had used after each.
    receipts: Vec<Receipt>,
    gas: Vec<TxGas>,
}

/// What some accounts of the list say.
struct Part {
    /// How often they change.
    changes: usize,
    diff: Diff,
    /// The accounts again, if the outcome has a list.
    accounts: Vec<AccountChanges>,
}

/// What all threads write, on a cache line where nothing else is.
#[derive(Default)]
#[repr(align(128))]
struct Progress {
    /// The next part of the list that nobody has taken.
    next_part: AtomicUsize,
    /// What threads that are through have counted: transactions, and changes that were found.
    transactions: AtomicUsize,
    changes: AtomicUsize,
    /// Of all logs of what they have run.
    logs_bloom: Mutex<Bloom>,
    is_body_taken: AtomicBool,
    has_failed: AtomicBool,
}

impl Progress {
    fn expect(&self, is_right: bool) {
        if !is_right {
            self.has_failed.store(true, Ordering::Relaxed);
        }
    }

    /// Adds what a thread counted and used.
    fn count(&self, reader: &ListReader<'_, '_>) {
        self.changes.fetch_add(reader.lookups().take_changes(), Ordering::Relaxed);
        reader.tell_used();
    }

    /// Compares the block's body with its header, unless somebody else has.
    fn check_body(&self, job: &Job<'_>) {
        if !self.is_body_taken.swap(true, Ordering::Relaxed) {
            self.expect(job.is_body_known || validate_body(job.rules(), job.block).is_ok());
        }
    }
}

impl<'a, 'r> Work<'a, 'r> {
    fn new(
        job: &'a Job<'a>,
        list: &'a BlockAccessList,
        last_index: u32,
        view: &'a ListView<'a>,
        progress: &'a Progress,
    ) -> Self {
        let Block { header, transactions, .. } = job.block;
        let rows = plan::rows(&plan::weights(header, transactions, list), job.threads);
        let queue = Queue::new(&rows);
        let units = rows.into_iter().map(|row| row.transactions).collect();
        let parts = list.0.chunks(ACCOUNTS_PER_JOB).map(|_| OnceLock::new()).collect();
        Self { job, list, last_index, view, units, queue, rooms: OnceLock::new(), parts, progress }
    }

    /// Makes room for what is written. Of many transactions that takes as long as it takes to run one; meanwhile others begin.
    fn make_rooms(&self, written: &'r mut Written) {
        let count = self.job.block.transactions.len();
        let (tx_type, status, logs_bloom) = (TxType::Legacy, ReceiptStatus::Status(false), Bloom::ZERO);
        let receipt = || Receipt { tx_type, status, cumulative_gas_used: 0, logs_bloom, logs: Vec::new() };
        written.receipts.resize_with(count, receipt);
        written.gas.resize(count, TxGas::default());
        let (mut receipts, mut gas) = (written.receipts.as_mut_slice(), written.gas.as_mut_slice());
        let room = |unit: &Range<usize>| {
            let receipts = receipts.split_off_mut(..unit.len()).expect("units are all transactions");
            Some(Room { receipts, gas: gas.split_off_mut(..unit.len()).expect("as above") })
        };
        let rooms = self.units.iter().map(room).collect();
        self.rooms.get_or_init(|| Mutex::new(rooms));
    }

    /// The room of a unit.
    fn room(&self, unit: usize) -> Option<Room<'r>> {
        lock(wait_for(&self.rooms))[unit].take()
    }

    /// Runs what comes before the transactions, on a reader of the state before the block.
    fn run_beginning(&self, reader: &ListReader<'_, '_>) {
        let Job { chain, block, tier, .. } = *self.job;
        let mut executor = BlockExecutor::new(chain, &block.header, reader).with_tier(tier).with_access_list();
        let has_begun = executor.begin().is_ok();
        let mut accesses = executor.access_list().map(std::mem::take).unwrap_or_default();
        accesses.access_all_of(executor.state());
        self.progress.expect(has_begun && is_part(self.view, reader, &accesses.finish(), 0));
    }

    /// Takes units and then parts until there are none left, or something fails.
    fn run_jobs(&self, reader: &ListReader<'_, '_>) {
        let is_done = self.run_units(reader).and_then(|()| self.make_parts());
        self.progress.expect(is_done.is_some());
        self.progress.count(reader);
    }

    fn run_units(&self, reader: &ListReader<'_, '_>) -> Option<()> {
        let Job { chain, block, tier, .. } = *self.job;
        let mut runner = TxRunner::new(chain, &block.header, reader, HASH_SEED).with_tier(tier);
        let (mut log_hasher, mut logs_bloom) = (LogHasher::default(), Bloom::ZERO);
        let (mut place, mut end, mut count) = (Place::default(), None, 0);
        while !self.progress.has_failed.load(Ordering::Relaxed)
            && let Some(unit) = self.queue.take(&mut place)
        {
            let Range { start, end: unit_end } = self.units[unit].clone();
            if end != Some(start) {
                self.end_stretch(&runner, reader)?;
                runner.forget();
                reader.set_index(index_of(start)?);
            }
            logs_bloom |= self.run_unit(reader, &mut runner, &mut log_hasher, unit)?;
            count += unit_end - start;
            end = Some(unit_end);
        }
        self.progress.transactions.fetch_add(count, Ordering::Relaxed);
        *lock(&self.progress.logs_bloom) |= logs_bloom;
        self.end_stretch(&runner, reader)
    }

    /// Runs transactions in a row, on what those before them have left, or, if they are the first of a stretch, on what the list says.
    /// The bloom filter of their logs.
    fn run_unit(
        &self,
        reader: &ListReader<'_, '_>,
        runner: &mut TxRunner<'_>,
        log_hasher: &mut LogHasher,
        unit: usize,
    ) -> Option<Bloom> {
        let (mut logs_bloom, mut room) = (Bloom::ZERO, None);
        for (at, position) in self.units[unit].clone().enumerate() {
            let (transaction, sender) = (&self.job.block.transactions[position], self.job.senders[position]);
            let (index, mut has_all) = (index_of(position)?, true);
            let mut see = |change: TxChangeRef<'_>| has_all &= self.view.has(index, change, reader.lookups());
            let outcome = runner.run_in_place_seen(transaction, sender, &mut see).ok()?;
            if !has_all {
                return None;
            }
            // Asked for after a transaction has run, when it has mostly been made.
            let Room { receipts, gas } = match &mut room {
                Some(room) => room,
                none => none.insert(self.room(unit)?),
            };
            gas[at] = runner.gas_of(transaction, &outcome);
            let receipt = &mut receipts[at];
            receipt.tx_type = transaction.tx_type;
            receipt.status = ReceiptStatus::Status(outcome.halt.is_none());
            if !outcome.logs.is_empty() {
                receipt.logs_bloom = log_hasher.bloom(&outcome.logs);
                logs_bloom |= receipt.logs_bloom;
                receipt.logs = outcome.logs;
            }
        }
        Some(logs_bloom)
    }

    /// Notes what was accessed since the runner last forgot, as far as the reader was not asked for it.
    fn end_stretch(&self, runner: &TxRunner<'_>, reader: &ListReader<'_, '_>) -> Option<()> {
        self.view.note_unasked(runner.journal(), reader.lookups()).then_some(())
    }

    fn make_parts(&self) -> Option<()> {
        while !self.progress.has_failed.load(Ordering::Relaxed) {
            let next = self.progress.next_part.fetch_add(1, Ordering::Relaxed);
            let Some(part) = self.parts.get(next) else { break };
            let first = next * ACCOUNTS_PER_JOB;
            let last = self.list.0.len().min(first + ACCOUNTS_PER_JOB);
            part.set(self.part(first..last)?).ok()?;
        }
        Some(())
    }

    /// Checks the form of some accounts of the list, and says what they change.
    fn part(&self, positions: Range<usize>) -> Option<Part> {
        let accounts = &self.list.0[positions.clone()];
        let is_valid = accounts.iter().all(|account| account.validate(self.last_index).is_ok());
        let changes = |account: &AccountChanges| {
            let of_slots: usize = account.storage_changes.iter().map(|slot| slot.changes.len()).sum();
            of_slots + account.balance_changes.len() + account.nonce_changes.len() + account.code_changes.len()
        };
        Some(Part {
            changes: accounts.iter().map(changes).sum(),
            diff: if is_valid { self.view.diff(positions).ok()? } else { return None },
            accounts: if self.job.rules().has_access_lists { accounts.to_vec() } else { Vec::new() },
        })
    }

    /// What has come of it, if nothing has failed.
    fn end(self) -> Option<Ran<'a>> {
        let Self { job, last_index, view, parts, progress, .. } = self;
        let is_done = progress.transactions.load(Ordering::Relaxed) == job.block.transactions.len();
        if progress.has_failed.load(Ordering::Relaxed) || !is_done {
            return None;
        }
        let parts: Option<Vec<Part>> = parts.into_iter().map(OnceLock::into_inner).collect();
        Some(Ran { job, last_index, view, parts: parts?, progress })
    }
}

/// A block whose transactions have run.
struct Ran<'a> {
    job: &'a Job<'a>,
    last_index: u32,
    view: &'a ListView<'a>,
    parts: Vec<Part>,
    progress: &'a Progress,
}

impl Ran<'_> {
    /// Completes the receipts, runs what comes after the transactions, sees that the list has nothing too much, and puts the outcome
    /// together.
    fn finish(self, reader: &ListReader<'_, '_>, Written { receipts, gas }: Written) -> Option<Outcome> {
        let Self { job, last_index, view, parts, progress } = self;
        reader.set_index(last_index);
        let mut executor =
            BlockExecutor::new(job.chain, &job.block.header, reader).with_tier(job.tier).with_access_list();
        executor.accept_all(&gas, receipts, *lock(&progress.logs_bloom)).ok()?;
        let withdrawals = job.block.withdrawals.as_deref().unwrap_or_default();
        let mut outcome = executor.finish(&job.block.ommers, withdrawals).ok()?;
        let accesses = outcome.block_access_list.take()?;
        if !is_part(view, reader, &accesses, last_index) {
            return None;
        }
        progress.count(reader);
        let changes: usize = parts.iter().map(|part| part.changes).sum();
        if changes != progress.changes.load(Ordering::Relaxed) || !view.is_all_used() {
            return None;
        }
        outcome.diff = Diff::default();
        outcome.diff.accounts.reserve_exact(parts.iter().map(|part| part.diff.accounts.len()).sum());
        let mut list = BlockAccessList::default();
        for part in parts {
            outcome.diff.accounts.extend(part.diff.accounts);
            outcome.diff.codes.extend(part.diff.codes);
            list.0.extend(part.accounts);
        }
        outcome.diff.codes.sort_unstable_by_key(Code::hash);
        outcome.diff.codes.dedup_by_key(|code| code.hash());
        outcome.block_access_list = job.rules().has_access_lists.then_some(list);
        Some(outcome)
    }
}

/// Whether what a part of the block, which is not a transaction, accessed and, as its only part, changed is in the list.
fn is_part(view: &ListView<'_>, reader: &ListReader<'_, '_>, accesses: &BlockAccessList, index: u32) -> bool {
    view.note_all_of(accesses, reader.lookups())
        && changes_at(accesses, 0).iter().all(|change| view.has(index, change.into(), reader.lookups()))
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
