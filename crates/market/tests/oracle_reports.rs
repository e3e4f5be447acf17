//! Which signed prices are accepted, what they are, and which are refused with which reason.

// The last digits of a price are its decimals.
#![allow(clippy::inconsistent_digit_grouping)]

mod prices;

use alloy_primitives::{Bytes, U256, b256};
use alloy_sol_types::SolStruct;
use prices::*;
use rialto_market::abi::IMarket::{self, PriceReport, SignedReport};
use rialto_market::feeds::{Feed, MAX_FEED_PRICE};
use rialto_market::layout::Prices;
use rialto_market::oracle::{domain, signing_hash};
use rialto_market::types::{FeedId, InstrumentId};
use rialto_market::{MARKET_ADDRESS, Rejection};

const NOW: u64 = START_SECONDS + 60;

fn ether(price: u128) -> Vec<(u16, u128)> {
    vec![(ETHER_FEED, price)]
}

/// A report of the second round at the present time.
fn sign(number: u8, price: u128) -> SignedReport {
    signed_for(number, report(2, NOW, &ether(price)), CHAIN)
}

/// Five signers of whom three are needed; the first round is accepted.
fn world() -> World {
    let mut world = World::dev(5, 3);
    world.now_seconds = NOW - 10;
    let first = |number| signed_for(number, report(1, NOW - 10, &ether(3_000_00000000)), CHAIN);
    world.bring(vec![first(1), first(2), first(3)]).expect("the first round is fine");
    world.now_seconds = NOW;
    world
}

#[test]
fn reports_that_are_refused() {
    const FINE: u128 = 3_010_00000000;
    let two = || vec![sign(1, FINE), sign(2, FINE)];
    let and = |mut reports: Vec<SignedReport>, more: SignedReport| {
        reports.push(more);
        reports
    };
    let with = |report| signed_for(3, report, CHAIN);
    let broken = |at: usize, byte: u8| {
        let mut signed = sign(3, FINE);
        let mut bytes = signed.signature.to_vec();
        bytes[at] = byte;
        signed.signature = bytes.into();
        signed
    };
    let many: Vec<_> = (1..=257).map(|feed| (feed, FINE)).collect();
    let rows: Vec<(&str, Vec<SignedReport>, &str)> = vec![
        ("no reports", vec![], "fewer signers than the quorum"),
        ("two of three", two(), "fewer signers than the quorum"),
        ("one signer twice", and(two(), sign(2, FINE)), "two reports of one signer"),
        ("one signer twice, with other prices", and(two(), sign(2, FINE + 1)), "two reports of one signer"),
        ("somebody else", and(two(), sign(9, FINE)), "a signature of somebody who is no signer"),
        (
            "of another chain",
            and(two(), signed_for(3, report(2, NOW, &ether(FINE)), CHAIN + 1)),
            "a signature of somebody who is no signer",
        ),
        ("v is 29", and(two(), broken(64, 29)), "a signature that is nobody's"),
        (
            "r is beyond the group",
            and(two(), {
                let mut s = sign(3, FINE);
                s.signature = [[0xff; 32], [1; 32]].concat().into_iter().chain([27]).collect::<Vec<_>>().into();
                s
            }),
            "a signature that is nobody's",
        ),
        (
            "no signature",
            and(two(), SignedReport { signature: Bytes::new(), ..sign(3, FINE) }),
            "a signature that is nobody's",
        ),
        (
            "a long signature",
            and(two(), SignedReport { signature: vec![1; 66].into(), ..sign(3, FINE) }),
            "a signature that is nobody's",
        ),
        (
            "other prices than were signed",
            and(two(), SignedReport { report: report(2, NOW, &ether(1)), ..sign(3, FINE) }),
            "a signature of somebody who is no signer",
        ),
        ("two rounds at once", and(two(), with(report(3, NOW, &ether(FINE)))), "reports of different rounds"),
        ("ahead", and(two(), with(report(2, NOW + 3, &ether(FINE)))), "a time ahead of the block's"),
        (
            "before the last prices",
            and(two(), with(report(2, NOW - 11, &ether(FINE)))),
            "a time before the last accepted prices",
        ),
        ("at the end of time", and(two(), with(report(2, u64::MAX, &ether(FINE)))), "a time ahead of the block's"),
        ("price zero", and(two(), with(report(2, NOW, &ether(0)))), "a price that is zero or absurd"),
        (
            "price absurd",
            and(two(), with(report(2, NOW, &ether(MAX_FEED_PRICE + 1)))),
            "a price that is zero or absurd",
        ),
        (
            "price the largest integer",
            and(two(), with(report(2, NOW, &ether(u128::MAX)))),
            "a price that is zero or absurd",
        ),
        ("no prices", and(two(), with(report(2, NOW, &[]))), "no prices, or too many"),
        ("too many prices", and(two(), with(report(2, NOW, &many))), "no prices, or too many"),
        ("a feed twice", and(two(), with(report(2, NOW, &[(1, FINE), (1, FINE)]))), "feeds that are not ascending"),
        (
            "feeds in disorder",
            and(two(), with(report(2, NOW, &[(2, FINE), (1, FINE)]))),
            "feeds that are not ascending",
        ),
        (
            "no feed has a quorum",
            vec![sign(1, FINE), sign(2, FINE), with(report(2, NOW, &[(BITCOIN_FEED, FINE)]))],
            "no feed with a quorum of prices",
        ),
        ("more reports than there may be signers", vec![sign(1, FINE); 33], "more reports than signers"),
    ];
    for (name, reports, why) in rows {
        let mut world = world();
        let before = world.get::<Feed>(FeedId(ETHER_FEED));
        assert_eq!(world.bring(reports), Err(Rejection::BadReport { why }), "{name}");
        assert_eq!(world.get::<Feed>(FeedId(ETHER_FEED)), before, "{name}");
    }
}

#[test]
fn rounds_do_not_come_again() {
    let mut world = world();
    let second = || vec![sign(1, 3_010_00000000), sign(2, 3_010_00000000), sign(3, 3_010_00000000)];
    world.bring(second()).expect("the second round is fine");
    let replayed = Err(Rejection::BadReport { why: "the round is not later than the last one" });
    assert_eq!(world.bring(second()), replayed, "replayed");
    let first = |number| signed_for(number, report(1, NOW, &ether(3_000_00000000)), CHAIN);
    assert_eq!(world.bring(vec![first(1), first(2), first(3)]), replayed, "an earlier round");
    let other = |number| signed_for(number, report(2, NOW, &ether(3_011_00000000)), CHAIN);
    assert_eq!(world.bring(vec![other(1), other(4), other(5)]), replayed, "the same round by others");
}

#[test]
fn what_is_no_report_is_refused() {
    let rows: [(&str, Vec<u8>); 3] = [
        ("nothing", vec![]),
        ("a length beyond the data", [U256::from(32).to_be_bytes::<32>(), U256::MAX.to_be_bytes::<32>()].concat()),
        ("ones", vec![0xff; 640]),
    ];
    for (name, bytes) in rows {
        let mut world = world();
        let result = world.run(NOBODY, |market| market.update_prices(&bytes));
        assert_eq!(result, Err(Rejection::BadReport { why: "its encoding" }), "{name}");
    }
}

#[test]
fn the_median_counts() {
    const D: u128 = 1_00000000;
    let rows: [(&str, &[u128], u128); 5] = [
        ("three", &[3_010 * D, 3_030 * D, 3_020 * D], 3_020 * D),
        ("one lies", &[3_010 * D, MAX_FEED_PRICE, 3_020 * D], 3_020 * D),
        ("two of five lie", &[1, 3_010 * D, 3_011 * D, 1, 3_012 * D], 3_010 * D),
        ("four: the mean of the middle", &[3_000 * D, 3_010 * D, 3_013 * D, 3_100 * D], 3_011 * D + D / 2),
        ("all the same", &[3_000 * D; 5], 3_000 * D),
    ];
    for (name, prices, expected) in rows {
        let mut world = world();
        let reports = prices.iter().zip(1..).map(|(&price, number)| sign(number, price)).collect();
        world.bring(reports).unwrap_or_else(|rejection| panic!("{name}: {rejection}"));
        assert_eq!(world.get::<Feed>(FeedId(ETHER_FEED)).price, expected, "{name}");
        // A tick is 0.1 dollars: a micro-tick a ten-millionth of a dollar.
        let index = world.get::<Prices>(InstrumentId(ETHER_PERPETUAL)).index;
        assert_eq!(u128::from(index), expected.div_ceil(10), "{name}");
    }
}

#[test]
fn feeds_without_a_quorum_stay_as_they_are() {
    let mut world = world();
    let both = |number| {
        let prices = [(ETHER_FEED, 3_010_00000000), (BITCOIN_FEED, 61_000_00000000)];
        signed_for(number, report(2, NOW, &prices), CHAIN)
    };
    world.bring(vec![both(1), both(2), sign(3, 3_010_00000000)]).expect("ether has a quorum");
    assert_eq!(world.get::<Feed>(FeedId(ETHER_FEED)).price, 3_010_00000000);
    assert_eq!(world.get::<Feed>(FeedId(BITCOIN_FEED)).price, 60_000_00000000);
}

#[test]
fn old_prices_are_refused() {
    let mut world = World::dev(1, 1);
    world.now_seconds = NOW + 600;
    let signed = |time_seconds| vec![signed_for(1, report(2, time_seconds, &ether(3_000_00000000)), CHAIN)];
    assert_eq!(world.bring(signed(NOW - 1)), Err(Rejection::BadReport { why: "a price that is too old" }));
    assert_eq!(world.bring(signed(NOW)), Ok(()), "as old as it may be");
}

/// The hash of the typed data, put together by hand as EIP-712 says, so that any signer can be checked against it.
#[test]
fn the_signed_hash_is_that_of_eip_712() {
    use alloy_primitives::keccak256;
    let word = |value: u64| U256::from(value).to_be_bytes::<32>();
    let domain_type = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)";
    let domain_hash = keccak256(
        [
            keccak256(domain_type).0,
            keccak256("Rialto Market").0,
            keccak256("1").0,
            word(CHAIN),
            MARKET_ADDRESS.into_word().0,
        ]
        .concat(),
    );
    assert_eq!(domain(U256::from(CHAIN)).hash_struct(), domain_hash);
    let price_type = "FeedPrice(uint16 feed,uint128 price)";
    let report_type = format!("PriceReport(uint64 sequence,uint64 timeSeconds,FeedPrice[] prices){price_type}");
    let report = report(7, 8, &[(1, 100), (2, 200)]);
    assert_eq!(PriceReport::eip712_encode_type(), report_type);
    let price = |feed, price| keccak256([keccak256(price_type).0, word(feed), word(price)].concat()).0;
    let prices = keccak256([price(1, 100), price(2, 200)].concat());
    let report_hash = keccak256([keccak256(&report_type).0, word(7), word(8), prices.0].concat());
    let expected = keccak256([&[0x19, 0x01][..], domain_hash.as_slice(), report_hash.as_slice()].concat());
    assert_eq!(signing_hash(&report, U256::from(CHAIN)), expected);
    // Pinned: what signers sign does not change unnoticed.
    assert_eq!(keccak256(report_type), b256!("b9e829f1b3ca25be4edd84556d13cc89cb284917cb043d9e3a1cc0fb96acca71"));
}

#[test]
fn an_event_for_each_price() {
    let mut world = World::dev(1, 1);
    world.price_after(60, &[(ETHER_FEED, 3_100_00000000)]);
    let priced: Vec<_> = world
        .events_of::<IMarket::FeedPriced>()
        .iter()
        .map(|event| (event.feed, event.price, event.timeSeconds))
        .collect();
    assert_eq!(priced, [(ETHER_FEED, 3_100_00000000, START_SECONDS + 60)]);
    let repriced: Vec<_> = world.events_of::<IMarket::PriceUpdated>().iter().map(|event| event.instrument).collect();
    // The spot pair, the perpetual, and six options.
    assert_eq!(repriced, [1, 2, 4, 5, 6, 7, 8, 9]);
}
