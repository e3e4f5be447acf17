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

/// One of so many shares of all accounts, by their addresses: share 0 has the lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Its number, below `of`.
    pub number: usize,
    /// How many there are, 1 to 256.
    pub of: usize,
}

impl Share {
    /// All accounts.
    pub const ALL: Self = Self { number: 0, of: 1 };

    /// Whether the share has the account.
    pub fn has(&self, address: &Address) -> bool {
        (usize::from(address[0]) * self.of) >> 8 == self.number
    }
}

impl Diff {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }

    /// This diff and then `later`, which begins where this one ends, as one diff. What returned to its old value is left out.
    pub fn then(&self, later: &Self) -> Self {
        let mut both = self.clone();
        both.add(later.clone());
        both
    }

    /// Makes this diff what [`Diff::then`] gives. Where `later` is small, little is moved.
    pub fn add(&mut self, later: Self) {
        let mut fresh = Vec::new();
        let mut undone = 0;
        for account in later.accounts {
            match self.accounts.binary_search_by_key(&account.address, |own| own.address) {
                Ok(place) => match self.accounts[place].then(&account) {
                    Some(both) => self.accounts[place] = both,
                    None => {
                        self.accounts[place].make_nothing();
                        undone += 1;
                    }
                },
                Err(_) => fresh.push(account),
            }
        }
        if undone > 0 {
            self.accounts.retain(|account| !account.is_nothing());
        }
        self.insert_all(fresh);
        if !later.codes.is_empty() {
            self.codes.extend(later.codes);
            self.codes.sort_unstable_by_key(Code::hash);
            self.codes.dedup();
        }
    }

    /// Adds changes of accounts all of which come after those that are here.
    pub fn append(&mut self, mut others: Self) {
        self.accounts.append(&mut others.accounts);
        self.add(Self { accounts: Vec::new(), codes: others.codes });
    }

    /// Inserts ascending accounts none of which is here.
    fn insert_all(&mut self, mut fresh: Vec<AccountDiff>) {
        let mut unmoved = self.accounts.len();
        let nothing = AccountDiff {
            address: Address::ZERO,
            before: None,
            after: None,
            storage_wiped: false,
            storage: Vec::new(),
        };
        self.accounts.resize(unmoved + fresh.len(), nothing);
        while let Some(account) = fresh.pop() {
            let place = self.accounts[..unmoved].partition_point(|own| own.address < account.address);
            // So many are still to be inserted before this one.
            for from in (place..unmoved).rev() {
                self.accounts.swap(from, from + fresh.len() + 1);
            }
            unmoved = place;
            self.accounts[place + fresh.len()] = account;
        }
    }
}

impl AccountDiff {
    /// Both changes as one, `None` where they undo each other.
    fn then(&self, later: &Self) -> Option<Self> {
        let storage =
            if later.storage_wiped { later.storage.clone() } else { merged_slots(&self.storage, &later.storage) };
        // An account that ceased to exist lost its storage, whether or not it says so.
        let storage_wiped = self.storage_wiped || later.storage_wiped || self.after.is_none();
        let both = Self { address: self.address, before: self.before, after: later.after, storage_wiped, storage };
        (!both.is_nothing()).then_some(both)
    }

    /// Whether nothing is changed by it.
    fn is_nothing(&self) -> bool {
        self.before == self.after && self.storage.is_empty() && (!self.storage_wiped || self.before.is_none())
    }

    fn make_nothing(&mut self) {
        (self.after, self.storage_wiped, self.storage) = (self.before, false, Vec::new());
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
