//! What Otterscan wants to know of an execution.

use crate::RpcError;
use crate::tracers::{Collector, raw};
use alloy_primitives::{Address, Bytes, U256};
use rialto_state::{Journal, ReadError};
use rialto_stf::TxOutcome;
use rialto_vm::{Enter, Halt, Leave, Tracer};
use serde::Serialize;
use serde_json::value::RawValue;

/// About what an entry keeps besides its bytes.
const ENTRY_BYTES: usize = 512;

/// A call as `ots_traceTransaction` tells it.
#[derive(Serialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: &'static str,
    depth: usize,
    from: Address,
    to: Address,
    value: Option<U256>,
    input: Bytes,
    output: Bytes,
}

/// All calls, in the order of their beginning.
#[derive(Default)]
pub(super) struct EntryTracer {
    entries: Vec<Entry>,
    open: Vec<usize>,
    kept_bytes: usize,
}

impl Tracer for EntryTracer {
    fn enter(&mut self, enter: Enter<'_>) {
        let has_value = !matches!(enter.kind, "STATICCALL" | "DELEGATECALL");
        self.kept_bytes += ENTRY_BYTES + 2 * enter.input.len();
        self.open.push(self.entries.len());
        self.entries.push(Entry {
            kind: enter.kind,
            depth: self.open.len() - 1,
            from: enter.from,
            to: enter.to,
            value: has_value.then_some(enter.value),
            input: Bytes::copy_from_slice(enter.input),
            output: Bytes::new(),
        });
    }

    fn leave(&mut self, leave: Leave<'_>) {
        self.kept_bytes += 2 * leave.output.len();
        if let Some(at) = self.open.pop() {
            self.entries[at].output = Bytes::copy_from_slice(leave.output);
        }
    }

    fn self_destruct(&mut self, account: Address, beneficiary: Address, balance: U256) {
        self.kept_bytes += ENTRY_BYTES;
        self.entries.push(Entry {
            kind: "SELFDESTRUCT",
            depth: self.open.len(),
            from: account,
            to: beneficiary,
            value: Some(balance),
            input: Bytes::new(),
            output: Bytes::new(),
        });
    }
}

impl Collector for EntryTracer {
    fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    fn finish(&mut self) -> Result<Box<RawValue>, RpcError> {
        raw(&self.entries)
    }
}

/// What moves ether or makes contracts inside of a transaction: 0 a transfer, 1 a self-destruct, 2 CREATE, 3 CREATE2.
#[derive(Serialize)]
struct Operation {
    #[serde(rename = "type")]
    kind: u8,
    from: Address,
    to: Address,
    value: U256,
}

/// The operations of frames that succeeded.
#[derive(Default)]
pub(super) struct OperationTracer {
    operations: Vec<Operation>,
    /// Operations before each open frame.
    open: Vec<usize>,
}

impl Tracer for OperationTracer {
    fn enter(&mut self, enter: Enter<'_>) {
        let kind = match enter.kind {
            "CALL" if !enter.value.is_zero() => Some(0),
            "CREATE" => Some(2),
            "CREATE2" => Some(3),
            _ => None,
        };
        let is_inner = !self.open.is_empty();
        self.open.push(self.operations.len());
        if let Some(kind) = kind.filter(|_| is_inner) {
            self.operations.push(Operation { kind, from: enter.from, to: enter.to, value: enter.value });
        }
    }

    fn leave(&mut self, leave: Leave<'_>) {
        let before = self.open.pop().unwrap_or(0);
        if leave.halt.is_some() {
            self.operations.truncate(before);
        }
    }

    fn self_destruct(&mut self, account: Address, beneficiary: Address, balance: U256) {
        self.operations.push(Operation { kind: 1, from: account, to: beneficiary, value: balance });
    }
}

impl Collector for OperationTracer {
    fn kept_bytes(&self) -> usize {
        self.operations.len() * ENTRY_BYTES
    }

    fn finish(&mut self) -> Result<Box<RawValue>, RpcError> {
        raw(&self.operations)
    }
}

/// What a transaction that reverted returned.
#[derive(Default)]
pub(super) struct OutputTracer {
    output: Bytes,
}

impl Tracer for OutputTracer {}

impl Collector for OutputTracer {
    fn end(&mut self, outcome: &TxOutcome, _state: &Journal<'_>) -> Result<(), ReadError> {
        if outcome.halt == Some(Halt::Revert) {
            self.output = outcome.output.clone();
        }
        Ok(())
    }

    fn kept_bytes(&self) -> usize {
        self.output.len()
    }

    fn finish(&mut self) -> Result<Box<RawValue>, RpcError> {
        raw(&self.output)
    }
}

/// Who creates a contract, if the transaction does.
pub(super) struct CreatorTracer {
    contract: Address,
    creator: Option<Address>,
    /// Of each open frame, whether the creator was known before it.
    open: Vec<bool>,
}

impl CreatorTracer {
    pub(super) fn new(contract: Address) -> Self {
        Self { contract, creator: None, open: Vec::new() }
    }
}

impl Tracer for CreatorTracer {
    fn enter(&mut self, enter: Enter<'_>) {
        self.open.push(self.creator.is_some());
        if enter.kind.starts_with("CREATE") && enter.to == self.contract {
            self.creator = Some(enter.from);
        }
    }

    fn leave(&mut self, leave: Leave<'_>) {
        let was_known = self.open.pop().unwrap_or(false);
        if leave.halt.is_some() && !was_known {
            self.creator = None;
        }
    }
}

impl Collector for CreatorTracer {
    fn kept_bytes(&self) -> usize {
        0
    }

    fn finish(&mut self) -> Result<Box<RawValue>, RpcError> {
        raw(&self.creator)
    }
}
