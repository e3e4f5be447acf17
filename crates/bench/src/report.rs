//! Runs of many cases, and how they are shown.

use crate::case::{Case, Group};
use crate::harness::{CaseReport, Effort, geometric_mean, measure};
use crate::post_state::compare_post_states;
use crate::rialto_engine::RialtoCase;
use crate::{BenchError, RevmCase, case_file, mainnet, synthetic, vectors};
use core::fmt;
use serde::Serialize;
use std::path::{Path, PathBuf};

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
}

/// Geometric means of the ratios by group, `None` for a group without cases.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GeometricMeans {
    /// Over the synthetic cases and case files.
    pub synthetic: Option<f64>,
    /// Over the blocks of the main network.
    pub mainnet: Option<f64>,
}

/// The figures of a run. Its display is a table.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// Each case in the order of measuring.
    pub cases: Vec<CaseReport>,
    /// Means of the ratios.
    pub geomean: GeometricMeans,
}

/// Measures every case of a plan; `progress` hears of each as soon as it is done.
pub fn run(plan: &Plan, progress: &mut dyn FnMut(&CaseReport)) -> Result<Report, BenchError> {
    let mut cases = if plan.synthetic { synthetic::cases() } else { Vec::new() };
    for path in &plan.case_files {
        cases.push(case_file::load(path)?);
    }
    if let Some(path) = &plan.mainnet {
        cases.extend(mainnet::load(path)?);
    }
    let mut reports = Vec::new();
    for case in cases.iter().filter(|case| is_wanted(case, plan.filter.as_deref())) {
        compare_post_states(case)?;
        let report = measure(case, &RialtoCase::new(case), &RevmCase::new(case), &plan.effort)?;
        progress(&report);
        reports.push(report);
    }
    let geomean = GeometricMeans {
        synthetic: geometric_mean(&reports, Group::Synthetic),
        mainnet: geometric_mean(&reports, Group::Mainnet),
    };
    Ok(Report { cases: reports, geomean })
}

fn is_wanted(case: &Case, filter: Option<&str>) -> bool {
    filter.is_none_or(|filter| case.name.contains(filter))
}

/// Width of the longest name.
fn name_width(cases: &[CaseReport]) -> usize {
    cases.iter().map(|case| case.name.len()).max().unwrap_or_default().max("case".len())
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = name_width(&self.cases);
        writeln!(f, "{:9}  {:width$}  {:>12}  {:>12}  {:>6}", "group", "case", "rialto µs", "revm µs", "ratio")?;
        for case in &self.cases {
            let microseconds = |nanoseconds: u64| nanoseconds as f64 / 1_000.0;
            let (rialto, revm) = (microseconds(case.rialto_ns), microseconds(case.revm_ns));
            writeln!(f, "{:9}  {:width$}  {rialto:12.1}  {revm:12.1}  {:6.2}", case.group, case.name, case.ratio)?;
        }
        for (group, mean) in [("synthetic", self.geomean.synthetic), ("mainnet", self.geomean.mainnet)] {
            if let Some(mean) = mean {
                writeln!(f, "{group:9}  {:width$}  {:12}  {:12}  {mean:6.2}", "geometric mean", "", "")?;
            }
        }
        Ok(())
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
    progress: &mut dyn FnMut(&CaseReport),
) -> Result<VectorReport, BenchError> {
    let mut cases = Vec::new();
    let left_out = vectors::visit(path, &mut |case| {
        if is_wanted(&case, filter) {
            compare_post_states(&case)?;
            let report = measure(&case, &RialtoCase::new(&case), &RevmCase::new(&case), effort)?;
            progress(&report);
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
