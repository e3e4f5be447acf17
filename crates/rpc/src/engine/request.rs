//! The consensus client's side, in this process: a block as the request that hands it over, and a request without a network.
//!
//! Vectors of blocks go this way, so that what a consensus client would send is what is tested, down to its JSON.

use super::payload::PayloadJson;
use super::version::{FORKCHOICE_UPDATED, NEW_PAYLOAD};
use super::{EngineError, forkchoice, new_payload};
use crate::json::Params;
use crate::{RpcContext, RpcError};
use alloy_primitives::{B256, Bytes};
use rialto_stf::{Block, ChainSpec};
use serde::Serialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// A method of the Engine API with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineRequest {
    /// The method.
    pub method: &'static str,
    /// The parameters.
    pub params: Vec<Value>,
}

impl EngineRequest {
    /// `engine_newPayload`, in the newest version that is for the block's fork. `requests` are those that the header commits to,
    /// `access_list` is encoded.
    pub fn new_payload(chain: &ChainSpec, block: &Block, requests: &[Bytes], access_list: Option<Bytes>) -> Self {
        let header = &block.header;
        let fork = chain.fork_at(header.number, header.timestamp);
        let is_for = |forks: super::version::Forks, method| forks.check(method, fork).is_ok();
        let version = NEW_PAYLOAD.iter().rfind(|row| is_for(row.forks, row.method)).unwrap_or(&NEW_PAYLOAD[0]);
        let mut params = vec![json!(PayloadJson::with_encoded_list(block, block.hash(), access_list))];
        if version.has_blobs {
            let hashes = block.transactions.iter().flat_map(|transaction| &transaction.blob_versioned_hashes);
            params.push(json!(hashes.collect::<Vec<_>>()));
            params.push(json!(header.parent_beacon_block_root));
        }
        if version.has_requests {
            params.push(json!(requests));
        }
        Self { method: version.method, params }
    }

    /// `engine_forkchoiceUpdated` to this head, without attributes.
    pub fn forkchoice(chain: &ChainSpec, block: &Block, safe: B256, finalized: B256) -> Self {
        let fork = chain.fork_at(block.header.number, block.header.timestamp);
        let version = FORKCHOICE_UPDATED.iter().rfind(|row| row.forks.check(row.method, fork).is_ok());
        let method = version.map_or(FORKCHOICE_UPDATED[0].method, |row| row.method);
        let state = json!({ "headBlockHash": block.hash(), "safeBlockHash": safe, "finalizedBlockHash": finalized });
        Self { method, params: vec![state, Value::Null] }
    }

    /// The answer. Of the namespace's methods only `newPayload` and `forkchoiceUpdated` are here; others read, which a caller in
    /// this process does through the node.
    pub fn call(self, context: &Arc<RpcContext>) -> Result<Value, RpcError> {
        let params = Params::from_values(self.params);
        if let Some(version) = NEW_PAYLOAD.iter().find(|row| row.method == self.method) {
            return answer(new_payload::call(version, &params, context));
        }
        match FORKCHOICE_UPDATED.iter().find(|row| row.method == self.method) {
            Some(version) => answer(forkchoice::call(version, &params, context)),
            None => answer::<()>(Err(EngineError::Params(format!(
                "method: expected newPayload or forkchoiceUpdated, found {}",
                self.method
            )))),
        }
    }
}

fn answer<T: Serialize>(result: Result<T, EngineError>) -> Result<Value, RpcError> {
    Ok(json!(result?))
}
