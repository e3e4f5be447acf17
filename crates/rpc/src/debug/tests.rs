//! A chain of three blocks, traced, witnessed and explored.

use crate::namespaces::methods_of;
use crate::{RpcContext, RpcLimits};
use alloy_primitives::{Address, B256, Bytes, U256, address, hex};
use jsonrpsee::Methods;
use rialto_node::{BlockId, Node, NodeConfig, PayloadAttributes, PoolTransaction, TransactionSource};
use rialto_stf::{Block, Header, Transaction, TxType, address_of_secret_key, execute};
use rialto_trie::witness::WitnessState;
use serde_json::{Value, json};
use std::sync::Arc;

/// Stores its block's number, and the hash of the block before.
const STORES: Address = address!("00000000000000000000000000000000000000c0");
/// Creates a contract with one wei and one zero byte of code.
const CREATES: Address = address!("00000000000000000000000000000000000000d0");
/// Reverts with a zero word.
const REVERTS: Address = address!("00000000000000000000000000000000000000e0");

const SECRET_KEY: B256 = B256::repeat_byte(0x11);

fn sender() -> Address {
    address_of_secret_key(&SECRET_KEY).expect("a secret key")
}

fn genesis() -> Vec<u8> {
    json!({
        "config": {
            "chainId": 1337, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
            "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0,
            "londonBlock": 0, "mergeNetsplitBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 0,
            "blobSchedule": { "cancun": { "target": 3, "max": 6, "baseFeeUpdateFraction": 3338477 } },
        },
        "nonce": "0x0", "timestamp": "0x0", "extraData": "0x", "gasLimit": "0x1c9c380", "difficulty": "0x0",
        "mixHash": B256::ZERO, "coinbase": Address::ZERO,
        "alloc": {
            sender().to_string(): { "balance": "0x56bc75e2d63100000" },
            STORES.to_string(): { "balance": "0x0", "code": "0x43600055600143034060015500" },
            // MSTORE8 of the initcode 60016000f3, then CREATE.
            CREATES.to_string(): { "balance": "0x5", "code": "0x6460016000f36000526005601b6001f000" },
            REVERTS.to_string(): { "balance": "0x0", "code": "0x60206000fd" },
        },
    })
    .to_string()
    .into_bytes()
}

struct Chain {
    node: Arc<Node>,
    methods: Methods,
    nonce: u64,
}

impl Chain {
    fn new() -> Self {
        let config = NodeConfig { genesis: Some(genesis()), is_dev: true, ..NodeConfig::default() };
        let node = Node::open(config).expect("a node");
        let context = RpcContext::new(Arc::clone(&node), RpcLimits::default(), "rialto/test".into(), None);
        let names = ["debug", "eth", "ots"].map(str::to_string);
        let methods = methods_of(&names, &context, false).expect("methods");
        let mut chain = Self { node, methods, nonce: 0 };
        chain.mine(&[(Address::ZERO, 1), (STORES, 0)]);
        chain.mine(&[(CREATES, 0), (STORES, 0)]);
        chain.mine(&[(REVERTS, 0)]);
        chain
    }

    fn mine(&mut self, calls: &[(Address, u64)]) {
        let head = self.node.view().expect("a view").head().block.header.clone();
        let pooled = |(to, value): &(Address, u64)| {
            let mut transaction = Transaction {
                tx_type: TxType::DynamicFee,
                chain_id: Some(1337),
                nonce: self.nonce,
                gas_price: U256::from(10_000_000_000u64),
                gas_limit: 200_000,
                to: Some(*to),
                value: U256::from(*value),
                ..Transaction::default()
            };
            self.nonce += 1;
            transaction.sign(&SECRET_KEY).expect("a secret key");
            let spec = self.node.spec();
            Arc::new(PoolTransaction::decode(&transaction.encode(), spec, &head).expect("a transaction"))
        };
        let transactions = calls.iter().map(pooled).collect();
        let attributes = PayloadAttributes {
            timestamp: head.timestamp + 12,
            withdrawals: Some(Vec::new()),
            parent_beacon_block_root: Some(B256::ZERO),
            ..PayloadAttributes::default()
        };
        self.node.mine(&attributes, &TransactionSource::Exactly(transactions)).expect("a block");
    }

    async fn ask(&self, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let (answer, _) = self.methods.raw_json_request(&request, 16).await.expect("a request");
        let answer: Value = serde_json::from_str(answer.get()).expect("JSON");
        answer.get("result").cloned().unwrap_or_else(|| panic!("{method} {params}: {answer}"))
    }

    fn block(&self, number: u64) -> Arc<rialto_node::ChainBlock> {
        let view = self.node.view().expect("a view");
        view.block(BlockId::Number(number)).expect("readable").expect("mined")
    }
}

fn bytes_of(list: &Value) -> Vec<Bytes> {
    serde_json::from_value(list.clone()).expect("a list of bytes")
}

#[tokio::test(flavor = "multi_thread")]
async fn witnesses_are_enough_to_execute_their_blocks() {
    let chain = Chain::new();
    for number in 1..=3u64 {
        let witness = chain.ask("debug_executionWitness", json!([format!("{number:#x}")])).await;
        let headers: Vec<Header> =
            bytes_of(&witness["headers"]).iter().map(|header| Header::decode(header).expect("a header")).collect();
        let parent = headers.last().expect("the parent");
        let block = chain.block(number);
        assert_eq!(parent.hash(), block.block.header.parent_hash, "block {number}");
        let hashes = headers.iter().map(|header| (header.number, header.hash()));
        let (nodes, codes) = (bytes_of(&witness["state"]), bytes_of(&witness["codes"]));
        let state = WitnessState::new(parent.state_root, nodes, codes, hashes);
        let outcome = execute(chain.node.spec(), &block.block, None, &state, None).expect("a valid block");
        let root = state.apply(&outcome.diff).expect("all nodes are there");
        assert_eq!(root, block.block.header.state_root, "block {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_block_is_traced_as_its_transactions_are() {
    let chain = Chain::new();
    for number in 1..=3u64 {
        for tracer in ["callTracer", "prestateTracer", "flatCallTracer", "4byteTracer", ""] {
            let config = if tracer.is_empty() { json!({}) } else { json!({ "tracer": tracer }) };
            let number = format!("{number:#x}");
            let entries = chain.ask("debug_traceBlockByNumber", json!([number, config])).await;
            let encoded = chain.ask("debug_getRawBlock", json!([number])).await;
            let block = Block::decode(&hex::decode(encoded.as_str().expect("hex")).expect("hex")).expect("a block");
            assert_eq!(chain.ask("debug_traceBlock", json!([encoded, config])).await, entries, "{number} {tracer}");
            assert_eq!(entries.as_array().map(Vec::len), Some(block.transactions.len()), "{number} {tracer}");
            for entry in entries.as_array().expect("entries") {
                let single = chain.ask("debug_traceTransaction", json!([entry["txHash"], config])).await;
                assert_eq!(single, entry["result"], "{number} {tracer}");
                if tracer == "callTracer" {
                    let receipt = chain.ask("eth_getTransactionReceipt", json!([entry["txHash"]])).await;
                    assert_eq!(single["gasUsed"], receipt["gasUsed"], "{number}");
                    assert_eq!(single.get("error").is_none(), receipt["status"] == "0x1", "{number}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_traced_before_or_after_the_block_s_transactions() {
    let chain = Chain::new();
    let storage = |trace: &Value| trace[STORES.to_string().to_lowercase()]["storage"].clone();
    let slot = |value: u64| format!("0x{value:064x}");
    let rows = [
        ("after", json!({}), 2),
        ("before", json!({ "txIndex": "0x0" }), 1),
        ("overridden", json!({ "stateOverrides": { STORES.to_string(): { "stateDiff": { slot(0): slot(77) } } } }), 77),
    ];
    for (name, mut config, expected) in rows {
        config["tracer"] = "prestateTracer".into();
        let trace = chain.ask("debug_traceCall", json!([{ "to": STORES }, "0x2", config])).await;
        assert_eq!(storage(&trace)[slot(0)], json!(slot(expected)), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn explorers_find_what_they_ask_for() {
    let chain = Chain::new();
    let creation = chain.block(2).transaction_hashes[0];
    let created = CREATES.create(0);
    let asked = [
        ("ots_getApiLevel", json!([]), json!(8)),
        ("ots_hasCode", json!([created, "latest"]), json!(true)),
        ("ots_hasCode", json!([created, "0x1"]), json!(false)),
        ("ots_getContractCreator", json!([created]), json!({ "hash": creation, "creator": CREATES })),
        ("ots_getContractCreator", json!([sender()]), Value::Null),
        ("ots_getTransactionBySenderAndNonce", json!([sender(), 2]), json!(creation)),
        ("ots_getTransactionBySenderAndNonce", json!([sender(), 99]), Value::Null),
        (
            "ots_getInternalOperations",
            json!([creation]),
            json!([{ "type": 2, "from": CREATES, "to": created, "value": "0x1" }]),
        ),
        ("ots_getTransactionError", json!([chain.block(3).transaction_hashes[0]]), json!(B256::ZERO)),
        ("ots_getTransactionError", json!([creation]), json!("0x")),
    ];
    for (method, params, expected) in asked {
        assert_eq!(chain.ask(method, params.clone()).await, expected, "{method} {params}");
    }
    let found = chain.ask("ots_searchTransactionsBefore", json!([sender(), 0, 25])).await;
    let nonces: Vec<&Value> = found["txs"].as_array().expect("a page").iter().map(|found| &found["nonce"]).collect();
    assert_eq!(nonces, ["0x4", "0x3", "0x2", "0x1", "0x0"]);
    assert_eq!((&found["firstPage"], &found["lastPage"]), (&json!(true), &json!(true)));
    let details = chain.ask("ots_getBlockDetails", json!([1])).await;
    assert_eq!(details["block"]["transactionCount"], 2);
    let page = chain.ask("ots_getBlockTransactions", json!([1, 0, 1])).await;
    assert_eq!(page["fullblock"]["transactions"].as_array().map(Vec::len), Some(1));
    assert_eq!(page["fullblock"]["transactions"][0]["nonce"], "0x1", "the newest first");
}
