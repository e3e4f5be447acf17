//! The database: opening, the lock, and the one transaction that is a commit.
//!
//! **One writer.** Commits queue at a mutex. Each is one transaction of redb: side blocks, then back to an older block, then new
//! blocks, then the rest, then some pruning. redb writes to pages that nothing refers to and ends with an atomic switch of its root, so
//! a crash leaves the state before or after a commit.
//!
//! **Readers wait for nobody.** The snapshot of the head is made once a commit; taking it copies a pointer.
//!
//! **Errors.** A commit that fails changed nothing, as far as is known. Where the file system failed, the database is opened again,
//! and what it holds then decides: if the commit is there after all, it succeeded. Snapshots taken before such an error answer
//! with errors from then on, new ones answer.

use crate::codec::{block_key, decode_block_key, decode_u64};
use crate::codes::CodeCache;
use crate::engine::{Engine, OpenBackend, Place};
use crate::tables::{SCHEMA, meta};
use crate::write::Writer;
use crate::{Commit, Snapshot, StoreError, StoredBlock};
use alloy_primitives::B256;
use redb::{Durability, ReadableDatabase, ReadableTable, WriteTransaction};
use rialto_state::MemoryState;
use rialto_trie::StateTrie;
use std::fs::{self, File, TryLockError};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Name of the database in the data directory.
const DATABASE_FILE: &str = "rialto.redb";

/// Name of the file whose lock says that a process uses the data directory.
const LOCK_FILE: &str = "LOCK";

/// Where commits need not be durable, every so many of them one is, so that pages are used again.
const COMMITS_PER_SYNC: u64 = 64;

/// Longest file that is compared with its checksums whenever it is opened, which takes a fraction of a second.
const CHECKED_BYTES: u64 = 256 << 20;

/// Most bytes of codes and their translations in memory.
const CODE_CACHE_BYTES: usize = 256 << 20;

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
pub struct Store {
    engine: Mutex<Engine>,
    /// What the last commit left, `None` before there is a chain.
    latest: Mutex<Option<Arc<Snapshot>>>,
    /// Whether an error closed the database, and `latest` with it, and opening it again failed so far.
    is_closed: AtomicBool,
    code_cache: Arc<CodeCache>,
    options: StoreOptions,
    /// Locked as long as the store lives.
    _lock: Option<File>,
}

impl Store {
    /// Opens the database in `datadir`, which is made if it is not there, and locks it against other processes.
    ///
    /// A file of up to 256 MiB is read and compared with its checksums first, as [`Store::open_checked`] does whatever
    /// the length.
    pub fn open(datadir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let is_short = fs::metadata(datadir.join(DATABASE_FILE)).is_ok_and(|file| file.len() <= CHECKED_BYTES);
        Self::open_file(datadir, options, is_short)
    }

    /// Whether there is a database in `datadir`.
    pub fn is_in(datadir: &Path) -> bool {
        datadir.join(DATABASE_FILE).is_file()
    }

    /// [`Store::open`], but every page of the file is read and compared with its checksum first. Takes as long as reading the
    /// file does; finds damage that would show up later, or never.
    pub fn open_checked(datadir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        Self::open_file(datadir, options, true)
    }

    fn open_file(datadir: &Path, options: StoreOptions, is_checked: bool) -> Result<Self, StoreError> {
        fs::create_dir_all(datadir).map_err(|error| StoreError::io(datadir, &error))?;
        let lock = lock(datadir)?;
        Self::open_place(Place::File(datadir.join(DATABASE_FILE)), options, is_checked, Some(lock))
    }

    /// A database that lasts as long as the process.
    pub fn in_memory(options: StoreOptions) -> Result<Self, StoreError> {
        Self::open_place(Place::Memory, options, false, None)
    }

    /// A database on a backend of the caller's, which is asked for it again after an error, and the length above which its commits
    /// prepare for a crash. For tests of failing disks.
    #[doc(hidden)]
    pub fn on_backend(open: OpenBackend, quick_repair_bytes: u64, options: StoreOptions) -> Result<Self, StoreError> {
        Self::open_place(Place::Backend(open, quick_repair_bytes), options, false, None)
    }

    fn open_place(
        place: Place,
        options: StoreOptions,
        is_checked: bool,
        lock: Option<File>,
    ) -> Result<Self, StoreError> {
        // Memory lasts as long as the process, whatever is synced.
        let options = StoreOptions { is_durable: options.is_durable && !matches!(place, Place::Memory), ..options };
        let engine = Engine::open(place, options.cache_bytes, is_checked)?;
        let code_cache = Arc::new(CodeCache::new(CODE_CACHE_BYTES));
        let store = Self {
            engine: Mutex::new(engine),
            latest: Mutex::new(None),
            is_closed: AtomicBool::new(false),
            code_cache,
            options,
            _lock: lock,
        };
        {
            let mut engine = store.engine();
            check_schema(engine.database()?)?;
            store.refresh(&mut engine)?;
        }
        Ok(store)
    }

    fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn latest(&self) -> MutexGuard<'_, Option<Arc<Snapshot>>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the snapshot of what the database holds now the latest one.
    fn refresh(&self, engine: &mut Engine) -> Result<(), StoreError> {
        let transaction = engine.database()?.begin_read()?;
        let snapshot = Snapshot::open(&transaction, &self.code_cache)?;
        *self.latest() = snapshot;
        self.is_closed.store(false, Ordering::Release);
        Ok(())
    }

    /// Begins a chain: its genesis block, the state after it, and a document from which the caller can learn its rules
    /// (a `genesis.json`). Nothing happens if the database already has this genesis block; another is an error.
    pub fn initialise(
        &self,
        genesis: &StoredBlock,
        state: &MemoryState,
        chain_document: &[u8],
    ) -> Result<(), StoreError> {
        if let Some(snapshot) = self.latest().clone() {
            let found = snapshot.meta.get(meta::GENESIS)?.and_then(|found| decode_block_key(found.value()));
            let (_, found) = found.ok_or_else(|| StoreError::corrupt("meta.genesis"))?;
            let expected = genesis.hash;
            return if found == expected { Ok(()) } else { Err(StoreError::OtherGenesis { expected, found }) };
        }
        let nodes = StateTrie::from_memory(state)
            .map_err(|error| StoreError::Backend(format!("trie of the genesis state: {error}")))?
            .commit();
        self.transact(true, |writer| {
            if let Some(found) = writer.read_meta(meta::GENESIS)? {
                let found = format!("one that began meanwhile, {}", alloy_primitives::hex::encode(found));
                return Err(StoreError::Discontinuous { expected: "no chain".into(), found });
            }
            writer.put_genesis(genesis)?;
            writer.meta.insert(meta::CHAIN_DOCUMENT, chain_document)?;
            writer.put_genesis_state(state, &nodes)
        })
    }

    /// The document that the chain began with.
    pub fn chain_document(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(snapshot) = self.latest().clone() else { return Ok(None) };
        Ok(snapshot.meta.get(meta::CHAIN_DOCUMENT)?.map(|document| document.value().to_vec()))
    }

    /// What the database holds now. [`StoreError::NotInitialised`] before [`Store::initialise`]. A snapshot answers as long as the
    /// store lives.
    pub fn snapshot(&self) -> Result<Arc<Snapshot>, StoreError> {
        if self.is_closed.load(Ordering::Acquire) {
            self.refresh(&mut self.engine())?;
        }
        self.latest().clone().ok_or(StoreError::NotInitialised)
    }

    /// Does all that `commit` says in one transaction, and a bounded amount of pruning.
    pub fn commit(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        self.transact(self.options.is_durable, |writer| {
            let head = apply(writer, commit)?;
            writer.prune(head, self.options.history)
        })?;
        // Codes keep what is derived from them.
        for code in commit.append.iter().flat_map(|block| &block.diff.codes).filter(|code| !code.is_empty()) {
            self.code_cache.insert(code.clone());
        }
        Ok(())
    }

    /// Length of the database's file; `None` in memory.
    pub(crate) fn file_bytes(&self) -> Result<Option<u64>, StoreError> {
        self.engine().file_bytes()
    }

    /// Runs one write transaction and takes a new snapshot.
    fn transact(
        &self,
        is_durable: bool,
        body: impl FnOnce(&mut Writer<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut engine = self.engine();
        let mut sequence = 0;
        let result = write(&mut engine, is_durable, &mut sequence, body).and_then(|()| self.refresh(&mut engine));
        let Err(error) = result else { return Ok(()) };
        if !matches!(error, StoreError::Backend(_)) {
            return Err(error);
        }
        // If opening it again fails as well, the next commit or reader tries again.
        self.is_closed.store(true, Ordering::Release);
        engine.close_after_error();
        match self.refresh(&mut engine).and_then(|()| self.sequence()) {
            Ok(found) if found == sequence && sequence != 0 => Ok(()),
            _ => Err(error),
        }
    }

    /// Commits so far.
    fn sequence(&self) -> Result<u64, StoreError> {
        let Some(snapshot) = self.latest().clone() else { return Ok(0) };
        let sequence = snapshot.meta.get(meta::SEQUENCE)?;
        Ok(sequence.and_then(|sequence| decode_u64(sequence.value())).unwrap_or_default())
    }
}

impl Drop for Store {
    /// Makes the commits durable that are not.
    fn drop(&mut self) {
        if !self.options.is_durable {
            // There is nobody left to tell of an error, and losing the last commits is what was asked for.
            let _ = write(&mut self.engine(), true, &mut 0, |_| Ok(()));
        }
    }
}

/// Locks the data directory.
fn lock(datadir: &Path) -> Result<File, StoreError> {
    let path = datadir.join(LOCK_FILE);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| StoreError::io(&path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: datadir.to_path_buf() }),
        Err(TryLockError::Error(error)) => Err(StoreError::io(&path, &error)),
    }
}

/// Compares the schema's version, and makes all tables if there are none.
fn check_schema(database: &redb::Database) -> Result<(), StoreError> {
    let transaction = database.begin_write()?;
    let found = {
        let table = transaction.open_table(crate::tables::META)?;
        let found = table.get(meta::SCHEMA)?;
        found.map(|found| decode_u64(found.value()).ok_or_else(|| StoreError::corrupt("meta.schema")))
    };
    match found.transpose()? {
        Some(found) if found > SCHEMA => Err(StoreError::NewerSchema { found, supported: SCHEMA }),
        Some(SCHEMA) => Ok(transaction.abort()?),
        Some(found) => Err(StoreError::corrupt(format!("meta.schema, which is {found},"))),
        None => {
            Writer::open(&transaction)?.meta.insert(meta::SCHEMA, &SCHEMA.to_be_bytes()[..])?;
            Ok(transaction.commit()?)
        }
    }
}

/// Runs `body` in a write transaction; `sequence` becomes the number of this commit.
fn write(
    engine: &mut Engine,
    is_durable: bool,
    sequence: &mut u64,
    body: impl FnOnce(&mut Writer<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let is_large = engine.wants_quick_repair()?;
    let mut transaction: WriteTransaction = engine.database()?.begin_write()?;
    let mut writer = Writer::open(&transaction)?;
    body(&mut writer)?;
    let last = writer.read_meta(meta::SEQUENCE)?.and_then(|last| decode_u64(&last)).unwrap_or_default();
    *sequence = last + 1;
    writer.meta.insert(meta::SEQUENCE, &sequence.to_be_bytes()[..])?;
    drop(writer);
    if is_durable || sequence.is_multiple_of(COMMITS_PER_SYNC) {
        transaction.set_quick_repair(is_large);
    } else {
        transaction.set_durability(Durability::None)?;
    }
    Ok(transaction.commit()?)
}

/// Does what a commit says, and gives the number of the head.
fn apply(writer: &mut Writer<'_>, commit: &Commit<'_>) -> Result<u64, StoreError> {
    for block in commit.side_blocks {
        writer.put_side_block(block)?;
    }
    let head = writer.read_meta(meta::HEAD)?.ok_or(StoreError::NotInitialised)?;
    let mut head = decode_block_key(&head).ok_or_else(|| StoreError::corrupt("meta.head"))?;
    if let Some(target) = commit.unwind_to {
        head = writer.unwind_to(head, target)?;
    }
    for block in commit.append {
        let next = &block.block;
        if Some(next.number) != head.0.checked_add(1) || next.parent_hash != head.1 {
            return Err(StoreError::Discontinuous {
                expected: format!("a child of block {} {}", head.0, head.1),
                found: format!("block {} with parent {}", next.number, next.parent_hash),
            });
        }
        writer.append(block)?;
        head = (next.number, next.hash);
    }
    if let Some(safe) = &commit.safe {
        writer.meta.insert(meta::SAFE, &safe[..])?;
    }
    if let Some(finalized) = &commit.finalized {
        writer.meta.insert(meta::FINALIZED, &finalized[..])?;
    }
    match commit.note {
        None => {}
        Some([]) => drop(writer.meta.remove(meta::NOTE)?),
        Some(note) => drop(writer.meta.insert(meta::NOTE, note)?),
    }
    Ok(head.0)
}

impl Writer<'_> {
    fn put_genesis(&mut self, genesis: &StoredBlock) -> Result<(), StoreError> {
        self.put_first_block(genesis)?;
        self.meta.insert(meta::GENESIS, &block_key(genesis.number, &genesis.hash)[..])?;
        self.meta.insert(meta::OLDEST_STATE, &genesis.number.to_be_bytes()[..])?;
        Ok(())
    }

    /// Unwinds block by block from the head to the canonical block `target`, which becomes the head.
    fn unwind_to(&mut self, mut head: (u64, B256), target: u64) -> Result<(u64, B256), StoreError> {
        if target > head.0 {
            return Err(StoreError::Discontinuous {
                expected: format!("a block up to the head {}", head.0),
                found: format!("block {target} to go back to"),
            });
        }
        let oldest = self.read_meta(meta::OLDEST_STATE)?.and_then(|oldest| decode_u64(&oldest));
        let oldest = oldest.ok_or_else(|| StoreError::corrupt("meta.oldest_state"))?;
        if target < oldest {
            return Err(StoreError::StatePruned { number: target, oldest });
        }
        while head.0 > target {
            let parent = head.0 - 1;
            let hash = self.canonical.get(parent)?.map(|hash| B256::new(*hash.value()));
            let hash = hash.ok_or_else(|| StoreError::corrupt(format!("canonical[{parent}]")))?;
            self.unwind_block(head.0, &head.1, (parent, hash))?;
            head = (parent, hash);
        }
        Ok(head)
    }
}
