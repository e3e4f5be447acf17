//! The state root on several cores.
//!
//! [`rialto_trie::update`] divides the work into rounds of jobs of which none needs anything of another, so here is nothing
//! to decide: the threads of a pool take jobs of a round until there are none left, which also evens out jobs of different
//! size. Which thread runs which job, and when, cannot show in the root or in the nodes.
//!
//! Threads are kept as long as the process lives. They are others than those that execute, because the root of one block is
//! computed while the next is executed, and neither should wait for the other. A small diff is applied on the calling thread:
//! waking others would take longer.

use crate::pool::Pools;
use alloy_primitives::B256;
use rayon::iter::{IndexedParallelIterator, IntoParallelRefMutIterator, ParallelIterator};
use rialto_state::Diff;
use rialto_trie::{Job, StateNodeSource, StateTrie, TrieError};
use std::num::NonZeroUsize;

/// Changed accounts and slots from which on more than one thread is used.
const MIN_KEYS: usize = 96;
/// Most threads of a pool. There are not many more jobs in a round than that.
const MAX_THREADS: usize = 64;

static POOLS: Pools = Pools::new("state-root");

/// On how many threads tries are updated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RootThreads {
    threads: NonZeroUsize,
}

impl RootThreads {
    /// So many threads; one is the caller's own.
    pub fn new(threads: NonZeroUsize) -> Self {
        Self { threads }
    }

    /// Number of threads.
    pub fn threads(&self) -> usize {
        self.threads.get()
    }

    /// Applies a diff to the tries and returns the new root, as [`StateTrie::apply_from`] does.
    ///
    /// On an error the tries are left half changed and must not be used any more.
    pub fn apply(
        &self,
        trie: &mut StateTrie,
        diff: &Diff,
        source: &(dyn StateNodeSource + Sync),
    ) -> Result<B256, TrieError> {
        let keys: usize = diff.accounts.iter().map(|change| 1 + change.storage.len()).sum();
        let pool = if self.threads.get() > 1 && keys >= MIN_KEYS {
            POOLS.get(self.threads.get().min(MAX_THREADS))
        } else {
            None
        };
        let Some(pool) = pool else { return trie.apply_from(diff, source) };
        trie.apply_with(diff, source, &mut |jobs: &mut [Job<'_>]| match jobs {
            [job] => job.run(source),
            jobs => pool.install(|| jobs.par_iter_mut().with_max_len(1).for_each(|job| job.run(source))),
        })
    }
}
