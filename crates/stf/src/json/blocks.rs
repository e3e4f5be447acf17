//! Blocks and what is in them, from JSON.
//!
//! A fixture nests the header in `blockHeader` and has ommers whole; JSON-RPC spreads the header over the block and has
//! only the ommers' hashes. A legacy transaction's chain id is part of its `v` (EIP-155), so `v` decides and `chainId`,
//! which the fixtures give even where the signature doesn't cover it, is only compared with it.

use super::cursor::{JsonCursor, JsonError, JsonErrorKind};
use crate::block::{Block, Withdrawal};
use crate::block_access_list::{
    AccountChanges, BalanceChange, BlockAccessList, CodeChange, NonceChange, SlotChanges, StorageChange,
};
use crate::header::Header;
use crate::receipt::{Receipt, ReceiptStatus};
use crate::transaction::{AccessListItem, Authorization, Transaction, TxType, split_legacy_v};
use alloc::vec::Vec;
use alloy_primitives::{Address, B64, B256, Bloom};
use rialto_state::{Log, Topics};

/// Most topics a log can have.
const TOPICS_MAX: usize = 4;

/// A block and what its JSON form says besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockJson {
    /// The block. JSON-RPC has no ommers, only their hashes: then `ommers` is empty whatever the header says.
    pub block: Block,
    /// The block's hash as the JSON states it.
    pub hash: Option<B256>,
    /// The hashes of its ommers, where the JSON has these instead of the ommers.
    pub ommer_hashes: Vec<B256>,
    /// The hash of each transaction as the JSON states it.
    pub transaction_hashes: Vec<Option<B256>>,
    /// The sender of each transaction as the JSON states it.
    pub senders: Vec<Option<Address>>,
    /// The receipts, where the JSON has them.
    pub receipts: Option<Vec<Receipt>>,
    /// The block access list (EIP-7928), where the JSON has it. Its order is unchecked.
    pub block_access_list: Option<BlockAccessList>,
}

/// Reads every item of an array with `read`.
fn list_of<'a, T>(
    cursor: &JsonCursor<'a>,
    read: impl Fn(&JsonCursor<'a>) -> Result<T, JsonError>,
) -> Result<Vec<T>, JsonError> {
    cursor.items()?.map(|item| read(&item)).collect()
}

/// A block: a fixture's (`blockHeader` and lists) or JSON-RPC's.
pub fn block(cursor: &JsonCursor<'_>) -> Result<BlockJson, JsonError> {
    let header_cursor = cursor.optional("blockHeader")?.unwrap_or_else(|| cursor.clone());
    let transactions = cursor.field("transactions")?;
    let mut result = BlockJson {
        block: Block {
            header: header(&header_cursor)?,
            transactions: list_of(&transactions, transaction)?,
            ommers: Vec::new(),
            withdrawals: None,
        },
        hash: header_cursor.optional("hash")?.map(|hash| hash.b256()).transpose()?,
        ommer_hashes: Vec::new(),
        transaction_hashes: list_of(&transactions, |item| item.optional("hash")?.map(|hash| hash.b256()).transpose())?,
        senders: list_of(&transactions, stated_sender)?,
        receipts: None,
        block_access_list: None,
    };
    if let Some(ommers) = cursor.optional("uncleHeaders")? {
        result.block.ommers = list_of(&ommers, header)?;
    } else if let Some(hashes) = cursor.optional("uncles")? {
        result.ommer_hashes = list_of(&hashes, JsonCursor::b256)?;
    }
    if let Some(withdrawals) = cursor.optional("withdrawals")? {
        result.block.withdrawals = Some(list_of(&withdrawals, withdrawal)?);
    }
    if let Some(receipts) = cursor.optional("receipts")? {
        result.receipts = Some(list_of(&receipts, receipt)?);
    }
    if let Some(list) = cursor.optional("blockAccessList")? {
        result.block_access_list = Some(block_access_list(&list)?);
    }
    Ok(result)
}

/// `sender` in the fixtures, `from` in JSON-RPC.
fn stated_sender(cursor: &JsonCursor<'_>) -> Result<Option<Address>, JsonError> {
    for name in ["sender", "from"] {
        if let Some(sender) = cursor.optional(name)? {
            return sender.address().map(Some);
        }
    }
    Ok(None)
}

/// A header, by the fixtures' names or JSON-RPC's.
pub fn header(cursor: &JsonCursor<'_>) -> Result<Header, JsonError> {
    let optional_u64 = |name| cursor.optional(name)?.map(|value| value.u64()).transpose();
    let optional_b256 = |name| cursor.optional(name)?.map(|value| value.b256()).transpose();
    let header = Header {
        parent_hash: cursor.field("parentHash")?.b256()?,
        ommers_hash: cursor.first_of(&["uncleHash", "sha3Uncles"])?.b256()?,
        beneficiary: cursor.first_of(&["coinbase", "miner"])?.address()?,
        state_root: cursor.field("stateRoot")?.b256()?,
        transactions_root: cursor.first_of(&["transactionsTrie", "transactionsRoot"])?.b256()?,
        receipts_root: cursor.first_of(&["receiptTrie", "receiptsRoot"])?.b256()?,
        logs_bloom: Bloom::new(cursor.first_of(&["bloom", "logsBloom"])?.fixed()?),
        difficulty: cursor.field("difficulty")?.u256()?,
        number: cursor.field("number")?.u64()?,
        gas_limit: cursor.field("gasLimit")?.u64()?,
        gas_used: cursor.field("gasUsed")?.u64()?,
        timestamp: cursor.field("timestamp")?.u64()?,
        extra_data: cursor.field("extraData")?.bytes()?,
        mix_hash: cursor.field("mixHash")?.b256()?,
        nonce: B64::new(cursor.field("nonce")?.fixed()?),
        base_fee_per_gas: optional_u64("baseFeePerGas")?,
        withdrawals_root: optional_b256("withdrawalsRoot")?,
        blob_gas_used: optional_u64("blobGasUsed")?,
        excess_blob_gas: optional_u64("excessBlobGas")?,
        parent_beacon_block_root: optional_b256("parentBeaconBlockRoot")?,
        requests_hash: optional_b256("requestsHash")?,
        block_access_list_hash: optional_b256("blockAccessListHash")?,
        slot_number: optional_u64("slotNumber")?,
    };
    no_gap_in_optional_fields(cursor)?;
    Ok(header)
}

/// A header's optional fields, in their order in the encoding.
const OPTIONAL_HEADER_FIELDS: [&str; 8] = [
    "baseFeePerGas",
    "withdrawalsRoot",
    "blobGasUsed",
    "excessBlobGas",
    "parentBeaconBlockRoot",
    "requestsHash",
    "blockAccessListHash",
    "slotNumber",
];

/// Refuses a header with an optional field whose predecessor is absent: it has no encoding.
fn no_gap_in_optional_fields(cursor: &JsonCursor<'_>) -> Result<(), JsonError> {
    let mut absent = None;
    for name in OPTIONAL_HEADER_FIELDS {
        match (cursor.optional(name)?, absent) {
            (Some(_), Some(absent)) => return Err(cursor.missing(absent)),
            (None, None) => absent = Some(name),
            _ => {}
        }
    }
    Ok(())
}

/// A withdrawal (EIP-4895).
pub fn withdrawal(cursor: &JsonCursor<'_>) -> Result<Withdrawal, JsonError> {
    Ok(Withdrawal {
        index: cursor.field("index")?.u64()?,
        validator_index: cursor.field("validatorIndex")?.u64()?,
        address: cursor.field("address")?.address()?,
        amount: cursor.field("amount")?.u64()?,
    })
}

/// A signed transaction, by the fixtures' names or JSON-RPC's. The type may be left to the fields that are there.
pub fn transaction(cursor: &JsonCursor<'_>) -> Result<Transaction, JsonError> {
    let mut transaction = unsigned_transaction(cursor)?;
    if transaction.tx_type == TxType::Legacy {
        let v = cursor.field("v")?;
        let (chain_id, y_parity) = split_legacy_v(v.u128()?).map_err(|_| v.error(JsonErrorKind::InvalidV))?;
        let stated = transaction.chain_id;
        if chain_id.is_some() && stated.is_some() && stated != chain_id {
            let other = "v";
            return Err(cursor.field("chainId")?.error(JsonErrorKind::Contradiction { other }));
        }
        transaction.chain_id = chain_id;
        transaction.signature.y_parity = y_parity;
    } else {
        transaction.signature.y_parity = match parity(cursor)? {
            0 => false,
            1 => true,
            _ => {
                let parity = cursor.first_of(&["yParity", "v"])?;
                return Err(parity.error(JsonErrorKind::InvalidParity));
            }
        };
        if transaction.chain_id.is_none() {
            return Err(cursor.missing("chainId"));
        }
    }
    transaction.signature.r = cursor.field("r")?.u256()?;
    transaction.signature.s = cursor.field("s")?.u256()?;
    Ok(transaction)
}

/// `yParity`, or `v` as it is called too; both, if both are there, must agree.
fn parity(cursor: &JsonCursor<'_>) -> Result<u8, JsonError> {
    let parity = cursor.first_of(&["yParity", "v"])?.u8()?;
    match cursor.optional("v")? {
        Some(v) if v.u8()? != parity => Err(v.error(JsonErrorKind::Contradiction { other: "yParity" })),
        _ => Ok(parity),
    }
}

/// A transaction without its signature, which stays zero. `chain_id` is that of `chainId`, if it is there.
pub fn unsigned_transaction(cursor: &JsonCursor<'_>) -> Result<Transaction, JsonError> {
    let tx_type = transaction_type(cursor)?;
    let mut transaction = Transaction {
        tx_type,
        chain_id: cursor.optional("chainId")?.map(|id| id.u64()).transpose()?,
        nonce: cursor.field("nonce")?.u64()?,
        gas_limit: cursor.first_of(&["gasLimit", "gas"])?.u64()?,
        to: recipient(cursor)?,
        value: cursor.field("value")?.u256()?,
        input: cursor.first_of(&["data", "input"])?.bytes()?,
        ..Transaction::default()
    };
    if let (Some(data), Some(input)) = (cursor.optional("data")?, cursor.optional("input")?)
        && data.bytes()? != input.bytes()?
    {
        return Err(input.error(JsonErrorKind::Contradiction { other: "data" }));
    }
    if tx_type.has_dynamic_fee() {
        transaction.gas_price = cursor.field("maxFeePerGas")?.u256()?;
        transaction.max_priority_fee_per_gas = cursor.field("maxPriorityFeePerGas")?.u256()?;
    } else {
        transaction.gas_price = cursor.field("gasPrice")?.u256()?;
    }
    if tx_type != TxType::Legacy
        && let Some(list) = cursor.optional("accessList")?
    {
        transaction.access_list = access_list(&list)?;
    }
    if tx_type == TxType::Blob {
        transaction.max_fee_per_blob_gas = cursor.field("maxFeePerBlobGas")?.u256()?;
        transaction.blob_versioned_hashes = list_of(&cursor.field("blobVersionedHashes")?, JsonCursor::b256)?;
    }
    if tx_type == TxType::SetCode {
        transaction.authorization_list = authorization_list(&cursor.field("authorizationList")?)?;
    }
    Ok(transaction)
}

/// `type`, or the type that the fields belong to.
fn transaction_type(cursor: &JsonCursor<'_>) -> Result<TxType, JsonError> {
    if let Some(stated) = cursor.optional("type")? {
        let type_byte = stated.u8()?;
        return TxType::from_byte(type_byte).ok_or_else(|| stated.error(JsonErrorKind::UnknownType));
    }
    let has = |name| cursor.optional(name).map(|field| field.is_some());
    Ok(if has("authorizationList")? {
        TxType::SetCode
    } else if has("blobVersionedHashes")? || has("maxFeePerBlobGas")? {
        TxType::Blob
    } else if has("maxFeePerGas")? {
        TxType::DynamicFee
    } else if has("accessList")? {
        TxType::AccessList
    } else {
        TxType::Legacy
    })
}

/// `to`: an address, or for a creation absent, null or an empty string.
fn recipient(cursor: &JsonCursor<'_>) -> Result<Option<Address>, JsonError> {
    match cursor.optional("to")? {
        Some(to) if !matches!(to.value().as_str(), Some("" | "0x")) => Ok(Some(to.address()?)),
        _ => Ok(None),
    }
}

/// An access list (EIP-2930). Storage keys may leave out leading zeros.
pub fn access_list(cursor: &JsonCursor<'_>) -> Result<Vec<AccessListItem>, JsonError> {
    list_of(cursor, |item| {
        Ok(AccessListItem {
            address: item.field("address")?.address()?,
            storage_keys: list_of(&item.field("storageKeys")?, |key| key.u256().map(B256::from))?,
        })
    })
}

/// An authorization list (EIP-7702).
pub fn authorization_list(cursor: &JsonCursor<'_>) -> Result<Vec<Authorization>, JsonError> {
    list_of(cursor, |item| {
        Ok(Authorization {
            chain_id: item.field("chainId")?.u256()?,
            address: item.field("address")?.address()?,
            nonce: item.field("nonce")?.u64()?,
            y_parity: parity(item)?,
            r: item.field("r")?.u256()?,
            s: item.field("s")?.u256()?,
        })
    })
}

/// A receipt, by the fixtures' names or JSON-RPC's. Without a bloom, it has that of its logs.
pub fn receipt(cursor: &JsonCursor<'_>) -> Result<Receipt, JsonError> {
    let tx_type = match cursor.optional("type")? {
        Some(stated) => TxType::from_byte(stated.u8()?).ok_or_else(|| stated.error(JsonErrorKind::UnknownType))?,
        None => TxType::Legacy,
    };
    let status = match cursor.optional("status")? {
        Some(status) => ReceiptStatus::Status(status.bool()?),
        None => ReceiptStatus::PostState(cursor.first_of(&["root", "postState"])?.b256()?),
    };
    let cumulative_gas_used = cursor.field("cumulativeGasUsed")?.u64()?;
    let logs = list_of(&cursor.field("logs")?, log)?;
    let mut receipt = Receipt::new(tx_type, status, cumulative_gas_used, logs);
    for name in ["bloom", "logsBloom"] {
        if let Some(bloom) = cursor.optional(name)? {
            receipt.logs_bloom = Bloom::new(bloom.fixed()?);
        }
    }
    Ok(receipt)
}

fn log(cursor: &JsonCursor<'_>) -> Result<Log, JsonError> {
    let topics_cursor = cursor.field("topics")?;
    let topics = list_of(&topics_cursor, JsonCursor::b256)?;
    if topics.len() > TOPICS_MAX {
        return Err(topics_cursor.error(JsonErrorKind::TooMany { max: TOPICS_MAX }));
    }
    Ok(Log {
        address: cursor.field("address")?.address()?,
        topics: Topics::new(&topics),
        data: cursor.field("data")?.bytes()?,
    })
}

/// A block access list (EIP-7928). Its order is unchecked.
pub fn block_access_list(cursor: &JsonCursor<'_>) -> Result<BlockAccessList, JsonError> {
    list_of(cursor, account_changes).map(BlockAccessList)
}

fn account_changes(cursor: &JsonCursor<'_>) -> Result<AccountChanges, JsonError> {
    let index = |change: &JsonCursor<'_>| change.field("blockAccessIndex")?.u32();
    Ok(AccountChanges {
        address: cursor.field("address")?.address()?,
        storage_changes: list_of(&cursor.field("storageChanges")?, |slot| {
            Ok(SlotChanges {
                slot: slot.field("slot")?.u256()?,
                changes: list_of(&slot.field("slotChanges")?, |change| {
                    let value = change.field("postValue")?.u256()?;
                    Ok(StorageChange { index: index(change)?, value })
                })?,
            })
        })?,
        storage_reads: list_of(&cursor.field("storageReads")?, JsonCursor::u256)?,
        balance_changes: list_of(&cursor.field("balanceChanges")?, |change| {
            let balance = change.field("postBalance")?.u256()?;
            Ok(BalanceChange { index: index(change)?, balance })
        })?,
        nonce_changes: list_of(&cursor.field("nonceChanges")?, |change| {
            let nonce = change.field("postNonce")?.u64()?;
            Ok(NonceChange { index: index(change)?, nonce })
        })?,
        code_changes: list_of(&cursor.field("codeChanges")?, |change| {
            let code = change.field("newCode")?.bytes()?;
            Ok(CodeChange { index: index(change)?, code })
        })?,
    })
}
