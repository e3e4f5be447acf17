//! What a thread remembers of a list: where it found things, and which of them it used.
//!
//! What was read is soon read or written again, by the same transaction or by the next. Nothing here is another thread's, so that
//! noting it costs no core the other's cache lines; what was used is put together when all are through.

use alloy_primitives::{Address, U256};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// Accounts that are remembered.
const ACCOUNTS: usize = 256;
/// Slots that are remembered.
const SLOTS: usize = 256;
/// The position of no account.
const NOWHERE: u32 = u32::MAX;

/// See the module's documentation.
pub(super) struct Lookups {
    accounts: Vec<Cell<(Address, u32)>>,
    slots: Vec<Cell<FoundSlot>>,
    /// What is known of each account.
    known: Vec<Cell<Known>>,
    /// The indices after which nothing is left of an account, where there are any.
    deletions: RefCell<BTreeMap<usize, Vec<u32>>>,
    used: Vec<Cell<u64>>,
    changes: Cell<usize>,
}

/// What a thread knows of an account before the block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// It has not asked.
    Nothing,
    /// It does not exist.
    Absent,
    /// It exists.
    Present,
    /// It exists or not, and there are indices after which nothing is left of it.
    Deleted,
}

/// Where a slot of an account, which its position names, is in its account.
#[derive(Clone, Copy)]
struct FoundSlot {
    position: u32,
    place: u32,
    slot: U256,
}

/// What any thread has used, a bit for each thing.
pub(super) struct Used(Vec<AtomicU64>);

impl Used {
    /// For so many things.
    pub fn new(count: usize) -> Self {
        Self(std::iter::repeat_with(AtomicU64::default).take(count.div_ceil(64)).collect())
    }

    /// How many were used.
    pub fn count(&self) -> usize {
        self.0.iter().map(|bits| bits.load(Ordering::Relaxed).count_ones() as usize).sum()
    }
}

impl Lookups {
    /// For a list with so many accounts.
    pub fn new(accounts: usize, used: &Used) -> Self {
        const NOTHING: FoundSlot = FoundSlot { position: NOWHERE, place: 0, slot: U256::ZERO };
        Self {
            accounts: vec![Cell::new((Address::ZERO, NOWHERE)); ACCOUNTS],
            slots: vec![Cell::new(NOTHING); SLOTS],
            known: vec![Cell::new(Known::Nothing); accounts],
            deletions: RefCell::default(),
            used: vec![Cell::new(0); used.0.len()],
            changes: Cell::new(0),
        }
    }

    /// The position of an account, which `find` finds if there is one.
    #[inline]
    pub fn position(&self, address: &Address, find: impl FnOnce() -> Option<usize>) -> Option<usize> {
        let place = &self.accounts[usize::from(u16::from_le_bytes([address[18], address[19]])) % ACCOUNTS];
        let (known, position) = place.get();
        if known == *address && position != NOWHERE {
            return Some(position as usize);
        }
        let found = find()?;
        place.set((*address, found as u32));
        Some(found)
    }

    /// The place of a slot in the account with this position, which `find` finds if there is one.
    #[inline]
    pub fn slot(&self, position: usize, slot: &U256, find: impl FnOnce() -> Option<usize>) -> Option<usize> {
        let place = &self.slots[(slot.as_limbs()[0] as usize).wrapping_add(position) % SLOTS];
        let known = place.get();
        if known.position as usize == position && known.slot == *slot {
            return Some(known.place as usize);
        }
        let found = find()?;
        place.set(FoundSlot { position: position as u32, place: found as u32, slot: *slot });
        Some(found)
    }

    /// What is known of an account.
    #[inline]
    pub fn known(&self, position: usize) -> Known {
        self.known[position].get()
    }

    /// Remembers whether an account exists and the indices after which nothing is left of it.
    pub fn know(&self, position: usize, exists: bool, deletions: Vec<u32>) {
        let known = match (deletions.is_empty(), exists) {
            (false, _) => Known::Deleted,
            (true, true) => Known::Present,
            (true, false) => Known::Absent,
        };
        self.known[position].set(known);
        if !deletions.is_empty() {
            self.deletions.borrow_mut().insert(position, deletions);
        }
    }

    /// The last index below `index` after which nothing is left of an account.
    pub fn last_deletion(&self, position: usize, index: u32) -> Option<u32> {
        let deletions = self.deletions.borrow();
        deletions.get(&position)?.iter().rev().find(|deletion| **deletion < index).copied()
    }

    /// Notes that a thing was used.
    #[inline]
    pub fn mark_used(&self, thing: usize) {
        let bits = &self.used[thing / 64];
        bits.set(bits.get() | 1 << (thing % 64));
    }

    /// Tells what was used here.
    pub fn tell_used(&self, used: &Used) {
        for (own, all) in self.used.iter().zip(&used.0) {
            if own.get() != 0 {
                all.fetch_or(own.get(), Ordering::Relaxed);
            }
        }
    }

    /// Counts a change that is looked for.
    pub fn count_change(&self) {
        self.changes.set(self.changes.get() + 1);
    }

    /// How many changes were looked for since this was asked last.
    pub fn take_changes(&self) -> usize {
        self.changes.take()
    }
}
