//! The Engine API (`engine_*`), by which a consensus client drives the node.
//!
//! A consensus client hands over blocks (`newPayload`), says which of them is the head (`forkchoiceUpdated`), and asks for
//! blocks to be built (`forkchoiceUpdated` with attributes, then `getPayload`). The methods here translate; every decision is
//! the node's. What differs between the versions of a method, the forks that each is for above all, is in the tables of
//! [`version`]; a file per method has what all its versions share.
//!
//! # Another consensus engine
//!
//! Nothing of this is needed to order blocks in another way (a rollup's derivation, a BFT protocol, a single sequencer): such an
//! engine is a thread that holds an `Arc<Node>` and calls what these methods call, and the state transition function knows of
//! none of it.
//!
//! * `Node::insert_payload` takes a block, executes and keeps it: `Valid`, `Invalid` with the nearest valid ancestor, or
//!   `Syncing` where an ancestor is missing. The block is on the disk when it returns.
//! * `Node::set_forkchoice` makes a known block the head and notes which are safe and finalized, in one transaction of the
//!   database. `Node::set_head` does so whatever is finalized.
//! * `Node::start_payload` and `Node::payload` build on the pool's transactions while time passes; `Node::build` builds at once,
//!   from the pool or from transactions in a given order, without keeping the block. `Node::start_payload_of` names
//!   transactions, which the attributes' `transactions`, `noTxPool` and `gasLimit` (OP Stack's extension) do over the wire.
//! * `Node::subscribe_heads` and `Node::subscribe_transactions` tell it what happens meanwhile, `Node::view` what there is.
//!
//! [`EngineServer`] serves the namespace on a port of its own, to those who know a secret.

mod blobs;
mod bodies;
mod error;
mod forkchoice;
mod get_payload;
mod identity;
mod jwt;
mod new_payload;
mod payload;
mod request;
mod server;
mod state;
mod version;

pub use jwt::{JwtSecret, JwtSecretError, TokenError};
pub use request::EngineRequest;
pub use server::{EngineConfig, EngineServer};
pub use state::EngineState;

use crate::json::{FromJson, Params};
use crate::methods::{Module, Registered};
use crate::{RpcContext, RpcError};
use error::EngineError;
use serde::Serialize;
use std::sync::Arc;

/// Registers the namespace's methods.
pub(crate) fn register(module: &mut Module) -> Registered {
    for version in &version::NEW_PAYLOAD {
        blocking(module, version.method, |params, context| new_payload::call(version, params, context))?;
    }
    for version in &version::FORKCHOICE_UPDATED {
        blocking(module, version.method, |params, context| forkchoice::call(version, params, context))?;
    }
    for version in &version::GET_PAYLOAD {
        blocking(module, version.method, |params, context| get_payload::call(version, params, context))?;
    }
    for version in &version::GET_BLOBS {
        blocking(module, version.method, |params, context| blobs::call(version, params, context))?;
    }
    blocking(module, version::GET_BLOB_CELLS, blobs::cells)?;
    for version in &version::GET_BODIES {
        blocking(module, version.by_hash, |params, context| bodies::by_hash(version, params, context))?;
        blocking(module, version.by_range, |params, context| bodies::by_range(version, params, context))?;
    }
    blocking(module, identity::EXCHANGE_CAPABILITIES, identity::exchange_capabilities)?;
    blocking(module, identity::CLIENT_VERSION, identity::client_version)?;
    blocking(module, identity::TRANSITION_CONFIGURATION, identity::transition_configuration)
}

/// Registers a method that runs on a thread for blocking work at once: unlike what the public may ask, a consensus client's
/// request neither waits for a permit nor is given up.
fn blocking<R, F>(module: &mut Module, name: &'static str, handler: F) -> Registered
where
    R: Serialize + Clone + Send + 'static,
    F: Fn(&Params, &Arc<RpcContext>) -> Result<R, EngineError> + Clone + Send + Sync + 'static,
{
    let method =
        move |params: jsonrpsee::types::Params<'_>, context: Arc<Arc<RpcContext>>, _: jsonrpsee::Extensions| {
            handler(&Params::parse(params.as_str())?, &context).map_err(RpcError::from)
        };
    module.register_blocking_method(name, method).map(drop)
}

/// Refuses more parameters than the method has.
fn at_most(params: &Params, limit: usize) -> Result<(), EngineError> {
    if params.len() <= limit {
        return Ok(());
    }
    Err(EngineError::Params(format!("params: expected at most {limit}, found {}", params.len())))
}

/// A parameter that has to be there.
fn required<T: FromJson>(params: &Params, index: usize, name: &str) -> Result<T, EngineError> {
    params.required(index, name).map_err(|error| EngineError::Params(error.message))
}
