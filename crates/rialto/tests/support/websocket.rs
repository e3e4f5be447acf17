//! As much of a WebSocket client as tests take: it sends small text, and reads or does not read.
#![allow(dead_code, reason = "each test binary uses its own part")]

use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Any sixteen bytes, in base64.
const KEY: &str = "cmlhbHRvLXRlc3Qta2V5IQ==";
/// Most bytes of a message that is read.
const MAX_MESSAGE_BYTES: u64 = 64 << 20;

/// A frame's kind.
pub const TEXT: u8 = 1;
pub const CLOSE: u8 = 8;
pub const PING: u8 = 9;

/// A WebSocket.
pub struct WebSocket {
    stream: BufReader<TcpStream>,
    next_id: u64,
}

impl WebSocket {
    /// Opens one to `HOST:PORT`.
    pub fn open(address: &str) -> io::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(
            stream,
            "GET / HTTP/1.1\r\nhost: {address}\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-key: {KEY}\r\nsec-websocket-version: 13\r\n\r\n"
        )?;
        let mut stream = BufReader::new(stream);
        let mut status = String::new();
        stream.read_line(&mut status)?;
        if !status.contains(" 101 ") {
            return Err(Error::new(ErrorKind::ConnectionRefused, status));
        }
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            stream.read_line(&mut line)?;
        }
        Ok(Self { stream, next_id: 1 })
    }

    /// Sends a request without waiting for the answer; returns its id.
    pub fn send(&mut self, method: &str, params: Value) -> io::Result<u64> {
        let id = self.next_id;
        self.next_id += 1;
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.send_frame(TEXT, request.to_string().as_bytes())?;
        Ok(id)
    }

    /// Sends a request and waits for the answer; notifications that come before it are dropped.
    pub fn request(&mut self, method: &str, params: Value) -> io::Result<Value> {
        let id = self.send(method, params)?;
        loop {
            let message = self.receive()?;
            if message["id"] == json!(id) {
                return Ok(message);
            }
        }
    }

    /// Sends a frame, masked with zeros, as whole message.
    pub fn send_frame(&mut self, kind: u8, payload: &[u8]) -> io::Result<()> {
        let mut frame = vec![0x80 | kind];
        match payload.len() {
            length @ 0..126 => frame.push(0x80 | length as u8),
            length @ 126..65_536 => {
                frame.push(0x80 | 126);
                frame.extend((length as u16).to_be_bytes());
            }
            length => {
                frame.push(0x80 | 127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend_from_slice(payload);
        self.send_bytes(&frame)
    }

    /// Sends bytes that need not be a frame.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// The next message that is JSON; pings are answered.
    pub fn receive(&mut self) -> io::Result<Value> {
        loop {
            let (kind, payload) = self.receive_frame()?;
            match kind {
                TEXT => {
                    return serde_json::from_slice(&payload).map_err(|error| Error::new(ErrorKind::InvalidData, error));
                }
                CLOSE => return Err(Error::new(ErrorKind::ConnectionAborted, "the server closed the WebSocket")),
                PING => self.send_frame(10, &payload)?,
                _ => {}
            }
        }
    }

    /// The next frame: its kind and its payload.
    pub fn receive_frame(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 2];
        self.stream.read_exact(&mut head)?;
        let length = match head[1] & 0x7f {
            126 => {
                let mut bytes = [0; 2];
                self.stream.read_exact(&mut bytes)?;
                u64::from(u16::from_be_bytes(bytes))
            }
            127 => {
                let mut bytes = [0; 8];
                self.stream.read_exact(&mut bytes)?;
                u64::from_be_bytes(bytes)
            }
            length => u64::from(length),
        };
        if length > MAX_MESSAGE_BYTES {
            return Err(Error::new(ErrorKind::InvalidData, format!("a frame of {length} bytes")));
        }
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload)?;
        Ok((head[0] & 0x0f, payload))
    }

    /// Longest that a read waits.
    pub fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.stream.get_mut().set_read_timeout(Some(timeout))
    }

    /// Longest that a write waits.
    pub fn set_write_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        self.stream.get_mut().set_write_timeout(Some(timeout))
    }
}
