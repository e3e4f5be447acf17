//! The state of a block at any of its transactions, as its access list has it.
//!
//! The value of a balance, nonce, code or slot before transaction `i` is the last one that the list gives for an earlier index, and
//! where there is none, what the reader below says. The list is in order, so it is its own index: accounts by a hash table of their
//! positions, slots and indices by binary search.
//!
//! What the reader below said of an account or slot is kept in a cell that is set once, so that all threads together ask the
//! reader about once. The cells say something else, too: of what the list has without a change, a cell that is still empty when all
//! transactions have run belongs to something that nobody accessed and that the list should not have. What the list lacks has no cell, and reading it fails.
//!
//! # What the list does not say
//! An account that destroys itself loses storage that the list does not name. But an account of which nothing is left, no nonce, no
//! balance, no code, does not exist (EIP-161), and what does not exist has no storage. So an index after which the list
//! leaves nothing of an account is one after which its slots are zero, whatever the reader below says. Accounts that exist
//! and are empty, of which no chain has any left, would spoil that; reading one fails.

use super::cells::{AccountCell, WordCell};
use super::index::AddressIndex;
use super::lookups::Lookups;
use alloy_primitives::map::B256Map;
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use rialto_state::{Account, AccountDiff, Code, Diff, Journal, ReadError, SlotDiff, StateReader, TxChangeRef};
use rialto_stf::{AccountChanges, BlockAccessList, StorageChange};
use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::ops::Range;
use std::sync::OnceLock;

/// See the module's documentation.
pub(super) struct ListView<'a> {
    list: &'a [AccountChanges],
    reader: &'a (dyn StateReader + Sync),
    index: AddressIndex,
    accounts: Vec<AccountCells>,
    /// Words before the block: of each account its written slots, then its read slots.
    words: Vec<WordCell>,
    /// The codes in the list, of each account.
    codes: Vec<OnceLock<Code>>,
}

struct AccountCells {
    /// The account before the block.
    base: AccountCell,
    first_word: usize,
    first_code: usize,
}

/// An error that no one sees: it makes the block be run in order.
fn failed(reason: &str) -> ReadError {
    ReadError::Backend(reason.into())
}

/// How many of the changes have an index below `index`. They ascend, so no more than `index` can, and of what changes all the
/// time nearly so many do; of what seldom changes, the last is most often among them. So the search begins at that end.
fn count_before<T>(changes: &[T], index: u32, index_of: impl Fn(&T) -> u32) -> usize {
    let mut high = changes.len().min(index as usize);
    let (mut low, mut step) = (high, 1);
    while low > 0 && index_of(&changes[low - 1]) >= index {
        high = low - 1;
        low = high.saturating_sub(step);
        step *= 2;
    }
    low + changes[low..high].partition_point(|change| index_of(change) < index)
}

/// The change at `index`.
fn change_at<T>(changes: &[T], index: u32, index_of: impl Fn(&T) -> u32) -> Option<usize> {
    let position = count_before(changes, index, &index_of);
    changes.get(position).is_some_and(|change| index_of(change) == index).then_some(position)
}

/// Where `slot` is among so many ascending ones.
///
/// Most are hashes, spread evenly, so the leading bits of one say about where it is, and a search from there sees fewer than a binary
/// search, which for what nobody has looked at before is what counts. It sees about as few where that is wrong.
fn find_ascending<'s>(count: usize, slot: &U256, slot_at: impl Fn(usize) -> &'s U256) -> Option<usize> {
    let order = |at: usize| slot_at(at).as_limbs().iter().rev().cmp(slot.as_limbs().iter().rev());
    let guess = ((u128::from(slot.as_limbs()[3]) * count as u128) >> 64) as usize;
    let (mut low, mut high, mut step) = (0, count, 1);
    let mut at = guess;
    while low < high {
        match order(at) {
            Ordering::Equal => return Some(at),
            Ordering::Less => low = at + 1,
            Ordering::Greater => high = at,
        }
        // In steps that double, until it is between two that were seen.
        let is_between = low > 0 && high < count;
        at = match (is_between, low > guess) {
            (true, _) => low + (high - low) / 2,
            (false, true) => (low + step).min(high.saturating_sub(1)),
            (false, false) => high.saturating_sub(1 + step).max(low),
        };
        step *= 2;
    }
    None
}

/// The place of a slot among the written and then the read slots of an account.
fn find_in(AccountChanges { storage_changes, storage_reads, .. }: &AccountChanges, slot: &U256) -> Option<usize> {
    find_ascending(storage_changes.len(), slot, |at| &storage_changes[at].slot).or_else(|| {
        let found = find_ascending(storage_reads.len(), slot, |at| &storage_reads[at])?;
        Some(storage_changes.len() + found)
    })
}

impl<'a> ListView<'a> {
    /// Over the state before the block. `None` unless the accounts in the list are in order; what else is wrong in its form does no harm
    /// here, but whoever believes what is read must see that nothing is.
    pub fn new(list: &'a BlockAccessList, reader: &'a (dyn StateReader + Sync)) -> Option<Self> {
        let list = list.0.as_slice();
        let index = AddressIndex::new(list)?;
        let mut accounts = Vec::with_capacity(list.len());
        let (mut words, mut codes) = (0, 0);
        for account in list {
            accounts.push(AccountCells { base: AccountCell::default(), first_word: words, first_code: codes });
            words += account.storage_changes.len() + account.storage_reads.len();
            codes += account.code_changes.len();
        }
        let words = std::iter::repeat_with(WordCell::default).take(words).collect();
        let codes = std::iter::repeat_with(OnceLock::new).take(codes).collect();
        Some(Self { list, reader, index, accounts, words, codes })
    }

    fn position(&self, address: &Address, lookups: &Lookups) -> Result<usize, ReadError> {
        let find = || self.index.find(self.list, address);
        lookups.position(address, find).ok_or_else(|| failed("an account that the access list lacks"))
    }

    /// The account before the block.
    fn base(&self, position: usize, lookups: &Lookups) -> Result<Option<Account>, ReadError> {
        match self.accounts[position].base.get() {
            Some(account) => Ok(account),
            None => self.read_base(position, lookups),
        }
    }

    #[cold]
    fn read_base(&self, position: usize, lookups: &Lookups) -> Result<Option<Account>, ReadError> {
        let account = self.reader.account(&self.list[position].address)?;
        if account.is_some_and(|account| account.is_empty()) {
            return Err(failed("an account that exists and is empty"));
        }
        let deletions = self.deletions(position, account);
        if self.accounts[position].base.set(account, deletions) {
            lookups.count_first_use();
        }
        Ok(account)
    }

    /// The indices after which nothing is left of an account that was `base` before the block.
    fn deletions(&self, position: usize, base: Option<Account>) -> Vec<u32> {
        let changes = &self.list[position];
        let balances = changes.balance_changes.iter().filter(|change| change.balance.is_zero()).map(|it| it.index);
        let nonces = changes.nonce_changes.iter().filter(|change| change.nonce == 0).map(|change| change.index);
        let codes = changes.code_changes.iter().filter(|change| change.code.is_empty()).map(|change| change.index);
        let mut indices: Vec<u32> = balances.chain(nonces).chain(codes).collect();
        indices.retain(|index| self.account_of(position, base, index.saturating_add(1)).0.is_none());
        indices.sort_unstable();
        indices.dedup();
        indices
    }

    /// The account before `index`, and its code if the list has it.
    fn account_of(&self, position: usize, base: Option<Account>, index: u32) -> (Option<Account>, Option<&Code>) {
        let changes = &self.list[position];
        let balances = count_before(&changes.balance_changes, index, |change| change.index);
        let nonces = count_before(&changes.nonce_changes, index, |change| change.index);
        let codes = count_before(&changes.code_changes, index, |change| change.index);
        if balances + nonces + codes == 0 {
            return (base, None);
        }
        let mut account = base.unwrap_or_default();
        if balances > 0 {
            account.balance = changes.balance_changes[balances - 1].balance;
        }
        if nonces > 0 {
            account.nonce = changes.nonce_changes[nonces - 1].nonce;
        }
        let mut code = None;
        if codes > 0 {
            let last = codes - 1;
            let cell = &self.codes[self.accounts[position].first_code + last];
            let found = cell.get_or_init(|| Code::new(changes.code_changes[last].code.clone()));
            account.code_hash = found.hash();
            code = Some(found);
        }
        ((!account.is_empty()).then_some(account), code)
    }

    /// The account before `index`, and its code if the list has it.
    fn account(
        &self,
        position: usize,
        index: u32,
        lookups: &Lookups,
    ) -> Result<(Option<Account>, Option<&Code>), ReadError> {
        let base = self.base(position, lookups)?;
        Ok(self.account_of(position, base, index))
    }

    /// Where a slot has its cell, and how it changes.
    fn find_slot(
        &self,
        position: usize,
        slot: &U256,
        lookups: &Lookups,
    ) -> Result<(usize, &'a [StorageChange]), ReadError> {
        let account = &self.list[position];
        let first = self.accounts[position].first_word;
        let find = || find_in(account, slot);
        let found = lookups.slot(position, slot, find).ok_or_else(|| failed("a slot that the access list lacks"))?;
        let changes = account.storage_changes.get(found).map_or(&[][..], |changes| &changes.changes);
        Ok((first + found, changes))
    }

    /// A slot's word before the block.
    fn word(&self, position: usize, cell: usize, slot: &U256, lookups: &Lookups) -> Result<U256, ReadError> {
        match self.words[cell].get() {
            Some(word) => Ok(word),
            None => self.read_word(position, cell, slot, lookups),
        }
    }

    #[cold]
    fn read_word(&self, position: usize, cell: usize, slot: &U256, lookups: &Lookups) -> Result<U256, ReadError> {
        let exists = match self.accounts[position].base.exists() {
            Some(exists) => exists,
            None => self.read_base(position, lookups)?.is_some(),
        };
        let word = if exists { self.reader.storage(&self.list[position].address, slot)? } else { U256::ZERO };
        let first_read = self.accounts[position].first_word + self.list[position].storage_changes.len();
        if self.words[cell].set(word) && cell >= first_read {
            lookups.count_first_use();
        }
        Ok(word)
    }

    /// A slot's word before `index`.
    fn storage(&self, position: usize, slot: &U256, index: u32, lookups: &Lookups) -> Result<U256, ReadError> {
        let (cell, changes) = self.find_slot(position, slot, lookups)?;
        // Even if the list has a later word: that it was read is noted so, and the diff needs it.
        let word = self.word(position, cell, slot, lookups)?;
        let deletions = self.accounts[position].base.deletions();
        let last_deletion = deletions[..count_before(deletions, index, |index| *index)].last();
        let last = changes[..count_before(changes, index, |change| change.index)].last();
        Ok(match (last, last_deletion) {
            (Some(change), Some(deletion)) if change.index <= *deletion => U256::ZERO,
            (Some(change), _) => change.value,
            (None, Some(_)) => U256::ZERO,
            (None, None) => word,
        })
    }

    /// Whether the account has a slot before `index` that was not written in the block: what is asked before a contract is created.
    fn has_storage(&self, position: usize, index: u32, lookups: &Lookups) -> Result<bool, ReadError> {
        let exists = self.base(position, lookups)?.is_some();
        let deletions = self.accounts[position].base.deletions();
        let is_gone = !exists || count_before(deletions, index, |index| *index) > 0;
        Ok(!is_gone && self.reader.has_storage(&self.list[position].address)?)
    }

    /// Notes the accesses of transactions of which their reader was not told; whether the list has them.
    pub fn note_unasked(&self, journal: &Journal<'_>, lookups: &Lookups) -> bool {
        journal.unasked_slots().all(|(address, slot)| {
            let position = self.position(&address, lookups);
            position.is_ok_and(|position| self.storage(position, &slot, 0, lookups).is_ok())
        })
    }

    /// Notes what a list of accesses accesses; whether this list has it.
    pub fn note_all_of(&self, accesses: &BlockAccessList, lookups: &Lookups) -> bool {
        accesses.0.iter().all(|account| {
            let Ok(position) = self.position(&account.address, lookups) else { return false };
            let changed = account.storage_changes.iter().map(|changes| &changes.slot);
            let mut slots = changed.chain(&account.storage_reads);
            self.base(position, lookups).is_ok() && slots.all(|slot| self.storage(position, slot, 0, lookups).is_ok())
        })
    }

    /// Whether the list has this change at `index`. Those that it has are counted: no two are the same, so when all there are have been
    /// found, those that the list has besides are as many as it has more.
    pub fn has(&self, index: u32, change: TxChangeRef<'_>, lookups: &Lookups) -> bool {
        let (TxChangeRef::Balance(address, _)
        | TxChangeRef::Nonce(address, _)
        | TxChangeRef::Code(address, _)
        | TxChangeRef::Slot(address, ..)) = change;
        let Ok(position) = self.position(address, lookups) else { return false };
        let listed = &self.list[position];
        lookups.count_change();
        match change {
            TxChangeRef::Balance(_, balance) => {
                let at = change_at(&listed.balance_changes, index, |change| change.index);
                at.is_some_and(|at| listed.balance_changes[at].balance == *balance)
            }
            TxChangeRef::Nonce(_, nonce) => {
                let at = change_at(&listed.nonce_changes, index, |change| change.index);
                at.is_some_and(|at| listed.nonce_changes[at].nonce == nonce)
            }
            TxChangeRef::Code(_, code) => {
                let Some(at) = change_at(&listed.code_changes, index, |change| change.index) else { return false };
                let found = &listed.code_changes[at].code;
                let Some(code) = code else { return found.is_empty() };
                let is_equal = found == code.bytes();
                if is_equal {
                    // It has been hashed already, and perhaps translated.
                    self.codes[self.accounts[position].first_code + at].get_or_init(|| code.clone());
                }
                is_equal
            }
            TxChangeRef::Slot(_, slot, word) => self.find_slot(position, slot, lookups).is_ok_and(|(_, changes)| {
                let at = change_at(changes, index, |change| change.index);
                at.is_some_and(|at| changes[at].value == *word)
            }),
        }
    }

    /// What the block changes in the accounts in this range, if the list is right.
    pub fn diff(&self, positions: Range<usize>, lookups: &Lookups) -> Result<Diff, ReadError> {
        let mut diff = Diff::default();
        for position in positions {
            let changes = &self.list[position];
            let is_read_only = changes.storage_changes.is_empty()
                && changes.balance_changes.is_empty()
                && changes.nonce_changes.is_empty()
                && changes.code_changes.is_empty();
            if is_read_only {
                continue;
            }
            let before = self.base(position, lookups)?;
            let (after, code) = self.account_of(position, before, u32::MAX);
            let storage_wiped = before.is_some() && !self.accounts[position].base.deletions().is_empty();
            let storage = if after.is_some() { self.storage_diff(position, lookups)? } else { Vec::new() };
            if before == after && storage.is_empty() && !storage_wiped {
                continue;
            }
            if let (Some(code), Some(after)) = (code, after)
                && after.has_code()
                && before.is_none_or(|before| before.code_hash != after.code_hash)
            {
                diff.codes.push(code.clone());
            }
            diff.accounts.push(AccountDiff { address: changes.address, before, after, storage_wiped, storage });
        }
        Ok(diff)
    }

    fn storage_diff(&self, position: usize, lookups: &Lookups) -> Result<Vec<SlotDiff>, ReadError> {
        let (changes, cells) = (&self.list[position], &self.accounts[position]);
        let mut storage = Vec::with_capacity(changes.storage_changes.len());
        let last_deletion = cells.base.deletions().last();
        for (slot_changes, cell) in changes.storage_changes.iter().zip(cells.first_word..) {
            let slot = slot_changes.slot;
            let Some(last) = slot_changes.changes.last() else { continue };
            let before = if last_deletion.is_some() { U256::ZERO } else { self.word(position, cell, &slot, lookups)? };
            let is_gone = last_deletion.is_some_and(|deletion| *deletion >= last.index);
            let after = if is_gone { U256::ZERO } else { last.value };
            if before != after {
                storage.push(SlotDiff { slot, before, after });
            }
        }
        Ok(storage)
    }
}

/// Reads the state before one index after another.
pub(super) struct ListReader<'v, 'a> {
    view: &'v ListView<'a>,
    index: Cell<u32>,
    lookups: Lookups,
    /// Codes in the list whose accounts were read here.
    codes: RefCell<B256Map<Code>>,
}

impl<'v, 'a> ListReader<'v, 'a> {
    /// The state before the block.
    pub fn new(view: &'v ListView<'a>) -> Self {
        Self { view, index: Cell::new(0), lookups: Lookups::default(), codes: RefCell::default() }
    }

    /// What was looked up, for looking up more.
    pub fn lookups(&self) -> &Lookups {
        &self.lookups
    }

    fn position(&self, address: &Address) -> Result<usize, ReadError> {
        self.view.position(address, &self.lookups)
    }

    /// From now on the state before `index`. Whoever has read from here must forget it.
    pub fn set_index(&self, index: u32) {
        self.index.set(index);
    }
}

impl StateReader for ListReader<'_, '_> {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        let (account, code) = self.view.account(self.position(address)?, self.index.get(), &self.lookups)?;
        if let Some(code) = code
            && code.hash() != KECCAK256_EMPTY
        {
            self.codes.borrow_mut().entry(code.hash()).or_insert_with(|| code.clone());
        }
        Ok(account)
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        self.view.storage(self.position(address)?, slot, self.index.get(), &self.lookups)
    }

    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        self.view.has_storage(self.position(address)?, self.index.get(), &self.lookups)
    }

    fn code(&self, code_hash: &B256) -> Result<Code, ReadError> {
        match self.codes.borrow().get(code_hash) {
            Some(code) => Ok(code.clone()),
            None => self.view.reader.code(code_hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<B256, ReadError> {
        self.view.reader.block_hash(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::keccak256;

    #[test]
    fn each_slot_is_found_and_no_other() {
        let small = |count: u64| (0..count).map(|it| U256::from(2 * it)).collect::<Vec<_>>();
        let hashed = |count: u64| (0..count).map(|it| keccak256(it.to_be_bytes()).into()).collect::<Vec<U256>>();
        let high = |count: u64| (0..count).map(|it| U256::MAX - U256::from(3 * it)).collect::<Vec<_>>();
        let rows =
            [vec![], small(1), small(200), hashed(1), hashed(500), high(77), [small(9), hashed(40), high(5)].concat()];
        for mut slots in rows {
            slots.sort_unstable();
            let find = |slot: &U256| find_ascending(slots.len(), slot, |at| &slots[at]);
            for (at, slot) in slots.iter().enumerate() {
                assert_eq!(find(slot), Some(at), "{slot} of {}", slots.len());
                assert_eq!(find(&(slot ^ U256::from(1))), None, "beside {slot} of {}", slots.len());
            }
            for other in [U256::from(7), U256::MAX - U256::from(1), U256::from(1) << 255] {
                assert_eq!(find(&other), slots.binary_search(&other).ok(), "{other} of {}", slots.len());
            }
        }
    }
}
