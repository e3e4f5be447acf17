//! Finds the place of a key's entry.
//!
//! Keys that follow each other (handles, prices, accounts) share a page, which holds their places one after the other, in one line of the
//! processor's cache or two. Pages are found by hash: open addressing with linear probing, eight bytes a bucket.
//!
//! A bucket holds 32 bits of the hash and the page's place. The upper of those bits are the bucket at which the search starts, so the
//! table grows without hashing anything again. At most half of the buckets are taken, and nothing is ever removed, so a search ends at
//! the first empty bucket.

use super::key::{PAGE, RecordKey};
use alloc::vec;
use alloc::vec::Vec;
use core::hash::BuildHasher;
use foldhash::fast::FixedState;

#[derive(Clone, Copy)]
struct Bucket {
    tag: u32,
    page: u32,
}

struct Page<K> {
    key: K,
    places: [u32; PAGE],
}

/// The place of what is not there.
const NONE: u32 = u32::MAX;

const LEAST_BITS: u32 = 4;

/// See the module's documentation.
pub struct Index<K> {
    buckets: Vec<Bucket>,
    pages: Vec<Page<K>>,
    /// How far a tag is shifted to give the bucket at which the search starts.
    shift: u32,
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self { buckets: Vec::new(), pages: Vec::new(), shift: 32 - LEAST_BITS }
    }
}

impl<K: RecordKey> Index<K> {
    /// The place of a key's entry.
    #[inline(always)]
    pub fn find(&self, key: K, hasher: &FixedState) -> Option<u32> {
        let page = self.find_page(key.page(), hasher)?;
        let at = self.pages[page as usize].places[key.place_in_page()];
        (at != NONE).then_some(at)
    }

    #[inline(always)]
    fn find_page(&self, key: K, hasher: &FixedState) -> Option<u32> {
        let tag = (hasher.hash_one(key) >> 32) as u32;
        let mask = self.buckets.len().checked_sub(1)?;
        let mut bucket = (tag >> self.shift) as usize;
        loop {
            let Bucket { tag: found, page } = self.buckets[bucket & mask];
            if page == NONE {
                return None;
            }
            if found == tag && self.pages[page as usize].key == key {
                return Some(page);
            }
            bucket += 1;
        }
    }

    /// Says where the entry of a key is that has none yet.
    pub fn insert(&mut self, key: K, at: u32, hasher: &FixedState) {
        let page = match self.find_page(key.page(), hasher) {
            Some(page) => page,
            None => self.add_page(key.page(), hasher),
        };
        self.pages[page as usize].places[key.place_in_page()] = at;
    }

    fn add_page(&mut self, key: K, hasher: &FixedState) -> u32 {
        if self.pages.len() * 2 >= self.buckets.len() {
            self.grow();
        }
        let page = self.pages.len() as u32;
        self.pages.push(Page { key, places: [NONE; PAGE] });
        self.put(Bucket { tag: (hasher.hash_one(key) >> 32) as u32, page });
        page
    }

    fn put(&mut self, new: Bucket) {
        let mask = self.buckets.len() - 1;
        let mut bucket = (new.tag >> self.shift) as usize;
        while self.buckets[bucket & mask].page != NONE {
            bucket += 1;
        }
        self.buckets[bucket & mask] = new;
    }

    #[cold]
    fn grow(&mut self) {
        if !self.buckets.is_empty() {
            self.shift = self.shift.checked_sub(1).expect("a block touches less than 2^31 records");
        }
        let empty = vec![Bucket { tag: 0, page: NONE }; 1 << (32 - self.shift)];
        let old = core::mem::replace(&mut self.buckets, empty);
        for bucket in old.into_iter().filter(|bucket| bucket.page != NONE) {
            self.put(bucket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Keys next to each other, keys far apart, and keys that differ in their upper part only.
    #[test]
    fn finds_what_was_inserted() {
        let hasher = FixedState::with_seed(7);
        for stride in [1u64, 3, 16, 17, 1 << 32, 0x9E37_79B9_7F4A_7C15] {
            let key_of = |n: u32| (n as u8 % 2, u64::from(n / 2).wrapping_mul(stride));
            let mut index = Index::default();
            for n in 0..2_000 {
                assert_eq!(index.find(key_of(n), &hasher), None, "{stride}: {n} before");
                index.insert(key_of(n), n, &hasher);
            }
            for n in 0..2_000 {
                assert_eq!(index.find(key_of(n), &hasher), Some(n), "{stride}: {n}");
            }
            assert_eq!(index.find((2, 0), &hasher), None, "{stride}: was not inserted");
        }
    }
}
