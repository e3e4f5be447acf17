//! The database.

use crate::{Commit, Snapshot, StoreError, StoredBlock};
use rialto_state::MemoryState;
use std::path::Path;
use std::sync::Arc;

/// How many states before the head's can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum History {
    /// That of so many blocks.
    Blocks(u64),
    /// All of them: an archive.
    All,
}

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct StoreOptions {
    /// States that can be read.
    pub history: History,
    /// Most memory for cached pages.
    pub cache_bytes: usize,
    /// Whether a commit is on the disk when it returns. Without, a crash loses the last commits, never half of one.
    pub is_durable: bool,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self { history: History::Blocks(10_000), cache_bytes: 512 << 20, is_durable: true }
    }
}

/// The database of a chain. `Send + Sync`; commits queue for one another, reading waits for nothing.
pub struct Store {}

impl Store {
    /// Opens the database in `datadir`, which is made if it is not there, and locks it against other processes.
    pub fn open(_datadir: &Path, _options: StoreOptions) -> Result<Self, StoreError> {
        todo!()
    }

    /// A database that lasts as long as the process.
    pub fn in_memory(_options: StoreOptions) -> Result<Self, StoreError> {
        todo!()
    }

    /// Begins a chain: its genesis block, the state after it, and a document from which the caller can learn its rules
    /// (a `genesis.json`). Nothing happens if the database already has this genesis block; another is an error.
    pub fn initialise(
        &self,
        _genesis: &StoredBlock,
        _state: &MemoryState,
        _chain_document: &[u8],
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// The document that the chain began with.
    pub fn chain_document(&self) -> Result<Option<Vec<u8>>, StoreError> {
        todo!()
    }

    /// What the database holds now. [`StoreError::NotInitialised`] before [`Store::initialise`].
    pub fn snapshot(&self) -> Result<Arc<Snapshot>, StoreError> {
        todo!()
    }

    /// Does all that `commit` says in one transaction, and a bounded amount of pruning.
    pub fn commit(&self, _commit: &Commit<'_>) -> Result<(), StoreError> {
        todo!()
    }
}
