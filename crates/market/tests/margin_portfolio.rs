//! Portfolio margin of accounts: what is in a grid, what is not, and that the requirement is the grid's.

mod ledger;

use ledger::{BITCOIN, CALL, PERPETUAL, PUT, World, account, user};
use rialto_market::layout::{Account, Instrument, MarginMode, Prices, QUOTE};
use rialto_market::portfolio::{
    GridParameters, PortfolioPosition, PositionKind, UnderlyingPositions, underlying_margin,
};
use rialto_market::types::{Amount, FeedId, MICRO};
use rialto_market::{Asset, Health, Rejection};

const DOLLAR: Amount = 1_000_000;
const COIN: Amount = 100_000_000;
const DAY: u64 = 86_400;

/// The world with one feed for bitcoin and what follows it, options of 30 days at a volatility of 60 %; user 0 in portfolio margin.
fn world() -> World {
    let mut world = World::new();
    let now = world.now_seconds;
    world.force(|market| {
        market.set_asset(BITCOIN, |asset: &mut Asset| asset.feed = FeedId(1))?;
        market.records().update(PERPETUAL, |terms: &mut Instrument| terms.feed = FeedId(1))?;
        for id in [CALL, PUT] {
            market.records().update(id, |terms: &mut Instrument| {
                (terms.feed, terms.underlying, terms.expiry_seconds) = (FeedId(2), PERPETUAL, now + 30 * DAY);
            })?;
            market.records().update(id, |prices: &mut Prices| {
                (prices.volatility_ppm, prices.updated_seconds) = (600_000, now);
            })?;
        }
        market.records().update(account(0), |record: &mut Account| record.mode = MarginMode::Portfolio)?;
        Ok(())
    });
    world
}

fn health(world: &mut World) -> Health {
    world.force(|market| market.health(account(0)))
}

fn linear(lots: i64, tick_value: u64, price: u64) -> PortfolioPosition {
    PortfolioPosition { kind: PositionKind::Linear, lots, tick_value, index: price, mark: price }
}

fn option(lots: i64, is_call: bool) -> PortfolioPosition {
    let kind = PositionKind::Option { strike: 550_000 * MICRO, is_call, volatility_ppm: 600_000, seconds: 30 * DAY };
    PortfolioPosition { kind, lots, tick_value: 100, index: 500_000 * MICRO, mark: 20_000 * MICRO }
}

fn grid(positions: &[PortfolioPosition]) -> (Amount, Amount) {
    let margin = underlying_margin(&UnderlyingPositions { parameters: &GridParameters::DEFAULT, positions });
    (margin.initial, margin.maintenance)
}

/// A perpetual alone loses the end of the range, 16 % of 50,000, and initial margin is a quarter more; what hedges it leaves the basis'
/// one percent of 50,000.
#[test]
fn a_hedge_needs_little() {
    // name, bitcoins held, perpetual lots; maintenance in dollars
    let rows = [
        ("a perpetual", 0, 1000_i64, 8_000),
        ("bitcoin and a short perpetual", COIN, -1000, 500),
        ("bitcoin that is owed and a long perpetual", -COIN, 1000, 500),
        ("bitcoin alone has its haircut of a tenth", COIN, 0, 5_000),
        ("half of it is hedged", 2 * COIN, -1000, 8_500),
    ];
    for (name, coins, lots, maintenance) in rows {
        let mut world = world();
        world.deposit(1, QUOTE, 1_000_000 * DOLLAR);
        world.force(|market| market.add_balance(account(0), BITCOIN, coins));
        match lots {
            0 => {}
            1.. => world.trade(0, 1, PERPETUAL, lots as u64, 500_000).unwrap(),
            _ => world.trade(1, 0, PERPETUAL, lots.unsigned_abs(), 500_000).unwrap(),
        }
        let health = health(&mut world);
        assert_eq!(health.maintenance, maintenance * DOLLAR, "{name}");
        let initial = if lots == 0 { 10_000 } else { maintenance * 5 / 4 };
        assert_eq!(health.initial, initial * DOLLAR, "{name}");
        assert_eq!(health.equity, coins * 500 * DOLLAR / (COIN / 100), "{name}");
    }
}

/// Where standard margin asks for more than the grid's range, the range is that wide: of 50,000, whichever item says so.
#[test]
fn a_wild_underlying_has_a_wider_grid() {
    type Change = fn(&mut Instrument, &mut Asset);
    let rows: [(&str, Change, Amount); 5] = [
        ("a maintenance rate of a quarter", |terms, _| terms.maintenance_ppm = 250_000, 12_500),
        (
            "the third tier: 14 + 2 × 3 %",
            |terms, _| (terms.maintenance_ppm, terms.tier_lots, terms.tier_step_ppm) = (140_000, 500, 30_000),
            10_000,
        ),
        (
            "a haircut of a half of the tenth of a bitcoin that is held",
            |_, asset| (asset.haircut_ppm, asset.initial_haircut_ppm) = (500_000, 500_000),
            27_500,
        ),
        ("no more than all", |terms, _| terms.maintenance_ppm = u32::MAX, 50_000),
        ("less than the range", |terms, _| terms.maintenance_ppm = 100_000, 8_000),
    ];
    for (name, change, maintenance) in rows {
        let mut world = world();
        world.deposit(1, QUOTE, 1_000_000 * DOLLAR);
        world.trade(0, 1, PERPETUAL, 1000, 500_000).unwrap();
        world.force(|market| {
            let mut terms = market.records().get::<Instrument>(PERPETUAL)?;
            market.set_asset(BITCOIN, |asset| change(&mut terms, asset))?;
            market.records().set(PERPETUAL, terms)?;
            Ok(())
        });
        if maintenance == 27_500 {
            world.deposit(0, BITCOIN, COIN / 10);
        }
        assert_eq!(health(&mut world).maintenance, maintenance * DOLLAR, "{name}");
    }
}

/// Positions and balances of one feed are one grid; it is what [`underlying_margin`] says of them.
#[test]
fn one_underlying_is_one_grid() {
    let mut world = world();
    world.deposit(0, QUOTE, 100_000 * DOLLAR);
    world.deposit(0, BITCOIN, COIN);
    world.trade(0, 1, CALL, 700, 20_000).unwrap();
    world.trade(1, 0, PUT, 300, 20_000).unwrap();
    world.trade(1, 0, PERPETUAL, 900, 500_000).unwrap();
    let together = [
        option(700, true),
        option(-300, false),
        linear(-900, 100, 500_000 * MICRO),
        linear((50_000 * DOLLAR) as i64, 1, MICRO),
    ];
    let whole = health(&mut world);
    assert_eq!((whole.initial, whole.maintenance), grid(&together));
    assert!(whole.maintenance > 0);
    // Another feed is another grid.
    world.force(|market| {
        market.records().update(PERPETUAL, |terms: &mut Instrument| terms.feed = FeedId(7))?;
        market.records().update(CALL, |terms: &mut Instrument| terms.underlying = ledger::SPOT)?;
        market.records().update(ledger::SPOT, |terms: &mut Instrument| terms.feed = FeedId(8))?;
        Ok(())
    });
    let (call, rest) = (grid(&together[..1]), grid(&together[1..3]));
    let apart = health(&mut world);
    // Bitcoin has no derivative any more: a haircut of a tenth, and of a fifth for initial margin.
    assert_eq!(apart.maintenance, call.1 + rest.1 + 5_000 * DOLLAR);
    assert_eq!(apart.initial, call.0 + rest.0 + 10_000 * DOLLAR);
}

/// Open orders add what they would in standard margin; they need no maintenance.
#[test]
fn orders_add_to_the_initial_requirement() {
    let mut world = world();
    world.deposit(0, QUOTE, 100_000 * DOLLAR);
    world.trade(0, 1, PERPETUAL, 1000, 500_000).unwrap();
    let before = health(&mut world);
    world.force(|market| market.reserve_order(account(0), PERPETUAL, rialto_market::types::Side::Buy, 1000));
    let after = health(&mut world);
    assert_eq!((after.initial - before.initial, after.maintenance), (2_500 * DOLLAR, before.maintenance));
}

/// An account may change its way of margin if it has the initial margin of the new one.
#[test]
fn switching() {
    let mut world = world();
    let to = |mode: u8| move |market: &mut rialto_market::Market<'_, 'static>| market.set_margin_mode(account(0), mode);
    world.deposit(0, QUOTE, 600 * DOLLAR);
    world.deposit(1, QUOTE, 1_000_000 * DOLLAR);
    world.deposit(0, BITCOIN, COIN / 100);
    world.trade(1, 0, PERPETUAL, 10, 500_000).unwrap();
    // Hedged: 1 % of 500, times 5/4, in the grid; 5 % of 500 and a fifth of 500 in standard margin.
    assert_eq!(health(&mut world).initial, 6_250_000);
    world.run(user(0), to(0)).unwrap();
    assert_eq!(health(&mut world).initial, 125 * DOLLAR);
    world.run(user(0), to(1)).unwrap();
    world.force(|market| market.add_balance(account(0), QUOTE, -1_000 * DOLLAR));
    assert!(matches!(world.run(user(0), to(0)), Err(Rejection::MarginTooLow { .. })));
    assert!(matches!(world.run(user(0), to(2)), Err(Rejection::OutOfRange { what: "mode", .. })));
    assert_eq!(world.run(user(1), to(0)), Err(Rejection::NotAllowed));
}
