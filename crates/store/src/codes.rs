//! Codes that were read lately.
//!
//! A code carries what the virtual machine derived from it, so this cache is also what keeps translations from block to block.
//! It is bounded by an estimate of its bytes and drops what was not asked for longest. Codes never change, so there is
//! nothing to invalidate, and one cache serves all snapshots.

use alloy_primitives::B256;
use alloy_primitives::map::B256Map;
use rialto_state::Code;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Bytes that a byte of code is taken for: the code itself and its translation.
const BYTES_PER_BYTE: usize = 16;

/// Bytes that an entry takes besides.
const ENTRY_BYTES: usize = 256;

#[derive(Default)]
struct Entries {
    codes: B256Map<(Code, u64)>,
    /// Entries by when they were asked for last.
    ages: BTreeMap<u64, B256>,
    clock: u64,
    bytes: usize,
}

/// See the module's comment.
pub(crate) struct CodeCache {
    entries: Mutex<Entries>,
    max_bytes: usize,
}

fn cost(code: &Code) -> usize {
    ENTRY_BYTES + BYTES_PER_BYTE * code.len()
}

impl CodeCache {
    pub fn new(max_bytes: usize) -> Self {
        Self { entries: Mutex::default(), max_bytes }
    }

    pub fn get(&self, hash: &B256) -> Option<Code> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let Entries { codes, ages, clock, .. } = &mut *entries;
        let (code, age) = codes.get_mut(hash)?;
        *clock += 1;
        ages.remove(age);
        ages.insert(*clock, *hash);
        *age = *clock;
        Some(code.clone())
    }

    pub fn insert(&self, code: Code) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let Entries { codes, ages, clock, bytes } = &mut *entries;
        let hash = code.hash();
        if codes.contains_key(&hash) {
            return;
        }
        *clock += 1;
        *bytes += cost(&code);
        ages.insert(*clock, hash);
        codes.insert(hash, (code, *clock));
        while *bytes > self.max_bytes {
            let Some((_, oldest)) = ages.pop_first() else { break };
            if let Some((code, _)) = codes.remove(&oldest) {
                *bytes -= cost(&code);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_what_was_not_asked_for_longest() {
        let code = |byte: u8| Code::new(vec![byte; 100].into());
        let cache = CodeCache::new(2 * cost(&code(0)));
        let present =
            |bytes: &[u8]| bytes.iter().map(|byte| cache.get(&code(*byte).hash()).is_some()).collect::<Vec<_>>();
        cache.insert(code(1));
        cache.insert(code(2));
        assert_eq!(present(&[2, 1]), [true, true]);
        cache.insert(code(3));
        assert_eq!(present(&[1, 2, 3]), [true, false, true], "the second was asked for before the first");
    }
}
