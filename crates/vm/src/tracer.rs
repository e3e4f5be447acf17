//! Hooks that see an execution step by step.
//!
//! A traced run goes through the loop that takes one opcode at a time, and an untraced one through handlers that know of
//! no tracer (see `interpreter`), so not being traced costs nothing, not even a branch. A traced run executes the unfused
//! translation: one step is one opcode of the Yellow Paper.

use crate::Halt;
use alloy_primitives::{Address, U256};
use rialto_state::{Journal, Log};

/// The machine before an opcode runs.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    /// Offset of the opcode in the code.
    pub pc: usize,
    /// The opcode's number, as deployed.
    pub opcode: u8,
    /// Gas left before it.
    pub gas: u64,
    /// Frames open, 1 for the outermost.
    pub depth: usize,
    /// The stack, top last.
    pub stack: &'a [U256],
    /// The frame's memory.
    pub memory: &'a [u8],
    /// Output of the last call the frame made.
    pub return_data: &'a [u8],
    /// The refund counter, in gas.
    pub refund: i64,
    /// The account whose storage the frame uses.
    pub address: Address,
}

/// A frame that begins.
#[derive(Clone, Copy, Debug)]
pub struct Enter<'a> {
    /// `CALL`, `CALLCODE`, `DELEGATECALL`, `STATICCALL`, `CREATE` or `CREATE2`.
    pub kind: &'static str,
    /// Who calls.
    pub from: Address,
    /// Whose code runs, or the address of the contract to be.
    pub to: Address,
    /// Wei sent.
    pub value: U256,
    /// Call data or initcode.
    pub input: &'a [u8],
    /// Gas it gets.
    pub gas: u64,
    /// Gas its caller keeps; zero for the outermost.
    pub caller_gas: u64,
}

/// A frame that ends.
#[derive(Clone, Copy, Debug)]
pub struct Leave<'a> {
    /// `None` for success, otherwise why not.
    pub halt: Option<Halt>,
    /// Gas left, which goes back to the caller.
    pub gas: u64,
    /// Return data, revert reason or deployed code.
    pub output: &'a [u8],
}

/// Why an opcode that opens a frame opened none. The opcode succeeds and pushes zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 1,024 frames are open.
    Depth,
    /// The caller has less than the value.
    Balance,
    /// The creator's nonce is the last one (EIP-2681).
    Nonce,
}

/// Sees an execution. Every method defaults to nothing.
pub trait Tracer {
    /// Before each opcode, with the state as it stands. What only wants the machine implements [`Tracer::step`].
    fn step_on(&mut self, step: Step<'_>, state: &Journal<'_>) {
        let _ = state;
        self.step(step);
    }

    /// Whether to end the run, asked after each [`Tracer::step_on`]. The transaction then ends with an error as if state
    /// could not be read, and the machine must not be used any more.
    fn has_enough(&self) -> bool {
        false
    }

    /// Before each opcode.
    fn step(&mut self, step: Step<'_>) {
        let _ = step;
    }

    /// At the beginning of each frame, precompiled contracts and modules included.
    fn enter(&mut self, enter: Enter<'_>) {
        let _ = enter;
    }

    /// At the end of each frame.
    fn leave(&mut self, leave: Leave<'_>) {
        let _ = leave;
    }

    /// Where a frame would have begun but for this reason. All its gas goes back to the caller.
    fn refuse(&mut self, enter: Enter<'_>, reason: Refusal) {
        let _ = (enter, reason);
    }

    /// After each run of a module, up to its end or to a call of its own, with the account whose storage it works on. No opcode shows what
    /// it read and wrote there; [`Journal::touched_slots`] does.
    fn module_ran(&mut self, account: Address, state: &Journal<'_>) {
        let _ = (account, state);
    }

    /// Before a call that a module makes, which has no opcode either, with the account that is called.
    fn module_calls(&mut self, to: Address, state: &Journal<'_>) {
        let _ = (to, state);
    }

    /// At each log, which a frame's end may still undo.
    fn log(&mut self, log: &Log) {
        let _ = log;
    }

    /// At each SELFDESTRUCT: the account, its beneficiary, and the wei that the account had.
    fn self_destruct(&mut self, account: Address, beneficiary: Address, balance: U256) {
        let _ = (account, beneficiary, balance);
    }
}
