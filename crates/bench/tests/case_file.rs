//! Case files: what a good one does, and how bad ones are refused.

use alloy_primitives::{B256, U256};
use rialto_bench::{BenchError, Engine, RevmCase, RialtoCase, SENDER, TARGET, compare, parse_case_file};

fn parse(text: &str) -> Result<rialto_bench::Case, BenchError> {
    parse_case_file("case.json", text.as_bytes())
}

#[test]
fn code_runs_with_its_input_storage_and_accounts() {
    // Returns calldata word 0 + slot 1 + balance of account 0xaa.
    let text = r#"{"name": "sum", "gas_limit": 100000,
        "code": "0x6001545f350173000000000000000000000000000000000000aaaa31015f5260205ff3",
        "input": "0x0000000000000000000000000000000000000000000000000000000000000007",
        "storage": {"0x01": "0x20"},
        "accounts": {"0x000000000000000000000000000000000000aaaa": {"balance": "0x300", "code": "0x00", "storage": {"0x5": "0x6"}}}}"#;
    let case = parse(text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((case.name.as_str(), case.transactions[0].transaction.gas_limit), ("sum", 100_000));
    let (rialto, revm) = (RialtoCase::new(&case), RevmCase::new(&case));
    compare(&case, &rialto, &revm).unwrap_or_else(|error| panic!("{error}"));
    let results = rialto.results().unwrap_or_else(|error| panic!("{error}"));
    assert!(results[0].success);
    assert_eq!(results[0].output.as_ref(), B256::from(U256::from(0x327)).as_slice());
}

#[test]
fn bad_files_are_refused_with_the_field() {
    let good = r#"{"name": "x", "code": "0x00", "input": "0x", "gas_limit": "0x10000"}"#;
    assert!(parse(good).is_ok());
    let with = |from: &str, to: &str| good.replacen(from, to, 1);
    let account = |account: &str| with("\"0x10000\"", &format!("\"0x10000\", \"accounts\": {account}"));
    let rows = [
        ("not JSON", "{".to_string(), "line 1"),
        ("not an object", "[]".into(), "expected an object"),
        ("no name", with("\"name\": \"x\", ", ""), "name: expected a value, found nothing"),
        ("name not a string", with("\"x\"", "1"), "name: expected a string, found 1"),
        ("no code", with("\"code\"", "\"input_\""), "input_"),
        ("odd code", with("0x00", "0x0"), "code: expected an even number of hex digits"),
        ("code without 0x", with("0x00", "00"), "code: expected hex digits after 0x"),
        ("negative gas", with("\"0x10000\"", "-1"), "gas_limit: expected a number of at least 0, found -1"),
        ("fractional gas", with("\"0x10000\"", "1.5"), "gas_limit"),
        ("too much gas", with("0x10000", "0x10000000000000000"), "gas_limit: expected an integer of at most 64 bits"),
        ("misspelt field", with("\"input\": \"0x\"", "\"input\": \"0x\", \"storages\": {}"), "storages"),
        ("storage not an object", with("0x10000\"", "0x10000\", \"storage\": []"), "storage: expected an object"),
        ("slot not a number", with("0x10000\"", "0x10000\", \"storage\": {\"a\": \"0x1\"}"), "storage.a"),
        ("short address", account(r#"{"0xaa": {}}"#), "accounts.0xaa"),
        (
            "misspelt account field",
            account(r#"{"0x000000000000000000000000000000000000aaaa": {"nonces": 1}}"#),
            "nonces",
        ),
        ("target taken", account(&format!("{{\"{TARGET}\": {{}}}}")), "where the case's code is put"),
        ("sender taken", account(&format!("{{\"{SENDER}\": {{}}}}")), "where the case's"),
    ];
    for (name, text, expected) in rows {
        match parse(&text) {
            Ok(_) => panic!("{name}: accepted {text}"),
            Err(error) => assert!(error.to_string().contains(expected), "{name}: {error}"),
        }
    }
}

#[test]
fn a_gas_limit_above_osaka_s_bound_is_taken() {
    // JUMPDEST, 0 and JUMP until 20,000,000 gas are used up.
    let case = parse(r#"{"name": "loop", "code": "0x5b5f56", "input": "0x", "gas_limit": 20000000}"#).unwrap();
    let gas = compare(&case, &RialtoCase::new(&case), &RevmCase::new(&case));
    assert_eq!(gas.unwrap_or_else(|error| panic!("{error}")), 20_000_000);
}

#[test]
fn gas_below_the_intrinsic_cost_is_an_engine_s_error() {
    let case = parse(r#"{"name": "poor", "code": "0x00", "input": "0x", "gas_limit": 20999}"#).unwrap();
    for results in [RevmCase::new(&case).results(), RialtoCase::new(&case).results()] {
        let error = results.unwrap_err();
        assert!(matches!(&error, BenchError::Rejected { case, transaction: 0, .. } if case == "poor"), "{error}");
    }
}
