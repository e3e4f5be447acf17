//! The volatility that a price implies.
//!
//! The time value grows strictly with the total standard deviation s, from zero towards the lower of forward and strike, so there is at
//! most one s. It is kept between two bounds. Each step tries Newton's rule on the logarithm of the time value, whose derivative is
//! φ(h−t)/B, and takes the middle of the bounds instead where that leaves them or moves by more than half of the move before. So each
//! step halves either the bounds or the move, and [`MAX_STEPS`] suffice for the last bit; mostly it takes fewer than ten.
//!
//! How well a price determines s is a property of the price: where it is within rounding of its upper limit, or s below the last bits
//! of an intrinsic value that was part of it, many s are as good as each other. The one that is returned has a time value within 2^-56
//! relative of the given one, which deep in the tail is as near as the last bit of s comes.

use super::black76::{MAX_STDEV, Parts, PricingError, check, intrinsic_value};
use super::exponential::ln;
use super::fixed::{Fixed, Scaled};
use core::fmt;

/// Most steps of the search.
pub const MAX_STEPS: u32 = 240;
/// The least total standard deviation that is found.
pub const MIN_IMPLIED_STDEV: Fixed = Fixed::from_bits(1 << (Fixed::BITS - 40));

/// Why a price has no implied volatility.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImpliedError {
    /// Forward or strike are outside of the domain.
    Pricing(PricingError),
    /// The price is not above the intrinsic value.
    NoTimeValue {
        /// Intrinsic value.
        intrinsic: u64,
    },
    /// The price is that of a total standard deviation below [`MIN_IMPLIED_STDEV`].
    TooLow,
    /// The price is that of a total standard deviation above [`MAX_STDEV`], or of none: at or above the forward (call) or strike (put).
    TooHigh,
}

impl fmt::Display for ImpliedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pricing(error) => write!(f, "{error}"),
            Self::NoTimeValue { intrinsic } => write!(f, "the price is not above the intrinsic value of {intrinsic}"),
            Self::TooLow => write!(f, "the price is that of a total standard deviation below 2^-40"),
            Self::TooHigh => write!(f, "the price is that of a total standard deviation above 16"),
        }
    }
}

impl core::error::Error for ImpliedError {}

/// The total standard deviation at which an undiscounted price, in the unit of forward and strike, is that of Black's formula.
///
/// # Errors
/// Where there is none in the domain.
pub fn implied_stdev(forward: u64, strike: u64, price: Scaled, is_call: bool) -> Result<Fixed, ImpliedError> {
    let distance = check(forward, strike, Fixed::ZERO).map_err(ImpliedError::Pricing)?;
    let intrinsic = intrinsic_value(forward, strike, is_call);
    let time_value = price - Scaled::from_integer(intrinsic.into());
    if !time_value.is_positive() {
        return Err(ImpliedError::NoTimeValue { intrinsic });
    }
    let target = time_value.divided_by(Scaled::from_integer(forward.min(strike).into()));
    let (mut low, mut high) = (MIN_IMPLIED_STDEV, MAX_STDEV);
    if Parts::new(distance, high).time_value < target {
        return Err(ImpliedError::TooHigh);
    }
    if Parts::new(distance, low).time_value > target {
        return Err(ImpliedError::TooLow);
    }
    let mut guess = first_guess(distance);
    let mut last_move = u128::MAX;
    for _ in 0..MAX_STEPS {
        let parts = Parts::new(distance, guess);
        if parts.time_value < target {
            low = guess
        } else {
            high = guess
        }
        let next = newton_step(&parts, target).and_then(|step| guess.to_bits().checked_add(step)).map(Fixed::from_bits);
        let newton = next.filter(|next| (low..=high).contains(next) && distance_between(*next, guess) <= last_move / 2);
        let next = newton.unwrap_or_else(|| middle(low, high));
        last_move = distance_between(next, guess);
        guess = next;
        // The error after a step of Newton's is of the order of its square.
        if (newton.is_some() && last_move <= guess.to_bits().unsigned_abs() >> 60) || distance_between(low, high) <= 1 {
            break;
        }
    }
    Ok(guess)
}

/// Where the curvature of the price in s changes, √(2|ln(F/K)|), or what is usual at the money.
fn first_guess(distance: Fixed) -> Fixed {
    let inflection = Fixed::from_bits(2 * distance.to_bits()).sqrt().unwrap_or(Fixed::ONE);
    inflection.clamp(Fixed::from_ppm(10_000), MAX_STDEV)
}

/// The middle of the bounds, on a scale of powers of two where they are far apart.
fn middle(low: Fixed, high: Fixed) -> Fixed {
    let (low, high) = (low.to_bits(), high.to_bits());
    let bits = (high / low.max(1)).unsigned_abs().checked_ilog2().unwrap_or(0);
    Fixed::from_bits(if bits >= 3 { low << (bits / 2) } else { low + (high - low) / 2 })
}

fn distance_between(a: Fixed, b: Fixed) -> u128 {
    a.to_bits().abs_diff(b.to_bits())
}

/// (ln target − ln B)·B/φ(h−t) in units of 2^-96; `None` where B is zero or the step is huge.
fn newton_step(parts: &Parts, target: Scaled) -> Option<i128> {
    let error = ln(target.divided_by(parts.time_value))?;
    let step = Scaled::from_fixed(error) * parts.time_value.divided_by(parts.density);
    step.to_fixed().map(Fixed::to_bits)
}
