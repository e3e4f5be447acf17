//! Headers and blocks in answers.

use super::{Fields, FromJson, ParamError, Quantity, TransactionJson, is_none};
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256};
use rialto_node::ChainBlock;
use rialto_stf::{Block, Header, Withdrawal};
use serde::Serialize;
use serde_json::Value;

/// A header. Fields that the block's fork does not have are left out; those that only a sealed block has are `null` in a pending
/// one.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeaderJson {
    number: Quantity,
    hash: Option<B256>,
    parent_hash: B256,
    nonce: Option<B64>,
    mix_hash: B256,
    sha3_uncles: B256,
    logs_bloom: Bloom,
    state_root: B256,
    miner: Option<Address>,
    difficulty: U256,
    extra_data: Bytes,
    gas_limit: Quantity,
    gas_used: Quantity,
    timestamp: Quantity,
    transactions_root: B256,
    receipts_root: B256,
    #[serde(skip_serializing_if = "is_none")]
    base_fee_per_gas: Option<Quantity>,
    #[serde(skip_serializing_if = "is_none")]
    withdrawals_root: Option<B256>,
    #[serde(skip_serializing_if = "is_none")]
    blob_gas_used: Option<Quantity>,
    #[serde(skip_serializing_if = "is_none")]
    excess_blob_gas: Option<Quantity>,
    #[serde(skip_serializing_if = "is_none")]
    parent_beacon_block_root: Option<B256>,
    #[serde(skip_serializing_if = "is_none")]
    requests_hash: Option<B256>,
    #[serde(skip_serializing_if = "is_none")]
    block_access_list_hash: Option<B256>,
    #[serde(skip_serializing_if = "is_none")]
    slot_number: Option<Quantity>,
}

impl HeaderJson {
    /// A header whose hash is `hash`.
    pub(crate) fn new(header: &Header, hash: B256) -> Self {
        Self {
            number: Quantity(header.number),
            hash: Some(hash),
            parent_hash: header.parent_hash,
            nonce: Some(header.nonce),
            mix_hash: header.mix_hash,
            sha3_uncles: header.ommers_hash,
            logs_bloom: header.logs_bloom,
            state_root: header.state_root,
            miner: Some(header.beneficiary),
            difficulty: header.difficulty,
            extra_data: header.extra_data.clone(),
            gas_limit: Quantity(header.gas_limit),
            gas_used: Quantity(header.gas_used),
            timestamp: Quantity(header.timestamp),
            transactions_root: header.transactions_root,
            receipts_root: header.receipts_root,
            base_fee_per_gas: header.base_fee_per_gas.map(Quantity),
            withdrawals_root: header.withdrawals_root,
            blob_gas_used: header.blob_gas_used.map(Quantity),
            excess_blob_gas: header.excess_blob_gas.map(Quantity),
            parent_beacon_block_root: header.parent_beacon_block_root,
            requests_hash: header.requests_hash,
            block_access_list_hash: header.block_access_list_hash,
            slot_number: header.slot_number.map(Quantity),
        }
    }

    /// The same of a pending block.
    pub(crate) fn into_pending(self) -> Self {
        Self { hash: None, nonce: None, miner: None, ..self }
    }
}

/// A withdrawal.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WithdrawalJson {
    index: Quantity,
    validator_index: Quantity,
    address: Address,
    amount: Quantity,
}

impl From<&Withdrawal> for WithdrawalJson {
    fn from(withdrawal: &Withdrawal) -> Self {
        Self {
            index: Quantity(withdrawal.index),
            validator_index: Quantity(withdrawal.validator_index),
            address: withdrawal.address,
            amount: Quantity(withdrawal.amount),
        }
    }
}

/// A withdrawal as a parameter.
pub(crate) struct WithdrawalParam(pub(crate) Withdrawal);

impl FromJson for WithdrawalParam {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        Ok(Self(Withdrawal {
            index: fields.required("index")?,
            validator_index: fields.required("validatorIndex")?,
            address: fields.required("address")?,
            amount: fields.required("amount")?,
        }))
    }
}

/// A block's transactions: whole, or their hashes.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
enum TransactionsJson {
    Hashes(Vec<B256>),
    Whole(Vec<TransactionJson>),
}

/// A block.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BlockJson {
    #[serde(flatten)]
    header: HeaderJson,
    size: Quantity,
    #[serde(skip_serializing_if = "is_none")]
    transactions: Option<TransactionsJson>,
    uncles: Vec<B256>,
    #[serde(skip_serializing_if = "is_none")]
    withdrawals: Option<Vec<WithdrawalJson>>,
}

impl BlockJson {
    /// A block with its transactions, or with their hashes.
    pub(crate) fn new(block: &ChainBlock, has_whole_transactions: bool) -> Self {
        let transactions = if has_whole_transactions {
            let indices = 0..block.block.transactions.len();
            TransactionsJson::Whole(indices.filter_map(|index| TransactionJson::in_block(block, index)).collect())
        } else {
            TransactionsJson::Hashes(block.transaction_hashes.clone())
        };
        Self { transactions: Some(transactions), ..Self::without_transactions(&block.block, block.hash) }
    }

    /// An ommer, of which only the header is known.
    pub(crate) fn ommer(header: &Header) -> Self {
        let block = Block { header: header.clone(), ..Block::default() };
        Self::without_transactions(&block, header.hash())
    }

    fn without_transactions(block: &Block, hash: B256) -> Self {
        Self {
            header: HeaderJson::new(&block.header, hash),
            size: Quantity(block.encoded_size() as u64),
            transactions: None,
            uncles: block.ommers.iter().map(Header::hash).collect(),
            withdrawals: block.withdrawals.as_ref().map(|list| list.iter().map(Into::into).collect()),
        }
    }

    /// The same of a pending block.
    pub(crate) fn into_pending(self) -> Self {
        Self { header: self.header.into_pending(), ..self }
    }
}
