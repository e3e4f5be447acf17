//! A consensus client for tests: one node, its authenticated port, and what a client says to it.

use alloy_primitives::{Address, B256, Bytes, U256, b256};
use rialto_node::{BlockId, Node, NodeConfig};
use rialto_rpc::{EngineConfig, EngineServer, JwtSecret, PortHandle, RpcContext, RpcLimits};
use rialto_stf::{Block, Header, RlpWriter, Transaction, TxType, address_of_secret_key};
use rialto_store::{History, StoreOptions};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

pub const ZERO_HASH: B256 = B256::ZERO;
/// The key of an account with ether.
pub const SENDER_KEY: B256 = b256!("0101010101010101010101010101010101010101010101010101010101010101");
const CHAIN_ID: u64 = 1_337;
/// Fees in wei per gas.
const MAX_FEE: u64 = 100_000_000_000;
const PRIORITY_FEE: u64 = 1_000_000_000;
/// Longest that an answer may take.
const ANSWER_SECONDS: u64 = 60;

/// A fork with the versions of the methods for it.
pub struct Fork {
    pub name: &'static str,
    /// Timestamp of its beginning.
    pub since: u64,
    pub new_payload: u8,
    pub forkchoice: u8,
    pub get_payload: u8,
}

impl Fork {
    pub const ALL: [Self; 7] = [
        Self { name: "paris", since: 0, new_payload: 1, forkchoice: 1, get_payload: 1 },
        Self { name: "shanghai", since: 100, new_payload: 2, forkchoice: 2, get_payload: 2 },
        Self { name: "cancun", since: 200, new_payload: 3, forkchoice: 3, get_payload: 3 },
        PRAGUE,
        Self { name: "osaka", since: 400, new_payload: 4, forkchoice: 3, get_payload: 5 },
        Self { name: "bpo1", since: 500, new_payload: 4, forkchoice: 3, get_payload: 5 },
        Self { name: "amsterdam", since: 600, new_payload: 5, forkchoice: 4, get_payload: 6 },
    ];

    /// Attributes of a block at this time.
    pub fn attributes(&self, timestamp: u64) -> Value {
        let mut attributes = json!({
            "timestamp": format!("{timestamp:#x}"),
            "prevRandao": B256::repeat_byte(0x77),
            "suggestedFeeRecipient": Address::repeat_byte(0xfe),
        });
        if self.forkchoice >= 2 {
            attributes["withdrawals"] = json!([]);
        }
        if self.forkchoice >= 3 {
            attributes["parentBeaconBlockRoot"] = json!(B256::repeat_byte(0xbe));
        }
        if self.forkchoice >= 4 {
            attributes["slotNumber"] = json!("0x2a");
            attributes["targetGasLimit"] = json!("0x3938700");
        }
        attributes
    }

    pub fn new_payload_method(&self) -> String {
        format!("engine_newPayloadV{}", self.new_payload)
    }

    /// The parameters that hand a built payload over, which carries no blobs.
    pub fn new_payload_params(&self, payload: &Value, answer: &Value) -> Value {
        let mut params = vec![payload.clone()];
        if self.new_payload >= 3 {
            params.extend([json!([]), json!(B256::repeat_byte(0xbe))]);
        }
        if self.new_payload >= 4 {
            params.push(answer["executionRequests"].clone());
        }
        Value::Array(params)
    }
}

pub const PRAGUE: Fork = Fork { name: "prague", since: 300, new_payload: 4, forkchoice: 3, get_payload: 4 };

/// A chain on which every fork since Paris comes in turn, that begins at this time.
pub fn genesis(timestamp: u64) -> Value {
    let sender = address_of_secret_key(&SENDER_KEY).expect("a key");
    let mut config = json!({
        "chainId": CHAIN_ID,
        "terminalTotalDifficulty": 0,
        "depositContractAddress": Address::repeat_byte(0xdd),
        "blobSchedule": {},
    });
    let blocks = [
        "homestead",
        "eip150",
        "eip155",
        "eip158",
        "byzantium",
        "constantinople",
        "petersburg",
        "istanbul",
        "berlin",
        "london",
    ];
    for name in blocks {
        config[format!("{name}Block")] = json!(0);
    }
    for fork in &Fork::ALL[1..] {
        config[format!("{}Time", fork.name)] = json!(fork.since);
        if fork.new_payload >= 3 {
            config["blobSchedule"][fork.name] = json!({"target": 6, "max": 9, "baseFeeUpdateFraction": 5_007_716});
        }
    }
    // The system contracts do nothing here, but there they must be.
    let contract = json!({"balance": "0x0", "nonce": "0x1", "code": "0x00"});
    json!({
        "config": config,
        "timestamp": format!("{timestamp:#x}"),
        "gasLimit": "0x3938700",
        "difficulty": "0x0",
        "alloc": {
            sender.to_string(): {"balance": "0x56bc75e2d63100000"},
            "0x00000961Ef480Eb55e80D19ad83579A64c007002": contract,
            "0x0000BBdDc7CE488642fb579F8B00f3a590007251": contract,
        },
    })
}

/// Sends a little ether, signed and encoded.
pub fn transfer(nonce: u64) -> Bytes {
    let mut transaction = Transaction {
        tx_type: TxType::DynamicFee,
        gas_price: U256::from(MAX_FEE),
        max_priority_fee_per_gas: U256::from(PRIORITY_FEE),
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_limit: 300_000,
        to: Some(Address::repeat_byte(0x20)),
        value: U256::from(1),
        ..Transaction::default()
    };
    transaction.sign(&SENDER_KEY).expect("a key");
    transaction.encode().into()
}

/// A transaction with the blob of zeros, whose commitment and proofs are the point at infinity, and the blob's hash.
pub fn blob_transaction(nonce: u64) -> (Bytes, B256) {
    let mut infinity = vec![0; 48];
    infinity[0] = 0xc0;
    let mut hash: [u8; 32] = Sha256::digest(&infinity).into();
    hash[0] = 1;
    let versioned_hash = B256::new(hash);
    let mut transaction = Transaction {
        tx_type: TxType::Blob,
        gas_price: U256::from(MAX_FEE),
        max_priority_fee_per_gas: U256::from(PRIORITY_FEE),
        max_fee_per_blob_gas: U256::from(PRIORITY_FEE),
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_limit: 300_000,
        to: Some(Address::repeat_byte(0x20)),
        blob_versioned_hashes: vec![versioned_hash],
        ..Transaction::default()
    };
    transaction.sign(&SENDER_KEY).expect("a key");
    let encoded = transaction.encode();
    let mut writer = RlpWriter::new();
    writer.list(|list| {
        list.raw(&encoded[1..]);
        list.u64(1);
        list.list(|blobs| blobs.string(&vec![0; 131_072]));
        list.list(|commitments| commitments.string(&infinity));
        list.list(|proofs| (0..128).for_each(|_| proofs.string(&infinity)));
    });
    ([&encoded[..1], &writer.into_bytes()].concat().into(), versioned_hash)
}

/// The block with another header.
pub fn tampered(block: &Block, change: impl FnOnce(&mut Header)) -> Block {
    let mut block = block.clone();
    change(&mut block.header);
    block
}

/// See the module's comment.
pub struct Consensus {
    pub secret: JwtSecret,
    address: SocketAddr,
    handle: PortHandle,
    context: Arc<RpcContext>,
    runtime: tokio::runtime::Runtime,
    datadir: TempDir,
    requests: Cell<u64>,
}

impl Consensus {
    /// With a node whose chain begins at Paris.
    pub fn new() -> Self {
        Self::at(0)
    }

    /// With a node whose chain begins at this time.
    pub fn at(timestamp: u64) -> Self {
        let document = genesis(timestamp).to_string().into_bytes();
        Self::open(TempDir::new().expect("a temporary folder"), Some(document))
    }

    /// With a node that keeps so many states besides the head's.
    pub fn with_history(timestamp: u64, blocks: u64) -> Self {
        let document = genesis(timestamp).to_string().into_bytes();
        let datadir = TempDir::new().expect("a temporary folder");
        let mut config = node_config(datadir.path(), Some(document));
        config.store.history = History::Blocks(blocks);
        Self::with_config(datadir, config)
    }

    fn open(datadir: TempDir, genesis: Option<Vec<u8>>) -> Self {
        let config = node_config(datadir.path(), genesis);
        Self::with_config(datadir, config)
    }

    fn with_config(datadir: TempDir, config: NodeConfig) -> Self {
        let node = Node::open(config).expect("a node");
        let context = RpcContext::new(node, RpcLimits::default(), "test".into(), None);
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let secret = JwtSecret::new([3; 32]);
        let config =
            EngineConfig { address: ([127, 0, 0, 1], 0).into(), secret: secret.clone(), virtual_hosts: Vec::new() };
        let handle = runtime.block_on(EngineServer::start(config, Arc::clone(&context))).expect("a server");
        let address = handle.address;
        Self { secret, address, handle, context, runtime, datadir, requests: Cell::new(0) }
    }

    /// Ends the node and begins another one with its database.
    pub fn restart(self) -> Self {
        let Self { handle, context, runtime, datadir, .. } = self;
        runtime.block_on(handle.stop());
        drop(runtime);
        let node: Weak<Node> = Arc::downgrade(&context.node);
        drop(context);
        // A payload may still be under construction, which holds the node.
        let end = Instant::now() + Duration::from_secs(ANSWER_SECONDS);
        while node.strong_count() > 0 {
            assert!(Instant::now() < end, "the node is still in use");
            std::thread::yield_now();
        }
        Self::open(datadir, None)
    }

    pub fn node(&self) -> &Arc<Node> {
        &self.context.node
    }

    /// Unix time, seconds.
    pub fn now(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
    }

    /// Posts a request and gives status and body of the answer.
    pub fn post(&self, token: Option<&str>, body: &Value) -> (u16, String) {
        let body = body.to_string();
        let headers =
            format!("Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
        self.exchange("POST", token, &headers, body.as_bytes())
    }

    /// Asks for a WebSocket and gives the status of the answer.
    pub fn upgrade(&self, token: Option<&str>) -> u16 {
        let headers = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        self.exchange("GET", token, headers, b"").0
    }

    fn exchange(&self, method: &str, token: Option<&str>, headers: &str, body: &[u8]) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(Duration::from_secs(ANSWER_SECONDS))).expect("a timeout");
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n")).unwrap_or_default();
        let head = format!("{method} / HTTP/1.1\r\nHost: {}\r\n{token}{headers}\r\n", self.address);
        stream.write_all(head.as_bytes()).expect("writing");
        stream.write_all(body).expect("writing");
        let mut answer = Vec::new();
        if method == "POST" {
            stream.read_to_end(&mut answer).expect("an answer");
        } else {
            let mut bytes = [0; 1_024];
            let length = stream.read(&mut bytes).expect("an answer");
            answer.extend_from_slice(&bytes[..length]);
        }
        let text = String::from_utf8(answer).expect("text");
        let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_string()).unwrap_or_default();
        (status.unwrap_or_else(|| panic!("no status in {text:?}")), body)
    }

    /// The result of a method, or its error.
    pub fn call(&self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.requests.get() + 1;
        self.requests.set(id);
        let body = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let (status, answer) = self.post(Some(&self.secret.token(self.now())), &body);
        assert_eq!(status, 200, "{method}: {answer}");
        let answer: Value =
            serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{method}: {error} in {answer:?}"));
        assert_eq!(answer["id"], json!(id), "{method}");
        match answer.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(answer["result"].clone()),
        }
    }

    /// The result of a method.
    pub fn ok(&self, method: &str, params: Value) -> Value {
        self.call(method, params).unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    /// The hash of the head.
    pub fn head(&self) -> B256 {
        let view = self.node().view().expect("a view");
        view.head().hash
    }

    /// The block with this hash.
    pub fn block(&self, hash: B256) -> Block {
        let view = self.node().view().expect("a view");
        view.block(BlockId::Hash(hash)).expect("readable").expect("known").block.clone()
    }

    /// What becomes of this head.
    pub fn forkchoice(&self, head: &Value) -> Value {
        let state = json!({"headBlockHash": head, "safeBlockHash": ZERO_HASH, "finalizedBlockHash": ZERO_HASH});
        self.ok("engine_forkchoiceUpdatedV3", json!([state, null]))
    }

    /// The status of this head.
    pub fn choose(&self, head: &Value) -> Value {
        self.forkchoice(head)["payloadStatus"]["status"].clone()
    }

    /// Begins to build on a head and gives the payload's id.
    pub fn build(&self, head: &B256, fork: &Fork, timestamp: u64) -> Value {
        let state = json!({"headBlockHash": head, "safeBlockHash": ZERO_HASH, "finalizedBlockHash": ZERO_HASH});
        let method = format!("engine_forkchoiceUpdatedV{}", fork.forkchoice);
        let answer = self.ok(&method, json!([state, fork.attributes(timestamp)]));
        assert_eq!(answer["payloadStatus"]["status"], "VALID", "{answer}");
        let id = answer["payloadId"].clone();
        assert!(id.is_string(), "{answer}");
        id
    }

    /// A payload on a head, and all that came with it.
    pub fn built(&self, head: &B256, fork: &Fork, timestamp: u64) -> (Value, Value) {
        let id = self.build(head, fork, timestamp);
        let answer = self.ok(&format!("engine_getPayloadV{}", fork.get_payload), json!([id]));
        (answer["executionPayload"].clone(), answer)
    }

    /// Blocks of Prague on a block, each of them the head in its turn. `branch` tells branches apart.
    pub fn grow(&self, root: &B256, count: u64, branch: u64) -> Vec<B256> {
        assert_eq!(self.choose(&json!(root)), "VALID");
        let mut hashes: Vec<B256> = Vec::new();
        for _ in 0..count {
            let parent = *hashes.last().unwrap_or(root);
            let timestamp = self.block(parent).header.timestamp + 10 + branch;
            let (payload, answer) = self.built(&parent, &PRAGUE, timestamp);
            let status = self.ok(&PRAGUE.new_payload_method(), PRAGUE.new_payload_params(&payload, &answer));
            assert_eq!(status["status"], "VALID", "{status}");
            assert_eq!(self.choose(&payload["blockHash"]), "VALID");
            hashes.push(self.head());
        }
        hashes
    }
}

fn node_config(datadir: &Path, genesis: Option<Vec<u8>>) -> NodeConfig {
    NodeConfig {
        datadir: Some(datadir.to_path_buf()),
        store: StoreOptions { history: History::Blocks(64), cache_bytes: 8 << 20, is_durable: true },
        genesis,
        ..NodeConfig::default()
    }
}
