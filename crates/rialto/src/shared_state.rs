//! A witness as threads read it: one at a time.
//!
//! A witness remembers the accounts that it has decoded, which only one thread at a time may do. Reading it is little work beside
//! running a block, so a lock around it does.

use alloy_primitives::{Address, B256, U256};
use rialto_state::{Account, Code, Diff, ReadError, StateReader};
use rialto_trie::{TrieError, WitnessState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// See the module's documentation.
pub struct SharedWitness(Mutex<WitnessState>);

impl SharedWitness {
    /// The state of a witness.
    pub fn new(state: WitnessState) -> Self {
        Self(Mutex::new(state))
    }

    fn state(&self) -> MutexGuard<'_, WitnessState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state root after `diff`.
    pub fn apply(&self, diff: &Diff) -> Result<B256, TrieError> {
        self.state().apply(diff)
    }
}

impl StateReader for SharedWitness {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        self.state().account(address)
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        self.state().storage(address, slot)
    }

    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        self.state().has_storage(address)
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        self.state().code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.state().block_hash(number)
    }
}
