//! A market in memory, called as the machine calls it: encoded calls in, answers or errors out, one transaction each.
#![allow(dead_code)]

use alloy_primitives::{Address, LogData, U256, address};
use alloy_sol_types::{SolCall, SolEvent, SolInterface};
use rialto_market::abi::{IMarket, IMarketActions as Actions};
use rialto_market::book::Order;
use rialto_market::layout::{Account, Balance, Position, Prices};
use rialto_market::module::MarketModule;
use rialto_market::oracle::NewPrice;
use rialto_market::orders::lists::{OrderCount, OrderList, OrderPlace};
use rialto_market::orders::triggers::TriggerOrdersOf;
use rialto_market::records::Records;
use rialto_market::types::{AccountId, AssetId, BlockInfo, FeedId, InstrumentId, Side};
use rialto_market::{MARKET_ADDRESS, Market, MarketError, Meter};
use rialto_state::{AccountId as JournalAccountId, Journal, MemoryState};
use rialto_vm::{BlockContext, ModuleCall, ModuleOutcome, NativeModule, OutwardCall, OutwardResult};
use std::sync::LazyLock;

/// Who calls.
pub type Owner = Address;

pub const ALICE: Address = address!("00000000000000000000000000000000000a11ce");
pub const BOB: Address = address!("0000000000000000000000000000000000000b0b");
pub const CAROL: Address = address!("00000000000000000000000000000000000ca401");
pub const NOBODY: Address = address!("00000000000000000000000000000000000d0d0d");

pub const PERPETUAL: u16 = 1;
pub const SPOT: u16 = 2;
pub const OPTION: u16 = 3;
pub const BITCOIN_FEED: FeedId = FeedId(1);
pub const VOLATILITY_FEED: FeedId = FeedId(2);

/// The index at the start, in ticks of a tenth of a dollar.
pub const PRICE: u32 = 500_000;
/// Gas of a call in tests, more than any needs.
pub const GAS: u64 = 30_000_000;
/// When the first block is.
pub const START_SECONDS: u64 = 1_800_000_000;
/// When the option expires.
pub const EXPIRY_SECONDS: u64 = START_SECONDS + 30 * 86_400;

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    Success { output: Vec<u8>, gas_used: u64 },
    Revert { output: Vec<u8>, gas_used: u64 },
    Halt,
    Waits,
}

pub struct World {
    pub journal: Journal<'static>,
    pub block: BlockContext,
    /// The index, in ticks.
    pub ticks: u32,
    /// Events of the last call.
    pub events: Vec<LogData>,
    module: JournalAccountId,
}

impl World {
    /// Dollars of 6 decimals and bitcoin of 8 at 50,000; a perpetual, a spot pair and a call on it. A lot is 0.001 bitcoin, a tick 0.1
    /// dollars. Alice, Bob and Carol have account 0 each, with a million dollars
    /// and a bitcoin.
    pub fn new() -> Self {
        static EMPTY: LazyLock<MemoryState> = LazyLock::new(|| {
            let mut state = MemoryState::default();
            state.insert_account(MARKET_ADDRESS, 1, U256::ZERO, Default::default(), []);
            state
        });
        let mut journal = Journal::new(&*EMPTY, 1);
        let module = journal.account_id(&MARKET_ADDRESS);
        journal.load(module).unwrap();
        let block =
            BlockContext { chain_id: 1, number: 1, timestamp_seconds: START_SECONDS, ..BlockContext::default() };
        let mut world = Self { journal, block, ticks: PRICE, events: Vec::new(), module };
        for action in listings() {
            world.operate(Address::ZERO, |market| market.perform(&action));
        }
        world.set_prices(PRICE, START_SECONDS);
        for owner in [ALICE, BOB, CAROL] {
            let account = world.call(owner, IMarket::openAccountCall { number: 0 }).unwrap();
            world.fund(account, 1, 1_000_000_000_000);
            world.fund(account, 2, 100_000_000);
        }
        world
    }

    /// The account 0 of an owner.
    pub fn account(&mut self, owner: Address) -> u32 {
        self.call(owner, IMarket::accountOfCall { owner, number: 0 }).unwrap()
    }

    /// Adds to a balance, as a deposit does.
    pub fn fund(&mut self, account: u32, asset: u16, amount: i128) {
        self.operate(Address::ZERO, |market| {
            let (account, asset) = (AccountId(account), AssetId(asset));
            market.records().update(asset, |state: &mut rialto_market::AssetState| {
                state.custody = state.custody.checked_add_signed(amount).unwrap();
            })?;
            market.add_balance(account, asset, amount)
        });
    }

    /// One operation, in a transaction of its own, that can't fail.
    pub fn operate<T>(
        &mut self,
        caller: Address,
        operation: impl FnOnce(&mut Market<'_, '_>) -> Result<T, MarketError>,
    ) -> T {
        let records = Records::open(&mut self.journal, self.module);
        let block = BlockInfo {
            number: self.block.number,
            timestamp_seconds: self.block.timestamp_seconds,
            chain_id: U256::from(self.block.chain_id),
        };
        let mut market = Market::new(records, block, caller, Meter::new(u64::MAX));
        let result = operation(&mut market).unwrap_or_else(|error| panic!("{error}"));
        let (records, events) = market.finish();
        records.close().unwrap();
        self.events = events;
        self.journal.end_tx(true);
        result
    }

    /// New prices at a time, which becomes the block's: everything that follows from them happens.
    pub fn set_prices(&mut self, ticks: u32, time_seconds: u64) {
        self.block.timestamp_seconds = time_seconds;
        self.block.number += 1;
        self.ticks = ticks;
        let price = |feed, price| NewPrice { feed, price, time_seconds };
        let bitcoin = price(BITCOIN_FEED, u128::from(ticks) * 10_000_000);
        let volatility = price(VOLATILITY_FEED, 60_000_000);
        self.operate(Address::ZERO, |market| market.accept_prices(&[bitcoin, volatility]));
    }

    /// A call in the open transaction, as the machine makes it: undone unless it succeeds.
    pub fn enter(&mut self, caller: Address, input: &[u8], gas_limit: u64, is_static: bool) -> Ended {
        let call = ModuleCall {
            caller,
            value: U256::ZERO,
            input,
            gas_limit,
            is_static,
            account: self.module,
            is_delegated: false,
            block: &self.block.clone(),
        };
        self.enter_with(call)
    }

    pub fn enter_with(&mut self, call: ModuleCall<'_>) -> Ended {
        let checkpoint = self.journal.checkpoint();
        let mut output = Vec::new();
        let outcome = MarketModule.call(&mut self.journal, call, &mut output).unwrap();
        let ended = match outcome {
            ModuleOutcome::Success { gas_used } => Ended::Success { output, gas_used },
            ModuleOutcome::Revert { gas_used } => Ended::Revert { output, gas_used },
            ModuleOutcome::Halt | ModuleOutcome::OutOfGas => Ended::Halt,
            ModuleOutcome::Call(_) => Ended::Waits,
        };
        if !matches!(ended, Ended::Success { .. }) {
            self.journal.revert(checkpoint);
        }
        ended
    }

    /// A call that is a transaction.
    pub fn transact(&mut self, caller: Address, input: &[u8]) -> Ended {
        let ended = self.enter(caller, input, GAS, false);
        self.events = self
            .journal
            .logs()
            .iter()
            .map(|log| LogData::new_unchecked(log.topics.to_vec(), log.data.clone()))
            .collect();
        self.journal.end_tx(true);
        ended
    }

    /// A call that is a transaction, decoded; or the error as it reads.
    pub fn call<C: SolCall>(&mut self, caller: Address, call: C) -> Result<C::Return, String> {
        match self.transact(caller, &call.abi_encode()) {
            Ended::Success { output, .. } => Ok(C::abi_decode_returns_validate(&output).unwrap()),
            Ended::Revert { output, .. } => Err(error_text(&output)),
            ended => panic!("{} {ended:?}", C::SIGNATURE),
        }
    }

    /// The events of a kind that the last call wrote.
    pub fn events_of<E: SolEvent>(&self) -> Vec<E> {
        let of_kind = self.events.iter().filter(|event| event.topics()[0] == E::SIGNATURE_HASH);
        of_kind.map(|event| E::decode_log_data(event).unwrap()).collect()
    }

    /// All slots that the journal knows of the market that are not zero: the whole state of a market that began empty.
    pub fn slots(&mut self) -> Vec<(U256, U256)> {
        let keys: Vec<U256> = self.journal.loaded_slots().map(|(_, key)| key).collect();
        let mut slots = Vec::new();
        for key in keys {
            let id = self.journal.slot_id(self.module, &key);
            let value = self.journal.load_slot(id).unwrap().value;
            if !value.is_zero() {
                slots.push((key, value));
            }
        }
        slots.sort_unstable();
        slots.dedup();
        slots
    }

    /// Ends the block as the machine does; the violation, if there is one.
    pub fn end_block(&mut self) -> Result<(), String> {
        let ended = MarketModule.end_block(&mut self.journal, self.module, &self.block).unwrap();
        self.journal.end_tx(true);
        ended.map_err(|violation| violation.text)
    }

    /// A call that is a transaction, with `contract` answering the calls that the market makes: whether it succeeds, and with what.
    pub fn transact_with(
        &mut self,
        caller: Address,
        input: &[u8],
        mut contract: impl FnMut(&mut Self, &OutwardCall) -> (bool, Vec<u8>),
    ) -> Ended {
        let checkpoint = self.journal.checkpoint();
        let block = self.block.clone();
        let call = ModuleCall {
            caller,
            value: U256::ZERO,
            input,
            gas_limit: GAS,
            is_static: false,
            account: self.module,
            is_delegated: false,
            block: &block,
        };
        let mut output = Vec::new();
        let mut outcome = MarketModule.call(&mut self.journal, call, &mut output).unwrap();
        let ended = loop {
            match outcome {
                ModuleOutcome::Success { gas_used } => break Ended::Success { output, gas_used },
                ModuleOutcome::Revert { gas_used } => break Ended::Revert { output, gas_used },
                ModuleOutcome::Halt | ModuleOutcome::OutOfGas => break Ended::Halt,
                ModuleOutcome::Call(outward) => {
                    let (success, answer) = contract(self, &outward);
                    let result = OutwardResult { success, output: &answer };
                    output.clear();
                    outcome = MarketModule
                        .resume(&mut self.journal, call, outward.continuation, result, &mut output)
                        .unwrap();
                }
            }
        };
        if !matches!(ended, Ended::Success { .. }) {
            self.journal.revert(checkpoint);
        }
        self.journal.end_tx(true);
        ended
    }

    pub fn module(&self) -> JournalAccountId {
        self.module
    }

    // ---- shorthands ----

    pub fn place(&mut self, owner: Address, order: IMarket::Order) -> Result<IMarket::Fill, String> {
        let account = self.account(owner);
        self.call(owner, IMarket::placeCall { account, order })
    }

    /// Lots, bid lots and ask lots of a position in the perpetual.
    pub fn position(&mut self, owner: Address) -> (i64, u64, u64) {
        let account = self.account(owner);
        let position = self.call(owner, IMarket::positionOfCall { account, instrument: PERPETUAL }).unwrap();
        (position.lots, position.bidLots, position.askLots)
    }

    pub fn balance(&mut self, owner: Address, asset: u16) -> i128 {
        let account = self.account(owner);
        let amount = self.call(owner, IMarket::balanceOfCall { account, asset }).unwrap();
        amount.try_into().unwrap()
    }

    /// The whole book of an instrument: price and lots by level, bids first, best first.
    pub fn book(&mut self, instrument: u16) -> Vec<(bool, u32, u64)> {
        let mut book = Vec::new();
        for is_buy in [true, false] {
            let levels = self.call(NOBODY, IMarket::levelsCall { instrument, isBuy: is_buy, most: 64 }).unwrap();
            book.extend(levels.priceTicks.iter().zip(&levels.lots).map(|(ticks, lots)| (is_buy, *ticks, *lots)));
        }
        book
    }
}

/// Accounts that tests open, and those that the market has for itself.
pub fn all_accounts(opened: u32) -> impl Iterator<Item = AccountId> {
    (1..=3).chain(16..16 + opened).map(AccountId)
}

/// What holds between any two transactions: money is conserved to the last unit, as many lots are long as short, the book holds the
/// orders that accounts have, and reservations are the lots of those orders.
pub fn check(world: &mut World, opened: u32, what: &str) {
    world.operate(Address::ZERO, |market| {
        for asset in [AssetId(1), AssetId(2)] {
            let state = market.accrued(asset)?;
            let mut sum = state.pool;
            for id in all_accounts(opened) {
                sum += market.records().get::<Balance>((id, asset))?.amount;
                for instrument in [PERPETUAL, SPOT, OPTION].map(InstrumentId).into_iter().filter(|_| asset.0 == 1) {
                    sum -= market.records().get::<Position>((id, instrument))?.cost;
                }
            }
            if asset.0 == 1 {
                for instrument in [PERPETUAL, OPTION].map(InstrumentId) {
                    sum += market.records().get::<Prices>(instrument)?.funding_pool;
                }
            }
            assert_eq!(sum, state.custody as i128, "{what}: conservation of asset {}", asset.0);
        }
        let mut orders = std::collections::BTreeMap::new();
        for instrument in [PERPETUAL, SPOT, OPTION].map(InstrumentId) {
            check_book(market, instrument, opened, &mut orders, what)?;
        }
        for id in all_accounts(opened) {
            let triggers = market.records().get::<TriggerOrdersOf>(id)?.numbers().len();
            let account = market.records().get::<Account>(id)?;
            let resting = orders.get(&id).copied().unwrap_or(0_usize);
            assert_eq!(usize::from(account.orders), resting + triggers, "{what}: orders of account {}", id.0);
        }
        Ok(())
    });
}

fn check_book(
    market: &mut Market<'_, '_>,
    instrument: InstrumentId,
    opened: u32,
    orders: &mut std::collections::BTreeMap<AccountId, usize>,
    what: &str,
) -> Result<(), MarketError> {
    let mut levels = std::collections::BTreeMap::new();
    let (mut long, mut short) = (0, 0);
    for id in all_accounts(opened) {
        let position = market.records().get::<Position>((id, instrument))?;
        long += position.lots.max(0);
        short -= position.lots.min(0);
        let mut reserved = [0_u64; 2];
        let count = market.records().get::<OrderCount>((id, instrument))?.count;
        *orders.entry(id).or_default() += count as usize;
        for at in 0..count {
            let list = market.records().get::<OrderList>((id, instrument, at / 8))?;
            let handle = list.handles[(at % 8) as usize];
            assert_eq!(market.records().get::<OrderPlace>((instrument, handle))?.at, at, "{what}: place of {handle}");
            let order = market.records().get::<Order>((instrument, handle))?;
            assert_eq!(order.account, id, "{what}: order {handle}");
            reserved[order.side as usize] += order.lots;
            *levels.entry((order.side as usize, order.ticks)).or_insert(0) += order.lots;
        }
        assert_eq!(reserved, [position.bid_lots, position.ask_lots], "{what}: reserved lots of account {}", id.0);
    }
    assert_eq!(long, short, "{what}: long and short of {}", instrument.0);
    for (number, side) in [Side::Buy, Side::Sell].into_iter().enumerate() {
        let depth = market.book_depth(instrument, side, u32::MAX)?;
        let mut seen: Vec<(u32, u64)> = depth.iter().map(|level| (level.ticks, level.lots)).collect();
        seen.sort_unstable();
        let listed: Vec<(u32, u64)> =
            levels.iter().filter(|((side, _), _)| *side == number).map(|((_, ticks), lots)| (*ticks, *lots)).collect();
        assert_eq!(seen, listed, "{what}: levels of {}", instrument.0);
    }
    Ok(())
}

/// An error as `Name(arguments)`.
pub fn error_text(output: &[u8]) -> String {
    match IMarket::IMarketErrors::abi_decode_validate(output) {
        Ok(IMarket::IMarketErrors::OutOfRange(error)) => format!("OutOfRange {} {}", error.what, error.value),
        Ok(IMarket::IMarketErrors::Unknown(error)) => format!("Unknown {} {}", error.what, error.id),
        Ok(IMarket::IMarketErrors::Forbidden(error)) => format!("Forbidden {}", error.state),
        Ok(IMarket::IMarketErrors::LimitReached(error)) => format!("LimitReached {} {}", error.what, error.limit),
        Ok(error) => format!("{error:?}").split([' ', '(', '{']).next().unwrap_or_default().to_string(),
        Err(_) => format!("not an error of the interface: {output:02x?}"),
    }
}

/// A good-till-cancelled order of the perpetual.
pub fn limit(is_buy: bool, ticks: u32, lots: u64) -> IMarket::Order {
    IMarket::Order {
        instrument: PERPETUAL,
        isBuy: is_buy,
        priceTicks: ticks,
        lots,
        timeInForce: IMarket::TimeInForce::GoodTillCancelled,
        selfTrade: IMarket::SelfTrade::CancelTaker,
        reduceOnly: false,
        clientId: 0,
        expirySeconds: 0,
    }
}

pub fn buy(ticks: u32, lots: u64) -> IMarket::Order {
    limit(true, ticks, lots)
}

pub fn sell(ticks: u32, lots: u64) -> IMarket::Order {
    limit(false, ticks, lots)
}

fn settings(rows: &[(&str, i64)]) -> Vec<Actions::Setting> {
    let setting =
        |(name, value): &(&str, i64)| Actions::Setting { name: name.to_string(), value: (*value).try_into().unwrap() };
    rows.iter().map(setting).collect()
}

fn listings() -> Vec<Vec<u8>> {
    let feed = |staleness_seconds| Actions::FeedTerms {
        decimals: 8,
        source: Address::ZERO,
        sourceDecimals: 0,
        stalenessSeconds: staleness_seconds,
        deviationPpm: 1_000_000,
    };
    let terms = |kind: u8, base, feed, underlying, lot_size, rows: &[(&str, i64)]| Actions::InstrumentTerms {
        kind,
        base,
        feed,
        underlying,
        expirySeconds: if kind == 3 { EXPIRY_SECONDS } else { 0 },
        strikeTicks: if kind == 3 { PRICE } else { 0 },
        isCall: kind == 3,
        tickValue: 100,
        lotSize: lot_size,
        settings: settings(rows),
    };
    let rows =
        [("makerFeePpm", -100), ("takerFeePpm", 500), ("maxOrders", 300), ("minLots", 2), ("maxLots", 1_000_000)];
    let no_breaker = |more: &[(&'static str, i64)]| [more, &[("breakerPpm", 0)]].concat();
    vec![
        Actions::listFeedCall { terms: feed(3_600) }.abi_encode(),
        Actions::listFeedCall { terms: feed(3_600) }.abi_encode(),
        Actions::listAssetCall { token: Address::repeat_byte(1), decimals: 6, feed: 0, settings: Vec::new() }
            .abi_encode(),
        Actions::listAssetCall { token: Address::repeat_byte(2), decimals: 8, feed: 1, settings: Vec::new() }
            .abi_encode(),
        Actions::listInstrumentCall { terms: terms(2, 0, 1, 0, 1_000_000_000_000_000, &no_breaker(&rows)) }
            .abi_encode(),
        Actions::listInstrumentCall { terms: terms(1, 2, 1, 0, 100_000, &no_breaker(&rows)) }.abi_encode(),
        Actions::listInstrumentCall { terms: terms(3, 0, 2, 1, 1_000_000_000_000_000, &no_breaker(&rows)) }
            .abi_encode(),
    ]
}

/// An instrument's id for operations.
pub fn instrument(id: u16) -> InstrumentId {
    InstrumentId(id)
}
