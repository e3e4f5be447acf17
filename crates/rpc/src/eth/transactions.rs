//! `eth` methods about transactions and their receipts.

use super::blocks::{by_hash, by_number, find, on_block};
use super::state::state_of;
use crate::json::{BlockRef, Params, ReceiptJson, TransactionJson};
use crate::methods::{Module, Registered, heavy, light};
use crate::{RpcContext, RpcError};
use alloy_primitives::{Address, B256, Bytes};
use rialto_node::{BlockId, ChainView};
use rialto_state::StateReader;
use std::sync::Arc;

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    light(module, "eth_getTransactionByHash", by_transaction_hash)?;
    on_block(module, "eth_getTransactionByBlockHashAndIndex", by_hash, transaction_at)?;
    on_block(module, "eth_getTransactionByBlockNumberAndIndex", by_number, transaction_at)?;
    light(module, "eth_getRawTransactionByHash", raw_by_transaction_hash)?;
    on_block(module, "eth_getRawTransactionByBlockHashAndIndex", by_hash, raw_transaction_at)?;
    on_block(module, "eth_getRawTransactionByBlockNumberAndIndex", by_number, raw_transaction_at)?;
    light(module, "eth_getTransactionReceipt", |params, context| {
        receipt_of(context, &context.view()?, &params.required(0, "transactionHash")?)
    })?;
    heavy(module, "eth_getTransactionBySenderAndNonce", by_sender_and_nonce)
}

fn by_transaction_hash(params: &Params, context: &Arc<RpcContext>) -> Result<Option<TransactionJson>, RpcError> {
    let hash: B256 = params.required(0, "transactionHash")?;
    match context.view()?.transaction(&hash)? {
        Some(found) => Ok(TransactionJson::in_block(&found.block, found.index)),
        None => Ok(context.node.pool().get(&hash).map(|transaction| TransactionJson::pending(&transaction))),
    }
}

fn raw_by_transaction_hash(params: &Params, context: &Arc<RpcContext>) -> Result<Option<Bytes>, RpcError> {
    let hash: B256 = params.required(0, "transactionHash")?;
    match context.view()?.transaction(&hash)? {
        Some(found) => Ok(raw_at(&found.block, found.index)),
        None => Ok(context.node.pool().get(&hash).map(|transaction| transaction.transaction.encode().into())),
    }
}

fn raw_at(block: &rialto_node::ChainBlock, index: usize) -> Option<Bytes> {
    block.block.transactions.get(index).map(|transaction| transaction.encode().into())
}

fn transaction_at(
    params: &Params,
    context: &Arc<RpcContext>,
    block: BlockRef,
) -> Result<Option<TransactionJson>, RpcError> {
    at(params, context, block, TransactionJson::in_block)
}

fn raw_transaction_at(params: &Params, context: &Arc<RpcContext>, block: BlockRef) -> Result<Option<Bytes>, RpcError> {
    at(params, context, block, raw_at)
}

/// What `answer` says of the transaction at the position that the second parameter names.
fn at<R>(
    params: &Params,
    context: &Arc<RpcContext>,
    block: BlockRef,
    answer: impl Fn(&rialto_node::ChainBlock, usize) -> Option<R>,
) -> Result<Option<R>, RpcError> {
    let index: u64 = params.required(1, "transactionIndex")?;
    let index = usize::try_from(index).unwrap_or(usize::MAX);
    Ok(find(context, &context.view()?, block)?.and_then(|block| answer(&block, index)))
}

/// The receipt of a canonical transaction.
pub(super) fn receipt_of(context: &RpcContext, view: &ChainView, hash: &B256) -> Result<Option<ReceiptJson>, RpcError> {
    let Some(found) = view.transaction(hash)? else { return Ok(None) };
    let Some(receipts) = view.receipts(&found.block)? else { return Ok(None) };
    Ok(ReceiptJson::new(context.node.spec(), &found.block, &receipts, found.index))
}

/// The transaction by which a sender used a nonce: the one in the block after which the account's nonce is above it, found by
/// halving the blocks whose states are there.
fn by_sender_and_nonce(params: &Params, context: &Arc<RpcContext>) -> Result<Option<TransactionJson>, RpcError> {
    let sender: Address = params.required(0, "sender")?;
    let nonce: u64 = params.required(1, "nonce")?;
    let view = context.view()?;
    let is_used_after = |number: u64| {
        let state = state_of(&view, BlockRef::Id(BlockId::Number(number)))?;
        Ok::<_, RpcError>(state.account(&sender)?.is_some_and(|account| account.nonce > nonce))
    };
    let (mut unused, mut used) = (view.oldest_state(), view.head().block.header.number);
    if !is_used_after(used)? {
        let content = context.node.pool().content_of(&sender);
        let found = [content.pending, content.queued]
            .into_iter()
            .find_map(|mut list| list.get_mut(&sender).and_then(|transactions| transactions.remove(&nonce)));
        return Ok(found.map(|transaction| TransactionJson::pending(&transaction)));
    }
    if is_used_after(unused)? {
        return Ok(None);
    }
    while used - unused > 1 {
        let middle = unused + (used - unused) / 2;
        if is_used_after(middle)? { used = middle } else { unused = middle }
    }
    let Some(block) = view.block(BlockId::Number(used))? else { return Ok(None) };
    let matches = |index: &usize| block.senders[*index] == sender && block.block.transactions[*index].nonce == nonce;
    let index = (0..block.senders.len().min(block.block.transactions.len())).find(matches);
    Ok(index.and_then(|index| TransactionJson::in_block(&block, index)))
}
