//! A collector that the executor and its caller hold together, within bounds.

use super::{Collector, TracedTransaction};
use crate::RpcError;
use alloy_primitives::{Address, U256};
use rialto_state::{Journal, Log, ReadError};
use rialto_stf::TxOutcome;
use rialto_vm::{Enter, Leave, Refusal, Step, Tracer};
use serde_json::value::RawValue;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Instant;

/// Opcodes between two looks at the clock.
const STEPS_PER_LOOK: u32 = 1024;

/// What a trace may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// When it has to be done.
    pub deadline: Instant,
    /// Most bytes that it may keep.
    pub max_bytes: usize,
}

struct Guarded {
    collector: Box<dyn Collector>,
    bounds: Bounds,
    steps: u32,
    stopped: Option<RpcError>,
}

impl Guarded {
    fn check_size(&mut self) {
        if self.collector.kept_bytes() > self.bounds.max_bytes {
            self.stopped = Some(RpcError::limit("bytes of the trace", self.bounds.max_bytes, "more"));
        }
    }

    fn check(&mut self) {
        self.check_size();
        self.steps = self.steps.wrapping_add(1);
        if self.steps.is_multiple_of(STEPS_PER_LOOK) && Instant::now() > self.bounds.deadline {
            self.stopped = Some(RpcError::server("execution timeout"));
        }
    }
}

/// A collector that the executor and its caller hold together. Between transactions the caller replaces it.
#[derive(Clone, Default)]
pub(crate) struct Shared(Rc<RefCell<Option<Guarded>>>);

impl Shared {
    /// Collects with another collector from now on.
    pub(crate) fn set(&self, collector: Box<dyn Collector>, bounds: Bounds) {
        *self.0.borrow_mut() = Some(Guarded { collector, bounds, steps: 0, stopped: None });
    }

    /// Before the transaction.
    pub(crate) fn begin(&self, traced: &TracedTransaction<'_>, state: &Journal<'_>) -> Result<(), ReadError> {
        match &mut *self.0.borrow_mut() {
            Some(guarded) => guarded.collector.begin(traced, state),
            None => Ok(()),
        }
    }

    /// After the transaction.
    pub(crate) fn end(&self, outcome: &TxOutcome, state: &Journal<'_>) -> Result<(), ReadError> {
        match &mut *self.0.borrow_mut() {
            Some(guarded) => {
                guarded.collector.end(outcome, state)?;
                guarded.check_size();
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Why the collector ended the run, if it did.
    pub(crate) fn stopped(&self) -> Option<RpcError> {
        self.0.borrow().as_ref()?.stopped.clone()
    }

    /// What the collector saw.
    pub(crate) fn finish(&self) -> Result<Box<RawValue>, RpcError> {
        match &mut *self.0.borrow_mut() {
            Some(Guarded { stopped: Some(error), .. }) => Err(error.clone()),
            Some(guarded) => guarded.collector.finish(),
            None => Err(RpcError::internal("trace: expected a tracer, found none")),
        }
    }

    fn with(&self, show: impl FnOnce(&mut dyn Collector)) {
        if let Some(guarded) = &mut *self.0.borrow_mut() {
            show(guarded.collector.as_mut());
        }
    }
}

impl Tracer for Shared {
    fn step_on(&mut self, step: Step<'_>, state: &Journal<'_>) {
        if let Some(guarded) = &mut *self.0.borrow_mut() {
            guarded.collector.step_on(step, state);
            guarded.check();
        }
    }

    fn has_enough(&self) -> bool {
        self.0.borrow().as_ref().is_some_and(|guarded| guarded.stopped.is_some())
    }

    fn enter(&mut self, enter: Enter<'_>) {
        self.with(|collector| collector.enter(enter));
    }

    fn leave(&mut self, leave: Leave<'_>) {
        self.with(|collector| collector.leave(leave));
    }

    fn refuse(&mut self, enter: Enter<'_>, reason: Refusal) {
        self.with(|collector| collector.refuse(enter, reason));
    }

    fn module_ran(&mut self, account: Address, state: &Journal<'_>) {
        self.with(|collector| collector.module_ran(account, state));
    }

    fn module_calls(&mut self, to: Address, state: &Journal<'_>) {
        self.with(|collector| collector.module_calls(to, state));
    }

    fn log(&mut self, log: &Log) {
        self.with(|collector| collector.log(log));
    }

    fn self_destruct(&mut self, account: Address, beneficiary: Address, balance: U256) {
        self.with(|collector| collector.self_destruct(account, beneficiary, balance));
    }
}
