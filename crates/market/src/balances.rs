//! Balances: signed amounts of assets, interest settled whenever one is touched.
//!
//! A negative balance is a debt. Whatever is credited to it repays the debt first, without anybody having to say so.
//!
//! Two ways change a balance. [`Market::add_balance`] always does: fees, funding, losses and settlements can't be refused, and what they leave
//! is for margin and liquidation to judge. [`Market::spend_balance`] is for what an owner asks for, and refuses to go into debt in an asset that
//! can't be borrowed or whose cap is reached.
//!
//! Neither tells the health index: the operation that uses them calls `risk_changed` once, at its end.

use crate::abi::IMarket;
use crate::accounts::is_system;
use crate::assets::AssetState;
use crate::error::{MarketError, Rejection};
use crate::interest::{scaled, settled};
use crate::layout::{Account, AccountStatus, BACKSTOP, Balance, QUOTE};
use crate::market::Market;
use crate::types::{AccountId, Amount, AssetId, MAX_AMOUNT};
use alloy_primitives::U256;

impl AssetState {
    /// A balance with interest up to these indices.
    pub fn settle(&self, balance: &Balance) -> Amount {
        let to = if balance.amount < 0 { self.borrow_index } else { self.supply_index };
        settled(balance.amount, balance.index, to)
    }

    /// Takes a balance out of the totals, settled: what is left is to be put back with [`AssetState::put`].
    fn take(&mut self, balance: &Balance) -> Amount {
        let amount = self.settle(balance);
        let units = scaled(balance.amount, balance.index);
        let total = if balance.amount < 0 { &mut self.borrow_scaled } else { &mut self.supply_scaled };
        *total = total.saturating_sub(units);
        self.pool = self.pool.saturating_sub(amount.saturating_sub(balance.amount));
        amount
    }

    /// Puts a balance of this amount into the totals.
    fn put(&mut self, amount: Amount) -> Balance {
        let (index, total) = if amount < 0 {
            (self.borrow_index, &mut self.borrow_scaled)
        } else {
            (self.supply_index, &mut self.supply_scaled)
        };
        *total = total.saturating_add(scaled(amount, index));
        if amount == 0 { Balance::default() } else { Balance { amount, index } }
    }
}

impl Market<'_, '_> {
    /// What an account holds of an asset, or owes, with interest up to now.
    pub fn balance(&mut self, account: AccountId, asset: AssetId) -> Result<Amount, MarketError> {
        let balance = self.records.get::<Balance>((account, asset))?;
        if balance.amount == 0 {
            return Ok(0);
        }
        Ok(self.accrued(asset)?.settle(&balance))
    }

    /// Adds to a balance, or with a negative amount takes from it, into debt if need be. Returns the balance after.
    pub fn add_balance(&mut self, account: AccountId, asset: AssetId, delta: Amount) -> Result<Amount, MarketError> {
        let old = self.records.get::<Balance>((account, asset))?;
        if delta == 0 && old.amount == 0 {
            return Ok(0);
        }
        let mut state = self.accrue(asset)?;
        let amount = state.take(&old).checked_add(delta).ok_or(Rejection::Overflow)?;
        if amount.unsigned_abs() > MAX_AMOUNT.unsigned_abs() {
            return Err(Rejection::Overflow.into());
        }
        let new = state.put(amount);
        self.records.set((account, asset), new)?;
        self.records.set(asset, state)?;
        match (old.amount == 0, amount == 0) {
            (true, false) => self.list_balance(account, asset)?,
            (false, true) => self.unlist_balance(account, asset)?,
            _ => {}
        }
        Ok(amount)
    }

    /// Takes from a balance at its owner's wish: into debt only as the asset allows.
    pub fn spend_balance(&mut self, account: AccountId, asset: AssetId, amount: Amount) -> Result<Amount, MarketError> {
        let left = self.add_balance(account, asset, amount.checked_neg().ok_or(Rejection::Overflow)?)?;
        if left < 0 && amount > 0 {
            self.require_borrowable(asset)?;
        }
        Ok(left)
    }

    /// Refuses if an asset can't be borrowed, or is by now beyond its cap.
    fn require_borrowable(&mut self, asset: AssetId) -> Result<(), MarketError> {
        let cap = self.asset(asset)?.borrow_cap;
        let state = self.accrued(asset)?;
        if cap == 0 {
            return Err(Rejection::Forbidden { state: "the asset can't be borrowed" }.into());
        }
        if state.price == 0 {
            return Err(Rejection::Forbidden { state: "the asset has no price" }.into());
        }
        let (value, most) = (U256::from(state.borrowed()), U256::from(cap));
        if value > most {
            return Err(Rejection::OutOfRange { what: "borrowed", value, least: U256::ZERO, most }.into());
        }
        Ok(())
    }

    /// Moves an amount from one account to another, into debt if need be: for the market's own use.
    pub fn move_balance(
        &mut self,
        from: AccountId,
        to: AccountId,
        asset: AssetId,
        amount: Amount,
    ) -> Result<(), MarketError> {
        self.add_balance(from, asset, amount.checked_neg().ok_or(Rejection::Overflow)?)?;
        self.add_balance(to, asset, amount)?;
        Ok(())
    }

    /// Moves an amount between accounts at the wish of the owner of `from`, who needs initial margin after.
    pub fn transfer(
        &mut self,
        from: AccountId,
        to: AccountId,
        asset: AssetId,
        amount: u128,
    ) -> Result<(), MarketError> {
        let source = self.require_owner(from)?;
        let target = self.account(to)?;
        self.asset(asset)?;
        let units = checked_amount(amount)?;
        if from == to {
            return Err(Rejection::Forbidden { state: "both accounts are the same" }.into());
        }
        if is_system(to) && source.owner != self.caller {
            return Err(Rejection::NotAllowed.into());
        }
        self.require_receiver(to, &target, asset)?;
        self.require_free(&source)?;
        self.spend_balance(from, asset, units)?;
        self.add_balance(to, asset, units)?;
        if !is_system(from) {
            self.require_initial_to_leave(from)?;
        }
        self.emit(&IMarket::Transferred { from: from.0, to: to.0, asset: asset.0, amount });
        self.risk_changed(from)?;
        self.risk_changed(to)
    }

    /// Refuses to put an asset on another owner's list, which else anyone could fill, and to add to the backstop pool without shares.
    pub(crate) fn require_receiver(
        &mut self,
        id: AccountId,
        account: &Account,
        asset: AssetId,
    ) -> Result<(), MarketError> {
        if id == BACKSTOP {
            return Err(Rejection::Forbidden { state: "the backstop pool takes what buys shares" }.into());
        }
        let is_welcome = asset == QUOTE || account.owner == self.caller || account.assets.contains(&asset.0);
        if !is_welcome && !is_system(id) {
            return Err(Rejection::Forbidden {
                state: "the account does not hold the asset and the caller does not own it",
            }
            .into());
        }
        Ok(())
    }

    /// Refuses to move anything out of an account that waits for liquidation.
    pub(crate) fn require_free(&self, account: &Account) -> Result<(), MarketError> {
        if account.status != AccountStatus::Healthy {
            return Err(Rejection::Forbidden { state: "waiting for liquidation" }.into());
        }
        Ok(())
    }
}

/// An amount that is taken into account.
pub(crate) fn checked_amount(amount: u128) -> Result<Amount, Rejection> {
    match i128::try_from(amount) {
        Ok(units) if (1..=MAX_AMOUNT).contains(&units) => Ok(units),
        _ => Err(Rejection::OutOfRange {
            what: "amount",
            value: U256::from(amount),
            least: U256::ONE,
            most: U256::from(MAX_AMOUNT.unsigned_abs()),
        }),
    }
}
