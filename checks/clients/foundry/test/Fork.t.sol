// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {CHEATS, Cheats} from "../src/Cheats.sol";
import {Tally} from "../src/Tally.sol";

interface Ledger {
    function numbers(address writer, uint256 slot) external view returns (uint256);
    function write(uint256 slot, uint256 value, string memory note) external;
    function writes() external view returns (uint256);
}

/// Runs on a fork of the node: what the flow before it deployed is there, and what the tests write stays here.
contract ForkTest {
    Cheats constant cheats = Cheats(CHEATS);
    Ledger ledger;
    Tally tally;

    event Counted(address indexed who, uint256 total);

    function setUp() external {
        ledger = Ledger(cheats.envAddress("LEDGER"));
        tally = new Tally();
    }

    function testReadsTheFork() external view {
        require(block.chainid == 31337, "chain");
        require(ledger.writes() == 4, "writes");
        require(ledger.numbers(cheats.envAddress("WRITER"), 2) == 20, "number");
        require(cheats.envAddress("WRITER").balance > 9000 ether, "balance");
    }

    function testWritesOnTopOfIt() external {
        ledger.write(7, 70, "here only");
        require(ledger.writes() == 5, "writes");
        require(ledger.numbers(address(this), 7) == 70, "number");
        cheats.prank(cheats.envAddress("WRITER"));
        ledger.write(2, 21, "as the writer");
        require(ledger.numbers(cheats.envAddress("WRITER"), 2) == 21, "as the writer");
    }

    function testRejects() external {
        cheats.expectRevert("nothing to count");
        tally.count(0);
    }

    function testEmits(uint96 by) external {
        if (by == 0) return;
        cheats.expectEmit(true, false, false, true);
        emit Counted(address(this), by);
        tally.count(by);
    }

    function testAnEarlierBlock() external {
        Ledger there = ledger;
        address writer = cheats.envAddress("WRITER");
        cheats.rollFork(2);
        require(there.writes() == 2, "writes then");
        require(there.numbers(writer, 2) == 0, "number then");
    }
}
