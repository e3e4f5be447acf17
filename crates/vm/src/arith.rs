//! The 256-bit arithmetic of the opcodes.
//!
//! Every function takes its operands in the order in which the opcode pops them and has exactly the opcode's meaning:
//! division and remainder by zero give zero, arithmetic wraps modulo 2^256, signed operations read two's complement.

use alloy_primitives::U256;

/// `DIV`: the integer quotient, 0 for a zero divisor.
#[inline]
pub fn div(a: U256, b: U256) -> U256 {
    if b.is_zero() {
        U256::ZERO
    } else {
        a.wrapping_div(b)
    }
}

/// `MOD`: the remainder, 0 for a zero divisor.
#[inline]
pub fn rem(a: U256, b: U256) -> U256 {
    if b.is_zero() {
        U256::ZERO
    } else {
        a.wrapping_rem(b)
    }
}

/// `SDIV`: the two's complement quotient truncated towards zero; -2^255 / -1 wraps to -2^255.
#[inline]
pub fn sdiv(a: U256, b: U256) -> U256 {
    let quotient = div(abs(a), abs(b));
    if is_negative(a) != is_negative(b) {
        quotient.wrapping_neg()
    } else {
        quotient
    }
}

/// `SMOD`: the two's complement remainder, whose sign is the dividend's.
#[inline]
pub fn smod(a: U256, b: U256) -> U256 {
    let remainder = rem(abs(a), abs(b));
    if is_negative(a) {
        remainder.wrapping_neg()
    } else {
        remainder
    }
}

/// `ADDMOD`: (a + b) mod m of the unbounded sum, 0 for a zero modulus.
#[inline]
pub fn addmod(a: U256, b: U256, m: U256) -> U256 {
    a.add_mod(b, m)
}

/// `MULMOD`: (a · b) mod m of the 512-bit product, 0 for a zero modulus.
#[inline]
pub fn mulmod(a: U256, b: U256, m: U256) -> U256 {
    a.mul_mod(b, m)
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
    if shift >= U256::from(256) {
        U256::ZERO
    } else {
        value << (shift.as_limbs()[0] as usize)
    }
}

/// `SHR`: the logical shift; 0 for a shift of 256 or more.
#[inline]
pub fn shr(shift: U256, value: U256) -> U256 {
    if shift >= U256::from(256) {
        U256::ZERO
    } else {
        value >> (shift.as_limbs()[0] as usize)
    }
}

/// `SAR`: the shift that fills with the sign bit; all sign bits for a shift of 256 or more.
#[inline]
pub fn sar(shift: U256, value: U256) -> U256 {
    let shift = if shift >= U256::from(255) {
        255
    } else {
        shift.as_limbs()[0] as usize
    };
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
