//! The servers.

use crate::{RpcContext, RpcLimits, StartError, namespaces::methods_of};
use http::HeaderMap;
use jsonrpsee::server::ServerHandle;
use std::net::SocketAddr;
use std::sync::Arc;

/// A transport: where it listens and what it serves.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// Address to listen on; port 0 for any.
    pub address: SocketAddr,
    /// Namespaces served, e.g. `eth`.
    pub namespaces: Vec<String>,
}

/// How the public servers are set up.
#[derive(Clone, Debug, Default)]
pub struct RpcConfig {
    /// HTTP, if served.
    pub http: Option<TransportConfig>,
    /// WebSocket, if served; the address may be that of `http`.
    pub ws: Option<TransportConfig>,
    /// Origins that browsers may call from; `*` for any.
    pub cors_domains: Vec<String>,
    /// Names in the `Host` header that are answered, besides IP addresses; `*` for any.
    pub virtual_hosts: Vec<String>,
    /// The limits.
    pub limits: RpcLimits,
}

/// Who may use a port: given the request's headers; an error is answered with 401 and its text.
pub type Authorize = Arc<dyn Fn(&HeaderMap) -> Result<(), String> + Send + Sync>;

/// A port: what it serves to whom. The Engine API's is started with this, too.
#[derive(Clone)]
pub struct PortConfig {
    /// Address to listen on; port 0 for any.
    pub address: SocketAddr,
    /// Namespaces served over HTTP; `None` for no HTTP.
    pub http: Option<Vec<String>>,
    /// Namespaces served over WebSocket; `None` for no WebSocket.
    pub ws: Option<Vec<String>>,
    /// Origins that browsers may call from; `*` for any.
    pub cors_domains: Vec<String>,
    /// Names in the `Host` header that are answered, besides IP addresses; `*` for any.
    pub virtual_hosts: Vec<String>,
    /// Who may use it; `None` for all.
    pub authorize: Option<Authorize>,
    /// The limits.
    pub limits: RpcLimits,
}

/// A port that is served. Dropping it stops the server.
#[derive(Debug)]
pub struct PortHandle {
    /// Address that it listens on.
    pub address: SocketAddr,
    server: ServerHandle,
}

impl PortHandle {
    /// Stops taking connections and requests, and waits until those begun are answered.
    pub async fn stop(self) {
        let _ = self.server.stop();
        self.server.stopped().await;
    }
}

/// Serves a port. Has to be called in a tokio runtime, which then runs the server.
pub async fn serve_port(port: PortConfig, context: Arc<RpcContext>) -> Result<PortHandle, StartError> {
    let _methods = methods_of(port.http.as_deref().unwrap_or_default(), &context)?;
    todo!()
}

/// The public servers.
#[derive(Debug)]
pub struct RpcHandles {
    /// Address of HTTP, if served.
    pub http: Option<SocketAddr>,
    /// Address of WebSocket, if served.
    pub ws: Option<SocketAddr>,
    ports: Vec<PortHandle>,
}

impl RpcHandles {
    /// Stops taking connections and requests, and waits until those begun are answered.
    pub async fn stop(self) {
        for port in self.ports {
            port.stop().await;
        }
    }
}

/// See [`RpcServer::start`].
pub struct RpcServer;

impl RpcServer {
    /// Starts the public servers: HTTP and WebSocket, on one port where their addresses are the same.
    pub async fn start(_config: RpcConfig, _context: Arc<RpcContext>) -> Result<RpcHandles, StartError> {
        todo!()
    }
}
