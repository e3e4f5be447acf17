//! Calls that may change nothing (EIP-214).

use crate::support::{CONTRACT, OTHER, RETURN_TOP, Setup, returns};
use alloy_primitives::Address;
use rialto_vm::Fork;

const INNER: Address = Address::repeat_byte(0x1e);

#[test]
fn what_a_static_frame_may_do() {
    let rows = [
        ("read a slot", "1 SLOAD", true),
        ("read transient storage", "1 TLOAD", true),
        ("look at accounts", "ADDRESS BALANCE CALLER EXTCODESIZE", true),
        ("call without value", "0 0 0 0 0 0xaa 0 CALL", true),
        ("call its own code with value", "0 0 0 0 1 0xaa 0 CALLCODE", true),
        ("delegate", "0 0 0 0 0xaa 0 DELEGATECALL", true),
        ("call statically", "0 0 0 0 0xaa 0 STATICCALL", true),
        ("store", "1 1 SSTORE", false),
        ("store what is there", "0 1 SSTORE", false),
        ("store transiently", "1 1 TSTORE", false),
        ("log", "0 0 LOG0", false),
        ("log 1", "0 0 0 LOG1", false),
        ("log 2", "0 0 0 0 LOG2", false),
        ("log 3", "0 0 0 0 0 LOG3", false),
        ("log 4", "0 0 0 0 0 0 LOG4", false),
        ("call with value", "0 0 0 0 1 0xaa 0 CALL", false),
        ("create", "0 0 0 CREATE", false),
        ("create 2", "0 0 0 0 CREATE2", false),
        ("destroy itself", "0 SELFDESTRUCT", false),
    ];
    let outer = |kind: &str| {
        let value = if kind == "CALL" { "0 " } else { "" };
        format!("0 0 0 0 {value}{OTHER} 200000 {kind}{RETURN_TOP}")
    };
    for (name, code, is_allowed) in rows {
        let setup = |outer: &str| Setup::new(Fork::Cancun, outer).account(OTHER, code).balance(OTHER, 9);
        let run = setup(&outer("STATICCALL")).run();
        assert_eq!(run.end(), returns(u64::from(is_allowed)), "{name}");
        assert!(run.diff.is_empty() && run.logs.is_empty(), "{name}");
        assert_eq!(run.gas_used > 200_000, !is_allowed, "{name}: a violation takes all gas");
        assert_eq!(setup(&outer("CALL")).run().end(), returns(1), "{name}, not static");

        // It holds for what a static frame calls, whatever the kind of call.
        for kind in ["CALL", "CALLCODE", "DELEGATECALL", "STATICCALL"] {
            let value = if kind.starts_with("CALL") { "0 " } else { "" };
            let between = format!("0 0 0 0 {value}{INNER} 100000 {kind}{RETURN_TOP}");
            let code_of_outer = format!("32 0 0 0 {OTHER} 200000 STATICCALL POP 32 0 RETURN");
            let run = Setup::new(Fork::Cancun, &code_of_outer)
                .account(OTHER, &between)
                .account(INNER, code)
                .balance(OTHER, 9)
                .balance(INNER, 9)
                .run();
            assert_eq!(run.end(), returns(u64::from(is_allowed)), "{name}, by {kind}");
            assert!(run.diff.is_empty() && run.logs.is_empty(), "{name}, by {kind}");
        }
    }
}

#[test]
fn it_ends_with_the_call() {
    let code = format!("0 0 0 0 {OTHER} GAS STATICCALL POP 1 1 SSTORE 0 0 LOG0 STOP");
    let run = Setup::new(Fork::Cancun, &code).account(OTHER, "STOP").run();
    assert_eq!((run.halt, run.logs.len()), (None, 1));
    assert_eq!(run.slot(CONTRACT, 1), crate::support::word(1));
}
