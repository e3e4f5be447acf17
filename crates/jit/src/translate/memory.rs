//! Memory in place: the frame's memory is at hand by a pointer and a length in the machine.
//!
//! An access is checked against what the frame's memory has, unless an access before it on the same path of the tree has
//! shown that it reaches so far: memory never shrinks while a frame runs. What lies beyond is grown out of line, and paid
//! for there; then the access is as if it had been there. An offset that memory has been accessed at is known to be small
//! from then on, and what is added to it needs no carries.

use super::Translator;
use super::exits::Exit;
use crate::words::{Limb, Word};
use alloy_primitives::U256;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, Value, types::I64};
use rialto_vm::native::{self, layout};

/// Constant offsets below this are part of the instruction.
const NEAR: u64 = 1 << 30;
/// Bits of an offset at which memory has been reached: it has less than 2^32 bytes.
const OFFSET_BITS: u32 = 32;
/// Bytes of two words.
const PAIR_BYTES: u64 = 64;
/// Gas for each word that is hashed.
const KECCAK_WORD_GAS: u64 = 6;

/// An offset that is constant and near.
fn near(offset: Word) -> Option<u64> {
    offset.known().and_then(|offset| u64::try_from(offset).ok()).filter(|&offset| offset < NEAR)
}

impl Translator<'_, '_> {
    /// 64 bits of the machine.
    pub(super) fn field(&mut self, offset: usize) -> Value {
        let vm = self.vm();
        self.builder.ins().load(I64, MemFlagsData::trusted(), vm, offset as i32)
    }

    /// The word as 64 bits, the largest number where it does not fit.
    pub(super) fn saturated(&mut self, word: Word) -> Value {
        let (low, high) = self.words().as_small(word);
        match high {
            Limb::Const(0) => self.words().value(low),
            Limb::Const(_) => self.builder.ins().iconst(I64, -1),
            high => {
                let low = self.words().value(low);
                let high = self.words().value(high);
                let largest = self.builder.ins().iconst(I64, -1);
                self.builder.ins().select(high, largest, low)
            }
        }
    }

    /// Makes `len` bytes at `offset` exist, `len` being 1 or 32, or more where the offset is constant and near: a pointer
    /// and an offset from it.
    fn reach(&mut self, offset: Word, len: u64) -> (Value, i32) {
        if let Some(near) = near(offset) {
            if near + len > self.state.memory {
                let value = self.builder.ins().iconst(I64, near as i64);
                self.grow_unless_there(value, None, len);
                self.state.memory = near + len;
            }
            return (self.field(layout::MEMORY_START), near as i32);
        }
        let (low, high) = self.words().as_small(offset);
        let value = self.words().value(low);
        let (base, step) = self.base_of(value);
        let is_there =
            high.is_zero() && self.state.reached.iter().any(|&(to, bytes)| to == base && step + len <= bytes);
        if !is_there {
            let high = (!high.is_zero()).then(|| self.words().value(high));
            self.grow_unless_there(value, high, len);
            self.state.note_reached(base, step + len);
            if low.bits() > OFFSET_BITS || high.is_some() {
                self.state.note_word(offset, Word::narrow(Limb::bounded(value, OFFSET_BITS)));
            }
        }
        let start = self.field(layout::MEMORY_START);
        (self.builder.ins().iadd(start, base), step as i32)
    }

    /// A limb as another one and a number that was added to it.
    fn base_of(&self, value: Value) -> (Value, u64) {
        match self.shared.sums.get(&value) {
            Some(&(base, step)) if step < NEAR => (base, step),
            _ => (value, 0),
        }
    }

    /// Grows memory unless it has `len` bytes at `offset`. What is 2^64 or more has bits in `high`.
    fn grow_unless_there(&mut self, offset: Value, high: Option<Value>, len: u64) {
        let (grow, on) = (self.builder.create_block(), self.builder.create_block());
        self.builder.set_cold_block(grow);
        let vm = self.vm();
        if let Some(high) = high {
            self.leave_if(high, grow, &[]);
        }
        let field = if len == 32 { layout::MEMORY_WORD_OFFSETS } else { layout::MEMORY_LEN };
        let offsets = self.field(field);
        // The last byte; a near offset does not overflow.
        let last = if len > 32 { self.builder.ins().iadd_imm_s(offset, len as i64 - 1) } else { offset };
        let is_there = self.builder.ins().icmp(IntCC::UnsignedLessThan, last, offsets);
        self.builder.ins().brif(is_there, on, &[], grow, &[]);
        self.builder.switch_to_block(grow);
        let offset = match high {
            Some(high) => {
                let largest = self.builder.ins().iconst(I64, -1);
                self.builder.ins().select(high, largest, offset)
            }
            None => offset,
        };
        let len = self.builder.ins().iconst(I64, len as i64);
        let gas = self.gas();
        self.call_quietly(self.quiet.grow_memory, &[vm, offset, len, gas]);
        let gas = self.field(layout::GAS);
        self.go_on_with(gas);
        self.jump(on, &[]);
        self.builder.switch_to_block(on);
    }

    pub(super) fn mload(&mut self) {
        let offset = self.pop();
        let (pointer, offset) = self.reach(offset, 32);
        let word = self.words().load_be(pointer, offset);
        self.push(word);
    }

    pub(super) fn mstore(&mut self) {
        let (offset, word) = (self.pop(), self.pop());
        let (pointer, offset) = self.reach(offset, 32);
        self.words().store_be(word, pointer, offset);
    }

    pub(super) fn mstore8(&mut self) {
        let (offset, word) = (self.pop(), self.pop());
        let (pointer, offset) = self.reach(offset, 1);
        let low = self.words().value(word.0[0]);
        self.builder.ins().istore8(MemFlagsData::trusted(), low, pointer, offset);
    }

    pub(super) fn keccak256(&mut self) {
        let (offset, len) = (self.pop(), self.pop());
        if len.known() == Some(U256::from(PAIR_BYTES)) && near(offset).is_some() {
            return self.keccak_pair(offset);
        }
        let (offset, len) = (self.saturated(offset), self.saturated(len));
        let place = self.state.top();
        self.claim(place);
        self.settle();
        let out = self.pointer_to(place);
        let gas = self.gas();
        let vm = self.vm();
        self.call_for_gas(native::keccak256 as *const () as usize, &[vm, out, offset, len, gas]);
        self.push_stored();
    }

    /// Two words at a constant offset, as a mapping's places are found: paid for and made to exist here.
    fn keccak_pair(&mut self, offset: Word) {
        let gas = self.gas();
        let cost = 2 * KECCAK_WORD_GAS as i64;
        let is_short = self.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, gas, cost);
        let out_of_gas = self.exit(Exit::OutOfGas);
        self.leave_if(is_short, out_of_gas, &[]);
        let gas = self.builder.ins().iadd_imm_s(gas, -cost);
        self.set_gas(gas);
        let (pointer, near) = self.reach(offset, PAIR_BYTES);
        let input = self.builder.ins().iadd_imm_s(pointer, i64::from(near));
        let place = self.state.top();
        self.claim(place);
        self.settle();
        let out = self.pointer_to(place);
        let vm = self.vm();
        self.call(native::keccak_pair as *const () as usize, &[vm, out, input]);
        self.push_stored();
    }

    /// The word is read in place, unless it reaches beyond the call data: then from where a helper has written it.
    pub(super) fn call_data_load(&mut self) {
        let offset = self.pop();
        let offset = self.saturated(offset);
        let vm = self.vm();
        let offsets = self.field(layout::INPUT_WORD_OFFSETS);
        let is_there = self.builder.ins().icmp(IntCC::UnsignedLessThan, offset, offsets);
        let (there, beyond, on) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        let pointer = self.builder.append_block_param(on, I64);
        self.builder.set_cold_block(beyond);
        self.builder.ins().brif(is_there, there, &[], beyond, &[]);
        self.builder.switch_to_block(beyond);
        self.call_quietly(self.quiet.call_data, &[vm, offset]);
        let word = self.builder.ins().iadd_imm_s(vm, layout::CALL_DATA_WORD as i64);
        self.jump(on, &[word]);
        self.builder.switch_to_block(there);
        let input = self.field(layout::INPUT);
        let place = self.builder.ins().iadd(input, offset);
        self.jump(on, &[place]);
        self.builder.switch_to_block(on);
        let word = self.words().load_be(pointer, 0);
        self.push(word);
    }
}
