//! The state of a block at any of its transactions, as its access list has it.
//!
//! The value of a balance, nonce, code or slot before transaction `i` is the last one that the list gives for an earlier index, and
//! where there is none, what the reader below says. The list is in order, so it is its own index: accounts by a hash table of their
//! positions, slots and indices by binary search.
//!
//! What the reader below said of an account or slot is kept in a cell that is set once, so that all threads together ask the
//! reader about once. The cells say something else, too: a cell that is still empty when all transactions have run belongs to
//! something that nobody accessed and that the list should not have. What the list lacks has no cell, and reading it fails.
//!
//! # What the list does not say
//! An account that destroys itself loses storage that the list does not name. But an account of which nothing is left, no nonce, no
//! balance, no code, does not exist (EIP-161), and what does not exist has no storage. So an index after which the list
//! leaves nothing of an account is one after which its slots are zero, whatever the reader below says. Accounts that exist
//! and are empty, of which no chain has any left, would spoil that; reading one fails.

use super::cells::{AccountCell, WordCell};
use alloy_primitives::map::{AddressMap, B256Map};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use rialto_state::{Account, AccountDiff, Code, Diff, Journal, ReadError, SlotDiff, StateReader, TxChange};
use rialto_stf::{AccountChanges, BlockAccessList, StorageChange};
use std::cell::{Cell, RefCell};
use std::sync::OnceLock;

/// See the module's documentation.
pub(super) struct ListView<'a> {
    list: &'a BlockAccessList,
    reader: &'a (dyn StateReader + Sync),
    positions: AddressMap<u32>,
    accounts: Vec<AccountCells>,
    /// Words before the block: of each account its written slots, then its read slots.
    words: Vec<WordCell>,
    /// The codes in the list, of each account.
    codes: Vec<OnceLock<Code>>,
    /// Number of changes at each index.
    change_counts: Vec<u32>,
}

struct AccountCells {
    /// The account before the block.
    base: AccountCell,
    first_word: usize,
    first_code: usize,
}

/// An account that was looked up last: slots of one account are read in a row, and so are changes.
#[derive(Default)]
pub(super) struct LastPosition(Cell<Option<(Address, u32)>>);

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

impl<'a> ListView<'a> {
    /// A list whose form is valid for a block with `last_index`, over the state before the block.
    pub fn new(list: &'a BlockAccessList, reader: &'a (dyn StateReader + Sync), last_index: u32) -> Self {
        let mut view = Self {
            list,
            reader,
            positions: AddressMap::with_capacity_and_hasher(list.0.len(), Default::default()),
            accounts: Vec::with_capacity(list.0.len()),
            words: Vec::new(),
            codes: Vec::new(),
            change_counts: vec![0; last_index as usize + 1],
        };
        let (mut words, mut codes) = (0, 0);
        let counts = &mut view.change_counts;
        for (position, account) in (0u32..).zip(&list.0) {
            view.positions.insert(account.address, position);
            view.accounts.push(AccountCells { base: AccountCell::default(), first_word: words, first_code: codes });
            words += account.storage_changes.len() + account.storage_reads.len();
            codes += account.code_changes.len();
            let slots = account.storage_changes.iter().flat_map(|slot| &slot.changes).map(|change| change.index);
            let indices = slots
                .chain(account.balance_changes.iter().map(|change| change.index))
                .chain(account.nonce_changes.iter().map(|change| change.index))
                .chain(account.code_changes.iter().map(|change| change.index));
            indices.for_each(|index| counts[index as usize] += 1);
        }
        view.words.resize_with(words, WordCell::default);
        view.codes.resize_with(codes, OnceLock::new);
        view
    }

    fn position(&self, address: &Address, last: &LastPosition) -> Result<usize, ReadError> {
        if let Some((found, position)) = last.0.get()
            && found == *address
        {
            return Ok(position as usize);
        }
        match self.positions.get(address) {
            Some(position) => {
                last.0.set(Some((*address, *position)));
                Ok(*position as usize)
            }
            None => Err(failed("an account that the access list lacks")),
        }
    }

    /// The account before the block.
    fn base(&self, position: usize) -> Result<Option<Account>, ReadError> {
        match self.accounts[position].base.get() {
            Some(account) => Ok(account),
            None => self.read_base(position),
        }
    }

    #[cold]
    fn read_base(&self, position: usize) -> Result<Option<Account>, ReadError> {
        let account = self.reader.account(&self.list.0[position].address)?;
        if account.is_some_and(|account| account.is_empty()) {
            return Err(failed("an account that exists and is empty"));
        }
        let deletions = self.deletions(position, account);
        self.accounts[position].base.set(account, deletions);
        Ok(account)
    }

    /// The indices after which nothing is left of an account that was `base` before the block.
    fn deletions(&self, position: usize, base: Option<Account>) -> Vec<u32> {
        let changes = &self.list.0[position];
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
        let changes = &self.list.0[position];
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
    fn account(&self, position: usize, index: u32) -> Result<(Option<Account>, Option<&Code>), ReadError> {
        let base = self.base(position)?;
        Ok(self.account_of(position, base, index))
    }

    /// Where a slot has its cell, and how it changes.
    fn find_slot(&self, position: usize, slot: &U256) -> Result<(usize, &'a [StorageChange]), ReadError> {
        let account = &self.list.0[position];
        let first = self.accounts[position].first_word;
        if let Ok(found) = account.storage_changes.binary_search_by(|changes| changes.slot.cmp(slot)) {
            return Ok((first + found, &account.storage_changes[found].changes));
        }
        match account.storage_reads.binary_search(slot) {
            Ok(found) => Ok((first + account.storage_changes.len() + found, &[])),
            Err(_) => Err(failed("a slot that the access list lacks")),
        }
    }

    /// A slot's word before the block.
    fn word(&self, position: usize, cell: usize, slot: &U256) -> Result<U256, ReadError> {
        match self.words[cell].get() {
            Some(word) => Ok(word),
            None => self.read_word(position, cell, slot),
        }
    }

    #[cold]
    fn read_word(&self, position: usize, cell: usize, slot: &U256) -> Result<U256, ReadError> {
        let exists = match self.accounts[position].base.exists() {
            Some(exists) => exists,
            None => self.read_base(position)?.is_some(),
        };
        let word = if exists { self.reader.storage(&self.list.0[position].address, slot)? } else { U256::ZERO };
        self.words[cell].set(word);
        Ok(word)
    }

    /// A slot's word before `index`.
    fn storage(&self, position: usize, slot: &U256, index: u32) -> Result<U256, ReadError> {
        let (cell, changes) = self.find_slot(position, slot)?;
        // Even if the list has a later word: that it was read is noted so, and the diff needs it.
        let word = self.word(position, cell, slot)?;
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
    fn has_storage(&self, position: usize, index: u32) -> Result<bool, ReadError> {
        let exists = self.base(position)?.is_some();
        let deletions = self.accounts[position].base.deletions();
        let is_gone = !exists || count_before(deletions, index, |index| *index) > 0;
        Ok(!is_gone && self.reader.has_storage(&self.list.0[position].address)?)
    }

    /// Notes the accesses of a transaction of which its reader was not told; whether the list has them.
    pub fn note_unasked(&self, journal: &Journal<'_>, last: &LastPosition) -> bool {
        journal.loaded_slots_of_absent().all(|(address, slot)| {
            let position = self.position(&address, last);
            position.is_ok_and(|position| self.storage(position, &slot, 0).is_ok())
        })
    }

    /// Notes what a list of accesses accesses; whether this list has it.
    pub fn note_all_of(&self, accesses: &BlockAccessList, last: &LastPosition) -> bool {
        accesses.0.iter().all(|account| {
            let Ok(position) = self.position(&account.address, last) else { return false };
            let changed = account.storage_changes.iter().map(|changes| &changes.slot);
            let mut slots = changed.chain(&account.storage_reads);
            self.base(position).is_ok() && slots.all(|slot| self.storage(position, slot, 0).is_ok())
        })
    }

    /// Whether the list has these changes at `index` and no other.
    pub fn has_just(&self, index: u32, changes: &[TxChange], last: &LastPosition) -> bool {
        let count = self.change_counts.get(index as usize).map(|count| *count as usize);
        count == Some(changes.len()) && changes.iter().all(|change| self.has(index, change, last))
    }

    fn has(&self, index: u32, change: &TxChange, last: &LastPosition) -> bool {
        let (TxChange::Balance(address, _)
        | TxChange::Nonce(address, _)
        | TxChange::Code(address, _)
        | TxChange::Slot(address, ..)) = change;
        let Ok(position) = self.position(address, last) else { return false };
        let listed = &self.list.0[position];
        match change {
            TxChange::Balance(_, balance) => {
                let at = change_at(&listed.balance_changes, index, |change| change.index);
                at.is_some_and(|at| listed.balance_changes[at].balance == *balance)
            }
            TxChange::Nonce(_, nonce) => {
                let at = change_at(&listed.nonce_changes, index, |change| change.index);
                at.is_some_and(|at| listed.nonce_changes[at].nonce == *nonce)
            }
            TxChange::Code(_, code) => {
                let at = change_at(&listed.code_changes, index, |change| change.index);
                at.is_some_and(|at| {
                    let is_equal = listed.code_changes[at].code == *code.bytes();
                    if is_equal {
                        // It has been hashed already, and perhaps translated.
                        self.codes[self.accounts[position].first_code + at].get_or_init(|| code.clone());
                    }
                    is_equal
                })
            }
            TxChange::Slot(_, slot, word) => self.find_slot(position, slot).is_ok_and(|(_, changes)| {
                let at = change_at(changes, index, |change| change.index);
                at.is_some_and(|at| changes[at].value == *word)
            }),
        }
    }

    /// Whether everything in the list was accessed.
    pub fn is_exhausted(&self) -> bool {
        self.accounts.iter().all(|account| account.base.is_set()) && self.words.iter().all(WordCell::is_set)
    }

    /// What the block changed, once it is known that the list is right.
    pub fn diff(&self) -> Option<Diff> {
        let mut diff = Diff::default();
        for (position, changes) in self.list.0.iter().enumerate() {
            let cells = &self.accounts[position];
            let before = cells.base.get()?;
            let (after, code) = self.account_of(position, before, u32::MAX);
            let storage_wiped = before.is_some() && !cells.base.deletions().is_empty();
            let storage = if after.is_some() { self.storage_diff(changes, cells)? } else { Vec::new() };
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
        diff.codes.sort_unstable_by_key(Code::hash);
        diff.codes.dedup_by_key(|code| code.hash());
        Some(diff)
    }

    fn storage_diff(&self, changes: &AccountChanges, cells: &AccountCells) -> Option<Vec<SlotDiff>> {
        let mut storage = Vec::with_capacity(changes.storage_changes.len());
        let last_deletion = cells.base.deletions().last();
        for (slot_changes, word) in changes.storage_changes.iter().zip(&self.words[cells.first_word..]) {
            let last = slot_changes.changes.last()?;
            let before = if last_deletion.is_some() { U256::ZERO } else { word.get()? };
            let is_gone = last_deletion.is_some_and(|deletion| *deletion >= last.index);
            let after = if is_gone { U256::ZERO } else { last.value };
            if before != after {
                storage.push(SlotDiff { slot: slot_changes.slot, before, after });
            }
        }
        Some(storage)
    }
}

/// Reads the state before one index after another.
pub(super) struct ListReader<'v, 'a> {
    view: &'v ListView<'a>,
    index: Cell<u32>,
    last: LastPosition,
    /// Codes in the list whose accounts were read here.
    codes: RefCell<B256Map<Code>>,
}

impl<'v, 'a> ListReader<'v, 'a> {
    /// The state before the block.
    pub fn new(view: &'v ListView<'a>) -> Self {
        Self { view, index: Cell::new(0), last: LastPosition::default(), codes: RefCell::default() }
    }

    /// What was looked up last, for looking up more.
    pub fn last(&self) -> &LastPosition {
        &self.last
    }

    fn position(&self, address: &Address) -> Result<usize, ReadError> {
        self.view.position(address, &self.last)
    }

    /// From now on the state before `index`. Whoever has read from here must forget it.
    pub fn set_index(&self, index: u32) {
        self.index.set(index);
    }
}

impl StateReader for ListReader<'_, '_> {
    fn account(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        let (account, code) = self.view.account(self.position(address)?, self.index.get())?;
        if let Some(code) = code
            && code.hash() != KECCAK256_EMPTY
        {
            self.codes.borrow_mut().entry(code.hash()).or_insert_with(|| code.clone());
        }
        Ok(account)
    }

    fn storage(&self, address: &Address, slot: &U256) -> Result<U256, ReadError> {
        self.view.storage(self.position(address)?, slot, self.index.get())
    }

    fn has_storage(&self, address: &Address) -> Result<bool, ReadError> {
        self.view.has_storage(self.position(address)?, self.index.get())
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
