//! The door for native modules: a counter in native code, called from bytecode in every way there is.
//!
//! The counter keeps its count in slot 0 of the account it works on, through the journal like everything else. So it has
//! to be undone with the frame that called it, to be in the diff, and to be read like any slot; no test here knows the
//! counter's state in any other way. Every run is made untraced and traced (see `support`).

mod support;

use alloy_primitives::{Address, Bytes, U256, address};
use rialto_state::{Journal, Log, ReadError, SlotDiff, Topics};
use rialto_vm::{Fork, Halt, ModuleCall, ModuleOutcome, NativeModule};
use support::{CALLER, CONTRACT, End, OTHER, Run, Setup, returns, word};

const COUNTER: Address = address!("000000000000000000000000000000000c077e40");
/// Gas for each operation of the counter.
const OPERATION_GAS: u64 = 700;

/// The first byte of the call data selects: 1 adds the second byte and logs, 2 gets, 3 reverts with a reason, 4 halts
/// after writing and answering, 5 claims more gas than it got, 6 answers with what it was called with.
struct Counter;

impl NativeModule for Counter {
    fn address(&self) -> Address {
        COUNTER
    }

    fn call(
        &self,
        journal: &mut Journal<'_>,
        call: ModuleCall<'_>,
        output: &mut Vec<u8>,
    ) -> Result<ModuleOutcome, ReadError> {
        assert!(output.is_empty(), "a module begins with no output");
        let gas_used = OPERATION_GAS;
        if call.gas_limit < gas_used {
            return Ok(ModuleOutcome::OutOfGas);
        }
        let slot = journal.slot_id(call.account, &U256::ZERO);
        let count = journal.load_slot(slot)?.value;
        match call.input {
            [1, amount] if !call.is_static => {
                journal.set_slot(slot, count + U256::from(*amount));
                journal.log(Log { address: COUNTER, topics: Topics::new(&[]), data: Bytes::from(vec![*amount]) });
                journal.add_refund(1);
            }
            [2] => output.extend_from_slice(&count.to_be_bytes::<32>()),
            [3] => {
                journal.set_slot(slot, U256::MAX);
                output.extend_from_slice(b"no");
                return Ok(ModuleOutcome::Revert { gas_used });
            }
            [4] => {
                journal.set_slot(slot, U256::MAX);
                output.extend_from_slice(b"lost");
                return Ok(ModuleOutcome::Halt);
            }
            [5] => {
                output.extend_from_slice(b"lost");
                return Ok(ModuleOutcome::Success { gas_used: call.gas_limit + 1 });
            }
            [6] => {
                let account = journal.account(call.account).address;
                output.extend_from_slice(account.into_word().as_slice());
                output.extend_from_slice(call.caller.into_word().as_slice());
                output.extend_from_slice(&call.value.to_be_bytes::<32>());
                output.extend_from_slice(&U256::from(u64::from(call.is_static)).to_be_bytes::<32>());
            }
            _ => return Ok(ModuleOutcome::Revert { gas_used }),
        }
        Ok(ModuleOutcome::Success { gas_used })
    }
}

/// CONTRACT runs this code; the counter's account has nonce 1, so that EIP-161 leaves it, and a count of 40.
fn setup(code: &str) -> Setup {
    Setup::new(Fork::Osaka, code).account(COUNTER, "").slot(COUNTER, 0, 40)
}

fn run(setup: &Setup) -> Run {
    setup.run_all(&[&Counter], 1).remove(0)
}

/// Calls the counter with these call data and this much gas, with 128 bytes of room for the answer at 64; leaves success.
fn call(kind: &str, data: &[u8], value: u64, gas: u64) -> String {
    let stores: String = data.iter().enumerate().map(|(i, byte)| format!("{byte} {i} MSTORE8 ")).collect();
    let value = if kind.starts_with("CALL") { value.to_string() } else { String::new() };
    format!("{stores} 128 64 {} 0 {value} {COUNTER} {gas} {kind}", data.len())
}

/// Ends a program with the words: success (on the stack), RETURNDATASIZE, the room for the answer.
const ANSWER: &str = " 0 MSTORE RETURNDATASIZE 32 MSTORE 192 0 RETURN";

#[test]
fn in_every_kind_of_call() {
    // kind, success and count of the two accounts after adding 2
    let rows = [
        ("CALL", true, 42, 0),
        ("STATICCALL", false, 40, 0),
        // The counter works on the caller's account, as code that is called so does.
        ("DELEGATECALL", true, 40, 2),
        ("CALLCODE", true, 40, 2),
    ];
    for (kind, succeeds, counter, contract) in rows {
        let run = run(&setup(&format!("{}{}", call(kind, &[1, 2], 0, 50_000), ANSWER)));
        assert_eq!(run.words()[..2], [word(u64::from(succeeds)), word(0)], "{kind}");
        assert_eq!((run.slot(COUNTER, 0), run.slot(CONTRACT, 0)), (word(counter), word(contract)), "{kind}");
        assert_eq!((run.logs.len(), run.refund), (usize::from(succeeds), i64::from(succeeds)), "{kind}");
    }
}

#[test]
fn what_a_module_is_told() {
    let of = |address: Address| U256::from_be_slice(address.as_slice());
    let rows = [
        ("CALL", [of(COUNTER), of(CONTRACT), word(3), word(0)]),
        ("STATICCALL", [of(COUNTER), of(CONTRACT), word(0), word(1)]),
        ("DELEGATECALL", [of(CONTRACT), of(CALLER), word(7), word(0)]),
        ("CALLCODE", [of(CONTRACT), of(CONTRACT), word(3), word(0)]),
    ];
    for (kind, expected) in rows {
        let run = run(&setup(&format!("{}{}", call(kind, &[6], 3, 50_000), ANSWER)).value(7));
        assert_eq!(run.words()[..2], [word(1), word(128)], "{kind}");
        assert_eq!(run.words()[2..], expected, "{kind}");
        let moved = if kind == "CALL" { 3 } else { 0 };
        assert_eq!((run.balance(COUNTER), run.balance(CONTRACT)), (word(moved), word(7 - moved)), "{kind}");
    }
    // Static is inherited by a plain call from a static frame.
    let inner = format!("{}{}", call("CALL", &[6], 0, 50_000), ANSWER);
    let outer = format!("192 0 0 0 {OTHER} GAS STATICCALL POP 192 0 RETURN");
    assert_eq!(run(&setup(&outer).account(OTHER, &inner)).words()[5], word(1), "inherited");
}

#[test]
fn ends_of_a_call() {
    // name, call data, gas; success, return data, count after, gas the call used
    type Row = (&'static str, &'static [u8], u64, bool, &'static [u8], u64, u64);
    let answer = &U256::from_limbs([40, 0, 0, 0]).to_be_bytes::<32>();
    let answer: &'static [u8] = Box::leak(Box::new(*answer));
    let rows: [Row; 8] = [
        ("get", &[2], 50_000, true, answer, 40, OPERATION_GAS),
        ("add", &[1, 1], 50_000, true, &[], 41, OPERATION_GAS),
        ("just enough gas", &[1, 1], OPERATION_GAS, true, &[], 41, OPERATION_GAS),
        ("too little gas", &[1, 1], OPERATION_GAS - 1, false, &[], 40, OPERATION_GAS - 1),
        ("revert", &[3], 50_000, false, b"no", 40, OPERATION_GAS),
        ("unknown", &[9], 50_000, false, &[], 40, OPERATION_GAS),
        ("halt", &[4], 50_000, false, &[], 40, 50_000),
        ("more gas than it got", &[5], 50_000, false, &[], 40, 50_000),
    ];
    for (name, data, gas, succeeds, answer, count, used) in rows {
        let run = run(&setup(&format!("{}{}", call("CALL", data, 0, gas), ANSWER)));
        assert_eq!(run.words()[..2], [word(u64::from(succeeds)), word(answer.len() as u64)], "{name}");
        assert_eq!(&run.output[64..64 + answer.len()], answer, "{name}");
        assert!(run.output[64 + answer.len()..].iter().all(|&byte| byte == 0), "{name}: nothing else was written");
        assert_eq!(run.slot(COUNTER, 0), word(count), "{name}");
        // 9 gas for storing each byte of call data, 21 for the words, 100 for a warm account; ANSWER's words 3 + 3 + 2 +
        // 3 + 3 + 3 + 3, and 6 words of memory.
        let around = 9 * data.len() as u64 + 21 + 100 + 20 + 18;
        assert_eq!(run.gas_used, around + used, "{name}");
    }
}

#[test]
fn undone_with_the_frame_that_called() {
    // CONTRACT stores 1 in slot 5 and calls OTHER, which adds 2, stores 1 in its slot 6, and ends so.
    let rows = [("STOP", true), ("0 0 REVERT", false), ("INVALID", false), ("POP POP POP", false)];
    for (end, keeps) in rows {
        let inner = format!("{} POP 1 6 SSTORE {end}", call("CALL", &[1, 2], 1, 20_000));
        let outer = format!("1 5 SSTORE 0 0 0 0 4 {OTHER} 100000 CALL{}", support::RETURN_TOP);
        let run = run(&setup(&outer).account(OTHER, &inner).balance(CONTRACT, 9));
        assert_eq!(run.end(), returns(u64::from(keeps)), "{end}");
        assert_eq!(run.slot(CONTRACT, 5), word(1), "{end}");
        let (count, slot, wei) = if keeps { (42, 1, 1) } else { (40, 0, 0) };
        assert_eq!((run.slot(COUNTER, 0), run.slot(OTHER, 6)), (word(count), word(slot)), "{end}");
        assert_eq!(run.balance(COUNTER), word(wei), "{end}");
        assert_eq!((run.logs.len(), run.refund), (usize::from(keeps), i64::from(keeps)), "{end}");
        // The diff tells the same: the module's account is one of the changed ones, or is not in it at all.
        let module = run.diff.accounts.iter().find(|account| account.address == COUNTER);
        let expected = SlotDiff { slot: word(0), before: word(40), after: word(42) };
        assert_eq!(module.map(|account| account.storage.clone()), keeps.then(|| vec![expected]), "{end}");
        assert_eq!(run.diff.accounts.len(), if keeps { 3 } else { 1 }, "{end}");
    }
}

#[test]
fn undone_with_the_whole_transaction() {
    let code = format!("{} POP 0 0 REVERT", call("CALL", &[1, 2], 0, 50_000));
    let run = run(&setup(&code));
    assert_eq!(run.halt, Some(Halt::Revert));
    assert!(run.diff.is_empty() && run.logs.is_empty());
}

#[test]
fn several_calls_see_one_another() {
    let add = call("CALL", &[1, 2], 0, 50_000);
    let code = format!("{add} POP {add} POP {}{}", call("STATICCALL", &[2], 0, 50_000), ANSWER);
    let runs = setup(&code).run_all(&[&Counter], 3);
    for (i, run) in runs.iter().enumerate() {
        let count = 44 + 4 * i as u64;
        assert_eq!(run.words()[2], word(count), "transaction {i}");
        assert_eq!(run.slot(COUNTER, 0), word(count), "transaction {i}");
    }
}

#[test]
fn called_by_a_transaction() {
    type Row = (&'static str, &'static [u8], u64, End, u64, u64, u64);
    // name, call data, gas; end, gas used, count and balance after a value of 5
    let rows: [Row; 6] = [
        ("add", &[1, 3], 10_000, End::Stop, OPERATION_GAS, 43, 5),
        ("get", &[2], 10_000, returns(40), OPERATION_GAS, 40, 5),
        ("revert", &[3], 10_000, End::Halt(Halt::Revert), OPERATION_GAS, 40, 0),
        ("halt", &[4], 10_000, End::Halt(Halt::ModuleFailed), 10_000, 40, 0),
        ("too little gas", &[1, 3], 699, End::Halt(Halt::OutOfGas), 699, 40, 0),
        ("more gas than it got", &[5], 10_000, End::Halt(Halt::OutOfGas), 10_000, 40, 0),
    ];
    for (name, data, gas, end, used, count, balance) in rows {
        let mut setup = setup("").input(data).gas(gas).value(5);
        setup.target = COUNTER;
        let run = run(&setup);
        assert_eq!((run.end(), run.gas_used), (end, used), "{name}");
        assert_eq!((run.slot(COUNTER, 0), run.balance(COUNTER)), (word(count), word(balance)), "{name}");
        if run.halt.is_some() {
            let reason: &[u8] = if name == "revert" { b"no" } else { &[] };
            assert_eq!(&run.output[..], reason, "{name}");
        }
    }
}

#[test]
fn value_that_the_caller_lacks() {
    let run = run(&setup(&format!("{}{}", call("CALL", &[1, 2], 9, 50_000), ANSWER)).balance(CONTRACT, 8));
    assert_eq!(run.words()[..2], [word(0), word(0)]);
    assert_eq!((run.slot(COUNTER, 0), run.balance(CONTRACT)), (word(40), word(8)));
}

#[test]
fn always_warm_once_called_or_not() {
    // The account of a module is warm from the beginning, as a precompiled contract's is.
    let gas = |code: &str| run(&setup(code)).gas_used;
    assert_eq!(gas(&format!("{COUNTER} BALANCE STOP")), 3 + 100);
}

#[test]
fn a_delegation_to_a_module_does_not_run_it() {
    // EIP-7702: what is delegated to is code, and the module's account has none.
    let designator = rialto_state::Code::delegation(&COUNTER).bytes().clone();
    let code = format!("1 0 MSTORE8 2 1 MSTORE8 0 0 2 0 0 {OTHER} 50000 CALL{}", support::RETURN_TOP);
    let run = run(&setup(&code).account_with_code(OTHER, designator));
    assert_eq!(run.end(), returns(1));
    assert!(run.diff.is_empty());
}

#[test]
fn an_empty_module_account_would_be_cleared() {
    // Why a module's account has a nonce: without one, EIP-161 deletes it, slots and all, when the call's touch is seen.
    let mut setup = Setup::new(Fork::Osaka, &format!("{} STOP", call("CALL", &[1, 2], 0, 50_000)));
    setup.state.insert_account(COUNTER, 0, U256::ZERO, Bytes::new(), [(U256::ZERO, U256::from(40))]);
    let cleared = run(&setup);
    assert!(!cleared.exists(COUNTER));
    setup.state.insert_account(COUNTER, 1, U256::ZERO, Bytes::new(), [(U256::ZERO, U256::from(40))]);
    assert_eq!(run(&setup).slot(COUNTER, 0), word(42));
}

/// Fails to read state.
struct Broken;

impl NativeModule for Broken {
    fn address(&self) -> Address {
        COUNTER
    }

    fn call(&self, _: &mut Journal<'_>, _: ModuleCall<'_>, _: &mut Vec<u8>) -> Result<ModuleOutcome, ReadError> {
        Err(ReadError::MissingBlockHash { number: 1 })
    }
}

#[test]
fn a_failed_read_ends_the_block() {
    let inner = setup(&format!("{} STOP", call("CALL", &[2], 0, 50_000)));
    let mut outer = setup("");
    outer.target = COUNTER;
    for (name, setup) in [("called by code", inner), ("called by a transaction", outer)] {
        let ran = setup.try_run(&[&Broken], 1, None);
        assert_eq!(ran, Err(ReadError::MissingBlockHash { number: 1 }), "{name}");
    }
}
