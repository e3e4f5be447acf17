//! Keccak-256 with a memory for short inputs.
//!
//! Contracts hash the same 64 bytes (key, slot) again and again to find the place of a mapping's entry. A table remembers
//! the last inputs of exactly that length; it is a pure function's memo, so no result depends on it. Other lengths go
//! straight to the hash.
//!
//! An input has two places in the table, one beside the other, of which the one not used for longer is overwritten. The
//! table begins small, for blocks that hash little, and doubles whenever it has missed half as often as it has
//! entries, up to a fixed size. Every entry is an input with its own hash from the start, so none needs a mark that says whether it
//! is set.
//!
//! Inputs are read in eight numbers and compared as such: they were mostly written a moment ago as numbers of that
//! width, and memory is slow to read in another width than that in which it was just written.

use crate::keccak::keccak256;
use alloc::{boxed::Box, vec};
use alloy_primitives::{B256, U256};

/// Entries of a table that has begun.
const FIRST_ENTRIES: usize = 512;
/// Entries that a table may grow to: 192 KiB.
const MAX_ENTRIES: usize = 2048;

#[derive(Clone, Copy)]
struct Entry {
    /// The input, read little-endian.
    input: [u64; 8],
    hash: U256,
}

/// Empty until the first pair is hashed: most blocks of a test, and many transfers, hash none.
pub(crate) struct KeccakCache {
    entries: Box<[Entry]>,
    /// Misses since the table has the size that it has.
    misses: usize,
}

impl KeccakCache {
    pub fn new() -> Self {
        Self { entries: Box::default(), misses: 0 }
    }

    /// Keccak-256 of `input` as a number.
    #[inline]
    pub fn hash(&mut self, input: &[u8]) -> U256 {
        match <&[u8; 64]>::try_from(input) {
            Ok(pair) => self.hash_pair(pair),
            Err(_) => number(keccak256(input)),
        }
    }

    /// Keccak-256 of 64 bytes as a number.
    #[inline]
    pub fn hash_pair(&mut self, input: &[u8; 64]) -> U256 {
        let words = words_of(input);
        let at = place(&words, self.entries.len());
        let Some([first, second]) = self.entries.get_mut(at..at + 2) else { return self.add(input) };
        if first.is_of(&words) {
            return first.hash;
        }
        if second.is_of(&words) {
            core::mem::swap(first, second);
            return first.hash;
        }
        self.add(input)
    }

    /// Hashes an input that is not in the table and puts it there.
    #[cold]
    #[inline(never)]
    fn add(&mut self, input: &[u8; 64]) -> U256 {
        if self.entries.is_empty() {
            self.entries = vec![Entry::new(&[0; 64]); FIRST_ENTRIES].into_boxed_slice();
        } else if self.misses >= self.entries.len() / 2 && self.entries.len() < MAX_ENTRIES {
            self.double();
        }
        self.misses += 1;
        self.put(Entry::new(input)).hash
    }

    fn double(&mut self) {
        let empty = Entry::new(&[0; 64]);
        let larger = vec![empty; 2 * self.entries.len()].into_boxed_slice();
        self.misses = 0;
        // The first of two is the one used last: it is put there last.
        for entry in core::mem::replace(&mut self.entries, larger).into_iter().rev() {
            if entry.input != empty.input {
                self.put(entry);
            }
        }
    }

    fn put(&mut self, entry: Entry) -> Entry {
        let at = place(&entry.input, self.entries.len());
        self.entries[at + 1] = self.entries[at];
        self.entries[at] = entry;
        entry
    }
}

impl Entry {
    fn new(input: &[u8; 64]) -> Self {
        Self { input: words_of(input), hash: number(keccak256(input)) }
    }

    /// Whether it is the entry of this input: without a call, for which the words would be written to memory.
    #[inline(always)]
    fn is_of(&self, words: &[u64; 8]) -> bool {
        let [a, b, c, d, e, f, g, h] = self.input;
        let [s, t, u, v, w, x, y, z] = *words;
        (a ^ s) | (b ^ t) | (c ^ u) | (d ^ v) | (e ^ w) | (f ^ x) | (g ^ y) | (h ^ z) == 0
    }
}

#[inline(always)]
fn number(hash: B256) -> U256 {
    U256::from_be_bytes(hash.0)
}

#[inline(always)]
fn words_of(input: &[u8; 64]) -> [u64; 8] {
    let word = |i: usize| u64::from_le_bytes(*input[8 * i..].first_chunk().expect("64 bytes"));
    [word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7)]
}

/// The first of the two places of `words` in a table of `entries`, a power of two, or 0. Mixes all words; an attacker who makes
/// inputs collide only gets the price of hashing.
#[inline(always)]
fn place(words: &[u64; 8], entries: usize) -> usize {
    let fold = |a: u64, b: u64| {
        let product = u128::from(a ^ 0x9e37_79b9_7f4a_7c15) * u128::from(b ^ 0xd134_2543_de82_ef95);
        product as u64 ^ (product >> 64) as u64
    };
    let [a, b, c, d, e, f, g, h] = *words;
    let mixed = fold(a, b) ^ fold(c, d).rotate_left(16) ^ fold(e, f).rotate_left(32) ^ fold(g, h).rotate_left(48);
    (mixed ^ mixed >> 32) as usize & entries.saturating_sub(2) & !1
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pair number `index`, as mappings have them: a number, then a slot.
    fn pair(index: u64) -> [u8; 64] {
        let mut input = [0; 64];
        input[24..32].copy_from_slice(&index.to_be_bytes());
        input[63] = index as u8 % 3;
        input
    }

    #[test]
    fn hashes_are_keccak_whatever_the_table_holds() {
        let mut cache = KeccakCache::new();
        // Once forwards, so that the table grows, then backwards over some that it still holds and some that it doesn't.
        for index in (0..3 * MAX_ENTRIES as u64).chain((0..3 * MAX_ENTRIES as u64).rev()) {
            for index in [index, index / 2, 0] {
                assert_eq!(cache.hash(&pair(index)), number(alloy_primitives::keccak256(pair(index))), "pair {index}");
            }
        }
        assert_eq!(cache.entries.len(), MAX_ENTRIES);
        assert_eq!(cache.hash(b"abc"), number(alloy_primitives::keccak256(b"abc")));
    }

    #[test]
    fn a_few_pairs_are_rarely_hashed_again() {
        let mut cache = KeccakCache::new();
        for _ in 0..10 {
            for index in 0..20 {
                cache.hash(&pair(index));
            }
        }
        assert!(cache.misses < 60, "{} misses of 200 look-ups", cache.misses);
        assert_eq!(cache.entries.len(), FIRST_ENTRIES);
    }
}
