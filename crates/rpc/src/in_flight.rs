//! A bound on the requests of one connection that are worked on, and on the time of a batch.
//!
//! jsonrpsee makes one service for a WebSocket connection and one for each HTTP request, so permits that belong to the service
//! are a connection's. A request that finds no permit is answered at once with -32005: it must not wait, for what waits is kept.
//! So is one of a WebSocket connection on which too many bytes of answers wait already.

use crate::stream::ConnectionControl;
use crate::{RpcError, RpcLimits, error::LIMIT_EXCEEDED, error::RESOURCE_UNAVAILABLE};
use jsonrpsee::MethodResponse;
use jsonrpsee::core::middleware::{Batch, Notification, RpcServiceT};
use jsonrpsee::types::{ErrorObjectOwned, Id, Request};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Makes [`InFlight`] services.
#[derive(Clone, Debug)]
pub(crate) struct InFlightLayer {
    max_requests: usize,
    max_unsent_bytes: u64,
    batch_timeout: Duration,
}

impl InFlightLayer {
    /// A layer with these limits.
    pub(crate) fn new(limits: &RpcLimits) -> Self {
        Self {
            max_requests: limits.max_requests_in_flight,
            max_unsent_bytes: limits.max_unsent_bytes,
            batch_timeout: limits.call_timeout,
        }
    }
}

impl<S> tower::Layer<S> for InFlightLayer {
    type Service = InFlight<S>;

    fn layer(&self, inner: S) -> InFlight<S> {
        InFlight {
            inner,
            permits: Arc::new(Semaphore::new(self.max_requests)),
            max_unsent_bytes: self.max_unsent_bytes,
            batch_timeout: self.batch_timeout,
        }
    }
}

/// A service with a bounded number of requests in it.
#[derive(Clone, Debug)]
pub(crate) struct InFlight<S> {
    inner: S,
    permits: Arc<Semaphore>,
    max_unsent_bytes: u64,
    batch_timeout: Duration,
}

fn refused(id: Id<'_>, text: &str) -> MethodResponse {
    MethodResponse::error(id, ErrorObjectOwned::from(RpcError::new(LIMIT_EXCEEDED, text)))
}

/// What is said where there is no permit.
const BUSY: &str = "too many requests of this connection are being worked on";
/// What is said where too many bytes wait.
const UNREAD: &str = "too many answers wait to be read from this connection";

/// Counts an answer for its connection; an error in its place if too many bytes wait there already.
fn counted(
    response: MethodResponse,
    id: Id<'_>,
    control: Option<&Arc<ConnectionControl>>,
    max_unsent_bytes: u64,
) -> MethodResponse {
    let Some(control) = control.filter(|_| !response.is_subscription()) else { return response };
    let (unsent, length) = (control.unsent_bytes(), response.as_json().get().len());
    // An answer that nothing waits before may be as long as any.
    let response = if unsent > 0 && unsent.saturating_add(length as u64) > max_unsent_bytes {
        refused(id, UNREAD)
    } else {
        response
    };
    control.produced(response.as_json().get().len());
    response
}

impl<S> RpcServiceT for InFlight<S>
where
    S: RpcServiceT<
            MethodResponse = MethodResponse,
            BatchResponse = MethodResponse,
            NotificationResponse = MethodResponse,
        > + Clone
        + Send
        + Sync
        + 'static,
{
    type MethodResponse = MethodResponse;
    type NotificationResponse = MethodResponse;
    type BatchResponse = MethodResponse;

    fn call<'a>(&self, request: Request<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        let (inner, limit) = (self.inner.clone(), self.max_unsent_bytes);
        async move {
            let Ok(_permit) = permit else { return refused(request.id, BUSY) };
            let control = request.extensions.get::<Arc<ConnectionControl>>().cloned();
            if control.is_none() {
                return inner.call(request).await;
            }
            let id = request.id.clone().into_owned();
            counted(inner.call(request).await, id, control.as_ref(), limit)
        }
    }

    fn batch<'a>(&self, mut batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        let (inner, limit, unsent) = (self.inner.clone(), self.batch_timeout, self.max_unsent_bytes);
        async move {
            let Ok(_permit) = permit else { return refused(Id::Null, BUSY) };
            let control = batch.extensions().get::<Arc<ConnectionControl>>().cloned();
            let response = timeout(limit, inner.batch(batch)).await.unwrap_or_else(|_| {
                let text = format!("batch timed out: expected an answer within {} s", limit.as_secs());
                MethodResponse::error(Id::Null, ErrorObjectOwned::from(RpcError::new(RESOURCE_UNAVAILABLE, text)))
            });
            counted(response, Id::Null, control.as_ref(), unsent)
        }
    }

    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonrpsee::ResponsePayload;

    #[test]
    fn answers_that_nobody_reads_are_replaced() {
        let control = Arc::new(ConnectionControl::default());
        let answer = |length: usize| {
            MethodResponse::response(Id::Number(1), ResponsePayload::success("x".repeat(length)), usize::MAX)
        };
        // Length of the answer, whether it is let through, one after the other with nothing written meanwhile.
        for (length, expected) in [(5_000, true), (100, false), (1, false)] {
            let counted = counted(answer(length), Id::Number(1), Some(&control), 4_000);
            assert_eq!(counted.is_success(), expected, "{length} bytes on {}", control.unsent_bytes());
        }
        assert!(control.unsent_bytes() > 5_000, "errors count, too");
        assert!(counted(answer(9_000), Id::Number(1), None, 4_000).is_success(), "HTTP has one answer at a time");
    }
}
