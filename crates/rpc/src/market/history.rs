//! What happened: trades and funding, out of the logs of canonical blocks.
//!
//! A question names blocks, by default as many up to the head as may be looked through at once, and gets the latest events in them up to a
//! limit, oldest first. Whoever wants all of a long time asks range by range.

use super::events::{Blocks, EventFilter, EventPlace, decode, topic};
use super::json::{Decimal, Whole, limit_of};
use super::read::{BlockPlace, MarketState};
use super::tell::{EventJson, Subject, events_about};
use crate::json::{BlockRef, Fields, FromJson, LogPosition, ParamError, Params, Quantity};
use crate::methods::{Module, Registered, heavy};
use crate::simulation::resolve_header;
use crate::{RpcContext, RpcError};
use alloy_primitives::B256;
use alloy_sol_types::SolEvent;
use rialto_market::abi::IMarket::{FundingUpdated, Trade};
use rialto_market::layout::{Instrument, Prices};
use rialto_market::types::{AccountId, InstrumentId};
use rialto_node::{ChainBlock, ChainView};
use rialto_state::Log;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// Events of an answer where the question doesn't say.
const DEFAULT_LIMIT: usize = 100;

/// Registers the methods of this file.
pub(super) fn register(module: &mut Module) -> Registered {
    heavy(module, "market_trades", |params: &Params, context: &Arc<RpcContext>| {
        let range: Range = params.optional(0, "filter")?.unwrap_or_default();
        range.collect(context, &range.trades(), trade)
    })?;
    heavy(module, "market_events", |params: &Params, context: &Arc<RpcContext>| {
        let name: String = params.required(0, "subject")?;
        let range: Range = params.optional(1, "filter")?.unwrap_or_default();
        range.collect(context, &range.about(&name)?, event)
    })?;
    heavy(module, "market_funding", funding)
}

/// Which events are asked for.
#[derive(Clone, Debug, Default)]
struct Range {
    instrument: Option<InstrumentId>,
    account: Option<AccountId>,
    from: Option<BlockRef>,
    to: Option<BlockRef>,
    limit: Option<Whole>,
}

impl FromJson for Range {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        Ok(Self {
            instrument: fields.optional("instrument")?,
            account: fields.optional("account")?,
            from: fields.optional("fromBlock")?,
            to: fields.optional("toBlock")?,
            limit: fields.optional("limit")?,
        })
    }
}

impl Range {
    /// The trades that are asked for.
    fn trades(&self) -> EventFilter {
        trade_filter(self.instrument.map(|id| topic(id.0.into())).into_iter().collect(), self.account)
    }

    /// The events about a subject that are asked for.
    fn about(&self, name: &str) -> Result<EventFilter, RpcError> {
        let subject = Subject::from_name(name)
            .ok_or_else(|| RpcError::invalid_params("subject", Subject::expected_names(), format_args!("{name:?}")))?;
        let one = |id: Option<u64>| id.map(topic).into_iter().collect::<Vec<_>>();
        let instrument = one(self.instrument.map(|id| id.0.into()));
        let account = one(self.account.map(|id| id.0.into()));
        Ok(events_about(subject, instrument, account))
    }

    fn blocks(&self, context: &RpcContext, view: &ChainView) -> Result<Blocks, RpcError> {
        let head = view.head().block.header.number;
        let number = |block: Option<BlockRef>, default: u64| match block {
            None | Some(BlockRef::Pending) => Ok(default),
            Some(block) => match resolve_header(context, view, block)? {
                Some(header) => Ok(header.number),
                None => Err(RpcError::unknown_block()),
            },
        };
        let last = number(self.to, head)?;
        let first = number(self.from, (last + 1).saturating_sub(context.limits.max_log_blocks))?;
        if first > last {
            return Err(RpcError::invalid_params("filter.fromBlock", format_args!("at most {last}"), first));
        }
        Ok(Blocks { first, last, is_descending: true })
    }

    /// The latest events that match, oldest first.
    fn collect<T>(
        &self,
        context: &RpcContext,
        filter: &EventFilter,
        read: fn(&ChainBlock, LogPosition, &Log, bool) -> Option<T>,
    ) -> Result<Vec<T>, RpcError> {
        let view = context.view()?;
        let blocks = self.blocks(context, &view)?;
        let limit = limit_of(self.limit, DEFAULT_LIMIT, context.limits.max_market_entries);
        let mut found = Vec::new();
        filter.scan(&view, &context.limits, blocks, &mut |block, receipts| {
            let room = limit - found.len();
            let mut events: Vec<T> =
                filter.events(receipts).filter_map(|(position, log)| read(block, position, log, false)).collect();
            events.drain(..events.len().saturating_sub(room));
            found.extend(events.into_iter().rev());
            Ok(found.len() < limit)
        })?;
        found.reverse();
        Ok(found)
    }
}

/// Trades of instruments, given as topics, and of an account on either side; none for any.
pub(super) fn trade_filter(instruments: Vec<B256>, account: Option<AccountId>) -> EventFilter {
    let kinds = || vec![Trade::SIGNATURE_HASH];
    match account.map(|id| topic(id.0.into())) {
        None => EventFilter::none().or(kinds(), [instruments, Vec::new(), Vec::new()]),
        Some(account) => EventFilter::none()
            .or(kinds(), [instruments.clone(), vec![account], Vec::new()])
            .or(kinds(), [instruments, Vec::new(), vec![account]]),
    }
}

fn event(block: &ChainBlock, position: LogPosition, log: &Log, removed: bool) -> Option<EventJson> {
    EventJson::new(log, EventPlace::new(block, position, removed))
}

/// A fill.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TradeJson {
    instrument: Decimal<u16>,
    price_ticks: Decimal<u32>,
    lots: Decimal<u64>,
    /// What the taker did.
    taker_side: &'static str,
    taker: Decimal<u32>,
    maker: Decimal<u32>,
    maker_order_id: Decimal<u128>,
    taker_fee: Decimal<i128>,
    maker_fee: Decimal<i128>,
    #[serde(flatten)]
    place: EventPlace,
}

/// The trade that a log tells of.
pub(super) fn trade(block: &ChainBlock, position: LogPosition, log: &Log, removed: bool) -> Option<TradeJson> {
    let event: Trade = decode(log)?;
    Some(TradeJson {
        instrument: Decimal(event.instrument),
        price_ticks: Decimal(event.priceTicks),
        lots: Decimal(event.lots),
        taker_side: if event.takerIsBuy { "buy" } else { "sell" },
        taker: Decimal(event.taker),
        maker: Decimal(event.maker),
        maker_order_id: Decimal(event.makerOrderId),
        taker_fee: Decimal(event.takerFee),
        maker_fee: Decimal(event.makerFee),
        place: EventPlace::new(block, position, removed),
    })
}

/// A funding payment of an instrument.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FundingJson {
    rate_ppm: Decimal<i64>,
    funding_index: Decimal<String>,
    #[serde(flatten)]
    place: EventPlace,
}

fn funding_event(block: &ChainBlock, position: LogPosition, log: &Log, removed: bool) -> Option<FundingJson> {
    let event: FundingUpdated = decode(log)?;
    let place = EventPlace::new(block, position, removed);
    let funding_index = Decimal(event.fundingIndex.to_string());
    Some(FundingJson { rate_ppm: Decimal(event.ratePpm), funding_index, place })
}

/// Answer of `market_funding`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FundingReport {
    instrument: Decimal<u16>,
    /// What a long of one lot has paid since listing, in millionths of a quote base unit.
    funding_index: Decimal<i128>,
    /// Average premium of the book over the index, in micro-ticks.
    premium_microticks: Decimal<i64>,
    interval_seconds: Decimal<u32>,
    clamp_ppm: Decimal<u32>,
    interest_ppm: Decimal<i32>,
    due_at: Quantity,
    #[serde(flatten)]
    at: BlockPlace,
    history: Vec<FundingJson>,
}

fn funding(params: &Params, context: &Arc<RpcContext>) -> Result<FundingReport, RpcError> {
    let id: InstrumentId = params.required(0, "instrument")?;
    let range: Range = params.optional(1, "filter")?.unwrap_or_default();
    let market = MarketState::of(context, params, 2)?;
    let instrument: Instrument = market.instrument(id)?;
    let prices: Prices = market.record(id)?;
    let filter = EventFilter::none()
        .or(vec![FundingUpdated::SIGNATURE_HASH], [vec![topic(id.0.into())], Vec::new(), Vec::new()]);
    Ok(FundingReport {
        instrument: Decimal(id.0),
        funding_index: Decimal(prices.funding_index),
        premium_microticks: Decimal(prices.premium),
        interval_seconds: Decimal(instrument.funding_seconds),
        clamp_ppm: Decimal(instrument.funding_clamp_ppm),
        interest_ppm: Decimal(instrument.funding_interest_ppm),
        due_at: Quantity(prices.funding_due_seconds),
        at: market.at,
        history: range.collect(context, &filter, funding_event)?,
    })
}
