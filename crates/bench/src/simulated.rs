//! Measured blocks on more cores than there are: what [`crate::simulation`] makes of them, and the limits that no number of cores
//! passes.

use crate::BenchError;
use crate::block_engine::BlockCase;
use crate::case::Case;
use crate::parallel::ParallelBlock;
use crate::profile::{BlockProfile, profile};
use crate::simulation::{CORES, Costs, Knowledge, Simulated, critical_path_ns, fit, longest_transaction_ns, simulate};
use crate::turns::{median_ns, median_ratio, ratio};
use rialto_parallel::Strategy;
use serde::Serialize;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Times that a thread is woken to see what that costs.
const WAKE_ROUNDS: usize = 101;
/// How long a block is run, again and again, to see which thread is busy.
const BUSY_TIME_NS: u64 = 200_000_000;
const MAX_BUSY_ROUNDS: u64 = 500;

/// A block on so many virtual cores. Times in nanoseconds; ratios are of the measured time on one thread.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SimulatedCores {
    /// Virtual cores.
    pub cores: usize,
    /// Time of cores that find out what conflicts.
    pub optimistic_ns: u64,
    /// Time of cores that are told.
    pub access_list_ns: u64,
    /// Measured sequential time divided by `optimistic_ns`.
    pub over_sequential: f64,
    /// Measured sequential time divided by `access_list_ns`.
    pub over_sequential_access_list: f64,
    /// Runs of transactions that were wasted by the cores that find out.
    pub wasted_runs: usize,
}

/// A block on more and more virtual cores.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SimulatedBlock {
    /// Number of the block.
    pub block: u64,
    /// Its transactions.
    pub transactions: usize,
    /// Measured time on one thread.
    pub sequential_ns: u64,
    /// Longest chain of transactions each of which needs what the one before did.
    pub critical_path_ns: u64,
    /// Longest transaction.
    pub longest_transaction_ns: u64,
    /// What the cores that find out do beside running transactions.
    pub optimistic_costs: Costs,
    /// What the cores that are told do beside running transactions.
    pub access_list_costs: Costs,
    /// The simulated times.
    pub cores: Vec<SimulatedCores>,
}

/// Medians over the blocks for a number of virtual cores.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SimulatedMedian {
    /// Virtual cores.
    pub cores: usize,
    /// Of cores that find out.
    pub over_sequential: f64,
    /// Of cores that are told.
    pub over_sequential_access_list: f64,
}

/// Blocks on more and more virtual cores.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SimulatedReport {
    /// Threads of the measured runs to which the model is fitted.
    pub fitted_threads: usize,
    /// Medians of the ratios.
    pub medians: Vec<SimulatedMedian>,
    /// Sequential time divided by the critical path, median over the blocks.
    pub critical_path_limit_median: Option<f64>,
    /// Sequential time divided by the longest transaction, median over the blocks.
    pub longest_transaction_limit_median: Option<f64>,
    /// The blocks, by number.
    pub blocks: Vec<SimulatedBlock>,
}

impl SimulatedReport {
    pub(crate) fn new(threads: NonZeroUsize, blocks: Vec<SimulatedBlock>) -> Self {
        let medians = CORES.iter().enumerate().filter_map(|(index, cores)| {
            let median = |figure: fn(&SimulatedCores) -> f64| {
                median_ratio(blocks.iter().map(|block| figure(&block.cores[index])).collect())
            };
            Some(SimulatedMedian {
                cores: *cores,
                over_sequential: median(|point| point.over_sequential)?,
                over_sequential_access_list: median(|point| point.over_sequential_access_list)?,
            })
        });
        let limit = |figure: fn(&SimulatedBlock) -> u64| {
            median_ratio(blocks.iter().map(|block| ratio(block.sequential_ns, figure(block))).collect())
        };
        Self {
            fitted_threads: threads.get(),
            medians: medians.collect(),
            critical_path_limit_median: limit(|block| block.critical_path_ns),
            longest_transaction_limit_median: limit(|block| block.longest_transaction_ns),
            blocks,
        }
    }
}

/// Simulates a case that has been measured on `threads` threads.
pub(crate) fn measure(
    case: &Case,
    measured: &ParallelBlock,
    threads: NonZeroUsize,
    waking: &Costs,
) -> Result<SimulatedBlock, BenchError> {
    let block = BlockCase::new(case, measured.gas_used);
    let profile = profile(&block)?;
    let several = Strategy::with_threads(threads);
    let access_list = block.access_list()?;
    let listed = Strategy { access_list: Some(&access_list), ..several };
    // Whether it is worth several threads is for them to say.
    let is_shared = block.run(&several)?.1.alone < profile.transactions.len();
    let is_listed = block.run(&listed)?.1.by_list > 0;
    let optimistic_costs = match is_shared {
        true => optimistic_costs(&block, &profile, &several, measured.parallel_ns, waking)?,
        false => *waking,
    };
    let access_list_costs = match measured.access_list_ns.filter(|_| is_listed) {
        Some(time_ns) => {
            let alone_ns = longer_ns(&block, &listed, time_ns)?.unwrap_or(0).saturating_sub(waking.wake_thread_ns);
            let costs = Costs { alone_ns, ..*waking };
            fit(&profile, threads.get(), Knowledge::AccessList, &costs, time_ns)
        }
        None => *waking,
    };
    let sequential_ns = measured.sequential_ns;
    let point = |cores: usize| {
        // One core runs the block as a single thread does.
        let simulated = |is_parallel: bool, knowledge, costs| match is_parallel && cores > 1 {
            true => simulate(&profile, cores, knowledge, costs),
            false => Simulated { total_ns: sequential_ns, ..Simulated::default() },
        };
        let optimistic = simulated(is_shared, Knowledge::None, &optimistic_costs);
        let access_list_ns = simulated(is_listed, Knowledge::AccessList, &access_list_costs).total_ns;
        SimulatedCores {
            cores,
            optimistic_ns: optimistic.total_ns,
            access_list_ns,
            over_sequential: ratio(sequential_ns, optimistic.total_ns),
            over_sequential_access_list: ratio(sequential_ns, access_list_ns),
            wasted_runs: optimistic.wasted,
        }
    };
    Ok(SimulatedBlock {
        block: measured.block,
        transactions: measured.transactions,
        sequential_ns,
        critical_path_ns: critical_path_ns(&profile),
        longest_transaction_ns: longest_transaction_ns(&profile),
        optimistic_costs,
        access_list_costs,
        cores: CORES.into_iter().map(point).collect(),
    })
}

/// What threads that find out do beside running transactions: by how much longer one is busy than the others, beyond what the
/// model knows of that, and by how long the block takes.
fn optimistic_costs(
    block: &BlockCase,
    profile: &BlockProfile,
    strategy: &Strategy<'_>,
    time_ns: u64,
    waking: &Costs,
) -> Result<Costs, BenchError> {
    let threads = strategy.threads.get();
    let Costs { call_thread_ns, wake_thread_ns, .. } = *waking;
    let costs = Costs { call_thread_ns, wake_thread_ns, ..Costs::FINDING_OUT };
    let known_ns = simulate(profile, threads, Knowledge::None, &costs).longer_ns;
    let alone_ns = longer_ns(block, strategy, time_ns)?.unwrap_or(0).saturating_sub(known_ns);
    Ok(fit(profile, threads, Knowledge::None, &Costs { alone_ns, ..costs }, time_ns))
}

/// How much longer this thread is busy with a block than the others, nanoseconds. `None` where the system does not say how long
/// threads were busy.
fn longer_ns(block: &BlockCase, strategy: &Strategy<'_>, time_ns: u64) -> Result<Option<u64>, BenchError> {
    let rounds = (BUSY_TIME_NS / time_ns.max(1)).clamp(1, MAX_BUSY_ROUNDS);
    block.time(strategy)?;
    let Some((own_before, others_before)) = busy_ns() else { return Ok(None) };
    for _ in 0..rounds {
        block.time(strategy)?;
    }
    let Some((own_after, others_after)) = busy_ns() else { return Ok(None) };
    let others = strategy.threads.get().saturating_sub(1).max(1) as u64;
    let (own, other) = (own_after - own_before, others_after.saturating_sub(others_before) / others);
    Ok(Some((own.saturating_sub(other) / rounds).min(time_ns)))
}

/// How long this thread has been on a core, and how long all others of the process have, nanoseconds.
fn busy_ns() -> Option<(u64, u64)> {
    // What a thread is charged with is complete when it leaves its core.
    std::thread::sleep(Duration::from_millis(2));
    let busy = |path: &Path| -> Option<u64> {
        let text = std::fs::read_to_string(path).ok()?;
        text.split_whitespace().next()?.parse().ok()
    };
    let own = busy(Path::new("/proc/thread-self/schedstat"))?;
    let threads = std::fs::read_dir("/proc/self/task").ok()?;
    let all: u64 = threads.flatten().filter_map(|thread| busy(&thread.path().join("schedstat"))).sum();
    Some((own, all.saturating_sub(own)))
}

/// What it takes to wake sleeping threads of a pool, medians.
pub(crate) fn thread_costs() -> Costs {
    let Ok(pool) = rayon::ThreadPoolBuilder::new().num_threads(1).build() else { return Costs::default() };
    let (mut calls, mut wakes) = (Vec::new(), Vec::new());
    for _ in 0..WAKE_ROUNDS {
        let (start, begun) = (Instant::now(), Mutex::new(Duration::ZERO));
        pool.in_place_scope(|scope| {
            scope.spawn(|_| *begun.lock().unwrap_or_else(PoisonError::into_inner) = start.elapsed());
            calls.push(start.elapsed());
        });
        wakes.push(begun.into_inner().unwrap_or_else(PoisonError::into_inner).saturating_sub(calls[calls.len() - 1]));
        // Long enough for the thread to fall asleep again, as it does from block to block.
        std::thread::sleep(Duration::from_micros(200));
    }
    Costs { call_thread_ns: median_ns(calls), wake_thread_ns: median_ns(wakes), ..Costs::default() }
}
