//! The operator's calls, and what can be asked of the office.

use super::dispatch::Part;
use super::done;
use crate::abi::IMarket::{self, IMarketCalls as Calls};
use crate::gas;
use crate::layout::Globals;
use crate::market::Market;
use crate::operator::Proposal;
use crate::oracle::Office;
use crate::types::InstrumentId;
use alloc::vec::Vec;
use alloy_sol_types::SolCall;

/// Calls that change something.
pub(super) fn run(market: &mut Market<'_, '_>, call: &Calls) -> Part {
    let answer = match call {
        Calls::propose(call) => {
            let proposal = market.propose(&call.action)?;
            IMarket::proposeCall::abi_encode_returns(&proposal)
        }
        Calls::execute(call) => {
            market.execute(call.proposal, &call.action)?;
            Vec::new()
        }
        Calls::withdrawProposal(call) => {
            market.meter.charge(gas::PROPOSAL)?;
            market.withdraw_proposal(call.proposal)?;
            Vec::new()
        }
        Calls::restrict(call) => {
            market.meter.charge(gas::PROPOSAL)?;
            market.restrict(InstrumentId(call.instrument), call.status)?;
            Vec::new()
        }
        Calls::offerOperator(call) => {
            market.meter.charge(gas::PROPOSAL)?;
            market.offer_operator(call.next)?;
            Vec::new()
        }
        Calls::acceptOperator(_) => {
            market.meter.charge(gas::PROPOSAL)?;
            market.accept_operator()?;
            Vec::new()
        }
        _ => return Ok(None),
    };
    done(answer).map(Some)
}

/// Calls that only ask.
pub(super) fn view(market: &mut Market<'_, '_>, call: &Calls) -> Part {
    let answer = match call {
        Calls::proposalOf(call) => {
            market.meter.charge(gas::READ)?;
            let proposal = market.records.get::<Proposal>(call.proposal)?;
            IMarket::proposalOfCall::abi_encode_returns(&IMarket::proposalOfReturn {
                actionHash: proposal.action_hash,
                executableSeconds: proposal.executable_seconds,
            })
        }
        Calls::signers(_) => {
            let globals = market.records.get::<Globals>(())?;
            market.meter.charge(gas::READ * (2 + u64::from(globals.signers)))?;
            let addresses = market.signers()?;
            let last_sequence = market.records.get::<Office>(())?.sequence;
            IMarket::signersCall::abi_encode_returns(&IMarket::signersReturn {
                addresses,
                quorum: globals.quorum,
                lastSequence: last_sequence,
            })
        }
        _ => return Ok(None),
    };
    done(answer).map(Some)
}
