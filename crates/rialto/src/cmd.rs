//! The subcommands, a file each.

pub mod bench;
pub mod blocktest;
pub mod completions;
pub mod disasm;
pub mod execute;
pub mod statetest;
pub mod t8n;
pub mod trace;
mod vectors;
