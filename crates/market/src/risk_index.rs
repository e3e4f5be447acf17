//! The health index: finds every account that fell below maintenance without looking at the others.
//!
//! # Idea
//! An account's *slack* is its equity less its maintenance margin. It depends on the account's own balances and positions, whose every
//! change ends in [`Market::risk_changed`], and on *risk factors* that are the same for all: marks, funding, prices of collateral with
//! their interest. For each factor and direction that hurts it, an account has an *exposure* `eᵢ`, a bound on the slack that is lost for
//! each unit that the factor moves that way ([`profile`]). It sets one *trigger* for each exposure ([`triggers`]), at distances `dᵢ` from
//! the factors' values such that
//!
//! ```text
//! Σ eᵢ·dᵢ + r ≤ slack          r: what rounding may cost
//! ```
//!
//! When prices change, the sweep looks at the accounts of those triggers alone that the factors have met.
//!
//! # Why it finds everyone
//! Let the triggers have been set at values `x`, and let no trigger be met at the values `y`. Then factor `i` has moved by less than `dᵢ` in
//! the direction that hurts, and the other direction costs nothing, so the slack is at least `slack(x) − Σ eᵢ·dᵢ − r ≥ 0`. Hence an account
//! below maintenance has a trigger that is met. This needs that the set of exposures is complete and each bound is right wherever the factors
//! may go, that is, for [`profile`], that slack is Lipschitz in them from the side that hurts; not that it is linear or smooth.
//! Interest and funding are factors like prices, so that time alone moves no trigger.
//!
//! # Which distances
//! All factors get the same distance relative to their scale: `dᵢ = ρ·sᵢ` with `ρ = ⅞·(slack − r) / Σ eⱼ·sⱼ`, where `s` is the price for
//! what moves like a price, and a small part of it for what moves slowly (funding, interest). The eighth that is not spent is hysteresis:
//! when an account trades, its triggers stay where they are while `Σ eᵢ·dᵢ + r ≤ slack` holds with the new exposures and the distances
//! from the present values to the triggers as they stand. If slack has grown, triggers are met early, once, and are set anew then.
//!
//! # What a sweep looks at
//! A factor that moved gets a new version, and its axis is walked from the far end to the level of its value. Beyond that level every
//! trigger is met and is taken off; in that level itself are those that may be met, and those that were set since the move, which have
//! the new version and are safe. So a walk ends, each account is looked at once for a move, and the number of accounts that are looked at is
//! at most the number of triggers met. What a budget leaves for later stays on the axis in order of distance, worst first, with the factor
//! marked as behind: the axis is the continuation of the queue.
//!
//! # Completeness
//! After a sweep that was not cut short, for each factor: its value is the one that was swept, it is not behind, and no trigger lies beyond its
//! level. The check at the block's end compares exactly this, in two look-ups for each factor, so it costs nothing in the number of
//! accounts.

mod level;
mod profile;
mod sweep;
mod triggers;

pub use triggers::{FactorCount, FactorState, RiskLevel, RiskTrigger, Watch, WatchedFactor};

pub(crate) use profile::Profile;
pub(crate) use triggers::{Factor, Move, axis};

use crate::error::MarketError;
use crate::gas;
use crate::layout::{Account, AccountStatus, INSURANCE, TREASURY};
use crate::market::Market;
use crate::types::{AccountId, Amount, MICRO, PPM};
use alloy_primitives::U256;
use level::values_of;
use profile::Exposure;
use triggers::NewTrigger;

/// The value of so many scaled base units of an asset, as a power of two, is a factor, so that it has digits enough.
pub(crate) const ASSET_UNIT_BITS: u32 = 64;

/// What a factor's own rounding may hide, in its units.
const VALUE_ROUNDING: Amount = 2;

/// Part of the slack that triggers use up, in eighths.
const USED_EIGHTHS: Amount = 7;

/// Fraction bits of the relative distance of triggers.
const RATIO_BITS: u32 = 40;

/// The largest relative distance: beyond it, a trigger is set early rather than never.
const MOST_RATIO: u128 = 4 << RATIO_BITS;

impl Market<'_, '_> {
    /// To be called after each change of an account's balances, positions or margin mode: keeps its triggers safe.
    pub(crate) fn risk_changed(&mut self, account: AccountId) -> Result<(), MarketError> {
        // Insurance fund and treasury have no margin.
        if matches!(account, INSURANCE | TREASURY)
            || self.records.get::<Account>(account)?.status != AccountStatus::Healthy
        {
            return Ok(());
        }
        let profile = self.risk_profile(account)?;
        self.watch(account, &profile, true)?;
        Ok(())
    }

    /// Looks at an account whose trigger may have been met; whether it was queued for liquidation.
    pub(crate) fn risk_visit(&mut self, account: AccountId) -> Result<bool, MarketError> {
        self.meter.charge(gas::RISK_VISIT)?;
        if self.records.get::<Account>(account)?.status != AccountStatus::Healthy {
            self.triggers_remove(account)?;
            return Ok(false);
        }
        let profile = self.risk_profile(account)?;
        self.watch(account, &profile, false)
    }

    /// Sets an account's triggers for its present profile, or queues it if it is below maintenance, which is the answer. Where `may_keep`, triggers
    /// that are safe stay.
    pub(crate) fn watch(&mut self, account: AccountId, profile: &Profile, may_keep: bool) -> Result<bool, MarketError> {
        if profile.exposures.is_empty() && profile.slack >= 0 {
            self.triggers_remove(account)?;
            return Ok(false);
        }
        if profile.slack < 0 {
            self.triggers_remove(account)?;
            self.enqueue(account, &profile.health)?;
            return Ok(true);
        }
        if may_keep && self.triggers_hold(account, profile)? {
            return Ok(false);
        }
        self.triggers_remove(account)?;
        self.meter.charge(gas::RISK_TRIGGER * profile.exposures.len() as u64)?;
        let ratio = distance_ratio(profile);
        for (place, exposure) in profile.exposures.iter().enumerate() {
            let place = u8::try_from(place).expect("an account has less than 256 exposures");
            let distance = scaled(exposure.scale, ratio);
            let at = match exposure.moves {
                Move::Down => exposure.value.saturating_sub(distance),
                Move::Up => exposure.value.saturating_add(distance),
            };
            let new = NewTrigger { factor: exposure.factor, moves: exposure.moves, value: exposure.value, at };
            self.trigger_set(account, place, &new)?;
        }
        let triggers = profile.exposures.len() as u8;
        self.records.set(account, Watch { triggers })?;
        Ok(false)
    }

    /// Whether the triggers that an account has are safe for this profile.
    fn triggers_hold(&mut self, account: AccountId, profile: &Profile) -> Result<bool, MarketError> {
        let count = self.records.get::<Watch>(account)?.triggers;
        if usize::from(count) < profile.exposures.len() {
            return Ok(false);
        }
        let mut cost = rounding(profile);
        for exposure in &profile.exposures {
            let wanted = axis(exposure.factor.number(), exposure.moves);
            let mut found = None;
            for place in 0..count {
                let trigger = self.records.get::<RiskTrigger>((account, place))?;
                if trigger.axis == wanted {
                    found = Some(trigger.level);
                    break;
                }
            }
            let Some(level) = found else { return Ok(false) };
            let distance = match exposure.moves {
                Move::Down => exposure.value.saturating_sub(values_of(level).0),
                Move::Up => values_of(level).1.saturating_sub(exposure.value),
            };
            if distance < 0 {
                return Ok(false);
            }
            cost = cost.saturating_add(loss(exposure, distance));
        }
        Ok(cost <= profile.slack.saturating_mul(Amount::from(MICRO)) && cost < Amount::MAX)
    }
}

/// The slack that an exposure may cost if its factor moves so far, in millionths of a quote base unit, rounded up.
fn loss(exposure: &Exposure, distance: Amount) -> Amount {
    let distance = distance.unsigned_abs();
    let units = match exposure.rate_ppm.checked_mul(distance) {
        Some(product) => product >> exposure.unit_bits,
        None => {
            let product = U256::from(exposure.rate_ppm) * U256::from(distance);
            u128::try_from(product >> exposure.unit_bits as usize).unwrap_or(u128::MAX)
        }
    };
    Amount::try_from(units / u128::from(PPM) + 2).unwrap_or(Amount::MAX)
}

/// What rounding may cost, in millionths of a quote base unit.
fn rounding(profile: &Profile) -> Amount {
    profile.exposures.iter().fold(0, |sum: Amount, exposure| {
        sum.saturating_add(loss(exposure, VALUE_ROUNDING)).saturating_add(exposure.rounding)
    })
}

/// The relative distance of all triggers of a profile, with [`RATIO_BITS`] fraction bits, rounded down.
fn distance_ratio(profile: &Profile) -> u128 {
    let slack = profile.slack.saturating_mul(Amount::from(MICRO)).saturating_sub(rounding(profile));
    let Ok(used) = u128::try_from(slack / 8 * USED_EIGHTHS) else { return 0 };
    let weight = profile
        .exposures
        .iter()
        .fold(0u128, |sum, exposure| sum.saturating_add(loss(exposure, exposure.scale).unsigned_abs()));
    let ratio = match used.checked_mul(1 << RATIO_BITS) {
        Some(used) => used / weight.max(1),
        None => used / ((weight >> RATIO_BITS) + 1),
    };
    ratio.min(MOST_RATIO)
}

/// `scale × ratio`, rounded down.
fn scaled(scale: Amount, ratio: u128) -> Amount {
    let scale = scale.unsigned_abs();
    let (high, low) = (scale >> RATIO_BITS, scale & ((1 << RATIO_BITS) - 1));
    let distance = high.saturating_mul(ratio).saturating_add((low * ratio) >> RATIO_BITS);
    Amount::try_from(distance).unwrap_or(Amount::MAX)
}
