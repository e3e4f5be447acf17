//! Receipts in answers.

use super::log::{LogJson, LogPosition};
use super::transaction::effective_gas_price;
use super::{Quantity, is_none};
use alloy_primitives::{Address, B256, Bloom, U256};
use rialto_node::ChainBlock;
use rialto_stf::{ChainSpec, GAS_PER_BLOB, Header, Receipt, ReceiptStatus, TxType, blob_base_fee};
use serde::Serialize;

/// A transaction's receipt.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReceiptJson {
    transaction_hash: B256,
    transaction_index: Quantity,
    block_hash: B256,
    block_number: Quantity,
    from: Address,
    to: Option<Address>,
    contract_address: Option<Address>,
    gas_used: Quantity,
    cumulative_gas_used: Quantity,
    effective_gas_price: U256,
    #[serde(skip_serializing_if = "is_none")]
    blob_gas_used: Option<Quantity>,
    #[serde(skip_serializing_if = "is_none")]
    blob_gas_price: Option<U256>,
    logs: Vec<LogJson>,
    logs_bloom: Bloom,
    r#type: Quantity,
    #[serde(skip_serializing_if = "is_none")]
    status: Option<Quantity>,
    #[serde(skip_serializing_if = "is_none")]
    root: Option<B256>,
}

/// Price of a unit of blob gas in a block, wei; `None` before Cancun.
pub(crate) fn blob_gas_price(spec: &ChainSpec, header: &Header) -> Option<U256> {
    let params = spec.blob_params(spec.fork_at(header.number, header.timestamp))?;
    Some(blob_base_fee(header.excess_blob_gas?, &params))
}

impl ReceiptJson {
    /// The receipt at `index` of a block, `None` where there is none.
    pub(crate) fn new(spec: &ChainSpec, block: &ChainBlock, receipts: &[Receipt], index: usize) -> Option<Self> {
        let first_log = receipts.get(..index)?.iter().map(|receipt| receipt.logs.len() as u64).sum();
        Self::with_first_log(spec, block, receipts, index, first_log)
    }

    /// All receipts of a block.
    pub(crate) fn all(spec: &ChainSpec, block: &ChainBlock, receipts: &[Receipt]) -> Vec<Self> {
        let mut first_log = 0;
        let receipt = |(index, receipt): (usize, &Receipt)| {
            let json = Self::with_first_log(spec, block, receipts, index, first_log);
            first_log += receipt.logs.len() as u64;
            json
        };
        receipts.iter().enumerate().filter_map(receipt).collect()
    }

    fn with_first_log(
        spec: &ChainSpec,
        block: &ChainBlock,
        receipts: &[Receipt],
        index: usize,
        first_log: u64,
    ) -> Option<Self> {
        let (transaction, receipt) = (block.block.transactions.get(index)?, receipts.get(index)?);
        let from = *block.senders.get(index)?;
        let header = &block.block.header;
        let before = index.checked_sub(1).map_or(0, |previous| receipts[previous].cumulative_gas_used);
        let is_blob = transaction.tx_type == TxType::Blob;
        let blobs = transaction.blob_versioned_hashes.len() as u64;
        let (status, root) = match receipt.status {
            ReceiptStatus::PostState(root) => (None, Some(root)),
            ReceiptStatus::Status(success) => (Some(Quantity(success.into())), None),
        };
        let log = |(log, item)| LogJson::new(item, LogPosition { transaction: index, log }, block, false);
        Some(Self {
            transaction_hash: *block.transaction_hashes.get(index)?,
            transaction_index: Quantity(index as u64),
            block_hash: block.hash,
            block_number: Quantity(header.number),
            from,
            to: transaction.to,
            contract_address: transaction.to.is_none().then(|| from.create(transaction.nonce)),
            gas_used: Quantity(receipt.cumulative_gas_used.saturating_sub(before)),
            cumulative_gas_used: Quantity(receipt.cumulative_gas_used),
            effective_gas_price: effective_gas_price(transaction, header.base_fee_per_gas),
            blob_gas_used: is_blob.then_some(Quantity(GAS_PER_BLOB * blobs)),
            blob_gas_price: if is_blob { blob_gas_price(spec, header) } else { None },
            logs: (first_log..).zip(&receipt.logs).map(log).collect(),
            logs_bloom: receipt.logs_bloom,
            r#type: Quantity(transaction.tx_type as u64),
            status,
            root,
        })
    }
}
