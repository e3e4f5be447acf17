//! The same requests over many connections for a fixed time.

use super::http::HttpConnection;
use crate::BenchError;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Stack of a connection's thread.
const STACK_BYTES: usize = 256 << 10;

/// What one round measured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    /// Answers, or transactions.
    pub count: usize,
    /// How long it took.
    pub elapsed: Duration,
    /// Time of each answer, microseconds, ascending.
    pub latencies_us: Vec<u32>,
}

impl Sample {
    /// Answers, or transactions, a second.
    pub fn per_second(&self) -> f64 {
        self.count as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// The latency that this share of the answers, in hundredths, does not exceed; microseconds.
    pub fn percentile_us(&self, percent: usize) -> u32 {
        let index = (self.latencies_us.len() * percent / 100).min(self.latencies_us.len().saturating_sub(1));
        self.latencies_us.get(index).copied().unwrap_or_default()
    }
}

/// Sends requests over connections for a time, each connection one after the other, beginning at different ones.
pub fn run(address: &str, requests: &[Vec<u8>], connections: usize, duration: Duration) -> Result<Sample, BenchError> {
    let start = Barrier::new(connections);
    let results = on_connections(connections, |connection| {
        let opened = HttpConnection::open(address);
        start.wait();
        let mut http = opened.map_err(|error| failed(address, error.to_string()))?;
        let begin = Instant::now();
        let mut latencies = Vec::new();
        for request in requests.iter().cycle().skip(connection % requests.len().max(1)) {
            let sent = begin.elapsed();
            if sent >= duration {
                break;
            }
            exchange(&mut http, address, request)?;
            latencies.push(microseconds(begin.elapsed() - sent));
        }
        Ok((latencies, begin.elapsed()))
    })?;
    Ok(merge(results))
}

/// Does something on a thread for each connection, and returns what they found or the first failure.
pub fn on_connections<T: Send>(
    connections: usize,
    work: impl Fn(usize) -> Result<T, BenchError> + Sync,
) -> Result<Vec<T>, BenchError> {
    std::thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..connections)
            .map(|connection| {
                let builder = std::thread::Builder::new().stack_size(STACK_BYTES);
                builder.spawn_scoped(scope, move || work(connection)).expect("a thread can be started")
            })
            .collect();
        let join = |thread: std::thread::ScopedJoinHandle<'_, Result<T, BenchError>>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        threads.into_iter().map(join).collect()
    })
}

/// One sample of what the connections measured: their answers, over the longest of their times.
pub fn merge(results: Vec<(Vec<u32>, Duration)>) -> Sample {
    let elapsed = results.iter().map(|(_, elapsed)| *elapsed).max().unwrap_or_default();
    let mut latencies_us: Vec<u32> = results.into_iter().flat_map(|(latencies, _)| latencies).collect();
    latencies_us.sort_unstable();
    Sample { count: latencies_us.len(), elapsed, latencies_us }
}

/// Sends a request and checks that the answer is a result.
pub fn exchange(http: &mut HttpConnection, address: &str, request: &[u8]) -> Result<Vec<u8>, BenchError> {
    let reply = http.post(request).map_err(|error| failed(address, error.to_string()))?;
    let is_result = reply.body.windows(8).any(|bytes| bytes == b"\"result\"");
    if reply.status == 200 && is_result {
        return Ok(reply.body);
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(400)]).into_owned();
    Err(failed(address, format!("{} is answered with {}: {}", text(request), reply.status, text(&reply.body))))
}

/// Microseconds of a duration.
pub fn microseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

/// A failure of a server.
pub fn failed(address: &str, reason: String) -> BenchError {
    BenchError::Rpc { server: address.to_string(), reason }
}
