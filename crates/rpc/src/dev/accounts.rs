//! The accounts whose keys the node has, and those that anybody may send as.

use super::{Call, IMPERSONATED_MAX};
use crate::RpcError;
use alloy_primitives::Address;
use serde_json::{Value, json};

/// `eth_accounts()`
pub(super) fn list(call: &Call<'_>) -> Result<Value, RpcError> {
    let impersonated = call.dev.impersonated();
    let own = call.dev.accounts.iter().map(|account| account.address);
    let others = impersonated.accounts.iter().copied().filter(|address| call.dev.account(address).is_none());
    Ok(own.chain(others).map(|address| json!(address)).collect())
}

/// `impersonateAccount(address)`
pub(super) fn impersonate(call: &Call<'_>) -> Result<Value, RpcError> {
    let address: Address = call.params.required(0, "address")?;
    let mut impersonated = call.dev.impersonated();
    if impersonated.accounts.len() >= IMPERSONATED_MAX && !impersonated.accounts.contains(&address) {
        return Err(RpcError::limit("impersonated accounts", IMPERSONATED_MAX, IMPERSONATED_MAX + 1));
    }
    impersonated.accounts.insert(address);
    Ok(Value::Null)
}

/// `stopImpersonatingAccount(address)`
pub(super) fn stop_impersonating(call: &Call<'_>) -> Result<Value, RpcError> {
    let address: Address = call.params.required(0, "address")?;
    call.dev.impersonated().accounts.remove(&address);
    Ok(Value::Null)
}

/// `autoImpersonateAccount(enabled)`
pub(super) fn auto_impersonate(call: &Call<'_>) -> Result<Value, RpcError> {
    call.dev.impersonated().is_everybody = call.params.required(0, "enabled")?;
    Ok(Value::Null)
}
