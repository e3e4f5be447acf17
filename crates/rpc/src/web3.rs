//! The `web3` namespace.

use crate::RpcContext;
use crate::json::Params;
use crate::methods::{Module, Registered, light};
use alloy_primitives::{Bytes, keccak256};
use std::sync::Arc;

/// Registers the namespace's methods.
pub(crate) fn register(module: &mut Module) -> Registered {
    light(module, "web3_clientVersion", |_, context: &Arc<RpcContext>| Ok(context.client_version.clone()))?;
    light(module, "web3_sha3", |params: &Params, _| Ok(keccak256(params.required::<Bytes>(0, "data")?)))
}
