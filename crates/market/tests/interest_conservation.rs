//! Money is conserved to the last unit, and nobody gains by rounding.
//!
//! Random sequences of deposits, transfers into and out of debt, fills of all kinds at random prices, funding and interest over random
//! times. After each step the identity of the ledger holds for each asset, the interest pool and the funding pools can pay what they
//! owe, and totals and lists are what the records say (see [`ledger::World::check`]).

mod ledger;

use ledger::{BITCOIN, CALL, PERPETUAL, PUT, SPOT, USERS, World, account};
use proptest::prelude::*;
use rialto_market::layout::{Prices, QUOTE, TREASURY};
use rialto_market::types::{AssetId, InstrumentId, Side};

#[derive(Clone, Debug)]
enum Step {
    Deposit { user: u32, asset: AssetId, amount: i128 },
    Move { from: u32, to: u32, asset: AssetId, amount: i128 },
    Fill { buyer: u32, seller: u32, instrument: InstrumentId, lots: u64, ticks: u32, fees: (i128, i128) },
    TakeOver { from: u32, to: u32, share_ppm: u32, value: i128 },
    Fund { instrument: InstrumentId, growth: i128 },
    SettleFunding { user: u32, instrument: InstrumentId },
    Wait { seconds: u64 },
    Touch { user: u32, asset: AssetId },
    Collect { asset: AssetId },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let users = || 0..USERS;
    let asset = || prop_oneof![Just(QUOTE), Just(BITCOIN)];
    let derivative = || prop_oneof![Just(PERPETUAL), Just(CALL), Just(PUT)];
    let any = || prop_oneof![3 => derivative(), 1 => Just(SPOT)];
    // Amounts of all sizes, so that roundings are not lost among large numbers.
    let amount = || (0_u32..70, any_u64()).prop_map(|(bits, random)| i128::from(random) & ((1 << bits) - 1));
    let fees = || (0_i128..1_000, -500_i128..500);
    let step = prop_oneof![
        2 => (users(), asset(), amount()).prop_map(|(user, asset, amount)| Step::Deposit { user, asset, amount }),
        2 => (users(), users(), asset(), amount()).prop_map(|(from, to, asset, amount)| Step::Move { from, to, asset, amount }),
        5 => (users(), users(), any(), 1_u64..1_000, 1_u32..2_000_000, fees()).prop_map(
            |(buyer, seller, instrument, lots, ticks, fees)| Step::Fill { buyer, seller, instrument, lots, ticks, fees }
        ),
        1 => (users(), users(), 1_u32..=1_000_000, -1_000_000_007_i128..1_000_000_007)
            .prop_map(|(from, to, share_ppm, value)| Step::TakeOver { from, to, share_ppm, value }),
        2 => (derivative(), -1_000_000_000_i128..1_000_000_000).prop_map(|(instrument, growth)| Step::Fund { instrument, growth }),
        1 => (users(), derivative()).prop_map(|(user, instrument)| Step::SettleFunding { user, instrument }),
        3 => (0_u64..40_000_000).prop_map(|seconds| Step::Wait { seconds }),
        2 => (0_u64..20).prop_map(|seconds| Step::Wait { seconds }),
        2 => (users(), asset()).prop_map(|(user, asset)| Step::Touch { user, asset }),
        1 => asset().prop_map(|asset| Step::Collect { asset }),
    ];
    prop::collection::vec(step, 1..60)
}

fn any_u64() -> impl Strategy<Value = u64> {
    any::<u64>()
}

impl Step {
    fn run(&self, world: &mut World) {
        match *self {
            Self::Deposit { user, asset, amount } => world.deposit(user, asset, amount),
            Self::Move { from, to, asset, amount } => {
                world.force(|market| market.move_balance(account(from), account(to), asset, amount));
            }
            Self::Fill { buyer, seller, instrument, lots, ticks, fees } => {
                world.force(|market| {
                    market.apply_fill(account(seller), instrument, Side::Sell, lots, ticks, fees.1)?;
                    market.apply_fill(account(buyer), instrument, Side::Buy, lots, ticks, fees.0)
                });
            }
            // At any value, which need not be a whole price.
            Self::TakeOver { from, to, share_ppm, value } => {
                world.force(|market| {
                    let lots = market.position(account(from), PERPETUAL)?.lots;
                    let moved = (i128::from(lots) * i128::from(share_ppm) / 1_000_000) as i64;
                    if moved != 0 {
                        market.change_position(account(from), PERPETUAL, -moved, -value)?;
                        market.change_position(account(to), PERPETUAL, moved, value)?;
                    }
                    Ok(())
                });
            }
            Self::Fund { instrument, growth } => world.force(|market| {
                market.records().update(instrument, |prices: &mut Prices| prices.funding_index += growth)?;
                Ok(())
            }),
            Self::SettleFunding { user, instrument } => {
                world.force(|market| market.settle_funding(account(user), instrument));
            }
            Self::Wait { seconds } => world.now_seconds += seconds,
            Self::Touch { user, asset } => {
                world.force(|market| market.add_balance(account(user), asset, 0));
            }
            Self::Collect { asset } => {
                world.force(|market| market.collect_reserve(asset));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn conserved_to_the_last_unit(steps in steps()) {
        let mut world = World::new();
        world.check("at first");
        for (at, step) in steps.iter().enumerate() {
            step.run(&mut world);
            world.check(&format!("step {at}, {step:?}"));
        }
    }

    /// Settling often is never better for the account than settling once: not for who holds, not for who owes.
    #[test]
    fn touching_a_balance_never_gains(
        held in 1_i128..1 << 70,
        used_ppm in 1_i128..2_000_000,
        times in prop::collection::vec(1_u64..1_000_000, 1..20),
    ) {
        let owed = (held * used_ppm / 1_000_000).max(1);
        let mut ends = [[0; 2]; 2];
        for (end, is_touching) in ends.iter_mut().zip([false, true]) {
            let mut world = World::new();
            world.deposit(0, BITCOIN, held);
            world.force(|market| market.move_balance(account(1), account(2), BITCOIN, owed));
            for seconds in &times {
                world.now_seconds += seconds;
                // Interest accrues at the same moments in both.
                world.force(|market| market.accrue_all());
                for user in [0, 1].into_iter().filter(|_| is_touching) {
                    world.force(|market| market.add_balance(account(user), BITCOIN, 0));
                }
            }
            *end = [0, 1].map(|user| world.balance(account(user), BITCOIN));
            world.check("at the end");
        }
        let [once, often] = ends;
        prop_assert!(often[0] <= once[0] && often[0] >= held, "held: often {} once {} at first {held}", often[0], once[0]);
        prop_assert!(often[1] <= once[1] && once[1] <= -owed, "owed: often {} once {} at first {owed}", often[1], once[1]);
    }

    /// Whoever opens a position in pieces and closes it in others at the same price has what there was before, whatever was in between.
    #[test]
    fn a_round_trip_gains_nothing(
        pieces in prop::collection::vec(1_u64..500, 1..12),
        cuts in prop::collection::vec(1_u64..500, 1..12),
        prices in prop::collection::vec(1_u32..1_000_000, 12),
        is_long: bool,
    ) {
        let mut world = World::new();
        let (long, short) = if is_long { (0, 1) } else { (1, 0) };
        let mut paid = 0_i128;
        for (lots, ticks) in pieces.iter().zip(&prices) {
            world.trade(long, short, PERPETUAL, *lots, *ticks).unwrap();
            paid += i128::from(*lots) * i128::from(*ticks) * 100;
        }
        let mut left: u64 = pieces.iter().sum();
        for lots in cuts.iter().copied().chain([u64::MAX]) {
            let lots = lots.min(left);
            if lots != 0 {
                world.trade(short, long, PERPETUAL, lots, 77_777).unwrap();
                left -= lots;
            }
        }
        let fetched = i128::from(pieces.iter().sum::<u64>()) * 77_777 * 100;
        prop_assert_eq!(world.balance(account(long), QUOTE), fetched - paid);
        prop_assert_eq!(world.balance(account(short), QUOTE), paid - fetched);
        prop_assert_eq!(world.balance(TREASURY, QUOTE), 0);
        world.check("closed");
    }
}
