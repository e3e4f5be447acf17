// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Chains of Keccak-256 over inputs of the lengths that contracts use.
contract Hashing {
    /// Hashes 64 bytes `rounds` times, as the slots of a mapping are found.
    function words(uint256 rounds, uint256 seed) external pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            mstore(0, seed)
            for { let i := 0 } lt(i, rounds) { i := add(i, 1) } {
                mstore(32, i)
                mstore(0, keccak256(0, 64))
            }
            digest := mload(0)
        }
    }

    /// Hashes `length` bytes `rounds` times, each input holding the digest before it.
    function buffers(uint256 rounds, uint256 length, uint256 seed) external pure returns (bytes32 digest) {
        assembly ("memory-safe") {
            let start := mload(0x40)
            digest := seed
            for { let i := 0 } lt(i, rounds) { i := add(i, 1) } {
                mstore(start, digest)
                digest := keccak256(start, length)
            }
        }
    }
}
