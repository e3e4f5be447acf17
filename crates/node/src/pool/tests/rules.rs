//! What the pool asks of a newcomer, rule by rule.

use super::support::*;
use crate::{PoolConfig, PoolError, PoolTransaction};
use alloy_primitives::{Address, Bytes, U256};
use rialto_stf::{AccessListItem, Authorization, ChainSpec, Header, Transaction, TxType};
use rialto_vm::Fork;
use std::sync::Arc;

/// The text that a refusal begins with; empty for a transaction that was taken in.
fn refusal(result: Result<Option<Arc<PoolTransaction>>, PoolError>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

fn assert_refusal(name: &str, found: &str, expected: &str) {
    let fits = if expected.is_empty() { found.is_empty() } else { found.starts_with(expected) };
    assert!(fits, "{name}: expected {expected:?}, found {found:?}");
}

fn authorized(mut transaction: Transaction, authorities: &[u8]) -> Transaction {
    transaction.tx_type = TxType::SetCode;
    transaction.gas_limit = 100_000;
    for authority in authorities {
        let mut item = Authorization { chain_id: U256::from(CHAIN_ID), ..Authorization::default() };
        item.sign(&key(*authority)).unwrap();
        transaction.authorization_list.push(item);
    }
    transaction
}

#[test]
fn each_rule_of_form() {
    let ok = transfer(0, 20, 1);
    let create = |bytes: usize| Transaction {
        to: None,
        input: vec![0; bytes].into(),
        gas_limit: 16_000_000,
        ..transfer(0, 20, 1)
    };
    let ether = U256::from(10_u128.pow(18));
    let list = AccessListItem { address: Address::ZERO, storage_keys: Vec::new() };
    let rows = [
        ("a transfer", ok.clone(), ""),
        ("a fee cap below the base fee", transfer(0, 1, 1), ""),
        ("too little gas", Transaction { gas_limit: 20_999, ..ok.clone() }, "intrinsic gas too low"),
        (
            "too little gas for its data",
            Transaction { input: vec![1; 1000].into(), gas_limit: 40_000, ..ok.clone() },
            "insufficient gas for floor data gas cost",
        ),
        (
            "more gas than a block",
            Transaction { gas_limit: GAS_LIMIT + 1, ..ok.clone() },
            "transaction gas limit too high",
        ),
        (
            "more gas than a transaction",
            Transaction { gas_limit: (1 << 24) + 1, ..ok.clone() },
            "transaction gas limit too high",
        ),
        ("a tip above the fee cap", transfer(0, 20, 21), "max priority fee per gas higher than max fee per gas"),
        ("initcode of the longest", create(49_152), ""),
        ("initcode too long", create(49_153), "max initcode size exceeded"),
        (
            "too long",
            Transaction { input: vec![0; 128 << 10].into(), gas_limit: 16_000_000, ..ok.clone() },
            "oversized data: expected at most 131072 bytes, found 131",
        ),
        (
            "more value than balance",
            Transaction { value: ether, ..ok.clone() },
            "insufficient funds for gas * price + value",
        ),
        (
            "an absurd fee",
            Transaction { gas_price: U256::MAX, ..ok.clone() },
            "insufficient funds for gas * price + value",
        ),
        (
            "a set-code transaction without authorizations",
            authorized(ok.clone(), &[]),
            "EIP-7702 transaction with empty auth list",
        ),
        ("a set-code transaction", authorized(ok.clone(), &[3]), ""),
        (
            "an access list",
            Transaction { tx_type: TxType::AccessList, access_list: vec![list], gas_limit: 30_000, ..ok.clone() },
            "",
        ),
    ];
    for (name, transaction, expected) in rows {
        let chain = Chain::new(PoolConfig::default());
        assert_refusal(name, &refusal(chain.add(&of(0, transaction))), expected);
        chain.check();
    }
}

#[test]
fn types_by_fork() {
    let types = |fork| {
        let chain = Chain::of_spec(PoolConfig::default(), ChainSpec::of_fork(fork, CHAIN_ID));
        let rows = [
            Transaction { tx_type: TxType::AccessList, ..transfer(0, 20, 1) },
            transfer(1, 20, 1),
            authorized(transfer(2, 20, 1), &[3]),
        ];
        rows.map(|row| !refusal(chain.add(&of(0, row))).starts_with("transaction type not supported"))
    };
    assert_eq!(types(Fork::Istanbul), [false, false, false]);
    assert_eq!(types(Fork::Berlin), [true, false, false]);
    assert_eq!(types(Fork::Cancun), [true, true, false]);
    assert_eq!(types(Fork::Prague), [true, true, true]);
}

#[test]
fn block_gas_limit_before_the_cap_of_a_transaction() {
    let chain = Chain::of_spec(PoolConfig::default(), ChainSpec::of_fork(Fork::Cancun, CHAIN_ID));
    let transaction = Transaction { gas_limit: GAS_LIMIT + 1, ..transfer(0, 20, 1) };
    assert_refusal("gas", &refusal(chain.add(&of(0, transaction))), "exceeds block gas limit");
}

#[test]
fn each_rule_of_senders() {
    let delegation: Bytes = [&[0xef, 0x01, 0x00][..], &[7; 20]].concat().into();
    let rows = [
        ("the next nonce", 5, Bytes::new(), ""),
        ("a nonce that is used", 4, Bytes::new(), "nonce too low: nonce: expected 5, found 4"),
        ("a nonce further on", 9, Bytes::new(), ""),
        ("a contract", 5, Bytes::from_static(&[0x60]), "sender not an eoa"),
        ("a delegated account", 5, delegation.clone(), ""),
        ("a delegated account's gap", 6, delegation, "gapped-nonce tx from delegated accounts"),
    ];
    for (name, nonce, code, expected) in rows {
        let mut chain = Chain::new(PoolConfig::default());
        chain.accounts.insert(0, (5, 10_u128.pow(18), code));
        assert_refusal(name, &refusal(chain.add(&of(0, transfer(nonce, 20, 1)))), expected);
        chain.check();
    }
    let mut chain = Chain::new(PoolConfig { allows_contract_senders: true, ..PoolConfig::default() });
    chain.accounts.insert(0, (0, 10_u128.pow(18), Bytes::from_static(&[0x60])));
    for nonce in 0..2 {
        assert_refusal("a contract that may send", &refusal(chain.add(&of(0, transfer(nonce, 20, 1)))), "");
    }
}

#[test]
fn known_transactions_and_replacements() {
    // Of a transaction with a fee cap of 100 and a tip of 20.
    let rows = [
        ("the same", 100, 20, "already known"),
        ("the tip only", 100, 40, "replacement transaction underpriced"),
        ("the fee cap only", 200, 20, "replacement transaction underpriced"),
        ("both by less", 109, 22, "replacement transaction underpriced"),
        ("the tip by less", 110, 21, "replacement transaction underpriced"),
        ("both by just enough", 110, 22, ""),
    ];
    for (name, max_fee, tip, expected) in rows {
        let chain = Chain::new(PoolConfig::default());
        let first = of(0, transfer(0, 100, 20));
        chain.add(&first).unwrap();
        let result = chain.add(&of(0, transfer(0, max_fee, tip)));
        if let Ok(replaced) = &result {
            assert_eq!(replaced.as_ref().map(|old| old.hash), Some(first.hash), "{name}");
            assert!(!chain.pool.contains(&first.hash), "{name}");
        }
        assert_refusal(name, &refusal(result), expected);
        assert_eq!(chain.pool.status(), (1, 0), "{name}");
        chain.check();
    }
}

#[test]
fn least_priority_fee() {
    let chain = Chain::new(PoolConfig { min_priority_fee: 5, ..PoolConfig::default() });
    assert_refusal("below", &refusal(chain.add(&of(0, transfer(0, 20, 4)))), "transaction underpriced");
    assert_refusal("enough", &refusal(chain.add(&of(0, transfer(0, 20, 5)))), "");
    let legacy = Transaction { tx_type: TxType::Legacy, ..transfer(1, 5, 0) };
    assert_refusal("a gas price", &refusal(chain.add(&of(0, legacy))), "");
}

#[test]
fn nonces_and_balance_decide_what_is_pending() {
    let mut chain = Chain::new(PoolConfig::default());
    let cost = 21_000 * 20;
    chain.accounts.insert(0, (0, 2 * cost + 1, Bytes::new()));
    for nonce in [2, 1] {
        chain.add_transfer(0, nonce, 20, 1).unwrap();
        assert_eq!(chain.nonces(0).0, [0u64; 0]);
        assert_eq!(chain.pool.next_nonce(&address(0)), None);
    }
    chain.add_transfer(0, 0, 20, 1).unwrap();
    assert_eq!(chain.nonces(0), (vec![0, 1], vec![2]), "the balance is enough for two");
    assert_eq!(chain.pool.next_nonce(&address(0)), Some(2));
    chain.check();

    chain.accounts.insert(0, (0, 3 * cost, Bytes::new()));
    chain.pool.recheck_with_reader(&chain.state());
    assert_eq!(chain.nonces(0), (vec![0, 1, 2], vec![]));
    let first = of(0, transfer(0, 20, 1));
    assert!(chain.pool.remove(&first.hash));
    assert!(!chain.pool.remove(&first.hash));
    assert_eq!(chain.nonces(0), (vec![], vec![1, 2]), "what follows waits");
    chain.check();
}

#[test]
fn delegated_accounts_have_one_transaction() {
    let mut chain = Chain::new(PoolConfig::default());
    let delegation: Bytes = [&[0xef, 0x01, 0x00][..], &[7; 20]].concat().into();
    chain.accounts.insert(0, (0, 10_u128.pow(18), delegation));
    // Sender, transaction, refusal.
    let rows = [
        ("delegated, first", 0, transfer(0, 20, 2), ""),
        ("delegated, second", 0, transfer(1, 20, 2), "in-flight transaction limit reached"),
        ("delegated, replacement", 0, transfer(0, 40, 4), ""),
        ("an authorization of account 2", 1, authorized(transfer(0, 20, 2), &[2]), ""),
        ("authorized, gap", 2, transfer(1, 20, 2), "gapped-nonce tx from delegated accounts"),
        ("authorized, first", 2, transfer(0, 20, 2), ""),
        ("authorized, second", 2, transfer(1, 20, 2), "in-flight transaction limit reached"),
        ("free, first", 3, transfer(0, 20, 2), ""),
        ("an authorization of one with one", 1, authorized(transfer(1, 20, 2), &[3]), ""),
        ("free, first", 4, transfer(0, 20, 2), ""),
        ("free, second", 4, transfer(1, 20, 2), ""),
        ("an authorization of one with two", 1, authorized(transfer(2, 20, 2), &[4]), "authority already reserved"),
    ];
    for (name, sender, transaction, expected) in rows {
        assert_refusal(name, &refusal(chain.add(&of(sender, transaction))), expected);
        chain.check();
    }
    // When the authorization is gone, its account is as free as any.
    let authorization = of(1, authorized(transfer(0, 20, 2), &[2]));
    chain.pool.remove(&authorization.hash);
    chain.add_transfer(2, 1, 20, 2).unwrap();
    chain.check();
}

#[test]
fn decoding_recovers_the_sender_of_this_chain() {
    let spec = ChainSpec::of_fork(Fork::Osaka, CHAIN_ID);
    let signed = |transaction: Transaction| {
        let mut transaction = transaction;
        transaction.sign(&key(5)).unwrap();
        transaction.encode()
    };
    let decoded = PoolTransaction::decode(&signed(transfer(0, 20, 1)), &spec, &Header::default()).unwrap();
    assert_eq!(decoded.sender, address(5));
    assert_eq!(decoded.hash, decoded.transaction.hash());
    assert_eq!(decoded.encode_network(), signed(transfer(0, 20, 1)));
    let other_chain = Transaction { chain_id: Some(CHAIN_ID + 1), ..transfer(0, 20, 1) };
    let mut trailing = signed(transfer(0, 20, 1));
    trailing.push(0);
    let rows = [
        ("another chain's", signed(other_chain), "invalid sender: invalid chain id for signer"),
        ("unsigned", transfer(0, 20, 1).encode(), "invalid sender: invalid transaction v, r, s values"),
        ("of an unknown type", vec![0x05, 0xc0], "transaction type not supported"),
        ("nothing", vec![], "transaction"),
        ("with more behind it", trailing, "transaction"),
        ("a blob transaction alone", signed(blob_transfer(0, 20, 1, 1)), "missing sidecar in blob transaction"),
    ];
    for (name, bytes, expected) in rows {
        let error = PoolTransaction::decode(&bytes, &spec, &Header::default()).unwrap_err().to_string();
        assert_refusal(name, &error, expected);
    }
}
