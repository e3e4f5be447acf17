//! Whether the database holds what it should.
//!
//! Five passes, each of which goes on after what it finds and reports it as a sentence:
//!
//! 1. **State**: every storage root and the state root are computed again from the flat tables alone and compared with the root that
//!    the caller names; every code is there and has its hash.
//! 2. **Nodes**: the tries are walked from that root through the tables of nodes, each node compared with the hash by which its
//!    parent names it. The tables must have no node besides. Together with the first pass this says that flat tables and nodes
//!    hold the same state.
//! 3. **Chain**: every canonical block is there and names the one before as its parent; its receipts are there; side blocks are whole,
//!    and no block is neither.
//! 4. **Lookups**: every transaction is found where it is, and nothing else is found.
//! 5. **History**: every key that a block changed has its entry, and no entry is besides.
//!
//! All passes take bounded memory: the first sorts in files where it must, the others follow the order of a table.

mod chain;
mod history;
mod nodes;

use crate::leaf_sorter::LeafSorter;
use crate::{Snapshot, StateAt, StoreError};
use alloy_primitives::{B256, keccak256};
use rialto_state::StateReader;
use rialto_trie::TrieAccount;
use std::path::Path;
use std::sync::Arc;

/// Most problems that are kept.
const MAX_PROBLEMS: usize = 100;

/// Says whether an encoded header is that of the block with this number and hash, and if not, what is wrong with it.
pub type CheckHeader<'a> = &'a dyn Fn(u64, &B256, &[u8]) -> Result<(), String>;

/// Hears how far a verification is: the pass, and how much of it is done.
pub type VerifyProgress<'a> = &'a mut dyn FnMut(&'static str, u64);

/// What a verification compares with.
#[derive(Clone, Copy)]
pub struct VerifyOptions<'a> {
    /// State root in the head's header.
    pub state_root: B256,
    /// A folder for files that disappear afterwards.
    pub scratch: &'a Path,
    /// Checks a header.
    pub check_header: CheckHeader<'a>,
}

/// What a verification found.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// Root computed from the flat state.
    pub state_root: B256,
    /// Accounts.
    pub accounts: u64,
    /// Slots that are not zero.
    pub slots: u64,
    /// Trie nodes.
    pub nodes: u64,
    /// Blocks, canonical or not.
    pub blocks: u64,
    /// Transactions that can be found.
    pub transactions: u64,
    /// Entries of the history.
    pub history_entries: u64,
    /// What is wrong, the first hundred.
    pub problems: Vec<String>,
    /// How much is wrong.
    pub problem_count: u64,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.problem_count == 0
    }

    pub(crate) fn problem(&mut self, problem: impl Into<String>) {
        self.problem_count += 1;
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem.into());
        }
    }

    /// Notes the error that ended a pass.
    fn end(&mut self, pass: &str, result: Result<(), StoreError>) {
        if let Err(error) = result {
            self.problem(format!("{pass}: {error}"));
        }
    }
}

/// A state in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateSummary {
    /// Root computed from accounts and slots.
    pub root: B256,
    /// Accounts.
    pub accounts: u64,
    /// Slots that are not zero.
    pub slots: u64,
    /// Slots that belong to no account.
    pub stray_slots: u64,
}

impl StateAt {
    /// Computes the state root from accounts and slots, without trie nodes, in bounded memory. Files go into `scratch` and
    /// disappear afterwards; `progress` hears the number of accounts.
    pub fn summarise(&self, scratch: &Path, progress: &mut dyn FnMut(u64)) -> Result<StateSummary, StoreError> {
        let (mut account_leaves, mut slot_leaves) = (LeafSorter::new(scratch), LeafSorter::new(scratch));
        let mut summary = StateSummary { root: B256::ZERO, accounts: 0, slots: 0, stray_slots: 0 };
        summary.stray_slots = self.walk(&mut |address, account, slots| {
            while let Some((slot, word)) = slots.next_slot()? {
                summary.slots += 1;
                slot_leaves.push(keccak256(slot.to_be_bytes::<32>()), &alloy_rlp::encode(word))?;
            }
            let storage_root = slot_leaves.root()?;
            let leaf = TrieAccount {
                nonce: account.nonce,
                balance: account.balance,
                storage_root,
                code_hash: account.code_hash,
            };
            account_leaves.push(keccak256(address), &alloy_rlp::encode(leaf))?;
            summary.accounts += 1;
            progress(summary.accounts);
            Ok(())
        })?;
        summary.root = account_leaves.root()?;
        Ok(summary)
    }

    /// Checks that every account's code is there.
    fn check_codes(&self, report: &mut VerifyReport) -> Result<(), StoreError> {
        let mut missing = Vec::new();
        self.walk(&mut |address, account, _| {
            if let Err(error) = self.code(&account.code_hash)
                && missing.len() < MAX_PROBLEMS
            {
                missing.push(format!("account {address}: {error}"));
            }
            Ok(())
        })?;
        missing.into_iter().for_each(|problem| report.problem(problem));
        Ok(())
    }
}

impl Snapshot {
    /// Checks all that can be checked without executing blocks.
    pub fn verify(self: &Arc<Self>, options: &VerifyOptions<'_>, progress: VerifyProgress<'_>) -> VerifyReport {
        let mut report = VerifyReport::default();
        let result = self.verify_state(options, &mut report, progress);
        report.end("state", result);
        let result = self.verify_nodes(options.state_root, &mut report, progress);
        report.end("nodes", result);
        let result = self.verify_chain(options.check_header, &mut report, progress);
        report.end("chain", result);
        let result = self.verify_lookups(&mut report, progress);
        report.end("lookups", result);
        let result = self.verify_history(&mut report, progress);
        report.end("history", result);
        report
    }

    fn verify_state(
        self: &Arc<Self>,
        options: &VerifyOptions<'_>,
        report: &mut VerifyReport,
        progress: VerifyProgress<'_>,
    ) -> Result<(), StoreError> {
        let state = self.state_at(self.head().0)?;
        let summary = state.summarise(options.scratch, &mut |accounts| progress("accounts", accounts))?;
        (report.state_root, report.accounts, report.slots) = (summary.root, summary.accounts, summary.slots);
        if summary.root != options.state_root {
            report.problem(format!("state root: expected {}, found {}", options.state_root, summary.root));
        }
        if summary.stray_slots > 0 {
            report.problem(format!("storage: expected slots of accounts only, found {} others", summary.stray_slots));
        }
        state.check_codes(report)
    }
}
