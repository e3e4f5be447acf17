//! What `debug_trace*` tells of an execution: one kind of tracer a file, all with geth's names, options and output.
//!
//! A [`Collector`] sees a transaction from the state before it to the state after it and then says what it saw. It is wrapped in a
//! [`Shared`], which bounds its time and what it keeps, and which the executor and the caller hold together: one executor runs a
//! whole block, with another collector for each transaction.

mod call;
mod config;
mod flat_call;
mod four_byte;
mod gas;
mod mux;
mod noop;
mod prestate;
mod shared;
mod struct_log;
#[cfg(test)]
mod tests;

use crate::RpcError;
use alloy_primitives::{Address, B256};
use rialto_state::{Journal, ReadError};
use rialto_stf::{BlockRules, Transaction, TxOutcome};
use rialto_vm::Tracer;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

pub(crate) use config::TraceConfig;
pub(crate) use shared::{Bounds, Shared};

/// The transaction that is traced, and where it is.
#[derive(Clone, Copy)]
pub(crate) struct TracedTransaction<'a> {
    pub transaction: &'a Transaction,
    pub sender: Address,
    pub rules: &'static BlockRules,
    pub beneficiary: Address,
    pub block_number: u64,
    /// `None` for a call that is in no block.
    pub block_hash: Option<B256>,
    pub hash: Option<B256>,
    pub index: u64,
    /// Logs of the block before it.
    pub logs_before: u64,
}

/// Collects what one transaction does.
pub(crate) trait Collector: Tracer {
    /// Before the transaction.
    fn begin(&mut self, traced: &TracedTransaction<'_>, state: &Journal<'_>) -> Result<(), ReadError> {
        let _ = (traced, state);
        Ok(())
    }

    /// After the transaction.
    fn end(&mut self, outcome: &TxOutcome, state: &Journal<'_>) -> Result<(), ReadError> {
        let _ = (outcome, state);
        Ok(())
    }

    /// About how many bytes it keeps.
    fn kept_bytes(&self) -> usize;

    /// What it saw.
    fn finish(&mut self) -> Result<Box<RawValue>, RpcError>;
}

/// A value as the JSON that is sent.
pub(crate) fn raw<T: Serialize + ?Sized>(value: &T) -> Result<Box<RawValue>, RpcError> {
    to_raw_value(value).map_err(|error| RpcError::internal(format!("trace: {error}")))
}
