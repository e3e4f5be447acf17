//! Every synthetic case does what its name says, on both engines.

use rialto_bench::{Engine, RevmCase, RialtoCase, compare, compare_post_states, synthetic_cases};

#[test]
fn transactions_succeed() {
    let rows = [
        ("plain_transfers", 2_000, 0),
        ("token_transfers", 1_000, 1_000),
        ("swaps", 400, 1_600),
        ("arithmetic_256", 3, 0),
        ("ray_tracer", 1, 0),
        ("loops", 2, 0),
        ("keccak", 3, 0),
        ("memory", 4, 0),
        ("storage", 5, 0),
        ("deep_calls", 6, 0),
    ];
    let cases = synthetic_cases();
    assert_eq!(cases.len(), rows.len());
    for (case, (name, transactions, logs)) in cases.iter().zip(rows) {
        compare(case, &RialtoCase::new(case), &RevmCase::new(case)).unwrap_or_else(|error| panic!("{error}"));
        compare_post_states(case).unwrap_or_else(|error| panic!("{error}"));
        let results = RevmCase::new(case).results().unwrap_or_else(|error| panic!("{error}"));
        assert!(results.iter().all(|result| result.success), "{name}: {results:?}");
        let found_logs: usize = results.iter().map(|result| result.logs.len()).sum();
        assert_eq!((case.name.as_str(), results.len(), found_logs), (name, transactions, logs));
    }
}

#[test]
fn cases_are_the_same_every_time() {
    for (first, second) in synthetic_cases().iter().zip(&synthetic_cases()) {
        assert_eq!((&first.name, &first.header), (&second.name, &second.header));
        assert_eq!(first.accounts, second.accounts, "{}", first.name);
        assert_eq!(first.transactions, second.transactions, "{}", first.name);
    }
}
