//! What clients are told of a chain that moves: filters and subscriptions, over mined blocks and over a change of branch.

mod support;

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use rialto_node::{Node, NodeConfig, PayloadAttributes, PoolTransaction, TransactionSource};
use rialto_rpc::RpcLimits;
use rialto_stf::{Transaction, TxType};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use support::{Server, WsClient, genesis};

/// The rich account.
const SENDER: &str = "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf";

fn server() -> Server {
    server_with(RpcLimits::default())
}

fn server_with(limits: RpcLimits) -> Server {
    let config = NodeConfig { genesis: Some(genesis()), is_dev: true, ..NodeConfig::default() };
    Server::of_node(Node::open(config).expect("the node opens"), limits)
}

/// A transaction that creates a contract whose init code emits a log with this topic.
fn logging(nonce: u64, topic: u8) -> Transaction {
    // PUSH1 topic, PUSH0, PUSH0, LOG1.
    creating(nonce, vec![0x60, topic, 0x5f, 0x5f, 0xa1])
}

/// A transaction with this init code.
fn creating(nonce: u64, code: Vec<u8>) -> Transaction {
    let mut transaction = Transaction {
        tx_type: TxType::DynamicFee,
        chain_id: Some(1337),
        nonce,
        gas_price: U256::from(100_000_000_000u64),
        max_priority_fee_per_gas: U256::from(1_000_000_000),
        gas_limit: 500_000,
        input: Bytes::from(code),
        ..Transaction::default()
    };
    transaction.sign(&U256::from(1).into()).expect("a key");
    transaction
}

fn topic(value: u8) -> String {
    format!("{:#x}", B256::from(U256::from(value)))
}

/// Mines a block with these transactions, `seconds` after genesis.
fn mine(node: &Arc<Node>, seconds: u64, transactions: &[Transaction]) -> B256 {
    let sender: Address = SENDER.parse().expect("an address");
    let pooled = |transaction: &Transaction| {
        Arc::new(PoolTransaction { hash: transaction.hash(), transaction: transaction.clone(), sender, sidecar: None })
    };
    let attributes = PayloadAttributes { timestamp: seconds, ..PayloadAttributes::default() };
    let source = TransactionSource::Exactly(transactions.iter().map(pooled).collect());
    node.mine(&attributes, &source).expect("a block").block.hash
}

fn head_hash(server: &Server) -> B256 {
    server.node.view().expect("a view").head().hash
}

#[test]
fn filters_tell_of_blocks_once() {
    let server = server();
    let mut client = server.http();
    let genesis = head_hash(&server);
    let id = client.result("eth_newBlockFilter", json!([]));
    assert_eq!(client.result("eth_getFilterChanges", json!([id])), json!([]));
    let (first, second) = (mine(&server.node, 1, &[]), mine(&server.node, 2, &[]));
    assert_eq!(client.result("eth_getFilterChanges", json!([id])), json!([first, second]));
    assert_eq!(client.result("eth_getFilterChanges", json!([id])), json!([]));
    server.node.set_head(genesis).expect("the head moves back");
    let (third, fourth) = (mine(&server.node, 3, &[]), mine(&server.node, 4, &[]));
    assert_eq!(client.result("eth_getFilterChanges", json!([id])), json!([third, fourth]), "the other branch");
    assert_eq!(client.error_code("eth_getFilterLogs", json!([id])), -32000, "it is not about logs");
    assert_eq!(client.result("eth_uninstallFilter", json!([id])), json!(true));
    assert_eq!(client.result("eth_uninstallFilter", json!([id])), json!(false));
    assert_eq!(client.error_code("eth_getFilterChanges", json!([id])), -32000);
}

/// Topic, block number and whether it was removed, of each log.
fn summary(logs: &Value) -> Vec<(String, u64, bool)> {
    let number = |log: &Value| {
        let text = log["blockNumber"].as_str().and_then(|text| text.strip_prefix("0x")).expect("a quantity");
        u64::from_str_radix(text, 16).expect("a quantity")
    };
    let one = |log: &Value| {
        let topic = log["topics"][0].as_str().expect("a topic").to_owned();
        (topic, number(log), log["removed"].as_bool().expect("a flag"))
    };
    logs.as_array().expect("an array").iter().map(one).collect()
}

#[test]
fn filters_tell_of_logs_and_take_them_back() {
    let server = server();
    let mut client = server.http();
    let all = client.result("eth_newFilter", json!([{}]));
    let some = client.result("eth_newFilter", json!([{ "topics": [topic(2)], "fromBlock": "0x0" }]));
    let first = mine(&server.node, 1, &[logging(0, 1), logging(1, 2)]);
    mine(&server.node, 2, &[logging(2, 2)]);
    let expected = [(topic(1), 1, false), (topic(2), 1, false), (topic(2), 2, false)];
    assert_eq!(summary(&client.result("eth_getFilterChanges", json!([all]))), expected);
    assert_eq!(summary(&client.result("eth_getFilterChanges", json!([some]))), expected[1..]);
    assert_eq!(summary(&client.result("eth_getFilterLogs", json!([some]))), expected[1..]);
    let range = json!([{ "fromBlock": "0x0", "toBlock": "latest", "topics": [[topic(1), topic(9)]] }]);
    assert_eq!(summary(&client.result("eth_getLogs", range)), expected[..1]);
    let logs = client.result("eth_getLogs", json!([{ "blockHash": first }]));
    assert_eq!(summary(&logs), expected[..2]);
    assert_eq!((&logs[1]["logIndex"], &logs[1]["transactionIndex"]), (&json!("0x1"), &json!("0x1")));
    server.node.set_head(first).expect("the head moves back");
    mine(&server.node, 3, &[logging(2, 3)]);
    let changes = summary(&client.result("eth_getFilterChanges", json!([all])));
    assert_eq!(changes, [(topic(2), 2, true), (topic(3), 2, false)], "what was removed, then what is new");
    assert_eq!(summary(&client.result("eth_getFilterChanges", json!([some]))), [(topic(2), 2, true)]);
}

#[test]
fn filters_tell_of_pending_transactions() {
    let server = server();
    let mut client = server.http();
    let hashes = client.result("eth_newPendingTransactionFilter", json!([]));
    let whole = client.result("eth_newPendingTransactionFilter", json!([true]));
    let transaction = logging(0, 1);
    let raw = hex::encode_prefixed(transaction.encode());
    assert_eq!(client.result("eth_sendRawTransaction", json!([raw])), json!(transaction.hash()));
    assert_eq!(client.result("eth_getFilterChanges", json!([hashes])), json!([transaction.hash()]));
    assert_eq!(client.result("eth_getFilterChanges", json!([hashes])), json!([]));
    let changes = client.result("eth_getFilterChanges", json!([whole]));
    assert_eq!((&changes[0]["from"], &changes[0]["blockHash"]), (&json!(SENDER), &Value::Null), "{changes}");
    assert_eq!(client.result("eth_getTransactionCount", json!([SENDER, "latest"])), json!("0x0"));
    assert_eq!(client.result("eth_getTransactionCount", json!([SENDER, "pending"])), json!("0x1"));
    let pending = client.result("eth_getTransactionByHash", json!([transaction.hash()]));
    assert_eq!(pending["transactionIndex"], Value::Null);
    let block = client.result("eth_getBlockByNumber", json!(["pending", true]));
    assert_eq!((&block["hash"], &block["number"]), (&Value::Null, &json!("0x1")), "{block}");
    assert_eq!(block["transactions"][0]["hash"], json!(transaction.hash()));
}

/// The next notification of a subscription.
fn notified(client: &mut WsClient, id: &Value) -> Value {
    let message = client.receive().expect("a notification");
    assert_eq!(message["method"], "eth_subscription", "{message}");
    assert_eq!(&message["params"]["subscription"], id, "{message}");
    message["params"]["result"].clone()
}

fn subscribe(client: &mut WsClient, params: Value) -> Value {
    let answer = client.call("eth_subscribe", params, &mut Vec::new());
    let id = answer["result"].clone();
    assert!(id.as_str().is_some_and(|id| id.starts_with("0x") && id.len() > 10), "{answer}");
    id
}

#[test]
fn subscriptions_tell_of_heads() {
    let server = server();
    let mut client = server.ws();
    let id = subscribe(&mut client, json!(["newHeads"]));
    let first = mine(&server.node, 1, &[]);
    let head = notified(&mut client, &id);
    assert_eq!((&head["hash"], &head["number"]), (&json!(first), &json!("0x1")));
    assert!(head.get("transactions").is_none(), "a header: {head}");
    let answer = client.call("eth_unsubscribe", json!([id]), &mut Vec::new());
    assert_eq!(answer["result"], true);
    mine(&server.node, 2, &[]);
    let mut notifications = Vec::new();
    assert_eq!(client.call("eth_blockNumber", json!([]), &mut notifications)["result"], "0x2");
    assert_eq!(notifications, Vec::<Value>::new(), "nothing comes after the end");
    let answer = client.call("eth_subscribe", json!(["newTails"]), &mut Vec::new());
    assert_eq!(answer["error"]["code"], -32602);
}

#[test]
fn a_block_just_after_an_unsubscription_leaves_the_connection_open() {
    const ROUNDS: u64 = 300;
    let server = server();
    let mut client = server.ws();
    for round in 1..=ROUNDS {
        let id = subscribe(&mut client, json!(["newHeads"]));
        mine(&server.node, 2 * round - 1, &[]);
        notified(&mut client, &id);
        let answer = client.call("eth_unsubscribe", json!([id]), &mut Vec::new());
        assert_eq!(answer["result"], true, "round {round}");
        mine(&server.node, 2 * round, &[]);
    }
    let answer = client.call("eth_blockNumber", json!([]), &mut Vec::new());
    assert_eq!(answer["result"], format!("{:#x}", 2 * ROUNDS));
}

#[test]
fn subscriptions_tell_of_logs_and_take_them_back() {
    let server = server();
    let mut client = server.ws();
    let genesis = head_hash(&server);
    let id = subscribe(&mut client, json!(["logs", { "topics": [[topic(1), topic(3)]] }]));
    let expect = |client: &mut WsClient, expected: (String, u64, bool)| {
        let log = notified(client, &id);
        assert_eq!(summary(&json!([log])), [expected]);
    };
    mine(&server.node, 1, &[logging(0, 1), logging(1, 2)]);
    expect(&mut client, (topic(1), 1, false));
    server.node.set_head(genesis).expect("the head moves back");
    expect(&mut client, (topic(1), 1, true));
    mine(&server.node, 2, &[logging(0, 3)]);
    expect(&mut client, (topic(3), 1, false));
}

#[test]
fn subscriptions_tell_of_pending_transactions() {
    let server = server();
    let (mut hashes, mut whole) = (server.ws(), server.ws());
    let hashes_id = subscribe(&mut hashes, json!(["newPendingTransactions"]));
    let whole_id = subscribe(&mut whole, json!(["newPendingTransactions", true]));
    let transaction = logging(0, 1);
    let raw = hex::encode_prefixed(transaction.encode());
    server.http().result("eth_sendRawTransaction", json!([raw]));
    assert_eq!(notified(&mut hashes, &hashes_id), json!(transaction.hash()));
    assert_eq!(notified(&mut whole, &whole_id)["hash"], json!(transaction.hash()));
}

#[test]
fn subscribers_that_do_not_read_are_closed() {
    const BLOCKS: u64 = 20_000;
    let server = server_with(RpcLimits {
        write_stall_timeout: Duration::from_millis(300),
        websocket_buffer_messages: 4,
        ..RpcLimits::default()
    });
    let mut slow = server.ws();
    subscribe(&mut slow, json!(["logs", {}]));
    slow.stream.set_write_timeout(Some(support::PATIENCE)).expect("a timeout");
    // PUSH2 0x4000, PUSH0, LOG0: some ten kilobytes of text a block, none of which is read.
    let log = |nonce| creating(nonce, vec![0x61, 0x40, 0x00, 0x5f, 0xa0]);
    let is_open = |slow: &mut WsClient| slow.send(r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#).is_ok();
    let mut mined = 0;
    while mined < BLOCKS && is_open(&mut slow) {
        mine(&server.node, mined + 1, &[log(mined)]);
        mined += 1;
    }
    assert!(mined < BLOCKS, "the server kept the logs of {mined} blocks for a client that doesn't read");
    assert_eq!(server.http().result("eth_chainId", json!([])), json!("0x539"), "others are served");
}

#[test]
fn receipts_are_waited_for() {
    let server = server();
    let transaction = logging(0, 1);
    let request = json!({
        "jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransactionSync",
        "params": [hex::encode_prefixed(transaction.encode()), 20_000],
    });
    let mut client = server.ws();
    client.send(&request.to_string()).expect("the server reads");
    while server.node.pool().status().0 == 0 {
        std::thread::yield_now();
    }
    mine(&server.node, 1, std::slice::from_ref(&transaction));
    let answer = client.receive().expect("an answer");
    assert_eq!(answer["result"]["transactionHash"], json!(transaction.hash()), "{answer}");
    let mut http = server.http();
    let found = http.result("eth_getTransactionBySenderAndNonce", json!([SENDER, "0x0"]));
    assert_eq!(found["hash"], json!(transaction.hash()));
    assert_eq!(http.result("eth_getTransactionBySenderAndNonce", json!([SENDER, "0x1"])), Value::Null);
}

#[test]
fn transactions_are_filled_in() {
    let server = server();
    let mut client = server.http();
    let filled = client.result("eth_fillTransaction", json!([{ "from": SENDER, "to": SENDER, "value": "0x1" }]));
    let transaction = &filled["tx"];
    assert_eq!((&transaction["gas"], &transaction["nonce"]), (&json!("0x5208"), &json!("0x0")), "{filled}");
    assert_eq!((&transaction["type"], &transaction["chainId"]), (&json!("0x2"), &json!("0x539")), "{filled}");
    let raw = filled["raw"].as_str().and_then(|raw| hex::decode(raw).ok()).expect("bytes");
    let mut transaction = Transaction::decode(&raw).expect("a transaction");
    transaction.sign(&U256::from(1).into()).expect("a key");
    let sent = client.result("eth_sendRawTransaction", json!([hex::encode_prefixed(transaction.encode())]));
    assert_eq!(sent, json!(transaction.hash()), "it only lacked a signature");
    let next =
        client.result("eth_fillTransaction", json!([{ "from": SENDER, "to": SENDER, "gasPrice": "0x77359400" }]));
    assert_eq!((&next["tx"]["nonce"], &next["tx"]["type"]), (&json!("0x1"), &json!("0x0")), "{next}");
    let wrong = json!([{ "from": SENDER, "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2" }]);
    assert_eq!(client.error_code("eth_fillTransaction", wrong), -32000);
    assert_eq!(client.error_code("eth_getBlockAccessList", json!(["latest"])), -32001);
}

#[test]
fn old_states_are_read_and_proven() {
    let server = server();
    let mut client = server.http();
    for number in 0..5 {
        mine(&server.node, number + 1, &[logging(number, 1)]);
    }
    for number in 0..=5 {
        let at = json!(format!("{number:#x}"));
        let count = client.result("eth_getTransactionCount", json!([SENDER, at]));
        assert_eq!(count, at, "one transaction a block");
        let block = client.result("eth_getBlockByNumber", json!([at, false]));
        let proof = client.result("eth_getProof", json!([SENDER, ["0x0"], at]));
        let node = proof["accountProof"][0].as_str().and_then(|node| hex::decode(node).ok()).expect("a node");
        assert_eq!(json!(keccak256(node)), block["stateRoot"], "block {number}");
        assert_eq!((&proof["nonce"], &proof["storageProof"][0]["value"]), (&at, &json!("0x0")), "block {number}");
        let by_hash = json!([SENDER, { "blockHash": block["hash"], "requireCanonical": true }]);
        assert_eq!(client.result("eth_getBalance", by_hash), proof["balance"], "block {number}");
    }
    let orphan = head_hash(&server);
    server.node.set_head(server.node.view().expect("a view").head().block.header.parent_hash).expect("one block back");
    mine(&server.node, 9, &[]);
    let canonical = json!([SENDER, { "blockHash": orphan, "requireCanonical": true }]);
    assert_eq!(client.error_code("eth_getBalance", canonical), -32000, "it is canonical no more");
}
