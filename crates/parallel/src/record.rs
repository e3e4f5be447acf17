//! What a unit of transactions changed, as the threads tell each other.

use alloy_primitives::{Address, U256};
use rialto_state::Changes;

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

    /// Whether nothing was changed and nothing is owed.
    pub fn is_empty(&self) -> bool {
        let Changes { accounts, slots, codes } = &self.changes;
        accounts.is_empty() && slots.is_empty() && codes.is_empty() && self.tip.is_zero()
    }
}
