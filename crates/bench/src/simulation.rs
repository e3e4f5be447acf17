//! How a block would fare on more cores than this machine has.
//!
//! A discrete-event model replays a block's measured transactions ([`BlockProfile`]) on so many virtual cores.
//!
//! **Finding out** (optimistic), with the rules of `rialto-parallel`: how the block is cut into units (`units`), who takes which
//! next (`queue`: big ones first, calls in a row, lanes, pauses), and what a core does with it (`replay`: what a run sees and whether
//! it was right, running again before a unit's turn or in it, putting in, waiting, going on alone). When all is committed, the first
//! core writes the receipts that it has not written while it had nothing to do, and ends the block; all make the diff, in shares.
//!
//! **Told by an access list**: cores take the longest transactions first and the others in order, nobody waits and nothing is wasted.
//!
//! **What is measured**, each piece by itself on one core: running each transaction, putting its changes into another journal for
//! the first time and again, its bloom filter and its receipt; what comes before the transactions and after them, what a thread needs to
//! begin, and the diff, whole and in shares. The waking of a thread, too; those that are woken wake others. What one thread does alone
//! beyond the pieces is how much longer the calling thread is busy than the others, less what the model knows of that; with a
//! list it is that difference, less the waking. It stays as it is however many cores there are.
//!
//! **What is fixed** is what a run and a commit cost beside, and how soon others hear of it ([`Costs::FINDING_OUT`]), and after how long a core
//! counts as idle or takes what was left to others.
//!
//! **What is fitted**, block by block: by how much longer transactions take while others run, whose caches they share; with a list, a time
//! for each run. It makes the model take just as long as the measured run on as many cores as this machine has, and the model takes it
//! to be the same on more.
//!
//! **What is left out**: cores that get slower the more there are, or that are farther from each other, and the system's own work.

mod queue;
mod replay;
mod units;

use crate::profile::{BlockProfile, Pieces};
use replay::{Replay, Replayed};
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use units::{Unit, units};

/// Numbers of virtual cores.
pub const CORES: [usize; 6] = [1, 2, 4, 8, 16, 32];
/// Halvings in fitting the cost of a run: the error is below a billionth of a block's time.
const FIT_STEPS: usize = 30;
/// Between these is how much longer runs are taken to be among others, as a share.
const LEAST_CONTENTION: f64 = -0.5;
const MOST_CONTENTION: f64 = 4.0;
/// What is a larger part of the work for each core is long for those that are told.
const LONG_PER_CORE: u64 = 24;
/// So few cores are all called by the first.
const FEW_CORES: u64 = 3;
/// Shares of the diff that there are for each core of those that find out, and at most.
const SHARES_PER_CORE: usize = 2;
const MAX_SHARES: usize = 256;

/// What cores do beside running transactions, nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Costs {
    /// What one thread does alone, before and after the transactions; with those that find out, beyond what is timed piece by piece.
    pub alone_ns: u64,
    /// Telling a sleeping thread to begin.
    pub call_thread_ns: u64,
    /// Until a thread that was told begins.
    pub wake_thread_ns: u64,
    /// Each run, beyond the time that its transactions take by themselves.
    pub run_ns: u64,
    /// How much longer transactions take among others than by themselves, as a share of their time.
    pub contention: f64,
    /// Making it known that a unit is committed.
    pub commit_ns: u64,
    /// Until those who wait have noticed.
    pub hand_over_ns: u64,
}

impl Costs {
    /// What cores that find out do for each run and commit, as it was once measured on one machine: making a journal ready and
    /// telling what was done, the turn, and a cache line's way from one core to another.
    pub const FINDING_OUT: Self = Self {
        alone_ns: 0,
        call_thread_ns: 0,
        wake_thread_ns: 0,
        run_ns: 1_100,
        contention: 0.0,
        commit_ns: 350,
        hand_over_ns: 200,
    };
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Simulated {
    /// Time until the block is done, nanoseconds.
    pub total_ns: u64,
    /// Runs that were wasted.
    pub wasted: usize,
    /// How much longer the first core is busy than the others are on average, of those that find out, without what was not
    /// timed.
    pub longer_ns: u64,
}

/// Replays a block that more cores than one run, if there are more.
pub(crate) fn simulate(profile: &BlockProfile, cores: usize, knowledge: Knowledge, costs: &Costs) -> Simulated {
    let begins = begins(cores.max(1) as u64 - 1, costs);
    match knowledge {
        Knowledge::None => find_out(profile, costs, &begins),
        Knowledge::AccessList => {
            let total_ns = by_list(profile, costs.run_ns, &begins) + costs.alone_ns;
            Simulated { total_ns, ..Simulated::default() }
        }
    }
}

/// Cores that wake at these times find out what conflicts.
fn find_out(profile: &BlockProfile, costs: &Costs, wakes: &[u64]) -> Simulated {
    let units = units(profile, wakes.len());
    // The first has called others and prepares what all need while they wake.
    let prepared_at = wakes[0] + profile.pieces.begin_ns;
    let begins: Vec<u64> = wakes.iter().map(|wake| wake.max(&prepared_at) + profile.pieces.runner_ns).collect();
    let replayed = Replay::new(&units, costs, &begins).run();
    let (last_ns, through_at) = end(profile, &units, &replayed);
    let others = through_at.iter().zip(wakes).skip(1).map(|(through, wake)| through.map_or(0, |at| at - wake));
    let others_ns = others.sum::<u64>() / (wakes.len() as u64 - 1).max(1);
    Simulated { total_ns: last_ns + costs.alone_ns, wasted: replayed.wasted, longer_ns: last_ns - others_ns }
}

/// What follows the transactions: when the first core is through, and when each of them is, but those that came too late.
fn end(profile: &BlockProfile, units: &[Unit], replayed: &Replayed) -> (u64, Vec<Option<u64>>) {
    let Pieces { end_ns, share_ns, diff_ns, .. } = profile.pieces;
    let mut through_at = replayed.done_at.clone();
    let receipts_ns: u64 = units.iter().map(|unit| unit.receipt_ns).sum();
    let own_end_ns = receipts_ns - replayed.receipts_ns + end_ns;
    if replayed.committed < units.len() {
        // One goes on alone when the others have stopped, at the speed of one, and has its own changes to tell.
        let rest = units[replayed.committed..].iter().map(|unit| unit.run_ns + unit.bloom_ns);
        let begins = through_at.iter().flatten().max().copied().unwrap_or(0);
        return (begins + rest.sum::<u64>() + own_end_ns + share_ns + diff_ns, through_at);
    }
    if let Some(Some(own)) = through_at.first_mut() {
        *own += own_end_ns;
    }
    let shares = (through_at.len() * SHARES_PER_CORE).min(MAX_SHARES) as u64;
    for _ in 0..shares {
        // Whoever is free makes the next one.
        if let Some(first) = through_at.iter_mut().flatten().min() {
            *first += share_ns + diff_ns / shares;
        }
    }
    (through_at.iter().flatten().max().copied().unwrap_or(0), through_at)
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

/// Fits what a run takes beyond its transactions, so that the model takes `measured_ns` on `cores` cores: for those that find out how
/// much slower runs are among others, for those that are told a time for each. The least there is if it takes longer anyway.
pub(crate) fn fit(
    profile: &BlockProfile,
    cores: usize,
    knowledge: Knowledge,
    costs: &Costs,
    measured_ns: u64,
) -> Costs {
    let (mut low, mut high) = match knowledge {
        Knowledge::None => (LEAST_CONTENTION, MOST_CONTENTION),
        Knowledge::AccessList => (0.0, measured_ns as f64),
    };
    let with = |fitted: f64| match knowledge {
        Knowledge::None => Costs { contention: fitted, ..*costs },
        Knowledge::AccessList => Costs { run_ns: fitted as u64, ..*costs },
    };
    for _ in 0..FIT_STEPS {
        let middle = low + (high - low) / 2.0;
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
    use alloy_primitives::Address;

    /// Transactions of `(time, reads from)`, each another sender's call of another contract, and a unit of its own.
    fn block(rows: &[(u64, &[usize])]) -> BlockProfile {
        let transaction = |(index, (run_ns, reads_from)): (usize, &(u64, &[usize]))| TransactionProfile {
            run_ns: *run_ns,
            reads_from: reads_from.to_vec(),
            gas_limit: 1_000_000,
            sender: Address::from([index as u8; 20]),
            to: Some(Address::from([index as u8; 20])),
            ..TransactionProfile::default()
        };
        BlockProfile { transactions: rows.iter().enumerate().map(transaction).collect(), ..BlockProfile::default() }
    }

    #[test]
    fn small_blocks_take_what_they_take_by_hand() {
        let none: &[usize] = &[];
        let free = block(&[(10, none), (20, none), (30, none)]);
        let pair = block(&[(10, none), (10, &[0])]);
        // The third begins wrongly with the second, and waits for the second's second run.
        let chain = block(&[(10, none), (10, &[0]), (10, &[1]), (5, none)]);
        let rows = [
            ("independent, 2 cores", &free, 2, Knowledge::None, 40, 0),
            ("independent, 8 cores", &free, 8, Knowledge::None, 30, 0),
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
        let costs = Costs { alone_ns: 50, call_thread_ns: 7, wake_thread_ns: 20, ..Costs::default() };
        assert_eq!(simulate(&profile, 4, Knowledge::None, &costs).total_ns, 50 + 3 * 7 + 20 + 100);
        // Each runs two, the second core 20 later than the first: 277 as they are.
        let fitted = fit(&profile, 2, Knowledge::None, &costs, 327);
        assert!((fitted.contention - 0.25).abs() < 0.01, "{fitted:?}");
        assert_eq!(fit(&profile, 2, Knowledge::AccessList, &costs, 300).run_ns, 11);
        assert!(fit(&profile, 2, Knowledge::None, &costs, 10).contention < -0.49);
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
    fn all_make_the_diff_when_one_has_ended_the_block() {
        let mut profile = block(&[(100, &[]), (100, &[])]);
        profile.pieces = Pieces { begin_ns: 30, runner_ns: 5, end_ns: 40, share_ns: 1, diff_ns: 80 };
        let costs = Costs { wake_thread_ns: 20, ..Costs::default() };
        // Preparing takes longer than waking. Of four shares of 21 the other core makes two while the first ends the block.
        let found = simulate(&profile, 2, Knowledge::None, &costs);
        assert_eq!(found.total_ns, 30 + 5 + 100 + 3 * 21);
        // The first is busy from the beginning until it has made its one, at 196; the other from 20 to 198.
        assert_eq!(found.longer_ns, 198 - 178);
    }
}
