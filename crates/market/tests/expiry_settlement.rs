//! Expiry: the averaged settlement price, its payout, and that money is conserved to the last unit.

// The last digits of a price are its decimals.
#![allow(clippy::inconsistent_digit_grouping)]

mod prices;

use alloy_primitives::Address;
use prices::*;
use proptest::prelude::*;
use rialto_market::Rejection;
use rialto_market::abi::IMarket;
use rialto_market::expiry::{Expiry, MAX_EXPIRIES, MAX_SERIES, MAX_SETTLED_AT_ONCE, SETTLEMENT_SECONDS};
use rialto_market::feeds::Feed;
use rialto_market::genesis::{self, InstrumentGenesis};
use rialto_market::layout::{Account, Instrument, InstrumentStatus, Position, Prices, QUOTE};
use rialto_market::orders::request::OrderRequest;
use rialto_market::types::{AccountId, FeedId, InstrumentId, MICRO, Side};

const D: u128 = 1_00000000;
/// The call and the put at 3,000 dollars.
const CALL: InstrumentId = InstrumentId(FIRST_OPTION + 2);
const PUT: InstrumentId = InstrumentId(FIRST_OPTION + 3);

fn expiry_of(world: &mut World) -> u64 {
    world.get::<Instrument>(CALL).expiry_seconds
}

/// A world with ether's feed at 3,000 dollars, so many seconds before expiry.
fn before_expiry(seconds: u64) -> World {
    let mut world = World::dev(1, 1);
    world.now_seconds = expiry_of(&mut world) - seconds;
    world.price_after(0, &[(ETHER_FEED, 3_000 * D)]);
    world
}

/// Prices in dollars by the seconds before expiry at which they come (a price holds for at most 600), and the settlement price in ticks
/// of a tenth of a dollar. Worked by hand.
#[test]
fn settlement_prices() {
    type Row = (&'static str, u64, &'static [(u64, u128)], u64);
    let rows: [Row; 8] = [
        ("one price throughout", 2_400, &[(1_800, 3_100), (1_200, 3_100), (600, 3_100)], 31_000 * MICRO),
        // 600 s each of 3,000, 3,300 and 3,600: before the window it does not count.
        ("thirds", 2_400, &[(1_800, 3_000), (1_200, 3_300), (600, 3_600)], 33_000 * MICRO),
        // The last moment counts for a moment: (1,799·3,000 + 1·3,600) ÷ 1,800.
        ("the last second", 1_800, &[(1_200, 3_000), (600, 3_000), (1, 3_600)], 30_003_333_333),
        ("a price of the last moment", 1_800, &[(1_200, 3_000), (600, 3_000), (0, 3_700)], 30_000 * MICRO),
        // 3,000 holds for 600 of its 1,500 seconds: (600·3,000 + 300·3,600) ÷ 900.
        ("an outage in the window", 1_800, &[(300, 3_600)], 32_000 * MICRO),
        // Half of the time of a price from before the window lies in it: (300·3,000 + 1,500·3,600) ÷ 1,800.
        ("into the window", 2_100, &[(1_500, 3_600), (900, 3_600), (300, 3_600)], 35_000 * MICRO),
        ("an outage to the end", 1_800, &[], 30_000 * MICRO),
        ("an outage of the whole window", 5_000, &[], 31_500 * MICRO),
    ];
    for (name, start, prices, expected) in rows {
        let mut world = before_expiry(start);
        let expiry = expiry_of(&mut world);
        for &(before, dollars) in prices {
            world.now_seconds = expiry - before;
            world.price(&[(ETHER_FEED, dollars * D)]).unwrap_or_else(|rejection| panic!("{name}: {rejection}"));
        }
        if prices.last().is_none_or(|(before, _)| *before != 0) {
            assert_eq!(world.get::<Instrument>(CALL).status, InstrumentStatus::Active, "{name}");
            world.now_seconds = expiry + 7;
            world.price(&[(ETHER_FEED, 3_150 * D)]).unwrap();
        }
        let call = world.get::<Prices>(CALL);
        assert_eq!(world.get::<Instrument>(CALL).status, InstrumentStatus::Settled, "{name}");
        assert_eq!(call.index, expected, "{name}");
        assert_eq!(call.mark, expected.saturating_sub(30_000 * MICRO), "{name}: the call");
        assert_eq!(world.get::<Prices>(PUT).mark, (30_000 * MICRO).saturating_sub(expected), "{name}: the put");
        assert_eq!(world.get::<Expiry>((FeedId(ETHER_FEED), expiry)), Expiry::default(), "{name}: nothing is left");
        assert_eq!(world.get::<Feed>(FeedId(ETHER_FEED)).users, 3, "{name}: the pair, the perpetual and the asset");
        assert_eq!(world.get::<Feed>(FeedId(VOLATILITY_FEED)).users, 0, "{name}");
    }
}

#[test]
fn expired_series_do_not_trade() {
    let mut world = before_expiry(60);
    let tradable = |world: &mut World| world.run(NOBODY, |market| market.require_tradable(CALL, true));
    assert_eq!(tradable(&mut world), Ok(()));
    world.now_seconds += 60;
    assert_eq!(tradable(&mut world), Err(Rejection::Forbidden { state: "expired" }));
    let account = world.funded(1, 1_000);
    let early = world.run(NOBODY, |market| market.settle_expired(account, CALL));
    assert_eq!(early, Err(Rejection::Forbidden { state: "not settled" }));
    world.price(&[(ETHER_FEED, 3_000 * D)]).unwrap();
    assert_eq!(tradable(&mut world), Err(Rejection::Forbidden { state: "settled" }));
    let status = world.run(OPERATOR, |market| market.set_status(CALL, 0));
    assert_eq!(status, Err(Rejection::Forbidden { state: "settled" }), "nor by the operator");
    // Later prices leave it alone.
    let before = world.get::<Prices>(CALL);
    world.price_after(60, &[(ETHER_FEED, 3_300 * D), (VOLATILITY_FEED, 700_000)]);
    assert_eq!(world.get::<Prices>(CALL), before);
}

/// Σ balances − Σ costs + the pool.
fn money(world: &mut World, accounts: &[AccountId], ids: &[InstrumentId]) -> i128 {
    let mut sum = 0;
    for &account in accounts {
        sum += world.run(NOBODY, |market| market.balance(account, QUOTE)).unwrap();
        sum -= ids.iter().map(|&id| world.get::<Position>((account, id)).cost).sum::<i128>();
    }
    sum + ids.iter().map(|&id| world.get::<Prices>(id).funding_pool).sum::<i128>()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whoever is paid out first: money is conserved after each payout, the pool ends with the dust of roundings, and nobody gains by it.
    #[test]
    fn payouts_conserve_money(
        sizes in proptest::collection::vec(-1_000i64..1_000, 3),
        premium in 0i128..100_000_000,
        dollars in 1u128..20_000,
        cents in 0u128..D,
        order in Just([0usize, 1, 2, 3]).prop_shuffle(),
    ) {
        let mut world = before_expiry(10);
        let accounts: Vec<_> = (1..=4).map(|owner| world.funded(owner, 10_000_000)).collect();
        let ids = [CALL, PUT];
        // The last account has the other side.
        let sizes: Vec<i64> = sizes.iter().copied().chain([-sizes.iter().sum::<i64>()]).collect();
        for id in ids {
            for (&account, &lots) in accounts.iter().zip(&sizes) {
                world.run(NOBODY, |market| market.change_position(account, id, lots, i128::from(lots) * premium)).unwrap();
            }
        }
        let before = money(&mut world, &accounts, &ids);
        prop_assert_eq!(before, 40_000_000_000_000);
        world.now_seconds += 10;
        // Whatever the price is: the average is what counts.
        let expiry = expiry_of(&mut world);
        world.set::<Expiry>((FeedId(ETHER_FEED), expiry), |expiry| {
            expiry.price_seconds = dollars * D + cents;
            expiry.covered_seconds = 1;
        });
        world.set::<Feed>(FeedId(ETHER_FEED), |feed| feed.accepted_seconds = expiry);
        world.price(&[(ETHER_FEED, 3_000 * D)]).unwrap();
        for id in ids {
            let mark = i128::from(world.get::<Prices>(id).mark);
            for &who in &order {
                let held = world.run(NOBODY, |market| market.balance(accounts[who], QUOTE)).unwrap();
                let cost = world.get::<Position>((accounts[who], id)).cost;
                let realised = world.run(NOBODY, |market| market.settle_expired(accounts[who], id)).unwrap();
                let after = world.run(NOBODY, |market| market.balance(accounts[who], QUOTE)).unwrap();
                prop_assert_eq!(after - held, realised);
                let value = (realised + cost) * 1_000_000;
                let exact = i128::from(sizes[who]) * mark * 100;
                prop_assert!(value <= exact && value > exact - 1_000_000, "{} lots: {} of {}", sizes[who], value, exact);
                prop_assert_eq!(money(&mut world, &accounts, &ids), before);
                let again = world.run(NOBODY, |market| market.settle_expired(accounts[who], id)).unwrap();
                prop_assert_eq!(again, 0);
            }
            let prices = world.get::<Prices>(id);
            prop_assert!((0..4).contains(&prices.funding_pool), "dust of {}", prices.funding_pool);
            prop_assert_eq!(prices.open_lots, 0);
        }
    }
}

/// Orders that rest in a settled series leave the book by themselves, within a budget for each acceptance of prices.
#[test]
fn orders_of_settled_series_leave_the_book() {
    let mut world = before_expiry(60);
    let account = world.funded(1, 100_000_000);
    world.set::<Instrument>(CALL, |call| call.band_ppm = 1_000_000);
    for number in 0..150u32 {
        let side = if number % 2 == 0 { Side::Buy } else { Side::Sell };
        let ticks = if number % 2 == 0 { 1 } else { 1_000 + number };
        let order = OrderRequest { instrument: CALL, side, ticks, lots: 1, ..OrderRequest::default() };
        let owner = Address::with_last_byte(1);
        let placed = world.run(owner, |market| market.place_order(account, &order));
        placed.unwrap_or_else(|rejection| panic!("order {number}: {rejection}"));
    }
    assert_eq!(world.get::<Account>(account).orders, 150);
    world.now_seconds += 60;
    let mut left = 150;
    for round in 0..150 {
        world.price(&[(ETHER_FEED, 3_000 * D)]).unwrap();
        let cancelled = world.events_of::<IMarket::OrderCancelled>();
        assert!(cancelled.iter().all(|event| event.instrument == CALL.0 && event.reason == 6), "round {round}");
        assert!(!cancelled.is_empty(), "round {round}");
        left -= cancelled.len();
        assert_eq!(usize::from(world.get::<Account>(account).orders), left);
        if left == 0 {
            break;
        }
        world.now_seconds += 1;
    }
    assert_eq!(left, 0);
    assert_eq!(world.get::<Position>((account, CALL)), Position::default());
    assert_eq!(world.get::<Account>(account).positions, [0; 16], "its place is free");
}

#[test]
fn all_of_an_accounts_expired_positions_at_once() {
    let mut world = before_expiry(60);
    let (long, short) = (world.funded(1, 100_000), world.funded(2, 100_000));
    for id in [CALL, PUT, InstrumentId(ETHER_PERPETUAL)] {
        for (account, lots) in [(long, 5), (short, -5)] {
            world.run(NOBODY, |market| market.change_position(account, id, lots, i128::from(lots) * 1_000)).unwrap();
        }
    }
    world.price_after(60, &[(ETHER_FEED, 3_000 * D)]);
    for (account, expected) in [(long, -10_000), (short, 10_000)] {
        let realised = world.run(NOBODY, |market| market.settle_expired(account, InstrumentId(0))).unwrap();
        assert_eq!(realised, expected, "both expired worthless");
        assert_eq!(world.get::<Account>(account).positions[..2], [ETHER_PERPETUAL, 0]);
    }
}

/// Many series of one expiry: so many are settled with each acceptance of prices, all at the same price.
#[test]
fn many_series_are_settled_in_steps() {
    let mut genesis = genesis::dev(START_SECONDS, OPERATOR, signer(1).1, DOLLAR, ETHER);
    let option = genesis.instruments[3].clone();
    genesis.instruments.truncate(3);
    let expiry = option.expiry_seconds;
    let series = |strike_ticks| InstrumentGenesis { strike_ticks, ..option.clone() };
    genesis.instruments.extend((1..=u32::from(MAX_SERIES)).map(|strike| series(strike * 100)));
    let mut world = World::new(&genesis);
    world.now_seconds = expiry - 100;
    world.price_after(0, &[(ETHER_FEED, 3_000 * D)]);
    let mut settled = 0;
    for (round, dollars) in [3_100, 3_200, 3_300].into_iter().enumerate() {
        world.now_seconds = expiry + round as u64;
        world.price(&[(ETHER_FEED, dollars * D)]).unwrap();
        let count = world.events_of::<IMarket::Settled>().len();
        assert_eq!(count, MAX_SETTLED_AT_ONCE.min(usize::from(MAX_SERIES) - settled), "round {round}");
        settled += count;
    }
    for id in 4..4 + MAX_SERIES {
        assert_eq!(world.get::<Prices>(InstrumentId(id)).index, 30_000 * MICRO, "series {id}");
    }
    assert_eq!(world.get::<Feed>(FeedId(ETHER_FEED)).next_expiry_seconds, 0);
}

#[test]
fn expiries_and_series_are_bounded() {
    let base = genesis::dev(START_SECONDS, OPERATOR, signer(1).1, DOLLAR, ETHER);
    let option = base.instruments[3].clone();
    let with = |options: Vec<InstrumentGenesis>| {
        let mut genesis = base.clone();
        genesis.instruments.truncate(3);
        genesis.instruments.extend(options);
        genesis::records(&genesis)
    };
    // In any order: the list ascends.
    let at = |days: u64| InstrumentGenesis { expiry_seconds: START_SECONDS + days * 86_400, ..option.clone() };
    let most: Vec<_> = (1..=MAX_EXPIRIES).map(|i| at(i * 5 % 17)).collect();
    let mut genesis = base.clone();
    genesis.instruments.truncate(3);
    genesis.instruments.extend(most.clone());
    let mut world = World::new(&genesis);
    let mut next = world.get::<Feed>(FeedId(ETHER_FEED)).next_expiry_seconds;
    for day in 1..=MAX_EXPIRIES {
        assert_eq!(next, START_SECONDS + day * 86_400);
        next = world.get::<Expiry>((FeedId(ETHER_FEED), next)).next_seconds;
    }
    assert_eq!(next, 0);
    let error = with(most.into_iter().chain([at(30)]).collect()).unwrap_err();
    assert_eq!(error.to_string(), "market.instruments[19]: at most 16 expiries on one feed");
    let error = with(vec![option.clone(); usize::from(MAX_SERIES) + 1]).unwrap_err();
    assert_eq!(error.to_string(), "market.instruments[131]: at most 128 options of one expiry");
    let error = with(vec![InstrumentGenesis { expiry_seconds: START_SECONDS + SETTLEMENT_SECONDS, ..option }]);
    assert!(error.unwrap_err().to_string().starts_with("market.instruments[3]: expirySeconds is "));
}
