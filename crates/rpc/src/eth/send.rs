//! `eth_sendRawTransaction` and `eth_sendRawTransactionSync` (EIP-7966).

use super::transactions::receipt_of;
use crate::json::{Loose, Params, ReceiptJson};
use crate::methods::{Module, Registered, run_heavy};
use crate::{RpcContext, RpcError};
use alloy_primitives::{B256, Bytes};
use rialto_node::PoolTransaction;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{timeout, timeout_at};

/// Code for a transaction that is in no block in time (EIP-7966).
const SYNC_TIMEOUT: i32 = 4;
/// First byte of a blob transaction, whose proofs take milliseconds to check.
const BLOB_TYPE: u8 = 3;
/// Longest transaction that is checked on the server's thread.
const SHORT_BYTES: usize = 16 << 10;

/// Registers the methods of this file.
pub(crate) fn register(module: &mut Module) -> Registered {
    module.register_async_method("eth_sendRawTransaction", |params, context, _| async move {
        let params = Params::parse(params.as_str())?;
        submit_raw(&context, params.required(0, "transaction")?).await
    })?;
    module.register_async_method("eth_sendRawTransactionSync", |params, context, _| async move {
        let params = Params::parse(params.as_str())?;
        send_and_wait(&context, &params).await
    })?;
    Ok(())
}

/// Decodes a transaction and puts it into the pool.
async fn submit_raw(context: &Arc<RpcContext>, bytes: Bytes) -> Result<B256, RpcError> {
    let hash = if bytes.first() == Some(&BLOB_TYPE) || bytes.len() > SHORT_BYTES {
        run_heavy(Arc::clone(context), move |context| submit(context, &bytes)).await?
    } else {
        submit(context, &bytes)?
    };
    if let Some(dev) = &context.dev {
        // A transaction that isn't mined in time is in the pool nevertheless.
        let _ = timeout(context.limits.call_timeout, dev.miner().submitted(&hash)).await;
    }
    Ok(hash)
}

fn submit(context: &RpcContext, bytes: &[u8]) -> Result<B256, RpcError> {
    let view = context.view()?;
    let (spec, head) = (context.node.spec(), &view.head().block.header);
    let transaction = PoolTransaction::decode(bytes, spec, head)?.with_proofs_for(spec, head)?;
    Ok(context.node.submit(transaction)?)
}

/// Sends a transaction and waits for its receipt.
async fn send_and_wait(context: &Arc<RpcContext>, params: &Params) -> Result<ReceiptJson, RpcError> {
    let bytes: Bytes = params.required(0, "transaction")?;
    let milliseconds = params.optional::<Loose>(1, "timeout")?.map(|number| number.0.saturating_to::<u64>());
    let wait = match milliseconds {
        None | Some(0) => context.limits.default_sync_wait,
        Some(milliseconds) => Duration::from_millis(milliseconds).min(context.limits.max_sync_wait),
    };
    let deadline = tokio::time::Instant::now() + wait;
    let mut heads = context.node.subscribe_heads();
    let hash = submit_raw(context, bytes).await?;
    loop {
        if let Some(receipt) = receipt_of(context, &context.view()?, &hash)? {
            return Ok(receipt);
        }
        match timeout_at(deadline, heads.recv()).await {
            Ok(Ok(_) | Err(RecvError::Lagged(_))) => {}
            Ok(Err(RecvError::Closed)) => return Err(RpcError::internal("server: is stopping")),
            Err(_) => {
                let text = format!(
                    "The transaction was added to the transaction pool but wasn't processed in {} ms",
                    wait.as_millis()
                );
                return Err(RpcError::new(SYNC_TIMEOUT, text).with_data(json!(hash)));
            }
        }
    }
}
