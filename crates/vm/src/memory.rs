//! The memory of all open call frames, in one buffer.
//!
//! A frame's memory starts where its caller's ends and goes when the frame ends, so entering and leaving a frame
//! allocates nothing, and a call's input can be read straight from the caller's memory.
//!
//! Where the running frame's memory begins, its length, and how many offsets have a whole word behind them stand ready
//! in three fields, so that an access costs one comparison and one address, in the interpreter and in compiled code,
//! which reads the fields by their offsets (`native`).
//!
//! Programs let memory grow word by word. So some bytes behind what the frame has are made ready with it, zeros that only
//! the length is to be moved over; compiled code does that itself.
//!
//! Bound: gas pays for every word (Yellow Paper, H.1), so the buffer stays below what the transaction's gas buys; see
//! `ARCHITECTURE.md` for the figure. [`MAX_BYTES`] holds whatever the gas.
//!
//! # Safety
//! `start` and `ready` are the part of `buffer` from `base` on, all of it initialised, and `len` is at most `ready`. Whatever
//! changes the buffer or the base ends with [`Memory::settle`], which sets them anew, and nothing else borrows the buffer.

use alloc::vec::Vec;

/// A frame's memory never grows beyond this; the gas for it is above 2^44.
pub(crate) const MAX_BYTES: u64 = 1 << 32;

pub(crate) struct Memory {
    buffer: Vec<u8>,
    base: usize,
    /// The current frame's first byte.
    pub(crate) start: *mut u8,
    /// Bytes of the current frame's memory.
    pub(crate) len: usize,
    /// Offsets at which the current frame's memory has a whole word: `len` - 31, or 0.
    pub(crate) word_offsets: usize,
    /// Bytes from `start` on that there are: those behind `len` are zero.
    pub(crate) ready: usize,
    /// For compiled code: the frame's call data.
    pub(crate) input: *const u8,
    /// Where it is in the buffer, if it is there.
    input_at: Option<usize>,
}

/// Bytes that are made ready at least and at most, beyond what a frame asks for.
const AHEAD: (usize, usize) = (256, 4096);

impl Memory {
    pub fn new() -> Self {
        let buffer = Vec::with_capacity(4096);
        let mut memory = Self {
            buffer,
            base: 0,
            start: core::ptr::null_mut(),
            len: 0,
            word_offsets: 0,
            ready: 0,
            input: core::ptr::null(),
            input_at: None,
        };
        memory.settle(0);
        memory
    }

    /// Points the ready fields at the buffer's part from `base` on, of which the frame has `len` bytes.
    fn settle(&mut self, len: usize) {
        self.ready = self.buffer.len() - self.base;
        debug_assert!(len <= self.ready);
        self.set_len(len);
        // SAFETY: the subtraction above holds the base within the buffer.
        self.start = unsafe { self.buffer.as_mut_ptr().add(self.base) };
        if let Some(at) = self.input_at {
            self.input = self.buffer.as_ptr().wrapping_add(at);
        }
    }

    /// Points `input` at this place in the buffer, and keeps it so when the buffer moves.
    pub fn set_input_at(&mut self, at: usize) {
        self.input_at = Some(at);
        self.input = self.buffer.as_ptr().wrapping_add(at);
    }

    /// Points `input` at bytes that are elsewhere.
    pub fn set_input(&mut self, input: *const u8) {
        (self.input_at, self.input) = (None, input);
    }

    fn set_len(&mut self, len: usize) {
        self.len = len;
        self.word_offsets = len.saturating_sub(31);
    }

    /// Bytes of the current frame's memory; a multiple of 32.
    #[inline]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Offset in the buffer at which the current frame's memory begins.
    pub fn base(&self) -> usize {
        self.base
    }

    /// Begins a frame's memory behind the current one's.
    pub fn open(&mut self) {
        self.base += self.len;
        self.buffer.truncate(self.base);
        self.buffer.resize(self.base + AHEAD.0, 0);
        self.settle(0);
    }

    /// Drops the current frame's memory and returns to the one at `base`, which ended where this one began.
    pub fn close(&mut self, base: usize) {
        assert!(base <= self.base);
        self.buffer.truncate(self.base);
        let len = self.base - base;
        self.base = base;
        self.settle(len);
    }

    /// Drops everything.
    pub fn clear(&mut self) {
        self.buffer.clear();
        self.buffer.resize(AHEAD.0, 0);
        self.base = 0;
        self.settle(0);
    }

    /// Grows the current frame's memory to `len` bytes of which the new ones are zero.
    pub fn grow(&mut self, len: usize) {
        debug_assert!(len.is_multiple_of(32) && len > self.len());
        if len <= self.ready {
            return self.set_len(len);
        }
        let ahead = (len / 8).clamp(AHEAD.0, AHEAD.1);
        self.buffer.resize(self.base + len + ahead, 0);
        self.settle(len);
    }

    /// The current frame's memory.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `start` and `len` are a part of the buffer, which `self` borrows.
        unsafe { core::slice::from_raw_parts(self.start, self.len) }
    }

    /// The current frame's memory.
    #[inline]
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and the borrow is exclusive.
        unsafe { core::slice::from_raw_parts_mut(self.start, self.len) }
    }

    /// Bytes of any open frame, by offset in the buffer.
    #[inline]
    pub fn absolute(&self, start: usize, len: usize) -> &[u8] {
        assert!(start <= self.base + self.len && len <= self.base + self.len - start);
        // SAFETY: the range was just checked against the buffer, which begins `base` before `start` and is initialised.
        unsafe { core::slice::from_raw_parts(self.start.sub(self.base).add(start), len) }
    }

    /// Copies `data[data_offset..]` to `offset..offset + len`, with zeros where the data ends.
    pub fn copy_padded(&mut self, offset: usize, len: usize, data: &[u8], data_offset: usize) {
        let target = &mut self.bytes_mut()[offset..offset + len];
        copy_padded(target, data, data_offset);
    }

    /// As [`Memory::copy_padded`], from another open frame's memory.
    pub fn copy_within_padded(&mut self, offset: usize, len: usize, source: (usize, usize), data_offset: usize) {
        let (start, source_len) = source;
        let (before, current) = self.buffer.split_at_mut(self.base);
        let target = &mut current[..self.len][offset..offset + len];
        copy_padded(target, &before[start..start + source_len], data_offset);
        self.settle(self.len);
    }
}

/// Appends the bytes. A word, which mostly was written a moment ago limb by limb, is read so: memory is slow to read in wider
/// pieces than it has just been written in.
#[inline]
pub(crate) fn append(target: &mut Vec<u8>, bytes: &[u8]) {
    #[repr(C, packed)]
    struct Limb(u64);

    let Ok(word) = <&[u8; 32]>::try_from(bytes) else { return target.extend_from_slice(bytes) };
    target.reserve(32);
    let len = target.len();
    for (limb, i) in word.chunks_exact(8).zip(0..) {
        let limb = u64::from_ne_bytes(limb.try_into().expect("8 bytes"));
        // SAFETY: room for 32 bytes was just made, and the type has no alignment. Volatile writes are not joined to wider ones.
        unsafe { target.as_mut_ptr().add(len).cast::<Limb>().add(i).write_volatile(Limb(limb)) };
    }
    // SAFETY: they were just written.
    unsafe { target.set_len(len + 32) };
}

fn copy_padded(target: &mut [u8], data: &[u8], data_offset: usize) {
    let data = data.get(data_offset..).unwrap_or_default();
    let copied = data.len().min(target.len());
    target[..copied].copy_from_slice(&data[..copied]);
    target[copied..].fill(0);
}

/// Gas for a memory of `words` words in total (Yellow Paper, equation 326).
#[inline]
pub(crate) const fn memory_gas(words: u64) -> u64 {
    3 * words + words * words / 512
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_appended() {
        let bytes: Vec<u8> = (0..100).collect();
        for len in [0, 1, 31, 32, 33, 64, 100] {
            let mut target = alloc::vec![7];
            append(&mut target, &bytes[..len]);
            assert_eq!((target[0], &target[1..]), (7, &bytes[..len]), "{len}");
        }
    }

    #[test]
    fn what_grows_is_zero_whoever_wrote_there_before() {
        let mut memory = Memory::new();
        memory.grow(64);
        memory.bytes_mut().fill(1);
        for len in [32, 96, 1_000 * 32, 20_000 * 32] {
            let base = memory.base();
            memory.open();
            assert!(memory.bytes().is_empty() && memory.ready > 0);
            for len in [32, len] {
                if len > memory.len() {
                    let before = memory.len();
                    memory.grow(len);
                    assert_eq!((memory.len(), memory.word_offsets), (len, len - 31));
                    assert!(memory.ready >= len);
                    assert!(memory.bytes()[before..].iter().all(|&byte| byte == 0), "{len}");
                    memory.bytes_mut().fill(2);
                }
            }
            memory.close(base);
            let before = memory.len();
            assert!(memory.bytes().iter().all(|&byte| byte == 1));
            memory.grow(before + 32);
            assert!(memory.bytes()[before..].iter().all(|&byte| byte == 0), "behind a frame of {len}");
            memory.bytes_mut().fill(1);
        }
    }
}
