//! Event logs (Yellow Paper 4.3.1), with topics inline: a log costs one allocation at most, for its data.

use alloy_primitives::{Address, B256, Bytes};

/// Up to four topics.
#[derive(Clone, Copy, Debug, Default)]
pub struct Topics {
    len: u8,
    topics: [B256; 4],
}

impl Topics {
    /// Copies the first four of `topics`; a log can't have more (LOG4 is the last of its opcodes).
    pub fn new(topics: &[B256]) -> Self {
        assert!(topics.len() <= 4, "a log has at most 4 topics, found {}", topics.len());
        let mut copy = Self { len: topics.len() as u8, topics: [B256::ZERO; 4] };
        copy.topics[..topics.len()].copy_from_slice(topics);
        copy
    }

    /// `len` topics, four at most, each of which `topic` gives by its index: made in place, without a copy.
    #[inline]
    pub fn from_fn(len: usize, topic: impl Fn(usize) -> B256) -> Self {
        assert!(len <= 4, "a log has at most 4 topics, found {len}");
        let mut topics = [B256::ZERO; 4];
        for (index, place) in topics.iter_mut().enumerate() {
            if index < len {
                *place = topic(index);
            }
        }
        Self { len: len as u8, topics }
    }
}

impl core::ops::Deref for Topics {
    type Target = [B256];

    fn deref(&self) -> &[B256] {
        &self.topics[..usize::from(self.len)]
    }
}

impl PartialEq for Topics {
    fn eq(&self, other: &Self) -> bool {
        self[..] == other[..]
    }
}

impl Eq for Topics {}

/// One event log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The account that emitted it.
    pub address: Address,
    /// Indexed words.
    pub topics: Topics,
    /// Unindexed bytes.
    pub data: Bytes,
}
