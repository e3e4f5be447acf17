//! Ethereum's state transition function.
//!
//! [`execute`] takes a block and a reader of the state before it and returns an [`Outcome`]; [`validate_header`] and
//! [`verify_outcome`] check the block around it. What depends on the fork is in two tables, [`BlockRules`] here and
//! [`rialto_vm::Rules`]; a [`ChainSpec`] says which fork holds where. [`BlockExecutor`] is the same, step by step.
#![no_std]
extern crate alloc;

mod access_list;
mod access_list_difference;
mod block;
mod block_access_list;
mod block_rules;
mod chain;
mod checks;
mod dao;
mod difficulty;
mod error;
mod execute;
mod executor;
mod fees;
mod fuzz_support;
#[cfg(feature = "json")]
mod genesis;
mod header;
mod header_rules;
mod intrinsic;
#[cfg(feature = "json")]
pub mod json;
mod receipt;
mod rlp;
mod runner;
mod signature;
mod system;
mod transact;
mod transaction;

pub use access_list::{BlockListBuilder, set_balance_change};
pub use access_list_difference::BlockAccessListDifference;
pub use block::{Block, Withdrawal, ommers_hash};
pub use block_access_list::{
    AccountChanges, BalanceChange, BlockAccessList, BlockAccessListError, ChangeList, CodeChange, NonceChange,
    SlotChanges, StorageChange,
};
pub use block_rules::{BlockRules, DifficultyRule};
pub use chain::{Activation, BlobParams, ChainModule, ChainSpec, MAINNET_DEPOSIT_CONTRACT};
pub use checks::Checks;
pub use difficulty::{difficulty_after, next_difficulty};
pub use error::{BlockError, TxError};
pub use execute::{access_list_of, execute, receipts_root, verify_outcome};
pub use executor::{BlockExecutor, Executed, Outcome, RootAfter, TxGas};
pub use fees::{GAS_PER_BLOB, blob_base_fee, next_base_fee, next_excess_blob_gas};
#[doc(hidden)]
pub use fuzz_support::check_decode;
#[cfg(feature = "json")]
pub use genesis::{Genesis, GenesisError, blob_params_from_json};
pub use header::Header;
pub use header_rules::{
    base_fee_after, excess_blob_gas_after, transactions_root, validate_body, validate_header, validate_ommers,
    withdrawals_root,
};
pub use intrinsic::IntrinsicGas;
pub use receipt::{LogHasher, Receipt, ReceiptStatus, logs_bloom};
pub use rlp::{DecodeError, DecodeErrorKind, RlpReader, RlpWriter, WithPath};
pub use runner::{TrialEffects, TxRunner, UnitEffects};
pub use signature::{SRange, Signature, SignatureError};
#[cfg(feature = "std")]
pub use signature::{address_of_secret_key, sign_hash};
pub use system::requests_hash;
pub use transact::{TxOutcome, recover_sender, validate_form};
pub use transaction::{AccessListItem, Authorization, Transaction, TxType};
