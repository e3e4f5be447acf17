//! `engine_getPayload`: the best block built so far under an id, with what consensus has to know of it.

use super::payload::PayloadJson;
use super::version::{BlobsBundle, GetPayload};
use super::{EngineError, at_most, required};
use crate::RpcContext;
use crate::json::Params;
use alloy_primitives::{Bytes, U256};
use rialto_node::{BlobSidecar, BuiltBlock, PayloadId};
use serde::Serialize;
use std::sync::Arc;

/// A payload alone, or with its value and what follows.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(super) enum AnswerJson {
    Payload(Box<PayloadJson>),
    Envelope(Box<EnvelopeJson>),
}

/// A payload with its value and what the version adds.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EnvelopeJson {
    execution_payload: PayloadJson,
    block_value: U256,
    #[serde(skip_serializing_if = "Option::is_none")]
    blobs_bundle: Option<BundleJson>,
    /// Since Cancun. There is nothing that this node would warn of.
    #[serde(skip_serializing_if = "Option::is_none")]
    should_override_builder: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_requests: Option<Vec<Bytes>>,
}

#[derive(Clone, Debug, Default, Serialize)]
struct BundleJson {
    commitments: Vec<Bytes>,
    proofs: Vec<Bytes>,
    blobs: Vec<Bytes>,
}

/// Answers a request.
pub(super) fn call(
    version: &GetPayload,
    params: &Params,
    context: &Arc<RpcContext>,
) -> Result<AnswerJson, EngineError> {
    at_most(params, 1)?;
    let bytes: Bytes = required(params, 0, "payloadId")?;
    let id: PayloadId = bytes[..]
        .try_into()
        .map_err(|_| EngineError::Params(format!("payloadId: expected 8 bytes, found {}", bytes.len())))?;
    let built = context.node.payload(&id)?;
    let built = built.ok_or_else(|| {
        EngineError::UnknownPayload(format!("payloadId: expected one that is being built, found {bytes}"))
    })?;
    let header = &built.block.block.header;
    version.forks.check(version.method, context.node.spec().fork_at(header.number, header.timestamp))?;
    let payload = PayloadJson::new(&built.block.block, built.block.hash, built.block_access_list.as_ref());
    if let Some(list) = &built.block_access_list {
        context.engine.keep_access_list(built.block.hash, list.encode().into());
    }
    if !version.has_envelope {
        return Ok(AnswerJson::Payload(Box::new(payload)));
    }
    Ok(AnswerJson::Envelope(Box::new(EnvelopeJson {
        execution_payload: payload,
        block_value: built.value,
        blobs_bundle: version.blobs.map(|kind| bundle(kind, &built)).transpose()?,
        should_override_builder: version.blobs.map(|_| false),
        execution_requests: version.has_requests.then(|| built.requests.clone().unwrap_or_default()),
    })))
}

/// The blobs of the block's transactions, in their order.
fn bundle(kind: BlobsBundle, built: &BuiltBlock) -> Result<BundleJson, EngineError> {
    let mut bundle = BundleJson::default();
    for transaction in &built.transactions {
        let Some(sidecar) = &transaction.sidecar else { continue };
        if !has_proofs(kind, sidecar) {
            let text =
                format!("blobs of transaction {}: expected proofs of the block's fork, found others", transaction.hash);
            return Err(EngineError::Server(text));
        }
        bundle.commitments.extend_from_slice(&sidecar.commitments);
        bundle.proofs.extend_from_slice(&sidecar.proofs);
        bundle.blobs.extend_from_slice(&sidecar.blobs);
    }
    Ok(bundle)
}

/// Whether a sidecar has proofs of this kind.
pub(super) fn has_proofs(kind: BlobsBundle, sidecar: &BlobSidecar) -> bool {
    match kind {
        BlobsBundle::Whole => sidecar.version == 0,
        BlobsBundle::Cells => sidecar.version == 1,
    }
}
