//! The Engine API's port: `engine` and `eth`, over HTTP and WebSocket, to those who have the secret.
//!
//! Every HTTP request has to carry a fresh token, a WebSocket connection only its upgrade, as the specification has it. Payloads
//! are larger than what the public may send, so the port has limits of its own on bytes.

use super::jwt::{JwtSecret, now_seconds};
use crate::{Authorize, PortConfig, PortHandle, RpcContext, RpcLimits, StartError, serve_port};
use std::net::SocketAddr;
use std::sync::Arc;

/// Namespaces of the port: a consensus client reads blocks and logs by the same connection.
const NAMESPACES: [&str; 2] = ["engine", "eth"];
/// Most bytes of a request: the largest payload, written as digits, is a quarter of this.
const MAX_REQUEST_BYTES: u32 = 128 << 20;
/// Most bytes of an answer.
const MAX_RESPONSE_BYTES: u32 = 256 << 20;

/// How the Engine API's port is set up.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Address to listen on; port 0 for any.
    pub address: SocketAddr,
    /// What the consensus client knows.
    pub secret: JwtSecret,
    /// Names in the `Host` header that are answered, besides IP addresses; `*` for any.
    pub virtual_hosts: Vec<String>,
}

/// See [`EngineServer::start`].
pub struct EngineServer;

impl EngineServer {
    /// Serves the Engine API. Has to be called in a tokio runtime, which then runs the server.
    pub async fn start(config: EngineConfig, context: Arc<RpcContext>) -> Result<PortHandle, StartError> {
        let secret = config.secret;
        let authorize: Authorize = Arc::new(move |headers| {
            let header = headers.get(http::header::AUTHORIZATION).map(|value| value.as_bytes());
            secret.check_header(header, now_seconds()).map_err(|error| error.to_string())
        });
        let namespaces: Vec<String> = NAMESPACES.map(String::from).to_vec();
        let limits = RpcLimits {
            max_request_bytes: MAX_REQUEST_BYTES,
            max_response_bytes: MAX_RESPONSE_BYTES,
            ..context.limits.clone()
        };
        let port = PortConfig {
            address: config.address,
            http: Some(namespaces.clone()),
            ws: Some(namespaces),
            cors_domains: Vec::new(),
            virtual_hosts: config.virtual_hosts,
            authorize: Some(authorize),
            limits,
        };
        serve_port(port, context).await
    }
}
