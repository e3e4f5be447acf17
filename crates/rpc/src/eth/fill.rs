//! `eth_fillTransaction`: a transaction with what the request leaves out, ready to be signed.

use super::estimate::{estimate, some_time_later, usual_block};
use super::fees::suggested_tip;
use crate::json::{Params, TransactionJson};
use crate::methods::{Module, Registered, heavy};
use crate::simulation::{Base, CallArgs, CallEnvironment, Overlay};
use crate::{RpcContext, RpcError};
use alloy_primitives::{Bytes, U256};
use rialto_node::{BlockId, PoolTransaction};
use rialto_state::StateReader;
use rialto_stf::{Signature, Transaction, TxType};
use serde::Serialize;
use std::sync::Arc;

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    heavy(module, "eth_fillTransaction", fill)
}

/// A transaction without a signature, and its encoding.
#[derive(Clone, Debug, Serialize)]
struct FilledJson {
    raw: Bytes,
    tx: TransactionJson,
}

fn fill(params: &Params, context: &Arc<RpcContext>) -> Result<FilledJson, RpcError> {
    let mut args: CallArgs = params.required(0, "transaction")?;
    args.check(context.chain_id)?;
    let (sender, view) = (args.sender(), context.view()?);
    let nonce = match (args.nonce, context.node.pool().next_nonce(&sender)) {
        (Some(nonce), _) | (None, Some(nonce)) => nonce,
        (None, None) => {
            let state = view.state(BlockId::Latest)?.ok_or_else(RpcError::unknown_block)?;
            state.account(&sender)?.map_or(0, |account| account.nonce)
        }
    };
    let base_fee = view.head().block.header.base_fee_per_gas;
    match base_fee {
        None if args.gas_price.is_none() => args.gas_price = Some(suggested_tip(context, &view)?),
        Some(base_fee) if args.gas_price.is_none() => {
            let tip = match args.max_priority_fee_per_gas {
                Some(tip) => tip,
                None => suggested_tip(context, &view)?,
            };
            // Enough for several full blocks in a row.
            let ample = U256::from(base_fee).saturating_mul(U256::from(2)).saturating_add(tip);
            let max_fee = args.max_fee_per_gas.unwrap_or(ample);
            if max_fee < tip {
                let text = format!("maxFeePerGas ({max_fee}) < maxPriorityFeePerGas ({tip})");
                return Err(RpcError::server(text));
            }
            (args.max_fee_per_gas, args.max_priority_fee_per_gas) = (Some(max_fee), Some(tip));
        }
        _ => {}
    }
    let gas = match args.gas {
        Some(gas) => gas,
        None => {
            let base = Base::of(context, &view, usual_block(context))?;
            let overlay = Overlay::new(&base.state, base.header.number);
            let spec = context.node.spec();
            let environment = CallEnvironment::new(spec, some_time_later(spec, base.header), overlay, None, None)?;
            estimate(&environment, &args, context.limits.call_gas_cap)?
        }
    };
    let mut transaction = args.transaction(context.chain_id, gas, nonce, base_fee.is_some());
    if transaction.tx_type == TxType::Legacy && args.access_list.is_some() {
        transaction.tx_type = TxType::AccessList;
    }
    Ok(unsigned(transaction, sender))
}

fn unsigned(mut transaction: Transaction, sender: alloy_primitives::Address) -> FilledJson {
    transaction.signature = Signature::default();
    let (raw, hash) = (transaction.encode().into(), transaction.hash());
    let tx = TransactionJson::pending(&PoolTransaction { transaction, hash, sender, sidecar: None });
    FilledJson { raw, tx }
}
