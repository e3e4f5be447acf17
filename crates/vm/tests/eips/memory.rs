//! Memory: the price of its growth (Yellow Paper, H.1), copies that overlap (EIP-5656), prices by the word.

use crate::support::{End, GAS, Setup, gas_of, number, returns, top};
use alloy_primitives::U256;
use rialto_vm::{Fork, Halt};

const HUGE: &str = "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff";

#[test]
fn price_of_growth() {
    // code, gas without memory, words that memory has in the end
    let rows = [
        ("0 MLOAD", 6, 1),
        ("1 MLOAD", 6, 2),
        ("32 MLOAD", 6, 2),
        ("0 MLOAD 0 MLOAD", 12, 1),
        ("0 0 MSTORE", 9, 1),
        ("0 31 MSTORE8", 9, 1),
        ("0 32 MSTORE8", 9, 2),
        ("0 992 MSTORE", 9, 32),
        ("0 22496 MSTORE", 9, 704),
        ("0 32736 MSTORE", 9, 1024),
        ("0 1048544 MSTORE", 9, 32_768),
        ("0 32736 MSTORE 0 0 MSTORE", 18, 1024),
        ("0 0 MSTORE 0 32736 MSTORE", 18, 1024),
        ("64 0 KECCAK256", 6 + 30 + 12, 2),
        ("65 0 KECCAK256", 6 + 30 + 18, 3),
        ("0 0 KECCAK256", 6 + 30, 0),
        ("33 0 0 CALLDATACOPY", 9 + 3 + 6, 2),
        ("33 0 0 CODECOPY", 9 + 3 + 6, 2),
        ("0 0 0 RETURNDATACOPY", 9 + 3, 0),
        ("33 0 0 ADDRESS EXTCODECOPY", 11 + 100 + 6, 2),
        ("64 0 LOG0", 6 + 375 + 8 * 64, 2),
        ("0 0 64 0 LOG2", 12 + 1125 + 8 * 64, 2),
        ("64 0 0 MCOPY", 9 + 3 + 6, 2),
        ("64 32 0 MCOPY", 9 + 3 + 6, 3),
        ("64 0 32 MCOPY", 9 + 3 + 6, 3),
        ("64 0 RETURN", 6, 2),
    ];
    for (code, gas, words) in rows {
        let expected = gas + 3 * words + words * words / 512;
        assert_eq!(gas_of(Fork::Osaka, code), expected, "{code}");
    }
}

#[test]
fn nothing_is_paid_for_no_bytes() {
    let rows = [
        format!("0 {HUGE} KECCAK256"),
        format!("0 {HUGE} {HUGE} CALLDATACOPY"),
        format!("0 {HUGE} {HUGE} CODECOPY"),
        format!("0 {HUGE} {HUGE} MCOPY"),
        format!("0 {HUGE} LOG0"),
        format!("0 {HUGE} RETURN"),
        format!("0 {HUGE} {HUGE} ADDRESS EXTCODECOPY"),
        format!("0 {HUGE} 0 {HUGE} 0 0 0 CALL"),
        format!("0 {HUGE} 0 CREATE"),
    ];
    for code in rows {
        let run = Setup::new(Fork::Osaka, &format!("{code} MSIZE{}", crate::support::RETURN_TOP)).run();
        let expected = if code.ends_with("RETURN") { End::Stop } else { returns(0) };
        assert_eq!(run.end(), expected, "{code}");
    }
}

#[test]
fn what_no_gas_buys() {
    let rows = [
        format!("{HUGE} MLOAD"),
        "0xffffffffffffffe0 MLOAD".into(),
        "0x10000000000000000 MLOAD".into(),
        "0xffffffff MLOAD".into(),
        format!("0 {HUGE} MSTORE"),
        format!("0 {HUGE} MSTORE8"),
        format!("{HUGE} 0 KECCAK256"),
        format!("{HUGE} {HUGE} KECCAK256"),
        format!("{HUGE} 0 0 CALLDATACOPY"),
        format!("1 0 {HUGE} CODECOPY"),
        format!("{HUGE} 0 0 MCOPY"),
        format!("1 {HUGE} 0 MCOPY"),
        format!("1 0 {HUGE} MCOPY"),
        format!("{HUGE} 0 LOG0"),
        format!("1 {HUGE} RETURN"),
        format!("{HUGE} {HUGE} REVERT"),
        format!("1 {HUGE} 0 0 0 0 0 CALL"),
        format!("0 0 1 {HUGE} 0 0 0 CALL"),
        format!("0 0 1 {HUGE} 0 0 DELEGATECALL"),
        format!("1 {HUGE} 0 CREATE"),
    ];
    for code in rows {
        let run = Setup::new(Fork::Osaka, &code).run();
        assert_eq!((run.end(), run.gas_used), (End::Halt(Halt::OutOfGas), GAS), "{code}");
    }
}

#[test]
fn one_gas_short() {
    let rows =
        ["0 0 MSTORE", "0 32736 MSTORE", "64 0 KECCAK256", "65 0 LOG0", "64 32 0 MCOPY", "256 2 EXP", "1 1 SSTORE"];
    for code in rows {
        let gas = gas_of(Fork::Osaka, code);
        let run = |gas| Setup::new(Fork::Osaka, code).gas(gas).run();
        assert_eq!((run(gas).halt, run(gas).gas_left), (None, 0), "{code}");
        assert_eq!((run(gas - 1).halt, run(gas - 1).gas_left), (Some(Halt::OutOfGas), 0), "{code}");
    }
}

#[test]
fn size_in_words() {
    let rows = [("MSIZE", 0), ("0 MLOAD POP MSIZE", 32), ("1 MLOAD POP MSIZE", 64), ("7 100 MSTORE8 MSIZE", 128)];
    for (code, expected) in rows {
        assert_eq!(top(Fork::Osaka, code), returns(expected), "{code}");
    }
}

#[test]
fn copies_that_overlap() {
    let pre = "0x000102030405060708000000000000000000000000000000000000000000000f";
    let second = "0x202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f";
    // target, source, length, word 0 afterwards
    let rows = [
        (0, 32, 32, second),
        (0, 0, 32, pre),
        (0, 1, 8, "0x010203040506070808000000000000000000000000000000000000000000000f"),
        (1, 0, 8, "0x000001020304050607000000000000000000000000000000000000000000000f"),
        (0, 31, 4, "0x0f2021220405060708000000000000000000000000000000000000000000000f"),
        (30, 0, 34, "0x0001020304050607080000000000000000000000000000000000000000000001"),
        (0, 64, 9, "0x000000000000000000000000000000000000000000000000000000000000000f"),
    ];
    for (target, source, len, expected) in rows {
        let copy = format!("{pre} 0 MSTORE {second} 32 MSTORE {len} {source} {target} MCOPY 0 MLOAD");
        assert_eq!(top(Fork::Cancun, &copy), End::Word(number(expected)), "MCOPY {target} {source} {len}");
    }
}

#[test]
fn copies_past_the_end_are_padded() {
    let dirty = format!("{HUGE} 0 MSTORE");
    let input: Vec<u8> = (1..=4).collect();
    let low = U256::MAX >> 24;
    let rows = [
        ("3 1 0 CALLDATACOPY", (number("0x020304") << 232) | low),
        ("3 2 0 CALLDATACOPY", (number("0x030400") << 232) | low),
        ("3 4 0 CALLDATACOPY", low),
        ("3 0xffffffffffffffffffff 0 CALLDATACOPY", low),
        ("3 0xffffffffffffffffffff 0 CODECOPY", low),
        ("3 0xffffffffffffffffffff 0 ADDRESS EXTCODECOPY", low),
    ];
    for (code, expected) in rows {
        let code = format!("{dirty} {code} 0 MLOAD{}", crate::support::RETURN_TOP);
        assert_eq!(Setup::new(Fork::Osaka, &code).input(input.clone()).run().end(), End::Word(expected), "{code}");
    }
    let loads = [("0", number("0x01020304") << 224), ("3", number("4") << 248), ("4", U256::ZERO), (HUGE, U256::ZERO)];
    for (offset, expected) in loads {
        let code = format!("{offset} CALLDATALOAD{}", crate::support::RETURN_TOP);
        let run = Setup::new(Fork::Osaka, &code).input(input.clone()).run();
        assert_eq!(run.end(), End::Word(expected), "CALLDATALOAD {offset}");
    }
}
