//! Runs of many cases, and how they are shown.

use crate::case::{Case, Group};
use crate::compiled::{self, CompileTimes, CompiledCase};
use crate::harness::{CaseReport, Effort, geometric_mean, measure};
use crate::parallel::{self, ParallelReport};
use crate::post_state::compare_post_states;
use crate::rialto_engine::RialtoCase;
use crate::simulated::{self, SimulatedReport};
use crate::sweep::{self, SweepPoint};
use crate::table::Table;
use crate::turns::ratio;
use crate::{BenchError, RevmCase, case_file, charts, jit_tier, mainnet, synthetic, tables, vectors};
use core::fmt;
use rialto_jit::Jit;
use rialto_vm::Tier;
use serde::Serialize;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// What to do with the compiler tier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum JitUse {
    /// Nothing.
    #[default]
    Off,
    /// Measure compiled code beside interpreted code.
    Beside,
    /// As `Beside`, and compile everything that is compared with revm, too.
    Everywhere,
}

/// What to measure.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Whether the synthetic cases are part of it.
    pub synthetic: bool,
    /// Case files, added to the synthetic cases.
    pub case_files: Vec<PathBuf>,
    /// Folder of a block of the main network, or of many.
    pub mainnet: Option<PathBuf>,
    /// Only cases with this in their name.
    pub filter: Option<String>,
    /// How long each case takes.
    pub effort: Effort,
    /// Threads for large blocks of the main network and for the sweep of conflicts, beside one thread; with one or none,
    /// there is nothing beside.
    pub threads: usize,
    /// What to do with the compiler tier.
    pub jit: JitUse,
    /// Whether blocks with more and more conflicts are measured.
    pub conflict_sweep: bool,
    /// Whether blocks are measured on more and more threads.
    pub thread_sweep: bool,
    /// Whether large blocks of the main network are simulated on more cores than there are.
    pub simulation: bool,
}

/// Geometric means of the ratios by group, `None` for a group without cases.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GeometricMeans {
    /// Over the synthetic cases and case files.
    pub synthetic: Option<f64>,
    /// Over the blocks of the main network.
    pub mainnet: Option<f64>,
}

/// The figures of the sweeps.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Sweeps {
    /// Blocks with more and more conflicts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflicts: Option<Vec<SweepPoint>>,
    /// Blocks on more and more threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads: Option<Vec<SweepPoint>>,
}

/// The figures of a run. Its display is tables for a terminal.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Report {
    /// Each case in the order of measuring.
    pub cases: Vec<CaseReport>,
    /// Means of the ratios.
    pub geomean: GeometricMeans,
    /// Large blocks of the main network on several threads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallel: Option<ParallelReport>,
    /// Synthetic cases and case files, compiled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compiled: Option<Vec<CompiledCase>>,
    /// What compiling the contracts of main network blocks costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compile_times: Option<CompileTimes>,
    /// Large blocks of the main network on simulated cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub simulated: Option<SimulatedReport>,
    /// The sweeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sweeps: Option<Sweeps>,
}

/// Measures everything of a plan; `progress` hears of each figure as soon as it is there: of what, and the ratio.
pub fn run(plan: &Plan, progress: &mut dyn FnMut(&str, f64)) -> Result<Report, BenchError> {
    let mut cases = if plan.synthetic { synthetic::cases() } else { Vec::new() };
    for path in &plan.case_files {
        cases.push(case_file::load(path)?);
    }
    if let Some(path) = &plan.mainnet {
        cases.extend(mainnet::load(path)?);
    }
    cases.retain(|case| is_wanted(case, plan.filter.as_deref()));
    let jit = jit_tier::compiling_everything(plan.jit);
    let jit = jit.as_ref();
    let tier = jit.map(|jit| jit as &dyn Tier);
    let mut report = Report::default();
    for case in &cases {
        compare_post_states(case)?;
        let rialto = RialtoCase::new(case).with_tier(tier.filter(|_| plan.jit == JitUse::Everywhere));
        let measured = measure(case, &rialto, &RevmCase::new(case), &plan.effort)?;
        progress(&measured.name, measured.ratio);
        report.cases.push(measured);
    }
    report.geomean = GeometricMeans {
        synthetic: geometric_mean(&report.cases, Group::Synthetic),
        mainnet: geometric_mean(&report.cases, Group::Mainnet),
    };
    if let Some(jit) = jit {
        run_compiled(plan, &cases, jit, &mut report, progress)?;
    }
    if let Some(threads) = NonZeroUsize::new(plan.threads).filter(|threads| threads.get() > 1) {
        run_threads(plan, &cases, threads, tier, &mut report, progress)?;
    }
    Ok(report)
}

/// Compiled code: the cases that are made of it, and the contracts of main network blocks.
fn run_compiled(
    plan: &Plan,
    cases: &[Case],
    jit: &Jit,
    report: &mut Report,
    progress: &mut dyn FnMut(&str, f64),
) -> Result<(), BenchError> {
    let mut compiled = Vec::new();
    for case in cases.iter().filter(|case| case.group != Group::Mainnet) {
        if let Some(measured) = compiled::measure(case, jit, &plan.effort)? {
            progress(&format!("{}, compiled", measured.name), measured.over_interpreter);
            compiled.push(measured);
        }
    }
    report.compiled = Some(compiled);
    if plan.mainnet.is_some() {
        let blocks = cases.iter().filter(|case| case.group == Group::Mainnet);
        report.compile_times = Some(compiled::survey(blocks, jit));
    }
    Ok(())
}

/// What takes several threads.
fn run_threads(
    plan: &Plan,
    cases: &[Case],
    threads: NonZeroUsize,
    tier: Option<&dyn Tier>,
    report: &mut Report,
    progress: &mut dyn FnMut(&str, f64),
) -> Result<(), BenchError> {
    if plan.mainnet.is_some() {
        let thread_costs = simulated::thread_costs();
        let (mut blocks, mut simulations) = (Vec::new(), Vec::new());
        for case in cases.iter().filter(|case| case.group == Group::Mainnet && parallel::is_large(case)) {
            let block = parallel::measure(case, threads, tier, &plan.effort)?;
            progress(&format!("{} on {threads} threads", case.name), ratio(block.sequential_ns, block.parallel_ns));
            if plan.simulation && parallel::is_for_threads(case) {
                simulations.push(simulated::measure(case, &block, threads, &thread_costs)?);
            }
            blocks.push(block);
        }
        report.parallel = Some(ParallelReport::new(threads, blocks));
        report.simulated = plan.simulation.then(|| SimulatedReport::new(threads, simulations));
    }
    if plan.conflict_sweep || plan.thread_sweep {
        let mut show = |point: &SweepPoint| {
            let name = format!("{}, {} %, {} threads", point.case, point.conflicting_percent, point.threads);
            progress(&name, point.over_sequential);
        };
        let conflicts = plan.conflict_sweep.then(|| sweep::conflicts(threads, &plan.effort, &mut show)).transpose()?;
        let by_threads = plan.thread_sweep.then(|| sweep::threads(&plan.effort, &mut show)).transpose()?;
        report.sweeps = Some(Sweeps { conflicts, threads: by_threads });
    }
    Ok(())
}

fn is_wanted(case: &Case, filter: Option<&str>) -> bool {
    filter.is_none_or(|filter| case.name.contains(filter))
}

impl Report {
    /// The tables for a document in Markdown.
    pub fn markdown(&self) -> String {
        let tables: Vec<String> = tables::tables(self).iter().map(Table::markdown).collect();
        tables.join("\n")
    }

    /// Charts of the sweeps and of the simulated cores: name and contents of each SVG file.
    pub fn charts(&self) -> Vec<(&'static str, String)> {
        charts::files(self)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables: Vec<String> = tables::tables(self).iter().map(Table::text).collect();
        f.write_str(&tables.join("\n"))
    }
}

/// The figures of the worst cases, slowest first. Its display lists the slowest of each engine.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VectorReport {
    /// Each block, by Rialto's million gas a second, slowest first.
    pub cases: Vec<CaseReport>,
    /// Files that only point to a file kept elsewhere.
    pub left_out: Vec<String>,
}

/// Cases listed for each engine.
const LISTED: usize = 20;

/// Measures every block of the blockchain tests at `path`.
pub fn run_vectors(
    path: &Path,
    filter: Option<&str>,
    effort: &Effort,
    progress: &mut dyn FnMut(&str, f64),
) -> Result<VectorReport, BenchError> {
    let mut cases = Vec::new();
    let left_out = vectors::visit(path, &mut |case| {
        if is_wanted(&case, filter) {
            compare_post_states(&case)?;
            let report = measure(&case, &RialtoCase::new(&case), &RevmCase::new(&case), effort)?;
            progress(&report.name, report.ratio);
            cases.push(report);
        }
        Ok(())
    })?;
    cases.sort_by(|a, b| a.rialto_mgas_per_second().total_cmp(&b.rialto_mgas_per_second()));
    Ok(VectorReport { cases, left_out })
}

impl VectorReport {
    /// The case with the smallest ratio.
    pub fn lowest_ratio(&self) -> Option<&CaseReport> {
        self.cases.iter().min_by(|a, b| a.ratio.total_cmp(&b.ratio))
    }

    fn list(f: &mut fmt::Formatter<'_>, title: &str, cases: &[&CaseReport]) -> fmt::Result {
        writeln!(f, "{title}\n{:>10}  {:>10}  {:>6}  case", "rialto", "revm", "ratio")?;
        for case in cases.iter().take(LISTED) {
            let (rialto, revm) = (case.rialto_mgas_per_second(), case.revm_mgas_per_second());
            writeln!(f, "{rialto:10.1}  {revm:10.1}  {:6.2}  {}", case.ratio, case.name)?;
        }
        writeln!(f)
    }
}

impl fmt::Display for VectorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cases: Vec<&CaseReport> = self.cases.iter().collect();
        Self::list(f, "Slowest on rialto, million gas a second", &cases)?;
        cases.sort_by(|a, b| a.revm_mgas_per_second().total_cmp(&b.revm_mgas_per_second()));
        Self::list(f, "Slowest on revm, million gas a second", &cases)?;
        cases.sort_by(|a, b| a.ratio.total_cmp(&b.ratio));
        Self::list(f, "Lowest ratios", &cases)?;
        for file in &self.left_out {
            writeln!(f, "left out, only a pointer to a file kept elsewhere: {file}")?;
        }
        writeln!(f, "{} blocks measured, {} files left out", self.cases.len(), self.left_out.len())
    }
}
