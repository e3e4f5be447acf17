//! Execution payloads and blocks: the same thing, once as the consensus layer writes it and once as this layer hashes it.
//!
//! A payload has a block's body and the header's fields as far as they do not follow from the body. Turning it into a block
//! computes the rest: the roots of transactions and withdrawals, the commitments to requests and access list, and the constants
//! that a header has since the merge. The block's hash must then be the payload's, which is checked whatever else is wrong.
//!
//! The work is linear in the request's bytes, whose number the server limits: bytes are decoded once and hashed once.

use super::version::Form;
use crate::json::{Fields, FromJson, ParamError, Quantity, WithdrawalJson, WithdrawalParam};
use alloy_primitives::{Address, B256, Bloom, Bytes, U256, keccak256};
use rialto_stf::{
    Block, BlockAccessList, DecodeError, Header, Transaction, Withdrawal, ommers_hash, requests_hash,
    transactions_root, withdrawals_root,
};
use serde::Serialize;
use serde_json::Value;
use std::fmt;

/// A payload of any version, its transactions and access list still encoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Payload {
    /// The header's fields that the payload states; the others are empty.
    pub(crate) header: Header,
    pub(crate) base_fee_per_gas: U256,
    pub(crate) block_hash: B256,
    pub(crate) transactions: Vec<Bytes>,
    pub(crate) withdrawals: Option<Vec<Withdrawal>>,
    pub(crate) block_access_list: Option<Bytes>,
}

/// What a payload does not say itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beside {
    /// Hashes of the blobs that the transactions are expected to carry.
    pub(crate) versioned_hashes: Option<Vec<B256>>,
    pub(crate) parent_beacon_block_root: Option<B256>,
    pub(crate) requests: Option<Vec<Bytes>>,
}

/// Why a payload is no block, which can be seen without any other block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PayloadError {
    /// A transaction is malformed.
    Transaction { index: usize, error: DecodeError },
    /// No header has such a base fee.
    BaseFee { found: U256 },
    /// The transactions carry other blobs than expected.
    VersionedHashes { expected: Vec<B256>, found: Vec<B256> },
    /// The access list is malformed.
    AccessList(DecodeError),
    /// The payload's hash is not that of its content.
    BlockHash { expected: B256, found: B256 },
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transaction { index, error } => write!(f, "transactions[{index}]: {error}"),
            Self::BaseFee { found } => write!(f, "baseFeePerGas: expected at most 64 bits, found {found:#x}"),
            Self::VersionedHashes { expected, found } => {
                let first = expected.iter().zip(found).position(|(expected, found)| expected != found);
                match first {
                    Some(index) => write!(
                        f,
                        "expectedBlobVersionedHashes[{index}]: expected {}, found {} in the transactions",
                        expected[index], found[index]
                    ),
                    None => {
                        let (expected, found) = (expected.len(), found.len());
                        write!(f, "expectedBlobVersionedHashes: expected {expected}, found {found} in the transactions")
                    }
                }
            }
            Self::AccessList(error) => write!(f, "blockAccessList: {error}"),
            Self::BlockHash { expected, found } => {
                write!(f, "blockHash: found {expected}, the payload's content has {found}")
            }
        }
    }
}

impl Payload {
    /// Reads a payload, whose fields must be those of `form`.
    pub(crate) fn read(value: &Value, form: Form) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        form.refuse_other_payload_fields(&fields)?;
        let header = Header {
            parent_hash: fields.required("parentHash")?,
            beneficiary: fields.required("feeRecipient")?,
            state_root: fields.required("stateRoot")?,
            receipts_root: fields.required("receiptsRoot")?,
            logs_bloom: fields.required::<BloomJson>("logsBloom")?.0,
            mix_hash: fields.required("prevRandao")?,
            number: fields.required("blockNumber")?,
            gas_limit: fields.required("gasLimit")?,
            gas_used: fields.required("gasUsed")?,
            timestamp: fields.required("timestamp")?,
            extra_data: fields.required("extraData")?,
            blob_gas_used: when(form.has_blobs, &fields, "blobGasUsed")?,
            excess_blob_gas: when(form.has_blobs, &fields, "excessBlobGas")?,
            slot_number: when(form.has_access_list, &fields, "slotNumber")?,
            ..Header::default()
        };
        let withdrawals: Option<Vec<WithdrawalParam>> = when(form.has_withdrawals, &fields, "withdrawals")?;
        Ok(Self {
            header,
            base_fee_per_gas: fields.required("baseFeePerGas")?,
            block_hash: fields.required("blockHash")?,
            transactions: fields.required("transactions")?,
            withdrawals: withdrawals.map(|list| list.into_iter().map(|item| item.0).collect()),
            block_access_list: when(form.has_access_list, &fields, "blockAccessList")?,
        })
    }

    /// The block, if its hash is the payload's, and its access list.
    pub(crate) fn into_block(self, beside: &Beside) -> Result<(Block, Option<BlockAccessList>), PayloadError> {
        let mut transactions = Vec::with_capacity(self.transactions.len());
        for (index, bytes) in self.transactions.iter().enumerate() {
            let decoded = Transaction::decode(bytes).map_err(|error| PayloadError::Transaction { index, error })?;
            transactions.push(decoded);
        }
        if let Some(expected) = &beside.versioned_hashes {
            check_versioned_hashes(expected, &transactions)?;
        }
        let base_fee = self.base_fee_per_gas;
        let base_fee_per_gas = u64::try_from(base_fee).map_err(|_| PayloadError::BaseFee { found: base_fee })?;
        let header = Header {
            ommers_hash: ommers_hash(&[]),
            transactions_root: transactions_root(&transactions),
            base_fee_per_gas: Some(base_fee_per_gas),
            withdrawals_root: self.withdrawals.as_deref().map(withdrawals_root),
            parent_beacon_block_root: beside.parent_beacon_block_root,
            requests_hash: beside.requests.as_deref().map(requests_hash),
            block_access_list_hash: self.block_access_list.as_ref().map(keccak256),
            ..self.header
        };
        let (expected, found) = (self.block_hash, header.hash());
        if expected != found {
            return Err(PayloadError::BlockHash { expected, found });
        }
        let access_list = self.block_access_list.as_ref().map(|bytes| BlockAccessList::decode(bytes));
        let access_list = access_list.transpose().map_err(PayloadError::AccessList)?;
        Ok((Block { header, transactions, ommers: Vec::new(), withdrawals: self.withdrawals }, access_list))
    }
}

fn check_versioned_hashes(expected: &[B256], transactions: &[Transaction]) -> Result<(), PayloadError> {
    let found = || transactions.iter().flat_map(|transaction| &transaction.blob_versioned_hashes);
    if found().eq(expected) {
        return Ok(());
    }
    let (expected, found) = (expected.to_vec(), found().copied().collect());
    Err(PayloadError::VersionedHashes { expected, found })
}

/// A field that has to be there if `is_expected`, and otherwise is not read.
pub(crate) fn when<T: FromJson>(is_expected: bool, fields: &Fields<'_>, name: &str) -> Result<Option<T>, ParamError> {
    if is_expected { fields.required(name).map(Some) } else { Ok(None) }
}

struct BloomJson(Bloom);

impl FromJson for BloomJson {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let bytes = Bytes::from_json(value)?;
        let bytes: [u8; 256] = bytes[..].try_into().map_err(|_| ParamError::new("256 bytes", value))?;
        Ok(Self(Bloom::new(bytes)))
    }
}

/// `executionRequests`: each a type byte and data, ascending by type, none without data.
pub(crate) struct RequestsParam(pub(crate) Vec<Bytes>);

impl FromJson for RequestsParam {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let requests: Vec<Bytes> = Vec::from_json(value)?;
        for (index, request) in requests.iter().enumerate() {
            let wrong = |expected: String| ParamError::new(expected, &value[index]).below(format_args!("[{index}]"));
            if request.len() < 2 {
                return Err(wrong("a type byte and data".into()));
            }
            let last = index.checked_sub(1).map(|before| requests[before][0]);
            if let Some(last) = last.filter(|last| *last >= request[0]) {
                return Err(wrong(format!("a type above {last}, that of the request before")));
            }
        }
        Ok(Self(requests))
    }
}

/// A payload as JSON. Fields that the block's fork has not are left out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PayloadJson {
    parent_hash: B256,
    fee_recipient: Address,
    state_root: B256,
    receipts_root: B256,
    logs_bloom: Bloom,
    prev_randao: B256,
    block_number: Quantity,
    gas_limit: Quantity,
    gas_used: Quantity,
    timestamp: Quantity,
    extra_data: Bytes,
    base_fee_per_gas: Quantity,
    block_hash: B256,
    transactions: Vec<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    withdrawals: Option<Vec<WithdrawalJson>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob_gas_used: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    excess_blob_gas: Option<Quantity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_access_list: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slot_number: Option<Quantity>,
}

impl PayloadJson {
    /// The payload of a block with this hash.
    pub(crate) fn new(block: &Block, hash: B256, access_list: Option<&BlockAccessList>) -> Self {
        Self::with_encoded_list(block, hash, access_list.map(|list| list.encode().into()))
    }

    /// The same with an access list that is encoded already.
    pub(crate) fn with_encoded_list(block: &Block, hash: B256, block_access_list: Option<Bytes>) -> Self {
        let header = &block.header;
        Self {
            parent_hash: header.parent_hash,
            fee_recipient: header.beneficiary,
            state_root: header.state_root,
            receipts_root: header.receipts_root,
            logs_bloom: header.logs_bloom,
            prev_randao: header.mix_hash,
            block_number: Quantity(header.number),
            gas_limit: Quantity(header.gas_limit),
            gas_used: Quantity(header.gas_used),
            timestamp: Quantity(header.timestamp),
            extra_data: header.extra_data.clone(),
            base_fee_per_gas: Quantity(header.base_fee_per_gas.unwrap_or_default()),
            block_hash: hash,
            transactions: encoded_transactions(block),
            withdrawals: withdrawals_json(block),
            blob_gas_used: header.blob_gas_used.map(Quantity),
            excess_blob_gas: header.excess_blob_gas.map(Quantity),
            block_access_list,
            slot_number: header.slot_number.map(Quantity),
        }
    }
}

/// A block's transactions, each encoded.
pub(crate) fn encoded_transactions(block: &Block) -> Vec<Bytes> {
    block.transactions.iter().map(|transaction| transaction.encode().into()).collect()
}

/// A block's withdrawals as JSON, `None` before Shanghai.
pub(crate) fn withdrawals_json(block: &Block) -> Option<Vec<WithdrawalJson>> {
    block.withdrawals.as_ref().map(|list| list.iter().map(WithdrawalJson::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;
    use rialto_stf::{Signature, TxType};
    use serde_json::json;

    const V1: Form = Form { has_withdrawals: false, has_blobs: false, has_access_list: false };
    const V2: Form = Form { has_withdrawals: true, ..V1 };
    const V3: Form = Form { has_blobs: true, ..V2 };
    const V4: Form = Form { has_access_list: true, ..V3 };

    fn transaction() -> Transaction {
        Transaction {
            tx_type: TxType::Blob,
            chain_id: Some(1),
            to: Some(Address::repeat_byte(7)),
            blob_versioned_hashes: vec![B256::repeat_byte(1)],
            signature: Signature { r: U256::from(1), s: U256::from(2), ..Signature::default() },
            ..Transaction::default()
        }
    }

    fn beside(form: Form) -> Beside {
        Beside {
            versioned_hashes: form.has_blobs.then(|| vec![B256::repeat_byte(1)]),
            parent_beacon_block_root: form.has_blobs.then(|| B256::repeat_byte(9)),
            requests: form.has_access_list.then(|| vec![Bytes::from_static(&[0, 1, 2])]),
        }
    }

    /// A block of this form with its payload as JSON.
    fn example(form: Form) -> (Block, Value) {
        let list = BlockAccessList::default();
        let withdrawals = form.has_withdrawals.then(|| vec![Withdrawal { index: 3, amount: 4, ..Default::default() }]);
        let transactions = vec![transaction()];
        let beside = beside(form);
        let header = Header {
            ommers_hash: ommers_hash(&[]),
            number: 17,
            timestamp: 0x1234,
            gas_limit: 30_000_000,
            extra_data: Bytes::from_static(b"extra"),
            base_fee_per_gas: Some(7),
            transactions_root: transactions_root(&transactions),
            withdrawals_root: withdrawals.as_deref().map(withdrawals_root),
            blob_gas_used: form.has_blobs.then_some(131_072),
            excess_blob_gas: form.has_blobs.then_some(0),
            parent_beacon_block_root: beside.parent_beacon_block_root,
            requests_hash: beside.requests.as_deref().map(requests_hash),
            block_access_list_hash: form.has_access_list.then(|| list.hash()),
            slot_number: form.has_access_list.then_some(5),
            ..Header::default()
        };
        let block = Block { header, transactions, ommers: Vec::new(), withdrawals };
        let json = PayloadJson::new(&block, block.hash(), form.has_access_list.then_some(&list));
        let json = serde_json::to_value(json).expect("a payload is JSON");
        (block, json)
    }

    fn read(json: &Value, form: Form) -> Result<Payload, String> {
        Payload::read(json, form).map_err(|error| error.into_rpc("executionPayload").to_string())
    }

    #[test]
    fn a_payload_is_its_block() {
        for (name, form) in [("V1", V1), ("V2", V2), ("V3", V3), ("V4", V4)] {
            let (block, json) = example(form);
            let payload = read(&json, form).unwrap_or_else(|error| panic!("{name}: {error}"));
            let (found, list) = payload.into_block(&beside(form)).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(found, block, "{name}");
            assert_eq!(list.is_some(), form.has_access_list, "{name}");
        }
    }

    #[test]
    fn a_payload_has_the_fields_of_its_version() {
        let rows = [
            ("withdrawals in V1", V2, V1, "executionPayload.withdrawals: expected none"),
            ("none in V2", V1, V2, "executionPayload.withdrawals: expected a value, found none"),
            ("blob gas in V2", V3, V2, "executionPayload.blobGasUsed: expected none"),
            ("none in V3", V2, V3, "executionPayload.blobGasUsed: expected a value, found none"),
            ("access list in V3", V4, V3, "executionPayload.blockAccessList: expected none"),
            ("none in V4", V3, V4, "executionPayload.slotNumber: expected a value, found none"),
        ];
        for (name, written, form, expected) in rows {
            let error = read(&example(written).1, form).expect_err(name);
            assert!(error.starts_with(expected), "{name}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_payload_is_said() {
        let hash = B256::repeat_byte(1);
        type Change = fn(&mut Value, &mut Beside);
        let rows: [(&str, Change, &str); 8] = [
            ("empty transaction", |json, _| json["transactions"][0] = json!("0x"), "transactions[0]: "),
            ("base fee", |json, _| json["baseFeePerGas"] = json!("0x10000000000000000"), "baseFeePerGas: "),
            ("hash", |json, _| json["blockHash"] = json!(B256::ZERO), "blockHash: found 0x00"),
            ("gas", |json, _| json["gasUsed"] = json!("0x1"), "blockHash: found"),
            ("no blob expected", |_, beside| beside.versioned_hashes = Some(vec![]), "expectedBlobVersionedHashes: "),
            (
                "other blob expected",
                |_, beside| beside.versioned_hashes = Some(vec![B256::ZERO]),
                "expectedBlobVersionedHashes[0]: expected 0x00",
            ),
            ("root", |_, beside| beside.parent_beacon_block_root = Some(B256::ZERO), "blockHash: found"),
            ("requests", |_, beside| beside.requests = Some(vec![]), "blockHash: found"),
        ];
        for (name, change, expected) in rows {
            let (_, mut json) = example(V4);
            let mut beside = beside(V4);
            assert_eq!(beside.versioned_hashes, Some(vec![hash]));
            change(&mut json, &mut beside);
            let payload = read(&json, V4).unwrap_or_else(|error| panic!("{name}: {error}"));
            let error = payload.into_block(&beside).expect_err(name).to_string();
            assert!(error.starts_with(expected), "{name}: {error}");
        }
    }

    #[test]
    fn requests_are_ordered_and_not_empty() {
        let rows: [(&str, Value, bool); 7] = [
            ("none", json!([]), true),
            ("two", json!(["0x0001", "0x0202"]), true),
            ("out of order", json!(["0x0201", "0x0002"]), false),
            ("twice", json!(["0x0001", "0x0002"]), false),
            ("type alone", json!(["0x00"]), false),
            ("empty", json!(["0x"]), false),
            ("null", json!(null), false),
        ];
        for (name, value, expected) in rows {
            assert_eq!(RequestsParam::from_json(&value).is_ok(), expected, "{name}");
        }
        assert_eq!(hex::encode(transaction().encode())[..2], *"03");
    }
}
