// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// What an account delegates to: it runs several calls in one transaction that the account itself sent.
contract Batcher {
    struct Call {
        address to;
        uint256 value;
        bytes data;
    }

    event Ran(address indexed account, uint256 calls);

    error NotItself(address caller);

    uint256 public runs;

    function run(Call[] calldata calls) external payable {
        if (msg.sender != address(this)) revert NotItself(msg.sender);
        for (uint256 i = 0; i < calls.length; i++) {
            (bool ok, bytes memory result) = calls[i].to.call{value: calls[i].value}(calls[i].data);
            if (!ok) assembly { revert(add(result, 32), mload(result)) }
        }
        runs += 1;
        emit Ran(address(this), calls.length);
    }

    receive() external payable {}
}

/// Reads its transaction's blobs.
contract BlobReader {
    event Blobs(bytes32 first, bytes32 second, uint256 baseFee);

    function read() external {
        emit Blobs(blobhash(0), blobhash(1), block.blobbasefee);
    }
}
