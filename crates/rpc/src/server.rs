//! The servers: ports, what they serve, and how connections are let in.
//!
//! jsonrpsee speaks HTTP, WebSocket and JSON-RPC; around it stand, from the socket inwards:
//! 1. a count of connections (one too many is told 503 and closed);
//! 2. [`GuardedStream`], which closes connections that are silent for too long or whose peer does not take what is written, and
//!    does not read further requests while that is so;
//! 3. [`gate`](crate::gate): host names, origins, authorisation;
//! 4. a bound on the requests of one connection that are worked on, and on the time of a batch.
//!
//! Everything a peer can make the server keep is bounded by this: bytes of a request and of an answer, requests in a batch and in
//! flight, messages that wait to be written, subscriptions.

use crate::gate::{Gate, Verdict};
use crate::observe::{ObserveLayer, ObservedConnection};
use crate::stream::{ConnectionControl, GuardedStream};
use crate::{RpcContext, RpcLimits, RpcObserver, StartError, in_flight::InFlightLayer, namespaces::methods_of};
use http::{HeaderMap, StatusCode};
use hyper::body::Incoming;
use jsonrpsee::Methods;
use jsonrpsee::server::middleware::rpc::RpcServiceBuilder;
use jsonrpsee::server::{
    BatchRequestConfig, HttpBody, HttpResponse, IdProvider, PingConfig, ServerConfig, ServerHandle, StopHandle,
    TowerService, serve_with_graceful_shutdown, stop_channel, ws,
};
use jsonrpsee::types::SubscriptionId;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tower::Service;
use tower::layer::util::{Identity, Stack};

/// A transport: where it listens and what it serves.
#[derive(Clone, Debug)]
pub struct TransportConfig {
    /// Address to listen on; port 0 for any.
    pub address: SocketAddr,
    /// Namespaces served, e.g. `eth`.
    pub namespaces: Vec<String>,
}

/// How the public servers are set up.
#[derive(Clone, Debug)]
pub struct RpcConfig {
    /// HTTP, if served.
    pub http: Option<TransportConfig>,
    /// WebSocket, if served; the address may be that of `http`.
    pub ws: Option<TransportConfig>,
    /// Origins that browsers may call from; `*` for any.
    pub cors_domains: Vec<String>,
    /// Names in the `Host` header that are answered, besides IP addresses; `*` for any.
    pub virtual_hosts: Vec<String>,
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self { http: None, ws: None, cors_domains: Vec::new(), virtual_hosts: vec!["localhost".into()] }
    }
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
    let http = port.http.as_deref().map(|names| methods_of(names, &context, false)).transpose()?;
    let ws = port.ws.as_deref().map(|names| methods_of(names, &context, true)).transpose()?;
    let bind_error = |error| StartError::Bind { address: port.address, error };
    let listener = TcpListener::bind(port.address).await.map_err(bind_error)?;
    let address = listener.local_addr().map_err(bind_error)?;
    let (stop, server) = stop_channel();
    let config = jsonrpsee_config(&port.limits);
    let observer = context.observer.get().cloned();
    let shared = Arc::new(Port {
        gate: Gate::new(&port),
        http: http.map(|methods| service(&config, methods, &port.limits, &observer, &stop)),
        ws: ws.map(|methods| service(&config, methods, &port.limits, &observer, &stop)),
        observer,
        connections: Arc::new(Semaphore::new(port.limits.max_connections as usize)),
        limits: port.limits,
    });
    tokio::spawn(accept(listener, shared, stop));
    Ok(PortHandle { address, server })
}

type JsonRpcService = TowerService<Stack<ObserveLayer, Stack<InFlightLayer, Identity>>, Identity>;

/// What the connections of a port share.
struct Port {
    gate: Gate,
    http: Option<JsonRpcService>,
    ws: Option<JsonRpcService>,
    connections: Arc<Semaphore>,
    observer: Option<Arc<dyn RpcObserver>>,
    limits: RpcLimits,
}

fn jsonrpsee_config(limits: &RpcLimits) -> ServerConfig {
    let pings = PingConfig::new().ping_interval(limits.ping_interval).inactive_limit(limits.idle_timeout);
    ServerConfig::builder()
        .max_request_body_size(limits.max_request_bytes)
        .max_response_body_size(limits.max_response_bytes)
        .max_connections(u32::MAX)
        .max_subscriptions_per_connection(limits.max_subscriptions_per_connection)
        .set_batch_request_config(BatchRequestConfig::Limit(limits.max_batch_requests))
        .set_message_buffer_capacity(limits.websocket_buffer_messages)
        .enable_ws_ping(pings)
        .set_id_provider(HexIds::default())
        .build()
}

fn service(
    config: &ServerConfig,
    methods: Methods,
    limits: &RpcLimits,
    observer: &Option<Arc<dyn RpcObserver>>,
    stop: &StopHandle,
) -> JsonRpcService {
    let observe = ObserveLayer::new(observer.clone(), methods.clone(), limits);
    let middleware = RpcServiceBuilder::new().layer(InFlightLayer::new(limits)).layer(observe);
    jsonrpsee::server::ServerBuilder::new()
        .set_config(config.clone())
        .to_service_builder()
        .max_connections(u32::MAX)
        .set_rpc_middleware(middleware)
        .build(methods, stop.clone())
}

/// Accepts connections until the server is stopped.
async fn accept(listener: TcpListener, port: Arc<Port>, stop: StopHandle) {
    let stopped = stop.clone().shutdown();
    tokio::pin!(stopped);
    loop {
        let socket = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stopped => break,
        };
        match socket {
            Ok((socket, _)) => connect(socket, &port, &stop),
            // Out of file descriptors, most likely: those in use have to be closed first.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
    // Before the last stop handle goes, on which whoever stops the server waits.
    drop(listener);
}

/// Serves a connection on a task of its own.
fn connect(socket: TcpStream, port: &Arc<Port>, stop: &StopHandle) {
    let Ok(permit) = Arc::clone(&port.connections).try_acquire_owned() else {
        let _ = socket.try_write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
        return;
    };
    let _ = socket.set_nodelay(true);
    let observed = ObservedConnection::open(port.observer.as_ref());
    let (stream, control) = GuardedStream::new(socket, permit, observed, &port.limits);
    let port = Arc::clone(port);
    let service = tower::service_fn(move |request| answer(request, Arc::clone(&port), Arc::clone(&control)));
    let stopped = stop.clone().shutdown();
    tokio::spawn(async move {
        let _ = serve_with_graceful_shutdown(stream, service, stopped).await;
    });
}

/// Answers an HTTP request, be it JSON-RPC or the beginning of a WebSocket.
async fn answer(
    mut request: http::Request<Incoming>,
    port: Arc<Port>,
    control: Arc<ConnectionControl>,
) -> Result<HttpResponse, Infallible> {
    let is_websocket = ws::is_upgrade_request(&request);
    let verdict = port.gate.judge(request.method(), request.uri(), request.headers(), is_websocket);
    let cors = match verdict {
        Verdict::Answer(response) => return Ok(*response),
        Verdict::Pass { cors } => cors,
    };
    let service = if is_websocket { &port.ws } else { &port.http };
    let Some(mut service) = service.clone() else {
        return Ok(text_response(StatusCode::NOT_FOUND, "this transport is not served on this port"));
    };
    if is_websocket {
        request.extensions_mut().insert(control);
    }
    // Reading the body is part of this time; calls have limits of their own.
    let limit = port.limits.call_timeout + port.limits.max_sync_wait;
    let mut response = match timeout(limit, service.call(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => text_response(StatusCode::INTERNAL_SERVER_ERROR, "the request could not be answered"),
        Err(_) => text_response(StatusCode::REQUEST_TIMEOUT, "the request took too long"),
    };
    if let Some(cors) = cors {
        cors.add_to(response.headers_mut());
    }
    Ok(response)
}

/// An answer in plain text.
pub(crate) fn text_response(status: StatusCode, text: &'static str) -> HttpResponse {
    let mut response = HttpResponse::new(HttpBody::from(text));
    *response.status_mut() = status;
    response
}

/// Ids of subscriptions: 0x-prefixed, as Ethereum's clients expect them, and not to be guessed from one another.
#[derive(Debug)]
struct HexIds {
    next: AtomicU64,
    key: std::hash::RandomState,
}

impl Default for HexIds {
    fn default() -> Self {
        Self { next: AtomicU64::new(1), key: std::hash::RandomState::new() }
    }
}

impl IdProvider for HexIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        use std::hash::BuildHasher;
        let count = self.next.fetch_add(1, Ordering::Relaxed);
        SubscriptionId::Str(format!("0x{:016x}{count:016x}", self.key.hash_one(count)).into())
    }
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
    pub async fn start(config: RpcConfig, context: Arc<RpcContext>) -> Result<RpcHandles, StartError> {
        let RpcConfig { http, ws, cors_domains, virtual_hosts } = config;
        let port = |address, http, ws| PortConfig {
            address,
            http,
            ws,
            cors_domains: cors_domains.clone(),
            virtual_hosts: virtual_hosts.clone(),
            authorize: None,
            limits: context.limits.clone(),
        };
        let is_shared =
            |http: &TransportConfig, ws: &TransportConfig| http.address == ws.address && ws.address.port() != 0;
        let mut handles = RpcHandles { http: None, ws: None, ports: Vec::new() };
        match (http, ws) {
            (Some(http), Some(ws)) if is_shared(&http, &ws) => {
                let port = port(http.address, Some(http.namespaces), Some(ws.namespaces));
                let port = serve_port(port, context).await?;
                (handles.http, handles.ws) = (Some(port.address), Some(port.address));
                handles.ports.push(port);
            }
            (http, ws) => {
                if let Some(http) = http {
                    let port =
                        serve_port(port(http.address, Some(http.namespaces), None), Arc::clone(&context)).await?;
                    handles.http = Some(port.address);
                    handles.ports.push(port);
                }
                if let Some(ws) = ws {
                    let port = serve_port(port(ws.address, None, Some(ws.namespaces)), context).await?;
                    handles.ws = Some(port.address);
                    handles.ports.push(port);
                }
            }
        }
        Ok(handles)
    }
}
