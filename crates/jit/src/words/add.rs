//! Addition and subtraction: carries go up in pairs of limbs, which the machine adds with its own carry, and only as far
//! as there is something to carry.

use super::{Limb, Word, Words};
use cranelift_codegen::ir::{
    InstBuilder, Value,
    types::{I64, I128},
};

impl Words<'_, '_> {
    /// `ADD`.
    pub(crate) fn add(&mut self, a: Word, b: Word) -> Word {
        if let (Some(a), Some(b)) = (a.known(), b.known()) {
            return Word::constant(a.wrapping_add(b));
        }
        let mut sum = Word::ZERO;
        // What is added to 0 below stays as it is.
        let mut i = 0;
        while i < 4 && (a.0[i].is_zero() || b.0[i].is_zero()) {
            sum.0[i] = if a.0[i].is_zero() { b.0[i] } else { a.0[i] };
            i += 1;
        }
        let limbs = a.limbs().max(b.limbs());
        let mut carry = None;
        while i < limbs {
            if i + 1 < limbs {
                (sum.0[i], sum.0[i + 1], carry) =
                    self.add_pair([a.0[i], a.0[i + 1]], [b.0[i], b.0[i + 1]], carry, i == 2);
                i += 2;
            } else {
                (sum.0[i], carry) = self.add_limb(a.0[i], b.0[i], carry, i == 3);
                i += 1;
            }
        }
        if let (Some(carry), true) = (carry, i < 4) {
            sum.0[i] = Limb::Bool(carry);
        }
        sum
    }

    /// `SUB`.
    pub(crate) fn sub(&mut self, a: Word, b: Word) -> Word {
        if let (Some(a), Some(b)) = (a.known(), b.known()) {
            return Word::constant(a.wrapping_sub(b));
        }
        if a == b {
            return Word::ZERO;
        }
        let mut difference = Word::ZERO;
        let mut i = 0;
        while i < 4 && b.0[i].is_zero() {
            difference.0[i] = a.0[i];
            i += 1;
        }
        let limbs = a.limbs().max(b.limbs());
        let mut borrow = None;
        while i < limbs {
            if i + 1 < limbs {
                let a = self.pair(a.0[i], a.0[i + 1]);
                let (low, high);
                (low, high, borrow) = self.subtract_pair(a, [b.0[i], b.0[i + 1]], borrow, i == 2);
                (difference.0[i], difference.0[i + 1]) = (Limb::value(low), Limb::value(high));
                i += 2;
            } else {
                let (a, b) = (self.value(a.0[i]), self.value(b.0[i]));
                let limb;
                (limb, borrow) = self.subtract_limb(a, b, borrow, i == 3);
                difference.0[i] = Limb::value(limb);
                i += 1;
            }
        }
        if let (Some(borrow), true) = (borrow, i < 4) {
            let borrow = self.builder.ins().uextend(I64, borrow);
            difference.0[i..].fill(Limb::value(self.builder.ins().ineg(borrow)));
        }
        difference
    }

    /// One limb and the carry, which is not asked for from the `last`.
    fn add_limb(&mut self, a: Limb, b: Limb, carry: Option<Value>, last: bool) -> (Limb, Option<Value>) {
        let bits = a.bits().max(b.bits()) + 1;
        let step = match (a, b) {
            (Limb::Const(step), _) | (_, Limb::Const(step)) if bits <= 64 && carry.is_none() => Some(step),
            _ => None,
        };
        let (a, b) = self.constant_last(a, b);
        if last || bits <= 64 {
            let mut sum = self.builder.ins().iadd(a, b);
            if let Some(step) = step {
                self.note_sum(sum, a, step);
            }
            if let Some(carry) = carry {
                let carry = self.builder.ins().uextend(I64, carry);
                sum = self.builder.ins().iadd(sum, carry);
            }
            return (Limb::bounded(sum, bits), None);
        }
        let (mut sum, mut out) = self.builder.ins().uadd_overflow(a, b);
        if let Some(carry) = carry {
            let carry = self.builder.ins().uextend(I64, carry);
            let (with_carry, overflow) = self.builder.ins().uadd_overflow(sum, carry);
            (sum, out) = (with_carry, self.builder.ins().bor(out, overflow));
        }
        (Limb::value(sum), Some(out))
    }

    /// Notes that `sum` is `limb` + `step`.
    fn note_sum(&mut self, sum: Value, limb: Value, step: u64) {
        let (base, from) = self.shared.sums.get(&limb).copied().unwrap_or((limb, 0));
        // Of numbers without carries, one that wraps can't be.
        self.shared.sums.insert(sum, (base, from.wrapping_add(step)));
    }

    /// Two limbs and the carry, which is not asked for from the `last`. A pair at the bottom has no carry to it, and the
    /// second one is the last.
    fn add_pair(
        &mut self,
        a: [Limb; 2],
        b: [Limb; 2],
        carry: Option<Value>,
        last: bool,
    ) -> (Limb, Limb, Option<Value>) {
        let bits = a[1].bits().max(b[1].bits()) + 1;
        let is_constant = |limbs: [Limb; 2]| limbs.iter().any(|limb| matches!(limb, Limb::Const(_)));
        let (a, b) = if is_constant(a) { (b, a) } else { (a, b) };
        let (mut sum, mut out) = (self.pair(a[0], a[1]), None);
        if b != [Limb::Const(0); 2] {
            let b = self.pair(b[0], b[1]);
            if last || bits <= 64 {
                sum = self.builder.ins().iadd(sum, b);
            } else {
                let (pair, overflow) = self.builder.ins().uadd_overflow(sum, b);
                (sum, out) = (pair, Some(overflow));
            }
        }
        if let Some(carry) = carry {
            debug_assert!(last, "a carry into a pair that gives one");
            let carry = self.widen(carry);
            sum = self.builder.ins().iadd(sum, carry);
        }
        let (low, high) = self.builder.ins().isplit(sum);
        (Limb::value(low), Limb::bounded(high, bits), out)
    }

    fn subtract_limb(&mut self, a: Value, b: Value, borrow: Option<Value>, last: bool) -> (Value, Option<Value>) {
        if last {
            let mut difference = self.builder.ins().isub(a, b);
            if let Some(borrow) = borrow {
                let borrow = self.builder.ins().uextend(I64, borrow);
                difference = self.builder.ins().isub(difference, borrow);
            }
            return (difference, None);
        }
        let (mut difference, mut out) = self.builder.ins().usub_overflow(a, b);
        if let Some(borrow) = borrow {
            let borrow = self.builder.ins().uextend(I64, borrow);
            let (with_borrow, overflow) = self.builder.ins().usub_overflow(difference, borrow);
            (difference, out) = (with_borrow, self.builder.ins().bor(out, overflow));
        }
        (difference, Some(out))
    }

    fn subtract_pair(
        &mut self,
        a: Value,
        b: [Limb; 2],
        borrow: Option<Value>,
        last: bool,
    ) -> (Value, Value, Option<Value>) {
        let (mut difference, mut out) = (a, None);
        if b != [Limb::Const(0); 2] {
            let b = self.pair(b[0], b[1]);
            if last {
                difference = self.builder.ins().isub(difference, b);
            } else {
                let (pair, overflow) = self.builder.ins().usub_overflow(difference, b);
                (difference, out) = (pair, Some(overflow));
            }
        }
        if let Some(borrow) = borrow {
            debug_assert!(last, "a borrow from a pair that gives one");
            let borrow = self.widen(borrow);
            difference = self.builder.ins().isub(difference, borrow);
        }
        let (low, high) = self.builder.ins().isplit(difference);
        (low, high, out)
    }

    /// An I8 as an I128: by way of an I64, which the machine adds as it is.
    fn widen(&mut self, flag: Value) -> Value {
        let limb = self.builder.ins().uextend(I64, flag);
        self.builder.ins().uextend(I128, limb)
    }
}
