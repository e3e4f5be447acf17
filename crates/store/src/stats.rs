//! What lies in the database, in numbers.

use crate::{Snapshot, Store, StoreError, tables};
use alloy_primitives::B256;
use redb::{ReadableTableMetadata, TableStats as RedbStats};

/// One table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableStats {
    /// Its name.
    pub name: &'static str,
    /// Entries.
    pub entries: u64,
    /// Bytes of keys and values.
    pub stored_bytes: u64,
    /// Bytes that the tree takes besides.
    pub metadata_bytes: u64,
    /// Bytes that are not used in the tree's pages.
    pub fragmented_bytes: u64,
}

/// The whole database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreStats {
    /// Schema version.
    pub schema: u64,
    /// Number and hash of the last canonical block.
    pub head: (u64, B256),
    /// Hash of the safe block, zero if none was set.
    pub safe: B256,
    /// Hash of the finalized block, zero if none was set.
    pub finalized: B256,
    /// Oldest canonical block whose state can be read.
    pub oldest_state: u64,
    /// Length of the file; `None` in memory.
    pub file_bytes: Option<u64>,
    /// The tables, by name.
    pub tables: Vec<TableStats>,
}

fn table(name: &'static str, entries: u64, stats: &RedbStats) -> TableStats {
    TableStats {
        name,
        entries,
        stored_bytes: stats.stored_bytes(),
        metadata_bytes: stats.metadata_bytes(),
        fragmented_bytes: stats.fragmented_bytes(),
    }
}

impl Store {
    /// Counts what lies in the database. Reads every page of it that is not a leaf, and some that are.
    pub fn stats(&self) -> Result<StoreStats, StoreError> {
        let snapshot = self.snapshot()?;
        Ok(StoreStats {
            schema: tables::SCHEMA,
            head: snapshot.head(),
            safe: snapshot.safe(),
            finalized: snapshot.finalized(),
            oldest_state: snapshot.oldest_state(),
            file_bytes: self.file_bytes()?,
            tables: snapshot.table_stats()?,
        })
    }
}

impl Snapshot {
    fn table_stats(&self) -> Result<Vec<TableStats>, StoreError> {
        let mut stats = Vec::new();
        macro_rules! add {
            ($($name:literal: $table:expr),* $(,)?) => {
                $(stats.push(table($name, $table.len()?, &$table.stats()?));)*
            };
        }
        add!(
            "account_nodes": self.flat[2],
            "account_nodes_history": self.history[2],
            "accounts": self.flat[0],
            "accounts_history": self.history[0],
            "blooms": self.blooms,
            "bodies": self.bodies,
            "canonical": self.canonical,
            "changes": self.changes,
            "codes": self.codes,
            "headers": self.headers,
            "meta": self.meta,
            "numbers": self.numbers,
            "receipts": self.receipts,
            "side_blocks": self.side_blocks,
            "storage": self.flat[1],
            "storage_history": self.history[1],
            "storage_nodes": self.flat[3],
            "storage_nodes_history": self.history[3],
            "transaction_hashes": self.transaction_hashes,
            "transactions": self.transactions,
        );
        Ok(stats)
    }
}
