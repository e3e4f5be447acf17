//! How much equity less maintenance can lose when something that it depends on moves.
//!
//! Let S be the value of the positions at their marks, less their maintenance requirement. With the worst scenario's price move k, weight
//! w, and P′ an option's price there, S is the lowest over all scenarios (and over losing nothing) of
//!
//! ```text
//! Σ n·M·(1 + w·k)  over positions that are worth their mark M
//! + Σ n·((1 − w)·M + w·P′)  over options
//! − contingencies
//! ```
//!
//! The lowest of functions moves by no more than the steepest of them, and a sum by no more than the sum, so it is enough to bound each
//! term for one position and add up. With n > 0 (a short position has rises and falls exchanged):
//!
//! - in M: n·(1 + w·k) or n·(1 − w), so a fall costs at most n times the largest of these and one, and a rise nothing;
//! - in the index: P′ is a function of index·(1 + k) with a slope in 0..1 (call) or −1..0 (put), so at most n·w·(1 + k) on one side;
//! - in s: ∂P/∂s = F·φ(d₁) = K·φ(d₂) is between 0 and K/√(2π) *wherever the index stands*, so at most n·w·K/√(2π);
//! - in σ, which moves s′ = s ± v·σ·√(30 days) beside s: that times v·√(30 days).
//!
//! Contingencies at the index cost their share as it rises; that of vega, whose terms are differences of two prices, its share of the same
//! bounds to both sides. Time moves S through s alone. Rounding is apart: [`rounding_bound`].

use super::scenario::{ROOT_OF_THIRTY_DAYS, scenarios};
use super::{GridParameters, PortfolioPosition, PositionKind};
use crate::pricing::{Fixed, Scaled};
use crate::types::PPM;

/// One, in millionths.
const ONE: u128 = PPM as u128;

/// What one unit of a move costs at most, in millionths of a quote base unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slope {
    /// If it rises.
    pub rise: u128,
    /// If it falls.
    pub fall: u128,
}

impl Slope {
    /// What hurts a long position when it falls, or the other way round.
    fn gaining(cost: u128, gains_from_rise: bool) -> Self {
        if gains_from_rise { Self { rise: 0, fall: cost } } else { Self { rise: cost, fall: 0 } }
    }

    fn add_both(self, cost: u128) -> Self {
        Self { rise: self.rise.saturating_add(cost), fall: self.fall.saturating_add(cost) }
    }

    fn add_rise(self, cost: u128) -> Self {
        Self { rise: self.rise.saturating_add(cost), ..self }
    }
}

/// What a move of a volatility costs, apart from that of the deviation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VolatilitySlope {
    /// For each unit (1.0) of the total standard deviation σ√T, which falls as time passes.
    pub stdev: Slope,
    /// For each unit (1.0 per √year) of the volatility.
    pub volatility: Slope,
}

/// For each tick of the position's mark.
pub fn mark_slope_bound(parameters: &GridParameters<'_>, position: &PortfolioPosition) -> Slope {
    let most_ppm = match position.kind {
        PositionKind::Option { .. } => PPM.into(),
        PositionKind::Linear => {
            let moved = scenarios(parameters).map(|scenario| {
                let gain = i128::from(scenario.price_ppm) * i128::from(scenario.weight_ppm);
                // Rounded up, and not below one: where no scenario has a loss, the mark alone counts.
                ONE + (gain.max(0) as u128).div_ceil(ONE)
            });
            moved.max().unwrap_or(PPM.into())
        }
    };
    Slope::gaining(share(position, most_ppm), position.lots >= 0)
}

/// For each tick of the position's index.
pub fn price_slope_bound(parameters: &GridParameters<'_>, position: &PortfolioPosition) -> Slope {
    let concentration = share(position, parameters.concentration_ppm.into());
    let PositionKind::Option { is_call, .. } = position.kind else {
        return Slope::default().add_rise(concentration).add_rise(share(position, parameters.basis_ppm.into()));
    };
    let moved = scenarios(parameters).map(|scenario| {
        let moved = (i128::from(PPM) + i128::from(scenario.price_ppm)) * i128::from(scenario.weight_ppm);
        (moved.max(0) as u128).div_ceil(ONE)
    });
    let most_ppm = moved.max().unwrap_or(PPM.into());
    let is_long = position.lots >= 0;
    let short_option = if is_long { 0 } else { share(position, parameters.short_option_ppm.into()) };
    let slope = Slope::gaining(share(position, most_ppm), is_long == is_call);
    slope.add_rise(concentration).add_rise(short_option).add_both(share(position, parameters.vega_ppm.into()))
}

/// For each unit of an option's deviation and volatility; nothing for other positions.
pub fn volatility_slope_bound(parameters: &GridParameters<'_>, position: &PortfolioPosition) -> VolatilitySlope {
    let PositionKind::Option { strike, .. } = position.kind else { return VolatilitySlope::default() };
    // K/√(2π) of the whole position, in base units, with 1/√(2π) < 0.4.
    let quantity = position.quantity().unsigned_abs();
    let steepest = quantity.saturating_mul(strike.into()).saturating_mul(2) / 5 + 1;
    let is_long = position.lots >= 0;
    let vega = ppm_of(steepest, parameters.vega_ppm.into());
    let stdev = Slope::gaining(steepest, is_long).add_both(vega);
    let root = |ppm| {
        let moved = Fixed::from_ppm(ppm) * ROOT_OF_THIRTY_DAYS;
        Scaled::from_fixed(moved).shifted(20).ceil().unwrap_or(0) as u128 + 1
    };
    // In units of 2^-20, rounded up.
    let of = |ppm| steepest.saturating_mul(root(ppm)) >> 20;
    let (up, down) = (of(parameters.volatility_up_ppm) + 1, of(parameters.volatility_down_ppm) + 1);
    // Risen, a long option gains from σ; fallen, it loses from it.
    let volatility = if is_long { Slope { rise: down, fall: up } } else { Slope { rise: up, fall: down } };
    VolatilitySlope { stdev, volatility: volatility.add_both(ppm_of(up, parameters.vega_ppm.into())) }
}

/// What rounding of a position's prices and values may hide, in quote base units, at each of two points that are compared.
pub fn rounding_bound(position: &PortfolioPosition) -> u128 {
    // Index and price of a scenario, and the marks' share in contingencies: four micro-ticks; and a unit for each value.
    position.quantity().unsigned_abs().saturating_mul(4) / ONE + 8
}

/// Quote base units for each tick, times a share in millionths.
fn share(position: &PortfolioPosition, ppm: u128) -> u128 {
    position.quantity().unsigned_abs().saturating_mul(ppm)
}

fn ppm_of(cost: u128, ppm: u128) -> u128 {
    cost.saturating_mul(ppm).div_ceil(ONE)
}
