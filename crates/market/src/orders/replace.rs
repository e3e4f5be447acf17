//! Replacing a resting order.
//!
//! An order that only becomes smaller keeps its id and its place in the queue: nobody behind it loses by that. Anything else (another price,
//! more lots, another expiry or flag) is a cancellation and a new order at the end of the queue, which may take like any other. Both
//! happen or none: where the new order is rejected, the old one still rests.

use super::REPLACED;
use crate::error::{MarketError, Rejection};
use crate::gas;
use crate::market::Market;
use crate::orders::request::{OrderRequest, Placed};
use crate::types::{AccountId, OrderId};

impl Market<'_, '_> {
    /// Replaces an order; see the module's documentation.
    pub(crate) fn replace_order(
        &mut self,
        account: AccountId,
        id: OrderId,
        order: &OrderRequest,
    ) -> Result<Placed, MarketError> {
        self.meter.charge(gas::REDUCE)?;
        let old = self.own_order(account, id)?;
        if order.instrument != id.instrument || order.side != old.side {
            return Err(Rejection::Forbidden { state: "a replacement is of the order's instrument and side" }.into());
        }
        let has_same_client_id = order.client_id == 0 || order.client_id == old.client_id;
        let keeps_place = order.ticks == old.ticks
            && order.lots <= old.lots
            && order.time_in_force.rests()
            && order.expiry_seconds == old.expiry_seconds
            && order.is_reduce_only == old.is_reduce_only
            && has_same_client_id;
        if !keeps_place {
            self.meter.charge(gas::CANCEL)?;
            self.take_out(id, REPLACED)?;
            let client_id = if order.client_id == 0 { old.client_id } else { order.client_id };
            let placed = self.place_order(account, &OrderRequest { client_id, ..*order })?;
            if placed.filled_lots == 0 && placed.resting.is_none() {
                self.risk_changed(account)?;
            }
            return Ok(placed);
        }
        let least = if old.is_reduce_only { 1 } else { self.instrument(id.instrument)?.min_lots.max(1) };
        if order.lots < least {
            return Err(super::out_of_range("lots", order.lots, least, old.lots));
        }
        if order.lots < old.lots {
            self.shrink_order(id, &old, old.lots - order.lots, REPLACED)?;
            self.risk_changed(account)?;
        }
        Ok(Placed { resting: Some(id), ..Placed::default() })
    }
}
