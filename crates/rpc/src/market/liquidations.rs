//! Liquidations: who waits for one, and how far it is.

use super::accounts::status_name;
use super::instruments::Page;
use super::json::{Decimal, limit_of};
use super::read::{BlockPlace, MarketState};
use crate::json::{Params, Quantity};
use crate::methods::{Module, Registered, heavy};
use crate::{RpcContext, RpcError};
use rialto_market::types::AccountId;
use rialto_market::{BackstopPool, layout};
use serde::Serialize;
use std::sync::Arc;

/// Accounts of an answer where the question doesn't say.
const DEFAULT_LIMIT: usize = 100;

/// Registers the methods of this file.
pub(super) fn register(module: &mut Module) -> Registered {
    heavy(module, "market_liquidations", |params: &Params, context: &Arc<RpcContext>| {
        let page: Page = params.optional(0, "page")?.unwrap_or_default();
        let market = MarketState::of(context, params, 1)?;
        liquidations(&market, limit_of(page.limit, DEFAULT_LIMIT, context.limits.max_market_entries))
    })
}

/// Answer of `market_liquidations`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LiquidationsJson {
    /// Accounts in the queue.
    waiting: Decimal<u64>,
    /// Whether the last search for accounts below maintenance was cut short by its budget.
    is_behind: bool,
    /// Quote base units of the insurance fund.
    insurance: Decimal<i128>,
    /// Shares of the backstop pool.
    backstop_shares: Decimal<i128>,
    /// What the backstop pool is worth, in quote base units.
    backstop_equity: Decimal<i128>,
    /// The first accounts of the queue.
    queue: Vec<CaseJson>,
    #[serde(flatten)]
    at: BlockPlace,
}

/// An account that waits.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CaseJson {
    account: Decimal<u32>,
    status: &'static str,
    equity: Decimal<i128>,
    maintenance: Decimal<i128>,
    /// Block in which its auction began; zero if it has none yet.
    auction_block: Quantity,
    /// Block of its last step.
    step_block: Quantity,
}

fn liquidations(market: &MarketState, limit: usize) -> Result<LiquidationsJson, RpcError> {
    let pool: BackstopPool = market.record(())?;
    let equity_of = |account: AccountId| market.run(|market| Ok(market.health(account)?.equity));
    let (waiting, queue) = market.run(|market| market.liquidation_queue(limit))?;
    let case = |(account, status, case): (AccountId, layout::AccountStatus, rialto_market::Case)| {
        let health = market.run(|market| market.health(account))?;
        Ok(CaseJson {
            account: Decimal(account.0),
            status: status_name(status),
            equity: Decimal(health.equity),
            maintenance: Decimal(health.maintenance),
            auction_block: Quantity(case.auction_block),
            step_block: Quantity(case.step_block),
        })
    };
    Ok(LiquidationsJson {
        waiting: Decimal(waiting.waiting),
        is_behind: waiting.is_behind,
        insurance: Decimal(equity_of(layout::INSURANCE)?),
        backstop_shares: Decimal(pool.shares),
        backstop_equity: Decimal(equity_of(layout::BACKSTOP)?),
        queue: queue.into_iter().map(case).collect::<Result<_, RpcError>>()?,
        at: market.at,
    })
}
