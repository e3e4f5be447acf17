//! Power cuts. A disk may write what was not synced yet in any order, in part, or not at all. After a cut at any such instant the
//! last durable commit must be there, whole.
//!
//! [`Disk`] is a disk in memory that remembers what was written since the last sync. A cut takes what was synced, and of what was
//! written since a random selection, in which a write can be torn between sectors. The cut may come in the middle of a commit: the
//! disk then refuses everything after a random number of operations, as a machine without power does.

mod common;

use common::{Model, ModelBlock, Random, append, check_snapshot, head_state, verify};
use redb::StorageBackend;
use rialto_store::{Commit, History, Store, StoreError, StoreOptions};
use std::io;
use std::sync::{Arc, Mutex};

const SECTOR: usize = 512;

#[derive(Clone, Debug)]
enum Operation {
    Write(usize, Vec<u8>),
    SetLength(usize),
}

#[derive(Debug, Default)]
struct Disk {
    /// What programs see.
    bytes: Vec<u8>,
    /// What is safe.
    synced: Vec<u8>,
    /// What happened since.
    pending: Vec<Operation>,
    /// Operations until the power is cut, if it will be.
    left: Option<u64>,
}

impl Disk {
    fn step(&mut self) -> Result<(), io::Error> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1).ok_or_else(|| io::Error::other("no power"))?;
        }
        Ok(())
    }

    /// What is on the disk after a cut.
    fn after_cut(&self, random: &mut Random) -> Vec<u8> {
        let mut bytes = self.synced.clone();
        for operation in &self.pending {
            match operation {
                // A length that was lost is lost with what lies behind.
                Operation::SetLength(length) => bytes.resize(*length, 0),
                Operation::Write(offset, data) => match random.below(4) {
                    0 => {}
                    1 => {
                        for (index, sector) in data.chunks(SECTOR).enumerate() {
                            if random.is_one_in(2) {
                                put(&mut bytes, offset + index * SECTOR, sector);
                            }
                        }
                    }
                    _ => put(&mut bytes, *offset, data),
                },
            }
        }
        bytes
    }
}

fn put(bytes: &mut Vec<u8>, offset: usize, data: &[u8]) {
    if bytes.len() < offset + data.len() {
        bytes.resize(offset + data.len(), 0);
    }
    bytes[offset..offset + data.len()].copy_from_slice(data);
}

#[derive(Clone, Debug, Default)]
struct DiskFile(Arc<Mutex<Disk>>);

impl DiskFile {
    fn holding(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Mutex::new(Disk { synced: bytes.clone(), bytes, ..Disk::default() })))
    }

    fn with<T>(&self, action: impl FnOnce(&mut Disk) -> T) -> T {
        action(&mut self.0.lock().expect("no panic"))
    }

    fn store(&self, is_quick: bool) -> Result<Store, StoreError> {
        let file = self.clone();
        let options = StoreOptions { history: History::Blocks(8), cache_bytes: 1 << 20, is_durable: true };
        let quick_repair_bytes = if is_quick { 0 } else { u64::MAX };
        Store::on_backend(Arc::new(move || Box::new(file.clone())), quick_repair_bytes, options)
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
        self.with(|disk| {
            disk.step()?;
            disk.bytes.resize(len as usize, 0);
            disk.pending.push(Operation::SetLength(len as usize));
            Ok(())
        })
    }

    fn sync_data(&self) -> Result<(), io::Error> {
        self.with(|disk| {
            disk.step()?;
            disk.synced = disk.bytes.clone();
            disk.pending.clear();
            Ok(())
        })
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), io::Error> {
        self.with(|disk| {
            disk.step()?;
            put(&mut disk.bytes, offset as usize, data);
            disk.pending.push(Operation::Write(offset as usize, data.to_vec()));
            Ok(())
        })
    }
}

/// Commits blocks until the power is cut, and gives the one that was under way.
fn commit_until_cut(store: &Store, model: &mut Model, random: &mut Random) -> Option<ModelBlock> {
    loop {
        let mut trie = rialto_trie::StateTrie::from_memory(&model.head().state).expect("a state in memory");
        trie.root();
        let block = model.random_block(random.next(), &trie);
        let commit = Commit { append: std::slice::from_ref(&block.block), ..Commit::default() };
        match store.commit(&commit) {
            Ok(()) => model.blocks.push(block),
            Err(StoreError::Backend(_)) => return Some(block),
            Err(error) => panic!("{error}"),
        }
        // The file stays small.
        if model.blocks.len() > 60 {
            return None;
        }
    }
}

fn cut_again_and_again(is_quick: bool, cuts: u64) {
    let mut random = Random(if is_quick { 1 } else { 2 });
    let mut disk = DiskFile::default();
    let mut model = Model::new(4);
    model.initialise(&disk.store(is_quick).expect("an empty disk"));
    for cut in 0..cuts {
        let store = disk.store(is_quick).unwrap_or_else(|error| panic!("cut {cut}: {error}"));
        disk.with(|disk| disk.left = Some(random.below(120)));
        let under_way = commit_until_cut(&store, &mut model, &mut random);
        // Without power, closing has no effect either.
        drop(store);
        disk = DiskFile::holding(disk.with(|disk| disk.after_cut(&mut random)));
        let store = disk.store(is_quick).unwrap_or_else(|error| panic!("cut {cut}: {error}"));
        let snapshot = store.snapshot().expect("a chain");
        // The commit that was under way may be there or not; those before it are.
        if let Some(block) = under_way
            && snapshot.head().1 == block.block.block.hash
        {
            model.blocks.push(block);
        }
        assert_eq!(snapshot.head().1, model.head().block.block.hash, "cut {cut}");
        let report = verify(&snapshot, model.head().root);
        assert!(report.is_clean(), "cut {cut}: {:#?}", report.problems);
        if cut % 16 == 0 {
            check_snapshot(&snapshot, &model);
        }
        let block = model.random_block(cut, &head_state(&store));
        append(&store, &mut model, block);
        if model.blocks.len() > 60 {
            drop((snapshot, store));
            disk = DiskFile::default();
            model = Model::new(cut);
            model.initialise(&disk.store(is_quick).expect("an empty disk"));
        }
    }
}

#[test]
fn power_cuts_before_a_full_repair() {
    cut_again_and_again(false, 150);
}

#[test]
fn power_cuts_before_a_quick_repair() {
    cut_again_and_again(true, 150);
}
