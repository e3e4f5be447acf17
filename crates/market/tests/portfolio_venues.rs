//! Numbers that clearing houses and venues work out in their documents come out here too.
//!
//! Each row has its source. One lot is one unit of the underlying (one contract for SPAN), and a base unit a cent.

use rialto_market::portfolio::{
    ExtremeMove, GridParameters, PortfolioPosition, PositionKind, UnderlyingMargin, UnderlyingPositions,
    VolatilityMove, underlying_margin,
};
use rialto_market::pricing::{Fixed, price, total_stdev};

const DAY: u64 = 86_400;
/// Cents of a dollar.
const TICK_VALUE: u64 = 100;

/// No contingencies and no extremes: each row says what it has.
const NOTHING: GridParameters<'static> = GridParameters {
    price_range_ppm: 0,
    price_steps: 1,
    volatility_up_ppm: 0,
    volatility_down_ppm: 0,
    extremes: &[],
    short_option_ppm: 0,
    basis_ppm: 0,
    vega_ppm: 0,
    concentration_ppm: 0,
    concentration_value: 0,
    initial_factor_ppm: 1_000_000,
};

/// Dollars and ten thousandths in micro-ticks of a dollar.
fn dollars(whole: u64, ten_thousandths: u64) -> u64 {
    whole * 1_000_000 + ten_thousandths * 100
}

fn future(lots: i64, tick_value: u64, index: u64, mark: u64) -> PortfolioPosition {
    PortfolioPosition { kind: PositionKind::Linear, lots, tick_value, index, mark }
}

fn option(lots: i64, index: u64, strike: u64, is_call: bool, volatility_ppm: u32, seconds: u64) -> PortfolioPosition {
    let kind = PositionKind::Option { strike, is_call, volatility_ppm, seconds };
    let stdev = total_stdev(Fixed::from_ppm(volatility_ppm), seconds).expect("in the domain");
    let mark = price(index, strike, stdev, is_call).expect("in the domain").round().expect("fits") as u64;
    PortfolioPosition { kind, lots, tick_value: TICK_VALUE, index, mark }
}

fn margin(parameters: GridParameters<'_>, positions: &[PortfolioPosition]) -> UnderlyingMargin {
    underlying_margin(&UnderlyingPositions { parameters: &parameters, positions })
}

/// L. McMillan, "Options as a Strategic Investment", chapter 34: the S&P 500 future at 500 dollars a point, a range of 20 points in thirds,
/// an extreme move of 14 points. The index level is not said, and does not matter; here it is 400.
#[test]
fn span_array_of_a_future() {
    let index = dollars(400, 0);
    let thirds = GridParameters { price_range_ppm: 50_000, price_steps: 3, ..NOTHING };
    // Twice the range, of which 35 % counts: 14 points.
    let extremes = [-100_000, 100_000].map(|price_ppm| ExtremeMove { price_ppm, weight_ppm: 350_000 });
    let rows = [
        ("long: $10,000, down three thirds", 1, GridParameters { extremes: &extremes, ..thirds }, 10_000, -50_000),
        ("short: $10,000, up three thirds", -1, GridParameters { extremes: &extremes, ..thirds }, 10_000, 50_000),
        ("long, extreme move alone: $7,000", 1, GridParameters { extremes: &extremes, ..NOTHING }, 7_000, -100_000),
        ("short, extreme move alone: $7,000", -1, GridParameters { extremes: &extremes, ..NOTHING }, 7_000, 100_000),
        (
            "one third: $3,333.33",
            1,
            GridParameters { price_range_ppm: 16_667, price_steps: 1, ..NOTHING },
            3_333,
            -16_667,
        ),
    ];
    for (name, lots, parameters, expected, price_ppm) in rows {
        let found = margin(parameters, &[future(lots, 500 * TICK_VALUE, index, index)]);
        assert_eq!((found.scenario_loss / 100, found.worst.price_ppm), (expected, price_ppm), "{name}");
    }
}

/// Dederi, "Portfolio Margin" (wiki.dederi.io/RiskControlRules/portfolio_margin): Alice is long 10 ETH-10JAN24 futures at 2,253.2 with the
/// index at 2,243.3; losses in dollars for each price shock, and a contingency of 0.6 % of the index value.
#[test]
fn dederi_table_of_a_future() {
    let position = future(10, TICK_VALUE, dollars(2_243, 3000), dollars(2_253, 2000));
    for (percent, expected) in [(3, 676), (6, 1352), (9, 2028), (12, 2704), (15, 3380)] {
        let found = margin(GridParameters { price_range_ppm: percent * 10_000, ..NOTHING }, &[position]);
        let rounded = (found.scenario_loss + 50) / 100;
        assert_eq!(rounded, expected, "{percent} %");
    }
    // $134.6, to the cent 134.598.
    let found = margin(GridParameters { concentration_ppm: 6_000, ..NOTHING }, &[position]);
    assert_eq!(found.contingency, 13_460);
}

/// Deribit, "Portfolio Margin" (www.deribit.com/pages/docs/portfoliomargin, and the older page under docs/category/uncategorized).
#[test]
fn deribit_contingencies() {
    let index = dollars(10_000, 0);
    let strike = dollars(11_000, 0);
    let month = 30 * DAY;
    let calls_and_puts =
        [option(10, index, strike, true, 600_000, month), option(-20, index, strike, false, 600_000, month)];
    let two_strikes =
        [option(10, index, index, true, 600_000, month), option(-20, index, strike, false, 600_000, month)];
    let futures = [future(100, TICK_VALUE, index, index), future(-100, TICK_VALUE, index, index)];
    let hundredth = GridParameters { short_option_ppm: 10_000, ..NOTHING };
    // Of a bitcoin, at 10,000 dollars.
    let rows = [
        ("calls +10 and puts −20 at a strike: 10 × 0.01", hundredth, &calls_and_puts, 10 * 10_000),
        ("not netted over strikes: 20 × 0.01", hundredth, &two_strikes, 20 * 10_000),
        ("100 long and 100 short: 1 % of 100", GridParameters { basis_ppm: 10_000, ..NOTHING }, &futures, 1_000_000),
        ("2 % of 100", GridParameters { basis_ppm: 20_000, ..NOTHING }, &futures, 2_000_000),
    ];
    for (name, parameters, positions, expected) in rows {
        let found = margin(parameters, positions);
        assert_eq!(found.contingency, expected, "{name}");
    }
    // The futures themselves offset.
    assert_eq!(
        margin(GridParameters { price_range_ppm: 125_000, price_steps: 4, ..NOTHING }, &futures).scenario_loss,
        0
    );
}

/// The same pages: volatilities change by √(30/days) × 40 %, so by 40 % for 30 days and by 56.6 % for 15; and by √(30/days) × 27 % on an
/// earlier one (riskingtime.com/tag/deribit).
#[test]
fn deribit_volatility_moves() {
    let index = dollars(10_000, 0);
    let rows = [
        (30, 400_000, 1_400_000),
        (15, 400_000, 1_565_685),
        (30, 270_000, 1_270_000),
        (15, 270_000, 1_381_838),
        (120, 400_000, 1_200_000),
    ];
    for (days, up_ppm, moved_ppm) in rows {
        // 80 % of volatility, moved by the factor that is expected.
        let sold = option(-1000, index, dollars(12_000, 0), true, 800_000, days * DAY);
        let found = margin(GridParameters { volatility_up_ppm: up_ppm, ..NOTHING }, &[sold]);
        let moved = option(
            -1000,
            index,
            dollars(12_000, 0),
            true,
            800_000 / 1000 * (moved_ppm / 1000) + moved_ppm % 1000 * 8 / 10,
            days * DAY,
        );
        let expected = i128::from(moved.mark - sold.mark) * 100 / 1000;
        assert_eq!(found.worst.volatility, VolatilityMove::Up, "{days} days");
        // A millionth of volatility is worth a cent or two of a thousand options.
        assert!((found.scenario_loss - expected).abs() <= 3_000, "{days} days: {} {expected}", found.scenario_loss);
    }
}
