//! Orders that expire.
//!
//! All orders that expire hang in one queue, by the second and then in the order in which they came. After prices are accepted,
//! [`Market::expire_orders`] takes what is due from its front, within its budget; the rest carries over. An order that is due and still rests
//! does not fill: matching removes it when it meets it. So when the queue is worked off changes what the book shows, never a fill.

use crate::book::{CancelReason, IndexKind, namespace};
use crate::error::{MarketError, Rejection};
use crate::gas;
use crate::market::Market;
use crate::types::{InstrumentId, OrderId};
use alloy_primitives::U256;

/// Namespace of the queue: one for all instruments.
const EXPIRIES: u64 = namespace(IndexKind::Expiry, 0);

/// An order as an item of the queue: there is one order in a place of a book at a time.
fn item(id: OrderId) -> u64 {
    u64::from(id.instrument.0) << 32 | u64::from(id.handle)
}

/// The queue's key of a second; only orders with one are accepted.
pub(super) fn key_of(expiry_seconds: u64) -> Result<u32, Rejection> {
    let most = U256::from(u32::MAX);
    let range = || Rejection::OutOfRange { what: "expiry", value: U256::from(expiry_seconds), least: U256::ZERO, most };
    u32::try_from(expiry_seconds).map_err(|_| range())
}

impl Market<'_, '_> {
    /// Queues an order that rests until a second.
    pub(super) fn queue_expiry(&mut self, id: OrderId, expiry_seconds: u64) -> Result<(), MarketError> {
        self.queue_push(EXPIRIES, key_of(expiry_seconds)?, item(id))?;
        Ok(())
    }

    /// Takes an order out of the queue.
    pub(super) fn unqueue_expiry(&mut self, id: OrderId) -> Result<(), MarketError> {
        self.queue_remove(EXPIRIES, item(id))?;
        Ok(())
    }

    /// Removes orders that are due, within this much gas. How many, and whether none is left.
    pub(crate) fn expire_orders(&mut self, budget_gas: u64) -> Result<(u32, bool), MarketError> {
        let (result, _) = self.on_budget(budget_gas, |market| {
            let mut count = 0;
            while market.meter.left() >= gas::QUEUE_STEP + gas::CANCEL {
                market.meter.charge(gas::QUEUE_STEP)?;
                let Some((second, item)) = market.queue_first_at_or_above(EXPIRIES, 0)? else {
                    return Ok((count, true));
                };
                if u64::from(second) > market.block.timestamp_seconds {
                    return Ok((count, true));
                }
                market.meter.charge(gas::CANCEL)?;
                let instrument = InstrumentId((item >> 32) as u16);
                let order = market.remove_listed(instrument, item as u32, CancelReason::Expired as u8)?;
                market.risk_changed(order.account)?;
                count += 1;
            }
            Ok((count, false))
        })?;
        Ok(result)
    }
}
