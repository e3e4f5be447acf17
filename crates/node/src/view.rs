//! The chain at one instant.
//!
//! A view is a snapshot of the store, the tree of blocks that are not canonical, and the head, all of the same moment. What
//! is asked of one view is therefore consistent, whatever is imported meanwhile.

use crate::cache::Caches;
use crate::codec;
use crate::tree::Tree;
use crate::{ChainBlock, NodeError, StateView};
use alloy_primitives::{B256, Bloom};
use rialto_state::Diff;
use rialto_stf::{Header, Receipt};
use rialto_store::{Snapshot, StoreError};
use std::sync::Arc;

/// Most blocks that are not canonical below a state.
const MAX_SIDE_DEPTH: usize = 256;

/// Names a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockId {
    /// By hash, canonical or not.
    Hash(B256),
    /// By number, canonical.
    Number(u64),
    /// The genesis block.
    Earliest,
    /// The head.
    Latest,
    /// The last block that the consensus client called safe.
    Safe,
    /// The last block that the consensus client called finalized.
    Finalized,
}

/// A canonical transaction.
#[derive(Clone, Debug)]
pub struct TransactionInBlock {
    /// Its block.
    pub block: Arc<ChainBlock>,
    /// Its position in the block.
    pub index: usize,
}

/// What changes together whenever the chain does.
#[derive(Clone)]
pub(crate) struct Current {
    pub snapshot: Arc<Snapshot>,
    pub head: Arc<ChainBlock>,
    pub tree: Arc<Tree>,
    /// What dev mode changed outside of blocks since the head.
    pub amendments: Arc<Diff>,
}

/// The chain at one instant; what is committed meanwhile does not show. Cheap to make; `Send + Sync`.
#[derive(Clone)]
pub struct ChainView {
    pub(crate) current: Arc<Current>,
    pub(crate) caches: Arc<Caches>,
}

impl ChainView {
    /// The head.
    pub fn head(&self) -> &Arc<ChainBlock> {
        &self.current.head
    }

    /// Hash of the block, `None` where there is none (or where no block is safe or finalized yet). A hash is its own answer,
    /// whether or not there is such a block.
    pub fn hash(&self, id: BlockId) -> Result<Option<B256>, NodeError> {
        let snapshot = &self.current.snapshot;
        Ok(match id {
            BlockId::Hash(hash) => Some(hash),
            BlockId::Number(number) => snapshot.canonical_hash(number)?,
            BlockId::Earliest => snapshot.canonical_hash(0)?,
            BlockId::Latest => Some(self.current.head.hash),
            BlockId::Safe => Some(snapshot.safe()).filter(|hash| !hash.is_zero()),
            BlockId::Finalized => Some(snapshot.finalized()).filter(|hash| !hash.is_zero()),
        })
    }

    /// The header.
    pub fn header(&self, id: BlockId) -> Result<Option<Arc<Header>>, NodeError> {
        let Some(hash) = self.hash(id)? else { return Ok(None) };
        if let Some(header) = self.caches.header(&hash) {
            return Ok(Some(header));
        }
        let header = match self.current.tree.get(&hash) {
            Some(layer) => layer.block.block.header.clone(),
            None => match self.current.snapshot.header(&hash)? {
                Some(bytes) => codec::header(&hash, &bytes)?,
                None => return Ok(None),
            },
        };
        let header = Arc::new(header);
        self.caches.put_header(hash, Arc::clone(&header));
        Ok(Some(header))
    }

    /// The block.
    pub fn block(&self, id: BlockId) -> Result<Option<Arc<ChainBlock>>, NodeError> {
        let Some(hash) = self.hash(id)? else { return Ok(None) };
        if hash == self.current.head.hash {
            return Ok(Some(Arc::clone(&self.current.head)));
        }
        if let Some(layer) = self.current.tree.get(&hash) {
            return Ok(Some(Arc::clone(&layer.block)));
        }
        if let Some(block) = self.caches.block(&hash) {
            return Ok(Some(block));
        }
        let Some(stored) = self.current.snapshot.block(&hash)? else { return Ok(None) };
        let block = Arc::new(codec::chain_block(stored)?);
        self.caches.put_block(Arc::clone(&block));
        Ok(Some(block))
    }

    /// Whether the block is canonical.
    pub fn is_canonical(&self, hash: &B256) -> Result<bool, NodeError> {
        // The head is asked about most, and is the one block of which it is known without reading.
        if *hash == self.current.head.hash {
            return Ok(true);
        }
        let snapshot = &self.current.snapshot;
        Ok(match snapshot.number_of(hash)? {
            Some(number) => snapshot.canonical_hash(number)? == Some(*hash),
            None => false,
        })
    }

    /// The receipts of the block, `None` where it was never executed here, or its layer is gone.
    pub fn receipts(&self, block: &ChainBlock) -> Result<Option<Arc<Vec<Receipt>>>, NodeError> {
        if block.block.transactions.is_empty() {
            // Nothing is stored for the genesis block, which was never executed.
            return Ok(Some(Arc::default()));
        }
        self.receipts_of(&block.hash)
    }

    /// The receipts of the block with this hash.
    pub fn receipts_of(&self, hash: &B256) -> Result<Option<Arc<Vec<Receipt>>>, NodeError> {
        if let Some(layer) = self.current.tree.get(hash) {
            return Ok(Some(Arc::clone(&layer.receipts)));
        }
        if let Some(receipts) = self.caches.receipts(hash) {
            return Ok(Some(receipts));
        }
        let Some(bytes) = self.current.snapshot.receipts(hash)? else { return Ok(None) };
        let receipts = Arc::new(codec::receipts(hash, &bytes)?);
        self.caches.put_receipts(*hash, Arc::clone(&receipts));
        Ok(Some(receipts))
    }

    /// The canonical transaction with this hash.
    pub fn transaction(&self, hash: &B256) -> Result<Option<TransactionInBlock>, NodeError> {
        let Some(location) = self.current.snapshot.transaction(hash)? else { return Ok(None) };
        let found = self.block(BlockId::Hash(location.hash))?;
        match found {
            Some(block) if block.transaction_hashes.get(location.index) == Some(hash) => {
                Ok(Some(TransactionInBlock { block, index: location.index }))
            }
            _ => Err(StoreError::Corrupt { place: format!("location of transaction {hash}") }.into()),
        }
    }

    /// The state after the block. `None` where there is no such block, an error where its state is pruned. For
    /// [`BlockId::Latest`] in dev mode it has the changes that were made outside of blocks.
    pub fn state(&self, id: BlockId) -> Result<Option<StateView>, NodeError> {
        let Some(hash) = self.hash(id)? else { return Ok(None) };
        let state = self.state_after(&hash)?;
        let is_amended = hash == self.current.head.hash && !self.current.amendments.is_empty();
        Ok(state.map(|state| match is_amended {
            true => state.with_diff(Arc::clone(&self.current.amendments)),
            false => state,
        }))
    }

    /// The state on which a block was executed: its parent's, in dev mode with what had been changed outside of blocks as far as
    /// this process knows it. `None` where the parent's state is not there.
    pub fn state_before(&self, block: &ChainBlock) -> Result<Option<StateView>, NodeError> {
        let state = self.state_after(&block.block.header.parent_hash)?;
        Ok(match self.caches.amendments(&block.hash) {
            Some(amendments) => state.map(|state| state.with_diff(amendments)),
            None => state,
        })
    }

    /// The state after the block with this hash, without what was changed outside of blocks. `None` where the block, or the
    /// layer of it or of an ancestor, is not there.
    pub(crate) fn state_after(&self, hash: &B256) -> Result<Option<StateView>, NodeError> {
        let snapshot = &self.current.snapshot;
        let mut layers = Vec::new();
        let mut next = *hash;
        while !self.is_canonical(&next)? {
            let Some(layer) = self.current.tree.get(&next) else { return Ok(None) };
            if layers.len() == MAX_SIDE_DEPTH {
                return Ok(None);
            }
            next = layer.block.block.header.parent_hash;
            layers.push(Arc::clone(layer));
        }
        let (number, root) = if next == self.current.head.hash {
            let head = &self.current.head.block.header;
            (head.number, head.state_root)
        } else {
            let Some(header) = self.header(BlockId::Hash(next))? else { return Ok(None) };
            (header.number, header.state_root)
        };
        let base = StateView::new(snapshot.state_at(number)?, root);
        Ok(Some(layers.into_iter().rev().fold(base, StateView::with_layer)))
    }

    /// Number of the oldest block whose state can be read.
    pub fn oldest_state(&self) -> u64 {
        self.current.snapshot.oldest_state()
    }

    /// Calls `visit` with number and bloom of the canonical blocks from `first` to `last` that have logs, ascending, until it
    /// returns false.
    pub fn blooms(&self, first: u64, last: u64, visit: &mut dyn FnMut(u64, &Bloom) -> bool) -> Result<(), NodeError> {
        Ok(self.current.snapshot.blooms(first, last, visit)?)
    }

    /// What the database occupies and holds.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.current.snapshot
    }
}
