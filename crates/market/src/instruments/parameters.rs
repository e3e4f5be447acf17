//! The parameters of an instrument: one table with name, default, least and most of each.
//!
//! | group | parameters |
//! | --- | --- |
//! | orders | `minLots`, `maxLots`, `makerFeePpm`, `takerFeePpm`, `bandPpm`, `maxOrders` |
//! | margin | `initialPpm`, `maintenancePpm`, `tierLots`, `tierStepPpm`, `maxOpenLots`, `liquidationFeePpm` |
//! | funding | `fundingSeconds`, `fundingClampPpm`, `fundingInterestPpm`, `fundingBandPpm`, `impactLots` |
//! | prices | `premiumClampPpm`, `premiumSeconds`, `breakerPpm`, `breakerSeconds`, `haltSeconds` |
//!
//! Beyond its own bounds, a set of parameters has to be consistent: see [`Terms::check`].

use super::in_range;
use crate::error::Rejection;
use crate::layout::Instrument;
use crate::marks::PriceRules;
use crate::types::{MAX_LOTS, PPM};
use alloy_primitives::{I256, U256};

/// What an instrument's parameters are kept in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Terms {
    /// Terms and most parameters.
    pub instrument: Instrument,
    /// Those of prices.
    pub rules: PriceRules,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Name in settings and events.
    pub name: &'static str,
    /// Value of an instrument that is listed without it.
    pub default: i64,
    /// Least value.
    pub least: i64,
    /// Most.
    pub most: i64,
    /// Its present value.
    pub get: fn(&Terms) -> i64,
    set: fn(&mut Terms, i64),
}

macro_rules! parameters {
    ($($name:literal $part:ident.$field:ident: $kind:ty = $default:expr, $least:expr, $most:expr;)*) => {
        /// All parameters.
        pub const PARAMETERS: &[Parameter] = &[$(Parameter {
            name: $name,
            default: $default,
            least: $least,
            most: $most,
            get: |terms| terms.$part.$field as i64,
            // The bounds are within the type.
            set: |terms, value| terms.$part.$field = value as $kind,
        }),*];

        $(const _: () = {
            assert!($least <= $default && $default <= $most, "the default is within the bounds");
            assert!($least as $kind as i64 == $least && $most as $kind as i64 == $most, "the bounds are within the type");
        };)*
    };
}

const LOTS: i64 = MAX_LOTS as i64;
const ONE: i64 = PPM as i64;
const DAY: i64 = 86_400;

parameters! {
    "minLots" instrument.min_lots: u64 = 1, 1, LOTS;
    "maxLots" instrument.max_lots: u64 = LOTS, 1, LOTS;
    "makerFeePpm" instrument.maker_fee_ppm: i32 = 0, -10_000, 10_000;
    "takerFeePpm" instrument.taker_fee_ppm: u32 = 450, 0, 50_000;
    "bandPpm" instrument.band_ppm: u32 = 100_000, 1_000, ONE;
    "maxOrders" instrument.max_orders: u32 = 200, 1, 10_000;
    "initialPpm" instrument.initial_ppm: u32 = 50_000, 2_000, ONE;
    "maintenancePpm" instrument.maintenance_ppm: u32 = 30_000, 1_000, ONE;
    "tierLots" instrument.tier_lots: u64 = 0, 0, LOTS;
    "tierStepPpm" instrument.tier_step_ppm: u32 = 0, 0, ONE;
    "maxOpenLots" instrument.max_open_lots: u64 = LOTS, 1, LOTS;
    "liquidationFeePpm" instrument.liquidation_fee_ppm: u32 = 5_000, 0, 100_000;
    "fundingSeconds" instrument.funding_seconds: u32 = 3_600, 3_600, DAY;
    "fundingClampPpm" instrument.funding_clamp_ppm: u32 = 40_000, 0, 100_000;
    "fundingInterestPpm" instrument.funding_interest_ppm: i32 = 100, -10_000, 10_000;
    "fundingBandPpm" rules.funding_band_ppm: u32 = 500, 0, 20_000;
    "impactLots" instrument.impact_lots: u32 = 1_000, 1, u32::MAX as i64;
    "premiumClampPpm" rules.premium_clamp_ppm: u32 = 50_000, 0, 200_000;
    "premiumSeconds" rules.premium_seconds: u32 = 150, 1, 3_600;
    "breakerPpm" rules.breaker_ppm: u32 = 150_000, 0, 900_000;
    "breakerSeconds" rules.breaker_seconds: u32 = 300, 1, DAY;
    "haltSeconds" rules.halt_seconds: u32 = 60, 1, DAY;
}

/// A signed value as the two's complement word that errors show it as.
fn word(value: i64) -> U256 {
    I256::try_from(value).unwrap_or_default().into_raw()
}

impl Terms {
    /// With the default of each parameter.
    pub(super) fn with_defaults(mut self) -> Self {
        for row in PARAMETERS {
            (row.set)(&mut self, row.default);
        }
        self
    }

    /// Sets one parameter, within its bounds.
    pub(super) fn set(&mut self, name: &str, value: I256) -> Result<(), Rejection> {
        let Some(row) = PARAMETERS.iter().find(|row| row.name == name) else {
            return Err(Rejection::Unknown { what: "parameter", id: U256::ZERO });
        };
        let in_bounds = i64::try_from(value).ok().filter(|value| (row.least..=row.most).contains(value));
        let Some(in_bounds) = in_bounds else {
            let (least, most) = (word(row.least), word(row.most));
            return Err(Rejection::OutOfRange { what: row.name, value: value.into_raw(), least, most });
        };
        (row.set)(self, in_bounds);
        Ok(())
    }

    /// Whether the parameters fit together.
    pub(super) fn check(&self) -> Result<(), Rejection> {
        let Self { instrument, .. } = self;
        in_range("minLots", instrument.min_lots.into(), 1, instrument.max_lots.into())?;
        in_range("maxLots", instrument.max_lots.into(), 1, instrument.max_open_lots.into())?;
        let below_initial = u128::from(instrument.initial_ppm.saturating_sub(1));
        in_range("maintenancePpm", instrument.maintenance_ppm.into(), 1, below_initial)?;
        let below_maintenance = u128::from(instrument.maintenance_ppm.saturating_sub(1));
        in_range("liquidationFeePpm", instrument.liquidation_fee_ppm.into(), 0, below_maintenance)?;
        let rebate = i64::from(instrument.maker_fee_ppm).min(0).unsigned_abs();
        in_range("takerFeePpm", instrument.taker_fee_ppm.into(), rebate.into(), u32::MAX.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_parameter_holds_its_bounds_and_touches_no_other() {
        let defaults = Terms::default().with_defaults();
        defaults.check().expect("the defaults fit together");
        for row in PARAMETERS {
            for (value, expected) in [
                (i128::from(row.least), true),
                (i128::from(row.most), true),
                (i128::from(row.least) - 1, false),
                (i128::from(row.most) + 1, false),
                (i128::MAX, false),
                (i128::MIN, false),
            ] {
                let mut terms = defaults;
                let set = terms.set(row.name, I256::try_from(value).expect("small"));
                assert_eq!(set.is_ok(), expected, "{} = {value}: {set:?}", row.name);
                for other in PARAMETERS {
                    let before = i128::from((other.get)(&defaults));
                    let expected = if expected && other.name == row.name { value } else { before };
                    assert_eq!(i128::from((other.get)(&terms)), expected, "{} after {}", other.name, row.name);
                }
            }
        }
    }

    #[test]
    fn parameters_that_do_not_fit_together() {
        type Row = (&'static str, &'static [(&'static str, i64)], bool);
        let rows: [Row; 6] = [
            ("maintenance as large as initial", &[("initialPpm", 30_000)], false),
            ("least above most", &[("minLots", 11), ("maxLots", 10)], false),
            ("an order above all that may be open", &[("maxLots", 11), ("maxOpenLots", 10)], false),
            ("a rebate above the taker's fee", &[("makerFeePpm", -451)], false),
            ("a rebate as large as the taker's fee", &[("makerFeePpm", -450)], true),
            ("a liquidation fee that eats the margin", &[("liquidationFeePpm", 30_000)], false),
        ];
        for (name, settings, expected) in rows {
            let mut terms = Terms::default().with_defaults();
            for (parameter, value) in settings {
                terms.set(parameter, I256::try_from(*value).expect("small")).expect("within its bounds");
            }
            assert_eq!(terms.check().is_ok(), expected, "{name}");
        }
        assert!(Terms::default().set("noSuch", I256::ZERO).is_err());
    }
}
