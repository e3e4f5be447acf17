//! Keys as bytes, addressed by nibble.
//!
//! A leaf keeps its *whole* key instead of the rest of the path below its parent. Two things follow. A leaf that moves up
//! or down (a branch above it splits or collapses) does not change in memory. And its hex-prefix encoding needs no shifting:
//! keys are whole bytes, so the parity of what remains equals the parity of the depth, and the bytes after the flag are the
//! key's own bytes.

use crate::TrieError;
use core::cmp::Ordering;
use nybbles::Nibbles;

/// Longest path in nibbles: a 32-byte key.
pub(crate) const MAX_NIBBLES: usize = 64;

/// A key of at most 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    // Bytes past `len` are zero, so derived equality compares keys.
    bytes: [u8; 32],
    len: u8,
}

impl Key {
    pub(crate) fn new(key: &[u8]) -> Result<Self, TrieError> {
        let mut bytes = [0; 32];
        let Some(target) = bytes.get_mut(..key.len()) else {
            return Err(TrieError::KeyTooLong { length_bytes: key.len() });
        };
        target.copy_from_slice(key);
        Ok(Self { bytes, len: key.len() as u8 })
    }

    pub(crate) const fn from_array(bytes: [u8; 32]) -> Self {
        Self { bytes, len: 32 }
    }

    /// The first `len` bytes, after which the bytes are zero.
    pub(crate) fn short(bytes: [u8; 32], len: u8) -> Self {
        debug_assert!(bytes[usize::from(len)..].iter().all(|byte| *byte == 0), "derived equality compares all bytes");
        Self { bytes, len }
    }

    /// The key that ends at `path`; `None` where the path ends in the middle of a byte.
    pub(crate) fn from_nibbles(path: &Nibbles) -> Option<Self> {
        if !path.len().is_multiple_of(2) {
            return None;
        }
        let packed = path.pack();
        Self::new(&packed).ok()
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The bytes of the key, filled up with zeros.
    pub(crate) fn padded(&self) -> [u8; 32] {
        self.bytes
    }

    /// Length in nibbles.
    pub(crate) fn nibbles(&self) -> usize {
        usize::from(self.len) * 2
    }

    /// The nibble at `index`, which must be below 64.
    #[inline]
    pub(crate) fn nibble(&self, index: usize) -> u8 {
        let byte = self.bytes[index / 2];
        if index.is_multiple_of(2) { byte >> 4 } else { byte & 15 }
    }

    /// The first `depth` nibbles.
    pub(crate) fn prefix(&self, depth: usize) -> Nibbles {
        let mut path = Nibbles::unpack(self.bytes);
        path.truncate(depth);
        path
    }

    /// Nibbles `start..end`.
    pub(crate) fn range(&self, start: usize, end: usize) -> Nibbles {
        Nibbles::unpack(self.bytes).slice(start..end)
    }

    /// Whether the nibbles from `depth` on start with `path`; otherwise how many agree.
    pub(crate) fn matches(&self, depth: usize, path: &Nibbles) -> Result<(), usize> {
        let available = self.nibbles().saturating_sub(depth);
        for (index, nibble) in path.iter().enumerate() {
            if index >= available || self.nibble(depth + index) != nibble {
                return Err(index);
            }
        }
        Ok(())
    }

    /// Number of leading nibbles that two keys share, given that they share the first `depth`.
    pub(crate) fn common_prefix(&self, other: &Self, depth: usize) -> usize {
        let shorter = usize::from(self.len.min(other.len));
        for index in depth / 2..shorter {
            let differing = self.bytes[index] ^ other.bytes[index];
            if differing != 0 {
                return index * 2 + usize::from(differing < 16);
            }
        }
        shorter * 2
    }

    /// What a leaf at `depth` writes as its path: the flag with the odd nibble, and the key's bytes after it.
    pub(crate) fn hex_prefix(&self, depth: usize) -> (u8, &[u8]) {
        let rest = &self.as_slice()[depth.div_ceil(2)..];
        if depth.is_multiple_of(2) { (0x20, rest) } else { (0x30 | self.nibble(depth), rest) }
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}
