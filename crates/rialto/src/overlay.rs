//! A state with changes on top: what a transaction in the middle of a block reads.

use alloy_primitives::{Address, B256, U256};
use rialto_state::{Account, Code, Diff, ReadError, StateReader};
use std::collections::HashMap;

/// An account's changes.
#[derive(Debug)]
struct Changed {
    account: Option<Account>,
    is_wiped: bool,
    slots: HashMap<U256, U256>,
}

/// A reader and what has changed since.
pub struct Overlay<'a> {
    base: &'a dyn StateReader,
    accounts: HashMap<Address, Changed>,
    codes: HashMap<B256, Code>,
}

impl<'a> Overlay<'a> {
    /// The state of `base` with `diff` applied.
    pub fn new(base: &'a dyn StateReader, diff: &Diff) -> Self {
        let changed = |change: &rialto_state::AccountDiff| Changed {
            account: change.after,
            is_wiped: change.storage_wiped || change.after.is_none(),
            slots: change.storage.iter().map(|slot| (slot.slot, slot.after)).collect(),
        };
        Self {
            base,
            accounts: diff.accounts.iter().map(|change| (change.address, changed(change))).collect(),
            codes: diff.codes.iter().map(|code| (code.hash(), code.clone())).collect(),
        }
    }
}

impl StateReader for Overlay<'_> {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        match self.accounts.get(address) {
            Some(changed) => Ok(changed.account),
            None => self.base.account(address),
        }
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        match self.accounts.get(address) {
            Some(changed) => match changed.slots.get(slot) {
                Some(word) => Ok(*word),
                None if changed.is_wiped => Ok(U256::ZERO),
                None => self.base.storage(address, slot),
            },
            None => self.base.storage(address, slot),
        }
    }

    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        match self.accounts.get(address) {
            Some(changed) if changed.slots.values().any(|word| !word.is_zero()) => Ok(true),
            Some(changed) if changed.is_wiped => Ok(false),
            // Slots that were cleared one by one may leave others; a contract is never created at such an address.
            _ => self.base.has_storage(address),
        }
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        match self.codes.get(code_hash) {
            Some(code) => Ok(code.clone()),
            None => self.base.code(code_hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.base.block_hash(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_state::{AccountDiff, MemoryState, SlotDiff};

    #[test]
    fn changes_cover_what_is_below() {
        let [kept, changed, wiped, gone] = [1, 2, 3, 4].map(Address::with_last_byte);
        let mut base = MemoryState::default();
        for address in [kept, changed, wiped, gone] {
            let slots = [(U256::from(1), U256::from(10)), (U256::from(2), U256::from(20))];
            base.insert_account(address, 1, U256::ZERO, Default::default(), slots);
        }
        let after = Some(Account { nonce: 2, ..Account::EMPTY });
        let diff_of = |address, after, storage_wiped| AccountDiff {
            address,
            before: None,
            after,
            storage_wiped,
            storage: vec![SlotDiff { slot: U256::from(1), before: U256::ZERO, after: U256::from(11) }],
        };
        let mut gone_diff = diff_of(gone, None, false);
        gone_diff.storage.clear();
        let accounts = vec![diff_of(changed, after, false), diff_of(wiped, after, true), gone_diff];
        let overlay = Overlay::new(&base, &Diff { accounts, codes: Vec::new() });
        let rows = [
            ("kept", kept, Some(1), [10, 20], true),
            ("changed", changed, Some(2), [11, 20], true),
            ("wiped", wiped, Some(2), [11, 0], true),
            ("gone", gone, None, [0, 0], false),
        ];
        for (name, address, nonce, words, has_storage) in rows {
            assert_eq!(overlay.account(&address).expect("read").map(|account| account.nonce), nonce, "{name}");
            for (slot, word) in [1, 2].into_iter().zip(words) {
                assert_eq!(overlay.storage(&address, &U256::from(slot)), Ok(U256::from(word)), "{name}, slot {slot}");
            }
            assert_eq!(overlay.has_storage(&address), Ok(has_storage), "{name}");
        }
    }
}
