//! Liquidations: what happens to an account below maintenance, inside the block in which it fell.
//!
//! # Order of things
//! The sweep runs after every acceptance of prices, and at the end of the block its first half. First it finds: accounts that the health index names
//! and that are below maintenance enter a queue ([`queue`]) and lose their triggers. Then it liquidates, in the order of the queue, one
//! step for an account at a time ([`steps`]):
//!
//! 1. its positions in settled series are paid out, and its resting orders cancelled;
//! 2. what it has is sold through the book, debts first, until it is back at its target, never at a price that would leave it bankrupt;
//! 3. what the book does not take is offered to keepers for some blocks, at a discount that grows ([`auction`]);
//! 4. then the backstop pool takes it over, as far as the pool's own margin goes ([`backstop`]);
//! 5. of what the account then owes beyond all it had, the insurance fund pays what it can;
//! 6. the rest is taken from the profits of those on the other side, in proportion, and positions that nobody took are closed against them
//!    ([`bankruptcy`], [`deleverage`]);
//! 7. and what is left of that is taken from all who hold the quote asset, through its supply index, with an event.
//!
//! Each step that brings the account back above maintenance ends its case.
//!
//! # Bounds
//! Finding and liquidating have a budget each; a step has a bound of its own and is undone alone if it fails, and the account goes
//! to the end of the queue. What a budget leaves carries over: found accounts in the queue, the others on the axes of the index, in order of
//! distance. An account in the queue can't withdraw or add to its positions.
//!
//! # Completeness
//! At the end of the block nobody is below maintenance but who is in the queue, or, where the budget for finding ended, lies beyond a
//! level of a factor that is marked as behind. [`Market::end_block_check`] holds the block to it.

mod auction;
mod backstop;
mod bankruptcy;
mod book;
pub mod deleverage;
mod queue;
mod steps;

pub use backstop::{BackstopPool, BackstopShares};
pub use queue::{Case, LiquidationQueue, QueueEntry};

use crate::error::MarketError;
use crate::gas;
use crate::market::Market;
use core::fmt;
use steps::Payer;

/// What a sweep did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sweep {
    /// Accounts that were looked at because a trigger of theirs was met.
    pub visited: u32,
    /// Of these, accounts that were below maintenance and were queued.
    pub queued: u32,
    /// Steps of liquidations.
    pub steps: u32,
    /// Gas that it took.
    pub gas: u64,
    /// Whether the budget for finding ended before all triggers that were met had been looked at.
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
    /// The queue has fewer entries than there are accounts waiting, or its first one is not where it should be.
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
    /// Finds the accounts that fell below maintenance, and then liquidates within `budget_gas`; goes on where the last sweep ended.
    pub(crate) fn sweep(&mut self, budget_gas: u64) -> Result<Sweep, MarketError> {
        self.sweep_within(gas::RISK_BUDGET, budget_gas)
    }

    /// The same, with a budget for finding as well.
    pub(crate) fn sweep_within(&mut self, find_gas: u64, budget_gas: u64) -> Result<Sweep, MarketError> {
        let mut report = Sweep::default();
        let ((), found_gas) = self.on_budget(find_gas, |market| market.risk_sweep(&mut report))?;
        let (steps, gas) = self.on_budget(budget_gas, |market| {
            let steps = market.liquidate_queued(u32::MAX, Payer::Block)?;
            market.backstop_unwinds()?;
            Ok(steps)
        })?;
        report.steps = steps;
        // A loss that was socialised is a move of a factor.
        let left = find_gas.saturating_sub(found_gas);
        let ((), again_gas) = self.on_budget(left, |market| market.risk_sweep(&mut report))?;
        self.note_behind(report.is_behind)?;
        report.gas = found_gas.saturating_add(gas).saturating_add(again_gas);
        Ok(report)
    }

    /// Goes on with liquidations at the caller's expense. Returns how many steps were made.
    pub(crate) fn liquidate(&mut self, most_accounts: u32) -> Result<u32, MarketError> {
        self.liquidate_queued(most_accounts, Payer::Caller)
    }

    /// Whether no account is below maintenance that was neither processed nor queued. To be asked after the block's last sweep.
    pub(crate) fn end_block_check(&mut self) -> Result<Result<(), Incomplete>, MarketError> {
        let queue = self.records.get::<LiquidationQueue>(())?;
        let entries = queue.tail.saturating_sub(queue.head);
        let first = self.records.get::<QueueEntry>(queue.head)?;
        if queue.waiting > entries || (entries > 0 && first.account.0 == 0) {
            return Ok(Err(Incomplete::QueueBroken { waiting: queue.waiting, entries }));
        }
        self.risk_check(queue.is_behind)
    }
}
