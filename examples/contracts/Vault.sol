// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Keeps ether for its depositors; every refusal is a custom error with its numbers.
contract Vault {
    mapping(address => uint256) public balanceOf;

    event Deposited(address indexed owner, uint256 amount);
    event Withdrawn(address indexed owner, uint256 amount);

    error InsufficientBalance(uint256 available, uint256 required);
    error PaymentRefused(address to);

    receive() external payable {
        deposit();
    }

    function deposit() public payable {
        balanceOf[msg.sender] += msg.value;
        emit Deposited(msg.sender, msg.value);
    }

    function withdraw(uint256 amount) external {
        uint256 available = balanceOf[msg.sender];
        if (available < amount) revert InsufficientBalance(available, amount);
        balanceOf[msg.sender] = available - amount;
        (bool accepted,) = msg.sender.call{value: amount}("");
        if (!accepted) revert PaymentRefused(msg.sender);
        emit Withdrawn(msg.sender, amount);
    }
}
