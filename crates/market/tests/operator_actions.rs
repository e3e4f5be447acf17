//! The operator's office: proposals behind the time lock, what holds at once, and the bounds of what may be listed.

// The last digits of a price are its decimals.
#![allow(clippy::inconsistent_digit_grouping)]

mod prices;

use alloy_primitives::{Address, I256, U256};
use alloy_sol_types::SolCall;
use prices::*;
use rialto_market::abi::IMarket;
use rialto_market::abi::IMarketActions::{self as Actions, FeedTerms, InstrumentTerms, Setting};
use rialto_market::genesis::{self, MarketGenesis};
use rialto_market::layout::{Globals, Instrument, InstrumentStatus, Prices};
use rialto_market::operator::{MAX_ACTION_BYTES, Proposal};
use rialto_market::oracle::SignerOf;
use rialto_market::types::{AssetId, InstrumentId};
use rialto_market::{Asset, AssetState, Rejection};

const PERPETUAL: InstrumentId = InstrumentId(ETHER_PERPETUAL);

fn setting(name: &str, value: i64) -> Setting {
    Setting { name: name.into(), value: I256::try_from(value).unwrap() }
}

fn set_fee(value: i64) -> Vec<u8> {
    Actions::setInstrumentCall { instrument: ETHER_PERPETUAL, settings: vec![setting("takerFeePpm", value)] }
        .abi_encode()
}

fn fee(world: &mut World) -> u32 {
    world.get::<Instrument>(PERPETUAL).taker_fee_ppm
}

fn propose(world: &mut World, action: &[u8]) -> Result<u64, Rejection> {
    world.run(OPERATOR, |market| market.propose(action))
}

fn execute(world: &mut World, proposal: u64, action: &[u8]) -> Result<(), Rejection> {
    world.run(NOBODY, |market| market.execute(proposal, action))
}

/// Proposes, waits and executes.
fn enact(world: &mut World, action: &[u8]) -> Result<(), Rejection> {
    let proposal = propose(world, action)?;
    world.now_seconds += 3_600;
    execute(world, proposal, action)
}

#[test]
fn a_proposal_holds_after_its_time() {
    let mut world = World::dev(1, 1);
    let action = set_fee(700);
    let proposal = propose(&mut world, &action).unwrap();
    let told = world.events_of::<IMarket::Proposed>();
    assert_eq!(told.len(), 1);
    assert_eq!(world.events.len(), 1, "the trial left no event");
    assert_eq!((told[0].proposal, &told[0].action[..]), (proposal, &action[..]));
    assert_eq!(told[0].executableSeconds, world.now_seconds + 3_600);
    assert_eq!(fee(&mut world), 450, "the trial left nothing");
    let early = Err(Rejection::Forbidden { state: "the time lock is not over" });
    assert_eq!(execute(&mut world, proposal, &action), early);
    world.now_seconds += 3_599;
    assert_eq!(execute(&mut world, proposal, &action), early);
    world.now_seconds += 1;
    let other = Err(Rejection::Forbidden { state: "another action was proposed" });
    assert_eq!(execute(&mut world, proposal, &set_fee(701)), other);
    assert_eq!(execute(&mut world, proposal, &action), Ok(()));
    assert_eq!(fee(&mut world), 700);
    let unknown = Err(Rejection::Unknown { what: "proposal", id: U256::from(proposal) });
    assert_eq!(execute(&mut world, proposal, &action), unknown, "once only");
    assert_eq!(
        execute(&mut world, proposal + 1, &action),
        Err(Rejection::Unknown { what: "proposal", id: U256::from(2) })
    );
}

#[test]
fn a_proposal_is_taken_back() {
    let mut world = World::dev(1, 1);
    let action = set_fee(700);
    let proposal = propose(&mut world, &action).unwrap();
    let by_nobody = world.run(NOBODY, |market| market.withdraw_proposal(proposal));
    assert_eq!(by_nobody, Err(Rejection::NotAllowed));
    assert_eq!(world.run(OPERATOR, |market| market.withdraw_proposal(proposal)), Ok(()));
    world.now_seconds += 3_600;
    assert!(execute(&mut world, proposal, &action).is_err());
    assert_eq!(world.get::<Proposal>(proposal), Proposal::default());
}

#[test]
fn the_time_lock_is_that_of_the_proposals_day() {
    let mut world = World::dev(1, 1);
    let shorter = Actions::setTimelockCall { timelockSeconds: 0 }.abi_encode();
    let first = propose(&mut world, &set_fee(700)).unwrap();
    enact(&mut world, &shorter).unwrap();
    assert_eq!(execute(&mut world, first, &set_fee(700)), Ok(()), "its hour is over as well");
    let at_once = propose(&mut world, &set_fee(800)).unwrap();
    assert_eq!(execute(&mut world, at_once, &set_fee(800)), Ok(()));
    assert_eq!(fee(&mut world), 800);
}

#[test]
fn only_the_operator_proposes_and_restricts() {
    let mut world = World::dev(1, 1);
    for caller in [NOBODY, Address::ZERO] {
        let refused = Err(Rejection::NotAllowed);
        assert_eq!(world.run(caller, |market| market.propose(&set_fee(1))).map(|_| ()), refused);
        assert_eq!(world.run(caller, |market| market.restrict(PERPETUAL, 2)), refused);
        assert_eq!(world.run(caller, |market| market.offer_operator(NOBODY)), refused);
        assert_eq!(world.run(caller, |market| market.accept_operator()), refused);
    }
}

#[test]
fn restricting_holds_at_once_and_easing_waits() {
    let mut world = World::dev(1, 1);
    let status = |world: &mut World| world.get::<Instrument>(PERPETUAL).status;
    let restrict = |world: &mut World, to| world.run(OPERATOR, |market| market.restrict(PERPETUAL, to)).is_ok();
    assert!(!restrict(&mut world, 0), "active is no restriction");
    assert!(restrict(&mut world, 1));
    assert!(!restrict(&mut world, 1), "nor is the same");
    assert!(restrict(&mut world, 2));
    assert!(!restrict(&mut world, 1), "nor less");
    assert!(!restrict(&mut world, 3), "it does not settle");
    assert_eq!(status(&mut world), InstrumentStatus::Halted);
    let ease = Actions::setStatusCall { instrument: ETHER_PERPETUAL, status: 0 }.abi_encode();
    enact(&mut world, &ease).unwrap();
    assert_eq!(status(&mut world), InstrumentStatus::Active);
}

#[test]
fn the_office_is_handed_over_in_two_steps() {
    let mut world = World::dev(1, 1);
    let next = Address::with_last_byte(9);
    world.run(OPERATOR, |market| market.offer_operator(next)).unwrap();
    assert_eq!(world.run(NOBODY, |market| market.accept_operator()), Err(Rejection::NotAllowed));
    assert!(world.run(OPERATOR, |market| market.restrict(PERPETUAL, 1)).is_ok(), "not handed over yet");
    world.run(next, |market| market.accept_operator()).unwrap();
    assert_eq!(world.run(OPERATOR, |market| market.restrict(PERPETUAL, 2)), Err(Rejection::NotAllowed));
    assert!(world.run(next, |market| market.restrict(PERPETUAL, 2)).is_ok());
    assert_eq!(world.run(next, |market| market.accept_operator()), Err(Rejection::NotAllowed), "once");
    world.run(next, |market| market.offer_operator(OPERATOR)).unwrap();
    world.run(next, |market| market.offer_operator(Address::ZERO)).unwrap();
    assert_eq!(world.run(OPERATOR, |market| market.accept_operator()), Err(Rejection::NotAllowed), "taken back");
}

#[test]
fn signers_are_replaced() {
    let mut world = World::dev(3, 2);
    let of = |numbers: &[u8]| numbers.iter().map(|&number| signer(number).1).collect::<Vec<_>>();
    let action = |numbers: &[u8], quorum| Actions::setSignersCall { signers: of(numbers), quorum }.abi_encode();
    let rows: [(&str, Vec<u8>, bool); 7] = [
        ("none", action(&[], 0), false),
        ("half", action(&[1, 2, 3, 4], 2), false),
        ("more than there are", action(&[1, 2], 3), false),
        ("one twice", action(&[1, 2, 1], 2), false),
        ("zero", Actions::setSignersCall { signers: vec![Address::ZERO], quorum: 1 }.abi_encode(), false),
        ("too many", action(&(1..=33).collect::<Vec<_>>(), 17), false),
        ("most", action(&(1..=32).collect::<Vec<_>>(), 17), true),
    ];
    for (name, action, expected) in rows {
        assert_eq!(propose(&mut world, &action).is_ok(), expected, "{name}");
    }
    enact(&mut world, &action(&[4, 2], 2)).unwrap();
    assert_eq!(world.run(NOBODY, |market| market.signers()).unwrap(), of(&[4, 2]));
    for (number, place) in [(1, 0), (2, 2), (3, 0), (4, 1)] {
        assert_eq!(world.get::<SignerOf>(signer(number).1).place, place, "signer {number}");
    }
    let now = world.now_seconds;
    let of_signers = |numbers: [u8; 2]| {
        numbers.map(|number| signed_for(number, report(1, now, &[(ETHER_FEED, 3_000_00000000)]), CHAIN)).to_vec()
    };
    assert!(world.bring(of_signers([1, 3])).is_err());
    assert_eq!(world.bring(of_signers([2, 4])), Ok(()));
}

fn option_terms(world: &World) -> InstrumentTerms {
    InstrumentTerms {
        kind: 3,
        base: 0,
        feed: VOLATILITY_FEED,
        underlying: ETHER_PERPETUAL,
        expirySeconds: world.now_seconds + 86_400,
        strikeTicks: 30_000,
        isCall: true,
        tickValue: 100,
        lotSize: 1_000_000_000_000_000,
        settings: vec![],
    }
}

#[test]
fn terms_of_instruments_are_bounded() {
    let world = World::dev(1, 1);
    let option = || option_terms(&world);
    let spot = || InstrumentTerms {
        kind: 1,
        base: 2,
        feed: ETHER_FEED,
        underlying: 0,
        expirySeconds: 0,
        strikeTicks: 0,
        isCall: false,
        ..option()
    };
    let perpetual = || InstrumentTerms { kind: 2, base: 0, ..spot() };
    let now = world.now_seconds;
    let rows: Vec<(&str, InstrumentTerms, bool)> = vec![
        ("a spot pair", spot(), true),
        ("a perpetual", perpetual(), true),
        ("an option", option(), true),
        ("no kind", InstrumentTerms { kind: 0, ..spot() }, false),
        ("an unknown kind", InstrumentTerms { kind: 4, ..spot() }, false),
        ("a tick of nothing", InstrumentTerms { tickValue: 0, ..spot() }, false),
        ("a tick too large", InstrumentTerms { tickValue: (1 << 40) + 1, ..spot() }, false),
        ("a lot of nothing", InstrumentTerms { lotSize: 0, ..spot() }, false),
        ("the largest lot there is", InstrumentTerms { lotSize: u128::MAX, ..spot() }, false),
        ("dollars for dollars", InstrumentTerms { base: 1, ..spot() }, false),
        ("an asset that is not listed", InstrumentTerms { base: 3, ..spot() }, false),
        ("a feed that is not listed", InstrumentTerms { feed: 99, ..spot() }, false),
        ("no feed", InstrumentTerms { feed: 0, ..spot() }, false),
        ("a perpetual with a base", InstrumentTerms { base: 2, ..perpetual() }, false),
        ("a perpetual with an expiry", InstrumentTerms { expirySeconds: now + 86_400, ..perpetual() }, false),
        ("a perpetual with a strike", InstrumentTerms { strikeTicks: 1, ..perpetual() }, false),
        ("a perpetual that is a call", InstrumentTerms { isCall: true, ..perpetual() }, false),
        ("an option on nothing", InstrumentTerms { underlying: 0, ..option() }, false),
        ("an option on an option", InstrumentTerms { underlying: FIRST_OPTION, ..option() }, false),
        ("an option without a strike", InstrumentTerms { strikeTicks: 0, ..option() }, false),
        ("an option with the price as its volatility", InstrumentTerms { feed: ETHER_FEED, ..option() }, false),
        ("an option that expired", InstrumentTerms { expirySeconds: now - 1, ..option() }, false),
        ("an option that expires soon", InstrumentTerms { expirySeconds: now + 3_599, ..option() }, false),
        ("an option for ever", InstrumentTerms { expirySeconds: u64::MAX, ..option() }, false),
        ("an unknown parameter", InstrumentTerms { settings: vec![setting("fee", 1)], ..spot() }, false),
        (
            "a parameter out of bounds",
            InstrumentTerms { settings: vec![setting("takerFeePpm", 50_001)], ..spot() },
            false,
        ),
        ("a negative parameter", InstrumentTerms { settings: vec![setting("minLots", -1)], ..spot() }, false),
        (
            "the same parameter again and again",
            InstrumentTerms { settings: vec![setting("minLots", 1); 23], ..spot() },
            false,
        ),
    ];
    for (name, terms, expected) in rows {
        let mut world = World::dev(1, 1);
        let listed = world.get::<Globals>(()).next_instrument;
        let result = enact(&mut world, &Actions::listInstrumentCall { terms }.abi_encode());
        assert_eq!(result.is_ok(), expected, "{name}: {result:?}");
        assert_eq!(world.get::<Globals>(()).next_instrument, listed + u16::from(expected), "{name}");
    }
}

#[test]
fn feeds_and_assets_are_bounded() {
    let feed = || FeedTerms {
        decimals: 8,
        source: Address::ZERO,
        sourceDecimals: 0,
        stalenessSeconds: 60,
        deviationPpm: 100_000,
    };
    let list = |terms| Actions::listFeedCall { terms }.abi_encode();
    let change = |feed, terms| Actions::setFeedCall { feed, terms }.abi_encode();
    let asset = |token: u8, decimals, feed, settings| {
        Actions::listAssetCall { token: Address::with_last_byte(token), decimals, feed, settings }.abi_encode()
    };
    let change_asset = |asset, settings| Actions::setAssetCall { asset, settings }.abi_encode();
    let rows: Vec<(&str, Vec<u8>, bool)> = vec![
        ("a feed", list(feed()), true),
        ("too many decimals", list(FeedTerms { decimals: 19, ..feed() }), false),
        ("too many decimals of the source", list(FeedTerms { sourceDecimals: 19, ..feed() }), false),
        ("always stale", list(FeedTerms { stalenessSeconds: 0, ..feed() }), false),
        ("never stale", list(FeedTerms { stalenessSeconds: 3_601, ..feed() }), false),
        ("no move", list(FeedTerms { deviationPpm: 999, ..feed() }), false),
        ("any move", list(FeedTerms { deviationPpm: 1_000_001, ..feed() }), false),
        ("a feed changes", change(ETHER_FEED, feed()), true),
        ("a feed's decimals change", change(ETHER_FEED, FeedTerms { decimals: 6, ..feed() }), false),
        ("an unknown feed changes", change(99, feed()), false),
        ("an asset", asset(7, 8, BITCOIN_FEED, vec![setting("haircutPpm", 50_000)]), true),
        ("the zero token", asset(0, 8, BITCOIN_FEED, vec![]), false),
        ("an asset without a feed", asset(7, 8, 0, vec![]), false),
        ("an asset with 19 decimals", asset(7, 19, BITCOIN_FEED, vec![]), false),
        ("a haircut of more than all", asset(7, 8, BITCOIN_FEED, vec![setting("initialHaircutPpm", 1_000_001)]), false),
        ("a negative cap", asset(7, 8, BITCOIN_FEED, vec![setting("supplyCap", -1)]), false),
        ("an asset changes", change_asset(2, vec![setting("haircutPpm", 70_000), setting("supplyCap", 5)]), true),
        ("a haircut above the initial one", change_asset(2, vec![setting("haircutPpm", 150_001)]), false),
        ("an unknown asset changes", change_asset(3, vec![]), false),
    ];
    for (name, action, expected) in rows {
        let mut world = World::dev(1, 1);
        let result = enact(&mut world, &action);
        assert_eq!(result.is_ok(), expected, "{name}: {result:?}");
    }
    let mut world = World::dev(1, 1);
    enact(&mut world, &change_asset(2, vec![setting("supplyCap", 5)])).unwrap();
    assert_eq!(world.get::<Asset>(AssetId(2)).supply_cap, 5);
}

/// What positions that are open need never grows by a parameter; what new ones need may.
#[test]
fn maintenance_margin_does_not_rise_under_open_positions() {
    // With a maintenance of 3 % and steps of 1 % for each 100 lots.
    type Row = (&'static str, &'static [(&'static str, i64)], bool);
    let rows: [Row; 9] = [
        ("more", &[("maintenancePpm", 30_001)], false),
        ("less", &[("maintenancePpm", 29_999)], true),
        ("larger steps", &[("tierStepPpm", 10_001)], false),
        ("smaller steps", &[("tierStepPpm", 9_999)], true),
        ("sooner steps", &[("tierLots", 99)], false),
        ("later steps", &[("tierLots", 101)], true),
        ("no steps", &[("tierLots", 0)], true),
        ("sooner and smaller steps", &[("tierLots", 50), ("tierStepPpm", 1)], false),
        ("initial margin", &[("initialPpm", 900_000)], true),
    ];
    for (name, settings, expected) in rows {
        for is_open in [true, false] {
            let mut world = World::dev(1, 1);
            world.set::<Instrument>(PERPETUAL, |instrument| {
                instrument.tier_lots = 100;
                instrument.tier_step_ppm = 10_000;
            });
            if is_open {
                world.set::<Prices>(PERPETUAL, |prices| prices.open_lots = 1);
            }
            let settings = settings.iter().map(|&(name, value)| setting(name, value)).collect();
            let action = Actions::setInstrumentCall { instrument: ETHER_PERPETUAL, settings }.abi_encode();
            assert_eq!(enact(&mut world, &action).is_ok(), expected || !is_open, "{name}, open: {is_open}");
        }
    }
    let mut world = World::dev(1, 1);
    let asset = AssetId(2);
    world.set::<AssetState>(asset, |state| state.supply_scaled = 1);
    for (name, value, expected) in [
        ("haircutPpm", 100_001, false),
        ("haircutPpm", 100_000, true),
        ("debtWeightPpm", 100_001, false),
        ("initialHaircutPpm", 900_000, true),
    ] {
        let action = Actions::setAssetCall { asset: 2, settings: vec![setting(name, value)] }.abi_encode();
        assert_eq!(enact(&mut world, &action).is_ok(), expected, "{name} = {value}");
    }
}

#[test]
fn several_actions_are_one() {
    let mut world = World::dev(1, 1);
    let several = |actions: Vec<Vec<u8>>| {
        Actions::severalCall { actions: actions.into_iter().map(Into::into).collect() }.abi_encode()
    };
    let feed = FeedTerms {
        decimals: 6,
        source: Address::ZERO,
        sourceDecimals: 0,
        stalenessSeconds: 60,
        deviationPpm: 100_000,
    };
    let list_feed = Actions::listFeedCall { terms: feed }.abi_encode();
    let list_option =
        Actions::listInstrumentCall { terms: InstrumentTerms { feed: 4, ..option_terms(&world) } }.abi_encode();
    assert!(propose(&mut world, &list_option).is_err(), "its feed is not listed");
    let both = several(vec![list_feed.clone(), list_option.clone()]);
    enact(&mut world, &both).unwrap();
    let id = InstrumentId(world.get::<Globals>(()).next_instrument - 1);
    assert_eq!(world.get::<Instrument>(id).feed.0, 4);
    // All or none.
    let listed = world.get::<Globals>(());
    assert!(enact(&mut world, &several(vec![list_feed.clone(), set_fee(50_001)])).is_err());
    assert_eq!(world.get::<Globals>(()), listed);
    assert_eq!(enact(&mut world, &several(vec![several(vec![list_feed])])), Err(Rejection::BadCall), "not nested");
    for (name, bytes) in
        [("nothing", vec![]), ("another function", vec![1, 2, 3, 4]), ("a cut one", both[..100].to_vec())]
    {
        assert_eq!(propose(&mut world, &bytes), Err(Rejection::BadCall), "{name}");
    }
    let long = propose(&mut world, &vec![0; MAX_ACTION_BYTES + 1]);
    assert!(matches!(long, Err(Rejection::LimitReached { .. })), "{long:?}");
}

#[test]
fn a_genesis_says_what_is_wrong_with_it() {
    let fine = || genesis::dev(START_SECONDS, OPERATOR, signer(1).1, DOLLAR, ETHER);
    let with = |change: fn(&mut MarketGenesis)| {
        let mut genesis = fine();
        change(&mut genesis);
        genesis::records(&genesis).map(|slots| slots.len()).map_err(|error| error.to_string())
    };
    let slots = genesis::records(&fine()).unwrap();
    assert!(slots.windows(2).all(|pair| pair[0].0 < pair[1].0), "ascending");
    assert!(slots.iter().all(|(_, word)| !word.is_zero()));
    assert_eq!(genesis::records(&fine()).unwrap(), slots, "the same again");
    type Row = (&'static str, fn(&mut MarketGenesis), &'static str);
    let rows: [Row; 8] = [
        ("operator", |genesis| genesis.operator = Address::ZERO, "market.operator: operator is 0, expected 1 to "),
        ("quorum", |genesis| genesis.quorum = 0, "market.signers: quorum is 0, expected 1 to 1"),
        (
            "lock",
            |genesis| genesis.timelock_seconds = u32::MAX,
            "market.timelockSeconds: timelockSeconds is 4294967295",
        ),
        ("feed", |genesis| genesis.feeds[1].decimals = 19, "market.feeds[1]: decimals is 19, expected 0 to 18"),
        ("quote", |genesis| genesis.quote.feed = 1, "market.quote: feed is 1, expected 0 to 0"),
        (
            "asset",
            |genesis| genesis.assets[0].token = DOLLAR,
            "market.assets[0]: forbidden: the token is listed already",
        ),
        ("instrument", |genesis| genesis.instruments[2].feed = 9, "market.instruments[2]: no feed 9"),
        (
            "setting",
            |genesis| genesis.instruments[0].settings = vec![("bandPpm".into(), i128::MIN)],
            "market.instruments[0]: bandPpm is ",
        ),
    ];
    for (name, change, expected) in rows {
        let error = with(change).expect_err(name);
        assert!(error.starts_with(expected), "{name}: {error}");
    }
    // A market without signers and prices is one.
    assert!(with(|genesis| genesis.signers.clear()).is_ok());
    assert!(with(|genesis| genesis.feeds.iter_mut().for_each(|feed| feed.price = 0)).is_ok());
}
