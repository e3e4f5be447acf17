//! Filters: what happened since a client asked last (`eth_newFilter` and its like).
//!
//! A filter for blocks or logs remembers the block that it has told of last and nothing else. When it is asked, it goes from there
//! to the head: back over blocks that are canonical no more (their logs are told again as removed) and up the canonical ones. So
//! however much happens between two questions, a filter keeps no more than a hash. Only filters for pending transactions listen,
//! with the bounded buffer that the node's event channel has; a client that comes too late misses some.

use super::log_cache::LogAnswer;
use super::logs::{LogBlocks, LogMatcher, LogQuery, LogSearch};
use crate::json::{LogJson, Params, TransactionJson};
use crate::methods::{Module, Registered, heavy, light};
use crate::{RpcContext, RpcError, RpcLimits};
use alloy_primitives::{B256, U128};
use rialto_node::{BlockId, ChainBlock, ChainView, PoolTransaction};
use serde::Serialize;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    light(module, "eth_newFilter", |params: &Params, context: &Arc<RpcContext>| {
        let query: LogQuery = params.required(0, "filter")?;
        context.filters.add(Filter::Logs { query, last: head_of(context)? }, &context.limits)
    })?;
    light(module, "eth_newBlockFilter", |_, context: &Arc<RpcContext>| {
        context.filters.add(Filter::Blocks { last: head_of(context)? }, &context.limits)
    })?;
    light(module, "eth_newPendingTransactionFilter", |params: &Params, context: &Arc<RpcContext>| {
        let is_whole = params.optional(0, "fullTransactions")?.unwrap_or(false);
        let arrivals = context.node.subscribe_transactions();
        context
            .filters
            .add(Filter::Transactions { is_whole, arrivals: Arc::new(Mutex::new(arrivals)) }, &context.limits)
    })?;
    light(module, "eth_uninstallFilter", |params: &Params, context: &Arc<RpcContext>| {
        Ok(context.filters.remove(&params.required::<String>(0, "filterId")?))
    })?;
    heavy(module, "eth_getFilterChanges", changes)?;
    heavy(module, "eth_getFilterLogs", |params: &Params, context: &Arc<RpcContext>| {
        match context.filters.get(&params.required::<String>(0, "filterId")?, &context.limits)? {
            Filter::Logs { query, .. } => query.run(context, &context.view()?),
            _ => Err(not_found()),
        }
    })
}

/// Number and hash of a block.
type Place = (u64, B256);

/// What a filter is about and what it has told of last.
#[derive(Clone)]
enum Filter {
    Blocks { last: Place },
    Logs { query: LogQuery, last: Place },
    Transactions { is_whole: bool, arrivals: Arc<Mutex<Receiver<Arc<PoolTransaction>>>> },
}

/// Filters by id.
#[derive(Default)]
pub(crate) struct FilterStore {
    filters: Mutex<Filters>,
    key: RandomState,
}

#[derive(Default)]
struct Filters {
    by_id: HashMap<String, (Filter, Instant)>,
    count: u64,
}

fn not_found() -> RpcError {
    RpcError::server("filter not found")
}

fn head_of(context: &RpcContext) -> Result<Place, RpcError> {
    let view = context.view()?;
    Ok(place_of(view.head()))
}

fn place_of(block: &ChainBlock) -> Place {
    (block.block.header.number, block.hash)
}

impl FilterStore {
    fn lock(&self) -> MutexGuard<'_, Filters> {
        self.filters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a filter; those that nobody asked for too long make room.
    fn add(&self, filter: Filter, limits: &RpcLimits) -> Result<String, RpcError> {
        let mut filters = self.lock();
        if filters.by_id.len() >= limits.max_filters {
            filters.by_id.retain(|_, (_, asked)| asked.elapsed() < limits.filter_timeout);
        }
        if filters.by_id.len() >= limits.max_filters {
            return Err(RpcError::limit("filters", limits.max_filters, "one more"));
        }
        filters.count += 1;
        // Not to be guessed, for a filter's changes go to whoever asks first.
        let (high, low) = (self.key.hash_one(filters.count), self.key.hash_one(!filters.count));
        let id = format!("{:#x}", U128::from(u128::from(high) << 64 | u128::from(low)));
        filters.by_id.insert(id.clone(), (filter, Instant::now()));
        Ok(id)
    }

    /// The filter with this id, which lives on.
    fn get(&self, id: &str, limits: &RpcLimits) -> Result<Filter, RpcError> {
        let mut filters = self.lock();
        let (filter, asked) = filters.by_id.get_mut(id).ok_or_else(not_found)?;
        if asked.elapsed() >= limits.filter_timeout {
            filters.by_id.remove(id);
            return Err(not_found());
        }
        *asked = Instant::now();
        Ok(filter.clone())
    }

    /// Notes what the filter has told of last.
    fn advance(&self, id: &str, to: Place) {
        if let Some((Filter::Blocks { last } | Filter::Logs { last, .. }, _)) = self.lock().by_id.get_mut(id) {
            *last = to;
        }
    }

    fn remove(&self, id: &str) -> bool {
        self.lock().by_id.remove(id).is_some()
    }
}

/// What `eth_getFilterChanges` answers.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum ChangesJson {
    Hashes(Vec<B256>),
    Logs(Vec<LogAnswer>),
    Transactions(Vec<TransactionJson>),
}

fn changes(params: &Params, context: &Arc<RpcContext>) -> Result<ChangesJson, RpcError> {
    let id: String = params.required(0, "filterId")?;
    let (changes, to) = match context.filters.get(&id, &context.limits)? {
        Filter::Blocks { last } => {
            let view = context.view()?;
            let first = path(&view, last, &context.limits)?.first;
            let head = place_of(view.head());
            let hash = |number| view.hash(BlockId::Number(number)).transpose();
            let hashes = (first..=head.0).filter_map(hash).collect::<Result<_, _>>()?;
            (ChangesJson::Hashes(hashes), head)
        }
        Filter::Logs { query, last } => {
            let view = context.view()?;
            (ChangesJson::Logs(log_changes(context, &view, &query, last)?), place_of(view.head()))
        }
        Filter::Transactions { is_whole, arrivals } => return Ok(transaction_changes(is_whole, &arrivals)),
    };
    context.filters.advance(&id, to);
    Ok(changes)
}

/// The way from a block to the head.
struct Path {
    /// Blocks that are canonical no more, downwards.
    removed: Vec<Arc<ChainBlock>>,
    /// The first canonical block that is new; above the head if none is.
    first: u64,
}

fn path(view: &ChainView, from: Place, limits: &RpcLimits) -> Result<Path, RpcError> {
    let (mut number, mut hash) = from;
    let mut removed = Vec::new();
    while view.hash(BlockId::Number(number))? != Some(hash) {
        // Blocks that fell out of the chain long ago may be gone; what is canonical at their height is new then.
        let Some(block) = view.block(BlockId::Hash(hash))? else { break };
        if number == 0 || removed.len() >= limits.max_filter_changes {
            break;
        }
        (number, hash) = (number - 1, block.block.header.parent_hash);
        removed.push(block);
    }
    let is_known = view.hash(BlockId::Number(number))? == Some(hash);
    let first = if is_known { number + 1 } else { number };
    let head = view.head().block.header.number;
    let count = (head + 1).saturating_sub(first);
    if count > limits.max_log_blocks {
        return Err(RpcError::limit("blocks since the filter was asked last", limits.max_log_blocks, count));
    }
    Ok(Path { removed, first })
}

fn log_changes(
    context: &RpcContext,
    view: &ChainView,
    query: &LogQuery,
    last: Place,
) -> Result<Vec<LogAnswer>, RpcError> {
    let path = path(view, last, &context.limits)?;
    let mut logs = Vec::new();
    for block in &path.removed {
        let removed = block_logs(view, &query.matcher, block, true)?;
        logs.extend(removed.into_iter().map(|log| LogAnswer::Fresh(Box::new(log))));
    }
    // A filter's range bounds what it tells of; tags other than numbers stand for the head, as it moves.
    let bound = |block: Option<crate::json::BlockRef>| match block {
        Some(crate::json::BlockRef::Id(BlockId::Number(number))) => Some(number),
        _ => None,
    };
    let (from, to) = match query.blocks {
        LogBlocks::Hash(_) => return Ok(logs),
        LogBlocks::Range { from, to } => (bound(from).unwrap_or(0), bound(to).unwrap_or(u64::MAX)),
    };
    let (first, end) = (path.first.max(from), to.min(view.head().block.header.number));
    if first <= end {
        let search = LogSearch { view, cache: &context.logs, max_logs: context.limits.max_filter_changes };
        logs.extend(search.run(&query.matcher, first, end)?);
    }
    Ok(logs)
}

/// The logs of a block that match, if its receipts are still there.
pub(super) fn block_logs(
    view: &ChainView,
    matcher: &LogMatcher,
    block: &ChainBlock,
    removed: bool,
) -> Result<Vec<LogJson>, RpcError> {
    if !matcher.may_match(&block.block.header.logs_bloom) {
        return Ok(Vec::new());
    }
    let Some(receipts) = view.receipts(block)? else { return Ok(Vec::new()) };
    Ok(matcher.logs(block, &receipts, removed).collect())
}

fn transaction_changes(is_whole: bool, arrivals: &Mutex<Receiver<Arc<PoolTransaction>>>) -> ChangesJson {
    let mut arrivals = arrivals.lock().unwrap_or_else(PoisonError::into_inner);
    let mut transactions = Vec::new();
    loop {
        match arrivals.try_recv() {
            Ok(transaction) => transactions.push(transaction),
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => break,
        }
    }
    if is_whole {
        return ChangesJson::Transactions(transactions.iter().map(|item| TransactionJson::pending(item)).collect());
    }
    ChangesJson::Hashes(transactions.iter().map(|transaction| transaction.hash).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn filter() -> Filter {
        Filter::Blocks { last: (0, B256::ZERO) }
    }

    #[test]
    fn filters_are_bounded_and_expire() {
        let limits = RpcLimits { max_filters: 2, ..RpcLimits::default() };
        let store = FilterStore::default();
        let first = store.add(filter(), &limits).expect("room");
        let second = store.add(filter(), &limits).expect("room");
        assert_ne!(first, second);
        assert!(first.starts_with("0x"), "{first}");
        assert!(store.add(filter(), &limits).is_err(), "no room for a third");
        assert!(store.remove(&first), "it was there");
        assert!(!store.remove(&first), "it is gone");
        assert!(store.get(&first, &limits).is_err());
        assert!(store.get(&second, &limits).is_ok());
        let expired = RpcLimits { filter_timeout: Duration::ZERO, ..limits };
        assert!(store.get(&second, &expired).is_err(), "nobody asked in time");
        store.add(filter(), &expired).expect("room");
        store.add(filter(), &expired).expect("room");
        store.add(filter(), &expired).expect("old ones make room");
    }

    #[test]
    fn filters_remember_where_they_are() {
        let limits = RpcLimits::default();
        let store = FilterStore::default();
        let id = store.add(filter(), &limits).expect("room");
        store.advance(&id, (7, B256::repeat_byte(7)));
        match store.get(&id, &limits).expect("there") {
            Filter::Blocks { last } => assert_eq!(last, (7, B256::repeat_byte(7))),
            _ => panic!("a filter for blocks"),
        }
    }
}
