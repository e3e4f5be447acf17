//! Dispatch: one handler for each opcode, each of which goes straight to the next one's.
//!
//! A handler gets the machine's hot state as arguments, so in registers: the instruction pointer, the stack pointer, the
//! gas left and the base of the stack. It ends by calling the next opcode's handler with that state. The call is the last
//! thing it does, and the compiler turns it into a jump, so a program runs on one host frame, every opcode has an
//! indirect jump of its own for the processor to predict, and no state goes through memory. For that a handler must not
//! have locals whose address is taken: what needs them is a method of its own.
//!
//! Turning the call into a jump is an optimisation, which builds without optimisation do not make. Every handler
//! therefore exists in a second form, in which it returns to a loop after each opcode. That form runs wherever the first
//! would grow the stack (see `build.rs`), and wherever a tracer looks at every step.
//!
//! # Safety
//! Three invariants make the raw pointers sound:
//!
//! 1. `ip` stays inside the translation: it moves forward by the length of the opcode just run, the translation ends
//!    with more STOPs than any opcode is long, and jumps go only to marked destinations inside the code.
//! 2. `sp` stays inside the frame's 1,024 words: before an opcode runs, the words it pops and the growth it needs, both
//!    taken from the opcode table, are checked against the frame's bounds; `reserve_stack` made room for all of them.
//! 3. Neither buffer moves while handlers run: opening or leaving a frame ends the run, and the frame's `owner` holds
//!    the translation.

use crate::instructions::HANDLERS;
#[cfg(rialto_threaded)]
use crate::instructions::THREADED_HANDLERS;
use crate::opcode as op;
use crate::program::FRONT_PADDING;
use crate::tracer::Step;
use crate::{Halt, Vm};
use alloy_primitives::U256;
use rialto_state::ReadError;

/// How a run of the interpreter ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Another frame is current now.
    Opened,
    /// The frame succeeded, its output is in the return data.
    Done,
    /// The frame failed.
    Failed(Halt),
    /// State could not be read; the error is in `fatal`.
    Fatal,
    /// One opcode was run and the state after it is in `registers`: not the end yet.
    Stepped,
}

/// Gas left after an opcode, and where to go if not to the next one.
pub(crate) type Next = (u64, Option<Exit>);

/// Ends the frame for `halt`.
#[cold]
pub(crate) fn fail(halt: Halt) -> Next {
    (0, Some(Exit::Failed(halt)))
}

/// Runs an opcode: the machine, instruction pointer, stack pointer (one past the top), gas left, base of the stack.
pub(crate) type Handler = unsafe fn(&mut Vm<'_>, *const u8, *mut U256, u64, *mut U256) -> Exit;

/// The hot state between two steps, where it can't stay in registers.
#[derive(Clone, Copy)]
pub(crate) struct Registers {
    pub ip: *const u8,
    pub sp: *mut U256,
    pub gas: u64,
}

impl Vm<'_> {
    /// Runs the current frame until it ends or opens another: natively where the tier can, in steps otherwise.
    pub(crate) fn interpret(&mut self) -> Exit {
        if let Some(tier) = self.tier
            && self.tracer.is_none()
            && let Some(exit) = self.run_native(tier)
        {
            return exit;
        }
        // SAFETY: `pc` is where this frame stopped, inside the translation (invariant 1); `reserve_stack` made room for
        // STACK_LIMIT words from `stack_base` on (invariant 2).
        let (ip, base) = unsafe {
            (self.frame.code.add(self.frame.pc), self.stack.as_mut_ptr().cast::<U256>().add(self.frame.stack_base))
        };
        let sp = unsafe { base.add(self.frame.stack_len) };
        let gas = self.frame.gas;
        #[cfg(rialto_threaded)]
        if self.tracer.is_none() {
            // SAFETY: the three invariants.
            return unsafe { THREADED_HANDLERS[usize::from(*ip)](self, ip, sp, gas, base) };
        }
        self.interpret_stepwise(Registers { ip, sp, gas }, base)
    }

    fn interpret_stepwise(&mut self, mut registers: Registers, base: *mut U256) -> Exit {
        loop {
            if self.tracer.is_some() && self.trace_step(registers, base) {
                return self.stopped();
            }
            let Registers { ip, sp, gas } = registers;
            // SAFETY: the three invariants.
            let exit = unsafe { HANDLERS[usize::from(*ip)](self, ip, sp, gas, base) };
            if exit != Exit::Stepped {
                return exit;
            }
            registers = self.registers;
        }
    }

    /// Ends the run because the tracer has enough.
    #[cold]
    fn stopped(&mut self) -> Exit {
        self.fatal = Some(ReadError::Backend("stopped by the tracer".into()));
        Exit::Fatal
    }

    /// Shows the opcode at hand; whether the tracer has enough.
    fn trace_step(&mut self, registers: Registers, base: *mut U256) -> bool {
        let depth = self.frames.len() + 1;
        let refund = self.journal.refund();
        let (program, address) = (self.frame.program, self.frame.address);
        let Registers { ip, sp, gas } = registers;
        let pc = ip as usize - self.frame.code as usize;
        // SAFETY: `base..sp` are the frame's initialised words (invariant 2); the owner holds the program (invariant 3).
        let (stack, program) = unsafe { (core::slice::from_raw_parts(base, sp.offset_from_unsigned(base)), &*program) };
        let opcode = program.bytes.get(pc).copied().unwrap_or(op::STOP);
        let memory = self.memory.bytes();
        let return_data = &self.return_data;
        let Some(tracer) = &mut self.tracer else { return false };
        let step = Step { pc, opcode, gas, depth, stack, memory, return_data, refund, address };
        tracer.step_on(step, &self.journal);
        tracer.has_enough()
    }
}

/// The `COUNT` bytes behind the opcode at `ip` as a word.
///
/// # Safety
/// `ip` points at an opcode with `COUNT` immediate bytes inside a translation.
#[inline(always)]
pub(crate) unsafe fn immediate<const COUNT: usize>(ip: *const u8) -> U256 {
    // The 32 bytes that end with the immediate: the front padding makes them exist for the first opcode too.
    const { assert!(FRONT_PADDING >= 32 && COUNT <= 32) };
    let mut limbs = [0u64; 4];
    // SAFETY: by the caller's promise and the padding, all 32 bytes lie in the translation.
    let end = unsafe { ip.add(1 + COUNT) };
    let mut limb = 0;
    while limb < COUNT.div_ceil(8) {
        let bytes = unsafe { end.sub(8 * (limb + 1)).cast::<[u8; 8]>().read() };
        let used = COUNT - 8 * limb;
        let mask = if used >= 8 { u64::MAX } else { (1 << (8 * used)) - 1 };
        limbs[limb] = u64::from_be_bytes(bytes) & mask;
        limb += 1;
    }
    U256::from_limbs(limbs)
}

/// A jump's target; a word beyond any code's length stays beyond it.
#[inline(always)]
pub(crate) fn jump_target(word: U256) -> usize {
    let limbs = word.as_limbs();
    if limbs[1] | limbs[2] | limbs[3] != 0 { usize::MAX } else { usize::try_from(limbs[0]).unwrap_or(usize::MAX) }
}

/// The depth in the immediate of DUPN and SWAPN (EIP-8024); `None` for those that would hide a JUMPDEST or PUSH.
pub(crate) fn single_depth(immediate: u8) -> Option<usize> {
    match immediate {
        91..=127 => None,
        _ => Some((usize::from(immediate) + 145) % 256),
    }
}

/// The two depths in the immediate of EXCHANGE (EIP-8024), the smaller first.
pub(crate) fn pair_depths(immediate: u8) -> Option<(usize, usize)> {
    if let 82..=127 = immediate {
        return None;
    }
    let k = usize::from(immediate ^ 143);
    let (q, r) = (k / 16, k % 16);
    Some(if q < r { (q + 1, r + 1) } else { (r + 1, 29 - q) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn immediates_are_the_last_bytes() {
        let mut buffer = [0xffu8; 80];
        for (i, byte) in buffer[33..65].iter_mut().enumerate() {
            *byte = i as u8 + 1;
        }
        let ip = &raw const buffer[32];
        // SAFETY: 32 bytes lie before and 32 after the opcode.
        unsafe {
            assert_eq!(immediate::<1>(ip), U256::from(1));
            assert_eq!(immediate::<2>(ip), U256::from(0x0102));
            assert_eq!(immediate::<9>(ip), U256::from_be_slice(&buffer[33..42]));
            assert_eq!(immediate::<20>(ip), U256::from_be_slice(&buffer[33..53]));
            assert_eq!(immediate::<32>(ip), U256::from_be_slice(&buffer[33..65]));
        }
    }

    #[test]
    fn depths_of_eip_8024() {
        let single =
            [(0x80, Some(17)), (0x00, Some(145)), (0x5a, Some(235)), (0x5b, None), (0x7f, None), (0xff, Some(144))];
        for (immediate, expected) in single {
            assert_eq!(single_depth(immediate), expected, "{immediate:#04x}");
        }
        for immediate in 0..=255u8 {
            if let Some((near, far)) = pair_depths(immediate) {
                assert!(near >= 1 && near < far && far <= 29, "{immediate:#04x}: {near} {far}");
            }
        }
    }
}
