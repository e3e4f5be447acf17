//! Writing blocks as JSON-RPC gives them: `eth_getBlockByNumber` with full transactions.
//!
//! Objects are written with their fields in alphabetical order, so that a file's bytes don't depend on how some other
//! crate configured the JSON library.

use alloy_primitives::{Address, B256, U256, hex};
use rialto_stf::{Authorization, Block, Header, Transaction, Withdrawal};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A document with sorted fields and a newline at the end.
pub(crate) fn text(value: &Value) -> Vec<u8> {
    let mut text = String::new();
    write(&mut text, value, 0);
    text.push('\n');
    text.into_bytes()
}

/// One field or item a line, two spaces a level; objects and arrays without content on one line.
fn write(text: &mut String, value: &Value, level: usize) {
    let indent = |text: &mut String, level: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", level));
    };
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            text.push('{');
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                indent(text, level + 1);
                text.push_str(&format!("{}: ", Value::from(key.as_str())));
                write(text, value, level + 1);
            }
            indent(text, level);
            text.push('}');
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                indent(text, level + 1);
                write(text, item, level + 1);
            }
            indent(text, level);
            text.push(']');
        }
        other => text.push_str(&other.to_string()),
    }
}

fn quantity(number: impl core::fmt::LowerHex) -> Value {
    format!("{number:#x}").into()
}

fn bytes(bytes: &[u8]) -> Value {
    hex::encode_prefixed(bytes).into()
}

fn hash(hash: &B256) -> Value {
    bytes(hash.as_slice())
}

fn account(address: &Address) -> Value {
    bytes(address.as_slice())
}

/// A block whose transactions were signed by `senders`.
pub(crate) fn block(block: &Block, senders: &[Address]) -> Value {
    let mut fields = header(&block.header);
    let mut put = |name: &str, value: Value| fields.insert(name.into(), value);
    let transactions = block.transactions.iter().zip(senders).enumerate();
    let transactions = transactions.map(|(index, (item, sender))| transaction(&block.header, index, item, sender));
    put("hash", hash(&block.hash()));
    put("size", quantity(block.encoded_size() as u64));
    put("transactions", transactions.collect());
    put("uncles", block.ommers.iter().map(|ommer| hash(&ommer.hash())).collect());
    if let Some(withdrawals) = &block.withdrawals {
        put("withdrawals", withdrawals.iter().map(withdrawal).collect());
    }
    fields.into()
}

fn header(header: &Header) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| drop(fields.insert(name.into(), value));
    put("parentHash", hash(&header.parent_hash));
    put("sha3Uncles", hash(&header.ommers_hash));
    put("miner", account(&header.beneficiary));
    put("stateRoot", hash(&header.state_root));
    put("transactionsRoot", hash(&header.transactions_root));
    put("receiptsRoot", hash(&header.receipts_root));
    put("logsBloom", bytes(header.logs_bloom.as_slice()));
    put("difficulty", quantity(header.difficulty));
    put("number", quantity(header.number));
    put("gasLimit", quantity(header.gas_limit));
    put("gasUsed", quantity(header.gas_used));
    put("timestamp", quantity(header.timestamp));
    put("extraData", bytes(&header.extra_data));
    put("mixHash", hash(&header.mix_hash));
    put("nonce", bytes(header.nonce.as_slice()));
    let numbers = [
        ("baseFeePerGas", header.base_fee_per_gas),
        ("blobGasUsed", header.blob_gas_used),
        ("excessBlobGas", header.excess_blob_gas),
        ("slotNumber", header.slot_number),
    ];
    let hashes = [
        ("withdrawalsRoot", header.withdrawals_root),
        ("parentBeaconBlockRoot", header.parent_beacon_block_root),
        ("requestsHash", header.requests_hash),
        ("blockAccessListHash", header.block_access_list_hash),
    ];
    numbers.into_iter().for_each(|(name, number)| number.into_iter().for_each(|number| put(name, quantity(number))));
    hashes.iter().for_each(|(name, value)| value.iter().for_each(|value| put(name, hash(value))));
    fields
}

fn transaction(header: &Header, index: usize, transaction: &Transaction, sender: &Address) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| drop(fields.insert(name.into(), value));
    let tx_type = transaction.tx_type;
    put("type", quantity(tx_type as u8));
    put("hash", hash(&transaction.hash()));
    put("blockHash", hash(&header.hash()));
    put("blockNumber", quantity(header.number));
    put("transactionIndex", quantity(index as u64));
    put("from", account(sender));
    put("to", transaction.to.as_ref().map_or(Value::Null, account));
    put("nonce", quantity(transaction.nonce));
    put("value", quantity(transaction.value));
    put("input", bytes(&transaction.input));
    put("gas", quantity(transaction.gas_limit));
    put("gasPrice", quantity(paid_gas_price(header, transaction)));
    if let Some(chain_id) = transaction.chain_id {
        put("chainId", quantity(chain_id));
    }
    if tx_type.has_dynamic_fee() {
        put("maxFeePerGas", quantity(transaction.gas_price));
        put("maxPriorityFeePerGas", quantity(transaction.max_priority_fee_per_gas));
    }
    if tx_type as u8 > 0 {
        let keys = |keys: &[B256]| keys.iter().map(hash).collect::<Value>();
        let list = transaction.access_list.iter();
        put(
            "accessList",
            list.map(|item| json!({"address": account(&item.address), "storageKeys": keys(&item.storage_keys)}))
                .collect(),
        );
        put("yParity", quantity(u64::from(transaction.signature.y_parity)));
    }
    if !transaction.authorization_list.is_empty() {
        put("authorizationList", transaction.authorization_list.iter().map(authorization).collect());
    }
    put("v", quantity(transaction.v()));
    put("r", quantity(transaction.signature.r));
    put("s", quantity(transaction.signature.s));
    fields.into()
}

/// What the transaction paid per gas in this block.
fn paid_gas_price(header: &Header, transaction: &Transaction) -> U256 {
    if !transaction.tx_type.has_dynamic_fee() {
        return transaction.gas_price;
    }
    let base_fee = U256::from(header.base_fee_per_gas.unwrap_or_default());
    transaction.gas_price.min(base_fee.saturating_add(transaction.max_priority_fee_per_gas))
}

fn authorization(item: &Authorization) -> Value {
    json!({
        "chainId": quantity(item.chain_id), "address": account(&item.address), "nonce": quantity(item.nonce),
        "yParity": quantity(u64::from(item.y_parity)), "r": quantity(item.r), "s": quantity(item.s)
    })
}

fn withdrawal(item: &Withdrawal) -> Value {
    json!({
        "index": quantity(item.index), "validatorIndex": quantity(item.validator_index),
        "address": account(&item.address), "amount": quantity(item.amount)
    })
}
