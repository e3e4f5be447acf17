//! What a request is answered with when it fails.
//!
//! The codes are those of JSON-RPC 2.0 and, where that leaves room, the ones that geth answers with, since clients tell cases
//! apart by code: -32602 for parameters, -32000 for what a transaction pool or a state refuses, 3 for a call that reverted (with
//! the returned bytes as data), -32005 for a limit of this node. The text says which field, what was expected and what was found.

use jsonrpsee::types::ErrorObjectOwned;
use rialto_node::{ImportError, NodeError, PoolError};
use rialto_state::ReadError;
use serde_json::Value;
use std::fmt;

/// Code for what the node refuses or could not do.
pub const SERVER_ERROR: i32 = -32000;
/// Code for what took too long.
pub const RESOURCE_UNAVAILABLE: i32 = -32002;
/// Code for what is beyond this node's limits.
pub const LIMIT_EXCEEDED: i32 = -32005;
/// Code for malformed parameters.
pub const INVALID_PARAMS: i32 = -32602;
/// Code for a failure of the node itself.
pub const INTERNAL_ERROR: i32 = -32603;
/// Code for a call that reverted.
pub const EXECUTION_REVERTED: i32 = 3;

/// Why a request failed.
#[derive(Clone, Debug, PartialEq)]
pub struct RpcError {
    /// JSON-RPC error code.
    pub code: i32,
    /// What went wrong.
    pub message: String,
    /// Further data, e.g. what a reverted call returned.
    pub data: Option<Value>,
}

impl RpcError {
    /// An error with any code.
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// The same error with data.
    pub fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// A parameter is malformed: which, what was expected, what was found.
    pub fn invalid_params(name: impl fmt::Display, expected: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self::new(INVALID_PARAMS, format!("{name}: expected {expected}, found {found}"))
    }

    /// What the node refuses or could not do (-32000).
    pub fn server(message: impl Into<String>) -> Self {
        Self::new(SERVER_ERROR, message)
    }

    /// The node itself failed.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(INTERNAL_ERROR, message)
    }

    /// Beyond a limit of this node.
    pub fn limit(name: &str, limit: impl fmt::Display, found: impl fmt::Display) -> Self {
        Self::new(LIMIT_EXCEEDED, format!("{name}: expected at most {limit}, found {found}"))
    }

    /// The block is not known; geth's text and code.
    pub fn unknown_block() -> Self {
        Self::server("header not found")
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RpcError {}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        Self::owned(error.code, error.message, error.data)
    }
}

impl From<NodeError> for RpcError {
    fn from(error: NodeError) -> Self {
        let code = match &error {
            NodeError::Invalid { .. } => INVALID_PARAMS,
            _ => SERVER_ERROR,
        };
        Self::new(code, error.to_string())
    }
}

impl From<ImportError> for RpcError {
    fn from(error: ImportError) -> Self {
        Self::server(error.to_string())
    }
}

impl From<PoolError> for RpcError {
    fn from(error: PoolError) -> Self {
        Self::server(error.to_string())
    }
}

impl From<ReadError> for RpcError {
    fn from(error: ReadError) -> Self {
        Self::server(error.to_string())
    }
}

/// Why a server did not start.
#[derive(Debug)]
pub enum StartError {
    /// The address could not be bound.
    Bind {
        /// The address.
        address: std::net::SocketAddr,
        /// Why.
        error: std::io::Error,
    },
    /// There is no such namespace.
    UnknownNamespace {
        /// What was asked for.
        name: String,
        /// The namespaces that there are.
        expected: String,
    },
    /// Two namespaces have a method of the same name.
    Register(jsonrpsee::core::RegisterMethodError),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bind { address, error } => write!(f, "address {address}: expected one to listen on, found {error}"),
            Self::UnknownNamespace { name, expected } => {
                write!(f, "namespace {name}: expected one of {expected}")
            }
            Self::Register(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for StartError {}

impl From<jsonrpsee::core::RegisterMethodError> for StartError {
    fn from(error: jsonrpsee::core::RegisterMethodError) -> Self {
        Self::Register(error)
    }
}
