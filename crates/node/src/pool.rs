//! Transactions that wait for a block.
//!
//! A transaction that is taken in is either **pending**, executable by its nonce and its sender's balance after the sender's
//! other ones, or **queued**, waiting for a nonce or for balance. A fee cap below the next base fee does not make it queued;
//! the builder just does not get it. What is asked of a newcomer is in `validate` and `state`, how blobs travel in
//! `sidecar`, what happens at a new head in `follow`, what is dropped when room is short in `state`, and in which order
//! builders get transactions in `order`.
//!
//! Rules of the pool that are not the protocol's: a replacement raises every fee by a share; an account has a limited number
//! of transactions, with a delegation (EIP-7702) one; an account has blob transactions or others, not both at a time, and
//! blob transactions without gaps, all of them paid for.
//!
//! One lock guards the pool. It is held for operations in memory only: state is read, signatures recovered and proofs verified
//! outside of it.

mod account;
mod blobs;
mod error;
mod fees;
mod follow;
mod order;
mod sidecar;
mod state;
#[cfg(test)]
mod tests;
mod transaction;
mod validate;

use crate::{HeadChange, StateView};
use alloy_primitives::{Address, B256, U256};
use rialto_state::StateReader;
use rialto_stf::{ChainSpec, Header, TxType};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use error::PoolError;
pub use order::BestTransactions;
pub use sidecar::BlobSidecar;
pub use transaction::PoolTransaction;

use account::Entry;
use fees::{NextBlock, Worth};
use state::PoolState;

/// The pool's limits.
#[derive(Clone, Debug)]
pub struct PoolConfig {
    /// Most transactions that could go into the next block.
    pub max_pending: usize,
    /// Most transactions that wait for a nonce or a balance.
    pub max_queued: usize,
    /// Most transactions of one account.
    pub max_per_account: usize,
    /// By how many per cent a replacement has to raise both fees.
    pub price_bump_percent: u64,
    /// The same for blob transactions.
    pub blob_price_bump_percent: u64,
    /// Lowest priority fee taken in, wei per gas.
    pub min_priority_fee: u64,
    /// Most bytes of a transaction without blobs.
    pub max_transaction_bytes: usize,
    /// Most bytes of all transactions without blobs.
    pub max_bytes: usize,
    /// Most bytes of all blobs with their proofs.
    pub max_blob_bytes: usize,
    /// Most bytes of blobs that are kept after their transactions were mined.
    pub max_mined_blob_bytes: usize,
    /// Heads after which a queued transaction is dropped.
    pub queued_lifetime_heads: u64,
    /// Dev mode: contracts may send (EIP-3607 says they may not), for who impersonates one.
    pub allows_contract_senders: bool,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            max_pending: 10_000,
            max_queued: 10_000,
            max_per_account: 64,
            price_bump_percent: 10,
            blob_price_bump_percent: 100,
            min_priority_fee: 0,
            max_transaction_bytes: 128 << 10,
            max_bytes: 160 << 20,
            max_blob_bytes: 256 << 20,
            max_mined_blob_bytes: 128 << 20,
            queued_lifetime_heads: 900,
            allows_contract_senders: false,
        }
    }
}

/// Transactions by sender and nonce.
#[derive(Clone, Debug, Default)]
pub struct PoolContent {
    /// Those that could go into the next block, by sender and nonce.
    pub pending: BTreeMap<Address, BTreeMap<u64, Arc<PoolTransaction>>>,
    /// Those that wait for something.
    pub queued: BTreeMap<Address, BTreeMap<u64, Arc<PoolTransaction>>>,
}

/// Transactions that wait for a block. `Send + Sync`, with a lock of its own inside.
pub struct Pool {
    state: Mutex<PoolState>,
}

impl Pool {
    /// An empty pool on this head.
    pub fn new(config: PoolConfig, spec: ChainSpec, head: Header) -> Self {
        let next = NextBlock::after(&spec, &head);
        Self { state: Mutex::new(PoolState::new(config, spec, next)) }
    }

    /// A panic elsewhere while the lock was held must not end the pool: at worst a count is off.
    fn lock(&self) -> MutexGuard<'_, PoolState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Checks a transaction against the latest state and takes it in. Gives what it replaced.
    pub fn add(
        &self,
        transaction: Arc<PoolTransaction>,
        state: &StateView,
    ) -> Result<Option<Arc<PoolTransaction>>, PoolError> {
        self.add_with_reader(transaction, state, state.root())
    }

    /// The same with any reader, of a state with this root.
    pub(crate) fn add_with_reader(
        &self,
        transaction: Arc<PoolTransaction>,
        reader: &dyn StateReader,
        state_root: B256,
    ) -> Result<Option<Arc<PoolTransaction>>, PoolError> {
        let (hash, sender) = (transaction.hash, transaction.sender);
        let (config, spec, next) = {
            let state = self.lock();
            if state.by_hash.contains_key(&hash) {
                return Err(PoolError::AlreadyKnown);
            }
            (Arc::clone(&state.config), Arc::clone(&state.spec), Arc::clone(&state.next))
        };
        let measured = validate::check_form(&transaction, &next, &config)?;
        let sender_state = validate::read_sender(reader, sender, config.allows_contract_senders)?;
        validate::check_sender(&transaction.transaction, measured.cost, &sender_state)?;
        let entry = validate::entry_of(Arc::clone(&transaction), measured, &next, spec.chain_id);
        if let (TxType::Blob, Some(sidecar)) = (transaction.transaction.tx_type, &transaction.sidecar) {
            // Proofs are dear to verify: not for a transaction that does not get in anyway.
            self.lock().admit(&entry, &sender_state)?;
            sidecar.verify_proofs()?;
        }

        let mut state = self.lock();
        let is_of_head = state_root == state.next.parent_state_root;
        if !Arc::ptr_eq(&state.next, &next) {
            validate::check_form(&transaction, &state.next, &config)?;
        }
        let entry = Entry { worth: Worth::of(&transaction.transaction, &state.next), ..entry };
        let (sender_state, is_uncertain) = state.sender_state(&sender, sender_state, is_of_head);
        state.admit(&entry, &sender_state)?;
        let replaced = state.insert(entry, sender_state, is_uncertain);
        if !state.by_hash.contains_key(&hash) {
            return Err(PoolError::Underpriced);
        }
        Ok(replaced.map(|entry| entry.transaction))
    }

    /// Follows a new head: drops what was mined or became impossible, takes back what was in removed blocks, sorts again by
    /// the next block's base fee. `state` is the head's.
    pub fn follow(&self, change: &HeadChange, state: &StateView) {
        self.follow_with_reader(change, state);
    }

    /// The same with any reader.
    pub(crate) fn follow_with_reader(&self, change: &HeadChange, reader: &dyn StateReader) {
        let (plan, allows_contracts) = {
            let state = self.lock();
            (state.plan(change), state.config.allows_contract_senders)
        };
        let read = follow::read_senders(&plan, reader, allows_contracts);
        self.lock().apply(plan, &read);
    }

    /// Reads all senders again, for where accounts change outside of blocks (dev mode). `state` is the head's with what changed.
    pub fn recheck(&self, state: &StateView) {
        self.recheck_with_reader(state);
    }

    /// The same with any reader.
    pub(crate) fn recheck_with_reader(&self, reader: &dyn StateReader) {
        let (plan, allows_contracts) = {
            let state = self.lock();
            (state.plan_recheck(), state.config.allows_contract_senders)
        };
        let read = follow::read_senders(&plan, reader, allows_contracts);
        self.lock().apply(plan, &read);
    }

    /// Pending transactions for a block with these fees (wei per gas), best first.
    pub fn best(&self, base_fee: u64, blob_base_fee: U256) -> BestTransactions {
        let runs: Vec<_> = self.lock().accounts.values_mut().map(|account| account.ranked()).collect();
        BestTransactions::new(base_fee, blob_base_fee, runs.into_iter())
    }

    /// The transaction with this hash.
    pub fn get(&self, hash: &B256) -> Option<Arc<PoolTransaction>> {
        self.lock().get(hash).cloned()
    }

    /// Whether the transaction with this hash is here.
    pub fn contains(&self, hash: &B256) -> bool {
        self.lock().by_hash.contains_key(hash)
    }

    /// The blob with this versioned hash, with its commitment and proofs (`engine_getBlobs`): the sidecar and its index there.
    /// Blobs of mined transactions are known for some blocks more.
    pub fn blob(&self, versioned_hash: &B256) -> Option<(Arc<BlobSidecar>, usize)> {
        self.lock().blobs.get(versioned_hash)
    }

    /// Numbers of pending and queued transactions.
    pub fn status(&self) -> (usize, usize) {
        let counts = self.lock().counts;
        (counts.pending, counts.queued)
    }

    /// All transactions.
    pub fn content(&self) -> PoolContent {
        let state = self.lock();
        let mut content = PoolContent::default();
        for (sender, account) in &state.accounts {
            content.put(*sender, account);
        }
        content
    }

    /// The transactions of one sender.
    pub fn content_of(&self, sender: &Address) -> PoolContent {
        let mut content = PoolContent::default();
        if let Some(account) = self.lock().accounts.get(sender) {
            content.put(*sender, account);
        }
        content
    }

    /// The nonce after the sender's pending transactions, if it has any.
    pub fn next_nonce(&self, sender: &Address) -> Option<u64> {
        let state = self.lock();
        let account = state.accounts.get(sender).filter(|account| account.pending_len() > 0)?;
        Some(account.next_nonce())
    }

    /// A number that changes whenever the pool does.
    pub fn version(&self) -> u64 {
        self.lock().version
    }

    /// Dev mode: drops a transaction.
    pub fn remove(&self, hash: &B256) -> bool {
        self.lock().remove(hash)
    }

    /// Dev mode: drops all.
    pub fn clear(&self) {
        let mut state = self.lock();
        let cleared = state.cleared();
        *state = cleared;
    }
}

impl PoolContent {
    fn put(&mut self, sender: Address, account: &account::Account) {
        for (nonce, entry) in account.entries() {
            let part = if entry.is_pending { &mut self.pending } else { &mut self.queued };
            part.entry(sender).or_default().insert(nonce, Arc::clone(&entry.transaction));
        }
    }
}
