//! Blocks that were executed and are not canonical: what a consensus client sent and has not chosen, and side chains.
//!
//! A layer is a block with all that its execution gave, so that making it canonical costs no second execution. Layers are
//! lost with the process, and the oldest are dropped when there are too many: the blocks themselves are in the store by then,
//! and who needs a layer that is gone executes its block again.

use crate::ChainBlock;
use alloy_primitives::{B256, Bytes};
use rialto_state::Diff;
use rialto_stf::{BlockAccessList, Receipt};
use rialto_store::CanonicalBlock;
use rialto_trie::{Nibbles, NodeChanges};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Most layers.
const MAX_LAYERS: usize = 256;

/// A block with what its execution gave.
pub(crate) struct Layer {
    /// The block.
    pub block: Arc<ChainBlock>,
    /// The form in which it is committed, with diff and nodes.
    pub commit: Arc<CanonicalBlock>,
    /// Its receipts.
    pub receipts: Arc<Vec<Receipt>>,
    /// Requests to the consensus layer, since Prague.
    pub requests: Option<Vec<Bytes>>,
    /// Its access list, since Amsterdam.
    pub block_access_list: Option<BlockAccessList>,
}

impl Layer {
    pub fn diff(&self) -> &Diff {
        &self.commit.diff
    }

    /// The node that this block wrote with this hash at this path.
    pub fn node(&self, account: Option<&B256>, path: &Nibbles, hash: &B256) -> Option<&Bytes> {
        let nodes = &self.commit.nodes;
        let changes: &NodeChanges = match account {
            None => &nodes.accounts,
            Some(account) => {
                let index = nodes.storages.binary_search_by(|(key, _)| key.cmp(account)).ok()?;
                &nodes.storages[index].1
            }
        };
        let index = changes.added.binary_search_by(|(at, key, _)| (at, key).cmp(&(path, hash))).ok()?;
        Some(&changes.added[index].2)
    }
}

/// Layers by the hash of their block. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Tree {
    layers: HashMap<B256, Arc<Layer>>,
    /// Their hashes, from the oldest on.
    order: VecDeque<B256>,
}

impl Tree {
    pub fn get(&self, hash: &B256) -> Option<&Arc<Layer>> {
        self.layers.get(hash)
    }

    pub fn insert(&mut self, layer: Arc<Layer>) {
        let hash = layer.block.hash;
        if self.layers.insert(hash, layer).is_none() {
            self.order.push_back(hash);
        }
        while self.order.len() > MAX_LAYERS {
            if let Some(oldest) = self.order.pop_front() {
                self.layers.remove(&oldest);
            }
        }
    }

    /// Drops a layer, and those of blocks that are so old that nothing will build on them.
    pub fn remove(&mut self, hash: &B256) {
        if self.layers.remove(hash).is_some() {
            self.order.retain(|other| other != hash);
        }
    }
}
