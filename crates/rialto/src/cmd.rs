//! The subcommands, a file each.

pub mod blocktest;
pub mod completions;
pub mod disasm;
pub mod execute;
pub mod statetest;
pub mod trace;
mod vectors;
