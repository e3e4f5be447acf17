//! What a scenario comes to: tables, JSON and a chart.

use crate::chart::{Chart, Series};
use crate::table::Table;
use rialto_market::testing::UNIT;
use rialto_market::types::Amount;
use serde::Serialize;
use std::fmt;

/// Columns of the chart that get a name.
const NAMED_COLUMNS: usize = 12;
/// Steps in the table that is printed; of a longer path those in which something happened, and the last.
const SHOWN_STEPS: usize = 60;

/// Quote base units as quote units.
pub(super) fn quote(amount: Amount) -> f64 {
    amount as f64 / UNIT as f64
}

/// The end of a scenario and the way to it. Amounts are quote units.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScenarioReport {
    /// What it is called.
    pub name: String,
    /// Accounts besides the market's own, the maker's and the keepers'.
    pub accounts: u64,
    /// How often an account was queued for liquidation.
    pub queued: u64,
    /// How often one's liquidation ended.
    pub recovered: u64,
    /// Accounts that still wait.
    pub waiting: u64,
    /// What the insurance fund paid.
    pub insurance_paid: f64,
    /// What winners gave up.
    pub deleveraged: f64,
    /// What all who hold the quote asset lost.
    pub socialised: f64,
    /// What accounts owe in the end beyond what they have.
    pub bad_debt_left: f64,
    /// The groups of accounts in the end.
    pub groups: Vec<GroupEnd>,
    /// Block by block.
    pub steps: Vec<ScenarioStep>,
}

/// A group of accounts in the end.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupEnd {
    /// Name of the group.
    pub name: String,
    /// Its accounts.
    pub count: u64,
    /// What they are worth together.
    pub equity: f64,
    /// Those that wait for liquidation.
    pub waiting: u64,
}

/// A block of a scenario. Amounts are quote units; those that were paid are sums since the beginning.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ScenarioStep {
    /// Number, from 1.
    pub step: u64,
    /// Since the beginning.
    pub seconds: u64,
    /// Whether no prices came.
    pub is_outage: bool,
    /// Marks of the perpetuals.
    pub prices: Vec<f64>,
    /// Accounts that fell below maintenance.
    pub queued: u64,
    /// Accounts whose liquidation ended.
    pub recovered: u64,
    /// Accounts that wait.
    pub waiting: u64,
    /// Lots that liquidations sold or bought through the book.
    pub book_lots: u64,
    /// Lots that keepers took.
    pub auction_lots: u64,
    /// Lots that the backstop pool took.
    pub backstop_lots: u64,
    /// Lots that were closed against winners.
    pub deleveraged_lots: u64,
    /// What accounts owe beyond what they have, and nobody has paid yet.
    pub bad_debt: f64,
    /// The insurance fund.
    pub insurance: f64,
    /// What it has paid.
    pub insurance_paid: f64,
    /// What winners gave up.
    pub deleveraged: f64,
    /// What all lost.
    pub socialised: f64,
}

impl ScenarioStep {
    fn is_quiet(&self) -> bool {
        self.queued + self.recovered + self.waiting == 0 && self.bad_debt == 0.0 && !self.is_outage
    }

    fn cells(&self) -> Vec<String> {
        let money = |value: f64| if value == 0.0 { "-".to_string() } else { format!("{value:.2}") };
        let count = |value: u64| if value == 0 { "-".to_string() } else { value.to_string() };
        let price = self.prices.first().map_or(String::new(), |price| format!("{price:.1}"));
        vec![
            if self.is_outage { format!("{} outage", self.step) } else { self.step.to_string() },
            self.seconds.to_string(),
            price,
            count(self.queued),
            count(self.recovered),
            count(self.waiting),
            count(self.book_lots),
            count(self.auction_lots),
            count(self.backstop_lots),
            count(self.deleveraged_lots),
            money(self.bad_debt),
            money(self.insurance),
            money(self.insurance_paid),
            money(self.deleveraged),
            money(self.socialised),
        ]
    }
}

impl fmt::Display for ScenarioReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = [
            "block",
            "seconds",
            "price 1",
            "queued",
            "ended",
            "waiting",
            "book",
            "auction",
            "backstop",
            "ADL",
            "bad debt",
            "insurance",
            "paid",
            "ADL paid",
            "socialised",
        ];
        let mut steps =
            Table::new("Blocks (lots by stage; amounts in quote units, payments since the beginning)", &columns);
        let is_long = self.steps.len() > SHOWN_STEPS;
        let shown = |step: &&ScenarioStep| !is_long || !step.is_quiet() || step.step == self.steps.len() as u64;
        steps.rows = self.steps.iter().filter(shown).map(ScenarioStep::cells).collect();
        let mut groups = Table::new("Accounts in the end", &["group", "accounts", "waiting", "equity"]);
        for group in &self.groups {
            let cells = [group.count.to_string(), group.waiting.to_string(), format!("{:.2}", group.equity)];
            groups.rows.push([vec![group.name.clone()], cells.to_vec()].concat());
        }
        writeln!(f, "{}: {} accounts\n", self.name, self.accounts)?;
        writeln!(f, "{}\n{}", steps.text(), groups.text())?;
        writeln!(f, "liquidations {}, ended {}, waiting {}", self.queued, self.recovered, self.waiting)?;
        writeln!(
            f,
            "losses paid by insurance {:.2}, by deleveraging {:.2}, by all {:.2}; bad debt left {:.2}",
            self.insurance_paid, self.deleveraged, self.socialised, self.bad_debt_left
        )
    }
}

impl ScenarioReport {
    /// Price, accounts that wait and who paid, over the blocks: an SVG document. Everything is in percent of its own highest value,
    /// which the legend has.
    pub fn chart(&self) -> String {
        let every = self.steps.len().div_ceil(NAMED_COLUMNS).max(1);
        let name = |(index, step): (usize, &ScenarioStep)| match index.is_multiple_of(every) {
            true => step.seconds.to_string(),
            false => String::new(),
        };
        let line = |label: &str, value: &dyn Fn(&ScenarioStep) -> f64, is_dashed: bool| {
            let highest = self.steps.iter().map(value).fold(0.0, f64::max);
            let percent = |step: &ScenarioStep| (highest > 0.0).then(|| 100.0 * value(step) / highest);
            Series {
                name: format!("{label}, at most {highest:.0}"),
                values: self.steps.iter().map(percent).collect(),
                is_dashed,
            }
        };
        Chart {
            title: format!("{}: percent of the highest value of each", self.name),
            x_name: "seconds".into(),
            y_name: "percent".into(),
            columns: self.steps.iter().enumerate().map(name).collect(),
            series: vec![
                line("price 1", &|step| step.prices.first().copied().unwrap_or_default(), true),
                line("waiting", &|step| step.waiting as f64, false),
                line("bad debt", &|step| step.bad_debt, false),
                line("insurance fund", &|step| step.insurance, false),
                line("deleveraged", &|step| step.deleveraged, false),
                line("socialised", &|step| step.socialised, false),
            ],
        }
        .svg()
    }
}
