//! The ports of a node: which there are, what they say when they serve, and how they stop.
//!
//! HTTP and WebSocket share a port where their addresses are the same. All ports are bound before a ready line is printed, with
//! the numbers that they have got, so whoever reads that line can connect; port 0 takes any that is free.

use crate::metrics::Metrics;
use crate::node_args::{OperationsArgs, list};
use crate::service::StopSignals;
use crate::{CliError, metrics_server};
use clap::{ArgAction, Args, builder::BoolishValueParser};
use rialto_rpc::{EngineConfig, EngineServer, JwtSecret, PortConfig, PortHandle, RpcContext, RpcLimits, serve_port};
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Namespaces that `all` stands for.
pub const ALL_NAMESPACES: [&str; 9] = ["admin", "debug", "eth", "market", "net", "ots", "testing", "txpool", "web3"];
/// Those that dev mode adds.
pub const DEV_NAMESPACES: [&str; 3] = ["anvil", "evm", "hardhat"];
/// The secret's file in the data directory where nothing is said.
const SECRET_FILE: &str = "jwt.hex";

/// Ports for the public.
#[derive(Args, Debug)]
#[command(next_help_heading = "Servers")]
pub struct ServerArgs {
    /// Serve JSON-RPC over HTTP
    #[arg(long, env = "RIALTO_HTTP", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false",
        default_missing_value = "true", action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    http: bool,
    /// Address of HTTP
    #[arg(long = "http.addr", env = "RIALTO_HTTP_ADDR", default_value = "127.0.0.1", value_name = "ADDRESS")]
    http_address: IpAddr,
    /// Port of HTTP; 0 for any
    #[arg(long = "http.port", env = "RIALTO_HTTP_PORT", default_value = "8545", value_name = "PORT")]
    http_port: u16,
    /// Namespaces served over HTTP, separated by commas; `all` for all
    #[arg(long = "http.api", env = "RIALTO_HTTP_API", default_value = "eth,net,web3", value_name = "LIST")]
    http_api: String,
    /// Origins that browsers may call from, separated by commas; `*` for any
    #[arg(long = "http.corsdomain", env = "RIALTO_HTTP_CORSDOMAIN", default_value = "", value_name = "LIST")]
    http_cors: String,
    /// Names in the Host header that are answered besides IP addresses, separated by commas; `*` for any
    #[arg(long = "http.vhosts", env = "RIALTO_HTTP_VHOSTS", default_value = "localhost", value_name = "LIST")]
    virtual_hosts: String,
    /// Serve JSON-RPC over WebSocket
    #[arg(long, env = "RIALTO_WS", value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false",
        default_missing_value = "true", action = ArgAction::Set, value_parser = BoolishValueParser::new())]
    ws: bool,
    /// Address of WebSocket
    #[arg(long = "ws.addr", env = "RIALTO_WS_ADDR", default_value = "127.0.0.1", value_name = "ADDRESS")]
    ws_address: IpAddr,
    /// Port of WebSocket; 0 for any
    #[arg(long = "ws.port", env = "RIALTO_WS_PORT", default_value = "8546", value_name = "PORT")]
    ws_port: u16,
    /// Namespaces served over WebSocket, separated by commas; `all` for all
    #[arg(long = "ws.api", env = "RIALTO_WS_API", default_value = "eth,net,web3", value_name = "LIST")]
    ws_api: String,
    /// Origins that browsers may connect from, separated by commas; `*` for any
    #[arg(long = "ws.origins", env = "RIALTO_WS_ORIGINS", default_value = "", value_name = "LIST")]
    ws_origins: String,
    /// Address of the Engine API
    #[arg(long = "authrpc.addr", env = "RIALTO_AUTHRPC_ADDR", default_value = "127.0.0.1", value_name = "ADDRESS")]
    engine_address: IpAddr,
    /// Port of the Engine API; 0 for any
    #[arg(long = "authrpc.port", env = "RIALTO_AUTHRPC_PORT", default_value = "8551", value_name = "PORT")]
    engine_port: u16,
    /// File with the secret that the consensus client shares (32 bytes in hex), made if it is not there; jwt.hex in the data
    /// directory if left out
    #[arg(long = "authrpc.jwtsecret", env = "RIALTO_AUTHRPC_JWTSECRET", value_name = "FILE")]
    engine_secret: Option<PathBuf>,
    /// Don't serve the Engine API
    #[arg(long = "disable-auth-server", env = "RIALTO_DISABLE_AUTH_SERVER", value_name = "BOOL", num_args = 0..=1,
        require_equals = true, default_value = "false", default_missing_value = "true", action = ArgAction::Set,
        value_parser = BoolishValueParser::new())]
    no_engine: bool,
}

/// The namespaces of a list.
pub fn namespaces(text: &str) -> Vec<String> {
    match text.trim() {
        "all" => ALL_NAMESPACES.map(str::to_string).to_vec(),
        text => list(text),
    }
}

impl ServerArgs {
    /// The public ports.
    pub fn public_ports(&self, limits: &RpcLimits) -> Vec<PortConfig> {
        let http_at = SocketAddr::new(self.http_address, self.http_port);
        let ws_at = SocketAddr::new(self.ws_address, self.ws_port);
        let port = |address, http: Option<&str>, ws: Option<&str>, origins: Vec<String>| PortConfig {
            address,
            http: http.map(namespaces),
            ws: ws.map(namespaces),
            cors_domains: origins,
            virtual_hosts: list(&self.virtual_hosts),
            authorize: None,
            limits: limits.clone(),
        };
        let (cors, origins) = (list(&self.http_cors), list(&self.ws_origins));
        if self.http && self.ws && http_at == ws_at && http_at.port() != 0 {
            return vec![port(http_at, Some(&self.http_api), Some(&self.ws_api), [cors, origins].concat())];
        }
        let http = self.http.then(|| port(http_at, Some(&self.http_api), None, cors));
        let ws = self.ws.then(|| port(ws_at, None, Some(&self.ws_api), origins));
        http.into_iter().chain(ws).collect()
    }

    /// The Engine API's port; the secret is read, or made.
    pub fn engine_port(&self, datadir: &Path) -> Result<Option<EngineConfig>, CliError> {
        if self.no_engine {
            return Ok(None);
        }
        let file = self.engine_secret.clone().unwrap_or_else(|| datadir.join(SECRET_FILE));
        let secret = JwtSecret::load_or_create(&file).map_err(|error| CliError::file(&file, error))?;
        let address = SocketAddr::new(self.engine_address, self.engine_port);
        Ok(Some(EngineConfig { address, secret, virtual_hosts: list(&self.virtual_hosts) }))
    }
}

/// The ports of a running node.
pub struct Servers {
    metrics: Arc<Metrics>,
    /// Address of HTTP.
    pub http: Option<SocketAddr>,
    /// Address of WebSocket.
    pub ws: Option<SocketAddr>,
    /// Address of the Engine API.
    pub engine: Option<SocketAddr>,
    /// Address of metrics.
    pub operations: Option<SocketAddr>,
    handles: Vec<PortHandle>,
}

impl Servers {
    /// Binds and serves all ports. Has to be called in a runtime.
    pub async fn start(
        context: &Arc<RpcContext>,
        public: Vec<PortConfig>,
        engine: Option<EngineConfig>,
        operations: &OperationsArgs,
    ) -> Result<Self, CliError> {
        let metrics = Metrics::new(Arc::clone(&context.node));
        // A context that is watched already keeps its observer.
        let _ = context.observer.set(Arc::clone(&metrics) as Arc<dyn rialto_rpc::RpcObserver>);
        let mut servers = Self { metrics, http: None, ws: None, engine: None, operations: None, handles: Vec::new() };
        if let Some(address) = operations.metrics {
            let bound = metrics_server::start(address, Arc::clone(&servers.metrics)).await;
            servers.operations = Some(bound.map_err(|error| CliError::argument("--metrics", address, error))?);
        }
        for port in public {
            let (has_http, has_ws) = (port.http.is_some(), port.ws.is_some());
            let handle = serve_port(port, Arc::clone(context)).await?;
            servers.http = servers.http.or(has_http.then_some(handle.address));
            servers.ws = servers.ws.or(has_ws.then_some(handle.address));
            servers.handles.push(handle);
        }
        if let Some(engine) = engine {
            let handle = EngineServer::start(engine, Arc::clone(context)).await?;
            servers.engine = Some(handle.address);
            servers.handles.push(handle);
        }
        servers.metrics.set_ready(true);
        tracing::info!(ports = %servers.ready_object(), "serving");
        Ok(servers)
    }

    /// The ready lines; the last says that everything is served.
    pub fn ready_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let named = [("Metrics", self.operations), ("Engine API", self.engine), ("WebSocket", self.ws)];
        for (name, address) in named.into_iter().filter_map(|(name, address)| Some((name, address?))) {
            if Some(address) != self.http {
                lines.push(format!("{name} on {address}"));
            }
        }
        match self.http.or(self.ws).or(self.engine) {
            Some(address) => lines.push(format!("Listening on {address}")),
            None => lines.push("Ready".to_string()),
        }
        lines
    }

    /// The same as an object.
    pub fn ready_object(&self) -> Value {
        let text = |address: Option<SocketAddr>| address.map(|address| address.to_string());
        json!({
            "ready": true,
            "http": text(self.http),
            "ws": text(self.ws),
            "authrpc": text(self.engine),
            "metrics": text(self.operations),
        })
    }

    /// Serves until a signal comes, then stops: no new requests, an answer to those begun, and an end at the deadline.
    pub async fn serve_until_stopped(self, mut signals: StopSignals, operations: &OperationsArgs) {
        let signal = signals.wait().await;
        tracing::info!(signal, "stopping");
        self.metrics.set_ready(false);
        signals.enforce(operations.shutdown_timeout());
        for handle in self.handles {
            handle.stop().await;
        }
    }
}
