//! `rialto import`: executes the blocks of a file on the chain of a data directory.
//!
//! Blocks are read, executed and committed in batches, so that a file of any size needs bounded memory and the disk is
//! flushed once for many blocks. A block that is not valid ends the run: what was before it is kept, it is named, and the
//! exit code is 1.

use crate::chain_file::ChainFile;
use crate::cmd::chain_summary;
use crate::node_args::{DatabaseArgs, node_config};
use crate::strategy_args::StrategyArgs;
use crate::terminal::{Progress, Style};
use crate::{CliError, Verdict};
use alloy_primitives::B256;
use clap::Args;
use rialto_node::{ImportError, Node, NodeConfig};
use rialto_stf::Block;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

/// Most blocks that are read before they are executed.
const BATCH_BLOCKS: usize = 256;
/// Most bytes of blocks that are read before they are executed.
const BATCH_BYTES: u64 = 64 << 20;

/// Execute a file of blocks (RLP, one after the other) on the chain of a data directory
#[derive(Args, Debug)]
pub struct ImportArgs {
    /// Folder of the database
    #[arg(long, env = "RIALTO_DATADIR", value_name = "FOLDER")]
    datadir: PathBuf,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    strategy: StrategyArgs,
    /// Print an object instead of a line
    #[arg(long)]
    json: bool,
    /// File of blocks; - for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// A block that was not imported.
struct Rejected {
    number: u64,
    hash: B256,
    error: ImportError,
}

/// What was done.
#[derive(Default)]
struct Done {
    blocks: u64,
    transactions: u64,
    gas: u64,
}

/// Runs the command.
pub fn run(args: &ImportArgs, out: &mut dyn Write) -> Result<Verdict, CliError> {
    let mut file = ChainFile::open(&args.file)?;
    let config = NodeConfig {
        threads: args.strategy.threads(),
        tier: args.strategy.tier(),
        ..node_config(Some(&args.datadir), args.database.options())
    };
    let node = Node::open(config).map_err(|error| CliError::file(&args.datadir, error))?;
    let start = Instant::now();
    let mut done = Done::default();
    let result = import(&node, &mut file, &mut done);
    let seconds = start.elapsed().as_secs_f64();
    let (rejected, broken) = match result {
        Ok(rejected) => (rejected, None),
        Err(error) => (None, Some(error)),
    };
    if args.json {
        let mut object = chain_summary(&node)?;
        object["blocks"] = done.blocks.into();
        object["transactions"] = done.transactions.into();
        object["gas_used"] = done.gas.into();
        object["seconds"] = seconds.into();
        object["rejected"] = match &rejected {
            Some(bad) => json!({ "number": bad.number, "hash": bad.hash, "error": bad.error.to_string() }),
            None => serde_json::Value::Null,
        };
        writeln!(out, "{object}")?;
    } else {
        print(&node, &done, seconds, out)?;
    }
    if let Some(error) = broken {
        return Err(error);
    }
    if let Some(bad) = &rejected {
        let style = Style::of_stdout();
        eprintln!("error: {}: block {} {}: {}", args.file.display(), bad.number, bad.hash, bad.error);
        if !args.json {
            writeln!(out, "{}: block {} {}", style.failure("INVALID"), bad.number, bad.hash)?;
        }
    }
    Ok(Verdict::of(rejected.is_none()))
}

fn print(node: &Node, done: &Done, seconds: f64, out: &mut dyn Write) -> Result<(), CliError> {
    let view = node.view()?;
    let head = view.head();
    writeln!(
        out,
        "{} blocks, {} transactions, {} gas in {seconds:.2} s ({:.1} Mgas/s), head is block {} {}",
        done.blocks,
        done.transactions,
        done.gas,
        done.gas as f64 / 1e6 / seconds.max(1e-9),
        head.block.header.number,
        head.hash
    )?;
    Ok(())
}

/// Imports until the end of the file or the first block that is not valid. A file that is malformed gives an error after
/// all blocks before that place are imported.
fn import(node: &Node, file: &mut ChainFile, done: &mut Done) -> Result<Option<Rejected>, CliError> {
    let mut progress = Progress::new("blocks");
    loop {
        let (batch, end) = read_batch(file);
        let blocks = batch.len();
        if let Some(rejected) = import_batch(node, batch, done)? {
            return Ok(Some(rejected));
        }
        let percent = file.position.saturating_mul(100).checked_div(file.length);
        let note = percent.map_or_else(String::new, |percent| format!("{percent} % of the file, "));
        let number = node.view()?.head().block.header.number;
        progress.show(done.blocks, &format!("{note}head is block {number}"));
        match end {
            Some(Err(error)) => {
                progress.clear();
                return Err(error);
            }
            Some(Ok(())) => {
                progress.clear();
                return Ok(None);
            }
            None => debug_assert!(blocks > 0),
        }
    }
}

/// Blocks, and how the file ended if it did.
fn read_batch(file: &mut ChainFile) -> (Vec<Block>, Option<Result<(), CliError>>) {
    let mut batch = Vec::new();
    let start = file.position;
    while batch.len() < BATCH_BLOCKS && (batch.is_empty() || file.position - start < BATCH_BYTES) {
        match file.next_block() {
            Ok(Some(block)) => batch.push(block),
            Ok(None) => return (batch, Some(Ok(()))),
            Err(error) => return (batch, Some(Err(error))),
        }
    }
    (batch, None)
}

fn import_batch(node: &Node, batch: Vec<Block>, done: &mut Done) -> Result<Option<Rejected>, CliError> {
    let rows: Vec<(u64, B256, u64, u64)> = batch
        .iter()
        .map(|block| {
            let header = &block.header;
            (header.number, block.hash(), block.transactions.len() as u64, header.gas_used)
        })
        .collect();
    let result = node.import_run(batch);
    let count = result.as_ref().map_or_else(|error| error.index, |()| rows.len());
    for (_, _, transactions, gas) in &rows[..count.min(rows.len())] {
        done.blocks += 1;
        done.transactions += transactions;
        done.gas += gas;
    }
    match result {
        Ok(()) => Ok(None),
        // The database's failure says nothing about the block.
        Err(error) => match (error.error, rows.get(error.index)) {
            (ImportError::Node(error), _) => Err(error.into()),
            (error, Some((number, hash, ..))) => Ok(Some(Rejected { number: *number, hash: *hash, error })),
            (error, None) => Ok(Some(Rejected { number: 0, hash: B256::ZERO, error })),
        },
    }
}
