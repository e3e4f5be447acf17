//! Scenario files.

use crate::BenchError;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Most accounts of a scenario.
const MAX_ACCOUNTS: u64 = 1_000_000;
/// Most perpetuals: as many as the maker may hold.
const MAX_PERPETUALS: u16 = 16;
/// Most steps.
const MAX_STEPS: usize = 100_000;
/// Most levels of a side of the book.
const MAX_LEVELS: u32 = 40;
/// The highest price and the largest amount, in whole units.
const MAX_UNITS: f64 = 1e9;
/// What perpetuals cost at first where nothing is said, in quote units.
const START_PRICE: f64 = 1_000.0;
/// What a coin costs at first where nothing is said.
const START_COIN: f64 = 3_000.0;

/// See `docs/market-simulate.md`. Amounts and prices are whole quote units or coins and may have decimals.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MarketScenario {
    /// What it is called.
    pub name: String,
    /// Perpetuals, numbered from 1.
    pub(super) perpetuals: u16,
    /// Prices at first, by perpetual.
    #[serde(default)]
    pub(super) start_prices: BTreeMap<u16, f64>,
    #[serde(default = "start_coin")]
    pub(super) coin_price: f64,
    /// The insurance fund.
    #[serde(default)]
    pub(super) insurance: f64,
    /// The backstop pool.
    #[serde(default)]
    pub(super) backstop: f64,
    /// What keepers have, who take auctions; none if zero.
    #[serde(default)]
    pub(super) keepers: f64,
    #[serde(default)]
    pub(super) book: Quotes,
    #[serde(default)]
    pub(super) accounts: Vec<Group>,
    /// Block by block.
    pub(super) path: Vec<Step>,
}

/// The maker's quotes on each side of each perpetual.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Quotes {
    pub levels: u32,
    /// Lots of a level.
    pub lots: u64,
    /// Distance from one level to the next, in millionths of the mark.
    pub spacing_ppm: u32,
}

/// Accounts that are alike.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Group {
    pub name: String,
    pub count: u32,
    #[serde(default)]
    pub quote: f64,
    #[serde(default)]
    pub coin: f64,
    #[serde(default)]
    pub positions: Vec<Holding>,
}

/// A position; negative lots are short.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Holding {
    pub perpetual: u16,
    pub lots: i64,
}

/// A block. Prices that are not named stay.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Step {
    pub seconds: u64,
    #[serde(default)]
    pub prices: BTreeMap<u16, f64>,
    #[serde(default)]
    pub coin: Option<f64>,
    /// No prices come, and nothing is liquidated.
    #[serde(default, rename = "outage")]
    pub is_outage: bool,
    /// The book is empty.
    #[serde(default, rename = "makerAway")]
    pub is_maker_away: bool,
}

fn start_coin() -> f64 {
    START_COIN
}

/// Reads a scenario file and checks its bounds.
pub fn parse_scenario(file: &str, text: &str) -> Result<MarketScenario, BenchError> {
    let failed = |reason: String| BenchError::File { path: file.to_string(), reason };
    let scenario: MarketScenario = serde_json::from_str(text).map_err(|error| failed(error.to_string()))?;
    scenario.check().map_err(failed)?;
    Ok(scenario)
}

impl MarketScenario {
    /// Prices at first.
    pub(super) fn prices(&self) -> impl Iterator<Item = (u16, f64)> + '_ {
        (1..=self.perpetuals).map(|perpetual| (perpetual, self.price(perpetual)))
    }

    /// A perpetual's price at first.
    pub(super) fn price(&self, perpetual: u16) -> f64 {
        self.start_prices.get(&perpetual).copied().unwrap_or(START_PRICE)
    }

    fn check(&self) -> Result<(), String> {
        let within = |field: &str, value: f64, least: f64, most: f64| match (least..=most).contains(&value) {
            true => Ok(()),
            false => Err(format!("{field}: expected {least} to {most}, found {value}")),
        };
        let prices = |field: &str, prices: &BTreeMap<u16, f64>| {
            for (perpetual, price) in prices {
                if *perpetual == 0 || *perpetual > self.perpetuals {
                    return Err(format!("{field}: expected perpetuals 1 to {}, found {perpetual}", self.perpetuals));
                }
                within(&format!("{field}.{perpetual}"), *price, 0.1, 100_000_000.0)?;
            }
            Ok(())
        };
        within("perpetuals", self.perpetuals.into(), 1.0, MAX_PERPETUALS.into())?;
        within("path", self.path.len() as f64, 1.0, MAX_STEPS as f64)?;
        within("coinPrice", self.coin_price, 0.0, MAX_UNITS)?;
        for (field, value) in [("insurance", self.insurance), ("backstop", self.backstop), ("keepers", self.keepers)] {
            within(field, value, 0.0, MAX_UNITS)?;
        }
        within("book.levels", self.book.levels.into(), 0.0, MAX_LEVELS.into())?;
        prices("startPrices", &self.start_prices)?;
        let count: u64 = self.accounts.iter().map(|group| u64::from(group.count)).sum();
        within("accounts", count as f64, 0.0, MAX_ACCOUNTS as f64)?;
        for (index, group) in self.accounts.iter().enumerate() {
            within(&format!("accounts[{index}].quote"), group.quote, 0.0, MAX_UNITS)?;
            within(&format!("accounts[{index}].coin"), group.coin, 0.0, MAX_UNITS)?;
            for holding in &group.positions {
                let field = format!("accounts[{index}].positions.perpetual");
                within(&field, holding.perpetual.into(), 1.0, self.perpetuals.into())?;
            }
        }
        for (index, step) in self.path.iter().enumerate() {
            prices(&format!("path[{index}].prices"), &step.prices)?;
            if let Some(coin) = step.coin {
                within(&format!("path[{index}].coin"), coin, 0.0, MAX_UNITS)?;
            }
        }
        Ok(())
    }
}
