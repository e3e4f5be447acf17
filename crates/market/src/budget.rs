//! Work that the market does by itself, on a meter of its own.
//!
//! Liquidations, triggers and expiries run in a call that somebody else pays for, or in none. They get a budget of gas instead: while they
//! run, [`Market::on_budget`] puts a fresh meter in place of the call's. A piece that may not fit runs in
//! [`Market::attempt_on_budget`], which undoes it alone, whether the rules rejected it or its budget ended.
//!
//! What new prices set off has a budget for each block, however often prices come in it: [`Market::on_block_budget`] keeps count.

use crate::error::{MarketError, Rejection};
use crate::market::Market;
use crate::meter::Meter;
use crate::records::record;

record! {
    /// What the market has done by itself in a block, of one kind.
    pub struct BlockWork(tag 145, key u8, "kind: 0 sweeps, 1 triggers, 2 expired orders, 3 settled series") {
        {
            /// The block.
            pub block: u64,
            /// Gas of it.
            pub gas: u64,
        }
    }
}

/// Kinds of work that have a budget in each block.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Sweeps = 0,
    Triggers = 1,
    ExpiredOrders = 2,
    SettledSeries = 3,
}

/// Why a piece of budgeted work left nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stopped {
    /// The rules say no.
    Rejected(Rejection),
    /// Its budget ended.
    OutOfBudget,
}

impl Market<'_, '_> {
    /// Runs work on a meter of its own with this much gas; what it returns comes with the gas that it used.
    pub(crate) fn on_budget<T>(
        &mut self,
        budget_gas: u64,
        work: impl FnOnce(&mut Self) -> Result<T, MarketError>,
    ) -> Result<(T, u64), MarketError> {
        let meter = core::mem::replace(&mut self.meter, Meter::new(budget_gas));
        let result = work(self);
        let used = core::mem::replace(&mut self.meter, meter).used();
        self.unpaid_gas = self.unpaid_gas.saturating_add(used);
        Ok((result?, used))
    }

    /// Runs work that gets on its budgets what this block has left of `most_gas`.
    pub(crate) fn on_block_budget<T>(
        &mut self,
        kind: Work,
        most_gas: u64,
        work: impl FnOnce(&mut Self, u64) -> Result<T, MarketError>,
    ) -> Result<T, MarketError> {
        let block = self.block.number;
        let done = self.records.get::<BlockWork>(kind as u8)?;
        let spent = if done.block == block { done.gas } else { 0 };
        let before = self.unpaid_gas;
        let result = work(self, most_gas.saturating_sub(spent))?;
        let gas = spent.saturating_add(self.unpaid_gas.saturating_sub(before));
        self.records.set(kind as u8, BlockWork { block, gas })?;
        Ok(result)
    }

    /// Runs a piece of work with at most `most_gas` of what the meter has left. Where it is rejected or needs more, its changes and
    /// events are undone; the gas stays used.
    pub(crate) fn attempt_on_budget<T>(
        &mut self,
        most_gas: u64,
        work: impl FnOnce(&mut Self) -> Result<T, MarketError>,
    ) -> Result<Result<T, Stopped>, MarketError> {
        let given = most_gas.min(self.meter.left());
        let outer = core::mem::replace(&mut self.meter, Meter::new(given));
        let (mark, events) = (self.records.mark(), self.events.len());
        let result = work(self);
        let used = core::mem::replace(&mut self.meter, outer).used();
        self.meter.charge(used)?;
        let stopped = match result {
            Ok(value) => return Ok(Ok(value)),
            Err(MarketError::Rejected(rejection)) => Stopped::Rejected(*rejection),
            Err(MarketError::OutOfGas) => Stopped::OutOfBudget,
            Err(fatal) => return Err(fatal),
        };
        self.records.revert(mark);
        self.events.truncate(events);
        Ok(Err(stopped))
    }
}
