//! Levels: values of a risk factor as 32-bit keys of the price index.
//!
//! A factor's value is any `i128`; a level is its sign, the place of its highest bit and the 20 bits below that one, so that a level is
//! about a millionth of the value wide. The map is monotone, and this is all that correctness needs: for a trigger at value `t`, a value
//! `x ≤ t` has `level(x) ≤ level(t)`, so that comparing levels misses nothing, and meets too early by at most a millionth.

use crate::types::Amount;

/// Bits below the highest that count.
const MANTISSA_BITS: u32 = 20;

/// The level of zero.
const ZERO: u32 = 1 << 31;

/// The level of a value. Monotone.
pub(crate) fn level_of(value: Amount) -> u32 {
    let magnitude = value.unsigned_abs();
    let Some(top) = magnitude.checked_ilog2() else { return ZERO };
    let below = magnitude ^ (1 << top);
    let mantissa = if top >= MANTISSA_BITS { below >> (top - MANTISSA_BITS) } else { below << (MANTISSA_BITS - top) };
    let key = (top + 1) << MANTISSA_BITS | mantissa as u32;
    if value > 0 { ZERO + key } else { ZERO - 1 - key }
}

/// The bounds `(least, most)` of the values with this level.
pub(crate) fn values_of(level: u32) -> (Amount, Amount) {
    if level >= ZERO {
        let (least, most) = magnitudes_of(level - ZERO);
        (least, most)
    } else {
        let (least, most) = magnitudes_of(ZERO - 1 - level);
        (-most, -least)
    }
}

fn magnitudes_of(key: u32) -> (Amount, Amount) {
    let Some(top) = (key >> MANTISSA_BITS).checked_sub(1) else { return (0, 0) };
    let top = top.min(126);
    let mantissa = Amount::from(key & ((1 << MANTISSA_BITS) - 1));
    let high = 1 << top;
    if top >= MANTISSA_BITS {
        let least = high + (mantissa << (top - MANTISSA_BITS));
        (least, least + ((1 << (top - MANTISSA_BITS)) - 1))
    } else {
        let value = high + (mantissa >> (MANTISSA_BITS - top));
        (value, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values() -> impl Strategy<Value = Amount> {
        (any::<Amount>(), 1..120u32).prop_map(|(value, shift)| value >> shift)
    }

    proptest! {
        #[test]
        fn levels_are_monotone_and_narrow(a in values(), b in values()) {
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(level_of(low) <= level_of(high));
            let (least, most) = values_of(level_of(a));
            prop_assert!(least <= a && a <= most, "{} in {}..={}", a, least, most);
            prop_assert!(most - least <= a.abs() >> 19);
            prop_assert_eq!(level_of(least), level_of(a));
            prop_assert_eq!(level_of(most), level_of(a));
        }
    }

    #[test]
    fn zero_is_in_the_middle() {
        assert_eq!(level_of(0), ZERO);
        assert!(level_of(-1) < ZERO && level_of(1) > ZERO);
        assert!(level_of(Amount::MAX) > level_of(1 << 126) || level_of(Amount::MAX) == u32::MAX);
        assert_eq!(values_of(ZERO), (0, 0));
    }
}
