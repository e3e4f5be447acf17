//! How a block would fare on more cores than this machine has.
//!
//! A discrete-event model replays a block's measured transactions ([`BlockProfile`]) on so many virtual cores.
//!
//! **Finding out** (optimistic), as `rialto-parallel` does it. Transactions that can't use much gas are run a few at a time. Cores
//! take such units in the order of the block, those that may use much of its gas first, but not too far ahead of what is
//! committed. If, when a unit begins, one of those whose changes it reads is not done with the right values, its run is wasted; the model lets it read everything at its
//! beginning, which wastes more than happens. A unit is committed by the core that ran it, when all before it are and the core
//! has nothing else in hand; if its run was wasted, it is run again then, or before when the core has nothing better to do and
//! something that it reads has become right. Later transactions of a sender are run with the nonces that they will find.
//!
//! **Told by an access list**: cores take the longest transactions first and the others in order, nobody waits and nothing is wasted.
//!
//! **What it costs beside.** What one thread does alone, before and after the transactions, stays as it is however many cores there
//! are: it is how much longer the calling thread is busy than the others are, measured. So is the waking of a thread; those that are
//! woken wake others. Cores that find out keep a copy each of what is committed, so every core has to put in what every other one did, which
//! takes a measured time for each transaction. What else a run costs (checking, telling others) is fitted: it is what makes
//! the model take just as long as the measured run on as many cores as this machine has.

use crate::profile::BlockProfile;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// Numbers of virtual cores.
pub const CORES: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// Halvings in fitting the cost of a run: the error is below a billionth of a block's time.
const FIT_STEPS: usize = 30;
/// Gas that the transactions of a unit may use together, unless it is one.
const UNIT_GAS: u64 = 600_000;
/// What is a larger part of the work for each core is long for those that are told.
const LONG_PER_CORE: u64 = 24;
/// So few cores are all called by the first.
const FEW_CORES: u64 = 3;
/// A unit that may use this share of all gas is taken before the others by those that find out.
const BIG_SHARE: u64 = 16;
/// Most transactions of a unit.
const UNIT_TRANSACTIONS: usize = 16;
/// Units that each core should get.
const UNITS_PER_CORE: usize = 8;
/// Units ahead of the last committed one that each core may cause.
const AHEAD_PER_CORE: usize = 128;
/// Runs of a unit at most, the one in its turn included.
const MAX_RUNS: usize = 4;

/// What cores do beside running transactions, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Costs {
    /// What one thread does alone, before and after the transactions.
    pub alone_ns: u64,
    /// Telling a sleeping thread to begin.
    pub call_thread_ns: u64,
    /// Until a thread that was told begins.
    pub wake_thread_ns: u64,
    /// Each run, beyond the time that its transactions take by themselves.
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

/// Replays a block.
pub(crate) fn simulate(profile: &BlockProfile, cores: usize, knowledge: Knowledge, costs: &Costs) -> Simulated {
    let begins = begins(cores.clamp(1, profile.transactions.len().max(1)) as u64 - 1, costs);
    let (done_at, wasted) = match knowledge {
        Knowledge::None => Replay::new(units(profile, cores), costs.run_ns, &begins).run(),
        Knowledge::AccessList => (by_list(profile, costs.run_ns, &begins), 0),
    };
    Simulated { total_ns: done_at + costs.alone_ns, wasted }
}

/// When a core and so many others begin: it calls some of them, and each of these a share of the rest.
fn begins(others: u64, costs: &Costs) -> Vec<u64> {
    let Costs { call_thread_ns, wake_thread_ns, .. } = *costs;
    let groups = others.isqrt().max(others.min(FEW_CORES));
    let mut begins = vec![groups * call_thread_ns];
    for group in 0..groups {
        let size = others / groups + u64::from(group < others % groups);
        let first = (group + 1) * call_thread_ns + wake_thread_ns;
        begins.push(first + (size - 1) * call_thread_ns);
        begins.extend((1..size).map(|other| first + other * call_thread_ns + wake_thread_ns));
    }
    begins
}

/// When cores that begin at these times have run all transactions, whichever is free the next one.
fn by_list(profile: &BlockProfile, run_ns: u64, begins: &[u64]) -> u64 {
    let all: u64 = profile.transactions.iter().map(|transaction| transaction.run_ns).sum();
    let is_long = |time: &u64| *time > all / (LONG_PER_CORE * begins.len() as u64);
    let times = || profile.transactions.iter().map(|transaction| transaction.run_ns);
    let mut order: Vec<u64> = times().filter(is_long).collect();
    order.sort_unstable_by_key(|time| Reverse(*time));
    order.extend(times().filter(|time| !is_long(time)));
    let mut free: BinaryHeap<Reverse<u64>> = begins.iter().copied().map(Reverse).collect();
    let mut done_at = 0;
    for time in order {
        let Some(Reverse(now)) = free.pop() else { break };
        let end = now + time + run_ns;
        done_at = done_at.max(end);
        free.push(Reverse(end));
    }
    done_at
}

/// Transactions that are run together.
struct Unit {
    gas_limit: u64,
    run_ns: u64,
    apply_ns: u64,
    /// Earlier units whose changes it reads.
    reads_from: Vec<usize>,
}

/// The block in units, for so many cores.
fn units(profile: &BlockProfile, cores: usize) -> Vec<Unit> {
    let transactions = &profile.transactions;
    let most = (transactions.len() / (UNITS_PER_CORE * cores.max(1))).clamp(1, UNIT_TRANSACTIONS);
    let mut units: Vec<Unit> = Vec::new();
    let mut unit_of: Vec<usize> = Vec::new();
    let (mut count, mut gas) = (0, 0u64);
    for transaction in transactions {
        let is_full = count == most || gas.saturating_add(transaction.gas_limit) > UNIT_GAS;
        if units.is_empty() || is_full {
            units.push(Unit { gas_limit: 0, run_ns: 0, apply_ns: 0, reads_from: Vec::new() });
            (count, gas) = (0, 0);
        }
        (count, gas) = (count + 1, gas.saturating_add(transaction.gas_limit));
        let own = units.len() - 1;
        unit_of.push(own);
        let unit = &mut units[own];
        unit.gas_limit = unit.gas_limit.saturating_add(transaction.gas_limit);
        unit.run_ns += transaction.run_ns;
        unit.apply_ns += transaction.apply_ns;
        unit.reads_from
            .extend(transaction.reads_from.iter().map(|other| unit_of[*other]).filter(|other| *other != own));
    }
    units
}

/// A unit that was run and is not committed.
struct Waiting {
    unit: usize,
    /// When its last run began.
    begun_at: u64,
    runs: usize,
}

/// A core of those that find out.
#[derive(Default)]
struct Core {
    waiting: VecDeque<Waiting>,
    /// So many committed units are in its copy of the state.
    has_seen: usize,
}

/// A block under way on virtual cores that find out.
struct Replay {
    units: Vec<Unit>,
    /// In which they are taken.
    order: Vec<usize>,
    run_ns: u64,
    cores: Vec<Core>,
    /// Until when each core is busy, the earliest first.
    busy: BinaryHeap<Reverse<(u64, usize)>>,
    /// Cores that have nothing to do before something changes.
    idle: Vec<usize>,
    /// From when on each unit is right.
    right_at: Vec<Option<u64>>,
    next: usize,
    committed: usize,
    wasted: usize,
}

impl Replay {
    fn new(units: Vec<Unit>, run_ns: u64, begins: &[u64]) -> Self {
        let all: u64 = units.iter().map(|unit| unit.gas_limit / BIG_SHARE).sum();
        let (mut order, rest): (Vec<usize>, Vec<usize>) =
            (0..units.len()).partition(|unit| units[*unit].gas_limit >= all);
        order.extend(rest);
        Self {
            order,
            right_at: vec![None; units.len()],
            units,
            run_ns,
            cores: begins.iter().map(|_| Core::default()).collect(),
            busy: begins.iter().enumerate().map(|(core, begin)| Reverse((*begin, core))).collect(),
            idle: Vec::new(),
            next: 0,
            committed: 0,
            wasted: 0,
        }
    }

    /// When the block is done, and how many runs were wasted.
    fn run(mut self) -> (u64, usize) {
        let mut done_at = 0;
        while let Some(Reverse((now, core))) = self.busy.pop() {
            done_at = done_at.max(now);
            // Whatever this core was busy with is done, and others may have waited for it.
            self.wake(now);
            loop {
                let before = self.committed;
                self.commit_own(core, now);
                if self.committed == before {
                    break;
                }
                self.wake(now);
            }
            match self.begin(core, now) {
                Some(end) => self.busy.push(Reverse((end, core))),
                None => self.idle.push(core),
            }
        }
        assert_eq!(self.committed, self.units.len(), "the next unit to be committed waits for nobody");
        (done_at, self.wasted)
    }

    fn wake(&mut self, now: u64) {
        // Who finds nothing to do comes back here, and nothing wakes it at this time but what was committed at this time.
        loop {
            let before = self.committed;
            for core in std::mem::take(&mut self.idle) {
                self.commit_own(core, now);
                match self.begin(core, now) {
                    Some(end) => self.busy.push(Reverse((end, core))),
                    None => self.idle.push(core),
                }
            }
            if self.committed == before {
                return;
            }
        }
    }

    fn is_right(&self, unit: usize, now: u64) -> bool {
        self.right_at[unit].is_some_and(|at| at <= now)
    }

    /// Commits the core's units whose turn it is and that are right.
    fn commit_own(&mut self, core: usize, now: u64) {
        while let Some(front) = self.cores[core].waiting.front()
            && front.unit == self.committed
            && self.is_right(front.unit, now)
        {
            self.cores[core].waiting.pop_front();
            self.committed += 1;
        }
    }

    /// Begins the best that the core can do now; until when it is busy with it.
    fn begin(&mut self, core: usize, now: u64) -> Option<u64> {
        let waiting = &self.cores[core].waiting;
        if waiting.front().is_some_and(|front| front.unit == self.committed) {
            return Some(self.run_again(core, 0, now));
        }
        let end = self.units.len().min(self.committed + AHEAD_PER_CORE * self.cores.len());
        if self.next < end {
            let unit = self.order[self.next];
            self.next += 1;
            let waiting = &mut self.cores[core].waiting;
            let place = waiting.partition_point(|other| other.unit < unit);
            waiting.insert(place, Waiting { unit, begun_at: now, runs: 0 });
            return Some(self.run_at(core, place, now));
        }
        let has_news = |waiting: &Waiting| {
            let became_right =
                |other: &usize| self.right_at[*other].is_some_and(|at| at > waiting.begun_at && at <= now);
            self.right_at[waiting.unit].is_none()
                && waiting.runs + 1 < MAX_RUNS
                && self.units[waiting.unit].reads_from.iter().any(became_right)
        };
        let place = waiting.iter().skip(1).position(has_news)? + 1;
        Some(self.run_again(core, place, now))
    }

    fn run_again(&mut self, core: usize, place: usize, now: u64) -> u64 {
        self.wasted += 1;
        self.run_at(core, place, now)
    }

    /// Runs a waiting unit of a core; until when.
    fn run_at(&mut self, core: usize, place: usize, now: u64) -> u64 {
        let Core { waiting, has_seen } = &mut self.cores[core];
        let missed: u64 = self.units[*has_seen..self.committed].iter().map(|unit| unit.apply_ns).sum();
        *has_seen = self.committed;
        let run = &mut waiting[place];
        (run.begun_at, run.runs) = (now, run.runs + 1);
        let index = run.unit;
        let unit = &self.units[index];
        let end = now + missed + unit.run_ns + self.run_ns;
        let is_right = unit.reads_from.iter().all(|other| self.is_right(*other, now));
        self.right_at[index] = is_right.then_some(end);
        end
    }
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
            gas_limit: 1_000_000,
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
    fn those_who_are_called_call_others() {
        let costs = Costs { call_thread_ns: 7, wake_thread_ns: 20, ..Costs::default() };
        let rows: [(u64, &[u64]); 4] = [
            (0, &[0]),
            (1, &[7, 27]),
            (3, &[21, 27, 34, 41]),
            // The first and the second of three have one more to call.
            (5, &[21, 34, 54, 41, 61, 41]),
        ];
        for (others, expected) in rows {
            assert_eq!(begins(others, &costs), expected, "{others} others");
        }
    }

    #[test]
    fn those_who_are_told_begin_with_what_is_long() {
        let mut rows: Vec<(u64, &[usize])> = vec![(10, &[]); 20];
        rows[19].0 = 200;
        assert_eq!(simulate(&block(&rows), 2, Knowledge::AccessList, &Costs::default()).total_ns, 200);
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
    fn small_transactions_are_run_together() {
        let rows: [(u64, &[usize]); 64] = [(10, &[]); 64];
        let mut profile = block(&rows);
        profile.transactions.iter_mut().for_each(|transaction| transaction.gas_limit = 21_000);
        profile.transactions[33].reads_from = vec![0, 32];
        let units = units(&profile, 2);
        assert_eq!((units.len(), units[0].run_ns), (16, 40));
        assert_eq!(units[8].reads_from, [0]);
        let costs = Costs { run_ns: 4, ..Costs::default() };
        assert_eq!(simulate(&profile, 2, Knowledge::None, &costs).total_ns, 16 / 2 * 44);
        assert_eq!(simulate(&profile, 2, Knowledge::AccessList, &costs).total_ns, 64 / 2 * 14);
    }

    #[test]
    fn a_long_unit_holds_up_those_too_far_ahead() {
        let mut rows: Vec<(u64, &[usize])> = vec![(10, &[]); 280];
        rows[0].0 = 4_000;
        // With the first under way, another core may run the 255 behind it, and the other 24 only when it is done.
        let found = simulate(&block(&rows), 2, Knowledge::None, &Costs::default());
        assert_eq!((found.total_ns, found.wasted), (4_000 + 24 / 2 * 10, 0));
    }
}
