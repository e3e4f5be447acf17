//! Instruments: what is listed and by which terms, all within bounds that are data.
//!
//! An instrument has *terms*, which are part of what a position in it means and never change (kind, feed, tick, lot, expiry, strike), and
//! *parameters*, which may change under the time lock. [`PARAMETERS`] is the one table of the latter: name, default, least and most.
//! Whoever lists or changes anything, by a proposal or at genesis, goes through [`Market::list_instrument`] and
//! [`Market::set_instrument`], so that there is no state outside of the bounds.
//!
//! Maintenance margin never rises under positions that are open: who has them would fall below it without a change of prices or of
//! their own, which nobody looks for. The initial margin, the bands and the open interest, which bound new risk, change at any time.

mod parameters;

pub use parameters::{PARAMETERS, Parameter, Terms};

use crate::abi::{IMarket, IMarketActions};
use crate::error::{MarketError, Rejection};
use crate::feeds::FeedUser;
use crate::gas;
use crate::layout::{Globals, Instrument, InstrumentKind, InstrumentStatus, QUOTE};
use crate::market::Market;
use crate::marks::PriceRules;
use crate::types::{AssetId, FeedId, InstrumentId, MAX_TICK_VALUE};
use alloy_primitives::U256;

/// Instruments that may be listed, ever.
pub const MAX_INSTRUMENTS: u16 = 8_192;

/// The largest lot, in base units or units of 1e-18.
pub const MAX_LOT_SIZE: u128 = 1 << 100;

/// The longest time to an option's expiry when it is listed, in seconds: three years.
pub const MAX_TENOR_SECONDS: u64 = 3 * 365 * 86_400;

/// The shortest: the settlement average's window, and as long again.
pub const MIN_TENOR_SECONDS: u64 = 2 * crate::expiry::SETTLEMENT_SECONDS;

/// Whether a value is within bounds, both included.
pub(crate) fn in_range(what: &'static str, value: u128, least: u128, most: u128) -> Result<(), Rejection> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Rejection::OutOfRange { what, value: U256::from(value), least: U256::from(least), most: U256::from(most) })
}

impl Instrument {
    /// Whether some position may need more maintenance margin than with the old parameters.
    fn may_require_more(&self, old: &Self) -> bool {
        let is_flat = self.tier_lots == 0 || self.tier_step_ppm == 0;
        let has_smaller_steps =
            old.tier_lots != 0 && self.tier_lots >= old.tier_lots && self.tier_step_ppm <= old.tier_step_ppm;
        self.maintenance_ppm > old.maintenance_ppm || !(is_flat || has_smaller_steps)
    }
}

impl Market<'_, '_> {
    /// The instrument, or a rejection if it is not listed.
    pub fn instrument(&mut self, id: InstrumentId) -> Result<Instrument, MarketError> {
        self.listed(id)
    }

    /// Lists an instrument.
    pub fn list_instrument(&mut self, terms: &IMarketActions::InstrumentTerms) -> Result<InstrumentId, MarketError> {
        self.meter.charge(gas::LISTING)?;
        let kind = match InstrumentKind::from_byte(terms.kind) {
            None | Some(InstrumentKind::Unlisted) => {
                let [value, least, most] = [terms.kind, 1, 3].map(U256::from);
                return Err(Rejection::OutOfRange { what: "kind", value, least, most }.into());
            }
            Some(kind) => kind,
        };
        in_range("tickValue", terms.tickValue.into(), 1, MAX_TICK_VALUE.into())?;
        in_range("lotSize", terms.lotSize, 1, MAX_LOT_SIZE)?;
        let mut globals: Globals = self.records.get(())?;
        let id = InstrumentId(globals.next_instrument.max(1));
        if id.0 > MAX_INSTRUMENTS {
            return Err(Rejection::LimitReached { what: "instruments", limit: MAX_INSTRUMENTS.into() }.into());
        }
        globals.next_instrument = id.0 + 1;
        self.records.set((), globals)?;
        let instrument = Instrument {
            kind,
            status: InstrumentStatus::Active,
            base: AssetId(terms.base),
            quote: QUOTE,
            feed: FeedId(terms.feed),
            tick_value: terms.tickValue,
            lot_size: terms.lotSize,
            expiry_seconds: terms.expirySeconds,
            strike_ticks: terms.strikeTicks,
            is_call: terms.isCall,
            underlying: InstrumentId(terms.underlying),
            ..Instrument::default()
        };
        self.check_terms(&instrument)?;
        let defaults = Terms { instrument, rules: PriceRules::default() }.with_defaults();
        self.emit_listed(id, terms);
        self.store_parameters(id, defaults, &terms.settings)?;
        self.note_users(id, &instrument)?;
        // The feed may have a price already.
        self.reprice(id)?;
        Ok(id)
    }

    /// The terms that depend on the kind.
    fn check_terms(&mut self, instrument: &Instrument) -> Result<(), MarketError> {
        self.feed(instrument.feed)?;
        let is_spot = instrument.kind == InstrumentKind::Spot;
        let is_option = instrument.kind == InstrumentKind::EuropeanOption;
        if is_spot {
            self.asset(instrument.base)?;
            in_range("base", instrument.base.0.into(), u128::from(QUOTE.0) + 1, u16::MAX.into())?;
        } else {
            in_range("base", instrument.base.0.into(), 0, 0)?;
        }
        if !is_option {
            in_range("underlying", instrument.underlying.0.into(), 0, 0)?;
            in_range("expirySeconds", instrument.expiry_seconds.into(), 0, 0)?;
            in_range("strikeTicks", instrument.strike_ticks.into(), 0, 0)?;
            in_range("isCall", instrument.is_call.into(), 0, 0)?;
            return Ok(());
        }
        let underlying = self.instrument(instrument.underlying)?;
        if underlying.kind == InstrumentKind::EuropeanOption {
            return Err(Rejection::Forbidden { state: "an option on an option" }.into());
        }
        if underlying.feed == instrument.feed {
            return Err(Rejection::Forbidden { state: "a volatility feed that is the underlying's price" }.into());
        }
        in_range("strikeTicks", instrument.strike_ticks.into(), 1, u32::MAX.into())?;
        let now = u128::from(self.block.timestamp_seconds);
        let (least, most) = (now + u128::from(MIN_TENOR_SECONDS), now + u128::from(MAX_TENOR_SECONDS));
        Ok(in_range("expirySeconds", instrument.expiry_seconds.into(), least, most)?)
    }

    /// Tells the feeds of a new instrument.
    fn note_users(&mut self, id: InstrumentId, instrument: &Instrument) -> Result<(), MarketError> {
        let user = FeedUser { instrument: id, ..FeedUser::default() };
        self.add_feed_user(instrument.feed, user)?;
        if instrument.kind == InstrumentKind::EuropeanOption {
            let index_feed = self.index_feed(instrument)?;
            self.add_feed_user(index_feed, user)?;
            self.add_series(index_feed, instrument.expiry_seconds, id)?;
        }
        Ok(())
    }

    /// Changes parameters of an instrument: all of them, or none.
    pub fn set_instrument(
        &mut self,
        id: InstrumentId,
        settings: &[IMarketActions::Setting],
    ) -> Result<(), MarketError> {
        self.meter.charge(gas::LISTING)?;
        let instrument = self.instrument(id)?;
        let rules: PriceRules = self.records.get(id)?;
        self.store_parameters(id, Terms { instrument, rules }, settings)
    }

    fn store_parameters(
        &mut self,
        id: InstrumentId,
        mut terms: Terms,
        settings: &[IMarketActions::Setting],
    ) -> Result<(), MarketError> {
        if settings.len() > PARAMETERS.len() {
            let limit = PARAMETERS.len() as u64;
            return Err(Rejection::LimitReached { what: "settings", limit }.into());
        }
        for setting in settings {
            self.meter.charge(gas::EVENT)?;
            terms.set(&setting.name, setting.value)?;
            self.emit(&IMarket::ParameterSet { instrument: id.0, name: setting.name.clone(), value: setting.value });
        }
        terms.check()?;
        let (old, open_lots) = (self.records.get::<Instrument>(id)?, self.prices(id)?.open_lots);
        if open_lots != 0 && terms.instrument.may_require_more(&old) {
            return Err(Rejection::Forbidden { state: "a higher maintenance margin of open positions" }.into());
        }
        self.records.set(id, terms.instrument)?;
        Ok(self.records.set(id, terms.rules)?)
    }

    /// Sets what may be done with an instrument. What is settled stays so.
    pub fn set_status(&mut self, id: InstrumentId, status: u8) -> Result<(), MarketError> {
        in_range("status", status.into(), 0, 2)?;
        let mut instrument = self.instrument(id)?;
        if instrument.status == InstrumentStatus::Settled {
            return Err(Rejection::Forbidden { state: "settled" }.into());
        }
        instrument.status = InstrumentStatus::from_byte(status).unwrap_or(InstrumentStatus::Halted);
        self.records.set(id, instrument)?;
        self.emit(&IMarket::StatusSet { instrument: id.0, status });
        Ok(())
    }

    fn emit_listed(&mut self, id: InstrumentId, terms: &IMarketActions::InstrumentTerms) {
        self.emit(&IMarket::InstrumentListed {
            instrument: id.0,
            kind: terms.kind,
            base: terms.base,
            feed: terms.feed,
            underlying: terms.underlying,
            expirySeconds: terms.expirySeconds,
            strikeTicks: terms.strikeTicks,
            isCall: terms.isCall,
            tickValue: terms.tickValue,
            lotSize: terms.lotSize,
        });
    }
}
