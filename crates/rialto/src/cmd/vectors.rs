//! What `rialto statetest` and `rialto blocktest` have in common: arguments, output and the last line.

use crate::strategy_args::CheckedStrategyArgs;
use crate::terminal::{Progress, Style};
use crate::vectors::{FileReport, RunTest, Totals, VectorOptions, run, run_traced};
use crate::{CliError, Verdict, pool};
use clap::Args;
use std::io::Write;
use std::path::PathBuf;

/// Arguments of the vector runners.
#[derive(Debug, Args)]
pub struct VectorArgs {
    /// JSON files, folders (searched recursively) and .tar.zst archives (read without unpacking)
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// One JSON object a case: file, name, fork, pass, gas_used, state_root, logs_hash, error
    #[arg(long)]
    json: bool,
    /// Only cases with this in the test's or the file's name
    #[arg(long, value_name = "SUBSTRING")]
    filter: Option<String>,
    /// Only cases of this fork or network, for instance Osaka or CancunToPragueAtTime15k
    #[arg(long, value_name = "NAME")]
    fork: Option<String>,
    /// Trace every opcode to standard error as EIP-3155 lines, on one core
    #[arg(long)]
    trace: bool,
    /// Cases to run at once; as many as there are cores if left out
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    #[command(flatten)]
    strategy: CheckedStrategyArgs,
}

/// Runs the vectors and prints how they went.
pub fn run_all(args: &VectorArgs, run_test: RunTest, out: &mut dyn Write) -> Result<Verdict, CliError> {
    let options = VectorOptions {
        filter: args.filter.clone(),
        fork: args.fork.clone(),
        execution: args.strategy.execution_of_vectors(),
    };
    let style = Style::of_stdout();
    let mut progress = if args.trace { Progress::none() } else { Progress::new("cases") };
    let mut seen = Totals::default();
    let mut consume = |report: FileReport| {
        let failed = report.cases.iter().filter(|case| case.error.is_some()).count() as u64;
        seen.failed += failed;
        seen.passed += report.cases.len() as u64 - failed;
        if report.is_left_out || args.json || failed > 0 {
            progress.clear();
        }
        print_file(&report, args.json, style, out)?;
        progress.show(seen.passed + seen.failed, &format!("{} failed", seen.failed));
        Ok(())
    };
    let totals = if args.trace {
        let mut trace = std::io::BufWriter::new(std::io::stderr());
        run_traced(&args.paths, &options, run_test, &mut trace, &mut consume)?
    } else {
        let workers = args.jobs.map_or_else(pool::available_workers, usize::from);
        run(&args.paths, &options, run_test, workers, &mut consume)?
    };
    progress.clear();
    out.flush()?;
    if totals.passed + totals.failed == 0 {
        let paths: Vec<String> = args.paths.iter().map(|path| path.display().to_string()).collect();
        eprintln!("error: {}: expected at least one case that is selected, found none", paths.join(", "));
    }
    writeln!(out, "{} passed, {} failed", totals.passed, totals.failed)?;
    Ok(Verdict::of(totals.failed == 0 && totals.passed > 0))
}

fn print_file(report: &FileReport, as_json: bool, style: Style, out: &mut dyn Write) -> Result<(), CliError> {
    if report.is_left_out {
        eprintln!("left out: {}: a Git LFS pointer, the vector itself is kept elsewhere", report.file);
    }
    for case in &report.cases {
        if as_json {
            writeln!(out, "{}", case.to_json(&report.file))?;
        } else if let Some(error) = &case.error {
            writeln!(out, "{} {}: {error}", style.failure("FAIL"), case.title(&report.file))?;
        }
    }
    Ok(())
}
