//! What the node answers over HTTP and WebSocket.
//!
//! A namespace is a file or folder that registers its methods ([`namespaces`](crate::DEFAULT_NAMESPACES) has the table); a method
//! is a function from parameters and [`RpcContext`] to an answer. [`RpcServer`] serves the public namespaces, [`serve_port`] any
//! others, such as the Engine API behind its own check of who asks. All bounds are in [`RpcLimits`].

mod admin;
mod context;
mod debug;
mod dev;
mod engine;
mod error;
mod eth;
mod gate;
mod in_flight;
mod json;
mod limits;
mod market;
mod methods;
mod namespaces;
mod net;
mod observe;
mod ots;
mod server;
mod simulation;
mod stream;
mod subscription;
mod testing;
mod tracers;
mod txpool;
mod web3;

pub use context::RpcContext;
pub use dev::DevState;
pub use engine::{EngineConfig, EngineRequest, EngineServer, EngineState, JwtSecret, JwtSecretError, TokenError};
pub use error::{RpcError, StartError};
pub use limits::RpcLimits;
pub use namespaces::DEFAULT_NAMESPACES;
pub use observe::{RpcObserver, UNKNOWN_METHOD};
pub use server::{Authorize, PortConfig, PortHandle, RpcConfig, RpcHandles, RpcServer, TransportConfig, serve_port};
