//! Both engines do what the chain did: in blocks of the main network and in worst-case vectors every transaction gives the
//! same on both, and the gas is the header's. A wrong pre-state or rule set would compare them on work that nobody does.

use rialto_bench::{Case, RevmCase, RialtoCase, compare, compare_post_states, load_mainnet, visit_vectors};
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

/// Panics with the name of the case and the transaction unless the engines agree with each other and with the header.
fn check(case: &Case) {
    compare(case, &RialtoCase::new(case), &RevmCase::new(case)).unwrap_or_else(|error| panic!("{error}"));
    compare_post_states(case).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn main_network_blocks_are_the_same_on_both_engines() {
    let Some(path) = archive("main_network_blocks_are_the_same_on_both_engines", "mainnet-blocks.tar.zst") else {
        return;
    };
    let cases = load_mainnet(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(cases.len(), 47);
    cases.iter().for_each(check);
}

/// The largest vectors take minutes; those of up to ten million gas run the same code.
#[test]
fn worst_case_vectors_are_the_same_on_both_engines() {
    let Some(path) = archive("worst_case_vectors_are_the_same_on_both_engines", "eest-benchmark.tar.zst") else {
        return;
    };
    let (mut checked, mut larger) = (0, 0);
    let left_out = visit_vectors(&path, &mut |case| {
        if case.header.gas_used > 10_000_000 {
            larger += 1;
            return Ok(());
        }
        check(&case);
        checked += 1;
        Ok(())
    });
    let left_out = left_out.unwrap_or_else(|error| panic!("{error}"));
    println!("{checked} blocks checked, {larger} larger ones not run, files that are pointers only: {left_out:?}");
    assert!(checked > 0 && !left_out.is_empty());
}
