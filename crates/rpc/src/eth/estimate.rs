//! `eth_estimateGas`: the least gas limit with which a call succeeds.
//!
//! The search is geth's, step by step, because wallets compare answers: the highest limit first, since a call that fails with
//! it fails with any; then what that run needed plus a 64th for what calls may not pass on; then by halves, leaning towards the
//! low side, until the interval is narrower than 1.5 % of its upper end.

use super::call::fault_of;
use crate::json::BlockRef;
use crate::methods::{Module, Registered, heavy};
use crate::simulation::{
    Base, BlockOverrides, CallArgs, CallEnvironment, Overlay, StateOverrides, rejection_text, revert_error,
};
use crate::{RpcContext, RpcError};
use alloy_primitives::U256;
use rialto_state::StateReader;
use rialto_stf::{ChainSpec, GAS_PER_BLOB, Header, TxError, TxOutcome};
use rialto_vm::Halt;
use std::time::{Duration, Instant};

/// Gas of a plain transfer.
const TRANSFER_GAS: u64 = 21_000;
/// Gas that a call which moves value gives to the callee.
const CALL_STIPEND: u64 = 2_300;

/// How long the search may take; a single run is bounded by its gas.
const SEARCH_TIME: Duration = Duration::from_secs(20);

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    heavy(module, "eth_estimateGas", |params, context| {
        let args: CallArgs = params.required(0, "transaction")?;
        let block = params.optional(1, "block")?.unwrap_or(usual_block(context));
        let state_overrides: Option<StateOverrides> = params.optional(2, "stateOverrides")?;
        let block_overrides: Option<BlockOverrides> = params.optional(3, "blockOverrides")?;
        let view = context.view()?;
        let base = Base::of(context, &view, block)?;
        let overlay = Overlay::new(&base.state, base.header.number);
        let spec = context.node.spec();
        let header = some_time_later(spec, base.header);
        let environment =
            CallEnvironment::new(spec, header, overlay, state_overrides.as_ref(), block_overrides.as_ref())?;
        let environment = environment.with_tier(context.node.config().tier.as_deref());
        let gas = estimate(&environment, &args, context.limits.call_gas_cap)?;
        Ok(format!("{gas:#x}"))
    })
}

/// The block that an estimate is for unless the request says another. In dev mode the next block's time may be far from the
/// head's, and contracts look at it, so what is estimated there is what will be mined.
pub(crate) fn usual_block(context: &RpcContext) -> BlockRef {
    if context.dev.is_some() { BlockRef::Pending } else { BlockRef::LATEST }
}

/// The header of the block that an estimate is for, where the chain has modules. Their gas depends on whether time has passed since
/// their last call, since interest then accrues, and whoever estimates a call after a block makes it in a later one.
pub(crate) fn some_time_later(spec: &ChainSpec, mut header: Header) -> Header {
    if !spec.modules_at(header.timestamp).is_empty() {
        header.timestamp = header.timestamp.saturating_add(1);
    }
    header
}

/// The least gas limit with which the call succeeds.
pub(crate) fn estimate(environment: &CallEnvironment<'_>, args: &CallArgs, gas_cap: u64) -> Result<u64, RpcError> {
    let deadline = Instant::now() + SEARCH_TIME;
    args.check(environment.spec.chain_id)?;
    let mut high = highest_limit(environment, args, gas_cap)?;
    if is_plain_transfer(environment, args)?
        && let Ok(Some(outcome)) = attempt(environment, args, TRANSFER_GAS)
        && outcome.halt.is_none()
    {
        return Ok(TRANSFER_GAS);
    }
    let Some(outcome) = attempt(environment, args, high)? else { return Err(exceeds_allowance(high)) };
    match outcome.halt {
        None => {}
        Some(Halt::Revert) => return Err(revert_error(&outcome.output)),
        Some(Halt::OutOfGas) => return Err(exceeds_allowance(high)),
        Some(halt) => return Err(RpcError::server(fault_of(environment, args, high, halt))),
    }
    let mut low = outcome.gas_used.saturating_sub(1);
    let succeeds = |limit| attempt(environment, args, limit).map(|tried| tried.is_some_and(|done| done.halt.is_none()));
    let likely = (u128::from(outcome.max_gas_used) + u128::from(CALL_STIPEND)) * 64 / 63;
    if let Ok(likely) = u64::try_from(likely)
        && likely < high
    {
        if succeeds(likely)? { high = likely } else { low = likely }
    }
    while low + 1 < high {
        // (high - low) / high < 0.015
        if u128::from(high - low) * 1000 < u128::from(high) * 15 {
            break;
        }
        if Instant::now() > deadline {
            return Err(RpcError::server("execution aborted (timeout)"));
        }
        let middle = (low + (high - low) / 2).min(low.saturating_mul(2));
        if succeeds(middle)? { high = middle } else { low = middle }
    }
    Ok(high)
}

fn exceeds_allowance(limit: u64) -> RpcError {
    RpcError::server(format!("gas required exceeds allowance ({limit})"))
}

/// The highest limit to try: the request's or the block's, within what a transaction may have, what the sender can pay, and
/// this node's cap.
fn highest_limit(environment: &CallEnvironment<'_>, args: &CallArgs, gas_cap: u64) -> Result<u64, RpcError> {
    let rules = environment.rules();
    let mut high = args.gas.map(|gas| gas.min(gas_cap)).filter(|gas| *gas >= TRANSFER_GAS);
    let high = high.get_or_insert(environment.header.gas_limit);
    if let Some(cap) = rules.tx_gas_cap
        && !rules.vm.has_state_gas
    {
        *high = (*high).min(cap);
    }
    let price = args.gas_price.or(args.max_fee_per_gas).unwrap_or_default();
    if !price.is_zero() {
        let balance = environment.state.account(&args.sender())?.unwrap_or_default().balance;
        let value = args.value.unwrap_or_default();
        if !value.is_zero() && value >= balance {
            return Err(RpcError::server("insufficient funds for transfer"));
        }
        let mut available = balance - value;
        let blobs = args.blob_versioned_hashes.as_ref().map_or(0, Vec::len);
        if blobs > 0 {
            let blob_gas = U256::from(GAS_PER_BLOB) * U256::from(blobs);
            let blob_cost = blob_gas.saturating_mul(args.max_fee_per_blob_gas.unwrap_or_default());
            if blob_cost >= available {
                return Err(RpcError::server("insufficient funds for gas * price + value"));
            }
            available -= blob_cost;
        }
        *high = (*high).min(u64::try_from(available / price).unwrap_or(u64::MAX));
    }
    Ok((*high).min(gas_cap))
}

fn is_plain_transfer(environment: &CallEnvironment<'_>, args: &CallArgs) -> Result<bool, RpcError> {
    let Some(to) = args.to else { return Ok(false) };
    let has_code = environment.state.account(&to)?.is_some_and(|account| account.has_code());
    Ok(args.call_data().is_empty() && !has_code)
}

/// Runs the call with a limit; `None` if the limit itself is too low.
fn attempt(environment: &CallEnvironment<'_>, args: &CallArgs, limit: u64) -> Result<Option<TxOutcome>, RpcError> {
    let failure = match environment.run(args, limit, None) {
        Ok(outcome) => return Ok(Some(outcome)),
        Err(failure) => failure,
    };
    match &*failure.error {
        TxError::IntrinsicGas { .. } | TxError::FloorGas { .. } => Ok(None),
        TxError::Read(_) => Err(failure.into_rpc()),
        error => Err(RpcError::server(format!("failed with {limit} gas: {}", rejection_text(error, failure.sender)))),
    }
}
