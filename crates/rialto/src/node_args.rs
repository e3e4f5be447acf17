//! Arguments that the commands which run a node have in common, in groups.
//!
//! Names are those that reth has, so that what is known of one node holds for this one; what reth doesn't have (`--http.vhosts`,
//! `--rpc.batch-request-limit`) is named as in geth.

use crate::{CliError, settings};
use alloy_primitives::Bytes;
use clap::{Arg, Args};
use rialto_node::{NodeConfig, PoolConfig};
use rialto_rpc::RpcLimits;
use rialto_store::{History, StoreOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Bytes in a megabyte, as limits of requests count.
const MEGABYTE: u32 = 1 << 20;

/// `N`, or `all` for an archive.
pub fn history(text: &str) -> Result<History, String> {
    if text.eq_ignore_ascii_case("all") {
        return Ok(History::All);
    }
    text.parse().map(History::Blocks).map_err(|_| "expected a number of blocks, or `all`".to_string())
}

/// Where the data lie and how much of it is kept.
#[derive(Args, Debug)]
#[command(next_help_heading = "Database")]
pub struct DatabaseArgs {
    /// Blocks before the head whose state can be read: a number, or `all` for an archive
    #[arg(long, env = "RIALTO_HISTORY", default_value = "10000", value_parser = history, value_name = "N|all")]
    history: History,
    /// Most megabytes of memory for pages of the database
    #[arg(long = "db.cache-size", env = "RIALTO_DB_CACHE_SIZE", default_value = "512", value_name = "MB")]
    cache_megabytes: u32,
}

impl DatabaseArgs {
    /// How the database is opened.
    pub fn options(&self) -> StoreOptions {
        StoreOptions {
            history: self.history,
            cache_bytes: (self.cache_megabytes as usize) << 20,
            ..StoreOptions::default()
        }
    }
}

/// Limits of the servers.
#[derive(Args, Debug)]
#[command(next_help_heading = "RPC limits")]
pub struct RpcArgs {
    /// Most gas of eth_call and of what else executes without a block
    #[arg(long = "rpc.gascap", env = "RIALTO_RPC_GASCAP", default_value = "50000000", value_name = "GAS")]
    gas_cap: u64,
    /// Most megabytes of a request
    #[arg(long = "rpc.max-request-size", env = "RIALTO_RPC_MAX_REQUEST_SIZE", default_value = "15", value_name = "MB")]
    max_request_megabytes: u32,
    /// Most megabytes of a response
    #[arg(
        long = "rpc.max-response-size",
        env = "RIALTO_RPC_MAX_RESPONSE_SIZE",
        default_value = "160",
        value_name = "MB"
    )]
    max_response_megabytes: u32,
    /// Most connections of a port
    #[arg(long = "rpc.max-connections", env = "RIALTO_RPC_MAX_CONNECTIONS", default_value = "500", value_name = "N")]
    max_connections: u32,
    /// Most requests in a batch
    #[arg(
        long = "rpc.batch-request-limit",
        env = "RIALTO_RPC_BATCH_REQUEST_LIMIT",
        default_value = "1000",
        value_name = "N"
    )]
    max_batch_requests: u32,
    /// Most subscriptions of a WebSocket connection
    #[arg(
        long = "rpc.max-subscriptions-per-connection",
        env = "RIALTO_RPC_MAX_SUBSCRIPTIONS_PER_CONNECTION",
        default_value = "1024",
        value_name = "N"
    )]
    max_subscriptions: u32,
    /// Most blocks that one eth_getLogs looks through
    #[arg(
        long = "rpc.max-blocks-per-filter",
        env = "RIALTO_RPC_MAX_BLOCKS_PER_FILTER",
        default_value = "100000",
        value_name = "N"
    )]
    max_log_blocks: u64,
    /// Most logs that one eth_getLogs finds
    #[arg(
        long = "rpc.max-logs-per-response",
        env = "RIALTO_RPC_MAX_LOGS_PER_RESPONSE",
        default_value = "200000",
        value_name = "N"
    )]
    max_logs: usize,
    /// Most blocks of one eth_simulateV1
    #[arg(
        long = "rpc.max-simulate-blocks",
        env = "RIALTO_RPC_MAX_SIMULATE_BLOCKS",
        default_value = "256",
        value_name = "N"
    )]
    max_simulated_blocks: u64,
    /// Longest that a call may execute, in seconds
    #[arg(long = "rpc.evmtimeout", env = "RIALTO_RPC_EVMTIMEOUT", default_value = "30", value_name = "SECONDS")]
    call_timeout_seconds: u64,
}

impl RpcArgs {
    /// The limits.
    pub fn limits(&self) -> Result<RpcLimits, CliError> {
        let bytes = |name: &str, megabytes: u32| {
            megabytes
                .checked_mul(MEGABYTE)
                .filter(|bytes| *bytes > 0)
                .ok_or_else(|| CliError::argument(name, megabytes, format!("1 to {} megabytes", u32::MAX / MEGABYTE)))
        };
        Ok(RpcLimits {
            max_request_bytes: bytes("--rpc.max-request-size", self.max_request_megabytes)?,
            max_response_bytes: bytes("--rpc.max-response-size", self.max_response_megabytes)?,
            max_batch_requests: self.max_batch_requests,
            max_connections: self.max_connections,
            max_subscriptions_per_connection: self.max_subscriptions,
            max_log_blocks: self.max_log_blocks,
            max_logs: self.max_logs,
            max_simulated_blocks: self.max_simulated_blocks,
            call_gas_cap: self.gas_cap,
            call_timeout: Duration::from_secs(self.call_timeout_seconds),
            ..RpcLimits::default()
        })
    }
}

/// Limits of the pool.
#[derive(Args, Debug)]
#[command(next_help_heading = "Transaction pool")]
pub struct PoolArgs {
    /// Most transactions that could go into the next block
    #[arg(
        long = "txpool.pending-max-count",
        env = "RIALTO_TXPOOL_PENDING_MAX_COUNT",
        default_value = "10000",
        value_name = "N"
    )]
    max_pending: usize,
    /// Most transactions that wait for a nonce, a balance or a lower base fee
    #[arg(
        long = "txpool.queued-max-count",
        env = "RIALTO_TXPOOL_QUEUED_MAX_COUNT",
        default_value = "10000",
        value_name = "N"
    )]
    max_queued: usize,
    /// Most transactions of one account
    #[arg(
        long = "txpool.max-account-slots",
        env = "RIALTO_TXPOOL_MAX_ACCOUNT_SLOTS",
        default_value = "64",
        value_name = "N"
    )]
    max_per_account: usize,
    /// By how many per cent a replacement raises its fees
    #[arg(long = "txpool.pricebump", env = "RIALTO_TXPOOL_PRICEBUMP", default_value = "10", value_name = "PERCENT")]
    price_bump: u64,
    /// The same for blob transactions
    #[arg(
        long = "blobpool.pricebump",
        env = "RIALTO_BLOBPOOL_PRICEBUMP",
        default_value = "100",
        value_name = "PERCENT"
    )]
    blob_price_bump: u64,
    /// Lowest priority fee that is taken in
    #[arg(
        long = "txpool.minimum-priority-fee",
        env = "RIALTO_TXPOOL_MINIMUM_PRIORITY_FEE",
        default_value = "0",
        value_name = "WEI"
    )]
    min_priority_fee: u64,
    /// Most bytes of a transaction without its blobs
    #[arg(
        long = "txpool.max-tx-input-bytes",
        env = "RIALTO_TXPOOL_MAX_TX_INPUT_BYTES",
        default_value = "131072",
        value_name = "BYTES"
    )]
    max_transaction_bytes: usize,
}

impl PoolArgs {
    /// The limits.
    pub fn config(&self) -> PoolConfig {
        PoolConfig {
            max_pending: self.max_pending,
            max_queued: self.max_queued,
            max_per_account: self.max_per_account,
            price_bump_percent: self.price_bump,
            blob_price_bump_percent: self.blob_price_bump,
            min_priority_fee: self.min_priority_fee,
            max_transaction_bytes: self.max_transaction_bytes,
            ..PoolConfig::default()
        }
    }
}

/// What built blocks are like.
#[derive(Args, Debug)]
#[command(next_help_heading = "Builder")]
pub struct BuilderArgs {
    /// Gas limit that built blocks move towards
    #[arg(long = "builder.gaslimit", env = "RIALTO_BUILDER_GASLIMIT", value_name = "GAS")]
    gas_limit: Option<u64>,
    /// Extra data of built blocks: text, or bytes in hex with 0x
    #[arg(long = "builder.extradata", env = "RIALTO_BUILDER_EXTRADATA", default_value = "rialto", value_name = "TEXT")]
    extra_data: String,
}

impl BuilderArgs {
    /// The gas limit that blocks move towards.
    pub fn gas_limit(&self) -> Option<u64> {
        self.gas_limit
    }

    /// The extra data.
    pub fn extra_data(&self) -> Result<Bytes, CliError> {
        let expected = "text or hex of at most 32 bytes";
        let wrong = || CliError::argument("--builder.extradata", &self.extra_data, expected);
        let bytes = match self.extra_data.strip_prefix("0x") {
            Some(digits) => alloy_primitives::hex::decode(digits).map_err(|_| wrong())?,
            None => self.extra_data.clone().into_bytes(),
        };
        if bytes.len() > 32 { Err(wrong()) } else { Ok(bytes.into()) }
    }
}

/// How a form of output is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object a line.
    Json,
}

/// What is watched.
#[derive(Args, Debug)]
#[command(next_help_heading = "Operations")]
pub struct OperationsArgs {
    /// Serve Prometheus metrics, /health and /ready at this address
    #[arg(long, env = "RIALTO_METRICS", value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// Form of the log on standard error
    #[arg(long = "log.format", env = "RIALTO_LOG_FORMAT", default_value = "text", value_name = "FORM")]
    pub log_format: LogFormat,
    /// What is logged: a level, or levels by module such as `info,rialto_rpc=debug`
    #[arg(long = "log.filter", env = "RIALTO_LOG_FILTER", value_name = "FILTER")]
    pub log_filter: Option<String>,
    /// Seconds after which a node that was told to stop does so whatever still runs
    #[arg(long = "shutdown.timeout", env = "RIALTO_SHUTDOWN_TIMEOUT", default_value = "10", value_name = "SECONDS")]
    pub shutdown_timeout_seconds: u64,
    /// TOML file with settings; its keys are the flags' names
    #[arg(long, env = "RIALTO_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
}

impl OperationsArgs {
    /// Longest that stopping takes.
    pub fn shutdown_timeout(&self) -> Duration {
        Duration::from_secs(self.shutdown_timeout_seconds)
    }
}

/// Names separated by commas; blanks around them count for nothing.
pub fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_string).collect()
}

/// A node's configuration that is the same for all commands.
pub fn node_config(datadir: Option<&Path>, store: StoreOptions) -> NodeConfig {
    NodeConfig { datadir: datadir.map(Path::to_path_buf), store, ..NodeConfig::default() }
}

/// The environment variable of an argument, if it is not the one that follows from its flag.
pub fn misnamed_variable(argument: &Arg) -> Option<String> {
    let expected = settings::variable_of(argument.get_long()?);
    let found = argument.get_env().map(|name| name.to_string_lossy().into_owned());
    (found.as_deref() != Some(&expected)).then(|| format!("expected {expected}, found {found:?}"))
}
