//! Finding logs.
//!
//! A query names addresses and, for each position, topics; it matches a log if each of them is empty or has the log's. Blocks are
//! chosen by the blooms of their headers, which have three bits for each address and topic of the block's logs, computed once per
//! query; only blocks that may match are read, and those lately read are [kept](super::log_cache).

use super::log_cache::{LogAnswer, LogCache};
use crate::json::{BlockRef, Fields, FromJson, LogJson, ParamError, Params, logs_of};
use crate::methods::{Module, Registered, heavy};
use crate::{RpcContext, RpcError, error::INVALID_PARAMS};
use alloy_primitives::{Address, B256, Bloom, keccak256};
use rialto_node::{BlockId, ChainBlock, ChainView};
use rialto_state::Log;
use rialto_stf::Receipt;
use serde_json::Value;
use std::sync::Arc;

/// A log has at most this many topics.
const TOPICS_MAX: usize = 4;
/// Most alternatives in one place of a query.
const ALTERNATIVES_MAX: usize = 1_000;

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    heavy(module, "eth_getLogs", |params: &Params, context: &Arc<RpcContext>| {
        let query: LogQuery = params.required(0, "filter")?;
        query.run(context, &context.view()?)
    })
}

/// Which blocks a query is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogBlocks {
    /// The block with this hash.
    Hash(B256),
    /// Canonical blocks, both ends included; an end that is left out is the head.
    Range {
        /// The first.
        from: Option<BlockRef>,
        /// The last.
        to: Option<BlockRef>,
    },
}

/// What logs are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogQuery {
    /// Which blocks.
    pub blocks: LogBlocks,
    /// Which of their logs.
    pub matcher: LogMatcher,
}

/// Which logs match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogMatcher {
    /// Sorted; any if empty.
    addresses: Vec<Address>,
    /// For each position, sorted; any if empty.
    topics: Vec<Vec<B256>>,
    /// For each place that is not empty, the bits of its alternatives in a bloom.
    bits: Vec<Vec<[u16; 3]>>,
}

impl FromJson for LogQuery {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        let (from, to): (Option<BlockRef>, Option<BlockRef>) =
            (fields.optional("fromBlock")?, fields.optional("toBlock")?);
        let blocks = match fields.optional("blockHash")? {
            Some(_) if from.is_some() || to.is_some() => {
                return Err(ParamError {
                    path: String::new(),
                    expected: "either blockHash or fromBlock and toBlock".into(),
                    found: "both".into(),
                });
            }
            Some(hash) => LogBlocks::Hash(hash),
            None => LogBlocks::Range { from, to },
        };
        Ok(Self { blocks, matcher: LogMatcher::from_fields(&fields)? })
    }
}

/// One value or an array of them; `null` within an array stands for any.
fn alternatives<T: FromJson + Ord>(value: &Value) -> Result<Vec<T>, ParamError> {
    let Some(items) = value.as_array() else { return Ok(vec![T::from_json(value)?]) };
    if items.len() > ALTERNATIVES_MAX {
        return Err(ParamError::new(format!("at most {ALTERNATIVES_MAX} alternatives"), value));
    }
    if items.iter().any(Value::is_null) {
        return Ok(Vec::new());
    }
    let mut items = Vec::<T>::from_json(value)?;
    items.sort_unstable();
    items.dedup();
    Ok(items)
}

impl LogMatcher {
    /// Reads `address` and `topics`.
    pub(super) fn from_fields(fields: &Fields<'_>) -> Result<Self, ParamError> {
        let addresses = fields.get("address").map(alternatives).transpose();
        let addresses = addresses.map_err(|error| error.below(".address"))?.unwrap_or_default();
        let mut topics = Vec::new();
        if let Some(value) = fields.get("topics") {
            let items = value.as_array().ok_or_else(|| ParamError::new("an array", value).below(".topics"))?;
            if items.len() > TOPICS_MAX {
                return Err(ParamError::new("at most 4 topics", value).below(".topics"));
            }
            for (index, item) in items.iter().enumerate() {
                let below = |error: ParamError| error.below(format_args!(".topics[{index}]"));
                topics.push(if item.is_null() { Vec::new() } else { alternatives(item).map_err(below)? });
            }
        }
        Ok(Self::new(addresses, topics))
    }

    /// Of sorted alternatives for the address and for each topic; none stand for any.
    pub(crate) fn new(addresses: Vec<Address>, topics: Vec<Vec<B256>>) -> Self {
        let of_addresses = addresses.iter().map(|address| bloom_bits(address.as_slice())).collect();
        let of_topics = topics.iter().map(|place| place.iter().map(|topic| bloom_bits(topic.as_slice())).collect());
        let bits = std::iter::once(of_addresses).chain(of_topics).filter(|place: &Vec<_>| !place.is_empty()).collect();
        Self { addresses, topics, bits }
    }

    /// Whether a block with this bloom may have logs that match.
    pub(crate) fn may_match(&self, bloom: &Bloom) -> bool {
        let is_set = |bit: &u16| bloom[255 - usize::from(bit / 8)] & (1 << (bit % 8)) != 0;
        self.bits.iter().all(|place| place.iter().any(|bits| bits.iter().all(is_set)))
    }

    /// Whether a log matches.
    pub(crate) fn matches(&self, log: &Log) -> bool {
        self.matches_parts(&log.address, &log.topics)
    }

    fn matches_parts(&self, address: &Address, topics: &[B256]) -> bool {
        (self.addresses.is_empty() || self.addresses.binary_search(address).is_ok())
            && self.topics.len() <= topics.len()
            && self
                .topics
                .iter()
                .zip(topics)
                .all(|(place, topic)| place.is_empty() || place.binary_search(topic).is_ok())
    }

    /// The logs of a block that match.
    pub(super) fn logs<'a>(
        &'a self,
        block: &'a ChainBlock,
        receipts: &'a [Receipt],
        removed: bool,
    ) -> impl Iterator<Item = LogJson> + 'a {
        let found = logs_of(receipts).filter(|(_, log)| self.matches(log));
        found.map(move |(position, log)| LogJson::new(log, position, block, removed))
    }

    /// The logs of a canonical block that match.
    fn answers<'a>(&'a self, block: &'a ChainBlock, receipts: &'a [Receipt]) -> impl Iterator<Item = LogAnswer> + 'a {
        self.logs(block, receipts, false).map(|log| LogAnswer::Fresh(Box::new(log)))
    }
}

/// The three bits that an address or topic sets in a bloom (Yellow Paper, 4.3.1), counted from the right end.
fn bloom_bits(input: &[u8]) -> [u16; 3] {
    let hash = keccak256(input);
    [0, 2, 4].map(|at| u16::from_be_bytes([hash[at], hash[at + 1]]) & 0x7ff)
}

impl LogQuery {
    /// The logs that match.
    pub(super) fn run(&self, context: &RpcContext, view: &ChainView) -> Result<Vec<LogAnswer>, RpcError> {
        let (from, to) = match self.blocks {
            LogBlocks::Hash(hash) => {
                let block = view.block(BlockId::Hash(hash))?.ok_or_else(|| RpcError::server("unknown block"))?;
                let receipts = view.receipts(&block)?.ok_or_else(|| RpcError::server("unknown block"))?;
                return Ok(self.matcher.answers(&block, &receipts).collect());
            }
            LogBlocks::Range { from, to } => (from, to),
        };
        let head = view.head().block.header.number;
        let (first, last) = (number_of(view, from)?, number_of(view, to)?);
        let range = RangeLimits { max_blocks: context.limits.max_log_blocks, head };
        range.check(first, last)?;
        let search = LogSearch { view, cache: &context.logs, max_logs: context.limits.max_logs };
        search.run(&self.matcher, first, last)
    }
}

/// The number of a block at the end of a range; the head's if it is left out.
fn number_of(view: &ChainView, block: Option<BlockRef>) -> Result<u64, RpcError> {
    let missing = |name: &str| RpcError::server(format!("{name} header not found"));
    match block.unwrap_or(BlockRef::LATEST) {
        BlockRef::Id(BlockId::Number(number)) => Ok(number),
        BlockRef::Id(BlockId::Latest) => Ok(view.head().block.header.number),
        BlockRef::Id(BlockId::Earliest) => Ok(0),
        BlockRef::Id(id) => {
            let name = if id == BlockId::Safe { "safe" } else { "finalized" };
            Ok(view.header(id)?.ok_or_else(|| missing(name))?.number)
        }
        BlockRef::Pending => Err(RpcError::new(INVALID_PARAMS, "pending logs are not supported")),
        BlockRef::Hash { hash, .. } => Err(RpcError::invalid_params("filter", "block numbers or tags", hash)),
    }
}

/// What a range of blocks is checked against.
struct RangeLimits {
    max_blocks: u64,
    head: u64,
}

impl RangeLimits {
    fn check(&self, first: u64, last: u64) -> Result<(), RpcError> {
        if first > last {
            return Err(RpcError::new(INVALID_PARAMS, "invalid block range params"));
        }
        if last > self.head {
            return Err(RpcError::new(INVALID_PARAMS, "block range extends beyond current head block"));
        }
        if last - first >= self.max_blocks {
            let text = format!("exceed maximum block range {}, found {}", self.max_blocks, last - first + 1);
            return Err(RpcError::new(INVALID_PARAMS, text));
        }
        Ok(())
    }
}

/// Where logs are looked for, and how many may be found.
pub(super) struct LogSearch<'a> {
    /// The chain.
    pub view: &'a ChainView,
    /// Logs that were found lately.
    pub cache: &'a LogCache,
    /// Most logs that may be found.
    pub max_logs: usize,
}

impl LogSearch<'_> {
    /// The logs that match in canonical blocks from `first` to `last`.
    pub(super) fn run(&self, matcher: &LogMatcher, first: u64, last: u64) -> Result<Vec<LogAnswer>, RpcError> {
        let mut numbers = Vec::new();
        self.view.blooms(first, last, &mut |number, bloom| {
            if matcher.may_match(bloom) {
                numbers.push(number);
            }
            true
        })?;
        let mut found = Vec::new();
        for number in numbers {
            self.add_block(matcher, number, &mut found)?;
            if found.len() > self.max_logs {
                return Err(RpcError::limit("logs", self.max_logs, "more; ask for fewer blocks"));
            }
        }
        Ok(found)
    }

    /// Adds the logs of a block that match.
    fn add_block(&self, matcher: &LogMatcher, number: u64, found: &mut Vec<LogAnswer>) -> Result<(), RpcError> {
        let gone = || RpcError::server(format!("block {number}: expected receipts, found none"));
        let hash = self.view.hash(BlockId::Number(number))?.ok_or_else(gone)?;
        let mut kept = self.cache.get(&hash);
        if kept.is_none() {
            let block = self.view.block(BlockId::Hash(hash))?.ok_or_else(gone)?;
            let receipts = self.view.receipts(&block)?.ok_or_else(gone)?;
            kept = self.cache.insert(&block, &receipts)?;
            if kept.is_none() {
                let room = self.max_logs.saturating_add(1).saturating_sub(found.len());
                found.extend(matcher.answers(&block, &receipts).take(room));
            }
        }
        let Some(logs) = kept else { return Ok(()) };
        for (index, log) in logs.iter().enumerate() {
            if matcher.matches_parts(&log.address, &log.topics) {
                found.push(LogAnswer::Written(Arc::clone(&logs), index));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{BloomInput, Bytes};
    use rialto_state::Topics;
    use serde_json::json;

    fn address(byte: u8) -> Address {
        Address::repeat_byte(byte)
    }

    fn topic(byte: u8) -> B256 {
        B256::repeat_byte(byte)
    }

    fn log(emitter: u8, topics: &[u8]) -> Log {
        let topics: Vec<B256> = topics.iter().map(|byte| topic(*byte)).collect();
        Log { address: address(emitter), topics: Topics::new(&topics), data: Bytes::new() }
    }

    #[test]
    fn queries_match_by_address_and_topics() {
        let rows = [
            ("anything", json!({}), log(1, &[]), true),
            ("address", json!({"address": address(1)}), log(1, &[2]), true),
            ("other address", json!({"address": address(1)}), log(2, &[2]), false),
            ("one of the addresses", json!({"address": [address(3), address(1)]}), log(1, &[]), true),
            ("no addresses", json!({"address": []}), log(1, &[]), true),
            ("topic", json!({"topics": [topic(2)]}), log(1, &[2, 3]), true),
            ("other topic", json!({"topics": [topic(2)]}), log(1, &[3]), false),
            ("any, then topic", json!({"topics": [null, topic(3)]}), log(1, &[2, 3]), true),
            ("any, then other topic", json!({"topics": [null, topic(3)]}), log(1, &[3, 2]), false),
            ("topic at the wrong place", json!({"topics": [topic(3)]}), log(1, &[2, 3]), false),
            ("one of the topics", json!({"topics": [[topic(4), topic(2)]]}), log(1, &[2]), true),
            ("null among the topics", json!({"topics": [[null, topic(4)]]}), log(1, &[2]), true),
            ("more places than topics", json!({"topics": [null, null]}), log(1, &[2]), false),
            ("empty place still needs a topic", json!({"topics": [[]]}), log(1, &[]), false),
            ("both", json!({"address": address(1), "topics": [topic(2)]}), log(1, &[2]), true),
            ("address but not topic", json!({"address": address(1), "topics": [topic(2)]}), log(1, &[3]), false),
        ];
        for (name, query, log, expected) in rows {
            let query = LogQuery::from_json(&query).unwrap_or_else(|error| panic!("{name}: {error:?}"));
            assert_eq!(query.matcher.matches(&log), expected, "{name}");
            let mut bloom = Bloom::ZERO;
            bloom.accrue(BloomInput::Raw(log.address.as_slice()));
            for topic in log.topics.iter() {
                bloom.accrue(BloomInput::Raw(topic.as_slice()));
            }
            assert!(query.matcher.may_match(&bloom) || !expected, "{name}: the bloom hides a match");
        }
    }

    #[test]
    fn blooms_leave_out_what_is_not_there() {
        let query = LogQuery::from_json(&json!({"address": address(1), "topics": [topic(2)]})).expect("a query");
        let mut bloom = Bloom::ZERO;
        assert!(!query.matcher.may_match(&bloom));
        bloom.accrue(BloomInput::Raw(address(1).as_slice()));
        assert!(!query.matcher.may_match(&bloom), "only the address is in the bloom");
        bloom.accrue(BloomInput::Raw(topic(2).as_slice()));
        assert!(query.matcher.may_match(&bloom));
    }

    #[test]
    fn malformed_queries_are_refused() {
        let rows = [
            ("not an object", json!([]), "an object"),
            ("both hash and range", json!({"blockHash": topic(1), "fromBlock": "0x1"}), "either blockHash"),
            ("five topics", json!({"topics": [null, null, null, null, null]}), "at most 4 topics"),
            ("topic of 31 bytes", json!({"topics": ["0x11"]}), "32 bytes"),
            ("address of 2 bytes", json!({"address": "0x1122"}), "20 bytes"),
            ("number as an address", json!({"address": [1]}), "20 bytes"),
            ("too many", json!({"address": vec![address(1); 1_001]}), "at most 1000"),
            ("topics as a string", json!({"topics": "0x"}), "an array"),
            ("bad block", json!({"fromBlock": "yesterday"}), "a block number"),
        ];
        for (name, query, expected) in rows {
            let error = LogQuery::from_json(&query).expect_err(name);
            assert!(error.expected.contains(expected), "{name}: {error:?}");
        }
    }

    #[test]
    fn ranges_are_bounded() {
        let limits = RangeLimits { max_blocks: 10, head: 100 };
        let rows = [
            ((0, 9), None),
            ((100, 100), None),
            ((0, 10), Some("exceed maximum block range")),
            ((5, 4), Some("invalid block range")),
            ((95, 101), Some("beyond current head")),
            ((0, u64::MAX), Some("beyond current head")),
        ];
        for ((first, last), expected) in rows {
            let found = limits.check(first, last).err().map(|error| error.message);
            match expected {
                None => assert_eq!(found, None, "{first} to {last}"),
                Some(text) => {
                    assert!(found.as_ref().is_some_and(|found| found.contains(text)), "{first}, {last}: {found:?}")
                }
            }
        }
    }
}
