//! The calls about prices and what they settle, and what can be asked of them.

use super::dispatch::Part;
use super::done;
use crate::abi::IMarket::{self, IMarketCalls as Calls};
use crate::error::{MarketError, Rejection};
use crate::feeds::Feed;
use crate::gas;
use crate::layout::Prices;
use crate::market::Market;
use crate::outward::{Outward, Step};
use crate::types::{AccountId, FeedId, InstrumentId};
use alloc::boxed::Box;
use alloc::vec::Vec;
use alloy_primitives::Bytes;
use alloy_sol_types::SolCall;

/// Most gas for a source's answer.
const SOURCE_GAS: u64 = 200_000;

/// Most bytes of a failed source's output that are passed on.
const MAX_REASON: usize = 256;

/// Calls that change something.
pub(super) fn run(market: &mut Market<'_, '_>, call: &Calls) -> Part {
    match call {
        Calls::updatePrices(call) => market.update_prices(&call.report)?,
        Calls::settleExpired(call) => {
            market.meter.charge(gas::FILL)?;
            market.settle_expired(AccountId(call.account), InstrumentId(call.instrument))?;
        }
        Calls::pullPrice(call) => return pull(market, FeedId(call.feed)).map(Some),
        _ => return Ok(None),
    }
    done(Vec::new()).map(Some)
}

/// Asks a feed's source, and takes its answer.
fn pull(market: &mut Market<'_, '_>, feed: FeedId) -> Result<Step, MarketError> {
    let (to, input) = market.pull_request(feed)?;
    let then: crate::outward::Then = Box::new(move |market, answer| {
        if !answer.success {
            let reason = answer.output.get(..MAX_REASON).unwrap_or(answer.output);
            return Err(Rejection::CallFailed { output: Bytes::copy_from_slice(reason) }.into());
        }
        market.pull_answer(feed, answer.output)?;
        done(Vec::new())
    });
    Ok(Step::Call(Outward { to, input: input.into(), gas_limit: SOURCE_GAS, is_static: true, then }))
}

/// Calls that only ask.
pub(super) fn view(market: &mut Market<'_, '_>, call: &Calls) -> Part {
    let answer = match call {
        Calls::priceOf(call) => {
            market.meter.charge(gas::READ)?;
            let prices = market.records.get::<Prices>(InstrumentId(call.instrument))?;
            IMarket::priceOfCall::abi_encode_returns(&IMarket::priceOfReturn {
                mark: prices.mark,
                index: prices.index,
                updatedSeconds: prices.updated_seconds,
            })
        }
        Calls::feedOf(call) => {
            market.meter.charge(gas::READ)?;
            let feed = market.records.get::<Feed>(FeedId(call.feed))?;
            IMarket::feedOfCall::abi_encode_returns(&IMarket::feedOfReturn {
                price: feed.price,
                decimals: feed.decimals,
                timeSeconds: feed.time_seconds,
                source: feed.source,
            })
        }
        _ => return Ok(None),
    };
    done(answer).map(Some)
}
