// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Rialto's market: order book, derivatives, margin and liquidations
/// @notice Answers at 0x5254000000000000000000000000000000000001. A call has its effect at once, and a revert undoes it.
/// Prices are whole ticks and sizes whole lots of an instrument; amounts are base units of an asset. One lot that moves by one
/// tick is worth `tickValue` base units of the quote asset.
interface IMarket {
    // ---- types ----

    /// Order kinds: how long an order lasts.
    enum TimeInForce { GoodTillCancelled, ImmediateOrCancel, FillOrKill, PostOnly }
    /// What happens when an order would meet one of the same owner.
    enum SelfTrade { CancelTaker, CancelMaker, CancelBoth, Decrement }
    enum InstrumentKind { Unlisted, Spot, Perpetual, EuropeanOption }
    /// When a trigger order becomes an order.
    enum TriggerKind { None, StopLoss, TakeProfit }

    struct Order {
        uint16 instrument;
        bool isBuy;
        /// Limit; for a market order, the protection price.
        uint32 priceTicks;
        uint64 lots;
        TimeInForce timeInForce;
        SelfTrade selfTrade;
        bool reduceOnly;
        /// Zero is none.
        uint64 clientId;
        /// Zero is never.
        uint64 expirySeconds;
    }

    struct Fill {
        /// Lots that were filled.
        uint64 filledLots;
        /// Quote base units of the fills, before fees.
        uint128 quoteAmount;
        /// The order's id; zero where nothing rests.
        uint128 orderId;
        /// Whether matching stopped at the bound of one call; the rest was cancelled.
        bool isPartial;
    }

    // ---- accounts ----

    function openAccount(uint8 number) external returns (uint32 account);
    function openIsolated(uint8 number, uint16 instrument) external returns (uint32 account);
    function accountOf(address owner, uint8 number) external view returns (uint32 account);
    function setMarginMode(uint32 account, uint8 mode) external;
    function setAgent(uint32 account, address agent, uint64 untilSeconds) external;
    function deposit(uint32 account, address token, uint256 amount) external returns (uint256 credited);
    function withdraw(uint32 account, address token, uint256 amount, address to) external;
    function transfer(uint32 from, uint32 to, uint16 asset, uint128 amount) external;
    function balanceOf(uint32 account, uint16 asset) external view returns (int256 amount);
    function positionOf(uint32 account, uint16 instrument)
        external view returns (int64 lots, int256 cost, uint64 bidLots, uint64 askLots);
    function health(uint32 account)
        external view returns (int256 equity, int256 initialMargin, int256 maintenanceMargin, uint8 status);

    // ---- orders ----

    /// @notice Places an order. What crosses is filled at once at the makers' prices, best price first and oldest first at a price.
    /// @param account A subaccount of the caller, or one that named the caller as its agent.
    /// @param order The order. `priceTicks` zero is allowed for ImmediateOrCancel and FillOrKill: then the price band protects alone.
    /// @return fill What was filled, and the id of what rests.
    /// @custom:error WouldTake for PostOnly that crosses; NotFillable for FillOrKill; WouldNotReduce; MarginTooLow; Forbidden where
    /// the instrument's or the account's state does not allow it; LimitReached for too many orders or a client id in use.
    function place(uint32 account, Order calldata order) external returns (Fill memory fill);

    /// @notice Stores an order that is placed by the market itself when the mark price crosses `triggerTicks`.
    /// @dev A stop loss that sells waits for the mark to fall to the trigger, one that buys for it to rise; a take profit the other way
    /// round. Crossed triggers run after prices are accepted: by instrument, falling triggers from the highest, rising ones from the
    /// lowest, oldest first at a price, each once, within a fixed budget of a block; the rest carries over. An order that can't be
    /// placed then ends with reason 2.
    /// @param triggerTicks Not crossed yet.
    function placeTrigger(uint32 account, Order calldata order, TriggerKind kind, uint32 triggerTicks)
        external returns (uint64 triggerId);

    /// @notice Removes a trigger order.
    function cancelTrigger(uint32 account, uint64 triggerId) external;

    /// @notice Takes an order out of the book.
    /// @return lots What was left of it.
    function cancel(uint32 account, uint128 orderId) external returns (uint64 lots);

    /// @notice As `cancel`, by the client's id.
    function cancelByClientId(uint32 account, uint64 clientId) external returns (uint64 lots);

    /// @notice Replaces a resting order of the same instrument and side. With the same price, flags and expiry and at most its lots it
    /// keeps its id and its place in the queue; otherwise it is cancelled and placed anew, with the old client id where the new is zero.
    function replace(uint32 account, uint128 orderId, Order calldata order) external returns (Fill memory fill);

    /// @notice Cancels resting orders, at most 256 in a call.
    /// @param instrument Zero is all.
    /// @return count How many; 256 means that there may be more.
    function cancelAll(uint32 account, uint16 instrument) external returns (uint32 count);

    /// @notice Does up to 256 actions in order. One that is rejected leaves nothing and does not undo the others.
    /// @dev An action is a word, its bytes from the left; bytes that are not named have to be zero.
    ///   byte 0: 1 place, 2 cancel, 3 cancel by client id, 4 replace, 5 cancel all
    ///   place: 1 flags, 2-3 instrument, 4-7 priceTicks, 8-13 lots, 14-21 clientId, 22-26 expirySeconds
    ///   cancel: 2-15 orderId
    ///   cancel by client id: 8-15 clientId
    ///   replace: 1 flags, 2-15 orderId, 16-19 priceTicks, 20-25 lots, 26-30 expirySeconds
    ///   cancel all: 2-3 instrument
    /// Flags: bit 0 isBuy, bit 1 reduceOnly, bits 2-3 timeInForce, bits 4-5 selfTrade. A replacement's bit 0 has to be the order's side.
    /// A result is a word: byte 0 is 1 if done, 0 if rejected.
    ///   place, replace: 1 isPartial, 2-15 orderId (zero where nothing rests), 24-31 filledLots
    ///   cancel, cancel by client id: 24-31 lots
    ///   cancel all: 24-31 count
    ///   rejected: 28-31 the error's selector
    function batch(uint32 account, bytes32[] calldata actions) external returns (bytes32[] memory results);

    /// @notice As `batch`, but an action that is rejected rejects the call, with its error.
    function batchAtomic(uint32 account, bytes32[] calldata actions) external returns (bytes32[] memory results);

    /// @notice Best bid and ask with their lots; zero where there is none.
    function bestPrices(uint16 instrument)
        external view returns (uint32 bidTicks, uint64 bidLots, uint32 askTicks, uint64 askLots);

    /// @notice A resting order, or `Unknown`.
    function orderOf(uint128 orderId)
        external view returns (uint32 account, bool isBuy, uint32 priceTicks, uint64 lots, uint64 clientId, uint64 expirySeconds);

    /// @notice Up to 64 levels of a side, best first.
    function levels(uint16 instrument, bool isBuy, uint8 most)
        external view returns (uint32[] memory priceTicks, uint64[] memory lots);

    /// @notice Up to 256 resting orders of an account.
    function ordersOf(uint32 account, uint16 instrument) external view returns (uint128[] memory orderIds);

    /// @notice The trigger orders of an account, at most 16.
    function triggersOf(uint32 account) external view returns (uint64[] memory triggerIds);

    // ---- oracle ----

    function updatePrices(bytes calldata report) external;
    function pullPrice(uint16 feed) external;
    function priceOf(uint16 instrument) external view returns (uint64 mark, uint64 index, uint64 updatedSeconds);

    // ---- liquidations ----

    function takeAuction(uint32 keeper, uint32 account, uint16 instrument, uint64 lots, uint64 worstPrice)
        external returns (uint64 takenLots, uint64 price);
    function depositBackstop(uint32 account, uint128 amount) external returns (uint128 shares);
    function withdrawBackstop(uint32 account, uint128 shares) external returns (uint128 amount);
    function liquidate(uint32 maxAccounts) external returns (uint32 processed);

    // ---- events ----

    event AccountOpened(uint32 indexed account, address indexed owner, uint8 number, uint16 isolated);
    event AgentSet(uint32 indexed account, address indexed agent, uint64 untilSeconds);
    event MarginModeSet(uint32 indexed account, uint8 mode);
    event Deposited(uint32 indexed account, uint16 indexed asset, uint256 amount);
    event Withdrawn(uint32 indexed account, uint16 indexed asset, uint256 amount, address to);
    event Transferred(uint32 indexed from, uint32 indexed to, uint16 indexed asset, uint128 amount);
    event OrderPlaced(
        uint16 indexed instrument, uint32 indexed account, uint128 orderId, bool isBuy, uint32 priceTicks, uint64 lots, uint64 clientId
    );
    /// The order no longer rests; `lots` were left of it. Reasons: 0 the owner, 1 self-trade, 2 expiry, 3 margin, 4 liquidation,
    /// 5 reduce-only, 6 the instrument, 7 replaced.
    event OrderCancelled(uint16 indexed instrument, uint32 indexed account, uint128 orderId, uint64 lots, uint8 reason);
    /// The order was made smaller in its place: `lots` are left.
    event OrderReduced(uint16 indexed instrument, uint32 indexed account, uint128 orderId, uint64 lots, uint8 reason);
    event Trade(
        uint16 indexed instrument, uint32 indexed taker, uint32 indexed maker, uint128 makerOrderId, bool takerIsBuy, uint32 priceTicks,
        uint64 lots, int128 takerFee, int128 makerFee
    );
    event PositionChanged(uint32 indexed account, uint16 indexed instrument, int64 lots, int256 cost, int256 realised);
    event FundingSettled(uint32 indexed account, uint16 indexed instrument, int256 paid);
    event FundingUpdated(uint16 indexed instrument, int256 fundingIndex, int64 ratePpm);
    event PriceUpdated(uint16 indexed instrument, uint64 mark, uint64 index);
    event CircuitBroken(uint16 indexed instrument, uint64 untilSeconds);
    event TriggerPlaced(uint32 indexed account, uint16 indexed instrument, uint64 triggerId, TriggerKind kind, uint32 triggerTicks);
    /// Reasons: 0 the owner, 1 its order was placed, 2 its order was rejected.
    event TriggerEnded(uint32 indexed account, uint16 indexed instrument, uint64 triggerId, uint8 reason);
    event Settled(uint16 indexed instrument, uint64 price);

    // ---- errors ----

    error BadCall();
    error NotAllowed();
    error StaticCall();
    error Reentered();
    error Unknown(string what, uint256 id);
    error OutOfRange(string what, uint256 value, uint256 least, uint256 most);
    error Forbidden(string state);
    error MarginTooLow(int256 equity, int256 required);
    error LimitReached(string what, uint64 limit);
    error WouldTake();
    error NotFillable();
    error WouldNotReduce();
    error Overflow();
    error CallFailed(bytes output);
}
