//! `market_subscribe`: books, trades, orders, prices and liquidations as blocks come, over WebSocket.
//!
//! A subscription names a topic and which instruments (one, several, or all by `"*"` or by leaving it out) or which account it is about.
//! Each change of the head gives at most one message for each instrument's book, and one for each block with events. A client that
//! is too slow for that is disconnected, as one of `eth_subscribe` is, so that a stream never has a gap that the client can't know of.
//! When blocks are taken back, their events are sent again, marked as removed, and books begin again with a snapshot.

mod book;
mod events;

use super::book::depth_of;
use super::events::topic;
use super::json::Whole;
use crate::json::{Fields, FromJson, ParamError, Params};
use crate::methods::{Module, Registered};
use crate::subscription::{Ended, Subscription};
use crate::{RpcContext, RpcError};
use alloy_primitives::B256;
use events::EventTopic;
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::{Extensions, PendingSubscriptionSink};
use rialto_market::types::{AccountId, InstrumentId};
use rialto_node::HeadChange;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::broadcast::Receiver;
use tokio::task::spawn_blocking;

/// Most instruments that a subscription may name.
const MAX_NAMED: usize = 1_000;

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    let subscribe = |params: jsonrpsee::types::Params<'static>,
                     pending: PendingSubscriptionSink,
                     context: Arc<Arc<RpcContext>>,
                     extensions: Extensions| async move {
        let topic = Params::parse(params.as_str()).and_then(|params| Topic::parse(&params, &context));
        let topic = match topic {
            Ok(topic) => topic,
            Err(error) => return pending.reject(ErrorObjectOwned::from(error)).await,
        };
        // Listening begins before the client is told, so that nothing that it could wait for is missed.
        let heads = context.node.subscribe_heads();
        let Ok(sink) = pending.accept().await else { return };
        let out = Subscription::new(sink, &context, &extensions);
        let stream = MarketStream { context: Arc::clone(&context), out, heads };
        // Whoever ended has closed what has to be closed.
        let _ = match topic {
            Topic::Book { instruments, depth } => stream.book(instruments, depth).await,
            Topic::Events(topic) => stream.events(topic).await,
        };
    };
    module.register_subscription("market_subscribe", "market_subscription", "market_unsubscribe", subscribe).map(drop)
}

/// What a subscription is about.
enum Topic {
    Book { instruments: Instruments, depth: usize },
    Events(EventTopic),
}

/// Some instruments, or all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Instruments {
    #[default]
    All,
    These(Vec<InstrumentId>),
}

impl Instruments {
    /// As topics; none for all.
    fn topics(&self) -> Vec<B256> {
        match self {
            Self::All => Vec::new(),
            Self::These(ids) => ids.iter().map(|id| topic(id.0.into())).collect(),
        }
    }
}

impl FromJson for Instruments {
    fn from_json(value: &Value) -> Result<Self, ParamError> {
        match value {
            Value::String(text) if text == "*" => Ok(Self::All),
            Value::Array(items) if items.len() > MAX_NAMED => {
                Err(ParamError::new(format!("at most {MAX_NAMED} instruments"), value))
            }
            Value::Array(items) if items.is_empty() => Err(ParamError::new("an instrument", value)),
            Value::Array(_) => {
                let mut ids = Vec::<InstrumentId>::from_json(value)?;
                ids.sort_unstable();
                ids.dedup();
                Ok(Self::These(ids))
            }
            one => Ok(Self::These(vec![InstrumentId::from_json(one)?])),
        }
    }
}

impl Topic {
    fn parse(params: &Params, context: &RpcContext) -> Result<Self, RpcError> {
        let name: String = params.required(0, "topic")?;
        let empty = Value::Object(serde_json::Map::new());
        let fields = Fields::of(params.get(1).unwrap_or(&empty)).map_err(|error| error.into_rpc("filter"))?;
        let read = || -> Result<_, ParamError> {
            let instruments: Instruments = fields.optional("instrument")?.unwrap_or_default();
            let (account, depth): (Option<AccountId>, Option<Whole>) =
                (fields.optional("account")?, fields.optional("depth")?);
            Ok((instruments, account, depth))
        };
        let (instruments, account, depth) = read().map_err(|error| error.into_rpc("filter"))?;
        match name.as_str() {
            "book" => {
                let depth = depth_of(depth, context)?;
                let count = if let Instruments::These(ids) = &instruments { ids.len() } else { 0 };
                if count.saturating_mul(depth) > book::MAX_LEVELS {
                    return Err(RpcError::limit("levels of all instruments", book::MAX_LEVELS, count * depth));
                }
                Ok(Self::Book { instruments, depth })
            }
            name => EventTopic::new(name, &instruments, account).map(Self::Events),
        }
    }
}

/// A subscription that runs.
struct MarketStream {
    context: Arc<RpcContext>,
    out: Subscription,
    heads: Receiver<Arc<HeadChange>>,
}

impl MarketStream {
    /// Reads from the chain on a thread for blocking work. What can't be read is a gap: the connection is closed.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&RpcContext) -> Result<T, RpcError> + Send + 'static,
    ) -> Result<T, Ended> {
        let context = Arc::clone(&self.context);
        match spawn_blocking(move || work(&context)).await {
            Ok(Ok(found)) => Ok(found),
            _ => {
                self.out.close_connection();
                Err(Ended)
            }
        }
    }
}
