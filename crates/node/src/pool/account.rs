//! The transactions of one sender.
//!
//! They stand by nonce, and each knows two sums over those before it: what they cost together, and the least any of them is
//! worth. From the first follows which can be executed: the unbroken run of nonces from the account's own, as far as its
//! balance goes. That is always a prefix, because costs only add up. From the second follows what to drop when room is
//! needed: a transaction can't be mined before those it waits for, so it is worth no more than the least of them, and
//! the last one of a sender is the sender's least. Dropping from the end therefore drops the worst and never tears a hole.
//!
//! Appending touches only the new transaction; a change further down walks over what follows it, which the limit per
//! account bounds.

use super::fees::Worth;
use super::order::Ranked;
use crate::PoolTransaction;
use alloy_primitives::{Address, U256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the state says of a sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SenderState {
    pub(crate) nonce: u64,
    pub(crate) balance: U256,
    /// Whether its code is a delegation (EIP-7702).
    pub(crate) is_delegated: bool,
}

/// A transaction in the pool.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) transaction: Arc<PoolTransaction>,
    /// The how manyeth transaction the pool took in.
    pub(crate) arrival: u64,
    /// Wei that it costs at most.
    pub(crate) cost: U256,
    /// Bytes of its encoding.
    pub(crate) bytes: usize,
    /// Bytes of its sidecar.
    pub(crate) blob_bytes: usize,
    /// Who signed its authorizations.
    pub(crate) authorities: Vec<Address>,
    /// What it is worth by itself.
    pub(crate) worth: Worth,
    /// The least that it and those before it are worth.
    pub(crate) prefix_worth: Worth,
    /// Wei that it and those before it cost.
    pub(crate) prefix_cost: U256,
    pub(crate) is_pending: bool,
    /// Number of heads seen when it last became queued.
    pub(crate) queued_since: u64,
}

/// The transactions of one sender.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) state: SenderState,
    /// Whether `state` may be another than the head's.
    pub(crate) is_state_uncertain: bool,
    entries: BTreeMap<u64, Entry>,
    pending: usize,
    /// The pending ones for builders, shared until something changes.
    ranked: Option<Arc<[Ranked]>>,
}

impl Account {
    pub(crate) fn new(state: SenderState) -> Self {
        Self { state, ..Self::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn pending_len(&self) -> usize {
        self.pending
    }

    pub(crate) fn queued_len(&self) -> usize {
        self.entries.len() - self.pending
    }

    pub(crate) fn get(&self, nonce: u64) -> Option<&Entry> {
        self.entries.get(&nonce)
    }

    /// All, by nonce.
    pub(crate) fn entries(&self) -> impl DoubleEndedIterator<Item = (u64, &Entry)> {
        self.entries.iter().map(|(nonce, entry)| (*nonce, entry))
    }

    /// Whether its transactions carry blobs: all do, or none.
    pub(crate) fn has_blobs(&self) -> bool {
        self.entries.first_key_value().is_some_and(|(_, entry)| entry.blob_bytes > 0)
    }

    /// The nonce after the pending ones.
    pub(crate) fn next_nonce(&self) -> u64 {
        self.state.nonce.saturating_add(self.pending as u64)
    }

    /// The one with the highest nonce.
    pub(crate) fn last(&self) -> Option<&Entry> {
        self.entries.last_key_value().map(|(_, entry)| entry)
    }

    /// The pending one with the highest nonce.
    pub(crate) fn last_pending(&self) -> Option<&Entry> {
        let index = (self.pending as u64).checked_sub(1)?;
        self.entries.get(&self.state.nonce.checked_add(index)?)
    }

    /// Puts one in, without settling. Gives the one that had the nonce.
    pub(crate) fn put(&mut self, entry: Entry) -> Option<Entry> {
        let replaced = self.entries.insert(entry.transaction.transaction.nonce, entry);
        self.forget(replaced.as_ref());
        replaced
    }

    /// Takes one out, without settling.
    pub(crate) fn take(&mut self, nonce: u64) -> Option<Entry> {
        let taken = self.entries.remove(&nonce);
        self.forget(taken.as_ref());
        taken
    }

    fn forget(&mut self, entry: Option<&Entry>) {
        self.ranked = None;
        self.pending -= usize::from(entry.is_some_and(|entry| entry.is_pending));
    }

    /// Takes out those whose nonces are used, without settling.
    pub(crate) fn take_used(&mut self) -> Vec<Entry> {
        let mut used = Vec::new();
        while let Some((&nonce, _)) = self.entries.first_key_value()
            && nonce < self.state.nonce
        {
            used.extend(self.take(nonce));
        }
        used
    }

    /// Takes out those that `keep` does not want, without settling.
    pub(crate) fn take_unless(&mut self, keep: impl Fn(u64, &Entry) -> bool) -> Vec<Entry> {
        let nonces: Vec<u64> =
            self.entries().filter(|(nonce, entry)| !keep(*nonce, entry)).map(|(nonce, _)| nonce).collect();
        nonces.into_iter().filter_map(|nonce| self.take(nonce)).collect()
    }

    /// Says anew what each is worth, without settling.
    pub(crate) fn revalue(&mut self, worth: impl Fn(&Entry) -> Worth) {
        for entry in self.entries.values_mut() {
            entry.worth = worth(entry);
        }
    }

    /// Recomputes the sums, and which are pending, from `nonce` on. `heads` is the number of heads seen.
    pub(crate) fn settle(&mut self, nonce: u64, heads: u64) {
        self.ranked = None;
        let mut next_pending = Some(self.state.nonce);
        let (mut cost, mut worth) = (U256::ZERO, Worth::MOST);
        if let Some((&before, entry)) = self.entries.range(..nonce).next_back() {
            next_pending = if entry.is_pending { before.checked_add(1) } else { None };
            (cost, worth) = (entry.prefix_cost, entry.prefix_worth);
        }
        for (&nonce, entry) in self.entries.range_mut(nonce..) {
            cost = cost.saturating_add(entry.cost);
            worth = worth.min(entry.worth);
            (entry.prefix_cost, entry.prefix_worth) = (cost, worth);
            let is_pending = next_pending == Some(nonce) && cost <= self.state.balance;
            match (entry.is_pending, is_pending) {
                (false, true) => self.pending += 1,
                (true, false) => {
                    self.pending -= 1;
                    entry.queued_since = heads;
                }
                _ => {}
            }
            entry.is_pending = is_pending;
            next_pending = if is_pending { nonce.checked_add(1) } else { None };
        }
    }

    /// Takes out blob transactions that are not pending: they must not wait. Settled before, settled after.
    pub(crate) fn take_torn_blobs(&mut self) -> Vec<Entry> {
        if !self.has_blobs() || self.queued_len() == 0 {
            return Vec::new();
        }
        self.take_unless(|_, entry| entry.is_pending)
    }

    /// Takes out the last ones beyond `limit`. Settled before, settled after.
    pub(crate) fn take_excess(&mut self, limit: usize) -> Vec<Entry> {
        let mut excess = Vec::new();
        while self.len() > limit.max(1) {
            let last = self.entries.last_key_value().map(|(nonce, _)| *nonce);
            excess.extend(last.and_then(|nonce| self.take(nonce)));
        }
        excess
    }

    /// The pending ones, by nonce, for a builder.
    pub(crate) fn ranked(&mut self) -> Arc<[Ranked]> {
        if let Some(ranked) = &self.ranked {
            return Arc::clone(ranked);
        }
        let of = |entry: &Entry| Ranked { transaction: Arc::clone(&entry.transaction), arrival: entry.arrival };
        let ranked: Arc<[Ranked]> = self.entries.values().take(self.pending).map(of).collect();
        self.ranked = Some(Arc::clone(&ranked));
        ranked
    }
}
