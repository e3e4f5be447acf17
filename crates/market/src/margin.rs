//! Margin: what an account is worth, and what it has to be worth.
//!
//! # Equity
//! The value of all balances at the assets' prices, less the debts', plus each position's value at its mark price less its cost, less the
//! funding that it owes. Every part is rounded down. There is no haircut in it: below zero the account is bankrupt.
//!
//! # Requirements
//! The initial requirement is for what an account wishes to do (orders, withdrawals, borrowing), the lower maintenance requirement
//! decides about liquidation. Both are sums, rounded up, of
//! - the haircut of what is held and the debt weight of what is owed (see [`crate::assets`]),
//! - the margin of positions: each by itself in [`standard`], or all together over a grid of scenarios in [`grid`], as the
//!   account's margin mode says,
//! - in the initial requirement alone: what open orders may add, as though all on the worse side were filled at the mark.
//!
//! # Totality
//! Health is computed for accounts that can't be asked to wait (liquidation), so it has no arithmetic failure: each term is at most
//! [`MAX_VALUE`], and there are few enough that sums fit. A price that is not there yet values holdings at nothing; what that would make look
//! safe is named in [`Health::obstacle`] and stops whatever needs initial margin.
//!
//! The cost is a few record reads for each position and asset that the account has.

pub(crate) mod grid;
pub(crate) mod standard;

use self::grid::Grid;
use crate::assets::{Asset, MAX_VALUE};
use crate::error::{MarketError, Rejection};
use crate::feeds::Feed;
use crate::gas;
use crate::layout::{
    Account, AccountStatus, Balance, Instrument, InstrumentKind, InstrumentStatus, MarginMode, Position, Prices, QUOTE,
};
use crate::market::Market;
use crate::quotient::{mul_div_up, to_signed};
use crate::types::{AccountId, Amount, AssetId, FeedId, InstrumentId, PPM, Ppm};

/// How an account stands, in quote base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// What it is worth.
    pub equity: Amount,
    /// What it has to be worth to do more.
    pub initial: Amount,
    /// What it has to be worth not to be liquidated.
    pub maintenance: Amount,
    /// Whether it waits for liquidation.
    pub status: AccountStatus,
    /// Why nothing that needs initial margin may be done, whatever the numbers.
    pub obstacle: Option<&'static str>,
}

impl Health {
    /// What it is worth beyond maintenance.
    pub fn slack(&self) -> Amount {
        self.equity.saturating_sub(self.maintenance)
    }

    /// Whether it has to be liquidated.
    pub fn is_short(&self) -> bool {
        self.equity < self.maintenance
    }

    /// Adds a requirement of an initial and a maintenance margin.
    pub(crate) fn require(&mut self, initial: Amount, maintenance: Amount) {
        self.initial = self.initial.saturating_add(initial);
        self.maintenance = self.maintenance.saturating_add(maintenance);
    }

    fn add_equity(&mut self, value: Amount) {
        self.equity = self.equity.saturating_add(value);
    }
}

/// A share of a value, rounded up.
pub(crate) fn share_up(value: Amount, ppm: Ppm) -> Amount {
    to_signed(mul_div_up(value.unsigned_abs(), u128::from(ppm), u128::from(PPM))).min(MAX_VALUE)
}

/// What orders on spot pairs may make of an account, all taken together.
#[derive(Default)]
struct SpotOrders {
    /// Quote base units that the bids may cost.
    quote_needed: Amount,
}

impl Market<'_, '_> {
    /// How an account stands at present prices, with interest and funding up to now.
    pub fn health(&mut self, id: AccountId) -> Result<Health, MarketError> {
        let (mut health, grid) = self.health_before_grid(id)?;
        grid.require(&mut health);
        Ok(health)
    }

    /// The same without what is margined over grids, and what that is.
    pub(crate) fn health_before_grid(&mut self, id: AccountId) -> Result<(Health, Grid), MarketError> {
        self.meter.charge(gas::HEALTH)?;
        let account = self.account(id)?;
        let mut health = Health { status: account.status, ..Health::default() };
        let mut grid = Grid::default();
        self.add_positions(id, &account, &mut health, &mut grid)?;
        self.add_assets(id, &account, &mut health, &mut grid)?;
        Ok((health, grid))
    }

    /// Refuses if an account does not have its initial margin.
    pub fn require_initial(&mut self, id: AccountId) -> Result<Health, MarketError> {
        let health = self.health(id)?;
        if let Some(state) = health.obstacle {
            return Err(Rejection::Forbidden { state }.into());
        }
        if health.equity < health.initial {
            return Err(Rejection::MarginTooLow { equity: health.equity, required: health.initial }.into());
        }
        Ok(health)
    }

    /// As [`Market::require_initial`], for what takes value out of an account: the prices by which it has margin must not be stale either. An
    /// account without positions, orders and debts needs no prices.
    pub(crate) fn require_initial_to_leave(&mut self, id: AccountId) -> Result<(), MarketError> {
        self.require_initial(id)?;
        let account = self.account(id)?;
        let (mut is_exposed, mut is_stale) = (false, false);
        for instrument in account.positions.into_iter().take_while(|instrument| *instrument != 0).map(InstrumentId) {
            let terms = self.records.get::<Instrument>(instrument)?;
            if terms.status == InstrumentStatus::Settled {
                continue;
            }
            is_exposed = true;
            let feed = self.feed_of(&terms)?;
            is_stale |= self.is_stale(feed)?;
        }
        for asset in account.assets.into_iter().take_while(|asset| *asset != 0).map(AssetId) {
            is_exposed |= self.records.get::<Balance>((id, asset))?.amount < 0;
            let feed = self.records.get::<Asset>(asset)?.feed;
            is_stale |= self.is_stale(feed)?;
        }
        if is_exposed && is_stale {
            return Err(Rejection::Forbidden { state: "a price is stale" }.into());
        }
        Ok(())
    }

    /// Whether a feed's last price is older than the feed allows. What has no feed has no price that could be.
    fn is_stale(&mut self, id: FeedId) -> Result<bool, MarketError> {
        let feed = self.records.get::<Feed>(id)?;
        let age_seconds = self.block.timestamp_seconds.saturating_sub(feed.time_seconds);
        Ok(feed.staleness_seconds != 0 && age_seconds > u64::from(feed.staleness_seconds))
    }

    /// Adds what balances and debts are worth, and their haircuts and weights.
    fn add_assets(
        &mut self,
        id: AccountId,
        account: &Account,
        health: &mut Health,
        grid: &mut Grid,
    ) -> Result<(), MarketError> {
        for asset_id in account.assets.into_iter().take_while(|asset| *asset != 0).map(AssetId) {
            self.meter.charge(gas::HEALTH_ITEM)?;
            let (asset, state) = (self.asset(asset_id)?, self.accrued(asset_id)?);
            let amount = state.settle(&self.records.get::<Balance>((id, asset_id))?);
            let value = state.value(amount);
            health.add_equity(value);
            if grid.covers(asset.feed) {
                self.meter.charge(gas::GRID_LINEAR)?;
                grid.push_balance(&asset, value);
            } else if amount >= 0 {
                health.require(share_up(value, asset.initial_haircut_ppm), share_up(value, asset.haircut_ppm));
            } else {
                health.require(share_up(value, asset.initial_debt_weight_ppm), share_up(value, asset.debt_weight_ppm));
            }
            if amount >= 0 {
                continue;
            }
            if state.price == 0 {
                health.obstacle = Some("an asset that is owed has no price");
            } else if asset.borrow_cap == 0 {
                health.obstacle = Some("an asset is owed that can't be borrowed");
            }
        }
        Ok(())
    }

    /// Adds what positions are worth, their margin, and what open orders may add to it.
    fn add_positions(
        &mut self,
        id: AccountId,
        account: &Account,
        health: &mut Health,
        grid: &mut Grid,
    ) -> Result<(), MarketError> {
        let mut spot = SpotOrders::default();
        for instrument in account.positions.into_iter().take_while(|instrument| *instrument != 0).map(InstrumentId) {
            self.meter.charge(gas::HEALTH_ITEM)?;
            let terms = self.records.get::<Instrument>(instrument)?;
            let position = self.records.get::<Position>((id, instrument))?;
            if terms.kind == InstrumentKind::Spot {
                self.add_spot_orders(id, &terms, &position, health, &mut spot)?;
                continue;
            }
            let prices = self.records.get::<Prices>(instrument)?;
            // What is settled may pay nothing.
            if prices.mark == 0 && terms.status != InstrumentStatus::Settled {
                health.obstacle = Some("an instrument has no mark price");
            }
            health.add_equity(standard::position_equity(&terms, &prices, &position));
            let (initial, maintenance) = standard::position_margin(&terms, &prices, &position);
            if account.mode == MarginMode::Standard {
                health.require(initial, maintenance);
                continue;
            }
            let (alone, _) = standard::lots_margin(&terms, &prices, position.lots);
            health.require(initial.saturating_sub(alone), 0);
            if position.lots != 0 && terms.status != InstrumentStatus::Settled {
                self.push_position(grid, &terms, &prices, position.lots)?;
            }
        }
        if spot.quote_needed > 0 {
            self.add_quote_orders(id, spot.quote_needed, health)?;
        }
        Ok(())
    }

    /// Adds what open orders on a spot pair may cost in initial margin: the haircut of what bids would bring, or the weight of the debt
    /// that asks would make, whichever is more.
    fn add_spot_orders(
        &mut self,
        id: AccountId,
        terms: &Instrument,
        position: &Position,
        health: &mut Health,
        spot: &mut SpotOrders,
    ) -> Result<(), MarketError> {
        let (asset, state) = (self.records.get::<Asset>(terms.base)?, self.accrued(terms.base)?);
        let (bid_units, ask_units) = (terms.base_units(position.bid_lots)?, terms.base_units(position.ask_lots)?);
        let bid_value = state.value(-bid_units).saturating_neg();
        spot.quote_needed = spot.quote_needed.saturating_add(bid_value).min(MAX_VALUE);
        let held = self.balance(id, terms.base)?.max(0);
        let owed_value = state.value(held.saturating_sub(ask_units).min(0));
        if owed_value < 0 && asset.borrow_cap == 0 {
            health.obstacle = Some("open orders sell more than the account holds of an asset that can't be borrowed");
        }
        let bids = share_up(bid_value, asset.initial_haircut_ppm);
        let asks = share_up(owed_value, asset.initial_debt_weight_ppm);
        health.require(bids.max(asks), 0);
        Ok(())
    }

    /// Adds the weight of the debt that bids on spot pairs would make in the quote asset.
    fn add_quote_orders(&mut self, id: AccountId, needed: Amount, health: &mut Health) -> Result<(), MarketError> {
        let quote = self.records.get::<Asset>(QUOTE)?;
        let owed = needed.saturating_sub(self.balance(id, QUOTE)?.max(0)).max(0);
        if owed > 0 && quote.borrow_cap == 0 {
            health.obstacle =
                Some("open orders need more than the account holds of the quote asset, which can't be borrowed");
        }
        health.require(share_up(owed, quote.initial_debt_weight_ppm), 0);
        Ok(())
    }
}
