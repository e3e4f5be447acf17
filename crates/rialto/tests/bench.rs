//! `rialto bench` beside vectors and servers: the documents that scripts read have the fields that they look for.

#[path = "support/mod.rs"]
mod support;

use serde_json::Value;
use std::path::PathBuf;
use support::{Folder, rialto, rialto_in};

/// A block with few conflicts and one with swaps, both small and of more than 100 transactions.
const BLOCKS: [&str; 2] = ["11814555", "19929064"];
const QUICK: [&str; 2] = ["--case-time", "1"];

/// The archive of main network blocks, or `None` after saying that the test was left out.
fn mainnet_blocks(test: &str) -> Option<String> {
    let fixtures = std::env::var_os("RIALTO_FIXTURES").map(PathBuf::from);
    let fixtures =
        fixtures.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"));
    let path = fixtures.join("mainnet-blocks.tar.zst");
    if !path.is_file() {
        println!("left out: {test} ({} is not there)", path.display());
        return None;
    }
    Some(path.to_string_lossy().into_owned())
}

fn report(arguments: &[&str]) -> Value {
    let result = rialto(&[&["bench", "--json"][..], &QUICK, arguments].concat());
    assert_eq!(result.code, 0, "{}", result.stderr);
    let mut objects = result.objects();
    assert_eq!(objects.len(), 1, "{}", result.stdout);
    objects.remove(0)
}

fn assert_numbers(object: &Value, fields: &[&str]) {
    for field in fields {
        assert!(object[field].as_f64().is_some_and(|number| number > 0.0), "{field} of {object}");
    }
}

#[test]
fn blocks_on_threads_have_what_scripts_read() {
    let Some(archive) = mainnet_blocks("blocks_on_threads_have_what_scripts_read") else { return };
    for block in BLOCKS {
        let mainnet = ["--no-synthetic", "--mainnet", &archive, "--filter", block];
        let found = report(&[&mainnet[..], &["--threads", "2", "--simulate"]].concat());
        let parallel = &found["parallel"];
        assert_numbers(parallel, &["over_sequential_median", "over_sequential_worst", "over_revm_median", "threads"]);
        let blocks = parallel["blocks"].as_array().unwrap_or_else(|| panic!("no blocks in {parallel}"));
        let [figures] = &blocks[..] else { panic!("expected one block, found {parallel}") };
        assert_eq!(figures["block"].as_u64().map(|number| number.to_string()).as_deref(), Some(block));
        assert!(figures["transactions"].as_u64().is_some_and(|transactions| transactions >= 100), "{figures}");
        let times =
            ["sequential_ns", "parallel_ns", "access_list_ns", "compiled_ns", "compiled_parallel_ns", "revm_ns"];
        assert_numbers(figures, &times);
        let compile = ["contracts", "median_compile_ns", "p95_compile_ns", "max_compile_ns", "compile_ns_per_kilobyte"];
        let has_contracts = found["compile_times"]["contracts"].as_u64().is_some_and(|contracts| contracts > 0);
        assert_numbers(&found["compile_times"], if has_contracts { &compile } else { &[] });
        let cores = found["simulated"]["blocks"][0]["cores"].as_array().map(Vec::as_slice).unwrap_or_default();
        assert_eq!(cores.len(), 6, "{found}");
        cores
            .iter()
            .for_each(|point| assert_numbers(point, &["cores", "over_sequential", "over_sequential_access_list"]));
        assert_numbers(&found["simulated"]["blocks"][0], &["critical_path_ns", "longest_transaction_ns"]);
    }
    let found =
        report(&["--no-synthetic", "--mainnet", &archive, "--filter", BLOCKS[0], "--threads", "1", "--jit", "off"]);
    let absent = ["parallel", "simulated", "compiled", "compile_times", "sweeps"];
    absent.iter().for_each(|field| assert!(found.get(field).is_none(), "{field} in {found}"));
}

#[test]
fn compiled_cases_have_what_scripts_read() {
    let found = report(&["--filter", "transfers"]);
    let compiled = found["compiled"].as_array().unwrap_or_else(|| panic!("no compiled cases in {found}"));
    // Plain transfers run no code.
    let [case] = &compiled[..] else { panic!("expected one case, found {compiled:?}") };
    assert_eq!(case["name"], "token_transfers");
    assert_numbers(case, &["interpreter_ns", "compiled_ns", "compile_ns", "bytecode_bytes", "revm_ns"]);
    assert_eq!(found["cases"].as_array().map(Vec::len), Some(2), "{found}");
}

#[test]
fn sweeps_are_tables_charts_and_json() {
    let folder = Folder::new("bench-charts");
    let sweeps =
        ["--sweep", "conflicts", "--sweep", "threads", "--filter", "nothing", "--jit", "off", "--charts", "@charts"];
    let arguments = [&["bench", "--markdown"][..], &QUICK, &sweeps].concat();
    let result = rialto_in(&folder, &arguments);
    assert_eq!(result.code, 0, "{}", result.stderr);
    for expected in ["**Conflicts**", "| swaps on one pool | 100 |", "**Threads**", "| token transfers | 0 | 16 |"] {
        assert!(result.stdout.contains(expected), "{expected}: {}", result.stdout);
    }
    for chart in ["conflicts.svg", "threads.svg"] {
        let path = folder.file(&format!("charts/{chart}"));
        let svg = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{chart}: {error}"));
        assert!(svg.starts_with("<svg") && svg.contains("<polyline"), "{svg}");
    }
}

#[test]
fn flags_that_mean_nothing_together_are_refused() {
    let rows: [(&[&str], &str); 4] = [
        (&["--simulate"], "--mainnet"),
        (&["--vectors", "x", "--threads", "2"], "--threads"),
        (&["--markdown", "--json"], "--json"),
        (&["--threads", "0"], "--threads"),
    ];
    for (arguments, expected) in rows {
        let result = rialto(&[&["bench"][..], arguments].concat());
        assert_eq!(result.code, 2, "{arguments:?}: {}", result.stderr);
        assert!(result.stderr.contains(expected), "{arguments:?}: {}", result.stderr);
    }
}
