//! A state with changes on top.

use alloy_primitives::{Address, B256, U256};
use rialto_state::{Account, Code, Diff, ReadError, StateReader};
use std::collections::{BTreeMap, HashMap, HashSet};

/// A state with changes on top. Changes are merged as they come in, so that a read costs the same after many simulated blocks
/// as after one.
pub(crate) struct Overlay<'a> {
    base: &'a dyn StateReader,
    accounts: HashMap<Address, Option<Account>>,
    storage: HashMap<Address, HashMap<U256, U256>>,
    wiped: HashSet<Address>,
    codes: HashMap<B256, Code>,
    block_hashes: BTreeMap<u64, B256>,
    /// Blocks from this number on have no hash but those that were set.
    first_unknown_block: u64,
}

impl<'a> Overlay<'a> {
    /// `base` without changes, for blocks below `first_unknown_block`.
    pub(crate) fn new(base: &'a dyn StateReader, first_unknown_block: u64) -> Self {
        Self {
            base,
            accounts: HashMap::new(),
            storage: HashMap::new(),
            wiped: HashSet::new(),
            codes: HashMap::new(),
            block_hashes: BTreeMap::new(),
            first_unknown_block,
        }
    }

    /// Sets what BLOCKHASH gives for a block.
    pub(crate) fn set_block_hash(&mut self, number: u64, hash: B256) {
        self.block_hashes.insert(number, hash);
    }

    /// Applies changes.
    pub(crate) fn apply(&mut self, diff: &Diff) {
        for code in &diff.codes {
            self.codes.insert(code.hash(), code.clone());
        }
        for change in &diff.accounts {
            self.accounts.insert(change.address, change.after);
            if change.storage_wiped || change.after.is_none() {
                self.wiped.insert(change.address);
                self.storage.remove(&change.address);
            }
            if !change.storage.is_empty() {
                let slots = self.storage.entry(change.address).or_default();
                slots.extend(change.storage.iter().map(|slot| (slot.slot, slot.after)));
            }
        }
    }
}

impl StateReader for Overlay<'_> {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        match self.accounts.get(address) {
            Some(account) => Ok(*account),
            None => self.base.account(address),
        }
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        if let Some(value) = self.storage.get(address).and_then(|slots| slots.get(slot)) {
            return Ok(*value);
        }
        if self.wiped.contains(address) { Ok(U256::ZERO) } else { self.base.storage(address, slot) }
    }

    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        let is_written = |slots: &HashMap<U256, U256>| slots.values().any(|value| !value.is_zero());
        if self.storage.get(address).is_some_and(is_written) {
            return Ok(true);
        }
        if self.wiped.contains(address) { Ok(false) } else { self.base.has_storage(address) }
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        match self.codes.get(code_hash) {
            Some(code) => Ok(code.clone()),
            None => self.base.code(code_hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        if let Some(hash) = self.block_hashes.get(&number) {
            return Ok(*hash);
        }
        if number >= self.first_unknown_block {
            return Ok(B256::ZERO);
        }
        match self.base.block_hash(number) {
            Err(ReadError::MissingBlockHash { .. }) => Ok(B256::ZERO),
            answer => answer,
        }
    }
}
