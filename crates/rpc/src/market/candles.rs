//! Candles: trades by time.
//!
//! An index in memory has a candle for each minute and instrument with trades, made from the logs of canonical blocks. It begins with the
//! first question, some blocks below the head, and is brought up to the head by each question; so a node that nobody asks does no work. A
//! minute remembers its first block. After a reorganisation, minutes are dropped from the end until one whose first block is canonical
//! has been dropped, too, and are made anew from that block on: a candle can't be taken apart, but a minute is short.
//!
//! Invariant: the index has exactly the trades of canonical blocks from `start` to `last`, except for minutes that were dropped to keep
//! it within its bound; `start` is above those.

use super::events::{Blocks, EventFilter, decode};
use super::history::trade_filter;
use super::json::{Decimal, Whole, limit_of};
use super::read::MarketState;
use crate::json::{Fields, FromJson, ParamError, Params, Quantity};
use crate::methods::{Module, Registered, heavy};
use crate::{RpcContext, RpcError, RpcLimits};
use alloy_primitives::B256;
use rialto_market::abi::IMarket::Trade;
use rialto_market::types::InstrumentId;
use rialto_node::{BlockId, ChainView};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Seconds of a candle in the index.
const MINUTE_SECONDS: u64 = 60;
/// Longest candle.
const INTERVAL_SECONDS_MAX: u64 = 30 * 24 * 3_600;
/// Candles of an answer where the question doesn't say.
const DEFAULT_LIMIT: usize = 100;
/// Most minutes and most candles in the index.
const MAX_ENTRIES: usize = 1 << 19;

/// Registers the methods of this file.
pub(super) fn register(module: &mut Module) -> Registered {
    heavy(module, "market_candles", candles)
}

/// What was traded in a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Candle {
    open: u32,
    high: u32,
    low: u32,
    close: u32,
    lots: u128,
    /// Sum of lots times ticks.
    value: u128,
    trades: u64,
}

impl Candle {
    fn of(ticks: u32, lots: u64) -> Self {
        let value = u128::from(ticks) * u128::from(lots);
        Self { open: ticks, high: ticks, low: ticks, close: ticks, lots: lots.into(), value, trades: 1 }
    }

    /// Both, where `later` comes after this one.
    fn and(self, later: Self) -> Self {
        Self {
            open: self.open,
            high: self.high.max(later.high),
            low: self.low.min(later.low),
            close: later.close,
            lots: self.lots.saturating_add(later.lots),
            value: self.value.saturating_add(later.value),
            trades: self.trades + later.trades,
        }
    }
}

/// A minute in which there are blocks with trades.
#[derive(Debug)]
struct Minute {
    first: (u64, B256),
    candles: BTreeMap<u16, Candle>,
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct CandleIndex(Mutex<Index>);

#[derive(Default)]
struct Index {
    /// Number of the first block whose trades are in the index.
    start: u64,
    /// Number and hash of the last; `None` before the first question.
    last: Option<(u64, B256)>,
    /// By when they begin, in seconds.
    minutes: BTreeMap<u64, Minute>,
    /// Candles in all minutes.
    count: usize,
}

impl Index {
    /// Takes in what is canonical and not in yet.
    fn advance(&mut self, view: &ChainView, limits: &RpcLimits) -> Result<(), RpcError> {
        let head = (view.head().block.header.number, view.head().hash);
        let first = match self.last {
            None => {
                self.start = (head.0 + 1).saturating_sub(limits.max_log_blocks);
                self.start
            }
            Some(last) if last == head => return Ok(()),
            Some((number, hash)) if view.hash(BlockId::Number(number))? == Some(hash) => number + 1,
            Some(_) => self.rewind(view, limits)?,
        };
        let first =
            if head.0.saturating_sub(first) < limits.max_log_blocks { first } else { self.restart(head.0, limits) };
        let blocks = Blocks { first, last: head.0, is_descending: false };
        if let Err(error) = self.take_in(view, limits, blocks) {
            self.clear();
            return Err(error);
        }
        self.last = Some(head);
        Ok(())
    }

    fn clear(&mut self) {
        (self.count, self.last) = (0, None);
        self.minutes.clear();
    }

    fn restart(&mut self, head: u64, limits: &RpcLimits) -> u64 {
        self.clear();
        self.start = (head + 1).saturating_sub(limits.max_log_blocks);
        self.start
    }

    fn take_in(&mut self, view: &ChainView, limits: &RpcLimits, blocks: Blocks) -> Result<(), RpcError> {
        let filter: EventFilter = trade_filter(Vec::new(), None);
        if blocks.first > blocks.last {
            return Ok(());
        }
        filter.scan(view, limits, blocks, &mut |block, receipts| {
            let header = &block.block.header;
            for (_, log) in filter.events(receipts) {
                let Some(trade) = decode::<Trade>(log) else { continue };
                self.add((header.number, block.hash), header.timestamp, &trade);
            }
            self.drop_oldest();
            Ok(true)
        })
    }

    fn add(&mut self, block: (u64, B256), timestamp: u64, trade: &Trade) {
        let begin = timestamp - timestamp % MINUTE_SECONDS;
        let minute = self.minutes.entry(begin).or_insert_with(|| Minute { first: block, candles: BTreeMap::new() });
        let candle = Candle::of(trade.priceTicks, trade.lots);
        match minute.candles.get_mut(&trade.instrument) {
            Some(earlier) => *earlier = earlier.and(candle),
            None => {
                minute.candles.insert(trade.instrument, candle);
                self.count += 1;
            }
        }
    }

    fn drop_oldest(&mut self) {
        while self.count > MAX_ENTRIES && self.minutes.len() > 1 {
            let Some((_, minute)) = self.minutes.pop_first() else { return };
            self.count -= minute.candles.len();
            let next = self.minutes.first_key_value().map_or(minute.first.0, |(_, next)| next.first.0);
            self.start = next;
        }
    }

    /// Drops what may not be canonical; the block to go on from.
    fn rewind(&mut self, view: &ChainView, limits: &RpcLimits) -> Result<u64, RpcError> {
        while let Some((_, minute)) = self.minutes.pop_last() {
            self.count -= minute.candles.len();
            let (number, hash) = minute.first;
            if view.hash(BlockId::Number(number))? == Some(hash) {
                return Ok(number);
            }
        }
        Ok(self.restart(view.head().block.header.number, limits))
    }

    /// Candles of an interval, oldest first: the latest `limit` that begin from `from` to `to`.
    fn candles(&self, instrument: InstrumentId, query: &Query) -> Vec<(u64, Candle)> {
        let (interval, limit) = (query.interval, query.limit);
        let mut found: Vec<(u64, Candle)> = Vec::new();
        let range = query.from..=query.to.saturating_add(interval - 1);
        for (begin, minute) in self.minutes.range(range).rev() {
            let Some(candle) = minute.candles.get(&instrument.0) else { continue };
            let begin = begin - begin % interval;
            let count = found.len();
            match found.last_mut() {
                Some((last, later)) if *last == begin => *later = candle.and(*later),
                _ if count == limit => break,
                _ => found.push((begin, *candle)),
            }
        }
        found.reverse();
        found
    }
}

/// Which candles are asked for.
#[derive(Clone, Copy, Debug)]
struct Query {
    interval: u64,
    from: u64,
    to: u64,
    limit: usize,
}

/// From when to when, and how many.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    from: Option<Whole>,
    to: Option<Whole>,
    limit: Option<Whole>,
}

impl FromJson for Times {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        Ok(Self { from: fields.optional("from")?, to: fields.optional("to")?, limit: fields.optional("limit")? })
    }
}

/// Answer of `market_candles`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CandlesJson {
    instrument: Decimal<u16>,
    interval_seconds: Decimal<u64>,
    /// The first block whose trades are known here.
    from_block: Quantity,
    /// The last one.
    to_block: Quantity,
    candles: Vec<CandleJson>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CandleJson {
    timestamp: Quantity,
    open_ticks: Decimal<u32>,
    high_ticks: Decimal<u32>,
    low_ticks: Decimal<u32>,
    close_ticks: Decimal<u32>,
    lots: Decimal<u128>,
    quote_amount: Decimal<u128>,
    trades: Decimal<u64>,
}

impl CandleJson {
    fn new(begin: u64, candle: &Candle, tick_value: u64) -> Self {
        Self {
            timestamp: Quantity(begin),
            open_ticks: Decimal(candle.open),
            high_ticks: Decimal(candle.high),
            low_ticks: Decimal(candle.low),
            close_ticks: Decimal(candle.close),
            lots: Decimal(candle.lots),
            quote_amount: Decimal(candle.value.saturating_mul(tick_value.into())),
            trades: Decimal(candle.trades),
        }
    }
}

fn candles(params: &Params, context: &Arc<RpcContext>) -> Result<CandlesJson, RpcError> {
    let id: InstrumentId = params.required(0, "instrument")?;
    let Whole(interval) = params.required(1, "intervalSeconds")?;
    if interval == 0 || !interval.is_multiple_of(MINUTE_SECONDS) || interval > INTERVAL_SECONDS_MAX {
        let expected = format_args!("a multiple of {MINUTE_SECONDS}, at most {INTERVAL_SECONDS_MAX}");
        return Err(RpcError::invalid_params("intervalSeconds", expected, interval));
    }
    let times: Times = params.optional(2, "times")?.unwrap_or_default();
    let tick_value = MarketState::of(context, params, 3)?.instrument(id)?.tick_value;
    let to = times.to.map_or(u64::MAX - INTERVAL_SECONDS_MAX, |Whole(to)| to);
    let from = times.from.map_or(0, |Whole(from)| from);
    // Candles begin at multiples of their interval; one that began before `from` is not told of in part.
    let from = from.checked_next_multiple_of(interval).unwrap_or(u64::MAX);
    if from > to {
        return Ok(CandlesJson::empty(id, interval));
    }
    let to = to - to % interval;
    let limit = limit_of(times.limit, DEFAULT_LIMIT, context.limits.max_market_entries);
    let query = Query { interval, from, to, limit };
    let mut index = context.candles.0.lock().unwrap_or_else(PoisonError::into_inner);
    index.advance(&context.view()?, &context.limits)?;
    let found = index.candles(id, &query);
    Ok(CandlesJson {
        from_block: Quantity(index.start),
        to_block: Quantity(index.last.map_or(0, |(number, _)| number)),
        candles: found.iter().map(|(begin, candle)| CandleJson::new(*begin, candle, tick_value)).collect(),
        ..CandlesJson::empty(id, interval)
    })
}

impl CandlesJson {
    fn empty(id: InstrumentId, interval: u64) -> Self {
        Self {
            instrument: Decimal(id.0),
            interval_seconds: Decimal(interval),
            from_block: Quantity(0),
            to_block: Quantity(0),
            candles: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trade(instrument: u16, ticks: u32, lots: u64) -> Trade {
        Trade {
            instrument,
            taker: 16,
            maker: 17,
            makerOrderId: 1,
            takerIsBuy: true,
            priceTicks: ticks,
            lots,
            takerFee: 0,
            makerFee: 0,
        }
    }

    fn index(trades: &[(u64, u16, u32, u64)]) -> Index {
        let mut index = Index::default();
        for (number, (timestamp, instrument, ticks, lots)) in (0..).zip(trades) {
            index.add((number, B256::ZERO), *timestamp, &trade(*instrument, *ticks, *lots));
        }
        index
    }

    #[test]
    fn trades_make_candles() {
        let index =
            index(&[(60, 1, 10, 1), (61, 1, 12, 2), (119, 1, 9, 1), (120, 1, 11, 5), (121, 2, 99, 1), (300, 1, 8, 1)]);
        // Interval, from, to, limit; begin, open, high, low, close, lots.
        type Row = (u64, u64, u64, usize, &'static [(u64, u32, u32, u32, u32, u128)]);
        let rows: [Row; 5] = [
            (60, 0, 600, 100, &[(60, 10, 12, 9, 9, 4), (120, 11, 11, 11, 11, 5), (300, 8, 8, 8, 8, 1)]),
            (60, 0, 600, 1, &[(300, 8, 8, 8, 8, 1)]),
            (60, 120, 120, 100, &[(120, 11, 11, 11, 11, 5)]),
            (120, 0, 600, 100, &[(0, 10, 12, 9, 9, 4), (120, 11, 11, 11, 11, 5), (240, 8, 8, 8, 8, 1)]),
            (600, 0, 0, 100, &[(0, 10, 12, 8, 8, 10)]),
        ];
        for row @ (interval, from, to, limit, expected) in rows {
            let found = index.candles(InstrumentId(1), &Query { interval, from, to, limit });
            let found: Vec<_> = found.iter().map(|(at, c)| (*at, c.open, c.high, c.low, c.close, c.lots)).collect();
            assert_eq!(found, expected, "{row:?}");
        }
    }
}
