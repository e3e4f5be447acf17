//! What the market costs: gas and time of each operation, how many orders a second go the full path, and how long liquidations take.
//!
//! The first two begin with a chain's genesis document that has the market, its tokens and funded accounts, so that nothing is measured but what a
//! chain does: transactions that decode, are paid for and leave receipts.

mod chain;
mod gas;
mod path;
mod sweep;

pub use gas::{GasOperation, MarketGasReport, run_market_gas};
pub use path::{MarketPathPlan, MarketPathReport, PathFigures, run_market_path};
pub use sweep::{SweepFigures, SweepPlan, SweepReport, run_market_sweep};

use alloy_primitives::Address;
use serde_json::Value;

/// Makes a genesis document in which these accounts have ether and both of the market's tokens; the first operates the market, the second
/// signs its prices.
pub type MakeGenesis<'a> = &'a dyn Fn(&[Address]) -> Value;
