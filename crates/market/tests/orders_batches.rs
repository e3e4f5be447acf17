//! Batches, replacements and mass cancels: what each action does, what its result says, and that rejected actions leave nothing.

mod exchange;

use alloy_primitives::B256;
use alloy_sol_types::{SolCall, SolError};
use exchange::{ALICE, BOB, Ended, PERPETUAL, PRICE, SPOT, World, buy, sell};
use proptest::prelude::*;
use rialto_market::abi::IMarket::{self, Order, TimeInForce};
use rialto_market::orders::action::{Action, unpack_result};
use rialto_market::orders::request::OrderRequest;
use rialto_market::types::{InstrumentId, OrderId, Side};

fn place(order: Order) -> Action {
    Action::Place(OrderRequest::from_abi(&order).unwrap())
}

fn batch(world: &mut World, actions: &[Action], is_atomic: bool) -> Result<Vec<B256>, String> {
    let account = world.account(ALICE);
    let actions: Vec<B256> = actions.iter().map(|action| action.pack().unwrap()).collect();
    if is_atomic {
        world.call(ALICE, IMarket::batchAtomicCall { account, actions })
    } else {
        world.call(ALICE, IMarket::batchCall { account, actions })
    }
}

#[test]
fn a_batch_of_everything() {
    let mut world = World::new();
    world.place(BOB, sell(PRICE + 10, 10)).unwrap();
    let first =
        batch(&mut world, &[place(buy(PRICE, 5)), place(Order { clientId: 3, ..buy(PRICE - 1, 6) })], false).unwrap();
    let (is_done, id, filled) = unpack_result(&first[0]);
    assert!(is_done && filled == 0);
    let id = id.expect("it rests");
    let keep = OrderRequest { lots: 3, ..OrderRequest::from_abi(&buy(PRICE, 5)).unwrap() };
    let actions = [
        place(buy(PRICE + 10, 4)),
        place(Order { timeInForce: TimeInForce::PostOnly, ..buy(PRICE + 10, 4) }),
        Action::Replace(id, keep),
        Action::CancelByClientId(3),
        Action::CancelByClientId(3),
        Action::Cancel(OrderId { instrument: InstrumentId(PERPETUAL), sequence: 999, handle: 1 }),
        place(sell(PRICE + 30, 7)),
        Action::CancelAll(InstrumentId(PERPETUAL)),
    ];
    let results = batch(&mut world, &actions, false).unwrap();
    let selector = |error: [u8; 4]| error;
    type Answer = Result<(Option<OrderId>, u64), [u8; 4]>;
    let expected: [(&str, Answer); 8] = [
        ("taker", Ok((None, 4))),
        ("post-only", Err(selector(IMarket::WouldTake::SELECTOR))),
        ("smaller, same id", Ok((Some(id), 0))),
        ("by client id", Ok((None, 6))),
        ("by client id again", Err(selector(IMarket::Unknown::SELECTOR))),
        ("unknown", Err(selector(IMarket::Unknown::SELECTOR))),
        ("ask", Ok((unpack_result(&results[6]).1, 0))),
        ("all", Ok((None, 2))),
    ];
    for ((name, expected), result) in expected.iter().zip(&results) {
        let (is_done, id, number) = unpack_result(result);
        let actual = if is_done { Ok((id, number)) } else { Err(result[28..].try_into().unwrap()) };
        assert_eq!(&actual, expected, "{name}: {result}");
    }
    assert_eq!(world.position(ALICE), (4, 0, 0));
    let before = world.slots();
    let atomic = batch(&mut world, &[place(buy(PRICE + 10, 2)), actions[1]], true);
    assert_eq!(atomic, Err("WouldTake".into()), "the first rejection is the batch's");
    assert_eq!(world.slots(), before, "and undoes what came before");
    assert!(batch(&mut world, &[], true).unwrap().is_empty());
    let many = vec![Action::CancelByClientId(1); 257];
    assert_eq!(batch(&mut world, &many, false), Err("LimitReached actions 256".into()));
    assert_eq!(batch(&mut world, &many[1..], false).unwrap().len(), 256);
}

#[test]
fn words_that_are_no_action_are_rejected_alone() {
    let mut world = World::new();
    let account = world.account(ALICE);
    let good = place(buy(PRICE, 5)).pack().unwrap();
    let mut words = vec![B256::ZERO, B256::repeat_byte(0xff), good];
    for (at, value) in [(0, 9), (1, 0x40), (27, 1), (31, 1)] {
        let mut word = good;
        word[at] = value;
        words.push(word);
    }
    let results = world.call(ALICE, IMarket::batchCall { account, actions: words.clone() }).unwrap();
    for (word, result) in words.iter().zip(&results) {
        assert_eq!(result[0] == 1, *word == good, "{word}: {result}");
        if result[0] == 0 {
            assert_eq!(result[28..], IMarket::BadCall::SELECTOR, "{word}");
        }
    }
    assert_eq!(world.book(PERPETUAL), [(true, PRICE, 5)]);
}

#[test]
fn replacing_keeps_the_place_only_where_nobody_loses() {
    // Alice's 10 at the price are before Bob's 10; after the replacement, someone sells 5: whose fill?
    let same = buy(PRICE, 10);
    let rows = [
        ("fewer lots", Order { lots: 6, ..same.clone() }, true, 6),
        ("same", same.clone(), true, 10),
        ("more lots", Order { lots: 11, ..same.clone() }, false, 11),
        ("another price", Order { priceTicks: PRICE - 1, ..same.clone() }, false, 10),
        ("an expiry", Order { expirySeconds: exchange::START_SECONDS + 9, ..same.clone() }, false, 10),
        ("a client id", Order { clientId: 4, ..same.clone() }, false, 10),
    ];
    for (name, order, keeps_place, lots) in rows {
        let mut world = World::new();
        let account = world.account(ALICE);
        let id = world.place(ALICE, same.clone()).unwrap().orderId;
        world.place(BOB, buy(PRICE, 10)).unwrap();
        let fill = world.call(ALICE, IMarket::replaceCall { account, orderId: id, order: order.clone() }).unwrap();
        assert_eq!(fill.orderId == id, keeps_place, "{name}: its id");
        assert_eq!(world.position(ALICE).1, lots, "{name}: its lots");
        world.place(exchange::CAROL, sell(PRICE, 5)).unwrap();
        assert_eq!(world.position(ALICE).0, if keeps_place { 5 } else { 0 }, "{name}: its place");
    }
    let mut world = World::new();
    let account = world.account(ALICE);
    let id = world.place(ALICE, Order { clientId: 5, ..same.clone() }).unwrap().orderId;
    let before = world.slots();
    let bad = [
        ("another side", sell(PRICE, 10), "Forbidden a replacement is of the order's instrument and side"),
        (
            "another instrument",
            Order { instrument: SPOT, ..same.clone() },
            "Forbidden a replacement is of the order's instrument and side",
        ),
        ("too few lots", Order { lots: 1, ..same.clone() }, "OutOfRange lots 1"),
        ("beyond the band", Order { priceTicks: u32::MAX, ..same.clone() }, "OutOfRange price 4294967295"),
        ("without margin", Order { lots: 900_000, ..same.clone() }, "MarginTooLow"),
    ];
    for (name, order, expected) in bad {
        let result = world.call(ALICE, IMarket::replaceCall { account, orderId: id, order });
        assert_eq!(result.map(|fill| fill.orderId), Err(expected.into()), "{name}");
        assert_eq!(world.slots(), before, "{name}: the old order still rests");
    }
    world.call(ALICE, IMarket::replaceCall { account, orderId: id, order: buy(PRICE - 5, 10) }).unwrap();
    assert_eq!(
        world.call(ALICE, IMarket::cancelByClientIdCall { account, clientId: 5 }),
        Ok(10),
        "it keeps its client id"
    );
}

#[test]
fn mass_cancels_are_bounded_and_resumable() {
    let mut world = World::new();
    let account = world.account(ALICE);
    for at in 0..290 {
        world.place(ALICE, buy(PRICE - 1 - at % 40, 2)).unwrap();
    }
    for at in 0..5 {
        world.place(ALICE, Order { instrument: SPOT, ..buy(PRICE - 1 - at, 2) }).unwrap();
    }
    world.place(BOB, buy(PRICE - 3, 2)).unwrap();
    let mut cancel = |instrument| world.call(ALICE, IMarket::cancelAllCall { account, instrument }).unwrap();
    assert_eq!((cancel(SPOT), cancel(SPOT)), (5, 0));
    assert_eq!((cancel(0), cancel(0), cancel(0)), (256, 34, 0));
    assert_eq!(world.book(PERPETUAL), [(true, PRICE - 3, 2)], "another's order stays");
    assert_eq!(world.position(ALICE), (0, 0, 0));
}

#[test]
fn an_account_has_so_many_orders() {
    let mut world = World::new();
    for _ in 0..300 {
        world.place(ALICE, buy(PRICE - 1, 2)).unwrap();
    }
    let result = world.place(ALICE, buy(PRICE - 1, 2)).map(|fill| fill.orderId);
    assert_eq!(result, Err("LimitReached orders in an instrument 300".into()));
    world.place(BOB, sell(PRICE - 1, 2)).unwrap();
    world.place(ALICE, buy(PRICE - 1, 2)).expect("room after a fill");
}

fn requests() -> impl Strategy<Value = OrderRequest> {
    (any::<[u8; 2]>(), any::<u16>(), any::<u32>(), 0..1_u64 << 48, any::<u64>(), 0..1_u64 << 40).prop_map(
        |([flags, self_trade], instrument, ticks, lots, client_id, expiry_seconds)| OrderRequest {
            instrument: InstrumentId(instrument),
            side: if flags & 1 == 1 { Side::Buy } else { Side::Sell },
            ticks,
            lots,
            time_in_force: rialto_market::orders::request::TimeInForce::from_byte(flags >> 1 & 3).unwrap(),
            self_trade: rialto_market::orders::request::self_trade_of(self_trade & 3).unwrap(),
            is_reduce_only: flags & 8 != 0,
            client_id,
            expiry_seconds,
        },
    )
}

proptest! {
    #[test]
    fn actions_pack_to_one_word_and_back(order in requests(), id in any::<(u16, u64, u32)>(), kind in 0..5_u8) {
        let id = OrderId { instrument: InstrumentId(id.0), sequence: id.1, handle: id.2 };
        let action = match kind {
            0 => Action::Place(order),
            1 => Action::Cancel(id),
            2 => Action::CancelByClientId(order.client_id),
            3 => Action::Replace(id, OrderRequest { instrument: id.instrument, client_id: 0, ..order }),
            _ => Action::CancelAll(order.instrument),
        };
        prop_assert_eq!(Action::unpack(&action.pack().unwrap()), Ok(action));
    }

    #[test]
    fn a_word_has_one_meaning(bytes in any::<[u8; 32]>(), kind in 0..7_u8) {
        let mut word = B256::from(bytes);
        word[0] = kind;
        if let Ok(action) = Action::unpack(&word) {
            prop_assert_eq!(action.pack().unwrap(), word);
        }
    }
}

#[test]
fn a_batch_pays_for_what_it_does() {
    let mut world = World::new();
    let account = world.account(ALICE);
    let actions = vec![place(buy(PRICE, 5)).pack().unwrap(); 20];
    let input = IMarket::batchCall { account, actions }.abi_encode();
    let begin = world.journal.checkpoint();
    let Ended::Success { gas_used, .. } = world.enter(ALICE, &input, exchange::GAS, false) else { panic!() };
    world.journal.revert(begin);
    world.journal.end_tx(true);
    let before = world.slots();
    for gas in (0..gas_used).step_by(997).chain([gas_used - 1]) {
        assert_eq!(world.enter(ALICE, &input, gas, false), Ended::Halt, "{gas} gas");
        world.journal.end_tx(true);
    }
    assert_eq!(world.slots(), before, "whatever the gas, nothing is left of what ran out");
    assert!(matches!(world.enter(ALICE, &input, gas_used, false), Ended::Success { .. }), "the same again");
}
