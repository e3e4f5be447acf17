//! Bitwise operations and zero: limb by limb, with nothing emitted for what constants decide.

use super::{Limb, Word, Words};
use cranelift_codegen::ir::{
    InstBuilder, InstructionData, Value, ValueDef,
    condcodes::{CondCode, IntCC},
    types::I64,
};

impl Words<'_, '_> {
    /// `AND`.
    pub(crate) fn and(&mut self, a: Word, b: Word) -> Word {
        self.each(a, b, Self::and_limb)
    }

    /// `OR`.
    pub(crate) fn or(&mut self, a: Word, b: Word) -> Word {
        self.each(a, b, Self::or_limb)
    }

    /// `XOR`.
    pub(crate) fn xor(&mut self, a: Word, b: Word) -> Word {
        self.each(a, b, Self::xor_limb)
    }

    /// `NOT`.
    pub(crate) fn not(&mut self, a: Word) -> Word {
        Word(a.0.map(|limb| match limb {
            Limb::Const(limb) => Limb::Const(!limb),
            limb => {
                let limb = self.value(limb);
                Limb::value(self.builder.ins().bnot(limb))
            }
        }))
    }

    /// `ISZERO`.
    pub(crate) fn iszero(&mut self, a: Word) -> Word {
        match self.or_all(a) {
            Limb::Const(limb) => Word::narrow(Limb::Const(u64::from(limb == 0))),
            Limb::Bool(flag) => Word::from_bool(self.not_flag(flag)),
            Limb::Value { value, .. } => Word::from_bool(self.builder.ins().icmp_imm_u(IntCC::Equal, value, 0)),
        }
    }

    /// `EQ`.
    pub(crate) fn eq(&mut self, a: Word, b: Word) -> Word {
        if a == b {
            return Word::narrow(Limb::Const(1));
        }
        let differ = |(a, b): (&Limb, &Limb)| matches!((a, b), (Limb::Const(a), Limb::Const(b)) if a != b);
        if a.0.iter().zip(&b.0).any(differ) {
            return Word::ZERO;
        }
        let mut open = (0..4).filter(|&i| a.0[i] != b.0[i]);
        if let (Some(i), None) = (open.next(), open.next())
            && let (Limb::Value { .. }, _) | (_, Limb::Value { .. }) = (a.0[i], b.0[i])
            && !a.0[i].is_zero()
            && !b.0[i].is_zero()
        {
            let (a, b) = self.constant_last(a.0[i], b.0[i]);
            return Word::from_bool(self.builder.ins().icmp(IntCC::Equal, a, b));
        }
        let differences = self.xor(a, b);
        self.iszero(differences)
    }

    /// All limbs or'ed.
    pub(super) fn or_all(&mut self, a: Word) -> Limb {
        let low = self.or_limb(a.0[0], a.0[1]);
        let high = self.or_limb(a.0[2], a.0[3]);
        self.or_limb(low, high)
    }

    fn each(&mut self, a: Word, b: Word, limb: fn(&mut Self, Limb, Limb) -> Limb) -> Word {
        Word([0, 1, 2, 3].map(|i| limb(self, a.0[i], b.0[i])))
    }

    pub(super) fn and_limb(&mut self, a: Limb, b: Limb) -> Limb {
        match (a, b) {
            (Limb::Const(a), Limb::Const(b)) => Limb::Const(a & b),
            (Limb::Const(mask), limb) | (limb, Limb::Const(mask)) => {
                let may = u64::MAX >> (64 - limb.bits());
                if mask & may == 0 {
                    Limb::Const(0)
                } else if mask & may == may {
                    limb
                } else {
                    let bits = Limb::Const(mask & may).bits();
                    let (limb, mask) = (self.value(limb), self.value(Limb::Const(mask)));
                    Limb::bounded(self.builder.ins().band(limb, mask), bits)
                }
            }
            (a, b) if a == b => a,
            (Limb::Bool(a), Limb::Bool(b)) => Limb::Bool(self.builder.ins().band(a, b)),
            (a, b) => {
                let bits = a.bits().min(b.bits());
                let (a, b) = (self.value(a), self.value(b));
                Limb::bounded(self.builder.ins().band(a, b), bits)
            }
        }
    }

    pub(super) fn or_limb(&mut self, a: Limb, b: Limb) -> Limb {
        match (a, b) {
            (Limb::Const(a), Limb::Const(b)) => Limb::Const(a | b),
            (Limb::Const(0), limb) | (limb, Limb::Const(0)) => limb,
            (Limb::Const(u64::MAX), _) | (_, Limb::Const(u64::MAX)) => Limb::Const(u64::MAX),
            (a, b) if a == b => a,
            (Limb::Bool(a), Limb::Bool(b)) => Limb::Bool(self.builder.ins().bor(a, b)),
            (a, b) => {
                let bits = a.bits().max(b.bits());
                let (a, b) = self.constant_last(a, b);
                Limb::bounded(self.builder.ins().bor(a, b), bits)
            }
        }
    }

    fn xor_limb(&mut self, a: Limb, b: Limb) -> Limb {
        match (a, b) {
            (Limb::Const(a), Limb::Const(b)) => Limb::Const(a ^ b),
            (Limb::Const(0), limb) | (limb, Limb::Const(0)) => limb,
            (Limb::Const(1), Limb::Bool(flag)) | (Limb::Bool(flag), Limb::Const(1)) => Limb::Bool(self.not_flag(flag)),
            (a, b) if a == b => Limb::Const(0),
            (Limb::Bool(a), Limb::Bool(b)) => Limb::Bool(self.builder.ins().bxor(a, b)),
            (a, b) => {
                let bits = a.bits().max(b.bits());
                let (a, b) = self.constant_last(a, b);
                Limb::bounded(self.builder.ins().bxor(a, b), bits)
            }
        }
    }

    /// 1 for 0 and 0 for 1. A comparison becomes the opposite one, so that a branch on it remains a compare and a jump.
    pub(super) fn not_flag(&mut self, flag: Value) -> Value {
        if let ValueDef::Result(inst, _) = self.builder.func.dfg.value_def(flag)
            && let InstructionData::IntCompare { cond, args, .. } = self.builder.func.dfg.insts[inst]
        {
            return self.builder.ins().icmp(cond.complement(), args[0], args[1]);
        }
        if let Some(&original) = self.shared.negated.get(&flag) {
            return original;
        }
        let negated = self.builder.ins().bxor_imm_u(flag, 1);
        self.shared.negated.insert(negated, flag);
        negated
    }

    /// Both as I64, the constant second: there the machine has it in the instruction.
    pub(super) fn constant_last(&mut self, a: Limb, b: Limb) -> (Value, Value) {
        let (a, b) = if let Limb::Const(_) = a { (b, a) } else { (a, b) };
        (self.value(a), self.value(b))
    }

    /// The limb shifted left by less than 64, and what remains of it.
    pub(super) fn shift_limb_left(&mut self, a: Limb, shift: u32) -> Limb {
        match a {
            a if shift == 0 => a,
            Limb::Const(a) => Limb::Const(a << shift),
            a => {
                let bits = a.bits() + shift;
                let a = self.value(a);
                let shift = self.builder.ins().iconst(I64, i64::from(shift));
                Limb::bounded(self.builder.ins().ishl(a, shift), bits)
            }
        }
    }

    /// The limb shifted right by less than 64.
    pub(super) fn shift_limb_right(&mut self, a: Limb, shift: u32) -> Limb {
        match a {
            a if shift == 0 => a,
            Limb::Const(a) => Limb::Const(a >> shift),
            a if a.bits() <= shift => Limb::Const(0),
            a => {
                let bits = a.bits() - shift;
                let a = self.value(a);
                let shift = self.builder.ins().iconst(I64, i64::from(shift));
                Limb::bounded(self.builder.ins().ushr(a, shift), bits)
            }
        }
    }
}
