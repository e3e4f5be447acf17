//! Looking at a journal without touching it.
//!
//! A tracer, or whoever asks for an account between two transactions, must not change what execution does next: nothing
//! gets warm, loaded or numbered by a look. What the journal has not read yet is asked of the reader and forgotten again.

use super::{AccountEntry, Journal, SlotEntry, hash_address, hash_slot};
use crate::{Account, Code, ReadError, StateReader};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};

/// A slot as a look shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotLook {
    /// Current word.
    pub value: U256,
    /// Word at the start of the open transaction.
    pub original: U256,
    /// Whether it is warm in the open transaction (EIP-2929).
    pub is_warm: bool,
}

impl Journal<'_> {
    fn find_entry(&self, address: &Address) -> Option<(u32, &AccountEntry)> {
        let hash = hash_address(&self.hasher, address);
        let id = *self.account_index.find(hash, |&id| self.accounts[id as usize].address == *address)?;
        Some((id, &self.accounts[id as usize]))
    }

    fn find_slot(&self, account: u32, generation: u32, key: &U256) -> Option<&SlotEntry> {
        let hash = hash_slot(&self.hasher, account, generation, key);
        let is_it = |&id: &u32| {
            let slot = &self.slots[id as usize];
            slot.key == *key && slot.account == account && slot.generation == generation
        };
        self.slot_index.find(hash, is_it).map(|&id| &self.slots[id as usize])
    }

    /// The account as it stands, `None` where there is none.
    pub fn peek_account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        match self.find_entry(address) {
            Some((_, entry)) if entry.loaded => Ok(entry.exists.then_some(entry.info)),
            _ => self.reader.account(address),
        }
    }

    /// The account's code as it stands; empty where there is no account.
    pub fn peek_code(&self, address: &Address) -> Result<Code, ReadError> {
        if let Some((_, entry)) = self.find_entry(address)
            && entry.loaded
            && let Some(code) = &entry.code
        {
            return Ok(code.clone());
        }
        match self.peek_account(address)? {
            Some(account) if account.code_hash != KECCAK256_EMPTY => match self.code_set_here(&account.code_hash) {
                Some(code) => Ok(code),
                None => self.reader.code(&account.code_hash),
            },
            _ => Ok(Code::empty()),
        }
    }

    /// A slot as it stands.
    pub fn peek_slot(&self, address: &Address, key: &U256) -> Result<SlotLook, ReadError> {
        let below = |value| SlotLook { value, original: value, is_warm: false };
        let Some((id, entry)) = self.find_entry(address) else {
            return self.reader.storage(address, key).map(below);
        };
        let found = self.find_slot(id, entry.generation, key);
        let is_warm = found.is_some_and(|slot| slot.warm_tx == self.tx);
        if let Some(slot) = found
            && slot.loaded
        {
            let original = if slot.original_tx == self.tx { slot.original } else { slot.value };
            return Ok(SlotLook { value: slot.value, original, is_warm });
        }
        let has_below = entry.generation == 0 && (!entry.loaded || self.account_bases[id as usize].account.is_some());
        let value = if has_below { self.reader.storage(address, key)? } else { U256::ZERO };
        Ok(SlotLook { value, original: value, is_warm })
    }

    /// Slots of the account that a transaction read or wrote, by its number ([`Journal::transaction`]), with their words at its start: of
    /// those that no later one touched.
    pub fn touched_slots(&self, address: &Address, transaction: u32) -> impl Iterator<Item = (U256, U256)> + '_ {
        let account = self.find_entry(address).map(|(id, _)| id);
        let touched = move |slot: &&SlotEntry| Some(slot.account) == account && slot.original_tx == transaction;
        self.slots.iter().filter(touched).map(|slot| (slot.key, slot.original))
    }

    /// Whether the account is warm in the open transaction (EIP-2929).
    pub fn peek_is_warm(&self, address: &Address) -> bool {
        self.find_entry(address).is_some_and(|(_, entry)| entry.warm_tx == self.tx)
    }

    /// Whether the open transaction created the account (EIP-6780).
    pub fn peek_is_created(&self, address: &Address) -> bool {
        self.find_entry(address).is_some_and(|(_, entry)| entry.created_tx == self.tx)
    }
}

/// A journal as a reader of the state that its changes leave.
pub struct JournalReader<'j, 'r>(pub &'j Journal<'r>);

impl StateReader for JournalReader<'_, '_> {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        self.0.peek_account(address)
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        self.0.peek_slot(address, slot).map(|look| look.value)
    }

    /// Asked of accounts without nonce and code, which can't have got any storage since.
    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        let is_wiped = self.0.find_entry(address).is_some_and(|(_, entry)| entry.generation > 0);
        Ok(!is_wiped && self.0.reader.has_storage(address)?)
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        match self.0.code_set_here(code_hash) {
            Some(code) => Ok(code),
            None => self.0.reader.code(code_hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.0.reader.block_hash(number)
    }
}
