// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

/// Lives behind a proxy, and holds a coin for its depositors. (The import above makes the proxy's code, too.)
contract Vault is UUPSUpgradeable {
    using SafeERC20 for IERC20;

    IERC20 public coin;
    address public owner;
    mapping(address depositor => uint256 amount) public deposits;

    function initialize(IERC20 coin_, address owner_) external {
        require(owner == address(0), "initialized before");
        coin = coin_;
        owner = owner_;
    }

    function deposit(uint256 amount) external {
        coin.safeTransferFrom(msg.sender, address(this), amount);
        deposits[msg.sender] += amount;
    }

    function withdraw(uint256 amount) external {
        deposits[msg.sender] -= amount;
        coin.safeTransfer(msg.sender, amount);
    }

    function _authorizeUpgrade(address) internal view override {
        require(msg.sender == owner, "not the owner");
    }
}
