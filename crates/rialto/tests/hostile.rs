//! What no well-meaning client sends, over real sockets: the node refuses it within its limits, and goes on serving.
//!
//! Each row of the tables is sent to one and the same node. What comes back has to be one of the answers that the row allows, in
//! time, and right after it another connection asks for the block number, which has to be answered at once. At the end the
//! process still runs, within a bound of memory, and stops cleanly.

#[path = "support/json_rpc.rs"]
mod json_rpc;
#[path = "support/server.rs"]
mod server;
#[path = "support/mod.rs"]
mod support;
#[path = "support/websocket.rs"]
mod websocket;

use json_rpc::Client;
use rialto_bench::HttpConnection;
use serde_json::{Value, json};
use server::Server;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};
use support::Folder;
use websocket::WebSocket;

/// Longest that any answer may take.
const ANSWER_SECONDS: u64 = 60;
/// Longest that the block number may take afterwards.
const SERVING_SECONDS: u64 = 5;
/// Most bytes that the process may occupy in the end.
const MAX_RESIDENT_BYTES: u64 = 2 << 30;

/// What may come back.
enum Expected {
    /// A JSON-RPC error with one of these codes.
    Code(&'static [i64]),
    /// One of these HTTP statuses; 0 for a connection that is closed without any.
    Status(&'static [u16]),
    /// A result, or a JSON-RPC error with one of these codes: work that is bounded, not refused.
    ResultOr(&'static [i64]),
}
use Expected::{Code, ResultOr, Status};

/// An address whose code loops, with memory that grows or without.
const LOOP: &str = "0x5b600056";
/// Code that expands its memory further and further.
const GROW: &str = "0x5b5952600056";
/// Code that calls itself with all its gas, again and again.
const RECURSE: &str = "0x5b5f5f5f5f5f305af150600056";
/// Code that logs 64 KiB again and again.
const LOG: &str = "0x5b620100005fa0600056";
/// Code that makes contracts again and again.
const CREATE: &str = "0x5b6120005f5ff050600056";
const PLACE: &str = "0x00000000000000000000000000000000000c0de5";

fn post(server: &Server, body: &[u8]) -> (u16, Vec<u8>) {
    let reply = HttpConnection::open(&server.address).and_then(|mut http| http.post(body));
    reply.map_or((0, Vec::new()), |reply| (reply.status, reply.body))
}

/// Sends bytes, reads until the server closes or is silent for a moment, and gives the status that came back.
fn send_raw(server: &Server, bytes: &[u8]) -> (u16, Vec<u8>) {
    let mut socket = TcpStream::connect(&server.address).expect("the server takes connections");
    socket.set_read_timeout(Some(Duration::from_millis(1_500))).expect("a time can be set");
    socket.set_write_timeout(Some(Duration::from_secs(10))).expect("a time can be set");
    let _ = socket.write_all(bytes);
    let mut answer = Vec::new();
    let _ = socket.take(1 << 20).read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    let status = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)).and_then(|code| code.parse().ok());
    let body = text.split_once("\r\n\r\n").map_or(Vec::new(), |(_, body)| body.as_bytes().to_vec());
    (status.unwrap_or(0), body)
}

/// Whether an answer is one that the row allows.
fn judge(expected: &Expected, status: u16, body: &[u8]) -> Result<(), String> {
    let mut answer: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    if let Value::Array(answers) = &mut answer {
        // What begins with a bracket is a batch.
        answer = answers.pop().unwrap_or(Value::Null);
    }
    let code = answer["error"]["code"].as_i64();
    let is_allowed = match expected {
        Code(codes) => code.is_some_and(|code| codes.contains(&code)),
        Status(statuses) => statuses.contains(&status),
        ResultOr(codes) => answer.get("result").is_some() || code.is_some_and(|code| codes.contains(&code)),
    };
    let what = match expected {
        Code(codes) => format!("an error with code {codes:?}"),
        Status(statuses) => format!("status {statuses:?}"),
        ResultOr(codes) => format!("a result, or an error with code {codes:?}"),
    };
    let text = String::from_utf8_lossy(&body[..body.len().min(300)]);
    if is_allowed { Ok(()) } else { Err(format!("expected {what}, found status {status}: {text}")) }
}

/// Sends each row and asks for the block number after it.
fn run_rows<T>(server: &mut Server, rows: Vec<(&str, T, Expected)>, send: impl Fn(&Server, &T) -> (u16, Vec<u8>)) {
    for (name, input, expected) in rows {
        let begin = Instant::now();
        let (status, body) = send(server, &input);
        let seconds = begin.elapsed().as_secs_f64();
        println!(
            "{name}: {seconds:.2} s, status {status}, {} bytes, resident {} MiB",
            body.len(),
            server.resident_bytes() >> 20
        );
        if let Err(reason) = judge(&expected, status, &body) {
            panic!("{name}: {reason}\n{}", server.output());
        }
        assert!(seconds < ANSWER_SECONDS as f64, "{name}: took {seconds} s");
        assert_serves(server, name);
    }
}

/// The node answers at once.
fn assert_serves(server: &mut Server, after: &str) {
    assert!(server.is_running(), "{after}: the node ended:\n{}", server.output());
    let begin = Instant::now();
    let mut client = Client::open(&server.address);
    client.quantity("eth_blockNumber", json!([]));
    assert!(begin.elapsed().as_secs() < SERVING_SECONDS, "{after}: the block number took {:?}", begin.elapsed());
}

fn assert_ends_well(server: Server) {
    let resident = server.resident_bytes();
    println!("resident at the end {} MiB", resident >> 20);
    assert!(resident <= MAX_RESIDENT_BYTES, "the node occupies {resident} bytes");
    assert_eq!(server.stop(), Some(0), "exit code after SIGTERM");
}

const PARSE: i64 = -32_700;
const REQUEST: i64 = -32_600;
const METHOD: i64 = -32_601;
const PARAMS: i64 = -32_602;
const SERVER: i64 = -32_000;
const LIMIT: i64 = -32_005;

#[test]
fn bodies_that_are_no_requests() {
    let nested = |depth: usize| [vec![b'['; depth], vec![b']'; depth]].concat();
    let in_params = |params: &str| format!(r#"{{"jsonrpc":"2.0","id":1,"method":"eth_call","params":{params}}}"#);
    let objects = |depth: usize| "{\"a\":".repeat(depth) + "1" + &"}".repeat(depth);
    let one = r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#;
    let batch = |count: usize| format!("[{}]", vec![one; count].join(","));
    let bad = &[PARSE, REQUEST, PARAMS][..];
    let rows: Vec<(&str, Vec<u8>, Expected)> = vec![
        ("nothing", Vec::new(), Code(&[PARSE, REQUEST])),
        ("a brace", b"{".to_vec(), Code(&[PARSE, REQUEST])),
        ("words", b"please be so kind".to_vec(), Code(&[PARSE, REQUEST])),
        ("zeros", vec![0; 4096], Code(&[PARSE, REQUEST])),
        (
            "not UTF-8",
            [&b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\""[..], &[0xff, 0xfe], b"\"}"].concat(),
            Code(&[PARSE, REQUEST]),
        ),
        ("an empty batch", b"[]".to_vec(), Code(&[PARSE, REQUEST])),
        ("a number", b"17".to_vec(), Code(&[PARSE, REQUEST])),
        ("no method", br#"{"jsonrpc":"2.0","id":1}"#.to_vec(), Code(&[PARSE, REQUEST])),
        ("an old version", br#"{"jsonrpc":"1.0","id":1,"method":"eth_blockNumber"}"#.to_vec(), Code(&[PARSE, REQUEST])),
        (
            "a method of a megabyte",
            in_params("[]").replace("eth_call", &"x".repeat(1 << 20)).into_bytes(),
            Code(&[METHOD]),
        ),
        ("an unknown method", in_params("[]").replace("eth_call", "eth_mineBitcoin").into_bytes(), Code(&[METHOD])),
        ("deep arrays", nested(1_000_000), Code(&[PARSE, REQUEST])),
        ("deep arrays, never closed", vec![b'['; 1_000_000], Code(&[PARSE, REQUEST])),
        ("deep parameters", in_params(&String::from_utf8(nested(100_000)).expect("text")).into_bytes(), Code(bad)),
        ("deep objects", in_params(&format!("[{}]", objects(100_000))).into_bytes(), Code(bad)),
        ("a string of ten megabytes", in_params(&format!("[\"0x{}\"]", "00".repeat(5 << 20))).into_bytes(), Code(bad)),
        (
            "call data of ten megabytes",
            in_params(&format!("[{{\"data\":\"0x{}\"}}]", "00".repeat(5 << 20))).into_bytes(),
            ResultOr(&[SERVER, PARAMS, LIMIT]),
        ),
        ("a batch of 100,000", batch(100_000).into_bytes(), Code(&[REQUEST, LIMIT, -32_010])),
        ("a body above the limit", vec![b' '; 16 << 20], Status(&[413, 0])),
    ];
    let mut server = Server::dev(&[]);
    run_rows(&mut server, rows, |server, body| post(server, body));
    assert_ends_well(server);
}

#[test]
fn parameters_beyond_reason() {
    let far = "0xffffffffffffffff";
    let many = |count: usize, value: &str| vec![json!(value); count];
    let hash = format!("0x{}", "11".repeat(32));
    let bad = &[PARAMS, SERVER, LIMIT][..];
    let rows: Vec<(&str, (&str, Value), Expected)> = vec![
        ("logs of every block", ("eth_getLogs", json!([{ "fromBlock": "0x0", "toBlock": far }])), ResultOr(bad)),
        ("logs backwards", ("eth_getLogs", json!([{ "fromBlock": far, "toBlock": "0x0" }])), Code(bad)),
        ("logs of a block far ahead", ("eth_getLogs", json!([{ "fromBlock": far, "toBlock": far }])), ResultOr(bad)),
        ("logs of 100,000 addresses", ("eth_getLogs", json!([{ "address": many(100_000, PLACE) }])), Code(bad)),
        ("logs of 100,000 topics", ("eth_getLogs", json!([{ "topics": [many(100_000, &hash)] }])), Code(bad)),
        ("logs of 1,000 places of topics", ("eth_getLogs", json!([{ "topics": many(1_000, &hash) }])), Code(bad)),
        (
            "a number that is too long",
            ("eth_getBlockByNumber", json!([format!("0x{}", "f".repeat(1_000)), false])),
            Code(bad),
        ),
        ("a negative number", ("eth_getBlockByNumber", json!([-1, false])), Code(bad)),
        ("a block far ahead", ("eth_getBlockByNumber", json!([far, true])), ResultOr(bad)),
        ("state far ahead", ("eth_getBalance", json!([PLACE, far])), Code(bad)),
        ("fees of every block", ("eth_feeHistory", json!([far, "latest", [50]])), ResultOr(bad)),
        ("fees of 100,000 percentiles", ("eth_feeHistory", json!(["0x1", "latest", vec![1; 100_000]])), Code(bad)),
        ("a proof of 100,000 slots", ("eth_getProof", json!([PLACE, many(100_000, &hash), "latest"])), Code(bad)),
        ("too few parameters", ("eth_getBalance", json!([])), Code(bad)),
        ("a heap of parameters", ("eth_getBalance", json!(many(100_000, PLACE))), Code(bad)),
        ("an object for parameters", ("eth_getBalance", json!({ "address": PLACE })), Code(bad)),
        ("an address that is short", ("eth_getBalance", json!(["0x1234", "latest"])), Code(bad)),
        (
            "a transaction of zeros",
            ("eth_sendRawTransaction", json!([format!("0x{}", "00".repeat(1 << 20))])),
            Code(bad),
        ),
        ("an empty transaction", ("eth_sendRawTransaction", json!(["0x"])), Code(bad)),
        ("a list that says it is huge", ("eth_sendRawTransaction", json!(["0x02ffffffffffffffffff"])), Code(bad)),
        (
            "deeply nested lists",
            ("eth_sendRawTransaction", json!([format!("0x02{}", "c1".repeat(100_000))])),
            Code(bad),
        ),
        (
            "10,000 simulated blocks",
            ("eth_simulateV1", json!([{ "blockStateCalls": vec![json!({}); 10_000] }, "latest"])),
            Code(&[PARAMS, SERVER, LIMIT, -38_026]),
        ),
        (
            "a simulated block far ahead",
            ("eth_simulateV1", json!([{ "blockStateCalls": [{ "blockOverrides": { "number": far } }] }, "latest"])),
            Code(&[PARAMS, SERVER, LIMIT, -38_026]),
        ),
        (
            "an access list of 100,000",
            (
                "eth_call",
                json!([{ "to": PLACE, "accessList": vec![json!({ "address": PLACE, "storageKeys": [hash] }); 50_000] }, "latest"]),
            ),
            ResultOr(bad),
        ),
        ("mining for ever", ("hardhat_mine", json!([far])), Code(&[PARAMS, SERVER, LIMIT])),
        ("time that ends", ("evm_increaseTime", json!([far])), ResultOr(bad)),
    ];
    let mut server = Server::dev(&[]);
    run_rows(&mut server, rows, |server, (method, params)| {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        post(server, body.to_string().as_bytes())
    });
    assert_ends_well(server);
}

#[test]
fn work_without_end() {
    let all_gas = "0xffffffffffffffff";
    let call = |code: &str| json!([{ "to": PLACE, "gas": all_gas }, "latest", { PLACE: { "code": code } }]);
    let estimate = |code: &str| json!([{ "to": PLACE }, "latest", { PLACE: { "code": code } }]);
    let trace = |code: &str, config: Value| {
        let mut config = config;
        config["stateOverrides"] = json!({ PLACE: { "code": code } });
        json!([{ "to": PLACE, "gas": all_gas }, "latest", config])
    };
    let simulated = |code: &str| {
        json!([{ "blockStateCalls": vec![json!({
            "stateOverrides": { PLACE: { "code": code } }, "calls": vec![json!({ "to": PLACE }); 20],
        }); 20] }, "latest"])
    };
    let fails = &[SERVER, LIMIT, PARAMS, -32_002, -32_003, -32_603, -38_013, -38_015, -38_026, 3][..];
    let full = json!({ "enableMemory": true, "enableReturnData": true });
    let rows: Vec<(&str, (&str, Value), Expected)> = vec![
        ("a call that loops", ("eth_call", call(LOOP)), Code(fails)),
        ("a call that takes memory", ("eth_call", call(GROW)), Code(fails)),
        ("a call that calls itself", ("eth_call", call(RECURSE)), ResultOr(fails)),
        ("a call that logs", ("eth_call", call(LOG)), Code(fails)),
        ("a call that creates", ("eth_call", call(CREATE)), ResultOr(fails)),
        ("an estimate of a loop", ("eth_estimateGas", estimate(LOOP)), Code(fails)),
        ("an estimate of recursion", ("eth_estimateGas", estimate(RECURSE)), ResultOr(fails)),
        ("an access list of a loop", ("eth_createAccessList", call(LOOP)), ResultOr(fails)),
        ("400 loops in simulated blocks", ("eth_simulateV1", simulated(LOOP)), ResultOr(fails)),
        ("simulated logs without end", ("eth_simulateV1", simulated(LOG)), ResultOr(fails)),
        ("a trace of a loop", ("debug_traceCall", trace(LOOP, json!({}))), ResultOr(fails)),
        ("a trace of a loop with everything", ("debug_traceCall", trace(LOOP, full.clone())), ResultOr(fails)),
        ("a trace of memory that grows", ("debug_traceCall", trace(GROW, full)), ResultOr(fails)),
        (
            "calls that call themselves",
            ("debug_traceCall", trace(RECURSE, json!({ "tracer": "callTracer" }))),
            ResultOr(fails),
        ),
        (
            "logs in a call trace",
            ("debug_traceCall", trace(LOG, json!({ "tracer": "callTracer", "tracerConfig": { "withLog": true } }))),
            ResultOr(fails),
        ),
        (
            "a tracer that does not exist",
            ("debug_traceCall", trace(LOOP, json!({ "tracer": "while(true){}" }))),
            Code(fails),
        ),
    ];
    let mut server = Server::dev(&["--rpc.evmtimeout", "5"]);
    run_rows(&mut server, rows, |server, (method, params)| {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        post(server, body.to_string().as_bytes())
    });
    assert_ends_well(server);
}

#[test]
fn http_that_is_none() {
    let request = |head: &str| format!("{head}\r\n\r\n").into_bytes();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_blockNumber","params":[]}"#;
    let with = |host: &str, kind: &str| {
        let length = body.len();
        let head = format!("POST / HTTP/1.1\r\nhost: {host}\r\ncontent-type: {kind}\r\ncontent-length: {length}");
        format!("{head}\r\n\r\n{body}").into_bytes()
    };
    let with_host = |host: &str| with(host, "application/json");
    let starting = |rest: &str| format!("POST / HTTP/1.1\r\nhost: localhost\r\n{rest}\r\n\r\n").into_bytes();
    let refused = &[0, 400, 405, 408, 411, 413, 414, 415, 431, 501, 505][..];
    let rows: Vec<(&str, Vec<u8>, Expected)> = vec![
        ("a name for the host that is allowed", with_host("localhost"), Status(&[200])),
        ("another name for the host", with_host("rebound.example"), Status(&[403])),
        ("a name that begins like an address", with_host("127.0.0.1.rebound.example"), Status(&[403])),
        ("bytes", (0..=255).collect(), Status(refused)),
        ("a TLS greeting", [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[7; 500]].concat(), Status(refused)),
        ("HTTP/2 without being asked", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), Status(refused)),
        ("GET", request("GET / HTTP/1.1\r\nhost: localhost"), Status(&[200])),
        ("DELETE", request("DELETE / HTTP/1.1\r\nhost: localhost"), Status(refused)),
        (
            "a path of a megabyte",
            request(&format!("POST /{} HTTP/1.1\r\nhost: localhost", "a".repeat(1 << 20))),
            Status(refused),
        ),
        ("a header of a megabyte", starting(&format!("x: {}", "a".repeat(1 << 20))), Status(refused)),
        ("ten thousand headers", starting(&"x: y\r\n".repeat(10_000)), Status(refused)),
        ("a length that is none", starting("content-length: many"), Status(refused)),
        (
            "a length beyond the limit",
            starting("content-type: application/json\r\ncontent-length: 18446744073709551615"),
            Status(refused),
        ),
        ("two lengths", starting("content-length: 1\r\ncontent-length: 2"), Status(refused)),
        (
            "a chunk beyond the limit",
            starting("content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n{"),
            Status(refused),
        ),
        ("another type of content", with("localhost", "text/html"), Status(refused)),
        ("half a request", starting("content-length: 100\r\n\r\n{\"json"), Status(refused)),
    ];
    let mut server = Server::dev(&[]);
    run_rows(&mut server, rows, |server, bytes| send_raw(server, bytes));
    assert_ends_well(server);
}

#[test]
fn websockets_that_misbehave() {
    let mut server = Server::dev(&[]);
    let open = |server: &Server| WebSocket::open(&server.address).expect("the WebSocket opens");
    // Each is sent on a connection of its own, which the server may close or answer.
    let frames: [(&str, Vec<u8>); 7] = [
        ("a frame without mask", [&[0x81, 5][..], b"hello"].concat()),
        ("a frame of 2^63 bytes", [&[0x81, 0xff][..], &(1_u64 << 63).to_be_bytes(), &[0; 4]].concat()),
        (
            "a frame above the limit",
            [&[0x81, 0xff][..], &(64_u64 << 20).to_be_bytes(), &[0; 4], &vec![b' '; 1 << 20]].concat(),
        ),
        ("a kind that does not exist", vec![0x8b, 0x80, 0, 0, 0, 0]),
        ("a continuation of nothing", vec![0x80, 0x80, 0, 0, 0, 0]),
        ("text that is no text", vec![0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe]),
        ("a long ping", [&[0x89, 0xfe, 1, 0][..], &[0; 260]].concat()),
    ];
    for (name, bytes) in frames {
        let mut socket = open(&server);
        socket.set_read_timeout(Duration::from_secs(2)).expect("a time can be set");
        let _ = socket.send_bytes(&bytes);
        let _ = socket.receive_frame();
        assert_serves(&mut server, name);
    }
    let mut socket = open(&server);
    let mut refused = None;
    for count in 0..2_000 {
        let answer = socket.request("eth_subscribe", json!(["newHeads"])).expect("an answer");
        if answer.get("error").is_some() {
            refused = Some(count);
            break;
        }
    }
    assert_eq!(refused, Some(1_024), "subscriptions until one is refused");
    let answer = socket.request("eth_subscribe", json!(["everything"])).expect("an answer");
    assert!(answer.get("error").is_some(), "a subscription to what there is not: {answer}");
    drop(socket);
    assert_serves(&mut server, "subscriptions");
    // More connections than are let in: those above the limit are refused, and there is room again when they are gone.
    let sockets: Vec<_> = (0..600).filter_map(|_| TcpStream::connect(&server.address).ok()).collect();
    drop(sockets);
    let end = Instant::now() + Duration::from_secs(SERVING_SECONDS);
    let answers = |client: &mut Client| client.answer("eth_blockNumber", &json!([])).is_ok();
    while !Client::try_open(&server.address).is_ok_and(|mut client| answers(&mut client)) {
        assert!(Instant::now() < end, "no connection is let in after 600 were closed");
    }
    // Requests that begin and never end do not keep others out.
    let slow: Vec<_> = (0..200)
        .map(|_| {
            let mut socket = TcpStream::connect(&server.address).expect("the server takes connections");
            let _ = socket.write_all(b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-le");
            socket
        })
        .collect();
    assert_serves(&mut server, "200 requests that never end");
    drop(slow);
    assert_ends_well(server);
}

#[test]
fn engine_port_without_the_secret() {
    let folder = Folder::new("hostile-engine");
    let secret = folder.write("secret", "11".repeat(32));
    let genesis = folder.write("genesis.json", genesis().to_string());
    let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
    command.args(["node", "--datadir", &folder.file("data"), "--chain", &genesis, "--authrpc.jwtsecret", &secret]);
    command.args(["--http", "--http.port", "0", "--authrpc.port", "0"]);
    let mut server = Server::start(command, "Listening on 127.0.0.1:");
    let output = server.output();
    let (_, rest) = output.split_once("Engine API on 127.0.0.1:").unwrap_or_else(|| panic!("no engine port: {output}"));
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let engine = format!("127.0.0.1:{port}");
    // The claims are {"iat":0}.
    let claims = "eyJpYXQiOjB9";
    let tokens = [
        ("no token", String::new()),
        ("an empty token", "authorization: Bearer \r\n".to_string()),
        ("no algorithm", format!("authorization: Bearer eyJhbGciOiJub25lIn0.{claims}.\r\n")),
        (
            "a token without a right signature",
            format!(
                "authorization: Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.{claims}.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\r\n"
            ),
        ),
        ("two dots", "authorization: Bearer ..\r\n".to_string()),
        ("a token of eight kilobytes", format!("authorization: Bearer {}\r\n", "a".repeat(8 << 10))),
        ("another scheme", "authorization: Basic cm9vdDpyb290\r\n".to_string()),
        ("the secret itself", format!("authorization: Bearer {}\r\n", "11".repeat(32))),
    ];
    let body = br#"{"jsonrpc":"2.0","id":1,"method":"engine_exchangeCapabilities","params":[[]]}"#;
    for (name, header) in tokens {
        let reply = HttpConnection::open_with(&engine, &format!("host: localhost\r\n{header}"))
            .and_then(|mut http| http.post(body))
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(reply.status, 401, "{name}: {}", String::from_utf8_lossy(&reply.body));
        assert_serves(&mut server, name);
    }
    assert!(WebSocket::open(&engine).is_err(), "a WebSocket without a token");
    let answer = Client::open(&server.address).answer("engine_exchangeCapabilities", &json!([[]])).expect("an answer");
    assert_eq!(answer["error"]["code"], json!(METHOD), "the Engine API on the public port: {answer}");
    let answer = Client::open(&server.address).answer("debug_traceCall", &json!([{}])).expect("an answer");
    assert_eq!(answer["error"]["code"], json!(METHOD), "a namespace that is not served: {answer}");
    assert_ends_well(server);
}

/// A chain on which all forks hold from the start.
fn genesis() -> Value {
    let blob = |max: u64| json!({ "target": 6, "max": max, "baseFeeUpdateFraction": 5_007_716 });
    json!({
        "config": {
            "chainId": 31_337, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0, "byzantiumBlock": 0,
            "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0,
            "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "osakaTime": 0,
            "depositContractAddress": "0x00000000219ab540356cbb839cbe05303d7705fa",
            "blobSchedule": { "cancun": blob(9), "prague": blob(9), "osaka": blob(9) },
        },
        "alloc": {}, "difficulty": "0x0", "gasLimit": "0x1c9c380", "timestamp": "0x0", "extraData": "0x",
        "baseFeePerGas": "0x3b9aca00",
    })
}
