//! A thread of those that run a block, with a journal of its own that it keeps for the whole block.
//!
//! # What is in the journal
//! Below, settled: what all units did that are committed and that this thread has put in. Above it, until it is taken back: what
//! units did that are run and not committed, its own and, as far as they have told, those of others. So a unit is run on the best guess
//! of the state at its place, and nearly all that it reads is in the journal already.
//!
//! What is above stays from one run to the next as long as nothing was committed in between and the next unit comes after all of it.
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
use rialto_stf::{LogHasher, TrialEffects, TxRunner, set_balance_change};
use std::collections::VecDeque;

/// How often a unit is run at most, its turn included.
const MAX_RUNS: u8 = 4;
/// How many of the units right before it, that are not committed, a unit sees.
const MAX_LAYERS: usize = 12;

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
    pub runner: TxRunner<'r>,
    /// By unit.
    waiting: VecDeque<Waiting>,
    /// Units that are settled in the journal.
    pub applied: usize,
    /// Units whose changes are above what is settled, ascending.
    expected: Vec<usize>,
    /// Whether anything is above what is settled.
    has_unsettled: bool,
    /// Where what others told of their units has its places here.
    located: Vec<Option<Located>>,
    log_hasher: LogHasher,
}

impl<'l, 'r> Worker<'l, 'r> {
    /// A thread that has done nothing. The runner's journal has what the block began with.
    pub fn new(run: &'l Run<'l>, runner: TxRunner<'r>) -> Self {
        let located = std::iter::repeat_with(|| None).take(run.units.len()).collect();
        Self {
            run,
            runner,
            waiting: VecDeque::new(),
            applied: 0,
            expected: Vec::new(),
            has_unsettled: false,
            located,
            log_hasher: LogHasher::default(),
        }
    }

    /// Takes back what is not settled.
    fn unwind(&mut self) {
        if self.has_unsettled {
            self.runner.journal_mut().unwind();
            self.expected.clear();
            self.has_unsettled = false;
        }
    }

    /// Puts in what others have committed.
    pub fn catch_up(&mut self) {
        let committed = self.run.committed();
        if self.applied >= committed {
            return;
        }
        self.unwind();
        let beneficiary = self.runner.beneficiary();
        for unit in self.applied..committed {
            let entry = &self.run.log[unit];
            let located = self.located[unit].take().filter(|_| entry.is_as_estimated());
            let record = entry.record();
            let journal = self.runner.journal_mut();
            journal.put_changes(&record.changes, located.as_ref());
            journal.put_tip(beneficiary, record.tip);
        }
        self.applied = committed;
    }

    /// Runs a unit that nobody has run, and commits it if it is its turn.
    pub fn run_first(&mut self, unit: usize) -> Option<()> {
        let waiting = self.run_unit(unit, 0);
        if self.applied == unit {
            return self.commit_in_place(waiting, false);
        }
        // Whoever comes to its turn in a moment is not told of before.
        if let Some(effects) = &waiting.effects
            && self.run.committed() < unit
        {
            let changes = match effects.trial.has_deletion() {
                // Those behind run on what is then no longer so, and are found out in their turn.
                true => Changes::default(),
                false => self.runner.journal().changes_of(&effects.trial),
            };
            self.run.log[unit].estimate(Record::new(changes, effects.tips, &self.run.modules));
        }
        let place = self.waiting.partition_point(|other| other.unit < unit);
        self.waiting.insert(place, waiting);
        Some(())
    }

    /// Runs a unit on the best guess of the state at its place; what it changes stays in the journal, unsettled.
    fn run_unit(&mut self, unit: usize, runs: u8) -> Waiting {
        self.catch_up();
        let is_aimed = self.aim(unit).is_ok();
        self.has_unsettled = true;
        let range = self.run.units[unit].clone();
        let (transactions, senders) = (&self.run.block.transactions[range.clone()], &self.run.senders[range]);
        let effects = if is_aimed { self.runner.try_together(transactions, senders).ok() } else { None };
        match &effects {
            Some(_) => self.expected.push(unit),
            None => self.unwind(),
        }
        let modules = &self.run.modules;
        let has_module = !modules.is_empty()
            && effects.as_ref().is_some_and(|effects| {
                let changes = self.runner.journal().changes_of(&effects.trial);
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
                !waiting.has_module && waiting.effects.is_some()
            }
            None => self.run.log[unit].estimated().is_some_and(|record| !record.has_module),
        }
    }

    /// Makes the journal the best guess of the state at a unit's place.
    fn aim(&mut self, unit: usize) -> Result<(), ReadError> {
        let first = self.applied.max(unit.saturating_sub(MAX_LAYERS));
        let last = self.expected.last().copied();
        let is_missing =
            |last: usize| (first..last).any(|unit| self.expected.binary_search(&unit).is_err() && self.is_known(unit));
        if last.is_some_and(|last| last >= unit || is_missing(last)) {
            self.unwind();
        }
        let next = self.expected.last().map_or(first, |last| first.max(last + 1));
        for below in next..unit {
            if self.is_known(below) {
                self.expect(below);
            }
        }
        for position in self.run.units[unit].clone() {
            if self.run.previous[position].is_some_and(|previous| previous >= self.applied) {
                let nonce = self.run.block.transactions[position].nonce;
                self.has_unsettled = true;
                self.runner.journal_mut().foresee_nonce(&self.run.senders[position], nonce)?;
            }
        }
        Ok(())
    }

    /// Puts in what a unit that is not committed changes.
    fn expect(&mut self, unit: usize) {
        let beneficiary = self.runner.beneficiary();
        let own = self.own(unit);
        let journal = self.runner.journal_mut();
        let tip = match own {
            Some(place) => {
                let Some(effects) = &self.waiting[place].effects else { return };
                journal.expect_trial(&effects.trial);
                effects.tips
            }
            None => {
                let Some(record) = self.run.log[unit].estimated() else { return };
                let located = self.located[unit].get_or_insert_with(|| journal.locate(&record.changes));
                journal.expect_changes(&record.changes, located);
                record.tip
            }
        };
        journal.credit(beneficiary, tip);
        self.expected.push(unit);
        self.has_unsettled = true;
    }

    /// Looks for a unit of this thread that waits and has become stale, and runs it again; whether there was one.
    pub fn renew_one(&mut self) -> bool {
        self.catch_up();
        let beneficiary = self.runner.beneficiary();
        for place in 1..self.waiting.len() {
            let Waiting { unit, checked_at, runs, .. } = self.waiting[place];
            if checked_at == self.applied || runs + 1 >= MAX_RUNS {
                continue;
            }
            let is_aimed = self.aim(unit).is_ok();
            let effects = self.waiting[place].effects.as_ref();
            let holds = |effects: &TrialEffects| self.runner.journal().holds(&effects.trial, beneficiary, effects.tips);
            if !is_aimed || !effects.is_some_and(holds) {
                let waiting = self.run_unit(unit, runs);
                // It may be another place if its turn has come meanwhile; units before it are never taken away here.
                self.waiting[place] = waiting;
                return true;
            }
            self.waiting[place].checked_at = self.applied;
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
        self.unwind();
        let beneficiary = self.runner.beneficiary();
        let holds = |effects: &TrialEffects| self.runner.journal().holds(&effects.trial, beneficiary, effects.tips);
        if !waiting.effects.as_ref().is_some_and(holds) {
            let again = self.run_unit(waiting.unit, waiting.runs);
            return self.commit_in_place(again, true);
        }
        let Waiting { unit, effects, runs, .. } = waiting;
        let mut effects = effects?;
        self.run.count(unit, true, false);
        let balances = self.balances(&effects);
        let is_exact = self.runner.journal_mut().redo(&effects.trial, beneficiary, effects.tips)?;
        self.correct_balances(&mut effects.changes, balances);
        let is_as_told = is_exact && runs == 1 && !effects.trial.has_deletion();
        self.tell(unit, effects, is_as_told)
    }

    /// Commits a unit that was run in its turn, and whose changes are in the journal.
    fn commit_in_place(&mut self, waiting: Waiting, is_again: bool) -> Option<()> {
        let unit = waiting.unit;
        assert!(unit == self.applied, "run in its turn");
        self.run.count(unit, !is_again, true);
        let mut effects = waiting.effects?;
        self.runner.journal_mut().settle();
        self.expected.clear();
        self.has_unsettled = false;
        if let Some(changes) = effects.changes.first_mut() {
            // Its tips are in no transaction's changes.
            let beneficiary = self.run.block.header.beneficiary;
            let after = self.balance(&beneficiary);
            let tip = effects.tips;
            if !effects.trial.changes_account(self.runner.beneficiary()) {
                set_balance_change(changes, beneficiary, after.saturating_sub(tip), after);
            }
        }
        self.tell(unit, effects, false)
    }

    /// Makes known what a unit did that is now settled here.
    fn tell(&mut self, unit: usize, effects: TrialEffects, is_as_told: bool) -> Option<()> {
        let TrialEffects { outcomes, trial, tips, changes } = effects;
        let entry: &Entry = &self.run.log[unit];
        if !(is_as_told && entry.is_as_estimated()) {
            // Where the fee recipient's account itself was changed, what it was owed is in it.
            let tip = if trial.changes_account(self.runner.beneficiary()) { U256::ZERO } else { tips };
            entry.correct(Record::new(self.runner.journal().changes_of(&trial), tip, &self.run.modules));
        }
        self.applied = unit + 1;
        self.run.commit(unit);
        // Others need not wait for this.
        if self.run.has_list {
            let (accounts, slots) = self.runner.journal().reads_of(&trial);
            *lock(&entry.listed) = Some((accounts.collect(), slots.collect(), changes));
        }
        let with_bloom = |outcome: rialto_stf::TxOutcome| {
            let logs_bloom = self.log_hasher.bloom(&outcome.logs);
            (outcome, logs_bloom)
        };
        *lock(&entry.done) = Some(outcomes.into_iter().map(with_bloom).collect());
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

    /// Leaves only what is committed in the journal, and what is done on it from now on is not on trial.
    pub fn into_runner(mut self) -> Option<TxRunner<'r>> {
        self.unwind();
        self.catch_up();
        self.runner.journal_mut().stop_trials().ok()?;
        Some(self.runner)
    }

    /// Takes the next unit, if there is one near enough, and runs it; whether there was one.
    pub fn run_next(&mut self) -> Option<bool> {
        match self.run.take(self.applied) {
            Some(unit) => self.run_first(unit).map(|()| true),
            None => Some(false),
        }
    }
}
