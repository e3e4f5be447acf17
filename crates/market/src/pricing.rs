//! Option prices in integers: Black's formula of 1976, its derivatives, and implied volatility.
//!
//! Everything here is a pure function of its arguments, made of integer operations alone, so that every node and every proof gets the
//! same bits. The accuracy is that of a relative error, also for options so far out of the money that their price is 1e-300 of the
//! forward: see [`black76()`] for the domain, and the files for why the errors are what they are said to be.

mod black76;
mod exponential;
mod fixed;
mod implied;
mod mark;
mod normal;
mod wide;

pub use black76::{
    MAX_RATE, MAX_STDEV, MAX_YEARS, MIN_STDEV, PricingError, Terms, Valuation, YEAR_SECONDS, black76, intrinsic_value,
    price, time_value, total_stdev,
};
pub use exponential::{exp, ln, ln_ratio};
pub use fixed::{Fixed, Scaled};
pub use implied::{ImpliedError, MAX_STEPS, MIN_IMPLIED_STDEV, implied_stdev};
pub use mark::{bounded_stdev, option_mark, option_value};
pub use normal::{TAIL_LIMIT, normal_cdf, normal_pdf};
