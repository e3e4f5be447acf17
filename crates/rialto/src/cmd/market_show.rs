//! `rialto market instruments`, `book`, `account`, `parameters`, `proposals`, `liquidations`: what is, as tables.

use crate::CliError;
use crate::market_client::{ClientArgs, MarketClient};
use crate::table::Table;
use alloy_primitives::hex;
use alloy_sol_types::SolInterface;
use clap::Args;
use rialto_market::abi::IMarketActions::IMarketActionsCalls;
use serde_json::{Value, json};
use std::io::Write;

/// Arguments of `rialto market instruments`.
#[derive(Args, Debug)]
pub struct InstrumentsArgs {
    /// At this block: a number in hex, a tag or a hash
    #[arg(long, default_value = "latest", value_name = "BLOCK")]
    block: String,
}

/// Arguments of `rialto market book`.
#[derive(Args, Debug)]
pub struct BookArgs {
    /// The instrument's number
    #[arg(value_name = "INSTRUMENT")]
    instrument: u16,
    /// Levels of each side
    #[arg(long, default_value_t = 10, value_name = "N")]
    depth: u32,
    /// At this block: a number in hex, a tag or a hash
    #[arg(long, default_value = "latest", value_name = "BLOCK")]
    block: String,
}

/// Arguments of `rialto market account`.
#[derive(Args, Debug)]
pub struct AccountArgs {
    /// The account's number, or OWNER or OWNER/NUMBER with the owner's address
    #[arg(value_name = "ACCOUNT")]
    account: String,
    /// At this block: a number in hex, a tag or a hash
    #[arg(long, default_value = "latest", value_name = "BLOCK")]
    block: String,
}

/// Arguments of `rialto market parameters`.
#[derive(Args, Debug)]
pub struct ParametersArgs {
    /// The instrument's number
    #[arg(value_name = "INSTRUMENT")]
    instrument: u16,
}

/// Arguments of `rialto market proposals`.
#[derive(Args, Debug)]
pub struct ProposalsArgs {}

/// Arguments of `rialto market liquidations`.
#[derive(Args, Debug)]
pub struct LiquidationsArgs {
    /// Most accounts
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: u32,
}

/// A field as text; what is no string is shown as JSON.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| if value.is_null() { "-".to_string() } else { value.to_string() }, str::to_string)
}

/// Micro-ticks as ticks.
fn ticks(value: &Value) -> String {
    match value.as_str().and_then(|text| text.parse::<u64>().ok()) {
        None | Some(0) => "-".to_string(),
        Some(micro) => {
            let fraction = format!("{:06}", micro % 1_000_000);
            let fraction = fraction.trim_end_matches('0');
            let point = if fraction.is_empty() { "" } else { "." };
            format!("{}{point}{fraction}", micro / 1_000_000)
        }
    }
}

/// A quantity in hex as a decimal number.
pub(super) fn decimal(value: &Value) -> String {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    digits
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .map_or_else(|| text(value), |number| number.to_string())
}

fn rows(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Prints the answer as it is, or what `show` makes of it.
fn print(
    client: &ClientArgs,
    answer: &Value,
    out: &mut dyn Write,
    show: impl FnOnce(&mut dyn Write) -> Result<(), CliError>,
) -> Result<(), CliError> {
    if client.json {
        writeln!(out, "{answer}")?;
        return Ok(());
    }
    show(out)
}

/// `rialto market instruments`
pub fn instruments(client: &ClientArgs, args: &InstrumentsArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let answer = MarketClient::open(client)?.request("market_instruments", json!([null, args.block]))?;
    print(client, &answer, out, |out| {
        let mut table = Table::new(&[
            "id",
            "kind",
            "status",
            "mark",
            "index",
            "last",
            "open lots",
            "initial ppm",
            "maintenance ppm",
        ]);
        for item in rows(&answer) {
            let (prices, margin) = (&item["prices"], &item["margin"]);
            table.row([
                text(&item["instrument"]),
                text(&item["kind"]),
                text(&item["status"]),
                ticks(&prices["markMicroticks"]),
                ticks(&prices["indexMicroticks"]),
                text(&prices["lastTicks"]),
                text(&prices["openLots"]),
                text(&margin["initialPpm"]),
                text(&margin["maintenancePpm"]),
            ]);
        }
        Ok(write!(out, "{table}")?)
    })
}

/// `rialto market book`
pub fn book(client: &ClientArgs, args: &BookArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let params = json!([args.instrument, args.depth, args.block]);
    let answer = MarketClient::open(client)?.request("market_book", params)?;
    print(client, &answer, out, |out| {
        let (bids, asks) = (rows(&answer["bids"]), rows(&answer["asks"]));
        let mut table = Table::new(&["bid lots", "bid", "ask", "ask lots"]);
        for place in 0..bids.len().max(asks.len()) {
            let cell = |side: &[Value], at: usize| side.get(place).map_or(String::new(), |level| text(&level[at]));
            table.row([cell(bids, 1), cell(bids, 0), cell(asks, 0), cell(asks, 1)]);
        }
        writeln!(out, "block {}, checksum {}", decimal(&answer["blockNumber"]), text(&answer["checksum"]))?;
        Ok(write!(out, "{table}")?)
    })
}

/// The account as the node takes it.
fn account_name(text: &str) -> Result<Value, CliError> {
    if text.starts_with("0x") && text.len() >= 42 {
        let (owner, number) = text.split_once('/').unwrap_or((text, "0"));
        return Ok(json!({ "owner": owner, "number": number }));
    }
    let number = text.parse::<u32>();
    number.map(Value::from).map_err(|_| CliError::argument("ACCOUNT", text, "a number, OWNER or OWNER/NUMBER"))
}

/// `rialto market account`
pub fn account(client: &ClientArgs, args: &AccountArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let mut node = MarketClient::open(client)?;
    let name = account_name(&args.account)?;
    let account = node.request("market_account", json!([name, args.block]))?;
    let margin = node.request("market_margin", json!([name, args.block]))?;
    let answer = json!({ "account": account, "margin": margin });
    print(client, &answer, out, |out| {
        writeln!(
            out,
            "account {} of {}, number {}",
            text(&account["account"]),
            text(&account["owner"]),
            text(&account["number"])
        )?;
        writeln!(
            out,
            "margin {}, status {}, {} orders",
            text(&account["marginMode"]),
            text(&account["status"]),
            text(&account["orders"])
        )?;
        writeln!(
            out,
            "equity {}, initial {}, maintenance {}\n",
            text(&margin["equity"]),
            text(&margin["initial"]),
            text(&margin["maintenance"])
        )?;
        let mut balances = Table::new(&["asset", "amount", "value"]);
        for item in rows(&margin["assets"]) {
            balances.row([text(&item["asset"]), text(&item["amount"]), text(&item["value"])]);
        }
        write!(out, "{balances}")?;
        let mut positions = Table::new(&["instrument", "lots", "cost", "mark", "unrealised", "bid lots", "ask lots"]);
        for item in rows(&account["positions"]) {
            let mark = ticks(&item["markMicroticks"]);
            let field = |name: &str| text(&item[name]);
            positions.row([
                field("instrument"),
                field("lots"),
                field("cost"),
                mark,
                field("unrealised"),
                field("bidLots"),
                field("askLots"),
            ]);
        }
        Ok(write!(out, "\n{positions}")?)
    })
}

/// `rialto market parameters`
pub fn parameters(client: &ClientArgs, args: &ParametersArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let mut node = MarketClient::open(client)?;
    let answer = node.request("market_parameters", json!([args.instrument]))?;
    let operator = node.request("market_operator", json!([]))?;
    print(client, &answer, out, |out| {
        let mut table = Table::new(&["parameter", "value", "default", "least", "most"]);
        for row in rows(&answer["parameters"]) {
            table.row(["name", "value", "default", "least", "most"].map(|field| text(&row[field])));
        }
        write!(out, "{table}")?;
        Ok(writeln!(out, "\nA change waits {} s.", text(&operator["timelockSeconds"]))?)
    })
}

/// `rialto market proposals`
pub fn proposals(client: &ClientArgs, _: &ProposalsArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let answer = MarketClient::open(client)?.request("market_operator", json!([]))?;
    print(client, &answer, out, |out| {
        writeln!(out, "operator {}, time lock {} s", text(&answer["operator"]), text(&answer["timelockSeconds"]))?;
        writeln!(out, "{} signers of prices, {} needed\n", text(&answer["signers"]), text(&answer["quorum"]))?;
        let mut table = Table::new(&["proposal", "executable at", "now", "action"]);
        for row in rows(&answer["proposals"]) {
            let now = if row["isExecutable"] == true { "yes" } else { "no" };
            let at = decimal(&row["executableAt"]);
            table.row([text(&row["proposal"]), at, now.to_string(), action_text(&text(&row["action"]))]);
        }
        Ok(write!(out, "{table}")?)
    })
}

/// What an action does, in words.
pub(super) fn action_text(action: &str) -> String {
    let call = hex::decode(action).ok().and_then(|bytes| IMarketActionsCalls::abi_decode_validate(&bytes).ok());
    let Some(call) = call else { return action.to_string() };
    let settings = |settings: &[rialto_market::abi::IMarketActions::Setting]| {
        settings.iter().map(|it| format!("{}={}", it.name, it.value)).collect::<Vec<_>>().join(" ")
    };
    match call {
        IMarketActionsCalls::setInstrument(it) => format!("instrument {}: {}", it.instrument, settings(&it.settings)),
        IMarketActionsCalls::setAsset(it) => format!("asset {}: {}", it.asset, settings(&it.settings)),
        IMarketActionsCalls::setStatus(it) => format!("instrument {}: status {}", it.instrument, it.status),
        IMarketActionsCalls::setTimelock(it) => format!("time lock {} s", it.timelockSeconds),
        IMarketActionsCalls::setSigners(it) => format!("{} signers, {} needed", it.signers.len(), it.quorum),
        IMarketActionsCalls::listInstrument(it) => {
            let kind =
                ["unlisted", "spot", "perpetual", "option"].get(usize::from(it.terms.kind)).unwrap_or(&"unknown");
            format!("list {kind} on feed {}: {}", it.terms.feed, settings(&it.terms.settings))
        }
        IMarketActionsCalls::listAsset(it) => format!("list asset {}: {}", it.token, settings(&it.settings)),
        IMarketActionsCalls::listFeed(it) => format!("list feed with {} decimals", it.terms.decimals),
        IMarketActionsCalls::setFeed(it) => format!("change feed {}", it.feed),
        IMarketActionsCalls::several(it) => {
            it.actions.iter().map(|action| action_text(&hex::encode_prefixed(action))).collect::<Vec<_>>().join("; ")
        }
    }
}

/// `rialto market liquidations`
pub fn liquidations(client: &ClientArgs, args: &LiquidationsArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let answer = MarketClient::open(client)?.request("market_liquidations", json!([{ "limit": args.limit }]))?;
    print(client, &answer, out, |out| {
        writeln!(out, "{} accounts wait", text(&answer["waiting"]))?;
        let mut table = Table::new(&["account", "status", "equity", "maintenance", "auction since block"]);
        for row in rows(&answer["queue"]) {
            let since = decimal(&row["auctionBlock"]);
            table.row([
                text(&row["account"]),
                text(&row["status"]),
                text(&row["equity"]),
                text(&row["maintenance"]),
                since,
            ]);
        }
        Ok(write!(out, "{table}")?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::I256;
    use alloy_sol_types::SolCall;
    use rialto_market::abi::IMarketActions::{Setting, setInstrumentCall, setTimelockCall};

    #[test]
    fn prices_are_shown_in_ticks() {
        let rows = [("0", "-"), ("1", "0.000001"), ("1500000", "1.5"), ("2000000", "2"), ("x", "-")];
        for (micro, expected) in rows {
            assert_eq!(ticks(&json!(micro)), expected, "{micro}");
        }
    }

    #[test]
    fn accounts_are_named_by_number_or_owner() {
        let owner = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";
        let rows = [
            ("16".to_string(), Some(json!(16))),
            (owner.to_string(), Some(json!({ "owner": owner, "number": "0" }))),
            (format!("{owner}/2"), Some(json!({ "owner": owner, "number": "2" }))),
            ("x".to_string(), None),
        ];
        for (given, expected) in rows {
            assert_eq!(account_name(&given).ok(), expected, "{given}");
        }
    }

    #[test]
    fn actions_are_told_in_words() {
        let setting = Setting { name: "takerFeePpm".into(), value: I256::try_from(500).expect("small") };
        let rows = [
            (
                setInstrumentCall { instrument: 2, settings: vec![setting] }.abi_encode(),
                "instrument 2: takerFeePpm=500",
            ),
            (setTimelockCall { timelockSeconds: 60 }.abi_encode(), "time lock 60 s"),
            (vec![1, 2, 3], "0x010203"),
        ];
        for (action, expected) in rows {
            assert_eq!(action_text(&hex::encode_prefixed(action)), expected);
        }
    }
}
