//! What a unit of transactions changed, as the threads tell each other.
//!
//! A record is written by one thread and read by all others from beginning to end, each item with the hash under which it is found in
//! everybody's tables, so that it is computed once.

use alloy_primitives::map::DefaultHashBuilder;
use alloy_primitives::{Address, U256};
use rialto_state::{Account, Code, Footprint, SlotUse};
use std::hash::BuildHasher;

/// Hashes of items. All threads of a run have the same.
#[derive(Clone, Default)]
pub(crate) struct Hasher(DefaultHashBuilder);

impl Hasher {
    /// Of an account.
    pub fn account(&self, address: &Address) -> u64 {
        self.0.hash_one(address)
    }

    /// Of a slot.
    pub fn slot(&self, address: &Address, slot: &U256) -> u64 {
        self.0.hash_one((address, slot))
    }
}

/// An account that was changed.
#[derive(Clone, Copy)]
pub(crate) struct AccountChange {
    pub hash: u64,
    pub address: Address,
    /// What it was before, for whom this is the first change that he hears of.
    pub before: Option<Account>,
    pub after: Option<Account>,
    /// Whether all that it had stored before the block is gone.
    pub is_wiped: bool,
}

/// A slot that was changed.
#[derive(Clone, Copy)]
pub(crate) struct SlotChange {
    pub hash: u64,
    pub address: Address,
    pub slot: U256,
    pub before: U256,
    pub after: U256,
}

/// A bit for each item of a record, by its hash: most of what is looked for is not there.
#[derive(Clone, Copy, Default)]
pub(crate) struct Filter([u64; 4]);

impl Filter {
    fn add(&mut self, hash: u64) {
        self.0[(hash >> 62) as usize] |= 1 << (hash >> 56 & 63);
    }

    /// Whether it may be there.
    pub fn may_have(&self, hash: u64) -> bool {
        self.0[(hash >> 62) as usize] >> (hash >> 56 & 63) & 1 != 0
    }
}

/// See the module's documentation.
#[derive(Default)]
pub(crate) struct Record {
    filter: Filter,
    pub accounts: Vec<AccountChange>,
    pub slots: Vec<SlotChange>,
    pub codes: Vec<Code>,
    /// What the fee recipient gets on top, in wei.
    pub tip: U256,
}

impl Record {
    /// One without accounts and slots.
    pub fn new(codes: Vec<Code>, tip: U256) -> Self {
        Self { codes, tip, ..Self::default() }
    }

    /// What a unit seems to change, before its turn. Nothing where it deletes an account: those behind it run on what is then no
    /// longer so, and are found out when it is their turn.
    pub fn guess(footprint: &Footprint, hasher: &Hasher, tip: U256) -> Self {
        if footprint.has_deletion() {
            return Self::new(Vec::new(), tip);
        }
        let mut record = Self::new(footprint.codes.clone(), tip);
        for used in footprint.accounts.iter().filter(|used| used.is_changed()) {
            let address = used.read.address;
            let (before, after) = (used.read.account, used.after);
            record.add_account(AccountChange {
                hash: hasher.account(&address),
                address,
                before,
                after,
                is_wiped: false,
            });
        }
        for used in footprint.slots.iter().filter(|used| used.before != used.after) {
            let SlotUse { slot, before, after, .. } = *used;
            let address = *footprint.address_of(used);
            record.add_slot(SlotChange { hash: hasher.slot(&address, &slot), address, slot, before, after });
        }
        record
    }

    pub fn add_account(&mut self, change: AccountChange) {
        self.filter.add(change.hash);
        self.accounts.push(change);
    }

    pub fn add_slot(&mut self, change: SlotChange) {
        self.filter.add(change.hash);
        self.slots.push(change);
    }

    /// What of it is looked at first.
    pub fn filter(&self) -> Filter {
        self.filter
    }

    /// The account, if it is among the changed.
    pub fn account(&self, hash: u64, address: &Address) -> Option<&AccountChange> {
        let is_it = |change: &&AccountChange| change.hash == hash && change.address == *address;
        self.accounts.iter().find(is_it)
    }

    /// The slot, if it is among the changed.
    pub fn slot(&self, hash: u64, address: &Address, slot: &U256) -> Option<&SlotChange> {
        let is_it = |change: &&SlotChange| change.hash == hash && change.slot == *slot && change.address == *address;
        self.slots.iter().find(is_it)
    }
}
