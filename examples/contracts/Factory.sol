// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// A drawer that keeps one word and lets only its owner change it.
contract Box {
    address public immutable owner;
    uint256 public content;

    error NotOwner(address caller);

    constructor(address holder, uint256 initial) {
        owner = holder;
        content = initial;
    }

    function put(uint256 next) external {
        if (msg.sender != owner) revert NotOwner(msg.sender);
        content = next;
    }
}

/// Deploys boxes at addresses that depend only on the owner, the initial content and the salt (CREATE2).
contract Factory {
    uint256 public count;

    event BoxCreated(address indexed owner, address box, bytes32 salt);

    function create(bytes32 salt, uint256 initial) external returns (Box box) {
        box = new Box{salt: salt}(msg.sender, initial);
        count += 1;
        emit BoxCreated(msg.sender, address(box), salt);
    }

    function predict(bytes32 salt, address owner, uint256 initial) external view returns (address) {
        bytes32 codeHash = keccak256(abi.encodePacked(type(Box).creationCode, abi.encode(owner, initial)));
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), address(this), salt, codeHash)))));
    }
}
