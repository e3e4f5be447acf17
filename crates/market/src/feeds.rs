//! Price feeds: what the oracle last said of each thing that has a price, and who uses it.
//!
//! A feed's price is the price of one whole unit (one ether) in whole quote units (one dollar), times ten to the feed's decimals; or a
//! yearly volatility, where options use the feed as theirs. An instrument's index follows from its feed's price exactly:
//!
//! ```text
//! micro-ticks = price × lot_size × 10^(6 + quote decimals) ÷ (tick_value × 10^(feed decimals + lot decimals))
//! ```
//!
//! where lot decimals are 18, or those of the base asset for a spot pair; it is rounded to the nearest micro-tick, halves up. A price that
//! is less than half a micro-tick or more than `u32::MAX` ticks is no price of the instrument.
//!
//! Each feed keeps a list of the instruments and assets that have their price from it, so that an update visits only those.

use crate::error::{MarketError, Rejection};
use crate::layout::{Instrument, InstrumentKind, QUOTE};
use crate::market::Market;
use crate::records::record;
use crate::types::{AssetId, FeedId, InstrumentId, MICRO, MicroTicks};
use alloc::vec::Vec;
use alloy_primitives::{Address, U256};

/// The largest price of a feed.
pub const MAX_FEED_PRICE: u128 = 1 << 96;

/// The largest price of an instrument, in micro-ticks.
pub const MAX_MICRO_TICKS: MicroTicks = u32::MAX as u64 * MICRO;

/// Instruments and assets that may have their price from one feed.
pub const MAX_FEED_USERS: u16 = 256;

/// Feeds that there may be.
pub const MAX_FEEDS: u16 = 1_024;

/// The most decimals of a feed or an asset.
pub const MAX_DECIMALS: u8 = 18;

record! {
    /// A price feed: its last accepted price, its limits, and a price that waits for its confirmation.
    pub struct Feed(tag 96, key FeedId, "feed") {
        {
            /// Price of one whole unit in quote units, times ten to the decimals; zero is none yet.
            pub price: u128,
            /// When the price was made, in seconds.
            pub time_seconds: u64,
            /// Decimals of the price.
            pub decimals: u8,
            /// Decimals of the source's answer.
            pub source_decimals: u8,
            /// Instruments and assets that have their price from it.
            pub users: u16,
            /// Largest move that is accepted without confirmation, in millionths.
            pub deviation_ppm: u32,
        }
        {
            /// Contract that the price is pulled from; zero for signed prices.
            pub source: Address,
            /// Oldest price that is accepted and used; zero marks a feed that is not listed.
            pub staleness_seconds: u32,
            /// Timestamp of the block in which the price was accepted.
            pub accepted_seconds: u64,
        }
        {
            /// A price too far from the last one, which waits for its confirmation; zero is none.
            pub doubted_price: u128,
            /// When that price was made, in seconds.
            pub doubted_seconds: u64,
            /// The next expiry of options on this feed, in seconds; zero is none.
            pub next_expiry_seconds: u64,
        }
    }
}

record! {
    /// Who has its price from a feed: an instrument, or an asset.
    pub struct FeedUser(tag 100, key (FeedId, u16), "feed, place") {
        {
            /// The instrument; zero is none.
            pub instrument: InstrumentId,
            /// The asset; zero is none.
            pub asset: AssetId,
        }
    }
}

/// How an instrument's micro-ticks follow from its feed's price.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scale {
    /// Decimals of the feed.
    pub feed_decimals: u8,
    /// The instrument's `lot_size`.
    pub lot_size: u128,
    /// Decimals in which it is counted.
    pub lot_decimals: u8,
    /// The instrument's `tick_value`.
    pub tick_value: u64,
    /// Decimals of the quote asset.
    pub quote_decimals: u8,
}

impl Scale {
    /// Micro-ticks at a feed's price, to the nearest; `None` where the numbers grow too large, as the price then does too.
    fn rounded(&self, price: u128) -> Option<U256> {
        let up = u32::from(self.quote_decimals) + 6;
        let down = u32::from(self.feed_decimals) + u32::from(self.lot_decimals);
        let ten = |power: u32| U256::from(10u64).checked_pow(U256::from(power));
        let lot = U256::from(price).checked_mul(U256::from(self.lot_size))?;
        let numerator = lot.checked_mul(ten(up.saturating_sub(down))?)?;
        let denominator = U256::from(self.tick_value).checked_mul(ten(down.saturating_sub(up))?)?;
        if denominator.is_zero() {
            return None;
        }
        let (quotient, rest) = numerator.div_rem(denominator);
        quotient.checked_add(U256::from(u8::from(rest >= denominator - rest)))
    }

    /// The index at a feed's price; `None` where that is no price of the instrument.
    pub(crate) fn index(&self, price: u128) -> Option<MicroTicks> {
        let index = u64::try_from(self.rounded(price)?).ok()?;
        (1..=MAX_MICRO_TICKS).contains(&index).then_some(index)
    }

    /// The settlement price at a feed's price: from zero to the largest price.
    pub(crate) fn settlement(&self, price: u128) -> MicroTicks {
        let index = self.rounded(price).and_then(|index| u64::try_from(index).ok());
        index.unwrap_or(MAX_MICRO_TICKS).min(MAX_MICRO_TICKS)
    }
}

impl Market<'_, '_> {
    /// The feed, or a rejection if it is not listed.
    pub fn feed(&mut self, id: FeedId) -> Result<Feed, MarketError> {
        let feed: Feed = self.records.get(id)?;
        if feed.staleness_seconds == 0 {
            return Err(Rejection::Unknown { what: "feed", id: U256::from(id.0) }.into());
        }
        Ok(feed)
    }

    /// The feed of an instrument's index: its own, or its underlying's for an option.
    pub fn index_feed(&mut self, instrument: &Instrument) -> Result<FeedId, MarketError> {
        if instrument.underlying.0 == 0 {
            return Ok(instrument.feed);
        }
        Ok(self.instrument(instrument.underlying)?.feed)
    }

    /// How an instrument's prices follow from those of a feed.
    pub(crate) fn scale(&mut self, instrument: &Instrument, feed: &Feed) -> Result<Scale, MarketError> {
        let is_spot = instrument.kind == InstrumentKind::Spot;
        Ok(Scale {
            feed_decimals: feed.decimals,
            lot_size: instrument.lot_size,
            lot_decimals: if is_spot { self.asset(instrument.base)?.decimals } else { 18 },
            tick_value: instrument.tick_value,
            quote_decimals: self.asset(QUOTE)?.decimals,
        })
    }

    /// Who has its price from a feed.
    pub(crate) fn feed_users(&mut self, id: FeedId) -> Result<Vec<FeedUser>, MarketError> {
        let feed: Feed = self.records.get(id)?;
        let mut users = Vec::new();
        for place in 0..feed.users.min(MAX_FEED_USERS) {
            users.push(self.records.get::<FeedUser>((id, place))?);
        }
        Ok(users)
    }

    /// Adds to those that have their price from a feed.
    pub(crate) fn add_feed_user(&mut self, id: FeedId, user: FeedUser) -> Result<(), MarketError> {
        let mut feed = self.feed(id)?;
        if feed.users >= MAX_FEED_USERS {
            return Err(Rejection::LimitReached { what: "users of one feed", limit: MAX_FEED_USERS.into() }.into());
        }
        self.records.set((id, feed.users), user)?;
        feed.users += 1;
        Ok(self.records.set(id, feed)?)
    }

    /// Takes one from those that have their price from a feed: the last of them takes its place.
    pub(crate) fn remove_feed_user(&mut self, id: FeedId, user: FeedUser) -> Result<(), MarketError> {
        let mut feed: Feed = self.records.get(id)?;
        for place in 0..feed.users.min(MAX_FEED_USERS) {
            if self.records.get::<FeedUser>((id, place))? == user {
                feed.users -= 1;
                let last: FeedUser = self.records.get((id, feed.users))?;
                self.records.set((id, place), last)?;
                self.records.set((id, feed.users), FeedUser::default())?;
                return Ok(self.records.set(id, feed)?);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
// The last digits of a price are its decimals.
#[allow(clippy::inconsistent_digit_grouping)]
mod tests {
    use super::*;

    #[test]
    fn a_feeds_price_as_an_index() {
        const ETHER: u128 = 1_000_000_000_000_000_000;
        // name, price, feed decimals, lot, lot decimals, tick value, quote decimals, expected micro-ticks
        type Row = (&'static str, u128, u8, u128, u8, u64, u8, Option<u64>);
        let rows: [Row; 9] = [
            // 3000 USD, lot 0.001 ETH, a tick is 0.1 USD an ether, so 0.0001 USD a lot = 100 base units.
            ("perpetual", 3_000_00000000, 8, ETHER / 1_000, 18, 100, 6, Some(30_000_000_000)),
            ("fine price", 3_000_00000001, 8, ETHER / 1_000, 18, 100, 6, Some(30_000_000_000)),
            ("half rounds up", 3_000_00000005, 8, ETHER / 1_000, 18, 100, 6, Some(30_000_000_001)),
            ("spot with 8 decimals", 60_000_00, 2, 100_000, 8, 10_000, 6, Some(6_000_000_000)),
            ("one micro-tick", 1, 6, 1, 0, 1_000_000, 6, Some(1)),
            ("less than half a micro-tick", 1, 18, 1, 18, 1, 6, None),
            ("most", u128::from(u32::MAX), 0, 1, 0, 1, 0, Some(MAX_MICRO_TICKS)),
            ("more than that", u128::from(u32::MAX) + 1, 0, 1, 0, 1, 0, None),
            ("all largest", MAX_FEED_PRICE, 0, u128::MAX, 0, 1, 18, None),
        ];
        for row @ (_, price, decimals, lot, lot_decimals, tick_value, quote, expected) in rows {
            let scale =
                Scale { feed_decimals: decimals, lot_size: lot, lot_decimals, tick_value, quote_decimals: quote };
            assert_eq!(scale.index(price), expected, "{row:?}");
        }
    }
}
