//! Pending transactions in the order in which a builder wants them.
//!
//! Each sender gives an unbroken run of nonces. A heap holds the first of each run by effective tip at the block's fees,
//! earlier arrival first where tips are equal; when one is taken, the next of its sender steps in its place. So a block
//! gets the best tips that nonces allow, and a sender whose transaction failed is left out by not letting the next step in.
//! Calls that a native module wants at the beginning of a block (prices, which everything after them is settled at) come before all others.
//! A transaction whose fee cap is below the block's fees ends its sender's run: what follows could not be executed.
//!
//! The runs are shared slices that the pool keeps until it changes, so taking a snapshot costs a count per sender, and
//! iterating holds no lock.

use super::fees::effective_tip;
use crate::PoolTransaction;
use alloy_primitives::U256;
use rialto_vm::NativeModule;
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

/// A pending transaction with when it came.
#[derive(Clone, Debug)]
pub(crate) struct Ranked {
    pub(crate) transaction: Arc<PoolTransaction>,
    pub(crate) arrival: u64,
}

/// A sender's run from `index` on, by its first transaction.
struct Run {
    /// Whether a native module wants its first transaction at the beginning of the block.
    goes_first: bool,
    tip: U256,
    arrival: u64,
    index: usize,
    transactions: Arc<[Ranked]>,
}

impl Run {
    fn key(&self) -> (bool, U256, Reverse<u64>) {
        (self.goes_first, self.tip, Reverse(self.arrival))
    }
}

impl PartialEq for Run {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Run {}

impl PartialOrd for Run {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Run {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

/// Pending transactions, best first; those of one sender in the order of their nonces.
pub struct BestTransactions {
    heap: BinaryHeap<Run>,
    base_fee: U256,
    blob_base_fee: U256,
    modules: Vec<&'static dyn NativeModule>,
    /// What follows the transaction given last, of the same sender.
    rest: Option<(Arc<[Ranked]>, usize)>,
}

impl BestTransactions {
    pub(crate) fn new(base_fee: u64, blob_base_fee: U256, runs: impl Iterator<Item = Arc<[Ranked]>>) -> Self {
        let base_fee = U256::from(base_fee);
        let mut best = Self { heap: BinaryHeap::new(), base_fee, blob_base_fee, modules: Vec::new(), rest: None };
        best.heap = runs.filter_map(|transactions| best.run(transactions, 0)).collect();
        best
    }

    /// With the calls first that these modules want first.
    pub fn preferring(mut self, modules: Vec<&'static dyn NativeModule>) -> Self {
        if !modules.is_empty() {
            self.modules = modules;
            let runs = std::mem::take(&mut self.heap).into_iter();
            self.heap = runs.filter_map(|run| self.run(run.transactions, run.index)).collect();
        }
        self
    }

    /// The run from `index` on, if its first transaction pays the block's fees.
    fn run(&self, transactions: Arc<[Ranked]>, index: usize) -> Option<Run> {
        let first = transactions.get(index)?;
        let tip = effective_tip(&first.transaction.transaction, self.base_fee, self.blob_base_fee)?;
        let arrival = first.arrival;
        let transaction = &first.transaction.transaction;
        let is_wanted = |module: &&dyn NativeModule| {
            transaction.to == Some(module.address()) && module.goes_first(&transaction.input)
        };
        let goes_first = self.modules.iter().any(is_wanted);
        Some(Run { goes_first, tip, arrival, index, transactions })
    }

    /// Leaves out what else the sender of the transaction given last has.
    pub fn skip_sender(&mut self) {
        self.rest = None;
    }
}

impl Iterator for BestTransactions {
    type Item = Arc<PoolTransaction>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some((transactions, index)) = self.rest.take()
            && let Some(run) = self.run(transactions, index)
        {
            self.heap.push(run);
        }
        let run = self.heap.pop()?;
        let transaction = Arc::clone(&run.transactions[run.index].transaction);
        self.rest = Some((run.transactions, run.index + 1));
        Some(transaction)
    }
}
