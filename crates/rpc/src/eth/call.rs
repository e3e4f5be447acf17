//! `eth_call`: what a call would return.

#[cfg(test)]
mod tests;

use crate::json::{BlockRef, Params};
use crate::methods::{Module, Registered, glanced};
use crate::simulation::{
    Base, BlockOverrides, CallArgs, CallEnvironment, Failure, FaultTracer, Glance, Overlay, StateOverrides, fault_text,
    revert_error,
};
use crate::{RpcContext, RpcError};
use alloy_primitives::Bytes;
use rialto_stf::TxOutcome;
use rialto_vm::{Halt, Tracer};
use std::sync::Arc;

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    glanced(module, "eth_call", glance, |params, context| {
        let args: CallArgs = params.required(0, "transaction")?;
        let block = params.optional(1, "block")?.unwrap_or(BlockRef::LATEST);
        let state_overrides: Option<StateOverrides> = params.optional(2, "stateOverrides")?;
        let block_overrides: Option<BlockOverrides> = params.optional(3, "blockOverrides")?;
        let view = context.view()?;
        let base = Base::of(context, &view, block)?;
        let overlay = Overlay::new(&base.state, base.header.number);
        let spec = context.node.spec();
        let environment =
            CallEnvironment::new(spec, base.header, overlay, state_overrides.as_ref(), block_overrides.as_ref())?;
        call(&environment.with_tier(context.node.config().tier.as_deref()), &args, context.limits.call_gas_cap)
    })
}

/// What a call returns that is over at once. Whatever else becomes of it is found out in the usual way.
fn glance(params: &Params, context: &Arc<RpcContext>) -> Option<Bytes> {
    if params.get(2).is_some() || params.get(3).is_some() {
        return None;
    }
    let args: CallArgs = params.required(0, "transaction").ok()?;
    let block = params.optional(1, "block").ok()?.unwrap_or(BlockRef::LATEST);
    let mut glance = Glance::at(&args).filter(|_| block != BlockRef::Pending)?;
    let base = Base::of(context, &context.view().ok()?, block).ok()?;
    let overlay = Overlay::new(&base.state, base.header.number);
    let environment = CallEnvironment::new(context.node.spec(), base.header, overlay, None, None).ok()?;
    args.check(environment.spec.chain_id).ok()?;
    let gas_limit = args.gas.unwrap_or(u64::MAX).min(context.limits.call_gas_cap);
    let outcome = environment.run(&args, gas_limit, Some(&mut glance as &mut dyn Tracer)).ok()?;
    outcome.halt.is_none().then_some(outcome.output)
}

/// What the call returns.
pub(crate) fn call(environment: &CallEnvironment<'_>, args: &CallArgs, gas_cap: u64) -> Result<Bytes, RpcError> {
    args.check(environment.spec.chain_id)?;
    let gas_limit = args.gas.unwrap_or(gas_cap).min(gas_cap);
    let outcome = environment.run(args, gas_limit, None).map_err(Failure::into_rpc)?;
    match outcome.halt {
        None => Ok(outcome.output),
        Some(_) => Err(failed(environment, args, gas_limit, &outcome)),
    }
}

/// The answer to a call that failed.
pub(crate) fn failed(
    environment: &CallEnvironment<'_>,
    args: &CallArgs,
    gas_limit: u64,
    outcome: &TxOutcome,
) -> RpcError {
    match outcome.halt {
        None => RpcError::internal("call: expected a failure, found success"),
        Some(Halt::Revert) => revert_error(&outcome.output),
        Some(halt) => RpcError::server(fault_of(environment, args, gas_limit, halt)),
    }
}

/// Says why a call failed. Where the text names what the machine does not keep, the call is run once more to see.
pub(crate) fn fault_of(environment: &CallEnvironment<'_>, args: &CallArgs, gas_limit: u64, halt: Halt) -> String {
    let kind = if args.to.is_none() { "CREATE" } else { "CALL" };
    let needs_step =
        matches!(halt, Halt::InvalidOpcode | Halt::StackUnderflow | Halt::StackOverflow | Halt::CodeTooLong);
    if !needs_step {
        return fault_text(halt, kind, None);
    }
    let mut tracer = FaultTracer::default();
    match environment.run(args, gas_limit, Some(&mut tracer as &mut dyn Tracer)) {
        Ok(_) => fault_text(halt, kind, tracer.last.as_ref()),
        Err(_) => fault_text(halt, kind, None),
    }
}
