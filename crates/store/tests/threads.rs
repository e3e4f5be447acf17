//! Readers on several threads while blocks are appended and removed: each sees one block's state and nothing of another.

mod common;

use common::{Model, ModelBlock, check_state};
use rialto_store::{Commit, History, Store, StoreOptions};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

const BLOCKS: u64 = 120;
const READERS: usize = 3;

/// A chain in which every third block is replaced by another, as steps: how far back, and the block that is appended then.
fn steps(model: &mut Model) -> Vec<(u64, ModelBlock)> {
    let mut steps = Vec::new();
    for seed in 0..BLOCKS {
        if seed % 3 == 2 {
            model.blocks.pop();
        }
        let mut trie = rialto_trie::StateTrie::from_memory(&model.head().state).expect("a state in memory");
        trie.root();
        let block = model.random_block(seed, &trie);
        steps.push((model.head().block.block.number, block.clone()));
        model.blocks.push(block);
    }
    steps
}

#[test]
fn readers_see_whole_blocks() {
    let options = StoreOptions { history: History::Blocks(4), cache_bytes: 1 << 20, is_durable: false };
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), options).expect("a new store");
    let mut model = Model::new(9);
    model.initialise(&store);
    let genesis = model.head().clone();
    let steps = steps(&mut model);
    let all: HashMap<_, _> =
        steps.iter().map(|(_, block)| block).chain([&genesis]).map(|b| (b.block.block.hash, b)).collect();
    let (is_over, checks) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for reader in 0..READERS as u64 {
            let (store, all, is_over, checks) = (&store, &all, &is_over, &checks);
            scope.spawn(move || {
                while !is_over.load(Ordering::Acquire) {
                    let snapshot = store.snapshot().expect("a chain");
                    let (head, _) = snapshot.head();
                    let number = head.saturating_sub(reader).max(snapshot.oldest_state());
                    let hash = snapshot.canonical_hash(number).expect("readable").expect("up to the head");
                    check_state(&snapshot.state_at(number).expect("within the window"), all[&hash]);
                    checks.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for (target, block) in &steps {
            let append = std::slice::from_ref(&block.block);
            store.commit(&Commit { unwind_to: Some(*target), append, ..Commit::default() }).expect("a commit");
        }
        is_over.store(true, Ordering::Release);
    });
    assert!(checks.load(Ordering::Relaxed) >= READERS as u64);
}
