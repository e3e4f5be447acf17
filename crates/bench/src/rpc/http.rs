//! As much of HTTP/1.1 as a JSON-RPC client takes: POST over one connection that stays open.
//!
//! It blocks and allocates next to nothing, so that what is measured is the server and the operating system. A request goes out
//! in one write. Answers may come with a length or in chunks, up to a bound.

use std::io::{self, BufRead, BufReader, Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Most bytes of an answer.
const MAX_REPLY_BYTES: usize = 512 << 20;
/// Most bytes of a line of an answer's head.
const MAX_LINE_BYTES: u64 = 16 << 10;
/// Most lines of an answer's head.
const MAX_HEAD_LINES: usize = 100;
/// Longest that the server may be silent.
const READ_TIMEOUT: Duration = Duration::from_secs(120);

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpReply {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// A connection to an HTTP server.
#[derive(Debug)]
pub struct HttpConnection {
    stream: BufReader<TcpStream>,
    head: Vec<u8>,
    request: Vec<u8>,
}

impl HttpConnection {
    /// Connects to `HOST:PORT`.
    pub fn open(address: &str) -> io::Result<Self> {
        Self::open_with(address, &format!("host: {address}\r\n"))
    }

    /// Connects with header lines of one's own, each with its line end, in place of `host`.
    pub fn open_with(address: &str, headers: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(READ_TIMEOUT))?;
        let head =
            format!("POST / HTTP/1.1\r\n{headers}content-type: application/json\r\ncontent-length: ").into_bytes();
        Ok(Self { stream: BufReader::with_capacity(64 << 10, stream), head, request: Vec::new() })
    }

    /// Sends a body and reads the answer.
    pub fn post(&mut self, body: &[u8]) -> io::Result<HttpReply> {
        self.request.clear();
        self.request.extend_from_slice(&self.head);
        write!(self.request, "{}\r\n\r\n", body.len())?;
        self.request.extend_from_slice(body);
        self.stream.get_mut().write_all(&self.request)?;
        self.read_reply()
    }

    /// Reads an answer to what was written in another way.
    pub fn read_reply(&mut self) -> io::Result<HttpReply> {
        let line = self.read_line()?;
        let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
        let status = status.ok_or_else(|| invalid(format!("the first line of the answer is {line:?}")))?;
        let (mut length, mut chunked) = (None, false);
        for count in 0.. {
            let line = self.read_line()?;
            if line.is_empty() {
                break;
            }
            if count == MAX_HEAD_LINES {
                return Err(invalid(format!("the answer's head has more than {MAX_HEAD_LINES} lines")));
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse::<usize>().ok(),
                "transfer-encoding" => chunked = value.trim().eq_ignore_ascii_case("chunked"),
                _ => {}
            }
        }
        let mut body = Vec::new();
        if chunked {
            self.read_chunks(&mut body)?;
        } else {
            self.read_bytes(&mut body, length.unwrap_or_default())?;
        }
        Ok(HttpReply { status, body })
    }

    fn read_chunks(&mut self, body: &mut Vec<u8>) -> io::Result<()> {
        loop {
            let line = self.read_line()?;
            let length = usize::from_str_radix(line.split(';').next().unwrap_or_default().trim(), 16)
                .map_err(|_| invalid(format!("a chunk's length is {line:?}")))?;
            self.read_bytes(body, length)?;
            self.read_line()?;
            if length == 0 {
                return Ok(());
            }
        }
    }

    fn read_bytes(&mut self, body: &mut Vec<u8>, count: usize) -> io::Result<()> {
        if count > MAX_REPLY_BYTES.saturating_sub(body.len()) {
            return Err(invalid(format!("the answer is longer than {MAX_REPLY_BYTES} bytes")));
        }
        let start = body.len();
        body.resize(start + count, 0);
        self.stream.read_exact(&mut body[start..])
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        self.stream.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            return Err(Error::new(ErrorKind::UnexpectedEof, "the connection was closed in an answer's head"));
        }
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        String::from_utf8(line).map_err(|_| invalid("a line of the answer's head is not text".to_string()))
    }

    /// The socket, to write to it in another way.
    pub fn socket(&mut self) -> &mut TcpStream {
        self.stream.get_mut()
    }
}

fn invalid(text: String) -> Error {
    Error::new(ErrorKind::InvalidData, text)
}
