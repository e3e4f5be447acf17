//! The block in units, as `units` of `rialto-parallel` cuts it, with what the model knows of each.

use crate::profile::{BlockProfile, TransactionProfile};
use alloy_primitives::{Address, map::AddressMap};

/// Gas that a unit's transactions may use together, unless it is one transaction.
const UNIT_GAS: u64 = 900_000;
/// Who may use more is a unit of its own.
const ALONE_GAS: u64 = 250_000;
/// Most transactions of a unit.
const UNIT_TRANSACTIONS: usize = 16;
/// Units that each core should get.
const UNITS_PER_CORE: usize = 8;
/// A unit that may use this share of all gas is taken before the others.
const BIG_SHARE: u64 = 16;
/// And so is one that may use this much.
const BIG_GAS: u64 = 2_000_000;
/// So many at most.
const MAX_BIG: usize = 16;
/// Gas of a transfer, which calls nothing.
const TRANSFER_GAS: u64 = 21_000;

/// Transactions that are run together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Unit {
    pub gas_limit: u64,
    /// Time of its transactions by themselves.
    pub run_ns: u64,
    pub apply_ns: u64,
    pub again_ns: u64,
    pub bloom_ns: u64,
    pub receipt_ns: u64,
    /// Earlier units whose changes it reads.
    pub reads_from: Vec<usize>,
    /// The number of its first transaction's receiver.
    pub lane: usize,
    /// The last earlier unit in which a sender of its own called the same contract right before.
    pub chained: Option<usize>,
}

/// The block in units, for so many cores.
pub(super) fn units(profile: &BlockProfile, cores: usize) -> Vec<Unit> {
    let transactions = &profile.transactions;
    let most = (transactions.len() / (UNITS_PER_CORE * cores.max(1))).clamp(1, UNIT_TRANSACTIONS);
    let mut units: Vec<Unit> = Vec::new();
    let mut unit_of: Vec<usize> = Vec::new();
    let mut lanes = AddressMap::<usize>::default();
    // By sender: the position of the last transaction.
    let mut last = AddressMap::<usize>::default();
    let mut count = 0;
    for (position, transaction) in transactions.iter().enumerate() {
        let is_full = units.last().is_none_or(|unit| is_full(unit, count, most, transaction));
        if is_full {
            let next = lanes.len();
            let lane = *lanes.entry(transaction.to.unwrap_or(Address::ZERO)).or_insert(next);
            units.push(Unit { lane, ..Unit::default() });
            count = 0;
        }
        count += 1;
        let own = units.len() - 1;
        unit_of.push(own);
        let unit = &mut units[own];
        unit.gas_limit = unit.gas_limit.saturating_add(transaction.gas_limit);
        unit.run_ns += transaction.run_ns;
        unit.apply_ns += transaction.apply_ns;
        unit.again_ns += transaction.again_ns;
        unit.bloom_ns += transaction.bloom_ns;
        unit.receipt_ns += transaction.receipt_ns;
        let others = transaction.reads_from.iter().map(|other| unit_of[*other]).filter(|other| *other != own);
        unit.reads_from.extend(others);
        let before = last.insert(transaction.sender, position).filter(|other| unit_of[*other] != own);
        if let Some(before) = before
            && transactions[before].to == transaction.to
            && transaction.gas_limit > TRANSFER_GAS
        {
            unit.chained = unit.chained.max(Some(unit_of[before]));
        }
    }
    for unit in &mut units {
        unit.reads_from.sort_unstable();
        unit.reads_from.dedup();
    }
    units
}

/// Whether a unit of so many transactions has no room for another one.
fn is_full(unit: &Unit, count: usize, most: usize, next: &TransactionProfile) -> bool {
    count == most
        || unit.gas_limit.saturating_add(next.gas_limit) > UNIT_GAS
        || next.gas_limit > ALONE_GAS
        || unit.gas_limit > ALONE_GAS && count == 1
}

/// In which order units are taken: big ones first, and how many those are.
pub(super) fn order_of(units: &[Unit]) -> (Vec<usize>, usize) {
    let all: u64 = units.iter().map(|unit| unit.gas_limit / BIG_SHARE).sum();
    let mut count = 0;
    let is_big = |unit: &usize| {
        let is_big = count < MAX_BIG && units[*unit].gas_limit >= all.min(BIG_GAS);
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

    #[test]
    fn small_transactions_are_run_together_and_know_whom_they_follow() {
        let to = |number: u8| Some(Address::with_last_byte(number));
        let transaction =
            TransactionProfile { run_ns: 10, gas_limit: 100_000, to: to(1), ..TransactionProfile::default() };
        let mut transactions = vec![transaction; 64];
        for (position, transaction) in transactions.iter_mut().enumerate() {
            transaction.sender = Address::with_last_byte(position as u8);
        }
        transactions[33].reads_from = vec![0, 32];
        // Alone: one that may use much. Then begins another unit.
        (transactions[9].gas_limit, transactions[9].to) = (300_000, to(2));
        // The sender of the tenth calls the same contract again, and then another one.
        for position in [12, 20] {
            (transactions[position].sender, transactions[position].to) = (transactions[9].sender, to(2));
        }
        transactions[20].to = to(3);
        let units = units(&BlockProfile { transactions, ..BlockProfile::default() }, 2);
        let rows = [
            ("four together", 0, 40, 0, None),
            ("what is left before the large one", 2, 10, 0, None),
            ("the large one", 3, 10, 1, None),
            ("behind it", 4, 40, 0, Some(3)),
            ("another contract", 6, 40, 0, None),
        ];
        for (name, unit, run_ns, lane, chained) in rows {
            let found = &units[unit];
            assert_eq!((found.run_ns, found.lane, found.chained), (run_ns, lane, chained), "{name}");
        }
        assert_eq!((units.len(), &units[9].reads_from[..]), (18, &[0][..]));
    }

    #[test]
    fn big_units_are_first() {
        let unit = |gas_limit| Unit { gas_limit, ..Unit::default() };
        let mut units = vec![unit(21_000); 40];
        units[7] = unit(900_000);
        units[9] = unit(2_000_000);
        let (order, big) = order_of(&units);
        assert_eq!((&order[..3], big), (&[7, 9, 0][..], 2));
    }
}
