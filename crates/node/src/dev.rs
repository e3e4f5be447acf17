//! What only a developer's chain does: mine by itself, and change state outside of blocks.
//!
//! Such changes are a diff over the head's state, the amendments. They show at once in the latest state, they are in the store's
//! note before that, and the next block that is mined has them in its own diff, so that its root is the root of the state
//! that everybody sees. Executing that block again from its parent gives another root: a chain with amendments can't be
//! followed by anyone, which is why they are for dev mode only.

use crate::builder::Site;
use crate::node::with_values_before;
use crate::{BlockId, BuiltBlock, ImportError, Node, NodeError, PayloadAttributes, TransactionSource, codec};
use rialto_state::Diff;
use rialto_store::Commit;
use std::sync::Arc;
use std::time::Instant;

impl Node {
    fn expect_dev(&self) -> Result<(), NodeError> {
        if self.config.is_dev { Ok(()) } else { Err(NodeError::NotDev) }
    }

    /// Dev mode: builds a block on the head, with the changes made outside of blocks, and makes it the head.
    pub fn mine(
        &self,
        attributes: &PayloadAttributes,
        source: &TransactionSource,
    ) -> Result<Arc<BuiltBlock>, NodeError> {
        self.expect_dev()?;
        let mut writer = self.writer();
        let view = self.current_view();
        let parent = view.head();
        let state = view.state(BlockId::Latest)?;
        let state = state.ok_or_else(|| NodeError::UnknownBlock { block: "the head".into() })?;
        let site = Site { parent, state: &state, amendments: &view.current.amendments };
        let mut trie = writer.take_trie(&parent.hash, parent.block.header.state_root);
        let begin = Instant::now();
        let built = self.build_on(&site, attributes, source, &mut trie)?;
        self.stats().block_times.observe(begin.elapsed());
        let hash = built.block.hash;
        writer.trie = Some((hash, trie));
        if !view.current.amendments.is_empty() {
            view.caches.put_amendments(hash, Arc::clone(&view.current.amendments));
        }
        let view = self.show_layer(Arc::clone(&built.layer));
        match self.make_head(&mut writer, &view, hash, None) {
            Ok(_) => Ok(Arc::new(built)),
            Err(ImportError::Node(error)) => Err(error),
            Err(error) => Err(NodeError::UnknownBlock { block: format!("{hash} ({error})") }),
        }
    }

    /// Dev mode: changes the state outside of blocks. It shows at once in the latest state and is on the disk when this
    /// returns; the next block that is mined has it. What held before is filled in here.
    pub fn amend(&self, change: Diff) -> Result<(), NodeError> {
        self.expect_dev()?;
        let _writer = self.writer();
        let view = self.current_view();
        let state = view.state(BlockId::Latest)?;
        let state = state.ok_or_else(|| NodeError::UnknownBlock { block: "the head".into() })?;
        let change = with_values_before(change, &state)?;
        self.replace_amendments(view.current.amendments.then(&change))
    }

    /// Dev mode: what was changed outside of blocks since the head; empty if nothing.
    pub fn amendments(&self) -> Arc<Diff> {
        Arc::clone(&self.current_view().current.amendments)
    }

    /// Dev mode: replaces what was changed outside of blocks since the head (for a snapshot that is taken up again).
    pub fn set_amendments(&self, diff: Diff) -> Result<(), NodeError> {
        self.expect_dev()?;
        let _writer = self.writer();
        self.replace_amendments(diff)
    }

    fn replace_amendments(&self, diff: Diff) -> Result<(), NodeError> {
        let note = codec::note_of(&diff);
        self.store.commit(&Commit { note: Some(&note), ..Commit::default() })?;
        let mut current = self.current_view().current.with_snapshot(self.store.snapshot()?);
        current.amendments = Arc::new(diff);
        let view = self.show(current);
        // Balances and nonces that transactions wait for may have come.
        if let Some(state) = view.state(BlockId::Latest)? {
            self.pool.recheck(&state);
        }
        Ok(())
    }
}
