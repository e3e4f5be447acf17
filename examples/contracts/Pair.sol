// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

interface IToken {
    function balanceOf(address owner) external view returns (uint256);
    function transfer(address to, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

/// A constant-product pool of two tokens: reserve0 * reserve1 never falls, and 0.3 % of what a swap pays in stays
/// with the pool. Liquidity is counted in shares, which only this contract keeps.
contract Pair {
    IToken public immutable token0;
    IToken public immutable token1;

    uint112 private reserve0;
    uint112 private reserve1;
    uint32 private updatedAtSeconds;
    uint256 private unlocked = 1;

    uint256 public totalShares;
    mapping(address => uint256) public shares;

    event LiquidityAdded(address indexed provider, uint256 amount0, uint256 amount1, uint256 shares);
    event LiquidityRemoved(address indexed provider, uint256 amount0, uint256 amount1, uint256 shares);
    event Swap(address indexed sender, bool zeroForOne, uint256 amountIn, uint256 amountOut, address indexed to);
    event Sync(uint112 reserve0, uint112 reserve1);

    error Locked();
    error ReserveTooLarge(uint256 reserve0, uint256 reserve1);
    error NoLiquidity();
    error OutputTooLow(uint256 amountOut, uint256 minimumOut);
    error SharesTooLow(uint256 shares, uint256 needed);
    error TransferFailed();

    modifier lock() {
        if (unlocked != 1) revert Locked();
        unlocked = 2;
        _;
        unlocked = 1;
    }

    constructor(IToken first, IToken second) {
        token0 = first;
        token1 = second;
    }

    function getReserves() public view returns (uint112, uint112, uint32) {
        return (reserve0, reserve1, updatedAtSeconds);
    }

    /// Takes both amounts from the caller and grants shares in proportion to the smaller of the two.
    function addLiquidity(uint256 amount0, uint256 amount1) external lock returns (uint256 granted) {
        (uint256 held0, uint256 held1) = (reserve0, reserve1);
        uint256 total = totalShares;
        if (total == 0) {
            granted = squareRoot(amount0 * amount1);
        } else {
            uint256 by0 = amount0 * total / held0;
            uint256 by1 = amount1 * total / held1;
            granted = by0 < by1 ? by0 : by1;
        }
        if (granted == 0) revert NoLiquidity();
        if (!token0.transferFrom(msg.sender, address(this), amount0)) revert TransferFailed();
        if (!token1.transferFrom(msg.sender, address(this), amount1)) revert TransferFailed();
        totalShares = total + granted;
        shares[msg.sender] += granted;
        sync();
        emit LiquidityAdded(msg.sender, amount0, amount1, granted);
    }

    /// Burns the caller's shares and pays out their part of both reserves.
    function removeLiquidity(uint256 burned) external lock returns (uint256 amount0, uint256 amount1) {
        uint256 owned = shares[msg.sender];
        if (owned < burned) revert SharesTooLow(owned, burned);
        uint256 total = totalShares;
        if (total == 0) revert NoLiquidity();
        amount0 = burned * reserve0 / total;
        amount1 = burned * reserve1 / total;
        shares[msg.sender] = owned - burned;
        totalShares = total - burned;
        if (!token0.transfer(msg.sender, amount0)) revert TransferFailed();
        if (!token1.transfer(msg.sender, amount1)) revert TransferFailed();
        sync();
        emit LiquidityRemoved(msg.sender, amount0, amount1, burned);
    }

    /// Sells `amountIn` of token0 (`zeroForOne`) or token1 for at least `minimumOut` of the other.
    function swap(bool zeroForOne, uint256 amountIn, uint256 minimumOut, address to)
        external
        lock
        returns (uint256 amountOut)
    {
        (uint256 reserveIn, uint256 reserveOut) = zeroForOne ? (reserve0, reserve1) : (reserve1, reserve0);
        if (reserveIn == 0 || reserveOut == 0) revert NoLiquidity();
        amountOut = quote(amountIn, reserveIn, reserveOut);
        if (amountOut < minimumOut) revert OutputTooLow(amountOut, minimumOut);
        (IToken tokenIn, IToken tokenOut) = zeroForOne ? (token0, token1) : (token1, token0);
        if (!tokenIn.transferFrom(msg.sender, address(this), amountIn)) revert TransferFailed();
        if (!tokenOut.transfer(to, amountOut)) revert TransferFailed();
        sync();
        emit Swap(msg.sender, zeroForOne, amountIn, amountOut, to);
    }

    /// What `amountIn` buys from these reserves after the fee of 3 in 1,000.
    function quote(uint256 amountIn, uint256 reserveIn, uint256 reserveOut) public pure returns (uint256) {
        uint256 paid = amountIn * 997;
        return paid * reserveOut / (reserveIn * 1000 + paid);
    }

    /// Reads the true balances, so that tokens sent here by mistake belong to the pool.
    function sync() private {
        uint256 held0 = token0.balanceOf(address(this));
        uint256 held1 = token1.balanceOf(address(this));
        if (held0 > type(uint112).max || held1 > type(uint112).max) revert ReserveTooLarge(held0, held1);
        reserve0 = uint112(held0);
        reserve1 = uint112(held1);
        updatedAtSeconds = uint32(block.timestamp);
        emit Sync(uint112(held0), uint112(held1));
    }

    /// The largest integer whose square is at most `value`, by Newton's method from above.
    function squareRoot(uint256 value) private pure returns (uint256 root) {
        if (value < 2) return value;
        root = value;
        uint256 next = value / 2 + 1;
        while (next < root) {
            root = next;
            next = (value / next + next) / 2;
        }
    }
}
