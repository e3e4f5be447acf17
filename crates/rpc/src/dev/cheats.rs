//! Changes of the state outside of blocks.
//!
//! Each reads what is there, changes one thing and hands the difference to the node, which shows it at once in the latest
//! state, keeps it on the disk and puts it into the next block. An account that is left with nothing does not exist
//! (EIP-161); one that is given storage exists, even if it has nothing else.

use super::Call;
use crate::RpcError;
use crate::json::Loose;
use alloy_primitives::{Address, B256, Bytes, U256};
use rialto_node::StateView;
use rialto_state::{Account, AccountDiff, Code, Diff, SlotDiff, StateReader};
use serde_json::Value;

/// The change of one account's record. What held before is filled in by the node.
fn account_change(
    state: &StateView,
    address: Address,
    change: impl FnOnce(&mut Account) -> Result<(), RpcError>,
) -> Result<Diff, RpcError> {
    let mut account = state.account(&address)?.unwrap_or_default();
    change(&mut account)?;
    let exists = !account.is_empty() || state.has_storage(&address)?;
    let after = exists.then_some(account);
    let accounts = vec![AccountDiff { address, before: None, after, storage_wiped: false, storage: Vec::new() }];
    Ok(Diff { accounts, codes: Vec::new() })
}

/// `setBalance(address, wei)`
pub(super) fn set_balance(call: &Call<'_>) -> Result<Value, RpcError> {
    let address = call.params.required(0, "address")?;
    let balance: Loose = call.params.required(1, "balance")?;
    call.miner().amend(|state| {
        account_change(state, address, |account| {
            account.balance = balance.0;
            Ok(())
        })
    })?;
    Ok(Value::Null)
}

/// `addBalance(address, wei)`
pub(super) fn add_balance(call: &Call<'_>) -> Result<Value, RpcError> {
    let address = call.params.required(0, "address")?;
    let balance: Loose = call.params.required(1, "balance")?;
    call.miner().amend(|state| {
        account_change(state, address, |account| {
            let sum = account.balance.checked_add(balance.0);
            account.balance = sum.ok_or_else(|| {
                RpcError::invalid_params(
                    "balance",
                    "a sum of less than 2^256 wei",
                    format!("one more than {}", U256::MAX),
                )
            })?;
            Ok(())
        })
    })?;
    Ok(Value::Null)
}

/// `setNonce(address, nonce)`
pub(super) fn set_nonce(call: &Call<'_>) -> Result<Value, RpcError> {
    let address = call.params.required(0, "address")?;
    let nonce = call.number(1, "nonce")?;
    if nonce == u64::MAX {
        return Err(RpcError::invalid_params("nonce", "less than 2^64 - 1 (EIP-2681)", nonce));
    }
    call.miner().amend(|state| {
        account_change(state, address, |account| {
            account.nonce = nonce;
            Ok(())
        })
    })?;
    Ok(Value::Null)
}

/// `setCode(address, code)`
pub(super) fn set_code(call: &Call<'_>) -> Result<Value, RpcError> {
    let address = call.params.required(0, "address")?;
    let code = Code::new(call.params.required::<Bytes>(1, "code")?);
    call.miner().amend(|state| {
        let mut diff = account_change(state, address, |account| {
            account.code_hash = code.hash();
            Ok(())
        })?;
        if !code.is_empty() {
            diff.codes.push(code);
        }
        Ok::<_, RpcError>(diff)
    })?;
    Ok(Value::Null)
}

/// `setStorageAt(address, slot, word)`
pub(super) fn set_storage_at(call: &Call<'_>) -> Result<Value, RpcError> {
    let address: Address = call.params.required(0, "address")?;
    let slot: Loose = call.params.required(1, "slot")?;
    // A word is 32 bytes; shorter ones, and numbers, are taken as numbers.
    let word = match call.params.required::<B256>(2, "value") {
        Ok(word) => U256::from_be_bytes(word.0),
        Err(_) => call.params.required::<Loose>(2, "value")?.0,
    };
    call.miner().amend(|state| {
        let account = state.account(&address)?.unwrap_or_default();
        let storage = vec![SlotDiff { slot: slot.0, before: U256::ZERO, after: word }];
        let accounts = vec![AccountDiff { address, before: None, after: Some(account), storage_wiped: false, storage }];
        Ok::<_, RpcError>(Diff { accounts, codes: Vec::new() })
    })?;
    Ok(Value::Bool(true))
}
