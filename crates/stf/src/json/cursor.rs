//! A position in a JSON document that knows the path to itself.
//!
//! A cursor is a borrowed value and a shared, linked path, so descending costs one small allocation and an error can name
//! its place (`blocks[0].blockHeader.gasLimit`) without the readers passing names along. Getters are strict: a quantity is
//! `0x` and hex digits (leading zeros are allowed, the fixtures have them) or a JSON integer, byte strings are `0x` and an
//! even number of digits, and what is too wide, negative, fractional or of another type is an error that quotes it.

use alloc::boxed::Box;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use core::fmt::{self, Write};
use serde_json::Value;

/// Most characters of an offending value that an error quotes.
const QUOTED_CHARACTERS_MAX: usize = 48;

/// Why a JSON value is not what it should be, where it is, what was found and what was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError(Box<JsonErrorParts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct JsonErrorParts {
    path: String,
    found: String,
    kind: JsonErrorKind,
}

/// What was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// The text is not JSON.
    Syntax {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// The object lacks a field.
    Missing,
    /// The value has another JSON type.
    WrongType {
        /// The type expected.
        expected: &'static str,
    },
    /// A string of hex digits doesn't start with `0x`.
    MissingHexPrefix,
    /// A byte string has an odd number of hex digits.
    OddLength,
    /// A character is not a hex digit.
    InvalidDigit,
    /// A quantity has no digits.
    NoDigits,
    /// A number is negative.
    Negative,
    /// A number has a fraction or an exponent, or exceeds 64 bits outside a string.
    NotAnInteger,
    /// A quantity is wider than its field.
    TooLarge {
        /// The field's width in bits.
        max_bits: usize,
    },
    /// A byte string has another length.
    WrongLength {
        /// Bytes expected.
        expected_bytes: usize,
        /// Bytes found.
        found_bytes: usize,
    },
    /// A transaction or receipt type that doesn't exist.
    UnknownType,
    /// The `v` of a legacy transaction that EIP-155 doesn't know.
    InvalidV,
    /// A parity that is neither 0 nor 1.
    InvalidParity,
    /// Two fields that say the same thing disagree.
    Contradiction {
        /// The other field.
        other: &'static str,
    },
    /// More items than a list may have.
    TooMany {
        /// Items allowed.
        max: usize,
    },
    /// Code that doesn't have the hash beside it.
    WrongCodeHash,
    /// The same key twice, in two spellings.
    DuplicateKey,
}

impl JsonError {
    /// What was expected.
    pub fn kind(&self) -> &JsonErrorKind {
        &self.0.kind
    }

    /// Where, for example `blocks[0].blockHeader.gasLimit`; empty for the whole document.
    pub fn path(&self) -> &str {
        &self.0.path
    }
}

impl fmt::Display for JsonErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { line, column } => write!(f, "JSON at line {line}, column {column}"),
            Self::Missing => f.write_str("a value"),
            Self::WrongType { expected } => f.write_str(expected),
            Self::MissingHexPrefix => f.write_str("hex digits after 0x"),
            Self::OddLength => f.write_str("an even number of hex digits"),
            Self::InvalidDigit => f.write_str("hex digits only"),
            Self::NoDigits => f.write_str("at least one digit"),
            Self::Negative => f.write_str("a number of at least 0"),
            Self::NotAnInteger => f.write_str("an integer, in a string if it exceeds 64 bits"),
            Self::TooLarge { max_bits } => write!(f, "an integer of at most {max_bits} bits"),
            Self::WrongLength { expected_bytes, found_bytes } => {
                write!(f, "{expected_bytes} bytes instead of {found_bytes}")
            }
            Self::UnknownType => f.write_str("a type from 0x0 to 0x4"),
            Self::InvalidV => f.write_str("27, 28, or at least 35 with a chain id of at most 64 bits"),
            Self::InvalidParity => f.write_str("0 or 1"),
            Self::Contradiction { other } => write!(f, "what {other} says"),
            Self::TooMany { max } => write!(f, "at most {max} items"),
            Self::WrongCodeHash => f.write_str("the hash of the code"),
            Self::DuplicateKey => f.write_str("each key once"),
        }
    }
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let JsonErrorParts { path, found, kind } = &*self.0;
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        write!(f, "expected {kind}, found {found}")
    }
}

impl core::error::Error for JsonError {}

/// Parses a document.
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    serde_json::from_slice(text).map_err(|error| {
        JsonError(Box::new(JsonErrorParts {
            path: String::new(),
            found: error.to_string(),
            kind: JsonErrorKind::Syntax { line: error.line(), column: error.column() },
        }))
    })
}

#[derive(Clone, Copy, Debug)]
enum PathStep<'a> {
    Root(&'a str),
    Field(&'a str),
    Index(usize),
}

#[derive(Debug)]
struct Path<'a> {
    parent: Option<Rc<Path<'a>>>,
    step: PathStep<'a>,
}

/// A JSON value and the path to it.
#[derive(Clone, Debug)]
pub struct JsonCursor<'a> {
    value: &'a Value,
    path: Rc<Path<'a>>,
}

impl<'a> JsonCursor<'a> {
    /// The root of a document; `name` heads the paths of errors and may be empty.
    pub fn new(value: &'a Value, name: &'a str) -> Self {
        Self { value, path: Rc::new(Path { parent: None, step: PathStep::Root(name) }) }
    }

    /// The value itself.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// The path, for example `blocks[0].blockHeader.gasLimit`.
    pub fn path(&self) -> String {
        let mut steps = alloc::vec![self.path.step];
        let mut node = &self.path;
        while let Some(parent) = &node.parent {
            steps.push(parent.step);
            node = parent;
        }
        let mut path = String::new();
        for step in steps.into_iter().rev() {
            match step {
                PathStep::Field(name) if !path.is_empty() => {
                    path.push('.');
                    path.push_str(name);
                }
                PathStep::Root(name) | PathStep::Field(name) => path.push_str(name),
                // Writing to a string can't fail.
                PathStep::Index(index) => drop(write!(path, "[{index}]")),
            }
        }
        path
    }

    /// An error at this place, which quotes the value.
    pub fn error(&self, kind: JsonErrorKind) -> JsonError {
        let found = quote(self.value);
        JsonError(Box::new(JsonErrorParts { path: self.path(), found, kind }))
    }

    fn error_about_key(&self, key: &str, kind: JsonErrorKind) -> JsonError {
        let found = format!("the key {}", quote(&Value::String(key.to_string())));
        JsonError(Box::new(JsonErrorParts { path: self.path(), found, kind }))
    }

    fn child(&self, value: &'a Value, step: PathStep<'a>) -> Self {
        Self { value, path: Rc::new(Path { parent: Some(Rc::clone(&self.path)), step }) }
    }

    fn object(&self) -> Result<&'a serde_json::Map<String, Value>, JsonError> {
        let expected = "an object";
        self.value.as_object().ok_or_else(|| self.error(JsonErrorKind::WrongType { expected }))
    }

    /// The field `name`, `None` where it is absent or null.
    pub fn optional(&self, name: &'a str) -> Result<Option<Self>, JsonError> {
        let value = self.object()?.get(name).filter(|value| !value.is_null());
        Ok(value.map(|value| self.child(value, PathStep::Field(name))))
    }

    /// The field `name`, which may be null but not absent.
    pub fn field(&self, name: &'a str) -> Result<Self, JsonError> {
        match self.object()?.get(name) {
            Some(value) => Ok(self.child(value, PathStep::Field(name))),
            None => Err(self.missing(name)),
        }
    }

    /// The first of the fields `names` that is present and not null.
    pub fn first_of(&self, names: &[&'a str]) -> Result<Self, JsonError> {
        for name in names {
            if let Some(field) = self.optional(name)? {
                return Ok(field);
            }
        }
        Err(self.missing(names.first().copied().unwrap_or_default()))
    }

    /// The error that the field `name` is absent.
    pub fn missing(&self, name: &'a str) -> JsonError {
        let mut error = self.child(self.value, PathStep::Field(name)).error(JsonErrorKind::Missing);
        error.0.found = "nothing".to_string();
        error
    }

    /// The items of an array.
    pub fn items(&self) -> Result<impl ExactSizeIterator<Item = Self> + use<'a>, JsonError> {
        let expected = "an array";
        let kind = JsonErrorKind::WrongType { expected };
        let array = self.value.as_array().ok_or_else(|| self.error(kind))?;
        let parent = self.clone();
        let child = move |(index, value)| parent.child(value, PathStep::Index(index));
        Ok(array.iter().enumerate().map(child))
    }

    /// The keys and values of an object, by ascending key, whatever order the parser was built to keep.
    pub fn entries(&self) -> Result<impl Iterator<Item = (&'a str, Self)> + use<'a>, JsonError> {
        let parent = self.clone();
        let mut entries: alloc::vec::Vec<_> = self.object()?.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        let entries = entries.into_iter();
        Ok(entries.map(move |(key, value)| (key.as_str(), parent.child(value, PathStep::Field(key)))))
    }

    /// A string.
    pub fn string(&self) -> Result<&'a str, JsonError> {
        let expected = "a string";
        self.value.as_str().ok_or_else(|| self.error(JsonErrorKind::WrongType { expected }))
    }

    /// A boolean, or the quantity 0 or 1.
    pub fn bool(&self) -> Result<bool, JsonError> {
        if let Value::Bool(value) = self.value {
            return Ok(*value);
        }
        match self.u64()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.error(JsonErrorKind::WrongType { expected: "a boolean, 0 or 1" })),
        }
    }

    /// A quantity of at most 8 bits.
    pub fn u8(&self) -> Result<u8, JsonError> {
        self.narrow(8)
    }

    /// A quantity of at most 32 bits.
    pub fn u32(&self) -> Result<u32, JsonError> {
        self.narrow(32)
    }

    /// A quantity of at most 64 bits.
    pub fn u64(&self) -> Result<u64, JsonError> {
        self.narrow(64)
    }

    /// A quantity of at most 128 bits.
    pub fn u128(&self) -> Result<u128, JsonError> {
        self.narrow(128)
    }

    fn narrow<T: TryFrom<U256>>(&self, max_bits: usize) -> Result<T, JsonError> {
        T::try_from(self.u256()?).map_err(|_| self.error(JsonErrorKind::TooLarge { max_bits }))
    }

    /// A quantity of at most 256 bits: `0x` and hex digits, or a JSON integer.
    pub fn u256(&self) -> Result<U256, JsonError> {
        match self.value {
            Value::Number(number) => match number.as_u64() {
                Some(number) => Ok(U256::from(number)),
                None if number.as_f64().is_some_and(|number| number < 0.0) => Err(self.error(JsonErrorKind::Negative)),
                None => Err(self.error(JsonErrorKind::NotAnInteger)),
            },
            Value::String(text) => hex_quantity(text).map_err(|kind| self.error(kind)),
            _ => Err(self.error(JsonErrorKind::WrongType { expected: "a quantity" })),
        }
    }

    /// A quantity of at most 256 bits, where strings may also hold decimal digits as in a `genesis.json`.
    pub fn u256_or_decimal(&self) -> Result<U256, JsonError> {
        match self.value {
            Value::String(text) if text.starts_with(|first: char| first.is_ascii_digit()) => {
                if text.starts_with("0x") {
                    return self.u256();
                }
                if let Some(other) = text.chars().find(|character| !character.is_ascii_digit()) {
                    let kind = if other == '.' || other == 'e' || other == 'E' {
                        JsonErrorKind::NotAnInteger
                    } else {
                        JsonErrorKind::MissingHexPrefix
                    };
                    return Err(self.error(kind));
                }
                let too_large = |_| self.error(JsonErrorKind::TooLarge { max_bits: 256 });
                U256::from_str_radix(text, 10).map_err(too_large)
            }
            _ => self.u256(),
        }
    }

    /// A quantity of at most 64 bits, where strings may also hold decimal digits as in a `genesis.json`.
    pub fn u64_or_decimal(&self) -> Result<u64, JsonError> {
        u64::try_from(self.u256_or_decimal()?).map_err(|_| self.error(JsonErrorKind::TooLarge { max_bits: 64 }))
    }

    /// A byte string: `0x` and an even number of hex digits.
    pub fn bytes(&self) -> Result<Bytes, JsonError> {
        let digits = self.string()?.strip_prefix("0x");
        let digits = digits.ok_or_else(|| self.error(JsonErrorKind::MissingHexPrefix))?;
        if digits.len() % 2 == 1 {
            return Err(self.error(JsonErrorKind::OddLength));
        }
        let bytes = hex_bytes(digits).map_err(|kind| self.error(kind))?;
        Ok(Bytes::from(bytes))
    }

    /// A byte string of `N` bytes.
    pub fn fixed<const N: usize>(&self) -> Result<[u8; N], JsonError> {
        let digits = self.string()?.strip_prefix("0x");
        let digits = digits.ok_or_else(|| self.error(JsonErrorKind::MissingHexPrefix))?;
        fixed_bytes(digits).map_err(|kind| self.error(kind))
    }

    /// A byte string of 20 bytes.
    pub fn address(&self) -> Result<Address, JsonError> {
        Ok(Address::new(self.fixed()?))
    }

    /// A byte string of 32 bytes.
    pub fn b256(&self) -> Result<B256, JsonError> {
        Ok(B256::new(self.fixed()?))
    }

    /// This value's `key` as an address. As in a `genesis.json`, it may lack the `0x`.
    pub fn address_key(&self, key: &str) -> Result<Address, JsonError> {
        let bytes = fixed_bytes(key.strip_prefix("0x").unwrap_or(key));
        bytes.map(Address::new).map_err(|kind| self.error_about_key(key, kind))
    }

    /// This value's `key` as a quantity.
    pub fn u256_key(&self, key: &str) -> Result<U256, JsonError> {
        hex_quantity(key).map_err(|kind| self.error_about_key(key, kind))
    }

    /// This value's `key` as a decimal number of at most 64 bits.
    pub fn decimal_key(&self, key: &str) -> Result<u64, JsonError> {
        if key.is_empty() {
            return Err(self.error_about_key(key, JsonErrorKind::NoDigits));
        }
        if !key.bytes().all(|byte| byte.is_ascii_digit()) {
            let kind = JsonErrorKind::WrongType { expected: "a decimal number" };
            return Err(self.error_about_key(key, kind));
        }
        key.parse().map_err(|_| self.error_about_key(key, JsonErrorKind::TooLarge { max_bits: 64 }))
    }

    /// The error that this value's `key` stands for one that was there before.
    pub fn duplicate_key(&self, key: &str) -> JsonError {
        self.error_about_key(key, JsonErrorKind::DuplicateKey)
    }
}

/// The first characters of a value, and how many it has if that isn't all.
fn quote(value: &Value) -> String {
    let text = match value {
        Value::Array(items) => return format!("an array of {} items", items.len()),
        Value::Object(fields) => return format!("an object of {} fields", fields.len()),
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    };
    match text.char_indices().nth(QUOTED_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}... ({} characters)", &text[..end], text.chars().count()),
        None => text,
    }
}

/// `0x` and 1 to 64 hex digits.
fn hex_quantity(text: &str) -> Result<U256, JsonErrorKind> {
    let digits = text.strip_prefix("0x").ok_or(if text.starts_with('-') {
        JsonErrorKind::Negative
    } else {
        JsonErrorKind::MissingHexPrefix
    })?;
    if digits.is_empty() {
        return Err(JsonErrorKind::NoDigits);
    }
    let mut value = U256::ZERO;
    let mut limb = 0;
    for (position, digit) in digits.bytes().rev().enumerate() {
        let Some(digit) = char::from(digit).to_digit(16) else {
            return Err(JsonErrorKind::InvalidDigit);
        };
        if position >= 64 {
            return Err(JsonErrorKind::TooLarge { max_bits: 256 });
        }
        limb |= u64::from(digit) << (4 * (position % 16));
        if position % 16 == 15 || position + 1 == digits.len() {
            value |= U256::from(limb) << (64 * (position / 16));
            limb = 0;
        }
    }
    Ok(value)
}

fn hex_bytes(digits: &str) -> Result<alloc::vec::Vec<u8>, JsonErrorKind> {
    hex::decode(strict_digits(digits)?).map_err(|_| JsonErrorKind::InvalidDigit)
}

fn fixed_bytes<const N: usize>(digits: &str) -> Result<[u8; N], JsonErrorKind> {
    if digits.len() % 2 == 1 {
        return Err(JsonErrorKind::OddLength);
    }
    if digits.len() != 2 * N {
        let found_bytes = digits.len() / 2;
        return Err(JsonErrorKind::WrongLength { expected_bytes: N, found_bytes });
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(strict_digits(digits)?, &mut bytes).map_err(|_| JsonErrorKind::InvalidDigit)?;
    Ok(bytes)
}

/// Refuses a second `0x`, which the decoder would skip.
fn strict_digits(digits: &str) -> Result<&str, JsonErrorKind> {
    if digits.starts_with("0x") { Err(JsonErrorKind::InvalidDigit) } else { Ok(digits) }
}
