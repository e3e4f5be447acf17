//! The `admin` namespace, as far as a node without peers has one.

use crate::json::{Params, Quantity};
use crate::methods::{Module, Registered, light};
use crate::{RpcContext, RpcError};
use rialto_node::BlockId;
use serde_json::{Value, json};
use std::sync::Arc;

/// Registers the namespace's methods.
pub(crate) fn register(module: &mut Module) -> Registered {
    light(module, "admin_peers", |_, _| Ok(Vec::<Value>::new()))?;
    light(module, "admin_datadir", |_, context: &Arc<RpcContext>| {
        Ok(context.node.config().datadir.as_ref().map(|path| path.display().to_string()).unwrap_or_default())
    })?;
    light(module, "admin_nodeInfo", node_info)
}

fn node_info(_: &Params, context: &Arc<RpcContext>) -> Result<Value, RpcError> {
    let view = context.view()?;
    let genesis = view.hash(BlockId::Earliest)?;
    let document: Value = serde_json::from_slice(context.node.genesis_document()).unwrap_or_default();
    Ok(json!({
        "name": context.client_version,
        "id": "",
        "enode": "",
        "ip": "127.0.0.1",
        "listenAddr": "",
        "ports": { "discovery": 0, "listener": 0 },
        "protocols": {
            "eth": {
                "network": context.chain_id,
                "genesis": genesis,
                "head": view.head().hash,
                "number": Quantity(view.head().block.header.number),
                "config": document.get("config"),
            },
        },
    }))
}
