//! The market's examples on a chain of this build: the market maker in TypeScript quotes, the vault in Solidity swaps and hedges.
//!
//! `checks/clients/market/flow.mjs` runs both and asserts what has to be so: books over WebSocket whose checksums hold in every message,
//! swaps that leave nothing where they can't be hedged or paid, a liquidation, and that what the streams told is what the methods answer.
//! Clients and compiler are those of the other clients' test, installed in the same way, and left out with the same variable, by the name
//! `market`.

#[path = "support/installed.rs"]
mod installed;
#[path = "support/server.rs"]
mod server;

use installed::{Installed, SKIP};
use server::Server;
use std::path::Path;
use std::process::{Command, Stdio};

/// Longest that the flow may take.
const FLOW_SECONDS: u64 = 120;

/// What the flow takes from elsewhere in the repository.
const EXAMPLES: [&str; 3] = ["examples/market/maker.ts", "examples/market/HedgedVault.sol", "contracts/IMarket.sol"];

#[test]
fn the_examples_trade_on_a_chain() {
    let skip = std::env::var(SKIP).unwrap_or_default();
    if skip.split(',').any(|name| matches!(name.trim(), "all" | "market")) {
        println!("left out: the market's examples, by {SKIP}");
        return;
    }
    if std::env::var_os("CI").is_none() && Command::new("npm").arg("--version").output().is_err() {
        println!("left out: the market's examples, since there is no npm to install their clients with");
        return;
    }
    let installed = Installed::prepare();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for file in EXAMPLES {
        let source = repository.join(file);
        let name = source.file_name().expect("a file");
        let copied = std::fs::copy(&source, installed.folder.join("market").join(name));
        copied.unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    let server = Server::dev(&["--market"]);
    let output = Command::new("timeout")
        .arg(FLOW_SECONDS.to_string())
        .arg(&installed.node)
        .args(["--experimental-strip-types", "--no-warnings", "market/flow.mjs"])
        .env("RPC_URL", server.url())
        .current_dir(&installed.folder)
        .stdin(Stdio::null())
        .output()
        .expect("the flow starts");
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{errors}\nthe node's output:\n{}", output.status, server.output());
    assert!(out.lines().last().is_some_and(|line| line.contains("done")), "the flow ends:\n{out}");
}
