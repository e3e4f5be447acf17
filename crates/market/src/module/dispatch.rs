//! From a decoded call to its operation. Each part of the interface has its own file; a part that does not know a call hands it back.

use super::{accounts, liquidations, operator, orders, prices};
use crate::abi::IMarket::IMarketCalls as Calls;
use crate::error::{MarketError, Rejection};
use crate::market::Market;
use crate::outward::Step;

/// What a part of the interface makes of a call: `None` where it is none of its own.
pub(super) type Part = Result<Option<Step>, MarketError>;

/// Runs an operation.
pub(super) fn run(market: &mut Market<'_, '_>, call: Calls) -> Result<Step, MarketError> {
    const PARTS: [fn(&mut Market<'_, '_>, &Calls) -> Part; 10] = [
        orders::run,
        accounts::run,
        prices::run,
        operator::run,
        liquidations::run,
        orders::view,
        accounts::view,
        prices::view,
        operator::view,
        liquidations::view,
    ];
    for part in PARTS {
        if let Some(step) = part(market, &call)? {
            return Ok(step);
        }
    }
    Err(Rejection::BadCall.into())
}

/// Whether an operation changes nothing: those that the interface declares as views.
pub(super) fn is_view(call: &Calls) -> bool {
    matches!(
        call,
        Calls::accountOf(_)
            | Calls::balanceOf(_)
            | Calls::positionOf(_)
            | Calls::health(_)
            | Calls::bestPrices(_)
            | Calls::orderOf(_)
            | Calls::levels(_)
            | Calls::ordersOf(_)
            | Calls::triggersOf(_)
            | Calls::priceOf(_)
            | Calls::feedOf(_)
            | Calls::proposalOf(_)
            | Calls::signers(_)
            | Calls::auctionOf(_)
            | Calls::backstopOf(_)
    )
}
