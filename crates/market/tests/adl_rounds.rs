//! Automatic deleveraging: never more than the bad debt, and its regret beside the queue's on a replayed crash.

use alloy_sol_types::SolEvent;
use proptest::prelude::*;
use rialto_market::abi::IMarket;
use rialto_market::deleverage::{Regret, Winner, pro_rata, queue, regret};
use rialto_market::layout::{AccountStatus, QUOTE};
use rialto_market::testing::{LeveragedMarket, Scenario, UNIT};
use rialto_market::types::{Amount, InstrumentId};

proptest! {
    #[test]
    fn the_proportional_rule_has_no_regret(
        debt in 0..1_000_000_000_000_i128,
        profits in prop::collection::vec(-1_000_000_000_i128..1_000_000_000_000, 0..40),
    ) {
        let cuts = pro_rata(debt, &profits);
        let gains: Amount = profits.iter().map(|profit| (*profit).max(0)).sum();
        prop_assert_eq!(cuts.iter().sum::<Amount>(), debt.min(gains));
        for (cut, profit) in cuts.iter().zip(&profits) {
            prop_assert!(*cut >= 0 && *cut <= (*profit).max(0), "{} of {}", cut, profit);
            // Within a unit of the exact share.
            if gains > 0 {
                let exact = debt.min(gains) * (*profit).max(0) / gains;
                prop_assert!((cut - exact).abs() <= 1);
            }
        }
        prop_assert_eq!(regret(debt, &profits, &cuts), Regret::default());
    }

    #[test]
    fn the_queue_takes_at_least_as_much(
        debt in 0..1_000_000_000_i128,
        rows in prop::collection::vec((0..1_000_000_000_i128, 1..2_000_000_000_i128, 1..1_000_000_000_i128), 1..30),
    ) {
        let winners: Vec<_> = rows.iter().map(|(profit, notional, equity)| Winner {
            profit: *profit, notional: profit + notional, equity: profit + equity,
        }).collect();
        let profits: Vec<_> = winners.iter().map(|winner| winner.profit).collect();
        let of_queue = regret(debt, &profits, &queue(debt, &winners));
        prop_assert_eq!(of_queue.shortfall, 0);
        prop_assert!(of_queue.total() >= regret(debt, &profits, &pro_rata(debt, &profits)).total());
    }
}

/// Losses that accounts can't bear, in one instrument's longs, and the shorts that gain.
fn round(scenario: &mut Scenario, instrument: InstrumentId) -> (Amount, Vec<Winner>) {
    let (mut debt, mut winners) = (0, Vec::new());
    for account in scenario.accounts().collect::<Vec<_>>() {
        let lots = scenario.position(account, instrument).lots;
        if lots > 0 {
            debt += (-scenario.health(account).equity).max(0);
        } else if lots < 0 {
            let (profit, equity) = (scenario.profit(account, instrument), scenario.health(account).equity);
            let mark =
                scenario.force(|market| Ok(market.records().get::<rialto_market::layout::Prices>(instrument)?.mark));
            let notional = Amount::from(-lots) * Amount::from(mark) * 1_000 / 1_000_000;
            winners.push(Winner { profit, notional, equity });
        }
    }
    (debt, winners)
}

#[test]
fn regret_on_a_replayed_crash() {
    // A crash in waves, as on 10 October 2025: most of it within minutes, with pauses. No liquidity in the book, no pools: all losses are
    // borne by winners, which is where the rules differ.
    let market = LeveragedMarket {
        accounts: 1_000,
        perpetuals: 5,
        depth_lots: 0,
        insurance: 0,
        backstop: 0,
        ..LeveragedMarket::default()
    };
    let mut scenario = market.build();
    let (mut proportional, mut queued) = (Regret::default(), Regret::default());
    let (mut debts, mut taken, mut socialised) = (0, 0, 0);
    for by_ppm in [-60_000, -45_000, 20_000, -90_000, -70_000, 30_000, -120_000, -50_000] {
        for instrument in scenario.perpetuals().collect::<Vec<_>>() {
            scenario.move_mark(instrument, by_ppm);
            let (debt, winners) = round(&mut scenario, instrument);
            let profits: Vec<_> = winners.iter().map(|winner| winner.profit).collect();
            debts += debt;
            for (sum, cuts) in [(&mut proportional, pro_rata(debt, &profits)), (&mut queued, queue(debt, &winners))] {
                let regret = regret(debt, &profits, &cuts);
                sum.overshoot += regret.overshoot;
                sum.shortfall += regret.shortfall;
                sum.worst_excess = sum.worst_excess.max(regret.worst_excess);
            }
            while {
                scenario.sweep_within(u64::MAX, u64::MAX);
                for event in &scenario.events {
                    if let Ok(event) = IMarket::Deleveraged::decode_log_data(event) {
                        taken += Amount::try_from(event.haircut).unwrap();
                    } else if let Ok(event) = IMarket::LossSocialised::decode_log_data(event) {
                        socialised += Amount::try_from(event.amount).unwrap();
                    }
                }
                assert_eq!(scenario.check(), Ok(()));
                scenario.next_block(1);
                scenario.waiting() > 0
            } {}
            assert_eq!(scenario.audit(), Ok(()));
        }
    }
    println!("bad debt of {} rounds: {} quote units", 8 * 5, debts / UNIT);
    println!(
        "regret, proportional: {} units, worst excess {}; queue: {} units, worst excess {}",
        proportional.total() / UNIT,
        proportional.worst_excess / UNIT,
        queued.total() / UNIT,
        queued.worst_excess / UNIT
    );
    println!("the market took {} of winners and socialised {}", taken / UNIT, socialised / UNIT);
    assert!(debts > 0 && queued.total() > 0, "the crash makes bad debt");
    assert_eq!(proportional.total(), 0);
    assert!(taken > 0 && taken + socialised >= debts / 2, "{taken} and {socialised} of {debts}");
}

#[test]
fn winners_pay_no_more_than_the_loss() {
    // One long that goes bankrupt, two shorts with different profits, and one bystander. Nobody else can pay.
    let mut scenario = Scenario::new(2);
    let [long, first, second, other] = [(); 4].map(|()| scenario.open());
    let perpetual = scenario.perpetuals().next().unwrap();
    scenario.deposit(long, QUOTE, 1_000 * UNIT);
    for account in [first, second, other] {
        scenario.deposit(account, QUOTE, 10_000 * UNIT);
    }
    scenario.trade(long, first, perpetual, 300, 10_000, false).unwrap();
    scenario.trade(long, second, perpetual, 100, 9_500, false).unwrap();
    scenario.move_mark(perpetual, -500_000);
    let before = [first, second, other].map(|account| scenario.health(account).equity);
    let debt = -scenario.health(long).equity;
    assert!(debt > 0);
    scenario.sweep();
    let after = [first, second, other].map(|account| scenario.health(account).equity);
    let cuts: Vec<_> = before.iter().zip(after).map(|(before, after)| before - after).collect();
    // Profits are 300·(10,000 − 5,000) and 100·(9,500 − 5,000) ticks.
    assert_eq!(cuts, [debt * 1_500 / 1_950, debt * 450 / 1_950 + 1, 0], "of {debt}");
    assert_eq!(cuts.iter().sum::<Amount>(), debt);
    assert_eq!((scenario.health(long).equity, scenario.status(long)), (0, AccountStatus::Healthy));
    assert_eq!(scenario.position(first, perpetual).lots, 0);
    assert_eq!(scenario.audit(), Ok(()));
}

#[test]
fn what_nobody_else_can_pay_is_socialised() {
    // The winner has lost its profit elsewhere, so that it has no slack to give.
    let mut scenario = Scenario::new(1);
    let [long, short, other] = [(); 3].map(|()| scenario.open());
    let perpetual = scenario.perpetuals().next().unwrap();
    scenario.deposit(long, QUOTE, 1_000 * UNIT);
    scenario.deposit(short, QUOTE, 1_000 * UNIT);
    scenario.deposit(other, QUOTE, 1_000_000 * UNIT);
    scenario.trade(long, short, perpetual, 400, 10_000, false).unwrap();
    // The short takes its profit with another long at the low price; the first long's loss has no winner left.
    scenario.move_mark(perpetual, -500_000);
    scenario.trade(short, other, perpetual, 400, 5_000, true).unwrap();
    let debt = -scenario.health(long).equity;
    let (short_before, other_before) = (scenario.health(short).equity, scenario.health(other).equity);
    scenario.sweep();
    let events = scenario.events.clone();
    let paid = short_before - scenario.health(short).equity + other_before - scenario.health(other).equity;
    assert!(paid >= debt && paid <= debt + debt / 500_000 + 4, "{paid} for {debt}");
    assert!(events.iter().any(|event| IMarket::LossSocialised::decode_log_data(event).is_ok()));
    assert_eq!(scenario.status(long), AccountStatus::Healthy);
    assert_eq!(scenario.audit(), Ok(()));
    assert_eq!(scenario.check(), Ok(()));
}
