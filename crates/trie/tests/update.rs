//! A diff of any size, applied in jobs that are run in any order, some of them not at all, gives what a trie has that is built
//! from nothing with alloy-trie's hash builder.

use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, TrieAccount};
use proptest::collection::vec;
use proptest::prelude::*;
use rialto_state::{Account, AccountDiff, Diff, SlotDiff};
use rialto_trie::{EmptySource, Job, Nibbles, StateTrie};
use std::collections::BTreeMap;

/// Words by slot, of accounts by number.
type Model = BTreeMap<u16, BTreeMap<u16, u64>>;

fn address(number: u16) -> Address {
    Address::from_word(keccak256(number.to_be_bytes()))
}

/// The root over leaves with ascending keys.
fn built(leaves: BTreeMap<B256, Vec<u8>>) -> B256 {
    let mut builder = HashBuilder::default();
    leaves.iter().for_each(|(key, value)| builder.add_leaf(Nibbles::unpack(key), value));
    if leaves.is_empty() { EMPTY_ROOT_HASH } else { builder.root() }
}

fn model_root(model: &Model) -> B256 {
    let mut accounts = BTreeMap::new();
    for (number, slots) in model {
        let words = slots.iter().filter(|(_, word)| **word != 0);
        let leaf = |(slot, word): (&u16, &u64)| {
            let mut value = Vec::new();
            word.encode(&mut value);
            (keccak256(B256::from(U256::from(*slot))), value)
        };
        let account = TrieAccount {
            nonce: 1,
            balance: U256::from(*number),
            storage_root: built(words.map(leaf).collect()),
            code_hash: KECCAK256_EMPTY,
        };
        let mut value = Vec::new();
        account.encode(&mut value);
        accounts.insert(keccak256(address(*number)), value);
    }
    built(accounts)
}

/// Sets words of accounts; an account without any ceases to exist.
fn diff_of(model: &mut Model, changes: BTreeMap<u16, Vec<(u16, u64)>>) -> Diff {
    let mut accounts = Vec::new();
    for (number, words) in changes {
        let account = Account { nonce: 1, balance: U256::from(number), code_hash: KECCAK256_EMPTY };
        let before = model.contains_key(&number).then_some(account);
        let mut change =
            AccountDiff { address: address(number), before, after: None, storage_wiped: false, storage: Vec::new() };
        if words.is_empty() {
            model.remove(&number);
        } else {
            change.after = Some(account);
            let slots = model.entry(number).or_default();
            for (slot, word) in BTreeMap::from_iter(words) {
                let before = slots.insert(slot, word).unwrap_or_default();
                let (slot, before, after) = (U256::from(slot), U256::from(before), U256::from(word));
                change.storage.push(SlotDiff { slot, before, after });
            }
        }
        accounts.push(change);
    }
    accounts.sort_by_key(|change| change.address);
    Diff { accounts, codes: Vec::new() }
}

fn changes() -> impl Strategy<Value = BTreeMap<u16, Vec<(u16, u64)>>> {
    let few = vec((0..400_u16, vec((0..20_u16, 0..3_u64), 0..6)), 0..150);
    let many = (0..400_u16, 0..3_000_u16, 500..1_500_u16, 0..3_u64);
    (few, proptest::option::of(many)).prop_map(|(few, many)| {
        let mut changes = BTreeMap::from_iter(few);
        if let Some((number, first, count, word)) = many {
            changes.insert(number, (first..first + count).map(|slot| (slot, word)).collect());
        }
        changes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn jobs_in_any_order_give_the_root(blocks in vec((changes(), any::<u64>()), 1..5)) {
        let mut model = Model::new();
        let (mut in_order, mut in_any) = (StateTrie::new(), StateTrie::new());
        for (changes, mut seed) in blocks {
            let diff = diff_of(&mut model, changes);
            let root = model_root(&model);
            prop_assert_eq!(in_order.apply(&diff), Ok(root));
            let mut shuffled = |jobs: &mut [Job<'_>]| {
                let mut jobs: Vec<_> = jobs.iter_mut().collect();
                while !jobs.is_empty() {
                    seed = seed.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                    let job = jobs.swap_remove((seed >> 33) as usize % jobs.len());
                    if seed >> 63 == 0 {
                        job.run(&EmptySource);
                    }
                }
            };
            prop_assert_eq!(in_any.apply_with(&diff, &EmptySource, &mut shuffled), Ok(root));
            prop_assert_eq!(in_any.commit(), in_order.commit());
        }
    }
}
