//! What calls pass on and cost (EIP-150, EIP-161, EIP-2929), what they refuse, and how deep they go.

use crate::support::{CONTRACT, End, OTHER, RETURN_TOP, Setup, returns, word};
use alloy_primitives::{Address, U256};
use rialto_vm::{Fork, Halt};

/// Answers with the gas it has after its first opcode.
const TELLS_GAS: &str = "GAS 0 MSTORE 32 0 RETURN";

/// Calls OTHER with this much gas and value; answers with what it answered.
fn call_other(kind: &str, gas: &str, value: Option<u64>) -> String {
    let value = value.map(|value| value.to_string()).unwrap_or_default();
    format!("32 0 0 0 {value} {OTHER} {gas} {kind} POP 32 0 RETURN")
}

#[test]
fn a_callee_gets_at_most_63_of_64() {
    let all = u64::MAX;
    // kind, gas asked for, value, fork, costs before the split
    let rows = [
        ("CALL", all, Some(0), Fork::TangerineWhistle, 21 + 700),
        ("CALL", all, Some(0), Fork::Istanbul, 21 + 700),
        ("CALL", all, Some(0), Fork::Berlin, 21 + 2_600),
        ("CALLCODE", all, Some(0), Fork::Berlin, 21 + 2_600),
        ("DELEGATECALL", all, None, Fork::Berlin, 18 + 2_600),
        ("STATICCALL", all, None, Fork::Berlin, 18 + 2_600),
        ("CALL", 50_000, Some(0), Fork::Berlin, 21 + 2_600),
        ("CALL", 50_000, Some(1), Fork::Berlin, 21 + 2_600 + 9_000),
        ("CALL", all, Some(1), Fork::Berlin, 21 + 2_600 + 9_000),
        ("CALL", 50_000, Some(0), Fork::Homestead, 21 + 40),
        ("CALL", 99_000, Some(0), Fork::Homestead, 21 + 40),
    ];
    for (kind, asked, value, fork, costs) in rows {
        let code = call_other(kind, &asked.to_string(), value);
        let run = Setup::new(fork, &code).account(OTHER, TELLS_GAS).balance(CONTRACT, 5).gas(100_000).run();
        // 3 for the word of memory that the output needs.
        let left = 100_000 - costs - 3;
        let most = if fork >= Fork::TangerineWhistle { left - left / 64 } else { left };
        let stipend = if value == Some(1) { 2_300 } else { 0 };
        // 2 for the callee's GAS.
        assert_eq!(run.end(), returns(asked.min(most) + stipend - 2), "{kind} {asked} {value:?} under {fork}");
    }
}

#[test]
fn before_eip_150_a_call_gets_what_it_asks_or_fails() {
    let setup = |fork| Setup::new(fork, &call_other("CALL", "99990", Some(0))).account(OTHER, TELLS_GAS).gas(100_000);
    assert_eq!(setup(Fork::Homestead).run().end(), End::Halt(Halt::OutOfGas));
    assert_eq!(setup(Fork::TangerineWhistle).run().halt, None);
}

#[test]
fn price_of_a_new_account() {
    let nobody = Address::repeat_byte(0xaa);
    // fork, value, gas: 21 for the words, the call, its value less the stipend that comes back, the new account
    let rows = [
        (Fork::Homestead, 0, 40 + 25_000),
        (Fork::TangerineWhistle, 0, 700 + 25_000),
        (Fork::SpuriousDragon, 0, 700),
        (Fork::SpuriousDragon, 1, 700 + 9_000 - 2_300 + 25_000),
        (Fork::Berlin, 0, 2_600),
        (Fork::Osaka, 1, 2_600 + 9_000 - 2_300 + 25_000),
    ];
    for (fork, value, expected) in rows {
        let setup = Setup::new(fork, &format!("0 0 0 0 {value} {nobody} 0 CALL STOP")).balance(CONTRACT, 5);
        let run = setup.run();
        assert_eq!(run.gas_used, 21 + expected, "value {value} under {fork}");
        assert_eq!(run.balance(nobody), word(value), "value {value} under {fork}");
        assert_eq!(run.exists(nobody), value > 0 || fork < Fork::SpuriousDragon, "value {value} under {fork}");
    }
}

#[test]
fn who_is_who() {
    // Answers with ADDRESS, CALLER and CALLVALUE.
    let tells = "ADDRESS 0 MSTORE CALLER 32 MSTORE CALLVALUE 64 MSTORE 96 0 RETURN";
    let (contract, other) = (U256::from_be_slice(CONTRACT.as_slice()), U256::from_be_slice(OTHER.as_slice()));
    let caller = U256::from_be_slice(crate::support::CALLER.as_slice());
    let rows = [
        ("CALL", Some(3), [other, contract, word(3)]),
        ("CALLCODE", Some(3), [contract, contract, word(3)]),
        ("DELEGATECALL", None, [contract, caller, word(5)]),
        ("STATICCALL", None, [other, contract, word(0)]),
    ];
    for (kind, value, expected) in rows {
        let value = value.map(|value: u64| value.to_string()).unwrap_or_default();
        let code = format!("96 0 0 0 {value} {OTHER} GAS {kind} POP 96 0 RETURN");
        let run = Setup::new(Fork::Osaka, &code).account(OTHER, tells).value(5).run();
        assert_eq!(run.words(), expected, "{kind}");
        let moved = if kind == "CALL" { 3 } else { 0 };
        assert_eq!(run.balance(OTHER), word(moved), "{kind}");
        assert_eq!(run.balance(CONTRACT), word(5 - moved), "{kind}");
    }
}

#[test]
fn calls_that_are_not_made() {
    // Each leaves 0, an empty return buffer, and gives the callee's gas back.
    let filled = format!("0 0 0 0 0 {OTHER} GAS CALL POP");
    let rows = [
        ("too poor", format!("0 0 0 0 6 {OTHER} 0xffff CALL"), 21 + 100 + 9_000 - 2_300),
        ("too poor for CALLCODE", format!("0 0 0 0 6 {OTHER} 0xffff CALLCODE"), 21 + 100 + 9_000 - 2_300),
        ("too poor to create", "0 0 6 CREATE".into(), 9 + 32_000),
        ("too poor to create 2", "0 0 0 6 CREATE2".into(), 12 + 32_000),
    ];
    for (name, call, gas) in rows {
        let program = |call: &str| format!("{filled} GAS {call} GAS SWAP1 RETURNDATASIZE");
        let code = format!("{} 0 MSTORE 32 MSTORE 64 MSTORE 96 MSTORE 128 0 RETURN", program(&call));
        let run = Setup::new(Fork::Berlin, &code).account(OTHER, TELLS_GAS).balance(CONTRACT, 5).run();
        let [size, result, after, before] = run.words()[..] else { panic!("{name}: {:?}", run.end()) };
        assert_eq!((size, result), (word(0), word(0)), "{name}");
        // The call gives back its stipend too: it was never spent.
        assert_eq!(before - after, word(gas + 2), "{name}");
        assert_eq!(run.diff.accounts.iter().filter(|change| change.address == CONTRACT).count(), 0, "{name}: no nonce");
    }
}

#[test]
fn what_a_failed_callee_leaves() {
    // The callee writes a slot, logs, sends one wei and then ends so.
    let rows = [
        ("success", "STOP", returns(1), true, 0),
        ("revert", "0 0 REVERT", returns(0), false, 0),
        ("invalid", "INVALID", returns(0), false, 1),
        ("underflow", "POP", returns(0), false, 1),
        ("bad jump", "3 JUMP", returns(0), false, 1),
        ("out of gas", "GAS 0 MSTORE 0 0xffffff MSTORE", returns(0), false, 1),
        ("undefined", "raw:0c", returns(0), false, 1),
    ];
    for (name, end, expected, keeps, burns) in rows {
        let callee = format!("1 1 SSTORE 0 0 LOG0 0 0 0 0 1 ORIGIN 0 CALL POP {end}");
        let code = format!("0 0 0 0 3 {OTHER} 100000 CALL{RETURN_TOP}");
        let run = Setup::new(Fork::Osaka, &code).account(OTHER, &callee).balance(CONTRACT, 5).run();
        assert_eq!(run.end(), expected, "{name}");
        assert_eq!(run.slot(OTHER, 1), word(u64::from(keeps)), "{name}");
        assert_eq!(run.logs.len(), usize::from(keeps), "{name}");
        assert_eq!(run.balance(OTHER), word(if keeps { 2 } else { 0 }), "{name}");
        let burnt = run.gas_used > 102_300;
        assert_eq!(burnt, burns == 1, "{name}: used {}", run.gas_used);
    }
}

/// Calls itself with all gas and answers with the number of frames below and including this one.
const DESCENDS: &str = "32 0 0 0 0 ADDRESS GAS CALL POP 0 MLOAD 1 ADD 0 MSTORE 32 0 RETURN";

#[test]
fn calls_go_1024_deep_on_a_small_host_stack() {
    let create = "CODESIZE 0 0 CODECOPY CODESIZE 0 0 CREATE POP 0 0 RETURN";
    let rows = [
        ("calls", DESCENDS.to_string(), Some(1025)),
        ("code calls", DESCENDS.replace(" CALL ", " CALLCODE "), Some(1025)),
        ("delegate calls", DESCENDS.replace("0 ADDRESS GAS CALL", "ADDRESS GAS DELEGATECALL"), Some(1025)),
        ("static calls", DESCENDS.replace("0 ADDRESS GAS CALL", "ADDRESS GAS STATICCALL"), Some(1025)),
        ("creations", create.into(), None),
    ];
    for (name, code, expected) in rows {
        // 63/64 to the power of 1024 is about 1e-7.
        let setup = Setup::new(Fork::Osaka, &code).gas(1 << 50);
        let thread = std::thread::Builder::new().stack_size(128 << 10);
        let run = thread.spawn(move || setup.run()).expect("a thread").join().expect("it does not overflow");
        match expected {
            Some(expected) => assert_eq!(run.end(), returns(expected), "{name}"),
            None => {
                assert_eq!(run.halt, None, "{name}");
                // One account for each of the 1,024 inner frames, and CONTRACT, whose nonce rose.
                assert_eq!(run.diff.accounts.len(), 1025, "{name}");
            }
        }
    }
}

#[test]
fn gas_bounds_the_depth_too() {
    // With 63/64 passed on, a few million gas end before the limit.
    let run = Setup::new(Fork::Osaka, DESCENDS).gas(1_000_000).run();
    let End::Word(depth) = run.end() else { panic!("{:?}", run.end()) };
    assert!(depth > word(100) && depth < word(500), "{depth}");
}

#[test]
fn memory_of_frames_is_their_own() {
    // The callee fills its memory; the caller finds its own as it was, and zeros beyond.
    let callee = "0 NOT 0 MSTORE 0 NOT 4000 MSTORE 64 0 RETURN";
    let code = format!("7 0 MSTORE 0 32 0 0 0 {OTHER} GAS CALL POP 32 MLOAD 0 MLOAD ADD 4000 MLOAD ADD{RETURN_TOP}");
    let run = Setup::new(Fork::Osaka, &code).account(OTHER, callee).run();
    assert_eq!(run.end(), returns(7));
    // Output is cut to the room for it, and room beyond it stays.
    for room in [0, 1, 31, 32, 64, 96] {
        let code = format!("{room} 0 0 0 0 {OTHER} GAS CALL POP 0 MLOAD{RETURN_TOP}");
        let run = Setup::new(Fork::Osaka, &code).account(OTHER, "0 NOT 0 MSTORE 32 0 RETURN").run();
        let mut output = [0u8; 32];
        output[..room.min(32)].fill(0xff);
        assert_eq!(run.output[..], output, "room for {room}");
    }
}

#[test]
fn call_data_is_the_callers_memory() {
    let callee = "0 CALLDATALOAD 0 MSTORE CALLDATASIZE 32 MSTORE 64 0 RETURN";
    // offset and length of the call data, what CALLDATALOAD 0 and CALLDATASIZE give
    let rows = [
        (0, 32, U256::from(0x77), 32),
        (31, 1, U256::from(0x77) << 248, 1),
        (0, 0, U256::ZERO, 0),
        (40, 8, U256::ZERO, 8),
    ];
    for (offset, len, expected, size) in rows {
        let code = format!("0x77 0 MSTORE 64 64 {len} {offset} 0 {OTHER} GAS CALL POP 64 64 RETURN");
        let run = Setup::new(Fork::Osaka, &code).account(OTHER, callee).run();
        assert_eq!(run.words(), [expected, word(size)], "{len} bytes at {offset}");
    }
}

#[test]
fn precompiled_contracts_and_accounts_without_code() {
    let identity = Address::with_last_byte(4);
    let sha256 = Address::with_last_byte(2);
    // Answers with success, RETURNDATASIZE and the first word of the output.
    let code = |to: Address, gas: u64| {
        format!("7 0 MSTORE 32 64 32 0 0 {to} {gas} CALL RETURNDATASIZE 32 MSTORE 0 MSTORE 96 0 RETURN")
    };
    let rows = [
        ("identity", identity, 18, vec![word(1), word(32), word(7)]),
        ("identity, short of gas", identity, 17, vec![word(0), word(0), word(0)]),
        ("sha256, short of gas", sha256, 71, vec![word(0), word(0), word(0)]),
        ("no code", Address::repeat_byte(0xaa), 0, vec![word(1), word(0), word(0)]),
    ];
    for (name, to, gas, expected) in rows {
        assert_eq!(Setup::new(Fork::Osaka, &code(to, gas)).run().words(), expected, "{name}");
    }
    let words = Setup::new(Fork::Osaka, &code(sha256, 72)).run().words();
    assert_eq!(words[..2], [word(1), word(32)], "sha256");
    assert_ne!(words[2], word(0), "sha256");
}

#[test]
fn value_to_oneself() {
    let code = format!("0 0 0 0 5 {CONTRACT} 50000 CALL{RETURN_TOP}");
    // The inner frame runs the same code with all the gas there is, again and again, until it is short.
    let run = Setup::new(Fork::Osaka, &code).balance(CONTRACT, 5).run();
    assert_eq!(run.halt, None);
    assert_eq!(run.balance(CONTRACT), word(5));
}
