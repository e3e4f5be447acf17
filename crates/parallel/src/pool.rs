//! Threads that are kept from block to block.
//!
//! A block takes from a third of a millisecond to a few, and starting a thread a twentieth of one, so threads are started once and
//! sleep in between. There is a pool for each number of threads that is ever asked for, for as long as the process lives: a node
//! asks for one number, a test for a handful. The caller's own thread is one of those that work, so a pool has one less.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Most threads of a pool: more than that gain nothing on a block.
const MAX_THREADS: usize = 256;

/// How often the caller looks whether the others are through before it sleeps, for some ten microseconds: they have done their last
/// job about when it has, and to be woken would take longer than they do.
const SPINS: usize = 2_000;

/// So few threads are all woken by the caller.
const FEW: usize = 3;

static BLOCK_POOLS: Pools = Pools::new("block");

/// Pools for one kind of work, by their number of threads; `None` where the system gave none.
pub(crate) struct Pools {
    kind: &'static str,
    by_threads: Mutex<BTreeMap<usize, Option<Arc<ThreadPool>>>>,
}

impl Pools {
    /// No pools yet. Threads will be named after their kind.
    pub const fn new(kind: &'static str) -> Self {
        Self { kind, by_threads: Mutex::new(BTreeMap::new()) }
    }

    /// A pool with so many threads, `None` where the system gives none.
    pub fn get(&self, threads: usize) -> Option<Arc<ThreadPool>> {
        let mut pools = self.by_threads.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = self.kind;
        let build = || {
            let name = move |index| format!("{kind}-{index}");
            ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build().ok().map(Arc::new)
        };
        pools.entry(threads).or_insert_with(build).clone()
    }
}

/// Runs `own` on this thread and, meanwhile, `other` on each of `threads - 1` others, and comes back when all have. Where the
/// system gives no threads `other` is not run at all, so `own` must be able to do the whole work.
pub(crate) fn beside<T>(threads: NonZeroUsize, other: impl Fn() + Sync, own: impl FnOnce() -> T) -> T {
    #[cfg(test)]
    if crate::explore::is_on() {
        return crate::explore::beside(threads, other, own);
    }
    let others = threads.get().min(MAX_THREADS) - 1;
    let pool = if others > 0 { BLOCK_POOLS.get(others) } else { None };
    match pool {
        None => own(),
        Some(pool) => {
            let is_over = AtomicUsize::new(0);
            let one = || {
                other();
                is_over.fetch_add(1, Ordering::Release);
            };
            let one = &one;
            pool.in_place_scope(|scope| {
                // To wake a thread takes as long as a short transaction, so those that are woken wake some, too.
                let groups = others.isqrt().max(others.min(FEW));
                for group in 0..groups {
                    let size = others / groups + usize::from(group < others % groups);
                    scope.spawn(move |scope| {
                        (1..size).for_each(|_| scope.spawn(move |_| one()));
                        one();
                    });
                }
                let result = own();
                for _ in 0..SPINS {
                    if is_over.load(Ordering::Acquire) == others {
                        break;
                    }
                    std::hint::spin_loop();
                }
                result
            })
        }
    }
}

/// Runs `work` on so many threads, this one among them, and comes back when all have. It may be run on fewer: whatever is to be
/// done must be done by any one of them that keeps at it.
pub(crate) fn on_threads(threads: NonZeroUsize, work: impl Fn() + Sync) {
    beside(threads, &work, &work);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_the_work_is_done_and_over() {
        for threads in [1, 2, 4, 16] {
            let threads = NonZeroUsize::new(threads).expect("a row");
            for _ in 0..100 {
                let (next, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
                on_threads(threads, || {
                    while next.fetch_add(1, Ordering::Relaxed) < 100 {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                });
                assert_eq!(done.into_inner(), 100, "{threads} threads");
            }
        }
    }
}
