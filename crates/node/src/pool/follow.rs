//! How the pool follows the head.
//!
//! In two steps, so that state is never read under the lock. [`PoolState::plan`] says whose accounts are worth reading;
//! then the caller reads them; then [`PoolState::apply`] changes everything at once.
//!
//! **Which accounts are read.** All, if the pool has at most [`RECHECKED_SENDERS`] senders, or after a reorg, or where the
//! rules change. Otherwise those that the added blocks touch: senders and authorities of authorizations (EIP-7702); those
//! that have a delegation or an authorization here, or whose state is uncertain; and of the others as many as that
//! constant, in turn. This is safe: an account that sends nothing, and has no delegation, keeps its nonce and can only gain
//! balance, so what is pending stays executable; at worst a transaction that waits for balance waits a few blocks longer.
//!
//! **What becomes of a transaction.** One whose nonce is used is gone, mined or not (blobs stay for a while, see
//! [`super::blobs`]); so is one that its sender could not pay even alone, that needs more gas than a block has, or that new
//! rules forbid; and one that was queued for too many heads. Transactions of removed blocks come back, unless their block
//! was removed by a very deep reorg, their blobs are gone or their nonce is taken. Then worth, order and limits are
//! established anew under the new fees.

use super::account::{Account, Entry, SenderState};
use super::fees::{NextBlock, Worth};
use super::state::PoolState;
use super::validate::{authorities, check_form, entry_of, read_sender};
use super::{PoolConfig, PoolError};
use crate::{ChainBlock, HeadChange, PoolTransaction};
use alloy_primitives::{Address, B256};
use rialto_state::StateReader;
use rialto_stf::TxType;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Senders that are read at each head although nothing is known to have touched them.
const RECHECKED_SENDERS: usize = 1024;
/// Removed blocks whose transactions come back.
const REINJECTED_BLOCKS: usize = 64;
/// Added blocks whose senders' nonces are remembered until the next head.
const REMEMBERED_BLOCKS: usize = 16;

/// What following a head takes.
pub(crate) struct Plan {
    next: NextBlock,
    /// Accounts to read.
    pub(crate) senders: BTreeSet<Address>,
    /// Transactions of removed blocks, oldest first.
    returning: Vec<Arc<PoolTransaction>>,
    /// Nonces after the added blocks' transactions.
    nonces: HashMap<Address, u64>,
    /// Last account whose turn it was.
    recheck_cursor: Address,
    /// 1, or 0 where only accounts are read again.
    new_heads: u64,
    /// Heads followed when this was planned.
    heads: u64,
}

/// What was read of a sender: its account, nothing for a contract, an error for a state that can't be read.
type Read = Result<Option<SenderState>, PoolError>;

/// Reads the senders of a plan.
pub(crate) fn read_senders(plan: &Plan, state: &dyn StateReader, allows_contracts: bool) -> BTreeMap<Address, Read> {
    let read = |sender: &Address| match read_sender(state, *sender, allows_contracts) {
        Ok(account) => Ok(Some(account)),
        Err(PoolError::Invalid(_)) => Ok(None),
        Err(error) => Err(error),
    };
    plan.senders.iter().map(|sender| (*sender, read(sender))).collect()
}

impl PoolState {
    /// What is to be read and done at a new head.
    pub(crate) fn plan(&self, change: &HeadChange) -> Plan {
        let next = NextBlock::after(&self.spec, &change.head.block.header);
        let returning = self.returning(change);
        let is_advance = next.number == self.next.number.saturating_add(change.added.len() as u64);
        let reads_all = self.accounts.len() <= RECHECKED_SENDERS
            || !change.removed.is_empty()
            || !is_advance
            || next.rules.fork != self.next.rules.fork;
        let mut senders: BTreeSet<Address> = returning.iter().map(|transaction| transaction.sender).collect();
        let mut recheck_cursor = self.recheck_cursor;
        if reads_all {
            senders.extend(self.accounts.keys());
        } else {
            let touched = change.added.iter().flat_map(|block| self.touched_by(block));
            senders.extend(touched.filter(|sender| self.accounts.contains_key(sender)));
            let is_suspect = |sender: &Address, account: &Account| {
                account.is_state_uncertain || account.state.is_delegated || self.authorities.contains_key(sender)
            };
            let suspects = self.accounts.iter().filter(|(sender, account)| is_suspect(sender, account));
            senders.extend(suspects.map(|(sender, _)| *sender));
            let in_turn = self.accounts.range(recheck_cursor..).chain(&self.accounts).take(RECHECKED_SENDERS);
            let in_turn: Vec<Address> = in_turn.map(|(sender, _)| *sender).collect();
            recheck_cursor = in_turn.last().copied().unwrap_or_default();
            senders.extend(in_turn);
        }
        Plan { next, senders, returning, nonces: nonces_after(change), recheck_cursor, new_heads: 1, heads: self.heads }
    }

    /// What is to be read where the head is the same but accounts may not be.
    pub(crate) fn plan_recheck(&self) -> Plan {
        Plan {
            next: (*self.next).clone(),
            senders: self.accounts.keys().copied().collect(),
            returning: Vec::new(),
            nonces: self.recent_nonces.clone(),
            recheck_cursor: self.recheck_cursor,
            new_heads: 0,
            heads: self.heads,
        }
    }

    /// Accounts whose nonce or balance a block lowered or raised by transactions or authorizations of their own.
    fn touched_by(&self, block: &ChainBlock) -> Vec<Address> {
        let mut touched = block.senders.clone();
        for transaction in &block.block.transactions {
            if transaction.tx_type == TxType::SetCode {
                touched.extend(authorities(transaction, self.spec.chain_id));
            }
        }
        touched
    }

    /// Transactions of removed blocks that are not in added ones, oldest first.
    fn returning(&self, change: &HeadChange) -> Vec<Arc<PoolTransaction>> {
        if change.removed.is_empty() || change.removed.len() > REINJECTED_BLOCKS {
            return Vec::new();
        }
        let added: HashSet<&B256> = change.added.iter().flat_map(|block| &block.transaction_hashes).collect();
        let mut returning = Vec::new();
        for block in change.removed.iter().rev() {
            let rows = block.block.transactions.iter().zip(&block.transaction_hashes).zip(&block.senders);
            for ((transaction, hash), sender) in rows {
                if added.contains(hash) {
                    continue;
                }
                if transaction.tx_type == TxType::Blob {
                    returning.extend(self.blobs.mined_transaction(hash));
                } else {
                    let (transaction, hash, sender) = (transaction.clone(), *hash, *sender);
                    returning.push(Arc::new(PoolTransaction { transaction, hash, sender, sidecar: None }));
                }
            }
        }
        returning
    }

    /// Follows the head, with what was read of its state.
    pub(crate) fn apply(&mut self, plan: Plan, read: &BTreeMap<Address, Read>) {
        if plan.new_heads == 0 && plan.heads != self.heads {
            // A head came meanwhile: what was read is of the one before.
            return;
        }
        let judges_form_again =
            plan.next.rules.fork != self.next.rules.fork || plan.next.gas_limit < self.next.gas_limit;
        self.next = Arc::new(plan.next);
        self.heads += plan.new_heads;
        self.version += 1;
        self.recent_nonces = plan.nonces;
        self.recheck_cursor = plan.recheck_cursor;

        let mut accounts = std::mem::take(&mut self.accounts);
        self.rankings().into_iter().for_each(BTreeSet::clear);
        (self.counts.pending, self.counts.queued) = (0, 0);
        let mut gone = Gone::default();
        for (sender, account) in &mut accounts {
            self.update_state(sender, account, read.get(sender), &mut gone);
            self.drop_impossible(account, judges_form_again, &mut gone);
        }
        self.index_gone(&mut gone);
        for transaction in plan.returning {
            let sender_state = read.get(&transaction.sender).and_then(|read| read.as_ref().ok().copied().flatten());
            let Some(sender_state) = sender_state else { continue };
            let account = accounts.entry(transaction.sender).or_insert_with(|| Account::new(sender_state));
            self.take_back(transaction, account);
        }
        let next = Arc::clone(&self.next);
        for account in accounts.values_mut() {
            account.revalue(|entry| Worth::of(&entry.transaction.transaction, &next));
            account.settle(0, self.heads);
            gone.dropped.extend(account.take_torn_blobs());
            gone.dropped.extend(account.take_excess(self.config.max_per_account));
        }
        self.index_gone(&mut gone);
        accounts.retain(|_, account| !account.is_empty());
        accounts.iter().for_each(|(sender, account)| self.rank(*sender, account));
        self.accounts = accounts;
        self.enforce_limits();
        self.blobs.prune(self.next.number, self.config.max_mined_blob_bytes);
    }

    /// Gives an account its new state and takes out what it has made impossible.
    fn update_state(&self, sender: &Address, account: &mut Account, read: Option<&Read>, gone: &mut Gone) {
        match read {
            Some(Ok(Some(state))) => (account.state, account.is_state_uncertain) = (*state, false),
            Some(Ok(None)) => gone.dropped.extend(account.take_unless(|_, _| false)),
            Some(Err(_)) | None => {
                account.is_state_uncertain |= read.is_some();
                if let Some(nonce) = self.recent_nonces.get(sender) {
                    account.state.nonce = account.state.nonce.max(*nonce);
                    account.is_state_uncertain = true;
                }
            }
        }
        gone.used.extend(account.take_used());
    }

    /// Takes out what can't be paid, what waited too long, and what new rules forbid.
    fn drop_impossible(&self, account: &mut Account, judges_form_again: bool, gone: &mut Gone) {
        let (balance, heads) = (account.state.balance, self.heads);
        let (lifetime_heads, limits) = (self.config.queued_lifetime_heads, unbounded(&self.config));
        let is_valid =
            |entry: &Entry| !judges_form_again || check_form(&entry.transaction, &self.next, &limits).is_ok();
        let is_in_time = |entry: &Entry| entry.is_pending || heads.saturating_sub(entry.queued_since) <= lifetime_heads;
        let keep = |_: u64, entry: &Entry| entry.cost <= balance && is_in_time(entry) && is_valid(entry);
        gone.dropped.extend(account.take_unless(keep));
    }

    /// Takes a transaction of a removed block back, if it may and its nonce is free.
    fn take_back(&mut self, transaction: Arc<PoolTransaction>, account: &mut Account) {
        let nonce = transaction.transaction.nonce;
        let is_blob = transaction.transaction.tx_type == TxType::Blob;
        let is_other_kind = !account.is_empty() && account.has_blobs() != is_blob;
        if nonce < account.state.nonce || account.get(nonce).is_some() || is_other_kind {
            return;
        }
        let Ok(measured) = check_form(&transaction, &self.next, &unbounded(&self.config)) else { return };
        if measured.cost <= account.state.balance {
            let entry = self.numbered(entry_of(transaction, measured, &self.next, self.spec.chain_id));
            account.put(entry);
        }
    }

    fn index_gone(&mut self, gone: &mut Gone) {
        gone.used.drain(..).for_each(|entry| self.unindex(&entry, true));
        gone.dropped.drain(..).for_each(|entry| self.unindex(&entry, false));
    }
}

/// Entries that have left their accounts.
#[derive(Default)]
struct Gone {
    /// Their nonces are used.
    used: Vec<Entry>,
    dropped: Vec<Entry>,
}

/// A transaction that was valid once is judged by the chain's rules, not by limits that concern newcomers.
fn unbounded(config: &PoolConfig) -> PoolConfig {
    PoolConfig { max_transaction_bytes: usize::MAX, min_priority_fee: 0, ..config.clone() }
}

/// Nonces after the transactions of the last added blocks, by sender.
fn nonces_after(change: &HeadChange) -> HashMap<Address, u64> {
    let mut nonces = HashMap::new();
    let first = change.added.len().saturating_sub(REMEMBERED_BLOCKS);
    for block in &change.added[first..] {
        for (transaction, sender) in block.block.transactions.iter().zip(&block.senders) {
            nonces.insert(*sender, transaction.nonce.saturating_add(1));
        }
    }
    nonces
}
