//! What all methods share.

use crate::eth::{FilterStore, LogCache, TipCache};
use crate::market::{BookCache, CandleIndex};
use crate::{RpcError, RpcLimits, RpcObserver, dev::DevState, engine::EngineState};
use rialto_node::{ChainView, Node};
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// What all methods share: the node, the limits and what a namespace keeps between requests.
pub struct RpcContext {
    /// The node.
    pub node: Arc<Node>,
    /// The limits.
    pub limits: RpcLimits,
    /// The chain's id.
    pub chain_id: u64,
    /// What `web3_clientVersion` answers.
    pub client_version: String,
    /// What the Engine API keeps between requests.
    pub engine: EngineState,
    /// Dev mode's accounts and miner; `None` outside of dev mode.
    pub dev: Option<Arc<DevState>>,
    /// Who is told of requests and connections, if anybody.
    pub observer: OnceLock<Arc<dyn RpcObserver>>,
    /// What clients want to be told when they ask.
    pub(crate) filters: FilterStore,
    /// Logs of blocks that were asked for lately.
    pub(crate) logs: LogCache,
    /// Candles of the market's trades.
    pub(crate) candles: CandleIndex,
    /// Books of the market that were read for the head.
    pub(crate) books: BookCache,
    /// The tip suggested for the head.
    pub(crate) tips: TipCache,
    /// A permit for each call that executes or reads much.
    pub(crate) heavy_calls: Arc<Semaphore>,
}

impl RpcContext {
    /// The context of a node's servers.
    pub fn new(node: Arc<Node>, limits: RpcLimits, client_version: String, dev: Option<Arc<DevState>>) -> Arc<Self> {
        let chain_id = node.spec().chain_id;
        let heavy_calls = Arc::new(Semaphore::new(limits.max_heavy_calls.max(1)));
        let (engine, observer) = (EngineState::default(), OnceLock::new());
        Arc::new(Self {
            node,
            limits,
            chain_id,
            client_version,
            engine,
            dev,
            observer,
            filters: FilterStore::default(),
            logs: LogCache::default(),
            candles: CandleIndex::default(),
            books: BookCache::default(),
            tips: TipCache::default(),
            heavy_calls,
        })
    }

    /// The chain as it is now. A request takes one view and answers from it.
    pub fn view(&self) -> Result<ChainView, RpcError> {
        Ok(self.node.view()?)
    }
}
