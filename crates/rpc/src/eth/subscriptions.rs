//! `eth_subscribe`: heads, logs and pending transactions as they come, over WebSocket.
//!
//! A subscription is a task that listens to the node's events and writes to its connection, waiting while the connection's bounded
//! buffer is full. A peer that reads too slowly makes it wait until events are lost (the node's event channels are bounded, too);
//! then the connection is closed, so that the client knows that it missed something, rather than anything being kept for it.

use super::filters::block_logs;
use super::logs::LogMatcher;
use crate::json::{Fields, HeaderJson, Params, TransactionJson};
use crate::methods::{Module, Registered};
use crate::stream::ConnectionControl;
use crate::{RpcContext, RpcError, error::INVALID_PARAMS};
use jsonrpsee::server::{SubscriptionMessage, SubscriptionSink};
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::{Extensions, PendingSubscriptionSink, SendTimeoutError};
use rialto_node::{ChainBlock, HeadChange, PoolTransaction};
use serde::Serialize;
use serde_json::value::to_raw_value;
use std::sync::Arc;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::spawn_blocking;

/// Bytes of a notification besides its result, about.
const ENVELOPE_BYTES: usize = 120;

/// What a subscription is about.
enum Topic {
    Heads,
    Logs(LogMatcher),
    Transactions { is_whole: bool },
    Syncing,
}

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    let subscribe = |params: jsonrpsee::types::Params<'static>,
                     pending: PendingSubscriptionSink,
                     context: Arc<Arc<RpcContext>>,
                     extensions: Extensions| async move {
        let topic = match Params::parse(params.as_str()).and_then(|params| Topic::parse(&params)) {
            Ok(topic) => topic,
            Err(error) => return pending.reject(ErrorObjectOwned::from(error)).await,
        };
        // Listening begins before the client is told, so that nothing that it could wait for is missed.
        let (heads, arrivals) = (context.node.subscribe_heads(), context.node.subscribe_transactions());
        let Ok(sink) = pending.accept().await else { return };
        let subscription = Subscription {
            sink,
            context: Arc::clone(&context),
            control: extensions.get::<Arc<ConnectionControl>>().cloned(),
        };
        match topic {
            Topic::Heads => subscription.heads(heads).await,
            Topic::Logs(matcher) => subscription.logs(heads, Arc::new(matcher)).await,
            Topic::Transactions { is_whole } => subscription.transactions(arrivals, is_whole).await,
            Topic::Syncing => {
                let _ = subscription.send(&false).await;
                subscription.sink.closed().await;
            }
        }
    };
    module.register_subscription("eth_subscribe", "eth_subscription", "eth_unsubscribe", subscribe).map(drop)
}

impl Topic {
    fn parse(params: &Params) -> Result<Self, RpcError> {
        let name: String = params.required(0, "subscription")?;
        match name.as_str() {
            "newHeads" => Ok(Self::Heads),
            "logs" => {
                let matcher =
                    params.get(1).map(|value| Fields::of(value).and_then(|fields| LogMatcher::from_fields(&fields)));
                let matcher = matcher.transpose().map_err(|error| error.into_rpc("filter"))?;
                Ok(Self::Logs(matcher.unwrap_or_default()))
            }
            "newPendingTransactions" => {
                Ok(Self::Transactions { is_whole: params.optional(1, "fullTransactions")?.unwrap_or(false) })
            }
            "syncing" => Ok(Self::Syncing),
            other => {
                let text = format!("no {other:?} subscription in eth namespace");
                Err(RpcError::new(INVALID_PARAMS, text))
            }
        }
    }
}

/// The peer is gone, or too slow.
struct Ended;

struct Subscription {
    sink: SubscriptionSink,
    context: Arc<RpcContext>,
    control: Option<Arc<ConnectionControl>>,
}

impl Subscription {
    /// Sends a notification, waiting for the peer for a bounded time.
    async fn send<T: Serialize>(&self, result: &T) -> Result<(), Ended> {
        let result = to_raw_value(result).map_err(|_| Ended)?;
        if let Some(control) = &self.control {
            control.produced(result.get().len() + ENVELOPE_BYTES);
        }
        let message = SubscriptionMessage::new(self.sink.method_name(), self.sink.subscription_id(), &result);
        let message = message.map_err(|_| Ended)?;
        match self.sink.send_timeout(message, self.context.limits.write_stall_timeout).await {
            Ok(()) => Ok(()),
            // Unsubscribed, or gone: the connection, if it stands, is the client's for other calls.
            Err(SendTimeoutError::Closed(_)) => Err(Ended),
            Err(SendTimeoutError::Timeout(_)) => {
                self.close_connection();
                Err(Ended)
            }
        }
    }

    fn close_connection(&self) {
        if let Some(control) = &self.control {
            control.close();
        }
    }

    /// The next event; ends when the client unsubscribes, the peer is gone or events were lost.
    async fn next<T: Clone>(&self, events: &mut Receiver<T>) -> Result<T, Ended> {
        let event = tokio::select! {
            biased;
            () = self.sink.closed() => return Err(Ended),
            event = events.recv() => event,
        };
        match event {
            Ok(event) => Ok(event),
            Err(RecvError::Lagged(_)) => {
                self.close_connection();
                Err(Ended)
            }
            Err(RecvError::Closed) => Err(Ended),
        }
    }

    async fn heads(self, mut heads: Receiver<Arc<HeadChange>>) {
        while let Ok(change) = self.next(&mut heads).await {
            for block in &change.added {
                if self.send(&HeaderJson::new(&block.block.header, block.hash)).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn transactions(self, mut arrivals: Receiver<Arc<PoolTransaction>>, is_whole: bool) {
        while let Ok(transaction) = self.next(&mut arrivals).await {
            let sent = if is_whole {
                self.send(&TransactionJson::pending(&transaction)).await
            } else {
                self.send(&transaction.hash).await
            };
            if sent.is_err() {
                return;
            }
        }
    }

    async fn logs(self, mut heads: Receiver<Arc<HeadChange>>, matcher: Arc<LogMatcher>) {
        while let Ok(change) = self.next(&mut heads).await {
            let removed = change.removed.iter().map(|block| (block, true));
            for (block, is_removed) in removed.chain(change.added.iter().map(|block| (block, false))) {
                if self.logs_of(block, is_removed, &matcher).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn logs_of(&self, block: &Arc<ChainBlock>, is_removed: bool, matcher: &Arc<LogMatcher>) -> Result<(), Ended> {
        if !matcher.may_match(&block.block.header.logs_bloom) {
            return Ok(());
        }
        let (context, block, matcher) = (Arc::clone(&self.context), Arc::clone(block), Arc::clone(matcher));
        let found = spawn_blocking(move || block_logs(&context.view()?, &matcher, &block, is_removed)).await;
        let Ok(Ok(logs)) = found else {
            // Without these logs the stream has a gap.
            self.close_connection();
            return Err(Ended);
        };
        for log in &logs {
            self.send(log).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn topics_are_read() {
        let rows = [
            (json!(["newHeads"]), Some("heads")),
            (json!(["logs"]), Some("logs")),
            (json!(["logs", {"topics": []}]), Some("logs")),
            (json!(["newPendingTransactions"]), Some("hashes")),
            (json!(["newPendingTransactions", true]), Some("transactions")),
            (json!(["syncing"]), Some("syncing")),
            (json!(["logs", {"topics": 1}]), None),
            (json!(["logs", 1]), None),
            (json!(["newTails"]), None),
            (json!([]), None),
            (json!([1]), None),
        ];
        for (params, expected) in rows {
            let parsed = Params::parse(Some(&params.to_string())).and_then(|params| Topic::parse(&params));
            let found = parsed.ok().map(|topic| match topic {
                Topic::Heads => "heads",
                Topic::Logs(_) => "logs",
                Topic::Transactions { is_whole: true } => "transactions",
                Topic::Transactions { is_whole: false } => "hashes",
                Topic::Syncing => "syncing",
            });
            assert_eq!(found, expected, "{params}");
        }
    }
}
