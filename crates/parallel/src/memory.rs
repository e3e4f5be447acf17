//! The state of a block under way, as several threads read and write it: a multi-version memory.
//!
//! # Shape
//! Below is the reader of the state before the block. Above, for what some transaction changed and nothing else, are cells: what
//! the committed transactions made of it, and a version for each transaction that was run and is not committed yet. A transaction
//! sees the versions of those before it. Cells lie in shards with a lock each, an account's slots beside the account. A filter
//! of a bit for each changed item, without locks, lets a read of anything that nobody changed pass straight to the reader below.
//!
//! # Additions
//! A balance's version is what to add to it or take from it. So tips to the fee recipient and transfers to one account don't
//! disturb each other, and a transaction depends on them only as far as it looked at the balance
//! ([`rialto_state::AccountRead`]).
//!
//! # What is not shown early
//! A transaction that deletes an account shows nothing before it is committed. Those after it may run on what is no longer
//! so, and are found out when it is their turn.

use alloy_primitives::map::{AddressMap, B256Map, DefaultHashBuilder, HashMap};
use alloy_primitives::{Address, B256, U256};
use rialto_state::{Account, AccountDiff, Code, Diff, ReadError, SlotDiff, StateReader};
use rialto_stf::TxEffects;
use std::hash::BuildHasher;

use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, RwLock, read, write};

/// Shards, a power of two: many more than threads, so that two seldom meet.
const SHARDS: usize = 64;
/// Words of the filter, a power of two.
const FILTER_WORDS: usize = 1024;

/// A position in the block.
pub(crate) type Index = u32;

/// What somebody sees at his place in the block.
pub(crate) enum Seen<T> {
    /// So it is.
    Value(T),
    /// This transaction wrote it, and is going to be run again.
    Estimate(Index),
}

/// What to do to a balance.
#[derive(Clone, Copy, Default)]
struct Step {
    amount: U256,
    is_less: bool,
}

impl Step {
    fn between(before: U256, after: U256) -> Self {
        let is_less = after < before;
        Self { amount: if is_less { before - after } else { after - before }, is_less }
    }

    /// `None` where there is no such balance: whoever made the step saw another.
    fn apply(&self, balance: U256) -> Option<U256> {
        if self.is_less { balance.checked_sub(self.amount) } else { balance.checked_add(self.amount) }
    }
}

/// What a transaction does to an account that exists afterwards.
#[derive(Clone, Copy)]
struct AccountVersion {
    by: Index,
    is_estimate: bool,
    balance: Step,
    /// The new nonce and code hash, where one of them changed or the account came into being.
    record: Option<(u64, B256)>,
}

impl AccountVersion {
    fn of(by: Index, change: &AccountDiff) -> Option<Self> {
        let after = change.after?;
        let before = change.before.unwrap_or_default();
        let is_new = change.before.is_none();
        let is_record = is_new || before.nonce != after.nonce || before.code_hash != after.code_hash;
        let record = is_record.then_some((after.nonce, after.code_hash));
        Some(Self { by, is_estimate: false, balance: Step::between(before.balance, after.balance), record })
    }

    fn apply(&self, account: Option<Account>) -> Option<Account> {
        let mut account = account.unwrap_or_default();
        account.balance = self.balance.apply(account.balance)?;
        if let Some((nonce, code_hash)) = self.record {
            (account.nonce, account.code_hash) = (nonce, code_hash);
        }
        Some(account)
    }
}

#[derive(Clone, Copy)]
struct SlotVersion {
    by: Index,
    is_estimate: bool,
    word: U256,
}

/// A slot as it was before the block, as it is committed, and what is under way.
struct SlotCell {
    before: U256,
    committed: U256,
    versions: Vec<SlotVersion>,
}

/// An account as it was before the block, as it is committed, and what is under way.
struct Cell {
    before: Option<Account>,
    committed: Option<Account>,
    versions: Vec<AccountVersion>,
    /// Whether all storage from before the block is gone.
    is_wiped: bool,
    slots: HashMap<U256, SlotCell>,
}

impl Cell {
    fn new(before: Option<Account>) -> Self {
        Self { before, committed: before, versions: Vec::new(), is_wiped: false, slots: HashMap::default() }
    }

    fn account_at(&self, index: Index) -> Seen<Option<Account>> {
        let mut account = self.committed;
        for version in self.versions.iter().take_while(|version| version.by < index) {
            if version.is_estimate {
                return Seen::Estimate(version.by);
            }
            // A balance that can't be is as good as any other: whoever reads it is found out.
            account = version.apply(account).or(account);
        }
        Seen::Value(account)
    }

    /// `None` where the reader below is to be asked.
    fn slot_at(&self, slot: &U256, index: Index) -> Option<Seen<U256>> {
        let Some(cell) = self.slots.get(slot) else {
            return (self.is_wiped || self.before.is_none()).then_some(Seen::Value(U256::ZERO));
        };
        let last = cell.versions.iter().rev().find(|version| version.by < index);
        Some(match last {
            Some(version) if version.is_estimate => Seen::Estimate(version.by),
            Some(version) => Seen::Value(version.word),
            None => Seen::Value(cell.committed),
        })
    }
}

/// Puts a version at its place, in the stead of the one that its transaction made before.
fn insert<T>(versions: &mut Vec<T>, version: T, by: impl Fn(&T) -> Index) {
    let place = versions.partition_point(|other| by(other) < by(&version));
    match versions.get_mut(place) {
        Some(other) if by(other) == by(&version) => *other = version,
        _ => versions.insert(place, version),
    }
}

type Shard = AddressMap<Cell>;

/// See the module's documentation.
pub(crate) struct BlockMemory<'r> {
    reader: &'r (dyn StateReader + Sync),
    hasher: DefaultHashBuilder,
    filter: Vec<AtomicU64>,
    shards: Vec<RwLock<Shard>>,
    codes: RwLock<B256Map<Code>>,
    has_codes: AtomicBool,
    /// Whether an account was deleted, so that slots may have changed which nobody wrote.
    has_wiped: AtomicBool,
    /// Where the reader failed while something was written; whoever ends the block asks.
    failure: Mutex<Option<ReadError>>,
}

impl<'r> BlockMemory<'r> {
    /// The state of `reader`.
    pub fn new(reader: &'r (dyn StateReader + Sync)) -> Self {
        Self {
            reader,
            hasher: DefaultHashBuilder::default(),
            filter: (0..FILTER_WORDS).map(|_| AtomicU64::new(0)).collect(),
            shards: (0..SHARDS).map(|_| RwLock::new(Shard::default())).collect(),
            codes: RwLock::new(B256Map::default()),
            has_codes: AtomicBool::new(false),
            has_wiped: AtomicBool::new(false),
            failure: Mutex::new(None),
        }
    }

    /// What went wrong below while something was written.
    pub fn failure(&self) -> Option<ReadError> {
        crate::sync::lock(&self.failure).clone()
    }

    fn shard(&self, address: &Address) -> &RwLock<Shard> {
        &self.shards[self.hasher.hash_one(address) as usize % SHARDS]
    }

    fn bit(&self, hash: u64) -> (&AtomicU64, u64) {
        (&self.filter[(hash >> 6) as usize % FILTER_WORDS], 1 << (hash & 63))
    }

    fn may_have_changed(&self, hash: u64) -> bool {
        let (word, bit) = self.bit(hash);
        word.load(Ordering::Acquire) & bit != 0
    }

    fn note_change(&self, hash: u64) {
        let (word, bit) = self.bit(hash);
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::AcqRel);
        }
    }

    fn slot_hash(&self, address: &Address, slot: &U256) -> u64 {
        self.hasher.hash_one((address, slot))
    }

    /// The account as the transaction at `index` finds it.
    pub fn account_at(&self, address: &Address, index: Index) -> Result<Seen<Option<Account>>, ReadError> {
        if self.may_have_changed(self.hasher.hash_one(address))
            && let Some(cell) = read(self.shard(address)).get(address)
        {
            return Ok(cell.account_at(index));
        }
        self.reader.account(address).map(Seen::Value)
    }

    /// The slot as the transaction at `index` finds it.
    pub fn slot_at(&self, address: &Address, slot: &U256, index: Index) -> Result<Seen<U256>, ReadError> {
        if (self.has_wiped.load(Ordering::Acquire) || self.may_have_changed(self.slot_hash(address, slot)))
            && let Some(seen) = read(self.shard(address)).get(address).and_then(|cell| cell.slot_at(slot, index))
        {
            return Ok(seen);
        }
        self.reader.storage(address, slot).map(Seen::Value)
    }

    /// Code, made in this block or before.
    pub fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        if self.has_codes.load(Ordering::Acquire)
            && let Some(code) = read(&self.codes).get(code_hash)
        {
            return Ok(code.clone());
        }
        self.reader.code(code_hash)
    }

    /// Whether the account has storage, by all that is written so far. A transaction that gives an account its first slot gives
    /// it a nonce or code, too, which are looked at before this.
    pub fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        if let Some(cell) = read(self.shard(address)).get(address) {
            if cell.slots.values().any(|slot| !slot.committed.is_zero()) {
                return Ok(true);
            }
            if cell.is_wiped || cell.before.is_none() {
                return Ok(false);
            }
        }
        self.reader.has_storage(address)
    }

    /// The hash of an earlier block.
    pub fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.reader.block_hash(number)
    }

    /// Whether the transaction at `index` would do the same now.
    pub fn is_current(&self, effects: &TxEffects, index: Index) -> bool {
        let has_wiped = self.has_wiped.load(Ordering::Acquire);
        let is_account = |read_then: &rialto_state::AccountRead| {
            if !self.may_have_changed(self.hasher.hash_one(read_then.address)) {
                return true;
            }
            match self.account_at(&read_then.address, index) {
                Ok(Seen::Value(now)) => read_then.holds_for(now.as_ref()),
                _ => false,
            }
        };
        let is_slot = |(address, slot, word): &(Address, U256, U256)| {
            if !has_wiped && !self.may_have_changed(self.slot_hash(address, slot)) {
                return true;
            }
            matches!(self.slot_at(address, slot, index), Ok(Seen::Value(now)) if now == *word)
        };
        effects.accounts.iter().all(is_account) && effects.slots.iter().all(is_slot)
    }

    /// Runs `change` on the account's cell, which is made if there is none.
    fn with_cell<T>(&self, address: &Address, change: impl FnOnce(&mut Cell) -> T) -> Option<T> {
        let is_there = read(self.shard(address)).contains_key(address);
        let before = if is_there { None } else { self.noted(self.reader.account(address))? };
        let mut shard = write(self.shard(address));
        Some(change(shard.entry(*address).or_insert_with(|| Cell::new(before))))
    }

    fn noted<T>(&self, result: Result<T, ReadError>) -> Option<T> {
        result.map_err(|error| *crate::sync::lock(&self.failure) = Some(error)).ok()
    }

    /// Runs `change` on each slot's cell that the diff writes.
    fn each_slot(&self, cell: &mut Cell, change: &AccountDiff, mut f: impl FnMut(&mut SlotCell, &SlotDiff)) {
        for slot in &change.storage {
            if !cell.slots.contains_key(&slot.slot) {
                let is_absent = cell.before.is_none() || cell.is_wiped;
                let below = if cell.before.is_none() {
                    U256::ZERO
                } else {
                    self.noted(self.reader.storage(&change.address, &slot.slot)).unwrap_or_default()
                };
                let committed = if is_absent { U256::ZERO } else { below };
                cell.slots.insert(slot.slot, SlotCell { before: below, committed, versions: Vec::new() });
            }
            let slot_cell = cell.slots.get_mut(&slot.slot).expect("made above");
            f(slot_cell, slot);
        }
    }

    fn add_codes(&self, diff: &Diff) {
        if !diff.codes.is_empty() {
            write(&self.codes).extend(diff.codes.iter().map(|code| (code.hash(), code.clone())));
            self.has_codes.store(true, Ordering::Release);
        }
    }

    fn note_changes(&self, change: &AccountDiff) {
        self.note_change(self.hasher.hash_one(change.address));
        for slot in &change.storage {
            self.note_change(self.slot_hash(&change.address, &slot.slot));
        }
    }

    /// Shows what the transaction at `index` does to those after it.
    pub fn publish(&self, diff: &Diff, index: Index) {
        if diff.accounts.iter().any(|change| change.after.is_none() || change.storage_wiped) {
            return;
        }
        self.add_codes(diff);
        for change in &diff.accounts {
            self.with_cell(&change.address, |cell| {
                if let Some(version) = AccountVersion::of(index, change) {
                    insert(&mut cell.versions, version, |version| version.by);
                }
                self.each_slot(cell, change, |slot, diff| {
                    let version = SlotVersion { by: index, is_estimate: false, word: diff.after };
                    insert(&mut slot.versions, version, |version| version.by);
                });
            });
            self.note_changes(change);
        }
    }

    fn each_version(&self, diff: &Diff, index: Index, mut f: impl FnMut(&mut Cell, Option<U256>, Index)) {
        for change in &diff.accounts {
            if let Some(cell) = write(self.shard(&change.address)).get_mut(&change.address) {
                f(cell, None, index);
                change.storage.iter().for_each(|slot| f(cell, Some(slot.slot), index));
            }
        }
    }

    /// Marks what [`BlockMemory::publish`] showed: the transaction is going to be run again, and will likely write these.
    pub fn mark_estimates(&self, diff: &Diff, index: Index) {
        self.each_version(diff, index, |cell, slot, index| match slot {
            None => {
                let own = cell.versions.iter_mut().find(|version| version.by == index);
                own.into_iter().for_each(|version| version.is_estimate = true);
            }
            Some(slot) => {
                let versions = cell.slots.get_mut(&slot).map(|slot| &mut slot.versions);
                let own = versions.into_iter().flatten().find(|version| version.by == index);
                own.into_iter().for_each(|version| version.is_estimate = true);
            }
        });
    }

    /// Takes back what [`BlockMemory::publish`] showed.
    pub fn retract(&self, diff: &Diff, index: Index) {
        self.each_version(diff, index, |cell, slot, index| match slot {
            None => cell.versions.retain(|version| version.by != index),
            Some(slot) => {
                let versions = cell.slots.get_mut(&slot).map(|slot| &mut slot.versions);
                versions.into_iter().for_each(|versions| versions.retain(|version| version.by != index));
            }
        });
    }

    /// Makes what the transaction at `index` did the state for all. All before it are committed, and what it read is current.
    /// False where a balance would not be one, and then something may be half applied: the block is to be begun again.
    pub fn commit(&self, diff: &Diff, index: Index) -> bool {
        self.add_codes(diff);
        let mut is_possible = true;
        for change in &diff.accounts {
            let done = self.with_cell(&change.address, |cell| {
                cell.versions.retain(|version| version.by != index);
                if change.storage_wiped || change.after.is_none() {
                    self.has_wiped.store(true, Ordering::Release);
                    cell.is_wiped |= cell.before.is_some();
                    cell.slots.values_mut().for_each(|slot| slot.committed = U256::ZERO);
                }
                match AccountVersion::of(index, change) {
                    None => cell.committed = None,
                    Some(version) => match version.apply(cell.committed) {
                        Some(account) => cell.committed = Some(account),
                        None => is_possible = false,
                    },
                }
                self.each_slot(cell, change, |slot, diff| {
                    slot.versions.retain(|version| version.by != index);
                    slot.committed = diff.after;
                });
            });
            is_possible &= done.is_some();
            self.note_changes(change);
        }
        is_possible
    }

    /// Pays the fee recipient, when all before are committed. False as for [`BlockMemory::commit`].
    pub fn pay(&self, beneficiary: &Address, tip: U256) -> bool {
        if tip.is_zero() {
            return true;
        }
        let paid = self.with_cell(beneficiary, |cell| {
            let account = cell.committed.unwrap_or_default();
            let balance = account.balance.checked_add(tip);
            cell.committed = balance.map(|balance| Account { balance, ..account });
            balance.is_some()
        });
        self.note_change(self.hasher.hash_one(beneficiary));
        paid == Some(true)
    }

    /// The committed account.
    pub fn committed_account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        match read(self.shard(address)).get(address) {
            Some(cell) => Ok(cell.committed),
            None => self.reader.account(address),
        }
    }

    /// What all that was committed changed.
    pub fn into_diff(self) -> Diff {
        let mut accounts = Vec::new();
        let mut hashes = Vec::new();
        for (address, cell) in self.shards.into_iter().flat_map(crate::sync::into_inner) {
            let Some(change) = change_of(address, cell) else { continue };
            let code_of = |account: Option<Account>| account.filter(Account::has_code).map(|account| account.code_hash);
            if let Some(hash) = code_of(change.after).filter(|hash| code_of(change.before) != Some(*hash)) {
                hashes.push(hash);
            }
            accounts.push(change);
        }
        accounts.sort_unstable_by_key(|account| account.address);
        hashes.sort_unstable();
        hashes.dedup();
        let made = crate::sync::into_inner(self.codes);
        let codes =
            hashes.iter().map(|hash| made.get(hash).expect("code that was set was committed").clone()).collect();
        Diff { accounts, codes }
    }
}

/// What became of an account, `None` where nothing did.
fn change_of(address: Address, cell: Cell) -> Option<AccountDiff> {
    let Cell { before, committed: after, is_wiped: storage_wiped, slots, versions } = cell;
    debug_assert!(versions.is_empty(), "all transactions are committed");
    let slots = slots.into_iter().map(|(slot, cell)| {
        let before = if storage_wiped { U256::ZERO } else { cell.before };
        SlotDiff { slot, before, after: cell.committed }
    });
    let mut storage: Vec<SlotDiff> = slots.filter(|slot| after.is_some() && slot.before != slot.after).collect();
    storage.sort_unstable_by_key(|slot| slot.slot);
    let is_nothing = before == after && storage.is_empty() && !storage_wiped;
    (!is_nothing).then_some(AccountDiff { address, before, after, storage_wiped, storage })
}
