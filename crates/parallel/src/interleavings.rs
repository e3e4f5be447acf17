//! Blocks whose transactions are in each other's way, run by threads in orders that a seed decides.

#[path = "../tests/support/mod.rs"]
mod support;

use crate::explore::explore;
use crate::{Strategy, execute_counted};
use rialto_stf::ChainSpec;
use std::num::NonZeroUsize;
use support::{Call, Plan, SENDERS, assert_equal, block, block_of, state};

/// Orders that are tried. Whoever looks for more sets `RIALTO_INTERLEAVINGS`.
const SEEDS: u64 = 250;

fn seeds() -> u64 {
    match std::env::var("RIALTO_INTERLEAVINGS") {
        Ok(count) => count.parse().expect("RIALTO_INTERLEAVINGS is a number"),
        Err(_) => SEEDS,
    }
}

/// A few transactions, most of which touch what others do; now and then many
/// that all count the same thing, so that threads pause or leave it to one.
fn plans_of(seed: u64) -> Vec<Plan> {
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut below = |count: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % count
    };
    if seed % 16 == 15 {
        return (0..120).map(|_| (below(SENDERS), 7, 0, below(3))).collect();
    }
    let length = 5 + below(10);
    (0..length).map(|_| (below(SENDERS), 4 + below(13) as u8, below(3), below(3))).collect()
}

/// What each of them does. What it may use decides whether it is run by itself, and before the others.
fn calls_of(seed: u64) -> Vec<Call> {
    let limits = [400_000, 250_000, 2_100_000];
    let call = |(index, plan): (usize, &Plan)| {
        let gas_limit = if seed.is_multiple_of(2) { 400_000 } else { limits[(index + seed as usize / 2) % 3] };
        Call { gas_limit, ..Call::of_plan(plan) }
    };
    plans_of(seed).iter().enumerate().map(call).collect()
}

fn strategy(seed: u64) -> Strategy<'static> {
    let threads = NonZeroUsize::new(2 + seed as usize % 3).expect("more than one");
    Strategy { min_transactions: 1, min_gas: 0, ..Strategy::with_threads(threads) }
}

#[test]
fn whoever_goes_on_the_outcome_is_that_of_one() {
    let (mut ahead, mut again, mut alone) = (0, 0, 0);
    for seed in 0..seeds() {
        let fork = ["Shanghai", "Prague", "Amsterdam"][seed as usize / 3 % 3];
        let chain = ChainSpec::from_network(fork, 1).expect("a network");
        let (state, block) = (state(), block_of(&chain, &calls_of(seed), &[0; SENDERS as usize]));
        let expected = rialto_stf::execute(&chain, &block, None, &state, None).expect("a valid block");
        let (outcome, counts) =
            explore(seed, || execute_counted(&chain, &block, None, &state, None, &strategy(seed))).expect("valid");
        assert_equal(&format!("seed {seed}"), &outcome, &expected);
        ahead += counts.ahead;
        again += counts.again;
        alone += counts.alone;
    }
    assert!(
        ahead > 0 && again > 0 && alone > 0,
        "{ahead} run ahead, {again} again, {alone} by one: all are to be tried"
    );
}

#[test]
fn a_body_that_is_not_the_headers_is_refused_whoever_compares_it() {
    let chain = ChainSpec::from_network("Shanghai", 1).expect("a network");
    let (state, mut block) = (state(), block(&chain, &plans_of(1)));
    block.header.transactions_root.0[0] ^= 1;
    let expected = rialto_stf::execute(&chain, &block, None, &state, None).expect_err("another root");
    for seed in 0..seeds() {
        let result = explore(seed, || execute_counted(&chain, &block, None, &state, None, &strategy(seed)));
        let found = result.expect_err("another root");
        assert_eq!(found.to_string(), expected.to_string(), "seed {seed}");
    }
}
