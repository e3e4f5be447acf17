//! The state transition tool: a state, an environment and transactions in, a state and a result out.
//!
//! Files, flags, exit codes and error texts are those of geth's `evm t8n`, because generators of conformance vectors
//! drive a client through it and read its answers. [`env`](mod@env) reads and completes the environment, [`transactions`]
//! reads and signs transactions, [`transition`] runs them, [`output`] writes the result, [`rejection`] words the reasons
//! for which transactions are left out.

pub mod env;
pub mod output;
pub mod rejection;
pub mod transactions;
pub mod transition;

use crate::CliError;
use rialto_stf::BlockError;
use rialto_stf::json::JsonError;
use std::fmt;

/// Why the tool stopped; each kind has its exit code.
#[derive(Debug)]
pub enum T8nError {
    /// Execution failed beyond rejected transactions.
    Execution(Box<BlockError>),
    /// The fork is unknown, or the environment lacks what it needs.
    Config {
        /// The flag or field.
        field: String,
        /// What was found there.
        found: String,
        /// What was expected.
        expected: String,
    },
    /// BLOCKHASH asked for a block whose hash is not in the environment.
    MissingBlockHash {
        /// The block's number.
        number: u64,
    },
    /// Input is not JSON, or not of the form expected.
    Json {
        /// The file, or standard input.
        file: String,
        /// The field and what was expected.
        error: JsonError,
    },
    /// A file can't be read or written, or a key can't sign.
    Input(CliError),
    /// The transactions are no RLP list.
    Rlp {
        /// The file, or standard input.
        file: String,
        /// Where and what was expected.
        error: rialto_stf::DecodeError,
    },
}

impl T8nError {
    /// An error of the configuration.
    pub fn config(field: &str, found: impl fmt::Display, expected: impl fmt::Display) -> Self {
        Self::Config { field: field.into(), found: found.to_string(), expected: expected.to_string() }
    }

    /// geth's exit code for it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Execution(_) => 2,
            Self::Config { .. } => 3,
            Self::MissingBlockHash { .. } => 4,
            Self::Json { .. } => 10,
            Self::Input(CliError::Json { .. }) => 10,
            Self::Input(_) => 11,
            Self::Rlp { .. } => 12,
        }
    }
}

impl fmt::Display for T8nError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Execution(error) => error.fmt(f),
            Self::Config { field, found, expected } => write!(f, "{field}: expected {expected}, found {found}"),
            Self::MissingBlockHash { number } => {
                write!(
                    f,
                    "env.blockHashes: expected the hash of block {number}, which BLOCKHASH asks for, found nothing"
                )
            }
            Self::Json { file, error } => write!(f, "{file}: {error}"),
            Self::Input(error) => error.fmt(f),
            Self::Rlp { file, error } => write!(f, "{file}: {error}"),
        }
    }
}

impl std::error::Error for T8nError {}

impl From<CliError> for T8nError {
    fn from(error: CliError) -> Self {
        Self::Input(error)
    }
}

impl From<BlockError> for T8nError {
    fn from(error: BlockError) -> Self {
        match error {
            BlockError::Read(rialto_state::ReadError::MissingBlockHash { number }) => Self::MissingBlockHash { number },
            error => Self::Execution(Box::new(error)),
        }
    }
}
