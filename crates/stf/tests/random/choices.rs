//! Arbitrary bytes as a stream of choices.
//!
//! What a generator builds is a function of the bytes alone, so a fuzzer that changes a byte changes one choice, and a
//! failing input can be shrunk. Past the end come zeros; generators make zero the simplest choice and stop when the
//! bytes are used up, so every input describes something finite.

use alloy_primitives::{Bytes, U256};

pub struct Choices<'a> {
    bytes: &'a [u8],
}

impl<'a> Choices<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    /// Whether all bytes are used up.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        match self.bytes.split_first() {
            Some((first, rest)) => {
                self.bytes = rest;
                *first
            }
            None => 0,
        }
    }

    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// A number below `end`, which is at most 256.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) * end / 256
    }

    /// Whether something happens that does so in `n` of 256 cases.
    pub fn happens(&mut self, n: u8) -> bool {
        // Not with zero: what is rare is not simple.
        self.byte() > 255 - n
    }

    pub fn one_of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    pub fn bytes(&mut self, len: usize) -> Bytes {
        (0..len).map(|_| self.byte()).collect::<Vec<u8>>().into()
    }

    /// A word, often one at which something changes.
    pub fn word(&mut self) -> U256 {
        let small = U256::from(self.byte());
        match self.below(8) {
            0..3 => small,
            3 => U256::from(self.u16()),
            4 => U256::MAX - small,
            // Around a power of two.
            5 => (U256::ONE << usize::from(self.byte())).wrapping_add(small).wrapping_sub(U256::from(2)),
            6 => U256::from_be_slice(&self.bytes(8)),
            _ => U256::from_be_slice(&self.bytes(32)),
        }
    }
}
