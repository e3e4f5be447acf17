//! The state of a block under way, as several threads read it.
//!
//! Below is the reader of the state before the block. Above are cells, one for each account that was read or changed, in shards
//! with a lock each. A cell keeps what the reader said, so that a hot account is read from the database once, and what the
//! committed transactions made of it. Only committed values are ever in here: a thread that runs a transaction early reads
//! what is committed so far, and notes what it read.
//!
//! Tips go into a sum of their own, which the fee recipient's balance includes whenever it is read. So paying a tip is an
//! addition, and a transaction depends on the tips of others only if it really looks at the recipient's account.

use alloy_primitives::map::{AddressMap, B256Map, DefaultHashBuilder, HashMap};
use alloy_primitives::{Address, B256, U256};
use rialto_state::{Account, AccountDiff, Code, Diff, ReadError, SlotDiff, StateReader};
use rialto_stf::TxEffects;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Shards, a power of two: many more than threads, so that two seldom meet.
const SHARDS: usize = 64;

/// A word as it was before the block and as it is.
#[derive(Clone, Copy)]
struct Word {
    before: U256,
    now: U256,
}

/// An account as it was before the block and as it is.
#[derive(Default)]
struct Cell {
    before: Option<Account>,
    now: Option<Account>,
    /// Whether all storage from before the block is gone.
    is_wiped: bool,
    slots: HashMap<U256, Word>,
}

type Shard = AddressMap<Cell>;

/// See the module's documentation.
pub(crate) struct BlockMemory<'r> {
    reader: &'r (dyn StateReader + Sync),
    hasher: DefaultHashBuilder,
    shards: Vec<RwLock<Shard>>,
    codes: RwLock<B256Map<Code>>,
    beneficiary: Address,
    tips: Mutex<U256>,
}

impl<'r> BlockMemory<'r> {
    /// The state of `reader`.
    pub fn new(reader: &'r (dyn StateReader + Sync), beneficiary: Address) -> Self {
        Self {
            reader,
            hasher: DefaultHashBuilder::default(),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            codes: RwLock::default(),
            beneficiary,
            tips: Mutex::default(),
        }
    }

    fn shard(&self, address: &Address) -> &RwLock<Shard> {
        &self.shards[self.hasher.hash_one(address) as usize % SHARDS]
    }

    fn read(&self, address: &Address) -> RwLockReadGuard<'_, Shard> {
        self.shard(address).read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, address: &Address) -> RwLockWriteGuard<'_, Shard> {
        self.shard(address).write().unwrap_or_else(PoisonError::into_inner)
    }

    fn tips(&self) -> MutexGuard<'_, U256> {
        self.tips.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account with the tips that it has got, if it gets any.
    fn with_tips(&self, address: &Address, account: Option<Account>) -> Option<Account> {
        if *address != self.beneficiary {
            return account;
        }
        let tips = *self.tips();
        if tips.is_zero() {
            return account;
        }
        let account = account.unwrap_or_default();
        Some(Account { balance: account.balance.saturating_add(tips), ..account })
    }

    /// Whether everything that a transaction read is still so. It was read from here, so there is a cell for it.
    pub fn is_current(&self, effects: &TxEffects) -> bool {
        let is_account = |(address, account): &(Address, Option<Account>)| {
            let now = self.read(address).get(address).map(|cell| cell.now);
            now.is_some_and(|now| self.with_tips(address, now) == *account)
        };
        let is_slot = |(address, slot, word): &(Address, U256, U256)| {
            let shard = self.read(address);
            shard.get(address).and_then(|cell| cell.slots.get(slot)).is_some_and(|found| found.now == *word)
        };
        effects.accounts.iter().all(is_account) && effects.slots.iter().all(is_slot)
    }

    /// Applies a diff whose values before are those that are here.
    pub fn commit(&self, diff: &Diff) {
        for change in &diff.accounts {
            let mut shard = self.write(&change.address);
            let cell = shard.entry(change.address).or_default();
            if change.address == self.beneficiary {
                // What was read had the tips in it, and so has what is written.
                *self.tips() = U256::ZERO;
            }
            cell.now = change.after;
            if change.storage_wiped || change.after.is_none() {
                cell.is_wiped |= cell.before.is_some();
                cell.slots.values_mut().for_each(|word| word.now = U256::ZERO);
            }
            for slot in &change.storage {
                let word = cell.slots.entry(slot.slot).or_insert(Word { before: slot.before, now: slot.before });
                word.now = slot.after;
            }
        }
        if !diff.codes.is_empty() {
            let mut codes = self.codes.write().unwrap_or_else(PoisonError::into_inner);
            codes.extend(diff.codes.iter().map(|code| (code.hash(), code.clone())));
        }
    }

    /// Pays the fee recipient.
    pub fn pay(&self, tip: U256) {
        if !tip.is_zero() {
            let mut tips = self.tips();
            *tips = tips.saturating_add(tip);
        }
    }

    /// What all that was committed changed.
    pub fn into_diff(self) -> Diff {
        let tips = *self.tips();
        let mut accounts = Vec::new();
        let mut hashes = Vec::new();
        let cells =
            self.shards.into_iter().flat_map(|shard| shard.into_inner().unwrap_or_else(PoisonError::into_inner));
        for (address, mut cell) in cells {
            if address == self.beneficiary && !tips.is_zero() {
                let account = cell.now.unwrap_or_default();
                cell.now = Some(Account { balance: account.balance.saturating_add(tips), ..account });
            }
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
        let made = self.codes.into_inner().unwrap_or_else(PoisonError::into_inner);
        let codes =
            hashes.iter().map(|hash| made.get(hash).expect("code that was set was committed").clone()).collect();
        Diff { accounts, codes }
    }
}

/// What became of an account, `None` where nothing did.
fn change_of(address: Address, cell: Cell) -> Option<AccountDiff> {
    let Cell { before, now: after, is_wiped: storage_wiped, slots } = cell;
    let slots = slots.into_iter().map(|(slot, word)| {
        let before = if storage_wiped { U256::ZERO } else { word.before };
        SlotDiff { slot, before, after: word.now }
    });
    let mut storage: Vec<SlotDiff> = slots.filter(|slot| after.is_some() && slot.before != slot.after).collect();
    storage.sort_unstable_by_key(|slot| slot.slot);
    let is_nothing = before == after && storage.is_empty() && !storage_wiped;
    (!is_nothing).then_some(AccountDiff { address, before, after, storage_wiped, storage })
}

impl StateReader for BlockMemory<'_> {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        if let Some(cell) = self.read(address).get(address) {
            return Ok(self.with_tips(address, cell.now));
        }
        let account = self.reader.account(address)?;
        let mut shard = self.write(address);
        let cell = shard.entry(*address).or_insert_with(|| Cell { before: account, now: account, ..Cell::default() });
        Ok(self.with_tips(address, cell.now))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        if let Some(cell) = self.read(address).get(address) {
            if let Some(word) = cell.slots.get(slot) {
                return Ok(word.now);
            }
        } else {
            self.account(address)?;
        }
        let before = self.reader.storage(address, slot)?;
        let mut shard = self.write(address);
        let cell = shard.entry(*address).or_default();
        let is_gone = cell.is_wiped || cell.now.is_none();
        let now = if is_gone { U256::ZERO } else { before };
        Ok(cell.slots.entry(*slot).or_insert(Word { before, now }).now)
    }

    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        if let Some(cell) = self.read(address).get(address) {
            if cell.slots.values().any(|word| !word.now.is_zero()) {
                return Ok(true);
            }
            if cell.is_wiped || cell.before.is_none() {
                return Ok(false);
            }
        }
        self.reader.has_storage(address)
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        let made = self.codes.read().unwrap_or_else(PoisonError::into_inner).get(code_hash).cloned();
        match made {
            Some(code) => Ok(code),
            None => self.reader.code(code_hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.reader.block_hash(number)
    }
}
