//! A transaction without a block around it, run in each way in which blocks are.
//!
//! Threads run a block's transactions by a [`TxRunner`] and hand what came out to the block. That is done here for one
//! transaction, so that state tests, which have no block, are tests of it, too. The fee recipient's tip is the caller's to
//! pay, unless the transaction looked at its account. Where receipts have roots, or where an empty account is deleted by a
//! tip of nothing, threads run no transactions.

use crate::execution::{Disagreement, Execution, Way, differ, difference_of_diffs};
use alloy_primitives::{Address, U256};
use rialto_state::{Account, AccountDiff, Diff, Log, StateReader};
use rialto_stf::{BlockExecutor, ChainSpec, Header, Transaction, TxError, TxOutcome, TxRunner};
use rialto_vm::Tracer;
use std::cell::Cell;

/// Keys the journal's hash tables. No result depends on it.
const HASH_SEED: u64 = 0x6c6f_6e65;

/// A transaction and on what it runs.
#[derive(Clone, Copy)]
pub struct LoneTransaction<'a> {
    /// The rules.
    pub chain: &'a ChainSpec,
    /// The environment.
    pub header: &'a Header,
    /// The transaction.
    pub transaction: &'a Transaction,
    /// Who sent it.
    pub sender: Address,
    /// The state before it.
    pub reader: &'a dyn StateReader,
}

/// What it did.
pub struct LoneEffects {
    /// As a transaction of a block.
    pub outcome: TxOutcome,
    /// Its logs.
    pub logs: Vec<Log>,
    /// What it changed.
    pub diff: Diff,
}

impl LoneTransaction<'_> {
    /// Runs it in each way. The inner result is the first way's.
    pub fn run(&self, execution: &Execution) -> Result<Result<LoneEffects, TxError>, Disagreement> {
        let first = self.run_by(&execution.way);
        for other in &execution.others {
            let found = self.run_by(other);
            execution.compare(other, &first, &found, |expected, found| {
                differ("gas used", &expected.outcome.gas_used, &found.outcome.gas_used)
                    .or_else(|| differ("halt", &expected.outcome.halt, &found.outcome.halt))
                    .or_else(|| differ("output", &expected.outcome.output, &found.outcome.output))
                    .or_else(|| differ("logs", &expected.logs, &found.logs))
                    .or_else(|| difference_of_diffs(&expected.diff, &found.diff))
            })?;
        }
        Ok(first)
    }

    fn run_by(&self, way: &Way) -> Result<LoneEffects, TxError> {
        let rules = self.chain.rules_at(self.header.number, self.header.timestamp);
        let is_for_threads = way.threads.get() > 1 && rules.has_status_receipts && rules.vm.clears_empty_accounts && {
            let recipient = self.reader.account(&self.header.beneficiary)?;
            !recipient.is_some_and(|account| account.is_empty())
        };
        if is_for_threads { self.run_apart(way) } else { self.run_in_place(way) }
    }

    /// As a sequential block does.
    fn run_in_place(&self, way: &Way) -> Result<LoneEffects, TxError> {
        let executor = BlockExecutor::new(self.chain, self.header, self.reader);
        self.run_in(executor.with_tier(way.tier.as_deref()))
    }

    /// Shows every step to `tracer`.
    pub fn run_traced(&self, tracer: &mut dyn Tracer) -> Result<LoneEffects, TxError> {
        self.run_in(BlockExecutor::new(self.chain, self.header, self.reader).with_tracer(tracer))
    }

    fn run_in(&self, mut executor: BlockExecutor<'_>) -> Result<LoneEffects, TxError> {
        let outcome = executor.transaction(self.transaction, self.sender)?;
        Ok(LoneEffects { outcome, logs: logs_of(&executor), diff: executor.diff() })
    }

    /// As a thread does.
    fn run_apart(&self, way: &Way) -> Result<LoneEffects, TxError> {
        let runner = TxRunner::new(self.chain, self.header, self.reader, HASH_SEED);
        let mut runner = runner.with_tier(way.tier.as_deref());
        let tips = Cell::new(U256::ZERO);
        let effects = runner.run_together(std::slice::from_ref(self.transaction), &[self.sender], &tips)?;
        let outcome = effects.outcomes.into_iter().next().expect("of one transaction there is one outcome");
        let diff = runner.journal().diff();
        let mut executor = BlockExecutor::new(self.chain, self.header, self.reader);
        executor.accept(self.transaction, outcome.clone())?;
        let diff = diff.then(&self.tip(&diff, tips.get())?);
        Ok(LoneEffects { outcome, logs: logs_of(&executor), diff })
    }

    /// The fee recipient's change, after the transaction's own.
    fn tip(&self, diff: &Diff, tip: U256) -> Result<Diff, TxError> {
        if tip.is_zero() {
            return Ok(Diff::default());
        }
        let address = self.header.beneficiary;
        let before = match diff.accounts.iter().find(|change| change.address == address) {
            Some(change) => change.after,
            None => self.reader.account(&address)?,
        };
        let account = before.unwrap_or_default();
        let after = Some(Account { balance: account.balance.saturating_add(tip), ..account });
        let change = AccountDiff { address, before, after, storage_wiped: false, storage: Vec::new() };
        Ok(Diff { accounts: vec![change], codes: Vec::new() })
    }
}

fn logs_of(executor: &BlockExecutor<'_>) -> Vec<Log> {
    executor.receipts().pop().map(|receipt| receipt.logs).unwrap_or_default()
}
