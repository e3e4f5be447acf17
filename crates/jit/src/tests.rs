//! Programs run interpreted and compiled must come to the same, for every gas limit from none to enough.
//!
//! Sweeping the gas finds what a compiler gets wrong about gas: each limit ends the program at another opcode, in the
//! middle of a segment, inside a call, at the growth of memory. Compared are how it ended, the gas left, the output,
//! logs, refunds, changes of state, and which accounts and slots were read.

#[path = "../../vm/tests/support/mod.rs"]
#[allow(unused)]
mod support;

use crate::{Jit, JitMode, JitOptions};
use alloy_primitives::{Address, Bytes, U256};
use rialto_state::{Diff, Journal, Log};
use rialto_vm::{Fork, Halt, Message, MessageKind, Rules, StateGas, Tier, Vm};
use support::{CALLER, OTHER, Setup, asm};

#[derive(Debug, PartialEq)]
struct Outcome {
    halt: Option<Halt>,
    gas: u64,
    state_gas: StateGas,
    output: Bytes,
    refund: i64,
    logs: Vec<Log>,
    diff: Diff,
    accounts: Vec<Address>,
    slots: Vec<(Address, U256)>,
}

fn run(setup: &Setup, gas: u64, tier: Option<&dyn Tier>) -> Outcome {
    let mut journal = Journal::new(&setup.state, 1);
    let caller = journal.account_id(&CALLER);
    let target = journal.account_id(&setup.target);
    let mut vm = Vm::new(Rules::of(setup.fork), setup.block.clone(), journal);
    vm.set_tier(tier);
    vm.tx = setup.tx.clone();
    vm.journal.load(caller).expect("in memory");
    vm.journal.load(target).expect("in memory");
    if vm.rules().has_access_lists {
        vm.journal.warm(caller);
        vm.journal.warm(target);
    }
    let kind = MessageKind::Call { target, code_account: target };
    let (value, input) = (setup.value, setup.input.clone());
    let message = Message { kind, caller, value, input, gas, state_gas_reservoir: 0 };
    let result = vm.execute(message).expect("in memory");
    let refund = vm.journal.refund();
    let logs = vm.journal.take_logs();
    let mut accounts: Vec<Address> = vm.journal.loaded_accounts().map(|entry| entry.address).collect();
    let mut slots: Vec<_> = vm.journal.loaded_slots().collect();
    accounts.sort();
    slots.sort();
    vm.journal.end_tx(vm.rules().clears_empty_accounts);
    let diff = vm.journal.diff();
    let (halt, gas, state_gas, output) = (result.halt, result.gas, result.state_gas, result.output);
    Outcome { halt, gas, state_gas, output, refund, logs, diff, accounts, slots }
}

fn always() -> Jit {
    Jit::new(JitOptions { mode: JitMode::Always, ..JitOptions::default() })
}

/// Compares at all gas limits up to what the program needs, or at some thousand of them.
fn sweep(name: &str, setup: &Setup, jit: &Jit) {
    let full = run(setup, setup.gas, None);
    let used = if full.gas == 0 { 3_000 } else { setup.gas - full.gas };
    let step = (used / 1_500).max(1);
    let limits =
        (0..=used + 3 * step).step_by(step as usize).chain([used.saturating_sub(1), used, used + 1, setup.gas]);
    for gas in limits {
        let (expected, compiled) = (run(setup, gas, None), run(setup, gas, Some(jit)));
        assert_eq!(compiled, expected, "{name} with {gas} gas");
    }
}

/// Name and code. It runs as CONTRACT with some call data, beside a contract OTHER that doubles its input's first word.
const PROGRAMS: &[(&str, &str)] = &[
    ("nothing", ""),
    ("stop", "STOP"),
    ("sum", "1 2 ADD 0 MSTORE 32 0 RETURN"),
    ("invalid", "1 2 ADD INVALID"),
    ("undefined", "1 2 ADD raw:0c"),
    ("underflow", "1 ADD"),
    ("underflow behind a branch", "1 0 CALLDATALOAD @a JUMPI ADD :a POP POP"),
    ("overflow", ":a 1 @a JUMP"),
    ("overflow by a word a turn", "0 :a DUP1 DUP1 1 ADD DUP1 2000 GT @a JUMPI STOP"),
    ("loop", "0 :a 1 ADD DUP1 50 GT @a JUMPI 0 MSTORE 32 0 RETURN"),
    (
        "loop with four words",
        "1 2 3 0 :a SWAP3 DUP2 ADD SWAP1 DUP3 MUL SWAP2 SWAP3 1 ADD DUP1 30 GT @a JUMPI POP ADD ADD 0 MSTORE 32 0 RETURN",
    ),
    (
        "loop with deep words",
        "1 2 3 4 5 6 7 8 0 :a DUP8 DUP3 ADD SWAP7 POP SWAP1 DUP2 XOR SWAP1 1 ADD DUP1 20 GT @a JUMPI ADD ADD ADD ADD ADD ADD ADD ADD 0 MSTORE 32 0 RETURN",
    ),
    (
        "nested loops",
        "0 0 :a 0 :b 1 ADD SWAP1 DUP2 ADD SWAP1 DUP1 7 GT @b JUMPI POP SWAP1 1 ADD SWAP1 DUP2 6 GT @a JUMPI 0 MSTORE 32 0 RETURN",
    ),
    (
        "a counter that passes 48 bits",
        "5 0xfffffffffffe :a SWAP1 DUP2 ADD SWAP1 1 ADD DUP1 0x1000000000003 GT @a JUMPI ADD 0 MSTORE 32 0 RETURN",
    ),
    (
        "a counter and its limit",
        "0 CALLDATALOAD 0xf AND 7 ADD 5 0 :a SWAP1 DUP2 ADD SWAP1 1 ADD DUP3 DUP2 LT @a JUMPI ADD 0 MSTORE 32 0 RETURN",
    ),
    (
        "a counter that passes 48 bits, and its limit",
        "0x1000000000003 5 0xfffffffffffe :a SWAP1 DUP2 ADD SWAP1 1 ADD DUP3 DUP2 LT @a JUMPI ADD 0 MSTORE 32 0 RETURN",
    ),
    (
        "a limit of many bits",
        "0 CALLDATALOAD NOT 0 :a 1 ADD DUP1 9 EQ @b JUMPI DUP2 DUP2 LT @a JUMPI :b 0 MSTORE 32 0 RETURN",
    ),
    (
        "a counter that goes down below 0",
        "0 7 :a SWAP1 DUP2 ADD SWAP1 3 SWAP1 SUB DUP1 8 SGT @a JUMPI ADD 0 MSTORE 32 0 RETURN",
    ),
    (
        "a counter within a counter",
        "5 0 0 :a 0 :b 1 ADD DUP3 DUP2 ADD POP DUP4 DUP2 LT @b JUMPI DUP2 ADD SWAP1 1 ADD SWAP1 DUP3 DUP3 LT @a JUMPI 0 MSTORE 32 0 RETURN",
    ),
    ("memory word by word", "0 :a DUP1 DUP1 32 MUL MSTORE 1 ADD DUP1 40 GT @a JUMPI MSIZE 0 MSTORE 32 0 RETURN"),
    (
        "memory around an offset",
        "0 CALLDATALOAD 0xff AND DUP1 5 SWAP1 MSTORE DUP1 32 ADD 6 SWAP1 MSTORE DUP1 40 ADD MLOAD DUP2 7 ADD MLOAD ADD SWAP1 99 ADD MLOAD ADD MSIZE ADD 0 MSTORE 32 0 RETURN",
    ),
    ("memory at an offset of many bits", "0 CALLDATALOAD DUP1 MLOAD SWAP1 32 ADD MLOAD ADD 0 MSTORE 32 0 RETURN"),
    ("function called twice", "@r1 5 @f JUMP :r1 @r2 SWAP1 @f JUMP :r2 0 MSTORE 32 0 RETURN :f DUP1 MUL SWAP1 JUMP"),
    (
        "recursive function",
        "@end 9 @fib JUMP :end 0 MSTORE 32 0 RETURN :fib DUP1 2 GT @base JUMPI @k1 1 DUP3 SUB @fib JUMP :k1 @k2 2 DUP4 SUB @fib JUMP :k2 ADD SWAP1 POP SWAP1 JUMP :base SWAP1 JUMP",
    ),
    ("jump to no destination", "3 JUMP"),
    ("jump beyond the code", "4000 JUMP"),
    ("jump beyond all", "0xffffffffffffffffffffffffffffffffffff JUMP"),
    ("branch to no destination", "1 3 JUMPI"),
    ("branch to no destination not taken", "0 3 JUMPI 7 0 MSTORE 32 0 RETURN"),
    ("jump by call data to no destination", "1 CALLDATALOAD JUMP"),
    ("jump by call data", "0 CALLDATALOAD 0xff AND 9 SUB JUMP :a 1 0 MSTORE :b 32 0 RETURN"),
    (
        "computed jump to a destination that nobody pushes",
        "1 2 3 0 CALLDATALOAD 0xff AND 2 MUL JUMP STOP STOP STOP STOP :a ADD ADD 0 MSTORE 32 0 RETURN",
    ),
    ("memory grows", "1 0 MSTORE 2 1000 MSTORE 3 5000 MSTORE8 MSIZE 40 MSTORE 64 32 RETURN"),
    ("memory too far", "1 0xffffffffff MSTORE"),
    ("memory beyond all", "1 0xffffffffffffffffffffffff MSTORE"),
    ("memory by call data", "0 CALLDATALOAD DUP1 MSTORE MSIZE 0 MSTORE 32 0 RETURN"),
    (
        "memory reads at odd offsets",
        "0x0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20 3 MSTORE 0 MLOAD 7 MLOAD XOR 30 MLOAD ADD 0 MSTORE 32 0 RETURN",
    ),
    ("gas at several places", "GAS GAS 1 ADD GAS 0 MSTORE GAS 100 MSTORE ADD GAS ADD ADD 32 MSTORE 200 0 RETURN"),
    ("gas in a loop", "0 :a GAS ADD DUP1 DUP1 MSTORE8 DUP1 0x7 AND @a JUMPI 0 MSTORE 32 0 RETURN"),
    ("storage", "1 SLOAD 5 ADD DUP1 1 SSTORE 2 SLOAD ADD 3 SSTORE 0 1 SSTORE 7 2 SSTORE"),
    ("storage in a loop", "5 :a DUP1 SLOAD 3 ADD DUP2 SSTORE 1 SWAP1 SUB DUP1 @a JUMPI"),
    ("storage is read before gas runs out", "1 SLOAD 2 SLOAD 3 SLOAD ADD ADD 4 SLOAD 0xffffff 0 RETURN"),
    ("stipend", "1 1 SSTORE 2 2 SSTORE"),
    ("transient", "7 1 TSTORE 1 TLOAD 2 TLOAD ADD 0 MSTORE 32 0 RETURN"),
    ("hash", "1 0 MSTORE 64 0 KECCAK256 DUP1 0 MSTORE 1000 0 KECCAK256 XOR 0 MSTORE 32 0 RETURN"),
    ("hash of nothing anywhere", "0 0xffffffffffffffffffffffff KECCAK256 0 MSTORE 32 0 RETURN"),
    ("hash too long", "0xffffffffffffffff 0 KECCAK256"),
    ("logs", "1 0 MSTORE 1 2 3 4 64 0 LOG4 1 2 32 5 LOG2 0 0 LOG0"),
    (
        "call",
        "32 0 32 0 0 0x0000000000000000000000000000000007e40000 5 0 MSTORE GAS CALL 0 MLOAD ADD 0 MSTORE 32 0 RETURN",
    ),
    (
        "call with words below",
        "11 22 33 32 0 32 0 0 0x0000000000000000000000000000000007e40000 5 0 MSTORE 50000 CALL ADD ADD ADD 0 MLOAD ADD 0 MSTORE 64 0 RETURN",
    ),
    (
        "calls in a loop",
        "3 :a 32 0 32 0 0x0000000000000000000000000000000007e40000 GAS STATICCALL POP RETURNDATASIZE ADD 1 SWAP1 SUB DUP1 0x1 AND @a JUMPI 0 MSTORE 32 0 RETURN",
    ),
    (
        "call with value",
        "0 0 0 0 1 0x0000000000000000000000000000000007e40000 GAS CALL SELFBALANCE ADD 0 MSTORE 32 0 RETURN",
    ),
    ("call of nobody", "0 0 0 0 0 0x1234 GAS CALL 0 MSTORE 32 0 RETURN"),
    ("call of a precompiled contract", "7 0 MSTORE 32 32 32 0 4 GAS STATICCALL 32 MLOAD ADD 0 MSTORE 32 0 RETURN"),
    (
        "call of itself",
        "0 CALLDATALOAD 4 GT @go JUMPI STOP :go 0 CALLDATALOAD 1 ADD 0 MSTORE 0 0 32 0 0 ADDRESS GAS CALL 1 SLOAD ADD 1 SSTORE",
    ),
    (
        "delegate call",
        "32 0 32 0 0x0000000000000000000000000000000007e40000 GAS DELEGATECALL 0 MLOAD ADD 0 MSTORE 32 0 RETURN",
    ),
    (
        "call code",
        "32 0 32 0 0 0x0000000000000000000000000000000007e40000 GAS CALLCODE 0 MLOAD ADD 0 MSTORE 32 0 RETURN",
    ),
    (
        "creation",
        "0x600a600c600039600a6000f3602a60005260206000f3 0 MSTORE 22 10 0 CREATE DUP1 EXTCODESIZE ADD 0 MSTORE 32 0 RETURN",
    ),
    (
        "creation with salt",
        "0x600a600c600039600a6000f3602a60005260206000f3 0 MSTORE 77 22 10 0 CREATE2 DUP1 EXTCODEHASH ADD 0 MSTORE 32 0 RETURN",
    ),
    (
        "return data",
        "32 0 32 0 0x0000000000000000000000000000000007e40000 GAS STATICCALL RETURNDATASIZE 0 0 RETURNDATACOPY RETURNDATASIZE 1 0 RETURNDATACOPY",
    ),
    (
        "copies",
        "100 0 0 CALLDATACOPY 40 1 64 CODECOPY 50 3 200 MCOPY 20 0 90 0x0000000000000000000000000000000007e40000 EXTCODECOPY 256 0 RETURN",
    ),
    ("copy too long", "0xffffffffffff 0 0 CALLDATACOPY"),
    (
        "environment",
        "ADDRESS CALLER ORIGIN CALLVALUE CALLDATASIZE CODESIZE GASPRICE COINBASE TIMESTAMP NUMBER PREVRANDAO GASLIMIT CHAINID SELFBALANCE BASEFEE BLOBBASEFEE PC MSIZE 0 BLOBHASH 999 BLOCKHASH 0 :a DUP1 MSTORE MSIZE DUP1 600 GT @a JUMPI MSIZE 0 RETURN",
    ),
    (
        "environment one by one",
        "ADDRESS 0 MSTORE CALLER 32 MSTORE ORIGIN 64 MSTORE COINBASE 96 MSTORE TIMESTAMP 128 MSTORE GASPRICE 160 MSTORE CALLVALUE 192 MSTORE BASEFEE 224 MSTORE PREVRANDAO 256 MSTORE 288 0 RETURN",
    ),
    (
        "accounts",
        "ADDRESS BALANCE 0x0000000000000000000000000000000007e40000 BALANCE 0x77 EXTCODEHASH 0x78 EXTCODESIZE ADD ADD ADD 0 MSTORE 32 0 RETURN",
    ),
    ("powers", "3 0 CALLDATALOAD EXP 0xffff 3 EXP 2 200 EXP ADD ADD 0 MSTORE 32 0 RETURN"),
    (
        "division",
        "7 0 CALLDATALOAD DIV 0 0 CALLDATALOAD MOD 3 0 CALLDATALOAD NOT SDIV 5 0 CALLDATALOAD NOT SMOD ADD ADD ADD 0 MSTORE 32 0 RETURN",
    ),
    (
        "modular",
        "1000 0 CALLDATALOAD NOT 0 CALLDATALOAD MULMOD 77 0 CALLDATALOAD NOT 0 NOT ADDMOD ADD 0 MSTORE 32 0 RETURN",
    ),
    (
        "shifts",
        "0 CALLDATALOAD 3 SHL 0 CALLDATALOAD 300 SHR ADD 0 CALLDATALOAD NOT 4 SAR ADD 0 CALLDATALOAD 31 BYTE ADD 0 CALLDATALOAD 0 SIGNEXTEND ADD 0 MSTORE 32 0 RETURN",
    ),
    (
        "comparisons",
        "1 0 CALLDATALOAD LT 1 0 CALLDATALOAD GT 1 0 CALLDATALOAD SLT 1 0 CALLDATALOAD SGT 10 0 CALLDATALOAD EQ 0 CALLDATALOAD ISZERO ISZERO ADD ADD ADD ADD ADD 0 MSTORE 32 0 RETURN",
    ),
    ("revert with a reason", "0xdead 0 MSTORE 1 1 SSTORE 32 0 REVERT"),
    ("require", "0 CALLDATALOAD 10 EQ @ok JUMPI 0x4e487b71 0 MSTORE 36 28 REVERT :ok 1 0 MSTORE 32 0 RETURN"),
    ("require that fails", "1 2 3 0 CALLDATALOAD 11 EQ @ok JUMPI 0 MSTORE 36 28 REVERT :ok 1 0 MSTORE 32 0 RETURN"),
    ("self-destruction", "1 0x0000000000000000000000000000000007e40000 SELFDESTRUCT"),
    ("truncated push", "1 2 raw:61ff"),
    ("ways that meet", "1 2 0 CALLDATALOAD @a JUMPI POP 9 :a ADD 0 MSTORE 32 0 RETURN"),
    (
        "ways that meet with swapped words",
        "1 2 3 4 0 CALLDATALOAD 11 EQ @a JUMPI SWAP3 SWAP1 :a SUB SWAP1 SUB SUB 0 MSTORE 32 0 RETURN",
    ),
    (
        "switch",
        "0 CALLDATALOAD DUP1 1 EQ @a JUMPI DUP1 10 EQ @b JUMPI DUP1 3 EQ @a JUMPI STOP :a 1 0 MSTORE @e JUMP :b 2 0 MSTORE :e 0 MSTORE 32 0 RETURN",
    ),
    (
        "call with too little left",
        "0 0 0 0 0 0x0000000000000000000000000000000007e40000 0xffffff CALL GAS 0 MSTORE 32 0 RETURN",
    ),
    ("code of tight jumps", ":a :b :c 1 0 CALLDATALOAD @d JUMPI @a JUMP :d STOP"),
];

fn setup(fork: Fork, code: Bytes) -> Setup {
    let mut setup = setup_without_blocks(fork, code);
    setup.state.insert_block_hash(999, alloy_primitives::B256::repeat_byte(0x99));
    setup
}

fn setup_without_blocks(fork: Fork, code: Bytes) -> Setup {
    let mut input = vec![0; 70];
    input[31] = 10;
    input[69] = 99;
    Setup::with_code(fork, code)
        .input(input)
        .account(OTHER, "0 CALLDATALOAD DUP1 ADD 0 MSTORE 1 SLOAD 1 ADD POP 32 0 RETURN")
        .slot(support::CONTRACT, 1, 3)
        .slot(support::CONTRACT, 3, 9)
        .balance(support::CONTRACT, 1_000)
        .gas(300_000)
}

#[test]
fn programs_come_to_the_same_at_every_gas_limit() {
    let jit = always();
    for fork in [Fork::Osaka, Fork::Amsterdam] {
        for (name, code) in PROGRAMS {
            sweep(&format!("{name} under {fork}"), &setup(fork, asm(code)), &jit);
        }
    }
    let stats = jit.stats();
    assert_eq!(stats.refused, 0, "{stats:?}");
    assert!(stats.compiled > PROGRAMS.len() as u64, "{stats:?}");
}

#[test]
fn programs_come_to_the_same_under_old_forks() {
    let jit = always();
    for fork in Fork::ALL {
        for (name, code) in PROGRAMS {
            let setup = setup(fork, asm(code));
            for gas in [300_000, 30_000, 3_000, 700] {
                let (expected, compiled) = (run(&setup, gas, None), run(&setup, gas, Some(&jit)));
                assert_eq!(compiled, expected, "{name} under {fork} with {gas} gas");
            }
        }
    }
}

/// The code calls itself with so many bytes of its memory, and reads these before and after it has made that memory move.
#[test]
fn call_data_of_any_length_is_read() {
    let jit = always();
    for len in [0, 1, 4, 31, 32, 33, 45, 64] {
        let code = format!(
            "CALLDATASIZE 70 EQ @outer JUMPI 0 CALLDATALOAD 1 20000 MSTORE 0 CALLDATALOAD ADD 5 CALLDATALOAD ADD \
             40 CALLDATALOAD ADD 0 NOT CALLDATALOAD ADD 20000 MLOAD ADD 0 MSTORE 32 0 RETURN :outer \
             0 NOT 0 MSTORE 0x1234567890 NOT 32 MSTORE 32 100 {len} 3 0 ADDRESS GAS CALL POP 0 CALLDATALOAD 45 CALLDATALOAD \
             ADD 100 MLOAD ADD 0 MSTORE 32 0 RETURN"
        );
        let setup = setup(Fork::Osaka, asm(&code));
        sweep(&format!("call data of {len} bytes"), &setup, &jit);
        for outer in 0..70 {
            let setup = self::setup(Fork::Osaka, asm(&code)).input(vec![0x5a; outer]);
            assert_eq!(run(&setup, 300_000, Some(&jit)), run(&setup, 300_000, None), "{outer} bytes");
        }
    }
    assert_eq!(jit.stats().refused, 0, "{:?}", jit.stats());
}

#[test]
fn code_that_is_compiled_late_goes_on_compiled() {
    let jit = Jit::new(JitOptions { mode: JitMode::Auto, threshold: 2, ..JitOptions::default() });
    for (name, code) in PROGRAMS {
        let setup = setup(Fork::Osaka, asm(code));
        let expected = run(&setup, 300_000, None);
        for _ in 0..4 {
            assert_eq!(run(&setup, 300_000, Some(&jit)), expected, "{name}");
        }
        jit.wait();
        assert_eq!(run(&setup, 300_000, Some(&jit)), expected, "{name}");
    }
}

#[test]
fn native_code_is_dropped_for_the_bound_s_sake() {
    let jit = Jit::new(JitOptions { mode: JitMode::Always, max_bytes: 6_000, ..JitOptions::default() });
    for _ in 0..2 {
        for (name, code) in PROGRAMS {
            let setup = setup(Fork::Osaka, asm(code));
            let expected = run(&setup, 300_000, None);
            assert_eq!(run(&setup, 300_000, Some(&jit)), expected, "{name}");
            assert!(jit.stats().bytes <= 6_000, "{:?}", jit.stats());
        }
    }
    assert!(jit.stats().evicted > 0, "{:?}", jit.stats());
}
