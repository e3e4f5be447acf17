//! Numbers of the market in parameters and answers.

use crate::json::{FromJson, Loose, ParamError};
use alloy_primitives::U256;
use rialto_market::types::{AccountId, AssetId, InstrumentId};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt::{Debug, Display};

/// A number as a decimal string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal<T>(pub T);

impl<T: Display> Serialize for Decimal<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A number of at most so many bits, however it is written.
fn number<T: TryFrom<U256>>(value: &Value, expected: &str) -> Result<T, ParamError> {
    let Loose(number) = Loose::from_json(value).map_err(|_| ParamError::new(expected, value))?;
    T::try_from(number).map_err(|_| ParamError::new(expected, value))
}

/// A count, a time in seconds, or another number below 2^64, however it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Whole(pub u64);

impl FromJson for Whole {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        number(value, "a number of at most 64 bits").map(Self)
    }
}

impl FromJson for InstrumentId {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        number(value, "an instrument's number, at most 65535").map(Self)
    }
}

impl FromJson for AssetId {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        number(value, "an asset's number, at most 65535").map(Self)
    }
}

impl FromJson for AccountId {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        number(value, "an account's number, at most 4294967295").map(Self)
    }
}

/// The number that a field is at most, if it is there.
pub(super) fn limit_of(found: Option<Whole>, default: usize, most: usize) -> usize {
    found.map_or(default.min(most), |Whole(limit)| usize::try_from(limit).unwrap_or(usize::MAX).min(most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_are_taken_however_they_are_written() {
        let rows = [
            (json!(1), Some(1)),
            (json!("1"), Some(1)),
            (json!("0x1"), Some(1)),
            (json!("65535"), Some(65_535)),
            (json!("65536"), None),
            (json!("-1"), None),
            (json!("*"), None),
            (json!(1.5), None),
            (json!(null), None),
        ];
        for (value, expected) in rows {
            assert_eq!(InstrumentId::from_json(&value).ok(), expected.map(InstrumentId), "{value}");
        }
    }

    #[test]
    fn numbers_are_decimal_strings() {
        let rows = [
            (serde_json::to_value(Decimal(0u64)), "0"),
            (serde_json::to_value(Decimal(u64::MAX)), "18446744073709551615"),
            (serde_json::to_value(Decimal(i128::MIN)), "-170141183460469231731687303715884105728"),
        ];
        for (value, expected) in rows {
            assert_eq!(value.expect("a string"), json!(expected));
        }
    }

    #[test]
    fn limits_are_kept() {
        let rows = [(None, 20), (Some(Whole(0)), 0), (Some(Whole(50)), 50), (Some(Whole(u64::MAX)), 100)];
        for (found, expected) in rows {
            assert_eq!(limit_of(found, 20, 100), expected, "{found:?}");
        }
    }
}
