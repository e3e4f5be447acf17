//! `rialto bench`: Rialto and revm on the same work, in the same process, in turns; one thread and several; interpreted and
//! compiled.

use crate::cmd::{bench_market, bench_root, bench_rpc};
use crate::input::fixtures_folder;
use crate::pool;
use crate::strategy_args::JitChoice;
use crate::terminal::Progress;
use crate::{CliError, Verdict};
use clap::{Args, Subcommand, ValueEnum};
use rialto_bench::{Effort, JitUse, Plan, Report, run_vectors};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The archive of worst-case blocks.
const VECTORS: &str = "eest-benchmark.tar.zst";

/// Compare Rialto's speed with revm's: medians and ratios over synthetic cases and, where given, real blocks.
///
/// Both engines run each case in turns and must agree on every result before anything is timed. Signatures are recovered
/// and the state is in memory beforehand, on both sides. A ratio above 1 means that Rialto is faster.
///
/// With --threads, main network blocks of 100 transactions or more are also run on several threads, with and without an access
/// list and compiled code, in the same rounds as on one thread and as revm.
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
    /// Threads that run the transactions of large main network blocks and of the sweeps, beside one; 1, or as many as there are
    /// cores for what needs several
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256), conflicts_with = "vectors")]
    threads: Option<u16>,
    /// Compiled code: off, auto (beside interpreted code, in figures of its own) or always (in the comparison with revm, too)
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_possible_values = true)]
    jit: JitChoice,
    /// Also run blocks with more and more conflicts, or on more and more threads; repeatable
    #[arg(long, value_name = "WHAT", value_enum, conflicts_with = "vectors")]
    sweep: Vec<Sweep>,
    /// Also replay large main network blocks on up to 32 simulated cores
    #[arg(long, requires = "mainnet")]
    simulate: bool,
    /// Everything that there is: several threads, both sweeps, simulated cores
    #[arg(long, conflicts_with = "vectors")]
    all: bool,
    /// Write charts of the sweeps and of the simulated cores into this folder
    #[arg(long, value_name = "DIR", conflicts_with = "vectors")]
    charts: Option<PathBuf>,
    /// Tables in Markdown
    #[arg(long, conflicts_with_all = ["json", "vectors"])]
    markdown: bool,
    /// One JSON document with all figures
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    market: bench_market::MarketBenchArgs,
}

/// What changes from block to block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Sweep {
    /// The share of transactions that want the same account or the same pool
    Conflicts,
    /// The number of threads
    Threads,
}

impl BenchArgs {
    /// What is to be measured beside vectors.
    fn plan(&self, effort: Effort) -> Plan {
        let conflict_sweep = self.all || self.sweep.contains(&Sweep::Conflicts);
        let thread_sweep = self.all || self.sweep.contains(&Sweep::Threads);
        let simulation = self.mainnet.is_some() && (self.all || self.simulate);
        let needs_threads = self.all || conflict_sweep || thread_sweep || simulation;
        let default_threads = if needs_threads { pool::available_workers().max(2) } else { 1 };
        Plan {
            synthetic: !self.no_synthetic,
            case_files: self.case.clone(),
            mainnet: self.mainnet.clone(),
            filter: self.filter.clone(),
            effort,
            threads: self.threads.map_or(default_threads, usize::from),
            jit: match self.jit {
                JitChoice::Off => JitUse::Off,
                JitChoice::Auto => JitUse::Beside,
                JitChoice::Always => JitUse::Everywhere,
            },
            conflict_sweep,
            thread_sweep,
            simulation,
        }
    }
}

/// What else there is to compare.
#[derive(Debug, Subcommand)]
enum OtherBench {
    Root(bench_root::BenchRootArgs),
    Rpc(bench_rpc::BenchRpcArgs),
}

/// Runs the command.
pub fn run(args: &BenchArgs, out: &mut dyn Write) -> Result<Verdict, CliError> {
    match &args.other {
        Some(OtherBench::Root(args)) => return bench_root::run(args, out),
        Some(OtherBench::Rpc(args)) => return bench_rpc::run(args, out),
        None => {}
    }
    if cfg!(debug_assertions) {
        eprintln!("note: this build is not optimised (use --release), its figures say little");
    }
    if args.market.is_wanted() {
        return bench_market::run(&args.market, args.json, out);
    }
    let effort = Effort { case_time: Duration::from_millis(args.case_time), ..Effort::default() };
    let mut progress = Progress::new("cases");
    let mut count = 0;
    let mut show = |name: &str, ratio: f64| {
        count += 1;
        progress.show(count, &format!("{name} at {ratio:.2}"));
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
    let report = rialto_bench::run(&args.plan(effort), &mut show)?;
    progress.clear();
    if let Some(folder) = &args.charts {
        write_charts(folder, &report)?;
    }
    if args.markdown {
        out.write_all(report.markdown().as_bytes())?;
        return Ok(Verdict::Passed);
    }
    print(args.json, &report, out)
}

fn write_charts(folder: &Path, report: &Report) -> Result<(), CliError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| CliError::File { path, reason: error.to_string() }
    };
    fs::create_dir_all(folder).map_err(failed(folder))?;
    for (name, contents) in report.charts() {
        let path = folder.join(name);
        fs::write(&path, contents).map_err(failed(&path))?;
    }
    Ok(())
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
