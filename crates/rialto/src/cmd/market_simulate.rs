//! `rialto market simulate`: a path of prices, replayed on the accounts of a scenario file.

use crate::{CliError, Verdict};
use clap::Args;
use rialto_bench::{parse_scenario, run_scenario};
use std::fs;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of `rialto market simulate`.
#[derive(Args, Debug)]
pub struct SimulateArgs {
    /// The scenario, see docs/market-simulate.md
    #[arg(value_name = "SCENARIO")]
    scenario: PathBuf,
    /// Write a chart of the run as SVG
    #[arg(long, value_name = "FILE")]
    chart: Option<PathBuf>,
}

/// Runs the command.
pub fn run(args: &SimulateArgs, is_json: bool, out: &mut dyn Write) -> Result<Verdict, CliError> {
    let text = fs::read_to_string(&args.scenario).map_err(|error| CliError::file(&args.scenario, error))?;
    let scenario = parse_scenario(&args.scenario.display().to_string(), &text)?;
    let report = run_scenario(&scenario)?;
    if let Some(file) = &args.chart {
        fs::write(file, report.chart()).map_err(|error| CliError::file(file, error))?;
    }
    if is_json {
        let text = serde_json::to_string(&report).map_err(|error| CliError::Output(error.into()))?;
        writeln!(out, "{text}")?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(Verdict::Passed)
}
