//! Products, reciprocals and square roots of 128-bit integers, as binary fractions.
//!
//! A number with `S` fraction bits is an `i128` that counts units of 2^-S. Two formats are used: 96 bits ([`Fixed`](super::Fixed)), which
//! leaves 31 bits for the integer, and 120 bits for what stays below 128 in magnitude (series, Mills ratios, logarithms). All functions
//! are `const`, so that the tables of the other files are made by the compiler from the same series, and none of them can panic: where an
//! operand is outside of the stated range the result is a wrong number, and the callers' checks of their own inputs keep it from coming
//! to that.
//!
//! Errors: [`product`] rounds down, so it is at most one unit low. [`reciprocal`] and [`square_root`] start from 63 right bits, double them
//! once by Newton's rule and are right to 2^-122 relative.

/// Units of one with 120 fraction bits.
pub(super) const ONE_120: i128 = 1 << 120;

/// `a·b / 2^S`, rounded down, for 64 ≤ S < 128 and magnitudes below 2^126.
#[inline(always)]
pub(super) const fn product<const S: u32>(a: i128, b: i128) -> i128 {
    let (a_high, a_low) = ((a >> 64) as i64, a as u64);
    let (b_high, b_low) = ((b >> 64) as i64, b as u64);
    let low = (a_low as u128).wrapping_mul(b_low as u128) >> 64;
    let middle =
        (a_high as i128).wrapping_mul(b_low as i128).wrapping_add((b_high as i128).wrapping_mul(a_low as i128));
    let high = (a_high as i128).wrapping_mul(b_high as i128);
    (high << (128 - S)).wrapping_add(middle.wrapping_add(low as i128) >> (S - 64))
}

/// `a·b / 2^120`, rounded down.
#[inline(always)]
pub(super) const fn times(a: i128, b: i128) -> i128 {
    product::<120>(a, b)
}

/// The upper half of the product.
pub(super) const fn high_half(a: u128, b: u128) -> u128 {
    let (a_high, a_low) = (a >> 64, a & u64::MAX as u128);
    let (b_high, b_low) = (b >> 64, b & u64::MAX as u128);
    let low = (a_low * b_low) >> 64;
    let (middle, carry) = (a_high * b_low).overflowing_add(a_low * b_high);
    let (middle, second) = middle.overflowing_add(low);
    (a_high * b_high).wrapping_add(middle >> 64).wrapping_add(((carry as u128) + (second as u128)) << 64)
}

/// `2^254/a` for `a` in 2^127..2^128. Relative error below 2^-122.
pub(super) const fn reciprocal(a: u128) -> u128 {
    // A little below 2^192/a, with 62 right bits.
    let guess = (u128::MAX / ((a >> 64) + 1)) << 62;
    // guess·(1 + missing/2^126) has twice as many.
    let missing = (1 << 126) - high_half(a, guess);
    guess + high_half(guess << 1, missing << 1)
}

/// `n/d` with `S` fraction bits, for `d` > 0 and a result below 2^126 units in magnitude. Error below one unit and 2^-121 relative.
pub(super) const fn quotient<const S: u32>(n: i128, d: u128) -> i128 {
    let magnitude = n.unsigned_abs();
    if magnitude == 0 {
        return 0;
    }
    let (room, shift) = (magnitude.leading_zeros(), d.leading_zeros());
    // n/d · 2^(126 + room − shift).
    let scaled = high_half(magnitude << room, reciprocal(d << shift));
    let excess = 126 + room as i32 - shift as i32 - S as i32;
    let result = if excess >= 128 {
        0
    } else if excess >= 0 {
        (scaled >> excess) as i128
    } else {
        (scaled << (-excess & 127)) as i128
    };
    if n < 0 { result.wrapping_neg() } else { result }
}

/// The square root of `a` with `S` fraction bits, for an even `S` from 64 to 120. Error below one unit and 2^-121 relative.
pub(super) const fn square_root<const S: u32>(a: u128) -> u128 {
    if a == 0 {
        return 0;
    }
    let shift = a.leading_zeros() & !1;
    let normal = a << shift;
    let guess = normal.isqrt();
    // ½·(guess + normal/guess) with 62 more bits, which is √(a·2^shift)·2^62.
    let root = (guess << 61) + quotient::<62>((normal >> 1) as i128, guess) as u128;
    root >> (62 + shift / 2 - S / 2)
}
