//! `muxTracer`: several tracers in one run.

use super::{Collector, TracedTransaction, raw};
use crate::RpcError;
use alloy_primitives::{Address, U256};
use rialto_state::{Journal, Log, ReadError};
use rialto_stf::TxOutcome;
use rialto_vm::{Enter, Leave, Refusal, Step, Tracer};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

pub(super) struct MuxTracer {
    tracers: Vec<(String, Box<dyn Collector>)>,
}

impl MuxTracer {
    /// These tracers, by the names of their answers.
    pub(super) fn new(tracers: Vec<(String, Box<dyn Collector>)>) -> Self {
        Self { tracers }
    }
}

impl Tracer for MuxTracer {
    fn step_on(&mut self, step: Step<'_>, state: &Journal<'_>) {
        self.tracers.iter_mut().for_each(|(_, tracer)| tracer.step_on(step, state));
    }

    fn enter(&mut self, enter: Enter<'_>) {
        self.tracers.iter_mut().for_each(|(_, tracer)| tracer.enter(enter));
    }

    fn leave(&mut self, leave: Leave<'_>) {
        self.tracers.iter_mut().for_each(|(_, tracer)| tracer.leave(leave));
    }

    fn refuse(&mut self, enter: Enter<'_>, reason: Refusal) {
        self.tracers.iter_mut().for_each(|(_, tracer)| tracer.refuse(enter, reason));
    }

    fn module_ran(&mut self, account: Address, state: &Journal<'_>) {
        self.tracers.iter_mut().for_each(|(_, tracer)| tracer.module_ran(account, state));
    }

    fn module_calls(&mut self, to: Address, state: &Journal<'_>) {
        self.tracers.iter_mut().for_each(|(_, tracer)| tracer.module_calls(to, state));
    }

    fn log(&mut self, log: &Log) {
        self.tracers.iter_mut().for_each(|(_, tracer)| tracer.log(log));
    }

    fn self_destruct(&mut self, account: Address, beneficiary: Address, balance: U256) {
        self.tracers.iter_mut().for_each(|(_, tracer)| tracer.self_destruct(account, beneficiary, balance));
    }
}

impl Collector for MuxTracer {
    fn begin(&mut self, traced: &TracedTransaction<'_>, state: &Journal<'_>) -> Result<(), ReadError> {
        self.tracers.iter_mut().try_for_each(|(_, tracer)| tracer.begin(traced, state))
    }

    fn end(&mut self, outcome: &TxOutcome, state: &Journal<'_>) -> Result<(), ReadError> {
        self.tracers.iter_mut().try_for_each(|(_, tracer)| tracer.end(outcome, state))
    }

    fn kept_bytes(&self) -> usize {
        self.tracers.iter().map(|(_, tracer)| tracer.kept_bytes()).sum()
    }

    fn finish(&mut self) -> Result<Box<RawValue>, RpcError> {
        let mut answers = BTreeMap::new();
        for (name, tracer) in &mut self.tracers {
            answers.insert(name.as_str(), tracer.finish()?);
        }
        raw(&answers)
    }
}
