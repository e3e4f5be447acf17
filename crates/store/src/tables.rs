//! The tables of the database, byte by byte. Numbers are big-endian unless a column says `u64`, which the database orders itself.
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | name, see [`meta`] | see there |
//! | `canonical` | `u64` number | 32 hash |
//! | `numbers` | 32 hash | `u64` number; every block that is kept |
//! | `headers` | 8 number, 32 hash | 32 parent's hash, 32 total difficulty, header |
//! | `bodies` | 8 number, 32 hash | 4 count of senders, 20 each, body |
//! | `receipts` | 8 number, 32 hash | receipts; of blocks that are or were canonical |
//! | `side_blocks` | 8 number, 32 hash | nothing; blocks that are not canonical |
//! | `transactions` | 32 transaction's hash | 8 number, 4 index; canonical ones |
//! | `transaction_hashes` | `u64` number | 32 each, in their order; of a canonical block |
//! | `blooms` | `u64` number | 256 bloom filter; of a canonical block with logs |
//! | `codes` | 32 hash | code; stays for ever, as any state may name it |
//! | `accounts` | 20 address | 1 flag and length, 1 length, nonce, balance, 32 code hash if there is code; see `codec` |
//! | `storage` | 20 address, 32 slot | 1 to 32 bytes of the word, without leading zeros |
//! | `account_nodes` | packed path, 1 its nibbles | node's RLP |
//! | `storage_nodes` | 32 hash of address, packed path, 1 its nibbles | node's RLP |
//! | `*_history` (4) | the same, but 1 nibbles before the packed path; 8 number | value before that block, empty for none |
//! | `changes` | 8 number, 1 domain, 4 chunk | keys that the block changed in the domain: 1 length, key; up to [`CHUNK_KEYS`] |
//!
//! **Paths.** In the tables of nodes the path comes first, so that a node lies beside the nodes below it and a changed leaf and its
//! parent mostly share a page. In the histories the number of nibbles comes first, so that no key is the beginning of another
//! and all entries of one key are neighbours, ascending by block.
//!
//! **Empty means none.** No account, word or node is empty bytes, so an empty value in a history says that there was none.

use redb::TableDefinition;

/// Version of all that this file describes.
pub(crate) const SCHEMA: u64 = 1;

/// Most keys in one value of `changes`: pruning goes by such chunks.
pub(crate) const CHUNK_KEYS: usize = 512;

/// A table with keys and values of any length.
pub(crate) type BytesTable = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Names in `meta`.
pub(crate) mod meta {
    /// Schema version, 8 bytes.
    pub const SCHEMA: &str = "schema";
    /// Document that the chain began with.
    pub const CHAIN_DOCUMENT: &str = "chain_document";
    /// Genesis block: 8 number, 32 hash.
    pub const GENESIS: &str = "genesis";
    /// Last canonical block: 8 number, 32 hash.
    pub const HEAD: &str = "head";
    /// Safe block: 32 hash.
    pub const SAFE: &str = "safe";
    /// Finalized block: 32 hash.
    pub const FINALIZED: &str = "finalized";
    /// Oldest canonical block whose state can be read, 8 bytes.
    pub const OLDEST_STATE: &str = "oldest_state";
    /// The caller's note.
    pub const NOTE: &str = "note";
    /// Commits so far, 8 bytes.
    pub const SEQUENCE: &str = "sequence";
}

pub(crate) const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");
pub(crate) const CANONICAL: TableDefinition<'static, u64, &[u8; 32]> = TableDefinition::new("canonical");
pub(crate) const NUMBERS: TableDefinition<'static, &[u8; 32], u64> = TableDefinition::new("numbers");
pub(crate) const HEADERS: TableDefinition<'static, &[u8; 40], &[u8]> = TableDefinition::new("headers");
pub(crate) const BODIES: TableDefinition<'static, &[u8; 40], &[u8]> = TableDefinition::new("bodies");
pub(crate) const RECEIPTS: TableDefinition<'static, &[u8; 40], &[u8]> = TableDefinition::new("receipts");
pub(crate) const SIDE_BLOCKS: TableDefinition<'static, &[u8; 40], ()> = TableDefinition::new("side_blocks");
pub(crate) const TRANSACTIONS: TableDefinition<'static, &[u8; 32], &[u8; 12]> = TableDefinition::new("transactions");
pub(crate) const TRANSACTION_HASHES: TableDefinition<'static, u64, &[u8]> = TableDefinition::new("transaction_hashes");
pub(crate) const BLOOMS: TableDefinition<'static, u64, &[u8; 256]> = TableDefinition::new("blooms");
pub(crate) const CODES: TableDefinition<'static, &[u8; 32], &[u8]> = TableDefinition::new("codes");
pub(crate) const CHANGES: BytesTable = TableDefinition::new("changes");

/// A part of the state that has a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Domain {
    Accounts = 0,
    Storage = 1,
    AccountNodes = 2,
    StorageNodes = 3,
}

impl Domain {
    pub const ALL: [Self; 4] = [Self::Accounts, Self::Storage, Self::AccountNodes, Self::StorageNodes];

    /// The domain with this number in a key of `changes`.
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }

    /// The table of what holds after the head.
    pub fn flat(self) -> BytesTable {
        TableDefinition::new(match self {
            Self::Accounts => "accounts",
            Self::Storage => "storage",
            Self::AccountNodes => "account_nodes",
            Self::StorageNodes => "storage_nodes",
        })
    }

    /// The table of what held before each block.
    pub fn history(self) -> BytesTable {
        TableDefinition::new(match self {
            Self::Accounts => "accounts_history",
            Self::Storage => "storage_history",
            Self::AccountNodes => "account_nodes_history",
            Self::StorageNodes => "storage_nodes_history",
        })
    }

    /// Where the path begins in a key, for domains of nodes.
    pub fn path_offset(self) -> Option<usize> {
        match self {
            Self::Accounts | Self::Storage => None,
            Self::AccountNodes => Some(0),
            Self::StorageNodes => Some(32),
        }
    }
}
