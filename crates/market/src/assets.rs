//! Assets: what accounts hold and owe, what it is worth, and what it costs to borrow.
//!
//! An asset is an ERC-20 token. Its fixed parameters are in [`Asset`], what moves with every deposit or second in [`AssetState`]. The
//! quote asset's price is one by definition; the others' come from a feed of the oracle and are kept as quote base units per base unit,
//! times 2^96, so that valuing an amount is one multiplication and a shift.
//!
//! # Haircuts and debt weights
//! Equity is what an account is worth, with no haircut. What an asset's price may do to it is part of the margin required: a share of
//! the value of what is held (the haircut) and of the value of what is owed (the debt weight). There is one pair for the initial
//! requirement and a smaller one for maintenance. `equity ≥ requirement` is then the same as "collateral after haircuts, less weighted
//! debts, less positions' margin is not negative", and equity alone says whether an account is bankrupt.

use crate::error::{MarketError, Rejection};
use crate::interest::INDEX_ONE;
use crate::layout::QUOTE;
use crate::market::Market;
use crate::quotient::{mul_shift_down, mul_shift_up, to_signed};
use crate::records::record;
use crate::types::{Amount, AssetId, FeedId, PPM, Ppm};
use alloy_primitives::{Address, U256};

/// Assets that may be listed.
pub const MAX_LISTED_ASSETS: u16 = 64;

/// The largest value that an asset is given, in quote base units: sums of all that an account has stay within an `i128`.
pub const MAX_VALUE: Amount = 1 << 118;

/// Most that a part of the yearly borrow rate may be, in millionths.
pub const MAX_RATE_PPM: Ppm = 10 * PPM;

/// One quote base unit per base unit, as a price.
pub const PRICE_ONE: u128 = 1 << 96;

record! {
    /// An asset's parameters.
    pub struct Asset(tag 56, key AssetId, "asset") {
        {
            /// The ERC-20 token. Zero: not listed.
            pub token: Address,
            /// Decimals of the token: a whole one is 10^decimals base units.
            pub decimals: u8,
            /// Feed of its price. Zero for the quote asset.
            pub feed: FeedId,
        }
        {
            /// Share of what is held that does not count for maintenance, in millionths.
            pub haircut_ppm: Ppm,
            /// The same for initial margin; at least as much.
            pub initial_haircut_ppm: Ppm,
            /// What a debt counts beyond its value for maintenance, in millionths.
            pub debt_weight_ppm: Ppm,
            /// The same for initial margin; at least as much.
            pub initial_debt_weight_ppm: Ppm,
        }
        {
            /// Yearly borrow rate where nothing is borrowed, in millionths.
            pub base_rate_ppm: Ppm,
            /// What the rate grows by up to the kink.
            pub slope_ppm: Ppm,
            /// What it grows by from the kink to full utilisation.
            pub steep_slope_ppm: Ppm,
            /// Utilisation at the kink, in millionths.
            pub kink_ppm: Ppm,
            /// Share of the interest that goes to the insurance fund, in millionths.
            pub reserve_ppm: Ppm,
        }
        {
            /// Most base units that accounts may hold together; deposits beyond are refused.
            pub supply_cap: u128,
            /// Most base units that accounts may owe together; zero: it can't be borrowed.
            pub borrow_cap: u128,
        }
    }
}

record! {
    /// What changes of an asset with time and use.
    pub struct AssetState(tag 57, key AssetId, "asset") {
        {
            /// What a unit supplied since listing has grown to, times 10^18.
            pub supply_index: u128,
            /// What a unit owed since listing has grown to, times 10^18.
            pub borrow_index: u128,
        }
        {
            /// All that is held, each balance divided by the supply index at which it was settled, rounded up.
            pub supply_scaled: u128,
            /// All that is owed, each debt divided by the borrow index at which it was settled, rounded down.
            pub borrow_scaled: u128,
        }
        {
            /// The interest pool: what debtors have been charged and creditors not yet been credited, in base units. Negative where creditors
            /// were settled before debtors.
            pub pool: i128,
            /// Tokens in custody, in base units.
            pub custody: u128,
        }
        {
            /// Quote base units per base unit, times 2^96; zero is no price.
            pub price: u128,
            /// When the price was made, in seconds.
            pub priced_seconds: u64,
            /// Up to when interest is in the indices, in seconds.
            pub accrued_seconds: u64,
        }
        {
            /// The insurance fund's part of the interest, in base units of the pool, not yet collected.
            pub reserve: u128,
            /// And the fraction of a unit, times 10^18.
            pub reserve_fraction: u64,
        }
    }
}

record! {
    /// Finds a token's asset: zero if it is not listed.
    pub struct AssetOf(tag 58, key Address, "token") {
        {
            /// The asset.
            pub asset: AssetId,
        }
    }
}

impl Asset {
    /// Checks the parameters against their bounds.
    pub fn validate(&self) -> Result<(), Rejection> {
        let rows = [
            ("decimals", u32::from(self.decimals), 0, 18),
            ("haircutPpm", self.haircut_ppm, 0, self.initial_haircut_ppm),
            ("initialHaircutPpm", self.initial_haircut_ppm, self.haircut_ppm, PPM),
            ("debtWeightPpm", self.debt_weight_ppm, 0, self.initial_debt_weight_ppm),
            ("initialDebtWeightPpm", self.initial_debt_weight_ppm, self.debt_weight_ppm, 10 * PPM),
            ("baseRatePpm", self.base_rate_ppm, 0, MAX_RATE_PPM),
            ("slopePpm", self.slope_ppm, 0, MAX_RATE_PPM),
            ("steepSlopePpm", self.steep_slope_ppm, 0, MAX_RATE_PPM),
            ("kinkPpm", self.kink_ppm, 1, PPM),
            ("reservePpm", self.reserve_ppm, 0, PPM),
        ];
        for (what, value, least, most) in rows {
            if value < least || value > most {
                let [value, least, most] = [value, least, most].map(U256::from);
                return Err(Rejection::OutOfRange { what, value, least, most });
            }
        }
        Ok(())
    }
}

impl AssetState {
    /// Quote base units that so many base units are worth, rounded against whoever has them: what is held down, what is owed up.
    pub fn value(&self, amount: Amount) -> Amount {
        if amount >= 0 {
            to_signed(mul_shift_down(amount.unsigned_abs(), self.price)).min(MAX_VALUE)
        } else {
            -to_signed(mul_shift_up(amount.unsigned_abs(), self.price)).min(MAX_VALUE)
        }
    }
}

/// A price per whole token with so many decimals, in whole quote tokens, as quote base units per base unit times 2^96. `None` if it is
/// too large.
pub(crate) fn price_of_feed(price: u128, feed_decimals: u8, asset_decimals: u8, quote_decimals: u8) -> Option<u128> {
    let power = |exponent: u32| U256::from(10).checked_pow(U256::from(exponent));
    let divisor_exponent = u32::from(feed_decimals) + u32::from(asset_decimals);
    let shifted = U256::from(price) << 96_usize;
    let value = match u32::from(quote_decimals).checked_sub(divisor_exponent) {
        Some(exponent) => shifted.checked_mul(power(exponent)?)?,
        None => shifted / power(divisor_exponent - u32::from(quote_decimals))?,
    };
    u128::try_from(value).ok()
}

impl Market<'_, '_> {
    /// Lists an asset; the first one is the quote asset. The caller notes the event.
    pub fn add_asset(&mut self, asset: Asset) -> Result<AssetId, MarketError> {
        asset.validate()?;
        if asset.token.is_zero() {
            return Err(Rejection::Unknown { what: "token", id: U256::ZERO }.into());
        }
        if self.records.get::<AssetOf>(asset.token)?.asset != AssetId::default() {
            return Err(Rejection::Forbidden { state: "the token is listed already" }.into());
        }
        let id = self.records.update((), |globals: &mut crate::layout::Globals| {
            let id = globals.next_asset.max(QUOTE.0);
            globals.next_asset = id.saturating_add(1);
            AssetId(id)
        })?;
        if id.0 > MAX_LISTED_ASSETS {
            return Err(Rejection::LimitReached { what: "listed assets", limit: u64::from(MAX_LISTED_ASSETS) }.into());
        }
        let state = AssetState {
            supply_index: INDEX_ONE,
            borrow_index: INDEX_ONE,
            price: if id == QUOTE { PRICE_ONE } else { 0 },
            accrued_seconds: self.block.timestamp_seconds,
            ..AssetState::default()
        };
        self.records.set(id, asset)?;
        self.records.set(id, state)?;
        self.records.set(asset.token, AssetOf { asset: id })?;
        Ok(id)
    }

    /// Changes an asset's parameters, all but its token and decimals. Interest up to now is at the old ones. The caller notes the event.
    pub fn set_asset(&mut self, id: AssetId, change: impl FnOnce(&mut Asset)) -> Result<(), MarketError> {
        let old = self.asset(id)?;
        self.accrue(id)?;
        let mut new = old;
        change(&mut new);
        (new.token, new.decimals) = (old.token, old.decimals);
        new.validate()?;
        self.records.set(id, new)?;
        Ok(())
    }

    /// The parameters of a listed asset.
    pub fn asset(&mut self, id: AssetId) -> Result<Asset, MarketError> {
        let asset = self.records.get::<Asset>(id)?;
        if asset.token.is_zero() {
            return Err(Rejection::Unknown { what: "asset", id: U256::from(id.0) }.into());
        }
        Ok(asset)
    }

    /// The asset of a token.
    pub fn asset_of_token(&mut self, token: Address) -> Result<AssetId, MarketError> {
        match self.records.get::<AssetOf>(token)?.asset {
            AssetId(0) => Err(Rejection::Unknown { what: "asset", id: U256::from_be_slice(token.as_slice()) }.into()),
            asset => Ok(asset),
        }
    }

    /// Sets an asset's price from its feed: whole quote tokens for one whole token, times `10^feed_decimals`. The quote asset's stays one.
    pub fn set_asset_price(
        &mut self,
        id: AssetId,
        price: u128,
        feed_decimals: u8,
        priced_seconds: u64,
    ) -> Result<(), MarketError> {
        if id == QUOTE {
            return Ok(());
        }
        let (asset, quote) = (self.asset(id)?, self.asset(QUOTE)?);
        let price = price_of_feed(price, feed_decimals, asset.decimals, quote.decimals).ok_or(Rejection::Overflow)?;
        self.records.update(id, |state: &mut AssetState| {
            state.price = price;
            state.priced_seconds = priced_seconds;
        })?;
        Ok(())
    }
}
