//! Who may do what with an account, and how much an account may have.

mod ledger;

use alloy_primitives::{Address, U256};
use ledger::{BITCOIN, CALL, PERPETUAL, SPOT, USERS, World, account, bitcoin, instrument, user};
use rialto_market::layout::{Account, AccountStatus, BACKSTOP, Globals, INSURANCE, InstrumentKind, QUOTE, TREASURY};
use rialto_market::types::{AccountId, AssetId, InstrumentId, MAX_ASSETS, MAX_POSITIONS, Side};
use rialto_market::{Asset, Market, MarketError, Rejection};

type Operation = fn(&mut Market<'_, 'static>) -> Result<(), MarketError>;

/// Which callers may do it: the owner, an agent, an agent whose time is over, somebody else, nobody.
#[test]
fn who_may_do_what() {
    let rows: [(&str, Operation, [bool; 5]); 5] = [
        ("trade", |market| market.require_trader(account(0)).map(drop), [true, true, false, false, false]),
        ("name agents", |market| market.set_agent(account(0), user(9), 5), [true, false, false, false, false]),
        ("switch margin", |market| market.set_margin_mode(account(0), 0), [true, false, false, false, false]),
        ("move out", |market| market.transfer(account(0), account(1), QUOTE, 1), [true, false, false, false, false]),
        ("owner's things", |market| market.require_owner(account(0)).map(drop), [true, false, false, false, false]),
    ];
    let callers = [user(0), user(5), user(6), user(1), Address::ZERO];
    for (name, operation, expected) in rows {
        for (caller, may) in callers.into_iter().zip(expected) {
            let mut world = World::new();
            world.deposit(0, QUOTE, 1_000);
            let now = world.now_seconds;
            world.run(user(0), |market| market.set_agent(account(0), user(5), now)).unwrap();
            world.run(user(0), |market| market.set_agent(account(0), user(6), now - 1)).unwrap();
            let expected = if may { Ok(()) } else { Err(Rejection::NotAllowed) };
            assert_eq!(world.run(caller, operation), expected, "{name} by {caller}");
        }
    }
}

#[test]
fn agents_end() {
    let mut world = World::new();
    let now = world.now_seconds;
    let trade = |market: &mut Market<'_, 'static>| market.require_trader(account(0)).map(drop);
    world.run(user(0), |market| market.set_agent(account(0), user(5), now + 10)).unwrap();
    for (seconds, may) in [(0, true), (10, true), (11, false)] {
        world.now_seconds = now + seconds;
        assert_eq!(world.run(user(5), trade).is_ok(), may, "after {seconds} seconds");
    }
    world.now_seconds = now;
    world.run(user(0), |market| market.set_agent(account(0), user(5), 0)).unwrap();
    assert_eq!(world.run(user(5), trade), Err(Rejection::NotAllowed), "taken back");
}

/// The market's own accounts are nobody's; the operator acts for the treasury.
#[test]
fn own_accounts() {
    let mut world = World::new();
    world.force(|market| {
        market.records().update((), |globals: &mut Globals| globals.operator = user(7)).map_err(Into::into)
    });
    world.force(|market| market.add_balance(TREASURY, QUOTE, 100));
    let rows = [
        (TREASURY, user(7), true),
        (INSURANCE, user(7), false),
        (BACKSTOP, user(7), false),
        (TREASURY, user(0), false),
    ];
    for (id, caller, may) in rows {
        let moved = world.run(caller, |market| market.transfer(id, account(1), QUOTE, 10));
        assert_eq!(moved.is_ok(), may, "{id:?} by {caller}: {moved:?}");
        let traded = world.run(caller, |market| market.require_trader(id).map(drop));
        assert_eq!(traded, Err(Rejection::NotAllowed), "{id:?} trades for nobody");
    }
    let unknown = world.run(user(0), |market| market.account(AccountId(99)).map(drop));
    assert_eq!(unknown, Err(Rejection::Unknown { what: "account", id: U256::from(99) }));
}

#[test]
fn opening() {
    let mut world = World::new();
    let again = world.run(user(0), |market| market.open_account(0, None));
    assert!(matches!(again, Err(Rejection::Forbidden { .. })), "{again:?}");
    let second = world.run(user(0), |market| market.open_account(255, None)).unwrap();
    assert_eq!(second, account(USERS), "numbers grow");
    for (id, may) in [(PERPETUAL, true), (CALL, true), (SPOT, false), (InstrumentId(99), false)] {
        let opened = world.run(user(0), |market| market.open_account(1, Some(id)).map(drop));
        assert_eq!(opened.is_ok(), may, "isolated to {id:?}: {opened:?}");
        if may {
            let (is_first, other) = (id == PERPETUAL, world.run(user(0), |market| market.open_account(2, Some(id))));
            let isolated = other.unwrap();
            for (instrument, may) in [(PERPETUAL, is_first), (CALL, !is_first)] {
                let traded = world.run(user(0), |market| {
                    market.apply_fill(isolated, instrument, Side::Buy, 1, 1, 0)?;
                    market.apply_fill(account(1), instrument, Side::Sell, 1, 1, 0)
                });
                assert_eq!(traded.is_ok(), may, "isolated to {id:?}, {instrument:?}: {traded:?}");
            }
            world = World::new();
        }
    }
    assert_eq!(world.run(Address::ZERO, |market| market.open_account(0, None)), Err(Rejection::NotAllowed));
}

/// As many positions as there is room for, with resting orders counted; those of a position that is there do not need room.
#[test]
fn positions_have_a_limit() {
    let mut world = World::new();
    for id in 10..10 + MAX_POSITIONS as u16 + 1 {
        let id = InstrumentId(id);
        world.force(|market| Ok(market.records().set(id, instrument(id, InstrumentKind::Perpetual))?));
        let reserved = world.run(user(0), |market| market.reserve_order(account(0), id, Side::Buy, 5));
        if usize::from(id.0) < 10 + MAX_POSITIONS {
            reserved.unwrap();
            continue;
        }
        assert_eq!(reserved, Err(Rejection::LimitReached { what: "positions", limit: 16 }));
        world.force(|market| market.reserve_order(account(0), InstrumentId(10), Side::Sell, 5));
        world.force(|market| market.release_order(account(0), InstrumentId(12), Side::Buy, 5));
        world.force(|market| market.reserve_order(account(0), id, Side::Buy, 5));
    }
}

/// One place is the quote asset's, whatever an account holds.
#[test]
fn assets_have_a_limit() {
    let mut world = World::new();
    for number in 0..MAX_ASSETS as u32 {
        let asset = Asset { token: user(0x2000 + number), ..bitcoin() };
        let id = world.force(|market| market.add_asset(asset));
        let added = world.run(user(0), |market| market.add_balance(account(0), id, 1));
        if number < MAX_ASSETS as u32 - 1 {
            added.unwrap();
        } else {
            assert_eq!(added, Err(Rejection::LimitReached { what: "assets", limit: 16 }));
            world.force(|market| market.add_balance(account(0), QUOTE, -1));
            // The insurance fund takes all the same.
            world.force(|market| market.add_balance(INSURANCE, id, 1));
            assert_eq!(world.balance(INSURANCE, id), 1);
        }
    }
}

/// Transfers: of what there is, or what margin and the asset's caps let an account borrow.
#[test]
fn transfers() {
    let margin = |result: &Result<(), Rejection>| matches!(result, Err(Rejection::MarginTooLow { .. }));
    let forbidden = |result: &Result<(), Rejection>| matches!(result, Err(Rejection::Forbidden { .. }));
    let range = |result: &Result<(), Rejection>| matches!(result, Err(Rejection::OutOfRange { .. }));
    let done = |result: &Result<(), Rejection>| result.is_ok();
    type Row = (&'static str, AccountId, AssetId, u128, fn(&Result<(), Rejection>) -> bool);
    let rows: [Row; 13] = [
        ("what there is", account(1), QUOTE, 1_000_000_000, done),
        ("a debt within margin: 1,000 + 40,000 of 50,000", account(1), QUOTE, 41_000_000_000, done),
        ("a debt that leaves a unit too little", account(1), QUOTE, 41_000_000_001, margin),
        ("nothing", account(1), QUOTE, 0, range),
        ("too much to be counted", account(1), QUOTE, u128::MAX, range),
        ("a new asset to somebody else", account(1), BITCOIN, 1, forbidden),
        ("a new asset to an own account", account(USERS), BITCOIN, 1, done),
        ("to itself", account(0), QUOTE, 1, forbidden),
        ("to the insurance fund", INSURANCE, QUOTE, 1, done),
        ("to the backstop pool, without shares", BACKSTOP, QUOTE, 1, forbidden),
        ("to nobody", AccountId(99), QUOTE, 1, |result| {
            matches!(result, Err(Rejection::Unknown { what: "account", .. }))
        }),
        ("an asset that is not there", account(1), AssetId(9), 1, |result| {
            matches!(result, Err(Rejection::Unknown { what: "asset", .. }))
        }),
        ("beyond the cap of what may be owed", account(USERS), BITCOIN, 110_000_000, range),
    ];
    for (name, to, asset, amount, is_expected) in rows {
        let mut world = World::new();
        world.run(user(0), |market| market.open_account(1, None)).unwrap();
        world.deposit(0, QUOTE, 1_000_000_000);
        world.deposit(0, BITCOIN, 100_000_000);
        world.force(|market| market.set_asset(BITCOIN, |asset| asset.borrow_cap = 1_000_000));
        let result = world.run(user(0), |market| market.transfer(account(0), to, asset, amount));
        assert!(is_expected(&result), "{name}: {result:?}");
    }
}

/// Nothing goes out of an account that waits for liquidation, but anything may come in.
#[test]
fn waiting_for_liquidation() {
    for status in [AccountStatus::Queued, AccountStatus::Auctioned] {
        let mut world = World::new();
        world.deposit(0, QUOTE, 1_000);
        world.deposit(1, QUOTE, 1_000);
        world.force(|market| Ok(market.records().update(account(0), |record: &mut Account| record.status = status)?));
        let out = world.run(user(0), |market| market.transfer(account(0), account(1), QUOTE, 1));
        assert!(matches!(out, Err(Rejection::Forbidden { .. })), "{out:?}");
        let switched = world.run(user(0), |market| market.set_margin_mode(account(0), 0));
        assert!(matches!(switched, Err(Rejection::Forbidden { .. })), "{switched:?}");
        world.run(user(1), |market| market.transfer(account(1), account(0), QUOTE, 1)).unwrap();
    }
}
