//! One kind of records, decoded, with what changed and what it was before.

use super::record::Record;
use super::slot_of;
use alloc::vec::Vec;
use core::hash::BuildHasher;
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use rialto_state::{AccountId as JournalAccountId, Journal, ReadError};

struct Entry<R: Record> {
    key: R::Key,
    record: R,
    slots: R::Slots,
    /// The transaction in which the slots were last read.
    transaction: u32,
    is_dirty: bool,
}

/// See the module's documentation.
pub struct Table<R: Record> {
    index: HashTable<u32>,
    entries: Vec<Entry<R>>,
    dirty: Vec<u32>,
    /// Number of the change, the entry, and the record before it.
    undo: Vec<(u64, u32, R)>,
    hasher: FixedState,
}

impl<R: Record> Default for Table<R> {
    fn default() -> Self {
        Self {
            index: HashTable::new(),
            entries: Vec::new(),
            dirty: Vec::new(),
            undo: Vec::new(),
            hasher: FixedState::default(),
        }
    }
}

impl<R: Record> Table<R> {
    /// The entry of a key, with its slots read in this transaction.
    fn entry(
        &mut self,
        journal: &mut Journal<'_>,
        account: JournalAccountId,
        key: R::Key,
        transaction: u32,
    ) -> Result<u32, ReadError> {
        let hash = self.hasher.hash_one(key);
        let entries = &self.entries;
        let found = self.index.find(hash, |&at| entries[at as usize].key == key).copied();
        let at = match found {
            Some(at) => at,
            None => {
                let slots = R::slots(|word| journal.slot_id(account, &slot_of::<R>(key, word)));
                for &slot in slots.as_ref() {
                    journal.load_slot(slot)?;
                }
                let record = R::decode(|word| journal.slot(slots.as_ref()[word]).value);
                let at = u32::try_from(self.entries.len()).expect("a block touches less than 2^32 records");
                self.entries.push(Entry { key, record, slots, transaction, is_dirty: false });
                let (entries, hasher) = (&self.entries, &self.hasher);
                self.index.insert_unique(hash, at, |&at| hasher.hash_one(entries[at as usize].key));
                return Ok(at);
            }
        };
        let entry = &mut self.entries[at as usize];
        if entry.transaction != transaction {
            entry.transaction = transaction;
            for &slot in entry.slots.as_ref() {
                journal.load_slot(slot)?;
            }
        }
        Ok(at)
    }

    pub(super) fn get(
        &mut self,
        journal: &mut Journal<'_>,
        account: JournalAccountId,
        key: R::Key,
        transaction: u32,
    ) -> Result<R, ReadError> {
        let at = self.entry(journal, account, key, transaction)?;
        Ok(self.entries[at as usize].record)
    }

    pub(super) fn set(
        &mut self,
        journal: &mut Journal<'_>,
        account: JournalAccountId,
        key: R::Key,
        record: R,
        transaction: u32,
        number: u64,
    ) -> Result<(), ReadError> {
        let at = self.entry(journal, account, key, transaction)?;
        let entry = &mut self.entries[at as usize];
        if entry.record == record {
            return Ok(());
        }
        self.undo.push((number, at, entry.record));
        entry.record = record;
        if !entry.is_dirty {
            entry.is_dirty = true;
            self.dirty.push(at);
        }
        Ok(())
    }

    /// Undoes all changes with this number or a later one. What is undone before it was written stays to be written, as it is.
    pub(super) fn revert(&mut self, number: u64) {
        while let Some(&(changed, at, record)) = self.undo.last()
            && changed >= number
        {
            self.entries[at as usize].record = record;
            self.undo.pop();
        }
    }

    /// Forgets how to undo.
    pub(super) fn commit(&mut self) {
        self.undo.clear();
    }

    pub(super) fn flush(&mut self, journal: &mut Journal<'_>) -> Result<(), ReadError> {
        for at in self.dirty.drain(..) {
            let entry = &mut self.entries[at as usize];
            entry.is_dirty = false;
            let words = entry.record.encode();
            for (&slot, &word) in entry.slots.as_ref().iter().zip(words.as_ref()) {
                journal.load_slot(slot)?;
                journal.set_slot(slot, word);
            }
        }
        Ok(())
    }
}
