//! `rialto init`: begins a chain in a data directory.

use crate::cmd::chain_summary;
use crate::node_args::node_config;
use crate::{CliError, input};
use clap::Args;
use rialto_node::{Node, NodeConfig};
use rialto_store::StoreOptions;
use std::io::Write;
use std::path::PathBuf;

/// Begin a chain: write its genesis block and state into a data directory
///
/// Does nothing if the chain is there already; a directory with another chain is an error.
#[derive(Args, Debug)]
pub struct InitArgs {
    /// Folder of the database, made if it is not there
    #[arg(long, env = "RIALTO_DATADIR", value_name = "FOLDER")]
    pub(crate) datadir: PathBuf,
    /// The chain's genesis.json
    #[arg(long, env = "RIALTO_CHAIN", value_name = "FILE")]
    chain: PathBuf,
    /// Print an object instead of a line
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &InitArgs, out: &mut dyn Write) -> Result<(), CliError> {
    let genesis = Some(input::read_file(&args.chain)?);
    let config = NodeConfig { genesis, ..node_config(Some(&args.datadir), StoreOptions::default()) };
    let node = Node::open(config).map_err(|error| CliError::file(&args.datadir, error))?;
    let view = node.view()?;
    let genesis = view.hash(rialto_node::BlockId::Earliest)?.unwrap_or_default();
    if args.json {
        let mut object = chain_summary(&node)?;
        object["genesis"] = genesis.to_string().into();
        writeln!(out, "{object}")?;
    } else {
        let head = view.head();
        writeln!(
            out,
            "chain {} with genesis block {genesis}, head is block {} {}",
            node.spec().chain_id,
            head.block.header.number,
            head.hash
        )?;
    }
    Ok(())
}
