//! The logs of blocks that were asked for lately, as the text of which answers consist.
//!
//! Applications ask for the same blocks again and again, and most of what a log costs is finding its block and receipt and writing
//! their bytes in hex. So the logs of a block are kept as text, beside what queries match them by. A block never changes, so its
//! hash is a key that is never stale. Blocks with many logs are not kept: a query seldom matches more than a few of them, and
//! finding them costs little for each log. The cache is bounded by the bytes of its text.

use crate::RpcError;
use crate::json::{LogJson, logs_of};
use alloy_primitives::{Address, B256};
use lru::LruCache;
use rialto_node::ChainBlock;
use rialto_state::Topics;
use rialto_stf::Receipt;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use std::sync::{Arc, Mutex, PoisonError};

/// Most logs of a block that is kept.
const MAX_LOGS: usize = 64;
/// Most bytes that are kept.
const MAX_BYTES: usize = 64 << 20;
/// Bytes that a log stands for besides those of its text.
const LOG_BYTES: usize = 256;
/// Bytes that a block stands for besides those of its logs.
const BLOCK_BYTES: usize = 128;

/// A log as text, beside what queries match it by.
#[derive(Debug)]
pub(super) struct WrittenLog {
    /// The account that emitted it.
    pub address: Address,
    /// Its topics.
    pub topics: Topics,
    text: Box<RawValue>,
}

/// The logs of a block.
pub(super) type BlockLogs = Arc<Vec<WrittenLog>>;

/// A log of an answer.
#[derive(Clone, Debug)]
pub(super) enum LogAnswer {
    /// One that is kept as text: the block's logs and its index among them.
    Written(BlockLogs, usize),
    /// One to be written.
    Fresh(Box<LogJson>),
}

impl Serialize for LogAnswer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Written(logs, index) => logs[*index].text.serialize(serializer),
            Self::Fresh(log) => log.serialize(serializer),
        }
    }
}

/// See above.
pub(crate) struct LogCache(Mutex<Entries>);

struct Entries {
    blocks: LruCache<B256, BlockLogs>,
    bytes: usize,
    max_bytes: usize,
}

impl Default for LogCache {
    fn default() -> Self {
        Self::new(MAX_BYTES)
    }
}

fn bytes_of(logs: &[WrittenLog]) -> usize {
    BLOCK_BYTES + logs.iter().map(|log| LOG_BYTES + log.text.get().len()).sum::<usize>()
}

impl LogCache {
    fn new(max_bytes: usize) -> Self {
        Self(Mutex::new(Entries { blocks: LruCache::unbounded(), bytes: 0, max_bytes }))
    }

    /// The logs of the block with this hash, if they are kept.
    pub(super) fn get(&self, hash: &B256) -> Option<BlockLogs> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.blocks.get(hash).map(Arc::clone)
    }

    /// Writes the logs of a block and keeps them; `None` for a block with many.
    pub(super) fn insert(&self, block: &ChainBlock, receipts: &[Receipt]) -> Result<Option<BlockLogs>, RpcError> {
        if receipts.iter().map(|receipt| receipt.logs.len()).sum::<usize>() > MAX_LOGS {
            return Ok(None);
        }
        let write = |(position, log): (_, &rialto_state::Log)| {
            let text = to_raw_value(&LogJson::new(log, position, block, false));
            let text = text.map_err(|error| RpcError::internal(error.to_string()))?;
            Ok(WrittenLog { address: log.address, topics: log.topics, text })
        };
        let logs: BlockLogs = Arc::new(logs_of(receipts).map(write).collect::<Result<_, RpcError>>()?);
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.put(block.hash, Arc::clone(&logs));
        Ok(Some(logs))
    }
}

impl Entries {
    fn put(&mut self, hash: B256, logs: BlockLogs) {
        self.bytes += bytes_of(&logs);
        if let Some(old) = self.blocks.put(hash, logs) {
            self.bytes -= bytes_of(&old);
        }
        while self.bytes > self.max_bytes {
            let Some((_, old)) = self.blocks.pop_lru() else { break };
            self.bytes -= bytes_of(&old);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Bytes, U256};
    use rialto_state::Log;
    use rialto_stf::{Block, Header, ReceiptStatus, Transaction, TxType};

    /// A block of one transaction with this many logs.
    fn block(number: u64, logs: usize) -> (ChainBlock, Vec<Receipt>) {
        let log = |index: usize| Log {
            address: Address::repeat_byte(1),
            topics: Topics::new(&[B256::from(U256::from(index))]),
            data: Bytes::from_static(&[7; 32]),
        };
        let header = Header { number, ..Header::default() };
        let block = Block { header, transactions: vec![Transaction::default()], ..Block::default() };
        let block = ChainBlock {
            hash: block.hash(),
            senders: vec![Address::ZERO],
            transaction_hashes: vec![block.transactions[0].hash()],
            total_difficulty: U256::ZERO,
            block,
        };
        let logs = (0..logs).map(log).collect();
        (block, vec![Receipt::new(TxType::Legacy, ReceiptStatus::Status(true), 21_000, logs)])
    }

    #[test]
    fn what_is_kept_is_what_would_be_written() {
        let cache = LogCache::default();
        let (block, receipts) = block(5, 3);
        assert!(cache.get(&block.hash).is_none());
        let kept = cache.insert(&block, &receipts).expect("text").expect("few logs");
        for (index, (position, log)) in logs_of(&receipts).enumerate() {
            let fresh = LogAnswer::Fresh(Box::new(LogJson::new(log, position, &block, false)));
            let written = LogAnswer::Written(Arc::clone(&kept), index);
            let text = |answer: &LogAnswer| serde_json::to_string(answer).expect("text");
            assert_eq!(text(&written), text(&fresh), "log {index}");
        }
        assert!(cache.get(&block.hash).is_some_and(|logs| Arc::ptr_eq(&logs, &kept)));
    }

    #[test]
    fn blocks_with_many_logs_are_not_kept() {
        let cache = LogCache::default();
        let (block, receipts) = block(5, MAX_LOGS + 1);
        assert!(cache.insert(&block, &receipts).expect("text").is_none());
        assert!(cache.get(&block.hash).is_none());
    }

    #[test]
    fn the_oldest_make_room() {
        let cache = LogCache::new(10_000);
        let blocks: Vec<_> = (0..20).map(|number| block(number, 1)).collect();
        for (block, receipts) in &blocks {
            cache.insert(block, receipts).expect("text");
            assert!(cache.0.lock().expect("no panic").bytes <= 10_000, "block {}", block.block.header.number);
        }
        assert!(cache.get(&blocks[0].0.hash).is_none(), "the oldest is gone");
        assert!(cache.get(&blocks[19].0.hash).is_some(), "the newest is there");
        cache.insert(&blocks[19].0, &blocks[19].1).expect("text");
        let entries = cache.0.lock().expect("no panic");
        let sum: usize = entries.blocks.iter().map(|(_, logs)| bytes_of(logs)).sum();
        assert_eq!(entries.bytes, sum, "the account is kept when a block comes twice");
    }
}
