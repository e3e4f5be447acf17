//! Which block is the head.
//!
//! A new head is one transaction of the store: back to the block at which the old and the new branch part, forward along the new
//! one, and the safe and finalized blocks with it. Nobody ever sees, and no crash ever leaves, anything in between.

use crate::node::Writer;
use crate::view::Current;
use crate::{BlockId, ChainBlock, ChainView, ForkchoiceStatus, HeadChange, ImportError, Node, NodeError};
use alloy_primitives::B256;
use rialto_store::Commit;
use std::sync::Arc;

/// The safe and the finalized block.
#[derive(Clone, Copy)]
pub(crate) struct Marks {
    pub safe: B256,
    pub finalized: B256,
}

impl Node {
    /// Makes a known block the head, and notes which are safe and finalized (zero: none yet). An ancestor of the finalized
    /// block does not become the head.
    pub fn set_forkchoice(&self, head: B256, safe: B256, finalized: B256) -> Result<ForkchoiceStatus, NodeError> {
        let mut writer = self.writer();
        let view = self.current_view();
        if let Some(invalid) = writer.invalid(&head).cloned() {
            let (latest_valid_hash, error) = (invalid.latest_valid_hash, invalid.error);
            return Ok(ForkchoiceStatus::Invalid { latest_valid_hash, error });
        }
        if view.current.snapshot.number_of(&head)?.is_none() {
            return Ok(ForkchoiceStatus::Syncing);
        }
        if is_behind_finalized(&view, &head)? {
            return Ok(ForkchoiceStatus::Valid);
        }
        for mark in [safe, finalized] {
            if !mark.is_zero() && !is_ancestor(&view, &mark, head)? {
                return Ok(ForkchoiceStatus::Inconsistent);
            }
        }
        match self.make_head(&mut writer, &view, head, Some(Marks { safe, finalized })) {
            Ok(_) => Ok(ForkchoiceStatus::Valid),
            Err(ImportError::Node(error)) => Err(error),
            // Its blocks were valid when they were stored.
            Err(error) => Err(NodeError::UnknownBlock { block: format!("{head} ({error})") }),
        }
    }

    /// Unwinds or advances to a known block, whatever is finalized (`debug_setHead`, dev mode's snapshots). The pool does not
    /// take back what is unwound, and what was changed outside of blocks is dropped.
    pub fn set_head(&self, hash: B256) -> Result<(), NodeError> {
        let mut writer = self.writer();
        let view = self.current_view();
        match self.make_head(&mut writer, &view, hash, None) {
            Ok(_) => Ok(()),
            Err(ImportError::Node(error)) => Err(error),
            Err(error) => Err(NodeError::UnknownBlock { block: format!("{hash} ({error})") }),
        }
    }

    /// Makes a block the head whose layer, or an ancestor's, is in the tree, or can be.
    pub(crate) fn make_head(
        &self,
        writer: &mut Writer,
        view: &ChainView,
        hash: B256,
        marks: Option<Marks>,
    ) -> Result<ChainView, ImportError> {
        // Layers that were dropped are made again.
        let view = if view.is_canonical(&hash)? { view.clone() } else { self.state_of(writer, view, &hash)?.0 };
        let mut layers = Vec::new();
        let mut next = hash;
        while !view.is_canonical(&next)? {
            let Some(layer) = view.current.tree.get(&next) else {
                return Err(ImportError::UnknownParent { parent_hash: next });
            };
            next = layer.block.block.header.parent_hash;
            layers.push(Arc::clone(layer));
        }
        layers.reverse();
        let meeting = view.block(BlockId::Hash(next))?.ok_or(ImportError::UnknownParent { parent_hash: next })?;
        let removed = blocks_above(&view, &meeting)?;
        let append: Vec<_> = layers.iter().map(|layer| Arc::clone(&layer.commit)).collect();
        let has_amendments = !view.current.amendments.is_empty();
        let is_same_head = removed.is_empty() && append.is_empty();
        self.store.commit(&Commit {
            unwind_to: (!removed.is_empty()).then_some(meeting.block.header.number),
            append: &append,
            safe: marks.map(|marks| marks.safe),
            finalized: marks.map(|marks| marks.finalized),
            note: (has_amendments && !is_same_head).then_some(&[]),
            ..Commit::default()
        })?;
        let head = layers.last().map_or(meeting, |layer| Arc::clone(&layer.block));
        let added: Vec<_> = layers.iter().map(|layer| Arc::clone(&layer.block)).collect();
        let current = Current {
            snapshot: self.store.snapshot()?,
            head: Arc::clone(&head),
            tree: Arc::clone(&view.current.tree),
            amendments: if is_same_head { Arc::clone(&view.current.amendments) } else { Arc::default() },
        };
        for layer in &layers {
            view.caches.put_block(Arc::clone(&layer.block));
            view.caches.put_receipts(layer.block.hash, Arc::clone(&layer.receipts));
        }
        let current = current.with_tree(|tree| layers.iter().for_each(|layer| tree.remove(&layer.block.hash)));
        let view = self.show(current);
        if !is_same_head {
            self.follow(&view, HeadChange { removed, added, head }, marks.is_some() || !layers.is_empty())?;
        }
        Ok(view)
    }

    /// Lets the pool follow, and tells the subscribers.
    fn follow(&self, view: &ChainView, change: HeadChange, takes_back: bool) -> Result<(), NodeError> {
        if let Some(state) = view.state(BlockId::Latest)? {
            if takes_back {
                self.pool.follow(&change, &state);
            } else {
                self.pool.follow(&HeadChange { removed: Vec::new(), ..change.clone() }, &state);
            }
        }
        self.announce(change);
        Ok(())
    }
}

/// The canonical blocks above `block`, from the head downwards.
fn blocks_above(view: &ChainView, block: &ChainBlock) -> Result<Vec<Arc<ChainBlock>>, NodeError> {
    let mut blocks = Vec::new();
    let mut next = Arc::clone(view.head());
    while next.block.header.number > block.block.header.number {
        let parent = view.block(BlockId::Hash(next.block.header.parent_hash))?;
        blocks.push(next);
        next = parent.ok_or_else(|| NodeError::UnknownBlock { block: "an ancestor of the head".into() })?;
    }
    Ok(blocks)
}

/// Whether `hash` is a canonical block before the finalized one.
fn is_behind_finalized(view: &ChainView, hash: &B256) -> Result<bool, NodeError> {
    let Some(finalized) = view.header(BlockId::Finalized)? else { return Ok(false) };
    let number = view.header(BlockId::Hash(*hash))?.map(|header| header.number);
    Ok(number.is_some_and(|number| number < finalized.number) && view.is_canonical(hash)?)
}

/// Whether `hash` is `head` or an ancestor of it.
fn is_ancestor(view: &ChainView, hash: &B256, head: B256) -> Result<bool, NodeError> {
    let mut next = head;
    loop {
        if next == *hash {
            return Ok(true);
        }
        let Some(header) = view.header(BlockId::Hash(next))? else { return Ok(false) };
        if view.is_canonical(&next)? {
            let number = view.header(BlockId::Hash(*hash))?.map(|found| found.number);
            return Ok(number.is_some_and(|number| number <= header.number) && view.is_canonical(hash)?);
        }
        next = header.parent_hash;
    }
}
