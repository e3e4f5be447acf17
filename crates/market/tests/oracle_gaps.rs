//! Gaps, circuit breakers, pulled feeds, marks: what a price does once it is brought.

// The last digits of a price are its decimals.
#![allow(clippy::inconsistent_digit_grouping)]

mod prices;

use alloy_primitives::{I256, U256, address, aliases::U80};
use alloy_sol_types::SolValue;
use prices::*;
use rialto_market::abi::IMarket;
use rialto_market::feeds::{Feed, MAX_FEED_PRICE, MAX_MICRO_TICKS};
use rialto_market::genesis;
use rialto_market::layout::{Instrument, InstrumentStatus, Prices};
use rialto_market::marks::PriceRules;
use rialto_market::types::{FeedId, InstrumentId, MICRO, OrderId, Side};
use rialto_market::{AssetState, Rejection, book::NewOrder};

const D: u128 = 1_00000000;
const PERPETUAL: InstrumentId = InstrumentId(ETHER_PERPETUAL);

fn ether_price(world: &mut World) -> u128 {
    world.get::<Feed>(FeedId(ETHER_FEED)).price
}

fn tradable(world: &mut World, only_reduces: bool) -> Result<(), Rejection> {
    world.run(NOBODY, |market| market.require_tradable(PERPETUAL, only_reduces))
}

/// The limit is a move of 25 %: rounds of prices, and the accepted price after each.
#[test]
fn a_gap_is_followed_once_it_is_confirmed() {
    let rows: [(&str, &[(u128, u128)]); 6] = [
        ("a real gap", &[(2_000, 3_000), (1_990, 1_990)]),
        ("a real gap that goes on", &[(2_000, 3_000), (1_400, 3_000), (1_390, 1_390)]),
        ("a false one", &[(2_000, 3_000), (3_010, 3_010)]),
        ("a false one, then another", &[(2_000, 3_000), (3_010, 3_010), (2_000, 3_010), (2_000, 2_000)]),
        ("to the smallest price", &[(0, 3_000), (0, 0)]),
        ("to the largest price", &[(MAX_FEED_PRICE / D, 3_000), (MAX_FEED_PRICE / D, MAX_FEED_PRICE / D)]),
    ];
    // Zero stands for the smallest price, one unit.
    let units = |price: u128| (price * D).max(1);
    for (name, rounds) in rows {
        let mut world = World::dev(1, 1);
        world.price_after(60, &[(ETHER_FEED, 3_000 * D)]);
        for (round, &(price, expected)) in rounds.iter().enumerate() {
            world.price_after(1, &[(ETHER_FEED, units(price))]);
            let doubted = world.events_of::<IMarket::FeedDoubted>().len();
            assert_eq!(ether_price(&mut world), units(expected), "{name}, round {round}");
            assert_eq!(doubted == 1, price != expected, "{name}, round {round}");
        }
    }
}

#[test]
fn trading_is_halted_while_a_price_is_doubted() {
    let mut world = World::dev(1, 1);
    world.price_after(60, &[(ETHER_FEED, 3_000 * D)]);
    assert_eq!(tradable(&mut world, false), Ok(()));
    world.price_after(1, &[(ETHER_FEED, 2_000 * D)]);
    let mark = world.get::<Prices>(PERPETUAL).mark;
    assert_eq!(mark, 30_000 * MICRO, "nothing is valued at a doubted price");
    let halted = Err(Rejection::Forbidden { state: "halted by the circuit breaker" });
    assert_eq!(tradable(&mut world, true), halted);
    world.price_after(1, &[(ETHER_FEED, 2_000 * D)]);
    assert_eq!(world.get::<Prices>(PERPETUAL).mark, 20_000 * MICRO, "but at a confirmed one");
    assert_eq!(tradable(&mut world, true), halted, "and the halt goes on from there");
    world.price_after(60, &[(ETHER_FEED, 2_000 * D)]);
    assert_eq!(tradable(&mut world, false), Ok(()));
}

/// Within the limit of a single move, beyond that of the window: 15 % in 300 seconds.
#[test]
fn the_circuit_breaker_of_a_market() {
    let mut world = World::dev(1, 1);
    world.price_after(60, &[(ETHER_FEED, 3_000 * D)]);
    world.price_after(60, &[(ETHER_FEED, 2_700 * D)]);
    assert_eq!(tradable(&mut world, false), Ok(()), "a tenth");
    world.price_after(60, &[(ETHER_FEED, 2_540 * D)]);
    let broken: Vec<_> = world
        .events_of::<IMarket::CircuitBroken>()
        .iter()
        .map(|event| (event.instrument, event.untilSeconds))
        .collect();
    let until = world.now_seconds + 60;
    assert!(broken.contains(&(ETHER_PERPETUAL, until)), "{broken:?}");
    assert_eq!(world.get::<Prices>(PERPETUAL).mark, 25_400 * MICRO, "marks follow");
    world.price_after(59, &[(ETHER_FEED, 2_540 * D)]);
    assert!(tradable(&mut world, true).is_err());
    world.price_after(1, &[(ETHER_FEED, 2_540 * D)]);
    assert_eq!(tradable(&mut world, false), Ok(()), "until the time is over");
    assert!(world.events_of::<IMarket::CircuitBroken>().is_empty(), "it does not halt anew");
}

#[test]
fn stale_prices_only_reduce() {
    let mut world = World::dev(1, 1);
    world.price_after(60, &[(ETHER_FEED, 3_000 * D)]);
    world.now_seconds += 600;
    assert_eq!(tradable(&mut world, false), Ok(()));
    world.now_seconds += 1;
    assert_eq!(tradable(&mut world, false), Err(Rejection::Forbidden { state: "stale price" }));
    assert_eq!(tradable(&mut world, true), Ok(()));
}

/// An index that is no price of an instrument leaves it as it is, halted; others of the feed go on.
#[test]
fn prices_beyond_an_instruments_range() {
    for (name, price) in [("too small", 1), ("too large", MAX_FEED_PRICE)] {
        let mut world = World::dev(1, 1);
        world.price_after(60, &[(ETHER_FEED, 3_000 * D)]);
        world.price_after(1, &[(ETHER_FEED, price)]);
        world.price_after(1, &[(ETHER_FEED, price)]);
        assert_eq!(ether_price(&mut world), price, "{name}");
        assert_eq!(world.get::<Prices>(PERPETUAL).mark, 30_000 * MICRO, "{name}");
        assert!(tradable(&mut world, true).is_err(), "{name}");
    }
}

#[test]
fn assets_get_their_price() {
    let mut world = World::dev(1, 1);
    world.price_after(60, &[(ETHER_FEED, 2_500 * D)]);
    let state = world.get::<AssetState>(rialto_market::types::AssetId(2));
    assert_eq!(state.value(2_000_000_000_000_000_000) / 1_000_000, 4_999, "two ether, rounded down");
    assert_eq!(state.priced_seconds, START_SECONDS + 60);
}

fn rest(world: &mut World, side: Side, ticks: u32, lots: u64) -> OrderId {
    let account = rialto_market::types::AccountId(100);
    let order = NewOrder { instrument: PERPETUAL, account, side, ticks, lots, ..NewOrder::default() };
    world.run(NOBODY, |market| market.book_insert(&order)).expect("the book has room")
}

/// Worked by hand. Premium over 150 s: after 60 s of a sample of 300 ticks, 60/210 of it.
#[test]
fn marks_follow_the_premium_within_the_clamp() {
    let rows: [(&str, Option<u32>, Option<u32>, u64); 6] = [
        ("an empty book", None, None, 30_000_000_000),
        ("a book around the index", Some(29_990), Some(30_010), 30_000_000_000),
        ("bids above it", Some(30_300), None, 30_000_000_000 + 300 * MICRO * 60 / 210),
        // Rounded down, away from zero.
        ("asks below it", None, Some(29_700), 30_000_000_000 - (300 * MICRO * 60).div_ceil(210)),
        // The sample is clamped to 5 %, 1,500 ticks.
        ("bids far above it", Some(4_000_000_000), None, 30_000_000_000 + 1_500 * MICRO * 60 / 210),
        ("asks far below it", None, Some(1), 30_000_000_000 - (1_500 * MICRO * 60).div_ceil(210)),
    ];
    for (name, bid, ask, expected) in rows {
        let mut world = World::dev(1, 1);
        if let Some(bid) = bid {
            rest(&mut world, Side::Buy, bid, 1_000);
        }
        if let Some(ask) = ask {
            rest(&mut world, Side::Sell, ask, 1_000);
        }
        world.price_after(60, &[(ETHER_FEED, 3_000 * D)]);
        assert_eq!(world.get::<Prices>(PERPETUAL).mark, expected, "{name}");
    }
}

#[test]
fn premiums_never_move_a_mark_beyond_the_clamp() {
    for (side, ticks, expected) in [(Side::Buy, u32::MAX, 31_500 * MICRO), (Side::Sell, 1, 28_500 * MICRO)] {
        let mut world = World::dev(1, 1);
        rest(&mut world, side, ticks, 1_000_000);
        for _ in 0..200 {
            world.price_after(60, &[(ETHER_FEED, 3_000 * D)]);
        }
        let mark = world.get::<Prices>(PERPETUAL).mark;
        assert!(mark.abs_diff(expected) <= 4, "{side:?}: {mark}, expected {expected}");
    }
    // A mark stays a price, with the largest clamp at the ends of the range.
    for (price, side, ticks) in
        [(1, Side::Sell, 1), (u64::from(u32::MAX) * u64::from(MICRO as u32), Side::Buy, u32::MAX)]
    {
        let mut world = World::dev(1, 1);
        world.set::<PriceRules>(PERPETUAL, |rules| rules.premium_clamp_ppm = u32::MAX);
        rest(&mut world, side, ticks, 1_000);
        let price = u128::from(price) * 10;
        for _ in 0..3 {
            world.price_after(60, &[(ETHER_FEED, price)]);
        }
        let mark = world.get::<Prices>(PERPETUAL).mark;
        assert!((1..=MAX_MICRO_TICKS).contains(&mark), "{mark}");
    }
}

/// Forward 3,000, strike 3,000, volatility 60 %, 30 days and 8 hours less a minute to expiry (see the pricing tests for the formula's digits).
#[test]
fn options_are_marked_by_the_model() {
    let mut world = World::dev(1, 1);
    world.price_after(60, &[(ETHER_FEED, 3_000 * D), (VOLATILITY_FEED, 600_000)]);
    let call = InstrumentId(FIRST_OPTION + 2);
    let put = InstrumentId(FIRST_OPTION + 3);
    let terms = world.get::<Instrument>(call);
    assert_eq!((terms.strike_ticks, terms.is_call), (30_000, true));
    let [call, put] = [call, put].map(|id| world.get::<Prices>(id).mark);
    assert_eq!(call, put, "at the money, undiscounted");
    // F·(2Φ(s/2) − 1) with s = 0.6·√T, T the seconds over 365 days.
    let years = (terms.expiry_seconds - world.now_seconds) as f64 / 31_536_000.0;
    let half = 0.3 * years.sqrt();
    let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let steps = 10_000;
    let width = half / f64::from(steps);
    let area: f64 = (0..steps).map(|i| density((f64::from(i) + 0.5) * width) * width).sum();
    let expected = 30_000.0 * 2.0 * area;
    let mark = call as f64 / 1e6;
    assert!((mark - expected).abs() < 1e-3, "{mark} ticks, expected {expected}");
    // Far out of the money it still has a price.
    world.price_after(60, &[(VOLATILITY_FEED, 500_000)]);
    world.price_after(60, &[(ETHER_FEED, 2_300 * D), (VOLATILITY_FEED, 400_000)]);
    world.set::<Feed>(FeedId(VOLATILITY_FEED), |feed| feed.price = 1);
    world.price_after(60, &[(ETHER_FEED, 2_300 * D)]);
    assert_eq!(world.get::<Prices>(InstrumentId(FIRST_OPTION + 4)).mark, 1);
}

/// As `latestRoundData` answers.
fn answer(price: impl TryInto<I256, Error: core::fmt::Debug>, updated_seconds: u64) -> Vec<u8> {
    let round = U80::from(7u8);
    let seconds = U256::from(updated_seconds);
    (U256::from(round), price.try_into().unwrap(), seconds, seconds, U256::from(round)).abi_encode_params()
}

#[test]
fn pulled_prices() {
    let source = address!("00000000000000000000000000000000000050ce");
    let mut genesis = genesis::dev(START_SECONDS, OPERATOR, signer(1).1, DOLLAR, ETHER);
    genesis.feeds[0] = genesis::FeedGenesis { source, source_decimals: 18, ..genesis.feeds[0].clone() };
    let mut world = World::new(&genesis);
    world.now_seconds += 1_000;
    let now = world.now_seconds;
    let request = world.run(NOBODY, |market| market.pull_request(FeedId(ETHER_FEED))).unwrap();
    // The selector of latestRoundData().
    assert_eq!(request, (source, vec![0xfe, 0xaf, 0x96, 0x8c]));
    let price = 3_001 * D as i128 * 10_000_000_000;
    let refused = |why| Err(Rejection::BadReport { why });
    let rows = [
        ("nothing", vec![], refused("its encoding")),
        ("four words", answer(price, now)[..128].to_vec(), refused("its encoding")),
        ("zero", answer(0i128, now), refused("a price that is zero or absurd")),
        ("negative", answer(-price, now), refused("a price that is zero or absurd")),
        ("less than a unit", answer(9_999_999_999i128, now), refused("a price that is zero or absurd")),
        ("largest", answer(I256::MAX, now), refused("a price that is zero or absurd")),
        ("ahead", answer(price, now + 1), refused("a time ahead of the block's")),
        ("old", answer(price, now - 601), refused("a price that is too old")),
        ("not later", answer(price, START_SECONDS), refused("a price that is not later than the last one")),
        ("fine", answer(price, now - 1), Ok(())),
        ("again", answer(price, now - 1), refused("a price that is not later than the last one")),
        ("a gap", answer(price / 2, now), Ok(())),
    ];
    for (name, output, expected) in rows {
        assert_eq!(world.run(NOBODY, |market| market.pull_answer(FeedId(ETHER_FEED), &output)), expected, "{name}");
    }
    assert_eq!(ether_price(&mut world), 3_001 * D, "the gap waits for its confirmation");
    assert_eq!(world.price(&[(ETHER_FEED, 3_000 * D)]), refused("a feed whose price is pulled"));
    let signed = world.run(NOBODY, |market| market.pull_request(FeedId(BITCOIN_FEED)));
    assert_eq!(signed, Err(Rejection::Forbidden { state: "a feed of signed prices" }));
}

#[test]
fn what_the_operator_halts_stays_halted() {
    let mut world = World::dev(1, 1);
    world.price_after(60, &[(ETHER_FEED, 3_000 * D)]);
    for (status, expected) in [
        (InstrumentStatus::ReduceOnly, Err(Rejection::Forbidden { state: "reduce only" })),
        (InstrumentStatus::Halted, Err(Rejection::Forbidden { state: "halted" })),
    ] {
        world.run(OPERATOR, |market| market.restrict(PERPETUAL, status as u8)).unwrap();
        assert_eq!(tradable(&mut world, false), expected);
    }
}
