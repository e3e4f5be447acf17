//! How a node is set up.

use crate::PoolConfig;
use alloy_primitives::{Address, Bytes};
use rialto_parallel::Strategy;
use rialto_stf::BlockAccessList;
use rialto_store::StoreOptions;
use rialto_vm::Tier;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

/// How a node is set up.
#[derive(Clone)]
pub struct NodeConfig {
    /// Where the database lies; `None` for one in memory.
    pub datadir: Option<PathBuf>,
    /// How the database is opened.
    pub store: StoreOptions,
    /// The chain's `genesis.json`; `None` if the database has one.
    pub genesis: Option<Vec<u8>>,
    /// The pool's limits.
    pub pool: PoolConfig,
    /// Gas limit that built blocks move towards.
    pub gas_limit_target: Option<u64>,
    /// Extra data of built blocks, at most 32 bytes.
    pub extra_data: Bytes,
    /// Recipient of fees where a payload's attributes name none (dev mode).
    pub fee_recipient: Address,
    /// Whether state may be changed outside of blocks, heads unwound, and unsigned transactions mined.
    pub is_dev: bool,
    /// Threads that run a block's transactions; one is sequential. They change how long it takes and nothing else.
    pub threads: NonZeroUsize,
    /// Where compiled code is, if any.
    pub tier: Option<Arc<dyn Tier>>,
}

impl NodeConfig {
    /// How a block is run that comes with this access list.
    pub(crate) fn strategy<'a>(&'a self, access_list: Option<&'a BlockAccessList>) -> Strategy<'a> {
        Strategy { tier: self.tier.as_deref(), access_list, ..Strategy::with_threads(self.threads) }
    }
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            datadir: None,
            store: StoreOptions::default(),
            genesis: None,
            pool: PoolConfig::default(),
            gas_limit_target: None,
            extra_data: Bytes::from_static(b"rialto"),
            fee_recipient: Address::ZERO,
            is_dev: false,
            threads: NonZeroUsize::MIN,
            tier: None,
        }
    }
}
