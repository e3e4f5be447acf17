//! Times of the sweep and of liquidations, by number of accounts: prices of 20 instruments gap by 20 %.
//!
//! ```text
//! cargo run --release -p rialto-market --example liquidation_sweep [accounts ...]
//! ```

use rialto_market::testing::LeveragedMarket;
use std::time::Instant;

fn main() {
    let given: Vec<u32> = std::env::args().skip(1).filter_map(|word| word.parse().ok()).collect();
    let sizes = if given.is_empty() { vec![1_000, 10_000, 100_000] } else { given };
    println!(
        "accounts  gap %   looked at   queued   find ms   per account us   steps   per step us   blocks   complete"
    );
    for accounts in sizes {
        for gap in [10_000_i64, 200_000] {
            row(accounts, gap);
        }
    }
}

fn row(accounts: u32, gap_ppm: i64) {
    let mut scenario = LeveragedMarket { accounts, ..LeveragedMarket::default() }.build();
    for perpetual in scenario.perpetuals().collect::<Vec<_>>() {
        scenario.move_mark(perpetual, -gap_ppm);
    }
    let start = Instant::now();
    let found = scenario.sweep_within(u64::MAX, 0);
    let finding = start.elapsed();
    let mut is_complete = scenario.check().is_ok();
    let start = Instant::now();
    let (mut steps, mut blocks) = (0, 0);
    while scenario.waiting() > 0 && blocks < 2_000 {
        steps += scenario.sweep_within(u64::MAX, u64::MAX).steps;
        is_complete &= scenario.check().is_ok();
        scenario.next_block(1);
        blocks += 1;
    }
    let liquidating = start.elapsed();
    let per = |time: std::time::Duration, count: u32| time.as_secs_f64() * 1e6 / f64::from(count.max(1));
    println!(
        "{accounts:8}  {:5}  {:10}  {:7}  {:8.2}  {:15.2}  {steps:6}  {:12.2}  {blocks:7}  {is_complete}",
        gap_ppm as f64 / 1e4,
        found.visited,
        found.queued,
        finding.as_secs_f64() * 1e3,
        per(finding, found.visited),
        per(liquidating, steps),
    );
}
