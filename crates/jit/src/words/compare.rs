//! Order. A comparison is decided by as few limbs as the operands leave open, two at a time.

use super::{Limb, Word, Words};
use cranelift_codegen::ir::{InstBuilder, Value, condcodes::IntCC};

impl Words<'_, '_> {
    /// `LT`.
    pub(crate) fn lt(&mut self, a: Word, b: Word) -> Word {
        if a == b {
            return Word::ZERO;
        }
        let (mut a, mut b) = (a.0.to_vec(), b.0.to_vec());
        // a < b·2^64 says that a's upper limbs are less than b, and a·2^64 + (2^64 - 1) < b that a is less than b's.
        while !a.is_empty() && (b[0].is_zero() || a[0] == Limb::Const(u64::MAX)) {
            a.remove(0);
            b.remove(0);
        }
        // Equal limbs on top decide nothing.
        while !a.is_empty() && a.last() == b.last() {
            a.pop();
            b.pop();
        }
        Word::narrow(self.less(&a, &b))
    }

    /// `GT`.
    pub(crate) fn gt(&mut self, a: Word, b: Word) -> Word {
        self.lt(b, a)
    }

    /// `SLT`.
    pub(crate) fn slt(&mut self, a: Word, b: Word) -> Word {
        if a == b {
            return Word::ZERO;
        }
        if let (Some(a), Some(b)) = (a.known(), b.known()) {
            return Word::narrow(Limb::Const(u64::from(rialto_vm::arith::slt(a, b))));
        }
        if b == Word::ZERO {
            return self.is_negative(a);
        }
        // The order of signed numbers is that of unsigned ones with the highest bit flipped.
        let a = self.flip_sign(a);
        let b = self.flip_sign(b);
        self.lt(a, b)
    }

    /// `SGT`.
    pub(crate) fn sgt(&mut self, a: Word, b: Word) -> Word {
        self.slt(b, a)
    }

    /// Whether the highest bit is set.
    pub(super) fn is_negative(&mut self, a: Word) -> Word {
        match a.0[3] {
            Limb::Const(top) => Word::narrow(Limb::Const(top >> 63)),
            top if top.bits() < 64 => Word::ZERO,
            top => {
                let top = self.value(top);
                Word::from_bool(self.builder.ins().icmp_imm_s(IntCC::SignedLessThan, top, 0))
            }
        }
    }

    fn flip_sign(&mut self, mut a: Word) -> Word {
        a.0[3] = match a.0[3] {
            Limb::Const(top) => Limb::Const(top ^ 1 << 63),
            top => {
                let (top, bit) = (self.value(top), self.value(Limb::Const(1 << 63)));
                Limb::value(self.builder.ins().bxor(top, bit))
            }
        };
        a
    }

    /// a < b, limbs from the least significant, as many in both.
    fn less(&mut self, a: &[Limb], b: &[Limb]) -> Limb {
        let zeros = |limbs: &[Limb]| limbs.iter().rev().take_while(|limb| limb.is_zero()).count();
        if zeros(b) == b.len() {
            return Limb::Const(0);
        }
        if zeros(a) == a.len() {
            return self.is_any_set(b);
        }
        // What is known to be 0 above a narrow number is only looked at for being 0.
        let (above_a, above_b) = (a.len() - zeros(a), b.len() - zeros(b));
        if above_b < above_a {
            let above = self.is_any_set(&a[above_b..]);
            let below = self.less(&a[..above_b], &b[..above_b]);
            let not_above = self.not_bool(above);
            return self.and_limb(not_above, below);
        }
        if above_a < above_b {
            let above = self.is_any_set(&b[above_a..]);
            let below = self.less(&a[..above_a], &b[..above_a]);
            return self.or_limb(above, below);
        }
        if let Some(known) = both_known(a, b) {
            return Limb::Const(u64::from(known));
        }
        match a.len().min(above_a) {
            1 => {
                let (a, b) = (self.value(a[0]), self.value(b[0]));
                Limb::Bool(self.builder.ins().icmp(IntCC::UnsignedLessThan, a, b))
            }
            2 => {
                let (a, b) = (self.pair(a[0], a[1]), self.pair(b[0], b[1]));
                Limb::Bool(self.builder.ins().icmp(IntCC::UnsignedLessThan, a, b))
            }
            limbs => self.less_wide(&a[..limbs], &b[..limbs]),
        }
    }

    /// The same of three or four limbs: the upper ones are less, or equal and the lower two less.
    fn less_wide(&mut self, a: &[Limb], b: &[Limb]) -> Limb {
        let (low_a, low_b) = (self.pair(a[0], a[1]), self.pair(b[0], b[1]));
        let low = self.builder.ins().icmp(IntCC::UnsignedLessThan, low_a, low_b);
        let (difference, high) = if a.len() == 3 {
            let (a, b) = (self.value(a[2]), self.value(b[2]));
            let high = self.builder.ins().icmp(IntCC::UnsignedLessThan, a, b);
            (self.builder.ins().icmp(IntCC::Equal, a, b), high)
        } else {
            let (a, b) = (self.pair(a[2], a[3]), self.pair(b[2], b[3]));
            let (difference, high) = self.builder.ins().usub_overflow(a, b);
            let (x, y) = self.builder.ins().isplit(difference);
            let any = self.builder.ins().bor(x, y);
            (self.builder.ins().icmp_imm_u(IntCC::Equal, any, 0), high)
        };
        let low = self.builder.ins().band(difference, low);
        Limb::Bool(self.builder.ins().bor(high, low))
    }

    /// Whether any of the limbs is not 0.
    fn is_any_set(&mut self, limbs: &[Limb]) -> Limb {
        let any = limbs.iter().fold(Limb::Const(0), |any, limb| self.or_limb(any, *limb));
        match any {
            Limb::Const(any) => Limb::Const(u64::from(any != 0)),
            Limb::Bool(_) => any,
            Limb::Value { value, .. } => Limb::Bool(self.builder.ins().icmp_imm_u(IntCC::NotEqual, value, 0)),
        }
    }

    fn not_bool(&mut self, flag: Limb) -> Limb {
        match flag {
            Limb::Const(flag) => Limb::Const(flag ^ 1),
            Limb::Bool(flag) => Limb::Bool(self.not_flag(flag)),
            Limb::Value { .. } => unreachable!("comparisons give flags"),
        }
    }

    /// Two limbs as an I128.
    pub(super) fn pair(&mut self, low: Limb, high: Limb) -> Value {
        let (low, high) = (self.value(low), self.value(high));
        self.builder.ins().iconcat(low, high)
    }
}

/// a < b if all limbs are constants, or enough of them from the top.
fn both_known(a: &[Limb], b: &[Limb]) -> Option<bool> {
    for (a, b) in a.iter().zip(b).rev() {
        match (a, b) {
            (Limb::Const(a), Limb::Const(b)) if a != b => return Some(a < b),
            (a, b) if a == b => {}
            _ => return None,
        }
    }
    Some(false)
}
