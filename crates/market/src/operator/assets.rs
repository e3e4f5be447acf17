//! Listing assets and changing their parameters, by name, with the bounds of `assets.rs`. As with instruments, what counts for maintenance
//! margin is never made stricter for what is held or owed already.

use crate::abi::IMarket;
use crate::abi::IMarketActions::Setting;
use crate::assets::{Asset, AssetState};
use crate::error::{MarketError, Rejection};
use crate::feeds::{Feed, FeedUser};
use crate::gas;
use crate::instruments::in_range;
use crate::layout::QUOTE;
use crate::market::Market;
use crate::types::{Amount, AssetId, FeedId, MAX_AMOUNT, PPM};
use alloy_primitives::{Address, U256};

/// A parameter of an asset: its name, most that its type allows, and how it is set. The bounds are those of [`Asset::validate`].
struct AssetParameter {
    name: &'static str,
    most: Amount,
    set: fn(&mut Asset, u128),
}

macro_rules! asset_parameters {
    ($($name:literal $field:ident: $kind:ty, $most:expr;)*) => {
        const ASSET_PARAMETERS: &[AssetParameter] = &[$(AssetParameter {
            name: $name,
            most: $most,
            // The bound is within the type.
            set: |asset, value| asset.$field = value as $kind,
        }),*];
    };
}

const RATIO: Amount = 10 * PPM as Amount;

asset_parameters! {
    "haircutPpm" haircut_ppm: u32, RATIO;
    "initialHaircutPpm" initial_haircut_ppm: u32, RATIO;
    "debtWeightPpm" debt_weight_ppm: u32, RATIO;
    "initialDebtWeightPpm" initial_debt_weight_ppm: u32, RATIO;
    "baseRatePpm" base_rate_ppm: u32, RATIO;
    "slopePpm" slope_ppm: u32, RATIO;
    "steepSlopePpm" steep_slope_ppm: u32, RATIO;
    "kinkPpm" kink_ppm: u32, RATIO;
    "reservePpm" reserve_ppm: u32, RATIO;
    "supplyCap" supply_cap: u128, MAX_AMOUNT;
    "borrowCap" borrow_cap: u128, MAX_AMOUNT;
}

/// An asset of which nothing is said but what it is: it may be deposited without limit and not borrowed, and counts with haircuts of a
/// tenth and 15 % (the quote asset with none).
fn default_asset(token: Address, decimals: u8, feed: FeedId) -> Asset {
    let is_quote = feed.0 == 0;
    let haircuts = if is_quote { [0; 4] } else { [100_000, 150_000, 100_000, 150_000] };
    Asset {
        token,
        decimals,
        feed,
        haircut_ppm: haircuts[0],
        initial_haircut_ppm: haircuts[1],
        debt_weight_ppm: haircuts[2],
        initial_debt_weight_ppm: haircuts[3],
        base_rate_ppm: 0,
        slope_ppm: 40_000,
        steep_slope_ppm: 600_000,
        kink_ppm: 800_000,
        reserve_ppm: 100_000,
        supply_cap: MAX_AMOUNT.unsigned_abs(),
        borrow_cap: 0,
    }
}

fn set_parameter(asset: &mut Asset, setting: &Setting) -> Result<(), Rejection> {
    let Some(row) = ASSET_PARAMETERS.iter().find(|row| row.name == setting.name) else {
        return Err(Rejection::Unknown { what: "parameter", id: U256::ZERO });
    };
    let most = row.most.unsigned_abs();
    let value = u128::try_from(setting.value).ok().filter(|value| *value <= most);
    let value = value.ok_or(Rejection::OutOfRange {
        what: row.name,
        value: setting.value.into_raw(),
        least: U256::ZERO,
        most: U256::from(most),
    })?;
    (row.set)(asset, value);
    Ok(())
}

impl Market<'_, '_> {
    /// Lists an asset; the first one is the quote asset, which has no feed.
    pub(crate) fn list_asset(
        &mut self,
        token: Address,
        decimals: u8,
        feed_id: FeedId,
        settings: &[Setting],
    ) -> Result<AssetId, MarketError> {
        self.meter.charge(gas::LISTING)?;
        let mut asset = default_asset(token, decimals, feed_id);
        self.apply_settings(&mut asset, settings)?;
        let id = self.add_asset(asset)?;
        self.emit(&IMarket::AssetListed { asset: id.0, token, decimals, feed: feed_id.0 });
        self.note_settings(id, settings)?;
        if id == QUOTE {
            in_range("feed", feed_id.0.into(), 0, 0)?;
            return Ok(id);
        }
        self.add_feed_user(feed_id, FeedUser { asset: id, ..FeedUser::default() })?;
        let Feed { price, decimals, time_seconds, .. } = self.feed(feed_id)?;
        if price != 0 {
            self.set_asset_price(id, price, decimals, time_seconds)?;
        }
        Ok(id)
    }

    /// Changes parameters of an asset: all of them, or none.
    pub(crate) fn change_asset(&mut self, id: AssetId, settings: &[Setting]) -> Result<(), MarketError> {
        self.meter.charge(gas::LISTING)?;
        let old = self.asset(id)?;
        let mut asset = old;
        self.apply_settings(&mut asset, settings)?;
        let state: AssetState = self.records.get(id)?;
        let is_used = state.supply_scaled != 0 || state.borrow_scaled != 0;
        if is_used && (asset.haircut_ppm > old.haircut_ppm || asset.debt_weight_ppm > old.debt_weight_ppm) {
            return Err(Rejection::Forbidden { state: "a higher maintenance haircut of what is held" }.into());
        }
        self.set_asset(id, |present| *present = asset)?;
        self.note_settings(id, settings)
    }

    fn apply_settings(&mut self, asset: &mut Asset, settings: &[Setting]) -> Result<(), MarketError> {
        let limit = ASSET_PARAMETERS.len() as u64;
        if settings.len() as u64 > limit {
            return Err(Rejection::LimitReached { what: "settings", limit }.into());
        }
        for setting in settings {
            set_parameter(asset, setting)?;
        }
        Ok(())
    }

    fn note_settings(&mut self, id: AssetId, settings: &[Setting]) -> Result<(), MarketError> {
        for setting in settings {
            self.meter.charge(gas::EVENT)?;
            let (name, value) = (setting.name.clone(), setting.value);
            self.emit(&IMarket::AssetParameterSet { asset: id.0, name, value });
        }
        Ok(())
    }
}
