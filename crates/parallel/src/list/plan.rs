//! How long transactions are likely to take, and which are taken as one.
//!
//! Nobody knows before how long a transaction takes, but the list says how much gas it used: the fee recipient's balance is in it
//! after each transaction, and has grown by the tip. Nothing but time depends on whether that is true.

use alloy_primitives::{Address, U256};
use rialto_stf::{BalanceChange, BlockAccessList, Header, Transaction};
use std::num::NonZeroUsize;
use std::ops::Range;

/// Transactions in a row are taken as one as long as they are at most such a part of what there is to do for each thread.
const UNITS_PER_THREAD: u64 = 32;

/// What is more than such a part is long.
const LONG_PER_THREAD: u64 = 24;

/// Gas that pays for a transfer's signature and the accounts that it touches, beyond what corresponds to the time that it takes.
const CHEAP_GAS: u64 = 17_000;

/// What a transaction counts for, in gas that takes time.
fn weight(gas: u64) -> u64 {
    gas.saturating_sub(CHEAP_GAS).max(1_000)
}

/// An amount, if it fits.
fn small(amount: U256) -> Option<u64> {
    u64::try_from(amount).ok()
}

/// Wei per gas that the fee recipient gets.
fn tip(transaction: &Transaction, base_fee: U256) -> Option<u64> {
    let room = transaction.gas_price.checked_sub(base_fee)?;
    let has_limit = transaction.tx_type.has_dynamic_fee();
    small(if has_limit { room.min(transaction.max_priority_fee_per_gas) } else { room })
}

/// How the fee recipient's balance changes.
fn balance_changes<'a>(list: &'a BlockAccessList, fee_recipient: &Address) -> &'a [BalanceChange] {
    match list.0.binary_search_by(|account| account.address.cmp(fee_recipient)) {
        Ok(position) => &list.0[position].balance_changes,
        Err(_) => &[],
    }
}

/// What each transaction counts for: by the gas that it used, or, where the list does not show that, by its limit.
pub(super) fn weights(header: &Header, transactions: &[Transaction], list: &BlockAccessList) -> Vec<u64> {
    let base_fee = U256::from(header.base_fee_per_gas.unwrap_or(0));
    let mut changes = balance_changes(list, &header.beneficiary).iter().peekable();
    let mut before = None;
    let mut weights = Vec::with_capacity(transactions.len());
    for (index, transaction) in (1u32..).zip(transactions) {
        while let Some(earlier) = changes.next_if(|change| change.index < index) {
            before = Some(earlier.balance);
        }
        let after = changes.peek().filter(|change| change.index == index).map(|change| change.balance);
        let paid = || small(after?.checked_sub(before?)?);
        let used = paid().zip(tip(transaction, base_fee)).and_then(|(paid, tip)| paid.checked_div(tip));
        weights.push(weight(used.unwrap_or(u64::MAX).min(transaction.gas_limit)));
    }
    weights
}

/// Transactions in a row that are taken as one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub transactions: Range<usize>,
    pub weight: u64,
    /// Whether they should not be left for the end.
    pub is_long: bool,
}

/// Transactions of these weights as so many threads should take them, in their order.
pub(super) fn rows(weights: &[u64], threads: NonZeroUsize) -> Vec<Row> {
    let all = weights.iter().fold(0u64, |sum, weight| sum.saturating_add(*weight));
    let part = |count: u64| all / count / threads.get() as u64;
    let (most, long) = (part(UNITS_PER_THREAD), part(LONG_PER_THREAD));
    let mut rows: Vec<Row> = Vec::new();
    for (position, weight) in weights.iter().enumerate() {
        match rows.last_mut() {
            Some(row) if row.weight.saturating_add(*weight) <= most => {
                row.weight += weight;
                row.transactions.end = position + 1;
            }
            _ => {
                let transactions = position..position + 1;
                rows.push(Row { transactions, weight: *weight, is_long: *weight > long });
            }
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_stf::AccountChanges;

    #[test]
    fn rows_are_all_transactions_and_what_is_long_is_by_itself() {
        let threads = |count| NonZeroUsize::new(count).expect("a row");
        let mut one_long = vec![10; 100];
        one_long[70] = 5_000;
        // Weights, threads, how many rows are long.
        for (weights, count, long) in [
            (vec![], 2, 0),
            (vec![7], 4, 1),
            (vec![1; 1000], 2, 0),
            (vec![1; 1000], 16, 0),
            (one_long, 4, 1),
            (vec![u64::MAX; 3], 2, 3),
        ] {
            let name = format!("{} weights, {count} threads", weights.len());
            let rows = rows(&weights, threads(count));
            let all: Vec<usize> = rows.iter().flat_map(|row| row.transactions.clone()).collect();
            assert_eq!(all, (0..weights.len()).collect::<Vec<_>>(), "{name}");
            let is_right = |row: &Row| row.weight == weights[row.transactions.clone()].iter().sum::<u64>();
            assert!(rows.iter().all(is_right), "{name}: {rows:?}");
            assert!(rows.iter().all(|row| !row.is_long || row.transactions.len() == 1), "{name}: {rows:?}");
            assert_eq!(rows.iter().filter(|row| row.is_long).count(), long, "{name}: {rows:?}");
            assert!(rows.len() <= 2 * count * UNITS_PER_THREAD as usize, "{name}: {} rows", rows.len());
        }
    }

    #[test]
    fn gas_used_is_read_from_the_fee_recipients_balance() {
        let header = Header { beneficiary: Address::repeat_byte(9), base_fee_per_gas: Some(7), ..Header::default() };
        let change = |index, balance: u64| BalanceChange { index, balance: U256::from(balance) };
        let account = AccountChanges {
            address: header.beneficiary,
            // The first, of which the balance before is not in the list; 50,000 gas; less than before; 90,000 gas above the limit.
            balance_changes: vec![change(1, 1_000), change(2, 151_000), change(3, 100), change(5, 270_100)],
            ..AccountChanges::default()
        };
        let list = BlockAccessList(vec![account]);
        let transaction = Transaction { gas_price: U256::from(10), gas_limit: 80_000, ..Transaction::default() };
        let transactions = vec![transaction; 5];
        let expected = [80_000, 50_000, 80_000, 80_000, 80_000].map(weight);
        assert_eq!(weights(&header, &transactions, &list), expected);
        let unlisted = weights(&header, &transactions, &BlockAccessList::default());
        assert_eq!(unlisted, [80_000; 5].map(weight), "without the fee recipient");
    }
}
