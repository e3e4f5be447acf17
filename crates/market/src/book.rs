//! The order book of each instrument: price, then time.
//!
//! # Shape
//! An order lies in a record of its own, named by the instrument and a handle. Orders of one price and side form a doubly linked queue
//! whose ends are in the price's [`Level`]. The prices of a side that have a level form a set of numbers in bitmap words ([`IndexWord`]):
//! the next price with orders is found in a few words, however many there are. The [`Book`] holds both best prices, so that most calls
//! look for none.
//!
//! # Cost
//! Inserting, cancelling and reducing touch the order, its neighbours, its level and the book, wherever in the queue the order is. Where a
//! level appears or vanishes, up to four words of the index change, nearly always one. Each maker that is met costs as much as a cancel.
//!
//! # Handles
//! Handles of orders that are gone are used again, the last one first, chained through `next`; so a book takes as many records as it ever
//! had orders at a time. An [`OrderId`] names an order for ever all the same, because it holds the order's number in the instrument's
//! sequence, which no other order gets.
//!
//! The first order of a queue stays the first until it is gone, so its `prev` is never looked at, and a fill does not touch the order
//! behind the one that it takes.
//!
//! # Invariants
//! A level's lots and count are those of its queue; the index of a side holds exactly the prices of levels with orders; the best prices
//! are the index's ends; the best bid is below the best ask. A free order record is all zeros but for `next`.

mod depth;
mod matching;
mod price_index;
mod queue;

pub use depth::{IMPACT_LEVELS, LevelView};
pub use matching::{
    CancelReason, Cancelled, MAKER_VISITS, Matched, Matching, Outcome, Resting, SelfTrade, Stop, Taker, Verdict,
};
pub use price_index::{IndexKind, IndexWord, namespace};
pub use queue::{QueueEnds, QueueLink};

use crate::error::{MarketError, Rejection};
use crate::market::Market;
use crate::records::{Place, record};
use crate::types::{AccountId, InstrumentId, Lots, MAX_LOTS, OrderId, Side, Ticks};
use alloy_primitives::{Address, U256};

record! {
    /// An instrument's book as a whole.
    pub struct Book(tag 32, key InstrumentId, "instrument") {
        {
            /// Highest price with a bid; zero if there is none.
            pub best_bid: Ticks,
            /// Lowest price with an ask; zero if there is none.
            pub best_ask: Ticks,
            /// Number of the last order in the instrument's sequence.
            pub sequence: u64,
            /// Handles that were ever in use: 1 to this.
            pub handles: u32,
            /// The free handle to use next; zero if none is free.
            pub free: u32,
            /// Resting bids.
            pub bids: u32,
            /// Resting asks.
            pub asks: u32,
        }
    }
}

record! {
    /// A resting order.
    pub struct Order(tag 33, key (InstrumentId, u32), "instrument, handle") {
        {
            /// Number in the instrument's sequence; zero where no order is.
            pub sequence: u64,
            /// Whose it is.
            pub account: AccountId,
            /// Price.
            pub ticks: Ticks,
            /// Orders of one group do not trade with each other; zero is no group.
            pub group: u64,
            /// The owner's number for it; zero is none.
            pub client_id: u64,
        }
        {
            /// Handle of the order before it at its price. Of the first one it means nothing.
            pub prev: u32,
            /// Handle of the order after it at its price; zero if it is last. Where no order is: the next free handle.
            pub next: u32,
            /// Lots that are left.
            pub lots: Lots,
            /// From when on it is void, in seconds; zero is never.
            pub expiry_seconds: u64,
            /// Side.
            pub side: Side,
            /// Whether it may only make a position smaller.
            pub is_reduce_only: bool,
        }
    }
}

record! {
    /// The orders of one price and side.
    pub struct Level(tag 34, key (InstrumentId, Side, Ticks), "instrument, side, price") {
        {
            /// Handle of the first order.
            pub head: u32,
            /// Handle of the last order.
            pub tail: u32,
            /// Lots of all its orders.
            pub lots: Lots,
            /// Number of its orders.
            pub count: u32,
        }
    }
}

/// An order that is to rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NewOrder {
    /// What is traded.
    pub instrument: InstrumentId,
    /// Whose it is.
    pub account: AccountId,
    /// Orders of one group do not trade with each other; zero is no group. See [`group_of`].
    pub group: u64,
    /// Side.
    pub side: Side,
    /// Price, at least 1.
    pub ticks: Ticks,
    /// Size, 1 to [`MAX_LOTS`].
    pub lots: Lots,
    /// The owner's number for it; zero is none.
    pub client_id: u64,
    /// From when on it is void, in seconds; zero is never.
    pub expiry_seconds: u64,
    /// Whether it may only make a position smaller.
    pub is_reduce_only: bool,
}

/// The group of all orders of an owner, whichever account they are for: the last eight bytes of the address. To get into someone
/// else's group takes 2^63 tries, and all that it is good for is not to trade with them.
pub fn group_of(owner: &Address) -> u64 {
    let bytes = owner.as_slice();
    u64::from_be_bytes(bytes[12..20].try_into().expect("eight bytes")).max(1)
}

impl Book {
    /// The best price of a side.
    #[inline]
    pub fn best(&self, side: Side) -> Option<Ticks> {
        let ticks = match side {
            Side::Buy => self.best_bid,
            Side::Sell => self.best_ask,
        };
        (ticks != 0).then_some(ticks)
    }

    fn set_best(&mut self, side: Side, ticks: Option<Ticks>) {
        match side {
            Side::Buy => self.best_bid = ticks.unwrap_or(0),
            Side::Sell => self.best_ask = ticks.unwrap_or(0),
        }
    }

    fn count_mut(&mut self, side: Side) -> &mut u32 {
        match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        }
    }
}

impl Side {
    /// Whether an order of this side with this limit trades at a price.
    #[inline]
    pub fn crosses(self, limit: Ticks, ticks: Ticks) -> bool {
        match self {
            Self::Buy => ticks <= limit,
            Self::Sell => ticks >= limit,
        }
    }

    /// Whether an order of this side comes before one at another price.
    #[inline]
    pub fn is_better(self, ticks: Ticks, than: Ticks) -> bool {
        match self {
            Self::Buy => ticks > than,
            Self::Sell => ticks < than,
        }
    }
}

/// An order with the places of the records around it.
#[derive(Clone, Copy)]
struct Found {
    instrument: InstrumentId,
    book: Place<Book>,
    level: Place<Level>,
    order: Place<Order>,
    handle: u32,
}

impl Market<'_, '_> {
    /// Adds an order behind those of its price. It must not cross: what crosses is matched first.
    pub fn book_insert(&mut self, new: &NewOrder) -> Result<OrderId, MarketError> {
        check_range("lots", new.lots, MAX_LOTS)?;
        check_range("price", new.ticks.into(), Ticks::MAX.into())?;
        let book = self.records.locate::<Book>(new.instrument)?;
        let state = self.records.at(book);
        if state.best(new.side.opposite()).is_some_and(|best| new.side.crosses(new.ticks, best)) {
            return Err(Rejection::WouldTake.into());
        }
        let is_best = state.best(new.side).is_none_or(|best| new.side.is_better(new.ticks, best));
        let is_used_again = state.free != 0;
        let handle = if is_used_again { state.free } else { next_handle(state)? };
        let sequence = state.sequence.checked_add(1).ok_or(Rejection::Overflow)?;
        let order = self.records.locate::<Order>((new.instrument, handle))?;
        let level = self.records.locate::<Level>((new.instrument, new.side, new.ticks))?;
        let Level { tail, lots, count, .. } = *self.records.at(level);
        let lots = lots.checked_add(new.lots).ok_or(Rejection::Overflow)?;
        let after = count.checked_add(1).ok_or(Rejection::Overflow)?;

        let free_after = self.records.at(order).next;
        *self.records.at_mut(order) = Order {
            sequence,
            account: new.account,
            ticks: new.ticks,
            group: new.group,
            client_id: new.client_id,
            prev: tail,
            next: 0,
            lots: new.lots,
            expiry_seconds: new.expiry_seconds,
            side: new.side,
            is_reduce_only: new.is_reduce_only,
        };
        let book = self.records.at_mut(book);
        book.sequence = sequence;
        let orders = book.count_mut(new.side);
        *orders = orders.saturating_add(1);
        if is_used_again {
            book.free = free_after;
        } else {
            book.handles = handle;
        }
        if is_best {
            book.set_best(new.side, Some(new.ticks));
        }
        let level = self.records.at_mut(level);
        (level.tail, level.lots, level.count) = (handle, lots, after);
        if count == 0 {
            level.head = handle;
            self.index_insert(prices_of(new.instrument, new.side), new.ticks)?;
        } else {
            let tail = self.records.locate::<Order>((new.instrument, tail))?;
            self.records.at_mut(tail).next = handle;
        }
        Ok(OrderId { instrument: new.instrument, sequence, handle })
    }

    /// Takes an order out; `None` if it does not rest.
    #[inline]
    pub fn book_remove(&mut self, id: OrderId) -> Result<Option<Order>, MarketError> {
        let Some(found) = self.find(id)? else { return Ok(None) };
        let order = *self.records.at(found.order);
        self.unlink(found)?;
        Ok(Some(order))
    }

    /// An order; `None` if it does not rest.
    pub fn book_order(&mut self, id: OrderId) -> Result<Option<Order>, MarketError> {
        let order = self.records.locate::<Order>((id.instrument, id.handle))?;
        let order = *self.records.at(order);
        Ok((id.sequence != 0 && order.sequence == id.sequence).then_some(order))
    }

    /// Makes an order smaller by `lots` in its place of the queue, or takes it out where that leaves nothing. The order as it was;
    /// `None` if it does not rest.
    pub fn book_reduce(&mut self, id: OrderId, lots: Lots) -> Result<Option<Order>, MarketError> {
        let Some(found) = self.find(id)? else { return Ok(None) };
        let order = *self.records.at(found.order);
        self.take_lots(found, lots)?;
        Ok(Some(order))
    }

    /// The best price of a side, and the lots there.
    pub fn best(&mut self, instrument: InstrumentId, side: Side) -> Result<Option<(Ticks, Lots)>, MarketError> {
        let book = self.records.locate::<Book>(instrument)?;
        let Some(ticks) = self.records.at(book).best(side) else { return Ok(None) };
        let level = self.records.locate::<Level>((instrument, side, ticks))?;
        Ok(Some((ticks, self.records.at(level).lots)))
    }

    #[inline]
    fn find(&mut self, id: OrderId) -> Result<Option<Found>, MarketError> {
        let place = self.records.locate::<Order>((id.instrument, id.handle))?;
        let &Order { sequence, side, ticks, .. } = self.records.at(place);
        if id.sequence == 0 || sequence != id.sequence {
            return Ok(None);
        }
        let book = self.records.locate::<Book>(id.instrument)?;
        let level = self.records.locate::<Level>((id.instrument, side, ticks))?;
        Ok(Some(Found { instrument: id.instrument, book, level, order: place, handle: id.handle }))
    }

    /// Takes lots from an order, or all of it.
    #[inline]
    fn take_lots(&mut self, found: Found, lots: Lots) -> Result<(), MarketError> {
        if lots >= self.records.at(found.order).lots {
            return self.unlink(found);
        }
        self.records.at_mut(found.order).lots -= lots;
        let level = self.records.at_mut(found.level);
        level.lots = level.lots.saturating_sub(lots);
        Ok(())
    }

    /// Takes an order out of its queue and frees its handle.
    fn unlink(&mut self, found: Found) -> Result<(), MarketError> {
        let instrument = found.instrument;
        let &Order { prev, next, lots, side, ticks, .. } = self.records.at(found.order);
        let is_first = self.records.at(found.level).head == found.handle;
        if !is_first {
            let before = self.records.locate::<Order>((instrument, prev))?;
            self.records.at_mut(before).next = next;
            if next != 0 {
                let after = self.records.locate::<Order>((instrument, next))?;
                self.records.at_mut(after).prev = prev;
            }
        }
        let level = self.records.at_mut(found.level);
        if is_first {
            level.head = next;
        }
        if next == 0 {
            level.tail = if is_first { 0 } else { prev };
        }
        level.lots = level.lots.saturating_sub(lots);
        level.count = level.count.saturating_sub(1);
        let is_empty = level.count == 0;

        let book = self.records.at_mut(found.book);
        let orders = book.count_mut(side);
        *orders = orders.saturating_sub(1);
        let free = core::mem::replace(&mut book.free, found.handle);
        let is_best = book.best(side) == Some(ticks);
        *self.records.at_mut(found.order) = Order { next: free, ..Order::default() };
        if is_empty {
            let prices = prices_of(instrument, side);
            self.index_remove(prices, ticks)?;
            if is_best {
                let best = match side {
                    Side::Buy => self.index_prev_at_or_below(prices, ticks)?,
                    Side::Sell => self.index_next_at_or_above(prices, ticks)?,
                };
                self.records.at_mut(found.book).set_best(side, best);
            }
        }
        Ok(())
    }
}

/// The index of the prices of a side.
fn prices_of(instrument: InstrumentId, side: Side) -> u64 {
    let kind = match side {
        Side::Buy => IndexKind::Bids,
        Side::Sell => IndexKind::Asks,
    };
    namespace(kind, instrument.0.into())
}

/// A handle that was never in use.
fn next_handle(book: &Book) -> Result<u32, Rejection> {
    book.handles
        .checked_add(1)
        .ok_or(Rejection::LimitReached { what: "orders of an instrument", limit: u32::MAX.into() })
}

fn check_range(what: &'static str, value: u64, most: u64) -> Result<(), Rejection> {
    if value == 0 || value > most {
        let [value, least, most] = [value, 1, most].map(U256::from);
        return Err(Rejection::OutOfRange { what, value, least, most });
    }
    Ok(())
}
