//! Blocks on several cores, with the outcome of one.
//!
//! [`execute`] is [`rialto_stf::execute`] with threads: the same receipts, the same diff, the same errors, whatever the threads
//! do. How that is so is told in `scheduler`; `memory` is the state that the threads share.

mod memory;
mod scheduler;
mod strategy;

pub use scheduler::{Counts, execute, execute_counted};
pub use strategy::Strategy;
