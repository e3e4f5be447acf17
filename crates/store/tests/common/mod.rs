//! A chain that changes its state at random, and the naive model that the store is compared with: every state, whole, in memory.
#![allow(dead_code, reason = "each test uses a part")]

use alloy_primitives::{Address, B256, Bloom, Bytes, U256, keccak256};
use rialto_state::{Account, AccountDiff, Code, Diff, MemoryState, SlotDiff, StateReader};
use rialto_store::{
    CanonicalBlock, Commit, Snapshot, StateAt, StateSummary, Store, StoreError, StoredBlock, VerifyOptions,
    VerifyReport,
};
use rialto_trie::{StateNodeSource, StateTrie};
use std::sync::Arc;

/// Addresses that anything happens to.
pub const ADDRESSES: u64 = 8;
/// Slots that anything happens to.
pub const SLOTS: u64 = 6;

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn is_one_in(&mut self, count: u64) -> bool {
        self.below(count) == 0
    }
}

pub fn address(index: u64) -> Address {
    Address::from_slice(&keccak256(index.to_be_bytes())[12..])
}

pub fn slot(index: u64) -> U256 {
    // Small and large slot numbers.
    if index.is_multiple_of(2) { U256::from(index) } else { U256::MAX - U256::from(index) }
}

/// A block's place in the model, with the state after it.
#[derive(Clone)]
pub struct ModelBlock {
    pub block: Arc<CanonicalBlock>,
    pub state: MemoryState,
    pub root: B256,
}

/// The canonical chain from genesis on.
#[derive(Clone)]
pub struct Model {
    pub blocks: Vec<ModelBlock>,
}

/// The words of an account in the universe of slots, ascending by slot.
fn words(state: &MemoryState, address: &Address) -> Vec<(U256, U256)> {
    let Some(account) = state.get(address) else { return Vec::new() };
    let mut words: Vec<_> = account.storage.iter().map(|(slot, word)| (*slot, *word)).collect();
    words.sort_unstable();
    words
}

/// A change of one account.
fn random_change(state: &MemoryState, address: Address, random: &mut Random, codes: &mut Vec<Code>) -> AccountDiff {
    let before = state.account(&address).expect("memory answers");
    if before.is_some() && random.is_one_in(4) {
        // The account ceases to exist; whether the diff says that its storage does is its maker's choice.
        let storage_wiped = random.is_one_in(2);
        return AccountDiff { address, before, after: None, storage_wiped, storage: Vec::new() };
    }
    let mut after = before.unwrap_or_default();
    after.nonce = after.nonce.wrapping_add(random.below(3));
    after.balance = U256::from(random.next()) << random.below(192);
    if random.is_one_in(3) {
        let code = Code::new(Bytes::from(random.next().to_be_bytes()[..random.below(9) as usize].to_vec()));
        after.code_hash = code.hash();
        if !code.is_empty() {
            codes.push(code);
        }
    }
    let storage_wiped = random.is_one_in(4);
    let mut slots: Vec<U256> = (0..SLOTS).filter(|_| random.is_one_in(2)).map(slot).collect();
    slots.sort_unstable();
    let storage = slots.into_iter().filter_map(|slot| {
        let before = if storage_wiped { U256::ZERO } else { state.storage(&address, &slot).expect("memory answers") };
        let after = U256::from(random.below(3)) << random.below(250);
        (before != after).then_some(SlotDiff { slot, before, after })
    });
    AccountDiff { address, before, after: Some(after), storage_wiped, storage: storage.collect() }
}

/// Changes of some accounts.
pub fn random_diff(state: &MemoryState, random: &mut Random) -> Diff {
    let mut codes = Vec::new();
    let count = 1 + random.below(4);
    let mut addresses: Vec<Address> = (0..count).map(|_| address(random.below(ADDRESSES))).collect();
    addresses.sort_unstable();
    addresses.dedup();
    let accounts = addresses.into_iter().map(|address| random_change(state, address, random, &mut codes)).collect();
    codes.sort_unstable_by_key(Code::hash);
    codes.dedup();
    Diff { accounts, codes }
}

/// A block's bytes, which mean nothing but differ from block to block. The header is the state root and a salt.
pub fn stored_block(number: u64, parent_hash: B256, root: B256, salt: u64) -> StoredBlock {
    let header = Bytes::from([&root[..], &parent_hash[..], &number.to_be_bytes(), &salt.to_be_bytes()].concat());
    StoredBlock {
        number,
        hash: keccak256(&header),
        parent_hash,
        total_difficulty: U256::from(number) << 70,
        header,
        body: Bytes::from(salt.to_be_bytes().to_vec()),
        senders: (0..salt % 3).map(address).collect(),
    }
}

impl Model {
    /// A chain with a genesis block whose state has a few accounts.
    pub fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let mut state = MemoryState::default();
        for index in 0..ADDRESSES / 2 {
            let words = (0..random.below(SLOTS)).map(|index| (slot(index), U256::from(index + 1)));
            let code = Bytes::from(vec![index as u8; index as usize]);
            state.insert_account(address(index), index, U256::from(index), code, words.collect::<Vec<_>>());
        }
        Self::with_genesis(state)
    }

    pub fn with_genesis(state: MemoryState) -> Self {
        let mut trie = StateTrie::from_memory(&state).expect("a state in memory");
        let root = trie.root();
        let block = Arc::new(stored_block(0, B256::ZERO, root, 0));
        let block = CanonicalBlock {
            block,
            receipts: Bytes::new(),
            transaction_hashes: Vec::new(),
            logs_bloom: Bloom::ZERO,
            diff: Diff::default(),
            nodes: trie.commit(),
        };
        Self { blocks: vec![ModelBlock { block: Arc::new(block), state, root }] }
    }

    pub fn head(&self) -> &ModelBlock {
        self.blocks.last().expect("the genesis block is always there")
    }

    /// Begins the chain in a store.
    pub fn initialise(&self, store: &Store) {
        let genesis = &self.blocks[0];
        store.initialise(&genesis.block.block, &genesis.state, b"{}").expect("an empty store");
    }

    /// The next block, with these changes; the nodes above those that change come from `source`, which is the state of the head.
    pub fn next_block(&self, diff: Diff, salt: u64, source: &dyn StateNodeSource) -> ModelBlock {
        let head = self.head();
        let mut state = head.state.clone();
        state.apply(&diff);
        let mut trie = StateTrie::from_root(head.root);
        let root = trie.apply_from(&diff, source).expect("all nodes are there");
        let expected = StateTrie::from_memory(&state).expect("a state in memory").root();
        assert_eq!(root, expected, "root from the nodes of block {}", head.block.block.number);
        let block = Arc::new(stored_block(head.block.block.number + 1, head.block.block.hash, root, salt));
        let transaction_hashes =
            (0..salt % 3).map(|index| keccak256([&block.hash[..], &index.to_be_bytes()].concat())).collect();
        let logs_bloom = if salt.is_multiple_of(2) { Bloom::ZERO } else { Bloom::repeat_byte(salt as u8 | 1) };
        let receipts = Bytes::from(vec![salt as u8; (salt % 100) as usize]);
        let nodes = trie.commit();
        let block = CanonicalBlock { block, receipts, transaction_hashes, logs_bloom, diff, nodes };
        ModelBlock { block: Arc::new(block), state, root }
    }

    /// The next block, with random changes.
    pub fn random_block(&self, seed: u64, source: &dyn StateNodeSource) -> ModelBlock {
        let diff = random_diff(&self.head().state, &mut Random(seed));
        self.next_block(diff, seed, source)
    }
}

/// The state of the head of a store.
pub fn head_state(store: &Store) -> StateAt {
    let snapshot = store.snapshot().expect("a chain");
    snapshot.state_at(snapshot.head().0).expect("the head's state")
}

/// Appends one block to store and model.
pub fn append(store: &Store, model: &mut Model, block: ModelBlock) {
    store
        .commit(&Commit { append: std::slice::from_ref(&block.block), ..Commit::default() })
        .expect("a block that continues the chain");
    model.blocks.push(block);
}

/// Compares one state with the model's: all accounts, slots, codes, and proofs of all of them against the root.
pub fn check_state(state: &StateAt, model: &ModelBlock) {
    let number = model.block.block.number;
    let mut trie = StateTrie::from_root(model.root);
    let summary = state.summarise(&std::env::temp_dir(), &mut |_| {}).expect("readable");
    let slots = model.state.iter().map(|(_, account)| account.storage.len() as u64).sum();
    let expected = StateSummary { root: model.root, accounts: model.state.len() as u64, slots, stray_slots: 0 };
    assert_eq!(summary, expected, "block {number}");
    for index in 0..ADDRESSES {
        let address = address(index);
        let place = format!("block {number}, account {index}");
        let account = state.account(&address).expect("readable");
        assert_eq!(account, model.state.account(&address).expect("memory"), "{place}");
        assert_eq!(state.has_storage(&address), model.state.has_storage(&address), "{place}");
        let mut slots: Vec<U256> = (0..SLOTS).map(slot).collect();
        slots.extend(words(&model.state, &address).iter().map(|(slot, _)| *slot));
        for slot in &slots {
            assert_eq!(state.storage(&address, slot), model.state.storage(&address, slot), "{place}, slot {slot:#x}");
        }
        if let Some(Account { code_hash, .. }) = account {
            assert_eq!(state.code(&code_hash), model.state.code(&code_hash), "{place}");
        }
        let proof = trie.prove(&address, &slots, state).unwrap_or_else(|error| panic!("{place}: {error}"));
        proof.verify(model.root).unwrap_or_else(|error| panic!("{place}: {error}"));
        assert_eq!(proof.account.is_some(), account.is_some(), "{place}");
    }
}

/// A header's check: the header of [`stored_block`] is what its hash is made of.
pub fn check_header(_number: u64, hash: &B256, header: &[u8]) -> Result<(), String> {
    if keccak256(header) == *hash { Ok(()) } else { Err(format!("expected a header with hash {hash}")) }
}

/// Verifies the whole database against this state root.
pub fn verify(snapshot: &Arc<Snapshot>, state_root: B256) -> VerifyReport {
    let scratch = std::env::temp_dir();
    let options = VerifyOptions { state_root, scratch: &scratch, check_header: &check_header };
    snapshot.verify(&options, &mut |_, _| {})
}

/// Compares all that a snapshot tells with the model.
pub fn check_snapshot(snapshot: &Arc<Snapshot>, model: &Model) {
    let head = &model.head().block.block;
    assert_eq!(snapshot.head(), (head.number, head.hash));
    let oldest = snapshot.oldest_state();
    assert!(oldest <= head.number);
    for entry in &model.blocks {
        let CanonicalBlock { block, receipts, transaction_hashes, .. } = &*entry.block;
        assert_eq!(snapshot.canonical_hash(block.number).expect("readable"), Some(block.hash));
        assert_eq!(snapshot.block(&block.hash).expect("readable").as_ref(), Some(&**block));
        assert_eq!(snapshot.header(&block.hash).expect("readable").as_ref(), Some(&block.header));
        if block.number > 0 {
            assert_eq!(snapshot.receipts(&block.hash).expect("readable").as_ref(), Some(receipts));
        }
        for (index, hash) in transaction_hashes.iter().enumerate() {
            let found = snapshot.transaction(hash).expect("readable").map(|at| (at.number, at.hash, at.index));
            assert_eq!(found, Some((block.number, block.hash, index)));
        }
        match snapshot.state_at(block.number) {
            Ok(state) => {
                assert!(block.number >= oldest);
                assert_eq!(state.block_hash(block.number), Ok(block.hash));
                assert!(state.block_hash(block.number + 1).is_err());
                check_state(&state, entry);
            }
            Err(StoreError::StatePruned { number, oldest: found }) => {
                assert!(number == block.number && found == oldest && number < oldest);
            }
            Err(error) => panic!("block {}: {error}", block.number),
        }
    }
    assert_eq!(snapshot.canonical_hash(head.number + 1).expect("readable"), None);
    assert!(matches!(snapshot.state_at(head.number + 1), Err(StoreError::Discontinuous { .. })));
    check_blooms(snapshot, model);
    let report = verify(snapshot, model.head().root);
    assert!(report.is_clean(), "{:#?}", report.problems);
    assert_eq!(report.accounts, model.head().state.len() as u64);
}

fn check_blooms(snapshot: &Snapshot, model: &Model) {
    let mut found = Vec::new();
    let visit = &mut |number, bloom: &Bloom| {
        found.push((number, *bloom));
        true
    };
    snapshot.blooms(0, u64::MAX, visit).expect("readable");
    let expected = model.blocks.iter().filter(|entry| !entry.block.logs_bloom.is_zero());
    let expected: Vec<_> = expected.map(|entry| (entry.block.block.number, entry.block.logs_bloom)).collect();
    assert_eq!(found, expected);
}
