//! A naive state to hold the journal against: ordered maps, cloned whole at every checkpoint.
//!
//! It shares no idea with the journal (no ids, stamps, undo list or generations), so an agreement of the two is not an
//! agreement of one mistake with itself.

#![allow(dead_code, reason = "each test uses a part")]

use alloy_primitives::{Address, B256, Bytes, U256, address};
use rialto_state::{Account, AccountDiff, Code, Diff, MemoryState, SlotDiff, StateReader, TxChange};
use std::collections::{BTreeMap, BTreeSet};

/// The account whose touch survives a revert.
pub const RIPEMD160: Address = address!("0000000000000000000000000000000000000003");

/// The address with this number.
pub fn account(number: u8) -> Address {
    Address::with_last_byte(number)
}

/// One of a few codes; zero for none.
pub fn code(number: u8) -> Code {
    if number == 0 { Code::empty() } else { Code::new(Bytes::from(vec![0x60, number])) }
}

/// An account of the naive state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelAccount {
    pub nonce: u64,
    pub balance: U256,
    pub code: u8,
    /// Slots that are not zero.
    pub storage: BTreeMap<U256, U256>,
}

impl ModelAccount {
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code == 0
    }

    pub fn info(&self) -> Account {
        Account { nonce: self.nonce, balance: self.balance, code_hash: code(self.code).hash() }
    }
}

pub type World = BTreeMap<Address, ModelAccount>;

/// The world with what a transaction knows of it.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub world: World,
    /// Accounts that were deleted at some time in the block.
    pub wiped: BTreeSet<Address>,
    pub transient: BTreeMap<(Address, U256), U256>,
    pub warm: BTreeSet<Address>,
    pub warm_slots: BTreeSet<(Address, U256)>,
    pub touched: BTreeSet<Address>,
    pub created: BTreeSet<Address>,
    pub destroyed: Vec<Address>,
    pub logs: Vec<u8>,
    pub refund: i64,
}

impl Model {
    pub fn new(world: World) -> Self {
        Self { world, ..Self::default() }
    }

    /// The account, made to exist.
    pub fn existing(&mut self, address: Address) -> &mut ModelAccount {
        self.world.entry(address).or_default()
    }

    pub fn balance(&self, address: &Address) -> U256 {
        self.world.get(address).map_or(U256::ZERO, |account| account.balance)
    }

    pub fn slot(&self, address: &Address, key: &U256) -> U256 {
        self.world.get(address).and_then(|account| account.storage.get(key)).copied().unwrap_or_default()
    }

    pub fn set_slot(&mut self, address: Address, key: U256, value: U256) {
        let storage = &mut self.existing(address).storage;
        if value.is_zero() {
            storage.remove(&key);
        } else {
            storage.insert(key, value);
        }
    }

    pub fn add_balance(&mut self, address: Address, amount: U256) {
        self.touched.insert(address);
        self.existing(address).balance += amount;
    }

    pub fn sub_balance(&mut self, address: Address, amount: U256) -> bool {
        let balance = self.balance(&address);
        if balance < amount {
            return false;
        }
        self.touched.insert(address);
        if !amount.is_zero() {
            self.existing(address).balance = balance - amount;
        }
        true
    }

    pub fn transfer(&mut self, from: Address, to: Address, amount: U256) -> bool {
        if !self.sub_balance(from, amount) {
            return false;
        }
        if amount.is_zero() {
            self.touched.insert(to);
        } else {
            self.add_balance(to, amount);
        }
        true
    }

    /// Whether a contract may be created there: no nonce, no code, and no storage that the block began with.
    pub fn can_create(&self, base: &World, address: &Address) -> bool {
        let is_used = self.world.get(address).is_some_and(|account| account.nonce != 0 || account.code != 0);
        let began_with_storage = base.get(address).is_some_and(|account| !account.storage.is_empty());
        !is_used && (!began_with_storage || self.wiped.contains(address))
    }

    /// Goes back to `earlier`, but for the one touch that survives.
    pub fn revert(&mut self, earlier: Self) {
        let survives = self.touched.contains(&RIPEMD160);
        *self = earlier;
        if survives {
            self.touched.insert(RIPEMD160);
        }
    }

    /// Closes the transaction; the accounts it deleted.
    pub fn end_tx(&mut self, clear_empty: bool) -> BTreeSet<Address> {
        let mut deleted: BTreeSet<Address> = self.destroyed.iter().copied().collect();
        for address in &self.touched {
            if clear_empty && self.world.get(address).is_some_and(ModelAccount::is_empty) {
                deleted.insert(*address);
            }
        }
        let world = std::mem::take(&mut self.world);
        let wiped = &std::mem::take(&mut self.wiped) | &deleted;
        let world = world.into_iter().filter(|(address, _)| !deleted.contains(address)).collect();
        *self = Self { world, wiped, ..Self::default() };
        deleted
    }

    /// The diff between `base` and now.
    pub fn diff(&self, base: &World) -> Diff {
        let addresses: BTreeSet<Address> = base.keys().chain(self.world.keys()).copied().collect();
        let mut diff = Diff::default();
        let mut codes: BTreeMap<B256, Code> = BTreeMap::new();
        for address in addresses {
            let (before, after) = (base.get(&address), self.world.get(&address));
            let storage_wiped = before.is_some() && self.wiped.contains(&address);
            let storage = self.storage_diff(base, &address, storage_wiped);
            let (before, after) = (before.map(ModelAccount::info), after.map(ModelAccount::info));
            if before == after && storage.is_empty() && !storage_wiped {
                continue;
            }
            if let Some(info) = after
                && info.has_code()
                && before.is_none_or(|before| before.code_hash != info.code_hash)
            {
                codes.insert(info.code_hash, code(self.world[&address].code));
            }
            diff.accounts.push(AccountDiff { address, before, after, storage_wiped, storage });
        }
        diff.codes = codes.into_values().collect();
        diff
    }

    fn storage_diff(&self, base: &World, address: &Address, storage_wiped: bool) -> Vec<SlotDiff> {
        let Some(now) = self.world.get(address) else { return Vec::new() };
        let nothing = BTreeMap::new();
        let then = match base.get(address) {
            Some(account) if !storage_wiped => &account.storage,
            _ => &nothing,
        };
        let keys: BTreeSet<&U256> = then.keys().chain(now.storage.keys()).collect();
        let word = |storage: &BTreeMap<U256, U256>, key: &U256| storage.get(key).copied().unwrap_or_default();
        keys.into_iter()
            .map(|key| SlotDiff { slot: *key, before: word(then, key), after: word(&now.storage, key) })
            .filter(|slot| slot.before != slot.after)
            .collect()
    }
}

/// A reader over the naive world.
pub fn memory_state(world: &World) -> MemoryState {
    let mut state = MemoryState::default();
    for (address, account) in world {
        let bytes = code(account.code).bytes().clone();
        state.insert_account(*address, account.nonce, account.balance, bytes, account.storage.clone());
    }
    state
}

/// Asserts that a state in memory is the naive world.
pub fn assert_is_world(state: &MemoryState, world: &World) {
    let addresses: BTreeSet<Address> = state.iter().map(|(address, _)| *address).collect();
    assert_eq!(addresses, world.keys().copied().collect(), "accounts");
    for (address, expected) in world {
        let found = state.get(address).expect("compared above");
        assert_eq!(found.info, expected.info(), "account {address}");
        let storage: BTreeMap<U256, U256> = found.storage.iter().map(|(key, value)| (*key, *value)).collect();
        assert_eq!(storage, expected.storage, "storage of {address}");
        assert_eq!(state.code(&found.info.code_hash), Ok(code(expected.code)), "code of {address}");
    }
}

/// What a transaction changed, keyed so that order plays no role: (address, kind, slot) to the new value.
pub type Changes = BTreeMap<(Address, &'static str, U256), U256>;

/// The journal's list of changes as a map; fails where something is listed twice.
pub fn keyed(changes: &[TxChange]) -> Changes {
    let mut keyed = Changes::new();
    for change in changes {
        let (key, value) = match change {
            TxChange::Balance(address, balance) => ((*address, "balance", U256::ZERO), *balance),
            TxChange::Nonce(address, nonce) => ((*address, "nonce", U256::ZERO), U256::from(*nonce)),
            TxChange::Code(address, code) => ((*address, "code", U256::ZERO), code.hash().into()),
            TxChange::Slot(address, slot, value) => ((*address, "slot", *slot), *value),
        };
        assert!(keyed.insert(key, value).is_none(), "{change:?} is listed twice");
    }
    keyed
}

/// What differs between two worlds. Slots of accounts that the transaction deleted are not changes of their own.
pub fn changes_between(before: &World, after: &World, deleted: &BTreeSet<Address>) -> Changes {
    let nothing = ModelAccount::default();
    let mut changes = Changes::new();
    for address in before.keys().chain(after.keys()) {
        let (then, now) = (before.get(address).unwrap_or(&nothing), after.get(address).unwrap_or(&nothing));
        let words = |account: &ModelAccount| {
            [
                ("balance", account.balance),
                ("nonce", U256::from(account.nonce)),
                ("code", account.info().code_hash.into()),
            ]
        };
        for ((kind, then), (_, now)) in words(then).into_iter().zip(words(now)) {
            if then != now {
                changes.insert((*address, kind, U256::ZERO), now);
            }
        }
        if deleted.contains(address) {
            continue;
        }
        for key in then.storage.keys().chain(now.storage.keys()) {
            let word = |account: &ModelAccount| account.storage.get(key).copied().unwrap_or_default();
            if word(then) != word(now) {
                changes.insert((*address, "slot", *key), word(now));
            }
        }
    }
    changes
}
