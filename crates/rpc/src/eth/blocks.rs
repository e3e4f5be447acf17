//! `eth` methods about blocks: blocks, headers, ommers, counts and receipts of blocks.

use crate::json::{BlockJson, BlockRef, HeaderJson, Params, Quantity, ReceiptJson};
use crate::methods::{Module, Registered, heavy, light};
use crate::simulation::resolve_block;
use crate::{RpcContext, RpcError};
use alloy_primitives::B256;
use rialto_node::{BlockId, ChainBlock, ChainView};
use std::sync::Arc;

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    light(module, "eth_blockNumber", |_, context| Ok(Quantity(context.view()?.head().block.header.number)))?;
    light(module, "eth_getBlockByHash", |params, context| block(params, context, by_hash(params)?))?;
    light(module, "eth_getBlockByNumber", |params, context| block(params, context, by_number(params)?))?;
    light(module, "eth_getHeaderByHash", |params, context| header(context, by_hash(params)?))?;
    light(module, "eth_getHeaderByNumber", |params, context| header(context, by_number(params)?))?;
    light(module, "eth_getBlockTransactionCountByHash", |params, context| {
        count(context, by_hash(params)?, |block| block.block.transactions.len())
    })?;
    light(module, "eth_getBlockTransactionCountByNumber", |params, context| {
        count(context, by_number(params)?, |block| block.block.transactions.len())
    })?;
    light(module, "eth_getUncleCountByBlockHash", |params, context| {
        count(context, by_hash(params)?, |block| block.block.ommers.len())
    })?;
    light(module, "eth_getUncleCountByBlockNumber", |params, context| {
        count(context, by_number(params)?, |block| block.block.ommers.len())
    })?;
    light(module, "eth_getUncleByBlockHashAndIndex", |params, context| ommer(params, context, by_hash(params)?))?;
    light(module, "eth_getUncleByBlockNumberAndIndex", |params, context| ommer(params, context, by_number(params)?))?;
    heavy(module, "eth_getBlockReceipts", receipts)
}

/// The first parameter as a block's hash.
pub(super) fn by_hash(params: &Params) -> Result<BlockRef, RpcError> {
    let hash: B256 = params.required(0, "blockHash")?;
    Ok(BlockRef::Hash { hash, require_canonical: false })
}

/// The first parameter as a block's number or tag.
pub(super) fn by_number(params: &Params) -> Result<BlockRef, RpcError> {
    match params.required(0, "blockNumber")? {
        BlockRef::Hash { hash, .. } => Err(RpcError::invalid_params("blockNumber", "a block number or tag", hash)),
        block => Ok(block),
    }
}

/// The block, `None` where there is none; an error where none is safe or finalized yet.
pub(super) fn find(
    context: &RpcContext,
    view: &ChainView,
    block: BlockRef,
) -> Result<Option<Arc<ChainBlock>>, RpcError> {
    match (resolve_block(context, view, block)?, block) {
        (None, BlockRef::Id(BlockId::Safe)) => Err(RpcError::server("safe block not found")),
        (None, BlockRef::Id(BlockId::Finalized)) => Err(RpcError::server("finalized block not found")),
        (found, _) => Ok(found),
    }
}

fn block(params: &Params, context: &Arc<RpcContext>, block: BlockRef) -> Result<Option<BlockJson>, RpcError> {
    let has_whole_transactions = params.optional(1, "hydratedTransactions")?.unwrap_or(false);
    let found = find(context, &context.view()?, block)?.map(|found| BlockJson::new(&found, has_whole_transactions));
    Ok(if block == BlockRef::Pending { found.map(BlockJson::into_pending) } else { found })
}

fn header(context: &Arc<RpcContext>, block: BlockRef) -> Result<Option<HeaderJson>, RpcError> {
    let found = find(context, &context.view()?, block)?.map(|found| HeaderJson::new(&found.block.header, found.hash));
    Ok(if block == BlockRef::Pending { found.map(HeaderJson::into_pending) } else { found })
}

fn count(
    context: &Arc<RpcContext>,
    block: BlockRef,
    count: fn(&ChainBlock) -> usize,
) -> Result<Option<Quantity>, RpcError> {
    Ok(find(context, &context.view()?, block)?.map(|block| Quantity(count(&block) as u64)))
}

fn ommer(params: &Params, context: &Arc<RpcContext>, block: BlockRef) -> Result<Option<BlockJson>, RpcError> {
    let index: u64 = params.required(1, "uncleIndex")?;
    let Some(block) = find(context, &context.view()?, block)? else { return Ok(None) };
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    Ok(block.block.ommers.get(index).map(BlockJson::ommer))
}

fn receipts(params: &Params, context: &Arc<RpcContext>) -> Result<Option<Vec<ReceiptJson>>, RpcError> {
    let block: BlockRef = params.required(0, "block")?;
    let spec = context.node.spec();
    if block == BlockRef::Pending {
        let built = context.node.pending()?;
        return Ok(Some(ReceiptJson::all(spec, &built.block, &built.receipts)));
    }
    let view = context.view()?;
    let Some(block) = find(context, &view, block)? else { return Ok(None) };
    if block.block.transactions.is_empty() {
        return Ok(Some(Vec::new()));
    }
    let receipts = view.receipts(&block)?;
    Ok(receipts.map(|receipts| ReceiptJson::all(spec, &block, &receipts)))
}
