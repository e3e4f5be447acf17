//! Points that dev mode can go back to.
//!
//! A snapshot is the head's hash, what was changed outside of blocks since, and the pool: blocks are kept by the store
//! whether they are canonical or not, so going back costs an unwinding and no copy of the state was ever made. Going back
//! uses up the snapshot and all that were taken after it, whose chains are gone.

use crate::PoolTransaction;
use alloy_primitives::B256;
use rialto_state::Diff;
use std::collections::VecDeque;
use std::sync::Arc;

/// Most snapshots kept; the oldest goes first.
const SNAPSHOTS_MAX: usize = 4_096;

/// A point to go back to.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    /// Its number.
    pub(super) id: u64,
    /// Hash of the head.
    pub(super) head: B256,
    /// Number of the head.
    pub(super) number: u64,
    /// What was changed outside of blocks since the head.
    pub(super) amendments: Arc<Diff>,
    /// The pool's transactions, those of a sender in the order of their nonces.
    pub(super) pool: Vec<Arc<PoolTransaction>>,
}

/// The snapshots, oldest first.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    taken: u64,
    kept: VecDeque<Snapshot>,
}

impl Snapshots {
    /// Keeps a snapshot and returns its number, counted from 0.
    pub(super) fn push(&mut self, make: impl FnOnce(u64) -> Snapshot) -> u64 {
        let id = self.taken;
        self.taken += 1;
        if self.kept.len() == SNAPSHOTS_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(make(id));
        id
    }

    /// The snapshot with this number.
    pub(super) fn get(&self, id: u64) -> Option<&Snapshot> {
        self.kept.iter().find(|snapshot| snapshot.id == id)
    }

    /// Forgets the snapshot with this number and all later ones.
    pub(super) fn forget_from(&mut self, id: u64) {
        self.kept.retain(|snapshot| snapshot.id < id);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.kept.clear();
    }

    /// Number and head of each, oldest first.
    pub(super) fn heads(&self) -> Vec<(u64, u64, B256)> {
        self.kept.iter().map(|snapshot| (snapshot.id, snapshot.number, snapshot.head)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(id: u64) -> Snapshot {
        let amendments = Arc::new(Diff::default());
        Snapshot { id, head: B256::left_padding_from(&id.to_be_bytes()), number: id, amendments, pool: Vec::new() }
    }

    #[test]
    fn going_back_uses_up_what_came_later_and_numbers_are_not_given_twice() {
        let mut snapshots = Snapshots::default();
        let ids: Vec<u64> = (0..4).map(|_| snapshots.push(snapshot)).collect();
        assert_eq!(ids, [0, 1, 2, 3]);
        snapshots.forget_from(1);
        assert_eq!(snapshots.heads().iter().map(|(id, ..)| *id).collect::<Vec<_>>(), [0]);
        assert!(snapshots.get(1).is_none() && snapshots.get(3).is_none());
        assert_eq!(snapshots.push(snapshot), 4);
        snapshots.clear();
        assert_eq!((snapshots.heads().len(), snapshots.push(snapshot)), (0, 5));
    }

    #[test]
    fn the_oldest_goes_first() {
        let mut snapshots = Snapshots::default();
        for _ in 0..=SNAPSHOTS_MAX {
            snapshots.push(snapshot);
        }
        assert!(snapshots.get(0).is_none() && snapshots.get(1).is_some());
        assert_eq!(snapshots.heads().len(), SNAPSHOTS_MAX);
    }
}
