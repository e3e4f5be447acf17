//! A call frame: the machine state μ and the environment I of one call (Yellow Paper, 9.3 and 9.4).
//!
//! Frames are values on the heap; calling never recurses on the host's stack. The running frame is held by the machine
//! itself, the suspended ones in a vector below it.

use crate::StateGas;
use crate::native_call::ModuleFrame;
use crate::program::Program;
use alloc::boxed::Box;
use alloy_primitives::{Address, Bytes, U256};
use rialto_state::{AccountId, Checkpoint, Code};

/// Where a frame's call data is.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// In the memory of the caller, which does not change while the frame runs: offset in the shared buffer and length.
    Memory(usize, usize),
    /// Owned, for the outermost frame.
    Bytes(Bytes),
}

impl Input {
    /// Bytes of it.
    pub fn len(&self) -> usize {
        match self {
            Self::Memory(_, len) => *len,
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

/// What becomes of a frame's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Output goes to this range of the caller's memory, cut to its length.
    Call { return_offset: usize, return_len: usize },
    /// Output is the code of this account.
    Create { account: AccountId, address: Address },
}

/// Holds what a frame runs.
pub(crate) enum Owner {
    /// The code of an account; the translation lives as long as it does.
    Code(Code),
    /// Initcode, used once.
    Initcode(#[expect(dead_code, reason = "held for its lifetime")] Box<Program>),
    /// None: the frame is of a native module that waits for a call of its own.
    Module(Box<ModuleFrame>),
    /// None: what the frame held was handed on to the one that takes its place.
    None,
}

pub(crate) struct Frame {
    /// Points into what `owner` holds.
    pub program: *const Program,
    /// The program's first instruction.
    pub code: *const u8,
    /// Bytes of the code.
    pub code_len: usize,
    pub owner: Owner,
    pub pc: usize,
    pub gas: u64,
    /// Index of the frame's first word in the shared stack, and number of words.
    pub stack_base: usize,
    pub stack_len: usize,
    /// Where the caller's memory begins, to return to.
    pub caller_memory_base: usize,
    /// The account whose storage the frame uses.
    pub account: AccountId,
    pub address: Address,
    pub caller: Address,
    pub value: U256,
    pub input: Input,
    /// Bytes of the input.
    pub input_len: usize,
    pub is_static: bool,
    pub purpose: Purpose,
    pub checkpoint: Checkpoint,
    /// State gas left and used (EIP-8037).
    pub state_gas: StateGas,
}
