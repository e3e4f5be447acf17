//! Executions that change nothing: calls, estimates, simulated blocks and replays for traces.
//!
//! All of them run the state transition function on a state of the chain below an [`Overlay`], which holds what the question
//! supposes (overrides) and what earlier parts of it did. What a question leaves open is filled in as geth does, whose rules
//! are what wallets and libraries expect; so are the texts of errors.

mod args;
mod base;
mod brief;
mod call;
mod fault;
mod overlay;
mod overrides;
mod rejection;
mod replay;

pub(crate) use args::CallArgs;
pub(crate) use base::{Base, resolve_block, resolve_header};
pub(crate) use brief::Glance;
pub(crate) use call::{CallEnvironment, Failure};
pub(crate) use fault::{
    FaultTracer, LastStep, fault_text, is_creation, memory_cost, opcode_name, revert_error, revert_reason,
};
pub(crate) use overlay::Overlay;
pub(crate) use overrides::{BlockOverrides, StateOverrides};
pub(crate) use rejection::{rejection_code, rejection_text};
pub(crate) use replay::Replay;
