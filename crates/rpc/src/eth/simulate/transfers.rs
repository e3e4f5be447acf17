//! What a simulated call logs, transfers of ether among it if that is asked for.
//!
//! A transfer is told as the log of an ERC-20 token at the address that ERC-7528 gives to ether. Logs are kept by frame, so that
//! those of a frame that fails are dropped. They are numbered as they come, dropped ones included, as geth does.

use crate::simulation::LastStep;
use alloy_primitives::{Address, B256, Bytes, U256, address, b256};
use rialto_state::Log;
use rialto_vm::{Enter, Leave, Refusal, Step, Tracer};
use std::cell::RefCell;
use std::rc::Rc;

/// Ether as a token (ERC-7528).
const ETHER: Address = address!("eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
/// keccak256("Transfer(address,address,uint256)").
const TRANSFER_TOPIC: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// A log with its number in the block.
#[derive(Clone, Debug)]
pub(super) struct NumberedLog {
    pub index: u64,
    pub address: Address,
    pub topics: Vec<B256>,
    pub data: Bytes,
}

#[derive(Default)]
struct LogTracer {
    traces_transfers: bool,
    next_index: u64,
    /// Logs of the open frames.
    frames: Vec<Vec<NumberedLog>>,
    /// Logs of the outermost frame, when it has ended.
    done: Vec<NumberedLog>,
    last: Option<LastStep>,
}

impl LogTracer {
    fn push(&mut self, address: Address, topics: Vec<B256>, data: Bytes) {
        let index = self.next_index;
        self.next_index += 1;
        if let Some(frame) = self.frames.last_mut() {
            frame.push(NumberedLog { index, address, topics, data });
        }
    }

    fn transfer(&mut self, from: Address, to: Address, value: U256) {
        if self.traces_transfers && !value.is_zero() {
            let topics = vec![TRANSFER_TOPIC, from.into_word(), to.into_word()];
            self.push(ETHER, topics, Bytes::copy_from_slice(&value.to_be_bytes::<32>()));
        }
    }

    fn enter(&mut self, enter: Enter<'_>) {
        self.frames.push(Vec::new());
        if !matches!(enter.kind, "DELEGATECALL" | "CALLCODE") {
            self.transfer(enter.from, enter.to, enter.value);
        }
    }

    fn leave(&mut self, failed: bool) {
        let Some(mut logs) = self.frames.pop() else { return };
        if failed {
            logs.clear();
        }
        match self.frames.last_mut() {
            Some(caller) => caller.append(&mut logs),
            None => self.done = logs,
        }
    }
}

/// The tracer, shared by the executor and by whoever takes the logs between transactions.
#[derive(Clone)]
pub(super) struct SharedTracer(Rc<RefCell<LogTracer>>);

impl SharedTracer {
    pub(super) fn new(traces_transfers: bool) -> Self {
        Self(Rc::new(RefCell::new(LogTracer { traces_transfers, ..LogTracer::default() })))
    }

    /// Prepares for the next transaction.
    pub(super) fn reset(&self) {
        let mut tracer = self.0.borrow_mut();
        tracer.frames.clear();
        tracer.done.clear();
        tracer.last = None;
    }

    /// The outermost frame's last opcode.
    pub(super) fn last_step(&self) -> Option<LastStep> {
        self.0.borrow().last
    }

    /// The logs of the last transaction.
    pub(super) fn take_logs(&self, failed: bool) -> Vec<NumberedLog> {
        let logs = std::mem::take(&mut self.0.borrow_mut().done);
        if failed { Vec::new() } else { logs }
    }
}

impl Tracer for SharedTracer {
    fn step(&mut self, step: Step<'_>) {
        if step.depth == 1 {
            self.0.borrow_mut().last = Some(LastStep::of(&step));
        }
    }

    fn enter(&mut self, enter: Enter<'_>) {
        self.0.borrow_mut().enter(enter);
    }

    fn leave(&mut self, leave: Leave<'_>) {
        self.0.borrow_mut().leave(leave.halt.is_some());
    }

    fn refuse(&mut self, enter: Enter<'_>, _reason: Refusal) {
        let mut tracer = self.0.borrow_mut();
        tracer.enter(enter);
        tracer.leave(true);
    }

    fn log(&mut self, log: &Log) {
        self.0.borrow_mut().push(log.address, log.topics.to_vec(), log.data.clone());
    }

    fn self_destruct(&mut self, account: Address, beneficiary: Address, balance: U256) {
        self.0.borrow_mut().transfer(account, beneficiary, balance);
    }
}
