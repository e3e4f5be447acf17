//! `rialto bench`: Rialto and revm on the same work, in the same process, in turns.

use crate::cmd::bench_rpc;
use crate::input::fixtures_folder;
use crate::terminal::Progress;
use crate::{CliError, Verdict};
use clap::{Args, Subcommand};
use rialto_bench::{CaseReport, Effort, Plan, run_vectors};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

/// The archive of worst-case blocks.
const VECTORS: &str = "eest-benchmark.tar.zst";

/// Compare Rialto's speed with revm's: medians and ratios over synthetic cases and, where given, real blocks.
///
/// Both engines run each case in turns and must agree on every result before anything is timed. Signatures are recovered
/// and the state is in memory beforehand, on both sides. A ratio above 1 means that Rialto is faster.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    #[command(subcommand)]
    other: Option<OtherBench>,
    /// Blocks of the main network: a folder with block.json and pre_state.json, a folder of such, or a .tar.zst of them
    #[arg(long, value_name = "DIR")]
    mainnet: Option<PathBuf>,
    /// A case of one's own: JSON with name, code, input, gas_limit and optionally storage and accounts; repeatable
    #[arg(long, value_name = "FILE")]
    case: Vec<PathBuf>,
    /// Run the worst-case blocks of blockchain tests instead and list the slowest; by default those of the fixtures
    #[arg(long, value_name = "PATH", num_args = 0..=1, conflicts_with_all = ["mainnet", "case"])]
    vectors: Option<Option<PathBuf>>,
    /// Leave out the synthetic cases
    #[arg(long, conflicts_with = "vectors")]
    no_synthetic: bool,
    /// Only cases with this in their name
    #[arg(long, value_name = "SUBSTRING")]
    filter: Option<String>,
    /// Time for the rounds of a case
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 1_000)]
    case_time: u64,
    /// One JSON document with all figures
    #[arg(long)]
    json: bool,
}

/// What else there is to compare.
#[derive(Debug, Subcommand)]
enum OtherBench {
    Rpc(bench_rpc::BenchRpcArgs),
}

/// Runs the command.
pub fn run(args: &BenchArgs, out: &mut dyn Write) -> Result<Verdict, CliError> {
    if let Some(OtherBench::Rpc(args)) = &args.other {
        return bench_rpc::run(args, out);
    }
    if cfg!(debug_assertions) {
        eprintln!("note: this build is not optimised (use --release), its figures say little");
    }
    let effort = Effort { case_time: Duration::from_millis(args.case_time), ..Effort::default() };
    let mut progress = Progress::new("cases");
    let mut count = 0;
    let mut show = |case: &CaseReport| {
        count += 1;
        progress.show(count, &format!("{} at {:.2}", case.name, case.ratio));
    };
    if let Some(path) = &args.vectors {
        let path = match path {
            Some(path) => path.clone(),
            None => fixtures_folder()?.join(VECTORS),
        };
        let report = run_vectors(&path, args.filter.as_deref(), &effort, &mut show)?;
        progress.clear();
        return print(args.json, &report, out);
    }
    let plan = Plan {
        synthetic: !args.no_synthetic,
        case_files: args.case.clone(),
        mainnet: args.mainnet.clone(),
        filter: args.filter.clone(),
        effort,
    };
    let report = rialto_bench::run(&plan, &mut show)?;
    progress.clear();
    print(args.json, &report, out)
}

fn print(
    as_json: bool,
    report: &(impl serde::Serialize + std::fmt::Display),
    out: &mut dyn Write,
) -> Result<Verdict, CliError> {
    if as_json {
        let text = serde_json::to_string(report).map_err(|error| CliError::Output(error.into()))?;
        writeln!(out, "{text}")?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(Verdict::Passed)
}
