//! Division and remainders. By a constant power of two they are shifts and masks. The machine divides what fits in 64
//! bits, with the sign where there is one, which is asked at run time where it is not known; everything wider is a call.
//!
//! Programs check a product by dividing it by one of its factors: where the factors are short enough for the product not to
//! overflow, and the divisor is not 0, the quotient is the other factor, and nothing is divided.

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

/// One of the four operations.
struct Division {
    part: Part,
    is_signed: bool,
    folded: fn(&U256, &U256) -> U256,
    helper: Helper,
}

const DIV: Division = Division { part: Part::Quotient, is_signed: false, folded: arith::div, helper: helpers::div };
const REM: Division = Division { part: Part::Remainder, is_signed: false, folded: arith::rem, helper: helpers::rem };
const SDIV: Division = Division { part: Part::Quotient, is_signed: true, folded: arith::sdiv, helper: helpers::sdiv };
const SMOD: Division = Division { part: Part::Remainder, is_signed: true, folded: arith::smod, helper: helpers::smod };

impl Words<'_, '_> {
    /// `DIV`.
    pub(crate) fn div(&mut self, a: Word, b: Word) -> Word {
        match b.known() {
            Some(U256::ZERO) => Word::ZERO,
            Some(b) if b.is_power_of_two() => self.shift_right(a, b.trailing_zeros() as u32),
            _ => self.divide(a, b, &DIV),
        }
    }

    /// `MOD`.
    pub(crate) fn rem(&mut self, a: Word, b: Word) -> Word {
        match b.known() {
            Some(U256::ZERO) => Word::ZERO,
            Some(b) if b.is_power_of_two() => self.and(a, Word::constant(b - U256::ONE)),
            _ => self.divide(a, b, &REM),
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
            _ => self.divide(a, b, &SDIV),
        }
    }

    /// `SMOD`.
    pub(crate) fn smod(&mut self, a: Word, b: Word) -> Word {
        if a.bits() < 256 && b.bits() < 256 {
            return self.rem(a, b);
        }
        match b.known() {
            Some(U256::ZERO | U256::ONE) => Word::ZERO,
            _ => self.divide(a, b, &SMOD),
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

    fn divide(&mut self, a: Word, b: Word, division: &Division) -> Word {
        if let (Some(a), Some(b)) = (a.known(), b.known()) {
            return Word::constant((division.folded)(&a, &b));
        }
        if a == Word::ZERO {
            return Word::ZERO;
        }
        if let (Part::Quotient, Some(other)) = (division.part, self.cofactor(a, b)) {
            return self.divide_product(a, b, other, division);
        }
        if division.is_signed {
            return self.divide_signed(a, b, division);
        }
        let (low_a, high_a) = self.as_small(a);
        let (low_b, high_b) = self.as_small(b);
        let high = self.or_limb(high_a, high_b);
        if high.is_zero() {
            return Word::narrow(self.divide_small(low_a, low_b, division.part));
        }
        if matches!(high, Limb::Const(_)) {
            return self.call(division.helper, &[a, b]);
        }
        let limbs = if division.part == Part::Quotient { a.limbs() } else { a.limbs().min(b.limbs()) };
        let mut exceptions = vec![self.is_set(high)];
        if !matches!(low_b, Limb::Const(_)) {
            let divisor = self.value(low_b);
            exceptions.push(self.builder.ins().icmp_imm_u(IntCC::Equal, divisor, 0));
        }
        self.unless(&exceptions, limbs, division.helper, [a, b], |words| {
            if low_b.is_zero() {
                return Word::ZERO;
            }
            let (dividend, divisor) = (words.value(low_a), words.value(low_b));
            Word::from_i64(match division.part {
                Part::Quotient => words.builder.ins().udiv(dividend, divisor),
                Part::Remainder => words.builder.ins().urem(dividend, divisor),
            })
        })
    }

    /// The same of two's complement numbers, in place if both have 64 bits and the divisor is neither 0 nor -1, by which the
    /// least number can't be divided.
    fn divide_signed(&mut self, a: Word, b: Word, division: &Division) -> Word {
        let beyond = [a, b].map(|word| self.beyond_signed(word, 0));
        let beyond = self.or_limb(beyond[0], beyond[1]);
        if matches!(beyond, Limb::Const(beyond) if beyond != 0) {
            return self.call(division.helper, &[a, b]);
        }
        let mut exceptions = Vec::new();
        if !beyond.is_zero() {
            exceptions.push(self.is_set(beyond));
        }
        let (dividend, divisor) = (self.value(a.0[0]), self.value(b.0[0]));
        if !matches!(b.0[0], Limb::Const(low) if low.wrapping_add(1) > 1) {
            let above = self.builder.ins().iadd_imm_s(divisor, 1);
            exceptions.push(self.builder.ins().icmp_imm_u(IntCC::UnsignedLessThan, above, 2));
        }
        self.unless(&exceptions, 4, division.helper, [a, b], |words| {
            let result = match division.part {
                Part::Quotient => words.builder.ins().sdiv(dividend, divisor),
                Part::Remainder => words.builder.ins().srem(dividend, divisor),
            };
            let sign = words.sign(Limb::value(result));
            Word([Limb::value(result), sign, sign, sign])
        })
    }

    /// `product` divided by `factor`, its other factor being `other`. Of factors that have 128 bits, or 128 with the sign, the
    /// product does not overflow.
    fn divide_product(&mut self, product: Word, factor: Word, other: Word, division: &Division) -> Word {
        let beyond = [factor, other].map(|word| match division.is_signed {
            true => self.beyond_signed(word, 1),
            false if factor.bits() + other.bits() <= 256 => Limb::Const(0),
            false => self.or_limb(word.0[2], word.0[3]),
        });
        let beyond = self.or_limb(beyond[0], beyond[1]);
        if matches!(beyond, Limb::Const(beyond) if beyond != 0) {
            return self.call(division.helper, &[product, factor]);
        }
        let mut exceptions = Vec::new();
        if !beyond.is_zero() {
            exceptions.push(self.is_set(beyond));
        }
        if factor.known().is_none() {
            let any = self.or_all(factor);
            let any = self.value(any);
            exceptions.push(self.builder.ins().icmp_imm_u(IntCC::Equal, any, 0));
        }
        let limbs = if division.is_signed { 4 } else { product.limbs().min(other.limbs()) };
        self.unless(&exceptions, limbs, division.helper, [product, factor], |_| other)
    }

    /// Not 0 if the word is no two's complement number of the limbs up to `top`.
    fn beyond_signed(&mut self, word: Word, top: usize) -> Limb {
        if word.bits() < 64 * (top as u32 + 1) {
            return Limb::Const(0);
        }
        let sign = self.sign(word.0[top]);
        let (mut above, mut signs) = (word, Word([sign; 4]));
        above.0[..=top].fill(Limb::Const(0));
        signs.0[..=top].fill(Limb::Const(0));
        let different = self.xor(above, signs);
        self.or_all(different)
    }

    fn is_set(&mut self, limb: Limb) -> Value {
        match limb {
            Limb::Bool(flag) => flag,
            limb => self.value(limb),
        }
    }

    /// What is computed in place, or by `helper` if one of the exceptions is not 0. The result has so many limbs.
    fn unless(
        &mut self,
        exceptions: &[Value],
        limbs: usize,
        helper: Helper,
        operands: [Word; 2],
        in_place: impl FnOnce(&mut Self) -> Word,
    ) -> Word {
        if exceptions.is_empty() {
            return in_place(self);
        }
        let (wide, after) = (self.builder.create_block(), self.builder.create_block());
        let results: Vec<Value> = (0..limbs).map(|_| self.builder.append_block_param(after, I64)).collect();
        for &exception in exceptions {
            let next = self.builder.create_block();
            self.builder.ins().brif(exception, wide, &[], next, &[]);
            self.builder.seal_block(next);
            self.builder.switch_to_block(next);
        }
        self.builder.seal_block(wide);
        let result = in_place(self);
        self.leave_for(after, result, limbs);

        self.builder.switch_to_block(wide);
        let result = self.call(helper, &operands);
        self.leave_for(after, result, limbs);

        self.builder.seal_block(after);
        self.builder.switch_to_block(after);
        let mut word = Word::ZERO;
        for (limb, value) in word.0.iter_mut().zip(results) {
            *limb = Limb::value(value);
        }
        word
    }

    fn leave_for(&mut self, block: Block, word: Word, limbs: usize) {
        let arguments = word.0.map(|limb| BlockArg::Value(self.value(limb)));
        self.builder.ins().jump(block, &arguments[..limbs]);
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
