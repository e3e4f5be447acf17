//! Batches: many actions in one call, for one account, in order.
//!
//! Each action is a part of the call by itself: one that is rejected leaves nothing, its result tells the error, and the next runs.
//! With `is_atomic` the first rejection is the call's. Running out of gas ends the call in either way, as it does everywhere.

use crate::error::{MarketError, Rejection};
use crate::gas;
use crate::market::Market;
use crate::module::rejection_selector;
use crate::orders::MAX_ACTIONS;
use crate::orders::action::{Action, ActionResult};
use crate::types::AccountId;
use alloc::vec::Vec;
use alloy_primitives::B256;

impl Market<'_, '_> {
    /// Does actions in order; a result for each.
    pub(crate) fn batch(
        &mut self,
        account: AccountId,
        actions: &[B256],
        is_atomic: bool,
    ) -> Result<Vec<B256>, MarketError> {
        if actions.len() > MAX_ACTIONS {
            return Err(Rejection::LimitReached { what: "actions", limit: MAX_ACTIONS as u64 }.into());
        }
        let mut results = Vec::with_capacity(actions.len());
        for word in actions {
            self.meter.charge(gas::ACTION)?;
            let result = if is_atomic {
                self.act(account, word)?
            } else {
                let attempted = self.attempt(|market| market.act(account, word))?;
                attempted.unwrap_or_else(|rejection| ActionResult::Rejected(rejection_selector(&rejection)))
            };
            results.push(result.pack());
        }
        Ok(results)
    }

    fn act(&mut self, account: AccountId, word: &B256) -> Result<ActionResult, MarketError> {
        Ok(match Action::unpack(word)? {
            Action::Place(order) => ActionResult::Placed(self.place_order(account, &order)?),
            Action::Cancel(id) => ActionResult::Cancelled(self.cancel_order(account, id)?),
            Action::CancelByClientId(client_id) => {
                ActionResult::Cancelled(self.cancel_by_client_id(account, client_id)?)
            }
            Action::Replace(id, order) => ActionResult::Placed(self.replace_order(account, id, &order)?),
            Action::CancelAll(instrument) => {
                let count = self.cancel_all(account, instrument, crate::book::CancelReason::Owner as u8)?;
                ActionResult::Cancelled(count.into())
            }
        })
    }
}
