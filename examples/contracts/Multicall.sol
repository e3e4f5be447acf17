// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Runs several calls in one transaction. An ordinary account can delegate to it (EIP-7702), so it only obeys the
/// account whose code it is.
contract Multicall {
    struct Call {
        address to;
        uint256 value;
        bytes data;
    }

    error NotSelf(address caller);
    error CallFailed(uint256 index, bytes reason);

    receive() external payable {}

    function run(Call[] calldata calls) external payable {
        if (msg.sender != address(this)) revert NotSelf(msg.sender);
        for (uint256 i = 0; i < calls.length; i++) {
            (bool accepted, bytes memory reason) = calls[i].to.call{value: calls[i].value}(calls[i].data);
            if (!accepted) revert CallFailed(i, reason);
        }
    }
}
