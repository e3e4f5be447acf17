//! Blocks, time, snapshots and the pool.

use super::{Call, to_u64};
use crate::RpcError;
use crate::json::{BlockJson, Fields, Loose};
use alloy_primitives::{Address, B256};
use rialto_node::{MINE_BLOCKS_MAX, MiningMode, PoolTransaction};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// Most blocks of one `mine_detailed`, which answers with them.
const DETAILED_BLOCKS_MAX: u64 = 1_024;

/// `anvil_mine(blocks, interval)`, `hardhat_mine(blocks, interval)`
pub(super) fn mine(call: &Call<'_>) -> Result<Value, RpcError> {
    let count = call.optional_number(0, "blocks")?.unwrap_or(1);
    let interval = call.optional_number(1, "interval")?;
    call.miner().mine(count, interval)?;
    Ok(Value::Null)
}

/// How many blocks are to be mined, and when the first is to be.
struct MineOptions {
    blocks: u64,
    timestamp: Option<u64>,
}

/// A timestamp, or an object with `timestamp` and `blocks`, or nothing.
fn mine_options(call: &Call<'_>) -> Result<MineOptions, RpcError> {
    const NAME: &str = "options";
    let Some(value) = call.params.get(0).filter(|value| value.is_object()) else {
        return Ok(MineOptions { blocks: 1, timestamp: call.optional_number(0, "timestamp")? });
    };
    let fields = Fields::of(value).map_err(|error| error.into_rpc(NAME))?;
    let number = |name: &str| {
        let number = fields.optional::<Loose>(name).map_err(|error| error.into_rpc(NAME))?;
        number.map(|number| to_u64(number, name)).transpose()
    };
    Ok(MineOptions { blocks: number("blocks")?.unwrap_or(1), timestamp: number("timestamp")? })
}

/// `evm_mine(options)`
pub(super) fn evm_mine(call: &Call<'_>) -> Result<Value, RpcError> {
    let options = mine_options(call)?;
    if options.blocks > MINE_BLOCKS_MAX {
        return Err(RpcError::limit("blocks", MINE_BLOCKS_MAX, options.blocks));
    }
    mine_with(call, &options, |_| Ok(()))?;
    Ok(json!("0x0"))
}

/// `evm_mine_detailed(options)`
pub(super) fn mine_detailed(call: &Call<'_>) -> Result<Value, RpcError> {
    let options = mine_options(call)?;
    if options.blocks > DETAILED_BLOCKS_MAX {
        return Err(RpcError::limit("blocks", DETAILED_BLOCKS_MAX, options.blocks));
    }
    let mut blocks = Vec::new();
    mine_with(call, &options, |block| {
        let object = serde_json::to_value(BlockJson::new(block, true));
        blocks.push(object.map_err(|error| RpcError::internal(error.to_string()))?);
        Ok(())
    })?;
    Ok(Value::Array(blocks))
}

fn mine_with(
    call: &Call<'_>,
    options: &MineOptions,
    mut take: impl FnMut(&rialto_node::ChainBlock) -> Result<(), RpcError>,
) -> Result<(), RpcError> {
    for index in 0..options.blocks {
        let timestamp = options.timestamp.filter(|_| index == 0);
        take(&call.miner().mine_at(timestamp)?.block)?;
    }
    Ok(())
}

/// `setAutomine(enabled)`
pub(super) fn set_automine(call: &Call<'_>) -> Result<Value, RpcError> {
    let mode = call.miner().mode();
    match (call.params.required(0, "enabled")?, mode) {
        (true, _) => call.miner().set_mode(MiningMode::Instant),
        (false, MiningMode::Instant) => call.miner().set_mode(MiningMode::Manual),
        (false, _) => {}
    }
    Ok(Value::Null)
}

/// `getAutomine()`
pub(super) fn get_automine(call: &Call<'_>) -> Result<Value, RpcError> {
    Ok(json!(call.miner().mode() == MiningMode::Instant))
}

/// `setIntervalMining(seconds)`; 0 ends it.
pub(super) fn set_interval(call: &Call<'_>) -> Result<Value, RpcError> {
    let mode = match call.number(0, "seconds")? {
        0 => MiningMode::Manual,
        seconds => MiningMode::Interval(Duration::from_secs(seconds)),
    };
    call.miner().set_mode(mode);
    Ok(Value::Null)
}

/// `getIntervalMining()`
pub(super) fn get_interval(call: &Call<'_>) -> Result<Value, RpcError> {
    Ok(match call.miner().mode() {
        MiningMode::Interval(period) => json!(period.as_secs()),
        MiningMode::Instant | MiningMode::Manual => Value::Null,
    })
}

/// `increaseTime(seconds)`
pub(super) fn increase_time(call: &Call<'_>) -> Result<Value, RpcError> {
    Ok(json!(call.miner().increase_time(call.number(0, "seconds")?)))
}

/// `setTime(timestamp)`
pub(super) fn set_time(call: &Call<'_>) -> Result<Value, RpcError> {
    Ok(json!(call.miner().set_time(call.number(0, "timestamp")?)))
}

/// `setNextBlockTimestamp(timestamp)`
pub(super) fn set_next_timestamp(call: &Call<'_>) -> Result<Value, RpcError> {
    call.miner().set_next_timestamp(call.number(0, "timestamp")?)?;
    Ok(Value::Null)
}

/// `setBlockTimestampInterval(seconds)`
pub(super) fn set_timestamp_interval(call: &Call<'_>) -> Result<Value, RpcError> {
    let seconds = call.number(0, "seconds")?;
    if seconds == 0 {
        return Err(RpcError::invalid_params("seconds", "at least 1", 0));
    }
    call.miner().set_timestamp_interval(Some(seconds));
    Ok(Value::Null)
}

/// `removeBlockTimestampInterval()`
pub(super) fn remove_timestamp_interval(call: &Call<'_>) -> Result<Value, RpcError> {
    Ok(json!(call.miner().set_timestamp_interval(None)))
}

/// `setBlockGasLimit(gas)`
pub(super) fn set_gas_limit(call: &Call<'_>) -> Result<Value, RpcError> {
    call.miner().set_gas_limit(call.number(0, "gas")?);
    Ok(Value::Bool(true))
}

/// `setCoinbase(address)`
pub(super) fn set_coinbase(call: &Call<'_>) -> Result<Value, RpcError> {
    call.miner().set_fee_recipient(call.params.required(0, "address")?);
    Ok(Value::Null)
}

/// `setNextBlockBaseFeePerGas(wei)`
pub(super) fn set_next_base_fee(call: &Call<'_>) -> Result<Value, RpcError> {
    call.miner().set_next_base_fee(call.number(0, "baseFee")?);
    Ok(Value::Null)
}

/// `setPrevRandao(word)`
pub(super) fn set_prev_randao(call: &Call<'_>) -> Result<Value, RpcError> {
    let word: Loose = call.params.required(0, "prevRandao")?;
    call.miner().set_next_prev_randao(B256::from(word.0));
    Ok(Value::Bool(true))
}

/// `snapshot()`
pub(super) fn snapshot(call: &Call<'_>) -> Result<Value, RpcError> {
    Ok(json!(format!("{:#x}", call.miner().snapshot()?)))
}

/// `revert(id)`
pub(super) fn revert(call: &Call<'_>) -> Result<Value, RpcError> {
    let id = call.number(0, "id")?;
    Ok(json!(call.miner().revert(id)?))
}

/// `reset(options)`: to the genesis block. Options with a URL ask for a fork of another chain, which there is not; clients send
/// options without one, too.
pub(super) fn reset(call: &Call<'_>) -> Result<Value, RpcError> {
    let forking = call.params.get(0).and_then(|options| options.get("forking"));
    let url = forking.and_then(|forking| forking.get("jsonRpcUrl")).filter(|url| !url.is_null());
    if let Some(url) = url {
        return Err(RpcError::invalid_params(
            "forking.jsonRpcUrl",
            "none, since this node does not fork other chains",
            url,
        ));
    }
    call.miner().reset()?;
    Ok(Value::Bool(true))
}

/// `rollback(depth)`
pub(super) fn rollback(call: &Call<'_>) -> Result<Value, RpcError> {
    call.miner().rollback(call.optional_number(0, "depth")?.unwrap_or(1))?;
    Ok(Value::Null)
}

/// `reorg(depth, transactions)`: replaces the last blocks by as many others. Transactions are pairs of a raw transaction and the
/// index of its block.
pub(super) fn reorg(call: &Call<'_>) -> Result<Value, RpcError> {
    const NAME: &str = "transactions";
    // anvil takes an array of both as one parameter, too.
    let depth = call.number(0, "depth")?;
    if depth > MINE_BLOCKS_MAX {
        return Err(RpcError::limit("depth", MINE_BLOCKS_MAX, depth));
    }
    let mut blocks: Vec<Vec<Arc<PoolTransaction>>> = vec![Vec::new(); usize::try_from(depth).unwrap_or(0)];
    let pairs: Vec<Value> = call.params.optional(1, NAME)?.unwrap_or_default();
    let view = call.context.view()?;
    for pair in &pairs {
        let (Some(raw), Some(index)) = (pair.get(0), pair.get(1).and_then(Value::as_u64)) else {
            return Err(RpcError::invalid_params(NAME, "pairs of a raw transaction and a block's index", pair));
        };
        let raw: alloy_primitives::Bytes =
            crate::json::FromJson::from_json(raw).map_err(|error| error.into_rpc(NAME))?;
        let transaction = PoolTransaction::decode(&raw, call.context.node.spec(), &view.head().block.header)?;
        let block = usize::try_from(index).ok().and_then(|index| blocks.get_mut(index));
        let block = block.ok_or_else(|| RpcError::invalid_params(NAME, format!("indices below {depth}"), index))?;
        block.push(Arc::new(transaction));
    }
    call.miner().reorg(depth, blocks)?;
    Ok(Value::Null)
}

/// `dropTransaction(hash)`
pub(super) fn drop_transaction(call: &Call<'_>) -> Result<Value, RpcError> {
    let hash: B256 = call.params.required(0, "hash")?;
    let was_there = call.context.node.pool().remove(&hash);
    Ok(if was_there { json!(hash) } else { Value::Null })
}

/// `dropAllTransactions()`
pub(super) fn drop_all_transactions(call: &Call<'_>) -> Result<Value, RpcError> {
    call.context.node.pool().clear();
    Ok(Value::Null)
}

/// `removePoolTransactions(address)`
pub(super) fn remove_pool_transactions(call: &Call<'_>) -> Result<Value, RpcError> {
    let sender: Address = call.params.required(0, "address")?;
    let pool = call.context.node.pool();
    let content = pool.content();
    for by_sender in [&content.pending, &content.queued] {
        for transaction in by_sender.get(&sender).into_iter().flat_map(|by_nonce| by_nonce.values()) {
            pool.remove(&transaction.hash);
        }
    }
    Ok(Value::Null)
}
