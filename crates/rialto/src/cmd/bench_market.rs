//! `rialto bench --gas-market`, `--market` and `--liquidations`: what the market's operations cost, how many orders a second a node
//! takes, and how long liquidations take.

use crate::dev_genesis::{DEV_FORK, DevGenesis};
use crate::terminal::Progress;
use crate::{CliError, Verdict, pool};
use alloy_primitives::Address;
use clap::Args;
use rialto_bench::{MarketPathPlan, SweepPlan, run_market_gas, run_market_path, run_market_sweep};
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// Gas limit of blocks, which is not what bounds them here.
const GAS_LIMIT: u64 = 1 << 40;

/// What is measured of the market.
#[derive(Args, Debug)]
#[command(next_help_heading = "Market")]
pub struct MarketBenchArgs {
    /// Gas and time of each operation of the market instead
    #[arg(long)]
    gas_market: bool,
    /// Orders a second through pool, execution and state root instead
    #[arg(long, conflicts_with = "gas_market")]
    market: bool,
    /// Finding and liquidating accounts after a gap of 20 percent instead
    #[arg(long, conflicts_with_all = ["gas_market", "market"])]
    liquidations: bool,
    /// Accounts of --market and --liquidations; several numbers give a run each
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "10000")]
    market_accounts: Vec<usize>,
    /// Instruments of --market and --liquidations
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=250))]
    market_instruments: u16,
    /// Blocks of a run of --market
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    market_blocks: u32,
    /// Transactions of a block of --market, each of 20 orders
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    market_transactions: u32,
    /// Write a chart of --market or --liquidations by accounts as SVG
    #[arg(long, value_name = "FILE")]
    market_chart: Option<PathBuf>,
}

impl MarketBenchArgs {
    /// Whether it is the market that is to be measured.
    pub fn is_wanted(&self) -> bool {
        self.gas_market || self.market || self.liquidations
    }
}

/// A chain with the market and these accounts.
fn genesis(accounts: &[Address]) -> Value {
    let timestamp = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    DevGenesis {
        chain_id: 31_337,
        fork: DEV_FORK,
        timestamp,
        gas_limit: GAS_LIMIT,
        base_fee: 1_000_000_000,
        accounts: accounts.to_vec(),
        balance_ether: 1_000_000,
        has_market: true,
    }
    .document()
}

/// Runs the command.
pub fn run(args: &MarketBenchArgs, is_json: bool, out: &mut dyn Write) -> Result<Verdict, CliError> {
    let mut progress = Progress::new("steps");
    let mut count = 0;
    let mut show = |what: &str| {
        count += 1;
        progress.show(count, what);
    };
    if args.gas_market {
        let report = run_market_gas(&genesis, &mut show)?;
        progress.clear();
        return print(&report, is_json, out);
    }
    if args.liquidations {
        let accounts = args.market_accounts.iter().map(|count| u32::try_from(*count).unwrap_or(u32::MAX)).collect();
        let perpetuals = args.market_instruments;
        let report = run_market_sweep(&SweepPlan { accounts, hit_percent: vec![1, 10], perpetuals }, &mut show)?;
        progress.clear();
        write_chart(args, report.chart())?;
        return print(&report, is_json, out);
    }
    let plan = MarketPathPlan {
        accounts: args.market_accounts.clone(),
        instruments: args.market_instruments,
        blocks: args.market_blocks as usize,
        transactions: args.market_transactions as usize,
        threads: pool::available_workers(),
    };
    let report = run_market_path(&plan, &genesis, &mut show)?;
    progress.clear();
    write_chart(args, report.chart())?;
    print(&report, is_json, out)
}

fn write_chart(args: &MarketBenchArgs, chart: String) -> Result<(), CliError> {
    match &args.market_chart {
        Some(file) => fs::write(file, chart).map_err(|error| CliError::file(file, error)),
        None => Ok(()),
    }
}

fn print(
    report: &(impl serde::Serialize + std::fmt::Display),
    is_json: bool,
    out: &mut dyn Write,
) -> Result<Verdict, CliError> {
    if is_json {
        let text = serde_json::to_string(report).map_err(|error| CliError::Output(error.into()))?;
        writeln!(out, "{text}")?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(Verdict::Passed)
}
