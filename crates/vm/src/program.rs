//! Bytecode made ready to run.
//!
//! A [`Program`] is a copy of the code, byte for byte at the same offsets (so a program counter means the same in both),
//! in which some opcode bytes are replaced:
//!
//! * a byte that is no opcode under the fork becomes INVALID, so that the interpreter needs no fork checks and every
//!   number that Ethereum has not assigned is free for internal use;
//! * the first byte of a common sequence becomes a *fused* opcode, which does the whole sequence in one dispatch with
//!   one gas check and one stack check (the sums and extremes come from the opcode table).
//!
//! Why that is exact: a fused sequence contains no JUMPDEST, so no jump can enter its middle; it contains only pure
//! stack and memory operations, so failing at its start instead of its middle can't be observed (both end the frame with
//! all its gas gone and everything reverted). A tracer runs the unfused translation.
//!
//! The copy is padded with zeros (STOP) behind, so that reading past the end is a STOP or a zero immediate as the Yellow
//! Paper says, and in front, so that an immediate can be loaded as the 32 bytes that end with it.

use crate::tier::Slot;
use crate::{Fork, opcode as op};
use alloc::{boxed::Box, sync::Arc, vec, vec::Vec};
use alloy_primitives::Bytes;
use once_cell::race::OnceBox;
use rialto_state::Code;

/// Zero bytes in front of the code.
pub(crate) const FRONT_PADDING: usize = 32;
/// Zero bytes behind the code: longer than any opcode, fused or not, with its immediates.
const BACK_PADDING: usize = 48;

/// A sequence of opcodes that is run as one.
pub(crate) struct Fusion {
    /// The internal opcode.
    pub number: u8,
    /// The opcodes it stands for.
    pub sequence: &'static [u8],
}

impl Fusion {
    /// Gas of the whole sequence.
    pub const fn gas(&self) -> u64 {
        let mut sum = 0;
        let mut i = 0;
        while i < self.sequence.len() {
            sum += op::static_gas(self.sequence[i]);
            i += 1;
        }
        sum
    }

    /// Words that must be on the stack, and words by which it grows at its highest.
    pub const fn need_and_growth(&self) -> (usize, usize) {
        let (mut height, mut need, mut growth) = (0i32, 0i32, 0i32);
        let mut i = 0;
        while i < self.sequence.len() {
            let (pops, pushes) = op::stack_effect(self.sequence[i]);
            if pops - height > need {
                need = pops - height;
            }
            height += pushes - pops;
            if height > growth {
                growth = height;
            }
            i += 1;
        }
        (need as usize, growth as usize)
    }

    /// Bytes of the sequence with its immediates.
    pub const fn len(&self) -> usize {
        let mut sum = 0;
        let mut i = 0;
        while i < self.sequence.len() {
            sum += 1 + op::push_bytes(self.sequence[i]);
            i += 1;
        }
        sum
    }
}

macro_rules! fusions {
    ($($number:literal $name:ident = $($part:ident)+;)*) => {
        /// Numbers of the fused opcodes.
        pub(crate) mod fused {
            $(pub(crate) const $name: u8 = $number;)*
        }

        /// Every fusion; of those that begin alike, the longest first.
        pub(crate) const FUSIONS: &[Fusion] = &[$(Fusion { number: $number, sequence: &[$(op::$part),+] }),*];
    };
}

fusions! {
    0x2f ADDRESS_MASK_AND = PUSH1 PUSH1 PUSH1 SHL SUB AND;
    0x2e ADDRESS_MASK = PUSH1 PUSH1 PUSH1 SHL SUB;
    0x23 PUSH1_PUSH1 = PUSH1 PUSH1;
    0x0c PUSH1_ADD = PUSH1 ADD;
    0x0d PUSH1_SHL = PUSH1 SHL;
    0x0e PUSH1_SHR = PUSH1 SHR;
    0x0f PUSH1_AND = PUSH1 AND;
    0x1f PUSH1_MLOAD = PUSH1 MLOAD;
    0x21 PUSH1_MSTORE = PUSH1 MSTORE;
    0x22 PUSH1_DUP1 = PUSH1 DUP1;
    0x24 PUSH2_JUMP = PUSH2 JUMP;
    0x25 PUSH2_JUMPI = PUSH2 JUMPI;
    0x26 ISZERO_PUSH2_JUMPI = ISZERO PUSH2 JUMPI;
    0x4f ISZERO_ISZERO = ISZERO ISZERO;
    0x27 SELECTOR_EQ = DUP1 PUSH4 EQ PUSH2 JUMPI;
    0x28 SELECTOR_GT = DUP1 PUSH4 GT PUSH2 JUMPI;
    0xa8 DUP1_MLOAD = DUP1 MLOAD;
    0xa9 LT_ISZERO_PUSH2_JUMPI = LT ISZERO PUSH2 JUMPI;
    0x4d LT_PUSH2_JUMPI = LT PUSH2 JUMPI;
    0xab GT_ISZERO_PUSH2_JUMPI = GT ISZERO PUSH2 JUMPI;
    0xaa GT_PUSH2_JUMPI = GT PUSH2 JUMPI;
    0x4e EQ_PUSH2_JUMPI = EQ PUSH2 JUMPI;
    0x29 SWAP1_POP = SWAP1 POP;
    0x2d SWAP1_JUMP = SWAP1 JUMP;
    0x2b SWAP2_POP = SWAP2 POP;
    0x2c SWAP3_POP = SWAP3 POP;
    0x2a POP_POP = POP POP;
    0xac POP_JUMP = POP JUMP;
    0x4c PUSH20_AND = PUSH20 AND;
    0xa5 DUP2_ADD = DUP2 ADD;
    0xa6 DUP2_MLOAD = DUP2 MLOAD;
    0xa7 DUP2_MSTORE = DUP2 MSTORE;
}

/// The fusion with this internal number.
pub(crate) const fn fusion(number: u8) -> &'static Fusion {
    let mut i = 0;
    while i < FUSIONS.len() {
        if FUSIONS[i].number == number {
            return &FUSIONS[i];
        }
        i += 1;
    }
    panic!("no such fusion")
}

/// For each opcode, the range of [`FUSIONS`] that begin with it.
const FUSIONS_BY_FIRST: [(u8, u8); 256] = {
    let mut ranges = [(0, 0); 256];
    let mut i = 0;
    while i < FUSIONS.len() {
        let first = FUSIONS[i].sequence[0] as usize;
        if ranges[first].1 == 0 {
            ranges[first] = (i as u8, i as u8 + 1);
        } else {
            assert!(ranges[first].1 as usize == i, "fusions that begin alike stand together");
            ranges[first].1 = i as u8 + 1;
        }
        assert!(op::TABLE[FUSIONS[i].number as usize].is_none(), "a fusion's number is not an opcode's");
        assert!(FUSIONS[i].len() + 32 <= BACK_PADDING + 32);
        i += 1;
    }
    ranges
};

/// Translated bytecode.
pub(crate) struct Program {
    /// The code as deployed.
    pub bytes: Bytes,
    /// Padding, code, padding, then a bit for each byte of the code: whether a jump may go there.
    buffer: Box<[u8]>,
    /// The compiler tier's slot for it.
    pub slot: OnceBox<Arc<Slot>>,
}

impl Program {
    /// Translates `bytes` for the opcodes of `fork`.
    pub fn new(bytes: Bytes, fork: Fork, fuse: bool) -> Self {
        let len = bytes.len();
        let mut buffer = vec![0u8; FRONT_PADDING + len + BACK_PADDING + len.div_ceil(8)].into_boxed_slice();
        buffer[FRONT_PADDING..FRONT_PADDING + len].copy_from_slice(&bytes);
        let kinds = &KINDS[opcode_set(fork)];
        let (code, jumpdests) = buffer[FRONT_PADDING..].split_at_mut(len + BACK_PADDING);
        let mut jumps = Vec::new();
        let mut pc = 0;
        while pc < len {
            let byte = code[pc];
            match kinds[byte as usize] {
                Kind::Plain => pc += 1,
                Kind::Push => pc += 1 + op::push_bytes(byte),
                Kind::JumpDest => {
                    jumpdests[pc / 8] |= 1 << (pc % 8);
                    pc += 1;
                }
                Kind::Undefined => {
                    code[pc] = op::INVALID;
                    pc += 1;
                }
                // EIP-8024: an immediate that could be a JUMPDEST or a PUSH is invalid and stays an instruction.
                Kind::Immediate => pc += if (0x5b..=0x7f).contains(&code[pc + 1]) { 1 } else { 2 },
                Kind::First if !fuse => pc += 1 + op::push_bytes(byte),
                Kind::First => pc += fuse_at(code, pc, kinds, &mut jumps),
            }
        }
        for jump in jumps {
            if jumpdests.get(jump.target / 8).is_some_and(|byte| byte >> (jump.target % 8) & 1 != 0) {
                code[jump.pc] = jump.number;
            }
        }
        Self { bytes, buffer, slot: OnceBox::new() }
    }

    /// The first instruction.
    pub fn start(&self) -> *const u8 {
        self.buffer[FRONT_PADDING..].as_ptr()
    }

    /// Whether a jump may go to `pc`.
    pub fn is_jumpdest(&self, pc: usize) -> bool {
        // SAFETY: this is what it describes.
        unsafe { Self::is_jumpdest_at(self.start(), self.bytes.len(), pc) }
    }

    /// Whether a jump may go to `pc`, from a program's start and length: two loads less in the interpreter.
    ///
    /// # Safety
    /// `start` and `len` are those of a program that is alive.
    #[inline(always)]
    pub unsafe fn is_jumpdest_at(start: *const u8, len: usize, pc: usize) -> bool {
        // SAFETY: the bits of the first `len` bytes of code stand behind the padding.
        pc < len && unsafe { *start.add(len + BACK_PADDING + pc / 8) } >> (pc % 8) & 1 != 0
    }
}

/// A fused jump whose target is not known to be a destination before the whole code was seen. Where it is none, the
/// sequence stays as it was and fails in its own time.
struct FusedJump {
    pc: usize,
    number: u8,
    target: usize,
}

/// Replaces the opcode at `pc` if a fusion begins there, or notes it in `jumps`; returns the bytes to go on by.
fn fuse_at(code: &mut [u8], pc: usize, kinds: &[Kind; 256], jumps: &mut Vec<FusedJump>) -> usize {
    let (from, to) = FUSIONS_BY_FIRST[code[pc] as usize];
    'fusions: for fusion in &FUSIONS[from as usize..to as usize] {
        let mut at = pc;
        let mut pushed = 0;
        for &part in fusion.sequence {
            if code.get(at) != Some(&part) || kinds[part as usize] == Kind::Undefined {
                continue 'fusions;
            }
            if part == op::PUSH2 {
                pushed = usize::from(u16::from_be_bytes([code[at + 1], code[at + 2]]));
            }
            at += 1 + op::push_bytes(part);
        }
        let is_mask = matches!(fusion.number, fused::ADDRESS_MASK | fused::ADDRESS_MASK_AND);
        if is_mask && code[pc + 1..pc + 6] != [1, op::PUSH1, 1, op::PUSH1, 160] {
            continue;
        }
        if fusion.sequence.contains(&op::PUSH2) {
            jumps.push(FusedJump { pc, number: fusion.number, target: pushed });
        } else {
            code[pc] = fusion.number;
        }
        return at - pc;
    }
    1 + op::push_bytes(code[pc])
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Push,
    JumpDest,
    Undefined,
    Immediate,
    First,
}

/// The forks that changed the set of opcodes, and what each byte is to the translation under them.
const OPCODE_SETS: [Fork; 10] = [
    Fork::Frontier,
    Fork::Homestead,
    Fork::Byzantium,
    Fork::Constantinople,
    Fork::Istanbul,
    Fork::London,
    Fork::Shanghai,
    Fork::Cancun,
    Fork::Osaka,
    Fork::AmsterdamDraft,
];

static KINDS: [[Kind; 256]; OPCODE_SETS.len()] = {
    let mut kinds = [[Kind::Undefined; 256]; OPCODE_SETS.len()];
    let mut set = 0;
    while set < OPCODE_SETS.len() {
        let mut byte = 0;
        while byte < 256 {
            if let Some(opcode) = op::TABLE[byte]
                && opcode.since as u8 <= OPCODE_SETS[set] as u8
            {
                let is_first = FUSIONS_BY_FIRST[byte].1 != 0;
                kinds[set][byte] = if byte as u8 == op::JUMPDEST {
                    Kind::JumpDest
                } else if is_first {
                    Kind::First
                } else if op::push_bytes(byte as u8) > 0 {
                    Kind::Push
                } else if opcode.immediate_bytes > 0 {
                    Kind::Immediate
                } else {
                    Kind::Plain
                };
            }
            byte += 1;
        }
        set += 1;
    }
    kinds
};

/// The number of the set of opcodes that `fork` has: forks that have the same opcodes have the same number.
pub const fn opcode_set(fork: Fork) -> usize {
    let mut set = OPCODE_SETS.len() - 1;
    while OPCODE_SETS[set] as u8 > fork as u8 {
        set -= 1;
    }
    set
}

/// The translations of one code that were needed so far; lives in [`Code::derived`].
struct Translations {
    fused: [OnceBox<Program>; OPCODE_SETS.len()],
    plain: [OnceBox<Program>; OPCODE_SETS.len()],
}

/// The translation of `code` for `fork`, made on first use. It lives as long as `code`.
pub(crate) fn program_of(code: &Code, fork: Fork, fuse: bool) -> &Program {
    let translations =
        code.derived(|| Translations { fused: [const { OnceBox::new() }; 10], plain: [const { OnceBox::new() }; 10] });
    let slots = if fuse { &translations.fused } else { &translations.plain };
    slots[opcode_set(fork)].get_or_init(|| Box::new(Program::new(code.bytes().clone(), fork, fuse)))
}

/// The offsets a jump may go to, for tests and tools.
pub fn jump_destinations(code: &[u8]) -> Vec<usize> {
    let program = Program::new(Bytes::copy_from_slice(code), Fork::Osaka, false);
    (0..code.len()).filter(|&pc| program.is_jumpdest(pc)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_extremes_come_from_the_table() {
        let rows = [
            (fused::PUSH1_ADD, 6, (1, 1), 3),
            (fused::SELECTOR_EQ, 3 + 3 + 3 + 3 + 10, (1, 2), 11),
            (fused::POP_POP, 4, (2, 0), 2),
            (fused::ADDRESS_MASK, 15, (0, 3), 8),
            (fused::DUP2_MSTORE, 6, (2, 1), 2),
        ];
        for (number, gas, stack, len) in rows {
            let fusion = fusion(number);
            assert_eq!((fusion.gas(), fusion.need_and_growth(), fusion.len()), (gas, stack, len), "{number:#04x}");
        }
    }

    #[test]
    fn jump_destinations_are_not_in_push_data() {
        let rows: [(&str, &[u8], &[usize]); 5] = [
            ("plain", &[0x5b, 0x00, 0x5b], &[0, 2]),
            ("in data", &[0x60, 0x5b, 0x5b], &[2]),
            ("truncated push", &[0x5b, 0x7f, 0x5b], &[0]),
            ("behind a fused sequence", &[0x60, 0x01, 0x01, 0x5b], &[3]),
            ("between parts that would fuse", &[0x60, 0x5b, 0x5b, 0x01], &[2]),
        ];
        for (name, code, expected) in rows {
            assert_eq!(jump_destinations(code), expected, "{name}");
        }
    }

    #[test]
    fn undefined_bytes_become_invalid() {
        let rows = [(0x0c, Fork::Osaka), (0x5f, Fork::Paris), (0xe6, Fork::Osaka), (0x1b, Fork::Byzantium)];
        for (byte, fork) in rows {
            let program = Program::new(Bytes::from(vec![byte]), fork, true);
            assert_eq!(program.buffer[FRONT_PADDING], op::INVALID, "{byte:#04x} under {fork}");
        }
    }
}
