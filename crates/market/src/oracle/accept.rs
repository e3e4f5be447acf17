//! What happens when prices are accepted, in order.

use super::{NewPrice, sort_unique};
use crate::abi::IMarket;
use crate::budget::Work;
use crate::error::MarketError;
use crate::feeds::Feed;
use crate::gas;
use crate::market::Market;
use crate::types::{FeedId, InstrumentId, PPM};
use alloc::vec::Vec;

/// What an acceptance of prices changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceChanges {
    /// Feeds with a new price, ascending.
    pub feeds: Vec<FeedId>,
    /// Instruments that were repriced, ascending.
    pub instruments: Vec<InstrumentId>,
    /// Options that were settled, in the order in which they expired.
    pub settled: Vec<InstrumentId>,
}

/// Whether a price counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Doubted,
}

/// Whether `price` is within `deviation_ppm` of `reference`.
fn is_near(price: u128, reference: u128, deviation_ppm: u32) -> bool {
    // Prices are at most 2^96: the products fit.
    price.abs_diff(reference).saturating_mul(u128::from(PPM)) <= reference.saturating_mul(u128::from(deviation_ppm))
}

/// The rule of the module's documentation.
fn judge(feed: &Feed, new: &NewPrice) -> Verdict {
    let is_confirmed = feed.doubted_price != 0
        && new.time_seconds > feed.doubted_seconds
        && is_near(new.price, feed.doubted_price, feed.deviation_ppm);
    if feed.price == 0 || is_near(new.price, feed.price, feed.deviation_ppm) || is_confirmed {
        Verdict::Accepted
    } else {
        Verdict::Doubted
    }
}

impl Market<'_, '_> {
    /// Gives feeds new prices where they count, and does all that follows.
    pub fn accept_prices(&mut self, prices: &[NewPrice]) -> Result<(), MarketError> {
        let mut changes = PriceChanges::default();
        for new in prices {
            if self.accept_price(new)? {
                changes.feeds.push(new.feed);
                self.pass_on(new, &mut changes.instruments)?;
            }
        }
        sort_unique(&mut changes.instruments);
        for &instrument in &changes.instruments {
            self.reprice(instrument)?;
        }
        for feed in changes.feeds.clone() {
            self.settle_due(feed, &mut changes.settled)?;
        }
        self.after_prices(&changes)
    }

    /// Gives one feed its new price; whether it counts.
    fn accept_price(&mut self, new: &NewPrice) -> Result<bool, MarketError> {
        let mut feed = self.feed(new.feed)?;
        let verdict = judge(&feed, new);
        self.meter.charge(gas::EVENT)?;
        let (id, price, time_seconds) = (new.feed.0, new.price, new.time_seconds);
        match verdict {
            Verdict::Accepted => {
                self.average_for_expiries(new.feed, &feed)?;
                feed.price = price;
                feed.time_seconds = time_seconds;
                feed.accepted_seconds = self.block.timestamp_seconds;
                feed.doubted_price = 0;
                feed.doubted_seconds = 0;
                self.emit(&IMarket::FeedPriced { feed: id, price, timeSeconds: time_seconds });
            }
            Verdict::Doubted => {
                feed.doubted_price = price;
                feed.doubted_seconds = time_seconds;
                self.emit(&IMarket::FeedDoubted { feed: id, price, timeSeconds: time_seconds });
                for user in self.feed_users(new.feed)? {
                    self.meter.charge(gas::REPRICE)?;
                    if user.instrument.0 != 0 {
                        self.halt(user.instrument)?;
                    }
                }
            }
        }
        self.records.set(new.feed, feed)?;
        Ok(verdict == Verdict::Accepted)
    }

    /// Gives a feed's assets their price, and lists its instruments.
    fn pass_on(&mut self, new: &NewPrice, instruments: &mut Vec<InstrumentId>) -> Result<(), MarketError> {
        let decimals = self.feed(new.feed)?.decimals;
        for user in self.feed_users(new.feed)? {
            if user.asset.0 == 0 {
                instruments.push(user.instrument);
                continue;
            }
            self.meter.charge(gas::PRICE_FEED)?;
            // A price that is too large for an asset leaves it with its last one: others' prices must not wait for it.
            let _ = self.attempt(|market| market.set_asset_price(user.asset, new.price, decimals, new.time_seconds))?;
        }
        Ok(())
    }

    /// What new prices set off: liquidations, triggers, expired orders, orders of settled series, each with its budget for the block.
    /// What does not fit goes on with the next prices. It is not paid by whoever brings the prices.
    fn after_prices(&mut self, changes: &PriceChanges) -> Result<(), MarketError> {
        if changes.feeds.is_empty() {
            return Ok(());
        }
        let sweeps = gas::RISK_BUDGET + gas::LIQUIDATION_BUDGET;
        self.on_block_budget(Work::Sweeps, sweeps, |market, left| {
            market.sweep_within(gas::RISK_BUDGET.min(left), gas::LIQUIDATION_BUDGET.min(left))
        })?;
        self.on_block_budget(Work::Triggers, gas::TRIGGER_BUDGET, Self::run_triggers)?;
        self.on_block_budget(Work::ExpiredOrders, gas::EXPIRY_BUDGET, Self::expire_orders)?;
        self.on_block_budget(Work::SettledSeries, gas::CLEAR_BUDGET, Self::clear_settled)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_prices_count() {
        let feed = Feed { price: 1_000, deviation_ppm: 100_000, ..Feed::default() };
        let doubting = Feed { doubted_price: 500, doubted_seconds: 10, ..feed };
        let rows = [
            ("first", Feed { price: 0, ..feed }, 1, 11, Verdict::Accepted),
            ("same", feed, 1_000, 11, Verdict::Accepted),
            ("largest step up", feed, 1_100, 11, Verdict::Accepted),
            ("a step up too far", feed, 1_101, 11, Verdict::Doubted),
            ("largest step down", feed, 900, 11, Verdict::Accepted),
            ("a step down too far", feed, 899, 11, Verdict::Doubted),
            ("confirmed", doubting, 500, 11, Verdict::Accepted),
            ("confirmed nearby", doubting, 549, 11, Verdict::Accepted),
            ("not by the same moment", doubting, 500, 10, Verdict::Doubted),
            ("refuted", doubting, 950, 11, Verdict::Accepted),
            ("elsewhere", doubting, 700, 11, Verdict::Doubted),
            ("largest", Feed { price: 1 << 96, ..feed }, 1, 11, Verdict::Doubted),
        ];
        for (name, feed, price, time_seconds, expected) in rows {
            let new = NewPrice { feed: FeedId(1), price, time_seconds };
            assert_eq!(judge(&feed, &new), expected, "{name}: {price}");
        }
    }
}
