//! What each piece of work costs: one table, from which every charge is taken before the work is done.
//!
//! A unit of gas stands for at most ten nanoseconds on one core of the machine that the table was measured on (`rialto bench --gas-market`).
//! A slot that changed costs what it costs any contract, for the state root and the database do the same for it. Work whose size depends on the state (matching, mass cancels, sweeps) is charged by step, so that no
//! call does more than its gas pays for; every single step is bounded. `docs/market-gas.md` shows this table and is compared with it by
//! a test.
//!
//! What the market does by itself in a block (triggers, expiries, liquidations) is not paid by whoever brings the prices: it has
//! budgets, also in units of gas and also here.

/// A row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GasRow {
    /// Name of the constant.
    pub name: &'static str,
    /// Gas.
    pub gas: u64,
    /// What it covers.
    pub covers: &'static str,
}

macro_rules! gas_table {
    ($(#[doc = $covers:literal] $name:ident = $gas:literal;)*) => {
        $(#[doc = $covers] pub const $name: u64 = $gas;)*

        /// All rows, in the order of this file.
        pub const TABLE: &[GasRow] =
            &[$(GasRow { name: stringify!($name), gas: $gas, covers: $covers },)*];
    };
}

gas_table! {
    // ---- calls ----
    /// Every call: finding the tables, writing back what changed.
    CALL = 1_000;
    /// A word of call data.
    CALL_DATA_WORD = 10;
    /// Reading one record for an answer: balances, positions, prices, best prices.
    READ = 1_500;
    /// An event.
    EVENT = 300;
    /// A slot that is different after the call, as SSTORE takes for one that has a value.
    SLOT = 2_900;
    /// A slot that is read first in the transaction.
    SLOT_READ = 200;

    // ---- orders ----
    /// Checking an order and its account, before it reaches the book.
    PLACE = 2_000;
    /// A maker that is looked at while matching.
    MAKER_VISIT = 500;
    /// A fill: both positions, fees, events.
    FILL = 4_000;
    /// Adding an order to the book: its record, its queue, the lists of its account.
    REST = 3_000;
    /// Taking an order out of the book.
    CANCEL = 2_000;
    /// Making an order smaller in its place.
    REDUCE = 1_500;
    /// An action of a batch, beside what the action costs.
    ACTION = 200;
    /// A word of an account's list of orders, with up to eight orders.
    ORDER_LIST_WORD = 300;
    /// Storing a trigger order.
    TRIGGER_PLACE = 3_000;
    /// Removing a trigger order, or finding that it has nothing to do.
    TRIGGER_END = 2_000;
    /// Most that the order of a crossed trigger may use; it fills with as many makers as that allows.
    TRIGGER_ORDER = 4_000_000;
    /// Finding the next crossed trigger or expired order of an instrument.
    QUEUE_STEP = 1_000;

    // ---- accounts ----
    /// Opening an account.
    ACCOUNT_OPEN = 2_000;
    /// Naming an agent or choosing a margin mode, beside the health that it needs.
    ACCOUNT_SET = 1_500;
    /// Moving an amount into, out of or between accounts, beside the health that it needs and the token's calls.
    BALANCE_MOVE = 2_000;

    // ---- margin ----
    /// An account's health, beside its positions and assets.
    HEALTH = 1_500;
    /// A position or an asset in an account's health.
    HEALTH_ITEM = 800;
    /// A position or a balance that moves with its price, in the grid of portfolio margin.
    GRID_LINEAR = 300;
    /// An option in the grid of portfolio margin: its price in every scenario.
    GRID_OPTION = 3_500;

    // ---- liquidations ----
    /// Looking at an account whose trigger was met, beside its health.
    RISK_VISIT = 400;
    /// Passing over a trigger.
    RISK_STEP = 50;
    /// Setting a trigger anew.
    RISK_TRIGGER = 300;
    /// Most that looking at one account may cost; a search stops before it has less.
    RISK_VISIT_MOST = 100_000;
    /// A step of an account's liquidation, beside orders, fills and takeovers.
    LIQUIDATION_STEP = 3_000;
    /// Taking over a position or a balance.
    TAKEOVER = 8_000;
    /// Looking at an account that may have to give up profit.
    WINNER_VISIT = 1_500;
    /// Most that one step of a liquidation may cost.
    LIQUIDATION_STEP_MOST = 25_000_000;
    /// Most that one order of a liquidation may cost.
    LIQUIDATION_ORDER_MOST = 12_000_000;
    /// What a step needs after its orders.
    LIQUIDATION_STEP_REST = 8_000_000;
    /// Most that a round of deleveraging may cost.
    LIQUIDATION_ROUND_MOST = 60_000_000;

    // ---- prices ----
    /// A signer's report: hashing it and recovering its signer.
    PRICE_SIGNATURE = 9_000;
    /// A feed in a report, or in an average.
    PRICE_FEED = 4_000;
    /// Halting or repricing an instrument: its index, circuit breaker and mark.
    REPRICE = 12_000;
    /// The impact prices of both sides of a book.
    IMPACT_PRICES = 40_000;
    /// A funding payment of an instrument.
    FUNDING = 2_000;
    /// Settling a series that expired.
    SETTLE_SERIES = 20_000;
    /// Most that removing one order of a settled series may cost; clearing stops before it has less.
    CLEAR_MOST = 200_000;
    /// Paying out a position in a settled series.
    PAYOUT = 12_000;

    // ---- the operator ----
    /// Proposing or executing an action, beside what it does.
    PROPOSAL = 8_000;
    /// Listing or changing a feed, an asset or an instrument, or a signer.
    LISTING = 25_000;

    // ---- what the market does by itself in a block ----
    /// Budget for finding accounts below maintenance after new prices in a block, and once more at its end.
    RISK_BUDGET = 200_000_000;
    /// Budget of liquidations in a block.
    LIQUIDATION_BUDGET = 150_000_000;
    /// Budget of crossed triggers in a block.
    TRIGGER_BUDGET = 8_000_000;
    /// Budget of expired orders in a block.
    EXPIRY_BUDGET = 4_000_000;
    /// Budget of orders of settled series in a block.
    CLEAR_BUDGET = 4_000_000;
}
