//! A chain that runs.
//!
//! * [`Node`] is what RPC, a consensus client's driver and dev mode talk to: it orders all that changes the chain.
//! * [`ChainView`] is the chain at one instant: blocks, receipts and states, canonical or on a side chain.
//! * [`StateView`] is the state after one block: a state of the store below layers that are not committed yet.
//! * [`Pool`] holds transactions that are not in a block yet; the builder takes them from there.

mod block;
mod builder;
mod config;
mod error;
mod node;
mod pool;
mod state_view;
mod view;

pub use block::{ChainBlock, HeadChange};
pub use builder::{BuiltBlock, PayloadAttributes, TransactionSource};
pub use config::NodeConfig;
pub use error::{ImportError, NodeError};
pub use node::{ForkchoiceStatus, Node, PayloadId, PayloadStatus};
pub use pool::{BestTransactions, BlobSidecar, Pool, PoolConfig, PoolContent, PoolError, PoolTransaction};
pub use state_view::StateView;
pub use view::{BlockId, ChainView, TransactionInBlock};
