//! What a book shows: its levels, and what a large order would pay.
//!
//! Levels are walked from the best one through the index. Orders that have expired count until they are met or swept.

use super::{Book, Level, prices_of};
use crate::error::MarketError;
use crate::market::Market;
use crate::types::{InstrumentId, Lots, MICRO, MicroTicks, Side, Ticks};
use alloc::vec::Vec;

/// Levels that an impact price looks at. What is left of the order then counts at the last price that was looked at, so that many small
/// levels can't make the price unknown.
pub const IMPACT_LEVELS: u32 = 64;

/// A level, as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelView {
    /// Price.
    pub ticks: Ticks,
    /// Lots of all orders.
    pub lots: Lots,
    /// Number of orders.
    pub count: u32,
}

impl Market<'_, '_> {
    /// The best levels of a side, the best first.
    pub fn book_depth(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        max_levels: u32,
    ) -> Result<Vec<LevelView>, MarketError> {
        let mut levels = Vec::new();
        let mut next = self.records.get::<Book>(instrument)?.best(side);
        while let Some(ticks) = next
            && levels.len() < max_levels as usize
        {
            let level = self.records.get::<Level>((instrument, side, ticks))?;
            levels.push(LevelView { ticks, lots: level.lots, count: level.count });
            next = self.level_after(instrument, side, ticks)?;
        }
        Ok(levels)
    }

    /// The average price that an order of this size would get from the resting orders of a side; `None` if they are fewer lots.
    /// Rounded down.
    pub fn impact_price(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        lots: Lots,
    ) -> Result<Option<MicroTicks>, MarketError> {
        let mut next = self.records.get::<Book>(instrument)?.best(side);
        let (mut left, mut total, mut levels) = (lots, 0u128, 0);
        while let Some(ticks) = next
            && left > 0
        {
            levels += 1;
            let level = self.records.get::<Level>((instrument, side, ticks))?;
            let taken = if levels == IMPACT_LEVELS { left } else { level.lots.min(left) };
            total += u128::from(taken) * u128::from(ticks);
            left -= taken;
            next = self.level_after(instrument, side, ticks)?;
        }
        if left > 0 || lots == 0 {
            return Ok(None);
        }
        // Below 2^96 lots·ticks times 10^6; the average is at most the last price.
        Ok(u64::try_from(total * u128::from(MICRO) / u128::from(lots)).ok())
    }

    /// The price of the level that comes after one.
    pub(super) fn level_after(
        &mut self,
        instrument: InstrumentId,
        side: Side,
        ticks: Ticks,
    ) -> Result<Option<Ticks>, MarketError> {
        let prices = prices_of(instrument, side);
        match side {
            Side::Buy => match ticks.checked_sub(1) {
                Some(below) => self.index_prev_at_or_below(prices, below),
                None => Ok(None),
            },
            Side::Sell => match ticks.checked_add(1) {
                Some(above) => self.index_next_at_or_above(prices, above),
                None => Ok(None),
            },
        }
    }
}
