//! Servers and clients for tests: a node in memory or on disk, HTTP and WebSocket spoken by hand over real sockets.

#![allow(dead_code)]

use rialto_node::{Node, NodeConfig};
use rialto_rpc::{PortConfig, PortHandle, RpcContext, RpcLimits, serve_port};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How long a test waits for what has to come.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A genesis document of a chain on which all forks to Cancun hold from the beginning, with one rich account.
pub fn genesis() -> Vec<u8> {
    let rich = json!({ "balance": "0x56bc75e2d63100000" });
    json!({
        "config": {
            "chainId": 1337, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
            "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0,
            "londonBlock": 0, "mergeNetsplitBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 0,
            "blobSchedule": { "cancun": { "target": 3, "max": 6, "baseFeeUpdateFraction": 3338477 } },
        },
        "nonce": "0x0", "timestamp": "0x0", "extraData": "0x", "gasLimit": "0x1c9c380", "difficulty": "0x0",
        "mixHash": "0x0000000000000000000000000000000000000000000000000000000000000000",
        "coinbase": "0x0000000000000000000000000000000000000000",
        "alloc": { "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf": rich },
    })
    .to_string()
    .into_bytes()
}

/// A node with its servers: HTTP and WebSocket on one port.
pub struct Server {
    runtime: Runtime,
    port: Option<PortHandle>,
    /// The node.
    pub node: Arc<Node>,
    /// The port's address.
    pub address: SocketAddr,
}

impl Server {
    /// Serves all public namespaces of a node.
    pub fn of_node(node: Arc<Node>, limits: RpcLimits) -> Self {
        Self::with_config(node, limits, |_| {})
    }

    /// The same with changes to the configuration.
    pub fn with_config(node: Arc<Node>, limits: RpcLimits, change: impl FnOnce(&mut PortConfig)) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let context = RpcContext::new(Arc::clone(&node), limits, "rialto/test".into(), None);
        let namespaces = ["admin", "debug", "eth", "net", "ots", "testing", "txpool", "web3"];
        let namespaces = Some(namespaces.map(str::to_owned).to_vec());
        let mut config = PortConfig {
            address: "127.0.0.1:0".parse().expect("an address"),
            http: namespaces.clone(),
            ws: namespaces,
            cors_domains: Vec::new(),
            virtual_hosts: vec!["localhost".into()],
            authorize: None,
            limits: context.limits.clone(),
        };
        change(&mut config);
        let port = runtime.block_on(serve_port(config, context)).expect("the server starts");
        Self { runtime, address: port.address, port: Some(port), node }
    }

    /// Serves a chain in memory that has only a genesis block.
    pub fn of_genesis(limits: RpcLimits) -> Self {
        let config = NodeConfig { genesis: Some(genesis()), ..NodeConfig::default() };
        Self::of_node(Node::open(config).expect("the node opens"), limits)
    }

    /// A connection for HTTP.
    pub fn http(&self) -> HttpClient {
        HttpClient::connect(self.address)
    }

    /// A connection for WebSocket.
    pub fn ws(&self) -> WsClient {
        WsClient::connect(self.address, "").expect("the server takes a WebSocket")
    }

    /// Stops the servers and waits for them.
    pub fn stop(&mut self) {
        if let Some(port) = self.port.take() {
            self.runtime.block_on(port.stop());
        }
    }
}

/// HTTP over one connection.
pub struct HttpClient {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// An HTTP response.
#[derive(Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Lines of the head after the first, in lower case.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", String::from_utf8_lossy(&self.body)))
    }
}

impl HttpClient {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, buffer: Vec::new() }
    }

    /// Sends a request with these extra header lines.
    pub fn send(&mut self, method: &str, headers: &str, body: &[u8]) -> Response {
        let has_host = headers.to_ascii_lowercase().contains("host:");
        let host = if has_host { "" } else { "Host: localhost\r\n" };
        let head = format!("{method} / HTTP/1.1\r\n{host}{headers}Content-Length: {}\r\n\r\n", body.len());
        self.stream.write_all(head.as_bytes()).expect("the server reads");
        // The server may answer before it has read everything.
        let _ = self.stream.write_all(body);
        self.response()
    }

    /// Posts JSON.
    pub fn post(&mut self, body: &str) -> Response {
        self.send("POST", "Content-Type: application/json\r\n", body.as_bytes())
    }

    /// Calls a method and gives the whole answer.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.post(&request.to_string()).json()
    }

    /// The result of a method that succeeds.
    pub fn result(&mut self, method: &str, params: Value) -> Value {
        let answer = self.call(method, params);
        answer.get("result").unwrap_or_else(|| panic!("{method}: {answer}")).clone()
    }

    /// The code of the error of a method that fails.
    pub fn error_code(&mut self, method: &str, params: Value) -> i64 {
        let answer = self.call(method, params);
        answer["error"]["code"].as_i64().unwrap_or_else(|| panic!("{method}: {answer}"))
    }

    fn response(&mut self) -> Response {
        let end = loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            self.fill();
        };
        let head = String::from_utf8_lossy(&self.buffer[..end]).to_ascii_lowercase();
        self.buffer.drain(..end + 4);
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.map_or(0, |length| length.trim().parse().expect("a length"));
        while self.buffer.len() < length {
            self.fill();
        }
        let body = self.buffer.drain(..length).collect();
        Response { status, head, body }
    }

    fn fill(&mut self) {
        let mut chunk = [0; 64 << 10];
        let count = self.stream.read(&mut chunk).expect("the server answers in time");
        assert!(count > 0, "the server closed the connection after {:?}", String::from_utf8_lossy(&self.buffer));
        self.buffer.extend_from_slice(&chunk[..count]);
    }
}

/// A WebSocket.
pub struct WsClient {
    /// The socket below, for tests that misbehave.
    pub stream: TcpStream,
}

impl WsClient {
    /// Connects, with these extra header lines; the status code where the server refuses.
    pub fn connect(address: SocketAddr, headers: &str) -> Result<Self, u16> {
        let mut stream = TcpStream::connect(address).expect("the server listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        stream.set_nodelay(true).expect("no delay");
        let request = format!(
            "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{headers}\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("the server reads");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the server answers in time");
            head.push(byte[0]);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        match head.split(' ').nth(1).and_then(|status| status.parse().ok()) {
            Some(101) => Ok(Self { stream }),
            status => Err(status.expect("a status")),
        }
    }

    /// Sends a text message.
    pub fn send(&mut self, text: &str) -> std::io::Result<()> {
        let length = text.len();
        let mut frame = vec![0x81];
        match length {
            0..126 => frame.push(0x80 | length as u8),
            126..=0xffff => {
                frame.push(0x80 | 126);
                frame.extend_from_slice(&(length as u16).to_be_bytes());
            }
            _ => {
                frame.push(0x80 | 127);
                frame.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        // Masked with zeros, which changes nothing.
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(text.as_bytes());
        self.stream.write_all(&frame)
    }

    /// The next text message; `None` where the connection was closed. Pings are answered.
    pub fn receive(&mut self) -> Option<Value> {
        loop {
            let mut head = [0; 2];
            self.stream.read_exact(&mut head).ok()?;
            let length = match head[1] & 0x7f {
                126 => {
                    let mut length = [0; 2];
                    self.stream.read_exact(&mut length).ok()?;
                    usize::from(u16::from_be_bytes(length))
                }
                127 => {
                    let mut length = [0; 8];
                    self.stream.read_exact(&mut length).ok()?;
                    usize::try_from(u64::from_be_bytes(length)).ok()?
                }
                length => usize::from(length),
            };
            let mut payload = vec![0; length];
            self.stream.read_exact(&mut payload).ok()?;
            match head[0] & 0x0f {
                1 => return Some(serde_json::from_slice(&payload).expect("JSON")),
                8 => return None,
                9 => {
                    let mut pong = vec![0x8a, 0x80 | length as u8, 0, 0, 0, 0];
                    pong.extend_from_slice(&payload);
                    self.stream.write_all(&pong).ok()?;
                }
                _ => {}
            }
        }
    }

    /// Calls a method; notifications that come before the answer are given to `notified`.
    pub fn call(&mut self, method: &str, params: Value, notified: &mut Vec<Value>) -> Value {
        let request = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        self.send(&request.to_string()).expect("the server reads");
        loop {
            let message = self.receive().expect("the server answers");
            if message.get("id").is_some() {
                return message;
            }
            notified.push(message);
        }
    }
}
