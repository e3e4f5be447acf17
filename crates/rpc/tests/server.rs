//! The servers under hostile and clumsy clients, over real sockets: whatever comes, there is an answer or a closed connection, and
//! the next client is served.

mod support;

use alloy_primitives::{Address, Bytes, U256, hex};
use rialto_node::{Node, NodeConfig};
use rialto_rpc::{PortConfig, RpcConfig, RpcContext, RpcLimits, RpcServer, StartError, TransportConfig};
use rialto_stf::{Transaction, TxType};
use serde_json::{Value, json};
use std::time::Duration;
use support::{HttpClient, PATIENCE, Server, WsClient, genesis};

/// Short limits, so that what runs into them does so at once.
fn limits() -> RpcLimits {
    RpcLimits {
        max_request_bytes: 1 << 20,
        max_response_bytes: 1 << 20,
        max_batch_requests: 100,
        ..RpcLimits::default()
    }
}

fn assert_serves(server: &Server) {
    assert_eq!(server.http().result("eth_chainId", json!([])), json!("0x539"));
}

/// A signed transfer of the rich account.
fn transfer(nonce: u64) -> Bytes {
    let mut transaction = Transaction {
        tx_type: TxType::DynamicFee,
        chain_id: Some(1337),
        nonce,
        gas_price: U256::from(10_000_000_000u64),
        max_priority_fee_per_gas: U256::from(1),
        gas_limit: 21_000,
        to: Some(Address::repeat_byte(1)),
        value: U256::from(1),
        ..Transaction::default()
    };
    transaction.sign(&U256::from(1).into()).expect("a key");
    transaction.encode().into()
}

#[test]
fn malformed_requests_are_answered() {
    let server = Server::of_genesis(limits());
    let deep = "[".repeat(100_000);
    let deep_params = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"eth_getLogs","params":{}{}}}"#,
        "[".repeat(9_999),
        "]".repeat(9_999)
    );
    let call = |text: &str| format!(r#"{{"jsonrpc":"2.0","id":1,{text}}}"#);
    let rows = [
        ("nothing", String::new(), 400, -32700),
        ("no JSON", "{".into(), 200, -32700),
        ("garbage", "\u{0}\u{1}".into(), 400, -32700),
        ("deep arrays", deep, 200, -32700),
        ("deep parameters", deep_params, 200, -32602),
        ("no method", call(r#""params":[]"#), 200, -32600),
        ("unknown method", call(r#""method":"eth_mineBitcoin""#), 200, -32601),
        ("method of a namespace that isn't there", call(r#""method":"engine_newPayloadV4""#), 200, -32601),
        ("subscription over HTTP", call(r#""method":"eth_subscribe","params":["newHeads"]"#), 200, -32601),
        ("parameters as an object", call(r#""method":"eth_getBalance","params":{"a":1}"#), 200, -32602),
        ("parameters as a string", call(r#""method":"eth_getBalance","params":"x""#), 200, -32602),
        ("missing parameter", call(r#""method":"eth_getBalance","params":[]"#), 200, -32602),
        ("short address", call(r#""method":"eth_getBalance","params":["0x12"]"#), 200, -32602),
        ("empty batch", "[]".into(), 200, -32600),
        ("too large a batch", format!("[{}]", vec!["1"; 101].join(",")), 200, -32010),
    ];
    for (name, body, status, code) in rows {
        let response = server.http().post(&body);
        let answer = response.json();
        assert_eq!((response.status, answer["error"]["code"].as_i64()), (status, Some(code)), "{name}: {answer}");
    }
    assert_serves(&server);
}

#[test]
fn batches_are_answered_in_order() {
    let server = Server::of_genesis(limits());
    let batch = json!([
        { "jsonrpc": "2.0", "id": 1, "method": "eth_chainId" },
        { "jsonrpc": "2.0", "id": "two", "method": "eth_nothing" },
        { "jsonrpc": "2.0", "method": "eth_chainId" },
        7,
        { "jsonrpc": "2.0", "id": 5, "method": "net_version", "params": [] },
    ]);
    let answers = server.http().post(&batch.to_string()).json();
    let ids: Vec<&Value> = answers.as_array().expect("an array").iter().map(|answer| &answer["id"]).collect();
    assert_eq!(ids, [&json!(1), &json!("two"), &Value::Null, &json!(5)], "a notification has no answer");
    assert_eq!(answers[0]["result"], "0x539");
    assert_eq!(answers[1]["error"]["code"], -32601);
    assert_eq!(answers[3]["result"], "1337");
}

#[test]
fn sizes_are_bounded() {
    let server = Server::of_genesis(RpcLimits { max_request_bytes: 4_000, max_response_bytes: 4_000, ..limits() });
    let large =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "web3_sha3", "params": [format!("0x{}", "00".repeat(3_000))] });
    assert_eq!(server.http().post(&large.to_string()).status, 413, "a request of more bytes than allowed");
    let block = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["0x0", true] });
    assert!(server.http().post(&block.to_string()).json().get("result").is_some(), "one block is short enough");
    let answer = server.http().post(&json!(vec![block; 8]).to_string()).json();
    assert!(answer["error"]["code"].is_i64(), "eight blocks are too long together: {answer}");
    assert_serves(&server);
}

#[test]
fn hosts_and_origins_are_checked() {
    let change = |config: &mut PortConfig| config.cors_domains = vec!["https://wallet.example".into()];
    let node = Node::open(NodeConfig { genesis: Some(genesis()), ..NodeConfig::default() }).expect("the node opens");
    let server = Server::with_config(node, limits(), change);
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
    // Method, headers, status, whether the origin is told yes.
    let json_type = "Content-Type: application/json\r\n";
    let rows = [
        ("POST", format!("{json_type}Host: localhost:8545\r\n"), 200, false),
        ("POST", format!("{json_type}Host: 127.0.0.1\r\n"), 200, false),
        ("POST", format!("{json_type}Host: evil.example\r\n"), 403, false),
        ("POST", format!("{json_type}Host: localhost.evil.example:8545\r\n"), 403, false),
        ("POST", format!("{json_type}Origin: https://wallet.example\r\n"), 200, true),
        ("POST", format!("{json_type}Origin: https://evil.example\r\n"), 200, false),
        ("OPTIONS", "Origin: https://wallet.example\r\nAccess-Control-Request-Method: POST\r\n".into(), 204, true),
        ("OPTIONS", "Origin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n".into(), 403, false),
        ("POST", "Content-Type: text/plain\r\n".into(), 415, false),
        ("PUT", json_type.into(), 405, false),
        ("GET", String::new(), 200, false),
    ];
    for (method, headers, status, is_allowed) in rows {
        let body: &[u8] = if method == "POST" { body } else { &[] };
        let response = server.http().send(method, &headers, body);
        let found = (response.status, response.head.contains("access-control-allow-origin: https://wallet.example"));
        assert_eq!(found, (status, is_allowed), "{method} {headers:?}: {response:?}");
    }
    assert_eq!(WsClient::connect(server.address, "Origin: https://evil.example\r\n").err(), Some(403));
    assert!(WsClient::connect(server.address, "Origin: https://wallet.example\r\n").is_ok());
}

#[test]
fn namespaces_are_per_transport() {
    let node = Node::open(NodeConfig { genesis: Some(genesis()), ..NodeConfig::default() }).expect("the node opens");
    let change = |config: &mut PortConfig| {
        config.http = Some(vec!["eth".into()]);
        config.ws = Some(vec!["eth".into(), "txpool".into()]);
    };
    let server = Server::with_config(node, limits(), change);
    let mut http = server.http();
    assert_eq!(http.error_code("txpool_status", json!([])), -32601);
    assert_eq!(http.result("rpc_modules", json!([])), json!({ "eth": "1.0" }));
    let answer = server.ws().call("txpool_status", json!([]), &mut Vec::new());
    assert_eq!(answer["result"], json!({ "pending": "0x0", "queued": "0x0" }));
}

#[test]
fn unknown_namespaces_and_taken_addresses_are_refused() {
    let server = Server::of_genesis(limits());
    let context = RpcContext::new(server.node.clone(), limits(), "rialto/test".into(), None);
    let start = |address, namespace: &str| {
        let http = TransportConfig { address, namespaces: vec![namespace.into()] };
        let config = RpcConfig { http: Some(http), ..RpcConfig::default() };
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(RpcServer::start(config, context.clone())).err()
    };
    let any = "127.0.0.1:0".parse().expect("an address");
    assert!(matches!(start(any, "ethh"), Some(StartError::UnknownNamespace { .. })));
    assert!(matches!(start(server.address, "eth"), Some(StartError::Bind { .. })));
    assert!(start(any, "eth").is_none());
}

#[test]
fn connections_are_counted() {
    let server = Server::of_genesis(RpcLimits { max_connections: 2, ..limits() });
    let (mut first, mut second) = (server.http(), server.http());
    assert_eq!(first.result("eth_chainId", json!([])), json!("0x539"));
    assert_eq!(second.result("eth_chainId", json!([])), json!("0x539"));
    let mut third = HttpClient::connect(server.address);
    let response = third.send("GET", "", b"");
    assert_eq!(response.status, 503, "{response:?}");
    assert_eq!(first.result("eth_chainId", json!([])), json!("0x539"), "the others go on");
}

#[test]
fn silent_connections_are_closed() {
    let server = Server::of_genesis(RpcLimits { idle_timeout: Duration::from_millis(100), ..limits() });
    let mut silent = server.ws();
    assert_eq!(silent.receive(), None, "closed without a word");
    assert_serves(&server);
}

#[test]
fn slow_readers_are_closed() {
    let server = Server::of_genesis(RpcLimits {
        write_stall_timeout: Duration::from_millis(500),
        websocket_buffer_messages: 4,
        ..limits()
    });
    let mut slow = server.ws();
    slow.stream.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    let block = json!({ "jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber", "params": ["0x0", true] });
    let batch = json!(vec![block; 100]).to_string();
    // Some hundred kilobytes of answers to each, none of which is read.
    let sent = (0..100_000).take_while(|_| slow.send(&batch).is_ok()).count();
    assert!(sent < 100_000, "the server kept {sent} answers for a client that doesn't read");
    assert_serves(&server);
}

#[test]
fn requests_in_flight_are_bounded() {
    let server = Server::of_genesis(RpcLimits { max_requests_in_flight: 2, ..limits() });
    let mut client = server.ws();
    // Nobody mines, so that these wait until they are given up.
    for (id, nonce) in [(1, 0), (2, 1)] {
        let params = json!([hex::encode_prefixed(transfer(nonce)), 2_000]);
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": "eth_sendRawTransactionSync", "params": params });
        client.send(&request.to_string()).expect("the server reads");
    }
    while server.node.pool().status().0 < 2 {
        std::thread::yield_now();
    }
    client.send(r#"{"jsonrpc":"2.0","id":3,"method":"eth_chainId"}"#).expect("the server reads");
    let answer = client.receive().expect("an answer");
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(3), &json!(-32005)), "{answer}");
    for _ in 0..2 {
        let answer = client.receive().expect("an answer");
        assert_eq!(answer["error"]["code"], 4, "not mined in time: {answer}");
        assert!(answer["error"]["data"].as_str().is_some_and(|hash| hash.len() == 66), "{answer}");
    }
    client.send(r#"{"jsonrpc":"2.0","id":4,"method":"eth_chainId"}"#).expect("the server reads");
    assert_eq!(client.receive().expect("an answer")["result"], "0x539");
}

#[test]
fn long_calls_are_given_up() {
    let limits = RpcLimits { call_timeout: Duration::from_millis(10), call_gas_cap: 2_000_000_000, ..limits() };
    let server = Server::of_genesis(limits);
    let looping = json!([{ "input": "0x5b600056", "gas": "0x77359400" }, "latest"]);
    let code = server.http().error_code("eth_call", looping);
    assert_eq!(code, -32002, "the answer does not wait for the gas to be used up");
    assert_serves(&server);
}

#[test]
fn absurd_ranges_and_lists_are_refused() {
    let server = Server::of_genesis(limits());
    let mut client = server.http();
    let word = format!("0x{}", "00".repeat(32));
    let rows = [
        ("eth_getLogs", json!([{ "fromBlock": "0x0", "toBlock": "0xffffffffffffffff" }]), -32602),
        ("eth_getLogs", json!([{ "fromBlock": "0x5", "toBlock": "0x1" }]), -32602),
        ("eth_getLogs", json!([{ "fromBlock": "0x10000000000000000" }]), -32602),
        ("eth_getLogs", json!([{ "topics": [vec![&word; 1_001]] }]), -32602),
        ("eth_getLogs", json!([{ "blockHash": word }]), -32000),
        ("eth_getProof", json!([format!("0x{}", "11".repeat(20)), vec![&word; 1_025]]), -32602),
        ("eth_getStorageAt", json!([format!("0x{}", "11".repeat(20)), format!("{word}00")]), -32602),
        ("eth_feeHistory", json!(["0x1", "0xffffffff", []]), -32000),
        ("eth_feeHistory", json!(["0x1", "latest", vec![50; 101]]), -32000),
        ("eth_getBalance", json!([format!("0x{}", "11".repeat(20)), "0xffffffffffffffff"]), -32000),
        ("eth_getBlockByNumber", json!(["0x01", false]), -32602),
        ("eth_getBlockByNumber", json!(["soon", false]), -32602),
        ("eth_sendRawTransaction", json!(["0x02"]), -32000),
        ("eth_getFilterChanges", json!(["0x1"]), -32000),
    ];
    for (method, params, code) in rows {
        assert_eq!(client.error_code(method, params.clone()), code, "{method} {params:.200}");
    }
    assert_serves(&server);
}

#[test]
fn servers_stop() {
    let mut server = Server::of_genesis(limits());
    let mut client = server.ws();
    assert_eq!(client.call("eth_chainId", json!([]), &mut Vec::new())["result"], "0x539");
    server.stop();
    assert_eq!(client.receive(), None, "the connection is closed");
    assert!(std::net::TcpStream::connect(server.address).is_err(), "nobody listens");
}
