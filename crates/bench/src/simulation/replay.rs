//! Cores that find out what conflicts, from event to event.
//!
//! Each core does what a thread of `rialto-parallel` does (`worker`), one step at a time: it puts in what others have committed,
//! commits its own unit whose turn it is or runs it again if its run was wrong, takes a unit and runs it, looks whether a unit of its own
//! that waits has become stale, or waits until somebody else has finished a step. An event is the end of a step; what the step did counts from then
//! on.
//!
//! **What a run sees** is decided when it begins: what is committed and put in, and above it, of at most so many units right before it,
//! what the core itself did or what another one told. Told is only what a unit did when it was first run, before its turn. A
//! run is right if everything that it reads from is there and was right; a change that was seen by luck, or made no difference to a
//! wrong run, does not count. A wrong run is done again.
//!
//! **What is above what is settled** is a list of units for each core. What was told is put in once, and costs nothing more when
//! it is committed as told. Who commits something that a unit above it reads and had not seen takes everything above back, and what
//! was taken back is put in again, in places that are then known. A unit that is still where it was put when its turn comes needs no putting in.

use super::Costs;
use super::queue::{Queue, Seeker};
use super::units::Unit;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;

/// Runs of a unit at most, the one in its turn included.
const MAX_RUNS: usize = 4;
/// How many of the units right before it, that are not committed, a unit sees.
const MAX_LAYERS: usize = 24;
/// With so many of the last units run again in their turn, none is run ahead for a while.
const TOO_MANY_AGAIN: u32 = 12;
/// Of so many.
const REMEMBERED: u32 = 16;
/// With so many of them run by one core while no other had anything to do, that one goes on alone.
const TOO_MANY_LONE: u32 = 14;
/// For so many units the first time, and four times as many each time after.
const FIRST_PAUSE: usize = 16;
/// So often. The next time, one core goes on alone.
const MAX_PAUSES: usize = 2;
/// After so long a core without anything to do counts as idle, nanoseconds: twenty looks.
const IDLE_NS: u64 = 2_000;
/// After so long without a commit it takes what was left to others, nanoseconds: four hundred looks.
const IMPATIENT_NS: u64 = 100_000;

/// A unit that was run and is not committed.
struct Waiting {
    unit: usize,
    is_right: bool,
    /// Units that it reads from and saw as they are.
    seen: usize,
    runs: usize,
    /// Units that were committed when it was last looked at.
    checked_at: usize,
}

/// What a unit did, above what is settled.
struct Layer {
    unit: usize,
    /// Whether it is the core's own, and what is below it is what it was run on.
    is_sound: bool,
}

/// What a core is busy with.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Step {
    /// Something that changes nothing for others.
    #[default]
    Aside,
    /// It has nothing to do, since then.
    Waits(u64),
    /// It has had nothing to do since then, and is about to look again.
    Looks(u64),
    RunAhead(usize),
    /// So many units from this one on, in their turn.
    RunInTurn(usize, usize),
    Commit(usize),
}

#[derive(Default)]
struct Core {
    step: Step,
    /// The number of its step: events of earlier ones are void.
    version: u64,
    waiting: VecDeque<Waiting>,
    layers: VecDeque<Layer>,
    /// Of which units it knows where what they change has its place.
    located: Vec<bool>,
    /// So many units are settled in its copy of the state.
    applied: usize,
    /// Since when it has run nothing.
    idle_since: Option<u64>,
    /// Since when it has seen nothing new.
    patient_since: u64,
    begun_at: Option<u64>,
    done_at: u64,
}

/// What came of the transactions.
pub(super) struct Replayed {
    /// When each core had nothing more to do with them; `None` for those that came too late.
    pub done_at: Vec<Option<u64>>,
    /// Units that were committed; fewer than all if one core goes on alone.
    pub committed: usize,
    /// Time that the first core spent on receipts while it had nothing better to do.
    pub receipts_ns: u64,
    /// Runs that were wasted.
    pub wasted: usize,
}

/// A block under way.
pub(super) struct Replay<'u> {
    units: &'u [Unit],
    costs: Costs,
    queue: Queue,
    cores: Vec<Core>,
    /// When each step ends: the time, the core, and the number of the step.
    events: BinaryHeap<Reverse<(u64, usize, u64)>>,
    /// What was told of each unit that was run ahead: whether it was right.
    told: Vec<Option<bool>>,
    committed: usize,
    last_by: usize,
    /// A bit for each of the last committed units, the last the lowest: run again in its turn; run while all others were idle.
    again: u32,
    lone: u32,
    pauses: usize,
    is_over: bool,
    receipts_ns: u64,
    wasted: usize,
}

impl<'u> Replay<'u> {
    /// Cores that can begin at these times.
    pub fn new(units: &'u [Unit], costs: &Costs, begins: &[u64]) -> Self {
        Self {
            units,
            costs: *costs,
            queue: Queue::new(units, begins.len()),
            cores: begins.iter().map(|_| Core { located: vec![false; units.len()], ..Core::default() }).collect(),
            events: begins.iter().enumerate().map(|(core, begin)| Reverse((*begin, core, 0))).collect(),
            told: vec![None; units.len()],
            committed: 0,
            last_by: 0,
            again: 0,
            lone: 0,
            pauses: 0,
            is_over: false,
            receipts_ns: 0,
            wasted: 0,
        }
    }

    pub fn run(mut self) -> Replayed {
        while let Some(Reverse((now, core, version))) = self.events.pop() {
            if self.cores[core].version == version {
                self.end_step(core, now);
            }
        }
        assert!(self.is_over || self.committed == self.units.len(), "the next unit to be committed waits for nobody");
        let done_at = |core: &Core| core.begun_at.map(|_| core.done_at);
        Replayed {
            done_at: self.cores.iter().map(done_at).collect(),
            committed: self.committed,
            receipts_ns: self.receipts_ns,
            wasted: self.wasted,
        }
    }

    /// Does what the core's step was about, and begins its next one.
    fn end_step(&mut self, core: usize, now: u64) {
        let is_through = self.is_over || self.committed == self.units.len();
        if self.cores[core].begun_at.is_none() {
            if is_through && core > 0 {
                return;
            }
            self.cores[core].begun_at = Some(now);
        }
        self.cores[core].done_at = now;
        match std::mem::take(&mut self.cores[core].step) {
            Step::Aside => self.cores[core].patient_since = now,
            Step::Waits(since) | Step::Looks(since) => self.write_receipts(core, now - since),
            Step::RunAhead(unit) => {
                let waiting = &self.cores[core].waiting;
                let run = &waiting[waiting.partition_point(|other| other.unit < unit)];
                let (is_right, runs) = (run.is_right, run.runs);
                if runs == 1 && self.committed < unit {
                    self.told[unit] = Some(is_right);
                }
                self.cores[core].layers.push_back(Layer { unit, is_sound: true });
                return self.hand_over(core, now, 0);
            }
            Step::RunInTurn(unit, more) => {
                let is_again = self.cores[core].waiting.front().is_some_and(|waiting| waiting.unit == unit);
                if is_again {
                    self.cores[core].waiting.pop_front();
                }
                (unit..=unit + more).for_each(|unit| self.count(unit, core, is_again, true, now));
                return self.commit(core, unit..unit + more + 1, now);
            }
            Step::Commit(unit) => {
                self.cores[core].waiting.pop_front();
                self.count(unit, core, false, false, now);
                return self.commit(core, unit..unit + 1, now);
            }
        }
        self.next_step(core, now);
    }

    /// The first core writes receipts of what is committed when it has nothing better to do.
    fn write_receipts(&mut self, core: usize, time_ns: u64) {
        if core == 0 {
            let all: u64 = self.units[..self.committed].iter().map(|unit| unit.receipt_ns).sum();
            self.receipts_ns = all.min(self.receipts_ns + time_ns);
        }
    }

    /// What was done is known to all, and the core makes bloom filters of it.
    fn commit(&mut self, core: usize, units: Range<usize>, now: u64) {
        (self.committed, self.last_by) = (units.end, core);
        self.cores[core].applied = units.end;
        let bloom_ns = self.units[units].iter().map(|unit| unit.bloom_ns).sum();
        self.hand_over(core, now, bloom_ns);
    }

    /// Something has changed for those who wait; the core goes on after a while.
    fn hand_over(&mut self, core: usize, now: u64, busy_ns: u64) {
        self.wake(now);
        self.cores[core].patient_since = now;
        self.schedule(core, now + busy_ns);
    }

    /// The core's step ends then, and not when it was to end before.
    fn schedule(&mut self, core: usize, at: u64) {
        self.cores[core].version += 1;
        self.events.push(Reverse((at, core, self.cores[core].version)));
    }

    fn begin(&mut self, core: usize, step: Step, end: u64) {
        self.cores[core].step = step;
        self.cores[core].idle_since = None;
        self.schedule(core, end);
    }

    /// Begins the best that the core can do now.
    fn next_step(&mut self, core: usize, now: u64) {
        if self.is_over {
            return;
        }
        let applied = self.cores[core].applied;
        if applied < self.committed {
            let put_ns: u64 = (applied..self.committed).map(|unit| self.put(core, unit)).sum();
            self.cores[core].applied = self.committed;
            return self.schedule(core, now + put_ns);
        }
        if applied == self.units.len() {
            return;
        }
        let front = self.cores[core].waiting.front();
        match front.filter(|front| front.unit == applied).map(|front| front.is_right) {
            Some(true) => return self.begin_commit(core, now),
            Some(false) => {
                self.wasted += 1;
                return self.run_in_turn(core, applied, 0, now);
            }
            None => (),
        }
        let is_impatient = now - self.cores[core].patient_since >= IMPATIENT_NS;
        let seeker = Seeker { core, applied, committed: self.committed, has_turn: self.last_by == core, is_impatient };
        let left_before = self.queue.left_count();
        let taken = self.queue.take(&seeker, |unit| self.told[unit].is_some());
        if self.queue.left_count() > left_before {
            self.wake(now);
        }
        match taken {
            Some(unit) if unit == applied => {
                let more = self.queue.take_more(unit, core);
                self.run_in_turn(core, unit, more, now);
            }
            Some(unit) => {
                let waiting = &mut self.cores[core].waiting;
                let place = waiting.partition_point(|other| other.unit < unit);
                let new = Waiting { unit, is_right: false, seen: 0, runs: 0, checked_at: 0 };
                waiting.insert(place, new);
                let aim_ns = self.aim(core, unit);
                self.run_ahead(core, place, now + aim_ns);
            }
            None => self.renew_or_wait(core, now),
        }
    }

    /// Those who wait look again.
    fn wake(&mut self, now: u64) {
        for core in 0..self.cores.len() {
            if let Step::Waits(since) = self.cores[core].step {
                self.cores[core].step = Step::Looks(since);
                self.schedule(core, now + self.costs.hand_over_ns);
            }
        }
    }

    /// Commits the unit whose turn it is, which was run rightly.
    fn begin_commit(&mut self, core: usize, now: u64) {
        let unit = self.committed;
        let layers = &mut self.cores[core].layers;
        let is_sound = layers.front().is_some_and(|layer| layer.unit == unit && layer.is_sound);
        let again_ns = if is_sound {
            layers.pop_front();
            0
        } else {
            layers.clear();
            self.units[unit].again_ns
        };
        self.begin(core, Step::Commit(unit), now + again_ns + self.costs.commit_ns);
    }

    /// Time of running a unit among others, whatever it comes to.
    fn run_ns(&self, unit: usize) -> u64 {
        let run_ns = self.units[unit].run_ns as f64;
        (run_ns * (1.0 + self.costs.contention)).round() as u64
    }

    fn run_in_turn(&mut self, core: usize, unit: usize, more: usize, now: u64) {
        self.cores[core].layers.clear();
        let run_ns: u64 = (unit..=unit + more).map(|unit| self.run_ns(unit)).sum();
        let end = now + run_ns + self.costs.run_ns + self.costs.commit_ns;
        self.begin(core, Step::RunInTurn(unit, more), end);
    }

    /// Runs a unit that waits, before its turn, on what it was aimed at.
    fn run_ahead(&mut self, core: usize, place: usize, now: u64) {
        let unit = self.cores[core].waiting[place].unit;
        let seen = self.seen(core, unit);
        let applied = self.cores[core].applied;
        let run = &mut self.cores[core].waiting[place];
        (run.seen, run.is_right, run.runs) = (seen, seen == self.units[unit].reads_from.len(), run.runs + 1);
        run.checked_at = applied;
        let end = now + self.run_ns(unit) + self.costs.run_ns;
        self.begin(core, Step::RunAhead(unit), end);
    }

    /// Looks for a unit of this core that has become stale and runs it again, or waits.
    fn renew_or_wait(&mut self, core: usize, now: u64) {
        let mut at = now;
        for place in 1..self.cores[core].waiting.len() {
            let Waiting { unit, seen, runs, checked_at, .. } = self.cores[core].waiting[place];
            let is_sound = self.cores[core].layers.iter().any(|layer| layer.unit == unit && layer.is_sound);
            if is_sound || checked_at == self.cores[core].applied || runs + 1 >= MAX_RUNS {
                continue;
            }
            at += self.aim(core, unit);
            if self.seen(core, unit) > seen {
                self.wasted += 1;
                return self.run_ahead(core, place, at);
            }
            self.cores[core].waiting[place].checked_at = self.cores[core].applied;
        }
        if at > now {
            return self.schedule(core, at);
        }
        let own = &mut self.cores[core];
        own.idle_since.get_or_insert(now);
        own.step = Step::Waits(now);
        // Until somebody else has finished something, or it has been long enough.
        own.version += 1;
        let impatient_at = own.patient_since + IMPATIENT_NS;
        if impatient_at > now {
            self.events.push(Reverse((impatient_at, core, own.version)));
        }
    }

    /// Makes the core's copy of the state the best guess at a unit's place; how long that takes.
    fn aim(&mut self, core: usize, unit: usize) -> u64 {
        let Core { layers, applied, .. } = &mut self.cores[core];
        if layers.back().is_some_and(|layer| layer.unit >= unit) {
            layers.clear();
        }
        let first = unit.saturating_sub(MAX_LAYERS).max(*applied);
        let next = layers.back().map_or(first, |layer| first.max(layer.unit + 1));
        let mut aim_ns = 0;
        for below in next..unit {
            let own = self.cores[core].waiting.iter().find(|waiting| waiting.unit == below).map(|own| own.seen);
            let is_sound = own.is_some_and(|seen| seen == self.seen(core, below));
            let units = self.units;
            let Core { layers, located, .. } = &mut self.cores[core];
            if own.is_some() || self.told[below].is_some() {
                layers.push_back(Layer { unit: below, is_sound });
                let is_located = own.is_some() || std::mem::replace(&mut located[below], true);
                aim_ns += if is_located { units[below].again_ns } else { units[below].apply_ns };
            }
        }
        aim_ns
    }

    /// How many of those that a unit reads from the core's copy of the state has as they are.
    fn seen(&self, core: usize, unit: usize) -> usize {
        let Core { layers, waiting, applied, .. } = &self.cores[core];
        let is_seen = |other: &&usize| {
            let own = || waiting.iter().find(|waiting| waiting.unit == **other).map(|own| own.is_right);
            **other < *applied
                || layers.iter().any(|layer| layer.unit == **other)
                    && own().or(self.told[**other]).is_some_and(|is_right| is_right)
        };
        self.units[unit].reads_from.iter().filter(is_seen).count()
    }

    /// Puts in what another core has committed, which is the next that is not settled here; how long that takes.
    fn put(&mut self, core: usize, unit: usize) -> u64 {
        let Core { layers, located, .. } = &mut self.cores[core];
        let is_as_told = self.told[unit] == Some(true);
        match layers.front().map(|layer| layer.unit) {
            Some(front) if front == unit && is_as_told => {
                layers.pop_front();
                return 0;
            }
            Some(front) => {
                let is_touched = |layer: &Layer| self.units[layer.unit].reads_from.contains(&unit);
                if front == unit || layers.iter().any(is_touched) {
                    layers.clear();
                }
            }
            None => (),
        }
        let Unit { apply_ns, again_ns, .. } = self.units[unit];
        if located[unit] && is_as_told { again_ns } else { apply_ns }
    }

    /// Counts a unit, and ends the work of many where it is of no use.
    fn count(&mut self, unit: usize, core: usize, is_again: bool, was_in_turn: bool, now: u64) {
        self.queue.count(unit, core, is_again);
        let is_many = |bits: u32, many: u32| (bits & ((1 << REMEMBERED) - 1)).count_ones() >= many;
        self.again = self.again << 1 | u32::from(is_again);
        let is_idle = |other: &usize| self.cores[*other].idle_since.is_some_and(|since| since + IDLE_NS <= now);
        let is_lone = was_in_turn
            && unit >= self.queue.paused_until
            && (0..self.cores.len()).filter(is_idle).count() + 1 == self.cores.len();
        self.lone = self.lone << 1 | u32::from(is_lone);
        if is_many(self.lone, TOO_MANY_LONE) {
            self.is_over = true;
        } else if is_many(self.again, TOO_MANY_AGAIN) {
            if self.pauses == MAX_PAUSES {
                self.is_over = true;
            } else {
                self.queue.paused_until = unit + (FIRST_PAUSE << (2 * self.pauses));
                (self.pauses, self.again) = (self.pauses + 1, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Units of `(time, reads from)`, lanes of their own.
    fn units(rows: &[(u64, &[usize])]) -> Vec<Unit> {
        let unit = |(lane, (run_ns, reads_from)): (usize, &(u64, &[usize]))| Unit {
            gas_limit: 1_000_000,
            run_ns: *run_ns,
            reads_from: reads_from.to_vec(),
            lane,
            ..Unit::default()
        };
        rows.iter().enumerate().map(unit).collect()
    }

    fn done(units: &[Unit], cores: usize, costs: &Costs) -> (u64, usize) {
        let replayed = Replay::new(units, costs, &vec![0; cores]).run();
        (replayed.done_at.into_iter().flatten().max().unwrap_or(0), replayed.wasted)
    }

    #[test]
    fn what_is_told_is_seen_and_what_is_not_is_run_again() {
        type Row = (&'static str, usize, &'static [(u64, &'static [usize])], u64, usize);
        let rows: [Row; 6] = [
            ("told in time", 2, &[(100, &[]), (10, &[]), (20, &[1])], 100, 0),
            ("the core's own", 2, &[(100, &[]), (50, &[]), (10, &[1]), (10, &[2])], 100, 0),
            ("in its turn", 2, &[(10, &[]), (10, &[0])], 20, 1),
            ("not told in time", 2, &[(30, &[]), (50, &[]), (10, &[1])], 60, 1),
            ("one after the other", 3, &[(100, &[]), (50, &[]), (10, &[1]), (10, &[2])], 120, 2),
            // The first core has nothing to do at 50, when the second unit is committed and the third is not.
            ("before its turn", 3, &[(10, &[]), (50, &[]), (100, &[]), (10, &[]), (10, &[1])], 100, 1),
        ];
        for (name, cores, rows, expected_ns, expected_wasted) in rows {
            let found = done(&units(rows), cores, &Costs::default());
            assert_eq!(found, (expected_ns, expected_wasted), "{name}");
        }
    }

    #[test]
    fn every_core_puts_in_what_is_committed() {
        let mut units = units(&[(10, &[]), (10, &[]), (10, &[]), (10, &[])]);
        units.iter_mut().for_each(|unit| unit.apply_ns = 3);
        // At 10 each has run one. The first runs the third until 20, puts in the second until 23 and commits the third. The second puts
        // in the first until 13, commits its own, runs the fourth until 23, puts in the third until 26 and commits the fourth.
        assert_eq!(done(&units, 2, &Costs::default()), (29, 0));
    }

    #[test]
    fn a_long_unit_holds_up_those_too_far_ahead() {
        let mut rows: Vec<(u64, &[usize])> = vec![(10, &[]); 280];
        rows[0].0 = 4_000;
        // With the first under way, another core may run the 255 behind it, and the other 24 only when it is done.
        assert_eq!(done(&units(&rows), 2, &Costs::default()), (4_000 + 24 / 2 * 10, 0));
    }

    #[test]
    fn where_most_are_run_again_none_is_run_ahead_and_at_last_one_goes_on_alone() {
        let before: Vec<[usize; 1]> = (0..200).map(|unit: usize| [unit.saturating_sub(1)]).collect();
        let rows: Vec<(u64, &[usize])> = before
            .iter()
            .enumerate()
            .map(|(unit, before)| (10, if unit == 0 { &[][..] } else { &before[..] }))
            .collect();
        let units = units(&rows);
        let replayed = Replay::new(&units, &Costs::default(), &[0, 0]).run();
        assert!(replayed.committed < 200, "{}", replayed.committed);
    }
}
