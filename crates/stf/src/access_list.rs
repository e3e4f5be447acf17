//! Builds the block access list (EIP-7928) from what the journal saw.
//!
//! The journal loads an account or slot exactly when execution accesses it and has paid for that, and never forgets
//! that it did, reverts included: what it loaded is what was accessed. What each part of the block changed comes from
//! [`rialto_state::Journal::end_tx_with_changes`], part by part: index 0 is what precedes the transactions, then one
//! index for each of them, then one for what follows them.
//!
//! Accesses have no index, so they may come at any time and as often as they like; changes come in the order of the parts.
//! Everything is put in order once, at the end.

use crate::{AccountChanges, BalanceChange, BlockAccessList, CodeChange, NonceChange, SlotChanges, StorageChange};
use alloc::vec::Vec;
use alloy_primitives::map::AddressMap;
use alloy_primitives::{Address, U256};
use rialto_state::{Journal, TxChange, TxChanges};

/// See the module's documentation.
#[derive(Debug, Default)]
pub struct BlockListBuilder {
    index: u32,
    positions: AddressMap<usize>,
    accounts: Vec<Accesses>,
}

/// What is known of an account.
#[derive(Debug, Default)]
struct Accesses {
    address: Address,
    /// Slots accessed, in no order, each at least once unless it was written.
    slots: Vec<U256>,
    /// Values left in slots, in the order of the parts.
    words: Vec<(U256, StorageChange)>,
    balances: Vec<BalanceChange>,
    nonces: Vec<NonceChange>,
    codes: Vec<CodeChange>,
}

impl BlockListBuilder {
    fn account(&mut self, address: &Address) -> &mut Accesses {
        let accounts = &mut self.accounts;
        let position = *self.positions.entry(*address).or_insert_with(|| {
            accounts.push(Accesses { address: *address, ..Accesses::default() });
            accounts.len() - 1
        });
        &mut self.accounts[position]
    }

    /// Notes that an account was accessed.
    pub fn access_account(&mut self, address: &Address) {
        self.account(address);
    }

    /// Notes that a slot was accessed, and so its account.
    pub fn access_slot(&mut self, address: &Address, slot: U256) {
        self.account(address).slots.push(slot);
    }

    /// Notes all that a journal has loaded.
    pub fn access_all_of(&mut self, journal: &Journal<'_>) {
        for entry in journal.loaded_accounts() {
            self.access_account(&entry.address);
        }
        for (address, slot) in journal.loaded_slots() {
            self.access_slot(&address, slot);
        }
    }

    /// Ends the next part of the block, which changed this.
    pub fn end_part(&mut self, changes: TxChanges) {
        let index = self.index;
        self.index += 1;
        for change in changes {
            match change {
                TxChange::Balance(address, balance) => {
                    self.account(&address).balances.push(BalanceChange { index, balance });
                }
                TxChange::Nonce(address, nonce) => self.account(&address).nonces.push(NonceChange { index, nonce }),
                TxChange::Code(address, code) => {
                    let code = code.bytes().clone();
                    self.account(&address).codes.push(CodeChange { index, code });
                }
                TxChange::Slot(address, slot, value) => {
                    self.account(&address).words.push((slot, StorageChange { index, value }));
                }
            }
        }
    }

    /// The list, in its order.
    pub fn finish(self) -> BlockAccessList {
        let mut accounts = self.accounts;
        accounts.sort_unstable_by_key(|account| account.address);
        BlockAccessList(accounts.into_iter().map(Accesses::finish).collect())
    }
}

impl Accesses {
    fn finish(mut self) -> AccountChanges {
        self.words.sort_unstable_by_key(|(slot, change)| (*slot, change.index));
        let by_slot = self.words.chunk_by(|(a, _), (b, _)| a == b);
        let storage_changes: Vec<SlotChanges> = by_slot
            .map(|words| SlotChanges { slot: words[0].0, changes: words.iter().map(|(_, change)| *change).collect() })
            .collect();
        self.slots.sort_unstable();
        self.slots.dedup();
        let is_changed = |slot: &U256| storage_changes.binary_search_by_key(slot, |changes| changes.slot).is_ok();
        self.slots.retain(|slot| !is_changed(slot));
        AccountChanges {
            address: self.address,
            storage_changes,
            storage_reads: self.slots,
            balance_changes: self.balances,
            nonce_changes: self.nonces,
            code_changes: self.codes,
        }
    }
}

/// Corrects what a transaction changed in a balance: whoever applies its changes elsewhere, adds its tip or amounts to balances
/// that have moved meanwhile knows it better than the run did.
pub fn set_balance_change(changes: &mut TxChanges, address: Address, before: U256, after: U256) {
    let is_it = |change: &TxChange| matches!(change, TxChange::Balance(found, _) if *found == address);
    match changes.iter().position(is_it) {
        None if before == after => (),
        None => changes.push(TxChange::Balance(address, after)),
        Some(position) if before == after => drop(changes.remove(position)),
        Some(position) => changes[position] = TxChange::Balance(address, after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    const A: Address = Address::with_last_byte(1);
    const B: Address = Address::with_last_byte(2);

    #[test]
    fn a_list_is_in_order_and_each_slot_is_in_one_place() {
        let mut builder = BlockListBuilder::default();
        let word = U256::from::<u64>;
        builder.access_slot(&B, word(9));
        builder.end_part(vec![TxChange::Slot(B, word(4), word(1)), TxChange::Slot(B, word(3), word(1))]);
        builder.access_slot(&B, word(4));
        builder.access_slot(&B, word(9));
        builder.access_account(&A);
        builder.access_slot(&B, word(5));
        builder.end_part(vec![TxChange::Balance(A, word(7))]);
        builder.end_part(vec![TxChange::Slot(B, word(4), word(2)), TxChange::Nonce(A, 1)]);
        let change = |index, value| StorageChange { index, value: word(value) };
        let expected = BlockAccessList(vec![
            AccountChanges {
                address: A,
                balance_changes: vec![BalanceChange { index: 1, balance: word(7) }],
                nonce_changes: vec![NonceChange { index: 2, nonce: 1 }],
                ..AccountChanges::default()
            },
            AccountChanges {
                address: B,
                storage_changes: vec![
                    SlotChanges { slot: word(3), changes: vec![change(0, 1)] },
                    SlotChanges { slot: word(4), changes: vec![change(0, 1), change(2, 2)] },
                ],
                storage_reads: vec![word(5), word(9)],
                ..AccountChanges::default()
            },
        ]);
        let list = builder.finish();
        assert_eq!(list, expected);
        assert_eq!(list.validate(2), Ok(()));
    }

    #[test]
    fn a_balance_is_corrected() {
        let balance = |value: u64| TxChange::Balance(A, U256::from(value));
        let nonce = TxChange::Nonce(A, 1);
        let other = TxChange::Balance(B, U256::from(1));
        // Of an account that had 10 wei: changes, what it has afterwards, changes then.
        let rows = [
            (vec![nonce.clone(), other.clone()], 10, vec![nonce.clone(), other.clone()]),
            (vec![nonce.clone(), other.clone()], 13, vec![nonce.clone(), other.clone(), balance(13)]),
            (vec![balance(8), nonce.clone()], 8, vec![balance(8), nonce.clone()]),
            (vec![balance(8), nonce.clone()], 9, vec![balance(9), nonce.clone()]),
            (vec![balance(8), nonce.clone()], 10, vec![nonce.clone()]),
        ];
        for (mut changes, after, expected) in rows {
            let row = alloc::format!("{changes:?}, {after} wei");
            set_balance_change(&mut changes, A, U256::from(10), U256::from(after));
            assert_eq!(changes, expected, "{row}");
        }
    }
}
