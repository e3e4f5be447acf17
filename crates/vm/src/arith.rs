//! The 256-bit arithmetic of the opcodes.
//!
//! Every function takes its operands in the order in which the opcode pops them and has exactly the opcode's meaning:
//! division and remainder by zero give zero, arithmetic wraps modulo 2^256, signed operations read two's complement.

mod reciprocal;

use alloy_primitives::U256;
use reciprocal::{Reciprocal, subtract};

/// `DIV`: the integer quotient, 0 for a zero divisor.
#[inline]
pub fn div(a: U256, b: U256) -> U256 {
    if b.is_zero() { U256::ZERO } else { a.wrapping_div(b) }
}

/// `MOD`: the remainder, 0 for a zero divisor.
#[inline]
pub fn rem(a: U256, b: U256) -> U256 {
    if b.is_zero() { U256::ZERO } else { a.wrapping_rem(b) }
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
    a.add_mod(b, m)
}

/// `MULMOD`: (a · b) mod m of the 512-bit product, 0 for a zero modulus.
#[inline]
pub fn mulmod(a: U256, b: U256, m: U256) -> U256 {
    mulmod_limbs(a.as_limbs(), b.as_limbs(), m.as_limbs())
}

#[inline(never)]
fn mulmod_limbs(a: &[u64; 4], b: &[u64; 4], m: &[u64; 4]) -> U256 {
    if m[3] != 0 {
        let shift = m[3].leading_zeros();
        let m = shift_left(m, shift).0;
        let p = product(a, b, shift);
        let w = Reciprocal::new(m[3], m[2], m[1]);
        let mut r = if p[8] != 0 {
            w.step([p[6], p[7], p[8], 0], p[5], p[4], &m)
        } else {
            let r = [p[4], p[5], p[6], p[7]];
            let (difference, borrow) = subtract(&r, &m);
            if borrow { r } else { difference }
        };
        r = w.step(r, p[3], p[2], &m);
        r = w.step(r, p[1], p[0], &m);
        U256::from_limbs(shift_right(&r, shift))
    } else if m[2] != 0 {
        let shift = m[2].leading_zeros();
        let m = shift_left(&[m[0], m[1], m[2]], shift).0;
        let p = product(a, b, shift);
        let w = Reciprocal::new(m[2], m[1], m[0]);
        let mut r = if p[8] | p[7] != 0 || p[6] >= m[2] {
            w.step([p[6], p[7], p[8]], p[5], p[4], &m)
        } else {
            [p[4], p[5], p[6]]
        };
        r = w.step(r, p[3], p[2], &m);
        r = w.step(r, p[1], p[0], &m);
        let r = shift_right(&r, shift);
        U256::from_limbs([r[0], r[1], r[2], 0])
    } else if m[1] != 0 {
        let shift = m[1].leading_zeros();
        let m = shift_left(&[m[0], m[1]], shift).0;
        let p = product(a, b, shift);
        let w = Reciprocal::new(m[1], m[0], 0);
        let mut r = [p[8], 0];
        if p[8] | p[7] | p[6] != 0 || p[5] >= m[1] {
            r = w.step(r, p[7], p[6], &m);
            r = w.step(r, p[5], p[4], &m);
        } else {
            r = [p[4], p[5]];
        }
        r = w.step(r, p[3], p[2], &m);
        r = w.step(r, p[1], p[0], &m);
        let r = shift_right(&r, shift);
        U256::from_limbs([r[0], r[1], 0, 0])
    } else {
        U256::from_limbs(*a).mul_mod(U256::from_limbs(*b), U256::from_limbs(*m))
    }
}

#[inline(always)]
fn shift_left<const N: usize>(a: &[u64; N], shift: u32) -> ([u64; N], u64) {
    let mut result = [0; N];
    let mut carry = 0;
    for i in 0..N {
        result[i] = (a[i] << shift) | carry;
        carry = (a[i] >> 1) >> (63 - shift);
    }
    (result, carry)
}

#[inline(always)]
fn shift_right<const N: usize>(a: &[u64; N], shift: u32) -> [u64; N] {
    let mut result = [0; N];
    for i in 0..N - 1 {
        result[i] = (a[i] >> shift) | (a[i + 1] << 1) << (63 - shift);
    }
    result[N - 1] = a[N - 1] >> shift;
    result
}

/// a · b · 2^shift.
#[inline(always)]
fn product(a: &[u64; 4], b: &[u64; 4], shift: u32) -> [u64; 9] {
    let (a, a4) = shift_left(a, shift);
    let mut p = [0; 9];
    for i in 0..4 {
        let mut carry = 0;
        for j in 0..4 {
            (p[i + j], carry) = a[i].carrying_mul_add(b[j], p[i + j], carry);
        }
        p[i + 4] = carry;
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
