//! A node under 64 connections that send, call, read logs and subscribe at the same time, and one that does not read what it
//! has asked for.
//!
//! No request may fail, but for what the documentation calls a limit (-32005). Subscribers must see every head, in order. What
//! the process occupies is sampled all the while and has a bound; figures are printed. A minute of it takes
//! `cargo test -p rialto --test load -- --ignored --nocapture`; in a normal run it is a few seconds.

#[path = "support/json_rpc.rs"]
mod json_rpc;
#[path = "support/server.rs"]
mod server;
#[path = "support/mod.rs"]
mod support;
#[path = "support/websocket.rs"]
mod websocket;

use alloy_primitives::{Address, U256};
use json_rpc::{Client, account, quantity, signed};
use rialto_bench::{Contracts, call_data, word};
use serde_json::{Value, json};
use server::Server;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use support::Folder;
use websocket::WebSocket;

/// Connections of each of the four kinds.
const CONNECTIONS_A_KIND: u64 = 16;
/// The code of an answer that says which limit is reached.
const LIMIT: i64 = -32_005;
/// Most bytes that the process may occupy.
const MAX_RESIDENT_BYTES: u64 = 2 << 30;
/// Most bytes that a reader which does not read may add to that.
const MAX_SLOW_READER_BYTES: u64 = 256 << 20;
/// Subscriptions of the reader that does not read.
const SLOW_SUBSCRIPTIONS: u64 = 1_000;
/// Longest that such a reader may be kept.
const SLOW_READER_TIMEOUT: Duration = Duration::from_secs(90);

#[test]
fn few_seconds_of_load() {
    load(Duration::from_secs(5));
}

#[test]
#[ignore = "takes a minute"]
fn minute_of_load() {
    load(Duration::from_secs(60));
}

/// What the connections count together.
#[derive(Default)]
struct Counts {
    sent: AtomicU64,
    calls: AtomicU64,
    log_queries: AtomicU64,
    heads: AtomicU64,
    logs: AtomicU64,
    limits: AtomicU64,
    is_over: AtomicBool,
}

impl Counts {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

fn load(duration: Duration) {
    let folder = Folder::new(&format!("load-{}", duration.as_secs()));
    let server = Server::dev(&["--datadir", &folder.file("chain")]);
    let token = deploy_token(&server.address);
    let counts = Counts::default();
    let before = server.resident_bytes();
    let mut most = before;
    let begin = Instant::now();
    thread::scope(|scope| {
        let (counts, server) = (&counts, &server);
        for index in 0..CONNECTIONS_A_KIND {
            scope.spawn(move || ending(counts, || send(&server.address, token, index, counts)));
            scope.spawn(move || ending(counts, || call(&server.address, token, counts)));
            scope.spawn(move || ending(counts, || read_logs(&server.address, token, counts)));
            scope.spawn(move || ending(counts, || subscribe(&server.address, token, counts)));
        }
        while begin.elapsed() < duration && !counts.is_over() {
            most = most.max(server.resident_bytes());
            thread::sleep(Duration::from_millis(100));
        }
        counts.is_over.store(true, Ordering::Relaxed);
    });
    let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!(
        "{} s, {} connections: {} transactions, {} calls, {} queries of logs, {} heads and {} logs delivered, {} limits; \
         resident {} MiB before, at most {} MiB",
        duration.as_secs(),
        4 * CONNECTIONS_A_KIND,
        get(&counts.sent),
        get(&counts.calls),
        get(&counts.log_queries),
        get(&counts.heads),
        get(&counts.logs),
        get(&counts.limits),
        before >> 20,
        most >> 20
    );
    for (name, count) in
        [("transactions", &counts.sent), ("calls", &counts.calls), ("heads", &counts.heads), ("logs", &counts.logs)]
    {
        assert!(get(count) > 0, "no {name}; the node's output:\n{}", server.output());
    }
    assert!(most <= MAX_RESIDENT_BYTES, "the node occupied {most} bytes, expected at most {MAX_RESIDENT_BYTES}");
    assert_eq!(server.stop(), Some(0), "exit code after SIGTERM");
}

/// Runs a connection's work; should it panic, the others end.
fn ending(counts: &Counts, work: impl FnOnce()) {
    struct EndOnDrop<'a>(&'a Counts);
    impl Drop for EndOnDrop<'_> {
        fn drop(&mut self) {
            if thread::panicking() {
                self.0.is_over.store(true, Ordering::Relaxed);
            }
        }
    }
    let _end = EndOnDrop(counts);
    work();
}

/// Deploys the token and gives every sender Ether and tokens.
fn deploy_token(address: &str) -> Address {
    let mut client = Client::open(address);
    let (key, owner) = account(0);
    let fund = |client: &mut Client, account: Address| {
        client.result("anvil_setBalance", json!([account, format!("{:#x}", U256::from(10).pow(U256::from(24)))]));
    };
    fund(&mut client, owner);
    let code = Contracts::load().init_code("Token", &[U256::from(10).pow(U256::from(24))]);
    client.result("eth_sendRawTransaction", signed(&key, 0, None, code, 3_000_000));
    let token = owner.create(0);
    for index in 1..=CONNECTIONS_A_KIND {
        let (_, sender) = account(index);
        fund(&mut client, sender);
        let input = call_data("transfer(address,uint256)", &[word(sender), U256::from(10).pow(U256::from(20))]);
        client.result("eth_sendRawTransaction", signed(&key, index, Some(token), input, 100_000));
    }
    token
}

/// Sends transfers of the token until the end; each has to be taken.
fn send(address: &str, token: Address, index: u64, counts: &Counts) {
    let mut client = Client::open(address);
    let (key, _) = account(index + 1);
    let (_, recipient) = account(1_000 + index);
    let input = call_data("transfer(address,uint256)", &[word(recipient), U256::from(1)]);
    let mut nonce = 0;
    while !counts.is_over() {
        if checked(
            &mut client,
            "eth_sendRawTransaction",
            &signed(&key, nonce, Some(token), input.clone(), 100_000),
            counts,
        )
        .is_some()
        {
            nonce += 1;
            counts.sent.fetch_add(1, Ordering::Relaxed);
        }
    }
    let end = Instant::now() + Duration::from_secs(30);
    let (_, sender) = account(index + 1);
    while client.quantity("eth_getTransactionCount", json!([sender, "latest"])) < nonce {
        assert!(Instant::now() < end, "transactions that were taken are not in blocks after 30 seconds");
    }
}

/// Calls and reads until the end.
fn call(address: &str, token: Address, counts: &Counts) {
    let mut client = Client::open(address);
    let (_, holder) = account(1);
    let data = call_data("balanceOf(address)", &[word(holder)]);
    let requests = [
        ("eth_call", json!([{ "to": token, "data": data }, "latest"])),
        ("eth_getBalance", json!([holder, "latest"])),
        ("eth_estimateGas", json!([{ "from": holder, "to": token, "data": data }])),
        ("eth_getBlockByNumber", json!(["latest", true])),
        ("eth_gasPrice", json!([])),
        ("eth_getTransactionCount", json!([holder, "pending"])),
    ];
    for (method, params) in requests.iter().cycle() {
        if counts.is_over() {
            return;
        }
        if checked(&mut client, method, params, counts).is_some() {
            counts.calls.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Reads the logs of the last hundred blocks until the end.
fn read_logs(address: &str, token: Address, counts: &Counts) {
    let mut client = Client::open(address);
    while !counts.is_over() {
        let head = client.quantity("eth_blockNumber", json!([]));
        let from = format!("{:#x}", head.saturating_sub(100));
        if let Some(logs) =
            checked(&mut client, "eth_getLogs", &json!([{ "address": token, "fromBlock": from }]), counts)
        {
            assert!(logs.is_array(), "eth_getLogs returns {logs}");
            counts.log_queries.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Reads heads and logs as they come until the end; no head may be left out.
fn subscribe(address: &str, token: Address, counts: &Counts) {
    let mut socket = WebSocket::open(address).expect("the WebSocket opens");
    let heads = socket.request("eth_subscribe", json!(["newHeads"])).expect("an answer");
    let heads = heads["result"].as_str().unwrap_or_else(|| panic!("subscribing is answered with {heads}")).to_string();
    let logs = socket.request("eth_subscribe", json!(["logs", { "address": token }])).expect("an answer");
    assert!(logs["result"].is_string(), "subscribing is answered with {logs}");
    socket.set_read_timeout(Duration::from_secs(20)).expect("a time can be set");
    let mut last = None;
    while !counts.is_over() {
        let message = socket.receive().expect("heads come as long as blocks are mined");
        let notification = &message["params"];
        if notification["subscription"] != heads.as_str() {
            counts.logs.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let number = quantity(&notification["result"]["number"]).unwrap_or_else(|| panic!("a head is {message}"));
        assert!(last.is_none_or(|last| number == last + 1), "head {number} comes after head {last:?}");
        last = Some(number);
        counts.heads.fetch_add(1, Ordering::Relaxed);
    }
}

/// The result of a request, or `None` where a limit is reached.
fn checked(client: &mut Client, method: &str, params: &Value, counts: &Counts) -> Option<Value> {
    let mut answer = client.answer(method, params).unwrap_or_else(|error| panic!("{method}: {error}"));
    if let Some(error) = answer.get("error") {
        assert_eq!(error["code"], json!(LIMIT), "{method} {params}: {error}");
        counts.limits.fetch_add(1, Ordering::Relaxed);
        return None;
    }
    Some(answer["result"].take())
}

#[test]
fn reader_that_does_not_read_is_dropped() {
    let mut server = Server::dev(&[]);
    let mut client = Client::open(&server.address);
    let mut slow = WebSocket::open(&server.address).expect("the WebSocket opens");
    for _ in 0..SLOW_SUBSCRIPTIONS {
        let answer = slow.request("eth_subscribe", json!(["newHeads"])).expect("an answer");
        assert!(answer["result"].is_string(), "subscribing is answered with {answer}");
    }
    slow.set_write_timeout(Duration::from_millis(100)).expect("a time can be set");
    let before = server.resident_bytes();
    let begin = Instant::now();
    let (mut blocks, mut most) = (0, before);
    // The socket says that it is closed when something is written to it, which needs no reading.
    while slow.send_frame(websocket::PING, b"").is_ok() {
        assert!(begin.elapsed() < SLOW_READER_TIMEOUT, "not dropped after {SLOW_READER_TIMEOUT:?} and {blocks} blocks");
        if blocks < 2_000 {
            client.result("evm_mine", json!([]));
            blocks += 1;
        } else {
            thread::sleep(Duration::from_millis(50));
        }
        most = most.max(server.resident_bytes());
    }
    println!(
        "dropped after {:.1} s and {blocks} blocks with {SLOW_SUBSCRIPTIONS} subscriptions; resident {} MiB before, at most {} MiB",
        begin.elapsed().as_secs_f64(),
        before >> 20,
        most >> 20
    );
    assert!(most - before <= MAX_SLOW_READER_BYTES, "the node grew by {} bytes", most - before);
    assert!(server.is_running(), "the node ended:\n{}", server.output());
    client.quantity("eth_blockNumber", json!([]));
}
