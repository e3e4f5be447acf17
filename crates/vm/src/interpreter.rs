//! The dispatch loop.
//!
//! The loop keeps what every opcode needs in local variables, so in registers: the instruction pointer, the stack
//! pointer and the gas left. Opcodes that are pure are written here, in line; those that touch memory growth, state or
//! calls are methods in files of their own, called with the stack pointer and the gas by value and returning the gas, so
//! that these two never have their address taken and stay in registers.
//!
//! # Safety
//! Three invariants make the raw pointers sound:
//!
//! 1. `ip` stays inside the translation: it moves forward by the length of the opcode just run, the translation ends
//!    with more STOPs than any opcode is long, and jumps go only to marked destinations inside the code.
//! 2. `sp` stays inside the frame's 1,024 words: before an opcode runs, the words it pops and the growth it needs, both
//!    taken from the opcode table, are checked against the frame's bounds; `reserve_stack` made room for all of them.
//! 3. Neither buffer moves while the loop runs: opening or leaving a frame ends the loop, and the frame's `owner` holds
//!    the translation.

use crate::frame::Frame;
use crate::opcode::{self as op, static_gas};
use crate::program::{FRONT_PADDING, Program, fused, fusion};
use crate::tracer::Step;
use crate::vm::STACK_LIMIT;
use crate::{Halt, Vm, arith};
use alloy_primitives::U256;

/// How a run of the loop ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Another frame is current now.
    Opened,
    /// The frame succeeded, its output is in the return data.
    Done,
    /// The frame failed.
    Failed(Halt),
    /// State could not be read; the error is in `fatal`.
    Fatal,
}

/// Gas left after an opcode, and where to go if not to the next one.
pub(crate) type Next = (u64, Option<Exit>);

/// Ends the frame for `halt`.
#[cold]
pub(crate) fn fail(halt: Halt) -> Next {
    (0, Some(Exit::Failed(halt)))
}

impl Vm<'_> {
    /// Runs the current frame until it ends or opens another.
    pub(crate) fn interpret<const TRACED: bool>(&mut self) -> Exit {
        // SAFETY: the frame's owner keeps the translation alive and in place (invariant 3).
        let program: &Program = unsafe { &*self.frame.program };
        let code = program.start();
        // SAFETY: `pc` is where this frame stopped, inside the translation (invariant 1); `reserve_stack` made room for
        // STACK_LIMIT words from `stack_base` on (invariant 2).
        let (mut ip, base) = unsafe { (code.add(self.frame.pc), self.stack.as_mut_ptr().add(self.frame.stack_base)) };
        let mut sp = unsafe { base.add(self.frame.stack_len) };
        let mut gas = self.frame.gas;

        macro_rules! leave {
            ($exit:expr) => {{
                let exit = $exit;
                self.frame.gas = gas;
                self.frame.pc = ip as usize - code as usize;
                self.frame.stack_len = (sp as usize - base as usize) / size_of::<U256>();
                return exit;
            }};
        }
        macro_rules! fail {
            ($halt:ident) => {
                leave!(Exit::Failed(Halt::$halt))
            };
        }
        macro_rules! charge {
            ($amount:expr) => {{
                let amount: u64 = $amount;
                match gas.checked_sub(amount) {
                    Some(left) => gas = left,
                    None => fail!(OutOfGas),
                }
            }};
        }
        // The stack checks of an opcode or fusion that needs and grows by constants.
        macro_rules! check_stack {
            ($need:expr, $growth:expr) => {{
                let (need, growth): (usize, usize) = const { ($need, $growth) };
                if need > 0 && (sp as usize) - (base as usize) < need * size_of::<U256>() {
                    fail!(StackUnderflow);
                }
                if growth > 0 && (sp as usize) - (base as usize) > (STACK_LIMIT - growth) * size_of::<U256>() {
                    fail!(StackOverflow);
                }
            }};
        }
        macro_rules! enter {
            ($number:path) => {{
                check_stack!(op::need_and_growth($number).0, op::need_and_growth($number).1);
                charge!(const { static_gas($number) });
            }};
        }
        macro_rules! enter_fused {
            ($number:path) => {{
                check_stack!(fusion($number).need_and_growth().0, fusion($number).need_and_growth().1);
                charge!(const { fusion($number).gas() });
            }};
        }
        // SAFETY, for all uses of the next macros: `enter!` or `enter_fused!` ran before, see invariant 2; and the
        // immediates lie inside the translation, see invariant 1.
        macro_rules! top {
            ($depth:literal) => {
                *unsafe { &mut *sp.sub($depth) }
            };
        }
        macro_rules! push {
            ($word:expr) => {{
                let word: U256 = $word;
                unsafe {
                    sp.write(word);
                    sp = sp.add(1);
                }
            }};
        }
        macro_rules! skip {
            ($bytes:expr) => {
                ip = unsafe { ip.add($bytes) }
            };
        }
        macro_rules! drop_words {
            ($count:expr) => {
                sp = unsafe { sp.sub($count) }
            };
        }
        macro_rules! byte_at {
            ($offset:expr) => {
                unsafe { *ip.add($offset) }
            };
        }
        macro_rules! target_at {
            ($offset:literal) => {
                usize::from(u16::from_be_bytes([byte_at!($offset), byte_at!($offset + 1)]))
            };
        }
        macro_rules! unary {
            ($number:path, $f:expr) => {{
                enter!($number);
                top!(1) = $f(top!(1));
                skip!(1);
            }};
        }
        macro_rules! binary {
            ($number:path, $f:expr) => {{
                enter!($number);
                top!(2) = $f(top!(1), top!(2));
                drop_words!(1);
                skip!(1);
            }};
        }
        macro_rules! ternary {
            ($number:path, $f:expr) => {{
                enter!($number);
                top!(3) = $f(top!(1), top!(2), top!(3));
                drop_words!(2);
                skip!(1);
            }};
        }
        macro_rules! environment {
            ($number:path, $word:expr) => {{
                enter!($number);
                push!($word);
                skip!(1);
            }};
        }
        macro_rules! push_bytes {
            ($number:path) => {{
                enter!($number);
                const COUNT: usize = op::push_bytes($number);
                push!(unsafe { immediate::<COUNT>(ip) });
                skip!(1 + COUNT);
            }};
        }
        macro_rules! dup {
            ($number:path) => {{
                enter!($number);
                const DEPTH: usize = ($number - op::DUP1 + 1) as usize;
                push!(unsafe { *sp.sub(DEPTH) });
                skip!(1);
            }};
        }
        macro_rules! swap {
            ($number:path) => {{
                enter!($number);
                const DEPTH: usize = ($number - op::SWAP1 + 2) as usize;
                unsafe { core::ptr::swap_nonoverlapping(sp.sub(1), sp.sub(DEPTH), 1) };
                skip!(1);
            }};
        }
        // Goes to a destination and runs the JUMPDEST there.
        macro_rules! jump {
            ($target:expr) => {{
                let target: usize = $target;
                if !program.is_jumpdest(target) {
                    fail!(InvalidJump);
                }
                if TRACED {
                    ip = unsafe { code.add(target) };
                } else {
                    charge!(const { static_gas(op::JUMPDEST) });
                    ip = unsafe { code.add(target + 1) };
                }
            }};
        }
        macro_rules! jump_if {
            ($condition:expr, $target:expr, $len:expr) => {{
                if $condition {
                    jump!($target);
                } else {
                    skip!($len);
                }
            }};
        }
        // An opcode that is a method: pops and pushes by the table, the result in place of the deepest word popped.
        macro_rules! method {
            ($number:path, $method:ident $(, $argument:expr)*) => {{
                enter!($number);
                const EFFECT: (i32, i32) = op::stack_effect($number);
                let (left, exit) = unsafe { self.$method(sp, gas $(, $argument)*) };
                gas = left;
                if let Some(exit) = exit {
                    leave!(exit);
                }
                sp = unsafe { sp.offset((EFFECT.1 - EFFECT.0) as isize) };
                skip!(1);
            }};
        }
        // An opcode that may open a frame: on return the words are popped and the counter stands behind it.
        macro_rules! opening {
            ($number:path, $method:ident $(, $argument:expr)*) => {{
                enter!($number);
                const POPS: usize = op::stack_effect($number).0 as usize;
                skip!(1);
                let words = sp;
                drop_words!(POPS);
                // The frame is suspended inside the method: what it needs to go on is stored before.
                self.frame.pc = ip as usize - code as usize;
                self.frame.stack_len = (sp as usize - base as usize) / size_of::<U256>();
                let (left, exit) = unsafe { self.$method(words, gas $(, $argument)*) };
                match exit {
                    None => {
                        gas = left;
                        sp = unsafe { sp.add(1) };
                    }
                    Some(Exit::Opened) => return Exit::Opened,
                    Some(exit) => {
                        gas = left;
                        leave!(exit);
                    }
                }
            }};
        }

        loop {
            if TRACED {
                self.trace_step(ip as usize - code as usize, base, sp, gas);
            }
            match unsafe { *ip } {
                op::STOP => {
                    self.return_data.clear();
                    leave!(Exit::Done)
                }
                op::ADD => binary!(op::ADD, |a: U256, b| a.wrapping_add(b)),
                op::MUL => binary!(op::MUL, arith::mul),
                op::SUB => binary!(op::SUB, |a: U256, b| a.wrapping_sub(b)),
                op::DIV => binary!(op::DIV, arith::div),
                op::SDIV => binary!(op::SDIV, arith::sdiv),
                op::MOD => binary!(op::MOD, arith::rem),
                op::SMOD => binary!(op::SMOD, arith::smod),
                op::ADDMOD => ternary!(op::ADDMOD, arith::addmod),
                op::MULMOD => ternary!(op::MULMOD, arith::mulmod),
                op::EXP => method!(op::EXP, op_exp),
                op::SIGNEXTEND => binary!(op::SIGNEXTEND, arith::signextend),
                op::LT => binary!(op::LT, |a: U256, b| U256::from(a < b)),
                op::GT => binary!(op::GT, |a: U256, b| U256::from(a > b)),
                op::SLT => binary!(op::SLT, |a, b| U256::from(arith::slt(a, b))),
                op::SGT => binary!(op::SGT, |a, b| U256::from(arith::sgt(a, b))),
                op::EQ => binary!(op::EQ, |a: U256, b| U256::from(a == b)),
                op::ISZERO => unary!(op::ISZERO, |a: U256| U256::from(a.is_zero())),
                op::AND => binary!(op::AND, |a: U256, b| a & b),
                op::OR => binary!(op::OR, |a: U256, b| a | b),
                op::XOR => binary!(op::XOR, |a: U256, b| a ^ b),
                op::NOT => unary!(op::NOT, |a: U256| !a),
                op::BYTE => binary!(op::BYTE, arith::byte),
                op::SHL => binary!(op::SHL, arith::shl),
                op::SHR => binary!(op::SHR, arith::shr),
                op::SAR => binary!(op::SAR, arith::sar),
                op::CLZ => unary!(op::CLZ, arith::clz),
                op::KECCAK256 => method!(op::KECCAK256, op_keccak256),

                op::ADDRESS => environment!(op::ADDRESS, self.frame.address.into_word().into()),
                op::BALANCE => method!(op::BALANCE, op_balance),
                op::ORIGIN => environment!(op::ORIGIN, self.tx.origin.into_word().into()),
                op::CALLER => environment!(op::CALLER, self.frame.caller.into_word().into()),
                op::CALLVALUE => environment!(op::CALLVALUE, self.frame.value),
                op::CALLDATALOAD => unary!(op::CALLDATALOAD, |offset| self.call_data_word(offset)),
                op::CALLDATASIZE => environment!(op::CALLDATASIZE, U256::from(self.input().len())),
                op::CALLDATACOPY => method!(op::CALLDATACOPY, op_calldatacopy),
                op::CODESIZE => environment!(op::CODESIZE, U256::from(program.bytes.len())),
                op::CODECOPY => method!(op::CODECOPY, op_codecopy),
                op::GASPRICE => environment!(op::GASPRICE, self.tx.gas_price),
                op::EXTCODESIZE => method!(op::EXTCODESIZE, op_extcodesize),
                op::EXTCODECOPY => method!(op::EXTCODECOPY, op_extcodecopy),
                op::RETURNDATASIZE => environment!(op::RETURNDATASIZE, U256::from(self.return_data.len())),
                op::RETURNDATACOPY => method!(op::RETURNDATACOPY, op_returndatacopy),
                op::EXTCODEHASH => method!(op::EXTCODEHASH, op_extcodehash),
                op::BLOCKHASH => method!(op::BLOCKHASH, op_blockhash),
                op::COINBASE => environment!(op::COINBASE, self.block.beneficiary.into_word().into()),
                op::TIMESTAMP => environment!(op::TIMESTAMP, U256::from(self.block.timestamp_seconds)),
                op::NUMBER => environment!(op::NUMBER, U256::from(self.block.number)),
                op::PREVRANDAO => environment!(op::PREVRANDAO, self.randomness_word()),
                op::GASLIMIT => environment!(op::GASLIMIT, U256::from(self.block.gas_limit)),
                op::CHAINID => environment!(op::CHAINID, U256::from(self.block.chain_id)),
                op::SELFBALANCE => {
                    environment!(op::SELFBALANCE, self.journal.account(self.frame.account).info.balance)
                }
                op::BASEFEE => environment!(op::BASEFEE, self.block.base_fee),
                op::BLOBHASH => unary!(op::BLOBHASH, |index| self.blob_hash(index)),
                op::BLOBBASEFEE => environment!(op::BLOBBASEFEE, self.block.blob_base_fee),
                op::SLOTNUM => environment!(op::SLOTNUM, U256::from(self.block.slot_number)),

                op::POP => {
                    enter!(op::POP);
                    drop_words!(1);
                    skip!(1);
                }
                op::MLOAD => {
                    enter!(op::MLOAD);
                    match self.word_in_memory(top!(1)) {
                        Some(word) => top!(1) = word,
                        None => {
                            let (left, exit) = unsafe { self.op_mload(sp, gas) };
                            gas = left;
                            if let Some(exit) = exit {
                                leave!(exit);
                            }
                        }
                    }
                    skip!(1);
                }
                op::MSTORE => {
                    enter!(op::MSTORE);
                    if !self.set_word_in_memory(top!(1), top!(2)) {
                        let (left, exit) = unsafe { self.op_mstore(sp, gas) };
                        gas = left;
                        if let Some(exit) = exit {
                            leave!(exit);
                        }
                    }
                    drop_words!(2);
                    skip!(1);
                }
                op::MSTORE8 => method!(op::MSTORE8, op_mstore8),
                op::SLOAD => method!(op::SLOAD, op_sload),
                op::SSTORE => method!(op::SSTORE, op_sstore),
                op::JUMP => {
                    enter!(op::JUMP);
                    let target = jump_target(top!(1));
                    drop_words!(1);
                    jump!(target);
                }
                op::JUMPI => {
                    enter!(op::JUMPI);
                    let (target, condition) = (top!(1), !top!(2).is_zero());
                    drop_words!(2);
                    jump_if!(condition, jump_target(target), 1);
                }
                op::PC => environment!(op::PC, U256::from(ip as usize - code as usize)),
                op::MSIZE => environment!(op::MSIZE, U256::from(self.memory.len())),
                op::GAS => environment!(op::GAS, U256::from(gas)),
                op::JUMPDEST => {
                    charge!(const { static_gas(op::JUMPDEST) });
                    skip!(1);
                }
                op::TLOAD => method!(op::TLOAD, op_tload),
                op::TSTORE => method!(op::TSTORE, op_tstore),
                op::MCOPY => method!(op::MCOPY, op_mcopy),
                op::PUSH0 => environment!(op::PUSH0, U256::ZERO),
                op::PUSH1 => push_bytes!(op::PUSH1),
                op::PUSH2 => push_bytes!(op::PUSH2),
                op::PUSH3 => push_bytes!(op::PUSH3),
                op::PUSH4 => push_bytes!(op::PUSH4),
                op::PUSH5 => push_bytes!(op::PUSH5),
                op::PUSH6 => push_bytes!(op::PUSH6),
                op::PUSH7 => push_bytes!(op::PUSH7),
                op::PUSH8 => push_bytes!(op::PUSH8),
                op::PUSH9 => push_bytes!(op::PUSH9),
                op::PUSH10 => push_bytes!(op::PUSH10),
                op::PUSH11 => push_bytes!(op::PUSH11),
                op::PUSH12 => push_bytes!(op::PUSH12),
                op::PUSH13 => push_bytes!(op::PUSH13),
                op::PUSH14 => push_bytes!(op::PUSH14),
                op::PUSH15 => push_bytes!(op::PUSH15),
                op::PUSH16 => push_bytes!(op::PUSH16),
                op::PUSH17 => push_bytes!(op::PUSH17),
                op::PUSH18 => push_bytes!(op::PUSH18),
                op::PUSH19 => push_bytes!(op::PUSH19),
                op::PUSH20 => push_bytes!(op::PUSH20),
                op::PUSH21 => push_bytes!(op::PUSH21),
                op::PUSH22 => push_bytes!(op::PUSH22),
                op::PUSH23 => push_bytes!(op::PUSH23),
                op::PUSH24 => push_bytes!(op::PUSH24),
                op::PUSH25 => push_bytes!(op::PUSH25),
                op::PUSH26 => push_bytes!(op::PUSH26),
                op::PUSH27 => push_bytes!(op::PUSH27),
                op::PUSH28 => push_bytes!(op::PUSH28),
                op::PUSH29 => push_bytes!(op::PUSH29),
                op::PUSH30 => push_bytes!(op::PUSH30),
                op::PUSH31 => push_bytes!(op::PUSH31),
                op::PUSH32 => push_bytes!(op::PUSH32),
                op::DUP1 => dup!(op::DUP1),
                op::DUP2 => dup!(op::DUP2),
                op::DUP3 => dup!(op::DUP3),
                op::DUP4 => dup!(op::DUP4),
                op::DUP5 => dup!(op::DUP5),
                op::DUP6 => dup!(op::DUP6),
                op::DUP7 => dup!(op::DUP7),
                op::DUP8 => dup!(op::DUP8),
                op::DUP9 => dup!(op::DUP9),
                op::DUP10 => dup!(op::DUP10),
                op::DUP11 => dup!(op::DUP11),
                op::DUP12 => dup!(op::DUP12),
                op::DUP13 => dup!(op::DUP13),
                op::DUP14 => dup!(op::DUP14),
                op::DUP15 => dup!(op::DUP15),
                op::DUP16 => dup!(op::DUP16),
                op::SWAP1 => swap!(op::SWAP1),
                op::SWAP2 => swap!(op::SWAP2),
                op::SWAP3 => swap!(op::SWAP3),
                op::SWAP4 => swap!(op::SWAP4),
                op::SWAP5 => swap!(op::SWAP5),
                op::SWAP6 => swap!(op::SWAP6),
                op::SWAP7 => swap!(op::SWAP7),
                op::SWAP8 => swap!(op::SWAP8),
                op::SWAP9 => swap!(op::SWAP9),
                op::SWAP10 => swap!(op::SWAP10),
                op::SWAP11 => swap!(op::SWAP11),
                op::SWAP12 => swap!(op::SWAP12),
                op::SWAP13 => swap!(op::SWAP13),
                op::SWAP14 => swap!(op::SWAP14),
                op::SWAP15 => swap!(op::SWAP15),
                op::SWAP16 => swap!(op::SWAP16),
                op::LOG0 => method!(op::LOG0, op_log, 0),
                op::LOG1 => method!(op::LOG1, op_log, 1),
                op::LOG2 => method!(op::LOG2, op_log, 2),
                op::LOG3 => method!(op::LOG3, op_log, 3),
                op::LOG4 => method!(op::LOG4, op_log, 4),

                op::DUPN => {
                    charge!(const { static_gas(op::DUPN) });
                    let Some(depth) = single_depth(byte_at!(1)) else { fail!(InvalidImmediate) };
                    let len = (sp as usize - base as usize) / size_of::<U256>();
                    if len < depth {
                        fail!(StackUnderflow);
                    }
                    check_stack!(0, 1);
                    push!(unsafe { *sp.sub(depth) });
                    skip!(2);
                }
                op::SWAPN => {
                    charge!(const { static_gas(op::SWAPN) });
                    let Some(depth) = single_depth(byte_at!(1)) else { fail!(InvalidImmediate) };
                    let len = (sp as usize - base as usize) / size_of::<U256>();
                    if len < depth + 1 {
                        fail!(StackUnderflow);
                    }
                    unsafe { core::ptr::swap_nonoverlapping(sp.sub(1), sp.sub(depth + 1), 1) };
                    skip!(2);
                }
                op::EXCHANGE => {
                    charge!(const { static_gas(op::EXCHANGE) });
                    let Some((near, far)) = pair_depths(byte_at!(1)) else { fail!(InvalidImmediate) };
                    let len = (sp as usize - base as usize) / size_of::<U256>();
                    if len < far + 1 {
                        fail!(StackUnderflow);
                    }
                    unsafe { core::ptr::swap_nonoverlapping(sp.sub(near + 1), sp.sub(far + 1), 1) };
                    skip!(2);
                }

                op::CREATE => opening!(op::CREATE, op_create, false),
                op::CREATE2 => opening!(op::CREATE2, op_create, true),
                op::CALL => opening!(op::CALL, op_call, op::CALL),
                op::CALLCODE => opening!(op::CALLCODE, op_call, op::CALLCODE),
                op::DELEGATECALL => opening!(op::DELEGATECALL, op_call, op::DELEGATECALL),
                op::STATICCALL => opening!(op::STATICCALL, op_call, op::STATICCALL),
                op::RETURN => method!(op::RETURN, op_return),
                op::REVERT => method!(op::REVERT, op_revert),
                op::SELFDESTRUCT => method!(op::SELFDESTRUCT, op_selfdestruct),

                fused::PUSH1_PUSH1 => {
                    enter_fused!(fused::PUSH1_PUSH1);
                    push!(U256::from(byte_at!(1)));
                    push!(U256::from(byte_at!(3)));
                    skip!(4);
                }
                fused::PUSH1_DUP1 => {
                    enter_fused!(fused::PUSH1_DUP1);
                    push!(U256::from(byte_at!(1)));
                    push!(U256::from(byte_at!(1)));
                    skip!(3);
                }
                fused::PUSH1_ADD => {
                    enter_fused!(fused::PUSH1_ADD);
                    top!(1) = top!(1).wrapping_add(U256::from(byte_at!(1)));
                    skip!(3);
                }
                fused::PUSH1_SHL => {
                    enter_fused!(fused::PUSH1_SHL);
                    top!(1) = arith::shl(U256::from(byte_at!(1)), top!(1));
                    skip!(3);
                }
                fused::PUSH1_SHR => {
                    enter_fused!(fused::PUSH1_SHR);
                    top!(1) = arith::shr(U256::from(byte_at!(1)), top!(1));
                    skip!(3);
                }
                fused::PUSH1_AND => {
                    enter_fused!(fused::PUSH1_AND);
                    top!(1) = U256::from(top!(1).as_limbs()[0] & u64::from(byte_at!(1)));
                    skip!(3);
                }
                fused::PUSH1_MLOAD => {
                    enter_fused!(fused::PUSH1_MLOAD);
                    push!(U256::from(byte_at!(1)));
                    let (left, exit) = unsafe { self.op_mload(sp, gas) };
                    gas = left;
                    if let Some(exit) = exit {
                        leave!(exit);
                    }
                    skip!(3);
                }
                fused::PUSH1_MSTORE => {
                    enter_fused!(fused::PUSH1_MSTORE);
                    push!(U256::from(byte_at!(1)));
                    let (left, exit) = unsafe { self.op_mstore(sp, gas) };
                    gas = left;
                    if let Some(exit) = exit {
                        leave!(exit);
                    }
                    drop_words!(2);
                    skip!(3);
                }
                fused::PUSH2_JUMP => {
                    enter_fused!(fused::PUSH2_JUMP);
                    jump!(target_at!(1));
                }
                fused::PUSH2_JUMPI => {
                    enter_fused!(fused::PUSH2_JUMPI);
                    let condition = !top!(1).is_zero();
                    drop_words!(1);
                    jump_if!(condition, target_at!(1), 4);
                }
                fused::ISZERO_PUSH2_JUMPI => {
                    enter_fused!(fused::ISZERO_PUSH2_JUMPI);
                    let condition = top!(1).is_zero();
                    drop_words!(1);
                    jump_if!(condition, target_at!(2), 5);
                }
                fused::ISZERO_ISZERO => {
                    enter_fused!(fused::ISZERO_ISZERO);
                    top!(1) = U256::from(!top!(1).is_zero());
                    skip!(2);
                }
                fused::SELECTOR_EQ => {
                    enter_fused!(fused::SELECTOR_EQ);
                    let selector = unsafe { immediate::<4>(ip.add(1)) };
                    jump_if!(selector == top!(1), target_at!(8), 11);
                }
                fused::SELECTOR_GT => {
                    enter_fused!(fused::SELECTOR_GT);
                    let selector = unsafe { immediate::<4>(ip.add(1)) };
                    jump_if!(selector > top!(1), target_at!(8), 11);
                }
                fused::LT_PUSH2_JUMPI => {
                    enter_fused!(fused::LT_PUSH2_JUMPI);
                    let condition = top!(1) < top!(2);
                    drop_words!(2);
                    jump_if!(condition, target_at!(2), 5);
                }
                fused::GT_PUSH2_JUMPI => {
                    enter_fused!(fused::GT_PUSH2_JUMPI);
                    let condition = top!(1) > top!(2);
                    drop_words!(2);
                    jump_if!(condition, target_at!(2), 5);
                }
                fused::EQ_PUSH2_JUMPI => {
                    enter_fused!(fused::EQ_PUSH2_JUMPI);
                    let condition = top!(1) == top!(2);
                    drop_words!(2);
                    jump_if!(condition, target_at!(2), 5);
                }
                fused::LT_ISZERO_PUSH2_JUMPI => {
                    enter_fused!(fused::LT_ISZERO_PUSH2_JUMPI);
                    let condition = top!(1) >= top!(2);
                    drop_words!(2);
                    jump_if!(condition, target_at!(3), 6);
                }
                fused::GT_ISZERO_PUSH2_JUMPI => {
                    enter_fused!(fused::GT_ISZERO_PUSH2_JUMPI);
                    let condition = top!(1) <= top!(2);
                    drop_words!(2);
                    jump_if!(condition, target_at!(3), 6);
                }
                fused::SWAP1_POP => {
                    enter_fused!(fused::SWAP1_POP);
                    top!(2) = top!(1);
                    drop_words!(1);
                    skip!(2);
                }
                fused::SWAP2_POP => {
                    enter_fused!(fused::SWAP2_POP);
                    top!(3) = top!(1);
                    drop_words!(1);
                    skip!(2);
                }
                fused::SWAP3_POP => {
                    enter_fused!(fused::SWAP3_POP);
                    top!(4) = top!(1);
                    drop_words!(1);
                    skip!(2);
                }
                fused::SWAP1_JUMP => {
                    enter_fused!(fused::SWAP1_JUMP);
                    let target = jump_target(top!(2));
                    top!(2) = top!(1);
                    drop_words!(1);
                    jump!(target);
                }
                fused::POP_POP => {
                    enter_fused!(fused::POP_POP);
                    drop_words!(2);
                    skip!(2);
                }
                fused::POP_JUMP => {
                    enter_fused!(fused::POP_JUMP);
                    let target = jump_target(top!(2));
                    drop_words!(2);
                    jump!(target);
                }
                fused::ADDRESS_MASK => {
                    enter_fused!(fused::ADDRESS_MASK);
                    push!(ADDRESS_MASK);
                    skip!(8);
                }
                fused::ADDRESS_MASK_AND => {
                    enter_fused!(fused::ADDRESS_MASK_AND);
                    top!(1) &= ADDRESS_MASK;
                    skip!(9);
                }
                fused::PUSH20_AND => {
                    enter_fused!(fused::PUSH20_AND);
                    top!(1) &= unsafe { immediate::<20>(ip) };
                    skip!(22);
                }
                fused::DUP2_ADD => {
                    enter_fused!(fused::DUP2_ADD);
                    top!(1) = top!(1).wrapping_add(top!(2));
                    skip!(2);
                }
                fused::DUP1_MLOAD => {
                    enter_fused!(fused::DUP1_MLOAD);
                    push!(top!(1));
                    let (left, exit) = unsafe { self.op_mload(sp, gas) };
                    gas = left;
                    if let Some(exit) = exit {
                        leave!(exit);
                    }
                    skip!(2);
                }
                fused::DUP2_MLOAD => {
                    enter_fused!(fused::DUP2_MLOAD);
                    push!(top!(2));
                    let (left, exit) = unsafe { self.op_mload(sp, gas) };
                    gas = left;
                    if let Some(exit) = exit {
                        leave!(exit);
                    }
                    skip!(2);
                }
                fused::DUP2_MSTORE => {
                    enter_fused!(fused::DUP2_MSTORE);
                    push!(top!(2));
                    let (left, exit) = unsafe { self.op_mstore(sp, gas) };
                    gas = left;
                    if let Some(exit) = exit {
                        leave!(exit);
                    }
                    drop_words!(2);
                    skip!(2);
                }
                _ => fail!(InvalidOpcode),
            }
        }
    }

    #[cold]
    fn trace_step(&mut self, pc: usize, base: *const U256, sp: *const U256, gas: u64) {
        let depth = self.frames.len() + 1;
        let refund = self.journal.refund();
        let Frame { program, address, .. } = self.frame;
        // SAFETY: `base..sp` are the frame's initialised words (invariant 2); the owner holds the program (invariant 3).
        let (stack, program) = unsafe { (core::slice::from_raw_parts(base, sp.offset_from_unsigned(base)), &*program) };
        let opcode = program.bytes.get(pc).copied().unwrap_or(op::STOP);
        let memory = self.memory.bytes();
        let return_data = &self.return_data;
        if let Some(tracer) = &mut self.tracer {
            tracer.step(Step { pc, opcode, gas, depth, stack, memory, return_data, refund, address });
        }
    }
}

/// 2^160 - 1.
const ADDRESS_MASK: U256 = U256::from_limbs([u64::MAX, u64::MAX, u32::MAX as u64, 0]);

/// The `COUNT` bytes behind the opcode at `ip` as a word.
///
/// # Safety
/// `ip` points at an opcode with `COUNT` immediate bytes inside a translation.
#[inline(always)]
unsafe fn immediate<const COUNT: usize>(ip: *const u8) -> U256 {
    // The 32 bytes that end with the immediate: the front padding makes them exist for the first opcode too.
    const { assert!(FRONT_PADDING >= 32 && COUNT <= 32) };
    let mut limbs = [0u64; 4];
    // SAFETY: by the caller's promise and the padding, all 32 bytes lie in the translation.
    let end = unsafe { ip.add(1 + COUNT) };
    let mut limb = 0;
    while limb < COUNT.div_ceil(8) {
        let bytes = unsafe { end.sub(8 * (limb + 1)).cast::<[u8; 8]>().read() };
        let used = COUNT - 8 * limb;
        let mask = if used >= 8 { u64::MAX } else { (1 << (8 * used)) - 1 };
        limbs[limb] = u64::from_be_bytes(bytes) & mask;
        limb += 1;
    }
    U256::from_limbs(limbs)
}

/// A jump's target; a word beyond any code's length stays beyond it.
#[inline(always)]
fn jump_target(word: U256) -> usize {
    let limbs = word.as_limbs();
    if limbs[1] | limbs[2] | limbs[3] != 0 { usize::MAX } else { usize::try_from(limbs[0]).unwrap_or(usize::MAX) }
}

/// The depth in the immediate of DUPN and SWAPN (EIP-8024); `None` for those that would hide a JUMPDEST or PUSH.
fn single_depth(immediate: u8) -> Option<usize> {
    match immediate {
        91..=127 => None,
        _ => Some((usize::from(immediate) + 145) % 256),
    }
}

/// The two depths in the immediate of EXCHANGE (EIP-8024), the smaller first.
fn pair_depths(immediate: u8) -> Option<(usize, usize)> {
    if let 82..=127 = immediate {
        return None;
    }
    let k = usize::from(immediate ^ 143);
    let (q, r) = (k / 16, k % 16);
    Some(if q < r { (q + 1, r + 1) } else { (r + 1, 29 - q) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn immediates_are_the_last_bytes() {
        let mut buffer = [0xffu8; 80];
        for (i, byte) in buffer[33..65].iter_mut().enumerate() {
            *byte = i as u8 + 1;
        }
        let ip = &raw const buffer[32];
        // SAFETY: 32 bytes lie before and 32 after the opcode.
        unsafe {
            assert_eq!(immediate::<1>(ip), U256::from(1));
            assert_eq!(immediate::<2>(ip), U256::from(0x0102));
            assert_eq!(immediate::<9>(ip), U256::from_be_slice(&buffer[33..42]));
            assert_eq!(immediate::<20>(ip), U256::from_be_slice(&buffer[33..53]));
            assert_eq!(immediate::<32>(ip), U256::from_be_slice(&buffer[33..65]));
        }
    }

    #[test]
    fn depths_of_eip_8024() {
        let single =
            [(0x80, Some(17)), (0x00, Some(145)), (0x5a, Some(235)), (0x5b, None), (0x7f, None), (0xff, Some(144))];
        for (immediate, expected) in single {
            assert_eq!(single_depth(immediate), expected, "{immediate:#04x}");
        }
        for immediate in 0..=255u8 {
            if let Some((near, far)) = pair_depths(immediate) {
                assert!(near >= 1 && near < far && far <= 29, "{immediate:#04x}: {near} {far}");
            }
        }
    }
}
