//! Blocks and receipts as the store keeps them.
//!
//! The store takes bytes, and these are the bytes: a header in its consensus encoding; a body as the RLP list of
//! transactions, ommers and, since Shanghai, withdrawals; receipts as a list of `[type, status, gas, logs]`, without bloom
//! filters, which follow from the logs. Everything is read back with the strict decoder, so what a damaged disk gives is an
//! error and never another block.

use crate::ChainBlock;
use alloy_primitives::{B256, Bytes};
use rialto_state::{AccountDiff, Diff, Log, SlotDiff, Topics};
use rialto_stf::{
    Block, DecodeError, Header, Receipt, ReceiptStatus, RlpReader, RlpWriter, Transaction, TxType, Withdrawal,
};
use rialto_store::{StoreError, StoredBlock};

/// Most topics of a log.
const TOPICS_MAX: usize = 4;

fn corrupt(what: &str, of: &B256, error: &DecodeError) -> StoreError {
    StoreError::Corrupt { place: format!("{what} of block {of}: {error}") }
}

/// The block as the store keeps it.
pub(crate) fn stored_block(block: &ChainBlock) -> StoredBlock {
    let mut body = RlpWriter::with_capacity(1024);
    body.list(|list| {
        list.list(|items| block.block.transactions.iter().for_each(|item| item.write(items)));
        list.list(|items| block.block.ommers.iter().for_each(|item| item.write(items)));
        if let Some(withdrawals) = &block.block.withdrawals {
            list.list(|items| withdrawals.iter().for_each(|item| item.write(items)));
        }
    });
    StoredBlock {
        number: block.block.header.number,
        hash: block.hash,
        parent_hash: block.block.header.parent_hash,
        total_difficulty: block.total_difficulty,
        header: block.block.header.encode().into(),
        body: body.into_bytes().into(),
        senders: block.senders.clone(),
    }
}

/// The header, from its stored form.
pub(crate) fn header(hash: &B256, bytes: &[u8]) -> Result<Header, StoreError> {
    Header::decode(bytes).map_err(|error| corrupt("header", hash, &error))
}

/// The block, from its stored form.
pub(crate) fn chain_block(stored: StoredBlock) -> Result<ChainBlock, StoreError> {
    let header = header(&stored.hash, &stored.header)?;
    let block = read_body(header, &stored.body).map_err(|error| corrupt("body", &stored.hash, &error))?;
    if block.transactions.len() != stored.senders.len() {
        let place = format!("senders of block {}: expected one for each transaction; they are", stored.hash);
        return Err(StoreError::Corrupt { place });
    }
    let transaction_hashes = block.transactions.iter().map(Transaction::hash).collect();
    let StoredBlock { hash, senders, total_difficulty, .. } = stored;
    Ok(ChainBlock { block, hash, senders, transaction_hashes, total_difficulty })
}

fn read_body(header: Header, bytes: &[u8]) -> Result<Block, DecodeError> {
    let mut reader = RlpReader::new(bytes);
    let mut list = reader.list()?;
    reader.end()?;
    let transactions = list.list_of(Transaction::read)?;
    let ommers = list.list_of(Header::read)?;
    let withdrawals = if list.is_empty() { None } else { Some(list.list_of(Withdrawal::read)?) };
    list.end()?;
    Ok(Block { header, transactions, ommers, withdrawals })
}

/// Receipts as the store keeps them.
pub(crate) fn stored_receipts(receipts: &[Receipt]) -> Bytes {
    let mut writer = RlpWriter::with_capacity(64 * receipts.len());
    writer.list(|list| {
        for receipt in receipts {
            list.list(|list| write_receipt(list, receipt));
        }
    });
    writer.into_bytes().into()
}

fn write_receipt(list: &mut RlpWriter, receipt: &Receipt) {
    list.u64(receipt.tx_type as u64);
    match &receipt.status {
        ReceiptStatus::Status(is_success) => list.u64(u64::from(*is_success)),
        ReceiptStatus::PostState(root) => list.string(root.as_slice()),
    }
    list.u64(receipt.cumulative_gas_used);
    list.list(|logs| {
        for log in &receipt.logs {
            logs.list(|list| {
                list.string(log.address.as_slice());
                list.list(|topics| log.topics.iter().for_each(|topic| topics.string(topic.as_slice())));
                list.string(&log.data);
            });
        }
    });
}

/// The receipts, from their stored form.
pub(crate) fn receipts(hash: &B256, bytes: &[u8]) -> Result<Vec<Receipt>, StoreError> {
    let malformed = || StoreError::Corrupt { place: format!("receipts of block {hash}") };
    let mut reader = RlpReader::new(bytes);
    let receipts = reader.list_of(read_receipt).map_err(|error| corrupt("receipts", hash, &error))?;
    reader.end().map_err(|error| corrupt("receipts", hash, &error))?;
    receipts.into_iter().collect::<Option<_>>().ok_or_else(malformed)
}

/// `None` where the form is right but a value is not one that is ever written.
fn read_receipt(reader: &mut RlpReader<'_>) -> Result<Option<Receipt>, DecodeError> {
    let mut list = reader.list()?;
    let tx_type = TxType::from_byte(list.u8()?);
    let status = match list.string()? {
        [] => Some(ReceiptStatus::Status(false)),
        [1] => Some(ReceiptStatus::Status(true)),
        root if root.len() == 32 => Some(ReceiptStatus::PostState(B256::from_slice(root))),
        _ => None,
    };
    let cumulative_gas_used = list.u64()?;
    let logs: Option<Vec<Log>> = list.list_of(read_log)?.into_iter().collect();
    list.end()?;
    let (Some(tx_type), Some(status), Some(logs)) = (tx_type, status, logs) else { return Ok(None) };
    Ok(Some(Receipt::new(tx_type, status, cumulative_gas_used, logs)))
}

fn read_log(reader: &mut RlpReader<'_>) -> Result<Option<Log>, DecodeError> {
    let mut list = reader.list()?;
    let address = list.address()?;
    let topics = list.list_of(RlpReader::b256)?;
    let data = list.bytes()?;
    list.end()?;
    Ok((topics.len() <= TOPICS_MAX).then(|| Log { address, topics: Topics::new(&topics), data }))
}

/// A diff as the store's note has it: only what holds after it, since what held before is in the state.
pub(crate) fn note_of(diff: &Diff) -> Vec<u8> {
    if diff.is_empty() {
        return Vec::new();
    }
    let mut writer = RlpWriter::new();
    writer.list(|list| {
        list.list(|accounts| diff.accounts.iter().for_each(|account| write_account(accounts, account)));
        list.list(|codes| diff.codes.iter().for_each(|code| codes.string(code.bytes())));
    });
    writer.into_bytes()
}

fn write_account(writer: &mut RlpWriter, account: &AccountDiff) {
    writer.list(|list| {
        list.string(account.address.as_slice());
        list.list(|record| {
            if let Some(after) = &account.after {
                record.u64(after.nonce);
                record.u256(&after.balance);
                record.string(after.code_hash.as_slice());
            }
        });
        list.u64(u64::from(account.storage_wiped));
        list.list(|slots| {
            for slot in &account.storage {
                slots.u256(&slot.slot);
                slots.u256(&slot.after);
            }
        });
    });
}

/// The diff, from a note; its values from before are yet to be filled in.
pub(crate) fn diff_of_note(note: &[u8]) -> Result<Diff, StoreError> {
    if note.is_empty() {
        return Ok(Diff::default());
    }
    let read = || {
        let mut reader = RlpReader::new(note);
        let mut list = reader.list()?;
        let accounts = list.list_of(read_account)?;
        let codes = list.list_of(|reader| Ok(rialto_state::Code::new(reader.bytes()?)))?;
        list.end()?;
        Ok(Diff { accounts, codes })
    };
    read().map_err(|error: DecodeError| StoreError::Corrupt {
        place: format!("note of changes outside of blocks: {error}"),
    })
}

fn read_account(reader: &mut RlpReader<'_>) -> Result<AccountDiff, DecodeError> {
    let mut list = reader.list()?;
    let address = list.address()?;
    let mut record = list.list()?;
    let after = match record.is_empty() {
        true => None,
        false => {
            Some(rialto_state::Account { nonce: record.u64()?, balance: record.u256()?, code_hash: record.b256()? })
        }
    };
    record.end()?;
    let storage_wiped = list.bool()?;
    let mut slots = list.list()?;
    let mut storage = Vec::new();
    while !slots.is_empty() {
        storage.push(SlotDiff { slot: slots.u256()?, before: alloy_primitives::U256::ZERO, after: slots.u256()? });
    }
    list.end()?;
    Ok(AccountDiff { address, before: None, after, storage_wiped, storage })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, U256};

    #[test]
    fn receipts_read_back() {
        let topics: Vec<B256> = (1..=4).map(B256::with_last_byte).collect();
        let log = |count: usize| Log {
            address: Address::repeat_byte(7),
            topics: Topics::new(&topics[..count]),
            data: Bytes::from(vec![count as u8; 40]),
        };
        let written = vec![
            Receipt::new(TxType::Legacy, ReceiptStatus::Status(true), 21_000, vec![]),
            Receipt::new(TxType::SetCode, ReceiptStatus::Status(false), 42_000, (0..=4).map(log).collect()),
            Receipt::new(TxType::Legacy, ReceiptStatus::PostState(B256::repeat_byte(3)), 50_000, vec![log(1)]),
        ];
        let bytes = stored_receipts(&written);
        assert_eq!(receipts(&B256::ZERO, &bytes).expect("what was written"), written);
        for cut in 0..bytes.len() {
            receipts(&B256::ZERO, &bytes[..cut]).expect_err("a part of it");
        }
    }

    #[test]
    fn notes_read_back() {
        let code = rialto_state::Code::new(Bytes::from_static(&[0x60, 0]));
        let after = rialto_state::Account { nonce: 3, balance: U256::from(9), code_hash: code.hash() };
        let slot = SlotDiff { slot: U256::from(5), before: U256::ZERO, after: U256::MAX };
        let diff = Diff {
            accounts: vec![
                AccountDiff {
                    address: Address::repeat_byte(1),
                    before: None,
                    after: Some(after),
                    storage_wiped: false,
                    storage: vec![slot],
                },
                AccountDiff {
                    address: Address::repeat_byte(2),
                    before: None,
                    after: None,
                    storage_wiped: true,
                    storage: vec![],
                },
            ],
            codes: vec![code],
        };
        let note = note_of(&diff);
        assert_eq!(diff_of_note(&note).expect("what was written"), diff);
        for cut in 1..note.len() {
            diff_of_note(&note[..cut]).expect_err("a part of it");
        }
        assert_eq!(diff_of_note(&[]).expect("nothing"), Diff::default());
    }
}
