//! What a thread remembers of its look-ups in a list, and what it counts of them.
//!
//! What was read is soon read or written again, by the same transaction or by the next.

use alloy_primitives::{Address, U256};
use std::cell::Cell;

/// Accounts that are remembered.
const ACCOUNTS: usize = 256;
/// Slots that are remembered.
const SLOTS: usize = 256;
/// The position of no account.
const NOWHERE: u32 = u32::MAX;

/// See the module's documentation.
pub(super) struct Lookups {
    accounts: [Cell<(Address, u32)>; ACCOUNTS],
    slots: [Cell<FoundSlot>; SLOTS],
    counts: Cell<Counts>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Changes that were looked for in the list.
    pub changes: usize,
    /// Accounts and slots that nobody had used before.
    pub first_uses: usize,
}

/// Where a slot of an account, which its position names, has its cell.
#[derive(Clone, Copy)]
struct FoundSlot {
    position: u32,
    cell: u32,
    slot: U256,
}

impl Default for Lookups {
    fn default() -> Self {
        const NOTHING: FoundSlot = FoundSlot { position: NOWHERE, cell: 0, slot: U256::ZERO };
        let slots = [const { Cell::new(NOTHING) }; SLOTS];
        Self { accounts: [const { Cell::new((Address::ZERO, NOWHERE)) }; ACCOUNTS], slots, counts: Cell::default() }
    }
}

impl Lookups {
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
            return Some(known.cell as usize);
        }
        let found = find()?;
        place.set(FoundSlot { position: position as u32, cell: found as u32, slot: *slot });
        Some(found)
    }

    /// Counts a change that is looked for.
    pub fn count_change(&self) {
        let counts = self.counts.get();
        self.counts.set(Counts { changes: counts.changes + 1, ..counts });
    }

    /// Counts something that nobody had used before.
    pub fn count_first_use(&self) {
        let counts = self.counts.get();
        self.counts.set(Counts { first_uses: counts.first_uses + 1, ..counts });
    }

    /// What was counted so far.
    pub fn counts(&self) -> Counts {
        self.counts.get()
    }
}
