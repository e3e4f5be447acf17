//! Transactions that the node signs itself, or takes without a signature.
//!
//! What the request leaves out is filled in: nonce, gas (as `eth_estimateGas` would, at the time that the next block would have)
//! and fees. An account whose key the node has signs. For an impersonated one a signature stands in whose r is the sender's
//! address, so transactions that differ only in their senders differ in their hashes; it is nobody's signature, and the
//! sender is kept beside the transaction.

use super::signing::unknown_account;
use super::{Call, DevState, run_blocking};
use crate::eth::estimate::estimate;
use crate::json::{BlockRef, Params};
use crate::methods::{Module, Registered};
use crate::simulation::{Base, CallArgs, CallEnvironment, Overlay};
use crate::{RpcContext, RpcError};
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_node::{BlockId, PoolTransaction};
use rialto_state::StateReader;
use rialto_stf::{Signature, Transaction, TxType, base_fee_after};
use serde_json::{Value, json};
use std::sync::{Arc, PoisonError};
use tokio::time::timeout;

/// Priority fee where the request has none, wei per gas.
const DEFAULT_PRIORITY_FEE: u64 = 1_000_000_000;

/// Who may send.
#[derive(Clone, Copy)]
enum Permission {
    /// Accounts whose keys the node has, and impersonated ones.
    Known,
    /// Anybody.
    Everybody,
}

/// Registers the methods of this file that wait for a block.
pub(super) fn register(module: &mut Module) -> Registered {
    module.register_async_method("eth_sendTransaction", |params, context, _| async move {
        send(Arc::clone(&*context), Params::parse(params.as_str())?, Permission::Known).await
    })?;
    module.register_async_method("eth_sendUnsignedTransaction", |params, context, _| async move {
        send(Arc::clone(&*context), Params::parse(params.as_str())?, Permission::Everybody).await
    })?;
    Ok(())
}

async fn send(context: Arc<RpcContext>, params: Params, permission: Permission) -> Result<B256, RpcError> {
    let hash = run_blocking(Arc::clone(&context), move |context, dev| {
        let args: CallArgs = params.required(0, "transaction")?;
        let _sending = dev.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = signed(&Call { params: &params, context, dev }, &args, permission)?;
        Ok::<_, RpcError>(context.node.submit(transaction)?)
    })
    .await?;
    if let Some(dev) = &context.dev {
        // A transaction that isn't mined in time is in the pool nevertheless.
        let _ = timeout(context.limits.call_timeout, dev.miner.submitted(&hash)).await;
    }
    Ok(hash)
}

/// `eth_signTransaction(transaction)`
pub(super) fn sign_transaction(call: &Call<'_>) -> Result<Value, RpcError> {
    let args: CallArgs = call.params.required(0, "transaction")?;
    let sender = args.sender();
    if call.dev.account(&sender).is_none() {
        return Err(unknown_account(&sender));
    }
    let signed = signed(call, &args, Permission::Known)?;
    Ok(json!(Bytes::from(signed.transaction.encode())))
}

fn signed(call: &Call<'_>, args: &CallArgs, permission: Permission) -> Result<PoolTransaction, RpcError> {
    args.check(call.context.chain_id)?;
    let sender = match (args.from, call.dev.accounts.first()) {
        (Some(from), _) => from,
        (None, Some(first)) => first.address,
        (None, None) => return Err(RpcError::invalid_params("transaction.from", "a sender", "none")),
    };
    let account = call.dev.account(&sender);
    let is_allowed = matches!(permission, Permission::Everybody) || call.dev.is_impersonated(&sender);
    if account.is_none() && !is_allowed {
        return Err(unknown_account(&sender));
    }
    let mut transaction = filled_in(call.context, call.dev, args, sender)?;
    match account {
        Some(account) => {
            transaction.sign(&account.secret_key).map_err(|error| RpcError::internal(error.to_string()))?;
        }
        None => transaction.signature = stand_in(&sender),
    }
    let hash = transaction.hash();
    Ok(PoolTransaction { transaction, hash, sender, sidecar: None })
}

/// What stands for the signature of an account whose key nobody here has.
fn stand_in(sender: &Address) -> Signature {
    Signature { y_parity: false, r: U256::from_be_bytes(sender.into_word().0), s: U256::ONE }
}

fn filled_in(context: &RpcContext, dev: &DevState, args: &CallArgs, sender: Address) -> Result<Transaction, RpcError> {
    let mut args = args.clone();
    args.from = Some(sender);
    let view = context.view()?;
    let head = &view.head().block.header;
    let nonce = match (args.nonce, context.node.pool().next_nonce(&sender)) {
        (Some(nonce), _) | (None, Some(nonce)) => nonce,
        (None, None) => {
            let state = view.state(BlockId::Latest)?.ok_or_else(RpcError::unknown_block)?;
            state.account(&sender)?.unwrap_or_default().nonce
        }
    };
    if args.gas_price.is_none() {
        let timestamp = dev.miner.next_timestamp()?;
        let base_fee = U256::from(base_fee_after(context.node.spec(), head, timestamp).unwrap_or(0));
        let tip = args.max_priority_fee_per_gas.unwrap_or(U256::from(DEFAULT_PRIORITY_FEE));
        let max_fee = args.max_fee_per_gas.unwrap_or(base_fee.saturating_mul(U256::from(2)).saturating_add(tip));
        args.max_fee_per_gas = Some(max_fee);
        args.max_priority_fee_per_gas = Some(tip.min(max_fee));
    }
    let gas = match args.gas {
        Some(gas) => gas,
        None => estimated(context, dev, &args)?,
    };
    let mut transaction = args.transaction(context.chain_id, gas, nonce, head.base_fee_per_gas.is_some());
    if transaction.tx_type == TxType::Legacy && !transaction.access_list.is_empty() {
        transaction.tx_type = TxType::AccessList;
    }
    Ok(transaction)
}

/// The gas that it takes, on what is pending and at the time of the next block.
fn estimated(context: &RpcContext, dev: &DevState, args: &CallArgs) -> Result<u64, RpcError> {
    let view = context.view()?;
    let has_pending = context.node.pool().status().0 > 0;
    let base = Base::of(context, &view, if has_pending { BlockRef::Pending } else { BlockRef::LATEST })?;
    let overlay = Overlay::new(&base.state, base.header.number);
    let mut header = base.header;
    header.timestamp = dev.miner.next_timestamp()?.max(header.timestamp);
    let environment = CallEnvironment::new(context.node.spec(), header, overlay, None, None)?;
    estimate(&environment, args, context.limits.call_gas_cap)
}
