//! Logs in answers.

use super::Quantity;
use alloy_primitives::{Address, B256, Bytes};
use rialto_node::ChainBlock;
use rialto_state::Log;
use rialto_stf::Receipt;
use serde::{Serialize, Serializer};

/// A log and where it is.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogJson {
    address: Address,
    topics: TopicsJson,
    data: Bytes,
    block_hash: B256,
    block_number: Quantity,
    block_timestamp: Quantity,
    transaction_hash: B256,
    transaction_index: Quantity,
    log_index: Quantity,
    removed: bool,
}

#[derive(Clone, Debug)]
struct TopicsJson(rialto_state::Topics);

impl Serialize for TopicsJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter())
    }
}

/// Where a log is in its block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogPosition {
    /// Index of the transaction.
    pub transaction: usize,
    /// Index of the log among the block's.
    pub log: u64,
}

impl LogJson {
    /// A log of a block; `removed` if the block is canonical no more.
    pub(crate) fn new(log: &Log, position: LogPosition, block: &ChainBlock, removed: bool) -> Self {
        Self {
            address: log.address,
            topics: TopicsJson(log.topics),
            data: log.data.clone(),
            block_hash: block.hash,
            block_number: Quantity(block.block.header.number),
            block_timestamp: Quantity(block.block.header.timestamp),
            transaction_hash: block.transaction_hashes.get(position.transaction).copied().unwrap_or_default(),
            transaction_index: Quantity(position.transaction as u64),
            log_index: Quantity(position.log),
            removed,
        }
    }
}

/// The logs of a block with their positions.
pub(crate) fn logs_of(receipts: &[Receipt]) -> impl Iterator<Item = (LogPosition, &Log)> {
    let located =
        receipts.iter().enumerate().flat_map(|(index, receipt)| receipt.logs.iter().map(move |log| (index, log)));
    (0..).zip(located).map(|(log, (transaction, item))| (LogPosition { transaction, log }, item))
}
