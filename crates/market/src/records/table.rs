//! One kind of records, decoded, with what changed and what it was before.
//!
//! An entry stays at its [`Place`] for as long as the table lives, so whoever holds a place needs no look-up. Between two marks only the
//! first change of an entry saves what the record was: nobody can go back to anything in between. The first save since the last flush is also
//! what the journal's slots hold, so that a flush writes exactly the words that differ and looks at no others.
//!
//! Records are saved in a list of their own, straight from their entries: a record that is put together in parts on its way there would
//! make the processor wait for all writes before it.

use super::index::Index;
use super::record::Record;
use super::slot_of;
use alloc::vec::Vec;
use core::fmt;
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
    slots: R::Slots,
    /// The transaction that used the record last.
    transaction: u32,
    /// The mark after which it was saved last, zero if that was undone. A mark of the open call says that the journal's slots may differ.
    saved: u32,
}

/// What a saved record was saved for.
struct Save {
    /// The mark that the change came after.
    mark: u32,
    at: u32,
    /// Whether the saved record is what the journal's slots hold.
    is_first: bool,
}

/// See the module's documentation.
pub struct Table<R: Record> {
    index: Index<R::Key>,
    entries: Vec<Entry<R>>,
    /// The records before the changes of the transaction, the oldest first.
    saved: Vec<R>,
    /// Of each saved record what it was saved for.
    saves: Vec<Save>,
    /// Number of the saves that were made before the last flush.
    flushed: usize,
}

impl<R: Record> Default for Table<R> {
    fn default() -> Self {
        let index = Index::default();
        Self { index, entries: Vec::new(), saved: Vec::new(), saves: Vec::new(), flushed: 0 }
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
    #[inline(always)]
    pub(super) fn locate(
        &mut self,
        journal: &mut Journal<'_>,
        key: R::Key,
        used: Use<'_>,
    ) -> Result<Place<R>, ReadError> {
        let at = match self.index.find(key, used.hasher) {
            Some(at) => at,
            None => self.load(journal, used.account, key, used.hasher)?,
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
        hasher: &FixedState,
    ) -> Result<u32, ReadError> {
        let slots = R::slots(|word| journal.slot_id(account, &slot_of::<R>(key, word)));
        for &slot in slots.as_ref() {
            journal.load_slot(slot)?;
        }
        let record = R::decode(|word| journal.slot(slots.as_ref()[word]).value);
        let at = u32::try_from(self.entries.len()).expect("a block touches less than 2^32 records");
        self.entries.push(Entry { record, slots, transaction: 0, saved: 0 });
        self.index.insert(key, at, hasher);
        Ok(at)
    }

    #[inline(always)]
    pub(super) fn at(&self, place: Place<R>) -> &R {
        &self.entries[place.0 as usize].record
    }

    /// The record, to be changed after `mark`, in the call that began with mark `call`.
    #[inline(always)]
    pub(super) fn at_mut(&mut self, place: Place<R>, mark: u32, call: u32) -> &mut R {
        let entry = &mut self.entries[place.0 as usize];
        if entry.saved != mark {
            let is_first = entry.saved < call;
            entry.saved = mark;
            self.saves.push(Save { mark, at: place.0, is_first });
            self.saved.extend_from_slice(core::slice::from_ref(&entry.record));
        }
        &mut entry.record
    }

    /// Undoes all changes after this mark and later ones.
    pub(super) fn revert(&mut self, mark: u32) {
        while let Some(&Save { mark: saved_after, at, is_first }) = self.saves.last()
            && saved_after >= mark
        {
            self.saves.pop();
            let entry = &mut self.entries[at as usize];
            entry.record = self.saved.pop().expect("as many records as saves");
            if is_first {
                entry.saved = 0;
            }
        }
        // What was flushed and is undone is undone by the journal, in its slots, too.
        self.flushed = self.flushed.min(self.saves.len());
    }

    /// Forgets how to undo. Nothing may wait to be written.
    pub(super) fn commit(&mut self) {
        debug_assert!(self.flushed == self.saves.len(), "a call is flushed before its transaction ends");
        self.saves.clear();
        self.saved.clear();
        self.flushed = 0;
    }

    /// Words of the records that may differ from those in the journal.
    pub(super) fn words_to_write(&self) -> u64 {
        let first = self.saves[self.flushed..].iter().filter(|save| save.is_first);
        (first.count() * R::WORDS) as u64
    }

    /// Writes the words that differ from those in the journal.
    pub(super) fn flush(&mut self, journal: &mut Journal<'_>) -> Result<(), ReadError> {
        for (save, saved) in self.saves.iter().zip(&self.saved).skip(self.flushed) {
            if save.is_first {
                let entry = &self.entries[save.at as usize];
                entry.record.encode_changes(saved, |word, value| {
                    let slot = entry.slots.as_ref()[word];
                    journal.load_slot(slot)?;
                    journal.set_slot(slot, value);
                    Ok::<(), ReadError>(())
                })?;
            }
        }
        self.flushed = self.saves.len();
        Ok(())
    }
}
