//! Expiry of options: a settlement price that nobody moves by a moment's price, and paying out in bounded work.
//!
//! # Settlement price
//! The series of one feed and one expiry share the average of the feed's price over the 30 minutes before expiry, weighted by the time that
//! each price held. Only a sum and its seconds are kept: whenever the feed gets a new price, the old one is added for the part of its
//! time that lies in the window. A price holds for at most the feed's staleness limit; silence beyond it is not covered. If nothing of
//! the window was covered, the first price after expiry settles.
//!
//! # Paying out
//! With the first accepted price at or after expiry, each series of it gets its payoff as its final mark, in micro-ticks (the put's
//! strike − price, the call's price − strike, at least zero), and its status. From then on its positions are worth that and
//! nothing can change it, so that it does not matter when a position is paid out: when its account is next touched or when anyone asks for it.
//! One acceptance of prices settles at most [`MAX_SETTLED_AT_ONCE`] series; the rest follow with the next ones, at the same price.
//!
//! A payout is rounded down, for long and short; what rounding leaves over stays in the instrument's pool, as with funding. A payout moves
//! lots × payoff from the pool to the balance and the cost from the position to the balance, so the sum of balances − costs + pools stays
//! what it was, to the last unit, after each single one.

mod clearing;

pub use clearing::{Clearing, ClearingSeries};

use crate::abi::IMarket;
use crate::error::{MarketError, Rejection};
use crate::feeds::{Feed, FeedUser};
use crate::gas;
use crate::layout::{Instrument, InstrumentStatus, Prices};
use crate::market::Market;
use crate::quotient::signed_mul_div_down;
use crate::records::record;
use crate::types::{AccountId, Amount, FeedId, InstrumentId, MICRO, MicroTicks};
use alloc::vec::Vec;

/// The time before expiry over which prices are averaged, in seconds.
pub const SETTLEMENT_SECONDS: u64 = 1_800;

/// Expiries that may wait on one feed.
pub const MAX_EXPIRIES: u64 = 16;

/// Series of one feed and expiry.
pub const MAX_SERIES: u16 = 128;

/// Series that are settled in one acceptance of prices.
pub const MAX_SETTLED_AT_ONCE: usize = 64;

record! {
    /// An expiry of options on a feed: the average price before it, and the expiry after it.
    pub struct Expiry(tag 105, key (FeedId, u64), "feed, expiry in seconds") {
        {
            /// Price of the feed times the seconds that it held in the window, summed.
            pub price_seconds: u128,
            /// Seconds of the window that are covered.
            pub covered_seconds: u32,
            /// Series that are not settled yet.
            pub series: u16,
        }
        {
            /// The settlement price; zero is not known yet.
            pub price: u128,
            /// The next expiry on this feed, in seconds; zero is none.
            pub next_seconds: u64,
        }
    }
}

record! {
    /// A series of an expiry.
    pub struct ExpirySeries(tag 106, key (FeedId, u64, u16), "feed, expiry in seconds, place") {
        {
            /// The option.
            pub instrument: InstrumentId,
        }
    }
}

/// Seconds of the window before an expiry in which a price held that was accepted at `from` and replaced at `to`.
fn seconds_in_window(expiry_seconds: u64, from: u64, to: u64) -> u64 {
    let start = expiry_seconds.saturating_sub(SETTLEMENT_SECONDS).max(from);
    to.min(expiry_seconds).saturating_sub(start)
}

/// What an option pays for each lot and tick, in micro-ticks.
pub fn payoff(instrument: &Instrument, settlement: MicroTicks) -> MicroTicks {
    let strike = u64::from(instrument.strike_ticks) * MICRO;
    if instrument.is_call { settlement.saturating_sub(strike) } else { strike.saturating_sub(settlement) }
}

/// What `lots` are worth at a price, rounded down, in quote base units.
pub fn payout(lots: i64, price: MicroTicks, tick_value: u64) -> Amount {
    signed_mul_div_down(lots.into(), u128::from(price) * u128::from(tick_value), MICRO.into())
}

impl Market<'_, '_> {
    /// Notes a new series of a feed's options.
    pub(crate) fn add_series(
        &mut self,
        feed_id: FeedId,
        expiry_seconds: u64,
        instrument: InstrumentId,
    ) -> Result<(), MarketError> {
        self.add_expiry(feed_id, expiry_seconds)?;
        let mut expiry: Expiry = self.records.get((feed_id, expiry_seconds))?;
        if expiry.series >= MAX_SERIES {
            return Err(Rejection::LimitReached { what: "options of one expiry", limit: MAX_SERIES.into() }.into());
        }
        self.records.set((feed_id, expiry_seconds, expiry.series), ExpirySeries { instrument })?;
        expiry.series += 1;
        Ok(self.records.set((feed_id, expiry_seconds), expiry)?)
    }

    /// Puts an expiry into the feed's list, which ascends, unless it is there.
    fn add_expiry(&mut self, feed_id: FeedId, expiry_seconds: u64) -> Result<(), MarketError> {
        let mut feed: Feed = self.records.get(feed_id)?;
        let (mut before, mut next) = (None, feed.next_expiry_seconds);
        let mut count = 0;
        while next != 0 && count <= MAX_EXPIRIES {
            if next == expiry_seconds {
                return Ok(());
            }
            if next < expiry_seconds {
                before = Some(next);
            }
            next = self.records.get::<Expiry>((feed_id, next))?.next_seconds;
            count += 1;
        }
        if count >= MAX_EXPIRIES {
            return Err(Rejection::LimitReached { what: "expiries on one feed", limit: MAX_EXPIRIES }.into());
        }
        let after = match before {
            Some(before) => self.records.update::<Expiry, _>((feed_id, before), |expiry| {
                core::mem::replace(&mut expiry.next_seconds, expiry_seconds)
            })?,
            None => core::mem::replace(&mut feed.next_expiry_seconds, expiry_seconds),
        };
        self.records.set(feed_id, feed)?;
        Ok(self.records.update::<Expiry, _>((feed_id, expiry_seconds), |expiry| expiry.next_seconds = after)?)
    }

    /// Adds a feed's present price, which is about to be replaced, to the averages of its expiries.
    pub(crate) fn average_for_expiries(&mut self, feed_id: FeedId, feed: &Feed) -> Result<(), MarketError> {
        let held_to =
            self.block.timestamp_seconds.min(feed.accepted_seconds.saturating_add(feed.staleness_seconds.into()));
        let mut next = feed.next_expiry_seconds;
        for _ in 0..MAX_EXPIRIES {
            if feed.price == 0 || next == 0 || held_to <= next.saturating_sub(SETTLEMENT_SECONDS) {
                return Ok(());
            }
            self.meter.charge(gas::PRICE_FEED)?;
            let mut expiry: Expiry = self.records.get((feed_id, next))?;
            let seconds = seconds_in_window(next, feed.accepted_seconds, held_to);
            let weighted = feed.price.saturating_mul(seconds.into());
            expiry.price_seconds = expiry.price_seconds.saturating_add(weighted);
            expiry.covered_seconds = expiry.covered_seconds.saturating_add(u32::try_from(seconds).unwrap_or(u32::MAX));
            self.records.set((feed_id, next), expiry)?;
            next = expiry.next_seconds;
        }
        Ok(())
    }

    /// Settles series of a feed that expired, as many as one call may, and adds them to the list.
    pub(crate) fn settle_due(&mut self, feed_id: FeedId, settled: &mut Vec<InstrumentId>) -> Result<(), MarketError> {
        let mut feed: Feed = self.records.get(feed_id)?;
        while feed.next_expiry_seconds != 0
            && feed.next_expiry_seconds <= self.block.timestamp_seconds
            && settled.len() < MAX_SETTLED_AT_ONCE
        {
            self.meter.charge(gas::PRICE_FEED)?;
            let key = (feed_id, feed.next_expiry_seconds);
            let mut expiry: Expiry = self.records.get(key)?;
            if expiry.price == 0 {
                expiry.price = settlement_price(&expiry, feed.price);
            }
            while expiry.series > 0 && settled.len() < MAX_SETTLED_AT_ONCE {
                self.meter.charge(gas::SETTLE_SERIES)?;
                expiry.series -= 1;
                let place = (feed_id, feed.next_expiry_seconds, expiry.series);
                let series: ExpirySeries = self.records.get(place)?;
                self.records.set(place, ExpirySeries::default())?;
                self.settle_series(series.instrument, feed_id, &feed, expiry.price)?;
                settled.push(series.instrument);
            }
            if expiry.series == 0 {
                self.records.set(key, Expiry::default())?;
                // The lists of users changed with the series.
                feed = self.records.get(feed_id)?;
                feed.next_expiry_seconds = expiry.next_seconds;
                self.records.set(feed_id, feed)?;
            } else {
                self.records.set(key, expiry)?;
            }
        }
        Ok(())
    }

    /// Gives a series its final price.
    fn settle_series(
        &mut self,
        id: InstrumentId,
        feed_id: FeedId,
        feed: &Feed,
        price: u128,
    ) -> Result<(), MarketError> {
        let mut instrument: Instrument = self.records.get(id)?;
        let settlement = self.scale(&instrument, feed)?.settlement(price);
        let mark = payoff(&instrument, settlement);
        instrument.status = InstrumentStatus::Settled;
        self.records.set(id, instrument)?;
        let updated_seconds = self.block.timestamp_seconds;
        self.records.update::<Prices, _>(id, |prices| {
            prices.mark = mark;
            prices.index = settlement;
            prices.updated_seconds = updated_seconds;
        })?;
        let user = FeedUser { instrument: id, ..FeedUser::default() };
        self.remove_feed_user(feed_id, user)?;
        self.remove_feed_user(instrument.feed, user)?;
        self.queue_clearing(id)?;
        self.emit(&IMarket::Settled { instrument: id.0, price: mark });
        Ok(())
    }

    /// Pays out an account's position in a series that is settled, or in all of them where the series is zero. Returns what is realised;
    /// nothing where there is no position.
    pub fn settle_expired(&mut self, account: AccountId, id: InstrumentId) -> Result<Amount, MarketError> {
        self.meter.charge(gas::PAYOUT)?;
        if id.0 == 0 {
            return self.settle_all_expired(account);
        }
        let instrument = self.instrument(id)?;
        if instrument.status != InstrumentStatus::Settled {
            return Err(Rejection::Forbidden { state: "not settled" }.into());
        }
        let lots = self.position(account, id)?.lots;
        if lots == 0 {
            return Ok(0);
        }
        let mark = self.prices(id)?.mark;
        let value = payout(lots, mark, instrument.tick_value);
        let (lots, value) = (lots.saturating_neg(), value.checked_neg().ok_or(Rejection::Overflow)?);
        let realised = self.change_position(account, id, lots, value)?;
        self.records.update::<Prices, _>(id, |prices| {
            prices.funding_pool = prices.funding_pool.saturating_add(value);
        })?;
        self.risk_changed(account)?;
        Ok(realised)
    }
}

/// The average over the window, to the nearest; or the first price after expiry where nothing was covered.
fn settlement_price(expiry: &Expiry, first_after: u128) -> u128 {
    let seconds = u128::from(expiry.covered_seconds);
    if seconds == 0 {
        return first_after;
    }
    (expiry.price_seconds.saturating_add(seconds / 2) / seconds).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feeds::MAX_MICRO_TICKS;

    #[test]
    fn seconds_that_count() {
        let rows = [
            ("before the window", 10_000, 0, 8_000, 0),
            ("up to its start", 10_000, 0, 8_200, 0),
            ("into it", 10_000, 8_000, 8_300, 100),
            ("inside", 10_000, 9_000, 9_100, 100),
            ("out of it", 10_000, 9_900, 10_500, 100),
            ("over all of it", 10_000, 0, 20_000, 1_800),
            ("after it", 10_000, 10_000, 10_500, 0),
            ("an expiry early in time", 100, 0, 200, 100),
        ];
        for (name, expiry, from, to, expected) in rows {
            assert_eq!(seconds_in_window(expiry, from, to), expected, "{name}: {from} to {to}");
        }
    }

    #[test]
    fn payoffs() {
        let series = |strike_ticks, is_call| Instrument { strike_ticks, is_call, ..Instrument::default() };
        let rows = [
            ("call in the money", series(100, true), 110_500_000, 10_500_000),
            ("call at the money", series(100, true), 100_000_000, 0),
            ("call out of it", series(100, true), 90_000_000, 0),
            ("put in the money", series(100, false), 90_000_001, 9_999_999),
            ("put out of it", series(100, false), 110_000_000, 0),
            ("put at zero", series(u32::MAX, false), 0, MAX_MICRO_TICKS),
        ];
        for (name, instrument, settlement, expected) in rows {
            assert_eq!(payoff(&instrument, settlement), expected, "{name}");
        }
    }

    #[test]
    fn payouts_leave_dust_with_the_pool() {
        let rows = [
            ("whole ticks", 3, 2_000_000, 10, 60),
            ("long, rounded down", 1, 333_333, 1, 0),
            ("short, rounded down", -1, 333_333, 1, -1),
            ("largest", 1 << 40, MAX_MICRO_TICKS, 1 << 40, (1i128 << 80) * i128::from(u32::MAX)),
        ];
        for (name, lots, price, tick_value, expected) in rows {
            assert_eq!(payout(lots, price, tick_value), expected, "{name}");
        }
    }
}
