//! Who takes which row of transactions.
//!
//! What is long goes first, the longest before the others, so that no thread is left with it when the others are through. The rest is
//! shared so that a thread mostly goes on where it is, for what it has read for one transaction need not be read again for the
//! next: each takes a stretch of the block, row by row, and whoever comes to the end of its own takes one that nobody has begun
//! or else half of what is left of the greatest.

use super::plan::Row;
use crate::sync::lock;
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Mutex;

/// See the module's documentation.
pub(super) struct Queue {
    state: Mutex<State>,
}

struct State {
    /// Those that are long, in the order in which they are taken from the end.
    long: Vec<usize>,
    stretches: Vec<Stretch>,
    /// The weight of all rows before each, the long ones left out.
    weights_before: Vec<u64>,
}

/// Rows that nobody has taken.
struct Stretch {
    rows: Range<usize>,
    /// Whether a thread goes on here.
    is_owned: bool,
}

/// A thread's place in the queue: the stretch on which it goes on.
#[derive(Default)]
pub(super) struct Place(Option<usize>);

impl Queue {
    /// Of rows in the order of the block.
    pub fn new(rows: &[Row]) -> Self {
        let mut long: Vec<usize> = (0..rows.len()).filter(|row| rows[*row].is_long).collect();
        long.sort_by_key(|row| (rows[*row].weight, Reverse(*row)));
        let mut weights_before = Vec::with_capacity(rows.len() + 1);
        let (mut sum, mut stretches, mut start) = (0u64, Vec::new(), 0);
        for (position, row) in rows.iter().enumerate() {
            weights_before.push(sum);
            if row.is_long {
                stretches.push(Stretch { rows: start..position, is_owned: false });
                start = position + 1;
            } else {
                sum = sum.saturating_add(row.weight);
            }
        }
        weights_before.push(sum);
        stretches.push(Stretch { rows: start..rows.len(), is_owned: false });
        Self { state: Mutex::new(State { long, stretches, weights_before }) }
    }

    /// A row that nobody has taken, if there is one.
    pub fn take(&self, place: &mut Place) -> Option<usize> {
        lock(&self.state).take(place)
    }
}

impl State {
    fn take(&mut self, place: &mut Place) -> Option<usize> {
        if let Some(row) = self.long.pop() {
            return Some(row);
        }
        if let Some(own) = place.0
            && let Some(row) = self.stretches[own].rows.next()
        {
            return Some(row);
        }
        let stretch = self.new_stretch()?;
        place.0 = Some(stretch);
        self.stretches[stretch].rows.next()
    }

    /// A stretch for a thread that has none.
    fn new_stretch(&mut self) -> Option<usize> {
        let left = self.stretches.iter().enumerate().filter(|(_, stretch)| !stretch.rows.is_empty());
        let (most, _) = left.max_by_key(|(_, stretch)| (!stretch.is_owned, self.weight_of(&stretch.rows)))?;
        if !self.stretches[most].is_owned {
            self.stretches[most].is_owned = true;
            return Some(most);
        }
        let rows = self.stretches[most].rows.clone();
        let half = self.weights_before[rows.start] + self.weight_of(&rows) / 2;
        let first = self.weights_before[rows.clone()].partition_point(|weight| *weight < half);
        let middle = (rows.start + first).min(rows.end - 1);
        self.stretches[most].rows.end = middle;
        self.stretches.push(Stretch { rows: middle..rows.end, is_owned: true });
        Some(self.stretches.len() - 1)
    }

    fn weight_of(&self, rows: &Range<usize>) -> u64 {
        self.weights_before[rows.end] - self.weights_before[rows.start]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(weights: &[u64]) -> Vec<Row> {
        let row =
            |(at, weight): (usize, &u64)| Row { transactions: at..at + 1, weight: *weight, is_long: *weight > 10 };
        weights.iter().enumerate().map(row).collect()
    }

    #[test]
    fn what_is_long_is_first_and_the_rest_is_shared() {
        let queue = Queue::new(&rows(&[1, 1, 1, 20, 1, 1, 1, 1, 30, 1]));
        let (mut one, mut other) = (Place::default(), Place::default());
        let mut take = |is_one: bool| queue.take(if is_one { &mut one } else { &mut other });
        // The long ones; the longest stretch, and the next; half of the longest; what is left.
        let turns = [true, false, true, false, true, false, false, false, true, false, true];
        let taken: Vec<Option<usize>> = turns.into_iter().map(&mut take).collect();
        let expected = [8, 3, 4, 0, 5, 1, 2, 9, 6, 7].map(Some);
        assert_eq!(taken[..10], expected);
        assert_eq!(taken[10], None);
    }

    #[test]
    fn each_row_is_taken_once() {
        for (count, threads) in [(0, 2), (1, 3), (2, 3), (100, 1), (100, 2), (100, 7)] {
            let weights: Vec<u64> = (0..count).map(|it| it * 7 % 12).collect();
            let queue = Queue::new(&rows(&weights));
            let mut places: Vec<Place> = (0..threads).map(|_| Place::default()).collect();
            let mut taken: Vec<usize> = Vec::new();
            for turn in 0.. {
                // Some go faster than others.
                match queue.take(&mut places[turn * turn % threads]) {
                    Some(row) => taken.push(row),
                    None => break,
                }
            }
            taken.sort_unstable();
            assert_eq!(taken, (0..count as usize).collect::<Vec<_>>(), "{count} rows, {threads} threads");
        }
    }
}
