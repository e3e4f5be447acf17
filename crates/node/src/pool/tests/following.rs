//! What becomes of the pool at a new head.

use super::support::*;
use crate::{PoolConfig, PoolTransaction};
use alloy_primitives::{Bytes, U256};
use rialto_stf::{Activation, ChainSpec, Transaction};
use rialto_vm::Fork;
use std::sync::Arc;

fn config() -> PoolConfig {
    PoolConfig::default()
}

fn added(chain: &Chain, sender: u8, nonces: &[u64]) -> Vec<Arc<PoolTransaction>> {
    let transactions: Vec<_> = nonces.iter().map(|nonce| of(sender, transfer(*nonce, 100, 2))).collect();
    transactions.iter().for_each(|transaction| drop(chain.add(transaction).unwrap()));
    transactions
}

#[test]
fn mined_and_used_nonces_go() {
    let mut chain = Chain::new(config());
    let transactions = added(&chain, 0, &[0, 1, 2, 4]);
    added(&chain, 1, &[0, 1]);
    let other = of(1, transfer(0, 300, 50));
    chain.mine(&[Arc::clone(&transactions[0]), other]);
    assert_eq!(chain.nonces(0), (vec![1, 2], vec![4]));
    assert_eq!(chain.nonces(1), (vec![1], vec![]), "another transaction took the nonce");
    chain.check();
    chain.mine(&[of(0, transfer(3, 20, 1))]);
    assert_eq!(chain.nonces(0), (vec![4], vec![]), "what waited is next");
    chain.check();
}

#[test]
fn removed_blocks_give_their_transactions_back() {
    let mut chain = Chain::new(config());
    let transactions = added(&chain, 0, &[0, 1, 2]);
    chain.mine(&transactions[..1]);
    chain.mine(&transactions[1..2]);
    assert_eq!(chain.nonces(0), (vec![2], vec![]));
    let removed = chain.unwind(2);
    let block = chain.extend(BASE_FEE, &transactions[..1]);
    chain.follow(removed, vec![block]);
    assert_eq!(chain.nonces(0), (vec![1, 2], vec![]));
    chain.check();
    let removed = chain.unwind(1);
    chain.follow(removed, vec![]);
    assert_eq!(chain.nonces(0), (vec![0, 1, 2], vec![]));
    chain.check();
}

#[test]
fn a_head_without_removed_blocks_takes_nothing_back() {
    let mut chain = Chain::new(config());
    let transactions = added(&chain, 0, &[0, 1]);
    chain.mine(&transactions);
    chain.unwind(1);
    chain.follow(vec![], vec![]);
    assert_eq!(chain.nonces(0), (vec![], vec![]));
    added(&chain, 0, &[0]);
    chain.check();
}

#[test]
fn very_deep_reorgs_take_nothing_back() {
    let mut chain = Chain::new(config());
    let transactions = added(&chain, 0, &[0]);
    chain.mine(&transactions);
    (0..64).for_each(|_| chain.mine(&[]));
    let removed = chain.unwind(65);
    chain.follow(removed, vec![]);
    assert_eq!(chain.pool.status(), (0, 0));
    chain.check();
}

#[test]
fn balances_move_transactions() {
    let mut chain = Chain::new(config());
    added(&chain, 0, &[0, 1, 2]);
    let cost = 21_000 * 100;
    let rows = [
        ("enough for two", 2 * cost, vec![0, 1], vec![2]),
        ("enough for all", 3 * cost, vec![0, 1, 2], vec![]),
        ("enough for none", cost - 1, vec![], vec![]),
    ];
    for (name, balance, pending, queued) in rows {
        chain.accounts.insert(0, (0, balance, Bytes::new()));
        chain.mine(&[]);
        assert_eq!(chain.nonces(0), (pending, queued), "{name}");
        chain.check();
    }
}

#[test]
fn queued_transactions_expire() {
    let mut chain = Chain::new(PoolConfig { queued_lifetime_heads: 3, ..config() });
    added(&chain, 0, &[0, 1, 5]);
    for _ in 0..3 {
        chain.mine(&[]);
    }
    assert_eq!(chain.nonces(0), (vec![0, 1], vec![5]));
    chain.mine(&[]);
    assert_eq!(chain.nonces(0), (vec![0, 1], vec![]));
    // One that was pending has its time from when it no longer is.
    chain.pool.remove(&of(0, transfer(0, 100, 2)).hash);
    (0..3).for_each(|_| chain.mine(&[]));
    assert_eq!(chain.nonces(0), (vec![], vec![1]));
    chain.mine(&[]);
    assert_eq!(chain.pool.status(), (0, 0));
    chain.check();
}

#[test]
fn a_contract_loses_its_transactions() {
    let mut chain = Chain::new(config());
    added(&chain, 0, &[0, 1]);
    chain.accounts.insert(0, (0, 10_u128.pow(18), Bytes::from_static(&[0x60])));
    chain.mine(&[]);
    assert_eq!(chain.pool.status(), (0, 0));
    chain.check();
}

#[test]
fn forks_forbid_what_they_forbid() {
    let mut spec = ChainSpec::of_fork(Fork::Prague, CHAIN_ID);
    spec.schedule.push((Activation::Timestamp(30), Fork::Osaka));
    let mut chain = Chain::of_spec(config(), spec);
    let greedy = Transaction { gas_limit: (1 << 24) + 1, ..transfer(0, 20, 1) };
    chain.add(&of(0, greedy)).unwrap();
    added(&chain, 1, &[0]);
    chain.mine(&[]);
    chain.mine(&[]);
    assert_eq!(chain.pool.status(), (2, 0), "the next block is Prague's at timestamp 25");
    chain.mine(&[]);
    assert_eq!(chain.pool.status(), (1, 0), "Osaka limits the gas of a transaction");
    chain.check();
}

#[test]
fn worth_follows_the_base_fee() {
    let mut chain = Chain::new(PoolConfig { max_pending: 2, ..config() });
    let high_tip = chain.add_transfer(0, 0, 30, 20).unwrap();
    let high_cap = chain.add_transfer(1, 0, 200, 2).unwrap();
    chain.mine_with_base_fee(40, &[]);
    chain.add_transfer(2, 0, 200, 3).unwrap();
    assert!(!chain.pool.contains(&high_tip), "it can't pay the base fee any more");
    assert!(chain.pool.contains(&high_cap));
}

#[test]
fn states_of_other_heads_are_not_believed() {
    let mut chain = Chain::new(config());
    let transactions = added(&chain, 0, &[0, 1, 2]);
    let (old_state, old_root) = (chain.state(), chain.head().block.header.state_root);
    chain.mine(&transactions[..2]);
    let again = chain.pool.add_with_reader(Arc::clone(&transactions[0]), &old_state, old_root);
    assert!(again.unwrap_err().to_string().starts_with("nonce too low: nonce: expected 2, found 0"));
    let next = of(0, transfer(3, 100, 2));
    chain.pool.add_with_reader(next, &old_state, old_root).unwrap();
    assert_eq!(chain.nonces(0), (vec![2, 3], vec![]));
    chain.check();

    // The same where the pool knows the sender only from the block.
    chain.pool.clear();
    let again = chain.pool.add_with_reader(Arc::clone(&transactions[1]), &old_state, old_root);
    assert!(again.unwrap_err().to_string().starts_with("nonce too low: nonce: expected 2, found 1"));
}

/// In a pool of many senders not all are read at each head, but those that matter are.
#[test]
fn many_senders() {
    let mut chain = Chain::new(PoolConfig { max_pending: 5_000, ..config() });
    for sender in 0..1_500_u64 {
        let inner = Transaction { value: U256::from(sender), ..transfer(0, 100, 2) };
        let hash = inner.hash();
        let sender = alloy_primitives::Address::from_word(U256::from(sender).into());
        let mut state = rialto_state::MemoryState::default();
        state.insert_account(sender, 0, U256::from(10_u64.pow(12)), Bytes::new(), []);
        let transaction = Arc::new(PoolTransaction { transaction: inner, hash, sender, sidecar: None });
        chain.pool.add_with_reader(transaction, &state, chain.head().block.header.state_root).unwrap();
    }
    let transactions = added(&chain, 0, &[0, 1]);
    assert_eq!(chain.pool.status(), (1_502, 0));
    let block = chain.extend(BASE_FEE, &transactions[..1]);
    let change = crate::HeadChange { removed: vec![], added: vec![block], head: Arc::clone(chain.head()) };
    let plan = chain.pool.state.lock().unwrap().plan(&change);
    assert!(plan.senders.contains(&address(0)), "the block's sender");
    assert!((1_024..1_030).contains(&plan.senders.len()), "and some in turn: {}", plan.senders.len());
    chain.pool.follow_with_reader(&change, &chain.state());
    check_indexes(&chain.pool);
    assert_eq!(chain.nonces(0), (vec![1], vec![]));
    // In this state only the numbered accounts have a balance; after two heads all have had their turn.
    chain.mine(&[]);
    assert_eq!(chain.pool.status(), (1, 0));
    check_indexes(&chain.pool);
}

/// Adding, building and following at the same time, as a node does; once all have followed, everything is as if in turn.
#[test]
fn threads_at_the_same_time() {
    let mut chain = Chain::new(config());
    let (old_state, old_root) = (chain.state(), chain.head().block.header.state_root);
    let mined: Vec<_> = (0..4).map(|sender| of(sender, transfer(0, 100, 2))).collect();
    let block = chain.extend(BASE_FEE, &mined);
    std::thread::scope(|scope| {
        for sender in 0..4 {
            let (pool, state) = (&chain.pool, &old_state);
            scope.spawn(move || {
                for nonce in 0..20 {
                    // Either before or after the block is followed, so it may be refused.
                    drop(pool.add_with_reader(of(sender, transfer(nonce, 100, 2)), state, old_root));
                    pool.best(BASE_FEE, U256::ONE).for_each(drop);
                }
            });
        }
        chain.follow(vec![], vec![block]);
    });
    check_indexes(&chain.pool);
    chain.mine(&[]);
    for sender in 0..4 {
        assert_eq!(chain.nonces(sender), ((1..20).collect(), vec![]));
    }
    chain.check();
}
