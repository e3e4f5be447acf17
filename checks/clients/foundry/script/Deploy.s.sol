// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {CHEATS, Cheats} from "../src/Cheats.sol";
import {Tally} from "../src/Tally.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

contract Coin is ERC20 {
    constructor() ERC20("Coin", "COIN") {
        _mint(msg.sender, 1000 ether);
    }
}

/// Deploys and uses two contracts by broadcast transactions.
contract Deploy {
    function run() external {
        Cheats(CHEATS).startBroadcast(0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80);
        Tally tally = new Tally();
        tally.count(3);
        tally.count(4);
        Coin coin = new Coin();
        coin.transfer(address(tally), 5 ether);
        payable(0x70997970C51812dc3A010C7d01b50e0d17dc79C8).transfer(1 ether);
        Cheats(CHEATS).stopBroadcast();
    }
}
