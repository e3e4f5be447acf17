//! Orders that are meant to hurt: dust, full books, rings of self-trades, numbers at the ends of their types, contracts that call back.
//! All of it ends in a defined way, within its gas, and leaves money and book as they have to be.

mod exchange;

use alloy_primitives::{Address, U256};
use alloy_sol_types::{SolCall, SolValue};
use exchange::{
    ALICE, BOB, CAROL, Ended, GAS, NOBODY, Owner, PERPETUAL, PRICE, START_SECONDS, World, buy, check, error_text, sell,
};
use proptest::prelude::*;
use rialto_market::abi::IMarket::{self, Order, SelfTrade, TimeInForce, TriggerKind};

#[test]
fn dust_ends_a_call_at_its_bound() {
    let mut world = World::new();
    for owner in [BOB, CAROL] {
        for at in 0..200 {
            world.place(owner, sell(PRICE + at % 7, 2)).unwrap();
        }
    }
    let account = world.account(ALICE);
    let input = IMarket::placeCall { account, order: buy(PRICE + 100, 1_000) }.abi_encode();
    let Ended::Success { output, gas_used } = world.transact(ALICE, &input) else { panic!() };
    let fill = IMarket::placeCall::abi_decode_returns(&output).unwrap();
    assert_eq!(
        (fill.filledLots, fill.isPartial, fill.orderId),
        (512, true, 0),
        "256 makers, and the rest is cancelled"
    );
    assert!(gas_used < GAS / 2, "{gas_used} gas");
    let fill = world.place(ALICE, buy(PRICE + 100, 1_000)).unwrap();
    assert_eq!((fill.filledLots, fill.isPartial), (288, false), "the next call goes on");
    let order = Order { timeInForce: TimeInForce::FillOrKill, ..sell(PRICE, 1_000) };
    for at in 0..270 {
        world.place(BOB, buy(PRICE + at % 3, 2)).unwrap();
    }
    world.place(CAROL, buy(PRICE, 10_000)).unwrap();
    assert_eq!(
        world.place(ALICE, order).map(|fill| fill.filledLots),
        Err("NotFillable".into()),
        "nor beyond the bound"
    );
    check(&mut world, 3, "dust");
}

#[test]
fn makers_that_are_cancelled_for_margin_are_visits_too() {
    let mut world = World::new();
    for number in 0..20_u64 {
        let owner = Owner::left_padding_from(&(0x7000 + number).to_be_bytes());
        let account = world.call(owner, IMarket::openAccountCall { number: 0 }).unwrap();
        world.fund(account, 1, 6_000_000);
        world.place(owner, sell(PRICE, 2)).unwrap();
    }
    world.set_prices(PRICE + PRICE / 20, START_SECONDS + 1);
    let account = world.account(ALICE);
    let input = IMarket::placeCall { account, order: buy(PRICE, 40) }.abi_encode();
    let Ended::Success { gas_used, .. } = world.transact(ALICE, &input) else { panic!() };
    let cancelled = world.events_of::<IMarket::OrderCancelled>().iter().filter(|event| event.reason == 3).count();
    assert!(cancelled > 0);
    assert!(gas_used < 20 * 40_000 + 100_000, "{gas_used} gas");
    check(&mut world, 23, "cancelled makers");
}

#[test]
fn a_ring_of_self_trades_only_pays_fees() {
    let mut world = World::new();
    let owners = [ALICE, BOB, CAROL];
    let before: Vec<i128> = owners.iter().map(|owner| world.balance(*owner, 1)).collect();
    for round in 0..30_u32 {
        for at in 0..3 {
            let ticks = PRICE - 20_000 + 1_000 * (round % 40);
            world.place(owners[at], sell(ticks, 50)).unwrap();
            let fill = world.place(owners[(at + 1) % 3], buy(ticks, 50)).unwrap();
            assert_eq!(fill.filledLots, 50);
        }
    }
    check(&mut world, 3, "ring");
    let after: Vec<i128> = owners.iter().map(|owner| world.balance(*owner, 1)).collect();
    for owner in owners {
        assert_eq!(world.position(owner), (0, 0, 0), "everyone is out");
    }
    let lost: i128 = before.iter().zip(&after).map(|(before, after)| before - after).sum();
    let fees: i128 = world.call(ALICE, IMarket::balanceOfCall { account: 3, asset: 1 }).unwrap().try_into().unwrap();
    assert!(lost > 0);
    assert_eq!(lost, fees, "what they lost is what the treasury got");
}

#[test]
fn ones_own_orders_never_fill_and_cost_bounded_gas() {
    let mut world = World::new();
    let second = world.call(ALICE, IMarket::openAccountCall { number: 1 }).unwrap();
    world.fund(second, 1, 1_000_000_000_000);
    for at in 0..290 {
        world.place(ALICE, sell(PRICE + at, 2)).unwrap();
    }
    let order = Order { selfTrade: SelfTrade::CancelMaker, ..buy(PRICE + 1_000, 1_000) };
    let input = IMarket::placeCall { account: second, order }.abi_encode();
    let Ended::Success { output, gas_used } = world.transact(ALICE, &input) else { panic!() };
    let fill = IMarket::placeCall::abi_decode_returns(&output).unwrap();
    assert_eq!((fill.filledLots, fill.isPartial, fill.orderId), (0, true, 0), "another account of hers is hers too");
    assert!(gas_used < GAS / 2, "{gas_used} gas");
    assert_eq!(world.position(ALICE), (0, 0, 68), "256 of 290 were cancelled");
    check(&mut world, 4, "own orders");
}

#[test]
fn numbers_at_the_ends_of_their_types() {
    let ends = [0_u64, 1, 2, u64::from(u32::MAX), 1 << 40, (1 << 40) + 1, u64::MAX];
    let mut world = World::new();
    let account = world.account(ALICE);
    for instrument in [0, 1, 2, 3, u16::MAX] {
        for ticks in [0, 1, PRICE, u32::MAX - 1, u32::MAX] {
            for lots in ends {
                for is_buy in [true, false] {
                    let order = Order { instrument, priceTicks: ticks, ..exchange::limit(is_buy, ticks, lots) };
                    let placed = world.call(ALICE, IMarket::placeCall { account, order: order.clone() });
                    if let Ok(fill) = placed {
                        world.call(ALICE, IMarket::cancelCall { account, orderId: fill.orderId }).unwrap();
                    }
                    let call =
                        IMarket::placeTriggerCall { account, order, kind: TriggerKind::StopLoss, triggerTicks: ticks };
                    if let Ok(id) = world.call(ALICE, call) {
                        world.call(ALICE, IMarket::cancelTriggerCall { account, triggerId: id }).unwrap();
                    }
                }
            }
        }
    }
    for amount in [0, 1, 1 << 109, 1 << 110, u128::MAX] {
        let _ = world.call(ALICE, IMarket::transferCall { from: account, to: account + 1, asset: 1, amount });
        let _ = world.call(ALICE, IMarket::depositBackstopCall { account, amount });
    }
    check(&mut world, 3, "ends of types");
}

/// The token's side of a deposit, with something to do while `transferFrom` runs.
fn deposit_with(world: &mut World, callback: impl Fn(&mut World) -> Ended) -> (Ended, Vec<Ended>) {
    let account = world.account(ALICE);
    let token = Address::repeat_byte(1);
    let input = IMarket::depositCall { account, token, amount: U256::from(1_000) }.abi_encode();
    let (mut seen, mut moved) = (Vec::new(), false);
    let ended = world.transact_with(ALICE, &input, |world, call| {
        assert_eq!(call.to, token);
        if call.is_static {
            return (true, U256::from(if moved { 6_000 } else { 5_000 }).abi_encode());
        }
        moved = true;
        seen.push(callback(world));
        (true, true.abi_encode())
    });
    (ended, seen)
}

#[test]
fn a_token_that_calls_back_changes_nothing() {
    let mut world = World::new();
    let account = world.account(ALICE);
    let order_id = world.place(ALICE, buy(PRICE, 5)).unwrap().orderId;
    let balance = world.balance(ALICE, 1);
    let calls = [
        ("place", IMarket::placeCall { account, order: buy(PRICE, 5) }.abi_encode()),
        ("cancel", IMarket::cancelCall { account, orderId: order_id }.abi_encode()),
        (
            "withdraw",
            IMarket::withdrawCall { account, token: Address::repeat_byte(1), amount: U256::ONE, to: ALICE }
                .abi_encode(),
        ),
        ("deposit", IMarket::depositCall { account, token: Address::repeat_byte(1), amount: U256::ONE }.abi_encode()),
        ("liquidate", IMarket::liquidateCall { maxAccounts: 1 }.abi_encode()),
        ("open", IMarket::openAccountCall { number: 9 }.abi_encode()),
    ];
    for (at, (name, input)) in calls.iter().enumerate() {
        let (ended, seen) = deposit_with(&mut world, |world| world.enter(ALICE, input, GAS, false));
        assert!(matches!(ended, Ended::Success { .. }), "{name}: {ended:?}");
        let Ended::Revert { output, .. } = &seen[0] else { panic!("{name}: {seen:?}") };
        assert_eq!(error_text(output), "Reentered", "{name}");
        assert_eq!(world.balance(ALICE, 1), balance + 1_000 * (at as i128 + 1), "{name}: the deposit is credited once");
    }
    let input = IMarket::balanceOfCall { account, asset: 1 }.abi_encode();
    let (_, seen) = deposit_with(&mut world, |world| world.enter(NOBODY, &input, GAS, true));
    assert!(matches!(seen[0], Ended::Success { .. }), "asking is allowed: {seen:?}");
    world.place(ALICE, buy(PRICE, 5)).expect("afterwards the market is free");
    check(&mut world, 3, "callbacks");
}

/// What a token answers: whether it succeeds, and with what. It is told whether it is asked only.
type Token = fn(bool) -> (bool, Vec<u8>);

#[test]
fn a_token_that_fails_leaves_nothing() {
    let mut world = World::new();
    let account = world.account(ALICE);
    let token = Address::repeat_byte(1);
    let before = world.slots();
    let rows: [(&str, Token); 4] = [
        ("reverts", |is_static| (is_static, U256::from(5).abi_encode())),
        (
            "says false",
            |is_static| if is_static { (true, U256::from(5).abi_encode()) } else { (true, false.abi_encode()) },
        ),
        ("has no balance", |_| (true, Vec::new())),
        ("answers too much", |_| (true, vec![0xff; 4_096])),
    ];
    for (name, answer) in rows {
        let input = IMarket::depositCall { account, token, amount: U256::from(10) }.abi_encode();
        let ended = world.transact_with(ALICE, &input, |_, call| answer(call.is_static));
        assert!(matches!(ended, Ended::Revert { .. }), "{name}: {ended:?}");
        assert_eq!(world.slots(), before, "{name}");
    }
    world.place(ALICE, buy(PRICE, 5)).expect("the market is not left busy");
}

#[derive(Clone, Debug)]
enum Step {
    Place { owner: usize, order: Order },
    Trigger { owner: usize, order: Order, kind: TriggerKind, ticks: u32 },
    CancelAll { owner: usize, instrument: u16 },
    Replace { owner: usize, nth: usize, order: Order },
    Prices { ticks: u32, seconds: u64 },
}

/// Orders whose price is an offset from the index, in ticks above [`LOWEST`]; zero is no limit.
fn orders() -> impl Strategy<Value = Order> {
    let instrument = prop_oneof![12 => Just(PERPETUAL), 2 => Just(exchange::SPOT), 1 => Just(exchange::OPTION)];
    let offset = prop_oneof![8 => (0..11_u32).prop_map(|step| (step + 95) * 200), 1 => 1..2 * LOWEST, 1 => Just(0)];
    let lots = prop_oneof![8 => 2..800_u64, 1 => 0..60_000_u64];
    let time_in_force = prop_oneof![6 => Just(0_u8), 2 => Just(1), 1 => Just(2), 1 => Just(3)];
    let rare = (prop_oneof![6 => Just(0_u64), 1 => 1..3_u64], 0..20_u64, 0..8_u8);
    (instrument, any::<bool>(), offset, lots, time_in_force, 0..4_u8, rare).prop_map(
        |(instrument, is_buy, offset, lots, time_in_force, self_trade, (client_id, expiry, reduce))| Order {
            instrument,
            timeInForce: TimeInForce::try_from(time_in_force).unwrap(),
            selfTrade: SelfTrade::try_from(self_trade).unwrap(),
            reduceOnly: reduce == 0 && instrument != exchange::SPOT,
            clientId: client_id,
            expirySeconds: if expiry == 0 { START_SECONDS + 100 } else { 0 },
            ..exchange::limit(is_buy, offset, lots)
        },
    )
}

/// What offsets of prices begin at, below the index.
const LOWEST: u32 = 20_000;

/// The order with its price for what it is.
fn priced(world: &World, order: Order) -> Order {
    let base = if order.instrument == exchange::OPTION { 34_000 } else { world.ticks };
    let ticks = if order.priceTicks == 0 { 0 } else { base + order.priceTicks - LOWEST };
    Order { priceTicks: ticks, ..order }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let owner = || 0..5_usize;
    let step = prop_oneof![
        20 => (owner(), orders()).prop_map(|(owner, order)| Step::Place { owner, order }),
        2 => (owner(), orders(), 1..3_u8, 0..2 * LOWEST).prop_map(|(owner, order, kind, ticks)| {
            Step::Trigger { owner, order, kind: TriggerKind::try_from(kind).unwrap(), ticks }
        }),
        1 => (owner(), 0..4_u16).prop_map(|(owner, instrument)| Step::CancelAll { owner, instrument }),
        2 => (owner(), 0..6_usize, orders()).prop_map(|(owner, nth, order)| Step::Replace { owner, nth, order }),
        2 => (0..2 * LOWEST, 1..60_u64).prop_map(|(ticks, seconds)| Step::Prices { ticks, seconds }),
    ];
    prop::collection::vec(step, 1..150)
}

/// Does a step; whether the market took it.
fn run(world: &mut World, owners: &[Owner], step: &Step) -> bool {
    match step.clone() {
        Step::Place { owner, order } => {
            let order = priced(world, order);
            world.place(owners[owner], order).is_ok()
        }
        Step::Trigger { owner, order, kind, ticks } => {
            let account = world.account(owners[owner]);
            let (order, ticks) = (priced(world, order), world.ticks + ticks - LOWEST);
            world.call(owners[owner], IMarket::placeTriggerCall { account, order, kind, triggerTicks: ticks }).is_ok()
        }
        Step::CancelAll { owner, instrument } => {
            let account = world.account(owners[owner]);
            world.call(owners[owner], IMarket::cancelAllCall { account, instrument }).is_ok()
        }
        Step::Replace { owner, nth, order } => {
            let account = world.account(owners[owner]);
            let instrument = order.instrument;
            let order = priced(world, order);
            let ids = world.call(owners[owner], IMarket::ordersOfCall { account, instrument }).unwrap();
            let Some(order_id) = ids.get(nth).copied() else { return false };
            world.call(owners[owner], IMarket::replaceCall { account, orderId: order_id, order }).is_ok()
        }
        Step::Prices { ticks, seconds } => {
            let time = world.block.timestamp_seconds + seconds;
            let ticks = (world.ticks + ticks - LOWEST).clamp(PRICE / 2, PRICE * 2);
            world.set_prices(ticks, time);
            true
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_is_done_money_and_book_are_right(steps in steps()) {
        let mut world = World::new();
        let owners = [ALICE, BOB, CAROL, NOBODY, Owner::repeat_byte(0x77)];
        for (owner, dollars) in [(owners[3], 1_500), (owners[4], 400)] {
            let poor = world.call(owner, IMarket::openAccountCall { number: 0 }).unwrap();
            world.fund(poor, 1, dollars * 1_000_000);
        }
        for (at, step) in steps.iter().enumerate() {
            let before = world.slots();
            let is_done = run(&mut world, &owners, step);
            let what = format!("step {at}, {step:?}");
            if !is_done {
                prop_assert_eq!(&world.slots(), &before, "{}: a rejection leaves nothing", what);
            }
            check(&mut world, 5, &what);
            prop_assert_eq!(world.end_block(), Ok(()), "{}", what);
        }
    }
}
