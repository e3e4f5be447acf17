//! Reading JSON with errors that name the field.
//!
//! Block files, state tests and case files all write numbers and bytes as hexadecimal strings. A [`Node`] is a value
//! together with the way to it, so every failure can say which field held what and what was expected. Quantities are
//! accepted with and without leading zeros, since both spellings occur in the wild.

use crate::BenchError;
use alloy_primitives::{Address, B256, Bytes, U256, hex};
use serde_json::Value;
use std::path::Path;

/// Longest excerpt of a wrong value that an error repeats.
const EXCERPT_LEN: usize = 60;

/// Reads and parses a file.
pub(crate) fn read(path: &Path) -> Result<Value, BenchError> {
    let name = path.display().to_string();
    let bytes =
        std::fs::read(path).map_err(|error| BenchError::File { path: name.clone(), reason: error.to_string() })?;
    parse(&name, &bytes)
}

/// Parses bytes that came from `name`.
pub(crate) fn parse(name: &str, bytes: &[u8]) -> Result<Value, BenchError> {
    serde_json::from_slice(bytes).map_err(|error| BenchError::Json { path: name.into(), reason: error.to_string() })
}

/// A value of a document and the way to it.
#[derive(Clone, Debug)]
pub(crate) struct Node<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Node<'a> {
    /// The document `name`.
    pub(crate) fn root(name: &str, value: &'a Value) -> Self {
        Self { value, path: format!("{name}: ") }
    }

    fn wrong(&self, expected: impl Into<String>) -> BenchError {
        let mut found = self.value.to_string();
        if found.len() > EXCERPT_LEN {
            let end = (0..=EXCERPT_LEN).rev().find(|&end| found.is_char_boundary(end)).unwrap_or(0);
            found.truncate(end);
            found.push('…');
        }
        BenchError::Field { field: self.path.trim_end_matches([':', ' ']).into(), found, expected: expected.into() }
    }

    /// The error of a member that has a value of the right kind but not of the right range.
    pub(crate) fn wrong_field(&self, key: &str, expected: &str) -> BenchError {
        self.get(key).map_or_else(|error| error, |node| node.wrong(expected))
    }

    fn child(&self, key: &str, value: &'a Value) -> Self {
        let dot = if self.path.ends_with(' ') { "" } else { "." };
        Self { value, path: format!("{}{dot}{key}", self.path) }
    }

    /// The member `key`, `None` if it is absent or null.
    pub(crate) fn optional(&self, key: &str) -> Result<Option<Self>, BenchError> {
        let object = self.value.as_object().ok_or_else(|| self.wrong("an object"))?;
        Ok(object.get(key).filter(|value| !value.is_null()).map(|value| self.child(key, value)))
    }

    /// The member `key`.
    pub(crate) fn get(&self, key: &str) -> Result<Self, BenchError> {
        let found = self.optional(key)?;
        found.ok_or_else(|| BenchError::Field {
            field: self.child(key, self.value).path,
            found: "nothing".into(),
            expected: "a value".into(),
        })
    }

    /// All members of an object.
    pub(crate) fn members(&self) -> Result<Vec<(&'a str, Self)>, BenchError> {
        let object = self.value.as_object().ok_or_else(|| self.wrong("an object"))?;
        Ok(object.iter().map(|(key, value)| (key.as_str(), self.child(key, value))).collect())
    }

    /// All elements of an array.
    pub(crate) fn elements(&self) -> Result<Vec<Self>, BenchError> {
        let array = self.value.as_array().ok_or_else(|| self.wrong("an array"))?;
        let element = |(index, value)| Self { value, path: format!("{}[{index}]", self.path) };
        Ok(array.iter().enumerate().map(element).collect())
    }

    /// A string.
    pub(crate) fn text(&self) -> Result<&'a str, BenchError> {
        self.value.as_str().ok_or_else(|| self.wrong("a string"))
    }

    /// Checks that no member has a name outside `known`.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), BenchError> {
        match self.members()?.into_iter().find(|(key, _)| !known.contains(key)) {
            None => Ok(()),
            Some((_, member)) => Err(member.wrong(format!("no such field; the fields are {}", known.join(", ")))),
        }
    }

    /// An unsigned number of at most 256 bits: a JSON number, or a hexadecimal string after `0x`.
    pub(crate) fn u256(&self) -> Result<U256, BenchError> {
        if let Some(number) = self.value.as_u64() {
            return Ok(U256::from(number));
        }
        self.value
            .as_str()
            .and_then(parse_quantity)
            .ok_or_else(|| self.wrong("a number below 2^256, as 0x and hex digits"))
    }

    /// An unsigned number of at most 128 bits.
    pub(crate) fn u128(&self) -> Result<u128, BenchError> {
        u128::try_from(self.u256()?).map_err(|_| self.wrong("a number below 2^128"))
    }

    /// An unsigned number of at most 64 bits.
    pub(crate) fn u64(&self) -> Result<u64, BenchError> {
        u64::try_from(self.u256()?).map_err(|_| self.wrong("a number below 2^64"))
    }

    /// Bytes as a hexadecimal string.
    pub(crate) fn bytes(&self) -> Result<Bytes, BenchError> {
        let decoded = self.value.as_str().and_then(|text| hex::decode(text).ok());
        decoded.map(Bytes::from).ok_or_else(|| self.wrong("bytes, as 0x and an even number of hex digits"))
    }

    /// 32 bytes.
    pub(crate) fn b256(&self) -> Result<B256, BenchError> {
        B256::try_from(self.bytes()?.as_ref()).map_err(|_| self.wrong("32 bytes"))
    }

    /// An address.
    pub(crate) fn address(&self) -> Result<Address, BenchError> {
        Address::try_from(self.bytes()?.as_ref()).map_err(|_| self.wrong("20 bytes"))
    }

    /// The name of this member itself as an address.
    pub(crate) fn key_address(&self, key: &str) -> Result<Address, BenchError> {
        let address = hex::decode(key).ok().and_then(|bytes| Address::try_from(bytes.as_slice()).ok());
        address.ok_or_else(|| self.wrong_key(key, "an address of 20 bytes as the field's name"))
    }

    /// The name of this member itself as a number.
    pub(crate) fn key_u256(&self, key: &str) -> Result<U256, BenchError> {
        parse_quantity(key).ok_or_else(|| self.wrong_key(key, "a number below 2^256 as the field's name"))
    }

    /// The name of this member itself as a decimal number.
    pub(crate) fn key_number(&self, key: &str) -> Result<u64, BenchError> {
        key.parse().map_err(|_| self.wrong_key(key, "a decimal number below 2^64 as the field's name"))
    }

    fn wrong_key(&self, key: &str, expected: &str) -> BenchError {
        BenchError::Field { field: self.path.clone(), found: format!("{key:?}"), expected: expected.into() }
    }

    /// A storage or block-hash map: numbers to numbers.
    pub(crate) fn words(&self) -> Result<Vec<(U256, U256)>, BenchError> {
        self.members()?.into_iter().map(|(key, node)| Ok((node.key_u256(key)?, node.u256()?))).collect()
    }
}

fn parse_quantity(text: &str) -> Option<U256> {
    let digits = text.strip_prefix("0x")?;
    // from_str_radix also takes underscores and an empty string, which no JSON of ours means as a number.
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| U256::from_str_radix(digits, 16).ok()).flatten()
}
