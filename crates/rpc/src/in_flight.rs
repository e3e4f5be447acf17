//! A bound on the requests of one connection that are worked on, and on the time of a batch.
//!
//! jsonrpsee makes one service for a WebSocket connection and one for each HTTP request, so permits that belong to the service
//! are a connection's. A request that finds no permit is answered at once with -32005: it must not wait, for what waits is kept.

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
    batch_timeout: Duration,
}

impl InFlightLayer {
    /// A layer with these limits.
    pub(crate) fn new(limits: &RpcLimits) -> Self {
        Self { max_requests: limits.max_requests_in_flight, batch_timeout: limits.call_timeout }
    }
}

impl<S> tower::Layer<S> for InFlightLayer {
    type Service = InFlight<S>;

    fn layer(&self, inner: S) -> InFlight<S> {
        InFlight { inner, permits: Arc::new(Semaphore::new(self.max_requests)), batch_timeout: self.batch_timeout }
    }
}

/// A service with a bounded number of requests in it.
#[derive(Clone, Debug)]
pub(crate) struct InFlight<S> {
    inner: S,
    permits: Arc<Semaphore>,
    batch_timeout: Duration,
}

fn refused(id: Id<'_>) -> MethodResponse {
    let error = RpcError::new(LIMIT_EXCEEDED, "too many requests of this connection are being worked on");
    MethodResponse::error(id, ErrorObjectOwned::from(error))
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
        let inner = self.inner.clone();
        async move {
            match permit {
                Ok(_permit) => inner.call(request).await,
                Err(_) => refused(request.id),
            }
        }
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        let (inner, limit) = (self.inner.clone(), self.batch_timeout);
        async move {
            let Ok(_permit) = permit else { return refused(Id::Null) };
            timeout(limit, inner.batch(batch)).await.unwrap_or_else(|_| {
                let text = format!("batch timed out: expected an answer within {} s", limit.as_secs());
                MethodResponse::error(Id::Null, ErrorObjectOwned::from(RpcError::new(RESOURCE_UNAVAILABLE, text)))
            })
        }
    }

    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}
