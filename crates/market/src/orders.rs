//! Orders: from what an account asks for to fills and what rests.
//!
//! # Placing
//! An order is checked for form and against the instrument's state; then it is matched, and what is left of it rests if it is of that kind;
//! then the account is asked whether it has the margin for what it now holds and has resting. Whatever is rejected on the way undoes
//! all of it, so the one check after the fact is as strict as one before and one after.
//!
//! - *Limits.* The worst price at which an order takes is its limit, but never further from the mark than the instrument's band. An
//!   order that rests may not be beyond the band on the side on which it would take. An order that does not rest may leave the limit at
//!   zero: then the band protects it alone.
//! - *Margin.* Whoever adds to a position needs initial margin at the end. Who only reduces needs what keeps the account from being
//!   liquidated, or, while it waits for liquidation, not to be worse off than before.
//! - *Makers* have their margin checked when they fill, at the prices of that moment: one without enough is cancelled instead, and the
//!   taker goes on. See `matching`.
//! - *Reduce-only* orders take and rest for no more than the position. A resting one shrinks with the position, when it is met: what
//!   the position no longer covers is cancelled then.
//! - *Bounds.* A call visits at most [`MAKER_VISITS`] makers. Where that ends it, what was filled stands, the rest is cancelled, and
//!   the answer says that it is partial.
//!
//! Liquidations use `Market::execute_ioc`, which skips the account's own checks: whoever is liquidated has no margin.

pub mod action;
mod batch;
mod cancel;
mod expiry;
pub mod lists;
mod matching;
mod replace;
pub mod request;
pub mod triggers;

use crate::abi::IMarket;
use crate::book::{MAKER_VISITS, NewOrder, SelfTrade, Stop, Taker, group_of};
use crate::error::{MarketError, Rejection};
use crate::gas;
use crate::layout::{Account, AccountStatus, Instrument, InstrumentKind, Prices};
use crate::market::Market;
use crate::quotient::{mul_div_down, signed_mul_div_up};
use crate::types::{AccountId, Amount, InstrumentId, Lots, MAX_LOTS, MICRO, OrderId, PPM, Side, Ticks};
use alloy_primitives::U256;
use matching::Exchange;
use request::{OrderRequest, Placed, TimeInForce};

/// Orders that one call cancels at most.
pub const MAX_CANCELS: u32 = 256;

/// Actions of a batch.
pub const MAX_ACTIONS: usize = 256;

/// An order's cancellation in favour of its replacement, as an event's reason.
pub const REPLACED: u8 = 7;

/// What an order may do, found before it is matched.
struct Plan {
    /// Worst price at which it takes.
    limit: Ticks,
    lots: Lots,
    /// Whether it only makes the position smaller.
    is_reducing: bool,
    /// The account's slack before, where it waits for liquidation.
    slack_before: Option<Amount>,
}

fn out_of_range(what: &'static str, value: u64, least: u64, most: u64) -> MarketError {
    let (value, least, most) = (U256::from(value), U256::from(least), U256::from(most));
    Rejection::OutOfRange { what, value, least, most }.into()
}

fn forbidden<T>(state: &'static str) -> Result<T, MarketError> {
    Err(Rejection::Forbidden { state }.into())
}

impl Market<'_, '_> {
    /// Places an order for an account. Who called has been checked.
    pub fn place_order(&mut self, account: AccountId, order: &OrderRequest) -> Result<Placed, MarketError> {
        self.place_down_to(account, order, 0)
    }

    /// As [`Market::place_order`], but no maker fills once the meter has less than this left: the rest is cancelled then.
    fn place_down_to(
        &mut self,
        account: AccountId,
        order: &OrderRequest,
        least_gas: u64,
    ) -> Result<Placed, MarketError> {
        self.meter.charge(gas::PLACE)?;
        let instrument = self.check_form(account, order)?;
        self.require_tradable(order.instrument, order.is_reduce_only)?;
        let record = self.account(account)?;
        let plan = self.plan(account, &record, &instrument, order)?;
        let taker = Taker {
            instrument: order.instrument,
            account,
            group: group_of(&record.owner),
            side: order.side,
            limit: plan.limit,
            lots: plan.lots,
            self_trade: order.self_trade,
            is_post_only: order.time_in_force == TimeInForce::PostOnly,
            is_fill_or_kill: order.time_in_force == TimeInForce::FillOrKill,
            max_visits: MAKER_VISITS,
        };
        let mut placed = self.take(&taker, &instrument, least_gas)?;
        if placed.left > 0 && placed.stop == Stop::NoMaker && order.time_in_force.rests() {
            placed.placed.resting = Some(self.rest(&taker, &instrument, order, placed.left)?);
        }
        if placed.placed.filled_lots > 0 || placed.placed.resting.is_some() {
            self.check_after(account, &plan)?;
            self.risk_changed(account)?;
        }
        Ok(placed.placed)
    }

    /// Fills at once what it can of an order that the account did not ask for, and that nobody asks its margin for. `reason` says in the
    /// event why. Makers fill while no more than an eighth of the gas that was left is used, so that a budget is never used up by costly ones.
    pub(crate) fn execute_ioc(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        side: Side,
        lots: Lots,
        limit_ticks: Ticks,
        reason: u8,
    ) -> Result<Placed, MarketError> {
        self.meter.charge(gas::PLACE)?;
        let terms = self.instrument(instrument)?;
        let record = self.account(account)?;
        let taker = Taker {
            instrument,
            account,
            group: group_of(&record.owner),
            side,
            limit: limit_ticks,
            lots,
            self_trade: SelfTrade::CancelMaker,
            is_post_only: false,
            is_fill_or_kill: false,
            max_visits: MAKER_VISITS,
        };
        let left = self.meter.left();
        let placed = self.take(&taker, &terms, left - left / 8)?.placed;
        if placed.filled_lots > 0 {
            let (filled, is_buy) = (placed.filled_lots, side == Side::Buy);
            let (instrument, account) = (instrument.0, account.0);
            self.emit(&IMarket::ForcedTrade { instrument, account, isBuy: is_buy, lots: filled, reason });
        }
        Ok(placed)
    }

    /// Matches an order and settles what follows for everybody but its own account.
    fn take(&mut self, taker: &Taker, instrument: &Instrument, least_gas: u64) -> Result<Taken, MarketError> {
        let open_before = self.records.get::<Prices>(taker.instrument)?.open_lots;
        let mut exchange = Exchange::new(instrument, least_gas);
        let outcome = self.book_match(taker, &mut exchange)?;
        if exchange.last_ticks != 0 {
            self.records.update::<Prices, _>(taker.instrument, |prices| prices.last_ticks = exchange.last_ticks)?;
            if self.records.get::<Prices>(taker.instrument)?.open_lots > open_before {
                self.require_open_interest(taker.instrument)?;
            }
        }
        for maker in exchange.touched {
            self.risk_changed(maker)?;
        }
        let quote_amount = outcome.lot_ticks.checked_mul(u128::from(instrument.tick_value));
        let placed = Placed {
            filled_lots: outcome.filled,
            quote_amount: quote_amount.ok_or(Rejection::Overflow)?,
            resting: None,
            is_partial: matches!(outcome.stop, Stop::Bound | Stop::Refused),
        };
        Ok(Taken { placed, left: outcome.left, stop: outcome.stop })
    }

    /// Puts what is left of an order into the book.
    fn rest(
        &mut self,
        taker: &Taker,
        instrument: &Instrument,
        order: &OrderRequest,
        lots: Lots,
    ) -> Result<OrderId, MarketError> {
        self.meter.charge(gas::REST)?;
        let account = taker.account;
        if self.order_count(account, order.instrument)? >= instrument.max_orders {
            let limit = u64::from(instrument.max_orders);
            return Err(Rejection::LimitReached { what: "orders in an instrument", limit }.into());
        }
        let id = self.book_insert(&NewOrder {
            instrument: order.instrument,
            account,
            group: taker.group,
            side: order.side,
            ticks: order.ticks,
            lots,
            client_id: order.client_id,
            expiry_seconds: order.expiry_seconds,
            is_reduce_only: order.is_reduce_only,
        })?;
        self.list_order(id, account, order.client_id, order.expiry_seconds)?;
        self.reserve_order(account, order.instrument, order.side, lots)?;
        self.emit(&IMarket::OrderPlaced {
            instrument: order.instrument.0,
            account: account.0,
            orderId: id.to_u128(),
            isBuy: order.side == Side::Buy,
            priceTicks: order.ticks,
            lots,
            clientId: order.client_id,
        });
        Ok(id)
    }

    /// The order's numbers are in the instrument's ranges and its client id is free. Returns the instrument.
    pub(crate) fn check_form(&mut self, account: AccountId, order: &OrderRequest) -> Result<Instrument, MarketError> {
        let instrument = self.instrument(order.instrument)?;
        let least = if order.is_reduce_only { 1 } else { instrument.min_lots.max(1) };
        let most = instrument.max_lots.min(MAX_LOTS);
        if !(least..=most).contains(&order.lots) {
            return Err(out_of_range("lots", order.lots, least, most));
        }
        if order.ticks == 0 && order.time_in_force.rests() {
            return Err(out_of_range("price", 0, 1, Ticks::MAX.into()));
        }
        if order.is_reduce_only && instrument.kind == InstrumentKind::Spot {
            return forbidden("a spot order can't be reduce-only");
        }
        expiry::key_of(order.expiry_seconds)?;
        if order.expiry_seconds != 0 && order.expiry_seconds <= self.block.timestamp_seconds {
            let least = self.block.timestamp_seconds.saturating_add(1);
            return Err(out_of_range("expiry", order.expiry_seconds, least, u32::MAX.into()));
        }
        if order.client_id != 0 {
            let taken = self.records.get::<lists::ClientOrder>((account, order.client_id))?;
            if taken.order_id().is_some() {
                return forbidden("the client id is in use");
            }
        }
        Ok(instrument)
    }

    /// What the order may do.
    fn plan(
        &mut self,
        account: AccountId,
        record: &Account,
        instrument: &Instrument,
        order: &OrderRequest,
    ) -> Result<Plan, MarketError> {
        let position = self.position(account, order.instrument)?;
        let is_opposite = position.lots != 0 && (position.lots > 0) != (order.side == Side::Buy);
        let held = if is_opposite { position.lots.unsigned_abs() } else { 0 };
        let mut lots = order.lots;
        if order.is_reduce_only {
            lots = lots.min(held);
            if lots == 0 {
                return Err(Rejection::WouldNotReduce.into());
            }
        }
        let resting = if order.side == Side::Buy { position.bid_lots } else { position.ask_lots };
        let is_reducing = order.is_reduce_only || lots.saturating_add(resting) <= held;
        let mut slack_before = None;
        if record.status != AccountStatus::Healthy {
            if !is_reducing {
                return forbidden("waiting for liquidation");
            }
            slack_before = Some(self.health(account)?.slack());
        }
        let limit = self.limit(instrument, order)?;
        Ok(Plan { limit, lots, is_reducing, slack_before })
    }

    /// The worst price at which the order takes: its own, within the band around the mark.
    fn limit(&mut self, instrument: &Instrument, order: &OrderRequest) -> Result<Ticks, MarketError> {
        if instrument.band_ppm == 0 {
            return match order.ticks {
                0 => Err(out_of_range("price", 0, 1, Ticks::MAX.into())),
                ticks => Ok(ticks),
            };
        }
        let mark = self.records.get::<Prices>(order.instrument)?.mark;
        if mark == 0 {
            return forbidden("no mark price");
        }
        let band = mul_div_down(mark.into(), instrument.band_ppm.into(), PPM.into());
        let band = u64::try_from(band).unwrap_or(u64::MAX);
        let edge = match order.side {
            Side::Buy => mark.saturating_add(band) / MICRO,
            Side::Sell => mark.saturating_sub(band).div_ceil(MICRO),
        };
        // A band of less than a tick, or around a mark of less than one, still lets the nearest tick trade.
        let edge = Ticks::try_from(edge.max(1)).unwrap_or(Ticks::MAX);
        let is_beyond = order.ticks != 0 && order.ticks != edge && !order.side.crosses(edge, order.ticks);
        if is_beyond && order.time_in_force.rests() {
            let (least, most) = if order.side == Side::Buy { (1, edge) } else { (edge, Ticks::MAX) };
            return Err(out_of_range("price", order.ticks.into(), least.into(), most.into()));
        }
        Ok(if order.ticks == 0 || is_beyond { edge } else { order.ticks })
    }

    /// Whether the account may stand as it does after its order.
    fn check_after(&mut self, account: AccountId, plan: &Plan) -> Result<(), MarketError> {
        if !plan.is_reducing {
            self.require_initial(account)?;
            return Ok(());
        }
        let health = self.health(account)?;
        let is_fine = match plan.slack_before {
            Some(before) => health.slack() >= before,
            None => !health.is_short(),
        };
        if is_fine {
            return Ok(());
        }
        Err(Rejection::MarginTooLow { equity: health.equity, required: health.maintenance }.into())
    }
}

/// What matching made of an order.
struct Taken {
    placed: Placed,
    left: Lots,
    stop: Stop,
}

/// A fee on a value, rounded against who pays or gets it: up if it is paid, down if it is a rebate.
fn fee_on(value: Amount, ppm: i32) -> Amount {
    let signed = if ppm < 0 { -value } else { value };
    signed_mul_div_up(signed, ppm.unsigned_abs().into(), PPM.into())
}
