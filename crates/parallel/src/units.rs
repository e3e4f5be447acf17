//! What is run at a time: a few transactions in a row.
//!
//! Telling other threads what a transaction did costs as much as a transfer takes. So transactions that can't use much gas are run
//! together, on one journal, and told of as one.

use rialto_stf::Block;
use std::ops::Range;

/// Gas of a transfer, which calls nothing.
pub(crate) const TRANSFER_GAS: u64 = 21_000;
/// Gas that a unit's transactions may use together, unless it is one transaction.
const UNIT_GAS: u64 = 900_000;
/// Who may use more is a unit of its own: those are long enough to be told of, and mostly in somebody's way.
const ALONE_GAS: u64 = 250_000;
/// Most transactions of a unit.
const UNIT_TRANSACTIONS: usize = 16;
/// Units that each thread should get, so that they have done at about the same time.
const UNITS_PER_THREAD: usize = 8;

/// The block's transactions in units, for so many threads.
pub(crate) fn units(block: &Block, threads: usize, is_alone: bool) -> Vec<Range<usize>> {
    let transactions = &block.transactions;
    let most = (transactions.len() / (UNITS_PER_THREAD * threads)).clamp(1, UNIT_TRANSACTIONS);
    let most = if is_alone { 1 } else { most };
    let mut units = Vec::with_capacity(transactions.len());
    let (mut first, mut gas) = (0, 0u64);
    for (position, transaction) in transactions.iter().enumerate() {
        let is_full = position - first == most
            || gas.saturating_add(transaction.gas_limit) > UNIT_GAS
            || transaction.gas_limit > ALONE_GAS
            || gas > ALONE_GAS && position - first == 1;
        if position > first && is_full {
            units.push(first..position);
            (first, gas) = (position, 0);
        }
        gas = gas.saturating_add(transaction.gas_limit);
    }
    if first < transactions.len() {
        units.push(first..transactions.len());
    }
    units
}

/// A unit that may use this share of all gas that the block's transactions may use is taken before the others,
const BIG_SHARE: u128 = 16;
/// and so is one that may use this much, which may take half a millisecond, whatever there is beside it;
const BIG_GAS: u128 = 2_000_000;
/// but no more of them: whoever is to commit the first unit must come to it.
pub(crate) const MAX_BIG: usize = 16;

/// In which order units are taken: big ones first, lest one is left at the end. And how many those are.
pub(crate) fn order_of(block: &Block, units: &[Range<usize>]) -> (Vec<usize>, usize) {
    let gas = |range: Range<usize>| -> u128 {
        block.transactions[range].iter().map(|transaction| u128::from(transaction.gas_limit)).sum()
    };
    let all = gas(0..block.transactions.len());
    let mut count = 0;
    let is_big = |unit: &usize| {
        let gas = gas(units[*unit].clone());
        let is_big = count < MAX_BIG && (gas * BIG_SHARE >= all || gas >= BIG_GAS);
        count += usize::from(is_big);
        is_big
    };
    let (mut order, rest): (Vec<usize>, Vec<usize>) = (0..units.len()).partition(is_big);
    order.extend(rest);
    (order, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rialto_stf::Transaction;

    #[test]
    fn every_transaction_is_in_one_unit() {
        let block = |limits: &[u64]| {
            let with = |gas_limit: &u64| Transaction { gas_limit: *gas_limit, ..Transaction::default() };
            Block { transactions: limits.iter().map(with).collect(), ..Block::default() }
        };
        let transfers = [21_000; 200];
        let mut mixed = transfers;
        mixed[3] = 1_000_000;
        mixed[4] = u64::MAX;
        let rows: [(&str, &[u64], bool, usize); 5] = [
            ("none", &[], false, 0),
            ("few", &[21_000; 5], false, 5),
            ("transfers", &transfers, false, 17),
            ("one by one", &transfers, true, 200),
            ("two large ones", &mixed, false, 20),
        ];
        for (name, limits, is_alone, expected) in rows {
            let units = units(&block(limits), 2, is_alone);
            assert_eq!(units.len(), expected, "{name}");
            let all: Vec<usize> = units.into_iter().flatten().collect();
            assert_eq!(all, (0..limits.len()).collect::<Vec<_>>(), "{name}");
        }
    }

    #[test]
    fn a_few_big_ones_are_first() {
        let order = |limits: &[u64]| {
            let with = |gas_limit: &u64| Transaction { gas_limit: *gas_limit, ..Transaction::default() };
            let block = Block { transactions: limits.iter().map(with).collect(), ..Block::default() };
            order_of(&block, &(0..limits.len()).map(|unit| unit..unit + 1).collect::<Vec<_>>())
        };
        let mut limits = [300_000; 100];
        limits[70] = 2_000_000;
        let (found, big) = order(&limits);
        assert_eq!((&found[..3], big), (&[70, 0, 1][..], 1));
        let (found, big) = order(&[2_000_000; 600]);
        assert_eq!((found, big), ((0..600).collect(), MAX_BIG));
    }
}
