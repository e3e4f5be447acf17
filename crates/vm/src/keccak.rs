//! Keccak-256 with a memory for short inputs.
//!
//! Contracts hash the same 64 bytes (key, slot) again and again to find the place of a mapping's entry. A small
//! direct-mapped table remembers the last inputs of exactly that length; it is a pure function's memo, so no result
//! depends on it, and its size is fixed. Other lengths go straight to the hash.

use alloc::{boxed::Box, vec};
use alloy_primitives::{B256, keccak256};

const ENTRIES: usize = 512;

#[derive(Clone)]
struct Entry {
    input: [u8; 64],
    hash: B256,
    is_set: bool,
}

/// Empty until the first pair is hashed: most blocks of a test, and many transfers, hash none.
pub(crate) struct KeccakCache {
    entries: Box<[Entry]>,
}

impl KeccakCache {
    pub fn new() -> Self {
        Self { entries: Box::default() }
    }

    /// Keccak-256 of `input`.
    #[inline]
    pub fn hash(&mut self, input: &[u8]) -> B256 {
        match <&[u8; 64]>::try_from(input) {
            Ok(pair) => self.hash_pair(pair),
            Err(_) => keccak256(input),
        }
    }

    fn hash_pair(&mut self, input: &[u8; 64]) -> B256 {
        if self.entries.is_empty() {
            let empty = Entry { input: [0; 64], hash: B256::ZERO, is_set: false };
            self.entries = vec![empty; ENTRIES].into_boxed_slice();
        }
        let entry = &mut self.entries[index(input)];
        if !entry.is_set || entry.input != *input {
            *entry = Entry { input: *input, hash: keccak256(input), is_set: true };
        }
        entry.hash
    }
}

/// Mixes all words; an attacker who makes entries collide only gets the price of hashing.
fn index(input: &[u8; 64]) -> usize {
    let mut mixed = 0u64;
    for chunk in input.chunks_exact(8) {
        let word = u64::from_le_bytes(chunk.try_into().expect("eight bytes"));
        mixed = (mixed.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    (mixed >> 40) as usize % ENTRIES
}
