//! A book on a journal of its own, and what looks at all of it.
#![allow(dead_code, reason = "each test uses a part")]

pub mod naive;

use naive::{Event, verdict_on};
use rialto_market::book::{
    Book, Cancelled, IndexKind, Level, Matched, Matching, Order, Outcome, Resting, Taker, Verdict, namespace,
};
use rialto_market::records::Records;
use rialto_market::types::{BlockInfo, InstrumentId, Lots, OrderId, Side};
use rialto_market::{MARKET_ADDRESS, Market, MarketError, Meter, Rejection};
use rialto_state::{Journal, MemoryState};

/// Groups of takers; zero is none.
pub const GROUPS: u64 = 4;

/// A journal over nothing.
pub fn with_journal(work: impl FnOnce(&mut Journal<'_>)) {
    let state = MemoryState::default();
    work(&mut Journal::new(&state, 5));
}

/// One call of the market, closed after the work.
pub fn call<T>(journal: &mut Journal<'_>, now_seconds: u64, work: impl FnOnce(&mut Market<'_, '_>) -> T) -> T {
    let account = journal.account_id(&MARKET_ADDRESS);
    let block = BlockInfo { timestamp_seconds: now_seconds, ..BlockInfo::default() };
    let mut market = Market::new(Records::open(journal, account), block, Default::default(), Meter::new(u64::MAX));
    let result = work(&mut market);
    market.finish().0.close().unwrap();
    result
}

/// Matches as a call does: what is rejected is undone.
pub fn matched(market: &mut Market<'_, '_>, taker: &Taker, recorder: &mut Recorder) -> Result<Outcome, Rejection> {
    let mark = market.records().mark();
    match market.book_match(taker, recorder) {
        Ok(outcome) => Ok(outcome),
        Err(MarketError::Rejected(rejection)) => {
            market.records().revert(mark);
            Err(*rejection)
        }
        Err(error) => panic!("{error}"),
    }
}

/// Hooks that note what they hear, and judge makers by [`verdict_on`].
#[derive(Default)]
pub struct Recorder {
    /// In the order in which it happened.
    pub events: Vec<Event>,
}

impl Matching for Recorder {
    fn before_fill(
        &mut self,
        _: &mut Market<'_, '_>,
        _: &Taker,
        maker: &Resting,
        lots: Lots,
    ) -> Result<Verdict, MarketError> {
        assert!(lots > 0 && lots <= maker.order.lots, "{lots} of {maker:?}");
        Ok(verdict_on(maker.order.client_id))
    }

    fn on_fill(&mut self, market: &mut Market<'_, '_>, _: &Taker, fill: &Matched) -> Result<(), MarketError> {
        let left = market.book_order(fill.maker.id)?.map_or(0, |order| order.lots);
        assert_eq!(left, fill.maker.order.lots - fill.lots, "the book has the fill already");
        self.events.push(Event::Fill(fill.maker.id, fill.maker.order.ticks, fill.lots));
        Ok(())
    }

    fn on_cancelled(&mut self, _: &mut Market<'_, '_>, cancelled: &Cancelled) -> Result<(), MarketError> {
        self.events.push(Event::Cancelled(cancelled.maker.id, cancelled.lots, cancelled.reason));
        Ok(())
    }
}

/// Walks a side of a book from the best price on: checks every link, total and index, and returns the orders with what is left of them.
pub fn check_invariants(market: &mut Market<'_, '_>, instrument: InstrumentId, side: Side) -> Vec<(OrderId, Lots)> {
    let book: Book = market.records().get(instrument).unwrap();
    let levels = market.book_depth(instrument, side, u32::MAX).unwrap();
    let kind = if side == Side::Buy { IndexKind::Bids } else { IndexKind::Asks };
    let prices = namespace(kind, instrument.0.into());
    assert_eq!(book.best(side), levels.first().map(|level| level.ticks), "best price of {side:?}");
    let (least, most) = (market.index_next_at_or_above(prices, 0), market.index_prev_at_or_below(prices, u32::MAX));
    let ends = (levels.iter().map(|level| level.ticks).min(), levels.iter().map(|level| level.ticks).max());
    assert_eq!((least.unwrap(), most.unwrap()), ends, "ends of the index of {side:?}");

    let mut orders = Vec::new();
    for view in &levels {
        let level: Level = market.records().get((instrument, side, view.ticks)).unwrap();
        let (mut handle, mut prev, mut lots, mut count) = (level.head, 0, 0, 0);
        while handle != 0 {
            let order: Order = market.records().get((instrument, handle)).unwrap();
            assert_eq!((order.side, order.ticks), (side, view.ticks), "order {handle} is where it belongs");
            assert!(order.sequence > 0 && order.lots > 0, "order {handle} rests: {order:?}");
            assert!(prev == 0 || order.prev == prev, "order {handle} links back to {prev}: {order:?}");
            orders.push((OrderId { instrument, sequence: order.sequence, handle }, order.lots));
            (lots, count) = (lots + order.lots, count + 1);
            (prev, handle) = (handle, order.next);
        }
        assert_eq!((level.tail, level.lots, level.count), (prev, lots, count), "level {} of {side:?}", view.ticks);
        assert!(count > 0, "level {} of {side:?} has orders", view.ticks);
    }
    let count = if side == Side::Buy { book.bids } else { book.asks };
    assert_eq!(count as usize, orders.len(), "number of orders of {side:?}");
    check_free(market, instrument, &book);
    orders
}

/// Every handle that was ever in use either rests or is free, once.
fn check_free(market: &mut Market<'_, '_>, instrument: InstrumentId, book: &Book) {
    let (mut free, mut handle) = (0, book.free);
    while handle != 0 {
        let order: Order = market.records().get((instrument, handle)).unwrap();
        assert_eq!(order, Order { next: order.next, ..Order::default() }, "free handle {handle}");
        free += 1;
        assert!(free <= book.handles, "the chain of free handles ends");
        handle = order.next;
    }
    assert_eq!(free + book.bids + book.asks, book.handles, "handles");
}
