//! The state root on any number of threads is that of one thread, and of tries built from nothing.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use proptest::collection::vec;
use proptest::prelude::*;
use rialto_parallel::RootThreads;
use rialto_state::{Account, AccountDiff, Diff, SlotDiff};
use rialto_trie::{
    EMPTY_ROOT_HASH, Nibbles, StateNodeChanges, StateNodeSource, StateTrie, TrieAccount, TrieError,
    roots::{state_root, storage_root},
};
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

type Accounts = BTreeMap<Address, (Account, BTreeMap<U256, U256>)>;

/// A store of nodes by path, which counts its reads.
#[derive(Default)]
struct Store {
    nodes: HashMap<(Option<B256>, Nibbles), Bytes>,
    is_slow: bool,
    reads: AtomicUsize,
}

impl Store {
    fn write(&mut self, changes: StateNodeChanges) {
        self.nodes.retain(|(account, _), _| !account.is_some_and(|account| changes.wiped.contains(&account)));
        let accounts = (None, changes.accounts);
        let storages = changes.storages.into_iter().map(|(account, changes)| (Some(account), changes));
        for (account, changes) in storages.chain([accounts]) {
            for (path, hash) in changes.removed {
                let removed = self.nodes.remove(&(account, path));
                assert_eq!(removed.map(keccak256), Some(hash), "removed node {path:?} was stored");
            }
            self.nodes.extend(changes.added.into_iter().map(|(path, _, node)| ((account, path), node)));
        }
    }
}

impl StateNodeSource for Store {
    fn state_node(&self, account: Option<&B256>, path: &Nibbles, hash: &B256) -> Result<Option<Bytes>, TrieError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let node = self.nodes.get(&(account.copied(), *path)).cloned();
        Ok(node.filter(|node| keccak256(node) == *hash))
    }

    fn is_slow(&self) -> bool {
        self.is_slow
    }
}

fn root_of(accounts: &Accounts) -> B256 {
    state_root(accounts.iter().map(|(address, (account, storage))| {
        let storage_root = storage_root(storage.clone());
        (*address, TrieAccount::new(account.nonce, account.balance, storage_root, account.code_hash))
    }))
}

fn address(seed: u16) -> Address {
    Address::from_word(keccak256(seed.to_be_bytes()))
}

/// What happens to one account: which, what (0: it ceases to exist, 1: its storage is wiped), how many slots from which on
/// get which word.
type Change = (u16, u8, u16, u16, u8);

fn change_account(accounts: &mut Accounts, (seed, kind, first, count, word): Change) -> AccountDiff {
    let address = address(seed);
    let before = accounts.get(&address).map(|entry| entry.0);
    let mut change = AccountDiff { address, before, after: None, storage_wiped: kind < 2, storage: Vec::new() };
    if kind == 0 {
        accounts.remove(&address);
        return change;
    }
    let empty =
        Account { code_hash: if seed % 3 == 0 { B256::repeat_byte(3) } else { KECCAK256_EMPTY }, ..Account::default() };
    let entry = accounts.entry(address).or_insert((empty, BTreeMap::new()));
    entry.0.nonce += 1;
    entry.0.balance += U256::from(word);
    if kind == 1 {
        entry.1.clear();
    }
    // Accounts with a code hash have storage.
    if entry.0.code_hash != KECCAK256_EMPTY {
        for slot in first..first + count {
            let (slot, after) = (U256::from(slot), U256::from(u64::from(word) * u64::from(slot % 5)));
            let before = entry.1.insert(slot, after).unwrap_or_default();
            change.storage.push(SlotDiff { slot, before, after });
        }
        entry.1.retain(|_, word| !word.is_zero());
    }
    change.after = Some(entry.0);
    change
}

fn diff_of(accounts: &mut Accounts, changes: Vec<Change>) -> Diff {
    let changes: BTreeMap<u16, Change> = changes.into_iter().map(|change| (change.0, change)).collect();
    let mut changes: Vec<_> = changes.into_values().map(|change| change_account(accounts, change)).collect();
    changes.sort_by_key(|change| change.address);
    Diff { accounts: changes, codes: Vec::new() }
}

/// A block: some changes of few slots, up to two of many, and maybe that most accounts cease to exist.
fn block() -> impl Strategy<Value = Vec<Change>> {
    let small = vec((0_u16..300, 0_u8..12, 0_u16..40, 0_u16..10, any::<u8>()), 0..200);
    let large = vec((0_u16..300, 1_u8..12, 0_u16..2_000, 400_u16..1_500, any::<u8>()), 0..3);
    let end = prop_oneof![4 => Just(None), 1 => (0_u16..300).prop_map(Some)];
    (small, large, end).prop_map(|(mut changes, large, end)| {
        changes.extend(large);
        if let Some(left) = end {
            changes.extend((0..300).filter(|seed| *seed != left).map(|seed| (seed, 0, 0, 0, 0)));
        }
        changes
    })
}

/// The tries in each of these ways: threads, and whether leaves are tried before they are read.
const WAYS: [(usize, bool); 5] = [(1, false), (1, true), (2, true), (4, false), (16, true)];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn every_number_of_threads_gives_the_same(blocks in vec((block(), any::<bool>()), 1..6)) {
        let mut accounts = Accounts::new();
        let mut ways = WAYS.map(|(threads, is_slow)| {
            let threads = RootThreads::new(NonZeroUsize::new(threads).expect("a row"));
            (threads, StateTrie::from_root(EMPTY_ROOT_HASH), Store { is_slow, ..Store::default() })
        });
        for (changes, forgets) in blocks {
            let diff = diff_of(&mut accounts, changes);
            let root = root_of(&accounts);
            let mut first = None;
            for (threads, trie, store) in &mut ways {
                prop_assert_eq!(threads.apply(trie, &diff, store), Ok(root), "{:?}", threads);
                let nodes = trie.commit();
                prop_assert_eq!(first.get_or_insert_with(|| nodes.clone()), &nodes, "nodes of {:?}", threads);
                store.write(nodes);
                if forgets {
                    *trie = StateTrie::from_root(root);
                }
            }
        }
        // What was stored is enough to prove everything.
        let (_, trie, store) = &mut ways[4];
        let root = root_of(&accounts);
        for (address, (_, storage)) in accounts.iter().take(40) {
            let slots: Vec<U256> = storage.keys().copied().take(3).collect();
            for trie in [&mut *trie, &mut StateTrie::from_root(root)] {
                let proof = trie.prove(address, &slots, store).expect("all nodes are there");
                prop_assert!(proof.verify(root).is_ok(), "{:?}", proof);
            }
        }
    }
}

/// A diff that changes one account, and one storage of which most slots change.
#[test]
fn a_large_storage_alone_is_updated_by_all_threads() {
    let mut accounts = Accounts::new();
    let mut trie = StateTrie::from_root(EMPTY_ROOT_HASH);
    let mut store = Store::default();
    let threads = RootThreads::new(NonZeroUsize::new(4).expect("not zero"));
    for (row, change) in [(3, 5, 0, 3_000, 7), (3, 5, 1_000, 1_500, 0), (3, 1, 0, 1, 9)].into_iter().enumerate() {
        let diff = diff_of(&mut accounts, vec![change]);
        assert_eq!(threads.apply(&mut trie, &diff, &store), Ok(root_of(&accounts)), "row {row}");
        store.write(trie.commit());
    }
}

/// Leaves whose values the diff tells are not read from a slow store.
#[test]
fn known_leaves_are_not_read() {
    let mut reads = Vec::new();
    for is_slow in [false, true] {
        let mut accounts = Accounts::new();
        let mut store = Store { is_slow, ..Store::default() };
        let one = RootThreads::new(NonZeroUsize::MIN);
        let mut trie = StateTrie::from_root(EMPTY_ROOT_HASH);
        let first = diff_of(&mut accounts, (0..300).map(|seed| (seed, 5, 0, 60, 1)).collect());
        let root = one.apply(&mut trie, &first, &store).expect("all nodes are there");
        store.write(trie.commit());
        let second = diff_of(&mut accounts, (0..300).map(|seed| (seed, 5, 0, 60, 2)).collect());
        store.reads = AtomicUsize::new(0);
        let after = one.apply(&mut StateTrie::from_root(root), &second, &store);
        assert_eq!(after, Ok(root_of(&accounts)));
        reads.push(store.reads.into_inner());
    }
    // Of what is changed, 200 accounts without code and 100 times 48 slots have values that are known.
    assert!(reads[1] + 4_000 < reads[0], "{reads:?}");
}

/// What a source says, the update says, whichever thread met it.
#[test]
fn a_missing_node_is_an_error_on_every_number_of_threads() {
    let mut accounts = Accounts::new();
    let mut store = Store::default();
    let mut trie = StateTrie::from_root(EMPTY_ROOT_HASH);
    let one = RootThreads::new(NonZeroUsize::MIN);
    let diff = diff_of(&mut accounts, (0..300).map(|seed| (seed, 5, 0, 60, 1)).collect());
    let root = one.apply(&mut trie, &diff, &store).expect("all nodes are there");
    store.write(trie.commit());
    store.nodes.retain(|(account, path), _| account.is_some() || path.len() != 2);
    let diff = diff_of(&mut accounts, (0..300).map(|seed| (seed, 5, 0, 60, 2)).collect());
    for threads in [1, 2, 4] {
        let threads = RootThreads::new(NonZeroUsize::new(threads).expect("a row"));
        let found = threads.apply(&mut StateTrie::from_root(root), &diff, &store);
        assert!(matches!(found, Err(TrieError::MissingNode { .. })), "{threads:?}: {found:?}");
    }
}
