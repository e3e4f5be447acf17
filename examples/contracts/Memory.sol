// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Loops over memory: single words, single bytes and copies, aligned and not.
contract Memory {
    /// Reads and writes words and bytes across `length` bytes, `rounds` times over.
    function words(uint256 rounds, uint256 length) external pure returns (uint256 sum) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            let end := add(start, length)
            for { let i := 0 } lt(i, rounds) { i := add(i, 1) } {
                for { let at := start } lt(at, end) { at := add(at, 64) } {
                    sum := add(sum, mload(at))
                    mstore(at, xor(sum, at))
                    mstore(add(at, 33), sum)
                    mstore8(add(at, 5), i)
                    sum := add(sum, mload(add(at, 17)))
                }
            }
        }
    }

    /// Copies overlapping and disjoint pieces of `length` bytes with MCOPY, `rounds` times.
    function copies(uint256 rounds, uint256 length) external pure returns (uint256 sum) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            let second := add(start, add(length, 32))
            for { let i := 0 } lt(i, rounds) { i := add(i, 1) } {
                mstore(start, add(i, sum))
                mcopy(second, start, length)
                mcopy(add(second, 7), second, length)
                sum := add(mload(add(second, 7)), mload(add(second, 1)))
                mcopy(start, add(second, 3), length)
            }
        }
    }

    /// Copies the call's own input and the contract's code into memory, `rounds` times.
    function inputs(uint256 rounds, bytes calldata data) external pure returns (uint256 sum) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            for { let i := 0 } lt(i, rounds) { i := add(i, 1) } {
                calldatacopy(start, data.offset, data.length)
                codecopy(add(start, data.length), and(i, 31), 256)
                sum := add(sum, add(mload(start), mload(add(start, data.length))))
                sum := xor(sum, calldataload(add(data.offset, and(i, 63))))
            }
        }
    }
}
