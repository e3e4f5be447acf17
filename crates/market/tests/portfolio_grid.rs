//! The worst scenario is the one that a search of the whole grid finds, requirements are never rounded in the holder's favour, and
//! offsets stop at the underlying.
//!
//! The search is written anew here, once with the market's prices and whole numbers to the last unit, and once with floating point and
//! its own normal distribution.

use proptest::prelude::*;
use rialto_market::portfolio::{
    ExtremeMove, GridParameters, PortfolioPosition, PositionKind, Scenario, UnderlyingPositions, VolatilityMove,
    portfolio_margin, underlying_margin,
};
use rialto_market::pricing::{Fixed, MAX_STDEV, Scaled, price, time_value, total_stdev};

const DAY: u64 = 86_400;

fn linear(lots: i64, mark: u64) -> PortfolioPosition {
    PortfolioPosition { kind: PositionKind::Linear, lots, tick_value: 100, index: INDEX, mark }
}

fn option(lots: i64, strike: u64, is_call: bool, volatility_ppm: u32, seconds: u64) -> PortfolioPosition {
    let kind = PositionKind::Option { strike, is_call, volatility_ppm, seconds };
    let stdev = total_stdev(Fixed::from_ppm(volatility_ppm), seconds).expect("a usual option");
    let mark = price(INDEX, strike, stdev, is_call).expect("a usual option").round().expect("fits") as u64;
    PortfolioPosition { kind, lots, tick_value: 100, index: INDEX, mark }
}

/// 60,000 ticks.
const INDEX: u64 = 60_000_000_000;

const BARE: GridParameters<'static> =
    GridParameters { short_option_ppm: 0, basis_ppm: 0, vega_ppm: 0, extremes: &[], ..GridParameters::DEFAULT };

fn position() -> impl Strategy<Value = PortfolioPosition> {
    let lots = -2_000i64..2_000;
    let expiry = prop::sample::select(vec![0, 3_600, DAY, 7 * DAY, 30 * DAY, 180 * DAY]);
    prop_oneof![
        (lots.clone(), 59_000_000_000u64..61_000_000_000).prop_map(|(lots, mark)| linear(lots, mark)),
        (lots, 20u64..140, any::<bool>(), 100_000u32..1_500_000, expiry).prop_map(
            |(lots, strike, is_call, volatility, seconds)| option(
                lots,
                strike * 1_000_000_000,
                is_call,
                volatility,
                seconds
            )
        ),
    ]
}

fn positions() -> impl Strategy<Value = Vec<PortfolioPosition>> {
    prop::collection::vec(position(), 1..12)
}

fn margin(parameters: &GridParameters<'_>, positions: &[PortfolioPosition]) -> (i128, i128) {
    let margin = underlying_margin(&UnderlyingPositions { parameters, positions });
    (margin.maintenance, margin.initial)
}

/// The three deviations of an option: down, same, up.
fn deviations(parameters: &GridParameters<'_>, volatility_ppm: u32, seconds: u64) -> [Fixed; 3] {
    let volatility = Fixed::from_ppm(volatility_ppm);
    let same = total_stdev(volatility, seconds).expect("a usual option").to_bits();
    let month = Fixed::ratio(30, 365).and_then(Fixed::sqrt).expect("a time");
    let unit = volatility * month;
    let part = |ppm: u32| (unit * Fixed::from_ppm(ppm)).to_bits();
    let of = |bits: i128| Fixed::from_bits(bits.max(0).min(MAX_STDEV.to_bits()));
    [of(same - part(parameters.volatility_down_ppm)), of(same), of(same + part(parameters.volatility_up_ppm))]
}

/// Loss of one position in millionths of a base unit, to the next base unit up.
fn exact_loss(
    parameters: &GridParameters<'_>,
    position: &PortfolioPosition,
    move_ppm: i128,
    volatility: usize,
) -> i128 {
    const ONE: i128 = 1_000_000;
    let quantity = i128::from(position.lots) * i128::from(position.tick_value);
    let mark = i128::from(position.mark);
    let against = |numerator: i128, down: bool| {
        let floor = (numerator - numerator.rem_euclid(ONE)) / ONE;
        floor + i128::from(!down && numerator.rem_euclid(ONE) > 0)
    };
    let is_long = quantity >= 0;
    let change = match position.kind {
        PositionKind::Linear => against(mark * move_ppm, is_long),
        PositionKind::Option { strike, is_call, volatility_ppm, seconds } => {
            let index = against(i128::from(position.index) * (ONE + move_ppm), is_long == is_call);
            let stdev = deviations(parameters, volatility_ppm, seconds)[volatility];
            // The time value by itself: beside an intrinsic value its last digits would be lost, and it is to be rounded up.
            let intrinsic = if is_call { index - i128::from(strike) } else { i128::from(strike) - index }.max(0);
            let value =
                if index == 0 { Scaled::ZERO } else { time_value(index as u64, strike, stdev).expect("in the domain") };
            intrinsic + if is_long { value.floor() } else { value.ceil() }.expect("fits") - mark
        }
    };
    let gain = quantity * change;
    -((gain - gain.rem_euclid(ONE)) / ONE)
}

/// The worst scenario of all, by trying each.
fn searched(parameters: &GridParameters<'_>, positions: &[PortfolioPosition]) -> (Scenario, i128) {
    const MOVES: [VolatilityMove; 3] = [VolatilityMove::Down, VolatilityMove::Same, VolatilityMove::Up];
    let steps = i128::from(parameters.price_steps);
    let mut all: Vec<(i128, usize, u32)> = Vec::new();
    for step in -steps..=steps {
        for volatility in 0..3 {
            all.push((i128::from(parameters.price_range_ppm) * step / steps, volatility, 1_000_000));
        }
    }
    all.extend(parameters.extremes.iter().map(|extreme| (extreme.price_ppm.into(), 2, extreme.weight_ppm)));
    let mut worst: Option<(Scenario, i128)> = None;
    for (move_ppm, volatility, weight) in all {
        let loss: i128 = positions.iter().map(|position| exact_loss(parameters, position, move_ppm, volatility)).sum();
        let weighted = loss * i128::from(weight);
        let weighted = weighted.div_euclid(1_000_000) + i128::from(weighted.rem_euclid(1_000_000) > 0);
        if worst.as_ref().is_none_or(|(_, most)| weighted > *most) {
            let scenario = Scenario { price_ppm: move_ppm as i32, volatility: MOVES[volatility], weight_ppm: weight };
            worst = Some((scenario, weighted));
        }
    }
    worst.expect("there are scenarios")
}

/// Φ by Simpson's rule from the middle, or from afar in the tail.
fn cumulative(z: f64) -> f64 {
    let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let from = if z < 0.0 { z - 12.0 } else { 0.0 };
    let (steps, start) = (2_000, if z < 0.0 { 0.0 } else { 0.5 });
    let width = (z - from) / f64::from(steps);
    let weight = |i: i32| {
        if i == 0 || i == steps {
            1.0
        } else if i % 2 == 1 {
            4.0
        } else {
            2.0
        }
    };
    start + (0..=steps).map(|i| weight(i) * density(from + f64::from(i) * width)).sum::<f64>() * width / 3.0
}

/// The worst weighted loss in base units, in floating point.
fn approximate_loss(parameters: &GridParameters<'_>, positions: &[PortfolioPosition]) -> f64 {
    let loss = |move_ppm: f64, volatility_ppm: f64| -> f64 {
        let of = |position: &PortfolioPosition| {
            let (mark, moved) = (position.mark as f64 / 1e6, 1.0 + move_ppm / 1e6);
            let price = match position.kind {
                PositionKind::Linear => mark * moved,
                PositionKind::Option { strike, is_call, volatility_ppm: sigma, seconds } => {
                    let (forward, strike, sigma) =
                        (position.index as f64 / 1e6 * moved, strike as f64 / 1e6, f64::from(sigma) / 1e6);
                    let (years, month) = (seconds as f64 / 31_536_000.0, (30.0f64 / 365.0).sqrt());
                    let shift = sigma * month * volatility_ppm / 1e6;
                    let deviation = (sigma * years.sqrt() + shift).max(0.0);
                    let sign = if is_call { 1.0 } else { -1.0 };
                    let intrinsic = (sign * (forward - strike)).max(0.0);
                    let d1 = (forward / strike).ln() / deviation + deviation / 2.0;
                    let model = sign * (forward * cumulative(sign * d1) - strike * cumulative(sign * (d1 - deviation)));
                    if deviation < 1e-12 { intrinsic } else { model }
                }
            };
            position.lots as f64 * position.tick_value as f64 * (mark - price)
        };
        positions.iter().map(of).sum()
    };
    let steps = i32::from(parameters.price_steps);
    let (up, down) = (f64::from(parameters.volatility_up_ppm), -f64::from(parameters.volatility_down_ppm));
    let regular = (-steps..=steps).flat_map(|step| {
        let price = f64::from(parameters.price_range_ppm) * f64::from(step) / f64::from(steps);
        [down, 0.0, up].map(|volatility| loss(price, volatility))
    });
    let extreme = |extreme: &ExtremeMove| loss(extreme.price_ppm.into(), up) * f64::from(extreme.weight_ppm) / 1e6;
    regular.chain(parameters.extremes.iter().map(extreme)).fold(0.0, f64::max)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_worst_scenario_is_the_one_that_a_search_finds(positions in positions(), steps in 1u8..8, range in 1u32..1_000_000) {
        for extremes in [GridParameters::DEFAULT.extremes, &[]] {
            let parameters = GridParameters { price_steps: steps, price_range_ppm: range, extremes, ..GridParameters::DEFAULT };
            let found = underlying_margin(&UnderlyingPositions { parameters: &parameters, positions: &positions });
            let (scenario, loss) = searched(&parameters, &positions);
            prop_assert_eq!(found.worst, scenario);
            prop_assert_eq!(found.scenario_loss, loss.max(0));
            prop_assert_eq!(found.maintenance, found.scenario_loss + found.contingency);
        }
    }

    #[test]
    fn requirements_grow_with_each_position_in_proportion(positions in positions()) {
        let doubled: Vec<_> = positions.iter().map(|position| PortfolioPosition { lots: position.lots * 2, ..*position }).collect();
        let (once, initial) = margin(&GridParameters::DEFAULT, &positions);
        let (twice, _) = margin(&GridParameters::DEFAULT, &doubled);
        // Each position is rounded by less than two units (its value, and its share in contingencies).
        let rounding = 4 * positions.len() as i128 + 8;
        prop_assert!((2 * once - twice).abs() <= rounding, "{once} {twice}");
        prop_assert!(initial * 4 >= once * 5 && initial * 4 < once * 5 + 4);
    }

    #[test]
    fn what_is_held_together_never_needs_more_than_apart(left in positions(), right in positions()) {
        // But for the contingencies of what offsets.
        let parameters = GridParameters { basis_ppm: 0, vega_ppm: 0, ..GridParameters::DEFAULT };
        let both: Vec<_> = left.iter().chain(&right).copied().collect();
        let (together, _) = margin(&parameters, &both);
        let (left, _) = margin(&parameters, &left);
        let (right, _) = margin(&parameters, &right);
        prop_assert!(together <= left + right + 2, "{together} {left} {right}");
    }

    #[test]
    fn underlyings_do_not_offset(left in positions(), right in positions()) {
        let of = |positions| UnderlyingPositions { parameters: &GridParameters::DEFAULT, positions };
        let both = portfolio_margin(&[of(&left), of(&right)]);
        let (one, other) = (margin(&GridParameters::DEFAULT, &left), margin(&GridParameters::DEFAULT, &right));
        prop_assert_eq!((both.maintenance, both.initial), (one.0 + other.0, one.1 + other.1));
    }

    #[test]
    fn bought_options_need_no_more_than_their_value(lots in 1i64..1000, strike in 20u64..140, is_call in any::<bool>(), days in 1u64..100) {
        let position = option(lots, strike * 1_000_000_000, is_call, 700_000, days * DAY);
        let value = (i128::from(lots) * 100 * i128::from(position.mark)).div_euclid(1_000_000);
        prop_assert!(margin(&GridParameters::DEFAULT, &[position]).0 <= value + 1);
    }

    #[test]
    fn nothing_panics_whatever_the_numbers(
        raw in prop::collection::vec((any::<i64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u32>(), any::<u64>(), 0u8..3), 0..6),
        range in any::<u32>(), steps in any::<u8>(), shares in any::<[u32; 7]>(), extreme in any::<i32>(),
    ) {
        let positions: Vec<_> = raw.into_iter().map(|(lots, tick_value, index, mark, strike, volatility_ppm, seconds, kind)| {
            let option = PositionKind::Option { strike, is_call: kind == 1, volatility_ppm, seconds };
            PortfolioPosition { kind: if kind == 2 { PositionKind::Linear } else { option }, lots, tick_value, index, mark }
        }).collect();
        let parameters = GridParameters {
            price_range_ppm: range, price_steps: steps, volatility_up_ppm: shares[0], volatility_down_ppm: shares[1],
            extremes: &[ExtremeMove { price_ppm: extreme, weight_ppm: shares[6] }], short_option_ppm: shares[2], basis_ppm: shares[3],
            vega_ppm: shares[4], concentration_ppm: shares[5], concentration_value: 5, initial_factor_ppm: shares[6],
        };
        let (maintenance, initial) = margin(&parameters, &positions);
        prop_assert!(maintenance >= 0 && initial >= maintenance);
        for position in &positions {
            use rialto_market::portfolio::{mark_slope_bound, price_slope_bound, rounding_bound, volatility_slope_bound};
            let _ = (mark_slope_bound(&parameters, position), price_slope_bound(&parameters, position));
            let _ = (volatility_slope_bound(&parameters, position), rounding_bound(position));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_worst_loss_is_that_of_floating_point(positions in positions()) {
        let found = underlying_margin(&UnderlyingPositions { parameters: &GridParameters::DEFAULT, positions: &positions }).scenario_loss as f64;
        let expected = approximate_loss(&GridParameters::DEFAULT, &positions);
        let size: f64 = positions.iter().map(|position| position.lots.abs() as f64 * position.tick_value as f64 * 60_000.0).sum();
        prop_assert!((found - expected).abs() <= size * 1e-9 + 20.0, "{found} {expected}");
        prop_assert!(found >= expected - size * 1e-10, "rounded in the holder's favour: {found} {expected}");
    }
}

#[test]
fn hedges_of_known_risk() {
    const STRIKE: u64 = INDEX;
    let month = 30 * DAY;
    // 100 base units for a tick: a position of one lot is worth 6,000,000.
    let rows = [
        ("one long: the range", vec![linear(1, INDEX)], 960_000),
        ("one short: the same", vec![linear(-1, INDEX)], 960_000),
        ("long and short", vec![linear(1, INDEX), linear(-1, INDEX)], 0),
        // A long put, a short call and the underlying are worth the strike whatever happens.
        (
            "conversion",
            vec![linear(1, INDEX), option(1, STRIKE, false, 500_000, month), option(-1, STRIKE, true, 500_000, month)],
            0,
        ),
        // A box of two strikes is worth their difference.
        (
            "box",
            vec![
                option(3, 50_000_000_000, true, 600_000, month),
                option(-3, 70_000_000_000, true, 600_000, month),
                option(3, 70_000_000_000, false, 600_000, month),
                option(-3, 50_000_000_000, false, 600_000, month),
            ],
            0,
        ),
        ("nothing", vec![], 0),
    ];
    for (name, positions, expected) in rows {
        let (found, _) = margin(&BARE, &positions);
        // Rounding of each position, and of each price by a micro-tick.
        assert!(
            (expected..=expected + 2 * positions.len() as i128).contains(&found),
            "{name}: found {found}, expected {expected}"
        );
    }
}

#[test]
fn a_spread_needs_no_more_than_the_distance_of_its_strikes() {
    for (is_call, bought, sold) in [(true, 66_000_000_000, 62_000_000_000), (false, 54_000_000_000, 58_000_000_000u64)]
    {
        for days in [1, 7, 30, 90] {
            let spread =
                [option(1, bought, is_call, 650_000, days * DAY), option(-1, sold, is_call, 650_000, days * DAY)];
            let (found, _) = margin(&BARE, &spread);
            // 4,000 ticks of 100, less the credit that equity has lost already.
            let credit = i128::from(spread[1].mark - spread[0].mark) * 100 / 1_000_000;
            assert!(found <= 400_000 - credit + 3, "{days} days: {found}, credit {credit}");
            let naked = margin(&BARE, &spread[1..]).0;
            assert!(found < naked, "{days} days: {found}, naked {naked}");
        }
    }
}
