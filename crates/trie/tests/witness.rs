//! Witnesses: what is in them is enough and all of it is needed; what is not in them is an error that says what is missing.

use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, bytes, keccak256};
use proptest::{collection::vec, prelude::*};
use rialto_state::{AccessRecord, Account, AccountDiff, Diff, ReadError, SlotDiff, StateReader};
use rialto_trie::{
    EmptySource, Nibbles, NodeBag, NodeError, StateTrie, Trie, TrieError, WitnessState, proof::AccountProof,
    witness::produce,
};

fn address(seed: u8) -> Address {
    Address::repeat_byte(seed)
}

fn account(nonce: u64) -> Account {
    Account { nonce, ..Account::EMPTY }
}

/// Twelve accounts; the first four have storage.
fn state() -> StateTrie {
    let storage = |seed: u8| {
        (0..if seed < 4 { u64::from(seed) * 5 } else { 0 }).map(|slot| (U256::from(slot), U256::from(slot + 1)))
    };
    let accounts = (0..12).map(|seed| (address(seed), account(1), storage(seed)));
    StateTrie::from_accounts(accounts).unwrap()
}

fn read_all(reader: &dyn StateReader, accesses: &AccessRecord) -> Result<Vec<U256>, ReadError> {
    let mut words = Vec::new();
    for (address, slots) in &accesses.accounts {
        words.push(U256::from(reader.account(address)?.map_or(0, |account| account.nonce)));
        for slot in slots {
            words.push(reader.storage(address, slot)?);
        }
    }
    Ok(words)
}

proptest! {
    #[test]
    fn a_witness_is_enough_and_all_of_it_is_needed(
        reads in vec((0_u8..16, 0_u64..20), 0..8),
        writes in proptest::collection::btree_map(0_u8..16, (0_u8..4, proptest::collection::btree_map(0_u64..20, 0_u64..3, 0..6)), 0..5),
    ) {
        let mut full = state();
        let root = full.root();
        let mut accesses = AccessRecord::default();
        for (seed, slot) in reads {
            accesses.accounts.entry(address(seed)).or_default().insert(U256::from(slot));
        }
        let mut diff = Diff::default();
        for (seed, (kind, slots)) in writes {
            let before = full.account(&address(seed), &EmptySource).unwrap().map(|_| account(1));
            let slots = slots.into_iter().map(|(slot, word)| SlotDiff { slot: U256::from(slot), before: U256::ZERO, after: U256::from(word) });
            let (after, storage) = if kind == 0 { (None, Vec::new()) } else { (Some(account(2)), slots.collect()) };
            accesses.accounts.entry(address(seed)).or_default().extend(storage.iter().map(|slot: &SlotDiff| slot.slot));
            diff.accounts.push(AccountDiff { address: address(seed), before, after, storage_wiped: kind < 2, storage });
        }
        let nodes = produce(root, &full, &accesses, &diff).unwrap();
        prop_assert!(nodes.is_sorted_by(|a, b| a < b), "ascending, each once");
        let witness = WitnessState::new(root, nodes.clone(), [], []);
        let words = read_all(&witness, &accesses).unwrap();
        prop_assert_eq!(read_all(&WitnessState::new(root, nodes.iter().rev().cloned(), [], []), &accesses).unwrap(), words);
        prop_assert_eq!(witness.apply(&diff), full.clone().apply(&diff));
        for left_out in 0..nodes.len() {
            let mut fewer = nodes.clone();
            fewer.remove(left_out);
            let witness = WitnessState::new(root, fewer, [], []);
            prop_assert!(read_all(&witness, &accesses).is_err() || witness.apply(&diff).is_err(), "node {left_out} is needed");
        }
    }

    #[test]
    fn account_proofs_verify(seeds in vec((0_u8..16, vec(0_u64..20, 0..4)), 1..5)) {
        let mut full = state();
        let root = full.root();
        for (seed, slots) in seeds {
            let slots: Vec<_> = slots.into_iter().map(U256::from).collect();
            let proof = full.prove(&address(seed), &slots, &EmptySource).unwrap();
            prop_assert_eq!(proof.verify(root), Ok(()));
            let partial = StateTrie::from_root(root).prove(&address(seed), &slots, &full).unwrap();
            prop_assert_eq!(&partial, &proof, "the same from a source as from memory");
            for slot in &proof.storage {
                let known = full.storage(&address(seed), &slot.slot, &EmptySource).unwrap();
                prop_assert_eq!(slot.word, known);
            }
            if let Some(mut wrong) = proof.account {
                wrong.nonce += 1;
                let wrong = AccountProof { account: Some(wrong), ..proof.clone() };
                prop_assert!(wrong.verify(root).is_err());
            }
            prop_assert!(proof.verify(keccak256("other root")).is_err());
        }
    }
}

#[test]
fn a_reader_names_what_is_missing() {
    let mut full = state();
    let root = full.root();
    let empty = WitnessState::new(root, [], [], []);
    let missing = |slot| ReadError::MissingNode { address: address(3), slot, node_hash: root };
    assert_eq!(empty.account(&address(3)), Err(missing(None)));
    assert_eq!(empty.has_storage(&address(3)), Err(missing(None)));
    assert_eq!(empty.storage(&address(3), &U256::from(7)), Err(missing(Some(U256::from(7)))));
    assert_eq!(empty.code(&root).unwrap_err(), ReadError::MissingCode { code_hash: root });
    assert_eq!(empty.block_hash(5), Err(ReadError::MissingBlockHash { number: 5 }));

    let accesses = AccessRecord { accounts: [(address(3), Default::default())].into(), ..AccessRecord::default() };
    let nodes = produce(root, &full, &accesses, &Diff::default()).unwrap();
    let witness = WitnessState::new(root, nodes, [bytes!("6001")], [(5, root)]);
    assert_eq!(witness.account(&address(3)), Ok(Some(account(1))));
    assert_eq!(witness.has_storage(&address(3)), Ok(true));
    let storage_root = full.account(&address(3), &EmptySource).unwrap().unwrap().storage_root;
    assert_eq!(
        witness.storage(&address(3), &U256::from(7)),
        Err(ReadError::MissingNode { address: address(3), slot: Some(U256::from(7)), node_hash: storage_root })
    );
    assert_eq!(witness.code(&keccak256([0x60, 0x01])).map(|code| code.bytes().clone()), Ok(bytes!("6001")));
    assert!(witness.code(&KECCAK256_EMPTY).unwrap().is_empty());
    assert_eq!(witness.block_hash(5), Ok(root));
}

#[test]
fn a_removal_names_the_missing_sibling_and_changes_nothing() {
    let mut trie = Trie::new();
    // Two leaves below one branch, each too long to be embedded.
    for key in [[0x1a; 32], [0x1b; 32]] {
        trie.insert(&key, &[7; 40], &EmptySource).unwrap();
    }
    let root = trie.root();
    let bag = NodeBag::new(trie.prove(&[0x1a; 32], &EmptySource).unwrap());
    let sibling = trie.prove(&[0x1b; 32], &EmptySource).unwrap().pop().unwrap();
    let mut partial = Trie::from_root(root);
    let expected = TrieError::MissingNode { path: Nibbles::from_nibbles([1, 0xb]), hash: keccak256(&sibling) };
    assert_eq!(partial.remove(&[0x1a; 32], &bag), Err(expected.clone()));
    assert_eq!(
        expected.to_string(),
        format!("trie node {} at path 1b: expected among the nodes, found nothing", keccak256(&sibling))
    );
    assert_eq!(partial.root(), root);
    // An insertion before the removal makes the sibling superfluous.
    partial.insert(&[0x1c; 32], &[7; 40], &bag).unwrap();
    assert_eq!(partial.remove(&[0x1a; 32], &bag), Ok(true));
    trie.insert(&[0x1c; 32], &[7; 40], &EmptySource).unwrap();
    trie.remove(&[0x1a; 32], &EmptySource).unwrap();
    assert_eq!(partial.root(), trie.root());
}

#[test]
fn a_malformed_node_is_a_typed_error() {
    let branch = |children: &[u8], value: &[u8]| {
        let mut payload = children.to_vec();
        payload.resize(16 - children.len() / 4 + children.len(), 0x80);
        payload.extend_from_slice(value);
        [&[0xc0 + payload.len() as u8][..], &payload].concat()
    };
    let nested = |node: &[u8]| branch(&[], node);
    let cases: &[(&str, Vec<u8>, NodeError)] = &[
        ("empty", vec![], NodeError::Rlp),
        ("a string", vec![0x83, 1, 2, 3], NodeError::Rlp),
        ("truncated", vec![0xc3, 0x20, 0x01], NodeError::Rlp),
        ("bytes after the node", vec![0xc2, 0x20, 0x01, 0x00], NodeError::Rlp),
        ("empty list", vec![0xc0], NodeError::Rlp),
        ("one item", vec![0xc1, 0x20], NodeError::Rlp),
        ("three items", vec![0xc3, 0x80, 0x80, 0x80], NodeError::ItemCount { found: 3 }),
        ("sixteen items", [&[0xd0][..], &[0x80; 16]].concat(), NodeError::ItemCount { found: 16 }),
        ("eighteen items", [&[0xd2][..], &[0x80; 18]].concat(), NodeError::ItemCount { found: 18 }),
        ("path without flag", vec![0xc2, 0x80, 0x01], NodeError::HexPrefix),
        ("unknown flag", vec![0xc2, 0x40, 0x01], NodeError::HexPrefix),
        ("padding not zero", vec![0xc2, 0x21, 0x01], NodeError::HexPrefix),
        ("path is a list", vec![0xc2, 0xc0, 0x01], NodeError::HexPrefix),
        ("leaf without value", vec![0xc2, 0x20, 0x80], NodeError::Value),
        ("value is a list", vec![0xc2, 0x20, 0xc0], NodeError::Value),
        ("key ends inside a byte", vec![0xc2, 0x31, 0x01], NodeError::KeyLength { nibbles: 1 }),
        ("key too long", [&[0xe4, 0xa2, 0x20][..], &[0; 33], &[1]].concat(), NodeError::KeyLength { nibbles: 66 }),
        ("extension without path", [&[0xe2, 0x00, 0xa0][..], &[1; 32]].concat(), NodeError::Extension),
        ("extension to nothing", vec![0xc2, 0x11, 0x80], NodeError::Extension),
        ("extension to a leaf", vec![0xc4, 0x11, 0xc2, 0x31, 0x05], NodeError::Extension),
        ("child of 3 bytes", branch(&[0x83, 1, 2, 3], &[0x80]), NodeError::Child),
        ("no entry", branch(&[], &[0x80]), NodeError::Branch { found: 0 }),
        ("one entry", nested(&[0x01]), NodeError::Branch { found: 1 }),
    ];
    for (name, rlp, reason) in cases {
        let bag = NodeBag::new([Bytes::from(rlp.clone())]);
        let hash = keccak256(rlp);
        let mut trie = Trie::from_root(hash);
        let expected = TrieError::MalformedNode { path: Nibbles::new(), hash, reason: *reason };
        // The extension to a leaf is seen only below the extension, whose path is then part of the error.
        let same = |found: TrieError| match found {
            TrieError::MalformedNode { hash, reason, .. } => {
                TrieError::MalformedNode { path: Nibbles::new(), hash, reason }
            }
            other => other,
        };
        assert_eq!(trie.insert(&[0x11; 32], b"value", &bag).map_err(same), Err(expected.clone()), "insert: {name}");
        assert_eq!(trie.remove(&[0x11; 32], &bag).map_err(same), Err(expected.clone()), "remove: {name}");
        assert_eq!(trie.get(&[0x11; 32], &bag).map_err(same), Err(expected), "get: {name}");
        assert_eq!(trie.root(), hash, "{name}");
        assert_eq!(trie.loaded_nodes(), 0, "{name}");
    }
}

#[test]
fn nodes_that_repeat_sixteenfold_cost_one_path() {
    // Every node names the one below sixteen times, which spans 16^60 leaves.
    let mut nodes = vec![Bytes::from([&[0xc8, 0x82, 0x20, 0x07, 0x84][..], b"leaf"].concat())];
    for _ in 0..60 {
        let below = nodes.last().unwrap();
        let item = if below.len() < 32 { below.to_vec() } else { [&[0xa0][..], keccak256(below).as_slice()].concat() };
        let payload = [item.repeat(16), vec![0x80]].concat();
        let header = [0xf9, (payload.len() >> 8) as u8, payload.len() as u8];
        let short = [0xf8, payload.len() as u8];
        nodes.push([if payload.len() < 256 { &short[..] } else { &header[..] }, &payload].concat().into());
    }
    let root: B256 = keccak256(nodes.last().unwrap());
    let bag = NodeBag::new(nodes);
    let mut trie = Trie::from_root(root);
    assert_eq!(trie.get(&[0x11; 32], &bag), Ok(None));
    let key = [vec![0x11; 30], vec![0x07]].concat();
    assert_eq!(trie.get(&key, &bag), Ok(Some(Bytes::from_static(b"leaf"))));
    assert_eq!(trie.insert(&[0x11; 32], b"value", &bag), Ok(()));
    assert!(trie.loaded_nodes() < 100, "{} nodes", trie.loaded_nodes());
}
