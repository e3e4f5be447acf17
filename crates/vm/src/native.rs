//! Running native code: how it is called, where it finds the machine's state, and what it calls back.
//!
//! A [`NativeFunction`] runs the current frame from one of its entries, with the machine, the stack pointer (one past
//! the top) and the gas left as arguments. It comes back with a status: [`BAIL`] says that
//! the frame's registers are stored and the interpreter is to go on from there, [`EXIT`] that a helper has stored how
//! the run ended; the others are failures that need nothing but their name.
//!
//! Helpers do what is not worth doing in place, by the same methods as the interpreter. Those that may end the run give
//! back the gas that is left, or [`ENDED`]; no run has that much gas left after an opcode that was paid for. Static gas
//! was charged by the caller.
//!
//! # Safety
//! All helpers are called by native code with the machine that called it, which is exclusively theirs meanwhile, and
//! with a stack pointer that has the words below it that the opcode pops. The layout is that of the structures in this
//! build of the crate: it is read by a compiler that is part of the same program.

use crate::frame::{Frame, Input, Owner};
use crate::interpreter::{Exit, Next};
use crate::memory::Memory;
use crate::opcode as op;
use crate::tier::Tier;
use crate::{BlockContext, Halt, TxContext, Vm};
use alloy_primitives::U256;
use core::mem::offset_of;

/// Machine, stack pointer, gas left, index of the entry; gives back a status.
pub type NativeFunction = unsafe extern "C" fn(*mut Vm<'_>, *mut U256, u64, u64) -> u64;

/// A helper that does one opcode's work: machine, stack pointer before the pops, gas left, program counter.
pub type OpcodeHelper = unsafe extern "C" fn(*mut Vm<'_>, *mut U256, u64, u64) -> u64;

/// The interpreter is to go on.
pub const BAIL: u64 = 0;
/// A helper has ended the run.
pub const EXIT: u64 = 1;
/// The frame is out of gas.
pub const OUT_OF_GAS: u64 = 2;
/// A jump went to something that is no JUMPDEST.
pub const INVALID_JUMP: u64 = 3;
/// A byte that is no opcode was met.
pub const INVALID_OPCODE: u64 = 4;
/// In place of the gas left: the run has ended.
pub const ENDED: u64 = u64::MAX;

/// Offsets from the machine's address.
pub mod layout {
    use super::*;

    const FRAME: usize = offset_of!(Vm<'static>, frame);
    const MEMORY: usize = offset_of!(Vm<'static>, memory);
    const TX: usize = offset_of!(Vm<'static>, tx);
    const BLOCK: usize = offset_of!(Vm<'static>, block);

    /// For compiled code: gas left, where it can't be given back.
    pub const GAS: usize = offset_of!(Vm<'static>, native_gas);
    /// Base of the frame's stack.
    pub const STACK_BASE: usize = offset_of!(Vm<'static>, native_base);
    /// Address of the frame.
    pub const ADDRESS: usize = FRAME + offset_of!(Frame, address);
    /// Address of the caller.
    pub const CALLER: usize = FRAME + offset_of!(Frame, caller);
    /// Value of the frame, a word.
    pub const VALUE: usize = FRAME + offset_of!(Frame, value);
    /// Bytes of call data.
    pub const INPUT_LEN: usize = FRAME + offset_of!(Frame, input_len);
    /// Pointer to the frame's memory.
    pub const MEMORY_START: usize = MEMORY + offset_of!(Memory, start);
    /// Bytes of the frame's memory.
    pub const MEMORY_LEN: usize = MEMORY + offset_of!(Memory, len);
    /// Offsets at which the frame's memory has a whole word.
    pub const MEMORY_WORD_OFFSETS: usize = MEMORY + offset_of!(Memory, word_offsets);
    /// Bytes from there on that there are, zeros behind the memory's end.
    pub const MEMORY_READY: usize = MEMORY + offset_of!(Memory, ready);
    /// Pointer to the call data.
    pub const INPUT: usize = MEMORY + offset_of!(Memory, input);
    /// Offsets at which there is a whole word to be read of it.
    pub const INPUT_WORD_OFFSETS: usize = offset_of!(Vm<'static>, native_input) + offset_of!(NativeInput, word_offsets);
    /// The 32 bytes that [`call_data_bytes`] has written.
    pub const CALL_DATA_WORD: usize = offset_of!(Vm<'static>, native_input) + offset_of!(NativeInput, word);
    /// Address of the transaction's origin.
    pub const ORIGIN: usize = TX + offset_of!(TxContext, origin);
    /// Gas price, a word.
    pub const GAS_PRICE: usize = TX + offset_of!(TxContext, gas_price);
    /// Address of the block's beneficiary.
    pub const BENEFICIARY: usize = BLOCK + offset_of!(BlockContext, beneficiary);
    /// Timestamp, 64 bits.
    pub const TIMESTAMP: usize = BLOCK + offset_of!(BlockContext, timestamp_seconds);
    /// Block number, 64 bits.
    pub const NUMBER: usize = BLOCK + offset_of!(BlockContext, number);
    /// Gas limit, 64 bits.
    pub const GAS_LIMIT: usize = BLOCK + offset_of!(BlockContext, gas_limit);
    /// Chain id, 64 bits.
    pub const CHAIN_ID: usize = BLOCK + offset_of!(BlockContext, chain_id);
    /// Slot number, 64 bits.
    pub const SLOT_NUMBER: usize = BLOCK + offset_of!(BlockContext, slot_number);
    /// Base fee, a word.
    pub const BASE_FEE: usize = BLOCK + offset_of!(BlockContext, base_fee);
    /// Blob base fee, a word.
    pub const BLOB_BASE_FEE: usize = BLOCK + offset_of!(BlockContext, blob_base_fee);
}

/// What compiled code reads of the call data, beside the pointer to it.
#[derive(Default)]
pub(crate) struct NativeInput {
    word_offsets: usize,
    /// Call data that is shorter than a word, with zeros behind.
    short: [u8; 32],
    /// A word that reaches beyond the call data.
    word: [u8; 32],
}

impl Vm<'_> {
    /// Has the call data at hand for compiled code.
    #[inline]
    fn show_input(&mut self) {
        let len = self.frame.input_len;
        if len < 32 {
            let mut short = [0; 32];
            short[..len].copy_from_slice(self.input());
            self.native_input.short = short;
            self.memory.set_input(self.native_input.short.as_ptr());
            self.native_input.word_offsets = 1;
            return;
        }
        match &self.frame.input {
            Input::Memory(start, _) => self.memory.set_input_at(*start),
            Input::Bytes(bytes) => self.memory.set_input(bytes.as_ptr()),
        }
        self.native_input.word_offsets = len - 31;
    }

    /// Runs native code for the current frame, if there is some. `None` where the interpreter is to go on.
    #[inline(never)]
    pub(crate) fn run_native(&mut self, tier: &dyn Tier) -> Option<Exit> {
        let Owner::Code(code) = &self.frame.owner else { return None };
        let fork = self.rules.fork;
        // SAFETY: the owner holds the program.
        let program = unsafe { &*self.frame.program };
        let mut slot = program.slot.get_or_init(|| alloc::boxed::Box::new(tier.slot(code, fork)));
        let own;
        if slot.tier() != tier.id() {
            own = tier.slot(code, fork);
            slot = &own;
        }
        let named = slot.named();
        let native = match self.held.get(named) {
            Some(native) => native,
            None => self.held.hold(tier.native(slot, code, fork)?),
        };
        let entry = native.entry(self.frame.pc)? as u64;
        let function = native.function();
        let gas = self.frame.gas;
        // SAFETY: `reserve_stack` made room for STACK_LIMIT words from `stack_base` on, of which `stack_len` are there.
        let (base, sp) = unsafe {
            let base = self.stack.as_mut_ptr().cast::<U256>().add(self.frame.stack_base);
            (base, base.add(self.frame.stack_len))
        };
        self.native_base = base;
        self.show_input();
        // SAFETY: `self.held` holds the function while it runs: helpers open frames but never run them. Whoever made it
        // has promised that it does what the interpreter does.
        let status = unsafe { function(&raw mut *self, sp, gas, entry) };
        match status {
            BAIL => None,
            EXIT => Some(self.native_exit),
            OUT_OF_GAS => Some(Exit::Failed(Halt::OutOfGas)),
            INVALID_JUMP => Some(Exit::Failed(Halt::InvalidJump)),
            INVALID_OPCODE => Some(Exit::Failed(Halt::InvalidOpcode)),
            _ => unreachable!("native code gave the status {status}"),
        }
    }

    /// Notes how an opcode ended the run, if it did, as the interpreter's handlers do.
    #[inline(always)]
    fn after(&mut self, (gas, exit): Next) -> u64 {
        let Some(exit) = exit else { return gas };
        if exit != Exit::Opened {
            self.frame.gas = gas;
        }
        self.native_exit = exit;
        ENDED
    }

    /// Stores where the frame is: its words of stack end at `sp`.
    fn store_registers(&mut self, sp: *mut U256, pc: u64) {
        // SAFETY: `sp` is in the frame's stack, whose base is where it was when the run began.
        self.frame.stack_len = unsafe { sp.offset_from_unsigned(self.native_base) };
        self.frame.pc = pc as usize;
    }
}

/// Stores the registers for the interpreter to go on from.
///
/// # Safety
/// As the module says.
pub unsafe extern "C" fn bail(vm: *mut Vm<'_>, sp: *mut U256, gas: u64, pc: u64) {
    // SAFETY: by the caller's promise.
    let vm = unsafe { &mut *vm };
    vm.store_registers(sp, pc);
    vm.frame.gas = gas;
}

/// STOP.
///
/// # Safety
/// As the module says.
pub unsafe extern "C" fn stop(vm: *mut Vm<'_>, gas: u64) {
    // SAFETY: by the caller's promise.
    let vm = unsafe { &mut *vm };
    vm.return_data.clear();
    vm.frame.gas = gas;
    vm.native_exit = Exit::Done;
}

/// Grows memory to reach `end`; gas left.
///
/// # Safety
/// As the module says.
pub unsafe extern "C" fn grow_memory(vm: *mut Vm<'_>, offset: u64, len: u64, gas: u64) -> u64 {
    // SAFETY: by the caller's promise.
    let vm = unsafe { &mut *vm };
    let next = match vm.grow_range(offset, len, gas) {
        Some((_, _, gas)) => (gas, None),
        None => crate::interpreter::fail(Halt::OutOfGas),
    };
    vm.after(next)
}

/// RETURN or REVERT of `len` bytes at `offset`, each the largest number where the word does not fit.
///
/// # Safety
/// As the module says.
pub unsafe extern "C" fn end_with_output(vm: *mut Vm<'_>, offset: u64, len: u64, gas: u64, opcode: u64) {
    // SAFETY: by the caller's promise.
    let vm = unsafe { &mut *vm };
    let exit = if opcode == u64::from(op::RETURN) { Exit::Done } else { Exit::Failed(Halt::Revert) };
    let next = vm.end_with(offset, len, gas, exit);
    vm.after(next);
}

/// KECCAK256 of `len` bytes at `offset`, each the largest number where the word does not fit, into `out`; gas left.
///
/// # Safety
/// As the module says; `out` may be written.
pub unsafe extern "C" fn keccak256(vm: *mut Vm<'_>, out: *mut U256, offset: u64, len: u64, gas: u64) -> u64 {
    // SAFETY: by the caller's promise.
    let vm = unsafe { &mut *vm };
    match vm.hash_memory(offset, len, gas) {
        Some((hash, gas)) => {
            // SAFETY: by the caller's promise.
            unsafe { *out = hash };
            gas
        }
        None => vm.after(crate::interpreter::fail(Halt::OutOfGas)),
    }
}

/// KECCAK256 of 64 bytes that are paid for, into `out`.
///
/// # Safety
/// As the module says; `out` may be written, and `input` is in the frame's memory.
pub unsafe extern "C" fn keccak_pair(vm: *mut Vm<'_>, out: *mut U256, input: *const [u8; 64]) {
    // SAFETY: by the caller's promise; the table of hashes is apart from the frame's memory.
    unsafe { *out = (*vm).keccak_cache.hash_pair(&*input) }
}

/// Writes the word of call data at `offset`, the largest number where that does not fit, to where compiled code reads it.
///
/// # Safety
/// As the module says.
pub unsafe extern "C" fn call_data_bytes(vm: *mut Vm<'_>, offset: u64) {
    // SAFETY: by the caller's promise.
    let vm = unsafe { &mut *vm };
    vm.native_input.word = vm.call_data_word(U256::from(offset)).to_be_bytes();
}

/// RETURNDATASIZE.
///
/// # Safety
/// As the module says.
pub unsafe extern "C" fn return_data_len(vm: *mut Vm<'_>) -> u64 {
    // SAFETY: by the caller's promise.
    unsafe { (*vm).return_data.len() as u64 }
}

/// Opcodes that are methods of the machine on the stack pointer and the gas.
macro_rules! methods {
    ($($name:ident $method:ident;)*) => {
        $(unsafe extern "C" fn $name(vm: *mut Vm<'_>, sp: *mut U256, gas: u64, _: u64) -> u64 {
            // SAFETY: by the promise that the module asks for.
            unsafe {
                let next = (*vm).$method(sp, gas);
                (*vm).after(next)
            }
        })*
    };
}

methods! {
    exp op_exp;
    balance op_balance;
    call_data_copy op_calldatacopy;
    code_copy op_codecopy;
    ext_code_size op_extcodesize;
    ext_code_copy op_extcodecopy;
    return_data_copy op_returndatacopy;
    ext_code_hash op_extcodehash;
    block_hash op_blockhash;
    sload op_sload;
    sstore op_sstore;
    tload op_tload;
    tstore op_tstore;
    mcopy op_mcopy;
    self_destruct op_selfdestruct;
}

unsafe extern "C" fn log<const COUNT: usize>(vm: *mut Vm<'_>, sp: *mut U256, gas: u64, _: u64) -> u64 {
    // SAFETY: by the promise that the module asks for.
    unsafe {
        let next = (*vm).op_log(sp, gas, COUNT);
        (*vm).after(next)
    }
}

/// Calls and creations: what the suspended frame needs to go on is stored before the method runs.
unsafe extern "C" fn open<const OPCODE: u8>(vm: *mut Vm<'_>, sp: *mut U256, gas: u64, pc: u64) -> u64 {
    let pops = const { op::stack_effect(OPCODE).0 as usize };
    // SAFETY: by the promise that the module asks for.
    unsafe {
        (*vm).store_registers(sp.sub(pops), pc + 1);
        let next = match OPCODE {
            op::CREATE | op::CREATE2 => (*vm).op_create(sp, gas, OPCODE == op::CREATE2),
            _ => (*vm).op_call(sp, gas, OPCODE),
        };
        (*vm).after(next)
    }
}

unsafe extern "C" fn blob_hash(vm: *mut Vm<'_>, sp: *mut U256, gas: u64, _: u64) -> u64 {
    // SAFETY: by the promise that the module asks for; BLOBHASH pops 1.
    unsafe {
        let target = sp.sub(1);
        *target = (*vm).blob_hash(*target);
    }
    gas
}

unsafe extern "C" fn self_balance(vm: *mut Vm<'_>, sp: *mut U256, gas: u64, _: u64) -> u64 {
    // SAFETY: by the promise that the module asks for; the stack has room for what SELFBALANCE pushes.
    unsafe {
        let vm = &mut *vm;
        *sp = vm.journal.balance(vm.frame.account);
    }
    gas
}

unsafe extern "C" fn randomness(vm: *mut Vm<'_>, sp: *mut U256, gas: u64, _: u64) -> u64 {
    // SAFETY: by the promise that the module asks for; the stack has room for what PREVRANDAO pushes.
    unsafe { *sp = (*vm).randomness_word() }
    gas
}

/// The helper for an opcode that has one. It writes what the opcode pushes where the first of the words it pops was.
pub fn opcode_helper(opcode: u8) -> Option<OpcodeHelper> {
    Some(match opcode {
        op::EXP => exp,
        op::BALANCE => balance,
        op::CALLDATACOPY => call_data_copy,
        op::CODECOPY => code_copy,
        op::EXTCODESIZE => ext_code_size,
        op::EXTCODECOPY => ext_code_copy,
        op::RETURNDATACOPY => return_data_copy,
        op::EXTCODEHASH => ext_code_hash,
        op::BLOCKHASH => block_hash,
        op::SLOAD => sload,
        op::SSTORE => sstore,
        op::TLOAD => tload,
        op::TSTORE => tstore,
        op::MCOPY => mcopy,
        op::SELFDESTRUCT => self_destruct,
        op::LOG0 => log::<0>,
        op::LOG1 => log::<1>,
        op::LOG2 => log::<2>,
        op::LOG3 => log::<3>,
        op::LOG4 => log::<4>,
        op::CREATE => open::<{ op::CREATE }>,
        op::CREATE2 => open::<{ op::CREATE2 }>,
        op::CALL => open::<{ op::CALL }>,
        op::CALLCODE => open::<{ op::CALLCODE }>,
        op::DELEGATECALL => open::<{ op::DELEGATECALL }>,
        op::STATICCALL => open::<{ op::STATICCALL }>,
        op::BLOBHASH => blob_hash,
        op::SELFBALANCE => self_balance,
        op::PREVRANDAO => randomness,
        _ => return None,
    })
}
