//! Why a transaction or a block is not valid. Every text names the field, the value found and what was expected.

use crate::{BlockAccessListDifference, BlockAccessListError, SignatureError, TxType};
use alloc::{boxed::Box, string::String};
use alloy_primitives::{Address, B256, U256};
use rialto_state::ReadError;
use rialto_vm::{Fork, ModuleViolation};

/// Why a transaction can't be part of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants' texts below say what their fields are")]
pub enum TxError {
    /// The type came with a later fork.
    TypeNotSupported { tx_type: TxType, fork: Fork },
    /// Signed for another chain, or for any where transactions don't name one yet (EIP-155).
    ChainId { expected: Option<u64>, found: u64 },
    /// The signature yields no sender.
    Signature(SignatureError),
    /// Already used.
    NonceTooLow { expected: u64, found: u64 },
    /// Not yet usable.
    NonceTooHigh { expected: u64, found: u64 },
    /// The last nonce can't be used (EIP-2681).
    NonceMax,
    /// More gas than the block has left.
    GasLimitAboveBlock { available: u64, found: u64 },
    /// More gas than a transaction may have (EIP-7825).
    GasLimitAboveCap { cap: u64, found: u64 },
    /// Less gas than the transaction itself costs.
    IntrinsicGas { required: u64, found: u64 },
    /// Less gas than its data costs at least (EIP-7623).
    FloorGas { required: u64, found: u64 },
    /// The sender can't pay.
    InsufficientFunds { required: U256, available: U256 },
    /// Gas times price has more than 256 bits.
    CostOverflow,
    /// Fee cap below the block's base fee.
    MaxFeeBelowBaseFee { base_fee: U256, found: U256 },
    /// Priority fee above the fee cap.
    PriorityFeeAboveMaxFee { max_fee: U256, found: U256 },
    /// Initcode too long (EIP-3860).
    InitcodeTooLong { max: usize, found: usize },
    /// The sender is a contract (EIP-3607).
    SenderNotEoa { sender: Address },
    /// A blob transaction without blobs.
    ZeroBlobs,
    /// More blobs than a transaction may carry.
    TooManyBlobs { max: u64, found: u64 },
    /// More blob gas than the block has left.
    BlobGasAboveBlock { available: u64, found: u64 },
    /// A blob hash of an unknown version.
    BlobVersion { found: B256 },
    /// Blob fee cap below the block's blob base fee.
    MaxBlobFeeBelowBaseFee { base_fee: U256, found: U256 },
    /// A type that can't create contracts does.
    CreateNotAllowed { tx_type: TxType },
    /// A set-code transaction without authorizations.
    NoAuthorizations,
    /// State could not be read: says nothing about the transaction.
    Read(ReadError),
}

impl core::fmt::Display for TxError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::TypeNotSupported { tx_type, fork } => {
                write!(f, "type: expected one that {fork} knows, found {}", *tx_type as u8)
            }
            Self::ChainId { expected: Some(expected), found } => {
                write!(f, "chain_id: expected {expected}, found {found}")
            }
            Self::ChainId { expected: None, found } => write!(f, "chain_id: expected none yet, found {found}"),
            Self::Signature(error) => error.fmt(f),
            Self::NonceTooLow { expected, found } | Self::NonceTooHigh { expected, found } => {
                write!(f, "nonce: expected {expected}, found {found}")
            }
            Self::NonceMax => write!(f, "nonce: expected at most {}, found {}", u64::MAX - 1, u64::MAX),
            Self::GasLimitAboveBlock { available, found } => {
                write!(f, "gas_limit: expected at most {available}, which the block has left, found {found}")
            }
            Self::GasLimitAboveCap { cap, found } => write!(f, "gas_limit: expected at most {cap}, found {found}"),
            Self::IntrinsicGas { required, found } => {
                write!(f, "gas_limit: expected at least {required}, the intrinsic gas, found {found}")
            }
            Self::FloorGas { required, found } => {
                write!(f, "gas_limit: expected at least {required}, the floor of its data, found {found}")
            }
            Self::InsufficientFunds { required, available } => {
                write!(f, "balance of the sender: expected at least {required} wei, found {available}")
            }
            Self::CostOverflow => f.write_str("gas_limit times price plus value: expected less than 2^256 wei"),
            Self::MaxFeeBelowBaseFee { base_fee, found } => {
                write!(f, "max_fee_per_gas: expected at least {base_fee} wei, the base fee, found {found}")
            }
            Self::PriorityFeeAboveMaxFee { max_fee, found } => {
                write!(f, "max_priority_fee_per_gas: expected at most {max_fee} wei, max_fee_per_gas, found {found}")
            }
            Self::InitcodeTooLong { max, found } => {
                write!(f, "input: expected at most {max} bytes of initcode, found {found}")
            }
            Self::SenderNotEoa { sender } => {
                write!(f, "sender {sender}: expected an account without code, found a contract")
            }
            Self::ZeroBlobs => f.write_str("blob_versioned_hashes: expected at least 1, found 0"),
            Self::TooManyBlobs { max, found } => {
                write!(f, "blob_versioned_hashes: expected at most {max}, found {found}")
            }
            Self::BlobGasAboveBlock { available, found } => {
                write!(f, "blob gas: expected at most {available}, which the block has left, found {found}")
            }
            Self::BlobVersion { found } => write!(f, "blob_versioned_hashes: expected version 0x01, found {found}"),
            Self::MaxBlobFeeBelowBaseFee { base_fee, found } => {
                write!(f, "max_fee_per_blob_gas: expected at least {base_fee} wei, the blob base fee, found {found}")
            }
            Self::CreateNotAllowed { tx_type } => {
                write!(f, "to: expected an address in type {}, found none", *tx_type as u8)
            }
            Self::NoAuthorizations => f.write_str("authorization_list: expected at least 1, found 0"),
            Self::Read(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for TxError {}

impl From<ReadError> for TxError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// Why a block is not valid, or could not be executed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants' texts below say what their fields are")]
pub enum BlockError {
    /// A header field is not what the parent or the rules require. Values as text, in the units of the field.
    Header { field: &'static str, expected: String, found: String },
    /// A header field that the fork requires is missing, or one that it does not know is there.
    HeaderField { field: &'static str, expected_present: bool, fork: Fork },
    /// The body does not have the root or hash that the header commits to.
    BodyRoot { field: &'static str, expected: B256, found: B256 },
    /// A part of the body that the fork requires is missing, or one that it does not know is there.
    BodyField { field: &'static str, expected_present: bool, fork: Fork },
    /// The block is too long (EIP-7934).
    TooLong { max: usize, found: usize },
    /// An ommer can't be one.
    Ommer { index: usize, reason: &'static str },
    /// A transaction is not valid.
    Transaction { index: usize, error: Box<TxError> },
    /// Execution used other gas than the header says.
    GasUsed { expected: u64, found: u64 },
    /// Execution used more gas than the block may.
    GasUsedAboveLimit { limit: u64, found: u64 },
    /// The transactions carry other blob gas than the header says.
    BlobGasUsed { expected: u64, found: u64 },
    /// Execution gave another root or hash than the header says.
    Root { field: &'static str, expected: B256, found: B256 },
    /// Execution gave another bloom filter than the header says.
    LogsBloom,
    /// A system contract that must exist does not (EIP-7002, EIP-7251).
    SystemContractEmpty { address: Address },
    /// A system call failed (EIP-7002, EIP-7251).
    SystemCallFailed { address: Address },
    /// A rule of a native module does not hold at the block's end.
    Module { address: Address, violation: Box<ModuleViolation> },
    /// The deposit contract's log has not the layout of its event (EIP-6110).
    DepositLayout { field: &'static str, expected: u64, found: u64 },
    /// A block access list breaks its rules of form (EIP-7928).
    AccessListForm(BlockAccessListError),
    /// A block access list has more items than the gas limit allows (EIP-7928).
    AccessListTooLong { max: u64, found: u64 },
    /// A block access list is not the one that execution gives (EIP-7928).
    AccessList(Box<BlockAccessListDifference>),
    /// The state before a Byzantium block's transactions' ends is not known to the reader, so receipts can't be made.
    PostStateRoot(String),
    /// State could not be read: says nothing about the block.
    Read(ReadError),
}

impl core::fmt::Display for BlockError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let presence = |expected: bool| if expected { "expected one, found none" } else { "expected none, found one" };
        match self {
            Self::Header { field, expected, found } => write!(f, "header.{field}: expected {expected}, found {found}"),
            Self::HeaderField { field, expected_present, fork } => {
                write!(f, "header.{field}: {} ({fork})", presence(*expected_present))
            }
            Self::BodyRoot { field, expected, found } => {
                write!(f, "header.{field}: found {expected}, the body has {found}")
            }
            Self::BodyField { field, expected_present, fork } => {
                write!(f, "block.{field}: {} ({fork})", presence(*expected_present))
            }
            Self::TooLong { max, found } => write!(f, "block: expected at most {max} bytes, found {found}"),
            Self::Ommer { index, reason } => write!(f, "ommers[{index}]: {reason}"),
            Self::Transaction { index, error } => write!(f, "transactions[{index}].{error}"),
            Self::GasUsed { expected, found } => {
                write!(f, "header.gas_used: found {expected}, executing the transactions used {found}")
            }
            Self::GasUsedAboveLimit { limit, found } => {
                write!(f, "gas used: expected at most {limit}, the gas limit, executing the transactions used {found}")
            }
            Self::BlobGasUsed { expected, found } => {
                write!(f, "header.blob_gas_used: found {expected}, the transactions carry {found}")
            }
            Self::Root { field, expected, found } => {
                write!(f, "header.{field}: found {expected}, execution gave {found}")
            }
            Self::LogsBloom => f.write_str("header.logs_bloom: differs from that of the receipts"),
            Self::SystemContractEmpty { address } => write!(f, "system contract {address}: expected code, found none"),
            Self::SystemCallFailed { address } => write!(f, "system call to {address}: expected success, it failed"),
            Self::Module { address, violation } => write!(f, "native module {address}: {}", violation.text),
            Self::DepositLayout { field, expected, found } => {
                write!(f, "deposit event: {field}: expected {expected}, found {found}")
            }
            Self::AccessListForm(error) => error.fmt(f),
            Self::AccessListTooLong { max, found } => {
                write!(f, "block access list: expected at most {max} items, found {found}")
            }
            Self::AccessList(difference) => difference.fmt(f),
            Self::PostStateRoot(message) => write!(f, "state root after a transaction: {message}"),
            Self::Read(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for BlockError {}

impl BlockError {
    /// What a transaction's error says of its block: nothing where the state could not be read.
    pub fn of_transaction(index: usize, error: TxError) -> Self {
        match error {
            TxError::Read(error) => Self::Read(error),
            error => Self::Transaction { index, error: Box::new(error) },
        }
    }
}

impl From<ReadError> for BlockError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}
