//! `rialto bench root`: the state root after one block, beside other ways to it.

use crate::terminal::Progress;
use crate::{CliError, Verdict};
use clap::Args;
use rialto_bench::{RootPlan, RootSize, run_root};
use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Compare ways to the state root after a block: our incremental root on one thread and several, from disk and from memory, and
/// a rebuild of everything with alloy-trie.
///
/// A state is made and written to a database on disk, a block that changes much of it is executed, and then all ways take turns.
/// All must give the same root. Takes a minute or two and 2 GiB of memory with the usual sizes; what is written is removed.
#[derive(Debug, Args)]
pub struct BenchRootArgs {
    /// Accounts in the state
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=50_000_000))]
    accounts: u32,
    /// Slots in the state
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=50_000_000))]
    slots: u32,
    /// Accounts that the block changes
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    touched_accounts: u32,
    /// Slots that the block changes
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    touched_slots: u32,
    /// Threads, beside one; by default the machine's cores
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    threads: Option<u16>,
    /// Rounds of each way
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// Another program that computes the root, such as that of checks/root-peer
    #[arg(long, value_name = "PROGRAM")]
    peer: Option<PathBuf>,
    /// Folder for the databases; by default the system's for temporary files
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// Only ways with this in their name, which is `BY from FROM`
    #[arg(long, value_name = "SUBSTRING")]
    filter: Option<String>,
    /// One JSON document with all figures
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &BenchRootArgs, out: &mut dyn Write) -> Result<Verdict, CliError> {
    if cfg!(debug_assertions) {
        eprintln!("note: this build is not optimised (use --release), its figures say little");
    }
    let usual = RootPlan::default();
    let plan = RootPlan {
        size: RootSize {
            accounts: args.accounts as usize,
            slots: args.slots as usize,
            touched_accounts: args.touched_accounts as usize,
            touched_slots: args.touched_slots as usize,
        },
        threads: args.threads.and_then(|threads| NonZeroUsize::new(threads.into())).unwrap_or(usual.threads),
        rounds: args.rounds.into(),
        folder: args.folder.clone(),
        peer: args.peer.clone(),
        filter: args.filter.clone(),
    };
    let mut progress = Progress::new("steps");
    let mut count = 0;
    let report = run_root(&plan, &mut |what| {
        count += 1;
        progress.show(count, what);
    })?;
    progress.clear();
    if args.json {
        let text = serde_json::to_string(&report).map_err(|error| CliError::Output(error.into()))?;
        writeln!(out, "{text}")?;
    } else {
        write!(out, "{report}")?;
    }
    Ok(Verdict::Passed)
}
