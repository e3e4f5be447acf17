//! Transactions run apart from their block, on whatever their reader says at that moment.
//!
//! This is what executing a block on several cores is made of. A transaction that is run before its predecessors are done may
//! have read what they are going to change; so it says what it read and what it changes, and whoever runs it compares the
//! one with the state at its turn before applying the other. The fee recipient's tip is left to the caller: every transaction
//! pays one, and if each read the balance, no two transactions would be independent.

use crate::executor::{BlockGas, TxGas, block_context};
use crate::transact::{Mode, Tip, TxOutcome, transact};
use crate::{BlockRules, ChainSpec, Checks, Header, Transaction, TxError};
use alloc::vec::Vec;
use alloy_primitives::{Address, U256};
use core::cell::Cell;
use rialto_state::{AccountId, Changes, Footprint, Journal, StateReader, Trial, TxChangeRef, TxChanges};
use rialto_vm::{Tier, Vm};

/// What transactions in a row did and on what they depended.
#[derive(Clone, Debug)]
pub struct UnitEffects {
    /// What each did.
    pub outcomes: Vec<TxOutcome>,
    /// What they read and changed together.
    pub footprint: Footprint,
    /// What each changed, in the order in which it did; empty unless [`TxRunner::with_changes`] asked for it.
    pub changes: Vec<TxChanges>,
}

/// What transactions that were run on trial did and on what they depend.
#[derive(Clone, Debug)]
pub struct TrialEffects {
    /// What each did.
    pub outcomes: Vec<TxOutcome>,
    /// What they read and changed together, in terms of the runner's journal.
    pub trial: Trial,
    /// What the fee recipient is owed of their tips, in wei, up to where one of them looked at its account.
    pub tips: U256,
    /// What each changed, in the order in which it did; empty unless [`TxRunner::with_changes`] asked for it.
    pub changes: Vec<TxChanges>,
}

/// See the module's documentation.
pub struct TxRunner<'r> {
    vm: Vm<'r>,
    rules: &'static BlockRules,
    gas: BlockGas,
    has_changes: bool,
}

impl<'r> TxRunner<'r> {
    /// Runs transactions of a block with this environment.
    pub fn new(chain: &ChainSpec, header: &Header, reader: &'r dyn StateReader, hash_seed: u64) -> Self {
        let rules = chain.rules_at(header.number, header.timestamp);
        let blobs = chain.blob_params(rules.fork);
        let vm = Vm::new(rules.vm, block_context(chain, header, blobs.as_ref()), Journal::new(reader, hash_seed))
            .with_modules(&chain.modules_at(header.timestamp));
        Self { vm, rules, gas: BlockGas::unused(header, blobs.as_ref()), has_changes: false }
    }

    /// Runs compiled code where `tier` has some.
    pub fn with_tier(mut self, tier: Option<&'r dyn Tier>) -> Self {
        self.vm.set_tier(tier);
        self
    }

    /// Says what changed as a block access list does (EIP-7928), too.
    pub fn with_changes(mut self, has_changes: bool) -> Self {
        self.has_changes = has_changes;
        self
    }

    /// Runs transactions one after the other, on one journal, the first of them on what the reader says; whether the block has
    /// room for them is not looked at. `tips` is what the fee
    /// recipient is owed of their tips: it gets the others itself, once a transaction has looked at its account, so the reader
    /// must add `tips` to its balance.
    pub fn run_together(
        &mut self,
        transactions: &[Transaction],
        senders: &[Address],
        tips: &Cell<U256>,
    ) -> Result<UnitEffects, TxError> {
        self.vm.forget();
        tips.set(U256::ZERO);
        let mode = Mode { checks: Checks::ALL, tip: Tip::PaidIfLoaded };
        let clears_empty = self.rules.vm.clears_empty_accounts;
        let mut outcomes = Vec::with_capacity(transactions.len());
        let mut changes = Vec::new();
        for (transaction, sender) in transactions.iter().zip(senders) {
            let outcome = transact(&mut self.vm, self.rules, &self.gas, mode, transaction, *sender)?;
            if !self.vm.journal.is_read(self.vm.beneficiary()) {
                tips.set(tips.get().saturating_add(outcome.tip));
            }
            if self.has_changes {
                changes.push(self.vm.journal.end_tx_with_changes(clears_empty));
            } else {
                self.vm.journal.end_tx(clears_empty);
            }
            outcomes.push(outcome);
        }
        Ok(UnitEffects { outcomes, footprint: self.vm.journal.footprint(), changes })
    }

    /// From now on transactions are run by [`TxRunner::try_together`]. `begun` is what the block did before them.
    pub fn start_trials(&mut self, begun: &Changes) -> Result<(), TxError> {
        let beneficiary = self.vm.beneficiary();
        self.vm.journal.make_known(beneficiary)?;
        self.vm.journal.start_trials();
        self.vm.journal.put_changes(begun, None);
        Ok(())
    }

    /// Runs transactions one after the other on trial, on what the journal has; whether the block has room for them is not looked
    /// at. What they change stays, unsettled, also where there is an error.
    pub fn try_together(&mut self, transactions: &[Transaction], senders: &[Address]) -> Result<TrialEffects, TxError> {
        let mode = Mode { checks: Checks::ALL, tip: Tip::PaidIfLoaded };
        let clears_empty = self.rules.vm.clears_empty_accounts;
        let beneficiary = self.vm.beneficiary();
        let mut outcomes = Vec::with_capacity(transactions.len());
        let (mut changes, mut tips) = (Vec::new(), U256::ZERO);
        self.vm.journal.begin_trial();
        for (transaction, sender) in transactions.iter().zip(senders) {
            let result = transact(&mut self.vm, self.rules, &self.gas, mode, transaction, *sender);
            let outcome = result.inspect_err(|_| self.vm.journal.end_tx(false))?;
            if self.has_changes {
                changes.push(self.vm.journal.end_tx_with_changes(clears_empty));
            } else {
                self.vm.journal.end_tx(clears_empty);
            }
            if !self.vm.journal.is_read(beneficiary) {
                tips = tips.saturating_add(outcome.tip);
                self.vm.journal.credit(beneficiary, outcome.tip);
            }
            outcomes.push(outcome);
        }
        Ok(TrialEffects { outcomes, trial: self.vm.journal.end_trial(), tips, changes })
    }

    /// The account of the fee recipient.
    pub fn beneficiary(&self) -> AccountId {
        self.vm.beneficiary()
    }

    /// The journal, between two transactions.
    pub fn journal_mut(&mut self) -> &mut Journal<'r> {
        &mut self.vm.journal
    }

    /// The machine, for who goes on from what was run.
    pub(crate) fn into_vm(self) -> Vm<'r> {
        self.vm
    }

    /// Forgets all that was run: what follows is run on what the reader says.
    pub fn forget(&mut self) {
        self.vm.forget();
    }

    /// Runs a transaction on what those since [`TxRunner::forget`] left, where that is already what it will be at its turn, so that
    /// it can pay its tip, too. What it changed is then in `changes`. What it read is what its reader was asked, and
    /// [`TxRunner::journal`] knows.
    pub fn run_in_place(
        &mut self,
        transaction: &Transaction,
        sender: Address,
        changes: &mut TxChanges,
    ) -> Result<TxOutcome, TxError> {
        let outcome = self.transact_in_place(transaction, sender)?;
        self.vm.journal.end_tx_into(self.rules.vm.clears_empty_accounts, changes);
        Ok(outcome)
    }

    /// As [`TxRunner::run_in_place`], showing what the transaction changed to `see`.
    pub fn run_in_place_seen(
        &mut self,
        transaction: &Transaction,
        sender: Address,
        see: &mut dyn FnMut(TxChangeRef<'_>),
    ) -> Result<TxOutcome, TxError> {
        let outcome = self.transact_in_place(transaction, sender)?;
        self.vm.journal.end_tx_seen(self.rules.vm.clears_empty_accounts, see);
        Ok(outcome)
    }

    fn transact_in_place(&mut self, transaction: &Transaction, sender: Address) -> Result<TxOutcome, TxError> {
        let mode = Mode { checks: Checks::ALL, tip: Tip::Paid };
        transact(&mut self.vm, self.rules, &self.gas, mode, transaction, sender)
    }

    /// What a transaction that was run here has to do with the gas of its block.
    pub fn gas_of(&self, transaction: &Transaction, outcome: &TxOutcome) -> TxGas {
        TxGas::new(transaction, outcome, self.rules, self.vm.cost_per_state_byte())
    }

    /// The state as the last transactions saw it and left it.
    pub fn journal(&self) -> &Journal<'r> {
        &self.vm.journal
    }
}
