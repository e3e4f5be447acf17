//! What the operator may change, and what was announced: parameters with their bounds, and proposals with the time lock.

use super::events::{Blocks, EventFilter, EventPlace, decode};
use super::json::Decimal;
use super::read::{BlockPlace, MarketState};
use crate::json::{Params, Quantity};
use crate::methods::{Module, Registered, heavy};
use crate::{RpcContext, RpcError};
use alloy_primitives::{Address, Bytes};
use alloy_sol_types::SolEvent;
use rialto_market::abi::IMarket::Proposed;
use rialto_market::instruments::{PARAMETERS, Terms};
use rialto_market::layout::Globals;
use rialto_market::operator::Proposal;
use rialto_market::types::InstrumentId;
use serde::Serialize;
use std::sync::Arc;

/// Registers the methods of this file.
pub(super) fn register(module: &mut Module) -> Registered {
    heavy(module, "market_parameters", |params: &Params, context: &Arc<RpcContext>| {
        let id: InstrumentId = params.required(0, "instrument")?;
        let market = MarketState::of(context, params, 1)?;
        parameters(&market, id)
    })?;
    heavy(module, "market_operator", operator)
}

/// A parameter of an instrument.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ParameterJson {
    name: &'static str,
    value: Decimal<i64>,
    default: Decimal<i64>,
    least: Decimal<i64>,
    most: Decimal<i64>,
}

/// Answer of `market_parameters`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ParametersJson {
    instrument: Decimal<u16>,
    parameters: Vec<ParameterJson>,
    #[serde(flatten)]
    at: BlockPlace,
}

fn parameters(market: &MarketState, id: InstrumentId) -> Result<ParametersJson, RpcError> {
    let terms = Terms { instrument: market.instrument(id)?, rules: market.record(id)? };
    let parameters = PARAMETERS.iter().map(|row| ParameterJson {
        name: row.name,
        value: Decimal((row.get)(&terms)),
        default: Decimal(row.default),
        least: Decimal(row.least),
        most: Decimal(row.most),
    });
    Ok(ParametersJson { instrument: Decimal(id.0), parameters: parameters.collect(), at: market.at })
}

/// Answer of `market_operator`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct OperatorJson {
    operator: Address,
    timelock_seconds: Decimal<u32>,
    signers: Decimal<u8>,
    quorum: Decimal<u8>,
    /// Proposals that wait, as far as the blocks that may be looked through at once go back.
    proposals: Vec<ProposalJson>,
    #[serde(flatten)]
    at: BlockPlace,
}

/// A proposal that waits.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProposalJson {
    proposal: Decimal<u64>,
    executable_at: Quantity,
    /// Whether the time lock was over in the block that the answer is about.
    is_executable: bool,
    action: Bytes,
    proposed_in: EventPlace,
}

fn operator(params: &Params, context: &Arc<RpcContext>) -> Result<OperatorJson, RpcError> {
    let market = MarketState::of(context, params, 0)?;
    let globals: Globals = market.record(())?;
    let view = context.view()?;
    let filter = EventFilter::none().or(vec![Proposed::SIGNATURE_HASH], Default::default());
    let last = market.at.block_number.0.min(view.head().block.header.number);
    let first = (last + 1).saturating_sub(context.limits.max_log_blocks);
    let mut proposals = Vec::new();
    filter.scan(&view, &context.limits, Blocks { first, last, is_descending: true }, &mut |block, receipts| {
        for (position, log) in filter.events(receipts) {
            let Some(event) = decode::<Proposed>(log) else { continue };
            let waiting: Proposal = market.record(event.proposal)?;
            if waiting.action_hash.is_zero() {
                continue;
            }
            proposals.push(ProposalJson {
                proposal: Decimal(event.proposal),
                executable_at: Quantity(waiting.executable_seconds),
                is_executable: waiting.executable_seconds <= market.at.timestamp.0,
                action: event.action,
                proposed_in: EventPlace::new(block, position, false),
            });
        }
        Ok(proposals.len() < context.limits.max_market_entries)
    })?;
    proposals.sort_by_key(|proposal| proposal.proposal.0);
    Ok(OperatorJson {
        operator: globals.operator,
        timelock_seconds: Decimal(globals.timelock_seconds),
        signers: Decimal(globals.signers),
        quorum: Decimal(globals.quorum),
        proposals,
        at: market.at,
    })
}
