// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// 256-bit integer work whose every step needs the step before, so that no step can be left out. The result is
/// returned, which lets two engines be compared on it.
contract Arithmetic {
    // The order of the field of secp256k1: a modulus with all words in use.
    uint256 private constant FIELD = 0xfffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f;

    /// Addition, subtraction, multiplication, division, remainders, modular operations, shifts and comparisons.
    function mix(uint256 rounds, uint256 seed) external pure returns (uint256 a) {
        assembly ("memory-safe") {
            a := or(seed, 1)
            let b := xor(a, 0x9e3779b97f4a7c15f39cc0605cedc8341082276bf3a27251f86c6a11d0c18e95)
            for { let i := 0 } lt(i, rounds) { i := add(i, 1) } {
                a := mulmod(a, b, FIELD)
                b := addmod(b, a, FIELD)
                a := add(mul(a, b), i)
                b := xor(div(a, or(shr(128, b), 1)), b)
                a := sub(a, mod(b, or(shr(64, a), 1)))
                b := add(sdiv(b, or(shr(200, a), 3)), smod(a, or(b, 1)))
                a := xor(or(shl(13, a), shr(243, a)), sar(7, b))
                if slt(a, b) { b := not(b) }
                b := add(signextend(15, b), byte(3, a))
            }
            a := xor(a, b)
        }
    }

    /// Only additions, subtractions, multiplications and comparisons: what most contracts do.
    function simple(uint256 rounds, uint256 seed) external pure returns (uint256 a) {
        assembly ("memory-safe") {
            a := seed
            let b := 0x9e3779b97f4a7c15
            for { let i := 0 } lt(i, rounds) { i := add(i, 1) } {
                a := add(a, b)
                b := mul(a, 0xd1342543de82ef95)
                a := sub(b, a)
                b := xor(b, and(a, 0xffffffffffffffffffffffffffffffff))
                if gt(a, b) { a := add(a, i) }
                b := or(b, iszero(eq(a, b)))
            }
        }
    }

    /// Exponentiation with exponents of 1 to 32 bytes.
    function power(uint256 rounds, uint256 seed) external pure returns (uint256 a) {
        assembly ("memory-safe") {
            a := or(seed, 3)
            for { let i := 0 } lt(i, rounds) { i := add(i, 1) } {
                a := xor(exp(or(a, 3), shr(and(mul(i, 24), 0xff), a)), i)
            }
        }
    }
}
