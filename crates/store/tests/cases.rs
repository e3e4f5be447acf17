//! What the random chains do not reach: large storages that go, side blocks, notes, wrong commits, wrong directories.

mod common;

use alloy_primitives::{Address, B256, Bytes, U256};
use common::{Model, ModelBlock, address, append, check_header, check_snapshot, head_state, stored_block, verify};
use rialto_state::{AccountDiff, Diff, MemoryState, SlotDiff, StateReader};
use rialto_store::{Commit, History, Store, StoreError, StoreOptions, VerifyOptions};
use std::sync::Arc;

fn options(history: History) -> StoreOptions {
    StoreOptions { history, cache_bytes: 4 << 20, is_durable: false }
}

fn chain(history: History) -> (Store, Model) {
    let store = Store::in_memory(options(history)).expect("a store in memory");
    let model = Model::new(2);
    model.initialise(&store);
    (store, model)
}

fn append_random(store: &Store, model: &mut Model, seed: u64) -> ModelBlock {
    let block = model.random_block(seed, &head_state(store));
    append(store, model, block.clone());
    block
}

fn commit_note(store: &Store, note: &[u8]) {
    store.commit(&Commit { note: Some(note), ..Commit::default() }).expect("a commit");
}

/// Slots of the account that has many.
const MANY: u64 = 2_500;

/// A diff of one account with `slots` from `before` to `after`.
fn storage_diff(model: &Model, storage_wiped: bool, slots: std::ops::Range<u64>, after: u64) -> Diff {
    let address = address(1);
    let state = &model.head().state;
    let before = state.account(&address).expect("memory answers");
    let word = |slot: u64| state.storage(&address, &U256::from(slot)).expect("memory answers");
    let storage = slots.map(|slot| SlotDiff {
        slot: U256::from(slot),
        before: if storage_wiped { U256::ZERO } else { word(slot) },
        after: U256::from(after),
    });
    let storage = storage.filter(|slot| slot.before != slot.after).collect();
    let after = Some(before.unwrap_or_default());
    Diff { accounts: vec![AccountDiff { address, before, after, storage_wiped, storage }], codes: Vec::new() }
}

type MakeDiff = Box<dyn Fn(&Model) -> Diff>;

#[test]
fn large_storages_come_and_go() {
    let (store, mut model) = chain(History::Blocks(3));
    let steps: [(&str, MakeDiff); 6] = [
        ("many slots", Box::new(|model| storage_diff(model, false, 0..MANY, 5))),
        ("wiped, some written again", Box::new(|model| storage_diff(model, true, MANY / 2..MANY + 10, 6))),
        ("wiped, the same words written again", Box::new(|model| storage_diff(model, true, MANY / 2..MANY + 10, 6))),
        (
            "gone",
            Box::new(|model| {
                let mut diff = storage_diff(model, false, 0..0, 0);
                diff.accounts[0].after = None;
                diff
            }),
        ),
        ("back", Box::new(|model| storage_diff(model, false, 0..MANY, 7))),
        ("cleared slot by slot", Box::new(|model| storage_diff(model, false, 0..MANY, 0))),
    ];
    for (name, diff) in steps {
        let block = model.next_block(diff(&model), 2, &head_state(&store));
        append(&store, &mut model, block);
        check_snapshot(&store.snapshot().expect("a chain"), &model);
        // Back and forth again.
        let block = model.blocks.pop().expect("the block just appended");
        let unwind_to = Some(model.head().block.block.number);
        store.commit(&Commit { unwind_to, ..Commit::default() }).unwrap_or_else(|error| panic!("{name}: {error}"));
        check_snapshot(&store.snapshot().expect("a chain"), &model);
        append(&store, &mut model, block);
    }
    // A shrunk window is reached in steps, and all of them are sound.
    let mut oldest = store.snapshot().expect("a chain").oldest_state();
    for step in 0..40 {
        commit_note(&store, &[step]);
        let snapshot = store.snapshot().expect("a chain");
        assert!(snapshot.oldest_state() >= oldest);
        oldest = snapshot.oldest_state();
        if step % 8 == 0 {
            check_snapshot(&snapshot, &model);
        }
    }
    assert_eq!(oldest, model.head().block.block.number - 3, "pruning has arrived");
}

#[test]
fn one_commit_forgets_a_bounded_amount() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), options(History::All)).expect("a new store");
    let mut model = Model::new(2);
    model.initialise(&store);
    for round in 1..10 {
        let diff = storage_diff(&model, false, 0..MANY, round);
        let block = model.next_block(diff, 2, &head_state(&store));
        append(&store, &mut model, block);
    }
    assert_eq!(store.snapshot().expect("a chain").oldest_state(), 0);
    drop(store);
    let store = Store::open(folder.path(), options(History::Blocks(2))).expect("it was closed");
    let entries = || verify(&store.snapshot().expect("a chain"), model.head().root).history_entries;
    let (mut left, mut commits) = (entries(), 0);
    let target = model.head().block.block.number - 2;
    while store.snapshot().expect("a chain").oldest_state() < target {
        commit_note(&store, b"");
        commits += 1;
        let now = entries();
        assert!(left - now <= 8 * 512, "{} entries forgotten at once", left - now);
        left = now;
    }
    assert!(commits > 3, "{commits} commits");
    drop(store);
    // A window that grows brings nothing back, and stops the forgetting.
    let store = Store::open(folder.path(), options(History::Blocks(10))).expect("it was closed");
    commit_note(&store, b"");
    assert_eq!(store.snapshot().expect("a chain").oldest_state(), target);
    check_snapshot(&store.snapshot().expect("a chain"), &model);
}

#[test]
fn side_blocks_are_kept_as_long_as_they_matter() {
    let (store, mut model) = chain(History::Blocks(6));
    let side = |number: u64| Arc::new(stored_block(number, B256::repeat_byte(1), B256::ZERO, 1000 + number));
    for number in 1..5 {
        append_random(&store, &mut model, number);
        store.commit(&Commit { side_blocks: &[side(number)], ..Commit::default() }).expect("a commit");
    }
    let kept = || {
        let snapshot = store.snapshot().expect("a chain");
        (1..5u64).filter(|number| snapshot.block(&side(*number).hash).expect("readable").is_some()).collect::<Vec<_>>()
    };
    assert_eq!(kept(), [1, 2, 3, 4]);
    let snapshot = store.snapshot().expect("a chain");
    assert_eq!(snapshot.block(&side(2).hash).expect("readable").as_ref(), Some(&*side(2)));
    assert_eq!(snapshot.receipts(&side(2).hash).expect("readable"), None);
    let finalized = model.blocks[3].block.block.hash;
    store.commit(&Commit { finalized: Some(finalized), safe: Some(finalized), ..Commit::default() }).expect("a commit");
    let snapshot = store.snapshot().expect("a chain");
    assert_eq!((snapshot.finalized(), snapshot.safe()), (finalized, finalized));
    assert_eq!(kept(), [3, 4], "below the finalized block nothing else can become canonical");
    for seed in 10..16 {
        append_random(&store, &mut model, seed);
    }
    assert_eq!(kept(), [4], "blocks below the window go");
    check_snapshot(&store.snapshot().expect("a chain"), &model);
}

#[test]
fn a_side_block_becomes_canonical() {
    let (store, mut model) = chain(History::All);
    append_random(&store, &mut model, 1);
    let block = model.random_block(2, &head_state(&store));
    let side_blocks = [block.block.block.clone()];
    for _ in 0..2 {
        store.commit(&Commit { side_blocks: &side_blocks, ..Commit::default() }).expect("a commit");
        let snapshot = store.snapshot().expect("a chain");
        assert_eq!(snapshot.number_of(&side_blocks[0].hash).expect("readable"), Some(2));
        assert_eq!(snapshot.canonical_hash(2).expect("readable"), None);
    }
    append(&store, &mut model, block);
    // It stays what it is if it comes again as a side block.
    store.commit(&Commit { side_blocks: &side_blocks, ..Commit::default() }).expect("a commit");
    check_snapshot(&store.snapshot().expect("a chain"), &model);
}

#[test]
fn commits_that_do_not_continue_the_chain_change_nothing() {
    let (store, mut model) = chain(History::Blocks(2));
    for seed in 0..6 {
        append_random(&store, &mut model, seed);
    }
    let good = model.random_block(9, &head_state(&store)).block;
    let head = model.head().block.block.clone();
    let with = |number: u64, parent_hash: B256| {
        let mut block = (*good).clone();
        block.block = Arc::new(stored_block(number, parent_hash, B256::ZERO, 1));
        [Arc::new(block)]
    };
    let (gap, other_parent, again) = (with(8, head.hash), with(7, B256::ZERO), with(6, head.parent_hash));
    let side = [Arc::new(stored_block(3, B256::ZERO, B256::ZERO, 77))];
    let rows: [(&str, Commit<'_>, &str); 5] = [
        ("a gap", Commit { append: &gap, ..Commit::default() }, "commit: expected a child of block 6"),
        (
            "another parent",
            Commit { append: &other_parent, ..Commit::default() },
            "commit: expected a child of block 6",
        ),
        ("the head's number", Commit { append: &again, ..Commit::default() }, "commit: expected a child of block 6"),
        ("back to what is not there", Commit { unwind_to: Some(9), ..Commit::default() }, "up to the head 6"),
        ("back below the window", Commit { unwind_to: Some(3), ..Commit::default() }, "expected a block from 4 on"),
    ];
    for (name, commit, expected) in rows {
        let commit = Commit { side_blocks: &side, note: Some(b"never"), safe: Some(B256::ZERO), ..commit };
        let error = store.commit(&commit).expect_err(name).to_string();
        assert!(error.contains(expected), "{name}: {error}");
        let snapshot = store.snapshot().expect("a chain");
        assert_eq!(snapshot.note().expect("readable"), b"", "{name}");
        assert_eq!(snapshot.block(&side[0].hash).expect("readable"), None, "{name}");
        check_snapshot(&snapshot, &model);
    }
}

#[test]
fn notes_and_documents() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), options(History::All)).expect("a new store");
    assert!(matches!(store.snapshot(), Err(StoreError::NotInitialised)));
    assert!(matches!(store.commit(&Commit::default()), Err(StoreError::NotInitialised)));
    assert_eq!(store.chain_document().expect("readable"), None);
    let model = Model::new(2);
    model.initialise(&store);
    model.initialise(&store);
    let other = stored_block(0, B256::ZERO, B256::ZERO, 5);
    let result = store.initialise(&other, &MemoryState::default(), b"");
    assert!(matches!(result, Err(StoreError::OtherGenesis { expected, .. }) if expected == other.hash), "{result:?}");
    commit_note(&store, b"one");
    let old = store.snapshot().expect("a chain");
    commit_note(&store, b"two");
    assert_eq!(old.note().expect("readable"), b"one");
    drop((old, store));
    let store = Store::open(folder.path(), options(History::All)).expect("it was closed");
    assert_eq!(store.chain_document().expect("readable").as_deref(), Some(&b"{}"[..]));
    assert_eq!(store.snapshot().expect("a chain").note().expect("readable"), b"two");
    commit_note(&store, b"");
    assert_eq!(store.snapshot().expect("a chain").note().expect("readable"), b"");
    assert!(Store::is_in(folder.path()) && !Store::is_in(&folder.path().join("nothing")));
}

#[test]
fn states_are_exported() {
    let (store, mut model) = chain(History::All);
    for seed in 0..20 {
        append_random(&store, &mut model, seed);
    }
    let snapshot = store.snapshot().expect("a chain");
    for block in &model.blocks {
        let mut exported = MemoryState::default();
        let mut last: Option<Address> = None;
        let state = snapshot.state_at(block.block.block.number).expect("an archive");
        let visit =
            &mut |address, account: &rialto_state::Account, code: &rialto_state::Code, storage: &[(U256, U256)]| {
                assert!(last < Some(address) && storage.is_sorted());
                last = Some(address);
                let code = Bytes::from(code.bytes().to_vec());
                exported.insert_account(address, account.nonce, account.balance, code, storage.iter().copied());
                true
            };
        state.for_each_account(visit).expect("readable");
        let root = rialto_trie::StateTrie::from_memory(&exported).expect("a state in memory").root();
        assert_eq!(root, block.root, "block {}", block.block.block.number);
    }
}

#[test]
fn verification_finds_what_is_wrong() {
    let (store, mut model) = chain(History::All);
    append_random(&store, &mut model, 1);
    // Nodes and accounts that do not fit each other, as a wrong block would leave them.
    let mut wrong = (*model.random_block(2, &head_state(&store)).block).clone();
    wrong.nodes = Default::default();
    store.commit(&Commit { append: &[Arc::new(wrong)], ..Commit::default() }).expect("the store can't know");
    let snapshot = store.snapshot().expect("a chain");
    let report = verify(&snapshot, model.head().root);
    assert!(report.problems.iter().any(|problem| problem.starts_with("state root: expected")), "{report:#?}");
    let report = verify(&snapshot, report.state_root);
    assert!(report.problems.iter().any(|problem| problem.starts_with("node at path")), "{report:#?}");
    let scratch = std::env::temp_dir();
    let refuse = |number: u64, hash: &B256, header: &[u8]| match number {
        1 => Err("expected something else".to_string()),
        _ => check_header(number, hash, header),
    };
    let options = VerifyOptions { state_root: report.state_root, scratch: &scratch, check_header: &refuse };
    let report = snapshot.verify(&options, &mut |_, _| {});
    assert!(report.problems.iter().any(|problem| problem.ends_with("expected something else")), "{report:#?}");
}

#[test]
fn verification_tells_how_far_it_is() {
    let (store, mut model) = chain(History::All);
    (0..5).for_each(|seed| drop(append_random(&store, &mut model, seed)));
    let (scratch, mut passes) = (std::env::temp_dir(), Vec::new());
    let options = VerifyOptions { state_root: model.head().root, scratch: &scratch, check_header: &check_header };
    let report = store.snapshot().expect("a chain").verify(&options, &mut |pass, _| passes.push(pass));
    assert!(report.is_clean(), "{report:#?}");
    passes.dedup();
    assert_eq!(passes, ["accounts", "nodes", "blocks", "transactions", "history entries"]);
}
