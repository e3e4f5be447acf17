//! The block that a question is asked on.

use crate::json::BlockRef;
use crate::{RpcContext, RpcError};
use rialto_node::{BlockId, ChainBlock, ChainView, StateView};
use rialto_state::Diff;
use rialto_stf::{BlockExecutor, Checks, Header};
use std::sync::Arc;

/// The block that a question is asked on, and the state after it.
pub(crate) struct Base {
    /// The block's header.
    pub header: Header,
    /// The state after the block.
    pub state: StateView,
    /// Changes of the state that are not in the tries that it answers from, in order.
    pub above_tries: Vec<Arc<Diff>>,
}

impl Base {
    /// Finds block and state. The pending block's state is made by executing it on the head's.
    pub(crate) fn of(context: &RpcContext, view: &ChainView, block: BlockRef) -> Result<Self, RpcError> {
        if block == BlockRef::Pending {
            return Self::pending(context);
        }
        let id = canonical_id(view, block)?;
        let header = view.header(id)?.ok_or_else(RpcError::unknown_block)?;
        let state = view.state(id)?.ok_or_else(RpcError::unknown_block)?;
        let above_tries = above_tries(context, view.hash(id)? == Some(view.head().hash));
        Ok(Self { header: Arc::unwrap_or_clone(header), state, above_tries })
    }

    fn pending(context: &RpcContext) -> Result<Self, RpcError> {
        let built = context.node.pending()?;
        let block = &built.block;
        let view = context.view()?;
        let parent = if view.head().hash == block.block.header.parent_hash {
            BlockId::Latest
        } else {
            BlockId::Hash(block.block.header.parent_hash)
        };
        let mut above_tries = above_tries(context, parent == BlockId::Latest);
        let parent = view.state(parent)?.ok_or_else(RpcError::unknown_block)?;
        let diff = {
            let server = |error: &dyn std::fmt::Display| RpcError::server(format!("pending block: {error}"));
            let executor = BlockExecutor::new(context.node.spec(), &block.block.header, &parent);
            let mut executor = executor.with_checks(block_checks(context));
            executor.begin().map_err(|error| server(&error))?;
            for (transaction, sender) in block.block.transactions.iter().zip(&block.senders) {
                executor.transaction(transaction, *sender).map_err(|error| server(&error))?;
            }
            let withdrawals = block.block.withdrawals.as_deref().unwrap_or_default();
            executor.finish(&block.block.ommers, withdrawals).map_err(|error| server(&error))?.diff
        };
        let diff = Arc::new(diff);
        above_tries.push(Arc::clone(&diff));
        Ok(Self { header: block.block.header.clone(), state: parent.with_diff(diff), above_tries })
    }
}

/// The checks that transactions in blocks pass: in dev mode anybody's transactions may be there, contracts' too.
pub(super) fn block_checks(context: &RpcContext) -> Checks {
    Checks { sender_is_eoa: context.dev.is_none(), ..Checks::ALL }
}

/// What dev mode changed outside of blocks since the head, if the state is the head's.
fn above_tries(context: &RpcContext, is_head: bool) -> Vec<Arc<Diff>> {
    let amendments = context.node.amendments();
    if is_head && !amendments.is_empty() { vec![amendments] } else { Vec::new() }
}

/// The id of a block that is not the pending one; EIP-1898's demand that it be canonical is checked.
fn canonical_id(view: &ChainView, block: BlockRef) -> Result<BlockId, RpcError> {
    match block {
        BlockRef::Id(id) => Ok(id),
        BlockRef::Hash { hash, require_canonical } => {
            if require_canonical && !view.is_canonical(&hash)? {
                return Err(RpcError::server("hash is not currently canonical"));
            }
            Ok(BlockId::Hash(hash))
        }
        BlockRef::Pending => Ok(BlockId::Latest),
    }
}

/// The block itself; `None` where there is none.
pub(crate) fn resolve_block(
    context: &RpcContext,
    view: &ChainView,
    block: BlockRef,
) -> Result<Option<Arc<ChainBlock>>, RpcError> {
    if block == BlockRef::Pending {
        return Ok(Some(Arc::clone(&context.node.pending()?.block)));
    }
    Ok(view.block(canonical_id(view, block)?)?)
}

/// The header itself; `None` where there is none.
pub(crate) fn resolve_header(
    context: &RpcContext,
    view: &ChainView,
    block: BlockRef,
) -> Result<Option<Header>, RpcError> {
    if block == BlockRef::Pending {
        return Ok(Some(context.node.pending()?.block.block.header.clone()));
    }
    Ok(view.header(canonical_id(view, block)?)?.map(Arc::unwrap_or_clone))
}
