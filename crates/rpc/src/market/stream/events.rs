//! Streams of what happened: trades, orders, accounts, prices, liquidations, and what the operator does.
//!
//! A message has the events of one block that the subscription is about, in their order.

use super::super::events::{EventFilter, EventPlace, topic};
use super::super::history::{trade, trade_filter};
use super::super::tell::{EventJson, Subject, events_about};
use super::{Instruments, MarketStream};
use crate::error::INVALID_PARAMS;
use crate::json::LogPosition;
use crate::subscription::Ended;
use crate::{RpcContext, RpcError};
use rialto_market::types::AccountId;
use rialto_node::ChainBlock;
use rialto_state::Log;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;

/// A stream of events: its name, which events, and how each is told.
pub(super) struct EventTopic {
    name: &'static str,
    filter: EventFilter,
    tell: fn(&ChainBlock, LogPosition, &Log, bool) -> Option<Box<RawValue>>,
}

/// A message of the stream.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct EventsMessage {
    topic: &'static str,
    /// Whether the block was taken back.
    removed: bool,
    events: Vec<Box<RawValue>>,
}

impl EventTopic {
    /// The topic with this name.
    pub(super) fn new(name: &str, instruments: &Instruments, account: Option<AccountId>) -> Result<Self, RpcError> {
        let needs_account = || RpcError::invalid_params("filter.account", "an account", "none");
        let ids = |account: Option<AccountId>| account.map(|id| topic(id.0.into())).into_iter().collect::<Vec<_>>();
        let about = |name: &'static str, subject, account| {
            let filter = events_about(subject, instruments.topics(), ids(account));
            Self { name, filter, tell: tell_event }
        };
        Ok(match name {
            "trades" => {
                let filter = trade_filter(instruments.topics(), account);
                Self { name: "trades", filter, tell: tell_trade }
            }
            "orders" => about("orders", Subject::Orders, Some(account.ok_or_else(needs_account)?)),
            "account" => about("account", Subject::Accounts, Some(account.ok_or_else(needs_account)?)),
            "prices" => about("prices", Subject::Prices, None),
            "liquidations" => about("liquidations", Subject::Liquidations, account),
            "operator" => about("operator", Subject::Operator, None),
            other => {
                let expected = "book, trades, orders, account, prices, liquidations, operator";
                let text = format!("no {other:?} subscription in market namespace, expected one of {expected}");
                return Err(RpcError::new(INVALID_PARAMS, text));
            }
        })
    }

    fn message(&self, context: &RpcContext, block: &ChainBlock, removed: bool) -> Result<EventsMessage, RpcError> {
        let view = context.view()?;
        let receipts = view.receipts(block)?.ok_or_else(RpcError::unknown_block)?;
        let events = self.filter.events(&receipts);
        let events = events.filter_map(|(position, log)| (self.tell)(block, position, log, removed)).collect();
        Ok(EventsMessage { topic: self.name, removed, events })
    }
}

fn tell_trade(block: &ChainBlock, position: LogPosition, log: &Log, removed: bool) -> Option<Box<RawValue>> {
    to_raw_value(&trade(block, position, log, removed)?).ok()
}

fn tell_event(block: &ChainBlock, position: LogPosition, log: &Log, removed: bool) -> Option<Box<RawValue>> {
    to_raw_value(&EventJson::new(log, EventPlace::new(block, position, removed))?).ok()
}

impl MarketStream {
    /// Runs the stream.
    pub(super) async fn events(mut self, topic: EventTopic) -> Result<(), Ended> {
        let topic = Arc::new(topic);
        loop {
            let change = self.out.next(&mut self.heads).await?;
            let removed = change.removed.iter().map(|block| (block, true));
            for (block, is_removed) in removed.chain(change.added.iter().map(|block| (block, false))) {
                if !topic.filter.may_match(block) {
                    continue;
                }
                let (topic, block) = (Arc::clone(&topic), Arc::clone(block));
                let message = self.read(move |context| topic.message(context, &block, is_removed)).await?;
                if !message.events.is_empty() {
                    self.out.send(&message).await?;
                }
            }
        }
    }
}
