//! The `eth` namespace, a file per family of methods.

mod access_list;
mod block_access_list;
mod blocks;
mod call;
mod chain;
mod config;
pub(crate) mod estimate;
mod fees;
mod fill;
mod filters;
mod log_cache;
mod logs;
mod send;
mod simulate;
mod state;
mod subscriptions;
mod transactions;

pub(crate) use chain::register_accounts;
pub(crate) use fees::TipCache;
pub(crate) use filters::FilterStore;
pub(crate) use log_cache::LogCache;
pub(crate) use logs::LogMatcher;
pub(crate) use subscriptions::register as register_subscriptions;

use crate::methods::{Module, Registered};

/// Registers the namespace's methods, except for subscriptions, which not every transport can do, and what needs accounts.
pub(crate) fn register(module: &mut Module) -> Registered {
    access_list::register(module)?;
    block_access_list::register(module)?;
    blocks::register(module)?;
    call::register(module)?;
    chain::register(module)?;
    config::register(module)?;
    estimate::register(module)?;
    fees::register(module)?;
    fill::register(module)?;
    filters::register(module)?;
    logs::register(module)?;
    send::register(module)?;
    simulate::register(module)?;
    state::register(module)?;
    transactions::register(module)
}
