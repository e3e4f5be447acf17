//! Builds the block access list (EIP-7928) from what the journal saw.
//!
//! The journal loads an account or slot exactly when execution accesses it and has paid for that, and never forgets
//! that it did, reverts included: what it loaded is what was accessed. What each part of the block changed comes from
//! [`rialto_state::Journal::end_tx_with_changes`], part by part: index 0 is what precedes the transactions, then one
//! index for each of them, then one for what follows.

use crate::{AccountChanges, BalanceChange, BlockAccessList, CodeChange, NonceChange, SlotChanges, StorageChange};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use alloy_primitives::{Address, U256};
use rialto_state::{Journal, TxChange, TxChanges};

#[derive(Default)]
pub(crate) struct AccessListBuilder {
    parts: Vec<TxChanges>,
}

#[derive(Default)]
struct Account {
    /// Every accessed slot, with its changes.
    slots: BTreeMap<U256, Vec<StorageChange>>,
    balances: Vec<BalanceChange>,
    nonces: Vec<NonceChange>,
    codes: Vec<CodeChange>,
}

impl AccessListBuilder {
    /// Adds what the next part of the block changed.
    pub fn add(&mut self, changes: TxChanges) {
        self.parts.push(changes);
    }

    /// The list, in its order.
    pub fn finish(self, journal: &Journal<'_>) -> BlockAccessList {
        let mut accounts: BTreeMap<Address, Account> = BTreeMap::new();
        for entry in journal.loaded_accounts() {
            accounts.entry(entry.address).or_default();
        }
        for (address, slot) in journal.loaded_slots() {
            accounts.entry(address).or_default().slots.entry(slot).or_default();
        }
        for (index, changes) in (0u32..).zip(self.parts) {
            for change in changes {
                add_change(&mut accounts, index, change);
            }
        }
        BlockAccessList(accounts.into_iter().map(|(address, account)| account.finish(address)).collect())
    }
}

fn add_change(accounts: &mut BTreeMap<Address, Account>, index: u32, change: TxChange) {
    match change {
        TxChange::Balance(address, balance) => {
            accounts.entry(address).or_default().balances.push(BalanceChange { index, balance });
        }
        TxChange::Nonce(address, nonce) => {
            accounts.entry(address).or_default().nonces.push(NonceChange { index, nonce });
        }
        TxChange::Code(address, code) => {
            let code = code.bytes().clone();
            accounts.entry(address).or_default().codes.push(CodeChange { index, code });
        }
        TxChange::Slot(address, slot, value) => {
            let account = accounts.entry(address).or_default();
            account.slots.entry(slot).or_default().push(StorageChange { index, value });
        }
    }
}

impl Account {
    fn finish(self, address: Address) -> AccountChanges {
        let (changed, read): (Vec<_>, Vec<_>) = self.slots.into_iter().partition(|(_, changes)| !changes.is_empty());
        AccountChanges {
            address,
            storage_changes: changed.into_iter().map(|(slot, changes)| SlotChanges { slot, changes }).collect(),
            storage_reads: read.into_iter().map(|(slot, _)| slot).collect(),
            balance_changes: self.balances,
            nonce_changes: self.nonces,
            code_changes: self.codes,
        }
    }
}
