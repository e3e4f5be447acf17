//! Running a case on Rialto.

use crate::BenchError;
use crate::case::{Case, TransactionResult};
use crate::engine::Engine;
use std::time::Duration;

/// A case in Rialto's types.
pub struct RialtoCase {
    name: String,
}

impl RialtoCase {
    /// Translates a case.
    pub fn new(case: &Case) -> Self {
        Self { name: case.name.clone() }
    }
}

impl Engine for RialtoCase {
    const NAME: &'static str = "rialto";

    fn time(&self) -> Result<Duration, BenchError> {
        self.results().map(|_| Duration::ZERO)
    }

    fn results(&self) -> Result<Vec<TransactionResult>, BenchError> {
        let (case, reason) = (self.name.clone(), "block execution is not there yet".into());
        Err(BenchError::Rejected { case, transaction: 0, engine: Self::NAME, reason })
    }
}
