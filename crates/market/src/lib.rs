//! The market: order book, derivatives, margin and liquidations, as a native module on the journal.
//!
//! A contract or a wallet calls [`MARKET_ADDRESS`] like any contract, with the interface of `contracts/IMarket.sol`. All state lies in that
//! account's storage slots as typed records ([`records`]), so that roots, witnesses, reverts, parallel execution and proofs cover it with
//! no special case. See [`Market`] for how a call travels.
#![no_std]
extern crate alloc;

pub mod abi;
mod accounts;
mod assets;
mod balances;
pub mod book;
mod breaker;
mod budget;
mod custody;
mod error;
pub mod expiry;
pub mod feeds;
pub mod funding;
pub mod gas;
pub mod genesis;
pub mod instruments;
mod interest;
pub mod layout;
mod liquidation;
mod margin;
mod market;
pub mod marks;
mod meter;
pub mod module;
pub mod operator;
pub mod oracle;
pub mod orders;
mod outward;
pub mod portfolio;
mod positions;
pub mod pricing;
mod quotient;
pub mod records;
mod risk_index;
#[cfg(feature = "testing")]
pub mod testing;
pub mod types;
pub mod views;

pub use accounts::Agent;
pub use assets::{Asset, AssetOf, AssetState};
pub use error::{MarketError, Rejection};
pub use liquidation::{
    BackstopPool, BackstopShares, Case, Incomplete, LiquidationQueue, QueueEntry, Sweep, deleverage,
};
pub use margin::Health;
pub use market::Market;
pub use meter::Meter;

use alloy_primitives::{Address, address};

/// Where the market answers.
pub const MARKET_ADDRESS: Address = address!("5254000000000000000000000000000000000001");
