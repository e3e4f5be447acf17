//! Calls and prices that are meant to hurt, each with the error that it gets and the gas that it takes: expired series, prices of next to
//! nothing, premiums at the ends, cascades of stops.

mod exchange;

use alloy_sol_types::SolCall;
use exchange::{
    ALICE, BITCOIN_FEED, BOB, CAROL, EXPIRY_SECONDS, Ended, NOBODY, OPTION, PERPETUAL, PRICE, START_SECONDS, World,
    buy, check, error_text, sell,
};
use rialto_market::abi::IMarket::{self, Order, TimeInForce, TriggerKind};
use rialto_market::gas;
use rialto_market::oracle::NewPrice;

/// What a call gave: nothing, or the error as it reads; and the gas.
fn ended(world: &mut World, caller: exchange::Owner, input: &[u8]) -> (Result<(), String>, u64) {
    match world.transact(caller, input) {
        Ended::Success { gas_used, .. } => (Ok(()), gas_used),
        Ended::Revert { output, gas_used } => (Err(error_text(&output)), gas_used),
        other => panic!("{other:?}"),
    }
}

/// A call that is refused before the book costs no more than this: the call, its data, a check, and an account's health.
const REFUSED_GAS: u64 = gas::CALL + 32 * gas::CALL_DATA_WORD + gas::PLACE + gas::CANCEL + gas::TAKEOVER + 20_000;

#[test]
fn an_expired_series_takes_nothing_but_payouts() {
    let of = |order| Order { instrument: OPTION, ..order };
    let mut world = World::new();
    let (alice, bob) = (world.account(ALICE), world.account(BOB));
    let resting = world.place(BOB, of(sell(34_000, 10))).unwrap().orderId;
    world.place(ALICE, of(buy(34_000, 4))).unwrap();
    let stop = Order { timeInForce: TimeInForce::ImmediateOrCancel, priceTicks: 0, reduceOnly: true, ..of(sell(0, 4)) };
    let trigger = IMarket::placeTriggerCall {
        account: alice,
        order: stop.clone(),
        kind: TriggerKind::StopLoss,
        triggerTicks: 10,
    };
    world.call(ALICE, trigger.clone()).unwrap();
    let settle = |account| IMarket::settleExpiredCall { account, instrument: OPTION };
    let early = ended(&mut world, NOBODY, &settle(alice).abi_encode()).0;
    assert_eq!(early, Err("Forbidden not settled".into()));
    world.set_prices(PRICE + 1_000, EXPIRY_SECONDS + 1);
    let forbidden = |state: &str| Err(format!("Forbidden {state}"));
    let replace = IMarket::replaceCall { account: bob, orderId: resting, order: of(sell(34_001, 6)) };
    let unknown = Err(format!("Unknown order {resting}"));
    type Row = (&'static str, exchange::Owner, Vec<u8>, Result<(), String>);
    let rows: [Row; 9] = [
        (
            "buy",
            CAROL,
            IMarket::placeCall { account: world.account(CAROL), order: of(buy(34_000, 2)) }.abi_encode(),
            forbidden("settled"),
        ),
        ("reduce", ALICE, IMarket::placeCall { account: alice, order: stop }.abi_encode(), forbidden("settled")),
        ("trigger", ALICE, trigger.abi_encode(), forbidden("settled")),
        ("replace", BOB, replace.abi_encode(), unknown.clone()),
        ("cancel", BOB, IMarket::cancelCall { account: bob, orderId: resting }.abi_encode(), unknown),
        ("settle the long", NOBODY, settle(alice).abi_encode(), Ok(())),
        ("settle it again", NOBODY, settle(alice).abi_encode(), Ok(())),
        ("settle the short", NOBODY, settle(bob).abi_encode(), Ok(())),
        ("cancel all", ALICE, IMarket::cancelAllCall { account: alice, instrument: OPTION }.abi_encode(), Ok(())),
    ];
    for (name, caller, input, expected) in rows {
        let (result, gas_used) = ended(&mut world, caller, &input);
        assert_eq!(result, expected, "{name}");
        assert!(gas_used < REFUSED_GAS + gas::FILL + gas::PAYOUT + 40 * gas::SLOT, "{name}: {gas_used} gas");
    }
    for account in [alice, bob] {
        let position = world.call(NOBODY, IMarket::positionOfCall { account, instrument: OPTION }).unwrap();
        assert_eq!((position.lots, position.bidLots, position.askLots), (0, 0, 0));
    }
    check(&mut world, 3, "expired");
}

#[test]
fn prices_of_next_to_nothing() {
    // A bitcoin is 0.00000001 dollars: no price of the instruments, which keep theirs and are halted.
    let mut world = World::new();
    let alice = world.account(ALICE);
    let resting = world.place(ALICE, buy(PRICE - 1_000, 5)).unwrap().orderId;
    let time_seconds = START_SECONDS + 10;
    world.block.timestamp_seconds = time_seconds;
    world.block.number += 1;
    world.operate(exchange::Owner::ZERO, |market| {
        market.accept_prices(&[NewPrice { feed: BITCOIN_FEED, price: 1, time_seconds }])
    });
    let mark = world.call(NOBODY, IMarket::priceOfCall { instrument: PERPETUAL }).unwrap().mark;
    let order = IMarket::placeCall { account: alice, order: sell(PRICE, 5) }.abi_encode();
    let (result, gas_used) = ended(&mut world, ALICE, &order);
    assert_eq!(mark, u64::from(PRICE) * 1_000_000);
    assert_eq!(result, Err("Forbidden halted by the circuit breaker".into()));
    assert!(gas_used < REFUSED_GAS, "{gas_used} gas");
    assert_eq!(world.end_block(), Ok(()));
    let cancelled = world.call(ALICE, IMarket::cancelCall { account: alice, orderId: resting });
    assert_eq!(cancelled, Ok(5), "who rests may leave");
    check(&mut world, 3, "next to nothing");
}

#[test]
fn premiums_at_the_ends_change_nothing_but_the_mark_within_its_clamp() {
    for (name, order) in [("all sell low", sell(1, 1_000)), ("all buy high", buy(u32::MAX, 1_000))] {
        let mut world = World::new();
        let bob = world.account(BOB);
        let (result, gas_used) = ended(&mut world, BOB, &IMarket::placeCall { account: bob, order }.abi_encode());
        assert_eq!(
            result.map_err(|text| text.split(' ').take(2).collect::<Vec<_>>().join(" ")),
            Err("OutOfRange price".into()),
            "{name}"
        );
        assert!(gas_used < REFUSED_GAS, "{name}: {gas_used} gas");
    }
    // As far as the band goes, for as long as it may last: the mark stays within the clamp, and money where it is.
    let mut world = World::new();
    for (owner, order) in [(BOB, sell(PRICE - 20_000, 10_000)), (CAROL, buy(PRICE - 21_000, 10_000))] {
        world.place(owner, order).unwrap();
    }
    world.place(ALICE, sell(PRICE - 21_000, 10)).unwrap();
    for minute in 1..200 {
        world.set_prices(PRICE, START_SECONDS + 60 * minute);
        assert_eq!(world.end_block(), Ok(()), "minute {minute}");
    }
    let prices = world.call(NOBODY, IMarket::priceOfCall { instrument: PERPETUAL }).unwrap();
    assert!(
        prices.mark < prices.index && prices.mark >= prices.index / 2,
        "{} at an index of {}",
        prices.mark,
        prices.index
    );
    check(&mut world, 3, "premiums");
}

#[test]
fn each_link_of_a_cascade_waits_for_prices() {
    // Each stop sells at a price at which the next one would run, were trades what sets stops off.
    let mut world = World::new();
    for step in 1..=5 {
        world.place(BOB, buy(PRICE - 1_000 * step, 10)).unwrap();
    }
    let account = world.account(ALICE);
    for step in 0..5 {
        let order = Order { timeInForce: TimeInForce::ImmediateOrCancel, priceTicks: 0, ..sell(0, 10) };
        let ticks = PRICE - 1_000 * step - 500;
        let call = IMarket::placeTriggerCall { account, order, kind: TriggerKind::StopLoss, triggerTicks: ticks };
        world.call(ALICE, call).unwrap();
    }
    for link in 1..=5_u32 {
        world.set_prices(PRICE - 1_000 * (link - 1) - 500, START_SECONDS + u64::from(link));
        let ended: Vec<u8> = world.events_of::<IMarket::TriggerEnded>().iter().map(|end| end.reason).collect();
        let at: Vec<u32> = world.events_of::<IMarket::Trade>().iter().map(|trade| trade.priceTicks).collect();
        assert_eq!((ended, at), (vec![1], vec![PRICE - 1_000 * link]), "link {link}");
        assert_eq!(world.end_block(), Ok(()), "link {link}");
    }
    assert_eq!(world.position(ALICE), (-50, 0, 0));
    check(&mut world, 3, "cascade");
}
