//! `eth` methods about the chain as a whole: its id, what is synchronised, which history there is.

use crate::json::{Quantity, is_none};
use crate::methods::{Module, Registered, light};
use crate::{RpcContext, RpcError};
use alloy_primitives::{Address, B256};
use serde::Serialize;
use std::sync::Arc;

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    light(module, "eth_chainId", |_, context: &Arc<RpcContext>| Ok(Quantity(context.chain_id)))?;
    light(module, "eth_syncing", |_, _| Ok(false))?;
    light(module, "eth_mining", |_, _| Ok(false))?;
    light(module, "eth_hashrate", |_, _| Ok(Quantity(0)))?;
    light(module, "eth_coinbase", |_, context: &Arc<RpcContext>| Ok(context.node.config().fee_recipient))?;
    light(module, "eth_capabilities", capabilities)
}

/// Registers `eth_accounts` of a node that has no keys.
pub(crate) fn register_accounts(module: &mut Module) -> Registered {
    light(module, "eth_accounts", |_, _| Ok(Vec::<Address>::new()))
}

/// What history there is.
#[derive(Clone, Debug, Serialize)]
struct CapabilitiesJson {
    head: HeadJson,
    state: ResourceJson,
    tx: ResourceJson,
    logs: ResourceJson,
    receipts: ResourceJson,
    blocks: ResourceJson,
    stateproofs: ResourceJson,
}

#[derive(Clone, Debug, Serialize)]
struct HeadJson {
    number: Quantity,
    hash: B256,
}

/// From which block on something is there.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceJson {
    disabled: bool,
    oldest_block: Quantity,
    #[serde(skip_serializing_if = "is_none")]
    delete_strategy: Option<DeleteStrategyJson>,
}

/// That only the newest blocks' is kept.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DeleteStrategyJson {
    r#type: &'static str,
    retention_blocks: Quantity,
}

fn capabilities(_: &crate::json::Params, context: &Arc<RpcContext>) -> Result<CapabilitiesJson, RpcError> {
    let view = context.view()?;
    let head = HeadJson { number: Quantity(view.head().block.header.number), hash: view.head().hash };
    let oldest = view.oldest_state();
    // Blocks and receipts are kept for ever, states for a window of blocks.
    let all = ResourceJson { disabled: false, oldest_block: Quantity(0), delete_strategy: None };
    let state = ResourceJson {
        disabled: false,
        oldest_block: Quantity(oldest),
        delete_strategy: (oldest > 0).then(|| DeleteStrategyJson {
            r#type: "window",
            retention_blocks: Quantity((view.head().block.header.number + 1).saturating_sub(oldest)),
        }),
    };
    Ok(CapabilitiesJson {
        head,
        stateproofs: state.clone(),
        state,
        tx: all.clone(),
        logs: all.clone(),
        receipts: all.clone(),
        blocks: all,
    })
}
