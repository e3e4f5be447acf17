//! What a unit of transactions reads, from its place in the block.
//!
//! A view belongs to one thread, which aims it at the unit that it is about to run. It sees, from the top: what earlier units did that
//! were run and are not committed yet, each in its own version; what is committed; the state before the block.
//!
//! # Native modules
//! What others have left in a native module's slots is seen only once it is committed. Versions that are not may each be of another
//! past, and a module, whose records depend on each other, would find a state that it could never have made. What is committed is the
//! state after some unit of the block, and so one that it has made.
//!
//! # Foresight
//! Of a transaction whose sender has an earlier one that is not done yet, the nonce that it will find is known beforehand: its own,
//! or the block is not valid. The view says so, and the check at its turn finds out whether it was true. So a sender's
//! transactions run at the same time like anybody's.

use crate::record::{Filter, Record};
use crate::replica::{Replica, with_tips};
use alloy_primitives::{Address, B256, U256};
use rialto_state::{Account, Code, Footprint, ReadError, StateReader};
use std::cell::{Cell, RefCell};

/// See the module's documentation.
pub(crate) struct View<'l, 'r> {
    pub replica: RefCell<Replica<'r>>,
    beneficiary: Address,
    /// The addresses of the chain's native modules.
    modules: Vec<Address>,
    /// Of units before this one, in their order.
    layers: RefCell<Vec<(Filter, &'l Record)>>,
    foreseen: RefCell<Vec<(Address, u64)>>,
    has_guessed: Cell<bool>,
    /// Tips of the unit so far that the fee recipient has not got.
    pub tips: Cell<U256>,
}

impl<'l, 'r> View<'l, 'r> {
    /// A view of what the replica knows.
    pub fn new(replica: Replica<'r>, beneficiary: Address, modules: Vec<Address>) -> Self {
        Self {
            replica: RefCell::new(replica),
            beneficiary,
            modules,
            layers: RefCell::default(),
            foreseen: RefCell::default(),
            has_guessed: Cell::new(false),
            tips: Cell::new(U256::ZERO),
        }
    }

    /// Looks from a unit's place: `layers` are those before it that are not committed, `foreseen` accounts with the nonces that
    /// they will have.
    pub fn aim(&self, layers: impl Iterator<Item = &'l Record>, foreseen: impl Iterator<Item = (Address, u64)>) {
        let mut own = self.layers.borrow_mut();
        own.clear();
        own.extend(layers.map(|layer| (layer.filter(), layer)));
        let mut own = self.foreseen.borrow_mut();
        own.clear();
        own.extend(foreseen);
        self.has_guessed.set(false);
        self.tips.set(U256::ZERO);
    }

    /// Whether anything was read that is not committed.
    pub fn has_guessed(&self) -> bool {
        self.has_guessed.get()
    }

    /// Whether what was read is what would be read now.
    pub fn is_current(&self, footprint: &Footprint, tips_ahead: U256) -> bool {
        self.tips.set(tips_ahead);
        let is_account = |then: &rialto_state::AccountRead| {
            self.account(&then.address).is_ok_and(|now| then.holds_for(now.as_ref()))
        };
        let is_slot =
            |(address, slot, word): (&Address, &U256, &U256)| self.storage(address, slot).is_ok_and(|now| now == *word);
        footprint.account_reads().all(is_account) && footprint.slot_reads().all(is_slot)
    }

    fn guessed<T>(&self, value: T) -> T {
        self.has_guessed.set(true);
        value
    }

    fn account_below(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        let replica = self.replica.borrow();
        let hash = replica.hasher.account(address);
        let is_paid = *address == self.beneficiary;
        let mut tips = if is_paid { self.tips.get() } else { U256::ZERO };
        for (filter, layer) in self.layers.borrow().iter().rev() {
            let found = if filter.may_have(hash) { layer.account(hash, address) } else { None };
            if let Some(change) = found {
                return Ok(self.guessed(with_tips(change.after, tips)));
            }
            if is_paid {
                self.has_guessed.set(true);
                tips = tips.saturating_add(layer.tip);
            }
        }
        Ok(with_tips(replica.account(hash, address)?, tips))
    }
}

impl StateReader for View<'_, '_> {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        let account = self.account_below(address)?;
        let foreseen = self.foreseen.borrow();
        match foreseen.iter().find(|(sender, _)| sender == address) {
            // Its turn comes after that of the earlier one, which is a change of this account in the replica.
            Some((_, nonce)) => Ok(account.map(|account| Account { nonce: *nonce, ..account })),
            None => Ok(account),
        }
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        let replica = self.replica.borrow();
        let hash = replica.hasher.slot(address, slot);
        if !self.modules.contains(address) {
            let layers = self.layers.borrow();
            let mut seen = layers.iter().rev().filter(|(filter, _)| filter.may_have(hash));
            if let Some(change) = seen.find_map(|(_, layer)| layer.slot(hash, address, slot)) {
                return Ok(self.guessed(change.after));
            }
        }
        match replica.known_slot(hash, address, slot) {
            Some(word) => Ok(word),
            None => replica.reader().storage(address, slot),
        }
    }

    /// Asked of accounts without nonce and code, which can't have got any storage in this block.
    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        let replica = self.replica.borrow();
        Ok(!replica.is_wiped(address) && replica.reader().has_storage(address)?)
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        let replica = self.replica.borrow();
        if let Some(code) = replica.known_code(code_hash) {
            return Ok(code.clone());
        }
        let layers = self.layers.borrow();
        match layers.iter().flat_map(|(_, layer)| &layer.codes).find(|code| code.hash() == *code_hash) {
            Some(code) => Ok(code.clone()),
            None => replica.reader().code(code_hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.replica.borrow().reader().block_hash(number)
    }
}
