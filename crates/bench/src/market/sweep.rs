//! Liquidations: how long finding the accounts below maintenance takes after a gap, and how long liquidating them.
//!
//! A market in memory has accounts with one leveraged long position each, spread over the perpetuals. A share of them has ten times
//! leverage and falls below maintenance when all prices gap by 20 percent; the others have twice and don't. Finding has to grow with those that are
//! hit and not with all. Liquidating goes through a book that takes everything near the new price; blocks go on until nobody waits.
//! After each block the market's own completeness check has to hold, and at the end nobody is below maintenance unnoticed, which is found out by looking
//! at all.

use super::chain::failed;
use crate::BenchError;
use crate::chart::{Chart, Series};
use crate::table::Table;
use rialto_market::layout::QUOTE;
use rialto_market::testing::{START_TICKS, Scenario, UNIT};
use rialto_market::types::{AccountId, Amount, Lots, Side, Ticks};
use serde::Serialize;
use std::fmt;
use std::time::{Duration, Instant};

/// How far prices gap, in millionths.
const GAP_PPM: i64 = -200_000;
/// Lots of a position; a lot is worth ten quote units at first.
const LOTS: Lots = 900;
/// What accounts that are hit have, in quote units, and what the others have.
const HIT_UNITS: Amount = 950;
const SAFE_UNITS: Amount = 4_500;
/// What the maker has.
const MAKER_UNITS: Amount = 1_000_000_000_000;
/// Perpetuals that one maker is on the other side of, within what an account may hold.
const PERPETUALS_A_MAKER: usize = 10;
/// Blocks after which a run is given up.
const MAX_BLOCKS: u32 = 10_000;
/// Gas without a bound.
const UNBOUNDED: u64 = u64::MAX / 2;

/// What is measured.
#[derive(Clone, Debug)]
pub struct SweepPlan {
    /// Numbers of accounts, one row for each and each share.
    pub accounts: Vec<u32>,
    /// Shares of accounts that are hit, in percent.
    pub hit_percent: Vec<u32>,
    /// Perpetuals.
    pub perpetuals: u16,
}

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepFigures {
    /// Accounts.
    pub accounts: u32,
    /// Those below maintenance after the gap.
    pub hit: u64,
    /// Accounts that were looked at to find them.
    pub visited: u64,
    /// Milliseconds to find them.
    pub find_milliseconds: f64,
    /// Microseconds for each that was found.
    pub find_microseconds_each: f64,
    /// Milliseconds of the block with the gap, finding and what of liquidating its budget allows.
    pub block_milliseconds: f64,
    /// Blocks until nobody waits.
    pub blocks: u32,
    /// Microseconds of liquidating an account, all its steps.
    pub liquidate_microseconds_each: f64,
}

/// All runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepReport {
    /// Perpetuals.
    pub perpetuals: u16,
    /// By share and number of accounts.
    pub runs: Vec<SweepFigures>,
}

impl fmt::Display for SweepReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = ["accounts", "hit", "looked at", "find ms", "µs each", "block ms", "blocks", "liquidate µs each"];
        let mut table = Table::new("Accounts below maintenance after a gap of 20 percent", &columns);
        for run in &self.runs {
            table.rows.push(vec![
                run.accounts.to_string(),
                run.hit.to_string(),
                run.visited.to_string(),
                format!("{:.2}", run.find_milliseconds),
                format!("{:.2}", run.find_microseconds_each),
                format!("{:.2}", run.block_milliseconds),
                run.blocks.to_string(),
                format!("{:.2}", run.liquidate_microseconds_each),
            ]);
        }
        write!(f, "{}", table.text())
    }
}

impl SweepReport {
    /// Microseconds by number of accounts: an SVG document.
    pub fn chart(&self) -> String {
        let line = |name: &str, value: &dyn Fn(&SweepFigures) -> f64| Series {
            name: name.into(),
            values: self.runs.iter().map(|run| Some(value(run))).collect(),
            is_dashed: false,
        };
        Chart {
            title: "Liquidations after a gap of 20 percent: time for each account that is hit".into(),
            x_name: "accounts (hit)".into(),
            y_name: "microseconds".into(),
            columns: self.runs.iter().map(|run| format!("{} ({})", run.accounts, run.hit)).collect(),
            series: vec![
                line("finding it", &|run| run.find_microseconds_each),
                line("liquidating it", &|run| run.liquidate_microseconds_each),
            ],
        }
        .svg()
    }
}

/// Measures all runs.
pub fn run_market_sweep(plan: &SweepPlan, progress: &mut dyn FnMut(&str)) -> Result<SweepReport, BenchError> {
    let mut runs = Vec::new();
    for percent in &plan.hit_percent {
        for accounts in &plan.accounts {
            progress(&format!("{accounts} accounts, {percent} % hit"));
            runs.push(run(*accounts, *percent, plan.perpetuals)?);
        }
    }
    Ok(SweepReport { perpetuals: plan.perpetuals, runs })
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

fn run(accounts: u32, hit_percent: u32, perpetuals: u16) -> Result<SweepFigures, BenchError> {
    let mut market = Scenario::new(perpetuals);
    let instruments: Vec<_> = market.perpetuals().collect();
    let makers = makers(&mut market, instruments.len());
    for index in 0..accounts {
        let account = market.open();
        let is_hit = index % 100 < hit_percent;
        market.deposit(account, QUOTE, if is_hit { HIT_UNITS } else { SAFE_UNITS } * UNIT);
        let place = (index / 100) as usize % instruments.len();
        let (instrument, maker) = (instruments[place], makers[place / PERPETUALS_A_MAKER]);
        market.trade(account, maker, instrument, LOTS, START_TICKS, false).map_err(failed)?;
    }
    market.next_block(1);
    for (place, instrument) in instruments.iter().enumerate() {
        market.move_mark(*instrument, GAP_PPM);
        let ticks = (i64::from(START_TICKS) * (1_000_000 + GAP_PPM) / 1_000_000) as Ticks - 1;
        let lots = LOTS * u64::from(accounts);
        market
            .place(makers[place / PERPETUALS_A_MAKER], *instrument, Side::Buy, lots.min(1 << 32), ticks)
            .map_err(failed)?;
    }
    let begin = Instant::now();
    let found = market.sweep_within(UNBOUNDED, 0);
    let find = begin.elapsed();
    let hit = market.waiting();
    if let Some(missed) = market.short_and_free().first() {
        return Err(failed(format!("account {} is below maintenance and not in the queue", missed.0)));
    }
    let begin = Instant::now();
    market.sweep();
    let block = find + begin.elapsed();
    let mut liquidate = begin.elapsed();
    let mut blocks = 1;
    while market.waiting() > 0 {
        market.check().map_err(|incomplete| failed(format!("block {blocks}: {incomplete}")))?;
        market.next_block(1);
        let begin = Instant::now();
        market.sweep();
        liquidate += begin.elapsed();
        blocks += 1;
        if blocks == MAX_BLOCKS {
            return Err(failed(format!("{} accounts still wait after {blocks} blocks", market.waiting())));
        }
    }
    market.audit().map_err(failed)?;
    check_ended(&mut market, &makers)?;
    Ok(SweepFigures {
        accounts,
        hit,
        visited: found.visited.into(),
        find_milliseconds: milliseconds(find),
        find_microseconds_each: milliseconds(find) * 1_000.0 / hit.max(1) as f64,
        block_milliseconds: milliseconds(block),
        blocks,
        liquidate_microseconds_each: milliseconds(liquidate) * 1_000.0 / hit.max(1) as f64,
    })
}

/// Makers with ample means, as many as hold so many perpetuals.
fn makers(market: &mut Scenario, perpetuals: usize) -> Vec<AccountId> {
    let mut maker = || {
        let maker = market.open();
        market.deposit(maker, QUOTE, MAKER_UNITS * UNIT);
        maker
    };
    (0..perpetuals.div_ceil(PERPETUALS_A_MAKER)).map(|_| maker()).collect()
}

/// Nobody is below maintenance any more, and the makers could pay for all.
fn check_ended(market: &mut Scenario, makers: &[AccountId]) -> Result<(), BenchError> {
    if let Some(account) = market.short_and_free().first() {
        return Err(failed(format!("account {} is below maintenance in the end", account.0)));
    }
    match makers.iter().any(|maker| market.health(*maker).is_short()) {
        true => Err(failed("the makers were given too little")),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_hit_is_found_and_liquidated() {
        let plan = SweepPlan { accounts: vec![200], hit_percent: vec![10], perpetuals: 20 };
        let report = run_market_sweep(&plan, &mut |_| {}).expect("it runs");
        assert_eq!(report.runs[0].hit, 20, "{report}");
        assert!(report.runs[0].visited < 200, "the others are not looked at: {report}");
        assert!(report.chart().ends_with("</svg>\n"));
    }
}
