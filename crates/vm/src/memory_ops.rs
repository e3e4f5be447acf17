//! Opcodes that read and write memory, and the growth of memory that they pay for.
//!
//! Every method here is called by the dispatch loop with the stack pointer (one past the top) and the gas left.
//!
//! # Safety
//! `sp` has at least as many initialised words below it as the opcode table says the opcode pops.

use crate::arith::by_limbs;
use crate::frame::Input;
use crate::interpreter::{Exit, Next, fail};
use crate::memory::{MAX_BYTES, append, memory_gas};
use crate::{Halt, Vm};
use alloc::vec::Vec;
use alloy_primitives::{B256, U256};
use rialto_state::{Log, Topics};

/// Gas for each word that is copied.
const COPY_WORD_GAS: u64 = 3;
/// Gas for each word that is hashed.
pub(crate) const KECCAK_WORD_GAS: u64 = 6;
/// Gas for each byte of a log's data.
const LOG_BYTE_GAS: u64 = 8;

/// The word `depth` below the stack pointer, 1 for the top.
///
/// # Safety
/// At least `depth` words lie below `sp`.
#[inline(always)]
pub(crate) unsafe fn word<'a>(sp: *mut U256, depth: usize) -> &'a mut U256 {
    // SAFETY: by the caller's promise.
    unsafe { &mut *sp.sub(depth) }
}

/// The value of a word that counts bytes, or the largest there is where it does not fit.
#[inline(always)]
pub(crate) fn saturate(word: &U256) -> u64 {
    let limbs = word.as_limbs();
    if limbs[1] | limbs[2] | limbs[3] != 0 { u64::MAX } else { limbs[0] }
}

/// As [`saturate`], for an offset into data that may lie anywhere.
pub(crate) fn saturate_offset(word: &U256) -> usize {
    usize::try_from(saturate(word)).unwrap_or(usize::MAX)
}

/// Words that hold `bytes`.
#[inline(always)]
pub(crate) const fn words(bytes: u64) -> u64 {
    bytes.div_ceil(32)
}

impl Vm<'_> {
    /// Grows memory so that `offset..offset + len` exists, charging for it. Offset, length and gas left; `None` where the
    /// gas does not suffice. A length of zero grows nothing whatever the offset, which is then 0.
    #[inline]
    pub(crate) fn grow(&mut self, offset: &U256, len: &U256, gas: u64) -> Option<(usize, usize, u64)> {
        self.grow_range(saturate(offset), saturate(len), gas)
    }

    /// As [`Vm::grow`], of numbers that are the largest there is where the words did not fit.
    #[inline]
    pub(crate) fn grow_range(&mut self, offset: u64, len: u64, gas: u64) -> Option<(usize, usize, u64)> {
        if len == 0 {
            return Some((0, 0, gas));
        }
        let end = offset.checked_add(len)?;
        if end <= self.memory.len() as u64 {
            return Some((offset as usize, len as usize, gas));
        }
        let gas = self.grow_to(end, gas)?;
        Some((offset as usize, len as usize, gas))
    }

    #[cold]
    fn grow_to(&mut self, end: u64, gas: u64) -> Option<u64> {
        if end > MAX_BYTES {
            return None;
        }
        let cost = memory_gas(words(end)) - memory_gas(words(self.memory.len() as u64));
        let gas = gas.checked_sub(cost)?;
        self.memory.grow(32 * words(end) as usize);
        Some(gas)
    }

    /// The word at `offset`, if memory reaches so far.
    #[inline(always)]
    pub(crate) fn word_in_memory(&self, offset: U256) -> Option<U256> {
        let bytes = self.memory.bytes();
        let offset = saturate(&offset);
        let end = offset.checked_add(32)?;
        if end > bytes.len() as u64 {
            return None;
        }
        let word: &[u8; 32] = bytes[offset as usize..end as usize].try_into().expect("32 bytes");
        Some(U256::from_be_bytes(*word))
    }

    /// Writes the word at `offset`, if memory reaches so far.
    #[inline(always)]
    pub(crate) fn set_word_in_memory(&mut self, offset: U256, word: U256) -> bool {
        let bytes = self.memory.bytes_mut();
        let offset = saturate(&offset);
        let Some(end) = offset.checked_add(32) else { return false };
        if end > bytes.len() as u64 {
            return false;
        }
        bytes[offset as usize..end as usize].copy_from_slice(&word.to_be_bytes::<32>());
        true
    }

    #[inline(never)]
    pub(crate) unsafe fn op_mload(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: MLOAD pops 1.
        let target = unsafe { word(sp, 1) };
        let Some((offset, _, gas)) = self.grow(target, &U256::from(32), gas) else { return fail(Halt::OutOfGas) };
        let bytes: &[u8; 32] = self.memory.bytes()[offset..offset + 32].try_into().expect("32 bytes");
        *target = U256::from_be_bytes(*bytes);
        (gas, None)
    }

    #[inline(never)]
    pub(crate) unsafe fn op_mstore(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: MSTORE pops 2.
        let (offset, value) = unsafe { (word(sp, 1), word(sp, 2)) };
        let Some((offset, _, gas)) = self.grow(offset, &U256::from(32), gas) else { return fail(Halt::OutOfGas) };
        self.memory.bytes_mut()[offset..offset + 32].copy_from_slice(&value.to_be_bytes::<32>());
        (gas, None)
    }

    #[inline(never)]
    pub(crate) unsafe fn op_mstore8(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: MSTORE8 pops 2.
        let (offset, value) = unsafe { (word(sp, 1), word(sp, 2)) };
        let Some((offset, _, gas)) = self.grow(offset, &U256::ONE, gas) else { return fail(Halt::OutOfGas) };
        self.memory.bytes_mut()[offset] = value.byte(0);
        (gas, None)
    }

    #[inline(never)]
    pub(crate) unsafe fn op_mcopy(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: MCOPY pops 3.
        let (target, source, len) = unsafe { (word(sp, 1), word(sp, 2), word(sp, 3)) };
        let Some(gas) = gas.checked_sub(copy_gas(len)) else { return fail(Halt::OutOfGas) };
        let Some((target, _, gas)) = self.grow(target, len, gas) else { return fail(Halt::OutOfGas) };
        let Some((source, len, gas)) = self.grow(source, len, gas) else { return fail(Halt::OutOfGas) };
        self.memory.bytes_mut().copy_within(source..source + len, target);
        (gas, None)
    }

    #[inline(never)]
    pub(crate) unsafe fn op_keccak256(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: KECCAK256 pops 2.
        let (offset, target) = unsafe { (word(sp, 1), word(sp, 2)) };
        match self.hash_memory(saturate(offset), saturate(target), gas) {
            Some((hash, gas)) => {
                *target = hash;
                (gas, None)
            }
            None => fail(Halt::OutOfGas),
        }
    }

    /// Keccak-256 of a range of memory, and gas left after paying for it and for the memory.
    #[inline]
    pub(crate) fn hash_memory(&mut self, offset: u64, len: u64, gas: u64) -> Option<(U256, u64)> {
        let gas = gas.checked_sub(KECCAK_WORD_GAS.saturating_mul(words(len)))?;
        let (offset, len, gas) = self.grow_range(offset, len, gas)?;
        Some((self.keccak_cache.hash(&self.memory.bytes()[offset..offset + len]), gas))
    }

    /// The frame's call data.
    #[inline]
    pub(crate) fn input(&self) -> &[u8] {
        match &self.frame.input {
            Input::Memory(start, len) => self.memory.absolute(*start, *len),
            Input::Bytes(bytes) => bytes,
        }
    }

    #[inline(never)]
    pub(crate) unsafe fn op_calldataload(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: CALLDATALOAD pops 1.
        let target = unsafe { word(sp, 1) };
        *target = self.call_data_word(*target);
        (gas, None)
    }

    /// Bytes of the code that runs.
    #[inline]
    pub(crate) fn code_len(&self) -> usize {
        self.frame.code_len
    }

    /// The word at `offset` of the call data, with zeros where it ends.
    #[inline]
    pub(crate) fn call_data_word(&self, offset: U256) -> U256 {
        let input = self.input();
        let offset = saturate_offset(&offset);
        let Some(rest) = input.get(offset..) else { return U256::ZERO };
        if let Some(bytes) = rest.first_chunk::<32>() {
            return U256::from_be_bytes(*bytes);
        }
        let mut bytes = [0; 32];
        bytes[..rest.len()].copy_from_slice(rest);
        U256::from_be_bytes(bytes)
    }

    #[inline(never)]
    pub(crate) unsafe fn op_calldatacopy(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: CALLDATACOPY pops 3.
        let (target, source, len) = unsafe { (word(sp, 1), word(sp, 2), word(sp, 3)) };
        let Some((target, len, gas)) = self.grow_for_copy(target, len, gas) else { return fail(Halt::OutOfGas) };
        let source = saturate_offset(source);
        match &self.frame.input {
            Input::Memory(start, input_len) => {
                self.memory.copy_within_padded(target, len, (*start, *input_len), source);
            }
            Input::Bytes(bytes) => self.memory.copy_padded(target, len, bytes, source),
        }
        (gas, None)
    }

    #[inline(never)]
    pub(crate) unsafe fn op_codecopy(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: CODECOPY pops 3.
        let (target, source, len) = unsafe { (word(sp, 1), word(sp, 2), word(sp, 3)) };
        let Some((target, len, gas)) = self.grow_for_copy(target, len, gas) else { return fail(Halt::OutOfGas) };
        // SAFETY: the frame's owner keeps the program alive.
        let code = unsafe { &(*self.frame.program).bytes };
        self.memory.copy_padded(target, len, code, saturate_offset(source));
        (gas, None)
    }

    #[inline(never)]
    pub(crate) unsafe fn op_returndatacopy(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: RETURNDATACOPY pops 3.
        let (target, source, len) = unsafe { (word(sp, 1), word(sp, 2), word(sp, 3)) };
        let end = saturate(source).checked_add(saturate(len));
        if end.is_none_or(|end| end > self.return_data.len() as u64) {
            return fail(Halt::ReturnDataOutOfBounds);
        }
        let Some((target, len, gas)) = self.grow_for_copy(target, len, gas) else { return fail(Halt::OutOfGas) };
        self.memory.copy_padded(target, len, &self.return_data, saturate_offset(source));
        (gas, None)
    }

    /// Charges for copying `len` bytes to `target` and for the memory they need.
    pub(crate) fn grow_for_copy(&mut self, target: &U256, len: &U256, gas: u64) -> Option<(usize, usize, u64)> {
        let gas = gas.checked_sub(copy_gas(len))?;
        self.grow(target, len, gas)
    }

    #[inline(never)]
    pub(crate) unsafe fn op_log(&mut self, sp: *mut U256, gas: u64, count: usize) -> Next {
        if self.frame.is_static {
            return fail(Halt::StaticViolation);
        }
        // SAFETY: LOG0 to LOG4 pop 2 words and a word for each topic.
        let (offset, len) = unsafe { (word(sp, 1), word(sp, 2)) };
        let cost = LOG_BYTE_GAS.saturating_mul(saturate(len));
        let Some(gas) = gas.checked_sub(cost) else { return fail(Halt::OutOfGas) };
        let Some((offset, len, gas)) = self.grow(offset, len, gas) else { return fail(Halt::OutOfGas) };
        let mut data = Vec::with_capacity(len);
        append(&mut data, &self.memory.bytes()[offset..offset + len]);
        // SAFETY: as above; the first topic is the third word.
        let topics = Topics::from_fn(count, |i| B256::from(by_limbs(unsafe { word(sp, 3 + i) })));
        self.emit(Log { address: self.frame.address, topics, data: data.into() });
        (gas, None)
    }

    #[inline(never)]
    pub(crate) unsafe fn op_return(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: RETURN pops 2.
        let (offset, len) = unsafe { (word(sp, 1), word(sp, 2)) };
        self.end_with(saturate(offset), saturate(len), gas, Exit::Done)
    }

    #[inline(never)]
    pub(crate) unsafe fn op_revert(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: REVERT pops 2.
        let (offset, len) = unsafe { (word(sp, 1), word(sp, 2)) };
        self.end_with(saturate(offset), saturate(len), gas, Exit::Failed(Halt::Revert))
    }

    /// Ends the frame with a range of memory as its return data.
    #[inline]
    pub(crate) fn end_with(&mut self, offset: u64, len: u64, gas: u64, exit: Exit) -> Next {
        let Some((offset, len, gas)) = self.grow_range(offset, len, gas) else { return fail(Halt::OutOfGas) };
        self.return_data.clear();
        append(&mut self.return_data, &self.memory.bytes()[offset..offset + len]);
        (gas, Some(exit))
    }

    #[inline(never)]
    pub(crate) unsafe fn op_exp(&mut self, sp: *mut U256, gas: u64) -> Next {
        // SAFETY: EXP pops 2.
        let (base, exponent) = unsafe { (word(sp, 1), word(sp, 2)) };
        let cost = self.rules.exp_byte_gas * exponent.byte_len() as u64;
        let Some(gas) = gas.checked_sub(cost) else { return fail(Halt::OutOfGas) };
        *exponent = by_limbs(&crate::arith::exp(base, exponent));
        (gas, None)
    }
}

fn copy_gas(len: &U256) -> u64 {
    COPY_WORD_GAS.saturating_mul(words(saturate(len)))
}
