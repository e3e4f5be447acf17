//! The port for operations: `/metrics` for Prometheus, `/health` and `/ready` for whoever restarts and balances nodes.
//!
//! It speaks as much HTTP as these need: one request a connection, of which only the first line counts. Everything has a
//! bound (connections, bytes of a request, time), since the port may be reachable by more than it should be.
//!
//! `/health` is 200 as long as the chain can be read, `/ready` as long as requests are served.

use crate::metrics::Metrics;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Most connections at the same time; further ones wait.
const CONNECTIONS_MAX: usize = 16;
/// Most bytes of a request.
const REQUEST_BYTES_MAX: usize = 8 << 10;
/// Longest that a connection lasts.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a connection could not be taken (no more file descriptors, say).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves metrics until the runtime ends; returns the address.
pub async fn start(address: SocketAddr, metrics: Arc<Metrics>) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(listener, metrics));
    Ok(address)
}

async fn serve(listener: TcpListener, metrics: Arc<Metrics>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "metrics: a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let metrics = Arc::clone(&metrics);
        tokio::spawn(async move {
            // Whoever went away or is too slow is nobody to tell.
            let _ = timeout(CONNECTION_TIMEOUT, answer(stream, &metrics)).await;
            drop(place);
        });
    }
}

async fn answer(mut stream: TcpStream, metrics: &Metrics) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut chunk = [0; 1_024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut chunk).await?;
        request.extend_from_slice(&chunk[..count]);
        if count == 0 || request.len() > REQUEST_BYTES_MAX {
            let (status, kind, body) = ("400 Bad Request", "text/plain", "expected an HTTP request of at most 8 KiB\n");
            return respond(&mut stream, status, kind, body, true).await;
        }
    }
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split('?').next().unwrap_or_default();
    let has_body = method != "HEAD";
    if !matches!(method, "GET" | "HEAD") {
        return respond(&mut stream, "405 Method Not Allowed", "text/plain", "expected GET or HEAD\n", true).await;
    }
    let (status, kind, body) = page(path, metrics);
    respond(&mut stream, status, kind, &body, has_body).await
}

/// Status, kind and body of a page.
fn page(path: &str, metrics: &Metrics) -> (&'static str, &'static str, String) {
    const OK: &str = "200 OK";
    const UNAVAILABLE: &str = "503 Service Unavailable";
    const JSON: &str = "application/json";
    match path {
        "/metrics" => (OK, "text/plain; version=0.0.4; charset=utf-8", metrics.render()),
        "/health" => match metrics.head() {
            Ok(head) => (OK, JSON, format!("{{\"status\":\"ok\",\"head\":{head}}}\n")),
            Err(error) => (UNAVAILABLE, JSON, serde_json::json!({ "status": "failing", "error": error }).to_string()),
        },
        "/ready" if metrics.is_ready() => (OK, JSON, "{\"ready\":true}\n".to_string()),
        "/ready" => (UNAVAILABLE, JSON, "{\"ready\":false}\n".to_string()),
        _ => ("404 Not Found", "text/plain", "expected /metrics, /health or /ready\n".to_string()),
    }
}

async fn respond(stream: &mut TcpStream, status: &str, kind: &str, body: &str, has_body: bool) -> std::io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    if has_body {
        stream.write_all(body.as_bytes()).await?;
    }
    stream.shutdown().await
}
