//! Interest: what is owed grows and what is held grows with it, second by second, by two indices of each asset.
//!
//! # Rate
//! The yearly rate of borrowing follows utilisation `U` (what is owed of what is held) in two straight lines, as Aave's and Compound's do:
//! `base + slope × U / kink` up to the kink, and beyond it `base + slope + steep slope × (U − kink) / (1 − kink)`.
//!
//! # Accrual
//! After `t` years at rate `r` the borrow index is multiplied by `1 + x + x²/2 + x³/6`, `x = r·t`: continuous compounding by the first
//! terms of its series, so that it does not matter much how often interest accrues (Morpho Blue does the same). The growth
//! is rounded up. All that it charges, less the reserve's share, is what the supply index may grow by, rounded down; whatever rounding keeps
//! from the suppliers goes to the reserve.
//!
//! # Why the pool never promises more than it is owed
//! A balance is settled when it is touched: a debt `a` of index `i` becomes `⌈a·I/i⌉`, a holding `b` of index `j` becomes `⌊b·J/j⌋`; the pool is
//! paid the former and pays the latter. [`AssetState::borrow_scaled`] is the sum of `⌊a/i⌋`, [`AssetState::supply_scaled`] that of `⌈b/j⌉`
//! (in units of 10^-18 of an index, see [`scaled`]). In an accrual the debts' claims grow by `a/i·ΔI`, in sum at least
//! `borrow_scaled·ΔI`; the holdings' grow by `b/j·ΔJ`, in sum at most `supply_scaled·ΔJ`. The code takes `ΔJ` and the reserve's growth so that
//! `supply_scaled·ΔJ + Δreserve ≤ borrow_scaled·ΔI`. Settling rounds each debt up and each holding down. Hence
//! `pool + unsettled charges − unsettled credits − reserve ≥ 0` for ever; and since every settled unit moves between a balance and the
//! pool, `Σ balances + pool` changes by deposits, withdrawals and transfers alone.

use crate::abi::IMarket;
use crate::assets::{Asset, AssetState, MAX_LISTED_ASSETS};
use crate::error::MarketError;
use crate::layout::{Globals, INSURANCE, QUOTE};
use crate::market::Market;
use crate::quotient::{mul_div_down, mul_div_up, to_signed};
use crate::types::{AssetId, PPM};
use alloy_primitives::U256;

/// One, as an index.
pub const INDEX_ONE: u128 = 1_000_000_000_000_000_000;

/// Where indices stop growing: far beyond any rate and time, and such that nothing that is computed from them is too large.
pub const MAX_INDEX: u128 = 1 << 100;

/// Seconds of a year of 365 days.
const YEAR_SECONDS: u128 = 31_536_000;

/// The largest exponent of one accrual, times 10^18; interest beyond is waived.
const MAX_EXPONENT: u128 = 4 * INDEX_ONE;

/// What a debt or a holding, as it was when it was settled at `index`, is in units at listing. Debts are rounded down, holdings up.
pub(crate) fn scaled(amount: i128, index: u128) -> u128 {
    let units = amount.unsigned_abs();
    if index == INDEX_ONE || units == 0 {
        units
    } else if amount < 0 {
        mul_div_down(units, INDEX_ONE, index)
    } else {
        mul_div_up(units, INDEX_ONE, index)
    }
}

/// A balance that was settled at the index `from`, settled at `to`: a debt rounded up, a holding down.
pub(crate) fn settled(amount: i128, from: u128, to: u128) -> i128 {
    if from == to || from == 0 {
        amount
    } else if amount < 0 {
        -to_signed(mul_div_up(amount.unsigned_abs(), to, from))
    } else {
        to_signed(mul_div_down(amount.unsigned_abs(), to, from))
    }
}

impl AssetState {
    /// Base units held, all accounts together, at most.
    pub fn supplied(&self) -> u128 {
        mul_div_up(self.supply_scaled, self.supply_index, INDEX_ONE)
    }

    /// Base units owed, all accounts together.
    pub fn borrowed(&self) -> u128 {
        mul_div_down(self.borrow_scaled, self.borrow_index, INDEX_ONE)
    }

    /// What is owed of what is held, times 10^18, at most one.
    pub fn utilisation(&self) -> u128 {
        match (self.borrowed(), self.supplied()) {
            (0, _) => 0,
            (owed, held) if owed >= held => INDEX_ONE,
            (owed, held) => mul_div_down(owed, INDEX_ONE, held),
        }
    }

    /// The yearly rate of borrowing, times 10^18.
    pub fn borrow_rate(&self, asset: &Asset) -> u128 {
        let unit = INDEX_ONE / u128::from(PPM);
        let [base, slope, steep, kink] =
            [asset.base_rate_ppm, asset.slope_ppm, asset.steep_slope_ppm, asset.kink_ppm.min(PPM)]
                .map(|ppm| u128::from(ppm) * unit);
        let utilisation = self.utilisation();
        if utilisation <= kink {
            base.saturating_add(mul_div_up(slope, utilisation, kink.max(1)))
        } else {
            base.saturating_add(slope).saturating_add(mul_div_up(steep, utilisation - kink, INDEX_ONE - kink))
        }
    }

    /// The yearly rate that suppliers earn, times 10^18.
    pub fn supply_rate(&self, asset: &Asset) -> u128 {
        let charged = mul_div_down(self.borrow_rate(asset), self.utilisation(), INDEX_ONE);
        mul_div_down(charged, u128::from(PPM.saturating_sub(asset.reserve_ppm)), u128::from(PPM))
    }

    /// Brings the indices up to `now_seconds`.
    pub(crate) fn accrue(&mut self, asset: &Asset, now_seconds: u64) {
        let seconds = now_seconds.saturating_sub(self.accrued_seconds);
        if seconds == 0 {
            return;
        }
        self.accrued_seconds = now_seconds;
        if self.borrow_scaled == 0 {
            return;
        }
        let exponent = mul_div_up(self.borrow_rate(asset), u128::from(seconds), YEAR_SECONDS).min(MAX_EXPONENT);
        let square = mul_div_up(exponent, exponent, INDEX_ONE);
        let growth = exponent + square.div_ceil(2) + mul_div_up(square, exponent, 6 * INDEX_ONE);
        let borrow_growth =
            mul_div_up(self.borrow_index, growth, INDEX_ONE).min(MAX_INDEX.saturating_sub(self.borrow_index));
        self.borrow_index += borrow_growth;
        self.distribute(asset, borrow_growth);
    }

    /// Shares out what debtors are charged while the borrow index grows by this much.
    fn distribute(&mut self, asset: &Asset, borrow_growth: u128) {
        // In base units times 10^18, so that nothing is lost.
        let charged = U256::from(self.borrow_scaled) * U256::from(borrow_growth);
        let reserve_share = charged * U256::from(asset.reserve_ppm.min(PPM)) / U256::from(PPM);
        let scaled = U256::from(self.supply_scaled);
        let supply_growth: u128 = match (charged - reserve_share).checked_div(scaled) {
            Some(growth) => growth.saturating_to::<u128>().min(MAX_INDEX.saturating_sub(self.supply_index)),
            None => 0,
        };
        self.supply_index += supply_growth;
        let reserve = charged - scaled * U256::from(supply_growth) + U256::from(self.reserve_fraction);
        let (units, fraction) = reserve.div_rem(U256::from(INDEX_ONE));
        self.reserve = self.reserve.saturating_add(units.saturating_to());
        self.reserve_fraction = fraction.saturating_to();
    }
}

impl Market<'_, '_> {
    /// An asset's state with interest up to now, for who only asks.
    pub fn accrued(&mut self, id: AssetId) -> Result<AssetState, MarketError> {
        let mut state = self.records.get::<AssetState>(id)?;
        if state.accrued_seconds < self.block.timestamp_seconds {
            let asset = self.asset(id)?;
            state.accrue(&asset, self.block.timestamp_seconds);
        }
        Ok(state)
    }

    /// Brings interest of an asset up to now.
    pub(crate) fn accrue(&mut self, id: AssetId) -> Result<AssetState, MarketError> {
        let old = self.records.get::<AssetState>(id)?;
        if old.accrued_seconds >= self.block.timestamp_seconds {
            return Ok(old);
        }
        let state = self.accrued(id)?;
        self.records.set(id, state)?;
        if state.borrow_index != old.borrow_index {
            self.emit(&IMarket::InterestAccrued {
                asset: id.0,
                supplyIndex: U256::from(state.supply_index),
                borrowIndex: U256::from(state.borrow_index),
            });
        }
        Ok(state)
    }

    /// Brings interest of all assets up to now; there are at most 64.
    pub fn accrue_all(&mut self) -> Result<(), MarketError> {
        let end = self.records.get::<Globals>(())?.next_asset;
        for id in QUOTE.0..end.min(MAX_LISTED_ASSETS + 1) {
            self.accrue(AssetId(id))?;
        }
        Ok(())
    }

    /// Pays the insurance fund its part of the interest, out of the pool. Anyone may ask for it.
    pub fn collect_reserve(&mut self, id: AssetId) -> Result<i128, MarketError> {
        self.asset(id)?;
        let mut state = self.accrue(id)?;
        let amount = to_signed(state.reserve);
        state.reserve -= amount.unsigned_abs();
        state.pool = state.pool.saturating_sub(amount);
        self.records.set(id, state)?;
        self.add_balance(INSURANCE, id, amount)?;
        self.emit(&IMarket::ReserveCollected { asset: id.0, amount: U256::from(amount.unsigned_abs()) });
        Ok(amount)
    }
}
