//! Black's formula of 1976 for a European option on a forward, and its derivatives.
//!
//! With forward F, strike K, s = σ√T, h = |ln(F/K)|/s and t = s/2, the time value (the price of whichever of call and put is out of the
//! money) is min(F,K)·B with
//!
//! ```text
//! B = φ(h−t)·(Y(h−t) − Y(h+t))            where h ≥ t
//!   = 1 − φ(h−t)·(Y(t−h) + Y(h+t))        where h < t
//! ```
//!
//! where Y is Mills' ratio (see the file on the normal distribution). This is F·Φ(d₁) − K·Φ(d₂) with what the two terms have in common,
//! F·φ(d₁) = K·φ(d₂), taken out: the magnitude of a price far out of the money lies in φ alone, which is right to a small *relative*
//! error. What remains of cancellation is that of Y(h−t) − Y(h+t), at worst s/64 of either, which 88 right bits of Y outlast down to
//! s = 2^-20. The option in the money adds the intrinsic value, which is exact.
//!
//! # Domain
//! | | least | most |
//! | --- | --- | --- |
//! | forward, strike | 1 | 2^64 − 1 |
//! | total standard deviation s | 0 | 16 |
//! | years to expiry | 0 | 128 |
//! | rate per year | −1 | 1 |
//!
//! Outside of it there is an error that names the quantity. Inside, for s ≥ 2^-20 and h + s/2 < 64 (prices from about 1e-890 of the
//! forward), each result has a relative error below 1e-18; theta is the sum of two parts, and its error is relative to the larger one.
//! Where h + s/2 ≥ 64 the time value and its derivatives are zero. Where s < 2^-20 the time value, itself below 4e-7 of the forward, is
//! right to 1e-27/s relative, and s < 2^-60 counts as zero.
//!
//! Source: F. Black, "The pricing of commodity contracts", Journal of Financial Economics 3 (1976); the form with Mills' ratio is
//! classical, see P. Jäckel, "Let's be rational" (2013), for why it is preferred.

use super::exponential::{exp, ln_ratio};
use super::fixed::{Fixed, Scaled};
use super::normal::{TAIL_LIMIT, density, mills_ratios};
use super::wide::{quotient, square_root};
use core::fmt;

/// The largest total standard deviation.
pub const MAX_STDEV: Fixed = Fixed::from_bits(16 << Fixed::BITS);
/// A total standard deviation below this counts as zero.
pub const MIN_STDEV: Fixed = Fixed::from_bits(1 << (Fixed::BITS - 60));
/// The longest time to expiry, in years.
pub const MAX_YEARS: Fixed = Fixed::from_bits(128 << Fixed::BITS);
/// The largest magnitude of a rate per year.
pub const MAX_RATE: Fixed = Fixed::ONE;
/// Seconds of a year of 365 days, the year of volatilities and rates.
pub const YEAR_SECONDS: u64 = 31_536_000;

/// Which argument is outside of the domain. See the module's documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PricingError {
    /// The forward is zero.
    Forward,
    /// The strike is zero.
    Strike,
    /// The total standard deviation is below zero or above [`MAX_STDEV`].
    Stdev(Fixed),
    /// The volatility is below zero, or beyond [`Fixed::LIMIT`].
    Volatility(Fixed),
    /// The time to expiry is below zero or above [`MAX_YEARS`].
    Years(Fixed),
    /// The rate is beyond [`MAX_RATE`].
    Rate(Fixed),
}

impl fmt::Display for PricingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, value, expected) = match self {
            Self::Forward => return write!(f, "the forward is 0, expected at least 1"),
            Self::Strike => return write!(f, "the strike is 0, expected at least 1"),
            Self::Stdev(value) => ("total standard deviation", value, "0 to 16"),
            Self::Volatility(value) => ("volatility", value, "0 to 2^29"),
            Self::Years(value) => ("time to expiry in years", value, "0 to 128"),
            Self::Rate(value) => ("rate per year", value, "-1 to 1"),
        };
        write!(f, "the {name} is {}*2^-96, expected {expected}", value.to_bits())
    }
}

impl core::error::Error for PricingError {}

/// What an option is and the market it is priced in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Forward price for the expiry, in any unit.
    pub forward: u64,
    /// Strike, in the same unit.
    pub strike: u64,
    /// Volatility of the forward per √year.
    pub volatility: Fixed,
    /// Years to expiry.
    pub years: Fixed,
    /// Continuously compounded rate per year, with which the premium is discounted.
    pub rate: Fixed,
    /// Whether it is a call.
    pub is_call: bool,
}

/// An option's price and its derivatives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Valuation {
    /// Price, in the unit of the forward.
    pub price: Scaled,
    /// Change of the price per change of the forward.
    pub delta: Scaled,
    /// Change of delta per change of the forward.
    pub gamma: Scaled,
    /// Change of the price per change of the volatility by one.
    pub vega: Scaled,
    /// Change of the price per year that passes, at the same forward.
    pub theta: Scaled,
    /// Change of the price per change of the rate by one, at the same forward.
    pub rho: Scaled,
}

/// What price and derivatives are made of, in terms of h and t of the module's documentation. All for a forward or strike, whichever is
/// lower, of one.
pub(super) struct Parts {
    /// φ(h−t).
    pub(super) density: Scaled,
    /// Φ(t−h) and Φ(h−t), each with its own small relative error.
    near: (Scaled, Scaled),
    /// φ(h−t)·Y(h+t), which is Φ(−h−t) times the higher over the lower one.
    far: Scaled,
    /// B.
    pub(super) time_value: Scaled,
}

impl Parts {
    /// Where nothing is left of the time value.
    const NONE: Self =
        Self { density: Scaled::ZERO, near: (Scaled::ZERO, Scaled::ONE), far: Scaled::ZERO, time_value: Scaled::ZERO };

    /// From |ln(F/K)| and s.
    pub(super) fn new(log_distance: Fixed, stdev: Fixed) -> Self {
        let (distance, stdev) = (log_distance.to_bits(), stdev.to_bits());
        // h < 64, or there is nothing.
        if stdev < MIN_STDEV.to_bits() || distance >> 6 >= stdev {
            return Self::NONE;
        }
        let h = quotient::<96>(distance, stdev as u128);
        let (w_near, w_far) = (h - stdev / 2, h + (stdev + 1) / 2);
        if w_far >= TAIL_LIMIT.to_bits() {
            return Self::NONE;
        }
        let density = density(w_near);
        let [near, far] = mills_ratios([w_near.abs(), w_far]);
        let tail = density * Scaled::new(near, -120);
        let (near, time_value) = if w_near >= 0 {
            ((tail, Scaled::ONE - tail), density * Scaled::new(near - far, -120))
        } else {
            ((Scaled::ONE - tail, tail), Scaled::ONE - density * Scaled::new(near + far, -120))
        };
        Self { density, near, far: density * Scaled::new(far, -120), time_value }
    }
}

pub(super) fn check(forward: u64, strike: u64, stdev: Fixed) -> Result<Fixed, PricingError> {
    if stdev < Fixed::ZERO || stdev > MAX_STDEV {
        return Err(PricingError::Stdev(stdev));
    }
    let logarithm = ln_ratio(forward.max(strike).into(), forward.min(strike).into());
    logarithm.ok_or(if forward == 0 { PricingError::Forward } else { PricingError::Strike })
}

/// The total standard deviation of a volatility per √year over some seconds; `None` beyond [`MAX_STDEV`].
pub fn total_stdev(volatility: Fixed, seconds: u64) -> Option<Fixed> {
    let years = Fixed::ratio(i64::try_from(seconds).ok()?, YEAR_SECONDS)?;
    volatility.checked_mul(years.sqrt()?).filter(|stdev| (Fixed::ZERO..=MAX_STDEV).contains(stdev))
}

/// Time value of a European option on a forward, undiscounted, for a total standard deviation, in the unit of forward and strike.
///
/// # Errors
/// Where an argument is outside of the domain.
pub fn time_value(forward: u64, strike: u64, stdev: Fixed) -> Result<Scaled, PricingError> {
    let parts = Parts::new(check(forward, strike, stdev)?, stdev);
    Ok(parts.time_value * Scaled::from_integer(forward.min(strike).into()))
}

/// Price of a European option on a forward, undiscounted, for a total standard deviation, in the unit of forward and strike.
///
/// # Errors
/// Where an argument is outside of the domain.
pub fn price(forward: u64, strike: u64, stdev: Fixed, is_call: bool) -> Result<Scaled, PricingError> {
    Ok(time_value(forward, strike, stdev)? + Scaled::from_integer(intrinsic_value(forward, strike, is_call).into()))
}

/// What the option would pay if the forward were what it settles at.
pub fn intrinsic_value(forward: u64, strike: u64, is_call: bool) -> u64 {
    if is_call { forward.saturating_sub(strike) } else { strike.saturating_sub(forward) }
}

/// Price and derivatives.
///
/// # Errors
/// Where an argument is outside of the domain.
pub fn black76(terms: &Terms) -> Result<Valuation, PricingError> {
    let Terms { forward, strike, volatility, years, rate, is_call } = *terms;
    if years < Fixed::ZERO || years > MAX_YEARS {
        return Err(PricingError::Years(years));
    }
    if rate > MAX_RATE || rate < Fixed::from_bits(-MAX_RATE.to_bits()) {
        return Err(PricingError::Rate(rate));
    }
    if volatility < Fixed::ZERO || volatility > Fixed::LIMIT {
        return Err(PricingError::Volatility(volatility));
    }
    let root = Fixed::from_bits(square_root::<96>(years.to_bits() as u128) as i128);
    let stdev = volatility.checked_mul(root).ok_or(PricingError::Stdev(volatility))?;
    let parts = Parts::new(check(forward, strike, stdev)?, stdev);

    let discount = exp(Fixed::from_bits(-(rate * years).to_bits()));
    let lower = discount * Scaled::from_integer(forward.min(strike).into());
    let intrinsic = discount * Scaled::from_integer(intrinsic_value(forward, strike, is_call).into());
    let price = lower * parts.time_value + intrinsic;
    // F·φ(d₁) = min(F,K)·φ(h−t), discounted.
    let weight = lower * parts.density;
    let (time, root) = (Scaled::from_fixed(years), Scaled::from_fixed(root));
    let (level, stdev) = (Scaled::from_integer(forward.into()), Scaled::from_fixed(stdev));
    let decay = if time.is_zero() { Scaled::ZERO } else { (weight * stdev).divided_by(time).shifted(-1) };
    let gamma = if parts.density.is_zero() { Scaled::ZERO } else { weight.divided_by(level * level * stdev) };
    Ok(Valuation {
        price,
        delta: discount * delta(&parts, forward, strike, is_call),
        gamma,
        vega: weight * root,
        theta: Scaled::from_fixed(rate) * price - decay,
        rho: -(time * price),
    })
}

/// Φ(d₁) for a call and −Φ(−d₁) for a put. Where nothing is left of the time value and forward and strike are equal, the call counts as
/// out of the money.
fn delta(parts: &Parts, forward: u64, strike: u64, is_call: bool) -> Scaled {
    // d₁ is t − h where F ≤ K, and h + t where F > K: of the latter the tail is known, but for the factor F/K.
    let (below, above) = if forward <= strike {
        parts.near
    } else {
        let (lower, higher) = (Scaled::from_integer(strike.into()), Scaled::from_integer(forward.into()));
        let tail = (parts.far * lower).divided_by(higher);
        (Scaled::ONE - tail, tail)
    };
    if is_call { below } else { -above }
}
