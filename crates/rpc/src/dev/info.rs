//! What tools ask about the node itself, and settings that this node does not have.

use super::Call;
use crate::RpcError;
use rialto_node::{BlockId, MiningMode};
use serde_json::{Map, Value, json};

/// `nodeInfo()`
pub(super) fn node_info(call: &Call<'_>) -> Result<Value, RpcError> {
    let view = call.context.view()?;
    let head = view.head();
    let header = &head.block.header;
    let base_fee = header.base_fee_per_gas.unwrap_or(0);
    Ok(json!({
        "currentBlockNumber": format!("{:#x}", header.number),
        "currentBlockTimestamp": header.timestamp,
        "currentBlockHash": head.hash,
        "hardFork": call.context.node.spec().fork_at(header.number, header.timestamp).name().to_lowercase(),
        "transactionOrder": "fees",
        "environment": {
            "baseFee": format!("{base_fee:#x}"),
            "chainId": call.context.chain_id,
            "gasLimit": format!("{:#x}", header.gas_limit),
            "gasPrice": format!("{base_fee:#x}"),
        },
        "forkConfig": { "forkUrl": null, "forkBlockNumber": null, "forkRetryBackoff": null },
    }))
}

/// `metadata()`
pub(super) fn metadata(call: &Call<'_>) -> Result<Value, RpcError> {
    let view = call.context.view()?;
    let genesis = view.hash(BlockId::Earliest)?;
    let snapshots: Map<String, Value> = call
        .miner()
        .snapshots()
        .into_iter()
        .map(|(id, number, hash)| (format!("{id:#x}"), json!({ "blockNumber": number, "blockHash": hash })))
        .collect();
    Ok(json!({
        "clientVersion": call.context.client_version,
        "chainId": call.context.chain_id,
        "instanceId": call.dev.instance_id,
        "latestBlockNumber": view.head().block.header.number,
        "latestBlockHash": view.head().hash,
        "genesisHash": genesis,
        "automine": call.miner().mode() == MiningMode::Instant,
        "snapshots": snapshots,
    }))
}

/// `setLoggingEnabled(enabled)`: the log is the command line's affair.
pub(super) fn set_logging_enabled(call: &Call<'_>) -> Result<Value, RpcError> {
    call.params.required::<bool>(0, "enabled")?;
    Ok(Value::Null)
}

/// `setMinGasPrice(wei)`: there is a base fee instead.
pub(super) fn set_min_gas_price(_call: &Call<'_>) -> Result<Value, RpcError> {
    Err(RpcError::server("setMinGasPrice: expected a chain without base fees (EIP-1559), found one with"))
}

/// `setChainId(id)`: it is in the chain's genesis.
pub(super) fn set_chain_id(call: &Call<'_>) -> Result<Value, RpcError> {
    let id = call.number(0, "chainId")?;
    if id == call.context.chain_id {
        return Ok(Value::Null);
    }
    Err(RpcError::server(format!(
        "setChainId: expected {}, the id of the chain in the database, found {id}",
        call.context.chain_id
    )))
}
