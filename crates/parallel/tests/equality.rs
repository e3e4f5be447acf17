//! Whatever the threads do, the outcome is that of one.

mod support;

use alloy_primitives::U256;
use proptest::prelude::*;
use rialto_parallel::{Counts, Strategy, execute, execute_counted};
use rialto_stf::{Block, ChainSpec, transactions_root, verify_outcome};
use std::num::NonZeroUsize;
use support::{Call, Plan, SENDERS, THREADS, assert_equal, block, block_of, example_chain, key, plans, state};

fn strategy(count: usize) -> Strategy<'static> {
    let threads = NonZeroUsize::new(count).expect("a row of the table");
    Strategy { min_transactions: 1, min_gas: 0, ..Strategy::with_threads(threads) }
}

#[test]
fn the_example_chain() {
    let (genesis, mut state, blocks) = example_chain();
    for (number, block) in (1..).zip(&blocks) {
        let expected = rialto_stf::execute(&genesis.chain, block, None, &state, None).expect("a valid block");
        for count in THREADS {
            let outcome = execute(&genesis.chain, block, None, &state, None, &strategy(count)).expect("a valid block");
            verify_outcome(&block.header, &outcome).expect("what the header says");
            assert_equal(&format!("block {number}, {count} threads"), &outcome, &expected);
        }
        state.apply(&expected.diff);
        state.insert_block_hash(number, block.hash());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(150) })]

    /// The transactions of small gas limits are run together, and those of large ones apart.
    #[test]
    fn random_blocks(
        plans in plans(),
        fork in prop::sample::select(vec!["Byzantium", "Berlin", "Shanghai", "Cancun", "Prague", "Amsterdam"]),
        gas_limit in prop::sample::select(vec![100_000, 400_000]),
    ) {
        let chain = ChainSpec::from_network(fork, 1).expect("a network");
        let (state, mut block) = (state(), block(&chain, &plans));
        for (transaction, plan) in block.transactions.iter_mut().zip(&plans) {
            transaction.gas_limit = gas_limit;
            transaction.sign(&key(plan.0)).expect("a valid key");
        }
        block.header.transactions_root = transactions_root(&block.transactions);
        let expected = rialto_stf::execute(&chain, &block, None, &state, None);
        for count in THREADS {
            let found = execute_counted(&chain, &block, None, &state, None, &strategy(count));
            match (&expected, found) {
                (Ok(expected), Ok((outcome, Counts { ahead, in_turn, alone, .. }))) => {
                    assert_equal(&format!("{fork}, {count} threads"), &outcome, expected);
                    prop_assert_eq!(ahead + in_turn + alone, plans.len());
                }
                (expected, found) => {
                    let found = found.map(|(outcome, _)| outcome.gas_used);
                    prop_assert_eq!(found.as_ref().err(), expected.as_ref().err(), "{}, {} threads", fork, count);
                }
            }
        }
    }
}

/// Where hundreds of transactions may use so much that they could come first, the first of the block still has its turn.
#[test]
fn a_block_of_large_gas_limits() {
    let chain = ChainSpec::from_network("Prague", 1).expect("a network");
    let to = |index: u64| if index.is_multiple_of(3) { 7 } else { 30 + (index % 200) as u8 };
    let calls: Vec<Call> = (0..600)
        .map(|index| Call {
            gas_limit: if index < 300 { 100_000 } else { 2_100_000 },
            ..Call::of_plan(&(index % SENDERS, to(index), 1, 1))
        })
        .collect();
    let (state, block) = (state(), block_of(&chain, &calls, &[0; SENDERS as usize]));
    let expected = rialto_stf::execute(&chain, &block, None, &state, None).expect("a valid block");
    for count in THREADS {
        let outcome = execute(&chain, &block, None, &state, None, &strategy(count)).expect("a valid block");
        assert_equal(&format!("{count} threads"), &outcome, &expected);
    }
}

/// A block that is refused is refused for the reason that one thread gives.
#[test]
fn invalid_blocks() {
    let chain = ChainSpec::from_network("Prague", 1).expect("a network");
    let plans: Vec<Plan> = (0..30).map(|index| (index % SENDERS, 7, 0, 1)).collect();
    type Spoil = fn(&mut Block);
    let cases: [(&str, Spoil); 4] = [
        ("nonce", |block| block.transactions[20].nonce += 1),
        ("balance", |block| block.transactions[11].value = U256::MAX >> 1),
        ("gas limit", |block| block.header.gas_limit = 800_000),
        ("signature", |block| block.transactions[5].signature.r = U256::ZERO),
    ];
    for (name, spoil) in cases {
        let mut block = block(&chain, &plans);
        spoil(&mut block);
        for (index, transaction) in block.transactions.iter_mut().enumerate() {
            if name != "signature" {
                transaction.sign(&key(plans[index].0)).expect("a valid key");
            }
        }
        block.header.transactions_root = transactions_root(&block.transactions);
        let expected = rialto_stf::execute(&chain, &block, None, &state(), None).map(drop).expect_err(name);
        for count in THREADS {
            let found = execute(&chain, &block, None, &state(), None, &strategy(count)).map(drop).expect_err(name);
            assert_eq!(found, expected, "{name}, {count} threads");
        }
    }
}
