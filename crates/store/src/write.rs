//! One write transaction: all tables open, and what a commit does to them.
//!
//! [`Writer::put`] is the only function that changes the state's tables. It leaves the value from before in the history and the key
//! among the block's changes, so every change can be read around (by [`StateAt`](crate::StateAt)), undone (by
//! [`Writer::unwind_block`]) and forgotten (by pruning). Invariant: a block's changes name a key exactly where the history has an
//! entry of that key and block. Keys are written in ascending order wherever that is to be had, which is kind to a B-tree.
//!
//! The values before come from the tables and not from the diff: a diff that is wrong about them can't damage the history.

use crate::codec::{
    ByteBuf, account_key, block_key, changes_key, decode_changes, decode_changes_key, encode_account, encode_body,
    encode_word, history_key, node_key, slot_key,
};
use crate::tables::{self, CHUNK_KEYS, Domain, meta};
use crate::{CanonicalBlock, StoreError, StoredBlock};
use alloy_primitives::{Address, B256, Bytes};
use redb::{ReadableTable, Table, WriteTransaction};
use rialto_state::{AccountDiff, Code, Diff, MemoryState};
use rialto_trie::{NodeChanges, StateNodeChanges};
use std::collections::BTreeMap;

/// A table with keys and values of any length.
pub(crate) type BytesWriter<'t> = Table<'t, &'static [u8], &'static [u8]>;

/// See the module's comment.
pub(crate) struct Writer<'t> {
    pub meta: Table<'t, &'static str, &'static [u8]>,
    pub canonical: Table<'t, u64, &'static [u8; 32]>,
    pub numbers: Table<'t, &'static [u8; 32], u64>,
    pub headers: Table<'t, &'static [u8; 40], &'static [u8]>,
    pub bodies: Table<'t, &'static [u8; 40], &'static [u8]>,
    pub receipts: Table<'t, &'static [u8; 40], &'static [u8]>,
    pub side_blocks: Table<'t, &'static [u8; 40], ()>,
    transactions: Table<'t, &'static [u8; 32], &'static [u8; 12]>,
    transaction_hashes: Table<'t, u64, &'static [u8]>,
    blooms: Table<'t, u64, &'static [u8; 256]>,
    codes: Table<'t, &'static [u8; 32], &'static [u8]>,
    pub changes: BytesWriter<'t>,
    flat: [BytesWriter<'t>; 4],
    pub history: [BytesWriter<'t>; 4],
    /// Keys changed so far, by which pruning is measured.
    pub changed_keys: usize,
    /// Blocks appended so far.
    pub appended_blocks: usize,
}

/// Keys that a block changes in one domain, on their way into `changes`.
struct ChangedKeys {
    number: u64,
    domain: Domain,
    chunk: u32,
    keys: usize,
    bytes: Vec<u8>,
}

impl ChangedKeys {
    fn new(number: u64, domain: Domain) -> Self {
        Self { number, domain, chunk: 0, keys: 0, bytes: Vec::new() }
    }
}

impl<'t> Writer<'t> {
    /// Opens all tables, and makes those that are not there yet.
    pub fn open(transaction: &'t WriteTransaction) -> Result<Self, StoreError> {
        let open = |table| transaction.open_table(table);
        let [flat_0, flat_1, flat_2, flat_3] = Domain::ALL.map(|domain| open(domain.flat()));
        let [history_0, history_1, history_2, history_3] = Domain::ALL.map(|domain| open(domain.history()));
        Ok(Self {
            meta: transaction.open_table(tables::META)?,
            canonical: transaction.open_table(tables::CANONICAL)?,
            numbers: transaction.open_table(tables::NUMBERS)?,
            headers: transaction.open_table(tables::HEADERS)?,
            bodies: transaction.open_table(tables::BODIES)?,
            receipts: transaction.open_table(tables::RECEIPTS)?,
            side_blocks: transaction.open_table(tables::SIDE_BLOCKS)?,
            transactions: transaction.open_table(tables::TRANSACTIONS)?,
            transaction_hashes: transaction.open_table(tables::TRANSACTION_HASHES)?,
            blooms: transaction.open_table(tables::BLOOMS)?,
            codes: transaction.open_table(tables::CODES)?,
            changes: open(tables::CHANGES)?,
            flat: [flat_0?, flat_1?, flat_2?, flat_3?],
            history: [history_0?, history_1?, history_2?, history_3?],
            changed_keys: 0,
            appended_blocks: 0,
        })
    }

    /// The value of a name in `meta`.
    pub fn read_meta(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.meta.get(name)?.map(|value| value.value().to_vec()))
    }

    // Blocks.

    /// Keeps a block's bytes, unless they are there.
    fn put_block(&mut self, block: &StoredBlock) -> Result<bool, StoreError> {
        if self.numbers.insert(&block.hash.0, block.number)?.is_some() {
            return Ok(false);
        }
        let key = block_key(block.number, &block.hash);
        let mut header = Vec::with_capacity(64 + block.header.len());
        header.extend_from_slice(block.parent_hash.as_slice());
        header.extend_from_slice(&block.total_difficulty.to_be_bytes::<32>());
        header.extend_from_slice(&block.header);
        self.headers.insert(&key, &header[..])?;
        self.bodies.insert(&key, &encode_body(&block.senders, &block.body)[..])?;
        Ok(true)
    }

    /// Keeps a block that is not canonical. One that is known stays what it is.
    pub fn put_side_block(&mut self, block: &StoredBlock) -> Result<(), StoreError> {
        if self.put_block(block)? {
            self.side_blocks.insert(&block_key(block.number, &block.hash), ())?;
        }
        Ok(())
    }

    /// Begins the chain with this block.
    pub fn put_first_block(&mut self, block: &StoredBlock) -> Result<(), StoreError> {
        let key = block_key(block.number, &block.hash);
        self.put_block(block)?;
        self.canonical.insert(block.number, &block.hash.0)?;
        self.meta.insert(meta::HEAD, &key[..])?;
        Ok(())
    }

    /// Makes a block canonical whose parent is the head, with its state.
    pub fn append(&mut self, canonical: &CanonicalBlock) -> Result<(), StoreError> {
        let block = &*canonical.block;
        self.appended_blocks += 1;
        self.put_canonical(canonical)?;
        self.put_diff(block.number, &canonical.diff)?;
        self.put_nodes(block.number, &canonical.nodes)
    }

    fn put_canonical(&mut self, canonical: &CanonicalBlock) -> Result<(), StoreError> {
        let block = &*canonical.block;
        let key = block_key(block.number, &block.hash);
        self.put_block(block)?;
        self.side_blocks.remove(&key)?;
        self.receipts.insert(&key, &canonical.receipts[..])?;
        self.canonical.insert(block.number, &block.hash.0)?;
        self.meta.insert(meta::HEAD, &key[..])?;
        for (index, hash) in canonical.transaction_hashes.iter().enumerate() {
            let mut location = [0; 12];
            location[..8].copy_from_slice(&block.number.to_be_bytes());
            // A block of 2^32 transactions does not fit into memory.
            location[8..].copy_from_slice(&(index as u32).to_be_bytes());
            self.transactions.insert(&hash.0, &location)?;
        }
        if !canonical.transaction_hashes.is_empty() {
            self.transaction_hashes.insert(block.number, canonical.transaction_hashes.concat().as_slice())?;
        }
        if !canonical.logs_bloom.is_zero() {
            self.blooms.insert(block.number, &canonical.logs_bloom.0.0)?;
        }
        Ok(())
    }

    // The state.

    fn put_code(&mut self, code: &Code) -> Result<(), StoreError> {
        if !code.is_empty() && self.codes.get(&code.hash().0)?.is_none() {
            self.codes.insert(&code.hash().0, &code.bytes()[..])?;
        }
        Ok(())
    }

    /// Gives a key its value after a block (`None`: removes it) and keeps the one before.
    fn put(&mut self, changed: &mut ChangedKeys, key: &[u8], after: Option<&[u8]>) -> Result<(), StoreError> {
        let domain = changed.domain;
        let table = &mut self.flat[domain as usize];
        let replaced = match after {
            Some(after) => table.insert(key, after)?,
            None => table.remove(key)?,
        };
        let before = replaced.as_ref().map(|before| before.value());
        if before == after {
            return Ok(());
        }
        let corrupt = || StoreError::corrupt(format!("a key of {domain:?}"));
        let history_key = history_key(domain, key, changed.number).ok_or_else(corrupt)?;
        self.history[domain as usize].insert(&history_key[..], before.unwrap_or_default())?;
        drop(replaced);
        // Keys have at most 65 bytes.
        changed.bytes.push(key.len() as u8);
        changed.bytes.extend_from_slice(key);
        changed.keys += 1;
        self.changed_keys += 1;
        if changed.keys == CHUNK_KEYS {
            self.write_chunk(changed)?;
        }
        Ok(())
    }

    /// Writes the changed keys collected so far.
    fn write_chunk(&mut self, changed: &mut ChangedKeys) -> Result<(), StoreError> {
        if changed.keys > 0 {
            let key = changes_key(changed.number, changed.domain as u8, changed.chunk);
            self.changes.insert(&key[..], &changed.bytes[..])?;
            changed.chunk += 1;
            changed.keys = 0;
            changed.bytes.clear();
        }
        Ok(())
    }

    fn put_diff(&mut self, number: u64, diff: &Diff) -> Result<(), StoreError> {
        for code in &diff.codes {
            self.put_code(code)?;
        }
        let mut changed = ChangedKeys::new(number, Domain::Accounts);
        for change in &diff.accounts {
            let record = change.after.as_ref().map(encode_account);
            self.put(&mut changed, &account_key(&change.address), record.as_deref())?;
        }
        self.write_chunk(&mut changed)?;
        let mut changed = ChangedKeys::new(number, Domain::Storage);
        for change in &diff.accounts {
            self.put_storage(&mut changed, change)?;
        }
        self.write_chunk(&mut changed)
    }

    fn put_storage(&mut self, changed: &mut ChangedKeys, change: &AccountDiff) -> Result<(), StoreError> {
        let is_gone = change.after.is_none();
        // A slot of a wiped storage that is written again is changed once, from its old word to the new one.
        let mut words: BTreeMap<Vec<u8>, Option<ByteBuf>> = BTreeMap::new();
        if is_gone || change.storage_wiped {
            let old = keys_below(&self.flat[Domain::Storage as usize], change.address.as_slice(), 32)?;
            words.extend(old.into_iter().map(|key| (key, None)));
        }
        if !is_gone {
            words.extend(change.storage.iter().map(|write| {
                let word = (!write.after.is_zero()).then(|| encode_word(&write.after));
                (slot_key(&change.address, &write.slot).to_vec(), word)
            }));
        }
        for (key, word) in words {
            self.put(changed, &key, word.as_deref())?;
        }
        Ok(())
    }

    fn put_nodes(&mut self, number: u64, nodes: &StateNodeChanges) -> Result<(), StoreError> {
        let mut changed = ChangedKeys::new(number, Domain::AccountNodes);
        for (key, node) in sorted_nodes(None, &nodes.accounts, Vec::new()) {
            self.put(&mut changed, &key, node.map(|node| &node[..]))?;
        }
        self.write_chunk(&mut changed)?;
        // A storage can be wiped and written again.
        let mut storages: BTreeMap<&B256, (bool, Option<&NodeChanges>)> = BTreeMap::new();
        for account in &nodes.wiped {
            storages.entry(account).or_default().0 = true;
        }
        for (account, changes) in &nodes.storages {
            storages.entry(account).or_default().1 = Some(changes);
        }
        let mut changed = ChangedKeys::new(number, Domain::StorageNodes);
        let none = NodeChanges::default();
        for (account, (is_wiped, changes)) in storages {
            let wiped = match is_wiped {
                true => keys_below(&self.flat[Domain::StorageNodes as usize], account.as_slice(), 33)?,
                false => Vec::new(),
            };
            for (key, node) in sorted_nodes(Some(account), changes.unwrap_or(&none), wiped) {
                self.put(&mut changed, &key, node.map(|node| &node[..]))?;
            }
        }
        self.write_chunk(&mut changed)
    }

    /// Writes the first state, which has no history.
    pub fn put_genesis_state(&mut self, state: &MemoryState, nodes: &StateNodeChanges) -> Result<(), StoreError> {
        let mut accounts: Vec<_> = state.iter().collect();
        accounts.sort_unstable_by_key(|(address, _)| **address);
        for (address, account) in accounts {
            let record = encode_account(&account.info);
            self.flat[Domain::Accounts as usize].insert(&account_key(address)[..], &record[..])?;
            if let Some(code) = state.get_code(&account.info.code_hash) {
                self.put_code(code)?;
            }
            let mut slots: Vec<_> = account.storage.iter().filter(|(_, word)| !word.is_zero()).collect();
            slots.sort_unstable();
            for (slot, word) in slots {
                self.flat[Domain::Storage as usize].insert(&slot_key(address, slot)[..], &encode_word(word)[..])?;
            }
        }
        for (path, _, node) in &nodes.accounts.added {
            self.flat[Domain::AccountNodes as usize].insert(&node_key(None, path)[..], &node[..])?;
        }
        for (account, changes) in &nodes.storages {
            for (path, _, node) in &changes.added {
                self.flat[Domain::StorageNodes as usize].insert(&node_key(Some(account), path)[..], &node[..])?;
            }
        }
        Ok(())
    }

    // Back.

    /// Makes the head's parent the head. The head stays as a side block, with its receipts.
    pub fn unwind_block(&mut self, number: u64, hash: &B256, parent: (u64, B256)) -> Result<(), StoreError> {
        let first = changes_key(number, 0, 0);
        let last = changes_key(number, u8::MAX, u32::MAX);
        loop {
            let entry = self.changes.range::<&[u8]>(&first[..]..=&last[..])?.next().transpose()?;
            let Some((key, chunk)) = entry.map(|(key, chunk)| (key.value().to_vec(), chunk.value().to_vec())) else {
                break;
            };
            self.unwind_chunk(&key, &chunk)?;
            self.changes.remove(&key[..])?;
        }
        if let Some(hashes) = self.transaction_hashes.remove(number)? {
            for hash in hashes.value().as_chunks::<32>().0 {
                // A hash can be there twice where transactions are not signed; the later one counts.
                let is_here = self.transactions.get(hash)?.is_some_and(|at| at.value()[..8] == number.to_be_bytes());
                if is_here {
                    self.transactions.remove(hash)?;
                }
            }
        }
        self.blooms.remove(number)?;
        self.canonical.remove(number)?;
        self.side_blocks.insert(&block_key(number, hash), ())?;
        self.meta.insert(meta::HEAD, &block_key(parent.0, &parent.1)[..])?;
        Ok(())
    }

    fn unwind_chunk(&mut self, key: &[u8], chunk: &[u8]) -> Result<(), StoreError> {
        let corrupt = || StoreError::corrupt(format!("changes[{}]", alloy_primitives::hex::encode(key)));
        let (number, domain) = decode_changes_key(key).ok_or_else(corrupt)?;
        for key in decode_changes(chunk) {
            let key = key.ok_or_else(corrupt)?;
            let history_key = history_key(domain, key, number).ok_or_else(corrupt)?;
            let before = self.history[domain as usize].remove(&history_key[..])?.ok_or_else(corrupt)?;
            let table = &mut self.flat[domain as usize];
            match before.value() {
                [] => table.remove(key)?,
                value => table.insert(key, value)?,
            };
            self.changed_keys += 1;
        }
        Ok(())
    }
}

/// All keys that begin with `prefix` and have up to `more` bytes after it, ascending. In memory, because a table can't be changed
/// while it is read: the largest storages that were ever destroyed had some hundred thousand slots.
fn keys_below(table: &BytesWriter<'_>, prefix: &[u8], more: usize) -> Result<Vec<Vec<u8>>, StoreError> {
    let mut last = prefix.to_vec();
    last.resize(prefix.len() + more, u8::MAX);
    let mut keys = Vec::new();
    for entry in table.range::<&[u8]>(prefix..=&last[..])? {
        keys.push(entry?.0.value().to_vec());
    }
    Ok(keys)
}

/// What a trie's nodes become, by key: those that are `gone` anyway, then those removed, then those added at the same paths.
fn sorted_nodes<'a>(
    account: Option<&B256>,
    changes: &'a NodeChanges,
    gone: Vec<Vec<u8>>,
) -> BTreeMap<Vec<u8>, Option<&'a Bytes>> {
    let mut nodes: BTreeMap<Vec<u8>, Option<&Bytes>> = gone.into_iter().map(|key| (key, None)).collect();
    nodes.extend(changes.removed.iter().map(|(path, _)| (node_key(account, path).to_vec(), None)));
    nodes.extend(changes.added.iter().map(|(path, _, node)| (node_key(account, path).to_vec(), Some(node))));
    nodes
}

/// Addresses are 20 bytes, which the layout of `storage` relies on.
const _: () = assert!(size_of::<Address>() == 20);
