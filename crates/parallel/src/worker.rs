//! A thread of those that run a block, with a journal of its own that it keeps for the whole block.
//!
//! # What is in the journal
//! Below, settled: what all units did that are committed and that this thread has put in. Above it, until it is taken back: what
//! units did that are run and not committed, its own and, as far as they have told, those of others. So a unit is run on the best guess
//! of the state at its place, and nearly all that it reads is in the journal already.
//!
//! What is above stays from one run to the next, as long as the next unit comes after all of it. What others commit is put in
//! below, if nothing above has touched any of it; what was expected of them and comes out so is settled where it is. So an own unit
//! that is still where it was put when it is its turn was run on what is now settled below it, and needs no check. Only where
//! somebody is in the way is everything above taken back, and what was run is compared with what is there.
//!
//! # Foresight
//! Of a transaction whose sender has an earlier one that is not done yet, the nonce that it will find is known beforehand: its own,
//! or the block is not valid. It is put in, and the check at its turn finds out whether it was true. So a sender's transactions
//! run at the same time like anybody's.
//!
//! # Native modules
//! A module, whose records depend on each other, must never find a state that it could not have made. What it did in a unit that
//! is not committed is therefore seen by later units of the same thread alone, and only as long as it stays where it
//! was put: whatever is put in again, on top of a state that has changed since, leaves such units out.

use crate::record::Record;
use crate::scheduler::{Entry, Run};
use crate::sync::lock;
use alloy_primitives::{Address, U256};
use rialto_state::{Changes, Located, ReadError, TxChanges};
use rialto_stf::{LogHasher, Receipt, TrialEffects, TxRunner, set_balance_change};
use std::collections::VecDeque;
use std::ops::Range;

/// How often a unit is run at most, its turn included.
const MAX_RUNS: u8 = 4;
/// How many of the units right before it, that are not committed, a unit sees.
const MAX_LAYERS: usize = 24;

/// What a unit did, above what is settled in the journal.
struct Layer {
    unit: usize,
    /// The journal's number of the layer: nothing of it is older.
    first: u32,
    /// Where the layer's inverses end.
    end: usize,
    /// Whether it is an own unit, and what is below it is what it was run on.
    is_sound: bool,
}

/// A unit that was run and waits for its turn.
struct Waiting {
    unit: usize,
    /// `None` where it could not be run before its turn.
    effects: Option<TrialEffects>,
    has_module: bool,
    /// Units that were committed when it was last known to be current.
    checked_at: usize,
    runs: u8,
}

/// See the module's documentation.
pub(crate) struct Worker<'l, 'r> {
    run: &'l Run<'l>,
    /// Its number.
    thread: usize,
    pub runner: TxRunner<'r>,
    /// By unit.
    waiting: VecDeque<Waiting>,
    /// Units that are settled in the journal.
    pub applied: usize,
    /// What is above what is settled, ascending by units.
    layers: VecDeque<Layer>,
    /// Whether anything is above what is settled.
    has_unsettled: bool,
    /// Whether the fee recipient exists by what is settled: then tips are only additions.
    is_paid_there: bool,
    /// Where what others told of their units has its places here.
    located: Vec<Option<Located>>,
    log_hasher: LogHasher,
}

impl<'l, 'r> Worker<'l, 'r> {
    /// A thread that has done nothing. The runner's journal has what the block began with.
    pub fn new(run: &'l Run<'l>, thread: usize, runner: TxRunner<'r>) -> Self {
        let located = std::iter::repeat_with(|| None).take(run.units.len()).collect();
        Self {
            run,
            thread,
            waiting: VecDeque::new(),
            applied: 0,
            layers: VecDeque::new(),
            has_unsettled: false,
            is_paid_there: runner.journal().account(runner.beneficiary()).exists,
            located,
            log_hasher: LogHasher::default(),
            runner,
        }
    }

    /// Takes back what is not settled.
    fn unwind(&mut self) {
        if self.has_unsettled {
            self.runner.journal_mut().unwind();
            self.layers.clear();
            self.has_unsettled = false;
        }
    }

    /// Settles what is lowest above what is settled.
    fn settle_lowest(&mut self) {
        if let Some(layer) = self.layers.pop_front() {
            self.runner.journal_mut().settle_until(layer.end);
            // A unit may have changed nothing, and what was foreseen has no layer.
            self.has_unsettled = !self.layers.is_empty() || self.runner.journal().has_unsettled();
        }
    }

    /// Puts in what others have committed.
    pub fn catch_up(&mut self) {
        let committed = self.run.committed();
        if self.applied >= committed {
            return;
        }
        for unit in self.applied..committed {
            self.put(unit);
        }
        self.applied = committed;
    }

    /// Puts in what another thread has committed, which is the next that is not settled here.
    fn put(&mut self, unit: usize) {
        let beneficiary = self.runner.beneficiary();
        let entry = &self.run.log[unit];
        let is_as_estimated = entry.is_as_estimated();
        let lowest = self.layers.front().map(|layer| (layer.unit, layer.first));
        if is_as_estimated && lowest.is_some_and(|(lowest, _)| lowest == unit) {
            return self.settle_lowest();
        }
        let record = entry.record();
        if record.is_empty() {
            return;
        }
        let located = self.located[unit].take().filter(|_| is_as_estimated);
        let journal = self.runner.journal_mut();
        if let Some((lowest, first)) = lowest
            && lowest > unit
            && !record.changes.has_deletion()
            && self.is_paid_there
        {
            let located = located.unwrap_or_else(|| journal.locate(&record.changes));
            if journal.slip_changes(&record.changes, &located, first, (beneficiary, record.tip)) {
                return;
            }
            self.unwind();
            self.runner.journal_mut().put_changes(&record.changes, Some(&located));
        } else {
            self.unwind();
            self.runner.journal_mut().put_changes(&record.changes, located.as_ref());
        }
        let journal = self.runner.journal_mut();
        journal.put_tip(beneficiary, record.tip);
        self.is_paid_there = journal.account(beneficiary).exists;
    }

    /// Runs a unit that nobody has run, and commits it if it is its turn.
    pub fn run_first(&mut self, unit: usize) -> Option<()> {
        let is_batch = self.applied == unit && !self.run.has_list;
        let more = if is_batch { self.run.queue.take_more(unit, self.thread) } else { 0 };
        let waiting = self.run_units(unit..unit + more + 1, 0);
        if self.applied == unit {
            return self.commit_in_place(waiting, false, more);
        }
        // Whoever comes to its turn in a moment is not told of before.
        if let Some(effects) = &waiting.effects
            && self.run.committed() < unit
        {
            let changes = match effects.trial.has_deletion() {
                // Those behind run on what is then no longer so, and are found out in their turn.
                true => Changes::default(),
                false => self.runner.journal().changes_of(&effects.trial, false),
            };
            self.run.log[unit].estimate(Record::new(changes, effects.tips, &self.run.modules));
        }
        let place = self.waiting.partition_point(|other| other.unit < unit);
        self.waiting.insert(place, waiting);
        Some(())
    }

    /// Runs a unit on the best guess of the state at its place; what it changes stays in the journal, unsettled.
    fn run_unit(&mut self, unit: usize, runs: u8) -> Waiting {
        self.run_units(unit..unit + 1, runs)
    }

    /// As [`Worker::run_unit`], units in a row as one. Of several it must be the turn of the first.
    fn run_units(&mut self, units: Range<usize>, runs: u8) -> Waiting {
        let unit = units.start;
        self.catch_up();
        let first = self.aim(unit).ok();
        self.has_unsettled = true;
        let range = self.run.units[unit].start..self.run.units[units.end - 1].end;
        let (transactions, senders) = (&self.run.block.transactions[range.clone()], &self.run.senders[range]);
        let effects = first.and_then(|_| self.runner.try_together(transactions, senders).ok());
        match (&effects, first) {
            // Slots below have no place above an account that is gone, so nothing stays above one until it is settled.
            (Some(effects), Some(first)) if unit == self.applied || !effects.trial.has_deletion() => {
                self.end_layer(unit, first, true);
            }
            _ => self.unwind(),
        }
        let modules = &self.run.modules;
        let has_module = !modules.is_empty()
            && effects.as_ref().is_some_and(|effects| {
                let changes = self.runner.journal().changes_of(&effects.trial, false);
                changes.slots.iter().any(|slot| modules.contains(&slot.address))
            });
        Waiting { unit, effects, has_module, checked_at: self.applied, runs: runs + 1 }
    }

    /// The place of an own unit that waits.
    fn own(&self, unit: usize) -> Option<usize> {
        self.waiting.binary_search_by_key(&unit, |waiting| waiting.unit).ok()
    }

    /// Whether something is known of a unit that is not committed, to be put in.
    fn is_known(&self, unit: usize) -> bool {
        match self.own(unit) {
            Some(place) => {
                let waiting = &self.waiting[place];
                let is_usable = |effects: &TrialEffects| !effects.trial.has_deletion();
                !waiting.has_module && waiting.effects.as_ref().is_some_and(is_usable)
            }
            None => self.run.log[unit].estimated().is_some_and(|record| !record.has_module),
        }
    }

    /// What comes next begins where this layer ends.
    fn end_layer(&mut self, unit: usize, first: u32, is_sound: bool) {
        let end = self.runner.journal().history_len();
        self.layers.push_back(Layer { unit, first, end, is_sound });
        self.has_unsettled = true;
    }

    /// Makes the journal the best guess of the state at a unit's place, and begins a layer there, which has the number that comes
    /// out.
    fn aim(&mut self, unit: usize) -> Result<u32, ReadError> {
        if self.layers.back().is_some_and(|layer| layer.unit >= unit) {
            self.unwind();
        }
        let first = self.applied.max(unit.saturating_sub(MAX_LAYERS));
        let next = self.layers.back().map_or(first, |layer| first.max(layer.unit + 1));
        for below in next..unit {
            if self.is_known(below) {
                self.expect(below);
            }
        }
        let journal = self.runner.journal_mut();
        journal.begin_layer();
        for position in self.run.units[unit].clone() {
            if self.run.queue.previous[position].is_some_and(|previous| previous >= self.applied) {
                let nonce = self.run.block.transactions[position].nonce;
                self.has_unsettled = true;
                journal.foresee_nonce(&self.run.senders[position], nonce)?;
            }
        }
        Ok(journal.last_trial())
    }

    /// Puts in what a unit that is not committed changes.
    fn expect(&mut self, unit: usize) {
        let beneficiary = self.runner.beneficiary();
        let own = self.own(unit);
        let journal = self.runner.journal_mut();
        journal.begin_layer();
        let first = journal.last_trial();
        let (tip, is_sound) = match own {
            Some(place) => {
                let Some(effects) = &self.waiting[place].effects else { return };
                let is_sound = journal.holds_exactly(&effects.trial, beneficiary, effects.tips);
                if is_sound {
                    journal.touch_all_of(&effects.trial);
                }
                journal.expect_trial(&effects.trial);
                (effects.tips, is_sound)
            }
            None => {
                let Some(record) = self.run.log[unit].estimated() else { return };
                let located = self.located[unit].get_or_insert_with(|| journal.locate(&record.changes));
                journal.expect_changes(&record.changes, located);
                (record.tip, false)
            }
        };
        journal.credit(beneficiary, tip);
        self.end_layer(unit, first, is_sound);
    }

    /// Looks for a unit of this thread that waits and has become stale, and runs it again; whether there was one.
    pub fn renew_one(&mut self) -> bool {
        self.catch_up();
        let beneficiary = self.runner.beneficiary();
        for place in 1..self.waiting.len() {
            let Waiting { unit, checked_at, runs, .. } = self.waiting[place];
            let is_sound = self.layers.iter().any(|layer| layer.unit == unit && layer.is_sound);
            if is_sound || checked_at == self.applied || runs + 1 >= MAX_RUNS {
                continue;
            }
            let is_aimed = self.aim(unit).is_ok();
            let effects = self.waiting[place].effects.as_ref();
            let holds = |effects: &TrialEffects| self.runner.journal().holds(&effects.trial, beneficiary, effects.tips);
            if !is_aimed || !effects.is_some_and(holds) {
                let waiting = self.run_unit(unit, runs);
                self.waiting[place] = waiting;
                return true;
            }
            self.waiting[place].checked_at = self.applied;
            // What was foreseen for it belongs to no layer, and must not be settled with the next.
            let end = self.layers.back().map_or(0, |layer| layer.end);
            if self.runner.journal().history_len() > end {
                self.unwind();
            }
        }
        false
    }

    /// Commits the units of this thread whose turn it is; whether there was one, `None` where it can't be done.
    pub fn commit_own(&mut self) -> Option<bool> {
        let mut has_committed = false;
        loop {
            self.catch_up();
            let is_turn = self.waiting.front().is_some_and(|waiting| waiting.unit == self.applied);
            if !is_turn || self.run.is_over() {
                return Some(has_committed);
            }
            let waiting = self.waiting.pop_front()?;
            has_committed = true;
            self.commit(waiting)?;
        }
    }

    /// Commits a unit that was run before its turn, which it is now: as it was run, if that holds, or run again.
    fn commit(&mut self, waiting: Waiting) -> Option<()> {
        let is_sound = self.layers.front().is_some_and(|layer| layer.unit == waiting.unit && layer.is_sound);
        if is_sound && !self.run.has_list {
            let effects = waiting.effects?;
            self.run.count(waiting.unit, self.thread, true, false);
            self.settle_lowest();
            let is_as_told = waiting.runs == 1
                && !effects.trial.has_deletion()
                && !effects.trial.changes_account(self.runner.beneficiary());
            return self.tell(waiting.unit..waiting.unit + 1, effects, is_as_told, false);
        }
        self.unwind();
        let beneficiary = self.runner.beneficiary();
        let holds = |effects: &TrialEffects| self.runner.journal().holds(&effects.trial, beneficiary, effects.tips);
        if !waiting.effects.as_ref().is_some_and(holds) {
            let again = self.run_unit(waiting.unit, waiting.runs);
            return self.commit_in_place(again, true, 0);
        }
        let Waiting { unit, effects, runs, .. } = waiting;
        let mut effects = effects?;
        self.run.count(unit, self.thread, true, false);
        let balances = self.balances(&effects);
        let is_exact = self.runner.journal_mut().redo(&effects.trial, beneficiary, effects.tips)?;
        self.correct_balances(&mut effects.changes, balances);
        let is_as_told = is_exact && runs == 1 && !effects.trial.has_deletion();
        self.tell(unit..unit + 1, effects, is_as_told, true)
    }

    /// Commits a unit that was run in its turn, with so many more behind it, and whose changes are in the journal.
    fn commit_in_place(&mut self, waiting: Waiting, is_again: bool, more: usize) -> Option<()> {
        let unit = waiting.unit;
        assert!(unit == self.applied, "run in its turn");
        (unit..=unit + more).for_each(|unit| self.run.count(unit, self.thread, !is_again, true));
        let mut effects = waiting.effects?;
        assert!(self.layers.len() == 1, "nothing is expected below it or above");
        self.settle_lowest();
        if let Some(changes) = effects.changes.first_mut() {
            // Its tips are in no transaction's changes.
            let beneficiary = self.run.block.header.beneficiary;
            let after = self.balance(&beneficiary);
            let tip = effects.tips;
            if !effects.trial.changes_account(self.runner.beneficiary()) {
                set_balance_change(changes, beneficiary, after.saturating_sub(tip), after);
            }
        }
        self.tell(unit..unit + more + 1, effects, false, false)
    }

    /// Makes known what units that were run as one did that is now settled here: as it was estimated, or, if `is_moved`, as it was
    /// just done again.
    fn tell(&mut self, units: Range<usize>, effects: TrialEffects, is_as_told: bool, is_moved: bool) -> Option<()> {
        let unit = units.start;
        let TrialEffects { outcomes, trial, tips, changes } = effects;
        let entry: &Entry = &self.run.log[unit];
        if !(is_as_told && entry.is_as_estimated()) {
            // Where the fee recipient's account itself was changed, what it was owed is in it.
            let tip = if trial.changes_account(self.runner.beneficiary()) { U256::ZERO } else { tips };
            entry.correct(Record::new(self.runner.journal().changes_of(&trial, is_moved), tip, &self.run.modules));
        }
        // What several did together is told as what the first did.
        (unit + 1..units.end).for_each(|unit| self.run.log[unit].correct(Record::default()));
        self.applied = units.end;
        self.run.commit(units.end - 1, self.thread);
        // Others need not wait for this.
        if self.run.has_list {
            let (accounts, slots) = self.runner.journal().reads_of(&trial);
            *lock(&entry.listed) = Some((accounts.collect(), slots.collect(), changes));
        }
        let runner = &self.runner;
        let mut outcomes = outcomes.into_iter();
        for unit in units {
            let transactions = &self.run.block.transactions[self.run.units[unit].clone()];
            let written = transactions.iter().zip(outcomes.by_ref()).map(|(transaction, outcome)| {
                let gas = runner.gas_of(transaction, &outcome);
                (gas, Receipt::of(transaction.tx_type, outcome, &mut self.log_hasher))
            });
            let written = written.collect();
            *lock(&self.run.log[unit].done) = Some(written);
        }
        Some(())
    }

    fn balance(&self, address: &Address) -> U256 {
        let account = self.runner.journal().peek_account(address).ok().flatten();
        account.map_or(U256::ZERO, |account| account.balance)
    }

    /// Where changes are listed: the balances that a unit's accounts have before it is done again.
    fn balances(&self, effects: &TrialEffects) -> Vec<(Address, U256)> {
        if effects.changes.is_empty() {
            return Vec::new();
        }
        let changed = self.runner.journal().changed_accounts(&effects.trial);
        let all = changed.chain([self.run.block.header.beneficiary]);
        all.map(|address| (address, self.balance(&address))).collect()
    }

    /// The balances that a run knew may have moved since: the list says what they are now.
    fn correct_balances(&self, changes: &mut [TxChanges], before: Vec<(Address, U256)>) {
        let Some(changes) = changes.first_mut() else { return };
        for (address, before) in before {
            set_balance_change(changes, address, before, self.balance(&address));
        }
    }

    /// Leaves only what is committed in the journal.
    pub fn into_runner(mut self) -> TxRunner<'r> {
        self.unwind();
        self.catch_up();
        self.runner
    }

    /// Takes the next unit, if there is one near enough, and runs it; whether there was one.
    pub fn run_next(&mut self, is_impatient: bool) -> Option<bool> {
        match self.run.take(self.thread, self.applied, is_impatient) {
            Some(unit) => self.run_first(unit).map(|()| true),
            None => Some(false),
        }
    }
}
