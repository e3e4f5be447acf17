//! The `txpool` namespace: what waits for a block.

use crate::json::{Params, Quantity, TransactionJson};
use crate::methods::{Module, Registered, heavy, light};
use crate::{RpcContext, RpcError};
use alloy_primitives::Address;
use rialto_node::{PoolContent, PoolTransaction};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Registers the namespace's methods.
pub(crate) fn register(module: &mut Module) -> Registered {
    light(module, "txpool_status", |_, context: &Arc<RpcContext>| {
        let (pending, queued) = context.node.pool().status();
        Ok(Halves { pending: Quantity(pending as u64), queued: Quantity(queued as u64) })
    })?;
    heavy(module, "txpool_content", |_, context: &Arc<RpcContext>| {
        Ok(by_sender(&context.node.pool().content(), TransactionJson::pending))
    })?;
    heavy(module, "txpool_inspect", |_, context: &Arc<RpcContext>| {
        Ok(by_sender(&context.node.pool().content(), summary))
    })?;
    heavy(module, "txpool_contentFrom", content_from)
}

/// What could go into the next block, and what waits for something.
#[derive(Clone, Debug, Serialize)]
struct Halves<T> {
    pending: T,
    queued: T,
}

/// Transactions by nonce, in decimal.
type ByNonce<T> = BTreeMap<String, T>;

fn by_nonce<T>(transactions: &BTreeMap<u64, Arc<PoolTransaction>>, show: fn(&PoolTransaction) -> T) -> ByNonce<T> {
    transactions.iter().map(|(nonce, transaction)| (nonce.to_string(), show(transaction))).collect()
}

fn by_sender<T>(content: &PoolContent, show: fn(&PoolTransaction) -> T) -> Halves<BTreeMap<String, ByNonce<T>>> {
    let half = |half: &BTreeMap<Address, BTreeMap<u64, Arc<PoolTransaction>>>| {
        half.iter().map(|(sender, list)| (sender.to_checksum(None), by_nonce(list, show))).collect()
    };
    Halves { pending: half(&content.pending), queued: half(&content.queued) }
}

fn content_from(params: &Params, context: &Arc<RpcContext>) -> Result<Halves<ByNonce<TransactionJson>>, RpcError> {
    let sender: Address = params.required(0, "address")?;
    let content = context.node.pool().content_of(&sender);
    let half = |half: &BTreeMap<Address, BTreeMap<u64, Arc<PoolTransaction>>>| {
        half.get(&sender).map(|list| by_nonce(list, TransactionJson::pending)).unwrap_or_default()
    };
    Ok(Halves { pending: half(&content.pending), queued: half(&content.queued) })
}

/// A transaction in one line.
fn summary(transaction: &PoolTransaction) -> String {
    let transaction = &transaction.transaction;
    let (value, gas, price) = (transaction.value, transaction.gas_limit, transaction.gas_price);
    match transaction.to {
        Some(to) => format!("{}: {value} wei + {gas} gas × {price} wei", to.to_checksum(None)),
        None => format!("contract creation: {value} wei + {gas} gas × {price} wei"),
    }
}
