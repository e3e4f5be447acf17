//! All tables of the market, each with its tag.

use super::table::Table;
use super::{FieldLayout, Mark, Record};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::any::Any;
use rialto_state::{Extension, Journal, ReadError};

/// A record that has its table in [`Tables`].
pub trait Stored: Record {
    /// Its table.
    #[doc(hidden)]
    fn table(tables: &mut Tables) -> &mut Table<Self>;
}

macro_rules! tables {
    ($($field:ident: $record:ty,)*) => {
        /// See the parent module's documentation.
        #[derive(Default)]
        pub struct Tables {
            $($field: Table<$record>,)*
            /// Number of the next change.
            next: u64,
            /// Where the journal's undo list ended, and the number of the next change, when each call of this transaction began.
            calls: Vec<(usize, u64)>,
        }

        $(impl Stored for $record {
            fn table(tables: &mut Tables) -> &mut Table<Self> {
                &mut tables.$field
            }
        })*

        impl Tables {
            pub(super) fn revert(&mut self, mark: Mark) {
                if mark.0 < self.next {
                    $(self.$field.revert(mark.0);)*
                }
            }

            pub(super) fn flush(&mut self, journal: &mut Journal<'_>) -> Result<(), ReadError> {
                $(self.$field.flush(journal)?;)*
                Ok(())
            }

            fn commit(&mut self) {
                $(self.$field.commit();)*
            }
        }

        pub(super) fn layouts() -> Vec<(u8, &'static str, &'static str, &'static [FieldLayout])> {
            vec![$((<$record>::TAG, <$record>::NAME, <$record>::KEY, <$record>::LAYOUT),)*]
        }
    };
}

impl Tables {
    pub(super) fn next_change(&mut self) -> u64 {
        self.next += 1;
        self.next - 1
    }

    pub(super) fn mark(&self) -> Mark {
        Mark(self.next)
    }

    /// When the current call began.
    pub(super) fn call_start(&self) -> Mark {
        Mark(self.calls.last().map_or(0, |(_, number)| *number))
    }

    /// Begins a call, when the journal's undo list has this length.
    pub(super) fn begin_call(&mut self, undo_len: usize) {
        self.calls.push((undo_len, self.next));
    }
}

impl Extension for Tables {
    fn unwound(&mut self, undo_len: usize) {
        let mut first_undone = None;
        while let Some(&(begin, number)) = self.calls.last()
            && begin >= undo_len
        {
            first_undone = Some(number);
            self.calls.pop();
        }
        if let Some(number) = first_undone {
            self.revert(Mark(number));
        }
    }

    fn end_transaction(&mut self) {
        self.calls.clear();
        self.commit();
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

tables! {
    globals: crate::layout::Globals,
    instruments: crate::layout::Instrument,
    prices: crate::layout::Prices,
    accounts: crate::layout::Account,
    accounts_of: crate::layout::AccountOf,
    balances: crate::layout::Balance,
    positions: crate::layout::Position,
}
