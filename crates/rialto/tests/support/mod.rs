//! What the tests of the command share: running it, folders of their own, and a small state test.
#![allow(dead_code, reason = "each test binary uses its own part")]

use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_state::MemoryState;
use rialto_stf::{Transaction, address_of_secret_key};
use rialto_trie::StateTrie;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// How a run of the command ended.
#[derive(Debug)]
pub struct Run {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// The last line of the output.
    pub fn last_line(&self) -> &str {
        self.stdout.lines().last().unwrap_or_default()
    }

    /// The JSON objects of the output, a line each; other lines are passed over.
    pub fn objects(&self) -> Vec<Value> {
        self.stdout.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
    }
}

/// Runs the command.
pub fn rialto(arguments: &[&str]) -> Run {
    rialto_with_input(arguments, b"")
}

/// Runs the command with something on its standard input.
pub fn rialto_with_input(arguments: &[&str], input: &[u8]) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_rialto"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    // A command that doesn't read its input closes it.
    let _ = child.stdin.take().expect("piped").write_all(input);
    let output = child.wait_with_output().expect("the command ends");
    Run {
        code: output.status.code().expect("the command is not killed"),
        stdout: String::from_utf8(output.stdout).expect("output is text"),
        stderr: String::from_utf8(output.stderr).expect("errors are text"),
    }
}

/// Runs the command with paths in a folder: arguments that begin with `@`.
pub fn rialto_in(folder: &Folder, arguments: &[&str]) -> Run {
    let path = |argument: &&str| match argument.strip_prefix('@') {
        Some(name) => folder.file(name),
        None => (*argument).to_string(),
    };
    let arguments: Vec<String> = arguments.iter().map(path).collect();
    rialto(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A folder that is removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    /// A new folder for the test of this name.
    pub fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("rialto-{test}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder can be made");
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        std::fs::write(&path, content).expect("a file can be written");
        path.to_str().expect("text").to_string()
    }

    /// The path of a file in it.
    pub fn file(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("text").to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The repository.
pub fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The example chain.
pub fn example_chain() -> PathBuf {
    repository().join("examples/chain")
}

/// The key that signs the tests' transactions.
pub const KEY: B256 = B256::repeat_byte(0x45);
/// Who receives their value.
pub const RECIPIENT: Address = Address::repeat_byte(0xaa);
/// Code that stores 1 in slot 0 and logs two bytes of zeros.
pub const CONTRACT_CODE: &str = "0x6001600055600060026000a1";
/// Gas price of their transactions, wei.
pub const GAS_PRICE: u64 = 10;
/// What the sender has before.
pub const SENDER_BALANCE: u64 = 1_000_000_000;

/// The sender of the tests' transactions.
pub fn sender() -> Address {
    address_of_secret_key(&KEY).expect("the key is valid")
}

/// A state test with one transfer of 7 wei, which states what must come out: worked out here by hand, with no help of
/// the engine but for the hash of the state.
pub fn transfer_test(fork: &str) -> Value {
    let mut transaction = Transaction {
        chain_id: Some(1),
        gas_price: U256::from(GAS_PRICE),
        gas_limit: 100_000,
        to: Some(RECIPIENT),
        value: U256::from(7),
        ..Transaction::default()
    };
    transaction.sign(&KEY).expect("the key is valid");
    let fee = 21_000 * GAS_PRICE;
    let mut after = MemoryState::default();
    let coinbase = Address::repeat_byte(0xcb);
    for (address, nonce, balance) in [(sender(), 1, SENDER_BALANCE - fee - 7), (RECIPIENT, 0, 7), (coinbase, 0, fee)] {
        after.insert_account(address, nonce, U256::from(balance), Bytes::new(), []);
    }
    let root = StateTrie::from_memory(&after).expect("a trie").root();
    json!({
        "env": {
            "currentCoinbase": coinbase,
            "currentGasLimit": "0x989680",
            "currentNumber": "0x1",
            "currentTimestamp": "0x3e8",
            "currentDifficulty": "0x20000",
        },
        "pre": { sender().to_string(): { "nonce": "0x0", "balance": SENDER_BALANCE, "code": "0x", "storage": {} } },
        "transaction": {
            "nonce": "0x0",
            "gasPrice": format!("{GAS_PRICE:#x}"),
            "gasLimit": ["0x186a0"],
            "to": RECIPIENT,
            "value": ["0x7", "0x2540be400"],
            "data": ["0x"],
            "sender": sender(),
            "secretKey": KEY,
        },
        "post": { fork: [{
            "hash": root,
            "logs": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
            "txbytes": Bytes::from(transaction.encode()),
            "indexes": { "data": 0, "gas": 0, "value": 0 },
        }] },
    })
}
