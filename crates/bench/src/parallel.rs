//! Blocks on several threads beside one thread and beside revm.
//!
//! Every way to run a block takes its turn in the same rounds, after all have been seen to give the same outcome: one thread
//! that interprets, several threads that find out what conflicts, several threads that are told by an access list, the first two
//! with compiled code, and revm. Only blocks with enough transactions count: those are the ones for which anyone wants threads.

use crate::block_engine::BlockCase;
use crate::case::Case;
use crate::engine::Engine;
use crate::harness::{Effort, compare};
use crate::rialto_engine::RialtoCase;
use crate::turns::{Contestant, in_turns, median_ratio, ratio};
use crate::{BenchError, RevmCase};
use rialto_parallel::{Counts, Strategy};
use rialto_stf::BlockAccessList;
use rialto_vm::Tier;
use serde::Serialize;
use std::num::NonZeroUsize;

/// Blocks with fewer transactions are not measured on several threads.
pub const MIN_TRANSACTIONS: usize = 100;

/// A block's figures, medians in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ParallelBlock {
    /// Number of the block.
    pub block: u64,
    /// Its transactions.
    pub transactions: usize,
    /// Gas that they used.
    pub gas_used: u64,
    /// One thread that interprets.
    pub sequential_ns: u64,
    /// Several threads that find out what conflicts.
    pub parallel_ns: u64,
    /// Several threads that are told what every transaction reads.
    pub access_list_ns: Option<u64>,
    /// One thread with compiled code.
    pub compiled_ns: Option<u64>,
    /// Several threads with compiled code.
    pub compiled_parallel_ns: Option<u64>,
    /// Several threads with an access list and compiled code.
    pub compiled_access_list_ns: Option<u64>,
    /// revm, one thread.
    pub revm_ns: u64,
    /// Transactions that had been run before their turn for nothing, in the run that was checked.
    pub run_again: usize,
    /// Rounds measured.
    pub rounds: usize,
}

/// The figures of blocks on several threads. A ratio above 1 means that the threads are faster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ParallelReport {
    /// Threads.
    pub threads: usize,
    /// Sequential time divided by parallel time, median over the blocks.
    pub over_sequential_median: Option<f64>,
    /// The same, lowest over the blocks.
    pub over_sequential_worst: Option<f64>,
    /// revm's time divided by parallel time, median over the blocks.
    pub over_revm_median: Option<f64>,
    /// Sequential time divided by that with an access list, median over the blocks.
    pub over_sequential_access_list_median: Option<f64>,
    /// The same, lowest over the blocks.
    pub over_sequential_access_list_worst: Option<f64>,
    /// revm's time divided by that with an access list, median over the blocks.
    pub over_revm_access_list_median: Option<f64>,
    /// revm's time divided by that of several threads with compiled code, median over the blocks.
    pub over_revm_compiled_parallel_median: Option<f64>,
    /// revm's time divided by that with an access list and compiled code, median over the blocks.
    pub over_revm_compiled_access_list_median: Option<f64>,
    /// The blocks, by number.
    pub blocks: Vec<ParallelBlock>,
}

impl ParallelReport {
    /// Sums up measured blocks.
    pub(crate) fn new(threads: NonZeroUsize, blocks: Vec<ParallelBlock>) -> Self {
        type Time = fn(&ParallelBlock) -> Option<u64>;
        let ratios = |slow: Time, fast: Time| -> Vec<f64> {
            blocks.iter().filter_map(|block| Some(ratio(slow(block)?, fast(block)?))).collect()
        };
        let median = |slow: Time, fast: Time| median_ratio(ratios(slow, fast));
        let worst = |slow: Time, fast: Time| ratios(slow, fast).into_iter().reduce(f64::min);
        let sequential: Time = |block| Some(block.sequential_ns);
        let parallel: Time = |block| Some(block.parallel_ns);
        let revm: Time = |block| Some(block.revm_ns);
        let access_list: Time = |block| block.access_list_ns;
        Self {
            threads: threads.get(),
            over_sequential_median: median(sequential, parallel),
            over_sequential_worst: worst(sequential, parallel),
            over_revm_median: median(revm, parallel),
            over_sequential_access_list_median: median(sequential, access_list),
            over_sequential_access_list_worst: worst(sequential, access_list),
            over_revm_access_list_median: median(revm, access_list),
            over_revm_compiled_parallel_median: median(revm, |block| block.compiled_parallel_ns),
            over_revm_compiled_access_list_median: median(revm, |block| block.compiled_access_list_ns),
            blocks,
        }
    }
}

/// Whether a case counts here.
pub(crate) fn is_large(case: &Case) -> bool {
    case.transactions.len() >= MIN_TRANSACTIONS
}

/// Whether several threads can run a block of the case's rules: receipts with the root after each transaction need one after
/// the other.
pub(crate) fn is_for_threads(case: &Case) -> bool {
    case.chain.rules_at(case.header.number, case.header.timestamp).has_status_receipts
}

/// Names of the ways to run a block, in the order of [`ways`].
const HOW: [&str; 6] = [
    "on one thread",
    "on several threads",
    "by its access list",
    "compiled",
    "compiled, on several threads",
    "compiled, by its access list",
];

/// The ways to run a block: those of [`HOW`] that there are.
fn ways<'a>(
    threads: NonZeroUsize,
    access_list: &'a BlockAccessList,
    tier: Option<&'a dyn Tier>,
) -> [Option<Strategy<'a>>; HOW.len()] {
    let one = Strategy::SEQUENTIAL;
    let several = Strategy::with_threads(threads);
    let listed = Strategy { access_list: Some(access_list), ..several };
    let compiled = |strategy| tier.map(|_| Strategy { tier, ..strategy });
    [Some(one), Some(several), Some(listed), compiled(one), compiled(several), compiled(listed)]
}

/// Measures a case in every way there is; each gets as much time as `effort` gives one of two engines.
pub(crate) fn measure(
    case: &Case,
    threads: NonZeroUsize,
    tier: Option<&dyn Tier>,
    effort: &Effort,
) -> Result<ParallelBlock, BenchError> {
    let revm = RevmCase::new(case);
    let gas_used = compare(case, &RialtoCase::new(case), &revm)?;
    let block = BlockCase::new(case, gas_used);
    let expected = block.run(&Strategy::SEQUENTIAL)?.0;
    let access_list = block.access_list()?;
    let ways = ways(threads, &access_list, tier);
    let mut counts = [Counts::default(); HOW.len()];
    for (index, strategy) in ways.iter().enumerate() {
        if let Some(strategy) = strategy {
            counts[index] = block.check(&expected, HOW[index], strategy)?;
        }
    }
    let block = &block;
    let mut contestants: Vec<Box<Contestant<'_>>> = Vec::new();
    for strategy in ways.iter().flatten() {
        contestants.push(Box::new(move || block.time(strategy)));
    }
    contestants.push(Box::new(|| revm.time()));
    let contestants: Vec<&Contestant<'_>> = contestants.iter().map(Box::as_ref).collect();
    let case_time = effort.case_time * u32::try_from(contestants.len()).unwrap_or(u32::MAX) / 2;
    let turns = in_turns(&Effort { case_time, ..*effort }, &contestants)?;
    let mut medians = turns.medians_ns.into_iter();
    let times = ways.map(|way| way.and_then(|_| medians.next()));
    Ok(ParallelBlock {
        block: case.header.number,
        transactions: case.transactions.len(),
        gas_used,
        sequential_ns: times[0].unwrap_or_default(),
        parallel_ns: times[1].unwrap_or_default(),
        access_list_ns: times[2],
        compiled_ns: times[3],
        compiled_parallel_ns: times[4],
        compiled_access_list_ns: times[5],
        revm_ns: medians.next().unwrap_or_default(),
        run_again: counts[1].again,
        rounds: turns.rounds,
    })
}
