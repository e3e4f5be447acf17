//! Powers modulo a number of up to 256 bits, odd or even.
//!
//! All multiplications of a power have one modulus and hence one reciprocal, with which a product is reduced in one or
//! two steps (see `reciprocal`). That is as fast as Montgomery's multiplication, with nothing to convert before or
//! after, and does not mind an even modulus.
//!
//! The reciprocal wants a modulus m whose highest bit is set: m' = m · 2^s. So the running power r is kept as
//! r' = r · 2^s, which is below m', and r' · b mod m' = (r · b mod m) · 2^s. A product with b < m is below
//! m' · 2^(64 · N), so its upper half is already a remainder.

// Loops over limbs index several arrays at once.
#![allow(clippy::needless_range_loop)]

use super::reciprocal::{Reciprocal, multiply};
use super::{rem, shift_left, shift_right};
use alloy_primitives::U256;

/// `base` to the power of the big-endian `exponent`, modulo `m`; 0 for a zero modulus, and 0^0 is 1 mod m.
pub(crate) fn powmod(base: U256, exponent: &[u8], m: U256) -> U256 {
    let zeros = exponent.iter().take_while(|byte| **byte == 0).count();
    let exponent = &exponent[zeros..];
    if exponent.is_empty() || m.is_zero() {
        return rem(&U256::ONE, &m);
    }
    let [m0, m1, m2, m3] = *m.as_limbs();
    let [b0, b1, b2, b3] = *rem(&base, &m).as_limbs();
    let power = if m3 != 0 {
        Wide::new([m0, m1, m2, m3]).power([b0, b1, b2, b3], exponent)
    } else if m2 != 0 {
        let [r0, r1, r2] = Wide::new([m0, m1, m2]).power([b0, b1, b2], exponent);
        [r0, r1, r2, 0]
    } else if m1 != 0 {
        let [r0, r1] = Wide::new([m0, m1]).power([b0, b1], exponent);
        [r0, r1, 0, 0]
    } else {
        [power_of_limb(b0, exponent, m0), 0, 0, 0]
    };
    U256::from_limbs(power)
}

/// A modulus of two to four limbs, of which the highest is not zero.
struct Wide<const N: usize> {
    /// m' of the essay.
    modulus: [u64; N],
    shift: u32,
    reciprocal: Reciprocal,
}

impl<const N: usize> Wide<N> {
    fn new(m: [u64; N]) -> Self {
        let shift = m[N - 1].leading_zeros();
        let (modulus, _) = shift_left(&m, 0, shift);
        let third = if N > 2 { modulus[N - 3] } else { 0 };
        Self { modulus, shift, reciprocal: Reciprocal::new(modulus[N - 1], modulus[N - 2], third) }
    }

    /// r' · b mod m', for r' < m' and b < m.
    #[inline(always)]
    fn multiply(&self, shifted: &[u64; N], b: &[u64; N]) -> [u64; N] {
        let mut product = [0_u64; 8];
        for i in 0..N {
            let (row, top) = multiply(shifted, b[i]);
            let mut carry = false;
            for j in 0..N {
                (product[i + j], carry) = product[i + j].carrying_add(row[j], carry);
            }
            product[i + N] = top + u64::from(carry);
        }
        // A step takes two limbs, so the first remainder of three limbs has a zero on top.
        let mut next = N.next_multiple_of(2);
        let mut remainder = [0; N];
        remainder.copy_from_slice(&product[next..next + N]);
        while next > 0 {
            next -= 2;
            remainder = self.reciprocal.step(&remainder, product[next + 1], product[next], &self.modulus);
        }
        remainder
    }

    #[inline(always)]
    fn square(&self, shifted: &[u64; N]) -> [u64; N] {
        self.multiply(shifted, &shift_right(shifted, self.shift))
    }

    /// The power of a base below the modulus; the exponent's first byte is not zero.
    fn power(&self, base: [u64; N], exponent: &[u8]) -> [u64; N] {
        let (mut power, _) = shift_left(&base, 0, self.shift);
        if exponent.len() <= 4 {
            // Bit by bit, from the one below the highest.
            let bits = exponent.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
            for bit in (0..bits.ilog2()).rev() {
                power = self.square(&power);
                if bits >> bit & 1 == 1 {
                    power = self.multiply(&power, &base);
                }
            }
            return shift_right(&power, self.shift);
        }
        // Four bits at a time, with a table of the base's powers from 0 to 15; the first digits may be zeros.
        let mut powers = [[0; N]; 16];
        powers[0][0] = 1;
        for i in 1..16 {
            powers[i] = shift_right(&power, self.shift);
            power = self.multiply(&power, &base);
        }
        power = shift_left(&powers[usize::from(exponent[0] >> 4)], 0, self.shift).0;
        let digits = exponent.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        for digit in digits.skip(1) {
            for _ in 0..4 {
                power = self.square(&power);
            }
            if digit != 0 {
                power = self.multiply(&power, &powers[usize::from(digit)]);
            }
        }
        shift_right(&power, self.shift)
    }
}

/// The power of a base below the modulus, by squaring; the exponent's first byte is not zero.
fn power_of_limb(base: u64, exponent: &[u8], m: u64) -> u64 {
    let multiply = |a: u64, b: u64| (u128::from(a) * u128::from(b) % u128::from(m)) as u64;
    let mut power = 1 % m;
    for byte in exponent {
        for bit in (0..8).rev() {
            power = multiply(power, power);
            if byte >> bit & 1 == 1 {
                power = multiply(power, base);
            }
        }
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U512;
    use proptest::prelude::*;

    fn modulo(a: U512, m: U256) -> U256 {
        (a % U512::from(m)).to()
    }

    /// Bit by bit with 512-bit products.
    fn reference(base: U256, exponent: &[u8], m: U256) -> U256 {
        if m.is_zero() {
            return U256::ZERO;
        }
        let mut power = modulo(U512::ONE, m);
        for byte in exponent {
            for bit in (0..8).rev() {
                power = modulo(U512::from(power) * U512::from(power), m);
                if byte >> bit & 1 == 1 {
                    power = modulo(U512::from(power) * U512::from(base), m);
                }
            }
        }
        power
    }

    fn word() -> impl Strategy<Value = U256> {
        prop_oneof![
            (any::<[u64; 4]>(), 0..256usize).prop_map(|(limbs, k)| U256::from_limbs(limbs) >> k),
            (0..256usize).prop_map(|k| U256::ONE << k),
            (1..=256usize).prop_map(|k| U256::MAX >> (256 - k)),
            (0..5u64).prop_map(U256::from),
            (0..5u64).prop_map(|a| U256::MAX - U256::from(a)),
        ]
    }

    fn exponent() -> impl Strategy<Value = alloc::vec::Vec<u8>> {
        prop_oneof![
            proptest::collection::vec(prop_oneof![Just(0), Just(0xff), any::<u8>()], 0..=5),
            proptest::collection::vec(prop_oneof![Just(0), Just(0xff), any::<u8>()], 0..=40),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_000))]

        #[test]
        fn powers_are_repeated_products(base in word(), exponent in exponent(), m in word()) {
            prop_assert_eq!(powmod(base, &exponent, m), reference(base, &exponent, m));
        }
    }

    #[test]
    fn powers_by_hand() {
        let n = |a: u64| U256::from(a);
        let prime = U256::MAX - n(188);
        let rows: [(&str, U256, &[u8], U256, U256); 8] = [
            ("3^5 mod 7", n(3), &[5], n(7), n(5)),
            ("3^0 mod 7", n(3), &[], n(7), n(1)),
            ("0^0 mod 7", n(0), &[0, 0], n(7), n(1)),
            ("3^0 mod 1", n(3), &[0], n(1), n(0)),
            ("3^5 mod 1", n(3), &[5], n(1), n(0)),
            ("3^5 mod 0", n(3), &[5], n(0), n(0)),
            ("0^5 mod 7", n(0), &[0, 5], n(7), n(0)),
            ("2^256 mod a prime", n(2), &[1, 0], prime, n(189)),
        ];
        for (name, base, exponent, m, expected) in rows {
            assert_eq!(powmod(base, exponent, m), expected, "{name}");
        }
        // Fermat: 2^256 - 189 is prime, so a^(p - 1) is 1 for every a that it does not divide.
        let exponent = (prime - n(1)).to_be_bytes::<32>();
        assert_eq!(powmod(n(0x1234_5678_9abc_def1), &exponent, prime), n(1));
    }
}
