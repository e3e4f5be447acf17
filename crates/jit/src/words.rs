//! 256-bit words as they are compiled: four limbs, each of them known now or computed then.
//!
//! A [`Word`] is what stands on the abstract stack while bytecode is lowered. Its limbs, least significant first, are
//! [`Limb`]s: a constant, a 64-bit value of the function being built with a bound on its bits, or the one bit of a
//! comparison. Every operation of [`Words`] has the exact meaning of its opcode (`rialto_vm::arith` is the definition,
//! and folds words that are constant), and emits instructions only for limbs that are not known. So what a program says
//! about its widths is used without an analysis of its own: the limbs above a comparison, a masked address or a loaded
//! byte are the constant 0, an addition of such words has no carry to bring up, and a shift by a constant only renames
//! limbs.
//!
//! What is large and rare is not emitted but called: a helper (`helpers`) gets its operands and gives its result in a
//! stack slot of the function, the scratch. Some operations branch, so the builder may be in another block afterwards;
//! it is in one that the blocks before dominate, always.

mod add;
mod compare;
mod divide;
pub(crate) mod helpers;
mod logic;
mod multiply;
mod shift;
#[cfg(test)]
mod tests;

use alloy_primitives::U256;
use cranelift_codegen::ir::{
    AbiParam, InstBuilder, MemFlagsData, SigRef, Signature, StackSlot, StackSlotData, StackSlotKind, Value, types::I64,
};
use cranelift_codegen::isa::CallConv;
use cranelift_frontend::FunctionBuilder;
use helpers::Helper;
use std::collections::{HashMap, VecDeque};

/// 64 bits of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Limb {
    /// Known while compiling.
    Const(u64),
    /// An I64, which is less than 2^`bits`; `bits` is 1 to 64.
    Value { value: Value, bits: u8 },
    /// An I8 that is 0 or 1: the limb is that number.
    Bool(Value),
}

/// A word: limbs, least significant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) [Limb; 4]);

/// What the words of one function share.
#[derive(Debug)]
pub(crate) struct Shared {
    scratch: Option<StackSlot>,
    signature: Option<SigRef>,
    /// Of each flag that was negated, the flag that it was.
    pub(crate) negated: HashMap<Value, Value>,
    /// Of each limb that is another one and a number, without a carry, these.
    pub(crate) sums: HashMap<Value, (Value, u64)>,
    /// The latest products, with their factors.
    pub(crate) products: VecDeque<[Word; 3]>,
    /// Full multiplications that may still be emitted in place rather than called.
    inline_products: u32,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            scratch: None,
            signature: None,
            negated: HashMap::new(),
            sums: HashMap::new(),
            products: VecDeque::new(),
            inline_products: INLINE_PRODUCTS,
        }
    }
}

/// Emits operations on words at the builder's position.
pub(crate) struct Words<'a, 'f> {
    pub(crate) builder: &'a mut FunctionBuilder<'f>,
    pub(crate) shared: &'a mut Shared,
}

/// Multiplications of two full words that one function has in place, each some fifty instructions.
const INLINE_PRODUCTS: u32 = 32;
/// Limbs in the scratch: three words.
const SCRATCH_LIMBS: u32 = 12;

impl Limb {
    /// A limb of which nothing is known.
    pub(crate) fn value(value: Value) -> Self {
        Limb::Value { value, bits: 64 }
    }

    /// A limb that is less than 2^`bits`.
    pub(crate) fn bounded(value: Value, bits: u32) -> Self {
        debug_assert!(bits >= 1, "a limb without bits is a constant");
        Limb::Value { value, bits: bits.min(64) as u8 }
    }

    /// The bits that it may have: it is less than 2^bits.
    pub(crate) fn bits(self) -> u32 {
        match self {
            Limb::Const(limb) => 64 - limb.leading_zeros(),
            Limb::Value { bits, .. } => bits.into(),
            Limb::Bool(_) => 1,
        }
    }

    pub(crate) fn is_zero(self) -> bool {
        self == Limb::Const(0)
    }
}

impl Word {
    pub(crate) const ZERO: Self = Self([Limb::Const(0); 4]);

    pub(crate) fn constant(word: U256) -> Self {
        Self(word.into_limbs().map(Limb::Const))
    }

    /// A word of one limb.
    pub(crate) fn narrow(limb: Limb) -> Self {
        Self([limb, Limb::Const(0), Limb::Const(0), Limb::Const(0)])
    }

    /// The number of an I64.
    pub(crate) fn from_i64(value: Value) -> Self {
        Self::narrow(Limb::value(value))
    }

    /// 0 or 1, of an I8 that is one of them.
    pub(crate) fn from_bool(flag: Value) -> Self {
        Self::narrow(Limb::Bool(flag))
    }

    /// Its value, if all of it is known.
    pub(crate) fn known(&self) -> Option<U256> {
        let mut limbs = [0; 4];
        for (limb, known) in limbs.iter_mut().zip(self.0) {
            let Limb::Const(known) = known else { return None };
            *limb = known;
        }
        Some(U256::from_limbs(limbs))
    }

    /// How many limbs it may need: the ones above are known to be 0.
    pub(crate) fn limbs(&self) -> usize {
        4 - self.0.iter().rev().take_while(|limb| limb.is_zero()).count()
    }

    /// The bits that it may have: it is less than 2^bits.
    pub(crate) fn bits(&self) -> u32 {
        match self.limbs() {
            0 => 0,
            limbs => 64 * (limbs as u32 - 1) + self.0[limbs - 1].bits(),
        }
    }
}

impl Words<'_, '_> {
    /// The limb as an I64.
    pub(crate) fn value(&mut self, limb: Limb) -> Value {
        match limb {
            Limb::Const(limb) => self.builder.ins().iconst(I64, limb as i64),
            Limb::Value { value, .. } => value,
            Limb::Bool(flag) => self.builder.ins().uextend(I64, flag),
        }
    }

    /// The word at `pointer` + `offset` in the machine's own form: four little-endian limbs, aligned to 8.
    pub(crate) fn load(&mut self, pointer: Value, offset: i32) -> Word {
        Word(
            [0, 1, 2, 3]
                .map(|i| Limb::value(self.builder.ins().load(I64, MemFlagsData::trusted(), pointer, offset + 8 * i))),
        )
    }

    /// Stores in the form that `load` reads.
    pub(crate) fn store(&mut self, word: Word, pointer: Value, offset: i32) {
        for (limb, i) in word.0.into_iter().zip(0..) {
            let limb = self.value(limb);
            self.builder.ins().store(MemFlagsData::trusted(), limb, pointer, offset + 8 * i);
        }
    }

    /// The word of the 32 big-endian bytes at `pointer` + `offset`, of any alignment.
    pub(crate) fn load_be(&mut self, pointer: Value, offset: i32) -> Word {
        Word([3, 2, 1, 0].map(|i| {
            let limb = self.builder.ins().load(I64, unaligned(), pointer, offset + 8 * i);
            Limb::value(self.builder.ins().bswap(limb))
        }))
    }

    /// Stores as the 32 bytes that `load_be` reads.
    pub(crate) fn store_be(&mut self, word: Word, pointer: Value, offset: i32) {
        for (limb, i) in word.0.into_iter().rev().zip(0..) {
            let swapped = match limb {
                Limb::Const(limb) => self.value(Limb::Const(limb.swap_bytes())),
                limb => {
                    let limb = self.value(limb);
                    self.builder.ins().bswap(limb)
                }
            };
            self.builder.ins().store(unaligned(), swapped, pointer, offset + 8 * i);
        }
    }

    /// The lowest limb, and all others or'ed: a word is less than 2^64 where that is 0.
    pub(crate) fn as_small(&mut self, word: Word) -> (Limb, Limb) {
        let [low, a, b, c] = word.0;
        let high = self.or_limb(a, b);
        (low, self.or_limb(high, c))
    }

    /// `beyond` or'ed with what is not 0 if the word is 2^`bits` or more, `bits` being less than 64.
    pub(crate) fn or_beyond(&mut self, beyond: Limb, word: Word, bits: u32) -> Limb {
        let (low, high) = self.as_small(word);
        let low = self.shift_limb_right(low, bits);
        let beyond = self.or_limb(beyond, low);
        self.or_limb(beyond, high)
    }

    /// Whether the word is not 0, as the condition of a branch: an integer that is not 0.
    pub(crate) fn is_nonzero(&mut self, word: Word) -> Value {
        match self.or_all(word) {
            Limb::Bool(flag) => flag,
            limb => self.value(limb),
        }
    }

    /// The signature of `helpers`: one pointer, nothing back.
    fn helper_signature(&mut self) -> SigRef {
        match self.shared.signature {
            Some(signature) => signature,
            None => {
                let mut signature = Signature::new(CallConv::SystemV);
                signature.params.push(AbiParam::new(I64));
                *self.shared.signature.insert(self.builder.import_signature(signature))
            }
        }
    }

    fn scratch(&mut self) -> StackSlot {
        match self.shared.scratch {
            Some(slot) => slot,
            None => {
                let data = StackSlotData::new(StackSlotKind::ExplicitSlot, 8 * SCRATCH_LIMBS, 4);
                *self.shared.scratch.insert(self.builder.create_sized_stack_slot(data))
            }
        }
    }

    /// Calls `helper` with `operands`, which stand in the scratch one behind the other; its result takes the first's place.
    fn call(&mut self, helper: Helper, operands: &[Word]) -> Word {
        let (slot, signature) = (self.scratch(), self.helper_signature());
        let pointer = self.builder.ins().stack_addr(I64, slot, 0);
        for (operand, i) in operands.iter().zip(0..) {
            self.store(*operand, pointer, 32 * i);
        }
        let address = self.builder.ins().iconst(I64, helper as usize as i64);
        self.builder.ins().call_indirect(signature, address, &[pointer]);
        self.load(pointer, 0)
    }
}

/// Memory that is there, at any address.
fn unaligned() -> MemFlagsData {
    MemFlagsData::new().with_notrap()
}
