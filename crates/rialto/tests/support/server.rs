//! Servers that tests start: the node of this build, and the reference node that it is compared with.
#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Longest that a server may take until it serves.
const START_SECONDS: u64 = 60;
/// Longest that it may take to stop.
const STOP_SECONDS: u64 = 20;
/// Lines of its output that are kept for the message of a failure.
const LINES_KEPT: usize = 60;

/// A server that is ended with the value.
pub struct Server {
    child: Child,
    /// Where it serves JSON-RPC, `127.0.0.1:PORT`.
    pub address: String,
    output: Arc<Mutex<VecDeque<String>>>,
}

impl Server {
    /// `rialto dev` on a free port, with further arguments.
    pub fn dev(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rialto"));
        command.args(["dev", "--silent", "--http.port", "0"]).args(arguments);
        Self::start(command, "Listening on 127.0.0.1:")
    }

    /// The reference node on a free port.
    pub fn anvil(binary: &Path) -> Self {
        let mut command = Command::new(binary);
        command.args(["--port", "0", "--hardfork", "osaka"]);
        Self::start(command, "Listening on 127.0.0.1:")
    }

    /// Starts a server that says where it serves after `mark`, in a line of its output.
    ///
    /// # Panics
    /// If it does not say so in time.
    pub fn start(mut command: Command, mark: &str) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = Arc::new(Mutex::new(VecDeque::new()));
        let lines = follow(child.stdout.take().expect("piped"), &output);
        drop(follow(child.stderr.take().expect("piped"), &output));
        let mut server = Self { child, address: String::new(), output };
        let end = Instant::now() + Duration::from_secs(START_SECONDS);
        while server.address.is_empty() {
            let Ok(line) = lines.recv_timeout(end.saturating_duration_since(Instant::now())) else {
                panic!("{command:?} does not say where it serves; its output:\n{}", server.output());
            };
            if let Some((_, rest)) = line.split_once(mark) {
                let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
                server.address = format!("127.0.0.1:{port}");
            }
        }
        server
    }

    /// Where it serves JSON-RPC, as a URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The last lines of its output.
    pub fn output(&self) -> String {
        let lines = self.output.lock().expect("no thread panics with it");
        lines.iter().map(|line| format!("    {line}\n")).collect()
    }

    /// Bytes of memory that it occupies.
    pub fn resident_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("every process has it");
        let kilobytes = line.trim().trim_end_matches("kB").trim();
        kilobytes.parse::<u64>().expect("a number") << 10
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends SIGTERM and returns the exit code, `None` if a signal ended it or it did not end in time.
    pub fn stop(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().expect("kill runs");
        let end = Instant::now() + Duration::from_secs(STOP_SECONDS);
        while Instant::now() < end {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        None
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines until their end, on a thread: they are sent on as long as someone receives, and the last of them are kept.
fn follow(from: impl Read + Send + 'static, kept: &Arc<Mutex<VecDeque<String>>>) -> Receiver<String> {
    let (send, receive) = channel();
    let kept = Arc::clone(kept);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut kept = kept.lock().expect("no thread panics with it");
            if kept.len() == LINES_KEPT {
                kept.pop_front();
            }
            kept.push_back(line.clone());
            drop(kept);
            let _ = send.send(line);
        }
    });
    receive
}
