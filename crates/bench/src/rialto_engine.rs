//! Running a case on Rialto: a block executor over the pre-state in memory, fed with transactions and their senders.
//!
//! The clock runs from the making of the executor to what execution gives: each transaction's result and logs, and the
//! ordered diff. Bloom filters come later, as on revm's side. The system calls before the transactions are part of the
//! pre-state; those after them are part of execution, so Rialto does them inside the measured time although revm's side
//! does not.

use crate::BenchError;
use crate::case::{Case, TransactionResult};
use crate::engine::Engine;
use alloy_primitives::{Address, Bytes};
use rialto_state::{MemoryAccount, MemoryState, StateReader};
use rialto_stf::json::{Alloc, AllocAccount};
use rialto_stf::{BlockExecutor, ChainSpec, Executed, Header, Transaction, json};
use rialto_vm::Tier;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A case in Rialto's types.
pub struct RialtoCase<'t> {
    name: String,
    tier: Option<&'t dyn Tier>,
    chain: ChainSpec,
    header: Header,
    state: MemoryState,
    transactions: Vec<(Transaction, Address)>,
}

/// What is left of a run when the clock has stopped.
struct Run {
    elapsed: Duration,
    outcome: Executed,
    /// Of each transaction: gas used, success, output.
    transactions: Vec<(u64, bool, Bytes)>,
}

impl<'t> RialtoCase<'t> {
    /// Translates a case, to be interpreted.
    pub fn new(case: &Case) -> Self {
        let mut state = json::memory_state(&case.accounts);
        for (number, hash) in &case.block_hashes {
            state.insert_block_hash(*number, *hash);
        }
        let transactions = case.transactions.iter().map(|item| (item.transaction.clone(), item.sender));
        Self {
            name: case.name.clone(),
            tier: None,
            chain: case.chain.clone(),
            header: case.header.clone(),
            state,
            transactions: transactions.collect(),
        }
    }

    /// Runs compiled code where `tier` has some.
    pub fn with_tier(mut self, tier: Option<&'t dyn Tier>) -> Self {
        self.tier = tier;
        self
    }

    /// The state after the block.
    pub fn post_state(&self) -> Result<Alloc, BenchError> {
        let mut state = self.state.clone();
        state.apply(self.run()?.outcome.diff());
        Ok(alloc_of(&state))
    }

    fn rejected(&self, transaction: usize, reason: impl ToString) -> BenchError {
        let (case, reason) = (self.name.clone(), reason.to_string());
        BenchError::Rejected { case, transaction, engine: Self::NAME, reason }
    }

    fn run(&self) -> Result<Run, BenchError> {
        let reader: &dyn StateReader = &self.state;
        let start = Instant::now();
        let mut executor = BlockExecutor::new(&self.chain, &self.header, reader).with_tier(self.tier);
        executor.reserve(self.transactions.len());
        let mut transactions = Vec::with_capacity(self.transactions.len());
        for (index, (transaction, sender)) in self.transactions.iter().enumerate() {
            let done = executor.transaction(transaction, *sender).map_err(|error| self.rejected(index, error))?;
            transactions.push((done.gas_used, done.halt.is_none(), done.output));
        }
        let outcome =
            executor.finish_execution(&[], &[]).map_err(|error| self.rejected(self.transactions.len(), error))?;
        Ok(Run { elapsed: start.elapsed(), outcome, transactions })
    }
}

/// A state in memory as a value that can be compared and written.
pub(crate) fn alloc_of(state: &MemoryState) -> Alloc {
    let account = |(address, account): (&Address, &MemoryAccount)| {
        let code = state.get_code(&account.info.code_hash).map(|code| code.bytes().clone());
        let account = AllocAccount {
            nonce: account.info.nonce,
            balance: account.info.balance,
            code: code.unwrap_or_default(),
            storage: account.storage.iter().map(|(slot, value)| (*slot, *value)).collect(),
        };
        (*address, account)
    };
    state.iter().map(account).collect()
}

impl Engine for RialtoCase<'_> {
    const NAME: &'static str = "rialto";

    fn time(&self) -> Result<Duration, BenchError> {
        let run = self.run()?;
        black_box(run.outcome);
        Ok(run.elapsed)
    }

    fn results(&self) -> Result<Vec<TransactionResult>, BenchError> {
        let run = self.run()?;
        let items = run.transactions.into_iter().zip(run.outcome.outcome().receipts);
        let result = |((gas_used, success, output), receipt): ((u64, bool, Bytes), rialto_stf::Receipt)| {
            let logs = receipt.logs.into_iter().map(|log| (log.address, log.topics.to_vec(), log.data));
            TransactionResult { gas_used, success, logs: logs.collect(), output }
        };
        Ok(items.map(result).collect())
    }
}
