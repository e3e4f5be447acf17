//! The subcommands, a file each.

pub mod bench;
pub mod bench_market;
pub mod bench_root;
pub mod bench_rpc;
pub mod blocktest;
pub mod completions;
pub mod db;
pub mod dev;
pub mod disasm;
pub mod execute;
pub mod export;
pub mod import;
pub mod init;
pub mod market;
pub mod market_operate;
pub mod market_show;
pub mod market_simulate;
pub mod node;
pub mod statetest;
pub mod t8n;
pub mod trace;
mod vectors;

use crate::CliError;
use rialto_node::Node;
use serde_json::{Value, json};

/// Where a chain is, as an object.
fn chain_summary(node: &Node) -> Result<Value, CliError> {
    let view = node.view()?;
    let head = view.head();
    Ok(json!({
        "chain_id": node.spec().chain_id,
        "head": { "number": head.block.header.number, "hash": head.hash, "state_root": head.block.header.state_root },
    }))
}
