//! The tries of a whole state: one over accounts, and one over the storage of each account that has any.
//!
//! The same type serves a state that is wholly in memory (built by insertion, source [`EmptySource`]) and a state of which
//! only the root is known at first and nodes come from a [`StateNodeSource`]: a witness or a database. A storage trie is
//! opened, from the storage root in the account's leaf, when a diff first changes it, and then stays.
//!
//! How a diff is applied is told in [`update`](crate::update).

use crate::{
    EMPTY_ROOT_HASH, EmptySource, NodeChanges, NodeSource, OneTrie, StateNodeSource, TrieAccount, TrieError,
    proof::{AccountProof, StorageProof},
    roots::slot_key,
    trie::{Scratch, SplitTrie},
};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256, map::B256Map};
use alloy_rlp::{Decodable, Encodable};
use nybbles::Nibbles;
use rialto_state::{Account, MemoryState};

/// What a commit changes in the store of a state's nodes. The store drops the wiped storages first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StateNodeChanges {
    /// Changes of the account trie.
    pub accounts: NodeChanges,
    /// Accounts, by the Keccak-256 of their address and ascending, all of whose stored storage nodes are gone.
    pub wiped: Vec<B256>,
    /// Changes of storage tries, by the Keccak-256 of the account's address and ascending.
    pub storages: Vec<(B256, NodeChanges)>,
}

/// The account trie and the storage tries of a state. See the module's comment.
#[derive(Clone, Debug, Default)]
pub struct StateTrie {
    pub(crate) accounts: SplitTrie,
    pub(crate) storages: B256Map<SplitTrie>,
    pub(crate) wiped: Vec<B256>,
    /// Storages changed since the last commit; stays empty before the first.
    pub(crate) changed: Vec<B256>,
    /// Whether nodes may lie in a store: there was a commit, or the state started from a root.
    pub(crate) has_store: bool,
    scratch: Scratch,
    /// RLP of a leaf's value.
    value: Vec<u8>,
}

/// Reads the value of an account's leaf.
pub(crate) fn decode_account(key: &B256, mut leaf: &[u8]) -> Result<TrieAccount, TrieError> {
    match TrieAccount::decode(&mut leaf) {
        Ok(account) if leaf.is_empty() => Ok(account),
        _ => Err(TrieError::MalformedLeaf {
            key: *key,
            expected: "the RLP of nonce, balance, storage root and code hash",
        }),
    }
}

/// Writes the value of an account's leaf over what the buffer holds.
pub(crate) fn encode_account(account: &Account, storage_root: B256, buffer: &mut Vec<u8>) {
    let Account { nonce, balance, code_hash } = *account;
    buffer.clear();
    TrieAccount { nonce, balance, storage_root, code_hash }.encode(buffer);
}

/// Reads the value of a slot's leaf.
pub(crate) fn decode_word(key: &B256, mut leaf: &[u8]) -> Result<U256, TrieError> {
    match U256::decode(&mut leaf) {
        Ok(word) if leaf.is_empty() && !word.is_zero() => Ok(word),
        _ => Err(TrieError::MalformedLeaf { key: *key, expected: "the RLP of a non-zero word of at most 32 bytes" }),
    }
}

impl StateTrie {
    /// The state without accounts.
    pub fn new() -> Self {
        Self::default()
    }

    /// The state with this root, none of whose nodes is loaded yet.
    pub fn from_root(root: B256) -> Self {
        Self { accounts: SplitTrie::from_root(root), has_store: true, ..Self::default() }
    }

    /// The state with these accounts and their storages; zero words are no entries.
    pub fn from_accounts<S>(accounts: impl IntoIterator<Item = (Address, Account, S)>) -> Result<Self, TrieError>
    where
        S: IntoIterator<Item = (U256, U256)>,
    {
        let mut state = Self::new();
        for (address, account, storage) in accounts {
            state.insert_account(&address, &account, storage)?;
        }
        state.root();
        Ok(state)
    }

    /// The state that a reader in memory holds.
    pub fn from_memory(memory: &MemoryState) -> Result<Self, TrieError> {
        Self::from_accounts(memory.iter().map(|(address, account)| {
            (*address, account.info, account.storage.iter().map(|(slot, word)| (*slot, *word)))
        }))
    }

    /// Adds or replaces an account together with its storage.
    pub fn insert_account(
        &mut self,
        address: &Address,
        account: &Account,
        storage: impl IntoIterator<Item = (U256, U256)>,
    ) -> Result<(), TrieError> {
        let hashed = keccak256(address);
        let mut trie = SplitTrie::default();
        trie.swap_scratch(&mut self.scratch);
        for (slot, word) in storage {
            self.value.clear();
            if !word.is_zero() {
                word.encode(&mut self.value);
            }
            trie.insert(&slot_key(&slot), &self.value, &EmptySource)?;
        }
        let storage_root = trie.root();
        trie.swap_scratch(&mut self.scratch);
        self.wipe_storage(hashed);
        if !trie.is_empty() {
            self.storages.insert(hashed, trie);
            if self.has_store {
                self.changed.push(hashed);
            }
        }
        encode_account(account, storage_root, &mut self.value);
        self.accounts.insert(&hashed, &self.value, &EmptySource)
    }

    /// The state root. Hashes only what changed.
    pub fn root(&mut self) -> B256 {
        self.accounts.root()
    }

    /// Number of nodes in memory, of all tries.
    pub fn loaded_nodes(&self) -> usize {
        self.storages.values().fold(self.accounts.loaded_nodes(), |sum, trie| sum + trie.loaded_nodes())
    }

    /// The account at `address` with its storage root, `None` where there is none.
    pub fn account(&self, address: &Address, source: &dyn StateNodeSource) -> Result<Option<TrieAccount>, TrieError> {
        self.hashed_account(&keccak256(address), source)
    }

    fn hashed_account(&self, hashed: &B256, source: &dyn StateNodeSource) -> Result<Option<TrieAccount>, TrieError> {
        let leaf = self.accounts.get(hashed, &OneTrie { source, account: None })?;
        leaf.map(|leaf| decode_account(hashed, &leaf)).transpose()
    }

    /// The word in a slot, zero where there is none.
    pub fn storage(&self, address: &Address, slot: &U256, source: &dyn StateNodeSource) -> Result<U256, TrieError> {
        let hashed = keccak256(address);
        if let Some(trie) = self.storages.get(&hashed) {
            return word_in(trie, hashed, slot, source);
        }
        match self.hashed_account(&hashed, source)? {
            Some(account) => word_in(&SplitTrie::from_root(account.storage_root), hashed, slot, source),
            None => Ok(U256::ZERO),
        }
    }

    /// Forgets a storage trie; a store learns with the next commit that all of its nodes are gone.
    pub(crate) fn wipe_storage(&mut self, hashed: B256) {
        self.storages.remove(&hashed);
        if self.has_store {
            self.wiped.push(hashed);
        }
    }

    /// Takes all nodes as stored and returns what the store has to write for that. Looks only at what changed.
    pub fn commit(&mut self) -> StateNodeChanges {
        let (mut wiped, mut changed) = (core::mem::take(&mut self.wiped), core::mem::take(&mut self.changed));
        if !self.has_store {
            // The first commit stores everything. The map's order ends with the sorting below.
            changed.extend(self.storages.keys());
        }
        self.has_store = true;
        wiped.sort_unstable();
        wiped.dedup();
        changed.sort_unstable();
        changed.dedup();
        let mut storages = Vec::with_capacity(changed.len());
        for hashed in changed {
            let Some(trie) = self.storages.get_mut(&hashed) else { continue };
            let changes = trie.commit();
            if trie.is_empty() {
                self.storages.remove(&hashed);
            }
            if !changes.is_empty() {
                storages.push((hashed, changes));
            }
        }
        StateNodeChanges { accounts: self.accounts.commit(), wiped, storages }
    }

    /// Proves an account and some of its slots, present or absent, as `eth_getProof` answers (EIP-1186).
    pub fn prove(
        &mut self,
        address: &Address,
        slots: &[U256],
        source: &dyn StateNodeSource,
    ) -> Result<AccountProof, TrieError> {
        let hashed = keccak256(address);
        let account = self.hashed_account(&hashed, source)?;
        let proof = self.accounts.prove(&hashed, &OneTrie { source, account: None })?;
        let nodes = OneTrie { source, account: Some(hashed) };
        let root = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let mut unopened = SplitTrie::from_root(root);
        let trie = self.storages.get_mut(&hashed).unwrap_or(&mut unopened);
        let mut storage = Vec::with_capacity(slots.len());
        for slot in slots {
            storage.push(prove_slot(trie, slot, &nodes).map_err(|error| error.in_storage(hashed))?);
        }
        Ok(AccountProof { address: *address, account, proof, storage })
    }
}

fn word_in(trie: &SplitTrie, hashed: B256, slot: &U256, source: &dyn StateNodeSource) -> Result<U256, TrieError> {
    let key = slot_key(slot);
    let leaf = trie.get(&key, &OneTrie { source, account: Some(hashed) });
    let word = leaf.and_then(|leaf| leaf.map(|leaf| decode_word(&key, &leaf)).transpose());
    word.map(Option::unwrap_or_default).map_err(|error| error.in_storage(hashed))
}

/// The word in a slot of the storage with this root, zero where there is none.
pub(crate) fn storage_word(
    address: &Address,
    storage_root: B256,
    slot: &U256,
    source: &dyn StateNodeSource,
) -> Result<U256, TrieError> {
    word_in(&SplitTrie::from_root(storage_root), keccak256(address), slot, source)
}

fn prove_slot(trie: &mut SplitTrie, slot: &U256, nodes: &dyn NodeSource) -> Result<StorageProof, TrieError> {
    let key = slot_key(slot);
    let word = trie.get(&key, nodes)?.map(|leaf| decode_word(&key, &leaf)).transpose()?;
    Ok(StorageProof { slot: *slot, word: word.unwrap_or_default(), proof: trie.prove(&key, nodes)? })
}

/// The nodes of a state in memory, for whoever walks it from its root. Its root has been asked for since its last change.
impl StateNodeSource for StateTrie {
    fn state_node(&self, account: Option<&B256>, path: &Nibbles, hash: &B256) -> Result<Option<Bytes>, TrieError> {
        let trie = match account {
            None => &self.accounts,
            Some(hashed) => match self.storages.get(hashed) {
                Some(trie) => trie,
                None => return Ok(None),
            },
        };
        Ok(trie.node_at(path, hash))
    }
}
