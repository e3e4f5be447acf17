//! Blocks by their access lists: the outcome is that of one thread, and a wrong list is refused, or is a hint that did not help.

mod support;

use alloy_primitives::{Address, Bytes, U256};
use proptest::prelude::*;
use rialto_parallel::{Counts, Strategy, execute, execute_counted};
use rialto_stf::{
    AccountChanges, BalanceChange, BlockAccessList, BlockAccessListDifference, BlockAccessListError, BlockError,
    ChainSpec, ChangeList, CodeChange, NonceChange, SlotChanges, StorageChange, access_list_of, verify_outcome,
};
use std::num::NonZeroUsize;
use support::{BENEFICIARY, COUNTER, Plan, READER, THREADS, assert_equal, block, example_chain, plans, sender, state};

fn strategy(count: usize, list: &BlockAccessList) -> Strategy<'_> {
    let threads = NonZeroUsize::new(count).expect("a row of the table");
    Strategy { access_list: Some(list), min_transactions: 1, min_gas: 0, ..Strategy::with_threads(threads) }
}

#[test]
fn the_example_chain() {
    let (genesis, mut state, blocks) = example_chain();
    for (number, block) in (1..).zip(&blocks) {
        let expected = rialto_stf::execute(&genesis.chain, block, None, &state, None).expect("a valid block");
        let list = access_list_of(&genesis.chain, block, None, &state).expect("a valid block");
        for count in THREADS {
            let name = format!("block {number}, {count} threads");
            let (outcome, counts) = execute_counted(&genesis.chain, block, None, &state, None, &strategy(count, &list))
                .expect("a valid block");
            verify_outcome(&block.header, &outcome).expect("what the header says");
            assert_equal(&name, &outcome, &expected);
            if count > 1 {
                assert_eq!(counts.by_list, block.transactions.len(), "{name}");
            }
        }
        state.apply(&expected.diff);
        state.insert_block_hash(number, block.hash());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn random_blocks(plans in plans(), fork in prop::sample::select(vec!["Shanghai", "Cancun", "Prague", "Amsterdam"])) {
        let chain = ChainSpec::from_network(fork, 1).expect("a network");
        let (state, block) = (state(), block(&chain, &plans));
        let expected = rialto_stf::execute(&chain, &block, None, &state, None).expect("a valid block");
        let list = access_list_of(&chain, &block, None, &state).expect("a valid block");
        if let Some(of_block) = &expected.block_access_list {
            prop_assert_eq!(of_block, &list);
        }
        for count in THREADS {
            let (outcome, counts) =
                execute_counted(&chain, &block, None, &state, None, &strategy(count, &list)).expect("a valid block");
            assert_equal(&format!("{fork}, {count} threads"), &outcome, &expected);
            if count > 1 {
                let expected = Counts { by_list: plans.len(), ..Counts::default() };
                prop_assert_eq!(counts, expected, "{}, {} threads: the list is right", fork, count);
            }
        }
    }

    /// Whatever is wrong with a hint, the outcome is right.
    #[test]
    fn random_hints(plans in plans(), others in plans(), seed: prop::sample::Index) {
        let chain = ChainSpec::from_network("Shanghai", 1).expect("a network");
        let state = state();
        let (block, other) = (block(&chain, &plans), block(&chain, &others));
        let expected = rialto_stf::execute(&chain, &block, None, &state, None).expect("a valid block");
        let mut list = access_list_of(&chain, &other, None, &state).expect("a valid block");
        let right = access_list_of(&chain, &block, None, &state).expect("a valid block");
        // One account as another block leaves it, the rest as it is.
        let account = seed.index(list.0.len());
        let account = list.0.swap_remove(account);
        list = right;
        match list.0.binary_search_by_key(&account.address, |account| account.address) {
            Ok(position) => list.0[position] = account,
            Err(position) => list.0.insert(position, account),
        }
        for count in [2, 4] {
            let outcome = execute(&chain, &block, None, &state, None, &strategy(count, &list)).expect("a valid block");
            assert_equal(&format!("{count} threads"), &outcome, &expected);
        }
    }
}

const PLANS: [Plan; 4] = [(0, 7, 0, 0), (1, 6, 0, 0), (2, 8, 2, 0), (3, 16, 0, 0)];

type Spoil = fn(&mut Vec<AccountChanges>);

/// What is wrong, and how; then what is said of it.
fn wrong_lists() -> Vec<(&'static str, Spoil, BlockAccessListDifference)> {
    use BlockAccessListDifference::{Account, Change, Read};
    let (address, word) = (sender(0), U256::from::<u64>);
    let unknown = Address::repeat_byte(0xff);
    vec![
        (
            "a missing account",
            |list| list.retain(|account| account.address != COUNTER),
            Account { address: COUNTER, is_listed: false },
        ),
        (
            "an extra account",
            |list| list.push(AccountChanges { address: Address::repeat_byte(0xff), ..AccountChanges::default() }),
            Account { address: unknown, is_listed: true },
        ),
        (
            "an extra account that changes",
            |list| {
                let balance_changes = vec![BalanceChange { index: 1, balance: U256::from(1) }];
                let address = Address::repeat_byte(0xff);
                list.push(AccountChanges { address, balance_changes, ..AccountChanges::default() });
            },
            Account { address: unknown, is_listed: true },
        ),
        (
            "a balance",
            |list| account(list, COUNTER).balance_changes[0].balance = U256::from(1),
            Change {
                address: COUNTER,
                list: ChangeList::Balance,
                index: 3,
                expected: Some(word(7)),
                found: Some(word(1)),
            },
        ),
        (
            "a missing balance",
            |list| account(list, BENEFICIARY).balance_changes.retain(|change| change.index != 5),
            Change {
                address: BENEFICIARY,
                list: ChangeList::Balance,
                index: 5,
                expected: Some(word(3_000_000_000)),
                found: None,
            },
        ),
        (
            "a nonce",
            |list| account(list, sender(0)).nonce_changes[0].nonce = 7,
            Change { address, list: ChangeList::Nonce, index: 1, expected: Some(word(1)), found: Some(word(7)) },
        ),
        (
            "an extra nonce",
            |list| account(list, COUNTER).nonce_changes.push(NonceChange { index: 2, nonce: 7 }),
            Change { address: COUNTER, list: ChangeList::Nonce, index: 2, expected: None, found: Some(word(7)) },
        ),
        (
            "a code",
            |list| account(list, COUNTER).code_changes.push(CodeChange { index: 3, code: [0xfe].into() }),
            Change {
                address: COUNTER,
                list: ChangeList::Code,
                index: 3,
                expected: None,
                found: Some(U256::from_be_bytes(alloy_primitives::keccak256([0xfe]).0)),
            },
        ),
        (
            "a word",
            |list| account(list, COUNTER).storage_changes[0].changes[1].value = U256::from(70),
            Change {
                address: COUNTER,
                list: ChangeList::Slot(word(0)),
                index: 3,
                expected: Some(word(9)),
                found: Some(word(70)),
            },
        ),
        (
            "a word that is said to change later",
            |list| account(list, COUNTER).storage_changes[0].changes[0].index = 2,
            Change {
                address: COUNTER,
                list: ChangeList::Slot(word(0)),
                index: 1,
                expected: Some(word(8)),
                found: None,
            },
        ),
        (
            "an extra slot",
            |list| {
                let changes = vec![StorageChange { index: 4, value: U256::from(1) }];
                account(list, READER).storage_changes.push(SlotChanges { slot: U256::from(8), changes });
            },
            Change { address: READER, list: ChangeList::Slot(word(8)), index: 4, expected: None, found: Some(word(1)) },
        ),
        (
            "a missing read",
            |list| account(list, READER).storage_reads.clear(),
            Read { address: READER, slot: word(3), is_listed: false },
        ),
        (
            "an extra read",
            |list| account(list, READER).storage_reads.push(U256::from(4)),
            Read { address: READER, slot: word(4), is_listed: true },
        ),
    ]
}

fn account(list: &mut [AccountChanges], address: Address) -> &mut AccountChanges {
    list.iter_mut().find(|account| account.address == address).expect("an account of the list")
}

#[test]
fn wrong_lists_are_refused_or_did_not_help() {
    // The counter is counted up by the first and third transaction, which sends it 2 wei; nobody tips.
    for fork in ["Shanghai", "Prague", "Amsterdam"] {
        let chain = ChainSpec::from_network(fork, 1).expect("a network");
        let (state, mut block) = (state(), block(&chain, &PLANS));
        let right = access_list_of(&chain, &block, None, &state).expect("a valid block");
        for (name, spoil, difference) in wrong_lists() {
            let mut list = right.clone();
            spoil(&mut list.0);
            block.header.block_access_list_hash = Some(list.hash());
            let expected = rialto_stf::execute(&chain, &block, None, &state, None).expect("a valid block");
            for count in THREADS {
                let name = format!("{fork}, {name}, {count} threads");
                let found = execute(&chain, &block, None, &state, None, &strategy(count, &list));
                if fork == "Amsterdam" {
                    assert_eq!(found.map(drop), Err(BlockError::AccessList(Box::new(difference))), "{name}");
                } else {
                    assert_equal(&name, &found.expect("a valid block"), &expected);
                }
            }
        }
    }
}

/// A list whose order is wrong, or that is another than the header commits to.
#[test]
fn lists_that_are_none() {
    let chain = ChainSpec::from_network("Amsterdam", 1).expect("a network");
    let (state, mut block) = (state(), block(&chain, &PLANS));
    let right = access_list_of(&chain, &block, None, &state).expect("a valid block");
    let mut list = right.clone();
    list.0.swap(0, 1);
    let (before, after) = (right.0[1].address, right.0[0].address);
    let of_order = BlockError::AccessListForm(BlockAccessListError::AccountOrder { before, after });
    let (expected, found) = (right.hash(), list.hash());
    let of_hash = BlockError::BodyRoot { field: "block_access_list_hash", expected, found };
    for (name, hash, error) in [("order", found, of_order), ("hash", expected, of_hash)] {
        block.header.block_access_list_hash = Some(hash);
        for count in THREADS {
            let result = execute(&chain, &block, None, &state, None, &strategy(count, &list)).map(drop);
            assert_eq!(result, Err(error.clone()), "{name}, {count} threads");
        }
    }
}

/// A list does not say that an account which exists and is empty ceases to exist, so no list helps there.
#[test]
fn accounts_that_exist_and_are_empty() {
    let empty = Address::with_last_byte(19);
    for fork in ["Shanghai", "Amsterdam"] {
        let chain = ChainSpec::from_network(fork, 1).expect("a network");
        let (mut state, block) = (state(), block(&chain, &[(0, 19, 0, 1), (1, 7, 0, 0), (2, 19, 0, 1), (3, 16, 0, 1)]));
        state.insert_account(empty, 0, U256::ZERO, Bytes::new(), []);
        let expected = rialto_stf::execute(&chain, &block, None, &state, None).expect("a valid block");
        let is_gone = expected.diff.accounts.iter().any(|account| account.address == empty && account.after.is_none());
        assert!(is_gone, "{fork}");
        let list = access_list_of(&chain, &block, None, &state).expect("a valid block");
        for count in THREADS {
            let name = format!("{fork}, {count} threads");
            let (outcome, counts) =
                execute_counted(&chain, &block, None, &state, None, &strategy(count, &list)).expect("a valid block");
            assert_equal(&name, &outcome, &expected);
            assert_eq!(counts.by_list, 0, "{name}");
        }
    }
}

/// A block that is not valid is refused for the reason that one thread gives, whatever its list says.
#[test]
fn invalid_blocks() {
    for fork in ["Shanghai", "Amsterdam"] {
        let chain = ChainSpec::from_network(fork, 1).expect("a network");
        let (state, mut block) = (state(), block(&chain, &PLANS));
        let list = access_list_of(&chain, &block, None, &state).expect("a valid block");
        block.header.gas_limit = 450_000;
        let expected = rialto_stf::execute(&chain, &block, None, &state, None).map(drop).expect_err("too little gas");
        for count in THREADS {
            let found = execute(&chain, &block, None, &state, None, &strategy(count, &list)).map(drop);
            assert_eq!(found, Err(expected.clone()), "{fork}, {count} threads");
        }
    }
}
