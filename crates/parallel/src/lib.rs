//! Blocks on several cores, with the outcome of one.
//!
//! [`execute`] is [`rialto_stf::execute`] with threads: the same receipts, the same diff, the same errors, whatever the threads
//! do. How that is so is told in `scheduler`; what an access list makes of it, in `list`. [`RootThreads`] computes state roots.

mod execute;
#[cfg(test)]
mod explore;
#[cfg(test)]
mod interleavings;
mod lanes;
mod list;
mod pool;
mod queue;
mod record;
mod root;
mod scheduler;
mod shares;
mod strategy;
mod sync;
mod units;
mod worker;

pub use execute::{execute, execute_counted};
pub use root::RootThreads;
pub use scheduler::Counts;
pub use strategy::Strategy;
