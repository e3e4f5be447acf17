//! What is in the pool, and every index over it.
//!
//! Transactions belong to accounts ([`Account`]); everything else is an index: by hash, by authority, by blob, and three
//! rankings that say whose last transaction goes first when room is needed. A ranking has one key an account, made from the
//! account as it stands, so the only way to change an account is [`PoolState::edit`], which takes its keys out before and
//! puts them back after. Every operation costs O(log n) in the pool, and in the account at most its limit.
//!
//! When the pool is full, the least worth goes: queued transactions and pending ones have room of their own, and where
//! bytes are short queued ones go first. What goes is always the last of its kind of some sender (see [`Account`] for why
//! that is also the worst), so no transaction that waits for another is left without it. A newcomer that is the worst itself
//! goes again at once; equal worth, the earlier stays.

use super::account::{Account, Entry, SenderState};
use super::blobs::BlobIndex;
use super::fees::{NextBlock, Worth};
use super::{PoolConfig, PoolError};
use crate::PoolTransaction;
use alloy_primitives::{Address, B256, U256};
use rialto_stf::{ChainSpec, Transaction, TxError, TxType};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Worst first: worth, later arrival first, account.
type Ranking = BTreeSet<(Worth, Reverse<u64>, Address)>;

/// How much is in the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) pending: usize,
    pub(crate) queued: usize,
    /// Bytes of encoded transactions.
    pub(crate) bytes: usize,
    /// Bytes of sidecars.
    pub(crate) blob_bytes: usize,
}

/// What is in the pool.
#[derive(Debug)]
pub(crate) struct PoolState {
    pub(crate) config: Arc<PoolConfig>,
    pub(crate) spec: Arc<ChainSpec>,
    pub(crate) next: Arc<NextBlock>,
    pub(crate) accounts: BTreeMap<Address, Account>,
    pub(crate) by_hash: HashMap<B256, (Address, u64)>,
    /// How many transactions carry an authorization of an account.
    pub(crate) authorities: HashMap<Address, usize>,
    pub(crate) blobs: BlobIndex,
    /// Accounts by their last pending transaction.
    pub(crate) pending_ranking: Ranking,
    /// Accounts by their last queued transaction.
    pub(crate) queued_ranking: Ranking,
    /// Accounts of blob transactions by their last.
    pub(crate) blob_ranking: Ranking,
    pub(crate) counts: Counts,
    pub(crate) arrivals: u64,
    /// Heads followed.
    pub(crate) heads: u64,
    pub(crate) version: u64,
    /// The nonces after the transactions of the blocks added last, by sender.
    pub(crate) recent_nonces: HashMap<Address, u64>,
    /// The last account whose turn it was to be checked.
    pub(crate) recheck_cursor: Address,
}

impl PoolState {
    pub(crate) fn new(config: PoolConfig, spec: ChainSpec, next: NextBlock) -> Self {
        Self {
            config: Arc::new(config),
            spec: Arc::new(spec),
            next: Arc::new(next),
            accounts: BTreeMap::new(),
            by_hash: HashMap::new(),
            authorities: HashMap::new(),
            blobs: BlobIndex::default(),
            pending_ranking: Ranking::new(),
            queued_ranking: Ranking::new(),
            blob_ranking: Ranking::new(),
            counts: Counts::default(),
            arrivals: 0,
            heads: 0,
            version: 0,
            recent_nonces: HashMap::new(),
            recheck_cursor: Address::ZERO,
        }
    }

    /// An empty pool on the same head, whose versions go on.
    pub(crate) fn cleared(&self) -> Self {
        let mut cleared = Self::new((*self.config).clone(), (*self.spec).clone(), (*self.next).clone());
        (cleared.heads, cleared.arrivals, cleared.version) = (self.heads, self.arrivals, self.version + 1);
        cleared.recent_nonces.clone_from(&self.recent_nonces);
        cleared
    }

    /// The transaction with this hash.
    pub(crate) fn get(&self, hash: &B256) -> Option<&Arc<PoolTransaction>> {
        let (sender, nonce) = self.by_hash.get(hash)?;
        Some(&self.accounts.get(sender)?.get(*nonce)?.transaction)
    }

    /// Which state to judge a sender by, of which a reader says `read`: the reader's if it is of this head, else what is
    /// known here. And whether that is uncertain.
    pub(crate) fn sender_state(&self, sender: &Address, read: SenderState, is_of_head: bool) -> (SenderState, bool) {
        if is_of_head {
            return (read, false);
        }
        match self.accounts.get(sender) {
            Some(account) => (account.state, true),
            None => {
                let nonce = self.recent_nonces.get(sender).map_or(read.nonce, |nonce| read.nonce.max(*nonce));
                (SenderState { nonce, ..read }, true)
            }
        }
    }

    /// Whether the rules between transactions let this one in.
    pub(crate) fn admit(&self, entry: &Entry, sender_state: &SenderState) -> Result<(), PoolError> {
        let (hash, sender) = (entry.transaction.hash, entry.transaction.sender);
        if self.by_hash.contains_key(&hash) {
            return Err(PoolError::AlreadyKnown);
        }
        let transaction = &entry.transaction.transaction;
        super::validate::check_sender(transaction, entry.cost, sender_state)?;
        let none = Account::default();
        let account = self.accounts.get(&sender).unwrap_or(&none);
        let is_blob = entry.blob_bytes > 0;
        if !account.is_empty() && account.has_blobs() != is_blob {
            return Err(PoolError::Refused(format!(
                "address already reserved: {sender} has transactions {} blobs here, expected another of that kind",
                if is_blob { "without" } else { "with" }
            )));
        }
        let replaced = account.get(transaction.nonce);
        if let Some(replaced) = replaced {
            check_replacement(&replaced.transaction.transaction, transaction, &self.config)?;
        }
        if is_blob {
            check_blob_sequence(account, entry, sender_state)?;
        }
        let limit = self.config.max_per_account;
        let is_last = account.last().is_none_or(|last| last.transaction.transaction.nonce < transaction.nonce);
        if replaced.is_none() && is_last && account.len() >= limit {
            return Err(PoolError::AccountLimit { limit });
        }
        self.check_delegation(account, entry, sender_state)
    }

    /// An account with a delegation, or an authorization of one here, could lose its balance to another transaction at any
    /// time: it may have one transaction here, and whose authorizations come here may have sent one.
    fn check_delegation(&self, account: &Account, entry: &Entry, sender_state: &SenderState) -> Result<(), PoolError> {
        let nonce = entry.transaction.transaction.nonce;
        if sender_state.is_delegated || self.authorities.contains_key(&entry.transaction.sender) {
            let is_pending = |entry: &Entry| entry.is_pending;
            if account.pending_len() == 0 && nonce != sender_state.nonce {
                let expected = sender_state.nonce;
                return Err(PoolError::Refused(format!(
                    "gapped-nonce tx from delegated accounts: nonce: expected {expected}, found {nonce}"
                )));
            }
            if account.pending_len() > 0 && !account.get(nonce).is_some_and(is_pending) {
                return Err(PoolError::Refused(format!(
                    "in-flight transaction limit reached for delegated accounts: expected at most 1 of {}",
                    entry.transaction.sender
                )));
            }
        }
        for authority in &entry.authorities {
            if self.accounts.get(authority).is_some_and(|account| account.len() > 1 || account.has_blobs()) {
                return Err(PoolError::Refused(format!(
                    "authority already reserved: expected at most 1 transaction of {authority}, found more, or blobs"
                )));
            }
        }
        Ok(())
    }

    /// Takes in what was admitted, and drops what there is no room for, which may be the newcomer. Gives what it replaced.
    pub(crate) fn insert(&mut self, entry: Entry, state: SenderState, is_uncertain: bool) -> Option<Entry> {
        let (sender, nonce) = (entry.transaction.sender, entry.transaction.transaction.nonce);
        let entry = self.numbered(entry);
        let (heads, limit) = (self.heads, self.config.max_per_account);
        let (replaced, mut dropped, stale) = self.edit(sender, |account| {
            let first_changed = if account.state == state { nonce } else { 0 };
            account.state = state;
            account.is_state_uncertain = is_uncertain;
            let stale = account.take_used();
            let replaced = account.put(entry);
            account.settle(first_changed, heads);
            let mut dropped = account.take_torn_blobs();
            dropped.extend(account.take_excess(limit));
            (replaced, dropped, stale)
        });
        self.version += 1;
        stale.iter().for_each(|entry| self.unindex(entry, true));
        dropped.extend(replaced.clone());
        dropped.iter().for_each(|entry| self.unindex(entry, false));
        self.enforce_limits();
        replaced
    }

    /// Indexes an entry that is about to be put into its account.
    pub(crate) fn numbered(&mut self, entry: Entry) -> Entry {
        let entry = Entry { arrival: self.arrivals, queued_since: self.heads, ..entry };
        self.arrivals += 1;
        let transaction = &entry.transaction;
        self.by_hash.insert(transaction.hash, (transaction.sender, transaction.transaction.nonce));
        self.counts.bytes += entry.bytes;
        self.counts.blob_bytes += entry.blob_bytes;
        for authority in &entry.authorities {
            *self.authorities.entry(*authority).or_default() += 1;
        }
        if entry.blob_bytes > 0 {
            self.blobs.insert(transaction);
        }
        entry
    }

    /// Takes an entry that has left its account out of the indexes. Blobs of one that may have been mined stay for a while.
    pub(crate) fn unindex(&mut self, entry: &Entry, may_be_mined: bool) {
        let hash = entry.transaction.hash;
        self.by_hash.remove(&hash);
        self.counts.bytes -= entry.bytes;
        self.counts.blob_bytes -= entry.blob_bytes;
        for authority in &entry.authorities {
            if let Some(count) = self.authorities.get_mut(authority) {
                *count -= 1;
                if *count == 0 {
                    self.authorities.remove(authority);
                }
            }
        }
        if entry.blob_bytes > 0 && may_be_mined {
            self.blobs.mined(hash, self.next.number, self.config.max_mined_blob_bytes);
        } else if entry.blob_bytes > 0 {
            self.blobs.remove(&hash);
        }
    }

    /// Changes an account, keeping the rankings right. Afterwards it must be settled.
    pub(crate) fn edit<R>(&mut self, sender: Address, change: impl FnOnce(&mut Account) -> R) -> R {
        let mut account = self.accounts.remove(&sender).unwrap_or_default();
        for (ranking, key) in self.rankings().into_iter().zip(rank_keys(&account, sender)) {
            if let Some(key) = key {
                ranking.remove(&key);
            }
        }
        self.counts.pending -= account.pending_len();
        self.counts.queued -= account.queued_len();
        let result = change(&mut account);
        self.rank(sender, &account);
        if !account.is_empty() {
            self.accounts.insert(sender, account);
        }
        result
    }

    /// Puts an account into the rankings and the counts.
    pub(crate) fn rank(&mut self, sender: Address, account: &Account) {
        for (ranking, key) in self.rankings().into_iter().zip(rank_keys(account, sender)) {
            if let Some(key) = key {
                ranking.insert(key);
            }
        }
        self.counts.pending += account.pending_len();
        self.counts.queued += account.queued_len();
    }

    pub(crate) fn rankings(&mut self) -> [&mut Ranking; 3] {
        [&mut self.pending_ranking, &mut self.queued_ranking, &mut self.blob_ranking]
    }

    /// Drops the worst until everything is within its limit.
    pub(crate) fn enforce_limits(&mut self) {
        let config = Arc::clone(&self.config);
        loop {
            let counts = self.counts;
            let (ranking, is_pending) = if counts.pending > config.max_pending {
                (&self.pending_ranking, true)
            } else if counts.queued > config.max_queued {
                (&self.queued_ranking, false)
            } else if counts.blob_bytes > config.max_blob_bytes {
                (&self.blob_ranking, true)
            } else if counts.bytes > config.max_bytes && counts.queued > 0 {
                (&self.queued_ranking, false)
            } else if counts.bytes > config.max_bytes {
                (&self.pending_ranking, true)
            } else {
                return;
            };
            let Some(&(_, _, sender)) = ranking.first() else { return };
            self.drop_last(sender, is_pending);
        }
    }

    /// Drops the last pending, or the last queued, transaction of an account.
    fn drop_last(&mut self, sender: Address, is_pending: bool) {
        let heads = self.heads;
        let dropped = self.edit(sender, |account| {
            let entry = if is_pending { account.last_pending() } else { account.last() };
            let nonce = entry?.transaction.transaction.nonce;
            let dropped = account.take(nonce);
            account.settle(nonce, heads);
            dropped
        });
        self.version += 1;
        dropped.iter().for_each(|entry| self.unindex(entry, false));
    }

    /// Drops the transaction with this hash. What follows it waits; blob transactions that follow it go too.
    pub(crate) fn remove(&mut self, hash: &B256) -> bool {
        let Some(&(sender, nonce)) = self.by_hash.get(hash) else { return false };
        let heads = self.heads;
        let dropped = self.edit(sender, |account| {
            let taken = account.take(nonce);
            account.settle(nonce, heads);
            let mut dropped = account.take_torn_blobs();
            dropped.extend(taken);
            dropped
        });
        dropped.iter().for_each(|entry| self.unindex(entry, false));
        self.version += 1;
        self.enforce_limits();
        true
    }
}

/// Keys of an account in the three rankings.
pub(crate) fn rank_keys(account: &Account, sender: Address) -> [Option<(Worth, Reverse<u64>, Address)>; 3] {
    let key = |entry: &Entry| (entry.prefix_worth, Reverse(entry.arrival), sender);
    let pending = account.last_pending().map(key);
    let queued = account.last().filter(|_| account.queued_len() > 0).map(key);
    [pending, queued, pending.filter(|_| account.has_blobs())]
}

/// A replacement has to raise every fee by a share of the old one, so that a nonce can't be sent around the network for free.
fn check_replacement(old: &Transaction, new: &Transaction, config: &PoolConfig) -> Result<(), PoolError> {
    let is_blob = old.tx_type == TxType::Blob;
    let bump = if is_blob { config.blob_price_bump_percent } else { config.price_bump_percent };
    let fees = |transaction: &Transaction| {
        [transaction.gas_price, super::fees::priority_fee(transaction), transaction.max_fee_per_blob_gas]
    };
    let is_raised = |(old, new): (U256, U256)| {
        let least = old.saturating_mul(U256::from(100 + u128::from(bump))).div_ceil(U256::from(100));
        new >= least && (new > old || bump == 0)
    };
    let count = if is_blob { 3 } else { 2 };
    match fees(old).into_iter().zip(fees(new)).take(count).all(is_raised) {
        true => Ok(()),
        false => Err(PoolError::ReplacementUnderpriced),
    }
}

/// Blob transactions are dear to keep, so each must be executable: no gap before it, and all of them paid for.
fn check_blob_sequence(account: &Account, entry: &Entry, sender_state: &SenderState) -> Result<(), PoolError> {
    let nonce = entry.transaction.transaction.nonce;
    let first_free = account.last().map_or(0, |last| last.transaction.transaction.nonce.saturating_add(1));
    let expected = first_free.max(sender_state.nonce);
    if nonce > expected {
        return Err(TxError::NonceTooHigh { expected, found: nonce }.into());
    }
    let kept = account.entries().filter(|(kept, _)| *kept >= sender_state.nonce && *kept != nonce);
    let required = kept.fold(entry.cost, |sum, (_, kept)| sum.saturating_add(kept.cost));
    if required > sender_state.balance {
        return Err(TxError::InsufficientFunds { required, available: sender_state.balance }.into());
    }
    Ok(())
}
