//! A whole state in memory: the reader behind tests, benchmarks and one-shot commands.

use crate::{Account, Code, Diff, ReadError, StateReader};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use hashbrown::HashMap;

type Map<K, V> = HashMap<K, V, foldhash::fast::FixedState>;

/// An account with its storage.
#[derive(Clone, Debug, Default)]
pub struct MemoryAccount {
    /// Nonce, balance and code hash.
    pub info: Account,
    /// Non-zero slots.
    pub storage: Map<U256, U256>,
}

/// Accounts, codes and block hashes in hash maps.
#[derive(Clone, Debug, Default)]
pub struct MemoryState {
    accounts: Map<Address, MemoryAccount>,
    codes: Map<B256, Code>,
    block_hashes: Map<u64, B256>,
}

impl MemoryState {
    /// Adds or replaces an account; slots with the value zero are left out.
    pub fn insert_account(
        &mut self,
        address: Address,
        nonce: u64,
        balance: U256,
        code: Bytes,
        storage: impl IntoIterator<Item = (U256, U256)>,
    ) {
        let code = Code::new(code);
        let info = Account { nonce, balance, code_hash: code.hash() };
        self.codes.insert(code.hash(), code);
        let storage = storage.into_iter().filter(|(_, value)| !value.is_zero()).collect();
        self.accounts.insert(address, MemoryAccount { info, storage });
    }

    /// Makes `hash` the answer for block `number`.
    pub fn insert_block_hash(&mut self, number: u64, hash: B256) {
        self.block_hashes.insert(number, hash);
    }

    /// The account at `address`.
    pub fn get(&self, address: &Address) -> Option<&MemoryAccount> {
        self.accounts.get(address)
    }

    /// The code with this hash.
    pub fn get_code(&self, code_hash: &B256) -> Option<&Code> {
        self.codes.get(code_hash)
    }

    /// All accounts, in no order that may reach a result.
    pub fn iter(&self) -> impl Iterator<Item = (&Address, &MemoryAccount)> {
        self.accounts.iter()
    }

    /// Number of accounts.
    pub fn len(&self) -> usize {
        self.accounts.len()
    }

    /// Whether there is no account.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// Applies a diff.
    pub fn apply(&mut self, diff: &Diff) {
        for code in &diff.codes {
            self.codes.insert(code.hash(), code.clone());
        }
        for change in &diff.accounts {
            let Some(after) = change.after else {
                self.accounts.remove(&change.address);
                continue;
            };
            let account = self.accounts.entry(change.address).or_default();
            account.info = after;
            if change.storage_wiped {
                account.storage.clear();
            }
            for slot in &change.storage {
                if slot.after.is_zero() {
                    account.storage.remove(&slot.slot);
                } else {
                    account.storage.insert(slot.slot, slot.after);
                }
            }
        }
    }
}

impl StateReader for MemoryState {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        Ok(self.accounts.get(address).map(|account| account.info))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        Ok(self.accounts.get(address).and_then(|account| account.storage.get(slot)).copied().unwrap_or_default())
    }

    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        Ok(self.accounts.get(address).is_some_and(|account| !account.storage.is_empty()))
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        if *code_hash == KECCAK256_EMPTY {
            return Ok(Code::empty());
        }
        self.codes.get(code_hash).cloned().ok_or(ReadError::MissingCode { code_hash: *code_hash })
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.block_hashes.get(&number).copied().ok_or(ReadError::MissingBlockHash { number })
    }
}
