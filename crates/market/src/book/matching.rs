//! Matching: an order takes from the resting orders of the other side, best price first and the oldest first at each price.
//!
//! The core knows prices, queues, expiry and self-trade prevention. What a fill means (margin, positions, fees) is up to the
//! [`Matching`] hooks, which are compiled in. A hook gets the whole market and may change the book; therefore the loop keeps nothing of
//! the book across a hook but places of records, and looks at the best maker anew for each step.
//!
//! # Bounds
//! Each maker that is looked at is a visit, whatever becomes of it. A call makes at most as many visits as the taker allows, each charged
//! before it is made. Where that ends it, the outcome says so ([`Stop::Bound`]): what was filled stands, the rest neither trades nor may rest, since
//! it would cross; its owner may send it again.
//!
//! A fill-or-kill order is first walked through without changing anything, within the same bound; should a hook refuse a maker that the
//! walk counted on, the order is rejected after all, and the rejection undoes its fills.

use super::{Book, Found, Level, Order};
use crate::error::{MarketError, Rejection};
use crate::gas;
use crate::market::Market;
use crate::records::Place;
use crate::types::{AccountId, InstrumentId, Lots, OrderId, Side, Ticks};

/// Makers that one call may visit, unless its taker says otherwise.
pub const MAKER_VISITS: u32 = 256;

/// What happens where an order meets one of its own group. Numbers as in the interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SelfTrade {
    /// The rest of the taker is cancelled.
    #[default]
    CancelTaker = 0,
    /// The maker is cancelled, and the taker goes on.
    CancelMaker = 1,
    /// Both are.
    CancelBoth = 2,
    /// Both get smaller by the smaller of them, without a trade; what is left of the taker goes on.
    Decrement = 3,
}

/// An order that takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taker {
    /// What is traded.
    pub instrument: InstrumentId,
    /// Whose it is.
    pub account: AccountId,
    /// Orders of one group do not trade with each other; zero is no group.
    pub group: u64,
    /// Side.
    pub side: Side,
    /// Worst price that it trades at: the limit, or a market order's protection price.
    pub limit: Ticks,
    /// Size.
    pub lots: Lots,
    /// What happens where it meets its own group.
    pub self_trade: SelfTrade,
    /// Whether it is rejected rather than trade.
    pub is_post_only: bool,
    /// Whether it is rejected unless all of it trades.
    pub is_fill_or_kill: bool,
    /// Makers that it may visit.
    pub max_visits: u32,
}

/// A resting order with its name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resting {
    /// Its name.
    pub id: OrderId,
    /// The order.
    pub order: Order,
}

/// Why an order does not rest any more. Numbers as in the interface's event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    /// Its owner wanted so.
    Owner = 0,
    /// It met an order of its own group.
    SelfTrade = 1,
    /// Its time was over.
    Expired = 2,
    /// Its account had too little margin.
    Margin = 3,
    /// Its account was liquidated.
    Liquidation = 4,
    /// It would not have reduced a position.
    ReduceOnly = 5,
    /// Its instrument does not trade any more.
    Instrument = 6,
}

/// What the hooks say to a fill that is about to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go ahead.
    Fill,
    /// Fill no more than this; once that much is filled, or if it is zero, cancel the rest of the maker.
    FillAtMost(Lots, CancelReason),
    /// Cancel the maker and go on with the next.
    CancelMaker(CancelReason),
    /// The taker ends here.
    CancelTaker,
}

/// A fill.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Matched {
    /// The maker, as it was before.
    pub maker: Resting,
    /// Lots that changed hands, at the maker's price.
    pub lots: Lots,
}

/// A maker that got smaller without a trade.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cancelled {
    /// The order, as it was before.
    pub maker: Resting,
    /// Lots that were cancelled.
    pub lots: Lots,
    /// Why.
    pub reason: CancelReason,
}

/// Why matching stopped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// Nothing is left of the taker.
    #[default]
    Done,
    /// No maker's price is within the limit any more: what is left may rest.
    NoMaker,
    /// It met an order of its own group: what is left is cancelled.
    SelfTrade,
    /// A hook said so: what is left is cancelled.
    Refused,
    /// The bound on visits was reached: what is left is cancelled.
    Bound,
}

/// What became of a taker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Lots that traded.
    pub filled: Lots,
    /// Sum of lots times ticks of the fills.
    pub lot_ticks: u128,
    /// Lots that are left: `lots − filled − decremented`.
    pub left: Lots,
    /// Lots that self-trade prevention took off.
    pub decremented: Lots,
    /// Makers that were visited.
    pub visits: u32,
    /// Why matching stopped.
    pub stop: Stop,
}

/// What happens around matching. All hooks may change the market; an error ends the call.
pub trait Matching {
    /// Before a fill of these lots.
    fn before_fill(
        &mut self,
        market: &mut Market<'_, '_>,
        taker: &Taker,
        maker: &Resting,
        lots: Lots,
    ) -> Result<Verdict, MarketError>;

    /// After a fill. The book has it already.
    fn on_fill(&mut self, market: &mut Market<'_, '_>, taker: &Taker, fill: &Matched) -> Result<(), MarketError>;

    /// After a maker was cancelled, wholly or partly. The book has it already.
    fn on_cancelled(&mut self, market: &mut Market<'_, '_>, cancelled: &Cancelled) -> Result<(), MarketError>;
}

impl Market<'_, '_> {
    /// Matches an order with the book. What is left of it does not rest: see [`Stop`] for whether it may.
    pub fn book_match<H: Matching>(&mut self, taker: &Taker, hooks: &mut H) -> Result<Outcome, MarketError> {
        if taker.is_fill_or_kill && !self.is_fillable(taker)? {
            return Err(Rejection::NotFillable.into());
        }
        let makers = taker.side.opposite();
        let book = self.records.locate::<Book>(taker.instrument)?;
        let mut outcome = Outcome { left: taker.lots, ..Outcome::default() };
        let mut last: Option<(Ticks, Place<Level>)> = None;
        while outcome.left > 0 && outcome.stop == Stop::Done {
            let best = self.records.at(book).best(makers);
            let Some(ticks) = best.filter(|&best| taker.side.crosses(taker.limit, best)) else {
                outcome.stop = Stop::NoMaker;
                break;
            };
            if outcome.visits == taker.max_visits {
                outcome.stop = Stop::Bound;
                break;
            }
            self.meter.charge(gas::MAKER_VISIT)?;
            outcome.visits += 1;
            let level = match last {
                Some((at, level)) if at == ticks => level,
                _ => self.records.locate::<Level>((taker.instrument, makers, ticks))?,
            };
            last = Some((ticks, level));
            let handle = self.records.at(level).head;
            let order = self.records.locate::<Order>((taker.instrument, handle))?;
            let found = Found { instrument: taker.instrument, book, level, order, handle };
            self.visit(taker, found, hooks, &mut outcome)?;
        }
        if taker.is_fill_or_kill && outcome.filled < taker.lots {
            return Err(Rejection::NotFillable.into());
        }
        Ok(outcome)
    }

    /// One maker.
    #[inline]
    fn visit<H: Matching>(
        &mut self,
        taker: &Taker,
        found: Found,
        hooks: &mut H,
        outcome: &mut Outcome,
    ) -> Result<(), MarketError> {
        let order = *self.records.at(found.order);
        let id = OrderId { instrument: taker.instrument, sequence: order.sequence, handle: found.handle };
        let maker = Resting { id, order };
        if self.is_void(&order) {
            return self.cancel_maker(found, maker, order.lots, CancelReason::Expired, hooks);
        }
        if taker.is_post_only {
            return Err(Rejection::WouldTake.into());
        }
        if taker.group != 0 && taker.group == order.group {
            return self.meet_own(taker, found, maker, hooks, outcome);
        }
        let mut lots = order.lots.min(outcome.left);
        let mut cancel_rest = None;
        match hooks.before_fill(self, taker, &maker, lots)? {
            Verdict::Fill => {}
            Verdict::FillAtMost(most, reason) if most > 0 => {
                lots = lots.min(most);
                cancel_rest = (lots == most && lots < order.lots).then_some(reason);
            }
            Verdict::FillAtMost(_, reason) | Verdict::CancelMaker(reason) => {
                return match self.is_there(found, &order) {
                    true => self.cancel_maker(found, maker, order.lots, reason, hooks),
                    false => Ok(()),
                };
            }
            Verdict::CancelTaker => {
                outcome.stop = Stop::Refused;
                return Ok(());
            }
        }
        // The hook may have taken the maker out, or made it smaller: then this was a visit for nothing.
        if !self.is_there(found, &order) {
            return Ok(());
        }
        self.take_lots(found, lots)?;
        outcome.filled += lots;
        outcome.left -= lots;
        outcome.lot_ticks += u128::from(lots) * u128::from(order.ticks);
        hooks.on_fill(self, taker, &Matched { maker, lots })?;
        if let Some(reason) = cancel_rest
            && let Some(rest) = self.book_order(id)?
        {
            let maker = Resting { id, order: rest };
            self.cancel_maker(found, maker, rest.lots, reason, hooks)?;
        }
        Ok(())
    }

    /// The taker meets an order of its own group.
    fn meet_own<H: Matching>(
        &mut self,
        taker: &Taker,
        found: Found,
        maker: Resting,
        hooks: &mut H,
        outcome: &mut Outcome,
    ) -> Result<(), MarketError> {
        if matches!(taker.self_trade, SelfTrade::CancelTaker | SelfTrade::CancelBoth) {
            outcome.stop = Stop::SelfTrade;
        }
        match taker.self_trade {
            SelfTrade::CancelTaker => Ok(()),
            SelfTrade::CancelMaker | SelfTrade::CancelBoth => {
                self.cancel_maker(found, maker, maker.order.lots, CancelReason::SelfTrade, hooks)
            }
            SelfTrade::Decrement => {
                let lots = maker.order.lots.min(outcome.left);
                outcome.left -= lots;
                outcome.decremented += lots;
                self.cancel_maker(found, maker, lots, CancelReason::SelfTrade, hooks)
            }
        }
    }

    fn cancel_maker<H: Matching>(
        &mut self,
        found: Found,
        maker: Resting,
        lots: Lots,
        reason: CancelReason,
        hooks: &mut H,
    ) -> Result<(), MarketError> {
        self.take_lots(found, lots)?;
        hooks.on_cancelled(self, &Cancelled { maker, lots, reason })
    }

    /// Whether the order still rests as it was seen, wherever in its queue.
    #[inline]
    fn is_there(&mut self, found: Found, seen: &Order) -> bool {
        let order = self.records.at(found.order);
        order.sequence == seen.sequence && order.lots == seen.lots
    }

    /// Whether the order's time is over.
    #[inline]
    fn is_void(&self, order: &Order) -> bool {
        order.expiry_seconds != 0 && order.expiry_seconds <= self.block.timestamp_seconds
    }

    /// Whether all of the taker would trade, as far as the book knows, within its visits.
    fn is_fillable(&mut self, taker: &Taker) -> Result<bool, MarketError> {
        let makers = taker.side.opposite();
        let mut next = self.records.get::<Book>(taker.instrument)?.best(makers);
        let (mut left, mut visits) = (taker.lots, 0);
        while let Some(ticks) = next.filter(|&ticks| taker.side.crosses(taker.limit, ticks)) {
            let mut handle = self.records.get::<Level>((taker.instrument, makers, ticks))?.head;
            if handle == 0 {
                // No such level is ever left behind; a walk over such would pay for nothing.
                return Ok(false);
            }
            while handle != 0 {
                if visits == taker.max_visits {
                    return Ok(false);
                }
                self.meter.charge(gas::MAKER_VISIT)?;
                visits += 1;
                let order = self.records.get::<Order>((taker.instrument, handle))?;
                handle = order.next;
                if self.is_void(&order) {
                    continue;
                }
                if taker.group != 0 && taker.group == order.group {
                    match taker.self_trade {
                        SelfTrade::CancelMaker => continue,
                        _ => return Ok(false),
                    }
                }
                left = left.saturating_sub(order.lots);
                if left == 0 {
                    return Ok(true);
                }
            }
            next = self.level_after(taker.instrument, makers, ticks)?;
        }
        Ok(left == 0)
    }
}
