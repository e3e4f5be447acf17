//! The market as a native module: what happens between a call's bytes and an operation.
//!
//! A call is decoded by its selector, strictly: what the interface's types can't hold is [`Rejection::BadCall`]. Then the
//! operation runs on the records (`dispatch`), and the call ends in one of four ways:
//!
//! - done: the changed records go to the journal's slots, the events to its logs, the answer to the output;
//! - rejected: nothing is left, and the output is the interface's custom error;
//! - out of gas: nothing is left, and all gas is gone, as with any contract;
//! - it waits for a contract: the records go to the slots, and the operation goes on when the answer is there (see `crate::outward`).
//!
//! In each way the record tables go back to the journal, so that the next call finds them. A call under DELEGATECALL or CALLCODE, or with
//! value, is rejected; a static call may only ask.
//!
//! Gas is paid for the call and for each word of its data before it is decoded, for every step before it is taken, and in the end for each
//! slot that was read first and that changed: what the state root and the database have to do for it.

mod accounts;
mod dispatch;
mod errors;
mod liquidations;
mod operator;
mod orders;
mod prices;

pub use errors::encode as encode_rejection;
pub(crate) use errors::selector as rejection_selector;

use crate::MARKET_ADDRESS;
use crate::abi::IMarket::{IMarketCalls as Calls, pullPriceCall, updatePricesCall};
use crate::error::{MarketError, Rejection};
use crate::gas;
use crate::layout::Globals;
use crate::market::Market;
use crate::meter::Meter;
use crate::outward::{Answer, Outward, Step, Then};
use crate::records::Records;
use crate::types::BlockInfo;
use alloc::boxed::Box;
use alloc::string::ToString;
use alloc::vec::Vec;
use alloy_primitives::{Address, LogData, U256};
use alloy_sol_types::{SolCall, SolInterface};
use rialto_state::{AccountId, Journal, Log, ReadError, Topics};
use rialto_vm::{
    BlockContext, Continuation, ModuleCall, ModuleOutcome, ModuleViolation, NativeModule, OutwardCall, OutwardResult,
};

/// Bytes of call data that a call may have: a batch of 256 actions and then some, or a report of 100 feeds.
pub const MAX_CALL_DATA: usize = 32 * 1024;

/// The market. It has no state of its own: all of it lies in the slots of [`MARKET_ADDRESS`].
#[derive(Clone, Copy, Debug, Default)]
pub struct MarketModule;

impl NativeModule for MarketModule {
    fn address(&self) -> Address {
        MARKET_ADDRESS
    }

    fn call(
        &self,
        journal: &mut Journal<'_>,
        call: ModuleCall<'_>,
        output: &mut Vec<u8>,
    ) -> Result<ModuleOutcome, ReadError> {
        let mut meter = Meter::new(call.gas_limit);
        let words = call.input.len().div_ceil(32) as u64;
        if meter.charge(gas::CALL.saturating_add(gas::CALL_DATA_WORD.saturating_mul(words))).is_err() {
            return Ok(ModuleOutcome::OutOfGas);
        }
        let operation = match read_call(&call) {
            Ok(operation) => operation,
            Err(rejection) => return Ok(reject(&rejection, meter.used(), output)),
        };
        run(journal, &call, meter, output, |market| {
            let globals = market.records.get::<Globals>(())?;
            if globals.is_busy && !dispatch::is_view(&operation) {
                return Err(Rejection::Reentered.into());
            }
            dispatch::run(market, operation)
        })
    }

    fn resume(
        &self,
        journal: &mut Journal<'_>,
        call: ModuleCall<'_>,
        continuation: Continuation,
        result: OutwardResult<'_>,
        output: &mut Vec<u8>,
    ) -> Result<ModuleOutcome, ReadError> {
        let Ok(then) = continuation.downcast::<Then>() else { return Ok(ModuleOutcome::Halt) };
        run(journal, &call, Meter::new(call.gas_limit), output, |market| {
            market.records.update::<Globals, _>((), |globals| globals.is_busy = false)?;
            then(market, Answer { success: result.success, output: result.output })
        })
    }

    /// Prices come first, so that what is traded in a block is traded at its prices.
    fn goes_first(&self, input: &[u8]) -> bool {
        input.starts_with(&updatePricesCall::SELECTOR) || input.starts_with(&pullPriceCall::SELECTOR)
    }

    fn end_block(
        &self,
        journal: &mut Journal<'_>,
        account: AccountId,
        block: &BlockContext,
    ) -> Result<Result<(), ModuleViolation>, ReadError> {
        if !journal.account(account).exists {
            return Ok(Ok(()));
        }
        let records = Records::open(journal, account);
        let mut market = Market::new(records, block_info(block), Address::ZERO, Meter::new(0));
        // Who fell below maintenance by interest alone is queued. Its liquidation waits for a call, whose events have a receipt.
        let ended = market.sweep(0).and_then(|_| market.end_block_check());
        match ended {
            Ok(verdict) => {
                market.records.close()?;
                Ok(verdict.map_err(|incomplete| ModuleViolation { text: incomplete.to_string() }))
            }
            Err(MarketError::Read(error)) => {
                market.records.abandon();
                Err(error)
            }
            Err(error) => {
                market.records.abandon();
                Ok(Err(ModuleViolation { text: error.to_string() }))
            }
        }
    }
}

/// The operation that is called, if the call may be one.
fn read_call(call: &ModuleCall<'_>) -> Result<Calls, Rejection> {
    if call.is_delegated || !call.value.is_zero() {
        return Err(Rejection::NotAllowed);
    }
    if call.input.len() > MAX_CALL_DATA {
        let (value, most) = (U256::from(call.input.len()), U256::from(MAX_CALL_DATA));
        return Err(Rejection::OutOfRange { what: "call data", value, least: U256::ZERO, most });
    }
    let operation = Calls::abi_decode_validate(call.input).map_err(|_| Rejection::BadCall)?;
    if call.is_static && !dispatch::is_view(&operation) {
        return Err(Rejection::StaticCall);
    }
    Ok(operation)
}

fn reject(rejection: &Rejection, gas_used: u64, output: &mut Vec<u8>) -> ModuleOutcome {
    output.clear();
    output.extend_from_slice(&errors::encode(rejection));
    ModuleOutcome::Revert { gas_used }
}

/// Opens the records, runs a part of an operation, and closes them again.
fn run(
    journal: &mut Journal<'_>,
    call: &ModuleCall<'_>,
    meter: Meter,
    output: &mut Vec<u8>,
    part: impl FnOnce(&mut Market<'_, '_>) -> Result<Step, MarketError>,
) -> Result<ModuleOutcome, ReadError> {
    let records = Records::open(journal, call.account);
    let mut market = Market::new(records, block_info(call.block), call.caller, meter);
    let step = part(&mut market).and_then(|step| {
        if matches!(step, Step::Call(_)) {
            market.records.update::<Globals, _>((), |globals| globals.is_busy = true)?;
        }
        Ok(step)
    });
    let Market { records, mut meter, events, unpaid_gas, .. } = market;
    match step {
        Ok(step) => {
            let read = gas::SLOT_READ.saturating_mul(records.words_read());
            // Among the slots that a call with unpaid work changed, those that it has to pay for are in the prices of its steps.
            let changed = records.close()?;
            let written = if unpaid_gas == 0 { gas::SLOT.saturating_mul(changed) } else { 0 };
            if meter.charge(read.saturating_add(written)).is_err() {
                return Ok(ModuleOutcome::OutOfGas);
            }
            let gas_used = meter.used();
            log_events(journal, events);
            Ok(match step {
                Step::Done(answer) => {
                    output.extend_from_slice(&answer);
                    ModuleOutcome::Success { gas_used }
                }
                Step::Call(outward) => ModuleOutcome::Call(outward_call(outward, gas_used)),
            })
        }
        Err(error) => {
            records.abandon();
            match error {
                MarketError::Read(error) => Err(error),
                MarketError::OutOfGas => Ok(ModuleOutcome::OutOfGas),
                MarketError::Rejected(rejection) => Ok(reject(&rejection, meter.used(), output)),
            }
        }
    }
}

fn outward_call(outward: Outward, gas_used: u64) -> OutwardCall {
    let Outward { to, input, gas_limit, is_static, then } = outward;
    let continuation: Continuation = Box::new(then);
    OutwardCall { gas_used, to, input, gas_limit, is_static, continuation }
}

fn log_events(journal: &mut Journal<'_>, events: Vec<LogData>) {
    for event in events {
        let topics = Topics::new(event.topics());
        journal.log(Log { address: MARKET_ADDRESS, topics, data: event.data });
    }
}

fn block_info(block: &BlockContext) -> BlockInfo {
    BlockInfo { number: block.number, timestamp_seconds: block.timestamp_seconds, chain_id: U256::from(block.chain_id) }
}

/// An answer that is done.
fn done(answer: Vec<u8>) -> Result<Step, MarketError> {
    Ok(Step::Done(answer))
}
