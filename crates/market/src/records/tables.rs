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
            /// The last mark.
            mark: u32,
            /// The mark with which the open call began, or the last one if none is open.
            call: u32,
            /// Where the journal's undo list ended when each call of this transaction began, and the mark made then.
            calls: Vec<(usize, Mark)>,
        }

        $(impl Stored for $record {
            fn table(tables: &mut Tables) -> &mut Table<Self> {
                &mut tables.$field
            }
        })*

        impl Tables {
            pub(super) fn revert(&mut self, mark: Mark) {
                $(self.$field.revert(mark.0);)*
                // What was saved after an undone mark is saved no more.
                self.make_mark();
            }

            /// Words of records that the open call changed, unchanged ones of the same records included.
            pub(super) fn words_to_write(&self) -> u64 {
                0 $(+ self.$field.words_to_write())*
            }

            pub(super) fn flush(&mut self, journal: &mut Journal<'_>) -> Result<(), ReadError> {
                $(self.$field.flush(journal)?;)*
                Ok(())
            }

            fn commit(&mut self) {
                $(self.$field.commit();)*
            }
        }

        #[cfg(test)]
        fn each_goes_round(words: &[alloy_primitives::U256]) {
            $(tests::goes_round::<$record>(words);)*
        }

        pub(super) fn layouts() -> Vec<(u8, &'static str, &'static str, &'static [FieldLayout])> {
            vec![$((<$record>::TAG, <$record>::NAME, <$record>::KEY, <$record>::LAYOUT),)*]
        }
    };
}

impl Tables {
    /// The last mark, for changes after it, and the one with which the open call began.
    #[inline]
    pub(super) fn last_marks(&self) -> (u32, u32) {
        (self.mark, self.call)
    }

    /// A new mark.
    pub(super) fn make_mark(&mut self) -> Mark {
        self.mark = self.mark.checked_add(1).expect("a block makes less than 2^32 marks");
        Mark(self.mark)
    }

    /// Begins a call, when the journal's undo list has this length.
    pub(super) fn begin_call(&mut self, undo_len: usize) {
        let mark = self.make_mark();
        self.call = mark.0;
        self.calls.push((undo_len, mark));
    }

    /// Undoes the last call, of which nothing was written yet.
    pub(super) fn abandon_call(&mut self) {
        let (_, mark) = self.calls.pop().expect("a call has begun");
        self.revert(mark);
    }
}

impl Extension for Tables {
    fn unwound(&mut self, undo_len: usize) {
        let mut first_undone = None;
        while let Some(&(begin, mark)) = self.calls.last()
            && begin >= undo_len
        {
            first_undone = Some(mark);
            self.calls.pop();
        }
        if let Some(mark) = first_undone {
            self.revert(mark);
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
    agents: crate::accounts::Agent,
    assets: crate::assets::Asset,
    asset_states: crate::assets::AssetState,
    assets_of: crate::assets::AssetOf,
    books: crate::book::Book,
    orders: crate::book::Order,
    levels: crate::book::Level,
    index_words: crate::book::IndexWord,
    queue_ends: crate::book::QueueEnds,
    queue_links: crate::book::QueueLink,
    order_counts: crate::orders::lists::OrderCount,
    order_lists: crate::orders::lists::OrderList,
    order_places: crate::orders::lists::OrderPlace,
    client_orders: crate::orders::lists::ClientOrder,
    trigger_orders: crate::orders::triggers::TriggerOrder,
    trigger_orders_of: crate::orders::triggers::TriggerOrdersOf,
    trigger_cursor: crate::orders::triggers::TriggerCursor,
    feeds: crate::feeds::Feed,
    feed_users: crate::feeds::FeedUser,
    price_rules: crate::marks::PriceRules,
    breakers: crate::breaker::Breaker,
    funding_intervals: crate::funding::FundingInterval,
    signers: crate::oracle::Signer,
    signers_of: crate::oracle::SignerOf,
    office: crate::oracle::Office,
    proposals: crate::operator::Proposal,
    expiries: crate::expiry::Expiry,
    expiry_series: crate::expiry::ExpirySeries,
    clearing: crate::expiry::Clearing,
    clearing_series: crate::expiry::ClearingSeries,
    factor_states: crate::risk_index::FactorState,
    factor_counts: crate::risk_index::FactorCount,
    watched_factors: crate::risk_index::WatchedFactor,
    watches: crate::risk_index::Watch,
    risk_triggers: crate::risk_index::RiskTrigger,
    risk_levels: crate::risk_index::RiskLevel,
    liquidation_queue: crate::liquidation::LiquidationQueue,
    queue_entries: crate::liquidation::QueueEntry,
    cases: crate::liquidation::Case,
    backstop_pool: crate::liquidation::BackstopPool,
    backstop_shares: crate::liquidation::BackstopShares,
    block_work: crate::budget::BlockWork,
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;
    use proptest::prelude::*;

    /// Words are decoded, encoded and decoded: the record is the same both times, and it is all zeros exactly where its words are.
    pub(super) fn goes_round<R: Record + core::fmt::Debug>(words: &[U256]) {
        let record = R::decode(|word| words[word]);
        let encoded = record.encode();
        assert_eq!(encoded.as_ref().len(), R::WORDS, "{}", R::NAME);
        assert_eq!(R::decode(|word| encoded.as_ref()[word]), record, "{}", R::NAME);
        let is_zero = encoded.as_ref().iter().all(U256::is_zero);
        assert_eq!(record == R::default(), is_zero, "{}: {record:?}", R::NAME);

        let mut changed = R::default().encode();
        let all = record.encode_changes(&R::default(), |word, value| {
            changed.as_mut()[word] = value;
            Ok::<(), ()>(())
        });
        assert_eq!((all, changed.as_ref()), (Ok(()), encoded.as_ref()), "{}: changes", R::NAME);
    }

    proptest! {
        #[test]
        fn records_go_round(words in prop::collection::vec(any::<[u8; 32]>(), 16), zeros in any::<u16>()) {
            let word = |(at, bytes): (usize, [u8; 32])| {
                if zeros >> at & 1 == 1 { U256::ZERO } else { U256::from_be_bytes(bytes) }
            };
            let words: Vec<U256> = words.into_iter().enumerate().map(word).collect();
            each_goes_round(&words);
            each_goes_round(&[U256::ZERO; 16]);
            each_goes_round(&[U256::MAX; 16]);
        }
    }
}
