//! A block's witness: enough of the state to execute the block and to compute the root after it, and nothing else.
//!
//! [`WitnessState`] is the consumer. It reads by walking the nodes it was given, by their hashes from the state root down,
//! so an answer is as true as that root: a path that ends is absence, a path that runs into a node that was not given is an
//! error, and a node that nothing leads to is never looked at.
//!
//! [`produce`] is the producer. A witness has to contain every node that the consumer will ask for, so the producer does
//! what the consumer does, reads and then the update, on the full state, and keeps each node that was asked for. That
//! gives the pre-state paths of all that was read or written, and the one sibling of a removed entry that a collapsing
//! branch has to merge, but neither siblings that an insertion made superfluous nor any node of the post-state.

use crate::{EMPTY_ROOT_HASH, NodeBag, StateNodeSource, StateTrie, TrieAccount, TrieError};
use alloc::{
    collections::{BTreeMap, BTreeSet},
    string::ToString,
    vec::Vec,
};
use alloy_primitives::{
    Address, B256, Bytes, KECCAK256_EMPTY, U256,
    map::{AddressMap, B256Map},
};
use core::cell::RefCell;
use nybbles::Nibbles;
use rialto_state::{AccessRecord, Account, Code, Diff, ReadError, StateReader};

/// A state of which only what a witness shows is known.
#[derive(Debug)]
pub struct WitnessState {
    root: B256,
    nodes: NodeBag,
    codes: B256Map<Code>,
    block_hashes: BTreeMap<u64, B256>,
    /// Accounts read so far: every read of a slot needs its account's storage root.
    accounts: RefCell<AddressMap<Option<TrieAccount>>>,
}

impl WitnessState {
    /// The state with this root, as far as these nodes (RLP, in any order) show it, with codes and the hashes of ancestor
    /// blocks by number. Nodes and codes are found by the hash of what was given, so wrong ones are only missing ones.
    pub fn new(
        root: B256,
        nodes: impl IntoIterator<Item = Bytes>,
        codes: impl IntoIterator<Item = Bytes>,
        block_hashes: impl IntoIterator<Item = (u64, B256)>,
    ) -> Self {
        Self {
            root,
            nodes: NodeBag::new(nodes),
            codes: codes.into_iter().map(Code::new).map(|code| (code.hash(), code)).collect(),
            block_hashes: block_hashes.into_iter().collect(),
            accounts: RefCell::default(),
        }
    }

    /// The state root before the block.
    pub fn root(&self) -> B256 {
        self.root
    }

    /// The state root after the block that made this diff.
    pub fn apply(&self, diff: &Diff) -> Result<B256, TrieError> {
        StateTrie::from_root(self.root).apply_from(diff, &self.nodes)
    }

    fn trie_account(&self, address: &Address) -> Result<Option<TrieAccount>, TrieError> {
        if let Some(account) = self.accounts.borrow().get(address) {
            return Ok(*account);
        }
        let account = StateTrie::from_root(self.root).account(address, &self.nodes)?;
        self.accounts.borrow_mut().insert(*address, account);
        Ok(account)
    }

    fn word(&self, address: &Address, slot: &U256) -> Result<U256, TrieError> {
        match self.trie_account(address)? {
            Some(account) => crate::state_trie::storage_word(address, account.storage_root, slot, &self.nodes),
            None => Ok(U256::ZERO),
        }
    }
}

/// A reader's error that names what was asked for.
fn read_error(error: TrieError, address: &Address, slot: Option<&U256>) -> ReadError {
    let mut inner = &error;
    while let TrieError::InStorage { error, .. } = inner {
        inner = error;
    }
    match inner {
        TrieError::MissingNode { hash, .. } => {
            ReadError::MissingNode { address: *address, slot: slot.copied(), node_hash: *hash }
        }
        _ => ReadError::Backend(error.to_string()),
    }
}

impl StateReader for WitnessState {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        let account = self.trie_account(address).map_err(|error| read_error(error, address, None))?;
        Ok(account.map(|TrieAccount { nonce, balance, code_hash, .. }| Account { nonce, balance, code_hash }))
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        self.word(address, slot).map_err(|error| read_error(error, address, Some(slot)))
    }

    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        let account = self.trie_account(address).map_err(|error| read_error(error, address, None))?;
        Ok(account.is_some_and(|account| account.storage_root != EMPTY_ROOT_HASH))
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

/// A source that remembers what it gave.
struct Recording<'a> {
    source: &'a dyn StateNodeSource,
    given: RefCell<BTreeSet<Bytes>>,
}

impl StateNodeSource for Recording<'_> {
    fn state_node(&self, account: Option<&B256>, path: &Nibbles, hash: &B256) -> Result<Option<Bytes>, TrieError> {
        let node = self.source.state_node(account, path, hash)?;
        if let Some(node) = &node {
            self.given.borrow_mut().insert(node.clone());
        }
        Ok(node)
    }
}

/// The nodes (RLP, each once, ascending) that a block needs which read `accesses` and made `diff`, from the state before
/// it: `root` with `source`, for instance a [`StateTrie`] whose root was asked for. This is `state` of `executionWitness`.
pub fn produce(
    root: B256,
    source: &dyn StateNodeSource,
    accesses: &AccessRecord,
    diff: &Diff,
) -> Result<Vec<Bytes>, TrieError> {
    let recording = Recording { source, given: RefCell::default() };
    let mut state = StateTrie::from_root(root);
    for (address, slots) in &accesses.accounts {
        let account = state.account(address, &recording)?;
        let Some(account) = account else { continue };
        for slot in slots {
            crate::state_trie::storage_word(address, account.storage_root, slot, &recording)?;
        }
    }
    state.apply_from(diff, &recording)?;
    Ok(recording.given.into_inner().into_iter().collect())
}
