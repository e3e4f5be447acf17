//! A leveraged market: many accounts on both sides of many perpetuals, with margins of all sizes, for crashes.

use super::{FIRST_PERPETUAL, START_TICKS, Scenario, UNIT};
use crate::layout::{BACKSTOP, INSURANCE, QUOTE};
use crate::types::{Amount, InstrumentId, Lots, PPM, Ppm, Side, Ticks};

/// A random sequence that is the same everywhere.
#[derive(Clone, Debug)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The next number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((u128::from(mixed ^ (mixed >> 31)) * u128::from(bound)) >> 64) as u64
    }
}

/// What a leveraged market is made of.
#[derive(Clone, Copy, Debug)]
pub struct LeveragedMarket {
    /// Accounts with positions, half of them long.
    pub accounts: u32,
    /// Perpetuals.
    pub perpetuals: u16,
    /// Leverage is between these, in millionths, spread evenly over margins.
    pub leverage_ppm: (Ppm, Ppm),
    /// Lots that market makers bid below and ask above a gap, in each instrument.
    pub depth_lots: Lots,
    /// Where they quote, as a share of the price at the beginning.
    pub gap_ppm: Ppm,
    /// Quote base units in the insurance fund, and in the backstop pool.
    pub insurance: Amount,
    /// Quote base units in the backstop pool.
    pub backstop: Amount,
    /// Of the random numbers.
    pub seed: u64,
}

impl Default for LeveragedMarket {
    fn default() -> Self {
        Self {
            accounts: 1_000,
            perpetuals: 20,
            leverage_ppm: (2 * PPM, 18 * PPM),
            depth_lots: 10_000_000,
            gap_ppm: 200_000,
            insurance: 1_000_000 * UNIT,
            backstop: 10_000_000 * UNIT,
            seed: 1,
        }
    }
}

impl LeveragedMarket {
    /// Builds it: pairs of accounts, one long and one short, each with its own leverage, spread over the instruments.
    pub fn build(&self) -> Scenario {
        let mut scenario = Scenario::new(self.perpetuals);
        let mut random = Sequence(self.seed);
        scenario.deposit(INSURANCE, QUOTE, self.insurance.max(1));
        scenario.deposit(BACKSTOP, QUOTE, self.backstop.max(1));
        for pair in 0..self.accounts / 2 {
            let instrument = InstrumentId(FIRST_PERPETUAL + (pair % u32::from(self.perpetuals)) as u16);
            let lots = 10 + random.below(990);
            let notional = Amount::from(lots) * Amount::from(START_TICKS) * 1_000;
            let pair = [scenario.open(), scenario.open()];
            for account in pair {
                let (least, most) = self.leverage_ppm;
                let leverage = u64::from(least) + random.below(u64::from(most - least) + 1);
                scenario.deposit(account, QUOTE, notional * Amount::from(PPM) / Amount::from(leverage) + 1);
            }
            let traded = scenario.trade(pair[0], pair[1], instrument, lots, START_TICKS, false);
            assert_eq!(traded, Ok(()), "leverage is within initial margin");
        }
        self.quote(&mut scenario);
        scenario.next_block(1);
        scenario
    }

    /// A market maker for each instrument, with bids just below and asks just above where a gap down leads.
    fn quote(&self, scenario: &mut Scenario) {
        let landing = u64::from(START_TICKS) * u64::from(PPM - self.gap_ppm) / u64::from(PPM);
        for instrument in scenario.perpetuals() {
            let maker = scenario.open();
            let value = Amount::from(self.depth_lots) * Amount::from(START_TICKS) * 1_000;
            scenario.deposit(maker, QUOTE, value.max(1));
            for step in 1..=10 {
                let lots = self.depth_lots / 10;
                if lots > 0 {
                    let bid = (landing - landing * step / 1_000) as Ticks;
                    let placed = scenario.place(maker, instrument, Side::Buy, lots, bid);
                    assert!(placed.is_ok(), "the market maker has the margin: {placed:?}");
                }
            }
        }
    }
}
