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

use super::{AccountEntry, AccountId, Base, ChangedAccount, ChangedSlot, Changes, Deleted, Journal, Undo};
use crate::{Account, AccountRead, Code, ReadError, Share};
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
        self.stop_trials_for(Share::ALL)
    }

    /// As [`Journal::stop_trials`], if after it only the diff of the share's accounts is asked for.
    pub fn stop_trials_for(&mut self, share: Share) -> Result<(), ReadError> {
        assert!(!self.has_unsettled(), "changes are still on trial");
        self.trials = None;
        self.forget_extensions();
        // Of some accounts only slots were heard of.
        for at in 0..self.slots.len() {
            let slot = &self.slots[at];
            if slot.value != slot.base && share.has(&self.accounts[slot.account as usize].address) {
                self.make_known(AccountId(slot.account))?;
            }
        }
        Ok(())
    }

    /// Whether anything is above what is settled.
    pub fn has_unsettled(&self) -> bool {
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
        assert!(!self.has_unsettled(), "done again on what is settled");
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

    pub(super) fn put_code(&mut self, id: u32, code: &Code) {
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

    pub(super) fn credit_settled(&mut self, id: AccountId, amount: U256) {
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

    pub(super) fn expect_account(&mut self, id: u32, before: Option<Account>, after: Account, code: Option<Code>) {
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

    pub(super) fn expect_slot(&mut self, id: u32, after: U256) {
        let layer = self.trial;
        let slot = &mut self.slots[id as usize];
        slot.read_in = layer;
        if slot.value != after {
            let undo = Undo::Slot(id, slot.value);
            slot.value = after;
            self.notes().history.push(undo);
        }
    }

    /// Adds a settled tip to the balance of an account that is loaded.
    pub fn put_tip(&mut self, id: AccountId, amount: U256) {
        assert!(!self.has_unsettled(), "put in on what is settled");
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
