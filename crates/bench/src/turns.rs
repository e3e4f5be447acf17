//! Several ways to do the same work, run in turns.
//!
//! After a warm-up each way runs once a round, and a round begins with another way than the one before, in one direction and
//! then in the other: a machine that slows down slows all of them, and none always runs behind the same. A way's figure is the
//! median of its runs. The number of rounds follows from the time they may take, between two bounds.

use crate::BenchError;
use crate::harness::Effort;
use std::time::{Duration, Instant};

/// Does the work once and says how long that took.
pub(crate) type Contestant<'a> = dyn Fn() -> Result<Duration, BenchError> + 'a;

/// What rounds of several contestants gave.
pub(crate) struct Turns {
    /// Median time of each contestant, nanoseconds, in their order.
    pub medians_ns: Vec<u64>,
    /// Rounds measured.
    pub rounds: usize,
}

/// Runs the contestants in turns.
pub(crate) fn in_turns(effort: &Effort, contestants: &[&Contestant<'_>]) -> Result<Turns, BenchError> {
    for _ in 0..effort.warm_up_rounds {
        for contestant in contestants {
            contestant()?;
        }
    }
    let mut times: Vec<Vec<Duration>> = vec![Vec::new(); contestants.len()];
    let start = Instant::now();
    let mut rounds = 0;
    while rounds < effort.max_rounds.max(1) && (rounds < effort.min_rounds.max(1) || start.elapsed() < effort.case_time)
    {
        for index in order_of_round(rounds, contestants.len()) {
            times[index].push(contestants[index]()?);
        }
        rounds += 1;
    }
    Ok(Turns { medians_ns: times.into_iter().map(median_ns).collect(), rounds })
}

/// Who runs when in a round.
fn order_of_round(round: usize, contestants: usize) -> impl Iterator<Item = usize> {
    let (first, is_backward) = (round % contestants.max(1), (round / contestants.max(1)) % 2 == 1);
    (0..contestants).map(move |step| {
        let step = if is_backward { contestants - step } else { step };
        (first + step) % contestants
    })
}

/// The median in nanoseconds; of an even number of times, the lower of the two in the middle.
pub(crate) fn median_ns(mut times: Vec<Duration>) -> u64 {
    times.sort_unstable();
    let median = times.get(times.len().saturating_sub(1) / 2).copied().unwrap_or_default();
    u64::try_from(median.as_nanos()).unwrap_or(u64::MAX)
}

/// The median of ratios; of an even number, the lower of the two in the middle. `None` of none.
pub(crate) fn median_ratio(mut ratios: Vec<f64>) -> Option<f64> {
    ratios.sort_unstable_by(f64::total_cmp);
    ratios.get(ratios.len().saturating_sub(1) / 2).copied()
}

/// How many times faster `fast_ns` is.
pub(crate) fn ratio(slow_ns: u64, fast_ns: u64) -> f64 {
    slow_ns as f64 / fast_ns.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everyone_runs_once_a_round_and_nobody_is_always_first() {
        let rows: [(usize, usize, &[usize]); 7] = [
            (0, 2, &[0, 1]),
            (1, 2, &[1, 0]),
            (2, 2, &[0, 1]),
            (1, 3, &[1, 2, 0]),
            (3, 3, &[0, 2, 1]),
            (5, 3, &[2, 1, 0]),
            (4, 1, &[0]),
        ];
        for (round, contestants, expected) in rows {
            let found: Vec<usize> = order_of_round(round, contestants).collect();
            assert_eq!(found, expected, "round {round} of {contestants}");
        }
    }

    #[test]
    fn medians_of_an_even_number_are_the_lower_one() {
        assert_eq!(median_ns([4, 1, 3, 2].map(Duration::from_nanos).to_vec()), 2);
        assert_eq!(median_ns(Vec::new()), 0);
        assert_eq!(median_ratio(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median_ratio(Vec::new()), None);
    }
}
