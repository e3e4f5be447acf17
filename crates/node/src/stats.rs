//! What the node counts for whoever watches it.
//!
//! Counters only rise and are read at any time; that two of them are read at slightly different times does no harm.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the buckets of times, seconds.
pub const TIME_BUCKETS_SECONDS: [f64; 12] =
    [0.000_1, 0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];

/// How often something took how long.
#[derive(Debug, Default)]
pub struct Times {
    /// By bucket; the last is for what took longer than all bounds.
    counts: [AtomicU64; TIME_BUCKETS_SECONDS.len() + 1],
    sum_nanoseconds: AtomicU64,
}

impl Times {
    /// Something took so long.
    pub fn observe(&self, elapsed: Duration) {
        let seconds = elapsed.as_secs_f64();
        let bucket = TIME_BUCKETS_SECONDS.partition_point(|bound| *bound < seconds);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        let nanoseconds = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// How often, by bucket; the last bucket is for what took longer than all bounds.
    pub fn counts(&self) -> [u64; TIME_BUCKETS_SECONDS.len() + 1] {
        std::array::from_fn(|bucket| self.counts[bucket].load(Ordering::Relaxed))
    }

    /// Time in all, seconds.
    pub fn sum_seconds(&self) -> f64 {
        self.sum_nanoseconds.load(Ordering::Relaxed) as f64 / 1e9
    }
}

/// What the node counts.
#[derive(Debug, Default)]
pub struct NodeStats {
    /// Time to execute a block and compute its root, whoever made it.
    pub block_times: Times,
    /// Changes of the head that took blocks off the chain.
    pub reorgs: AtomicU64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_count_in_the_bucket_whose_bound_they_do_not_exceed() {
        let times = Times::default();
        let rows = [(0, 0), (100, 0), (101, 1), (1_000, 2), (30_000_000, 11), (30_000_001, 12)];
        for (micros, bucket) in rows {
            let before = times.counts()[bucket];
            times.observe(Duration::from_micros(micros));
            assert_eq!(times.counts()[bucket], before + 1, "{micros} µs");
        }
        assert_eq!(times.counts().iter().sum::<u64>(), rows.len() as u64);
        assert!((times.sum_seconds() - 60.001_202).abs() < 1e-9, "{}", times.sum_seconds());
    }
}
