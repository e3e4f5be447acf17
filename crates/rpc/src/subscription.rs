//! A subscription's side of its WebSocket connection.
//!
//! A subscription is a task that listens to the node's events and writes to its connection, waiting while the connection's bounded
//! buffer is full. A peer that reads too slowly makes it wait until events are lost (the node's event channels are bounded, too);
//! then the connection is closed, so that the client knows that it missed something, rather than anything being kept for it.

use crate::RpcContext;
use crate::stream::ConnectionControl;
use jsonrpsee::server::{SubscriptionMessage, SubscriptionSink};
use jsonrpsee::{Extensions, SendTimeoutError};
use serde::Serialize;
use serde_json::value::to_raw_value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

/// Bytes of a notification besides its result, about.
const ENVELOPE_BYTES: usize = 120;

/// The peer is gone, or too slow.
pub(crate) struct Ended;

/// See the module's documentation.
pub(crate) struct Subscription {
    sink: SubscriptionSink,
    control: Option<Arc<ConnectionControl>>,
    stall_timeout: Duration,
}

impl Subscription {
    /// Of an accepted subscription.
    pub(crate) fn new(sink: SubscriptionSink, context: &RpcContext, extensions: &Extensions) -> Self {
        let control = extensions.get::<Arc<ConnectionControl>>().cloned();
        Self { sink, control, stall_timeout: context.limits.write_stall_timeout }
    }

    /// Sends a notification, waiting for the peer for a bounded time.
    pub(crate) async fn send<T: Serialize>(&self, result: &T) -> Result<(), Ended> {
        let result = to_raw_value(result).map_err(|_| Ended)?;
        if let Some(control) = &self.control {
            control.produced(result.get().len() + ENVELOPE_BYTES);
        }
        let message = SubscriptionMessage::new(self.sink.method_name(), self.sink.subscription_id(), &result);
        let message = message.map_err(|_| Ended)?;
        match self.sink.send_timeout(message, self.stall_timeout).await {
            Ok(()) => Ok(()),
            // Unsubscribed, or gone: the connection, if it stands, is the client's for other calls.
            Err(SendTimeoutError::Closed(_)) => Err(Ended),
            Err(SendTimeoutError::Timeout(_)) => {
                self.close_connection();
                Err(Ended)
            }
        }
    }

    /// Closes the connection, for the stream would have a gap.
    pub(crate) fn close_connection(&self) {
        if let Some(control) = &self.control {
            control.close();
        }
    }

    /// Waits until the client unsubscribes or is gone.
    pub(crate) async fn closed(&self) {
        self.sink.closed().await;
    }

    /// The next event; ends when the client unsubscribes, the peer is gone or events were lost.
    pub(crate) async fn next<T: Clone>(&self, events: &mut Receiver<T>) -> Result<T, Ended> {
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
}
