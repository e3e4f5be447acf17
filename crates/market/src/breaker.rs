//! The circuit breaker of a market, and what may be done with an instrument now.
//!
//! For each instrument the lowest and the highest index are kept of the current window of `breaker_seconds` and of the one before. A new
//! index further than `breaker_ppm` above the lowest or below the highest of these halts trading for `halt_seconds`. So every such move
//! within one window's time halts, and none that takes more than two does. Halting forgets what was kept: trading goes on from the price
//! that it was halted at. While halted, orders may be cancelled, and marks, funding and liquidations go on.

use crate::abi::IMarket;
use crate::error::{MarketError, Rejection};
use crate::feeds::Feed;
use crate::layout::{InstrumentKind, InstrumentStatus, Prices};
use crate::market::Market;
use crate::marks::PriceRules;
use crate::records::record;
use crate::types::{InstrumentId, MicroTicks, PPM};

record! {
    /// The range of an instrument's index in the present window and in the one before it.
    pub struct Breaker(tag 98, key InstrumentId, "instrument") {
        {
            /// When the present window began, in seconds.
            pub started_seconds: u64,
            /// Lowest index of the present window, in micro-ticks.
            pub low: MicroTicks,
            /// Highest index of the present window, in micro-ticks; zero is none yet.
            pub high: MicroTicks,
        }
        {
            /// Lowest index of the window before.
            pub previous_low: MicroTicks,
            /// Highest index of the window before; zero is none.
            pub previous_high: MicroTicks,
        }
    }
}

impl Breaker {
    fn starting(now_seconds: u64, index: MicroTicks) -> Self {
        Self { started_seconds: now_seconds, low: index, high: index, ..Self::default() }
    }

    /// Begins new windows where their time has come.
    fn roll(&mut self, now_seconds: u64, window_seconds: u32) {
        let age = now_seconds.saturating_sub(self.started_seconds);
        let window = u64::from(window_seconds.max(1));
        if self.high == 0 || age >= window.saturating_mul(2) {
            *self = Self { started_seconds: now_seconds, ..Self::default() };
        } else if age >= window {
            let started_seconds = self.started_seconds.saturating_add(window);
            *self = Self { started_seconds, low: 0, high: 0, previous_low: self.low, previous_high: self.high };
        }
    }

    /// Whether an index is too far from what is kept.
    fn is_broken_by(&self, index: MicroTicks, limit_ppm: u32) -> bool {
        let (one, limit) = (u128::from(PPM), u128::from(limit_ppm));
        let is_beyond = |low: MicroTicks, high: MicroTicks| {
            let rises = u128::from(index) * one > u128::from(low) * (one + limit);
            let falls = u128::from(index) * one < u128::from(high) * one.saturating_sub(limit);
            high != 0 && (rises || falls)
        };
        is_beyond(self.low, self.high) || is_beyond(self.previous_low, self.previous_high)
    }

    fn widen(&mut self, index: MicroTicks) {
        self.low = if self.high == 0 { index } else { self.low.min(index) };
        self.high = self.high.max(index);
    }
}

impl Market<'_, '_> {
    /// Notes an instrument's new index, and halts it if the index moved too far in too short a time.
    pub(crate) fn observe_index(&mut self, id: InstrumentId, index: MicroTicks) -> Result<(), MarketError> {
        let rules: PriceRules = self.records.get(id)?;
        if rules.breaker_ppm == 0 {
            return Ok(());
        }
        let now = self.block.timestamp_seconds;
        let mut breaker: Breaker = self.records.get(id)?;
        breaker.roll(now, rules.breaker_seconds);
        if breaker.is_broken_by(index, rules.breaker_ppm) {
            breaker = Breaker::starting(now, index);
            self.halt(id)?;
        }
        breaker.widen(index);
        Ok(self.records.set(id, breaker)?)
    }

    /// Halts trading of an instrument for its time.
    pub(crate) fn halt(&mut self, id: InstrumentId) -> Result<(), MarketError> {
        let rules: PriceRules = self.records.get(id)?;
        let until = self.block.timestamp_seconds.saturating_add(rules.halt_seconds.into());
        let mut prices: Prices = self.records.get(id)?;
        if until > prices.halted_until_seconds {
            prices.halted_until_seconds = until;
            self.records.set(id, prices)?;
            self.emit(&IMarket::CircuitBroken { instrument: id.0, untilSeconds: until });
        }
        Ok(())
    }

    /// Whether an order of this instrument may be taken now: any, or one that only reduces a position. Cancels are always allowed.
    pub fn require_tradable(&mut self, id: InstrumentId, only_reduces: bool) -> Result<(), MarketError> {
        let instrument = self.instrument(id)?;
        let prices = self.prices(id)?;
        let now = self.block.timestamp_seconds;
        let is_expired = instrument.kind == InstrumentKind::EuropeanOption && now >= instrument.expiry_seconds;
        let forbids = match instrument.status {
            InstrumentStatus::Settled => Some("settled"),
            _ if is_expired => Some("expired"),
            InstrumentStatus::Halted => Some("halted"),
            _ if prices.halted_until_seconds > now => Some("halted by the circuit breaker"),
            _ if prices.updated_seconds == 0 => Some("no price"),
            InstrumentStatus::ReduceOnly if !only_reduces => Some("reduce only"),
            InstrumentStatus::Active | InstrumentStatus::ReduceOnly => None,
        };
        if let Some(state) = forbids {
            return Err(Rejection::Forbidden { state }.into());
        }
        let feed_id = self.index_feed(&instrument)?;
        let feed: Feed = self.records.get(feed_id)?;
        if !only_reduces && now.saturating_sub(prices.updated_seconds) > u64::from(feed.staleness_seconds) {
            return Err(Rejection::Forbidden { state: "stale price" }.into());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moves_that_break_the_circuit() {
        // Window 100 s, limit 10 %: name, (time, index) before, (time, index), expected.
        type Row = (&'static str, &'static [(u64, u64)], (u64, u64), bool);
        let rows: [Row; 9] = [
            ("first", &[], (0, 1_000), false),
            ("to the limit", &[(0, 1_000)], (1, 1_100), false),
            ("beyond it", &[(0, 1_000)], (1, 1_101), true),
            ("below it", &[(0, 1_000)], (1, 899), true),
            ("in small steps", &[(0, 1_000), (30, 1_060)], (60, 1_120), true),
            ("across windows", &[(0, 1_000), (90, 1_050)], (110, 1_110), true),
            ("slowly", &[(0, 1_000), (90, 1_050), (190, 1_090), (290, 1_120)], (390, 1_160), false),
            ("after a long silence", &[(0, 1_000)], (200, 2_000), false),
            ("within two windows of silence", &[(0, 1_000)], (199, 2_000), true),
        ];
        for row @ (_, before, (now, index), expected) in rows {
            let mut breaker = Breaker::default();
            for &(now, index) in before {
                breaker.roll(now, 100);
                assert!(!breaker.is_broken_by(index, 100_000), "{row:?}: broken at {now}");
                breaker.widen(index);
            }
            breaker.roll(now, 100);
            assert_eq!(breaker.is_broken_by(index, 100_000), expected, "{row:?}");
        }
    }
}
