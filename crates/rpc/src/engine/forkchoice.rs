//! `engine_forkchoiceUpdated`: which block is the head, which are safe and finalized, and whether to build on the head.
//!
//! The new head comes first, whatever is wrong with the attributes: the specification does not let attributes undo it. They are
//! looked at only if the head is valid and now the node's head; a head that the node passes over, because it lies behind what is
//! finalized, is valid and gets no payload.

use super::EngineError;
use super::new_payload::StatusJson;
use super::payload::when;
use super::version::{ForkchoiceUpdated, form_at};
use super::{at_most, required};
use crate::RpcContext;
use crate::json::{Fields, FromJson, ParamError, Params, WithdrawalParam};
use alloy_primitives::{B256, Bytes, hex};
use rialto_node::{
    ForkchoiceStatus, NodeError, PayloadAttributes, PoolTransaction, TransactionSource, gas_limit_towards,
};
use rialto_stf::Header;
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// Bytes of `custodyColumns`: a bit for each of a blob's 128 cells.
const CUSTODY_COLUMNS_BYTES: usize = 16;

/// What became of the head, and the id of the payload that is being built.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ForkchoiceJson {
    payload_status: StatusJson,
    payload_id: Option<String>,
}

/// `ForkchoiceStateV1`.
struct ForkchoiceState {
    head: B256,
    safe: B256,
    finalized: B256,
}

impl FromJson for ForkchoiceState {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        let fields = Fields::of(value)?;
        Ok(Self {
            head: fields.required("headBlockHash")?,
            safe: fields.required("safeBlockHash")?,
            finalized: fields.required("finalizedBlockHash")?,
        })
    }
}

/// Answers a request.
pub(super) fn call(
    version: &ForkchoiceUpdated,
    params: &Params,
    context: &Arc<RpcContext>,
) -> Result<ForkchoiceJson, EngineError> {
    at_most(params, 2 + usize::from(version.has_custody_columns))?;
    let state: ForkchoiceState = required(params, 0, "forkchoiceState")?;
    check_custody_columns(params)?;
    let without_payload = |payload_status| Ok(ForkchoiceJson { payload_status, payload_id: None });
    match context.node.set_forkchoice(state.head, state.safe, state.finalized)? {
        ForkchoiceStatus::Valid => {}
        ForkchoiceStatus::Syncing => return without_payload(StatusJson::syncing()),
        ForkchoiceStatus::Invalid { latest_valid_hash, error } => {
            return without_payload(StatusJson::invalid(latest_valid_hash, error));
        }
        ForkchoiceStatus::Inconsistent => return Err(inconsistent(&state)),
    }
    let payload_status = StatusJson::valid(state.head);
    let Some(attributes) = params.get(1) else { return without_payload(payload_status) };
    let view = context.node.view()?;
    if view.head().hash != state.head {
        return without_payload(payload_status);
    }
    let head = &view.head().block.header;
    let source = read_source(attributes, head, context)?;
    let attributes = read_attributes(version, attributes, head, context)?;
    let id = context.node.start_payload_of(state.head, attributes, source).map_err(|error| match error {
        NodeError::Invalid { .. } | NodeError::Build(_) => EngineError::PayloadAttributes(error.to_string()),
        error => error.into(),
    })?;
    Ok(ForkchoiceJson { payload_status, payload_id: Some(hex::encode_prefixed(id)) })
}

/// The columns are for sampling blobs of other nodes, which this one does not: it keeps whole blobs. So only their form counts.
fn check_custody_columns(params: &Params) -> Result<(), EngineError> {
    let columns: Option<Bytes> =
        params.optional(2, "custodyColumns").map_err(|error| EngineError::Params(error.message))?;
    match columns {
        Some(columns) if columns.len() != CUSTODY_COLUMNS_BYTES => Err(EngineError::Params(format!(
            "custodyColumns: expected {CUSTODY_COLUMNS_BYTES} bytes, found {}",
            columns.len()
        ))),
        _ => Ok(()),
    }
}

fn inconsistent(state: &ForkchoiceState) -> EngineError {
    let ForkchoiceState { head, safe, finalized } = state;
    EngineError::ForkchoiceState(format!(
        "safeBlockHash and finalizedBlockHash: expected ancestors of {head}, or zero, found {safe} and {finalized}"
    ))
}

/// Where the block's transactions come from. A rollup's driver (OP Stack's extension of the attributes) names those that come first,
/// in `transactions`, and says with `noTxPool` whether they are all.
fn read_source(value: &Value, parent: &Header, context: &RpcContext) -> Result<TransactionSource, EngineError> {
    let read = || -> Result<(Option<Vec<Bytes>>, Option<bool>), ParamError> {
        let fields = Fields::of(value)?;
        Ok((fields.optional("transactions")?, fields.optional("noTxPool")?))
    };
    let malformed = |error: ParamError| EngineError::PayloadAttributes(error.into_rpc("payloadAttributes").message);
    let (transactions, is_all) = read().map_err(malformed)?;
    let decode = |(index, bytes): (usize, &Bytes)| {
        let transaction = PoolTransaction::decode(bytes, context.node.spec(), parent);
        transaction.map(Arc::new).map_err(|error| {
            EngineError::PayloadAttributes(format!("payloadAttributes.transactions[{index}]: {error}"))
        })
    };
    let named = transactions.iter().flatten().enumerate().map(decode).collect::<Result<Vec<_>, _>>()?;
    Ok(match (named.is_empty(), is_all.unwrap_or(false)) {
        (_, true) => TransactionSource::Exactly(named),
        (true, false) => TransactionSource::Pool,
        (false, false) => TransactionSource::ThenPool(named),
    })
}

/// Payload attributes of the version's form, for a block on `parent`.
fn read_attributes(
    version: &ForkchoiceUpdated,
    value: &Value,
    parent: &Header,
    context: &RpcContext,
) -> Result<PayloadAttributes, EngineError> {
    let malformed = |error: ParamError| EngineError::PayloadAttributes(error.into_rpc("payloadAttributes").message);
    let chain = context.node.spec();
    let number = parent.number.saturating_add(1);
    let timestamp: u64 = Fields::of(value).and_then(|fields| fields.required("timestamp")).map_err(malformed)?;
    let form = form_at(version.forms, chain, number, timestamp);
    let read = || -> Result<PayloadAttributes, ParamError> {
        let fields = Fields::of(value)?;
        form.refuse_other_attributes(&fields)?;
        let withdrawals: Option<Vec<WithdrawalParam>> = when(form.has_withdrawals, &fields, "withdrawals")?;
        let target: Option<u64> = fields.optional("targetGasLimit")?;
        Ok(PayloadAttributes {
            timestamp,
            prev_randao: fields.required("prevRandao")?,
            suggested_fee_recipient: fields.required("suggestedFeeRecipient")?,
            withdrawals: withdrawals.map(|list| list.into_iter().map(|item| item.0).collect()),
            parent_beacon_block_root: when(form.has_blobs, &fields, "parentBeaconBlockRoot")?,
            slot_number: when(form.has_access_list, &fields, "slotNumber")?,
            // A rollup's driver says it outright.
            gas_limit: fields
                .optional("gasLimit")?
                .or(target.map(|target| gas_limit_towards(parent.gas_limit, target))),
            ..PayloadAttributes::default()
        })
    };
    let attributes = read().map_err(malformed)?;
    version.forks.check(version.method, chain.fork_at(number, timestamp))?;
    if timestamp <= parent.timestamp {
        return Err(EngineError::PayloadAttributes(format!(
            "payloadAttributes.timestamp: expected more than {:#x}, the head's, found {timestamp:#x}",
            parent.timestamp
        )));
    }
    Ok(attributes)
}

#[cfg(test)]
mod tests {
    use super::gas_limit_towards;

    #[test]
    fn the_gas_limit_moves_within_bounds() {
        let rows = [
            ("there already", 30_000_000, 30_000_000, 30_000_000),
            ("near", 30_000_000, 30_000_100, 30_000_100),
            ("up", 30_000_000, 60_000_000, 30_029_295),
            ("down", 30_000_000, 0, 29_970_705),
            ("at the bottom", 5_000, 0, 5_000),
            ("at the top", u64::MAX, u64::MAX, u64::MAX),
        ];
        for (name, parent, target, expected) in rows {
            let found = gas_limit_towards(parent, target);
            assert_eq!(found, expected, "{name}");
            assert!(found.abs_diff(parent) < parent / 1_024, "{name}");
        }
    }
}
