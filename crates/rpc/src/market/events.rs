//! The market's events in the logs of blocks.

use crate::eth::LogMatcher;
use crate::json::{LogPosition, Quantity, logs_of};
use crate::{RpcError, RpcLimits};
use alloy_primitives::{B256, U256};
use alloy_sol_types::SolEvent;
use rialto_market::MARKET_ADDRESS;
use rialto_node::{BlockId, ChainBlock, ChainView};
use rialto_state::Log;
use rialto_stf::Receipt;
use serde::Serialize;
use std::sync::Arc;

/// Where an event is.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventPlace {
    block_number: Quantity,
    block_hash: B256,
    timestamp: Quantity,
    transaction_hash: B256,
    log_index: Quantity,
    /// Whether the block is canonical no more.
    removed: bool,
}

impl EventPlace {
    /// Of a log of a block.
    pub(super) fn new(block: &ChainBlock, position: LogPosition, removed: bool) -> Self {
        Self {
            block_number: Quantity(block.block.header.number),
            block_hash: block.hash,
            timestamp: Quantity(block.block.header.timestamp),
            transaction_hash: block.transaction_hashes.get(position.transaction).copied().unwrap_or_default(),
            log_index: Quantity(position.log),
            removed,
        }
    }
}

/// A number as a topic.
pub(super) fn topic(number: u64) -> B256 {
    U256::from(number).into()
}

/// Some of the market's events: those that any of the matchers matches.
#[derive(Clone, Debug)]
pub(super) struct EventFilter(Vec<LogMatcher>);

impl EventFilter {
    /// Nothing yet.
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    /// And events of these kinds whose further topics are each one of these; none for any.
    pub(super) fn or(mut self, mut kinds: Vec<B256>, mut topics: [Vec<B256>; 3]) -> Self {
        kinds.sort_unstable();
        topics.iter_mut().for_each(|topics| topics.sort_unstable());
        // What stands for anything at the end would still want a topic there.
        let used = topics.iter().rposition(|topics| !topics.is_empty()).map_or(0, |last| last + 1);
        let places = std::iter::once(kinds).chain(topics.into_iter().take(used)).collect();
        self.0.push(LogMatcher::new(vec![MARKET_ADDRESS], places));
        self
    }

    /// Whether the block may have such events.
    pub(super) fn may_match(&self, block: &ChainBlock) -> bool {
        self.0.iter().any(|matcher| matcher.may_match(&block.block.header.logs_bloom))
    }

    fn matches(&self, log: &Log) -> bool {
        self.0.iter().any(|matcher| matcher.matches(log))
    }

    /// The events of a block.
    pub(super) fn events<'a>(&'a self, receipts: &'a [Receipt]) -> impl Iterator<Item = (LogPosition, &'a Log)> + 'a {
        logs_of(receipts).filter(|(_, log)| self.matches(log))
    }

    /// Calls `visit` with the canonical blocks from `first` to `last` that may have such events, ascending or descending, until it
    /// returns false.
    pub(super) fn scan(
        &self,
        view: &ChainView,
        limits: &RpcLimits,
        blocks: Blocks,
        visit: Visit<'_>,
    ) -> Result<(), RpcError> {
        let Blocks { first, last, is_descending } = blocks;
        if last.saturating_sub(first) >= limits.max_log_blocks {
            return Err(RpcError::limit("blocks", limits.max_log_blocks, last - first + 1));
        }
        let mut numbers = Vec::new();
        view.blooms(first, last, &mut |number, bloom| {
            if self.0.iter().any(|matcher| matcher.may_match(bloom)) {
                numbers.push(number);
            }
            true
        })?;
        if is_descending {
            numbers.reverse();
        }
        for number in numbers {
            let gone = || RpcError::server(format!("block {number}: expected receipts, found none"));
            let block = view.block(BlockId::Number(number))?.ok_or_else(gone)?;
            let receipts = view.receipts(&block)?.ok_or_else(gone)?;
            if !visit(&block, &receipts)? {
                break;
            }
        }
        Ok(())
    }
}

/// Who is shown blocks with their receipts, until it returns false.
pub(super) type Visit<'a> = &'a mut dyn FnMut(&Arc<ChainBlock>, &[Receipt]) -> Result<bool, RpcError>;

/// Canonical blocks, both ends included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocks {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// Whether the last comes first.
    pub is_descending: bool,
}

/// The event that a log is; `None` if it is another.
pub(super) fn decode<E: SolEvent>(log: &Log) -> Option<E> {
    if log.topics.first() != Some(&E::SIGNATURE_HASH) {
        return None;
    }
    E::decode_raw_log(log.topics.iter().copied(), &log.data).ok()
}
