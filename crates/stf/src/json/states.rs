//! States from JSON: what fixtures call `pre` and `postState`, geth `alloc`, and block archives `pre_state.json`.
//!
//! All of them map an address to an account. The first two have `nonce`, `balance`, `code` and `storage` in the account
//! itself. The last nests nonce and balance in `basic`, and has the code as an interpreter keeps it: padded with zeros
//! beyond `original_len` and with an analysis that is of no use here; its hash beside it is checked.

use super::cursor::{JsonCursor, JsonError, JsonErrorKind};
use alloc::collections::BTreeMap;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use rialto_state::MemoryState;

/// An account of an [`Alloc`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllocAccount {
    /// Its nonce.
    pub nonce: u64,
    /// Its balance in wei.
    pub balance: U256,
    /// Its code.
    pub code: Bytes,
    /// Its slots that are not zero.
    pub storage: BTreeMap<U256, U256>,
}

/// A state: accounts by address.
pub type Alloc = BTreeMap<Address, AllocAccount>;

/// The state in an object from address to account.
pub fn alloc(cursor: &JsonCursor<'_>) -> Result<Alloc, JsonError> {
    let mut accounts = Alloc::new();
    for (key, value) in cursor.entries()? {
        let address = value.address_key(key)?;
        if accounts.insert(address, account(&value)?).is_some() {
            return Err(value.duplicate_key(key));
        }
    }
    Ok(accounts)
}

fn account(cursor: &JsonCursor<'_>) -> Result<AllocAccount, JsonError> {
    let basic = cursor.optional("basic")?.unwrap_or_else(|| cursor.clone());
    let mut account = AllocAccount::default();
    if let Some(nonce) = basic.optional("nonce")? {
        account.nonce = nonce.u64_or_decimal()?;
    }
    if let Some(balance) = basic.optional("balance")? {
        account.balance = balance.u256_or_decimal()?;
    }
    if let Some(code) = cursor.optional("code")? {
        account.code = if code.value().is_object() { padded_code(&code)? } else { code.bytes()? };
    }
    if let Some(hash) = cursor.optional("code_hash")?
        && hash.b256()? != keccak256(&account.code)
    {
        return Err(hash.error(JsonErrorKind::WrongCodeHash));
    }
    if let Some(storage) = cursor.optional("storage")? {
        account.storage = slots(&storage)?;
    }
    Ok(account)
}

/// `{bytecode, original_len}`: the code's first `original_len` bytes are the code.
fn padded_code(cursor: &JsonCursor<'_>) -> Result<Bytes, JsonError> {
    let padded = cursor.field("bytecode")?.bytes()?;
    let Some(length) = cursor.optional("original_len")? else { return Ok(padded) };
    let expected_bytes = usize::try_from(length.u64()?).unwrap_or(usize::MAX);
    if expected_bytes > padded.len() {
        let found_bytes = padded.len();
        return Err(length.error(JsonErrorKind::WrongLength { expected_bytes, found_bytes }));
    }
    Ok(padded.slice(..expected_bytes))
}

fn slots(cursor: &JsonCursor<'_>) -> Result<BTreeMap<U256, U256>, JsonError> {
    let mut slots = BTreeMap::new();
    for (key, value) in cursor.entries()? {
        if slots.insert(value.u256_key(key)?, value.u256()?).is_some() {
            return Err(value.duplicate_key(key));
        }
    }
    slots.retain(|_, value| !value.is_zero());
    Ok(slots)
}

/// Block hashes by number, from an object whose keys are decimal numbers.
pub fn block_hashes(cursor: &JsonCursor<'_>) -> Result<BTreeMap<u64, B256>, JsonError> {
    let mut hashes = BTreeMap::new();
    for (key, value) in cursor.entries()? {
        if hashes.insert(value.decimal_key(key)?, value.b256()?).is_some() {
            return Err(value.duplicate_key(key));
        }
    }
    Ok(hashes)
}

/// `accounts` as a state that can be read.
pub fn memory_state(accounts: &Alloc) -> MemoryState {
    let mut state = MemoryState::default();
    for (address, account) in accounts {
        let storage = account.storage.iter().map(|(slot, value)| (*slot, *value));
        state.insert_account(*address, account.nonce, account.balance, account.code.clone(), storage);
    }
    state
}
