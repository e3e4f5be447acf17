//! Whatever happens, in whatever order: indexes agree, limits hold, and a builder gets a sequence that is valid.

use super::support::*;
use crate::{ChainBlock, PoolConfig, PoolTransaction};
use alloy_primitives::{Bytes, U256};
use proptest::prelude::*;
use rialto_stf::{Authorization, Transaction, TxType};
use std::sync::Arc;

const SENDERS: u8 = 6;

/// What happens to a pool.
#[derive(Clone, Debug)]
enum Event {
    /// A transaction comes: sender, distance from the account's nonce, fee cap, tip, kind.
    Add(u8, u64, u64, u64, Kind),
    /// A block takes so many of the best, and perhaps one that the pool does not know, of this sender.
    Mine(usize, Option<u8>),
    /// So many blocks are removed, and as many with fewer transactions added.
    Reorg(usize, bool),
    /// A sender has another balance with the next head.
    Balance(u8, u128),
    Remove(usize),
    /// The head's base fee.
    BaseFee(u64),
    Recheck,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Plain,
    Blob,
    /// With an authorization of this sender.
    SetCode(u8),
}

fn events() -> impl Strategy<Value = Event> {
    let kind = prop_oneof![
        8 => Just(Kind::Plain),
        1 => Just(Kind::Blob),
        1 => (0..SENDERS).prop_map(Kind::SetCode),
    ];
    prop_oneof![
        12 => (0..SENDERS, 0..6_u64, 5..60_u64, 0..5_u64, kind)
            .prop_map(|(sender, ahead, fee, tip, kind)| Event::Add(sender, ahead, fee, tip, kind)),
        2 => (0..8_usize, proptest::option::of(0..SENDERS)).prop_map(|(count, other)| Event::Mine(count, other)),
        1 => (1..4_usize, any::<bool>()).prop_map(|(depth, is_shorter)| Event::Reorg(depth, is_shorter)),
        1 => (0..SENDERS, 0..8_u128).prop_map(|(sender, count)| Event::Balance(sender, count * 21_000 * 40)),
        1 => (0..20_usize).prop_map(Event::Remove),
        1 => (1..80_u64).prop_map(Event::BaseFee),
        1 => Just(Event::Recheck),
    ]
}

fn transaction(sender: u8, nonce: u64, fee: u64, tip: u64, kind: Kind) -> Arc<PoolTransaction> {
    let plain = transfer(nonce, fee, tip.min(fee));
    of(
        sender,
        match kind {
            Kind::Plain => plain,
            Kind::Blob => blob_transfer(nonce, fee, tip.min(fee), 1 + tip),
            Kind::SetCode(authority) => {
                let mut item = Authorization { chain_id: U256::from(CHAIN_ID), ..Authorization::default() };
                item.sign(&key(authority)).expect("a valid key");
                let authorization_list = vec![item];
                Transaction { tx_type: TxType::SetCode, gas_limit: 60_000, authorization_list, ..plain }
            }
        },
    )
}

impl Event {
    fn happen(&self, chain: &mut Chain) {
        match *self {
            Self::Add(sender, ahead, fee, tip, kind) => {
                let nonce = chain.accounts[&sender].0 + ahead;
                let transaction = transaction(sender, nonce, fee, tip, kind);
                let result = chain.add(&transaction);
                assert!(result.is_err() || chain.pool.contains(&transaction.hash));
            }
            Self::Mine(count, other) => {
                let mut taken: Vec<_> = chain.pool.best(BASE_FEE, U256::ONE).take(count).collect();
                if let Some(sender) = other {
                    taken.retain(|transaction| transaction.sender != address(sender));
                    taken.push(transaction(sender, chain.accounts[&sender].0, 1_000, 0, Kind::Plain));
                }
                chain.mine(&taken);
            }
            Self::Reorg(depth, is_shorter) => {
                let removed = chain.unwind(depth);
                let kept = removed.len().saturating_sub(usize::from(is_shorter));
                let added: Vec<Arc<ChainBlock>> = (0..kept).map(|_| chain.extend(BASE_FEE, &[])).collect();
                chain.follow(removed, added);
            }
            Self::Balance(sender, balance) => {
                chain.accounts.entry(sender).or_insert((0, 0, Bytes::new())).1 = balance;
                chain.mine(&[]);
            }
            Self::Remove(index) => {
                let content = chain.pool.content();
                let mut all = content.pending.values().chain(content.queued.values()).flat_map(|list| list.values());
                if let Some(transaction) = all.nth(index) {
                    assert!(chain.pool.remove(&transaction.hash));
                }
            }
            Self::BaseFee(fee) => chain.mine_with_base_fee(fee, &[]),
            Self::Recheck => chain.pool.recheck_with_reader(&chain.state()),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens(is_tight in any::<bool>(), events in proptest::collection::vec(events(), 1..80)) {
        let blob_bytes = sidecar().byte_length();
        let config = if is_tight {
            PoolConfig {
                max_pending: 7,
                max_queued: 4,
                max_per_account: 4,
                max_bytes: 1_000,
                max_blob_bytes: 2 * blob_bytes,
                max_mined_blob_bytes: blob_bytes,
                queued_lifetime_heads: 4,
                ..PoolConfig::default()
            }
        } else {
            PoolConfig::default()
        };
        let mut chain = Chain::new(config);
        for event in &events {
            event.happen(&mut chain);
            chain.check();
        }
        chain.pool.clear();
        chain.check();
    }
}
