//! Blobs by their versioned hashes, of transactions in the pool and of some that were mined.
//!
//! A consensus client asks for blobs by hash, most often for those of the block it has just seen; and a block that is
//! removed gives its transactions back without their blobs. So sidecars stay for a number of blocks after their transaction
//! was mined, as many bytes of them as there is room for, oldest dropped first.

use super::BlobSidecar;
use crate::PoolTransaction;
use alloy_primitives::B256;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Blocks for which a mined transaction's blobs stay: as many as a reorg may go back without a finality that fails (two epochs).
const KEPT_BLOCKS: u64 = 64;

/// Blobs by their versioned hashes.
#[derive(Debug, Default)]
pub(crate) struct BlobIndex {
    /// By transaction, in the pool or mined.
    transactions: BTreeMap<B256, Arc<PoolTransaction>>,
    /// Versioned hash, transaction, index of the blob there.
    blobs: BTreeSet<(B256, B256, usize)>,
    /// Number of the next block when it was mined, transaction; in the order of mining.
    mined: VecDeque<(u64, B256)>,
    /// Which of `transactions` are mined.
    mined_set: BTreeSet<B256>,
    mined_bytes: usize,
}

impl BlobIndex {
    /// Takes note of a transaction of the pool.
    pub(crate) fn insert(&mut self, transaction: &Arc<PoolTransaction>) {
        let hash = transaction.hash;
        if self.mined_set.remove(&hash) {
            self.mined_bytes -= byte_length(transaction);
            self.mined.retain(|(_, mined)| *mined != hash);
        }
        for (index, versioned_hash) in transaction.transaction.blob_versioned_hashes.iter().enumerate() {
            self.blobs.insert((*versioned_hash, hash, index));
        }
        self.transactions.insert(hash, Arc::clone(transaction));
    }

    /// Forgets a transaction.
    pub(crate) fn remove(&mut self, hash: &B256) {
        let Some(transaction) = self.transactions.remove(hash) else { return };
        for (index, versioned_hash) in transaction.transaction.blob_versioned_hashes.iter().enumerate() {
            self.blobs.remove(&(*versioned_hash, *hash, index));
        }
    }

    /// A transaction left the pool for block `number`: keeps it for a while, with at most `max_bytes` of such blobs.
    pub(crate) fn mined(&mut self, hash: B256, number: u64, max_bytes: usize) {
        let Some(transaction) = self.transactions.get(&hash) else { return };
        self.mined_bytes += byte_length(transaction);
        self.mined_set.insert(hash);
        self.mined.push_back((number, hash));
        self.prune(number, max_bytes);
    }

    /// Drops blobs mined too long before block `number`, and the oldest beyond `max_bytes`.
    pub(crate) fn prune(&mut self, number: u64, max_bytes: usize) {
        while let Some(&(mined_number, hash)) = self.mined.front() {
            if mined_number.saturating_add(KEPT_BLOCKS) >= number && self.mined_bytes <= max_bytes {
                break;
            }
            self.mined.pop_front();
            self.mined_set.remove(&hash);
            self.mined_bytes -= self.transactions.get(&hash).map_or(0, byte_length);
            self.remove(&hash);
        }
    }

    /// A mined transaction that still has its blobs.
    pub(crate) fn mined_transaction(&self, hash: &B256) -> Option<Arc<PoolTransaction>> {
        self.mined_set.contains(hash).then(|| self.transactions.get(hash).cloned()).flatten()
    }

    /// The blob with this hash: a sidecar and its index there.
    pub(crate) fn get(&self, versioned_hash: &B256) -> Option<(Arc<BlobSidecar>, usize)> {
        let from = (*versioned_hash, B256::ZERO, 0);
        let (found, hash, index) = self.blobs.range(from..).next()?;
        let sidecar = self.transactions.get(hash).filter(|_| found == versioned_hash)?.sidecar.clone()?;
        Some((sidecar, *index))
    }

    /// Transactions of the pool, mined ones, and bytes of the latter.
    #[cfg(test)]
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.transactions.len() - self.mined.len(), self.mined.len(), self.mined_bytes)
    }
}

fn byte_length(transaction: &Arc<PoolTransaction>) -> usize {
    transaction.sidecar.as_ref().map_or(0, |sidecar| sidecar.byte_length())
}
