//! Calls and estimates on a small state.

use super::super::estimate::estimate;
use super::call;
use crate::RpcError;
use crate::json::FromJson;
use crate::simulation::{BlockOverrides, CallArgs, CallEnvironment, Overlay, StateOverrides};
use alloy_primitives::{Address, B256, Bytes, U256, address, hex};
use rialto_state::{MemoryState, StateReader};
use rialto_stf::{ChainSpec, Header};
use rialto_vm::Fork;
use serde_json::{Value, json};

const CALLER: Address = address!("00000000000000000000000000000000000000aa");
const TARGET: Address = address!("00000000000000000000000000000000000000c0");
const GAS_CAP: u64 = 50_000_000;

/// Runs `ask` with the target's code, overrides of state and block.
fn ask<T>(
    code: &str,
    overrides: Value,
    block: Value,
    ask: impl FnOnce(&CallEnvironment<'_>) -> Result<T, RpcError>,
) -> Result<T, RpcError> {
    let mut state = MemoryState::default();
    let code = Bytes::from(hex::decode(code).expect("hex"));
    state.insert_account(CALLER, 0, U256::from(1_000_000u64), Bytes::new(), []);
    let slots = [(U256::from(1), U256::from(11)), (U256::from(2), U256::from(22))];
    state.insert_account(TARGET, 1, U256::ZERO, code, slots);
    state.insert_block_hash(8, B256::repeat_byte(8));
    let header = Header {
        number: 9,
        timestamp: 1,
        gas_limit: 30_000_000,
        base_fee_per_gas: Some(7),
        excess_blob_gas: Some(0),
        ..Header::default()
    };
    let spec = ChainSpec::of_fork(Fork::Osaka, 1);
    let overrides = StateOverrides::from_json(&overrides).expect("overrides of the state");
    let block = BlockOverrides::from_json(&block).expect("overrides of the block");
    let overlay = Overlay::new(&state, 9);
    ask(&CallEnvironment::new(&spec, header, overlay, Some(&overrides), Some(&block))?)
}

fn args(mut fields: Value) -> CallArgs {
    fields["from"] = json!(CALLER);
    if fields.get("to").is_none() {
        fields["to"] = json!(TARGET);
    }
    CallArgs::from_json(&fields).expect("a call")
}

/// Returns the word that this code leaves on the stack.
fn word_of(code: &str) -> String {
    format!("{code}60005260206000f3")
}

#[test]
fn calls_see_what_is_supposed() {
    let slot = |number: u64| format!("0x{number:064x}");
    let target = TARGET.to_string();
    let rows: [(&str, String, Value, Value, Value, u64); 12] = [
        ("state as it is", word_of("600154"), json!({}), json!({}), json!({}), 11),
        (
            "one slot",
            word_of("600154"),
            json!({ &target: { "stateDiff": { slot(2): slot(1) } } }),
            json!({}),
            json!({}),
            11,
        ),
        (
            "all slots",
            word_of("600154"),
            json!({ &target: { "state": { slot(2): slot(1) } } }),
            json!({}),
            json!({}),
            0,
        ),
        ("balance", word_of("47"), json!({ &target: { "balance": "0x5" } }), json!({}), json!({}), 5),
        (
            "code",
            word_of("47"),
            json!({ &target: { "code": format!("0x{}", word_of("6009")) } }),
            json!({}),
            json!({}),
            9,
        ),
        ("number", word_of("43"), json!({}), json!({ "number": "0x63" }), json!({}), 99),
        ("time", word_of("42"), json!({}), json!({ "time": "0x64" }), json!({}), 100),
        ("gas limit", word_of("45"), json!({}), json!({ "gasLimit": "0x65" }), json!({}), 101),
        ("no price, no base fee", word_of("48"), json!({}), json!({}), json!({}), 0),
        (
            "a price and the base fee",
            word_of("48"),
            json!({}),
            json!({}),
            json!({ "gasPrice": "0x9", "gas": "0x186a0" }),
            7,
        ),
        (
            "the price that is paid",
            word_of("3a"),
            json!({}),
            json!({}),
            json!({ "maxFeePerGas": "0x9", "gas": "0x186a0" }),
            7,
        ),
        ("blocks to come have no hash", word_of("600a40"), json!({}), json!({ "number": "0xc" }), json!({}), 0),
    ];
    for (name, code, overrides, block, fields, expected) in rows {
        let found = ask(&code, overrides, block, |environment| call(environment, &args(fields), GAS_CAP));
        assert_eq!(found.map(|bytes| U256::from_be_slice(&bytes)), Ok(U256::from(expected)), "{name}");
    }
}

#[test]
fn precompiled_contracts_move() {
    let identity = address!("0000000000000000000000000000000000000004");
    let elsewhere = address!("0000000000000000000000000000000000123456");
    let moved = || json!({ identity.to_string(): { "movePrecompileToAddress": elsewhere } });
    let of = |to: Address, overrides: Value| {
        let fields = json!({ "to": to, "input": "0x0102" });
        ask("", overrides, json!({}), |environment| call(environment, &args(fields), GAS_CAP))
    };
    assert_eq!(of(elsewhere, moved()), Ok(Bytes::from_static(&[1, 2])), "where it was moved to");
    assert_eq!(of(identity, moved()), Ok(Bytes::new()), "where it was");
    let code = json!({ identity.to_string(): { "code": format!("0x{}", word_of("6009")) } });
    assert_eq!(of(identity, code).map(|bytes| bytes[31]), Ok(9), "code in its place");
    let twice = json!({
        identity.to_string(): { "movePrecompileToAddress": elsewhere }, elsewhere.to_string(): { "nonce": "0x1" },
    });
    for (name, overrides) in [
        ("no precompile", json!({ TARGET.to_string(): { "movePrecompileToAddress": elsewhere } })),
        ("target is overridden too", twice),
        ("both kinds of slots", json!({ TARGET.to_string(): { "state": {}, "stateDiff": {} } })),
    ] {
        assert_eq!(of(identity, overrides).map_err(|error| error.code), Err(-32000), "{name}");
    }
}

#[test]
fn failures_are_told_as_geth_tells_them() {
    let rows = [
        ("revert", "60006000fd", json!({}), 3, "execution reverted"),
        ("no opcode", "0c", json!({}), -32000, "invalid opcode: opcode 0xc not defined"),
        ("out of gas", "5b600056", json!({}), -32000, "out of gas"),
        (
            "no funds",
            "",
            json!({ "value": "0xf4241" }),
            -32000,
            "err: insufficient funds for gas * price + value: address 0x00000000000000000000000000000000000000AA \
             have 1000000 want 1000001 (supplied gas 50000000)",
        ),
        (
            "too little gas",
            "",
            json!({ "gas": "0x1" }),
            -32000,
            "err: intrinsic gas too low: have 1, want 21000 (supplied gas 1)",
        ),
        (
            "two kinds of price",
            "",
            json!({ "gasPrice": "0x1", "maxFeePerGas": "0x1" }),
            -32000,
            "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified",
        ),
        ("another chain", "", json!({ "chainId": "0x2" }), -32000, "chainId does not match node's (have=2, want=1)"),
    ];
    for (name, code, fields, expected_code, message) in rows {
        let found = ask(code, json!({}), json!({}), |environment| call(environment, &args(fields), GAS_CAP));
        let error = found.expect_err(name);
        assert_eq!((error.code, error.message.as_str()), (expected_code, message), "{name}");
    }
}

#[test]
fn estimates_are_enough_and_not_much_more() {
    let inner = "5b5a6161a810600057"; // burns gas down to 25,000
    let rows = [
        ("transfer", "", json!({ "to": CALLER, "value": "0x1" }), Ok(21_000)),
        ("a fresh slot", "6001600755", json!({}), Ok(21_000 + 6 + 22_100)),
        ("a slot that is cleared: the refund is not there beforehand", "6000600155", json!({}), Ok(21_000 + 6 + 5_000)),
        ("revert", "60006000fd", json!({}), Err(3)),
        ("for ever", "5b600056", json!({}), Err(-32000)),
        ("more ether than there is", "", json!({ "value": "0xf4241", "gasPrice": "0x7" }), Err(-32000)),
        ("as much gas as wanted", inner, json!({ "gas": "0x30d40" }), Ok(0)),
    ];
    for (name, code, fields, expected) in rows {
        let found = ask(code, json!({}), json!({}), |environment| {
            let gas = estimate(environment, &args(fields.clone()), GAS_CAP)?;
            let with = |gas: u64| {
                let mut fields = fields.clone();
                fields["gas"] = json!(format!("{gas:#x}"));
                call(environment, &args(fields), GAS_CAP).map(drop)
            };
            with(gas).map(|()| gas)
        });
        match (found, expected) {
            (Ok(_), Ok(0)) => {}
            (Ok(found), Ok(least)) => {
                let most = least + least * 2 / 100;
                assert!((least..=most).contains(&found), "{name}: expected {least} to {most}, found {found}");
            }
            (found, expected) => assert_eq!(found.map_err(|error| error.code), expected, "{name}"),
        }
    }
}

#[test]
fn overlays_merge_what_they_are_told() {
    let mut state = MemoryState::default();
    state.insert_account(TARGET, 1, U256::from(5), Bytes::new(), [(U256::from(1), U256::from(11))]);
    let mut overlay = Overlay::new(&state, 9);
    let change = StateOverrides::from_json(&json!({
        TARGET.to_string(): { "state": { format!("0x{:064x}", 2): format!("0x{:064x}", 3) }, "nonce": "0x9" },
    }));
    let rules = ChainSpec::of_fork(Fork::Osaka, 1).rules_at(9, 1);
    change.expect("overrides").apply(&mut overlay, rules).expect("applies");
    let slot = |number: u64| overlay.storage(&TARGET, &U256::from(number)).expect("in memory");
    assert_eq!((slot(1), slot(2)), (U256::ZERO, U256::from(3)));
    assert_eq!(overlay.account(&TARGET).expect("in memory").map(|account| account.nonce), Some(9));
    assert_eq!(overlay.has_storage(&TARGET), Ok(true));
    assert_eq!(overlay.block_hash(9), Ok(B256::ZERO), "no block yet");
    assert_eq!(overlay.block_hash(3), Ok(B256::ZERO), "not known below either");
}
