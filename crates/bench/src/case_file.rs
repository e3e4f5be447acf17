//! A case from a file: anyone's bytecode, run as a call transaction.
//!
//! ```json
//! {
//!   "name": "loop", "code": "0x5b600056", "input": "0x", "gas_limit": "0x2faf080",
//!   "storage": {"0x0": "0x1"},
//!   "accounts": {"0x00000000000000000000000000000000000000aa": {"code": "0x00", "balance": "0x1", "storage": {}}}
//! }
//! ```
//!
//! `storage` and `accounts` may be absent, and so may every field of an account. The code is put at [`TARGET`], where
//! the file may not put an account of its own, and a sender with enough ether calls it. The rules are Osaka's; with a gas
//! limit above the most that Osaka allows a transaction (2^24) they are Prague's, which has no such bound.

use crate::BenchError;
use crate::case::{Case, CaseTransaction, Group};
use crate::files::Document;
use crate::synthetic::{self, CHAIN_ID};
use alloy_primitives::{Address, U256, address};
use rialto_stf::json::{self, Alloc, AllocAccount, JsonCursor, JsonError};
use rialto_stf::{ChainSpec, Header, Transaction};
use rialto_vm::Fork;
use std::collections::BTreeMap;
use std::path::Path;

/// Where a case file's code is put.
pub const TARGET: Address = address!("0x00000000000000000000000000000000c0de0001");
/// The account that calls it.
pub const SENDER: Address = address!("0x00000000000000000000000000000000ca110001");

const FIELDS: &[&str] = &["name", "code", "input", "gas_limit", "storage", "accounts"];
const ACCOUNT_FIELDS: &[&str] = &["code", "balance", "storage"];

/// Reads a case file.
pub fn load(path: &Path) -> Result<Case, BenchError> {
    parse(&path.display().to_string(), &std::fs::read(path).map_err(|error| crate::files::failed(path, error))?)
}

/// Reads a case file's text; `file` is its name in errors.
pub fn parse(file: &str, text: &[u8]) -> Result<Case, BenchError> {
    let document = Document::parse(file, text)?;
    refuse_unknown_fields(&document)?;
    let (name, transaction, mut accounts) = document.decode(read)?;
    for reserved in [TARGET, SENDER] {
        if accounts.1.contains_key(&reserved) {
            return Err(BenchError::ReservedAddress { file: file.into(), field: format!("accounts.{reserved}") });
        }
    }
    // The file's own account goes before where it names one of these.
    for (address, account) in synthetic::system_accounts() {
        accounts.1.entry(address).or_insert(account);
    }
    accounts.1.insert(TARGET, accounts.0);
    accounts.1.insert(SENDER, AllocAccount { balance: U256::MAX >> 1, ..AllocAccount::default() });
    let header = synthetic::header();
    let is_capped = transaction.gas_limit <= synthetic::MAX_TRANSACTION_GAS;
    Ok(Case {
        name,
        group: Group::Synthetic,
        chain: ChainSpec::of_fork(if is_capped { Fork::Osaka } else { Fork::Prague }, CHAIN_ID),
        header: Header { gas_limit: header.gas_limit.max(transaction.gas_limit), ..header },
        block_hashes: BTreeMap::new(),
        accounts: accounts.1,
        transactions: vec![CaseTransaction { sender: SENDER, transaction }],
        checks_gas_used: false,
    })
}

/// The name, the transaction, and the target and the other accounts.
type Parts = (String, Transaction, (AllocAccount, Alloc));

fn read(root: &JsonCursor<'_>) -> Result<Parts, JsonError> {
    let transaction = Transaction {
        chain_id: Some(CHAIN_ID),
        gas_price: U256::from(synthetic::header().base_fee_per_gas.unwrap_or_default()),
        gas_limit: root.field("gas_limit")?.u64()?,
        to: Some(TARGET),
        input: root.field("input")?.bytes()?,
        ..Transaction::default()
    };
    // An account of a state has the fields that the target's are named after.
    let mut target = AllocAccount { nonce: 1, code: root.field("code")?.bytes()?, ..AllocAccount::default() };
    if let Some(storage) = root.optional("storage")? {
        for (key, value) in storage.entries()? {
            if target.storage.insert(value.u256_key(key)?, value.u256()?).is_some() {
                return Err(value.duplicate_key(key));
            }
        }
    }
    target.storage.retain(|_, value| !value.is_zero());
    let mut accounts = root.optional("accounts")?.map_or(Ok(Alloc::new()), |accounts| json::alloc(&accounts))?;
    for account in accounts.values_mut().filter(|account| !account.code.is_empty()) {
        account.nonce = 1;
    }
    Ok((root.field("name")?.string()?.to_string(), transaction, (target, accounts)))
}

/// A misspelt optional field would change what is measured without a word.
fn refuse_unknown_fields(document: &Document) -> Result<(), BenchError> {
    let root = document.root();
    let mut objects = vec![(root.clone(), FIELDS)];
    if let Ok(Some(accounts)) = root.optional("accounts") {
        objects.extend(accounts.entries().into_iter().flatten().map(|(_, account)| (account, ACCOUNT_FIELDS)));
    }
    for (object, known) in objects {
        // What is not an object is for the reader to complain about.
        for (key, value) in object.entries().into_iter().flatten() {
            if !known.contains(&key) {
                return Err(BenchError::UnknownField { file: document.file().into(), field: value.path(), known });
            }
        }
    }
    Ok(())
}
