//! The overlay that a block executes on.
//!
//! # Shape
//! Accounts and slots live in two arenas and are named by dense ids ([`AccountId`], [`SlotId`]); two hash tables map
//! addresses and (account, generation, slot) to ids. A call frame keeps the id of its own account, so storage access
//! hashes one word, not an address and a word, and nothing is looked up twice in a transaction.
//!
//! # Transactions
//! Nothing is swept between transactions. "Warm", "created", "touched", "original value" and their like are stamped with
//! the number of the transaction for which they hold, and are false for every other one.
//!
//! # Undo
//! Every change appends its inverse to one list. A [`Checkpoint`] is a position in it; reverting pops back to that
//! position, so a revert costs what it undoes. What must survive a revert is not in the list: that an item was loaded.
//!
//! # Storage generations
//! A self-destruct wipes an unbounded storage in constant time by raising the account's generation: slots are looked up
//! under the current generation, and only generation zero ever asks the reader.
//!
//! # Trials
//! Transactions may be run on trial: what they read is noted, and what they changed can be taken back after they are closed
//! (see `trial`).
//!
//! Invariant: an entry that is `loaded` equals what a sequential replay of all changes so far over the reader would give.

mod changes;
mod peek;
mod trial;

pub use changes::{ChangedAccount, ChangedSlot, Changes, Located};
pub use peek::{JournalReader, SlotLook};
pub use trial::Trial;

use crate::{
    Account, AccountDiff, AccountRead, AccountUse, Code, Diff, Footprint, Log, ReadError, Share, SlotDiff, SlotUse,
    StateReader,
};
use alloc::{boxed::Box, collections::BTreeMap, vec, vec::Vec};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256, address};
use core::any::Any;
use core::hash::{BuildHasher, Hasher};
use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// Slots that are found without hashing their keys.
const RECENT_SLOTS: usize = 32;

/// Names an account in a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AccountId(u32);

/// Names a storage slot in a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SlotId(u32);

/// The account whose touch survives a revert: RIPEMD-160's precompile, deleted on mainnet by a transaction that ran out
/// of gas before EIP-161 was understood so (block 2,675,119; EIP-161's errata of EIP-716).
const RIPEMD160: Address = address!("0000000000000000000000000000000000000003");

/// An account as the journal holds it.
#[derive(Clone, Debug)]
pub struct AccountEntry {
    /// The account's address.
    pub address: Address,
    /// Current record; [`Account::EMPTY`] while the account does not exist.
    pub info: Account,
    /// Whether the account exists. Before EIP-161 an empty account may exist.
    pub exists: bool,
    /// Whether `info` and `exists` hold the reader's answer (and changes since) rather than nothing yet.
    pub loaded: bool,
    code: Option<Code>,
    generation: u32,
    /// The trial that read it last.
    read_in: u32,
    warm_tx: u32,
    touched_tx: u32,
    created_tx: u32,
    destroyed_tx: u32,
    seen_tx: u32,
    seen: u8,
}

impl AccountEntry {
    /// Whether a field, which a bit stands for, was not seen in this transaction yet. Now it is.
    fn is_first(&mut self, tx: u32, bit: u8) -> bool {
        if self.seen_tx != tx {
            (self.seen_tx, self.seen) = (tx, 0);
        }
        let is_first = self.seen & bit == 0;
        self.seen |= bit;
        is_first
    }
}

/// A storage slot as the journal holds it.
#[derive(Clone, Debug)]
pub struct SlotEntry {
    /// Slot number.
    pub key: U256,
    /// Current word.
    pub value: U256,
    /// Word at the start of the current transaction (EIP-1283's "original"). Valid after [`Journal::load_slot`].
    pub original: U256,
    /// Whether `value` holds the reader's answer (and changes since) rather than nothing yet.
    pub loaded: bool,
    base: U256,
    account: u32,
    generation: u32,
    /// The trial that read it last.
    read_in: u32,
    original_tx: u32,
    warm_tx: u32,
    seen_tx: u32,
}

impl SlotEntry {
    /// Whether it is the slot `key` of this account's storage.
    #[inline(always)]
    fn is(&self, account: u32, generation: u32, key: &U256) -> bool {
        is_same(&self.key, key) && self.account == account && self.generation == generation
    }
}

struct TransientEntry {
    account: u32,
    key: U256,
    value: U256,
}

enum Undo {
    WarmAccount(u32),
    WarmSlot(u32),
    Touch(u32),
    Exists(u32),
    Created(u32),
    Destroyed(u32),
    Nonce(u32, u64),
    Balance(u32, U256),
    /// By how much the balance was raised by who did not look at it.
    Credit(u32, U256),
    Slot(u32, U256),
    Transient(u32, U256),
    Code(u32, Box<(B256, Option<Code>)>),
    Deleted(u32, Box<Deleted>),
}

/// What an account was that is gone.
struct Deleted {
    info: Account,
    exists: bool,
    code: Option<Code>,
    generation: u32,
}

/// A position to revert to.
#[derive(Clone, Copy, Debug)]
pub struct Checkpoint {
    undo_len: u32,
    logs_len: u32,
    refund: i64,
}

/// One thing that a transaction changed, with its value at the transaction's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxChange {
    /// New balance in wei.
    Balance(Address, U256),
    /// New nonce.
    Nonce(Address, u64),
    /// New code.
    Code(Address, Code),
    /// New word of a slot.
    Slot(Address, U256, U256),
}

/// What a transaction changed, in the order of first change. Values equal to those at its start are left out.
pub type TxChanges = Vec<TxChange>;

/// A [`TxChange`] where the journal has it.
#[derive(Clone, Copy, Debug)]
pub enum TxChangeRef<'a> {
    /// New balance in wei.
    Balance(&'a Address, &'a U256),
    /// New nonce.
    Nonce(&'a Address, u64),
    /// New code; `None` for one that is empty.
    Code(&'a Address, Option<&'a Code>),
    /// New word of a slot.
    Slot(&'a Address, &'a U256, &'a U256),
}

impl<'a> From<&'a TxChange> for TxChangeRef<'a> {
    fn from(change: &'a TxChange) -> Self {
        match change {
            TxChange::Balance(address, balance) => Self::Balance(address, balance),
            TxChange::Nonce(address, nonce) => Self::Nonce(address, *nonce),
            TxChange::Code(address, code) => Self::Code(address, Some(code)),
            TxChange::Slot(address, slot, word) => Self::Slot(address, slot, word),
        }
    }
}

/// A field of an account that a transaction changed, where it did so first.
struct FirstChange(u32, Before);

/// An account's field before a transaction.
enum Before {
    Balance(U256),
    Nonce(u64),
    CodeHash(B256),
}

/// What a native module keeps above an account's slots, decoded, for as long as the journal lives. It follows the journal: told how far
/// changes are undone, and when what stands can't be undone any more.
pub trait Extension: Any + Send {
    /// The journal was unwound to this length of its undo list: what was done when it was that long or longer did not happen.
    fn unwound(&mut self, undo_len: usize);

    /// The transaction has ended.
    fn end_transaction(&mut self);

    /// As itself.
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

/// What the reader said of an account, and how much of its balance was looked at.
struct Base {
    account: Option<Account>,
    /// By how much the balance might have been lower without anything going otherwise. `None` where the balance itself was
    /// looked at.
    balance_slack: Option<U256>,
}

impl Base {
    const UNREAD: Self = Self { account: None, balance_slack: Some(U256::MAX) };
}

/// See the module's documentation.
pub struct Journal<'r> {
    reader: &'r dyn StateReader,
    hasher: FixedState,
    accounts: Vec<AccountEntry>,
    /// What the reader said of each account; beside the entries, which are hot while this is not.
    account_bases: Vec<Base>,
    account_index: HashTable<u32>,
    slots: Vec<SlotEntry>,
    slot_index: HashTable<u32>,
    /// Slots looked up not long ago, by a few bits of their keys: most are looked up several times in a row.
    recent_slots: [u32; RECENT_SLOTS],
    /// Of each code that was set, an account that got it: the reader need not know a code that came into being here.
    set_codes: BTreeMap<B256, u32>,
    transients: Vec<TransientEntry>,
    transient_index: HashTable<u32>,
    undo: Vec<Undo>,
    /// Empty but while a transaction is closed; kept for their room.
    first_changes: Vec<FirstChange>,
    changed_slots: Vec<u32>,
    touched: Vec<u32>,
    destroyed: Vec<u32>,
    logs: Vec<Log>,
    refund: i64,
    tx: u32,
    /// Number of the trial, 1 where nothing is on trial.
    trial: u32,
    trials: Option<Box<trial::Notes>>,
    extensions: Vec<(AccountId, Box<dyn Extension>)>,
}

impl<'r> Journal<'r> {
    /// An overlay without changes. The first transaction is open.
    ///
    /// `hash_seed` keys the hash tables: a node passes a secret of its own so that nobody can craft colliding slots.
    /// No result depends on it.
    pub fn new(reader: &'r dyn StateReader, hash_seed: u64) -> Self {
        Self {
            reader,
            hasher: FixedState::with_seed(hash_seed),
            accounts: Vec::with_capacity(64),
            account_bases: Vec::with_capacity(64),
            account_index: HashTable::with_capacity(64),
            slots: Vec::with_capacity(64),
            slot_index: HashTable::with_capacity(64),
            recent_slots: [0; RECENT_SLOTS],
            set_codes: BTreeMap::new(),
            transients: Vec::new(),
            transient_index: HashTable::new(),
            undo: Vec::with_capacity(64),
            first_changes: Vec::new(),
            changed_slots: Vec::new(),
            touched: Vec::new(),
            destroyed: Vec::new(),
            logs: Vec::new(),
            refund: 0,
            tx: 1,
            trial: 1,
            trials: None,
            extensions: Vec::new(),
        }
    }

    /// The keyed hasher of the journal's tables, for tables of those who travel with it.
    pub fn hasher(&self) -> &FixedState {
        &self.hasher
    }

    /// The reader below.
    pub fn reader(&self) -> &'r dyn StateReader {
        self.reader
    }

    // ---- accounts ----

    /// The id of `address`, without reading it.
    #[inline]
    pub fn account_id(&mut self, address: &Address) -> AccountId {
        let hash = hash_address(&self.hasher, address);
        let accounts = &self.accounts;
        match self.account_index.find(hash, |&id| accounts[id as usize].address == *address) {
            Some(&id) => AccountId(id),
            None => self.add_account(address, hash),
        }
    }

    #[cold]
    fn add_account(&mut self, address: &Address, hash: u64) -> AccountId {
        let id = u32::try_from(self.accounts.len()).expect("a block touches less than 2^32 accounts");
        self.accounts.push(AccountEntry {
            address: *address,
            info: Account::EMPTY,
            exists: false,
            loaded: false,
            code: None,
            generation: 0,
            read_in: 0,
            warm_tx: 0,
            touched_tx: 0,
            created_tx: 0,
            destroyed_tx: 0,
            seen_tx: 0,
            seen: 0,
        });
        self.account_bases.push(Base::UNREAD);
        let (accounts, hasher) = (&self.accounts, &self.hasher);
        self.account_index.insert_unique(hash, id, |&id| hash_address(hasher, &accounts[id as usize].address));
        AccountId(id)
    }

    /// The account, read from below on first use.
    #[inline]
    pub fn load(&mut self, id: AccountId) -> Result<&AccountEntry, ReadError> {
        if self.accounts[id.0 as usize].read_in != self.trial {
            self.read_first(id)?;
        }
        Ok(&self.accounts[id.0 as usize])
    }

    #[cold]
    fn read_first(&mut self, id: AccountId) -> Result<(), ReadError> {
        if !self.accounts[id.0 as usize].loaded {
            self.read_account(id)?;
        }
        self.accounts[id.0 as usize].read_in = self.trial;
        if self.trials.is_some() {
            self.note_account(id);
        }
        Ok(())
    }

    /// Whether the account was loaded, in this trial if there are any.
    pub fn is_read(&self, id: AccountId) -> bool {
        self.accounts[id.0 as usize].read_in == self.trial
    }

    fn read_account(&mut self, id: AccountId) -> Result<(), ReadError> {
        let entry = &mut self.accounts[id.0 as usize];
        let account = self.reader.account(&entry.address)?;
        self.account_bases[id.0 as usize].account = account;
        entry.exists = account.is_some();
        entry.info = account.unwrap_or_default();
        entry.loaded = true;
        Ok(())
    }

    /// The account as it stands, loaded or not.
    #[inline]
    pub fn account(&self, id: AccountId) -> &AccountEntry {
        &self.accounts[id.0 as usize]
    }

    /// The account's code, read from below on first use. The account must be loaded.
    #[inline]
    pub fn code(&mut self, id: AccountId) -> Result<&Code, ReadError> {
        if self.accounts[id.0 as usize].code.is_none() {
            self.read_code(id)?;
        }
        Ok(self.accounts[id.0 as usize].code.as_ref().expect("read above"))
    }

    #[cold]
    fn read_code(&mut self, id: AccountId) -> Result<(), ReadError> {
        let entry = &self.accounts[id.0 as usize];
        assert!(entry.loaded, "code of {} asked for before the account was loaded", entry.address);
        let code_hash = entry.info.code_hash;
        let code = if code_hash == KECCAK256_EMPTY {
            Code::empty()
        } else {
            match self.code_set_here(&code_hash) {
                Some(code) => code,
                None => self.reader.code(&code_hash)?,
            }
        };
        self.accounts[id.0 as usize].code = Some(code);
        Ok(())
    }

    /// The code with this hash, if an account that has it got it since the journal was made.
    fn code_set_here(&self, code_hash: &B256) -> Option<Code> {
        let entry = &self.accounts[*self.set_codes.get(code_hash)? as usize];
        if entry.info.code_hash == *code_hash { entry.code.clone() } else { None }
    }

    /// Whether the account is warm in this transaction (EIP-2929).
    #[inline]
    pub fn is_warm(&self, id: AccountId) -> bool {
        self.accounts[id.0 as usize].warm_tx == self.tx
    }

    /// Makes the account warm; true if it was cold.
    #[inline]
    pub fn warm(&mut self, id: AccountId) -> bool {
        let entry = &mut self.accounts[id.0 as usize];
        if entry.warm_tx == self.tx {
            return false;
        }
        entry.warm_tx = self.tx;
        self.undo.push(Undo::WarmAccount(id.0));
        true
    }

    /// Marks the account as touched: if it is empty when the transaction ends, it is deleted (EIP-161).
    #[inline]
    pub fn touch(&mut self, id: AccountId) {
        let entry = &mut self.accounts[id.0 as usize];
        if entry.touched_tx != self.tx {
            entry.touched_tx = self.tx;
            self.touched.push(id.0);
            self.undo.push(Undo::Touch(id.0));
        }
    }

    /// Makes an empty account exist, as a call did before EIP-161.
    #[inline]
    pub fn create_empty(&mut self, id: AccountId) {
        let entry = &mut self.accounts[id.0 as usize];
        assert!(entry.read_in == self.trial, "an account is loaded before it is changed");
        if !entry.exists {
            entry.exists = true;
            self.undo.push(Undo::Exists(id.0));
        }
    }

    /// The balance, for whoever cares which one it is exactly. The account must be loaded.
    pub fn balance(&mut self, id: AccountId) -> U256 {
        self.account_bases[id.0 as usize].balance_slack = None;
        self.accounts[id.0 as usize].info.balance
    }

    /// Whether the balance suffices. The account must be loaded.
    #[inline]
    pub fn has_balance(&mut self, id: AccountId, amount: U256) -> bool {
        if is_same(&amount, &U256::ZERO) {
            return true;
        }
        let Account { nonce, balance, code_hash } = self.accounts[id.0 as usize].info;
        let left = balance.checked_sub(amount);
        if nonce == 0 && code_hash == KECCAK256_EMPTY {
            // Whether anything is left decides whether it is empty, and deleted (EIP-161).
            self.account_bases[id.0 as usize].balance_slack = None;
            return left.is_some();
        }
        let base = &mut self.account_bases[id.0 as usize];
        base.balance_slack = base.balance_slack.and_then(|slack| left.map(|left| slack.min(left)));
        left.is_some()
    }

    /// Sets the balance, making the account exist.
    // In place, so that what was just computed is not written to memory and read again in another width.
    #[inline(always)]
    pub fn set_balance(&mut self, id: AccountId, balance: U256) {
        self.create_empty(id);
        let entry = &mut self.accounts[id.0 as usize];
        if !is_same(&entry.info.balance, &balance) {
            self.undo.push(Undo::Balance(id.0, entry.info.balance));
            entry.info.balance = balance;
        }
    }

    /// Adds to the balance, making the account exist, and touches it. The account must be loaded.
    ///
    /// The sum can't overflow on a real chain: all ether there is fits in 128 bits. States made by hand saturate.
    #[inline]
    pub fn add_balance(&mut self, id: AccountId, amount: U256) {
        self.touch(id);
        let (balance, amount) = (self.accounts[id.0 as usize].info.balance.as_limbs(), amount.as_limbs());
        let mut carry = false;
        let sum = [0, 1, 2, 3].map(|i| {
            let limb;
            (limb, carry) = balance[i].carrying_add(amount[i], carry);
            limb
        });
        self.set_balance(id, if carry { U256::MAX } else { U256::from_limbs(sum) });
    }

    /// Takes from the balance and touches the account; false, and nothing done, if the balance is too small.
    #[inline]
    pub fn sub_balance(&mut self, id: AccountId, amount: U256) -> bool {
        assert!(self.accounts[id.0 as usize].loaded);
        if !self.has_balance(id, amount) {
            return false;
        }
        self.touch(id);
        if !amount.is_zero() {
            let (balance, amount) = (self.accounts[id.0 as usize].info.balance.as_limbs(), amount.as_limbs());
            let mut borrow = false;
            let difference = [0, 1, 2, 3].map(|i| {
                let limb;
                (limb, borrow) = balance[i].borrowing_sub(amount[i], borrow);
                limb
            });
            self.set_balance(id, U256::from_limbs(difference));
        }
        true
    }

    /// Moves `amount` wei; false, and nothing done, if the sender has too little.
    pub fn transfer(&mut self, from: AccountId, to: AccountId, amount: U256) -> bool {
        if !self.sub_balance(from, amount) {
            return false;
        }
        if amount.is_zero() {
            self.touch(to);
        } else {
            self.add_balance(to, amount);
        }
        true
    }

    /// Sets the nonce, making the account exist.
    pub fn set_nonce(&mut self, id: AccountId, nonce: u64) {
        self.create_empty(id);
        self.touch(id);
        let entry = &mut self.accounts[id.0 as usize];
        if entry.info.nonce != nonce {
            self.undo.push(Undo::Nonce(id.0, entry.info.nonce));
            entry.info.nonce = nonce;
        }
    }

    /// Replaces the code. The account must be loaded.
    pub fn set_code(&mut self, id: AccountId, code: Code) {
        self.create_empty(id);
        self.touch(id);
        let entry = &mut self.accounts[id.0 as usize];
        if entry.info.code_hash != code.hash() {
            let previous = (entry.info.code_hash, entry.code.take());
            self.undo.push(Undo::Code(id.0, Box::new(previous)));
            entry.info.code_hash = code.hash();
            let code_hash = code.hash();
            entry.code = Some(code);
            if self.code_set_here(&code_hash).is_none() {
                self.set_codes.insert(code_hash, id.0);
            }
        }
    }

    /// Whether `id` may become a contract: no nonce, no code and no storage (EIP-684, EIP-7610).
    pub fn can_create(&mut self, id: AccountId) -> Result<bool, ReadError> {
        let entry = self.load(id)?;
        if entry.info.nonce != 0 || entry.info.has_code() {
            return Ok(false);
        }
        let (address, generation) = (entry.address, entry.generation);
        if self.account_bases[id.0 as usize].account.is_none() || generation > 0 {
            return Ok(true);
        }
        Ok(!self.reader.has_storage(&address)?)
    }

    /// Makes the account a contract created by this transaction.
    pub fn mark_created(&mut self, id: AccountId) {
        self.create_empty(id);
        self.touch(id);
        let entry = &mut self.accounts[id.0 as usize];
        if entry.created_tx != self.tx {
            entry.created_tx = self.tx;
            self.undo.push(Undo::Created(id.0));
        }
    }

    /// Whether this transaction created the account (EIP-6780).
    pub fn is_created(&self, id: AccountId) -> bool {
        self.accounts[id.0 as usize].created_tx == self.tx
    }

    /// Marks the account for deletion at the transaction's end; true if it was not marked before.
    pub fn mark_destroyed(&mut self, id: AccountId) -> bool {
        // What it has then is burnt.
        self.account_bases[id.0 as usize].balance_slack = None;
        let entry = &mut self.accounts[id.0 as usize];
        if entry.destroyed_tx == self.tx {
            return false;
        }
        entry.destroyed_tx = self.tx;
        self.destroyed.push(id.0);
        self.undo.push(Undo::Destroyed(id.0));
        true
    }

    /// Accounts marked for deletion in this transaction, in the order of marking.
    pub fn destroyed(&self) -> impl Iterator<Item = AccountId> + '_ {
        self.destroyed.iter().map(|&id| AccountId(id))
    }

    // ---- storage ----

    /// The id of a slot of the account's current storage, without reading it.
    #[inline]
    pub fn slot_id(&mut self, account: AccountId, key: &U256) -> SlotId {
        let generation = self.accounts[account.0 as usize].generation;
        let [low, ..] = *key.as_limbs();
        let recent = self.recent_slots[low as usize % RECENT_SLOTS];
        // Whatever is noted there, it is the slot if it is equal.
        if self.slots.get(recent as usize).is_some_and(|slot| slot.is(account.0, generation, key)) {
            return SlotId(recent);
        }
        let id = self.find_or_add_slot(account.0, generation, key);
        self.recent_slots[low as usize % RECENT_SLOTS] = id.0;
        id
    }

    #[inline(never)]
    fn find_or_add_slot(&mut self, account: u32, generation: u32, key: &U256) -> SlotId {
        let hash = hash_slot(&self.hasher, account, generation, key);
        let slots = &self.slots;
        match self.slot_index.find(hash, |&id| slots[id as usize].is(account, generation, key)) {
            Some(&id) => SlotId(id),
            None => self.add_slot(account, generation, key, hash),
        }
    }

    #[cold]
    fn add_slot(&mut self, account: u32, generation: u32, key: &U256, hash: u64) -> SlotId {
        let id = u32::try_from(self.slots.len()).expect("a block touches less than 2^32 slots");
        self.slots.push(SlotEntry {
            key: *key,
            value: U256::ZERO,
            original: U256::ZERO,
            loaded: generation > 0,
            base: U256::ZERO,
            account,
            generation,
            read_in: 0,
            original_tx: 0,
            warm_tx: 0,
            seen_tx: 0,
        });
        let (slots, hasher) = (&self.slots, &self.hasher);
        self.slot_index.insert_unique(hash, id, |&id| {
            let slot = &slots[id as usize];
            hash_slot(hasher, slot.account, slot.generation, &slot.key)
        });
        SlotId(id)
    }

    /// The slot, read from below on first use.
    #[inline]
    pub fn load_slot(&mut self, id: SlotId) -> Result<&SlotEntry, ReadError> {
        if self.slots[id.0 as usize].original_tx != self.tx {
            self.open_slot(id)?;
        }
        Ok(&self.slots[id.0 as usize])
    }

    /// The slot's first use in a transaction.
    #[inline(never)]
    fn open_slot(&mut self, id: SlotId) -> Result<(), ReadError> {
        if !self.slots[id.0 as usize].loaded {
            self.read_slot(id)?;
        }
        let slot = &mut self.slots[id.0 as usize];
        slot.original_tx = self.tx;
        slot.original = slot.value;
        if self.trials.is_some() {
            self.note_slot(id);
        }
        Ok(())
    }

    fn read_slot(&mut self, id: SlotId) -> Result<(), ReadError> {
        let slot = &mut self.slots[id.0 as usize];
        let account = &self.accounts[slot.account as usize];
        // An account that the reader does not know has no storage: asking would only cost a look-up.
        let known = !account.loaded || self.account_bases[slot.account as usize].account.is_some();
        slot.value = if known { self.reader.storage(&account.address, &slot.key)? } else { U256::ZERO };
        slot.base = slot.value;
        slot.loaded = true;
        Ok(())
    }

    /// The slot as it stands, loaded or not.
    #[inline]
    pub fn slot(&self, id: SlotId) -> &SlotEntry {
        &self.slots[id.0 as usize]
    }

    /// Whether the slot is warm in this transaction (EIP-2929).
    #[inline]
    pub fn is_slot_warm(&self, id: SlotId) -> bool {
        self.slots[id.0 as usize].warm_tx == self.tx
    }

    /// Makes the slot warm; true if it was cold.
    #[inline]
    pub fn warm_slot(&mut self, id: SlotId) -> bool {
        let slot = &mut self.slots[id.0 as usize];
        if slot.warm_tx == self.tx {
            return false;
        }
        slot.warm_tx = self.tx;
        self.undo.push(Undo::WarmSlot(id.0));
        true
    }

    /// Writes a slot that [`Journal::load_slot`] has read in this transaction.
    #[inline]
    pub fn set_slot(&mut self, id: SlotId, value: U256) {
        let slot = &mut self.slots[id.0 as usize];
        assert!(slot.loaded && slot.original_tx == self.tx, "a slot is loaded before it is written");
        if !is_same(&slot.value, &value) {
            self.undo.push(Undo::Slot(id.0, slot.value));
            slot.value = value;
        }
    }

    /// Reads transient storage (EIP-1153).
    pub fn transient(&self, account: AccountId, key: &U256) -> U256 {
        if self.transients.is_empty() {
            return U256::ZERO;
        }
        self.find_transient(account, key).map_or(U256::ZERO, |id| self.transients[id as usize].value)
    }

    /// Writes transient storage (EIP-1153).
    pub fn set_transient(&mut self, account: AccountId, key: &U256, value: U256) {
        let id = match self.find_transient(account, key) {
            Some(id) => id,
            None => {
                let id = u32::try_from(self.transients.len()).expect("a transaction writes less than 2^32 slots");
                self.transients.push(TransientEntry { account: account.0, key: *key, value: U256::ZERO });
                let (transients, hasher) = (&self.transients, &self.hasher);
                let hash = hash_slot(hasher, account.0, 0, key);
                self.transient_index.insert_unique(hash, id, |&id| {
                    let entry = &transients[id as usize];
                    hash_slot(hasher, entry.account, 0, &entry.key)
                });
                id
            }
        };
        let entry = &mut self.transients[id as usize];
        if entry.value != value {
            self.undo.push(Undo::Transient(id, entry.value));
            entry.value = value;
        }
    }

    fn find_transient(&self, account: AccountId, key: &U256) -> Option<u32> {
        let hash = hash_slot(&self.hasher, account.0, 0, key);
        let is_it = |&id: &u32| {
            let entry = &self.transients[id as usize];
            entry.key == *key && entry.account == account.0
        };
        self.transient_index.find(hash, is_it).copied()
    }

    /// Slots that hold something in the accounts that are marked for deletion, of those that this transaction wrote. Costs
    /// what the transaction wrote, not what the block did.
    pub fn occupied_slots_of_destroyed(&self) -> usize {
        let is_occupied = |id: &u32| {
            let slot = &self.slots[*id as usize];
            let entry = &self.accounts[slot.account as usize];
            entry.destroyed_tx == self.tx && slot.generation == entry.generation && !slot.value.is_zero()
        };
        let written = self.undo.iter().filter_map(|undo| match undo {
            Undo::Slot(id, _) => Some(*id),
            _ => None,
        });
        let mut slots: Vec<u32> = written.filter(is_occupied).collect();
        slots.sort_unstable();
        slots.dedup();
        slots.len()
    }

    // ---- logs and refunds ----

    /// Appends a log.
    #[inline]
    pub fn log(&mut self, log: Log) {
        self.logs.push(log);
    }

    /// Logs of the open transaction.
    pub fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// Takes the logs of the open transaction.
    pub fn take_logs(&mut self) -> Vec<Log> {
        core::mem::take(&mut self.logs)
    }

    /// Changes the refund counter, in gas.
    #[inline]
    pub fn add_refund(&mut self, gas: i64) {
        self.refund += gas;
    }

    /// The refund counter, in gas.
    pub fn refund(&self) -> i64 {
        self.refund
    }

    // ---- checkpoints and transactions ----

    /// A position to come back to.
    #[inline]
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint { undo_len: self.undo.len() as u32, logs_len: self.logs.len() as u32, refund: self.refund }
    }

    /// Undoes everything since `checkpoint`, which must be of this transaction.
    pub fn revert(&mut self, checkpoint: Checkpoint) {
        assert!(self.undo.len() >= checkpoint.undo_len as usize, "checkpoint of another transaction");
        while self.undo.len() > checkpoint.undo_len as usize {
            let undo = self.undo.pop().expect("longer than the checkpoint");
            self.undo_one(undo);
        }
        self.logs.truncate(checkpoint.logs_len as usize);
        self.refund = checkpoint.refund;
        for (_, extension) in &mut self.extensions {
            extension.unwound(self.undo.len());
        }
    }

    /// Length of the undo list, which only a revert makes shorter within a transaction.
    pub fn undo_len(&self) -> usize {
        self.undo.len()
    }

    /// Number of the transaction that is open. Numbers only grow until the journal is cleared.
    pub fn transaction(&self) -> u32 {
        self.tx
    }

    /// Takes what a module left for its account. Nothing may be reverted before it is put back.
    pub fn take_extension(&mut self, account: AccountId) -> Option<Box<dyn Extension>> {
        let at = self.extensions.iter().position(|(owner, _)| *owner == account)?;
        Some(self.extensions.swap_remove(at).1)
    }

    /// Leaves what a module wants to find again at its next call.
    pub fn put_extension(&mut self, account: AccountId, extension: Box<dyn Extension>) {
        debug_assert!(self.extensions.iter().all(|(owner, _)| *owner != account), "one for each account");
        self.extensions.push((account, extension));
    }

    /// Drops what modules left: their next calls read the slots again. Between two transactions it only costs time.
    pub fn forget_extensions(&mut self) {
        self.extensions.clear();
    }

    fn undo_one(&mut self, undo: Undo) {
        match undo {
            Undo::WarmAccount(id) => self.accounts[id as usize].warm_tx = 0,
            Undo::WarmSlot(id) => self.slots[id as usize].warm_tx = 0,
            Undo::Touch(id) => {
                if self.accounts[id as usize].address != RIPEMD160 {
                    self.accounts[id as usize].touched_tx = 0;
                }
            }
            Undo::Exists(id) => self.accounts[id as usize].exists = false,
            Undo::Created(id) => self.accounts[id as usize].created_tx = 0,
            Undo::Destroyed(id) => {
                self.accounts[id as usize].destroyed_tx = 0;
                let last = self.destroyed.pop();
                assert_eq!(last, Some(id), "marks are undone in reverse order");
            }
            Undo::Nonce(id, nonce) => self.accounts[id as usize].info.nonce = nonce,
            Undo::Balance(id, balance) => self.accounts[id as usize].info.balance = balance,
            Undo::Credit(id, amount) => {
                let balance = &mut self.accounts[id as usize].info.balance;
                *balance = balance.saturating_sub(amount);
            }
            Undo::Slot(id, value) => self.slots[id as usize].value = value,
            Undo::Transient(id, value) => self.transients[id as usize].value = value,
            Undo::Code(id, previous) => {
                let entry = &mut self.accounts[id as usize];
                (entry.info.code_hash, entry.code) = *previous;
            }
            Undo::Deleted(id, deleted) => {
                let entry = &mut self.accounts[id as usize];
                (entry.info, entry.exists) = (deleted.info, deleted.exists);
                (entry.code, entry.generation) = (deleted.code, deleted.generation);
            }
        }
    }

    /// Closes the transaction: deletes what destroyed itself and, if `clear_empty` (EIP-161), what was touched and is
    /// empty; forgets transient storage, refunds, warmth and remaining logs; opens the next one.
    pub fn end_tx(&mut self, clear_empty: bool) {
        if let Some(trials) = &mut self.trials {
            trials.keep(&mut self.undo);
        }
        while let Some(id) = self.destroyed.pop() {
            self.delete(id);
        }
        self.end_touched(clear_empty);
        self.open_next();
    }

    fn end_touched(&mut self, clear_empty: bool) {
        while let Some(id) = self.touched.pop() {
            let entry = &self.accounts[id as usize];
            if clear_empty && entry.loaded && entry.touched_tx == self.tx && entry.exists && entry.info.is_empty() {
                self.delete(id);
            }
        }
    }

    fn open_next(&mut self) {
        self.undo.clear();
        for (_, extension) in &mut self.extensions {
            extension.end_transaction();
        }
        self.logs.clear();
        if !self.transients.is_empty() {
            self.transients.clear();
            self.transient_index.clear();
        }
        self.refund = 0;
        self.tx += 1;
    }

    fn delete(&mut self, id: u32) {
        let entry = &mut self.accounts[id as usize];
        assert!(entry.loaded);
        if let Some(trials) = &mut self.trials {
            trials.keep_deleted(id, entry);
        }
        entry.info = Account::EMPTY;
        entry.exists = false;
        entry.code = None;
        entry.generation += 1;
    }

    /// Closes the transaction like [`Journal::end_tx`] and says what it changed (EIP-7928).
    pub fn end_tx_with_changes(&mut self, clear_empty: bool) -> TxChanges {
        let mut changes = TxChanges::new();
        self.end_tx_into(clear_empty, &mut changes);
        changes
    }

    /// As [`Journal::end_tx_with_changes`], with the changes in place of what `changes` held.
    pub fn end_tx_into(&mut self, clear_empty: bool, changes: &mut TxChanges) {
        let mut first = core::mem::take(&mut self.first_changes);
        let mut slots = core::mem::take(&mut self.changed_slots);
        self.find_first_changes(&mut first, &mut slots);
        self.end_tx(clear_empty);
        changes.clear();
        changes.extend(first.drain(..).filter_map(|FirstChange(id, before)| self.account_change(id, before)));
        slots.sort_unstable();
        slots.dedup();
        for id in slots.drain(..) {
            let slot = &self.slots[id as usize];
            let entry = &self.accounts[slot.account as usize];
            if slot.generation == entry.generation && slot.value != slot.original {
                changes.push(TxChange::Slot(entry.address, slot.key, slot.value));
            }
        }
        (self.first_changes, self.changed_slots) = (first, slots);
    }

    /// As [`Journal::end_tx_with_changes`], showing the changes to `see` where they are.
    pub fn end_tx_seen(&mut self, clear_empty: bool, see: &mut dyn FnMut(TxChangeRef<'_>)) {
        // What is deleted and what is on trial is seldom, or seldom seen so.
        if !self.destroyed.is_empty() || self.trials.is_some() {
            self.end_tx_with_changes(clear_empty).iter().for_each(|change| see(change.into()));
            return;
        }
        self.end_touched(clear_empty);
        for undo in &self.undo {
            match undo {
                Undo::Balance(id, before) => {
                    let entry = &mut self.accounts[*id as usize];
                    if entry.is_first(self.tx, 1) && entry.info.balance != *before {
                        see(TxChangeRef::Balance(&entry.address, &entry.info.balance));
                    }
                }
                Undo::Nonce(id, before) => {
                    let entry = &mut self.accounts[*id as usize];
                    if entry.is_first(self.tx, 2) && entry.info.nonce != *before {
                        see(TxChangeRef::Nonce(&entry.address, entry.info.nonce));
                    }
                }
                Undo::Code(id, previous) => {
                    let entry = &mut self.accounts[*id as usize];
                    if entry.is_first(self.tx, 4) && entry.info.code_hash != previous.0 {
                        see(TxChangeRef::Code(&entry.address, entry.code.as_ref()));
                    }
                }
                Undo::Slot(id, _) => {
                    let slot = &mut self.slots[*id as usize];
                    let entry = &self.accounts[slot.account as usize];
                    let is_first = slot.seen_tx != self.tx;
                    slot.seen_tx = self.tx;
                    if is_first && slot.generation == entry.generation && slot.value != slot.original {
                        see(TxChangeRef::Slot(&entry.address, &slot.key, &slot.value));
                    }
                }
                _ => {}
            }
        }
        self.open_next();
    }

    /// The first change of each field in the open transaction, with the value before it: what the undo list holds first. And the
    /// slots that changed, each as often as it did.
    fn find_first_changes(&mut self, first: &mut Vec<FirstChange>, slots: &mut Vec<u32>) {
        for undo in &self.undo {
            let (id, before, bit) = match undo {
                Undo::Balance(id, balance) => (*id, Before::Balance(*balance), 1),
                Undo::Nonce(id, nonce) => (*id, Before::Nonce(*nonce), 2),
                Undo::Code(id, previous) => (*id, Before::CodeHash(previous.0), 4),
                Undo::Slot(id, _) => {
                    slots.push(*id);
                    continue;
                }
                _ => continue,
            };
            if self.accounts[id as usize].is_first(self.tx, bit) {
                first.push(FirstChange(id, before));
            }
        }
        // What is deleted at the end of the transaction changes without being in the undo list.
        for &id in &self.destroyed {
            let entry = &mut self.accounts[id as usize];
            let Account { nonce, balance, code_hash } = entry.info;
            let fields = [(Before::Balance(balance), 1), (Before::Nonce(nonce), 2), (Before::CodeHash(code_hash), 4)];
            let unseen = fields.into_iter().filter(|(_, bit)| entry.is_first(self.tx, *bit));
            first.extend(unseen.map(|(before, _)| FirstChange(id, before)));
        }
    }

    /// The account's field as it is now, if it is not what it was before.
    fn account_change(&self, id: u32, before: Before) -> Option<TxChange> {
        let AccountEntry { address, info, code, .. } = &self.accounts[id as usize];
        match before {
            Before::Balance(before) => (info.balance != before).then_some(TxChange::Balance(*address, info.balance)),
            Before::Nonce(before) => (info.nonce != before).then_some(TxChange::Nonce(*address, info.nonce)),
            Before::CodeHash(before) => {
                (info.code_hash != before).then(|| TxChange::Code(*address, code.clone().unwrap_or_else(Code::empty)))
            }
        }
    }

    /// Every account that was read, in the order of first mention.
    pub fn loaded_accounts(&self) -> impl Iterator<Item = &AccountEntry> {
        self.accounts.iter().filter(|entry| entry.loaded)
    }

    /// Every slot that was read, with its account, in the order of first mention. One of a storage that was wiped in between
    /// may come twice; one that was only named, by a transaction's access list, does not come.
    pub fn loaded_slots(&self) -> impl Iterator<Item = (Address, U256)> + '_ {
        let read = self.slots.iter().filter(|slot| slot.original_tx != 0);
        read.map(|slot| (self.address_of(slot), slot.key))
    }

    /// Of the slots that were read at least those for which the reader was not asked: it does not know the account, or the account
    /// was deleted meanwhile.
    pub fn unasked_slots(&self) -> impl Iterator<Item = (Address, U256)> + '_ {
        let read = self.slots.iter().filter(|slot| slot.original_tx != 0);
        let is_unasked =
            |slot: &&SlotEntry| slot.generation > 0 || self.account_bases[slot.account as usize].account.is_none();
        read.filter(is_unasked).map(|slot| (self.address_of(slot), slot.key))
    }

    /// What was read and what became of it. All transactions must be closed.
    pub fn footprint(&self) -> Footprint {
        assert!(self.undo.is_empty(), "a transaction is still open");
        let mut codes: Vec<Code> = Vec::new();
        let account_of = |(entry, base): (&AccountEntry, &Base)| AccountUse {
            is_read: entry.loaded,
            read: AccountRead { address: entry.address, account: base.account, balance_slack: base.balance_slack },
            after: entry.exists.then_some(entry.info),
            storage_wiped: entry.generation > 0 && base.account.is_some(),
        };
        let accounts: Vec<AccountUse> = self.accounts.iter().zip(&self.account_bases).map(account_of).collect();
        if !self.set_codes.is_empty() {
            let set = self.accounts.iter().filter(|entry| entry.info.has_code());
            let set = set.filter(|entry| self.set_codes.contains_key(&entry.info.code_hash));
            codes.extend(set.filter_map(|entry| entry.code.clone()));
            codes.sort_unstable_by_key(Code::hash);
            codes.dedup_by_key(|code| code.hash());
        }
        let used = |slot: &&SlotEntry| slot.loaded && (slot.generation == 0 || self.is_changed_slot(slot));
        let mut slots = Vec::with_capacity(self.slots.len());
        slots.extend(self.slots.iter().filter(used).map(|slot| SlotUse {
            is_read: slot.generation == 0,
            account: slot.account,
            slot: slot.key,
            before: slot.base,
            after: if self.is_changed_slot(slot) { slot.value } else { slot.base },
        }));
        Footprint { accounts, slots, codes }
    }

    /// Forgets everything, changes as well as what was read, and keeps the room for it. No id is valid any more.
    pub fn clear(&mut self) {
        self.accounts.clear();
        self.account_bases.clear();
        self.account_index.clear();
        self.slots.clear();
        self.slot_index.clear();
        self.set_codes.clear();
        self.transients.clear();
        self.transient_index.clear();
        self.undo.clear();
        self.touched.clear();
        self.destroyed.clear();
        self.logs.clear();
        self.extensions.clear();
        if let Some(trials) = &mut self.trials {
            **trials = trial::Notes::default();
        }
        self.refund = 0;
        self.tx = 1;
    }

    // ---- result ----

    /// What has changed since the journal was made. All transactions must be closed.
    pub fn diff(&self) -> Diff {
        self.diff_of(Share::ALL)
    }

    /// As [`Journal::diff`], of the share's accounts. In the first there is room for those of all others.
    pub fn diff_of(&self, share: Share) -> Diff {
        /// What stands for the place of an account that has none: another share's, or one of which nothing has changed so far.
        const NOT_SHARED: u32 = u32::MAX;
        const UNCHANGED: u32 = u32::MAX - 1;
        assert!(self.undo.is_empty(), "a transaction is still open");
        let mut places = vec![NOT_SHARED; self.accounts.len()];
        let mut changed_slots: Vec<&SlotEntry> = Vec::new();
        for (place, _) in places.iter_mut().zip(&self.accounts).filter(|(_, entry)| share.has(&entry.address)) {
            *place = UNCHANGED;
        }
        for slot in &self.slots {
            let place = &mut places[slot.account as usize];
            if *place != NOT_SHARED && self.is_changed_slot(slot) {
                *place = 0;
                changed_slots.push(slot);
            }
        }
        let is_changed = |(id, (entry, base)): &(usize, (&AccountEntry, &Base))| match places[*id] {
            NOT_SHARED => false,
            UNCHANGED => entry.generation > 0 || base.account != entry.exists.then_some(entry.info),
            _ => true,
        };
        let entries = self.accounts.iter().zip(&self.account_bases).enumerate().filter(is_changed);
        let mut order: Vec<(Address, u32)> = entries.map(|(id, (entry, _))| (entry.address, id as u32)).collect();
        order.sort_unstable();
        for (place, (_, id)) in (0..).zip(&order) {
            places[*id as usize] = place;
        }
        changed_slots.sort_unstable_by_key(|slot| (places[slot.account as usize], slot.key));

        let room = if share.number == 0 { order.len() * share.of } else { order.len() };
        let mut diff = Diff { accounts: Vec::with_capacity(room), codes: Vec::new() };
        let mut slots = changed_slots.as_slice();
        for (_, id) in order {
            let entry = &self.accounts[id as usize];
            let count = slots.iter().take_while(|slot| slot.account == id).count();
            let (own, others) = slots.split_at(count);
            slots = others;
            let storage: Vec<SlotDiff> =
                own.iter().map(|slot| SlotDiff { slot: slot.key, before: slot.base, after: slot.value }).collect();
            let after = entry.exists.then_some(entry.info);
            let before = self.account_bases[id as usize].account;
            let storage_wiped = entry.generation > 0 && before.is_some();
            if before == after && storage.is_empty() && !storage_wiped {
                continue;
            }
            if entry.info.has_code() && before.is_none_or(|before| before.code_hash != entry.info.code_hash) {
                diff.codes.push(entry.code.clone().expect("code that was set is held"));
            }
            diff.accounts.push(AccountDiff { address: entry.address, before, after, storage_wiped, storage });
        }
        assert!(slots.is_empty(), "every changed slot belongs to an account");
        diff.codes.sort_unstable_by_key(Code::hash);
        diff.codes.dedup_by_key(|code| code.hash());
        diff
    }

    fn is_changed_slot(&self, slot: &SlotEntry) -> bool {
        let entry = &self.accounts[slot.account as usize];
        slot.generation == entry.generation && slot.value != slot.base && entry.exists
    }

    fn address_of(&self, slot: &SlotEntry) -> Address {
        self.accounts[slot.account as usize].address
    }
}

/// Whether two words are equal, limb by limb: one of them was mostly just written so, and memory is slow to read in wider
/// pieces then.
#[inline(always)]
fn is_same(a: &U256, b: &U256) -> bool {
    let ([a, b, c, d], [w, x, y, z]) = (*a.as_limbs(), *b.as_limbs());
    (a ^ w) | (b ^ x) | (c ^ y) | (d ^ z) == 0
}

#[inline]
fn hash_address(hasher: &FixedState, address: &Address) -> u64 {
    let bytes = address.as_slice();
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
    let mut state = hasher.build_hasher();
    state.write_u64(word(0));
    state.write_u64(word(8));
    state.write_u64(word(12));
    state.finish()
}

#[inline]
fn hash_slot(hasher: &FixedState, account: u32, generation: u32, key: &U256) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u64(u64::from(account) | u64::from(generation) << 32);
    for limb in key.as_limbs() {
        state.write_u64(*limb);
    }
    state.finish()
}
