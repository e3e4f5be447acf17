//! `rialto execute`: blocks on a state, the main job.
//!
//! Where the state comes from decides what can be computed. A genesis or an alloc is a whole state: blocks follow each
//! other on it and each has a state root. A witness has the root before and after one block. A folder of the kind
//! `block.json` and `pre_state.json` has a part of the state, so there is no root; before Byzantium, when receipts carried
//! state roots, there is no receipts root either, and gas, bloom and logs stand for it.

use crate::block_input::{
    BlockFolder, InputBlock, block_folders, files_with_extension, is_block_folder, read_block_hashes, read_blocks,
    read_folder, visit_archived_folders,
};
use crate::block_run::{RunError, difference, execute, known_receipts_root};
use crate::execution::Execution;
use crate::input::{self, Document};
use crate::linear_chain::LinearChain;
use crate::shared_state::SharedWitness;
use crate::strategy_args::CheckedStrategyArgs;
use crate::terminal::{Progress, Style};
use crate::{CliError, Verdict, fixtures};
use alloy_primitives::{B256, Bytes, keccak256};
use clap::Args;
use rialto_stf::json::{self, JsonCursor, JsonError};
use rialto_stf::{BlockError, ChainSpec, Genesis, Header};
use rialto_trie::WitnessState;
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Execute blocks on a state and show gas, time, receipts root and state root of each.
///
/// A folder with block.json and pre_state.json (and block_hashes.json) is one block with the part of the state that it
/// touches; a folder of such folders, or a .tar.zst of them, is many. A folder with genesis.json is a chain, with its
/// blocks in chain.rlp, *.rlp or *.json. Files are blocks: RLP (many blocks may follow each other) or JSON; they need
/// --genesis, --alloc or --witness.
#[derive(Debug, Args)]
pub struct ExecuteArgs {
    /// Folders or files, executed in order
    #[arg(required = true, value_name = "DIR|FILE")]
    inputs: Vec<PathBuf>,
    /// Compare with the headers; name what differs; exit code 1 if anything does
    #[arg(long)]
    check: bool,
    /// One JSON object a block: block, transactions, gas_used, receipts_root, state_root, matches, nanoseconds
    #[arg(long)]
    json: bool,
    /// State and rules before the first block, as geth's genesis.json
    #[arg(long, value_name = "FILE", conflicts_with_all = ["alloc", "witness", "chain"])]
    genesis: Option<PathBuf>,
    /// Whole state before the first block, as a JSON alloc
    #[arg(long, value_name = "FILE", conflicts_with = "witness")]
    alloc: Option<PathBuf>,
    /// Witness (state, codes, headers) of the block
    #[arg(long, value_name = "FILE")]
    witness: Option<PathBuf>,
    /// Hashes of earlier blocks by number, for BLOCKHASH on an alloc
    #[arg(long, value_name = "FILE", requires = "alloc")]
    block_hashes: Option<PathBuf>,
    #[command(flatten)]
    chain: ChainArgs,
    #[command(flatten)]
    strategy: CheckedStrategyArgs,
}

/// Which chain's rules hold, where no genesis says so.
#[derive(Debug, Args)]
pub struct ChainArgs {
    /// Rules: mainnet, a fork, or a transition as CancunToPragueAtTime15k
    #[arg(long, value_name = "NAME", default_value = "mainnet")]
    chain: String,
    /// Chain id, where the rules are not the main network's
    #[arg(long, value_name = "N", default_value_t = 1)]
    chain_id: u64,
}

impl ChainArgs {
    /// The chain.
    pub fn spec(&self) -> Result<ChainSpec, CliError> {
        if self.chain.eq_ignore_ascii_case("mainnet") {
            return Ok(ChainSpec::mainnet());
        }
        ChainSpec::from_network(&self.chain, self.chain_id).ok_or_else(|| {
            let expected = format!("mainnet, one of {}, or a transition", input::fork_names().join(", "));
            CliError::argument("--chain", &self.chain, expected)
        })
    }
}

/// Runs the command.
pub fn run(args: &ExecuteArgs, out: &mut dyn Write) -> Result<Verdict, CliError> {
    fixtures::check_paths(&args.inputs)?;
    let checks = args.check || args.strategy.is_all();
    let mut printer = Printer {
        out,
        execution: args.strategy.execution(),
        as_json: args.json,
        checks,
        style: Style::of_stdout(),
        progress: Progress::new("blocks"),
        all_match: true,
        count: 0,
    };
    if let Some(path) = &args.genesis {
        run_files(chain_of_genesis(path)?, &args.inputs, &mut printer)?;
    } else if let Some(path) = &args.alloc {
        let spec = args.chain.spec()?;
        let state = json::memory_state(&Document::read(path)?.decode(json::alloc)?);
        let hashes = args.block_hashes.as_deref().map(read_block_hashes).transpose()?.unwrap_or_default();
        let chain = LinearChain::of_state(spec, state, hashes).map_err(|error| CliError::Trie { number: 0, error })?;
        run_files(chain, &args.inputs, &mut printer)?;
    } else if let Some(path) = &args.witness {
        run_witness(&args.chain.spec()?, path, &args.inputs, &mut printer)?;
    } else {
        for path in &args.inputs {
            run_folder(&args.chain, path, &mut printer)?;
        }
    }
    printer.progress.clear();
    Ok(Verdict::of(!checks || printer.all_match))
}

/// The chain of a `genesis.json`.
pub fn chain_of_genesis(path: &Path) -> Result<LinearChain, CliError> {
    let document = Document::read(path)?;
    let genesis = Genesis::from_json(&document.root()).map_err(|error| CliError::file(path, error))?;
    LinearChain::of_genesis(&genesis).map_err(|error| CliError::Trie { number: genesis.header.number, error })
}

/// Executes the blocks of files one after the other. A block that is not valid ends the run.
fn run_files(chain: LinearChain, paths: &[PathBuf], printer: &mut Printer<'_>) -> Result<(), CliError> {
    let mut chain = chain.run_by(&printer.execution);
    for path in paths {
        if path.is_dir() {
            return Err(CliError::file(path, "expected a file of blocks, since the state is given; found a folder"));
        }
        for input in read_blocks(path, chain.spec())? {
            if chain.is_genesis(&input.block) {
                continue;
            }
            let (number, transactions) = (input.block.header.number, input.block.transactions.len());
            let row = match chain.execute(&input) {
                Ok(executed) => {
                    let outcome = &executed.outcome;
                    let root = Some(executed.state_root);
                    let row = Row {
                        number,
                        transactions,
                        gas_used: outcome.gas_used,
                        receipts_root: known_receipts_root(outcome),
                        state_root: root,
                        nanoseconds: executed.nanoseconds,
                        difference: difference(&input.block.header, outcome, root, input.receipts.as_deref()),
                    };
                    chain.append(input.block, executed);
                    row
                }
                Err(error) => return printer.invalid(number, transactions, error),
            };
            printer.row(row)?;
        }
    }
    Ok(())
}

fn run_folder(chain: &ChainArgs, path: &Path, printer: &mut Printer<'_>) -> Result<(), CliError> {
    if is_block_folder(path) {
        let spec = chain.spec()?;
        return run_partial(&spec, &read_folder(path, &spec)?, printer);
    }
    if fixtures::is_archive(path) {
        let spec = chain.spec()?;
        return visit_archived_folders(path, &spec, &mut |folder| run_partial(&spec, &folder, printer));
    }
    let genesis = path.join("genesis.json");
    if genesis.is_file() {
        return run_files(chain_of_genesis(&genesis)?, &chain_files(path)?, printer);
    }
    if !path.is_dir() {
        return Err(CliError::file(path, "expected --genesis, --alloc or --witness with a file of blocks, found none"));
    }
    let folders = block_folders(path)?;
    if folders.is_empty() {
        return Err(CliError::file(path, "expected block.json, genesis.json, or folders with block.json; found none"));
    }
    let spec = chain.spec()?;
    folders.iter().try_for_each(|folder| run_partial(&spec, &read_folder(folder, &spec)?, printer))
}

/// The files with the blocks of a chain, beside its genesis.
pub fn chain_files(folder: &Path) -> Result<Vec<PathBuf>, CliError> {
    let chain = folder.join("chain.rlp");
    if chain.is_file() {
        return Ok(vec![chain]);
    }
    let files = files_with_extension(folder, "rlp")?;
    if !files.is_empty() {
        return Ok(files);
    }
    let mut files = files_with_extension(folder, "json")?;
    files.retain(|path| path.file_name().is_some_and(|name| name != "genesis.json"));
    Ok(files)
}

/// Executes a block on the part of the state that came with it.
fn run_partial(chain: &ChainSpec, folder: &BlockFolder, printer: &mut Printer<'_>) -> Result<(), CliError> {
    let input = &folder.input;
    let (number, transactions) = (input.block.header.number, input.block.transactions.len());
    match execute(&printer.execution, chain, input, &folder.state, None) {
        Ok(timed) => {
            let outcome = &timed.outcome;
            printer.row(Row {
                number,
                transactions,
                gas_used: outcome.gas_used,
                receipts_root: known_receipts_root(outcome),
                state_root: None,
                nanoseconds: timed.nanoseconds,
                difference: difference(&input.block.header, outcome, None, input.receipts.as_deref()),
            })
        }
        Err(error) => printer.invalid(number, transactions, error),
    }
}

/// Executes one block on a witness.
fn run_witness(chain: &ChainSpec, path: &Path, inputs: &[PathBuf], printer: &mut Printer<'_>) -> Result<(), CliError> {
    let [file] = inputs else {
        let found = format!("{} files", inputs.len());
        return Err(CliError::argument("--witness", found, "one file with one block"));
    };
    let blocks = read_blocks(file, chain)?;
    let [input] = blocks.as_slice() else {
        let found = format!("{} blocks in {}", blocks.len(), file.display());
        return Err(CliError::argument("--witness", found, "one file with one block"));
    };
    let (header, state) = read_witness(path, input)?;
    let (number, transactions) = (input.block.header.number, input.block.transactions.len());
    let checked = rialto_stf::validate_header(chain, &input.block.header, &header).map_err(RunError::Block);
    let timed = match checked.and_then(|()| execute(&printer.execution, chain, input, &state, None)) {
        Ok(timed) => timed,
        Err(error) => return printer.invalid(number, transactions, error),
    };
    let outcome = &timed.outcome;
    let root = Some(state.apply(&outcome.diff).map_err(|error| CliError::Trie { number, error })?);
    printer.row(Row {
        number,
        transactions,
        gas_used: outcome.gas_used,
        receipts_root: known_receipts_root(outcome),
        state_root: root,
        nanoseconds: timed.nanoseconds,
        difference: difference(&input.block.header, outcome, root, input.receipts.as_deref()),
    })
}

/// The parent's header and the state after it, from a file with `state`, `codes` and `headers`.
fn read_witness(path: &Path, input: &InputBlock) -> Result<(Header, SharedWitness), CliError> {
    let document = Document::read(path)?;
    let list = |cursor: &JsonCursor<'_>, name: &'static str| -> Result<Vec<Bytes>, JsonError> {
        cursor.field(name)?.items()?.map(|item| item.bytes()).collect()
    };
    let [state, codes, headers] = document.decode(|cursor| {
        let root = cursor.optional("executionWitness")?.unwrap_or_else(|| cursor.clone());
        Ok([list(&root, "state")?, list(&root, "codes")?, list(&root, "headers")?])
    })?;
    let mut hashes = Vec::new();
    let mut parent = None;
    for (index, rlp) in headers.iter().enumerate() {
        let header = Header::decode(rlp)
            .map_err(|error| CliError::Rlp { file: format!("{}: headers[{index}]", path.display()), error })?;
        let hash = keccak256(rlp);
        hashes.push((header.number, hash));
        if hash == input.block.header.parent_hash {
            parent = Some(header);
        }
    }
    let parent = parent.ok_or_else(|| CliError::Field {
        file: path.display().to_string(),
        field: "headers".to_string(),
        expected: format!("the parent's, with the hash {}", input.block.header.parent_hash),
        found: format!("{} others", headers.len()),
    })?;
    let state = SharedWitness::new(WitnessState::new(parent.state_root, state, codes, hashes));
    Ok((parent, state))
}

/// What is shown of a block.
struct Row {
    number: u64,
    transactions: usize,
    gas_used: u64,
    receipts_root: Option<B256>,
    state_root: Option<B256>,
    nanoseconds: u64,
    difference: Option<String>,
}

/// Shows blocks as they are done.
struct Printer<'a> {
    out: &'a mut dyn Write,
    execution: Execution,
    as_json: bool,
    checks: bool,
    style: Style,
    progress: Progress,
    all_match: bool,
    count: u64,
}

impl Printer<'_> {
    fn row(&mut self, row: Row) -> Result<(), CliError> {
        self.all_match &= row.difference.is_none();
        self.count += 1;
        self.progress.clear();
        if self.as_json {
            let mut object = json!({
                "block": row.number,
                "transactions": row.transactions,
                "gas_used": row.gas_used,
                "receipts_root": row.receipts_root,
                "state_root": row.state_root,
                "matches": row.difference.is_none(),
                "nanoseconds": row.nanoseconds,
            });
            if let Some(difference) = &row.difference {
                object["difference"] = difference.as_str().into();
            }
            writeln!(self.out, "{object}")?;
        } else {
            self.line(&row)?;
        }
        self.progress.show(self.count, &format!("last is {}", row.number));
        Ok(())
    }

    fn line(&mut self, row: &Row) -> Result<(), CliError> {
        let milliseconds = row.nanoseconds as f64 / 1e6;
        let mgas_per_second = row.gas_used as f64 * 1e3 / row.nanoseconds.max(1) as f64;
        let unknown = |reason: &str| format!("unknown ({reason})");
        let receipts_root = row.receipts_root.map(|root| root.to_string());
        let receipts_root = receipts_root.unwrap_or_else(|| unknown("receipts have state roots"));
        let state_root = row.state_root.map(|root| root.to_string());
        let state_root = state_root.unwrap_or_else(|| unknown("partial state"));
        write!(
            self.out,
            "block {}: {} transactions, {} gas, {milliseconds:.3} ms, {mgas_per_second:.1} Mgas/s, \
             receipts root {receipts_root}, state root {state_root}",
            row.number, row.transactions, row.gas_used
        )?;
        if self.checks {
            match (&row.difference, row.receipts_root) {
                (Some(difference), _) => write!(self.out, ", {}: {difference}", self.style.failure("DIFFERS"))?,
                (None, Some(_)) => write!(self.out, ", {}", self.style.success("ok"))?,
                (None, None) => write!(self.out, ", {} (gas and bloom)", self.style.success("ok"))?,
            }
        }
        writeln!(self.out)?;
        Ok(())
    }

    /// Shows a block that is not valid. State that can't be read says nothing about the block and ends the command.
    fn invalid(&mut self, number: u64, transactions: usize, error: RunError) -> Result<(), CliError> {
        if matches!(error, RunError::Block(BlockError::Read(_) | BlockError::PostStateRoot(_))) {
            return Err(CliError::Run { number, error: Box::new(error) });
        }
        self.progress.clear();
        self.all_match = false;
        if self.as_json {
            let object = json!({
                "block": number,
                "transactions": transactions,
                "gas_used": null,
                "receipts_root": null,
                "state_root": null,
                "matches": false,
                "nanoseconds": null,
                "difference": error.to_string(),
            });
            writeln!(self.out, "{object}")?;
        } else {
            let verdict = if matches!(error, RunError::Strategies(_)) { "DIFFERS" } else { "INVALID" };
            writeln!(self.out, "block {number}: {}: {error}", self.style.failure(verdict))?;
        }
        if !self.checks {
            return Err(CliError::Run { number, error: Box::new(error) });
        }
        Ok(())
    }
}
