//! The Ethereum virtual machine.
//!
//! [`Vm`] runs messages on a journal under the [`Rules`] of a fork. The opcode table is in [`opcode`]; bytecode is made
//! ready by `program`, run by `interpreter`, and calls are opened and settled by `call` and `vm`.
#![no_std]
extern crate alloc;

pub mod arith;
mod call;
mod context;
mod fork;
mod frame;
mod halt;
mod instructions;
mod interpreter;
mod keccak;
mod keccak_cache;
mod memory;
mod memory_ops;
mod module;
pub mod native;
mod native_call;
pub mod opcode;
pub mod precompiles;
mod program;
mod rules;
mod state_gas;
mod state_ops;
mod tier;
mod tracer;
mod vm;

pub use context::{BlockContext, TxContext};
pub use fork::Fork;
pub use halt::Halt;
pub use keccak::keccak256;
pub use module::{Continuation, ModuleCall, ModuleOutcome, ModuleViolation, NativeModule, OutwardCall, OutwardResult};
pub use precompiles::{Precompile, PrecompileError, PrecompileSet, precompile, precompile_addresses};
pub use program::{jump_destinations, opcode_set};
pub use rules::{Rules, SstoreMeter};
pub use state_gas::{DELEGATION_BYTES, NEW_ACCOUNT_BYTES, STORAGE_SET_BYTES, StateGas, cost_per_state_byte};
pub use tier::{NativeCode, Slot, Tier};
pub use tracer::{Enter, Leave, Refusal, Step, Tracer};
pub use vm::{CallResult, Message, MessageKind, Vm};
