//! Every way to run a block, and that they all give the same.
#![allow(dead_code, reason = "each test uses a part")]

use crate::support::{THREADS, assert_equal};
use rialto_jit::{Jit, JitMode, JitOptions};
use rialto_parallel::{Counts, Strategy, execute_counted};
use rialto_state::{MemoryState, WitnessRecorder};
use rialto_stf::{Block, BlockError, ChainSpec, Outcome, access_list_of};
use rialto_trie::{StateTrie, WitnessState, witness};
use std::num::NonZeroUsize;
use std::sync::OnceLock;

/// Compiles whatever is run.
pub fn jit() -> &'static Jit {
    static JIT: OnceLock<Jit> = OnceLock::new();
    JIT.get_or_init(|| Jit::new(JitOptions { mode: JitMode::Always, ..JitOptions::default() }))
}

fn strategy(count: usize) -> Strategy<'static> {
    let threads = NonZeroUsize::new(count).expect("a row of the table");
    Strategy { min_transactions: 1, min_gas: 0, ..Strategy::with_threads(threads) }
}

/// Runs a valid block in every way and returns what came of it.
pub fn check(name: &str, chain: &ChainSpec, block: &Block, state: &MemoryState) -> Outcome {
    let expected =
        rialto_stf::execute(chain, block, None, state, None).unwrap_or_else(|error| panic!("{name}: {error}"));
    let list = access_list_of(chain, block, None, state).unwrap_or_else(|error| panic!("{name}: {error}"));
    for tier in [None, Some(jit() as &dyn rialto_vm::Tier)] {
        for count in THREADS {
            for access_list in [None, Some(&list)] {
                let name =
                    format!("{name}: {count} threads, list {}, compiled {}", access_list.is_some(), tier.is_some());
                let strategy = Strategy { tier, access_list, ..strategy(count) };
                let (outcome, counts) = execute_counted(chain, block, None, state, None, &strategy)
                    .unwrap_or_else(|error| panic!("{name}: {error}"));
                assert_equal(&name, &outcome, &expected);
                let alone = Counts { alone: block.transactions.len(), ..Counts::default() };
                assert_eq!(counts == alone, count == 1, "{name}: {counts:?}");
            }
        }
    }
    check_stateless(name, chain, block, state, &expected);
    expected
}

/// Runs a block that is not valid in every way: each gives the same reason.
pub fn check_invalid(name: &str, chain: &ChainSpec, block: &Block, state: &MemoryState) -> BlockError {
    let expected = rialto_stf::execute(chain, block, None, state, None).map(drop).expect_err(name);
    for tier in [None, Some(jit() as &dyn rialto_vm::Tier)] {
        for count in THREADS {
            let strategy = Strategy { tier, ..strategy(count) };
            let found = execute_counted(chain, block, None, state, None, &strategy).map(drop).expect_err(name);
            assert_eq!(found, expected, "{name}: {count} threads, compiled {}", tier.is_some());
        }
    }
    expected
}

/// Runs a block on its witness alone, and compares the root.
fn check_stateless(name: &str, chain: &ChainSpec, block: &Block, state: &MemoryState, expected: &Outcome) {
    let mut trie = StateTrie::from_memory(state).expect("all of it is there");
    let root = trie.root();
    let recorder = WitnessRecorder::new(state);
    let recorded = rialto_stf::execute(chain, block, None, &recorder, None).expect("as before");
    assert_equal(&format!("{name}: recorded"), &recorded, expected);
    let record = recorder.into_record();
    let nodes = witness::produce(root, &trie, &record, &expected.diff).expect("all of it is there");
    let codes = record.codes.values().map(|code| code.bytes().clone());
    let known = WitnessState::new(root, nodes, codes, []);
    let outcome = rialto_stf::execute(chain, block, None, &known, None)
        .unwrap_or_else(|error| panic!("{name}: stateless: {error}"));
    assert_equal(&format!("{name}: stateless"), &outcome, expected);
    let mut after = state.clone();
    after.apply(&expected.diff);
    let root_after = StateTrie::from_memory(&after).expect("all of it is there").root();
    assert_eq!(known.apply(&outcome.diff), Ok(root_after), "{name}: root of the stateless run");
    assert_eq!(trie.apply(&expected.diff), Ok(root_after), "{name}: root");
}
