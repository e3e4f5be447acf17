//! Whatever is done to records, in whatever nesting of calls, marks, checkpoints and transactions: they are what a model says that keeps whole
//! copies to go back to, and between calls they are what the journal's slots decode to.
//!
//! What this hunts: a change that is undone in the cache but not in the slots or the other way round, a change that is not written because
//! it was undone and made again, and a save that a mark wrongly shares with an earlier one.

use proptest::prelude::*;
use rialto_market::MARKET_ADDRESS;
use rialto_market::book::{IndexWord, Level, Order};
use rialto_market::layout::Balance;
use rialto_market::records::{Mark, Record, Records, Stored, slot_of};
use rialto_market::types::{AccountId, AssetId, InstrumentId, Side};
use rialto_state::{AccountId as JournalAccountId, Checkpoint, Journal, MemoryState};

const KEYS: usize = 3;

/// The records of all keys of four tables, as far as the operations reach.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    balances: [Balance; KEYS],
    levels: [Level; KEYS],
    orders: [Order; KEYS],
    words: [IndexWord; KEYS],
}

fn balance_key(at: usize) -> (AccountId, AssetId) {
    (AccountId(at as u32 * 7), AssetId(1))
}

fn level_key(at: usize) -> (InstrumentId, Side, u32) {
    (InstrumentId(1), Side::Sell, at as u32)
}

fn order_key(at: usize) -> (InstrumentId, u32) {
    (InstrumentId(at as u16), 1)
}

fn word_key(at: usize) -> (u64, u8, u32) {
    (at as u64, 3, 9)
}

/// What a call does.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Sets one field of a record: table, key, value.
    Change(u8, usize, u8),
    Mark,
    /// Back to the mark of this number, counted from the last one.
    Revert(usize),
}

/// What happens around calls.
#[derive(Clone, Debug)]
enum Action {
    Call {
        steps: Vec<Step>,
        is_abandoned: bool,
    },
    Checkpoint,
    /// Back to the checkpoint of this number, counted from the last one.
    Revert(usize),
    EndTransaction,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0u8..4, 0..KEYS, 0u8..3).prop_map(|(table, key, value)| Step::Change(table, key, value)),
        1 => Just(Step::Mark),
        1 => (0usize..3).prop_map(Step::Revert),
    ];
    prop::collection::vec(step, 0..12)
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        5 => (steps(), prop::bool::weighted(0.2)).prop_map(|(steps, is_abandoned)| Action::Call { steps, is_abandoned }),
        2 => Just(Action::Checkpoint),
        2 => (0usize..3).prop_map(Action::Revert),
        1 => Just(Action::EndTransaction),
    ];
    prop::collection::vec(action, 1..25)
}

fn change(records: &mut Records<'_, '_>, model: &mut Model, table: u8, key: usize, value: u8) {
    let small = u32::from(value);
    match table {
        0 => {
            model.balances[key].amount = i128::from(value) - 1;
            records.set(balance_key(key), model.balances[key]).unwrap();
        }
        1 => {
            model.levels[key].head = small;
            records.update::<Level, _>(level_key(key), |level| level.head = small).unwrap();
        }
        2 => {
            (model.orders[key].lots, model.orders[key].client_id) = (value.into(), value.into());
            let place = records.locate::<Order>(order_key(key)).unwrap();
            let order = records.at_mut(place);
            (order.lots, order.client_id) = (value.into(), value.into());
        }
        _ => {
            model.words[key].bits = alloy_primitives::U256::from(value) << 200;
            records.set(word_key(key), model.words[key]).unwrap();
        }
    }
}

fn compare<R: Stored + std::fmt::Debug>(
    records: &mut Records<'_, '_>,
    expected: &[R; KEYS],
    key_of: impl Fn(usize) -> R::Key,
) {
    for (at, expected) in expected.iter().enumerate() {
        assert_eq!(records.get::<R>(key_of(at)).unwrap(), *expected, "{} {at} in the cache", R::NAME);
    }
}

fn compare_all(records: &mut Records<'_, '_>, model: &Model) {
    compare(records, &model.balances, balance_key);
    compare(records, &model.levels, level_key);
    compare(records, &model.orders, order_key);
    compare(records, &model.words, word_key);
}

/// What the journal's slots decode to now.
fn stored<R: Record>(journal: &mut Journal<'_>, account: JournalAccountId, key: R::Key) -> R {
    R::decode(|word| {
        let slot = journal.slot_id(account, &slot_of::<R>(key, word));
        journal.load_slot(slot).unwrap().value
    })
}

fn compare_slots(journal: &mut Journal<'_>, account: JournalAccountId, model: &Model) {
    for at in 0..KEYS {
        assert_eq!(stored::<Balance>(journal, account, balance_key(at)), model.balances[at], "stored balance {at}");
        assert_eq!(stored::<Level>(journal, account, level_key(at)), model.levels[at], "stored level {at}");
        assert_eq!(stored::<Order>(journal, account, order_key(at)), model.orders[at], "stored order {at}");
        assert_eq!(stored::<IndexWord>(journal, account, word_key(at)), model.words[at], "stored word {at}");
    }
}

fn run_call(records: &mut Records<'_, '_>, model: &mut Model, steps: &[Step]) {
    let mut marks: Vec<(Mark, Model)> = Vec::new();
    for &step in steps {
        match step {
            Step::Change(table, key, value) => change(records, model, table, key, value),
            Step::Mark => marks.push((records.mark(), model.clone())),
            Step::Revert(back) => {
                if let Some(at) = marks.len().checked_sub(back + 1) {
                    let (mark, before) = marks[at].clone();
                    records.revert(mark);
                    *model = before;
                    marks.truncate(at);
                }
            }
        }
        compare_all(records, model);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn records_follow_the_journal(actions in actions()) {
        let state = MemoryState::default();
        let mut journal = Journal::new(&state, 3);
        let account = journal.account_id(&MARKET_ADDRESS);
        let mut model = Model::default();
        let mut checkpoints: Vec<(Checkpoint, Model)> = Vec::new();
        for action in actions {
            match action {
                Action::Call { steps, is_abandoned } => {
                    let before = model.clone();
                    let mut records = Records::open(&mut journal, account);
                    run_call(&mut records, &mut model, &steps);
                    if is_abandoned {
                        records.abandon();
                        model = before;
                    } else {
                        records.close().unwrap();
                    }
                }
                Action::Checkpoint => checkpoints.push((journal.checkpoint(), model.clone())),
                Action::Revert(back) => {
                    if let Some(at) = checkpoints.len().checked_sub(back + 1) {
                        let (checkpoint, before) = checkpoints[at].clone();
                        journal.revert(checkpoint);
                        model = before;
                        checkpoints.truncate(at);
                    }
                }
                Action::EndTransaction => {
                    journal.end_tx(false);
                    checkpoints.clear();
                }
            }
            compare_slots(&mut journal, account, &model);
            let mut records = Records::open(&mut journal, account);
            compare_all(&mut records, &model);
            records.abandon();
        }
    }
}

/// What one call reads first in its transaction, and what it changes, is counted by word.
#[test]
fn words_are_counted_once_a_transaction() {
    let state = MemoryState::default();
    let mut journal = Journal::new(&state, 3);
    let account = journal.account_id(&MARKET_ADDRESS);
    for (name, is_new_transaction, expected) in
        [("first", false, (2, 2)), ("again", false, (0, 2)), ("later", true, (2, 2))]
    {
        if is_new_transaction {
            journal.end_tx(false);
        }
        let mut records = Records::open(&mut journal, account);
        records.get::<Order>(order_key(0)).unwrap();
        records.update::<Order, _>(order_key(0), |order| order.lots += 1).unwrap();
        records.update::<Order, _>(order_key(0), |order| order.lots += 1).unwrap();
        assert_eq!((records.words_read(), records.words_written()), expected, "{name}");
        records.close().unwrap();
    }
}
