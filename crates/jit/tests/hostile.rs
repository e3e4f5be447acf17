//! Bytecode that is written to cost a compiler time and memory: it is compiled within bounds or refused, and what is
//! compiled of it does what the interpreter does.

mod random;

use random::Numbers;
use rialto_jit::{CompileError, Jit, JitMode, JitOptions};
use rialto_vm::Fork;
use rialto_vm::opcode as op;

/// The longest code that is compiled.
const LONGEST: usize = 49_152;
/// Bytes of machine code that a code may become at most: they are what compiling it costs, near enough.
const MACHINE_CODE_MAX: usize = 4 << 20;

/// A program that repeats a sequence to `len` bytes.
fn repeated(prologue: &[u8], sequence: &[u8], len: usize) -> Vec<u8> {
    let mut code = prologue.to_vec();
    while code.len() + sequence.len() <= len {
        code.extend_from_slice(sequence);
    }
    code
}

/// A program that repeats a sequence made for its place.
fn chained(len: usize, mut sequence: impl FnMut(usize) -> Vec<u8>) -> Vec<u8> {
    let mut code = Vec::new();
    loop {
        let next = sequence(code.len());
        if code.len() + next.len() > len {
            return code;
        }
        code.extend(next);
    }
}

fn push2(offset: usize) -> [u8; 3] {
    let [high, low] = (offset as u16).to_be_bytes();
    [op::PUSH2, high, low]
}

/// Pushes so many words of the call data, each another.
fn input_words(count: u8) -> Vec<u8> {
    (0..count).flat_map(|i| [op::PUSH1, i, op::CALLDATALOAD]).collect()
}

/// Operations one behind the other, on words that are not known.
fn straight(len: usize) -> Vec<(&'static str, Vec<u8>)> {
    let words = input_words(20);
    vec![
        ("nothing", Vec::new()),
        ("jump destinations", repeated(&[], &[op::JUMPDEST], len)),
        ("pushes of nothing", repeated(&[], &[op::PUSH0], len)),
        ("pushes", repeated(&[], &[op::PUSH32; 33], len)),
        ("a push without its bytes", [repeated(&words, &[op::ADD, op::PUSH0], len - 20), vec![op::PUSH32; 5]].concat()),
        ("sums", repeated(&words, &[op::DUP16, op::ADD], len)),
        ("sums that all stay", repeated(&words, &[op::DUP16, op::DUP16, op::ADD, op::SWAP16], len)),
        ("products", repeated(&words, &[op::DUP16, op::MUL], len)),
        ("quotients", repeated(&words, &[op::DUP16, op::DIV], len)),
        ("signed remainders", repeated(&words, &[op::DUP16, op::SMOD], len)),
        ("modular products", repeated(&words, &[op::DUP16, op::DUP16, op::MULMOD], len)),
        ("powers", repeated(&words, &[op::DUP2, op::EXP], len)),
        ("shifts", repeated(&words, &[op::DUP16, op::SAR], len)),
        ("bytes", repeated(&words, &[op::DUP16, op::BYTE, op::DUP15, op::SIGNEXTEND], len)),
        ("signed comparisons", repeated(&words, &[op::DUP16, op::SGT, op::DUP14, op::ADD], len)),
        ("rotations", repeated(&words, &[op::SWAP16, op::SWAP7, op::SWAP12, op::SWAP3], len)),
        ("loads", repeated(&words, &[op::MLOAD], len)),
        ("stores", repeated(&words, &[op::DUP15, op::DUP15, op::MSTORE8, op::DUP9, op::DUP9, op::MSTORE], len)),
        ("hashes", repeated(&words, &[op::DUP3, op::KECCAK256], len)),
        ("slots", repeated(&words, &[op::SLOAD, op::DUP1, op::DUP3, op::SSTORE], len)),
        ("gas", repeated(&words, &[op::GAS, op::ADD], len)),
        ("ends", repeated(&[], &[op::STOP], len)),
        ("opcodes that nobody knows", repeated(&[], &[0x0c], len)),
    ]
}

/// Control flow of which there is a lot.
fn branching(len: usize) -> Vec<(&'static str, Vec<u8>)> {
    let call = [op::DUP1, op::DUP1, op::DUP1, op::DUP1, op::DUP1, op::ADDRESS, op::PUSH0, op::CALL];
    let end = len - 1;
    let mut to_one_place = repeated(&input_words(10), &[&[op::DUP9][..], &push2(end), &[op::JUMPI]].concat(), end);
    to_one_place.resize(end, op::STOP);
    to_one_place.push(op::JUMPDEST);
    let branch_to = |to: usize| [&[op::JUMPDEST, op::DUP1, op::CALLDATALOAD][..], &push2(to), &[op::JUMPI]].concat();
    let mut numbers = Numbers(1);
    let jump_by_word = [op::JUMPDEST, op::DUP1, op::CALLDATALOAD, op::JUMP];
    let whole = vec![op::CALLDATASIZE; 90];
    vec![
        ("calls", repeated(&[op::PUSH0], &call, len)),
        ("creations", repeated(&[op::PUSH0], &[op::DUP1, op::DUP1, op::CREATE], len)),
        ("branches to one place", to_one_place),
        ("branches to the next place", chained(len, |here| branch_to(here + 7))),
        ("branches back", chained(len, |here| branch_to(here / 7 / 2 * 7))),
        ("branches anywhere", chained(len, |_| branch_to(numbers.below(len as u64 / 7) as usize * 7))),
        ("branches to nowhere", chained(len, |here| branch_to(here + 3))),
        ("jumps by words", repeated(&[op::PUSH0], &jump_by_word, len)),
        ("places that are named", {
            chained(len, |here| [&push2(here + 4)[..], &[op::POP, op::JUMPDEST, op::DUP1, op::JUMP]].concat())
        }),
        ("branches with many words", {
            let sequence = [&[op::SWAP16, op::DUP1][..], &push2(0), &[op::JUMPI, op::CALLDATASIZE]].concat();
            repeated(&whole, &sequence, len)
        }),
        ("every byte", (0..len).map(|at| at as u8).collect()),
        ("any bytes", Numbers(7).bytes(len)),
        ("pushes of destinations", repeated(&[], &[op::PUSH1, op::JUMPDEST], len)),
    ]
}

fn jit() -> Jit {
    Jit::new(JitOptions { mode: JitMode::Always, ..JitOptions::default() })
}

#[test]
fn hostile_code_is_compiled_within_bounds_or_refused() {
    let jit = jit();
    for len in [LONGEST, LONGEST / 2, 1_000] {
        for (name, code) in straight(len).into_iter().chain(branching(len)) {
            match jit.compile(&code, Fork::Osaka) {
                Ok(info) => {
                    println!("{name} {len}: {} bytes, {} ms", info.code_bytes, info.nanoseconds / 1_000_000);
                    assert!(info.code_bytes <= MACHINE_CODE_MAX, "{name}, {len} bytes: {}", info.code_bytes);
                }
                Err(error @ (CompileError::TooLarge | CompileError::FrameTooLarge { .. })) => {
                    println!("{name} {len}: {error}");
                    assert!(len > 1_000, "{name}, {len} bytes: {error}");
                }
                Err(error) => panic!("{name}, {len} bytes: {error}"),
            }
        }
    }
}

#[test]
fn longer_code_than_is_worth_it_is_refused() {
    let code = vec![op::JUMPDEST; LONGEST + 1];
    let expected = CompileError::TooLong { bytes: LONGEST + 1, limit: LONGEST };
    assert_eq!(jit().compile(&code, Fork::Osaka).map(|_| ()), Err(expected));
}

#[test]
fn hostile_code_does_what_it_does_interpreted() {
    let jit = jit();
    for len in [3_000, 300] {
        for (name, code) in straight(len).into_iter().chain(branching(len)) {
            for fork in [Fork::Frontier, Fork::Osaka] {
                let tally = random::check_code(&code, fork, 8, &jit);
                assert!(tally.executions > 0, "{name}, {len} bytes under {fork} was not run");
            }
        }
    }
}
