//! Everything that can stop a benchmark, each with the place, the value and what was expected.

use core::fmt;
use rialto_stf::SignatureError;
use rialto_stf::json::JsonError;

/// Why a case could not be loaded or measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BenchError {
    /// A file, folder or archive could not be read.
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
    /// A case file has a field that means nothing.
    UnknownField {
        /// Path of the file.
        file: String,
        /// Way to the field.
        field: String,
        /// The fields that there are.
        known: &'static [&'static str],
    },
    /// A case file gives an account at the address where its own code is put.
    ReservedAddress {
        /// Path of the file.
        file: String,
        /// Way to the account.
        field: String,
    },
    /// A block of a vector is not a block in RLP.
    Block {
        /// Name of the case.
        case: String,
        /// What the decoder said.
        reason: String,
    },
    /// A block was refused, which no case's is.
    Refused {
        /// Name of the case.
        case: String,
        /// What the executor said.
        reason: String,
    },
    /// A way to run a block gives something else than one thread that interprets.
    Strategy {
        /// Name of the case.
        case: String,
        /// The way.
        how: &'static str,
        /// What differs, and both values.
        what: String,
    },
    /// A transaction's signature gives no sender.
    Signature {
        /// Name of the case.
        case: String,
        /// Index of the transaction.
        transaction: usize,
        /// Why not.
        error: SignatureError,
    },
    /// A transaction's signature gives another sender than the file states.
    Sender {
        /// Name of the case.
        case: String,
        /// Index of the transaction.
        transaction: usize,
        /// The address stated.
        stated: alloy_primitives::Address,
        /// The address recovered.
        recovered: alloy_primitives::Address,
    },
    /// An engine refused a transaction of a case, which no case expects.
    Rejected {
        /// Name of the case.
        case: String,
        /// Index of the transaction.
        transaction: usize,
        /// Name of the engine.
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
    /// The engines leave different states behind.
    PostState {
        /// Name of the case.
        case: String,
        /// An account that differs.
        address: alloy_primitives::Address,
        /// The account after Rialto.
        rialto: String,
        /// The account after revm.
        revm: String,
    },
    /// A block's transactions used another amount of gas than its header says.
    GasUsed {
        /// Name of the case.
        case: String,
        /// Name of the engine.
        engine: &'static str,
        /// Gas that the header gives.
        header: u64,
        /// Gas that executing the transactions used.
        found: u64,
    },
    /// A scenario of the market does not run.
    Scenario {
        /// Its name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A node could not be reached, or answered something else than what was asked.
    Rpc {
        /// Its address.
        server: String,
        /// What it did.
        reason: String,
    },
    /// Two nodes with the same chain answer a request differently.
    RpcMismatch {
        /// Name of the case.
        case: String,
        /// Rialto's answer.
        rialto: String,
        /// The other node's.
        peer: String,
    },
}

impl fmt::Display for BenchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, reason } => write!(f, "{path}: {reason}"),
            Self::Json { file, error } => write!(f, "{file}: {error}"),
            Self::UnknownField { file, field, known } => {
                write!(f, "{file}: {field}: expected one of the fields {}, found this one", known.join(", "))
            }
            Self::ReservedAddress { file, field } => {
                write!(f, "{file}: {field}: expected another address, found the one where the case's code is put")
            }
            Self::Block { case, reason } => write!(f, "case {case}: expected a block in RLP, found {reason}"),
            Self::Refused { case, reason } => write!(f, "case {case}: the block is refused: {reason}"),
            Self::Strategy { case, how, what } => write!(f, "case {case}, {how}: {what}"),
            Self::Signature { case, transaction, error } => {
                write!(f, "case {case}, transaction {transaction}: {error}")
            }
            Self::Sender { case, transaction, stated, recovered } => {
                write!(f, "case {case}, transaction {transaction}: sender is {stated}, its signature gives {recovered}")
            }
            Self::Rejected { case, transaction, engine, reason } => {
                write!(f, "case {case}, transaction {transaction}: {engine} refused it: {reason}")
            }
            Self::Mismatch { case, transaction, what, rialto, revm } => {
                write!(f, "case {case}, transaction {transaction}: {what} is {rialto} with rialto, {revm} with revm")
            }
            Self::PostState { case, address, rialto, revm } => {
                write!(f, "case {case}: account {address} ends as {rialto} with rialto, {revm} with revm")
            }
            Self::GasUsed { case, engine, header, found } => {
                write!(f, "case {case}: gasUsed is {header}, executing its transactions with {engine} used {found}")
            }
            Self::Scenario { name, reason } => write!(f, "{name}: {reason}"),
            Self::Rpc { server, reason } => write!(f, "{server}: {reason}"),
            Self::RpcMismatch { case, rialto, peer } => {
                write!(f, "case {case}: rialto answers {rialto}, the peer answers {peer}")
            }
        }
    }
}

impl core::error::Error for BenchError {}
