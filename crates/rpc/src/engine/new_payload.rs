//! `engine_newPayload`: a block that the consensus layer knows of.
//!
//! The order of the checks is the specification's. First the parameters: a missing or superfluous field is -32602, another fork's
//! payload -38005. Then what the payload shows by itself: transactions that can't be decoded, other blobs than expected, a hash
//! that is not its content's. These are `INVALID` without a latest valid hash, since the payload's place in the chain is in doubt.
//! Then the node: it executes the block on its parent.

use super::EngineError;
use super::payload::{Beside, Payload, PayloadError, RequestsParam};
use super::version::{NewPayload, form_at};
use super::{at_most, required};
use crate::RpcContext;
use crate::json::{Fields, ParamError, Params};
use alloy_primitives::B256;
use rialto_node::PayloadStatus;
use rialto_stf::ChainSpec;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// `PayloadStatusV1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusJson {
    pub(super) status: &'static str,
    pub(super) latest_valid_hash: Option<B256>,
    pub(super) validation_error: Option<String>,
}

impl StatusJson {
    /// The block is valid, and so the latest that is.
    pub(super) fn valid(hash: B256) -> Self {
        Self { status: "VALID", latest_valid_hash: Some(hash), validation_error: None }
    }

    /// An ancestor is missing.
    pub(super) fn syncing() -> Self {
        Self { status: "SYNCING", latest_valid_hash: None, validation_error: None }
    }

    /// The block or an ancestor is not valid.
    pub(super) fn invalid(latest_valid_hash: Option<B256>, error: String) -> Self {
        Self { status: "INVALID", latest_valid_hash, validation_error: Some(error) }
    }
}

/// Answers a request.
pub(super) fn call(
    version: &NewPayload,
    params: &Params,
    context: &Arc<RpcContext>,
) -> Result<StatusJson, EngineError> {
    let (payload, beside) = read(version, params, context.node.spec())?;
    let fork = context.node.spec().fork_at(payload.header.number, payload.header.timestamp);
    version.forks.check(version.method, fork)?;
    let (hash, access_list_bytes) = (payload.block_hash, payload.block_access_list.clone());
    let (block, access_list) = match payload.into_block(&beside) {
        Ok(parts) => parts,
        Err(error) => {
            let is_hash = matches!(error, PayloadError::BlockHash { .. });
            let status = if is_hash { version.wrong_hash_status } else { "INVALID" };
            return Ok(StatusJson { status, ..StatusJson::invalid(None, error.to_string()) });
        }
    };
    Ok(match context.node.insert_payload(block, access_list)? {
        PayloadStatus::Valid => {
            if let Some(bytes) = access_list_bytes {
                context.engine.keep_access_list(hash, bytes);
            }
            StatusJson::valid(hash)
        }
        PayloadStatus::Invalid { latest_valid_hash, error } => StatusJson::invalid(latest_valid_hash, error),
        PayloadStatus::Syncing => StatusJson::syncing(),
    })
}

/// The parameters.
fn read(version: &NewPayload, params: &Params, chain: &ChainSpec) -> Result<(Payload, Beside), EngineError> {
    const NAME: &str = "executionPayload";
    at_most(params, 1 + 2 * usize::from(version.has_blobs) + usize::from(version.has_requests))?;
    let malformed = |error: ParamError| EngineError::Params(error.into_rpc(NAME).message);
    let value = params.get(0).ok_or_else(|| EngineError::Params(format!("{NAME}: expected a payload, found none")))?;
    let (number, timestamp) = place(value).map_err(malformed)?;
    let form = form_at(version.forms, chain, number, timestamp);
    let payload = Payload::read(value, form).map_err(malformed)?;
    let mut beside = Beside::default();
    if version.has_blobs {
        beside.versioned_hashes = Some(required(params, 1, "expectedBlobVersionedHashes")?);
        beside.parent_beacon_block_root = Some(required(params, 2, "parentBeaconBlockRoot")?);
    }
    if version.has_requests {
        beside.requests = Some(required::<RequestsParam>(params, 3, "executionRequests")?.0);
    }
    Ok((payload, beside))
}

/// Number and time, which decide on the fork and so on the form of the rest.
fn place(value: &Value) -> Result<(u64, u64), ParamError> {
    let fields = Fields::of(value)?;
    Ok((fields.required("blockNumber")?, fields.required("timestamp")?))
}
