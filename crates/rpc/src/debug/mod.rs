//! The `debug` namespace: raw bytes, traces, witnesses.

#[cfg(test)]
mod market_tests;
mod raw;
#[cfg(test)]
mod tests;
mod trace;
mod witness;

pub(crate) use trace::trace_at;

use crate::methods::{Module, Registered, heavy};
use crate::{RpcError, json::Loose};
use rialto_node::BlockId;
use serde_json::Value;

/// Registers the namespace's methods.
pub(crate) fn register(module: &mut Module) -> Registered {
    raw::register(module)?;
    trace::register(module)?;
    witness::register(module)?;
    heavy(module, "debug_setHead", |params, context| {
        let Loose(number) = params.required(0, "number")?;
        let number =
            u64::try_from(number).map_err(|_| RpcError::invalid_params("number", "at most 64 bits", number))?;
        let hash = context.view()?.hash(BlockId::Number(number))?.ok_or_else(RpcError::unknown_block)?;
        context.node.set_head(hash)?;
        Ok(Value::Null)
    })
}
