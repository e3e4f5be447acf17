//! A transaction that spends its gas on memory stays within the bounds of the section "Memory bound" in `ARCHITECTURE.md`.
//!
//! Each row is a program that asks for as much of one thing as its gas buys, and the table's figures for it. An allocator
//! that counts says how much was held at the highest. It counts a buffer that moves to a larger place twice, the old and
//! the new one, for both exist while it is copied: so three times what is held is what a growing buffer may take.
//!
//! A figure far above what a program can reach would say nothing, so a quarter of it has to be reached.

use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_state::{Account, Code, Journal, ReadError, StateReader};
use rialto_vm::{BlockContext, Fork, Message, MessageKind, Rules, Vm};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts bytes in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static HIGHEST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator does the work. `realloc` is left to the default, which allocates, copies and frees.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let in_use = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        HIGHEST.fetch_max(in_use, Ordering::Relaxed);
        // SAFETY: by the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: by the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONTRACT: Address = Address::repeat_byte(0xc0);
const CALLER: Address = Address::repeat_byte(0xca);

/// Largest code (EIP-170) and initcode (EIP-3860), in bytes.
const MAX_CODE: usize = 24_576;
const MAX_INITCODE: usize = 49_152;

/// A contract at [`CONTRACT`], and code as long as can be, different each time, at every address that is a small number.
struct World {
    contract: Code,
    latest: RefCell<Code>,
}

impl StateReader for World {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        let code = match address.as_slice() {
            _ if *address == CONTRACT => self.contract.clone(),
            [0, 0, 0, 0, 0, 0, 0, 0, ..] => longest_code(address),
            _ => return Ok(None),
        };
        let code_hash = code.hash();
        self.latest.replace(code);
        Ok(Some(Account { nonce: 1, balance: U256::ZERO, code_hash }))
    }

    fn storage(&self, _: &Address, _: &U256) -> Result<U256, ReadError> {
        Ok(U256::ZERO)
    }

    fn has_storage(&self, _: &Address) -> Result<bool, ReadError> {
        Ok(false)
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        let code = self.latest.replace(Code::empty());
        if code.hash() == *code_hash { Ok(code) } else { Err(ReadError::MissingCode { code_hash: *code_hash }) }
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        Err(ReadError::MissingBlockHash { number })
    }
}

fn longest_code(address: &Address) -> Code {
    let mut bytes = vec![0; MAX_CODE];
    bytes[1..21].copy_from_slice(address.as_slice());
    Code::new(bytes.into())
}

/// Bytes held at the highest while `code` runs on `gas`.
fn highest(code: Vec<u8>, gas: u64) -> usize {
    let world = World { contract: Code::new(code.into()), latest: RefCell::new(Code::empty()) };
    let before = IN_USE.load(Ordering::Relaxed);
    HIGHEST.store(before, Ordering::Relaxed);
    let block = BlockContext { chain_id: 1, gas_limit: gas, ..BlockContext::default() };
    let mut vm = Vm::new(Rules::of(Fork::Osaka), block, Journal::new(&world, 0));
    let caller = vm.journal.account_id(&CALLER);
    let target = vm.journal.account_id(&CONTRACT);
    vm.journal.load(caller).expect("the reader answers");
    let kind = MessageKind::Call { target, code_account: target };
    let message = Message { kind, caller, value: U256::ZERO, input: Bytes::new(), gas, state_gas_reservoir: 0 };
    vm.execute(message).expect("the reader answers");
    HIGHEST.load(Ordering::Relaxed) - before
}

const STOP: u8 = 0x00;
const ADD: u8 = 0x01;
const ADDRESS: u8 = 0x30;
const CODESIZE: u8 = 0x38;
const CODECOPY: u8 = 0x39;
const POP: u8 = 0x50;
const MSTORE: u8 = 0x52;
const SLOAD: u8 = 0x54;
const SSTORE: u8 = 0x55;
const JUMP: u8 = 0x56;
const GAS: u8 = 0x5a;
const JUMPDEST: u8 = 0x5b;
const TSTORE: u8 = 0x5d;
const PUSH0: u8 = 0x5f;
const PUSH1: u8 = 0x60;
const PUSH4: u8 = 0x63;
const DUP1: u8 = 0x80;
const DUP6: u8 = 0x85;
const LOG0: u8 = 0xa0;
const CREATE: u8 = 0xf0;
const CALL: u8 = 0xf1;
const RETURN: u8 = 0xf3;

/// Calls the running contract with all gas.
const CALL_SELF: [u8; 8] = [PUSH0, PUSH0, PUSH0, PUSH0, PUSH0, ADDRESS, GAS, CALL];

/// Words of memory that `gas` buys a frame: the largest w with 3w + w²/512 at most that.
fn memory_words(gas: u64) -> u64 {
    let fits = |words: u64| 3 * words + words * words / 512 <= gas;
    let mut words = (512 * gas).isqrt();
    while !fits(words) {
        words -= 1;
    }
    words
}

/// Makes the frame's memory `words` long.
fn grow_memory(words: u64) -> Vec<u8> {
    let mut code = vec![PUSH0, PUSH4];
    code.extend((32 * words as u32 - 32).to_be_bytes());
    code.push(MSTORE);
    code
}

fn one_memory(gas: u64) -> Vec<u8> {
    [grow_memory(memory_words(gas - 100)), vec![STOP]].concat()
}

fn returned_memory(gas: u64) -> Vec<u8> {
    let words = memory_words(gas - 100);
    let length = (32 * words as u32).to_be_bytes();
    [grow_memory(words), vec![PUSH4], length.to_vec(), vec![PUSH0, RETURN]].concat()
}

/// Each frame takes as much as is best on the average.
fn nested_memory(gas: u64) -> Vec<u8> {
    [grow_memory((gas / 200).isqrt() * 10), CALL_SELF.to_vec()].concat()
}

fn full_stacks(_: u64) -> Vec<u8> {
    [vec![PUSH0; 1024 - 7], CALL_SELF.to_vec()].concat()
}

/// Initcode that creates from itself.
fn nested_initcode(_: u64) -> Vec<u8> {
    let mut code = vec![CODESIZE, PUSH0, PUSH0, CODECOPY, CODESIZE, PUSH0, PUSH0, CREATE];
    code.resize(MAX_INITCODE, STOP);
    code
}

/// `body`, which leaves one word as it is, again and again with 65536, 65537 and so on.
fn for_each_number(body: &[u8]) -> Vec<u8> {
    [&[PUSH4, 0, 1, 0, 0, JUMPDEST], body, &[PUSH1, 1, ADD, PUSH1, 5, JUMP]].concat()
}

fn logs(_: u64) -> Vec<u8> {
    vec![JUMPDEST, PUSH0, PUSH0, LOG0, PUSH0, JUMP]
}

fn transient_slots(_: u64) -> Vec<u8> {
    for_each_number(&[DUP1, DUP1, TSTORE])
}

fn writes_of_a_slot(_: u64) -> Vec<u8> {
    for_each_number(&[DUP1, PUSH0, SSTORE])
}

fn cold_slots(_: u64) -> Vec<u8> {
    for_each_number(&[DUP1, SLOAD, POP])
}

fn cold_contracts(_: u64) -> Vec<u8> {
    for_each_number(&[PUSH0, PUSH0, PUSH0, PUSH0, PUSH0, DUP6, PUSH0, CALL, POP])
}

/// What a machine and a journal take before anything runs, in bytes.
const AT_REST: usize = 1 << 18;
/// Gas limits: the most that a transaction may have since Osaka (EIP-7825), and a whole block of the time before.
const GAS_LIMITS: [u64; 2] = [1 << 24, 30_000_000];

#[test]
fn what_gas_buys_is_bounded() {
    // Name, program, how many times of what is held may be allocated, and what is held, in KiB, for each of the limits.
    type Row = (&'static str, fn(u64) -> Vec<u8>, usize, [usize; 2]);
    let rows: [Row; 10] = [
        ("memory of one frame", one_memory, 3, [2_873, 3_850]),
        ("memory of one frame, returned", returned_memory, 3, [3 * 2_873, 3 * 3_850]),
        ("memory of nested frames", nested_memory, 3, [18_875, 26_269]),
        ("stacks of nested frames", full_stacks, 3, [9_824, 10_998]),
        // The copies, and three times the memory in which each creator keeps its child's initcode.
        ("initcode of nested frames", nested_initcode, 1, [33_671, 41_849]),
        ("logs", logs, 3, [8_040, 14_376]),
        ("transient slots", transient_slots, 3, [20_480, 36_622]),
        ("writes of a slot", writes_of_a_slot, 3, [6_554, 11_719]),
        ("cold slots", cold_slots, 3, [1_615, 2_888]),
        ("cold contracts", cold_contracts, 1, [331_600, 592_900]),
    ];
    for (name, program, times, held_kib) in rows {
        for (gas, held_kib) in GAS_LIMITS.into_iter().zip(held_kib) {
            let (found, bound) = (highest(program(gas), gas), times * held_kib * 1024 + AT_REST);
            println!("{name}, {gas} gas: {} KiB of {} KiB", found / 1024, bound / 1024);
            assert!(found <= bound, "{name}, {gas} gas: {found} bytes, expected at most {bound}");
            assert!(found >= bound / 4, "{name}, {gas} gas: {found} bytes say little about a bound of {bound}");
        }
    }
}
