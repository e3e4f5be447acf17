//! A node that a consensus client drives, killed at any instant, reorganisations among them.
//!
//! The client builds block on block, and every fourth time not on the head but on its parent, so that the head changes branches.
//! It notes what the node gave its word on: blocks that it called valid, and heads that it took. After SIGKILL the database must
//! be whole, the head the last one that was confirmed or the one that was just being set, and every block known, whatever its
//! branch: the client goes on from the last one that was confirmed. A hundred kills take
//! `cargo test -p rialto --test crash_engine -- --ignored`; in a normal run there are ten.

#[path = "support/server.rs"]
mod server;
#[path = "support/mod.rs"]
mod support;

use alloy_primitives::{Address, B256, keccak256};
use rialto_bench::HttpConnection;
use rialto_rpc::JwtSecret;
use serde_json::{Value, json};
use server::Server;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use support::{Folder, rialto};

/// Longest time under load before the kill.
const LOAD_MICROSECONDS: u64 = 200_000;
/// Blocks that one request asks for.
const BLOCKS_A_REQUEST: usize = 512;
/// Withdrawals of a block, each to an account of its own: what a block writes.
const WITHDRAWALS: u64 = 16;

#[test]
fn ten_kills_lose_nothing() {
    kill(10);
}

#[test]
#[ignore = "takes minutes"]
fn hundred_kills_lose_nothing() {
    kill(100);
}

/// What the node was asked, or gave its word on.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    /// It called the block with this hash valid.
    Valid(Value),
    /// It is being asked to make this block the head.
    Asked(Value),
    /// It did.
    Head(Value),
}

fn kill(times: u64) {
    let folder = Folder::new(&format!("crash-engine-{times}"));
    let chain = folder.write("genesis.json", genesis().to_string());
    let datadir = folder.file("data");
    let secret_file = folder.file("jwt.hex");
    let secret = JwtSecret::load_or_create(Path::new(&secret_file)).expect("a new file");
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
        command.args(["node", "--datadir", &datadir, "--chain", &chain, "--authrpc.port", "0"]);
        command.args(["--authrpc.jwtsecret", &secret_file, "--db.cache-size", "32"]);
        Server::start(command, "Engine API on 127.0.0.1:")
    };
    let mut blocks: Vec<Value> = Vec::new();
    for round in 0..times {
        let server = start();
        let (send, receive) = channel();
        let mut client = Client::open(&server.address, &secret);
        let driver = thread::spawn(move || client.drive(round, &send).unwrap_or_default());
        // Spread over the time, in an order of its own.
        let time = Duration::from_micros(round.wrapping_mul(0x9e37_79b9_7f4a_7c15) % LOAD_MICROSECONDS);
        let mut events = receive_for(&receive, time);
        // The value's end is SIGKILL.
        drop(server);
        events.extend(receive);
        driver.join().unwrap_or_else(|_| panic!("round {round}: the driver failed"));
        let verified = rialto(&["db", "verify", "--datadir", &datadir]);
        assert_eq!(verified.code, 0, "round {round}: {}{}", verified.stdout, verified.stderr);

        let valid = events.iter().filter_map(|event| match event {
            Event::Valid(hash) => Some(hash.clone()),
            _ => None,
        });
        blocks.extend(valid);
        let server = start();
        let mut client = Client::open(&server.address, &secret);
        let head = client.ok("eth_getBlockByNumber", &json!(["latest", false]))["hash"].clone();
        assert!(heads_allowed(&events).contains(&head), "round {round}: head {head} after {events:?}");
        for some in blocks.chunks(BLOCKS_A_REQUEST) {
            let bodies = client.ok("engine_getPayloadBodiesByHashV1", &json!([some]));
            let missing = bodies.as_array().expect("a list").iter().position(Value::is_null);
            assert_eq!(missing.map(|index| &some[index]), None, "round {round}: a block that was valid");
        }
        let last = blocks.last().expect("a block was valid before the kill");
        let status = client.ok("engine_forkchoiceUpdatedV2", &forkchoice(last, Value::Null));
        assert_eq!(status["payloadStatus"]["status"], "VALID", "round {round}: the last block as the head");
    }
    println!("{} blocks kept over {times} kills", blocks.len());
}

/// The last head that was confirmed, and one that was asked for since.
fn heads_allowed(events: &[Event]) -> Vec<Value> {
    let confirmed = events.iter().rposition(|event| matches!(event, Event::Head(_))).unwrap_or(0);
    let heads = events[confirmed..].iter().filter_map(|event| match event {
        Event::Head(hash) | Event::Asked(hash) => Some(hash.clone()),
        Event::Valid(_) => None,
    });
    heads.collect()
}

/// What comes within a time that begins with the first head.
fn receive_for(receive: &Receiver<Event>, time: Duration) -> Vec<Event> {
    let mut events = Vec::new();
    while events.iter().filter(|event| matches!(event, Event::Valid(_))).count() == 0 {
        events.push(receive.recv().expect("a block before the connection ends"));
    }
    let end = Instant::now() + time;
    while let Ok(event) = receive.recv_timeout(end.saturating_duration_since(Instant::now())) {
        events.push(event);
    }
    events
}

/// A chain of Shanghai.
fn genesis() -> Value {
    let mut config = json!({ "chainId": 1, "terminalTotalDifficulty": 0, "shanghaiTime": 0 });
    let names =
        ["homestead", "eip150", "eip155", "eip158", "byzantium", "constantinople", "istanbul", "berlin", "london"];
    for name in names {
        config[format!("{name}Block")] = json!(0);
    }
    json!({ "config": config, "gasLimit": "0x1c9c380", "difficulty": "0x0", "alloc": {} })
}

fn forkchoice(head: &Value, attributes: Value) -> Value {
    json!([{ "headBlockHash": head, "safeBlockHash": B256::ZERO, "finalizedBlockHash": B256::ZERO }, attributes])
}

/// A consensus client.
struct Client {
    http: HttpConnection,
}

impl Client {
    fn open(address: &str, secret: &JwtSecret) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let headers = format!("host: {address}\r\nauthorization: Bearer {}\r\n", secret.token(now));
        let http = HttpConnection::open_with(address, &headers);
        Self { http: http.unwrap_or_else(|error| panic!("{address}: {error}")) }
    }

    /// The result of a method; `None` where the connection ended.
    fn call(&mut self, method: &str, params: &Value) -> Option<Value> {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let reply = self.http.post(request.to_string().as_bytes()).ok()?;
        let mut answer: Value = serde_json::from_slice(&reply.body).ok()?;
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        Some(answer["result"].take())
    }

    fn ok(&mut self, method: &str, params: &Value) -> Value {
        self.call(method, params).unwrap_or_else(|| panic!("{method}: expected an answer, the connection ended"))
    }

    /// Builds blocks until the connection ends.
    fn drive(&mut self, round: u64, send: &Sender<Event>) -> Option<()> {
        let head = self.call("eth_getBlockByNumber", &json!(["latest", false]))?;
        // Head, its parent, and the head's time.
        let mut branch = [head["hash"].clone(), head["parentHash"].clone()];
        let mut timestamp = u64::from_str_radix(head["timestamp"].as_str()?.strip_prefix("0x")?, 16).ok()?;
        for step in 1u64.. {
            timestamp += 1;
            let parent = if step.is_multiple_of(4) { branch[1].clone() } else { branch[0].clone() };
            let seed = round << 32 | step;
            send.send(Event::Asked(parent.clone())).ok()?;
            let params = forkchoice(&parent, attributes(timestamp, seed));
            let answer = self.call("engine_forkchoiceUpdatedV2", &params)?;
            assert_eq!(answer["payloadStatus"]["status"], "VALID", "{answer}");
            send.send(Event::Head(parent.clone())).ok()?;
            let payload = self.call("engine_getPayloadV2", &json!([answer["payloadId"]]))?;
            let payload = &payload["executionPayload"];
            let status = self.call("engine_newPayloadV2", &json!([payload]))?;
            assert_eq!(status["status"], "VALID", "{status}");
            let hash = payload["blockHash"].clone();
            send.send(Event::Valid(hash.clone())).ok()?;
            send.send(Event::Asked(hash.clone())).ok()?;
            let answer = self.call("engine_forkchoiceUpdatedV2", &forkchoice(&hash, Value::Null))?;
            assert_eq!(answer["payloadStatus"]["status"], "VALID", "{answer}");
            send.send(Event::Head(hash.clone())).ok()?;
            branch = [hash, parent];
        }
        None
    }
}

/// Attributes of a block that writes to accounts which follow from `seed`.
fn attributes(timestamp: u64, seed: u64) -> Value {
    let withdrawal = |index: u64| {
        let address = Address::from_word(keccak256([seed.to_be_bytes(), (index / 2).to_be_bytes()].concat()));
        json!({ "index": format!("{index:#x}"), "validatorIndex": "0x0", "address": address, "amount": "0x1" })
    };
    json!({
        "timestamp": format!("{timestamp:#x}"),
        "prevRandao": keccak256(seed.to_be_bytes()),
        "suggestedFeeRecipient": Address::ZERO,
        "withdrawals": (0..WITHDRAWALS).map(withdrawal).collect::<Vec<_>>(),
    })
}
