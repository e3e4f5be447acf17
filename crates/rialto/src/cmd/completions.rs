//! `rialto completions`: scripts that teach a shell the command's arguments.

use crate::CliError;
use clap::Args;
use clap_complete::Shell;
use std::io::Write;

/// Print a completion script for a shell, to be sourced or put where the shell looks for them.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Runs the command.
pub fn run(args: &CompletionsArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::cli::command(), "rialto", &mut script);
    out.write_all(&script)?;
    Ok(())
}
