//! `eth` methods about blocks: blocks, headers, ommers, counts and receipts of blocks.

use crate::json::{BlockJson, BlockRef, HeaderJson, Params, Quantity, ReceiptJson};
use crate::methods::{Module, Registered, heavy, light, run_heavy};
use crate::simulation::resolve_block;
use crate::{RpcContext, RpcError};
use alloy_primitives::B256;
use rialto_node::{BlockId, ChainBlock, ChainView};
use serde::Serialize;
use serde_json::{Value, value::to_raw_value};
use std::sync::Arc;

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    light(module, "eth_blockNumber", |_, context| Ok(Quantity(context.view()?.head().block.header.number)))?;
    on_block(module, "eth_getBlockByHash", by_hash, block)?;
    on_block(module, "eth_getBlockByNumber", by_number, block)?;
    on_block(module, "eth_getHeaderByHash", by_hash, header)?;
    on_block(module, "eth_getHeaderByNumber", by_number, header)?;
    on_block(module, "eth_getBlockTransactionCountByHash", by_hash, transaction_count)?;
    on_block(module, "eth_getBlockTransactionCountByNumber", by_number, transaction_count)?;
    on_block(module, "eth_getUncleCountByBlockHash", by_hash, ommer_count)?;
    on_block(module, "eth_getUncleCountByBlockNumber", by_number, ommer_count)?;
    on_block(module, "eth_getUncleByBlockHashAndIndex", by_hash, ommer)?;
    on_block(module, "eth_getUncleByBlockNumberAndIndex", by_number, ommer)?;
    heavy(module, "eth_getBlockReceipts", receipts)
}

/// Registers a method about the block that `pick` reads from the parameters. It is answered at once, unless the block has to be
/// built first or is wanted with all its transactions.
pub(super) fn on_block<R: Serialize + Send + 'static>(
    module: &mut Module,
    name: &'static str,
    pick: fn(&Params) -> Result<BlockRef, RpcError>,
    answer: fn(&Params, &Arc<RpcContext>, BlockRef) -> Result<R, RpcError>,
) -> Registered {
    let method = move |params: jsonrpsee::types::Params<'static>, context: Arc<Arc<RpcContext>>, _| async move {
        let params = Params::parse(params.as_str())?;
        let block = pick(&params)?;
        let is_long = block == BlockRef::Pending || params.get(1) == Some(&Value::Bool(true));
        let work = move |context: &Arc<RpcContext>| {
            let answer = answer(&params, context, block)?;
            to_raw_value(&answer).map_err(|error| RpcError::internal(error.to_string()))
        };
        if is_long { run_heavy(Arc::clone(&*context), work).await } else { work(&context) }
    };
    module.register_async_method(name, method).map(drop)
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

fn header(_: &Params, context: &Arc<RpcContext>, block: BlockRef) -> Result<Option<HeaderJson>, RpcError> {
    let found = find(context, &context.view()?, block)?.map(|found| HeaderJson::new(&found.block.header, found.hash));
    Ok(if block == BlockRef::Pending { found.map(HeaderJson::into_pending) } else { found })
}

fn transaction_count(_: &Params, context: &Arc<RpcContext>, block: BlockRef) -> Result<Option<Quantity>, RpcError> {
    let block = find(context, &context.view()?, block)?;
    Ok(block.map(|block| Quantity(block.block.transactions.len() as u64)))
}

fn ommer_count(_: &Params, context: &Arc<RpcContext>, block: BlockRef) -> Result<Option<Quantity>, RpcError> {
    let block = find(context, &context.view()?, block)?;
    Ok(block.map(|block| Quantity(block.block.ommers.len() as u64)))
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
