//! Compiled code does what interpreted code does: the same end, gas to the unit, output, logs, reads of the state and
//! changes to it, under every fork, with every amount of gas.
//!
//! `RIALTO_JIT_EXECUTIONS=10000000 cargo test -p rialto-jit --test equality -- --nocapture` runs as many as that, and says
//! how many they were; `RIALTO_JIT_SEED` selects other ones.

mod random;

use proptest::collection::vec;
use proptest::prelude::*;
use random::{Numbers, Tally};
use rialto_jit::{Jit, JitMode, JitOptions};
use std::sync::OnceLock;

fn jit() -> &'static Jit {
    static JIT: OnceLock<Jit> = OnceLock::new();
    JIT.get_or_init(|| Jit::new(JitOptions { mode: JitMode::Always, max_bytes: 16 << 20, ..JitOptions::default() }))
}

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|error| panic!("{name}={text}: {error}, expected a number")),
        Err(_) => default,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn compiled_and_interpreted_agree(bytes in vec(any::<u8>(), 1..1_200)) {
        random::check(&bytes, 20, jit());
    }
}

/// Of each program many executions, as many in all as are asked for.
#[test]
fn executions() {
    let (asked, seed) = (number("RIALTO_JIT_EXECUTIONS", 30_000), number("RIALTO_JIT_SEED", 1));
    let mut tally = Tally::default();
    let mut worlds = 0;
    let mut numbers = Numbers(seed);
    let mut next_report = 1_000_000;
    while tally.executions < asked {
        let len = 50 + numbers.below(1_200) as usize;
        let bytes = numbers.bytes(len);
        tally.add(&random::check(&bytes, 200, jit()));
        worlds += 1;
        if tally.executions >= next_report {
            println!("{} executions", tally.executions);
            next_report += 1_000_000;
        }
    }
    let stats = jit().stats();
    println!("{worlds} worlds, no difference: {tally:?}, {stats:?}");
    assert!(stats.compiled > worlds / 2, "{} codes compiled of {worlds} worlds", stats.compiled);
    for (name, count) in [("success", tally.successes), ("out of gas", tally.out_of_gas), ("other", tally.other_halts)]
    {
        assert!(count > tally.executions / 50, "{count} of {} executions ended with {name}", tally.executions);
    }
}
