//! Blocks from elsewhere.
//!
//! Both ways in, [`Node::import`] for a file of blocks and [`Node::insert_payload`] for a consensus client, execute a block on
//! its parent's state, wherever that lies, and keep it. They differ in who chooses the head.

use crate::execution::Task;
use crate::node::{Invalid, Writer};
use crate::tree::Layer;
use crate::{BlockId, ChainView, ImportError, Node, NodeError, PayloadStatus, StateView};
use alloy_primitives::{Address, B256};
use rialto_stf::{Block, BlockAccessList};
use rialto_store::{Commit, StoreError};
use std::sync::Arc;
use std::time::Instant;

/// Most blocks that are executed again to get at a side chain's state.
const MAX_REPLAY: usize = 256;

impl Node {
    /// Executes a block and, if the fork choice rule says so, makes it the head. The rule is the total difficulty; since
    /// Paris, a block that is imported is the head. For chains without a consensus client.
    pub fn import(&self, block: Block) -> Result<(), ImportError> {
        let mut writer = self.writer();
        let view = self.current_view();
        let hash = block.hash();
        if view.current.snapshot.number_of(&hash)?.is_some() {
            return Ok(());
        }
        let is_merged = self.spec.rules_at(block.header.number, block.header.timestamp).is_merged;
        let layer = self.execute_on_parent(&mut writer, &view, block, None, None)?;
        if is_merged || layer.block.total_difficulty > view.head().total_difficulty {
            let view = self.show_layer(layer);
            self.make_head(&mut writer, &view, hash, None)?;
        } else {
            self.keep(layer)?;
        }
        Ok(())
    }

    /// Executes and keeps a consensus client's block, without making it the head. It is on the disk when this returns.
    /// `block_access_list` is the payload's, since Amsterdam.
    pub fn insert_payload(
        &self,
        block: Block,
        block_access_list: Option<BlockAccessList>,
    ) -> Result<PayloadStatus, NodeError> {
        let mut writer = self.writer();
        let view = self.current_view();
        let (hash, parent_hash) = (block.hash(), block.header.parent_hash);
        if view.current.snapshot.number_of(&hash)?.is_some() {
            return Ok(PayloadStatus::Valid);
        }
        if let Some(invalid) = writer.invalid(&hash).or_else(|| writer.invalid(&parent_hash)).cloned() {
            writer.note_invalid(hash, invalid.clone());
            return Ok(invalid.into());
        }
        let claimed = block_access_list.as_ref().map(BlockAccessList::hash);
        let result = match self.own_payload(&hash) {
            Some(layer) => Ok(layer),
            None if claimed.is_some() && claimed != block.header.block_access_list_hash => {
                let latest_valid_hash = view.header(BlockId::Hash(parent_hash))?.map(|_| parent_hash);
                let error = "block_access_list: expected the list that the header commits to, found another".into();
                return Ok(PayloadStatus::Invalid { latest_valid_hash, error });
            }
            None => self.execute_on_parent(&mut writer, &view, block, None, block_access_list),
        };
        let error = match result {
            Ok(layer) => {
                self.keep(layer)?;
                return Ok(PayloadStatus::Valid);
            }
            Err(
                ImportError::UnknownParent { .. } | ImportError::Node(NodeError::Store(StoreError::StatePruned { .. })),
            ) => {
                return Ok(PayloadStatus::Syncing);
            }
            Err(ImportError::Node(error)) => return Err(error),
            Err(error) => error.to_string(),
        };
        // The blocks of proof of work are not the consensus client's to fall back to.
        let parent = view.header(BlockId::Hash(parent_hash))?;
        let latest_valid_hash = parent.map(|parent| if parent.difficulty.is_zero() { parent_hash } else { B256::ZERO });
        let invalid = Invalid { latest_valid_hash, error };
        tracing::warn!(%hash, error = invalid.error, "invalid payload");
        writer.note_invalid(hash, invalid.clone());
        Ok(invalid.into())
    }

    /// Executes a block on its parent's state, where it comes with an access list by that. Nothing is kept yet but the tries in
    /// memory.
    pub(crate) fn execute_on_parent(
        &self,
        writer: &mut Writer,
        view: &ChainView,
        block: Block,
        senders: Option<Vec<Address>>,
        access_list: Option<BlockAccessList>,
    ) -> Result<Arc<Layer>, ImportError> {
        let parent_hash = block.header.parent_hash;
        let Some(parent) = view.header(BlockId::Hash(parent_hash))? else {
            return Err(ImportError::UnknownParent { parent_hash });
        };
        let (view, state) = self.state_of(writer, view, &parent_hash)?;
        let access_list = access_list.map(Arc::new).or_else(|| view.caches.access_list(&block.hash()));
        let strategy = self.config.strategy(access_list.as_deref());
        let task = Task { spec: &self.spec, view: &view, state: &state, parent: &parent, strategy };
        let mut trie = writer.take_trie(&parent_hash, parent.state_root);
        let begin = Instant::now();
        let layer = task.layer(block, senders, &mut trie)?;
        self.stats().block_times.observe(begin.elapsed());
        writer.trie = Some((layer.block.hash, trie));
        Ok(Arc::new(layer))
    }

    /// The state after a block, for which blocks of a side chain whose layers are gone are executed again.
    pub(crate) fn state_of(
        &self,
        writer: &mut Writer,
        view: &ChainView,
        hash: &B256,
    ) -> Result<(ChainView, StateView), ImportError> {
        let mut missing = Vec::new();
        let mut next = *hash;
        let mut state = loop {
            if let Some(state) = view.state_after(&next)? {
                break state;
            }
            let unknown = ImportError::UnknownParent { parent_hash: next };
            let Some(block) = view.block(BlockId::Hash(next))? else { return Err(unknown) };
            if missing.len() == MAX_REPLAY {
                return Err(unknown);
            }
            next = block.block.header.parent_hash;
            missing.push(block);
        };
        let mut view = view.clone();
        while let Some(block) = missing.pop() {
            let parent_hash = block.block.header.parent_hash;
            let parent = view.header(BlockId::Hash(parent_hash))?.ok_or(ImportError::UnknownParent { parent_hash })?;
            let access_list = view.caches.access_list(&block.hash);
            let strategy = self.config.strategy(access_list.as_deref());
            let task = Task { spec: &self.spec, view: &view, state: &state, parent: &parent, strategy };
            let mut trie = writer.take_trie(&parent_hash, parent.state_root);
            let layer = Arc::new(task.layer(block.block.clone(), Some(block.senders.clone()), &mut trie)?);
            writer.trie = Some((layer.block.hash, trie));
            state = state.with_layer(Arc::clone(&layer));
            view = self.show_layer(layer);
        }
        Ok((view, state))
    }

    /// Shows a layer whose block is in the store, or is about to be canonical.
    pub(crate) fn show_layer(&self, layer: Arc<Layer>) -> ChainView {
        let view = self.current_view();
        self.show(view.current.with_tree(|tree| tree.insert(layer)))
    }

    /// Stores a block that is not canonical and shows its layer.
    fn keep(&self, layer: Arc<Layer>) -> Result<ChainView, NodeError> {
        let blocks = [Arc::clone(&layer.commit.block)];
        self.store.commit(&Commit { side_blocks: &blocks, ..Commit::default() })?;
        let current = self.current_view().current.with_snapshot(self.store.snapshot()?);
        Ok(self.show(current.with_tree(|tree| tree.insert(layer))))
    }
}

impl From<Invalid> for PayloadStatus {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid { latest_valid_hash: invalid.latest_valid_hash, error: invalid.error }
    }
}
