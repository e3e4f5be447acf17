// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// The few cheat codes of forge that are used here.
interface Cheats {
    function envAddress(string calldata name) external view returns (address);
    function startBroadcast(uint256 key) external;
    function stopBroadcast() external;
    function prank(address caller) external;
    function expectRevert(bytes calldata reason) external;
    function expectEmit(bool one, bool two, bool three, bool data) external;
    function rollFork(uint256 number) external;
}

address constant CHEATS = address(uint160(uint256(keccak256("hevm cheat code"))));
