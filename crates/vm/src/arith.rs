//! The 256-bit arithmetic of the opcodes.
//!
//! Every function takes its operands in the order in which the opcode pops them and has exactly the opcode's meaning:
//! division and remainder by zero give zero, arithmetic wraps modulo 2^256, signed operations read two's complement.
//!
//! Blocks can be filled with divisions and modular operations, whose price is the same for all operands, so the slowest
//! operands count as much as the usual ones. A division goes one of these ways, by the lengths of its operands:
//!
//! - both at most 128 bits: the machine's or the compiler's division;
//! - a quotient of less than 32 bits, which is every division by a number of more than 226 bits and the reduction of
//!   nearly reduced numbers: `divide_few`, one machine division;
//! - a divisor of three or four limbs, a sum or a product to reduce by two or more: `reciprocal`;
//! - what remains has a divisor of one or two limbs, where division limb by limb is the fastest.
//!
//! The short operations are inlined into the dispatch loop; the others are calls, so that they do not crowd it. These get
//! their operands by reference, where they stand: memory that was just written limb by limb is slow to read in wider
//! pieces, as copies of words are made, so they are not copied, and results that come back in memory are read with
//! [`by_limbs`].

// Loops over limbs index several arrays at once.
#![allow(clippy::needless_range_loop)]

mod exp;
mod powmod;
mod reciprocal;

pub use exp::exp;
pub(crate) use powmod::powmod;

use alloy_primitives::{U256, ruint::algorithms};
use core::cmp::Ordering;
use reciprocal::{Reciprocal, add, join, multiply, subtract};

/// A copy of the word, read limb by limb: fast where it has just been written so.
#[inline(always)]
pub fn by_limbs(word: &U256) -> U256 {
    let limbs = word.as_limbs().as_ptr();
    // SAFETY: the word has four limbs. Volatile reads are not joined to wider ones.
    U256::from_limbs(unsafe { [0, 1, 2, 3].map(|i| limbs.add(i).read_volatile()) })
}

/// `MUL`: the low 256 bits of the product.
#[inline]
pub fn mul(a: U256, b: U256) -> U256 {
    a.wrapping_mul(b)
}

/// `DIV`: the integer quotient, 0 for a zero divisor.
#[inline(never)]
pub fn div(a: &U256, b: &U256) -> U256 {
    let (x, y) = (a.as_limbs(), b.as_limbs());
    if x[3] | x[2] | y[3] | y[2] == 0 {
        return U256::from(join(x[1], x[0]).checked_div(join(y[1], y[0])).unwrap_or(0));
    }
    if y[3] >> 34 != 0 {
        return U256::from(divide_few(x, false, y).0);
    }
    if y[3] | y[2] != 0 {
        return U256::from(divide_wide(x, y).0);
    }
    if y[1] != 0 {
        return by_limbs(&divide_by_two_limbs(x[3], x[2], x[1], x[0], y[1], y[0]).0);
    }
    divide_by_limb(x, y[0]).0
}

/// `MOD`: the remainder, 0 for a zero divisor.
#[inline(never)]
pub fn rem(a: &U256, b: &U256) -> U256 {
    let (x, y) = (a.as_limbs(), b.as_limbs());
    if x[3] | x[2] | y[3] | y[2] == 0 {
        return U256::from(join(x[1], x[0]).checked_rem(join(y[1], y[0])).unwrap_or(0));
    }
    if y[3] >> 34 != 0 {
        return U256::from_limbs(divide_few(x, false, y).1);
    }
    if y[3] | y[2] != 0 {
        return by_limbs(&divide_wide(x, y).1);
    }
    if y[1] != 0 {
        return U256::from(divide_by_two_limbs(x[3], x[2], x[1], x[0], y[1], y[0]).1);
    }
    U256::from(divide_by_limb(x, y[0]).1)
}

/// `SDIV`: the two's complement quotient truncated towards zero; -2^255 / -1 wraps to -2^255.
#[inline]
pub fn sdiv(a: &U256, b: &U256) -> U256 {
    let (a, b) = (by_limbs(a), by_limbs(b));
    let quotient = by_limbs(&div(&abs(a), &abs(b)));
    if is_negative(a) != is_negative(b) { quotient.wrapping_neg() } else { quotient }
}

/// `SMOD`: the two's complement remainder, whose sign is the dividend's.
#[inline]
pub fn smod(a: &U256, b: &U256) -> U256 {
    let (a, b) = (by_limbs(a), by_limbs(b));
    let remainder = by_limbs(&rem(&abs(a), &abs(b)));
    if is_negative(a) { remainder.wrapping_neg() } else { remainder }
}

/// `ADDMOD`: (a + b) mod m of the unbounded sum, 0 for a zero modulus.
#[inline(never)]
pub fn addmod(a: &U256, b: &U256, m: &U256) -> U256 {
    let (x, y, n) = (a.as_limbs(), b.as_limbs(), m.as_limbs());
    if n[3] != 0 && x[3] <= n[3] && y[3] <= n[3] {
        // Both operands are below 2m, so one subtraction reduces each, and another one their sum.
        let (sum, carry) = add(&subtract_once(x, n), &subtract_once(y, n));
        let (difference, borrow) = subtract(&sum, n);
        return U256::from_limbs(if carry || !borrow { difference } else { sum });
    }
    let (mut sum, carry) = add(x, y);
    if n[3] | n[2] != 0 {
        return reduce_sum(&sum, carry, n);
    }
    if carry && !m.is_zero() {
        // The multiple of m between 2^255 and 2^256 brings the sum below 2^256, if need be twice.
        let multiple = *(*m << m.leading_zeros()).as_limbs();
        let (difference, borrow) = subtract(&sum, &multiple);
        sum = if borrow { difference } else { subtract(&difference, &multiple).0 };
    }
    rem(&U256::from_limbs(sum), m)
}

/// `MULMOD`: (a · b) mod m of the 512-bit product, 0 for a zero modulus.
#[inline(never)]
pub fn mulmod(a: &U256, b: &U256, m: &U256) -> U256 {
    let (x, y) = (a.as_limbs(), b.as_limbs());
    if x[3] | x[2] | y[3] | y[2] == 0 {
        return rem(&U256::from_limbs(product_small([x[0], x[1]], [y[0], y[1]])), m);
    }
    let n = m.as_limbs();
    if n[3] | n[2] | n[1] == 0 {
        let (r, s) = (divide_by_limb(x, n[0]).1, divide_by_limb(y, n[0]).1);
        return U256::from((u128::from(r) * u128::from(s)).checked_rem(n[0].into()).unwrap_or(0));
    }
    mulmod_wide(x, y, n)
}

/// The value of a shift or an index that is less than `limit`.
#[inline(always)]
fn below(a: &U256, limit: u64) -> Option<u32> {
    let [a0, a1, a2, a3] = *a.as_limbs();
    if a1 | a2 | a3 == 0 && a0 < limit { Some(a0 as u32) } else { None }
}

/// `SIGNEXTEND`: extends the sign of the value whose most significant byte has index `index`, counted from the least
/// significant byte; an index of 31 or more leaves the value as it is.
#[inline]
pub fn signextend(index: U256, value: U256) -> U256 {
    let Some(index) = below(&index, 31) else {
        return value;
    };
    let limbs = value.as_limbs();
    let top = (index / 8) as usize;
    let shift = 56 - index % 8 * 8;
    let extended = (limbs[top] << shift) as i64 >> shift;
    let sign = (extended >> 63) as u64;
    let mut result = [0; 4];
    for i in 0..4 {
        result[i] = match i.cmp(&top) {
            Ordering::Less => limbs[i],
            Ordering::Equal => extended as u64,
            Ordering::Greater => sign,
        };
    }
    U256::from_limbs(result)
}

/// `BYTE`: the byte at `index`, counted from the most significant; 0 beyond 31.
#[inline]
pub fn byte(index: U256, value: U256) -> U256 {
    match below(&index, 32) {
        Some(index) => {
            let [low, ..] = *shift_right_filling(value, 0, 248 - 8 * index).as_limbs();
            U256::from_limbs([low & 0xff, 0, 0, 0])
        }
        None => U256::ZERO,
    }
}

/// `SHL`: value · 2^shift; 0 for a shift of 256 or more.
#[inline]
pub fn shl(shift: U256, value: U256) -> U256 {
    let Some(shift) = below(&shift, 256) else {
        return U256::ZERO;
    };
    // By 128 and by 64 first, each a choice between registers: an index would go through memory.
    let mut limbs = *value.as_limbs();
    if shift & 128 != 0 {
        limbs = [0, 0, limbs[0], limbs[1]];
    }
    if shift & 64 != 0 {
        limbs = [0, limbs[0], limbs[1], limbs[2]];
    }
    let bits = shift % 64;
    let carry = |limb: u64| limb >> 1 >> (63 - bits);
    U256::from_limbs([
        limbs[0] << bits,
        limbs[1] << bits | carry(limbs[0]),
        limbs[2] << bits | carry(limbs[1]),
        limbs[3] << bits | carry(limbs[2]),
    ])
}

/// `SHR`: the logical shift; 0 for a shift of 256 or more.
#[inline]
pub fn shr(shift: U256, value: U256) -> U256 {
    match below(&shift, 256) {
        Some(shift) => shift_right_filling(value, 0, shift),
        None => U256::ZERO,
    }
}

/// `SAR`: the shift that fills with the sign bit; all sign bits for a shift of 256 or more.
#[inline]
pub fn sar(shift: U256, value: U256) -> U256 {
    let sign = (value.as_limbs()[3] as i64 >> 63) as u64;
    match below(&shift, 256) {
        Some(shift) => shift_right_filling(value, sign, shift),
        None => U256::from_limbs([sign; 4]),
    }
}

/// The value shifted right by less than 256, with `fill` for the limbs above it.
#[inline(always)]
fn shift_right_filling(value: U256, fill: u64, shift: u32) -> U256 {
    // As in `shl`.
    let mut limbs = *value.as_limbs();
    if shift & 128 != 0 {
        limbs = [limbs[2], limbs[3], fill, fill];
    }
    if shift & 64 != 0 {
        limbs = [limbs[1], limbs[2], limbs[3], fill];
    }
    let bits = shift % 64;
    let carry = |limb: u64| limb << 1 << (63 - bits);
    U256::from_limbs([
        limbs[0] >> bits | carry(limbs[1]),
        limbs[1] >> bits | carry(limbs[2]),
        limbs[2] >> bits | carry(limbs[3]),
        limbs[3] >> bits | carry(fill),
    ])
}

/// `SLT`: whether a < b as two's complement numbers.
#[inline]
pub fn slt(a: U256, b: U256) -> bool {
    if is_negative(a) == is_negative(b) { a < b } else { is_negative(a) }
}

/// `SGT`: whether a > b as two's complement numbers.
#[inline]
pub fn sgt(a: U256, b: U256) -> bool {
    slt(b, a)
}

/// `CLZ` (EIP-7939): the count of leading zero bits, 256 for zero.
#[inline]
pub fn clz(value: U256) -> U256 {
    U256::from(value.leading_zeros())
}

#[inline(always)]
fn is_negative(a: U256) -> bool {
    a.as_limbs()[3] >> 63 == 1
}

#[inline(always)]
fn abs(a: U256) -> U256 {
    if is_negative(a) { a.wrapping_neg() } else { a }
}

/// The quotient and the remainder for a divisor of three or four limbs.
#[inline(never)]
fn divide_wide(a: &[u64; 4], m: &[u64; 4]) -> (u128, U256) {
    if m[3] != 0 {
        let shift = m[3].leading_zeros();
        let (x, x4) = shift_left(a, 0, shift);
        let (m, _) = shift_left(m, 0, shift);
        let w = Reciprocal::new(m[3], m[2], m[1]);
        let (quotient, r) = w.divide(&[x[2], x[3], x4, 0], x[1], x[0], &m);
        return (quotient, U256::from_limbs(shift_right(&r, shift)));
    }
    let m = [m[0], m[1], m[2]];
    if a[3] == 0 && m[2] >> 34 != 0 {
        let (quotient, [r0, r1, r2]) = divide_few(&[a[0], a[1], a[2]], false, &m);
        return (quotient.into(), U256::from_limbs([r0, r1, r2, 0]));
    }
    let shift = m[2].leading_zeros();
    let (x, x4) = shift_left(a, 0, shift);
    let (m, _) = shift_left(&m, 0, shift);
    let w = Reciprocal::new(m[2], m[1], m[0]);
    let (quotient, r) = w.divide(&[x[2], x[3], x4], x[1], x[0], &m);
    let [r0, r1, r2] = shift_right(&r, shift);
    (quotient, U256::from_limbs([r0, r1, r2, 0]))
}

/// The quotient and the remainder for a divisor of two limbs. The limbs come one by one because they are read one by
/// one: memory just written in another width is slow to read.
#[inline(never)]
fn divide_by_two_limbs(a3: u64, a2: u64, a1: u64, a0: u64, d1: u64, d0: u64) -> (U256, u128) {
    debug_assert!(d1 != 0, "divisor of one limb");
    let (mut quotient, mut remainder) = ([a0, a1, a2, a3], [d0, d1]);
    algorithms::div::div(&mut quotient, &mut remainder);
    (U256::from_limbs(quotient), join(remainder[1], remainder[0]))
}

/// The quotient and the remainder for a divisor of one limb, both 0 for zero.
#[inline(always)]
fn divide_by_limb(a: &[u64; 4], d: u64) -> (U256, u64) {
    // The quotient of a 128-bit number whose high limb is a remainder has one limb.
    let step = |high: u64, low: u64| {
        let quotient = (join(high, low) / u128::from(d)) as u64;
        (quotient, low.wrapping_sub(quotient.wrapping_mul(d)))
    };
    if d == 0 {
        return (U256::ZERO, 0);
    }
    let (q3, r) = (a[3] / d, a[3] % d);
    let (q2, r) = step(r, a[2]);
    let (q1, r) = step(r, a[1]);
    let (q0, r) = step(r, a[0]);
    (U256::from_limbs([q0, q1, q2, q3]), r)
}

/// The quotient and the remainder of `carry` · 2^(64 · N) + `a` by `m`, whose top limb has more than 34 bits, so that
/// the quotient has less than 32.
#[inline(always)]
fn divide_few<const N: usize>(a: &[u64; N], carry: bool, m: &[u64; N]) -> (u64, [u64; N]) {
    // The estimate from the top 64 bits is never too large, and at most one too small: the errors of the dividend and
    // of the divisor are each less than one part in 2^33 of a quotient that is less than 2^32.
    let q = (u64::from(carry) << 63 | a[N - 1] >> 1) / ((m[N - 1] >> 1) + 1);
    let (product, top) = multiply(m, q);
    let (remainder, borrow) = subtract(a, &product);
    let top = u64::from(carry) - top - u64::from(borrow);
    let (difference, borrow) = subtract(&remainder, m);
    if top != 0 || !borrow { (q + 1, difference) } else { (q, remainder) }
}

/// `carry` · 2^256 + `sum` modulo three or four limbs.
#[inline(never)]
fn reduce_sum(sum: &[u64; 4], carry: bool, m: &[u64; 4]) -> U256 {
    if m[3] >> 34 != 0 {
        return U256::from_limbs(divide_few(sum, carry, m).1);
    }
    if m[3] != 0 {
        let shift = m[3].leading_zeros();
        let (x, x4) = shift_left(sum, u64::from(carry), shift);
        let (m, _) = shift_left(m, 0, shift);
        let w = Reciprocal::new(m[3], m[2], m[1]);
        return U256::from_limbs(shift_right(&w.step(&[x[2], x[3], x4, 0], x[1], x[0], &m), shift));
    }
    let shift = m[2].leading_zeros();
    let (x, x4) = shift_left(sum, u64::from(carry), shift);
    let (m, _) = shift_left(&[m[0], m[1], m[2]], 0, shift);
    let w = Reciprocal::new(m[2], m[1], m[0]);
    // The top limb has shift + 1 bits at most, which is a full limb for the largest shift.
    let top = subtract_once(&[x[2], x[3], x4], &m);
    let [r0, r1, r2] = shift_right(&w.step(&top, x[1], x[0], &m), shift);
    U256::from_limbs([r0, r1, r2, 0])
}

/// `MULMOD` with a modulus of two limbs or more. The product is shifted by as much as makes the modulus's highest bit
/// one, and the remainder back.
#[inline(never)]
fn mulmod_wide(a: &[u64; 4], b: &[u64; 4], m: &[u64; 4]) -> U256 {
    if m[3] != 0 {
        if m[1] & m[2] & m[3] == u64::MAX && m[0] != 0 {
            return mulmod_folding(a, b, m[0].wrapping_neg());
        }
        let shift = m[3].leading_zeros();
        let (m, _) = shift_left(m, 0, shift);
        let p = product(a, b, shift);
        let w = Reciprocal::new(m[3], m[2], m[1]);
        let mut r = if p[8] != 0 {
            w.step(&[p[6], p[7], p[8], 0], p[5], p[4], &m)
        } else {
            subtract_once(&[p[4], p[5], p[6], p[7]], &m)
        };
        r = w.step(&r, p[3], p[2], &m);
        r = w.step(&r, p[1], p[0], &m);
        U256::from_limbs(shift_right(&r, shift))
    } else if m[2] != 0 {
        let shift = m[2].leading_zeros();
        let (m, _) = shift_left(&[m[0], m[1], m[2]], 0, shift);
        let p = product(a, b, shift);
        let w = Reciprocal::new(m[2], m[1], m[0]);
        let mut r = [p[4], p[5], p[6]];
        if p[8] | p[7] != 0 || p[6] >= m[2] {
            r = w.step(&[p[6], p[7], p[8]], p[5], p[4], &m);
        }
        r = w.step(&r, p[3], p[2], &m);
        r = w.step(&r, p[1], p[0], &m);
        let [r0, r1, r2] = shift_right(&r, shift);
        U256::from_limbs([r0, r1, r2, 0])
    } else {
        let shift = m[1].leading_zeros();
        let (m, _) = shift_left(&[m[0], m[1]], 0, shift);
        let p = product(a, b, shift);
        let w = Reciprocal::new(m[1], m[0], 0);
        let mut r = [p[4], p[5]];
        if p[8] | p[7] | p[6] != 0 || p[5] >= m[1] {
            r = w.step(&[p[8], 0], p[7], p[6], &m);
            r = w.step(&r, p[5], p[4], &m);
        }
        r = w.step(&r, p[3], p[2], &m);
        r = w.step(&r, p[1], p[0], &m);
        let [r0, r1] = shift_right(&r, shift);
        U256::from_limbs([r0, r1, 0, 0])
    }
}

/// `MULMOD` with the modulus 2^256 - `c`: 2^256 - 1, by which contracts get the high half of a product, and the primes of
/// some curves. 2^256 is `c`, so the high half of the product times `c` is added to the low one, and so again with what
/// overflows.
#[inline(always)]
fn mulmod_folding(a: &[u64; 4], b: &[u64; 4], c: u64) -> U256 {
    let p = product(a, b, 0);
    let (mut sum, mut carry) = ([0; 4], 0);
    for i in 0..4 {
        (sum[i], carry) = p[4 + i].carrying_mul_add(c, p[i], carry);
    }
    let (low, high) = carry.carrying_mul(c, 0);
    let (sum, overflows) = add(&sum, &[low, high, 0, 0]);
    // What overflowed left less than 2^128, so another `c` doesn't.
    let (sum, _) = add(&sum, &[if overflows { c } else { 0 }, 0, 0, 0]);
    // Less than twice the modulus: subtracting it is adding `c` and dropping 2^256.
    let (reduced, is_above) = add(&sum, &[c, 0, 0, 0]);
    U256::from_limbs(if is_above { reduced } else { sum })
}

/// a mod m for a < 2m.
#[inline(always)]
fn subtract_once<const N: usize>(a: &[u64; N], m: &[u64; N]) -> [u64; N] {
    let (difference, borrow) = subtract(a, m);
    if borrow { *a } else { difference }
}

/// The limbs of `top` · 2^(64 · N) + a, shifted left by less than 64, and the limb above them.
#[inline(always)]
fn shift_left<const N: usize>(a: &[u64; N], top: u64, shift: u32) -> ([u64; N], u64) {
    let mut result = [0; N];
    let mut carry = 0;
    for i in 0..N {
        result[i] = (a[i] << shift) | carry;
        carry = (a[i] >> 1) >> (63 - shift);
    }
    (result, (top << shift) | carry)
}

/// Shifted right by less than 64.
#[inline(always)]
fn shift_right<const N: usize>(a: &[u64; N], shift: u32) -> [u64; N] {
    let mut result = [0; N];
    for i in 0..N - 1 {
        result[i] = (a[i] >> shift) | (a[i + 1] << 1) << (63 - shift);
    }
    result[N - 1] = a[N - 1] >> shift;
    result
}

/// a · b · 2^shift, for a shift of less than 64.
#[inline(always)]
fn product(a: &[u64; 4], b: &[u64; 4], shift: u32) -> [u64; 9] {
    let (a, a4) = shift_left(a, 0, shift);
    let mut p = [0; 9];
    let (row, top) = multiply(b, a[0]);
    p[..4].copy_from_slice(&row);
    p[4] = top;
    for i in 1..4 {
        let (row, top) = multiply(b, a[i]);
        let (sum, carry) = add(&[p[i], p[i + 1], p[i + 2], p[i + 3]], &row);
        p[i..i + 4].copy_from_slice(&sum);
        p[i + 4] = top + u64::from(carry);
    }
    if a4 != 0 {
        let mut carry = 0;
        for j in 0..4 {
            (p[4 + j], carry) = a4.carrying_mul_add(b[j], p[4 + j], carry);
        }
        p[8] = carry;
    }
    p
}

/// a · b.
#[inline(always)]
fn product_small(a: [u64; 2], b: [u64; 2]) -> [u64; 4] {
    let ([p0, p1], p2) = multiply(&b, a[0]);
    let (p1, carry) = a[1].carrying_mul_add(b[0], p1, 0);
    let (p2, p3) = a[1].carrying_mul_add(b[1], p2, carry);
    [p0, p1, p2, p3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{I256, U512};
    use proptest::prelude::*;

    // By value, for the tables.
    fn div(a: U256, b: U256) -> U256 {
        super::div(&a, &b)
    }

    fn rem(a: U256, b: U256) -> U256 {
        super::rem(&a, &b)
    }

    fn sdiv(a: U256, b: U256) -> U256 {
        super::sdiv(&a, &b)
    }

    fn smod(a: U256, b: U256) -> U256 {
        super::smod(&a, &b)
    }

    fn exp(a: U256, b: U256) -> U256 {
        super::exp(&a, &b)
    }

    fn addmod(a: U256, b: U256, m: U256) -> U256 {
        super::addmod(&a, &b, &m)
    }

    fn mulmod(a: U256, b: U256, m: U256) -> U256 {
        super::mulmod(&a, &b, &m)
    }

    fn limb() -> impl Strategy<Value = u64> {
        prop_oneof![
            2 => Just(0),
            1 => Just(1),
            2 => Just(u64::MAX),
            2 => (0..64u32).prop_map(|k| 1 << k),
            2 => (0..64u32).prop_map(|k| (1 << k) - 1),
            4 => any::<u64>(),
        ]
    }

    fn word() -> impl Strategy<Value = U256> {
        prop_oneof![
            (limb(), limb(), limb(), limb(), 0..5usize).prop_map(|(a, b, c, d, len)| {
                let mut limbs = [a, b, c, d];
                limbs[len..].fill(0);
                U256::from_limbs(limbs)
            }),
            (0..256usize).prop_map(|k| U256::ONE << k),
            (1..=256usize).prop_map(|k| U256::MAX >> (256 - k)),
            (any::<[u64; 4]>(), 0..256usize).prop_map(|(limbs, k)| U256::from_limbs(limbs) >> k),
        ]
    }

    /// A dividend and a divisor: unrelated, equal, next to each other, or the dividend next to a multiple.
    fn division() -> impl Strategy<Value = (U256, U256)> {
        (word(), word(), 0..8u8, -1..=1i64).prop_map(|(a, b, relation, offset)| {
            let offset = I256::try_from(offset).unwrap().into_raw();
            match relation {
                0 => (b.wrapping_add(offset), b),
                1..4 if !b.is_zero() => ((a - a % b).wrapping_add(offset), b),
                _ => (a, b),
            }
        })
    }

    fn divided(a: U256, b: U256) -> (U256, U256) {
        if b.is_zero() { (U256::ZERO, U256::ZERO) } else { a.div_rem(b) }
    }

    fn modulo(a: U512, m: U256) -> U256 {
        if m.is_zero() { U256::ZERO } else { (a % U512::from(m)).to() }
    }

    fn low_half(a: U512) -> U256 {
        U256::from_limbs_slice(&a.as_limbs()[..4])
    }

    fn negate_if(negative: bool, a: U256) -> U256 {
        if negative { U256::ZERO.wrapping_sub(a) } else { a }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn division_is_the_reference_s((a, b) in division()) {
            let (quotient, remainder) = divided(a, b);
            prop_assert_eq!(div(a, b), quotient);
            prop_assert_eq!(rem(a, b), remainder);
        }

        #[test]
        fn signed_division_is_that_of_magnitudes((a, b) in division(), signs in any::<(bool, bool)>()) {
            let (a, b) = (negate_if(signs.0, a), negate_if(signs.1, b));
            let (negative_a, negative_b) = (a.bit(255), b.bit(255));
            let (quotient, remainder) = divided(negate_if(negative_a, a), negate_if(negative_b, b));
            prop_assert_eq!(sdiv(a, b), negate_if(negative_a != negative_b, quotient));
            prop_assert_eq!(smod(a, b), negate_if(negative_a, remainder));
        }

        #[test]
        fn modular_operations_are_those_of_512_bits(a in word(), b in word(), m in word(), same in 0..8u8) {
            let (a, b) = match same {
                0 => (m.wrapping_sub(U256::ONE), b),
                1 => (m.wrapping_sub(U256::ONE), m.wrapping_sub(U256::ONE)),
                2 => (m, b),
                3 => (a, a),
                _ => (a, b),
            };
            let (wide_a, wide_b) = (U512::from(a), U512::from(b));
            let largest = U256::from_limbs([m.as_limbs()[0], u64::MAX, u64::MAX, u64::MAX]);
            for m in [m, largest] {
                prop_assert_eq!(addmod(a, b, m), modulo(wide_a + wide_b, m));
                prop_assert_eq!(mulmod(a, b, m), modulo(wide_a * wide_b, m));
            }
        }

        #[test]
        fn products_modulo_their_own_factors(a in word(), b in word()) {
            let product = U512::from(a) * U512::from(b);
            for m in [a, b, a.saturating_add(U256::ONE), U256::MAX - a, low_half(product)] {
                prop_assert_eq!(mulmod(a, b, m), modulo(product, m));
                prop_assert_eq!(rem(low_half(product), m), modulo(U512::from(low_half(product)), m));
            }
        }

        #[test]
        fn multiplication_and_powers(a in word(), b in word(), small in 0..600u64) {
            prop_assert_eq!(mul(a, b), low_half(U512::from(a) * U512::from(b)));
            prop_assert_eq!(exp(a, b), a.wrapping_pow(b));
            prop_assert_eq!(exp(a, U256::from(small)), a.wrapping_pow(U256::from(small)));
        }

        #[test]
        fn shifts_and_bytes(value in word(), index in word(), small in 0..300usize) {
            for shift in [index, U256::from(small)] {
                let bits: usize = shift.saturating_to();
                let (left, right) = if bits < 256 { (value << bits, value >> bits) } else { (U256::ZERO, U256::ZERO) };
                let fill = if value.bit(255) { U256::MAX } else { U256::ZERO };
                let filled = if bits < 256 { right | (fill & !(U256::MAX >> bits)) } else { fill };
                prop_assert_eq!(shl(shift, value), left);
                prop_assert_eq!(shr(shift, value), right);
                prop_assert_eq!(sar(shift, value), filled);
                let byte_value = value.to_be_bytes::<32>().get(bits).copied().unwrap_or(0);
                prop_assert_eq!(byte(shift, value), U256::from(byte_value));
                let mut bytes = value.to_be_bytes::<32>();
                if bits < 31 {
                    let sign = if bytes[31 - bits] >= 0x80 { 0xff } else { 0 };
                    bytes[..31 - bits].fill(sign);
                }
                prop_assert_eq!(signextend(shift, value), U256::from_be_bytes(bytes));
            }
        }

        #[test]
        fn comparisons_and_zeros((a, b) in division()) {
            prop_assert_eq!(slt(a, b), I256::from_raw(a) < I256::from_raw(b));
            prop_assert_eq!(sgt(a, b), I256::from_raw(a) > I256::from_raw(b));
            prop_assert_eq!(clz(a), U256::from(256 - a.bit_len()));
        }
    }

    #[test]
    fn opcodes_by_hand() {
        let n = |a: u64| U256::from(a);
        let minus = |a: u64| U256::ZERO.wrapping_sub(U256::from(a));
        let lowest = U256::ONE << 255;
        let rows = [
            ("7 / 2", div(n(7), n(2)), n(3)),
            ("7 / 0", div(n(7), n(0)), n(0)),
            ("MAX / 0", div(U256::MAX, n(0)), n(0)),
            ("MAX % 0", rem(U256::MAX, n(0)), n(0)),
            ("MAX % 10", rem(U256::MAX, n(10)), n(5)),
            ("-7 s/ 2", sdiv(minus(7), n(2)), minus(3)),
            ("-2^255 s/ -1", sdiv(lowest, minus(1)), lowest),
            ("-7 s/ 0", sdiv(minus(7), n(0)), n(0)),
            ("-7 s% 3", smod(minus(7), n(3)), minus(1)),
            ("7 s% -3", smod(n(7), minus(3)), n(1)),
            ("MAX + MAX mod 7", addmod(U256::MAX, U256::MAX, n(7)), n(2)),
            ("MAX + 1 mod 0", addmod(U256::MAX, n(1), n(0)), n(0)),
            ("MAX · MAX mod 12", mulmod(U256::MAX, U256::MAX, n(12)), n(9)),
            ("MAX · MAX mod 0", mulmod(U256::MAX, U256::MAX, n(0)), n(0)),
            ("MAX · MAX mod 1", mulmod(U256::MAX, U256::MAX, n(1)), n(0)),
            ("MAX · MAX mod MAX", mulmod(U256::MAX, U256::MAX, U256::MAX), n(0)),
            ("0 ^ 0", exp(n(0), n(0)), n(1)),
            ("1 ^ MAX", exp(n(1), U256::MAX), n(1)),
            ("2 ^ 255", exp(n(2), n(255)), lowest),
            ("2 ^ 256", exp(n(2), n(256)), n(0)),
            ("3 ^ 5", exp(n(3), n(5)), n(243)),
            ("signextend 0 0x80", signextend(n(0), n(0x80)), minus(0x80)),
            ("signextend 0 0x17f", signextend(n(0), n(0x17f)), n(0x7f)),
            ("byte 31", byte(n(31), n(0x1234)), n(0x34)),
            ("byte 32", byte(n(32), U256::MAX), n(0)),
            ("sar 256 of -1", sar(n(256), minus(1)), minus(1)),
            ("clz 0", clz(n(0)), n(256)),
            ("clz MAX", clz(U256::MAX), n(0)),
        ];
        for (name, result, expected) in rows {
            assert_eq!(result, expected, "{name}");
        }
    }
}
