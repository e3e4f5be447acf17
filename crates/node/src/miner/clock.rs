//! The clock of dev mode: which time the next block has.
//!
//! Blocks take the wall clock's time plus an offset, which commands move. Whatever the clock says, a block is later than its
//! parent, so blocks that are mined within one second run ahead of the wall clock. A time that is asked for exactly is used
//! once and becomes the clock's new reading; an interval, as long as it is set, replaces the clock altogether.
//!
//! Nothing here reads the real clock: the caller says what it shows, so every rule can be tested.

use crate::NodeError;

/// Decides timestamps. All are Unix times in seconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Clock {
    /// How far this clock is before the wall clock.
    offset_seconds: i64,
    /// The next block's time, if one was asked for.
    next: Option<u64>,
    /// Seconds between blocks, if they are to be fixed.
    interval_seconds: Option<u64>,
}

impl Clock {
    /// What this clock shows when the wall clock shows `wall`.
    pub(super) fn now(&self, wall: u64) -> u64 {
        wall.saturating_add_signed(self.offset_seconds)
    }

    /// The time of a block after one at `parent`.
    pub(super) fn next_timestamp(&self, wall: u64, parent: u64) -> u64 {
        match (self.next, self.interval_seconds) {
            (Some(next), _) => next,
            (None, Some(interval)) => parent.saturating_add(interval),
            (None, None) => self.now(wall).max(parent.saturating_add(1)),
        }
    }

    /// A block was mined at `timestamp`: a time that was asked for is used up, and the clock goes on from there.
    pub(super) fn mined(&mut self, wall: u64, timestamp: u64) {
        if self.next.take().is_some() {
            self.set(wall, timestamp);
        }
    }

    /// Makes the clock show `timestamp` now.
    pub(super) fn set(&mut self, wall: u64, timestamp: u64) {
        let offset = i128::from(timestamp) - i128::from(wall);
        self.offset_seconds = offset.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64;
        self.next = None;
    }

    /// Moves the clock forward; returns how far it is before the wall clock now.
    pub(super) fn advance(&mut self, seconds: u64) -> i64 {
        self.offset_seconds = self.offset_seconds.saturating_add_unsigned(seconds);
        self.offset_seconds
    }

    /// Asks for the next block's time, which must be later than the head's, at `head`.
    pub(super) fn set_next(&mut self, timestamp: u64, head: u64) -> Result<(), NodeError> {
        if timestamp <= head {
            let expected = format!("more than the head's, {head}");
            return Err(NodeError::Invalid { field: "timestamp", expected, found: timestamp.to_string() });
        }
        self.next = Some(timestamp);
        Ok(())
    }

    /// Fixes the seconds between blocks, or ends that. Returns whether they were fixed.
    pub(super) fn set_interval(&mut self, seconds: Option<u64>) -> bool {
        std::mem::replace(&mut self.interval_seconds, seconds).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_and_end_interval(clock: &mut Clock) -> bool {
        !clock.set_interval(Some(12)) && clock.set_interval(None)
    }

    #[test]
    fn blocks_get_times() {
        type Change = fn(&mut Clock);
        let rows: [(&str, Change, u64, u64, u64); 9] = [
            ("the wall clock's", |_| (), 1_000, 900, 1_000),
            ("after the parent", |_| (), 1_000, 1_000, 1_001),
            ("ahead of the wall clock", |_| (), 1_000, 2_000, 2_001),
            ("moved forward", |clock| assert_eq!(clock.advance(60), 60), 1_000, 900, 1_060),
            ("set back", |clock| clock.set(1_000, 10), 1_000, 5, 10),
            ("set back, then the parent", |clock| clock.set(1_000, 10), 1_000, 900, 901),
            ("asked for", |clock| clock.set_next(5_000, 900).expect("later"), 1_000, 900, 5_000),
            ("fixed distance", |clock| assert!(!clock.set_interval(Some(12))), 1_000, 900, 912),
            ("no more fixed distance", |clock| assert!(set_and_end_interval(clock)), 1_000, 900, 1_000),
        ];
        for (name, change, wall, parent, expected) in rows {
            let mut clock = Clock::default();
            change(&mut clock);
            assert_eq!(clock.next_timestamp(wall, parent), expected, "{name}");
        }
    }

    #[test]
    fn a_time_that_was_asked_for_is_used_once_and_the_clock_goes_on_from_there() {
        let mut clock = Clock::default();
        clock.set_next(5_000, 900).expect("later");
        clock.mined(1_000, 5_000);
        assert_eq!(clock.next_timestamp(1_007, 5_000), 5_007);
        clock.mined(1_007, 5_007);
        assert_eq!(clock.next_timestamp(1_007, 5_007), 5_008);
    }

    #[test]
    fn a_time_before_the_head_is_refused() {
        for timestamp in [0, 899, 900] {
            let mut clock = Clock::default();
            let error = clock.set_next(timestamp, 900).expect_err("not later").to_string();
            assert_eq!(error, format!("timestamp: expected more than the head's, 900, found {timestamp}"));
            assert_eq!(clock, Clock::default(), "{timestamp}");
        }
    }
}
