// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Rialto's market: order book, derivatives, margin and liquidations
/// @notice Answers at 0x5254000000000000000000000000000000000001. A call has its effect at once, and a revert undoes it.
/// Prices are whole ticks and sizes whole lots of an instrument; amounts are base units of an asset. One lot that moves by one
/// tick is worth `tickValue` base units of the quote asset.
/// @dev A call is refused with `BadCall` if its data does not decode strictly, with `NotAllowed` if it sends value or comes by
/// DELEGATECALL or CALLCODE, with `StaticCall` if it would change something from a static call, and with `Reentered` if it would do
/// so while the market itself waits for a token or a feed. What runs out of gas leaves nothing. Accounts 1 to 3 are the insurance
/// fund, the backstop pool and the treasury; users' begin at 16. Asset 1 is the quote asset. Gas follows docs/market-gas.md.
interface IMarket {
    // ---- types ----

    /// Order kinds: how long an order lasts.
    enum TimeInForce { GoodTillCancelled, ImmediateOrCancel, FillOrKill, PostOnly }
    /// What happens when an order would meet one of the same owner.
    enum SelfTrade { CancelTaker, CancelMaker, CancelBoth, Decrement }
    /// What an instrument is.
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

    /// A feed's price in a report.
    struct FeedPrice {
        uint16 feed;
        uint128 price;
    }

    /// What a price signer signs as typed data (EIP-712): domain name "Rialto Market", version "1", the chain's id and the market's address.
    struct PriceReport {
        /// Number of the round, the same for all signers, and higher than that of any accepted report.
        uint64 sequence;
        uint64 timeSeconds;
        /// By feed, ascending, each once.
        FeedPrice[] prices;
    }

    struct SignedReport {
        PriceReport report;
        /// r, s and v (27 or 28) in 65 bytes.
        bytes signature;
    }

    // ---- accounts ----

    /// @notice Opens the caller's subaccount with this number, with cross margin.
    function openAccount(uint8 number) external returns (uint32 account);

    /// @notice Opens a subaccount that may hold one derivative alone: isolated margin.
    function openIsolated(uint8 number, uint16 instrument) external returns (uint32 account);

    /// @notice The subaccount of an owner with this number; zero if there is none.
    function accountOf(address owner, uint8 number) external view returns (uint32 account);

    /// @notice Chooses how margin is computed. The account needs initial margin in the new mode.
    /// @param mode 0 standard: each position by itself; 1 portfolio: all together over a grid of scenarios.
    function setMarginMode(uint32 account, uint8 mode) external;

    /// @notice Lets an agent trade for the account, but neither withdraw nor transfer.
    /// @param untilSeconds The last second in which it may; zero takes it back.
    function setAgent(uint32 account, address agent, uint64 untilSeconds) external;

    /// @notice Takes tokens from the caller, who has approved the market, and credits an account.
    /// @return credited What came in, by the token's balance before and after.
    function deposit(uint32 account, address token, uint256 amount) external returns (uint256 credited);

    /// @notice Pays tokens out. Only the owner, who needs initial margin after; not while the account waits for liquidation.
    function withdraw(uint32 account, address token, uint256 amount, address to) external;

    /// @notice Moves an asset to another account. As `withdraw` for the sender.
    function transfer(uint32 from, uint32 to, uint16 asset, uint128 amount) external;
    /// @notice Pays the insurance fund its part of the interest on an asset. Anyone may ask for it.
    function collectReserve(uint16 asset) external returns (uint256 amount);

    /// @notice What an account holds of an asset, with interest up to now; negative is owed.
    function balanceOf(uint32 account, uint16 asset) external view returns (int256 amount);

    /// @notice A position, and the lots of resting orders.
    /// @return lots Negative is short.
    /// @return cost What was paid for them, in quote base units; negative where they were sold.
    /// @return bidLots Lots of resting bids.
    /// @return askLots Lots of resting asks.
    function positionOf(uint32 account, uint16 instrument)
        external view returns (int64 lots, int256 cost, uint64 bidLots, uint64 askLots);

    /// @notice How an account stands, in quote base units.
    /// @return equity What it is worth.
    /// @return initialMargin What it needs to do more.
    /// @return maintenanceMargin What it needs not to be liquidated.
    /// @return status 0 healthy, 1 waits for liquidation, 2 in an auction.
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

    /// @notice Brings signed prices; they take effect at once, and so does what follows from them. Anyone may bring them.
    /// @param report `abi.encode(SignedReport[])`: what each signer signed, all with the same sequence.
    function updatePrices(bytes calldata report) external;
    /// @notice Reads the price of a feed that has a source contract (`latestRoundData()`). Anyone may ask for it.
    function pullPrice(uint16 feed) external;
    /// @notice An instrument's prices.
    /// @return mark What positions are valued at, in millionths of a tick; zero is none yet.
    /// @return index The oracle's price, in millionths of a tick.
    /// @return updatedSeconds When the oracle's price was made.
    function priceOf(uint16 instrument) external view returns (uint64 mark, uint64 index, uint64 updatedSeconds);
    /// @notice A feed's last accepted price.
    /// @return price Of one whole unit in quote units, times `10 ** decimals`; a yearly volatility where options use the feed as theirs.
    function feedOf(uint16 feed) external view returns (uint128 price, uint8 decimals, uint64 timeSeconds, address source);
    /// @notice Pays out a position in an expired option at its settlement price, or all such positions if `instrument` is zero.
    /// Anyone may ask for it.
    function settleExpired(uint32 account, uint16 instrument) external;

    // ---- operator ----

    /// @notice Only the operator: announces an action that anyone may execute once the time lock is over.
    /// @param action The call data of a function of `IMarketActions`. It must be valid now, and is checked again when it is executed.
    function propose(bytes calldata action) external returns (uint64 proposal);
    /// @notice Executes a proposal whose time lock is over.
    function execute(uint64 proposal, bytes calldata action) external;
    /// @notice Only the operator: takes a proposal back.
    function withdrawProposal(uint64 proposal) external;
    /// @notice Only the operator: restricts an instrument at once (1 reduce only, 2 halted). Only a proposal eases it again.
    function restrict(uint16 instrument, uint8 status) external;
    /// @notice Only the operator: offers the office to `next`, who takes it by `acceptOperator`. The zero address takes the offer back.
    function offerOperator(address next) external;
    /// @notice Takes the office that was offered to the caller.
    function acceptOperator() external;
    /// @notice A waiting proposal; zeros if there is none.
    function proposalOf(uint64 proposal) external view returns (bytes32 actionHash, uint64 executableSeconds);
    /// @notice The price signers, how many of them are needed, and the last accepted round.
    function signers() external view returns (address[] memory addresses, uint8 quorum, uint64 lastSequence);

    // ---- liquidations ----

    /// @notice Takes a part of what an account in an auction has, at the auction's price. The keeper needs the initial margin after.
    /// @param keeper The caller's account.
    /// @param instrument A derivative: its position is taken over. A spot pair: the base asset is bought from the account, or sold to it
    /// where it owes it.
    /// @param lots At most so many; no more is given than brings the account back to its target.
    /// @param worstPrice In ticks: the highest price to buy at, or the lowest to sell at.
    /// @return takenLots How many.
    /// @return price At which price, in ticks.
    function takeAuction(uint32 keeper, uint32 account, uint16 instrument, uint64 lots, uint64 worstPrice)
        external returns (uint64 takenLots, uint64 price);
    /// @notice The present terms of an auction: lots are negative where the account buys.
    function auctionOf(uint32 account, uint16 instrument) external view returns (int64 lots, uint64 price, uint64 sinceBlock);
    /// @notice Buys shares of the backstop pool, which takes over what nobody else takes.
    function depositBackstop(uint32 account, uint128 amount) external returns (uint128 shares);
    /// @notice Sells shares of the backstop pool for their part of its equity. Not while accounts wait for liquidation.
    function withdrawBackstop(uint32 account, uint128 shares) external returns (uint128 amount);
    /// @notice An account's shares of the backstop pool, all shares, and the pool's equity.
    function backstopOf(uint32 account) external view returns (uint128 shares, uint128 totalShares, int256 equity);
    /// @notice Goes on with liquidations, at the caller's expense.
    /// @return processed How many steps were made.
    function liquidate(uint32 maxAccounts) external returns (uint32 processed);

    // ---- events ----

    /// @notice A subaccount was opened; `isolated` is its only instrument, or zero.
    event AccountOpened(uint32 indexed account, address indexed owner, uint8 number, uint16 isolated);
    /// @notice An agent may trade for the account until then.
    event AgentSet(uint32 indexed account, address indexed agent, uint64 untilSeconds);
    /// @notice 0 standard, 1 portfolio.
    event MarginModeSet(uint32 indexed account, uint8 mode);
    /// @notice Tokens came in.
    event Deposited(uint32 indexed account, uint16 indexed asset, uint256 amount);
    /// @notice Tokens went out.
    event Withdrawn(uint32 indexed account, uint16 indexed asset, uint256 amount, address to);
    /// @notice An asset moved between accounts.
    event Transferred(uint32 indexed from, uint32 indexed to, uint16 indexed asset, uint128 amount);
    /// Interest up to now, as the indices times 10^18 by which what is held and what is owed has grown since listing.
    event InterestAccrued(uint16 indexed asset, uint256 supplyIndex, uint256 borrowIndex);
    /// @notice The insurance fund's part of the interest was credited to it.
    event ReserveCollected(uint16 indexed asset, uint256 amount);
    /// @notice An order rests, with what is left of it after its fills.
    event OrderPlaced(
        uint16 indexed instrument, uint32 indexed account, uint128 orderId, bool isBuy, uint32 priceTicks, uint64 lots, uint64 clientId
    );
    /// The order no longer rests; `lots` were left of it. Reasons: 0 the owner, 1 self-trade, 2 expiry, 3 margin, 4 liquidation,
    /// 5 reduce-only, 6 the instrument, 7 replaced.
    event OrderCancelled(uint16 indexed instrument, uint32 indexed account, uint128 orderId, uint64 lots, uint8 reason);
    /// The order was made smaller in its place: `lots` are left.
    event OrderReduced(uint16 indexed instrument, uint32 indexed account, uint128 orderId, uint64 lots, uint8 reason);
    /// @notice A fill, at the maker's price. Fees are in quote base units; negative is a rebate.
    event Trade(
        uint16 indexed instrument, uint32 indexed taker, uint32 indexed maker, uint128 makerOrderId, bool takerIsBuy, uint32 priceTicks,
        uint64 lots, int128 takerFee, int128 makerFee
    );
    /// Lots of an order that the account did not ask for were filled (each fill has a Trade): 4 by a liquidation.
    event ForcedTrade(uint16 indexed instrument, uint32 indexed account, bool isBuy, uint64 lots, uint8 reason);
    /// @notice A position changed otherwise than by a trade.
    event PositionChanged(uint32 indexed account, uint16 indexed instrument, int64 lots, int256 cost, int256 realised);
    /// @notice Funding was paid; negative was received. In quote base units.
    event FundingSettled(uint32 indexed account, uint16 indexed instrument, int256 paid);
    /// @notice What a long of one lot has paid since listing, in millionths of a quote base unit, and the rate of this interval.
    event FundingUpdated(uint16 indexed instrument, int256 fundingIndex, int64 ratePpm);
    /// @notice New mark and index, in millionths of a tick.
    event PriceUpdated(uint16 indexed instrument, uint64 mark, uint64 index);
    /// @notice Trading is halted until then.
    event CircuitBroken(uint16 indexed instrument, uint64 untilSeconds);
    /// @notice A trigger order waits for the mark.
    event TriggerPlaced(uint32 indexed account, uint16 indexed instrument, uint64 triggerId, TriggerKind kind, uint32 triggerTicks);
    /// Reasons: 0 the owner, 1 its order was placed, 2 its order was rejected, 3 its account is being liquidated.
    event TriggerEnded(uint32 indexed account, uint16 indexed instrument, uint64 triggerId, uint8 reason);
    /// An account fell below maintenance and waits for liquidation; values in quote base units.
    event LiquidationQueued(uint32 indexed account, uint64 sequence, int256 equity, int256 maintenanceMargin);
    /// The account is above maintenance again, or has nothing left.
    event LiquidationEnded(uint32 indexed account, uint64 sequence, int256 equity);
    /// Keepers may take its positions and collateral, at a discount that grows with each block.
    event AuctionStarted(uint32 indexed account, uint64 sequence, uint64 blockNumber);
    /// What a liquidation moved: lots that were sold (negative) or bought, for `value` quote base units. Stages: 1 book, 2 auction,
    /// 3 backstop, 4 deleveraging. `counterparty` is zero for the book.
    event Liquidated(
        uint32 indexed account, uint16 indexed instrument, uint32 indexed counterparty, uint8 stage, int64 lots, int256 value, uint256 fee
    );
    /// The backstop pool took over a balance (negative: a debt) for `value` quote base units.
    event CollateralTaken(uint32 indexed account, uint16 indexed asset, int256 amount, int256 value);
    /// The insurance fund paid for a loss.
    event InsurancePaid(uint32 indexed account, uint256 amount);
    /// A winner gave up profit for a loss that the insurance fund could not pay.
    event Deleveraged(uint32 indexed winner, uint32 indexed account, uint16 indexed instrument, uint256 haircut);
    /// A loss that nobody else could pay was taken from all who hold the asset, in proportion.
    event LossSocialised(uint32 indexed account, uint16 indexed asset, uint256 amount, uint256 supplyIndex);
    /// @notice Shares of the backstop pool were bought.
    event BackstopDeposited(uint32 indexed account, uint256 amount, uint256 shares);
    /// @notice Shares of the backstop pool were sold.
    event BackstopWithdrawn(uint32 indexed account, uint256 amount, uint256 shares);
    /// The series expired and pays `price`, in millionths of a tick, for each lot and tick.
    event Settled(uint16 indexed instrument, uint64 price);
    /// @notice A feed has a new price.
    event FeedPriced(uint16 indexed feed, uint128 price, uint64 timeSeconds);
    /// The price is too far from the last one: it counts only once the next report confirms it, and the feed's instruments are halted.
    event FeedDoubted(uint16 indexed feed, uint128 price, uint64 timeSeconds);
    /// @notice The operator announced an action.
    event Proposed(uint64 indexed proposal, uint64 executableSeconds, bytes action);
    /// @notice A proposal took effect.
    event Executed(uint64 indexed proposal);
    /// @notice A proposal was taken back.
    event ProposalWithdrawn(uint64 indexed proposal);
    /// @notice The operator's office was offered, or with the zero address the offer was taken back.
    event OperatorOffered(address indexed next);
    /// @notice There is a new operator.
    event OperatorChanged(address indexed operator);
    /// @notice There are new price signers.
    event SignersSet(address[] signers, uint8 quorum);
    /// @notice The time between a proposal and its effect.
    event TimelockSet(uint32 timelockSeconds);
    /// @notice A feed was listed or changed.
    event FeedSet(uint16 indexed feed, uint8 decimals, address source, uint8 sourceDecimals, uint32 stalenessSeconds, uint32 deviationPpm);
    /// @notice An asset was listed.
    event AssetListed(uint16 indexed asset, address indexed token, uint8 decimals, uint16 feed);
    /// @notice An asset's parameter has this value.
    event AssetParameterSet(uint16 indexed asset, string name, int256 value);
    /// @notice An instrument was listed.
    event InstrumentListed(
        uint16 indexed instrument, uint8 kind, uint16 base, uint16 feed, uint16 underlying, uint64 expirySeconds, uint32 strikeTicks,
        bool isCall, uint64 tickValue, uint128 lotSize
    );
    /// @notice An instrument's parameter has this value.
    event ParameterSet(uint16 indexed instrument, string name, int256 value);
    /// @notice 0 active, 1 reduce only, 2 halted, 3 settled.
    event StatusSet(uint16 indexed instrument, uint8 status);

    // ---- errors ----

    /// @notice The call data is not a call of this interface.
    error BadCall();
    /// @notice The caller may not do this for this account, or not at all.
    error NotAllowed();
    /// @notice The call changes state and came from a static call.
    error StaticCall();
    /// @notice The market waits for a call of its own.
    error Reentered();
    /// @notice No such account, asset, instrument, order, trigger or auction.
    error Unknown(string what, uint256 id);
    /// @notice An argument is outside of what is allowed; negative numbers as two's complement.
    error OutOfRange(string what, uint256 value, uint256 least, uint256 most);
    /// @notice A state forbids it.
    error Forbidden(string state);
    /// @notice The account would not have enough margin, in quote base units.
    error MarginTooLow(int256 equity, int256 required);
    /// @notice A limit was reached.
    error LimitReached(string what, uint64 limit);
    /// @notice A post-only order would take.
    error WouldTake();
    /// @notice A fill-or-kill order can't be filled at once, or an auction not at this price.
    error NotFillable();
    /// @notice A reduce-only order would not reduce.
    error WouldNotReduce();
    /// @notice A number grew beyond what is represented.
    error Overflow();
    /// @notice A token or a feed that the market called failed, with this output.
    error CallFailed(bytes output);
    /// Signed prices are not accepted.
    error BadReport(string why);
}

/// @title What an operator may propose
/// @notice Never called by itself: its calls are the actions of `IMarket.propose`.
interface IMarketActions {
    /// A parameter by its name; the table of parameters says its bounds.
    struct Setting {
        string name;
        int256 value;
    }

    struct InstrumentTerms {
        /// 1 spot, 2 perpetual, 3 European option.
        uint8 kind;
        /// Base asset of a spot pair; zero for others.
        uint16 base;
        /// Feed of the index; for an option, feed of its yearly volatility.
        uint16 feed;
        /// For an option: the instrument whose feed is its index. Zero for others.
        uint16 underlying;
        uint64 expirySeconds;
        /// In ticks of this instrument.
        uint32 strikeTicks;
        bool isCall;
        /// Quote base units of one lot that moves by one tick.
        uint64 tickValue;
        /// Base units of the base asset (spot) or units of 1e-18 of the underlying in one lot.
        uint128 lotSize;
        Setting[] settings;
    }

    struct FeedTerms {
        /// Decimals of the price, at most 18. They never change.
        uint8 decimals;
        /// Contract that `pullPrice` reads; zero for signed prices.
        address source;
        /// Decimals of that contract's answer.
        uint8 sourceDecimals;
        /// Oldest price that is accepted and used.
        uint32 stalenessSeconds;
        /// Largest move that is accepted without confirmation, in millionths.
        uint32 deviationPpm;
    }

    /// @notice Lists an instrument; ids are given in order.
    function listInstrument(InstrumentTerms calldata terms) external;
    /// @notice Changes parameters of an instrument.
    function setInstrument(uint16 instrument, Setting[] calldata settings) external;
    /// @notice 0 active, 1 reduce only, 2 halted.
    function setStatus(uint16 instrument, uint8 status) external;
    /// @notice Lists a feed; ids are given in order.
    function listFeed(FeedTerms calldata terms) external;
    /// @notice Changes a feed, but for its decimals.
    function setFeed(uint16 feed, FeedTerms calldata terms) external;
    /// @notice Replaces all price signers. The quorum is more than half of them.
    function setSigners(address[] calldata signers, uint8 quorum) external;
    /// @notice Sets the time between a proposal and its effect.
    function setTimelock(uint32 timelockSeconds) external;
    /// @notice Lists an asset; ids are given in order, the first is the quote asset.
    function listAsset(address token, uint8 decimals, uint16 feed, Setting[] calldata settings) external;
    /// @notice Changes parameters of an asset.
    function setAsset(uint16 asset, Setting[] calldata settings) external;
    /// @notice Several actions in order, all or none; none of them is this one.
    function several(bytes[] calldata actions) external;
}
