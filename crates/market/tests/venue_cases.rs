//! Numbers that venues work out in their public documents come out here too: margin, liquidation prices and settlement.
//!
//! Each table names its source. Amounts are dollars of 10^6 base units; in the ledger a lot is 0.001 of the underlying and a tick 0.1
//! dollars.

mod ledger;
mod prices;

use ledger::{CALL, PERPETUAL, World, account};
use prices::{ETHER_FEED, FIRST_OPTION};
use rialto_market::expiry::{payoff, payout};
use rialto_market::layout::{Account, Instrument, Position, Prices, QUOTE};
use rialto_market::types::{Amount, InstrumentId, MICRO, PPM};

const DOLLAR: Amount = 1_000_000;

fn set_terms(world: &mut World, id: InstrumentId, change: impl FnOnce(&mut Instrument)) {
    world.force(|market| {
        market.records().update(id, change)?;
        Ok(())
    });
}

/// Deribit, "Linear Perpetual" (support.deribit.com/hc/en-us/articles/25944738177565): initial margin is 2 % and 0.005 % more for each
/// bitcoin (SOL: 4 % and 0.0005 %), maintenance 1 % (2 %) and as much more, of the whole position.
///
/// A rate that grows with the size is a stair of brackets whose step is twice as steep, less the half step that each position is short
/// of the slope in its last bracket: the margin of ten lots less than a step, which is in the assertion.
#[test]
fn deribit_margin_that_grows_with_size() {
    // name, price, whole contracts, rates of the first tier and of each contract in millionths; initial, maintenance
    let rows = [
        ("25 bitcoins: 2.125 % and 1.125 %", 100_000, 25, (20_000, 10_000), 50, 53_125, 28_125),
        ("350 bitcoins: 3.75 % and 2.75 %", 100_000, 350, (20_000, 10_000), 50, 1_312_500, 962_500),
        ("25 SOL: 4.0125 % and 2.0125 %", 200, 25, (40_000, 20_000), 5, 200_625, 100_625),
        ("6000 SOL: 7 % and 5 %", 200, 6_000, (40_000, 20_000), 5, 84_000, 60_000),
    ];
    for (name, price, contracts, (initial_ppm, maintenance_ppm), per_contract_ppm, initial, maintenance) in rows {
        // The document's small SOL position is in thousandths of a dollar.
        let unit = if contracts == 25 && price == 200 { DOLLAR / 1000 } else { DOLLAR };
        let mut world = World::new();
        // A bracket of as many lots that its step of twice the slope is one millionth.
        let tier_lots = 1_000 / (2 * per_contract_ppm);
        set_terms(&mut world, PERPETUAL, |terms| {
            (terms.initial_ppm, terms.maintenance_ppm) = (initial_ppm, maintenance_ppm);
            (terms.tier_lots, terms.tier_step_ppm) = (tier_lots, 1);
        });
        world.set_mark(PERPETUAL, price * 10);
        world.force(|market| {
            let position = Position { lots: contracts * 1_000, ..Position::default() };
            market.records().set((account(0), PERPETUAL), position)?;
            market.records().update(account(0), |record: &mut Account| record.positions[0] = PERPETUAL.0)?;
            Ok(())
        });
        let health = world.force(|market| market.health(account(0)));
        let half_step = Amount::from(contracts) * Amount::from(price) * DOLLAR / 2 / Amount::from(PPM);
        for (found, expected) in [(health.initial, initial), (health.maintenance, maintenance)] {
            assert_eq!(found, expected * unit - half_step, "{name}");
        }
    }
}

/// The first mark, in ticks, at which user 0 is below maintenance, going up or down from the entry.
fn liquidation_ticks(world: &mut World, entry: u64, goes_up: bool) -> u64 {
    let (mut healthy, mut short) = if goes_up { (entry, entry * 8) } else { (entry, 0) };
    while healthy.abs_diff(short) > 1 {
        let middle = healthy.midpoint(short);
        world.set_mark(PERPETUAL, middle);
        let health = world.force(|market| market.health(account(0)));
        if health.is_short() { short = middle } else { healthy = middle }
    }
    short
}

/// dYdX, "Liquidations" (docs of the v4 software, concepts/trading/liquidations): the isolated liquidation price is
/// (e − s·p) ÷ (|s|·MMF − s). With 1,000 dollars, 3 ETH short at 3,000 and 5 %: 10,000 ÷ 3.15 = 3,174.6; and the long by the same formula.
///
/// Hyperliquid, "Liquidations" (hyperliquid.gitbook.io/hyperliquid-docs/trading/liquidations): price − side·margin available ÷ size ÷
/// (1 − l·side), with l the maintenance rate, which is half of the initial one at the highest leverage (1 % at 50x, 16.7 % at 3x).
#[test]
fn liquidation_prices() {
    // name, dollars, lots, entry in ticks, maintenance rate in millionths; first mark below maintenance, in ticks
    let rows: [(&str, i128, i64, u32, u32, u64); 7] = [
        ("dYdX: short 3 at 3,000 with 1,000: 3,174.603", 1_000, -3_000, 30_000, 50_000, 31_747),
        ("dYdX: long 3 at 3,000 with 1,000: 2,807.018", 1_000, 3_000, 30_000, 50_000, 28_070),
        ("Hyperliquid 50x, 1 %: 1000 − (20 − 10)/0.99 = 989.899", 20, 1_000, 10_000, 10_000, 9_898),
        ("Hyperliquid 50x, short: 1000 + (20 − 10)/1.01 = 1,009.901", 20, -1_000, 10_000, 10_000, 10_100),
        ("Hyperliquid 20x, 2.5 %: 1000 − (50 − 25)/0.975 = 974.359", 50, 1_000, 10_000, 25_000, 9_743),
        ("Hyperliquid 3x, 16.67 %: 1000 − (333 − 166.667)/0.833333 = 800.400", 333, 1_000, 10_000, 166_667, 8_004),
        ("Hyperliquid 3x, short: 1000 + (333 − 166.667)/1.166667 = 1,142.571", 333, -1_000, 10_000, 166_667, 11_426),
    ];
    for (name, dollars, lots, entry, maintenance_ppm, expected) in rows {
        let mut world = World::new();
        set_terms(&mut world, PERPETUAL, |terms| terms.maintenance_ppm = maintenance_ppm);
        world.deposit(0, QUOTE, dollars * DOLLAR);
        world.deposit(1, QUOTE, 1_000_000 * DOLLAR);
        world.set_mark(PERPETUAL, entry.into());
        let (buyer, seller) = if lots > 0 { (0, 1) } else { (1, 0) };
        world.trade(buyer, seller, PERPETUAL, lots.unsigned_abs(), entry).expect("a fill");
        assert_eq!(liquidation_ticks(&mut world, entry.into(), lots < 0), expected, "{name}");
    }
}

/// Deribit, "Linear USDC Options" (support.deribit.com/hc/en-us/articles/25944750999581): a SOL call at 250, bought for 10, with a
/// multiplier of 10: at a delivery price of 275 the account is credited with 250 USDC, a profit of 150, and the seller debited.
#[test]
fn deribit_option_settlement() {
    // Ten lots of one SOL, a tick of a cent.
    let terms = Instrument { strike_ticks: 25_000, is_call: true, tick_value: 10_000, ..Instrument::default() };
    let put = Instrument { is_call: false, ..terms };
    // name, option, delivery price in dollars; paid to the buyer of ten in dollars
    let rows = [
        ("the example", &terms, 275, 250),
        ("at the strike", &terms, 250, 0),
        ("below it: worthless", &terms, 240, 0),
        ("a put at the same prices", &put, 275, 0),
        ("a put, 10 below the strike", &put, 240, 100),
    ];
    for (name, option, delivery, expected) in rows {
        let price = payoff(option, delivery * 100 * MICRO);
        assert_eq!(payout(10, price, option.tick_value), expected * DOLLAR, "{name}: credited");
        assert_eq!(payout(-10, price, option.tick_value), -expected * DOLLAR, "{name}: debited");
        let premium = 10 * 10 * DOLLAR;
        assert_eq!(payout(10, price, option.tick_value) - premium, (expected - 100) * DOLLAR, "{name}: profit");
    }
}

/// Derive, "Expiration & Settlement" (help.derive.xyz/en/articles/8691491): with an average of 1,950 over the first ten minutes and 1,975 for
/// the other twenty, (10/30)·1,950 + (20/30)·1,975 = 1,966.67.
#[test]
fn derive_settlement_average() {
    let put = InstrumentId(FIRST_OPTION + 3);
    let mut world = prices::World::dev(1, 1);
    let terms = world.get::<Instrument>(put);
    // A price far from the last one counts once it is confirmed.
    world.now_seconds = terms.expiry_seconds - 2_100;
    for _ in 0..4 {
        world.price_after(60, &[(ETHER_FEED, 1_950 * 100_000_000)]);
    }
    world.now_seconds = terms.expiry_seconds - 1_800;
    for dollars in [1_950, 1_975, 1_975, 1_975] {
        world.price_after(0, &[(ETHER_FEED, dollars * 100_000_000)]);
        world.now_seconds += 600;
    }
    // In micro-ticks of a tenth of a dollar, to the nearest.
    let settled = world.get::<Prices>(put);
    assert_eq!(settled.index, 19_666_666_667);
    assert_eq!(settled.mark, 30_000 * MICRO - 19_666_666_667, "a put at 3,000");
}

/// What a settled call leaves its holder in the ledger: the premium is spent at once, the payoff counts as equity.
#[test]
fn a_call_from_premium_to_payoff() {
    let mut world = World::new();
    world.deposit(0, QUOTE, 1_000 * DOLLAR);
    world.deposit(1, QUOTE, 100_000 * DOLLAR);
    // Ten contracts of 0.001 at a premium of 10 dollars a contract of one.
    world.trade(0, 1, CALL, 10_000, 100).expect("a fill");
    let rows = [("worthless", 0, 900), ("at the premium", 100, 1_000), ("the example, 25", 250, 1_150)];
    for (name, mark, equity) in rows {
        world.set_mark(CALL, mark);
        assert_eq!(world.equity(0), equity * DOLLAR, "{name}");
    }
}
