// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Loops over storage, transient and lasting.
contract Storage {
    /// Adds one to each of `count` slots from `first` on: one cold read and one write a slot.
    function touch(uint256 first, uint256 count) external returns (uint256 sum) {
        assembly ("memory-safe") {
            let end := add(first, count)
            for { let slot := first } lt(slot, end) { slot := add(slot, 1) } {
                let value := add(sload(slot), 1)
                sum := add(sum, value)
                sstore(slot, value)
            }
        }
    }

    /// Reads `count` slots from `first` on, `rounds` times: cold the first time, warm afterwards.
    function read(uint256 first, uint256 count, uint256 rounds) external view returns (uint256 sum) {
        assembly ("memory-safe") {
            let end := add(first, count)
            for { let i := 0 } lt(i, rounds) { i := add(i, 1) } {
                for { let slot := first } lt(slot, end) { slot := add(slot, 1) } { sum := add(sum, sload(slot)) }
            }
        }
    }

    /// Writes `count` slots from `first` on, `rounds` times, with a different value each time.
    function write(uint256 first, uint256 count, uint256 rounds) external {
        assembly ("memory-safe") {
            let end := add(first, count)
            for { let i := 1 } iszero(gt(i, rounds)) { i := add(i, 1) } {
                for { let slot := first } lt(slot, end) { slot := add(slot, 1) } { sstore(slot, add(slot, i)) }
            }
        }
    }

    /// Writes and reads back `count` transient slots, `rounds` times.
    function passing(uint256 count, uint256 rounds) external returns (uint256 sum) {
        assembly ("memory-safe") {
            for { let i := 0 } lt(i, rounds) { i := add(i, 1) } {
                for { let slot := 0 } lt(slot, count) { slot := add(slot, 1) } {
                    tstore(slot, add(tload(slot), i))
                    sum := add(sum, tload(slot))
                }
            }
        }
    }
}
