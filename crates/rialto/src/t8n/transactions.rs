//! The transactions to apply: JSON, signed or with a key to sign them with, or an RLP list of signed ones.

use crate::CliError;
use crate::input::{Document, hex_text};
use crate::t8n::T8nError;
use alloy_primitives::B256;
use rialto_stf::json::{self, JsonCursor, JsonError};
use rialto_stf::{RlpReader, Transaction, TxType};

/// A transaction, or why there is none in its place.
pub type ReadTransaction = Result<Transaction, String>;

/// Reads a JSON list. A transaction whose signature can't be one is rejected in its place; anything else that is wrong is
/// an error of the input.
pub fn of_json(file: &str, list: &JsonCursor<'_>, chain_id: u64) -> Result<Vec<ReadTransaction>, T8nError> {
    let at_json = |error| T8nError::Json { file: file.to_string(), error };
    list.items().map_err(at_json)?.map(|item| one_of_json(file, &item, chain_id)).collect()
}

fn one_of_json(file: &str, item: &JsonCursor<'_>, chain_id: u64) -> Result<ReadTransaction, T8nError> {
    let at_json = |error| T8nError::Json { file: file.to_string(), error };
    let mut transaction = json::unsigned_transaction(item).map_err(at_json)?;
    let key = item.optional("secretKey").map_err(at_json)?;
    if is_signed(item).map_err(at_json)? || key.is_none() {
        return Ok(json::transaction(item).map_err(|error| error.to_string()));
    }
    let key = key.map(|key| key.u256()).transpose().map_err(at_json)?.unwrap_or_default();
    let is_protected = item.optional("protected").and_then(|flag| flag.map_or(Ok(true), |flag| flag.bool()));
    transaction.chain_id = match transaction.tx_type {
        TxType::Legacy => is_protected.map_err(at_json)?.then_some(chain_id),
        _ => transaction.chain_id.or(Some(chain_id)),
    };
    transaction.sign(&B256::from(key)).map_err(|error| {
        T8nError::Input(CliError::Field {
            file: file.to_string(),
            field: "secretKey".to_string(),
            expected: "a key from 1 to n-1".to_string(),
            found: error.to_string(),
        })
    })?;
    Ok(Ok(transaction))
}

/// Whether there is a signature: any of its parts that is not zero.
fn is_signed(item: &JsonCursor<'_>) -> Result<bool, JsonError> {
    for name in ["v", "r", "s"] {
        if let Some(part) = item.optional(name)?
            && !part.u256()?.is_zero()
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Reads a file: an RLP list in hex, as a JSON string, where the name ends in `.rlp`, a JSON list otherwise.
pub fn of_file(path: &std::path::Path, chain_id: u64) -> Result<Vec<ReadTransaction>, T8nError> {
    let file = path.display().to_string();
    let bytes = crate::input::read_file(path)?;
    if file.ends_with(".rlp") {
        return of_rlp(&file, &hex_text(&file, &bytes)?);
    }
    let document = Document::parse(&file, &bytes)?;
    of_json(&file, &document.root(), chain_id)
}

/// Reads an RLP list. An item that is no transaction is rejected in its place.
pub fn of_rlp(file: &str, bytes: &[u8]) -> Result<Vec<ReadTransaction>, T8nError> {
    let at_rlp = |error| T8nError::Rlp { file: file.to_string(), error };
    if bytes.is_empty() {
        return Ok(Vec::new());
    }
    let mut list = RlpReader::new(bytes).list().map_err(at_rlp)?;
    let mut transactions = Vec::new();
    while !list.is_empty() {
        let item = list.raw_item().map_err(at_rlp)?;
        let transaction = Transaction::read(&mut RlpReader::new(item));
        transactions.push(transaction.map_err(|error| format!("rlp: {error}")));
    }
    Ok(transactions)
}
