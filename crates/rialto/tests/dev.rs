//! Dev mode from the outside: what it says when it serves, the helpers, and that a data directory keeps everything.

#[path = "support/json_rpc.rs"]
mod json_rpc;
#[path = "support/server.rs"]
mod server;
mod support;
#[path = "support/websocket.rs"]
mod websocket;

use alloy_primitives::{Address, B256, U256, address, hex, keccak256};
use json_rpc::{Client, account, quantity};
use rialto_stf::{SRange, Signature};
use serde_json::{Value, json};
use server::Server;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use support::Folder;
use websocket::WebSocket;

/// The first accounts of the default words.
const ACCOUNTS: [Address; 2] =
    [address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266"), address!("70997970C51812dc3A010C7d01b50e0d17dc79C8")];
const FIRST_KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
/// Nobody's.
const STRANGER: Address = Address::repeat_byte(0xcc);
/// Returns the word in slot 0.
const READ_SLOT: &str = "0x60005460005260206000f3";
const ETHER: &str = "0xde0b6b3a7640000";

fn start(arguments: &[&str]) -> (Server, Client) {
    let server = Server::dev(arguments);
    let client = Client::open(&server.address);
    (server, client)
}

fn send(client: &mut Client, from: Address, more: Value) -> Value {
    let mut transaction = json!({ "from": from, "to": STRANGER });
    for (name, value) in more.as_object().expect("fields") {
        transaction[name] = value.clone();
    }
    client.result("eth_sendTransaction", json!([transaction]))
}

fn block(client: &mut Client, name: &str) -> Value {
    client.result("eth_getBlockByNumber", json!([name, false]))
}

fn time_of(client: &mut Client, name: &str) -> u64 {
    quantity(&block(client, name)["timestamp"]).expect("a quantity")
}

#[test]
fn it_says_accounts_keys_and_where_it_serves() {
    let read_until_ready = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
        command.args(["dev", "--http.port", "0"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut lines = Vec::new();
        for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
            lines.push(line.expect("text"));
            if lines.last().is_some_and(|line| line.starts_with("Listening on 127.0.0.1:") || line.starts_with('{')) {
                break;
            }
        }
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        lines
    };
    let lines = read_until_ready(&["--accounts", "2", "--balance", "7"]);
    let expected = [
        format!("(0) {} (7 ETH)", ACCOUNTS[0]),
        format!("(1) {} (7 ETH)", ACCOUNTS[1]),
        format!("(0) {FIRST_KEY}"),
        "Mnemonic:          test test test test test test test test test test test junk".to_string(),
        "Chain ID:          31337".to_string(),
    ];
    for line in expected {
        assert!(lines.contains(&line), "{line}: {lines:#?}");
    }
    assert!(!lines.iter().any(|line| line.starts_with("(2)")), "{lines:#?}");
    assert_eq!(read_until_ready(&["--silent"]).len(), 1);
    let lines = read_until_ready(&["--json", "--accounts", "1", "--chain-id", "5"]);
    let object: Value = serde_json::from_str(&lines[0]).expect("an object");
    assert_eq!(object["accounts"], json!([{ "address": ACCOUNTS[0], "privateKey": FIRST_KEY }]));
    assert_eq!((&object["ready"], &object["chainId"], &object["http"]), (&json!(true), &json!(5), &object["ws"]));
}

#[test]
fn a_transaction_has_its_receipt_when_its_sending_returns() {
    let (server, mut client) = start(&[]);
    for number in 1..=3_u64 {
        let hash = send(&mut client, ACCOUNTS[0], json!({ "value": "0x1" }));
        let receipt = client.result("eth_getTransactionReceipt", json!([hash]));
        assert_eq!((quantity(&receipt["blockNumber"]), &receipt["status"]), (Some(number), &json!("0x1")), "{receipt}");
    }
    let (key, sender) = account(1);
    client.result("anvil_setBalance", json!([sender, ETHER]));
    let raw = json_rpc::signed(&key, 0, Some(STRANGER), Default::default(), 21_000);
    let hash = client.result("eth_sendRawTransaction", raw);
    assert_eq!(client.result("eth_getTransactionReceipt", json!([hash]))["blockNumber"], json!("0x4"));
    // One with a gap before its nonce waits in the pool, and does not keep its sender waiting.
    let raw = json_rpc::signed(&key, 2, Some(STRANGER), Default::default(), 21_000);
    let waiting = client.result("eth_sendRawTransaction", raw);
    assert_eq!(client.result("eth_getTransactionReceipt", json!([waiting])), Value::Null);
    client.result("eth_sendRawTransaction", json_rpc::signed(&key, 1, Some(STRANGER), Default::default(), 21_000));
    client.result("evm_mine", json!([]));
    assert_eq!(client.result("eth_getTransactionReceipt", json!([waiting]))["status"], json!("0x1"));
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn helpers_change_the_state_at_once_and_for_good() {
    let (server, mut client) = start(&[]);
    let word = format!("0x{:064x}", 42);
    let balance = |address: Address| ("eth_getBalance", json!([address, "latest"]));
    let nonce = |address: Address| ("eth_getTransactionCount", json!([address, "latest"]));
    let code = |address: Address| ("eth_getCode", json!([address, "latest"]));
    let slot = |address: Address| ("eth_getStorageAt", json!([address, "0x0", "latest"]));
    let one = Address::repeat_byte(1);
    let two = Address::repeat_byte(2);
    let rows: Vec<(&str, Value, (&str, Value), Value)> = vec![
        ("anvil_setBalance", json!([one, "0x64"]), balance(one), json!("0x64")),
        ("hardhat_setBalance", json!([one, 200]), balance(one), json!("0xc8")),
        ("anvil_addBalance", json!([one, "0x1"]), balance(one), json!("0xc9")),
        ("evm_setAccountBalance", json!([one, "100"]), balance(one), json!("0x64")),
        ("anvil_setNonce", json!([one, "0x7"]), nonce(one), json!("0x7")),
        ("hardhat_setCode", json!([two, READ_SLOT]), code(two), json!(READ_SLOT)),
        ("hardhat_setStorageAt", json!([two, "0x0", word]), slot(two), json!(word)),
        ("anvil_setStorageAt", json!([two, 0, "0x2b"]), slot(two), json!(format!("0x{:064x}", 43))),
        ("evm_setAccountCode", json!([one, "0x00"]), code(one), json!("0x00")),
        ("anvil_setCode", json!([one, "0x"]), code(one), json!("0x")),
    ];
    for (method, params, (read, read_params), expected) in &rows {
        client.result(method, params.clone());
        assert_eq!(client.result(read, read_params.clone()), *expected, "{method} {params}");
    }
    let call = json!([{ "to": two }, "latest"]);
    assert_eq!(client.result("eth_call", call.clone()), json!(format!("0x{:064x}", 43)));
    assert_eq!(client.quantity("eth_blockNumber", json!([])), 0, "no block was mined for it");
    client.result("evm_mine", json!([]));
    assert_eq!(client.result("eth_call", call), json!(format!("0x{:064x}", 43)), "the block has it");
    assert_eq!(client.result("eth_getBalance", json!([one, "0x0"])), json!("0x0"), "the block before does not");

    let state = client.result("anvil_dumpState", json!([]));
    client.result("anvil_reset", json!([{ "forking": {} }]));
    assert_eq!(client.result("eth_getBalance", json!([one, "latest"])), json!("0x0"));
    client.result("anvil_loadState", json!([state]));
    assert_eq!(client.result("eth_getBalance", json!([one, "latest"])), json!("0x64"));
    assert_eq!(client.result("eth_getCode", json!([two, "latest"])), json!(READ_SLOT));
    let refused = [
        ("anvil_setBalance", json!([one]), -32602),
        ("anvil_setBalance", json!(["0x1", "0x1"]), -32602),
        ("anvil_addBalance", json!([one, U256::MAX.to_string()]), -32602),
        ("anvil_setNonce", json!([one, u64::MAX]), -32602),
        ("anvil_setMinGasPrice", json!([1]), -32000),
        ("anvil_setChainId", json!([1]), -32000),
        ("anvil_mine", json!([1_000_000_000]), -32602),
        ("anvil_rollback", json!([100]), -32602),
        ("hardhat_reset", json!([{ "forking": { "jsonRpcUrl": "http://localhost" } }]), -32602),
        ("eth_sendTransaction", json!([{ "from": STRANGER, "to": one }]), -32000),
        ("eth_sign", json!([STRANGER, "0x00"]), -32000),
    ];
    for (method, params, code) in refused {
        let answer = client.answer(method, &params).expect("an answer");
        assert_eq!(answer["error"]["code"], json!(code), "{method} {params}: {answer}");
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn snapshots_bring_everything_back() {
    let (server, mut client) = start(&[]);
    client.result("anvil_setBalance", json!([STRANGER, "0x1"]));
    let first = client.result("evm_snapshot", json!([]));
    let mined = send(&mut client, ACCOUNTS[0], json!({ "value": "0x1" }));
    let second = client.result("evm_snapshot", json!([]));
    client.result("hardhat_mine", json!(["0x10"]));
    client.result("anvil_setBalance", json!([STRANGER, "0x9"]));
    assert_eq!(client.result("evm_revert", json!([second])), json!(true));
    assert_eq!(client.quantity("eth_blockNumber", json!([])), 1);
    assert_eq!(client.result("eth_getBalance", json!([STRANGER, "latest"])), json!("0x2"));
    assert_eq!(client.result("evm_revert", json!([second])), json!(false), "it is used up");
    assert_eq!(client.result("evm_revert", json!([first])), json!(true));
    assert_eq!(client.quantity("eth_blockNumber", json!([])), 0);
    assert_eq!(client.result("eth_getBalance", json!([STRANGER, "latest"])), json!("0x1"));
    assert_eq!(client.result("eth_getTransactionReceipt", json!([mined])), Value::Null);
    assert_eq!(client.result("txpool_status", json!([])), json!({ "pending": "0x0", "queued": "0x0" }));
    assert_eq!(client.quantity("eth_getTransactionCount", json!([ACCOUNTS[0], "latest"])), 0);
    assert_eq!(client.result("evm_revert", json!(["0x99"])), json!(false));

    // The pool is part of it.
    client.result("evm_setAutomine", json!([false]));
    let waiting = send(&mut client, ACCOUNTS[0], json!({}));
    let third = client.result("evm_snapshot", json!([]));
    client.result("anvil_dropAllTransactions", json!([]));
    client.result("evm_revert", json!([third]));
    client.result("evm_mine", json!([]));
    assert_eq!(client.result("eth_getTransactionReceipt", json!([waiting]))["status"], json!("0x1"));

    client.result("hardhat_mine", json!([3]));
    let before = block(&mut client, "latest")["hash"].take();
    client.result("anvil_reorg", json!([2, []]));
    assert_eq!(client.quantity("eth_blockNumber", json!([])), 4);
    client.result("anvil_rollback", json!([4]));
    assert_eq!(client.quantity("eth_blockNumber", json!([])), 0);
    assert!(before.is_string());
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn time_is_what_is_asked_for() {
    let (server, mut client) = start(&["--timestamp", "1000"]);
    let start = time_of(&mut client, "latest");
    assert_eq!(start, 1_000);
    client.result("evm_setNextBlockTimestamp", json!([5_000]));
    client.result("evm_mine", json!([]));
    assert_eq!(time_of(&mut client, "latest"), 5_000);
    client.result("anvil_setBlockTimestampInterval", json!([12]));
    client.result("anvil_mine", json!([3]));
    assert_eq!(time_of(&mut client, "latest"), 5_036);
    assert_eq!(client.result("anvil_removeBlockTimestampInterval", json!([])), json!(true));
    assert_eq!(client.result("anvil_removeBlockTimestampInterval", json!([])), json!(false));
    client.result("evm_mine", json!([{ "timestamp": 9_000, "blocks": 2 }]));
    assert_eq!(client.quantity("eth_blockNumber", json!([])), 6);
    assert!(time_of(&mut client, "0x5") == 9_000 && time_of(&mut client, "0x6") > 9_000);
    let head = time_of(&mut client, "latest");
    client.result("evm_increaseTime", json!([86_400]));
    // Code that answers with the time: what is asked of the next block sees the clock before there is such a block.
    client.result("anvil_setCode", json!([STRANGER, "0x4260005260206000f3"]));
    let answer = client.result("eth_call", json!([{ "to": STRANGER }, "pending"]));
    let word = answer.as_str().and_then(|text| U256::from_str_radix(text.trim_start_matches("0x"), 16).ok());
    assert!(word.is_some_and(|time| time >= U256::from(head + 86_399)), "{answer}, the head is at {head}");
    client.result("evm_mine", json!([]));
    let moved = time_of(&mut client, "latest") - head;
    assert!((86_399..86_460).contains(&moved), "{moved}");
    let head = time_of(&mut client, "latest");
    client.result("hardhat_mine", json!(["0x2", "0x3e8"]));
    assert!((2_000..2_060).contains(&(time_of(&mut client, "latest") - head)));
    let answer = client.answer("evm_setNextBlockTimestamp", &json!([1])).expect("an answer");
    assert_eq!(answer["error"]["code"], json!(-32602), "{answer}");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn the_next_block_is_as_asked_for() {
    let (server, mut client) = start(&[]);
    client.result("anvil_setNextBlockBaseFeePerGas", json!(["0x7"]));
    client.result("anvil_setCoinbase", json!([STRANGER]));
    client.result("evm_setBlockGasLimit", json!(["0x1000000"]));
    client.result("hardhat_setPrevRandao", json!([format!("0x{:064x}", 5)]));
    client.result("evm_mine", json!([]));
    let mined = block(&mut client, "latest");
    let expected = [
        ("baseFeePerGas", json!("0x7")),
        ("miner", json!(STRANGER)),
        ("gasLimit", json!("0x1000000")),
        ("mixHash", json!(format!("0x{:064x}", 5))),
    ];
    for (field, value) in &expected {
        assert_eq!(mined[field], *value, "{field}: {mined}");
    }
    client.result("evm_mine", json!([]));
    let next = block(&mut client, "latest");
    assert_eq!((&next["miner"], &next["gasLimit"]), (&expected[1].1, &expected[2].1));
    assert_ne!(next["mixHash"], expected[3].1, "that was for one block");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn anybody_can_be_impersonated() {
    let (server, mut client) = start(&[]);
    client.result("anvil_setBalance", json!([STRANGER, ETHER]));
    let refused =
        |client: &mut Client| client.answer("eth_sendTransaction", &json!([{ "from": STRANGER, "to": STRANGER }]));
    assert!(refused(&mut client).expect("an answer").get("error").is_some());
    client.result("hardhat_impersonateAccount", json!([STRANGER]));
    let hash = send(&mut client, STRANGER, json!({ "value": "0x5" }));
    let receipt = client.result("eth_getTransactionReceipt", json!([hash]));
    assert_eq!((&receipt["from"], &receipt["status"]), (&json!(STRANGER), &json!("0x1")));
    let accounts = client.result("eth_accounts", json!([]));
    assert_eq!(accounts.as_array().map(Vec::len), Some(11), "{accounts}");
    client.result("hardhat_stopImpersonatingAccount", json!([STRANGER]));
    assert!(refused(&mut client).expect("an answer").get("error").is_some());
    let unsigned = json!([{ "from": STRANGER, "to": ACCOUNTS[0], "value": "0x1" }]);
    let hash = client.result("eth_sendUnsignedTransaction", unsigned);
    assert_eq!(client.result("eth_getTransactionReceipt", json!([hash]))["from"], json!(STRANGER));
    client.result("anvil_autoImpersonateAccount", json!([true]));
    let other = Address::repeat_byte(0xdd);
    client.result("anvil_setBalance", json!([other, ETHER]));
    // The same transaction from two senders is two transactions.
    let fields = json!({ "nonce": "0x0", "gas": "0x5208", "gasPrice": "0x77359400" });
    client.result("anvil_setNonce", json!([STRANGER, 0]));
    client.result("evm_setAutomine", json!([false]));
    let hashes = [STRANGER, other].map(|sender| send(&mut client, sender, fields.clone()));
    assert_ne!(hashes[0], hashes[1]);
    client.result("evm_mine", json!([]));
    for hash in hashes {
        assert_eq!(client.result("eth_getTransactionReceipt", json!([hash]))["status"], json!("0x1"));
    }
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn the_nodes_keys_sign() {
    let (server, mut client) = start(&[]);
    let message = hex::encode_prefixed("hello");
    let signed = [
        client.result("eth_sign", json!([ACCOUNTS[0], message])),
        client.result("personal_sign", json!([message, ACCOUNTS[0]])),
    ];
    let hash = keccak256(b"\x19Ethereum Signed Message:\n5hello");
    let typed = json!({
        "types": { "A": [{ "name": "x", "type": "uint256" }] },
        "primaryType": "A", "domain": { "name": "d" }, "message": { "x": 1 },
    });
    let as_text = client.result("eth_signTypedData_v4", json!([ACCOUNTS[0], typed.to_string()]));
    assert_eq!(client.result("eth_signTypedData_v4", json!([ACCOUNTS[0], typed])), as_text);
    for signature in signed {
        let bytes = hex::decode(signature.as_str().expect("text")).expect("hex");
        assert_eq!(bytes.len(), 65);
        let signature = Signature {
            y_parity: bytes[64] == 28,
            r: U256::from_be_slice(&bytes[..32]),
            s: U256::from_be_slice(&bytes[32..64]),
        };
        assert_eq!(signature.recover(&hash, SRange::Low).expect("a signature"), ACCOUNTS[0]);
    }
    let raw = client.result("eth_signTransaction", json!([{ "from": ACCOUNTS[0], "to": STRANGER }]));
    let hash: B256 =
        client.result("eth_sendRawTransaction", json!([raw])).as_str().expect("text").parse().expect("a hash");
    assert_eq!(client.result("eth_getTransactionReceipt", json!([hash]))["from"], json!(ACCOUNTS[0]));
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn blocks_come_by_interval() {
    let (server, mut client) = start(&["--block-time", "0.02"]);
    let mut socket = WebSocket::open(&server.address).expect("it serves WebSocket on the same port");
    socket.request("eth_subscribe", json!(["newHeads"])).expect("a subscription");
    let mut heads = Vec::new();
    while heads.len() < 4 {
        let message = socket.receive().expect("a head");
        if message["method"] == json!("eth_subscription") {
            heads.push(message["params"]["result"].clone());
        }
    }
    for pair in heads.windows(2) {
        assert_eq!(pair[1]["parentHash"], pair[0]["hash"]);
        assert!(quantity(&pair[1]["timestamp"]) > quantity(&pair[0]["timestamp"]));
    }
    assert_eq!(client.result("anvil_getAutomine", json!([])), json!(false));
    client.result("evm_setIntervalMining", json!([0]));
    let head = client.quantity("eth_blockNumber", json!([]));
    let hash = send(&mut client, ACCOUNTS[0], json!({}));
    assert_eq!(client.result("anvil_getIntervalMining", json!([])), Value::Null);
    client.result("evm_mine", json!([]));
    let receipt = client.result("eth_getTransactionReceipt", json!([hash]));
    assert_eq!(quantity(&receipt["blockNumber"]), Some(head + 1), "no block comes by itself any more");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn blocks_come_when_asked_in_the_order_asked() {
    for (order, expected) in [("fees", [1, 0]), ("fifo", [0, 1])] {
        let (server, mut client) = start(&["--no-mining", "--order", order]);
        let cheap = send(&mut client, ACCOUNTS[0], json!({ "maxPriorityFeePerGas": "0x1" }));
        let dear = send(&mut client, ACCOUNTS[1], json!({ "maxPriorityFeePerGas": "0x2540be400" }));
        assert_eq!(client.quantity("eth_blockNumber", json!([])), 0, "{order}");
        assert_eq!(client.result("txpool_status", json!([]))["pending"], json!("0x2"), "{order}");
        client.result("evm_mine", json!([]));
        let sent = [cheap, dear];
        assert_eq!(
            block(&mut client, "latest")["transactions"],
            json!(expected.map(|index| sent[index].clone())),
            "{order}"
        );
        assert_eq!(server.stop(), Some(0), "{order}");
    }
}

#[test]
fn what_is_pending_goes_into_as_few_blocks_as_its_gas_allows() {
    // Code of the callee (none, or a loop without end), gas of each transaction, how many there are, and how many blocks of 30
    // million gas take them.
    for (code, gas, count, blocks) in [("0x", "0x5208", 20, 1), ("0x5b600056", "0xf42400", 3, 3)] {
        let (server, mut client) = start(&["--no-mining"]);
        client.result("anvil_setCode", json!([STRANGER, code]));
        let mut socket = WebSocket::open(&server.address).expect("it serves WebSocket");
        socket.request("eth_subscribe", json!(["newHeads"])).expect("a subscription");
        let hashes: Vec<Value> = (0..count).map(|_| send(&mut client, ACCOUNTS[0], json!({ "gas": gas }))).collect();
        client.result("evm_setAutomine", json!([true]));
        for number in 1..=blocks {
            let message = socket.receive().expect("a head");
            assert_eq!(quantity(&message["params"]["result"]["number"]), Some(number), "gas {gas}: {message}");
        }
        for hash in hashes {
            assert!(client.result("eth_getTransactionReceipt", json!([hash])).is_object(), "gas {gas}");
        }
        assert_eq!(client.quantity("eth_blockNumber", json!([])), blocks, "gas {gas}");
        assert_eq!(server.stop(), Some(0));
    }
}

#[test]
fn it_stops_at_the_deadline_whatever_runs() {
    let (server, mut client) = start(&["--shutdown.timeout", "1"]);
    let mut busy = WebSocket::open(&server.address).expect("it serves WebSocket");
    busy.send("hardhat_mine", json!([100_000])).expect("it takes requests");
    while client.quantity("eth_blockNumber", json!([])) == 0 {}
    assert_eq!(server.stop(), Some(0));
    assert!(busy.receive().is_err(), "the request had no answer");
}

#[test]
fn a_data_directory_keeps_everything() {
    let folder = Folder::new("dev-restart");
    let arguments = ["--datadir", &folder.file("data")];
    let (server, mut client) = start(&arguments);
    let hash = send(&mut client, ACCOUNTS[0], json!({ "value": "0x5" }));
    client.result("anvil_setCode", json!([STRANGER, READ_SLOT]));
    client.result("anvil_setStorageAt", json!([STRANGER, "0x0", "0x2a"]));
    let head = block(&mut client, "latest");
    assert_eq!(server.stop(), Some(0));

    let (server, mut client) = start(&arguments);
    assert_eq!(block(&mut client, "latest"), head);
    assert_eq!(client.result("eth_getTransactionReceipt", json!([hash]))["status"], json!("0x1"));
    let read = json!([{ "to": STRANGER }, "latest"]);
    assert_eq!(client.result("eth_call", read.clone()), json!(format!("0x{:064x}", 42)), "changes outside of blocks");
    client.result("evm_mine", json!([]));
    send(&mut client, ACCOUNTS[0], json!({ "to": ACCOUNTS[1] }));
    assert_eq!(server.stop(), Some(0));

    let (server, mut client) = start(&arguments);
    assert_eq!(client.quantity("eth_blockNumber", json!([])), 3);
    assert_eq!(client.result("eth_call", read), json!(format!("0x{:064x}", 42)));
    assert_eq!(server.stop(), Some(0));
    let run = support::rialto(&["dev", "--http.port", "0", "--datadir", &folder.file("data"), "--chain-id", "1"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("expected 31337, that of the chain in the data directory"), "{}", run.stderr);
}
