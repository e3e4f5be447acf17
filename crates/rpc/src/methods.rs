//! How methods are registered.
//!
//! A method is a function from parameters and context to a serialisable answer. [`light`] runs it at once on the server's thread:
//! for what takes microseconds. [`heavy`] runs it on a thread for blocking work: it waits for one of a bounded number of permits,
//! and the request is answered with an error when its time is over. The work itself can't be interrupted and keeps its permit
//! until it ends, so it has to be bounded by itself (gas, sizes). [`glanced`] is for what is mostly short and may be long.

use crate::{RpcContext, RpcError, error::RESOURCE_UNAVAILABLE, json::Params};
use jsonrpsee::{RpcModule, core::RegisterMethodError};
use serde::Serialize;
use serde_json::value::to_raw_value;
use std::sync::Arc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// A table of methods under construction.
pub(crate) type Module = RpcModule<Arc<RpcContext>>;
/// Whether a method could be registered.
pub(crate) type Registered = Result<(), RegisterMethodError>;

/// Registers a method that answers within microseconds.
pub(crate) fn light<R, F>(module: &mut Module, name: &'static str, handler: F) -> Registered
where
    R: Serialize + Clone + 'static,
    F: Fn(&Params, &Arc<RpcContext>) -> Result<R, RpcError> + Send + Sync + 'static,
{
    module.register_method(name, move |params, context, _| handler(&Params::parse(params.as_str())?, context)).map(drop)
}

/// Registers a method that executes or reads much.
pub(crate) fn heavy<R, F>(module: &mut Module, name: &'static str, handler: F) -> Registered
where
    R: Serialize + Clone + Send + 'static,
    F: Fn(&Params, &Arc<RpcContext>) -> Result<R, RpcError> + Clone + Send + Sync + 'static,
{
    module
        .register_async_method(name, move |params, context, _| {
            let handler = handler.clone();
            async move {
                let params = Params::parse(params.as_str())?;
                // Long answers are made into text there, too, not on the server's thread.
                let work = move |context: &Arc<RpcContext>| {
                    to_raw_value(&handler(&params, context)?).map_err(|error| RpcError::internal(error.to_string()))
                };
                run_heavy(Arc::clone(&*context), work).await
            }
        })
        .map(drop)
}

/// Registers a method like [`heavy`] whose answer is often there at once: `glance` gives it within a fraction of a millisecond on
/// the server's thread, or `None`, and then `handler` begins from the beginning.
pub(crate) fn glanced<R, G, F>(module: &mut Module, name: &'static str, glance: G, handler: F) -> Registered
where
    R: Serialize + Clone + Send + 'static,
    G: Fn(&Params, &Arc<RpcContext>) -> Option<R> + Clone + Send + Sync + 'static,
    F: Fn(&Params, &Arc<RpcContext>) -> Result<R, RpcError> + Clone + Send + Sync + 'static,
{
    let text = |answer: &R| to_raw_value(answer).map_err(|error| RpcError::internal(error.to_string()));
    module
        .register_async_method(name, move |params, context, _| {
            let (glance, handler) = (glance.clone(), handler.clone());
            async move {
                let params = Params::parse(params.as_str())?;
                if let Some(answer) = glance(&params, &context) {
                    return text(&answer);
                }
                run_heavy(Arc::clone(&*context), move |context| text(&handler(&params, context)?)).await
            }
        })
        .map(drop)
}

/// Runs blocking work within the limits for it.
pub(crate) async fn run_heavy<R, F>(context: Arc<RpcContext>, work: F) -> Result<R, RpcError>
where
    R: Send + 'static,
    F: FnOnce(&Arc<RpcContext>) -> Result<R, RpcError> + Send + 'static,
{
    let limit = context.limits.call_timeout;
    let permits = Arc::clone(&context.heavy_calls);
    let task = async move {
        let permit = permits.acquire_owned().await.map_err(|_| RpcError::internal("server: is stopping"))?;
        spawn_blocking(move || {
            let _permit = permit;
            work(&context)
        })
        .await
        .map_err(|_| RpcError::internal("method handler crashed"))?
    };
    timeout(limit, task).await.unwrap_or_else(|_| {
        let text = format!("request timed out: expected an answer within {} s", limit.as_secs());
        Err(RpcError::new(RESOURCE_UNAVAILABLE, text))
    })
}
