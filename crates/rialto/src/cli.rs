//! The command line: its arguments, and how a command's end becomes an exit code.

use crate::cmd::{bench, blocktest, completions, disasm, execute, statetest, t8n, trace};
use crate::{CliError, Verdict};
use clap::{Parser, Subcommand};
use std::io::{BufWriter, Write};

/// Exit code of bad usage or input that can't be read.
const EXIT_BAD_INPUT: u8 = 2;

/// Rialto's Ethereum execution engine.
#[derive(Debug, Parser)]
#[command(
    name = "rialto",
    version,
    about = "Execute Ethereum blocks, run conformance vectors, trace, disassemble and benchmark",
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
    Execute(execute::ExecuteArgs),
    Statetest(statetest::StatetestArgs),
    Blocktest(blocktest::BlocktestArgs),
    Trace(trace::TraceArgs),
    T8n(t8n::T8nArgs),
    Disasm(disasm::DisasmArgs),
    Bench(bench::BenchArgs),
    Completions(completions::CompletionsArgs),
}

/// Runs the command that the process was started with and returns the exit code.
pub fn run() -> u8 {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors; clap knows where each goes.
            let code = if error.use_stderr() { EXIT_BAD_INPUT } else { 0 };
            let _ = error.print();
            return code;
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
            Self::Execute(args) => execute::run(args, out),
            Self::Statetest(args) => statetest::run(args, out),
            Self::Blocktest(args) => blocktest::run(args, out),
            Self::Trace(args) => trace::run(args, out),
            Self::T8n(args) => t8n::run(args, out),
            Self::Disasm(args) => disasm::run(args, out).map(|()| Verdict::Passed),
            Self::Bench(args) => bench::run(args, out),
            Self::Completions(args) => completions::run(args, out).map(|()| Verdict::Passed),
        }
    }
}
