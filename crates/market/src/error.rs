//! Why a call does not do what it was asked for.

use alloc::boxed::Box;
use alloy_primitives::{Bytes, U256};
use core::fmt;
use rialto_state::ReadError;

/// See the module's documentation.
#[derive(Debug)]
pub enum MarketError {
    /// State can't be read: the block can't be executed here.
    Read(ReadError),
    /// The call's gas does not suffice.
    OutOfGas,
    /// The rules say no; the caller is told why.
    Rejected(Box<Rejection>),
}

impl From<ReadError> for MarketError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

impl From<Rejection> for MarketError {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(Box::new(rejection))
    }
}

/// A rule that says no. Each is a custom error of `contracts/IMarket.sol` of the same name, except where told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The call data is not a call of the interface.
    BadCall,
    /// The caller may not do this for this account, or not at all.
    NotAllowed,
    /// The operation changes state and was called from a static call.
    StaticCall,
    /// The market is called from within its own call of a token or a feed.
    Reentered,
    /// No such account, asset, instrument, feed or order.
    Unknown {
        /// What: "account", "asset", "instrument", "feed", "order", ...
        what: &'static str,
        /// Which.
        id: U256,
    },
    /// An argument is outside of what is allowed.
    OutOfRange {
        /// Which argument.
        what: &'static str,
        /// What it was.
        value: U256,
        /// Least that is allowed.
        least: U256,
        /// Most that is allowed.
        most: U256,
    },
    /// A state forbids the operation: "halted", "expired", "not listed", "queued for liquidation", ...
    Forbidden {
        /// The state.
        state: &'static str,
    },
    /// The account would not have enough margin.
    MarginTooLow {
        /// Equity in quote base units, after.
        equity: i128,
        /// Required.
        required: i128,
    },
    /// A limit was reached: "positions", "assets", "orders", ...
    LimitReached {
        /// Which.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// A post-only order would take.
    WouldTake,
    /// A fill-or-kill order can't be filled at once.
    NotFillable,
    /// A reduce-only order would not reduce.
    WouldNotReduce,
    /// A number grew beyond what can be represented.
    Overflow,
    /// A token or feed that was called failed, with this output.
    CallFailed {
        /// What it returned.
        output: Bytes,
    },
    /// Signed prices are not accepted.
    BadReport {
        /// Which rule they break.
        why: &'static str,
    },
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadCall => write!(f, "the call data is not a call of the market's interface"),
            Self::NotAllowed => write!(f, "the caller may not do this"),
            Self::StaticCall => write!(f, "a static call can't change the market"),
            Self::Reentered => write!(f, "the market is busy with a call of its own"),
            Self::Unknown { what, id } => write!(f, "no {what} {id}"),
            Self::OutOfRange { what, value, least, most } => {
                write!(f, "{what} is {value}, expected {least} to {most}")
            }
            Self::Forbidden { state } => write!(f, "forbidden: {state}"),
            Self::MarginTooLow { equity, required } => write!(f, "equity {equity} is below the required {required}"),
            Self::LimitReached { what, limit } => write!(f, "at most {limit} {what}"),
            Self::WouldTake => write!(f, "a post-only order would take"),
            Self::NotFillable => write!(f, "a fill-or-kill order can't be filled at once"),
            Self::WouldNotReduce => write!(f, "a reduce-only order would not reduce"),
            Self::Overflow => write!(f, "a number is too large"),
            Self::CallFailed { output } => write!(f, "a call of the market failed with {output}"),
            Self::BadReport { why } => write!(f, "the price report is refused: {why}"),
        }
    }
}

impl core::error::Error for Rejection {}

impl fmt::Display for MarketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => write!(f, "{error}"),
            Self::OutOfGas => write!(f, "out of gas"),
            Self::Rejected(rejection) => write!(f, "{rejection}"),
        }
    }
}

impl core::error::Error for MarketError {}
