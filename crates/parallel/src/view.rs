//! What a transaction reads, from its place in the block.
//!
//! A view belongs to one thread, which aims it at the transaction that it is about to run.
//!
//! # Foresight
//! Of a transaction whose sender has an earlier one that is not done yet, the nonce that it will find is known beforehand: its own,
//! or the block is not valid. The view says so, and the check at its turn finds out whether it was true. So a sender's
//! transactions run at the same time like anybody's.

use crate::memory::{BlockMemory, Index, Seen};
use alloy_primitives::{Address, B256, U256};
use rialto_state::{Account, Code, ReadError, StateReader};
use std::cell::Cell;

/// See the module's documentation.
pub(crate) struct View<'m, 'r> {
    memory: &'m BlockMemory<'r>,
    index: Cell<Index>,
    foreseen: Cell<Option<(Address, u64)>>,
    awaited: Cell<Option<Index>>,
}

impl<'m, 'r> View<'m, 'r> {
    /// A view from before the first transaction.
    pub fn new(memory: &'m BlockMemory<'r>) -> Self {
        Self { memory, index: Cell::new(0), foreseen: Cell::new(None), awaited: Cell::new(None) }
    }

    /// Looks from the place of the transaction at `index`. `foreseen` is an account with the nonce that it will have.
    pub fn aim(&self, index: Index, foreseen: Option<(Address, u64)>) {
        self.index.set(index);
        self.foreseen.set(foreseen);
        self.awaited.set(None);
    }

    /// The transaction that has to be run before this one can be, if that is why a read failed.
    pub fn awaited(&self) -> Option<Index> {
        self.awaited.get()
    }

    fn value<T>(&self, seen: Seen<T>) -> Result<T, ReadError> {
        match seen {
            Seen::Value(value) => Ok(value),
            Seen::Estimate(by) => {
                self.awaited.set(Some(by));
                Err(ReadError::Backend("an earlier transaction is run again".into()))
            }
        }
    }
}

impl StateReader for View<'_, '_> {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        let account = self.value(self.memory.account_at(address, self.index.get())?)?;
        match self.foreseen.get() {
            Some((sender, nonce)) if sender == *address => Ok(account.map(|account| Account { nonce, ..account })),
            _ => Ok(account),
        }
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        self.value(self.memory.slot_at(address, slot, self.index.get())?)
    }

    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        self.memory.has_storage(address)
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        self.memory.code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.memory.block_hash(number)
    }
}
