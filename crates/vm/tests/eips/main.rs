//! Small programs with known ends: a file per EIP or topic, tables of programs in each.

#[path = "../support/mod.rs"]
mod support;

mod arithmetic;
mod blobs;
mod calls;
mod code_limits;
mod create2;
mod delegation;
mod memory;
mod opcodes;
mod return_data;
mod selfdestruct;
mod stack;
mod static_calls;
mod storage;
mod transient;
mod warmth;
