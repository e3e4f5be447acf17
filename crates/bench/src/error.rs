//! Everything that can stop a benchmark, each with the field, the value and what was expected.

use core::fmt;

/// Why a case could not be loaded or measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BenchError {
    /// A file or folder could not be read.
    File {
        /// Its path.
        path: String,
        /// What the operating system or the decompressor said.
        reason: String,
    },
    /// A file is not JSON at all.
    Json {
        /// Its path.
        path: String,
        /// Line, column and what the parser expected there.
        reason: String,
    },
    /// A field of a JSON file is absent or has a value of the wrong kind.
    Field {
        /// The file and the way to the field, such as `block.json: transactions[3].gas`.
        field: String,
        /// The value found, shortened.
        found: String,
        /// What should have been there.
        expected: String,
    },
    /// An engine refused a transaction of a case, which no case expects.
    Rejected {
        /// Name of the case.
        case: String,
        /// Index of the transaction.
        transaction: usize,
        /// `rialto` or `revm`.
        engine: &'static str,
        /// The engine's own words.
        reason: String,
    },
    /// The engines differ in what a transaction did.
    Mismatch {
        /// Name of the case.
        case: String,
        /// Index of the transaction.
        transaction: usize,
        /// What differs.
        what: &'static str,
        /// Rialto's value.
        rialto: String,
        /// revm's value.
        revm: String,
    },
    /// A block's transactions used another amount of gas than its header says.
    GasUsed {
        /// Name of the case.
        case: String,
        /// `rialto` or `revm`.
        engine: &'static str,
        /// Gas that the header gives.
        header: u64,
        /// Gas that executing the transactions used.
        found: u64,
    },
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, reason } => write!(f, "{path}: {reason}"),
            Self::Json { path, reason } => write!(f, "{path}: expected JSON, found {reason}"),
            Self::Field { field, found, expected } => write!(f, "{field}: expected {expected}, found {found}"),
            Self::Rejected { case, transaction, engine, reason } => {
                write!(f, "case {case}, transaction {transaction}: {engine} refused it: {reason}")
            }
            Self::Mismatch { case, transaction, what, rialto, revm } => {
                write!(f, "case {case}, transaction {transaction}: {what} is {rialto} with rialto, {revm} with revm")
            }
            Self::GasUsed { case, engine, header, found } => {
                write!(f, "case {case}: gasUsed is {header}, executing its transactions with {engine} used {found}")
            }
        }
    }
}

impl core::error::Error for BenchError {}
