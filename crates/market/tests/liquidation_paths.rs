//! Every way in which a liquidation may end, with numbers that are worked out by hand.
//!
//! One lot of the perpetual is worth 10 quote units at 10,000 ticks. A portfolio account's maintenance is 16 % of a perpetual's value, and
//! its initial margin a fifth of it. A liquidation costs 0.5 %, taking 0.05 %, making 0.02 %.

use alloy_sol_types::SolEvent;
use rialto_market::abi::IMarket;
use rialto_market::layout::{
    Account, AccountStatus, BACKSTOP, INSURANCE, Instrument, InstrumentStatus, MarginMode, Prices, QUOTE, TREASURY,
};
use rialto_market::testing::{COIN, SPOT, Scenario, UNIT};
use rialto_market::types::{Amount, AssetId, InstrumentId, Side};

/// A coin, in base units.
const COINS: Amount = 1_000_000_000_000_000_000;

/// Blocks until an auction is over, and one more.
const AUCTION: u32 = 11;

/// What events say: stages of liquidations, haircuts, losses of all, orders that were cancelled.
#[derive(Debug, Default, PartialEq)]
struct Told {
    stages: Vec<u8>,
    haircut: Amount,
    socialised: Amount,
    cancelled: usize,
}

impl Told {
    /// Those of the last operation.
    fn of(scenario: &Scenario) -> Self {
        let mut told = Self::default();
        for event in &scenario.events {
            if let Ok(event) = IMarket::Liquidated::decode_log_data(event) {
                told.stages.push(event.stage);
            } else if let Ok(event) = IMarket::Deleveraged::decode_log_data(event) {
                told.haircut += Amount::try_from(event.haircut).unwrap();
            } else if let Ok(event) = IMarket::LossSocialised::decode_log_data(event) {
                told.socialised += Amount::try_from(event.amount).unwrap();
            } else if IMarket::OrderCancelled::decode_log_data(event).is_ok() {
                told.cancelled += 1;
            }
        }
        told
    }
}

/// Sweeps, with all that has to hold afterwards; what the sweep's events say.
fn sweep(scenario: &mut Scenario, name: &str) -> Told {
    scenario.sweep();
    let told = Told::of(scenario);
    assert_eq!((scenario.check(), scenario.audit()), (Ok(()), Ok(())), "{name}");
    told
}

/// Sweeps block after block. No time passes, so that there is no interest.
fn sweep_blocks(scenario: &mut Scenario, blocks: u32, name: &str) {
    for _ in 0..blocks {
        sweep(scenario, name);
        scenario.next_block(0);
    }
}

/// Who an auction, or the pool, takes coins from, or sells them to.
#[derive(Clone, Copy)]
struct Loan {
    name: &'static str,
    deposited: (AssetId, Amount),
    borrowed: (AssetId, Amount),
    /// Price of a coin, in quote units, at which it falls short.
    coin_price: Amount,
    /// Whether a keeper takes it; else the pool.
    has_keeper: bool,
    /// What a keeper is given: lots and ticks.
    taken: (u64, u32),
    /// Quote base units and coins of the account afterwards.
    left: (Amount, Amount),
    /// Quote base units and coins that who took it has more.
    moved: (Amount, Amount),
    fee: Amount,
}

/// Values are rounded against the account: 10 coins at 2,200 are 21,999.999999 quote units, a lot of a hundredth 21.999999.
///
/// Sold: equity 1,999.999999, maintenance a tenth of the value, 2,200; the target 2,750 lacks 750.000001. A lot sold at 0.25 % below the
/// fair price frees 2.75 less 0.75 % of 22, so 290.1 lots are needed: 291, at 21,999.999 · 0.9975 = 21,944.999 ticks, rounded up. They
/// fetch 291 · 21.945 = 6,385.995, of which 0.5 % is the fee.
///
/// Bought back: 37,000 are owed; equity 3,000, maintenance 3,700, the target 4,625 lacks 1,625. A lot bought at 0.25 % above
/// frees 4.625 less 0.75 % of 37, so 373.8 lots: 374, at 36,999.999 · 1.0025 = 37,092.499 ticks, rounded down. They cost
/// 374 · 37.092 = 13,872.408, and 0.5 %.
///
/// The pool takes at 3 % (the account could bear 4.5 % and 4 %) after ten blocks: 750.000001 of 2,750 − 3.5 % of 22,000 = 1,980 for 10
/// coins, which is 3.78…, and 1,625 of 4,625 − 3.5 % of 37,000 = 3,330, which is 4.87…. It charges no fee.
const LOANS: [Loan; 4] = [
    Loan {
        name: "an auction of collateral",
        deposited: (COIN, 10 * COINS),
        borrowed: (QUOTE, 20_000 * UNIT),
        coin_price: 2_200,
        has_keeper: true,
        taken: (291, 21_945),
        left: (-13_645_934_975, 7_090_000_000_000_000_000),
        moved: (-6_385_995_000, 2_910_000_000_000_000_000),
        fee: 31_929_975,
    },
    Loan {
        name: "an auction of a debt",
        deposited: (QUOTE, 40_000 * UNIT),
        borrowed: (COIN, 10 * COINS),
        coin_price: 3_700,
        has_keeper: true,
        taken: (374, 37_092),
        left: (26_058_229_960, -6_260_000_000_000_000_000),
        moved: (13_872_408_000, -3_740_000_000_000_000_000),
        fee: 69_362_040,
    },
    Loan {
        name: "the pool takes collateral",
        deposited: (COIN, 10 * COINS),
        borrowed: (QUOTE, 20_000 * UNIT),
        coin_price: 2_200,
        has_keeper: false,
        taken: (0, 0),
        left: (-11_916_666_656, 6_212_121_207_070_707_070),
        moved: (-8_083_333_344, 3_787_878_792_929_292_930),
        fee: 0,
    },
    Loan {
        name: "the pool takes a debt",
        deposited: (QUOTE, 40_000 * UNIT),
        borrowed: (COIN, 10 * COINS),
        coin_price: 3_700,
        has_keeper: false,
        taken: (0, 0),
        left: (21_402_777_778, -5_120_120_120_120_120_120),
        moved: (18_597_222_222, -4_879_879_879_879_879_880),
        fee: 0,
    },
];

#[test]
fn collateral_and_debts_without_a_book() {
    for loan in LOANS {
        let name = loan.name;
        let mut scenario = Scenario::new(1);
        let [borrower, lender, keeper] = [(); 3].map(|()| scenario.open());
        scenario.deposit(borrower, loan.deposited.0, loan.deposited.1);
        for (account, asset, amount) in [
            (lender, QUOTE, 200_000 * UNIT),
            (lender, COIN, 50 * COINS),
            (keeper, QUOTE, 100_000 * UNIT),
            (keeper, COIN, 5 * COINS),
        ] {
            scenario.deposit(account, asset, amount);
        }
        if !loan.has_keeper {
            scenario.deposit(BACKSTOP, QUOTE, 100_000 * UNIT);
        }
        scenario.withdraw(borrower, loan.borrowed.0, loan.borrowed.1).unwrap();
        scenario.set_coin_price(loan.coin_price * UNIT);
        sweep(&mut scenario, name);
        assert_eq!(scenario.status(borrower), AccountStatus::Auctioned, "{name}");
        let other = if loan.has_keeper { keeper } else { BACKSTOP };
        let before = [QUOTE, COIN].map(|asset| scenario.balance(other, asset));
        if loan.has_keeper {
            let taken = scenario.take_auction(keeper, borrower, SPOT, u64::MAX);
            assert_eq!(taken, Ok(loan.taken), "{name}");
        } else {
            scenario.next_block(0);
            sweep_blocks(&mut scenario, AUCTION - 1, name);
        }
        sweep(&mut scenario, name);
        let held = |scenario: &mut Scenario, account| [QUOTE, COIN].map(|asset| scenario.balance(account, asset));
        assert_eq!(held(&mut scenario, borrower), [loan.left.0, loan.left.1], "{name}: what is left");
        let moved = [before[0] + loan.moved.0, before[1] + loan.moved.1];
        assert_eq!(held(&mut scenario, other), moved, "{name}: the other side");
        assert_eq!(scenario.balance(INSURANCE, QUOTE), loan.fee, "{name}: the fee");
        assert_eq!((scenario.status(borrower), scenario.waiting()), (AccountStatus::Healthy, 0), "{name}");
        assert!(!scenario.health(borrower).is_short(), "{name}");
    }
}

/// How the long of 1,000 lots from 10,000 ticks ends, who has 2,500 quote units and margin by portfolio.
#[derive(Clone, Copy)]
struct Path {
    name: &'static str,
    /// Where the mark falls to, in ticks.
    falls_to: u64,
    /// Price of a bid for 10,000 lots; zero is none.
    bid: u32,
    has_keeper: bool,
    /// Quote units of the pool and of the insurance fund.
    pool: Amount,
    insurance: Amount,
    /// Ticks at which the short is sold on to somebody else, who then has next to no profit; zero is not.
    sold_on: u32,
    /// Stages of its liquidation.
    stages: &'static [u8],
    /// Quote base units of the long, the pool and the insurance fund afterwards, and of those who were short first and last.
    left: [Amount; 5],
    /// What was taken of winners, and of everyone, in quote base units.
    haircut: Amount,
    socialised: Amount,
}

const NONE: Path = Path {
    name: "",
    falls_to: 7_000,
    bid: 0,
    has_keeper: false,
    pool: 0,
    insurance: 0,
    sold_on: 0,
    stages: &[4],
    left: [0, 0, 0, 103_000 * UNIT, 100_000 * UNIT],
    haircut: 0,
    socialised: 0,
};

/// At 8,900 ticks: equity 2,500 − 1,100 = 1,400, maintenance 16 % of 8,900 = 1,424, so 380 are missing to the target of 1,780, which is
/// more than what selling all of it frees by itself (1.25 · 3 % of 8,900, less the fee): all of it goes.
///
/// At 7,000 ticks: equity −500. The pool takes it at the mark; or the short closes it at the mark, which has won 3,000, and somebody
/// pays 500.
const PATHS: [Path; 7] = [
    // 8,890 for it, less 4.445 for taking and 44.45 for the liquidation.
    Path {
        name: "the book",
        falls_to: 8_900,
        bid: 8_890,
        stages: &[1],
        left: [1_341_105_000, 0, 44_450_000, 100_000 * UNIT, 100_000 * UNIT],
        ..NONE
    },
    // 8,900 · 0.9975 = 8,877.75, rounded up: 8,878, less 44.39.
    Path {
        name: "a keeper",
        falls_to: 8_900,
        has_keeper: true,
        stages: &[2],
        left: [1_333_610_000, 0, 44_390_000, 100_000 * UNIT, 100_000 * UNIT],
        ..NONE
    },
    // 8,900 · 0.97 = 8,633, less 43.165. The pool's cost is in its position.
    Path {
        name: "the pool",
        falls_to: 8_900,
        pool: 50_000,
        stages: &[3],
        left: [1_089_835_000, 50_000 * UNIT, 43_165_000, 100_000 * UNIT, 100_000 * UNIT],
        ..NONE
    },
    Path {
        name: "the insurance fund",
        pool: 50_000,
        insurance: 700,
        stages: &[3],
        left: [0, 50_000 * UNIT, 200 * UNIT, 100_000 * UNIT, 100_000 * UNIT],
        ..NONE
    },
    Path { name: "deleveraging", left: [0, 0, 0, 102_500 * UNIT, 100_000 * UNIT], haircut: 500 * UNIT, ..NONE },
    // Who is short since 7,100 has won 100; the first has made 2,900. 400 and a millionth of 202,900 that are held, 0.19714…%.
    Path {
        name: "everyone",
        sold_on: 7_100,
        left: [0, 0, 0, 102_697_141_245, 99_802_858_353],
        haircut: 100 * UNIT,
        socialised: 400 * UNIT,
        ..NONE
    },
    // 150 of the fund, 100 of the winner, and 250 of everyone: 0.12321…%.
    Path {
        name: "all of them in order",
        insurance: 150,
        sold_on: 7_100,
        left: [0, 0, 0, 102_773_213_278, 99_876_786_470],
        haircut: 100 * UNIT,
        socialised: 250 * UNIT,
        ..NONE
    },
];

fn walk(path: &Path) {
    let name = path.name;
    let mut scenario = Scenario::new(1);
    let [long, short, last] = [(); 3].map(|()| scenario.open());
    let perpetual = scenario.perpetuals().next().unwrap();
    scenario.deposit(long, QUOTE, 2_500 * UNIT);
    for account in [short, last] {
        scenario.deposit(account, QUOTE, 100_000 * UNIT);
    }
    for (account, units) in [(BACKSTOP, path.pool), (INSURANCE, path.insurance)] {
        scenario.deposit(account, QUOTE, units * UNIT);
    }
    scenario.set_margin_mode(long, MarginMode::Portfolio).unwrap();
    scenario.trade(long, short, perpetual, 1_000, 10_000, false).unwrap();
    scenario.place(long, perpetual, Side::Buy, 1, 5_000).unwrap();
    if path.sold_on != 0 {
        scenario.trade(short, last, perpetual, 1_000, path.sold_on, false).unwrap();
    }
    if path.bid != 0 {
        scenario.place(last, perpetual, Side::Buy, 10_000, path.bid).unwrap();
    }
    scenario.set_mark(perpetual, path.falls_to * 1_000_000);
    let mut seen = sweep(&mut scenario, name);
    assert_eq!(seen.cancelled, 1, "{name}: its order is cancelled first");
    if path.has_keeper {
        assert_eq!(scenario.take_auction(last, long, perpetual, u64::MAX), Ok((1_000, 8_878)), "{name}");
        seen = Told::of(&scenario);
    } else if scenario.status(long) == AccountStatus::Auctioned {
        scenario.next_block(0);
        sweep_blocks(&mut scenario, AUCTION - 2, name);
        seen = sweep(&mut scenario, name);
    }
    sweep(&mut scenario, name);
    let paid = (seen.stages.as_slice(), seen.haircut, seen.socialised);
    assert_eq!(paid, (path.stages, path.haircut, path.socialised), "{name}");
    assert_eq!((scenario.position(long, perpetual).lots, scenario.waiting()), (0, 0), "{name}");
    assert_eq!(scenario.status(long), AccountStatus::Healthy, "{name}");
    let mut left = [long, BACKSTOP, INSURANCE, short, last].map(|account| scenario.balance(account, QUOTE));
    if path.bid != 0 {
        // The maker's fee is its own affair: 0.02 % of 8,890, which the treasury has with the taker's.
        assert_eq!(scenario.balance(TREASURY, QUOTE), 1_778_000 + 4_445_000, "{name}");
        left[4] += 1_778_000;
    }
    assert_eq!(left, path.left, "{name}: long, pool, insurance, short, last");
}

#[test]
fn a_portfolio_account_through_each_step() {
    for path in &PATHS {
        walk(path);
    }
}

/// 1,000 lots long of the perpetual and 100 short of an option on it, sold for 1,000 ticks, which settles at 2,000: that is 100 quote
/// units lost, paid by the step that comes before all others.
#[test]
fn what_is_settled_is_paid_out_first() {
    let mut scenario = Scenario::new(1);
    let [account, other] = [(); 2].map(|()| scenario.open());
    let perpetual = scenario.perpetuals().next().unwrap();
    let option = scenario.list_option(10_000, false);
    scenario.deposit(account, QUOTE, 1_000 * UNIT);
    scenario.deposit(other, QUOTE, 100_000 * UNIT);
    scenario.trade(account, other, perpetual, 1_000, 10_000, false).unwrap();
    scenario.trade(other, account, option, 100, 1_000, false).unwrap();
    scenario.force(|market| {
        market.records().update(option, |terms: &mut Instrument| terms.status = InstrumentStatus::Settled)?;
        market.records().update(option, |prices: &mut Prices| prices.mark = 2_000_000_000)?;
        market.settle_expired(other, option)
    });
    assert_eq!(scenario.position(account, option).lots, -100, "nobody asked for its payout");
    // Equity 1,000 − 800 − 100, maintenance 276.
    scenario.set_mark(perpetual, 9_200_000_000);
    sweep(&mut scenario, "settled");
    assert_eq!(scenario.position(account, option), Default::default());
    let listed = scenario.force(|market| Ok(market.records().get::<Account>(account)?.positions));
    assert_eq!(listed.map(InstrumentId).iter().filter(|id| id.0 != 0).collect::<Vec<_>>(), [&perpetual]);
    assert_eq!((scenario.balance(account, QUOTE), scenario.balance(other, QUOTE)), (900 * UNIT, 100_100 * UNIT));
    assert_eq!(scenario.status(account), AccountStatus::Auctioned);
    let health = scenario.health(account);
    assert_eq!((health.equity, health.maintenance), (100 * UNIT, 276 * UNIT));
}
