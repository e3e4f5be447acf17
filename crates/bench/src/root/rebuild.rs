//! The root over all accounts and storages with alloy-trie's `HashBuilder`, from nothing.
//!
//! Keys are hashed and sorted beforehand, which the builder demands and which is not timed. Timed are the encoding of
//! words and accounts, a builder for each storage, and the one for the accounts.

use alloy_primitives::{B256, U256, keccak256};
use alloy_rlp::Encodable;
use alloy_trie::{EMPTY_ROOT_HASH, HashBuilder, TrieAccount};
use rialto_state::{Account, MemoryState};
use rialto_trie::Nibbles;

/// Words of a storage by ascending hashed slots.
type SortedStorage = Vec<(B256, U256)>;

/// A state by ascending hashed keys.
pub(crate) struct SortedState {
    accounts: Vec<(B256, Account, SortedStorage)>,
}

impl SortedState {
    pub(crate) fn new(state: &MemoryState) -> Self {
        let hashed = |slot: &U256| keccak256(slot.to_be_bytes::<32>());
        let mut accounts: Vec<_> = state
            .iter()
            .map(|(address, account)| {
                let mut storage: SortedStorage =
                    account.storage.iter().map(|(slot, word)| (hashed(slot), *word)).collect();
                storage.sort_unstable();
                (keccak256(address), account.info, storage)
            })
            .collect();
        accounts.sort_unstable_by_key(|(key, ..)| *key);
        Self { accounts }
    }

    /// The state root.
    pub(crate) fn root(&self) -> B256 {
        let mut accounts = HashBuilder::default();
        let mut value = Vec::with_capacity(128);
        for (key, account, storage) in &self.accounts {
            let Account { nonce, balance, code_hash } = *account;
            let storage_root = storage_root(storage, &mut value);
            value.clear();
            TrieAccount { nonce, balance, storage_root, code_hash }.encode(&mut value);
            accounts.add_leaf(Nibbles::unpack(key), &value);
        }
        accounts.root()
    }
}

fn storage_root(storage: &[(B256, U256)], value: &mut Vec<u8>) -> B256 {
    if storage.is_empty() {
        return EMPTY_ROOT_HASH;
    }
    let mut builder = HashBuilder::default();
    for (key, word) in storage {
        value.clear();
        word.encode(value);
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    builder.root()
}
