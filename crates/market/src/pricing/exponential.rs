//! Natural logarithm of a ratio of integers, and the exponential.
//!
//! **Logarithm.** n/d = m·2^e with m in ½..2. With the nearest c = i/64, ln m = ln c + 2·atanh(z) for z = (m − c)/(m + c) =
//! (64·n − i·d)/(64·n + i·d), which is one division of integers without any rounding before it. |z| ≤ 2^-7, so seven terms of
//! atanh z = z + z³/3 + z⁵/5 + … leave less than 2^-115.
//!
//! **Exponential.** y = k·ln2/64 + r with |r| ≤ ln2/128 < 2^-7.5, and e^y = 2^(k div 64) · 2^((k mod 64)/64) · e^r. Twelve terms of e^r
//! leave less than 2^-118.
//!
//! Both tables are made by the compiler: logarithms of whole numbers by the same series of atanh, since ln i − ln (i−1) =
//! 2·atanh(1/(2i−1)), and powers of 2^(1/64) from six square roots of two.

use super::fixed::{Fixed, Scaled};
use super::wide::{ONE_120, quotient, square_root, times};

/// ln(i/64) for i in 0..=128 with 120 fraction bits; of 0, a zero that nobody asks for.
static LOGARITHMS: [i128; 129] = logarithms();

/// 2^(i/64) with 120 fraction bits.
static POWERS: [i128; 64] = powers();

/// ln 2 with 120 fraction bits.
const LN_2: i128 = logarithms()[128];

/// 1/ln 2 · 64 with 64 fraction bits.
const STEPS: i128 = quotient::<64>(ONE_120, (LN_2 >> 6) as u128);

const fn logarithms() -> [i128; 129] {
    let mut table = [0; 129];
    let mut i = 2;
    // ln i, from ln 1 = 0.
    while i <= 128 {
        let z = quotient::<120>(1, 2 * i as u128 - 1);
        let square = times(z, z);
        let (mut sum, mut power, mut odd) = (0, z, 1);
        while power > 0 {
            sum += power / odd;
            power = times(power, square);
            odd += 2;
        }
        table[i] = table[i - 1] + 2 * sum;
        i += 1;
    }
    let ln_64 = table[64];
    let mut i = 1;
    while i <= 128 {
        table[i] -= ln_64;
        i += 1;
    }
    table
}

const fn powers() -> [i128; 64] {
    let mut root = 2 * ONE_120;
    let mut halvings = 0;
    while halvings < 6 {
        root = square_root::<120>(root as u128) as i128;
        halvings += 1;
    }
    let mut table = [ONE_120; 64];
    let mut i = 1;
    while i < 64 {
        table[i] = times(table[i - 1], root);
        i += 1;
    }
    table
}

/// 1/n with 120 fraction bits.
const fn inverse(n: u128) -> i128 {
    quotient::<120>(1, n)
}

/// ln(n/d) with an error below 2^-93; `None` where either is zero.
pub fn ln_ratio(n: u128, d: u128) -> Option<Fixed> {
    const ODD: [i128; 7] = [ONE_120, inverse(3), inverse(5), inverse(7), inverse(9), inverse(11), inverse(13)];
    if n == 0 || d == 0 {
        return None;
    }
    let (n_room, d_room) = (n.leading_zeros(), d.leading_zeros());
    // Both in 2^118..2^119, so that what follows stays below 2^126 and, for numbers below 2^119, is exact.
    let (n, d) = ((n << n_room >> 9) as i128, (d << d_room >> 9) as i128);
    let exponent = d_room as i32 - n_room as i32;
    // 64·n/d to the nearest, from the upper bits: 32 to 128.
    let i = (((((n >> 62) as u64) << 7) / ((d >> 62) as u64) + 1) >> 1).clamp(32, 128);
    let i = i128::from(i);
    let (difference, sum) = (64 * n - i * d, 64 * n + i * d);
    let z = quotient::<120>(difference, sum as u128);
    let square = times(z, z);
    let mut series = ODD[6];
    for term in ODD[..6].iter().rev() {
        series = times(series, square) + term;
    }
    let fraction = 2 * times(series, z) + LOGARITHMS[i as usize];
    // The whole logarithm is below 90, so it fits.
    Some(Fixed::from_bits((fraction + i128::from(exponent) * LN_2) >> 24))
}

/// ln of a positive number; `None` of others.
pub fn ln(number: Scaled) -> Option<Fixed> {
    let (mantissa, exponent) = number.to_parts();
    if mantissa <= 0 {
        return None;
    }
    let fraction = ln_ratio(mantissa as u128, 1 << 125)?;
    Some(Fixed::from_bits(fraction.to_bits() + i128::from(exponent + 125) * (LN_2 >> 24)))
}

/// e^y with a relative error below 2^-94, of which nearly all is from the last bit of `y`, for |y| ≤ 2^20; beyond, of ±2^20.
pub fn exp(y: Fixed) -> Scaled {
    const FACTORIALS: [i128; 12] = [
        ONE_120,
        ONE_120,
        inverse(2),
        inverse(6),
        inverse(24),
        inverse(120),
        inverse(720),
        inverse(5040),
        inverse(40_320),
        inverse(362_880),
        inverse(3_628_800),
        inverse(39_916_800),
    ];
    let bits = y.to_bits().clamp(-(1 << 116), 1 << 116);
    // |bits|/2^64 < 2^52 times less than 2^71.
    let steps = ((bits >> 64) * STEPS + (1 << 95)) >> 96;
    // The difference is small, so what the shift of y and the product lose at the top is the same.
    let rest = (bits << 24).wrapping_sub(steps.wrapping_mul(LN_2 >> 6));
    let mut series = FACTORIALS[11];
    for term in FACTORIALS[..11].iter().rev() {
        series = times(series, rest) + term;
    }
    let mantissa = times(series, POWERS[(steps & 63) as usize]);
    Scaled::new(mantissa, (steps >> 6) as i32 - 120)
}
