//! The `ots` namespace: what the Otterscan explorer asks beyond `eth`.
//!
//! There is no index of addresses behind it: what is asked about an address is searched in blocks, so many at most, or by halves in
//! the states that are kept.

mod collect;
mod search;

use crate::debug::trace_at;
use crate::json::{BlockJson, BlockRef, Loose, Params, ReceiptJson};
use crate::methods::{Module, Registered, heavy, light};
use crate::simulation::{Base, resolve_block};
use crate::tracers::{Bounds, Collector};
use crate::{RpcContext, RpcError};
use alloy_primitives::{Address, B256, U256};
use collect::{EntryTracer, OperationTracer, OutputTracer};
use rialto_node::{BlockId, ChainBlock, ChainView};
use rialto_state::StateReader;
use rialto_stf::Receipt;
use serde_json::{Map, Value, json, value::RawValue};
use std::sync::Arc;
use std::time::Instant;

/// The version of the interface.
const API_LEVEL: u64 = 8;
/// Most transactions of a page.
const MAX_PAGE: usize = 100;

/// Registers the namespace's methods.
pub(crate) fn register(module: &mut Module) -> Registered {
    light(module, "ots_getApiLevel", |_params, _context| Ok(API_LEVEL))?;
    heavy(module, "ots_hasCode", |params, context| {
        let address: Address = params.required(0, "address")?;
        let block = params.optional(1, "block")?.unwrap_or(BlockRef::LATEST);
        let base = Base::of(context, &context.view()?, block)?;
        Ok(base.state.account(&address)?.is_some_and(|account| account.has_code()))
    })?;
    heavy(module, "ots_getInternalOperations", |params, context| {
        trace(context, params, Box::new(OperationTracer::default()))
    })?;
    heavy(module, "ots_traceTransaction", |params, context| trace(context, params, Box::new(EntryTracer::default())))?;
    heavy(module, "ots_getTransactionError", |params, context| {
        trace(context, params, Box::new(OutputTracer::default()))
    })?;
    heavy(module, "ots_getBlockDetails", |params, context| {
        let Loose(number) = params.required(0, "number")?;
        details(context, BlockRef::Id(BlockId::Number(number.saturating_to())))
    })?;
    heavy(module, "ots_getBlockDetailsByHash", |params, context| {
        let hash = params.required(0, "hash")?;
        details(context, BlockRef::Hash { hash, require_canonical: false })
    })?;
    heavy(module, "ots_getBlockTransactions", block_transactions)?;
    search::register(module)
}

fn trace(
    context: &RpcContext,
    params: &Params,
    collector: Box<dyn Collector>,
) -> Result<Option<Box<RawValue>>, RpcError> {
    let hash: B256 = params.required(0, "hash")?;
    let view = context.view()?;
    let Some(place) = view.transaction(&hash)? else { return Ok(None) };
    trace_at(context, &view, place, collector, bounds(context)).map(Some)
}

/// What a trace may take.
fn bounds(context: &RpcContext) -> Bounds {
    Bounds { deadline: Instant::now() + context.limits.call_timeout, max_bytes: context.limits.max_trace_bytes }
}

/// A block with its receipts.
type BlockAndReceipts = (Arc<ChainBlock>, Arc<Vec<Receipt>>);

/// A block with its receipts, `None` where there is no such block.
fn block_and_receipts(
    context: &RpcContext,
    view: &ChainView,
    block: BlockRef,
) -> Result<Option<BlockAndReceipts>, RpcError> {
    let Some(block) = resolve_block(context, view, block)? else { return Ok(None) };
    let receipts = view.receipts(&block)?.unwrap_or_default();
    Ok(Some((block, receipts)))
}

/// A block's JSON with the number of its transactions and without what explorers don't show.
fn block_json(block: &ChainBlock, with_transactions: bool) -> Result<Map<String, Value>, RpcError> {
    match serde_json::to_value(BlockJson::new(block, with_transactions)) {
        Ok(Value::Object(mut json)) => {
            let count = block.block.transactions.len();
            json.insert("transactionCount".into(), count.into());
            json.insert("logsBloom".into(), Value::Null);
            Ok(json)
        }
        Ok(_) => Err(RpcError::internal("block: expected an object")),
        Err(error) => Err(RpcError::internal(error.to_string())),
    }
}

fn details(context: &RpcContext, block: BlockRef) -> Result<Value, RpcError> {
    let view = context.view()?;
    let Some((block, receipts)) = block_and_receipts(context, &view, block)? else { return Ok(Value::Null) };
    let mut json = block_json(&block, false)?;
    json.remove("transactions");
    let header = &block.block.header;
    let rules = context.node.spec().rules_at(header.number, header.timestamp);
    let ommers = block.block.ommers.len();
    let ommer_reward: U256 = block
        .block
        .ommers
        .iter()
        .map(|ommer| rules.block_reward * U256::from(8 - (header.number - ommer.number).min(8)) / U256::from(8))
        .fold(U256::ZERO, |sum, reward| sum + reward);
    let block_reward = rules.block_reward + rules.block_reward / U256::from(32) * U256::from(ommers);
    Ok(json!({
        "block": json,
        "issuance": {
            "blockReward": block_reward,
            "uncleReward": ommer_reward,
            "issuance": block_reward + ommer_reward,
        },
        "totalFees": total_fees(&block, &receipts),
    }))
}

/// What the transactions of a block paid for gas, wei.
fn total_fees(block: &ChainBlock, receipts: &[Receipt]) -> U256 {
    let mut before = 0;
    let mut fees = U256::ZERO;
    for (transaction, receipt) in block.block.transactions.iter().zip(receipts) {
        let price = crate::json::effective_gas_price(transaction, block.block.header.base_fee_per_gas);
        fees += price * U256::from(receipt.cumulative_gas_used.saturating_sub(before));
        before = receipt.cumulative_gas_used;
    }
    fees
}

/// A page of a block's transactions, the newest first, with receipts that lack their logs.
fn block_transactions(params: &Params, context: &Arc<RpcContext>) -> Result<Value, RpcError> {
    let Loose(number) = params.required(0, "number")?;
    let Loose(page) = params.required(1, "page")?;
    let Loose(size) = params.required(2, "pageSize")?;
    let size: usize = size.saturating_to::<usize>().min(MAX_PAGE);
    let view = context.view()?;
    let block = BlockRef::Id(BlockId::Number(number.saturating_to()));
    let Some((block, receipts)) = block_and_receipts(context, &view, block)? else { return Ok(Value::Null) };
    let mut json = block_json(&block, true)?;
    let count = block.block.transactions.len();
    let end = count.saturating_sub(page.saturating_to::<usize>().saturating_mul(size));
    let range = end.saturating_sub(size)..end;
    if let Some(Value::Array(transactions)) = json.get_mut("transactions") {
        *transactions = transactions.drain(range.clone()).collect();
        for transaction in transactions {
            shorten_input(transaction);
        }
    }
    let spec = context.node.spec();
    let page: Vec<Value> = range.filter_map(|index| receipt_json(spec, &block, &receipts, index)).collect();
    Ok(json!({ "fullblock": json, "receipts": page }))
}

/// Of the call data, an explorer's list shows the selector only.
fn shorten_input(transaction: &mut Value) {
    if let Some(Value::String(input)) = transaction.get_mut("input") {
        input.truncate(10);
    }
}

fn receipt_json(spec: &rialto_stf::ChainSpec, block: &ChainBlock, receipts: &[Receipt], index: usize) -> Option<Value> {
    let mut json = serde_json::to_value(ReceiptJson::new(spec, block, receipts, index)?).ok()?;
    json["logs"] = Value::Null;
    json["logsBloom"] = Value::Null;
    json["timestamp"] = block.block.header.timestamp.into();
    Some(json)
}
