//! What the database held at one instant.
//!
//! A snapshot is a read transaction whose tables are all open. The database never overwrites a page that a read transaction can
//! reach, so a snapshot costs nothing to keep consistent. The price is that pages freed by later commits are not used again
//! while it lives: **a snapshot that is kept for long lets the file grow** by what is committed meanwhile. One request takes one
//! snapshot and drops it at its end.

use crate::codec::{block_key, decode_block_key, decode_body, decode_u64};
use crate::codes::CodeCache;
use crate::tables::{self, Domain, meta};
use crate::{BlockLocation, StateAt, StoreError, StoredBlock};
use alloy_primitives::{B256, Bloom, Bytes, U256};
use redb::{ReadOnlyTable, ReadTransaction};
use std::fmt;
use std::sync::Arc;

/// A table with keys and values of any length.
pub(crate) type BytesReader = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// What the database held at one instant. Cheap to make and to share; `Send + Sync`.
///
/// While it lives, pages that commits free are not used again: keep it for a request, not for a minute.
pub struct Snapshot {
    head: (u64, B256),
    safe: B256,
    finalized: B256,
    oldest_state: u64,
    pub(crate) meta: ReadOnlyTable<&'static str, &'static [u8]>,
    pub(crate) canonical: ReadOnlyTable<u64, &'static [u8; 32]>,
    pub(crate) numbers: ReadOnlyTable<&'static [u8; 32], u64>,
    pub(crate) headers: ReadOnlyTable<&'static [u8; 40], &'static [u8]>,
    pub(crate) bodies: ReadOnlyTable<&'static [u8; 40], &'static [u8]>,
    pub(crate) receipts: ReadOnlyTable<&'static [u8; 40], &'static [u8]>,
    pub(crate) side_blocks: ReadOnlyTable<&'static [u8; 40], ()>,
    pub(crate) transactions: ReadOnlyTable<&'static [u8; 32], &'static [u8; 12]>,
    pub(crate) transaction_hashes: ReadOnlyTable<u64, &'static [u8]>,
    pub(crate) blooms: ReadOnlyTable<u64, &'static [u8; 256]>,
    pub(crate) codes: ReadOnlyTable<&'static [u8; 32], &'static [u8]>,
    pub(crate) changes: BytesReader,
    /// By [`Domain`].
    pub(crate) flat: [BytesReader; 4],
    /// By [`Domain`].
    pub(crate) history: [BytesReader; 4],
    pub(crate) code_cache: Arc<CodeCache>,
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("head", &self.head).finish_non_exhaustive()
    }
}

impl Snapshot {
    /// What `transaction` sees, `None` if there is no chain yet.
    pub(crate) fn open(
        transaction: &ReadTransaction,
        code_cache: &Arc<CodeCache>,
    ) -> Result<Option<Arc<Self>>, StoreError> {
        let meta = transaction.open_table(tables::META)?;
        let read = |name| -> Result<Option<Vec<u8>>, StoreError> { Ok(meta.get(name)?.map(|v| v.value().to_vec())) };
        let Some(head) = read(meta::HEAD)? else { return Ok(None) };
        let head = decode_block_key(&head).ok_or_else(|| StoreError::corrupt("meta.head"))?;
        let hash = |name| match read(name)? {
            None => Ok(B256::ZERO),
            Some(hash) => B256::try_from(&hash[..]).map_err(|_| StoreError::corrupt(format!("meta.{name}"))),
        };
        let (safe, finalized) = (hash(meta::SAFE)?, hash(meta::FINALIZED)?);
        let oldest = read(meta::OLDEST_STATE)?;
        let oldest_state =
            oldest.and_then(|oldest| decode_u64(&oldest)).ok_or_else(|| StoreError::corrupt("meta.oldest_state"))?;
        let open = |table| transaction.open_table(table);
        let [flat_0, flat_1, flat_2, flat_3] = Domain::ALL.map(|domain| open(domain.flat()));
        let [history_0, history_1, history_2, history_3] = Domain::ALL.map(|domain| open(domain.history()));
        Ok(Some(Arc::new(Self {
            head,
            safe,
            finalized,
            oldest_state,
            meta,
            canonical: transaction.open_table(tables::CANONICAL)?,
            numbers: transaction.open_table(tables::NUMBERS)?,
            headers: transaction.open_table(tables::HEADERS)?,
            bodies: transaction.open_table(tables::BODIES)?,
            receipts: transaction.open_table(tables::RECEIPTS)?,
            side_blocks: transaction.open_table(tables::SIDE_BLOCKS)?,
            transactions: transaction.open_table(tables::TRANSACTIONS)?,
            transaction_hashes: transaction.open_table(tables::TRANSACTION_HASHES)?,
            blooms: transaction.open_table(tables::BLOOMS)?,
            codes: transaction.open_table(tables::CODES)?,
            changes: open(tables::CHANGES)?,
            flat: [flat_0?, flat_1?, flat_2?, flat_3?],
            history: [history_0?, history_1?, history_2?, history_3?],
            code_cache: code_cache.clone(),
        })))
    }

    /// Number and hash of the last canonical block.
    pub fn head(&self) -> (u64, B256) {
        self.head
    }

    /// Hash of the safe block, zero if none was set.
    pub fn safe(&self) -> B256 {
        self.safe
    }

    /// Hash of the finalized block, zero if none was set.
    pub fn finalized(&self) -> B256 {
        self.finalized
    }

    /// Oldest canonical block whose state can be read.
    pub fn oldest_state(&self) -> u64 {
        self.oldest_state
    }

    /// The caller's note, empty if there is none.
    pub fn note(&self) -> Result<Vec<u8>, StoreError> {
        Ok(self.meta.get(meta::NOTE)?.map(|note| note.value().to_vec()).unwrap_or_default())
    }

    /// Hash of the canonical block with this number.
    pub fn canonical_hash(&self, number: u64) -> Result<Option<B256>, StoreError> {
        Ok(self.canonical.get(number)?.map(|hash| B256::new(*hash.value())))
    }

    /// Number of the block with this hash, canonical or not.
    pub fn number_of(&self, hash: &B256) -> Result<Option<u64>, StoreError> {
        Ok(self.numbers.get(&hash.0)?.map(|number| number.value()))
    }

    /// Encoded header of the block with this hash, canonical or not.
    pub fn header(&self, hash: &B256) -> Result<Option<Bytes>, StoreError> {
        let Some(number) = self.number_of(hash)? else { return Ok(None) };
        Ok(Some(self.header_record(number, hash)?.2))
    }

    /// Parent's hash, total difficulty and encoded header.
    pub(crate) fn header_record(&self, number: u64, hash: &B256) -> Result<(B256, U256, Bytes), StoreError> {
        let corrupt = || StoreError::corrupt(format!("headers[{number}, {hash}]"));
        let record = self.headers.get(&block_key(number, hash))?.ok_or_else(corrupt)?;
        let (parent_hash, rest) = record.value().split_first_chunk::<32>().ok_or_else(corrupt)?;
        let (total_difficulty, header) = rest.split_first_chunk::<32>().ok_or_else(corrupt)?;
        let total_difficulty = U256::from_be_bytes(*total_difficulty);
        Ok((B256::new(*parent_hash), total_difficulty, Bytes::copy_from_slice(header)))
    }

    /// The block with this hash, canonical or not.
    pub fn block(&self, hash: &B256) -> Result<Option<StoredBlock>, StoreError> {
        let Some(number) = self.number_of(hash)? else { return Ok(None) };
        let (parent_hash, total_difficulty, header) = self.header_record(number, hash)?;
        let corrupt = || StoreError::corrupt(format!("bodies[{number}, {hash}]"));
        let record = self.bodies.get(&block_key(number, hash))?.ok_or_else(corrupt)?;
        let (senders, body) = decode_body(record.value()).ok_or_else(corrupt)?;
        let body = Bytes::copy_from_slice(body);
        Ok(Some(StoredBlock { number, hash: *hash, parent_hash, total_difficulty, header, body, senders }))
    }

    /// Encoded receipts of the block with this hash, if it is or was canonical.
    pub fn receipts(&self, hash: &B256) -> Result<Option<Bytes>, StoreError> {
        let Some(number) = self.number_of(hash)? else { return Ok(None) };
        let receipts = self.receipts.get(&block_key(number, hash))?;
        Ok(receipts.map(|receipts| Bytes::copy_from_slice(receipts.value())))
    }

    /// Where the transaction with this hash is in the canonical chain.
    pub fn transaction(&self, hash: &B256) -> Result<Option<BlockLocation>, StoreError> {
        let Some(record) = self.transactions.get(&hash.0)? else { return Ok(None) };
        let corrupt = || StoreError::corrupt(format!("transactions[{hash}]"));
        let (number, index) = record.value().split_first_chunk::<8>().ok_or_else(corrupt)?;
        let index = u32::from_be_bytes(index.try_into().map_err(|_| corrupt())?) as usize;
        let number = u64::from_be_bytes(*number);
        let hash = self.canonical_hash(number)?.ok_or_else(corrupt)?;
        Ok(Some(BlockLocation { number, hash, index }))
    }

    /// Calls `visit` with number and bloom of the canonical blocks from `first` to `last` that have logs, ascending, until it
    /// returns false.
    pub fn blooms(&self, first: u64, last: u64, visit: &mut dyn FnMut(u64, &Bloom) -> bool) -> Result<(), StoreError> {
        if first > last {
            return Ok(());
        }
        for entry in self.blooms.range(first..=last)? {
            let (number, bloom) = entry?;
            if !visit(number.value(), &Bloom::new(*bloom.value())) {
                break;
            }
        }
        Ok(())
    }

    /// The state after the canonical block with this number.
    pub fn state_at(self: &Arc<Self>, number: u64) -> Result<StateAt, StoreError> {
        if number > self.head.0 {
            return Err(StoreError::Discontinuous {
                expected: format!("a block up to the head {}", self.head.0),
                found: format!("block {number}"),
            });
        }
        if number < self.oldest_state {
            return Err(StoreError::StatePruned { number, oldest: self.oldest_state });
        }
        Ok(StateAt::new(self.clone(), number))
    }
}
