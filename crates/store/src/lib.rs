//! The embedded database of a chain.
//!
//! * [`Store`] is the database: one transaction commits any number of blocks, or nothing of them.
//! * [`Snapshot`] is what the database held at one instant, however long it is read and whatever is committed meanwhile.
//! * [`StateAt`] is the state after one canonical block within the window of history, as a reader and as a source of nodes.
//!
//! The store knows nothing of execution: headers, bodies and receipts are bytes to it, whose meaning is its caller's.

mod block;
mod codec;
mod codes;
mod engine;
mod error;
mod leaf_sorter;
mod prune;
mod scan;
mod snapshot;
mod state_at;
mod stats;
mod store;
mod tables;
mod verify;
mod write;

pub use block::{BlockLocation, CanonicalBlock, Commit, StoredBlock};
pub use error::StoreError;
pub use scan::AccountVisitor;
pub use snapshot::Snapshot;
pub use state_at::StateAt;
pub use stats::{StoreStats, TableStats};
pub use store::{History, Store, StoreOptions};
pub use verify::{CheckHeader, StateSummary, VerifyOptions, VerifyProgress, VerifyReport};
