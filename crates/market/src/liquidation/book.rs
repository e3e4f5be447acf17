//! What there is to sell of an account in liquidation, how much of it, and the attempt to sell it through the book.
//!
//! # Target
//! Selling a part of size `q` of an item of value `V` and maintenance margin `m` frees `q·m` of margin and costs `q·f·V`, `f` being the fee
//! and, in an auction or a takeover, the discount. An account
//! with equity `E` and maintenance `M` reaches its target `E' = T·M'`, `T` = [`TARGET_PPM`], with
//!
//! ```text
//! q = (T·M − E) / (T·m − f·V)
//! ```
//!
//! or with all of the item, if that is more than one or the denominator is not positive. Fills off the mark need a second pass.
//!
//! # Limit
//! What is sold through the book is sold at the mark or at most a discount worse: equity over the value of everything that may have to be sold,
//! so that even if all went at the limit the account would not be bankrupt; and never more than [`PROTECTION_PPM`]. A bankrupt account sells
//! at the mark or better: what the book does not take at that, the backstop does.

use crate::abi::IMarket;
use crate::assets::{Asset, AssetState};
use crate::error::MarketError;
use crate::gas;
use crate::layout::{Account, Globals, INSURANCE, Instrument, InstrumentKind, Prices, QUOTE};
use crate::liquidation::deleverage::share_of;
use crate::margin::standard::{lots_margin, value_up};
use crate::margin::{Health, share_up};
use crate::market::Market;
use crate::positions::to_i256;
use crate::types::{AccountId, Amount, AssetId, InstrumentId, Lots, MICRO, MicroTicks, PPM, Ppm, Side, Ticks};
use alloc::vec::Vec;
use alloy_primitives::U256;

/// Equity that a liquidation restores, in millionths of maintenance.
pub(crate) const TARGET_PPM: Ppm = 1_250_000;

/// Most that the book's price may be worse than the mark, in millionths.
pub(crate) const PROTECTION_PPM: Ppm = 50_000;

/// The reason of orders that a liquidation cancels.
pub(crate) const CANCELLED_BY_LIQUIDATION: u8 = 4;

/// Stages, as in the event.
pub(crate) const STAGE_BOOK: u8 = 1;
pub(crate) const STAGE_AUCTION: u8 = 2;
pub(crate) const STAGE_BACKSTOP: u8 = 3;
pub(crate) const STAGE_DELEVERAGING: u8 = 4;

/// Something that an account in liquidation can be rid of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    /// The derivative, or the spot pair in which the asset trades; zero if there is none.
    pub instrument: InstrumentId,
    /// The asset; zero for a derivative.
    pub asset: AssetId,
    /// What the account has to do: sell what it holds or is long of, buy what it owes or is short of.
    pub side: Side,
    /// Whole lots of it.
    pub lots: Lots,
    /// Base units, of an asset.
    pub units: Amount,
    /// Fair price in micro-ticks.
    pub mark: MicroTicks,
    /// Value at the mark, in quote base units.
    pub value: Amount,
    /// What it adds to maintenance.
    pub margin: Amount,
    /// Fee of its liquidation.
    pub fee_ppm: Ppm,
}

impl Item {
    /// The fair price, worse for the account by a discount, in whole ticks, rounded in its favour; at least one.
    pub(crate) fn limit(&self, discount_ppm: Ppm) -> Ticks {
        let unit = u128::from(MICRO) * u128::from(PPM);
        let ticks = match self.side {
            Side::Sell => (u128::from(self.mark) * u128::from(PPM.saturating_sub(discount_ppm))).div_ceil(unit),
            Side::Buy => u128::from(self.mark) * u128::from(PPM.saturating_add(discount_ppm)) / unit,
        };
        Ticks::try_from(ticks).unwrap_or(Ticks::MAX).max(1)
    }

    /// Lots that bring an account to its target, at least one, at most all.
    pub(crate) fn lots_to_target(&self, health: &Health, discount_ppm: Ppm) -> Lots {
        let lots = self.part_to_target(Amount::from(self.lots), health, discount_ppm);
        Lots::try_from(lots).unwrap_or(self.lots)
    }

    /// Base units that bring an account to its target, with their sign.
    pub(crate) fn units_to_target(&self, health: &Health, discount_ppm: Ppm) -> Amount {
        self.part_to_target(self.units.saturating_abs(), health, discount_ppm) * self.units.signum()
    }

    /// Of so many parts of the item, those that bring an account to its target.
    fn part_to_target(&self, all: Amount, health: &Health, discount_ppm: Ppm) -> Amount {
        let target = health.maintenance.saturating_add(share_up(health.maintenance, TARGET_PPM - PPM));
        let missing = target.saturating_sub(health.equity).max(0);
        let fee = share_up(self.value, self.fee_ppm.saturating_add(discount_ppm));
        let freed = self.margin.saturating_add(share_up(self.margin, TARGET_PPM - PPM)).saturating_sub(fee);
        if freed <= missing || all == 0 {
            return all;
        }
        share_of(missing, all, freed).map_or(all, |part| part.saturating_add(1).min(all))
    }
}

/// The discount at which an account would just not be bankrupt if all of these went at it, at most `most_ppm`.
pub(crate) fn discount_ppm(health: &Health, items: &[Item], most_ppm: Ppm) -> Ppm {
    let total = items.iter().fold(0, |sum: Amount, item| sum.saturating_add(item.value));
    let share = share_of(health.equity.max(0), Amount::from(PPM), total.max(1));
    share.and_then(|share| Ppm::try_from(share).ok()).unwrap_or(most_ppm).min(most_ppm)
}

/// The discount of an auction or a takeover: half of that, so that selling at it improves how the account stands.
pub(crate) fn bearable_ppm(health: &Health, items: &[Item], most_ppm: Ppm) -> Ppm {
    (discount_ppm(health, items, PPM) / 2).min(most_ppm)
}

impl Market<'_, '_> {
    /// What an account has that can be sold or bought back: debts first, then what can repay a debt of the quote asset, then positions
    /// by margin, then the rest.
    pub(crate) fn items(&mut self, id: AccountId) -> Result<Vec<Item>, MarketError> {
        let account = self.records.get::<Account>(id)?;
        let owes_quote = self.balance(id, QUOTE)? < 0;
        let mut items = Vec::new();
        for instrument in account.positions.into_iter().take_while(|id| *id != 0).map(InstrumentId) {
            self.meter.charge(gas::HEALTH_ITEM)?;
            if let Some(item) = self.position_item(id, instrument)? {
                items.push(item);
            }
        }
        for asset in account.assets.into_iter().take_while(|id| *id != 0).map(AssetId) {
            if asset != QUOTE
                && let Some(item) = self.asset_item(id, asset)?
            {
                items.push(item);
            }
        }
        let order = |item: &Item| match (item.asset.0, item.side) {
            (0, _) => 2,
            (_, Side::Buy) => 0,
            (_, Side::Sell) => 1 + 2 * u8::from(!owes_quote),
        };
        items.sort_by(|a, b| order(a).cmp(&order(b)).then(b.margin.cmp(&a.margin)));
        Ok(items)
    }

    /// A position of a derivative.
    pub(crate) fn position_item(&mut self, account: AccountId, id: InstrumentId) -> Result<Option<Item>, MarketError> {
        let terms = self.records.get::<Instrument>(id)?;
        let lots = self.position(account, id)?.lots;
        if lots == 0 || terms.kind == InstrumentKind::Spot {
            return Ok(None);
        }
        let prices = self.records.get::<Prices>(id)?;
        let (_, margin) = lots_margin(&terms, &prices, lots);
        Ok(Some(Item {
            instrument: id,
            asset: AssetId(0),
            side: if lots > 0 { Side::Sell } else { Side::Buy },
            lots: lots.unsigned_abs(),
            units: 0,
            mark: prices.mark,
            value: value_up(&terms, lots.unsigned_abs(), prices.mark),
            margin,
            fee_ppm: terms.liquidation_fee_ppm,
        }))
    }

    /// A balance or debt of an asset that is not the quote asset.
    pub(crate) fn asset_item(&mut self, account: AccountId, id: AssetId) -> Result<Option<Item>, MarketError> {
        let units = self.balance(account, id)?;
        if units == 0 {
            return Ok(None);
        }
        let (asset, state) = (self.records.get::<Asset>(id)?, self.records.get::<AssetState>(id)?);
        let value = state.value(units).saturating_abs();
        let weight = if units > 0 { asset.haircut_ppm } else { asset.debt_weight_ppm };
        let mut item = Item {
            instrument: InstrumentId(0),
            asset: id,
            side: if units > 0 { Side::Sell } else { Side::Buy },
            lots: 0,
            units,
            mark: 0,
            value,
            margin: share_up(value, weight),
            fee_ppm: 0,
        };
        if let Some((instrument, terms)) = self.spot_pair(id)? {
            let lot = Amount::try_from(terms.lot_size).unwrap_or(Amount::MAX).max(1);
            let lots = match units > 0 {
                true => units / lot,
                false => units.saturating_neg().saturating_add(lot - 1) / lot,
            };
            let of_lots = share_of(state.value(lot), Amount::from(MICRO), Amount::from(terms.tick_value.max(1)));
            item.instrument = instrument;
            item.lots = Lots::try_from(lots).unwrap_or(Lots::MAX).min(crate::types::MAX_LOTS);
            item.mark = of_lots.and_then(|mark| MicroTicks::try_from(mark).ok()).unwrap_or(0);
            item.fee_ppm = terms.liquidation_fee_ppm;
        }
        Ok(Some(item))
    }

    /// The spot pair of an asset.
    fn spot_pair(&mut self, base: AssetId) -> Result<Option<(InstrumentId, Instrument)>, MarketError> {
        let end = self.records.get::<Globals>(())?.next_instrument;
        for id in (1..end).map(InstrumentId) {
            self.meter.charge(gas::RISK_STEP)?;
            let terms = self.records.get::<Instrument>(id)?;
            if terms.kind == InstrumentKind::Spot && terms.base == base && terms.quote == QUOTE {
                return Ok(Some((id, terms)));
            }
        }
        Ok(None)
    }

    /// Sells and buys through the book until the account is at its target, or the book has no more within the limit. Returns how it stands
    /// then; `None` if gas may not suffice for all that could be tried.
    pub(crate) fn sell_on_book(&mut self, account: AccountId) -> Result<Option<Health>, MarketError> {
        let mut health = self.health(account)?;
        let items = self.items(account)?;
        let discount = discount_ppm(&health, &items, PROTECTION_PPM);
        let mut sales = 0;
        for item in items.iter().filter(|item| item.instrument.0 != 0 && item.lots > 0 && item.mark > 0) {
            let mut left = *item;
            // The second pass makes up for what fills off the mark cost.
            for _ in 0..2 {
                if !health.is_short() {
                    return Ok(Some(health));
                }
                let spare = gas::LIQUIDATION_ORDER_MOST + gas::LIQUIDATION_STEP_REST;
                if sales > 0 && self.meter.left() < spare {
                    return Ok(None);
                }
                let lots = left.lots_to_target(&health, 0);
                if lots == 0 {
                    break;
                }
                let limit = left.limit(discount);
                let sale = |market: &mut Self| market.sell_item(account, &left, lots, limit);
                sales += 1;
                let done = self.attempt_on_budget(gas::LIQUIDATION_ORDER_MOST, sale)?.unwrap_or(0);
                health = self.health(account)?;
                if done < lots {
                    break;
                }
                left.lots -= done;
                left.value = share_of(left.value, left.lots.into(), (left.lots + done).into()).unwrap_or(0);
                left.margin = share_of(left.margin, left.lots.into(), (left.lots + done).into()).unwrap_or(0);
            }
        }
        Ok(Some(health))
    }

    /// Sends one order of a liquidation to the book. Returns the lots that were filled.
    fn sell_item(&mut self, account: AccountId, item: &Item, lots: Lots, limit: Ticks) -> Result<Lots, MarketError> {
        self.require_tradable(item.instrument, true)?;
        let fill = self.execute_ioc(account, item.instrument, item.side, lots, limit, CANCELLED_BY_LIQUIDATION)?;
        if fill.filled_lots == 0 {
            return Ok(0);
        }
        let value = Amount::try_from(fill.quote_amount).unwrap_or(Amount::MAX);
        let fee = self.charge_fee(account, value, item.fee_ppm)?;
        self.tell_liquidated(
            account,
            item.instrument,
            AccountId(0),
            STAGE_BOOK,
            signed(item.side, fill.filled_lots),
            value,
            fee,
        );
        Ok(fill.filled_lots)
    }

    /// Takes the liquidation fee for the insurance fund, as far as the account's equity goes.
    pub(crate) fn charge_fee(
        &mut self,
        account: AccountId,
        value: Amount,
        fee_ppm: Ppm,
    ) -> Result<Amount, MarketError> {
        let equity = self.health(account)?.equity.max(0);
        let fee = share_up(value, fee_ppm).min(equity);
        if fee > 0 {
            self.move_balance(account, INSURANCE, QUOTE, fee)?;
        }
        Ok(fee)
    }

    #[allow(clippy::too_many_arguments)]
    pub(crate) fn tell_liquidated(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
        counterparty: AccountId,
        stage: u8,
        lots: i64,
        value: Amount,
        fee: Amount,
    ) {
        self.emit(&IMarket::Liquidated {
            account: account.0,
            instrument: instrument.0,
            counterparty: counterparty.0,
            stage,
            lots,
            value: to_i256(value),
            fee: U256::from(fee.unsigned_abs()),
        });
    }
}

/// Lots with the sign of a side.
pub(crate) fn signed(side: Side, lots: Lots) -> i64 {
    i64::try_from(lots).unwrap_or(i64::MAX) * side.sign()
}
