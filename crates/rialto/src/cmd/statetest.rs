//! `rialto statetest`: runs state tests.

use crate::cmd::vectors::{VectorArgs, run_all};
use crate::{CliError, Verdict, state_test};
use clap::Args;
use std::io::Write;

/// Run state tests: one transaction on a state, under each fork that the test names.
///
/// The state root and the hash of the logs must be as stated; a transaction that must be rejected must be so for the
/// reason that the test names. The last line is `N passed, N failed`; the exit code is 1 if a case failed or none was
/// found.
#[derive(Debug, Args)]
pub struct StatetestArgs {
    #[command(flatten)]
    vectors: VectorArgs,
}

/// Runs the command.
pub fn run(args: &StatetestArgs, out: &mut dyn Write) -> Result<Verdict, CliError> {
    run_all(&args.vectors, state_test::run_test, out)
}
