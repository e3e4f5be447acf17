//! The RLP reader and writer: the published vectors, and every rule of canonical form by itself.

mod support;

use alloy_primitives::U512;
use proptest::prelude::*;
use rialto_stf::{DecodeError, RlpReader, RlpWriter};
use serde_json::Value;
use support::{unhex, visit_json};

/// Opens every list and string down to the leaves. The stack is explicit, so nesting can't exhaust the host's.
fn walk(bytes: &[u8]) -> Result<(), DecodeError> {
    let mut reader = RlpReader::new(bytes);
    let mut open = Vec::new();
    if reader.next_is_list() {
        open.push(reader.list()?);
    } else {
        reader.string()?;
    }
    reader.end()?;
    while let Some(mut list) = open.pop() {
        if list.is_empty() {
            continue;
        }
        let child = if list.next_is_list() { Some(list.list()?) } else { list.string().map(|_| None)? };
        open.push(list);
        open.extend(child);
    }
    Ok(())
}

/// Writes a vector's value: a string, a number, a decimal number after `#`, or a list of such.
fn write(writer: &mut RlpWriter, value: &Value) {
    match value {
        Value::String(text) => match text.strip_prefix('#') {
            Some(digits) => {
                let number = U512::from_str_radix(digits, 10).expect("a decimal number");
                writer.string(&number.to_be_bytes_trimmed_vec());
            }
            None => writer.string(text.as_bytes()),
        },
        Value::Number(number) => writer.u64(number.as_u64().expect("a natural number")),
        Value::Array(items) => writer.list(|list| items.iter().for_each(|item| write(list, item))),
        other => panic!("not a vector's value: {other}"),
    }
}

#[test]
fn published_vectors() {
    let mut rows = 0;
    let select = |name: &str, _| name.contains("RLPTests/");
    let found = visit_json("ethereum-tests-basic.tar.zst", select, |file, vectors| {
        for (name, vector) in vectors.as_object().expect("an object of vectors") {
            let encoded = unhex(vector["out"].as_str().expect("out is a string"));
            match &vector["in"] {
                Value::String(text) if text == "INVALID" => {
                    assert!(walk(&encoded).is_err(), "{file}, {name}: accepted");
                }
                Value::String(text) if text == "VALID" => {
                    assert_eq!(walk(&encoded), Ok(()), "{file}, {name}");
                }
                value => {
                    let mut writer = RlpWriter::new();
                    write(&mut writer, value);
                    assert_eq!(writer.into_bytes(), encoded, "{file}, {name}");
                    assert_eq!(walk(&encoded), Ok(()), "{file}, {name}");
                }
            }
            rows += 1;
        }
    });
    assert!(!found || rows > 50, "only {rows} vectors found");
}

#[test]
fn refusals() {
    type Read = fn(&mut RlpReader<'_>) -> Result<(), DecodeError>;
    let string: Read = |reader| reader.string().map(drop);
    let list: Read = |reader| reader.list().map(drop);
    let u64: Read = |reader| reader.u64().map(drop);
    let u256: Read = |reader| reader.u256().map(drop);
    let bool: Read = |reader| reader.bool().map(drop);
    let b256: Read = |reader| reader.b256().map(drop);
    let rows: &[(&str, &str, Read, &str)] = &[
        ("nothing", "", string, "expected an item, found the end (at byte 0)"),
        ("short string cut", "83aabb", string, "expected 3 bytes, found only 2 (at byte 0)"),
        ("long string cut", "b838aabb", string, "expected 56 bytes, found only 2 (at byte 0)"),
        ("length cut", "b938", string, "expected 2 bytes, found only 1 (at byte 0)"),
        (
            "length of 2^64-1",
            "bfffffffffffffffff00",
            string,
            "expected 18446744073709551615 bytes, found only 1 (at byte 0)",
        ),
        (
            "length with zeros",
            "b90038",
            string,
            "expected a length without leading zeros, found a zero byte first (at byte 0)",
        ),
        (
            "long form for short",
            "b83700",
            string,
            "expected a length of at least 56 after a long prefix, found 55 (at byte 0)",
        ),
        (
            "long list for short",
            "f80100",
            list,
            "expected a length of at least 56 after a long prefix, found 1 (at byte 0)",
        ),
        ("prefixed byte", "817f", string, "expected byte 0x7f without a prefix, found it prefixed by 0x81 (at byte 0)"),
        ("list for string", "c20102", string, "expected a byte string, found a list of 2 bytes (at byte 0)"),
        ("string for list", "820102", list, "expected a list, found a byte string of 2 bytes (at byte 0)"),
        (
            "zero byte as integer",
            "00",
            u64,
            "expected an integer without leading zeros, found a zero byte first (at byte 0)",
        ),
        (
            "leading zero",
            "820001",
            u64,
            "expected an integer without leading zeros, found a zero byte first (at byte 0)",
        ),
        ("72 bits", "89010000000000000000", u64, "expected an integer of at most 8 bytes, found 9 bytes (at byte 0)"),
        (
            "264 bits",
            "a1010000000000000000000000000000000000000000000000000000000000000000",
            u256,
            "expected an integer of at most 32 bytes, found 33 bytes (at byte 0)",
        ),
        ("boolean 2", "02", bool, "expected 0 or 1, found 2 (at byte 0)"),
        ("short hash", "820102", b256, "expected 32 bytes, found 2 (at byte 0)"),
    ];
    for (name, input, read, expected) in rows {
        let bytes = unhex(input);
        let error = read(&mut RlpReader::new(&bytes)).expect_err(name);
        assert_eq!(error.to_string(), *expected, "{name}");
    }
}

#[test]
fn left_over_bytes() {
    let bytes = unhex("8201020304");
    let mut reader = RlpReader::new(&bytes);
    assert_eq!(reader.string(), Ok(&bytes[1..3]));
    let error = reader.end().expect_err("two bytes are left");
    assert_eq!(error.to_string(), "expected the end, found 2 more bytes (at byte 3)");
}

proptest! {
    #[test]
    fn strings_survive(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut writer = RlpWriter::new();
        writer.string(&bytes);
        let encoded = writer.into_bytes();
        let mut reader = RlpReader::new(&encoded);
        prop_assert_eq!(reader.string().unwrap(), &bytes[..]);
        prop_assert!(reader.is_empty());
    }

    #[test]
    fn integers_survive(low in any::<u64>(), wide in any::<u128>(), shift in 0..64_u32, bytes in any::<[u8; 32]>()) {
        let (low, wide) = (low >> shift, wide >> shift);
        let word = alloy_primitives::U256::from_be_bytes(bytes) >> (4 * shift as usize);
        let mut writer = RlpWriter::new();
        writer.list(|list| {
            list.u64(low);
            list.u128(wide);
            list.u256(&word);
        });
        let encoded = writer.into_bytes();
        let mut list = RlpReader::new(&encoded).list().unwrap();
        prop_assert_eq!((list.u64().unwrap(), list.u128().unwrap(), list.u256().unwrap()), (low, wide, word));
        prop_assert_eq!(list.end(), Ok(()));
    }

    /// Reading never panics, and what is read as one item is read whole.
    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _ = walk(&bytes);
        let mut reader = RlpReader::new(&bytes);
        if let Ok(item) = reader.raw_item() {
            prop_assert_eq!(item.len() + reader.rest().len(), bytes.len());
            prop_assert_eq!(item.len(), reader.offset());
        }
    }
}
