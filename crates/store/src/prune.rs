//! Forgetting what lies before the window, a bounded amount with every commit.
//!
//! **History.** The state after block N needs the history entries of all blocks above N. Forgetting the entries of block B
//! therefore ends the states below B, so the oldest state becomes B in the transaction in which the first of them goes, and stays right
//! however many transactions the rest takes. Progress needs no note: blocks are forgotten in ascending order, chunk by chunk of
//! their changes, and the first chunk that is left says where to go on. A window that grows stops this; one that shrinks
//! is reached in steps.
//!
//! **Side blocks.** A block that is not canonical and lies below the window, or below the finalized block, can't become canonical
//! any more.

use crate::codec::{decode_block_key, decode_changes, decode_changes_key, decode_u64, history_key};
use crate::tables::{CHUNK_KEYS, meta};
use crate::write::Writer;
use crate::{History, StoreError};
use alloy_primitives::B256;
use redb::ReadableTable;

/// Chunks forgotten with a commit besides twice what it adds: a shrunk window is reached, whatever is added.
const SPARE_CHUNKS: usize = 8;

/// Most side blocks forgotten with a commit.
const MAX_SIDE_BLOCKS: usize = 64;

impl Writer<'_> {
    /// Forgets some of what lies before the window of the chain that ends with block `head`.
    pub fn prune(&mut self, head: u64, history: History) -> Result<(), StoreError> {
        let window_start = match history {
            History::Blocks(blocks) => head.saturating_sub(blocks),
            History::All => 0,
        };
        self.prune_history(window_start)?;
        self.prune_side_blocks(window_start.max(self.finalized_number(head)?))
    }

    fn prune_history(&mut self, window_start: u64) -> Result<(), StoreError> {
        let corrupt = || StoreError::corrupt("meta.oldest_state");
        let oldest = self.read_meta(meta::OLDEST_STATE)?.and_then(|oldest| decode_u64(&oldest)).ok_or_else(corrupt)?;
        if oldest >= window_start && !self.has_changes_to_forget(oldest)? {
            return Ok(());
        }
        let mut new_oldest = oldest;
        let mut chunks_left = SPARE_CHUNKS + 2 * self.changed_keys / CHUNK_KEYS + 8 * self.appended_blocks;
        loop {
            let first = self.changes.first()?.map(|(key, chunk)| (key.value().to_vec(), chunk.value().to_vec()));
            let Some((key, chunk)) = first else {
                new_oldest = new_oldest.max(window_start);
                break;
            };
            let place = || StoreError::corrupt(format!("changes[{}]", alloy_primitives::hex::encode(&key)));
            let (number, domain) = decode_changes_key(&key).ok_or_else(place)?;
            if number > window_start.max(oldest) {
                new_oldest = new_oldest.max(window_start);
                break;
            }
            if chunks_left == 0 {
                break;
            }
            chunks_left -= 1;
            new_oldest = new_oldest.max(number);
            for changed in decode_changes(&chunk) {
                let changed = changed.ok_or_else(place)?;
                let history_key = history_key(domain, changed, number).ok_or_else(place)?;
                self.history[domain as usize].remove(&history_key[..])?;
            }
            self.changes.remove(&key[..])?;
        }
        if new_oldest != oldest {
            self.meta.insert(meta::OLDEST_STATE, &new_oldest.to_be_bytes()[..])?;
        }
        Ok(())
    }

    /// Whether changes are left of a block that was partly forgotten.
    fn has_changes_to_forget(&self, oldest: u64) -> Result<bool, StoreError> {
        let Some((key, _)) = self.changes.first()? else { return Ok(false) };
        Ok(decode_changes_key(key.value()).is_some_and(|(number, _)| number <= oldest))
    }

    /// Number of the finalized block, if it is canonical.
    fn finalized_number(&self, head: u64) -> Result<u64, StoreError> {
        let Some(hash) = self.read_meta(meta::FINALIZED)?.and_then(|hash| B256::try_from(&hash[..]).ok()) else {
            return Ok(0);
        };
        let Some(number) = self.numbers.get(&hash.0)?.map(|number| number.value()) else { return Ok(0) };
        let is_canonical = self.canonical.get(number)?.is_some_and(|canonical| *canonical.value() == hash.0);
        Ok(if is_canonical { number.min(head) } else { 0 })
    }

    /// Forgets side blocks below `limit`.
    fn prune_side_blocks(&mut self, limit: u64) -> Result<(), StoreError> {
        for _ in 0..MAX_SIDE_BLOCKS {
            let Some(key) = self.side_blocks.first()?.map(|(key, _)| *key.value()) else { break };
            let (number, hash) = decode_block_key(&key).ok_or_else(|| StoreError::corrupt("side_blocks"))?;
            if number >= limit {
                break;
            }
            self.side_blocks.remove(&key)?;
            self.headers.remove(&key)?;
            self.bodies.remove(&key)?;
            self.receipts.remove(&key)?;
            self.numbers.remove(&hash.0)?;
        }
        Ok(())
    }
}
