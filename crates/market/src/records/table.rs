//! One kind of records, decoded, with what changed and what it was before.
//!
//! An entry stays at its [`Place`] for as long as the table lives, so whoever holds a place needs no look-up. Between two marks only the
//! first change of an entry keeps what the record was: nobody can go back to anything in between. Likewise the first change after the
//! last flush keeps what the journal's slots hold, so that a flush writes exactly the words that differ and looks at no others.

use super::index::Index;
use super::record::Record;
use super::slot_of;
use alloc::vec::Vec;
use core::fmt;
use core::hash::BuildHasher;
use core::marker::PhantomData;
use foldhash::fast::FixedState;
use rialto_state::{AccountId as JournalAccountId, Journal, ReadError};

/// Where the record of a key is kept, until the journal is cleared.
pub struct Place<R>(u32, PhantomData<fn() -> R>);

impl<R> Clone for Place<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Place<R> {}

impl<R> PartialEq for Place<R> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<R> fmt::Debug for Place<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({})", self.0)
    }
}

struct Entry<R: Record> {
    record: R,
    key: R::Key,
    slots: R::Slots,
    /// The transaction that used the record last.
    transaction: u32,
    is_dirty: bool,
    /// The mark after which it was saved last.
    saved: u64,
}

/// Of a change: the mark that it came after, the entry, and the record before it.
struct Undo<R> {
    mark: u64,
    at: u32,
    record: R,
}

/// See the module's documentation.
pub struct Table<R: Record> {
    index: Index,
    entries: Vec<Entry<R>>,
    /// Entries that may differ from the journal's slots, with the record that those hold.
    dirty: Vec<(u32, R)>,
    undo: Vec<Undo<R>>,
}

impl<R: Record> Default for Table<R> {
    fn default() -> Self {
        Self { index: Index::default(), entries: Vec::new(), dirty: Vec::new(), undo: Vec::new() }
    }
}

/// What a use of a record is counted with.
pub(super) struct Use<'a> {
    pub account: JournalAccountId,
    pub hasher: &'a FixedState,
    pub transaction: u32,
    /// Words read for the first time in the transaction.
    pub reads: &'a mut u64,
}

impl<R: Record> Table<R> {
    /// The place of a key's record, read if it was not.
    #[inline]
    pub(super) fn locate(
        &mut self,
        journal: &mut Journal<'_>,
        key: R::Key,
        used: Use<'_>,
    ) -> Result<Place<R>, ReadError> {
        let hash = used.hasher.hash_one(key);
        let entries = &self.entries;
        let at = match self.index.find(hash, |at| entries[at as usize].key == key) {
            Some(at) => at,
            None => self.load(journal, used.account, key, hash)?,
        };
        let entry = &mut self.entries[at as usize];
        if entry.transaction != used.transaction {
            entry.transaction = used.transaction;
            *used.reads += R::WORDS as u64;
        }
        Ok(Place(at, PhantomData))
    }

    #[cold]
    fn load(
        &mut self,
        journal: &mut Journal<'_>,
        account: JournalAccountId,
        key: R::Key,
        hash: u64,
    ) -> Result<u32, ReadError> {
        let slots = R::slots(|word| journal.slot_id(account, &slot_of::<R>(key, word)));
        for &slot in slots.as_ref() {
            journal.load_slot(slot)?;
        }
        let record = R::decode(|word| journal.slot(slots.as_ref()[word]).value);
        let at = u32::try_from(self.entries.len()).expect("a block touches less than 2^32 records");
        self.entries.push(Entry { record, key, slots, transaction: 0, is_dirty: false, saved: 0 });
        self.index.insert(hash, at);
        Ok(at)
    }

    #[inline]
    pub(super) fn at(&self, place: Place<R>) -> &R {
        &self.entries[place.0 as usize].record
    }

    /// The record, to be changed after `mark`; true if no change of it waits to be written yet.
    #[inline]
    pub(super) fn at_mut(&mut self, place: Place<R>, mark: u64) -> (&mut R, bool) {
        let entry = &mut self.entries[place.0 as usize];
        if entry.saved != mark {
            entry.saved = mark;
            self.undo.push(Undo { mark, at: place.0, record: entry.record });
        }
        let is_first = !entry.is_dirty;
        if is_first {
            entry.is_dirty = true;
            self.dirty.push((place.0, entry.record));
        }
        (&mut entry.record, is_first)
    }

    /// Undoes all changes after this mark and later ones. What is undone before it was written stays to be looked at.
    pub(super) fn revert(&mut self, mark: u64) {
        while let Some(undo) = self.undo.last()
            && undo.mark >= mark
        {
            self.entries[undo.at as usize].record = undo.record;
            self.undo.pop();
        }
    }

    /// Forgets how to undo.
    pub(super) fn commit(&mut self) {
        self.undo.clear();
    }

    /// Writes the words that differ from those in the journal.
    pub(super) fn flush(&mut self, journal: &mut Journal<'_>) -> Result<(), ReadError> {
        for (at, written) in self.dirty.drain(..) {
            let entry = &mut self.entries[at as usize];
            entry.is_dirty = false;
            let (before, after) = (written.encode(), entry.record.encode());
            for ((&slot, before), &after) in entry.slots.as_ref().iter().zip(before.as_ref()).zip(after.as_ref()) {
                if *before != after {
                    journal.load_slot(slot)?;
                    journal.set_slot(slot, after);
                }
            }
        }
        Ok(())
    }

    /// After everything since the last flush was undone: nothing is left to write.
    pub(super) fn settle(&mut self) {
        for (at, written) in self.dirty.drain(..) {
            let entry = &mut self.entries[at as usize];
            debug_assert!(entry.record == written, "everything since the last flush was undone");
            entry.is_dirty = false;
        }
    }
}
