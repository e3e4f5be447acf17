//! `rialto blocktest`: runs blockchain tests.

use crate::cmd::vectors::{VectorArgs, run_all};
use crate::{CliError, Verdict, block_test};
use clap::Args;
use std::io::Write;

/// Run blockchain tests: blocks in RLP, imported on a genesis state.
///
/// Every header field, the receipts, the access list, the post-state and the last block must be as stated; a block that
/// must be rejected must be so for the reason that the test names. Where a test has execution witnesses, its blocks run
/// a second time from the witness alone. The last line is `N passed, N failed`; the exit code is 1 if a case failed or
/// none was found.
#[derive(Debug, Args)]
pub struct BlocktestArgs {
    #[command(flatten)]
    vectors: VectorArgs,
    /// Run every test through a node, too, with its database on the disk: since the merge as a consensus client's requests
    #[arg(long)]
    node: bool,
}

/// Runs the command.
pub fn run(args: &BlocktestArgs, out: &mut dyn Write) -> Result<Verdict, CliError> {
    let run_test = if args.node { block_test::run_test_through_node } else { block_test::run_test };
    run_all(&args.vectors, run_test, out)
}
