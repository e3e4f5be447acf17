//! Products: of the limbs that are not 0, each with each, as many in place as stay within the function's budget.

use super::{Limb, Word, Words, helpers};
use cranelift_codegen::ir::{InstBuilder, Value, types::I128};

impl Words<'_, '_> {
    /// `MUL`.
    pub(crate) fn mul(&mut self, a: Word, b: Word) -> Word {
        let (a, b) = if a.known().is_some() { (b, a) } else { (a, b) };
        if let Some(factor) = b.known() {
            if let Some(a) = a.known() {
                return Word::constant(a.wrapping_mul(factor));
            }
            if factor.is_zero() {
                return Word::ZERO;
            }
            if factor.is_power_of_two() {
                return self.shift_left(a, factor.trailing_zeros() as u32);
            }
        }
        if let (Limb::Bool(_), 1) = (a.0[0], a.limbs()) {
            return self.mask(a.0[0], b);
        }
        if let (Limb::Bool(_), 1) = (b.0[0], b.limbs()) {
            return self.mask(b.0[0], a);
        }
        let product = self.any_product(a, b);
        self.shared.products.truncate(PRODUCTS_NOTED - 1);
        self.shared.products.push_front([product, a, b]);
        product
    }

    /// The other factor of `product`, if that is known to be a product of `factor`.
    pub(super) fn cofactor(&self, product: Word, factor: Word) -> Option<Word> {
        self.shared.products.iter().find_map(|&[noted, a, b]| match factor {
            _ if noted != product => None,
            _ if factor == a => Some(b),
            _ if factor == b => Some(a),
            _ => None,
        })
    }

    fn any_product(&mut self, a: Word, b: Word) -> Word {
        let products: u32 =
            (0..4).map(|i| (0..4 - i).filter(|&j| !a.0[i].is_zero() && !b.0[j].is_zero()).count() as u32).sum();
        if products > FEW_PRODUCTS {
            if self.shared.inline_products == 0 {
                return self.call(helpers::mul, &[a, b]);
            }
            self.shared.inline_products -= 1;
        }
        self.product(a, b)
    }

    /// The word where the flag is 1, else 0.
    fn mask(&mut self, flag: Limb, word: Word) -> Word {
        let flag = self.value(flag);
        let mask = Limb::value(self.builder.ins().ineg(flag));
        self.and(word, Word([mask; 4]))
    }

    /// Row by row: each limb of `a` times all of `b`, added to what stands.
    fn product(&mut self, a: Word, b: Word) -> Word {
        let mut sum = Word::ZERO;
        for i in 0..4 {
            if a.0[i].is_zero() {
                continue;
            }
            let mut carry = Limb::Const(0);
            for j in 0..4 - i {
                let k = i + j;
                (sum.0[k], carry) = self.multiply_add(a.0[i], b.0[j], sum.0[k], carry, k == 3);
            }
        }
        sum
    }

    /// a · b + c + d, which has two limbs; the upper one is not asked for from the `last`.
    fn multiply_add(&mut self, a: Limb, b: Limb, c: Limb, d: Limb, last: bool) -> (Limb, Limb) {
        if a.is_zero() || b.is_zero() {
            return self.add_three(Limb::Const(0), c, d, last);
        }
        let (a, b) = if let Limb::Const(_) = a { (b, a) } else { (a, b) };
        if b == Limb::Const(1) {
            return self.add_three(a, c, d, last);
        }
        let bits = a.bits() + b.bits();
        if last || bits <= 64 {
            let product = match (a, b) {
                (Limb::Const(a), Limb::Const(b)) => Limb::Const(a.wrapping_mul(b)),
                (a, b) => {
                    let (a, b) = (self.value(a), self.value(b));
                    Limb::bounded(self.builder.ins().imul(a, b), bits)
                }
            };
            return self.add_three(product, c, d, last);
        }
        if let (Limb::Const(a), Limb::Const(b), true, true) = (a, b, c.is_zero(), d.is_zero()) {
            let product = u128::from(a) * u128::from(b);
            return (Limb::Const(product as u64), Limb::Const((product >> 64) as u64));
        }
        let (x, y) = (self.widened(a), self.widened(b));
        let mut product = self.builder.ins().imul(x, y);
        for addend in [c, d] {
            if !addend.is_zero() {
                let addend = self.widened(addend);
                product = self.builder.ins().iadd(product, addend);
            }
        }
        let (low, high) = self.builder.ins().isplit(product);
        (Limb::value(low), Limb::bounded(high, bits.saturating_sub(63)))
    }

    /// The sum of three limbs, which has two.
    fn add_three(&mut self, a: Limb, b: Limb, c: Limb, last: bool) -> (Limb, Limb) {
        let mut limbs = [a, b, c];
        limbs.sort_by_key(|limb| limb.is_zero());
        let [a, b, c] = limbs;
        if b.is_zero() {
            return (a, Limb::Const(0));
        }
        if last {
            let sum = self.add_wrapping(a, b);
            return (self.add_wrapping(sum, c), Limb::Const(0));
        }
        let sum = self.add(Word::narrow(a), Word::narrow(b));
        let sum = self.add(sum, Word::narrow(c));
        (sum.0[0], sum.0[1])
    }

    fn add_wrapping(&mut self, a: Limb, b: Limb) -> Limb {
        match (a, b) {
            (Limb::Const(a), Limb::Const(b)) => Limb::Const(a.wrapping_add(b)),
            (Limb::Const(0), limb) | (limb, Limb::Const(0)) => limb,
            (a, b) => {
                let (a, b) = self.constant_last(a, b);
                Limb::value(self.builder.ins().iadd(a, b))
            }
        }
    }

    /// A limb as an I128.
    fn widened(&mut self, limb: Limb) -> Value {
        let limb = self.value(limb);
        self.builder.ins().uextend(I128, limb)
    }
}

/// Products that are noted.
const PRODUCTS_NOTED: usize = 4;
/// Products of limbs up to which a multiplication is always in place.
const FEW_PRODUCTS: u32 = 4;
