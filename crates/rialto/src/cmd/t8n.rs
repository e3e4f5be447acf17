//! `rialto t8n`: the state transition tool, with the flags and files of geth's `evm t8n`.

use crate::eip3155::TraceOptions;
use crate::input::{self, Document};
use crate::t8n::T8nError;
use crate::t8n::env::Env;
use crate::t8n::output::{self, Destination};
use crate::t8n::transactions::{self, ReadTransaction};
use crate::t8n::transition::{self, Input};
use crate::{CliError, Verdict};
use alloy_primitives::U256;
use clap::Args;
use rialto_state::MemoryState;
use rialto_stf::ChainSpec;
use rialto_stf::json::{self, JsonError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What stands for standard input.
const STDIN: &str = "stdin";

/// Apply transactions to a state, as geth's `evm t8n` does: same flags, files and exit codes.
///
/// Inputs are files, or `stdin` for one JSON object with alloc, env and txs (or txsRlp). Outputs are files in
/// --output.basedir, `stdout` or `stderr` for one JSON object, or an empty name for nothing. Exit codes: 2 execution
/// failed, 3 bad configuration, 4 a block hash is missing, 10 bad JSON, 11 files, 12 bad RLP.
#[derive(Debug, Args)]
pub struct T8nArgs {
    /// State before
    #[arg(long = "input.alloc", value_name = "FILE|stdin", default_value = "alloc.json")]
    input_alloc: String,
    /// Environment
    #[arg(long = "input.env", value_name = "FILE|stdin", default_value = "env.json")]
    input_env: String,
    /// Transactions: JSON, or in a file *.rlp the hex of an RLP list
    #[arg(long = "input.txs", value_name = "FILE|stdin", default_value = "txs.json")]
    input_txs: String,
    /// Folder of the outputs; created if it is not there
    #[arg(long = "output.basedir", value_name = "DIR", default_value = "")]
    output_basedir: String,
    /// State after
    #[arg(long = "output.alloc", value_name = "FILE|stdout|stderr", default_value = "alloc.json")]
    output_alloc: String,
    /// Roots, receipts and rejected transactions
    #[arg(long = "output.result", value_name = "FILE|stdout|stderr", default_value = "result.json")]
    output_result: String,
    /// RLP list of the transactions applied
    #[arg(long = "output.body", value_name = "FILE|stdout|stderr", default_value = "")]
    output_body: String,
    /// Rules: a fork, or a transition as CancunToPragueAtTime15k
    #[arg(long = "state.fork", value_name = "NAME", default_value = "GrayGlacier")]
    state_fork: String,
    /// Chain id
    #[arg(long = "state.chainid", value_name = "N", default_value = "1")]
    state_chainid: String,
    /// Wei for mining the block; -1 for no reward
    #[arg(long = "state.reward", value_name = "WEI", default_value = "0", allow_hyphen_values = true)]
    state_reward: String,
    /// Write a trace of each transaction to trace-INDEX-HASH.jsonl
    #[arg(long = "trace")]
    trace: bool,
    /// Traces show memory
    #[arg(long = "trace.memory")]
    trace_memory: bool,
    /// Traces show no memory, as by default
    #[arg(long = "trace.nomemory", hide = true)]
    trace_nomemory: bool,
    /// Traces show no stack
    #[arg(long = "trace.nostack")]
    trace_nostack: bool,
    /// Traces show what calls returned
    #[arg(long = "trace.returndata")]
    trace_returndata: bool,
    /// Traces show no return data, as by default
    #[arg(long = "trace.noreturndata", hide = true)]
    trace_noreturndata: bool,
    /// Traces show where frames begin
    #[arg(long = "trace.callframes")]
    trace_callframes: bool,
    /// Write how often each opcode was executed to this file
    #[arg(long = "opcode.count", value_name = "FILE", default_value = "")]
    opcode_count: String,
    /// Accepted and without effect
    #[arg(long = "verbosity", value_name = "N", hide = true)]
    verbosity: Option<i32>,
}

/// Runs the command.
pub fn run(args: &T8nArgs, out: &mut dyn Write) -> Result<Verdict, CliError> {
    match transition(args, out) {
        Ok(()) => Ok(Verdict::Passed),
        Err(T8nError::Input(error)) if error.is_broken_pipe() => Err(error),
        Err(error) => {
            out.flush()?;
            eprintln!("error: {error}");
            Ok(Verdict::Code(error.exit_code()))
        }
    }
}

fn transition(args: &T8nArgs, out: &mut dyn Write) -> Result<(), T8nError> {
    let folder = PathBuf::from(&args.output_basedir);
    if !args.output_basedir.is_empty() {
        std::fs::create_dir_all(&folder).map_err(|error| CliError::file(&folder, error))?;
    }
    let inputs = [&args.input_alloc, &args.input_env, &args.input_txs];
    let stdin = inputs.iter().any(|name| name.as_str() == STDIN);
    let stdin = stdin.then(|| Document::parse(STDIN, &input::read_stdin()?)).transpose()?;
    let chain = chain(args)?;
    let env = read_part(&args.input_env, stdin.as_ref(), "env", Env::read)?;
    let withdrawals = env.withdrawals.clone();
    let input = Input {
        state: read_state(args, stdin.as_ref())?,
        transactions: read_transactions(args, stdin.as_ref(), &chain)?,
        chain,
        env,
        reward: reward(&args.state_reward)?,
        traces: args.trace.then(|| (folder.clone(), trace_options(args))),
        counts_opcodes: !args.opcode_count.is_empty(),
    };
    let result = transition::run(input)?;
    let mut parts = vec![
        ("alloc", Destination::of_flag(&args.output_alloc), output::alloc(&result.state)),
        ("result", Destination::of_flag(&args.output_result), output::result(&result, withdrawals.as_deref())),
        ("body", Destination::of_flag(&args.output_body), output::body(&result.applied)),
    ];
    if let Some(counts) = &result.opcode_counts {
        let counts = output::opcode_counts(counts);
        parts.push(("opcodes", Destination::File(args.opcode_count.clone()), counts));
    }
    Ok(output::dispatch(&folder, parts, out)?)
}

fn chain(args: &T8nArgs) -> Result<ChainSpec, T8nError> {
    let chain_id = number(&args.state_chainid).and_then(|id| u64::try_from(id).ok());
    let chain_id = chain_id
        .ok_or_else(|| T8nError::config("--state.chainid", &args.state_chainid, "a number of at most 64 bits"))?;
    ChainSpec::from_network(&args.state_fork, chain_id).ok_or_else(|| {
        let expected = format!("one of {}, or a transition", input::fork_names().join(", "));
        T8nError::config("--state.fork", &args.state_fork, expected)
    })
}

/// A number in decimal, or in hex after `0x`.
fn number(text: &str) -> Option<U256> {
    match text.strip_prefix("0x") {
        Some(digits) => U256::from_str_radix(digits, 16).ok(),
        None => U256::from_str_radix(text, 10).ok(),
    }
}

fn reward(text: &str) -> Result<Option<U256>, T8nError> {
    if text == "-1" {
        return Ok(None);
    }
    let reward = number(text).filter(|reward| reward.bit_len() < 64);
    reward.map(Some).ok_or_else(|| T8nError::config("--state.reward", text, "wei below 2^63, or -1 for no reward"))
}

fn trace_options(args: &T8nArgs) -> TraceOptions {
    TraceOptions {
        memory: args.trace_memory && !args.trace_nomemory,
        stack: !args.trace_nostack,
        return_data: args.trace_returndata && !args.trace_noreturndata,
        frame_begins: args.trace_callframes,
        frame_ends: true,
    }
}

/// What `read` makes of the part `name` of standard input, or of a file.
fn read_part<T>(
    file: &str,
    stdin: Option<&Document>,
    name: &'static str,
    read: impl FnOnce(&json::JsonCursor<'_>) -> Result<T, JsonError>,
) -> Result<T, T8nError> {
    match stdin.filter(|_| file == STDIN) {
        Some(document) => Ok(document.decode(|root| read(&root.field(name)?))?),
        None => Ok(Document::read(Path::new(file))?.decode(read)?),
    }
}

fn read_state(args: &T8nArgs, stdin: Option<&Document>) -> Result<MemoryState, T8nError> {
    read_part(&args.input_alloc, stdin, "alloc", json::alloc).map(|alloc| json::memory_state(&alloc))
}

fn read_transactions(
    args: &T8nArgs,
    stdin: Option<&Document>,
    chain: &ChainSpec,
) -> Result<Vec<ReadTransaction>, T8nError> {
    let Some(document) = stdin.filter(|_| args.input_txs == STDIN) else {
        return transactions::of_file(Path::new(&args.input_txs), chain.chain_id);
    };
    let root = document.root();
    let at_json = |error| T8nError::Json { file: STDIN.to_string(), error };
    if let Some(rlp) = root.optional("txsRlp").map_err(at_json)? {
        let text = rlp.string().map_err(at_json)?;
        if !text.is_empty() {
            return transactions::of_rlp(STDIN, &input::hex_text(STDIN, text.as_bytes())?);
        }
    }
    match root.optional("txs").map_err(at_json)? {
        Some(list) => transactions::of_json(STDIN, &list, chain.chain_id),
        None => Ok(Vec::new()),
    }
}
