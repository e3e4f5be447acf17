//! Division and remainders. By a constant power of two they are shifts and masks. The machine divides what fits in 64
//! bits, which is asked at run time where it is not known; everything wider is a call.

use super::{Limb, Word, Words, helpers, helpers::Helper};
use alloy_primitives::U256;
use cranelift_codegen::ir::{Block, BlockArg, InstBuilder, Value, condcodes::IntCC, types::I64};
use rialto_vm::arith;

/// What a division gives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Quotient,
    Remainder,
}

impl Words<'_, '_> {
    /// `DIV`.
    pub(crate) fn div(&mut self, a: Word, b: Word) -> Word {
        match b.known() {
            Some(U256::ZERO) => Word::ZERO,
            Some(b) if b.is_power_of_two() => self.shift_right(a, b.trailing_zeros() as u32),
            _ => self.divide(a, b, Part::Quotient, arith::div, helpers::div),
        }
    }

    /// `MOD`.
    pub(crate) fn rem(&mut self, a: Word, b: Word) -> Word {
        match b.known() {
            Some(U256::ZERO) => Word::ZERO,
            Some(b) if b.is_power_of_two() => self.and(a, Word::constant(b - U256::ONE)),
            _ => self.divide(a, b, Part::Remainder, arith::rem, helpers::rem),
        }
    }

    /// `SDIV`.
    pub(crate) fn sdiv(&mut self, a: Word, b: Word) -> Word {
        if a.bits() < 256 && b.bits() < 256 {
            return self.div(a, b);
        }
        match b.known() {
            Some(U256::ZERO) => Word::ZERO,
            Some(U256::ONE) => a,
            _ => self.divide(a, b, Part::Quotient, arith::sdiv, helpers::sdiv),
        }
    }

    /// `SMOD`.
    pub(crate) fn smod(&mut self, a: Word, b: Word) -> Word {
        if a.bits() < 256 && b.bits() < 256 {
            return self.rem(a, b);
        }
        match b.known() {
            Some(U256::ZERO | U256::ONE) => Word::ZERO,
            _ => self.divide(a, b, Part::Remainder, arith::smod, helpers::smod),
        }
    }

    /// `ADDMOD`.
    pub(crate) fn addmod(&mut self, a: Word, b: Word, m: Word) -> Word {
        if let (Some(a), Some(b), Some(m)) = (a.known(), b.known(), m.known()) {
            return Word::constant(arith::addmod(&a, &b, &m));
        }
        // Where the sum fits in a limb, or what overflows is a multiple of the modulus, it is an addition.
        match m.known() {
            Some(U256::ZERO) => Word::ZERO,
            Some(m) if m.is_power_of_two() => {
                let sum = self.add(a, b);
                self.and(sum, Word::constant(m - U256::ONE))
            }
            _ if a.bits().max(b.bits()) < 64 => {
                let sum = self.add(a, b);
                self.rem(sum, m)
            }
            _ => self.call(helpers::addmod, &[a, b, m]),
        }
    }

    /// `MULMOD`.
    pub(crate) fn mulmod(&mut self, a: Word, b: Word, m: Word) -> Word {
        if let (Some(a), Some(b), Some(m)) = (a.known(), b.known(), m.known()) {
            return Word::constant(arith::mulmod(&a, &b, &m));
        }
        match m.known() {
            Some(U256::ZERO) => Word::ZERO,
            Some(m) if m.is_power_of_two() => {
                let product = self.mul(a, b);
                self.and(product, Word::constant(m - U256::ONE))
            }
            _ if a.bits() + b.bits() <= 64 => {
                let product = self.mul(a, b);
                self.rem(product, m)
            }
            _ => self.call(helpers::mulmod, &[a, b, m]),
        }
    }

    /// `EXP`, without its price.
    pub(crate) fn exp(&mut self, base: Word, exponent: Word) -> Word {
        let (known_base, known_exponent) = (base.known(), exponent.known());
        match (known_base, known_exponent) {
            (Some(base), Some(exponent)) => Word::constant(arith::exp(&base, &exponent)),
            (_, Some(U256::ZERO)) => Word::narrow(Limb::Const(1)),
            (_, Some(U256::ONE)) => base,
            (Some(two), _) if two == U256::from(2) => self.shl(exponent, Word::narrow(Limb::Const(1))),
            (_, Some(two)) if two == U256::from(2) => self.mul(base, base),
            _ => self.call(helpers::exp, &[base, exponent]),
        }
    }

    fn divide(&mut self, a: Word, b: Word, part: Part, folded: fn(&U256, &U256) -> U256, helper: Helper) -> Word {
        if let (Some(a), Some(b)) = (a.known(), b.known()) {
            return Word::constant(folded(&a, &b));
        }
        if a == Word::ZERO {
            return Word::ZERO;
        }
        let (low_a, high_a) = self.as_small(a);
        let (low_b, high_b) = self.as_small(b);
        let high = self.or_limb(high_a, high_b);
        if high.is_zero() {
            return Word::narrow(self.divide_small(low_a, low_b, part));
        }
        if matches!(high, Limb::Const(_)) {
            return self.call(helper, &[a, b]);
        }
        let high = match high {
            Limb::Bool(flag) => flag,
            limb => self.value(limb),
        };
        self.divide_either(high, a, b, part, helper)
    }

    /// In place if `high` is 0, else called.
    fn divide_either(&mut self, high: Value, a: Word, b: Word, part: Part, helper: Helper) -> Word {
        let (small, wide, after) =
            (self.builder.create_block(), self.builder.create_block(), self.builder.create_block());
        let results = [(); 4].map(|()| self.builder.append_block_param(after, I64));
        self.builder.ins().brif(high, wide, &[], small, &[]);
        self.builder.seal_block(small);
        self.builder.seal_block(wide);

        self.builder.switch_to_block(small);
        let low = self.divide_small(a.0[0], b.0[0], part);
        self.leave_for(after, Word::narrow(low));

        self.builder.switch_to_block(wide);
        let result = self.call(helper, &[a, b]);
        self.leave_for(after, result);

        self.builder.seal_block(after);
        self.builder.switch_to_block(after);
        Word(results.map(Limb::value))
    }

    fn leave_for(&mut self, block: Block, word: Word) {
        let arguments = word.0.map(|limb| BlockArg::Value(self.value(limb)));
        self.builder.ins().jump(block, &arguments);
    }

    /// The machine's division, which gets 1 for a divisor of 0, as it would trap.
    fn divide_small(&mut self, a: Limb, b: Limb, part: Part) -> Limb {
        let operation = |words: &mut Self, a: Value, b: Value| match part {
            Part::Quotient => words.builder.ins().udiv(a, b),
            Part::Remainder => words.builder.ins().urem(a, b),
        };
        let bits = if part == Part::Quotient { a.bits() } else { a.bits().min(b.bits()) };
        let dividend = self.value(a);
        match b {
            Limb::Const(0) => Limb::Const(0),
            Limb::Const(b) => {
                let b = self.value(Limb::Const(b));
                Limb::bounded(operation(self, dividend, b), bits.max(1))
            }
            b => {
                let divisor = self.value(b);
                let is_zero = self.builder.ins().icmp_imm_u(IntCC::Equal, divisor, 0);
                let one_for_zero = self.builder.ins().uextend(I64, is_zero);
                let safe = self.builder.ins().bor(divisor, one_for_zero);
                let result = operation(self, dividend, safe);
                if part == Part::Remainder {
                    // Any remainder by 1 is 0.
                    return Limb::bounded(result, bits.max(1));
                }
                let zero = self.value(Limb::Const(0));
                Limb::bounded(self.builder.ins().select(is_zero, zero, result), bits.max(1))
            }
        }
    }
}
