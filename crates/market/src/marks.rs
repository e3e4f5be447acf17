//! Marks: what positions are valued at.
//!
//! A spot pair's mark is its index. A perpetual's is the index plus an average of the premium at which its book trades. At each
//! update of its price the premium is sampled from the book's impact prices (the average prices at which `impact_lots` could be sold and bought now):
//!
//! ```text
//! sample  = max(0, impact bid − index) − max(0, index − impact ask)
//! premium = premium + (sample − premium) × elapsed ÷ (elapsed + premium_seconds)
//! mark    = index + premium, within premium_clamp_ppm of the index
//! ```
//!
//! so that nobody moves a mark by an order that stands for a moment, nor beyond the clamp for however long. A side of the book
//! that is too thin for the impact price adds nothing; while trading is halted, nothing is sampled and the average stays. An option's
//! mark is its Black-76 price on the index (as the forward, undiscounted) with the volatility of its feed, at least one micro-tick.
//!
//! Marks change here only, when prices are accepted.

use crate::abi::IMarket;
use crate::error::{MarketError, Rejection};
use crate::feeds::{Feed, MAX_MICRO_TICKS};
use crate::gas;
use crate::layout::{Instrument, InstrumentKind, InstrumentStatus, Prices};
use crate::market::Market;
use crate::pricing::{self, Fixed, MAX_STDEV};
use crate::quotient::{mul_div_down, signed_mul_div_down};
use crate::records::record;
use crate::types::{InstrumentId, Lots, MICRO, MicroTicks, PPM, Side};

record! {
    /// How an instrument's mark, funding and circuit breaker follow the prices. Written as [`Instrument`] is.
    pub struct PriceRules(tag 97, key InstrumentId, "instrument") {
        {
            /// How far the premium may move the mark from the index, in millionths.
            pub premium_clamp_ppm: u32,
            /// Time over which the premium is averaged, in seconds.
            pub premium_seconds: u32,
            /// How far the interest may move the funding rate of eight hours from the premium, in millionths.
            pub funding_band_ppm: u32,
            /// Move of the index within a window that halts trading, in millionths; zero is none.
            pub breaker_ppm: u32,
            /// The window, in seconds.
            pub breaker_seconds: u32,
            /// How long trading is halted, in seconds.
            pub halt_seconds: u32,
        }
    }
}

/// The premium's next average: see the module's documentation. Rounded down.
fn average_premium(old: i64, sample: i64, elapsed_seconds: u64, premium_seconds: u32) -> i64 {
    let step = i128::from(sample) - i128::from(old);
    let weight = u128::from(elapsed_seconds) + u128::from(premium_seconds.max(1));
    let moved = signed_mul_div_down(step, elapsed_seconds.into(), weight);
    i64::try_from(i128::from(old) + moved).unwrap_or(old)
}

/// `premium` within `clamp_ppm` of the index.
fn clamp_premium(premium: i64, index: MicroTicks, clamp_ppm: u32) -> i64 {
    let most = mul_div_down(index.into(), clamp_ppm.into(), PPM.into());
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    premium.clamp(-most, most)
}

/// Index plus premium, a price.
fn with_premium(index: MicroTicks, premium: i64) -> MicroTicks {
    index.saturating_add_signed(premium).clamp(1, MAX_MICRO_TICKS)
}

impl Market<'_, '_> {
    /// The prices of a listed instrument.
    pub fn prices(&mut self, id: InstrumentId) -> Result<Prices, MarketError> {
        Ok(self.records.get(id)?)
    }

    /// What positions are valued at, or a rejection if there is no price yet.
    pub fn mark(&mut self, id: InstrumentId) -> Result<MicroTicks, MarketError> {
        let prices = self.prices(id)?;
        if prices.updated_seconds == 0 {
            return Err(Rejection::Forbidden { state: "no price" }.into());
        }
        Ok(prices.mark)
    }

    /// Gives an instrument the prices that follow from its feeds.
    pub(crate) fn reprice(&mut self, id: InstrumentId) -> Result<(), MarketError> {
        self.meter.charge(gas::REPRICE)?;
        let instrument: Instrument = self.records.get(id)?;
        let now = self.block.timestamp_seconds;
        let is_over = instrument.kind == InstrumentKind::EuropeanOption && now >= instrument.expiry_seconds;
        if is_over || instrument.kind == InstrumentKind::Unlisted || instrument.status == InstrumentStatus::Settled {
            return Ok(());
        }
        let feed_id = self.index_feed(&instrument)?;
        let feed: Feed = self.records.get(feed_id)?;
        if feed.price == 0 {
            return Ok(());
        }
        let Some(index) = self.scale(&instrument, &feed)?.index(feed.price) else {
            return self.halt(id);
        };
        self.observe_index(id, index)?;
        let mut prices = self.prices(id)?;
        let mark = match instrument.kind {
            InstrumentKind::Unlisted | InstrumentKind::Spot => Some(index),
            InstrumentKind::Perpetual => Some(self.reprice_perpetual(id, &instrument, &mut prices, index, &feed)?),
            InstrumentKind::EuropeanOption => self.option_mark(&instrument, &mut prices, index)?,
        };
        let Some(mark) = mark else { return Ok(()) };
        prices.mark = mark;
        prices.index = index;
        prices.updated_seconds = feed.time_seconds;
        self.records.set(id, prices)?;
        self.meter.charge(gas::EVENT)?;
        self.emit(&IMarket::PriceUpdated { instrument: id.0, mark, index });
        Ok(())
    }

    /// Funding and mark of a perpetual whose index is new.
    fn reprice_perpetual(
        &mut self,
        id: InstrumentId,
        instrument: &Instrument,
        prices: &mut Prices,
        index: MicroTicks,
        feed: &Feed,
    ) -> Result<MicroTicks, MarketError> {
        let rules: PriceRules = self.records.get(id)?;
        let now = self.block.timestamp_seconds;
        let sample = if instrument.status == InstrumentStatus::Halted || prices.halted_until_seconds > now {
            None
        } else {
            Some(clamp_premium(self.premium_sample(id, instrument, index)?, index, rules.premium_clamp_ppm))
        };
        let elapsed = self.accrue_funding(id, instrument, &rules, prices, index, sample, feed.staleness_seconds)?;
        if let Some(sample) = sample {
            prices.premium = average_premium(prices.premium, sample, elapsed, rules.premium_seconds);
        }
        Ok(with_premium(index, clamp_premium(prices.premium, index, rules.premium_clamp_ppm)))
    }

    /// How far the book's impact prices are beyond the index, in micro-ticks.
    fn premium_sample(
        &mut self,
        id: InstrumentId,
        instrument: &Instrument,
        index: MicroTicks,
    ) -> Result<i64, MarketError> {
        self.meter.charge(gas::IMPACT_PRICES)?;
        let lots = Lots::from(instrument.impact_lots);
        let bid = self.impact_price(id, Side::Buy, lots)?;
        let ask = self.impact_price(id, Side::Sell, lots)?;
        let above = bid.map_or(0, |bid| bid.saturating_sub(index));
        let below = ask.map_or(0, |ask| index.saturating_sub(ask));
        Ok(i64::try_from(i128::from(above) - i128::from(below)).unwrap_or(0))
    }

    /// An option's mark; `None` while its volatility is not known.
    fn option_mark(
        &mut self,
        instrument: &Instrument,
        prices: &mut Prices,
        index: MicroTicks,
    ) -> Result<Option<MicroTicks>, MarketError> {
        let feed: Feed = self.records.get(instrument.feed)?;
        let Some(volatility_ppm) = volatility_ppm(&feed) else { return Ok(None) };
        prices.volatility_ppm = volatility_ppm;
        Ok(model_price(instrument, index, volatility_ppm, self.block.timestamp_seconds))
    }
}

/// An option's Black-76 price in micro-ticks, rounded to the nearest, at least one. A volatility beyond the formula's domain counts as
/// the largest in it.
fn model_price(
    instrument: &Instrument,
    index: MicroTicks,
    volatility_ppm: u32,
    now_seconds: u64,
) -> Option<MicroTicks> {
    let seconds = instrument.expiry_seconds.saturating_sub(now_seconds);
    let stdev = pricing::total_stdev(Fixed::from_ppm(volatility_ppm), seconds).unwrap_or(MAX_STDEV);
    let strike = u64::from(instrument.strike_ticks) * MICRO;
    let price = pricing::price(index, strike, stdev, instrument.is_call).ok()?.round()?;
    u64::try_from(price).ok().map(|price| price.clamp(1, MAX_MICRO_TICKS))
}

/// A volatility feed's price in millionths, rounded down; `None` where it is none.
fn volatility_ppm(feed: &Feed) -> Option<u32> {
    let ppm = mul_div_down(feed.price, PPM.into(), 10u128.checked_pow(feed.decimals.into())?);
    u32::try_from(ppm).ok().filter(|&ppm| ppm != 0)
}
