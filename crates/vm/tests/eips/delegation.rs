//! Accounts that delegate to another one's code (EIP-7702).

use crate::support::{CONTRACT, End, OTHER, RETURN_TOP, Setup, returns, word};
use alloy_primitives::{Address, Bytes, U256, keccak256};
use rialto_state::Code;
use rialto_vm::{Fork, Halt};

const DELEGATE: Address = Address::repeat_byte(0xde);

fn designator(delegate: Address) -> Bytes {
    Code::delegation(&delegate).bytes().clone()
}

/// CONTRACT runs this code; OTHER delegates to DELEGATE, which has that code.
fn setup(fork: Fork, code: &str, delegate_code: &str) -> Setup {
    Setup::new(fork, code).account_with_code(OTHER, designator(DELEGATE)).account(DELEGATE, delegate_code)
}

#[test]
fn the_delegates_code_runs_on_the_authoritys_state() {
    let run =
        setup(Fork::Prague, &format!("0 0 0 0 0 {OTHER} GAS CALL STOP"), "ADDRESS 1 SSTORE CALLER 2 SSTORE").run();
    assert_eq!(run.slot(OTHER, 1), U256::from_be_slice(OTHER.as_slice()));
    assert_eq!(run.slot(OTHER, 2), U256::from_be_slice(CONTRACT.as_slice()));
    assert_eq!(run.slot(DELEGATE, 1), word(0));
}

#[test]
fn price_of_resolving() {
    let call = |kind: &str| {
        let value = if kind.starts_with("CALL") { "0 " } else { "" };
        format!("0 0 0 0 {value}{OTHER} GAS {kind} POP")
    };
    let words = |kind: &str| if kind.starts_with("CALL") { 21 - 1 } else { 18 - 1 };
    for kind in ["CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"] {
        // First call: account and delegate are cold. Second: both are warm.
        let once = setup(Fork::Prague, &format!("{} STOP", call(kind)), "STOP").run().gas_used;
        assert_eq!(once, words(kind) + 2 + 2 * 2_600, "{kind}, cold");
        let twice = setup(Fork::Prague, &format!("{0} {0} STOP", call(kind)), "STOP").run().gas_used;
        assert_eq!(twice - once, words(kind) + 2 + 2 * 100, "{kind}, warm");
    }
}

#[test]
fn looking_at_a_delegating_account_shows_the_designator() {
    let code = designator(DELEGATE);
    let rows = [
        ("EXTCODESIZE", format!("{OTHER} EXTCODESIZE{RETURN_TOP}"), word(23)),
        ("EXTCODEHASH", format!("{OTHER} EXTCODEHASH{RETURN_TOP}"), U256::from_be_bytes(keccak256(&code).0)),
        ("EXTCODECOPY", format!("23 0 9 {OTHER} EXTCODECOPY 0 MLOAD{RETURN_TOP}"), U256::from_be_slice(&code)),
    ];
    for (name, program, expected) in rows {
        assert_eq!(setup(Fork::Prague, &program, "STOP").run().end(), End::Word(expected), "{name}");
    }
    // The code that runs sees itself as the delegate's.
    let run = setup(
        Fork::Prague,
        &format!("32 0 0 0 0 {OTHER} GAS CALL POP 32 0 RETURN"),
        "CODESIZE ADDRESS EXTCODESIZE MUL 0 MSTORE 32 0 RETURN",
    )
    .run();
    assert_eq!(run.end(), returns(12 * 23));
}

#[test]
fn delegates_of_other_kinds() {
    // What OTHER delegates to, and the answer to a call: success and RETURNDATASIZE.
    let precompile = Address::with_last_byte(4);
    let program = format!("0 0 32 0 0 {OTHER} 50000 CALL 0 MSTORE RETURNDATASIZE 32 MSTORE 64 0 RETURN");
    let rows = [
        ("a contract", DELEGATE, [1, 32]),
        ("nobody", Address::repeat_byte(0x99), [1, 0]),
        ("a precompiled contract, which does not run", precompile, [1, 0]),
        ("itself: designators do not run", OTHER, [0, 0]),
    ];
    for (name, delegate, expected) in rows {
        let setup = setup(Fork::Prague, &program, "32 0 RETURN").account_with_code(OTHER, designator(delegate));
        assert_eq!(setup.run().words(), expected.map(U256::from), "{name}");
    }
    // A chain is followed one step only.
    let chained = setup(Fork::Prague, &program, "").account_with_code(DELEGATE, designator(OTHER));
    assert_eq!(chained.run().words(), [word(0), word(0)], "a chain");
}

#[test]
fn before_prague_a_designator_is_code_that_fails() {
    let program = format!("0 0 0 0 0 {OTHER} 50000 CALL{RETURN_TOP}");
    assert_eq!(setup(Fork::Cancun, &program, "STOP").run().end(), returns(0));
    assert_eq!(setup(Fork::Prague, &program, "STOP").run().end(), returns(1));
}

#[test]
fn short_of_gas_for_the_delegate() {
    let program = format!("0 0 0 0 0 {OTHER} 0 CALL STOP");
    let needed = 21 + 2_600 + 2_600;
    assert_eq!(setup(Fork::Prague, &program, "").gas(needed).run().halt, None);
    assert_eq!(setup(Fork::Prague, &program, "").gas(needed - 1).run().halt, Some(Halt::OutOfGas));
}
