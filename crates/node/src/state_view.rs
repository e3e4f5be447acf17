//! The state after one block, wherever it lies.
//!
//! A canonical state is in the store. A block that is not canonical changed some canonical state by a few layers, of which each is
//! a diff and the trie nodes that it wrote. A view looks through the layers from the newest down and then asks the store, so
//! a side chain costs no copy of anything, and reading is the same whatever is read.
//!
//! In dev mode, and in simulations, a last diff may lie on top that belongs to no block. It has no trie nodes: it answers reads,
//! while roots and proofs remain those of the block below.

use crate::ChainBlock;
use crate::tree::Layer;
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_state::{Account, AccountDiff, Code, Diff, ReadError, StateReader};
use rialto_store::StateAt;
use rialto_trie::{Nibbles, StateNodeSource, StateTrie, TrieError, proof::AccountProof};
use std::sync::Arc;

/// One step between the store's state and the view's.
#[derive(Clone)]
enum Step {
    Block(Arc<Layer>),
    /// A block whose tries are not there yet.
    Executed(Arc<ChainBlock>, Arc<Diff>),
    Change(Arc<Diff>),
}

impl Step {
    fn diff(&self) -> &Diff {
        match self {
            Self::Block(layer) => layer.diff(),
            Self::Executed(_, diff) | Self::Change(diff) => diff,
        }
    }

    fn account(&self, address: &Address) -> Option<&AccountDiff> {
        let accounts = &self.diff().accounts;
        accounts.binary_search_by(|account| account.address.cmp(address)).ok().map(|index| &accounts[index])
    }
}

/// The state after one block: a canonical state of the store below the layers of blocks that are not committed, and, in dev
/// mode, of changes made outside of blocks. Cheap to clone; `Send + Sync`.
#[derive(Clone)]
pub struct StateView {
    base: StateAt,
    /// From the oldest to the newest.
    steps: Vec<Step>,
    root: B256,
}

impl StateView {
    /// The canonical state `base`, whose root is `root`.
    pub(crate) fn new(base: StateAt, root: B256) -> Self {
        Self { base, steps: Vec::new(), root }
    }

    /// The state after the layer's block, whose parent's state this is.
    pub(crate) fn with_layer(mut self, layer: Arc<Layer>) -> Self {
        self.root = layer.block.block.header.state_root;
        self.steps.push(Step::Block(layer));
        self
    }

    /// The state after a block whose tries are not there yet, and so its root neither.
    pub(crate) fn with_executed(&self, block: &Arc<ChainBlock>, diff: Arc<Diff>) -> Self {
        let mut view = self.clone();
        view.steps.push(Step::Executed(Arc::clone(block), diff));
        view
    }

    /// This state with `diff` applied. It answers reads; roots and proofs are those of the state below.
    pub fn with_diff(&self, diff: Arc<Diff>) -> Self {
        let mut view = self.clone();
        if !diff.is_empty() {
            view.steps.push(Step::Change(diff));
        }
        view
    }

    /// The state root (of the block's header).
    pub fn root(&self) -> B256 {
        self.root
    }

    /// Proves an account and some of its slots (EIP-1186).
    pub fn prove(&self, address: &Address, slots: &[U256]) -> Result<AccountProof, TrieError> {
        StateTrie::from_root(self.root).prove(address, slots, self)
    }
}

impl StateReader for StateView {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        match self.steps.iter().rev().find_map(|step| step.account(address)) {
            Some(change) => Ok(change.after),
            None => self.base.account(address),
        }
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        for change in self.steps.iter().rev().filter_map(|step| step.account(address)) {
            if let Ok(index) = change.storage.binary_search_by(|diff| diff.slot.cmp(slot)) {
                return Ok(change.storage[index].after);
            }
            if change.storage_wiped || change.after.is_none() {
                return Ok(U256::ZERO);
            }
        }
        self.base.storage(address, slot)
    }

    /// An account that is asked about has neither nonce nor code, so nothing can have emptied single slots of it since they
    /// were written: a diff either has a slot with a word, or emptied all, or says nothing.
    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        for change in self.steps.iter().rev().filter_map(|step| step.account(address)) {
            if change.storage.iter().any(|slot| !slot.after.is_zero()) {
                return Ok(true);
            }
            if change.storage_wiped || change.after.is_none() {
                return Ok(false);
            }
        }
        self.base.has_storage(address)
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        for step in self.steps.iter().rev() {
            let codes = &step.diff().codes;
            if let Ok(index) = codes.binary_search_by(|code| code.hash().cmp(code_hash)) {
                return Ok(codes[index].clone());
            }
        }
        self.base.code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        let blocks = self.steps.iter().filter_map(|step| match step {
            Step::Block(layer) => Some(&layer.block),
            Step::Executed(block, _) => Some(block),
            Step::Change(_) => None,
        });
        for block in blocks {
            let header = &block.block.header;
            if header.number == number {
                return Ok(block.hash);
            }
            if header.number == number + 1 {
                return Ok(header.parent_hash);
            }
        }
        self.base.block_hash(number)
    }
}

impl StateNodeSource for StateView {
    fn state_node(&self, account: Option<&B256>, path: &Nibbles, hash: &B256) -> Result<Option<Bytes>, TrieError> {
        for step in self.steps.iter().rev() {
            if let Step::Block(layer) = step
                && let Some(node) = layer.node(account, path, hash)
            {
                return Ok(Some(node.clone()));
            }
        }
        self.base.state_node(account, path, hash)
    }

    fn is_slow(&self) -> bool {
        self.base.is_slow()
    }
}
