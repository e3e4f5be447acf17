//! `rialto db`: what lies in a data directory, whether it is right, and a state out of it. The node must not run meanwhile: the
//! data directory is locked.

use crate::terminal::{Progress, Style};
use crate::{CliError, Verdict};
use alloy_primitives::{B256, U256, hex, keccak256};
use clap::{Args, Subcommand};
use rialto_state::{Account, Code};
use rialto_stf::Header;
use rialto_store::{Snapshot, Store, StoreOptions, StoreStats, VerifyOptions, VerifyReport};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::PathBuf;

/// Look into the database of a node that does not run
#[derive(Debug, Args)]
pub struct DbArgs {
    #[command(subcommand)]
    command: DbCommand,
}

#[derive(Debug, Subcommand)]
enum DbCommand {
    /// Count what lies in the database, table by table
    Stats(DatabaseArgs),
    /// Compute all roots again and check that the database is whole; exit code 1 if it is not
    Verify(DatabaseArgs),
    /// Write a whole state as JSON, as the `alloc` of a genesis.json
    ExportState(ExportStateArgs),
}

#[derive(Debug, Args)]
struct DatabaseArgs {
    /// Folder of the database
    #[arg(long, env = "RIALTO_DATADIR", value_name = "FOLDER")]
    datadir: PathBuf,
    /// One JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ExportStateArgs {
    /// Folder of the database
    #[arg(long, env = "RIALTO_DATADIR", value_name = "FOLDER")]
    datadir: PathBuf,
    /// The state after this block; by default the last one
    #[arg(long, value_name = "NUMBER")]
    block: Option<u64>,
    /// One JSON object an account and line, with its address
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &DbArgs, out: &mut dyn Write) -> Result<Verdict, CliError> {
    match &args.command {
        DbCommand::Stats(args) => stats(args, out).map(|()| Verdict::Passed),
        DbCommand::Verify(args) => verify(args, out),
        DbCommand::ExportState(args) => export_state(args, out).map(|()| Verdict::Passed),
    }
}

/// Opens the database, but makes none.
fn open(datadir: &std::path::Path, is_checked: bool) -> Result<Store, CliError> {
    if !Store::is_in(datadir) {
        return Err(CliError::file(datadir, "expected a data directory with a database, found none"));
    }
    let options = StoreOptions::default();
    let store = if is_checked { Store::open_checked(datadir, options) } else { Store::open(datadir, options) };
    store.map_err(|error| CliError::file(datadir, error))
}

// Stats.

fn stats(args: &DatabaseArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let stats = open(&args.datadir, false)?.stats().map_err(|error| CliError::file(&args.datadir, error))?;
    if args.json {
        writeln!(out, "{}", stats_json(&stats))?;
        return Ok(());
    }
    writeln!(out, "head          {} {}", stats.head.0, stats.head.1)?;
    writeln!(out, "safe          {}", stats.safe)?;
    writeln!(out, "finalized     {}", stats.finalized)?;
    writeln!(out, "oldest state  {}", stats.oldest_state)?;
    writeln!(out, "schema        {}", stats.schema)?;
    writeln!(out, "file          {} bytes", stats.file_bytes.unwrap_or_default())?;
    writeln!(out, "\n{:<22} {:>12} {:>14} {:>12} {:>12}", "table", "entries", "stored, B", "tree, B", "unused, B")?;
    for table in &stats.tables {
        writeln!(
            out,
            "{:<22} {:>12} {:>14} {:>12} {:>12}",
            table.name, table.entries, table.stored_bytes, table.metadata_bytes, table.fragmented_bytes
        )?;
    }
    Ok(())
}

fn stats_json(stats: &StoreStats) -> Value {
    let tables: Map<String, Value> = stats
        .tables
        .iter()
        .map(|table| {
            let figures = json!({
                "entries": table.entries,
                "stored_bytes": table.stored_bytes,
                "metadata_bytes": table.metadata_bytes,
                "fragmented_bytes": table.fragmented_bytes,
            });
            (table.name.to_string(), figures)
        })
        .collect();
    json!({
        "schema": stats.schema,
        "head": { "number": stats.head.0, "hash": stats.head.1.to_string() },
        "safe": stats.safe.to_string(),
        "finalized": stats.finalized.to_string(),
        "oldest_state": stats.oldest_state,
        "file_bytes": stats.file_bytes,
        "tables": tables,
    })
}

// Verify.

fn verify(args: &DatabaseArgs, out: &mut dyn Write) -> Result<Verdict, CliError> {
    let failure = |error| CliError::file(&args.datadir, error);
    let store = open(&args.datadir, true)?;
    let snapshot = store.snapshot().map_err(failure)?;
    let head = head_header(&snapshot).map_err(|reason| CliError::file(&args.datadir, reason))?;
    let options = VerifyOptions { state_root: head.state_root, scratch: &args.datadir, check_header: &check_header };
    let mut progress = Progress::new("checked");
    let report = snapshot.verify(&options, &mut |pass, count| progress.show(count, pass));
    progress.clear();
    if args.json {
        writeln!(out, "{}", report_json(&report, &snapshot))?;
    } else {
        print_report(&report, &snapshot, out)?;
    }
    Ok(Verdict::of(report.is_clean()))
}

fn head_header(snapshot: &Snapshot) -> Result<Header, String> {
    let (number, hash) = snapshot.head();
    let header = snapshot.header(&hash).map_err(|error| error.to_string())?;
    let header = header.ok_or_else(|| format!("head {number} {hash}: expected its header, found none"))?;
    Header::decode(&header).map_err(|error| format!("head {number} {hash}: {error}"))
}

fn check_header(number: u64, hash: &B256, header: &[u8]) -> Result<(), String> {
    let found = keccak256(header);
    if found != *hash {
        return Err(format!("expected hash {hash}, found {found}"));
    }
    let header = Header::decode(header).map_err(|error| error.to_string())?;
    if header.number != number {
        return Err(format!("number: expected {number}, found {}", header.number));
    }
    Ok(())
}

fn print_report(report: &VerifyReport, snapshot: &Snapshot, out: &mut dyn Write) -> Result<(), CliError> {
    let style = Style::of_stdout();
    let (number, hash) = snapshot.head();
    writeln!(out, "head             {number} {hash}")?;
    writeln!(out, "state root       {}", report.state_root)?;
    let counts = [
        ("accounts", report.accounts),
        ("slots", report.slots),
        ("trie nodes", report.nodes),
        ("blocks", report.blocks),
        ("transactions", report.transactions),
        ("history entries", report.history_entries),
    ];
    for (name, count) in counts {
        writeln!(out, "{name:<16} {count}")?;
    }
    for problem in &report.problems {
        writeln!(out, "{} {problem}", style.failure("wrong:"))?;
    }
    if report.is_clean() {
        writeln!(out, "{}", style.success("clean"))?;
    } else {
        writeln!(out, "{}", style.failure(&format!("{} problems", report.problem_count)))?;
    }
    Ok(())
}

fn report_json(report: &VerifyReport, snapshot: &Snapshot) -> Value {
    json!({
        "clean": report.is_clean(),
        "head": { "number": snapshot.head().0, "hash": snapshot.head().1.to_string() },
        "state_root": report.state_root.to_string(),
        "accounts": report.accounts,
        "slots": report.slots,
        "nodes": report.nodes,
        "blocks": report.blocks,
        "transactions": report.transactions,
        "history_entries": report.history_entries,
        "problem_count": report.problem_count,
        "problems": report.problems,
    })
}

// Export.

fn export_state(args: &ExportStateArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let failure = |error| CliError::file(&args.datadir, error);
    let store = open(&args.datadir, false)?;
    let snapshot = store.snapshot().map_err(failure)?;
    let state = snapshot.state_at(args.block.unwrap_or(snapshot.head().0)).map_err(failure)?;
    let mut progress = Progress::new("accounts");
    let (mut count, mut written) = (0, Ok(()));
    if !args.json {
        writeln!(out, "{{")?;
    }
    let walked = state.for_each_account(&mut |address, account, code, storage| {
        let separator = if count > 0 && !args.json { ",\n" } else { "" };
        let mut record = account_json(account, code, storage);
        written = if args.json {
            record.insert("address".into(), address.to_string().into());
            writeln!(out, "{}", Value::Object(record))
        } else {
            write!(out, "{separator}{:?}: {}", hex::encode_prefixed(address), Value::Object(record))
        };
        count += 1;
        progress.show(count, "written");
        written.is_ok()
    });
    progress.clear();
    written?;
    walked.map_err(failure)?;
    if !args.json {
        writeln!(out, "\n}}")?;
    }
    Ok(())
}

/// An account as the `alloc` of a genesis.json has it.
fn account_json(account: &Account, code: &Code, storage: &[(U256, U256)]) -> Map<String, Value> {
    let mut record = Map::new();
    record.insert("balance".into(), format!("{:#x}", account.balance).into());
    record.insert("nonce".into(), format!("{:#x}", account.nonce).into());
    if !code.is_empty() {
        record.insert("code".into(), hex::encode_prefixed(code.bytes()).into());
    }
    if !storage.is_empty() {
        let word = |word: &U256| B256::from(*word).to_string();
        let storage: Map<String, Value> =
            storage.iter().map(|(slot, value)| (word(slot), word(value).into())).collect();
        record.insert("storage".into(), storage.into());
    }
    record
}
