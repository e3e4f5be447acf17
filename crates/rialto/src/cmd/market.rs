//! `rialto market`: the market of a running node, for whoever looks and for its operator; and simulations without a node.

use crate::cmd::{market_operate, market_show, market_simulate};
use crate::market_client::ClientArgs;
use crate::{CliError, Verdict};
use clap::{Args, Subcommand};
use std::io::Write;

/// Look at a chain's market, operate it, or simulate one
///
/// All but `simulate` ask a node by JSON-RPC, which has to serve the namespaces eth and market. What changes the market is signed here
/// with --private-key-file, or printed as a transaction to be signed elsewhere. Whatever the operator changes waits for the time lock,
/// except for restricting an instrument.
#[derive(Args, Debug)]
pub struct MarketArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    command: MarketCommand,
}

#[derive(Debug, Subcommand)]
enum MarketCommand {
    /// Instruments with their prices
    Instruments(market_show::InstrumentsArgs),
    /// The best levels of an instrument's book
    Book(market_show::BookArgs),
    /// An account: balances, positions, margin
    Account(market_show::AccountArgs),
    /// An instrument's parameters with their bounds
    Parameters(market_show::ParametersArgs),
    /// The operator, the time lock and the proposals that wait
    Proposals(market_show::ProposalsArgs),
    /// Accounts that wait for liquidation
    Liquidations(market_show::LiquidationsArgs),
    /// Propose to list an instrument
    List(market_operate::ListArgs),
    /// Propose to change parameters, a status, the time lock or the signers of prices
    #[command(subcommand)]
    Propose(market_operate::ProposeCommand),
    /// Execute a proposal whose time lock is over; anyone may
    Execute(market_operate::ExecuteArgs),
    /// Take a proposal back
    Cancel(market_operate::CancelArgs),
    /// Restrict an instrument at once: reduce-only or halted
    Restrict(market_operate::RestrictArgs),
    /// Replay a path of prices on accounts of a scenario file and report liquidations and losses
    Simulate(market_simulate::SimulateArgs),
}

/// Runs the command.
pub fn run(args: &MarketArgs, out: &mut dyn Write) -> Result<Verdict, CliError> {
    let client = &args.client;
    match &args.command {
        MarketCommand::Instruments(args) => market_show::instruments(client, args, out),
        MarketCommand::Book(args) => market_show::book(client, args, out),
        MarketCommand::Account(args) => market_show::account(client, args, out),
        MarketCommand::Parameters(args) => market_show::parameters(client, args, out),
        MarketCommand::Proposals(args) => market_show::proposals(client, args, out),
        MarketCommand::Liquidations(args) => market_show::liquidations(client, args, out),
        MarketCommand::List(args) => market_operate::list(client, args, out),
        MarketCommand::Propose(command) => market_operate::propose(client, command, out),
        MarketCommand::Execute(args) => market_operate::execute(client, args, out),
        MarketCommand::Cancel(args) => market_operate::cancel(client, args, out),
        MarketCommand::Restrict(args) => market_operate::restrict(client, args, out),
        MarketCommand::Simulate(args) => return market_simulate::run(args, client.json, out),
    }
    .map(|()| Verdict::Passed)
}
