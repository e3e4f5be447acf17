//! The stream of a book: a snapshot, then what changed, block by block.
//!
//! A client keeps the best levels of each side, as deep as it asked for. A message of type `diff` has the levels that changed, came in or
//! went out, with lots zero for those that went out, whether they are gone or too deep now. After it, the client's levels are exactly
//! the book's best. Each message has a number, one higher than the last for this instrument, and the
//! [checksum](super::super::checksum) of the levels that the client should have then.
//!
//! The books are read after every block, not put together from events, for what the market does by itself at the end of a block has
//! none. All subscriptions share what is read. A client that lags behind is told of the newest book alone: what matters is that its levels
//! become the book's, not each step on the way.

use super::super::book::{Level, Levels, LevelsJson};
use super::super::checksum::checksum;
use super::super::json::Decimal;
use super::super::read::{BlockPlace, MarketState};
use super::{Instruments, MarketStream};
use crate::subscription::Ended;
use crate::{RpcContext, RpcError};
use rialto_market::types::{InstrumentId, Ticks};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most levels of a side that a subscription may be about, all its instruments together.
pub(super) const MAX_LEVELS: usize = 20_000;

/// A message of the stream.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BookMessage {
    topic: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    instrument: Decimal<u16>,
    sequence: Decimal<u64>,
    #[serde(flatten)]
    at: BlockPlace,
    bids: LevelsJson,
    asks: LevelsJson,
    checksum: Decimal<u32>,
}

/// What a client knows of a book.
#[derive(Default)]
struct Known {
    levels: Arc<Levels>,
    next_sequence: u64,
}

/// What a message is made like.
#[derive(Clone, Copy)]
struct Shape {
    depth: usize,
    is_snapshot: bool,
}

impl MarketStream {
    /// Runs the stream.
    pub(super) async fn book(mut self, instruments: Instruments, depth: usize) -> Result<(), Ended> {
        let mut known: BTreeMap<InstrumentId, Known> = BTreeMap::new();
        let mut begins_again = true;
        loop {
            let named = instruments.clone();
            let (at, books) = self.read(move |context| read_books(context, &named, depth)).await?;
            for (id, levels) in books {
                let is_snapshot = begins_again || !known.contains_key(&id);
                let state = known.entry(id).or_default();
                if let Some(message) = state.message(id, levels, Shape { depth, is_snapshot }, at) {
                    self.out.send(&message).await?;
                }
            }
            begins_again = !self.out.next(&mut self.heads).await?.removed.is_empty();
        }
    }
}

impl Known {
    /// What to tell the client, who has these levels from now on; `None` where nothing changed.
    fn message(&mut self, id: InstrumentId, levels: Arc<Levels>, shape: Shape, at: BlockPlace) -> Option<BookMessage> {
        let (bids, asks) = levels.top(shape.depth);
        let (old_bids, old_asks) = self.levels.top(shape.depth);
        let (kind, bids_told, asks_told) = match shape.is_snapshot {
            true => ("snapshot", bids.to_vec(), asks.to_vec()),
            false => ("diff", changes(old_bids, bids), changes(old_asks, asks)),
        };
        if !shape.is_snapshot && bids_told.is_empty() && asks_told.is_empty() {
            self.levels = levels;
            return None;
        }
        let sequence = self.next_sequence;
        let message = BookMessage {
            topic: "book",
            kind,
            instrument: Decimal(id.0),
            sequence: Decimal(sequence),
            at,
            checksum: Decimal(checksum(bids, asks)),
            bids: LevelsJson(bids_told),
            asks: LevelsJson(asks_told),
        };
        *self = Self { levels, next_sequence: sequence + 1 };
        Some(message)
    }
}

/// What turns the levels `old` into `new`: levels to set, and with lots zero to remove, by price upwards.
fn changes(old: &[Level], new: &[Level]) -> Vec<Level> {
    let mut changed: BTreeMap<Ticks, u64> = old.iter().map(|(ticks, _)| (*ticks, 0)).collect();
    changed.extend(new.iter().copied());
    for level in old {
        if changed.get(&level.0) == Some(&level.1) {
            changed.remove(&level.0);
        }
    }
    changed.into_iter().collect()
}

/// Books by instrument.
type Books = Vec<(InstrumentId, Arc<Levels>)>;

/// The newest books.
fn read_books(context: &RpcContext, instruments: &Instruments, depth: usize) -> Result<(BlockPlace, Books), RpcError> {
    let view = context.view()?;
    let market = MarketState::after(&view, view.head().hash)?.ok_or_else(RpcError::unknown_block)?;
    let ids: Vec<InstrumentId> = match instruments {
        Instruments::These(ids) => ids.clone(),
        Instruments::All => market.instruments()?.take(MAX_LEVELS.div_ceil(depth)).collect(),
    };
    let read = |id| Ok((id, context.books.levels(&market, id, depth)?));
    let books = ids.into_iter().map(read).collect::<Result<_, RpcError>>()?;
    Ok((market.at, books))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Quantity;
    use alloy_primitives::B256;
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    /// A client: applies messages and checks them.
    #[derive(Default)]
    struct Client {
        bids: BTreeMap<Ticks, u64>,
        asks: BTreeMap<Ticks, u64>,
        messages: u64,
    }

    impl Client {
        fn apply(&mut self, message: &BookMessage) {
            assert_eq!(message.sequence.0, self.messages, "every message is there");
            self.messages += 1;
            if message.kind == "snapshot" {
                (self.bids, self.asks) = Default::default();
            }
            for (side, changes) in [(&mut self.bids, &message.bids), (&mut self.asks, &message.asks)] {
                for (ticks, lots) in &changes.0 {
                    if *lots == 0 {
                        side.remove(ticks)
                    } else {
                        side.insert(*ticks, *lots)
                    };
                }
            }
            let bids: Vec<Level> = self.bids.iter().rev().map(|(ticks, lots)| (*ticks, *lots)).collect();
            let asks: Vec<Level> = self.asks.iter().map(|(ticks, lots)| (*ticks, *lots)).collect();
            assert_eq!(checksum(&bids, &asks), message.checksum.0, "the client's book is the market's");
        }
    }

    fn book(bids: &BTreeMap<Ticks, u64>, asks: &BTreeMap<Ticks, u64>) -> Arc<Levels> {
        let bids = bids.iter().rev().map(|(ticks, lots)| (*ticks, *lots)).collect();
        let asks = asks.iter().map(|(ticks, lots)| (*ticks, *lots)).collect();
        Arc::new(Levels { bids, asks })
    }

    fn place() -> BlockPlace {
        BlockPlace { block_number: Quantity(0), block_hash: B256::ZERO, timestamp: Quantity(0) }
    }

    #[test]
    fn changes_are_told_by_price() {
        type Row = (&'static str, &'static [Level], &'static [Level], &'static [Level]);
        let rows: [Row; 5] = [
            ("nothing", &[(10, 1)], &[(10, 1)], &[]),
            ("more lots", &[(10, 1)], &[(10, 2)], &[(10, 2)]),
            ("gone", &[(10, 1), (9, 1)], &[(9, 1)], &[(10, 0)]),
            ("new", &[(9, 1)], &[(10, 1), (9, 1)], &[(10, 1)]),
            ("too deep", &[(10, 1), (9, 1)], &[(11, 3), (10, 1)], &[(9, 0), (11, 3)]),
        ];
        for (name, old, new, expected) in rows {
            assert_eq!(changes(old, new), expected, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_client_has_the_books_levels(
            books in proptest::collection::vec((btree_map(1u32..50, 1u64..4, 0..40), btree_map(50u32..99, 1u64..4, 0..40), any::<bool>()), 1..20),
            depth in 1usize..32,
        ) {
            let (mut known, mut client) = (Known::default(), Client::default());
            for (index, (bids, asks, is_reorganised)) in books.iter().enumerate() {
                let levels = book(bids, asks);
                let shape = Shape { depth, is_snapshot: index == 0 || *is_reorganised };
                if let Some(message) = known.message(InstrumentId(1), Arc::clone(&levels), shape, place()) {
                    client.apply(&message);
                }
                let (top_bids, top_asks) = levels.top(depth);
                prop_assert!(client.bids.iter().rev().map(|(ticks, lots)| (*ticks, *lots)).eq(top_bids.iter().copied()));
                prop_assert!(client.asks.iter().map(|(ticks, lots)| (*ticks, *lots)).eq(top_asks.iter().copied()));
            }
        }
    }
}
