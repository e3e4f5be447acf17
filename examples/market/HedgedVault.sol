// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IMarket} from "../../contracts/IMarket.sol";

interface IERC20 {
    function approve(address spender, uint256 amount) external returns (bool);
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

/// @title A vault that sells and buys ether for dollars at the book's price, and hedges in the same transaction
/// @notice Whoever swaps gets the price at which the vault hedged on the perpetual's book, and pays a fee on top. The swap and the hedge
/// are one transaction: if the book can't fill the hedge within the swapper's limit, or the swapper does not pay, neither happens.
/// @dev Between swaps the vault's ether and its position in the perpetual add up to the same exposure.
contract HedgedVault {
    IMarket public constant MARKET = IMarket(0x5254000000000000000000000000000000000001);
    uint256 private constant MILLION = 1_000_000;

    IERC20 public immutable dollar;
    IERC20 public immutable ether_;
    /// The perpetual that hedges.
    uint16 public immutable perpetual;
    /// Base units of ether in one lot.
    uint256 public immutable lotSize;
    /// What a swapper pays on top of the hedge's price, in millionths.
    uint256 public immutable feePpm;
    address public immutable owner;
    /// The vault's account in the market.
    uint32 public immutable account;

    event Swapped(address indexed swapper, bool isBuy, uint64 lots, uint256 dollars);

    error OnlyOwner();

    constructor(IERC20 dollar_, IERC20 ether__, uint16 perpetual_, uint256 lotSize_, uint256 feePpm_) {
        (dollar, ether_, perpetual, lotSize, feePpm) = (dollar_, ether__, perpetual_, lotSize_, feePpm_);
        owner = msg.sender;
        account = MARKET.openAccount(0);
    }

    /// @notice Puts the caller's dollars into the vault's account in the market: margin for hedges.
    function fund(uint256 dollars) external {
        dollar.transferFrom(msg.sender, address(this), dollars);
        dollar.approve(address(MARKET), dollars);
        MARKET.deposit(account, address(dollar), dollars);
    }

    /// @notice The owner takes margin out, as far as positions don't need it.
    function unfund(uint256 dollars) external {
        if (msg.sender != owner) revert OnlyOwner();
        MARKET.withdraw(account, address(dollar), dollars, owner);
    }

    /// @notice Buys `lots` of ether from the vault, which buys as many of the perpetual.
    /// @param worstTicks The highest price that the caller accepts.
    /// @return dollars What the caller paid.
    function buy(uint64 lots, uint32 worstTicks) external returns (uint256 dollars) {
        uint256 cost = hedge(true, lots, worstTicks);
        dollars = cost + (cost * feePpm + MILLION - 1) / MILLION;
        dollar.transferFrom(msg.sender, address(this), dollars);
        ether_.transfer(msg.sender, lots * lotSize);
        emit Swapped(msg.sender, true, lots, dollars);
    }

    /// @notice Sells `lots` of ether to the vault, which sells as many of the perpetual.
    /// @param worstTicks The lowest price that the caller accepts.
    /// @return dollars What the caller got.
    function sell(uint64 lots, uint32 worstTicks) external returns (uint256 dollars) {
        uint256 proceeds = hedge(false, lots, worstTicks);
        dollars = proceeds - (proceeds * feePpm + MILLION - 1) / MILLION;
        ether_.transferFrom(msg.sender, address(this), lots * lotSize);
        dollar.transfer(msg.sender, dollars);
        emit Swapped(msg.sender, false, lots, dollars);
    }

    /// Fills the whole hedge at once, or reverts; returns its value.
    function hedge(bool isBuy, uint64 lots, uint32 worstTicks) private returns (uint256) {
        IMarket.Order memory order = IMarket.Order({
            instrument: perpetual,
            isBuy: isBuy,
            priceTicks: worstTicks,
            lots: lots,
            timeInForce: IMarket.TimeInForce.FillOrKill,
            selfTrade: IMarket.SelfTrade.CancelTaker,
            reduceOnly: false,
            clientId: 0,
            expirySeconds: 0
        });
        return MARKET.place(account, order).quoteAmount;
    }
}
