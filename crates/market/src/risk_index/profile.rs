//! What an account's slack depends on, and at most how much.
//!
//! Slack is equity less maintenance. Per factor and direction, a bound on the slack that a unit of the factor's move costs:
//!
//! | of an account | slack has | moves that hurt, and their rates |
//! |---|---|---|
//! | long perpetual, `n` lots | `n·(M − F) − m·n·M` | mark down: `n·(1 − m)`; mark up: `n·(m − 1)`, if positive; funding up: `n` |
//! | short perpetual | `−n·(M − F) − m·n·M` | mark up: `n·(1 + m)`; funding down: `n` |
//! | `b` scaled units held | `b·P·(1 − haircut)` | held value down: `b·(1 − haircut)` |
//! | `b` scaled units owed | `−b·P·(1 + weight)` | owed value up: `b·(1 + weight)` |
//!
//! `M` is the value of a lot at the mark, `F` what a long lot has paid in funding since listing, `P` a unit's price times its interest index;
//! `m` is the maintenance rate of the whole position, which depends on its size alone, for which the tiers give a least and a most.
//! Moves of different factors cost at most the sum, because slack is a sum of these rows.

use super::ASSET_UNIT_BITS;
use super::triggers::{Factor, Move};
use crate::assets::{Asset, AssetState};
use crate::error::MarketError;
use crate::interest::{INDEX_ONE, scaled};
use crate::layout::{Account, Balance, Instrument, InstrumentKind, Position, Prices, QUOTE};
use crate::market::Market;
use crate::types::{AccountId, Amount, AssetId, InstrumentId, MICRO, PPM};
use alloc::vec::Vec;
use alloy_primitives::U256;

/// A bound on what a factor's move in one direction costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exposure {
    pub factor: Factor,
    pub moves: Move,
    /// The factor's value now.
    pub value: Amount,
    /// How far the factor moves as easily as a price moves by all of itself.
    pub scale: Amount,
    /// Units (lots, or scaled base units) times millionths.
    pub rate_ppm: u128,
    /// A unit of the factor is that of `2^unit_bits` units.
    pub unit_bits: u32,
    /// What rounding may cost, in millionths of a quote base unit.
    pub rounding: Amount,
}

/// See the module's documentation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Profile {
    /// Equity less maintenance, in quote base units.
    pub slack: Amount,
    /// At most one for a factor and direction.
    pub exposures: Vec<Exposure>,
}

/// Quote base units that rounding may cost for each exposure.
const ROUNDING_UNITS: Amount = 4;

/// What moves slowly is given this part of the distance that a price is given.
const SLOW: Amount = 16;

impl Profile {
    /// Adds an exposure, or its rate to the one for the same factor and direction.
    fn add(&mut self, new: Exposure) {
        if new.rate_ppm == 0 {
            return;
        }
        let same = self.exposures.iter_mut().find(|old| (old.factor, old.moves) == (new.factor, new.moves));
        match same {
            Some(old) => {
                old.rate_ppm = old.rate_ppm.saturating_add(new.rate_ppm);
                old.rounding = old.rounding.saturating_add(new.rounding);
                old.scale = old.scale.max(new.scale);
            }
            None => self.exposures.push(new),
        }
    }

    /// Adds a bound of `lots` lots, in millionths of a lot's value for each unit that the factor moves.
    fn add_lots(&mut self, factor: Factor, moves: Move, value: Amount, scale: Amount, lots: u64, ppm: u128) {
        let rounding = ROUNDING_UNITS * Amount::from(MICRO);
        let rate_ppm = u128::from(lots) * ppm;
        self.add(Exposure { factor, moves, value, scale: scale.max(1), rate_ppm, unit_bits: 0, rounding });
    }
}

/// The least and the most maintenance rate that the tiers may give a position, in millionths.
fn maintenance_rates(instrument: &Instrument, lots: u64) -> (u128, u128) {
    let least = u128::from(instrument.maintenance_ppm);
    let tiers = lots.checked_div(instrument.tier_lots).unwrap_or(0);
    (least, least + u128::from(tiers) * u128::from(instrument.tier_step_ppm))
}

/// Value of a lot at a price, in millionths of a quote base unit.
fn lot_value(instrument: &Instrument, price: u64) -> Amount {
    Amount::from(price) * Amount::from(instrument.tick_value)
}

/// Value of [`super::ASSET_UNIT_BITS`] scaled units at an index, in millionths of a quote base unit.
fn unit_value(price: u128, index: u128) -> Amount {
    let product = U256::from(price) * U256::from(index) / U256::from(INDEX_ONE);
    let value = (product.saturating_mul(U256::from(MICRO))) >> (96 - ASSET_UNIT_BITS) as usize;
    Amount::try_from(value).unwrap_or(Amount::MAX >> 1).min(Amount::MAX >> 1)
}

impl Market<'_, '_> {
    /// A factor's present value; `None` where there is none.
    pub(crate) fn factor_value(&mut self, factor: Factor) -> Result<Option<Amount>, MarketError> {
        match factor {
            Factor::Mark(id) | Factor::Funding(id) | Factor::Index(id) => {
                let instrument = self.records.get::<Instrument>(id)?;
                if matches!(instrument.kind, InstrumentKind::Unlisted | InstrumentKind::Spot) {
                    return Ok(None);
                }
                let prices = self.records.get::<Prices>(id)?;
                Ok(Some(match factor {
                    Factor::Mark(_) => lot_value(&instrument, prices.mark),
                    Factor::Funding(_) => prices.funding_index,
                    _ => lot_value(&instrument, prices.index),
                }))
            }
            Factor::Held(id) => {
                let state = self.accrued(id)?;
                Ok(Some(unit_value(state.price, state.supply_index)))
            }
            Factor::Owed(id) => {
                let state = self.accrued(id)?;
                Ok(Some(unit_value(state.price, state.borrow_index)))
            }
        }
    }

    /// An account's slack and all that it depends on.
    pub(crate) fn risk_profile(&mut self, id: AccountId) -> Result<Profile, MarketError> {
        let health = self.health(id)?;
        let mut profile = Profile {
            slack: health.equity.saturating_sub(health.maintenance),
            exposures: Vec::with_capacity(8),
        };
        let account = self.records.get::<Account>(id)?;
        for instrument in account.positions.into_iter().take_while(|id| *id != 0).map(InstrumentId) {
            self.position_exposures(id, instrument, &mut profile)?;
        }
        let mut owes = false;
        for asset in account.assets.into_iter().take_while(|id| *id != 0).map(AssetId) {
            owes |= self.records.get::<Balance>((id, asset))?.amount < 0;
        }
        // Without positions and debts, slack is what is held after haircuts, and never negative.
        if profile.exposures.is_empty() && !owes {
            return Ok(profile);
        }
        for asset in account.assets.into_iter().take_while(|id| *id != 0).map(AssetId) {
            self.balance_exposures(id, asset, &mut profile)?;
        }
        Ok(profile)
    }

    fn position_exposures(
        &mut self,
        account: AccountId,
        id: InstrumentId,
        profile: &mut Profile,
    ) -> Result<(), MarketError> {
        let position = self.records.get::<Position>((account, id))?;
        if position.lots == 0 {
            return Ok(());
        }
        let instrument = self.records.get::<Instrument>(id)?;
        let prices = self.records.get::<Prices>(id)?;
        let lots = position.lots.unsigned_abs();
        let mark = lot_value(&instrument, prices.mark);
        let one = u128::from(PPM);
        let (least, most) = maintenance_rates(&instrument, lots);
        if position.lots > 0 {
            profile.add_lots(Factor::Mark(id), Move::Down, mark, mark, lots, one.saturating_sub(least));
            profile.add_lots(Factor::Mark(id), Move::Up, mark, mark, lots, most.saturating_sub(one));
        } else {
            profile.add_lots(Factor::Mark(id), Move::Up, mark, mark, lots, one + most);
        }
        let moves = if position.lots > 0 { Move::Up } else { Move::Down };
        if instrument.kind == InstrumentKind::Perpetual {
            profile.add_lots(Factor::Funding(id), moves, prices.funding_index, mark / SLOW, lots, one);
        }
        Ok(())
    }

    fn balance_exposures(
        &mut self,
        account: AccountId,
        id: AssetId,
        profile: &mut Profile,
    ) -> Result<(), MarketError> {
        let balance = self.records.get::<Balance>((account, id))?;
        if balance.amount == 0 {
            return Ok(());
        }
        let (asset, state) = (self.records.get::<Asset>(id)?, self.accrued(id)?);
        let units = scaled(balance.amount, balance.index).saturating_add(1);
        let (factor, moves, index, ppm) = if balance.amount > 0 {
            (Factor::Held(id), Move::Down, state.supply_index, PPM.saturating_sub(asset.haircut_ppm))
        } else {
            (Factor::Owed(id), Move::Up, state.borrow_index, PPM.saturating_add(asset.debt_weight_ppm))
        };
        let value = unit_value(state.price, index);
        profile.add(Exposure {
            factor,
            moves,
            value,
            scale: if id == QUOTE { value / SLOW } else { value }.max(1),
            rate_ppm: units.saturating_mul(u128::from(ppm)),
            unit_bits: ASSET_UNIT_BITS,
            rounding: ROUNDING_UNITS * Amount::from(MICRO) + base_unit_rounding(&state),
        });
        Ok(())
    }
}

/// What two base units are worth, in millionths of a quote base unit, rounded up: settling interest may round that much.
fn base_unit_rounding(state: &AssetState) -> Amount {
    state.value(2).saturating_add(1).saturating_mul(Amount::from(MICRO))
}
