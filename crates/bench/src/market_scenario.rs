//! A path of prices on a market with leveraged accounts: who is liquidated, who pays, and what is left.
//!
//! The market is the real one, in memory: the same operations on the same records as in a block, without signatures and tokens. It has one
//! quote asset, one collateral coin and perpetuals, with the terms of [`rialto_market::testing`]. A scenario file says which accounts there
//! are, what they hold, how deep the book is, and how prices go, block by block; see `docs/market-simulate.md`.
//!
//! All positions are opened against one market maker with ample means, at the first prices, so that for every loser there is a winner. The
//! maker's quotes around the mark are the book: they are renewed in each block, unless the step says that it is away. A step may
//! also be an outage, in which time passes and no price comes.
//!
//! After each step the market's own check has to hold that nobody is below maintenance who is not in the queue, and money is counted: a
//! scenario that breaks either is an error of the market, and the report says so.

mod input;
mod report;

pub use input::{MarketScenario, parse_scenario};
pub use report::{ScenarioReport, ScenarioStep};

use crate::BenchError;
use alloy_primitives::{LogData, U256};
use alloy_sol_types::SolEvent;
use input::Step;
use rialto_market::abi::IMarket;
use rialto_market::layout::{AccountStatus, INSURANCE, Prices, QUOTE};
use rialto_market::testing::{COIN, FIRST_PERPETUAL, Scenario, UNIT};
use rialto_market::types::{AccountId, Amount, InstrumentId, Side, Ticks};

/// Micro-ticks of a quote unit in the price of a perpetual: a tick is a tenth.
const MICROTICKS_OF_UNIT: f64 = 10_000_000.0;
/// Base units of a coin.
const COIN_UNIT: f64 = 1e18;
/// Quote units that the maker has: more than any scenario moves.
const MAKER_UNITS: Amount = 1_000_000_000_000;
/// Most steps of sweeping in one block: what a block's budget leaves is left to the next.
const SWEEPS_A_STEP: u32 = 1;

/// Runs a scenario.
pub fn run_scenario(scenario: &MarketScenario) -> Result<ScenarioReport, BenchError> {
    let mut run = Run::new(scenario)?;
    let mut steps = Vec::with_capacity(scenario.path.len());
    for (index, step) in scenario.path.iter().enumerate() {
        steps.push(run.step(index, step)?);
    }
    Ok(run.report(steps))
}

/// What happened, summed up, in quote base units.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    queued: u64,
    recovered: u64,
    book_lots: u64,
    auction_lots: u64,
    backstop_lots: u64,
    deleveraged_lots: u64,
    insurance_paid: u128,
    deleveraged: u128,
    socialised: u128,
}

impl Totals {
    fn note(&mut self, event: &LogData) {
        let Some(kind) = event.topics().first().copied() else { return };
        match kind {
            IMarket::LiquidationQueued::SIGNATURE_HASH => self.queued += 1,
            IMarket::LiquidationEnded::SIGNATURE_HASH => self.recovered += 1,
            IMarket::Liquidated::SIGNATURE_HASH => self.note_lots(event),
            IMarket::InsurancePaid::SIGNATURE_HASH => {
                self.insurance_paid += amount::<IMarket::InsurancePaid>(event, |paid| paid.amount);
            }
            IMarket::Deleveraged::SIGNATURE_HASH => {
                self.deleveraged += amount::<IMarket::Deleveraged>(event, |cut| cut.haircut);
            }
            IMarket::LossSocialised::SIGNATURE_HASH => {
                self.socialised += amount::<IMarket::LossSocialised>(event, |loss| loss.amount);
            }
            _ => {}
        }
    }

    fn note_lots(&mut self, event: &LogData) {
        let Some(moved) = decoded::<IMarket::Liquidated>(event) else { return };
        let stages = [&mut self.book_lots, &mut self.auction_lots, &mut self.backstop_lots, &mut self.deleveraged_lots];
        if let Some(lots) = stages.into_iter().nth(usize::from(moved.stage).wrapping_sub(1)) {
            *lots += moved.lots.unsigned_abs();
        }
    }
}

fn decoded<E: SolEvent>(event: &LogData) -> Option<E> {
    E::decode_raw_log(event.topics().iter().copied(), &event.data).ok()
}

fn amount<E: SolEvent>(event: &LogData, of: fn(&E) -> U256) -> u128 {
    decoded::<E>(event).map_or(0, |event| of(&event).saturating_to())
}

/// A scenario that runs.
struct Run<'a> {
    scenario: &'a MarketScenario,
    market: Scenario,
    maker: AccountId,
    keeper: Option<AccountId>,
    /// Accounts of each group.
    groups: Vec<Vec<AccountId>>,
    totals: Totals,
    seconds: u64,
}

fn units(value: f64, of_one: f64) -> Amount {
    (value * of_one).round() as Amount
}

fn instrument(perpetual: u16) -> InstrumentId {
    InstrumentId(FIRST_PERPETUAL + perpetual - 1)
}

fn microticks(price: f64) -> u64 {
    (price * MICROTICKS_OF_UNIT).round().clamp(1.0, u32::MAX as f64 * 1e6) as u64
}

impl<'a> Run<'a> {
    fn new(scenario: &'a MarketScenario) -> Result<Self, BenchError> {
        let mut market = Scenario::new(scenario.perpetuals);
        let maker = market.open();
        market.deposit(maker, QUOTE, MAKER_UNITS * UNIT);
        market.deposit(INSURANCE, QUOTE, units(scenario.insurance, UNIT as f64));
        let mut run =
            Self { scenario, market, maker, keeper: None, groups: Vec::new(), totals: Totals::default(), seconds: 0 };
        run.market.set_coin_price(units(scenario.coin_price, UNIT as f64));
        for (perpetual, price) in scenario.prices() {
            run.market.set_mark(instrument(perpetual), microticks(price));
        }
        if scenario.backstop > 0.0 {
            let amount = units(scenario.backstop, UNIT as f64);
            let depositor = run.market.open();
            run.market.deposit(depositor, QUOTE, amount);
            let deposited = run.market.deposit_backstop(depositor, amount.unsigned_abs());
            deposited.map_err(|rejection| run.failed(format!("backstop: {rejection}")))?;
        }
        if scenario.keepers > 0.0 {
            let keeper = run.market.open();
            run.market.deposit(keeper, QUOTE, units(scenario.keepers, UNIT as f64));
            run.keeper = Some(keeper);
        }
        for group in 0..scenario.accounts.len() {
            run.open_group(group)?;
        }
        Ok(run)
    }

    fn failed(&self, reason: String) -> BenchError {
        BenchError::Scenario { name: self.scenario.name.clone(), reason }
    }

    /// Opens the accounts of a group with what they hold and their positions.
    fn open_group(&mut self, index: usize) -> Result<(), BenchError> {
        let group = &self.scenario.accounts[index];
        let mut accounts = Vec::with_capacity(group.count as usize);
        for _ in 0..group.count {
            let account = self.market.open();
            for (asset, amount) in [(QUOTE, units(group.quote, UNIT as f64)), (COIN, units(group.coin, COIN_UNIT))] {
                if amount > 0 {
                    self.market.deposit(account, asset, amount);
                }
            }
            for position in &group.positions {
                let price = self.scenario.price(position.perpetual);
                let ticks = Ticks::try_from(microticks(price) / 1_000_000).unwrap_or(Ticks::MAX);
                let (buyer, seller) = if position.lots > 0 { (account, self.maker) } else { (self.maker, account) };
                let lots = position.lots.unsigned_abs();
                let traded = self.market.trade(buyer, seller, instrument(position.perpetual), lots, ticks, false);
                traded.map_err(|rejection| {
                    let place = format!("accounts[{index}] ({}), perpetual {}", group.name, position.perpetual);
                    self.failed(format!("{place}: expected margin for {} lots, {rejection}", position.lots))
                })?;
            }
            accounts.push(account);
        }
        self.groups.push(accounts);
        Ok(())
    }

    /// One block.
    fn step(&mut self, index: usize, step: &Step) -> Result<ScenarioStep, BenchError> {
        let before = self.totals;
        self.market.next_block(step.seconds);
        self.seconds += step.seconds;
        if step.is_outage {
            return Ok(self.told(index, step, &before));
        }
        if let Some(price) = step.coin {
            self.market.set_coin_price(units(price, UNIT as f64));
        }
        for (perpetual, price) in &step.prices {
            self.market.set_mark(instrument(*perpetual), microticks(*price));
        }
        for perpetual in self.market.perpetuals() {
            self.quote(perpetual, step.is_maker_away);
        }
        for _ in 0..SWEEPS_A_STEP {
            self.market.sweep();
            self.note_events();
        }
        self.keep();
        if let Err(incomplete) = self.market.check() {
            return Err(self.failed(format!("step {index}: the block is not complete: {incomplete}")));
        }
        if let Err(reason) = self.market.audit() {
            return Err(self.failed(format!("step {index}: {reason}")));
        }
        Ok(self.told(index, step, &before))
    }

    fn mark(&mut self, perpetual: InstrumentId) -> u64 {
        self.market.force(|market| Ok(market.records().get::<Prices>(perpetual)?.mark))
    }

    fn note_events(&mut self) {
        let events = std::mem::take(&mut self.market.events);
        events.iter().for_each(|event| self.totals.note(event));
    }

    /// Renews the maker's quotes around the mark.
    fn quote(&mut self, perpetual: InstrumentId, is_away: bool) {
        // It has orders in the book, or none; both are well.
        let _ = self.market.cancel_all(self.maker, perpetual);
        let book = &self.scenario.book;
        if is_away || book.levels == 0 {
            return;
        }
        let mark = (self.mark(perpetual) / 1_000_000) as i64;
        for level in 1..=i64::from(book.levels) {
            let distance = (mark * level * i64::from(book.spacing_ppm) / 1_000_000).max(level);
            for (side, ticks) in [(Side::Buy, mark - distance), (Side::Sell, mark + distance)] {
                if let Ok(ticks) = Ticks::try_from(ticks)
                    && ticks > 0
                {
                    // What the market refuses (no margin, too many orders) is not in the book.
                    let _ = self.market.place(self.maker, perpetual, side, book.lots, ticks);
                    self.note_events();
                }
            }
        }
    }

    /// Keepers take what is in auctions, as far as their margin goes.
    fn keep(&mut self) {
        let Some(keeper) = self.keeper else { return };
        let auctioned: Vec<AccountId> = self.groups.iter().flatten().copied().collect();
        for account in auctioned {
            if self.market.status(account) != AccountStatus::Auctioned {
                continue;
            }
            for perpetual in self.market.perpetuals() {
                // An auction without anything in this instrument is none.
                let _ = self.market.take_auction(keeper, account, perpetual, u64::MAX >> 24);
                self.note_events();
            }
        }
    }

    fn told(&mut self, index: usize, step: &Step, before: &Totals) -> ScenarioStep {
        let now = self.totals;
        let perpetuals = self.market.perpetuals();
        let prices: Vec<f64> = perpetuals.map(|perpetual| self.mark(perpetual) as f64 / MICROTICKS_OF_UNIT).collect();
        let bad_debt = self.bad_debt();
        ScenarioStep {
            step: index as u64 + 1,
            seconds: self.seconds,
            is_outage: step.is_outage,
            prices,
            queued: now.queued - before.queued,
            recovered: now.recovered - before.recovered,
            waiting: self.market.waiting(),
            book_lots: now.book_lots - before.book_lots,
            auction_lots: now.auction_lots - before.auction_lots,
            backstop_lots: now.backstop_lots - before.backstop_lots,
            deleveraged_lots: now.deleveraged_lots - before.deleveraged_lots,
            bad_debt: report::quote(bad_debt),
            insurance: report::quote(self.market.balance(INSURANCE, QUOTE)),
            insurance_paid: report::quote(now.insurance_paid as Amount),
            deleveraged: report::quote(now.deleveraged as Amount),
            socialised: report::quote(now.socialised as Amount),
        }
    }

    /// What accounts owe beyond all that they have, and nobody has paid yet.
    fn bad_debt(&mut self) -> Amount {
        let accounts: Vec<AccountId> = self.groups.iter().flatten().copied().collect();
        accounts.into_iter().map(|account| -self.market.health(account).equity.min(0)).sum()
    }

    fn report(mut self, steps: Vec<ScenarioStep>) -> ScenarioReport {
        let mut groups = Vec::new();
        for (group, accounts) in self.scenario.accounts.iter().zip(std::mem::take(&mut self.groups)) {
            let equity: Amount = accounts.iter().map(|account| self.market.health(*account).equity).sum();
            let is_waiting = |account: &&AccountId| self.market.status(**account) != AccountStatus::Healthy;
            let waiting = accounts.iter().filter(is_waiting).count() as u64;
            let equity = report::quote(equity);
            groups.push(report::GroupEnd { name: group.name.clone(), count: group.count.into(), equity, waiting });
        }
        let totals = self.totals;
        ScenarioReport {
            name: self.scenario.name.clone(),
            accounts: self.scenario.accounts.iter().map(|group| u64::from(group.count)).sum(),
            queued: totals.queued,
            recovered: totals.recovered,
            waiting: self.market.waiting(),
            insurance_paid: report::quote(totals.insurance_paid as Amount),
            deleveraged: report::quote(totals.deleveraged as Amount),
            socialised: report::quote(totals.socialised as Amount),
            bad_debt_left: steps.last().map_or(0.0, |step| step.bad_debt),
            groups,
            steps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../examples/market/gap.json");

    #[test]
    fn the_example_liquidates_and_somebody_pays() {
        let scenario = parse_scenario("gap.json", EXAMPLE).expect("the example is a scenario");
        let report = run_scenario(&scenario).expect("it runs");
        assert!(report.queued > 0, "the gap brings accounts below maintenance");
        assert_eq!(report.steps.len(), scenario.path.len());
        let again = run_scenario(&scenario).expect("it runs again");
        assert_eq!(report, again, "a scenario has one outcome");
        let text = report.to_string();
        assert!(text.contains("insurance") && report.chart().ends_with("</svg>\n"), "{text}");
    }

    #[test]
    fn scenarios_are_checked() {
        let rows = [
            ("no JSON", "{", "EOF"),
            ("unknown field", r#"{"name": "x", "perpetuals": 1, "path": [], "x": 1}"#, "unknown field"),
            ("no perpetual", r#"{"name": "x", "perpetuals": 0, "path": [{"seconds": 1}]}"#, "perpetuals"),
            ("no path", r#"{"name": "x", "perpetuals": 1, "path": []}"#, "path"),
            (
                "a price of nothing",
                r#"{"name": "x", "perpetuals": 1, "path": [{"seconds": 1, "prices": {"2": 1}}]}"#,
                "path[0].prices",
            ),
            (
                "a negative price",
                r#"{"name": "x", "perpetuals": 1, "path": [{"seconds": 1, "prices": {"1": -1}}]}"#,
                "path[0].prices",
            ),
            (
                "too large a position",
                r#"{"name": "x", "perpetuals": 1, "path": [{"seconds": 1}], "accounts": [{"name": "a", "count": 1, "quote": 1, "positions": [{"perpetual": 1, "lots": 1000}]}]}"#,
                "margin for 1000 lots",
            ),
        ];
        for (name, text, expected) in rows {
            let result = parse_scenario("file", text).and_then(|scenario| run_scenario(&scenario));
            let error = result.expect_err(name).to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }
}
