//! `rialto trace`: every opcode of one transaction, as EIP-3155 lines.
//!
//! A transaction in a block is run on the state that the ones before it left, which are executed first and untraced.

use crate::block_input::{InputBlock, is_block_folder, read_blocks, read_folder};
use crate::cmd::execute::{ChainArgs, chain_files, chain_of_genesis};
use crate::eip3155::{JsonTracer, Summary, TraceOptions};
use crate::input::Document;
use crate::overlay::Overlay;
use crate::state_test::{self, Case};
use crate::vectors::VectorOptions;
use crate::{CliError, Verdict, fixtures};
use clap::Args;
use rialto_state::StateReader;
use rialto_stf::json::{JsonCursor, JsonError};
use rialto_stf::{BlockError, BlockExecutor, ChainSpec, TxError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Trace a transaction: a JSON object an opcode (EIP-3155), and one that sums up.
///
/// The transaction is a case of a state test (a JSON file; --fork, --filter and the indexes pick the case) or one of a
/// block (a folder as for `rialto execute`; --tx picks the transaction, and in a folder with a chain --block the block).
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// State test file, or folder with block.json and pre_state.json, or with genesis.json and blocks
    #[arg(value_name = "FILE|DIR")]
    path: PathBuf,
    /// Index of the transaction in the block, from 0
    #[arg(long, value_name = "INDEX")]
    tx: Option<usize>,
    /// Number of the block in a chain
    #[arg(long, value_name = "NUMBER")]
    block: Option<u64>,
    /// State test: fork of the case
    #[arg(long, value_name = "NAME")]
    fork: Option<String>,
    /// State test: only tests with this in their name
    #[arg(long, value_name = "SUBSTRING")]
    filter: Option<String>,
    /// State test: index of the transaction's data
    #[arg(long, value_name = "INDEX")]
    data: Option<usize>,
    /// State test: index of the transaction's gas limit
    #[arg(long, value_name = "INDEX")]
    gas: Option<usize>,
    /// State test: index of the transaction's value
    #[arg(long, value_name = "INDEX")]
    value: Option<usize>,
    /// Show the memory too
    #[arg(long)]
    memory: bool,
    /// Leave out the stack
    #[arg(long)]
    no_stack: bool,
    /// Leave out what the last call returned
    #[arg(long)]
    no_return_data: bool,
    #[command(flatten)]
    chain: ChainArgs,
}

/// Runs the command.
pub fn run(args: &TraceArgs, out: &mut dyn Write) -> Result<Verdict, CliError> {
    fixtures::check_paths(std::slice::from_ref(&args.path))?;
    if !args.path.is_dir() {
        return trace_state_test(args, out);
    }
    if is_block_folder(&args.path) {
        let chain = args.chain.spec()?;
        let folder = read_folder(&args.path, &chain)?;
        return trace_transaction(args, &chain, &folder.input, &folder.state, out);
    }
    let genesis = args.path.join("genesis.json");
    if genesis.is_file() {
        return trace_in_chain(args, &genesis, out);
    }
    Err(CliError::file(&args.path, "expected a state test, or a folder with block.json or genesis.json"))
}

fn options(args: &TraceArgs) -> TraceOptions {
    TraceOptions {
        memory: args.memory,
        stack: !args.no_stack,
        return_data: !args.no_return_data,
        ..TraceOptions::default()
    }
}

fn trace_state_test(args: &TraceArgs, out: &mut dyn Write) -> Result<Verdict, CliError> {
    let document = Document::read(&args.path)?;
    let root = document.root();
    let selected = selected_cases(args, &root).map_err(|error| document.error(error))?;
    let [(_, test, case)] = selected.as_slice() else {
        return Err(not_one_case(args, &selected));
    };
    match state_test::trace_case(test, case, out, options(args)) {
        Ok(Ok(())) => Ok(Verdict::Passed),
        Ok(Err(rejection)) => {
            out.flush()?;
            eprintln!("error: {}: the transaction is not valid: {rejection}", args.path.display());
            Ok(Verdict::Failed)
        }
        Err(error) => Err(CliError::file(&args.path, error)),
    }
}

/// The cases that the arguments select, each with its test and the test's name.
fn selected_cases<'a>(
    args: &TraceArgs,
    root: &JsonCursor<'a>,
) -> Result<Vec<(&'a str, JsonCursor<'a>, Case<'a>)>, JsonError> {
    let selection = VectorOptions { filter: args.filter.clone(), fork: args.fork.clone(), ..VectorOptions::default() };
    let mut selected = Vec::new();
    for (name, test) in root.entries()? {
        if name.starts_with('_') || !selection.wants_test("", name) {
            continue;
        }
        for case in state_test::cases(&test)? {
            if selection.wants_fork(case.fork) && has_indexes(args, &case) {
                selected.push((name, test.clone(), case));
            }
        }
    }
    Ok(selected)
}

fn has_indexes(args: &TraceArgs, case: &Case<'_>) -> bool {
    let wanted = [args.data, args.gas, args.value];
    wanted.into_iter().zip(case.indexes).all(|(wanted, found)| wanted.is_none_or(|wanted| wanted == found))
}

fn not_one_case(args: &TraceArgs, selected: &[(&str, JsonCursor<'_>, Case<'_>)]) -> CliError {
    let listed = selected.iter().take(5).map(|(name, _, case)| {
        let [data, gas, value] = case.indexes;
        format!("{name} --fork {} --data {data} --gas {gas} --value {value}", case.fork)
    });
    let listed: Vec<String> = listed.collect();
    let reason = if listed.is_empty() {
        "expected one case that is selected, found none".to_string()
    } else {
        format!("expected one case that is selected, found {}: {}", selected.len(), listed.join("; "))
    };
    CliError::file(&args.path, reason)
}

fn trace_in_chain(args: &TraceArgs, genesis: &Path, out: &mut dyn Write) -> Result<Verdict, CliError> {
    let Some(number) = args.block else {
        return Err(CliError::argument("--block", "nothing", "the number of a block of the chain"));
    };
    let mut chain = chain_of_genesis(genesis)?;
    for path in chain_files(&args.path)? {
        for input in read_blocks(&path, chain.spec())? {
            if chain.is_genesis(&input.block) {
                continue;
            }
            let found = input.block.header.number;
            if found == number {
                return trace_transaction(args, chain.spec(), &input, &chain.reader(), out);
            }
            let executed =
                chain.execute(&input).map_err(|error| CliError::Run { number: found, error: Box::new(error) })?;
            chain.append(input.block, executed);
        }
    }
    Err(CliError::argument("--block", number, "the number of a block of the chain"))
}

fn trace_transaction(
    args: &TraceArgs,
    chain: &ChainSpec,
    input: &InputBlock,
    reader: &dyn StateReader,
    out: &mut dyn Write,
) -> Result<Verdict, CliError> {
    let (header, count) = (&input.block.header, input.block.transactions.len());
    let index = match args.tx {
        Some(index) if index < count => index,
        Some(index) => return Err(CliError::argument("--tx", index, format!("an index below {count}"))),
        None => {
            let expected = format!("an index below {count}, the block's number of transactions");
            return Err(CliError::argument("--tx", "nothing", expected));
        }
    };
    let at_block = |error: BlockError| CliError::Run { number: header.number, error: Box::new(error.into()) };
    let invalid = |index, error| match error {
        TxError::Read(error) => at_block(BlockError::Read(error)),
        error => at_block(BlockError::Transaction { index, error: Box::new(error) }),
    };
    let mut before = BlockExecutor::new(chain, header, reader);
    before.begin().map_err(at_block)?;
    let transactions = input.block.transactions.iter().zip(&input.senders).enumerate();
    for (index, (transaction, sender)) in transactions.take(index) {
        before.transaction(transaction, *sender).map_err(|error| invalid(index, error))?;
    }
    let state = Overlay::new(reader, &before.diff());

    let mut tracer = JsonTracer::new(out, options(args));
    let mut executor = BlockExecutor::new(chain, header, &state).with_tracer(&mut tracer);
    let outcome = executor
        .transaction(&input.block.transactions[index], input.senders[index])
        .map_err(|error| invalid(index, error))?;
    drop(executor);
    let summary = Summary {
        output: outcome.output.to_vec(),
        gas_used: outcome.gas_used,
        error: outcome.halt.map(|halt| halt.to_string()),
        state_root: None,
        fork: chain.fork_at(header.number, header.timestamp).to_string(),
    };
    tracer.line(&summary.to_line());
    tracer.finish()?;
    Ok(Verdict::Passed)
}
