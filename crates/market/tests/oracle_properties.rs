//! Whatever prices, times and bytes come: nothing panics, time does not run backwards, marks stay within their clamps.

// The last digits of a price are its decimals.
#![allow(clippy::inconsistent_digit_grouping)]

mod prices;

use alloy_sol_types::SolValue;
use prices::*;
use proptest::prelude::*;
use rialto_market::book::NewOrder;
use rialto_market::expiry::Expiry;
use rialto_market::feeds::{Feed, MAX_FEED_PRICE, MAX_MICRO_TICKS};
use rialto_market::funding::FundingInterval;
use rialto_market::layout::{Instrument, Prices};
use rialto_market::marks::PriceRules;
use rialto_market::types::{AccountId, FeedId, InstrumentId, Side};

fn price() -> impl Strategy<Value = u128> {
    prop_oneof![
        6 => 1_000_00000000..5_000_00000000u128,
        1 => 1..=MAX_FEED_PRICE,
        1 => prop_oneof![Just(1), Just(MAX_FEED_PRICE), Just(0), Just(u128::MAX)],
    ]
}

fn seconds() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..120u64, 2 => 0..7_200u64, 1 => 0..5_000_000u64]
}

fn check(world: &mut World) -> Result<(), TestCaseError> {
    for id in 1..=9 {
        let id = InstrumentId(id);
        let (prices, rules) = (world.get::<Prices>(id), world.get::<PriceRules>(id));
        let is_option = id.0 >= FIRST_OPTION;
        prop_assert!(prices.mark <= MAX_MICRO_TICKS && prices.index <= MAX_MICRO_TICKS, "{id:?}: {prices:?}");
        prop_assert!(is_option || prices.mark > 0, "{id:?}: {prices:?}");
        if !is_option {
            let most = u128::from(prices.index) * u128::from(rules.premium_clamp_ppm) / 1_000_000;
            prop_assert!(u128::from(prices.mark.abs_diff(prices.index)) <= most, "{id:?}: {prices:?}");
        }
        prop_assert!(prices.updated_seconds <= world.now_seconds + 2, "{id:?}: {prices:?}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_prices_at_any_times(
        orders in proptest::collection::vec((any::<bool>(), 1..=u32::MAX, 1..5_000u64), 0..6),
        steps in proptest::collection::vec((seconds(), price(), price(), 0..4_000_000_000u128), 1..24),
    ) {
        let mut world = World::dev(1, 1);
        for (is_buy, ticks, lots) in orders {
            let side = if is_buy { Side::Buy } else { Side::Sell };
            let instrument = InstrumentId(ETHER_PERPETUAL);
            let order = NewOrder { instrument, account: AccountId(100), side, ticks, lots, ..NewOrder::default() };
            // Those that cross are refused.
            let _ = world.run(NOBODY, |market| market.book_insert(&order));
        }
        let mut due = 0;
        for (seconds, ether, bitcoin, volatility) in steps {
            world.now_seconds += seconds;
            let before = world.get::<Feed>(FeedId(ETHER_FEED));
            let result = world.price(&[(ETHER_FEED, ether), (BITCOIN_FEED, bitcoin), (VOLATILITY_FEED, volatility)]);
            let is_fine = [ether, bitcoin, volatility].iter().all(|price| (1..=MAX_FEED_PRICE).contains(price));
            prop_assert_eq!(result.is_ok(), is_fine, "{:?}", result);
            let after = world.get::<Feed>(FeedId(ETHER_FEED));
            prop_assert!(after.time_seconds >= before.time_seconds);
            // One report moves a price by its limit at most, or to where the one before was already.
            let is_near = |a: u128, b: u128| a.abs_diff(b) <= b / 4;
            prop_assert!(
                is_near(after.price, before.price) || is_near(after.price, before.doubted_price),
                "{:?} to {:?}", before, after
            );
            let next_due = world.get::<Prices>(InstrumentId(ETHER_PERPETUAL)).funding_due_seconds;
            prop_assert!(next_due >= due && next_due.is_multiple_of(3_600));
            due = next_due;
            check(&mut world)?;
        }
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400), at in 0..400usize, byte in any::<u8>()) {
        let mut world = World::dev(1, 1);
        prop_assert!(world.run(NOBODY, |market| market.update_prices(&bytes)).is_err());
        prop_assert!(world.run(OPERATOR, |market| market.propose(&bytes)).is_err());
        // A report with one byte of it changed is refused, unless the byte is padding that counts for nothing or is the same.
        let report = report(1, world.now_seconds, &[(ETHER_FEED, 3_000_00000000)]);
        let mut encoded = vec![signed_for(1, report, CHAIN)].abi_encode();
        let at = at % encoded.len();
        let is_same = encoded[at] == byte;
        encoded[at] = byte;
        let result = world.run(NOBODY, |market| market.update_prices(&encoded));
        let price = world.get::<Feed>(FeedId(ETHER_FEED)).price;
        prop_assert!(result.is_ok() || !is_same, "{:?}", result);
        prop_assert_eq!(price, 3_000_00000000);
    }

    /// State that no run of the rules leads to, as a simulation or a wrong guess may show it: an end, and no panic.
    #[test]
    fn any_state(
        words in proptest::collection::vec(any::<[u128; 2]>(), 8),
        small in any::<[u32; 6]>(),
        seconds in 0..10_000u64,
    ) {
        let mut world = World::dev(1, 1);
        let id = InstrumentId(ETHER_PERPETUAL);
        world.set::<Feed>(FeedId(ETHER_FEED), |feed| {
            feed.price = words[0][0];
            feed.accepted_seconds = words[0][1] as u64;
            feed.time_seconds = small[0].into();
            feed.doubted_price = words[1][0];
            feed.next_expiry_seconds = words[1][1] as u64;
            feed.users = small[0] as u16 % 300;
        });
        world.set::<FundingInterval>(id, |interval| {
            interval.premium_seconds = words[2][0] as i128;
            interval.covered_seconds = small[1];
            interval.sampled_seconds = words[2][1] as u64;
        });
        world.set::<Prices>(id, |prices| {
            prices.premium = words[3][0] as i64;
            prices.funding_index = words[3][1] as i128;
            prices.funding_due_seconds = u64::from(small[2]);
        });
        world.set::<Instrument>(id, |instrument| {
            instrument.tick_value = words[4][0] as u64;
            instrument.lot_size = words[4][1];
            instrument.funding_seconds = small[3] | 256;
            instrument.funding_interest_ppm = small[4] as i32;
            instrument.funding_clamp_ppm = small[5];
        });
        world.set::<PriceRules>(id, |rules| {
            rules.premium_clamp_ppm = small[0];
            rules.funding_band_ppm = small[1];
            rules.premium_seconds = small[2];
            rules.breaker_ppm = small[3];
            rules.breaker_seconds = small[4];
            rules.halt_seconds = small[5];
        });
        let next = world.get::<Feed>(FeedId(ETHER_FEED)).next_expiry_seconds;
        world.set::<Expiry>((FeedId(ETHER_FEED), next), |expiry| {
            expiry.price_seconds = words[5][0];
            expiry.covered_seconds = small[0];
            expiry.series = small[1] as u16;
            expiry.price = words[5][1];
            expiry.next_seconds = next;
        });
        world.now_seconds += seconds;
        let _ = world.price(&[(ETHER_FEED, 3_000_00000000), (VOLATILITY_FEED, 600_000)]);
        let _ = world.price(&[(ETHER_FEED, 3_000_00000000)]);
    }
}
