//! Orders that leave the book without a fill: by their owner, by their account's liquidation, or by what the market finds.
//!
//! Everything that removes a resting order goes through [`Market::remove_listed`] or, where matching has taken it out already,
//! [`Market::forget_order`]: the order goes off its account's lists, its reservation is released, and an event tells why.

use crate::abi::IMarket;
use crate::book::{CancelReason, Order};
use crate::error::{MarketError, Rejection};
use crate::gas;
use crate::market::Market;
use crate::orders::MAX_CANCELS;
use crate::types::{AccountId, InstrumentId, Lots, OrderId, Side};
use alloy_primitives::U256;

fn unknown_order(id: OrderId) -> MarketError {
    Rejection::Unknown { what: "order", id: U256::from(id.to_u128()) }.into()
}

impl Market<'_, '_> {
    /// The account's resting order with this id.
    pub(crate) fn own_order(&mut self, account: AccountId, id: OrderId) -> Result<Order, MarketError> {
        let order = self.book_order(id)?.ok_or_else(|| unknown_order(id))?;
        if order.account != account {
            return Err(Rejection::NotAllowed.into());
        }
        Ok(order)
    }

    /// Cancels an order; the lots that were left of it.
    pub(crate) fn cancel_order(&mut self, account: AccountId, id: OrderId) -> Result<Lots, MarketError> {
        self.meter.charge(gas::CANCEL)?;
        self.own_order(account, id)?;
        let order = self.take_out(id, CancelReason::Owner as u8)?;
        self.risk_changed(account)?;
        Ok(order.lots)
    }

    /// Cancels the order with a client's id; the lots that were left of it.
    pub(crate) fn cancel_by_client_id(&mut self, account: AccountId, client_id: u64) -> Result<Lots, MarketError> {
        let id = self.order_of_client(account, client_id)?;
        self.cancel_order(account, id)
    }

    /// Cancels up to [`MAX_CANCELS`] orders of an account, in one instrument or (zero) in all; for another's reason than the owner's in all, its
    /// triggers as well. How many orders.
    pub(crate) fn cancel_all(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        reason: u8,
    ) -> Result<u32, MarketError> {
        let instruments = match instrument {
            InstrumentId(0) => self.account(account)?.positions,
            InstrumentId(one) => core::array::from_fn(|at| if at == 0 { one } else { 0 }),
        };
        let mut count = 0;
        for id in instruments.into_iter().filter(|id| *id != 0).map(InstrumentId) {
            self.meter.charge(gas::ORDER_LIST_WORD)?;
            for handle in self.listed_orders(account, id, MAX_CANCELS - count)? {
                self.meter.charge(gas::CANCEL)?;
                self.remove_listed(id, handle, reason)?;
                count += 1;
            }
            if count == MAX_CANCELS {
                break;
            }
        }
        if instrument.0 == 0 && reason != CancelReason::Owner as u8 {
            self.drop_triggers(account)?;
        }
        if count > 0 {
            self.risk_changed(account)?;
        }
        Ok(count)
    }

    /// Removes the order in a place of the book, which lies in a list.
    pub(crate) fn remove_listed(
        &mut self,
        instrument: InstrumentId,
        handle: u32,
        reason: u8,
    ) -> Result<Order, MarketError> {
        let order = self.records.get::<Order>((instrument, handle))?;
        self.take_out(OrderId { instrument, sequence: order.sequence, handle }, reason)
    }

    /// Takes an order out of the book and of all lists; the order as it was.
    pub(crate) fn take_out(&mut self, id: OrderId, reason: u8) -> Result<Order, MarketError> {
        let order = self.book_remove(id)?.ok_or_else(|| unknown_order(id))?;
        self.forget_order(id, &order, reason)?;
        Ok(order)
    }

    /// What remains to be done for an order that the book no longer has and that had lots left.
    pub(crate) fn forget_order(&mut self, id: OrderId, order: &Order, reason: u8) -> Result<(), MarketError> {
        self.unlist_order(id, order)?;
        self.release_order(order.account, id.instrument, order.side, order.lots)?;
        self.emit(&IMarket::OrderCancelled {
            instrument: id.instrument.0,
            account: order.account.0,
            orderId: id.to_u128(),
            lots: order.lots,
            reason,
        });
        Ok(())
    }

    /// Makes an order smaller in its place by some of its lots, not all.
    pub(crate) fn shrink_order(
        &mut self,
        id: OrderId,
        order: &Order,
        lots: Lots,
        reason: u8,
    ) -> Result<(), MarketError> {
        self.book_reduce(id, lots)?.ok_or_else(|| unknown_order(id))?;
        self.tell_shrunk(id, order.account, order.side, (lots, order.lots - lots), reason)
    }

    /// What remains to be done for an order that the book made smaller: `lots` is by how many, and how many are left.
    pub(crate) fn tell_shrunk(
        &mut self,
        id: OrderId,
        account: AccountId,
        side: Side,
        lots: (Lots, Lots),
        reason: u8,
    ) -> Result<(), MarketError> {
        let (by, left) = lots;
        self.release_order(account, id.instrument, side, by)?;
        self.emit(&IMarket::OrderReduced {
            instrument: id.instrument.0,
            account: account.0,
            orderId: id.to_u128(),
            lots: left,
            reason,
        });
        Ok(())
    }
}
