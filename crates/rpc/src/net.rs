//! The `net` namespace. This node has no peers: blocks come from a consensus client, a file or its own miner.

use crate::RpcContext;
use crate::json::Quantity;
use crate::methods::{Module, Registered, light};
use std::sync::Arc;

/// Registers the namespace's methods.
pub(crate) fn register(module: &mut Module) -> Registered {
    light(module, "net_version", |_, context: &Arc<RpcContext>| Ok(context.chain_id.to_string()))?;
    light(module, "net_listening", |_, _| Ok(true))?;
    light(module, "net_peerCount", |_, _| Ok(Quantity(0)))
}
