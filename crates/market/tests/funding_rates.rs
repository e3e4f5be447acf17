//! Funding, worked by hand from the rules that venues publish.
//!
//! Hyperliquid, "Funding" (hyperliquid.gitbook.io/hyperliquid-docs/trading/funding): F = average premium + clamp(interest − premium, −0.0005,
//! 0.0005), an eighth of it paid each hour, at most 4 % an hour, on the oracle's price; Binance, "Introduction to Binance futures funding
//! rates": the same clamp over eight hours, interest 0.01 %. dYdX v4, "Default funding rates on dYdX chain"
//! (help.dydx.trade/en/articles/166992): premium = (max(0, impact bid − index) − max(0, index − impact ask)) ÷ index, averaged over
//! the hour, as a rate of eight hours, with no clamp around it.

// The last digits of a price are its decimals.
#![allow(clippy::inconsistent_digit_grouping)]

mod prices;

use prices::*;
use rialto_market::abi::IMarket;
use rialto_market::book::NewOrder;
use rialto_market::funding::FundingInterval;
use rialto_market::layout::{Instrument, Position, Prices, QUOTE};
use rialto_market::marks::PriceRules;
use rialto_market::types::{AccountId, InstrumentId, Side};

const D: u128 = 1_00000000;
const PERPETUAL: InstrumentId = InstrumentId(ETHER_PERPETUAL);
/// A lot at 3,000 dollars is worth 3 dollars, in millionths of a base unit.
const LOT_VALUE: i128 = 3_000_000_000_000;
const HOUR: u64 = 3_600;

fn rest(world: &mut World, side: Side, ticks: u32) {
    let order =
        NewOrder { instrument: PERPETUAL, account: AccountId(100), side, ticks, lots: 1_000, ..NewOrder::default() };
    world.run(NOBODY, |market| market.book_insert(&order)).expect("the book has room");
}

/// The price stays for so many seconds, brought each minute.
fn stay(world: &mut World, seconds: u64) {
    for _ in 0..seconds / 60 {
        world.price_after(60, &[(ETHER_FEED, 3_000 * D)]);
    }
}

fn index(world: &mut World) -> i128 {
    world.get::<Prices>(PERPETUAL).funding_index
}

struct Row {
    name: &'static str,
    /// The book: side and price of its only order, in ticks; the index is 30,000.
    order: Option<(Side, u32)>,
    interest_ppm: i32,
    band_ppm: u32,
    clamp_ppm: u32,
    /// Paid by a long each hour, in 1e-12 of the value.
    rate: i128,
}

#[test]
fn rates_of_venues() {
    // As Hyperliquid and Binance, as dYdX, and with a tight clamp.
    let venue = |name, order, rate| Row { name, order, interest_ppm: 100, band_ppm: 500, clamp_ppm: 40_000, rate };
    let plain = |name, order, rate| Row { name, order, interest_ppm: 0, band_ppm: 0, clamp_ppm: 40_000, rate };
    let rows = [
        // Premium within 0.05 % of the interest: the interest, 0.01 % in eight hours.
        venue("no premium", None, 12_500_000),
        // 15 ticks of 30,000: premium 0.05 %, clamp(0.01 % − 0.05 %) = −0.04 %.
        venue("a premium of 0.05 %", Some((Side::Buy, 30_015)), 12_500_000),
        // Premium 0.1 %: 0.1 % − 0.05 % = 0.05 % in eight hours.
        venue("a premium of 0.1 %", Some((Side::Buy, 30_030)), 62_500_000),
        // Premium 1 %: 1 % − 0.05 % = 0.95 % in eight hours, 0.11875 % an hour.
        venue("a premium of 1 %", Some((Side::Buy, 30_300)), 1_187_500_000),
        // Premium −1 %: −1 % + 0.05 % = −0.95 %.
        venue("a discount of 1 %", Some((Side::Sell, 29_700)), -1_187_500_000),
        plain("no premium, no interest", None, 0),
        // Premium 1 % in eight hours: 0.125 % an hour.
        plain("a premium of 1 %, undamped", Some((Side::Buy, 30_300)), 1_250_000_000),
        plain("a discount of 1 %, undamped", Some((Side::Sell, 29_700)), -1_250_000_000),
        // A bid below the index and an ask above it are no premium.
        plain("a book around the index", Some((Side::Buy, 29_000)), 0),
        // The sample is clamped to 5 %: 0.625 % an hour.
        plain("a premium without end", Some((Side::Buy, u32::MAX)), 6_250_000_000),
        plain("a discount without end", Some((Side::Sell, 1)), -6_250_000_000),
        Row { clamp_ppm: 1_000, ..plain("clamped", Some((Side::Buy, 30_300)), 1_000_000_000) },
        Row { clamp_ppm: 1_000, ..plain("clamped below", Some((Side::Sell, 29_700)), -1_000_000_000) },
        Row { clamp_ppm: 0, ..venue("no funding", Some((Side::Buy, 30_300)), 0) },
    ];
    for Row { name, order, interest_ppm, band_ppm, clamp_ppm, rate } in rows {
        let mut world = World::dev(1, 1);
        world.set::<Instrument>(PERPETUAL, |instrument| {
            instrument.funding_interest_ppm = interest_ppm;
            instrument.funding_clamp_ppm = clamp_ppm;
        });
        world.set::<PriceRules>(PERPETUAL, |rules| rules.funding_band_ppm = band_ppm);
        if let Some((side, ticks)) = order {
            rest(&mut world, side, ticks);
        }
        world.price_after(0, &[(ETHER_FEED, 3_000 * D)]);
        stay(&mut world, HOUR - 60);
        assert_eq!(index(&mut world), 0, "{name}: not before the hour");
        stay(&mut world, 60);
        let told: Vec<_> = world.events_of::<IMarket::FundingUpdated>().iter().map(|event| event.ratePpm).collect();
        assert_eq!(told, [(rate / 1_000_000) as i64], "{name}");
        assert_eq!(index(&mut world), LOT_VALUE * rate / 1_000_000_000_000, "{name}");
        stay(&mut world, HOUR);
        assert_eq!(index(&mut world), 2 * LOT_VALUE * rate / 1_000_000_000_000, "{name}: the second hour");
    }
}

/// A premium of 1 % for the first half of the hour only: half of it on average.
#[test]
fn premiums_are_averaged_over_time() {
    let mut world = World::dev(1, 1);
    world.set::<Instrument>(PERPETUAL, |instrument| instrument.funding_interest_ppm = 0);
    world.set::<PriceRules>(PERPETUAL, |rules| rules.funding_band_ppm = 0);
    rest(&mut world, Side::Buy, 30_300);
    world.price_after(0, &[(ETHER_FEED, 3_000 * D)]);
    stay(&mut world, 1_740);
    world.set::<Instrument>(PERPETUAL, |instrument| instrument.impact_lots = u32::MAX);
    stay(&mut world, HOUR - 1_740);
    // The first sample of the thin book is at 1,800 seconds.
    assert_eq!(index(&mut world), LOT_VALUE * 625_000_000 / 1_000_000_000_000);
}

/// Outages: when prices come, in seconds after the hour begins, and the hours' worth of interest (of 12.5 millionths) that a long has paid
/// after the last, in seconds that are covered. A price holds for 600 seconds.
#[test]
fn outages_are_not_charged() {
    let rows: [(&str, &[u64], u64); 8] = [
        ("a short gap at the end", &[3_000, 3_600], 3_600),
        ("a gap of an hour", &[3_600, 7_200], 3_600 + 600),
        ("a gap in the middle", &[1_000, 3_000, 3_600], 1_000 + 600 + 600),
        ("over the boundary", &[3_500, 3_700, 7_200], 3_500 + 100 + 100 + 600),
        ("not due yet", &[3_500, 3_599], 0),
        ("a day", &[86_400], 600),
        ("a year", &[31_536_000], 600),
        ("two hours at once, a sample that spans them", &[3_300, 7_300], 3_300 + 300 + 300),
    ];
    for (name, times, covered) in rows {
        let mut world = World::dev(1, 1);
        let start = world.now_seconds;
        world.price_after(0, &[(ETHER_FEED, 3_000 * D)]);
        let first = times[0];
        // Each minute up to the first, unless that is an outage itself.
        if first <= HOUR {
            stay(&mut world, first);
        }
        for &time in times {
            let elapsed = start + time - world.now_seconds;
            world.price_after(elapsed, &[(ETHER_FEED, 3_000 * D)]);
        }
        // Of an interval that is covered in part, the rate is rounded towards zero.
        let expected = LOT_VALUE * 12_500_000 / 1_000_000_000_000 * i128::from(covered) / i128::from(HOUR);
        let paid = index(&mut world);
        assert!((paid - expected).abs() <= 6, "{name}: paid {paid}, expected {expected}");
        let due = world.get::<Prices>(PERPETUAL).funding_due_seconds;
        assert!(
            due > world.now_seconds && due <= world.now_seconds + HOUR && due.is_multiple_of(HOUR),
            "{name}: due at {due}"
        );
    }
}

#[test]
fn longs_pay_shorts_and_nothing_is_made() {
    let mut world = World::dev(1, 1);
    rest(&mut world, Side::Buy, 30_301);
    let (long, short, other) = (world.funded(1, 100_000), world.funded(2, 100_000), world.funded(3, 100_000));
    for (account, lots) in [(long, 1_001), (short, -334), (other, -667)] {
        world
            .run(NOBODY, |market| market.change_position(account, PERPETUAL, lots, i128::from(lots) * 3_000_000))
            .unwrap();
    }
    world.price_after(0, &[(ETHER_FEED, 3_000 * D)]);
    stay(&mut world, 3 * HOUR);
    let moved = index(&mut world);
    assert!(moved > 0);
    let mut paid = Vec::new();
    for account in [long, short, other] {
        paid.push(world.run(NOBODY, |market| market.settle_funding(account, PERPETUAL)).unwrap());
        assert_eq!(world.get::<Position>((account, PERPETUAL)).funding_index, moved);
    }
    let exact = |lots: i128| (lots * moved, 1_000_000);
    for (paid, lots) in paid.iter().zip([1_001, -334, -667]) {
        let (owed, unit) = exact(lots);
        assert!(paid * unit >= owed && paid * unit < owed + unit, "{lots} lots paid {paid} for {owed} millionths");
    }
    let pool = world.get::<Prices>(PERPETUAL).funding_pool;
    assert_eq!(paid.iter().sum::<i128>(), pool);
    assert!((0..3).contains(&pool), "what rounding leaves is in the pool: {pool}");
    let balances: i128 = [long, short, other]
        .into_iter()
        .map(|account| world.run(NOBODY, |market| market.balance(account, QUOTE)).unwrap())
        .sum();
    assert_eq!(balances + pool, 300_000_000_000);
}

#[test]
fn the_rate_so_far() {
    let mut world = World::dev(1, 1);
    rest(&mut world, Side::Buy, 30_300);
    world.price_after(0, &[(ETHER_FEED, 3_000 * D)]);
    stay(&mut world, 1_800);
    let (interval, terms) = (world.get::<FundingInterval>(PERPETUAL), world.get::<Instrument>(PERPETUAL));
    let rules = world.get::<PriceRules>(PERPETUAL);
    // Half of the hour is covered.
    assert_eq!(interval.estimate(&terms, &rules), 593_750_000);
}
