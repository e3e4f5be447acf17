//! `flatCallTracer`: the tree of calls as a list, in the manner of Parity's `trace_*` methods.

use super::call::{CallFrame, CallOptions, CallTracer};
use super::{Collector, TracedTransaction, raw};
use crate::RpcError;
use crate::json::{Fields, FromJson, ParamError, Quantity};
use crate::simulation::is_creation;
use alloy_primitives::{Address, B256, U256};
use rialto_state::{Journal, Log, ReadError};
use rialto_stf::TxOutcome;
use rialto_vm::{Enter, Leave, PrecompileSet, Refusal, Step, Tracer, precompile};
use serde_json::{Map, Value, json, value::RawValue};

/// Texts of errors, and what Parity says instead; the first that is the beginning of the error counts.
const PARITY_ERRORS: [(&str, &str); 10] = [
    ("contract creation code storage out of gas", "Out of gas"),
    ("out of gas", "Out of gas"),
    ("gas uint64 overflow", "Out of gas"),
    ("max code size exceeded", "Out of gas"),
    ("invalid jump destination", "Bad jump destination"),
    ("execution reverted", "Reverted"),
    ("return data out of bounds", "Out of bounds"),
    ("stack limit reached 1024", "Out of stack"),
    ("precompiled contract failed", "Built-in failed"),
    ("invalid opcode:", "Bad instruction"),
];

/// `tracerConfig`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FlatCallOptions {
    converts_errors: bool,
    includes_precompiles: bool,
}

impl FromJson for FlatCallOptions {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        Ok(Self {
            converts_errors: fields.optional("convertParityErrors")?.unwrap_or(false),
            includes_precompiles: fields.optional("includePrecompiles")?.unwrap_or(false),
        })
    }
}

/// Where the traced transaction is.
#[derive(Default)]
struct Position {
    block_hash: Option<B256>,
    block_number: u64,
    hash: Option<B256>,
    index: u64,
}

#[derive(Default)]
pub(super) struct FlatCallTracer {
    tree: CallTracer,
    options: FlatCallOptions,
    position: Position,
    precompiles: Option<PrecompileSet>,
}

impl FlatCallTracer {
    pub(super) fn new(options: FlatCallOptions) -> Self {
        Self { tree: CallTracer::new(CallOptions::default()), options, ..Self::default() }
    }

    /// Whether the frame is left out: a call of a precompiled contract below the outermost.
    fn is_hidden(&self, frame: &CallFrame) -> bool {
        let is_native = |to: &Address| self.precompiles.is_some_and(|set| precompile(set, to).is_some());
        !self.options.includes_precompiles
            && matches!(frame.kind, "CALL" | "STATICCALL")
            && frame.to.as_ref().is_some_and(is_native)
    }

    fn flatten(&self, frame: &CallFrame, address: &[usize], flat: &mut Vec<Value>) {
        let calls: Vec<&CallFrame> = frame.calls.iter().filter(|call| !self.is_hidden(call)).collect();
        flat.push(self.entry(frame, address, calls.len()));
        for (at, call) in calls.into_iter().enumerate() {
            let address: Vec<usize> = address.iter().copied().chain([at]).collect();
            self.flatten(call, &address, flat);
        }
    }

    fn entry(&self, frame: &CallFrame, address: &[usize], subtraces: usize) -> Value {
        let (kind, action, result) = match frame.kind {
            "SELFDESTRUCT" => ("suicide", destruction(frame), None),
            kind if is_creation(kind) => ("create", creation(frame), Some(creation_result(frame))),
            _ => ("call", call(frame), Some(call_result(frame))),
        };
        let mut entry = Map::new();
        entry.insert("action".into(), action);
        entry.insert("blockHash".into(), json!(self.position.block_hash));
        entry.insert("blockNumber".into(), self.position.block_number.into());
        if let Some(error) = &frame.error {
            let known = PARITY_ERRORS.iter().find(|(text, _)| error.starts_with(text));
            let text = match known {
                Some((_, parity)) if self.options.converts_errors => *parity,
                None if self.options.converts_errors && error.starts_with("stack underflow") => "Stack underflow",
                _ => error.as_str(),
            };
            entry.insert("error".into(), text.into());
        }
        // What a call that reverted returned is worth telling; of other failures there is nothing to tell.
        let has_result = frame.error.as_deref().is_none_or(|error| error == "execution reverted");
        if let Some(result) = result.filter(|_| has_result) {
            entry.insert("result".into(), result);
        }
        entry.insert("subtraces".into(), subtraces.into());
        entry.insert("traceAddress".into(), json!(address));
        entry.insert("transactionHash".into(), json!(self.position.hash));
        entry.insert("transactionPosition".into(), self.position.index.into());
        entry.insert("type".into(), kind.into());
        Value::Object(entry)
    }
}

fn call(frame: &CallFrame) -> Value {
    json!({
        "callType": frame.kind.to_ascii_lowercase(),
        "from": frame.from,
        "to": frame.to,
        "gas": Quantity(frame.gas),
        "input": frame.input,
        "value": frame.value.unwrap_or(U256::ZERO),
    })
}

fn call_result(frame: &CallFrame) -> Value {
    json!({ "gasUsed": Quantity(frame.gas_used), "output": frame.output })
}

fn creation(frame: &CallFrame) -> Value {
    json!({
        "creationMethod": frame.kind.to_ascii_lowercase(),
        "from": frame.from,
        "gas": Quantity(frame.gas),
        "init": frame.input,
        "value": frame.value.unwrap_or(U256::ZERO),
    })
}

fn creation_result(frame: &CallFrame) -> Value {
    let mut result = json!({ "gasUsed": Quantity(frame.gas_used), "code": frame.output });
    if let Some(address) = frame.to {
        result["address"] = json!(address);
    }
    result
}

fn destruction(frame: &CallFrame) -> Value {
    json!({ "address": frame.from, "balance": frame.value, "refundAddress": frame.to })
}

impl Tracer for FlatCallTracer {
    fn step(&mut self, step: Step<'_>) {
        self.tree.step(step);
    }

    fn enter(&mut self, enter: Enter<'_>) {
        self.tree.enter(enter);
    }

    fn leave(&mut self, leave: Leave<'_>) {
        self.tree.leave(leave);
    }

    fn refuse(&mut self, enter: Enter<'_>, reason: Refusal) {
        self.tree.refuse(enter, reason);
    }

    fn log(&mut self, log: &Log) {
        self.tree.log(log);
    }

    fn self_destruct(&mut self, account: Address, beneficiary: Address, balance: U256) {
        self.tree.self_destruct(account, beneficiary, balance);
    }
}

impl Collector for FlatCallTracer {
    fn begin(&mut self, traced: &TracedTransaction<'_>, state: &Journal<'_>) -> Result<(), ReadError> {
        self.precompiles = Some(traced.rules.vm.precompiles);
        let TracedTransaction { block_hash, block_number, hash, index, .. } = *traced;
        self.position = Position { block_hash, block_number, hash, index };
        self.tree.begin(traced, state)
    }

    fn end(&mut self, outcome: &TxOutcome, state: &Journal<'_>) -> Result<(), ReadError> {
        self.tree.end(outcome, state)
    }

    fn kept_bytes(&self) -> usize {
        2 * self.tree.kept_bytes()
    }

    fn finish(&mut self) -> Result<Box<RawValue>, RpcError> {
        let Some(root) = self.tree.root() else { return Err(RpcError::server("invalid number of calls")) };
        let mut flat = Vec::new();
        self.flatten(root, &[], &mut flat);
        raw(&flat)
    }
}
