// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Keeps one number per writer; every way in which a call can fail has a function.
contract Ledger {
    event Written(address indexed writer, uint256 indexed slot, uint256 value, string note);

    error TooLarge(uint256 value, uint256 limit);

    uint256 public constant LIMIT = 1_000_000;
    mapping(address writer => mapping(uint256 slot => uint256 value)) public numbers;
    uint256 public writes;

    constructor(uint256 first) payable {
        write(0, first, "first");
    }

    function write(uint256 slot, uint256 value, string memory note) public {
        if (value > LIMIT) revert TooLarge(value, LIMIT);
        numbers[msg.sender][slot] = value;
        writes += 1;
        emit Written(msg.sender, slot, value, note);
    }

    function clear(uint256 slot) external {
        delete numbers[msg.sender][slot];
    }

    function failWithReason() external pure {
        revert("as asked");
    }

    function failWithPanic(uint256 divisor) external pure returns (uint256) {
        return 1 / divisor;
    }

    function burnGas() external pure {
        while (true) {}
    }

    function now_() external view returns (uint256 number, uint256 timestamp, uint256 chain) {
        return (block.number, block.timestamp, block.chainid);
    }

    receive() external payable {}
}
