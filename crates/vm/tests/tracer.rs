//! What a tracer sees: every opcode, with the program counter, gas and stack before it, and every frame.
//!
//! Two tables. The first writes traces out. The second holds longer programs against what each step must be given the
//! one before it, by the opcode table alone: the opcode is the byte at the program counter, the counter moves on by the
//! opcode's length or to a destination, the stack grows by what the table says, gas falls by the table's price where the
//! price is fixed. That a traced run ends like an untraced one is checked by `support` for every program of every test.

mod support;

use alloy_primitives::{Address, Bytes, U256};
use rialto_vm::{Fork, Halt, Step, Tracer, opcode as op};
use support::{BENEFICIARY, CALLER, CONTRACT, OTHER, Run, Setup, Trace, TracedStep, asm, opcode_of, word};

fn trace(setup: &Setup) -> (Run, Trace) {
    let (run, trace) = setup.trace();
    assert_eq!(setup.run(), run, "an untraced run is the same");
    (run, trace)
}

#[test]
fn traces_written_out() {
    // code; for each step pc, mnemonic, gas before it, stack with the top last
    type Row = (&'static str, &'static [(usize, &'static str, u64, &'static [u64])]);
    let rows: [Row; 6] = [
        ("STOP", &[(0, "STOP", 1000, &[])]),
        // Sequences that an untraced run does in one step.
        (
            "PUSH1 2 PUSH1 3 ADD",
            &[(0, "PUSH1", 1000, &[]), (2, "PUSH1", 997, &[2]), (4, "ADD", 994, &[2, 3]), (5, "STOP", 991, &[5])],
        ),
        (
            "0 ISZERO @end JUMPI INVALID :end",
            &[
                (0, "PUSH1", 1000, &[]),
                (2, "ISZERO", 997, &[0]),
                (3, "PUSH2", 994, &[1]),
                (6, "JUMPI", 991, &[1, 8]),
                (8, "JUMPDEST", 981, &[]),
                (9, "STOP", 980, &[]),
            ],
        ),
        (
            "9 DUP1 PUSH4 9 EQ @end JUMPI INVALID :end POP",
            &[
                (0, "PUSH1", 1000, &[]),
                (2, "DUP1", 997, &[9]),
                (3, "PUSH4", 994, &[9, 9]),
                (8, "EQ", 991, &[9, 9, 9]),
                (9, "PUSH2", 988, &[9, 1]),
                (12, "JUMPI", 985, &[9, 1, 14]),
                (14, "JUMPDEST", 975, &[9]),
                (15, "POP", 974, &[9]),
                (16, "STOP", 972, &[]),
            ],
        ),
        (
            "7 PUSH1 64 MSTORE PUSH1 64 MLOAD",
            &[
                (0, "PUSH1", 1000, &[]),
                (2, "PUSH1", 997, &[7]),
                (4, "MSTORE", 994, &[7, 64]),
                (5, "PUSH1", 982, &[]),
                (7, "MLOAD", 979, &[64]),
                (8, "STOP", 976, &[7]),
            ],
        ),
        ("POP", &[(0, "POP", 1000, &[])]),
    ];
    for (code, expected) in rows {
        let (_, trace) = trace(&Setup::new(Fork::Osaka, code).gas(1000));
        let found: Vec<_> =
            trace.steps.iter().map(|step| (step.pc, step.opcode, step.gas, step.stack.clone())).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(pc, name, gas, stack)| (*pc, opcode_of(name), *gas, stack.iter().map(|&n| word(n)).collect()))
            .collect();
        assert_eq!(found, expected, "{code}");
    }
}

#[test]
fn an_undefined_byte_is_shown_as_deployed() {
    // 0x0c is no opcode, and is the number of a sequence inside: a tracer must see neither that nor INVALID.
    for byte in [0x0c, 0x2f, 0xa5, 0xfe] {
        let (run, trace) = trace(&Setup::with_code(Fork::Osaka, vec![byte].into()));
        assert_eq!(run.halt, Some(Halt::InvalidOpcode));
        assert_eq!(trace.steps.iter().map(|step| step.opcode).collect::<Vec<_>>(), [byte]);
    }
}

/// Opcodes whose price is the table's and nothing else.
fn has_fixed_price(number: u8) -> bool {
    let is_pure = (op::ADD..=op::CLZ).contains(&number) && number != op::EXP;
    let is_environment = (op::ADDRESS..=op::CALLDATASIZE).contains(&number) && number != op::BALANCE;
    is_pure
        || is_environment
        || number == op::POP
        || (op::JUMP..=op::TSTORE).contains(&number)
        || (op::PUSH0..=op::SWAP16).contains(&number)
}

/// Asserts that `next` is what follows `step` in the same frame, by the opcode table.
fn assert_follows(name: &str, code: &[u8], step: &TracedStep, next: &TracedStep) {
    let row = op::OPCODES[usize::from(step.opcode)].unwrap_or_else(|| panic!("{name}: {step:?} ran"));
    let top = |depth: usize| step.stack[step.stack.len() - depth];
    let behind = step.pc + 1 + usize::from(row.immediate_bytes);
    let target = match step.opcode {
        op::JUMP => Some(top(1)),
        op::JUMPI if !top(2).is_zero() => Some(top(1)),
        _ => None,
    };
    match target {
        Some(target) => {
            assert_eq!((U256::from(next.pc), code[next.pc]), (target, op::JUMPDEST), "{name}: {step:?}");
        }
        None => assert_eq!(next.pc, behind, "{name}: {step:?}"),
    }
    let (pops, pushes) = (usize::from(row.pops), usize::from(row.pushes));
    assert_eq!(next.stack.len(), step.stack.len() - pops + pushes, "{name}: {step:?}");
    let kept = step.stack.len() - pops;
    if !(op::SWAP1..=op::SWAP16).contains(&step.opcode) {
        assert_eq!(next.stack[..kept], step.stack[..kept], "{name}: {step:?}");
    }
    if has_fixed_price(step.opcode) {
        assert_eq!(step.gas - next.gas, u64::from(row.static_gas), "{name}: {step:?}");
    } else {
        assert!(step.gas - next.gas >= u64::from(row.static_gas), "{name}: {step:?}");
    }
    assert!(next.memory_len >= step.memory_len && next.memory_len.is_multiple_of(32), "{name}: {step:?}");
    assert_eq!((next.depth, next.address), (step.depth, step.address), "{name}: {step:?}");
}

/// Initcode in one word, which is at most 32 bytes long, stored at 0; and its length.
fn stored(initcode: &Bytes) -> (String, usize) {
    let mut padded = initcode.to_vec();
    padded.resize(32, 0);
    (format!("{} 0 MSTORE", U256::from_be_slice(&padded)), initcode.len())
}

/// Programs that take many ways, with the code of OTHER.
fn programs() -> Vec<(&'static str, String, &'static str)> {
    let call = |kind: &str, value: &str| format!("32 0 4 0 {value} {OTHER} 50000 {kind} POP");
    let (store, len) = stored(&asm("7 0 MSTORE8 1 0 RETURN"));
    let (store_bad, len_bad) = stored(&asm("1 1 SSTORE INVALID"));
    vec![
        ("a loop", "10 :loop 1 SWAP1 SUB DUP1 @loop JUMPI".into(), ""),
        (
            "sequences",
            "1 2 PUSH1 3 ADD PUSH1 4 SHL PUSH1 1 SHR PUSH1 15 AND DUP2 ADD ISZERO ISZERO \
             PUSH1 1 PUSH1 1 PUSH1 160 SHL SUB AND PUSH20 5 AND SWAP1 POP PUSH1 7 DUP1 POP POP 1 2 3 4 SWAP3 POP SWAP2 POP \
             64 DUP1 MLOAD 5 DUP2 MSTORE 64 0 DUP2 MLOAD @a 0 POP JUMP INVALID :a @b 5 SWAP1 JUMP :b"
                .into(),
            "",
        ),
        ("a switch", "1 0 LT ISZERO @x JUMPI 1 2 GT @x JUMPI INVALID :x 3 3 EQ @y JUMPI INVALID :y STOP".into(), ""),
        ("a call", call("CALL", "0"), "0 CALLDATALOAD 1 1 SSTORE 0 1 SSTORE 0 MSTORE 32 0 RETURN"),
        ("a delegate call", call("DELEGATECALL", ""), "CALLER 0 MSTORE 32 0 RETURN"),
        ("a call code", call("CALLCODE", "0"), "CALLER 0 MSTORE 32 0 RETURN"),
        ("a static call that fails", call("STATICCALL", ""), "1 1 SSTORE"),
        ("a call that reverts", call("CALL", "0"), "1 0 MSTORE 32 0 REVERT"),
        ("a call of nobody", "0 0 0 0 0 0xaaaa GAS CALL POP RETURNDATASIZE".into(), ""),
        ("a precompiled contract", "32 32 4 0 0 4 GAS CALL POP RETURNDATASIZE".into(), ""),
        ("a call without funds", "0 0 0 0 9 0xaaaa GAS CALL RETURNDATASIZE".into(), ""),
        ("a creation", format!("{store} {len} 0 0 CREATE EXTCODESIZE"), ""),
        ("a creation that fails", format!("{store_bad} {len_bad} 0 0 CREATE ISZERO"), ""),
        ("a creation with salt", format!("{store} 5 {len} 0 0 CREATE2 EXTCODESIZE"), ""),
        ("logs and hashes", "1 2 64 0 LOG2 64 0 KECCAK256 64 32 0 MCOPY 5 0 CODECOPY".into(), ""),
        ("a failure", "1 2 3 INVALID".into(), ""),
        ("an underflow", "1 POP POP".into(), ""),
        ("a bad jump", "1 2 JUMPI".into(), ""),
        ("out of gas", ":a 0 0 MSTORE @a JUMP".into(), ""),
        ("a destruction", format!("{BENEFICIARY} SELFDESTRUCT"), ""),
        ("recursion", "0 0 0 0 0 ADDRESS GAS CALL".into(), ""),
    ]
}

#[test]
fn each_step_follows_from_the_one_before() {
    for (name, code, other) in programs() {
        let setup = Setup::new(Fork::Osaka, &code).account(OTHER, other).gas(200_000);
        let (run, trace) = trace(&setup);
        assert!(!trace.steps.is_empty(), "{name}");
        // Only this code jumps, so only it is looked into.
        let code = asm(&code);
        // Steps of open frames, outermost first.
        let mut open: Vec<&TracedStep> = Vec::new();
        for step in &trace.steps {
            open.truncate(step.depth);
            assert!(step.depth <= open.len() + 1, "{name}: {step:?} skips a depth");
            if step.depth == open.len() + 1 {
                assert_eq!((step.pc, step.memory_len), (0, 0), "{name}: a frame begins with {step:?}");
                assert!(step.stack.is_empty() && step.return_data.is_empty(), "{name}: a frame begins with {step:?}");
                open.push(step);
                continue;
            }
            let before = open[step.depth - 1];
            assert_follows(name, &code, before, step);
            open[step.depth - 1] = step;
        }
        let first = &trace.steps[0];
        assert_eq!((first.gas, first.depth, first.address), (200_000, 1, CONTRACT), "{name}");
        let last = trace.steps.iter().rfind(|step| step.depth == 1).expect("there is one");
        assert!(run.gas_left <= last.gas, "{name}");
        assert_eq!(trace.enters.len(), trace.leaves.len(), "{name}");
    }
}

#[test]
fn the_opcode_is_the_byte_at_the_counter() {
    for (name, code, other) in programs() {
        let setup = Setup::new(Fork::Osaka, &code).account(OTHER, other).gas(200_000);
        let (_, trace) = trace(&setup);
        let code = asm(&code);
        // Depth 1 runs the program itself; what is beyond its end is STOP.
        for step in trace.steps.iter().filter(|step| step.depth == 1) {
            assert_eq!(step.opcode, code.get(step.pc).copied().unwrap_or(op::STOP), "{name}: {step:?}");
        }
    }
}

#[test]
fn frames() {
    let (store, len) = stored(&asm("7 0 MSTORE8 1 0 RETURN"));
    let identity = Address::with_last_byte(4);
    let code = format!(
        "0xabcd 0 MSTORE 0 0 2 30 3 {OTHER} 50000 CALL POP 0 0 0 0 {OTHER} 40000 DELEGATECALL POP \
         0 0 0 0 {OTHER} 30000 STATICCALL POP 0 0 1 31 0 4 1000 CALL POP {store} {len} 0 1 CREATE POP 1 0 MSTORE 32 0 RETURN"
    );
    let setup = Setup::new(Fork::Osaka, &code).account(OTHER, "1 0 MSTORE 32 31 REVERT").value(9).input(vec![1, 2]);
    let (run, trace) = trace(&setup);
    let created = CONTRACT.create(1);
    // kind, from, to, value, input, gas
    let initcode = asm("7 0 MSTORE8 1 0 RETURN");
    let rows = [
        ("CALL", CALLER, CONTRACT, 9, Bytes::from(vec![1, 2]), Some(setup.gas)),
        ("CALL", CONTRACT, OTHER, 3, Bytes::from(vec![0xab, 0xcd]), Some(52_300)),
        ("DELEGATECALL", CONTRACT, OTHER, 9, Bytes::new(), Some(40_000)),
        ("STATICCALL", CONTRACT, OTHER, 0, Bytes::new(), Some(30_000)),
        ("CALL", CONTRACT, identity, 0, Bytes::from(vec![0xcd]), Some(1_000)),
        ("CREATE", CONTRACT, created, 1, initcode, None),
    ];
    assert_eq!(trace.enters.len(), rows.len());
    for (enter, (kind, from, to, value, input, gas)) in trace.enters.iter().zip(rows) {
        assert_eq!((enter.kind, enter.from, enter.to, enter.value), (kind, from, to, word(value)));
        assert_eq!(enter.input, input, "{kind} {to}");
        assert!(gas.is_none_or(|gas| gas == enter.gas), "{kind} {to}: {}", enter.gas);
    }
    // Four pushes, MSTORE and a word of memory for it, another for REVERT.
    let callee_gas = 4 * 3 + 3 + 3 + 3;
    let mut reason = vec![1];
    reason.resize(32, 0);
    let rows = [
        (Some(Halt::Revert), Some(52_300 - callee_gas), Bytes::from(reason.clone())),
        (Some(Halt::Revert), Some(40_000 - callee_gas), Bytes::from(reason.clone())),
        (Some(Halt::Revert), Some(30_000 - callee_gas), Bytes::from(reason)),
        (None, Some(1_000 - 18), Bytes::from(vec![0xcd])),
        (None, None, Bytes::from(vec![7])),
        (None, Some(run.gas_left), run.output.clone()),
    ];
    assert_eq!(trace.leaves.len(), rows.len());
    for ((halt, gas, output), (expected, expected_gas, expected_output)) in trace.leaves.iter().zip(rows) {
        assert_eq!((*halt, output), (expected, &expected_output));
        assert!(expected_gas.is_none_or(|expected| expected == *gas), "{gas}, expected {expected_gas:?}");
    }
}

#[test]
fn what_a_caller_keeps() {
    // Gas of the callee and of the caller add up to what there was before the call, less its price.
    let code = format!("0 0 0 0 0 {OTHER} GAS CALL STOP");
    let (_, trace) = trace(&Setup::new(Fork::Osaka, &code).account(OTHER, "STOP").gas(100_000));
    let before = trace.steps.iter().find(|step| step.opcode == op::CALL).expect("it calls");
    let inner = &trace.enters[1];
    assert_eq!(inner.gas + inner.caller_gas, before.gas - 2_600);
    assert_eq!(inner.caller_gas, (before.gas - 2_600) / 64);
    assert_eq!(trace.enters[0].caller_gas, 0, "nobody keeps anything of the outermost frame's");
}

#[test]
fn refunds_and_return_data_before_each_step() {
    let code = format!("0 1 SSTORE 0 0 0 0 0 {OTHER} GAS CALL POP 1 POP");
    let setup = Setup::new(Fork::Osaka, &code).account(OTHER, "5 0 MSTORE 32 0 RETURN").slot(CONTRACT, 1, 1);
    let (_, trace) = trace(&setup);
    let outer: Vec<&TracedStep> = trace.steps.iter().filter(|step| step.depth == 1).collect();
    let store = outer.iter().position(|step| step.opcode == op::SSTORE).expect("it stores");
    assert_eq!((outer[store].refund, outer[store + 1].refund), (0, 4_800));
    let call = outer.iter().position(|step| step.opcode == op::CALL).expect("it calls");
    assert_eq!((outer[call].return_data.len(), outer[call + 1].return_data.len()), (0, 32));
    assert_eq!(outer[call + 1].stack, [word(1)]);
}

#[test]
fn logs_refusals_and_ends() {
    let created = CONTRACT.create(1);
    let rows = [
        ("a log", "0xab 0 MSTORE8 7 1 0 LOG1".to_string(), vec![format!("log of {CONTRACT} with 1 topics and 0xab")]),
        ("no log without its gas", "0xffffff 0 LOG0".into(), vec![]),
        ("more than it has", format!("0 0 0 0 1 {OTHER} 5000 CALL"), vec![format!("CALL of {OTHER} refused: Balance")]),
        (
            "a creation with more than it has",
            "0 0 1 CREATE".into(),
            vec![format!("CREATE of {created} refused: Balance")],
        ),
        ("an end", format!("{OTHER} SELFDESTRUCT"), vec![format!("{CONTRACT} leaves 0 to {OTHER}")]),
    ];
    for (name, code, expected) in rows {
        let (_, trace) = trace(&Setup::new(Fork::Osaka, &code).gas(100_000));
        assert_eq!(trace.events, expected, "{name}");
    }
}

#[test]
fn a_tracer_that_has_enough_ends_the_run() {
    /// Has enough after so many steps.
    struct Impatient(usize);
    impl Tracer for Impatient {
        fn step(&mut self, _step: Step<'_>) {
            self.0 = self.0.saturating_sub(1);
        }

        fn has_enough(&self) -> bool {
            self.0 == 0
        }
    }
    let setup = Setup::new(Fork::Osaka, "JUMPDEST 0 JUMP");
    let mut impatient = Impatient(1_000);
    let ended = setup.try_run(&[], 1, Some(&mut impatient));
    assert!(ended.is_err(), "a program without end ends with the tracer's patience");
}
