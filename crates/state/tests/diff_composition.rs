//! Two diffs in a row and their composition do the same to any state.

use alloy_primitives::{Address, B256, Bytes, U256};
use proptest::prelude::*;
use rialto_state::{Account, AccountDiff, Diff, MemoryState, SlotDiff, StateReader};
use std::collections::BTreeMap;

/// Balance and slots of the accounts that exist. Small domains, so that things meet.
type World = BTreeMap<u8, (u8, BTreeMap<u8, u8>)>;

fn worlds() -> impl Strategy<Value = World> {
    let storage = prop::collection::btree_map(0..4u8, 1..3u8, 0..4);
    prop::collection::btree_map(0..4u8, (0..3u8, storage), 0..4)
}

fn record(balance: u8) -> Account {
    Account { balance: U256::from(balance), ..Account::EMPTY }
}

fn memory(world: &World) -> MemoryState {
    let mut memory = MemoryState::default();
    for (address, (balance, storage)) in world {
        let slots = storage.iter().map(|(slot, word)| (U256::from(*slot), U256::from(*word)));
        memory.insert_account(Address::with_last_byte(*address), 0, U256::from(*balance), Bytes::new(), slots);
    }
    memory
}

/// What leads from one world to the other. Accounts in `wiped` are destroyed and made anew on the way.
fn diff(before: &World, after: &World, wiped: u8) -> Diff {
    let none = BTreeMap::new();
    let mut accounts = Vec::new();
    for address in 0..4u8 {
        let (old, new) = (before.get(&address), after.get(&address));
        let storage_wiped = old.is_some() && (new.is_none() || wiped & (1 << address) != 0);
        let old_slots = old.filter(|_| !storage_wiped).map_or(&none, |(_, slots)| slots);
        let new_slots = new.map_or(&none, |(_, slots)| slots);
        let word = |slots: &BTreeMap<u8, u8>, slot: u8| U256::from(slots.get(&slot).copied().unwrap_or(0));
        let storage: Vec<_> = (0..4u8)
            .map(|slot| SlotDiff {
                slot: U256::from(slot),
                before: word(old_slots, slot),
                after: word(new_slots, slot),
            })
            .filter(|slot| slot.before != slot.after)
            .collect();
        let (before, after) = (old.map(|(balance, _)| record(*balance)), new.map(|(balance, _)| record(*balance)));
        if before != after || !storage.is_empty() || storage_wiped {
            let address = Address::with_last_byte(address);
            accounts.push(AccountDiff { address, before, after, storage_wiped, storage });
        }
    }
    Diff { accounts, codes: Vec::new() }
}

/// Everything that can be read of the accounts.
fn contents(memory: &MemoryState) -> Vec<(Option<Account>, Vec<U256>)> {
    (0..4u8)
        .map(|address| {
            let address = Address::with_last_byte(address);
            let word = |slot: u8| memory.storage(&address, &U256::from(slot)).expect("in memory");
            (memory.account(&address).expect("in memory"), (0..4).map(word).collect())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn composition_does_the_same(a in worlds(), b in worlds(), c in worlds(), wiped in any::<[u8; 2]>()) {
        let (first, second) = (diff(&a, &b, wiped[0]), diff(&b, &c, wiped[1]));
        let both = first.then(&second);
        let mut composed = memory(&a);
        composed.apply(&both);
        prop_assert_eq!(contents(&composed), contents(&memory(&c)));
        prop_assert!(both.accounts.is_sorted_by(|x, y| x.address < y.address));
        let before = memory(&a);
        for account in &both.accounts {
            prop_assert!(account.storage.is_sorted_by(|x, y| x.slot < y.slot));
            prop_assert_eq!(account.before, before.account(&account.address).expect("in memory"));
            for slot in &account.storage {
                let expected = match account.storage_wiped {
                    true => U256::ZERO,
                    false => before.storage(&account.address, &slot.slot).expect("in memory"),
                };
                prop_assert_eq!(slot.before, expected);
                prop_assert_ne!(slot.before, slot.after);
            }
        }
    }

    #[test]
    fn composition_is_associative(a in worlds(), b in worlds(), c in worlds(), d in worlds(), wiped in any::<[u8; 3]>()) {
        let (x, y, z) = (diff(&a, &b, wiped[0]), diff(&b, &c, wiped[1]), diff(&c, &d, wiped[2]));
        let (left, right) = (x.then(&y).then(&z), x.then(&y.then(&z)));
        let (mut one, mut other) = (memory(&a), memory(&a));
        one.apply(&left);
        other.apply(&right);
        prop_assert_eq!(contents(&one), contents(&other));
        prop_assert_eq!(x.then(&Diff::default()), x);
    }
}

#[test]
fn codes_are_united() {
    let code = |byte: u8| rialto_state::Code::new(Bytes::from(vec![byte]));
    let with = |bytes: &[u8]| {
        let mut codes: Vec<_> = bytes.iter().map(|byte| code(*byte)).collect();
        codes.sort_by_key(rialto_state::Code::hash);
        Diff { accounts: Vec::new(), codes }
    };
    let both = with(&[1, 2]).then(&with(&[2, 3]));
    assert_eq!(both.codes.len(), 3);
    let hashes: Vec<B256> = both.codes.iter().map(rialto_state::Code::hash).collect();
    assert!(hashes.is_sorted());
}
