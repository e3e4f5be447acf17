//! What holds of option prices whatever the numbers: parity, bounds, monotonicity, symmetry, and that nothing panics.
//!
//! How close prices are to the true ones is compared elsewhere; here they are compared with each other.

use proptest::prelude::*;
use rialto_market::pricing::{
    Fixed, ImpliedError, MAX_STDEV, MIN_IMPLIED_STDEV, PricingError, Scaled, Terms, YEAR_SECONDS, black76, exp,
    implied_stdev, intrinsic_value, ln, ln_ratio, normal_cdf, normal_pdf, option_mark, price, time_value, total_stdev,
};

/// 2^-80: what two ways of computing the same may differ by, relative to the larger term.
fn tolerance(size: Scaled) -> Scaled {
    size.abs().shifted(-80)
}

fn assert_close(found: Scaled, expected: Scaled, size: Scaled) {
    assert!((found - expected).abs() <= tolerance(size), "found {found}, expected {expected}");
}

fn stdev() -> impl Strategy<Value = Fixed> {
    (20u32..100, any::<u64>()).prop_map(|(bits, low)| Fixed::from_bits((1 << bits) + (i128::from(low) << bits >> 64)))
}

fn any_fixed() -> impl Strategy<Value = Fixed> {
    prop_oneof![
        any::<i128>().prop_map(Fixed::from_bits),
        (any::<i128>(), 0u32..127).prop_map(|(bits, shift)| Fixed::from_bits(bits >> shift)),
        prop::sample::select(vec![
            i128::MIN,
            i128::MIN + 1,
            i128::MAX,
            0,
            1,
            -1,
            1 << 96,
            -(1 << 96),
            1 << 125,
            (1 << 125) + 1
        ])
        .prop_map(Fixed::from_bits),
    ]
}

fn any_price() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (any::<u64>(), 0u32..64).prop_map(|(n, shift)| n >> shift),
        Just(0),
        Just(1),
        Just(u64::MAX)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn call_less_put_is_forward_less_strike(forward in 1u64.., strike in 1u64.., stdev in stdev()) {
        let call = price(forward, strike, stdev, true).expect("in the domain");
        let put = price(forward, strike, stdev, false).expect("in the domain");
        let expected = Scaled::from_integer(i128::from(forward) - i128::from(strike));
        assert_close(call - put, expected, Scaled::from_integer(forward.max(strike).into()));
    }

    #[test]
    fn prices_lie_between_intrinsic_value_and_the_limit(forward in 1u64.., strike in 1u64.., stdev in stdev(), is_call in any::<bool>()) {
        let price = price(forward, strike, stdev, is_call).expect("in the domain");
        prop_assert!(price >= Scaled::from_integer(intrinsic_value(forward, strike, is_call).into()));
        let limit = if is_call { forward } else { strike };
        prop_assert!(price <= Scaled::from_integer(limit.into()));
    }

    #[test]
    fn time_values_grow_with_the_deviation(forward in 1u64.., moneyness in 900_000u64..1_100_000, stdev in stdev()) {
        let strike = (u128::from(forward) * u128::from(moneyness) / 1_000_000).max(1).min(u64::MAX.into()) as u64;
        let more = Fixed::from_bits(stdev.to_bits() + (stdev.to_bits() >> 30) + 1);
        let (low, high) = (time_value(forward, strike, stdev), time_value(forward, strike, more));
        prop_assert!(low.expect("in the domain") <= high.expect("in the domain"));
    }

    #[test]
    fn calls_fall_and_puts_rise_with_the_strike(
        forward in 1u64.., strike in 1u64..u64::MAX / 2, distance in 1u64..u64::MAX / 2, stdev in stdev(),
    ) {
        let higher = strike + distance;
        let of = |strike, is_call| price(forward, strike, stdev, is_call).expect("in the domain");
        // Two prices that are nearly equal may change places in their last bits.
        let slack = tolerance(Scaled::from_integer(forward.max(higher).into()));
        prop_assert!(of(strike, true) + slack >= of(higher, true));
        prop_assert!(of(higher, false) + slack >= of(strike, false));
        // By no more than the difference of the strikes.
        let most = Scaled::from_integer(distance.into()) + slack;
        prop_assert!(of(strike, true) - of(higher, true) <= most);
        prop_assert!(of(higher, false) - of(strike, false) <= most);
    }

    #[test]
    fn a_call_is_a_put_with_forward_and_strike_exchanged(forward in 1u64.., strike in 1u64.., stdev in stdev()) {
        prop_assert_eq!(price(forward, strike, stdev, true), price(strike, forward, stdev, false));
    }

    #[test]
    fn derivatives_are_slopes(forward in 1u64 << 40..1 << 50, moneyness in 800_000u64..1_250_000, per_mille in 20u32..2000, is_call in any::<bool>()) {
        let strike = forward / 1_000_000 * moneyness;
        let years = Fixed::ONE;
        let terms = Terms { forward, strike, volatility: Fixed::from_ppm(per_mille * 1000), years, rate: Fixed::from_ppm(30_000), is_call };
        let value = |terms: Terms| black76(&terms).expect("in the domain");
        let here = value(terms);
        // Central differences, whose own error is of the order of the step's square.
        let step = forward >> 24;
        let (up, down) = (value(Terms { forward: forward + step, ..terms }), value(Terms { forward: forward - step, ..terms }));
        let width = Scaled::from_integer((2 * step).into());
        let near = |found: Scaled, expected: Scaled, size: Scaled| (found - expected).abs() <= size.abs().shifted(-24);
        prop_assert!(near((up.price - down.price).divided_by(width), here.delta, Scaled::ONE));
        prop_assert!(near((up.delta - down.delta).divided_by(width), here.gamma, Scaled::ONE.divided_by(Scaled::from_integer(forward.into())).shifted(10)));
        let shift = |fixed: Fixed, by: i128| Fixed::from_bits(fixed.to_bits() + by);
        let width = Scaled::ONE.shifted(-23);
        let size = Scaled::from_integer(forward.into());
        let of_volatility = |by| value(Terms { volatility: shift(terms.volatility, by), ..terms }).price;
        prop_assert!(near((of_volatility(1 << 72) - of_volatility(-(1 << 72))).divided_by(width), here.vega, size.shifted(10)));
        let of_rate = |by| value(Terms { rate: shift(terms.rate, by), ..terms }).price;
        prop_assert!(near((of_rate(1 << 72) - of_rate(-(1 << 72))).divided_by(width), here.rho, size));
        let of_years = |by| value(Terms { years: shift(years, by), ..terms }).price;
        prop_assert!(near((of_years(-(1 << 72)) - of_years(1 << 72)).divided_by(width), here.theta, size));
    }

    #[test]
    fn implied_deviations_give_the_price_again(forward in 1u64.., moneyness in 500_000u64..2_000_000, stdev in stdev(), is_call in any::<bool>()) {
        let strike = (u128::from(forward) * u128::from(moneyness) / 1_000_000).clamp(1, u64::MAX.into()) as u64;
        let wanted = price(forward, strike, stdev, is_call).expect("in the domain");
        match implied_stdev(forward, strike, wanted, is_call) {
            Ok(found) => {
                let again = price(forward, strike, found, is_call).expect("in the domain");
                prop_assert!((again - wanted).abs() <= wanted.shifted(-56), "{} {}", again, wanted);
                // The out-of-the-money price says more: there the deviation itself is found.
                let of_tail = implied_stdev(forward, strike, time_value(forward, strike, stdev).expect("in the domain"), forward <= strike);
                if let Ok(of_tail) = of_tail && stdev < Fixed::ONE {
                    prop_assert!((of_tail.to_bits() - stdev.to_bits()).abs() <= (stdev.to_bits() >> 40), "{:?} {:?}", of_tail, stdev);
                }
            }
            Err(ImpliedError::NoTimeValue { .. }) => prop_assert!(time_value(forward, strike, stdev).expect("in the domain") <= tolerance(wanted).shifted(10)),
            Err(ImpliedError::TooLow) => prop_assert!(stdev <= Fixed::from_bits(MIN_IMPLIED_STDEV.to_bits() * 2)),
            Err(error) => prop_assert!(false, "{}", error),
        }
    }

    #[test]
    fn nothing_panics(
        forward in any_price(), strike in any_price(), volatility in any_fixed(), years in any_fixed(), rate in any_fixed(),
        mantissa in any::<i128>(), exponent in any::<i32>(), is_call in any::<bool>(), seconds in any_price(),
    ) {
        let number = Scaled::new(mantissa, exponent);
        let _ = (black76(&Terms { forward, strike, volatility, years, rate, is_call }), total_stdev(volatility, seconds));
        let _ = (price(forward, strike, volatility, is_call), implied_stdev(forward, strike, number, is_call));
        let _ = (exp(volatility), ln(number), normal_cdf(volatility), normal_pdf(volatility), ln_ratio(mantissa as u128, years.to_bits() as u128));
        let _ = (number + exp(rate), number * exp(rate), number.divided_by(exp(rate)), number.floor(), number.ceil(), number.round(), number.to_fixed());
        let _ = (volatility.checked_mul(rate), volatility.sqrt(), Fixed::ratio(forward as i64, strike));
    }

    #[test]
    fn scaled_numbers_are_ordered_and_rounded_as_integers_are(a in any::<i64>(), b in any::<i64>(), shift in 0i32..40) {
        let (x, y) = (Scaled::from_integer(a.into()), Scaled::from_integer(b.into()));
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        prop_assert_eq!((x + y).floor(), Some(i128::from(a) + i128::from(b)));
        prop_assert_eq!((x * y).floor(), Some(i128::from(a) * i128::from(b)));
        prop_assert_eq!(x.shifted(-shift).floor(), Some(i128::from(a) >> shift));
        prop_assert_eq!(x.shifted(-shift).ceil(), Some(-(-i128::from(a) >> shift)));
    }
}

#[test]
fn what_is_outside_of_the_domain_is_named() {
    let terms = Terms {
        forward: 100,
        strike: 100,
        volatility: Fixed::ONE,
        years: Fixed::ONE,
        rate: Fixed::ZERO,
        is_call: true,
    };
    let over = |fixed: Fixed| Fixed::from_bits(fixed.to_bits() + 1);
    let below = Fixed::from_bits(-1);
    let rows = [
        ("forward", Terms { forward: 0, ..terms }, PricingError::Forward),
        ("strike", Terms { strike: 0, ..terms }, PricingError::Strike),
        ("volatility", Terms { volatility: below, ..terms }, PricingError::Volatility(below)),
        ("years", Terms { years: below, ..terms }, PricingError::Years(below)),
        ("rate", Terms { rate: over(Fixed::ONE), ..terms }, PricingError::Rate(over(Fixed::ONE))),
    ];
    for (name, terms, expected) in rows {
        assert_eq!(black76(&terms), Err(expected), "{name}");
    }
    for deviation in [below, over(MAX_STDEV)] {
        assert_eq!(price(100, 100, deviation, true), Err(PricingError::Stdev(deviation)));
    }
}

#[test]
fn without_time_or_volatility_the_price_is_the_intrinsic_value() {
    let rows = [("above", 120u64, 20u64, 0u64), ("at", 100, 0, 0), ("below", 80, 0, 20)];
    for (name, forward, call, put) in rows {
        for (is_call, expected) in [(true, call), (false, put)] {
            for (volatility, years) in [(Fixed::ONE, Fixed::ZERO), (Fixed::ZERO, Fixed::ONE)] {
                let terms = Terms { forward, strike: 100, volatility, years, rate: Fixed::ZERO, is_call };
                let value = black76(&terms).expect("in the domain");
                assert_eq!(value.price.floor(), Some(expected.into()), "{name}, call {is_call}");
                assert!(
                    value.vega.is_zero() && value.gamma.is_zero() && value.theta.is_zero(),
                    "{name}, call {is_call}"
                );
            }
        }
    }
}

#[test]
fn marks_exist_whatever_the_oracle_says() {
    const YEAR: u64 = YEAR_SECONDS;
    let rows = [
        ("nothing is worth nothing", 0, 100, 500_000, YEAR, true, 0),
        ("a put on nothing is worth the strike", 0, 100, 500_000, YEAR, false, 100),
        ("a call for nothing is the index", 100, 0, 500_000, YEAR, true, 100),
        ("at expiry", 130, 100, 500_000, 0, true, 30),
        (
            "the largest numbers, F·(1 − 2Φ(−8))",
            u64::MAX,
            u64::MAX,
            u32::MAX,
            u64::MAX,
            true,
            18_446_744_073_709_528_664,
        ),
        // Two normal probabilities, Φ(0.25) − Φ(−0.25) = 0.197413.
        ("at the money", 1_000_000, 1_000_000, 500_000, YEAR, true, 197_413),
    ];
    for (name, index, strike, volatility_ppm, seconds, is_call, expected) in rows {
        assert_eq!(option_mark(index, strike, volatility_ppm, seconds, is_call), expected, "{name}");
    }
}

#[test]
fn implied_deviations_that_are_not_there() {
    let exact = Scaled::from_integer;
    let rows = [
        ("at the intrinsic value", 120, 100, exact(20), true, ImpliedError::NoTimeValue { intrinsic: 20 }),
        ("below it", 120, 100, exact(19), true, ImpliedError::NoTimeValue { intrinsic: 20 }),
        ("at the forward", 120, 100, exact(120), true, ImpliedError::TooHigh),
        ("above the strike", 120, 100, exact(101), false, ImpliedError::TooHigh),
        ("nearly nothing", 100, 100, exact(1).shifted(-60), false, ImpliedError::TooLow),
        ("no forward", 0, 100, exact(1), false, ImpliedError::Pricing(PricingError::Forward)),
    ];
    for (name, forward, strike, price, is_call, expected) in rows {
        assert_eq!(implied_stdev(forward, strike, price, is_call), Err(expected), "{name}");
    }
}

#[test]
fn deviations_of_known_times() {
    // A quarter of a year halves the volatility of the year.
    let rows = [
        (1_000_000, YEAR_SECONDS, 1u64 << 32),
        (800_000, YEAR_SECONDS / 4, (1u64 << 32) * 2 / 5),
        (0, YEAR_SECONDS, 0),
        (1_000_000, 0, 0),
    ];
    for (ppm, seconds, expected) in rows {
        let found = total_stdev(Fixed::from_ppm(ppm), seconds).expect("below 16").to_bits() >> 64;
        assert!((found - i128::from(expected)).abs() <= 1, "{ppm} {seconds}: {found}");
    }
}
