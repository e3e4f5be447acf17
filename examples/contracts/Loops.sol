// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// The two smallest loops there are: all that they cost is the loop itself.
contract Loops {
    /// The Fibonacci number at `index`, modulo 2^256, one addition after the other.
    function fibonacci(uint256 index) external pure returns (uint256 a) {
        uint256 b = 1;
        unchecked {
            for (uint256 i = 0; i < index; i++) {
                (a, b) = (b, a + b);
            }
        }
    }

    /// Counts to `limit`.
    function count(uint256 limit) external pure returns (uint256 i) {
        unchecked {
            while (i < limit) i++;
        }
    }
}
