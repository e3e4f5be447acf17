//! Transactions on random states, here and on revm: the same gas, status, output, logs and state, under every fork that
//! both have.

mod random;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use random::Status;

/// Forks under which each input is executed; the first byte of an input selects one.
const FORKS: u8 = 14;

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, ..ProptestConfig::default() })]

    #[test]
    fn transactions_agree(mut bytes in vec(any::<u8>(), 1..2_000)) {
        for fork in 0..FORKS {
            bytes[0] = fork;
            random::check(&bytes);
        }
    }

    #[test]
    fn raw_bytecode_agrees(mut bytes in vec(any::<u8>(), 1..100)) {
        for fork in 0..FORKS {
            bytes[0] = fork;
            random::check_bytecode(&bytes);
        }
    }
}

/// Agreement on transactions that all fail at once would say little.
#[test]
fn worlds_are_worth_executing() {
    let mut runner = TestRunner::deterministic();
    let strategy = vec(any::<u8>(), 1_000..2_000);
    // Refused, successful, reverted, failed; and among all: with logs, with a contract created.
    let mut counts = [0_usize; 6];
    for _ in 0..500 {
        let bytes = strategy.new_tree(&mut runner).expect("nothing is filtered").current();
        for transaction in random::execute(&bytes).transactions {
            let Some(transaction) = transaction else {
                counts[0] += 1;
                continue;
            };
            counts[match transaction.status {
                Status::Success => 1,
                Status::Revert => 2,
                Status::Halt => 3,
            }] += 1;
            counts[4] += usize::from(!transaction.logs.is_empty());
            counts[5] += usize::from(transaction.contract_address.is_some());
        }
    }
    let all: usize = counts[..4].iter().sum();
    let least = [20, 3, 40, 8, 8, 12].map(|part| all / part);
    let names = ["refused", "successful", "reverted", "failed", "with logs", "with a contract"];
    for ((name, count), least) in names.into_iter().zip(counts).zip(least) {
        assert!(count >= least, "{name}: {count} of {all} transactions, expected at least {least}");
    }
}
