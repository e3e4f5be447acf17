//! Shifts, bytes and signs. By a constant they rename limbs and shift bits between neighbours; by a variable they are
//! calls, but for the few forms that programs are full of.

use super::{Limb, Word, Words, helpers};
use alloy_primitives::U256;
use cranelift_codegen::ir::{InstBuilder, MemFlagsData, condcodes::IntCC, types::I64};

impl Words<'_, '_> {
    /// `SHL`.
    pub(crate) fn shl(&mut self, shift: Word, value: Word) -> Word {
        match (small(shift), value.known()) {
            (Some(shift), _) => self.shift_left(value, shift),
            (None, Some(U256::ZERO)) => Word::ZERO,
            (None, Some(value)) if value == U256::ONE => self.bit(shift),
            (None, _) => self.call(helpers::shl, &[shift, value]),
        }
    }

    /// `SHR`.
    pub(crate) fn shr(&mut self, shift: Word, value: Word) -> Word {
        match (small(shift), value.known()) {
            (Some(shift), _) => self.shift_right(value, shift),
            (None, Some(U256::ZERO)) => Word::ZERO,
            (None, _) => self.call(helpers::shr, &[shift, value]),
        }
    }

    /// `SAR`.
    pub(crate) fn sar(&mut self, shift: Word, value: Word) -> Word {
        if value.0[3].bits() < 64 {
            return self.shr(shift, value);
        }
        let Some(shift) = small(shift) else {
            return self.call(helpers::sar, &[shift, value]);
        };
        let fill = self.sign(value.0[3]);
        let limbs = (shift / 64) as usize;
        let at = |i: usize| value.0.get(i + limbs).copied().unwrap_or(fill);
        Word([0, 1, 2, 3].map(|i| self.shift_pair_right(at(i), at(i + 1), shift % 64)))
    }

    /// `BYTE`.
    pub(crate) fn byte(&mut self, index: Word, value: Word) -> Word {
        if let Some(index) = index.known() {
            if index >= U256::from(32) {
                return Word::ZERO;
            }
            let index = 31 - index.to::<usize>();
            let limb = self.shift_limb_right(value.0[index / 8], index as u32 % 8 * 8);
            return Word::narrow(self.and_limb(limb, Limb::Const(0xff)));
        }
        if value == Word::ZERO {
            return Word::ZERO;
        }
        // From memory, where the limbs stand from the least significant byte: 31 - index, which is 31 ^ index below 32.
        let slot = self.scratch();
        let pointer = self.builder.ins().stack_addr(I64, slot, 0);
        self.store(value, pointer, 0);
        let (low, high) = self.as_small(index);
        let masked = self.and_limb(low, Limb::Const(31));
        let masked = self.value(masked);
        let offset = self.builder.ins().bxor_imm_u(masked, 31);
        let address = self.builder.ins().iadd(pointer, offset);
        let byte = self.builder.ins().uload8(I64, MemFlagsData::trusted(), address, 0);
        let beyond = self.shift_limb_right(low, 5);
        let beyond = self.or_limb(beyond, high);
        if beyond.is_zero() {
            return Word::narrow(Limb::bounded(byte, 8));
        }
        let (beyond, zero) = (self.value(beyond), self.value(Limb::Const(0)));
        Word::narrow(Limb::bounded(self.builder.ins().select(beyond, zero, byte), 8))
    }

    /// `SIGNEXTEND`.
    pub(crate) fn signextend(&mut self, index: Word, value: Word) -> Word {
        let Some(known) = index.known() else {
            return self.call(helpers::signextend, &[index, value]);
        };
        if known >= U256::from(31) {
            return value;
        }
        let bits = 8 * known.to::<u32>() + 8;
        if value.bits() < bits {
            return value;
        }
        let top = (bits as usize - 1) / 64;
        let shift = 63 - (bits - 1) % 64;
        let limb = match value.0[top] {
            limb if shift == 0 => limb,
            Limb::Const(limb) => Limb::Const(((limb << shift) as i64 >> shift) as u64),
            limb => {
                let limb = self.value(limb);
                let shift = self.builder.ins().iconst(I64, i64::from(shift));
                let up = self.builder.ins().ishl(limb, shift);
                Limb::value(self.builder.ins().sshr(up, shift))
            }
        };
        let mut result = value;
        result.0[top] = limb;
        if top < 3 {
            let sign = self.sign(limb);
            result.0[top + 1..].fill(sign);
        }
        result
    }

    /// `CLZ` (EIP-7939).
    pub(crate) fn clz(&mut self, value: Word) -> Word {
        if let Some(value) = value.known() {
            return Word::constant(rialto_vm::arith::clz(value));
        }
        // From the least significant limb up, each of which that is not 0 decides anew.
        let mut count = Limb::Const(256);
        for (limb, above) in value.0.into_iter().zip([192, 128, 64, 0]) {
            count = match limb {
                Limb::Const(0) => count,
                Limb::Const(limb) => Limb::Const(above + u64::from(limb.leading_zeros())),
                limb => {
                    let limb = self.value(limb);
                    let zeros = self.builder.ins().clz(limb);
                    let zeros = self.builder.ins().iadd_imm_u(zeros, above as i64);
                    let below = self.value(count);
                    Limb::bounded(self.builder.ins().select(limb, zeros, below), 9)
                }
            };
        }
        Word::narrow(count)
    }

    /// Shifted left by a constant, 256 or more for 0.
    pub(super) fn shift_left(&mut self, value: Word, shift: u32) -> Word {
        let (limbs, bits) = ((shift / 64) as usize, shift % 64);
        let at = |i: usize| i.checked_sub(limbs).map_or(Limb::Const(0), |i| value.0[i]);
        Word([0, 1, 2, 3].map(|i| {
            let high = self.shift_limb_left(at(i), bits);
            if bits == 0 || i == 0 {
                return high;
            }
            let low = self.shift_limb_right(at(i - 1), 64 - bits);
            self.or_limb(high, low)
        }))
    }

    /// Shifted right by a constant, 256 or more for 0.
    pub(super) fn shift_right(&mut self, value: Word, shift: u32) -> Word {
        let limbs = (shift / 64) as usize;
        let at = |i: usize| value.0.get(i + limbs).copied().unwrap_or(Limb::Const(0));
        Word([0, 1, 2, 3].map(|i| self.shift_pair_right(at(i), at(i + 1), shift % 64)))
    }

    /// The lower limb of two, shifted right by less than 64. A limb of signs above is its own filling.
    fn shift_pair_right(&mut self, low: Limb, high: Limb, shift: u32) -> Limb {
        let low = self.shift_limb_right(low, shift);
        if shift == 0 {
            return low;
        }
        let high = self.shift_limb_left(high, 64 - shift);
        self.or_limb(low, high)
    }

    /// 64 times the highest bit of the limb.
    pub(super) fn sign(&mut self, limb: Limb) -> Limb {
        match limb {
            Limb::Const(limb) => Limb::Const((limb as i64 >> 63) as u64),
            limb if limb.bits() < 64 => Limb::Const(0),
            limb => {
                let limb = self.value(limb);
                let shift = self.builder.ins().iconst(I64, 63);
                Limb::value(self.builder.ins().sshr(limb, shift))
            }
        }
    }

    /// 1 shifted left: in each limb, the bit if it is that limb's turn.
    fn bit(&mut self, shift: Word) -> Word {
        let (low, high) = self.as_small(shift);
        let (one, zero) = (self.value(Limb::Const(1)), self.value(Limb::Const(0)));
        let amount = self.value(low);
        let bit = self.builder.ins().ishl(one, amount);
        let turn = self.shift_limb_right(low, 6);
        let turn = match high {
            Limb::Const(0) => turn,
            high => {
                // Any bit above makes it no limb's turn.
                let high = self.value(high);
                let none = self.value(Limb::Const(4));
                let turn = self.value(turn);
                Limb::value(self.builder.ins().select(high, none, turn))
            }
        };
        let turn = self.value(turn);
        Word([0, 1, 2, 3].map(|i| {
            let is_turn = self.builder.ins().icmp_imm_u(IntCC::Equal, turn, i);
            Limb::value(self.builder.ins().select(is_turn, bit, zero))
        }))
    }
}

/// The amount of a shift that is known, 256 for all above.
fn small(shift: Word) -> Option<u32> {
    shift.known().map(|shift| shift.saturating_to::<u32>().min(256))
}
