//! The database file, and how it is opened again after an error.
//!
//! After an input or output error redb refuses everything, reading included, until its file is opened again, because it can't know
//! what the file holds. [`Engine`] does that: it closes the database and opens it, which repairs the file to the last
//! transaction that is whole. What it needs for that, a path or a backend that can be opened again, it keeps.

use crate::StoreError;
use redb::{Builder, Database, StorageBackend, backends::InMemoryBackend};
use std::fmt::Debug;
use std::path::PathBuf;
use std::sync::Arc;

/// Opens a backend, each time it is called the same.
pub type OpenBackend = Arc<dyn Fn() -> Box<dyn StorageBackend> + Send + Sync>;

/// Length of the file above which commits also keep what makes opening it after a crash quick, instead of reading all of it. That costs
/// a commit a second sync; below this length reading all of it takes seconds.
const QUICK_REPAIR_BYTES: u64 = 1 << 30;

/// Where the database lies.
#[derive(Clone)]
pub(crate) enum Place {
    File(PathBuf),
    Memory,
    /// Something that is opened with this function; and the length above which it is to be repaired quickly.
    Backend(OpenBackend, u64),
}

/// The open database, or none after an error.
pub(crate) struct Engine {
    place: Place,
    cache_bytes: usize,
    is_checked: bool,
    database: Option<Database>,
}

impl Engine {
    /// Opens the database; `is_checked` reads the whole file and compares all checksums first.
    pub fn open(place: Place, cache_bytes: usize, is_checked: bool) -> Result<Self, StoreError> {
        let mut engine = Self { place, cache_bytes, is_checked, database: None };
        engine.database()?;
        Ok(engine)
    }

    /// The database, opened if it is not.
    pub fn database(&mut self) -> Result<&Database, StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => self.open_place()?,
        };
        Ok(self.database.insert(database))
    }

    fn open_place(&self) -> Result<Database, StoreError> {
        let mut builder = Builder::new();
        builder.set_cache_size(self.cache_bytes);
        builder.set_check_integrity_on_open(self.is_checked);
        let result = match &self.place {
            Place::File(path) => builder.create(path),
            Place::Memory => builder.create_with_backend(InMemoryBackend::new()),
            Place::Backend(open, _) => builder.create_with_backend(BoxedBackend(open())),
        };
        result.map_err(|error| match (error, &self.place) {
            (redb::DatabaseError::DatabaseAlreadyOpen, Place::File(path)) => StoreError::Locked { path: path.clone() },
            (error, _) => error.into(),
        })
    }

    /// Length of the file; `None` where there is none.
    pub fn file_bytes(&self) -> Result<Option<u64>, StoreError> {
        let Place::File(path) = &self.place else { return Ok(None) };
        let metadata = std::fs::metadata(path).map_err(|error| StoreError::io(path, &error))?;
        Ok(Some(metadata.len()))
    }

    /// Whether a commit should keep what makes opening the file after a crash quick.
    pub fn wants_quick_repair(&self) -> Result<bool, StoreError> {
        match &self.place {
            Place::Backend(open, limit) => Ok(open().len().map_err(redb::Error::from)? > *limit),
            _ => Ok(self.file_bytes()?.is_some_and(|bytes| bytes > QUICK_REPAIR_BYTES)),
        }
    }

    /// Closes the database after an error, so that it is opened again. A database in memory has no errors of this kind.
    pub fn close_after_error(&mut self) {
        if !matches!(self.place, Place::Memory) {
            self.database = None;
        }
    }
}

/// A backend behind a pointer.
#[derive(Debug)]
struct BoxedBackend(Box<dyn StorageBackend>);

impl StorageBackend for BoxedBackend {
    fn len(&self) -> Result<u64, std::io::Error> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), std::io::Error> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), std::io::Error> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> Result<(), std::io::Error> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), std::io::Error> {
        self.0.write(offset, data)
    }

    fn close(&self) -> Result<(), std::io::Error> {
        self.0.close()
    }
}
