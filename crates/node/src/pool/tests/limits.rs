//! What happens when room is short, and in which order builders get what there is.

use super::support::*;
use crate::{PoolConfig, PoolError};
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_state::Journal;
use rialto_stf::Transaction;
use rialto_vm::{ModuleCall, ModuleOutcome, NativeModule};
use std::sync::Arc;

fn is_underpriced<T>(result: Result<T, PoolError>) -> bool {
    matches!(result, Err(PoolError::Underpriced))
}

#[test]
fn the_worst_pending_transaction_goes_first() {
    let chain = Chain::new(PoolConfig { max_pending: 3, ..PoolConfig::default() });
    let low = chain.add_transfer(0, 0, 100, 5).unwrap();
    chain.add_transfer(1, 0, 100, 7).unwrap();
    chain.add_transfer(2, 0, 100, 6).unwrap();
    assert!(is_underpriced(chain.add_transfer(3, 0, 100, 4)), "worse than the worst");
    assert!(is_underpriced(chain.add_transfer(3, 0, 100, 5)), "no better than the worst");
    assert!(is_underpriced(chain.add_transfer(3, 0, 9, 9)), "a fee cap below the base fee");
    assert!(chain.pool.contains(&low));
    chain.add_transfer(3, 0, 100, 8).unwrap();
    assert!(!chain.pool.contains(&low));
    assert_eq!(chain.pool.status(), (3, 0));
    chain.check();
}

#[test]
fn a_sender_loses_its_last_transaction_first() {
    let chain = Chain::new(PoolConfig { max_pending: 4, ..PoolConfig::default() });
    for (nonce, tip) in [(0, 1), (1, 50), (2, 60)] {
        chain.add_transfer(0, nonce, 100, tip).unwrap();
    }
    chain.add_transfer(1, 0, 100, 5).unwrap();
    chain.add_transfer(2, 0, 100, 5).unwrap();
    assert_eq!(chain.nonces(0), (vec![0, 1], vec![]), "what waits for a low tip is worth no more than it");
    chain.add_transfer(3, 0, 100, 5).unwrap();
    assert_eq!(chain.nonces(0), (vec![0], vec![]));
    chain.check();
}

#[test]
fn queued_transactions_have_room_of_their_own() {
    let chain = Chain::new(PoolConfig { max_pending: 2, max_queued: 2, ..PoolConfig::default() });
    chain.add_transfer(0, 0, 100, 5).unwrap();
    chain.add_transfer(1, 5, 100, 1).unwrap();
    chain.add_transfer(2, 5, 100, 2).unwrap();
    assert!(is_underpriced(chain.add_transfer(3, 5, 100, 1)));
    chain.add_transfer(3, 5, 100, 3).unwrap();
    assert_eq!(chain.pool.status(), (1, 2));
    assert_eq!(chain.nonces(1), (vec![], vec![]));
    chain.check();
}

#[test]
fn bytes_are_limited_too() {
    let config = PoolConfig { max_bytes: 3_500, ..PoolConfig::default() };
    let chain = Chain::new(config);
    let long = |sender, nonce, tip| {
        let input = Bytes::from(vec![1; 1_000]);
        of(sender, rialto_stf::Transaction { input, gas_limit: 100_000, ..transfer(nonce, 100, tip) })
    };
    chain.add(&long(0, 0, 1)).unwrap();
    chain.add(&long(1, 0, 2)).unwrap();
    chain.add(&long(2, 7, 90)).unwrap();
    chain.add(&long(3, 0, 3)).unwrap();
    assert_eq!(chain.pool.status(), (3, 0), "queued ones go first, whatever their tip");
    chain.add(&long(4, 0, 3)).unwrap();
    assert_eq!(chain.nonces(0), (vec![], vec![]));
    assert!(is_underpriced(chain.add(&long(0, 0, 1))));
    chain.check();
}

#[test]
fn blobs_have_a_limit_of_their_own() {
    let blobs = 2 * sidecar().byte_length();
    let chain = Chain::new(PoolConfig { max_blob_bytes: blobs, ..PoolConfig::default() });
    chain.add(&of(0, blob_transfer(0, 100, 2, 8))).unwrap();
    chain.add(&of(1, blob_transfer(0, 100, 3, 8))).unwrap();
    chain.add_transfer(2, 0, 100, 1).unwrap();
    assert!(is_underpriced(chain.add(&of(3, blob_transfer(0, 100, 1, 8)))));
    chain.add(&of(3, blob_transfer(0, 100, 4, 8))).unwrap();
    assert_eq!(chain.nonces(0), (vec![], vec![]));
    assert_eq!(chain.nonces(2), (vec![0], vec![]));
    chain.check();
}

#[test]
fn accounts_have_a_limit() {
    let chain = Chain::new(PoolConfig { max_per_account: 3, ..PoolConfig::default() });
    for nonce in [1, 2, 3] {
        chain.add_transfer(0, nonce, 100, 1).unwrap();
    }
    assert!(matches!(chain.add_transfer(0, 4, 100, 1), Err(PoolError::AccountLimit { limit: 3 })));
    chain.add_transfer(0, 3, 200, 2).expect("a replacement takes no room");
    chain.add_transfer(0, 0, 100, 1).expect("one that others wait for");
    assert_eq!(chain.nonces(0), (vec![0, 1, 2], vec![]), "the last makes room");
    chain.check();
}

#[test]
fn best_first_in_the_order_of_nonces() {
    let chain = Chain::new(PoolConfig::default());
    let rows = [(0, 0, 3), (0, 1, 50), (1, 0, 9), (2, 0, 9), (1, 1, 2), (3, 1, 99)];
    let hashes = rows.map(|(sender, nonce, tip)| chain.add_transfer(sender, nonce, 100, tip).unwrap());
    let low = chain.add_transfer(4, 0, 30, 30).unwrap();
    let of = |base_fee: u64| -> Vec<B256> {
        chain.pool.best(base_fee, U256::ONE).map(|transaction| transaction.hash).collect()
    };
    let [a0, a1, b0, c0, b1, _] = hashes;
    assert_eq!(of(BASE_FEE), [low, b0, c0, a0, a1, b1], "the earlier first where tips are equal");
    assert_eq!(of(28), [b0, c0, a0, a1, b1, low], "a tip is what the base fee leaves");
    assert_eq!(of(31), [b0, c0, a0, a1, b1]);
    assert_eq!(of(98), [a0, a1, b0, c0, b1], "all tips are 2");
    assert_eq!(of(101), [B256::ZERO; 0]);

    let mut best = chain.pool.best(31, U256::ONE);
    assert_eq!(best.next().map(|transaction| transaction.hash), Some(b0));
    best.skip_sender();
    chain.pool.clear();
    let rest: Vec<B256> = best.map(|transaction| transaction.hash).collect();
    assert_eq!(rest, [c0, a0, a1], "a snapshot, without what was skipped");
    assert_eq!(chain.pool.status(), (0, 0));
}

const WANTED: Address = Address::repeat_byte(8);

/// Wants calls that carry nothing.
struct WantsTransfers;

impl NativeModule for WantsTransfers {
    fn address(&self) -> Address {
        WANTED
    }

    fn goes_first(&self, input: &[u8]) -> bool {
        input.is_empty()
    }

    fn call(
        &self,
        _: &mut Journal<'_>,
        _: ModuleCall<'_>,
        _: &mut Vec<u8>,
    ) -> Result<ModuleOutcome, rialto_state::ReadError> {
        unreachable!("nothing is executed")
    }
}

#[test]
fn what_a_module_wants_first_is_first() {
    let chain = Chain::new(PoolConfig::default());
    let call = |sender: u8, to: Address, tip: u64, input: &'static [u8]| {
        let transaction =
            Transaction { to: Some(to), gas_limit: 30_000, input: Bytes::from_static(input), ..transfer(0, 100, tip) };
        let transaction = of(sender, transaction);
        chain.add(&transaction).unwrap();
        transaction.hash
    };
    let elsewhere = call(0, Address::repeat_byte(9), 50, &[]);
    let other = call(1, WANTED, 40, &[1]);
    let wanted = call(2, WANTED, 1, &[]);
    let order = |modules: Vec<&'static dyn NativeModule>| -> Vec<B256> {
        let best = chain.pool.best(BASE_FEE, U256::ONE).preferring(modules);
        best.map(|transaction| transaction.hash).collect()
    };
    assert_eq!(order(Vec::new()), [elsewhere, other, wanted]);
    assert_eq!(order(vec![&WantsTransfers]), [wanted, elsewhere, other]);
}

#[test]
fn fees_of_blobs_count() {
    let chain = Chain::new(PoolConfig::default());
    chain.add(&of(0, blob_transfer(0, 100, 2, 8))).unwrap();
    chain.add(&of(0, blob_transfer(1, 100, 2, 20))).unwrap();
    let count = |blob_fee: u64| chain.pool.best(BASE_FEE, U256::from(blob_fee)).count();
    assert_eq!([count(8), count(9), count(21)], [2, 0, 0], "the second waits for the first");
}

#[test]
fn versions_change_with_the_pool() {
    let mut chain = Chain::new(PoolConfig::default());
    let mut versions = vec![chain.pool.version()];
    let transaction = of(0, transfer(0, 100, 1));
    chain.add(&transaction).unwrap();
    versions.push(chain.pool.version());
    assert!(chain.add(&transaction).is_err());
    assert_eq!(Some(&chain.pool.version()), versions.last());
    chain.pool.remove(&transaction.hash);
    versions.push(chain.pool.version());
    chain.mine(&[]);
    versions.push(chain.pool.version());
    chain.pool.clear();
    versions.push(chain.pool.version());
    assert!(versions.is_sorted_by(|a, b| a < b), "{versions:?}");
    let arc = Arc::new(chain);
    let shared = Arc::clone(&arc);
    std::thread::spawn(move || shared.pool.status()).join().expect("a pool is shared between threads");
}
