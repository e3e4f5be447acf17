//! Transactions on trial.
//!
//! Several threads run a block's transactions before it is their turn, each on a journal of its own that it keeps for the whole
//! block. What a transaction so run has read may be changed by those before it; so it is noted, and what it changed is taken
//! back. At its turn, when the journal holds what all before it have left, what was read is compared, and what was changed is done
//! again, without running anything.
//!
//! # Layers
//! A journal with trials is at any time what is settled, and above it what is not: the changes of closed transactions that are still
//! on trial, those of other threads that are expected ([`Journal::expect_changes`]), a nonce that is foreseen. All of these have their inverse in
//! one list, and [`Journal::unwind`] takes all of them back. Settled are: what [`Journal::settle_until`] declares so, which has to be what is
//! lowest; a trial done again; and what is put in ([`Journal::put_changes`]). What nothing above has touched can be put in below it,
//! and nothing above has to be taken back for that ([`Journal::slip_changes`]): each account and slot has the number of the
//! last trial or layer that touched it.
//!
//! # What is compared
//! Values, and of balances no more than was looked at: who adds to a balance does not depend on it, and who takes from it depends
//! on its being enough ([`AccountRead`]). Ids and what the reader says never change, so nothing is looked up to compare. An
//! account whose storage was wiped has another generation, and slots of an older one hold for nobody.
//!
//! # Others' changes
//! [`Changes`] are what another journal over the same reader can be told. They carry what the reader says, so that who is told of
//! an item need not ask for it.

use super::{AccountEntry, AccountId, Base, Deleted, Journal, Undo};
use crate::{Account, AccountDiff, AccountRead, Code, Diff, ReadError, SlotDiff};
use alloc::{boxed::Box, vec::Vec};
use alloy_primitives::{Address, U256};

/// What a journal with trials keeps beside its tables.
#[derive(Default)]
pub(super) struct Notes {
    /// Inverses of what is not settled, of closed transactions.
    history: Vec<Undo>,
    /// So many of them are of what is settled since.
    settled: usize,
    /// What was read in this trial, each once.
    accounts: Vec<TriedAccount>,
    slots: Vec<TriedSlot>,
}

impl Notes {
    /// Keeps what outlives a transaction.
    pub fn keep(&mut self, undo: &mut Vec<Undo>) {
        let lasts = |undo: &Undo| {
            matches!(
                undo,
                Undo::Exists(_)
                    | Undo::Nonce(..)
                    | Undo::Balance(..)
                    | Undo::Credit(..)
                    | Undo::Slot(..)
                    | Undo::Code(..)
                    | Undo::Deleted(..)
            )
        };
        self.history.extend(undo.drain(..).filter(lasts));
    }

    /// Keeps what an account is that is about to be deleted.
    pub fn keep_deleted(&mut self, id: u32, entry: &mut AccountEntry) {
        let AccountEntry { info, exists, generation, .. } = *entry;
        let deleted = Deleted { info, exists, code: entry.code.take(), generation };
        self.history.push(Undo::Deleted(id, Box::new(deleted)));
    }
}

#[derive(Clone, Copy, Debug)]
struct TriedAccount {
    id: u32,
    /// Of its storage, when it was read.
    generation: u32,
    generation_after: u32,
    read: AccountRead,
    after: Option<Account>,
}

impl TriedAccount {
    fn is_changed(&self) -> bool {
        self.read.account != self.after || self.is_wiped()
    }

    fn is_wiped(&self) -> bool {
        self.generation != self.generation_after
    }
}

#[derive(Clone, Copy, Debug)]
struct TriedSlot {
    id: u32,
    before: U256,
    after: U256,
}

/// What transactions on trial read and changed, in terms of the journal that ran them.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    accounts: Vec<TriedAccount>,
    slots: Vec<TriedSlot>,
    /// Codes of accounts that got one.
    codes: Vec<(u32, Code)>,
}

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

    fn code_of(&self, account: &Account) -> Option<Code> {
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

impl Trial {
    /// Whether an account is gone, or what it had stored.
    pub fn has_deletion(&self) -> bool {
        self.accounts.iter().any(|tried| tried.is_wiped() || tried.after.is_none() && tried.read.account.is_some())
    }

    /// Whether the account's record was changed.
    pub fn changes_account(&self, id: AccountId) -> bool {
        self.accounts.iter().any(|tried| tried.id == id.0 && tried.is_changed())
    }
}

impl Journal<'_> {
    /// From now on transactions are on trial, until [`Journal::stop_trials`]. What was done so far is settled.
    pub fn start_trials(&mut self) {
        assert!(self.undo.is_empty(), "a transaction is still open");
        self.trials.get_or_insert_default();
    }

    /// From now on what transactions do can't be taken back once they are closed. Everything must be settled.
    pub fn stop_trials(&mut self) -> Result<(), ReadError> {
        assert!(!self.has_history(), "changes are still on trial");
        self.trials = None;
        self.forget_extensions();
        // Of some accounts only slots were heard of.
        for at in 0..self.slots.len() {
            let slot = &self.slots[at];
            if slot.value != slot.base {
                self.make_known(AccountId(slot.account))?;
            }
        }
        Ok(())
    }

    fn has_history(&self) -> bool {
        self.trials.as_ref().is_some_and(|notes| notes.history.len() > notes.settled)
    }

    /// How long the list of inverses is: where what comes next begins.
    pub fn history_len(&self) -> usize {
        self.trials.as_ref().map_or(0, |notes| notes.history.len())
    }

    /// The number of the last trial or layer.
    pub fn last_trial(&self) -> u32 {
        self.trial
    }

    fn notes(&mut self) -> &mut Notes {
        self.trials.as_mut().expect("trials were started")
    }

    /// Begins a trial, of one transaction or of some in a row. Modules read their slots again.
    pub fn begin_trial(&mut self) {
        assert!(self.undo.is_empty(), "a transaction is still open");
        self.trial += 1;
        let notes = self.notes();
        notes.accounts.clear();
        notes.slots.clear();
        self.forget_extensions();
    }

    pub(super) fn note_account(&mut self, id: AccountId) {
        let AccountEntry { address, info, exists, generation, .. } = self.accounts[id.0 as usize];
        self.account_bases[id.0 as usize].balance_slack = Base::UNREAD.balance_slack;
        let account = exists.then_some(info);
        let read = AccountRead { address, account, balance_slack: None };
        let tried = TriedAccount { id: id.0, generation, generation_after: generation, read, after: account };
        self.notes().accounts.push(tried);
    }

    pub(super) fn note_slot(&mut self, id: super::SlotId) {
        let slot = &mut self.slots[id.0 as usize];
        if slot.read_in != self.trial {
            slot.read_in = self.trial;
            let tried = TriedSlot { id: id.0, before: slot.value, after: slot.value };
            self.notes().slots.push(tried);
        }
    }

    /// What the trial read and changed. Its transactions must be closed; their changes stay, unsettled.
    pub fn end_trial(&mut self) -> Trial {
        assert!(self.undo.is_empty(), "a transaction is still open");
        let notes = self.trials.as_ref().expect("trials were started");
        let mut trial = Trial { accounts: notes.accounts.clone(), slots: notes.slots.clone(), codes: Vec::new() };
        for tried in &mut trial.accounts {
            let entry = &self.accounts[tried.id as usize];
            tried.after = entry.exists.then_some(entry.info);
            tried.generation_after = entry.generation;
            tried.read.balance_slack = self.account_bases[tried.id as usize].balance_slack;
            if entry.exists && entry.info.code_hash != tried.read.account.unwrap_or_default().code_hash {
                trial.codes.extend(entry.code.clone().map(|code| (tried.id, code)));
            }
        }
        for tried in &mut trial.slots {
            tried.after = self.slots[tried.id as usize].value;
        }
        trial
    }

    /// Takes back everything that is not settled.
    pub fn unwind(&mut self) {
        let mut history = core::mem::take(&mut self.notes().history);
        while history.len() > self.notes().settled {
            let Some(undo) = history.pop() else { break };
            self.undo_one(undo);
        }
        history.clear();
        let notes = self.notes();
        (notes.history, notes.settled) = (history, 0);
    }

    /// Declares settled what was done when the list of inverses was not yet so long.
    pub fn settle_until(&mut self, history_len: usize) {
        let notes = self.notes();
        notes.settled = history_len;
        if notes.settled == notes.history.len() {
            notes.history.clear();
            notes.settled = 0;
        }
    }

    /// Whether a trial would go as it did, on what is in the journal now. `paid` and the tips that were added to its balance in
    /// the trial before that was read.
    pub fn holds(&self, trial: &Trial, paid: AccountId, tips: U256) -> bool {
        let is_account = |tried: &TriedAccount| {
            let entry = &self.accounts[tried.id as usize];
            let now = if tried.id == paid.0 { with_tips(entry, tips) } else { entry.exists.then_some(entry.info) };
            tried.generation == entry.generation && tried.read.holds_for(now.as_ref())
        };
        let is_slot = |tried: &TriedSlot| {
            let slot = &self.slots[tried.id as usize];
            slot.value == tried.before && slot.generation >= self.accounts[slot.account as usize].generation
        };
        trial.accounts.iter().all(is_account) && trial.slots.iter().all(is_slot)
    }

    /// Whether a trial would go as it did, and leave every account with the same balance.
    pub fn holds_exactly(&self, trial: &Trial, paid: AccountId, tips: U256) -> bool {
        let is_same = |tried: &TriedAccount| {
            let entry = &self.accounts[tried.id as usize];
            tried.read.account == entry.exists.then_some(entry.info)
        };
        self.holds(trial, paid, tips)
            && trial
                .accounts
                .iter()
                .filter(|tried| tried.is_changed())
                .all(|tried| tried.id != paid.0 && is_same(tried))
    }

    /// Does a trial's changes again, on what is settled and for which it holds. Whether everything came out to the last wei
    /// as in the trial; `None` where a balance would not be one, with nothing in order then.
    pub fn redo(&mut self, trial: &Trial, paid: AccountId, tips: U256) -> Option<bool> {
        assert!(!self.has_history(), "done again on what is settled");
        let mut is_exact = true;
        for tried in trial.accounts.iter().filter(|tried| tried.is_changed()) {
            let entry = &mut self.accounts[tried.id as usize];
            let now = if tried.id == paid.0 { with_tips(entry, tips) } else { entry.exists.then_some(entry.info) };
            is_exact &= now == tried.read.account && tried.id != paid.0;
            let after = match tried.after {
                Some(after) => Some(moved(tried.read.account, after, now)?),
                None => None,
            };
            let code_hash = entry.info.code_hash;
            (entry.exists, entry.info) = (after.is_some(), after.unwrap_or_default());
            entry.generation = tried.generation_after;
            if entry.info.code_hash != code_hash {
                entry.code = None;
            }
        }
        for (id, code) in &trial.codes {
            self.put_code(*id, code);
        }
        for tried in trial.slots.iter().filter(|tried| tried.before != tried.after) {
            self.slots[tried.id as usize].value = tried.after;
        }
        if !trial.changes_account(paid) {
            self.credit_settled(paid, tips);
        }
        Some(is_exact)
    }

    fn put_code(&mut self, id: u32, code: &Code) {
        self.accounts[id as usize].code = Some(code.clone());
        if self.code_set_here(&code.hash()).is_none() {
            self.set_codes.insert(code.hash(), id);
        }
    }

    /// Adds to the balance of an account that is loaded, without depending on it. In a trial it can be taken back.
    pub fn credit(&mut self, id: AccountId, amount: U256) {
        let entry = &mut self.accounts[id.0 as usize];
        let history = &mut self.trials.as_mut().expect("trials were started").history;
        credit(entry, id.0, amount, |undo| history.push(undo));
    }

    fn credit_settled(&mut self, id: AccountId, amount: U256) {
        credit(&mut self.accounts[id.0 as usize], id.0, amount, |_| ());
    }

    /// Begins a layer of what is expected.
    pub fn begin_layer(&mut self) {
        self.trial += 1;
    }

    /// Notes that the layer that has begun depends on all that a trial read.
    pub fn touch_all_of(&mut self, trial: &Trial) {
        let layer = self.trial;
        trial.accounts.iter().for_each(|tried| self.accounts[tried.id as usize].read_in = layer);
        trial.slots.iter().for_each(|tried| self.slots[tried.id as usize].read_in = layer);
    }

    /// Makes the account loaded without depending on it.
    pub fn make_known(&mut self, id: AccountId) -> Result<(), ReadError> {
        if self.accounts[id.0 as usize].loaded { Ok(()) } else { self.read_account(id) }
    }

    /// Sets the nonce that an account will have had by then, if it is known. It can be taken back.
    pub fn foresee_nonce(&mut self, address: &Address, nonce: u64) -> Result<(), ReadError> {
        let id = self.account_id(address);
        self.make_known(id)?;
        let layer = self.trial;
        let entry = &mut self.accounts[id.0 as usize];
        entry.read_in = layer;
        if entry.exists && entry.info.nonce != nonce {
            let undo = Undo::Nonce(id.0, entry.info.nonce);
            entry.info.nonce = nonce;
            self.notes().history.push(undo);
        }
        Ok(())
    }

    /// What a trial changed. `is_moved`: it was just done again, and balances are what they are now.
    pub fn changes_of(&self, trial: &Trial, is_moved: bool) -> Changes {
        let mut changes =
            Changes { codes: trial.codes.iter().map(|(_, code)| code.clone()).collect(), ..Changes::default() };
        changes.accounts.reserve_exact(trial.accounts.iter().filter(|tried| tried.is_changed()).count());
        for tried in trial.accounts.iter().filter(|tried| tried.is_changed()) {
            let AccountEntry { address, info, exists, .. } = self.accounts[tried.id as usize];
            changes.accounts.push(ChangedAccount {
                address,
                base: self.account_bases[tried.id as usize].account,
                before: tried.read.account,
                after: if is_moved { exists.then_some(info) } else { tried.after },
                is_wiped: tried.is_wiped(),
            });
        }
        let has_wiped = trial.accounts.iter().any(TriedAccount::is_wiped);
        changes.slots.reserve_exact(trial.slots.iter().filter(|tried| tried.before != tried.after).count());
        for tried in trial.slots.iter().filter(|tried| tried.before != tried.after) {
            let slot = &self.slots[tried.id as usize];
            let is_wiped = |account: &TriedAccount| {
                account.id == slot.account && account.is_wiped() && account.generation_after != slot.generation
            };
            if !has_wiped || !trial.accounts.iter().any(is_wiped) {
                let (address, base, after) = (self.accounts[slot.account as usize].address, slot.base, tried.after);
                changes.slots.push(ChangedSlot { address, slot: slot.key, base, after });
            }
        }
        changes
    }

    /// Accounts whose record a trial changed.
    pub fn changed_accounts<'t>(&self, trial: &'t Trial) -> impl Iterator<Item = Address> + 't {
        trial.accounts.iter().filter(|tried| tried.is_changed()).map(|tried| tried.read.address)
    }

    /// What a trial read, accounts and slots with their accounts, each once.
    pub fn reads_of<'j>(
        &'j self,
        trial: &'j Trial,
    ) -> (impl Iterator<Item = Address> + 'j, impl Iterator<Item = (Address, U256)> + 'j) {
        let slot_of = |tried: &TriedSlot| {
            let slot = &self.slots[tried.id as usize];
            (self.accounts[slot.account as usize].address, slot.key)
        };
        (trial.accounts.iter().map(|tried| tried.read.address), trial.slots.iter().map(slot_of))
    }

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

    /// Puts in what a trial of this journal is expected to change, until it is taken back. Nothing may be deleted by it.
    pub fn expect_trial(&mut self, trial: &Trial) {
        for tried in trial.accounts.iter().filter(|tried| tried.is_changed()) {
            if let Some(after) = tried.after {
                let code = trial.codes.iter().find(|(id, _)| *id == tried.id).map(|(_, code)| code.clone());
                self.expect_account(tried.id, tried.read.account, after, code);
            }
        }
        for tried in trial.slots.iter().filter(|tried| tried.before != tried.after) {
            self.expect_slot(tried.id, tried.after);
        }
    }

    fn expect_account(&mut self, id: u32, before: Option<Account>, after: Account, code: Option<Code>) {
        let layer = self.trial;
        let entry = &mut self.accounts[id as usize];
        entry.read_in = layer;
        let history = &mut self.trials.as_mut().expect("trials were started").history;
        let then = before.unwrap_or_default().balance;
        let balance = entry.info.balance.saturating_add(after.balance).saturating_sub(then);
        if !entry.exists {
            history.push(Undo::Exists(id));
            entry.exists = true;
        }
        if entry.info.balance != balance {
            history.push(Undo::Balance(id, entry.info.balance));
            entry.info.balance = balance;
        }
        if entry.info.nonce != after.nonce {
            history.push(Undo::Nonce(id, entry.info.nonce));
            entry.info.nonce = after.nonce;
        }
        if let Some(code) = code.filter(|code| code.hash() != entry.info.code_hash) {
            history.push(Undo::Code(id, Box::new((entry.info.code_hash, entry.code.take()))));
            (entry.info.code_hash, entry.code) = (code.hash(), Some(code));
        }
    }

    fn expect_slot(&mut self, id: u32, after: U256) {
        let layer = self.trial;
        let slot = &mut self.slots[id as usize];
        slot.read_in = layer;
        if slot.value != after {
            let undo = Undo::Slot(id, slot.value);
            slot.value = after;
            self.notes().history.push(undo);
        }
    }

    /// Puts in what another journal has settled; `located` where that is known. Nothing here may be unsettled.
    pub fn put_changes(&mut self, changes: &Changes, located: Option<&Located>) {
        assert!(!self.has_history(), "put in on what is settled");
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

    /// Adds a settled tip to the balance of an account that is loaded.
    pub fn put_tip(&mut self, id: AccountId, amount: U256) {
        assert!(!self.has_history(), "put in on what is settled");
        self.credit_settled(id, amount);
    }
}

fn credit(entry: &mut AccountEntry, id: u32, amount: U256, mut keep: impl FnMut(Undo)) {
    assert!(entry.loaded, "an account is read before it is paid");
    if amount.is_zero() {
        return;
    }
    if !entry.exists {
        keep(Undo::Exists(id));
        entry.exists = true;
    }
    keep(Undo::Credit(id, amount));
    entry.info.balance = entry.info.balance.saturating_add(amount);
}

/// The account with tips added.
fn with_tips(entry: &AccountEntry, tips: U256) -> Option<Account> {
    if tips.is_zero() {
        return entry.exists.then_some(entry.info);
    }
    Some(Account { balance: entry.info.balance.saturating_add(tips), ..entry.info })
}

/// What becomes of `now` by what made `after` of `before`: the balance moves by as much, the rest is as it was made.
fn moved(before: Option<Account>, after: Account, now: Option<Account>) -> Option<Account> {
    if before == now {
        return Some(after);
    }
    let then = before.unwrap_or_default().balance;
    let now = now.unwrap_or_default().balance;
    let balance = if after.balance >= then {
        now.checked_add(after.balance - then)?
    } else {
        now.checked_sub(then - after.balance)?
    };
    Some(Account { balance, ..after })
}
