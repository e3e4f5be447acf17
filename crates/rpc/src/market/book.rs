//! The book, by level and by order.
//!
//! Levels are read from the state of a block, from the best on, and kept for a while by block and instrument, so that however many
//! clients follow a book, a block's book is read once.

use super::checksum::checksum;
use super::json::{Decimal, Whole, limit_of};
use super::read::{BlockPlace, MarketState};
use crate::json::{Fields, FromJson, ParamError, Params, Quantity};
use crate::methods::{Module, Registered, heavy};
use crate::{RpcContext, RpcError};
use alloy_primitives::B256;
use lru::LruCache;
use rialto_market::book::{self, LevelView, Order};
use rialto_market::types::{AccountId, InstrumentId, Lots, OrderId, Side, Ticks};
use rialto_market::{Market, MarketError};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

/// Levels of each side where the question doesn't say.
pub(super) const DEFAULT_DEPTH: usize = 20;
/// Orders of an answer where the question doesn't say.
const DEFAULT_ORDERS: usize = 100;
/// Books that are kept.
const KEPT_BOOKS: NonZeroUsize = NonZeroUsize::new(4_096).expect("not zero");
/// Least levels that are read, so that small depths share what is kept.
const LEAST_READ: usize = 16;

/// Registers the methods of this file.
pub(super) fn register(module: &mut Module) -> Registered {
    heavy(module, "market_book", |params: &Params, context: &Arc<RpcContext>| {
        let id: InstrumentId = params.required(0, "instrument")?;
        let depth = depth_of(params.optional(1, "depth")?, context)?;
        let market = MarketState::of(context, params, 2)?;
        market.instrument(id)?;
        let levels = read_levels(&market, id, depth)?;
        Ok(BookJson::new(id, &levels, depth, market.at))
    })?;
    heavy(module, "market_orders", |params: &Params, context: &Arc<RpcContext>| {
        let id: InstrumentId = params.required(0, "instrument")?;
        let filter: OrderFilter = params.optional(1, "filter")?.unwrap_or_default();
        let market = MarketState::of(context, params, 2)?;
        market.instrument(id)?;
        orders(context, &market, id, &filter)
    })
}

/// The depth that is asked for.
pub(super) fn depth_of(asked: Option<Whole>, context: &RpcContext) -> Result<usize, RpcError> {
    let most = context.limits.max_book_levels;
    let Some(Whole(depth)) = asked else { return Ok(DEFAULT_DEPTH.min(most)) };
    match usize::try_from(depth) {
        Ok(depth) if (1..=most).contains(&depth) => Ok(depth),
        _ => Err(RpcError::invalid_params("depth", format_args!("1 to {most}"), depth)),
    }
}

/// Price and lots of a level.
pub(super) type Level = (Ticks, Lots);

/// The best levels of both sides, from the best on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Levels {
    /// Who buys, highest first.
    pub bids: Vec<Level>,
    /// Who sells, lowest first.
    pub asks: Vec<Level>,
}

impl Levels {
    /// At most so many of each side.
    pub(super) fn top(&self, depth: usize) -> (&[Level], &[Level]) {
        (&self.bids[..depth.min(self.bids.len())], &self.asks[..depth.min(self.asks.len())])
    }
}

/// Books by block, instrument and how deep they were read.
pub(crate) struct BookCache(Mutex<LruCache<(B256, u16, usize), Arc<Levels>>>);

impl Default for BookCache {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(KEPT_BOOKS)))
    }
}

impl BookCache {
    /// The best levels after a block, at least so many as asked for where there are so many.
    pub(super) fn levels(&self, market: &MarketState, id: InstrumentId, depth: usize) -> Result<Arc<Levels>, RpcError> {
        let read_depth = depth.next_power_of_two().max(LEAST_READ);
        let key = (market.at.block_hash, id.0, read_depth);
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(levels) = lock().get(&key) {
            return Ok(Arc::clone(levels));
        }
        let levels = Arc::new(read_levels(market, id, read_depth)?);
        lock().put(key, Arc::clone(&levels));
        Ok(levels)
    }
}

fn read_levels(market: &MarketState, id: InstrumentId, depth: usize) -> Result<Levels, RpcError> {
    let depth = u32::try_from(depth).unwrap_or(u32::MAX);
    let pair = |level: &LevelView| (level.ticks, level.lots);
    market.run(|market| {
        let mut side = |side| Ok::<_, MarketError>(market.book_depth(id, side, depth)?.iter().map(pair).collect());
        Ok(Levels { bids: side(Side::Buy)?, asks: side(Side::Sell)? })
    })
}

/// Levels as pairs of decimal strings: price in ticks, lots.
#[derive(Clone, Debug)]
pub(super) struct LevelsJson(pub Vec<Level>);

impl Serialize for LevelsJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|(ticks, lots)| (Decimal(*ticks), Decimal(*lots))))
    }
}

/// A book by level.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BookJson {
    instrument: Decimal<u16>,
    #[serde(flatten)]
    at: BlockPlace,
    bids: LevelsJson,
    asks: LevelsJson,
    checksum: Decimal<u32>,
}

impl BookJson {
    /// At most `depth` levels of each side.
    pub(super) fn new(id: InstrumentId, levels: &Levels, depth: usize, at: BlockPlace) -> Self {
        let (bids, asks) = levels.top(depth);
        let checksum = Decimal(checksum(bids, asks));
        let (bids, asks) = (LevelsJson(bids.to_vec()), LevelsJson(asks.to_vec()));
        Self { instrument: Decimal(id.0), at, bids, asks, checksum }
    }
}

/// Which orders are asked for.
#[derive(Clone, Copy, Debug, Default)]
struct OrderFilter {
    side: Option<Side>,
    account: Option<AccountId>,
    limit: Option<Whole>,
}

impl FromJson for OrderFilter {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        let side = match fields.get("side").map(|side| (side, side.as_str())) {
            None => None,
            Some((_, Some("buy"))) => Some(Side::Buy),
            Some((_, Some("sell"))) => Some(Side::Sell),
            Some((other, _)) => return Err(ParamError::new("\"buy\" or \"sell\"", other).below(".side")),
        };
        Ok(Self { side, account: fields.optional("account")?, limit: fields.optional("limit")? })
    }
}

/// The name of a side.
pub(super) fn side_name(side: Side) -> &'static str {
    match side {
        Side::Buy => "buy",
        Side::Sell => "sell",
    }
}

/// A resting order.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OrderJson {
    order_id: Decimal<u128>,
    instrument: Decimal<u16>,
    account: Decimal<u32>,
    side: &'static str,
    price_ticks: Decimal<u32>,
    lots: Decimal<u64>,
    client_id: Decimal<u64>,
    reduce_only: bool,
    /// Zero if it does not expire.
    expires_at: Quantity,
}

impl OrderJson {
    /// Of an order of the book.
    pub(super) fn new(id: OrderId, order: &Order) -> Self {
        Self {
            order_id: Decimal(id.to_u128()),
            instrument: Decimal(id.instrument.0),
            account: Decimal(order.account.0),
            side: side_name(order.side),
            price_ticks: Decimal(order.ticks),
            lots: Decimal(order.lots),
            client_id: Decimal(order.client_id),
            reduce_only: order.is_reduce_only,
            expires_at: Quantity(order.expiry_seconds),
        }
    }
}

/// Answer of `market_orders`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OrdersJson {
    instrument: Decimal<u16>,
    #[serde(flatten)]
    at: BlockPlace,
    /// In the order in which they would be filled.
    bids: Vec<OrderJson>,
    asks: Vec<OrderJson>,
}

fn orders(
    context: &RpcContext,
    market: &MarketState,
    id: InstrumentId,
    filter: &OrderFilter,
) -> Result<OrdersJson, RpcError> {
    let most = context.limits.max_market_entries;
    let walk = Walk { instrument: id, filter: *filter, limit: limit_of(filter.limit, DEFAULT_ORDERS, most), most };
    let side = |side: Side| match filter.side {
        Some(wanted) if wanted != side => Ok(Vec::new()),
        _ => market.run(|market| walk.side(market, side)),
    };
    let (bids, asks) = (side(Side::Buy)?, side(Side::Sell)?);
    Ok(OrdersJson { instrument: Decimal(id.0), at: market.at, bids, asks })
}

/// A walk over the orders of a book.
struct Walk {
    instrument: InstrumentId,
    filter: OrderFilter,
    /// Orders that are told.
    limit: usize,
    /// Orders that are looked at.
    most: usize,
}

impl Walk {
    /// The orders of a side that are wanted, the first to be filled first.
    fn side(&self, market: &mut Market<'_, '_>, side: Side) -> Result<Vec<OrderJson>, MarketError> {
        let (mut found, mut seen) = (Vec::new(), 0);
        let depth = u32::try_from(self.most).unwrap_or(u32::MAX);
        for level in market.book_depth(self.instrument, side, depth)? {
            let mut handle = market.records().get::<book::Level>((self.instrument, side, level.ticks))?.head;
            while handle != 0 {
                if seen == self.most || found.len() == self.limit {
                    return Ok(found);
                }
                seen += 1;
                let order = market.records().get::<Order>((self.instrument, handle))?;
                if self.filter.account.is_none_or(|account| account == order.account) {
                    let id = OrderId { instrument: self.instrument, sequence: order.sequence, handle };
                    found.push(OrderJson::new(id, &order));
                }
                handle = order.next;
            }
        }
        Ok(found)
    }
}
