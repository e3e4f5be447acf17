//! Blocks, headers, transactions and receipts as bytes.

use crate::RpcError;
use crate::json::BlockRef;
use crate::methods::{Module, Registered, heavy};
use crate::simulation::{resolve_block, resolve_header};
use alloy_primitives::{B256, Bytes};
use rialto_stf::Receipt;
use serde_json::{Value, json};

/// Registers the methods of this file.
pub(super) fn register(module: &mut Module) -> Registered {
    heavy(module, "debug_getRawHeader", |params, context| {
        let block: BlockRef = params.required(0, "block")?;
        let header = resolve_header(context, &context.view()?, block)?.ok_or_else(RpcError::unknown_block)?;
        Ok(Bytes::from(header.encode()))
    })?;
    heavy(module, "debug_getRawBlock", |params, context| {
        let block: BlockRef = params.required(0, "block")?;
        let block = resolve_block(context, &context.view()?, block)?.ok_or_else(RpcError::unknown_block)?;
        Ok(Bytes::from(block.block.encode()))
    })?;
    heavy(module, "debug_getRawReceipts", |params, context| {
        let block: BlockRef = params.required(0, "block")?;
        if block == BlockRef::Pending {
            let pending = context.node.pending()?;
            return Ok(encoded(&pending.receipts));
        }
        let view = context.view()?;
        let block = resolve_block(context, &view, block)?.ok_or_else(RpcError::unknown_block)?;
        if block.block.transactions.is_empty() {
            return Ok(Vec::new());
        }
        let missing = || RpcError::server(format!("receipts of block {}: expected, found none", block.hash));
        Ok(encoded(&view.receipts(&block)?.ok_or_else(missing)?))
    })?;
    heavy(module, "debug_getRawTransaction", |params, context| {
        let hash: B256 = params.required(0, "hash")?;
        let view = context.view()?;
        let found = match view.transaction(&hash)? {
            Some(place) => Some(place.block.block.transactions[place.index].encode()),
            None => context.node.pool().get(&hash).map(|pooled| pooled.transaction.encode()),
        };
        Ok(found.map(Bytes::from))
    })?;
    heavy(module, "debug_getBadBlocks", |_params, _context| Ok(json!([])))?;
    heavy(module, "debug_printBlock", |params, context| {
        let crate::json::Loose(number) = params.required(0, "number")?;
        let number =
            u64::try_from(number).map_err(|_| RpcError::invalid_params("number", "at most 64 bits", number))?;
        let id = BlockRef::Id(rialto_node::BlockId::Number(number));
        let block = resolve_block(context, &context.view()?, id)?.ok_or_else(RpcError::unknown_block)?;
        Ok(Value::String(format!("{:#?}", block.block)))
    })
}

fn encoded(receipts: &[Receipt]) -> Vec<Bytes> {
    receipts.iter().map(|receipt| Bytes::from(receipt.encode())).collect()
}
