//! What a fill means: both accounts' positions, fees and margin, and the event.
//!
//! The maker comes first, before the book has the fill: its side is applied and its margin looked at, in a part that is undone if the
//! maker may not fill; then the maker is cancelled and the taker goes on. The taker's side is applied once the book has the fill, and its
//! margin is checked once, after all fills, by whoever placed the order.
//!
//! A maker needs initial margin if the fill adds to its position, and must not be below maintenance if it reduces. The lots are no
//! longer reserved by then, so nothing counts twice.
//!
//! Fees: the taker's is rounded up, the maker's too, or its rebate down. Instruments have no rebate above the taker's fee, so the treasury
//! never pays for a fill; both are computed of the same exact value.

use super::fee_on;
use crate::abi::IMarket;
use crate::book::{CancelReason, Cancelled, Matched, Matching, Resting, Taker, Verdict};
use crate::error::{MarketError, Rejection};
use crate::gas;
use crate::layout::Instrument;
use crate::market::Market;
use crate::types::{AccountId, Amount, Lots, OrderId, Side, Ticks};
use alloc::vec::Vec;

/// The exchange, for the time of one order.
pub(super) struct Exchange {
    terms: Instrument,
    /// No maker fills once the meter has less left.
    least_gas: u64,
    /// Fee of the maker whose side was applied last.
    maker_fee: Amount,
    /// Price of the last fill; zero if there was none.
    pub last_ticks: Ticks,
    /// Accounts of makers that changed, each once.
    pub touched: Vec<AccountId>,
}

impl Exchange {
    pub(super) fn new(terms: &Instrument, least_gas: u64) -> Self {
        Self { terms: *terms, least_gas, maker_fee: 0, last_ticks: 0, touched: Vec::new() }
    }

    fn touch(&mut self, account: AccountId) {
        // Neighbours in a queue are often of one market maker; there are never more than the visits of a call.
        if !self.touched.iter().rev().any(|other| *other == account) {
            self.touched.push(account);
        }
    }

    fn fee(&self, lots: Lots, ticks: Ticks, ppm: i32) -> Result<Amount, MarketError> {
        Ok(fee_on(self.terms.fill_value(lots, ticks)?, ppm))
    }

    /// Applies the maker's side, if it may fill.
    fn fill_maker(
        &mut self,
        market: &mut Market<'_, '_>,
        maker: &Resting,
        lots: Lots,
    ) -> Result<Result<(), Rejection>, MarketError> {
        let (id, order) = (maker.id, &maker.order);
        let fee = self.fee(lots, order.ticks, self.terms.maker_fee_ppm)?;
        self.maker_fee = fee;
        market.attempt(|market| {
            let held = market.position(order.account, id.instrument)?.lots;
            market.release_order(order.account, id.instrument, order.side, lots)?;
            market.apply_fill(order.account, id.instrument, order.side, lots, order.ticks, fee)?;
            let is_opposite = held != 0 && (held > 0) != (order.side == Side::Buy);
            if is_opposite && lots <= held.unsigned_abs() {
                let health = market.health(order.account)?;
                if health.is_short() {
                    let required = health.maintenance;
                    return Err(Rejection::MarginTooLow { equity: health.equity, required }.into());
                }
            } else {
                market.require_initial(order.account)?;
            }
            Ok(())
        })
    }
}

/// The lots that a reduce-only order may still fill.
fn reducible(held: i64, side: Side) -> Lots {
    let is_opposite = held != 0 && (held > 0) != (side == Side::Buy);
    if is_opposite { held.unsigned_abs() } else { 0 }
}

impl Matching for Exchange {
    fn before_fill(
        &mut self,
        market: &mut Market<'_, '_>,
        taker: &Taker,
        maker: &Resting,
        lots: Lots,
    ) -> Result<Verdict, MarketError> {
        if market.meter.left() < self.least_gas {
            return Ok(Verdict::CancelTaker);
        }
        market.meter.charge(gas::FILL)?;
        let order = &maker.order;
        let mut lots = lots;
        let mut verdict = Verdict::Fill;
        if order.is_reduce_only {
            let held = market.position(order.account, taker.instrument)?.lots;
            let most = reducible(held, order.side);
            if most == 0 {
                return Ok(Verdict::CancelMaker(CancelReason::ReduceOnly));
            }
            if most < order.lots {
                lots = lots.min(most);
                verdict = Verdict::FillAtMost(most, CancelReason::ReduceOnly);
            }
        }
        match self.fill_maker(market, maker, lots)? {
            Ok(()) => Ok(verdict),
            Err(_) => Ok(Verdict::CancelMaker(CancelReason::Margin)),
        }
    }

    fn on_fill(&mut self, market: &mut Market<'_, '_>, taker: &Taker, fill: &Matched) -> Result<(), MarketError> {
        let (id, order) = (fill.maker.id, &fill.maker.order);
        self.touch(order.account);
        self.last_ticks = order.ticks;
        if fill.lots == order.lots {
            market.unlist_order(id, order)?;
        }
        let taker_ppm = i32::try_from(self.terms.taker_fee_ppm).unwrap_or(i32::MAX);
        let taker_fee = self.fee(fill.lots, order.ticks, taker_ppm)?;
        market.apply_fill(taker.account, taker.instrument, taker.side, fill.lots, order.ticks, taker_fee)?;
        market.emit(&IMarket::Trade {
            instrument: taker.instrument.0,
            taker: taker.account.0,
            maker: order.account.0,
            makerOrderId: OrderId::to_u128(id),
            takerIsBuy: taker.side == Side::Buy,
            priceTicks: order.ticks,
            lots: fill.lots,
            takerFee: taker_fee,
            makerFee: self.maker_fee,
        });
        Ok(())
    }

    fn on_cancelled(&mut self, market: &mut Market<'_, '_>, cancelled: &Cancelled) -> Result<(), MarketError> {
        let Cancelled { maker, lots, reason } = cancelled;
        self.touch(maker.order.account);
        market.meter.charge(gas::CANCEL)?;
        if *lots == maker.order.lots {
            return market.forget_order(maker.id, &maker.order, *reason as u8);
        }
        let left = maker.order.lots - lots;
        market.tell_shrunk(maker.id, maker.order.account, maker.order.side, (*lots, left), *reason as u8)
    }
}
