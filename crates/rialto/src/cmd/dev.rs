//! `rialto dev`: a chain of one's own, with funded accounts, that mines by itself.
//!
//! It is the same node as any other: without a data directory the same database keeps its pages in memory.

use crate::cmd::node::client_version;
use crate::dev_genesis::{DEV_FORK, DevGenesis, dev_forks};
use crate::dev_market::{DEV_DOLLAR, DEV_ETHER};
use crate::node_args::{DatabaseArgs, OperationsArgs, PoolArgs, RpcArgs, list, node_config};
use crate::servers::{ALL_NAMESPACES, DEV_NAMESPACES, Servers};
use crate::service::{self, StopSignals};
use crate::strategy_args::StrategyArgs;
use crate::{CliError, input, logging};
use alloy_primitives::{Address, Bytes, hex};
use clap::{ArgAction, Args, ValueEnum, builder::BoolishValueParser};
use rialto_market::MARKET_ADDRESS;
use rialto_node::{
    DEV_MNEMONIC, DevAccount, Miner, MinerConfig, MiningMode, MiningOrder, Node, NodeConfig, NodeError, PoolConfig,
    dev_accounts,
};
use rialto_rpc::{DevState, PortConfig, RpcContext, RpcLimits};
use rialto_store::StoreError;
use rialto_vm::Fork;
use serde_json::{Value, json};
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What is logged unless told otherwise.
const DEFAULT_FILTER: &str = "warn";
/// Shortest time between blocks of interval mining.
const BLOCK_TIME_MIN: Duration = Duration::from_millis(1);

/// `web3_clientVersion`. Hardhat's helpers for tests refuse nodes whose version doesn't begin with the name of one that is
/// known to have what they call.
fn dev_version() -> String {
    format!("anvil/{}", client_version())
}

/// Which transaction comes first in a block.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Order {
    /// The one that pays most.
    Fees,
    /// The one that came first.
    Fifo,
}

/// Run a chain for development: funded accounts, blocks as soon as there are transactions, JSON-RPC at 127.0.0.1:8545
///
/// It prints the accounts with their keys, and a line that begins with "Listening on" when it serves HTTP and WebSocket, which
/// share the port. All namespaces are served, with the helpers that Foundry, Hardhat and viem use (evm_, anvil_, hardhat_).
#[derive(Args, Debug)]
pub struct DevArgs {
    /// Folder of the database; in memory if left out
    #[arg(long, env = "RIALTO_DATADIR", value_name = "FOLDER")]
    datadir: Option<PathBuf>,
    #[command(flatten)]
    chain: ChainArgs,
    #[command(flatten)]
    mining: MiningArgs,
    #[command(flatten)]
    server: DevServerArgs,
    #[command(flatten)]
    database: DatabaseArgs,
    #[command(flatten)]
    rpc: RpcArgs,
    #[command(flatten)]
    pool: PoolArgs,
    #[command(flatten)]
    strategy: StrategyArgs,
    #[command(flatten)]
    operations: OperationsArgs,
    /// Print nothing but the ready line
    #[arg(long, env = "RIALTO_SILENT", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_value = "false", default_missing_value = "true", action = ArgAction::Set,
        value_parser = BoolishValueParser::new())]
    silent: bool,
    /// Print an object instead of lines when it serves
    #[arg(long)]
    json: bool,
}

/// What the chain begins with.
#[derive(Args, Debug)]
#[command(next_help_heading = "Chain")]
struct ChainArgs {
    /// Accounts with ether
    #[arg(long, short, env = "RIALTO_ACCOUNTS", default_value = "10", value_name = "N")]
    accounts: usize,
    /// Ether of each account
    #[arg(long, env = "RIALTO_BALANCE", default_value = "10000", value_name = "ETHER")]
    balance: u64,
    /// Words that the accounts' keys follow from (BIP-39)
    #[arg(long, short, env = "RIALTO_MNEMONIC", default_value = DEV_MNEMONIC, hide_env_values = true, value_name = "WORDS")]
    mnemonic: String,
    /// Chain id
    #[arg(long = "chain-id", env = "RIALTO_CHAIN_ID", default_value = "31337", value_name = "ID")]
    chain_id: u64,
    /// Fork that holds from the first block on
    #[arg(long, env = "RIALTO_HARDFORK", default_value = DEV_FORK.name(), value_parser = dev_fork, value_name = "NAME")]
    hardfork: Fork,
    /// Gas limit of the blocks
    #[arg(long = "gas-limit", env = "RIALTO_GAS_LIMIT", default_value = "30000000", value_name = "GAS")]
    gas_limit: u64,
    /// Base fee of the first block, wei per gas
    #[arg(long = "base-fee", env = "RIALTO_BASE_FEE", default_value = "1000000000", value_name = "WEI")]
    base_fee: u64,
    /// Begin with the market at 0x5254...0001, operated by account 0, its prices signed by account 1, and two tokens for it
    #[arg(long, env = "RIALTO_MARKET", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_value = "false", default_missing_value = "true", action = ArgAction::Set,
        value_parser = BoolishValueParser::new())]
    market: bool,
    /// Unix time of the genesis block, seconds; now if left out
    #[arg(long, env = "RIALTO_TIMESTAMP", value_name = "SECONDS")]
    timestamp: Option<u64>,
}

/// When blocks are mined.
#[derive(Args, Debug)]
#[command(next_help_heading = "Mining")]
struct MiningArgs {
    /// Seconds between blocks; if left out, a block is mined as soon as there is a transaction
    #[arg(long = "block-time", short = 'b', env = "RIALTO_BLOCK_TIME", value_parser = block_time, value_name = "SECONDS")]
    block_time: Option<Duration>,
    /// Mine only when asked (evm_mine)
    #[arg(long = "no-mining", env = "RIALTO_NO_MINING", value_name = "BOOL", num_args = 0..=1, require_equals = true,
        default_value = "false", default_missing_value = "true", action = ArgAction::Set,
        value_parser = BoolishValueParser::new())]
    no_mining: bool,
    /// Which transaction comes first in a block
    #[arg(long, env = "RIALTO_ORDER", default_value = "fees", value_name = "ORDER")]
    order: Order,
}

/// Where it listens.
#[derive(Args, Debug)]
#[command(next_help_heading = "Server")]
struct DevServerArgs {
    /// Address of HTTP and WebSocket
    #[arg(
        long = "http.addr",
        visible_alias = "host",
        env = "RIALTO_HTTP_ADDR",
        default_value = "127.0.0.1",
        value_name = "ADDRESS"
    )]
    address: IpAddr,
    /// Port of HTTP and WebSocket; 0 for any
    #[arg(
        long = "http.port",
        visible_alias = "port",
        short = 'p',
        env = "RIALTO_HTTP_PORT",
        default_value = "8545",
        value_name = "PORT"
    )]
    port: u16,
    /// Origins that browsers may call from, separated by commas; `*` for any
    #[arg(long = "http.corsdomain", env = "RIALTO_HTTP_CORSDOMAIN", default_value = "*", value_name = "LIST")]
    cors: String,
    /// Names in the Host header that are answered besides IP addresses, separated by commas; `*` for any
    #[arg(
        long = "http.vhosts",
        env = "RIALTO_HTTP_VHOSTS",
        default_value = "localhost,host.docker.internal",
        value_name = "LIST"
    )]
    virtual_hosts: String,
}

fn dev_fork(name: &str) -> Result<Fork, String> {
    let fork = input::fork(if name.eq_ignore_ascii_case("latest") { DEV_FORK.name() } else { name });
    let names = || dev_forks().iter().map(|fork| fork.name()).collect::<Vec<_>>().join(", ");
    fork.ok().filter(|fork| dev_forks().contains(fork)).ok_or_else(|| format!("expected one of latest, {}", names()))
}

fn block_time(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|time| *time >= BLOCK_TIME_MIN).ok_or_else(|| "expected seconds, at least 0.001".to_string())
}

impl DevArgs {
    fn mode(&self) -> MiningMode {
        match (self.mining.no_mining, self.mining.block_time) {
            (true, _) => MiningMode::Manual,
            (false, Some(period)) => MiningMode::Interval(period),
            (false, None) => MiningMode::Instant,
        }
    }

    fn genesis(&self, accounts: &[DevAccount]) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let genesis = DevGenesis {
            chain_id: self.chain.chain_id,
            fork: self.chain.hardfork,
            timestamp: self.chain.timestamp.unwrap_or(now),
            gas_limit: self.chain.gas_limit,
            base_fee: self.chain.base_fee,
            accounts: accounts.iter().map(|account| account.address).collect(),
            balance_ether: self.chain.balance,
            has_market: self.chain.market,
        };
        genesis.document()
    }

    /// Opens the chain that is there, or begins one.
    fn open(&self, accounts: &[DevAccount]) -> Result<Arc<Node>, CliError> {
        let config = NodeConfig {
            pool: PoolConfig { allows_contract_senders: true, ..self.pool.config() },
            gas_limit_target: Some(self.chain.gas_limit),
            extra_data: Bytes::new(),
            is_dev: true,
            threads: self.strategy.threads(),
            tier: self.strategy.tier(),
            ..node_config(self.datadir.as_deref(), self.database.options())
        };
        let begin = || NodeConfig { genesis: Some(self.genesis(accounts).to_string().into_bytes()), ..config.clone() };
        let node = match Node::open(config.clone()) {
            Err(NodeError::Store(StoreError::NotInitialised)) => Node::open(begin())?,
            result => result?,
        };
        let found = node.spec().chain_id;
        if found != self.chain.chain_id {
            let expected = format!("{found}, that of the chain in the data directory");
            return Err(CliError::argument("--chain-id", self.chain.chain_id, expected));
        }
        Ok(node)
    }

    fn port(&self, limits: &RpcLimits) -> PortConfig {
        let namespaces: Vec<String> =
            ALL_NAMESPACES.iter().chain(&DEV_NAMESPACES).map(|name| name.to_string()).collect();
        PortConfig {
            address: SocketAddr::new(self.server.address, self.server.port),
            http: Some(namespaces.clone()),
            ws: Some(namespaces),
            cors_domains: list(&self.server.cors),
            virtual_hosts: list(&self.server.virtual_hosts),
            authorize: None,
            limits: limits.clone(),
        }
    }

    fn print(&self, node: &Node, accounts: &[DevAccount], out: &mut dyn Write) -> Result<(), CliError> {
        writeln!(out, "\nAvailable Accounts\n==================\n")?;
        for (index, account) in accounts.iter().enumerate() {
            writeln!(out, "({index}) {} ({} ETH)", account.address, self.chain.balance)?;
        }
        writeln!(out, "\nPrivate Keys\n==================\n")?;
        for (index, account) in accounts.iter().enumerate() {
            writeln!(out, "({index}) {}", hex::encode_prefixed(account.secret_key))?;
        }
        writeln!(out, "\nWallet\n==================")?;
        writeln!(out, "Mnemonic:          {}\nDerivation path:   m/44'/60'/0'/0/", self.chain.mnemonic)?;
        let view = node.view()?;
        let head = &view.head().block.header;
        let fork = node.spec().fork_at(head.number, head.timestamp);
        writeln!(out, "\nChain\n==================\n")?;
        writeln!(out, "Chain ID:          {}\nFork:              {fork}", node.spec().chain_id)?;
        writeln!(out, "Head:              block {} {}", head.number, view.head().hash)?;
        writeln!(out, "Gas limit:         {}", head.gas_limit)?;
        if !node.spec().modules_at(head.timestamp).is_empty() {
            writeln!(out, "Market:            {MARKET_ADDRESS}")?;
            writeln!(out, "Its tokens:        {DEV_DOLLAR} (dollars), {DEV_ETHER} (ether)")?;
        }
        writeln!(out)?;
        Ok(())
    }

    fn ready_object(&self, servers: &Servers, node: &Node, accounts: &[DevAccount]) -> Value {
        let mut object = servers.ready_object();
        object["chainId"] = node.spec().chain_id.into();
        object["mnemonic"] = self.chain.mnemonic.as_str().into();
        let account = |account: &DevAccount| json!({ "address": account.address, "privateKey": account.secret_key });
        object["accounts"] = accounts.iter().map(account).collect();
        object
    }
}

/// Runs the command.
pub fn run(args: &DevArgs, out: &mut dyn Write) -> Result<(), CliError> {
    logging::start(&args.operations, DEFAULT_FILTER)?;
    let limits = args.rpc.limits()?;
    let accounts = dev_accounts(&args.chain.mnemonic, args.chain.accounts)?;
    let node = args.open(&accounts)?;
    let order = match args.mining.order {
        Order::Fees => MiningOrder::Fees,
        Order::Fifo => MiningOrder::Fifo,
    };
    let config = MinerConfig { mode: args.mode(), order, fee_recipient: Address::ZERO };
    let miner = Miner::start(Arc::clone(&node), config)?;
    let dev = DevState::new(Arc::clone(&miner), accounts.clone());
    let context = RpcContext::new(Arc::clone(&node), limits.clone(), dev_version(), Some(dev));
    let runtime = service::runtime()?;
    runtime.block_on(async {
        let signals = StopSignals::catch()?;
        let servers = Servers::start(&context, vec![args.port(&limits)], None, &args.operations).await?;
        if args.json {
            writeln!(out, "{}", args.ready_object(&servers, &node, &accounts))?;
        } else {
            if !args.silent {
                args.print(&node, &accounts, out)?;
            }
            servers.ready_lines().iter().try_for_each(|line| writeln!(out, "{line}"))?;
        }
        out.flush()?;
        servers.serve_until_stopped(signals, &args.operations).await;
        Ok::<(), CliError>(())
    })?;
    miner.stop();
    runtime.shutdown_background();
    Ok(())
}
