//! Funding: what longs of a perpetual pay shorts, or get from them, so that its price stays near the index.
//!
//! # Rate
//! The premium of the book (see `marks.rs`) is sampled at each acceptance of prices and holds until the next one. At the end of each interval,
//! with P the average of the samples over the seconds that were covered, as a rate of eight hours:
//!
//! ```text
//! eight-hour rate = P + clamp(interest − P, −funding_band_ppm, +funding_band_ppm)
//! rate            = eight-hour rate × covered seconds ÷ 28,800, within ±funding_clamp_ppm
//! paid by a long  = rate × index × tick_value, for each lot
//! ```
//!
//! which is the rule of Hyperliquid and Binance with hourly payments of an eighth; with a band of zero and no interest it is dYdX v4's.
//! Rates are counted in 1e-12 and rounded towards zero. Where trading is halted the sample is zero.
//!
//! # Exactness
//! One funding index serves both sides: what a long of one lot has paid since listing, in millionths of a quote base unit. A holder settles
//! the index's move times its lots rounded up, as a payment, so that payers pay at least and receivers get at most their share; the rest
//! lies in the instrument's pool (see `positions.rs`). So it does not matter how the index itself is rounded: it is the same for both.
//!
//! # Outage
//! A sample holds for at most the feed's staleness limit: seconds beyond it are not covered, and nobody pays for them, neither premium
//! nor interest. Intervals without any covered second pass without payment. A sample's hold is never longer than an interval (the bounds
//! of the parameters see to that), so at most two intervals are paid in one step however long the silence was.

use crate::abi::IMarket;
use crate::error::MarketError;
use crate::gas;
use crate::layout::{Instrument, Prices};
use crate::market::Market;
use crate::marks::PriceRules;
use crate::positions::to_i256;
use crate::quotient::signed_mul_div_down;
use crate::records::record;
use crate::types::{InstrumentId, MicroTicks};

/// Seconds of the period that rates and premiums are expressed for.
pub const PERIOD_SECONDS: u32 = 28_800;

/// Premiums are counted in parts of this.
const PREMIUM_ONE: i128 = 1_000_000_000;

/// Rates are counted in parts of this.
const RATE_ONE: i128 = 1_000_000_000_000;

/// Rate units of one millionth.
const RATE_OF_PPM: i128 = 1_000_000;

record! {
    /// The premium over the present funding interval of a perpetual.
    pub struct FundingInterval(tag 99, key InstrumentId, "instrument") {
        {
            /// Premium in billionths of the index times the seconds that it held, summed.
            pub premium_seconds: i128,
            /// Seconds that are covered by samples.
            pub covered_seconds: u32,
            /// The last sample, in billionths of the index.
            pub sample_ppb: i32,
            /// When it was taken; zero is never.
            pub sampled_seconds: u64,
        }
    }
}

impl FundingInterval {
    /// Lets the last sample hold for so many seconds more.
    fn hold(&mut self, seconds: u64) {
        self.premium_seconds =
            self.premium_seconds.saturating_add(i128::from(self.sample_ppb).saturating_mul(i128::from(seconds)));
        self.covered_seconds = self.covered_seconds.saturating_add(u32::try_from(seconds).unwrap_or(u32::MAX));
    }

    /// The rate of the present interval if it ended at the last sample, in 1e-12.
    pub fn estimate(&self, instrument: &Instrument, rules: &PriceRules) -> i64 {
        let Instrument { funding_interest_ppm, funding_clamp_ppm, .. } = *instrument;
        Self { ..*self }.close(funding_interest_ppm, rules.funding_band_ppm, funding_clamp_ppm)
    }

    /// The rate of the interval that ends, in 1e-12; its sums begin anew.
    fn close(&mut self, interest_ppm: i32, band_ppm: u32, clamp_ppm: u32) -> i64 {
        let (sum, covered) = (self.premium_seconds, i128::from(self.covered_seconds));
        self.premium_seconds = 0;
        self.covered_seconds = 0;
        rate(sum, covered, interest_ppm, band_ppm, clamp_ppm)
    }
}

/// See the module's documentation.
fn rate(premium_seconds: i128, covered_seconds: i128, interest_ppm: i32, band_ppm: u32, clamp_ppm: u32) -> i64 {
    if covered_seconds <= 0 {
        return 0;
    }
    let premium = premium_seconds.saturating_mul(RATE_ONE / PREMIUM_ONE) / covered_seconds;
    let band = i128::from(band_ppm) * RATE_OF_PPM;
    let interest = i128::from(interest_ppm) * RATE_OF_PPM;
    let of_period = premium.saturating_add(interest.saturating_sub(premium).clamp(-band, band));
    let most = i128::from(clamp_ppm) * RATE_OF_PPM;
    let rate = (of_period.saturating_mul(covered_seconds) / i128::from(PERIOD_SECONDS)).clamp(-most, most);
    i64::try_from(rate).unwrap_or(0)
}

/// What a long of one lot pays at this rate, in millionths of a quote base unit, rounded down.
fn payment_of_lot(rate: i64, index: MicroTicks, tick_value: u64) -> i128 {
    // An index in micro-ticks times the tick's value is a lot's value in millionths.
    signed_mul_div_down(rate.into(), u128::from(index) * u128::from(tick_value), RATE_ONE.unsigned_abs())
}

impl Market<'_, '_> {
    /// Lets the last sample hold until now, pays the intervals that ended, and takes the new sample (in micro-ticks). Returns the seconds
    /// since the last sample.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn accrue_funding(
        &mut self,
        id: InstrumentId,
        instrument: &Instrument,
        rules: &PriceRules,
        prices: &mut Prices,
        index: MicroTicks,
        sample: Option<i64>,
        hold_seconds: u32,
    ) -> Result<u64, MarketError> {
        let now = self.block.timestamp_seconds;
        let interval = u64::from(instrument.funding_seconds.max(1));
        let mut state: FundingInterval = self.records.get(id)?;
        let first = state.sampled_seconds == 0;
        let mut held_to = if first { now } else { state.sampled_seconds };
        let elapsed = now.saturating_sub(held_to);
        let hold_end = now.min(held_to.saturating_add(hold_seconds.into()));
        if prices.funding_due_seconds == 0 {
            prices.funding_due_seconds = next_boundary(now, interval);
        }
        while now >= prices.funding_due_seconds && (held_to < hold_end || state.covered_seconds > 0) {
            self.meter.charge(gas::FUNDING)?;
            let end = hold_end.min(prices.funding_due_seconds).max(held_to);
            state.hold(end - held_to);
            held_to = end;
            let rate =
                state.close(instrument.funding_interest_ppm, rules.funding_band_ppm, instrument.funding_clamp_ppm);
            self.pay_funding(id, instrument, prices, index, rate);
            prices.funding_due_seconds = prices.funding_due_seconds.saturating_add(interval);
        }
        if now >= prices.funding_due_seconds {
            prices.funding_due_seconds = next_boundary(now, interval);
        }
        state.hold(hold_end.saturating_sub(held_to));
        state.sample_ppb = premium_ppb(sample.unwrap_or(0), index);
        state.sampled_seconds = now;
        self.records.set(id, state)?;
        Ok(elapsed)
    }

    /// Moves the funding index by one interval's payment.
    fn pay_funding(
        &mut self,
        id: InstrumentId,
        instrument: &Instrument,
        prices: &mut Prices,
        index: MicroTicks,
        rate: i64,
    ) {
        // The bounds of index, tick value and rate keep a move below 2^92: the sum never comes near its type's limit.
        let moved = payment_of_lot(rate, index, instrument.tick_value);
        prices.funding_index = prices.funding_index.saturating_add(moved);
        let funding_index = to_i256(prices.funding_index);
        self.emit(&IMarket::FundingUpdated {
            instrument: id.0,
            fundingIndex: funding_index,
            ratePpm: rate / 1_000_000,
        });
    }
}

/// The first multiple of the interval after now.
fn next_boundary(now: u64, interval: u64) -> u64 {
    (now / interval).saturating_add(1).saturating_mul(interval)
}

/// A premium in micro-ticks, in billionths of the index, rounded down.
fn premium_ppb(premium: i64, index: MicroTicks) -> i32 {
    let ppb = signed_mul_div_down(premium.into(), PREMIUM_ONE.unsigned_abs(), index.into());
    i32::try_from(ppb.clamp(-PREMIUM_ONE, PREMIUM_ONE)).unwrap_or(0)
}
