//! The command line: its arguments, and how a command's end becomes an exit code.

use crate::cmd::{
    bench, blocktest, completions, db, dev, disasm, execute, export, import, init, market, node, statetest, t8n, trace,
};
use crate::{CliError, Verdict, settings};
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::io::{BufWriter, Write};

/// Exit code of bad usage or input that can't be read.
const EXIT_BAD_INPUT: u8 = 2;

/// Rialto, an Ethereum execution layer.
#[derive(Debug, Parser)]
#[command(
    name = "rialto",
    version,
    about = "Run an Ethereum node, execute blocks, run conformance vectors, trace, disassemble and benchmark",
    after_help = "Exit codes: 0 all is well, 1 a check failed, 2 bad usage or input. (t8n has those of geth's evm.)",
    max_term_width = 100,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Dev(dev::DevArgs),
    Node(Box<node::NodeArgs>),
    Init(init::InitArgs),
    Import(import::ImportArgs),
    Export(export::ExportArgs),
    Execute(execute::ExecuteArgs),
    Statetest(statetest::StatetestArgs),
    Blocktest(blocktest::BlocktestArgs),
    Trace(trace::TraceArgs),
    T8n(t8n::T8nArgs),
    Disasm(disasm::DisasmArgs),
    Market(market::MarketArgs),
    Bench(bench::BenchArgs),
    Db(db::DbArgs),
    Completions(completions::CompletionsArgs),
}

/// Transactions of one account that wait in dev mode, where one account sends all.
const DEV_ACCOUNT_SLOTS: &str = "10000";

/// Why the arguments are no command.
enum ArgumentsError {
    /// They mean nothing, or ask for help.
    Usage(clap::Error),
    /// The file of settings is wrong.
    Settings(CliError),
}

/// All commands with their arguments.
pub fn command() -> clap::Command {
    let slots = |argument: clap::Arg| argument.default_value(DEV_ACCOUNT_SLOTS);
    Cli::command().mut_subcommand("dev", |dev| dev.mut_arg("max_per_account", slots))
}

/// Reads the arguments, and the file of settings if they name one.
fn parse(arguments: &[OsString]) -> Result<Cli, ArgumentsError> {
    let mut matches = command().try_get_matches_from(arguments).map_err(ArgumentsError::Usage)?;
    let settings_file = |(name, matches): (&str, &ArgMatches)| {
        let file = matches.try_get_one::<std::path::PathBuf>("config").ok().flatten()?;
        Some((name.to_string(), file.clone()))
    };
    if let Some((name, file)) = matches.subcommand().and_then(settings_file) {
        let command = settings::with_file(command(), &name, &file).map_err(ArgumentsError::Settings)?;
        matches = command.try_get_matches_from(arguments).map_err(ArgumentsError::Usage)?;
    }
    Cli::from_arg_matches(&matches).map_err(ArgumentsError::Usage)
}

/// Runs the command that the process was started with and returns the exit code.
pub fn run() -> u8 {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match parse(&arguments) {
        Ok(cli) => cli,
        Err(ArgumentsError::Usage(error)) => {
            // Help and version are no errors; clap knows where each goes.
            let code = if error.use_stderr() { EXIT_BAD_INPUT } else { 0 };
            let _ = error.print();
            return code;
        }
        Err(ArgumentsError::Settings(error)) => {
            eprintln!("error: {error}");
            return EXIT_BAD_INPUT;
        }
    };
    let mut out = BufWriter::new(std::io::stdout());
    let result = cli.command.run(&mut out).and_then(|verdict| {
        out.flush()?;
        Ok(verdict)
    });
    match result {
        Ok(verdict) => verdict.exit_code(),
        Err(error) if error.is_broken_pipe() => 0,
        Err(error) => {
            let _ = out.flush();
            eprintln!("error: {error}");
            EXIT_BAD_INPUT
        }
    }
}

impl Command {
    fn run(&self, out: &mut dyn Write) -> Result<Verdict, CliError> {
        match self {
            Self::Dev(args) => dev::run(args, out).map(|()| Verdict::Passed),
            Self::Node(args) => node::run(args, out).map(|()| Verdict::Passed),
            Self::Init(args) => init::run(args, out).map(|()| Verdict::Passed),
            Self::Import(args) => import::run(args, out),
            Self::Export(args) => export::run(args, out).map(|()| Verdict::Passed),
            Self::Execute(args) => execute::run(args, out),
            Self::Statetest(args) => statetest::run(args, out),
            Self::Blocktest(args) => blocktest::run(args, out),
            Self::Trace(args) => trace::run(args, out),
            Self::T8n(args) => t8n::run(args, out),
            Self::Disasm(args) => disasm::run(args, out).map(|()| Verdict::Passed),
            Self::Market(args) => market::run(args, out),
            Self::Bench(args) => bench::run(args, out),
            Self::Db(args) => db::run(args, out),
            Self::Completions(args) => completions::run(args, out).map(|()| Verdict::Passed),
        }
    }
}
