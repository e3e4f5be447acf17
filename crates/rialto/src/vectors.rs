//! Runs of conformance vectors: many files, each with many tests, each with one case or more.
//!
//! What a kind of vector means is a [`RunTest`]; this file finds the tests, spreads the files over the cores, and counts.
//! Results come out in the order of the files and do not depend on the number of cores. A file that is no vector at all
//! (not JSON, not an object of tests) is a failed case by its own name, so that nothing that was found goes uncounted.

use crate::execution::Execution;
use crate::fixtures::{self, Found};
use crate::input::Document;
use crate::{CliError, pool};
use alloy_primitives::B256;
use rialto_stf::json::JsonCursor;
use rialto_vm::Fork;
use serde_json::json;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Which cases are run, and how.
#[derive(Clone, Default)]
pub struct VectorOptions {
    /// Only those with this in the test's name or the file's.
    pub filter: Option<String>,
    /// Only those of this fork or network.
    pub fork: Option<String>,
    /// How blocks, and single transactions, are run.
    pub execution: Execution,
}

impl VectorOptions {
    /// Whether cases of this test in this file are run.
    pub fn wants_test(&self, file: &str, name: &str) -> bool {
        self.filter.as_deref().is_none_or(|filter| name.contains(filter) || file.contains(filter))
    }

    /// Whether cases of this fork or network are run. Names of forks have several spellings, which are one.
    pub fn wants_fork(&self, network: &str) -> bool {
        let Some(wanted) = &self.fork else { return true };
        match (Fork::from_name(wanted), Fork::from_name(network)) {
            (Some(wanted), Some(found)) => wanted == found,
            _ => wanted.eq_ignore_ascii_case(network),
        }
    }
}

/// How a case went.
#[derive(Clone, Debug, Default)]
pub struct CaseReport {
    /// The test's name.
    pub name: String,
    /// The fork or network it is for.
    pub fork: String,
    /// Indexes of the data, gas limit and value that a state test's transaction has.
    pub indexes: Option<[usize; 3]>,
    /// Gas that its transactions used.
    pub gas_used: Option<u64>,
    /// The state root after it.
    pub state_root: Option<B256>,
    /// Keccak-256 of the RLP list of its logs.
    pub logs_hash: Option<B256>,
    /// Why it failed; `None` if it passed.
    pub error: Option<String>,
}

/// How the tests of a file went.
#[derive(Clone, Debug)]
pub struct FileReport {
    /// The file's name.
    pub file: String,
    /// Its cases, in order.
    pub cases: Vec<CaseReport>,
    /// Whether it is a Git LFS pointer, no vector.
    pub is_left_out: bool,
}

/// Cases of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Cases that passed.
    pub passed: u64,
    /// Cases that failed.
    pub failed: u64,
    /// Files that were left out.
    pub left_out: u64,
}

/// Where traces go, if anywhere.
pub type TraceOutput<'a> = Option<&'a mut dyn Write>;

/// Runs one test, whose value is at the cursor, and reports each of its cases that is selected.
pub type RunTest = fn(&str, &JsonCursor<'_>, &VectorOptions, TraceOutput<'_>) -> Vec<CaseReport>;

/// Runs all tests at `paths` on `workers` threads; `consume` hears of each file, in order.
pub fn run(
    paths: &[PathBuf],
    options: &VectorOptions,
    run_test: RunTest,
    workers: usize,
    consume: &mut dyn FnMut(FileReport) -> Result<(), CliError>,
) -> Result<Totals, CliError> {
    fixtures::check_paths(paths)?;
    let (mut totals, mut result) = (Totals::default(), Ok(()));
    pool::run_ordered(
        workers,
        |give| {
            // Broken off or not: the results tell.
            let _ = fixtures::visit(paths, give);
        },
        |found| run_found(found, options, run_test, None),
        |report| step(&mut totals, report, consume, &mut result),
    );
    result.map(|()| totals)
}

/// As [`run`], on this thread, with every opcode traced to `trace`.
pub fn run_traced(
    paths: &[PathBuf],
    options: &VectorOptions,
    run_test: RunTest,
    trace: &mut dyn Write,
    consume: &mut dyn FnMut(FileReport) -> Result<(), CliError>,
) -> Result<Totals, CliError> {
    fixtures::check_paths(paths)?;
    let (mut totals, mut result) = (Totals::default(), Ok(()));
    let _ = fixtures::visit(paths, &mut |found| {
        let report = run_found(found, options, run_test, Some(&mut *trace));
        step(&mut totals, report, consume, &mut result)
    });
    result.map(|()| totals)
}

fn step(
    totals: &mut Totals,
    report: FileReport,
    consume: &mut dyn FnMut(FileReport) -> Result<(), CliError>,
    result: &mut Result<(), CliError>,
) -> ControlFlow<()> {
    let failed = report.cases.iter().filter(|case| case.error.is_some()).count() as u64;
    totals.failed += failed;
    totals.passed += report.cases.len() as u64 - failed;
    totals.left_out += u64::from(report.is_left_out);
    *result = consume(report);
    if result.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}

fn run_found(found: Found, options: &VectorOptions, run_test: RunTest, trace: TraceOutput<'_>) -> FileReport {
    let broken = |name: &str, error: String| {
        vec![CaseReport { name: name.to_string(), error: Some(error), ..CaseReport::default() }]
    };
    match found {
        Found::LeftOut { name } => FileReport { file: name, cases: Vec::new(), is_left_out: true },
        Found::Unreadable { name, reason } => {
            FileReport { cases: broken(&name, reason), file: name, is_left_out: false }
        }
        Found::File { name, bytes } => {
            let cases = run_file(&name, &bytes, options, run_test, trace);
            let cases = cases.unwrap_or_else(|error| broken(&name, error));
            FileReport { file: name, cases, is_left_out: false }
        }
    }
}

fn run_file(
    file: &str,
    bytes: &[u8],
    options: &VectorOptions,
    run_test: RunTest,
    mut trace: TraceOutput<'_>,
) -> Result<Vec<CaseReport>, String> {
    let document = Document::parse(file, bytes).map_err(|error| error.to_string())?;
    let root = document.root();
    let mut cases = Vec::new();
    for (name, test) in root.entries().map_err(|error| error.to_string())? {
        // Some suites put a comment beside the tests.
        if name.starts_with('_') || !options.wants_test(file, name) {
            continue;
        }
        cases.extend(run_test(name, &test, options, reborrow(&mut trace)));
    }
    Ok(cases)
}

/// The same output, for a shorter time.
pub fn reborrow<'a>(trace: &'a mut TraceOutput<'_>) -> TraceOutput<'a> {
    match trace {
        Some(trace) => Some(&mut **trace),
        None => None,
    }
}

impl CaseReport {
    /// The case as a JSON object in one line.
    pub fn to_json(&self, file: &str) -> String {
        let mut object = json!({
            "file": file,
            "name": self.name,
            "fork": self.fork,
            "pass": self.error.is_none(),
            "gas_used": self.gas_used,
            "state_root": self.state_root,
            "logs_hash": self.logs_hash,
            "error": self.error,
        });
        if let Some([data, gas, value]) = self.indexes {
            object["indexes"] = json!({ "data": data, "gas": gas, "value": value });
        }
        object.to_string()
    }

    /// The name by which people find the case again.
    pub fn title(&self, file: &str) -> String {
        let mut title = file.to_string();
        if self.name != file {
            title.push_str(&format!(" {}", self.name));
        }
        if !self.fork.is_empty() && !self.name.contains(&format!("fork_{}", self.fork)) {
            title.push_str(&format!(" {}", self.fork));
        }
        if let Some([data, gas, value]) = self.indexes
            && [data, gas, value] != [0; 3]
        {
            title.push_str(&format!(" data {data} gas {gas} value {value}"));
        }
        title
    }
}
