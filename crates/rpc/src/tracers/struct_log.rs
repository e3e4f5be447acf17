//! The struct logger: every opcode, with what the machine had before it.
//!
//! The machine shows an opcode before it runs; what it cost is seen in what comes next (see `gas`). So one entry is always held
//! back. Entries are written as text at once: a trace is mostly that text, and it is kept once.

use super::gas::{constant_gas, state_price, unpaid_cost};
use super::{Collector, TracedTransaction};
use crate::RpcError;
use crate::simulation::{LastStep, fault_text, is_creation, memory_cost, opcode_name};
use alloy_primitives::{Address, B256, Bytes, hex};
use rialto_state::{Journal, ReadError};
use rialto_stf::TxOutcome;
use rialto_vm::{Enter, Halt, Leave, Refusal, Rules, Step, Tracer, opcode as op};
use serde_json::value::RawValue;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

/// About what a slot keeps.
const SLOT_BYTES: usize = 128;

/// What the entries hold besides what they must.
#[derive(Clone, Copy, Debug)]
pub(super) struct StructLogOptions {
    pub has_memory: bool,
    pub has_stack: bool,
    pub has_storage: bool,
    pub has_return_data: bool,
    /// Once there are so many bytes of entries, no more are added.
    pub limit_bytes: Option<usize>,
}

impl Default for StructLogOptions {
    fn default() -> Self {
        Self { has_memory: false, has_stack: true, has_storage: true, has_return_data: false, limit_bytes: None }
    }
}

/// An entry whose cost is not known yet.
struct Pending {
    step: LastStep,
    depth: usize,
    /// The entry up to the cost.
    head: String,
    /// The entry after depth and error.
    tail: String,
    state_price: u64,
}

#[derive(Default)]
pub(super) struct StructLogger {
    options: StructLogOptions,
    rules: Option<&'static Rules>,
    entries: String,
    pending: Option<Pending>,
    kinds: Vec<&'static str>,
    /// Slots read or written so far, by account.
    storage: HashMap<Address, BTreeMap<B256, B256>>,
    slots: usize,
    error: Option<ReadError>,
    gas_used: u64,
    failed: bool,
    output: Bytes,
}

impl StructLogger {
    pub(super) fn new(options: StructLogOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// Completes the entry held back.
    fn settle(&mut self, cost: u64, error: Option<&str>) {
        let Some(pending) = self.pending.take() else { return };
        if self.options.limit_bytes.is_some_and(|limit| self.entries.len() > limit) {
            return;
        }
        if !self.entries.is_empty() {
            self.entries.push(',');
        }
        self.entries.push_str(&pending.head);
        // Writing to a string can't fail.
        let _ = write!(self.entries, "{cost},\"depth\":{}", pending.depth);
        if let Some(error) = error {
            let _ = write!(self.entries, ",\"error\":{}", serde_json::Value::from(error));
        }
        self.entries.push_str(&pending.tail);
        self.entries.push('}');
    }

    fn settle_opening(&mut self, enter: &Enter<'_>) {
        let Some(pending) = &self.pending else { return };
        let passed_on = if is_creation(enter.kind) { enter.gas } else { 0 };
        let cost = pending.step.gas.saturating_sub(enter.caller_gas.saturating_add(passed_on));
        self.settle(cost, None);
    }

    fn settle_at_end(&mut self, leave: &Leave<'_>, kind: &str) {
        let (Some(pending), Some(rules)) = (&self.pending, self.rules) else { return };
        let step = pending.step;
        let constant = constant_gas(step.opcode, rules);
        let grown = memory_cost(&step, 0, 1).filter(|cost| *cost <= step.gas);
        let (cost, is_unpaid) = match (leave.halt, step.opcode) {
            (_, op::RETURN) if grown.is_some() && step.stack_len >= 2 => (grown.unwrap_or(0), false),
            (Some(Halt::Revert), op::REVERT) => (grown.unwrap_or(0), false),
            (Some(Halt::OutOfGas), op::STOP) => (0, false),
            (None | Some(Halt::Revert), _) => (step.gas.saturating_sub(leave.gas), false),
            (Some(Halt::OutOfGas), _) => (unpaid_cost(&step, pending.state_price, rules), true),
            (Some(Halt::StackUnderflow | Halt::StackOverflow | Halt::StaticViolation | Halt::InitcodeTooLong), _) => {
                (constant, true)
            }
            (Some(Halt::InvalidOpcode), _) => (0, false),
            (Some(Halt::ReturnDataOutOfBounds), _) => (unpaid_cost(&step, 0, rules), false),
            (Some(_), _) => (constant, false),
        };
        let error = leave.halt.filter(|_| is_unpaid).map(|halt| fault_text(halt, kind, Some(&step)));
        self.settle(cost, error.as_deref());
    }

    fn tail_of(&mut self, step: &Step<'_>, state: &Journal<'_>) -> Result<String, ReadError> {
        let mut tail = String::new();
        if self.options.has_stack {
            tail.push_str(",\"stack\":[");
            for (at, word) in step.stack.iter().enumerate() {
                let _ = write!(tail, "{}\"{word:#x}\"", if at == 0 { "" } else { "," });
            }
            tail.push(']');
        }
        if self.options.has_return_data && !step.return_data.is_empty() {
            let _ = write!(tail, ",\"returnData\":\"0x{}\"", hex::encode(step.return_data));
        }
        if self.options.has_memory && !step.memory.is_empty() {
            tail.push_str(",\"memory\":[");
            for (at, chunk) in step.memory.chunks(32).enumerate() {
                let _ = write!(tail, "{}\"0x{:0<64}\"", if at == 0 { "" } else { "," }, hex::encode(chunk));
            }
            tail.push(']');
        }
        if self.options.has_storage {
            self.write_storage(step, state, &mut tail)?;
        }
        if step.refund > 0 {
            let _ = write!(tail, ",\"refund\":{}", step.refund);
        }
        Ok(tail)
    }

    /// The slots of the account that the opcode reads or writes, this one included.
    fn write_storage(&mut self, step: &Step<'_>, state: &Journal<'_>, tail: &mut String) -> Result<(), ReadError> {
        let (key, value) = match (step.opcode, step.stack) {
            (op::SLOAD, [.., key]) => (key, state.peek_slot(&step.address, key)?.value),
            (op::SSTORE, [.., value, key]) => (key, *value),
            _ => return Ok(()),
        };
        let slots = self.storage.entry(step.address).or_default();
        self.slots += usize::from(slots.insert(B256::from(*key), B256::from(value)).is_none());
        tail.push_str(",\"storage\":{");
        for (at, (slot, value)) in slots.iter().enumerate() {
            let _ = write!(tail, "{}\"{slot}\":\"{value}\"", if at == 0 { "" } else { "," });
        }
        tail.push('}');
        Ok(())
    }
}

impl Tracer for StructLogger {
    fn step_on(&mut self, step: Step<'_>, state: &Journal<'_>) {
        if let Some(pending) = &self.pending {
            let cost = pending.step.gas.saturating_sub(step.gas);
            self.settle(cost, None);
        }
        let tail = match self.tail_of(&step, state) {
            Ok(tail) => tail,
            Err(error) => {
                self.error.get_or_insert(error);
                return;
            }
        };
        let head =
            format!("{{\"pc\":{},\"op\":\"{}\",\"gas\":{},\"gasCost\":", step.pc, opcode_name(step.opcode), step.gas);
        let state_price = self.rules.map_or(0, |rules| state_price(&step, state, rules));
        self.pending = Some(Pending { step: LastStep::of(&step), depth: step.depth, head, tail, state_price });
    }

    fn enter(&mut self, enter: Enter<'_>) {
        self.settle_opening(&enter);
        self.kinds.push(enter.kind);
    }

    fn leave(&mut self, leave: Leave<'_>) {
        let kind = self.kinds.pop().unwrap_or("CALL");
        self.settle_at_end(&leave, kind);
    }

    fn refuse(&mut self, enter: Enter<'_>, _reason: Refusal) {
        self.settle_opening(&enter);
    }
}

impl Collector for StructLogger {
    fn begin(&mut self, traced: &TracedTransaction<'_>, _state: &Journal<'_>) -> Result<(), ReadError> {
        self.rules = Some(traced.rules.vm);
        Ok(())
    }

    fn end(&mut self, outcome: &TxOutcome, _state: &Journal<'_>) -> Result<(), ReadError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        self.gas_used = outcome.gas_used;
        self.failed = outcome.halt.is_some();
        if matches!(outcome.halt, None | Some(Halt::Revert)) {
            self.output = outcome.output.clone();
        }
        Ok(())
    }

    fn kept_bytes(&self) -> usize {
        let pending = self.pending.as_ref().map_or(0, |pending| pending.tail.len());
        self.entries.len() + pending + SLOT_BYTES * self.slots
    }

    fn finish(&mut self) -> Result<Box<RawValue>, RpcError> {
        let text = format!(
            "{{\"gas\":{},\"failed\":{},\"returnValue\":\"{}\",\"structLogs\":[{}]}}",
            self.gas_used, self.failed, self.output, self.entries
        );
        self.entries = String::new();
        RawValue::from_string(text).map_err(|error| RpcError::internal(format!("trace: {error}")))
    }
}
