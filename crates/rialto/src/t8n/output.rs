//! The answer: the state after (`alloc`), the result and the body, to files, standard output or standard error.

use crate::CliError;
use crate::state_test::logs_hash;
use crate::t8n::transition::{Applied, Output, Rejected};
use alloy_primitives::{Address, B256, Bloom, b256, hex};
use rialto_state::{Log, MemoryState};
use rialto_stf::{
    Receipt, ReceiptStatus, RlpWriter, Transaction, TxType, Withdrawal, receipts_root, requests_hash,
    transactions_root, withdrawals_root,
};
use rialto_vm::opcode;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

/// What stands for the block's hash, which is not known while it is built.
const BLOCK_HASH: B256 = b256!("0x1337000000000000000000000000000000000000000000000000000000000000");

fn quantity(value: impl std::fmt::LowerHex) -> Value {
    format!("{value:#x}").into()
}

/// The state as an alloc: what is empty or zero is left out, but for the balance.
pub fn alloc(state: &MemoryState) -> Value {
    let mut accounts = BTreeMap::new();
    for (address, account) in state.iter() {
        let mut fields = Map::new();
        if let Some(code) = state.get_code(&account.info.code_hash).filter(|code| !code.is_empty()) {
            fields.insert("code".into(), hex::encode_prefixed(code.bytes()).into());
        }
        if !account.storage.is_empty() {
            let slots: BTreeMap<B256, B256> =
                account.storage.iter().map(|(slot, word)| (B256::from(*slot), B256::from(*word))).collect();
            let slots = slots.into_iter().map(|(slot, word)| (slot.to_string(), word.to_string().into()));
            fields.insert("storage".into(), Value::Object(slots.collect()));
        }
        fields.insert("balance".into(), quantity(account.info.balance));
        if account.info.nonce != 0 {
            fields.insert("nonce".into(), quantity(account.info.nonce));
        }
        accounts.insert(*address, fields);
    }
    let lower = |address: Address| hex::encode_prefixed(address);
    Value::Object(accounts.into_iter().map(|(address, fields)| (lower(address), fields.into())).collect())
}

/// The transactions applied, as an RLP list in hex.
pub fn body(applied: &[Applied]) -> Value {
    let mut writer = RlpWriter::new();
    writer.list(|list| applied.iter().for_each(|applied| applied.transaction.write(list)));
    hex::encode_prefixed(writer.into_bytes()).into()
}

/// Roots, receipts and what else a block builder needs.
pub fn result(output: &Output, withdrawals: Option<&[Withdrawal]>) -> Value {
    let transactions: Vec<Transaction> = output.applied.iter().map(|applied| applied.transaction.clone()).collect();
    let logs: Vec<Log> = output.receipts.iter().flat_map(|receipt| receipt.logs.clone()).collect();
    let bloom = output.receipts.iter().fold(Bloom::ZERO, |bloom, receipt| bloom | receipt.logs_bloom);
    let is_merged = output.header.difficulty.is_zero();
    let mut fields = json!({
        "stateRoot": output.state_root,
        "txRoot": transactions_root(&transactions),
        "receiptsRoot": receipts_root(&output.receipts),
        "logsHash": logs_hash(&logs),
        "logsBloom": bloom,
        "receipts": receipts(output),
        "currentDifficulty": if is_merged { Value::Null } else { quantity(output.header.difficulty) },
        "gasUsed": quantity(output.gas_used),
        "requests": output.requests.as_ref().map(|requests| {
            requests.iter().map(hex::encode_prefixed).collect::<Vec<_>>()
        }),
    });
    if !output.rejected.is_empty() {
        let rejected = |rejected: &Rejected| json!({ "index": rejected.index, "error": rejected.error });
        fields["rejected"] = output.rejected.iter().map(rejected).collect();
    }
    if let Some(base_fee) = output.base_fee {
        fields["currentBaseFee"] = quantity(base_fee);
    }
    if let Some(withdrawals) = withdrawals {
        fields["withdrawalsRoot"] = withdrawals_root(withdrawals).to_string().into();
    }
    if let (Some(excess), Some(_)) = (output.header.excess_blob_gas, output.blob_base_fee) {
        let used: u64 = output.applied.iter().map(|applied| applied.outcome.blob_gas_used).sum();
        fields["currentExcessBlobGas"] = quantity(excess);
        fields["blobGasUsed"] = quantity(used);
    }
    if let Some(requests) = &output.requests {
        fields["requestsHash"] = requests_hash(requests).to_string().into();
    }
    if let Some(list) = &output.block_access_list {
        fields["blockAccessList"] = hex::encode_prefixed(list.encode()).into();
        fields["blockAccessListHash"] = list.hash().to_string().into();
    }
    fields
}

fn receipts(output: &Output) -> Vec<Value> {
    let mut first_log = 0;
    let mut values = Vec::new();
    for (index, (applied, stated)) in output.applied.iter().zip(&output.receipts).enumerate() {
        values.push(receipt(output, index, applied, stated, first_log));
        first_log += stated.logs.len();
    }
    values
}

fn receipt(output: &Output, index: usize, applied: &Applied, receipt: &Receipt, first_log: usize) -> Value {
    let hash = applied.transaction.hash();
    let root = match receipt.status {
        ReceiptStatus::PostState(root) => root.to_string(),
        ReceiptStatus::Status(_) => "0x".to_string(),
    };
    let logs = receipt.logs.iter().enumerate().map(|(position, log)| {
        json!({
            "address": log.address,
            "topics": log.topics.to_vec(),
            "data": hex::encode_prefixed(&log.data),
            "blockNumber": quantity(output.header.number),
            "transactionHash": hash,
            "transactionIndex": quantity(index as u64),
            "blockHash": BLOCK_HASH,
            "blockTimestamp": quantity(output.header.timestamp),
            "logIndex": quantity((first_log + position) as u64),
            "removed": false,
        })
    });
    let mut fields = json!({
        "root": root,
        "status": quantity(u64::from(applied.outcome.halt.is_none())),
        "cumulativeGasUsed": quantity(receipt.cumulative_gas_used),
        "logsBloom": receipt.logs_bloom,
        "logs": logs.collect::<Vec<_>>(),
        "transactionHash": hash,
        "contractAddress": applied.outcome.contract_address.unwrap_or_default(),
        "gasUsed": quantity(applied.outcome.gas_used),
        "effectiveGasPrice": Value::Null,
        "blockHash": BLOCK_HASH,
        "blockNumber": quantity(output.header.number),
        "transactionIndex": quantity(index as u64),
    });
    if receipt.tx_type != TxType::Legacy {
        fields["type"] = quantity(receipt.tx_type as u8);
    }
    if receipt.tx_type == TxType::Blob {
        fields["blobGasUsed"] = quantity(applied.outcome.blob_gas_used);
        fields["blobGasPrice"] = quantity(output.blob_base_fee.unwrap_or_default());
    }
    fields
}

/// Opcodes executed, by name.
pub fn opcode_counts(counts: &[u64; 256]) -> Value {
    let mut object = Map::new();
    for (number, count) in (0..=255u8).zip(counts).filter(|(_, count)| **count > 0) {
        let name = opcode::name(number).map_or_else(|| format!("opcode {number:#x} not defined"), str::to_string);
        object.insert(name, (*count).into());
    }
    Value::Object(object)
}

/// Where a part of the answer goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// Nowhere.
    Nowhere,
    /// An object on standard output, with the other parts that go there.
    Stdout,
    /// An object on standard error, with the other parts that go there.
    Stderr,
    /// A file in the folder of outputs.
    File(String),
}

impl Destination {
    /// What a flag's value means.
    pub fn of_flag(value: &str) -> Self {
        match value {
            "" => Self::Nowhere,
            "stdout" => Self::Stdout,
            "stderr" => Self::Stderr,
            file => Self::File(file.to_string()),
        }
    }
}

/// Writes the parts, each with its name, to where they go.
pub fn dispatch(folder: &Path, parts: Vec<(&str, Destination, Value)>, out: &mut dyn Write) -> Result<(), CliError> {
    let (mut on_stdout, mut on_stderr) = (Map::new(), Map::new());
    for (name, destination, value) in parts {
        match destination {
            Destination::Nowhere => {}
            Destination::Stdout => drop(on_stdout.insert(name.to_string(), value)),
            Destination::Stderr => drop(on_stderr.insert(name.to_string(), value)),
            Destination::File(file) => {
                let path = folder.join(file);
                std::fs::write(&path, format!("{value:#}")).map_err(|error| CliError::file(&path, error))?;
            }
        }
    }
    if !on_stdout.is_empty() {
        writeln!(out, "{:#}", Value::Object(on_stdout))?;
    }
    if !on_stderr.is_empty() {
        eprintln!("{:#}", Value::Object(on_stderr));
    }
    Ok(())
}
