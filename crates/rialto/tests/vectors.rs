//! The conformance archives, through the same code as `rialto statetest`, `blocktest` and `execute`.
//!
//! Every case of every archive runs, with one exception: a build without optimisation leaves out the worst-case blocks of
//! more than 30 million gas, which take minutes there, and says so. Without the archives each test says by name that it
//! was left out.
//!
//! One case in a few, chosen by the hash of its test's name, and every block of the main network run in all ways in which blocks can
//! be run: on threads, by access list, compiled. All of them take longer:
//! `cargo test -p rialto --test vectors -- --ignored`.

mod support;

use alloy_primitives::keccak256;
use rialto::block_input::visit_archived_folders;
use rialto::block_run::{difference, execute};
use rialto::execution::Execution;
use rialto::input::fixtures_folder;
use rialto::pool::available_workers;
use rialto::strategy_args::JitChoice;
use rialto::vectors::{CaseReport, RunTest, Totals, TraceOutput, VectorOptions, run};
use rialto::{block_test, state_test};
use rialto_stf::ChainSpec;
use rialto_stf::json::JsonCursor;
use std::io::{Read, Write};
use std::path::PathBuf;
use support::{Folder, rialto};

/// Failures that are shown in full.
const SHOWN_FAILURES: usize = 10;

/// Says what a test leaves out, where it is seen: `eprintln` keeps a passing test's words to itself.
fn left_out(what: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "left out: {what} ({reason})");
}

/// An archive, unless there is none.
fn archive(name: &str) -> Option<PathBuf> {
    let path = fixtures_folder().ok()?.join(format!("{name}.tar.zst"));
    if path.is_file() {
        return Some(path);
    }
    left_out(name, "not among the fixtures");
    None
}

/// The archive of this name, or the word that it is left out.
fn find(name: &str) -> Option<PathBuf> {
    if fixtures_folder().is_err() {
        left_out(name, "no fixtures");
        return None;
    }
    archive(name)
}

/// Runs an archive sequentially and fails unless all of its cases pass and there are at least so many.
fn check(name: &str, run_test: RunTest, least: u64) {
    check_with(&VectorOptions::default(), name, run_test, least);
}

fn check_with(options: &VectorOptions, name: &str, run_test: RunTest, least: u64) {
    let Some(path) = find(name) else { return };
    let mut failures = Vec::new();
    let totals = run(&[path], options, run_test, available_workers(), &mut |report| {
        if report.is_left_out {
            left_out(&report.file, "a Git LFS pointer");
        }
        for case in &report.cases {
            if let Some(error) = &case.error {
                failures.push(format!("{}: {error}", case.title(&report.file)));
            }
        }
        Ok(())
    });
    let totals: Totals = totals.unwrap_or_else(|error| panic!("{name}: {error}"));
    let shown = failures.iter().take(SHOWN_FAILURES).cloned().collect::<Vec<_>>().join("\n");
    assert_eq!(totals.failed, 0, "{name}: {} passed, {} failed:\n{shown}", totals.passed, totals.failed);
    assert!(totals.passed >= least, "{name}: expected at least {least} cases, found {}", totals.passed);
}

#[test]
fn eest_state() {
    check("eest-state", state_test::run_test, 24_000);
}

#[test]
fn eest_blockchain() {
    check("eest-blockchain", block_test::run_test, 17_000);
}

#[test]
fn eest_amsterdam() {
    check("eest-amsterdam", block_test::run_test, 6_900);
}

#[test]
fn eest_witness() {
    check("eest-witness", block_test::run_test, 130);
}

/// Gas of the blocks that a build without optimisation leaves out.
const LARGE_BLOCKS: [&str; 4] = ["value_45M", "value_60M", "value_100M", "value_150M"];

fn run_small_blocks(
    name: &str,
    test: &JsonCursor<'_>,
    options: &VectorOptions,
    trace: TraceOutput<'_>,
) -> Vec<CaseReport> {
    if LARGE_BLOCKS.iter().any(|gas| name.contains(gas)) {
        return Vec::new();
    }
    block_test::run_test(name, test, options, trace)
}

#[test]
fn eest_benchmark() {
    if cfg!(debug_assertions) {
        left_out("eest-benchmark, its blocks of more than 30 million gas", "a build without optimisation");
        check("eest-benchmark", run_small_blocks, 150);
    } else {
        check("eest-benchmark", block_test::run_test, 300);
    }
}

/// One test in so many is in the sample.
const SAMPLE: u8 = 20;

fn is_in_sample(name: &str) -> bool {
    keccak256(name)[31].is_multiple_of(SAMPLE)
}

fn sampled_state_test(
    name: &str,
    test: &JsonCursor<'_>,
    options: &VectorOptions,
    trace: TraceOutput<'_>,
) -> Vec<CaseReport> {
    if is_in_sample(name) { state_test::run_test(name, test, options, trace) } else { Vec::new() }
}

fn sampled_block_test(
    name: &str,
    test: &JsonCursor<'_>,
    options: &VectorOptions,
    trace: TraceOutput<'_>,
) -> Vec<CaseReport> {
    if is_in_sample(name) { run_small_blocks(name, test, options, trace) } else { Vec::new() }
}

fn in_every_way() -> VectorOptions {
    let tier = JitChoice::Always.tier().expect("it compiles");
    VectorOptions { execution: Execution::all(&tier), ..VectorOptions::default() }
}

#[test]
fn a_sample_gives_the_same_in_every_way() {
    let rows: [(&str, RunTest, u64); 5] = [
        ("eest-state", sampled_state_test, 600),
        ("eest-blockchain", sampled_block_test, 500),
        ("eest-amsterdam", sampled_block_test, 200),
        ("eest-witness", sampled_block_test, 1),
        ("eest-benchmark", sampled_block_test, 1),
    ];
    let options = in_every_way();
    for (name, run_test, least) in rows {
        check_with(&options, name, run_test, least);
    }
}

#[test]
#[ignore = "takes long"]
fn every_vector_gives_the_same_in_every_way() {
    let rows: [(&str, RunTest, u64); 5] = [
        ("eest-state", state_test::run_test, 24_000),
        ("eest-blockchain", block_test::run_test, 17_000),
        ("eest-amsterdam", block_test::run_test, 6_900),
        ("eest-witness", block_test::run_test, 130),
        ("eest-benchmark", block_test::run_test, 300),
    ];
    let options = in_every_way();
    for (name, run_test, least) in rows {
        check_with(&options, name, run_test, least);
    }
}

/// Gas, receipts and bloom of real blocks, in every way, and the named reason where one differs.
#[test]
fn mainnet_blocks() {
    let Some(path) = find("mainnet-blocks") else { return };
    let (chain, execution) = (ChainSpec::mainnet(), in_every_way().execution);
    let mut count = 0;
    let result = visit_archived_folders(&path, &chain, &mut |folder| {
        let header = &folder.input.block.header;
        let timed = execute(&execution, &chain, &folder.input, &folder.state, None)
            .unwrap_or_else(|error| panic!("block {}: {error}", header.number));
        let found = difference(header, &timed.outcome, None, folder.input.receipts.as_deref());
        assert_eq!(found, None, "block {}", header.number);
        count += 1;
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("mainnet-blocks: {error}"));
    assert_eq!(count, 47);
}

/// A chain that passes every fork from Frontier to the second blob schedule, from its genesis, through the command.
#[test]
fn execution_apis_chain() {
    let Some(path) = find("execution-apis") else { return };
    let folder = Folder::new("execution-apis");
    let decoder = zstd::Decoder::new(std::fs::File::open(path).expect("the archive exists")).expect("zstd");
    for entry in tar::Archive::new(decoder).entries().expect("tar") {
        let mut entry = entry.expect("the archive is complete");
        let name = entry.path().expect("a path").file_name().map(|name| name.to_string_lossy().into_owned());
        if let Some(name) = name.filter(|name| name == "genesis.json" || name == "chain.rlp") {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("the archive is complete");
            folder.write(&name, content);
        }
    }
    let run = rialto(&["execute", folder.path().to_str().expect("text"), "--check", "--json"]);
    assert_eq!(run.code, 0, "{} {}", run.stdout, run.stderr);
    assert_eq!(run.objects().len(), 54);
}
