// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// Calls that call themselves.
contract DeepCalls {
    uint256 public visits;

    /// Calls itself `depth` levels down; each level adds what the level below returned.
    function descend(uint256 depth) public returns (uint256) {
        if (depth == 0) return 1;
        return this.descend(depth - 1) + 1;
    }

    /// The same down through DELEGATECALL, STATICCALL and CALL in turns.
    function mixed(uint256 depth) external returns (uint256 sum) {
        if (depth == 0) return 1;
        bytes memory input = abi.encodeCall(this.mixed, (depth - 1));
        bool accepted;
        bytes memory output;
        if (depth % 3 == 0) (accepted, output) = address(this).delegatecall(input);
        else if (depth % 3 == 1) (accepted, output) = address(this).staticcall(input);
        else (accepted, output) = address(this).call(input);
        require(accepted);
        sum = abi.decode(output, (uint256)) + depth;
    }

    /// A tree of calls: every level calls `width` children, and every other leaf writes to storage and reverts.
    function tree(uint256 depth, uint256 width) external returns (uint256 leaves) {
        if (depth == 0) {
            visits += 1;
            return 1;
        }
        for (uint256 i = 0; i < width; i++) {
            try this.leaf(depth - 1, width, i % 2 == 1) returns (uint256 below) {
                leaves += below;
            } catch {}
        }
    }

    function leaf(uint256 depth, uint256 width, bool undo) external returns (uint256 leaves) {
        leaves = this.tree(depth, width);
        require(!(undo && depth == 0));
    }
}
