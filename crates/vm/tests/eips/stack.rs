//! The stack's limits, DUP and SWAP, jumps, and EIP-8024's DUPN, SWAPN and EXCHANGE.

use crate::support::{End, Setup, asm, hex, returns, top, word};
use alloy_primitives::{Bytes, U256};
use rialto_vm::{Fork, Halt, opcode};

/// The stack, top first, when the code has ended, or why it failed.
fn stack_after(fork: Fork, code: &[u8]) -> Result<Vec<U256>, Halt> {
    let (run, trace) = Setup::with_code(fork, Bytes::copy_from_slice(code)).trace();
    match run.halt {
        Some(halt) => Err(halt),
        None => Ok(trace.steps.last().expect("STOP is a step").stack.iter().rev().copied().collect()),
    }
}

#[test]
fn needs_and_limits_of_every_opcode() {
    for number in 0..=255u8 {
        let Some(row) = opcode::OPCODES[usize::from(number)] else { continue };
        if [opcode::DUPN, opcode::SWAPN, opcode::EXCHANGE, opcode::INVALID].contains(&number) {
            continue;
        }
        let (pops, grows) = (usize::from(row.pops), row.pushes > row.pops);
        let halt = |words: usize| {
            let mut code = [opcode::PUSH0].repeat(words);
            code.push(number);
            code.extend_from_slice(&[0; 32]);
            Setup::with_code(Fork::Amsterdam, code.into()).run().halt
        };
        let is_stack = |halt| [Some(Halt::StackUnderflow), Some(Halt::StackOverflow)].contains(&halt);
        if pops > 0 {
            assert_eq!(halt(pops - 1), Some(Halt::StackUnderflow), "{} with {} words", row.name, pops - 1);
        }
        assert!(!is_stack(halt(pops)), "{} with {pops} words", row.name);
        if grows {
            assert!(!is_stack(halt(1023)), "{} with 1023 words", row.name);
            assert_eq!(halt(1024), Some(Halt::StackOverflow), "{} with 1024 words", row.name);
        } else {
            assert!(!is_stack(halt(1024)), "{} with 1024 words", row.name);
        }
    }
}

#[test]
fn sequences_that_are_run_as_one_have_the_same_limits() {
    // A sequence fails for its stack where one of its parts would; words below it, then whether it fails.
    let rows = [
        ("PUSH1 1 PUSH1 2", 1022, None),
        ("PUSH1 1 PUSH1 2", 1023, Some(Halt::StackOverflow)),
        ("PUSH1 1 DUP1", 1023, Some(Halt::StackOverflow)),
        ("PUSH1 1 ADD", 0, Some(Halt::StackUnderflow)),
        ("PUSH1 1 ADD", 1, None),
        ("PUSH1 1 ADD", 1023, None),
        ("PUSH1 1 ADD", 1024, Some(Halt::StackOverflow)),
        ("PUSH1 0 MLOAD", 1023, None),
        ("PUSH1 0 MLOAD", 1024, Some(Halt::StackOverflow)),
        ("PUSH1 0 MSTORE", 0, Some(Halt::StackUnderflow)),
        ("PUSH1 0 MSTORE", 1024, Some(Halt::StackOverflow)),
        ("PUSH1 1 PUSH1 1 PUSH1 160 SHL SUB", 1021, None),
        ("PUSH1 1 PUSH1 1 PUSH1 160 SHL SUB", 1022, Some(Halt::StackOverflow)),
        ("PUSH1 1 PUSH1 1 PUSH1 160 SHL SUB AND", 0, Some(Halt::StackUnderflow)),
        ("DUP1 PUSH4 1 EQ PUSH2 0 JUMPI", 0, Some(Halt::StackUnderflow)),
        ("DUP1 PUSH4 1 EQ PUSH2 0 JUMPI", 1, None),
        ("DUP1 PUSH4 1 EQ PUSH2 0 JUMPI", 1022, None),
        ("DUP1 PUSH4 1 EQ PUSH2 0 JUMPI", 1023, Some(Halt::StackOverflow)),
        ("ISZERO ISZERO", 0, Some(Halt::StackUnderflow)),
        ("ISZERO ISZERO", 1024, None),
        ("POP POP", 1, Some(Halt::StackUnderflow)),
        ("SWAP1 POP", 1, Some(Halt::StackUnderflow)),
        ("SWAP2 POP", 2, Some(Halt::StackUnderflow)),
        ("SWAP3 POP", 3, Some(Halt::StackUnderflow)),
        ("SWAP3 POP", 4, None),
        ("DUP2 ADD", 1, Some(Halt::StackUnderflow)),
        ("DUP2 ADD", 1024, Some(Halt::StackOverflow)),
        ("DUP1 MLOAD", 1024, Some(Halt::StackOverflow)),
        ("DUP2 MSTORE", 1, Some(Halt::StackUnderflow)),
        ("DUP2 MSTORE", 1024, Some(Halt::StackOverflow)),
        ("PUSH20 1 AND", 0, Some(Halt::StackUnderflow)),
        ("LT ISZERO PUSH2 0 JUMPI", 1, Some(Halt::StackUnderflow)),
        ("LT ISZERO PUSH2 0 JUMPI", 1024, Some(Halt::InvalidJump)),
        ("POP JUMP", 1, Some(Halt::StackUnderflow)),
        ("SWAP1 JUMP", 1, Some(Halt::StackUnderflow)),
    ];
    for (code, words, expected) in rows {
        let run = Setup::new(Fork::Osaka, &format!("{} {code} STOP", "PUSH0 ".repeat(words))).run();
        assert_eq!(run.halt, expected, "{code} on {words} words");
    }
}

#[test]
fn dup_and_swap_reach_every_depth() {
    let pushes: String = (1..=17).map(|n| format!("{n} ")).collect();
    for depth in 1..=16u64 {
        let found = stack_after(Fork::Frontier, &asm(&format!("{pushes} DUP{depth}"))).expect("17 words");
        assert_eq!((found[0], found.len()), (word(18 - depth), 18), "DUP{depth}");
        let found = stack_after(Fork::Frontier, &asm(&format!("{pushes} SWAP{depth}"))).expect("17 words");
        let mut expected: Vec<U256> = (1..=17).rev().map(word).collect();
        expected.swap(0, depth as usize);
        assert_eq!(found, expected, "SWAP{depth}");
    }
}

#[test]
fn jumps() {
    let rows = [
        ("forward", "@a JUMP INVALID :a 7", Ok(7)),
        ("backward", "@start JUMP :back 7 @end JUMP :start @back JUMP :end", Ok(7)),
        ("taken", "1 @a JUMPI INVALID :a 7", Ok(7)),
        ("not taken", "7 0 @a JUMPI @end JUMP :a INVALID :end", Ok(7)),
        (
            "taken for a high bit",
            "0x8000000000000000000000000000000000000000000000000000000000000000 @a JUMPI INVALID :a 7",
            Ok(7),
        ),
        ("not taken, bad target", "7 0 3 JUMPI", Ok(7)),
        ("to the middle of a push", "4 JUMP PUSH1 0x5b 7", Err(Halt::InvalidJump)),
        ("past the end", "0xffff JUMP", Err(Halt::InvalidJump)),
        ("to the end", "3 JUMP", Err(Halt::InvalidJump)),
        ("beyond 64 bits", "0x1000000000000000b JUMP JUMPDEST 7", Err(Halt::InvalidJump)),
        ("beyond 64 bits, conditional", "1 0x1000000000000000d JUMPI JUMPDEST 7", Err(Halt::InvalidJump)),
        ("to an opcode that is no destination", "0 JUMP", Err(Halt::InvalidJump)),
        ("target from the stack", "@a 0 POP JUMP INVALID :a 7", Ok(7)),
        ("target under the top", "@a 5 SWAP1 JUMP INVALID :a 2 ADD", Ok(7)),
        ("target under a popped word", "@a 5 POP JUMP INVALID :a 7", Ok(7)),
    ];
    for (name, code, expected) in rows {
        let expected = match expected {
            Ok(value) => returns(value),
            Err(halt) => End::Halt(halt),
        };
        assert_eq!(top(Fork::Osaka, code), expected, "{name}");
    }
}

#[test]
fn price_of_loops() {
    // 3 turns: JUMPDEST, PUSH1, SWAP1, SUB, DUP1, PUSH2, JUMPI.
    let turn = 1 + 3 + 3 + 3 + 3 + 3 + 10;
    let run = Setup::new(Fork::Osaka, "3 :loop 1 SWAP1 SUB DUP1 @loop JUMPI STOP").run();
    assert_eq!(run.gas_used, 3 + 3 * turn);
    // The gas for a destination is needed, too.
    let code = "@a JUMP :a STOP";
    assert_eq!(Setup::new(Fork::Osaka, code).gas(12).run().halt, None);
    assert_eq!(Setup::new(Fork::Osaka, code).gas(11).run().halt, Some(Halt::OutOfGas));
}

#[test]
fn execution_of_eip_8024() {
    let zeros = |len: usize| vec![word(0); len];
    let stack = |edit: &dyn Fn(&mut Vec<U256>), len: usize| {
        let mut stack = zeros(len);
        edit(&mut stack);
        Ok(stack)
    };
    // The programs of the specification; stacks with the top first.
    let rows = [
        ("DUPN 17", "60016000808080808080808080808080808080e680", stack(&|s| (s[0], s[17]) = (word(1), word(1)), 18)),
        (
            "SWAPN 17",
            "600160008080808080808080808080808080806002e780",
            stack(&|s| (s[0], s[17]) = (word(1), word(2)), 18),
        ),
        (
            "EXCHANGE at the end",
            "600260008080808080600160008080808080808080e8",
            stack(&|s| (s[9], s[16]) = (word(2), word(1)), 17),
        ),
        ("EXCHANGE 1 2", "600060016002e88e", Ok(vec![word(2), word(0), word(1)])),
        (
            "EXCHANGE 1 29",
            "600080808080808080808080808080808080808080808080808080808060016002e88f",
            stack(&|s| (s[0], s[29]) = (word(2), word(1)), 30),
        ),
        ("SWAPN and a JUMPDEST", "e75b", Err(Halt::InvalidImmediate)),
        ("a jump into an immediate", "600456e65b", Ok(vec![])),
        ("ISZERO behind", "60008080e88e15", Ok(vec![word(1), word(0), word(0)])),
        ("EXCHANGE and MSTORE", "e852", Err(Halt::InvalidImmediate)),
        ("DUPN on 16 words", "6000808080808080808080808080808080e680", Err(Halt::StackUnderflow)),
        ("SWAPN on 17 words", "600080808080808080808080808080808080e780", Err(Halt::StackUnderflow)),
        ("EXCHANGE 1 2 on 2 words", "60006001e88e", Err(Halt::StackUnderflow)),
    ];
    for (name, code, expected) in rows {
        assert_eq!(stack_after(Fork::Amsterdam, &hex(code)), expected, "{name}");
        let untraced = Setup::with_code(Fork::Amsterdam, hex(code).into()).run();
        assert_eq!(untraced.halt, expected.err(), "{name}");
    }
    for opcode in [0xe6, 0xe7, 0xe8] {
        let code = [&[opcode::PUSH1].repeat(120)[..], &[opcode, 0x80]].concat();
        assert_eq!(stack_after(Fork::Osaka, &code), Err(Halt::InvalidOpcode), "{opcode:#x} under Osaka");
    }
}

#[test]
fn every_immediate_of_eip_8024() {
    let pushes: Vec<u8> = (0..=240u8).flat_map(|n| [opcode::PUSH1, n]).collect();
    let before: Vec<U256> = (0..=240u64).rev().map(word).collect();
    let run = |number: u8, immediate: u8| stack_after(Fork::Amsterdam, &[&pushes[..], &[number, immediate]].concat());
    for immediate in 0..=255u8 {
        // The specification's decoding, written with its own tables of cases.
        let single = match immediate {
            0..=90 => Some(usize::from(immediate) + 145),
            91..=127 => None,
            128..=255 => Some(usize::from(immediate) - 111),
        };
        let expected = single.map(|depth| [&[before[depth - 1]], &before[..]].concat()).ok_or(Halt::InvalidImmediate);
        assert_eq!(run(opcode::DUPN, immediate), expected, "DUPN {immediate:#04x}");
        let swapped = |a: usize, b: usize| {
            let mut stack = before.clone();
            stack.swap(a, b);
            stack
        };
        let expected = single.map(|depth| swapped(0, depth)).ok_or(Halt::InvalidImmediate);
        assert_eq!(run(opcode::SWAPN, immediate), expected, "SWAPN {immediate:#04x}");
    }
    let pairs = [(0x9d, (2, 3)), (0x2f, (1, 19)), (0x50, (14, 16)), (0x51, (14, 15)), (0x8e, (1, 2)), (0x8f, (1, 29))];
    for (immediate, (near, far)) in pairs {
        let mut expected = before.clone();
        expected.swap(near, far);
        assert_eq!(run(opcode::EXCHANGE, immediate), Ok(expected), "EXCHANGE {immediate:#04x}");
    }
    for immediate in 82..=127u8 {
        assert_eq!(run(opcode::EXCHANGE, immediate), Err(Halt::InvalidImmediate), "EXCHANGE {immediate:#04x}");
    }
}
