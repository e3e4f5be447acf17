//! The number that prices are computed with: a signed binary fraction of 96 bits, and a scaled one for what spans many magnitudes.
//!
//! [`Fixed`] holds volatilities, times, rates and deviations: an `i128` in units of 2^-96, about 1.3e-29, from -2^31 to 2^31.
//!
//! [`Scaled`] holds results: `mantissa · 2^exponent`, with the mantissa's magnitude in 2^125..2^126 (or zero, with exponent zero). An
//! option far out of the money is worth 1e-300 of its underlying, and is right to the same relative error as one at the money. Products
//! and quotients are right to 2^-120 relative, sums to 2^-120 of the larger operand. Exponents saturate far beyond anything that prices
//! reach. A scaled number is made of integers, is the same on every machine, and never is "not a number".

use super::wide::{high_half, product, quotient, reciprocal, square_root};
use crate::types::PPM;
use core::cmp::Ordering;
use core::fmt;

/// A binary fraction in units of 2^-96. See the module's documentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fixed(i128);

impl Fixed {
    /// Fraction bits.
    pub const BITS: u32 = 96;
    /// One.
    pub const ONE: Self = Self(1 << 96);
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// The largest magnitude that operations take: 2^29.
    pub const LIMIT: Self = Self(1 << 125);

    /// Of this many units of 2^-96.
    pub const fn from_bits(bits: i128) -> Self {
        Self(bits)
    }

    /// Units of 2^-96.
    pub const fn to_bits(self) -> i128 {
        self.0
    }

    /// Of a number in millionths, rounded down.
    pub const fn from_ppm(ppm: u32) -> Self {
        Self(((ppm as i128) << 96) / PPM as i128)
    }

    /// `n/d`; `None` where it is beyond [`Self::LIMIT`] or `d` is zero.
    pub const fn ratio(n: i64, d: u64) -> Option<Self> {
        if d == 0 || n.unsigned_abs() / d >= 1 << 29 {
            return None;
        }
        Some(Self(quotient::<96>(n as i128, d as u128)))
    }

    /// The product, rounded down; `None` where an operand or the product is beyond [`Self::LIMIT`].
    pub fn checked_mul(self, other: Self) -> Option<Self> {
        let (a, b) = (self.0.unsigned_abs(), other.0.unsigned_abs());
        let is_small = a <= Self::LIMIT.0.unsigned_abs() && b <= Self::LIMIT.0.unsigned_abs();
        (is_small && high_half(a, b) < 1 << 93).then(|| self * other)
    }

    /// The square root; `None` of a negative number.
    pub const fn sqrt(self) -> Option<Self> {
        if self.0 < 0 {
            return None;
        }
        Some(Self(square_root::<96>(self.0 as u128) as i128))
    }
}

impl core::ops::Mul for Fixed {
    type Output = Self;

    /// The product, rounded down. Beyond [`Self::LIMIT`] it is a wrong number.
    fn mul(self, other: Self) -> Self {
        Self(product::<96>(self.0, other.0))
    }
}

/// `mantissa · 2^exponent`. See the module's documentation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Scaled {
    mantissa: i128,
    exponent: i32,
}

/// Exponents stay within this, so that sums of two of them don't overflow.
const EXPONENT_LIMIT: i32 = 1 << 24;

impl Scaled {
    /// Zero.
    pub const ZERO: Self = Self { mantissa: 0, exponent: 0 };
    /// One.
    pub const ONE: Self = Self { mantissa: 1 << 125, exponent: -125 };

    /// Of `mantissa · 2^exponent`, whatever the mantissa.
    pub const fn new(mantissa: i128, exponent: i32) -> Self {
        let magnitude = mantissa.unsigned_abs();
        if magnitude == 0 {
            return Self::ZERO;
        }
        let shift = magnitude.leading_zeros() as i32 - 2;
        let magnitude = if shift >= 0 { magnitude << shift } else { magnitude >> -shift } as i128;
        let mantissa = if mantissa < 0 { -magnitude } else { magnitude };
        let exponent = exponent.saturating_sub(shift);
        if exponent > EXPONENT_LIMIT {
            Self { mantissa, exponent: EXPONENT_LIMIT }
        } else if exponent < -EXPONENT_LIMIT {
            Self::ZERO
        } else {
            Self { mantissa, exponent }
        }
    }

    /// Of an integer.
    pub const fn from_integer(n: i128) -> Self {
        Self::new(n, 0)
    }

    /// Of a binary fraction.
    pub const fn from_fixed(fixed: Fixed) -> Self {
        Self::new(fixed.to_bits(), -96)
    }

    /// Mantissa and exponent.
    pub const fn to_parts(self) -> (i128, i32) {
        (self.mantissa, self.exponent)
    }

    /// Whether it is zero.
    pub const fn is_zero(self) -> bool {
        self.mantissa == 0
    }

    /// Whether it is above zero.
    pub const fn is_positive(self) -> bool {
        self.mantissa > 0
    }

    /// The magnitude.
    pub const fn abs(self) -> Self {
        Self { mantissa: self.mantissa.abs(), ..self }
    }

    /// Times 2^bits.
    pub const fn shifted(self, bits: i32) -> Self {
        Self::new(self.mantissa, self.exponent.saturating_add(bits))
    }

    /// The quotient; zero where the divisor is zero.
    pub const fn divided_by(self, divisor: Self) -> Self {
        if divisor.mantissa == 0 {
            return Self::ZERO;
        }
        // 2^125 ≤ a, b < 2^126: 2^254/(4b) has 127 bits, and a/b lies in ½..2.
        let inverse = reciprocal(divisor.mantissa.unsigned_abs() << 2);
        let magnitude = high_half(self.mantissa.unsigned_abs() << 2, inverse) as i128;
        let is_negative = (self.mantissa < 0) != (divisor.mantissa < 0);
        Self::new(if is_negative { -magnitude } else { magnitude }, self.exponent - divisor.exponent - 126)
    }

    /// The largest integer that is not above; `None` where it is beyond an `i128`.
    pub const fn floor(self) -> Option<i128> {
        if self.mantissa == 0 {
            return Some(0);
        }
        match self.exponent {
            2.. => None,
            exponent @ 0..2 => Some(self.mantissa << exponent),
            exponent @ -127..0 => Some(self.mantissa >> -exponent),
            _ => Some(self.mantissa >> 127),
        }
    }

    /// The smallest integer that is not below; `None` where it is beyond an `i128`.
    pub fn ceil(self) -> Option<i128> {
        (-self).floor().map(|n| -n)
    }

    /// The nearest integer, halves upwards; `None` where it is beyond an `i128`.
    pub fn round(self) -> Option<i128> {
        (self + Self::ONE.shifted(-1)).floor()
    }

    /// As a binary fraction, rounded down; `None` where it is beyond [`Fixed::LIMIT`].
    pub fn to_fixed(self) -> Option<Fixed> {
        let bits = self.shifted(96).floor()?;
        (bits.unsigned_abs() <= Fixed::LIMIT.to_bits().unsigned_abs()).then_some(Fixed::from_bits(bits))
    }
}

impl core::ops::Neg for Scaled {
    type Output = Self;

    fn neg(self) -> Self {
        Self { mantissa: -self.mantissa, ..self }
    }
}

impl core::ops::Mul for Scaled {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self::new(product::<126>(self.mantissa, other.mantissa), self.exponent + other.exponent + 126)
    }
}

impl core::ops::Add for Scaled {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        if self.is_zero() || other.is_zero() {
            return if self.is_zero() { other } else { self };
        }
        let (large, small) = if self.exponent >= other.exponent { (self, other) } else { (other, self) };
        let distance = large.exponent - small.exponent;
        Self::new(large.mantissa + (small.mantissa >> distance.min(127)), large.exponent)
    }
}

impl core::ops::Sub for Scaled {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self + -other
    }
}

impl PartialOrd for Scaled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scaled {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.mantissa.signum().cmp(&other.mantissa.signum());
        let sizes = (self.exponent, self.mantissa.unsigned_abs()).cmp(&(other.exponent, other.mantissa.unsigned_abs()));
        signs.then(if self.mantissa < 0 { sizes.reverse() } else { sizes })
    }
}

impl fmt::Display for Scaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}*2^{}", self.mantissa, self.exponent)
    }
}
