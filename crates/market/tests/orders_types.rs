//! What each kind of order does, through the interface: a table of orders on the same book, with the fill, what rests and the position
//! after each.

mod exchange;

use alloy_sol_types::SolError;
use exchange::{ALICE, BOB, CAROL, PERPETUAL, PRICE, START_SECONDS, World, buy, limit, sell};
use rialto_market::abi::IMarket::{self, Order, SelfTrade, TimeInForce};

/// What came of an order: lots filled, lots resting of it, and the position after; or the error.
type Row = (&'static str, Order, Result<(u64, u64, i64), &'static str>);

/// Bob asks 10 lots at 500,010 and 20 at 500,020, and bids 10 at 499,990.
fn world() -> World {
    let mut world = World::new();
    for order in [sell(PRICE + 10, 10), sell(PRICE + 20, 20), buy(PRICE - 10, 10)] {
        world.place(BOB, order).unwrap();
    }
    world
}

fn of(order: Order, time_in_force: TimeInForce) -> Order {
    Order { timeInForce: time_in_force, ..order }
}

fn reduce(order: Order) -> Order {
    Order { reduceOnly: true, ..order }
}

#[test]
fn each_kind_of_order() {
    use TimeInForce::{FillOrKill, ImmediateOrCancel, PostOnly};
    let market = |is_buy, lots| of(limit(is_buy, 0, lots), ImmediateOrCancel);
    let expiring = |seconds| Order { expirySeconds: seconds, ..buy(PRICE, 5) };
    let rows: Vec<Row> = vec![
        ("rests below the asks", buy(PRICE, 5), Ok((0, 5, 0))),
        ("takes a part of a maker", buy(PRICE + 10, 4), Ok((4, 0, 4))),
        ("takes a level and rests", buy(PRICE + 10, 15), Ok((10, 5, 10))),
        ("takes two levels, better price first", buy(PRICE + 20, 25), Ok((25, 0, 25))),
        ("sells", sell(PRICE - 10, 15), Ok((10, 5, -10))),
        ("takes at once and cancels the rest", of(buy(PRICE + 10, 15), ImmediateOrCancel), Ok((10, 0, 10))),
        ("takes nothing at once", of(buy(PRICE, 15), ImmediateOrCancel), Ok((0, 0, 0))),
        ("fills as a whole", of(buy(PRICE + 20, 30), FillOrKill), Ok((30, 0, 30))),
        ("kills what is not whole", of(buy(PRICE + 20, 31), FillOrKill), Err("NotFillable")),
        ("kills above the limit", of(buy(PRICE + 10, 11), FillOrKill), Err("NotFillable")),
        ("post-only rests", of(buy(PRICE + 9, 5), PostOnly), Ok((0, 5, 0))),
        ("post-only does not take", of(buy(PRICE + 10, 5), PostOnly), Err("WouldTake")),
        ("market buy", market(true, 12), Ok((12, 0, 12))),
        ("market sell takes what there is", market(false, 12), Ok((10, 0, -10))),
        ("a resting order has a price", buy(0, 5), Err("OutOfRange price 0")),
        ("beyond the band above", buy(PRICE + PRICE / 10 + 1, 5), Err("OutOfRange price 550001")),
        ("at the band's edge", buy(PRICE + PRICE / 10, 5), Ok((5, 0, 5))),
        ("beyond the band below", sell(PRICE - PRICE / 10 - 1, 5), Err("OutOfRange price 449999")),
        ("beyond the band, at once", of(buy(u32::MAX, 5), ImmediateOrCancel), Ok((5, 0, 5))),
        ("far on the passive side", sell(u32::MAX, 5), Ok((0, 5, 0))),
        ("too few lots", buy(PRICE, 1), Err("OutOfRange lots 1")),
        ("no lots", buy(PRICE, 0), Err("OutOfRange lots 0")),
        ("too many lots", buy(PRICE, 1_000_001), Err("OutOfRange lots 1000001")),
        ("as many lots as there can be", buy(PRICE, u64::MAX), Err("OutOfRange lots 18446744073709551615")),
        ("without margin", buy(PRICE, 500_000), Err("MarginTooLow")),
        ("reduce-only without a position", reduce(buy(PRICE + 10, 5)), Err("WouldNotReduce")),
        ("expires later", expiring(START_SECONDS + 1), Ok((0, 5, 0))),
        ("expires now", expiring(START_SECONDS), Err("OutOfRange expiry 1800000000")),
        ("expired", expiring(1), Err("OutOfRange expiry 1")),
        ("expires beyond all", expiring(u64::MAX), Err("OutOfRange expiry 18446744073709551615")),
        ("not listed", Order { instrument: 9, ..buy(PRICE, 5) }, Err("Unknown instrument 9")),
        ("no instrument", Order { instrument: 0, ..buy(PRICE, 5) }, Err("Unknown instrument 0")),
        (
            "reduce-only spot",
            Order { instrument: 2, ..reduce(sell(PRICE, 5)) },
            Err("Forbidden a spot order can't be reduce-only"),
        ),
    ];
    for (name, order, expected) in rows {
        let mut world = world();
        let before = world.slots();
        let result = world.place(ALICE, order.clone());
        let done = result.map(|fill| {
            let (lots, bids, asks) = world.position(ALICE);
            let rests = if order.isBuy { bids } else { asks };
            assert_eq!(fill.orderId != 0, rests > 0, "{name}: an id for what rests");
            (fill.filledLots, rests, lots)
        });
        assert_eq!(done, expected.map_err(String::from), "{name}");
        if done.is_err() {
            assert_eq!(world.slots(), before, "{name}: nothing is left");
        }
    }
}

#[test]
fn a_fill_moves_what_it_says() {
    let mut world = world();
    let (alice, bob, treasury) = (world.balance(ALICE, 1), world.balance(BOB, 1), 3);
    let fill = world.place(ALICE, buy(PRICE + 20, 15)).unwrap();
    // 10 at 500,010 and 5 at 500,020, each lot and tick worth 100.
    let value = (10 * 500_010 + 5 * 500_020) * 100_i128;
    assert_eq!(fill.quoteAmount, value as u128);
    let fees =
        [(10 * 500_010 * 100, 500), (5 * 500_020 * 100, 500)].map(|(value, ppm): (i128, i128)| value * ppm / 1_000_000);
    let rebates = [10 * 500_010 * 100, 5 * 500_020 * 100].map(|value: i128| value / 10_000);
    assert_eq!(world.balance(ALICE, 1), alice - fees.iter().sum::<i128>(), "the taker pays 5 basis points");
    assert_eq!(world.balance(BOB, 1), bob + rebates.iter().sum::<i128>(), "the maker gets one");
    let trades = {
        world.place(BOB, buy(PRICE - 1, 5)).unwrap();
        world.place(ALICE, sell(PRICE - 1, 5)).unwrap();
        world.events_of::<IMarket::Trade>()
    };
    assert_eq!(trades.len(), 1);
    let trade = &trades[0];
    assert_eq!((trade.priceTicks, trade.lots, trade.takerIsBuy), (PRICE - 1, 5, false));
    assert_eq!(trade.takerFee, 5 * 499_999 * 100 * 500 / 1_000_000 + 1, "rounded up");
    assert_eq!(trade.makerFee, -(5 * 499_999 * 100 / 10_000), "rounded down");
    let fees = world.call(ALICE, IMarket::balanceOfCall { account: treasury, asset: 1 }).unwrap();
    assert!(fees.is_positive());
}

#[test]
fn self_trade_modes() {
    // Alice asks 10; she buys 15 of which Bob asks 20 a tick above.
    let rows = [
        ("cancel taker", SelfTrade::CancelTaker, 15, (0, 0, 0, 10)),
        ("cancel maker", SelfTrade::CancelMaker, 15, (15, 0, 15, 0)),
        ("cancel both", SelfTrade::CancelBoth, 15, (0, 0, 0, 0)),
        ("decrement, the maker is smaller", SelfTrade::Decrement, 15, (5, 0, 5, 0)),
        ("decrement, the taker is smaller", SelfTrade::Decrement, 4, (0, 0, 0, 6)),
    ];
    for (name, mode, lots, expected) in rows {
        let mut world = World::new();
        world.place(ALICE, sell(PRICE + 10, 10)).unwrap();
        world.place(BOB, sell(PRICE + 11, 20)).unwrap();
        let order = Order { selfTrade: mode, ..buy(PRICE + 11, lots) };
        let fill = world.place(ALICE, order).unwrap();
        let (position, bids, asks) = world.position(ALICE);
        assert_eq!((fill.filledLots, bids, position, asks), expected, "{name}");
        if mode == SelfTrade::Decrement && lots == 4 {
            let reduced = world.place(BOB, buy(PRICE + 10, 6)).unwrap();
            assert_eq!(reduced.filledLots, 6, "{name}: what is left of the maker trades with others");
        }
    }
}

#[test]
fn reduce_only_orders_shrink_with_the_position() {
    let mut world = world();
    world.place(ALICE, buy(PRICE + 10, 10)).unwrap();
    // She is long 10: no more than that rests or fills, though she asks for more.
    let fill = world.place(ALICE, reduce(sell(PRICE + 15, 30))).unwrap();
    assert_ne!(fill.orderId, 0);
    assert_eq!(world.position(ALICE), (10, 0, 10));
    // She sells 6 otherwise; the order covers 10 but only 4 are left.
    world.place(ALICE, of(sell(PRICE - 10, 6), TimeInForce::ImmediateOrCancel)).unwrap();
    assert_eq!(world.position(ALICE), (4, 0, 10));
    let fill = world.place(CAROL, buy(PRICE + 15, 10)).unwrap();
    assert_eq!(fill.filledLots, 4, "only what the position covers");
    let cancelled = world.events_of::<IMarket::OrderCancelled>();
    assert_eq!((cancelled.len(), cancelled[0].lots, cancelled[0].reason), (1, 6, 5));
    assert_eq!(world.position(ALICE), (0, 0, 0));
    let account = world.account(ALICE);
    let orders = world.call(ALICE, IMarket::ordersOfCall { account, instrument: PERPETUAL }).unwrap();
    assert!(orders.is_empty(), "{orders:?}");
}

#[test]
fn a_maker_without_margin_is_cancelled_and_the_next_fills() {
    let mut world = World::new();
    let poor = world.call(exchange::NOBODY, IMarket::openAccountCall { number: 0 }).unwrap();
    // 5 % of 100 lots at 500,000 is 250 dollars; the position's loss at a mark that rose is beyond what is left.
    world.fund(poor, 1, 260_000_000);
    world.place(exchange::NOBODY, sell(PRICE, 100)).unwrap();
    world.place(BOB, sell(PRICE + 20_000, 100)).unwrap();
    world.set_prices(PRICE + 20_000, START_SECONDS + 5);
    let fill = world.place(ALICE, buy(PRICE + 20_000, 100)).unwrap();
    assert_eq!(fill.filledLots, 100);
    let reasons: Vec<u8> = world.events_of::<IMarket::OrderCancelled>().iter().map(|event| event.reason).collect();
    assert_eq!(reasons, [3]);
    assert_eq!(world.position(exchange::NOBODY), (0, 0, 0), "the maker did not fill");
    assert_eq!(world.position(BOB), (-100, 0, 0), "the next did");
}

#[test]
fn client_ids_name_resting_orders() {
    let mut world = world();
    let account = world.account(ALICE);
    let named = |ticks, client_id| Order { clientId: client_id, ..buy(ticks, 5) };
    world.place(ALICE, named(PRICE, 7)).unwrap();
    assert_eq!(world.place(ALICE, named(PRICE - 1, 7)), Err("Forbidden the client id is in use".into()));
    world.place(BOB, named(PRICE - 2, 7)).expect("another account's id is another");
    assert_eq!(world.call(ALICE, IMarket::cancelByClientIdCall { account, clientId: 7 }), Ok(5));
    assert_eq!(
        world.call(ALICE, IMarket::cancelByClientIdCall { account, clientId: 7 }),
        Err("Unknown client id 7".into())
    );
    world.place(ALICE, named(PRICE, 7)).expect("free again");
    world.place(CAROL, sell(PRICE, 5)).unwrap();
    world.place(ALICE, named(PRICE, 7)).expect("free after a fill");
    world.place(ALICE, named(PRICE + 10, 8)).expect("takes ten lots of which none rests");
    world.place(ALICE, named(PRICE, 8)).expect("what does not rest has no id");
}

#[test]
fn errors_are_the_interfaces() {
    let mut world = world();
    let account = world.account(ALICE);
    let order_id = world.place(ALICE, buy(PRICE, 5)).unwrap().orderId;
    let bob = world.account(BOB);
    let rows = [
        (
            "another's account",
            world.call(BOB, IMarket::cancelCall { account, orderId: order_id }).map(|_| ()),
            "NotAllowed",
        ),
        (
            "another's order",
            world.call(BOB, IMarket::cancelCall { account: bob, orderId: order_id }).map(|_| ()),
            "NotAllowed",
        ),
        (
            "no account",
            world.call(ALICE, IMarket::cancelCall { account: 99, orderId: order_id }).map(|_| ()),
            "Unknown account 99",
        ),
        (
            "the treasury",
            world.call(ALICE, IMarket::cancelAllCall { account: 3, instrument: 0 }).map(|_| ()),
            "NotAllowed",
        ),
        ("no order", world.call(ALICE, IMarket::cancelCall { account, orderId: 1 }).map(|_| ()), "Unknown order 1"),
        (
            "an id beyond ids",
            world.call(ALICE, IMarket::cancelCall { account, orderId: u128::MAX }).map(|_| ()),
            "Unknown order 340282366920938463463374607431768211455",
        ),
    ];
    for (name, result, expected) in rows {
        assert_eq!(result, Err(expected.into()), "{name}");
    }
    assert_eq!(world.call(ALICE, IMarket::cancelCall { account, orderId: order_id }), Ok(5));
    let again = world.call(ALICE, IMarket::cancelCall { account, orderId: order_id });
    assert_eq!(again, Err(format!("Unknown order {order_id}")), "cancelled once");
    assert_ne!(IMarket::NotAllowed::SELECTOR, [0; 4]);
}
