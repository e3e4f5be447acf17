//! What the database held at one instant.

use crate::{BlockLocation, StoreError, StoredBlock};
use alloy_primitives::{Address, B256, Bloom, Bytes, U256};
use rialto_state::{Account, Code, ReadError, StateReader};
use rialto_trie::{Nibbles, StateNodeSource, TrieError};
use std::sync::Arc;

/// What the database held at one instant. Cheap to make and to share; `Send + Sync`.
pub struct Snapshot {}

impl Snapshot {
    /// Number and hash of the last canonical block.
    pub fn head(&self) -> (u64, B256) {
        todo!()
    }
    /// Hash of the safe block, zero if none was set.
    pub fn safe(&self) -> B256 {
        todo!()
    }
    /// Hash of the finalized block, zero if none was set.
    pub fn finalized(&self) -> B256 {
        todo!()
    }
    /// Oldest canonical block whose state can be read.
    pub fn oldest_state(&self) -> u64 {
        todo!()
    }
    /// The caller's note, empty if there is none.
    pub fn note(&self) -> Result<Vec<u8>, StoreError> {
        todo!()
    }
    /// Hash of the canonical block with this number.
    pub fn canonical_hash(&self, _number: u64) -> Result<Option<B256>, StoreError> {
        todo!()
    }
    /// Number of the block with this hash, canonical or not.
    pub fn number_of(&self, _hash: &B256) -> Result<Option<u64>, StoreError> {
        todo!()
    }
    /// Encoded header of the block with this hash, canonical or not.
    pub fn header(&self, _hash: &B256) -> Result<Option<Bytes>, StoreError> {
        todo!()
    }
    /// The block with this hash, canonical or not.
    pub fn block(&self, _hash: &B256) -> Result<Option<StoredBlock>, StoreError> {
        todo!()
    }
    /// Encoded receipts of the block with this hash, if it is or was canonical.
    pub fn receipts(&self, _hash: &B256) -> Result<Option<Bytes>, StoreError> {
        todo!()
    }
    /// Where the transaction with this hash is in the canonical chain.
    pub fn transaction(&self, _hash: &B256) -> Result<Option<BlockLocation>, StoreError> {
        todo!()
    }
    /// Calls `visit` with number and bloom of the canonical blocks from `first` to `last` that have logs, ascending, until it
    /// returns false.
    pub fn blooms(
        &self,
        _first: u64,
        _last: u64,
        _visit: &mut dyn FnMut(u64, &Bloom) -> bool,
    ) -> Result<(), StoreError> {
        todo!()
    }
    /// The state after the canonical block with this number.
    pub fn state_at(self: &Arc<Self>, _number: u64) -> Result<StateAt, StoreError> {
        todo!()
    }
}

/// The state after one canonical block. Cheap to clone; `Send + Sync`.
#[derive(Clone)]
pub struct StateAt {}

impl StateReader for StateAt {
    fn account(&self, _address: &Address) -> Result<Option<Account>, ReadError> {
        todo!()
    }
    fn storage(&self, _address: &Address, _slot: &U256) -> Result<U256, ReadError> {
        todo!()
    }
    fn has_storage(&self, _address: &Address) -> Result<bool, ReadError> {
        todo!()
    }
    fn code(&self, _code_hash: &B256) -> Result<Code, ReadError> {
        todo!()
    }
    fn block_hash(&self, _number: u64) -> Result<B256, ReadError> {
        todo!()
    }
}

impl StateNodeSource for StateAt {
    fn state_node(&self, _account: Option<&B256>, _path: &Nibbles, _hash: &B256) -> Result<Option<Bytes>, TrieError> {
        todo!()
    }
}
