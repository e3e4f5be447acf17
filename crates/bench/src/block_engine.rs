//! A case as a whole block, run by one thread or several, by an access list, interpreted or compiled.
//!
//! Whichever way, the work is the same: from the header, the transactions and their senders to receipts, requests and the
//! ordered diff. What one interpreting thread makes of it is the measure that every other way has to meet exactly, before
//! anything is timed.

use crate::BenchError;
use crate::case::Case;
use rialto_parallel::{Counts, Strategy, execute_counted};
use rialto_state::MemoryState;
use rialto_stf::{
    Block, BlockAccessList, ChainSpec, Outcome, access_list_of, json, ommers_hash, transactions_root, withdrawals_root,
};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// A case as a block.
pub(crate) struct BlockCase {
    pub name: String,
    pub chain: ChainSpec,
    pub block: Block,
    pub senders: Vec<alloy_primitives::Address>,
    pub state: MemoryState,
}

impl BlockCase {
    /// Puts a header that fits them around the case's transactions, which use so much gas: what a block uses is one of the
    /// things by which it is decided how to run it.
    pub fn new(case: &Case, gas_used: u64) -> Self {
        let mut state = json::memory_state(&case.accounts);
        for (number, hash) in &case.block_hashes {
            state.insert_block_hash(*number, *hash);
        }
        let transactions: Vec<_> = case.transactions.iter().map(|item| item.transaction.clone()).collect();
        let mut header = case.header.clone();
        let rules = case.chain.rules_at(header.number, header.timestamp);
        header.gas_used = gas_used;
        header.ommers_hash = ommers_hash(&[]);
        header.transactions_root = transactions_root(&transactions);
        header.withdrawals_root = rules.has_withdrawals.then(|| withdrawals_root(&[]));
        let withdrawals = rules.has_withdrawals.then(Vec::new);
        Self {
            name: case.name.clone(),
            chain: case.chain.clone(),
            block: Block { header, transactions, ommers: Vec::new(), withdrawals },
            senders: case.transactions.iter().map(|item| item.sender).collect(),
            state,
        }
    }

    /// Runs the block.
    pub fn run(&self, strategy: &Strategy<'_>) -> Result<(Outcome, Counts), BenchError> {
        // revm is not given a body to compare with a header either.
        let strategy = Strategy { is_body_known: true, ..*strategy };
        let result = execute_counted(&self.chain, &self.block, Some(&self.senders), &self.state, None, &strategy);
        result.map_err(|error| BenchError::Refused { case: self.name.clone(), reason: error.to_string() })
    }

    /// Runs the block and says how long it took; freeing the outcome is not part of it.
    pub fn time(&self, strategy: &Strategy<'_>) -> Result<Duration, BenchError> {
        let start = Instant::now();
        let result = self.run(strategy)?;
        let elapsed = start.elapsed();
        black_box(result);
        Ok(elapsed)
    }

    /// What the block accesses and changes, as whoever builds it would say (EIP-7928).
    pub fn access_list(&self) -> Result<BlockAccessList, BenchError> {
        let list = access_list_of(&self.chain, &self.block, Some(&self.senders), &self.state);
        list.map_err(|error| BenchError::Refused { case: self.name.clone(), reason: error.to_string() })
    }

    /// Checks that a way to run the block gives what one interpreting thread gives.
    pub fn check(&self, expected: &Outcome, how: &'static str, strategy: &Strategy<'_>) -> Result<Counts, BenchError> {
        let (found, counts) = self.run(strategy)?;
        match difference(expected, &found) {
            None => Ok(counts),
            Some(what) => Err(BenchError::Strategy { case: self.name.clone(), how, what }),
        }
    }
}

/// The first thing in which two outcomes of a block differ.
fn difference(expected: &Outcome, found: &Outcome) -> Option<String> {
    let receipts = expected.receipts.iter().zip(&found.receipts).enumerate();
    if let Some((index, (expected, found))) = receipts.into_iter().find(|(_, (expected, found))| expected != found) {
        return Some(format!("receipt {index}: expected {expected:?}, found {found:?}"));
    }
    if expected.receipts.len() != found.receipts.len() {
        return Some(format!("expected {} receipts, found {}", expected.receipts.len(), found.receipts.len()));
    }
    if expected.gas_used != found.gas_used {
        return Some(format!("gas: expected {}, found {}", expected.gas_used, found.gas_used));
    }
    if expected.requests != found.requests {
        return Some(format!("requests: expected {:?}, found {:?}", expected.requests, found.requests));
    }
    let accounts = expected.diff.accounts.iter().zip(&found.diff.accounts);
    if let Some((expected, found)) = accounts.into_iter().find(|(expected, found)| expected != found) {
        return Some(format!("diff: expected {expected:?}, found {found:?}"));
    }
    (expected.diff != found.diff).then(|| {
        let (expected, found) = (expected.diff.accounts.len(), found.diff.accounts.len());
        format!("diff: expected {expected} accounts, found {found}, or other codes")
    })
}
