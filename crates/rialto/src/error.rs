//! Why a command could not do its work: bad usage, or input that can't be read. Each says where, what was found there and
//! what was expected.
//!
//! These end the command with exit code 2. A check that ran and failed is no error but an outcome (exit code 1), except
//! in the vector runners, where a file that can't be read counts as a failed case.

use crate::block_run::RunError;
use rialto_node::NodeError;
use rialto_rpc::StartError;
use rialto_stf::json::JsonError;
use rialto_stf::{DecodeError, SignatureError};
use rialto_trie::TrieError;
use std::fmt;
use std::path::Path;

/// Why a command stopped.
#[derive(Debug)]
pub enum CliError {
    /// An argument means nothing, or not together with the others.
    Argument {
        /// The argument's name.
        name: String,
        /// The value given.
        value: String,
        /// What was expected.
        expected: String,
    },
    /// A file, folder or archive could not be read or written.
    File {
        /// Its path.
        path: String,
        /// What the operating system or the decompressor said, or what was expected there.
        reason: String,
    },
    /// A file is not JSON, or a field of it is absent or of the wrong kind.
    Json {
        /// Path of the file.
        file: String,
        /// The field, the value and what was expected.
        error: JsonError,
    },
    /// Bytes are not the RLP of what they should be.
    Rlp {
        /// Path of the file, or the place in it.
        file: String,
        /// The field, its offset and what was expected.
        error: DecodeError,
    },
    /// A field of a file has a value that means nothing here.
    Field {
        /// Path of the file.
        file: String,
        /// Way to the field.
        field: String,
        /// The value found.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// A transaction's signature gives no sender.
    Signature {
        /// Path of the file.
        file: String,
        /// Index of the transaction.
        transaction: usize,
        /// Why not.
        error: SignatureError,
    },
    /// A block can't be executed.
    Run {
        /// The block's number.
        number: u64,
        /// Why not.
        error: Box<RunError>,
    },
    /// A state's trie can't be built or updated.
    Trie {
        /// The block's number.
        number: u64,
        /// Why not.
        error: TrieError,
    },
    /// A benchmark stopped.
    Bench(rialto_bench::BenchError),
    /// The node could not do what it was asked.
    Node(NodeError),
    /// A port could not be served.
    Start(StartError),
    /// A node that was asked did not answer, or refused.
    Remote {
        /// Its URL.
        url: String,
        /// What it said.
        reason: String,
    },
    /// The operating system refused what a service needs.
    Service {
        /// What.
        what: &'static str,
        /// What the system said.
        reason: String,
    },
    /// Output could not be written.
    Output(std::io::Error),
}

impl CliError {
    /// An error about a file, by its path.
    pub fn file(path: &Path, reason: impl ToString) -> Self {
        Self::File { path: path.display().to_string(), reason: reason.to_string() }
    }

    /// An error about an argument.
    pub fn argument(name: &str, value: impl ToString, expected: impl ToString) -> Self {
        Self::Argument { name: name.to_string(), value: value.to_string(), expected: expected.to_string() }
    }

    /// Whether whoever reads the output has gone, which ends a command without a word.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<NodeError> for CliError {
    fn from(error: NodeError) -> Self {
        Self::Node(error)
    }
}

impl From<StartError> for CliError {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<rialto_bench::BenchError> for CliError {
    fn from(error: rialto_bench::BenchError) -> Self {
        Self::Bench(error)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument { name, value, expected } => write!(f, "{name}: {value:?}: expected {expected}"),
            Self::File { path, reason } => write!(f, "{path}: {reason}"),
            Self::Json { file, error } => write!(f, "{file}: {error}"),
            Self::Rlp { file, error } => write!(f, "{file}: {error}"),
            Self::Field { file, field, found, expected } => {
                write!(f, "{file}: {field}: expected {expected}, found {found}")
            }
            Self::Signature { file, transaction, error } => {
                write!(f, "{file}: transactions[{transaction}].{error}")
            }
            Self::Run { number, error } => write!(f, "block {number}: {error}"),
            Self::Trie { number, error } => write!(f, "block {number}: {error}"),
            Self::Bench(error) => error.fmt(f),
            Self::Node(error) => error.fmt(f),
            Self::Start(error) => error.fmt(f),
            Self::Remote { url, reason } => write!(f, "{url}: {reason}"),
            Self::Service { what, reason } => write!(f, "{what}: {reason}"),
            Self::Output(error) => write!(f, "standard output: {error}"),
        }
    }
}

impl std::error::Error for CliError {}
