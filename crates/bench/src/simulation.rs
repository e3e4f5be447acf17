//! How a block would fare on more cores than this machine has.
//!
//! A discrete-event model replays a block's measured transactions ([`BlockProfile`]) on so many virtual cores. Cores take
//! transactions in the order of the block.
//!
//! **Finding out** (optimistic): a transaction is run as soon as a core is free. If, when it begins, one of the transactions whose
//! changes it reads is not done with the right values, its run is wasted and it has to be run again; the model lets it read
//! everything at its beginning, which wastes more than happens. After that it is known what the wasted run wrote, so
//! whoever reads from it waits for it, and it waits for those that it reads from: from then on nothing is wasted. A
//! transaction whose sender has an earlier one under way waits for that, too.
//!
//! **Told by an access list**: nobody waits and nothing is wasted; cores only have to be free.
//!
//! **What it costs beside.** What one thread does alone, before and after the transactions, stays as it is however many cores there
//! are: it is how much longer the calling thread is busy than the others are, measured. So is the waking of threads, one by
//! one. Cores that find out keep a copy each of what is committed, so every core has to put in what every other one did, which
//! takes a measured time for each transaction. What else a run costs (checking, telling others) is fitted: it is what makes
//! the model take just as long as the measured run on as many cores as this machine has.

use crate::profile::BlockProfile;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Numbers of virtual cores.
pub const CORES: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// Halvings in fitting the cost of a run: the error is below a billionth of a block's time.
const FIT_STEPS: usize = 30;

/// What cores do beside running transactions, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Costs {
    /// What one thread does alone, before and after the transactions.
    pub alone_ns: u64,
    /// Telling a sleeping thread to begin.
    pub call_thread_ns: u64,
    /// Until a thread that was told begins.
    pub wake_thread_ns: u64,
    /// Each run of a transaction, beyond the time it takes by itself.
    pub run_ns: u64,
}

/// How the cores know which transactions conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Knowledge {
    /// They find out.
    None,
    /// They are told.
    AccessList,
}

/// What came of a simulated run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Simulated {
    /// Time until the block is done, nanoseconds.
    pub total_ns: u64,
    /// Runs that were wasted.
    pub wasted: usize,
}

/// Where a transaction stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    New,
    /// Runs in vain until then.
    Wasting(u64),
    /// Is right from then on.
    Right(u64),
}

/// A block under way on virtual cores.
struct Replay<'a> {
    profile: &'a BlockProfile,
    knowledge: Knowledge,
    stages: Vec<Stage>,
    /// Transactions that are not begun for good, ascending.
    open: Vec<usize>,
    /// Transactions that are committed: they and all before them are right.
    committed: usize,
}

/// A core that is free from then on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Core {
    free_at: u64,
    /// So many committed transactions are in its copy of the state.
    has_seen: usize,
}

impl Replay<'_> {
    fn is_right(&self, index: usize, now: u64) -> bool {
        matches!(self.stages[index], Stage::Right(at) if at <= now)
    }

    /// Whether a wasted run has shown what the transaction writes.
    fn is_known(&self, index: usize, now: u64) -> bool {
        matches!(self.stages[index], Stage::Wasting(until) if until <= now)
    }

    /// Whether a core may take the transaction now.
    fn may_begin(&self, index: usize, now: u64) -> bool {
        let transaction = &self.profile.transactions[index];
        match (self.knowledge, self.stages[index]) {
            (Knowledge::AccessList, _) => true,
            (_, Stage::Wasting(until)) => {
                until <= now && transaction.reads_from.iter().all(|other| self.is_right(*other, now))
            }
            _ => {
                let is_turn = transaction.previous_of_sender.is_none_or(|other| self.is_right(other, now));
                is_turn && !transaction.reads_from.iter().any(|other| self.is_known(*other, now))
            }
        }
    }

    /// What it takes a core to catch up with what is committed.
    fn catch_up(&mut self, core: &mut Core) -> u64 {
        while self.committed < self.stages.len() && self.is_right(self.committed, core.free_at) {
            self.committed += 1;
        }
        let missed = &self.profile.transactions[core.has_seen.min(self.committed)..self.committed];
        core.has_seen = self.committed;
        missed.iter().map(|transaction| transaction.apply_ns).sum()
    }

    /// Begins the first transaction that may begin; when its run ends and whether it is wasted.
    fn begin(&mut self, core: &mut Core, costs: &Costs) -> Option<(u64, bool)> {
        let now = core.free_at;
        let position = self.open.iter().position(|index| self.may_begin(*index, now))?;
        let index = self.open[position];
        let transaction = &self.profile.transactions[index];
        let mut end = now + transaction.run_ns + costs.run_ns;
        let is_told = self.knowledge == Knowledge::AccessList;
        let is_right = is_told || transaction.reads_from.iter().all(|other| self.is_right(*other, now));
        if !is_told {
            end += self.catch_up(core);
        }
        self.stages[index] = if is_right { Stage::Right(end) } else { Stage::Wasting(end) };
        if is_right {
            self.open.remove(position);
        }
        Some((end, !is_right))
    }
}

/// Replays a block.
pub(crate) fn simulate(profile: &BlockProfile, cores: usize, knowledge: Knowledge, costs: &Costs) -> Simulated {
    let count = profile.transactions.len();
    let (stages, open) = (vec![Stage::New; count], (0..count).collect());
    let mut replay = Replay { profile, knowledge, stages, open, committed: 0 };
    let (mut wasted, mut done_at) = (0, 0);
    // The first core calls the others and then begins itself.
    let others = cores.clamp(1, count.max(1)) as u64 - 1;
    let idle = |free_at| Reverse(Core { free_at, has_seen: 0 });
    let begins = |other: u64| idle(other * costs.call_thread_ns + costs.wake_thread_ns);
    let mut free: BinaryHeap<Reverse<Core>> = (1..=others).map(begins).collect();
    free.push(idle(others * costs.call_thread_ns));
    while let Some(Reverse(mut core)) = free.pop() {
        if let Some((end, is_wasted)) = replay.begin(&mut core, costs) {
            wasted += usize::from(is_wasted);
            done_at = done_at.max(end);
            free.push(Reverse(Core { free_at: end, ..core }));
        } else if !replay.open.is_empty() {
            // Something changes when the next run ends; with none under way the lowest open transaction could begin.
            let ends = replay.stages.iter().filter_map(|stage| match stage {
                Stage::New => None,
                Stage::Wasting(end) | Stage::Right(end) => (*end > core.free_at).then_some(*end),
            });
            free.extend(ends.min().map(|free_at| Reverse(Core { free_at, ..core })));
        }
    }
    assert!(replay.open.is_empty(), "the lowest open transaction waits for nobody");
    Simulated { total_ns: done_at + costs.alone_ns, wasted }
}

/// The cost of a run with which the model takes `measured_ns` on `cores` cores; zero if it takes longer without any.
pub(crate) fn fit(
    profile: &BlockProfile,
    cores: usize,
    knowledge: Knowledge,
    costs: &Costs,
    measured_ns: u64,
) -> Costs {
    let with = |run_ns| Costs { run_ns, ..*costs };
    let (mut low, mut high) = (0, measured_ns);
    for _ in 0..FIT_STEPS {
        let middle = low + (high - low) / 2;
        if simulate(profile, cores, knowledge, &with(middle)).total_ns > measured_ns {
            high = middle;
        } else {
            low = middle;
        }
    }
    with(low)
}

/// The longest chain of transactions of which each reads from the one before, nanoseconds: no number of cores that have to find
/// out beats it.
pub(crate) fn critical_path_ns(profile: &BlockProfile) -> u64 {
    let mut ends: Vec<u64> = Vec::new();
    for transaction in &profile.transactions {
        let begins = transaction.reads_from.iter().map(|other| ends[*other]).max().unwrap_or(0);
        ends.push(begins + transaction.run_ns);
    }
    ends.into_iter().max().unwrap_or(0)
}

/// The longest transaction, nanoseconds: no number of cores beats it, whatever they are told.
pub(crate) fn longest_transaction_ns(profile: &BlockProfile) -> u64 {
    profile.transactions.iter().map(|transaction| transaction.run_ns).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::TransactionProfile;

    /// Transactions of `(time, reads from)`.
    fn block(rows: &[(u64, &[usize])]) -> BlockProfile {
        let transaction = |(run_ns, reads_from): &(u64, &[usize])| TransactionProfile {
            run_ns: *run_ns,
            apply_ns: 0,
            reads_from: reads_from.to_vec(),
            previous_of_sender: None,
        };
        BlockProfile { transactions: rows.iter().map(transaction).collect() }
    }

    #[test]
    fn small_blocks_take_what_they_take_by_hand() {
        let none: &[usize] = &[];
        let free = block(&[(10, none), (20, none), (30, none)]);
        let pair = block(&[(10, none), (10, &[0])]);
        // The third begins wrongly with the second, and waits for the second's second run.
        let chain = block(&[(10, none), (10, &[0]), (10, &[1]), (5, none)]);
        let rows = [
            ("independent, 1 core", &free, 1, Knowledge::None, 60, 0),
            ("independent, 2 cores", &free, 2, Knowledge::None, 40, 0),
            ("independent, 8 cores", &free, 8, Knowledge::None, 30, 0),
            ("a pair, 1 core", &pair, 1, Knowledge::None, 20, 0),
            ("a pair, 2 cores", &pair, 2, Knowledge::None, 20, 1),
            ("a pair, told", &pair, 2, Knowledge::AccessList, 10, 0),
            ("a chain, 4 cores", &chain, 4, Knowledge::None, 30, 2),
            ("a chain, told", &chain, 4, Knowledge::AccessList, 10, 0),
        ];
        for (name, profile, cores, knowledge, expected_ns, expected_wasted) in rows {
            let found = simulate(profile, cores, knowledge, &Costs::default());
            assert_eq!((found.total_ns, found.wasted), (expected_ns, expected_wasted), "{name}");
        }
        assert_eq!((critical_path_ns(&chain), longest_transaction_ns(&free)), (30, 30));
    }

    #[test]
    fn what_is_sequential_stays_and_what_is_fitted_fits() {
        let profile = block(&[(100, &[]), (100, &[]), (100, &[]), (100, &[])]);
        let costs = Costs { alone_ns: 50, call_thread_ns: 7, wake_thread_ns: 20, run_ns: 0 };
        assert_eq!(simulate(&profile, 4, Knowledge::None, &costs).total_ns, 50 + 3 * 7 + 20 + 100);
        let fitted = fit(&profile, 2, Knowledge::None, &costs, 300);
        assert_eq!(fitted.run_ns, 11);
        assert_eq!(simulate(&profile, 2, Knowledge::None, &fitted).total_ns, 299);
        assert_eq!(fit(&profile, 2, Knowledge::None, &costs, 10).run_ns, 0);
    }

    #[test]
    fn every_core_puts_in_what_is_committed() {
        let mut profile = block(&[(10, &[]), (10, &[]), (10, &[]), (10, &[])]);
        profile.transactions.iter_mut().for_each(|transaction| transaction.apply_ns = 3);
        // Both cores begin on the state before the block, and then put in the two transactions that are committed.
        let found = simulate(&profile, 2, Knowledge::None, &Costs::default());
        assert_eq!((found.total_ns, found.wasted), (10 + 2 * 3 + 10, 0));
        assert_eq!(simulate(&profile, 2, Knowledge::AccessList, &Costs::default()).total_ns, 20);
    }

    #[test]
    fn one_sender_s_transactions_wait_for_their_turn() {
        let mut profile = block(&[(10, &[]), (10, &[0]), (10, &[1])]);
        (profile.transactions[1].previous_of_sender, profile.transactions[2].previous_of_sender) = (Some(0), Some(1));
        let found = simulate(&profile, 4, Knowledge::None, &Costs::default());
        assert_eq!((found.total_ns, found.wasted), (30, 0));
    }
}
