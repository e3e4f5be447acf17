//! Places for what a reader said, filled by whichever thread asks first.
//!
//! The state before a block does not change, so threads that fill a place at the same time fill it with the same. They need
//! not agree on who does it: a place is some atomic words and a flag that is set after them. Who sees the flag sees the words,
//! those of one thread or of several, which is the same. Of those that fill a place one is told that it was the first.

use alloy_primitives::{B256, U256};
use rialto_state::Account;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

#[derive(Default)]
struct Words([AtomicU64; 4]);

impl Words {
    fn set(&self, words: [u64; 4]) {
        for (place, word) in self.0.iter().zip(words) {
            place.store(word, Ordering::Relaxed);
        }
    }

    fn get(&self) -> [u64; 4] {
        [0, 1, 2, 3].map(|at| self.0[at].load(Ordering::Relaxed))
    }
}

/// A place for a slot's word.
#[derive(Default)]
pub(super) struct WordCell {
    is_set: AtomicBool,
    word: Words,
}

impl WordCell {
    pub fn get(&self) -> Option<U256> {
        self.is_set().then(|| U256::from_limbs(self.word.get()))
    }

    fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    /// Fills the place; whether nobody had.
    pub fn set(&self, word: U256) -> bool {
        self.word.set(*word.as_limbs());
        !self.is_set.swap(true, Ordering::AcqRel)
    }
}

/// The place is filled.
const IS_SET: u8 = 1;
/// The account exists.
const EXISTS: u8 = 2;
/// There are indices after which nothing is left of it.
const HAS_DELETIONS: u8 = 4;

/// A place for an account and the indices after which nothing is left of it.
#[derive(Default)]
pub(super) struct AccountCell {
    flags: AtomicU8,
    nonce: AtomicU64,
    balance: Words,
    code_hash: Words,
    deletions: OnceLock<Vec<u32>>,
}

impl AccountCell {
    /// Whether the account exists; `None` while that is not known.
    pub fn exists(&self) -> Option<bool> {
        let flags = self.flags.load(Ordering::Acquire);
        (flags & IS_SET != 0).then_some(flags & EXISTS != 0)
    }

    /// The account, `None` while it is not known.
    pub fn get(&self) -> Option<Option<Account>> {
        let exists = self.exists()?;
        Some(exists.then(|| Account {
            nonce: self.nonce.load(Ordering::Relaxed),
            balance: U256::from_limbs(self.balance.get()),
            code_hash: B256::from(U256::from_limbs(self.code_hash.get())),
        }))
    }

    /// Ascending indices after which nothing is left of the account. The cell must be set.
    pub fn deletions(&self) -> &[u32] {
        let has_any = self.flags.load(Ordering::Acquire) & HAS_DELETIONS != 0;
        if has_any { self.deletions.get().map_or(&[], Vec::as_slice) } else { &[] }
    }

    /// Fills the place; whether nobody had.
    pub fn set(&self, account: Option<Account>, deletions: Vec<u32>) -> bool {
        let mut flags = IS_SET;
        if let Some(Account { nonce, balance, code_hash }) = account {
            self.nonce.store(nonce, Ordering::Relaxed);
            self.balance.set(*balance.as_limbs());
            self.code_hash.set(*U256::from_be_bytes(code_hash.0).as_limbs());
            flags |= EXISTS;
        }
        if !deletions.is_empty() {
            // Whoever else is at it has found the same.
            self.deletions.get_or_init(|| deletions);
            flags |= HAS_DELETIONS;
        }
        self.flags.swap(flags, Ordering::AcqRel) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out() {
        let word = WordCell::default();
        assert_eq!(word.get(), None);
        assert!(word.set(U256::MAX >> 3));
        assert_eq!(word.get(), Some(U256::MAX >> 3));
        assert!(!word.set(U256::MAX >> 3), "it was set before");

        let account = Account { nonce: 7, balance: U256::MAX >> 9, code_hash: alloy_primitives::keccak256([1]) };
        for (account, deletions) in
            [(None, vec![]), (None, vec![2, 5]), (Some(account), vec![]), (Some(account), vec![1])]
        {
            let cell = AccountCell::default();
            assert_eq!((cell.get(), cell.exists()), (None, None));
            assert!(cell.set(account, deletions.clone()));
            assert_eq!((cell.get(), cell.exists()), (Some(account), Some(account.is_some())));
            assert!(!cell.set(account, deletions.clone()), "it was set before");
            assert_eq!(cell.deletions(), deletions);
        }
    }
}
