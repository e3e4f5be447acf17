//! Which unit a thread takes next.
//!
//! Units are taken in their order, but for those that may use much of the block's gas, which come first, and none is taken that is too
//! far ahead of what is committed. What is known of conflicts says who is to take which:
//!
//! * A transaction whose sender has called the same contract right before mostly needs what that call did. As long as
//!   the earlier one has not been run, the later one is left to the thread that is to run it.
//! * Where the units of a lane are in each other's way, one thread takes them all (`lanes`).
//! * For a while after too many units had to be run again, only the one whose turn it is is run, by the thread that committed the one
//!   before.
//!
//! A unit in its turn that nobody else is to run is run together with such units right behind it, and told of as one.

use crate::lanes::Lanes;
use crate::sync::{AtomicUsize, Line, Ordering};
use crate::units::{MAX_BIG, TRANSFER_GAS, order_of};
use alloy_primitives::Address;
use alloy_primitives::map::AddressMap;
use rialto_stf::Block;
use std::ops::Range;

/// How far ahead of the last committed unit others are run, for each thread.
const AHEAD_FOR_EACH_THREAD: usize = 128;
const _: () =
    assert!(AHEAD_FOR_EACH_THREAD > MAX_BIG, "the first unit is near enough, whatever is before it in the order");
/// Units that are run together in the turn of the first, where nobody else is to run them.
const MAX_BATCH: usize = 8;
/// Gas that they may use together.
const BATCH_GAS: u64 = 4_000_000;

/// See the module's documentation.
pub(crate) struct Queue {
    /// In which units are taken.
    order: Vec<usize>,
    /// How many are first because they are big. They are taken even where others are not run ahead: the unit whose turn it is may be
    /// behind them.
    big: usize,
    /// For each transaction the unit of the previous one of its sender, if that is another unit.
    pub previous: Vec<Option<usize>>,
    /// For each unit the last one before it in which a sender of its own called the same contract right before.
    chained: Vec<Option<usize>>,
    /// Gas that each unit may use.
    gas_limits: Vec<u64>,
    /// Who took each unit: the number of the thread plus one.
    taken_by: Vec<AtomicUsize>,
    pub lanes: Lanes,
    max_ahead: usize,
    /// The next place in the order that nobody has taken.
    next: Line<AtomicUsize>,
    /// Units before this one are not run ahead any more.
    paused_until: Line<AtomicUsize>,
}

/// A thread that wants a unit.
pub(crate) struct Seeker<C: Fn() -> usize> {
    /// Its number.
    pub thread: usize,
    /// Units that are settled in its journal.
    pub applied: usize,
    /// Units that are committed.
    pub committed: C,
    /// Whether it is to take the unit whose turn it is where none is run ahead.
    pub has_turn: bool,
    /// Whether it has waited so long that it takes what was left to others.
    pub is_impatient: bool,
}

impl Queue {
    /// A block's units, for so many threads.
    pub fn new(block: &Block, senders: &[Address], units: &[Range<usize>], threads: usize) -> Self {
        // By sender: the unit and the position of the last transaction.
        let mut last = AddressMap::<(usize, usize)>::with_capacity_and_hasher(senders.len(), Default::default());
        let mut previous = Vec::with_capacity(senders.len());
        let mut chained = vec![None; units.len()];
        for (unit, range) in units.iter().enumerate() {
            for position in range.clone() {
                let before = last.insert(senders[position], (unit, position)).filter(|(other, _)| *other != unit);
                let [transaction, earlier] =
                    [position, before.map_or(position, |(_, at)| at)].map(|position| &block.transactions[position]);
                if earlier.to == transaction.to && transaction.gas_limit > TRANSFER_GAS {
                    chained[unit] = chained[unit].max(before.map(|(other, _)| other));
                }
                previous.push(before.map(|(other, _)| other));
            }
        }
        let limits =
            |unit: &Range<usize>| block.transactions[unit.clone()].iter().map(|transaction| transaction.gas_limit);
        let (order, big) = order_of(block, units);
        Self {
            order,
            big,
            previous,
            chained,
            gas_limits: units.iter().map(|unit| limits(unit).fold(0, u64::saturating_add)).collect(),
            taken_by: units.iter().map(|_| AtomicUsize::default()).collect(),
            lanes: Lanes::new(block, units, threads),
            max_ahead: AHEAD_FOR_EACH_THREAD * threads,
            next: Line::default(),
            paused_until: Line::default(),
        }
    }

    /// Lets no unit before this one be run ahead.
    pub fn pause_until(&self, unit: usize) {
        self.paused_until.0.store(unit, Ordering::Relaxed);
    }

    /// Units before this one are not run ahead.
    pub fn paused_until(&self) -> usize {
        self.paused_until.0.load(Ordering::Relaxed)
    }

    /// Takes the next unit that the thread may run. `is_told`: whether a unit has been run and told of.
    pub fn take<C: Fn() -> usize>(&self, seeker: &Seeker<C>, is_told: impl Fn(usize) -> bool) -> Option<usize> {
        let Seeker { thread, applied, ref committed, has_turn, is_impatient } = *seeker;
        let end = self.order.len().min(applied + self.max_ahead);
        let paused_until = self.paused_until();
        let take = |next: usize| {
            let unit = *self.order.get(next).filter(|_| next < end)?;
            let may_run = next < self.big || unit >= paused_until || has_turn && unit <= committed();
            may_run.then_some(next + 1)
        };
        loop {
            let next = self.next.0.load(Ordering::Relaxed);
            let first = self.order.get(next).copied().unwrap_or(end).min(end);
            if let Some(unit) = self.lanes.take_own(thread, 0..first) {
                return Some(unit);
            }
            let Ok(place) = self.next.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) else {
                // Nobody is to wait long for another.
                let unit = committed();
                return (is_impatient && self.lanes.take_any(unit)).then_some(unit);
            };
            let unit = self.order[place];
            if !self.leave_to_chain(unit, thread, committed(), &is_told) && !self.lanes.leave(unit, thread) {
                self.taken_by[unit].store(thread + 1, Ordering::Relaxed);
                return Some(unit);
            }
        }
    }

    /// Leaves a unit to another thread that has yet to run the one which it is chained to; whether it did.
    fn leave_to_chain(&self, unit: usize, thread: usize, committed: usize, is_told: impl Fn(usize) -> bool) -> bool {
        let Some(before) = self.chained[unit] else { return false };
        let taken_by = self.taken_by[before].load(Ordering::Relaxed);
        let is_left = taken_by != 0 && taken_by != thread + 1 && before >= committed && !is_told(before);
        if is_left {
            self.taken_by[unit].store(taken_by, Ordering::Relaxed);
            self.lanes.leave_to(unit, taken_by - 1);
        }
        is_left
    }

    /// Takes units right behind `unit`, which `thread` runs in its turn, that nobody else is to run: those that were left to it, and
    /// those that are not run ahead for now. How many.
    pub fn take_more(&self, unit: usize, thread: usize) -> usize {
        let paused_until = self.paused_until();
        let mut gas = self.gas_limits[unit];
        let mut end = unit + 1;
        while end < self.order.len() && end < unit + MAX_BATCH {
            gas = gas.saturating_add(self.gas_limits[end]);
            if gas > BATCH_GAS {
                break;
            }
            let take = |next: usize| (self.order.get(next) == Some(&end) && end < paused_until).then_some(next + 1);
            let is_own = self.lanes.take_own(thread, end..end + 1).is_some();
            if !is_own && self.next.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_err() {
                break;
            }
            end += 1;
        }
        end - unit - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_stf::Transaction;

    /// A queue of units of one transaction each, of `(sender, receiver)`.
    fn queue(rows: &[(u8, u8)]) -> Queue {
        let transaction = |(_, to): &(u8, u8)| Transaction {
            to: Some(Address::with_last_byte(*to)),
            gas_limit: 500_000,
            ..Transaction::default()
        };
        let block = Block { transactions: rows.iter().map(transaction).collect(), ..Block::default() };
        let senders: Vec<Address> = rows.iter().map(|(sender, _)| Address::with_last_byte(*sender)).collect();
        let units: Vec<Range<usize>> = (0..rows.len()).map(|unit| unit..unit + 1).collect();
        Queue { order: (0..rows.len()).collect(), big: 0, ..Queue::new(&block, &senders, &units, 2) }
    }

    fn seeker(thread: usize, committed: usize, has_turn: bool, is_impatient: bool) -> Seeker<impl Fn() -> usize> {
        Seeker { thread, applied: committed, committed: move || committed, has_turn, is_impatient }
    }

    #[test]
    fn the_same_call_is_left_to_whoever_is_to_run_the_one_before() {
        let queue = queue(&[(1, 9), (1, 9), (1, 8), (2, 9), (1, 8)]);
        assert_eq!(queue.previous, [None, Some(0), Some(1), None, Some(2)]);
        let patient = |thread| seeker(thread, 0, false, false);
        assert_eq!(queue.take(&patient(0), |_| false), Some(0));
        // The second goes to the first thread, the third calls somebody else.
        assert_eq!(queue.take(&patient(1), |_| false), Some(2));
        assert_eq!(queue.take(&patient(1), |_| false), Some(3));
        assert_eq!(queue.take(&patient(0), |_| false), Some(1));
        // The third is told of: its successor is anybody's.
        assert_eq!(queue.take(&patient(0), |unit| unit == 2), Some(4));
        assert_eq!(queue.take(&patient(1), |_| false), None);
    }

    #[test]
    fn in_a_pause_units_go_to_who_has_the_turn_and_several_at_once() {
        let queue = queue(&[(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
        queue.pause_until(4);
        assert_eq!(queue.take(&seeker(0, 0, false, false), |_| false), None);
        assert_eq!(queue.take(&seeker(1, 0, true, false), |_| false), Some(0));
        assert_eq!(queue.take_more(0, 1), 3);
        assert_eq!(queue.take(&seeker(0, 0, false, false), |_| false), Some(4));
    }

    #[test]
    fn a_big_one_is_taken_in_a_pause_since_the_turn_may_be_behind_it() {
        let queue = Queue { order: vec![2, 0, 1], big: 1, ..queue(&[(1, 1), (2, 2), (3, 3)]) };
        queue.pause_until(3);
        assert_eq!(queue.take(&seeker(0, 0, false, false), |_| false), Some(2));
        assert_eq!(queue.take(&seeker(0, 0, false, false), |_| false), None);
        assert_eq!(queue.take(&seeker(1, 0, true, false), |_| false), Some(0));
    }

    #[test]
    fn who_has_waited_long_takes_what_was_left_to_another() {
        let queue = queue(&[(1, 9), (1, 9)]);
        assert_eq!(queue.take(&seeker(0, 0, false, false), |_| false), Some(0));
        for (name, committed, is_impatient, expected) in
            [("at first", 0, false, None), ("not its turn", 0, true, None), ("in its turn", 1, true, Some(1))]
        {
            assert_eq!(queue.take(&seeker(1, committed, false, is_impatient), |_| false), expected, "{name}");
        }
    }
}
