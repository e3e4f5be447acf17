//! The calls about accounts, their money and how they stand.

use super::dispatch::Part;
use super::done;
use crate::abi::IMarket::{self, IMarketCalls as Calls};
use crate::gas;
use crate::layout::AccountOf;
use crate::market::Market;
use crate::positions::to_i256;
use crate::types::{AccountId, AssetId, InstrumentId};
use alloc::vec::Vec;
use alloy_primitives::U256;
use alloy_sol_types::SolCall;

/// Calls that change something.
pub(super) fn run(market: &mut Market<'_, '_>, call: &Calls) -> Part {
    let answer = match call {
        Calls::openAccount(call) => {
            market.meter.charge(gas::ACCOUNT_OPEN)?;
            let account = market.open_account(call.number, None)?;
            IMarket::openAccountCall::abi_encode_returns(&account.0)
        }
        Calls::openIsolated(call) => {
            market.meter.charge(gas::ACCOUNT_OPEN)?;
            let account = market.open_account(call.number, Some(InstrumentId(call.instrument)))?;
            IMarket::openIsolatedCall::abi_encode_returns(&account.0)
        }
        Calls::setMarginMode(call) => {
            market.meter.charge(gas::ACCOUNT_SET)?;
            market.set_margin_mode(AccountId(call.account), call.mode)?;
            Vec::new()
        }
        Calls::setAgent(call) => {
            market.meter.charge(gas::ACCOUNT_SET)?;
            market.set_agent(AccountId(call.account), call.agent, call.untilSeconds)?;
            Vec::new()
        }
        Calls::transfer(call) => {
            market.meter.charge(gas::BALANCE_MOVE)?;
            let (from, to) = (AccountId(call.from), AccountId(call.to));
            market.transfer(from, to, AssetId(call.asset), call.amount)?;
            Vec::new()
        }
        Calls::collectReserve(call) => {
            market.meter.charge(gas::BALANCE_MOVE)?;
            let amount = market.collect_reserve(AssetId(call.asset))?;
            IMarket::collectReserveCall::abi_encode_returns(&U256::from(amount.unsigned_abs()))
        }
        Calls::deposit(call) => {
            market.meter.charge(gas::BALANCE_MOVE)?;
            return market.deposit(AccountId(call.account), call.token, call.amount).map(Some);
        }
        Calls::withdraw(call) => {
            market.meter.charge(gas::BALANCE_MOVE)?;
            return market.withdraw(AccountId(call.account), call.token, call.amount, call.to).map(Some);
        }
        _ => return Ok(None),
    };
    done(answer).map(Some)
}

/// Calls that only ask.
pub(super) fn view(market: &mut Market<'_, '_>, call: &Calls) -> Part {
    let answer = match call {
        Calls::accountOf(call) => {
            market.meter.charge(gas::READ)?;
            let account = market.records.get::<AccountOf>((call.owner, call.number))?.account;
            IMarket::accountOfCall::abi_encode_returns(&account.0)
        }
        Calls::balanceOf(call) => {
            market.meter.charge(gas::READ * 2)?;
            let amount = market.balance(AccountId(call.account), AssetId(call.asset))?;
            IMarket::balanceOfCall::abi_encode_returns(&to_i256(amount))
        }
        Calls::positionOf(call) => {
            market.meter.charge(gas::READ)?;
            let position = market.position(AccountId(call.account), InstrumentId(call.instrument))?;
            IMarket::positionOfCall::abi_encode_returns(&IMarket::positionOfReturn {
                lots: position.lots,
                cost: to_i256(position.cost),
                bidLots: position.bid_lots,
                askLots: position.ask_lots,
            })
        }
        Calls::health(call) => {
            let health = market.health(AccountId(call.account))?;
            IMarket::healthCall::abi_encode_returns(&IMarket::healthReturn {
                equity: to_i256(health.equity),
                initialMargin: to_i256(health.initial),
                maintenanceMargin: to_i256(health.maintenance),
                status: health.status as u8,
            })
        }
        _ => return Ok(None),
    };
    done(answer).map(Some)
}
