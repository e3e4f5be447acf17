//! revm's side of the comparison does what the chain did: blocks of the main network and worst-case vectors use the gas
//! of their headers. A wrong pre-state or rule set would compare the engines on work that nobody does.

use rialto_bench::{Case, Engine, RevmCase, load_mainnet, visit_vectors};
use std::path::PathBuf;

/// The archive `name`, or `None` after saying that the test was left out.
fn archive(test: &str, name: &str) -> Option<PathBuf> {
    let fixtures = std::env::var_os("RIALTO_FIXTURES").map(PathBuf::from);
    let fixtures =
        fixtures.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"));
    let path = fixtures.join(name);
    if !path.is_file() {
        println!("left out: {test} ({} is not there)", path.display());
        return None;
    }
    Some(path)
}

fn gas_used(case: &Case) -> u64 {
    let results = RevmCase::new(case).results().unwrap_or_else(|error| panic!("{error}"));
    results.iter().map(|result| result.gas_used).sum()
}

#[test]
fn main_network_blocks_use_the_gas_of_their_headers() {
    let Some(path) = archive("main_network_blocks_use_the_gas_of_their_headers", "mainnet-blocks.tar.zst") else {
        return;
    };
    let cases = load_mainnet(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(cases.len(), 47);
    for case in &cases {
        assert_eq!(gas_used(case), case.header.gas_used, "{}", case.name);
    }
}

/// The largest vectors take minutes; those of up to ten million gas show as well whether the pre-states are right.
#[test]
fn worst_case_vectors_use_the_gas_of_their_headers() {
    let Some(path) = archive("worst_case_vectors_use_the_gas_of_their_headers", "eest-benchmark.tar.zst") else {
        return;
    };
    let (mut checked, mut larger) = (0, 0);
    let left_out = visit_vectors(&path, &mut |case| {
        if case.header.gas_used > 10_000_000 {
            larger += 1;
            return Ok(());
        }
        assert_eq!(gas_used(&case), case.header.gas_used, "{}", case.name);
        checked += 1;
        Ok(())
    });
    let left_out = left_out.unwrap_or_else(|error| panic!("{error}"));
    println!("{checked} blocks checked, {larger} larger ones not run, files that are pointers only: {left_out:?}");
    assert!(checked > 0 && !left_out.is_empty());
}
