// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Counts per account.
contract Tally {
    event Counted(address indexed who, uint256 total);

    mapping(address who => uint256 total) public totals;

    function count(uint256 by) external returns (uint256 total) {
        require(by > 0, "nothing to count");
        total = totals[msg.sender] += by;
        emit Counted(msg.sender, total);
    }
}
