//! Portfolio margin: what positions on the same underlying may lose together over a grid of scenarios.
//!
//! # Scenarios
//! Prices move by evenly spaced steps up to a range to either side, and with each of them volatilities stay, rise or fall. Beyond the
//! range there are extreme moves, with risen volatilities, of which only a fraction of the loss counts: they find what is sold far out of
//! the money. A spot or perpetual position moves with its mark, an option is priced anew by Black's formula. The loss is against the marks
//! at which the account's equity is counted, so equity less loss is what the positions are worth in that scenario. Losses of positions on
//! one underlying add up before the worst scenario is taken; different underlyings have each their own worst one.
//!
//! A volatility σ moves to σ·(1 ± v·√(30 days / time to expiry)): short expiries move by more. In terms of the total standard deviation
//! s = σ√T, which is all that a price depends on, that is s ± v·σ·√(30 days), so time enters through s alone.
//!
//! # Contingencies
//! Added to the worst loss, for what the grid does not see: a minimum for each option that is short after netting calls and puts of one
//! strike and expiry; the basis between long and short positions that track the same index; offsetting volatility exposure of different
//! expiries; and size.
//!
//! The maintenance requirement is the sum; the initial requirement is that times a factor.
//!
//! # Rounding
//! Each price of a scenario is rounded to the micro-tick, each value and contingency to the base unit, all against the holder.
//!
//! # How it moves
//! [`mark_slope_bound`], [`price_slope_bound`] and [`volatility_slope_bound`] bound what equity less maintenance loses for each unit that a
//! mark, an index, a deviation or a volatility moves, wherever it stands. See [`Slope`].
//!
//! # Sources
//! The grid is that of Deribit's portfolio margin (support article "Portfolio Margin": nine price points, three volatilities, an extended
//! table of which a fraction counts), after CME's SPAN and OCC's TIMS; contingencies are those of Deribit's documentation.

mod contingency;
mod scenario;
mod slopes;

pub use scenario::{Scenario, VolatilityMove};
pub use slopes::{Slope, VolatilitySlope, mark_slope_bound, price_slope_bound, rounding_bound, volatility_slope_bound};

use crate::types::{Amount, MicroTicks, PPM, Ppm};
use alloc::vec::Vec;

/// The largest value that is computed, in base units; larger ones count as this.
const MAX_VALUE: Amount = 1 << 118;

/// A move far beyond the range, with risen volatilities, of which a part counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtremeMove {
    /// How far prices move, in millionths; at least −1,000,000.
    pub price_ppm: i32,
    /// The part of the loss that counts, in millionths, at most one.
    pub weight_ppm: Ppm,
}

/// The grid and the contingencies. All shares are in millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridParameters<'a> {
    /// How far prices move to either side; at most one.
    pub price_range_ppm: Ppm,
    /// Steps to either side, so that there are twice as many price points and one; at most [`MAX_STEPS`] are taken.
    pub price_steps: u8,
    /// How far volatilities of 30 days rise.
    pub volatility_up_ppm: Ppm,
    /// How far volatilities of 30 days fall; at most one.
    pub volatility_down_ppm: Ppm,
    /// Moves beyond the range; at most [`MAX_EXTREMES`] are taken.
    pub extremes: &'a [ExtremeMove],
    /// For each option that is net short at its strike and expiry, of the index value.
    pub short_option_ppm: Ppm,
    /// For long and short spot and perpetual positions that offset each other, of the index value of one side.
    pub basis_ppm: Ppm,
    /// For gains and losses of different expiries that offset each other when volatilities rise, of the lesser of the two.
    pub vega_ppm: Ppm,
    /// Beyond [`Self::concentration_value`], of the index value of all positions, long and short.
    pub concentration_ppm: Ppm,
    /// Index value of all positions of one underlying up to which size costs nothing, in quote base units.
    pub concentration_value: u128,
    /// Initial requirement over maintenance requirement; at least one.
    pub initial_factor_ppm: Ppm,
}

/// Most steps to either side.
pub const MAX_STEPS: u8 = 8;

/// Most extreme moves.
pub const MAX_EXTREMES: usize = 16;

/// The extreme moves of Deribit's extended table, each with the weight that makes a position in the underlying itself lose no more than at
/// the end of a range of 16 %: only what is not linear shows there.
pub const EXTREMES: [ExtremeMove; 8] = [
    ExtremeMove { price_ppm: -660_000, weight_ppm: 242_424 },
    ExtremeMove { price_ppm: -330_000, weight_ppm: 484_848 },
    ExtremeMove { price_ppm: 500_000, weight_ppm: 320_000 },
    ExtremeMove { price_ppm: 1_000_000, weight_ppm: 160_000 },
    ExtremeMove { price_ppm: 2_000_000, weight_ppm: 80_000 },
    ExtremeMove { price_ppm: 3_000_000, weight_ppm: 53_333 },
    ExtremeMove { price_ppm: 4_000_000, weight_ppm: 40_000 },
    ExtremeMove { price_ppm: 5_000_000, weight_ppm: 32_000 },
];

impl GridParameters<'static> {
    /// For the most liquid underlyings.
    pub const DEFAULT: Self = Self {
        price_range_ppm: 160_000,
        price_steps: 4,
        volatility_up_ppm: 450_000,
        volatility_down_ppm: 300_000,
        extremes: &EXTREMES,
        short_option_ppm: 10_000,
        basis_ppm: 10_000,
        vega_ppm: 300_000,
        concentration_ppm: 0,
        concentration_value: 0,
        initial_factor_ppm: 1_250_000,
    };
}

/// What kind of position it is, as far as margin is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PositionKind {
    /// Worth its mark: spot or a perpetual.
    Linear,
    /// A European option.
    Option {
        /// Strike, in micro-ticks.
        strike: MicroTicks,
        /// Whether it is a call.
        is_call: bool,
        /// Volatility per √year, in millionths.
        volatility_ppm: u32,
        /// Seconds to expiry. Positions with the same number expire together.
        seconds: u64,
    },
}

/// A position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortfolioPosition {
    /// Kind.
    pub kind: PositionKind,
    /// Lots; negative is short. At most [`MAX_LOTS`](crate::types::MAX_LOTS).
    pub lots: i64,
    /// Quote base units of one lot that moves by one tick.
    pub tick_value: u64,
    /// Index price of the underlying, in micro-ticks of this instrument.
    pub index: MicroTicks,
    /// Mark price, at which the position counts in the account's equity, in micro-ticks.
    pub mark: MicroTicks,
}

impl PortfolioPosition {
    /// Quote base units for each tick: positive if long.
    fn quantity(&self) -> i128 {
        i128::from(self.lots) * i128::from(self.tick_value)
    }

    /// Index value of the position, whichever side, rounded up.
    fn index_value(&self) -> Amount {
        -floor_value(-self.quantity().saturating_abs(), self.index.into())
    }
}

/// The positions on one underlying, and its grid.
#[derive(Clone, Copy, Debug)]
pub struct UnderlyingPositions<'a> {
    /// Grid and contingencies.
    pub parameters: &'a GridParameters<'a>,
    /// Positions. The work is proportional to their number times the number of scenarios, and to the square of their number.
    pub positions: &'a [PortfolioPosition],
}

/// What the positions on one underlying require, in quote base units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderlyingMargin {
    /// The scenario in which the weighted loss is largest, the first of several.
    pub worst: Scenario,
    /// The weighted loss there, or zero where no scenario has a loss.
    pub scenario_loss: Amount,
    /// Contingencies.
    pub contingency: Amount,
    /// Maintenance requirement.
    pub maintenance: Amount,
    /// Initial requirement.
    pub initial: Amount,
}

/// What all positions of an account require, in quote base units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortfolioMargin {
    /// Of each underlying.
    pub underlyings: Vec<UnderlyingMargin>,
    /// Maintenance requirement.
    pub maintenance: Amount,
    /// Initial requirement.
    pub initial: Amount,
}

/// What an account's positions require.
pub fn portfolio_margin(underlyings: &[UnderlyingPositions<'_>]) -> PortfolioMargin {
    let mut total = PortfolioMargin { underlyings: Vec::with_capacity(underlyings.len()), maintenance: 0, initial: 0 };
    for underlying in underlyings {
        let margin = underlying_margin(underlying);
        total.maintenance = total.maintenance.saturating_add(margin.maintenance);
        total.initial = total.initial.saturating_add(margin.initial);
        total.underlyings.push(margin);
    }
    total
}

/// What the positions on one underlying require.
pub fn underlying_margin(underlying: &UnderlyingPositions<'_>) -> UnderlyingMargin {
    let UnderlyingPositions { parameters, positions } = *underlying;
    let (worst, loss) = scenario::worst(parameters, positions);
    let scenario_loss = loss.max(0);
    let contingency = contingency::all(parameters, positions);
    let maintenance = (scenario_loss + contingency).min(MAX_VALUE);
    let initial = share_up(maintenance, parameters.initial_factor_ppm.max(PPM));
    UnderlyingMargin { worst, scenario_loss, contingency, maintenance, initial }
}

/// `quantity` times a price or a difference of prices in micro-ticks, in base units, rounded down.
fn floor_value(quantity: i128, micro_ticks: i128) -> Amount {
    let (ticks, rest) = divided_by_million(micro_ticks);
    let (rest, _) = divided_by_million(quantity.saturating_mul(rest));
    quantity.saturating_mul(ticks).saturating_add(rest).clamp(-MAX_VALUE, MAX_VALUE)
}

/// A share of a value, rounded up.
fn share_up(value: Amount, ppm: Ppm) -> Amount {
    let ppm = i128::from(ppm);
    let (whole, rest) = divided_by_million(value);
    let (rest, _) = divided_by_million(-rest * ppm);
    whole.saturating_mul(ppm).saturating_sub(rest).clamp(-MAX_VALUE, MAX_VALUE)
}

/// The quotient by a million, rounded down, and what remains. Most numbers fit a machine word, where this is a multiplication.
fn divided_by_million(n: i128) -> (i128, i128) {
    const ONE: i64 = PPM as i64;
    match i64::try_from(n) {
        Ok(n) => (n.div_euclid(ONE).into(), n.rem_euclid(ONE).into()),
        Err(_) => (n.div_euclid(ONE.into()), n.rem_euclid(ONE.into())),
    }
}
