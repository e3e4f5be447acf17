//! Who watches the servers.
//!
//! An observer is told of every request when it is answered, and of connections as they come and go. It counts; it takes no part
//! in answering. Method names come from the network, so what counts by name has to take [`UNKNOWN_METHOD`] for names that no
//! method has, or anybody could make it keep any number of names.

use std::time::Duration;

/// The name under which requests for unknown methods are counted.
pub const UNKNOWN_METHOD: &str = "unknown";

/// Told what the servers do.
pub trait RpcObserver: Send + Sync {
    /// A request was answered, within `elapsed`, with this error code if it failed. `method` is a registered method's name or
    /// [`UNKNOWN_METHOD`].
    fn answered(&self, method: &str, elapsed: Duration, error_code: Option<i32>);

    /// A connection was opened (1) or closed (-1).
    fn connections_changed(&self, by: i64);
}
