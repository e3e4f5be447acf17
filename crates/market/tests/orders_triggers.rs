//! Stop and take-profit orders, and orders that expire: what sets them off, in which order they run, and what they leave.

mod exchange;

use exchange::{ALICE, BOB, CAROL, PERPETUAL, PRICE, START_SECONDS, World, buy, sell};
use rialto_market::abi::IMarket::{self, Order, TimeInForce, TriggerKind};

fn now(order: Order) -> Order {
    Order { timeInForce: TimeInForce::ImmediateOrCancel, priceTicks: 0, ..order }
}

fn trigger(
    world: &mut World,
    owner: exchange::Owner,
    order: Order,
    kind: TriggerKind,
    ticks: u32,
) -> Result<u64, String> {
    let account = world.account(owner);
    world.call(owner, IMarket::placeTriggerCall { account, order, kind, triggerTicks: ticks })
}

#[test]
fn which_way_each_waits() {
    use TriggerKind::{None, StopLoss, TakeProfit};
    let crossed = |ticks: u32| format!("OutOfRange trigger price {ticks}");
    let rows = [
        ("stop loss that sells waits below", sell(0, 5), StopLoss, PRICE - 1, Ok(())),
        ("and not at the mark", sell(0, 5), StopLoss, PRICE, Err(crossed(PRICE))),
        ("stop loss that buys waits above", buy(0, 5), StopLoss, PRICE + 1, Ok(())),
        ("and not at the mark", buy(0, 5), StopLoss, PRICE, Err(crossed(PRICE))),
        ("take profit that sells waits above", sell(0, 5), TakeProfit, PRICE + 1, Ok(())),
        ("and not below", sell(0, 5), TakeProfit, PRICE - 1, Err(crossed(PRICE - 1))),
        ("take profit that buys waits below", buy(0, 5), TakeProfit, PRICE - 1, Ok(())),
        ("and not above", buy(0, 5), TakeProfit, PRICE + 1, Err(crossed(PRICE + 1))),
        ("at the largest price", sell(0, 5), TakeProfit, u32::MAX, Ok(())),
        ("at no price", sell(0, 5), StopLoss, 0, Err(crossed(0))),
        ("of no kind", sell(0, 5), None, PRICE - 1, Err("BadCall".into())),
        ("of too few lots", sell(0, 1), StopLoss, PRICE - 1, Err("OutOfRange lots 1".into())),
        ("of no instrument", Order { instrument: 77, ..sell(0, 5) }, StopLoss, 1, Err("Unknown instrument 77".into())),
    ];
    for (name, order, kind, ticks, expected) in rows {
        let mut world = World::new();
        let placed = trigger(&mut world, ALICE, now(order), kind, ticks);
        assert_eq!(placed.clone().map(|_| ()), expected, "{name}");
        let account = world.account(ALICE);
        let waiting = world.call(ALICE, IMarket::triggersOfCall { account }).unwrap();
        assert_eq!(waiting, placed.into_iter().collect::<Vec<_>>(), "{name}");
    }
}

#[test]
fn a_stop_runs_once_when_the_mark_is_there() {
    let mut world = World::new();
    world.place(BOB, buy(PRICE - 2_000, 50)).unwrap();
    world.place(BOB, sell(PRICE, 10)).unwrap();
    world.place(ALICE, buy(PRICE, 10)).unwrap();
    let stop = Order { reduceOnly: true, ..now(sell(0, 10)) };
    let id = trigger(&mut world, ALICE, stop, TriggerKind::StopLoss, PRICE - 1_000).unwrap();
    world.set_prices(PRICE - 999, START_SECONDS + 1);
    assert!(world.events_of::<IMarket::TriggerEnded>().is_empty(), "a tick above");
    world.set_prices(PRICE - 1_000, START_SECONDS + 2);
    let ended = world.events_of::<IMarket::TriggerEnded>();
    assert_eq!(ended.iter().map(|end| (end.triggerId, end.reason)).collect::<Vec<_>>(), [(id, 1)]);
    assert_eq!(world.position(ALICE), (0, 0, 0), "the position is sold at 498,000");
    world.set_prices(PRICE - 1_500, START_SECONDS + 3);
    assert_eq!(world.position(ALICE), (0, 0, 0), "once");
    let account = world.account(ALICE);
    assert!(world.call(ALICE, IMarket::triggersOfCall { account }).unwrap().is_empty());
    let gone = world.call(ALICE, IMarket::cancelTriggerCall { account, triggerId: id }).map(|_| ());
    assert_eq!(gone, Err(format!("Unknown trigger {id}")));
}

#[test]
fn crossed_triggers_run_in_the_order_in_which_the_mark_meets_them() {
    let mut world = World::new();
    world.place(BOB, buy(PRICE - 5_000, 200)).unwrap();
    let mut rows: Vec<(u64, u32)> = Vec::new();
    // Placed in no order, two at one price.
    for (owner, below) in [(ALICE, 300), (CAROL, 100), (ALICE, 200), (CAROL, 200), (CAROL, 400), (ALICE, 900)] {
        let id = trigger(&mut world, owner, now(sell(0, 5)), TriggerKind::StopLoss, PRICE - below).unwrap();
        rows.push((id, below));
    }
    world.set_prices(PRICE - 500, START_SECONDS + 1);
    let ran: Vec<u64> = world.events_of::<IMarket::TriggerEnded>().iter().map(|end| end.triggerId).collect();
    assert_eq!(
        ran,
        [rows[1].0, rows[2].0, rows[3].0, rows[0].0, rows[4].0],
        "from the highest, oldest first at a price"
    );
    assert_eq!(world.position(ALICE).0 + world.position(CAROL).0, -25);
    assert_eq!(world.position(BOB), (25, 175, 0));
}

#[test]
fn a_trigger_without_effect_ends() {
    let mut world = World::new();
    let reduce = Order { reduceOnly: true, ..now(sell(0, 10)) };
    trigger(&mut world, ALICE, reduce, TriggerKind::StopLoss, PRICE - 10).unwrap();
    trigger(&mut world, ALICE, sell(PRICE - 20, 900_000), TriggerKind::StopLoss, PRICE - 10).unwrap();
    trigger(&mut world, BOB, sell(PRICE - 20, 5), TriggerKind::StopLoss, PRICE - 10).unwrap();
    world.set_prices(PRICE - 15, START_SECONDS + 1);
    let reasons: Vec<u8> = world.events_of::<IMarket::TriggerEnded>().iter().map(|end| end.reason).collect();
    assert_eq!(reasons, [2, 2, 1], "no position; no margin; and one that rests");
    assert_eq!(world.book(PERPETUAL), [(false, PRICE - 20, 5)]);
    assert_eq!(world.position(ALICE), (0, 0, 0));
}

#[test]
fn an_account_has_so_many_triggers() {
    let mut world = World::new();
    let place = |world: &mut World, at| trigger(world, ALICE, now(sell(0, 5)), TriggerKind::StopLoss, PRICE - 10 - at);
    let ids: Vec<u64> = (0..16).map(|at| place(&mut world, at).unwrap()).collect();
    assert_eq!(place(&mut world, 20), Err("LimitReached triggers 16".into()));
    let account = world.account(ALICE);
    let bob = world.account(BOB);
    let cancel = |world: &mut World, owner, account, id| {
        world.call(owner, IMarket::cancelTriggerCall { account, triggerId: id }).map(|_| ())
    };
    assert_eq!(cancel(&mut world, BOB, bob, ids[3]), Err(format!("Unknown trigger {}", ids[3])), "another's");
    assert_eq!(cancel(&mut world, BOB, account, ids[3]), Err("NotAllowed".into()));
    assert_eq!(
        cancel(&mut world, ALICE, account, u64::from(account) << 32),
        Err(format!("Unknown trigger {}", u64::from(account) << 32))
    );
    let before = world.slots();
    for id in [ids[3], ids[0], ids[15]] {
        assert_eq!(cancel(&mut world, ALICE, account, id), Ok(()));
    }
    let waiting = world.call(ALICE, IMarket::triggersOfCall { account }).unwrap();
    let mut expected: Vec<u64> = ids.iter().filter(|id| ![ids[3], ids[0], ids[15]].contains(id)).copied().collect();
    let mut sorted = waiting.clone();
    sorted.sort_unstable();
    expected.sort_unstable();
    assert_eq!(sorted, expected);
    for id in waiting {
        assert_eq!(cancel(&mut world, ALICE, account, id), Ok(()));
    }
    assert!(world.slots().len() < before.len());
    assert!(place(&mut world, 20).unwrap() > ids[15], "numbers are not used again");
}

#[test]
fn more_crossed_triggers_than_a_budget_carry_over() {
    let mut world = World::new();
    let mut owners = Vec::new();
    for number in 0..40_u64 {
        let owner = exchange::Owner::left_padding_from(&(0x9000 + number).to_be_bytes());
        let account = world.call(owner, IMarket::openAccountCall { number: 0 }).unwrap();
        world.fund(account, 1, 1_000_000_000_000);
        for at in 0..16 {
            trigger(&mut world, owner, now(sell(0, 2)), TriggerKind::StopLoss, PRICE - 10 - at).unwrap();
        }
        owners.push(owner);
    }
    for at in 0..250 {
        world.place(BOB, buy(PRICE - 100 - at, 10)).unwrap();
    }
    let mut ran = Vec::new();
    let mut calls = 0;
    while ran.len() < 640 {
        calls += 1;
        world.set_prices(PRICE - 50, START_SECONDS + calls);
        ran.extend(world.events_of::<IMarket::TriggerEnded>().iter().map(|end| (end.triggerId, end.reason)));
        assert!(calls < 20, "{} ran", ran.len());
    }
    let mut ids: Vec<u64> = ran.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ran.len(), ids.len()), (640, 640), "each once");
    assert!(ran.iter().all(|(_, reason)| *reason == 1));
    assert!(calls > 1, "they are more than a budget");
    assert_eq!(world.position(BOB).0, 1_280);
}

#[test]
fn orders_expire_in_order_and_never_fill_late() {
    let mut world = World::new();
    let until = |order, seconds| Order { expirySeconds: START_SECONDS + seconds, ..order };
    world.place(ALICE, until(sell(PRICE + 10, 5), 10)).unwrap();
    world.place(BOB, until(sell(PRICE + 10, 5), 5)).unwrap();
    world.place(ALICE, until(buy(PRICE - 10, 5), 5)).unwrap();
    world.place(BOB, sell(PRICE + 10, 5)).unwrap();
    // The second in which they expire is over by no price update yet: who meets them cancels them.
    world.block.timestamp_seconds = START_SECONDS + 5;
    let fill = world.place(CAROL, buy(PRICE + 10, 10)).unwrap();
    let met: Vec<u8> = world.events_of::<IMarket::OrderCancelled>().iter().map(|event| event.reason).collect();
    assert_eq!((fill.filledLots, met), (10, vec![2]));
    world.set_prices(PRICE, START_SECONDS + 6);
    let swept: Vec<(u32, u8)> =
        world.events_of::<IMarket::OrderCancelled>().iter().map(|event| (event.account, event.reason)).collect();
    assert_eq!(swept, [(world.account(ALICE), 2)], "the bid");
    assert!(world.book(PERPETUAL).is_empty());
    world.set_prices(PRICE, START_SECONDS + 60);
    assert!(world.events_of::<IMarket::OrderCancelled>().is_empty(), "what filled or was cancelled does not expire");
}

#[test]
fn an_expired_instrument_takes_no_orders() {
    let mut world = World::new();
    let option = |order| Order { instrument: exchange::OPTION, ..order };
    world.place(BOB, option(sell(34_000, 5))).unwrap();
    world.place(ALICE, option(buy(34_000, 2))).unwrap();
    world.set_prices(PRICE, exchange::EXPIRY_SECONDS + 1);
    let cancelled = world.events_of::<IMarket::OrderCancelled>();
    assert_eq!(cancelled.iter().map(|event| (event.lots, event.reason)).collect::<Vec<_>>(), [(3, 6)]);
    for order in [option(buy(34_000, 2)), option(sell(34_000, 2))] {
        let result = world.place(CAROL, order).map(|fill| fill.filledLots);
        assert!(matches!(&result, Err(error) if error.starts_with("Forbidden")), "{result:?}");
    }
    assert!(world.book(exchange::OPTION).is_empty(), "what rested is gone");
    exchange::check(&mut world, 3, "expired");
}
