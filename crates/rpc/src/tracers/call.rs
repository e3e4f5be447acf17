//! `callTracer`: the tree of calls.

use super::{Collector, TracedTransaction, raw};
use crate::RpcError;
use crate::json::{Fields, FromJson, ParamError, Quantity};
use crate::simulation::{LastStep, fault_text, is_creation, revert_reason};
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_state::{Journal, Log, ReadError};
use rialto_stf::TxOutcome;
use rialto_vm::{Enter, Halt, Leave, Refusal, Step, Tracer};
use serde::Serialize;
use serde_json::{Value, value::RawValue};

/// About what a frame keeps besides its bytes.
const FRAME_BYTES: usize = 512;

/// `tracerConfig`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallOptions {
    /// Only the outermost call.
    pub only_top_call: bool,
    /// Logs too.
    pub with_log: bool,
}

impl FromJson for CallOptions {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        Ok(Self {
            only_top_call: fields.optional("onlyTopCall")?.unwrap_or(false),
            with_log: fields.optional("withLog")?.unwrap_or(false),
        })
    }
}

/// A log of a call.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CallLog {
    address: Address,
    topics: Vec<B256>,
    data: Bytes,
    /// Its number in the block.
    index: Quantity,
    /// Calls of the same frame before it.
    position: Quantity,
}

/// A call, a creation or a self-destruct.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CallFrame {
    pub from: Address,
    #[serde(serialize_with = "quantity")]
    pub gas: u64,
    #[serde(serialize_with = "quantity")]
    pub gas_used: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Address>,
    pub input: Bytes,
    #[serde(skip_serializing_if = "is_empty")]
    pub output: Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revert_reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallFrame>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub logs: Vec<CallLog>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<U256>,
    #[serde(rename = "type")]
    pub kind: &'static str,
}

fn is_empty(bytes: &Bytes) -> bool {
    bytes.0.is_empty()
}

fn quantity<S: serde::Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    Quantity(*value).serialize(serializer)
}

impl CallFrame {
    fn of(enter: &Enter<'_>) -> Self {
        Self {
            kind: enter.kind,
            from: enter.from,
            gas: enter.gas,
            to: Some(enter.to),
            input: Bytes::copy_from_slice(enter.input),
            value: (enter.kind != "STATICCALL").then_some(enter.value),
            ..Self::default()
        }
    }

    fn fail(&mut self, error: String) {
        self.error = Some(error);
        if is_creation(self.kind) {
            self.to = None;
        }
    }

    /// Drops the logs of a frame that failed and of all in it.
    fn drop_logs(&mut self) {
        self.logs.clear();
        self.calls.iter_mut().for_each(Self::drop_logs);
    }
}

/// A frame that is open.
struct OpenFrame {
    frame: CallFrame,
    last: Option<LastStep>,
    logs_before: u64,
}

/// The tree of calls, as it grows.
#[derive(Default)]
pub(crate) struct CallTracer {
    options: CallOptions,
    open: Vec<OpenFrame>,
    /// Frames that are open and not kept.
    skipped: usize,
    root: Option<CallFrame>,
    next_log: u64,
    kept_bytes: usize,
    gas_limit: u64,
}

impl CallTracer {
    pub(crate) fn new(options: CallOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// The outermost call, when it has ended.
    pub(crate) fn root(&self) -> Option<&CallFrame> {
        self.root.as_ref()
    }

    fn close(&mut self, frame: CallFrame) {
        match self.open.last_mut() {
            Some(caller) => caller.frame.calls.push(frame),
            None => self.root = Some(frame),
        }
    }
}

impl Tracer for CallTracer {
    fn step(&mut self, step: Step<'_>) {
        if self.skipped == 0
            && let Some(open) = self.open.last_mut()
        {
            open.last = Some(LastStep::of(&step));
        }
    }

    fn enter(&mut self, enter: Enter<'_>) {
        if self.options.only_top_call && !self.open.is_empty() {
            self.skipped += 1;
            return;
        }
        let mut frame = CallFrame::of(&enter);
        if self.open.is_empty() {
            frame.gas = self.gas_limit;
        }
        self.kept_bytes += FRAME_BYTES + 2 * enter.input.len();
        // A frame's own gas tells what it used; the outermost one's is told as the transaction's limit.
        frame.gas_used = enter.gas;
        self.open.push(OpenFrame { frame, last: None, logs_before: self.next_log });
    }

    fn leave(&mut self, leave: Leave<'_>) {
        if self.skipped > 0 {
            self.skipped -= 1;
            return;
        }
        let Some(OpenFrame { mut frame, last, logs_before }) = self.open.pop() else { return };
        frame.gas_used = frame.gas_used.saturating_sub(leave.gas);
        self.kept_bytes += 2 * leave.output.len();
        match leave.halt {
            None => frame.output = Bytes::copy_from_slice(leave.output),
            Some(halt) => {
                let text = fault_text(halt, frame.kind, last.as_ref());
                frame.fail(text);
                frame.drop_logs();
                self.next_log = logs_before;
                if halt == Halt::Revert {
                    frame.output = Bytes::copy_from_slice(leave.output);
                    frame.revert_reason = revert_reason(leave.output);
                }
            }
        }
        self.close(frame);
    }

    fn refuse(&mut self, enter: Enter<'_>, reason: Refusal) {
        if self.options.only_top_call {
            return;
        }
        let mut frame = CallFrame::of(&enter);
        self.kept_bytes += FRAME_BYTES + 2 * enter.input.len();
        frame.fail(refusal_text(reason).into());
        self.close(frame);
    }

    fn log(&mut self, log: &Log) {
        let index = self.next_log;
        self.next_log += 1;
        if !self.options.with_log || self.skipped > 0 {
            return;
        }
        self.kept_bytes += FRAME_BYTES + 2 * log.data.len();
        if let Some(OpenFrame { frame, .. }) = self.open.last_mut() {
            frame.logs.push(CallLog {
                address: log.address,
                topics: log.topics.to_vec(),
                data: log.data.clone(),
                index: Quantity(index),
                position: Quantity(frame.calls.len() as u64),
            });
        }
    }

    fn self_destruct(&mut self, account: Address, beneficiary: Address, balance: U256) {
        if self.options.only_top_call {
            return;
        }
        self.kept_bytes += FRAME_BYTES;
        let (from, to, value) = (account, Some(beneficiary), Some(balance));
        self.close(CallFrame { kind: "SELFDESTRUCT", from, to, value, ..CallFrame::default() });
    }
}

/// What geth says of a frame that was not opened.
fn refusal_text(reason: Refusal) -> &'static str {
    match reason {
        Refusal::Depth => "max call depth exceeded",
        Refusal::Balance => "insufficient balance for transfer",
        Refusal::Nonce => "nonce uint64 overflow",
    }
}

impl Collector for CallTracer {
    fn begin(&mut self, traced: &TracedTransaction<'_>, _state: &Journal<'_>) -> Result<(), ReadError> {
        self.gas_limit = traced.transaction.gas_limit;
        self.next_log = traced.logs_before;
        Ok(())
    }

    fn end(&mut self, outcome: &TxOutcome, _state: &Journal<'_>) -> Result<(), ReadError> {
        if let Some(root) = &mut self.root {
            root.gas_used = outcome.gas_used;
        }
        Ok(())
    }

    fn kept_bytes(&self) -> usize {
        self.kept_bytes
    }

    fn finish(&mut self) -> Result<Box<RawValue>, RpcError> {
        match &self.root {
            Some(root) => raw(root),
            None => Err(RpcError::server("incorrect number of top-level calls")),
        }
    }
}
