//! A diff applied to the tries of a state, as pieces of work that depend on nothing of each other.
//!
//! There are four rounds. The jobs of a round may run at once and in any order, on one thread or on many, because each owns
//! what it changes: a trie, or one of the sixteen parts of a large one. What a round gives is put together before the next.
//!
//! 1. *Keys*: addresses and slots are hashed.
//! 2. *Opening*, one job for each part of the account trie: nodes on the paths of the changed accounts are loaded, accounts
//!    of which no slot changes are written, and for the others the root of the storage is looked up.
//! 3. *Storages*: one job for a few small storages, or for a part of a large one. It writes slots and hashes what changed.
//! 4. *Closing*, again by part of the account trie: the other accounts are written with their new storage roots, accounts
//!    that cease to exist are removed, and the part is hashed.
//!
//! Threads are not known here. [`StateTrie::apply_with`] hands each round's jobs to its caller, who runs them as it likes.
//!
//! **Order.** In every trie insertions come before removals, and accounts that cease to exist last of all, because that needs
//! the fewest nodes of a partial trie. Within that, keys ascend: neighbours in a trie are neighbours in a store.

use crate::{
    EMPTY_ROOT_HASH, EmptySource, KECCAK_EMPTY, OneTrie, StateNodeSource, StateTrie, Trie, TrieError,
    roots::slot_key,
    state_trie::{decode_account, encode_account},
    trie::{PARTS, Scratch, SplitTrie},
};
use alloc::vec::Vec;
use alloy_primitives::{B256, U256, keccak256};
use alloy_rlp::Encodable;
use core::ops::Range;
use rialto_state::{AccountDiff, Diff};

/// Changed accounts from which on the account trie is split.
const SPLIT_ACCOUNTS: usize = 64;
/// Changed slots from which on a storage trie is split. Splitting costs the copy of what is loaded, once.
const SPLIT_SLOTS: usize = 512;
/// Keys that one job hashes.
const KEYS_PER_JOB: usize = 1_024;
/// Changed slots that one job writes, unless a single trie has more of them.
const SLOTS_PER_JOB: usize = 256;

/// Runs all jobs of a round with [`Job::run`], in any order, and returns when all are done.
pub type RunJobs<'r> = dyn FnMut(&mut [Job<'_>]) + 'r;

/// A piece of work that depends on nothing of the others of its round.
#[derive(Debug)]
pub struct Job<'a> {
    work: Work<'a>,
    is_done: bool,
    result: Result<(), TrieError>,
}

#[derive(Debug)]
enum Work<'a> {
    /// The keys at these places of the list of all keys.
    Keys { diff: &'a Diff, starts: &'a [usize], range: Range<usize>, keys: Vec<B256> },
    /// The first visit to a part of the account trie.
    Open { trie: Trie, tasks: Vec<Task<'a>> },
    /// Slots of storage tries or of parts of them.
    Storages(Vec<Writes<'a>>),
    /// The second visit to a part of the account trie.
    Close { trie: Trie, tasks: Vec<Task<'a>> },
}

/// One changed account.
#[derive(Debug)]
struct Task<'a> {
    /// Keccak-256 of the address.
    key: B256,
    change: &'a AccountDiff,
    /// Keys of the changed slots, in the order of the diff.
    slot_keys: &'a [B256],
    /// Changed slots by ascending key.
    slots: Vec<SlotWrite>,
    /// The storage, where slots of it change.
    storage: Option<SplitTrie>,
}

/// Changed slots of a storage trie or of one of its parts.
#[derive(Debug)]
struct Writes<'a> {
    /// Number of the task, and of the part.
    place: (usize, usize),
    account: B256,
    trie: Trie,
    slots: &'a [SlotWrite],
}

/// One changed slot.
#[derive(Clone, Copy, Debug)]
struct SlotWrite {
    /// Keccak-256 of the slot's number.
    key: B256,
    before: U256,
    after: U256,
}

impl<'a> Job<'a> {
    fn new(work: Work<'a>) -> Self {
        Self { work, is_done: false, result: Ok(()) }
    }

    /// Does the work; nodes that are not in memory come from `source`. Does nothing the second time.
    pub fn run(&mut self, source: &dyn StateNodeSource) {
        if !core::mem::replace(&mut self.is_done, true) {
            self.result = self.work.run(source);
        }
    }
}

impl Work<'_> {
    fn run(&mut self, source: &dyn StateNodeSource) -> Result<(), TrieError> {
        match self {
            Self::Keys { diff, starts, range, keys } => hash_keys(diff, starts, range.clone(), keys),
            Self::Open { trie, tasks } => {
                let mut value = Vec::new();
                tasks.iter_mut().try_for_each(|task| task.open(trie, &mut value, source))?;
            }
            Self::Storages(writes) => {
                let mut scratch = Scratch::default();
                writes.iter_mut().try_for_each(|writes| writes.run(&mut scratch, source))?;
            }
            Self::Close { trie, tasks } => close(trie, tasks, source)?,
        }
        Ok(())
    }
}

/// Hashes the keys at these places. An account's address comes before its slots; `starts` has the places of the addresses.
fn hash_keys(diff: &Diff, starts: &[usize], range: Range<usize>, keys: &mut Vec<B256>) {
    keys.reserve_exact(range.len());
    let mut account = starts.partition_point(|start| *start <= range.start) - 1;
    let mut place = range.start;
    while place < range.end {
        let change = &diff.accounts[account];
        if place == starts[account] {
            keys.push(keccak256(change.address));
            place += 1;
        }
        let first = place - starts[account] - 1;
        let last = change.storage.len().min(first + range.end - place);
        keys.extend(change.storage[first..last].iter().map(|slot| slot_key(&slot.slot)));
        place += last - first;
        account += 1;
    }
}

impl Task<'_> {
    /// The value that the account's leaf probably has: an account without code has no storage. Empty where there is no telling.
    fn write_known_leaf(&self, value: &mut Vec<u8>, source: &dyn StateNodeSource) {
        value.clear();
        if let Some(before) = &self.change.before
            && before.code_hash == KECCAK_EMPTY
            && source.is_slow()
        {
            encode_account(before, EMPTY_ROOT_HASH, value);
        }
    }

    /// Loads what leads to the account, writes it if no slot changes, and otherwise looks its storage up.
    fn open(&mut self, trie: &mut Trie, value: &mut Vec<u8>, source: &dyn StateNodeSource) -> Result<(), TrieError> {
        let Some(after) = &self.change.after else { return Ok(()) };
        let nodes = OneTrie { source, account: None };
        let mut root = EMPTY_ROOT_HASH;
        if !self.change.storage_wiped {
            self.write_known_leaf(value, source);
            if let Some(leaf) = trie.load_value(self.key.as_slice(), value, &nodes)? {
                root = decode_account(&self.key, leaf)?.storage_root;
            }
        }
        if self.change.storage.is_empty() {
            encode_account(after, root, value);
            return trie.insert(self.key.as_slice(), value, &nodes);
        }
        let writes = self.slot_keys.iter().zip(&self.change.storage);
        self.slots.extend(writes.map(|(key, slot)| SlotWrite { key: *key, before: slot.before, after: slot.after }));
        self.slots.sort_unstable_by_key(|slot| slot.key);
        let storage = self.storage.get_or_insert_with(|| SplitTrie::from_root(root));
        if self.slots.len() >= SPLIT_SLOTS {
            let nodes = OneTrie { source, account: Some(self.key) };
            storage.split(&nodes).map_err(|error| error.in_storage(self.key))?;
        }
        Ok(())
    }
}

impl Writes<'_> {
    /// Writes the slots, insertions first, and hashes what changed.
    fn run(&mut self, scratch: &mut Scratch, source: &dyn StateNodeSource) -> Result<(), TrieError> {
        self.trie.swap_scratch(scratch);
        let result = self.write(source).map_err(|error| error.in_storage(self.account));
        self.trie.seal();
        self.trie.swap_scratch(scratch);
        result
    }

    fn write(&mut self, source: &dyn StateNodeSource) -> Result<(), TrieError> {
        let nodes = OneTrie { source, account: Some(self.account) };
        let is_slow = source.is_slow();
        // The RLP of a word has at most 33 bytes.
        let (mut known, mut value) = (Vec::with_capacity(33), Vec::with_capacity(33));
        for is_removal in [false, true] {
            for slot in self.slots.iter().filter(|slot| slot.after.is_zero() == is_removal) {
                known.clear();
                if is_slow && !slot.before.is_zero() {
                    slot.before.encode(&mut known);
                }
                if is_removal {
                    self.trie.remove_known(slot.key.as_slice(), &known, &nodes)?;
                } else {
                    value.clear();
                    slot.after.encode(&mut value);
                    self.trie.insert_known(slot.key.as_slice(), &known, &value, &nodes)?;
                }
            }
        }
        Ok(())
    }
}

/// Writes accounts with changed storages, removes those that cease to exist, and hashes what changed.
fn close(trie: &mut Trie, tasks: &mut [Task<'_>], source: &dyn StateNodeSource) -> Result<(), TrieError> {
    let nodes = OneTrie { source, account: None };
    let mut value = Vec::new();
    for task in tasks.iter_mut() {
        let (Some(storage), Some(after)) = (&mut task.storage, &task.change.after) else { continue };
        let slots = OneTrie { source, account: Some(task.key) };
        storage.settle(&slots).map_err(|error| error.in_storage(task.key))?;
        encode_account(after, storage.root(), &mut value);
        trie.insert(task.key.as_slice(), &value, &nodes)?;
    }
    for task in tasks.iter().filter(|task| task.change.after.is_none()) {
        trie.remove(task.key.as_slice(), &nodes)?;
    }
    trie.seal();
    Ok(())
}

impl StateTrie {
    /// Applies a diff to a state that is wholly in memory and returns the new root.
    ///
    /// On an error the state is left half changed and must not be used any more.
    pub fn apply(&mut self, diff: &Diff) -> Result<B256, TrieError> {
        self.apply_from(diff, &EmptySource)
    }

    /// Applies a diff and returns the new root; nodes that are not in memory come from `source`.
    ///
    /// On an error the state is left half changed and must not be used any more.
    pub fn apply_from(&mut self, diff: &Diff, source: &dyn StateNodeSource) -> Result<B256, TrieError> {
        self.apply_with(diff, source, &mut |jobs| jobs.iter_mut().for_each(|job| job.run(source)))
    }

    /// As [`StateTrie::apply_from`], but `run` runs the jobs of each round, with a source that gives the same nodes. Root and
    /// nodes are the same whatever it does; a job that it leaves out is run afterwards.
    ///
    /// On an error the state is left half changed and must not be used any more.
    pub fn apply_with(
        &mut self,
        diff: &Diff,
        source: &dyn StateNodeSource,
        run: &mut RunJobs<'_>,
    ) -> Result<B256, TrieError> {
        if diff.is_empty() {
            return Ok(self.accounts.root());
        }
        let mut run = |jobs: &mut [Job<'_>]| {
            run(jobs);
            jobs.iter_mut().for_each(|job| job.run(source));
            jobs.iter_mut().try_for_each(|job| core::mem::replace(&mut job.result, Ok(())))
        };
        let starts = key_starts(diff);
        let keys = all_keys(diff, &starts, &mut run)?;
        if diff.accounts.len() >= SPLIT_ACCOUNTS {
            self.accounts.split(&OneTrie { source, account: None })?;
        }
        let tries = self.accounts.take_parts();
        let tasks = self.tasks(diff, &starts, &keys, tries.len());
        let mut jobs: Vec<_> =
            tries.into_iter().zip(tasks).map(|(trie, tasks)| Job::new(Work::Open { trie, tasks })).collect();
        run(&mut jobs)?;
        let (tries, mut tasks): (Vec<_>, Vec<_>) = jobs.into_iter().filter_map(Job::into_part).unzip();
        write_storages(&mut tasks, &mut run)?;
        let mut jobs: Vec<_> =
            tries.into_iter().zip(tasks).map(|(trie, tasks)| Job::new(Work::Close { trie, tasks })).collect();
        run(&mut jobs)?;
        for (part, (trie, tasks)) in jobs.into_iter().filter_map(Job::into_part).enumerate() {
            self.accounts.put_part(part, trie);
            tasks.into_iter().for_each(|task| self.keep_storage(task));
        }
        self.accounts.settle(&OneTrie { source, account: None })?;
        Ok(self.accounts.root())
    }

    /// The changed accounts by part of the account trie, ascending, with their storages.
    fn tasks<'a>(&mut self, diff: &'a Diff, starts: &[usize], keys: &'a [B256], parts: usize) -> Vec<Vec<Task<'a>>> {
        let mut tasks: Vec<Vec<Task<'a>>> = (0..parts).map(|_| Vec::new()).collect();
        for (change, start) in diff.accounts.iter().zip(starts) {
            let key = keys[*start];
            if change.storage_wiped || change.after.is_none() {
                self.wipe_storage(key);
            }
            let is_written = change.after.is_some() && !change.storage.is_empty();
            let part = if parts == PARTS { usize::from(key[0] >> 4) } else { 0 };
            tasks[part].push(Task {
                key,
                change,
                slot_keys: &keys[start + 1..start + 1 + change.storage.len()],
                slots: Vec::new(),
                storage: if is_written { self.storages.remove(&key) } else { None },
            });
        }
        tasks.iter_mut().for_each(|tasks| tasks.sort_unstable_by_key(|task| task.key));
        tasks
    }

    /// Puts a changed storage back.
    fn keep_storage(&mut self, task: Task<'_>) {
        let Some(storage) = task.storage else { return };
        if self.has_store {
            self.changed.push(task.key);
        } else if storage.is_empty() {
            return;
        }
        self.storages.insert(task.key, storage);
    }
}

impl<'a> Job<'a> {
    /// What a job on a part of the account trie was given.
    fn into_part(self) -> Option<(Trie, Vec<Task<'a>>)> {
        match self.work {
            Work::Open { trie, tasks } | Work::Close { trie, tasks } => Some((trie, tasks)),
            Work::Keys { .. } | Work::Storages(_) => None,
        }
    }
}

/// The places of the accounts' keys in the list of all keys, and the length of the list.
fn key_starts(diff: &Diff) -> Vec<usize> {
    let mut starts = Vec::with_capacity(diff.accounts.len() + 1);
    let mut place = 0;
    starts.push(place);
    for change in &diff.accounts {
        place += 1 + change.storage.len();
        starts.push(place);
    }
    starts
}

type Run<'r> = dyn FnMut(&mut [Job<'_>]) -> Result<(), TrieError> + 'r;

/// The first round.
fn all_keys(diff: &Diff, starts: &[usize], run: &mut Run<'_>) -> Result<Vec<B256>, TrieError> {
    let count = starts.last().copied().unwrap_or_default();
    let mut jobs: Vec<_> = (0..count)
        .step_by(KEYS_PER_JOB)
        .map(|first| first..count.min(first + KEYS_PER_JOB))
        .map(|range| Job::new(Work::Keys { diff, starts: &starts[..diff.accounts.len()], range, keys: Vec::new() }))
        .collect();
    run(&mut jobs)?;
    let mut all = Vec::with_capacity(count);
    for job in jobs {
        if let Work::Keys { keys, .. } = job.work {
            all.extend_from_slice(&keys);
        }
    }
    Ok(all)
}

/// The third round.
fn write_storages(tasks: &mut [Vec<Task<'_>>], run: &mut Run<'_>) -> Result<(), TrieError> {
    let mut storages: Vec<(B256, &[SlotWrite], &mut SplitTrie)> = Vec::new();
    for task in tasks.iter_mut().flatten() {
        if let Some(storage) = &mut task.storage {
            storages.push((task.key, &task.slots, storage));
        }
    }
    let mut writes = Vec::with_capacity(storages.len());
    for (number, (account, slots, storage)) in storages.iter_mut().enumerate() {
        let parts = storage.take_parts();
        let is_split = parts.len() == PARTS;
        let mut rest = *slots;
        for (part, trie) in parts.into_iter().enumerate() {
            let length =
                if is_split { rest.partition_point(|slot| usize::from(slot.key[0] >> 4) <= part) } else { rest.len() };
            let (slots, after) = rest.split_at(length);
            rest = after;
            writes.push(Writes { place: (number, part), account: *account, trie, slots });
        }
    }
    let mut jobs = storage_jobs(writes);
    run(&mut jobs)?;
    for job in jobs {
        if let Work::Storages(writes) = job.work {
            writes.into_iter().for_each(|Writes { place, trie, .. }| storages[place.0].2.put_part(place.1, trie));
        }
    }
    Ok(())
}

/// Jobs of about the same size, those that are larger first.
fn storage_jobs(mut writes: Vec<Writes<'_>>) -> Vec<Job<'_>> {
    let is_large = |writes: &Writes<'_>| writes.slots.len() >= SLOTS_PER_JOB;
    let mut large: Vec<_> = writes.extract_if(.., |writes| is_large(writes)).collect();
    large.sort_by_key(|writes| core::cmp::Reverse(writes.slots.len()));
    let mut jobs: Vec<_> = large.into_iter().map(|writes| Job::new(Work::Storages(Vec::from([writes])))).collect();
    let (mut group, mut slots) = (Vec::new(), 0);
    for writes in writes {
        slots += writes.slots.len();
        group.push(writes);
        if slots >= SLOTS_PER_JOB {
            jobs.push(Job::new(Work::Storages(core::mem::take(&mut group))));
            slots = 0;
        }
    }
    if !group.is_empty() {
        jobs.push(Job::new(Work::Storages(group)));
    }
    jobs
}
