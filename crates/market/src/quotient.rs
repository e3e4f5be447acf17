//! Products of two 128-bit numbers, divided: the arithmetic of amounts, prices and rates.
//!
//! An amount times a price or an index takes up to 256 bits before it is divided. Nearly always the product fits in 128, and is divided
//! there; otherwise in 256. The name of each function says where it rounds: `down` and `up` are towards minus and plus infinity, so that
//! the caller can round against whoever would gain. A quotient that does not fit is the largest number that does: callers that must not
//! go on with such a number check it against [`crate::types::MAX_AMOUNT`], which is far below.

use alloy_primitives::U256;

/// `a × b / divisor`, rounded down. A divisor of zero gives the largest number.
pub(crate) fn mul_div_down(a: u128, b: u128, divisor: u128) -> u128 {
    if divisor == 0 {
        return u128::MAX;
    }
    match a.checked_mul(b) {
        Some(product) => product / divisor,
        None => (product(a, b) / U256::from(divisor)).saturating_to(),
    }
}

/// `a × b / divisor`, rounded up. A divisor of zero gives the largest number.
pub(crate) fn mul_div_up(a: u128, b: u128, divisor: u128) -> u128 {
    if divisor == 0 {
        return u128::MAX;
    }
    match a.checked_mul(b) {
        Some(product) => product.div_ceil(divisor),
        None => product(a, b).div_ceil(U256::from(divisor)).saturating_to(),
    }
}

/// `a × b / 2^96`, rounded down.
pub(crate) fn mul_shift_down(a: u128, b: u128) -> u128 {
    (product(a, b) >> 96_usize).saturating_to()
}

/// `a × b / 2^96`, rounded up.
pub(crate) fn mul_shift_up(a: u128, b: u128) -> u128 {
    ((product(a, b) + ((U256::ONE << 96_usize) - U256::ONE)) >> 96_usize).saturating_to()
}

/// `a × b / divisor`, rounded down, that is towards minus infinity.
pub(crate) fn signed_mul_div_down(a: i128, b: u128, divisor: u128) -> i128 {
    if a >= 0 {
        to_signed(mul_div_down(a.unsigned_abs(), b, divisor))
    } else {
        -to_signed(mul_div_up(a.unsigned_abs(), b, divisor))
    }
}

/// `a × b / divisor`, rounded up, that is towards plus infinity.
pub(crate) fn signed_mul_div_up(a: i128, b: u128, divisor: u128) -> i128 {
    -signed_mul_div_down(a.saturating_neg(), b, divisor)
}

/// As a signed number, or the largest.
pub(crate) fn to_signed(value: u128) -> i128 {
    i128::try_from(value).unwrap_or(i128::MAX)
}

/// In 256 bits. It can't be too large: the largest is `(2^128 - 1)^2`, which also leaves room for what rounding up adds.
fn product(a: u128, b: u128) -> U256 {
    U256::from(a) * U256::from(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_as_named() {
        // a, b, divisor, down, up
        let big = 1_u128 << 100;
        let rows = [
            (7, 3, 2, 10, 11),
            (6, 3, 2, 9, 9),
            (big + 1, big, big, big + 1, big + 1),
            (big + 1, big + 1, big, big + 2, big + 3),
            (u128::MAX, u128::MAX, 1, u128::MAX, u128::MAX),
            (0, big, 7, 0, 0),
            (1, 1, 0, u128::MAX, u128::MAX),
        ];
        for (a, b, divisor, down, up) in rows {
            assert_eq!((mul_div_down(a, b, divisor), mul_div_up(a, b, divisor)), (down, up), "{a} × {b} / {divisor}");
        }
        for (a, down, up) in [(7_i128, 10, 11), (-7, -11, -10), (-6, -9, -9), (0, 0, 0)] {
            assert_eq!((signed_mul_div_down(a, 3, 2), signed_mul_div_up(a, 3, 2)), (down, up), "{a} × 3 / 2");
        }
        let one = 1_u128 << 96;
        for (a, b, down, up) in [(5, one, 5, 5), (5, one + 1, 5, 6), (big, big, 1 << 104, 1 << 104), (0, one, 0, 0)] {
            assert_eq!((mul_shift_down(a, b), mul_shift_up(a, b)), (down, up), "{a} × {b} / 2^96");
        }
    }
}
