//! The JSON forms of blocks, transactions, receipts, access lists and states.
//!
//! Three dialects meet here, and each reader takes them all: the fixtures of the execution-spec-tests (`coinbase`,
//! `gasLimit`, `data`), JSON-RPC (`miner`, `gas`, `input`) and geth's `genesis.json`. Where a dialect has its own name for
//! a field the reader tries the names in order; unknown fields are ignored, since every dialect carries extra ones.
//!
//! * [`JsonCursor`] is a value with the path that led to it, so that an error says where it is.
//! * [`header`], [`transaction`], [`block`], [`receipt`] and [`block_access_list`] give the types of blocks.
//! * [`alloc()`] and [`block_hashes`] give states.

mod blocks;
mod cursor;
mod states;

pub use blocks::{
    BlockJson, access_list, authorization_list, block, block_access_list, header, receipt, transaction,
    unsigned_transaction, withdrawal,
};
pub use cursor::{JsonCursor, JsonError, JsonErrorKind, parse};
pub use states::{Alloc, AllocAccount, alloc, block_hashes, memory_state};
