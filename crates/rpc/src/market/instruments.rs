//! What is traded, at which prices.

use super::json::{Decimal, Whole, limit_of};
use super::read::{BlockPlace, MarketState};
use crate::RpcError;
use crate::json::{Fields, FromJson, ParamError, Params, Quantity};
use crate::methods::{Module, Registered, heavy};
use rialto_market::layout::{Instrument, InstrumentKind, InstrumentStatus, Prices};
use rialto_market::types::InstrumentId;
use serde::Serialize;
use serde_json::Value;

/// Instruments of an answer where the question doesn't say.
const DEFAULT_LIMIT: usize = 1_000;

/// Registers the methods of this file.
pub(super) fn register(module: &mut Module) -> Registered {
    heavy(module, "market_instruments", |params: &Params, context| {
        let page: Page = params.optional(0, "page")?.unwrap_or_default();
        let market = MarketState::of(context, params, 1)?;
        let limit = limit_of(page.limit, DEFAULT_LIMIT, context.limits.max_market_entries);
        let from = page.from.map_or(0, |Whole(from)| from);
        let wanted = market.instruments()?.filter(|id| u64::from(id.0) >= from).take(limit);
        wanted.map(|id| InstrumentJson::read(&market, id)).collect::<Result<Vec<_>, RpcError>>()
    })?;
    heavy(module, "market_instrument", |params: &Params, context| {
        let id = params.required(0, "instrument")?;
        let market = MarketState::of(context, params, 1)?;
        market.instrument(id)?;
        InstrumentJson::read(&market, id)
    })
}

/// Part of a list that is ordered by id.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Page {
    /// The first id.
    pub from: Option<Whole>,
    /// How many at most.
    pub limit: Option<Whole>,
}

impl FromJson for Page {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        Ok(Self { from: fields.optional("from")?, limit: fields.optional("limit")? })
    }
}

/// An instrument: what it is, its parameters, prices and totals.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InstrumentJson {
    instrument: Decimal<u16>,
    kind: &'static str,
    status: &'static str,
    base_asset: Decimal<u16>,
    quote_asset: Decimal<u16>,
    feed: Decimal<u16>,
    tick_value: Decimal<u64>,
    lot_size: Decimal<u128>,
    min_lots: Decimal<u64>,
    max_lots: Decimal<u64>,
    max_orders: Decimal<u32>,
    maker_fee_ppm: Decimal<i32>,
    taker_fee_ppm: Decimal<u32>,
    liquidation_fee_ppm: Decimal<u32>,
    band_ppm: Decimal<u32>,
    margin: TiersJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    funding: Option<FundingTerms>,
    #[serde(skip_serializing_if = "Option::is_none")]
    option: Option<OptionTerms>,
    prices: PricesJson,
    #[serde(flatten)]
    at: BlockPlace,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TiersJson {
    initial_ppm: Decimal<u32>,
    maintenance_ppm: Decimal<u32>,
    tier_lots: Decimal<u64>,
    tier_step_ppm: Decimal<u32>,
    max_open_lots: Decimal<u64>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FundingTerms {
    interval_seconds: Decimal<u32>,
    clamp_ppm: Decimal<u32>,
    interest_ppm: Decimal<i32>,
    impact_lots: Decimal<u32>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OptionTerms {
    underlying: Decimal<u16>,
    is_call: bool,
    strike_ticks: Decimal<u32>,
    expires_at: Quantity,
    volatility_ppm: Decimal<u32>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PricesJson {
    mark_microticks: Decimal<u64>,
    index_microticks: Decimal<u64>,
    updated_at: Quantity,
    premium_microticks: Decimal<i64>,
    last_ticks: Decimal<u32>,
    open_lots: Decimal<u64>,
    funding_index: Decimal<i128>,
    funding_due_at: Quantity,
    /// When the circuit breaker lets go; zero if it does not hold.
    halted_until: Quantity,
}

/// The name of a kind.
pub(super) fn kind_name(kind: InstrumentKind) -> &'static str {
    match kind {
        InstrumentKind::Unlisted => "unlisted",
        InstrumentKind::Spot => "spot",
        InstrumentKind::Perpetual => "perpetual",
        InstrumentKind::EuropeanOption => "option",
    }
}

fn status_name(status: InstrumentStatus) -> &'static str {
    match status {
        InstrumentStatus::Active => "active",
        InstrumentStatus::ReduceOnly => "reduceOnly",
        InstrumentStatus::Halted => "halted",
        InstrumentStatus::Settled => "settled",
    }
}

impl InstrumentJson {
    fn read(market: &MarketState, id: InstrumentId) -> Result<Self, RpcError> {
        let (instrument, prices): (Instrument, Prices) = (market.record(id)?, market.record(id)?);
        Ok(Self {
            instrument: Decimal(id.0),
            kind: kind_name(instrument.kind),
            status: status_name(instrument.status),
            base_asset: Decimal(instrument.base.0),
            quote_asset: Decimal(instrument.quote.0),
            feed: Decimal(instrument.feed.0),
            tick_value: Decimal(instrument.tick_value),
            lot_size: Decimal(instrument.lot_size),
            min_lots: Decimal(instrument.min_lots),
            max_lots: Decimal(instrument.max_lots),
            max_orders: Decimal(instrument.max_orders),
            maker_fee_ppm: Decimal(instrument.maker_fee_ppm),
            taker_fee_ppm: Decimal(instrument.taker_fee_ppm),
            liquidation_fee_ppm: Decimal(instrument.liquidation_fee_ppm),
            band_ppm: Decimal(instrument.band_ppm),
            margin: TiersJson {
                initial_ppm: Decimal(instrument.initial_ppm),
                maintenance_ppm: Decimal(instrument.maintenance_ppm),
                tier_lots: Decimal(instrument.tier_lots),
                tier_step_ppm: Decimal(instrument.tier_step_ppm),
                max_open_lots: Decimal(instrument.max_open_lots),
            },
            funding: (instrument.kind == InstrumentKind::Perpetual).then(|| FundingTerms::of(&instrument)),
            option: (instrument.kind == InstrumentKind::EuropeanOption).then(|| OptionTerms::of(&instrument, &prices)),
            prices: PricesJson::of(&prices),
            at: market.at,
        })
    }
}

impl FundingTerms {
    fn of(instrument: &Instrument) -> Self {
        Self {
            interval_seconds: Decimal(instrument.funding_seconds),
            clamp_ppm: Decimal(instrument.funding_clamp_ppm),
            interest_ppm: Decimal(instrument.funding_interest_ppm),
            impact_lots: Decimal(instrument.impact_lots),
        }
    }
}

impl OptionTerms {
    fn of(instrument: &Instrument, prices: &Prices) -> Self {
        Self {
            underlying: Decimal(instrument.underlying.0),
            is_call: instrument.is_call,
            strike_ticks: Decimal(instrument.strike_ticks),
            expires_at: Quantity(instrument.expiry_seconds),
            volatility_ppm: Decimal(prices.volatility_ppm),
        }
    }
}

impl PricesJson {
    fn of(prices: &Prices) -> Self {
        Self {
            mark_microticks: Decimal(prices.mark),
            index_microticks: Decimal(prices.index),
            updated_at: Quantity(prices.updated_seconds),
            premium_microticks: Decimal(prices.premium),
            last_ticks: Decimal(prices.last_ticks),
            open_lots: Decimal(prices.open_lots),
            funding_index: Decimal(prices.funding_index),
            funding_due_at: Quantity(prices.funding_due_seconds),
            halted_until: Quantity(prices.halted_until_seconds),
        }
    }
}
