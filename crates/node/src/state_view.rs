//! The state after one block.

use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_state::{Account, Code, Diff, ReadError, StateReader};
use rialto_trie::{Nibbles, StateNodeSource, TrieError, proof::AccountProof};
use std::sync::Arc;

/// The state after one block: a canonical state of the store below the layers of blocks that are not committed, and, in dev
/// mode, of changes made outside of blocks. Cheap to clone; `Send + Sync`.
#[derive(Clone)]
pub struct StateView {}

impl StateView {
    /// This state with `diff` applied. It answers reads; roots and proofs are those of the state below.
    pub fn with_diff(&self, _diff: Arc<Diff>) -> Self {
        todo!()
    }

    /// The state root (of the block's header).
    pub fn root(&self) -> B256 {
        todo!()
    }

    /// Proves an account and some of its slots (EIP-1186).
    pub fn prove(&self, _address: &Address, _slots: &[U256]) -> Result<AccountProof, TrieError> {
        todo!()
    }
}

impl StateReader for StateView {
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

impl StateNodeSource for StateView {
    fn state_node(&self, _account: Option<&B256>, _path: &Nibbles, _hash: &B256) -> Result<Option<Bytes>, TrieError> {
        todo!()
    }
}
