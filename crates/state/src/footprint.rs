//! What an execution read and what it left, item by item: the raw form of a [`Diff`](crate::Diff), together with what the changes
//! depend on.
//!
//! A diff is an ordered value with all that changed under its account. Whoever runs a thousand transactions apart from each other
//! and puts their changes together needs neither the order nor a list for each account, a thousand times.

use crate::{Account, Code};
use alloc::vec::Vec;
use alloy_primitives::{Address, U256};

/// What was read of an account, and how exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountRead {
    /// The account's address.
    pub address: Address,
    /// What the reader said of it.
    pub account: Option<Account>,
    /// By how much the balance might have been lower, in wei, without anything going otherwise: adding to a balance does not
    /// look at it, and taking from it looks only whether it suffices. `None` where the balance itself was looked at.
    pub balance_slack: Option<U256>,
}

impl AccountRead {
    /// Whether everything would have gone the same had the reader said `now`.
    pub fn holds_for(&self, now: Option<&Account>) -> bool {
        match (&self.account, now) {
            (None, None) => true,
            (Some(then), Some(now)) => {
                let is_enough = |slack| now.balance.saturating_add(slack) >= then.balance;
                then.nonce == now.nonce
                    && then.code_hash == now.code_hash
                    && (then.balance == now.balance
                        || then.is_empty() == now.is_empty() && self.balance_slack.is_some_and(is_enough))
            }
            _ => false,
        }
    }
}

/// An account that was read, or only named.
#[derive(Clone, Copy, Debug)]
pub struct AccountUse {
    /// Whether it was read. Of one that was only named nothing else is known, and nothing happened to it.
    pub is_read: bool,
    /// What was read.
    pub read: AccountRead,
    /// What the account is afterwards.
    pub after: Option<Account>,
    /// Whether all storage that the reader knows is gone.
    pub storage_wiped: bool,
}

impl AccountUse {
    /// Whether the account's record changed.
    pub fn is_changed(&self) -> bool {
        self.read.account != self.after || self.storage_wiped
    }
}

/// A slot that was read.
#[derive(Clone, Copy, Debug)]
pub struct SlotUse {
    /// Whether it was read. Otherwise it is of an account that was deleted and made again, and was empty.
    pub is_read: bool,
    /// Which of the accounts it belongs to.
    pub account: u32,
    /// Slot number.
    pub slot: U256,
    /// What the reader said.
    pub before: U256,
    /// The word afterwards; as before where the account is gone.
    pub after: U256,
}

/// See the module's documentation.
#[derive(Clone, Debug, Default)]
pub struct Footprint {
    /// Accounts that were named, each once.
    pub accounts: Vec<AccountUse>,
    /// Slots that were read, each once.
    pub slots: Vec<SlotUse>,
    /// Codes that accounts got.
    pub codes: Vec<Code>,
}

impl Footprint {
    /// What was read of each account that was read.
    pub fn account_reads(&self) -> impl Iterator<Item = &AccountRead> {
        self.accounts.iter().filter(|account| account.is_read).map(|account| &account.read)
    }

    /// Address, slot and word of each slot that was read.
    pub fn slot_reads(&self) -> impl Iterator<Item = (&Address, &U256, &U256)> {
        let read = self.slots.iter().filter(|slot| slot.is_read);
        read.map(|slot| (self.address_of(slot), &slot.slot, &slot.before))
    }

    /// The address of the account that a slot belongs to.
    pub fn address_of(&self, slot: &SlotUse) -> &Address {
        &self.accounts[slot.account as usize].read.address
    }

    /// Whether an account is gone, or what it had stored.
    pub fn has_deletion(&self) -> bool {
        self.accounts.iter().any(|account| account.storage_wiped || account.after.is_none() && account.is_changed())
    }
}
