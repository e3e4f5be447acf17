//! Decoded blocks and receipts that were asked for lately.
//!
//! A block never changes, so its hash is a key that is never stale and no entry is ever wrong, only superfluous. Each cache
//! is bounded by the bytes that its entries stand for, as their encodings measure them.

use crate::ChainBlock;
use alloy_primitives::B256;
use lru::LruCache;
use rialto_state::Diff;
use rialto_stf::{BlockAccessList, Header, Receipt};
use std::sync::{Arc, Mutex, PoisonError};

/// Values by block hash, those least recently used leaving first.
struct Weighted<T> {
    entries: LruCache<B256, (T, usize)>,
    weight: usize,
    max_weight: usize,
}

impl<T: Clone> Weighted<T> {
    fn new(max_weight: usize) -> Mutex<Self> {
        Mutex::new(Self { entries: LruCache::unbounded(), weight: 0, max_weight })
    }

    fn insert(&mut self, hash: B256, value: T, weight: usize) {
        if weight > self.max_weight {
            return;
        }
        if let Some((_, old)) = self.entries.put(hash, (value, weight)) {
            self.weight -= old;
        }
        self.weight += weight;
        while self.weight > self.max_weight {
            let Some((_, (_, weight))) = self.entries.pop_lru() else { break };
            self.weight -= weight;
        }
    }
}

fn get<T: Clone>(cache: &Mutex<Weighted<T>>, hash: &B256) -> Option<T> {
    let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
    cache.entries.get(hash).map(|(value, _)| value.clone())
}

fn put<T: Clone>(cache: &Mutex<Weighted<T>>, hash: B256, value: T, weight: usize) {
    cache.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, value, weight);
}

/// Most bytes of each kind; what is held in memory is about three times as much.
const MAX_BYTES: usize = 32 << 20;
/// Bytes that a header stands for.
const HEADER_BYTES: usize = 1 << 10;
/// Bytes that an item stands for besides those of its encoding.
const ITEM_BYTES: usize = 1 << 8;

/// See the module's comment.
pub(crate) struct Caches {
    headers: Mutex<Weighted<Arc<Header>>>,
    blocks: Mutex<Weighted<Arc<ChainBlock>>>,
    receipts: Mutex<Weighted<Arc<Vec<Receipt>>>>,
    /// What dev mode had changed outside of blocks when it mined a block.
    amendments: Mutex<Weighted<Arc<Diff>>>,
    /// What blocks that were built or executed here read and wrote.
    access_lists: Mutex<Weighted<Arc<BlockAccessList>>>,
}

impl Caches {
    pub fn new() -> Self {
        Self {
            headers: Weighted::new(MAX_BYTES),
            blocks: Weighted::new(MAX_BYTES),
            receipts: Weighted::new(MAX_BYTES),
            amendments: Weighted::new(MAX_BYTES),
            access_lists: Weighted::new(MAX_BYTES),
        }
    }

    pub fn header(&self, hash: &B256) -> Option<Arc<Header>> {
        get(&self.headers, hash)
    }

    pub fn put_header(&self, hash: B256, header: Arc<Header>) {
        put(&self.headers, hash, header, HEADER_BYTES);
    }

    pub fn block(&self, hash: &B256) -> Option<Arc<ChainBlock>> {
        get(&self.blocks, hash)
    }

    pub fn put_block(&self, block: Arc<ChainBlock>) {
        let weight = block.block.transactions.iter().map(|transaction| ITEM_BYTES + transaction.input.len()).sum();
        put(&self.blocks, block.hash, block, HEADER_BYTES.saturating_add(weight));
    }

    pub fn amendments(&self, hash: &B256) -> Option<Arc<Diff>> {
        get(&self.amendments, hash)
    }

    pub fn put_amendments(&self, hash: B256, amendments: Arc<Diff>) {
        let slots = amendments.accounts.iter().map(|account| ITEM_BYTES * (1 + account.storage.len())).sum::<usize>();
        let codes = amendments.codes.iter().map(rialto_state::Code::len).sum::<usize>();
        put(&self.amendments, hash, amendments, slots + codes);
    }

    pub fn access_list(&self, hash: &B256) -> Option<Arc<BlockAccessList>> {
        get(&self.access_lists, hash)
    }

    pub fn put_access_list(&self, hash: B256, list: Arc<BlockAccessList>) {
        let weight = list.item_count() * ITEM_BYTES;
        put(&self.access_lists, hash, list, weight);
    }

    pub fn receipts(&self, hash: &B256) -> Option<Arc<Vec<Receipt>>> {
        get(&self.receipts, hash)
    }

    pub fn put_receipts(&self, hash: B256, receipts: Arc<Vec<Receipt>>) {
        let of_logs = |receipt: &Receipt| receipt.logs.iter().map(|log| ITEM_BYTES + log.data.len()).sum::<usize>();
        let weight = receipts.iter().map(|receipt| 2 * ITEM_BYTES + of_logs(receipt)).sum();
        put(&self.receipts, hash, receipts, weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weight_is_bounded_and_the_oldest_go_first() {
        let cache = Weighted::new(10);
        for byte in 0..5 {
            put(&cache, B256::repeat_byte(byte), byte, 3);
        }
        assert_eq!(get(&cache, &B256::repeat_byte(1)), None);
        for byte in 2..5 {
            assert_eq!(get(&cache, &B256::repeat_byte(byte)), Some(byte));
        }
        put(&cache, B256::repeat_byte(3), 33, 9);
        assert_eq!(get(&cache, &B256::repeat_byte(3)), Some(33));
        assert_eq!(get(&cache, &B256::repeat_byte(4)), None);
        put(&cache, B256::repeat_byte(9), 9, 11);
        assert_eq!(get(&cache, &B256::repeat_byte(9)), None);
        assert_eq!(cache.lock().expect("unpoisoned").weight, 9);
    }
}
