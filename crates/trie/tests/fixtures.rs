//! Ethereum's own vectors: tries, and the witnesses of blocks.

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use rialto_state::{AccessRecord, Account, AccountDiff, Diff, ReadError, SlotDiff, StateReader};
use rialto_trie::{EmptySource, StateTrie, Trie, TrieError, WitnessState, witness::produce};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    path::PathBuf,
};

/// The JSON files of an archive by their path, `None` (and a line that says so) where the archive is absent.
fn archive(name: &str, test: &str) -> Option<Vec<(String, Value)>> {
    let folder = std::env::var_os("RIALTO_FIXTURES")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"));
    let Ok(file) = std::fs::File::open(folder.join(name)) else {
        // Not `eprintln`, whose output a passing test keeps to itself.
        let mut stderr = std::io::stderr();
        writeln!(stderr, "left out: {test} (no fixtures)").unwrap();
        return None;
    };
    let mut files = Vec::new();
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).unwrap());
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().into_owned();
        if path.ends_with(".json") && (!name.starts_with("ethereum-tests") || path.contains("TrieTests")) {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            files.push((path, serde_json::from_str(&text).unwrap()));
        }
    }
    Some(files)
}

/// Text, or bytes where it starts with 0x, or nothing.
fn bytes(value: &Value) -> Vec<u8> {
    match value.as_str() {
        Some(text) if text.starts_with("0x") => hex::decode(text).unwrap(),
        Some(text) => text.as_bytes().to_vec(),
        None => Vec::new(),
    }
}

/// All orders of up to four entries, and some of more.
fn orders<T: Clone>(entries: &[T]) -> Vec<Vec<T>> {
    if entries.len() < 2 {
        return vec![entries.to_vec()];
    }
    let mut all = Vec::new();
    for index in 0..entries.len() {
        let mut rest = entries.to_vec();
        let first = rest.remove(index);
        let tails = if entries.len() <= 4 { orders(&rest) } else { vec![rest] };
        all.extend(tails.into_iter().map(|tail| [vec![first.clone()], tail].concat()));
    }
    all
}

#[test]
fn trie_tests() {
    let Some(files) = archive("ethereum-tests-basic.tar.zst", "TrieTests") else { return };
    let mut cases = 0;
    for (path, file) in &files {
        let secure = path.to_lowercase().contains("secure");
        for (name, case) in file.as_object().unwrap() {
            cases += 1;
            if path.ends_with("trietestnextprev.json") {
                neighbours(name, case);
                continue;
            }
            let any_order = case["in"].is_object();
            let entries: Vec<(Vec<u8>, Vec<u8>)> = match &case["in"] {
                Value::Array(list) => list.iter().map(|entry| (bytes(&entry[0]), bytes(&entry[1]))).collect(),
                Value::Object(map) => {
                    map.iter().map(|(key, value)| (bytes(&key.as_str().into()), bytes(value))).collect()
                }
                other => panic!("{path} {name}: in is {other}"),
            };
            for order in if any_order { orders(&entries) } else { vec![entries] } {
                let mut trie = Trie::new();
                for (key, value) in &order {
                    let key = if secure { keccak256(key).to_vec() } else { key.clone() };
                    trie.insert(&key, value, &EmptySource).unwrap();
                }
                assert_eq!(trie.root(), case["root"].as_str().unwrap().parse::<B256>().unwrap(), "{path} {name}");
            }
        }
    }
    assert!(cases > 0, "the archive has cases of TrieTests");
}

/// The key before and the key after each query.
fn neighbours(name: &str, case: &Value) {
    let mut trie = Trie::new();
    for key in case["in"].as_array().unwrap() {
        trie.insert(&bytes(key), b"value", &EmptySource).unwrap();
    }
    let keys: Vec<_> = trie.iter().map(|entry| entry.unwrap().0).collect();
    for row in case["tests"].as_array().unwrap() {
        let query = bytes(&row[0]);
        let before = keys.iter().rev().find(|key| **key < query).cloned().unwrap_or_default();
        let after = keys.iter().find(|key| **key > query).cloned().unwrap_or_default();
        assert_eq!((before, after), (bytes(&row[1]), bytes(&row[2])), "{name} {row}");
    }
}

fn word(value: &Value) -> U256 {
    value.as_str().unwrap().parse().unwrap()
}

fn number(value: &Value) -> u64 {
    word(value).to()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A state as the vectors give it.
type Model = BTreeMap<Address, (Account, BTreeMap<U256, U256>)>;

fn pre_state(pre: &Value) -> Model {
    let account = |(address, account): (&String, &Value)| {
        let code_hash = keccak256(bytes(&account["code"]));
        let info = Account { nonce: number(&account["nonce"]), balance: word(&account["balance"]), code_hash };
        let slots = account["storage"].as_object().unwrap().iter();
        (address.parse().unwrap(), (info, slots.map(|(slot, value)| (slot.parse().unwrap(), word(value))).collect()))
    };
    pre.as_object().unwrap().iter().map(account).collect()
}

/// What a block read and changed, from its block access list (EIP-7928), which names all of it.
fn effects(model: &Model, access_list: &Value) -> (AccessRecord, Diff) {
    let mut accesses = AccessRecord::default();
    let mut diff = Diff::default();
    for entry in list(access_list) {
        let address: Address = entry["address"].as_str().unwrap().parse().unwrap();
        let slots = accesses.accounts.entry(address).or_default();
        slots.extend(list(&entry["storageReads"]).map(word));
        let (before, storage_before) = match model.get(&address) {
            Some((account, storage)) => (Some(*account), storage.clone()),
            None => (None, BTreeMap::new()),
        };
        let mut after = before.unwrap_or_default();
        if let Some(change) = list(&entry["balanceChanges"]).last() {
            after.balance = word(&change["postBalance"]);
        }
        if let Some(change) = list(&entry["nonceChanges"]).last() {
            after.nonce = number(&change["postNonce"]);
        }
        if let Some(change) = list(&entry["codeChanges"]).last() {
            after.code_hash = keccak256(bytes(&change["newCode"]));
        }
        let mut storage = Vec::new();
        for change in list(&entry["storageChanges"]) {
            let slot = word(&change["slot"]);
            slots.insert(slot);
            let before = storage_before.get(&slot).copied().unwrap_or_default();
            let after = word(&list(&change["slotChanges"]).last().unwrap()["postValue"]);
            storage.push(SlotDiff { slot, before, after });
        }
        let after = (!after.is_empty()).then_some(after);
        if before != after || !storage.is_empty() {
            diff.accounts.push(AccountDiff { address, before, after, storage_wiped: false, storage });
        }
    }
    (accesses, diff)
}

fn apply(model: &mut Model, diff: &Diff) {
    for change in &diff.accounts {
        let Some(after) = change.after else {
            model.remove(&change.address);
            continue;
        };
        let entry = model.entry(change.address).or_default();
        entry.0 = after;
        entry.1.extend(change.storage.iter().map(|slot| (slot.slot, slot.after)));
    }
}

/// Reads everything that the block read, as an execution would.
fn read_all(witness: &WitnessState, accesses: &AccessRecord) -> Result<(), ReadError> {
    for (address, slots) in &accesses.accounts {
        witness.account(address)?;
        for slot in slots {
            witness.storage(address, slot)?;
        }
    }
    Ok(())
}

#[test]
fn witnesses() {
    let Some(files) = archive("eest-witness.tar.zst", "witnesses of eest-witness") else { return };
    let (mut equal, mut tampered) = (0, BTreeSet::new());
    for (path, file) in &files {
        let tampering = path.contains("/witness_validation_state/");
        for (name, case) in file.as_object().unwrap() {
            let mut model = pre_state(&case["pre"]);
            let accounts = model.iter().map(|(address, (account, slots))| (*address, *account, slots.clone()));
            let mut state = StateTrie::from_accounts(accounts).unwrap();
            for block in case["blocks"].as_array().unwrap() {
                let root = state.root();
                let (accesses, diff) = effects(&model, &block["blockAccessList"]);
                let given: Vec<Bytes> =
                    list(&block["executionWitness"]["state"]).map(|node| bytes(node).into()).collect();
                let made = produce(root, &state, &accesses, &diff).unwrap();
                let expected: B256 = block["blockHeader"]["stateRoot"].as_str().unwrap().parse().unwrap();
                if tampering && made != given {
                    let missing = made.iter().any(|node| !given.contains(node));
                    tampered.insert((path.rsplit('/').next().unwrap(), missing));
                    check_tampered(name, root, given, &accesses, &diff, (!missing).then_some(expected));
                } else {
                    assert_eq!(made, given, "{name}");
                    equal += 1;
                }
                let witness = WitnessState::new(root, made, [], []);
                assert_eq!(read_all(&witness, &accesses), Ok(()), "{name}");
                assert_eq!(witness.apply(&diff), Ok(expected), "{name}");
                assert_eq!(state.apply(&diff), Ok(expected), "{name}");
                apply(&mut model, &diff);
            }
        }
    }
    assert!(equal > 0, "the archive has witnesses");
    println!("{equal} witnesses equal, tampered ones rejected or tolerated: {tampered:?}");
}

/// A witness with superfluous nodes gives the same root; one that lacks a node gives an error that names a node.
fn check_tampered(
    name: &str,
    root: B256,
    given: Vec<Bytes>,
    accesses: &AccessRecord,
    diff: &Diff,
    expected: Option<B256>,
) {
    let witness = WitnessState::new(root, given, [], []);
    match (read_all(&witness, accesses), witness.apply(diff), expected) {
        (Ok(()), Ok(found), Some(expected)) => assert_eq!(found, expected, "{name}"),
        (Err(ReadError::MissingNode { .. }), _, None) => {}
        (Ok(()), Err(TrieError::MissingNode { .. } | TrieError::InStorage { .. }), None) => {}
        other => panic!("{name}: {other:?}"),
    }
}
