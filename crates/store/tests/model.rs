//! Random chains in the store and in a naive model that keeps every state whole: blocks, reorganisations, windows of
//! every size, reopening. Whatever the store still has must equal the model.

mod common;

use common::{Model, append, check_snapshot, check_state, head_state};
use proptest::prelude::*;
use rialto_store::{CanonicalBlock, Commit, History, Store, StoreError, StoreOptions};
use std::sync::Arc;

#[derive(Clone, Debug)]
enum Step {
    /// Appends a block for each seed, in one commit.
    Append(Vec<u64>),
    /// Goes back by so many blocks and appends others, in one commit.
    Reorganise(u64, Vec<u64>),
    /// Closes the store and opens it with another window.
    Reopen(Option<u64>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let seeds = || prop::collection::vec(any::<u64>(), 0..4);
    let step = prop_oneof![
        6 => seeds().prop_map(Step::Append),
        3 => (0u64..6, seeds()).prop_map(|(depth, seeds)| Step::Reorganise(depth, seeds)),
        1 => prop::option::of(0u64..8).prop_map(Step::Reopen),
    ];
    prop::collection::vec(step, 1..24)
}

fn options(window: Option<u64>) -> StoreOptions {
    let history = window.map_or(History::All, History::Blocks);
    StoreOptions { history, cache_bytes: 1 << 20, is_durable: false }
}

/// Blocks on top of `model`, computed with a store that has its head: each needs the nodes after the one before.
fn extend(model: &mut Model, seeds: &[u64]) -> Vec<Arc<CanonicalBlock>> {
    let mut appended = Vec::new();
    for seed in seeds {
        let mut trie = rialto_trie::StateTrie::from_memory(&model.head().state).expect("a state in memory");
        trie.root();
        let block = model.random_block(*seed, &trie);
        appended.push(block.block.clone());
        model.blocks.push(block);
    }
    appended
}

fn run(steps: &[Step], window: Option<u64>) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut window = window;
    let mut store = Store::open(folder.path(), options(window)).expect("a new store");
    let mut model = Model::new(7);
    model.initialise(&store);
    check_snapshot(&store.snapshot().expect("a chain"), &model);
    for step in steps {
        let old = (store.snapshot().expect("a chain"), model.clone());
        match step {
            Step::Append(seeds) => {
                let blocks = extend(&mut model, seeds);
                store.commit(&Commit { append: &blocks, ..Commit::default() }).expect("blocks that continue the chain");
            }
            Step::Reorganise(depth, seeds) => reorganise(&store, &mut model, *depth, seeds),
            Step::Reopen(new) => {
                drop(store);
                window = *new;
                // The snapshot of before keeps the database open.
                drop(old);
                store = Store::open(folder.path(), options(window)).expect("a store that was closed");
                check_snapshot(&store.snapshot().expect("a chain"), &model);
                continue;
            }
        }
        check_snapshot(&store.snapshot().expect("a chain"), &model);
        // Whoever holds an old snapshot sees nothing of it.
        check_state(&old.0.state_at(old.0.head().0).expect("the head's state"), old.1.head());
    }
}

fn reorganise(store: &Store, model: &mut Model, depth: u64, seeds: &[u64]) {
    let (head, oldest) = (model.head().block.block.number, store.snapshot().expect("a chain").oldest_state());
    let target = head.saturating_sub(depth);
    let removed = model.blocks.split_off(target as usize + 1);
    let kept = model.clone();
    let blocks = extend(model, seeds);
    let result = store.commit(&Commit { unwind_to: Some(target), append: &blocks, ..Commit::default() });
    if target < oldest {
        assert!(matches!(result, Err(StoreError::StatePruned { .. })), "{result:?}");
        *model = kept;
        model.blocks.extend(removed);
        return;
    }
    result.expect("a reorganisation within the window");
    let snapshot = store.snapshot().expect("a chain");
    for removed in removed.iter().map(|removed| &removed.block) {
        let is_back = blocks.iter().any(|block| block.block.hash == removed.block.hash);
        if !is_back && let Some(block) = snapshot.block(&removed.block.hash).expect("readable") {
            assert_eq!(block, *removed.block);
            assert_eq!(snapshot.receipts(&block.hash).expect("readable").as_ref(), Some(&removed.receipts));
            for hash in &removed.transaction_hashes {
                assert_eq!(snapshot.transaction(hash).expect("readable"), None);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn store_equals_model(steps in steps(), window in prop::option::of(0u64..12)) {
        run(&steps, window);
    }
}

#[test]
fn nodes_come_from_the_store() {
    let store = Store::in_memory(options(None)).expect("a store in memory");
    let mut model = Model::new(1);
    model.initialise(&store);
    for seed in 0..60 {
        let block = model.random_block(seed, &head_state(&store));
        append(&store, &mut model, block);
    }
    check_snapshot(&store.snapshot().expect("a chain"), &model);
}
