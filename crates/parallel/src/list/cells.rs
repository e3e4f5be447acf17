//! Places for what a reader said, filled by whoever asks, for who sums up.
//!
//! The state before a block does not change, so threads that fill a place at the same time fill it with the same. They need
//! not agree on who does it: a place is some atomic words and a flag that is set after them. Who sees the flag sees the words,
//! those of one thread or of several, which is the same. To fill one takes a few stores, for which nobody waits.

use alloy_primitives::{B256, U256};
use rialto_state::Account;
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
        self.is_set.load(Ordering::Acquire).then(|| U256::from_limbs(self.word.get()))
    }

    /// Fills the place.
    pub fn set(&self, word: U256) {
        self.word.set(*word.as_limbs());
        self.is_set.store(true, Ordering::Release);
    }
}

/// The place is filled.
const IS_SET: u8 = 1;
/// The account exists.
const EXISTS: u8 = 2;

/// A place for an account.
#[derive(Default)]
pub(super) struct AccountCell {
    flags: AtomicU8,
    nonce: AtomicU64,
    balance: Words,
    code_hash: Words,
}

impl AccountCell {
    /// The account, `None` while it is not known.
    pub fn get(&self) -> Option<Option<Account>> {
        let flags = self.flags.load(Ordering::Acquire);
        let account = || Account {
            nonce: self.nonce.load(Ordering::Relaxed),
            balance: U256::from_limbs(self.balance.get()),
            code_hash: B256::from(U256::from_limbs(self.code_hash.get())),
        };
        (flags & IS_SET != 0).then(|| (flags & EXISTS != 0).then(account))
    }

    /// Fills the place.
    pub fn set(&self, account: Option<Account>) {
        let mut flags = IS_SET;
        if let Some(Account { nonce, balance, code_hash }) = account {
            self.nonce.store(nonce, Ordering::Relaxed);
            self.balance.set(*balance.as_limbs());
            self.code_hash.set(*U256::from_be_bytes(code_hash.0).as_limbs());
            flags |= EXISTS;
        }
        self.flags.store(flags, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out() {
        let word = WordCell::default();
        assert_eq!(word.get(), None);
        for _ in 0..2 {
            word.set(U256::MAX >> 3);
            assert_eq!(word.get(), Some(U256::MAX >> 3));
        }
        let account = Account { nonce: 7, balance: U256::MAX >> 9, code_hash: alloy_primitives::keccak256([1]) };
        for account in [None, Some(account)] {
            let cell = AccountCell::default();
            assert_eq!(cell.get(), None);
            for _ in 0..2 {
                cell.set(account);
                assert_eq!(cell.get(), Some(account));
            }
        }
    }
}
