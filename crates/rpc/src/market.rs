//! The `market` namespace: the market's books, accounts, trades and liquidations, for people and bots that don't read slots.
//!
//! There are two sources. What *is* (books, positions, margins, funding, liquidation queue) is read from the market's records in the
//! state of a block, so that every answer belongs to one block and can be proven with `eth_getProof`. What *happened* (trades, candles,
//! funding payments) is read from the logs of canonical blocks, which their headers' blooms lead to. Nothing is kept beside the chain
//! but a bounded cache.
//!
//! One rule for numbers: what Ethereum's JSON-RPC has, too (block numbers, timestamps, positions of logs, hashes, addresses), is written
//! as there, in hex. What is the market's (ids, prices in ticks, sizes in lots, amounts in base units, rates in millionths) is a decimal
//! string, for it may be negative or beyond what a double holds. Parameters are taken in hex, as decimal strings or as JSON numbers.

mod accounts;
mod assets;
mod book;
mod candles;
mod checksum;
mod events;
mod history;
mod instruments;
mod json;
mod liquidations;
mod operator;
mod read;
mod stream;
mod tell;

pub(crate) use book::BookCache;
pub(crate) use candles::CandleIndex;
pub(crate) use stream::register as register_subscriptions;

use crate::methods::{Module, Registered};

/// Registers the namespace's methods, except for subscriptions, which not every transport can do.
pub(crate) fn register(module: &mut Module) -> Registered {
    accounts::register(module)?;
    assets::register(module)?;
    book::register(module)?;
    candles::register(module)?;
    history::register(module)?;
    instruments::register(module)?;
    liquidations::register(module)?;
    operator::register(module)
}
