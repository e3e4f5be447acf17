//! The market's first state: what the chain's genesis says, through the same checks as what an operator proposes.
//!
//! [`records`] runs the actions of listing on an empty state, as an operator without a time lock would, and returns the slots that the market's
//! account then has. So a genesis can't make a market that proposals could not have made. Ids are given in order, from one: the quote
//! asset is asset 1, then `assets`; `feeds` and `instruments` in order.

use crate::MARKET_ADDRESS;
use crate::abi::IMarketActions;
use crate::error::{MarketError, Rejection};
use crate::layout::Globals;
use crate::market::Market;
use crate::meter::Meter;
use crate::oracle::NewPrice;
use crate::records::Records;
use crate::types::{BlockInfo, FeedId};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use alloy_primitives::{Address, Bytes, I256, U256};
use core::fmt;
use rialto_state::{Journal, MemoryState};

/// Gas for all of it: genesis is bounded by whoever writes it.
const GENESIS_GAS: u64 = 1 << 40;

/// A parameter by its name.
pub type Setting = (String, i128);

/// What a market begins with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MarketGenesis {
    /// Timestamp of the genesis block, in seconds.
    pub timestamp_seconds: u64,
    /// Who may propose.
    pub operator: Address,
    /// Price signers; none may be configured where all feeds are pulled.
    pub signers: Vec<Address>,
    /// Signers whose prices are needed: more than half of them.
    pub quorum: u8,
    /// Time lock of proposals, in seconds.
    pub timelock_seconds: u32,
    /// The asset that everything is settled in. Its feed is zero.
    pub quote: AssetGenesis,
    /// Other assets.
    pub assets: Vec<AssetGenesis>,
    /// Price feeds.
    pub feeds: Vec<FeedGenesis>,
    /// Instruments; an option after its underlying.
    pub instruments: Vec<InstrumentGenesis>,
}

/// An asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AssetGenesis {
    /// The ERC-20 token.
    pub token: Address,
    /// Its decimals.
    pub decimals: u8,
    /// Feed of its price.
    pub feed: u16,
    /// Parameters other than by default.
    pub settings: Vec<Setting>,
}

/// A feed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedGenesis {
    /// Decimals of the price.
    pub decimals: u8,
    /// Contract that is asked; zero for signed prices.
    pub source: Address,
    /// Decimals of its answer.
    pub source_decimals: u8,
    /// Oldest price that is accepted and used, in seconds.
    pub staleness_seconds: u32,
    /// Largest move that is accepted without confirmation, in millionths.
    pub deviation_ppm: u32,
    /// Price at genesis; zero is none.
    pub price: u128,
}

/// An instrument.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InstrumentGenesis {
    /// 1 spot, 2 perpetual, 3 European option.
    pub kind: u8,
    /// Base asset of a spot pair.
    pub base: u16,
    /// Feed of the index; of the volatility for an option.
    pub feed: u16,
    /// Underlying instrument of an option.
    pub underlying: u16,
    /// Expiry of an option, in seconds.
    pub expiry_seconds: u64,
    /// Strike of an option, in its ticks.
    pub strike_ticks: u32,
    /// Whether an option is a call.
    pub is_call: bool,
    /// Quote base units of one lot that moves by one tick.
    pub tick_value: u64,
    /// Base units (spot) or units of 1e-18 of the underlying in one lot.
    pub lot_size: u128,
    /// Parameters other than by default.
    pub settings: Vec<Setting>,
}

/// What is wrong with a genesis.
#[derive(Debug)]
pub struct GenesisError {
    /// Where: "quote", "assets\[1\]", "instruments\[0\]", ...
    pub at: String,
    /// What.
    pub error: MarketError,
}

impl fmt::Display for GenesisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "market.{}: {}", self.at, self.error)
    }
}

impl core::error::Error for GenesisError {}

fn at<T>(place: impl FnOnce() -> String, result: Result<T, MarketError>) -> Result<T, GenesisError> {
    result.map_err(|error| GenesisError { at: place(), error })
}

fn settings(of: &[Setting]) -> Vec<IMarketActions::Setting> {
    of.iter()
        .map(|(name, value)| IMarketActions::Setting {
            name: name.clone(),
            value: I256::try_from(*value).unwrap_or_default(),
        })
        .collect()
}

/// The slots of the market's account and their words, ascending; none is zero.
pub fn records(genesis: &MarketGenesis) -> Result<Vec<(U256, U256)>, GenesisError> {
    let mut state = MemoryState::default();
    state.insert_account(MARKET_ADDRESS, 1, U256::ZERO, Bytes::new(), []);
    let mut journal = Journal::new(&state, 0);
    let account = journal.account_id(&MARKET_ADDRESS);
    at(|| "state".to_string(), journal.load(account).map(|_| ()).map_err(MarketError::from))?;
    let block = BlockInfo { timestamp_seconds: genesis.timestamp_seconds, ..BlockInfo::default() };
    let mut market =
        Market::new(Records::open(&mut journal, account), block, genesis.operator, Meter::new(GENESIS_GAS));
    list(&mut market, genesis)?;
    let (records, _) = market.finish();
    at(|| "state".to_string(), records.close().map_err(MarketError::from))?;
    journal.end_tx(false);
    let diff = journal.diff();
    let of_market = diff.accounts.iter().find(|account| account.address == MARKET_ADDRESS);
    Ok(of_market.map_or_else(Vec::new, |account| account.storage.iter().map(|slot| (slot.slot, slot.after)).collect()))
}

/// All actions of a genesis.
fn list(market: &mut Market<'_, '_>, genesis: &MarketGenesis) -> Result<(), GenesisError> {
    let here = |place: &'static str| move || place.to_string();
    if genesis.operator.is_zero() {
        let zero =
            Rejection::OutOfRange { what: "operator", value: U256::ZERO, least: U256::ONE, most: U256::MAX >> 96usize };
        return at(here("operator"), Err(zero.into()));
    }
    let operator = genesis.operator;
    let set = market.records.update::<Globals, _>((), |globals| globals.operator = operator);
    at(here("operator"), set.map_err(MarketError::from))?;
    if !genesis.signers.is_empty() {
        at(here("signers"), market.set_signers(&genesis.signers, genesis.quorum))?;
    }
    at(here("timelockSeconds"), market.set_timelock(genesis.timelock_seconds))?;
    for (i, feed) in genesis.feeds.iter().enumerate() {
        at(|| format!("feeds[{i}]"), market.list_feed(&feed.terms()))?;
    }
    let others = genesis.assets.iter().enumerate().map(|(i, asset)| (format!("assets[{i}]"), asset));
    for (place, asset) in core::iter::once(("quote".to_string(), &genesis.quote)).chain(others) {
        let settings = settings(&asset.settings);
        at(|| place, market.list_asset(asset.token, asset.decimals, FeedId(asset.feed), &settings))?;
    }
    for (i, instrument) in genesis.instruments.iter().enumerate() {
        at(|| format!("instruments[{i}]"), market.list_instrument(&instrument.terms()))?;
    }
    let priced = genesis.feeds.iter().zip(1..).filter(|(feed, _)| feed.price != 0);
    let time_seconds = genesis.timestamp_seconds;
    let prices: Vec<_> =
        priced.map(|(feed, id)| NewPrice { feed: FeedId(id), price: feed.price, time_seconds }).collect();
    at(here("feeds"), market.accept_prices(&prices))
}

impl FeedGenesis {
    fn terms(&self) -> IMarketActions::FeedTerms {
        IMarketActions::FeedTerms {
            decimals: self.decimals,
            source: self.source,
            sourceDecimals: self.source_decimals,
            stalenessSeconds: self.staleness_seconds,
            deviationPpm: self.deviation_ppm,
        }
    }
}

impl InstrumentGenesis {
    fn terms(&self) -> IMarketActions::InstrumentTerms {
        IMarketActions::InstrumentTerms {
            kind: self.kind,
            base: self.base,
            feed: self.feed,
            underlying: self.underlying,
            expirySeconds: self.expiry_seconds,
            strikeTicks: self.strike_ticks,
            isCall: self.is_call,
            tickValue: self.tick_value,
            lotSize: self.lot_size,
            settings: settings(&self.settings),
        }
    }
}

/// A market to try things on: dollars with 6 decimals, ether with 18 as collateral, ether and bitcoin perpetuals, the ether pair, and
/// calls and puts on ether around its price. Its feeds are 1 ether, 2 bitcoin (8 decimals) and 3 ether's volatility (6 decimals); its
/// instruments 1 the spot pair, 2 the ether perpetual, 3 the bitcoin perpetual, and the options from 4.
///
/// One lot is a thousandth of an ether, at ticks of 0.1 dollars an ether; of a bitcoin a hundred-thousandth, at ticks of one dollar a bitcoin.
pub fn dev(
    timestamp_seconds: u64,
    operator: Address,
    signer: Address,
    dollar: Address,
    ether: Address,
) -> MarketGenesis {
    let feed = |decimals, price| FeedGenesis {
        decimals,
        staleness_seconds: 600,
        deviation_ppm: 250_000,
        price,
        ..FeedGenesis::default()
    };
    let setting = |name: &str, value| (name.to_string(), value);
    // One dollar with eight decimals, and a thousandth of an ether.
    const ONE: u128 = 100_000_000;
    const LOT: u128 = 1_000_000_000_000_000;
    let of_ether = InstrumentGenesis { feed: 1, tick_value: 100, lot_size: LOT, ..InstrumentGenesis::default() };
    let spot = InstrumentGenesis { kind: 1, base: 2, ..of_ether.clone() };
    let perpetual = InstrumentGenesis { kind: 2, ..of_ether.clone() };
    let of_bitcoin =
        InstrumentGenesis { kind: 2, feed: 2, tick_value: 10, lot_size: LOT / 100, ..InstrumentGenesis::default() };
    let month = 30 * 86_400;
    let expiry_seconds = (timestamp_seconds / 86_400 + 1) * 86_400 + 8 * 3_600 + month;
    let options = [25_000, 30_000, 35_000].into_iter().flat_map(|strike_ticks| {
        [true, false].map(|is_call| InstrumentGenesis {
            kind: 3,
            feed: 3,
            underlying: 2,
            expiry_seconds,
            strike_ticks,
            is_call,
            settings: [setting("initialPpm", 150_000), setting("maintenancePpm", 100_000)].into(),
            ..of_ether.clone()
        })
    });
    MarketGenesis {
        timestamp_seconds,
        operator,
        signers: [signer].into(),
        quorum: 1,
        timelock_seconds: 0,
        quote: AssetGenesis {
            token: dollar,
            decimals: 6,
            settings: [setting("borrowCap", 1_000_000_000_000_000)].into(),
            ..AssetGenesis::default()
        },
        assets: [AssetGenesis {
            token: ether,
            decimals: 18,
            feed: 1,
            settings: [setting("borrowCap", 1_000_000_000_000_000_000_000_000)].into(),
        }]
        .into(),
        feeds: [feed(8, 3_000 * ONE), feed(8, 60_000 * ONE), feed(6, 600_000)].into(),
        instruments: [spot, perpetual, of_bitcoin].into_iter().chain(options).collect(),
    }
}
