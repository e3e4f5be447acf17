//! Feeds that a contract holds: the module asks it by a static call and reads the answer.
//!
//! The source answers `latestRoundData()` as Chainlink's aggregators do. Its answer counts if it is positive, was made after the feed's
//! present price, is not from the future and not older than the feed's limit; it then goes the way of a signed price. It is converted to
//! the feed's decimals, rounded down.

use super::NewPrice;
use crate::error::{MarketError, Rejection};
use crate::feeds::{Feed, MAX_FEED_PRICE};
use crate::gas;
use crate::market::Market;
use crate::types::FeedId;
use alloc::vec::Vec;
use alloy_primitives::Address;
use alloy_sol_types::SolCall;

alloy_sol_types::sol! {
    /// What a source answers.
    function latestRoundData() external view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
}

fn refused(why: &'static str) -> MarketError {
    Rejection::BadReport { why }.into()
}

/// An answer in the feed's decimals; `None` where it is no price.
fn in_feed_decimals(feed: &Feed, answer: u128) -> Option<u128> {
    let ten = |power: u8| 10u128.checked_pow(power.into());
    let up = feed.decimals.saturating_sub(feed.source_decimals);
    let down = feed.source_decimals.saturating_sub(feed.decimals);
    let price = answer.checked_mul(ten(up)?)? / ten(down)?;
    (1..=MAX_FEED_PRICE).contains(&price).then_some(price)
}

impl Market<'_, '_> {
    /// What to ask whom for a feed's price: a static call of this contract with this input.
    pub fn pull_request(&mut self, id: FeedId) -> Result<(Address, Vec<u8>), MarketError> {
        self.meter.charge(gas::PRICE_FEED)?;
        let feed = self.feed(id)?;
        if feed.source.is_zero() {
            return Err(Rejection::Forbidden { state: "a feed of signed prices" }.into());
        }
        Ok((feed.source, latestRoundDataCall {}.abi_encode()))
    }

    /// Takes the source's answer, and does all that follows.
    pub fn pull_answer(&mut self, id: FeedId, answer: &[u8]) -> Result<(), MarketError> {
        let feed = self.feed(id)?;
        if feed.source.is_zero() {
            return Err(Rejection::Forbidden { state: "a feed of signed prices" }.into());
        }
        let round = latestRoundDataCall::abi_decode_returns_validate(answer).map_err(|_| refused("its encoding"))?;
        let time_seconds = u64::try_from(round.updatedAt).map_err(|_| refused("a time ahead of the block's"))?;
        if time_seconds > self.block.timestamp_seconds {
            return Err(refused("a time ahead of the block's"));
        }
        if time_seconds <= feed.time_seconds.max(feed.doubted_seconds) {
            return Err(refused("a price that is not later than the last one"));
        }
        if self.block.timestamp_seconds - time_seconds > u64::from(feed.staleness_seconds) {
            return Err(refused("a price that is too old"));
        }
        let price = u128::try_from(round.answer).ok().and_then(|answer| in_feed_decimals(&feed, answer));
        let price = price.ok_or_else(|| refused("a price that is zero or absurd"))?;
        self.accept_prices(&[NewPrice { feed: id, price, time_seconds }])
    }
}

#[cfg(test)]
// The last digits of a price are its decimals.
#[allow(clippy::inconsistent_digit_grouping)]
mod tests {
    use super::*;

    #[test]
    fn answers_in_a_feeds_decimals() {
        let rows = [
            ("same", 8, 8, 3_000_00000000, Some(3_000_00000000)),
            ("finer feed", 18, 8, 1, Some(10_000_000_000)),
            ("coarser feed, rounded down", 6, 8, 199, Some(1)),
            ("nothing is left", 6, 8, 99, None),
            ("largest", 8, 8, MAX_FEED_PRICE, Some(MAX_FEED_PRICE)),
            ("absurd", 8, 8, MAX_FEED_PRICE + 1, None),
            ("beyond numbers", 18, 0, u128::MAX, None),
            ("zero", 8, 8, 0, None),
        ];
        for (name, decimals, source_decimals, answer, expected) in rows {
            let feed = Feed { decimals, source_decimals, ..Feed::default() };
            assert_eq!(in_feed_decimals(&feed, answer), expected, "{name}: {answer}");
        }
    }
}
