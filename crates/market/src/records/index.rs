//! Finds an entry by its key's hash: open addressing with linear probing, eight bytes a bucket.
//!
//! A bucket holds 32 bits of the hash and the entry's place. The upper of those bits are the bucket at which the search starts, so the
//! table grows without hashing anything again. At most half of the buckets are taken, and nothing is ever removed, so a search ends at
//! the first empty bucket. Whether an entry is the one that is looked for is the caller's to say, for keys of any shape.

use alloc::vec;
use alloc::vec::Vec;

#[derive(Clone, Copy)]
struct Bucket {
    tag: u32,
    at: u32,
}

/// The place that marks a bucket as empty.
const NONE: u32 = u32::MAX;

const LEAST_BITS: u32 = 4;

/// See the module's documentation.
pub struct Index {
    buckets: Vec<Bucket>,
    len: usize,
    /// How far a tag is shifted to give the bucket at which the search starts.
    shift: u32,
}

impl Default for Index {
    fn default() -> Self {
        Self { buckets: Vec::new(), len: 0, shift: 32 - LEAST_BITS }
    }
}

impl Index {
    /// The place of the entry with this hash that `is_it`.
    #[inline(always)]
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let tag = (hash >> 32) as u32;
        let mask = self.buckets.len().checked_sub(1)?;
        let mut bucket = (tag >> self.shift) as usize;
        loop {
            let Bucket { tag: found, at } = self.buckets[bucket & mask];
            if at == NONE {
                return None;
            }
            if found == tag && is_it(at) {
                return Some(at);
            }
            bucket += 1;
        }
    }

    /// Adds an entry that is not there yet.
    pub fn insert(&mut self, hash: u64, at: u32) {
        if self.len * 2 >= self.buckets.len() {
            self.grow();
        }
        self.len += 1;
        self.put(Bucket { tag: (hash >> 32) as u32, at });
    }

    fn put(&mut self, new: Bucket) {
        let mask = self.buckets.len() - 1;
        let mut bucket = (new.tag >> self.shift) as usize;
        while self.buckets[bucket & mask].at != NONE {
            bucket += 1;
        }
        self.buckets[bucket & mask] = new;
    }

    #[cold]
    fn grow(&mut self) {
        if !self.buckets.is_empty() {
            self.shift = self.shift.checked_sub(1).expect("a block touches less than 2^31 records");
        }
        let empty = vec![Bucket { tag: 0, at: NONE }; 1 << (32 - self.shift)];
        let old = core::mem::replace(&mut self.buckets, empty);
        for bucket in old.into_iter().filter(|bucket| bucket.at != NONE) {
            self.put(bucket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hashes that all fall into few buckets, and such that differ only where the tag does not look.
    #[test]
    fn finds_what_was_inserted() {
        for multiplier in [0, 1, 1 << 31, 1 << 32, 0x9E37_79B9_7F4A_7C15, u64::MAX] {
            let hash_of = |key: u32| u64::from(key / 3).wrapping_mul(multiplier);
            let mut index = Index::default();
            for key in 0..500 {
                assert_eq!(index.find(hash_of(key), |at| at == key), None, "{multiplier}: {key} before");
                index.insert(hash_of(key), key);
            }
            for key in 0..500 {
                assert_eq!(index.find(hash_of(key), |at| at == key), Some(key), "{multiplier}: {key}");
            }
            assert_eq!(index.find(hash_of(7), |_| false), None, "{multiplier}: nothing is it");
        }
    }
}
