//! Walking the axes of the factors that moved, and checking that none was left out.

use super::level::level_of;
use super::triggers::{Factor, FactorCount, FactorState, Move, RiskLevel, RiskTrigger, WatchedFactor, axis, is_met};
use crate::assets::MAX_LISTED_ASSETS;
use crate::error::MarketError;
use crate::gas;
use crate::instruments::MAX_INSTRUMENTS;
use crate::liquidation::{Incomplete, Sweep};
use crate::market::Market;
use crate::types::Amount;
use alloc::vec::Vec;

/// Both directions, and where their walks begin.
const WALKS: [(Move, u32); 2] = [(Move::Down, u32::MAX), (Move::Up, 0)];

/// Factors that there may be: five of each instrument, two of each asset.
const MOST_FACTORS: u32 = 5 * MAX_INSTRUMENTS as u32 + 2 * MAX_LISTED_ASSETS as u32;

impl Market<'_, '_> {
    /// Every factor that someone's triggers are on, in the order of the list.
    fn watched_factors(&mut self) -> Result<Vec<u64>, MarketError> {
        let count = self.records.get::<FactorCount>(())?.count.min(MOST_FACTORS);
        let mut factors = Vec::new();
        for place in 0..count {
            let number = self.records.get::<WatchedFactor>(place)?.factor;
            if Factor::from_number(number).is_some() {
                factors.push(number);
            }
        }
        Ok(factors)
    }

    /// A factor's present value. One that has none any more stays as it was.
    fn present_value(&mut self, number: u64, state: &FactorState) -> Result<Amount, MarketError> {
        match Factor::from_number(number) {
            Some(factor) => Ok(self.factor_value(factor)?.unwrap_or(state.value)),
            None => Ok(state.value),
        }
    }

    /// Whether nobody has a trigger on a factor.
    fn is_unwatched(&mut self, number: u64) -> Result<bool, MarketError> {
        for (moves, from) in WALKS {
            if self.first_level(axis(number, moves), moves, from)?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Finds the accounts that fell below maintenance and queues them. What the meter's gas does not suffice for is left, with the report marked as
    /// behind.
    pub(crate) fn risk_sweep(&mut self, report: &mut Sweep) -> Result<(), MarketError> {
        report.is_behind = false;
        // Taking the factors' values is not paid from the budget: it has to be done for all, and there are as many as instruments and assets.
        for number in self.watched_factors()? {
            let mut state = self.records.get::<FactorState>(number)?;
            let value = self.present_value(number, &state)?;
            if state.value != value {
                state = FactorState { value, version: state.version.wrapping_add(1), is_behind: true, ..state };
                self.records.set(number, state)?;
            }
            if !state.is_behind {
                continue;
            }
            for (moves, from) in WALKS {
                if !self.walk(axis(number, moves), moves, from, &state, report)? {
                    report.is_behind = true;
                    break;
                }
            }
            if !report.is_behind {
                self.records.update(number, |state: &mut FactorState| state.is_behind = false)?;
                if self.is_unwatched(number)? {
                    self.factor_unlist(number)?;
                }
            }
        }
        Ok(())
    }

    /// Looks at the accounts whose triggers are met on an axis; whether it could look at all of them.
    fn walk(
        &mut self,
        axis: u64,
        moves: Move,
        mut from: u32,
        state: &FactorState,
        report: &mut Sweep,
    ) -> Result<bool, MarketError> {
        let here = level_of(state.value);
        while let Some(level) = self.first_level(axis, moves, from)? {
            if !is_met(moves, level, here) {
                break;
            }
            let RiskLevel { mut account, mut place } = self.records.get((axis, level))?;
            if account.0 == 0 {
                // No level is left without accounts; but whatever the slots hold, no step is free.
                if report.is_behind || self.meter.left() < gas::RISK_VISIT_MOST {
                    return Ok(false);
                }
                self.meter.charge(gas::RISK_STEP)?;
            }
            while account.0 != 0 {
                if report.is_behind || self.meter.left() < gas::RISK_VISIT_MOST {
                    return Ok(false);
                }
                // Looking at an account moves its own triggers alone, and it has one on an axis: the next one stays the next one.
                let trigger = self.records.get::<RiskTrigger>((account, place))?;
                if trigger.version != state.version {
                    report.visited += 1;
                    // A look is bounded by what an account may have, and is never left half done.
                    let (is_queued, used) = self.on_budget(u64::MAX, |market| market.risk_visit(account))?;
                    self.meter.charge(used.min(self.meter.left()))?;
                    report.queued += u32::from(is_queued);
                } else {
                    self.meter.charge(gas::RISK_STEP)?;
                }
                (account, place) = (trigger.next_account, trigger.next_place);
            }
            let next = match moves {
                Move::Down => level.checked_sub(1),
                Move::Up => level.checked_add(1),
            };
            match next {
                Some(next) if level != here => from = next,
                _ => break,
            }
        }
        Ok(true)
    }

    /// Whether every factor is swept; where the last sweep was cut short, what is left is in order on its axis.
    pub(crate) fn risk_check(&mut self, is_behind: bool) -> Result<Result<(), Incomplete>, MarketError> {
        for number in self.watched_factors()? {
            let state = self.records.get::<FactorState>(number)?;
            let value = self.present_value(number, &state)?;
            if state.is_behind && is_behind {
                continue;
            }
            if state.is_behind || state.value != value {
                return Ok(Err(Incomplete::FactorNotSwept { factor: number }));
            }
            let here = level_of(value);
            for (moves, from) in WALKS {
                let first = self.first_level(axis(number, moves), moves, from)?;
                if let Some(level) = first.filter(|level| *level != here && is_met(moves, *level, here)) {
                    return Ok(Err(Incomplete::TriggerCrossed { factor: number, level }));
                }
            }
        }
        Ok(Ok(()))
    }
}
