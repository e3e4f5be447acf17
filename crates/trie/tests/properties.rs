//! Properties of tries over random operations, with alloy-trie's `HashBuilder` as a second opinion.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::HashBuilder;
use proptest::{collection::vec, prelude::*};
use rialto_state::{Account, AccountDiff, Diff, SlotDiff};
use rialto_trie::{
    EMPTY_ROOT_HASH, EmptySource, KECCAK_EMPTY, Nibbles, NodeBag, StateNodeChanges, StateNodeSource, StateTrie, Trie,
    TrieAccount, TrieError, fuzz_support,
    proof::{verify_multiproof, verify_proof},
    roots::{ordered_root, state_root, storage_root},
};
use std::collections::BTreeMap;

/// Fixed-length keys that share prefixes, with values.
fn entries() -> impl Strategy<Value = BTreeMap<[u8; 32], Vec<u8>>> {
    let key = vec((0_usize..32, 0_u8..20), 0..4).prop_map(|changes| {
        let mut key = [0x11; 32];
        changes.into_iter().for_each(|(place, byte)| key[place] = byte);
        key
    });
    proptest::collection::btree_map(key, vec(any::<u8>(), 1..80), 0..60)
}

fn trie_of(entries: &BTreeMap<[u8; 32], Vec<u8>>) -> Trie {
    let mut trie = Trie::new();
    for (key, value) in entries {
        trie.insert(key, value, &EmptySource).unwrap();
    }
    trie
}

fn hash_builder_root(entries: &BTreeMap<[u8; 32], Vec<u8>>) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in entries {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    builder.root()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn incremental_equals_rebuild(bytes in vec(any::<u8>(), 0..1500)) {
        fuzz_support::check_against_rebuild(&bytes);
    }

    #[test]
    fn trie_equals_hash_builder(entries in entries()) {
        prop_assert_eq!(trie_of(&entries).root(), hash_builder_root(&entries));
    }

    #[test]
    fn ordered_root_equals_alloy(items in vec(vec(any::<u8>(), 1..70), 0..300)) {
        prop_assert_eq!(ordered_root(&items), alloy_trie::root::ordered_trie_root_encoded(&items));
    }

    #[test]
    fn storage_and_state_roots_equal_alloy(slots in proptest::collection::btree_map(any::<u64>(), 0_u64..3, 0..40)) {
        let words: Vec<_> = slots.iter().map(|(slot, word)| (U256::from(*slot), U256::from(*word))).collect();
        let theirs = alloy_trie::root::storage_root_unhashed(
            words.iter().filter(|(_, word)| !word.is_zero()).map(|(slot, word)| (B256::from(*slot), *word)),
        );
        prop_assert_eq!(storage_root(words.clone()), theirs);
        let accounts: Vec<_> = slots
            .iter()
            .map(|(seed, nonce)| (Address::left_padding_from(&seed.to_be_bytes()), TrieAccount::new(*nonce, U256::from(*seed), theirs, KECCAK_EMPTY)))
            .collect();
        prop_assert_eq!(state_root(accounts.clone()), alloy_trie::root::state_root_unhashed(accounts));
    }

    #[test]
    fn partial_trie_from_proofs_updates_like_the_full_one(
        entries in entries(),
        changes in vec((any::<prop::sample::Index>(), any::<bool>(), vec(any::<u8>(), 1..60)), 1..12),
    ) {
        prop_assume!(!entries.is_empty());
        let mut full = trie_of(&entries);
        let root = full.root();
        let keys: Vec<_> = entries.keys().copied().collect();
        // Updates of what is there, then removals: needs the paths, and siblings where branches collapse.
        let mut nodes = NodeBag::new(full.prove_many(&keys, &EmptySource).unwrap());
        let mut touched = Vec::new();
        let mut partial = Trie::from_root(root);
        let before = full.clone();
        for remove in [false, true] {
            for (index, is_removal, value) in &changes {
                if *is_removal == remove {
                    let key = *index.get(&keys[..]);
                    touched.push(key);
                    let value: &[u8] = if remove { &[] } else { value };
                    full.insert(&key, value, &EmptySource).unwrap();
                    partial.insert(&key, value, &nodes).unwrap();
                }
            }
        }
        prop_assert_eq!(partial.root(), full.root());
        // With the touched paths alone it is the same root, or a typed error that names a node of the full trie.
        let all = nodes;
        nodes = NodeBag::new(before.clone().prove_many(&touched, &EmptySource).unwrap());
        let mut partial = Trie::from_root(root);
        for remove in [false, true] {
            for (index, is_removal, value) in changes.iter().filter(|change| change.1 == remove) {
                let value: &[u8] = if *is_removal { &[] } else { value };
                let mut result = partial.insert(&index.get(&keys[..])[..], value, &nodes);
                while let Err(TrieError::MissingNode { hash, .. }) = result {
                    prop_assert!(remove, "only a removal needs a node beside its path");
                    nodes.insert(all.get(&hash).expect("a node of the trie").clone());
                    result = partial.insert(&index.get(&keys[..])[..], value, &nodes);
                }
                prop_assert_eq!(result, Ok(()));
            }
        }
        prop_assert_eq!(partial.root(), full.root());
    }

    #[test]
    fn proofs_verify_and_tampered_proofs_fail(
        entries in entries(),
        absent in vec(any::<[u8; 32]>(), 1..5),
        tamper in (any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_u8..),
    ) {
        let mut trie = trie_of(&entries);
        let root = trie.root();
        let keys: Vec<[u8; 32]> = entries.keys().copied().chain(absent).collect();
        for key in &keys {
            let expected = entries.get(key).map(Vec::as_slice);
            let proof = trie.prove(key, &EmptySource).unwrap();
            prop_assert_eq!(verify_proof(root, key, expected, &proof), Ok(()));
            let nibbles = Nibbles::unpack(key);
            let theirs = alloy_trie::proof::verify_proof(root, nibbles, expected.map(<[u8]>::to_vec), &proof);
            prop_assert!(theirs.is_ok(), "{theirs:?}");
            let wrong = if expected.is_some() { None } else { Some(&b"wrong"[..]) };
            prop_assert!(verify_proof(root, key, wrong, &proof).is_err());
            let mut longer = proof.clone();
            longer.push(Bytes::from_static(b"\xc0"));
            prop_assert!(verify_proof(root, key, expected, &longer).is_err());
            if proof.is_empty() {
                continue;
            }
            prop_assert!(verify_proof(root, key, expected, &proof[..proof.len() - 1]).is_err());
            let mut tampered = proof.clone();
            let node = tamper.0.index(proof.len());
            let mut bytes = tampered[node].to_vec();
            let place = tamper.1.index(bytes.len());
            bytes[place] ^= tamper.2;
            tampered[node] = bytes.into();
            prop_assert!(verify_proof(root, key, expected, &tampered).is_err());
        }
        let nodes = trie.prove_many(&keys, &EmptySource).unwrap();
        let expected: Vec<_> = keys.iter().map(|key| (&key[..], entries.get(key).map(Vec::as_slice))).collect();
        prop_assert_eq!(verify_multiproof(root, &expected, &nodes), Ok(()));
    }

    #[test]
    fn malformed_nodes_never_panic(
        entries in entries(),
        tamper in vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        // The tampered nodes are given as the true ones are: under the hashes that lead to them.
        struct Lying(BTreeMap<B256, Bytes>);
        impl rialto_trie::NodeSource for Lying {
            fn node(&self, _: &Nibbles, hash: &B256) -> Result<Option<Bytes>, TrieError> {
                Ok(self.0.get(hash).cloned())
            }
        }
        prop_assume!(!entries.is_empty());
        let mut trie = trie_of(&entries);
        let root = trie.root();
        let keys: Vec<_> = entries.keys().copied().collect();
        let mut nodes = trie.prove_many(&keys, &EmptySource).unwrap();
        let hashes: Vec<_> = nodes.iter().map(keccak256).collect();
        for (node, place, byte) in tamper {
            let node = &mut nodes[node.index(hashes.len())];
            let mut bytes = node.to_vec();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            *node = bytes.into();
        }
        let source = Lying(hashes.into_iter().zip(nodes).collect());
        let mut partial = Trie::from_root(root);
        for key in &keys {
            let _ = partial.get(key, &source);
            let _ = partial.insert(key, b"value", &source);
            let _ = partial.root();
        }
        for key in &keys {
            let _ = partial.remove(key, &source);
            let _ = partial.prove(key, &source);
        }
        let _ = partial.commit();
    }

    #[test]
    fn an_accepted_node_is_written_as_it_was_read(
        entries in entries(),
        tamper in vec((any::<prop::sample::Index>(), any::<u8>()), 0..3),
    ) {
        let keys: Vec<_> = entries.keys().copied().collect();
        for node in trie_of(&entries).prove_many(&keys, &EmptySource).unwrap() {
            fuzz_support::check_node(&node);
            let mut bytes = node.to_vec();
            for (place, byte) in &tamper {
                bytes[place.index(node.len())] = *byte;
                fuzz_support::check_node(&bytes);
            }
        }
    }

    #[test]
    fn arbitrary_bytes_as_a_node_never_panic(bytes in vec(any::<u8>(), 0..80), key in any::<[u8; 32]>()) {
        fuzz_support::check_node(&bytes);
        let bag = NodeBag::new([Bytes::from(bytes.clone())]);
        let mut trie = Trie::from_root(keccak256(&bytes));
        let _ = trie.get(&key, &bag);
        let _ = trie.insert(&key, b"value", &bag);
        let _ = trie.remove(&key, &bag);
        let _ = trie.root();
    }

    #[test]
    fn state_trie_equals_rebuild(blocks in vec(vec((0_u8..6, 0_u8..4, vec((0_u64..8, 0_u64..3), 0..6)), 1..5), 1..6)) {
        let mut model: BTreeMap<Address, (Account, BTreeMap<U256, U256>)> = BTreeMap::new();
        let mut full = StateTrie::new();
        let mut store = Store::default();
        let mut stored = StateTrie::new();
        for block in blocks {
            let diff = apply_to_model(&mut model, block);
            let before = full.clone();
            let root = full.apply(&diff).unwrap();
            prop_assert_eq!(root, model_root(&model));
            let mut partial = StateTrie::from_root(before.clone().root());
            prop_assert_eq!(partial.apply_from(&diff, &before), Ok(root));
            let rebuilt = StateTrie::from_accounts(model.iter().map(|(address, (account, storage))| (*address, *account, storage.clone())));
            let mut rebuilt = rebuilt.unwrap();
            prop_assert_eq!(rebuilt.root(), root);
            prop_assert_eq!(stored.apply_from(&diff, &store), Ok(root));
            store.write(stored.commit());
            let mut expected = Store::default();
            expected.write(rebuilt.commit());
            prop_assert_eq!(&store.0, &expected.0);
            if root.0[0] & 1 == 0 {
                stored = StateTrie::from_root(root);
            }
        }
    }
}

/// The nodes of a state by trie, path and hash.
#[derive(Default)]
struct Store(BTreeMap<(Option<B256>, Nibbles, B256), Bytes>);

impl Store {
    fn write(&mut self, changes: StateNodeChanges) {
        self.0.retain(|(account, ..), _| !account.is_some_and(|account| changes.wiped.contains(&account)));
        let accounts = (None, changes.accounts);
        for (account, changes) in
            changes.storages.into_iter().map(|(account, changes)| (Some(account), changes)).chain([accounts])
        {
            for (path, hash) in changes.removed {
                assert!(self.0.remove(&(account, path, hash)).is_some(), "removed node {path:?} was stored");
            }
            for (path, hash, rlp) in changes.added {
                assert!(self.0.insert((account, path, hash), rlp).is_none(), "added node {path:?} was not stored");
            }
        }
    }
}

impl StateNodeSource for Store {
    fn state_node(&self, account: Option<&B256>, path: &Nibbles, hash: &B256) -> Result<Option<Bytes>, TrieError> {
        Ok(self.0.get(&(account.copied(), *path, *hash)).cloned())
    }
}

/// One block's changes: (account, what happens to it, slots written).
type BlockChanges = Vec<(u8, u8, Vec<(u64, u64)>)>;

fn apply_to_model(model: &mut BTreeMap<Address, (Account, BTreeMap<U256, U256>)>, block: BlockChanges) -> Diff {
    let mut accounts = BTreeMap::new();
    for (seed, kind, slots) in block {
        let address = Address::repeat_byte(seed);
        let before = model.get(&address).map(|entry| entry.0);
        let mut change = AccountDiff { address, before, after: None, storage_wiped: kind < 2, storage: Vec::new() };
        if kind == 0 {
            model.remove(&address);
        } else {
            let entry = model.entry(address).or_default();
            entry.0.nonce += 1;
            if kind == 1 {
                entry.1.clear();
            }
            change.after = Some(entry.0);
            for (slot, word) in BTreeMap::from_iter(slots) {
                let (slot, word) = (U256::from(slot), U256::from(word));
                let before = entry.1.insert(slot, word).unwrap_or_default();
                change.storage.push(SlotDiff { slot, before, after: word });
            }
            entry.1.retain(|_, word| !word.is_zero());
        }
        // One change per account and block.
        if accounts.contains_key(&address) {
            let (_, previous): (Address, AccountDiff) = accounts.remove_entry(&address).unwrap();
            change = merge(previous, change);
        }
        accounts.insert(address, change);
    }
    Diff { accounts: accounts.into_values().collect(), codes: Vec::new() }
}

fn merge(first: AccountDiff, second: AccountDiff) -> AccountDiff {
    let mut storage: BTreeMap<U256, SlotDiff> = BTreeMap::new();
    if !second.storage_wiped {
        storage.extend(first.storage.into_iter().map(|slot| (slot.slot, slot)));
    }
    storage.extend(second.storage.into_iter().map(|slot| (slot.slot, slot)));
    AccountDiff {
        before: first.before,
        storage_wiped: first.storage_wiped || second.storage_wiped,
        storage: storage.into_values().collect(),
        ..second
    }
}

fn model_root(model: &BTreeMap<Address, (Account, BTreeMap<U256, U256>)>) -> B256 {
    state_root(model.iter().map(|(address, (account, storage))| {
        let storage_root = storage_root(storage.clone());
        (*address, TrieAccount::new(account.nonce, account.balance, storage_root, account.code_hash))
    }))
}

#[test]
fn a_key_is_at_most_32_bytes() {
    let mut trie = Trie::new();
    assert_eq!(trie.insert(&[1; 33], b"value", &EmptySource), Err(TrieError::KeyTooLong { length_bytes: 33 }));
    assert_eq!(trie.root(), EMPTY_ROOT_HASH);
}
