// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {ERC721Enumerable} from "@openzeppelin/contracts/token/ERC721/extensions/ERC721Enumerable.sol";

/// Numbered pieces that only the owner of the contract makes.
contract Collectible is ERC721Enumerable, Ownable {
    constructor(address owner) ERC721("Collectible", "PIECE") Ownable(owner) {}

    function mint(address to) external onlyOwner returns (uint256 piece) {
        piece = totalSupply() + 1;
        _safeMint(to, piece);
    }

    function _baseURI() internal pure override returns (string memory) {
        return "ipfs://pieces/";
    }
}

/// Takes pieces, and remembers the last one.
contract Shelf is IERC721Receiver {
    uint256 public last;

    function onERC721Received(address, address, uint256 piece, bytes calldata) external returns (bytes4) {
        last = piece;
        return IERC721Receiver.onERC721Received.selector;
    }
}
