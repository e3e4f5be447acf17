//! Simulated blocks as answers.
//!
//! A simulated transaction has no signature: its encoding, and so its hash, has zeros in its place. That of a legacy one has a
//! `v` of zero, which no transaction of a block can have, so it is written here.

use super::transfers::NumberedLog;
use crate::RpcError;
use crate::json::BlockJson;
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_node::ChainBlock;
use rialto_stf::{Block, Header, RlpWriter, Transaction, TxType, Withdrawal};
use serde_json::{Map, Value, json};

/// A simulated transaction.
pub(super) struct SimulatedTransaction {
    pub transaction: Transaction,
    pub sender: Address,
    pub encoded: Vec<u8>,
    pub hash: B256,
}

/// What a call did.
pub(super) struct CallAnswer {
    pub output: Bytes,
    pub logs: Vec<NumberedLog>,
    pub gas_used: u64,
    pub max_gas_used: u64,
    pub error: Option<RpcError>,
    pub transaction_hash: B256,
}

/// A simulated block.
pub(super) struct SimulatedBlock {
    pub header: Header,
    pub hash: B256,
    pub transactions: Vec<SimulatedTransaction>,
    pub answers: Vec<CallAnswer>,
    pub withdrawals: Option<Vec<Withdrawal>>,
}

/// The encoding of a transaction without signature.
pub(super) fn encode_unsigned(transaction: &Transaction) -> Vec<u8> {
    if transaction.tx_type != TxType::Legacy {
        return transaction.encode();
    }
    let mut writer = RlpWriter::new();
    writer.list(|list| {
        list.u64(transaction.nonce);
        list.u256(&transaction.gas_price);
        list.u64(transaction.gas_limit);
        list.string(transaction.to.as_ref().map_or(&[], |to| to.as_slice()));
        list.u256(&transaction.value);
        list.string(&transaction.input);
        for _ in ["v", "r", "s"] {
            list.u64(0);
        }
    });
    writer.into_bytes()
}

/// A quantity.
fn hex(value: u64) -> Value {
    Value::String(format!("{value:#x}"))
}

impl SimulatedBlock {
    /// The answer.
    pub(super) fn to_json(&self, with_transactions: bool) -> Result<Value, RpcError> {
        let block = ChainBlock {
            block: Block {
                header: self.header.clone(),
                transactions: self.transactions.iter().map(|entry| entry.transaction.clone()).collect(),
                ommers: Vec::new(),
                withdrawals: self.withdrawals.clone(),
            },
            hash: self.hash,
            senders: self.transactions.iter().map(|entry| entry.sender).collect(),
            transaction_hashes: self.transactions.iter().map(|entry| entry.hash).collect(),
            total_difficulty: U256::ZERO,
        };
        let json = serde_json::to_value(BlockJson::new(&block, with_transactions));
        let mut json = json.map_err(|error| RpcError::internal(error.to_string()))?;
        for (index, entry) in self.transactions.iter().enumerate() {
            if with_transactions && entry.transaction.tx_type == TxType::Legacy {
                let object = &mut json["transactions"][index];
                // What geth derives from a `v` of zero.
                object["chainId"] = "0x7fffffffffffffee".into();
                object["v"] = hex(0);
            }
        }
        json["size"] = hex(self.size() as u64);
        json["calls"] = (0..self.answers.len()).map(|index| self.answer_json(index)).collect();
        Ok(json)
    }

    /// Bytes of the block's encoding.
    fn size(&self) -> usize {
        let mut writer = RlpWriter::new();
        writer.list(|list| {
            self.header.write(list);
            list.list(|items| {
                for SimulatedTransaction { transaction, encoded, .. } in &self.transactions {
                    match transaction.tx_type {
                        TxType::Legacy => items.raw(encoded),
                        _ => items.string(encoded),
                    }
                }
            });
            list.list(|_| {});
            if let Some(withdrawals) = &self.withdrawals {
                list.list(|items| withdrawals.iter().for_each(|withdrawal| withdrawal.write(items)));
            }
        });
        writer.into_bytes().len()
    }

    fn answer_json(&self, index: usize) -> Value {
        let answer = &self.answers[index];
        let log = |log: &NumberedLog| {
            json!({
                "address": log.address,
                "topics": log.topics,
                "data": log.data,
                "blockNumber": hex(self.header.number),
                "transactionHash": answer.transaction_hash,
                "transactionIndex": hex(index as u64),
                "blockHash": self.hash,
                "blockTimestamp": hex(self.header.timestamp),
                "logIndex": hex(log.index),
                "removed": false,
            })
        };
        let mut call = json!({
            "returnData": answer.output,
            "logs": answer.logs.iter().map(log).collect::<Vec<_>>(),
            "gasUsed": hex(answer.gas_used),
            "maxUsedGas": hex(answer.max_gas_used),
            "status": hex(u64::from(answer.error.is_none())),
        });
        if let Some(error) = &answer.error {
            let mut object = Map::new();
            object.insert("message".into(), error.message.as_str().into());
            object.insert("code".into(), error.code.into());
            if let Some(data) = &error.data {
                object.insert("data".into(), data.clone());
            }
            call["error"] = Value::Object(object);
        }
        call
    }
}
