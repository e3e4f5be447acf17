//! The backstop pool: it takes over what neither the book nor a keeper took, with the money of those who bought shares of it.
//!
//! The pool is an ordinary account without an owner: it has balances, positions and margin like others, is watched by the health index, and takes
//! over only what it has initial margin for. It pays the fair price less a discount that the liquidated account can bear.
//!
//! # Shares
//! A share is a part of the pool's equity. With `S` shares and equity `E`, a deposit of `a` gets `⌊a·(S + v)/(E + 1)⌋` shares and `s`
//! shares fetch `⌊s·(E + 1)/(S + v)⌋`, `v` = [`VIRTUAL_SHARES`]. Both round against whoever asks, so no sequence of deposits and
//! withdrawals takes a unit from the others. The virtual shares are nobody's. They set the first price, so whoever would drive it up by a gift
//! to an empty pool, in order that the next deposit rounds down to nothing, gives nearly all of the gift to nobody.
//!
//! What it took over it sells again, in every sweep, as far as the book pays the mark or better: it takes risk, it does not seek it.
//!
//! Nobody leaves while accounts wait for liquidation, as who sees a loss coming would leave it to the others; nor beyond the pool's own
//! margin.

use super::book::{CANCELLED_BY_LIQUIDATION, Item, STAGE_BACKSTOP, bearable_ppm, signed};
use super::deleverage::share_of;
use super::queue::LiquidationQueue;
use crate::abi::IMarket;
use crate::error::{MarketError, Rejection};
use crate::gas;
use crate::layout::{Account, AccountStatus, BACKSTOP, Instrument, QUOTE};
use crate::liquidation::auction::MOST_PPM;
use crate::margin::standard::value_up;
use crate::market::Market;
use crate::positions::to_i256;
use crate::records::record;
use crate::types::{AccountId, Amount, AssetId, InstrumentId, Lots, PPM, Ppm};
use alloy_primitives::U256;

/// Shares of nobody.
const VIRTUAL_SHARES: Amount = 1_000_000;

/// The largest number of shares.
const MAX_SHARES: Amount = 1 << 120;

record! {
    /// The backstop pool.
    pub struct BackstopPool(tag 79, key (), "none") {
        {
            /// Shares of all.
            pub shares: i128,
        }
    }
}

record! {
    /// An account's part of the backstop pool.
    pub struct BackstopShares(tag 80, key AccountId, "account") {
        {
            /// Shares.
            pub shares: i128,
        }
    }
}

/// Shares for an amount, rounded down.
fn shares_for(amount: Amount, equity: Amount, shares: Amount) -> Option<Amount> {
    share_of(amount, shares.checked_add(VIRTUAL_SHARES)?, equity.checked_add(1)?)
}

/// The amount that shares fetch, rounded down.
fn amount_for(sold: Amount, equity: Amount, shares: Amount) -> Option<Amount> {
    share_of(sold, equity.checked_add(1)?, shares.checked_add(VIRTUAL_SHARES)?)
}

impl Market<'_, '_> {
    /// An account's shares, all shares, and the pool's equity.
    pub(crate) fn backstop_of(&mut self, account: AccountId) -> Result<(Amount, Amount, Amount), MarketError> {
        let own = self.records.get::<BackstopShares>(account)?.shares;
        let all = self.records.get::<BackstopPool>(())?.shares;
        Ok((own, all, self.health(BACKSTOP)?.equity))
    }

    /// Buys shares with an account's quote balance. Returns how many.
    pub(crate) fn deposit_backstop(&mut self, account: AccountId, amount: u128) -> Result<u128, MarketError> {
        let source = self.require_owner(account)?;
        self.require_free(&source)?;
        let units = crate::balances::checked_amount(amount)?;
        let (own, all, equity) = self.backstop_of(account)?;
        if equity < 0 || (equity == 0 && all > 0) {
            return Err(Rejection::Forbidden { state: "the backstop pool has lost everything" }.into());
        }
        let bought = shares_for(units, equity, all).ok_or(Rejection::Overflow)?;
        let total = all.checked_add(bought).filter(|total| *total <= MAX_SHARES).ok_or(Rejection::Overflow)?;
        let owned = own.checked_add(bought).ok_or(Rejection::Overflow)?;
        if bought == 0 {
            let (value, most) = (U256::from(amount), U256::MAX);
            return Err(
                Rejection::OutOfRange { what: "amount", value, least: U256::from(equity / all.max(1)), most }.into()
            );
        }
        self.spend_balance(account, QUOTE, units)?;
        self.add_balance(BACKSTOP, QUOTE, units)?;
        self.records.set((), BackstopPool { shares: total })?;
        self.records.set(account, BackstopShares { shares: owned })?;
        self.require_initial(account)?;
        let (amount, shares) = (U256::from(amount), U256::from(bought.unsigned_abs()));
        self.emit(&IMarket::BackstopDeposited { account: account.0, amount, shares });
        self.risk_changed(account)?;
        self.risk_changed(BACKSTOP)?;
        Ok(bought.unsigned_abs())
    }

    /// Sells shares for their part of the pool's equity. Returns what they fetched.
    pub(crate) fn withdraw_backstop(&mut self, account: AccountId, shares: u128) -> Result<u128, MarketError> {
        self.require_owner(account)?;
        let queue = self.records.get::<LiquidationQueue>(())?;
        if queue.waiting > 0 || queue.is_behind {
            return Err(Rejection::Forbidden { state: "accounts wait for liquidation" }.into());
        }
        let (own, all, equity) = self.backstop_of(account)?;
        let sold = match Amount::try_from(shares) {
            Ok(sold) if sold > 0 && sold <= own => sold,
            _ => {
                let (value, most) = (U256::from(shares), U256::from(own.unsigned_abs()));
                return Err(Rejection::OutOfRange { what: "shares", value, least: U256::ONE, most }.into());
            }
        };
        let amount = amount_for(sold, equity.max(0), all).ok_or(Rejection::Overflow)?;
        self.records.set((), BackstopPool { shares: all.saturating_sub(sold) })?;
        self.records.set(account, BackstopShares { shares: own - sold })?;
        self.spend_balance(BACKSTOP, QUOTE, amount)?;
        self.add_balance(account, QUOTE, amount)?;
        self.require_initial(BACKSTOP)?;
        let amount = amount.unsigned_abs();
        self.emit(&IMarket::BackstopWithdrawn {
            account: account.0,
            amount: U256::from(amount),
            shares: U256::from(shares),
        });
        self.risk_changed(account)?;
        self.risk_changed(BACKSTOP)?;
        Ok(amount)
    }

    /// Lets the pool take over what an account has, until it is at its target, as far as the pool has margin.
    pub(crate) fn backstop_takes(&mut self, account: AccountId) -> Result<(), MarketError> {
        if self.records.get::<Account>(BACKSTOP)?.status != AccountStatus::Healthy {
            return Ok(());
        }
        let mut health = self.health(account)?;
        let items = self.items(account)?;
        let discount = bearable_ppm(&health, &items, MOST_PPM);
        for item in items {
            if !health.is_short() {
                break;
            }
            if item.value == 0 && item.margin == 0 {
                continue;
            }
            // A pool without margin for all may have it for a part.
            for part in [1, 4, 16] {
                self.meter.charge(gas::TAKEOVER)?;
                let taken = self.attempt(|market| match item.asset.0 {
                    0 => {
                        let lots = item.lots_to_target(&health, discount).div_ceil(part);
                        market.backstop_takes_position(account, &item, lots, discount)
                    }
                    _ => {
                        let units = item.units_to_target(&health, discount) / Amount::from(part);
                        market.backstop_takes_asset(account, &item, units, discount)
                    }
                })?;
                if taken.is_ok() {
                    break;
                }
            }
            health = self.health(account)?;
        }
        self.risk_changed(BACKSTOP)
    }

    /// Lets the pool sell what it took over, as far as the book pays the mark or better.
    pub(crate) fn backstop_unwinds(&mut self) -> Result<(), MarketError> {
        let account = self.records.get::<Account>(BACKSTOP)?;
        if account.status != AccountStatus::Healthy {
            return Ok(());
        }
        let mut is_changed = false;
        for id in account.positions.into_iter().take_while(|id| *id != 0).map(InstrumentId) {
            let Some(item) = self.position_item(BACKSTOP, id)?.filter(|item| item.mark > 0) else { continue };
            if self.meter.left() < gas::LIQUIDATION_ORDER_MOST {
                break;
            }
            let sold = self.attempt_on_budget(gas::LIQUIDATION_ORDER_MOST, |market| {
                market.require_tradable(id, true)?;
                let limit = item.limit(0);
                market.execute_ioc(BACKSTOP, id, item.side, item.lots, limit, CANCELLED_BY_LIQUIDATION)
            })?;
            is_changed |= sold.is_ok_and(|placed| placed.filled_lots > 0);
        }
        if is_changed { self.risk_changed(BACKSTOP) } else { Ok(()) }
    }

    fn backstop_takes_position(
        &mut self,
        account: AccountId,
        item: &Item,
        lots: Lots,
        discount_ppm: Ppm,
    ) -> Result<(), MarketError> {
        let terms = self.records.get::<Instrument>(item.instrument)?;
        let fair = value_up(&terms, lots, item.mark);
        let value = discounted(fair, item, discount_ppm)?;
        let (moved, cost) = (signed(item.side, lots), value * Amount::from(item.side.sign()));
        self.change_position(account, item.instrument, moved, cost)?;
        self.change_position(BACKSTOP, item.instrument, -moved, -cost)?;
        self.require_initial(BACKSTOP)?;
        let fee = self.charge_fee(account, value, item.fee_ppm)?;
        self.tell_liquidated(account, item.instrument, BACKSTOP, STAGE_BACKSTOP, moved, value, fee);
        Ok(())
    }

    fn backstop_takes_asset(
        &mut self,
        account: AccountId,
        item: &Item,
        units: Amount,
        discount_ppm: Ppm,
    ) -> Result<(), MarketError> {
        let state = self.accrued(item.asset)?;
        let value = discounted(state.value(units).saturating_abs(), item, discount_ppm)?;
        let paid = if units > 0 { value } else { -value };
        self.add_balance(account, item.asset, -units)?;
        self.add_balance(account, QUOTE, paid)?;
        // A debt that the pool takes over is as large as before: caps on new debts do not apply.
        self.add_balance(BACKSTOP, item.asset, units)?;
        self.add_balance(BACKSTOP, QUOTE, -paid)?;
        self.require_initial(BACKSTOP)?;
        self.emit(&IMarket::CollateralTaken {
            account: account.0,
            asset: AssetId(item.asset.0).0,
            amount: to_i256(units),
            value: to_i256(paid),
        });
        Ok(())
    }
}

/// A value, worse for the account: less for what it sells, more for what it buys.
fn discounted(fair: Amount, item: &Item, discount_ppm: Ppm) -> Result<Amount, MarketError> {
    let discount = share_of(fair, Amount::from(discount_ppm), Amount::from(PPM)).ok_or(Rejection::Overflow)?;
    Ok(fair - discount * Amount::from(-item.side.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_gift_to_an_empty_pool_does_not_take_the_next_deposit() {
        // The first depositor buys one unit's worth and gives a million units to the pool; the next deposits as much.
        let first = shares_for(1, 0, 0).unwrap();
        let equity = 1 + 1_000_000;
        let second = shares_for(1_000_000, equity, first).unwrap();
        let fetched = amount_for(second, equity + 1_000_000, first + second).unwrap();
        assert!(fetched >= 999_998, "{fetched}");
        let attacker = amount_for(first, equity + 1_000_000, first + second).unwrap();
        assert!(attacker < 1_000_000, "{attacker}");
    }

    proptest! {
        #[test]
        fn who_comes_and_goes_gains_nothing(
            amount in 1..1_000_000_000_000i128,
            equity in 0..1_000_000_000_000i128,
            shares in 0..1_000_000_000_000_000i128,
        ) {
            let bought = shares_for(amount, equity, shares).unwrap();
            let fetched = amount_for(bought, equity + amount, shares + bought).unwrap();
            prop_assert!(fetched <= amount);
        }
    }
}
