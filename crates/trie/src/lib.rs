//! Merkle Patricia tries: the roots in a block header, and the proofs and witnesses behind them.
//!
//! * [`roots`] computes roots of things that are thrown away afterwards: transactions, receipts, withdrawals, an alloc.
//! * [`Trie`] is the one trie with nodes. Its children may be *blinded* (known by hash only) and are then fetched from a
//!   [`NodeSource`], so the same code is a full trie in memory, a witness trie and a trie in a database.
//! * [`StateTrie`] is the world state in memory: accounts and their storages, updated by a `Diff`.
//! * [`proof`] has inclusion and exclusion proofs; [`WitnessState`] answers reads and applies a diff from a witness alone,
//!   and [`witness::produce`] makes such a witness.
//!
//! Everything here is a pure function of its input: no hash-map order reaches a result, and malformed input is an error.
#![no_std]
extern crate alloc;

mod error;
#[doc(hidden)]
pub mod fuzz_support;
mod key;
mod node;
pub mod proof;
pub mod roots;
mod source;
mod state_trie;
mod trie;
pub mod update;
pub mod witness;

pub use alloy_trie::{EMPTY_ROOT_HASH, KECCAK_EMPTY, TrieAccount};
pub use error::{NodeError, TrieError};
pub use nybbles::Nibbles;
pub use source::{EmptySource, NodeBag, NodeSource, OneTrie, StateNodeSource};
pub use state_trie::{StateNodeChanges, StateTrie};
pub use trie::{Iter, NodeChanges, Trie};
pub use update::Job;
pub use witness::WitnessState;
