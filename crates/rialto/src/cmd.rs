//! The subcommands, a file each.

pub mod blocktest;
pub mod completions;
pub mod disasm;
pub mod statetest;
mod vectors;
