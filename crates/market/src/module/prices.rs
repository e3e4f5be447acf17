//! The calls about prices, and what can be asked of them.

use super::dispatch::Part;
use super::done;
use crate::abi::IMarket::{self, IMarketCalls as Calls};
use crate::gas;
use crate::layout::Prices;
use crate::market::Market;
use crate::types::InstrumentId;
use alloy_sol_types::SolCall;

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
        _ => return Ok(None),
    };
    done(answer).map(Some)
}
