//! The calls about orders and triggers, and what can be asked of the book.

use super::dispatch::Part;
use super::done;
use crate::abi::IMarket::{self, IMarketCalls as Calls};
use crate::book::CancelReason;
use crate::error::Rejection;
use crate::gas;
use crate::market::Market;
use crate::orders::MAX_CANCELS;
use crate::orders::request::OrderRequest;
use crate::orders::triggers::{TriggerKind, TriggerOrdersOf, trigger_id};
use crate::types::{AccountId, InstrumentId, OrderId, Side};
use alloy_primitives::U256;
use alloy_sol_types::SolCall;

/// Levels that one answer holds.
const MAX_LEVELS: u8 = 64;

fn order_id(id: u128) -> Result<OrderId, Rejection> {
    OrderId::from_u128(id).ok_or(Rejection::Unknown { what: "order", id: U256::from(id) })
}

fn side_of(is_buy: bool) -> Side {
    if is_buy { Side::Buy } else { Side::Sell }
}

/// Calls that change something.
pub(super) fn run(market: &mut Market<'_, '_>, call: &Calls) -> Part {
    let account = match call {
        Calls::place(call) => call.account,
        Calls::placeTrigger(call) => call.account,
        Calls::cancelTrigger(call) => call.account,
        Calls::cancel(call) => call.account,
        Calls::cancelByClientId(call) => call.account,
        Calls::replace(call) => call.account,
        Calls::cancelAll(call) => call.account,
        Calls::batch(call) => call.account,
        Calls::batchAtomic(call) => call.account,
        _ => return Ok(None),
    };
    let account = AccountId(account);
    market.require_trader(account)?;
    let answer = match call {
        Calls::place(call) => {
            let placed = market.place_order(account, &OrderRequest::from_abi(&call.order)?)?;
            IMarket::placeCall::abi_encode_returns(&placed.to_abi())
        }
        Calls::placeTrigger(call) => {
            let order = OrderRequest::from_abi(&call.order)?;
            let kind = TriggerKind::from_byte(call.kind as u8).ok_or(Rejection::BadCall)?;
            let id = market.place_trigger(account, &order, kind, call.triggerTicks)?;
            IMarket::placeTriggerCall::abi_encode_returns(&id)
        }
        Calls::cancelTrigger(call) => {
            market.cancel_trigger(account, call.triggerId)?;
            IMarket::cancelTriggerCall::abi_encode_returns(&().into())
        }
        Calls::cancel(call) => {
            let lots = market.cancel_order(account, order_id(call.orderId)?)?;
            IMarket::cancelCall::abi_encode_returns(&lots)
        }
        Calls::cancelByClientId(call) => {
            let lots = market.cancel_by_client_id(account, call.clientId)?;
            IMarket::cancelByClientIdCall::abi_encode_returns(&lots)
        }
        Calls::replace(call) => {
            let order = OrderRequest::from_abi(&call.order)?;
            let placed = market.replace_order(account, order_id(call.orderId)?, &order)?;
            IMarket::replaceCall::abi_encode_returns(&placed.to_abi())
        }
        Calls::cancelAll(call) => {
            let instrument = InstrumentId(call.instrument);
            let count = market.cancel_all(account, instrument, CancelReason::Owner as u8)?;
            IMarket::cancelAllCall::abi_encode_returns(&count)
        }
        Calls::batch(call) => IMarket::batchCall::abi_encode_returns(&market.batch(account, &call.actions, false)?),
        Calls::batchAtomic(call) => {
            IMarket::batchAtomicCall::abi_encode_returns(&market.batch(account, &call.actions, true)?)
        }
        _ => return Ok(None),
    };
    done(answer).map(Some)
}

/// Calls that only ask.
pub(super) fn view(market: &mut Market<'_, '_>, call: &Calls) -> Part {
    let answer = match call {
        Calls::bestPrices(call) => {
            market.meter.charge(gas::READ * 2)?;
            let instrument = InstrumentId(call.instrument);
            let bid = market.best(instrument, Side::Buy)?.unwrap_or_default();
            let ask = market.best(instrument, Side::Sell)?.unwrap_or_default();
            let answer = IMarket::bestPricesReturn { bidTicks: bid.0, bidLots: bid.1, askTicks: ask.0, askLots: ask.1 };
            IMarket::bestPricesCall::abi_encode_returns(&answer)
        }
        Calls::orderOf(call) => {
            market.meter.charge(gas::READ)?;
            let unknown = Rejection::Unknown { what: "order", id: U256::from(call.orderId) };
            let order = market.book_order(order_id(call.orderId)?)?.ok_or(unknown)?;
            IMarket::orderOfCall::abi_encode_returns(&IMarket::orderOfReturn {
                account: order.account.0,
                isBuy: order.side == Side::Buy,
                priceTicks: order.ticks,
                lots: order.lots,
                clientId: order.client_id,
                expirySeconds: order.expiry_seconds,
            })
        }
        Calls::levels(call) => {
            let most = call.most.min(MAX_LEVELS);
            market.meter.charge(gas::READ * (1 + u64::from(most)))?;
            let levels = market.book_depth(InstrumentId(call.instrument), side_of(call.isBuy), most.into())?;
            IMarket::levelsCall::abi_encode_returns(&IMarket::levelsReturn {
                priceTicks: levels.iter().map(|level| level.ticks).collect(),
                lots: levels.iter().map(|level| level.lots).collect(),
            })
        }
        Calls::ordersOf(call) => {
            let (account, instrument) = (AccountId(call.account), InstrumentId(call.instrument));
            let count = market.order_count(account, instrument)?.min(MAX_CANCELS);
            market.meter.charge(gas::READ * (1 + u64::from(count)))?;
            let mut ids = alloc::vec::Vec::with_capacity(count as usize);
            for handle in market.listed_orders(account, instrument, count)? {
                let sequence = market.records.get::<crate::book::Order>((instrument, handle))?.sequence;
                ids.push(OrderId { instrument, sequence, handle }.to_u128());
            }
            IMarket::ordersOfCall::abi_encode_returns(&ids)
        }
        Calls::triggersOf(call) => {
            market.meter.charge(gas::READ * 2)?;
            let account = AccountId(call.account);
            let own = market.records.get::<TriggerOrdersOf>(account)?;
            let ids = own.numbers().into_iter().map(|number| trigger_id(account, number)).collect();
            IMarket::triggersOfCall::abi_encode_returns(&ids)
        }
        _ => return Ok(None),
    };
    done(answer).map(Some)
}
