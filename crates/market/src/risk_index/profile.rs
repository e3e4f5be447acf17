//! What an account's slack depends on, and at most how much.
//!
//! Slack is equity less maintenance. Per factor and direction, a bound on the slack that a unit of the factor's move costs:
//!
//! | of an account | slack has | moves that hurt, and their rates |
//! |---|---|---|
//! | long perpetual, `n` lots | `n·(M − F) − m·n·M` | mark down: `n·(1 − m)`; mark up: `n·(m − 1)`, if positive; funding up: `n` |
//! | short perpetual | `−n·(M − F) − m·n·M` | mark up: `n·(1 + m)`; funding down: `n` |
//! | long option, `n` lots | `n·M − min(½·n·M, m·n·S)` | mark down: `n`; index up: `n·m` |
//! | short option | `−n·M − max(m·n·S, m·n·M)` | mark up: `n·(1 + m)`; index up: `n·m` |
//! | `b` scaled units held | `b·P·(1 − haircut)` | held value down: `b·(1 − haircut)` |
//! | `b` scaled units owed | `−b·P·(1 + weight)` | owed value up: `b·(1 + weight)` |
//!
//! `M` is the value of a lot at the mark, `S` at the index, `F` what a long lot has paid in funding since listing, `P` a unit's price times its interest index;
//! `m` is the maintenance rate of the whole position, which depends on its size alone, for which the tiers give a least and a most.
//! Moves of different factors cost at most the sum, because slack is a sum of these rows.
//!
//! With portfolio margin, slack is the lowest over scenarios and not a sum; [`crate::portfolio`] bounds what marks, indices, volatilities and
//! deviations cost, and these are the rates. An asset whose feed has a derivative is a linear position of its value there. How wide a grid is
//! depends on sizes and parameters alone.

use super::ASSET_UNIT_BITS;
use super::triggers::{Factor, Move};
use crate::assets::{Asset, AssetState};
use crate::error::MarketError;
use crate::interest::{INDEX_ONE, scaled};
use crate::layout::{
    Account, Balance, Instrument, InstrumentKind, InstrumentStatus, MarginMode, Position, Prices, QUOTE,
};
use crate::margin::Health;
use crate::margin::grid::Grid;
use crate::market::Market;
use crate::portfolio::{
    GridParameters, PortfolioPosition, PositionKind, Slope, mark_slope_bound, price_slope_bound, rounding_bound,
    volatility_slope_bound,
};
use crate::pricing::YEAR_SECONDS;
use crate::types::{AccountId, Amount, AssetId, FeedId, InstrumentId, MICRO, PPM};
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
    /// How it stands.
    pub health: Health,
    /// Equity less maintenance, in quote base units.
    pub slack: Amount,
    /// At most one for a factor and direction.
    pub exposures: Vec<Exposure>,
}

/// Quote base units that rounding may cost for each exposure.
const ROUNDING_UNITS: Amount = 4;

/// The grids that an account is margined over, by the feed of their underlying.
type Grids = [(FeedId, GridParameters<'static>)];

/// A standard deviation of one, as a factor's value.
const DEVIATION_ONE: u128 = 1_000_000_000_000;

/// The deviation of an option that is settled: below all others, so that whoever has it in a grid, which it leaves, is looked at.
const SETTLED: Amount = Amount::MIN >> 2;

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

    /// Adds what a factor costs each way, in units times millionths.
    fn add_slope(&mut self, factor: Factor, value: Amount, scale: Amount, slope: (u128, u128), rounding: Amount) {
        for (moves, rate_ppm) in [(Move::Up, slope.0), (Move::Down, slope.1)] {
            self.add(Exposure { factor, moves, value, scale: scale.max(1), rate_ppm, unit_bits: 0, rounding });
        }
    }

    /// Adds a bound of `lots` lots, in millionths of a lot's value for each unit that the factor moves.
    fn add_lots(&mut self, factor: Factor, moves: Move, value: Amount, scale: Amount, lots: u64, ppm: u128) {
        let rounding = ROUNDING_UNITS * Amount::from(MICRO);
        let rate_ppm = u128::from(lots).saturating_mul(ppm);
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
            Factor::Mark(id)
            | Factor::Funding(id)
            | Factor::Index(id)
            | Factor::Deviation(id)
            | Factor::Volatility(id) => {
                let instrument = self.records.get::<Instrument>(id)?;
                if matches!(instrument.kind, InstrumentKind::Unlisted | InstrumentKind::Spot) {
                    return Ok(None);
                }
                let prices = self.records.get::<Prices>(id)?;
                Ok(Some(match factor {
                    Factor::Mark(_) => lot_value(&instrument, prices.mark),
                    Factor::Funding(_) => prices.funding_index,
                    Factor::Deviation(_) if instrument.status == InstrumentStatus::Settled => SETTLED,
                    Factor::Deviation(_) => deviation(prices.volatility_ppm, seconds_left(&instrument, &prices)),
                    Factor::Volatility(_) => Amount::from(prices.volatility_ppm),
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
        let (mut health, mut grid) = self.health_before_grid(id)?;
        let grids: Vec<_> = grid.underlyings().map(|(parameters, items)| (items[0].feed, parameters)).collect();
        grid.require(&mut health);
        let mut profile = Profile { health, slack: health.slack(), exposures: Vec::with_capacity(8) };
        let account = self.records.get::<Account>(id)?;
        let mut is_simple = true;
        for instrument in account.positions.into_iter().take_while(|id| *id != 0).map(InstrumentId) {
            is_simple &= !self.position_exposures(id, instrument, account.mode, &grids, &mut profile)?;
        }
        for asset in account.assets.into_iter().take_while(|id| *id != 0).map(AssetId) {
            is_simple &= self.records.get::<Balance>((id, asset))?.amount >= 0;
        }
        // Without positions and debts, slack is what is held after haircuts, and never negative.
        if is_simple {
            return Ok(profile);
        }
        for asset in account.assets.into_iter().take_while(|id| *id != 0).map(AssetId) {
            self.balance_exposures(id, asset, &grids, &mut profile)?;
        }
        Ok(profile)
    }

    /// Adds what a position depends on; whether there is one.
    fn position_exposures(
        &mut self,
        account: AccountId,
        id: InstrumentId,
        mode: MarginMode,
        grids: &Grids,
        profile: &mut Profile,
    ) -> Result<bool, MarketError> {
        let position = self.records.get::<Position>((account, id))?;
        if position.lots == 0 {
            return Ok(false);
        }
        let instrument = self.records.get::<Instrument>(id)?;
        if mode == MarginMode::Portfolio && instrument.status == InstrumentStatus::Settled {
            return Ok(true);
        }
        let prices = self.records.get::<Prices>(id)?;
        let lots = position.lots.unsigned_abs();
        let mark = lot_value(&instrument, prices.mark);
        if instrument.kind == InstrumentKind::Perpetual {
            let moves = if position.lots > 0 { Move::Up } else { Move::Down };
            let one = u128::from(PPM);
            profile.add_lots(Factor::Funding(id), moves, prices.funding_index, mark / SLOW, lots, one);
        }
        match mode {
            MarginMode::Standard => standard_exposures(id, &instrument, &prices, position.lots, profile),
            MarginMode::Portfolio => {
                let feed = self.underlying_feed(id)?;
                let parameters = grids.iter().find(|grid| grid.0 == feed).map_or(Grid::PARAMETERS, |grid| &grid.1);
                portfolio_exposures(id, &instrument, &prices, position.lots, parameters, profile);
            }
        }
        Ok(true)
    }

    /// The feed of a derivative's underlying.
    fn underlying_feed(&mut self, id: InstrumentId) -> Result<FeedId, MarketError> {
        let instrument = self.records.get::<Instrument>(id)?;
        match instrument.underlying {
            InstrumentId(0) => Ok(instrument.feed),
            underlying => Ok(self.records.get::<Instrument>(underlying)?.feed),
        }
    }

    fn balance_exposures(
        &mut self,
        account: AccountId,
        id: AssetId,
        grids: &Grids,
        profile: &mut Profile,
    ) -> Result<(), MarketError> {
        let balance = self.records.get::<Balance>((account, id))?;
        if balance.amount == 0 {
            return Ok(());
        }
        let (asset, state) = (self.records.get::<Asset>(id)?, self.accrued(id)?);
        let units = scaled(balance.amount, balance.index).saturating_add(1);
        let is_held = balance.amount > 0;
        let (factor, index) = match is_held {
            true => (Factor::Held(id), state.supply_index),
            false => (Factor::Owed(id), state.borrow_index),
        };
        let grid = grids.iter().find(|grid| asset.feed.0 != 0 && grid.0 == asset.feed);
        let (rise_ppm, fall_ppm) = match (grid, is_held) {
            (Some((_, parameters)), _) => linear_slope_ppm(parameters, is_held),
            (None, true) => (0, u128::from(PPM.saturating_sub(asset.haircut_ppm))),
            (None, false) => (u128::from(PPM.saturating_add(asset.debt_weight_ppm)), 0),
        };
        let value = unit_value(state.price, index);
        for (moves, ppm) in [(Move::Up, rise_ppm), (Move::Down, fall_ppm)] {
            profile.add(Exposure {
                factor,
                moves,
                value,
                scale: if id == QUOTE { value / SLOW } else { value }.max(1),
                rate_ppm: units.saturating_mul(ppm),
                unit_bits: ASSET_UNIT_BITS,
                rounding: base_unit_rounding(&state).saturating_add(ROUNDING_UNITS * Amount::from(MICRO)),
            });
        }
        Ok(())
    }
}

fn standard_exposures(id: InstrumentId, instrument: &Instrument, prices: &Prices, lots: i64, profile: &mut Profile) {
    let mark = lot_value(instrument, prices.mark);
    let (is_long, size, one) = (lots > 0, lots.unsigned_abs(), u128::from(PPM));
    let (least, most) = maintenance_rates(instrument, size);
    match (instrument.kind, is_long) {
        (InstrumentKind::EuropeanOption, _) => {
            let index = lot_value(instrument, prices.index);
            let (moves, ppm) = if is_long { (Move::Down, one) } else { (Move::Up, one + most) };
            // An option's price moves by all of itself where its underlying's moves by a part.
            profile.add_lots(Factor::Mark(id), moves, mark, mark.max(index / SLOW), size, ppm);
            profile.add_lots(Factor::Index(id), Move::Up, index, index, size, most);
        }
        (_, true) => {
            profile.add_lots(Factor::Mark(id), Move::Down, mark, mark, size, one.saturating_sub(least));
            profile.add_lots(Factor::Mark(id), Move::Up, mark, mark, size, most.saturating_sub(one));
        }
        (_, false) => profile.add_lots(Factor::Mark(id), Move::Up, mark, mark, size, one + most),
    }
}

fn portfolio_exposures(
    id: InstrumentId,
    instrument: &Instrument,
    prices: &Prices,
    lots: i64,
    parameters: &GridParameters<'_>,
    profile: &mut Profile,
) {
    let seconds = seconds_left(instrument, prices);
    let kind = match instrument.kind {
        InstrumentKind::EuropeanOption => PositionKind::Option {
            strike: u64::from(instrument.strike_ticks) * MICRO,
            is_call: instrument.is_call,
            volatility_ppm: prices.volatility_ppm,
            seconds,
        },
        _ => PositionKind::Linear,
    };
    let Prices { index, mark, .. } = *prices;
    let position = PortfolioPosition { kind, lots, tick_value: instrument.tick_value, index, mark };
    let rounding = Amount::try_from(rounding_bound(&position)).unwrap_or(Amount::MAX >> 32);
    let rounding = rounding.saturating_mul(2 * Amount::from(MICRO));
    // Slopes are millionths of a base unit for each tick; a lot that moves by a tick is worth so many base units.
    let per_lot = |slope: Slope| {
        let tick_value = u128::from(instrument.tick_value.max(1));
        (slope.rise.div_ceil(tick_value), slope.fall.div_ceil(tick_value))
    };
    let (mark, index) = (lot_value(instrument, mark), lot_value(instrument, index));
    let scale = if kind == PositionKind::Linear { mark } else { mark.max(index / SLOW) };
    profile.add_slope(Factor::Mark(id), mark, scale, per_lot(mark_slope_bound(parameters, &position)), rounding);
    profile.add_slope(Factor::Index(id), index, index, per_lot(price_slope_bound(parameters, &position)), rounding);
    if kind == PositionKind::Linear {
        return;
    }
    let slope = volatility_slope_bound(parameters, &position);
    // Slopes are for a deviation of one, of which the factor's unit is a part; so are those for a volatility of one.
    let scaled = |slope: Slope, unit: u128| {
        (slope.rise.saturating_mul(MICRO.into()).div_ceil(unit), slope.fall.saturating_mul(MICRO.into()).div_ceil(unit))
    };
    let deviation = deviation(prices.volatility_ppm, seconds);
    profile.add_slope(Factor::Deviation(id), deviation, deviation, scaled(slope.stdev, DEVIATION_ONE), rounding);
    let volatility = Amount::from(prices.volatility_ppm);
    profile.add_slope(Factor::Volatility(id), volatility, volatility, scaled(slope.volatility, MICRO.into()), rounding);
}

/// What a rise and a fall of the value of a balance in the grid cost, in millionths of the move.
fn linear_slope_ppm(parameters: &GridParameters<'_>, is_held: bool) -> (u128, u128) {
    let lots = if is_held { 1 } else { -1 };
    let position = PortfolioPosition { kind: PositionKind::Linear, lots, tick_value: 1, index: MICRO, mark: MICRO };
    let (mark, index) = (mark_slope_bound(parameters, &position), price_slope_bound(parameters, &position));
    (mark.rise.saturating_add(index.rise), mark.fall.saturating_add(index.fall))
}

/// Seconds from when an option's prices were made to its expiry.
fn seconds_left(instrument: &Instrument, prices: &Prices) -> u64 {
    instrument.expiry_seconds.saturating_sub(prices.updated_seconds)
}

/// The standard deviation of an option's underlying until expiry, in parts of [`DEVIATION_ONE`], rounded down.
fn deviation(volatility_ppm: u32, seconds: u64) -> Amount {
    let unit = U256::from(DEVIATION_ONE / u128::from(MICRO));
    let variance = U256::from(volatility_ppm).pow(U256::from(2)) * U256::from(seconds) * unit * unit;
    let variance = variance / U256::from(YEAR_SECONDS);
    // What has more than 128 bits is a volatility of thousands: its root is good to 64.
    let excess = variance.bit_len().saturating_sub(128).div_ceil(2);
    let root = (variance >> (2 * excess)).saturating_to::<u128>().isqrt() << excess;
    Amount::try_from(root).unwrap_or(Amount::MAX)
}

/// What two base units are worth, in millionths of a quote base unit, rounded up: settling interest may round that much.
fn base_unit_rounding(state: &AssetState) -> Amount {
    state.value(2).saturating_add(1).saturating_mul(Amount::from(MICRO))
}
