//! What a block changed, put together by all threads that ran it.
//!
//! When all is committed every thread's journal holds the same state, so each makes the diff of a share of the accounts, from
//! its own. A share is its thread's who has taken it; those of threads that never came are left to the calling one.

use crate::sync::{AtomicBool, Mutex, Ordering, Patience, lock};
use rialto_state::{Diff, ReadError, Share};
use rialto_stf::TxRunner;

/// Shares that there are for each thread, since none knows how soon the others come to theirs.
const SHARES_PER_THREAD: usize = 2;
/// Most shares that there can be.
const MAX_SHARES: usize = 256;

/// See the module's documentation.
pub(crate) struct Shares(Vec<Part>);

/// A share and what has changed of it.
#[derive(Default)]
struct Part {
    is_taken: AtomicBool,
    diff: Mutex<Option<Diff>>,
}

impl Shares {
    /// For so many threads.
    pub fn new(threads: usize) -> Self {
        let shares = (threads * SHARES_PER_THREAD).min(MAX_SHARES);
        Self(std::iter::repeat_with(Part::default).take(shares).collect())
    }

    /// Makes the share with this number, if nobody does, from a journal in which nothing is unsettled.
    fn make(&self, number: usize, runner: &mut TxRunner<'_>) -> Result<(), ReadError> {
        let part = &self.0[number];
        if !part.is_taken.swap(true, Ordering::AcqRel) {
            let share = Share { number, of: self.0.len() };
            let journal = runner.journal_mut();
            journal.stop_trials_for(share)?;
            let diff = journal.diff_of(share);
            *lock(&part.diff) = Some(diff);
        }
        Ok(())
    }

    /// Makes shares that nobody makes, from the last on.
    pub fn make_last(&self, runner: &mut TxRunner<'_>) -> Result<(), ReadError> {
        (0..self.0.len()).rev().try_for_each(|number| self.make(number, runner))
    }

    /// The shares in their order, if `runner` has what somebody else has not taken; `None` where something goes wrong, by `has_failed`,
    /// too.
    pub fn collect(&self, runner: &mut TxRunner<'_>, has_failed: impl Fn() -> bool) -> Option<Diff> {
        (0..self.0.len()).try_for_each(|number| self.make(number, runner)).ok()?;
        let mut whole: Option<Diff> = None;
        for part in &self.0 {
            let diff = part.wait(&has_failed)?;
            match &mut whole {
                None => whole = Some(diff),
                Some(whole) => whole.append(diff),
            }
        }
        whole
    }
}

impl Part {
    /// What has changed, when somebody has made it.
    fn wait(&self, has_failed: impl Fn() -> bool) -> Option<Diff> {
        let mut patience = Patience::default();
        loop {
            if let Some(diff) = lock(&self.diff).take() {
                return Some(diff);
            }
            if has_failed() {
                return None;
            }
            patience.wait();
        }
    }
}
