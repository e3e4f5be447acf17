//! The market of a `genesis.json`: `config.rialto.market`.
//!
//! Where it is there, the chain has the market as a native module, and its account is part of the state at genesis: with a nonce, so
//! that EIP-161 never clears it; with a byte of code, so that contracts that ask whether a contract is there get a yes; and
//! with the records of whoever may operate and price it, and of what is listed. The byte halts if it is ever run, which happens
//! only where the module does not answer: before its time, and through a delegation (EIP-7702).
//!
//! ```json
//! "config": { "rialto": { "market": {
//!     "activationTime": 0,
//!     "operator": "0x...", "signers": ["0x..."], "quorum": 1, "timelockSeconds": 86400,
//!     "quoteAsset": { "token": "0x...", "decimals": 6, "settings": { "borrowCap": "1000000000000" } },
//!     "assets": [{ "token": "0x...", "decimals": 18, "feed": 1 }],
//!     "feeds": [{ "decimals": 8, "stalenessSeconds": 60, "deviationPpm": 250000, "price": "300000000000" }],
//!     "instruments": [{ "kind": "perpetual", "feed": 1, "tickValue": 100, "lotSize": "1000000000000000" }]
//! } } }
//! ```
//!
//! Fields and bounds are those of [`MarketGenesis`]; whatever an operator could not list is refused. Ids are given in order, from one;
//! the quote asset is asset 1. Large numbers may be strings of decimal digits.

use super::GenesisError;
use crate::json::{AllocAccount, JsonCursor, JsonError, JsonErrorKind};
use crate::{ChainModule, ChainSpec, Header};
use alloc::string::ToString;
use alloc::vec::Vec;
use alloy_primitives::{Address, Bytes};
use rialto_market::MARKET_ADDRESS;
use rialto_market::genesis::{self, AssetGenesis, FeedGenesis, InstrumentGenesis, MarketGenesis, Setting};

/// INVALID.
const CODE: &[u8] = &[0xfe];

/// Fields of `config.rialto`.
const RIALTO_FIELDS: [&str; 1] = ["market"];
/// Fields of `market`.
const FIELDS: [&str; 9] = [
    "activationTime",
    "operator",
    "signers",
    "quorum",
    "timelockSeconds",
    "quoteAsset",
    "assets",
    "feeds",
    "instruments",
];
/// Fields of `quoteAsset`.
const QUOTE_FIELDS: [&str; 3] = ["token", "decimals", "settings"];
/// Fields of an asset.
const ASSET_FIELDS: [&str; 4] = ["token", "decimals", "settings", "feed"];
/// Fields of a feed.
const FEED_FIELDS: [&str; 6] = ["decimals", "source", "sourceDecimals", "stalenessSeconds", "deviationPpm", "price"];
/// Fields of an instrument.
const INSTRUMENT_FIELDS: [&str; 10] = [
    "kind",
    "base",
    "feed",
    "underlying",
    "expirySeconds",
    "strikeTicks",
    "isCall",
    "tickValue",
    "lotSize",
    "settings",
];
/// Kinds of instruments, as `IMarket.InstrumentKind` counts them from 1 on.
const KINDS: [&str; 3] = ["spot", "perpetual", "option"];

/// Adds the market that `config` describes, if it does, to the chain; its account at genesis.
pub(super) fn add_market(
    config: &JsonCursor<'_>,
    header: &Header,
    chain: &mut ChainSpec,
) -> Result<Option<(Address, AllocAccount)>, GenesisError> {
    let Some(rialto) = config.optional("rialto")? else { return Ok(None) };
    refuse_unknown(&rialto, &RIALTO_FIELDS)?;
    let Some(market) = rialto.optional("market")? else { return Ok(None) };
    refuse_unknown(&market, &FIELDS)?;
    let activation_seconds = market.optional("activationTime")?.map_or(Ok(0), |time| time.u64_or_decimal())?;
    let records = genesis::records(&market_genesis(&market, header.timestamp)?);
    let records = records.map_err(|error| GenesisError::Market { reason: error.to_string() })?;
    chain.modules.push(ChainModule::market(activation_seconds));
    let storage = records.into_iter().collect();
    let account = AllocAccount { nonce: 1, code: Bytes::from_static(CODE), storage, ..AllocAccount::default() };
    Ok(Some((MARKET_ADDRESS, account)))
}

fn market_genesis(market: &JsonCursor<'_>, timestamp_seconds: u64) -> Result<MarketGenesis, GenesisError> {
    let quote = market.field("quoteAsset")?;
    refuse_unknown(&quote, &QUOTE_FIELDS)?;
    let mut signers = Vec::new();
    for signer in market.field("signers")?.items()? {
        signers.push(signer.address()?);
    }
    Ok(MarketGenesis {
        timestamp_seconds,
        operator: market.field("operator")?.address()?,
        signers,
        quorum: market.field("quorum")?.u8()?,
        timelock_seconds: market.field("timelockSeconds")?.u32()?,
        quote: asset(&quote)?,
        assets: list(market, "assets", &ASSET_FIELDS, asset)?,
        feeds: list(market, "feeds", &FEED_FIELDS, feed)?,
        instruments: list(market, "instruments", &INSTRUMENT_FIELDS, instrument)?,
    })
}

/// The objects in the array `name`; none where it is absent.
fn list<'a, T>(
    market: &JsonCursor<'a>,
    name: &'a str,
    fields: &[&str],
    read: impl Fn(&JsonCursor<'a>) -> Result<T, JsonError>,
) -> Result<Vec<T>, GenesisError> {
    let mut items = Vec::new();
    if let Some(array) = market.optional(name)? {
        for item in array.items()? {
            refuse_unknown(&item, fields)?;
            items.push(read(&item)?);
        }
    }
    Ok(items)
}

fn asset(cursor: &JsonCursor<'_>) -> Result<AssetGenesis, JsonError> {
    Ok(AssetGenesis {
        token: cursor.field("token")?.address()?,
        decimals: cursor.field("decimals")?.u8()?,
        feed: small(cursor, "feed")?,
        settings: settings(cursor)?,
    })
}

fn feed(cursor: &JsonCursor<'_>) -> Result<FeedGenesis, JsonError> {
    Ok(FeedGenesis {
        decimals: cursor.field("decimals")?.u8()?,
        source: cursor.optional("source")?.map_or(Ok(Address::ZERO), |source| source.address())?,
        source_decimals: cursor.optional("sourceDecimals")?.map_or(Ok(0), |decimals| decimals.u8())?,
        staleness_seconds: cursor.field("stalenessSeconds")?.u32()?,
        deviation_ppm: cursor.field("deviationPpm")?.u32()?,
        price: cursor.optional("price")?.map_or(Ok(0), |price| large(&price))?,
    })
}

fn instrument(cursor: &JsonCursor<'_>) -> Result<InstrumentGenesis, JsonError> {
    let kind = cursor.field("kind")?;
    let name = kind.string()?;
    let number = (1..).zip(KINDS).find(|(_, known)| *known == name).map(|(number, _)| number);
    let expected = "one of spot, perpetual and option";
    Ok(InstrumentGenesis {
        kind: number.ok_or_else(|| kind.error(JsonErrorKind::WrongType { expected }))?,
        base: small(cursor, "base")?,
        feed: small(cursor, "feed")?,
        underlying: small(cursor, "underlying")?,
        expiry_seconds: cursor.optional("expirySeconds")?.map_or(Ok(0), |seconds| seconds.u64_or_decimal())?,
        strike_ticks: cursor.optional("strikeTicks")?.map_or(Ok(0), |ticks| ticks.u32())?,
        is_call: cursor.optional("isCall")?.map_or(Ok(false), |is_call| is_call.bool())?,
        tick_value: cursor.field("tickValue")?.u64_or_decimal()?,
        lot_size: large(&cursor.field("lotSize")?)?,
        settings: settings(cursor)?,
    })
}

/// An id; zero where it is absent.
fn small<'a>(cursor: &JsonCursor<'a>, name: &'a str) -> Result<u16, JsonError> {
    let Some(value) = cursor.optional(name)? else { return Ok(0) };
    u16::try_from(value.u32()?)
        .map_err(|_| value.error(JsonErrorKind::WrongType { expected: "an id of at most 65535" }))
}

fn large(cursor: &JsonCursor<'_>) -> Result<u128, JsonError> {
    let expected = "a number of at most 128 bits";
    cursor.u256_or_decimal()?.try_into().map_err(|_| cursor.error(JsonErrorKind::WrongType { expected }))
}

/// Parameters by their names, in the order of these; none where the object is absent.
fn settings(cursor: &JsonCursor<'_>) -> Result<Vec<Setting>, JsonError> {
    let mut settings = Vec::new();
    if let Some(object) = cursor.optional("settings")? {
        for (name, value) in object.entries()? {
            settings.push((name.to_string(), signed(&value)?));
        }
    }
    Ok(settings)
}

fn signed(cursor: &JsonCursor<'_>) -> Result<i128, JsonError> {
    let number = match cursor.value() {
        serde_json::Value::Number(number) => number.as_i64().map(i128::from),
        serde_json::Value::String(digits) => digits.parse().ok(),
        _ => None,
    };
    number.ok_or_else(|| cursor.error(JsonErrorKind::WrongType { expected: "a whole number, or its decimal digits" }))
}

/// A field that is not known may be one that was misspelt, and what it says would be left out without a word.
fn refuse_unknown(object: &JsonCursor<'_>, known: &[&str]) -> Result<(), GenesisError> {
    for (key, value) in object.entries()? {
        if !known.contains(&key) {
            return Err(GenesisError::UnknownField { field: value.path(), expected: known.join(", ") });
        }
    }
    Ok(())
}
