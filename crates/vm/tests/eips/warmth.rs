//! Cold and warm accounts and slots (EIP-2929), and the prices before them by fork.

use crate::support::{BENEFICIARY, CALLER, CONTRACT, OTHER, Setup, gas_of};
use alloy_primitives::Address;
use rialto_vm::Fork;

/// The words before an opcode that touches an account, the opcode, words it leaves.
const TOUCHES: [(&str, &str, u64); 8] = [
    ("", "BALANCE POP", 2),
    ("", "EXTCODESIZE POP", 2),
    ("", "EXTCODEHASH POP", 2),
    ("0 0 0", "EXTCODECOPY", 9),
    ("0 0 0 0 0", "0 CALL POP", 20),
    ("0 0 0 0 0", "0 CALLCODE POP", 20),
    ("0 0 0 0", "0 DELEGATECALL POP", 17),
    ("0 0 0 0", "0 STATICCALL POP", 17),
];

#[test]
fn accounts() {
    let rows = [
        (Address::repeat_byte(0xaa), true),
        (OTHER, true),
        (BENEFICIARY, true),
        (CONTRACT, false),
        (CALLER, false),
        (Address::with_last_byte(1), false),
        (Address::with_last_byte(0x11), false),
        (Address::with_last_byte(0x12), true),
        (Address::left_padding_from(&[1, 0]), false),
    ];
    for (address, is_cold) in rows {
        for (words, opcode, others) in TOUCHES {
            let touch = format!("{words} {address} {opcode} ");
            // A call of one's own code with no gas ends at once, as does any other here.
            let others = others + 3;
            let once = gas_of(Fork::Osaka, &touch);
            let first = if is_cold { 2_600 } else { 100 };
            assert_eq!(once, others + first, "{opcode} of {address}");
            assert_eq!(gas_of(Fork::Osaka, &touch.repeat(2)), once + others + 100, "{opcode} of {address}, twice");
        }
    }
}

#[test]
fn slots() {
    let rows = [
        ("1 SLOAD POP", 3 + 2_100 + 2),
        ("1 SLOAD POP 1 SLOAD POP", 3 + 2_100 + 2 + 3 + 100 + 2),
        ("1 SLOAD POP 2 SLOAD POP", 2 * (3 + 2_100 + 2)),
        ("1 1 SSTORE", 6 + 22_100),
        ("1 SLOAD POP 1 1 SSTORE", 3 + 2_100 + 2 + 6 + 20_000),
        ("1 1 SSTORE 1 SLOAD POP", 6 + 22_100 + 3 + 100 + 2),
        ("0 1 SSTORE", 6 + 2_200),
    ];
    for (code, expected) in rows {
        assert_eq!(gas_of(Fork::Berlin, code), expected, "{code}");
    }
}

#[test]
fn before_access_lists() {
    let nobody = Address::repeat_byte(0xaa);
    let code = |opcode: &str| format!("{nobody} {opcode}");
    // opcode, prices under Frontier, Tangerine Whistle, Istanbul
    let rows = [("BALANCE", [20, 400, 700]), ("EXTCODESIZE", [20, 700, 700]), ("SLOAD", [50, 200, 800])];
    for (opcode, prices) in rows {
        for (fork, price) in [Fork::Frontier, Fork::TangerineWhistle, Fork::Istanbul].into_iter().zip(prices) {
            assert_eq!(gas_of(fork, &code(opcode)), 3 + price, "{opcode} under {fork}");
        }
    }
    assert_eq!(gas_of(Fork::Constantinople, &code("EXTCODEHASH")), 3 + 400);
    assert_eq!(gas_of(Fork::Istanbul, &code("EXTCODEHASH")), 3 + 700);
}

#[test]
fn a_failed_frame_leaves_its_accesses_cold() {
    // The callee touches an account and a slot of CONTRACT by delegate call, and ends.
    let nobody = Address::repeat_byte(0xaa);
    let touches = format!("{nobody} BALANCE 7 SLOAD");
    for (end, is_cold) in [("STOP", false), ("0 0 REVERT", true), ("INVALID", true)] {
        let code = format!("0 0 0 0 {OTHER} 50000 DELEGATECALL GAS {nobody} BALANCE GAS 7 SLOAD GAS");
        let stores = "32 MSTORE POP 64 MSTORE POP 96 MSTORE 128 0 RETURN";
        let run =
            Setup::new(Fork::Osaka, &format!("{code} {stores}")).account(OTHER, &format!("{touches} {end}")).run();
        let words = run.words();
        let (after_slot, after_balance, before) = (words[1], words[2], words[3]);
        let prices = if is_cold { (2_600, 2_100) } else { (100, 100) };
        assert_eq!(before - after_balance, crate::support::word(3 + prices.0 + 2), "{end}: account");
        assert_eq!(after_balance - after_slot, crate::support::word(3 + prices.1 + 2), "{end}: slot");
    }
}

#[test]
fn warmth_is_the_transactions() {
    let code = format!("{OTHER} BALANCE 1 SLOAD STOP");
    for run in Setup::new(Fork::Osaka, &code).run_all(&[], 2) {
        assert_eq!(run.gas_used, 3 + 2_600 + 3 + 2_100);
    }
}

#[test]
fn a_created_account_is_warm() {
    let created = CONTRACT.create(1);
    let once = gas_of(Fork::Osaka, "0 0 0 CREATE POP");
    let twice = gas_of(Fork::Osaka, &format!("0 0 0 CREATE POP {created} BALANCE POP"));
    assert_eq!(twice - once, 3 + 100 + 2);
}
