//! Transient storage (EIP-1153).

use crate::support::{CONTRACT, End, OTHER, RETURN_TOP, Setup, gas_of, returns, top};
use rialto_vm::{Fork, Halt};

#[test]
fn within_a_frame() {
    let rows = [
        ("unset", "5 TLOAD", 0),
        ("set", "7 5 TSTORE 5 TLOAD", 7),
        ("set again", "7 5 TSTORE 8 5 TSTORE 5 TLOAD", 8),
        ("cleared", "7 5 TSTORE 0 5 TSTORE 5 TLOAD", 0),
        ("another key", "7 5 TSTORE 6 TLOAD", 0),
        ("two keys", "7 5 TSTORE 2 6 TSTORE 5 TLOAD 6 TLOAD MUL", 14),
        ("apart from storage", "7 5 TSTORE 5 SLOAD", 0),
        ("and storage from it", "7 5 SSTORE 5 TLOAD", 0),
    ];
    for (name, code, expected) in rows {
        assert_eq!(top(Fork::Cancun, code), returns(expected), "{name}");
    }
}

#[test]
fn prices() {
    assert_eq!(gas_of(Fork::Cancun, "1 1 TSTORE"), 106);
    assert_eq!(gas_of(Fork::Cancun, "1 1 TSTORE 0 1 TSTORE 0 1 TSTORE"), 318, "no refund, no discount");
    assert_eq!(gas_of(Fork::Cancun, "1 TLOAD"), 103);
    // No 2,300 gas are needed, unlike for SSTORE.
    assert_eq!(Setup::new(Fork::Cancun, "1 1 TSTORE").gas(106).run().halt, None);
    assert_eq!(Setup::new(Fork::Cancun, "1 1 TSTORE").gas(105).run().halt, Some(Halt::OutOfGas));
}

#[test]
fn across_frames() {
    // The callee sets slot 5 to 9 and ends; the caller then reads its own slot 5.
    let rows = [
        ("another account's", "CALL", "STOP", 0),
        ("by delegate call", "DELEGATECALL", "STOP", 9),
        ("by code call", "CALLCODE", "STOP", 9),
        ("reverted", "DELEGATECALL", "0 0 REVERT", 0),
        ("failed", "DELEGATECALL", "INVALID", 0),
    ];
    for (name, kind, end, expected) in rows {
        let value = if kind.starts_with("CALL") { "0 " } else { "" };
        let code = format!("0 0 0 0 {value}{OTHER} 50000 {kind} POP 5 TLOAD{RETURN_TOP}");
        let run = Setup::new(Fork::Cancun, &code).account(OTHER, &format!("9 5 TSTORE {end}")).run();
        assert_eq!(run.end(), returns(expected), "{name}");
        assert!(run.diff.is_empty(), "{name}");
    }
}

#[test]
fn a_reentered_account_sees_its_own() {
    // With call data it answers with its slot, without it sets the slot and calls itself.
    let code = format!(
        "CALLDATASIZE @read JUMPI 9 5 TSTORE 32 0 1 0 0 {CONTRACT} GAS CALL POP 32 0 RETURN :read 5 TLOAD{RETURN_TOP}"
    );
    assert_eq!(Setup::new(Fork::Cancun, &code).run().end(), returns(9));
}

#[test]
fn the_transaction_ends_it() {
    let code = format!("5 TLOAD 9 5 TSTORE{RETURN_TOP}");
    let ends: Vec<End> = Setup::new(Fork::Cancun, &code).run_all(&[], 2).iter().map(|run| run.end()).collect();
    assert_eq!(ends, [returns(0), returns(0)]);
}
