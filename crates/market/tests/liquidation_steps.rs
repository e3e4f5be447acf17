//! Each step of a liquidation by itself, in markets small enough to work out by hand.
//!
//! One lot is worth 10 quote units at 10,000 ticks, where all begins; maintenance is 3 %, the target 1.25 of it, the fee 0.5 %, a taker's
//! fee 0.05 % and a maker's 0.02 %.

use alloy_primitives::LogData;
use alloy_sol_types::SolEvent;
use rialto_market::abi::IMarket;
use rialto_market::layout::{AccountStatus, BACKSTOP, INSURANCE, QUOTE};
use rialto_market::testing::{COIN, SPOT, Scenario, UNIT};
use rialto_market::types::{AccountId, Amount, InstrumentId, Side};

/// A long of 1,000 lots with so much collateral, a short with enough, and whoever else.
struct Small {
    scenario: Scenario,
    perpetual: InstrumentId,
    long: AccountId,
    other: AccountId,
    /// Events of the last sweep.
    events: Vec<LogData>,
}

impl Small {
    fn new(collateral: Amount) -> Self {
        let mut scenario = Scenario::new(1);
        let [long, short, other] = [(); 3].map(|()| scenario.open());
        let perpetual = scenario.perpetuals().next().unwrap();
        scenario.deposit(long, QUOTE, collateral * UNIT);
        scenario.deposit(short, QUOTE, 100_000 * UNIT);
        scenario.deposit(other, QUOTE, 100_000 * UNIT);
        scenario.trade(long, short, perpetual, 1_000, 10_000, false).unwrap();
        Self { scenario, perpetual, long, other, events: Vec::new() }
    }

    /// Sets the price and sweeps.
    fn fall_to(&mut self, ticks: u64) {
        self.scenario.set_mark(self.perpetual, ticks * 1_000_000);
        self.sweep();
    }

    fn sweep(&mut self) {
        self.scenario.sweep();
        self.events = self.scenario.events.clone();
        assert_eq!(self.scenario.check(), Ok(()));
        assert_eq!(self.scenario.audit(), Ok(()));
    }

    fn lots(&mut self, account: AccountId) -> i64 {
        self.scenario.position(account, self.perpetual).lots
    }

    fn stages(&self) -> Vec<u8> {
        let liquidated = |event| IMarket::Liquidated::decode_log_data(event).ok();
        self.events.iter().filter_map(liquidated).map(|event| event.stage).collect()
    }
}

#[test]
fn the_book_takes_as_much_as_brings_it_to_its_target() {
    let mut small = Small::new(1_000);
    small.scenario.place(small.other, small.perpetual, Side::Buy, 10_000, 9_250).unwrap();
    let resting = small.scenario.place(small.long, small.perpetual, Side::Buy, 1, 5_000).unwrap();
    assert!(resting.is_some());
    // Equity 270 of 9,270: below 3 %.
    small.fall_to(9_270);
    assert!(
        small.events.iter().any(|event| IMarket::OrderCancelled::decode_log_data(event).is_ok()),
        "its order is cancelled"
    );
    assert!(small.stages().iter().all(|stage| *stage == 1), "{:?}", small.stages());
    let (lots, health) = (small.lots(small.long), small.scenario.health(small.long));
    assert!((500..900).contains(&lots), "{lots} of 1,000 are left");
    // At the target or, where fills off the mark cost more than was reckoned, just below.
    assert!(
        health.equity >= health.maintenance * 120 / 100 && health.equity <= health.maintenance * 130 / 100,
        "{health:?}"
    );
    assert_eq!(small.scenario.status(small.long), AccountStatus::Healthy);
    let sold = Amount::from(1_000 - lots) * 9_250 * 1_000;
    let insured = small.scenario.balance(INSURANCE, QUOTE);
    assert!((insured - sold / 200).abs() <= 2, "{insured} of {sold}");
}

#[test]
fn the_book_is_not_sold_into_below_what_the_account_is_worth() {
    let mut small = Small::new(1_000);
    // The account is worth 2.9 % of its position; the only bid is 4 % below the mark.
    small.scenario.place(small.other, small.perpetual, Side::Buy, 10_000, 8_900).unwrap();
    small.fall_to(9_270);
    assert_eq!((small.lots(small.long), small.scenario.status(small.long)), (1_000, AccountStatus::Auctioned));
}

#[test]
fn a_keeper_takes_the_auction_at_a_discount_that_grows() {
    let mut small = Small::new(1_000);
    small.fall_to(9_270);
    assert_eq!(small.scenario.status(small.long), AccountStatus::Auctioned);
    let (long, other, perpetual) = (small.long, small.other, small.perpetual);
    // 0.25 % below 9,270, and as much more in each block.
    let (lots, first) = small.scenario.take_auction(other, long, perpetual, 10).unwrap();
    assert_eq!((lots, first), (10, 9_247));
    small.scenario.next_block(1);
    let (_, second) = small.scenario.take_auction(other, long, perpetual, 10).unwrap();
    assert_eq!(second, 9_224);
    assert!(small.scenario.take_auction(long, long, perpetual, 10).is_err(), "not its own");
    // No more than brings it to its target, and then the case is closed.
    let (rest, _) = small.scenario.take_auction(other, long, perpetual, 1 << 30).unwrap();
    assert!(rest < 900, "{rest}");
    assert_eq!(small.scenario.status(long), AccountStatus::Healthy);
    assert!(small.scenario.take_auction(other, long, perpetual, 1).is_err());
    assert_eq!(small.lots(other), 20 + rest as i64);
    small.sweep();
    assert_eq!(small.scenario.waiting(), 0);
}

#[test]
fn then_the_backstop_takes_over_and_sells_again() {
    let mut small = Small::new(1_000);
    let other = small.other;
    let shares = small.scenario.deposit_backstop(other, (50_000 * UNIT) as u128).unwrap();
    small.fall_to(9_270);
    assert!(small.scenario.withdraw_backstop(other, shares).is_err(), "not while accounts wait");
    for block in 0..10 {
        assert_eq!(small.scenario.status(small.long), AccountStatus::Auctioned, "block {block}");
        small.scenario.next_block(1);
        small.sweep();
    }
    assert_eq!((small.scenario.status(small.long), small.stages()), (AccountStatus::Healthy, vec![3]));
    let taken = small.lots(BACKSTOP);
    assert_eq!(taken, 1_000 - small.lots(small.long));
    assert!(taken > 0);
    // The pool gained the discount, which belongs to its shares.
    let fetched = small.scenario.withdraw_backstop(other, shares / 2).unwrap() as Amount;
    assert!(fetched > 25_000 * UNIT && fetched < 25_200 * UNIT, "{fetched}");
    // A bid at the mark: the pool is rid of it at the next sweep.
    small.scenario.place(other, small.perpetual, Side::Buy, 5_000, 9_270).unwrap();
    small.sweep();
    assert_eq!(small.lots(BACKSTOP), 0);
}

#[test]
fn a_bankrupt_account_does_not_wait_and_the_insurance_pays_first() {
    let mut small = Small::new(1_000);
    small.scenario.deposit(INSURANCE, QUOTE, 700 * UNIT);
    small.scenario.deposit(BACKSTOP, QUOTE, 50_000 * UNIT);
    // Equity is -500: the pool takes the position at the mark, the insurance fund pays the loss.
    small.fall_to(8_500);
    assert_eq!((small.scenario.status(small.long), small.stages()), (AccountStatus::Healthy, vec![3]));
    assert_eq!((small.lots(small.long), small.lots(BACKSTOP)), (0, 1_000));
    assert_eq!(small.scenario.balance(INSURANCE, QUOTE), 200 * UNIT);
    assert_eq!(small.scenario.health(small.long).equity, 0);
}

#[test]
fn collateral_is_sold_to_repay_the_debt() {
    // 10 coins at 3,000 with a haircut of a tenth, and 20,000 borrowed.
    for (name, has_bid, has_pool) in [("book", true, false), ("backstop", false, true)] {
        let mut scenario = Scenario::new(1);
        let [borrower, lender] = [(); 2].map(|()| scenario.open());
        let coins = 1_000_000_000_000_000_000;
        scenario.deposit(borrower, COIN, 10 * coins);
        scenario.deposit(lender, QUOTE, 200_000 * UNIT);
        scenario.withdraw(borrower, QUOTE, 20_000 * UNIT).unwrap();
        if has_bid {
            // A lot is 0.01 coins: at 2,150 for a coin, 21.5 quote units are 21,500 ticks.
            scenario.place(lender, SPOT, Side::Buy, 2_000, 21_500).unwrap();
        }
        if has_pool {
            scenario.deposit(BACKSTOP, QUOTE, 100_000 * UNIT);
        }
        // 10 coins at 2,200 less a tenth are 19,800, less than what is owed.
        scenario.set_coin_price(2_200 * UNIT);
        for _ in 0..=10 {
            scenario.sweep();
            assert_eq!((scenario.check(), scenario.audit()), (Ok(()), Ok(())), "{name}");
            scenario.next_block(1);
        }
        assert_eq!(scenario.status(borrower), AccountStatus::Healthy, "{name}");
        let (left, debt) = (scenario.balance(borrower, COIN), scenario.balance(borrower, QUOTE));
        assert!(left > 0 && left < 10 * coins, "{name}: {left} left");
        assert!(debt > -20_000 * UNIT, "{name}: {debt} owed");
        assert!(!scenario.health(borrower).is_short(), "{name}");
    }
}
