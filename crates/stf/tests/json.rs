//! What the JSON readers accept and refuse, with the place and the value in every message.

mod support;

use alloy_primitives::{Address, B256, Bytes, U256};
use proptest::prelude::*;
use rialto_stf::json::{self, JsonCursor, JsonError, JsonErrorKind};
use rialto_stf::{Signature, Transaction, TxType};
use serde_json::{Value, json};

/// A legacy transaction as JSON-RPC has it.
fn legacy() -> Value {
    json!({
        "type": "0x0", "nonce": "0x1", "gasPrice": "0x2", "gas": "0x5208", "to": null, "value": "0x3", "input": "0x0405",
        "v": "0x26", "r": "0x6", "s": "0x7", "chainId": "0x1", "hash": "ignored"
    })
}

/// Fields to add, replace, or remove where the value is "absent".
type Changes = Vec<(&'static str, Value)>;

/// Nonce, balance, code and number of slots of an account.
type Summary = (u64, u64, &'static [u8], usize);

fn set(mut object: Value, changes: &[(&str, Value)]) -> Value {
    for (name, value) in changes {
        let fields = object.as_object_mut().expect("an object");
        if *value == json!("absent") {
            fields.remove(*name);
        } else {
            fields.insert((*name).to_string(), value.clone());
        }
    }
    object
}

#[test]
fn transactions() {
    let zero = json!("0x0000000000000000000000000000000000000000");
    let base = Transaction {
        chain_id: Some(1),
        nonce: 1,
        gas_price: U256::from(2),
        gas_limit: 21_000,
        value: U256::from(3),
        input: vec![4, 5].into(),
        signature: Signature { y_parity: true, r: U256::from(6), s: U256::from(7) },
        ..Transaction::default()
    };
    let dynamic = [
        ("type", json!("absent")),
        ("gasPrice", json!("0x9")),
        ("maxFeePerGas", json!("0x2")),
        ("maxPriorityFeePerGas", json!("0x1")),
        ("v", json!("0x1")),
    ];
    let blob = [
        ("to", zero.clone()),
        ("maxFeePerBlobGas", json!("0x8")),
        ("blobVersionedHashes", json!([B256::ZERO.to_string()])),
    ];
    let tip = U256::from(1);
    let rows: Vec<(&str, Value, Transaction)> = vec![
        ("legacy", legacy(), base.clone()),
        ("before EIP-155", set(legacy(), &[("v", json!("0x1c"))]), Transaction { chain_id: None, ..base.clone() }),
        (
            "fixture's names and spelling",
            set(
                legacy(),
                &[
                    ("gas", json!("absent")),
                    ("gasLimit", json!("0x005208")),
                    ("input", json!("absent")),
                    ("data", json!("0x0405")),
                    ("to", json!("")),
                    ("type", json!("0x00")),
                ],
            ),
            base.clone(),
        ),
        (
            "access list by its field",
            set(
                legacy(),
                &[("type", json!("absent")), ("accessList", json!([])), ("yParity", json!("0x1")), ("v", json!("0x1"))],
            ),
            Transaction { tx_type: TxType::AccessList, ..base.clone() },
        ),
        (
            "dynamic fee by its field",
            set(legacy(), &dynamic),
            Transaction { tx_type: TxType::DynamicFee, max_priority_fee_per_gas: tip, ..base.clone() },
        ),
        (
            "blob by its field",
            set(set(legacy(), &dynamic), &blob),
            Transaction {
                tx_type: TxType::Blob,
                to: Some(Address::ZERO),
                max_priority_fee_per_gas: tip,
                max_fee_per_blob_gas: U256::from(8),
                blob_versioned_hashes: vec![B256::ZERO],
                ..base.clone()
            },
        ),
        (
            "set code by its field",
            set(set(legacy(), &dynamic), &[("to", zero), ("authorizationList", json!([]))]),
            Transaction { tx_type: TxType::SetCode, to: Some(Address::ZERO), max_priority_fee_per_gas: tip, ..base },
        ),
    ];
    for (name, value, expected) in rows {
        assert_eq!(json::transaction(&JsonCursor::new(&value, "tx")), Ok(expected), "{name}");
    }
}

#[test]
fn refused_transactions() {
    let long = format!("0x{}", "f".repeat(100));
    let rows: Vec<(&str, Changes, &str)> = vec![
        ("absent", vec![("nonce", json!("absent"))], "tx.nonce: expected a value, found nothing"),
        ("absent by both names", vec![("gas", json!("absent"))], "tx.gasLimit: expected a value, found nothing"),
        ("boolean", vec![("nonce", json!(true))], "tx.nonce: expected a quantity, found true"),
        ("object", vec![("nonce", json!({"a": 1}))], "tx.nonce: expected a quantity, found an object of 1 fields"),
        ("negative number", vec![("nonce", json!(-1))], "tx.nonce: expected a number of at least 0, found -1"),
        (
            "negative string",
            vec![("nonce", json!("-0x1"))],
            "tx.nonce: expected a number of at least 0, found \"-0x1\"",
        ),
        (
            "fraction",
            vec![("nonce", json!(1.5))],
            "tx.nonce: expected an integer, in a string if it exceeds 64 bits, found 1.5",
        ),
        ("no 0x", vec![("nonce", json!("12"))], "tx.nonce: expected hex digits after 0x, found \"12\""),
        ("no digits", vec![("nonce", json!("0x"))], "tx.nonce: expected at least one digit, found \"0x\""),
        ("no digit", vec![("nonce", json!("0x1g"))], "tx.nonce: expected hex digits only, found \"0x1g\""),
        (
            "65 bits",
            vec![("nonce", json!("0x10000000000000000"))],
            "tx.nonce: expected an integer of at most 64 bits, found \"0x10000000000000000\"",
        ),
        (
            "absurd",
            vec![("value", json!(long))],
            "tx.value: expected an integer of at most 256 bits, found \"0xfffffffffffffffffffffffffffffffffffffffffffff... (104 characters)",
        ),
        ("odd", vec![("input", json!("0x123"))], "tx.input: expected an even number of hex digits, found \"0x123\""),
        ("bytes without 0x", vec![("input", json!("1234"))], "tx.input: expected hex digits after 0x, found \"1234\""),
        ("two 0x", vec![("input", json!("0x0x12"))], "tx.input: expected hex digits only, found \"0x0x12\""),
        ("bytes of no digits", vec![("input", json!("0xéé"))], "tx.input: expected hex digits only, found \"0xéé\""),
        ("bytes as number", vec![("input", json!(12))], "tx.input: expected a string, found 12"),
        ("short address", vec![("to", json!("0x1234"))], "tx.to: expected 20 bytes instead of 2, found \"0x1234\""),
        ("type 5", vec![("type", json!("0x5"))], "tx.type: expected a type from 0x0 to 0x4, found \"0x5\""),
        (
            "v is 0",
            vec![("v", json!("0x0"))],
            "tx.v: expected 27, 28, or at least 35 with a chain id of at most 64 bits, found \"0x0\"",
        ),
        ("other chain id", vec![("chainId", json!("0x2"))], "tx.chainId: expected what v says, found \"0x2\""),
        ("data and input", vec![("data", json!("0x"))], "tx.input: expected what data says, found \"0x0405\""),
        ("parity 2", vec![("type", json!("0x1")), ("v", json!("0x2"))], "tx.v: expected 0 or 1, found \"0x2\""),
        (
            "two parities",
            vec![("type", json!("0x1")), ("v", json!("0x0")), ("yParity", json!("0x1"))],
            "tx.v: expected what yParity says, found \"0x0\"",
        ),
        (
            "no chain id",
            vec![("type", json!("0x1")), ("v", json!("0x0")), ("chainId", json!("absent"))],
            "tx.chainId: expected a value, found nothing",
        ),
        (
            "access list",
            vec![("type", json!("0x1")), ("accessList", json!([{"address": "0x"}]))],
            "tx.accessList[0].address: expected 20 bytes instead of 0, found \"0x\"",
        ),
    ];
    for (name, changes, expected) in rows {
        let value = set(legacy(), &changes);
        let error = json::transaction(&JsonCursor::new(&value, "tx")).expect_err(name);
        assert_eq!(error.to_string(), expected, "{name}");
    }
}

#[test]
fn states() {
    let address = "0x00000000000000000000000000000000000000aa";
    let account = |value: Value| json!({ address: value });
    let code_hash = "0x8a35acfbc15ff81a39ae7d344fd709f28e8600b4aa8c65c6b64bfe7fe36bd19b";
    let hash_of_5 = alloy_primitives::keccak256([5]).to_string();
    let wrong_hash = format!(
        "{address}.code_hash: expected the hash of the code, found \"{}... (68 characters)",
        &format!("\"{code_hash}\"")[1..48]
    );
    let rows: Vec<(&str, Value, Result<Summary, String>)> = vec![
        ("nothing said", account(json!({})), Ok((0, 0, &[], 0))),
        (
            "fixture",
            account(
                json!({"nonce": "0x01", "balance": "0x02", "code": "0x05", "storage": {"0x00": "0x00", "0x1": "0x02"}}),
            ),
            Ok((1, 2, &[5], 1)),
        ),
        ("genesis", json!({"00000000000000000000000000000000000000aa": {"balance": "12"}}), Ok((0, 12, &[], 0))),
        (
            "archive",
            account(
                json!({"basic": {"nonce": 1, "balance": "0x2"}, "code": {"bytecode": "0x0500", "original_len": 1}, "code_hash": hash_of_5, "storage": {}}),
            ),
            Ok((1, 2, &[5], 0)),
        ),
        (
            "archive without code",
            account(json!({"basic": {"nonce": 1, "balance": "0x2"}, "code": null, "code_hash": null, "storage": {}})),
            Ok((1, 2, &[], 0)),
        ),
        (
            "length beyond the code",
            account(json!({"code": {"bytecode": "0x05", "original_len": 2}})),
            Err(format!("{address}.code.original_len: expected 2 bytes instead of 1, found 2")),
        ),
        ("wrong hash", account(json!({"code": "0x05", "code_hash": code_hash})), Err(wrong_hash)),
        (
            "short address",
            json!({"0xaa": {}}),
            Err("0xaa: expected 20 bytes instead of 1, found the key \"0xaa\"".into()),
        ),
        (
            "one address twice",
            json!({address: {}, &address[2..]: {}}),
            Err(format!("{address}: expected each key once, found the key \"{address}\"")),
        ),
        (
            "one slot twice",
            account(json!({"storage": {"0x1": "0x1", "0x01": "0x2"}})),
            Err(format!("{address}.storage.0x1: expected each key once, found the key \"0x1\"")),
        ),
        (
            "balance in decimal fraction",
            account(json!({"balance": "1.5"})),
            Err(format!("{address}.balance: expected an integer, in a string if it exceeds 64 bits, found \"1.5\"")),
        ),
        (
            "balance without 0x",
            account(json!({"balance": "1f"})),
            Err(format!("{address}.balance: expected hex digits after 0x, found \"1f\"")),
        ),
        ("not an object", json!([]), Err("expected an object, found an array of 0 items".into())),
    ];
    for (name, value, expected) in rows {
        let found = json::alloc(&JsonCursor::new(&value, "")).map_err(|error| error.to_string());
        let found = found.map(|accounts| {
            let account = accounts.values().next().expect("one account").clone();
            (account.nonce, account.balance.to::<u64>(), account.code, account.storage.len())
        });
        let expected = expected.map(|(nonce, balance, code, slots)| (nonce, balance, Bytes::from_static(code), slots));
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn headers() {
    let hash = B256::repeat_byte(1).to_string();
    let header = json!({
        "parentHash": hash, "sha3Uncles": hash, "miner": "0x0000000000000000000000000000000000000000", "stateRoot": hash,
        "transactionsRoot": hash, "receiptsRoot": hash, "logsBloom": format!("0x{}", "00".repeat(256)),
        "difficulty": "0x0", "number": "0x1", "gasLimit": "0x2", "gasUsed": "0x0", "timestamp": "0x3", "extraData": "0x",
        "mixHash": hash, "nonce": "0x0000000000000000", "baseFeePerGas": "0x7", "withdrawalsRoot": null
    });
    let rows: Vec<(&str, Changes, &str)> = vec![
        ("London", vec![], ""),
        (
            "nonce too short",
            vec![("nonce", json!("0x00"))],
            "header.nonce: expected 8 bytes instead of 1, found \"0x00\"",
        ),
        ("no beneficiary", vec![("miner", json!("absent"))], "header.coinbase: expected a value, found nothing"),
        ("gap", vec![("blobGasUsed", json!("0x0"))], "header.withdrawalsRoot: expected a value, found nothing"),
        (
            "base fee too wide",
            vec![("baseFeePerGas", json!("0x10000000000000000"))],
            "header.baseFeePerGas: expected an integer of at most 64 bits, found \"0x10000000000000000\"",
        ),
    ];
    for (name, changes, expected) in rows {
        let value = set(header.clone(), &changes);
        let found = json::header(&JsonCursor::new(&value, "header"));
        assert_eq!(found.err().map(|error| error.to_string()).unwrap_or_default(), expected, "{name}");
    }
}

#[test]
fn block_hashes() {
    let hash = B256::repeat_byte(3).to_string();
    let rows: [(&str, Value, Result<usize, &str>); 4] = [
        ("two", json!({"12": hash, "13": hash}), Ok(2)),
        ("hex number", json!({"0x12": hash}), Err("hashes.0x12: expected a decimal number, found the key \"0x12\"")),
        (
            "too large",
            json!({"99999999999999999999": hash}),
            Err(
                "hashes.99999999999999999999: expected an integer of at most 64 bits, found the key \"99999999999999999999\"",
            ),
        ),
        ("short hash", json!({"12": "0x12"}), Err("hashes.12: expected 32 bytes instead of 1, found \"0x12\"")),
    ];
    for (name, value, expected) in rows {
        let found = json::block_hashes(&JsonCursor::new(&value, "hashes"));
        assert_eq!(
            found.map(|hashes| hashes.len()).map_err(|error| error.to_string()),
            expected.map_err(Into::into),
            "{name}"
        );
    }
}

#[test]
fn not_json() {
    let error = json::parse(b"{\"a\":\n 1,}").expect_err("a trailing comma");
    assert_eq!(*error.kind(), JsonErrorKind::Syntax { line: 2, column: 4 });
    assert!(error.to_string().starts_with("expected JSON at line 2, column 4, found "), "{error}");
}

/// Values that occur in the forms read here, and some that must not.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(0x)?[0-9a-fg]{0,70}".prop_map(Value::from),
        Just(json!("0x0000000000000000000000000000000000000000")),
        Just(json!(B256::ZERO.to_string())),
        Just(json!("0x1")),
    ];
    let names = prop_oneof![
        Just("nonce"),
        Just("type"),
        Just("gas"),
        Just("gasPrice"),
        Just("to"),
        Just("value"),
        Just("input"),
        Just("v"),
        Just("r"),
        Just("s"),
        Just("chainId"),
        Just("accessList"),
        Just("address"),
        Just("storageKeys"),
        Just("logs"),
        Just("transactions"),
        Just("basic"),
        Just("code"),
        Just("storage"),
        Just("balance"),
        Just("status"),
        Just("0x1"),
    ];
    leaf.prop_recursive(4, 60, 12, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(names.clone().prop_map(String::from), inner, 0..12)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    /// No document makes a reader panic, and every refusal says what was found.
    #[test]
    fn arbitrary_documents(value in values()) {
        let cursor = JsonCursor::new(&value, "root");
        let errors: Vec<JsonError> = [
            json::block(&cursor).err(),
            json::header(&cursor).err(),
            json::transaction(&cursor).err(),
            json::unsigned_transaction(&cursor).err(),
            json::access_list(&cursor).err(),
            json::authorization_list(&cursor).err(),
            json::receipt(&cursor).err(),
            json::withdrawal(&cursor).err(),
            json::block_access_list(&cursor).err(),
            json::alloc(&cursor).err(),
            json::block_hashes(&cursor).err(),
        ]
        .into_iter()
        .flatten()
        .collect();
        for error in errors {
            prop_assert!(error.path().starts_with("root"), "{}", error);
            prop_assert!(error.to_string().contains(", found "), "{}", error);
        }
    }
}
