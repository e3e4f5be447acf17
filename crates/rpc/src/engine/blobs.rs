//! `engine_getBlobs`: blobs of transactions in the pool, which spares a consensus client waiting for them on its own network.

use super::get_payload::has_proofs;
use super::version::{BlobsBundle, GetBlobs};
use super::{EngineError, at_most, required};
use crate::RpcContext;
use crate::json::Params;
use alloy_primitives::{B256, Bytes};
use serde::Serialize;
use std::sync::Arc;

/// Most blobs of a request.
const MAX_BLOBS: usize = 128;
/// Proofs of a blob: one for each of its cells (EIP-7594).
const CELLS_PER_BLOB: usize = 128;

/// A blob with its proof or proofs.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum BlobJson {
    Whole { blob: Bytes, proof: Bytes },
    Cells { blob: Bytes, proofs: Vec<Bytes> },
}

/// Answers a request.
pub(super) fn call(
    version: &GetBlobs,
    params: &Params,
    context: &Arc<RpcContext>,
) -> Result<Option<Vec<Option<BlobJson>>>, EngineError> {
    at_most(params, 1)?;
    let hashes: Vec<B256> = required(params, 0, "blobVersionedHashes")?;
    if hashes.len() > MAX_BLOBS {
        let text = format!("blobVersionedHashes: expected at most {MAX_BLOBS}, found {}", hashes.len());
        return Err(EngineError::TooLarge(text));
    }
    let view = context.node.view()?;
    let head = &view.head().block.header;
    version.check_head(context.node.spec().fork_at(head.number, head.timestamp))?;
    let blobs: Vec<Option<BlobJson>> = hashes.iter().map(|hash| blob(version.bundle, hash, context)).collect();
    let is_complete = blobs.iter().all(Option::is_some);
    Ok((version.is_partial || is_complete).then_some(blobs))
}

/// The blob with this versioned hash, if the pool has it with proofs of this kind.
fn blob(kind: BlobsBundle, versioned_hash: &B256, context: &RpcContext) -> Option<BlobJson> {
    let (sidecar, index) = context.node.pool().blob(versioned_hash)?;
    if !has_proofs(kind, &sidecar) {
        return None;
    }
    let blob = sidecar.blobs.get(index)?.clone();
    Some(match kind {
        BlobsBundle::Whole => BlobJson::Whole { blob, proof: sidecar.proofs.get(index)?.clone() },
        BlobsBundle::Cells => {
            let first = index.checked_mul(CELLS_PER_BLOB)?;
            let proofs = sidecar.proofs.get(first..first.checked_add(CELLS_PER_BLOB)?)?.to_vec();
            BlobJson::Cells { blob, proofs }
        }
    })
}
