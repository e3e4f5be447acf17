//! `debug_trace*`: transactions, blocks and calls, traced.

use crate::json::{BlockRef, Fields, FromJson, ParamError, Params};
use crate::methods::{Module, Registered, heavy};
use crate::simulation::{
    Base, BlockOverrides, CallArgs, CallEnvironment, Overlay, Replay, StateOverrides, rejection_text, resolve_block,
};
use crate::tracers::{Bounds, Collector, Shared, TraceConfig, TracedTransaction};
use crate::{RpcContext, RpcError};
use alloy_primitives::{B256, Bytes, U256};
use rialto_node::{ChainBlock, ChainView, TransactionInBlock};
use rialto_stf::{Block, BlockExecutor, TxError, recover_sender};
use serde::Serialize;
use serde_json::{Value, value::RawValue};
use std::sync::Arc;
use std::time::Instant;

/// Registers the methods of this file.
pub(super) fn register(module: &mut Module) -> Registered {
    heavy(module, "debug_traceTransaction", |params, context| {
        let hash: B256 = params.required(0, "hash")?;
        let config: TraceConfig = params.optional(1, "config")?.unwrap_or_default();
        trace_transaction(context, &hash, &config)
    })?;
    heavy(module, "debug_traceBlockByNumber", |params, context| {
        let block: BlockRef = params.required(0, "number")?;
        trace_known_block(context, params, block)
    })?;
    heavy(module, "debug_traceBlockByHash", |params, context| {
        let hash: B256 = params.required(0, "hash")?;
        trace_known_block(context, params, BlockRef::Hash { hash, require_canonical: false })
    })?;
    heavy(module, "debug_traceBlock", |params, context| {
        let bytes: Bytes = params.required(0, "block")?;
        let config: TraceConfig = params.optional(1, "config")?.unwrap_or_default();
        let view = context.view()?;
        let block = decode_block(context, &bytes)?;
        trace_block(context, &view, Arc::new(block), &config)
    })?;
    heavy(module, "debug_traceCall", |params, context| {
        let args: CallArgs = params.required(0, "transaction")?;
        let block = params.optional(1, "block")?.unwrap_or(BlockRef::LATEST);
        let config: TraceCallConfig = params.optional(2, "config")?.unwrap_or_default();
        trace_call(context, &args, block, &config)
    })
}

/// The trace of one transaction of a block.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlockEntry {
    tx_hash: B256,
    result: Box<RawValue>,
}

fn trace_known_block(context: &RpcContext, params: &Params, block: BlockRef) -> Result<Vec<BlockEntry>, RpcError> {
    let config: TraceConfig = params.optional(1, "config")?.unwrap_or_default();
    let view = context.view()?;
    let found = resolve_block(context, &view, block)?.ok_or_else(|| {
        let name = match block {
            BlockRef::Hash { hash, .. } => hash.to_string(),
            BlockRef::Id(rialto_node::BlockId::Number(number)) => format!("#{number}"),
            _ => "named".into(),
        };
        RpcError::server(format!("block {name} not found"))
    })?;
    trace_block(context, &view, found, &config)
}

/// A block that need not be known, with the senders that its signatures give.
fn decode_block(context: &RpcContext, bytes: &[u8]) -> Result<ChainBlock, RpcError> {
    let block = Block::decode(bytes).map_err(|error| RpcError::server(format!("could not decode block: {error}")))?;
    let spec = context.node.spec();
    let rules = spec.rules_at(block.header.number, block.header.timestamp);
    let sender = |transaction| recover_sender(transaction, rules, spec.chain_id);
    let senders = block.transactions.iter().map(sender).collect::<Result<Vec<_>, TxError>>();
    Ok(ChainBlock {
        hash: block.hash(),
        senders: senders.map_err(|error| RpcError::server(error.to_string()))?,
        transaction_hashes: block.transactions.iter().map(|transaction| transaction.hash()).collect(),
        total_difficulty: U256::ZERO,
        block,
    })
}

/// Runs and traces the next transaction of a replayed block.
fn trace_next(
    replay: &Replay,
    executor: &mut BlockExecutor<'_>,
    index: usize,
    logs_before: u64,
    shared: &Shared,
) -> Result<Box<RawValue>, RpcError> {
    let block = replay.block();
    let traced = TracedTransaction {
        transaction: &block.block.transactions[index],
        sender: block.senders[index],
        rules: executor.rules(),
        beneficiary: block.block.header.beneficiary,
        block_number: block.block.header.number,
        block_hash: Some(block.hash),
        hash: Some(replay.transaction_hash(index)),
        index: index as u64,
        logs_before,
    };
    executor.forget_module_caches();
    shared.begin(&traced, executor.state())?;
    let outcome = match replay.transaction(executor, index) {
        Ok(outcome) => outcome,
        Err(error) => return Err(shared.stopped().unwrap_or(error)),
    };
    shared.end(&outcome, executor.state())?;
    shared.finish()
}

fn trace_block(
    context: &RpcContext,
    view: &ChainView,
    block: Arc<ChainBlock>,
    config: &TraceConfig,
) -> Result<Vec<BlockEntry>, RpcError> {
    let replay = Replay::of(context, view, block)?;
    let deadline = deadline_of(context);
    let receipts = view.receipts(replay.block())?;
    let shared = Shared::default();
    let mut tracer = shared.clone();
    let mut executor = replay.begin(context.node.spec())?;
    executor.set_tracer(Some(&mut tracer));
    let mut room = context.limits.max_trace_bytes;
    let mut logs_before = 0;
    let count = replay.block().block.transactions.len();
    let mut entries = Vec::with_capacity(count);
    for index in 0..count {
        shared.set(config.collector()?, config.bounds(&context.limits, deadline, room));
        let result = trace_next(&replay, &mut executor, index, logs_before, &shared)?;
        room = room
            .checked_sub(result.get().len())
            .ok_or_else(|| RpcError::limit("bytes of the trace", context.limits.max_trace_bytes, "more"))?;
        let receipt = receipts.as_ref().and_then(|receipts| receipts.get(index));
        logs_before += receipt.map_or(0, |receipt| receipt.logs.len() as u64);
        entries.push(BlockEntry { tx_hash: replay.transaction_hash(index), result });
    }
    Ok(entries)
}

fn trace_transaction(context: &RpcContext, hash: &B256, config: &TraceConfig) -> Result<Box<RawValue>, RpcError> {
    let view = context.view()?;
    let place = view.transaction(hash)?.ok_or_else(|| RpcError::server("transaction not found"))?;
    let bounds = config.bounds(&context.limits, deadline_of(context), context.limits.max_trace_bytes);
    trace_at(context, &view, place, config.collector()?, bounds)
}

/// When a request that begins now has to be done.
fn deadline_of(context: &RpcContext) -> Instant {
    Instant::now() + context.limits.call_timeout
}

/// Traces one transaction of the chain.
pub(crate) fn trace_at(
    context: &RpcContext,
    view: &ChainView,
    place: TransactionInBlock,
    collector: Box<dyn Collector>,
    bounds: Bounds,
) -> Result<Box<RawValue>, RpcError> {
    let replay = Replay::of(context, view, place.block)?;
    let shared = Shared::default();
    let mut tracer = shared.clone();
    let mut executor = replay.begin_at(context.node.spec(), place.index)?;
    executor.set_tracer(Some(&mut tracer));
    let receipts = view.receipts(replay.block())?;
    let earlier = receipts.iter().flat_map(|receipts| receipts.iter().take(place.index));
    let logs_before = earlier.map(|receipt| receipt.logs.len() as u64).sum();
    shared.set(collector, bounds);
    trace_next(&replay, &mut executor, place.index, logs_before, &shared)
}

/// `debug_traceCall`'s configuration.
#[derive(Default)]
struct TraceCallConfig {
    trace: TraceConfig,
    state_overrides: Option<StateOverrides>,
    block_overrides: Option<BlockOverrides>,
    /// The call comes before this transaction of the block rather than after the block.
    tx_index: Option<u64>,
}

impl FromJson for TraceCallConfig {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        Ok(Self {
            trace: TraceConfig::from_json(value)?,
            state_overrides: fields.optional("stateOverrides")?,
            block_overrides: fields.optional("blockOverrides")?,
            tx_index: fields.optional("txIndex")?,
        })
    }
}

fn trace_call(
    context: &RpcContext,
    args: &CallArgs,
    block: BlockRef,
    config: &TraceCallConfig,
) -> Result<Box<RawValue>, RpcError> {
    if block == BlockRef::Pending {
        return Err(RpcError::server("tracing on top of pending is not supported"));
    }
    let view = context.view()?;
    let spec = context.node.spec();
    let base = Base::of(context, &view, block)?;
    let header = base.header.clone();
    let replay = match config.tx_index {
        None => None,
        Some(index) => Some((replay_for(context, &view, block, index)?, index as usize)),
    };
    let mut overlay = match &replay {
        None => Overlay::new(&base.state, header.number),
        Some((replay, index)) => replay.state_before(spec, *index)?,
    };
    // A call in the next block sees the hash of this one.
    overlay.set_block_hash(header.number, header.hash());
    let (state_overrides, block_overrides) = (config.state_overrides.as_ref(), config.block_overrides.as_ref());
    let environment = CallEnvironment::new(spec, header, overlay, state_overrides, block_overrides)?;
    trace_call_in(context, &environment, args, &config.trace)
}

/// The block to replay up to a transaction of it.
fn replay_for(context: &RpcContext, view: &ChainView, block: BlockRef, index: u64) -> Result<Replay, RpcError> {
    let block = resolve_block(context, view, block)?.ok_or_else(RpcError::unknown_block)?;
    if index >= block.block.transactions.len() as u64 {
        let message = format!("transaction index {index} out of range for block {}", block.hash);
        return Err(RpcError::server(message));
    }
    Replay::of(context, view, block)
}

fn trace_call_in(
    context: &RpcContext,
    environment: &CallEnvironment<'_>,
    args: &CallArgs,
    config: &TraceConfig,
) -> Result<Box<RawValue>, RpcError> {
    args.check(environment.spec.chain_id)?;
    let gas_cap = context.limits.call_gas_cap;
    let transaction = environment.transaction(args, args.gas.unwrap_or(gas_cap).min(gas_cap));
    let shared = Shared::default();
    let deadline = deadline_of(context);
    shared.set(config.collector()?, config.bounds(&context.limits, deadline, context.limits.max_trace_bytes));
    let mut tracer = shared.clone();
    let mut executor = environment.executor(args);
    executor.set_tracer(Some(&mut tracer));
    let traced = TracedTransaction {
        transaction: &transaction,
        sender: args.sender(),
        rules: environment.rules(),
        beneficiary: environment.header.beneficiary,
        block_number: environment.header.number,
        block_hash: None,
        hash: None,
        index: 0,
        logs_before: 0,
    };
    shared.begin(&traced, executor.state())?;
    let outcome = match executor.transaction(&transaction, args.sender()) {
        Ok(outcome) => outcome,
        Err(error) => {
            let failed = || RpcError::server(format!("tracing failed: {}", rejection_text(&error, args.sender())));
            return Err(shared.stopped().unwrap_or_else(failed));
        }
    };
    shared.end(&outcome, executor.state())?;
    shared.finish()
}
