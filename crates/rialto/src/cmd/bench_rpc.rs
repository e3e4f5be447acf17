//! `rialto bench rpc`: this node's JSON-RPC beside that of a running one, in turns.

use crate::terminal::Progress;
use crate::{CliError, Verdict};
use clap::Args;
use rialto_bench::{RpcPlan, run_rpc};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Compare the speed of JSON-RPC with another node's: medians and ratios of requests a second over many connections.
///
/// Both have to be nodes in developer mode, and are changed: give them chains that nobody needs. Without --url a node of this
/// build is started and stopped again. Both get the same chain, must give the same answers, and then answer in turns. A ratio
/// above 1 means that Rialto is faster.
#[derive(Debug, Args)]
pub struct BenchRpcArgs {
    /// The node to compare with, such as http://127.0.0.1:8545
    #[arg(long, value_name = "URL")]
    peer: String,
    /// The node to measure, if it is running already
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Connections that send requests at the same time
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1000))]
    connections: u16,
    /// Time of a round
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 2_000)]
    duration: u64,
    /// Time before the first round of a case that does not count
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 500)]
    warm_up: u64,
    /// Rounds of a case on each node
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    rounds: u16,
    /// Blocks that the requests for logs look through
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    blocks: u32,
    /// Transactions of a round of the cases that send them
    #[arg(long, value_name = "N", default_value_t = 6_400, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    transactions: u32,
    /// Only cases with this in their name
    #[arg(long, value_name = "SUBSTRING")]
    filter: Option<String>,
    /// One JSON document with all figures
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &BenchRpcArgs, out: &mut dyn Write) -> Result<Verdict, CliError> {
    if cfg!(debug_assertions) {
        eprintln!("note: this build is not optimised (use --release), its figures say little");
    }
    let started = if args.url.is_none() { Some(DevNode::start()?) } else { None };
    let url = match (&args.url, &started) {
        (Some(url), _) => url.clone(),
        (None, Some(node)) => node.url.clone(),
        (None, None) => unreachable!("a node is started where no URL is given"),
    };
    let plan = RpcPlan {
        connections: usize::from(args.connections),
        duration: Duration::from_millis(args.duration),
        warm_up: Duration::from_millis(args.warm_up),
        rounds: usize::from(args.rounds),
        blocks: u64::from(args.blocks),
        transactions: args.transactions as usize,
        filter: args.filter.clone(),
        ..RpcPlan::new(url, args.peer.clone())
    };
    let mut progress = Progress::new("steps");
    let mut count = 0;
    let report = run_rpc(&plan, &mut |what| {
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

/// A node of this build in developer mode, which ends with the value.
struct DevNode {
    child: Child,
    url: String,
}

impl DevNode {
    fn start() -> Result<Self, CliError> {
        let failed = |reason: String| CliError::File { path: "rialto dev".to_string(), reason };
        let binary = std::env::current_exe().map_err(|error| failed(error.to_string()))?;
        let mut child = Command::new(binary)
            .args(["dev", "--http.port", "0"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed(error.to_string()))?;
        let output = child.stdout.take();
        let mut node = Self { child, url: String::new() };
        let mut lines = BufReader::new(output.ok_or_else(|| failed("has no output".to_string()))?).lines();
        node.url = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| served_url(&line))
            .ok_or_else(|| failed("ended before it served".to_string()))?;
        // What it prints from here on is read, so that it never waits for a reader.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(node)
    }
}

impl Drop for DevNode {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The URL in the line that says where the node serves.
fn served_url(line: &str) -> Option<String> {
    let (_, rest) = line.split_once("Listening on 127.0.0.1:")?;
    let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
    (!port.is_empty()).then(|| format!("http://127.0.0.1:{port}"))
}
