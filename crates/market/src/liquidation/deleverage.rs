//! Automatic deleveraging: who pays how much of a loss that nobody else could, as pure functions.
//!
//! A *round* has a bad debt and the accounts that gain on the other side, the winners, with their unrealised profits. A rule answers with a
//! haircut for each winner: an amount of its profit, never more, and never of its collateral. Two rules:
//!
//! * [`pro_rata`], which is what the market does: each pays in proportion to its profit, so that `Σ haircuts = min(debt, Σ profits)`
//!   exactly. Chitra et al., *Autodeleveraging as Online Learning* (arXiv 2602.15182), measure a rule by its regret, what it takes from
//!   winners beyond the best that could have been done in hindsight: rules that follow the budget by amounts have almost none, as
//!   overshoot is their only source of it here, and *Autodeleveraging: Impossibilities and Optimization* (arXiv 2512.01112) finds the
//!   proportional split to be the only one that is fair in their sense (scale-free, anonymous, indifferent to splitting an account).
//! * [`queue`], which is what venues do: winners ranked by profit × leverage, and whole positions closed at the loser's bankruptcy price from
//!   the front, until enough is closed. Each gives up all of its profit between mark and bankruptcy price, so that the last one closed may
//!   pay more than was needed, and the first ones pay everything.
//!
//! Rounding of the proportional rule: `⌊debt·pᵢ/P⌋` each, with `P = Σ p`. What the floors leave, less than one unit for each winner, is taken
//! one unit at a time from winners in their order, from those who have profit left. As `⌊debt·pᵢ/P⌋ ≤ pᵢ` for `debt ≤ P`, and equality
//! for all only if nothing is left, the amount is met exactly and none pays more than it gained.

use crate::types::Amount;
use alloc::vec;
use alloc::vec::Vec;
use alloy_primitives::U256;

/// An account on the side that gains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Winner {
    /// Unrealised profit, in quote base units.
    pub profit: Amount,
    /// Value of its position at the mark, in quote base units.
    pub notional: Amount,
    /// Its equity, in quote base units.
    pub equity: Amount,
}

/// `value × numerator / denominator`, rounded down, for what is not negative; `None` if it does not fit.
pub(crate) fn share_of(value: Amount, numerator: Amount, denominator: Amount) -> Option<Amount> {
    let (value, numerator) = (u128::try_from(value).ok()?, u128::try_from(numerator).ok()?);
    let denominator = u128::try_from(denominator).ok().filter(|denominator| *denominator > 0)?;
    let quotient = match value.checked_mul(numerator) {
        Some(product) => product / denominator,
        None => u128::try_from(U256::from(value) * U256::from(numerator) / U256::from(denominator)).ok()?,
    };
    i128::try_from(quotient).ok()
}

/// Haircuts in proportion to profit: they sum to the smaller of the debt and all profits.
pub fn pro_rata(debt: Amount, profits: &[Amount]) -> Vec<Amount> {
    let total = profits.iter().fold(0, |sum: Amount, profit| sum.saturating_add((*profit).max(0)));
    let debt = debt.clamp(0, total);
    if debt == 0 {
        return vec![0; profits.len()];
    }
    let mut cuts: Vec<Amount> =
        profits.iter().map(|profit| share_of(debt, (*profit).max(0), total).unwrap_or(0)).collect();
    let mut left = debt - cuts.iter().sum::<Amount>();
    for (cut, profit) in cuts.iter_mut().zip(profits) {
        if left > 0 && *cut < *profit {
            *cut += 1;
            left -= 1;
        }
    }
    cuts
}

/// Haircuts of the queue: whole profits from the highest profit × leverage on, until the debt is met or nobody is left.
pub fn queue(debt: Amount, winners: &[Winner]) -> Vec<Amount> {
    let mut ranks: Vec<(Amount, usize)> = winners.iter().enumerate().map(|(at, winner)| (rank(winner), at)).collect();
    ranks.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
    let mut cuts = vec![0; winners.len()];
    let mut left = debt;
    for (_, at) in ranks {
        if left <= 0 {
            break;
        }
        cuts[at] = winners[at].profit.max(0);
        left -= cuts[at];
    }
    cuts
}

/// Profit in proportion to what was put in, times leverage, in millionths of millionths; as public venues rank.
fn rank(winner: &Winner) -> Amount {
    let (profit, notional) = (winner.profit.max(0), winner.notional.max(0));
    let entry = (notional - profit).max(1);
    let gain_ppm = share_of(profit, 1_000_000, entry).unwrap_or(Amount::MAX).min(1 << 60);
    let leverage_ppm = share_of(notional, 1_000_000, winner.equity.max(1)).unwrap_or(Amount::MAX).min(1 << 60);
    gain_ppm * leverage_ppm
}

/// What a rule did in a round, against the best in hindsight, in quote base units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Regret {
    /// Taken beyond the debt.
    pub overshoot: Amount,
    /// Not taken, though there was profit to take it from.
    pub shortfall: Amount,
    /// How much more than its proportional share the one that was hit hardest paid.
    pub worst_excess: Amount,
}

impl Regret {
    /// The loss of the round: what winners lost in vain and what the market did not recover.
    pub fn total(&self) -> Amount {
        self.overshoot + self.shortfall
    }
}

/// The regret of haircuts in a round. The best in hindsight takes `min(debt, Σ profits)`, split by profit.
pub fn regret(debt: Amount, profits: &[Amount], cuts: &[Amount]) -> Regret {
    let fair = pro_rata(debt, profits);
    let best: Amount = fair.iter().sum();
    let taken: Amount = cuts.iter().sum();
    let worst_excess = cuts.iter().zip(&fair).map(|(cut, fair)| cut - fair).max().unwrap_or(0).max(0);
    Regret { overshoot: (taken - best).max(0), shortfall: (best - taken).max(0), worst_excess }
}

/// Splits lots over holders in proportion to what they hold: exactly `min(lots, Σ held)`, none more than it holds.
pub(crate) fn split_lots(lots: u64, held: &[u64]) -> Vec<u64> {
    let held: Vec<Amount> = held.iter().map(|lots| Amount::from(*lots)).collect();
    pro_rata(Amount::from(lots), &held).into_iter().map(|lots| lots as u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proportional_haircuts() {
        let rows: &[(&str, Amount, &[Amount], &[Amount])] = &[
            ("nothing to pay", 0, &[5, 5], &[0, 0]),
            ("nobody gains", 10, &[0, -3], &[0, 0]),
            ("even", 10, &[10, 30], &[3, 7]),
            ("all of it", 40, &[10, 30], &[10, 30]),
            ("more than all", 99, &[10, 30], &[10, 30]),
            ("losers pay nothing", 9, &[-5, 9, 9], &[0, 5, 4]),
            ("units that floors leave", 2, &[1, 1, 1], &[1, 1, 0]),
            ("large", 1 << 120, &[1 << 121, 1 << 121], &[1 << 119, 1 << 119]),
        ];
        for row @ (_, debt, profits, expected) in rows {
            assert_eq!(pro_rata(*debt, profits), *expected, "{row:?}");
        }
    }

    #[test]
    fn the_queue_takes_whole_profits() {
        let winner = |profit, notional, equity| Winner { profit, notional, equity };
        let winners = [winner(100, 1_000, 1_000), winner(100, 1_000, 100), winner(50, 5_000, 100)];
        assert_eq!(queue(20, &winners), [0, 100, 0]);
        assert_eq!(queue(120, &winners), [0, 100, 50]);
        let profits = [100, 100, 50];
        assert_eq!(
            regret(20, &profits, &queue(20, &winners)),
            Regret { overshoot: 80, shortfall: 0, worst_excess: 92 }
        );
        assert_eq!(regret(20, &profits, &pro_rata(20, &profits)).total(), 0);
    }
}
