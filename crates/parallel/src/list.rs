//! Blocks by their access lists (EIP-7928).
//!
//! A list says of everything that a block touches what each transaction leaves there. Whoever has it knows the state before each
//! transaction without running those before it, so all of them are run at once, on as many threads as there are; none waits for
//! another, none is run twice, and tips are paid where they are due, for the fee recipient's balance is in the list like any other.
//!
//! # Why the outcome is that of one thread
//! The list is believed of nobody. After each transaction what it changed is compared with what the list has at its index: it must
//! be that and no more. So, by induction from the state before the block, if every part of the block does what the list says when
//! it is run on what the list says of the parts before, then the list says what running them in order does. What is in the list
//! must also have been accessed, and what was accessed must be in it (see `view`), which says that the list is complete and
//! has nothing too much. The changes of the block then need no collecting: they are the list's.
//!
//! # When it is wrong
//! Whatever goes wrong here, even an error of the reader, is no verdict: the block is then run in order, and what that gives is
//! the answer. Where the list is part of the consensus, it is then compared with the one that execution gives, and the
//! first difference refuses the block. Before Amsterdam it is a hint, and a wrong hint has only cost time.

mod cells;
mod view;

use crate::pool;
use alloy_primitives::{Address, Bloom};
use rialto_state::{StateReader, TxChange};
use rialto_stf::{
    AccountChanges, Block, BlockAccessList, BlockError, BlockExecutor, ChainSpec, Outcome, TxOutcome, TxRunner,
    logs_bloom, validate_body,
};
use rialto_vm::Tier;
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use view::{ListReader, ListView};

/// Keys the journals' hash tables. No result depends on it.
const HASH_SEED: u64 = 0x6c69_7374;

/// A block to be run.
#[derive(Clone, Copy)]
pub(crate) struct Job<'a> {
    pub chain: &'a ChainSpec,
    pub block: &'a Block,
    pub senders: &'a [Address],
    pub reader: &'a (dyn StateReader + Sync),
    pub tier: Option<&'a dyn Tier>,
    pub threads: NonZeroUsize,
}

/// The index of what follows the transactions.
fn last_index(block: &Block) -> Option<u32> {
    u32::try_from(block.transactions.len()).ok()?.checked_add(1)
}

/// Runs a block by its list; `None` if anything is not as the list says, or the body not as the header says, or anything failed.
/// The fork must be one whose receipts have a status and whose empty accounts are cleared.
pub(crate) fn run(job: &Job<'_>, list: &BlockAccessList) -> Option<Outcome> {
    let rules = job.chain.rules_at(job.block.header.number, job.block.header.timestamp);
    let last_index = last_index(job.block)?;
    list.validate(last_index).ok()?;
    let view = ListView::new(list, job.reader, last_index);
    let transactions = Transactions {
        job,
        view: &view,
        outcomes: job.block.transactions.iter().map(|_| OnceLock::new()).collect(),
        next: AtomicUsize::new(0),
        has_failed: AtomicBool::new(false),
    };
    let reader = ListReader::new(&view);
    let mut executor = BlockExecutor::new(job.chain, &job.block.header, &reader).with_tier(job.tier).with_access_list();
    pool::beside(
        job.threads,
        || transactions.work(),
        || {
            let begun = executor.begin().and_then(|()| validate_body(rules, job.block));
            transactions.has_failed.fetch_or(begun.is_err(), Ordering::Relaxed);
            transactions.work();
        },
    );
    if transactions.has_failed.into_inner() {
        return None;
    }
    for (transaction, outcome) in job.block.transactions.iter().zip(transactions.outcomes) {
        let (outcome, logs_bloom) = outcome.into_inner()?;
        executor.accept_with_bloom(transaction, outcome, logs_bloom).ok()?;
    }
    executor.take_diff();
    reader.set_index(last_index);
    let withdrawals = job.block.withdrawals.as_deref().unwrap_or_default();
    let mut outcome = executor.finish(&job.block.ommers, withdrawals).ok()?;
    let around = outcome.block_access_list.take()?;
    let is_right = view.note_all_of(&around, reader.last())
        && view.has_just(0, &changes_at(&around, 0), reader.last())
        && view.has_just(last_index, &changes_at(&around, 1), reader.last())
        && view.is_exhausted();
    if !is_right {
        return None;
    }
    outcome.diff = view.diff()?;
    outcome.block_access_list = rules.has_access_lists.then(|| list.clone());
    Some(outcome)
}

/// What a list has at an index.
fn changes_at(list: &BlockAccessList, index: u32) -> Vec<TxChange> {
    let mut changes = Vec::new();
    for AccountChanges { address, storage_changes, balance_changes, nonce_changes, code_changes, .. } in &list.0 {
        let address = *address;
        for slot in storage_changes {
            let at_index = slot.changes.iter().filter(|change| change.index == index);
            changes.extend(at_index.map(|change| TxChange::Slot(address, slot.slot, change.value)));
        }
        let balances = balance_changes.iter().filter(|change| change.index == index);
        changes.extend(balances.map(|change| TxChange::Balance(address, change.balance)));
        let nonces = nonce_changes.iter().filter(|change| change.index == index);
        changes.extend(nonces.map(|change| TxChange::Nonce(address, change.nonce)));
        let codes = code_changes.iter().filter(|change| change.index == index);
        changes.extend(codes.map(|change| TxChange::Code(address, rialto_state::Code::new(change.code.clone()))));
    }
    changes
}

/// The transactions of a block that is run by its list.
struct Transactions<'j, 'v, 'a> {
    job: &'j Job<'j>,
    view: &'v ListView<'a>,
    /// What each did, with the bloom filter of its logs.
    outcomes: Vec<OnceLock<(TxOutcome, Bloom)>>,
    next: AtomicUsize,
    has_failed: AtomicBool,
}

impl Transactions<'_, '_, '_> {
    /// Runs transactions until there are none left, or one is not as the list says.
    fn work(&self) {
        let Job { chain, block, tier, .. } = *self.job;
        let reader = ListReader::new(self.view);
        let mut runner = TxRunner::new(chain, &block.header, &reader, HASH_SEED).with_tier(tier);
        while !self.has_failed.load(Ordering::Relaxed) {
            let position = self.next.fetch_add(1, Ordering::Relaxed);
            if position >= self.outcomes.len() {
                return;
            }
            if self.run(&reader, &mut runner, position).is_none() {
                self.has_failed.store(true, Ordering::Relaxed);
            }
        }
    }

    fn run(&self, reader: &ListReader<'_, '_>, runner: &mut TxRunner<'_>, position: usize) -> Option<()> {
        let index = u32::try_from(position + 1).ok()?;
        reader.set_index(index);
        let (outcome, changes) =
            runner.run_in_place(&self.job.block.transactions[position], self.job.senders[position]).ok()?;
        let last = reader.last();
        let is_right = self.view.has_just(index, &changes, last) && self.view.note_unasked(runner.journal(), last);
        if !is_right {
            return None;
        }
        let logs_bloom = logs_bloom(&outcome.logs);
        self.outcomes[position].set((outcome, logs_bloom)).ok()
    }
}

/// Compares the list that came with a block with the one that executing it gave, where lists are part of the consensus.
pub(crate) fn check(block: &Block, list: &BlockAccessList, outcome: &Outcome) -> Result<(), BlockError> {
    let Some(expected) = &outcome.block_access_list else { return Ok(()) };
    if list == expected {
        return Ok(());
    }
    if let Some(hash) = block.header.block_access_list_hash {
        let found = list.hash();
        if found != hash {
            return Err(BlockError::BodyRoot { field: "block_access_list_hash", expected: hash, found });
        }
    }
    list.validate(last_index(block).unwrap_or(u32::MAX)).map_err(BlockError::AccessListForm)?;
    match list.first_difference(expected) {
        Some(difference) => Err(BlockError::AccessList(Box::new(difference))),
        None => Ok(()),
    }
}
