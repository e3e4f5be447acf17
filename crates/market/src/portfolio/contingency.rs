//! What is required beside the worst scenario.
//!
//! Each is a share of a value at the index, rounded up:
//!
//! | contingency | of |
//! |---|---|
//! | short options | the index value of what is short at a strike and expiry after netting its calls and puts |
//! | basis | the lesser of long and short index values of spot and perpetual positions |
//! | vega | the lesser of the gains and the losses of expiries, when volatilities rise |
//! | concentration | the index value of all positions, long and short, beyond a threshold |

use super::scenario::{Deviations, VolatilityMove};
use super::{GridParameters, PortfolioPosition, PositionKind, floor_value, share_up};
use crate::pricing::option_value;
use crate::types::Amount;

/// The sum of all.
pub(super) fn all(parameters: &GridParameters<'_>, positions: &[PortfolioPosition]) -> Amount {
    let short_options = share_up(net_short_value(positions), parameters.short_option_ppm);
    let basis = share_up(offsetting_value(positions), parameters.basis_ppm);
    let vega = share_up(offsetting_vega(parameters, positions), parameters.vega_ppm);
    let gross = positions.iter().fold(0, |sum: Amount, position| sum.saturating_add(position.index_value()));
    let threshold = Amount::try_from(parameters.concentration_value).unwrap_or(Amount::MAX);
    let concentration = share_up(gross.saturating_sub(threshold).max(0), parameters.concentration_ppm);
    short_options + basis + vega + concentration
}

/// What two options have to have in common to be netted: index (that is, units of prices), strike and expiry.
fn series(position: &PortfolioPosition) -> Option<(u64, u64, u64)> {
    match position.kind {
        PositionKind::Option { strike, seconds, .. } => Some((position.index, strike, seconds)),
        PositionKind::Linear => None,
    }
}

/// Index value of net short options, by strike and expiry.
fn net_short_value(positions: &[PortfolioPosition]) -> Amount {
    let mut value: Amount = 0;
    for (place, position) in positions.iter().enumerate() {
        let Some(key) = series(position) else { continue };
        let is_same = |other: &&PortfolioPosition| series(other) == Some(key);
        if positions[..place].iter().any(|other| is_same(&other)) {
            continue;
        }
        let net = positions.iter().filter(is_same).fold(0, |sum: i128, same| sum.saturating_add(same.quantity()));
        if net < 0 {
            value = value.saturating_sub(floor_value(net, position.index.into()));
        }
    }
    value
}

/// The lesser of long and short index values of positions that are worth their mark.
fn offsetting_value(positions: &[PortfolioPosition]) -> Amount {
    let (mut long, mut short) = (0, 0);
    for position in positions.iter().filter(|position| position.kind == PositionKind::Linear) {
        let side: &mut Amount = if position.lots >= 0 { &mut long } else { &mut short };
        *side = side.saturating_add(position.index_value());
    }
    long.min(short)
}

/// The lesser of what expiries gain and of what expiries lose when volatilities rise at unmoved prices.
fn offsetting_vega(parameters: &GridParameters<'_>, positions: &[PortfolioPosition]) -> Amount {
    if parameters.vega_ppm == 0 {
        return 0;
    }
    let expiry = |position: &PortfolioPosition| match position.kind {
        PositionKind::Option { seconds, .. } => Some(seconds),
        PositionKind::Linear => None,
    };
    let (mut gains, mut losses): (Amount, Amount) = (0, 0);
    for (place, position) in positions.iter().enumerate() {
        let Some(seconds) = expiry(position) else { continue };
        if positions[..place].iter().any(|other| expiry(other) == Some(seconds)) {
            continue;
        }
        let same = positions.iter().filter(|other| expiry(other) == Some(seconds));
        let change =
            same.fold(0, |sum: Amount, position| sum.saturating_add(gain_when_volatility_rises(parameters, position)));
        if change >= 0 {
            gains = gains.saturating_add(change);
        } else {
            losses = losses.saturating_sub(change);
        }
    }
    gains.min(losses)
}

fn gain_when_volatility_rises(parameters: &GridParameters<'_>, position: &PortfolioPosition) -> Amount {
    let PositionKind::Option { strike, is_call, volatility_ppm, seconds } = position.kind else { return 0 };
    let deviations = Deviations::new(parameters, volatility_ppm, seconds);
    let price = |volatility| option_value(position.index, strike, deviations.get(volatility), is_call);
    let change = i128::from(price(VolatilityMove::Up)) - i128::from(price(VolatilityMove::Same));
    floor_value(position.quantity(), change)
}
