//! `eth_subscribe`: heads, logs and pending transactions as they come, over WebSocket.
//!
//! A client that reads too slowly to get everything is disconnected; see [`Subscription`].

use super::filters::block_logs;
use super::logs::LogMatcher;
use crate::json::{Fields, HeaderJson, Params, TransactionJson};
use crate::methods::{Module, Registered};
use crate::subscription::{Ended, Subscription};
use crate::{RpcContext, RpcError, error::INVALID_PARAMS};
use jsonrpsee::types::ErrorObjectOwned;
use jsonrpsee::{Extensions, PendingSubscriptionSink};
use rialto_node::{ChainBlock, HeadChange, PoolTransaction};
use std::sync::Arc;
use tokio::sync::broadcast::Receiver;
use tokio::task::spawn_blocking;

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
        let out = Subscription::new(sink, &context, &extensions);
        let subscription = EthSubscription { context: Arc::clone(&context), out };
        match topic {
            Topic::Heads => subscription.heads(heads).await,
            Topic::Logs(matcher) => subscription.logs(heads, Arc::new(matcher)).await,
            Topic::Transactions { is_whole } => subscription.transactions(arrivals, is_whole).await,
            Topic::Syncing => {
                let _ = subscription.out.send(&false).await;
                subscription.out.closed().await;
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

/// What a topic's stream is made of, besides the connection.
struct EthSubscription {
    context: Arc<RpcContext>,
    out: Subscription,
}

impl EthSubscription {
    async fn heads(self, mut heads: Receiver<Arc<HeadChange>>) {
        while let Ok(change) = self.out.next(&mut heads).await {
            for block in &change.added {
                if self.out.send(&HeaderJson::new(&block.block.header, block.hash)).await.is_err() {
                    return;
                }
            }
        }
    }

    async fn transactions(self, mut arrivals: Receiver<Arc<PoolTransaction>>, is_whole: bool) {
        while let Ok(transaction) = self.out.next(&mut arrivals).await {
            let sent = if is_whole {
                self.out.send(&TransactionJson::pending(&transaction)).await
            } else {
                self.out.send(&transaction.hash).await
            };
            if sent.is_err() {
                return;
            }
        }
    }

    async fn logs(self, mut heads: Receiver<Arc<HeadChange>>, matcher: Arc<LogMatcher>) {
        while let Ok(change) = self.out.next(&mut heads).await {
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
            self.out.close_connection();
            return Err(Ended);
        };
        for log in &logs {
            self.out.send(log).await?;
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
