//! `engine_getBlobs`: blobs of transactions in the pool, which spares a consensus client waiting for them on its own network.
//!
//! The first three versions give whole blobs. The fourth gives single cells of them: of a blob extended to 128 cells, of which
//! the first half is the blob itself, those that a bit array names. The second half is computed where it is asked for, which
//! takes milliseconds a blob; the number of blobs bounds it.

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
    let hashes = versioned_hashes(params)?;
    let view = context.node.view()?;
    let head = &view.head().block.header;
    version.check_head(context.node.spec().fork_at(head.number, head.timestamp))?;
    let blobs: Vec<Option<BlobJson>> = hashes.iter().map(|hash| blob(version.bundle, hash, context)).collect();
    let is_complete = blobs.iter().all(Option::is_some);
    Ok((version.is_partial || is_complete).then_some(blobs))
}

fn versioned_hashes(params: &Params) -> Result<Vec<B256>, EngineError> {
    let hashes: Vec<B256> = required(params, 0, "blobVersionedHashes")?;
    if hashes.len() <= MAX_BLOBS {
        return Ok(hashes);
    }
    Err(EngineError::TooLarge(format!("blobVersionedHashes: expected at most {MAX_BLOBS}, found {}", hashes.len())))
}

/// Cells of a blob with their proofs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct CellsJson {
    blob_cells: Vec<Bytes>,
    proofs: Vec<Bytes>,
}

/// Answers `engine_getBlobsV4`.
pub(super) fn cells(params: &Params, context: &Arc<RpcContext>) -> Result<Vec<Option<CellsJson>>, EngineError> {
    at_most(params, 2)?;
    let hashes = versioned_hashes(params)?;
    let bits: Bytes = required(params, 1, "indicesBitarray")?;
    if bits.len() * 8 != CELLS_PER_BLOB {
        let text = format!("indicesBitarray: expected {} bytes, found {}", CELLS_PER_BLOB / 8, bits.len());
        return Err(EngineError::Params(text));
    }
    let indices: Vec<usize> = (0..CELLS_PER_BLOB).filter(|index| bits[index / 8] >> (index % 8) & 1 == 1).collect();
    hashes.iter().map(|hash| cells_of(hash, &indices, context)).collect()
}

fn cells_of(versioned_hash: &B256, indices: &[usize], context: &RpcContext) -> Result<Option<CellsJson>, EngineError> {
    let Some((sidecar, index)) = context.node.pool().blob(versioned_hash) else { return Ok(None) };
    let proofs = sidecar.proofs_of(index);
    if !has_proofs(BlobsBundle::Cells, &sidecar) || proofs.len() != CELLS_PER_BLOB {
        return Ok(None);
    }
    let cells = sidecar.cells_of(index).map_err(|error| EngineError::Server(error.to_string()))?;
    let chosen = |items: &[Bytes]| indices.iter().map(|index| items[*index].clone()).collect();
    Ok(Some(CellsJson { blob_cells: chosen(&cells), proofs: chosen(proofs) }))
}

/// The blob with this versioned hash, if the pool has it with proofs of this kind.
fn blob(kind: BlobsBundle, versioned_hash: &B256, context: &RpcContext) -> Option<BlobJson> {
    let (sidecar, index) = context.node.pool().blob(versioned_hash)?;
    if !has_proofs(kind, &sidecar) {
        return None;
    }
    let (blob, proofs) = (sidecar.blobs.get(index)?.clone(), sidecar.proofs_of(index));
    Some(match kind {
        BlobsBundle::Whole => BlobJson::Whole { blob, proof: proofs.first()?.clone() },
        BlobsBundle::Cells => BlobJson::Cells { blob, proofs: proofs.to_vec() },
    })
}
