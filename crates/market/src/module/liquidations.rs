//! The calls about liquidations, and what can be asked of them.

use super::dispatch::Part;
use super::done;
use crate::abi::IMarket::{self, IMarketCalls as Calls};
use crate::gas;
use crate::market::Market;
use crate::positions::to_i256;
use crate::types::{AccountId, Amount, InstrumentId, Side};
use alloy_sol_types::SolCall;

fn unsigned(amount: Amount) -> u128 {
    u128::try_from(amount).unwrap_or(0)
}

/// Calls that change something.
pub(super) fn run(market: &mut Market<'_, '_>, call: &Calls) -> Part {
    let answer = match call {
        Calls::takeAuction(call) => {
            let (keeper, account) = (AccountId(call.keeper), AccountId(call.account));
            let instrument = InstrumentId(call.instrument);
            let (taken, price) = market.take_auction(keeper, account, instrument, call.lots, call.worstPrice)?;
            let answer = IMarket::takeAuctionReturn { takenLots: taken, price: price.into() };
            IMarket::takeAuctionCall::abi_encode_returns(&answer)
        }
        Calls::depositBackstop(call) => {
            market.meter.charge(gas::BALANCE_MOVE)?;
            let shares = market.deposit_backstop(AccountId(call.account), call.amount)?;
            IMarket::depositBackstopCall::abi_encode_returns(&shares)
        }
        Calls::withdrawBackstop(call) => {
            market.meter.charge(gas::BALANCE_MOVE)?;
            let amount = market.withdraw_backstop(AccountId(call.account), call.shares)?;
            IMarket::withdrawBackstopCall::abi_encode_returns(&amount)
        }
        Calls::liquidate(call) => {
            let processed = market.liquidate(call.maxAccounts)?;
            IMarket::liquidateCall::abi_encode_returns(&processed)
        }
        _ => return Ok(None),
    };
    done(answer).map(Some)
}

/// Calls that only ask.
pub(super) fn view(market: &mut Market<'_, '_>, call: &Calls) -> Part {
    let answer = match call {
        Calls::auctionOf(call) => {
            market.meter.charge(gas::READ)?;
            let offer = market.auction_offer(AccountId(call.account), InstrumentId(call.instrument))?;
            let answer = offer.map_or(IMarket::auctionOfReturn { lots: 0, price: 0, sinceBlock: 0 }, |(offer, _)| {
                IMarket::auctionOfReturn {
                    lots: i64::try_from(offer.lots).unwrap_or(i64::MAX) * if offer.side == Side::Sell { 1 } else { -1 },
                    price: offer.ticks.into(),
                    sinceBlock: offer.since_block,
                }
            });
            IMarket::auctionOfCall::abi_encode_returns(&answer)
        }
        Calls::backstopOf(call) => {
            market.meter.charge(gas::READ)?;
            let (shares, total, equity) = market.backstop_of(AccountId(call.account))?;
            IMarket::backstopOfCall::abi_encode_returns(&IMarket::backstopOfReturn {
                shares: unsigned(shares),
                totalShares: unsigned(total),
                equity: to_i256(equity),
            })
        }
        _ => return Ok(None),
    };
    done(answer).map(Some)
}
