//! Parameters of requests.
//!
//! Parameters are a JSON array, read by position into the types that implement [`FromJson`]. `null` counts as left out. An error
//! names the place (`params[1].toBlock`), what was expected and what was found, shortened; its code is -32602. JSON nested more
//! than 128 deep is refused by the parser before anything is allocated for it.

use crate::{RpcError, error::INVALID_PARAMS};
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use rialto_node::BlockId;
use serde_json::{Map, Value};
use std::fmt;

/// Positional parameters.
#[derive(Debug)]
pub(crate) struct Params(Vec<Value>);

/// What is wrong with a value: where in it, what was expected, what was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ParamError {
    /// Path below the value that was read, such as `.toBlock` or `[3]`; empty for the value itself.
    pub path: String,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub found: String,
}

/// Read from JSON.
pub(crate) trait FromJson: Sized {
    /// Reads the value.
    fn from_json(value: &Value) -> Result<Self, ParamError>;
}

impl ParamError {
    /// `value` is not what was expected.
    pub(crate) fn new(expected: impl Into<String>, value: &Value) -> Self {
        Self { path: String::new(), expected: expected.into(), found: shortened(value) }
    }

    /// The same error, seen from one level further up.
    pub(crate) fn below(mut self, step: impl fmt::Display) -> Self {
        self.path = format!("{step}{}", self.path);
        self
    }

    /// As the answer to the request; `name` is the parameter's.
    pub(crate) fn into_rpc(self, name: impl fmt::Display) -> RpcError {
        RpcError::new(INVALID_PARAMS, format!("{name}{}: expected {}, found {}", self.path, self.expected, self.found))
    }
}

/// At most 80 characters of a value.
fn shortened(value: &Value) -> String {
    let text = match value {
        Value::Array(items) => return format!("an array of {} items", items.len()),
        Value::Object(fields) => return format!("an object of {} fields", fields.len()),
        Value::String(text) => format!("{:?}", text.chars().take(80).collect::<String>()),
        other => other.to_string(),
    };
    text.chars().take(84).collect()
}

impl Params {
    /// Parses a request's `params`.
    pub(crate) fn parse(raw: Option<&str>) -> Result<Self, RpcError> {
        let Some(raw) = raw else { return Ok(Self(Vec::new())) };
        match serde_json::from_str(raw) {
            Ok(Value::Array(values)) => Ok(Self(values)),
            Ok(Value::Null) => Ok(Self(Vec::new())),
            Ok(other) => Err(ParamError::new("an array", &other).into_rpc("params")),
            Err(error) => Err(RpcError::new(INVALID_PARAMS, format!("params: expected an array, found {error}"))),
        }
    }

    /// Parameters from values.
    pub(crate) fn from_values(values: Vec<Value>) -> Self {
        Self(values)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value at a position, `None` if it is left out or `null`.
    pub(crate) fn get(&self, index: usize) -> Option<&Value> {
        self.0.get(index).filter(|value| !value.is_null())
    }

    /// A parameter that has to be there.
    pub(crate) fn required<T: FromJson>(&self, index: usize, name: &str) -> Result<T, RpcError> {
        let Some(value) = self.get(index) else {
            return Err(RpcError::new(INVALID_PARAMS, format!("missing value for required argument {index} ({name})")));
        };
        T::from_json(value).map_err(|error| error.into_rpc(name))
    }

    /// A parameter that may be left out.
    pub(crate) fn optional<T: FromJson>(&self, index: usize, name: &str) -> Result<Option<T>, RpcError> {
        self.get(index).map(T::from_json).transpose().map_err(|error| error.into_rpc(name))
    }
}

/// An object's fields.
pub(crate) struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The fields of `value`, which has to be an object.
    pub(crate) fn of(value: &'a Value) -> Result<Self, ParamError> {
        value.as_object().map(Self).ok_or_else(|| ParamError::new("an object", value))
    }

    /// The value of a field, `None` if it is left out or `null`.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A field that may be left out.
    pub(crate) fn optional<T: FromJson>(&self, name: &str) -> Result<Option<T>, ParamError> {
        self.get(name).map(T::from_json).transpose().map_err(|error| error.below(format_args!(".{name}")))
    }

    /// A field that has to be there.
    pub(crate) fn required<T: FromJson>(&self, name: &str) -> Result<T, ParamError> {
        self.optional(name)?.ok_or_else(|| ParamError {
            path: format!(".{name}"),
            expected: "a value".into(),
            found: "none".into(),
        })
    }

    /// Names and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&'a String, &'a Value)> + use<'a> {
        self.0.iter()
    }
}

/// The digits of a quantity: 0x-prefixed, no leading zeros, at least one digit.
fn quantity_digits<'a>(value: &'a Value, expected: &str) -> Result<&'a str, ParamError> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")));
    match digits {
        Some(digits) if digits == "0" || !(digits.is_empty() || digits.starts_with('0') || digits.starts_with('+')) => {
            Ok(digits)
        }
        _ => Err(ParamError::new(expected, value)),
    }
}

impl FromJson for u64 {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        const EXPECTED: &str = "a hex quantity of at most 64 bits";
        u64::from_str_radix(quantity_digits(value, EXPECTED)?, 16).map_err(|_| ParamError::new(EXPECTED, value))
    }
}

impl FromJson for U256 {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        const EXPECTED: &str = "a hex quantity of at most 256 bits";
        let digits = quantity_digits(value, EXPECTED)?;
        if digits.len() > 64 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ParamError::new(EXPECTED, value));
        }
        U256::from_str_radix(digits, 16).map_err(|_| ParamError::new(EXPECTED, value))
    }
}

impl FromJson for bool {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        value.as_bool().ok_or_else(|| ParamError::new("true or false", value))
    }
}

impl FromJson for String {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        value.as_str().map(str::to_owned).ok_or_else(|| ParamError::new("a string", value))
    }
}

impl FromJson for f64 {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        value.as_f64().ok_or_else(|| ParamError::new("a number", value))
    }
}

impl FromJson for Value {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        Ok(value.clone())
    }
}

impl FromJson for Bytes {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        const EXPECTED: &str = "0x-prefixed bytes in hex";
        let digits = value.as_str().and_then(|text| text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")));
        // The decoder takes a prefix, which would be the second one.
        let digits = digits.filter(|digits| !digits.starts_with("0x"));
        let digits = digits.ok_or_else(|| ParamError::new(EXPECTED, value))?;
        hex::decode(digits.as_bytes()).map(Bytes::from).map_err(|_| ParamError::new(EXPECTED, value))
    }
}

/// Exactly `N` bytes in hex with prefix.
fn fixed_bytes<const N: usize>(value: &Value) -> Result<[u8; N], ParamError> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")));
    let mut bytes = [0; N];
    match digits {
        Some(digits)
            if digits.len() == 2 * N
                && !digits.starts_with("0x")
                && hex::decode_to_slice(digits, &mut bytes).is_ok() =>
        {
            Ok(bytes)
        }
        _ => Err(ParamError::new(format!("{N} bytes in hex, 0x-prefixed"), value)),
    }
}

impl FromJson for Address {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        fixed_bytes(value).map(Address::new)
    }
}

impl FromJson for B256 {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        fixed_bytes(value).map(B256::new)
    }
}

impl<T: FromJson> FromJson for Vec<T> {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let items = value.as_array().ok_or_else(|| ParamError::new("an array", value))?;
        let read = |(index, item)| T::from_json(item).map_err(|error| error.below(format_args!("[{index}]")));
        items.iter().enumerate().map(read).collect()
    }
}

/// A number as dev tools write it: a hex quantity, with leading zeros or not, a decimal string or a JSON number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loose(pub U256);

impl FromJson for Loose {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let wrong = || ParamError::new("a number, in hex, decimal or as JSON", value);
        match value {
            Value::Number(number) => number.as_u64().map(|number| Self(U256::from(number))).ok_or_else(wrong),
            Value::String(text) => {
                let (digits, radix) = text.strip_prefix("0x").map_or((text.as_str(), 10), |digits| (digits, 16));
                if digits.len() > 78 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                    return Err(wrong());
                }
                if digits.is_empty() {
                    return if radix == 16 { Ok(Self(U256::ZERO)) } else { Err(wrong()) };
                }
                U256::from_str_radix(digits, radix).map(Self).map_err(|_| wrong())
            }
            _ => Err(wrong()),
        }
    }
}

/// A block as requests name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BlockRef {
    /// A number or a tag other than `pending`.
    Id(BlockId),
    /// The block that would be built now.
    Pending,
    /// A hash, and whether the block has to be canonical (EIP-1898).
    Hash {
        /// The block's hash.
        hash: B256,
        /// Whether it has to be canonical.
        require_canonical: bool,
    },
}

impl BlockRef {
    /// The head.
    pub(crate) const LATEST: Self = Self::Id(BlockId::Latest);
}

impl FromJson for BlockRef {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        const EXPECTED: &str = "a block number, tag or hash";
        if value.is_object() {
            let fields = Fields::of(value)?;
            let hash: Option<B256> = fields.optional("blockHash")?;
            let number = fields.get("blockNumber");
            return match (hash, number) {
                (Some(hash), None) => {
                    let require_canonical = fields.optional("requireCanonical")?.unwrap_or(false);
                    Ok(Self::Hash { hash, require_canonical })
                }
                (None, Some(number)) => Self::from_json(number).map_err(|error| error.below(".blockNumber")),
                _ => Err(ParamError::new("either blockHash or blockNumber", value)),
            };
        }
        let text = value.as_str().ok_or_else(|| ParamError::new(EXPECTED, value))?;
        Ok(match text {
            "latest" => Self::LATEST,
            "earliest" => Self::Id(BlockId::Earliest),
            "pending" => Self::Pending,
            "safe" => Self::Id(BlockId::Safe),
            "finalized" => Self::Id(BlockId::Finalized),
            _ if text.len() == 66 => Self::Hash { hash: B256::from_json(value)?, require_canonical: false },
            _ => {
                let number = u64::from_json(value).map_err(|_| ParamError::new(EXPECTED, value))?;
                Self::Id(BlockId::Number(number))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{address, b256};
    use proptest::prelude::*;
    use serde_json::json;

    /// Reads a value as a type and shows what came out.
    fn read<T: FromJson + fmt::Debug>(value: &Value) -> Option<String> {
        T::from_json(value).ok().map(|value| format!("{value:?}"))
    }

    #[test]
    fn values_are_read_strictly() {
        type Read = fn(&Value) -> Option<String>;
        let (u64s, u256s, bytes): (Read, Read, Read) = (read::<u64>, read::<U256>, read::<Bytes>);
        let (addresses, booleans): (Read, Read) = (read::<Address>, read::<bool>);
        let rows: [(&str, Read, Value, Option<&str>); 30] = [
            ("zero", u64s, json!("0x0"), Some("0")),
            ("quantity", u64s, json!("0x1f"), Some("31")),
            ("upper case digits", u64s, json!("0x1F"), Some("31")),
            ("largest", u64s, json!("0xffffffffffffffff"), Some("18446744073709551615")),
            ("one more", u64s, json!("0x10000000000000000"), None),
            ("leading zero", u64s, json!("0x01"), None),
            ("no digits", u64s, json!("0x"), None),
            ("no prefix", u64s, json!("1"), None),
            ("sign", u64s, json!("0x-1"), None),
            ("plus", u64s, json!("0x+1"), None),
            ("not hex", u64s, json!("0xg"), None),
            ("space", u64s, json!("0x1 "), None),
            ("number", u64s, json!(1), None),
            ("null", u64s, json!(null), None),
            ("256 bits", u256s, json!(format!("0x{}", "f".repeat(64))), Some(&U256::MAX.to_string())),
            ("257 bits", u256s, json!(format!("0x1{}", "0".repeat(64))), None),
            ("underscore", u256s, json!("0x1_0"), None),
            ("no bytes", bytes, json!("0x"), Some("0x")),
            ("bytes", bytes, json!("0x00fF"), Some("0x00ff")),
            ("half a byte", bytes, json!("0x0"), None),
            ("bytes without a prefix", bytes, json!("00"), None),
            ("two prefixes", bytes, json!("0x0x00"), None),
            (
                "address",
                addresses,
                json!("0x00000000219AB540356cBB839Cbe05303d7705Fa"),
                Some("0x00000000219ab540356cbb839cbe05303d7705fa"),
            ),
            ("short address", addresses, json!("0x00"), None),
            ("address without a prefix", addresses, json!("00000000219ab540356cbb839cbe05303d7705fa"), None),
            ("prefix within", addresses, json!("0x0x00000219ab540356cbb839cbe05303d7705fa"), None),
            ("flag", booleans, json!(true), Some("true")),
            ("flag as text", booleans, json!("true"), None),
            ("flag as a number", booleans, json!(1), None),
            ("flag as an array", booleans, json!([true]), None),
        ];
        for (name, read, value, expected) in rows {
            assert_eq!(read(&value).as_deref(), expected, "{name}: {value}");
        }
    }

    #[test]
    fn blocks_are_named_in_many_ways() {
        let hash = b256!("00000000000000000000000000000000000000000000000000000000deadbeef");
        let by_hash = |require_canonical| Some(BlockRef::Hash { hash, require_canonical });
        let rows = [
            (json!("latest"), Some(BlockRef::LATEST)),
            (json!("earliest"), Some(BlockRef::Id(BlockId::Earliest))),
            (json!("pending"), Some(BlockRef::Pending)),
            (json!("safe"), Some(BlockRef::Id(BlockId::Safe))),
            (json!("finalized"), Some(BlockRef::Id(BlockId::Finalized))),
            (json!("0x0"), Some(BlockRef::Id(BlockId::Number(0)))),
            (json!("0x10"), Some(BlockRef::Id(BlockId::Number(16)))),
            (json!(hash), by_hash(false)),
            (json!({ "blockHash": hash }), by_hash(false)),
            (json!({ "blockHash": hash, "requireCanonical": true }), by_hash(true)),
            (json!({ "blockNumber": "0x1" }), Some(BlockRef::Id(BlockId::Number(1)))),
            (json!({ "blockNumber": "latest" }), Some(BlockRef::LATEST)),
            (json!({ "blockNumber": "0x1", "blockHash": hash }), None),
            (json!({ "blockHash": hash, "requireCanonical": "yes" }), None),
            (json!({}), None),
            (json!("0x010"), None),
            (json!("2"), None),
            (json!(2), None),
            (json!("newest"), None),
            (json!("LATEST"), None),
            (json!(["latest"]), None),
        ];
        for (value, expected) in rows {
            assert_eq!(BlockRef::from_json(&value).ok(), expected, "{value}");
        }
    }

    #[test]
    fn loose_numbers_are_as_tools_write_them() {
        let rows = [
            (json!(10), Some(10)),
            (json!("10"), Some(10)),
            (json!("0x10"), Some(16)),
            (json!("0x010"), Some(16)),
            (json!("0x"), Some(0)),
            (json!(""), None),
            (json!("-1"), None),
            (json!(-1), None),
            (json!(1.5), None),
            (json!("0xzz"), None),
            (json!(null), None),
        ];
        for (value, expected) in rows {
            let found = Loose::from_json(&value).ok();
            assert_eq!(found, expected.map(|number| Loose(U256::from(number))), "{value}");
        }
    }

    #[test]
    fn parameters_are_positional_and_errors_say_where() {
        let rows = [
            ("none at all", None, Ok(0)),
            ("empty", Some("[]"), Ok(0)),
            ("null", Some("null"), Ok(0)),
            ("two", Some(r#"[1, null]"#), Ok(2)),
            ("object", Some("{}"), Err("params: expected an array, found an object of 0 fields")),
            ("text", Some("\"x\""), Err("params: expected an array, found \"x\"")),
        ];
        for (name, raw, expected) in rows {
            let found = Params::parse(raw);
            let found = found.as_ref().map(Params::len).map_err(|error| (error.code, error.message.as_str()));
            assert_eq!(found, expected.map_err(|text| (INVALID_PARAMS, text)), "{name}");
        }
        let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
        assert!(Params::parse(Some(&deep)).is_err(), "nested too deep");
        let params = Params::parse(Some(r#"["0x1", null, ["0x2", "x"], {"a": {"b": "y"}}]"#)).expect("an array");
        assert_eq!(params.required::<u64>(0, "count"), Ok(1));
        assert_eq!(params.optional::<u64>(1, "count"), Ok(None));
        let text = |error: RpcError| error.message;
        let missing = params.required::<u64>(1, "count").map_err(text);
        assert_eq!(missing, Err("missing value for required argument 1 (count)".into()));
        let nested = params.required::<Vec<u64>>(2, "list").map_err(text);
        assert_eq!(nested, Err("list[1]: expected a hex quantity of at most 64 bits, found \"x\"".into()));
        let value = params.get(3).expect("an object");
        let inner = Fields::of(value).expect("fields").required::<u64>("a").map_err(|error| error.into_rpc("object"));
        let expected = "object.a: expected a hex quantity of at most 64 bits, found an object of 1 fields";
        assert_eq!(inner.map_err(text), Err(expected.into()));
    }

    #[test]
    fn long_values_are_shortened_in_errors() {
        let error = ParamError::new("less", &json!("x".repeat(1_000)));
        assert!(error.found.len() < 100, "{}", error.found);
        let error = ParamError::new("less", &json!(vec![0; 1_000]));
        assert_eq!(error.found, "an array of 1000 items");
    }

    proptest! {
        #[test]
        fn quantities_round_trip(number: u64, wide: [u64; 4]) {
            prop_assert_eq!(u64::from_json(&json!(format!("{number:#x}"))), Ok(number));
            let wide = U256::from_limbs(wide);
            prop_assert_eq!(U256::from_json(&json!(format!("{wide:#x}"))), Ok(wide));
            prop_assert_eq!(Loose::from_json(&json!(wide.to_string())), Ok(Loose(wide)));
        }

        #[test]
        fn no_text_makes_reading_panic(text: String) {
            let value = json!(text);
            let _ = (u64::from_json(&value), U256::from_json(&value), Bytes::from_json(&value), B256::from_json(&value));
            let _ = (Address::from_json(&value), BlockRef::from_json(&value), Loose::from_json(&value));
        }
    }

    #[test]
    fn addresses_ignore_case() {
        let expected = address!("00000000219ab540356cbb839cbe05303d7705fa");
        assert_eq!(Address::from_json(&json!(expected.to_checksum(None))), Ok(expected));
    }
}
