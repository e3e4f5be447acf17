//! A book that is as simple as can be: resting orders in the order in which they came.

use rialto_market::Rejection;
use rialto_market::book::{CancelReason, IMPACT_LEVELS, NewOrder, Outcome, SelfTrade, Stop, Taker, Verdict};
use rialto_market::types::{Lots, OrderId, Side, Ticks};

/// What is heard of a match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Maker, price and lots.
    Fill(OrderId, Ticks, Lots),
    /// Maker, lots and why.
    Cancelled(OrderId, Lots, CancelReason),
}

/// What both books' hooks say of a maker, by its owner's number: most may be filled.
pub fn verdict_on(client_id: u64) -> Verdict {
    match client_id {
        1 => Verdict::CancelMaker(CancelReason::Margin),
        2 => Verdict::CancelTaker,
        3 => Verdict::FillAtMost(2, CancelReason::ReduceOnly),
        4 => Verdict::FillAtMost(0, CancelReason::ReduceOnly),
        _ => Verdict::Fill,
    }
}

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Naive {
    /// The time of the open call.
    pub now_seconds: u64,
    orders: Vec<(OrderId, NewOrder)>,
}

impl Naive {
    /// The order of this number, from the oldest; one that never was if there are fewer.
    pub fn id(&self, at: usize) -> OrderId {
        self.orders.get(at).map_or(OrderId { sequence: 1 << 40, handle: 1, ..OrderId::default() }, |(id, _)| *id)
    }

    pub fn insert(&mut self, id: OrderId, new: &NewOrder) {
        assert!(self.orders.iter().all(|(other, _)| other.sequence < id.sequence), "sequences grow: {id:?}");
        assert!(self.orders.iter().all(|(other, _)| other.handle != id.handle), "handles are free: {id:?}");
        self.orders.push((id, *new));
    }

    /// Takes lots from an order: what was left of it, and its price.
    pub fn reduce(&mut self, id: OrderId, lots: Lots) -> Option<(Lots, Ticks)> {
        let at = self.orders.iter().position(|(other, _)| *other == id)?;
        let order = &mut self.orders[at].1;
        let before = (order.lots, order.ticks);
        order.lots = order.lots.saturating_sub(lots);
        if order.lots == 0 {
            self.orders.remove(at);
        }
        Some(before)
    }

    fn sorted(&self, side: Side) -> Vec<(OrderId, NewOrder)> {
        let mut orders: Vec<_> = self.orders.iter().filter(|(_, order)| order.side == side).copied().collect();
        orders.sort_by_key(|(_, order)| if side == Side::Buy { u32::MAX - order.ticks } else { order.ticks });
        orders
    }

    /// The orders of a side, the best first, with what is left of them.
    pub fn side(&self, side: Side) -> Vec<(OrderId, Lots)> {
        self.sorted(side).into_iter().map(|(id, order)| (id, order.lots)).collect()
    }

    /// Price, lots and number of orders of each level, the best first.
    pub fn levels(&self, side: Side) -> Vec<(Ticks, Lots, u32)> {
        let mut levels: Vec<(Ticks, Lots, u32)> = Vec::new();
        for (_, order) in self.sorted(side) {
            match levels.last_mut() {
                Some(level) if level.0 == order.ticks => (level.1, level.2) = (level.1 + order.lots, level.2 + 1),
                _ => levels.push((order.ticks, order.lots, 1)),
            }
        }
        levels
    }

    /// Lot by lot.
    pub fn impact_price(&self, side: Side, lots: Lots) -> Option<u64> {
        let levels = self.levels(side);
        assert!(levels.len() < IMPACT_LEVELS as usize);
        let each = levels.iter().flat_map(|level| std::iter::repeat_n(level.0, level.1 as usize));
        let prices: Vec<Ticks> = each.take(lots as usize).collect();
        let total: u128 = prices.iter().map(|&ticks| u128::from(ticks) * 1_000_000).sum();
        (prices.len() as u64 == lots).then(|| (total / u128::from(lots)) as u64)
    }

    /// Matches; what is rejected changes nothing.
    pub fn matched(&mut self, taker: &Taker) -> (Result<Outcome, Rejection>, Vec<Event>) {
        let before = self.clone();
        let mut events = Vec::new();
        let result = self.try_match(taker, &mut events);
        if result.is_err() {
            *self = before;
        }
        (result, events)
    }

    fn try_match(&mut self, taker: &Taker, events: &mut Vec<Event>) -> Result<Outcome, Rejection> {
        let mut outcome = Outcome { left: taker.lots, ..Outcome::default() };
        while outcome.left > 0 && outcome.stop == Stop::Done {
            let best = self.sorted(taker.side.opposite()).first().copied();
            let is_met = |(_, maker): &(OrderId, NewOrder)| taker.side.crosses(taker.limit, maker.ticks);
            let Some((id, maker)) = best.filter(is_met) else {
                outcome.stop = Stop::NoMaker;
                break;
            };
            if outcome.visits == taker.max_visits {
                outcome.stop = Stop::Bound;
                break;
            }
            outcome.visits += 1;
            self.meet(taker, id, &maker, &mut outcome, events)?;
        }
        if taker.is_fill_or_kill && outcome.filled < taker.lots {
            return Err(Rejection::NotFillable);
        }
        Ok(outcome)
    }

    fn meet(
        &mut self,
        taker: &Taker,
        id: OrderId,
        maker: &NewOrder,
        outcome: &mut Outcome,
        events: &mut Vec<Event>,
    ) -> Result<(), Rejection> {
        let mut cancel = |naive: &mut Self, lots: Lots, reason: CancelReason| {
            naive.reduce(id, lots);
            events.push(Event::Cancelled(id, lots, reason));
        };
        if maker.expiry_seconds != 0 && maker.expiry_seconds <= self.now_seconds {
            cancel(self, maker.lots, CancelReason::Expired);
            return Ok(());
        }
        if taker.is_post_only {
            return Err(Rejection::WouldTake);
        }
        if taker.group != 0 && taker.group == maker.group {
            let both = maker.lots.min(outcome.left);
            match taker.self_trade {
                SelfTrade::CancelTaker => outcome.stop = Stop::SelfTrade,
                SelfTrade::CancelMaker => cancel(self, maker.lots, CancelReason::SelfTrade),
                SelfTrade::CancelBoth => {
                    outcome.stop = Stop::SelfTrade;
                    cancel(self, maker.lots, CancelReason::SelfTrade);
                }
                SelfTrade::Decrement => {
                    (outcome.left, outcome.decremented) = (outcome.left - both, outcome.decremented + both);
                    cancel(self, both, CancelReason::SelfTrade);
                }
            }
            return Ok(());
        }
        let (most, reason) = match verdict_on(maker.client_id) {
            Verdict::Fill => (maker.lots, None),
            Verdict::FillAtMost(most, reason) => (most.min(maker.lots), Some(reason)),
            Verdict::CancelMaker(reason) => (0, Some(reason)),
            Verdict::CancelTaker => {
                outcome.stop = Stop::Refused;
                return Ok(());
            }
        };
        let lots = most.min(outcome.left);
        if lots > 0 {
            self.reduce(id, lots);
            outcome.filled += lots;
            outcome.left -= lots;
            outcome.lot_ticks += u128::from(lots) * u128::from(maker.ticks);
            events.push(Event::Fill(id, maker.ticks, lots));
        }
        if let Some(reason) = reason.filter(|_| lots == most && lots < maker.lots) {
            self.reduce(id, u64::MAX);
            events.push(Event::Cancelled(id, maker.lots - lots, reason));
        }
        Ok(())
    }
}
