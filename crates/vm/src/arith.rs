//! The 256-bit arithmetic of the opcodes.
//!
//! Every function takes its operands in the order in which the opcode pops them and has exactly the opcode's meaning:
//! division and remainder by zero give zero, arithmetic wraps modulo 2^256, signed operations read two's complement.

mod reciprocal;

use alloy_primitives::U256;
use reciprocal::{Reciprocal, add, multiply, subtract};

/// `DIV`: the integer quotient, 0 for a zero divisor.
#[inline]
pub fn div(a: U256, b: U256) -> U256 {
    let (x, y) = (a.as_limbs(), b.as_limbs());
    if x[3] | x[2] | y[3] | y[2] == 0 {
        return U256::from(small(x).checked_div(small(y)).unwrap_or(0));
    }
    if y[3] >> 34 != 0 {
        return U256::from(reduce_few(x, false, y).0);
    }
    if y[3] == 0 && y[2] != 0 {
        return U256::from(divide_by_three(x, y).0);
    }
    if b.is_zero() { U256::ZERO } else { a.wrapping_div(b) }
}

/// `MOD`: the remainder, 0 for a zero divisor.
#[inline]
pub fn rem(a: U256, b: U256) -> U256 {
    let (x, y) = (a.as_limbs(), b.as_limbs());
    if x[3] | x[2] | y[3] | y[2] == 0 {
        return U256::from(small(x).checked_rem(small(y)).unwrap_or(0));
    }
    if y[3] >> 34 != 0 {
        return U256::from_limbs(reduce_few(x, false, y).1);
    }
    if y[3] == 0 && y[2] != 0 {
        return divide_by_three(x, y).1;
    }
    if b.is_zero() { U256::ZERO } else { a.wrapping_rem(b) }
}

/// The low two limbs.
#[inline(always)]
fn small(a: &[u64; 4]) -> u128 {
    u128::from(a[1]) << 64 | u128::from(a[0])
}

/// The quotient and the remainder of a division by a number of three limbs.
#[inline(never)]
fn divide_by_three(a: &[u64; 4], m: &[u64; 4]) -> (u128, U256) {
    let m = [m[0], m[1], m[2]];
    if a[3] == 0 && m[2] >> 34 != 0 {
        let (q, [r0, r1, r2]) = reduce_few(&[a[0], a[1], a[2]], false, &m);
        return (q.into(), U256::from_limbs([r0, r1, r2, 0]));
    }
    let shift = m[2].leading_zeros();
    let (x, x4) = shift_left(a, 0, shift);
    let (m, _) = shift_left(&m, 0, shift);
    let (q, r) = Reciprocal::new(m[2], m[1], m[0]).divide(&[x[2], x[3], x4], x[1], x[0], &m);
    let [r0, r1, r2] = shift_right(&r, shift);
    (q, U256::from_limbs([r0, r1, r2, 0]))
}

/// `SDIV`: the two's complement quotient truncated towards zero; -2^255 / -1 wraps to -2^255.
#[inline]
pub fn sdiv(a: U256, b: U256) -> U256 {
    let quotient = div(abs(a), abs(b));
    if is_negative(a) != is_negative(b) { quotient.wrapping_neg() } else { quotient }
}

/// `SMOD`: the two's complement remainder, whose sign is the dividend's.
#[inline]
pub fn smod(a: U256, b: U256) -> U256 {
    let remainder = rem(abs(a), abs(b));
    if is_negative(a) { remainder.wrapping_neg() } else { remainder }
}

/// `ADDMOD`: (a + b) mod m of the unbounded sum, 0 for a zero modulus.
#[inline]
pub fn addmod(a: U256, b: U256, m: U256) -> U256 {
    let (x, y, n) = (a.as_limbs(), b.as_limbs(), m.as_limbs());
    if n[3] != 0 && x[3] <= n[3] && y[3] <= n[3] {
        // Both operands are below 2m, so one subtraction reduces each, and another one their sum.
        let (sum, carry) = add(&subtract_once(x, n), &subtract_once(y, n));
        let (difference, borrow) = subtract(&sum, n);
        return U256::from_limbs(if carry || !borrow { difference } else { sum });
    }
    if n[3] | n[2] == 0 {
        return a.add_mod(b, m);
    }
    addmod_unreduced(x, y, n)
}

/// `ADDMOD` with a modulus of three or four limbs.
#[inline(never)]
fn addmod_unreduced(a: &[u64; 4], b: &[u64; 4], m: &[u64; 4]) -> U256 {
    let (sum, carry) = add(a, b);
    if m[3] >> 34 != 0 {
        return U256::from_limbs(reduce_few(&sum, carry, m).1);
    }
    if m[3] != 0 {
        let shift = m[3].leading_zeros();
        let (x, x4) = shift_left(&sum, u64::from(carry), shift);
        let (m, _) = shift_left(m, 0, shift);
        let w = Reciprocal::new(m[3], m[2], m[1]);
        return U256::from_limbs(shift_right(&w.step(&[x[2], x[3], x4, 0], x[1], x[0], &m), shift));
    }
    let shift = m[2].leading_zeros();
    let (x, x4) = shift_left(&sum, u64::from(carry), shift);
    let (m, _) = shift_left(&[m[0], m[1], m[2]], 0, shift);
    let w = Reciprocal::new(m[2], m[1], m[0]);
    // The top limb has shift + 1 bits at most, which is a full limb for the largest shift.
    let top = subtract_once(&[x[2], x[3], x4], &m);
    let [r0, r1, r2] = shift_right(&w.step(&top, x[1], x[0], &m), shift);
    U256::from_limbs([r0, r1, r2, 0])
}

/// The quotient and the remainder of `carry` · 2^(64 · N) + `a` by `m`, whose top limb has more than 34 bits, so that
/// the quotient has less than 32.
#[inline(always)]
fn reduce_few<const N: usize>(a: &[u64; N], carry: bool, m: &[u64; N]) -> (u64, [u64; N]) {
    // The estimate from the top 64 bits is never too large, and at most one too small: the errors of the dividend and
    // of the divisor are each less than one part in 2^33 of a quotient that is less than 2^32.
    let q = (u64::from(carry) << 63 | a[N - 1] >> 1) / ((m[N - 1] >> 1) + 1);
    let (product, top) = multiply(m, q);
    let (remainder, borrow) = subtract(a, &product);
    let top = u64::from(carry) - top - u64::from(borrow);
    let (difference, borrow) = subtract(&remainder, m);
    if top != 0 || !borrow { (q + 1, difference) } else { (q, remainder) }
}

/// `MULMOD`: (a · b) mod m of the 512-bit product, 0 for a zero modulus.
#[inline]
pub fn mulmod(a: U256, b: U256, m: U256) -> U256 {
    let (x, y) = (a.as_limbs(), b.as_limbs());
    if x[3] | x[2] | y[3] | y[2] == 0 {
        return rem(U256::from_limbs(product_small([x[0], x[1]], [y[0], y[1]])), m);
    }
    let n = m.as_limbs();
    if n[3] | n[2] | n[1] == 0 {
        return a.mul_mod(b, m);
    }
    mulmod_wide(x, y, n)
}

/// `MULMOD` with a modulus of two limbs or more. The product is shifted by as much as makes the modulus's highest bit
/// one, and the remainder back.
#[inline(never)]
fn mulmod_wide(a: &[u64; 4], b: &[u64; 4], m: &[u64; 4]) -> U256 {
    if m[3] != 0 {
        if m[0] & m[1] & m[2] & m[3] == u64::MAX {
            return mulmod_max(a, b);
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

/// `MULMOD` with the modulus 2^256 - 1, by which contracts get the high half of a product: 2^256 is 1, so the halves
/// are added.
#[inline(always)]
fn mulmod_max(a: &[u64; 4], b: &[u64; 4]) -> U256 {
    let p = product(a, b, 0);
    let (sum, carry) = add(&[p[0], p[1], p[2], p[3]], &[p[4], p[5], p[6], p[7]]);
    // With a carry the sum is at most 2^256 - 2 short of overflowing again.
    let sum = U256::from_limbs(sum).wrapping_add(U256::from(carry));
    if sum == U256::MAX { U256::ZERO } else { sum }
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

/// `MUL`: the low 256 bits of the product.
#[inline]
pub fn mul(a: U256, b: U256) -> U256 {
    a.wrapping_mul(b)
}

/// `EXP`: base to the power of exponent, modulo 2^256; 0^0 is 1.
#[inline]
pub fn exp(base: U256, exponent: U256) -> U256 {
    base.wrapping_pow(exponent)
}

/// `SIGNEXTEND`: extends the sign of the value whose most significant byte has index `index`, counted from the least
/// significant byte; an index of 31 or more leaves the value as it is.
#[inline]
pub fn signextend(index: U256, value: U256) -> U256 {
    if index >= U256::from(31) {
        return value;
    }
    let shift = 248 - 8 * index.as_limbs()[0] as usize;
    (value << shift).arithmetic_shr(shift)
}

/// `BYTE`: the byte at `index`, counted from the most significant; 0 beyond 31.
#[inline]
pub fn byte(index: U256, value: U256) -> U256 {
    if index >= U256::from(32) {
        return U256::ZERO;
    }
    U256::from(value.byte(31 - index.as_limbs()[0] as usize))
}

/// `SHL`: value · 2^shift; 0 for a shift of 256 or more.
#[inline]
pub fn shl(shift: U256, value: U256) -> U256 {
    if shift >= U256::from(256) { U256::ZERO } else { value << (shift.as_limbs()[0] as usize) }
}

/// `SHR`: the logical shift; 0 for a shift of 256 or more.
#[inline]
pub fn shr(shift: U256, value: U256) -> U256 {
    if shift >= U256::from(256) { U256::ZERO } else { value >> (shift.as_limbs()[0] as usize) }
}

/// `SAR`: the shift that fills with the sign bit; all sign bits for a shift of 256 or more.
#[inline]
pub fn sar(shift: U256, value: U256) -> U256 {
    let shift = if shift >= U256::from(255) { 255 } else { shift.as_limbs()[0] as usize };
    value.arithmetic_shr(shift)
}

/// `SLT`: whether a < b as two's complement numbers.
#[inline]
pub fn slt(a: U256, b: U256) -> bool {
    flip_sign(a) < flip_sign(b)
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

fn is_negative(a: U256) -> bool {
    a.bit(255)
}

fn abs(a: U256) -> U256 {
    if is_negative(a) { a.wrapping_neg() } else { a }
}

fn flip_sign(a: U256) -> U256 {
    a ^ (U256::ONE << 255)
}
