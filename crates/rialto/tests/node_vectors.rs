//! The blockchain archives through a node with its database on the disk, as `rialto blocktest --node` runs them.
//!
//! A normal run takes one test in forty, chosen by the hash of its name, so that every run takes the same ones and no kind of
//! test is left out on purpose. All of them take a few minutes: `cargo test -p rialto --test node_vectors -- --ignored`.

use alloy_primitives::keccak256;
use rialto::block_test::run_test_through_node;
use rialto::input::fixtures_folder;
use rialto::pool::available_workers;
use rialto::vectors::{CaseReport, RunTest, TraceOutput, VectorOptions, run};
use rialto_stf::json::JsonCursor;
use std::io::Write;

/// One test in so many is in the sample.
const SAMPLE: u8 = 40;
/// Failures that are shown in full.
const SHOWN_FAILURES: usize = 10;

/// An archive, the fewest cases that it has, and the fewest of the sample.
const ARCHIVES: [(&str, u64, u64); 4] = [
    ("eest-blockchain", 17_000, 300),
    ("eest-amsterdam", 6_900, 120),
    ("eest-witness", 130, 1),
    ("eest-benchmark", 300, 0),
];

fn sampled(name: &str, test: &JsonCursor<'_>, options: &VectorOptions, trace: TraceOutput<'_>) -> Vec<CaseReport> {
    if !keccak256(name)[31].is_multiple_of(SAMPLE) {
        return Vec::new();
    }
    run_test_through_node(name, test, options, trace)
}

/// Runs an archive, unless it is not there, and fails unless all of its cases pass and there are at least so many.
fn check(name: &str, run_test: RunTest, least: u64) {
    let path =
        fixtures_folder().ok().map(|folder| folder.join(format!("{name}.tar.zst"))).filter(|path| path.is_file());
    let Some(path) = path else {
        let _ = writeln!(std::io::stderr(), "left out: {name} through a node (not among the fixtures)");
        return;
    };
    let mut failures = Vec::new();
    let totals = run(&[path], &VectorOptions::default(), run_test, available_workers(), &mut |report| {
        let failed = report.cases.iter().filter_map(|case| Some((case, case.error.as_ref()?)));
        failures.extend(failed.map(|(case, error)| format!("{}: {error}", case.title(&report.file))));
        Ok(())
    });
    let totals = totals.unwrap_or_else(|error| panic!("{name}: {error}"));
    let shown = failures.iter().take(SHOWN_FAILURES).cloned().collect::<Vec<_>>().join("\n");
    assert_eq!(totals.failed, 0, "{name}: {} passed, {} failed:\n{shown}", totals.passed, totals.failed);
    assert!(totals.passed >= least, "{name}: expected at least {least} cases, found {}", totals.passed);
}

#[test]
fn a_sample_of_the_vectors_passes_through_a_node() {
    for (name, _, least) in ARCHIVES {
        check(name, sampled, least);
    }
}

#[test]
#[ignore = "takes minutes"]
fn every_vector_passes_through_a_node() {
    for (name, least, _) in ARCHIVES {
        check(name, run_test_through_node, least);
    }
}
