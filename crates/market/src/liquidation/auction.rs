//! The Dutch auction of what the book did not take.
//!
//! While an account is in an auction, anyone may take over its positions and collateral, or sell it what it owes, at the fair price less a
//! discount that grows by a step with each block. The discount is bounded by [`MOST_PPM`] and by what the account can bear: if all went at it,
//! the account would keep half of its equity. No more lots are given than bring the account back to its target. A
//! keeper needs the initial margin afterwards, so that what was short of margin in one account is not so in the next.
//!
//! Prices are whole ticks, rounded in favour of the account.

use super::book::{Item, STAGE_AUCTION, bearable_ppm, signed};
use super::queue::Case;
use crate::error::{MarketError, Rejection};
use crate::gas;
use crate::layout::{AccountStatus, Instrument, InstrumentKind, QUOTE};
use crate::market::Market;
use crate::types::{AccountId, Amount, InstrumentId, Lots, Ppm, Side, Ticks};
use alloy_primitives::U256;

/// Blocks that an auction lasts.
pub(crate) const AUCTION_BLOCKS: u64 = 10;

/// Discount in the block in which an auction begins, in millionths.
const FIRST_PPM: Ppm = 2_500;

/// What each block adds.
const STEP_PPM: Ppm = 2_500;

/// The largest discount.
pub(crate) const MOST_PPM: Ppm = 30_000;

/// What an auction offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// What the account does.
    pub side: Side,
    /// At most so many lots.
    pub lots: Lots,
    /// At this price.
    pub ticks: Ticks,
    /// Block in which the auction began.
    pub since_block: u64,
}

/// The discount so many blocks after an auction began.
fn auction_discount_ppm(blocks: u64) -> Ppm {
    let blocks = Ppm::try_from(blocks).unwrap_or(Ppm::MAX);
    FIRST_PPM.saturating_add(STEP_PPM.saturating_mul(blocks)).min(MOST_PPM)
}

impl Market<'_, '_> {
    /// What an auction offers of an instrument, if anything.
    pub(crate) fn auction_offer(
        &mut self,
        account: AccountId,
        instrument: InstrumentId,
    ) -> Result<Option<(Offer, Item)>, MarketError> {
        let case = self.records.get::<Case>(account)?;
        if case.auction_block == 0 || self.account(account)?.status != AccountStatus::Auctioned {
            return Ok(None);
        }
        let health = self.health(account)?;
        let items = self.items(account)?;
        let found = items.iter().find(|item| item.instrument == instrument && item.instrument.0 != 0);
        let Some(item) = found.copied().filter(|item| health.is_short() && item.lots > 0 && item.mark > 0) else {
            return Ok(None);
        };
        let most = auction_discount_ppm(self.block.number.saturating_sub(case.auction_block));
        let discount = bearable_ppm(&health, &items, most);
        let (ticks, lots) = (item.limit(discount), item.lots_to_target(&health, discount));
        let offer = Offer { side: item.side, lots, ticks, since_block: case.auction_block };
        Ok(Some((offer, item)))
    }

    /// Takes lots of an auction for the caller's account. Returns the lots and the price.
    pub(crate) fn take_auction(
        &mut self,
        keeper: AccountId,
        account: AccountId,
        instrument: InstrumentId,
        lots: Lots,
        worst_ticks: u64,
    ) -> Result<(Lots, Ticks), MarketError> {
        self.meter.charge(gas::TAKEOVER)?;
        let taker = self.require_trader(keeper)?;
        self.require_free(&taker)?;
        if keeper == account {
            return Err(Rejection::Forbidden { state: "an account can't take its own auction" }.into());
        }
        let Some((offer, item)) = self.auction_offer(account, instrument)? else {
            return Err(Rejection::Unknown { what: "auction", id: U256::from(account.0) }.into());
        };
        let is_acceptable = match offer.side {
            Side::Sell => u64::from(offer.ticks) <= worst_ticks,
            Side::Buy => u64::from(offer.ticks) >= worst_ticks,
        };
        if !is_acceptable {
            return Err(Rejection::NotFillable.into());
        }
        let lots = lots.min(offer.lots);
        if lots == 0 {
            return Err(Rejection::OutOfRange {
                what: "lots",
                value: U256::ZERO,
                least: U256::ONE,
                most: U256::from(offer.lots),
            }
            .into());
        }
        let value = self.hand_over(account, keeper, &item, lots, offer.ticks)?;
        let fee = self.charge_fee(account, value, item.fee_ppm)?;
        let moved = signed(offer.side, lots);
        self.tell_liquidated(account, instrument, keeper, STAGE_AUCTION, moved, value, fee);
        self.require_initial(keeper)?;
        self.risk_changed(keeper)?;
        if !self.health(account)?.is_short() {
            self.end_case(account)?;
        }
        Ok((lots, offer.ticks))
    }

    /// Moves lots of an item from an account to another at a price; the other pays or is paid. Returns the value.
    fn hand_over(
        &mut self,
        account: AccountId,
        keeper: AccountId,
        item: &Item,
        lots: Lots,
        ticks: Ticks,
    ) -> Result<Amount, MarketError> {
        let terms = self.records.get::<Instrument>(item.instrument)?;
        let value = terms.fill_value(lots, ticks)?;
        let (moved, cost) = (signed(item.side, lots), value * Amount::from(item.side.sign()));
        if terms.kind != InstrumentKind::Spot {
            self.change_position(account, item.instrument, moved, cost)?;
            self.change_position(keeper, item.instrument, -moved, -cost)?;
            return Ok(value);
        }
        let units = terms.base_units(lots)? * Amount::from(item.side.sign());
        self.add_balance(account, item.asset, units)?;
        self.add_balance(account, QUOTE, -cost)?;
        for (asset, amount) in [(item.asset, -units), (QUOTE, cost)] {
            match amount < 0 {
                true => self.spend_balance(keeper, asset, -amount)?,
                false => self.add_balance(keeper, asset, amount)?,
            };
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_discount_grows_and_is_bounded() {
        for (blocks, expected) in [(0, 2_500), (1, 5_000), (11, 30_000), (12, 30_000), (u64::MAX, 30_000)] {
            assert_eq!(auction_discount_ppm(blocks), expected, "after {blocks} blocks");
            assert!(expected < crate::types::PPM);
        }
    }
}
