//! A thread's own copy of what the committed units changed.
//!
//! Threads share no state that is both read and written. Each keeps what is committed for itself, and hears of what others
//! committed from their records. So a read is a look-up in a table that no other core writes to.
//!
//! Tips are a sum of their own, which the fee recipient's balance includes whenever it is read: paying a tip is an addition, and
//! whoever does not look at the balance does not depend on it.

use crate::record::{AccountChange, Hasher, Record, SlotChange};
use alloy_primitives::map::B256Map;
use alloy_primitives::{Address, B256, U256};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use rialto_state::{
    Account, AccountDiff, AccountUse, Code, Diff, Footprint, ReadError, SlotDiff, SlotUse, StateReader,
};

/// See the module's documentation. In the tables, `before` is what was before the block.
pub(crate) struct Replica<'r> {
    reader: &'r (dyn StateReader + Sync),
    pub hasher: Hasher,
    beneficiary: Address,
    /// In the order of the first change, with tables of their places by hash.
    accounts: Vec<AccountChange>,
    account_places: HashTable<u32>,
    slots: Vec<SlotChange>,
    slot_places: HashTable<u32>,
    codes: B256Map<Code>,
    has_wiped: bool,
    tips: U256,
}

impl<'r> Replica<'r> {
    /// The state of `reader`.
    pub fn new(reader: &'r (dyn StateReader + Sync), hasher: Hasher, beneficiary: Address) -> Self {
        Self {
            reader,
            hasher,
            beneficiary,
            accounts: Vec::new(),
            account_places: HashTable::with_capacity(256),
            slots: Vec::new(),
            slot_places: HashTable::with_capacity(256),
            codes: B256Map::default(),
            has_wiped: false,
            tips: U256::ZERO,
        }
    }

    /// The reader of the state before the block.
    pub fn reader(&self) -> &'r (dyn StateReader + Sync) {
        self.reader
    }

    fn found_account(&self, hash: u64, address: &Address) -> Option<&AccountChange> {
        let is_it = |place: &u32| self.accounts[*place as usize].address == *address;
        self.account_places.find(hash, is_it).map(|place| &self.accounts[*place as usize])
    }

    fn found_slot(&self, hash: u64, address: &Address, slot: &U256) -> Option<&SlotChange> {
        let is_it = |place: &u32| {
            let change = &self.slots[*place as usize];
            change.slot == *slot && change.address == *address
        };
        self.slot_places.find(hash, is_it).map(|place| &self.slots[*place as usize])
    }

    /// The account, if anything is known of it that the reader does not know.
    pub fn known_account(&self, hash: u64, address: &Address) -> Result<Option<Option<Account>>, ReadError> {
        let found = self.found_account(hash, address).map(|change| change.after);
        if *address != self.beneficiary || self.tips.is_zero() {
            return Ok(found);
        }
        let account = match found {
            Some(account) => account,
            None => self.reader.account(address)?,
        };
        Ok(Some(with_tips(account, self.tips)))
    }

    /// The account.
    pub fn account(&self, hash: u64, address: &Address) -> Result<Option<Account>, ReadError> {
        match self.known_account(hash, address)? {
            Some(account) => Ok(account),
            None => self.reader.account(address),
        }
    }

    /// The slot, if it is not what the reader says.
    pub fn known_slot(&self, hash: u64, address: &Address, slot: &U256) -> Option<U256> {
        match self.found_slot(hash, address, slot) {
            Some(change) => Some(change.after),
            None => self.is_wiped(address).then_some(U256::ZERO),
        }
    }

    /// Whether all that the account had stored before the block is gone.
    pub fn is_wiped(&self, address: &Address) -> bool {
        self.has_wiped && self.found_account(self.hasher.account(address), address).is_some_and(|found| found.is_wiped)
    }

    /// Code that is not what the reader has.
    pub fn known_code(&self, code_hash: &B256) -> Option<&Code> {
        if self.codes.is_empty() { None } else { self.codes.get(code_hash) }
    }

    /// Whether what was read is still so. Unless `has_guessed`, it was read from an earlier state of this.
    pub fn is_current(&self, footprint: &Footprint, has_guessed: bool, tips_ahead: U256) -> bool {
        let holds = |then: &rialto_state::AccountRead| {
            let hash = self.hasher.account(&then.address);
            let known = match self.known_account(hash, &then.address) {
                Ok(None) if !has_guessed => return true,
                Ok(None) => self.reader.account(&then.address),
                Ok(Some(account)) => Ok(account),
                Err(error) => Err(error),
            };
            let is_paid = then.address == self.beneficiary;
            known.is_ok_and(|now| {
                let now = if is_paid { with_tips(now, tips_ahead) } else { now };
                then.holds_for(now.as_ref())
            })
        };
        let is_as_before = |(address, slot, word): (&Address, &U256, &U256)| match self.known_slot(
            self.hasher.slot(address, slot),
            address,
            slot,
        ) {
            None if !has_guessed => true,
            None => self.reader.storage(address, slot).is_ok_and(|now| now == *word),
            Some(now) => now == *word,
        };
        footprint.account_reads().all(holds) && footprint.slot_reads().all(is_as_before)
    }

    /// Whether every account that a footprint changes is, to the last wei, what was read of it: what was read is current, so only
    /// balances can have moved.
    pub fn is_exact(&self, footprint: &Footprint) -> bool {
        !footprint.has_deletion()
            && footprint.accounts.iter().filter(|used| used.is_changed()).all(|used| {
                let address = &used.read.address;
                *address != self.beneficiary
                    && self
                        .found_account(self.hasher.account(address), address)
                        .is_none_or(|known| known.after == used.read.account)
            })
    }

    /// What a footprint changes, if what was read is current: balances as they become. `tip` goes to the fee recipient, after
    /// `tips_ahead` that are in what was read of it. `None` where a balance would not be one.
    pub fn record_of(
        &self,
        footprint: &mut Footprint,
        has_guessed: bool,
        (tip, tips_ahead): (U256, U256),
    ) -> Option<Record> {
        let mut record = Record::new(std::mem::take(&mut footprint.codes), tip);
        for AccountUse { read, after, storage_wiped, .. } in footprint.accounts.iter().filter(|used| used.is_changed())
        {
            let hash = self.hasher.account(&read.address);
            let now = match self.known_account(hash, &read.address).ok()? {
                _ if read.address == self.beneficiary => with_tips(self.account(hash, &read.address).ok()?, tips_ahead),
                Some(account) => account,
                None if has_guessed => self.reader.account(&read.address).ok()?,
                // Nobody changed it, so it was read as it is.
                None => read.account,
            };
            let after = match after {
                None => None,
                Some(after) => Some(moved(read.account, *after, now)?),
            };
            let before = match self.found_account(hash, &read.address) {
                Some(change) => change.before,
                None if read.address == self.beneficiary => self.reader.account(&read.address).ok()?,
                None => now,
            };
            let is_gone = *storage_wiped || after.is_none();
            let is_wiped = is_gone && before.is_some();
            record.add_account(AccountChange { hash, address: read.address, before, after, is_wiped });
        }
        for used in footprint.slots.iter().filter(|used| used.before != used.after) {
            let SlotUse { slot, before, after, .. } = *used;
            let address = *footprint.address_of(used);
            let hash = self.hasher.slot(&address, &slot);
            record.add_slot(SlotChange { hash, address, slot, before, after });
        }
        Some(record)
    }

    /// Applies what was committed.
    pub fn apply(&mut self, record: &Record) {
        self.codes.extend(record.codes.iter().map(|code| (code.hash(), code.clone())));
        for change in &record.accounts {
            if change.address == self.beneficiary {
                // What was read had the tips in it, and so has what is written.
                self.tips = U256::ZERO;
            }
            if change.is_wiped || change.after.is_none() {
                self.has_wiped = true;
                self.slots.iter_mut().filter(|slot| slot.address == change.address).for_each(|s| s.after = U256::ZERO);
            }
            let accounts = &mut self.accounts;
            let is_it = |place: &u32| accounts[*place as usize].address == change.address;
            match self.account_places.entry(change.hash, is_it, |place| accounts[*place as usize].hash) {
                Entry::Occupied(entry) => {
                    let cell = &mut accounts[*entry.get() as usize];
                    cell.after = change.after;
                    cell.is_wiped |= change.is_wiped;
                }
                Entry::Vacant(entry) => {
                    entry.insert(accounts.len() as u32);
                    accounts.push(*change);
                }
            }
        }
        for change in &record.slots {
            let slots = &mut self.slots;
            let is_it = |place: &u32| {
                let other = &slots[*place as usize];
                other.slot == change.slot && other.address == change.address
            };
            match self.slot_places.entry(change.hash, is_it, |place| slots[*place as usize].hash) {
                Entry::Occupied(entry) => slots[*entry.get() as usize].after = change.after,
                Entry::Vacant(entry) => {
                    entry.insert(slots.len() as u32);
                    slots.push(*change);
                }
            }
        }
        self.tips = self.tips.saturating_add(record.tip);
    }

    /// Applies what one thread did alone.
    pub fn apply_diff(&mut self, diff: &Diff) {
        let mut record = Record::new(diff.codes.clone(), U256::ZERO);
        for change in &diff.accounts {
            let AccountDiff { address, before, after, storage_wiped, ref storage } = *change;
            if before != after || storage_wiped {
                let hash = self.hasher.account(&address);
                let is_wiped = storage_wiped || (after.is_none() && before.is_some());
                record.add_account(AccountChange { hash, address, before, after, is_wiped });
            }
            for SlotDiff { slot, before, after } in storage {
                let hash = self.hasher.slot(&address, slot);
                record.add_slot(SlotChange { hash, address, slot: *slot, before: *before, after: *after });
            }
        }
        self.apply(&record);
    }

    /// What all that was committed changed.
    pub fn into_diff(self) -> Result<Diff, ReadError> {
        let mut accounts: Vec<&AccountChange> =
            self.accounts.iter().filter(|change| change.address != self.beneficiary).collect();
        let hash = self.hasher.account(&self.beneficiary);
        let found = self.found_account(hash, &self.beneficiary);
        // Who changed it first may have found tips in it, so what it was is asked again.
        let paid = AccountChange {
            hash,
            address: self.beneficiary,
            before: self.reader.account(&self.beneficiary)?,
            after: self.account(hash, &self.beneficiary)?,
            is_wiped: found.is_some_and(|found| found.is_wiped),
        };
        if found.is_some() || !self.tips.is_zero() {
            accounts.push(&paid);
        }
        accounts.sort_unstable_by_key(|change| change.address);
        let mut slots: Vec<&SlotChange> = self.slots.iter().collect();
        slots.sort_unstable_by_key(|change| (change.address, change.slot));
        ordered(accounts, slots, &self.codes, self.reader)
    }
}

/// Puts sorted changes together to a diff.
fn ordered(
    accounts: Vec<&AccountChange>,
    slots: Vec<&SlotChange>,
    codes: &B256Map<Code>,
    reader: &dyn StateReader,
) -> Result<Diff, ReadError> {
    let mut diff = Diff::default();
    let (mut accounts, mut slots) = (accounts.into_iter().peekable(), slots.into_iter().peekable());
    loop {
        let next = [accounts.peek().map(|change| change.address), slots.peek().map(|change| change.address)];
        let Some(address) = next.into_iter().flatten().min() else { break };
        let (before, after, storage_wiped) = match accounts.next_if(|change| change.address == address) {
            Some(change) => (change.before, change.after, change.is_wiped),
            None => {
                let account = reader.account(&address)?;
                (account, account, false)
            }
        };
        let mut storage = Vec::new();
        while let Some(change) = slots.next_if(|change| change.address == address) {
            let before = if storage_wiped { U256::ZERO } else { change.before };
            if after.is_some() && before != change.after {
                storage.push(SlotDiff { slot: change.slot, before, after: change.after });
            }
        }
        if before == after && storage.is_empty() && !storage_wiped {
            continue;
        }
        let code_of = |account: Option<Account>| account.filter(Account::has_code).map(|account| account.code_hash);
        if let Some(hash) = code_of(after).filter(|hash| code_of(before) != Some(*hash)) {
            diff.codes.push(codes.get(&hash).expect("code that was set was committed").clone());
        }
        diff.accounts.push(AccountDiff { address, before, after, storage_wiped, storage });
    }
    diff.codes.sort_unstable_by_key(Code::hash);
    diff.codes.dedup_by_key(|code| code.hash());
    Ok(diff)
}

/// The account with tips added.
pub(crate) fn with_tips(account: Option<Account>, tips: U256) -> Option<Account> {
    if tips.is_zero() {
        return account;
    }
    let account = account.unwrap_or_default();
    Some(Account { balance: account.balance.saturating_add(tips), ..account })
}

/// What becomes of `now` by what made `after` of `before`: the balance moves by as much, the rest is as it was made.
fn moved(before: Option<Account>, after: Account, now: Option<Account>) -> Option<Account> {
    if before == now {
        return Some(after);
    }
    let then = before.unwrap_or_default().balance;
    let now = now.unwrap_or_default().balance;
    let balance = if after.balance >= then {
        now.checked_add(after.balance - then)?
    } else {
        now.checked_sub(then - after.balance)?
    };
    Some(Account { balance, ..after })
}
