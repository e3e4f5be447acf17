//! `engine_getPayloadBodies...`: bodies of blocks that a consensus client has only the headers of.
//!
//! Both the number of blocks and the bytes of an answer are bounded; whoever hits a bound asks for fewer blocks. An access list
//! that is not at hand any more is found by executing its block again, for a bounded number of blocks; others count as pruned.

use super::payload::{encoded_transactions, withdrawals_json};
use super::version::GetBodies;
use super::{EngineError, at_most, required};
use crate::RpcContext;
use crate::json::{Params, WithdrawalJson};
use crate::simulation::Replay;
use alloy_primitives::{B256, Bytes};
use rialto_node::{BlockId, ChainBlock, ChainView};
use rialto_stf::BlockAccessList;
use serde::Serialize;
use std::sync::Arc;

/// Most bodies of an answer.
const MAX_BODIES: u64 = 1_024;
/// Most bytes of an answer's transactions, before they are written as digits.
const MAX_BYTES: usize = 64 << 20;

/// `ExecutionPayloadBodyV1`, or `V2` with an access list.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct BodyJson {
    transactions: Vec<Bytes>,
    withdrawals: Option<Vec<WithdrawalJson>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_access_list: Option<Option<Bytes>>,
}

/// Most blocks that are executed again for an answer: as many as the specification wants answered at least.
const MAX_REPLAYS: usize = 32;

/// An answer under construction.
struct Bodies<'a> {
    version: &'a GetBodies,
    context: &'a RpcContext,
    view: &'a ChainView,
    replays: usize,
    bodies: Vec<Option<BodyJson>>,
    bytes: usize,
}

impl<'a> Bodies<'a> {
    fn new(version: &'a GetBodies, context: &'a RpcContext, view: &'a ChainView) -> Self {
        Self { version, context, view, replays: 0, bodies: Vec::new(), bytes: 0 }
    }

    /// The encoded access list of a block: one that was kept, or what execution gives.
    fn access_list(&mut self, block: &Arc<ChainBlock>) -> Option<Bytes> {
        let header = &block.block.header;
        header.block_access_list_hash?;
        if let Some(list) = self.context.engine.access_list(&block.hash) {
            return Some(list);
        }
        if header.number == 0 {
            return Some(BlockAccessList::default().encode().into());
        }
        self.replays += 1;
        if self.replays > MAX_REPLAYS {
            return None;
        }
        let replay = Replay::of(self.context, self.view, Arc::clone(block)).ok()?;
        let outcome = replay.run_on(self.context.node.spec(), replay.parent()).ok()?;
        let list = Bytes::from(outcome.block_access_list?.encode());
        self.context.engine.keep_access_list(block.hash, list.clone());
        Some(list)
    }

    fn push(&mut self, block: Option<Arc<ChainBlock>>) -> Result<(), EngineError> {
        let body = block.map(|block| BodyJson {
            transactions: encoded_transactions(&block.block),
            withdrawals: withdrawals_json(&block.block),
            block_access_list: self.version.has_access_list.then(|| self.access_list(&block)),
        });
        if let Some(body) = &body {
            let list = body.block_access_list.iter().flatten().map(|list| list.len());
            self.bytes += body.transactions.iter().map(|bytes| bytes.len()).chain(list).sum::<usize>();
        }
        if self.bytes > MAX_BYTES {
            let found = self.bodies.len();
            return Err(EngineError::TooLarge(format!(
                "expected bodies of at most {MAX_BYTES} bytes, found more in {found}"
            )));
        }
        self.bodies.push(body);
        Ok(())
    }
}

/// Bodies of blocks by hash, `null` for those that are not there.
pub(super) fn by_hash(
    version: &GetBodies,
    params: &Params,
    context: &Arc<RpcContext>,
) -> Result<Vec<Option<BodyJson>>, EngineError> {
    at_most(params, 1)?;
    let hashes: Vec<B256> = required(params, 0, "blockHashes")?;
    if hashes.len() as u64 > MAX_BODIES {
        return Err(EngineError::TooLarge(format!(
            "blockHashes: expected at most {MAX_BODIES}, found {}",
            hashes.len()
        )));
    }
    let view = context.node.view()?;
    let mut bodies = Bodies::new(version, context, &view);
    for hash in hashes {
        bodies.push(view.block(BlockId::Hash(hash))?)?;
    }
    Ok(bodies.bodies)
}

/// Bodies of canonical blocks by number, up to the head.
pub(super) fn by_range(
    version: &GetBodies,
    params: &Params,
    context: &Arc<RpcContext>,
) -> Result<Vec<Option<BodyJson>>, EngineError> {
    at_most(params, 2)?;
    let [start, count] = [required::<u64>(params, 0, "start")?, required::<u64>(params, 1, "count")?];
    for (name, value) in [("start", start), ("count", count)] {
        if value == 0 {
            return Err(EngineError::Params(format!("{name}: expected at least 0x1, found 0x0")));
        }
    }
    if count > MAX_BODIES {
        return Err(EngineError::TooLarge(format!("count: expected at most {MAX_BODIES}, found {count}")));
    }
    let view: ChainView = context.node.view()?;
    let last = start.saturating_add(count - 1).min(view.head().block.header.number);
    let mut bodies = Bodies::new(version, context, &view);
    for number in start..=last {
        bodies.push(view.block(BlockId::Number(number))?)?;
    }
    Ok(bodies.bodies)
}
