//! Unmodified clients of Ethereum, from their registries, see the same on this node as on the reference node.
//!
//! `checks/clients` has the flows: scripts that deploy and use well-known contracts through a client, and print a transcript,
//! a line of JSON for each thing that they saw (gas, logs, status, addresses, values). Each flow is run on a fresh `rialto dev`
//! and on a fresh reference node of the same fork, at the same time. It has to succeed on both, and the transcripts have to be
//! equal line by line.
//!
//! Clients and contracts are installed with npm and pip into `target/clients`, and compiled there, when that has not been done
//! for the files as they are. Where that can't be done the test fails; `RIALTO_CLIENTS_SKIP` leaves flows out by name, `all` for
//! all of them. A machine without npm leaves all out, unless it is one for continuous integration (`CI` is set). What is left out
//! is printed.

#[path = "support/installed.rs"]
mod installed;
#[path = "support/server.rs"]
mod server;

use installed::{Installed, SKIP};
use server::Server;
use std::fmt::Write as _;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Instant;

/// Names the only flows to run, separated by commas.
const ONLY: &str = "RIALTO_CLIENTS_ONLY";
/// Longest that a flow may take.
const FLOW_SECONDS: u64 = 240;

/// Each flow with the clients in it.
const FLOWS: [(&str, &str); 16] = [
    ("openzeppelin.mjs", "viem, OpenZeppelin's ERC-20, ERC-721 and proxies"),
    ("uniswap_v2.mjs", "viem, Uniswap v2"),
    ("uniswap_v3.mjs", "viem, Uniswap v3"),
    ("uniswap_v4.mjs", "viem, Uniswap v4"),
    ("safe.mjs", "viem, a Safe"),
    ("permit2.mjs", "viem, Permit2"),
    ("multicall3.mjs", "viem, Multicall3"),
    ("delegation.mjs", "viem, EIP-7702"),
    ("test_client.mjs", "viem's test client"),
    ("blobs.mjs", "viem and ethers, EIP-4844 and EIP-7594"),
    ("subscriptions.mjs", "viem and ethers over WebSocket"),
    ("ethers.mjs", "ethers"),
    ("web3_flow.py", "web3.py"),
    ("cast.mjs", "cast"),
    ("forge.mjs", "forge"),
    ("hardhat.mjs", "Hardhat 3"),
];

#[test]
fn clients_see_what_they_see_on_the_reference_node() {
    let flows = wanted_flows();
    if flows.is_empty() {
        return;
    }
    // A developer may have no npm; whoever checks a change for all has.
    if std::env::var_os("CI").is_none() && Command::new("npm").arg("--version").output().is_err() {
        println!("left out: {} flows of real clients, since there is no npm to install them with", flows.len());
        return;
    }
    let installed = Installed::prepare();
    let mut failures = String::new();
    for (flow, clients) in &flows {
        let start = Instant::now();
        let result = run_flow(&installed, flow);
        let seconds = start.elapsed().as_secs_f64();
        let verdict = result.as_ref().map_or("FAILED".to_string(), |lines| format!("{lines} lines equal"));
        println!("{flow:20} {seconds:6.1} s  {verdict}  ({clients})");
        if let Err(reason) = result {
            let _ = writeln!(failures, "\n{flow} ({clients}): {reason}");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// The flows to run; what is left out is printed.
fn wanted_flows() -> Vec<(&'static str, &'static str)> {
    let list = |name| std::env::var(name).unwrap_or_default();
    let (skip, only) = (list(SKIP), list(ONLY));
    let names = |list: &str, flow: &str| list.split(',').any(|name| flow.split('.').next() == Some(name.trim()));
    let mut flows: Vec<_> = FLOWS.into();
    flows.retain(|(flow, clients)| {
        let out = skip.trim() == "all" || names(&skip, flow) || !(only.is_empty() || names(&only, flow));
        if out {
            println!("left out: {flow} ({clients}), by {}", if only.is_empty() { SKIP } else { ONLY });
        }
        !out
    });
    flows
}

/// Runs a flow on both nodes; the number of equal lines, or what went wrong.
fn run_flow(installed: &Installed, flow: &str) -> Result<usize, String> {
    let reference = thread::scope(|scope| {
        let reference = scope.spawn(|| transcript(installed, flow, &Server::anvil(&installed.anvil)));
        let found = transcript(installed, flow, &Server::dev(&[]));
        (reference.join(), found)
    });
    let (Ok(reference), found) = reference else { return Err("the reference node does not start".to_string()) };
    let expected = reference.map_err(|error| format!("on the reference node: {error}"))?;
    let found = found?;
    for (index, (expected, found)) in expected.lines().zip(found.lines()).enumerate() {
        if expected != found {
            return Err(format!("line {}:\n  reference {expected}\n  rialto    {found}", index + 1));
        }
    }
    let (expected, found) = (expected.lines().count(), found.lines().count());
    if expected != found || found == 0 {
        return Err(format!("{found} lines, the reference node's are {expected}"));
    }
    Ok(found)
}

/// What a flow prints on a node.
fn transcript(installed: &Installed, flow: &str, server: &Server) -> Result<String, String> {
    let program = if flow.ends_with(".py") { &installed.python } else { &installed.node };
    let mut command = Command::new("timeout");
    command
        .arg(FLOW_SECONDS.to_string())
        .arg(program)
        .arg(installed.folder.join("flows").join(flow))
        .env("RPC_URL", server.url())
        .current_dir(&installed.folder);
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let stdout = String::from_utf8_lossy(&stdout).into_owned();
    if status.success() {
        return Ok(stdout);
    }
    let stderr = String::from_utf8_lossy(&stderr);
    let last = stdout.lines().last().unwrap_or("nothing");
    let reason: String = stderr.lines().take(60).fold(String::new(), |text, line| text + "\n  " + line);
    Err(format!("{status}\n  last line of the transcript: {last}{reason}\n  the node's output:\n{}", server.output()))
}
