//! Who takes which unit next, as `queue` and `lanes` of `rialto-parallel` have it: in order, but what may use much gas first; a call
//! like its sender's last one is left to the core that has yet to run that; the units of a lane in its own way are left to one core; and
//! in a pause only the unit whose turn it is is taken, by who committed the last.

use super::units::{Unit, order_of};
use std::collections::BTreeSet;
use std::ops::Range;

/// Units ahead of the last committed one that each core may cause.
const AHEAD_PER_CORE: usize = 128;
/// Units that are run together in the turn of the first.
const MAX_BATCH: usize = 8;
/// Gas that they may use together.
const BATCH_GAS: u64 = 4_000_000;

/// A lane gets an owner after so many units that had to be run again.
const AGAIN: usize = 3;

/// Units of one receiver.
#[derive(Clone, Copy, Default)]
struct Lane {
    /// Committed units, and of these, those that had to be run again.
    units: usize,
    again: usize,
    owner: Option<usize>,
}

/// See the module's documentation.
pub(super) struct Queue {
    order: Vec<usize>,
    /// How many are first because they are big: no pause holds them back.
    big: usize,
    next: usize,
    chained: Vec<Option<usize>>,
    gas_limits: Vec<u64>,
    lane_of: Vec<usize>,
    lanes: Vec<Lane>,
    taken_by: Vec<Option<usize>>,
    /// What was left to each core.
    left: Vec<BTreeSet<usize>>,
    max_ahead: usize,
    /// Units before this one are not run ahead.
    pub paused_until: usize,
}

/// A core that wants a unit.
#[derive(Clone, Copy)]
pub(super) struct Seeker {
    pub core: usize,
    /// Units that are settled in its journal.
    pub applied: usize,
    pub committed: usize,
    /// Whether it committed the last unit.
    pub has_turn: bool,
    /// Whether it has waited long.
    pub is_impatient: bool,
}

impl Queue {
    pub fn new(units: &[Unit], cores: usize) -> Self {
        let (order, big) = order_of(units);
        Self {
            order,
            big,
            next: 0,
            chained: units.iter().map(|unit| unit.chained).collect(),
            gas_limits: units.iter().map(|unit| unit.gas_limit).collect(),
            lane_of: units.iter().map(|unit| unit.lane).collect(),
            lanes: vec![Lane::default(); units.iter().map(|unit| unit.lane + 1).max().unwrap_or(0)],
            taken_by: vec![None; units.len()],
            left: vec![BTreeSet::new(); cores],
            max_ahead: AHEAD_PER_CORE * cores,
            paused_until: 0,
        }
    }

    /// Takes the next unit that the core may run. `is_told`: whether a unit has been run and told of.
    pub fn take(&mut self, seeker: &Seeker, is_told: impl Fn(usize) -> bool) -> Option<usize> {
        let Seeker { core, applied, committed, is_impatient, .. } = *seeker;
        let end = self.order.len().min(applied + self.max_ahead);
        let has_turn = seeker.has_turn || is_impatient;
        loop {
            let first = self.order.get(self.next).copied().unwrap_or(end).min(end);
            if let Some(unit) = self.take_own(core, 0..first) {
                return Some(unit);
            }
            let may_run = |unit: usize| unit >= self.paused_until || has_turn && unit <= committed;
            if self.next >= end || self.next >= self.big && !may_run(self.order[self.next]) {
                let is_left = is_impatient && self.left.iter_mut().any(|left| left.remove(&committed));
                return is_left.then_some(committed);
            }
            let unit = self.order[self.next];
            self.next += 1;
            let chain = self.chained[unit].filter(|before| *before >= committed && !is_told(*before));
            let is_other = |other: &usize| *other != core;
            let by_chain = chain.and_then(|before| self.taken_by[before]).filter(is_other);
            let by_lane = self.lanes[self.lane_of[unit]].owner.filter(is_other);
            let Some(owner) = by_chain.or(by_lane) else {
                self.taken_by[unit] = Some(core);
                return Some(unit);
            };
            self.taken_by[unit] = by_chain;
            self.left[owner].insert(unit);
        }
    }

    /// Units that were left to somebody and not taken yet.
    pub fn left_count(&self) -> usize {
        self.left.iter().map(BTreeSet::len).sum()
    }

    /// Takes the first unit that was left to the core, if it is one of these.
    fn take_own(&mut self, core: usize, range: Range<usize>) -> Option<usize> {
        let first = *self.left[core].first().filter(|first| range.contains(*first))?;
        self.left[core].remove(&first);
        Some(first)
    }

    /// Takes units right behind `unit`, which the core runs in its turn, that nobody else is to run. How many.
    pub fn take_more(&mut self, unit: usize, core: usize) -> usize {
        let mut gas = self.gas_limits[unit];
        let mut end = unit + 1;
        while end < self.order.len() && end < unit + MAX_BATCH {
            gas = gas.saturating_add(self.gas_limits[end]);
            if gas > BATCH_GAS {
                break;
            }
            if self.take_own(core, end..end + 1).is_none() {
                if self.order.get(self.next) != Some(&end) || end >= self.paused_until {
                    break;
                }
                self.next += 1;
            }
            end += 1;
        }
        end - unit - 1
    }

    /// Counts a unit that the core commits.
    pub fn count(&mut self, unit: usize, core: usize, is_again: bool) {
        let lane = &mut self.lanes[self.lane_of[unit]];
        lane.units += 1;
        lane.again += usize::from(is_again);
        if is_again && lane.again >= AGAIN && lane.again * 2 >= lane.units && lane.owner.is_none() {
            lane.owner = Some(core);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue of units of `(lane, chained)`, in order, for two cores.
    fn queue(rows: &[(usize, Option<usize>)]) -> Queue {
        let unit = |(lane, chained): &(usize, Option<usize>)| Unit {
            gas_limit: 500_000,
            lane: *lane,
            chained: *chained,
            ..Unit::default()
        };
        let units: Vec<Unit> = rows.iter().map(unit).collect();
        Queue { order: (0..units.len()).collect(), big: 0, ..Queue::new(&units, 2) }
    }

    fn seeker(core: usize, committed: usize) -> Seeker {
        Seeker { core, applied: committed, committed, has_turn: false, is_impatient: false }
    }

    #[test]
    fn the_same_call_is_left_to_who_is_to_run_the_one_before() {
        let mut queue = queue(&[(0, None), (0, Some(0)), (1, None), (1, Some(2))]);
        assert_eq!(queue.take(&seeker(0, 0), |_| false), Some(0));
        assert_eq!(queue.take(&seeker(1, 0), |_| false), Some(2));
        assert_eq!(queue.take(&seeker(0, 0), |_| false), Some(1));
        assert_eq!(queue.take(&seeker(0, 0), |unit| unit == 2), Some(3));
        assert_eq!(queue.take(&seeker(1, 0), |_| false), None);
    }

    #[test]
    fn a_lane_in_its_own_way_has_an_owner_whom_nobody_waits_for_long() {
        let mut queue = queue(&[(0, None), (0, None), (0, None), (0, None), (1, None), (0, None)]);
        queue.next = 3;
        (0..3).for_each(|unit| queue.count(unit, 0, true));
        assert_eq!(queue.take(&seeker(1, 3), |_| false), Some(4));
        assert_eq!(queue.take(&seeker(1, 3), |_| false), None);
        assert_eq!(queue.take(&Seeker { is_impatient: true, ..seeker(1, 3) }, |_| false), Some(3));
        assert_eq!(queue.take(&seeker(0, 4), |_| false), Some(5));
    }

    #[test]
    fn in_a_pause_units_go_to_who_has_the_turn_and_several_at_once() {
        let mut queue = queue(&[(0, None), (1, None), (2, None), (3, None), (4, None)]);
        queue.paused_until = 4;
        assert_eq!(queue.take(&seeker(0, 0), |_| false), None);
        assert_eq!(queue.take(&Seeker { has_turn: true, ..seeker(1, 0) }, |_| false), Some(0));
        assert_eq!(queue.take_more(0, 1), 3);
        assert_eq!(queue.take(&seeker(0, 0), |_| false), Some(4));
    }
}
