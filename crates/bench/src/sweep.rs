//! How threads fare as one thing about the work changes: how much of it conflicts, or how many threads there are.

use crate::BenchError;
use crate::block_engine::BlockCase;
use crate::case::Case;
use crate::contended::Contended;
use crate::engine::Engine;
use crate::harness::Effort;
use crate::rialto_engine::RialtoCase;
use crate::synthetic;
use crate::turns::{Contestant, in_turns, ratio};
use rialto_parallel::{Counts, Strategy};
use serde::Serialize;
use std::num::NonZeroUsize;

/// Shares of transactions that conflict, in percent.
const SHARES: [u64; 11] = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100];
/// Numbers of threads.
pub(crate) const THREADS: [usize; 5] = [1, 2, 4, 8, 16];

/// A block run on so many threads. Medians in nanoseconds; ratios above 1 mean that the threads are faster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepPoint {
    /// What kind of block.
    pub case: &'static str,
    /// Share of its transactions that want the same thing, percent.
    pub conflicting_percent: u64,
    /// Threads.
    pub threads: usize,
    /// Transactions.
    pub transactions: usize,
    /// One thread.
    pub sequential_ns: u64,
    /// Several threads that find out what conflicts.
    pub parallel_ns: u64,
    /// Several threads with an access list.
    pub access_list_ns: Option<u64>,
    /// `sequential_ns` divided by `parallel_ns`.
    pub over_sequential: f64,
    /// `sequential_ns` divided by `access_list_ns`.
    pub over_sequential_access_list: Option<f64>,
    /// Transactions that had been run before their turn for nothing, in the run that was checked.
    pub run_again: usize,
    /// Rounds measured.
    pub rounds: usize,
}

/// Measures every family of contended blocks at every share.
pub(crate) fn conflicts(
    threads: NonZeroUsize,
    effort: &Effort,
    progress: &mut dyn FnMut(&SweepPoint),
) -> Result<Vec<SweepPoint>, BenchError> {
    let mut points = Vec::new();
    for kind in Contended::ALL {
        for (case, percent) in kind.cases(&SHARES).iter().zip(SHARES) {
            for point in measure(case, kind.name(), percent, &[threads], effort)? {
                progress(&point);
                points.push(point);
            }
        }
    }
    Ok(points)
}

/// Measures blocks of several kinds on more and more threads.
pub(crate) fn threads(effort: &Effort, progress: &mut dyn FnMut(&SweepPoint)) -> Result<Vec<SweepPoint>, BenchError> {
    let shares = [0, 50, 100];
    let mut rows: Vec<(Case, &'static str, u64)> = Vec::new();
    let token_transfers = synthetic::cases().into_iter().find(|case| case.name == "token_transfers");
    rows.extend(token_transfers.map(|case| (case, "token transfers", 0)));
    for (case, percent) in Contended::Pool.cases(&shares).into_iter().zip(shares) {
        rows.push((case, Contended::Pool.name(), percent));
    }
    let counts: Vec<NonZeroUsize> = THREADS.into_iter().filter_map(NonZeroUsize::new).collect();
    let mut points = Vec::new();
    for (case, name, percent) in &rows {
        for point in measure(case, name, *percent, &counts, effort)? {
            progress(&point);
            points.push(point);
        }
    }
    Ok(points)
}

/// Measures a case on one thread and on each of these numbers of threads, all in turns.
fn measure(
    case: &Case,
    name: &'static str,
    conflicting_percent: u64,
    counts: &[NonZeroUsize],
    effort: &Effort,
) -> Result<Vec<SweepPoint>, BenchError> {
    let gas_used = RialtoCase::new(case).results()?.iter().map(|result| result.gas_used).sum();
    let block = BlockCase::new(case, gas_used);
    let expected = block.run(&Strategy::SEQUENTIAL)?.0;
    let access_list = block.access_list()?;
    let mut strategies = vec![Strategy::SEQUENTIAL];
    let mut counts_of = Vec::new();
    for threads in counts {
        let several = Strategy::with_threads(*threads);
        counts_of.push(block.check(&expected, "on several threads", &several)?);
        strategies.push(several);
        let listed = Strategy { access_list: Some(&access_list), ..several };
        block.check(&expected, "by its access list", &listed)?;
        strategies.push(listed);
    }
    let block = &block;
    let contestants: Vec<Box<Contestant<'_>>> =
        strategies.iter().map(|strategy| Box::new(move || block.time(strategy)) as Box<Contestant<'_>>).collect();
    let contestants: Vec<&Contestant<'_>> = contestants.iter().map(Box::as_ref).collect();
    let case_time = effort.case_time * u32::try_from(contestants.len()).unwrap_or(u32::MAX) / 2;
    let turns = in_turns(&Effort { case_time, ..*effort }, &contestants)?;
    let (sequential_ns, others) = turns.medians_ns.split_first().map_or((0, &[][..]), |(first, rest)| (*first, rest));
    let per_count = others.chunks(2);
    let point = |((threads, times), counts): ((&NonZeroUsize, &[u64]), Counts)| SweepPoint {
        case: name,
        conflicting_percent,
        threads: threads.get(),
        transactions: case.transactions.len(),
        sequential_ns,
        parallel_ns: times[0],
        access_list_ns: times.get(1).copied(),
        over_sequential: ratio(sequential_ns, times[0]),
        over_sequential_access_list: times.get(1).map(|time| ratio(sequential_ns, *time)),
        run_again: counts.again,
        rounds: turns.rounds,
    };
    Ok(counts.iter().zip(per_count).zip(counts_of).map(point).collect())
}
