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
//! in each transaction (so that access lists and read sets are those of anyone who reads the slots), and written when the call ends.
//!
//! # Undo
//! Every change of a record pushes the record before it, with a number that grows with each change. A [`Mark`] is such a number; going
//! back to it pops. A call that returned is undone from outside with the journal, which tells the tables how far it is unwound: the
//! calls that began at or after that position are popped. So a revert costs what it undoes.
//!
//! Invariant: between calls, the cached record of each entry equals the decoding of the journal's current words of its slots.

mod field;
mod key;
mod record;
mod table;
mod tables;

pub use field::{Field, FieldLayout};
pub use key::RecordKey;
pub use record::Record;
pub use tables::{Stored, Tables};

pub(crate) use record::record;

use alloc::boxed::Box;
use alloc::vec::Vec;
use alloy_primitives::U256;
use rialto_state::{AccountId as JournalAccountId, Journal, ReadError};

/// A state of the records to go back to within a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

/// The tables and the journal below them, for the time of one call.
pub struct Records<'c, 'r> {
    journal: &'c mut Journal<'r>,
    account: JournalAccountId,
    tables: Box<Tables>,
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
        Self { journal, account, tables }
    }

    /// Writes what changed to the journal's slots and leaves the tables with it.
    pub fn close(mut self) -> Result<(), ReadError> {
        let flushed = self.tables.flush(self.journal);
        self.journal.put_extension(self.account, self.tables);
        flushed
    }

    /// Undoes everything since [`Records::open`] and leaves the tables with the journal.
    pub fn abandon(mut self) {
        let start = self.tables.call_start();
        self.revert(start);
        self.journal.put_extension(self.account, self.tables);
    }

    /// The record with this key, or its default.
    pub fn get<R: Stored>(&mut self, key: R::Key) -> Result<R, ReadError> {
        let transaction = self.journal.transaction();
        R::table(&mut self.tables).get(self.journal, self.account, key, transaction)
    }

    /// Sets the record with this key.
    pub fn set<R: Stored>(&mut self, key: R::Key, record: R) -> Result<(), ReadError> {
        let transaction = self.journal.transaction();
        let number = self.tables.next_change();
        R::table(&mut self.tables).set(self.journal, self.account, key, record, transaction, number)
    }

    /// Changes the record with this key.
    pub fn update<R: Stored, T>(&mut self, key: R::Key, change: impl FnOnce(&mut R) -> T) -> Result<T, ReadError> {
        let mut record = self.get::<R>(key)?;
        let result = change(&mut record);
        self.set(key, record)?;
        Ok(result)
    }

    /// The present state, to go back to.
    pub fn mark(&self) -> Mark {
        self.tables.mark()
    }

    /// Undoes all changes since `mark`.
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
