#![no_std]
extern crate alloc;

mod block;
mod block_access_list;
mod fuzz_support;
mod header;
#[cfg(feature = "json")]
pub mod json;
mod receipt;
mod rlp;
mod signature;
mod transaction;

pub use block::{Block, Withdrawal, ommers_hash};
pub use block_access_list::{
    AccountChanges, BalanceChange, BlockAccessList, BlockAccessListError, ChangeList, CodeChange, NonceChange,
    SlotChanges, StorageChange,
};
#[doc(hidden)]
pub use fuzz_support::check_decode;
pub use header::Header;
pub use receipt::{Receipt, ReceiptStatus, logs_bloom};
pub use rlp::{DecodeError, DecodeErrorKind, RlpReader, RlpWriter, WithPath};
pub use signature::{SRange, Signature, SignatureError};
#[cfg(feature = "std")]
pub use signature::{address_of_secret_key, sign_hash};
pub use transaction::{AccessListItem, Authorization, Transaction, TxType};
