//! The health index against a look at every account.
//!
//! Random sequences of what changes an account (fills, deposits, withdrawals, debts) and of what changes all (prices, funding, interest over
//! time, a collateral's price). After each sweep, whoever a look at all accounts finds below maintenance is in the queue, and the
//! block's own check says that it is complete. And the index may not pay for it by looking at everybody: a sweep looks at no more accounts than
//! have a trigger that was met.

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use rialto_market::layout::{AccountStatus, Instrument, InstrumentStatus, MarginMode, QUOTE};
use rialto_market::testing::{COIN, LeveragedMarket, Scenario, UNIT};
use rialto_market::types::{AccountId, InstrumentId};
use std::cell::Cell;

const USERS: usize = 6;
const PERPETUALS: u16 = 3;

#[derive(Clone, Debug)]
enum Step {
    Trade { buyer: usize, seller: usize, perpetual: u16, lots: u64, ticks: u32 },
    Deposit { user: usize, amount: i64 },
    Collateral { user: usize, coins: i64 },
    Withdraw { user: usize, amount: i64 },
    Borrow { user: usize, milli_coins: i64 },
    Mark { perpetual: u16, by_ppm: i64 },
    Coin { price: i64 },
    Fund { perpetual: u16, growth: i64 },
    Wait { seconds: u64 },
    TradeOption { buyer: usize, seller: usize, option: usize, lots: u64, part_ppm: u32 },
    Volatility { option: usize, ppm: u32 },
    Settle { option: usize },
    Mode { user: usize, portfolio: bool },
    Sweep,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let user = || 0..USERS;
    let perpetual = || 0..PERPETUALS;
    // Small moves that stay within a level, moves like those of a day, and gaps.
    let by_ppm = || prop_oneof![-5_i64..5, -20_000_i64..20_000, -250_000_i64..300_000];
    let step = prop_oneof![
        5 => (user(), user(), perpetual(), 1_u64..3_000, 9_000_u32..11_000)
            .prop_map(|(buyer, seller, perpetual, lots, ticks)| Step::Trade { buyer, seller, perpetual, lots, ticks }),
        2 => (user(), 1_i64..1_500).prop_map(|(user, amount)| Step::Deposit { user, amount }),
        1 => (user(), 1_i64..1_000).prop_map(|(user, coins)| Step::Collateral { user, coins }),
        1 => (user(), 1_i64..3_000).prop_map(|(user, amount)| Step::Withdraw { user, amount }),
        1 => (user(), 1_i64..1_000).prop_map(|(user, milli_coins)| Step::Borrow { user, milli_coins }),
        5 => (perpetual(), by_ppm()).prop_map(|(perpetual, by_ppm)| Step::Mark { perpetual, by_ppm }),
        2 => (1_500_i64..6_000).prop_map(|price| Step::Coin { price }),
        2 => (perpetual(), -400_000_000_000_i64..400_000_000_000)
            .prop_map(|(perpetual, growth)| Step::Fund { perpetual, growth }),
        2 => (1_u64..10_000_000).prop_map(|seconds| Step::Wait { seconds }),
        3 => (user(), user(), 0_usize..2, 1_u64..500, 500_000_u32..1_500_000)
            .prop_map(|(buyer, seller, option, lots, part_ppm)| Step::TradeOption { buyer, seller, option, lots, part_ppm }),
        3 => (0_usize..2, 50_000_u32..2_000_000).prop_map(|(option, ppm)| Step::Volatility { option, ppm }),
        1 => prop::bool::weighted(0.2).prop_map(|call| Step::Settle { option: usize::from(call) }),
        2 => (user(), any::<bool>()).prop_map(|(user, portfolio)| Step::Mode { user, portfolio }),
        4 => Just(Step::Sweep),
    ];
    prop::collection::vec(step, 1..80)
}

struct World {
    scenario: Scenario,
    users: Vec<AccountId>,
    options: [InstrumentId; 2],
    visited: u32,
    queued: u32,
}

impl World {
    fn new() -> Self {
        let mut scenario = Scenario::new(PERPETUALS);
        let users: Vec<_> = (0..USERS).map(|_| scenario.open()).collect();
        for (at, user) in users.iter().enumerate() {
            scenario.deposit(*user, QUOTE, 1_000 * UNIT * (1 + at as i128));
        }
        // What is lent to whoever borrows.
        let lender = scenario.open();
        scenario.deposit(lender, COIN, 1_000_000_000_000_000_000_000);
        scenario.deposit(lender, QUOTE, 1_000_000 * UNIT);
        let options = [(10_000, false), (11_000, true)].map(|(strike, is_call)| scenario.list_option(strike, is_call));
        Self { scenario, users, options, visited: 0, queued: 0 }
    }

    fn run(&mut self, step: &Step) {
        let perpetual = |at: u16| InstrumentId(rialto_market::testing::FIRST_PERPETUAL + at);
        match *step {
            Step::Trade { buyer, seller, perpetual: at, lots, ticks } => {
                let (buyer, seller) = (self.users[buyer], self.users[seller]);
                let _ = self.scenario.trade(buyer, seller, perpetual(at), lots, ticks, false);
            }
            Step::Deposit { user, amount } => {
                self.scenario.deposit(self.users[user], QUOTE, i128::from(amount) * UNIT);
            }
            Step::Collateral { user, coins } => {
                self.scenario.deposit(self.users[user], COIN, i128::from(coins) * 1_000_000_000_000_000);
            }
            Step::Withdraw { user, amount } => {
                let _ = self.scenario.withdraw(self.users[user], QUOTE, i128::from(amount) * UNIT);
            }
            Step::Borrow { user, milli_coins } => {
                let amount = i128::from(milli_coins) * 1_000_000_000_000_000;
                let _ = self.scenario.withdraw(self.users[user], COIN, amount);
            }
            Step::Mark { perpetual: at, by_ppm } => self.scenario.move_mark(perpetual(at), by_ppm),
            Step::Coin { price } => self.scenario.set_coin_price(i128::from(price) * UNIT),
            Step::Fund { perpetual: at, growth } => self.scenario.fund(perpetual(at), i128::from(growth)),
            Step::Wait { seconds } => self.scenario.next_block(seconds),
            Step::TradeOption { buyer, seller, option, lots, part_ppm } => {
                let (buyer, seller, option) = (self.users[buyer], self.users[seller], self.options[option]);
                if self.is_settled(option) {
                    return;
                }
                let mark = self.scenario.mark(option) * u64::from(part_ppm) / 1_000_000;
                let ticks = u32::try_from(mark / 1_000_000).unwrap().max(1);
                let _ = self.scenario.trade(buyer, seller, option, lots, ticks, false);
            }
            Step::Volatility { option, ppm } => {
                if !self.is_settled(self.options[option]) {
                    self.scenario.set_volatility(self.options[option], ppm);
                }
            }
            Step::Settle { option } => {
                let option = self.options[option];
                self.scenario.force(|market| {
                    market
                        .records()
                        .update(option, |terms: &mut Instrument| terms.status = InstrumentStatus::Settled)?;
                    Ok(())
                });
            }
            Step::Mode { user, portfolio } => {
                let mode = if portfolio { MarginMode::Portfolio } else { MarginMode::Standard };
                let _ = self.scenario.set_margin_mode(self.users[user], mode);
            }
            Step::Sweep => self.find(),
        }
    }

    /// Nothing of an instrument moves any more once it is settled.
    fn is_settled(&mut self, id: InstrumentId) -> bool {
        self.scenario.force(|market| Ok(market.instrument(id)?.status == InstrumentStatus::Settled))
    }

    /// Finds without liquidating, and compares with a look at all.
    fn find(&mut self) {
        let before: Vec<_> = self.users.iter().map(|user| self.scenario.status(*user)).collect();
        let sweep = self.scenario.sweep_within(u64::MAX, 0);
        let missed = self.scenario.short_and_free();
        assert!(missed.is_empty(), "below maintenance and not found: {missed:?}");
        assert_eq!(self.scenario.check(), Ok(()));
        let free = before.iter().filter(|status| **status == AccountStatus::Healthy).count();
        // Each account is looked at once for each of its triggers at most; healthy ones set theirs anew beyond the factors.
        assert!(sweep.queued as usize <= free, "{sweep:?}");
        self.visited += sweep.visited;
        self.queued += sweep.queued;
        let again = self.scenario.sweep_within(u64::MAX, 0);
        assert_eq!(again.queued, 0, "a second sweep of the same prices finds {again:?}");
        assert_eq!(again.visited, 0, "a second sweep of the same prices looks at accounts: {again:?}");
    }
}

#[test]
fn finds_everyone() {
    let config = ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() };
    let (visited, queued) = (Cell::new(0), Cell::new(0));
    let tested = TestRunner::new(config).run(&steps(), |steps| {
        let mut world = World::new();
        for step in &steps {
            world.run(step);
        }
        world.find();
        visited.set(visited.get() + world.visited);
        queued.set(queued.get() + world.queued);
        world.scenario.audit().map_err(TestCaseError::fail)
    });
    println!("{} looked at, {} of them below maintenance", visited.get(), queued.get());
    if let Err(failure) = tested {
        panic!("{failure}");
    }
    assert!(queued.get() > 500, "the sequences bring accounts below maintenance");
}

#[test]
fn the_cost_is_that_of_those_hit() {
    // Moves of a hundredth hit hardly anybody of those with low leverage, however many there are.
    for accounts in [500, 2_000] {
        let market = LeveragedMarket { accounts, leverage_ppm: (2_000_000, 4_000_000), ..LeveragedMarket::default() };
        let mut scenario = market.build();
        for perpetual in scenario.perpetuals().collect::<Vec<_>>() {
            scenario.move_mark(perpetual, -10_000);
        }
        let sweep = scenario.sweep();
        println!("{accounts} accounts, a move of 1 %: {} looked at, {} gas", sweep.visited, sweep.gas);
        assert_eq!((sweep.visited, sweep.queued), (0, 0));
        assert_eq!(scenario.check(), Ok(()));
    }
}

#[test]
fn a_search_that_is_cut_short_goes_on_in_order() {
    let mut scenario = LeveragedMarket { accounts: 400, ..LeveragedMarket::default() }.build();
    for perpetual in scenario.perpetuals().collect::<Vec<_>>() {
        scenario.move_mark(perpetual, -200_000);
    }
    let mut parts = 0;
    loop {
        let sweep = scenario.sweep_within(300_000, 0);
        assert_eq!(scenario.check(), Ok(()), "what is left is in order on its axis");
        parts += 1;
        if !sweep.is_behind {
            break;
        }
        assert!(parts < 1_000, "it gets on");
    }
    assert!(parts > 1, "the budget was meant to be too small");
    assert_eq!(scenario.short_and_free(), []);
    assert!(scenario.waiting() > 100);
}

#[test]
fn a_queued_account_is_not_free_until_it_recovers() {
    let mut scenario = Scenario::new(1);
    let [long, short] = [scenario.open(), scenario.open()];
    let perpetual = scenario.perpetuals().next().unwrap();
    for account in [long, short] {
        scenario.deposit(account, QUOTE, 1_000 * UNIT);
    }
    scenario.trade(long, short, perpetual, 1_000, 10_000, false).unwrap();
    scenario.move_mark(perpetual, -50_000);
    assert_eq!(scenario.sweep_within(u64::MAX, 0).queued, 0);
    assert!(scenario.withdraw(long, QUOTE, UNIT).is_ok(), "within initial margin");
    scenario.move_mark(perpetual, -40_000);
    let sweep = scenario.sweep_within(u64::MAX, 0);
    assert_eq!((sweep.queued, scenario.status(long)), (1, AccountStatus::Queued), "{sweep:?}");
    assert!(scenario.withdraw(long, QUOTE, 1).is_err());
    assert!(scenario.trade(long, short, perpetual, 1, 9_000, false).is_err());
    // A deposit brings it back, and the next sweep lets it go without a liquidation.
    scenario.deposit(long, QUOTE, 1_000 * UNIT);
    scenario.sweep();
    assert_eq!(scenario.status(long), AccountStatus::Healthy);
    assert_eq!(scenario.position(long, perpetual).lots, 1_000);
    assert!(scenario.withdraw(long, QUOTE, UNIT).is_ok());
    assert_eq!(scenario.audit(), Ok(()));
}
