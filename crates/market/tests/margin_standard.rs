//! Standard margin against numbers that are worked out by hand, by the rules that venues publish.
//!
//! The sources are named in each table. Numbers are in dollars; a lot is 0.001 bitcoin and a tick 0.1 dollars.

mod ledger;

use ledger::{BITCOIN, CALL, PERPETUAL, PUT, SPOT, World, account, user};
use rialto_market::layout::{Instrument, Position, Prices, QUOTE};
use rialto_market::types::{Amount, InstrumentId, MICRO};
use rialto_market::{Asset, Health, Rejection};

const DOLLAR: Amount = 1_000_000;

fn health(world: &mut World, number: u32) -> Health {
    world.force(|market| market.health(account(number)))
}

/// Gives user 0 a position without a cost, so that equity is its value.
fn hold(world: &mut World, instrument: InstrumentId, position: Position) {
    world.force(|market| {
        market.records().set((account(0), instrument), position)?;
        market.records().update(account(0), |record: &mut rialto_market::layout::Account| {
            record.positions[0] = instrument.0;
        })?;
        Ok(())
    });
}

fn set_terms(world: &mut World, id: InstrumentId, change: impl FnOnce(&mut Instrument)) {
    world.force(|market| {
        market.records().update(id, change)?;
        Ok(())
    });
}

/// Short options by Deribit's and Aevo's standard margin (15 % less what it is out of the money, at least 10 %; maintenance 7.5 %), long
/// ones paid in full, with half the premium, at most 7.5 % of the index, for maintenance (Paradex' cross margin has half, at most 10 %).
/// Spot is 100 in Paradex' and Aevo's examples; here all prices are a thousandfold.
#[test]
fn options() {
    // name, call, strike, mark, lots of 0.001; initial and maintenance margin of one whole option
    let rows = [
        ("short call, 6 % out of the money: max(15 - 6, 10)", true, 106_000, 2_000, -1000, 10_000, 7_500),
        ("short call, 3 % out of the money: max(15 - 3, 10)", true, 103_000, 3_000, -1000, 12_000, 7_500),
        ("short call in the money: 15", true, 94_000, 9_000, -1000, 15_000, 7_500),
        ("short put in the money: 15", false, 106_000, 9_000, -1000, 15_000, 7_500),
        ("short put, 60 % out of the money: 10", false, 40_000, 100, -1000, 10_000, 7_500),
        ("short put worth more than the index: 7.5 % of the mark", false, 220_000, 120_000, -1000, 15_000, 9_000),
        ("long at 10: paid in full, half of it", true, 110_000, 10_000, 1000, 10_000, 5_000),
        ("long at 30: half is more than 7.5 % of the index", true, 80_000, 30_000, 1000, 30_000, 7_500),
        ("long that is worth nothing", true, 500_000, 0, 1000, 0, 0),
        ("two and a half short calls", true, 106_000, 2_000, -2500, 25_000, 18_750),
    ];
    for (name, is_call, strike, mark, lots, initial, maintenance) in rows {
        let mut world = World::new();
        let id = if is_call { CALL } else { PUT };
        set_terms(&mut world, id, |terms| terms.strike_ticks = strike * 10);
        world.force(|market| {
            let mark = mark * 10 * MICRO;
            market.records().set(id, Prices { mark, index: 1_000_000 * MICRO, ..Prices::default() })?;
            Ok(())
        });
        hold(&mut world, id, Position { lots, ..Position::default() });
        let health = health(&mut world, 0);
        let value = i128::from(mark) * i128::from(lots) * DOLLAR / 1000;
        assert_eq!(health.equity, value, "{name}: equity");
        assert_eq!((health.initial, health.maintenance), (initial * DOLLAR, maintenance * DOLLAR), "{name}");
    }
}

/// Tiers by size as tax brackets: 5 % (3 %) for the first two bitcoins, 1 % more for each two beyond; bitcoin at 50,000.
///
/// Binance's and Hyperliquid's tables have such tiers, with the sum that makes them continuous named "maintenance amount" and
/// "maintenance deduction". Five bitcoins: 2 × 5 % + 2 × 6 % + 1 × 7 % of 50,000 = 14,500.
#[test]
fn perpetuals_in_tiers() {
    // name, lots, bid lots, ask lots; initial, maintenance, in dollars
    let rows = [
        ("nothing", 0, 0, 0, 0, 0),
        ("one long", 1000, 0, 0, 2_500, 1_500),
        ("one short", -1000, 0, 0, 2_500, 1_500),
        ("at the edge of the first tier", 2000, 0, 0, 5_000, 3_000),
        ("a lot beyond", 2001, 0, 0, 5_003, 3_002),
        ("five", 5000, 0, 0, 14_500, 9_500),
        ("five short", -5000, 0, 0, 14_500, 9_500),
        ("bids add to a long", 1000, 1000, 0, 5_000, 1_500),
        ("asks reduce a long, or turn it", 1000, 0, 1500, 2_500, 1_500),
        ("asks turn a long into a larger short", 1000, 0, 3000, 5_000, 1_500),
        ("the worse side counts alone", 0, 1000, 2000, 5_000, 0),
    ];
    for (name, lots, bid_lots, ask_lots, initial, maintenance) in rows {
        let mut world = World::new();
        set_terms(&mut world, PERPETUAL, |terms| (terms.tier_lots, terms.tier_step_ppm) = (2000, 10_000));
        hold(&mut world, PERPETUAL, Position { lots, bid_lots, ask_lots, ..Position::default() });
        let health = health(&mut world, 0);
        assert_eq!((health.initial, health.maintenance), (initial * DOLLAR, maintenance * DOLLAR), "{name}");
    }
}

/// Bitcoin at 50,000 with haircuts of 20 % (initial) and 10 % (maintenance), and the same weights for debts.
#[test]
fn collateral_and_debts() {
    let coin = 100_000_000;
    // name, dollars, bitcoin base units; equity, initial, maintenance, in dollars
    let rows = [
        ("dollars count in full", 1_000 * DOLLAR, 0, 1_000, 0, 0),
        ("bitcoin after haircuts", 0, coin, 50_000, 10_000, 5_000),
        ("a debt in dollars has no weight", -20_000 * DOLLAR, coin, 30_000, 10_000, 5_000),
        ("a debt in bitcoin has one", 100_000 * DOLLAR, -coin, 50_000, 10_000, 5_000),
        ("bankrupt", -60_000 * DOLLAR, coin, -10_000, 10_000, 5_000),
    ];
    for (name, quote, base, equity, initial, maintenance) in rows {
        let mut world = World::new();
        world.force(|market| {
            market.add_balance(account(0), QUOTE, quote)?;
            market.add_balance(account(0), BITCOIN, base)
        });
        let health = health(&mut world, 0);
        let dollars = [equity, initial, maintenance].map(|value| value * DOLLAR);
        assert_eq!([health.equity, health.initial, health.maintenance], dollars, "{name}");
    }
}

/// A long and a short at the same price, and what a move, a cost and funding do to them.
#[test]
fn unrealised_and_funding() {
    let mut world = World::new();
    world.deposit(0, QUOTE, 5_000 * DOLLAR);
    world.deposit(1, QUOTE, 5_000 * DOLLAR);
    world.trade(0, 1, PERPETUAL, 1000, 500_000).unwrap();
    // mark in ticks, funding of a lot in dollars; equity of the long and of the short
    let rows = [
        (500_000, 0, 5_000, 5_000),
        (510_000, 0, 6_000, 4_000),
        (440_000, 0, -1_000, 11_000),
        (500_000, 1, 4_000, 6_000),
        (500_000, -2, 7_000, 3_000),
    ];
    for (mark, funding, long, short) in rows {
        world.set_mark(PERPETUAL, mark);
        world.force(|market| {
            // In millionths of a base unit.
            market
                .records()
                .update(PERPETUAL, |prices: &mut Prices| prices.funding_index = funding * DOLLAR * 1_000_000)?;
            Ok(())
        });
        assert_eq!(
            (world.equity(0), world.equity(1)),
            (long * DOLLAR, short * DOLLAR),
            "mark {mark}, funding {funding}"
        );
    }
    // Settling funding and closing at the mark changes no equity.
    world.force(|market| market.settle_funding(account(0), PERPETUAL));
    assert_eq!(world.equity(0), 7_000 * DOLLAR, "settled");
    world.trade(1, 0, PERPETUAL, 1000, 500_000).unwrap();
    let ends = [0, 1].map(|number| world.balance(account(number), QUOTE));
    assert_eq!(ends, [7_000 * DOLLAR, 3_000 * DOLLAR], "closed");
    world.check("closed");
}

/// Whatever is odd, a value is rounded against the account.
#[test]
fn rounding_is_against_the_account() {
    let mut world = World::new();
    set_terms(&mut world, PERPETUAL, |terms| terms.tick_value = 1);
    for (lots, equity) in [(1, 0), (-1, -1), (3, 1), (-3, -2)] {
        hold(&mut world, PERPETUAL, Position { lots, ..Position::default() });
        world.force(|market| {
            market.records().update(PERPETUAL, |prices: &mut Prices| prices.mark = MICRO / 2)?;
            Ok(())
        });
        let health = health(&mut world, 0);
        assert_eq!(health.equity, equity, "{lots} lots at half a base unit");
        assert_eq!((health.initial, health.maintenance), (1, 1), "{lots} lots: margin is rounded up");
    }
}

/// What spot orders may make of an account is part of its initial margin, and what they can't pay for is in the way.
#[test]
fn spot_orders() {
    let coin = 100_000_000;
    // name, dollars, bitcoin, bid lots, ask lots, dollars and bitcoin can be borrowed; initial margin and what is in the way
    let rows = [
        ("a bid that is paid for", 50_000, 0, 1000, 0, false, 10_000, false),
        ("a bid that borrows", 20_000, 0, 1000, 0, true, 10_000, false),
        ("a bid that can't", 20_000, 0, 1000, 0, false, 10_000, true),
        ("an ask that is covered", 0, coin, 0, 1000, false, 10_000, false),
        ("an ask that is covered by half, borrowed", 0, coin / 2, 0, 1000, true, 10_000, false),
        ("an ask that is covered by half", 0, coin / 2, 0, 1000, false, 10_000, true),
        ("both sides: the worse", 50_000, coin, 1000, 1000, false, 20_000, false),
    ];
    for (name, quote, base, bid_lots, ask_lots, can_borrow, initial, is_stopped) in rows {
        let mut world = World::new();
        world.force(|market| {
            market.add_balance(account(0), QUOTE, quote * DOLLAR)?;
            market.add_balance(account(0), BITCOIN, base)?;
            for asset in [QUOTE, BITCOIN].into_iter().filter(|_| !can_borrow) {
                market.set_asset(asset, |asset| asset.borrow_cap = 0)?;
            }
            Ok(())
        });
        hold(&mut world, SPOT, Position { bid_lots, ask_lots, ..Position::default() });
        let health = health(&mut world, 0);
        assert_eq!(
            (health.initial, health.maintenance),
            (initial * DOLLAR, base / coin * 5_000 * DOLLAR + base % coin * 50),
            "{name}"
        );
        assert_eq!(health.obstacle.is_some(), is_stopped, "{name}: {:?}", health.obstacle);
    }
}

/// The largest numbers that records may hold give a health, and one that is not in the account's favour.
#[test]
fn health_is_total() {
    let mut world = World::new();
    world.force(|market| {
        market.records().set(
            PERPETUAL,
            Instrument {
                tick_value: u64::MAX,
                initial_ppm: u32::MAX,
                tier_lots: 1,
                tier_step_ppm: u32::MAX,
                ..ledger::instrument(PERPETUAL, rialto_market::layout::InstrumentKind::Perpetual)
            },
        )?;
        market.records().set(
            PERPETUAL,
            Prices { mark: u64::MAX, index: u64::MAX, funding_index: i128::MAX, ..Prices::default() },
        )?;
        market.records().update(BITCOIN, |state: &mut rialto_market::AssetState| {
            (state.price, state.supply_index, state.borrow_index) = (u128::MAX, u128::MAX, u128::MAX)
        })?;
        market.records().update(BITCOIN, |asset: &mut Asset| asset.haircut_ppm = u32::MAX)?;
        Ok(())
    });
    for (lots, amount) in [(i64::MAX, i128::MAX), (i64::MIN, i128::MIN), (1, -1), (0, 0)] {
        let cost = i128::MIN;
        hold(
            &mut world,
            PERPETUAL,
            Position { lots, cost, bid_lots: u64::MAX, ask_lots: u64::MAX, funding_index: i128::MIN },
        );
        world.force(|market| {
            let balance = rialto_market::layout::Balance { amount, index: 1 };
            market.records().set((account(0), BITCOIN), balance)?;
            market
                .records()
                .update(account(0), |record: &mut rialto_market::layout::Account| record.assets[0] = BITCOIN.0)?;
            Ok(())
        });
        let health = health(&mut world, 0);
        assert!(health.initial > 0, "{lots} lots, {amount} units: {health:?}");
    }
}

/// Each asset and instrument without a price stops what needs initial margin, if the account owes it or holds it.
#[test]
fn what_has_no_price_is_in_the_way() {
    let mut world = World::new();
    world.deposit(0, QUOTE, 100_000 * DOLLAR);
    world.force(|market| market.add_balance(account(0), BITCOIN, -1));
    world.force(|market| market.require_initial(account(0)));
    world.force(|market| market.set_asset_price(BITCOIN, 0, 8, 1));
    let refused = world.run(user(0), |market| market.require_initial(account(0)));
    assert!(matches!(refused, Err(Rejection::Forbidden { .. })), "{refused:?}");
    let mut world = World::new();
    world.deposit(0, QUOTE, 100_000 * DOLLAR);
    world.trade(0, 1, PERPETUAL, 1, 500_000).unwrap();
    world.force(|market| market.require_initial(account(0)));
    world.set_mark(PERPETUAL, 0);
    let refused = world.run(user(0), |market| market.require_initial(account(0)));
    assert!(matches!(refused, Err(Rejection::Forbidden { .. })), "{refused:?}");
}
