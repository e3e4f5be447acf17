//! Arithmetic at its edges: overflow, division by zero, signs, shifts past the end; EXP's price (EIP-160); CLZ (EIP-7939).

use crate::support::{End, asm, gas_of, push, returns, top};
use alloy_primitives::U256;
use rialto_vm::Fork;

const MAX: U256 = U256::MAX;
const MIN: U256 = U256::from_limbs([0, 0, 0, 1 << 63]);

fn n(value: u64) -> U256 {
    U256::from(value)
}

fn negative(value: u64) -> U256 {
    n(value).wrapping_neg()
}

/// Opcode, operands with the top first, result.
type Row<'a> = (&'static str, &'a [U256], U256);

fn check(rows: &[Row<'_>]) {
    for (opcode, operands, expected) in rows {
        let mut pushes = Vec::new();
        operands.iter().rev().for_each(|operand| push(&mut pushes, operand));
        let pushes = alloy_primitives::hex::encode(&pushes);
        let found = top(Fork::Osaka, &format!("raw:{pushes} {opcode}"));
        assert_eq!(found, End::Word(*expected), "{opcode} {operands:x?}");
        // With operands from the call data, so that neither is an immediate that could be fused.
        let loads: String = (0..operands.len()).rev().map(|i| format!("{} CALLDATALOAD ", 32 * i)).collect();
        let input: Vec<u8> = operands.iter().flat_map(|operand| operand.to_be_bytes::<32>()).collect();
        let code = format!("{loads} {opcode}{}", crate::support::RETURN_TOP);
        let run = crate::support::Setup::new(Fork::Osaka, &code).input(input).run();
        assert_eq!(run.end(), End::Word(*expected), "{opcode} {operands:x?} from call data");
    }
}

#[test]
fn arithmetic_at_its_edges() {
    let half = n(1) << 128;
    check(&[
        ("ADD", &[MAX, n(1)], n(0)),
        ("ADD", &[MAX, MAX], negative(2)),
        ("SUB", &[n(0), n(1)], MAX),
        ("SUB", &[n(5), n(3)], n(2)),
        ("MUL", &[MAX, MAX], n(1)),
        ("MUL", &[half, half], n(0)),
        ("MUL", &[half, half - n(1)], MAX - half + n(1)),
        ("DIV", &[n(7), n(0)], n(0)),
        ("DIV", &[n(7), n(2)], n(3)),
        ("DIV", &[MAX, half], half - n(1)),
        ("SDIV", &[MIN, MAX], MIN),
        ("SDIV", &[negative(7), n(2)], negative(3)),
        ("SDIV", &[n(7), negative(2)], negative(3)),
        ("SDIV", &[negative(7), negative(2)], n(3)),
        ("SDIV", &[negative(7), n(0)], n(0)),
        ("MOD", &[n(7), n(0)], n(0)),
        ("MOD", &[MAX, n(12)], n(3)),
        ("SMOD", &[negative(7), n(3)], MAX),
        ("SMOD", &[n(7), negative(3)], n(1)),
        ("SMOD", &[MIN, MAX], n(0)),
        ("SMOD", &[negative(5), n(0)], n(0)),
        ("ADDMOD", &[MAX, MAX, n(0)], n(0)),
        ("ADDMOD", &[MAX, n(2), MAX], n(2)),
        ("ADDMOD", &[MAX, n(1), n(2)], n(0)),
        ("ADDMOD", &[MAX, MAX, n(7)], n(2)),
        ("MULMOD", &[MAX, MAX, n(0)], n(0)),
        ("MULMOD", &[MAX, MAX, n(12)], n(9)),
        ("MULMOD", &[MAX, MAX, MAX - n(1)], n(1)),
        ("MULMOD", &[half, half, MAX], n(1)),
        ("EXP", &[n(0), n(0)], n(1)),
        ("EXP", &[n(0), n(1)], n(0)),
        ("EXP", &[n(2), n(255)], MIN),
        ("EXP", &[n(2), n(256)], n(0)),
        ("EXP", &[MAX, MAX], MAX),
        ("EXP", &[n(3), n(5)], n(243)),
        ("SIGNEXTEND", &[n(0), n(0xff)], MAX),
        ("SIGNEXTEND", &[n(0), n(0x17f)], n(0x7f)),
        ("SIGNEXTEND", &[n(1), n(0x8000)], negative(0x8000)),
        ("SIGNEXTEND", &[n(30), MIN], n(0)),
        ("SIGNEXTEND", &[n(31), MIN], MIN),
        ("SIGNEXTEND", &[n(32), n(0xff)], n(0xff)),
        ("SIGNEXTEND", &[MAX, n(0xff)], n(0xff)),
    ]);
}

#[test]
fn comparisons_and_bits_at_their_edges() {
    let half = n(1) << 128;
    check(&[
        ("LT", &[n(1), MAX], n(1)),
        ("LT", &[n(1), n(1)], n(0)),
        ("GT", &[MAX, n(1)], n(1)),
        ("GT", &[n(1), n(1)], n(0)),
        ("SLT", &[MAX, n(0)], n(1)),
        ("SLT", &[MIN, MAX], n(1)),
        ("SLT", &[n(0), MAX], n(0)),
        ("SGT", &[n(0), MAX], n(1)),
        ("SGT", &[MIN, MAX], n(0)),
        ("EQ", &[MIN, MIN], n(1)),
        ("EQ", &[MIN, n(0)], n(0)),
        ("ISZERO", &[n(0)], n(1)),
        ("ISZERO", &[MIN], n(0)),
        ("AND", &[MAX, half], half),
        ("OR", &[MIN, n(1)], MIN + n(1)),
        ("XOR", &[MAX, MAX], n(0)),
        ("NOT", &[n(0)], MAX),
        ("BYTE", &[n(0), MIN], n(0x80)),
        ("BYTE", &[n(31), n(0xab)], n(0xab)),
        ("BYTE", &[n(32), MAX], n(0)),
        ("BYTE", &[MAX, MAX], n(0)),
        ("SHL", &[n(0), n(1)], n(1)),
        ("SHL", &[n(255), n(1)], MIN),
        ("SHL", &[n(255), n(2)], n(0)),
        ("SHL", &[n(256), n(1)], n(0)),
        ("SHL", &[MAX, n(1)], n(0)),
        ("SHL", &[half, n(1)], n(0)),
        ("SHR", &[n(255), MIN], n(1)),
        ("SHR", &[n(256), MAX], n(0)),
        ("SHR", &[half, MAX], n(0)),
        ("SAR", &[n(4), negative(16)], MAX),
        ("SAR", &[n(255), MIN], MAX),
        ("SAR", &[n(256), MIN], MAX),
        ("SAR", &[MAX, MIN], MAX),
        ("SAR", &[n(256), MIN - n(1)], n(0)),
        ("SAR", &[n(1), n(2)], n(1)),
        ("CLZ", &[n(0)], n(256)),
        ("CLZ", &[n(1)], n(255)),
        ("CLZ", &[half], n(127)),
        ("CLZ", &[MIN - n(1)], n(1)),
        ("CLZ", &[MIN], n(0)),
        ("CLZ", &[MAX], n(0)),
    ]);
}

#[test]
fn price_of_exp() {
    let rows = [
        ("0", Fork::SpuriousDragon, 10),
        ("1", Fork::SpuriousDragon, 60),
        ("255", Fork::SpuriousDragon, 60),
        ("256", Fork::SpuriousDragon, 110),
        ("0x100000000000000000000000000000000000000000000000000000000000000", Fork::Osaka, 10 + 32 * 50),
        ("256", Fork::TangerineWhistle, 30),
        ("256", Fork::Frontier, 30),
    ];
    for (exponent, fork, expected) in rows {
        assert_eq!(gas_of(fork, &format!("{exponent} 2 EXP")), 6 + expected, "exponent {exponent} under {fork}");
    }
}

#[test]
fn sequences_that_are_run_as_one() {
    // Each result depends on every part of its sequence.
    let mask = "0xffffffffffffffffffffffffffffffffffffffff";
    let not_mask = format!("{mask} NOT");
    let rows: Vec<(String, End)> = vec![
        ("5 PUSH1 7 ADD".into(), returns(12)),
        ("0 NOT PUSH1 2 ADD".into(), returns(1)),
        ("5 PUSH1 4 SHL".into(), returns(80)),
        ("80 PUSH1 4 SHR".into(), returns(5)),
        ("0x1ff PUSH1 0x3c AND".into(), returns(0x3c)),
        ("0 NOT PUSH1 0x3c AND".into(), returns(0x3c)),
        ("9 PUSH1 0x40 MSTORE PUSH1 0x40 MLOAD".into(), returns(9)),
        ("PUSH1 6 DUP1 MUL".into(), returns(36)),
        ("7 ISZERO ISZERO".into(), returns(1)),
        ("0 ISZERO ISZERO".into(), returns(0)),
        ("PUSH1 1 PUSH1 1 PUSH1 160 SHL SUB".into(), End::Word(crate::support::number(mask))),
        ("PUSH1 1 PUSH1 1 PUSH1 161 SHL SUB".into(), End::Word((n(1) << 161) - n(1))),
        ("PUSH1 2 PUSH1 1 PUSH1 160 SHL SUB".into(), End::Word((n(1) << 160) - n(2))),
        (format!("{not_mask} PUSH1 1 PUSH1 1 PUSH1 160 SHL SUB AND"), returns(0)),
        (format!("{not_mask} PUSH20 {mask} AND"), returns(0)),
        ("0 NOT PUSH20 0x7f AND".into(), returns(0x7f)),
        ("3 4 DUP2 ADD SUB".into(), returns(4)),
        ("9 0 MSTORE 0 DUP1 MLOAD ADD".into(), returns(9)),
        ("9 32 MSTORE 32 5 DUP2 MLOAD ADD ADD".into(), returns(46)),
        ("32 9 DUP2 MSTORE MLOAD".into(), returns(9)),
        ("1 2 SWAP1 POP".into(), returns(2)),
        ("1 2 3 SWAP2 POP SUB".into(), End::Word(MAX)),
        ("1 2 3 4 SWAP3 POP SUB SUB".into(), End::Word(negative(3))),
        ("1 2 3 POP POP".into(), returns(1)),
    ];
    for (code, expected) in rows {
        assert_eq!(top(Fork::Osaka, &code), expected, "{code}");
    }
    assert_eq!(asm("PUSH1 1 PUSH1 1 PUSH1 160 SHL SUB").len(), 8);
}

/// An opcode and what it compares, its first operand the top.
type Comparison = (&'static str, fn(u64, u64) -> bool);

#[test]
fn conditions_that_jump() {
    // The operands' numbers and whether the branch is taken; each under the plain and the negated form.
    let compare: [Comparison; 3] = [("LT", |a, b| a < b), ("GT", |a, b| a > b), ("EQ", |a, b| a == b)];
    for (opcode, holds) in compare {
        for (a, b) in [(1, 2), (2, 1), (2, 2)] {
            for (negation, negates) in [("", false), ("ISZERO", true)] {
                let code = format!("{b} {a} {opcode} {negation} @yes JUMPI 100 @end JUMP :yes 200 :end");
                let expected = if holds(a, b) != negates { 200 } else { 100 };
                assert_eq!(top(Fork::Osaka, &code), returns(expected), "{code}");
            }
        }
    }
    let select: [Comparison; 2] = [("EQ", |a, b| a == b), ("GT", |a, b| a > b)];
    for (opcode, holds) in select {
        for (word, selector) in [(0x1234, 0x1234), (0x1233, 0x1234), (0x1235, 0x1234), (0, 0xffff_ffff)] {
            let code = format!("{word} DUP1 PUSH4 {selector} {opcode} @yes JUMPI 100 @end JUMP :yes 200 :end");
            let expected = if holds(selector, word) { 200 } else { 100 };
            assert_eq!(top(Fork::Osaka, &code), returns(expected), "{code}");
        }
    }
}
