//! Transactions in answers.

use super::{Quantity, is_none};
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_node::{ChainBlock, PoolTransaction};
use rialto_stf::{AccessListItem, Authorization, Transaction, TxType};
use serde::Serialize;

/// A transaction, and where it is if it is in a block.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TransactionJson {
    block_hash: Option<B256>,
    block_number: Option<Quantity>,
    block_timestamp: Option<Quantity>,
    transaction_index: Option<Quantity>,
    hash: B256,
    from: Address,
    to: Option<Address>,
    nonce: Quantity,
    gas: Quantity,
    gas_price: U256,
    #[serde(skip_serializing_if = "is_none")]
    max_fee_per_gas: Option<U256>,
    #[serde(skip_serializing_if = "is_none")]
    max_priority_fee_per_gas: Option<U256>,
    #[serde(skip_serializing_if = "is_none")]
    max_fee_per_blob_gas: Option<U256>,
    value: U256,
    input: Bytes,
    r#type: Quantity,
    #[serde(skip_serializing_if = "is_none")]
    access_list: Option<Vec<AccessListItemJson>>,
    #[serde(skip_serializing_if = "is_none")]
    chain_id: Option<Quantity>,
    #[serde(skip_serializing_if = "is_none")]
    blob_versioned_hashes: Option<Vec<B256>>,
    #[serde(skip_serializing_if = "is_none")]
    authorization_list: Option<Vec<AuthorizationJson>>,
    v: U256,
    r: U256,
    s: U256,
    #[serde(skip_serializing_if = "is_none")]
    y_parity: Option<Quantity>,
}

/// An entry of an access list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AccessListItemJson {
    address: Address,
    storage_keys: Vec<B256>,
}

impl From<&AccessListItem> for AccessListItemJson {
    fn from(item: &AccessListItem) -> Self {
        Self { address: item.address, storage_keys: item.storage_keys.clone() }
    }
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AuthorizationJson {
    chain_id: U256,
    address: Address,
    nonce: Quantity,
    y_parity: Quantity,
    r: U256,
    s: U256,
}

impl From<&Authorization> for AuthorizationJson {
    fn from(authorization: &Authorization) -> Self {
        Self {
            chain_id: authorization.chain_id,
            address: authorization.address,
            nonce: Quantity(authorization.nonce),
            y_parity: Quantity(authorization.y_parity.into()),
            r: authorization.r,
            s: authorization.s,
        }
    }
}

/// What a unit of gas costs the sender in a block with this base fee, wei.
pub(crate) fn effective_gas_price(transaction: &Transaction, base_fee: Option<u64>) -> U256 {
    match base_fee {
        Some(base_fee) if transaction.tx_type.has_dynamic_fee() => {
            let wanted = U256::from(base_fee).saturating_add(transaction.max_priority_fee_per_gas);
            wanted.min(transaction.gas_price)
        }
        _ => transaction.gas_price,
    }
}

impl TransactionJson {
    /// The transaction at `index` of a block, which has to be there.
    pub(crate) fn in_block(block: &ChainBlock, index: usize) -> Option<Self> {
        let transaction = block.block.transactions.get(index)?;
        let (hash, sender) = (block.transaction_hashes.get(index)?, block.senders.get(index)?);
        let header = &block.block.header;
        let price = effective_gas_price(transaction, header.base_fee_per_gas);
        Some(Self {
            block_hash: Some(block.hash),
            block_number: Some(Quantity(header.number)),
            block_timestamp: Some(Quantity(header.timestamp)),
            transaction_index: Some(Quantity(index as u64)),
            ..Self::bare(transaction, *hash, *sender, price)
        })
    }

    /// A transaction that is in no block yet.
    pub(crate) fn pending(transaction: &PoolTransaction) -> Self {
        let price = transaction.transaction.gas_price;
        Self::bare(&transaction.transaction, transaction.hash, transaction.sender, price)
    }

    fn bare(transaction: &Transaction, hash: B256, from: Address, gas_price: U256) -> Self {
        let tx_type = transaction.tx_type;
        let is_typed = tx_type != TxType::Legacy;
        let has_dynamic_fee = tx_type.has_dynamic_fee();
        let (is_blob, is_set_code) = (tx_type == TxType::Blob, tx_type == TxType::SetCode);
        let signature = &transaction.signature;
        let chain_id = if is_typed { Some(transaction.chain_id.unwrap_or(0)) } else { transaction.chain_id };
        Self {
            block_hash: None,
            block_number: None,
            block_timestamp: None,
            transaction_index: None,
            hash,
            from,
            to: transaction.to,
            nonce: Quantity(transaction.nonce),
            gas: Quantity(transaction.gas_limit),
            gas_price,
            max_fee_per_gas: has_dynamic_fee.then_some(transaction.gas_price),
            max_priority_fee_per_gas: has_dynamic_fee.then_some(transaction.max_priority_fee_per_gas),
            max_fee_per_blob_gas: is_blob.then_some(transaction.max_fee_per_blob_gas),
            value: transaction.value,
            input: transaction.input.clone(),
            r#type: Quantity(tx_type as u64),
            access_list: is_typed.then(|| transaction.access_list.iter().map(Into::into).collect()),
            chain_id: chain_id.map(Quantity),
            blob_versioned_hashes: is_blob.then(|| transaction.blob_versioned_hashes.clone()),
            authorization_list: is_set_code.then(|| transaction.authorization_list.iter().map(Into::into).collect()),
            v: U256::from(transaction.v()),
            r: signature.r,
            s: signature.s,
            y_parity: is_typed.then(|| Quantity(signature.y_parity.into())),
        }
    }
}
