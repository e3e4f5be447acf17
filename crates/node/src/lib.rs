//! A chain that runs.
//!
//! * [`Node`] is what RPC, a consensus client's driver and dev mode talk to: it orders all that changes the chain.
//! * [`ChainView`] is the chain at one instant: blocks, receipts and states, canonical or on a side chain.
//! * [`StateView`] is the state after one block: a state of the store below layers that are not committed yet.
//! * [`Pool`] holds transactions that are not in a block yet; the builder takes them from there.
//! * [`Miner`] decides in dev mode when a block is built and what is in its header.

mod block;
mod builder;
mod cache;
mod codec;
mod config;
mod dev;
mod dev_accounts;
mod error;
mod execution;
mod forkchoice;
mod import;
mod miner;
mod node;
mod payloads;
mod pipeline;
mod pool;
mod prefetch;
mod state_view;
mod stats;
mod tree;
mod view;

pub use block::{ChainBlock, HeadChange};
pub use builder::{BuiltBlock, PayloadAttributes, TransactionSource, gas_limit_towards};
pub use config::NodeConfig;
pub use dev_accounts::{DEV_ACCOUNTS_MAX, DEV_MNEMONIC, DevAccount, dev_accounts};
pub use error::{ImportError, NodeError};
pub use miner::{MINE_BLOCKS_MAX, Miner, MinerConfig, MiningMode, MiningOrder};
pub use node::{ForkchoiceStatus, Node, PayloadId, PayloadStatus, read_genesis};
pub use pipeline::RunError;
pub use pool::{BestTransactions, BlobSidecar, Pool, PoolConfig, PoolContent, PoolError, PoolTransaction};
pub use state_view::StateView;
pub use stats::{NodeStats, TIME_BUCKETS_SECONDS, Times};
pub use view::{BlockId, ChainView, TransactionInBlock};
