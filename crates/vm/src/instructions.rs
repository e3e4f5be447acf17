//! The handlers: what each opcode does. See `interpreter` for how they follow one another and why the pointers are sound.
//!
//! Gas and stack checks come from the opcode table, at compile time. Opcodes that are pure are written here; those that
//! grow memory, touch state or open frames are methods in files of their own, called with the stack pointer and the gas
//! by value and returning the gas, so that these two stay in registers.
//!
//! # Safety
//! Every handler is called with the three invariants of `interpreter` holding, and keeps them.

use crate::arith::by_limbs;
use crate::interpreter::{Exit, Handler, Next, Registers, immediate, jump_target, pair_depths, single_depth};
use crate::opcode::{self as op, need_and_growth, stack_effect, static_gas};
use crate::program::{Program, fused, fusion};
use crate::vm::STACK_LIMIT;
use crate::{Halt, Vm, arith};
use alloy_primitives::U256;

/// 2^160 - 1.
const ADDRESS_MASK: U256 = U256::from_limbs([u64::MAX, u64::MAX, u32::MAX as u64, 0]);
const WORD_BYTES: usize = size_of::<U256>();

/// The hot state inside a handler. Lives in registers: all its methods are inlined.
struct Machine<'a, 'r> {
    vm: &'a mut Vm<'r>,
    ip: *const u8,
    sp: *mut U256,
    gas: u64,
    base: *mut U256,
}

impl Machine<'_, '_> {
    #[inline(always)]
    fn charge(&mut self, amount: u64) -> bool {
        match self.gas.checked_sub(amount) {
            Some(left) => {
                self.gas = left;
                true
            }
            None => false,
        }
    }

    #[inline(always)]
    fn stack_bytes(&self) -> usize {
        self.sp as usize - self.base as usize
    }

    /// Checks the stack and charges the static gas.
    #[inline(always)]
    fn enter(&mut self, (need, growth): (usize, usize), gas: u64) -> Option<Halt> {
        if need > 0 && self.stack_bytes() < need * WORD_BYTES {
            return Some(Halt::StackUnderflow);
        }
        if growth > 0 && self.stack_bytes() > (STACK_LIMIT - growth) * WORD_BYTES {
            return Some(Halt::StackOverflow);
        }
        if self.charge(gas) { None } else { Some(Halt::OutOfGas) }
    }

    /// The word `depth` below the stack pointer, 1 for the top.
    ///
    /// Read limb by limb: a word that was just written limb by limb can be forwarded to such loads, but not to one that
    /// spans two of them, and the compiler would make those of a plain read.
    #[inline(always)]
    fn get(&self, depth: usize) -> U256 {
        // SAFETY: the opcode's need was checked (invariant 2).
        unsafe {
            let limbs = self.sp.sub(depth).cast::<u64>();
            let limb = |i| limbs.add(i).read_volatile();
            U256::from_limbs([limb(0), limb(1), limb(2), limb(3)])
        }
    }

    /// The place `depth` below the stack pointer, 1 for the top, to write to.
    #[inline(always)]
    fn word(&mut self, depth: usize) -> &mut U256 {
        // SAFETY: the opcode's need was checked (invariant 2).
        unsafe { &mut *self.sp.sub(depth) }
    }

    #[inline(always)]
    fn push(&mut self, word: U256) {
        // SAFETY: the opcode's growth was checked (invariant 2).
        unsafe {
            self.sp.write(word);
            self.sp = self.sp.add(1);
        }
    }

    #[inline(always)]
    fn pop(&mut self, count: usize) {
        // SAFETY: the opcode's need was checked (invariant 2).
        self.sp = unsafe { self.sp.sub(count) };
    }

    #[inline(always)]
    fn skip(&mut self, bytes: usize) {
        // SAFETY: the length of the opcode just run (invariant 1).
        self.ip = unsafe { self.ip.add(bytes) };
    }

    /// The byte `offset` behind the opcode's first.
    #[inline(always)]
    fn byte(&self, offset: usize) -> u8 {
        // SAFETY: an immediate of the opcode (invariant 1).
        unsafe { *self.ip.add(offset) }
    }

    /// The jump target in the PUSH2 whose immediate begins at `offset`.
    #[inline(always)]
    fn target(&self, offset: usize) -> usize {
        usize::from(u16::from_be_bytes([self.byte(offset), self.byte(offset + 1)]))
    }

    /// Goes to a destination; a handler that is not stepping runs the JUMPDEST there, too.
    #[inline(always)]
    fn jump<const STEP: bool>(&mut self, target: usize) -> Option<Halt> {
        // SAFETY: the frame's owner holds the program (invariant 3).
        let is_jumpdest = unsafe { Program::is_jumpdest_at(self.vm.frame.code, self.vm.frame.code_len, target) };
        if is_jumpdest { self.jump_to_jumpdest::<STEP>(target) } else { Some(Halt::InvalidJump) }
    }

    /// Goes to a target that is known to be a destination.
    #[inline(always)]
    fn jump_to_jumpdest<const STEP: bool>(&mut self, target: usize) -> Option<Halt> {
        // SAFETY: a destination lies inside the code (invariant 1), as does what follows it.
        self.ip = unsafe { self.vm.frame.code.add(target) };
        if !STEP {
            if !self.charge(const { static_gas(op::JUMPDEST) }) {
                return Some(Halt::OutOfGas);
            }
            self.skip(1);
        }
        None
    }

    /// Goes to a target that the translation has checked, or on behind the sequence.
    #[inline(always)]
    fn jump_if<const STEP: bool>(&mut self, condition: bool, target: usize, len: usize) -> Option<Halt> {
        if condition {
            return self.jump_to_jumpdest::<STEP>(target);
        }
        self.skip(len);
        None
    }

    /// Goes on to the next opcode.
    #[inline(always)]
    fn next<const STEP: bool>(self) -> Exit {
        if STEP {
            self.vm.registers = Registers { ip: self.ip, sp: self.sp, gas: self.gas };
            return Exit::Stepped;
        }
        #[cfg(rialto_threaded)]
        // SAFETY: the three invariants hold after every handler.
        return unsafe { THREADED_HANDLERS[usize::from(*self.ip)](self.vm, self.ip, self.sp, self.gas, self.base) };
        #[cfg(not(rialto_threaded))]
        unreachable!("only the stepping handlers are built");
    }

    /// Ends the run with `exit`.
    #[inline(always)]
    fn leave(self, exit: Exit) -> Exit {
        self.vm.frame.gas = self.gas;
        exit
    }
}

/// A word with a small value.
#[inline(always)]
const fn small(value: u64) -> U256 {
    U256::from_limbs([value, 0, 0, 0])
}

/// Defines a handler: its name, the table entry it takes its checks from, its body on the machine `$m`, then on to the
/// next opcode.
macro_rules! handler {
    ($name:ident, $checks:expr, |$m:ident| $body:block) => {
        unsafe fn $name<const STEP: bool>(
            vm: &mut Vm<'_>,
            ip: *const u8,
            sp: *mut U256,
            gas: u64,
            base: *mut U256,
        ) -> Exit {
            let mut $m = Machine { vm, ip, sp, gas, base };
            let (stack, gas): ((usize, usize), u64) = const { $checks };
            if let Some(halt) = $m.enter(stack, gas) {
                return Exit::Failed(halt);
            }
            $body
            $m.next::<STEP>()
        }
    };
}

const fn checks(number: u8) -> ((usize, usize), u64) {
    (need_and_growth(number), static_gas(number))
}

const fn fused_checks(number: u8) -> ((usize, usize), u64) {
    (fusion(number).need_and_growth(), fusion(number).gas())
}

macro_rules! fail_if_some {
    ($halt:expr) => {
        if let Some(halt) = $halt {
            return Exit::Failed(halt);
        }
    };
}

macro_rules! unary {
    ($($name:ident $number:path, $f:expr;)*) => {
        $(handler!($name, checks($number), |m| {
            let a = m.get(1);
            *m.word(1) = $f(a);
            m.skip(1);
        });)*
    };
}

macro_rules! binary {
    ($($name:ident $number:path, $f:expr;)*) => {
        $(handler!($name, checks($number), |m| {
            let (a, b) = (m.get(1), m.get(2));
            *m.word(2) = $f(a, b);
            m.pop(1);
            m.skip(1);
        });)*
    };
}

/// Opcodes whose work is a function of the stack pointer, kept out of the handler for its locals.
macro_rules! out_of_line {
    ($($name:ident $number:path, $function:ident;)*) => {
        $(handler!($name, checks($number), |m| {
            // SAFETY: the opcode's need was checked.
            unsafe { $function(m.sp) };
            m.pop(const { stack_effect($number).0 as usize - 1 });
            m.skip(1);
        });)*
    };
}

macro_rules! environment {
    ($($name:ident $number:path, |$m:ident| $word:expr;)*) => {
        $(handler!($name, checks($number), |$m| {
            let word: U256 = $word;
            $m.push(word);
            $m.skip(1);
        });)*
    };
}

/// Pushes, by number of bytes.
unsafe fn push<const STEP: bool, const COUNT: usize>(
    vm: &mut Vm<'_>,
    ip: *const u8,
    sp: *mut U256,
    gas: u64,
    base: *mut U256,
) -> Exit {
    let mut m = Machine { vm, ip, sp, gas, base };
    fail_if_some!(m.enter((0, 1), const { static_gas(op::PUSH0 + COUNT as u8) }));
    // SAFETY: the opcode's immediates lie in the translation (invariant 1).
    let word = unsafe { immediate::<COUNT>(m.ip) };
    m.push(word);
    m.skip(1 + COUNT);
    m.next::<STEP>()
}

/// Duplications, by depth.
unsafe fn dup<const STEP: bool, const DEPTH: usize>(
    vm: &mut Vm<'_>,
    ip: *const u8,
    sp: *mut U256,
    gas: u64,
    base: *mut U256,
) -> Exit {
    let mut m = Machine { vm, ip, sp, gas, base };
    fail_if_some!(m.enter((DEPTH, 1), const { static_gas(op::DUP1) }));
    let word = m.get(DEPTH);
    m.push(word);
    m.skip(1);
    m.next::<STEP>()
}

/// Swaps, by depth.
unsafe fn swap<const STEP: bool, const DEPTH: usize>(
    vm: &mut Vm<'_>,
    ip: *const u8,
    sp: *mut U256,
    gas: u64,
    base: *mut U256,
) -> Exit {
    let mut m = Machine { vm, ip, sp, gas, base };
    fail_if_some!(m.enter((DEPTH + 1, 0), const { static_gas(op::SWAP1) }));
    let (top, deep) = (m.get(1), m.get(DEPTH + 1));
    *m.word(1) = deep;
    *m.word(DEPTH + 1) = top;
    m.skip(1);
    m.next::<STEP>()
}

/// Logs, by number of topics.
unsafe fn log<const STEP: bool, const COUNT: usize>(
    vm: &mut Vm<'_>,
    ip: *const u8,
    sp: *mut U256,
    gas: u64,
    base: *mut U256,
) -> Exit {
    let mut m = Machine { vm, ip, sp, gas, base };
    fail_if_some!(m.enter((COUNT + 2, 0), const { static_gas(op::LOG0 + COUNT as u8) }));
    // SAFETY: the opcode's need was checked.
    let (left, exit) = unsafe { m.vm.op_log(m.sp, m.gas, COUNT) };
    m.gas = left;
    if let Some(exit) = exit {
        return m.leave(exit);
    }
    m.pop(COUNT + 2);
    m.skip(1);
    m.next::<STEP>()
}

/// Opcodes that are methods of the machine.
macro_rules! method {
    ($($name:ident $number:path, $method:ident;)*) => {
        $(handler!($name, checks($number), |m| {
            // SAFETY: the opcode's need was checked.
            let (left, exit): Next = unsafe { m.vm.$method(m.sp, m.gas) };
            m.gas = left;
            if let Some(exit) = exit {
                return m.leave(exit);
            }
            let (pops, pushes) = const { stack_effect($number) };
            // SAFETY: the opcode's stack effect, checked on entry.
            m.sp = unsafe { m.sp.offset((pushes - pops) as isize) };
            m.skip(1);
        });)*
    };
}

/// Opcodes that may open a frame. What the suspended frame needs to go on is stored before the method runs.
macro_rules! opening {
    ($($name:ident $number:path, $method:ident, $argument:expr;)*) => {
        $(handler!($name, checks($number), |m| {
            m.skip(1);
            let words = m.sp;
            m.pop(const { stack_effect($number).0 as usize });
            m.vm.frame.pc = m.ip as usize - m.vm.frame.code as usize;
            m.vm.frame.stack_len = m.stack_bytes() / WORD_BYTES;
            // SAFETY: the opcode's need was checked.
            let (left, exit): Next = unsafe { m.vm.$method(words, m.gas, $argument) };
            match exit {
                None => {
                    m.gas = left;
                    // SAFETY: the method wrote the result where a popped word was.
                    m.sp = unsafe { m.sp.add(1) };
                }
                Some(Exit::Opened) => return Exit::Opened,
                Some(exit) => {
                    m.gas = left;
                    return m.leave(exit);
                }
            }
        });)*
    };
}

/// Memory access: in place if memory reaches so far, otherwise by the method that grows it.
macro_rules! load_word {
    ($m:ident) => {
        let offset = $m.get(1);
        match $m.vm.word_in_memory(offset) {
            Some(word) => *$m.word(1) = word,
            None => {
                // SAFETY: one word is on the stack.
                let (left, exit) = unsafe { $m.vm.op_mload($m.sp, $m.gas) };
                $m.gas = left;
                if let Some(exit) = exit {
                    return $m.leave(exit);
                }
            }
        }
    };
}

macro_rules! store_word {
    ($m:ident) => {
        let (offset, word) = ($m.get(1), $m.get(2));
        if !$m.vm.set_word_in_memory(offset, word) {
            // SAFETY: two words are on the stack.
            let (left, exit) = unsafe { $m.vm.op_mstore($m.sp, $m.gas) };
            $m.gas = left;
            if let Some(exit) = exit {
                return $m.leave(exit);
            }
        }
        $m.pop(2);
    };
}

unsafe fn stop<const STEP: bool>(vm: &mut Vm<'_>, _: *const u8, _: *mut U256, gas: u64, _: *mut U256) -> Exit {
    vm.return_data.clear();
    vm.frame.gas = gas;
    Exit::Done
}

unsafe fn invalid<const STEP: bool>(_: &mut Vm<'_>, _: *const u8, _: *mut U256, _: u64, _: *mut U256) -> Exit {
    Exit::Failed(Halt::InvalidOpcode)
}

binary! {
    add op::ADD, |a: U256, b| a.wrapping_add(b);
    mul op::MUL, arith::mul;
    sub op::SUB, |a: U256, b| a.wrapping_sub(b);
    lt op::LT, |a: U256, b: U256| small(u64::from(a < b));
    gt op::GT, |a: U256, b: U256| small(u64::from(a > b));
    slt op::SLT, |a, b| small(u64::from(arith::slt(a, b)));
    sgt op::SGT, |a, b| small(u64::from(arith::sgt(a, b)));
    eq op::EQ, |a: U256, b: U256| small(u64::from(a == b));
    and op::AND, |a: U256, b: U256| a & b;
    or op::OR, |a: U256, b: U256| a | b;
    xor op::XOR, |a: U256, b: U256| a ^ b;
    shl op::SHL, arith::shl;
    shr op::SHR, arith::shr;
    sar op::SAR, arith::sar;
    byte op::BYTE, arith::byte;
    signextend op::SIGNEXTEND, arith::signextend;
}

unary! {
    iszero op::ISZERO, |a: U256| small(u64::from(a.is_zero()));
    not op::NOT, |a: U256| !a;
    clz op::CLZ, arith::clz;
}

macro_rules! out_of_line_functions {
    ($($name:ident $function:ident $target:literal $($operand:literal)+;)*) => {
        $(
            #[inline(never)]
            unsafe fn $name(sp: *mut U256) {
                // SAFETY: called for opcodes that pop so many words, of which the last is replaced.
                unsafe { *sp.sub($target) = by_limbs(&arith::$function($(&*sp.sub($operand)),+)) }
            }
        )*
    };
}

out_of_line_functions! {
    div_words div 2 1 2;
    sdiv_words sdiv 2 1 2;
    rem_words rem 2 1 2;
    smod_words smod 2 1 2;
    addmod_words addmod 3 1 2 3;
    mulmod_words mulmod 3 1 2 3;
}

out_of_line! {
    div op::DIV, div_words;
    sdiv op::SDIV, sdiv_words;
    rem op::MOD, rem_words;
    smod op::SMOD, smod_words;
    addmod op::ADDMOD, addmod_words;
    mulmod op::MULMOD, mulmod_words;
}

environment! {
    address op::ADDRESS, |m| m.vm.frame.address.into_word().into();
    origin op::ORIGIN, |m| m.vm.tx.origin.into_word().into();
    caller op::CALLER, |m| m.vm.frame.caller.into_word().into();
    callvalue op::CALLVALUE, |m| m.vm.frame.value;
    calldatasize op::CALLDATASIZE, |m| small(m.vm.frame.input_len as u64);
    codesize op::CODESIZE, |m| small(m.vm.code_len() as u64);
    gasprice op::GASPRICE, |m| m.vm.tx.gas_price;
    returndatasize op::RETURNDATASIZE, |m| small(m.vm.return_data.len() as u64);
    coinbase op::COINBASE, |m| m.vm.block.beneficiary.into_word().into();
    timestamp op::TIMESTAMP, |m| small(m.vm.block.timestamp_seconds);
    number op::NUMBER, |m| small(m.vm.block.number);
    prevrandao op::PREVRANDAO, |m| m.vm.randomness_word();
    gaslimit op::GASLIMIT, |m| small(m.vm.block.gas_limit);
    chainid op::CHAINID, |m| small(m.vm.block.chain_id);
    selfbalance op::SELFBALANCE, |m| m.vm.journal.balance(m.vm.frame.account);
    basefee op::BASEFEE, |m| m.vm.block.base_fee;
    blobbasefee op::BLOBBASEFEE, |m| m.vm.block.blob_base_fee;
    slotnum op::SLOTNUM, |m| small(m.vm.block.slot_number);
    pc op::PC, |m| small((m.ip as usize - m.vm.frame.code as usize) as u64);
    msize op::MSIZE, |m| small(m.vm.memory.len() as u64);
    gas op::GAS, |m| small(m.gas);
    push0 op::PUSH0, |m| small(0);
}

method! {
    exp op::EXP, op_exp;
    keccak256 op::KECCAK256, op_keccak256;
    balance op::BALANCE, op_balance;
    calldataload op::CALLDATALOAD, op_calldataload;
    calldatacopy op::CALLDATACOPY, op_calldatacopy;
    codecopy op::CODECOPY, op_codecopy;
    extcodesize op::EXTCODESIZE, op_extcodesize;
    extcodecopy op::EXTCODECOPY, op_extcodecopy;
    returndatacopy op::RETURNDATACOPY, op_returndatacopy;
    extcodehash op::EXTCODEHASH, op_extcodehash;
    blockhash op::BLOCKHASH, op_blockhash;
    mstore8 op::MSTORE8, op_mstore8;
    sload op::SLOAD, op_sload;
    sstore op::SSTORE, op_sstore;
    tload op::TLOAD, op_tload;
    tstore op::TSTORE, op_tstore;
    mcopy op::MCOPY, op_mcopy;
    return_ op::RETURN, op_return;
    revert op::REVERT, op_revert;
    selfdestruct op::SELFDESTRUCT, op_selfdestruct;
}

opening! {
    create op::CREATE, op_create, false;
    create2 op::CREATE2, op_create, true;
    call op::CALL, op_call, op::CALL;
    callcode op::CALLCODE, op_call, op::CALLCODE;
    delegatecall op::DELEGATECALL, op_call, op::DELEGATECALL;
    staticcall op::STATICCALL, op_call, op::STATICCALL;
}

handler!(blobhash, checks(op::BLOBHASH), |m| {
    let index = m.get(1);
    *m.word(1) = m.vm.blob_hash(index);
    m.skip(1);
});
handler!(pop, checks(op::POP), |m| {
    m.pop(1);
    m.skip(1);
});
handler!(mload, checks(op::MLOAD), |m| {
    load_word!(m);
    m.skip(1);
});
handler!(mstore, checks(op::MSTORE), |m| {
    store_word!(m);
    m.skip(1);
});
handler!(jump, checks(op::JUMP), |m| {
    let target = jump_target(m.get(1));
    m.pop(1);
    fail_if_some!(m.jump::<STEP>(target));
});
handler!(jumpi, checks(op::JUMPI), |m| {
    let (target, condition) = (jump_target(m.get(1)), !m.get(2).is_zero());
    m.pop(2);
    if condition {
        fail_if_some!(m.jump::<STEP>(target));
    } else {
        m.skip(1);
    }
});
handler!(jumpdest, checks(op::JUMPDEST), |m| {
    m.skip(1);
});

handler!(dupn, checks(op::DUPN), |m| {
    let Some(depth) = single_depth(m.byte(1)) else { return Exit::Failed(Halt::InvalidImmediate) };
    if m.stack_bytes() < depth * WORD_BYTES {
        return Exit::Failed(Halt::StackUnderflow);
    }
    let word = m.get(depth);
    m.push(word);
    m.skip(2);
});
handler!(swapn, checks(op::SWAPN), |m| {
    let Some(depth) = single_depth(m.byte(1)) else { return Exit::Failed(Halt::InvalidImmediate) };
    if m.stack_bytes() < (depth + 1) * WORD_BYTES {
        return Exit::Failed(Halt::StackUnderflow);
    }
    let (top, deep) = (m.get(1), m.get(depth + 1));
    *m.word(1) = deep;
    *m.word(depth + 1) = top;
    m.skip(2);
});
handler!(exchange, checks(op::EXCHANGE), |m| {
    let Some((near, far)) = pair_depths(m.byte(1)) else { return Exit::Failed(Halt::InvalidImmediate) };
    if m.stack_bytes() < (far + 1) * WORD_BYTES {
        return Exit::Failed(Halt::StackUnderflow);
    }
    let (a, b) = (m.get(near + 1), m.get(far + 1));
    *m.word(near + 1) = b;
    *m.word(far + 1) = a;
    m.skip(2);
});

handler!(push1_push1, fused_checks(fused::PUSH1_PUSH1), |m| {
    let (first, second) = (m.byte(1), m.byte(3));
    m.push(small(first.into()));
    m.push(small(second.into()));
    m.skip(4);
});
handler!(push1_dup1, fused_checks(fused::PUSH1_DUP1), |m| {
    let value = m.byte(1);
    m.push(small(value.into()));
    m.push(small(value.into()));
    m.skip(3);
});
handler!(push1_add, fused_checks(fused::PUSH1_ADD), |m| {
    let value = small(m.byte(1).into());
    let sum = m.get(1).wrapping_add(value);
    *m.word(1) = sum;
    m.skip(3);
});
handler!(push1_shl, fused_checks(fused::PUSH1_SHL), |m| {
    let shift = small(m.byte(1).into());
    let value = m.get(1);
    *m.word(1) = arith::shl(shift, value);
    m.skip(3);
});
handler!(push1_shr, fused_checks(fused::PUSH1_SHR), |m| {
    let shift = small(m.byte(1).into());
    let value = m.get(1);
    *m.word(1) = arith::shr(shift, value);
    m.skip(3);
});
handler!(push1_and, fused_checks(fused::PUSH1_AND), |m| {
    let mask = u64::from(m.byte(1));
    let low = m.get(1).as_limbs()[0];
    *m.word(1) = small(low & mask);
    m.skip(3);
});
handler!(push1_mload, fused_checks(fused::PUSH1_MLOAD), |m| {
    let offset = small(m.byte(1).into());
    m.push(offset);
    load_word!(m);
    m.skip(3);
});
handler!(push1_mstore, fused_checks(fused::PUSH1_MSTORE), |m| {
    let offset = small(m.byte(1).into());
    m.push(offset);
    store_word!(m);
    m.skip(3);
});
handler!(push2_jump, fused_checks(fused::PUSH2_JUMP), |m| {
    let target = m.target(1);
    fail_if_some!(m.jump_to_jumpdest::<STEP>(target));
});
handler!(push2_jumpi, fused_checks(fused::PUSH2_JUMPI), |m| {
    let (condition, target) = (!m.get(1).is_zero(), m.target(1));
    m.pop(1);
    fail_if_some!(m.jump_if::<STEP>(condition, target, 4));
});
handler!(iszero_push2_jumpi, fused_checks(fused::ISZERO_PUSH2_JUMPI), |m| {
    let (condition, target) = (m.get(1).is_zero(), m.target(2));
    m.pop(1);
    fail_if_some!(m.jump_if::<STEP>(condition, target, 5));
});
handler!(iszero_iszero, fused_checks(fused::ISZERO_ISZERO), |m| {
    let is_set = !m.get(1).is_zero();
    *m.word(1) = small(u64::from(is_set));
    m.skip(2);
});
handler!(selector_eq, fused_checks(fused::SELECTOR_EQ), |m| {
    // SAFETY: the PUSH4 of the sequence begins one byte behind (invariant 1).
    let selector = unsafe { immediate::<4>(m.ip.add(1)) };
    let (condition, target) = (selector == m.get(1), m.target(8));
    fail_if_some!(m.jump_if::<STEP>(condition, target, 11));
});
handler!(selector_gt, fused_checks(fused::SELECTOR_GT), |m| {
    // SAFETY: as in `selector_eq`.
    let selector = unsafe { immediate::<4>(m.ip.add(1)) };
    let (condition, target) = (selector > m.get(1), m.target(8));
    fail_if_some!(m.jump_if::<STEP>(condition, target, 11));
});
handler!(lt_push2_jumpi, fused_checks(fused::LT_PUSH2_JUMPI), |m| {
    let (a, b, target) = (m.get(1), m.get(2), m.target(2));
    let condition = a < b;
    m.pop(2);
    fail_if_some!(m.jump_if::<STEP>(condition, target, 5));
});
handler!(gt_push2_jumpi, fused_checks(fused::GT_PUSH2_JUMPI), |m| {
    let (a, b, target) = (m.get(1), m.get(2), m.target(2));
    let condition = a > b;
    m.pop(2);
    fail_if_some!(m.jump_if::<STEP>(condition, target, 5));
});
handler!(eq_push2_jumpi, fused_checks(fused::EQ_PUSH2_JUMPI), |m| {
    let (a, b, target) = (m.get(1), m.get(2), m.target(2));
    let condition = a == b;
    m.pop(2);
    fail_if_some!(m.jump_if::<STEP>(condition, target, 5));
});
handler!(lt_iszero_push2_jumpi, fused_checks(fused::LT_ISZERO_PUSH2_JUMPI), |m| {
    let (a, b, target) = (m.get(1), m.get(2), m.target(3));
    let condition = a >= b;
    m.pop(2);
    fail_if_some!(m.jump_if::<STEP>(condition, target, 6));
});
handler!(gt_iszero_push2_jumpi, fused_checks(fused::GT_ISZERO_PUSH2_JUMPI), |m| {
    let (a, b, target) = (m.get(1), m.get(2), m.target(3));
    let condition = a <= b;
    m.pop(2);
    fail_if_some!(m.jump_if::<STEP>(condition, target, 6));
});
handler!(swap1_pop, fused_checks(fused::SWAP1_POP), |m| {
    let top = m.get(1);
    *m.word(2) = top;
    m.pop(1);
    m.skip(2);
});
handler!(swap2_pop, fused_checks(fused::SWAP2_POP), |m| {
    let top = m.get(1);
    *m.word(3) = top;
    m.pop(1);
    m.skip(2);
});
handler!(swap3_pop, fused_checks(fused::SWAP3_POP), |m| {
    let top = m.get(1);
    *m.word(4) = top;
    m.pop(1);
    m.skip(2);
});
handler!(swap1_jump, fused_checks(fused::SWAP1_JUMP), |m| {
    let target = jump_target(m.get(2));
    let top = m.get(1);
    *m.word(2) = top;
    m.pop(1);
    fail_if_some!(m.jump::<STEP>(target));
});
handler!(pop_pop, fused_checks(fused::POP_POP), |m| {
    m.pop(2);
    m.skip(2);
});
handler!(pop_jump, fused_checks(fused::POP_JUMP), |m| {
    let target = jump_target(m.get(2));
    m.pop(2);
    fail_if_some!(m.jump::<STEP>(target));
});
handler!(address_mask, fused_checks(fused::ADDRESS_MASK), |m| {
    m.push(ADDRESS_MASK);
    m.skip(8);
});
handler!(address_mask_and, fused_checks(fused::ADDRESS_MASK_AND), |m| {
    *m.word(1) = m.get(1) & ADDRESS_MASK;
    m.skip(9);
});
handler!(push20_and, fused_checks(fused::PUSH20_AND), |m| {
    // SAFETY: the sequence begins with the PUSH20 (invariant 1).
    let mask = unsafe { immediate::<20>(m.ip) };
    *m.word(1) = m.get(1) & mask;
    m.skip(22);
});
handler!(dup2_add, fused_checks(fused::DUP2_ADD), |m| {
    let other = m.get(2);
    let sum = m.get(1).wrapping_add(other);
    *m.word(1) = sum;
    m.skip(2);
});
handler!(dup1_mload, fused_checks(fused::DUP1_MLOAD), |m| {
    let offset = m.get(1);
    m.push(offset);
    load_word!(m);
    m.skip(2);
});
handler!(dup2_mload, fused_checks(fused::DUP2_MLOAD), |m| {
    let offset = m.get(2);
    m.push(offset);
    load_word!(m);
    m.skip(2);
});
handler!(dup2_mstore, fused_checks(fused::DUP2_MSTORE), |m| {
    let offset = m.get(2);
    m.push(offset);
    store_word!(m);
    m.skip(2);
});

macro_rules! set {
    ($table:ident: $($number:path => $handler:expr,)*) => {
        $($table[$number as usize] = $handler;)*
    };
}

macro_rules! table {
    ($step:literal) => {{
        const S: bool = $step;
        let mut t: [Handler; 256] = [invalid::<S>; 256];
        set!(t:
            op::STOP => stop::<S>, op::ADD => add::<S>, op::MUL => mul::<S>, op::SUB => sub::<S>,
            op::DIV => div::<S>, op::SDIV => sdiv::<S>, op::MOD => rem::<S>, op::SMOD => smod::<S>,
            op::ADDMOD => addmod::<S>, op::MULMOD => mulmod::<S>, op::EXP => exp::<S>,
            op::SIGNEXTEND => signextend::<S>, op::LT => lt::<S>, op::GT => gt::<S>, op::SLT => slt::<S>,
            op::SGT => sgt::<S>, op::EQ => eq::<S>, op::ISZERO => iszero::<S>, op::AND => and::<S>,
            op::OR => or::<S>, op::XOR => xor::<S>, op::NOT => not::<S>, op::BYTE => byte::<S>,
            op::SHL => shl::<S>, op::SHR => shr::<S>, op::SAR => sar::<S>, op::CLZ => clz::<S>,
            op::KECCAK256 => keccak256::<S>, op::ADDRESS => address::<S>, op::BALANCE => balance::<S>,
            op::ORIGIN => origin::<S>, op::CALLER => caller::<S>, op::CALLVALUE => callvalue::<S>,
            op::CALLDATALOAD => calldataload::<S>, op::CALLDATASIZE => calldatasize::<S>,
            op::CALLDATACOPY => calldatacopy::<S>, op::CODESIZE => codesize::<S>, op::CODECOPY => codecopy::<S>,
            op::GASPRICE => gasprice::<S>, op::EXTCODESIZE => extcodesize::<S>, op::EXTCODECOPY => extcodecopy::<S>,
            op::RETURNDATASIZE => returndatasize::<S>, op::RETURNDATACOPY => returndatacopy::<S>,
            op::EXTCODEHASH => extcodehash::<S>, op::BLOCKHASH => blockhash::<S>, op::COINBASE => coinbase::<S>,
            op::TIMESTAMP => timestamp::<S>, op::NUMBER => number::<S>, op::PREVRANDAO => prevrandao::<S>,
            op::GASLIMIT => gaslimit::<S>, op::CHAINID => chainid::<S>, op::SELFBALANCE => selfbalance::<S>,
            op::BASEFEE => basefee::<S>, op::BLOBHASH => blobhash::<S>, op::BLOBBASEFEE => blobbasefee::<S>,
            op::SLOTNUM => slotnum::<S>, op::POP => pop::<S>, op::MLOAD => mload::<S>, op::MSTORE => mstore::<S>,
            op::MSTORE8 => mstore8::<S>, op::SLOAD => sload::<S>, op::SSTORE => sstore::<S>, op::JUMP => jump::<S>,
            op::JUMPI => jumpi::<S>, op::PC => pc::<S>, op::MSIZE => msize::<S>, op::GAS => gas::<S>,
            op::JUMPDEST => jumpdest::<S>, op::TLOAD => tload::<S>, op::TSTORE => tstore::<S>,
            op::MCOPY => mcopy::<S>, op::PUSH0 => push0::<S>,
            op::PUSH1 => push::<S, 1>, op::PUSH2 => push::<S, 2>, op::PUSH3 => push::<S, 3>,
            op::PUSH4 => push::<S, 4>, op::PUSH5 => push::<S, 5>, op::PUSH6 => push::<S, 6>,
            op::PUSH7 => push::<S, 7>, op::PUSH8 => push::<S, 8>, op::PUSH9 => push::<S, 9>,
            op::PUSH10 => push::<S, 10>, op::PUSH11 => push::<S, 11>, op::PUSH12 => push::<S, 12>,
            op::PUSH13 => push::<S, 13>, op::PUSH14 => push::<S, 14>, op::PUSH15 => push::<S, 15>,
            op::PUSH16 => push::<S, 16>, op::PUSH17 => push::<S, 17>, op::PUSH18 => push::<S, 18>,
            op::PUSH19 => push::<S, 19>, op::PUSH20 => push::<S, 20>, op::PUSH21 => push::<S, 21>,
            op::PUSH22 => push::<S, 22>, op::PUSH23 => push::<S, 23>, op::PUSH24 => push::<S, 24>,
            op::PUSH25 => push::<S, 25>, op::PUSH26 => push::<S, 26>, op::PUSH27 => push::<S, 27>,
            op::PUSH28 => push::<S, 28>, op::PUSH29 => push::<S, 29>, op::PUSH30 => push::<S, 30>,
            op::PUSH31 => push::<S, 31>, op::PUSH32 => push::<S, 32>,
            op::DUP1 => dup::<S, 1>, op::DUP2 => dup::<S, 2>, op::DUP3 => dup::<S, 3>, op::DUP4 => dup::<S, 4>,
            op::DUP5 => dup::<S, 5>, op::DUP6 => dup::<S, 6>, op::DUP7 => dup::<S, 7>, op::DUP8 => dup::<S, 8>,
            op::DUP9 => dup::<S, 9>, op::DUP10 => dup::<S, 10>, op::DUP11 => dup::<S, 11>,
            op::DUP12 => dup::<S, 12>, op::DUP13 => dup::<S, 13>, op::DUP14 => dup::<S, 14>,
            op::DUP15 => dup::<S, 15>, op::DUP16 => dup::<S, 16>,
            op::SWAP1 => swap::<S, 1>, op::SWAP2 => swap::<S, 2>, op::SWAP3 => swap::<S, 3>,
            op::SWAP4 => swap::<S, 4>, op::SWAP5 => swap::<S, 5>, op::SWAP6 => swap::<S, 6>,
            op::SWAP7 => swap::<S, 7>, op::SWAP8 => swap::<S, 8>, op::SWAP9 => swap::<S, 9>,
            op::SWAP10 => swap::<S, 10>, op::SWAP11 => swap::<S, 11>, op::SWAP12 => swap::<S, 12>,
            op::SWAP13 => swap::<S, 13>, op::SWAP14 => swap::<S, 14>, op::SWAP15 => swap::<S, 15>,
            op::SWAP16 => swap::<S, 16>,
            op::LOG0 => log::<S, 0>, op::LOG1 => log::<S, 1>, op::LOG2 => log::<S, 2>, op::LOG3 => log::<S, 3>,
            op::LOG4 => log::<S, 4>,
            op::DUPN => dupn::<S>, op::SWAPN => swapn::<S>, op::EXCHANGE => exchange::<S>,
            op::CREATE => create::<S>, op::CALL => call::<S>, op::CALLCODE => callcode::<S>,
            op::RETURN => return_::<S>, op::DELEGATECALL => delegatecall::<S>, op::CREATE2 => create2::<S>,
            op::STATICCALL => staticcall::<S>, op::REVERT => revert::<S>, op::SELFDESTRUCT => selfdestruct::<S>,
            fused::PUSH1_PUSH1 => push1_push1::<S>, fused::PUSH1_DUP1 => push1_dup1::<S>,
            fused::PUSH1_ADD => push1_add::<S>, fused::PUSH1_SHL => push1_shl::<S>,
            fused::PUSH1_SHR => push1_shr::<S>, fused::PUSH1_AND => push1_and::<S>,
            fused::PUSH1_MLOAD => push1_mload::<S>, fused::PUSH1_MSTORE => push1_mstore::<S>,
            fused::PUSH2_JUMP => push2_jump::<S>, fused::PUSH2_JUMPI => push2_jumpi::<S>,
            fused::ISZERO_PUSH2_JUMPI => iszero_push2_jumpi::<S>, fused::ISZERO_ISZERO => iszero_iszero::<S>,
            fused::SELECTOR_EQ => selector_eq::<S>, fused::SELECTOR_GT => selector_gt::<S>,
            fused::LT_PUSH2_JUMPI => lt_push2_jumpi::<S>, fused::GT_PUSH2_JUMPI => gt_push2_jumpi::<S>,
            fused::EQ_PUSH2_JUMPI => eq_push2_jumpi::<S>,
            fused::LT_ISZERO_PUSH2_JUMPI => lt_iszero_push2_jumpi::<S>,
            fused::GT_ISZERO_PUSH2_JUMPI => gt_iszero_push2_jumpi::<S>,
            fused::SWAP1_POP => swap1_pop::<S>, fused::SWAP2_POP => swap2_pop::<S>, fused::SWAP3_POP => swap3_pop::<S>,
            fused::SWAP1_JUMP => swap1_jump::<S>, fused::POP_POP => pop_pop::<S>, fused::POP_JUMP => pop_jump::<S>,
            fused::ADDRESS_MASK => address_mask::<S>, fused::ADDRESS_MASK_AND => address_mask_and::<S>,
            fused::PUSH20_AND => push20_and::<S>, fused::DUP2_ADD => dup2_add::<S>,
            fused::DUP1_MLOAD => dup1_mload::<S>, fused::DUP2_MLOAD => dup2_mload::<S>,
            fused::DUP2_MSTORE => dup2_mstore::<S>,
        );
        t
    }};
}

/// The handlers that return after one opcode, by the opcode's number.
pub(crate) static HANDLERS: [Handler; 256] = table!(true);

/// The handlers that go on to the next one, by the opcode's number.
#[cfg(rialto_threaded)]
pub(crate) static THREADED_HANDLERS: [Handler; 256] = table!(false);
