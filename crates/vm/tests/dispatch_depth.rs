//! The interpreter's handlers jump to one another: no opcode leaves anything on the host's stack.
//!
//! In builds in which handlers call the next one as their last act (see `src/interpreter.rs`), only the optimiser turns
//! that call into a jump. A handler for which it did not, because of a local whose address is taken or a value to be
//! dropped, would grow the host's stack with every opcode and overflow it in a long program. So every opcode, and every
//! sequence that is run as one, is executed 200,000 times here, and then a native module says how deep it was called:
//! it has to be as deep as after nothing at all. The thread has a stack so large that a failure is a failed assertion
//! that names the row, not a crash. In other builds, where a loop runs the handlers, the same holds for the same reason
//! that the loop is one.
//!
//! The sequences are read from the table in `src/program.rs`, so a new one is covered without being written down here.

mod support;

use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_state::{Journal, ReadError};
use rialto_vm::{Fork, ModuleCall, ModuleOutcome, NativeModule, opcode as op};
use std::sync::atomic::{AtomicUsize, Ordering};
use support::{CONTRACT, OTHER, Setup, opcode_of};

const EXECUTIONS: usize = 200_000;
/// Bytes of a loop's body, so that a PUSH2 reaches everything in it.
const BODY_BYTES: usize = 40_000;
/// What the host's stack may grow by, whatever was executed. One return address for each execution is 1.6 MB.
const SLACK_BYTES: usize = 2_048;
const PROBE: Address = Address::repeat_byte(0x9b);

/// Notes where on the host's stack it is called.
#[derive(Default)]
struct Probe {
    address: AtomicUsize,
}

impl NativeModule for Probe {
    fn address(&self) -> Address {
        PROBE
    }

    fn call(&self, _: &mut Journal<'_>, _: ModuleCall<'_>, _: &mut Vec<u8>) -> Result<ModuleOutcome, ReadError> {
        let local = 0u8;
        self.address.store((&raw const local).addr(), Ordering::Relaxed);
        Ok(ModuleOutcome::Success { gas_used: 0 })
    }
}

/// A piece of code to repeat: it gets the offset at which it will stand.
struct Row {
    name: String,
    unit: Box<dyn Fn(usize) -> Vec<u8>>,
}

impl Row {
    fn new(name: impl Into<String>, unit: impl Fn(usize) -> Vec<u8> + 'static) -> Self {
        Self { name: name.into(), unit: Box::new(unit) }
    }

    fn plain(name: impl Into<String>, code: Vec<u8>) -> Self {
        Self::new(name, move |_| code.clone())
    }
}

/// PUSH3: like PUSH0, the beginning of no sequence.
fn push3(value: usize) -> [u8; 4] {
    let [.., a, b, c] = value.to_be_bytes();
    [op::PUSH3, a, b, c]
}

/// Pushes words, the last of which becomes the top, by opcodes that begin no sequence.
fn pushes(words: &[usize]) -> Vec<u8> {
    let push = |&word: &usize| if word == 0 { vec![op::PUSH0] } else { push3(word).to_vec() };
    words.iter().flat_map(push).collect()
}

/// The transient slot that counts the turns of the loop.
const COUNTER: u8 = 0x77;

/// A program that runs the unit at least so many times and then calls the probe.
fn program(row: &Row, executions: usize) -> Bytes {
    // 40 words for what looks deep into the stack.
    let mut code = vec![op::PUSH0; 40];
    let len = (row.unit)(0).len();
    let units = (BODY_BYTES / len).min(executions);
    if executions > 0 {
        let turns = executions.div_ceil(units);
        code.extend(push3(turns));
        code.extend([op::PUSH1, COUNTER, op::TSTORE]);
        let start = code.len();
        code.push(op::JUMPDEST);
        for _ in 0..units {
            code.extend((row.unit)(code.len()));
        }
        code.extend([op::PUSH1, 1, op::PUSH1, COUNTER, op::TLOAD, op::SUB, op::DUP1, op::PUSH1, COUNTER, op::TSTORE]);
        code.extend(push3(start));
        code.push(op::JUMPI);
    }
    code.extend([op::PUSH0; 4]);
    code.push(op::PUSH20);
    code.extend_from_slice(PROBE.as_slice());
    code.extend([op::GAS, op::STATICCALL, op::STOP]);
    code.into()
}

/// The address of the probe's local when this code has run to its end, untraced.
fn depth_of(name: &str, code: Bytes) -> usize {
    let probe = Probe::default();
    let mut setup = Setup::with_code(Fork::Amsterdam, code).account(PROBE, "").gas(1 << 60);
    setup.state.insert_block_hash(999, B256::repeat_byte(9));
    for (i, end) in TERMINATORS.iter().enumerate() {
        setup = setup.account_with_code(callee(i), [&pushes(&[0; 2])[..], &[*end]].concat().into());
    }
    let run = setup.try_run(&[&probe], 1, None).expect("in memory").remove(0);
    assert_eq!(run.halt, None, "{name}");
    let address = probe.address.load(Ordering::Relaxed);
    assert_ne!(address, 0, "{name}: the program did not get to its end");
    address
}

/// Opcodes that end a frame; each is run by calling a contract that consists of it.
const TERMINATORS: [u8; 5] = [op::STOP, op::RETURN, op::REVERT, op::INVALID, op::SELFDESTRUCT];

fn callee(index: usize) -> Address {
    OTHER.create(index as u64)
}

fn call(kind: u8, target: Address, value: usize) -> Vec<u8> {
    let mut code = pushes(&[0; 4]);
    if kind == op::CALL || kind == op::CALLCODE {
        code.extend(pushes(&[value]));
    }
    code.push(op::PUSH20);
    code.extend_from_slice(target.as_slice());
    code.extend(push3(0xffff));
    code.extend([kind, op::POP]);
    code
}

/// Every opcode: as often as it needs to be to take all its ways.
fn opcode_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for number in 0..=255u8 {
        let Some(row) = op::OPCODES[usize::from(number)] else { continue };
        let name = row.name;
        let results = vec![op::POP; usize::from(row.pushes)];
        let with = |words: &[usize]| [&pushes(words)[..], &[number], &results].concat();
        let zeros = vec![0; usize::from(row.pops)];
        match number {
            op::JUMP => rows.push(Row::new(name, |at| [&push3(at + 5)[..], &[op::JUMP, op::JUMPDEST]].concat())),
            op::JUMPI => {
                for condition in [0, 1] {
                    rows.push(Row::new(format!("JUMPI on {condition}"), move |at| {
                        let condition = pushes(&[condition]);
                        let target = push3(at + condition.len() + 5);
                        [&condition[..], &target, &[op::JUMPI, op::JUMPDEST]].concat()
                    }));
                }
            }
            op::DUPN => rows.push(Row::plain(name, vec![number, 0x80, op::POP])),
            op::SWAPN => rows.push(Row::plain(name, vec![number, 0x80])),
            op::EXCHANGE => rows.push(Row::plain(name, vec![number, 0x8e])),
            op::PUSH1..=op::PUSH32 => {
                let immediate = vec![number; usize::from(row.immediate_bytes)];
                rows.push(Row::plain(name, [&[number][..], &immediate, &[op::POP]].concat()));
            }
            op::DUP1..=op::DUP16 => rows.push(Row::plain(name, vec![number, op::POP])),
            op::SWAP1..=op::SWAP16 => rows.push(Row::plain(name, vec![number])),
            op::CREATE | op::CREATE2 => {
                // With more value than there is; a creation that is made opens a frame, which ends the run of handlers.
                let words = [&zeros[1..], &[1]].concat();
                rows.push(Row::plain(name, with(&words)));
            }
            op::CALL | op::CALLCODE | op::DELEGATECALL | op::STATICCALL => {
                rows.push(Row::plain(format!("{name} of nobody"), call(number, Address::repeat_byte(0x40), 0)));
                rows.push(Row::plain(
                    format!("{name} of a precompiled contract"),
                    call(number, Address::with_last_byte(4), 0),
                ));
                rows.push(Row::plain(format!("{name} of a module"), call(number, PROBE, 0)));
                rows.push(Row::plain(format!("{name} of code"), call(number, callee(0), 0)));
                if row.pops == 7 {
                    rows.push(Row::plain(format!("{name} without funds"), call(number, callee(0), 1)));
                }
            }
            _ if TERMINATORS.contains(&number) => {
                let index = TERMINATORS.iter().position(|&end| end == number).expect("it is one");
                rows.push(Row::plain(name, call(op::CALL, callee(index), 0)));
            }
            _ => rows.push(Row::plain(name, with(&zeros))),
        }
        if (op::ADD..=op::CLZ).contains(&number) {
            let large = |word: u8| [&[op::PUSH32][..], &[word; 32]].concat();
            let operands: Vec<u8> = (0..row.pops).flat_map(|i| large(0x91 >> i)).collect();
            rows.push(Row::plain(format!("{name} of long words"), [&operands[..], &[number], &results].concat()));
        }
        if [op::CALLDATACOPY, op::CODECOPY, op::MCOPY, op::EXTCODECOPY, op::KECCAK256, op::LOG0].contains(&number) {
            // The length is the last word that the opcode takes, so the first that is pushed.
            let words = [&[64], &zeros[1..]].concat();
            rows.push(Row::plain(format!("{name} of 64 bytes"), with(&words)));
        }
    }
    rows.extend(special_rows());
    rows
}

/// Ways through handlers that a plain table does not take.
fn special_rows() -> Vec<Row> {
    let slot = [pushes(&[1, 0]), vec![op::SSTORE], pushes(&[2, 0]), vec![op::SSTORE]].concat();
    vec![
        Row::plain("SSTORE of other words", slot),
        Row::plain("BLOCKHASH of a recent block", [&pushes(&[999])[..], &[op::BLOCKHASH, op::POP]].concat()),
        Row::plain("MLOAD that grows", vec![op::MSIZE, op::MLOAD, op::POP]),
        Row::plain("MSTORE that grows", vec![op::PUSH0, op::MSIZE, op::MSTORE]),
        Row::plain("DUP1 MLOAD that grows", vec![op::MSIZE, op::DUP1, op::MLOAD, op::POP, op::POP]),
        Row::plain("DUP2 MLOAD that grows", vec![op::MSIZE, op::PUSH0, op::DUP2, op::MLOAD, op::POP, op::POP, op::POP]),
        Row::plain("DUP2 MSTORE that grows", vec![op::MSIZE, op::PUSH0, op::DUP2, op::MSTORE, op::POP]),
    ]
}

/// The sequences that are run as one, by name.
fn fused_sequences() -> Vec<(String, Vec<u8>)> {
    let source = include_str!("../src/program.rs");
    let (_, table) = source.split_once("\nfusions! {\n").expect("the table of sequences begins so");
    let (table, _) = table.split_once("\n}\n").expect("the table of sequences ends so");
    let line = |line: &str| {
        let (number_and_name, parts) = line.trim().strip_suffix(';')?.split_once(" = ")?;
        let (_, name) = number_and_name.split_once(' ')?;
        Some((name.to_string(), parts.split(' ').map(opcode_of).collect()))
    };
    let lines = table.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.map(|text| line(text).unwrap_or_else(|| panic!("`number NAME = PARTS;` expected, found {text:?}"))).collect()
}

/// The sequence on these two topmost words, and what cleans up behind it.
fn fused_unit(sequence: &[u8], operands: [usize; 2], at: usize) -> Vec<u8> {
    let (mut height, mut need) = (0i32, 0i32);
    for part in sequence {
        let row = op::OPCODES[usize::from(*part)].expect("an opcode");
        need = need.max(i32::from(row.pops) - height);
        height += i32::from(row.pushes) - i32::from(row.pops);
    }
    let jumps = sequence.iter().any(|part| [op::JUMP, op::JUMPI].contains(part));
    let takes_target = sequence.ends_with(&[op::JUMP]) && !sequence.ends_with(&[op::PUSH2, op::JUMP]);
    let mut words = vec![0; need as usize];
    for (depth, word) in operands.into_iter().enumerate().take(words.len()) {
        let index = words.len() - 1 - depth;
        words[index] = word;
    }
    let body_len: usize = sequence
        .iter()
        .map(|part| 1 + usize::from(op::OPCODES[usize::from(*part)].expect("an opcode").immediate_bytes))
        .sum();
    if takes_target {
        // Under the top. Any word but zero is as long as the target, which is not known yet.
        let index = words.len() - 2;
        words[index] = 1;
        let target = at + pushes(&words).len() + body_len;
        words[index] = target;
    }
    let mut code = pushes(&words);
    let target = (at + code.len() + body_len) as u16;
    let mut push1s = 0;
    for part in sequence {
        code.push(*part);
        match *part {
            // The address mask is 1, 1, 160; for the others any will do.
            op::PUSH1 => {
                push1s += 1;
                code.push(if push1s == 3 { 160 } else { 1 });
            }
            op::PUSH2 => code.extend(target.to_be_bytes()),
            op::PUSH4 => code.extend([0, 0, 0, 1]),
            op::PUSH20 => code.extend([1; 20]),
            _ => {}
        }
    }
    if jumps {
        code.push(op::JUMPDEST);
    }
    code.extend(vec![op::POP; (need + height) as usize]);
    code
}

fn fused_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (name, sequence) in fused_sequences() {
        for operands in [[0, 0], [1, 0], [0, 1]] {
            let sequence = sequence.clone();
            rows.push(Row::new(format!("{name} on {operands:?}"), move |at| fused_unit(&sequence, operands, at)));
        }
    }
    rows
}

/// Runs on a thread with this much stack.
fn on_stack<T: Send + 'static>(bytes: usize, run: impl FnOnce() -> T + Send + 'static) -> T {
    let thread = std::thread::Builder::new().stack_size(bytes).spawn(run).expect("a thread");
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn check(rows: fn() -> Vec<Row>) {
    on_stack(1 << 30, move || {
        let nothing = Row::plain("nothing", vec![op::JUMPDEST]);
        let baseline = depth_of("nothing", program(&nothing, 0));
        for row in rows() {
            let grown = baseline.abs_diff(depth_of(&row.name, program(&row, EXECUTIONS)));
            assert!(grown <= SLACK_BYTES, "{}: {grown} bytes of host stack after {EXECUTIONS} executions", row.name);
        }
    });
}

#[test]
fn opcodes_leave_nothing_on_the_hosts_stack() {
    check(opcode_rows);
}

#[test]
fn sequences_leave_nothing_on_the_hosts_stack() {
    assert!(fused_sequences().len() > 10, "{:?}", fused_sequences());
    check(fused_rows);
}

#[test]
fn the_measure_sees_depth() {
    // The probe, called once from one host frame more, is deeper: so the rows above could fail.
    #[inline(never)]
    fn deeper(times: usize, code: &Bytes) -> usize {
        let kept = std::hint::black_box([0u8; 4_096]);
        let address = if times == 0 { depth_of("nested", code.clone()) } else { deeper(times - 1, code) };
        std::hint::black_box(&kept);
        address
    }
    on_stack(16 << 20, || {
        let code = program(&Row::plain("nothing", vec![op::JUMPDEST]), 0);
        let (shallow, deep) = (deeper(0, &code), deeper(1, &code));
        assert!(shallow.abs_diff(deep) > SLACK_BYTES, "{shallow:#x}, {deep:#x}");
    });
}

#[test]
fn straight_lines_on_a_small_stack() {
    // As long as initcode could be, twice; each on 128 KiB.
    let rows = [
        ("JUMPDEST", vec![op::JUMPDEST]),
        ("PC POP", vec![op::PC, op::POP]),
        ("PUSH1 1 POP", vec![op::PUSH1, 1, op::POP]),
        ("PUSH0 ISZERO ISZERO POP", vec![op::PUSH0, op::ISZERO, op::ISZERO, op::POP]),
        ("PUSH1 0 MLOAD POP", vec![op::PUSH1, 0, op::MLOAD, op::POP]),
        ("PUSH0 SLOAD POP", vec![op::PUSH0, op::SLOAD, op::POP]),
        ("PUSH0 BALANCE POP", vec![op::PUSH0, op::BALANCE, op::POP]),
        ("GAS POP", vec![op::GAS, op::POP]),
    ];
    for (name, unit) in rows {
        for len in [0x6000, 0xc000] {
            let mut code = unit.repeat(len / unit.len());
            code.resize(len, op::JUMPDEST);
            let run = on_stack(128 << 10, move || {
                let setup = Setup::with_code(Fork::Amsterdam, code.into());
                setup.try_run(&[], 1, None).expect("in memory").remove(0)
            });
            assert_eq!(run.halt, None, "{name}");
            assert!(run.gas_used as usize >= len / unit.len(), "{name}: all of it ran");
            assert_eq!(run.slot(CONTRACT, 0), U256::ZERO, "{name}");
        }
    }
}
