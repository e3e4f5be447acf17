//! Calls that a native module makes: frames like any other, on the machine's heap.
//!
//! The module here runs a script, its call data: it adds to a count in slot 0, calls on, looks at what came of it, reverts,
//! halts. What it remembers while it waits is where in the script it is. Much of what is asked of it is asked of a
//! contract, too, that does the same in bytecode: depth, gas for the callee and state gas must be the contract's.
//! Every run is made untraced and traced (see `support`).

mod support;

use alloy_primitives::{Address, Bytes, U256, address};
use rialto_state::{AccountId, Journal, Log, ReadError, StateReader, Topics};
use rialto_vm::{
    BlockContext, Continuation, Fork, Halt, ModuleCall, ModuleOutcome, ModuleViolation, NativeModule, OutwardCall,
    OutwardResult, Rules, Vm,
};
use support::{CALLER, CONTRACT, End, OTHER, Run, Setup, Trace, asm, returns, word};

const MODULE: Address = address!("0000000000000000000000000000000000005c21");
/// An account with nothing.
const NOBODY: Address = address!("00000000000000000000000000000000000b0d79");
const IDENTITY: Address = address!("0000000000000000000000000000000000000004");
/// Gas of a step of a script.
const STEP_GAS: u64 = 50;

/// Runs scripts.
struct Script;

/// What a script does next.
#[derive(Clone)]
enum Do {
    /// Adds one to the count and logs.
    Count,
    /// Calls with this call data and at most this much gas; the answer, with its success in front, is the output so far.
    Call(Address, Vec<u8>, u64),
    /// As above, without letting state change.
    StaticCall(Address, Vec<u8>),
    /// Ends as the last call ended, with its answer.
    Pass,
    /// Reverts with the output so far.
    Revert,
    /// Halts.
    Halt,
    /// Claims more gas than there is.
    Overspend,
}

/// The call data of a script.
fn script(steps: &[Do]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for step in steps {
        let mut call = |number: u8, to: &Address, data: &[u8], gas: u64| {
            bytes.push(number);
            bytes.extend_from_slice(to.as_slice());
            bytes.extend_from_slice(&gas.to_be_bytes());
            bytes.extend_from_slice(&(data.len() as u16).to_be_bytes());
            bytes.extend_from_slice(data);
        };
        match step {
            Do::Count => bytes.push(1),
            Do::Call(to, data, gas) => call(2, to, data, *gas),
            Do::StaticCall(to, data) => call(3, to, data, u64::MAX),
            Do::Pass => bytes.push(4),
            Do::Revert => bytes.push(5),
            Do::Halt => bytes.push(6),
            Do::Overspend => bytes.push(7),
        }
    }
    bytes
}

/// Calls with all gas.
fn all(to: Address, steps: &[Do]) -> Do {
    Do::Call(to, script(steps), u64::MAX)
}

impl Script {
    /// Runs a script from `at` on, with the last call's success and answer in `answer`.
    fn go_on(
        journal: &mut Journal<'_>,
        call: ModuleCall<'_>,
        mut at: usize,
        answer: &[u8],
        output: &mut Vec<u8>,
    ) -> Result<ModuleOutcome, ReadError> {
        assert!(output.is_empty(), "a module begins with no output");
        assert_eq!(call.block.number, 1_000);
        let mut gas_used = 0;
        loop {
            if at < call.input.len() {
                gas_used += STEP_GAS;
            }
            if gas_used > call.gas_limit {
                return Ok(ModuleOutcome::OutOfGas);
            }
            match call.input.get(at) {
                None => {
                    output.extend_from_slice(answer);
                    return Ok(ModuleOutcome::Success { gas_used });
                }
                Some(1) => {
                    if call.is_static {
                        return Ok(ModuleOutcome::Halt);
                    }
                    let slot = journal.slot_id(call.account, &U256::ZERO);
                    let count = journal.load_slot(slot)?.value;
                    journal.set_slot(slot, count + U256::from(1));
                    journal.log(Log { address: MODULE, topics: Topics::new(&[]), data: Bytes::new() });
                    journal.add_refund(1);
                    at += 1;
                }
                Some(kind @ 2..=3) => {
                    let (to, rest) = call.input[at + 1..].split_at(20);
                    let (gas, rest) = rest.split_at(8);
                    let len = usize::from(u16::from_be_bytes([rest[0], rest[1]]));
                    let continuation: Continuation = Box::new(at + 31 + len);
                    // An output that was begun is nobody's.
                    output.extend_from_slice(b"dropped");
                    return Ok(ModuleOutcome::Call(OutwardCall {
                        gas_used,
                        to: Address::from_slice(to),
                        input: Bytes::copy_from_slice(&rest[2..2 + len]),
                        gas_limit: u64::from_be_bytes(gas.try_into().expect("eight")),
                        is_static: *kind == 3,
                        continuation,
                    }));
                }
                Some(4) => {
                    output.extend_from_slice(&answer[1..]);
                    return Ok(if answer[0] == 1 {
                        ModuleOutcome::Success { gas_used }
                    } else {
                        ModuleOutcome::Revert { gas_used }
                    });
                }
                Some(5) => {
                    output.extend_from_slice(answer);
                    return Ok(ModuleOutcome::Revert { gas_used });
                }
                Some(6) => return Ok(ModuleOutcome::Halt),
                Some(7) => return Ok(ModuleOutcome::Success { gas_used: call.gas_limit + 1 }),
                Some(_) => return Ok(ModuleOutcome::Revert { gas_used }),
            }
        }
    }
}

impl NativeModule for Script {
    fn address(&self) -> Address {
        MODULE
    }

    fn call(
        &self,
        journal: &mut Journal<'_>,
        call: ModuleCall<'_>,
        output: &mut Vec<u8>,
    ) -> Result<ModuleOutcome, ReadError> {
        assert_eq!(call.is_delegated, journal.account(call.account).address != MODULE);
        Self::go_on(journal, call, 0, &[], output)
    }

    fn resume(
        &self,
        journal: &mut Journal<'_>,
        call: ModuleCall<'_>,
        continuation: Continuation,
        result: OutwardResult<'_>,
        output: &mut Vec<u8>,
    ) -> Result<ModuleOutcome, ReadError> {
        let at = *continuation.downcast::<usize>().expect("what it left");
        let mut answer = vec![u8::from(result.success)];
        answer.extend_from_slice(result.output);
        Self::go_on(journal, call, at, &answer, output)
    }
}

/// A transaction that calls the module with a script; the module's count is 40.
fn to_module(fork: Fork, steps: &[Do]) -> Setup {
    let mut setup = Setup::new(fork, "").account(MODULE, "INVALID").slot(MODULE, 0, 40).input(script(steps));
    setup.target = MODULE;
    setup
}

/// CONTRACT hands its call data to the module and ends as this text says; the success is on its stack.
fn through_contract(fork: Fork, steps: &[Do], kind: &str, end: &str) -> Setup {
    let value = if kind.starts_with("CALL") { "0" } else { "" };
    let code = format!("CALLDATASIZE 0 0 CALLDATACOPY 0 0 CALLDATASIZE 0 {value} {MODULE} GAS {kind} {end}");
    let setup = Setup::new(fork, &code).account(MODULE, "INVALID").slot(MODULE, 0, 40);
    setup.input(script(steps))
}

/// Ends a program that has a success on its stack: returns it with the return data behind.
const ANSWER: &str = "0 MSTORE RETURNDATASIZE 0 32 RETURNDATACOPY RETURNDATASIZE 32 ADD 0 RETURN";

/// Code that hands its call data, but for 4 bytes of room, to `to` and ends as that call does.
fn passing_on(to: Address) -> String {
    format!(
        "CALLDATASIZE 0 0 CALLDATACOPY 0 0 CALLDATASIZE 0 0 {to} GAS CALL RETURNDATASIZE 0 0 RETURNDATACOPY
         @good JUMPI RETURNDATASIZE 0 REVERT :good RETURNDATASIZE 0 RETURN"
    )
}

fn run(setup: &Setup) -> Run {
    setup.run_all(&[&Script], 1).remove(0)
}

fn trace(setup: &Setup) -> (Run, Trace) {
    let mut trace = Trace::default();
    let run = setup.try_run(&[&Script], 1, Some(&mut trace)).expect("in memory").remove(0);
    (run, trace)
}

/// Whose code answers who called it, with what value and what call data.
const WHO: &str = "CALLER 0 MSTORE CALLVALUE 32 MSTORE CALLDATASIZE 0 64 CALLDATACOPY CALLDATASIZE 64 ADD 0 RETURN";

fn of(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice())
}

#[test]
fn what_the_callee_sees() {
    let data = vec![7; 32];
    let steps = [Do::Call(OTHER, data.clone(), u64::MAX), Do::Pass];
    let expected = [of(MODULE), word(0), U256::from_be_slice(&data)];
    let run_ = run(&to_module(Fork::Osaka, &steps).account(OTHER, WHO).value(5));
    assert_eq!((run_.halt, &run_.words()[..]), (None, &expected[..]), "from a transaction");
    assert_eq!(run_.balance(MODULE), word(5), "its own value stays");
    // kind, who calls: a module that runs for its caller's account calls in its name
    let rows = [("CALL", MODULE), ("STATICCALL", MODULE), ("CALLCODE", CONTRACT), ("DELEGATECALL", CONTRACT)];
    for (kind, sender) in rows {
        let run = run(&through_contract(Fork::Osaka, &steps, kind, ANSWER).account(OTHER, WHO));
        let expected = [word(1), of(sender), word(0), U256::from_be_slice(&data)];
        assert_eq!(run.words(), expected, "{kind}");
    }
}

#[test]
fn ends_of_the_callee() {
    type Row = (&'static str, &'static str, Address, u8, &'static [u8]);
    let rows: [Row; 7] = [
        ("stop", "STOP", OTHER, 1, &[]),
        ("return", "9 0 MSTORE8 1 0 RETURN", OTHER, 1, &[9]),
        ("revert", "8 0 MSTORE8 1 0 REVERT", OTHER, 0, &[8]),
        ("halt", "1 0 MSTORE8 INVALID", OTHER, 0, &[]),
        ("no code", "STOP", NOBODY, 1, &[]),
        ("precompiled contract", "STOP", IDENTITY, 1, &[1, 2]),
        ("elliptic curve, wrong input", "STOP", address!("0000000000000000000000000000000000000006"), 0, &[]),
    ];
    for (name, code, to, success, output) in rows {
        let data = if name.starts_with("elliptic") { vec![1; 128] } else { vec![1, 2] };
        let steps = [Do::Count, Do::Call(to, data, 50_000), Do::Count];
        for setup in [to_module(Fork::Osaka, &steps), through_contract(Fork::Osaka, &steps, "CALL", ANSWER)] {
            let run = run(&setup.account(OTHER, code));
            let answer = run.output[run.output.len() - output.len() - 1..].to_vec();
            assert_eq!((run.halt, answer), (None, [&[success][..], output].concat()), "{name}");
            assert_eq!((run.slot(MODULE, 0), run.logs.len(), run.refund), (word(42), 2, 2), "{name}");
        }
    }
}

#[test]
fn undone_as_a_whole() {
    // OTHER counts in its slot 3 and succeeds. What the module did before and after goes with what OTHER did.
    let other = "3 SLOAD 1 ADD 3 SSTORE STOP";
    type Row = (&'static str, Do, Halt);
    let rows: [Row; 3] = [
        ("revert", Do::Revert, Halt::Revert),
        ("halt", Do::Halt, Halt::ModuleFailed),
        ("overspend", Do::Overspend, Halt::OutOfGas),
    ];
    for (name, end, halt) in rows {
        let steps = [Do::Count, all(OTHER, &[]), Do::Count, all(OTHER, &[]), Do::Count, end];
        let alone = run(&to_module(Fork::Osaka, &steps).account(OTHER, other));
        assert_eq!(
            (alone.halt, alone.diff.is_empty(), alone.logs.len(), alone.refund),
            (Some(halt), true, 0, 0),
            "{name}"
        );
        assert_eq!(
            (alone.gas_left == 0, alone.output.len()),
            (halt != Halt::Revert, usize::from(halt == Halt::Revert)),
            "{name}"
        );
        let end = format!("5 SSTORE RETURNDATASIZE{}", support::RETURN_TOP);
        let caught =
            run(&through_contract(Fork::Osaka, &steps, "CALL", &format!("ISZERO {end}")).account(OTHER, other));
        assert_eq!(
            (caught.end(), caught.slot(CONTRACT, 5)),
            (returns(u64::from(halt == Halt::Revert)), word(1)),
            "{name}"
        );
        assert_eq!((caught.slot(MODULE, 0), caught.slot(OTHER, 3)), (word(40), word(0)), "{name}");
        assert_eq!(caught.diff.accounts.len(), 1, "{name}");
    }
    let kept =
        run(&to_module(Fork::Osaka, &[Do::Count, all(OTHER, &[]), Do::Count, all(OTHER, &[])]).account(OTHER, other));
    assert_eq!((kept.slot(MODULE, 0), kept.slot(OTHER, 3)), (word(42), word(2)));
}

#[test]
fn a_callee_that_fails_undoes_only_itself() {
    let call = format!("CALLDATASIZE 0 0 CALLDATACOPY 0 0 CALLDATASIZE 0 0 {MODULE} GAS CALL");
    let other = format!("1 3 SSTORE {call} 0 0 REVERT");
    let steps = [Do::Count, all(OTHER, &[Do::Count, Do::Count]), Do::Count];
    let run = run(&to_module(Fork::Osaka, &steps).account(OTHER, &other));
    assert_eq!((run.halt, &run.output[..]), (None, &[0][..]));
    assert_eq!((run.slot(MODULE, 0), run.slot(OTHER, 3), run.logs.len(), run.refund), (word(42), word(0), 2, 2));
}

#[test]
fn called_again_in_between() {
    // By itself, through itself, through a contract, several deep.
    let twice = |inner: &[Do]| vec![Do::Count, all(MODULE, inner), Do::Count];
    let deep = twice(&twice(&twice(&[Do::Count])));
    let rows = [
        ("itself", vec![all(MODULE, &[Do::Count])], 41),
        ("itself thrice", deep, 47),
        ("through a contract", vec![Do::Count, all(OTHER, &[Do::Count, all(OTHER, &[Do::Count])]), Do::Count], 44),
        ("inner fails", vec![Do::Count, all(OTHER, &[Do::Count, Do::Halt]), Do::Count], 42),
        (
            "inner reverts after its own call",
            vec![Do::Count, all(OTHER, &[Do::Count, all(MODULE, &[Do::Count]), Do::Revert])],
            41,
        ),
    ];
    for (name, steps, count) in rows {
        for setup in [to_module(Fork::Osaka, &steps), through_contract(Fork::Osaka, &steps, "CALL", ANSWER)] {
            let run = run(&setup.account(OTHER, &passing_on(MODULE)));
            assert_eq!((run.halt, run.slot(MODULE, 0)), (None, word(count)), "{name}");
            assert_eq!((run.logs.len() as u64, run.refund as u64), (count - 40, count - 40), "{name}");
        }
    }
}

#[test]
fn static_stays_static() {
    let writes = "1 3 SSTORE STOP";
    // kind of the call to the module, script, whether the module's call succeeds
    let rows = [
        ("CALL", Do::StaticCall(OTHER, Vec::new()), 0),
        ("STATICCALL", Do::Call(OTHER, Vec::new(), 50_000), 0),
        ("CALL", Do::Call(OTHER, Vec::new(), 50_000), 1),
    ];
    for (i, (kind, step, success)) in rows.into_iter().enumerate() {
        let run = run(&through_contract(Fork::Osaka, &[step], kind, ANSWER).account(OTHER, writes));
        assert_eq!((run.output[31], run.output[32]), (1, success), "row {i}");
        assert_eq!(run.slot(OTHER, 3), word(u64::from(success)), "row {i}");
    }
    // The module, called by a callee that was called without leave to write, may not write either.
    let steps = [Do::StaticCall(OTHER, script(&[Do::Count]))];
    let run = run(&to_module(Fork::Osaka, &steps).account(OTHER, &passing_on(MODULE)));
    assert_eq!((&run.output[..], run.slot(MODULE, 0)), (&[0][..], word(40)));
}

#[test]
fn gas_is_a_contracts() {
    // OTHER answers the gas it begins with, less the 2 that asking costs.
    let other = "GAS 0 MSTORE 32 0 RETURN";
    for (requested, gas) in [(u64::MAX, 100_000), (20_000, 100_000), (99_000, 100_000), (u64::MAX, 3_000)] {
        let steps = [Do::Call(OTHER, vec![0; 40], requested), Do::Pass];
        let run = run(&to_module(Fork::Osaka, &steps).account(OTHER, other).gas(gas));
        // A step, two words of memory, a cold account.
        let left = gas - STEP_GAS - 6 - 2_600;
        let callee = requested.min(left - left / 64);
        assert_eq!(run.end(), returns(callee - 2), "{requested} of {gas}");
        // What OTHER uses: 2 + 3 + 3 + 3 + 3 + 3, and a step more.
        assert_eq!(run.gas_left, left - 17 - STEP_GAS, "{requested} of {gas}");
    }
    // Warm the second time.
    let twice = [all(OTHER, &[]), all(OTHER, &[])];
    assert_eq!(run(&to_module(Fork::Osaka, &twice).account(OTHER, "STOP")).gas_used, 2 * STEP_GAS + 2_600 + 100);
}

#[test]
fn too_little_gas_for_the_call_itself() {
    let steps = [Do::Count, Do::Call(OTHER, vec![0; 40], u64::MAX), Do::Count];
    let needed = 3 * STEP_GAS + 6 + 2_600;
    let rows = [(needed, None), (needed - 1, Some(Halt::OutOfGas)), (needed - STEP_GAS - 1, Some(Halt::OutOfGas))];
    for (gas, halt) in rows {
        let run = run(&to_module(Fork::Osaka, &steps).account(OTHER, "STOP").gas(gas));
        assert_eq!((run.halt, run.slot(MODULE, 0)), (halt, word(if halt.is_none() { 42 } else { 40 })), "{gas}");
    }
}

#[test]
fn out_of_gas_at_every_point() {
    // A script that counts, calls a contract that stores and calls back, and counts again, with each gas limit: either all of it
    // happened or nothing, and with more gas what happened goes on happening.
    let inner = [Do::Count, all(IDENTITY, &[Do::Count]), Do::Count];
    let steps = [Do::Count, all(OTHER, &inner), Do::Pass];
    let other = format!("3 SLOAD 1 ADD 3 SSTORE {}", passing_on(MODULE));
    for (fork, kind) in [(Fork::Osaka, ""), (Fork::AmsterdamDraft, ""), (Fork::Osaka, "CALL"), (Fork::Berlin, "CALL")] {
        let setup = match kind {
            "" => to_module(fork, &steps),
            kind => through_contract(fork, &steps, kind, "@good JUMPI 0 0 REVERT :good STOP"),
        };
        let setup = setup.account(OTHER, &other);
        let enough = run(&setup);
        assert_eq!((enough.halt, enough.slot(MODULE, 0), enough.slot(OTHER, 3)), (None, word(43), word(1)), "{fork}");
        let mut has_succeeded = false;
        for gas in 0..enough.gas_used + 2_500 {
            let run = run(&setup.clone().gas(gas));
            if run.halt.is_some() {
                assert!(!has_succeeded, "{fork} {kind}: fails with {gas}, not with less");
                assert!(run.diff.is_empty() && run.logs.is_empty() && run.refund == 0, "{fork} {kind}: {gas}");
            } else {
                has_succeeded = true;
                assert_eq!((&run.diff, run.gas_used), (&enough.diff, enough.gas_used), "{fork} {kind}: {gas}");
            }
        }
        assert!(has_succeeded, "{fork} {kind}");
    }
}

#[test]
fn depth_is_a_contracts() {
    // OTHER counts and calls on with its call data, a script that calls OTHER again with nothing. What is called with nothing asks
    // for the script of CONTRACT. So OTHER and the one between take turns until no frame can be opened any more.
    let other = |between: Address| {
        let len = script(&[Do::Call(OTHER, Vec::new(), u64::MAX)]).len();
        format!("3 SLOAD 1 ADD 3 SSTORE {len} 0 0 {CONTRACT} EXTCODECOPY 0 0 {len} 0 0 {between} GAS CALL STOP")
    };
    let mut setup = Setup::with_code(Fork::Osaka, script(&[all(OTHER, &[])]).into()).gas(1 << 50);
    setup.target = OTHER;
    let setup = setup.account(MODULE, "INVALID");
    let native = run(&setup.clone().account(OTHER, &other(MODULE)));
    let forwarder = format!("0 0 0 0 0 {OTHER} GAS CALL STOP");
    let contract = run(&setup.account(NOBODY, &forwarder).account(OTHER, &other(NOBODY)));
    assert_eq!((native.halt, contract.halt), (None, None));
    assert_eq!(native.slot(OTHER, 3), word(513), "every other one of 1,025 frames");
    assert_eq!(native.slot(OTHER, 3), contract.slot(OTHER, 3));
}

#[test]
fn a_call_at_the_greatest_depth_is_refused() {
    // The module alone, calling itself with ever less of one script.
    let mut steps = vec![Do::Count];
    for _ in 0..1_030 {
        steps = vec![Do::Count, all(MODULE, &steps)];
        // A script holds at most 65,535 bytes of another: 32 bytes a level.
    }
    let (run, trace) = trace(&to_module(Fork::Osaka, &steps).gas(1 << 50));
    assert_eq!((run.halt, run.slot(MODULE, 0)), (None, word(40 + 1_025)));
    assert_eq!(trace.enters.len(), 1_025);
    assert_eq!(trace.leaves.len(), 1_025);
    let refused: Vec<&String> = trace.events.iter().filter(|event| event.contains("refused")).collect();
    assert_eq!(refused, [&format!("CALL of {MODULE} refused: Depth")]);
}

#[test]
fn state_gas_is_a_contracts() {
    // OTHER sets a new slot and then stops or fails; between it and the transaction is the module or a contract that forwards.
    for (name, end) in [("stop", "STOP"), ("revert", "0 0 REVERT"), ("halt", "INVALID")] {
        for (gas, reservoir) in [(1_000_000, 0), (9_000, 0), (1_000_000, 1_000), (1_000_000, 100_000), (9_000, 100_000)]
        {
            let row = format!("{name}, {gas} and {reservoir}");
            let other = format!("7 SLOAD POP 1 7 SSTORE {end}");
            let native = to_module(Fork::AmsterdamDraft, &[Do::Call(OTHER, Vec::new(), u64::MAX)]);
            let native = native.account(OTHER, &other).gas(gas + STEP_GAS).reservoir(reservoir);
            let forwarder = Setup::new(Fork::AmsterdamDraft, &format!("0 0 0 0 0 {OTHER} GAS CALL STOP"));
            // Six pushes and GAS.
            let contract = forwarder.account(OTHER, &other).gas(gas + 6 * 3 + 2).reservoir(reservoir).run();
            let native = run(&native);
            assert_eq!((native.halt, contract.halt), (None, None), "{row}");
            assert_eq!(native.state_gas, contract.state_gas, "{row}");
            assert_eq!(native.gas_left, contract.gas_left, "{row}");
            assert_eq!(native.slot(OTHER, 7), contract.slot(OTHER, 7), "{row}");
            let is_paid = name == "stop" && (gas > 10_000 || reservoir > 10_000);
            assert_eq!(native.state_gas.used > 0, is_paid, "{row}");
        }
    }
}

#[test]
fn what_a_tracer_sees() {
    let steps = [Do::Count, Do::Call(OTHER, vec![1], 30_000), Do::StaticCall(IDENTITY, vec![2]), Do::Pass];
    let (run, trace) = trace(&through_contract(Fork::Osaka, &steps, "CALL", "STOP").account(OTHER, "PC STOP"));
    assert_eq!(run.halt, None);
    let seen: Vec<_> = trace.enters.iter().map(|enter| (enter.kind, enter.from, enter.to, enter.input.len())).collect();
    let len = script(&steps).len();
    let expected = [
        ("CALL", CALLER, CONTRACT, len),
        ("CALL", CONTRACT, MODULE, len),
        ("CALL", MODULE, OTHER, 1),
        ("STATICCALL", MODULE, IDENTITY, 1),
    ];
    assert_eq!(seen, expected);
    let left: Vec<_> = trace.leaves.iter().map(|(halt, _, output)| (*halt, output.clone())).collect();
    let two = Bytes::from(vec![2]);
    assert_eq!(left, [(None, Bytes::new()), (None, two.clone()), (None, two), (None, Bytes::new())]);
    assert_eq!(trace.enters[2].gas, 30_000);
    assert_eq!(trace.enters[2].gas - trace.leaves[0].1, 2, "PC");
    assert_eq!(trace.events, [format!("log of {MODULE} with 0 topics and 0x")]);
    let depths: Vec<usize> = trace.steps.iter().filter(|step| step.address == OTHER).map(|step| step.depth).collect();
    assert_eq!(depths, [3, 3]);
}

#[test]
fn several_transactions() {
    let steps = [Do::Count, all(OTHER, &[Do::Count])];
    let runs = to_module(Fork::Osaka, &steps).account(OTHER, &passing_on(MODULE)).run_all(&[&Script], 3);
    for (i, run) in runs.iter().enumerate() {
        assert_eq!((run.end(), run.slot(MODULE, 0)), (End::Output(vec![1].into()), word(42 + 2 * i as u64)), "{i}");
    }
}

/// Fails to read state when it is resumed, and finds fault with every block.
struct Broken;

impl NativeModule for Broken {
    fn address(&self) -> Address {
        MODULE
    }

    fn call(&self, _: &mut Journal<'_>, _: ModuleCall<'_>, _: &mut Vec<u8>) -> Result<ModuleOutcome, ReadError> {
        let continuation: Continuation = Box::new(());
        let (to, input) = (OTHER, Bytes::new());
        Ok(ModuleOutcome::Call(OutwardCall { gas_used: 0, to, input, gas_limit: 9, is_static: true, continuation }))
    }

    fn resume(
        &self,
        _: &mut Journal<'_>,
        _: ModuleCall<'_>,
        _: Continuation,
        _: OutwardResult<'_>,
        _: &mut Vec<u8>,
    ) -> Result<ModuleOutcome, ReadError> {
        Err(ReadError::MissingBlockHash { number: 1 })
    }

    fn end_block(
        &self,
        journal: &mut Journal<'_>,
        account: AccountId,
        block: &BlockContext,
    ) -> Result<Result<(), ModuleViolation>, ReadError> {
        let slot = journal.slot_id(account, &U256::ZERO);
        let count = journal.load_slot(slot)?.value;
        journal.set_slot(slot, U256::ZERO);
        Ok(Err(ModuleViolation { text: format!("block {}: count is {count}, expected none", block.number) }))
    }
}

#[test]
fn a_failed_read_ends_the_block() {
    for setup in [to_module(Fork::Osaka, &[]), through_contract(Fork::Osaka, &[], "CALL", "STOP")] {
        for other in ["STOP", ""] {
            let ran = setup.clone().account(OTHER, other).try_run(&[&Broken], 1, None);
            assert_eq!(ran, Err(ReadError::MissingBlockHash { number: 1 }));
        }
    }
}

#[test]
fn the_end_of_a_block() {
    let setup = to_module(Fork::Osaka, &[]);
    let vm = |modules: &[&'static dyn NativeModule]| {
        let journal = Journal::new(&setup.state as &dyn StateReader, 1);
        let mut vm = Vm::new(Rules::of(Fork::Osaka), setup.block.clone(), journal).with_modules(modules);
        let ended = vm.end_block().expect("in memory");
        vm.journal.end_tx(true);
        (ended, vm.journal.diff().accounts.len())
    };
    let text = "block 1000: count is 40, expected none".to_string();
    assert_eq!(vm(&[]), (Ok(()), 0));
    assert_eq!(vm(&[&Script]), (Ok(()), 0));
    assert_eq!(vm(&[&Script, &Broken]), (Err((MODULE, ModuleViolation { text })), 1));
}

#[test]
fn code_at_its_address_never_runs() {
    // What is delegated to is the code (EIP-7702), which halts; what is called is the module.
    let designator = rialto_state::Code::delegation(&MODULE).bytes().clone();
    let mut setup = to_module(Fork::Osaka, &[Do::Count]).account_with_code(OTHER, designator);
    assert_eq!(run(&setup).halt, None);
    setup.target = CONTRACT;
    let code = asm(&format!("0 0 0 0 0 {OTHER} 50000 CALL{}", support::RETURN_TOP));
    assert_eq!(run(&setup.account_with_code(CONTRACT, code)).end(), returns(0));
}
