//! A market in memory for tests of its ledger: operations run one by one on the records, without book and oracle.
#![allow(dead_code)]

use alloy_primitives::{Address, U256};
use rialto_market::layout::{
    Account, Balance, FIRST_ACCOUNT, Globals, Instrument, InstrumentKind, Position, Prices, QUOTE,
};
use rialto_market::records::Records;
use rialto_market::types::{AccountId, Amount, AssetId, BlockInfo, InstrumentId, MICRO, PPM, Side};
use rialto_market::{Asset, AssetState, MARKET_ADDRESS, Market, MarketError, Meter, Rejection};
use rialto_state::{AccountId as JournalAccountId, Journal, MemoryState};

pub const BITCOIN: AssetId = AssetId(2);
pub const PERPETUAL: InstrumentId = InstrumentId(1);
pub const CALL: InstrumentId = InstrumentId(2);
pub const PUT: InstrumentId = InstrumentId(3);
pub const SPOT: InstrumentId = InstrumentId(4);
pub const USERS: u32 = 4;

/// The address of the user with this number.
pub fn user(number: u32) -> Address {
    Address::from_word(U256::from(0xaaaa_0000_u32 + number).into())
}

/// The account of the user with this number.
pub fn account(number: u32) -> AccountId {
    AccountId(FIRST_ACCOUNT + number)
}

pub struct World {
    journal: Journal<'static>,
    module: JournalAccountId,
    pub now_seconds: u64,
}

impl World {
    /// Two assets (dollars of 6 decimals, bitcoin of 8 at 50,000), a perpetual, two options and a spot pair of it, four users.
    ///
    /// A lot is 0.001 bitcoin, a tick 0.1 dollars, so that a lot that moves by a tick is worth 100 base units.
    pub fn new() -> Self {
        let reader: &'static MemoryState = Box::leak(Box::default());
        let mut journal = Journal::new(reader, 1);
        let module = journal.account_id(&MARKET_ADDRESS);
        journal.load(module).unwrap();
        let mut world = Self { journal, module, now_seconds: 1_000_000 };
        world
            .run(Address::ZERO, |market| {
                market.add_asset(dollars())?;
                market.add_asset(bitcoin())?;
                market.set_asset_price(BITCOIN, 5_000_000_000_000, 8, 1_000_000)?;
                for (id, kind) in [
                    (PERPETUAL, InstrumentKind::Perpetual),
                    (CALL, InstrumentKind::EuropeanOption),
                    (PUT, InstrumentKind::EuropeanOption),
                    (SPOT, InstrumentKind::Spot),
                ] {
                    market.records().set(id, instrument(id, kind))?;
                    let mark = if kind == InstrumentKind::EuropeanOption { 20_000 } else { 500_000 };
                    let prices = Prices { mark: mark * MICRO, index: 500_000 * MICRO, ..Prices::default() };
                    market.records().set(id, prices)?;
                }
                market.records().update((), |globals: &mut Globals| globals.next_instrument = 5)?;
                Ok(())
            })
            .unwrap();
        for number in 0..USERS {
            assert_eq!(world.run(user(number), |market| market.open_account(0, None)).unwrap(), account(number));
        }
        world
    }

    /// One operation of a caller, which leaves nothing if it is rejected.
    pub fn run<T>(
        &mut self,
        caller: Address,
        operation: impl FnOnce(&mut Market<'_, 'static>) -> Result<T, MarketError>,
    ) -> Result<T, Rejection> {
        let records = Records::open(&mut self.journal, self.module);
        let block = BlockInfo { number: 1, timestamp_seconds: self.now_seconds, chain_id: U256::from(1) };
        let mut market = Market::new(records, block, caller, Meter::new(u64::MAX));
        let result = operation(&mut market);
        let (records, _) = market.finish();
        match result {
            Ok(value) => {
                records.close().unwrap();
                Ok(value)
            }
            Err(MarketError::Rejected(rejection)) => {
                records.abandon();
                Err(*rejection)
            }
            Err(other) => panic!("{other}"),
        }
    }

    /// One operation of the market itself that is not rejected.
    pub fn force<T>(&mut self, operation: impl FnOnce(&mut Market<'_, 'static>) -> Result<T, MarketError>) -> T {
        self.run(Address::ZERO, operation).expect("not rejected")
    }

    /// As though so many tokens had come in.
    pub fn deposit(&mut self, number: u32, asset: AssetId, amount: Amount) {
        self.force(|market| {
            market.add_balance(account(number), asset, amount)?;
            market.records().update(asset, |state: &mut AssetState| state.custody += amount.unsigned_abs())?;
            Ok(())
        });
    }

    pub fn set_mark(&mut self, instrument: InstrumentId, ticks: u64) {
        self.force(|market| {
            market.records().update(instrument, |prices: &mut Prices| prices.mark = ticks * MICRO)?;
            Ok(())
        });
    }

    /// Both sides of a fill without fees.
    pub fn trade(
        &mut self,
        buyer: u32,
        seller: u32,
        instrument: InstrumentId,
        lots: u64,
        ticks: u32,
    ) -> Result<(), Rejection> {
        self.run(Address::ZERO, |market| {
            market.apply_fill(account(buyer), instrument, Side::Buy, lots, ticks, 0)?;
            market.apply_fill(account(seller), instrument, Side::Sell, lots, ticks, 0)?;
            Ok(())
        })
    }

    pub fn balance(&mut self, id: AccountId, asset: AssetId) -> Amount {
        self.force(|market| market.balance(id, asset))
    }

    pub fn equity(&mut self, number: u32) -> Amount {
        self.force(|market| market.health(account(number))).equity
    }

    /// Accounts of the market and of the users.
    pub fn accounts() -> impl Iterator<Item = AccountId> {
        (1..=3).chain(FIRST_ACCOUNT..FIRST_ACCOUNT + USERS).map(AccountId)
    }

    /// Checks what holds after every operation; `what` says after which.
    pub fn check(&mut self, what: &str) {
        self.force(|market| {
            for asset in [QUOTE, BITCOIN] {
                check_asset(market, asset, what)?;
            }
            for instrument in [PERPETUAL, CALL, PUT, SPOT] {
                check_instrument(market, instrument, what)?;
            }
            for id in Self::accounts() {
                check_lists(market, id, what)?;
            }
            Ok(())
        });
    }
}

/// Conservation, totals, and that the interest pool can pay what it owes.
fn check_asset(market: &mut Market<'_, '_>, asset: AssetId, what: &str) -> Result<(), MarketError> {
    let state = market.accrued(asset)?;
    let (mut sum, mut settled, mut supplied, mut borrowed) = (0, 0, 0_u128, 0_u128);
    for id in World::accounts() {
        let balance = market.records().get::<Balance>((id, asset))?;
        sum += balance.amount;
        settled += state.settle(&balance);
        let units = scaled(&balance);
        *if balance.amount < 0 { &mut borrowed } else { &mut supplied } += units;
        if asset == QUOTE {
            for instrument in [PERPETUAL, CALL, PUT] {
                sum -= market.records().get::<Position>((id, instrument))?.cost;
            }
        }
    }
    let mut pools = state.pool;
    if asset == QUOTE {
        for instrument in [PERPETUAL, CALL, PUT] {
            pools += market.records().get::<Prices>(instrument)?.funding_pool;
        }
    }
    assert_eq!(sum + pools, state.custody as i128, "{what}: conservation of asset {asset:?}");
    assert_eq!((supplied, borrowed), (state.supply_scaled, state.borrow_scaled), "{what}: totals of asset {asset:?}");
    let mut recorded = 0;
    for id in World::accounts() {
        recorded += market.records().get::<Balance>((id, asset))?.amount;
    }
    let left = state.pool - (settled - recorded) - state.reserve as i128;
    assert!(left >= 0, "{what}: the interest pool of asset {asset:?} is {left} short");
    Ok(())
}

/// An independent reading of what a balance is in units at listing.
fn scaled(balance: &Balance) -> u128 {
    let one = U256::from(10).pow(U256::from(18));
    let (units, index) = (U256::from(balance.amount.unsigned_abs()) * one, U256::from(balance.index.max(1)));
    if balance.amount < 0 { (units / index).to() } else { units.div_ceil(index).to() }
}

/// As many lots long as short, and the instrument knows how many.
fn check_instrument(market: &mut Market<'_, '_>, instrument: InstrumentId, what: &str) -> Result<(), MarketError> {
    let (mut long, mut short, mut owed) = (0, 0, 0);
    let prices = market.records().get::<Prices>(instrument)?;
    for id in World::accounts() {
        let position = market.records().get::<Position>((id, instrument))?;
        if position.lots >= 0 {
            long += position.lots;
        } else {
            short -= position.lots;
        }
        owed += position.funding_owed(prices.funding_index);
    }
    assert_eq!((long, short), (prices.open_lots as i64, prices.open_lots as i64), "{what}: lots of {instrument:?}");
    assert!(prices.funding_pool + owed >= 0, "{what}: the funding pool of {instrument:?} is short");
    Ok(())
}

/// What is in the lists is what there is.
fn check_lists(market: &mut Market<'_, '_>, id: AccountId, what: &str) -> Result<(), MarketError> {
    let record = market.records().get::<Account>(id)?;
    for asset in [QUOTE, BITCOIN] {
        let is_there = market.records().get::<Balance>((id, asset))? != Balance::default();
        assert_eq!(record.assets.contains(&asset.0), is_there, "{what}: {asset:?} in the list of {id:?}");
    }
    for instrument in [PERPETUAL, CALL, PUT, SPOT] {
        let is_there = market.records().get::<Position>((id, instrument))? != Position::default();
        assert_eq!(record.positions.contains(&instrument.0), is_there, "{what}: {instrument:?} in the list of {id:?}");
    }
    for list in [record.assets, record.positions] {
        let count = list.iter().filter(|id| **id != 0).count();
        assert!(list[..count].iter().all(|id| *id != 0), "{what}: {id:?} has a gap in {list:?}");
    }
    Ok(())
}

pub fn dollars() -> Asset {
    Asset { token: user(0x1001), decimals: 6, ..bitcoin() }.without_haircut()
}

pub fn bitcoin() -> Asset {
    Asset {
        token: user(0x1002),
        decimals: 8,
        haircut_ppm: PPM / 10,
        initial_haircut_ppm: PPM / 5,
        debt_weight_ppm: PPM / 10,
        initial_debt_weight_ppm: PPM / 5,
        base_rate_ppm: 0,
        slope_ppm: PPM / 25,
        steep_slope_ppm: PPM * 3 / 5,
        kink_ppm: PPM * 9 / 10,
        reserve_ppm: PPM / 10,
        supply_cap: u128::MAX,
        borrow_cap: u128::MAX,
        ..Asset::default()
    }
}

trait WithoutHaircut {
    fn without_haircut(self) -> Self;
}

impl WithoutHaircut for Asset {
    fn without_haircut(self) -> Self {
        Self { haircut_ppm: 0, initial_haircut_ppm: 0, debt_weight_ppm: 0, initial_debt_weight_ppm: 0, ..self }
    }
}

pub fn instrument(id: InstrumentId, kind: InstrumentKind) -> Instrument {
    Instrument {
        kind,
        base: if kind == InstrumentKind::Spot { BITCOIN } else { AssetId::default() },
        quote: QUOTE,
        tick_value: 100,
        lot_size: if kind == InstrumentKind::Spot { 100_000 } else { 1_000_000_000_000_000 },
        min_lots: 1,
        max_lots: 1 << 30,
        max_orders: 100,
        initial_ppm: if kind == InstrumentKind::EuropeanOption { 150_000 } else { 50_000 },
        maintenance_ppm: if kind == InstrumentKind::EuropeanOption { 75_000 } else { 30_000 },
        max_open_lots: 1 << 40,
        strike_ticks: 550_000,
        is_call: id == CALL,
        underlying: if kind == InstrumentKind::EuropeanOption { PERPETUAL } else { InstrumentId::default() },
        funding_seconds: 3_600,
        ..Instrument::default()
    }
}
