//! A whole state, in order of addresses.
//!
//! A state of the past is the flat table and the history read side by side: both are in the order of their keys, and of each key the
//! first history entry above the block counts, or else the flat value. So a whole state is one pass over both tables, in the memory of
//! a few entries.

use crate::codec::{decode_account, decode_u64, decode_word};
use crate::snapshot::BytesReader;
use crate::tables::Domain;
use crate::{StateAt, StoreError};
use alloy_primitives::{Address, U256};
use redb::Range;
use rialto_state::{Account, Code, StateReader};

/// Is shown an account, its code and its slots that are not zero, ascending; false ends the walk.
pub type AccountVisitor<'a> = &'a mut dyn FnMut(Address, &Account, &Code, &[(U256, U256)]) -> bool;

type Entry = (Vec<u8>, Vec<u8>);

/// The entries of a table in their order, with a look at the next one.
struct Entries {
    range: Option<Range<'static, &'static [u8], &'static [u8]>>,
    next: Option<Entry>,
}

impl Entries {
    fn open(table: Option<&BytesReader>) -> Result<Self, StoreError> {
        let range = table.map(|table| table.range::<&[u8]>(..)).transpose()?;
        let mut entries = Self { range, next: None };
        entries.advance()?;
        Ok(entries)
    }

    /// The next entry; the one after it takes its place.
    fn advance(&mut self) -> Result<Option<Entry>, StoreError> {
        let next = self.range.as_mut().and_then(Iterator::next).transpose()?;
        let next = next.map(|(key, value)| (key.value().to_vec(), value.value().to_vec()));
        Ok(std::mem::replace(&mut self.next, next))
    }
}

/// The keys of one domain with their values after a block, ascending.
struct Scan {
    flat: Entries,
    history: Entries,
    number: u64,
    key_bytes: usize,
}

impl Scan {
    /// The next key whose entries are not both behind, with what it had after the block.
    fn next_entry(&mut self) -> Result<Option<Entry>, StoreError> {
        loop {
            let flat = self.flat.next.as_ref().map(|(key, _)| &key[..]);
            let history = self.history.next.as_ref().map(|(key, _)| &key[..key.len().min(self.key_bytes)]);
            let Some(key) = [flat, history].into_iter().flatten().min() else { return Ok(None) };
            let key = key.to_vec();
            let before = self.take_history(&key)?;
            let mut now = None;
            if self.flat.next.as_ref().is_some_and(|(next, _)| *next == key) {
                now = self.flat.advance()?.map(|(_, value)| value);
            }
            if let Some(value) = before.or(now).filter(|value| !value.is_empty()) {
                return Ok(Some((key, value)));
            }
        }
    }

    /// Passes the key's history, and gives the value before the first block that came later.
    fn take_history(&mut self, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let mut before = None;
        while let Some((found, _)) = &self.history.next
            && found.get(..self.key_bytes).unwrap_or(found) == key
        {
            let number = found.get(self.key_bytes..).and_then(decode_u64);
            let number = number.ok_or_else(|| StoreError::corrupt("a key of a history"))?;
            let value = self.history.advance()?.map(|(_, value)| value);
            if number > self.number && before.is_none() {
                before = value;
            }
        }
        Ok(before)
    }
}

/// The slots of one account, ascending.
pub(crate) struct Slots<'a> {
    scan: &'a mut Scan,
    next: &'a mut Option<Entry>,
    address: Address,
}

impl Slots<'_> {
    /// The next slot with its word.
    pub fn next_slot(&mut self) -> Result<Option<(U256, U256)>, StoreError> {
        let Some((key, _)) = &self.next else { return Ok(None) };
        if !key.starts_with(self.address.as_slice()) {
            return Ok(None);
        }
        let entry = std::mem::replace(self.next, self.scan.next_entry()?);
        let decoded = entry.and_then(|(key, value)| Some((U256::try_from_be_slice(&key[20..])?, decode_word(&value)?)));
        decoded.map(Some).ok_or_else(|| StoreError::corrupt(format!("a slot of account {}", self.address)))
    }
}

impl StateAt {
    fn scan(&self, domain: Domain, key_bytes: usize) -> Result<Scan, StoreError> {
        let (flat, history) = self.tables(domain);
        Ok(Scan {
            flat: Entries::open(Some(flat))?,
            history: Entries::open(history)?,
            number: self.number(),
            key_bytes,
        })
    }

    /// Calls `visit` with every account and its slots, ascending by address. Gives the number of slots that belong to no account.
    pub(crate) fn walk(
        &self,
        visit: &mut dyn FnMut(Address, Account, &mut Slots<'_>) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        let mut accounts = self.scan(Domain::Accounts, 20)?;
        let mut storage = self.scan(Domain::Storage, 52)?;
        let mut next = storage.next_entry()?;
        let mut strays = 0;
        while let Some((key, record)) = accounts.next_entry()? {
            let address = Address::try_from(&key[..]).map_err(|_| StoreError::corrupt("a key of accounts"))?;
            let corrupt = || StoreError::corrupt(format!("account {address}"));
            let account = decode_account(&record).ok_or_else(corrupt)?;
            while next.as_ref().is_some_and(|(slot, _)| slot[..] < *address.as_slice()) {
                strays += 1;
                next = storage.next_entry()?;
            }
            let mut slots = Slots { scan: &mut storage, next: &mut next, address };
            visit(address, account, &mut slots)?;
            while slots.next_slot()?.is_some() {}
        }
        while next.is_some() {
            strays += 1;
            next = storage.next_entry()?;
        }
        Ok(strays)
    }

    /// Shows `visit` every account, ascending by address. Takes the memory of the largest storage.
    pub fn for_each_account(&self, visit: AccountVisitor<'_>) -> Result<(), StoreError> {
        let mut words = Vec::new();
        let mut is_stopped = false;
        self.walk(&mut |address, account, slots| {
            if is_stopped {
                return Ok(());
            }
            words.clear();
            while let Some(word) = slots.next_slot()? {
                words.push(word);
            }
            let code = self.code(&account.code_hash).map_err(|error| StoreError::Backend(error.to_string()))?;
            is_stopped = !visit(address, &account, &code, &words);
            Ok(())
        })?;
        Ok(())
    }
}
