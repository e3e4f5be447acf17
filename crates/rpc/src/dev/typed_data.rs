//! What is signed of typed data (EIP-712).
//!
//! A type is a list of named members. Its hash is that of a text which lists it and, sorted, all types that it refers to; a
//! struct's hash is that of its type's hash and its members, 32 bytes each: numbers as they are, everything longer as a
//! hash. What is signed is the hash of 0x1901, the domain and the message.
//!
//! Types may refer to one another in circles, so depth is bounded; the size of the input bounds everything else.

use crate::json::{Fields, FromJson, ParamError};
use alloy_primitives::{Address, B256, Bytes, I256, U256, keccak256};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Deepest value.
const DEPTH_MAX: usize = 64;
/// The type of the domain.
const DOMAIN: &str = "EIP712Domain";
/// Its members, in their order, for data that does not list them.
const DOMAIN_MEMBERS: [(&str, &str); 5] = [
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
    ("salt", "bytes32"),
];

/// A member of a struct: its name and type.
struct Member {
    name: String,
    kind: String,
}

/// The types, by name.
struct Types(BTreeMap<String, Vec<Member>>);

/// What is signed.
pub(super) fn signing_hash(data: &Value) -> Result<B256, ParamError> {
    let fields = Fields::of(data)?;
    let domain: Value = fields.required("domain")?;
    let message: Value = fields.optional("message")?.unwrap_or_else(|| json!({}));
    let primary: String = fields.required("primaryType")?;
    let mut types = Types::read(&fields.required("types")?).map_err(|error| error.below(".types"))?;
    types.0.entry(DOMAIN.to_string()).or_insert_with(|| {
        let is_there = |(name, _): &&(&str, &str)| domain.get(*name).is_some();
        let member = |(name, kind): &(&str, &str)| Member { name: name.to_string(), kind: kind.to_string() };
        DOMAIN_MEMBERS.iter().filter(is_there).map(member).collect()
    });
    let domain = types.hash_struct(DOMAIN, &domain, 0).map_err(|error| error.below(".domain"))?;
    if primary == DOMAIN {
        return Ok(keccak256([&[0x19, 0x01], &domain[..]].concat()));
    }
    let message = types.hash_struct(&primary, &message, 0).map_err(|error| error.below(".message"))?;
    Ok(keccak256([&[0x19, 0x01], &domain[..], &message[..]].concat()))
}

impl Types {
    fn read(value: &Value) -> Result<Self, ParamError> {
        let mut types = BTreeMap::new();
        for (name, members) in Fields::of(value)?.iter() {
            let at = |error: ParamError| error.below(format_args!(".{name}"));
            let members: Vec<Value> = FromJson::from_json(members).map_err(at)?;
            let read = |member: &Value| {
                let fields = Fields::of(member)?;
                Ok(Member { name: fields.required("name")?, kind: fields.required("type")? })
            };
            types.insert(name.clone(), members.iter().map(read).collect::<Result<_, _>>().map_err(at)?);
        }
        Ok(Self(types))
    }

    /// The text of a type: itself, then those that it refers to, sorted.
    fn encode_type(&self, name: &str) -> String {
        let mut seen = BTreeSet::from([name]);
        let mut next = vec![name];
        while let Some(name) = next.pop() {
            for member in self.0.get(name).into_iter().flatten() {
                let base = member.kind.split('[').next().unwrap_or_default();
                if let Some((base, _)) = self.0.get_key_value(base)
                    && seen.insert(base)
                {
                    next.push(base);
                }
            }
        }
        seen.remove(name);
        std::iter::once(name).chain(seen).map(|name| self.signature(name)).collect()
    }

    fn signature(&self, name: &str) -> String {
        let members = self.0.get(name).into_iter().flatten().map(|member| format!("{} {}", member.kind, member.name));
        format!("{name}({})", members.collect::<Vec<_>>().join(","))
    }

    fn hash_struct(&self, name: &str, value: &Value, depth: usize) -> Result<B256, ParamError> {
        let Some(members) = self.0.get(name) else {
            let expected = format!("a value of type {name}, which is not among the types");
            return Err(ParamError::new(expected, value));
        };
        let fields = Fields::of(value)?;
        let mut encoded = keccak256(self.encode_type(name)).to_vec();
        for member in members {
            let word = self.encode(&member.kind, fields.get(&member.name).unwrap_or(&Value::Null), depth + 1);
            encoded.extend_from_slice(&word.map_err(|error| error.below(format_args!(".{}", member.name)))?[..]);
        }
        Ok(keccak256(encoded))
    }

    /// The 32 bytes that stand for a value.
    fn encode(&self, kind: &str, value: &Value, depth: usize) -> Result<B256, ParamError> {
        if depth > DEPTH_MAX {
            return Err(ParamError::new(format!("values at most {DEPTH_MAX} deep"), value));
        }
        if let Some((item, length)) = kind.strip_suffix(']').and_then(|kind| kind.rsplit_once('[')) {
            return self.encode_array(item, length, value, depth);
        }
        if self.0.contains_key(kind) {
            // A struct that is not there is a word of zeros.
            return if value.is_null() { Ok(B256::ZERO) } else { self.hash_struct(kind, value, depth) };
        }
        match kind {
            "string" => Ok(keccak256(String::from_json(value)?)),
            "bytes" => Ok(keccak256(Bytes::from_json(value)?)),
            "bool" => Ok(B256::with_last_byte(u8::from(bool::from_json(value)?))),
            "address" => Ok(Address::from_json(value)?.into_word()),
            _ => match (kind.strip_prefix("bytes"), kind.strip_prefix("uint"), kind.strip_prefix("int")) {
                (Some(size), ..) => fixed_bytes(size, value),
                (_, Some(bits), _) => unsigned(bits, value),
                (.., Some(bits)) => signed(bits, value),
                _ => Err(ParamError::new(format!("a value of type {kind}, which is not among the types"), value)),
            },
        }
    }

    fn encode_array(&self, item: &str, length: &str, value: &Value, depth: usize) -> Result<B256, ParamError> {
        let items: Vec<Value> = FromJson::from_json(value)?;
        if !length.is_empty() && length.parse() != Ok(items.len()) {
            return Err(ParamError::new(format!("an array of {length} items"), value));
        }
        let mut encoded = Vec::with_capacity(32 * items.len());
        for (index, value) in items.iter().enumerate() {
            let word = self.encode(item, value, depth + 1).map_err(|error| error.below(format_args!("[{index}]")))?;
            encoded.extend_from_slice(&word[..]);
        }
        Ok(keccak256(encoded))
    }
}

fn fixed_bytes(size: &str, value: &Value) -> Result<B256, ParamError> {
    let size = size.parse().ok().filter(|size| (1..=32).contains(size));
    let size: usize = size.ok_or_else(|| ParamError::new("a type of 1 to 32 bytes", value))?;
    let bytes = Bytes::from_json(value)?;
    if bytes.len() != size {
        return Err(ParamError::new(format!("{size} bytes in hex"), value));
    }
    Ok(B256::right_padding_from(&bytes))
}

/// Bits of an integer type, 256 if it doesn't say.
fn bits_of(bits: &str, value: &Value) -> Result<usize, ParamError> {
    let bits = if bits.is_empty() { Some(256) } else { bits.parse().ok() };
    let bits = bits.filter(|bits| (8..=256).contains(bits) && bits % 8 == 0);
    bits.ok_or_else(|| ParamError::new("an integer type of 8 to 256 bits", value))
}

/// Digits in hex or decimal, or a number, and whether there is a minus before them.
fn magnitude(value: &Value) -> Option<(bool, U256)> {
    let text = match value {
        Value::Number(number) if number.is_i64() || number.is_u64() => number.to_string(),
        Value::String(text) => text.trim().to_string(),
        _ => return None,
    };
    let (is_negative, text) = text.strip_prefix('-').map_or((false, text.as_str()), |text| (true, text));
    let (digits, radix) = text.strip_prefix("0x").map_or((text, 10), |digits| (digits, 16));
    let is_number = (1..=78).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = is_number.then(|| U256::from_str_radix(digits, radix).ok()).flatten()?;
    Some((is_negative, number))
}

fn unsigned(bits: &str, value: &Value) -> Result<B256, ParamError> {
    let bits = bits_of(bits, value)?;
    match magnitude(value) {
        Some((is_negative, number)) if (!is_negative || number.is_zero()) && number.bit_len() <= bits => {
            Ok(B256::from(number))
        }
        _ => Err(ParamError::new(format!("an unsigned integer of {bits} bits"), value)),
    }
}

fn signed(bits: &str, value: &Value) -> Result<B256, ParamError> {
    let bits = bits_of(bits, value)?;
    let wrong = || ParamError::new(format!("a signed integer of {bits} bits"), value);
    let (is_negative, number) = magnitude(value).ok_or_else(wrong)?;
    let limit = U256::ONE << (bits - 1);
    let fits = if is_negative { number <= limit } else { number < limit };
    let raw = I256::from_raw(number);
    let signed = if is_negative { raw.wrapping_neg() } else { raw };
    if fits { Ok(B256::from(signed.into_raw())) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::b256;

    /// The example of EIP-712, with the hashes that it states.
    fn mail() -> Value {
        json!({
            "types": {
                "EIP712Domain": [
                    { "name": "name", "type": "string" },
                    { "name": "version", "type": "string" },
                    { "name": "chainId", "type": "uint256" },
                    { "name": "verifyingContract", "type": "address" },
                ],
                "Person": [{ "name": "name", "type": "string" }, { "name": "wallet", "type": "address" }],
                "Mail": [
                    { "name": "from", "type": "Person" },
                    { "name": "to", "type": "Person" },
                    { "name": "contents", "type": "string" },
                ],
            },
            "primaryType": "Mail",
            "domain": {
                "name": "Ether Mail",
                "version": "1",
                "chainId": 1,
                "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
            },
            "message": {
                "from": { "name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826" },
                "to": { "name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB" },
                "contents": "Hello, Bob!",
            },
        })
    }

    #[test]
    fn the_example_of_the_eip_has_its_hash() {
        let expected = b256!("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2");
        assert_eq!(signing_hash(&mail()).expect("typed data"), expected);
        let mut without_domain_type = mail();
        without_domain_type["types"].as_object_mut().expect("an object").remove(DOMAIN);
        assert_eq!(signing_hash(&without_domain_type).expect("typed data"), expected);
        let types = Types::read(&mail()["types"]).expect("types");
        assert_eq!(
            types.encode_type("Mail"),
            "Mail(Person from,Person to,string contents)Person(string name,address wallet)"
        );
    }

    #[test]
    fn words_stand_for_values() {
        let types = Types(BTreeMap::new());
        let ones = B256::repeat_byte(0xff);
        let rows = [
            ("uint8", json!(255), Some(B256::with_last_byte(255))),
            ("uint8", json!(256), None),
            ("uint256", json!("0x10"), Some(B256::with_last_byte(16))),
            ("uint", json!("16"), Some(B256::with_last_byte(16))),
            ("uint16", json!(-1), None),
            ("int8", json!(-1), Some(ones)),
            ("int8", json!(-128), Some(B256::from(I256::try_from(-128).expect("small").into_raw()))),
            ("int8", json!(128), None),
            ("int8", json!(-129), None),
            ("int7", json!(1), None),
            ("bool", json!(true), Some(B256::with_last_byte(1))),
            ("bytes4", json!("0x01020304"), Some(B256::right_padding_from(&[1, 2, 3, 4]))),
            ("bytes4", json!("0x010203"), None),
            ("bytes33", json!("0x"), None),
            ("bool[2]", json!([true]), None),
            ("bool[]", json!([]), Some(keccak256([]))),
            ("Nothing", json!({}), None),
        ];
        for (kind, value, expected) in rows {
            assert_eq!(types.encode(kind, &value, 0).ok(), expected, "{kind} {value}");
        }
    }

    #[test]
    fn circles_end() {
        let data = json!({
            "types": { "A": [{ "name": "a", "type": "A" }] },
            "primaryType": "A",
            "domain": {},
            "message": { "a": { "a": null } },
        });
        assert!(signing_hash(&data).is_ok());
    }
}
