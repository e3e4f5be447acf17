//! The grid: which scenarios there are, and what positions lose in each.

use super::{
    GridParameters, MAX_EXTREMES, MAX_STEPS, MAX_VALUE, PortfolioPosition, PositionKind, divided_by_million,
    floor_value, share_up,
};
use crate::pricing::{Fixed, MAX_STDEV, Scaled, bounded_stdev, intrinsic_value, time_value};
use crate::types::{Amount, MicroTicks, PPM, Ppm};

/// What volatilities do in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolatilityMove {
    /// They fall.
    Down,
    /// They stay.
    Same,
    /// They rise.
    Up,
}

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// How far prices move, in millionths.
    pub price_ppm: i32,
    /// What volatilities do.
    pub volatility: VolatilityMove,
    /// The part of the loss that counts, in millionths.
    pub weight_ppm: Ppm,
}

/// √(30/365) in units of 2^-96: the root of 30 days in years.
pub(super) const ROOT_OF_THIRTY_DAYS: Fixed = match Fixed::ratio(30, 365) {
    Some(years) => match years.sqrt() {
        Some(root) => root,
        None => Fixed::ZERO,
    },
    None => Fixed::ZERO,
};

/// The three deviations of an option, in the order of [`VolatilityMove`].
pub(super) struct Deviations([Fixed; 3]);

impl Deviations {
    /// Of an option with this volatility and time. At expiry as a moment before, so that time alone makes nothing jump.
    pub(super) fn new(parameters: &GridParameters<'_>, volatility_ppm: u32, seconds: u64) -> Self {
        let stdev = bounded_stdev(volatility_ppm, seconds);
        // At most 4,295 · 4,295 · 0.29, within the range of products.
        let unit = Fixed::from_ppm(volatility_ppm) * ROOT_OF_THIRTY_DAYS;
        let up = (unit * Fixed::from_ppm(parameters.volatility_up_ppm)).to_bits();
        let down = (unit * Fixed::from_ppm(parameters.volatility_down_ppm)).to_bits();
        let moved = |by: i128| Fixed::from_bits((stdev.to_bits() + by).clamp(0, MAX_STDEV.to_bits()));
        Self([moved(-down), stdev, moved(up)])
    }

    pub(super) fn get(&self, volatility: VolatilityMove) -> Fixed {
        self.0[volatility as usize]
    }
}

/// Every scenario of the grid: prices from the lowest to the highest, volatilities down, same and up at each, then the extreme moves.
pub(super) fn scenarios<'a>(parameters: &'a GridParameters<'_>) -> impl Iterator<Item = Scenario> + 'a {
    let steps = i64::from(parameters.price_steps.min(MAX_STEPS));
    let range = i64::from(parameters.price_range_ppm.min(PPM));
    let moves = [VolatilityMove::Down, VolatilityMove::Same, VolatilityMove::Up];
    let regular = (-steps..=steps).flat_map(move |step| {
        let price_ppm = if steps == 0 { 0 } else { (range * step / steps) as i32 };
        moves.map(|volatility| Scenario { price_ppm, volatility, weight_ppm: PPM })
    });
    let extremes = parameters.extremes.iter().take(MAX_EXTREMES).map(|extreme| Scenario {
        price_ppm: extreme.price_ppm.max(-(PPM as i32)),
        volatility: VolatilityMove::Up,
        weight_ppm: extreme.weight_ppm.min(PPM),
    });
    regular.chain(extremes)
}

/// The scenario with the largest weighted loss, the first of several, and that loss, which is negative where all scenarios gain.
pub(super) fn worst(parameters: &GridParameters<'_>, positions: &[PortfolioPosition]) -> (Scenario, Amount) {
    let mut totals = [0i128; 3 * (2 * MAX_STEPS as usize + 1) + MAX_EXTREMES];
    for position in positions {
        let deviations = match position.kind {
            PositionKind::Option { volatility_ppm, seconds, .. } => {
                Some(Deviations::new(parameters, volatility_ppm, seconds))
            }
            PositionKind::Linear => None,
        };
        for (total, scenario) in totals.iter_mut().zip(scenarios(parameters)) {
            let stdev = deviations.as_ref().map_or(Fixed::ZERO, |deviations| deviations.get(scenario.volatility));
            let change = price_change(position, scenario.price_ppm, stdev);
            let loss = -floor_value(position.quantity(), change);
            *total = total.saturating_add(loss).clamp(-MAX_VALUE, MAX_VALUE);
        }
    }
    let mut worst = None;
    for (total, scenario) in totals.into_iter().zip(scenarios(parameters)) {
        let loss = share_up(total, scenario.weight_ppm);
        if worst.is_none_or(|(_, most)| loss > most) {
            worst = Some((scenario, loss));
        }
    }
    let unmoved = Scenario { price_ppm: 0, volatility: VolatilityMove::Same, weight_ppm: PPM };
    worst.unwrap_or((unmoved, 0))
}

/// Difference of a position's price to its mark, in micro-ticks, rounded against the holder.
fn price_change(position: &PortfolioPosition, price_ppm: i32, stdev: Fixed) -> i128 {
    let is_long = position.lots >= 0;
    match position.kind {
        PositionKind::Linear => divided(i128::from(position.mark) * i128::from(price_ppm), is_long),
        PositionKind::Option { strike, is_call, .. } => {
            let moved = i128::from(position.index) * (i128::from(PPM) + i128::from(price_ppm));
            // What gains when the index rises gets the lower index.
            let index = divided(moved, is_long == is_call).clamp(0, u64::MAX.into()) as u64;
            option_price(index, strike, stdev, is_call, is_long) - i128::from(position.mark)
        }
    }
}

/// Divided by a million, rounded down or up.
fn divided(n: i128, is_down: bool) -> i128 {
    if is_down { divided_by_million(n).0 } else { -divided_by_million(-n).0 }
}

/// An option's price in micro-ticks, rounded down or up.
fn option_price(index: MicroTicks, strike: MicroTicks, stdev: Fixed, is_call: bool, is_down: bool) -> i128 {
    // An index of nothing leaves the intrinsic value.
    let time_value = time_value(index, strike, stdev).unwrap_or(Scaled::ZERO);
    let time_value = if is_down { time_value.floor() } else { time_value.ceil() };
    i128::from(intrinsic_value(index, strike, is_call)) + time_value.unwrap_or(0)
}
