//! The figures of a run, and how they are shown.

use super::RootSize;
use core::fmt;
use serde::Serialize;

/// Median of one way to the root.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RootFigure {
    /// Who computes it.
    pub by: &'static str,
    /// From what.
    pub from: &'static str,
    /// Threads that compute it.
    pub threads: usize,
    /// Median time, nanoseconds.
    pub median_ns: u64,
    /// Shortest time, nanoseconds.
    pub lowest_ns: u64,
    /// Longest time, nanoseconds.
    pub highest_ns: u64,
    /// The root's part of the time of executing the block and computing the root, one after the other.
    pub share_of_block: f64,
}

/// The figures of a run. Its display is a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RootReport {
    /// Accounts in the state.
    pub accounts: usize,
    /// Slots in the state.
    pub slots: usize,
    /// Accounts that the block changed.
    pub touched_accounts: usize,
    /// Slots that the block changed.
    pub touched_slots: usize,
    /// Transactions of the block.
    pub transactions: usize,
    /// Gas that it used.
    pub gas_used: u64,
    /// Length of our database's file, bytes.
    pub database_bytes: u64,
    /// Rounds of each way.
    pub rounds: usize,
    /// Median time of executing the block on one thread, nanoseconds, reading from the database just opened.
    pub execution_ns: u64,
    /// The root that all ways gave.
    pub root: String,
    /// Each way.
    pub figures: Vec<RootFigure>,
}

impl RootReport {
    pub(super) fn empty(size: &RootSize) -> Self {
        Self {
            accounts: size.accounts,
            slots: size.slots,
            touched_accounts: 0,
            touched_slots: 0,
            transactions: 0,
            gas_used: 0,
            database_bytes: 0,
            rounds: 0,
            execution_ns: 0,
            root: String::new(),
            figures: Vec::new(),
        }
    }
}

fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

impl fmt::Display for RootReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "state: {} accounts, {} slots, {} MiB", self.accounts, self.slots, self.database_bytes >> 20)?;
        writeln!(
            f,
            "block: {} accounts and {} slots changed by {} transactions, {:.0} million gas, executed in {:.1} ms",
            self.touched_accounts,
            self.touched_slots,
            self.transactions,
            self.gas_used as f64 / 1e6,
            milliseconds(self.execution_ns)
        )?;
        writeln!(f, "root:  {}, by all of {} rounds", self.root, self.rounds)?;
        let by = self.figures.iter().map(|figure| figure.by.len()).max().unwrap_or_default();
        let from = self.figures.iter().map(|figure| figure.from.len()).max().unwrap_or_default();
        writeln!(
            f,
            "{:by$}  {:from$}  {:>7}  {:>10}  {:>10}  {:>10}  {:>14}",
            "by", "from", "threads", "median ms", "lowest ms", "highest ms", "share of block"
        )?;
        for figure in &self.figures {
            writeln!(
                f,
                "{:by$}  {:from$}  {:7}  {:10.1}  {:10.1}  {:10.1}  {:13.0}%",
                figure.by,
                figure.from,
                figure.threads,
                milliseconds(figure.median_ns),
                milliseconds(figure.lowest_ns),
                milliseconds(figure.highest_ns),
                figure.share_of_block * 100.0
            )?;
        }
        Ok(())
    }
}
