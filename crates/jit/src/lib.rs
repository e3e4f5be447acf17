//! The compiler tier: hot bytecode as native code, exact to the unit of gas.
//!
//! [`Jit`] is a [`rialto_vm::Tier`]: a machine that is given one runs native code where there is some and is in every
//! respect the same machine otherwise. `analysis` cuts bytecode into blocks, `translate` turns these into Cranelift's
//! intermediate form with `words` for the arithmetic, `machine` makes machine code of it, and `cache` decides what is
//! compiled and what is kept.
//!
//! Whatever is rare or fails is left to the interpreter: compiled code stores the frame's registers and comes back, and
//! the interpreter goes on at that opcode. So compiled code needs to be exact only where it is usual, and is simple
//! everywhere else.

mod analysis;
mod cache;
mod machine;
mod translate;
#[allow(dead_code, reason = "EXP and its price are a helper's; the tests use it")]
mod words;

#[cfg(test)]
mod tests;

pub use cache::{CompiledInfo, Jit, JitMode, JitOptions, JitStats};
pub use machine::CompileError;
