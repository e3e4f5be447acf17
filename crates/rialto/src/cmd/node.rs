//! `rialto node`: a node that a consensus client drives.

use crate::node_args::{BuilderArgs, DatabaseArgs, OperationsArgs, PoolArgs, RpcArgs, node_config};
use crate::servers::{ServerArgs, Servers};
use crate::service::{self, StopSignals};
use crate::strategy_args::StrategyArgs;
use crate::{CliError, input, logging};
use clap::Args;
use rialto_node::{Node, NodeConfig};
use rialto_rpc::RpcContext;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is logged unless told otherwise.
const DEFAULT_FILTER: &str = "info";

/// Run a node: a chain in a data directory, JSON-RPC, and the Engine API for a consensus client
///
/// Each setting is a flag, an environment variable or a line of the file that --config names, in this order of precedence. It
/// prints a line that begins with "Listening on" when it serves; SIGINT and SIGTERM stop it.
#[derive(Args, Debug)]
pub struct NodeArgs {
    /// Folder of the database
    #[arg(long, env = "RIALTO_DATADIR", value_name = "FOLDER")]
    datadir: Option<PathBuf>,
    /// The chain's genesis.json; not needed after `rialto init`
    #[arg(long, env = "RIALTO_CHAIN", value_name = "FILE")]
    chain: Option<PathBuf>,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    servers: ServerArgs,
    #[command(flatten)]
    rpc: RpcArgs,
    #[command(flatten)]
    pool: PoolArgs,
    #[command(flatten)]
    builder: BuilderArgs,
    #[command(flatten)]
    strategy: StrategyArgs,
    #[command(flatten)]
    operations: OperationsArgs,
    /// Print an object instead of lines when it serves
    #[arg(long)]
    json: bool,
}

impl NodeArgs {
    fn datadir(&self) -> Result<&Path, CliError> {
        self.datadir.as_deref().ok_or_else(|| {
            CliError::argument("--datadir", "", "a folder (or RIALTO_DATADIR, or `datadir` in the file of settings)")
        })
    }

    fn node_config(&self) -> Result<NodeConfig, CliError> {
        Ok(NodeConfig {
            genesis: self.chain.as_deref().map(input::read_file).transpose()?,
            pool: self.pool.config(),
            gas_limit_target: self.builder.gas_limit(),
            extra_data: self.builder.extra_data()?,
            threads: self.strategy.threads(),
            tier: self.strategy.tier(),
            ..node_config(Some(self.datadir()?), self.database.options())
        })
    }
}

/// `web3_clientVersion`.
pub fn client_version() -> String {
    format!("rialto/v{}/{}-{}", env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH)
}

/// Runs the command.
pub fn run(args: &NodeArgs, out: &mut dyn Write) -> Result<(), CliError> {
    logging::start(&args.operations, DEFAULT_FILTER)?;
    let limits = args.rpc.limits()?;
    let node = Node::open(args.node_config()?)?;
    let engine = args.servers.engine_port(args.datadir()?)?;
    let context = RpcContext::new(Arc::clone(&node), limits.clone(), client_version(), None);
    let runtime = service::runtime()?;
    runtime.block_on(async {
        let signals = StopSignals::catch()?;
        let servers = Servers::start(&context, args.servers.public_ports(&limits), engine, &args.operations).await?;
        if args.json {
            writeln!(out, "{}", servers.ready_object())?;
        } else {
            servers.ready_lines().iter().try_for_each(|line| writeln!(out, "{line}"))?;
        }
        out.flush()?;
        servers.serve_until_stopped(signals, &args.operations).await;
        Ok::<(), CliError>(())
    })?;
    // What still runs are calls that nobody waits for.
    runtime.shutdown_background();
    tracing::info!("stopped");
    Ok(())
}
