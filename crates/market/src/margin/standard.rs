//! Standard margin: each position by itself, in tiers by size.
//!
//! # Perpetuals
//! The margin of a position is a share of its value at the mark. Lots fall into tiers like income into tax brackets: the first
//! [`Instrument::tier_lots`] at the instrument's rates, each further as many at a rate that is one step higher. So margin is a
//! convex, continuous function of size, and an account gains nothing by closing or splitting at a boundary.
//!
//! # Options
//! Equity has a short option's value in it as a loss and a long one's as a gain, so margin is what may be lost beyond. With the index `S`,
//! the mark `M`, out-of-the-money amount `O = max(0, K − S)` for calls, `max(0, S − K)` for puts, and the instrument's rates `i` (initial) and `m`
//! (maintenance), per lot:
//!
//! | | initial | maintenance |
//! |---|---|---|
//! | short call | `max(i·S − O, ⅔·i·S)` | `m·S` |
//! | short put | the same, at least maintenance | `max(m·S, m·M)` |
//! | long | `M`: nothing can be bought on its value | `min(½·M, m·S)` |
//!
//! The rows for shorts are Deribit's and Aevo's standard margin (there with `i` = 15 %, `m` = 7.5 % or 10 %, and "+ M" because there the
//! option's value is not in equity); that of longs is the premium paid up-front, as there, with the maintenance of Paradex' cross margin. Tiers add
//! to the shorts' margin what each step adds of `S`. Initial margin is at least maintenance in every row.

use crate::assets::MAX_VALUE;
use crate::layout::{Instrument, InstrumentKind, InstrumentStatus, Position, Prices};
use crate::quotient::{mul_div_down, mul_div_up, to_signed};
use crate::types::{Amount, Lots, MICRO, MicroTicks, PPM, Ppm};

/// The value of lots at a price, rounded down.
pub(crate) fn value_down(terms: &Instrument, lots: Lots, price: MicroTicks) -> Amount {
    let per_micro = u128::from(lots) * u128::from(terms.tick_value);
    to_signed(mul_div_down(per_micro, u128::from(price), u128::from(MICRO))).min(MAX_VALUE)
}

/// The value of lots at a price, rounded up.
pub(crate) fn value_up(terms: &Instrument, lots: Lots, price: MicroTicks) -> Amount {
    let per_micro = u128::from(lots) * u128::from(terms.tick_value);
    to_signed(mul_div_up(per_micro, u128::from(price), u128::from(MICRO))).min(MAX_VALUE)
}

/// What a position adds to equity: its value at the mark less its cost and the funding that it owes, rounded down.
pub(crate) fn position_equity(terms: &Instrument, prices: &Prices, position: &Position) -> Amount {
    let lots = position.lots.unsigned_abs();
    let value =
        if position.lots >= 0 { value_down(terms, lots, prices.mark) } else { -value_up(terms, lots, prices.mark) };
    let owed = position.cost.saturating_add(position.funding_owed(prices.funding_index));
    value.saturating_sub(owed).clamp(-MAX_VALUE, MAX_VALUE)
}

/// Initial margin of a position with its open orders, and its maintenance margin.
pub(crate) fn position_margin(terms: &Instrument, prices: &Prices, position: &Position) -> (Amount, Amount) {
    let (_, maintenance) = lots_margin(terms, prices, position.lots);
    let bids = i64::try_from(position.bid_lots).unwrap_or(i64::MAX);
    let asks = i64::try_from(position.ask_lots).unwrap_or(i64::MAX);
    let (long, short) = (position.lots.saturating_add(bids), position.lots.saturating_sub(asks));
    let initial = |lots| lots_margin(terms, prices, lots).0;
    let worst = match (bids, asks) {
        (0, 0) => initial(position.lots),
        (_, 0) => initial(position.lots).max(initial(long)),
        (0, _) => initial(position.lots).max(initial(short)),
        _ => initial(position.lots).max(initial(long)).max(initial(short)),
    };
    (worst, maintenance)
}

/// Initial and maintenance margin of so many lots.
pub(crate) fn lots_margin(terms: &Instrument, prices: &Prices, lots: i64) -> (Amount, Amount) {
    // What is settled pays its mark: nothing moves it any more.
    if lots == 0 || terms.status == InstrumentStatus::Settled {
        return (0, 0);
    }
    let size = lots.unsigned_abs();
    match terms.kind {
        InstrumentKind::EuropeanOption if lots > 0 => long_option(terms, prices, size),
        InstrumentKind::EuropeanOption => short_option(terms, prices, size),
        _ => {
            let margin = |ppm| tiered(terms, size, ppm, prices.mark);
            (margin(terms.initial_ppm.max(terms.maintenance_ppm)), margin(terms.maintenance_ppm))
        }
    }
}

/// Margin of lots at a price, where the rate of the first tier is this.
pub(crate) fn tiered(terms: &Instrument, lots: Lots, first_ppm: Ppm, price: MicroTicks) -> Amount {
    let weighted = (u128::from(lots) * u128::from(first_ppm)).saturating_add(tier_extra(terms, lots));
    let per_micro = weighted.saturating_mul(u128::from(terms.tick_value));
    to_signed(mul_div_up(per_micro, u128::from(price), u128::from(MICRO) * u128::from(PPM))).min(MAX_VALUE)
}

/// What the tiers beyond the first add: the sum over lots of how many steps the lot's tier is up, in millionths.
fn tier_extra(terms: &Instrument, lots: Lots) -> u128 {
    if terms.tier_lots == 0 || terms.tier_step_ppm == 0 {
        return 0;
    }
    let (full, rest) = (u128::from(lots / terms.tier_lots), u128::from(lots % terms.tier_lots));
    // Whole tiers 0, 1, .., full - 1, and the rest in the tier after them.
    let whole = u128::from(terms.tier_lots).saturating_mul(full.saturating_mul(full.saturating_sub(1)) / 2);
    whole.saturating_add(rest.saturating_mul(full)).saturating_mul(u128::from(terms.tier_step_ppm))
}

fn long_option(terms: &Instrument, prices: &Prices, lots: Lots) -> (Amount, Amount) {
    let value = value_up(terms, lots, prices.mark);
    let most = tiered(terms, lots, terms.maintenance_ppm, prices.index);
    (value, (value - value / 2).min(most))
}

fn short_option(terms: &Instrument, prices: &Prices, lots: Lots) -> (Amount, Amount) {
    let strike = u64::from(terms.strike_ticks) * MICRO;
    let out_of_the_money = match terms.is_call {
        true => strike.saturating_sub(prices.index),
        false => prices.index.saturating_sub(strike),
    };
    let margin = |ppm| tiered(terms, lots, ppm, prices.index);
    let discounted = margin(terms.initial_ppm).saturating_sub(value_down(terms, lots, out_of_the_money));
    let floor = margin(terms.initial_ppm - terms.initial_ppm / 3);
    let maintenance = match terms.is_call {
        true => margin(terms.maintenance_ppm),
        false => margin(terms.maintenance_ppm).max(tiered(terms, lots, terms.maintenance_ppm, prices.mark)),
    };
    (discounted.max(floor).max(maintenance), maintenance)
}
