//! The chain as its drivers see it: mining, imports, side chains, reorgs, restarts, and changes outside of blocks.

use alloy_primitives::{Address, B256, Bytes, U256, address};
use rialto_node::{
    BlockId, BuiltBlock, ChainBlock, ForkchoiceStatus, Node, NodeConfig, PayloadAttributes, PayloadStatus,
    PoolTransaction, TransactionSource,
};
use rialto_state::{Account, AccountDiff, Diff, SlotDiff, StateReader};
use rialto_stf::{Block, Transaction, TxType, address_of_secret_key};
use rialto_trie::proof::AccountProof;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

const KEY: B256 = B256::with_last_byte(7);
const RECIPIENT: Address = address!("00000000000000000000000000000000000000aa");
/// `sstore(number, 1 + sload(number - 1))`: writes a slot for each block that calls it.
const COUNTER: Address = address!("00000000000000000000000000000000000000cc");
const GWEI: u64 = 1_000_000_000;

fn sender() -> Address {
    address_of_secret_key(&KEY).expect("a valid key")
}

fn genesis() -> Vec<u8> {
    format!(
        r#"{{"config": {{"chainId": 1337, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
        "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0,
        "londonBlock": 0, "terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": true, "shanghaiTime": 0}},
        "gasLimit": "0x1c9c380", "difficulty": "0x0", "timestamp": "0x1", "alloc": {{
        "{sender:?}": {{"balance": "0x3635c9adc5dea00000"}},
        "{COUNTER:?}": {{"balance": "0x0", "code": "0x6001600143035401435500"}} }} }}"#,
        sender = sender()
    )
    .into_bytes()
}

fn config(datadir: Option<&Path>, is_dev: bool) -> NodeConfig {
    NodeConfig { datadir: datadir.map(Into::into), genesis: Some(genesis()), is_dev, ..NodeConfig::default() }
}

fn node(is_dev: bool) -> Arc<Node> {
    Node::open(config(None, is_dev)).expect("a node in memory")
}

fn call(nonce: u64, to: Address, value: u64) -> Arc<PoolTransaction> {
    let mut transaction = Transaction {
        tx_type: TxType::DynamicFee,
        chain_id: Some(1337),
        nonce,
        gas_price: U256::from(100 * GWEI),
        max_priority_fee_per_gas: U256::from(GWEI),
        gas_limit: 100_000,
        to: Some(to),
        value: U256::from(value),
        input: Bytes::new(),
        ..Transaction::default()
    };
    transaction.sign(&KEY).expect("a valid key");
    let hash = transaction.hash();
    Arc::new(PoolTransaction { transaction, hash, sender: sender(), sidecar: None })
}

fn attributes(timestamp: u64) -> PayloadAttributes {
    PayloadAttributes { timestamp, ..PayloadAttributes::default() }
}

/// A block on `parent` with these transactions, that nobody knows of.
fn build(node: &Node, parent: B256, timestamp: u64, transactions: &[Arc<PoolTransaction>]) -> BuiltBlock {
    let source = TransactionSource::Exactly(transactions.to_vec());
    node.build(parent, &attributes(timestamp), &source).expect("a block")
}

/// A node that mined `count` blocks, each of which transfers and writes a slot.
fn mined(count: u64) -> (Arc<Node>, Vec<Block>) {
    let node = node(true);
    let mut blocks = Vec::new();
    for number in 0..count {
        let transactions = vec![call(2 * number, RECIPIENT, 1 + number), call(2 * number + 1, COUNTER, 0)];
        let built = node.mine(&attributes(10 + number), &TransactionSource::Exactly(transactions)).expect("a block");
        assert_eq!(built.receipts.len(), 2);
        blocks.push(built.block.block.clone());
    }
    (node, blocks)
}

fn head(node: &Node) -> Arc<ChainBlock> {
    Arc::clone(node.view().expect("a view").head())
}

fn balance(node: &Node, id: BlockId) -> U256 {
    let state = node.view().expect("a view").state(id).expect("a state").expect("a block");
    state.account(&RECIPIENT).expect("readable").map_or(U256::ZERO, |account| account.balance)
}

#[test]
fn every_block_can_be_looked_at() {
    let (node, blocks) = mined(5);
    let view = node.view().expect("a view");
    assert_eq!(view.head().block, blocks[4]);
    let mut sum = 0;
    for (index, block) in blocks.iter().enumerate() {
        let number = index as u64 + 1;
        sum += number;
        assert_eq!(view.hash(BlockId::Number(number)).expect("readable"), Some(block.hash()));
        let found = view.block(BlockId::Hash(block.hash())).expect("readable").expect("a block");
        assert_eq!(found.block, *block);
        assert_eq!(balance(&node, BlockId::Number(number)), U256::from(sum));
        let state = view.state(BlockId::Number(number)).expect("readable").expect("a state");
        assert_eq!(state.root(), block.header.state_root);
        for slot in 0..=6 {
            let expected = if (1..=number).contains(&slot) { slot } else { 0 };
            let slot = U256::from(slot);
            assert_eq!(
                state.storage(&COUNTER, &slot).expect("readable"),
                U256::from(expected),
                "slot {slot} at {number}"
            );
        }
        let slots = [U256::from(number), U256::from(99)];
        let proof: AccountProof = state.prove(&COUNTER, &slots).expect("a proof");
        proof.verify(state.root()).expect("a valid proof");
        assert_eq!(proof.storage[0].word, U256::from(number));
        assert_eq!(proof.storage[1].word, U256::ZERO);
        for (position, hash) in found.transaction_hashes.iter().enumerate() {
            let place = view.transaction(hash).expect("readable").expect("a place");
            assert_eq!((place.block.hash, place.index), (found.hash, position));
        }
        assert_eq!(view.receipts(&found).expect("readable").expect("receipts").len(), 2);
    }
    assert!(view.block(BlockId::Number(6)).expect("readable").is_none());
    assert!(view.state(BlockId::Hash(B256::ZERO)).expect("readable").is_none());
    assert!(view.hash(BlockId::Safe).expect("readable").is_none());
}

#[test]
fn a_run_of_blocks_and_single_blocks_give_the_same_chain() {
    let (_, blocks) = mined(40);
    let single = node(false);
    for block in &blocks {
        single.import(block.clone()).expect("a valid block");
    }
    let run = node(false);
    run.import_run(blocks.clone()).expect("valid blocks");
    for node in [&single, &run] {
        assert_eq!(head(node).block, blocks[39]);
        assert_eq!(balance(node, BlockId::Number(33)), U256::from((1..=33).sum::<u64>()));
    }
    run.import(blocks[3].clone()).expect("a known block is no error");
    assert_eq!(head(&run).block, blocks[39]);
}

#[test]
fn a_run_ends_before_the_first_invalid_block() {
    type Spoil = fn(&mut Block);
    let cases: [(&str, Spoil); 4] = [
        ("state_root", |block| block.header.state_root = B256::repeat_byte(1)),
        ("gas_used", |block| block.header.gas_used += 1),
        ("base_fee_per_gas", |block| block.header.base_fee_per_gas = Some(1)),
        ("transactions_root", |block| {
            block.transactions.pop();
        }),
    ];
    for (field, spoil) in cases {
        let (_, mut blocks) = mined(6);
        spoil(&mut blocks[3]);
        let parent_hash = blocks[3].hash();
        blocks[4].header.parent_hash = parent_hash;
        blocks[5].header.parent_hash = blocks[4].hash();
        let node = node(false);
        let error = node.import_run(blocks.clone()).expect_err(field);
        assert_eq!(error.index, 3, "{field}: {error}");
        assert!(error.to_string().contains(field), "{field}: {error}");
        assert_eq!(head(&node).block, blocks[2], "{field}");
    }
}

#[test]
fn threads_change_nothing_of_the_chain() {
    // Enough gas in each block for threads to be started.
    const CALLS: u64 = 60;
    let on_threads = |threads| {
        let threads = NonZeroUsize::new(threads).expect("positive");
        Node::open(NodeConfig { threads, ..config(None, false) }).expect("a node in memory")
    };
    let transactions = |block: u64| {
        let to = |index: u64| if index.is_multiple_of(3) { COUNTER } else { RECIPIENT };
        (block * CALLS..(block + 1) * CALLS).map(|nonce| call(nonce, to(nonce), nonce)).collect::<Vec<_>>()
    };
    let builder = on_threads(4);
    let mut blocks: Vec<Block> = Vec::new();
    for number in 0..4 {
        let parent = head(&builder).hash;
        let built = build(&builder, parent, 10 + number, &transactions(number));
        assert!(built.block_access_list.is_none(), "there is none in a block of Shanghai");
        // It comes back as anybody's would, and is executed.
        let block = built.block.block.clone();
        assert_eq!(builder.insert_payload(block.clone(), None).expect("an answer"), PayloadStatus::Valid);
        assert_eq!(choose(&builder, built.block.hash), ForkchoiceStatus::Valid);
        blocks.push(block);
    }
    for threads in [1, 2, 4, 16] {
        let (run, single) = (on_threads(threads), on_threads(threads));
        run.import_run(blocks.clone()).unwrap_or_else(|error| panic!("{threads} threads: {error}"));
        for block in &blocks {
            single.import(block.clone()).unwrap_or_else(|error| panic!("{threads} threads: {error}"));
        }
        let mut wrong = blocks[0].clone();
        wrong.header.state_root = B256::ZERO;
        let error = on_threads(threads).import(wrong).expect_err("a wrong root").to_string();
        assert!(error.contains(&blocks[0].header.state_root.to_string()), "{threads} threads: {error}");
        assert_eq!((head(&run).hash, head(&single).hash), (blocks[3].hash(), blocks[3].hash()), "{threads} threads");
    }
}

/// Two branches on block 2 of the mined chain: of two blocks and of three.
fn branches(node: &Node, trunk: &[Block]) -> [Vec<Block>; 2] {
    [2u64, 3].map(|length| {
        let mut parent = trunk[1].hash();
        let mut branch = Vec::new();
        for step in 0..length {
            let transaction = call(4 + step, RECIPIENT, 1_000 * length);
            let built = build(node, parent, 100 + 10 * length + step, &[transaction]);
            let block = built.block.block.clone();
            parent = block.hash();
            assert_eq!(node.insert_payload(block.clone(), None).expect("kept"), PayloadStatus::Valid);
            branch.push(block);
        }
        branch
    })
}

fn choose(node: &Node, head: B256) -> ForkchoiceStatus {
    node.set_forkchoice(head, B256::ZERO, B256::ZERO).expect("a head")
}

#[test]
fn heads_move_between_branches() {
    let (_, trunk) = mined(4);
    let node = node(false);
    node.import_run(trunk.clone()).expect("valid blocks");
    let [short, long] = branches(&node, &trunk);
    assert_eq!(head(&node).block, trunk[3], "payloads alone move nothing");
    let mut heads = node.subscribe_heads();
    let on_trunk = U256::from(1 + 2 + 3 + 4);
    let table = [(&long, 9_003, 2), (&short, 4_003, 3), (&long, 9_003, 2)];
    for (branch, expected, removed) in table {
        let tip = branch.last().expect("blocks").hash();
        assert_eq!(choose(&node, tip), ForkchoiceStatus::Valid);
        assert_eq!(balance(&node, BlockId::Latest), U256::from(expected));
        let change = heads.try_recv().expect("an event");
        assert_eq!((change.removed.len(), change.added.len(), change.head.hash), (removed, branch.len(), tip));
        let view = node.view().expect("a view");
        for block in branch {
            assert!(view.is_canonical(&block.hash()).expect("readable"));
        }
        assert!(!view.is_canonical(&trunk[2].hash()).expect("readable"));
        let gone = trunk[2].transactions[1].hash();
        assert!(view.transaction(&gone).expect("readable").is_none());
    }
    // The trunk's blocks are not canonical any more, but their states can still be had.
    let old = trunk[3].hash();
    assert_eq!(choose(&node, old), ForkchoiceStatus::Valid);
    assert_eq!(balance(&node, BlockId::Latest), on_trunk);
    assert_eq!(choose(&node, trunk[2].hash()), ForkchoiceStatus::Valid);
    assert_eq!(head(&node).hash, trunk[2].hash(), "an ancestor");
    assert_eq!(node.set_forkchoice(old, old, old).expect("no failure"), ForkchoiceStatus::Valid);
    assert_eq!(choose(&node, trunk[2].hash()), ForkchoiceStatus::Valid);
    assert_eq!(head(&node).hash, old, "what is final stays");
}

#[test]
fn a_rollups_driver_unwinds_to_an_ancestor_and_forces_transactions() {
    let (_, trunk) = mined(4);
    let node = node(false);
    node.import_run(trunk.clone()).expect("valid blocks");
    assert_eq!(choose(&node, trunk[1].hash()), ForkchoiceStatus::Valid);
    assert_eq!(head(&node).block, trunk[1]);
    let forced = vec![call(4, RECIPIENT, 70), call(5, RECIPIENT, 7)];
    let ids = [TransactionSource::Exactly(forced.clone()), TransactionSource::ThenPool(forced.clone())]
        .map(|source| node.start_payload_of(trunk[1].hash(), attributes(60), source).expect("an id"));
    assert_ne!(ids[0], ids[1]);
    // What was unwound is in the pool again: two transactions that may follow the forced ones.
    for (id, from_pool) in ids.into_iter().zip([0, 2]) {
        let built = node.payload(&id).expect("built").expect("known");
        assert_eq!(built.block.transaction_hashes[..2], [forced[0].hash, forced[1].hash]);
        assert_eq!(built.block.transaction_hashes.len(), 2 + from_pool);
    }
    let invalid = TransactionSource::Exactly(vec![call(9, RECIPIENT, 1)]);
    let id = node.start_payload_of(trunk[1].hash(), attributes(60), invalid).expect("an id");
    assert!(node.payload(&id).is_err(), "a forced transaction is not left out");
}

#[test]
fn safe_and_finalized_are_ancestors() {
    let (_, trunk) = mined(4);
    let node = node(false);
    node.import_run(trunk.clone()).expect("valid blocks");
    let [short, long] = branches(&node, &trunk);
    let (tip, other) = (long[2].hash(), short[0].hash());
    let zero = B256::ZERO;
    let table = [
        (B256::repeat_byte(9), zero, zero, ForkchoiceStatus::Syncing),
        (tip, other, zero, ForkchoiceStatus::Inconsistent),
        (tip, zero, trunk[2].hash(), ForkchoiceStatus::Inconsistent),
        (tip, B256::repeat_byte(9), zero, ForkchoiceStatus::Inconsistent),
        (tip, long[0].hash(), trunk[1].hash(), ForkchoiceStatus::Valid),
    ];
    for (head, safe, finalized, expected) in table {
        assert_eq!(
            node.set_forkchoice(head, safe, finalized).expect("an answer"),
            expected,
            "{head} {safe} {finalized}"
        );
    }
    let view = node.view().expect("a view");
    assert_eq!(view.hash(BlockId::Safe).expect("readable"), Some(long[0].hash()));
    assert_eq!(view.hash(BlockId::Finalized).expect("readable"), Some(trunk[1].hash()));
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart() {
    let (_, trunk) = mined(4);
    let datadir = tempfile::tempdir().expect("a directory");
    let long = {
        let node = Node::open(config(Some(datadir.path()), false)).expect("a node");
        node.import_run(trunk.clone()).expect("valid blocks");
        branches(&node, &trunk)[1].clone()
    };
    let open = || Node::open(NodeConfig { genesis: None, ..config(Some(datadir.path()), false) }).expect("a node");
    // The branch was kept but not chosen; its layers are gone.
    let node = open();
    assert_eq!(head(&node).block, trunk[3]);
    assert_eq!(choose(&node, long[1].hash()), ForkchoiceStatus::Valid);
    drop(node);
    let node = open();
    assert_eq!(head(&node).block, long[1]);
    assert_eq!(balance(&node, BlockId::Latest), U256::from(6_003));
    // A block on top of a branch that is only on the disk.
    assert_eq!(choose(&node, trunk[3].hash()), ForkchoiceStatus::Valid);
    drop(node);
    let node = open();
    assert_eq!(node.insert_payload(long[2].clone(), None).expect("known"), PayloadStatus::Valid);
    assert_eq!(choose(&node, long[2].hash()), ForkchoiceStatus::Valid);
    assert_eq!(balance(&node, BlockId::Latest), U256::from(9_003));
}

#[test]
fn invalid_payloads_and_what_builds_on_them() {
    let (_, trunk) = mined(3);
    let node = node(false);
    node.import_run(trunk[..2].to_vec()).expect("valid blocks");
    let mut wrong = trunk[2].clone();
    wrong.header.state_root = B256::repeat_byte(1);
    let mut child = trunk[2].clone();
    child.header.parent_hash = wrong.hash();
    child.header.number += 1;
    let mut orphan = child.clone();
    orphan.header.parent_hash = B256::repeat_byte(5);
    assert_eq!(node.insert_payload(orphan, None).expect("an answer"), PayloadStatus::Syncing);
    for block in [&wrong, &child, &wrong] {
        match node.insert_payload(block.clone(), None).expect("an answer") {
            PayloadStatus::Invalid { latest_valid_hash, error } => {
                assert_eq!(latest_valid_hash, Some(trunk[1].hash()));
                assert!(error.contains("state_root"), "{error}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(choose(&node, child.hash()), ForkchoiceStatus::Invalid { .. }));
    assert_eq!(node.insert_payload(trunk[2].clone(), None).expect("an answer"), PayloadStatus::Valid);
    assert_eq!(choose(&node, trunk[2].hash()), ForkchoiceStatus::Valid);
}

#[test]
fn a_payload_is_built_and_comes_back() {
    let (_, trunk) = mined(2);
    let node = node(false);
    node.import_run(trunk.clone()).expect("valid blocks");
    let parent = trunk[1].hash();
    let id = node.start_payload(parent, attributes(50)).expect("an id");
    assert_eq!(node.start_payload(parent, attributes(50)).expect("an id"), id);
    assert_ne!(node.start_payload(parent, attributes(51)).expect("an id"), id);
    let built = node.payload(&id).expect("built").expect("known");
    assert_eq!(node.insert_payload(built.block.block.clone(), None).expect("an answer"), PayloadStatus::Valid);
    assert_eq!(choose(&node, built.block.hash), ForkchoiceStatus::Valid);
    assert!(node.payload(&[0; 8]).expect("an answer").is_none());
    node.start_payload(parent, attributes(11)).expect_err("not after the parent");
    node.start_payload(B256::ZERO, attributes(99)).expect_err("no parent");
}

/// Gives the recipient a balance and the counter a slot.
fn change(balance: u64) -> Diff {
    let account = |address, balance, code_hash, storage| AccountDiff {
        address,
        before: None,
        after: Some(Account { nonce: 0, balance, code_hash }),
        storage_wiped: false,
        storage,
    };
    let code = rialto_state::Code::new(Bytes::from_static(&[0x60, 1, 0x60, 1, 0x43, 3, 0x54, 1, 0x43, 0x55, 0]));
    let slot = SlotDiff { slot: U256::from(77), before: U256::ZERO, after: U256::from(balance) };
    Diff {
        accounts: vec![
            account(RECIPIENT, U256::from(balance), Account::EMPTY.code_hash, vec![]),
            account(COUNTER, U256::ZERO, code.hash(), vec![slot]),
        ],
        codes: vec![],
    }
}

#[test]
fn changes_outside_of_blocks() {
    let datadir = tempfile::tempdir().expect("a directory");
    let open = |genesis| Node::open(NodeConfig { genesis, ..config(Some(datadir.path()), true) }).expect("a node");
    let slot = |node: &Node| {
        let state = node.view().expect("a view").state(BlockId::Latest).expect("readable").expect("a state");
        state.storage(&COUNTER, &U256::from(77)).expect("readable")
    };
    let node = open(Some(genesis()));
    node.mine(&attributes(10), &TransactionSource::Exactly(vec![call(0, RECIPIENT, 5)])).expect("a block");
    node.amend(change(1_000)).expect("amended");
    node.amend(change(2_000)).expect("amended");
    assert_eq!((balance(&node, BlockId::Latest), slot(&node)), (U256::from(2_000), U256::from(2_000)));
    drop(node);
    let node = open(None);
    assert_eq!((balance(&node, BlockId::Latest), slot(&node)), (U256::from(2_000), U256::from(2_000)));
    let kept = node.amendments();
    let built = node.mine(&attributes(11), &TransactionSource::Exactly(vec![call(1, RECIPIENT, 5)])).expect("a block");
    assert!(node.amendments().is_empty());
    assert_eq!((balance(&node, BlockId::Latest), slot(&node)), (U256::from(2_005), U256::from(2_000)));
    assert_eq!(balance(&node, BlockId::Number(1)), U256::from(5));
    let state = node.view().expect("a view").state(BlockId::Latest).expect("readable").expect("a state");
    let before = node.view().expect("a view").state_before(&built.block).expect("readable").expect("a state");
    let word = before.storage(&COUNTER, &U256::from(77)).expect("readable");
    assert_eq!(word, U256::from(2_000), "the block was executed on what was changed before it");
    let proof = state.prove(&COUNTER, &[U256::from(77)]).expect("a proof");
    proof.verify(built.block.block.header.state_root).expect("a valid proof");
    assert_eq!(proof.storage[0].word, U256::from(2_000));
    // Back to before, as a snapshot of dev mode does.
    node.set_head(built.block.block.header.parent_hash).expect("unwound");
    assert_eq!(balance(&node, BlockId::Latest), U256::from(5));
    node.set_amendments(Diff::clone(&kept)).expect("amended");
    assert_eq!((balance(&node, BlockId::Latest), slot(&node)), (U256::from(2_000), U256::from(2_000)));
    drop(node);
    let node = Node::open(NodeConfig { genesis: None, ..config(Some(datadir.path()), false) }).expect("a node");
    node.amend(change(1)).expect_err("for dev mode only");
}
