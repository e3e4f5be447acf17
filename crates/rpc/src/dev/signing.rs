//! Signatures with the keys that the node has: of messages (EIP-191) and of typed data (EIP-712).

use super::{Call, typed_data};
use crate::RpcError;
use alloy_primitives::{Address, B256, Bytes, keccak256};
use rialto_stf::sign_hash;
use serde_json::{Value, json};

/// `eth_sign(address, message)`
pub(super) fn sign(call: &Call<'_>) -> Result<Value, RpcError> {
    sign_message(call, call.params.required(0, "address")?, &message(call, 1)?)
}

/// `personal_sign(message, address)`
pub(super) fn personal_sign(call: &Call<'_>) -> Result<Value, RpcError> {
    sign_message(call, call.params.required(1, "address")?, &message(call, 0)?)
}

/// Bytes in hex, or text.
fn message(call: &Call<'_>, index: usize) -> Result<Bytes, RpcError> {
    call.params.required::<Bytes>(index, "message").or_else(|_| {
        let text: String = call.params.required(index, "message")?;
        Ok(text.into_bytes().into())
    })
}

fn sign_message(call: &Call<'_>, address: Address, message: &[u8]) -> Result<Value, RpcError> {
    let prefix = format!("\x19Ethereum Signed Message:\n{}", message.len());
    sign_with(call, &address, &keccak256([prefix.as_bytes(), message].concat()))
}

/// `eth_signTypedData_v4(address, data)`
pub(super) fn sign_typed_data(call: &Call<'_>) -> Result<Value, RpcError> {
    let address: Address = call.params.required(0, "address")?;
    let data: Value = call.params.required(1, "data")?;
    let hash = match &data {
        Value::String(text) => {
            let parsed: Value = serde_json::from_str(text)
                .map_err(|error| RpcError::invalid_params("data", "an object of typed data", error))?;
            typed_data::signing_hash(&parsed)
        }
        data => typed_data::signing_hash(data),
    };
    sign_with(call, &address, &hash.map_err(|error| error.into_rpc("data"))?)
}

/// r, s and v (27 or 28) on end.
fn sign_with(call: &Call<'_>, address: &Address, hash: &B256) -> Result<Value, RpcError> {
    let account = call.dev.account(address).ok_or_else(|| unknown_account(address))?;
    let signature = sign_hash(hash, &account.secret_key).map_err(|error| RpcError::internal(error.to_string()))?;
    let mut bytes = Vec::with_capacity(65);
    bytes.extend_from_slice(&signature.r.to_be_bytes::<32>());
    bytes.extend_from_slice(&signature.s.to_be_bytes::<32>());
    bytes.push(27 + u8::from(signature.y_parity));
    Ok(json!(Bytes::from(bytes)))
}

/// The node has no key of this account.
pub(super) fn unknown_account(address: &Address) -> RpcError {
    RpcError::server(format!("account {address}: expected one whose key this node has, or that is impersonated"))
}
