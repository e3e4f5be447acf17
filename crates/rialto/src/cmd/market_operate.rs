//! `rialto market list`, `propose`, `execute`, `cancel`, `restrict`: what the operator does.
//!
//! What a proposal would change is shown beside the present values and their bounds before it is sent. A proposal's action is part of
//! its event, so that executing it takes no more than its number.

use super::market_show::{action_text, decimal};
use crate::CliError;
use crate::market_client::{ClientArgs, MarketClient, SignerArgs};
use crate::table::Table;
use alloy_primitives::{Address, Bytes, I256, hex};
use alloy_sol_types::{SolCall, SolEvent};
use clap::{Args, Subcommand, ValueEnum};
use rialto_market::MARKET_ADDRESS;
use rialto_market::abi::IMarket::{self, Proposed};
use rialto_market::abi::IMarketActions::{
    InstrumentTerms, Setting, listInstrumentCall, setAssetCall, setInstrumentCall, setSignersCall, setStatusCall,
    setTimelockCall,
};
use serde_json::{Value, json};
use std::io::Write;

/// Arguments of `rialto market list`.
#[derive(Args, Debug)]
pub struct ListArgs {
    /// What is traded
    #[arg(long, value_name = "KIND")]
    kind: Kind,
    /// Feed of the index price; of an option, of the yearly volatility
    #[arg(long, value_name = "FEED")]
    feed: u16,
    /// Base asset of a spot pair
    #[arg(long, default_value_t = 0, value_name = "ASSET")]
    base: u16,
    /// Quote base units of one lot that moves by one tick
    #[arg(long, value_name = "UNITS")]
    tick_value: u64,
    /// Base units of the base asset, or units of 1e-18 of the underlying, in one lot
    #[arg(long, value_name = "UNITS")]
    lot_size: u128,
    /// Instrument whose index an option is on
    #[arg(long, default_value_t = 0, value_name = "INSTRUMENT")]
    underlying: u16,
    /// When an option expires, Unix time in seconds
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    expiry: u64,
    /// An option's strike
    #[arg(long, default_value_t = 0, value_name = "TICKS")]
    strike: u32,
    /// The option is a call
    #[arg(long)]
    call: bool,
    /// Parameters other than their defaults; `rialto market parameters` lists them
    #[arg(value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, i64)>,
    #[command(flatten)]
    signer: SignerArgs,
}

/// Kinds of instruments.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    /// The base asset against the quote asset, delivered at once
    Spot,
    /// A linear perpetual future
    Perpetual,
    /// A European option, settled in the quote asset
    Option,
}

/// What may be done with an instrument.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Status {
    /// Everything
    Active,
    /// Orders may be cancelled and positions reduced
    ReduceOnly,
    /// Orders may be cancelled
    Halted,
}

/// What is proposed.
#[derive(Debug, Subcommand)]
pub enum ProposeCommand {
    /// Parameters of an instrument
    Set(SetArgs),
    /// Parameters of an asset
    SetAsset(SetAssetArgs),
    /// The status of an instrument
    Status(StatusArgs),
    /// The time that proposals wait
    Timelock(TimelockArgs),
    /// Who signs prices
    Signers(SignersArgs),
    /// Any action, as the call data of a function of IMarketActions
    Action(ActionArgs),
}

/// Arguments of `rialto market propose set`.
#[derive(Args, Debug)]
pub struct SetArgs {
    /// The instrument's number
    #[arg(value_name = "INSTRUMENT")]
    instrument: u16,
    /// Parameters and their values
    #[arg(value_name = "NAME=VALUE", value_parser = setting, required = true)]
    settings: Vec<(String, i64)>,
    #[command(flatten)]
    signer: SignerArgs,
}

/// Arguments of `rialto market propose set-asset`.
#[derive(Args, Debug)]
pub struct SetAssetArgs {
    /// The asset's number
    #[arg(value_name = "ASSET")]
    asset: u16,
    /// Parameters and their values
    #[arg(value_name = "NAME=VALUE", value_parser = setting, required = true)]
    settings: Vec<(String, i64)>,
    #[command(flatten)]
    signer: SignerArgs,
}

/// Arguments of `rialto market propose status`.
#[derive(Args, Debug)]
pub struct StatusArgs {
    /// The instrument's number
    #[arg(value_name = "INSTRUMENT")]
    instrument: u16,
    /// The status
    #[arg(value_name = "STATUS")]
    status: Status,
    #[command(flatten)]
    signer: SignerArgs,
}

/// Arguments of `rialto market propose timelock`.
#[derive(Args, Debug)]
pub struct TimelockArgs {
    /// Seconds
    #[arg(value_name = "SECONDS")]
    seconds: u32,
    #[command(flatten)]
    signer: SignerArgs,
}

/// Arguments of `rialto market propose signers`.
#[derive(Args, Debug)]
pub struct SignersArgs {
    /// How many of them have to sign
    #[arg(long, value_name = "N")]
    quorum: u8,
    /// Their addresses
    #[arg(value_name = "ADDRESS", required = true)]
    signers: Vec<Address>,
    #[command(flatten)]
    signer: SignerArgs,
}

/// Arguments of `rialto market propose action`.
#[derive(Args, Debug)]
pub struct ActionArgs {
    /// The call data in hex
    #[arg(value_name = "HEX")]
    action: Bytes,
    #[command(flatten)]
    signer: SignerArgs,
}

/// Arguments of `rialto market execute`.
#[derive(Args, Debug)]
pub struct ExecuteArgs {
    /// The proposal's number
    #[arg(value_name = "PROPOSAL")]
    proposal: u64,
    #[command(flatten)]
    signer: SignerArgs,
}

/// Arguments of `rialto market cancel`.
#[derive(Args, Debug)]
pub struct CancelArgs {
    /// The proposal's number
    #[arg(value_name = "PROPOSAL")]
    proposal: u64,
    #[command(flatten)]
    signer: SignerArgs,
}

/// Arguments of `rialto market restrict`.
#[derive(Args, Debug)]
pub struct RestrictArgs {
    /// The instrument's number
    #[arg(value_name = "INSTRUMENT")]
    instrument: u16,
    /// The status
    #[arg(value_name = "STATUS")]
    status: Status,
    #[command(flatten)]
    signer: SignerArgs,
}

/// `NAME=VALUE`.
fn setting(text: &str) -> Result<(String, i64), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    let value = value.replace('_', "").parse().map_err(|_| "expected a whole number after =")?;
    Ok((name.trim().to_string(), value))
}

fn settings(given: &[(String, i64)]) -> Vec<Setting> {
    let value = |value: i64| I256::try_from(value).unwrap_or_default();
    given.iter().map(|(name, number)| Setting { name: name.clone(), value: value(*number) }).collect()
}

/// `rialto market list`
pub fn list(client: &ClientArgs, args: &ListArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let terms = InstrumentTerms {
        kind: match args.kind {
            Kind::Spot => 1,
            Kind::Perpetual => 2,
            Kind::Option => 3,
        },
        base: args.base,
        feed: args.feed,
        underlying: args.underlying,
        expirySeconds: args.expiry,
        strikeTicks: args.strike,
        isCall: args.call,
        tickValue: args.tick_value,
        lotSize: args.lot_size,
        settings: settings(&args.settings),
    };
    send_proposal(&mut Session::open(client, &args.signer, out)?, listInstrumentCall { terms }.abi_encode())
}

/// `rialto market propose`
pub fn propose(client: &ClientArgs, command: &ProposeCommand, out: &mut dyn Write) -> Result<(), CliError> {
    let (signer, action) = match command {
        ProposeCommand::Set(args) => {
            let mut session = Session::open(client, &args.signer, out)?;
            session.show_changes(args.instrument, &args.settings)?;
            let call = setInstrumentCall { instrument: args.instrument, settings: settings(&args.settings) };
            return send_proposal(&mut session, call.abi_encode());
        }
        ProposeCommand::SetAsset(args) => {
            let call = setAssetCall { asset: args.asset, settings: settings(&args.settings) };
            (&args.signer, call.abi_encode())
        }
        ProposeCommand::Status(args) => {
            let call = setStatusCall { instrument: args.instrument, status: args.status as u8 };
            (&args.signer, call.abi_encode())
        }
        ProposeCommand::Timelock(args) => {
            (&args.signer, setTimelockCall { timelockSeconds: args.seconds }.abi_encode())
        }
        ProposeCommand::Signers(args) => {
            let call = setSignersCall { signers: args.signers.clone(), quorum: args.quorum };
            (&args.signer, call.abi_encode())
        }
        ProposeCommand::Action(args) => (&args.signer, args.action.to_vec()),
    };
    send_proposal(&mut Session::open(client, signer, out)?, action)
}

/// `rialto market execute`
pub fn execute(client: &ClientArgs, args: &ExecuteArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let mut session = Session::open(client, &args.signer, out)?;
    let operator = session.node.request("market_operator", json!([]))?;
    let number = args.proposal.to_string();
    let waiting = operator["proposals"].as_array().map_or(&[][..], Vec::as_slice);
    let found = waiting.iter().find(|proposal| proposal["proposal"] == number.as_str());
    let action = found.and_then(|proposal| proposal["action"].as_str()).and_then(|action| hex::decode(action).ok());
    let action = action.ok_or_else(|| CliError::argument("PROPOSAL", &number, "a proposal that waits"))?;
    session.send(&IMarket::executeCall { proposal: args.proposal, action: action.into() }, "executed")?;
    Ok(())
}

/// `rialto market cancel`
pub fn cancel(client: &ClientArgs, args: &CancelArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let mut session = Session::open(client, &args.signer, out)?;
    session.send(&IMarket::withdrawProposalCall { proposal: args.proposal }, "cancelled")?;
    Ok(())
}

/// `rialto market restrict`
pub fn restrict(client: &ClientArgs, args: &RestrictArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let mut session = Session::open(client, &args.signer, out)?;
    let call = IMarket::restrictCall { instrument: args.instrument, status: args.status as u8 };
    session.send(&call, "restricted")?;
    Ok(())
}

/// One command: a node, whoever signs, and where it is told.
struct Session<'a> {
    node: MarketClient,
    key: Option<alloy_primitives::B256>,
    is_json: bool,
    out: &'a mut dyn Write,
}

impl<'a> Session<'a> {
    fn open(client: &ClientArgs, signer: &SignerArgs, out: &'a mut dyn Write) -> Result<Self, CliError> {
        let key = signer.key()?;
        Ok(Self { node: MarketClient::open(client)?, key, is_json: client.json, out })
    }

    /// Signs and sends a call, or prints what is to be signed; the receipt.
    fn send(&mut self, call: &impl SolCall, done: &str) -> Result<Option<Value>, CliError> {
        let Some(key) = &self.key else {
            let transaction = json!({ "to": MARKET_ADDRESS, "input": Bytes::from(call.abi_encode()) });
            writeln!(self.out, "{transaction}")?;
            return Ok(None);
        };
        let receipt = self.node.send(key, call)?;
        if self.is_json {
            writeln!(self.out, "{receipt}")?;
        } else {
            let (hash, block) = (&receipt["transactionHash"], decimal(&receipt["blockNumber"]));
            writeln!(self.out, "{done} in block {block}, transaction {}", hash.as_str().unwrap_or_default())?;
        }
        Ok(Some(receipt))
    }

    /// What settings would change, beside the present values and bounds.
    fn show_changes(&mut self, instrument: u16, settings: &[(String, i64)]) -> Result<(), CliError> {
        let answer = self.node.request("market_parameters", json!([instrument]))?;
        let known = answer["parameters"].as_array().map_or(&[][..], Vec::as_slice);
        let mut table = Table::new(&["parameter", "present", "proposed", "least", "most"]);
        for (name, value) in settings {
            let Some(row) = known.iter().find(|row| row["name"] == name.as_str()) else {
                let names: Vec<&str> = known.iter().filter_map(|row| row["name"].as_str()).collect();
                return Err(CliError::argument("NAME=VALUE", name, format!("one of {}", names.join(", "))));
            };
            let number =
                |field: &str| row[field].as_str().and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
            let (least, most) = (number("least"), number("most"));
            if !(least..=most).contains(value) {
                let given = format!("{name}={value}");
                return Err(CliError::argument("NAME=VALUE", given, format!("{least} to {most}")));
            }
            let numbers = [number("value"), *value, least, most].map(|number| number.to_string());
            table.row([vec![name.clone()], numbers.to_vec()].concat());
        }
        if !self.is_json && self.key.is_some() {
            writeln!(self.out, "{table}")?;
        }
        Ok(())
    }
}

/// Sends a proposal and tells its number and when it may be executed.
fn send_proposal(session: &mut Session<'_>, action: Vec<u8>) -> Result<(), CliError> {
    let text = action_text(&hex::encode_prefixed(&action));
    let receipt = session.send(&IMarket::proposeCall { action: action.into() }, "proposed")?;
    let Some(receipt) = receipt.filter(|_| !session.is_json) else { return Ok(()) };
    let logs = receipt["logs"].as_array().map_or(&[][..], Vec::as_slice);
    let signature = hex::encode_prefixed(Proposed::SIGNATURE_HASH);
    let log = logs.iter().find(|log| log["topics"][0] == signature.as_str());
    let Some(log) = log else { return Ok(()) };
    let number = log["topics"][1].as_str().and_then(|topic| topic.get(50..)).unwrap_or_default();
    let seconds = log["data"].as_str().and_then(|data| data.get(50..66)).unwrap_or_default();
    let read = |digits: &str| u64::from_str_radix(digits, 16).unwrap_or_default();
    writeln!(session.out, "proposal {}: {text}; executable at {} s", read(number), read(seconds))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read() {
        let rows = [
            ("takerFeePpm=500", Some(("takerFeePpm", 500))),
            ("maxLots=1_000_000", Some(("maxLots", 1_000_000))),
            ("makerFeePpm=-100", Some(("makerFeePpm", -100))),
            ("takerFeePpm", None),
            ("takerFeePpm=x", None),
            ("takerFeePpm=1.5", None),
        ];
        for (text, expected) in rows {
            let expected = expected.map(|(name, value)| (name.to_string(), value));
            assert_eq!(setting(text).ok(), expected, "{text}");
        }
    }
}
