//! What a block's transactions cost one by one, and which of them need what which others did.
//!
//! Each transaction is run by itself on the state that its predecessors left, as the threads of the parallel executor run it,
//! and says what it read and what it changed. It depends on the last transaction before it without which it would have read
//! something that makes a difference: a slot that was written with the word it had makes none, and a balance only as far as it
//! was looked at.

use crate::BenchError;
use crate::block_engine::BlockCase;
use crate::turns::median_ns;
use alloy_primitives::map::{AddressMap, HashMap};
use alloy_primitives::{Address, B256, U256};
use rialto_state::{
    Account, AccountDiff, Changes, Code, Diff, Footprint, Journal, MemoryState, ReadError, StateReader,
};
use rialto_stf::{BlockExecutor, TxRunner};
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

/// Runs of every block, of which the medians count.
const ROUNDS: usize = 7;
/// Keys the journal's hash tables. No result depends on it.
const HASH_SEED: u64 = 7;

/// A transaction by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TransactionProfile {
    /// Median time of running it, nanoseconds.
    pub run_ns: u64,
    /// Median time of putting its changes into a journal that did not make them, nanoseconds.
    pub apply_ns: u64,
    /// Earlier transactions whose changes it reads, ascending.
    pub reads_from: Vec<usize>,
    /// Gas that it may use.
    pub gas_limit: u64,
}

/// A block, transaction by transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BlockProfile {
    pub transactions: Vec<TransactionProfile>,
}

/// A state that changes while it is being read from.
struct Committed(RefCell<MemoryState>);

impl StateReader for Committed {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        self.0.borrow().account(address)
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        self.0.borrow().storage(address, slot)
    }

    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        self.0.borrow().has_storage(address)
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        self.0.borrow().code(code_hash)
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.0.borrow().block_hash(number)
    }
}

impl Committed {
    /// Pays a tip; the change that it is.
    fn pay(&self, beneficiary: Address, tip: U256) -> Diff {
        if tip.is_zero() {
            return Diff::default();
        }
        let before = self.0.borrow().get(&beneficiary).map(|account| account.info);
        let account = before.unwrap_or_default();
        let after = Some(Account { balance: account.balance.saturating_add(tip), ..account });
        let change = AccountDiff { address: beneficiary, before, after, storage_wiped: false, storage: Vec::new() };
        let diff = Diff { accounts: vec![change], codes: Vec::new() };
        self.0.borrow_mut().apply(&diff);
        diff
    }
}

/// What a location held: at first, and after each transaction that changed it.
struct History<T> {
    first: T,
    changes: Vec<(usize, T)>,
}

impl<T> History<T> {
    /// The last transaction without which the location would not do.
    fn needed(&self, will_do: impl Fn(&T) -> bool) -> Option<usize> {
        let before = |position: usize| match position.checked_sub(1) {
            Some(previous) => &self.changes[previous].1,
            None => &self.first,
        };
        let needed = (0..self.changes.len()).rev().find(|position| !will_do(before(*position)));
        needed.map(|position| self.changes[position].0)
    }
}

/// Who changed what to what.
#[derive(Default)]
struct Writers {
    accounts: AddressMap<History<Option<Account>>>,
    slots: HashMap<(Address, U256), History<U256>>,
    /// Whoever last deleted an account.
    wiped: AddressMap<usize>,
}

impl Writers {
    fn note(&mut self, index: usize, diff: &Diff) {
        for change in &diff.accounts {
            if change.before != change.after {
                let new = || History { first: change.before, changes: Vec::new() };
                self.accounts.entry(change.address).or_insert_with(new).changes.push((index, change.after));
            }
            if change.storage_wiped {
                self.wiped.insert(change.address, index);
            }
            for slot in &change.storage {
                let new = || History { first: slot.before, changes: Vec::new() };
                self.slots.entry((change.address, slot.slot)).or_insert_with(new).changes.push((index, slot.after));
            }
        }
    }

    /// Without whose changes a transaction would have done something else. Its sender's nonce is told to whoever runs it.
    fn needed_by(&self, footprint: &Footprint, sender: Address) -> Vec<usize> {
        let accounts = footprint.account_reads().filter_map(|read| {
            let history = self.accounts.get(&read.address)?;
            let told = read.account.filter(|_| read.address == sender).map(|account| account.nonce);
            history.needed(|then| {
                let with_nonce = |then: &Account| Account { nonce: told.unwrap_or(then.nonce), ..*then };
                read.holds_for(then.as_ref().map(with_nonce).as_ref())
            })
        });
        let slots = footprint.slot_reads().filter_map(|(address, slot, word)| {
            let history = self.slots.get(&(*address, *slot));
            let needed = history.and_then(|history| history.needed(|then| then == word));
            needed.max(self.wiped.get(address).copied())
        });
        let mut writers: Vec<usize> = accounts.chain(slots).collect();
        writers.sort_unstable();
        writers.dedup();
        writers
    }
}

/// Times of a transaction, a run of the block each.
#[derive(Clone, Default)]
struct Times {
    run: Vec<Duration>,
    apply: Vec<Duration>,
}

/// Profiles a block.
pub(crate) fn profile(block: &BlockCase) -> Result<BlockProfile, BenchError> {
    let mut times = vec![Times::default(); block.senders.len()];
    let mut transactions = run_once(block, &mut times)?;
    for _ in 1..ROUNDS {
        run_once(block, &mut times)?;
    }
    for (transaction, times) in transactions.iter_mut().zip(times) {
        (transaction.run_ns, transaction.apply_ns) = (median_ns(times.run), median_ns(times.apply));
    }
    Ok(BlockProfile { transactions })
}

/// Runs the block, adds to the `times` of each transaction, and returns who needs whom.
fn run_once(block: &BlockCase, times: &mut [Times]) -> Result<Vec<TransactionProfile>, BenchError> {
    let refused = |reason: String| BenchError::Refused { case: block.name.clone(), reason };
    let state = Committed(RefCell::new(block.state.clone()));
    let header = &block.block.header;
    let mut executor = BlockExecutor::new(&block.chain, header, &state);
    executor.begin().map_err(|error| refused(error.to_string()))?;
    let begun = executor.take_diff();
    state.0.borrow_mut().apply(&begun);

    let mut runner = TxRunner::new(&block.chain, header, &state, HASH_SEED);
    let mut told = Journal::new(&block.state, HASH_SEED);
    told.start_trials();
    let tips = Cell::new(U256::ZERO);
    let (mut writers, mut profiles) = (Writers::default(), Vec::new());
    for (index, (transaction, sender)) in block.block.transactions.iter().zip(&block.senders).enumerate() {
        let start = Instant::now();
        let effects = runner.run_together(std::slice::from_ref(transaction), &[*sender], &tips);
        times[index].run.push(start.elapsed());
        let footprint = effects.map_err(|error| refused(error.to_string()))?.footprint;
        profiles.push(TransactionProfile {
            reads_from: writers.needed_by(&footprint, *sender),
            gas_limit: transaction.gas_limit,
            ..TransactionProfile::default()
        });
        let done = runner.journal().diff();
        let changes = Changes::from(&done);
        let start = Instant::now();
        told.put_changes(&changes, None);
        times[index].apply.push(start.elapsed());
        state.0.borrow_mut().apply(&done);
        writers.note(index, &done);
        writers.note(index, &state.pay(header.beneficiary, tips.get()));
    }
    Ok(profiles)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_needs_the_last_change_that_makes_a_difference() {
        let history = |changes: &[(usize, u64)]| History { first: 5, changes: changes.to_vec() };
        type Changes = &'static [(usize, u64)];
        let rows: [(&str, Changes, u64, Option<usize>); 5] = [
            ("never changed", &[], 5, None),
            ("changed", &[(3, 6)], 6, Some(3)),
            ("changed twice", &[(3, 6), (4, 7)], 7, Some(4)),
            ("changed and changed back", &[(3, 6), (4, 5)], 5, Some(4)),
            ("written with the same word", &[(3, 6), (4, 6)], 6, Some(3)),
        ];
        for (name, changes, word, expected) in rows {
            assert_eq!(history(changes).needed(|then| *then == word), expected, "{name}");
        }
    }
}
