//! Return data of calls (EIP-211).

use crate::support::{End, OTHER, Setup, word};
use rialto_vm::{Fork, Halt};

/// The callee answers with 64 bytes: 0x11 and 0x22 in the words' last bytes.
const ANSWERS: &str = "0x11 0 MSTORE 0x22 32 MSTORE 64 0 RETURN";

fn run(code: &str, callee: &str) -> crate::support::Run {
    Setup::new(Fork::Byzantium, code).account(OTHER, callee).run()
}

fn call() -> String {
    format!("0 0 0 0 0 {OTHER} 100000 CALL POP")
}

#[test]
fn bounds_of_copying() {
    // target, source, length: 64 bytes are there
    let rows = [
        ("all", "64 0 0", true),
        ("the last byte", "1 63 0", true),
        ("nothing at the end", "0 64 0", true),
        ("nothing behind the end", "0 65 0", false),
        ("a byte too many", "65 0 0", false),
        ("a byte behind", "1 64 0", false),
        ("an offset that wraps", "1 0xffffffffffffffff 0", false),
        ("a sum that wraps", "0xffffffffffffffff 1 0", false),
        (
            "a sum that wraps in 256 bits",
            "2 0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff 0",
            false,
        ),
        ("a long offset", "0 0x10000000000000000 0", false),
    ];
    for (name, words, is_inside) in rows {
        let halt = run(&format!("{} {words} RETURNDATACOPY", call()), ANSWERS).halt;
        assert_eq!(halt, (!is_inside).then_some(Halt::ReturnDataOutOfBounds), "{name}");
    }
    let copied = run(&format!("{} 40 24 0 RETURNDATACOPY 64 0 RETURN", call()), ANSWERS).words();
    assert_eq!(copied, [word(0x11) << 192, word(0x22) << 192]);
}

#[test]
fn what_is_in_it() {
    let caller = |between: &str| format!("{} {between} RETURNDATASIZE 0 MSTORE 32 0 RETURN", call());
    // name, callee, what comes between the call and RETURNDATASIZE, size
    let nobody = "0 0 0 0 0 0xaaaa 0 CALL POP";
    let rows = [
        ("returned", ANSWERS, "", 64),
        ("reverted", "33 0 REVERT", "", 33),
        ("stopped", "STOP", "", 0),
        ("fell off the end", "0 POP", "", 0),
        ("failed", "33 0 MSTORE INVALID", "", 0),
        ("destroyed itself", "0 SELFDESTRUCT", "", 0),
        ("a call to nobody clears it", ANSWERS, nobody, 0),
        ("a creation clears it", ANSWERS, "0 0 0 CREATE POP", 0),
        ("a poor call clears it", ANSWERS, "0 0 0 0 9 0xaaaa 0 CALL POP", 0),
        ("identity fills it", "STOP", "0 0 7 0 0 4 100 CALL POP", 7),
        ("a failed precompiled contract clears it", ANSWERS, "0 0 7 0 0 4 1 CALL POP", 0),
        ("memory and storage leave it", ANSWERS, "1 1 SSTORE 1 1 MSTORE 0 SLOAD POP", 64),
    ];
    for (name, callee, between, expected) in rows {
        assert_eq!(run(&caller(between), callee).end(), End::Word(word(expected)), "{name}");
    }
    assert_eq!(run("RETURNDATASIZE 0 MSTORE 32 0 RETURN", "").end(), End::Word(word(0)), "before any call");
}

#[test]
fn a_callee_begins_with_none() {
    let callee = "RETURNDATASIZE 0 MSTORE 32 0 RETURN";
    let code = format!("0 0 7 0 0 4 100 CALL POP 32 0 0 0 0 {OTHER} 100000 CALL POP 32 0 RETURN");
    assert_eq!(run(&code, callee).end(), End::Word(word(0)));
}
