//! Simple Serialize (the consensus layer's encoding): a strict reader, and hash tree roots.
//!
//! A container is a fixed part, in which each field of variable size leaves a 4-byte offset, and after it those fields in
//! order. The reader takes offsets as they must be and nothing else: the first one is the length of the fixed part, they
//! do not descend, and none points behind the end. Lengths come from the input's own length, so what is read is never
//! larger than the input.
//!
//! A root is that of a binary tree of SHA-256 over 32-byte chunks. A list is padded with zero chunks to the most it could
//! hold, which can be 2^40, so subtrees of zeros are taken from a table of one root per level.

use alloy_primitives::{Address, B256, U256};
use sha2::{Digest, Sha256};
use std::fmt;

/// Length of an offset.
const OFFSET_BYTES: usize = 4;
/// Levels of the deepest tree.
const MAX_DEPTH: usize = 64;

/// Why bytes are not the container that they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SszError {
    /// The bytes end inside a field.
    TooShort {
        /// The field.
        field: &'static str,
        /// Bytes that it needs.
        expected_bytes: usize,
        /// Bytes that are there.
        found_bytes: usize,
    },
    /// An offset is not where the field can begin.
    Offset {
        /// The field.
        field: &'static str,
        /// The least it can be.
        expected_at_least: usize,
        /// The most it can be.
        expected_at_most: usize,
        /// The offset found.
        found: usize,
    },
    /// A list's length is no multiple of its items'.
    ListLength {
        /// The field.
        field: &'static str,
        /// Bytes of an item.
        item_bytes: usize,
        /// Bytes of the list.
        found_bytes: usize,
    },
    /// A list has more items, or a byte list more bytes, than it may.
    TooMany {
        /// The field.
        field: &'static str,
        /// The most it may have.
        limit: u64,
        /// Those it has.
        found: u64,
    },
}

impl fmt::Display for SszError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { field, expected_bytes, found_bytes } => {
                write!(f, "{field}: expected {expected_bytes} bytes, found only {found_bytes}")
            }
            Self::Offset { field, expected_at_least, expected_at_most, found } => {
                write!(f, "{field}: expected an offset from {expected_at_least} to {expected_at_most}, found {found}")
            }
            Self::ListLength { field, item_bytes, found_bytes } => {
                write!(f, "{field}: expected a multiple of {item_bytes} bytes, found {found_bytes}")
            }
            Self::TooMany { field, limit, found } => {
                write!(f, "{field}: expected at most {limit} items, found {found}")
            }
        }
    }
}

impl std::error::Error for SszError {}

/// Reads a container: the fixed part field by field, and the variable fields at the offsets it meets.
pub struct Container<'a> {
    bytes: &'a [u8],
    position: usize,
    /// Variable fields met so far: name and where each begins.
    variable: Vec<(&'static str, usize)>,
    fixed_bytes: usize,
}

impl<'a> Container<'a> {
    /// Begins a container with a fixed part of this length.
    pub fn new(bytes: &'a [u8], fixed_bytes: usize) -> Self {
        Self { bytes, position: 0, variable: Vec::new(), fixed_bytes }
    }

    /// The next `N` bytes.
    pub fn fixed<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], SszError> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let Some(bytes) = rest.first_chunk::<N>() else {
            return Err(SszError::TooShort { field, expected_bytes: N, found_bytes: rest.len() });
        };
        self.position += N;
        Ok(*bytes)
    }

    /// A number of 64 bits.
    pub fn u64(&mut self, field: &'static str) -> Result<u64, SszError> {
        self.fixed(field).map(u64::from_le_bytes)
    }

    /// A number of 256 bits.
    pub fn u256(&mut self, field: &'static str) -> Result<U256, SszError> {
        self.fixed::<32>(field).map(U256::from_le_bytes)
    }

    /// 32 bytes.
    pub fn b256(&mut self, field: &'static str) -> Result<B256, SszError> {
        self.fixed(field).map(B256::new)
    }

    /// 20 bytes.
    pub fn address(&mut self, field: &'static str) -> Result<Address, SszError> {
        self.fixed(field).map(Address::new)
    }

    /// The offset of a field of variable size, whose bytes [`Container::finish`] gives.
    pub fn variable(&mut self, field: &'static str) -> Result<(), SszError> {
        let offset = u32::from_le_bytes(self.fixed::<OFFSET_BYTES>(field)?) as usize;
        let (least, most) = match self.variable.last() {
            None => (self.fixed_bytes, self.fixed_bytes),
            Some((_, previous)) => (*previous, self.bytes.len()),
        };
        if offset < least || offset > most.min(self.bytes.len()) {
            let (expected_at_least, expected_at_most) = (least, most);
            return Err(SszError::Offset { field, expected_at_least, expected_at_most, found: offset });
        }
        self.variable.push((field, offset));
        Ok(())
    }

    /// The bytes of the `N` variable fields, in order.
    pub fn finish<const N: usize>(self) -> [&'a [u8]; N] {
        assert_eq!((self.variable.len(), self.position), (N, self.fixed_bytes), "the container was read whole");
        std::array::from_fn(|index| {
            let end = self.variable.get(index + 1).map_or(self.bytes.len(), |(_, offset)| *offset);
            &self.bytes[self.variable[index].1..end]
        })
    }
}

/// The items of a list whose items have variable size.
pub fn variable_items<'a>(field: &'static str, bytes: &'a [u8], limit: u64) -> Result<Vec<&'a [u8]>, SszError> {
    let Some(first) = bytes.first_chunk::<OFFSET_BYTES>() else {
        return match bytes.len() {
            0 => Ok(Vec::new()),
            found_bytes => Err(SszError::TooShort { field, expected_bytes: OFFSET_BYTES, found_bytes }),
        };
    };
    let fixed_bytes = u32::from_le_bytes(*first) as usize;
    if fixed_bytes == 0 || !fixed_bytes.is_multiple_of(OFFSET_BYTES) || fixed_bytes > bytes.len() {
        let (expected_at_least, expected_at_most) = (OFFSET_BYTES, bytes.len());
        return Err(SszError::Offset { field, expected_at_least, expected_at_most, found: fixed_bytes });
    }
    let count = (fixed_bytes / OFFSET_BYTES) as u64;
    if count > limit {
        return Err(SszError::TooMany { field, limit, found: count });
    }
    let offset = |index: usize| {
        let at = index * OFFSET_BYTES;
        u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]) as usize
    };
    let mut items = Vec::with_capacity(fixed_bytes / OFFSET_BYTES);
    for index in 0..fixed_bytes / OFFSET_BYTES {
        let start = offset(index);
        let end = if index + 1 < fixed_bytes / OFFSET_BYTES { offset(index + 1) } else { bytes.len() };
        if start < fixed_bytes || start > end || end > bytes.len() {
            let (expected_at_least, expected_at_most) = (fixed_bytes, end.min(bytes.len()));
            return Err(SszError::Offset { field, expected_at_least, expected_at_most, found: start });
        }
        items.push(&bytes[start..end]);
    }
    Ok(items)
}

/// The items of a list whose items have a fixed size.
pub fn fixed_items<'a>(
    field: &'static str,
    bytes: &'a [u8],
    item_bytes: usize,
    limit: u64,
) -> Result<Vec<&'a [u8]>, SszError> {
    if !bytes.len().is_multiple_of(item_bytes) {
        return Err(SszError::ListLength { field, item_bytes, found_bytes: bytes.len() });
    }
    let found = (bytes.len() / item_bytes) as u64;
    if found > limit {
        return Err(SszError::TooMany { field, limit, found });
    }
    Ok(bytes.chunks_exact(item_bytes).collect())
}

/// A node of the tree.
pub type Chunk = [u8; 32];

fn hash_pair(left: &Chunk, right: &Chunk) -> Chunk {
    let mut hasher = Sha256::new();
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The root of a tree over `chunks`, padded with zeros to `limit` chunks, rounded up to a power of two.
pub fn merkleize(mut chunks: Vec<Chunk>, limit: u64) -> Chunk {
    let depth = limit.max(1).next_power_of_two().trailing_zeros() as usize;
    assert!(depth <= MAX_DEPTH && chunks.len() as u64 <= limit.max(1), "a list is not longer than its limit");
    let mut zero = Chunk::default();
    for _ in 0..depth {
        if chunks.len() % 2 == 1 {
            chunks.push(zero);
        }
        chunks = chunks.chunks_exact(2).map(|pair| hash_pair(&pair[0], &pair[1])).collect();
        zero = hash_pair(&zero, &zero);
    }
    chunks.first().copied().unwrap_or(zero)
}

/// The root of a list: that of its items' tree, with its length.
pub fn with_length(root: Chunk, length: usize) -> Chunk {
    hash_pair(&root, &U256::from(length).to_le_bytes())
}

/// `bytes` in chunks, the last one padded.
pub fn chunks_of(bytes: &[u8]) -> Vec<Chunk> {
    bytes.chunks(32).map(chunk_of).collect()
}

/// At most 32 bytes as one chunk.
pub fn chunk_of(bytes: &[u8]) -> Chunk {
    let mut chunk = Chunk::default();
    chunk[..bytes.len()].copy_from_slice(bytes);
    chunk
}

/// The root of a list of at most `limit_bytes` bytes.
pub fn byte_list_root(bytes: &[u8], limit_bytes: u64) -> Chunk {
    with_length(merkleize(chunks_of(bytes), limit_bytes.div_ceil(32)), bytes.len())
}

/// The root of a list of at most `limit` items with these roots.
pub fn list_root(roots: Vec<Chunk>, limit: u64) -> Chunk {
    let length = roots.len();
    with_length(merkleize(roots, limit), length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::hex;

    #[test]
    fn trees_of_zeros_have_known_roots() {
        // The first two zero hashes of the consensus layer's deposit tree.
        let one = hex!("f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b");
        let two = hex!("db56114e00fdd4c1f85c892bf35ac9a89289aaecb1ebd0a96cde606a748b5d71");
        let rows = [("one chunk", 1, [0; 32]), ("two", 2, one), ("three are four", 3, two), ("four", 4, two)];
        for (name, limit, expected) in rows {
            assert_eq!(merkleize(Vec::new(), limit), expected, "{name}");
            assert_eq!(merkleize(vec![[0; 32]], limit), expected, "{name}, one of them given");
        }
    }

    #[test]
    fn lists_of_byte_lists_are_read_strictly() {
        type Items<'a> = &'a [&'a [u8]];
        let rows: [(&str, &[u8], Option<Items<'_>>); 7] = [
            ("empty", &[], Some(&[])),
            ("one empty item", &[4, 0, 0, 0], Some(&[&[]])),
            ("two", &[8, 0, 0, 0, 9, 0, 0, 0, 1, 2, 3], Some(&[&[1], &[2, 3]])),
            ("cut off", &[4, 0], None),
            ("offset into the offsets", &[8, 0, 0, 0, 4, 0, 0, 0], None),
            ("offset behind the end", &[8, 0, 0, 0, 99, 0, 0, 0], None),
            ("offset of zero", &[0, 0, 0, 0], None),
        ];
        for (name, bytes, expected) in rows {
            let found = variable_items("list", bytes, 2).ok();
            assert_eq!(found.as_deref(), expected, "{name}");
        }
        assert_eq!(
            variable_items("list", &[4, 0, 0, 0], 0),
            Err(SszError::TooMany { field: "list", limit: 0, found: 1 }),
            "more than the limit"
        );
    }

    #[test]
    fn containers_are_read_strictly() {
        let read = |bytes: &[u8]| -> Result<(u64, Vec<u8>, Vec<u8>), SszError> {
            let mut container = Container::new(bytes, 16);
            container.variable("first")?;
            let number = container.u64("number")?;
            container.variable("second")?;
            let [first, second] = container.finish();
            Ok((number, first.to_vec(), second.to_vec()))
        };
        let fixed = |first: u8, second: u8, rest: &[u8]| {
            let mut bytes = vec![first, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, second, 0, 0, 0];
            bytes.extend(rest);
            bytes
        };
        let rows = [
            ("both", fixed(16, 17, &[1, 2]), Some((7, vec![1], vec![2]))),
            ("empty fields", fixed(16, 16, &[]), Some((7, vec![], vec![]))),
            ("gap after the fixed part", fixed(17, 17, &[1, 2]), None),
            ("descending", fixed(16, 15, &[1, 2]), None),
            ("behind the end", fixed(16, 19, &[1, 2]), None),
            ("cut off", fixed(16, 17, &[])[..9].to_vec(), None),
        ];
        for (name, bytes, expected) in rows {
            assert_eq!(read(&bytes).ok(), expected, "{name}");
        }
    }
}
