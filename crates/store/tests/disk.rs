//! Disks that fill up or fail, files that are damaged, data directories that are in use.

mod common;

use common::{Model, Random, append, check_snapshot, head_state, random_diff, verify};
use redb::StorageBackend;
use rialto_state::Code;
use rialto_store::{Commit, History, Store, StoreError, StoreOptions};
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

fn options() -> StoreOptions {
    StoreOptions { history: History::Blocks(20), cache_bytes: 4 << 20, is_durable: true }
}

const PAGE: usize = 4096;

/// A disk in memory with a certain room: a page takes room when it is written for the first time.
#[derive(Debug, Default)]
struct Disk {
    bytes: Vec<u8>,
    /// Pages that were written.
    taken: BTreeSet<usize>,
    /// Most pages that may be taken from now on, `None` without limit.
    room: Option<usize>,
    syncs_fail: bool,
}

impl Disk {
    /// Takes the page at `offset`, if it is not taken and there is room.
    fn take(&mut self, offset: usize) -> Result<(), io::Error> {
        if self.taken.contains(&(offset / PAGE)) {
            return Ok(());
        }
        if let Some(room) = &mut self.room {
            *room = room.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
        }
        self.taken.insert(offset / PAGE);
        Ok(())
    }
}

/// A file on a disk, which outlives it.
#[derive(Clone, Debug, Default)]
struct DiskFile(Arc<Mutex<Disk>>);

impl DiskFile {
    fn with<T>(&self, action: impl FnOnce(&mut Disk) -> T) -> T {
        action(&mut self.0.lock().expect("no panic"))
    }

    fn store(&self) -> Result<Store, StoreError> {
        let file = self.clone();
        Store::on_backend(Arc::new(move || Box::new(file.clone())), u64::MAX, options())
    }
}

impl StorageBackend for DiskFile {
    fn len(&self) -> Result<u64, io::Error> {
        Ok(self.with(|disk| disk.bytes.len() as u64))
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), io::Error> {
        let start = offset as usize;
        self.with(|disk| disk.bytes.get(start..start + out.len()).map(|bytes| out.copy_from_slice(bytes)))
            .ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn set_len(&self, len: u64) -> Result<(), io::Error> {
        // As on a real disk, a file can be made longer than there is room.
        self.with(|disk| {
            disk.bytes.resize(len as usize, 0);
            disk.taken.retain(|page| *page < (len as usize).div_ceil(PAGE));
        });
        Ok(())
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.with(|disk| if disk.syncs_fail { Err(io::Error::other("the disk is gone")) } else { Ok(()) })
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.with(|disk| {
            let (mut start, end) = (offset as usize, offset as usize + data.len());
            while start < end {
                // What fits is written: a sequence of pages can be torn.
                disk.take(start)?;
                let next = end.min((start / PAGE + 1) * PAGE);
                disk.bytes[start..next].copy_from_slice(&data[start - offset as usize..next - offset as usize]);
                start = next;
            }
            Ok(())
        })
    }
}

#[test]
fn a_full_disk_loses_nothing() {
    for room in [0, 1, 2, 5, 10, 20, 50, 100] {
        let disk = DiskFile::default();
        let store = disk.store().expect("room enough");
        let mut model = Model::new(5);
        model.initialise(&store);
        for seed in 0..10 {
            let block = model.random_block(seed, &head_state(&store));
            append(&store, &mut model, block);
        }
        disk.with(|disk| disk.room = Some(room));
        for _ in 0..3 {
            let error = fill(&store, &mut model);
            assert!(error.to_string().contains("the disk is full"), "{room} pages: {error}");
            // Without any room, what was committed can be read.
            check_snapshot(&store.snapshot().expect("a chain"), &model);
        }
        disk.with(|disk| disk.room = None);
        let block = model.random_block(1, &head_state(&store));
        append(&store, &mut model, block);
        check_snapshot(&store.snapshot().expect("a chain"), &model);
        drop(store);
        let store = disk.store().expect("opens");
        check_snapshot(&store.snapshot().expect("a chain"), &model);
    }
}

/// Commits blocks, with larger and larger codes, until one is refused.
fn fill(store: &Store, model: &mut Model) -> StoreError {
    for size in 1u64..100 {
        let code = Code::new(vec![0x5b; size as usize * PAGE].into());
        let mut diff = random_diff(&model.head().state, &mut Random(size));
        diff.codes.push(code);
        diff.codes.sort_unstable_by_key(Code::hash);
        let block = model.next_block(diff, size, &head_state(store));
        match store.commit(&Commit { append: std::slice::from_ref(&block.block), ..Commit::default() }) {
            Ok(()) => model.blocks.push(block),
            Err(error) => return error,
        }
    }
    panic!("expected the room to end");
}

#[test]
fn a_disk_that_fails_to_sync_gives_an_error() {
    let disk = DiskFile::default();
    let store = disk.store().expect("a new disk");
    let mut model = Model::new(5);
    model.initialise(&store);
    disk.with(|disk| disk.syncs_fail = true);
    let block = model.random_block(0, &head_state(&store));
    let result = store.commit(&Commit { append: std::slice::from_ref(&block.block), ..Commit::default() });
    let error = result.expect_err("nothing can be made durable");
    assert!(error.to_string().contains("the disk is gone"), "{error}");
    disk.with(|disk| disk.syncs_fail = false);
    drop(store);
    let store = disk.store().expect("opens");
    // The error says that it is not known whether the commit is there; what is there is whole.
    if store.snapshot().expect("a chain").head().0 == 1 {
        model.blocks.push(block);
    }
    check_snapshot(&store.snapshot().expect("a chain"), &model);
}

/// A chain in a folder, closed.
fn chain(folder: &Path) -> Model {
    let store = Store::open(folder, options()).expect("a new store");
    let mut model = Model::new(5);
    model.initialise(&store);
    for seed in 0..40 {
        let block = model.random_block(seed, &head_state(&store));
        append(&store, &mut model, block);
    }
    model
}

/// How a damaged database answers.
#[derive(Debug, PartialEq)]
enum Answer {
    /// It does not open.
    Refused(String),
    /// It opens, and verification says what is wrong, or that nothing is.
    Verified(bool),
}

fn open_damaged(folder: &Path, model: &Model) -> Answer {
    let result = Store::open(folder, options());
    // A snapshot answers as long as its store is there.
    let opened = result.and_then(|store| store.snapshot().map(|snapshot| (store, snapshot)));
    match opened {
        Ok((_store, snapshot)) => Answer::Verified(verify(&snapshot, model.head().root).is_clean()),
        Err(error) => Answer::Refused(error.to_string()),
    }
}

#[test]
fn damaged_files_are_noticed() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = chain(folder.path());
    let path = folder.path().join("rialto.redb");
    let whole = fs::read(&path).expect("a file");
    assert_eq!(open_damaged(folder.path(), &model), Answer::Verified(true));
    let mut random = Random(17);
    let (mut refused, mut found, mut clean) = (0, 0, 0);
    for round in 0..120u64 {
        let mut bytes = whole.clone();
        let page = random.below(bytes.len() as u64 / 4096) as usize * 4096;
        match round % 4 {
            // Half of a page was never written.
            0 => bytes[page + 2048..page + 4096].fill(0),
            1 => bytes[page..page + 4096].fill_with(|| random.next() as u8),
            2 => bytes[page + random.below(4096) as usize] ^= 1 << random.below(8),
            _ => bytes.truncate(page.max(4096)),
        }
        fs::write(&path, &bytes).expect("room");
        match open_damaged(folder.path(), &model) {
            Answer::Refused(_) => refused += 1,
            Answer::Verified(false) => found += 1,
            // The page was not in use.
            Answer::Verified(true) => clean += 1,
        }
    }
    eprintln!("{refused} refused, {found} found by verification, {clean} without effect");
    assert!(refused + found > 10, "damage is noticed");
}

#[test]
fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    chain(folder.path());
    let database = redb::Database::create(folder.path().join("rialto.redb")).expect("it is closed");
    let transaction = database.begin_write().expect("a transaction");
    let table = redb::TableDefinition::<&str, &[u8]>::new("meta");
    transaction.open_table(table).expect("it is there").insert("schema", &7u64.to_be_bytes()[..]).expect("room");
    transaction.commit().expect("room");
    drop(database);
    let error = Store::open(folder.path(), options()).err().expect("it is newer");
    assert!(matches!(error, StoreError::NewerSchema { found: 7, supported: 1 }), "{error}");
    assert!(error.to_string().contains("a newer version of rialto wrote this database"), "{error}");
}

#[test]
fn what_is_no_database_is_refused() {
    let rows: [(&str, Vec<u8>); 3] = [
        ("text", b"not a database".repeat(1000)),
        ("a page of zeros", vec![0; PAGE]),
        ("a beginning only", b"redb".to_vec()),
    ];
    for (name, bytes) in rows {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("rialto.redb"), bytes).expect("room");
        assert!(matches!(Store::open(folder.path(), options()), Err(StoreError::Backend(_))), "{name}");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    fs::write(&file, b"").expect("room");
    assert!(matches!(Store::open(&file, options()), Err(StoreError::Backend(_))), "a file is no folder");
}

#[test]
fn a_data_directory_is_locked() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Store::open(folder.path(), options()).expect("a new store");
    assert!(matches!(Store::open(folder.path(), options()), Err(StoreError::Locked { .. })));
    drop(store);
    Store::open(folder.path(), options()).expect("it is closed");
}
