//! Who watches the servers.
//!
//! An observer is told of every request when it is answered, and of connections as they come and go. It counts; it takes no part
//! in answering. Method names come from the network, so what counts by name has to take [`UNKNOWN_METHOD`] for names that no
//! method has, or anybody could make it keep any number of names.

use crate::RpcLimits;
use jsonrpsee::core::middleware::{Batch, BatchEntry, Notification, RpcServiceT};
use jsonrpsee::core::server::BatchResponseBuilder;
use jsonrpsee::types::Request;
use jsonrpsee::{MethodResponse, Methods};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The name under which requests for unknown methods are counted.
pub const UNKNOWN_METHOD: &str = "unknown";

/// Told what the servers do.
pub trait RpcObserver: Send + Sync {
    /// A request was answered, within `elapsed`, with this error code if it failed. `method` is a registered method's name or
    /// [`UNKNOWN_METHOD`].
    fn answered(&self, method: &str, elapsed: Duration, error_code: Option<i32>);

    /// A connection was opened (1) or closed (-1).
    fn connections_changed(&self, by: i64);
}

/// Makes [`Observed`] services.
#[derive(Clone)]
pub(crate) struct ObserveLayer {
    observer: Option<Arc<dyn RpcObserver>>,
    max_response_bytes: usize,
    methods: Methods,
}

impl ObserveLayer {
    /// A layer that tells `observer` of requests for `methods`.
    pub(crate) fn new(observer: Option<Arc<dyn RpcObserver>>, methods: Methods, limits: &RpcLimits) -> Self {
        Self { observer, max_response_bytes: limits.max_response_bytes as usize, methods }
    }
}

impl<S> tower::Layer<S> for ObserveLayer {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { inner, layer: self.clone() }
    }
}

/// A service whose requests are told of. A batch is taken apart here, since inside it would pass by unseen.
#[derive(Clone)]
pub(crate) struct Observed<S> {
    inner: S,
    layer: ObserveLayer,
}

/// Calls one method and tells of it.
async fn observe<S>(inner: S, layer: ObserveLayer, request: Request<'_>) -> MethodResponse
where
    S: RpcServiceT<MethodResponse = MethodResponse>,
{
    let Some(observer) = layer.observer else { return inner.call(request).await };
    // The table's own copy of the name: it outlives the request, and nobody else's name gets through.
    let name = layer.methods.method_with_name(request.method_name()).map_or(UNKNOWN_METHOD, |(name, _)| name);
    let begin = Instant::now();
    let response = inner.call(request).await;
    observer.answered(name, begin.elapsed(), response.as_error_code());
    response
}

impl<S> RpcServiceT for Observed<S>
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
        observe(self.inner.clone(), self.layer.clone(), request)
    }

    fn batch<'a>(&self, batch: Batch<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        let (inner, layer) = (self.inner.clone(), self.layer.clone());
        async move {
            if layer.observer.is_none() {
                return inner.batch(batch).await;
            }
            let mut answers = BatchResponseBuilder::new_with_limit(layer.max_response_bytes);
            let mut has_notification = false;
            for entry in batch {
                let answer = match entry {
                    Ok(BatchEntry::Call(request)) => observe(inner.clone(), layer.clone(), request).await,
                    Ok(BatchEntry::Notification(notification)) => {
                        has_notification = true;
                        inner.notification(notification).await;
                        continue;
                    }
                    Err(malformed) => {
                        let (error, id) = malformed.into_parts();
                        MethodResponse::error(id, error)
                    }
                };
                if let Err(too_large) = answers.append(answer) {
                    return too_large;
                }
            }
            // A batch of notifications alone has no answer.
            if answers.is_empty() && has_notification {
                return MethodResponse::notification();
            }
            MethodResponse::from_batch(answers.finish())
        }
    }

    fn notification<'a>(&self, notification: Notification<'a>) -> impl Future<Output = MethodResponse> + Send + 'a {
        self.inner.notification(notification)
    }
}

/// Counts a connection as long as it lives.
pub(crate) struct ObservedConnection(Option<Arc<dyn RpcObserver>>);

impl ObservedConnection {
    /// A connection was opened.
    pub(crate) fn open(observer: Option<&Arc<dyn RpcObserver>>) -> Self {
        if let Some(observer) = observer {
            observer.connections_changed(1);
        }
        Self(observer.cloned())
    }
}

impl Drop for ObservedConnection {
    fn drop(&mut self) {
        if let Some(observer) = &self.0 {
            observer.connections_changed(-1);
        }
    }
}
