//! Powers modulo 2^256.
//!
//! Powers of two are shifts, and those of other even numbers are 0 for exponents of 256 or more. What remains is odd, or has
//! a short exponent, which squaring deals with from the lowest bit on.
//!
//! An odd number comes close to 1 when it is squared: 62 times, and it is 1 + u with u a multiple of 2^64. With the exponent
//! as low + 2^62 · high, the upper part's share is (1 + u)^high = 1 + high · u + (high over 2) · u² + (high over 3) · u³, all
//! further powers of u being multiples of 2^256. So no exponent takes more than 62 squarings.

use super::reciprocal::join;
use super::{below, by_limbs, mul, shl};
use alloy_primitives::U256;

/// Bits of the exponent's lower part.
const LOW_BITS: usize = 62;
/// 3 times it is 1 modulo 2^64.
const INVERSE_OF_3: u64 = 0xaaaa_aaaa_aaaa_aaab;

/// `EXP`: base to the power of exponent, modulo 2^256; 0^0 is 1.
#[inline(never)]
pub fn exp(base: &U256, exponent: &U256) -> U256 {
    let bits = exponent.bit_len();
    if base.is_power_of_two() {
        // The exponent only shifts it; 1 stays as it is.
        let doublings = base.trailing_zeros() as u32;
        return match below(exponent, 256) {
            Some(exponent) => shl(U256::from(exponent * doublings), U256::ONE),
            None => U256::from(doublings == 0),
        };
    }
    if bits <= 8 {
        return exp_small(by_limbs(base), exponent.as_limbs()[0]);
    }
    if !base.bit(0) {
        // 2 to the power of 256 or more.
        return U256::ZERO;
    }
    exp_odd(by_limbs(base), exponent)
}

/// By squaring, from the exponent's lowest bit.
#[inline(always)]
fn exp_small(mut power: U256, mut exponent: u64) -> U256 {
    let mut result = U256::ONE;
    while exponent != 0 {
        if exponent & 1 == 1 {
            result = mul(result, power);
        }
        exponent >>= 1;
        if exponent != 0 {
            power = mul(power, power);
        }
    }
    result
}

/// Of an odd base.
fn exp_odd(base: U256, exponent: &U256) -> U256 {
    // The power by the low bits: what each digit, of two bits, is to be the power of, is collected.
    let mut collected = [U256::ONE; 4];
    let mut power = base;
    let mut low = exponent.as_limbs()[0];
    let digits = exponent.bit_len().min(LOW_BITS).div_ceil(2);
    for _ in 0..digits {
        let digit = (low & 3) as usize;
        collected[digit] = mul(collected[digit], power);
        power = square(square(power));
        low >>= 2;
    }
    let [_, one, two, three] = collected;
    let two = mul(two, three);
    let result = mul(mul(one, two), mul(two, three));

    let high = *exponent >> LOW_BITS;
    if high.is_zero() {
        return result;
    }
    let [n0, n1, n2, _] = *high.as_limbs();
    let u = power - U256::ONE;
    let u2 = square(u);
    // The coefficients of u² and u³ as far as they count: 128 and 64 bits. 3 times the latter is the former times high - 2.
    let n = join(n1, n0);
    let half = n >> 1 | u128::from(n2) << 127;
    let over2 = if n & 1 == 0 { half.wrapping_mul(n.wrapping_sub(1)) } else { half.wrapping_mul(n) };
    let over3 = (over2 as u64).wrapping_mul(n0.wrapping_sub(2)).wrapping_mul(INVERSE_OF_3);
    let sum = U256::ONE.wrapping_add(mul(high, u)).wrapping_add(mul(U256::from(over2), u2));
    mul(result, sum.wrapping_add(mul(U256::from(over3), mul(u2, u))))
}

/// The low 256 bits of a².
#[inline(always)]
fn square(a: U256) -> U256 {
    let [a0, a1, a2, a3] = *a.as_limbs();
    // Products of different limbs, which count twice.
    let (x1, carry) = a0.carrying_mul(a1, 0);
    let (x2, carry) = a0.carrying_mul(a2, carry);
    let x3 = carry.wrapping_add(a0.wrapping_mul(a3)).wrapping_add(a1.wrapping_mul(a2));
    let (x1, x2, x3) = (x1 << 1, x2 << 1 | x1 >> 63, x3 << 1 | x2 >> 63);
    let (s0, s1) = a0.carrying_mul(a0, 0);
    let (s2, s3) = a1.carrying_mul(a1, 0);
    let (s1, carry) = s1.carrying_add(x1, false);
    let (s2, carry) = s2.carrying_add(x2, carry);
    let (s3, _) = s3.carrying_add(x3, carry);
    U256::from_limbs([s0, s1, s2, s3])
}
