//! Why the store could not do what it was asked.

use alloy_primitives::B256;
use std::fmt;
use std::path::PathBuf;

/// Why the store could not do what it was asked. Absence of something is no error.
#[derive(Debug)]
pub enum StoreError {
    /// Another process uses the data directory.
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// The database was written by a newer version.
    NewerSchema {
        /// Version found.
        found: u64,
        /// Newest version that is understood.
        supported: u64,
    },
    /// The data directory holds another chain.
    OtherGenesis {
        /// Hash of the genesis block that was given.
        expected: B256,
        /// Hash of the one that is there.
        found: B256,
    },
    /// There is no chain in the database yet.
    NotInitialised,
    /// The state after this block is not kept any more.
    StatePruned {
        /// The block asked for.
        number: u64,
        /// Oldest block whose state is there.
        oldest: u64,
    },
    /// A commit does not continue what is there.
    Discontinuous {
        /// What was expected.
        expected: String,
        /// What was found.
        found: String,
    },
    /// What was read is not what can have been written.
    Corrupt {
        /// Where.
        place: String,
    },
    /// The database, the file system or the disk failed.
    Backend(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Locked { path } => {
                write!(f, "datadir {}: expected no other process to use it, found one", path.display())
            }
            Self::NewerSchema { found, supported } => {
                write!(
                    f,
                    "schema version: expected at most {supported}, found {found}; a newer version of rialto wrote this database"
                )
            }
            Self::OtherGenesis { expected, found } => {
                write!(f, "genesis: expected block {expected} in the data directory, found {found}")
            }
            Self::NotInitialised => write!(f, "datadir: expected a chain, found none; `rialto init` makes one"),
            Self::StatePruned { number, oldest } => {
                write!(f, "state of block {number}: expected a block from {oldest} on, older states are pruned")
            }
            Self::Discontinuous { expected, found } => write!(f, "commit: expected {expected}, found {found}"),
            Self::Corrupt { place } => write!(f, "database: {place} is malformed"),
            Self::Backend(message) => write!(f, "database: {message}"),
        }
    }
}

impl std::error::Error for StoreError {}

impl StoreError {
    /// The error of something that is malformed.
    pub(crate) fn corrupt(place: impl Into<String>) -> Self {
        Self::Corrupt { place: place.into() }
    }

    /// An input or output error of the file system, with what was being done.
    pub(crate) fn io(path: &std::path::Path, error: &std::io::Error) -> Self {
        Self::Backend(format!("{}: {error}", path.display()))
    }
}

impl From<redb::Error> for StoreError {
    fn from(error: redb::Error) -> Self {
        Self::Backend(match error {
            redb::Error::Io(error) if error.kind() == std::io::ErrorKind::StorageFull => {
                format!("the disk is full: {error}")
            }
            redb::Error::Io(error) => format!("input or output failed: {error}"),
            redb::Error::Corrupted(reason) => format!("the file is damaged: {reason}"),
            redb::Error::PreviousIo => "input or output failed before".into(),
            redb::Error::DatabaseClosed => "closed after input or output failed; take a new snapshot".into(),
            error => error.to_string(),
        })
    }
}

macro_rules! from_backend {
    ($($error:ty),*) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                redb::Error::from(error).into()
            }
        }
    )*};
}

from_backend!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::DatabaseError,
    redb::SetDurabilityError
);
