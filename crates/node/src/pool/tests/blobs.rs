//! Blob transactions: their form on the network, their proofs, and their rules in the pool. The blobs are real ones.

use super::support::*;
use crate::{BlobSidecar, PoolConfig, PoolError, PoolTransaction};
use alloy_primitives::{B256, Bytes, U256};
use rialto_stf::{ChainSpec, Header, Transaction};
use rialto_vm::Fork;
use std::sync::Arc;

fn with_sidecar(mut transaction: Transaction, sidecar: &Arc<BlobSidecar>) -> Arc<PoolTransaction> {
    transaction.blob_versioned_hashes = sidecar.versioned_hashes();
    let hash = transaction.hash();
    Arc::new(PoolTransaction { transaction, hash, sender: address(0), sidecar: Some(Arc::clone(sidecar)) })
}

fn text<T>(result: Result<T, PoolError>) -> String {
    result.err().map(|error| error.to_string()).unwrap_or_default()
}

#[test]
fn both_versions_through_the_network_form_into_the_pool() {
    for (version, fork, other) in [(0, Fork::Prague, Fork::Osaka), (1, Fork::Osaka, Fork::Prague)] {
        let sidecar = Arc::new(BlobSidecar::compute(version, vec![blob(1), blob(2)]).unwrap());
        assert_eq!(sidecar.proofs.len(), if version == 0 { 2 } else { 256 });
        assert_eq!(sidecar.proofs_of(1), &sidecar.proofs[sidecar.proofs.len() / 2..]);
        let mut transaction = blob_transfer(0, 20, 1, 1);
        transaction.blob_versioned_hashes = sidecar.versioned_hashes();
        transaction.sign(&key(0)).unwrap();
        let sent = with_sidecar(transaction, &sidecar);
        let spec = ChainSpec::of_fork(fork, CHAIN_ID);
        let bytes = sent.encode_network();
        let decoded = PoolTransaction::decode(&bytes, &spec, &Header::default()).unwrap();
        assert_eq!(decoded.transaction, sent.transaction);
        assert_eq!((decoded.hash, decoded.sender), (sent.hash, address(0)));
        assert_eq!(decoded.sidecar.as_ref(), Some(&sidecar));

        let chain = Chain::of_spec(PoolConfig::default(), spec);
        let decoded = Arc::new(decoded);
        chain.add(&decoded).unwrap();
        chain.check();
        let (found, index) = chain.pool.blob(&sidecar.versioned_hashes()[1]).unwrap();
        assert_eq!((found, index), (Arc::clone(&sidecar), 1));
        assert_eq!(chain.pool.blob(&B256::ZERO), None);

        let chain = Chain::of_spec(PoolConfig::default(), ChainSpec::of_fork(other, CHAIN_ID));
        let expected = format!("Wrong sidecar format: sidecar version: expected {}", 1 - version);
        assert!(text(chain.add(&decoded)).starts_with(&expected), "version {version} under {other}");
    }
}

#[test]
fn cell_proofs_can_be_made_later() {
    let whole = BlobSidecar::compute(0, vec![blob(1)]).unwrap();
    let cells = whole.with_cell_proofs().unwrap();
    assert_eq!(cells, *sidecar());
    assert!(BlobSidecar::compute(2, vec![blob(1)]).is_err());
    assert!(BlobSidecar::compute(1, vec![Bytes::from_static(&[0; 31])]).is_err(), "a short blob");
    assert!(BlobSidecar::compute(1, vec![vec![0xff; 131_072].into()]).is_err(), "no field elements");
}

#[test]
fn what_does_not_fit_is_refused() {
    let chain = Chain::new(PoolConfig::default());
    let with = |change: &dyn Fn(&mut BlobSidecar)| {
        let mut sidecar = (*sidecar()).clone();
        change(&mut sidecar);
        sidecar
    };
    let rows = [
        ("as it is", with(&|_| {}), ""),
        ("a proof less", with(&|sidecar| drop(sidecar.proofs.pop())), "Wrong sidecar format: proofs: expected 128"),
        ("proofs of other cells", with(&|sidecar| sidecar.proofs.swap(0, 1)), "KZG verification error"),
        ("another blob", with(&|sidecar| sidecar.blobs[0] = blob(9)), "KZG verification error"),
        ("no point", with(&|sidecar| sidecar.proofs[5] = vec![0xff; 48].into()), "KZG verification error"),
        ("a short proof", with(&|sidecar| sidecar.proofs[5] = vec![0xff; 47].into()), "KZG verification error"),
        ("a version to come", with(&|sidecar| sidecar.version = 2), "Wrong sidecar format: sidecar version"),
    ];
    for (name, sidecar, expected) in rows.into_iter().rev() {
        let mut transaction = blob_transfer(0, 20, 1, 1);
        transaction.signature.r = U256::ONE;
        let found = text(chain.add(&with_sidecar(transaction, &Arc::new(sidecar))));
        let fits = if expected.is_empty() { found.is_empty() } else { found.starts_with(expected) };
        assert!(fits, "{name}: expected {expected:?}, found {found:?}");
        chain.check();
    }

    let other_hash = Transaction { blob_versioned_hashes: vec![B256::repeat_byte(1)], ..blob_transfer(1, 20, 1, 1) };
    assert!(text(chain.add(&of(0, other_hash))).starts_with("commitments[0]: expected one that hashes to 0x0101"));
    let no_sidecar = PoolTransaction { sidecar: None, ..(*of(0, blob_transfer(1, 20, 1, 1))).clone() };
    assert!(text(chain.add(&Arc::new(no_sidecar))).starts_with("missing sidecar in blob transaction"));
    assert!(
        text(chain.add(&of(0, blob_transfer(1, 20, 1, 0)))).starts_with("transaction underpriced: max_fee_per_blob")
    );
    let seven =
        Transaction { blob_versioned_hashes: vec![sidecar().versioned_hashes()[0]; 7], ..blob_transfer(1, 20, 1, 1) };
    assert!(text(chain.add(&of(0, seven))).starts_with("transaction blob limit exceeded"));
}

#[test]
fn malformed_network_forms() {
    let spec = ChainSpec::of_fork(Fork::Osaka, CHAIN_ID);
    let mut transaction = blob_transfer(0, 20, 1, 1);
    transaction.sign(&key(0)).unwrap();
    let form = |sidecar: &BlobSidecar| crate::pool::sidecar::encode_network(&transaction, sidecar);
    let good = form(&sidecar());
    let changed = |change: &dyn Fn(&mut BlobSidecar)| {
        let mut sidecar = (*sidecar()).clone();
        change(&mut sidecar);
        form(&sidecar)
    };
    let mut trailing = good.clone();
    trailing.push(0);
    let rows = [
        ("cut short", good[..good.len() - 1].to_vec(), "transaction: expected"),
        ("with more behind it", trailing, "transaction: expected the end"),
        ("a version to come", changed(&|sidecar| sidecar.version = 2), "Wrong sidecar format: sidecar version"),
        ("a short blob", changed(&|sidecar| sidecar.blobs[0].truncate(131_071)), "Wrong sidecar format: blobs[0]"),
        ("seven blobs", changed(&|sidecar| sidecar.blobs = vec![blob(1); 7]), "transaction blob limit exceeded: blobs"),
        (
            "too many proofs",
            changed(&|sidecar| sidecar.proofs = vec![vec![0; 48].into(); 769]),
            "transaction blob limit",
        ),
        ("a type byte alone", vec![3], "transaction: expected an item"),
        ("no list", vec![3, 0x80], "transaction: expected a list"),
    ];
    for (name, bytes, expected) in rows {
        let found = text(PoolTransaction::decode(&bytes, &spec, &Header::default()));
        assert!(found.starts_with(expected), "{name}: expected {expected:?}, found {found:?}");
    }
}

#[test]
fn senders_of_blobs() {
    let mut chain = Chain::new(PoolConfig::default());
    let cost = 21_000 * 20 + (1 << 17) * 8;
    chain.accounts.insert(0, (0, 2 * cost, Bytes::new()));
    let rows = [
        ("a gap", blob_transfer(1, 20, 2, 8), "nonce too high"),
        ("the first", blob_transfer(0, 20, 2, 8), ""),
        ("another kind", transfer(1, 20, 2), "address already reserved"),
        ("another kind of the same nonce", transfer(0, 80, 8), "address already reserved"),
        ("the second", blob_transfer(1, 20, 2, 8), ""),
        ("one that can't be paid after them", blob_transfer(2, 20, 2, 1), "insufficient funds"),
        ("a replacement that raises not all", blob_transfer(1, 40, 4, 8), "replacement transaction underpriced"),
        ("a replacement that can't be paid", blob_transfer(1, 40, 4, 16), "insufficient funds"),
        ("a replacement", blob_transfer(0, 40, 4, 16), "insufficient funds"),
    ];
    for (name, transaction, expected) in rows {
        let found = text(chain.add(&of(0, transaction)));
        let fits = if expected.is_empty() { found.is_empty() } else { found.starts_with(expected) };
        assert!(fits, "{name}: expected {expected:?}, found {found:?}");
        chain.check();
    }
    chain.accounts.insert(0, (0, 9 * cost, Bytes::new()));
    chain.add(&of(0, blob_transfer(0, 40, 4, 16))).unwrap();
    assert_eq!(chain.nonces(0), (vec![0, 1], vec![]));
    chain.check();
    // Without the first the second would wait, which blobs may not.
    chain.pool.remove(&of(0, blob_transfer(0, 40, 4, 16)).hash);
    assert_eq!(chain.pool.status(), (0, 0));
    chain.check();
}

#[test]
fn mined_blobs_stay_for_reorgs_and_consensus() {
    let mut chain = Chain::new(PoolConfig::default());
    let transactions = [of(0, blob_transfer(0, 20, 2, 8)), of(0, blob_transfer(1, 20, 2, 8))];
    transactions.iter().for_each(|transaction| drop(chain.add(transaction).unwrap()));
    let versioned_hash = sidecar().versioned_hashes()[0];
    chain.mine(&transactions);
    assert_eq!(chain.pool.status(), (0, 0));
    assert!(chain.pool.blob(&versioned_hash).is_some());
    chain.check();

    let removed = chain.unwind(1);
    let added = chain.extend(BASE_FEE, &transactions[..1]);
    chain.follow(removed, vec![added]);
    assert_eq!(chain.nonces(0), (vec![1], vec![]));
    assert_eq!(chain.pool.get(&transactions[1].hash).unwrap().sidecar, Some(sidecar()));
    chain.check();

    chain.mine(&transactions[1..]);
    for _ in 0..64 {
        assert!(chain.pool.blob(&versioned_hash).is_some());
        chain.mine(&[]);
        chain.check();
    }
    chain.mine(&[]);
    assert!(chain.pool.blob(&versioned_hash).is_none(), "long mined");
}
