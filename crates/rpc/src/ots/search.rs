//! What is asked about an address.

use super::collect::CreatorTracer;
use super::{MAX_PAGE, block_and_receipts, bounds, receipt_json, trace_at};
use crate::json::{BlockRef, Loose, Params, TransactionJson};
use crate::methods::{Module, Registered, heavy};
use crate::{RpcContext, RpcError};
use alloy_primitives::{Address, B256};
use rialto_node::{BlockId, ChainBlock, ChainView, StateView, TransactionInBlock};
use rialto_state::StateReader;
use rialto_stf::Receipt;
use serde_json::{Value, json};
use std::sync::Arc;

/// Most blocks that one search looks through.
const MAX_SEARCHED_BLOCKS: u64 = 10_000;

/// Registers the methods of this file.
pub(super) fn register(module: &mut Module) -> Registered {
    heavy(module, "ots_getTransactionBySenderAndNonce", |params, context| {
        let sender: Address = params.required(0, "sender")?;
        let Loose(nonce) = params.required(1, "nonce")?;
        let nonce: u64 = nonce.saturating_to();
        let view = context.view()?;
        let has_sent = |state: &StateView| {
            state.account(&sender).map(|account| account.is_some_and(|account| account.nonce > nonce))
        };
        let Some(block) = first_block(&view, &has_sent)? else { return Ok(None) };
        let is_it = |index: &usize| block.senders[*index] == sender && block.block.transactions[*index].nonce == nonce;
        Ok((0..block.senders.len()).find(is_it).map(|index| block.transaction_hashes[index]))
    })?;
    heavy(module, "ots_getContractCreator", |params, context| {
        let contract: Address = params.required(0, "address")?;
        contract_creator(context, contract)
    })?;
    heavy(module, "ots_searchTransactionsBefore", |params, context| search(params, context, false))?;
    heavy(module, "ots_searchTransactionsAfter", |params, context| search(params, context, true))
}

/// The first block after which `holds`, which then holds for ever; `None` if it does not hold yet, or did before the states that
/// are kept.
fn first_block(
    view: &ChainView,
    holds: &dyn Fn(&StateView) -> Result<bool, rialto_state::ReadError>,
) -> Result<Option<Arc<ChainBlock>>, RpcError> {
    let holds_after = |number: u64| -> Result<bool, RpcError> {
        let state = view.state(BlockId::Number(number))?.ok_or_else(RpcError::unknown_block)?;
        Ok(holds(&state)?)
    };
    let (mut low, mut high) = (view.oldest_state(), view.head().block.header.number);
    if !holds_after(high)? || holds_after(low)? {
        return Ok(None);
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if holds_after(middle)? { high = middle } else { low = middle }
    }
    Ok(view.block(BlockId::Number(high))?)
}

fn contract_creator(context: &RpcContext, contract: Address) -> Result<Value, RpcError> {
    let view = context.view()?;
    let has_code =
        |state: &StateView| state.account(&contract).map(|account| account.is_some_and(|account| account.has_code()));
    let Some(block) = first_block(&view, &has_code)? else { return Ok(Value::Null) };
    for index in 0..block.transaction_hashes.len() {
        let place = TransactionInBlock { block: Arc::clone(&block), index };
        let found = trace_at(context, &view, place, Box::new(CreatorTracer::new(contract)), bounds(context))?;
        let creator: Option<Address> =
            serde_json::from_str(found.get()).map_err(|error| RpcError::internal(error.to_string()))?;
        if let Some(creator) = creator {
            return Ok(json!({ "hash": block.transaction_hashes[index], "creator": creator }));
        }
    }
    Ok(Value::Null)
}

/// Whether a transaction has to do with an address: sent by it, to it, creating it, or with a log of it or about it.
fn concerns(block: &ChainBlock, receipts: &[Receipt], index: usize, address: &Address) -> bool {
    let transaction = &block.block.transactions[index];
    let sender = block.senders[index];
    let target = transaction.to.unwrap_or_else(|| sender.create(transaction.nonce));
    let topic: B256 = address.into_word();
    let mut logs = receipts.get(index).into_iter().flat_map(|receipt| &receipt.logs);
    sender == *address || target == *address || logs.any(|log| log.address == *address || log.topics.contains(&topic))
}

/// A page of an address's transactions, the newest first, from before or after a block; of whole blocks.
fn search(params: &Params, context: &Arc<RpcContext>, is_upward: bool) -> Result<Value, RpcError> {
    let address: Address = params.required(0, "address")?;
    let Loose(from) = params.required(1, "blockNumber")?;
    let Loose(size) = params.required(2, "pageSize")?;
    let (from, size) = (from.saturating_to::<u64>(), size.saturating_to::<usize>().min(MAX_PAGE));
    let view = context.view()?;
    let head = view.head().block.header.number;
    // Zero is before the first and after the last.
    let (mut next, mut left) = match (is_upward, from) {
        (true, from) => (from.saturating_add(u64::from(from > 0)), head.saturating_add(1).saturating_sub(from)),
        (false, 0) => (head, head + 1),
        (false, from) => (from.min(head + 1) - 1, from.min(head + 1)),
    };
    let mut found: Vec<(Value, Value)> = Vec::new();
    let mut looked = 0;
    while left > 0 && found.len() < size {
        if looked == MAX_SEARCHED_BLOCKS {
            return Err(RpcError::limit("blocks of the search", MAX_SEARCHED_BLOCKS, "more"));
        }
        looked += 1;
        let Some((block, receipts)) = block_and_receipts(context, &view, BlockRef::Id(BlockId::Number(next)))? else {
            break;
        };
        let indices = 0..block.block.transactions.len();
        let mut of_block: Vec<(Value, Value)> = indices
            .filter(|index| concerns(&block, &receipts, *index, &address))
            .filter_map(|index| {
                let transaction = serde_json::to_value(TransactionJson::in_block(&block, index)?).ok()?;
                Some((transaction, receipt_json(context.node.spec(), &block, &receipts, index)?))
            })
            .collect();
        if !is_upward {
            of_block.reverse();
        }
        found.append(&mut of_block);
        left -= 1;
        next = if is_upward { next.saturating_add(1) } else { next.saturating_sub(1) };
    }
    if is_upward {
        found.reverse();
    }
    let is_exhausted = left == 0;
    let (first, last) = if is_upward { (is_exhausted, from == 0) } else { (from == 0 || from > head, is_exhausted) };
    let (transactions, receipts): (Vec<Value>, Vec<Value>) = found.into_iter().unzip();
    Ok(json!({ "txs": transactions, "receipts": receipts, "firstPage": first, "lastPage": last }))
}
