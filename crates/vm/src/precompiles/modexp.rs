//! `MODEXP`: base^exponent mod modulus, of numbers as long as the caller pays for (EIP-198).
//!
//! The input is three lengths of 32 bytes and then the three numbers, all big-endian; what is missing at the end reads
//! as zeros. The price follows the lengths and the exponent's first 32 bytes, and is checked before anything else is
//! read. The modulus comes last: if it is not zero, the base and the exponent lie wholly within the input, so they are
//! never copied or padded, and memory is bounded by the input's length and the modulus's, which the price limits.
//!
//! A modulus of up to 32 bytes, which is what contracts use, goes to our own `powmod`; longer ones to the library.

use super::PrecompileError;
use crate::arith::{addmod, mulmod, powmod};
use alloc::vec::Vec;
use alloy_primitives::U256;
use revm_precompile::{Crypto, DefaultCrypto};

/// What one fork charges for `MODEXP`.
pub(super) struct ModexpPrice {
    /// The least price.
    pub(super) floor_gas: u64,
    /// The complexity of one multiplication, for the longer one of base and modulus in bytes.
    pub(super) complexity: fn(u128) -> u128,
    /// Iterations for each byte of the exponent after the first 32.
    pub(super) iterations_per_byte: u64,
    /// By what the product of complexity and iterations is divided.
    pub(super) divisor: u128,
    /// The longest base, exponent or modulus (EIP-7823).
    pub(super) longest_bytes: u64,
}

/// EIP-198.
pub(super) const BYZANTIUM: ModexpPrice = ModexpPrice {
    floor_gas: 0,
    complexity: |bytes| match bytes {
        0..=64 => bytes * bytes,
        65..=1024 => bytes * bytes / 4 + 96 * bytes - 3_072,
        _ => bytes * bytes / 16 + 480 * bytes - 199_680,
    },
    iterations_per_byte: 8,
    divisor: 20,
    longest_bytes: u64::MAX,
};

/// EIP-2565.
pub(super) const BERLIN: ModexpPrice = ModexpPrice {
    floor_gas: 200,
    complexity: |bytes| bytes.div_ceil(8).pow(2),
    iterations_per_byte: 8,
    divisor: 3,
    longest_bytes: u64::MAX,
};

/// EIP-7823 and EIP-7883.
pub(super) const OSAKA: ModexpPrice = ModexpPrice {
    floor_gas: 500,
    complexity: |bytes| if bytes <= 32 { 16 } else { 2 * bytes.div_ceil(8).pow(2) },
    iterations_per_byte: 16,
    divisor: 1,
    longest_bytes: 1_024,
};

impl ModexpPrice {
    /// The price, if it is a number of 64 bits. `head` is the exponent's first 32 bytes, or all of a shorter one.
    fn gas(&self, base_len: u64, exponent_len: u64, modulus_len: u64, head: U256) -> Option<u64> {
        let head_iterations = (head.bit_len() as u64).saturating_sub(1);
        let tail_iterations = exponent_len.saturating_sub(32).saturating_mul(self.iterations_per_byte);
        let iterations = tail_iterations.saturating_add(head_iterations).max(1);
        let complexity = (self.complexity)(base_len.max(modulus_len).into());
        let gas = complexity.checked_mul(iterations.into())? / self.divisor;
        Some(u64::try_from(gas).ok()?.max(self.floor_gas))
    }
}

pub(super) fn modexp(
    price: &ModexpPrice,
    input: &[u8],
    gas_limit: u64,
    output: &mut Vec<u8>,
) -> Result<u64, PrecompileError> {
    let [base_len, exponent_len, modulus_len] = [0, 32, 64].map(|offset| length(input, offset));
    if base_len.max(exponent_len).max(modulus_len) > price.longest_bytes {
        return Err(PrecompileError::Invalid("modexp: an operand is longer than 1024 bytes"));
    }
    let numbers = input.get(96..).unwrap_or_default();
    let head = word(skip(numbers, base_len)) >> (8 * (32 - exponent_len.min(32)));
    let gas = price.gas(base_len, exponent_len, modulus_len, head).ok_or(PrecompileError::OutOfGas)?;
    if gas > gas_limit {
        return Err(PrecompileError::OutOfGas);
    }
    let Ok(modulus_len) = usize::try_from(modulus_len) else {
        // A price that 64 bits hold has ruled it out where a pointer has 64 bits.
        return Err(PrecompileError::OutOfGas);
    };

    let rest = skip(numbers, base_len);
    let modulus = skip(rest, exponent_len);
    let modulus = &modulus[..modulus_len.min(modulus.len())];
    output.resize(modulus_len, 0);
    if modulus.iter().all(|byte| *byte == 0) {
        return Ok(gas);
    }
    // The modulus is within the input, hence so are the numbers before it and their lengths are indices.
    let base = &numbers[..base_len as usize];
    let exponent = &rest[..exponent_len as usize];
    if modulus_len <= 32 {
        let m = word(modulus) >> (8 * (32 - modulus_len));
        let power = powmod(reduce(base, m), exponent, m).to_be_bytes::<32>();
        output.copy_from_slice(&power[32 - modulus_len..]);
        return Ok(gas);
    }
    // The output serves as the modulus with its missing bytes until the power is there.
    output[..modulus.len()].copy_from_slice(modulus);
    let power = match DefaultCrypto.modexp(base, exponent, output) {
        Ok(power) => power,
        Err(_) => {
            output.clear();
            return Err(PrecompileError::Fatal("modexp: the library failed"));
        }
    };
    // The power is below the modulus, so what the library returns beyond the modulus's length is leading zeros.
    let power = &power[power.len().saturating_sub(modulus_len)..];
    output.fill(0);
    output[modulus_len - power.len()..].copy_from_slice(power);
    Ok(gas)
}

/// The length field at `offset`; one of more than 64 bits as the greatest, for which no gas suffices.
fn length(input: &[u8], offset: usize) -> u64 {
    word(input.get(offset..).unwrap_or_default()).saturating_to()
}

/// The first 32 bytes as a number; missing ones are zeros.
fn word(bytes: &[u8]) -> U256 {
    let mut padded = [0; 32];
    let len = bytes.len().min(32);
    padded[..len].copy_from_slice(&bytes[..len]);
    U256::from_be_bytes(padded)
}

/// What follows the first `count` bytes.
fn skip(bytes: &[u8], count: u64) -> &[u8] {
    usize::try_from(count).ok().and_then(|count| bytes.get(count..)).unwrap_or_default()
}

/// A big-endian number of any length modulo `m`.
fn reduce(number: &[u8], m: U256) -> U256 {
    let (head, words) = number.as_rchunks::<32>();
    let mut remainder = word(head) >> (8 * (32 - head.len()));
    if words.is_empty() {
        return remainder;
    }
    // 2^256 mod m.
    let radix = addmod(&U256::MAX, &U256::ONE, &m);
    for word in words {
        remainder = addmod(&mulmod(&remainder, &radix, &m), &U256::from_be_bytes(*word), &m);
    }
    remainder
}
