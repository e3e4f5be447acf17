//! Equity less maintenance never loses more than the slopes say, wherever prices, volatilities and time go.
//!
//! Two states of the market are drawn for the same positions, near to each other or far apart, and the loss between them is compared with
//! the sum of the bounds.

use proptest::prelude::*;
use rialto_market::portfolio::{
    ExtremeMove, GridParameters, PortfolioPosition, PositionKind, Slope, UnderlyingPositions, mark_slope_bound,
    price_slope_bound, rounding_bound, underlying_margin, volatility_slope_bound,
};
use rialto_market::pricing::{Fixed, Scaled, bounded_stdev, option_mark};

/// What does not change: lots, strike if an option, call.
type Holding = (i64, Option<u64>, bool);
/// What does: index, distance of the mark of what is linear, in millionths, volatility, seconds.
type State = (u64, i64, u32, u64);

fn holding() -> impl Strategy<Value = Holding> {
    (-500i64..500, prop::option::of(1u64..300), any::<bool>())
        .prop_map(|(lots, strike, is_call)| (lots, strike.map(|strike| strike * 1_000_000_000), is_call))
}

fn states() -> impl Strategy<Value = (State, State)> {
    let state = || {
        (
            1_000_000_000u64..300_000_000_000,
            -50_000i64..50_000,
            50_000u32..3_000_000,
            prop_oneof![Just(0), 1u64..100_000_000],
        )
    };
    let near =
        (state(), -1000i64..1000, -1000i64..1000, -1000i64..1000).prop_map(|(state, price, volatility, time)| {
            let (index, distance, sigma, seconds) = state;
            let moved = |value: u64, by: i64| (i128::from(value) * i128::from(1_000_000 + by) / 1_000_000) as u64;
            let later = moved(seconds, time);
            (state, (moved(index, price), distance, moved(sigma.into(), volatility) as u32, later))
        });
    // The same deviation at another volatility.
    let same_deviation = (state(), any::<bool>()).prop_map(|((index, distance, sigma, seconds), is_up)| {
        let (low, high) = ((index, distance, sigma, seconds / 16 * 16), (index, distance, 4 * sigma, seconds / 16));
        if is_up { (low, high) } else { (high, low) }
    });
    prop_oneof![near, same_deviation, (state(), state())]
}

fn position((lots, strike, is_call): Holding, (index, distance, volatility_ppm, seconds): State) -> PortfolioPosition {
    let kind = match strike {
        Some(strike) => PositionKind::Option { strike, is_call, volatility_ppm, seconds },
        None => PositionKind::Linear,
    };
    let mark = match strike {
        Some(strike) => option_mark(index, strike, volatility_ppm, seconds, is_call),
        None => (i128::from(index) * i128::from(1_000_000 + distance) / 1_000_000) as u64,
    };
    PortfolioPosition { kind, lots, tick_value: 100, index, mark }
}

/// Value at the marks less maintenance, in base units.
fn slack(parameters: &GridParameters<'_>, positions: &[PortfolioPosition]) -> i128 {
    let value = |position: &PortfolioPosition| {
        (i128::from(position.lots) * i128::from(position.tick_value) * i128::from(position.mark)).div_euclid(1_000_000)
    };
    positions.iter().map(value).sum::<i128>()
        - underlying_margin(&UnderlyingPositions { parameters, positions }).maintenance
}

/// Millionths of a base unit that a move of a quantity costs, of which the slope is for each `unit`.
fn cost(slope: Slope, from: i128, to: i128, unit: Scaled) -> Scaled {
    let rate = if to >= from { slope.rise } else { slope.fall };
    let distance = Scaled::from_integer((to - from).abs()).divided_by(unit);
    Scaled::from_integer(rate as i128) * distance
}

fn bound(parameters: &GridParameters<'_>, from: &PortfolioPosition, to: &PortfolioPosition) -> Scaled {
    let tick = Scaled::from_integer(1_000_000);
    let marks = cost(mark_slope_bound(parameters, from), from.mark.into(), to.mark.into(), tick);
    let prices = cost(price_slope_bound(parameters, from), from.index.into(), to.index.into(), tick);
    let mut sum = marks + prices + Scaled::from_integer(2_000_000 * rounding_bound(from) as i128);
    if let (
        PositionKind::Option { volatility_ppm, seconds, .. },
        PositionKind::Option { volatility_ppm: to_ppm, seconds: to_seconds, .. },
    ) = (from.kind, to.kind)
    {
        let slope = volatility_slope_bound(parameters, from);
        let one = Scaled::from_fixed(Fixed::ONE).shifted(96);
        let deviations =
            [bounded_stdev(volatility_ppm, seconds), bounded_stdev(to_ppm, to_seconds)].map(Fixed::to_bits);
        sum = sum + cost(slope.stdev, deviations[0], deviations[1], one);
        sum = sum + cost(slope.volatility, volatility_ppm.into(), to_ppm.into(), tick);
    }
    sum
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn slack_loses_no_more_than_the_slopes_say(
        holdings in prop::collection::vec(holding(), 1..6),
        states in prop::collection::vec(states(), 5),
        shares in (0u32..500_000, 0u32..1_000_000, 0u32..1_000_000, 0u32..300_000, 0u32..100_000, 0u32..500_000, 0u32..50_000),
        extreme in (-1_000_000i32..6_000_000, 0u32..1_000_000),
        one_index in any::<bool>(),
    ) {
        let parameters = GridParameters {
            price_range_ppm: shares.0, price_steps: 3, volatility_up_ppm: shares.1, volatility_down_ppm: shares.2,
            extremes: &[ExtremeMove { price_ppm: extreme.0, weight_ppm: extreme.1 }], short_option_ppm: shares.3, basis_ppm: shares.4,
            vega_ppm: shares.5, concentration_ppm: shares.6, concentration_value: 1_000_000_000, initial_factor_ppm: 1_200_000,
        };
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for (holding, (mut before, mut after)) in holdings.into_iter().zip(states.iter().copied()) {
            // Positions that expire together go on doing so, and those on one index too.
            if one_index {
                (before.0, after.0) = (states[0].0.0, states[0].1.0);
                (before.3, after.3) = (states[0].0.3, states[0].1.3);
            } else if let Some(place) = from.iter().position(|other: &PortfolioPosition| matches!(other.kind, PositionKind::Option { seconds, .. } if seconds == before.3)) {
                let _ = place;
                before.3 += 1_000_000 * from.len() as u64 + u64::from(before.3 == 0);
                after.3 += 1_000_000 * from.len() as u64 + u64::from(after.3 == 0);
            }
            from.push(position(holding, before));
            to.push(position(holding, after));
        }
        let lost = slack(&parameters, &from) - slack(&parameters, &to);
        let most = from.iter().zip(&to).fold(Scaled::ZERO, |sum, (from, to)| sum + bound(&parameters, from, to));
        prop_assert!(Scaled::from_integer(lost) * Scaled::from_integer(1_000_000) <= most, "lost {lost}, at most {:?}", most.floor());
    }
}

#[test]
fn slopes_of_single_positions() {
    const GRID: GridParameters<'static> = GridParameters { vega_ppm: 0, ..GridParameters::DEFAULT };
    let of = |lots, kind| PortfolioPosition { kind, lots, tick_value: 10, index: 1_000_000, mark: 1_000_000 };
    let option =
        |is_call| PositionKind::Option { strike: 1_000_000, is_call, volatility_ppm: 500_000, seconds: 86_400 };
    let none = Slope::default();
    // Of 3 lots of 10: 30 base units for a tick, times shares of the largest move, 16 %, and of what may be short or offset, 1 %.
    let rows = [
        ("long", of(3, PositionKind::Linear), Slope { fall: 34_800_000, rise: 0 }, Slope { fall: 0, rise: 300_000 }),
        ("short", of(-3, PositionKind::Linear), Slope { fall: 0, rise: 34_800_000 }, Slope { fall: 0, rise: 300_000 }),
        ("long call", of(3, option(true)), Slope { fall: 30_000_000, rise: 0 }, Slope { fall: 34_800_000, rise: 0 }),
        ("short call", of(-3, option(true)), Slope { fall: 0, rise: 30_000_000 }, Slope { fall: 0, rise: 35_100_000 }),
        ("long put", of(3, option(false)), Slope { fall: 30_000_000, rise: 0 }, Slope { fall: 0, rise: 34_800_000 }),
        (
            "short put",
            of(-3, option(false)),
            Slope { fall: 0, rise: 30_000_000 },
            Slope { fall: 34_800_000, rise: 300_000 },
        ),
        ("none", of(0, PositionKind::Linear), none, none),
    ];
    for (name, position, mark, index) in rows {
        assert_eq!(mark_slope_bound(&GRID, &position), mark, "{name}: mark");
        assert_eq!(price_slope_bound(&GRID, &position), index, "{name}: index");
    }
}
