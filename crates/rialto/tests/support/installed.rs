//! Clients from npm and pip, installed into `target/clients` and compiled there, when that has not been done for the files as they are.
#![allow(dead_code, reason = "each test binary uses its own part")]

use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Names the flows to leave out, separated by commas; `all` for every one.
pub const SKIP: &str = "RIALTO_CLIENTS_SKIP";
/// The runtime that clients in JavaScript need, by npm's name for the platform.
const NODE_VERSION: &str = "22.23.3";

/// Where the clients are.
pub struct Installed {
    /// Folder of all.
    pub folder: PathBuf,
    /// The runtime for JavaScript.
    pub node: PathBuf,
    /// That for Python.
    pub python: PathBuf,
    /// The reference node.
    pub anvil: PathBuf,
}

impl Installed {
    /// Copies the flows, and installs and compiles what they need where that has not been done.
    ///
    /// # Panics
    /// If a step fails.
    pub fn prepare() -> Self {
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
