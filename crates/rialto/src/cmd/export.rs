//! `rialto export`: writes canonical blocks to a file, in the form that `rialto import` reads.

use crate::CliError;
use crate::node_args::node_config;
use crate::terminal::Progress;
use clap::Args;
use rialto_node::{BlockId, Node};
use rialto_store::StoreOptions;
use serde_json::json;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Write the blocks of a chain to a file (RLP, one after the other)
#[derive(Args, Debug)]
pub struct ExportArgs {
    /// Folder of the database
    #[arg(long, env = "RIALTO_DATADIR", value_name = "FOLDER")]
    datadir: PathBuf,
    /// Print an object instead of a line
    #[arg(long)]
    json: bool,
    /// File to write; - for standard output
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// First block
    #[arg(default_value = "1")]
    first: u64,
    /// Last block; the head if left out
    last: Option<u64>,
}

/// Runs the command.
pub fn run(args: &ExportArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let node = Node::open(node_config(Some(&args.datadir), StoreOptions::default()))
        .map_err(|error| CliError::file(&args.datadir, error))?;
    let head = node.view()?.head().block.header.number;
    let last = args.last.unwrap_or(head);
    if last > head {
        return Err(CliError::argument("last", last, format!("at most {head}, the head's number")));
    }
    if args.first > last.saturating_add(1) {
        return Err(CliError::argument("first", args.first, format!("at most {}", last.saturating_add(1))));
    }
    if args.file == Path::new("-") {
        let bytes = export(&node, args.first, last, out, &args.file)?;
        tracing::info!(bytes, "exported");
        return Ok(());
    }
    let file = File::create(&args.file).map_err(|error| CliError::file(&args.file, error))?;
    let mut writer = BufWriter::with_capacity(1 << 20, file);
    let bytes = export(&node, args.first, last, &mut writer, &args.file)?;
    let file = writer.into_inner().map_err(|error| CliError::file(&args.file, error.into_error()))?;
    file.sync_all().map_err(|error| CliError::file(&args.file, error))?;
    let blocks = (last + 1).saturating_sub(args.first);
    if args.json {
        let object = json!({ "blocks": blocks, "first": args.first, "last": last, "bytes": bytes });
        writeln!(out, "{object}")?;
    } else {
        writeln!(out, "{blocks} blocks, {bytes} bytes, last is block {last}")?;
    }
    Ok(())
}

/// Writes the blocks and returns how many bytes that were.
fn export(node: &Node, first: u64, last: u64, writer: &mut dyn Write, path: &Path) -> Result<u64, CliError> {
    let view = node.view()?;
    let mut progress = Progress::new("blocks");
    let mut bytes = 0;
    for number in first..=last {
        let block = view.block(BlockId::Number(number))?;
        let block = block.ok_or_else(|| CliError::file(path, format!("block {number} is not in the database")))?;
        let encoded = block.block.encode();
        writer.write_all(&encoded).map_err(|error| CliError::file(path, error))?;
        bytes += encoded.len() as u64;
        progress.show(number - first + 1, &format!("{bytes} bytes"));
    }
    progress.clear();
    Ok(bytes)
}
