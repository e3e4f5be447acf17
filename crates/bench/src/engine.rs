//! What the harness asks of an engine. There are two.

use crate::BenchError;
use crate::case::TransactionResult;
use std::time::Duration;

/// A case prepared for one engine.
pub trait Engine {
    /// The engine's name in reports and errors.
    const NAME: &'static str;

    /// Runs the transactions once from the pre-state and returns how long that took.
    fn time(&self) -> Result<Duration, BenchError>;

    /// Runs the transactions once from the pre-state and returns what each did.
    fn results(&self) -> Result<Vec<TransactionResult>, BenchError>;
}
