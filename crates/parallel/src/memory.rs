//! The state of a block under way, as several threads read and write it: a multi-version memory.
//!
//! # Shape
//! Below is the reader of the state before the block. Above, for what some transaction changed and nothing else, are cells: what
//! the committed transactions made of it, and a version for each transaction that was run and is not committed yet. A transaction
//! sees the versions of those before it. Cells lie in shards with a lock each. A filter of a bit for each changed item,
//! without locks, lets a read of anything that nobody changed pass straight to the reader below.
//!
//! # Additions
//! A balance's version is what to add to it or take from it. So tips to the fee recipient and transfers to one account don't
//! disturb each other, and a transaction depends on them only as far as it looked at the balance
//! ([`rialto_state::AccountRead`]).
//!
//! # What is not shown early
//! A transaction that deletes an account shows nothing before it is committed. Those after it may run on what is no longer
//! so, and are found out when it is their turn.

use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, RwLock, into_inner, lock, read, write};
use alloy_primitives::map::{B256Map, DefaultHashBuilder};
use alloy_primitives::{Address, B256, U256};
use hashbrown::HashTable;
use rialto_state::{
    Account, AccountDiff, AccountUse, Code, Diff, Footprint, ReadError, SlotDiff, SlotUse, StateReader,
};
use std::hash::BuildHasher;

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
    /// This transaction wrote it, and is being run again.
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
    fn between(by: Index, before: Option<Account>, after: Account) -> Self {
        let is_new = before.is_none();
        let before = before.unwrap_or_default();
        let is_record = is_new || before.nonce != after.nonce || before.code_hash != after.code_hash;
        let record = is_record.then_some((after.nonce, after.code_hash));
        Self { by, is_estimate: false, balance: Step::between(before.balance, after.balance), record }
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
    address: Address,
    slot: U256,
    before: U256,
    committed: U256,
    versions: Vec<SlotVersion>,
}

impl SlotCell {
    fn at(&self, index: Index) -> Seen<U256> {
        match self.versions.iter().rev().find(|version| version.by < index) {
            Some(version) if version.is_estimate => Seen::Estimate(version.by),
            Some(version) => Seen::Value(version.word),
            None => Seen::Value(self.committed),
        }
    }
}

/// An account as it was before the block, as it is committed, and what is under way.
struct AccountCell {
    address: Address,
    before: Option<Account>,
    committed: Option<Account>,
    versions: Vec<AccountVersion>,
    /// Whether all storage from before the block is gone.
    is_wiped: bool,
}

impl AccountCell {
    fn at(&self, index: Index) -> Seen<Option<Account>> {
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
}

/// Puts a version at its place, in the stead of the one that its transaction made before.
fn insert<T>(versions: &mut Vec<T>, version: T, by: impl Fn(&T) -> Index) {
    let place = versions.partition_point(|other| by(other) < by(&version));
    match versions.get_mut(place) {
        Some(other) if by(other) == by(&version) => *other = version,
        _ => versions.insert(place, version),
    }
}

#[derive(Default)]
struct Shard {
    accounts: HashTable<AccountCell>,
    slots: HashTable<SlotCell>,
}

impl Shard {
    fn account(&self, hash: u64, address: &Address) -> Option<&AccountCell> {
        self.accounts.find(hash, |cell| cell.address == *address)
    }

    fn account_mut(&mut self, hash: u64, address: &Address) -> Option<&mut AccountCell> {
        self.accounts.find_mut(hash, |cell| cell.address == *address)
    }

    fn slot(&self, hash: u64, address: &Address, slot: &U256) -> Option<&SlotCell> {
        self.slots.find(hash, |cell| cell.slot == *slot && cell.address == *address)
    }

    fn slot_mut(&mut self, hash: u64, address: &Address, slot: &U256) -> Option<&mut SlotCell> {
        self.slots.find_mut(hash, |cell| cell.slot == *slot && cell.address == *address)
    }
}

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

    /// Whether the reader failed while something was written.
    pub fn has_failed(&self) -> bool {
        lock(&self.failure).is_some()
    }

    fn noted<T>(&self, result: Result<T, ReadError>) -> Option<T> {
        result.map_err(|error| *lock(&self.failure) = Some(error)).ok()
    }

    fn account_hash(&self, address: &Address) -> u64 {
        self.hasher.hash_one(address)
    }

    fn slot_hash(&self, address: &Address, slot: &U256) -> u64 {
        self.hasher.hash_one((address, slot))
    }

    fn shard(&self, hash: u64) -> &RwLock<Shard> {
        &self.shards[hash as usize % SHARDS]
    }

    fn bit(&self, hash: u64) -> (&AtomicU64, u64) {
        (&self.filter[(hash >> 6) as usize % FILTER_WORDS], 1 << (hash & 63))
    }

    fn may_have_changed(&self, hash: u64) -> bool {
        let (word, bit) = self.bit(hash);
        word.load(Ordering::Acquire) & bit != 0
    }

    /// Comes after the change: whoever sees the bit finds the cell.
    fn note_change(&self, hash: u64) {
        let (word, bit) = self.bit(hash);
        if word.load(Ordering::Relaxed) & bit == 0 {
            word.fetch_or(bit, Ordering::AcqRel);
        }
    }

    // ---- reading ----

    /// The account as the transaction at `index` finds it.
    pub fn account_at(&self, address: &Address, index: Index) -> Result<Seen<Option<Account>>, ReadError> {
        let hash = self.account_hash(address);
        if self.may_have_changed(hash)
            && let Some(cell) = read(self.shard(hash)).account(hash, address)
        {
            return Ok(cell.at(index));
        }
        self.reader.account(address).map(Seen::Value)
    }

    /// The slot as the transaction at `index` finds it.
    pub fn slot_at(&self, address: &Address, slot: &U256, index: Index) -> Result<Seen<U256>, ReadError> {
        let hash = self.slot_hash(address, slot);
        if self.may_have_changed(hash)
            && let Some(cell) = read(self.shard(hash)).slot(hash, address, slot)
        {
            return Ok(cell.at(index));
        }
        if self.is_wiped(address) {
            return Ok(Seen::Value(U256::ZERO));
        }
        self.reader.storage(address, slot).map(Seen::Value)
    }

    /// Whether all that the account had stored before the block is gone.
    fn is_wiped(&self, address: &Address) -> bool {
        self.has_wiped.load(Ordering::Acquire) && {
            let hash = self.account_hash(address);
            read(self.shard(hash)).account(hash, address).is_some_and(|cell| cell.is_wiped)
        }
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

    /// Whether the account has storage. Asked of accounts without nonce and code, which can't have got any in this block.
    pub fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        Ok(!self.is_wiped(address) && self.reader.has_storage(address)?)
    }

    /// The hash of an earlier block.
    pub fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.reader.block_hash(number)
    }

    /// The committed account.
    pub fn committed_account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        let hash = self.account_hash(address);
        match read(self.shard(hash)).account(hash, address) {
            Some(cell) => Ok(cell.committed),
            None => self.reader.account(address),
        }
    }

    /// Whether the transaction at `index` would do the same now.
    pub fn is_current(&self, footprint: &Footprint, index: Index) -> bool {
        let has_wiped = self.has_wiped.load(Ordering::Acquire);
        footprint.account_reads().all(|then| {
            !self.may_have_changed(self.account_hash(&then.address))
                || matches!(self.account_at(&then.address, index), Ok(Seen::Value(now)) if then.holds_for(now.as_ref()))
        }) && footprint.slot_reads().all(|(address, slot, word)| {
            !has_wiped && !self.may_have_changed(self.slot_hash(address, slot))
                || matches!(self.slot_at(address, slot, index), Ok(Seen::Value(now)) if now == *word)
        })
    }

    // ---- writing ----

    /// Runs `change` on the account's cell, which is made if there is none.
    fn with_account<T>(&self, address: &Address, change: impl FnOnce(&mut AccountCell) -> T) -> Option<T> {
        let hash = self.account_hash(address);
        let mut shard = write(self.shard(hash));
        if shard.account(hash, address).is_none() {
            // Nobody waits while the reader answers.
            drop(shard);
            let before = self.noted(self.reader.account(address))?;
            let cell =
                AccountCell { address: *address, before, committed: before, versions: Vec::new(), is_wiped: false };
            shard = write(self.shard(hash));
            let is_it = |cell: &AccountCell| cell.address == *address;
            shard.accounts.entry(hash, is_it, |cell| self.account_hash(&cell.address)).or_insert(cell);
        }
        let done = shard.account_mut(hash, address).map(change);
        drop(shard);
        self.note_change(hash);
        done
    }

    /// Runs `change` on the slot's cell, which is made if there is none.
    fn with_slot(&self, address: &Address, slot: &U256, change: impl FnOnce(&mut SlotCell)) {
        let hash = self.slot_hash(address, slot);
        let mut shard = write(self.shard(hash));
        if shard.slot(hash, address, slot).is_none() {
            drop(shard);
            let before = self.noted(self.reader.storage(address, slot)).unwrap_or_default();
            let committed = if self.is_wiped(address) { U256::ZERO } else { before };
            let cell = SlotCell { address: *address, slot: *slot, before, committed, versions: Vec::new() };
            shard = write(self.shard(hash));
            let is_it = |cell: &SlotCell| cell.slot == *slot && cell.address == *address;
            shard.slots.entry(hash, is_it, |cell| self.slot_hash(&cell.address, &cell.slot)).or_insert(cell);
        }
        if let Some(cell) = shard.slot_mut(hash, address, slot) {
            change(cell);
        }
        drop(shard);
        self.note_change(hash);
    }

    fn add_codes(&self, added: &[Code]) {
        if !added.is_empty() {
            write(&self.codes).extend(added.iter().map(|code| (code.hash(), code.clone())));
            self.has_codes.store(true, Ordering::Release);
        }
    }

    /// Shows what the transaction at `index` does to those after it.
    pub fn publish(&self, footprint: &Footprint, index: Index) {
        if footprint.has_deletion() {
            return;
        }
        self.add_codes(&footprint.codes);
        for account in changed_accounts(footprint) {
            let Some(after) = account.after else { continue };
            let version = AccountVersion::between(index, account.read.account, after);
            self.with_account(&account.read.address, |cell| insert(&mut cell.versions, version, |version| version.by));
        }
        for slot in changed_slots(footprint) {
            let version = SlotVersion { by: index, is_estimate: false, word: slot.after };
            self.with_slot(footprint.address_of(slot), &slot.slot, |cell| {
                insert(&mut cell.versions, version, |version| version.by);
            });
        }
    }

    /// Marks what [`BlockMemory::publish`] showed: the transaction is being run again, and will likely write these.
    pub fn mark_estimates(&self, footprint: &Footprint, index: Index) {
        for account in changed_accounts(footprint) {
            self.with_account(&account.read.address, |cell| {
                let own = cell.versions.iter_mut().find(|version| version.by == index);
                own.into_iter().for_each(|version| version.is_estimate = true);
            });
        }
        for slot in changed_slots(footprint) {
            self.with_slot(footprint.address_of(slot), &slot.slot, |cell| {
                let own = cell.versions.iter_mut().find(|version| version.by == index);
                own.into_iter().for_each(|version| version.is_estimate = true);
            });
        }
    }

    /// Takes back what [`BlockMemory::publish`] showed.
    pub fn retract(&self, footprint: &Footprint, index: Index) {
        for account in changed_accounts(footprint) {
            self.with_account(&account.read.address, |cell| cell.versions.retain(|version| version.by != index));
        }
        for slot in changed_slots(footprint) {
            self.with_slot(footprint.address_of(slot), &slot.slot, |cell| {
                cell.versions.retain(|version| version.by != index);
            });
        }
    }

    /// Makes what the transaction at `index` did the state for all. All before it are committed, and what it read is current.
    /// False where a balance would not be one, and then something may be half applied: the block is to be begun again.
    pub fn commit(&self, footprint: &Footprint, index: Index) -> bool {
        self.add_codes(&footprint.codes);
        let mut is_possible = true;
        for account in changed_accounts(footprint) {
            let AccountUse { read, after, storage_wiped, .. } = account;
            is_possible &= self.commit_account(&read.address, index, read.account, *after, *storage_wiped);
        }
        for slot in changed_slots(footprint) {
            self.with_slot(footprint.address_of(slot), &slot.slot, |cell| {
                cell.versions.retain(|version| version.by != index);
                cell.committed = slot.after;
            });
        }
        is_possible
    }

    /// As [`BlockMemory::commit`], for what one thread did alone.
    pub fn commit_diff(&self, diff: &Diff) -> bool {
        self.add_codes(&diff.codes);
        diff.accounts.iter().all(|change| {
            let AccountDiff { address, before, after, storage_wiped, ref storage } = *change;
            let is_possible = (before == after && !storage_wiped)
                || self.commit_account(&address, Index::MAX, before, after, storage_wiped);
            for slot in storage {
                self.with_slot(&address, &slot.slot, |cell| cell.committed = slot.after);
            }
            is_possible
        })
    }

    fn commit_account(
        &self,
        address: &Address,
        index: Index,
        before: Option<Account>,
        after: Option<Account>,
        storage_wiped: bool,
    ) -> bool {
        let is_gone = storage_wiped || after.is_none();
        let done = self.with_account(address, |cell| {
            cell.versions.retain(|version| version.by != index);
            cell.is_wiped |= is_gone && cell.before.is_some();
            match after {
                None => cell.committed = None,
                Some(after) => match AccountVersion::between(index, before, after).apply(cell.committed) {
                    Some(account) => cell.committed = Some(account),
                    None => return false,
                },
            }
            true
        });
        if is_gone {
            self.has_wiped.store(true, Ordering::Release);
            for shard in &self.shards {
                let mut shard = write(shard);
                shard.slots.iter_mut().filter(|cell| cell.address == *address).for_each(|c| c.committed = U256::ZERO);
            }
        }
        done == Some(true)
    }

    /// Pays the fee recipient, when all before are committed. False as for [`BlockMemory::commit`].
    pub fn pay(&self, beneficiary: &Address, tip: U256) -> bool {
        let paid = (!tip.is_zero()).then(|| {
            self.with_account(beneficiary, |cell| {
                let account = cell.committed.unwrap_or_default();
                let balance = account.balance.checked_add(tip);
                cell.committed = balance.map(|balance| Account { balance, ..account });
                balance.is_some()
            })
        });
        paid.is_none_or(|paid| paid == Some(true))
    }

    // ---- the end ----

    /// What all that was committed changed.
    pub fn into_diff(self) -> Result<Diff, ReadError> {
        let (mut cells, mut words) = (Vec::new(), Vec::new());
        for shard in self.shards.into_iter().map(into_inner) {
            cells.extend(shard.accounts);
            words.extend(
                shard
                    .slots
                    .into_iter()
                    .filter(|cell| cell.before != cell.committed || self.has_wiped.load(Ordering::Relaxed)),
            );
        }
        cells.sort_unstable_by_key(|cell| cell.address);
        words.sort_unstable_by_key(|cell| (cell.address, cell.slot));
        let made = into_inner(self.codes);
        let mut diff = Diff::default();
        let (mut cells, mut words) = (cells.into_iter().peekable(), words.into_iter().peekable());
        loop {
            let next = [cells.peek().map(|cell| cell.address), words.peek().map(|cell| cell.address)];
            let Some(address) = next.into_iter().flatten().min() else { break };
            let (before, after, storage_wiped) = match cells.next_if(|cell| cell.address == address) {
                Some(cell) => (cell.before, cell.committed, cell.is_wiped),
                None => {
                    let account = self.reader.account(&address)?;
                    (account, account, false)
                }
            };
            let mut storage = Vec::new();
            while let Some(cell) = words.next_if(|cell| cell.address == address) {
                let before = if storage_wiped { U256::ZERO } else { cell.before };
                if after.is_some() && before != cell.committed {
                    storage.push(SlotDiff { slot: cell.slot, before, after: cell.committed });
                }
            }
            if before == after && storage.is_empty() && !storage_wiped {
                continue;
            }
            let code_of = |account: Option<Account>| account.filter(Account::has_code).map(|account| account.code_hash);
            if let Some(hash) = code_of(after).filter(|hash| code_of(before) != Some(*hash)) {
                diff.codes.push(made.get(&hash).expect("code that was set was committed").clone());
            }
            diff.accounts.push(AccountDiff { address, before, after, storage_wiped, storage });
        }
        diff.codes.sort_unstable_by_key(Code::hash);
        diff.codes.dedup_by_key(|code| code.hash());
        Ok(diff)
    }
}

fn changed_accounts(footprint: &Footprint) -> impl Iterator<Item = &AccountUse> {
    footprint.accounts.iter().filter(|account| account.is_changed())
}

fn changed_slots(footprint: &Footprint) -> impl Iterator<Item = &SlotUse> {
    footprint.slots.iter().filter(|slot| slot.before != slot.after)
}
