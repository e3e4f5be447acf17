//! State that a block will read, read before it does.
//!
//! Running a block asks the database for one account or slot after the other, and each that is not in memory costs a wait
//! for the disk. Much of what will be asked for is known before: who sends and who receives, the access lists of
//! transactions, and the whole of it where the block comes with an access list. Threads of their own read that meanwhile.
//! What they read is dropped: it is enough that the pages, and the codes, are in memory when execution asks for them, so
//! nothing that is read ahead can be wrong.
//!
//! It never holds up a block. Nobody waits for a read ahead; it ends with the block, however far it has come. And where the
//! first few reads show that all is in memory already, there is nothing to wait for and the rest is left out, so that
//! execution has the cores for itself.

use crate::StateView;
use alloy_primitives::{Address, KECCAK256_EMPTY, U256};
use rialto_state::StateReader;
use rialto_stf::{Block, BlockAccessList};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::Scope;
use std::time::{Duration, Instant};

/// Threads that read ahead. They wait for the disk most of the time, and a disk is fastest when asked for several things at once.
const THREADS: usize = 4;
/// Fewer reads are not worth a thread.
const MIN_READS: usize = 32;
/// Most reads of one block.
const MAX_READS: usize = 1 << 16;
/// Reads that show whether the state is in memory.
const PROBES: usize = 16;
/// A probe that takes longer has waited for the disk.
const QUICK: Duration = Duration::from_micros(40);
/// Slow probes among all that make it worth going on.
const MIN_SLOW_PROBES: usize = 2;

/// One thing to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    /// An account, and its code if it has one.
    Account(Address),
    Slot(Address, U256),
}

/// What is known beforehand of what a block reads, in the order in which it is needed.
#[derive(Default)]
pub(crate) struct ReadAhead {
    reads: Vec<Read>,
    next: AtomicUsize,
    is_over: AtomicBool,
}

impl ReadAhead {
    /// That of a block whose transactions these have sent.
    pub fn of(block: &Block, senders: &[Address], access_list: Option<&BlockAccessList>) -> Self {
        let mut reads = Vec::new();
        if let Some(list) = access_list {
            for account in &list.0 {
                reads.push(Read::Account(account.address));
                let changed = account.storage_changes.iter().map(|change| change.slot);
                let slots = changed.chain(account.storage_reads.iter().copied());
                reads.extend(slots.map(|slot| Read::Slot(account.address, slot)));
            }
        } else {
            for (transaction, sender) in block.transactions.iter().zip(senders) {
                reads.push(Read::Account(*sender));
                reads.extend(transaction.to.map(Read::Account));
                for item in &transaction.access_list {
                    reads.push(Read::Account(item.address));
                    reads.extend(item.storage_keys.iter().map(|key| Read::Slot(item.address, (*key).into())));
                }
            }
        }
        reads.truncate(MAX_READS);
        Self { reads, ..Self::default() }
    }

    /// Begins to read from `state`, on threads of the scope, which end soon after [`ReadAhead::end`].
    pub fn begin<'scope, 'a: 'scope>(&'a self, scope: &'scope Scope<'scope, 'a>, state: &'a StateView) {
        if self.reads.len() >= MIN_READS {
            scope.spawn(move || {
                if self.is_cold(state) {
                    (1..THREADS).for_each(|_| drop(scope.spawn(|| self.read_all(state))));
                    self.read_all(state);
                }
            });
        }
    }

    /// Nothing more is worth reading.
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Reads on this thread if there is anything to wait for, until `is_over` says that it is too late.
    pub fn read_now(&self, state: &StateView, is_over: impl Fn() -> bool) {
        if self.reads.len() >= MIN_READS && self.is_cold(state) {
            while !is_over() && self.read_next(state) {}
        }
    }

    /// Whether the state, or much of it, has to be read from the disk.
    fn is_cold(&self, state: &StateView) -> bool {
        let mut slow = 0;
        for _ in 0..PROBES {
            let begin = Instant::now();
            if !self.read_next(state) {
                return false;
            }
            slow += usize::from(begin.elapsed() > QUICK);
        }
        slow >= MIN_SLOW_PROBES
    }

    fn read_all(&self, state: &StateView) {
        while self.read_next(state) {}
    }

    /// Reads one thing; false where there is none left, or no use in it. What can't be read is execution's to report.
    fn read_next(&self, state: &StateView) -> bool {
        if self.is_over.load(Ordering::Relaxed) {
            return false;
        }
        let Some(read) = self.reads.get(self.next.fetch_add(1, Ordering::Relaxed)) else { return false };
        match read {
            Read::Account(address) => {
                if let Ok(Some(account)) = state.account(address)
                    && account.code_hash != KECCAK256_EMPTY
                {
                    let _ = state.code(&account.code_hash);
                }
            }
            Read::Slot(address, slot) => {
                let _ = state.storage(address, slot);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::B256;
    use rialto_stf::{AccessListItem, AccountChanges, SlotChanges, Transaction};

    #[test]
    fn what_a_block_reads_is_known_from_its_transactions_or_its_list() {
        let [a, b, c] = [1, 2, 3].map(Address::with_last_byte);
        let item = AccessListItem { address: c, storage_keys: vec![B256::with_last_byte(7)] };
        let transaction = Transaction { to: Some(b), access_list: vec![item], ..Transaction::default() };
        let creation = Transaction { to: None, ..Transaction::default() };
        let block = Block { transactions: vec![transaction, creation], ..Block::default() };
        let written = SlotChanges { slot: U256::from(8), changes: Vec::new() };
        let changes = AccountChanges {
            address: c,
            storage_changes: vec![written],
            storage_reads: vec![U256::from(9)],
            ..AccountChanges::default()
        };
        let list = BlockAccessList(vec![changes]);
        let slot = |number| Read::Slot(c, U256::from(number));
        let [from_a, to_b, in_c] = [a, b, c].map(Read::Account);
        let rows = [
            ("without a list", None, vec![from_a, to_b, in_c, slot(7), from_a]),
            ("with a list", Some(&list), vec![in_c, slot(8), slot(9)]),
        ];
        for (name, list, expected) in rows {
            assert_eq!(ReadAhead::of(&block, &[a, a], list).reads, expected, "{name}");
        }
    }
}
