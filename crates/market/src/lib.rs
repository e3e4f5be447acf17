//! The market: order book, derivatives, margin and liquidations, as a native module on the journal.
//!
//! A contract or a wallet calls [`MARKET_ADDRESS`] like any contract, with the interface of `contracts/IMarket.sol`. All state lies in that
//! account's storage slots as typed records ([`records`]), so that roots, witnesses, reverts, parallel execution and proofs cover it with
//! no special case. See [`Market`] for how a call travels.
#![no_std]
extern crate alloc;

pub mod abi;
pub mod book;
mod error;
pub mod gas;
pub mod layout;
mod liquidation;
mod budget;
mod market;
mod meter;
mod outward;
pub mod pricing;
pub mod records;
mod risk_index;
pub mod types;

pub use error::{MarketError, Rejection};
pub use liquidation::{Incomplete, Sweep};
pub use market::Market;
pub use meter::Meter;

use alloy_primitives::{Address, address};

/// Where the market answers.
pub const MARKET_ADDRESS: Address = address!("5254000000000000000000000000000000000001");
