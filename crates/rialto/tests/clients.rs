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

#[path = "support/server.rs"]
mod server;

use server::Server;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Instant;

/// Names the flows to leave out, separated by commas; `all` for every one.
const SKIP: &str = "RIALTO_CLIENTS_SKIP";
/// Names the only flows to run, separated by commas.
const ONLY: &str = "RIALTO_CLIENTS_ONLY";
/// The runtime that clients in JavaScript need, by npm's name for the platform.
const NODE_VERSION: &str = "22.23.3";
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

/// Where the clients are.
struct Installed {
    folder: PathBuf,
    node: PathBuf,
    python: PathBuf,
    anvil: PathBuf,
}

impl Installed {
    /// Copies the flows, and installs and compiles what they need where that has not been done.
    ///
    /// # Panics
    /// If a step fails.
    fn prepare() -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../checks/clients");
        let folder = target_folder().join("clients");
        let (npm_platform, anvil_platform) = match std::env::consts::ARCH {
            "x86_64" => ("x64", "amd64"),
            "aarch64" => ("arm64", "arm64"),
            other => panic!("{other}: the clients have no binaries for it; {SKIP}=all leaves them out"),
        };
        let package = format!("node-linux-{npm_platform}");
        let installed = Self {
            node: folder.join(format!("runtime/node_modules/{package}/bin/node")),
            python: folder.join("venv/bin/python3"),
            anvil: folder.join(format!("node_modules/@foundry-rs/anvil-linux-{anvil_platform}/bin/anvil")),
            folder,
        };
        let stamp = installed.folder.join("stamp");
        let wanted = installed_state(&source);
        copy_tree(&source, &installed.folder);
        if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return installed;
        }
        let _ = std::fs::remove_file(&stamp);
        let start = Instant::now();
        installed.run("npm", &["install", "--no-save", "--prefix", "runtime", &format!("{package}@{NODE_VERSION}")]);
        // Not `npm ci`, which insists on packages for platforms that this is not.
        installed.run("npm", &["install"]);
        installed.run("python3", &["-m", "venv", "venv"]);
        installed.run("venv/bin/pip", &["install", "--quiet", "--requirement", "requirements.txt"]);
        installed.run(installed.node.to_str().expect("text"), &["compile.mjs"]);
        println!("clients installed in {} s", start.elapsed().as_secs());
        std::fs::write(&stamp, wanted).expect("the stamp can be written");
        installed
    }

    /// Runs a step of the installation, with the runtime that the clients need first in the path: npm leaves out what says
    /// that it does not run on the runtime it is installed with.
    fn run(&self, program: &str, arguments: &[&str]) {
        let path = std::env::var("PATH").unwrap_or_default();
        let runtime = self.node.parent().expect("a folder").display();
        let program = if program.contains("/bin/") { self.folder.join(program) } else { program.into() };
        let result = Command::new(&program)
            .args(arguments)
            .env("PATH", format!("{runtime}:{path}"))
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .output();
        let hint = format!("{SKIP}=all leaves out what needs it");
        let output = result.unwrap_or_else(|error| panic!("{}: {error}; {hint}", program.display()));
        let text = || String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {arguments:?}: {}; {hint}", program.display(), text());
    }
}

/// The folder that builds write to.
fn target_folder() -> PathBuf {
    let binary = Path::new(env!("CARGO_BIN_EXE_rialto"));
    binary.ancestors().nth(2).expect("target/profile/binary").to_path_buf()
}

/// A digest of all that decides what is installed and compiled.
fn installed_state(source: &Path) -> String {
    let mut digest = Sha256::new_with_prefix(NODE_VERSION);
    let mut files: Vec<PathBuf> =
        ["package-lock.json", "requirements.txt", "compile.mjs"].map(|name| source.join(name)).into();
    let contracts = std::fs::read_dir(source.join("contracts")).expect("checks/clients/contracts exists");
    files.extend(contracts.map(|entry| entry.expect("the folder is readable").path()));
    files.sort();
    for file in files {
        digest.update(std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())));
    }
    alloy_primitives::hex::encode(digest.finalize())
}

/// Copies a folder, but for what is installed into it.
fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
        let entry = entry.expect("the folder is readable");
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == "node_modules" {
            continue;
        } else if source.is_dir() {
            copy_tree(&source, &target);
        } else {
            std::fs::copy(&source, &target).unwrap_or_else(|error| panic!("{}: {error}", target.display()));
        }
    }
}
