//! Block access lists (EIP-7928): every account and slot that a block touches, with the values it leaves there after each
//! transaction.
//!
//! The list is encoded as nested RLP lists and hashed into the header. Its order is fixed, so that a set of accesses has
//! one encoding: accounts by address, slots by key, changes by the index of what caused them (0 for the system calls
//! before the transactions, 1 to n for the transactions, n + 1 for what follows them). Decoding checks the encoding only;
//! [`BlockAccessList::validate`] checks order, uniqueness and the range of indices, in one pass that compares neighbours.

use crate::rlp::{DecodeError, RlpReader, RlpWriter, WithPath, decode_whole};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256};
use core::fmt;
use rialto_vm::keccak256;

/// The accounts that a block touches, by address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockAccessList(pub Vec<AccountChanges>);

/// What a block does to an account. All lists are empty if it only looks at it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountChanges {
    /// The account.
    pub address: Address,
    /// Slots written, by key.
    pub storage_changes: Vec<SlotChanges>,
    /// Slots read and not written, by key.
    pub storage_reads: Vec<U256>,
    /// Balances left behind, by index.
    pub balance_changes: Vec<BalanceChange>,
    /// Nonces left behind, by index.
    pub nonce_changes: Vec<NonceChange>,
    /// Codes left behind, by index.
    pub code_changes: Vec<CodeChange>,
}

/// What a block writes to a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlotChanges {
    /// The slot's key.
    pub slot: U256,
    /// Values left behind, by index; at least one.
    pub changes: Vec<StorageChange>,
}

/// The value of a slot after a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageChange {
    /// Block access index of the transaction.
    pub index: u32,
    /// The value.
    pub value: U256,
}

/// The balance of an account after a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BalanceChange {
    /// Block access index of the transaction.
    pub index: u32,
    /// The balance in wei.
    pub balance: U256,
}

/// The nonce of an account after a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NonceChange {
    /// Block access index of the transaction.
    pub index: u32,
    /// The nonce.
    pub nonce: u64,
}

/// The code of an account after a transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CodeChange {
    /// Block access index of the transaction.
    pub index: u32,
    /// The code; empty when a delegation ends.
    pub code: Bytes,
}

/// A list of changes in an account, for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeList {
    /// Values of the slot with this key.
    Slot(U256),
    /// Balances.
    Balance,
    /// Nonces.
    Nonce,
    /// Codes.
    Code,
}

/// How a block access list breaks EIP-7928's rules of form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockAccessListError {
    /// An account stands after one with a higher or the same address.
    AccountOrder {
        /// The earlier account.
        before: Address,
        /// The later account.
        after: Address,
    },
    /// A slot in `storage_changes` stands after one with a higher or the same key.
    StorageChangesOrder {
        /// The account.
        address: Address,
        /// The earlier slot.
        before: U256,
        /// The later slot.
        after: U256,
    },
    /// A slot in `storage_reads` stands after one with a higher or the same key.
    StorageReadsOrder {
        /// The account.
        address: Address,
        /// The earlier slot.
        before: U256,
        /// The later slot.
        after: U256,
    },
    /// A slot is in both `storage_changes` and `storage_reads`.
    SlotReadAndChanged {
        /// The account.
        address: Address,
        /// The slot.
        slot: U256,
    },
    /// A slot in `storage_changes` has no changes.
    SlotWithoutChanges {
        /// The account.
        address: Address,
        /// The slot.
        slot: U256,
    },
    /// A change stands after one with a higher or the same index.
    ChangeOrder {
        /// The account.
        address: Address,
        /// Where in the account.
        list: ChangeList,
        /// The earlier change's index.
        before: u32,
        /// The later change's index.
        after: u32,
    },
    /// A change has an index that no part of the block has.
    IndexTooLarge {
        /// The account.
        address: Address,
        /// Where in the account.
        list: ChangeList,
        /// The index found.
        index: u32,
        /// The block's last index: its number of transactions plus one.
        last_index: u32,
    },
}

impl fmt::Display for ChangeList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Slot(slot) => write!(f, "storage_changes of slot {slot:#x}"),
            Self::Balance => f.write_str("balance_changes"),
            Self::Nonce => f.write_str("nonce_changes"),
            Self::Code => f.write_str("code_changes"),
        }
    }
}

impl fmt::Display for BlockAccessListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("block access list: ")?;
        match self {
            Self::AccountOrder { before, after } => {
                write!(f, "expected accounts in ascending order, found {after} after {before}")
            }
            Self::StorageChangesOrder { address, before, after } => write!(
                f,
                "account {address}, storage_changes: expected ascending slots, found {after:#x} after {before:#x}"
            ),
            Self::StorageReadsOrder { address, before, after } => write!(
                f,
                "account {address}, storage_reads: expected ascending slots, found {after:#x} after {before:#x}"
            ),
            Self::SlotReadAndChanged { address, slot } => write!(
                f,
                "account {address}: expected slot {slot:#x} in storage_changes or storage_reads, found it in both"
            ),
            Self::SlotWithoutChanges { address, slot } => {
                write!(f, "account {address}, storage_changes of slot {slot:#x}: expected at least 1 change, found 0")
            }
            Self::ChangeOrder { address, list, before, after } => {
                write!(f, "account {address}, {list}: expected ascending indices, found {after} after {before}")
            }
            Self::IndexTooLarge { address, list, index, last_index } => {
                write!(f, "account {address}, {list}: expected an index of at most {last_index}, found {index}")
            }
        }
    }
}

impl core::error::Error for BlockAccessListError {}

impl BlockAccessList {
    /// Keccak-256 of the encoding, which the header commits to.
    pub fn hash(&self) -> B256 {
        keccak256(&self.encode())
    }

    /// Addresses and storage keys, which EIP-7928 limits by the block's gas limit.
    pub fn item_count(&self) -> usize {
        let keys = |account: &AccountChanges| 1 + account.storage_changes.len() + account.storage_reads.len();
        self.0.iter().map(keys).sum()
    }

    /// Checks the order and uniqueness of everything in the list, and that no index exceeds `last_index`, which is the
    /// block's number of transactions plus one.
    pub fn validate(&self, last_index: u32) -> Result<(), BlockAccessListError> {
        for pair in self.0.windows(2) {
            if pair[0].address >= pair[1].address {
                let (before, after) = (pair[0].address, pair[1].address);
                return Err(BlockAccessListError::AccountOrder { before, after });
            }
        }
        self.0.iter().try_for_each(|account| account.validate(last_index))
    }

    /// The RLP encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = RlpWriter::with_capacity(64 * self.0.len());
        writer.list(|list| self.0.iter().for_each(|account| account.write(list)));
        writer.into_bytes()
    }

    /// Decodes a list that is the whole input. Order is not checked: see [`BlockAccessList::validate`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        decode_whole(bytes, "block_access_list", |reader| reader.list_of(AccountChanges::read).map(Self))
    }
}

impl AccountChanges {
    /// Checks the form of what the list has of an account, for a block with this last index.
    pub fn validate(&self, last_index: u32) -> Result<(), BlockAccessListError> {
        let address = self.address;
        for pair in self.storage_changes.windows(2) {
            if pair[0].slot >= pair[1].slot {
                let (before, after) = (pair[0].slot, pair[1].slot);
                return Err(BlockAccessListError::StorageChangesOrder { address, before, after });
            }
        }
        for pair in self.storage_reads.windows(2) {
            if pair[0] >= pair[1] {
                let (before, after) = (pair[0], pair[1]);
                return Err(BlockAccessListError::StorageReadsOrder { address, before, after });
            }
        }
        for slot_changes in &self.storage_changes {
            let slot = slot_changes.slot;
            // Both lists are in order by now.
            if self.storage_reads.binary_search(&slot).is_ok() {
                return Err(BlockAccessListError::SlotReadAndChanged { address, slot });
            }
            if slot_changes.changes.is_empty() {
                return Err(BlockAccessListError::SlotWithoutChanges { address, slot });
            }
            let indices = slot_changes.changes.iter().map(|change| change.index);
            validate_indices(address, ChangeList::Slot(slot), indices, last_index)?;
        }
        let balances = self.balance_changes.iter().map(|change| change.index);
        validate_indices(address, ChangeList::Balance, balances, last_index)?;
        let nonces = self.nonce_changes.iter().map(|change| change.index);
        validate_indices(address, ChangeList::Nonce, nonces, last_index)?;
        let codes = self.code_changes.iter().map(|change| change.index);
        validate_indices(address, ChangeList::Code, codes, last_index)
    }

    fn write(&self, writer: &mut RlpWriter) {
        writer.list(|list| {
            list.string(self.address.as_slice());
            list.list(|slots| {
                for slot_changes in &self.storage_changes {
                    slots.list(|fields| {
                        fields.u256(&slot_changes.slot);
                        fields.list(|changes| {
                            for change in &slot_changes.changes {
                                write_change(changes, change.index, |item| item.u256(&change.value));
                            }
                        });
                    });
                }
            });
            list.list(|slots| self.storage_reads.iter().for_each(|slot| slots.u256(slot)));
            list.list(|changes| {
                for change in &self.balance_changes {
                    write_change(changes, change.index, |item| item.u256(&change.balance));
                }
            });
            list.list(|changes| {
                for change in &self.nonce_changes {
                    write_change(changes, change.index, |item| item.u64(change.nonce));
                }
            });
            list.list(|changes| {
                for change in &self.code_changes {
                    write_change(changes, change.index, |item| item.string(&change.code));
                }
            });
        });
    }

    fn read(reader: &mut RlpReader<'_>) -> Result<Self, DecodeError> {
        let mut list = reader.list()?;
        let account = Self {
            address: list.address().field("address")?,
            storage_changes: list.list_of(SlotChanges::read).field("storage_changes")?,
            storage_reads: list.list_of(RlpReader::u256).field("storage_reads")?,
            balance_changes: list
                .list_of(|item| {
                    let (index, balance) = read_change(item, "balance", RlpReader::u256)?;
                    Ok(BalanceChange { index, balance })
                })
                .field("balance_changes")?,
            nonce_changes: list
                .list_of(|item| {
                    let (index, nonce) = read_change(item, "nonce", RlpReader::u64)?;
                    Ok(NonceChange { index, nonce })
                })
                .field("nonce_changes")?,
            code_changes: list
                .list_of(|item| {
                    let (index, code) = read_change(item, "code", RlpReader::bytes)?;
                    Ok(CodeChange { index, code })
                })
                .field("code_changes")?,
        };
        list.end()?;
        Ok(account)
    }
}

impl SlotChanges {
    fn read(reader: &mut RlpReader<'_>) -> Result<Self, DecodeError> {
        let mut list = reader.list()?;
        let slot_changes = Self {
            slot: list.u256().field("slot")?,
            changes: list
                .list_of(|item| {
                    let (index, value) = read_change(item, "value", RlpReader::u256)?;
                    Ok(StorageChange { index, value })
                })
                .field("changes")?,
        };
        list.end()?;
        Ok(slot_changes)
    }
}

/// Checks that `indices` ascend strictly and don't exceed `last_index`.
fn validate_indices(
    address: Address,
    list: ChangeList,
    indices: impl Iterator<Item = u32>,
    last_index: u32,
) -> Result<(), BlockAccessListError> {
    let mut previous = None;
    for index in indices {
        if let Some(before) = previous
            && before >= index
        {
            return Err(BlockAccessListError::ChangeOrder { address, list, before, after: index });
        }
        if index > last_index {
            return Err(BlockAccessListError::IndexTooLarge { address, list, index, last_index });
        }
        previous = Some(index);
    }
    Ok(())
}

/// Appends `[index, value]`.
fn write_change(writer: &mut RlpWriter, index: u32, write_value: impl FnOnce(&mut RlpWriter)) {
    writer.list(|list| {
        list.u64(u64::from(index));
        write_value(list);
    });
}

/// Reads `[index, value]`.
fn read_change<'a, T>(
    reader: &mut RlpReader<'a>,
    value_name: &'static str,
    read_value: impl FnOnce(&mut RlpReader<'a>) -> Result<T, DecodeError>,
) -> Result<(u32, T), DecodeError> {
    let mut list = reader.list()?;
    let index = list.u32().field("index")?;
    let value = read_value(&mut list).field(value_name)?;
    list.end()?;
    Ok((index, value))
}
