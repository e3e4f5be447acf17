//! What journals over one reader tell each other.
//!
//! [`Changes`] say what transactions changed in terms of addresses and slot numbers, and carry what the reader says of each, so that
//! who is told of an item need not ask for it. A journal finds their places once ([`Journal::locate`]); it then puts them in above what
//! is settled, as expected, or as settled: on top where nothing is unsettled, or below what is, if nothing there touched any of it.

use super::{AccountId, Journal};
use crate::{Account, AccountDiff, Code, Diff, SlotDiff};
use alloc::vec::Vec;
use alloy_primitives::{Address, U256};

/// An account that was changed.
#[derive(Clone, Copy, Debug)]
pub struct ChangedAccount {
    /// The account's address.
    pub address: Address,
    /// What the reader says of it.
    pub base: Option<Account>,
    /// What it was before the change.
    pub before: Option<Account>,
    /// What it is after it.
    pub after: Option<Account>,
    /// Whether all that it had stored is gone.
    pub is_wiped: bool,
}

/// A slot that was changed.
#[derive(Clone, Copy, Debug)]
pub struct ChangedSlot {
    /// The account it belongs to.
    pub address: Address,
    /// Slot number.
    pub slot: U256,
    /// What the reader says, or zero where it is not asked any more.
    pub base: U256,
    /// The word after the change.
    pub after: U256,
}

/// What transactions changed, in terms that every journal over the same reader understands.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Accounts, each once.
    pub accounts: Vec<ChangedAccount>,
    /// Slots, each once.
    pub slots: Vec<ChangedSlot>,
    /// Codes that accounts got.
    pub codes: Vec<Code>,
}

impl From<&Diff> for Changes {
    /// What was done to the state that the reader has.
    fn from(diff: &Diff) -> Self {
        let mut changes = Self { codes: diff.codes.clone(), ..Self::default() };
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
}

impl Changes {
    /// Whether an account is gone, or what it had stored.
    pub fn has_deletion(&self) -> bool {
        self.accounts.iter().any(|account| account.is_wiped || account.after.is_none())
    }

    pub(super) fn code_of(&self, account: &Account) -> Option<Code> {
        if self.codes.is_empty() {
            return None;
        }
        self.codes.iter().find(|code| code.hash() == account.code_hash).cloned()
    }
}

/// Where [`Changes`] without deletions have their places in a journal.
#[derive(Clone, Debug, Default)]
pub struct Located {
    accounts: Vec<u32>,
    slots: Vec<u32>,
}

impl Journal<'_> {
    /// Finds the places of what another journal changed without deleting anything. What is not here yet is then known.
    pub fn locate(&mut self, changes: &Changes) -> Located {
        let mut located = Located::default();
        located.accounts.reserve_exact(changes.accounts.len());
        located.slots.reserve_exact(changes.slots.len());
        for changed in &changes.accounts {
            let id = self.account_id(&changed.address);
            self.know_account(id, changed.base);
            located.accounts.push(id.0);
        }
        let mut last = None;
        for changed in &changes.slots {
            located.slots.push(self.locate_slot(changed, &mut last));
        }
        located
    }

    /// The place of a slot in its account's current storage. `last` is the account of the slot before.
    fn locate_slot(&mut self, changed: &ChangedSlot, last: &mut Option<(Address, AccountId)>) -> u32 {
        let account = match *last {
            Some((address, id)) if address == changed.address => id,
            _ => self.account_id(&changed.address),
        };
        *last = Some((changed.address, account));
        let id = self.slot_id(account, &changed.slot);
        let slot = &mut self.slots[id.0 as usize];
        if !slot.loaded {
            (slot.base, slot.value, slot.loaded) = (changed.base, changed.base, true);
        }
        id.0
    }

    fn know_account(&mut self, id: AccountId, base: Option<Account>) {
        let entry = &mut self.accounts[id.0 as usize];
        if !entry.loaded {
            self.account_bases[id.0 as usize].account = base;
            (entry.exists, entry.info, entry.loaded) = (base.is_some(), base.unwrap_or_default(), true);
        }
    }

    /// Puts in what others are expected to change, until it is taken back. Nothing may be deleted by it.
    pub fn expect_changes(&mut self, changes: &Changes, located: &Located) {
        for (changed, id) in changes.accounts.iter().zip(&located.accounts) {
            if let Some(after) = changed.after {
                let code = changes.code_of(&after);
                self.expect_account(*id, changed.before, after, code);
            }
        }
        for (changed, id) in changes.slots.iter().zip(&located.slots) {
            self.expect_slot(*id, changed.after);
        }
    }

    /// Puts in what another journal has settled; `located` where that is known. Nothing here may be unsettled.
    pub fn put_changes(&mut self, changes: &Changes, located: Option<&Located>) {
        assert!(!self.has_unsettled(), "put in on what is settled");
        if let Some(located) = located
            && !changes.has_deletion()
            && self.is_current(located)
        {
            self.put_located(changes, located);
            return;
        }
        for changed in &changes.accounts {
            let id = self.account_id(&changed.address);
            self.know_account(id, changed.base);
            self.put_account(id.0, changed, changes);
        }
        // In the generations that are current now.
        let mut last = None;
        for changed in &changes.slots {
            let id = self.locate_slot(changed, &mut last);
            self.slots[id as usize].value = changed.after;
        }
    }

    fn is_current(&self, located: &Located) -> bool {
        located.slots.iter().all(|id| {
            let slot = &self.slots[*id as usize];
            slot.generation == self.accounts[slot.account as usize].generation
        })
    }

    fn put_located(&mut self, changes: &Changes, located: &Located) {
        for (changed, id) in changes.accounts.iter().zip(&located.accounts) {
            self.put_account(*id, changed, changes);
        }
        for (changed, id) in changes.slots.iter().zip(&located.slots) {
            self.slots[*id as usize].value = changed.after;
        }
    }

    /// Puts in what another journal has settled, with its tip, below all that is not settled here, if nothing of that touched any of
    /// it: it was put in by trials and layers from `first` on. Whether that is so; if not, nothing was done.
    pub fn slip_changes(
        &mut self,
        changes: &Changes,
        located: &Located,
        first: u32,
        (paid, tip): (AccountId, U256),
    ) -> bool {
        let is_untouched =
            located.accounts.iter().all(|id| *id != paid.0 && self.accounts[*id as usize].read_in < first)
                && located.slots.iter().all(|id| self.slots[*id as usize].read_in < first)
                && self.accounts[paid.0 as usize].read_in < first
                && self.accounts[paid.0 as usize].exists;
        if !is_untouched || changes.has_deletion() || !self.is_current(located) {
            return false;
        }
        self.put_located(changes, located);
        self.credit_settled(paid, tip);
        true
    }

    fn put_account(&mut self, id: u32, changed: &ChangedAccount, changes: &Changes) {
        let entry = &mut self.accounts[id as usize];
        let code_hash = entry.info.code_hash;
        (entry.exists, entry.info) = (changed.after.is_some(), changed.after.unwrap_or_default());
        entry.generation += u32::from(changed.is_wiped);
        if entry.info.code_hash != code_hash {
            entry.code = None;
            if let Some(code) = changes.code_of(&changed.after.unwrap_or_default()) {
                self.put_code(id, &code);
            }
        }
    }
}
