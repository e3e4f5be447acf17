//! Assets: what may be deposited and borrowed, at which rates.

use super::instruments::Page;
use super::json::{Decimal, Whole, limit_of};
use super::read::{BlockPlace, MarketState};
use crate::json::{Params, Quantity};
use crate::methods::{Module, Registered, heavy};
use crate::{RpcContext, RpcError};
use alloy_primitives::Address;
use rialto_market::layout::Globals;
use rialto_market::types::AssetId;
use rialto_market::{Asset, AssetState};
use serde::Serialize;
use std::sync::Arc;

/// Assets of an answer where the question doesn't say.
const DEFAULT_LIMIT: usize = 100;

/// Registers the methods of this file.
pub(super) fn register(module: &mut Module) -> Registered {
    heavy(module, "market_assets", |params: &Params, context: &Arc<RpcContext>| {
        let page: Page = params.optional(0, "page")?.unwrap_or_default();
        let market = MarketState::of(context, params, 1)?;
        let globals: Globals = market.record(())?;
        let from = page.from.map_or(1, |Whole(from)| u16::try_from(from).unwrap_or(u16::MAX).max(1));
        let limit = limit_of(page.limit, DEFAULT_LIMIT, context.limits.max_market_entries);
        (from..globals.next_asset)
            .take(limit)
            .map(|id| AssetJson::read(&market, AssetId(id)))
            .collect::<Result<Vec<_>, _>>()
    })
}

/// An asset: its parameters, totals, rates and price.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AssetJson {
    asset: Decimal<u16>,
    token: Address,
    decimals: Decimal<u8>,
    feed: Decimal<u16>,
    haircut_ppm: Decimal<u32>,
    initial_haircut_ppm: Decimal<u32>,
    debt_weight_ppm: Decimal<u32>,
    initial_debt_weight_ppm: Decimal<u32>,
    supply_cap: Decimal<u128>,
    borrow_cap: Decimal<u128>,
    /// Quote base units per base unit, times 2^96; zero is no price.
    price: Decimal<u128>,
    priced_at: Quantity,
    supplied: Decimal<u128>,
    borrowed: Decimal<u128>,
    custody: Decimal<u128>,
    utilisation_ppm: Decimal<u128>,
    /// A year's, as of when interest was last settled.
    borrow_rate_ppm: Decimal<u128>,
    supply_rate_ppm: Decimal<u128>,
    accrued_at: Quantity,
    #[serde(flatten)]
    at: BlockPlace,
}

/// What is in a millionth of a number that is times 10^18.
const PER_PPM: u128 = 1_000_000_000_000;

impl AssetJson {
    fn read(market: &MarketState, id: AssetId) -> Result<Self, RpcError> {
        let (asset, state): (Asset, AssetState) = (market.record(id)?, market.record(id)?);
        Ok(Self {
            asset: Decimal(id.0),
            token: asset.token,
            decimals: Decimal(asset.decimals),
            feed: Decimal(asset.feed.0),
            haircut_ppm: Decimal(asset.haircut_ppm),
            initial_haircut_ppm: Decimal(asset.initial_haircut_ppm),
            debt_weight_ppm: Decimal(asset.debt_weight_ppm),
            initial_debt_weight_ppm: Decimal(asset.initial_debt_weight_ppm),
            supply_cap: Decimal(asset.supply_cap),
            borrow_cap: Decimal(asset.borrow_cap),
            price: Decimal(state.price),
            priced_at: Quantity(state.priced_seconds),
            supplied: Decimal(state.supplied()),
            borrowed: Decimal(state.borrowed()),
            custody: Decimal(state.custody),
            utilisation_ppm: Decimal(state.utilisation() / PER_PPM),
            borrow_rate_ppm: Decimal(state.borrow_rate(&asset) / PER_PPM),
            supply_rate_ppm: Decimal(state.supply_rate(&asset) / PER_PPM),
            accrued_at: Quantity(state.accrued_seconds),
            at: market.at,
        })
    }
}
