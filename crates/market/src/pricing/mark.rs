//! An option's mark price in the market's units.
//!
//! The premium has no discount and the forward is the index itself, as the market pays no rate on a position's value. The function is
//! total: what lies outside of the formula's domain has the limit that the formula tends to there, so that a mark exists whatever the
//! oracle says.

use super::black76::{MAX_STDEV, intrinsic_value, time_value, total_stdev};
use super::fixed::Fixed;
use crate::types::MicroTicks;

/// Total standard deviation of a volatility in millionths per √year over some seconds, at most [`MAX_STDEV`].
pub fn bounded_stdev(volatility_ppm: u32, seconds: u64) -> Fixed {
    total_stdev(Fixed::from_ppm(volatility_ppm), seconds).unwrap_or(MAX_STDEV)
}

/// What an option is worth at an index, in micro-ticks as index and strike are, to the nearest; `volatility_ppm` is in millionths per
/// √year.
pub fn option_mark(
    index: MicroTicks,
    strike: MicroTicks,
    volatility_ppm: u32,
    seconds: u64,
    is_call: bool,
) -> MicroTicks {
    option_value(index, strike, bounded_stdev(volatility_ppm, seconds), is_call)
}

/// As [`option_mark`], of a total standard deviation of at most [`MAX_STDEV`].
pub fn option_value(index: MicroTicks, strike: MicroTicks, stdev: Fixed, is_call: bool) -> MicroTicks {
    let intrinsic = intrinsic_value(index, strike, is_call);
    // Below the lower of the two, so it fits. At an index or strike of zero, nothing.
    let time_value = time_value(index, strike, stdev).ok().and_then(|value| value.round());
    let time_value = time_value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0);
    intrinsic.saturating_add(time_value)
}
