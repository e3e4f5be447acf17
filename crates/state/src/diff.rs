//! What a block did to the state, as a value.
//!
//! Ordered by address and slot, so that two executions of a block can be compared byte for byte, whatever order they
//! touched things in. It carries the state before as well as after: applied backwards it undoes the block.

use crate::{Account, Code};
use alloc::vec::Vec;
use alloy_primitives::{Address, U256};
use core::cmp::Ordering;

/// One changed slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotDiff {
    /// Slot number.
    pub slot: U256,
    /// Word before the block; zero in a wiped storage.
    pub before: U256,
    /// Word after the block.
    pub after: U256,
}

/// One changed account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountDiff {
    /// The account.
    pub address: Address,
    /// Its record before the block, `None` where it did not exist.
    pub before: Option<Account>,
    /// Its record after the block, `None` where it does not exist.
    pub after: Option<Account>,
    /// Whether all storage from before the block is gone; `storage` then lists what was written since.
    pub storage_wiped: bool,
    /// Changed slots, ascending.
    pub storage: Vec<SlotDiff>,
}

/// All changes of a block (or of any run of transactions), ascending by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Changed accounts, ascending by address.
    pub accounts: Vec<AccountDiff>,
    /// Codes that accounts have now and had not before, ascending by hash, each once.
    pub codes: Vec<Code>,
}

impl Diff {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// This diff and then `later`, which begins where this one ends, as one diff. What returned to its old value is left out.
    pub fn then(&self, later: &Self) -> Self {
        let mut accounts = Vec::with_capacity(self.accounts.len() + later.accounts.len());
        let (mut first, mut second) = (self.accounts.iter().peekable(), later.accounts.iter().peekable());
        loop {
            let account = match (first.peek(), second.peek()) {
                (None, None) => break,
                (Some(_), None) => first.next().cloned(),
                (None, Some(_)) => second.next().cloned(),
                (Some(a), Some(b)) => match a.address.cmp(&b.address) {
                    Ordering::Less => first.next().cloned(),
                    Ordering::Greater => second.next().cloned(),
                    Ordering::Equal => first.next().zip(second.next()).and_then(|(a, b)| a.then(b)),
                },
            };
            accounts.extend(account);
        }
        let mut codes: Vec<Code> = self.codes.iter().chain(&later.codes).cloned().collect();
        codes.sort_unstable_by_key(Code::hash);
        codes.dedup();
        Self { accounts, codes }
    }
}

impl AccountDiff {
    /// Both changes as one, `None` where they undo each other.
    fn then(&self, later: &Self) -> Option<Self> {
        let storage =
            if later.storage_wiped { later.storage.clone() } else { merged_slots(&self.storage, &later.storage) };
        // An account that ceased to exist lost its storage, whether or not it says so.
        let storage_wiped = self.storage_wiped || later.storage_wiped || self.after.is_none();
        let is_nothing = self.before == later.after && storage.is_empty() && (!storage_wiped || self.before.is_none());
        (!is_nothing).then_some(Self {
            address: self.address,
            before: self.before,
            after: later.after,
            storage_wiped,
            storage,
        })
    }
}

/// Slots changed by the first and then by the second, without those that are as before.
fn merged_slots(first: &[SlotDiff], second: &[SlotDiff]) -> Vec<SlotDiff> {
    let mut slots = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.iter().peekable(), second.iter().peekable());
    loop {
        let slot = match (first.peek(), second.peek()) {
            (None, None) => return slots,
            (Some(_), None) => first.next().copied(),
            (None, Some(_)) => second.next().copied(),
            (Some(a), Some(b)) => match a.slot.cmp(&b.slot) {
                Ordering::Less => first.next().copied(),
                Ordering::Greater => second.next().copied(),
                Ordering::Equal => first.next().zip(second.next()).map(|(a, b)| SlotDiff { after: b.after, ..*a }),
            },
        };
        slots.extend(slot.filter(|slot| slot.before != slot.after));
    }
}
