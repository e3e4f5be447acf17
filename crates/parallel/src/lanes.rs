//! Transactions to the same contract, where they are in each other's way.
//!
//! A unit's lane is the receiver of its first transaction. Most lanes are only a name: whoever is free takes the next unit. But
//! where half of a lane's units or more had to be run again in their turn, each seems to need what the one before it did; and a
//! thread that runs them one after the other finds that in its own journal, before anybody else has heard of it. So such a lane gets an
//! owner, and who comes across one of its units leaves it to him and takes the next. Nobody waits long for an owner: a unit whose
//! turn it has been for a while is taken by whoever has nothing to do.

use crate::sync::{AtomicUsize, Line, Mutex, Ordering, lock};
use alloy_primitives::Address;
use alloy_primitives::map::AddressMap;
use rialto_stf::Block;
use std::collections::BTreeSet;
use std::ops::Range;

/// A lane gets an owner after so many units that had to be run again: fewer happen to any contract that many call.
const AGAIN: usize = 3;

/// Units of one receiver.
#[derive(Default)]
struct Lane {
    /// Committed units. Only who has the turn writes these two.
    units: AtomicUsize,
    /// Of these, those that had to be run again.
    again: AtomicUsize,
    /// The number of the thread that runs its units, plus one.
    owner: AtomicUsize,
}

/// See the module's documentation.
pub(crate) struct Lanes {
    /// Of each unit.
    lane_of: Vec<u32>,
    lanes: Vec<Lane>,
    /// What was left to each thread.
    left: Vec<Line<Mutex<BTreeSet<usize>>>>,
    /// Units that were left to somebody and not taken yet.
    left_count: AtomicUsize,
}

impl Lanes {
    /// The lanes of a block in units, for so many threads.
    pub fn new(block: &Block, units: &[Range<usize>], threads: usize) -> Self {
        let mut lanes = AddressMap::<u32>::default();
        let mut lane_of = |unit: &Range<usize>| {
            let to = block.transactions[unit.start].to.unwrap_or(Address::ZERO);
            let next = lanes.len() as u32;
            *lanes.entry(to).or_insert(next)
        };
        let lane_of: Vec<u32> = units.iter().map(&mut lane_of).collect();
        Self {
            lane_of,
            lanes: std::iter::repeat_with(Lane::default).take(lanes.len()).collect(),
            left: std::iter::repeat_with(Line::default).take(threads).collect(),
            left_count: AtomicUsize::default(),
        }
    }

    fn lane(&self, unit: usize) -> &Lane {
        &self.lanes[self.lane_of[unit] as usize]
    }

    /// Counts a unit that `thread` commits.
    pub fn count(&self, unit: usize, thread: usize, is_again: bool) {
        let lane = self.lane(unit);
        let count = |counter: &AtomicUsize, more: usize| {
            let count = counter.load(Ordering::Relaxed) + more;
            counter.store(count, Ordering::Relaxed);
            count
        };
        let (units, again) = (count(&lane.units, 1), count(&lane.again, usize::from(is_again)));
        if is_again && again >= AGAIN && again * 2 >= units && lane.owner.load(Ordering::Relaxed) == 0 {
            lane.owner.store(thread + 1, Ordering::Relaxed);
        }
    }

    /// Leaves a unit to the owner of its lane, if that is another thread; whether it did.
    pub fn leave(&self, unit: usize, thread: usize) -> bool {
        let owner = self.lane(unit).owner.load(Ordering::Relaxed);
        if owner == 0 || owner == thread + 1 {
            return false;
        }
        self.leave_to(unit, owner - 1);
        true
    }

    /// Leaves a unit to a thread.
    pub fn leave_to(&self, unit: usize, owner: usize) {
        lock(&self.left[owner].0).insert(unit);
        self.left_count.fetch_add(1, Ordering::Release);
    }

    /// Takes the first unit that was left to `thread`, if it is one of these.
    pub fn take_own(&self, thread: usize, range: Range<usize>) -> Option<usize> {
        if self.left_count.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut left = lock(&self.left[thread].0);
        let first = *left.first().filter(|first| range.contains(*first))?;
        left.remove(&first);
        // Nothing is done under the lock that is not about what it guards.
        drop(left);
        self.left_count.fetch_sub(1, Ordering::Release);
        Some(first)
    }

    /// Takes a unit, if it was left to anybody.
    pub fn take_any(&self, unit: usize) -> bool {
        if self.left_count.load(Ordering::Acquire) == 0 {
            return false;
        }
        let is_taken = self.left.iter().any(|left| lock(&left.0).remove(&unit));
        if is_taken {
            self.left_count.fetch_sub(1, Ordering::Release);
        }
        is_taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_stf::Transaction;

    #[test]
    fn a_lane_in_its_own_way_gets_an_owner_and_no_unit_is_lost() {
        let to = |number: u8| Transaction { to: Some(Address::with_last_byte(number)), ..Transaction::default() };
        let block = Block { transactions: [1, 1, 2, 1, 2, 1].map(to).to_vec(), ..Block::default() };
        let units: Vec<Range<usize>> = (0..6).map(|unit| unit..unit + 1).collect();
        let lanes = Lanes::new(&block, &units, 2);
        lanes.count(0, 0, true);
        lanes.count(1, 0, true);
        assert!(!lanes.leave(3, 1), "twice is not enough");
        lanes.count(3, 0, true);
        let rows = [("another's", 3, 1, true), ("the owner's", 3, 0, false), ("of another lane", 4, 1, false)];
        for (name, unit, thread, is_left) in rows {
            assert_eq!(lanes.leave(unit, thread), is_left, "{name}");
        }
        assert!(lanes.leave(5, 1));
        assert_eq!((lanes.take_own(1, 0..6), lanes.take_own(0, 0..3), lanes.take_own(0, 0..6)), (None, None, Some(3)));
        assert!(lanes.take_any(5) && !lanes.take_any(5) && !lanes.take_any(3));
        assert_eq!((lanes.take_own(0, 0..6), lanes.left_count.load(Ordering::Relaxed)), (None, 0));
    }

    #[test]
    fn a_lane_that_is_seldom_in_its_own_way_has_no_owner() {
        let block = Block { transactions: vec![Transaction::default(); 8], ..Block::default() };
        let units: Vec<Range<usize>> = (0..8).map(|unit| unit..unit + 1).collect();
        let lanes = Lanes::new(&block, &units, 2);
        [false, false, true, false, true, false]
            .iter()
            .enumerate()
            .for_each(|(unit, again)| lanes.count(unit, 1, *again));
        assert!(!lanes.leave(7, 0));
    }
}
