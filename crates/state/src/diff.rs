//! What a block did to the state, as a value.
//!
//! Ordered by address and slot, so that two executions of a block can be compared byte for byte, whatever order they
//! touched things in. It carries the state before as well as after: applied backwards it undoes the block.

use crate::{Account, Code};
use alloc::vec::Vec;
use alloy_primitives::{Address, U256};

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
}
