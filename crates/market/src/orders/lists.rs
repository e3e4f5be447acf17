//! Which orders an account has: what the book, which is ordered by price, does not know.
//!
//! Per account and instrument the handles of the resting orders lie densely in words of eight; an order's [`OrderPlace`] says where its
//! handle lies, so that adding and removing touch a constant number of records: the last handle takes the place of the removed one. Client
//! ids find orders in a table of their own, where only resting orders have an entry.
//!
//! Orders that expire are queued by their seconds as well, see `super::expiry`.
//!
//! Invariant: an order rests in the book if and only if its handle lies in its account's list; `crate::Market::list_order` and
//! `crate::Market::unlist_order` are called wherever the book's orders come and go.

use crate::book::Order;
use crate::error::{MarketError, Rejection};
use crate::layout::Account;
use crate::market::Market;
use crate::records::{Field, record};
use crate::types::{AccountId, InstrumentId, OrderId};
use alloc::vec::Vec;
use alloy_primitives::U256;

/// Orders and triggers that an account may have, all instruments together.
pub const MAX_ACCOUNT_ORDERS: u32 = 2048;

/// Handles in a word.
const PER_WORD: u32 = 8;

impl Field for [u32; 8] {
    const BYTES: usize = 32;

    fn write(self, bytes: &mut [u8]) {
        for (bytes, number) in bytes.chunks_exact_mut(4).zip(self) {
            bytes.copy_from_slice(&number.to_be_bytes());
        }
    }

    fn read(bytes: &[u8]) -> Self {
        core::array::from_fn(|i| u32::from_be_bytes(core::array::from_fn(|byte| bytes[4 * i + byte])))
    }
}

record! {
    /// How many orders an account has in an instrument's book.
    pub struct OrderCount(tag 120, key (AccountId, InstrumentId), "account, instrument") {
        {
            /// Orders.
            pub count: u32,
        }
    }
}

record! {
    /// Eight of an account's orders in an instrument's book.
    pub struct OrderList(tag 121, key (AccountId, InstrumentId, u32), "account, instrument, word") {
        {
            /// Handles, zeros at the end of the last word.
            pub handles: [u32; 8],
        }
    }
}

record! {
    /// Where an order is listed.
    pub struct OrderPlace(tag 122, key (InstrumentId, u32), "instrument, handle") {
        {
            /// Place in the account's list.
            pub at: u32,
        }
    }
}

record! {
    /// The resting order with a client's id.
    pub struct ClientOrder(tag 123, key (AccountId, u64), "account, client id") {
        {
            /// Instrument.
            pub instrument: InstrumentId,
            /// Number in the instrument's sequence; zero if there is no such order.
            pub sequence: u64,
            /// Place of its record.
            pub handle: u32,
        }
    }
}

impl ClientOrder {
    /// The order's id, if there is one.
    pub fn order_id(&self) -> Option<OrderId> {
        let Self { instrument, sequence, handle } = *self;
        (sequence != 0).then_some(OrderId { instrument, sequence, handle })
    }
}

impl Market<'_, '_> {
    /// Lists an order that now rests in the book.
    pub(crate) fn list_order(
        &mut self,
        id: OrderId,
        account: AccountId,
        client_id: u64,
        expiry_seconds: u64,
    ) -> Result<(), MarketError> {
        let OrderId { instrument, sequence, handle } = id;
        let at = self.records.update::<OrderCount, _>((account, instrument), |record| {
            let at = record.count;
            record.count = at.saturating_add(1);
            at
        })?;
        let slot = (at % PER_WORD) as usize;
        self.records
            .update::<OrderList, _>((account, instrument, at / PER_WORD), |list| list.handles[slot] = handle)?;
        self.records.set((instrument, handle), OrderPlace { at })?;
        if client_id != 0 {
            self.records.set((account, client_id), ClientOrder { instrument, sequence, handle })?;
        }
        if expiry_seconds != 0 {
            self.queue_expiry(id, expiry_seconds)?;
        }
        self.count_order(account)
    }

    /// Takes an order off the lists that no longer rests in the book.
    pub(crate) fn unlist_order(&mut self, id: OrderId, order: &Order) -> Result<(), MarketError> {
        let (account, instrument) = (order.account, id.instrument);
        if order.expiry_seconds != 0 {
            self.unqueue_expiry(id)?;
        }
        if order.client_id != 0 {
            self.records.set((account, order.client_id), ClientOrder::default())?;
        }
        let place = self.records.get::<OrderPlace>((instrument, id.handle))?;
        let last = self.records.update::<OrderCount, _>((account, instrument), |record| {
            record.count = record.count.saturating_sub(1);
            record.count
        })?;
        let last_slot = (last % PER_WORD) as usize;
        let moved = self.records.update::<OrderList, _>((account, instrument, last / PER_WORD), |list| {
            core::mem::take(&mut list.handles[last_slot])
        })?;
        if place.at != last {
            let slot = (place.at % PER_WORD) as usize;
            let word = (account, instrument, place.at / PER_WORD);
            self.records.update::<OrderList, _>(word, |list| list.handles[slot] = moved)?;
            self.records.update::<OrderPlace, _>((instrument, moved), |record| record.at = place.at)?;
        }
        self.records.set((instrument, id.handle), OrderPlace::default())?;
        self.uncount_order(account)
    }

    /// Counts one order or trigger more.
    pub(crate) fn count_order(&mut self, account: AccountId) -> Result<(), MarketError> {
        let count = self.records.update::<Account, _>(account, |record| {
            record.orders = record.orders.saturating_add(1);
            record.orders
        })?;
        if u32::from(count) > MAX_ACCOUNT_ORDERS {
            return Err(Rejection::LimitReached { what: "orders", limit: MAX_ACCOUNT_ORDERS.into() }.into());
        }
        Ok(())
    }

    /// Counts one less.
    pub(crate) fn uncount_order(&mut self, account: AccountId) -> Result<(), MarketError> {
        self.records.update::<Account, _>(account, |record| record.orders = record.orders.saturating_sub(1))?;
        Ok(())
    }

    /// Orders that an account has in a book.
    pub(crate) fn order_count(&mut self, account: AccountId, instrument: InstrumentId) -> Result<u32, MarketError> {
        Ok(self.records.get::<OrderCount>((account, instrument))?.count)
    }

    /// Up to `most` of an account's orders in a book.
    pub(crate) fn listed_orders(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        most: u32,
    ) -> Result<Vec<u32>, MarketError> {
        let count = self.order_count(account, instrument)?.min(most);
        let mut handles = Vec::with_capacity(count as usize);
        for word in 0..count.div_ceil(PER_WORD) {
            let list = self.records.get::<OrderList>((account, instrument, word))?;
            handles.extend(list.handles.iter().take((count - word * PER_WORD) as usize));
        }
        Ok(handles)
    }

    /// The order with a client's id.
    pub(crate) fn order_of_client(&mut self, account: AccountId, client_id: u64) -> Result<OrderId, MarketError> {
        let found = self.records.get::<ClientOrder>((account, client_id))?.order_id();
        found.ok_or_else(|| Rejection::Unknown { what: "client id", id: U256::from(client_id) }.into())
    }
}
