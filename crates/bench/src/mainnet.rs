//! Blocks of the main network, each a folder with `block.json` (as JSON-RPC gives it, with full transactions),
//! `pre_state.json` (every account that the block touches, with code and the touched slots) and, where an opcode asks
//! for one, `block_hashes.json`.

use crate::BenchError;
use crate::case::{Case, CaseAccount, CaseTransaction, Fork, Group};
use crate::json::{self, Node};
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_stf::{AccessListItem, Header, Transaction, TxType};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Loads one block, or every block in the folders inside `path`, in the order of their numbers.
pub fn load(path: &Path) -> Result<Vec<Case>, BenchError> {
    if path.join("block.json").is_file() {
        return Ok(vec![load_block(path)?]);
    }
    let failed = |reason: String| BenchError::File { path: path.display().to_string(), reason };
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(path).map_err(|error| failed(error.to_string()))? {
        let folder = entry.map_err(|error| failed(error.to_string()))?.path();
        if folder.join("block.json").is_file() {
            cases.push(load_block(&folder)?);
        }
    }
    if cases.is_empty() {
        return Err(failed("expected a folder with block.json, or folders that have one".into()));
    }
    cases.sort_by_key(|case| case.header.number);
    Ok(cases)
}

fn load_block(folder: &Path) -> Result<Case, BenchError> {
    let block_path = folder.join("block.json");
    let document = json::read(&block_path)?;
    let root = Node::root(&block_path.display().to_string(), &document);
    let header = header(&root)?;
    let transactions = root.get("transactions")?.elements()?;
    Ok(Case {
        name: format!("block_{}", header.number),
        group: Group::Mainnet,
        fork: Fork::of_mainnet_block(header.number, header.timestamp),
        header,
        block_hashes: block_hashes(&folder.join("block_hashes.json"))?,
        accounts: pre_state(&folder.join("pre_state.json"))?,
        transactions: transactions.iter().map(transaction).collect::<Result<_, _>>()?,
        checks_gas_used: true,
    })
}

/// The fields of a header that execution looks at.
fn header(root: &Node<'_>) -> Result<Header, BenchError> {
    let optional_u64 = |key| root.optional(key)?.map(|value| value.u64()).transpose();
    Ok(Header {
        number: root.get("number")?.u64()?,
        timestamp: root.get("timestamp")?.u64()?,
        beneficiary: root.get("miner")?.address()?,
        gas_limit: root.get("gasLimit")?.u64()?,
        gas_used: root.get("gasUsed")?.u64()?,
        difficulty: root.get("difficulty")?.u256()?,
        mix_hash: root.get("mixHash")?.b256()?,
        base_fee_per_gas: optional_u64("baseFeePerGas")?,
        blob_gas_used: optional_u64("blobGasUsed")?,
        excess_blob_gas: optional_u64("excessBlobGas")?,
        ..Header::default()
    })
}

fn transaction(node: &Node<'_>) -> Result<CaseTransaction, BenchError> {
    let number = |key| node.optional(key)?.map_or(Ok(U256::ZERO), |value| value.u256());
    let type_byte = node.optional("type")?.map_or(Ok(0), |kind| kind.u64())?;
    let tx_type = u8::try_from(type_byte).ok().and_then(TxType::from_byte);
    let tx_type = tx_type.ok_or_else(|| node.wrong_field("type", "a transaction type from 0 to 4"))?;
    let price = if tx_type.has_dynamic_fee() { "maxFeePerGas" } else { "gasPrice" };
    let transaction = Transaction {
        tx_type,
        chain_id: node.optional("chainId")?.map(|id| id.u64()).transpose()?,
        nonce: node.get("nonce")?.u64()?,
        gas_price: node.get(price)?.u256()?,
        max_priority_fee_per_gas: number("maxPriorityFeePerGas")?,
        gas_limit: node.get("gas")?.u64()?,
        to: node.optional("to")?.map(|to| to.address()).transpose()?,
        value: node.get("value")?.u256()?,
        input: node.get("input")?.bytes()?,
        access_list: node.optional("accessList")?.map_or_else(|| Ok(Vec::new()), |list| access_list(&list))?,
        max_fee_per_blob_gas: number("maxFeePerBlobGas")?,
        blob_versioned_hashes: node
            .optional("blobVersionedHashes")?
            .map_or_else(|| Ok(Vec::new()), |list| hashes(&list))?,
        ..Transaction::default()
    };
    Ok(CaseTransaction { sender: node.get("from")?.address()?, transaction })
}

fn access_list(list: &Node<'_>) -> Result<Vec<AccessListItem>, BenchError> {
    let item = |item: &Node<'_>| {
        let storage_keys = hashes(&item.get("storageKeys")?)?;
        Ok(AccessListItem { address: item.get("address")?.address()?, storage_keys })
    };
    list.elements()?.iter().map(item).collect()
}

fn hashes(list: &Node<'_>) -> Result<Vec<B256>, BenchError> {
    list.elements()?.iter().map(Node::b256).collect()
}

fn pre_state(path: &Path) -> Result<BTreeMap<Address, CaseAccount>, BenchError> {
    let document = json::read(path)?;
    let root = Node::root(&path.display().to_string(), &document);
    root.members()?.into_iter().map(|(key, node)| Ok((node.key_address(key)?, account(&node)?))).collect()
}

fn account(node: &Node<'_>) -> Result<CaseAccount, BenchError> {
    let basic = node.get("basic")?;
    Ok(CaseAccount {
        balance: basic.get("balance")?.u256()?,
        nonce: basic.get("nonce")?.u64()?,
        code: node.optional("code")?.map_or(Ok(Bytes::new()), |code| code_bytes(&code))?,
        storage: node.get("storage")?.words()?.into_iter().filter(|(_, value)| *value != U256::ZERO).collect(),
    })
}

/// Some records pad the bytes for their analysis; `original_len` then says how many are the code.
fn code_bytes(code: &Node<'_>) -> Result<Bytes, BenchError> {
    let bytes = code.get("bytecode")?.bytes()?;
    let len = match code.optional("original_len")? {
        Some(len) => usize::try_from(len.u64()?).unwrap_or(usize::MAX),
        None => bytes.len(),
    };
    Ok(bytes.slice(..len.min(bytes.len())))
}

fn block_hashes(path: &Path) -> Result<BTreeMap<u64, B256>, BenchError> {
    if !path.is_file() {
        return Ok(BTreeMap::new());
    }
    let document: Value = json::read(path)?;
    let root = Node::root(&path.display().to_string(), &document);
    root.members()?.into_iter().map(|(key, node)| Ok((node.key_number(key)?, node.b256()?))).collect()
}
