//! Interest against numbers that are worked out by hand.

mod ledger;

use ledger::{BITCOIN, World, account, bitcoin};
use rialto_market::AssetState;
use rialto_market::layout::INSURANCE;

const ONE: u128 = 1_000_000_000_000_000_000;
const YEAR_SECONDS: u64 = 31_536_000;

/// Aave's curve (docs.aave.com, "Borrow interest rate") with an optimal utilisation of 90 %, slopes of 4 % and 60 %, no base rate.
#[test]
fn curve() {
    // name, held, owed; yearly rate in millionths
    let rows = [
        ("nothing is owed", 1_000, 0, 0),
        ("45 %: half-way to the kink", 1_000, 450, 20_000),
        ("at the kink", 1_000, 900, 40_000),
        ("95 %: half-way beyond", 1_000, 950, 340_000),
        ("all", 1_000, 1_000, 640_000),
        ("more is owed than held", 1_000, 5_000, 640_000),
        ("nothing is held", 0, 1, 640_000),
    ];
    for (name, supply_scaled, borrow_scaled, rate_ppm) in rows {
        let state =
            AssetState { supply_index: ONE, borrow_index: ONE, supply_scaled, borrow_scaled, ..AssetState::default() };
        assert_eq!(state.borrow_rate(&bitcoin()), rate_ppm * ONE / 1_000_000, "{name}");
        // Suppliers earn what is paid on what is owed, less the reserve's tenth.
        let utilisation = (borrow_scaled.min(supply_scaled) * 1_000).checked_div(supply_scaled).unwrap_or(1_000);
        assert_eq!(
            state.supply_rate(&bitcoin()),
            rate_ppm * utilisation * 9 / 10_000 * (ONE / 1_000_000),
            "{name}: supply"
        );
    }
}

/// A year at 4 %, at once, and in a thousand steps: continuous compounding, e^0.04 = 1.04081077.
#[test]
fn a_year() {
    for steps in [1, 10, 1_000] {
        let mut world = World::new();
        world.deposit(0, BITCOIN, 1_000_000_000_000);
        world.force(|market| {
            market.set_asset(BITCOIN, |asset| {
                (asset.base_rate_ppm, asset.slope_ppm, asset.steep_slope_ppm, asset.reserve_ppm) = (40_000, 0, 0, 0);
            })
        });
        world.force(|market| market.move_balance(account(1), account(2), BITCOIN, 8_000_000_000_000));
        for _ in 0..steps {
            world.now_seconds += YEAR_SECONDS / steps;
            world.force(|market| market.accrue_all());
        }
        let grown = -world.balance(account(1), BITCOIN);
        let expected = 8_326_486_193_540_i128;
        assert!((grown - expected).abs() < 1_000_000, "{steps} steps: {grown}, expected about {expected}");
        let held = world.balance(account(0), BITCOIN) + world.balance(account(2), BITCOIN);
        let kept = grown - 8_000_000_000_000 - (held - 9_000_000_000_000);
        assert!((0..=3).contains(&kept), "{steps} steps: debtors paid {kept} more than suppliers got");
        world.check("after a year");
    }
}

/// The reserve's tenth of the interest goes to the insurance fund, once.
#[test]
fn reserve() {
    let mut world = World::new();
    world.deposit(0, BITCOIN, 1_000_000_000_000);
    world.force(|market| market.move_balance(account(1), account(2), BITCOIN, 500_000_000_000));
    world.now_seconds += YEAR_SECONDS;
    let charged = -world.balance(account(1), BITCOIN) - 500_000_000_000;
    let collected = world.force(|market| market.collect_reserve(BITCOIN));
    assert!((collected * 10 - charged).abs() <= 20, "collected {collected} of {charged}");
    assert_eq!(world.balance(INSURANCE, BITCOIN), collected);
    assert_eq!(world.force(|market| market.collect_reserve(BITCOIN)), 0, "once");
    world.check("collected");
}
