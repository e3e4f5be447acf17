//! Typed records over the module's storage slots.
//!
//! # Layout
//! A record is a fixed number of 32-byte words with a fixed byte layout, [`Record::LAYOUT`], which `record!` derives from the order in
//! which the fields are written. Word `w` of the record with key `k` in the table with tag `t` lies in slot
//! `t·2^248 + k·2^8 + w` of the module's account: no hashing, and whoever knows the layout can ask for a proof of it. A record that
//! was never written is [`Default`], all zeros; a record that is set back to its default leaves no slot behind.
//!
//! # Cache
//! Records are kept decoded in [`Tables`], which travels with the journal from call to call. A record's slots are read from the journal once
//! for as long as the journal lives (so that access lists and read sets have those of anyone who reads the slots), and its words that
//! changed are written when the call ends. A record stays at its [`Place`], so that who comes back to it looks nothing up.
//!
//! # Undo
//! The first change of a record after a [`Mark`] keeps the record before it; going back to the mark puts it back. A call that returned is
//! undone from outside with the journal, which tells the tables how far it is unwound: the calls that began at or after that position are popped. So a revert costs what it undoes.
//!
//! Invariant: between calls, the cached record of each entry equals the decoding of the journal's current words of its slots.

mod field;
mod index;
mod key;
mod record;
mod table;
mod tables;

pub use field::{Field, FieldLayout};
pub use key::RecordKey;
pub use record::Record;
pub use table::Place;
pub use tables::{Stored, Tables};

pub(crate) use record::record;
use table::Use;

use alloc::boxed::Box;
use alloc::vec::Vec;
use alloy_primitives::U256;
use foldhash::fast::FixedState;
use rialto_state::{AccountId as JournalAccountId, Journal, ReadError};

/// A state of the records to go back to within a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u32);

/// The tables and the journal below them, for the time of one call.
pub struct Records<'c, 'r> {
    journal: &'c mut Journal<'r>,
    account: JournalAccountId,
    tables: Box<Tables>,
    hasher: FixedState,
    transaction: u32,
    reads: u64,
}

impl<'c, 'r> Records<'c, 'r> {
    /// Takes the tables that travel with the journal.
    pub fn open(journal: &'c mut Journal<'r>, account: JournalAccountId) -> Self {
        let mut tables =
            match journal.take_extension(account).map(|extension| extension.into_any().downcast::<Tables>()) {
                Some(Ok(tables)) => tables,
                _ => Box::default(),
            };
        tables.begin_call(journal.undo_len());
        let (hasher, transaction) = (journal.hasher().clone(), journal.transaction());
        Self { journal, account, tables, hasher, transaction, reads: 0 }
    }

    /// Writes what changed to the journal's slots and leaves the tables with it. Returns how many slots changed.
    pub fn close(mut self) -> Result<u64, ReadError> {
        let before = self.journal.undo_len();
        let flushed = self.tables.flush(self.journal);
        // The journal notes what every slot that changes was.
        let changed = self.journal.undo_len() - before;
        self.journal.put_extension(self.account, self.tables);
        flushed.map(|()| changed as u64)
    }

    /// Undoes everything since [`Records::open`] and leaves the tables with the journal.
    pub fn abandon(mut self) {
        self.tables.abandon_call();
        self.journal.put_extension(self.account, self.tables);
    }

    /// The record with this key, or its default.
    #[inline]
    pub fn get<R: Stored>(&mut self, key: R::Key) -> Result<R, ReadError> {
        let place = self.locate::<R>(key)?;
        Ok(*self.at(place))
    }

    /// Sets the record with this key.
    #[inline]
    pub fn set<R: Stored>(&mut self, key: R::Key, record: R) -> Result<(), ReadError> {
        let place = self.locate::<R>(key)?;
        if *self.at(place) != record {
            *self.at_mut(place) = record;
        }
        Ok(())
    }

    /// Changes the record with this key.
    #[inline]
    pub fn update<R: Stored, T>(&mut self, key: R::Key, change: impl FnOnce(&mut R) -> T) -> Result<T, ReadError> {
        let place = self.locate::<R>(key)?;
        Ok(change(self.at_mut(place)))
    }

    /// The place of the record with this key.
    #[inline(always)]
    pub fn locate<R: Stored>(&mut self, key: R::Key) -> Result<Place<R>, ReadError> {
        let Self { journal, account, tables, hasher, transaction, reads, .. } = self;
        let used = Use { account: *account, hasher, transaction: *transaction, reads };
        R::table(tables).locate(journal, key, used)
    }

    /// The record at a place.
    #[inline(always)]
    pub fn at<R: Stored>(&mut self, place: Place<R>) -> &R {
        R::table(&mut self.tables).at(place)
    }

    /// The record at a place, to change it.
    #[inline(always)]
    pub fn at_mut<R: Stored>(&mut self, place: Place<R>) -> &mut R {
        let (mark, call) = self.tables.last_marks();
        R::table(&mut self.tables).at_mut(place, mark, call)
    }

    /// Words of records that this call was the first of its transaction to look up.
    pub fn words_read(&self) -> u64 {
        self.reads
    }

    /// Words of records that this call changed, unchanged ones of the same records included.
    pub fn words_written(&self) -> u64 {
        self.tables.words_to_write()
    }

    /// The present state, to go back to.
    pub fn mark(&mut self) -> Mark {
        self.tables.make_mark()
    }

    /// Undoes all changes since `mark`, which must have been made in this call and not been undone.
    pub fn revert(&mut self, mark: Mark) {
        self.tables.revert(mark);
    }

    /// The journal below, for what is not a record: logs and other accounts.
    pub fn journal(&mut self) -> &mut Journal<'r> {
        self.journal
    }
}

/// The slot of a word of a record.
pub fn slot_of<R: Record>(key: R::Key, word: usize) -> U256 {
    let word = U256::from(word as u64);
    U256::from(R::TAG) << 248 | key.to_word() << 8 | word
}

/// All fields of all tables, for the documents.
pub fn layouts() -> Vec<(u8, &'static str, &'static str, &'static [FieldLayout])> {
    tables::layouts()
}
