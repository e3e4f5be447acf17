//! Markets in memory for property tests and benchmarks of the health index and the liquidations: operations of the market without
//! signatures, feeds and ABI, and what they must leave behind.
//!
//! A [`Scenario`] has one quote asset (6 decimals), one collateral asset (18 decimals, 3,000 quote units, with haircut and interest) with its spot
//! pair, and perpetuals at 1,000.0 quote units. A tick is 0.1 quote units and a lot a hundredth, so that a lot is worth 10 quote units at the beginning. What comes
//! in from outside is in custody, so that conservation is checked against that.

use crate::MARKET_ADDRESS;
mod leveraged;

pub use leveraged::{LeveragedMarket, Sequence};

use crate::assets::{Asset, AssetState, PRICE_ONE};
use crate::error::{MarketError, Rejection};
use crate::feeds::Feed;
use crate::gas;
use crate::layout::{
    Account, AccountStatus, Balance, FIRST_ACCOUNT, Globals, Instrument, InstrumentKind, MarginMode, Position, Prices,
    QUOTE,
};
use crate::liquidation::{Case, Incomplete, LiquidationQueue, QueueEntry, Sweep};
use crate::margin::Health;
use crate::margin::standard::position_equity;
use crate::market::Market;
use crate::meter::Meter;
use crate::orders::request::{OrderRequest, TimeInForce};
use crate::pricing::option_mark;
use crate::records::Records;
use crate::risk_index::{RiskTrigger, Watch};
use crate::types::{
    AccountId, Amount, AssetId, BlockInfo, FeedId, InstrumentId, Lots, MICRO, OrderId, PPM, Side, Ticks,
};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use alloy_primitives::{Address, LogData, U256};
use rialto_state::{AccountId as JournalAccountId, Journal, MemoryState};

/// The asset beside the quote asset.
pub const COIN: AssetId = AssetId(2);

/// The spot pair of [`COIN`].
pub const SPOT: InstrumentId = InstrumentId(1);

/// The first perpetual.
pub const FIRST_PERPETUAL: u16 = 2;

/// Price of perpetuals at the beginning, in ticks.
pub const START_TICKS: Ticks = 10_000;

/// A quote unit, in base units.
pub const UNIT: Amount = 1_000_000;

/// See the module's documentation.
pub struct Scenario {
    journal: Journal<'static>,
    module: JournalAccountId,
    block: BlockInfo,
    accounts: u32,
    instruments: u16,
    options: Vec<InstrumentId>,
    /// Events of the last operation.
    pub events: Vec<LogData>,
}

/// The address of the owner of an account.
pub fn owner(account: AccountId) -> Address {
    Address::from_word(U256::from(0xaaaa_0000_0000_u64 + u64::from(account.0)).into())
}

fn coin() -> Asset {
    Asset {
        token: Address::with_last_byte(2),
        decimals: 18,
        haircut_ppm: PPM / 10,
        initial_haircut_ppm: PPM / 5,
        debt_weight_ppm: PPM / 10,
        initial_debt_weight_ppm: PPM / 5,
        base_rate_ppm: PPM / 100,
        slope_ppm: PPM / 25,
        steep_slope_ppm: PPM * 3 / 5,
        kink_ppm: PPM * 9 / 10,
        reserve_ppm: PPM / 10,
        supply_cap: u128::MAX,
        borrow_cap: u128::MAX,
        ..Asset::default()
    }
}

fn terms(kind: InstrumentKind) -> Instrument {
    let is_spot = kind == InstrumentKind::Spot;
    Instrument {
        kind,
        base: if is_spot { COIN } else { AssetId::default() },
        quote: QUOTE,
        feed: FeedId(1),
        tick_value: 1_000,
        lot_size: 10_000_000_000_000_000,
        min_lots: 1,
        max_lots: 1 << 32,
        max_orders: 100,
        initial_ppm: 50_000,
        maintenance_ppm: 30_000,
        tier_lots: 100_000,
        tier_step_ppm: 5_000,
        max_open_lots: 1 << 40,
        liquidation_fee_ppm: 5_000,
        taker_fee_ppm: 500,
        maker_fee_ppm: 200,
        funding_seconds: 3_600,
        ..Instrument::default()
    }
}

impl Scenario {
    /// A market with so many perpetuals.
    pub fn new(perpetuals: u16) -> Self {
        let reader: &'static MemoryState = Box::leak(Box::default());
        let mut journal = Journal::new(reader, 1);
        let module = journal.account_id(&MARKET_ADDRESS);
        let _ = journal.load(module);
        let block = BlockInfo { number: 1, timestamp_seconds: 1_000_000, chain_id: U256::ONE };
        let instruments = FIRST_PERPETUAL + perpetuals;
        let (options, events) = (Vec::new(), Vec::new());
        let mut scenario = Self { journal, module, block, accounts: 0, instruments, options, events };
        scenario.force(|market| {
            market.add_asset(Asset {
                token: Address::with_last_byte(1),
                decimals: 6,
                haircut_ppm: 0,
                initial_haircut_ppm: 0,
                debt_weight_ppm: 0,
                initial_debt_weight_ppm: 0,
                ..coin()
            })?;
            market.add_asset(coin())?;
            market.records.set(FeedId(1), Feed { staleness_seconds: u32::MAX, ..Feed::default() })?;
            for id in 1..instruments {
                let kind = if id == SPOT.0 { InstrumentKind::Spot } else { InstrumentKind::Perpetual };
                let price = u64::from(START_TICKS) * MICRO;
                market.records.set(InstrumentId(id), terms(kind))?;
                market.records.set(
                    InstrumentId(id),
                    Prices { mark: price, index: price, updated_seconds: 1, ..Prices::default() },
                )?;
            }
            market.records.update((), |globals: &mut Globals| globals.next_instrument = instruments)?;
            Ok(())
        });
        scenario.set_coin_price(3_000 * UNIT);
        scenario
    }

    /// One operation of a caller, which leaves nothing if it is rejected.
    pub fn run<T>(
        &mut self,
        caller: Address,
        operation: impl FnOnce(&mut Market<'_, 'static>) -> Result<T, MarketError>,
    ) -> Result<T, Rejection> {
        let records = Records::open(&mut self.journal, self.module);
        let mut market = Market::new(records, self.block, caller, Meter::new(u64::MAX));
        let result = operation(&mut market);
        let (records, events) = market.finish();
        self.events = events;
        match result {
            Ok(value) => {
                records.close().unwrap_or_else(|error| panic!("state in memory can be read: {error}"));
                Ok(value)
            }
            Err(MarketError::Rejected(rejection)) => {
                records.abandon();
                Err(*rejection)
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// One operation that is not rejected.
    pub fn force<T>(&mut self, operation: impl FnOnce(&mut Market<'_, 'static>) -> Result<T, MarketError>) -> T {
        self.run(Address::ZERO, operation).unwrap_or_else(|rejection| panic!("rejected: {rejection}"))
    }

    /// Opens an account of an owner of its own.
    pub fn open(&mut self) -> AccountId {
        let id = AccountId(FIRST_ACCOUNT + self.accounts);
        let opened = self.run(owner(id), |market| market.open_account(0, None));
        assert_eq!(opened, Ok(id));
        self.accounts += 1;
        id
    }

    /// All accounts, those of the market first.
    pub fn accounts(&self) -> impl Iterator<Item = AccountId> + use<> {
        (1..=3).chain(FIRST_ACCOUNT..FIRST_ACCOUNT + self.accounts).map(AccountId)
    }

    /// All perpetuals.
    pub fn perpetuals(&self) -> impl Iterator<Item = InstrumentId> + use<> {
        (FIRST_PERPETUAL..self.instruments).map(InstrumentId)
    }

    /// Lists an option on the first perpetual, a year from expiry, and says which instrument it is.
    pub fn list_option(&mut self, strike_ticks: Ticks, is_call: bool) -> InstrumentId {
        let expiry_seconds = self.block.timestamp_seconds + 31_536_000;
        let id = self.force(|market| {
            let id = market.records.update((), |globals: &mut Globals| {
                globals.next_instrument += 1;
                InstrumentId(globals.next_instrument - 1)
            })?;
            let underlying = InstrumentId(FIRST_PERPETUAL);
            let (initial_ppm, maintenance_ppm) = (150_000, 75_000);
            let terms = Instrument {
                expiry_seconds,
                strike_ticks,
                is_call,
                underlying,
                initial_ppm,
                maintenance_ppm,
                ..terms(InstrumentKind::EuropeanOption)
            };
            market.records.set(id, terms)?;
            Ok(id)
        });
        self.options.push(id);
        self.set_volatility(id, 600_000);
        id
    }

    /// Sets an option's volatility, takes over its underlying's index, and values it.
    pub fn set_volatility(&mut self, id: InstrumentId, volatility_ppm: u32) {
        let now_seconds = self.block.timestamp_seconds;
        self.force(|market| {
            let terms = market.instrument(id)?;
            let index = market.records.get::<Prices>(terms.underlying)?.index;
            let seconds = terms.expiry_seconds.saturating_sub(now_seconds);
            let strike = u64::from(terms.strike_ticks) * MICRO;
            let mark = option_mark(index, strike, volatility_ppm, seconds, terms.is_call);
            market.records.update(id, |prices: &mut Prices| {
                (prices.mark, prices.index, prices.volatility_ppm) = (mark, index, volatility_ppm);
                prices.updated_seconds = now_seconds;
            })?;
            Ok(())
        });
    }

    /// Switches an account's margin mode, if it has the margin.
    pub fn set_margin_mode(&mut self, account: AccountId, mode: MarginMode) -> Result<(), Rejection> {
        self.run(owner(account), |market| market.set_margin_mode(account, mode as u8))
    }

    /// As though so much had been deposited.
    pub fn deposit(&mut self, account: AccountId, asset: AssetId, amount: Amount) {
        self.force(|market| {
            market.add_balance(account, asset, amount)?;
            market.records.update(asset, |state: &mut AssetState| state.custody += amount.unsigned_abs())?;
            market.risk_changed(account)
        });
    }

    /// As though so much had been withdrawn, if the account has the margin.
    pub fn withdraw(&mut self, account: AccountId, asset: AssetId, amount: Amount) -> Result<(), Rejection> {
        self.run(owner(account), |market| {
            let source = market.require_owner(account)?;
            market.require_free(&source)?;
            market.spend_balance(account, asset, amount)?;
            market.require_initial(account)?;
            let custody = market.records.get::<AssetState>(asset)?.custody;
            let left = custody.checked_sub(amount.unsigned_abs()).ok_or(Rejection::Overflow)?;
            market.records.update(asset, |state: &mut AssetState| state.custody = left)?;
            market.risk_changed(account)
        })
    }

    /// A fill between two accounts without fees, if both have the margin for it or `is_forced`.
    pub fn trade(
        &mut self,
        buyer: AccountId,
        seller: AccountId,
        instrument: InstrumentId,
        lots: Lots,
        ticks: Ticks,
        is_forced: bool,
    ) -> Result<(), Rejection> {
        self.run(Address::ZERO, |market| {
            market.apply_fill(buyer, instrument, Side::Buy, lots, ticks, 0)?;
            market.apply_fill(seller, instrument, Side::Sell, lots, ticks, 0)?;
            for account in [buyer, seller] {
                if !is_forced {
                    let record = market.account(account)?;
                    market.require_free(&record)?;
                    market.require_initial(account)?;
                }
                market.risk_changed(account)?;
            }
            Ok(())
        })
    }

    /// An order of an account's owner that rests as far as it does not trade.
    pub fn place(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        side: Side,
        lots: Lots,
        ticks: Ticks,
    ) -> Result<Option<OrderId>, Rejection> {
        let order = OrderRequest {
            instrument,
            side,
            ticks,
            lots,
            time_in_force: TimeInForce::GoodTillCancelled,
            ..OrderRequest::default()
        };
        self.run(owner(account), |market| Ok(market.place_order(account, &order)?.resting))
    }

    /// Cancels orders of an account by its owner, as one call does; how many.
    pub fn cancel_all(&mut self, account: AccountId, instrument: InstrumentId) -> Result<u32, Rejection> {
        self.run(owner(account), |market| market.cancel_all(account, instrument, 0))
    }

    /// Sets an instrument's mark and index.
    pub fn set_mark(&mut self, instrument: InstrumentId, mark: u64) {
        self.force(|market| {
            market.records.update(instrument, |prices: &mut Prices| (prices.mark, prices.index) = (mark, mark))?;
            Ok(())
        });
    }

    /// An instrument's mark.
    pub fn mark(&mut self, instrument: InstrumentId) -> u64 {
        self.force(|market| Ok(market.records.get::<Prices>(instrument)?.mark))
    }

    /// Moves an instrument's mark by a share of itself, which may be negative.
    pub fn move_mark(&mut self, instrument: InstrumentId, by_ppm: i64) {
        let mark = self.mark(instrument);
        let moved = i128::from(mark) * i128::from(i64::from(PPM) + by_ppm) / i128::from(PPM);
        self.set_mark(instrument, moved.clamp(1, i128::from(u32::MAX) * i128::from(MICRO)) as u64);
    }

    /// Sets the price of a whole coin, in quote base units.
    pub fn set_coin_price(&mut self, price: Amount) {
        let price = (U256::from(PRICE_ONE) * U256::from(price.unsigned_abs())) / U256::from(10).pow(U256::from(18));
        self.force(|market| {
            market.accrued(COIN)?;
            market.records.update(COIN, |state: &mut AssetState| state.price = price.saturating_to())?;
            Ok(())
        });
    }

    /// Adds to what a long lot has paid in funding, in millionths of a quote base unit.
    pub fn fund(&mut self, instrument: InstrumentId, growth: i128) {
        self.force(|market| {
            market.records.update(instrument, |prices: &mut Prices| prices.funding_index += growth)?;
            Ok(())
        });
    }

    /// Begins the next block, so many seconds later.
    pub fn next_block(&mut self, seconds: u64) {
        self.journal.end_tx(true);
        self.block.number += 1;
        self.block.timestamp_seconds += seconds;
    }

    /// Sweeps as after an acceptance of prices.
    pub fn sweep(&mut self) -> Sweep {
        self.force(|market| market.sweep(gas::LIQUIDATION_BUDGET))
    }

    /// Sweeps with budgets for finding and for liquidating.
    pub fn sweep_within(&mut self, find_gas: u64, liquidate_gas: u64) -> Sweep {
        self.force(|market| market.sweep_within(find_gas, liquidate_gas))
    }

    /// Takes lots of an auction for an account's owner, at any price.
    pub fn take_auction(
        &mut self,
        keeper: AccountId,
        account: AccountId,
        instrument: InstrumentId,
        lots: Lots,
    ) -> Result<(Lots, Ticks), Rejection> {
        self.run(owner(keeper), |market| {
            let offer = market.auction_offer(account, instrument)?;
            let worst = if offer.is_some_and(|(offer, _)| offer.side == Side::Buy) { 0 } else { u64::MAX };
            market.take_auction(keeper, account, instrument, lots, worst)
        })
    }

    /// Buys shares of the backstop pool.
    pub fn deposit_backstop(&mut self, account: AccountId, amount: u128) -> Result<u128, Rejection> {
        self.run(owner(account), |market| market.deposit_backstop(account, amount))
    }

    /// Sells shares of the backstop pool.
    pub fn withdraw_backstop(&mut self, account: AccountId, shares: u128) -> Result<u128, Rejection> {
        self.run(owner(account), |market| market.withdraw_backstop(account, shares))
    }

    /// What a position gains, as deleveraging counts it.
    pub fn profit(&mut self, account: AccountId, instrument: InstrumentId) -> Amount {
        self.force(|market| {
            let (terms, prices) = (market.instrument(instrument)?, market.records.get::<Prices>(instrument)?);
            Ok(position_equity(&terms, &prices, &market.position(account, instrument)?))
        })
    }

    /// Whether the block is complete.
    pub fn check(&mut self) -> Result<(), Incomplete> {
        self.force(|market| market.end_block_check())
    }

    /// An account's health.
    pub fn health(&mut self, account: AccountId) -> Health {
        self.force(|market| market.health(account))
    }

    /// An account's status.
    pub fn status(&mut self, account: AccountId) -> AccountStatus {
        self.force(|market| Ok(market.account(account)?.status))
    }

    /// An account's position.
    pub fn position(&mut self, account: AccountId, instrument: InstrumentId) -> Position {
        self.force(|market| market.position(account, instrument))
    }

    /// An account's balance.
    pub fn balance(&mut self, account: AccountId, asset: AssetId) -> Amount {
        self.force(|market| market.balance(account, asset))
    }

    /// How many accounts wait for liquidation.
    pub fn waiting(&mut self) -> u64 {
        self.force(|market| Ok(market.records.get::<LiquidationQueue>(())?.waiting))
    }

    /// Every account below maintenance that is not queued, by looking at all.
    pub fn short_and_free(&mut self) -> Vec<AccountId> {
        let accounts: Vec<AccountId> = self.accounts().collect();
        self.force(|market| {
            let mut found = Vec::new();
            for account in accounts {
                let health = market.health(account)?;
                if health.is_short() && health.status == AccountStatus::Healthy {
                    found.push(account);
                }
            }
            Ok(found)
        })
    }

    /// Conservation of money to the last unit, and that the queue and the index are what they say; the text says what is not so.
    pub fn audit(&mut self) -> Result<(), String> {
        let accounts: Vec<AccountId> = self.accounts().collect();
        let perpetuals: Vec<InstrumentId> = self.perpetuals().chain(self.options.iter().copied()).collect();
        self.force(|market| {
            for asset in [QUOTE, COIN] {
                if let Err(text) = audit_asset(market, asset, &accounts, &perpetuals)? {
                    return Ok(Err(text));
                }
            }
            audit_queue(market, &accounts)
        })
    }
}

fn audit_asset(
    market: &mut Market<'_, '_>,
    asset: AssetId,
    accounts: &[AccountId],
    perpetuals: &[InstrumentId],
) -> Result<Result<(), String>, MarketError> {
    let state = market.accrued(asset)?;
    let (mut sum, mut unsettled) = (state.pool, state.pool - state.reserve as i128);
    for &account in accounts {
        let balance = market.records.get::<Balance>((account, asset))?;
        sum += balance.amount;
        unsettled -= state.settle(&balance) - balance.amount;
        for &instrument in perpetuals.iter().filter(|_| asset == QUOTE) {
            sum -= market.records.get::<Position>((account, instrument))?.cost;
        }
    }
    for &instrument in perpetuals.iter().filter(|_| asset == QUOTE) {
        let prices = market.records.get::<Prices>(instrument)?;
        sum += prices.funding_pool;
        let mut lots = 0;
        for &account in accounts {
            lots += market.records.get::<Position>((account, instrument))?.lots;
        }
        if lots != 0 {
            return Ok(Err(alloc::format!("{instrument:?}: {lots} more lots long than short")));
        }
    }
    if sum != state.custody as i128 {
        let missing = state.custody as i128 - sum;
        return Ok(Err(alloc::format!("{asset:?}: balances, costs and pools are {missing} off custody")));
    }
    // The pool can pay what it owes when all settle.
    if unsettled < 0 {
        return Ok(Err(alloc::format!("{asset:?}: the interest pool is {unsettled} short")));
    }
    Ok(Ok(()))
}

fn audit_queue(market: &mut Market<'_, '_>, accounts: &[AccountId]) -> Result<Result<(), String>, MarketError> {
    let queue = market.records.get::<LiquidationQueue>(())?;
    let mut waiting = 0;
    for &account in accounts {
        let (record, case) = (market.records.get::<Account>(account)?, market.records.get::<Case>(account)?);
        if record.status == AccountStatus::Healthy {
            if case != Case::default() {
                return Ok(Err(alloc::format!("{account:?} is healthy and has {case:?}")));
            }
            continue;
        }
        waiting += 1;
        let entry = market.records.get::<QueueEntry>(case.entry)?;
        if entry.account != account || !(queue.head..queue.tail).contains(&case.entry) {
            return Ok(Err(alloc::format!("{account:?} waits, but {case:?} is not in {queue:?}")));
        }
        let triggers = market.records.get::<Watch>(account)?.triggers;
        if triggers != 0 || market.records.get::<RiskTrigger>((account, 0))? != RiskTrigger::default() {
            return Ok(Err(alloc::format!("{account:?} waits and has {triggers} triggers")));
        }
    }
    if waiting != queue.waiting {
        return Ok(Err(alloc::format!("{waiting} accounts wait, the queue says {}", queue.waiting)));
    }
    Ok(Ok(()))
}
