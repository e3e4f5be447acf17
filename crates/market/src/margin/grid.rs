//! Portfolio margin of an account: which of its positions and holdings are looked at together.
//!
//! What has its index from the same price feed is one underlying: perpetuals, options on an instrument of that feed, and the asset that
//! the feed prices. Each underlying with a derivative position is margined over the grid of scenarios of [`crate::portfolio`]. The asset
//! is in the grid only then, with its value as a position of so many quote base units, held or owed, and then it has no haircut and no
//! debt weight of its own: what is held against a short perpetual is a hedge. Assets without derivatives keep their haircuts and weights.
//!
//! Prices move over the range of [`Grid::PARAMETERS`], or over a wider one where standard margin asks for more: the largest maintenance rate
//! of the underlying's positions in the tiers that their sizes reach, and its asset's haircut or debt weight. So a position by itself never
//! needs less in the grid than alone because its underlying moves more than most.
//!
//! Open orders add to the initial requirement what they would add in standard margin. An option's time runs up to when its prices were
//! made, so that between prices nothing moves by itself.

use super::Health;
use crate::gas;
use crate::layout::{Instrument, InstrumentKind, Prices};
use crate::market::Market;
use crate::portfolio::{GridParameters, PortfolioPosition, PositionKind, UnderlyingPositions, underlying_margin};
use crate::types::{Amount, FeedId, InstrumentId, MICRO, PPM, Ppm};
use crate::{assets::Asset, error::MarketError};
use alloc::vec::Vec;

/// A position or a balance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    /// Feed of the underlying.
    pub feed: FeedId,
    /// How far its price has to be able to move, in millionths.
    pub range_ppm: Ppm,
    /// As the grid sees it.
    pub position: PortfolioPosition,
}

/// What an account has in grids, of all underlyings. Empty in standard margin.
#[derive(Clone, Debug, Default)]
pub(crate) struct Grid {
    /// In the order of the account's lists, positions before balances.
    pub items: Vec<Item>,
}

impl Grid {
    /// The grid, of underlyings that do not move more than most.
    pub const PARAMETERS: &GridParameters<'static> = &GridParameters::DEFAULT;

    /// Whether an underlying has a derivative position, so that its asset is in the grid.
    pub fn covers(&self, feed: FeedId) -> bool {
        feed.0 != 0 && self.items.iter().any(|item| item.feed == feed)
    }

    /// Adds a balance of this value.
    pub fn push_balance(&mut self, asset: &Asset, value: Amount) {
        let lots = value.clamp(i128::from(-i64::MAX), i128::from(i64::MAX)) as i64;
        let range_ppm = if value >= 0 { asset.haircut_ppm } else { asset.debt_weight_ppm };
        let position = PortfolioPosition { kind: PositionKind::Linear, lots, tick_value: 1, index: MICRO, mark: MICRO };
        self.items.push(Item { feed: asset.feed, range_ppm, position });
    }

    /// The items by underlying, each with its grid.
    pub fn underlyings(&mut self) -> impl Iterator<Item = (GridParameters<'static>, &[Item])> {
        // Stable, so that the order within an underlying is that of the lists.
        self.items.sort_by_key(|item| item.feed);
        self.items.chunk_by(|a, b| a.feed == b.feed).map(|items| {
            let widest = items.iter().map(|item| item.range_ppm).max().unwrap_or_default();
            let price_range_ppm = widest.clamp(Self::PARAMETERS.price_range_ppm, PPM);
            (GridParameters { price_range_ppm, ..*Self::PARAMETERS }, items)
        })
    }

    /// Adds what each underlying requires.
    pub fn require(mut self, health: &mut Health) {
        let mut positions = Vec::with_capacity(self.items.len());
        for (parameters, items) in self.underlyings() {
            positions.clear();
            positions.extend(items.iter().map(|item| item.position));
            let margin = underlying_margin(&UnderlyingPositions { parameters: &parameters, positions: &positions });
            health.require(margin.initial, margin.maintenance);
        }
    }
}

impl Market<'_, '_> {
    /// The feed of an instrument's index.
    pub(super) fn feed_of(&mut self, terms: &Instrument) -> Result<FeedId, MarketError> {
        match terms.underlying {
            InstrumentId(0) => Ok(terms.feed),
            underlying => Ok(self.records.get::<Instrument>(underlying)?.feed),
        }
    }

    /// Adds a position of so many lots to a grid.
    pub(super) fn push_position(
        &mut self,
        grid: &mut Grid,
        terms: &Instrument,
        prices: &Prices,
        lots: i64,
    ) -> Result<(), MarketError> {
        let is_option = terms.kind == InstrumentKind::EuropeanOption;
        self.meter.charge(if is_option { gas::GRID_OPTION } else { gas::GRID_LINEAR })?;
        let feed = self.feed_of(terms)?;
        let kind = match is_option {
            false => PositionKind::Linear,
            true => PositionKind::Option {
                strike: u64::from(terms.strike_ticks) * MICRO,
                is_call: terms.is_call,
                volatility_ppm: prices.volatility_ppm,
                seconds: terms.expiry_seconds.saturating_sub(prices.updated_seconds),
            },
        };
        let Prices { index, mark, .. } = *prices;
        let tier = lots.unsigned_abs().checked_div(terms.tier_lots).unwrap_or(0).min(u64::from(PPM)) as u32;
        let range_ppm = terms.maintenance_ppm.saturating_add(terms.tier_step_ppm.saturating_mul(tier));
        let position = PortfolioPosition { kind, lots, tick_value: terms.tick_value, index, mark };
        grid.items.push(Item { feed, range_ppm, position });
        Ok(())
    }
}
