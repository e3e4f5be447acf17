//! What the Engine API keeps between requests: the access lists of the latest payloads.
//!
//! A block does not contain its access list, and the database does not keep it, since it can be had by executing the block. But
//! a consensus client that lost a payload asks for its body with the list (`engine_getPayloadBodies...V2`), mostly for recent
//! ones, so the lists that came or went with payloads stay here for a while. The oldest leave first; a list that is gone is
//! made again by executing the block, if need be.

use alloy_primitives::{B256, Bytes};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// Most access lists that are kept.
const MAX_LISTS: usize = 1_024;
/// Most bytes of access lists that are kept.
const MAX_BYTES: usize = 64 << 20;

/// What the Engine API keeps between requests.
#[derive(Debug, Default)]
pub struct EngineState {
    access_lists: Mutex<AccessLists>,
}

#[derive(Debug, Default)]
struct AccessLists {
    by_block: HashMap<B256, Bytes>,
    /// Blocks from the oldest entry on.
    order: VecDeque<B256>,
    bytes: usize,
}

impl EngineState {
    /// Keeps the encoded access list of a block.
    pub(crate) fn keep_access_list(&self, block_hash: B256, list: Bytes) {
        self.access_lists.lock().unwrap_or_else(PoisonError::into_inner).insert(block_hash, list);
    }

    /// The encoded access list of a block, if it is still there.
    pub(crate) fn access_list(&self, block_hash: &B256) -> Option<Bytes> {
        self.access_lists.lock().unwrap_or_else(PoisonError::into_inner).by_block.get(block_hash).cloned()
    }
}

impl AccessLists {
    fn insert(&mut self, block_hash: B256, list: Bytes) {
        if list.len() > MAX_BYTES || self.by_block.contains_key(&block_hash) {
            return;
        }
        self.bytes += list.len();
        self.by_block.insert(block_hash, list);
        self.order.push_back(block_hash);
        while self.order.len() > MAX_LISTS || self.bytes > MAX_BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            let list = self.by_block.remove(&oldest);
            self.bytes -= list.map_or(0, |list| list.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_lists_leave_first() {
        let hash = |number: usize| B256::with_last_byte(number as u8);
        let list = |megabytes: usize| Bytes::from(vec![0; megabytes << 20]);
        let rows: [(&str, &[usize], &[usize]); 4] = [
            ("room for all", &[1, 2, 3], &[0, 1, 2]),
            ("the first leaves", &[30, 30, 30], &[1, 2]),
            ("all others leave", &[1, 2, 64], &[2]),
            ("too large for any room", &[1, 65], &[0]),
        ];
        for (name, sizes, expected) in rows {
            let state = EngineState::default();
            for (index, megabytes) in sizes.iter().enumerate() {
                state.keep_access_list(hash(index), list(*megabytes));
            }
            let found: Vec<usize> =
                (0..sizes.len()).filter(|index| state.access_list(&hash(*index)).is_some()).collect();
            assert_eq!(found, expected, "{name}");
        }
    }
}
