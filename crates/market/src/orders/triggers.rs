//! Stop and take-profit orders: orders that wait for the mark price.
//!
//! A trigger waits in one of two directions. A stop loss that sells and a take profit that buys wait for the mark to fall to their price or
//! below; the other two for it to rise. Per instrument and direction, waiting triggers hang in a queue by price, so that the crossed ones
//! are found without looking at any other.
//!
//! # Running
//! Marks change only when prices are accepted; then `Market::run_triggers` works off what is crossed: instrument by instrument, in each the
//! falling ones from the highest price down and then the rising ones from the lowest up, the way in which the mark would have met them,
//! oldest first at a price. A trigger is removed before its order is placed, so it runs once, whatever comes of it. What its order does
//! to the book does not move the mark, so one run never crosses a further trigger; the next acceptance of prices may, and that is the whole
//! of a cascade: each link waits for prices. Where the budget ends, the next run goes on with the instrument at which it ended.
//!
//! An order that is rejected (no margin, nothing to reduce, halted) leaves nothing and its trigger ends with reason 2; so a reduce-only
//! trigger whose position is gone does nothing.

use crate::abi::IMarket;
use crate::book::{IndexKind, namespace};
use crate::budget::Stopped;
use crate::error::{MarketError, Rejection};
use crate::gas;
use crate::layout::{Globals, Instrument, InstrumentStatus, Prices, byte_enum};
use crate::market::Market;
use crate::orders::request::{OrderRequest, TimeInForce, self_trade_of};
use crate::records::{Field, record};
use crate::types::{AccountId, InstrumentId, Lots, MICRO, MicroTicks, Side, Ticks};
use alloc::vec::Vec;
use alloy_primitives::U256;

/// Triggers that an account may have waiting.
pub const MAX_TRIGGERS: usize = 16;

byte_enum! {
    /// When a trigger's order is placed.
    pub enum TriggerKind {
        /// Never.
        None = 0,
        /// When the price went against a position.
        StopLoss = 1,
        /// When the price went for a position.
        TakeProfit = 2,
    }
}

byte_enum! {
    /// Which way the mark has to go.
    pub enum Direction {
        /// Down to the price or below.
        Falls = 0,
        /// Up to the price or above.
        Rises = 1,
    }
}

record! {
    /// A waiting order, named by its account and the account's number for it.
    pub struct TriggerOrder(tag 125, key (AccountId, u32), "account, number") {
        {
            /// Instrument; zero if there is no such trigger.
            pub instrument: InstrumentId,
            /// Kind.
            pub kind: TriggerKind,
            /// Side of the order.
            pub side: Side,
            /// Time in force of the order.
            pub time_in_force: u8,
            /// What the order does when it meets one of its owner's.
            pub self_trade: u8,
            /// Whether the order is reduce-only.
            pub is_reduce_only: bool,
            /// The price at which it triggers.
            pub trigger_ticks: Ticks,
            /// Limit of the order.
            pub ticks: Ticks,
            /// Lots of the order.
            pub lots: Lots,
        }
        {
            /// The client's id of the order.
            pub client_id: u64,
            /// When the order expires, in seconds; zero is never.
            pub expiry_seconds: u64,
        }
    }
}

record! {
    /// An account's triggers.
    pub struct TriggerOrdersOf(tag 127, key AccountId, "account") {
        {
            /// Number of the last trigger.
            pub last: u32,
            /// How many wait.
            pub count: u8,
        }
        {
            /// Numbers of the first eight.
            pub low: [u32; 8],
        }
        {
            /// Numbers of the next eight.
            pub high: [u32; 8],
        }
    }
}

record! {
    /// Where running triggers goes on.
    pub struct TriggerCursor(tag 128, key (), "none") {
        {
            /// The instrument.
            pub instrument: InstrumentId,
        }
    }
}

impl TriggerOrdersOf {
    /// Numbers of the waiting ones.
    pub fn numbers(&self) -> Vec<u32> {
        self.low.iter().chain(&self.high).copied().take(self.len()).collect()
    }

    /// How many wait, never more than there is room for.
    fn len(&self) -> usize {
        usize::from(self.count).min(MAX_TRIGGERS)
    }

    fn slot(&mut self, at: usize) -> &mut u32 {
        if at < 8 { &mut self.low[at] } else { &mut self.high[at - 8] }
    }
}

impl TriggerOrder {
    /// Which way the mark has to go.
    pub fn direction(&self) -> Direction {
        match (self.kind, self.side) {
            (TriggerKind::TakeProfit, Side::Sell) | (TriggerKind::StopLoss | TriggerKind::None, Side::Buy) => {
                Direction::Rises
            }
            _ => Direction::Falls,
        }
    }

    /// The order that it places.
    fn request(&self) -> Option<OrderRequest> {
        Some(OrderRequest {
            instrument: self.instrument,
            side: self.side,
            ticks: self.ticks,
            lots: self.lots,
            time_in_force: TimeInForce::from_byte(self.time_in_force)?,
            self_trade: self_trade_of(self.self_trade)?,
            is_reduce_only: self.is_reduce_only,
            client_id: self.client_id,
            expiry_seconds: self.expiry_seconds,
        })
    }
}

impl Direction {
    /// Whether a mark has crossed a price.
    fn is_crossed(self, mark: MicroTicks, ticks: Ticks) -> bool {
        let price = u64::from(ticks) * MICRO;
        match self {
            Self::Falls => mark <= price,
            Self::Rises => mark >= price,
        }
    }
}

/// A trigger's id in the interface.
pub fn trigger_id(account: AccountId, number: u32) -> u64 {
    u64::from(account.0) << 32 | u64::from(number)
}

/// The queue of the triggers of an instrument that wait for a direction.
fn waiting(instrument: InstrumentId, direction: Direction) -> u64 {
    let kind = match direction {
        Direction::Falls => IndexKind::TriggerBelow,
        Direction::Rises => IndexKind::TriggerAbove,
    };
    namespace(kind, instrument.0.into())
}

impl Market<'_, '_> {
    /// Stores a trigger; its id.
    pub(crate) fn place_trigger(
        &mut self,
        account: AccountId,
        order: &OrderRequest,
        kind: TriggerKind,
        trigger_ticks: Ticks,
    ) -> Result<u64, MarketError> {
        self.meter.charge(gas::TRIGGER_PLACE)?;
        let instrument = self.check_form(account, order)?;
        if kind == TriggerKind::None {
            return Err(Rejection::BadCall.into());
        }
        let trigger = TriggerOrder {
            instrument: order.instrument,
            kind,
            side: order.side,
            time_in_force: order.time_in_force as u8,
            self_trade: order.self_trade as u8,
            is_reduce_only: order.is_reduce_only,
            trigger_ticks,
            ticks: order.ticks,
            lots: order.lots,
            client_id: order.client_id,
            expiry_seconds: order.expiry_seconds,
        };
        self.check_waits(&instrument, &trigger)?;
        let mut own = self.records.get::<TriggerOrdersOf>(account)?;
        let count = usize::from(own.count);
        if count >= MAX_TRIGGERS {
            return Err(Rejection::LimitReached { what: "triggers", limit: MAX_TRIGGERS as u64 }.into());
        }
        own.last = own.last.checked_add(1).ok_or(Rejection::Overflow)?;
        own.count += 1;
        *own.slot(count) = own.last;
        self.records.set(account, own)?;
        self.count_order(account)?;
        let id = trigger_id(account, own.last);
        self.records.set((account, own.last), trigger)?;
        self.queue_push(waiting(trigger.instrument, trigger.direction()), trigger_ticks, id)?;
        self.emit(&IMarket::TriggerPlaced {
            account: account.0,
            instrument: order.instrument.0,
            triggerId: id,
            kind: IMarket::TriggerKind::try_from(kind as u8).unwrap_or(IMarket::TriggerKind::None),
            triggerTicks: trigger_ticks,
        });
        Ok(id)
    }

    /// A trigger is on a listed, living instrument with a mark, and is not crossed yet.
    fn check_waits(&mut self, instrument: &Instrument, trigger: &TriggerOrder) -> Result<(), MarketError> {
        if instrument.status == InstrumentStatus::Settled {
            return Err(Rejection::Forbidden { state: "settled" }.into());
        }
        let mark = self.records.get::<Prices>(trigger.instrument)?.mark;
        if mark == 0 {
            return Err(Rejection::Forbidden { state: "no mark price" }.into());
        }
        let now = mark / MICRO;
        let (least, most) = match trigger.direction() {
            Direction::Falls => (1, mark.div_ceil(MICRO).saturating_sub(1)),
            Direction::Rises => (now + 1, u64::from(Ticks::MAX)),
        };
        let value = u64::from(trigger.trigger_ticks);
        if !(least..=most).contains(&value) {
            let (value, least, most) = (U256::from(value), U256::from(least), U256::from(most));
            return Err(Rejection::OutOfRange { what: "trigger price", value, least, most }.into());
        }
        Ok(())
    }

    /// Removes a trigger on its owner's wish.
    pub(crate) fn cancel_trigger(&mut self, account: AccountId, id: u64) -> Result<(), MarketError> {
        self.meter.charge(gas::TRIGGER_END)?;
        let number = id as u32;
        let unknown = || MarketError::from(Rejection::Unknown { what: "trigger", id: U256::from(id) });
        if id >> 32 != u64::from(account.0) || number == 0 {
            return Err(unknown());
        }
        let trigger = self.records.get::<TriggerOrder>((account, number))?;
        if trigger.instrument.0 == 0 {
            return Err(unknown());
        }
        self.remove_trigger(account, number, &trigger)?;
        self.end_trigger(account, number, &trigger, 0);
        Ok(())
    }

    /// Removes all triggers of an account, which is being liquidated.
    pub(super) fn drop_triggers(&mut self, account: AccountId) -> Result<(), MarketError> {
        for number in self.records.get::<TriggerOrdersOf>(account)?.numbers() {
            self.meter.charge(gas::TRIGGER_END)?;
            let trigger = self.records.get::<TriggerOrder>((account, number))?;
            self.remove_trigger(account, number, &trigger)?;
            self.end_trigger(account, number, &trigger, 3);
        }
        Ok(())
    }

    /// Runs crossed triggers within this much gas. How many ran, and whether none is left.
    pub(crate) fn run_triggers(&mut self, budget_gas: u64) -> Result<(u32, bool), MarketError> {
        let (result, _) = self.on_budget(budget_gas, |market| {
            let count = market.records.get::<Globals>(())?.next_instrument.max(1) - 1;
            let first = market.records.get::<TriggerCursor>(())?.instrument.0;
            let first = if (1..=count).contains(&first) { first } else { 1 };
            let mut ran = 0;
            for at in 0..count {
                let after = (u32::from(first) - 1 + u32::from(at)) % u32::from(count);
                let id = InstrumentId(after as u16 + 1);
                if !market.run_instrument(id, &mut ran)? {
                    market.records.set((), TriggerCursor { instrument: id })?;
                    return Ok((ran, false));
                }
            }
            market.records.set((), TriggerCursor::default())?;
            Ok((ran, true))
        })?;
        Ok(result)
    }

    /// Runs an instrument's crossed triggers; whether the budget sufficed.
    fn run_instrument(&mut self, instrument: InstrumentId, ran: &mut u32) -> Result<bool, MarketError> {
        if self.meter.left() < gas::QUEUE_STEP {
            return Ok(false);
        }
        self.meter.charge(gas::QUEUE_STEP)?;
        let mark = self.records.get::<Prices>(instrument)?.mark;
        if mark == 0 {
            return Ok(true);
        }
        for direction in [Direction::Falls, Direction::Rises] {
            while let Some(id) = self.next_crossed(instrument, direction, mark)? {
                if self.meter.left() < gas::QUEUE_STEP + gas::TRIGGER_END + gas::TRIGGER_ORDER {
                    return Ok(false);
                }
                self.meter.charge(gas::QUEUE_STEP + gas::TRIGGER_END)?;
                self.run_trigger(AccountId((id >> 32) as u32), id as u32)?;
                *ran += 1;
            }
        }
        Ok(true)
    }

    /// The next crossed trigger.
    fn next_crossed(
        &mut self,
        instrument: InstrumentId,
        direction: Direction,
        mark: MicroTicks,
    ) -> Result<Option<u64>, MarketError> {
        let queue = waiting(instrument, direction);
        let next = match direction {
            Direction::Falls => self.queue_first_at_or_below(queue, Ticks::MAX)?,
            Direction::Rises => self.queue_first_at_or_above(queue, 0)?,
        };
        Ok(next.filter(|(ticks, _)| direction.is_crossed(mark, *ticks)).map(|(_, id)| id))
    }

    /// Removes a trigger and places its order.
    fn run_trigger(&mut self, account: AccountId, number: u32) -> Result<(), MarketError> {
        let trigger = self.records.get::<TriggerOrder>((account, number))?;
        self.remove_trigger(account, number, &trigger)?;
        let Some(order) = trigger.request() else { return Ok(()) };
        // Makers fill for three eighths of it: what is to be looked at afterwards costs no more, and the account's own health little.
        let least_gas = gas::TRIGGER_ORDER / 8 * 5;
        let placed =
            self.attempt_on_budget(gas::TRIGGER_ORDER, |market| market.place_down_to(account, &order, least_gas))?;
        let reason = match placed {
            Ok(_) => 1,
            Err(Stopped::Rejected(_) | Stopped::OutOfBudget) => 2,
        };
        self.end_trigger(account, number, &trigger, reason);
        Ok(())
    }

    fn end_trigger(&mut self, account: AccountId, number: u32, trigger: &TriggerOrder, reason: u8) {
        let (instrument, id) = (trigger.instrument.0, trigger_id(account, number));
        self.emit(&IMarket::TriggerEnded { account: account.0, instrument, triggerId: id, reason });
    }

    /// Takes a trigger out of its queue and off its account's list.
    fn remove_trigger(&mut self, account: AccountId, number: u32, trigger: &TriggerOrder) -> Result<(), MarketError> {
        self.queue_remove(waiting(trigger.instrument, trigger.direction()), trigger_id(account, number))?;
        self.records.set((account, number), TriggerOrder::default())?;
        let mut own = self.records.get::<TriggerOrdersOf>(account)?;
        if let Some(at) = own.numbers().iter().position(|other| *other == number) {
            let last = own.len().saturating_sub(1);
            let moved = core::mem::take(own.slot(last));
            if at != last {
                *own.slot(at) = moved;
            }
            own.count = last as u8;
            self.records.set(account, own)?;
        }
        self.uncount_order(account)
    }
}
