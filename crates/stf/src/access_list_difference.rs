//! In what a block access list (EIP-7928) is not the one that execution gives.
//!
//! Both lists are in order, so the first place where they differ is found by walking them side by side, and what stands there
//! in one of them and comes earlier is what the other lacks. "First" is in the order of the list: accounts by address; in an
//! account written slots, read slots, balances, nonces, codes; in each by slot or index.

use crate::block_access_list::{AccountChanges, BlockAccessList, ChangeList, CodeChange};
use alloy_primitives::{Address, U256};
use core::fmt;
use rialto_vm::keccak256;

/// The first difference of a list from the one that execution gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockAccessListDifference {
    /// An account that only one of the lists has.
    Account {
        /// The account.
        address: Address,
        /// Whether it is the given list that has it; otherwise execution accesses it.
        is_listed: bool,
    },
    /// A slot that only one of the lists has among those that are read and not written.
    Read {
        /// The account.
        address: Address,
        /// The slot.
        slot: U256,
        /// Whether it is the given list that has it; otherwise execution only reads it.
        is_listed: bool,
    },
    /// A change that only one of the lists has, or that differs.
    Change {
        /// The account.
        address: Address,
        /// Where in the account.
        list: ChangeList,
        /// Block access index of the change.
        index: u32,
        /// What execution leaves there: wei, nonce, word, or the hash of the code. `None` where it changes nothing.
        expected: Option<U256>,
        /// What the list says, in the same units; `None` where it says nothing.
        found: Option<U256>,
    },
}

impl fmt::Display for BlockAccessListDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("block access list: ")?;
        match self {
            Self::Account { address, is_listed: true } => {
                write!(f, "account {address}: expected nothing, for nothing accesses it, found an entry")
            }
            Self::Account { address, is_listed: false } => {
                write!(f, "account {address}: expected an entry, for it is accessed, found none")
            }
            Self::Read { address, slot, is_listed: true } => {
                write!(f, "account {address}, storage_reads: expected nothing of slot {slot:#x}, found it")
            }
            Self::Read { address, slot, is_listed: false } => {
                write!(f, "account {address}, storage_reads: expected slot {slot:#x}, which is read, found nothing")
            }
            Self::Change { address, list, index, expected, found } => {
                write!(f, "account {address}, {list}, index {index}: expected ")?;
                write_value(f, list, expected)?;
                f.write_str(", found ")?;
                write_value(f, list, found)
            }
        }
    }
}

impl core::error::Error for BlockAccessListDifference {}

fn write_value(f: &mut fmt::Formatter<'_>, list: &ChangeList, value: &Option<U256>) -> fmt::Result {
    match (list, value) {
        (_, None) => f.write_str("no change"),
        (ChangeList::Balance, Some(wei)) => write!(f, "{wei} wei"),
        (ChangeList::Nonce, Some(nonce)) => write!(f, "{nonce}"),
        (ChangeList::Slot(_), Some(word)) => write!(f, "{word:#x}"),
        (ChangeList::Code, Some(hash)) => write!(f, "code with hash {hash:#066x}"),
    }
}

/// The first place at which two ordered lists differ; what only one of them has there comes without a partner.
fn first_unequal<'a, T: PartialEq, K: Ord>(
    expected: &'a [T],
    found: &'a [T],
    key: impl Fn(&T) -> K,
) -> Option<(Option<&'a T>, Option<&'a T>)> {
    let equal = expected.iter().zip(found).take_while(|(a, b)| a == b).count();
    match (expected.get(equal), found.get(equal)) {
        (None, None) => None,
        (Some(a), Some(b)) if key(a) < key(b) => Some((Some(a), None)),
        (Some(a), Some(b)) if key(a) > key(b) => Some((None, Some(b))),
        differing => Some(differing),
    }
}

impl BlockAccessList {
    /// In what this list, which is valid in form, differs from the one that execution gives.
    pub fn first_difference(&self, expected: &Self) -> Option<BlockAccessListDifference> {
        match first_unequal(&expected.0, &self.0, |account| account.address)? {
            (Some(expected), Some(found)) => found.first_difference(expected),
            (expected, found) => {
                let address = expected.or(found)?.address;
                Some(BlockAccessListDifference::Account { address, is_listed: found.is_some() })
            }
        }
    }
}

impl AccountChanges {
    fn first_difference(&self, expected: &Self) -> Option<BlockAccessListDifference> {
        let balances = (&expected.balance_changes[..], &self.balance_changes[..]);
        let nonces = (&expected.nonce_changes[..], &self.nonce_changes[..]);
        let codes = (&expected.code_changes[..], &self.code_changes[..]);
        let of_code = |change: &CodeChange| (change.index, U256::from_be_bytes(keccak256(&change.code).0));
        self.slot_difference(expected)
            .or_else(|| self.read_difference(expected))
            .or_else(|| self.change_difference(ChangeList::Balance, balances, |change| (change.index, change.balance)))
            .or_else(|| {
                self.change_difference(ChangeList::Nonce, nonces, |change| (change.index, U256::from(change.nonce)))
            })
            .or_else(|| self.change_difference(ChangeList::Code, codes, of_code))
    }

    fn slot_difference(&self, expected: &Self) -> Option<BlockAccessListDifference> {
        let (expected, found) =
            first_unequal(&expected.storage_changes, &self.storage_changes, |changes| changes.slot)?;
        let slot = expected.or(found)?.slot;
        let changes = (
            expected.map_or(&[][..], |changes| changes.changes.as_slice()),
            found.map_or(&[][..], |changes| changes.changes.as_slice()),
        );
        self.change_difference(ChangeList::Slot(slot), changes, |change| (change.index, change.value))
    }

    fn read_difference(&self, expected: &Self) -> Option<BlockAccessListDifference> {
        let (expected, found) = first_unequal(&expected.storage_reads, &self.storage_reads, |slot| *slot)?;
        let (address, slot) = (self.address, *expected.or(found)?);
        Some(BlockAccessListDifference::Read { address, slot, is_listed: found.is_some() })
    }

    fn change_difference<T: PartialEq>(
        &self,
        list: ChangeList,
        (expected, found): (&[T], &[T]),
        index_and_value: impl Fn(&T) -> (u32, U256),
    ) -> Option<BlockAccessListDifference> {
        let (expected, found) = first_unequal(expected, found, |change| index_and_value(change).0)?;
        let (index, _) = index_and_value(expected.or(found)?);
        let value = |change: Option<&T>| change.map(|change| index_and_value(change).1);
        let (expected, found) = (value(expected), value(found));
        Some(BlockAccessListDifference::Change { address: self.address, list, index, expected, found })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BalanceChange, NonceChange, SlotChanges, StorageChange};
    use alloc::string::ToString;
    use alloc::vec;
    use alloc::vec::Vec;

    const A: Address = Address::with_last_byte(1);
    const B: Address = Address::with_last_byte(2);

    fn expected() -> BlockAccessList {
        let changes = |values: &[(u32, u64)]| -> Vec<StorageChange> {
            values.iter().map(|&(index, value)| StorageChange { index, value: U256::from(value) }).collect()
        };
        BlockAccessList(vec![
            AccountChanges {
                address: A,
                storage_changes: vec![
                    SlotChanges { slot: U256::from(1), changes: changes(&[(1, 10), (3, 30)]) },
                    SlotChanges { slot: U256::from(2), changes: changes(&[(2, 20)]) },
                ],
                storage_reads: vec![U256::from(5)],
                balance_changes: vec![BalanceChange { index: 1, balance: U256::from(7) }],
                nonce_changes: vec![NonceChange { index: 1, nonce: 4 }],
                code_changes: vec![CodeChange { index: 2, code: [0x5b].into() }],
            },
            AccountChanges { address: B, ..AccountChanges::default() },
        ])
    }

    #[test]
    fn the_first_difference_is_named() {
        type Spoil = fn(&mut Vec<AccountChanges>);
        let address = "account 0x0000000000000000000000000000000000000001";
        let rows: [(Spoil, &str); 16] = [
            (|list| list.truncate(0), ": expected an entry, for it is accessed, found none"),
            (
                |list| list.insert(0, AccountChanges::default()),
                "account 0x0000000000000000000000000000000000000000: expected nothing, for nothing accesses it, found an entry",
            ),
            (
                |list| drop(list.pop()),
                "account 0x0000000000000000000000000000000000000002: expected an entry, for it is accessed, found none",
            ),
            (
                |list| list[0].storage_changes[0].changes[1].value = U256::from(31),
                ", storage_changes of slot 0x1, index 3: expected 0x1e, found 0x1f",
            ),
            (
                |list| list[0].storage_changes[0].changes[1].index = 2,
                ", storage_changes of slot 0x1, index 2: expected no change, found 0x1e",
            ),
            (
                |list| list[0].storage_changes[0].changes[1].index = 4,
                ", storage_changes of slot 0x1, index 3: expected 0x1e, found no change",
            ),
            (
                |list| drop(list[0].storage_changes.remove(0)),
                ", storage_changes of slot 0x1, index 1: expected 0xa, found no change",
            ),
            (
                |list| list[0].storage_changes[1].slot = U256::from(3),
                ", storage_changes of slot 0x2, index 2: expected 0x14, found no change",
            ),
            (
                |list| list[0].storage_changes[0].slot = U256::ZERO,
                ", storage_changes of slot 0x0, index 1: expected no change, found 0xa",
            ),
            (|list| list[0].storage_reads.clear(), ", storage_reads: expected slot 0x5, which is read, found nothing"),
            (
                |list| list[0].storage_reads.push(U256::from(6)),
                ", storage_reads: expected nothing of slot 0x6, found it",
            ),
            (
                |list| list[0].balance_changes[0].balance = U256::from(8),
                ", balance_changes, index 1: expected 7 wei, found 8 wei",
            ),
            (|list| list[0].balance_changes.clear(), ", balance_changes, index 1: expected 7 wei, found no change"),
            (|list| list[0].nonce_changes[0].nonce = 5, ", nonce_changes, index 1: expected 4, found 5"),
            (
                |list| list[0].code_changes[0].code = [].into(),
                ", code_changes, index 2: expected code with hash \
                 0x9f50164828976b6baa479ea39c718c745bbc0d2521b67dfde8474cbdc9711057, found code with hash \
                 0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
            ),
            (
                |list| list[0].code_changes.push(CodeChange { index: 9, code: [].into() }),
                ", code_changes, index 9: expected no change, found code with hash \
                 0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
            ),
        ];
        for (row, (spoil, text)) in rows.into_iter().enumerate() {
            let mut list = expected();
            spoil(&mut list.0);
            let found = list.first_difference(&expected()).map(|difference| difference.to_string());
            let separator = if text.starts_with("account") { "" } else { address };
            assert_eq!(found, Some(alloc::format!("block access list: {separator}{text}")), "row {row}");
        }
        assert_eq!(expected().first_difference(&expected()), None);
    }
}
