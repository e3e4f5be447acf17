//! Records what an execution reads, for witnesses.
//!
//! The journal asks its reader exactly once per item that execution really needs, after gas for it was paid. Wrapping
//! the reader is therefore enough to know the witness; execution itself does not know that it is recorded.

use crate::{Account, Code, ReadError, StateReader};
use alloc::collections::{BTreeMap, BTreeSet};
use alloy_primitives::{Address, B256, U256};
use core::cell::RefCell;

/// Everything that was read, ordered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessRecord {
    /// Accounts read, with the slots read of each.
    pub accounts: BTreeMap<Address, BTreeSet<U256>>,
    /// Codes read, by hash.
    pub codes: BTreeMap<B256, Code>,
    /// Numbers of the blocks whose hash was read.
    pub block_numbers: BTreeSet<u64>,
}

/// A reader that passes every question on and remembers it.
pub struct WitnessRecorder<'a> {
    inner: &'a dyn StateReader,
    record: RefCell<AccessRecord>,
}

impl<'a> WitnessRecorder<'a> {
    /// Records the reads that go through to `inner`.
    pub fn new(inner: &'a dyn StateReader) -> Self {
        Self { inner, record: RefCell::default() }
    }

    /// What was read so far.
    pub fn into_record(self) -> AccessRecord {
        self.record.into_inner()
    }
}

impl StateReader for WitnessRecorder<'_> {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        self.record.borrow_mut().accounts.entry(*address).or_default();
        self.inner.account(address)
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        self.record.borrow_mut().accounts.entry(*address).or_default().insert(*slot);
        self.inner.storage(address, slot)
    }

    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        self.record.borrow_mut().accounts.entry(*address).or_default();
        self.inner.has_storage(address)
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        let code = self.inner.code(code_hash)?;
        self.record.borrow_mut().codes.insert(*code_hash, code.clone());
        Ok(code)
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.record.borrow_mut().block_numbers.insert(number);
        self.inner.block_hash(number)
    }
}
