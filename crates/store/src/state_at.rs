//! The state after one canonical block.
//!
//! The flat tables hold what is true after the head. A history holds, for each key and each block that changed it, the value
//! before that block. So the value after block N is the one before the first block above N that changed the key, and where there
//! is no such block the flat one: one seek and at most one lookup, however long ago N was. The head needs the lookup only.
//!
//! Trie nodes are keyed by path and so go the same way. A node is given only if its hash is the one asked for: whoever asks for a
//! node of another state, or reads a damaged page, gets no node instead of a wrong one.

use crate::codec::{account_key, decode_account, decode_word, history_key, node_key, slot_key};
use crate::snapshot::BytesReader;
use crate::tables::Domain;
use crate::{Snapshot, StoreError};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use redb::AccessGuard;
use rialto_state::{Account, Code, ReadError, StateReader};
use rialto_trie::{Nibbles, StateNodeSource, TrieError};
use std::sync::Arc;

/// The state after one canonical block. Cheap to clone; `Send + Sync`.
#[derive(Clone, Debug)]
pub struct StateAt {
    snapshot: Arc<Snapshot>,
    number: u64,
    is_head: bool,
}

type Value<'a> = AccessGuard<'a, &'static [u8]>;

fn backend(error: impl Into<StoreError>) -> ReadError {
    ReadError::Backend(error.into().to_string())
}

impl StateAt {
    pub(crate) fn new(snapshot: Arc<Snapshot>, number: u64) -> Self {
        let is_head = number == snapshot.head().0;
        Self { snapshot, number, is_head }
    }

    /// Number of the block.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The flat table of a domain, and its history where that is needed.
    pub(crate) fn tables(&self, domain: Domain) -> (&BytesReader, Option<&BytesReader>) {
        let Snapshot { flat, history, .. } = &*self.snapshot;
        (&flat[domain as usize], (!self.is_head).then_some(&history[domain as usize]))
    }

    /// The value of a key after the block.
    pub(crate) fn read(&self, domain: Domain, key: &[u8]) -> Result<Option<Value<'_>>, StoreError> {
        if !self.is_head
            && let Some(before) = self.read_history(domain, key)?
        {
            return Ok(Some(before).filter(|value| !value.value().is_empty()));
        }
        Ok(self.snapshot.flat[domain as usize].get(key)?)
    }

    /// The value before the first later block that changed the key; empty if there was none then.
    fn read_history(&self, domain: Domain, key: &[u8]) -> Result<Option<Value<'_>>, StoreError> {
        let corrupt = || StoreError::corrupt("a key");
        // A state that is not the head's has a block above it.
        let first = history_key(domain, key, self.number + 1).ok_or_else(corrupt)?;
        let last = history_key(domain, key, u64::MAX).ok_or_else(corrupt)?;
        let mut entries = self.snapshot.history[domain as usize].range::<&[u8]>(&first[..]..=&last[..])?;
        Ok(entries.next().transpose()?.map(|(_, value)| value))
    }
}

impl StateReader for StateAt {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        let record = self.read(Domain::Accounts, &account_key(address)).map_err(backend)?;
        let decode = |record: Value<'_>| {
            decode_account(record.value()).ok_or_else(|| backend(StoreError::corrupt(format!("account {address}"))))
        };
        record.map(decode).transpose()
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        let record = self.read(Domain::Storage, &slot_key(address, slot)).map_err(backend)?;
        let corrupt = || backend(StoreError::corrupt(format!("slot {slot:#x} of account {address}")));
        record.map_or(Ok(U256::ZERO), |record| decode_word(record.value()).ok_or_else(corrupt))
    }

    /// A storage has slots exactly where its trie has a root node, so this costs one read whatever the storage's size.
    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        let root = node_key(Some(&keccak256(address)), &Nibbles::default());
        Ok(self.read(Domain::StorageNodes, &root).map_err(backend)?.is_some())
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        if *code_hash == KECCAK256_EMPTY {
            return Ok(Code::empty());
        }
        if let Some(code) = self.snapshot.code_cache.get(code_hash) {
            return Ok(code);
        }
        let record = self.snapshot.codes.get(&code_hash.0).map_err(backend)?;
        let record = record.ok_or(ReadError::MissingCode { code_hash: *code_hash })?;
        let code = Code::new(Bytes::copy_from_slice(record.value()));
        if code.hash() != *code_hash {
            return Err(backend(StoreError::corrupt(format!("code {code_hash}"))));
        }
        self.snapshot.code_cache.insert(code.clone());
        Ok(code)
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        let hash = if number <= self.number { self.snapshot.canonical_hash(number).map_err(backend)? } else { None };
        hash.ok_or(ReadError::MissingBlockHash { number })
    }
}

impl StateNodeSource for StateAt {
    fn state_node(&self, account: Option<&B256>, path: &Nibbles, hash: &B256) -> Result<Option<Bytes>, TrieError> {
        let domain = if account.is_some() { Domain::StorageNodes } else { Domain::AccountNodes };
        let node = self.read(domain, &node_key(account, path));
        let node = node.map_err(|error| TrieError::Source { hash: *hash, message: error.to_string() })?;
        Ok(node.filter(|node| keccak256(node.value()) == *hash).map(|node| Bytes::copy_from_slice(node.value())))
    }

    fn is_slow(&self) -> bool {
        true
    }
}
