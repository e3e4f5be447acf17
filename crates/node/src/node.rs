//! The node: a store, a pool, and the order in which the chain changes.
//!
//! One lock, the writer's, is held by whoever changes the chain: it executes on a view, commits to the store, and only then
//! replaces the current view. Reading takes no part in this: a [`ChainView`] is whatever was current when it was made. So a
//! block that anybody has seen is on the disk, and a process that dies at any instant leaves the chain as one of the
//! views that it showed.
//!
//! What drives the chain is outside: a consensus client through the Engine API ([`Node::insert_payload`],
//! [`Node::set_forkchoice`], [`Node::start_payload`], [`Node::payload`]), a file of blocks ([`Node::import`]), or dev mode's
//! miner ([`Node::mine`]). Another consensus engine uses the same methods; `stf` knows of none of them.

use crate::cache::Caches;
use crate::payloads::Payloads;
use crate::tree::Tree;
use crate::view::Current;
use crate::{
    BlockId, ChainBlock, ChainView, HeadChange, NodeConfig, NodeError, NodeStats, PayloadAttributes, Pool, PoolError,
    PoolTransaction, codec,
};
use alloy_primitives::B256;
use rialto_state::{Diff, StateReader};
use rialto_stf::json::{JsonCursor, parse};
use rialto_stf::{Block, ChainSpec, Genesis};
use rialto_store::{Snapshot, Store, StoreError};
use rialto_trie::StateTrie;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use tokio::sync::broadcast;

/// Names a payload that is being built.
pub type PayloadId = [u8; 8];

/// Events that a receiver may lag behind before it loses some.
const EVENTS: usize = 1 << 12;
/// Most hashes of blocks that are known not to be valid.
const MAX_INVALID: usize = 1 << 10;
/// Trie nodes that are kept in memory from block to block.
const MAX_LOADED_NODES: usize = 400_000;

/// What became of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadStatus {
    /// It is valid.
    Valid,
    /// It is not; the nearest valid ancestor, zero where that is a block of proof of work.
    Invalid {
        /// The nearest valid ancestor.
        latest_valid_hash: Option<B256>,
        /// Why.
        error: String,
    },
    /// An ancestor is not known.
    Syncing,
}

/// What became of a new head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForkchoiceStatus {
    /// It is the head, or an ancestor of it.
    Valid,
    /// It is not known.
    Syncing,
    /// It is known not to be valid.
    Invalid {
        /// The nearest valid ancestor.
        latest_valid_hash: Option<B256>,
        /// Why.
        error: String,
    },
    /// `safe` or `finalized` is not an ancestor of the head.
    Inconsistent,
}

/// A block that is known not to be valid.
#[derive(Clone)]
pub(crate) struct Invalid {
    pub latest_valid_hash: Option<B256>,
    pub error: String,
}

/// What the block after this one would have in its header.
pub(crate) type NextAttributes = Box<dyn Fn(&ChainBlock) -> PayloadAttributes + Send + Sync>;

/// What belongs to whoever changes the chain.
#[derive(Default)]
pub(crate) struct Writer {
    /// The tries after the block with this hash, with the nodes that were used lately.
    pub trie: Option<(B256, StateTrie)>,
    invalid: HashMap<B256, Invalid>,
    invalid_order: VecDeque<B256>,
}

impl Writer {
    /// The tries after a block, whose root is `root`.
    pub fn take_trie(&mut self, hash: &B256, root: B256) -> StateTrie {
        match self.trie.take() {
            Some((of, trie)) if of == *hash && trie.loaded_nodes() <= MAX_LOADED_NODES => trie,
            _ => StateTrie::from_root(root),
        }
    }

    pub fn invalid(&self, hash: &B256) -> Option<&Invalid> {
        self.invalid.get(hash)
    }

    pub fn note_invalid(&mut self, hash: B256, invalid: Invalid) {
        if self.invalid.insert(hash, invalid).is_none() {
            self.invalid_order.push_back(hash);
        }
        while self.invalid_order.len() > MAX_INVALID {
            if let Some(oldest) = self.invalid_order.pop_front() {
                self.invalid.remove(&oldest);
            }
        }
    }
}

/// See the crate's documentation.
pub struct Node {
    pub(crate) config: NodeConfig,
    pub(crate) spec: ChainSpec,
    genesis_document: Vec<u8>,
    pub(crate) store: Store,
    pub(crate) writer: Mutex<Writer>,
    current: RwLock<Arc<Current>>,
    caches: Arc<Caches>,
    pub(crate) pool: Pool,
    pub(crate) payloads: Mutex<Payloads>,
    heads: broadcast::Sender<Arc<HeadChange>>,
    transactions: broadcast::Sender<Arc<PoolTransaction>>,
    stats: NodeStats,
    /// Dev mode: what the next block's header will have.
    pub(crate) next_attributes: OnceLock<NextAttributes>,
}

impl Node {
    /// Opens or begins the chain.
    pub fn open(config: NodeConfig) -> Result<Arc<Self>, NodeError> {
        let store = match &config.datadir {
            Some(datadir) => Store::open(datadir, config.store)?,
            None => Store::in_memory(config.store)?,
        };
        let stored = store.chain_document()?;
        let document = config.genesis.clone().or(stored).ok_or(StoreError::NotInitialised)?;
        let genesis = read_genesis(&document)?;
        if config.genesis.is_some() {
            begin(&store, &genesis, &document)?;
        }
        let spec = genesis.chain;
        let caches = Arc::new(Caches::new());
        let current = open_current(&store, &caches)?;
        let pool = Pool::new(config.pool.clone(), spec.clone(), current.head.block.header.clone());
        Ok(Arc::new(Self {
            config,
            spec,
            genesis_document: document,
            store,
            writer: Mutex::default(),
            current: RwLock::new(Arc::new(current)),
            caches,
            pool,
            payloads: Mutex::default(),
            heads: broadcast::channel(EVENTS).0,
            transactions: broadcast::channel(EVENTS).0,
            stats: NodeStats::default(),
            next_attributes: OnceLock::new(),
        }))
    }

    /// How it was set up.
    pub fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// The chain's rules.
    pub fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// The `genesis.json` that the chain began with.
    pub fn genesis_document(&self) -> &[u8] {
        &self.genesis_document
    }

    /// The pool.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// What it has counted since it was opened.
    pub fn stats(&self) -> &NodeStats {
        &self.stats
    }

    /// The chain as it is now.
    pub fn view(&self) -> Result<ChainView, NodeError> {
        Ok(self.current_view())
    }

    pub(crate) fn current_view(&self) -> ChainView {
        let current = Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner));
        ChainView { current, caches: Arc::clone(&self.caches) }
    }

    /// Shows what was committed to everyone who looks from now on.
    pub(crate) fn show(&self, current: Current) -> ChainView {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(current);
        self.current_view()
    }

    /// Waits until nobody else changes the chain. A writer that panicked had committed all or nothing, so that what it left is
    /// a chain; what it had in memory only is dropped.
    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(|poisoned| {
            self.writer.clear_poison();
            let mut writer = poisoned.into_inner();
            *writer = Writer::default();
            writer
        })
    }

    /// Every change of the head, after the pool has followed it. A receiver that is too slow loses events and is told so.
    pub fn subscribe_heads(&self) -> broadcast::Receiver<Arc<HeadChange>> {
        self.heads.subscribe()
    }

    /// Every transaction that the pool takes in.
    pub fn subscribe_transactions(&self) -> broadcast::Receiver<Arc<PoolTransaction>> {
        self.transactions.subscribe()
    }

    /// Tells the subscribers. That nobody listens is no error.
    pub(crate) fn announce(&self, change: HeadChange) {
        if !change.removed.is_empty() {
            self.stats.reorgs.fetch_add(1, Ordering::Relaxed);
        }
        let head = &change.head;
        tracing::info!(
            number = head.block.header.number,
            hash = %head.hash,
            transactions = head.block.transactions.len(),
            gas_used = head.block.header.gas_used,
            removed = change.removed.len(),
            "new head"
        );
        let _ = self.heads.send(Arc::new(change));
    }

    /// Checks a transaction and puts it into the pool.
    pub fn submit(&self, transaction: PoolTransaction) -> Result<B256, PoolError> {
        let state = self.current_view().state(BlockId::Latest)?;
        let state = state.ok_or_else(|| PoolError::Node("state of the head: expected to be there".into()))?;
        let transaction = Arc::new(transaction);
        let hash = transaction.hash;
        self.pool.add(Arc::clone(&transaction), &state)?;
        let _ = self.transactions.send(transaction);
        Ok(hash)
    }
}

/// Reads a genesis document.
pub fn read_genesis(document: &[u8]) -> Result<Genesis, NodeError> {
    let malformed = |message: String| NodeError::Genesis(format!("genesis: {message}"));
    let json = parse(document).map_err(|error| malformed(error.to_string()))?;
    Genesis::from_json(&JsonCursor::new(&json, "genesis")).map_err(|error| malformed(error.to_string()))
}

/// Puts the genesis block into a store that has none.
fn begin(store: &Store, genesis: &Genesis, document: &[u8]) -> Result<(), NodeError> {
    let header = genesis.header.clone();
    let withdrawals = header.withdrawals_root.map(|_| Vec::new());
    let difficulty = header.difficulty;
    let block = Block { header, withdrawals, ..Block::default() };
    let block = crate::execution::seal(block, Vec::new(), alloy_primitives::U256::ZERO);
    debug_assert_eq!(block.total_difficulty, difficulty);
    Ok(store.initialise(&codec::stored_block(&block), &genesis.state(), document)?)
}

/// The chain as the store has it.
fn open_current(store: &Store, caches: &Arc<Caches>) -> Result<Current, NodeError> {
    let snapshot = store.snapshot()?;
    let (number, hash) = snapshot.head();
    let missing = || StoreError::Corrupt { place: format!("head {hash}, block {number},") };
    let head = Arc::new(codec::chain_block(snapshot.block(&hash)?.ok_or_else(missing)?)?);
    let note = snapshot.note()?;
    let mut current = Current { snapshot, head, tree: Arc::default(), amendments: Arc::default() };
    if !note.is_empty() {
        let diff = codec::diff_of_note(&note)?;
        let view = ChainView { current: Arc::new(current.clone()), caches: Arc::clone(caches) };
        let state = view.state_after(&hash)?.ok_or_else(missing)?;
        current.amendments = Arc::new(with_values_before(diff, &state)?);
    }
    Ok(current)
}

/// Fills in what held before a diff.
pub(crate) fn with_values_before(mut diff: Diff, state: &dyn StateReader) -> Result<Diff, NodeError> {
    for account in &mut diff.accounts {
        account.before = state.account(&account.address)?;
        for slot in &mut account.storage {
            slot.before = match account.storage_wiped {
                true => alloy_primitives::U256::ZERO,
                false => state.storage(&account.address, &slot.slot)?,
            };
        }
    }
    Ok(diff)
}

impl Current {
    /// The same with another snapshot.
    pub(crate) fn with_snapshot(&self, snapshot: Arc<Snapshot>) -> Self {
        Self { snapshot, ..self.clone() }
    }

    /// The same with another tree.
    pub(crate) fn with_tree(&self, change: impl FnOnce(&mut Tree)) -> Self {
        let mut tree = Tree::clone(&self.tree);
        change(&mut tree);
        Self { tree: Arc::new(tree), ..self.clone() }
    }
}
