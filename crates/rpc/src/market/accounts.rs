//! Accounts: what they hold, owe and risk.

use super::json::{Decimal, Whole};
use super::read::{BlockPlace, MarketState};
use crate::json::{Fields, FromJson, ParamError, Params};
use crate::methods::{Module, Registered, heavy};
use crate::{RpcContext, RpcError};
use alloy_primitives::Address;
use rialto_market::AssetState;
use rialto_market::layout::{Account, AccountOf, AccountStatus, Balance, Instrument, MarginMode, Position, Prices};
use rialto_market::types::{AccountId, AssetId, InstrumentId, MICRO};
use rialto_market::views::{AssetPart, MarginReport, PositionPart};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;

/// Registers the methods of this file.
pub(super) fn register(module: &mut Module) -> Registered {
    heavy(module, "market_account", |params: &Params, context: &Arc<RpcContext>| {
        let name: AccountName = params.required(0, "account")?;
        let market = MarketState::of(context, params, 1)?;
        let id = name.find(&market)?;
        AccountJson::read(&market, id)
    })?;
    heavy(module, "market_positions", |params: &Params, context: &Arc<RpcContext>| {
        let name: AccountName = params.required(0, "account")?;
        let market = MarketState::of(context, params, 1)?;
        let id = name.find(&market)?;
        let account = account_of(&market, id)?;
        positions(&market, id, &account)
    })?;
    heavy(module, "market_margin", |params: &Params, context: &Arc<RpcContext>| {
        let name: AccountName = params.required(0, "account")?;
        let market = MarketState::of(context, params, 1)?;
        let id = name.find(&market)?;
        account_of(&market, id)?;
        Ok::<_, RpcError>(MarginJson::new(id, &market.run(|market| market.margin_report(id))?, market.at))
    })
}

/// An account's number, or its owner and the owner's number for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccountName {
    Id(AccountId),
    Owned(Address, u8),
}

impl FromJson for AccountName {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        if !value.is_object() {
            return AccountId::from_json(value).map(Self::Id);
        }
        let fields = Fields::of(value)?;
        let Whole(number) = fields.optional("number")?.unwrap_or(Whole(0));
        let number = u8::try_from(number).map_err(|_| ParamError {
            path: ".number".into(),
            expected: "at most 255".into(),
            found: number.to_string(),
        })?;
        Ok(Self::Owned(fields.required("owner")?, number))
    }
}

impl AccountName {
    /// The account's number.
    pub(super) fn find(self, market: &MarketState) -> Result<AccountId, RpcError> {
        match self {
            Self::Id(id) => Ok(id),
            Self::Owned(owner, number) => {
                let found: AccountOf = market.record((owner, number))?;
                if found.account.0 == 0 {
                    let expected = "an owner with such an account";
                    return Err(RpcError::invalid_params("account", expected, format_args!("{owner}, {number}")));
                }
                Ok(found.account)
            }
        }
    }
}

/// The account with this number.
pub(super) fn account_of(market: &MarketState, id: AccountId) -> Result<Account, RpcError> {
    let account: Account = market.record(id)?;
    // The market's own accounts, which have no owner, have small numbers.
    if account.owner.is_zero() && id.0 >= rialto_market::layout::FIRST_ACCOUNT || id.0 == 0 {
        return Err(RpcError::invalid_params("account", "one that is open", id.0));
    }
    Ok(account)
}

/// An account with its balances and positions.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountJson {
    account: Decimal<u32>,
    owner: Address,
    number: Decimal<u8>,
    margin_mode: &'static str,
    status: &'static str,
    /// The only instrument that it may hold; none for cross margin.
    #[serde(skip_serializing_if = "Option::is_none")]
    isolated: Option<Decimal<u16>>,
    orders: Decimal<u16>,
    balances: Vec<BalanceJson>,
    positions: Vec<PositionJson>,
    #[serde(flatten)]
    at: BlockPlace,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BalanceJson {
    asset: Decimal<u16>,
    /// Base units; negative is a debt. Interest is in it up to when the asset's was last brought up to date.
    amount: Decimal<i128>,
}

/// A position, valued at the mark.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PositionJson {
    instrument: Decimal<u16>,
    lots: Decimal<i64>,
    cost: Decimal<i128>,
    bid_lots: Decimal<u64>,
    ask_lots: Decimal<u64>,
    mark_microticks: Decimal<u64>,
    /// Value at the mark minus cost, rounded down.
    unrealised: Decimal<i128>,
    /// Funding that it owes since it was last settled, rounded up; negative is due to it.
    funding_owed: Decimal<i128>,
}

/// An account's margin, part by part.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MarginJson {
    account: Decimal<u32>,
    status: &'static str,
    equity: Decimal<i128>,
    initial: Decimal<i128>,
    maintenance: Decimal<i128>,
    /// Why nothing that needs initial margin may be done, whatever the numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    obstacle: Option<&'static str>,
    assets: Vec<AssetPartJson>,
    positions: Vec<PositionPartJson>,
    /// Of positions that are margined together, and of open orders on spot pairs.
    combined_initial: Decimal<i128>,
    combined_maintenance: Decimal<i128>,
    #[serde(flatten)]
    at: BlockPlace,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AssetPartJson {
    asset: Decimal<u16>,
    amount: Decimal<i128>,
    value: Decimal<i128>,
    initial: Decimal<i128>,
    maintenance: Decimal<i128>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PositionPartJson {
    instrument: Decimal<u16>,
    lots: Decimal<i64>,
    bid_lots: Decimal<u64>,
    ask_lots: Decimal<u64>,
    equity: Decimal<i128>,
    initial: Decimal<i128>,
    maintenance: Decimal<i128>,
}

impl MarginJson {
    fn new(id: AccountId, report: &MarginReport, at: BlockPlace) -> Self {
        let asset = |part: &AssetPart| AssetPartJson {
            asset: Decimal(part.asset.0),
            amount: Decimal(part.amount),
            value: Decimal(part.value),
            initial: Decimal(part.initial),
            maintenance: Decimal(part.maintenance),
        };
        let position = |part: &PositionPart| PositionPartJson {
            instrument: Decimal(part.instrument.0),
            lots: Decimal(part.position.lots),
            bid_lots: Decimal(part.position.bid_lots),
            ask_lots: Decimal(part.position.ask_lots),
            equity: Decimal(part.equity),
            initial: Decimal(part.initial),
            maintenance: Decimal(part.maintenance),
        };
        Self {
            account: Decimal(id.0),
            status: status_name(report.health.status),
            equity: Decimal(report.health.equity),
            initial: Decimal(report.health.initial),
            maintenance: Decimal(report.health.maintenance),
            obstacle: report.health.obstacle,
            assets: report.assets.iter().map(asset).collect(),
            positions: report.positions.iter().map(position).collect(),
            combined_initial: Decimal(report.combined_initial),
            combined_maintenance: Decimal(report.combined_maintenance),
            at,
        }
    }
}

/// The name of a liquidation status.
pub(super) fn status_name(status: AccountStatus) -> &'static str {
    match status {
        AccountStatus::Healthy => "healthy",
        AccountStatus::Queued => "queued",
        AccountStatus::Auctioned => "auctioned",
    }
}

impl AccountJson {
    fn read(market: &MarketState, id: AccountId) -> Result<Self, RpcError> {
        let account = account_of(market, id)?;
        let balances = account.assets.iter().copied().filter(|asset| *asset != 0).map(|asset| {
            let (balance, state): (Balance, AssetState) =
                (market.record((id, AssetId(asset)))?, market.record(AssetId(asset))?);
            Ok(BalanceJson { asset: Decimal(asset), amount: Decimal(state.settle(&balance)) })
        });
        Ok(Self {
            account: Decimal(id.0),
            owner: account.owner,
            number: Decimal(account.number),
            margin_mode: match account.mode {
                MarginMode::Standard => "standard",
                MarginMode::Portfolio => "portfolio",
            },
            status: status_name(account.status),
            isolated: (account.isolated.0 != 0).then_some(Decimal(account.isolated.0)),
            orders: Decimal(account.orders),
            balances: balances.collect::<Result<_, RpcError>>()?,
            positions: positions(market, id, &account)?,
            at: market.at,
        })
    }
}

fn positions(market: &MarketState, id: AccountId, account: &Account) -> Result<Vec<PositionJson>, RpcError> {
    let held = account.positions.iter().copied().filter(|instrument| *instrument != 0);
    held.map(|instrument| PositionJson::read(market, id, InstrumentId(instrument))).collect()
}

impl PositionJson {
    fn read(market: &MarketState, id: AccountId, instrument: InstrumentId) -> Result<Self, RpcError> {
        let position: Position = market.record((id, instrument))?;
        let (terms, prices): (Instrument, Prices) = (market.record(instrument)?, market.record(instrument)?);
        Ok(Self {
            instrument: Decimal(instrument.0),
            lots: Decimal(position.lots),
            cost: Decimal(position.cost),
            bid_lots: Decimal(position.bid_lots),
            ask_lots: Decimal(position.ask_lots),
            mark_microticks: Decimal(prices.mark),
            unrealised: Decimal(unrealised(&position, prices.mark, terms.tick_value)),
            funding_owed: Decimal(funding_owed(&position, prices.funding_index)),
        })
    }
}

/// Lots, price and tick value are bounded so that their product fits, see `rialto_market::types`.
fn unrealised(position: &Position, mark: u64, tick_value: u64) -> i128 {
    let value = i128::from(position.lots).saturating_mul(mark.into()).saturating_mul(tick_value.into());
    value.div_euclid(MICRO.into()).saturating_sub(position.cost)
}

fn funding_owed(position: &Position, funding_index: i128) -> i128 {
    let owed = funding_index.saturating_sub(position.funding_index).saturating_mul(position.lots.into());
    -(owed.saturating_neg().div_euclid(MICRO.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::address;
    use serde_json::json;

    #[test]
    fn accounts_have_two_names() {
        let owner = address!("f39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
        let rows = [
            (json!("16"), Some(AccountName::Id(AccountId(16)))),
            (json!(16), Some(AccountName::Id(AccountId(16)))),
            (json!({ "owner": owner }), Some(AccountName::Owned(owner, 0))),
            (json!({ "owner": owner, "number": "3" }), Some(AccountName::Owned(owner, 3))),
            (json!({ "owner": owner, "number": 256 }), None),
            (json!({ "number": 1 }), None),
            (json!("x"), None),
        ];
        for (value, expected) in rows {
            assert_eq!(AccountName::from_json(&value).ok(), expected, "{value}");
        }
    }

    #[test]
    fn values_are_rounded_against_the_account() {
        // Lots, mark, tick value, cost, unrealised.
        let rows = [(3, 10_500_000, 7, 200, 20), (-3, 10_500_000, 7, -200, -21), (1, 1, 1, 0, 0), (-1, 1, 1, 0, -1)];
        for row @ (lots, mark, tick_value, cost, expected) in rows {
            let position = Position { lots, cost, ..Position::default() };
            assert_eq!(unrealised(&position, mark, tick_value), expected, "{row:?}");
        }
        // Lots, funding index of the position, present one, owed.
        let rows =
            [(2, 0, 500_000, 1), (1, 0, 500_000, 1), (-1, 0, 500_000, 0), (-2, 0, 500_000, -1), (1, 500_000, 0, 0)];
        for row @ (lots, settled, index, expected) in rows {
            let position = Position { lots, funding_index: settled, ..Position::default() };
            assert_eq!(funding_owed(&position, index), expected, "{row:?}");
        }
    }
}
