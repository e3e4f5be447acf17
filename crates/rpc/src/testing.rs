//! The `testing` namespace: `testing_buildBlockV1`, which builds a block from given transactions without keeping it.

use crate::json::{Fields, FromJson, ParamError, Params, WithdrawalParam};
use crate::methods::{Module, Registered, heavy};
use crate::{EngineRequest, RpcContext, RpcError};
use alloy_primitives::{B256, Bytes, U256};
use rialto_node::{BlockId, BuiltBlock, PayloadAttributes, PoolTransaction, TransactionSource, gas_limit_towards};
use rialto_stf::{Transaction, recover_sender};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// What blocks' gas limits move towards where the node has no target of its own.
const GAS_LIMIT_TARGET: u64 = 60_000_000;

/// Registers the namespace's methods.
pub(crate) fn register(module: &mut Module) -> Registered {
    heavy(module, "testing_buildBlockV1", build_block)
}

/// Attributes as the Engine API writes them.
struct Attributes(PayloadAttributes);

impl FromJson for Attributes {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        let withdrawals: Option<Vec<WithdrawalParam>> = fields.optional("withdrawals")?;
        Ok(Self(PayloadAttributes {
            timestamp: fields.required("timestamp")?,
            prev_randao: fields.required("prevRandao")?,
            suggested_fee_recipient: fields.required("suggestedFeeRecipient")?,
            withdrawals: withdrawals.map(|list| list.into_iter().map(|item| item.0).collect()),
            parent_beacon_block_root: fields.optional("parentBeaconBlockRoot")?,
            slot_number: fields.optional("slotNumber")?,
            gas_limit: fields.optional("targetGasLimit")?,
            ..PayloadAttributes::default()
        }))
    }
}

/// A block with its value and what belongs to it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EnvelopeJson {
    execution_payload: Value,
    block_value: U256,
    blobs_bundle: BlobsBundleJson,
    execution_requests: Vec<Bytes>,
    should_override_builder: bool,
}

#[derive(Clone, Debug, Default, Serialize)]
struct BlobsBundleJson {
    commitments: Vec<Bytes>,
    proofs: Vec<Bytes>,
    blobs: Vec<Bytes>,
}

fn build_block(params: &Params, context: &Arc<RpcContext>) -> Result<EnvelopeJson, RpcError> {
    let parent: B256 = params.required(0, "parentBlockHash")?;
    let Attributes(mut attributes) = params.required(1, "payloadAttributes")?;
    let transactions: Option<Vec<Bytes>> = params.optional(2, "transactions")?;
    attributes.extra_data = params.optional(3, "extraData")?.or(Some(Bytes::new()));
    let view = context.view()?;
    let header = view.header(BlockId::Hash(parent))?;
    let header = header.ok_or_else(|| RpcError::server(format!("parent {parent}: expected a known block")))?;
    let target = attributes.gas_limit.or(context.node.config().gas_limit_target).unwrap_or(GAS_LIMIT_TARGET);
    attributes.gas_limit = Some(gas_limit_towards(header.gas_limit, target));
    let source = match transactions {
        None => TransactionSource::Pool,
        Some(list) => {
            let spec = context.node.spec();
            let rules = spec.rules_at(header.number.saturating_add(1), attributes.timestamp);
            let decode = |(index, bytes): (usize, &Bytes)| {
                let wrong = |error: &dyn std::fmt::Display| RpcError::server(format!("transactions[{index}]: {error}"));
                let Ok(transaction) = Transaction::decode(bytes) else {
                    // With its blobs, as the network sends it.
                    return PoolTransaction::decode(bytes, spec, &header).map(Arc::new).map_err(|error| wrong(&error));
                };
                let sender = recover_sender(&transaction, rules, spec.chain_id).map_err(|error| wrong(&error))?;
                Ok(Arc::new(PoolTransaction { hash: transaction.hash(), transaction, sender, sidecar: None }))
            };
            TransactionSource::Exactly(list.iter().enumerate().map(decode).collect::<Result<_, RpcError>>()?)
        }
    };
    let built = context.node.build(parent, &attributes, &source);
    // Whatever is wrong with the block to build is the caller's, not the request's form.
    let built = built.map_err(|error| RpcError::server(error.to_string()))?;
    Ok(envelope(context, &built))
}

fn envelope(context: &RpcContext, built: &BuiltBlock) -> EnvelopeJson {
    let block = &built.block.block;
    let requests = built.requests.clone().unwrap_or_default();
    let access_list = built.block_access_list.as_ref().map(|list| list.encode().into());
    let payload = EngineRequest::new_payload(context.node.spec(), block, &requests, access_list);
    let mut blobs_bundle = BlobsBundleJson::default();
    for sidecar in built.transactions.iter().filter_map(|transaction| transaction.sidecar.as_ref()) {
        blobs_bundle.commitments.extend_from_slice(&sidecar.commitments);
        blobs_bundle.proofs.extend_from_slice(&sidecar.proofs);
        blobs_bundle.blobs.extend_from_slice(&sidecar.blobs);
    }
    EnvelopeJson {
        execution_payload: payload.params.into_iter().next().unwrap_or_default(),
        block_value: built.value,
        blobs_bundle,
        execution_requests: requests,
        should_override_builder: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gas_limits_move_by_less_than_a_1024th() {
        let rows = [
            ("down", 200_000_000, 60_000_000, 199_804_689),
            ("up", 30_000_000, 60_000_000, 30_029_295),
            ("there", 60_000_000, 60_000_000, 60_000_000),
            ("near", 60_000_000, 60_000_100, 60_000_100),
        ];
        for (name, parent, target, expected) in rows {
            assert_eq!(gas_limit_towards(parent, target), expected, "{name}");
        }
    }
}
