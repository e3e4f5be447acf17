//! What a unit of transactions changed, as the threads tell each other.

use alloy_primitives::{Address, U256};
use rialto_state::{AccountDiff, ChangedAccount, ChangedSlot, Changes, Diff, SlotDiff};

/// See the module's documentation. Written by one thread and then read by all.
#[derive(Debug, Default)]
pub(crate) struct Record {
    pub changes: Changes,
    /// What the fee recipient gets on top, in wei.
    pub tip: U256,
    /// Whether a slot of a native module is among the changed.
    pub has_module: bool,
}

impl Record {
    pub fn new(changes: Changes, tip: U256, modules: &[Address]) -> Self {
        let has_module = !modules.is_empty() && changes.slots.iter().any(|slot| modules.contains(&slot.address));
        Self { changes, tip, has_module }
    }
}

/// A diff on the state before the block, as changes.
pub(crate) fn changes_of_diff(diff: &Diff) -> Changes {
    let mut changes = Changes { codes: diff.codes.clone(), ..Changes::default() };
    for AccountDiff { address, before, after, storage_wiped, storage } in &diff.accounts {
        if before != after || *storage_wiped {
            let (address, base, is_wiped) = (*address, *before, *storage_wiped || after.is_none());
            changes.accounts.push(ChangedAccount { address, base, before: base, after: *after, is_wiped });
        }
        changes.slots.extend(storage.iter().map(|slot| {
            let SlotDiff { slot, before: base, after } = *slot;
            ChangedSlot { address: *address, slot, base, after }
        }));
    }
    changes
}
