//! The state of a block at any of its transactions, as its access list has it.
//!
//! The value of a balance, nonce, code or slot before transaction `i` is the last one that the list gives for an earlier index, and
//! where there is none, what the reader below says. The list is in order, so it is its own index: accounts by the
//! leading bits of their addresses (`index`), slots and indices by searching.
//!
//! Each thread asks the reader below itself, and before it looks into the list, so that a core waits for both at once: to wait for what
//! another core has just been told would take as long as most readers do. What threads note of their reads is looked at when there are
//! no more transactions to take: for the diff, the accounts and slots before the block that the block changes; and, in a bit each (see
//! `lookups`), that an account was used, or a slot that the list has without a change. One that no thread has used when
//! all are through is one that the list should not have. What the list lacks has no place, and reading it fails.
//!
//! # What the list does not say
//! An account that destroys itself loses storage that the list does not name. But an account of which nothing is left, no nonce, no
//! balance, no code, does not exist (EIP-161), and what does not exist has no storage. So an index after which the list
//! leaves nothing of an account is one after which its slots are zero, whatever the reader below says. Accounts that exist
//! and are empty, of which no chain has any left, would spoil that; reading one fails.

use super::cells::{AccountCell, WordCell};
use super::index::AddressIndex;
use super::lookups::{Known, Lookups, Used};
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
    firsts: Vec<Firsts>,
    /// Accounts before the block, of those that it changes.
    accounts: Vec<AccountCell>,
    /// Words before the block of the slots that it writes, of each account.
    words: Vec<WordCell>,
    /// The codes in the list, of each account.
    codes: Vec<OnceLock<Code>>,
    /// Whether an account was used, and then whether a slot that the block only reads was.
    used: Used,
    /// How many things there are to be used.
    uses: usize,
}

/// Where an account's own begin.
struct Firsts {
    word: usize,
    code: usize,
    /// The slots that are only read, among the things to be used.
    read: usize,
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
    let halves = |slot: &U256| {
        let [a, b, c, d] = slot.as_limbs().map(u128::from);
        (d << 64 | c, b << 64 | a)
    };
    let sought = halves(slot);
    let order = |at: usize| halves(slot_at(at)).cmp(&sought);
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

/// Whether no balance, nonce or code of an account changes.
fn is_record_kept(account: &AccountChanges) -> bool {
    account.balance_changes.is_empty() && account.nonce_changes.is_empty() && account.code_changes.is_empty()
}

/// Whether nothing of an account changes.
fn is_only_read(account: &AccountChanges) -> bool {
    account.storage_changes.is_empty() && is_record_kept(account)
}

impl<'a> ListView<'a> {
    /// Over the state before the block. `None` unless the accounts in the list are in order; what else is wrong in its form does no harm
    /// here, but whoever believes what is read must see that nothing is.
    pub fn new(list: &'a BlockAccessList, reader: &'a (dyn StateReader + Sync)) -> Option<Self> {
        let list = list.0.as_slice();
        let index = AddressIndex::new(list)?;
        let mut firsts = Vec::with_capacity(list.len());
        let (mut words, mut codes, mut uses) = (0, 0, list.len());
        for account in list {
            firsts.push(Firsts { word: words, code: codes, read: uses });
            words += account.storage_changes.len();
            codes += account.code_changes.len();
            uses += account.storage_reads.len();
        }
        let accounts = std::iter::repeat_with(AccountCell::default).take(list.len()).collect();
        let words = std::iter::repeat_with(WordCell::default).take(words).collect();
        let codes = std::iter::repeat_with(OnceLock::new).take(codes).collect();
        Some(Self { list, reader, index, firsts, accounts, words, codes, used: Used::new(uses), uses })
    }

    /// Adds what a thread used to what was used.
    pub fn tell_used(&self, lookups: &Lookups) {
        lookups.tell_used(&self.used);
    }

    /// Whether all that the list has without a change was used, as far as threads have told.
    pub fn is_all_used(&self) -> bool {
        self.used.count() == self.uses
    }

    fn position(&self, address: &Address, lookups: &Lookups) -> Result<usize, ReadError> {
        let find = || self.index.find(self.list, address);
        lookups.position(address, find).ok_or_else(|| failed("an account that the access list lacks"))
    }

    /// An account before the block, asked of the reader.
    fn ask(&self, address: &Address) -> Result<Option<Account>, ReadError> {
        let account = self.reader.account(address)?;
        if account.is_some_and(|account| account.is_empty()) {
            return Err(failed("an account that exists and is empty"));
        }
        Ok(account)
    }

    /// Notes that an account is used, which was `base` before the block.
    fn know(&self, position: usize, base: Option<Account>, lookups: &Lookups) {
        if lookups.known(position) == Known::Nothing {
            lookups.know(position, base.is_some(), self.deletions(position, base));
            lookups.mark_used(position);
            if !is_only_read(&self.list[position]) {
                self.accounts[position].set(base);
            }
        }
    }

    /// What is known of the account before the block, which is used.
    fn known(&self, position: usize, lookups: &Lookups) -> Result<Known, ReadError> {
        if lookups.known(position) == Known::Nothing {
            self.know(position, self.ask(&self.list[position].address)?, lookups);
        }
        Ok(lookups.known(position))
    }

    /// The ascending indices after which nothing is left of an account that was `base` before the block.
    fn deletions(&self, position: usize, base: Option<Account>) -> Vec<u32> {
        let AccountChanges { balance_changes, nonce_changes, code_changes, .. } = &self.list[position];
        if is_record_kept(&self.list[position]) {
            return Vec::new();
        }
        let nonces = nonce_changes.iter().filter(|change| change.nonce == 0).map(|change| change.index);
        // Who has a nonce loses it first.
        if base.is_some_and(|base| base.nonce > 0) && nonces.clone().next().is_none() {
            return Vec::new();
        }
        let balances = balance_changes.iter().filter(|change| change.balance.is_zero()).map(|change| change.index);
        let codes = code_changes.iter().filter(|change| change.code.is_empty()).map(|change| change.index);
        let mut indices: Vec<u32> = balances.chain(nonces).chain(codes).collect();
        indices.retain(|index| self.account_of(position, base, index.saturating_add(1)).0.is_none());
        indices.sort_unstable();
        indices.dedup();
        indices
    }

    /// The account before `index`, and its code if the list has it.
    fn account_of(&self, position: usize, base: Option<Account>, index: u32) -> (Option<Account>, Option<&Code>) {
        let changes = &self.list[position];
        if index == 0 || is_record_kept(changes) {
            return (base, None);
        }
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
            let cell = &self.codes[self.firsts[position].code + last];
            let found = cell.get_or_init(|| Code::new(changes.code_changes[last].code.clone()));
            account.code_hash = found.hash();
            code = Some(found);
        }
        ((!account.is_empty()).then_some(account), code)
    }

    /// The account before `index`, and its code if the list has it.
    fn account(
        &self,
        address: &Address,
        index: u32,
        lookups: &Lookups,
    ) -> Result<(Option<Account>, Option<&Code>), ReadError> {
        // First what takes longest: the core looks into the list while it waits.
        let base = self.ask(address);
        let position = self.position(address, lookups)?;
        let base = base?;
        self.know(position, base, lookups);
        Ok(self.account_of(position, base, index))
    }

    /// Where a slot is among the written and then the read slots of its account, and how it changes.
    fn find_slot(
        &self,
        position: usize,
        slot: &U256,
        lookups: &Lookups,
    ) -> Result<(usize, &'a [StorageChange]), ReadError> {
        let account = &self.list[position];
        let find = || find_in(account, slot);
        let place = lookups.slot(position, slot, find).ok_or_else(|| failed("a slot that the access list lacks"))?;
        let changes = account.storage_changes.get(place).map_or(&[][..], |changes| &changes.changes);
        Ok((place, changes))
    }

    /// As [`ListView::find_slot`], of a slot that is used.
    fn use_slot(
        &self,
        position: usize,
        slot: &U256,
        lookups: &Lookups,
    ) -> Result<(usize, &'a [StorageChange]), ReadError> {
        let (place, changes) = self.find_slot(position, slot, lookups)?;
        if let Some(read) = place.checked_sub(self.list[position].storage_changes.len()) {
            lookups.mark_used(self.firsts[position].read + read);
        }
        Ok((place, changes))
    }

    /// A slot's word before `index`.
    fn storage(&self, position: usize, slot: &U256, index: u32, lookups: &Lookups) -> Result<U256, ReadError> {
        let known = self.known(position, lookups)?;
        // Asked before it is known whether it is needed: it seldom is not, and the core waits for this and for the list at once.
        let asked = match known {
            Known::Present => self.reader.storage(&self.list[position].address, slot),
            _ => Ok(U256::ZERO),
        };
        let (place, changes) = self.use_slot(position, slot, lookups)?;
        let last = changes[..count_before(changes, index, |change| change.index)].last();
        if known == Known::Deleted {
            return self.storage_of_deleted(position, slot, last, index, lookups);
        }
        if let Some(change) = last {
            return Ok(change.value);
        }
        let word = asked?;
        if !changes.is_empty() && known == Known::Present {
            self.words[self.firsts[position].word + place].set(word);
        }
        Ok(word)
    }

    /// The word before `index` of a slot that the list says was written last in `last`, where nothing is left of its account at times.
    #[cold]
    fn storage_of_deleted(
        &self,
        position: usize,
        slot: &U256,
        last: Option<&StorageChange>,
        index: u32,
        lookups: &Lookups,
    ) -> Result<U256, ReadError> {
        match (last, lookups.last_deletion(position, index)) {
            (Some(change), Some(deletion)) if change.index <= deletion => Ok(U256::ZERO),
            (Some(change), _) => Ok(change.value),
            (None, Some(_)) => Ok(U256::ZERO),
            (None, None) if self.ask(&self.list[position].address)?.is_none() => Ok(U256::ZERO),
            (None, None) => self.reader.storage(&self.list[position].address, slot),
        }
    }

    /// Whether the account has a slot before `index` that was not written in the block: what is asked before a contract is created.
    fn has_storage(&self, position: usize, index: u32, lookups: &Lookups) -> Result<bool, ReadError> {
        let is_gone = match self.known(position, lookups)? {
            Known::Deleted if lookups.last_deletion(position, index).is_some() => true,
            Known::Deleted => self.ask(&self.list[position].address)?.is_none(),
            known => known == Known::Absent,
        };
        Ok(!is_gone && self.reader.has_storage(&self.list[position].address)?)
    }

    /// Notes the accesses of transactions of which their reader was not told; whether the list has them.
    pub fn note_unasked(&self, journal: &Journal<'_>, lookups: &Lookups) -> bool {
        journal.unasked_slots().all(|(address, slot)| {
            let position = self.position(&address, lookups);
            position.is_ok_and(|position| {
                self.known(position, lookups).is_ok() && self.use_slot(position, &slot, lookups).is_ok()
            })
        })
    }

    /// Notes what a list of accesses accesses; whether this list has it.
    pub fn note_all_of(&self, accesses: &BlockAccessList, lookups: &Lookups) -> bool {
        accesses.0.iter().all(|account| {
            let Ok(position) = self.position(&account.address, lookups) else { return false };
            let changed = account.storage_changes.iter().map(|changes| &changes.slot);
            let mut slots = changed.chain(&account.storage_reads);
            self.known(position, lookups).is_ok() && slots.all(|slot| self.use_slot(position, slot, lookups).is_ok())
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
                    self.codes[self.firsts[position].code + at].get_or_init(|| code.clone());
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
    pub fn diff(&self, positions: Range<usize>) -> Result<Diff, ReadError> {
        let mut diff = Diff::default();
        for position in positions {
            let changes = &self.list[position];
            if is_only_read(changes) {
                continue;
            }
            let before = match self.accounts[position].get() {
                Some(account) => account,
                None => self.ask(&changes.address)?,
            };
            let (after, code) = self.account_of(position, before, u32::MAX);
            let last_deletion = self.deletions(position, before).last().copied();
            let storage_wiped = before.is_some() && last_deletion.is_some();
            let has_words = before.is_some() && last_deletion.is_none();
            let storage = match after {
                Some(_) => self.storage_diff(position, has_words, last_deletion)?,
                None => Vec::new(),
            };
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

    /// What the block changes in an account's slots; `has_words` unless all of them are zero before it, or were made so by it.
    fn storage_diff(
        &self,
        position: usize,
        has_words: bool,
        last_deletion: Option<u32>,
    ) -> Result<Vec<SlotDiff>, ReadError> {
        let changes = &self.list[position];
        let mut storage = Vec::with_capacity(changes.storage_changes.len());
        for (slot_changes, cell) in changes.storage_changes.iter().zip(&self.words[self.firsts[position].word..]) {
            let slot = slot_changes.slot;
            let Some(last) = slot_changes.changes.last() else { continue };
            let before = match cell.get() {
                _ if !has_words => U256::ZERO,
                Some(word) => word,
                None => self.reader.storage(&changes.address, &slot)?,
            };
            let is_gone = last_deletion.is_some_and(|deletion| deletion >= last.index);
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
        let lookups = Lookups::new(view.list.len(), &view.used);
        Self { view, index: Cell::new(0), lookups, codes: RefCell::default() }
    }

    /// What was looked up, for looking up more.
    pub fn lookups(&self) -> &Lookups {
        &self.lookups
    }

    /// Tells what was used here.
    pub fn tell_used(&self) {
        self.view.tell_used(&self.lookups);
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
        let (account, code) = self.view.account(address, self.index.get(), &self.lookups)?;
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
