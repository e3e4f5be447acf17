//! Blob sidecars: the data behind a blob transaction, its form on the network, and its proofs.
//!
//! A block holds only the hashes of a blob transaction's KZG commitments; blobs, commitments and proofs travel beside it and
//! are wrapped together with it where it is handed on: `0x03 || rlp([body, blobs, commitments, proofs])` (EIP-4844), and
//! `0x03 || rlp([body, 1, blobs, commitments, cell_proofs])` since EIP-7594, where a proof belongs to each of a blob's 128
//! cells. What follows the body, a list or an integer, tells them apart.
//!
//! Reading copies nothing before it is known to be small enough: a list's items are counted and measured while they are
//! read, against the most blobs a transaction may have. Verifying costs milliseconds a blob, so the pool does it last, after
//! everything that costs less.

use super::PoolError;
use alloy_primitives::{B256, Bytes};
use c_kzg::{BYTES_PER_BLOB, Blob, Bytes48, CELLS_PER_EXT_BLOB, Cell, KzgSettings};
use rialto_stf::{DecodeError, RlpReader, RlpWriter, Transaction, WithPath};
use sha2::{Digest, Sha256};

/// Most blobs that any transaction is read with, whatever the fork: bounds what decoding allocates.
pub(crate) const MAX_BLOBS_READ: usize = 64;
/// Bytes of a commitment and of a proof.
const POINT_BYTES: usize = 48;
/// First byte of a versioned hash (EIP-4844).
const VERSIONED_HASH_VERSION: u8 = 1;
/// First byte of a blob transaction.
const BLOB_TX_TYPE: u8 = 3;

/// The blobs of a transaction with their commitments and proofs: one proof a blob (EIP-4844), or one for each of a blob's
/// 128 cells (EIP-7594, `version` 1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobSidecar {
    /// 0 for EIP-4844, 1 for EIP-7594.
    pub version: u8,
    /// Blobs of 131,072 bytes.
    pub blobs: Vec<Bytes>,
    /// Commitments of 48 bytes.
    pub commitments: Vec<Bytes>,
    /// Proofs of 48 bytes.
    pub proofs: Vec<Bytes>,
}

/// The trusted setup of Ethereum's ceremony. The same precomputation as the point evaluation precompile's, so that there is
/// one in memory.
fn settings() -> &'static KzgSettings {
    c_kzg::ethereum_kzg_settings(8)
}

fn kzg_failed(error: c_kzg::Error) -> PoolError {
    PoolError::Blobs(format!("KZG verification error: {error}"))
}

impl BlobSidecar {
    /// Commitments and proofs for `blobs`, of 131,072 bytes each, in which every 32 bytes are a field element of BLS12-381.
    pub fn compute(version: u8, blobs: Vec<Bytes>) -> Result<Self, PoolError> {
        if version > 1 {
            return Err(wrong_version("0 or 1", version));
        }
        let mut sidecar = Self { version, blobs, commitments: Vec::new(), proofs: Vec::new() };
        for blob in sidecar.kzg_blobs()? {
            let commitment = settings().blob_to_kzg_commitment(&blob).map_err(kzg_failed)?.to_bytes();
            sidecar.commitments.push(copied(&commitment));
            if version == 0 {
                let proof = settings().compute_blob_kzg_proof(&blob, &commitment).map_err(kzg_failed)?;
                sidecar.proofs.push(copied(&proof.to_bytes()));
            } else {
                let (_, proofs) = settings().compute_cells_and_kzg_proofs(&blob).map_err(kzg_failed)?;
                sidecar.proofs.extend(proofs.iter().map(|proof| copied(&proof.to_bytes())));
            }
        }
        Ok(sidecar)
    }

    /// The same blobs and commitments with cell proofs (EIP-7594).
    pub fn with_cell_proofs(&self) -> Result<Self, PoolError> {
        if self.version == 1 {
            return Ok(self.clone());
        }
        let computed = Self::compute(1, self.blobs.clone())?;
        Ok(Self { commitments: self.commitments.clone(), ..computed })
    }

    /// The hashes that a transaction with these blobs has.
    pub fn versioned_hashes(&self) -> Vec<B256> {
        self.commitments.iter().map(|commitment| versioned_hash(commitment)).collect()
    }

    /// Proofs of the blob at `index`: one, or one a cell.
    pub fn proofs_of(&self, index: usize) -> &[Bytes] {
        let count = proofs_per_blob(self.version);
        self.proofs.get(index * count..(index + 1) * count).unwrap_or(&[])
    }

    /// The 128 cells of the blob at `index`, 2,048 bytes each: the blob itself and then what extends it (EIP-7594).
    pub fn cells_of(&self, index: usize) -> Result<Vec<Bytes>, PoolError> {
        let blob = self.blobs.get(index).ok_or_else(|| PoolError::Blobs(format!("blobs[{index}]: expected one")))?;
        let cells = settings().compute_cells(&Blob::from_bytes(blob).map_err(kzg_failed)?).map_err(kzg_failed)?;
        Ok(cells.iter().map(|cell| Bytes::copy_from_slice(&cell.to_bytes())).collect())
    }

    /// Bytes of blobs, commitments and proofs.
    pub fn byte_length(&self) -> usize {
        let length = |items: &[Bytes]| items.iter().map(|item| item.len()).sum::<usize>();
        length(&self.blobs) + length(&self.commitments) + length(&self.proofs)
    }

    /// Whether the counts fit each other and the commitments are those that the transaction names. Cheap.
    pub(crate) fn check_form(&self, versioned_hashes: &[B256]) -> Result<(), PoolError> {
        let blobs = versioned_hashes.len();
        if self.version > 1 {
            return Err(wrong_version("0 or 1", self.version));
        }
        let counts = [
            ("blobs", self.blobs.len(), blobs),
            ("commitments", self.commitments.len(), blobs),
            ("proofs", self.proofs.len(), blobs * proofs_per_blob(self.version)),
        ];
        for (field, found, expected) in counts {
            if found != expected {
                return Err(PoolError::Blobs(format!(
                    "Wrong sidecar format: {field}: expected {expected} (the transaction names {blobs} blobs, sidecar \
                     version {}), found {found}",
                    self.version
                )));
            }
        }
        for (index, (commitment, expected)) in self.commitments.iter().zip(versioned_hashes).enumerate() {
            let found = versioned_hash(commitment);
            if found != *expected {
                return Err(PoolError::Blobs(format!(
                    "commitments[{index}]: expected one that hashes to {expected}, found one that hashes to {found}"
                )));
            }
        }
        Ok(())
    }

    /// Whether the proofs hold. Milliseconds a blob.
    pub(crate) fn verify_proofs(&self) -> Result<(), PoolError> {
        let blobs = self.kzg_blobs()?;
        let commitments = points(&self.commitments)?;
        let proofs = points(&self.proofs)?;
        let holds = if self.version == 0 {
            settings().verify_blob_kzg_proof_batch(&blobs, &commitments, &proofs)
        } else {
            verify_cells(&blobs, &commitments, &proofs)
        };
        match holds.map_err(kzg_failed)? {
            true => Ok(()),
            false => Err(PoolError::Blobs(
                "KZG verification error: expected proofs of these blobs under these commitments, found others".into(),
            )),
        }
    }

    fn kzg_blobs(&self) -> Result<Vec<Blob>, PoolError> {
        self.blobs.iter().map(|blob| Blob::from_bytes(blob).map_err(kzg_failed)).collect()
    }

    /// Reads what follows the body in the network form, to the list's end.
    fn read(list: &mut RlpReader<'_>, max_blobs: usize) -> Result<Self, PoolError> {
        let version = if list.next_is_list() { 0 } else { list.u8().field("wrapper_version")? };
        if !list.is_empty() && !list.next_is_list() || version > 1 {
            return Err(wrong_version("0 or 1", version));
        }
        let blobs = read_items(list, "blobs", BYTES_PER_BLOB, max_blobs)?;
        let commitments = read_items(list, "commitments", POINT_BYTES, max_blobs)?;
        let proofs = read_items(list, "proofs", POINT_BYTES, max_blobs * proofs_per_blob(version))?;
        list.end()?;
        Ok(Self { version, blobs, commitments, proofs })
    }
}

fn verify_cells(blobs: &[Blob], commitments: &[Bytes48], proofs: &[Bytes48]) -> Result<bool, c_kzg::Error> {
    let mut cells: Vec<Cell> = Vec::with_capacity(blobs.len() * CELLS_PER_EXT_BLOB);
    let mut cell_commitments = Vec::with_capacity(cells.capacity());
    let mut indices = Vec::with_capacity(cells.capacity());
    for (blob, commitment) in blobs.iter().zip(commitments) {
        cells.extend_from_slice(settings().compute_cells(blob)?.as_slice());
        cell_commitments.extend(std::iter::repeat_n(*commitment, CELLS_PER_EXT_BLOB));
        indices.extend(0..CELLS_PER_EXT_BLOB as u64);
    }
    settings().verify_cell_kzg_proof_batch(&cell_commitments, &indices, &cells, proofs)
}

/// Proofs that a blob has in a sidecar of this version.
fn proofs_per_blob(version: u8) -> usize {
    if version == 0 { 1 } else { CELLS_PER_EXT_BLOB }
}

pub(crate) fn wrong_version(expected: &str, found: u8) -> PoolError {
    PoolError::Blobs(format!(
        "Wrong sidecar format: sidecar version: expected {expected} (0 has a proof a blob, 1 has cell proofs, which blocks \
         take since Osaka), found {found}"
    ))
}

fn versioned_hash(commitment: &[u8]) -> B256 {
    let mut hash = B256::new(Sha256::digest(commitment).into());
    hash[0] = VERSIONED_HASH_VERSION;
    hash
}

fn copied(point: &Bytes48) -> Bytes {
    Bytes::copy_from_slice(point.as_ref())
}

fn points(items: &[Bytes]) -> Result<Vec<Bytes48>, PoolError> {
    items.iter().map(|item| Bytes48::from_bytes(item).map_err(kzg_failed)).collect()
}

/// At most `max_items` strings of `item_bytes` bytes each.
fn read_items(
    list: &mut RlpReader<'_>,
    field: &'static str,
    item_bytes: usize,
    max_items: usize,
) -> Result<Vec<Bytes>, PoolError> {
    let mut items_reader = list.list().field(field)?;
    let mut items = Vec::new();
    while !items_reader.is_empty() {
        let item = items_reader.string().index(items.len()).field(field)?;
        if items.len() == max_items {
            return Err(PoolError::Blobs(format!(
                "transaction blob limit exceeded: {field}: expected at most {max_items}, found more"
            )));
        }
        if item.len() != item_bytes {
            return Err(PoolError::Blobs(format!(
                "Wrong sidecar format: {field}[{}]: expected {item_bytes} bytes, found {}",
                items.len(),
                item.len()
            )));
        }
        items.push(Bytes::copy_from_slice(item));
    }
    Ok(items)
}

/// Whether these bytes, by their beginning, are a blob transaction's.
pub(crate) fn is_blob_transaction(bytes: &[u8]) -> bool {
    bytes.first() == Some(&BLOB_TX_TYPE)
}

/// Decodes a blob transaction in its network form. `max_blobs` is what the fork allows a transaction.
pub(crate) fn decode_network(
    bytes: &[u8],
    max_blobs: usize,
    max_body_bytes: usize,
) -> Result<(Transaction, BlobSidecar), PoolError> {
    let max_blobs = max_blobs.min(MAX_BLOBS_READ);
    let mut reader = RlpReader::new(bytes.get(1..).unwrap_or_default());
    let mut list = reader.list().field("transaction")?;
    reader.end().field("transaction")?;
    if !list.next_is_list() {
        // The transaction alone, as in a block; or something else altogether, of which decoding says what.
        Transaction::decode(bytes)?;
        return Err(PoolError::Blobs(
            "missing sidecar in blob transaction: expected it wrapped with blobs, commitments and proofs".into(),
        ));
    }
    let body = list.raw_item().field("transaction")?;
    if body.len() >= max_body_bytes {
        return Err(PoolError::Oversized { limit: max_body_bytes, found: body.len() + 1 });
    }
    let transaction = decode_body(body)?;
    let sidecar = BlobSidecar::read(&mut list, max_blobs)?;
    Ok((transaction, sidecar))
}

/// Decodes the list of a blob transaction's fields.
fn decode_body(body: &[u8]) -> Result<Transaction, DecodeError> {
    let mut bytes = Vec::with_capacity(body.len() + 1);
    bytes.push(BLOB_TX_TYPE);
    bytes.extend_from_slice(body);
    Transaction::decode(&bytes)
}

/// The network form of a blob transaction.
pub(crate) fn encode_network(transaction: &Transaction, sidecar: &BlobSidecar) -> Vec<u8> {
    let encoded = transaction.encode();
    let mut writer = RlpWriter::with_capacity(encoded.len() + sidecar.byte_length() + 4 * sidecar.proofs.len() + 64);
    writer.raw(&[BLOB_TX_TYPE]);
    writer.list(|list| {
        list.raw(&encoded[1..]);
        if sidecar.version > 0 {
            list.u64(u64::from(sidecar.version));
        }
        for items in [&sidecar.blobs, &sidecar.commitments, &sidecar.proofs] {
            list.list(|list| items.iter().for_each(|item| list.string(item)));
        }
    });
    writer.into_bytes()
}
