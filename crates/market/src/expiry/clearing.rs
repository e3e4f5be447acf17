//! What remains after a series is settled: orders that rest in its book, and positions that nobody has asked to be paid out.
//!
//! Series that were settled wait in a queue until their books are empty; each acceptance of prices goes on with it within a budget, one order
//! at a time. Positions are paid out when anyone asks, or with all others of their account: nothing hangs on when, as the price is final.

use crate::book::{CancelReason, Level};
use crate::budget::Stopped;
use crate::error::MarketError;
use crate::gas;
use crate::layout::{Account, Instrument, InstrumentStatus};
use crate::market::Market;
use crate::records::record;
use crate::types::{AccountId, Amount, InstrumentId, Side};

record! {
    /// The queue of settled series whose books are not empty yet.
    pub struct Clearing(tag 107, key (), "none") {
        {
            /// Number of the first one.
            pub head: u64,
            /// Number after the last one.
            pub tail: u64,
        }
    }
}

record! {
    /// A settled series in the queue.
    pub struct ClearingSeries(tag 108, key u64, "number") {
        {
            /// The option.
            pub instrument: InstrumentId,
        }
    }
}

impl Market<'_, '_> {
    /// Queues a settled series.
    pub(super) fn queue_clearing(&mut self, instrument: InstrumentId) -> Result<(), MarketError> {
        let mut queue: Clearing = self.records.get(())?;
        self.records.set(queue.tail, ClearingSeries { instrument })?;
        queue.tail = queue.tail.saturating_add(1);
        Ok(self.records.set((), queue)?)
    }

    /// Removes orders of settled series within this much gas. How many, and whether none is left.
    pub(crate) fn clear_settled(&mut self, budget_gas: u64) -> Result<(u32, bool), MarketError> {
        let (result, _) = self.on_budget(budget_gas, |market| {
            let mut count = 0;
            let mut queue: Clearing = market.records.get(())?;
            while queue.head < queue.tail {
                if market.meter.left() < gas::QUEUE_STEP + gas::CLEAR_MOST {
                    return Ok((count, false));
                }
                market.meter.charge(gas::QUEUE_STEP)?;
                let id = market.records.get::<ClearingSeries>(queue.head)?.instrument;
                let removed = market.attempt_on_budget(gas::CLEAR_MOST, |market| market.remove_first_order(id))?;
                match removed {
                    Ok(true) => count += 1,
                    Err(Stopped::OutOfBudget) => return Ok((count, false)),
                    // Empty; or its orders can't be removed, and it must not keep others waiting.
                    Ok(false) | Err(Stopped::Rejected(_)) => {
                        market.records.set(queue.head, ClearingSeries::default())?;
                        queue.head += 1;
                        let is_empty = queue.head == queue.tail;
                        market.records.set((), if is_empty { Clearing::default() } else { queue })?;
                    }
                }
            }
            Ok((count, true))
        })?;
        Ok(result)
    }

    /// Removes the first order of either side; whether there was one.
    fn remove_first_order(&mut self, id: InstrumentId) -> Result<bool, MarketError> {
        for side in [Side::Buy, Side::Sell] {
            if let Some((ticks, _)) = self.best(id, side)? {
                self.meter.charge(gas::CANCEL)?;
                let level: Level = self.records.get((id, side, ticks))?;
                let order = self.remove_listed(id, level.head, CancelReason::Instrument as u8)?;
                self.risk_changed(order.account)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Pays out all positions of an account in settled series. Returns what is realised.
    pub(crate) fn settle_all_expired(&mut self, account: AccountId) -> Result<Amount, MarketError> {
        let mut realised: Amount = 0;
        for id in self.records.get::<Account>(account)?.positions.into_iter().filter(|id| *id != 0) {
            let id = InstrumentId(id);
            if self.records.get::<Instrument>(id)?.status == InstrumentStatus::Settled {
                realised = realised.saturating_add(self.settle_expired(account, id)?);
            }
        }
        Ok(realised)
    }
}
